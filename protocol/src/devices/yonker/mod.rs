//! Yonker, Yongrow and Metiko cuffs (YK-IBPA1, YK-BPW5, MT-YK-BPA1): a service of the vendor's own, on which the cuff
//! notifies its last result to whoever connects after the measurement. Nothing is ever written to them.

use jiff::civil;

use crate::codec::{DateTime, DecodeError, Reader};
use crate::devices::{Characteristic, Meaning, blood_pressure};

/// The service it advertises.
pub const SERVICE: Characteristic = Characteristic::vendor(0xCDEA_CD80_5235_4C07_8846_93A3_7EE6_B86D);
/// Where it notifies.
pub const MEASUREMENT: Characteristic = Characteristic::vendor(0xCDEA_CD81_5235_4C07_8846_93A3_7EE6_B86D);

/// One result, as it was sent: 15 bytes.
///
/// | bytes  | field                                 | form                    |
/// |--------|---------------------------------------|-------------------------|
/// | 0      | what follows                          | 0x81: a result          |
/// | 1..4   | systolic, diastolic, pulse            | u8 each, mmHg, /min     |
/// | 4..6   | not used                              |                         |
/// | 6..11  | day, month, year − 2000, hour, minute | u8 each                 |
/// | 11..15 | not used                              |                         |
///
/// Source: derdilla/blood-pressure-monitor-fl, issue 615 and yonker_measurement_data_test.dart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// Systolic pressure in mmHg.
    pub systolic: u8,
    /// Diastolic pressure in mmHg.
    pub diastolic: u8,
    /// Pulse rate per minute.
    pub pulse: u8,
    /// Day of the month, month, year since 2000, hour, minute, by the clock of the cuff.
    pub taken: [u8; 5],
    /// The bytes that are not used: two before the time, four after it.
    pub unused: ([u8; 2], [u8; 4]),
}

const RESULT: u8 = 0x81;
const LENGTH: usize = 15;

impl Measurement {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::WrongLength`] unless it has 15 bytes, [`DecodeError::OutOfRange`] when it is no result.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.len() != LENGTH {
            return Err(DecodeError::WrongLength { what: "result", needed: LENGTH, got: payload.len() });
        }
        let mut bytes = Reader::new(payload);
        let kind = bytes.u8("kind")?;
        if kind != RESULT {
            return Err(DecodeError::OutOfRange { field: "kind", value: kind.into() });
        }
        let [systolic, diastolic, pulse] = bytes.array("values")?;
        let before = bytes.array("unused")?;
        let taken = bytes.array("timestamp")?;
        Ok(Self { systolic, diastolic, pulse, taken, unused: (before, bytes.array("unused")?) })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let values = [RESULT, self.systolic, self.diastolic, self.pulse];
        [&values[..], &self.unused.0, &self.taken, &self.unused.1].concat()
    }

    /// When, by the clock of the cuff, which nobody can set; `None` when there is no such time.
    pub fn taken(&self) -> Option<civil::DateTime> {
        let [day, month, year, hour, minute] = self.taken;
        DateTime { year: 2000 + u16::from(year), month, day, hour, minute, second: 0 }.civil()
    }

    /// What it means. The clock of these cuffs goes wrong and cannot be set, so that what it shows is no device time: it
    /// only tells this result from another, as a record number does, in minutes since 2000.
    pub fn meaning(&self) -> Meaning {
        let observations = blood_pressure::whole_millimetres(self.systolic, self.diastolic, self.pulse);
        let minutes = |taken: civil::DateTime| taken.duration_since(civil::date(2000, 1, 1).into()).as_mins();
        Meaning {
            usable: observations[0].usable,
            observations,
            record_number: self.taken().and_then(|taken| u32::try_from(minutes(taken)).ok()),
            ..Meaning::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_result_is_two_pressures_and_a_pulse_without_a_time_to_believe() {
        let meaning = read("818367510000190b18131200000000").meaning();
        let values: Vec<String> = meaning.observations.iter().map(|value| value.value.to_string()).collect();
        assert_eq!(values, ["131", "103", "81"]);
        assert_eq!((meaning.usable, meaning.device_time), (true, None));
        let repeated = read("818367510000190b18131200000000").meaning();
        let a_minute_later = read("818367510000190b18131300000000").meaning();
        assert_eq!(meaning.record_number, repeated.record_number);
        assert_eq!(a_minute_later.record_number, meaning.record_number.map(|number| number + 1));
    }

    #[test]
    fn a_result_that_no_person_can_have_is_kept_and_not_usable() {
        assert!(!read("810000000000000000000000000000").meaning().usable);
        let reversed = read("815a785100001f0218131200000000");
        assert!(!reversed.meaning().usable);
        assert_eq!((reversed.taken(), reversed.meaning().record_number), (None, None), "31 February");
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(rest in proptest::collection::vec(any::<u8>(), 13..16)) {
            let payload = [vec![RESULT], rest].concat();
            if let Ok(measurement) = Measurement::decode(&payload) {
                prop_assert_eq!(measurement.encode(), payload);
                measurement.meaning();
            }
        }
    }

    fn read(payload: &str) -> Measurement {
        Measurement::decode(&hex::decode(payload).expect("hex")).expect("a result")
    }
}
