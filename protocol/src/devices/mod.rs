//! What devices say, and what it means.
//!
//! Each folder knows one kind of device: the faithful structure of its payloads, what they mean, and payloads that
//! such devices sent. [`interpret`] is where all of them meet; agent and gateway call nothing else for a measurement.
//! Which of these values may feed limits and trends is decided here too, by [`plausible`] and what the device itself
//! says about its measurement.

pub mod alarm_button;
pub mod battery;
pub mod blood_pressure;
pub mod clock;
pub mod heart_rate;
pub mod plausible;
pub mod pulse_oximeter;
pub mod record_access;
pub mod thermometer;
pub mod weight_scale;

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::observation::Observation;

/// A Bluetooth characteristic, by its 16-bit number; for a button, the number of the service its advertisement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Characteristic(#[n(0)] pub u16);

impl Characteristic {
    /// Date Time: the clock of some cuffs, which may be written.
    pub const DATE_TIME: Self = Self(0x2A08);
    /// Local Time Information: time zone and summer time.
    pub const LOCAL_TIME_INFORMATION: Self = Self(0x2A0F);
    /// Battery Level.
    pub const BATTERY_LEVEL: Self = Self(0x2A19);
    /// Temperature Measurement of a thermometer.
    pub const TEMPERATURE_MEASUREMENT: Self = Self(0x2A1C);
    /// Current Time.
    pub const CURRENT_TIME: Self = Self(0x2A2B);
    /// Blood Pressure Measurement.
    pub const BLOOD_PRESSURE_MEASUREMENT: Self = Self(0x2A35);
    /// Intermediate Cuff Pressure: while the cuff inflates, never a reading.
    pub const INTERMEDIATE_CUFF_PRESSURE: Self = Self(0x2A36);
    /// Heart Rate Measurement, a stream.
    pub const HEART_RATE_MEASUREMENT: Self = Self(0x2A37);
    /// Blood Pressure Feature.
    pub const BLOOD_PRESSURE_FEATURE: Self = Self(0x2A49);
    /// Record Access Control Point.
    pub const RECORD_ACCESS_CONTROL_POINT: Self = Self(0x2A52);
    /// Pulse oximeter Spot-Check Measurement.
    pub const SPOT_CHECK_MEASUREMENT: Self = Self(0x2A5E);
    /// Pulse oximeter Continuous Measurement, a stream.
    pub const CONTINUOUS_MEASUREMENT: Self = Self(0x2A5F);
    /// Weight Measurement.
    pub const WEIGHT_MEASUREMENT: Self = Self(0x2A9D);
    /// Enhanced Blood Pressure Measurement.
    pub const ENHANCED_BLOOD_PRESSURE_MEASUREMENT: Self = Self(0x2B34);
    /// Blood Pressure Record, a segment of one.
    pub const BLOOD_PRESSURE_RECORD: Self = Self(0x2B36);
    /// BTHome service data: an alarm button.
    pub const BTHOME: Self = Self(0xFCD2);
}

/// Four hexadecimal digits: `2a35`.
impl fmt::Display for Characteristic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

/// How a model departs from the standard. It is configured with the device, never guessed from what a payload says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// As the Bluetooth SIG wrote it.
    #[default]
    #[n(0)]
    Standard,
    /// Beurer cuffs such as the BM 85, and their relatives: in a blood pressure, the user id is always there and pulse
    /// and status are big-endian.
    #[n(1)]
    Beurer,
}

/// `standard` or `beurer`.
impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Beurer => "beurer",
        })
    }
}

/// There is no dialect of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no dialect {0:?}, only \"standard\" and \"beurer\"")]
pub struct UnknownDialect(String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        match name {
            "standard" => Ok(Self::Standard),
            "beurer" => Ok(Self::Beurer),
            unknown => Err(UnknownDialect(unknown.to_owned())),
        }
    }
}

/// What one payload means to those who look after the person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meaning {
    /// The values, each marked whether it may feed limits and trends.
    pub observations: Vec<Observation>,
    /// When the device says it measured, by its own wall clock: only if that is complete, exists, and the device does
    /// not itself say that its clock is not set.
    pub device_time: Option<civil::DateTime>,
    /// `device_time` is UTC, not local time. Only enhanced blood pressures without the time the user saw are so.
    pub device_time_is_utc: bool,
    /// Which of the device's users it says it measured; `None` where it does not say, or does not know.
    pub user_slot: Option<u8>,
    /// The device's own number for the record, where it has one.
    pub record_number: Option<u32>,
    /// What the device says about its measurement, in the order of its bits.
    pub marks: Vec<Mark>,
    /// Whether this may become a reading that feeds limits and trends. It is kept and shown in any case.
    pub usable: bool,
}

/// What a device itself says about a measurement. Numbers on the wire are never given to another mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The person moved.
    #[n(0)]
    BodyMovement,
    /// The cuff was too loose.
    #[n(1)]
    CuffTooLoose,
    /// The pulse was irregular.
    #[n(2)]
    IrregularPulse,
    /// The pulse was above the cuff's upper limit.
    #[n(3)]
    PulseAboveRange,
    /// The pulse was below the cuff's lower limit.
    #[n(4)]
    PulseBelowRange,
    /// The arm was not held right.
    #[n(5)]
    ImproperPosition,
    /// The strap has no contact with the skin.
    #[n(6)]
    NoSkinContact,
    /// The measurement had not come to an end.
    #[n(7)]
    Unfinished,
    /// The value is an early estimate.
    #[n(8)]
    EarlyEstimate,
    /// The record was taken earlier and comes from the device's memory.
    #[n(9)]
    FromStorage,
    /// The device shows values that nobody has: demonstration, testing or calibration.
    #[n(10)]
    NotAPerson,
    /// The device cannot give a value.
    #[n(11)]
    Unavailable,
    /// The device doubts its value.
    #[n(12)]
    Questionable,
    /// The device says its value is invalid.
    #[n(13)]
    Invalid,
    /// The signal was poor, irregular or disturbed.
    #[n(14)]
    PoorSignal,
    /// The finger is cold or has little blood.
    #[n(15)]
    LowPerfusion,
    /// The sensor is not on the finger, or not where it should be.
    #[n(16)]
    SensorOff,
    /// Sensor or device is broken, or the sensor is not plugged in.
    #[n(17)]
    Malfunction,
    /// The scale could not weigh.
    #[n(18)]
    Unsuccessful,
    /// The device says that its clock is not set.
    #[n(19)]
    ClockNotSet,
}

/// Whether a characteristic is sent over and over while a device is worn, so that a minute of it makes a signal.
pub fn is_stream(characteristic: Characteristic) -> bool {
    matches!(characteristic, Characteristic::HEART_RATE_MEASUREMENT | Characteristic::CONTINUOUS_MEASUREMENT)
}

/// What a measurement's payload means.
///
/// # Errors
/// [`DecodeError::NotAMeasurement`] for a characteristic that holds none, [`DecodeError::Truncated`] for a payload that
/// is cut. Nothing else about a measurement is an error: what cannot be used is marked so.
pub fn interpret(characteristic: Characteristic, dialect: Dialect, payload: &[u8]) -> Result<Meaning, DecodeError> {
    match characteristic {
        Characteristic::BLOOD_PRESSURE_MEASUREMENT => {
            blood_pressure::Measurement::decode(payload, dialect).map(|measurement| measurement.meaning())
        }
        Characteristic::ENHANCED_BLOOD_PRESSURE_MEASUREMENT => {
            blood_pressure::Enhanced::decode(payload).map(|measurement| measurement.meaning())
        }
        Characteristic::HEART_RATE_MEASUREMENT => {
            heart_rate::Measurement::decode(payload).map(|measurement| measurement.meaning())
        }
        Characteristic::SPOT_CHECK_MEASUREMENT => {
            pulse_oximeter::SpotCheck::decode(payload).map(|measurement| measurement.meaning())
        }
        Characteristic::CONTINUOUS_MEASUREMENT => {
            pulse_oximeter::Continuous::decode(payload).map(|measurement| measurement.meaning())
        }
        Characteristic::TEMPERATURE_MEASUREMENT => {
            thermometer::Measurement::decode(payload).map(|measurement| measurement.meaning())
        }
        Characteristic::WEIGHT_MEASUREMENT => {
            weight_scale::Measurement::decode(payload).map(|measurement| measurement.meaning())
        }
        _ => Err(DecodeError::NotAMeasurement(characteristic)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_measurements_mean_something() {
        for other in [
            Characteristic::INTERMEDIATE_CUFF_PRESSURE,
            Characteristic::BLOOD_PRESSURE_FEATURE,
            Characteristic::BATTERY_LEVEL,
            Characteristic::BTHOME,
            Characteristic(0x1234),
        ] {
            let refused = Err(DecodeError::NotAMeasurement(other));
            assert_eq!(interpret(other, Dialect::Standard, &[0; 20]), refused, "{other}");
        }
    }

    #[test]
    fn a_dialect_is_read_as_it_is_written() {
        for dialect in [Dialect::Standard, Dialect::Beurer] {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
            assert_eq!(serde_json::to_string(&dialect).expect("a word"), format!("\"{dialect}\""));
        }
        assert!("omron".parse::<Dialect>().is_err());
    }

    #[test]
    fn a_characteristic_travels_as_its_number() {
        let bytes = minicbor::to_vec(Characteristic::BTHOME).expect("memory is enough");
        assert_eq!(bytes, [0x19, 0xFC, 0xD2]);
        assert_eq!(Characteristic::BLOOD_PRESSURE_MEASUREMENT.to_string(), "2a35");
    }

    proptest! {
        #[test]
        fn no_payload_makes_a_usable_value_out_of_an_unusable_measurement(
            characteristic in prop::sample::select(vec![0x2A35, 0x2A37, 0x2A5E, 0x2A5F, 0x2A1C, 0x2A9D, 0x2B34]),
            payload in proptest::collection::vec(any::<u8>(), 0..28),
        ) {
            for dialect in [Dialect::Standard, Dialect::Beurer] {
                if let Ok(meaning) = interpret(Characteristic(characteristic), dialect, &payload) {
                    prop_assert!(!meaning.observations.is_empty());
                    prop_assert!(meaning.usable || meaning.observations.iter().all(|observation| !observation.usable));
                }
            }
        }
    }
}
