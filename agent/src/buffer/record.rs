//! An event as it lies on flash.

use hempuls_protocol::event::Origin;
use hempuls_protocol::ids::{Epoch, Lane, Sequence};

/// A record of one lane, without its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    /// Its first number, where it was taken again.
    pub(super) origin: Option<Origin>,
    /// The bytes of its content.
    pub(super) content: Vec<u8>,
}

/// A value that is no record: its bytes changed after they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record is damaged")]
pub(super) struct Damaged;

const VERSION: u8 = 1;
const NO_ORIGIN: u8 = 0;
const WITH_ORIGIN: u8 = 1;

impl Record {
    /// The value to keep under the record's number.
    ///
    /// | bytes   | field                                                              |
    /// |---------|--------------------------------------------------------------------|
    /// | 0       | version, 1                                                         |
    /// | 1       | 1 where an origin follows, else 0                                  |
    /// | 2..18   | origin: epoch and sequence, big-endian                             |
    /// | …       | content                                                            |
    /// | last 4  | CRC-32 of lane, number and all bytes before, big-endian            |
    pub(super) fn to_value(&self, lane: Lane, number: Sequence) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.content.len() + 22);
        value.push(VERSION);
        match self.origin {
            None => value.push(NO_ORIGIN),
            Some(Origin { epoch, sequence }) => {
                value.push(WITH_ORIGIN);
                value.extend_from_slice(&epoch.0.to_be_bytes());
                value.extend_from_slice(&sequence.0.to_be_bytes());
            }
        }
        value.extend_from_slice(&self.content);
        let sum = checksum(lane, number, &value);
        value.extend_from_slice(&sum.to_be_bytes());
        value
    }

    /// Reads what [`Record::to_value`] wrote for the same lane and number.
    pub(super) fn from_value(value: &[u8], lane: Lane, number: Sequence) -> Result<Self, Damaged> {
        let (body, sum) = value.split_last_chunk::<4>().ok_or(Damaged)?;
        if u32::from_be_bytes(*sum) != checksum(lane, number, body) {
            return Err(Damaged);
        }
        match body {
            [VERSION, NO_ORIGIN, content @ ..] => Ok(Self { origin: None, content: content.to_vec() }),
            [VERSION, WITH_ORIGIN, rest @ ..] => {
                let (epoch, rest) = rest.split_first_chunk::<8>().ok_or(Damaged)?;
                let (sequence, content) = rest.split_first_chunk::<8>().ok_or(Damaged)?;
                let (epoch, sequence) = (Epoch(u64::from_be_bytes(*epoch)), Sequence(u64::from_be_bytes(*sequence)));
                Ok(Self { origin: Some(Origin { epoch, sequence }), content: content.to_vec() })
            }
            _ => Err(Damaged),
        }
    }

    /// The record as it is taken again: its first number stays with it for ever.
    pub(super) fn taken_again(self, epoch: Epoch, sequence: Sequence) -> Self {
        Self { origin: self.origin.or(Some(Origin { epoch, sequence })), ..self }
    }
}

/// Lane and number are part of the sum, so that a record cannot turn up under another number.
fn checksum(lane: Lane, number: Sequence, body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(lane.as_str().as_bytes());
    sum.update(&number.0.to_be_bytes());
    sum.update(body);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records() -> impl Strategy<Value = Record> {
        let origin = proptest::option::of((any::<u64>(), any::<u64>()))
            .prop_map(|numbers| numbers.map(|(e, s)| Origin { epoch: Epoch(e), sequence: Sequence(s) }));
        (origin, proptest::collection::vec(any::<u8>(), 0..64)).prop_map(|(origin, content)| Record { origin, content })
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(record in records(), number: u64) {
            let value = record.to_value(Lane::Alarm, Sequence(number));
            prop_assert_eq!(Record::from_value(&value, Lane::Alarm, Sequence(number)), Ok(record));
        }

        #[test]
        fn a_flipped_bit_is_noticed(record in records(), bit: prop::sample::Index) {
            let mut value = record.to_value(Lane::Reading, Sequence(7));
            let bit = bit.index(value.len() * 8);
            value[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Record::from_value(&value, Lane::Reading, Sequence(7)), Err(Damaged));
        }
    }

    #[test]
    fn a_record_is_good_only_under_its_own_number_and_lane() {
        let value = Record { origin: None, content: vec![1, 2, 3] }.to_value(Lane::Reading, Sequence(7));
        assert_eq!(Record::from_value(&value, Lane::Reading, Sequence(8)), Err(Damaged));
        assert_eq!(Record::from_value(&value, Lane::Alarm, Sequence(7)), Err(Damaged));
    }

    #[test]
    fn a_record_keeps_its_first_number_however_often_it_is_taken_again() {
        let fresh = Record { origin: None, content: vec![1] };
        let once = fresh.taken_again(Epoch(1), Sequence(10));
        let twice = once.clone().taken_again(Epoch(2), Sequence(20));
        assert_eq!(twice, once);
        assert_eq!(twice.origin, Some(Origin { epoch: Epoch(1), sequence: Sequence(10) }));
    }
}
