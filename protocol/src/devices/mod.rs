//! What devices say, and what it means.
//!
//! Each folder knows one kind of device: the faithful structure of its payloads, what they mean, and payloads that
//! such devices sent. [`interpret`] is where all of them meet; agent and gateway call nothing else for a measurement.
//! Which of these values may feed limits and trends is decided here too, by [`plausible`] and what the device itself
//! says about its measurement.

pub mod alarm_button;
pub mod battery;
pub mod berrymed;
pub mod blood_pressure;
pub mod clock;
mod dialect;
pub mod heart_rate;
mod listening;
pub mod microlife;
pub mod nonin;
pub mod plausible;
pub mod pulse_oximeter;
pub mod record_access;
pub mod thermometer;
pub mod weight_scale;
pub mod yonker;

pub use dialect::{Dialect, UnknownDialect};
pub use listening::{Answer, Assembler, Heard, Request, Stream, is_stream, measurements, requests, service, stream};

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::observation::Observation;

/// A Bluetooth characteristic, by its UUID; for a button, that of the service its advertisement is for.
///
/// On the wire one that the Bluetooth SIG assigned is its 16-bit number, any other its 16 bytes, most significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Characteristic(u128);

/// What the numbers that the Bluetooth SIG assigns stand for: `0000xxxx-0000-1000-8000-00805f9b34fb`.
///
/// Source: Bluetooth Core Specification, Vol 3, Part B, 2.5.1.
const ASSIGNED: u128 = 0x0000_0000_0000_1000_8000_0080_5F9B_34FB;

impl Characteristic {
    /// One that the Bluetooth SIG assigned.
    #[must_use]
    pub const fn assigned(number: u16) -> Self {
        Self(ASSIGNED | (number as u128) << 96)
    }

    /// One of a vendor's own.
    #[must_use]
    pub const fn vendor(uuid: u128) -> Self {
        Self(uuid)
    }

    /// The whole UUID.
    #[must_use]
    pub const fn uuid(self) -> u128 {
        self.0
    }

    /// The 16-bit number, of one that the Bluetooth SIG assigned.
    #[must_use]
    pub fn number(self) -> Option<u16> {
        u16::try_from(self.0.wrapping_sub(ASSIGNED) >> 96).ok().filter(|number| Self::assigned(*number) == self)
    }

    /// No characteristic: an alarm that came over no radio, but from a program or a wire in the home.
    pub const LOCAL: Self = Self::vendor(0);
    /// Date Time: the clock of some cuffs, which may be written.
    pub const DATE_TIME: Self = Self::assigned(0x2A08);
    /// Local Time Information: time zone and summer time.
    pub const LOCAL_TIME_INFORMATION: Self = Self::assigned(0x2A0F);
    /// Battery Level.
    pub const BATTERY_LEVEL: Self = Self::assigned(0x2A19);
    /// Temperature Measurement of a thermometer.
    pub const TEMPERATURE_MEASUREMENT: Self = Self::assigned(0x2A1C);
    /// Current Time.
    pub const CURRENT_TIME: Self = Self::assigned(0x2A2B);
    /// Blood Pressure Measurement.
    pub const BLOOD_PRESSURE_MEASUREMENT: Self = Self::assigned(0x2A35);
    /// Intermediate Cuff Pressure: while the cuff inflates, never a reading.
    pub const INTERMEDIATE_CUFF_PRESSURE: Self = Self::assigned(0x2A36);
    /// Heart Rate Measurement, a stream.
    pub const HEART_RATE_MEASUREMENT: Self = Self::assigned(0x2A37);
    /// Blood Pressure Feature.
    pub const BLOOD_PRESSURE_FEATURE: Self = Self::assigned(0x2A49);
    /// Record Access Control Point.
    pub const RECORD_ACCESS_CONTROL_POINT: Self = Self::assigned(0x2A52);
    /// Pulse oximeter Spot-Check Measurement.
    pub const SPOT_CHECK_MEASUREMENT: Self = Self::assigned(0x2A5E);
    /// Pulse oximeter Continuous Measurement, a stream.
    pub const CONTINUOUS_MEASUREMENT: Self = Self::assigned(0x2A5F);
    /// Weight Measurement.
    pub const WEIGHT_MEASUREMENT: Self = Self::assigned(0x2A9D);
    /// Enhanced Blood Pressure Measurement.
    pub const ENHANCED_BLOOD_PRESSURE_MEASUREMENT: Self = Self::assigned(0x2B34);
    /// Blood Pressure Record, a segment of one.
    pub const BLOOD_PRESSURE_RECORD: Self = Self::assigned(0x2B36);
    /// BTHome service data: an alarm button.
    pub const BTHOME: Self = Self::assigned(0xFCD2);
}

/// Four hexadecimal digits for one that the Bluetooth SIG assigned, `2a35`; else the whole UUID.
impl fmt::Display for Characteristic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.number() {
            return write!(f, "{number:04x}");
        }
        let digits = format!("{:032x}", self.0);
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
        f.write_str(&parts.join("-"))
    }
}

/// A text that is no characteristic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a characteristic (four hexadecimal digits, or a UUID)")]
pub struct NotACharacteristic;

impl FromStr for Characteristic {
    type Err = NotACharacteristic;

    fn from_str(text: &str) -> Result<Self, NotACharacteristic> {
        let digits = text.replace('-', "");
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotACharacteristic);
        }
        match digits.len() {
            4 => u16::from_str_radix(&digits, 16).map(Self::assigned).map_err(|_| NotACharacteristic),
            32 => u128::from_str_radix(&digits, 16).map(Self).map_err(|_| NotACharacteristic),
            _ => Err(NotACharacteristic),
        }
    }
}

impl<C> Encode<C> for Characteristic {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self.number() {
            Some(number) => e.u16(number)?.ok(),
            None => e.bytes(&self.0.to_be_bytes())?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Characteristic {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.datatype()? != minicbor::data::Type::Bytes {
            return d.u16().map(Self::assigned);
        }
        let uuid = d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("not 16 bytes of a UUID"))?;
        Ok(Self(u128::from_be_bytes(uuid)))
    }
}

/// The kinds of device there are.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A cuff.
    #[n(0)]
    BloodPressure,
    /// A clip for the finger.
    #[n(1)]
    PulseOximeter,
    /// A thermometer.
    #[n(2)]
    Thermometer,
    /// A scale.
    #[n(3)]
    WeightScale,
    /// A strap around the chest.
    #[n(4)]
    HeartRate,
    /// A button to call for help.
    #[n(5)]
    AlarmButton,
}

impl DeviceKind {
    /// Every kind there is.
    pub const ALL: [Self; 6] = [
        Self::BloodPressure,
        Self::PulseOximeter,
        Self::Thermometer,
        Self::WeightScale,
        Self::HeartRate,
        Self::AlarmButton,
    ];

    /// Its word in configurations, in the store and on the command line: `blood_pressure`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BloodPressure => "blood_pressure",
            Self::PulseOximeter => "pulse_oximeter",
            Self::Thermometer => "thermometer",
            Self::WeightScale => "weight_scale",
            Self::HeartRate => "heart_rate",
            Self::AlarmButton => "alarm_button",
        }
    }
}

/// There is no kind of device of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind of device {0:?}, only {kinds}", kinds = DeviceKind::ALL.map(DeviceKind::as_str).join(", "))]
pub struct UnknownKind(String);

impl FromStr for DeviceKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| UnknownKind(name.to_owned()))
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

/// Every characteristic that holds a measurement.
pub const MEASUREMENTS: [Characteristic; 11] = [
    Characteristic::BLOOD_PRESSURE_MEASUREMENT,
    Characteristic::ENHANCED_BLOOD_PRESSURE_MEASUREMENT,
    Characteristic::HEART_RATE_MEASUREMENT,
    Characteristic::SPOT_CHECK_MEASUREMENT,
    Characteristic::CONTINUOUS_MEASUREMENT,
    Characteristic::TEMPERATURE_MEASUREMENT,
    Characteristic::WEIGHT_MEASUREMENT,
    nonin::MEASUREMENT,
    berrymed::MEASUREMENT,
    yonker::MEASUREMENT,
    microlife::MEASUREMENT,
];

/// What a measurement's payload means. A vendor's own characteristic means something in that vendor's dialect only.
///
/// # Errors
/// [`DecodeError::NotAMeasurement`] for a characteristic that holds none, [`DecodeError::Truncated`] for a payload that
/// is cut. Nothing else about a measurement is an error: what cannot be used is marked so.
pub fn interpret(characteristic: Characteristic, dialect: Dialect, payload: &[u8]) -> Result<Meaning, DecodeError> {
    match (characteristic, dialect) {
        (Characteristic::BLOOD_PRESSURE_MEASUREMENT, _) => {
            blood_pressure::Measurement::decode(payload, dialect).map(|measurement| measurement.meaning())
        }
        (Characteristic::ENHANCED_BLOOD_PRESSURE_MEASUREMENT, _) => {
            blood_pressure::Enhanced::decode(payload).map(|measurement| measurement.meaning())
        }
        (Characteristic::HEART_RATE_MEASUREMENT, _) => {
            heart_rate::Measurement::decode(payload).map(|measurement| measurement.meaning())
        }
        (Characteristic::SPOT_CHECK_MEASUREMENT, _) => {
            pulse_oximeter::SpotCheck::decode(payload).map(|measurement| measurement.meaning())
        }
        (Characteristic::CONTINUOUS_MEASUREMENT, _) => {
            pulse_oximeter::Continuous::decode(payload).map(|measurement| measurement.meaning())
        }
        (Characteristic::TEMPERATURE_MEASUREMENT, _) => {
            thermometer::Measurement::decode(payload).map(|measurement| measurement.meaning())
        }
        (Characteristic::WEIGHT_MEASUREMENT, _) => {
            weight_scale::Measurement::decode(payload).map(|measurement| measurement.meaning())
        }
        (nonin::MEASUREMENT, Dialect::Nonin) => {
            nonin::Measurement::decode(payload).map(|measurement| measurement.meaning())
        }
        (berrymed::MEASUREMENT, Dialect::Berrymed) => berrymed::Packet::decode(payload).map(|packet| packet.meaning()),
        (yonker::MEASUREMENT, Dialect::Yonker) => {
            yonker::Measurement::decode(payload).map(|measurement| measurement.meaning())
        }
        (microlife::MEASUREMENT, Dialect::Microlife) => {
            microlife::Record::decode(payload).map(|record| record.meaning())
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
            Characteristic::assigned(0x1234),
        ] {
            let refused = Err(DecodeError::NotAMeasurement(other));
            assert_eq!(interpret(other, Dialect::Standard, &[0; 20]), refused, "{other}");
        }
    }

    #[test]
    fn a_vendors_characteristic_means_something_in_its_own_dialect_only() {
        for vendors in [nonin::MEASUREMENT, berrymed::MEASUREMENT, yonker::MEASUREMENT, microlife::MEASUREMENT] {
            let understands =
                |dialect| interpret(vendors, dialect, &[0; 15]) != Err(DecodeError::NotAMeasurement(vendors));
            assert_eq!(Dialect::ALL.into_iter().filter(|dialect| understands(*dialect)).count(), 1, "{vendors}");
        }
    }

    #[test]
    fn a_characteristic_travels_as_its_number() {
        let bytes = minicbor::to_vec(Characteristic::BTHOME).expect("memory is enough");
        assert_eq!(bytes, [0x19, 0xFC, 0xD2]);
        assert_eq!(Characteristic::BLOOD_PRESSURE_MEASUREMENT.to_string(), "2a35");
    }

    #[test]
    fn a_vendors_characteristic_travels_as_its_uuid() {
        let vendors = Characteristic::vendor(0x0AAD_7EA0_0D60_11E2_8E3C_0002_A5D5_C51B);
        assert_eq!(vendors.to_string(), "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b");
        for each in [vendors, Characteristic::BTHOME, Characteristic::LOCAL, Characteristic::assigned(0xFFFF)] {
            let bytes = minicbor::to_vec(each).expect("memory is enough");
            assert_eq!(minicbor::decode::<Characteristic>(&bytes).expect("what was written"), each);
            assert_eq!(each.to_string().parse(), Ok(each));
        }
        assert_eq!((vendors.number(), Characteristic::BTHOME.number()), (None, Some(0xFCD2)));
        assert_eq!(vendors.to_string().to_uppercase().parse(), Ok(vendors));
        assert!("2a3".parse::<Characteristic>().is_err());
    }

    #[test]
    fn a_kind_of_device_is_read_as_it_is_written() {
        for kind in DeviceKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).expect("a word"), format!("\"{}\"", kind.as_str()));
        }
        assert!("toaster".parse::<DeviceKind>().unwrap_err().to_string().contains("blood_pressure"));
    }

    proptest! {
        #[test]
        fn no_payload_makes_a_usable_value_out_of_an_unusable_measurement(
            characteristic in prop::sample::select(MEASUREMENTS.to_vec()),
            payload in proptest::collection::vec(any::<u8>(), 0..28),
        ) {
            for dialect in Dialect::ALL {
                if let Ok(meaning) = interpret(characteristic, dialect, &payload) {
                    prop_assert!(!meaning.observations.is_empty());
                    prop_assert!(meaning.usable || meaning.observations.iter().all(|observation| !observation.usable));
                }
            }
        }
    }
}
