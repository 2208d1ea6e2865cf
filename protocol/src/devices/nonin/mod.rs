//! Nonin 3230 finger clips: a service of Nonin's own, big-endian. A stream, once a second while a finger is in it.

use crate::codec::{DecodeError, Reader, Warning, Warnings, warning};
use crate::devices::{Characteristic, Mark, Meaning, plausible};
use crate::observation::{Decimal, Observation, Quantity, Special, Unit, Value};

/// The service it advertises.
pub const SERVICE: Characteristic = Characteristic::vendor(0x46A9_70E0_0D5F_11E2_8B5E_0002_A5D5_C51B);
/// Where it notifies.
pub const MEASUREMENT: Characteristic = Characteristic::vendor(0x0AAD_7EA0_0D60_11E2_8E3C_0002_A5D5_C51B);

/// One oximetry measurement, big-endian, as it was sent.
///
/// | bytes | field           | form                                                                            |
/// |-------|-----------------|---------------------------------------------------------------------------------|
/// | 0     | length          | u8, not looked at                                                               |
/// | 1     | status          | bit 1: weak signal; 3: searching for a pulse; 6, 7: reserved; others not used   |
/// | 2     | battery         | u8, 0.1 V                                                                       |
/// | 3..5  | pulse amplitude | u16, 0.01 %                                                                     |
/// | 5..7  | counter         | u16, seconds since it was switched on                                           |
/// | 7     | SpO2            | u8, percent; 127: none                                                          |
/// | 8..10 | pulse rate      | u16, per minute; 511: none                                                      |
///
/// Source: andreasdri/nonin-3230-ble for the service and the places of counter, SpO2 and pulse; Nonin's own sample
/// program for iOS (2013) for the other fields, the status bits and what stands for "none".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// The first byte.
    pub length: u8,
    /// All status bits.
    pub status: u8,
    /// Battery, in 0.1 V.
    pub battery: u8,
    /// How much the finger pulsates, in 0.01 %.
    pub amplitude: u16,
    /// Seconds since it was switched on.
    pub counter: u16,
    /// Oxygen saturation in percent; 127 is none.
    pub oxygen: u8,
    /// Pulse rate per minute; 511 is none.
    pub pulse: u16,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

const WEAK_SIGNAL: u8 = 1 << 1;
const SEARCHING: u8 = 1 << 3;
const RESERVED: u8 = 0b1100_0000;
const NO_OXYGEN: u8 = 127;
const NO_PULSE: u16 = 511;

impl Measurement {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] for fewer than ten bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        Ok(Self {
            length: bytes.u8("length")?,
            status: bytes.u8("status")?,
            battery: bytes.u8("battery")?,
            amplitude: bytes.u16_big_endian("pai")?,
            counter: bytes.u16_big_endian("counter")?,
            oxygen: bytes.u8("spo2")?,
            pulse: bytes.u16_big_endian("pulse")?,
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.length, self.status, self.battery];
        bytes.extend(self.amplitude.to_be_bytes());
        bytes.extend(self.counter.to_be_bytes());
        bytes.push(self.oxygen);
        bytes.extend(self.pulse.to_be_bytes());
        bytes.extend(&self.trailing);
        bytes
    }

    /// Oxygen saturation in percent.
    pub fn oxygen(&self) -> Value {
        number_unless(self.oxygen == NO_OXYGEN, self.oxygen.into())
    }

    /// Pulse rate per minute.
    pub fn pulse(&self) -> Value {
        number_unless(self.pulse == NO_PULSE, self.pulse.into())
    }

    /// How much the finger pulsates, in percent.
    pub fn amplitude(&self) -> Decimal {
        Decimal::new(self.amplitude.into(), -2)
    }

    /// Whether it may feed limits and trends: SpO2 50 to 100 %, pulse 20 to 300 per minute, and a pulse was found.
    pub fn is_usable(&self) -> bool {
        let (oxygen, pulse) = (plausible::OXYGEN_SATURATION, plausible::RATE);
        self.status & SEARCHING == 0
            && self.oxygen().is_within(&oxygen.low, &oxygen.high)
            && self.pulse().is_within(&pulse.low, &pulse.high)
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        (self.status & RESERVED != 0)
            .then_some(Warning::ReservedStatus)
            .into_iter()
            .chain(warning::trailing(&self.trailing))
            .collect()
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let usable = self.is_usable();
        let marks = [(SEARCHING, Mark::Unfinished), (WEAK_SIGNAL, Mark::PoorSignal)];
        Meaning {
            observations: vec![
                Observation::new(Quantity::OxygenSaturation, self.oxygen(), Unit::Percent, usable),
                Observation::new(Quantity::OximeterPulseRate, self.pulse(), Unit::PerMinute, usable),
                Observation::new(Quantity::PulseAmplitudeIndex, self.amplitude(), Unit::Percent, usable),
            ],
            marks: marks.into_iter().filter(|(bit, _)| self.status & bit != 0).map(|(_, mark)| mark).collect(),
            usable,
            ..Meaning::default()
        }
    }
}

fn number_unless(is_none: bool, number: i64) -> Value {
    if is_none { Value::Special(Special::NaN) } else { Value::Number(Decimal::whole(number)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_finger_in_the_clip_is_a_saturation_and_a_pulse() {
        let meaning = read("0a151d01f4003c610048").meaning();
        let values: Vec<String> = meaning.observations.iter().map(|value| value.value.to_string()).collect();
        assert_eq!(
            (values, meaning.usable, meaning.marks),
            (["97", "72", "5.00"].map(Into::into).into(), true, vec![])
        );
    }

    #[test]
    fn a_clip_that_has_not_found_a_pulse_gives_no_reading() {
        let meaning = read("0a1a1d000000027f01ff").meaning();
        assert_eq!((meaning.usable, meaning.marks), (false, vec![Mark::Unfinished, Mark::PoorSignal]));
        assert_eq!(meaning.observations[0].value, Value::Special(Special::NaN));
        // What it showed before is not believed while it searches.
        assert!(!read("0a181d01f4003c610048").meaning().usable);
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..14)) {
            if let Ok(measurement) = Measurement::decode(&payload) {
                prop_assert_eq!(measurement.encode(), payload);
                prop_assert_eq!(measurement.meaning().usable, measurement.is_usable());
                measurement.warnings();
            }
        }
    }

    fn read(payload: &str) -> Measurement {
        Measurement::decode(&hex::decode(payload).expect("hex")).expect("a measurement")
    }
}
