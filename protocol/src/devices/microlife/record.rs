//! One record in the memory of such a cuff.

use jiff::civil;

use crate::codec::{DateTime, DecodeError, Reader};
use crate::devices::{Meaning, blood_pressure};

/// One record, as it was sent.
///
/// | bytes | field                                 | form                     |
/// |-------|---------------------------------------|--------------------------|
/// | 0..3  | systolic, diastolic, pulse            | u8 each, mmHg, /min      |
/// | 3..8  | year − 2000, month, day, hour, minute | u8 each                  |
/// | 8..10 | not known                             | may be missing           |
///
/// Source: as for the [family](super).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Systolic pressure in mmHg.
    pub systolic: u8,
    /// Diastolic pressure in mmHg.
    pub diastolic: u8,
    /// Pulse rate per minute.
    pub pulse: u8,
    /// Year since 2000, month, day, hour, minute, by the clock of the cuff.
    pub taken: [u8; 5],
    /// The bytes that nobody knows, at most two.
    pub unknown: Vec<u8>,
}

impl Record {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::WrongLength`] unless it has 8 to 10 bytes,
    /// [`DecodeError::OutOfRange`] for one that stands empty.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let [systolic, diastolic, pulse] = bytes.array("values")?;
        let taken = bytes.array("timestamp")?;
        let unknown = bytes.rest();
        if unknown.len() > 2 {
            return Err(DecodeError::WrongLength { what: "record", needed: 10, got: payload.len() });
        }
        if [systolic, diastolic, pulse] == [0; 3] {
            return Err(DecodeError::OutOfRange { field: "systolic", value: 0 });
        }
        Ok(Self { systolic, diastolic, pulse, taken, unknown: unknown.to_vec() })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        [&[self.systolic, self.diastolic, self.pulse][..], &self.taken, &self.unknown].concat()
    }

    /// When, by the clock of the cuff, to the minute; `None` when there is no such time.
    pub fn taken(&self) -> Option<civil::DateTime> {
        let [year, month, day, hour, minute] = self.taken;
        DateTime { year: 2000 + u16::from(year), month, day, hour, minute, second: 0 }.civil()
    }

    /// What it means. The cuff does not say here which of its users it was.
    pub fn meaning(&self) -> Meaning {
        let observations = blood_pressure::whole_millimetres(self.systolic, self.diastolic, self.pulse);
        Meaning { usable: observations[0].usable, observations, device_time: self.taken(), ..Meaning::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_is_two_pressures_a_pulse_and_a_minute() {
        let record = Record::decode(&[128, 81, 66, 26, 11, 24, 7, 45, 0, 0]).expect("a record");
        let meaning = record.meaning();
        let values: Vec<String> = meaning.observations.iter().map(|value| value.value.to_string()).collect();
        assert_eq!(values, ["128", "81", "66"]);
        assert_eq!((meaning.usable, meaning.device_time), (true, Some(civil::date(2026, 11, 24).at(7, 45, 0, 0))));
    }

    #[test]
    fn a_time_that_does_not_exist_is_none_and_the_pressures_stay() {
        let meaning = Record::decode(&[128, 81, 66, 26, 13, 24, 7, 45]).expect("a record").meaning();
        assert_eq!((meaning.usable, meaning.device_time), (true, None));
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 6..13)) {
            if let Ok(record) = Record::decode(&payload) {
                prop_assert_eq!(record.encode(), payload);
                record.meaning();
            }
        }
    }
}
