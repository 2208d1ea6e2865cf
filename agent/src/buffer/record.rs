//! An event as it lies on flash.

use hempuls_protocol::event::Origin;
use hempuls_protocol::ids::{Epoch, Lane, Sequence};

use super::keys::{Broken, Key};

/// A record of one lane, without its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    /// Its first number, where it was taken again.
    pub(super) origin: Option<Origin>,
    /// The bytes of its content.
    pub(super) content: Vec<u8>,
}

const VERSION: u8 = 2;
const NO_ORIGIN: u8 = 0;
const WITH_ORIGIN: u8 = 1;

impl Record {
    /// The value to keep under the record's number.
    ///
    /// | bytes   | field                                                              |
    /// |---------|--------------------------------------------------------------------|
    /// | 0       | version, 2                                                         |
    /// | 1..25   | nonce                                                              |
    /// | …       | sealed with XChaCha20-Poly1305 for its version, lane and number:   |
    /// |         | 0: 1 where an origin follows, else 0                               |
    /// |         | 1..17: origin: epoch and sequence, big-endian                      |
    /// |         | …: content                                                         |
    /// | last 16 | tag                                                                |
    pub(super) fn seal(&self, key: &Key, lane: Lane, number: Sequence) -> Vec<u8> {
        let mut plain = Vec::with_capacity(self.content.len() + 17);
        match self.origin {
            None => plain.push(NO_ORIGIN),
            Some(Origin { epoch, sequence }) => {
                plain.push(WITH_ORIGIN);
                plain.extend_from_slice(&epoch.0.to_be_bytes());
                plain.extend_from_slice(&sequence.0.to_be_bytes());
            }
        }
        plain.extend_from_slice(&self.content);
        [&[VERSION], key.seal(&place(lane, number), &plain).as_slice()].concat()
    }

    /// Reads what [`Record::seal`] wrote for the same lane and number.
    pub(super) fn open(value: &[u8], key: &Key, lane: Lane, number: Sequence) -> Result<Self, Broken> {
        let Some((&VERSION, sealed)) = value.split_first() else { return Err(Broken) };
        let plain = key.open(&place(lane, number), sealed)?;
        match plain.as_slice() {
            [NO_ORIGIN, content @ ..] => Ok(Self { origin: None, content: content.to_vec() }),
            [WITH_ORIGIN, rest @ ..] => {
                let (epoch, rest) = rest.split_first_chunk::<8>().ok_or(Broken)?;
                let (sequence, content) = rest.split_first_chunk::<8>().ok_or(Broken)?;
                let (epoch, sequence) = (Epoch(u64::from_be_bytes(*epoch)), Sequence(u64::from_be_bytes(*sequence)));
                Ok(Self { origin: Some(Origin { epoch, sequence }), content: content.to_vec() })
            }
            _ => Err(Broken),
        }
    }

    /// The record as it is taken again: its first number stays with it for ever.
    pub(super) fn taken_again(self, epoch: Epoch, sequence: Sequence) -> Self {
        Self { origin: self.origin.or(Some(Origin { epoch, sequence })), ..self }
    }
}

/// What a record is sealed for, so that it cannot turn up under another number.
fn place(lane: Lane, number: Sequence) -> Vec<u8> {
    [&[VERSION], lane.as_str().as_bytes(), &number.0.to_be_bytes()].concat()
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
            let value = record.seal(&Key::of(1), Lane::Alarm, Sequence(number));
            prop_assert_eq!(Record::open(&value, &Key::of(1), Lane::Alarm, Sequence(number)), Ok(record));
        }

        #[test]
        fn a_flipped_bit_is_noticed(record in records(), bit: prop::sample::Index) {
            let mut value = record.seal(&Key::of(1), Lane::Reading, Sequence(7));
            let bit = bit.index(value.len() * 8);
            value[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Record::open(&value, &Key::of(1), Lane::Reading, Sequence(7)), Err(Broken));
        }
    }

    #[test]
    fn a_record_is_good_only_under_its_own_number_and_lane() {
        let value = Record { origin: None, content: vec![1, 2, 3] }.seal(&Key::of(1), Lane::Reading, Sequence(7));
        assert_eq!(Record::open(&value, &Key::of(1), Lane::Reading, Sequence(8)), Err(Broken));
        assert_eq!(Record::open(&value, &Key::of(1), Lane::Alarm, Sequence(7)), Err(Broken));
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
