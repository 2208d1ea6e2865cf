//! What such a cuff answers, and how an answer is joined from notifications.

use crate::codec::{DecodeError, Reader};
use crate::devices::listening::Heard;

/// One answer, as it was sent.
///
/// | bytes       | field   | form                                                          |
/// |-------------|---------|---------------------------------------------------------------|
/// | 0..2        | header  | 4D 3A                                                         |
/// | 2..4        | length  | u16, big-endian, of all that follows                          |
/// | 4..n        | payload | 81: done; what was asked for: 38 bytes, then ten for a record |
/// | n           | sum     | u8, of all bytes before                                       |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What stands between length and sum.
    pub payload: Vec<u8>,
}

const HEADER: [u8; 2] = [0x4D, 0x3A];
const DONE: [u8; 1] = [0x81];
/// Where the records begin in the payload.
const RECORDS: usize = 38;
/// How far apart they stand.
const STRIDE: usize = 10;
/// Of these ten bytes as many are known; the last of the last record need not be sent.
const RECORD: usize = 8;

impl Frame {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::WrongLength`] when it is cut or longer than it says,
    /// [`DecodeError::OutOfRange`] for another header or sum.
    pub fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(frame);
        let header: [u8; 2] = bytes.array("header")?;
        if header != HEADER {
            return Err(DecodeError::OutOfRange { field: "header", value: u16::from_be_bytes(header).into() });
        }
        let length = usize::from(bytes.u16_big_endian("length")?);
        let rest = bytes.rest();
        let wrong = DecodeError::WrongLength { what: "frame", needed: length, got: rest.len() };
        let (sum, payload) = rest.split_last().filter(|_| rest.len() == length).ok_or(wrong)?;
        if *sum != self::sum(&frame[..frame.len() - 1]) {
            return Err(DecodeError::OutOfRange { field: "checksum", value: (*sum).into() });
        }
        Ok(Self { payload: payload.to_vec() })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let length = u16::try_from(self.payload.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
        let mut bytes = [&HEADER[..], &length, &self.payload].concat();
        bytes.push(sum(&bytes));
        bytes
    }

    /// The records in an answer to [`Command::ReadAll`](super::Command::ReadAll), without those that stand empty.
    ///
    /// # Errors
    /// [`DecodeError::WrongLength`] when the last of them is cut.
    pub fn records(&self) -> Result<Vec<Vec<u8>>, DecodeError> {
        let records = self.payload.get(RECORDS..).unwrap_or_default().chunks(STRIDE);
        let cut = records.clone().find(|record| record.len() < RECORD);
        if let Some(record) = cut {
            return Err(DecodeError::WrongLength { what: "record", needed: RECORD, got: record.len() });
        }
        Ok(records.filter(|record| record[..3] != [0; 3]).map(<[u8]>::to_vec).collect())
    }
}

/// The sum of all bytes, of which the lowest eight bits count.
pub(super) fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Joins notifications to frames.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// What a notification completes: the records of an answer. An answer that could hold records and cannot be read is
    /// given as it came.
    pub fn hear(&mut self, notification: &[u8]) -> Heard {
        // A frame begins with a notification of its own; what came before and was never completed never will be.
        if notification.starts_with(&HEADER) && self.0.get(..2) != Some(&HEADER) {
            self.0.clear();
        }
        self.0.extend(notification);
        match self.0.get(2..4).map(|length| 4 + usize::from(u16::from_be_bytes([length[0], length[1]]))) {
            Some(whole) if self.0.len() >= whole => {
                let frame = std::mem::take(&mut self.0);
                Self::answer(frame)
            }
            _ => Heard::default(),
        }
    }

    fn answer(frame: Vec<u8>) -> Heard {
        let could_hold_records = frame.len() > 4 + RECORDS + RECORD;
        match Frame::decode(&frame) {
            Ok(answer) if answer.payload == DONE => Heard { payloads: Vec::new(), is_done: true, is_told: false },
            Ok(answer) => {
                Heard { payloads: answer.records().unwrap_or_else(|_| vec![frame]), is_done: false, is_told: true }
            }
            Err(_) if could_hold_records => Heard { payloads: vec![frame], is_done: false, is_told: true },
            Err(_) => Heard { payloads: Vec::new(), is_done: false, is_told: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_joined_from_notifications_and_gives_its_records() {
        let one = [128, 81, 66, 26, 11, 24, 7, 45, 0, 0];
        let other = [131, 84, 70, 26, 11, 24, 19, 2];
        let payload = [&[0; RECORDS][..], &one, &[0; STRIDE], &other].concat();
        let mut frames = Frames::default();
        let mut heard = Vec::new();
        for notification in (Frame { payload }).encode().chunks(20) {
            heard.push(frames.hear(notification));
        }
        let last = heard.pop().expect("several notifications");
        assert!(heard.iter().all(|before| *before == Heard::default()));
        assert_eq!(last, Heard { payloads: vec![one.to_vec(), other.to_vec()], is_done: false, is_told: true });
    }

    #[test]
    fn done_is_no_record_and_neither_is_a_memory_that_stands_empty() {
        let hear = |payload: &[u8]| Frames::default().hear(&Frame { payload: payload.to_vec() }.encode());
        assert_eq!(hear(&DONE), Heard { payloads: vec![], is_done: true, is_told: false });
        let told = Heard { payloads: vec![], is_done: false, is_told: true };
        assert_eq!(
            [hear(&[0; 29]), hear(&[0; RECORDS]), hear(&[0; RECORDS + STRIDE]), hear(&[0x92])],
            [told.clone(), told.clone(), told.clone(), told]
        );
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_kept_as_it_came() {
        let mut damaged = Frame { payload: vec![7; RECORDS + STRIDE] }.encode();
        *damaged.last_mut().expect("a sum") ^= 1;
        assert_eq!(Frames::default().hear(&damaged).payloads, [damaged.clone()]);
        let cut = Frame { payload: vec![7; RECORDS + STRIDE + 3] }.encode();
        assert_eq!(Frames::default().hear(&cut).payloads, [cut]);
    }

    #[test]
    fn what_was_cut_off_does_not_spoil_the_next_answer() {
        let mut frames = Frames::default();
        frames.hear(&[0x11, 0x22, 0x33]);
        assert!(frames.hear(&Frame { payload: DONE.to_vec() }.encode()).is_done);
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            let frame = Frame { payload };
            prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }

        #[test]
        fn whatever_comes_is_heard(notifications in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x4D), Just(0x3A), Just(0)], 0..24), 0..12,
        )) {
            let mut frames = Frames::default();
            for notification in notifications {
                for payload in frames.hear(&notification).payloads {
                    prop_assert!(payload.len() >= RECORD);
                }
            }
        }
    }
}
