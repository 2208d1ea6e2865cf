//! Records that a device keeps: how it is asked for all of them, and how one that comes in pieces is put together.
//!
//! A device is asked to report everything, and never to delete anything: what was there already the gateway knows.
//!
//! Source: Bluetooth SIG, Record Access Control Point; GATT Specification Supplement, "Blood Pressure Record".

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::devices::blood_pressure::Segment;
use hempuls_protocol::devices::record_access::Indication;

/// The request to report all stored records.
pub const REPORT_ALL: [u8; 2] = [REPORT, ALL];
const REPORT: u8 = 1;
const ALL: u8 = 1;

/// Whether this answer of the control point ends the report, however it went.
#[must_use]
pub fn ends_report(answer: &[u8]) -> bool {
    matches!(Indication::decode(answer), Ok(Indication::Response { request: REPORT, .. }))
}

/// What was in one Blood Pressure Record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it is a value of; that of the record itself where its pieces do not fit together.
    pub characteristic: Characteristic,
    /// The value; the pieces as they came where they do not fit.
    pub payload: Vec<u8>,
    /// The record's number, per user of the cuff.
    pub number: Option<u32>,
}

/// Records whose last piece has not come yet.
#[derive(Debug, Default)]
pub struct Pieces(BTreeMap<u16, Unfinished>);

#[derive(Debug)]
struct Unfinished {
    inner: u16,
    value: Vec<u8>,
    /// The pieces as they came.
    raw: Vec<u8>,
    counter: u8,
    latest: Instant,
}

/// The last piece comes within this time after the one before, or not at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many records are in the air at once, at most; a cuff sends one after the other.
const MOST: usize = 8;
/// A piece counts up to this, and then from 0 again.
const COUNTERS: u8 = 64;

impl Pieces {
    /// One more piece, of a cuff whose records have a checksum, or not. What has come to its end by that.
    pub fn add(&mut self, payload: &[u8], has_checksum: bool, now: Instant) -> Vec<Record> {
        let Ok(segment) = Segment::decode(payload, has_checksum) else { return vec![broken(payload.to_vec())] };
        let Segment { first, last, counter, sequence, inner, part, crc } = segment;
        let mut ended = Vec::new();
        if first {
            ended.extend(self.0.remove(&sequence).map(|unfinished| broken(unfinished.raw)));
        }
        if self.0.len() >= MOST && !self.0.contains_key(&sequence) {
            ended.extend(self.0.pop_first().map(|(_, unfinished)| broken(unfinished.raw)));
        }
        let before = self.0.remove(&sequence);
        let fits = |before: &Unfinished| before.inner == inner && counter == (before.counter + 1) % COUNTERS;
        let mut record = match before {
            Some(before) if fits(&before) => before,
            Some(before) => {
                ended.push(broken([before.raw, payload.to_vec()].concat()));
                return ended;
            }
            None if first => Unfinished { inner, value: Vec::new(), raw: Vec::new(), counter, latest: now },
            // Its beginning was not heard.
            None => {
                ended.push(broken(payload.to_vec()));
                return ended;
            }
        };
        record.value.extend(part);
        record.raw.extend(payload);
        (record.counter, record.latest) = (counter, now);
        if !last {
            self.0.insert(sequence, record);
            return ended;
        }
        let is_whole = crc.is_none_or(|crc| crc == checksum(sequence, inner, &record.value));
        ended.push(if is_whole {
            Record {
                characteristic: Characteristic::assigned(inner),
                payload: record.value,
                number: Some(sequence.into()),
            }
        } else {
            broken(record.raw)
        });
        ended
    }

    /// What will not come to its end any more: it has waited too long by now, or the cuff has hung up.
    pub fn give_up(&mut self, by: Option<Instant>) -> Vec<Record> {
        let is_over = |unfinished: &Unfinished| by.is_none_or(|now| unfinished.latest + PATIENCE <= now);
        let (over, waiting) = std::mem::take(&mut self.0).into_iter().partition(|(_, it)| is_over(it));
        self.0 = waiting;
        BTreeMap::<u16, Unfinished>::into_values(over).map(|unfinished| broken(unfinished.raw)).collect()
    }

    /// When to give up what has waited too long, if nothing comes before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.0.values().map(|unfinished| unfinished.latest + PATIENCE).min()
    }
}

/// Pieces that do not fit are kept as they came.
fn broken(raw: Vec<u8>) -> Record {
    Record { characteristic: Characteristic::BLOOD_PRESSURE_RECORD, payload: raw, number: None }
}

/// The checksum over a record as it was before it was cut: number, characteristic and value. CRC-16 with the polynomial
/// of CCITT, from the lowest bit on, beginning at 0xFFFF, as the glucose services have it.
fn checksum(sequence: u16, inner: u16, value: &[u8]) -> u16 {
    const REVERSED_CCITT: u16 = 0x8408;
    let head = [sequence.to_le_bytes(), inner.to_le_bytes()].concat();
    head.iter().chain(value).fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ REVERSED_CCITT })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const READING: [u8; 19] =
        [0x1E, 0x78, 0, 0x50, 0, 0x5D, 0, 0xEA, 0x07, 0x0B, 0x16, 0x0A, 0x1E, 0, 0x48, 0, 1, 0, 0];

    #[test]
    fn a_report_ends_with_the_answer_to_its_request_whatever_that_is() {
        for (answer, ends) in [
            (&[6, 0, 1, 1][..], true),
            // No records.
            (&[6, 0, 1, 6], true),
            (&[6, 0, 1, 2], true),
            // The answer to another request, a count, and nonsense.
            (&[6, 0, 4, 1], false),
            (&[5, 0, 7, 0], false),
            (&[], false),
        ] {
            assert_eq!(ends_report(answer), ends, "{answer:?}");
        }
    }

    #[test]
    fn a_record_that_comes_in_pieces_is_one_reading_with_its_number() {
        let mut cuff = Cuff::default();
        assert_eq!(cuff.sends(&piece(1, 0, 7, &READING[..8])), []);
        assert_eq!(cuff.sends(&piece(0, 1, 7, &READING[8..16])), []);
        let whole = Record {
            characteristic: Characteristic::BLOOD_PRESSURE_MEASUREMENT,
            payload: READING.to_vec(),
            number: Some(7),
        };
        let ends = cuff.sends(&piece(2, 2, 7, &READING[16..]));
        assert_eq!(ends, [whole]);
        assert_eq!(cuff.sends(&piece(3, 0, 7, &READING)), ends, "or in one piece");
        assert_eq!(cuff.pieces.next_wake(), None);
    }

    #[test]
    fn counters_go_around() {
        let mut cuff = Cuff::default();
        cuff.sends(&piece(1, 63, 7, &READING[..8]));
        assert_eq!(cuff.sends(&piece(2, 0, 7, &READING[8..])).len(), 1);
    }

    #[test]
    fn what_does_not_fit_together_is_kept_as_it_came() {
        let mut cuff = Cuff::default();
        let (first, third) = (piece(1, 0, 7, &READING[..8]), piece(2, 2, 7, &READING[16..]));
        cuff.sends(&first);
        assert_eq!(cuff.sends(&third), [broken([first.clone(), third.clone()].concat())], "the second is missing");
        assert_eq!(cuff.sends(&third), [broken(third)], "the first is missing");
        cuff.sends(&first);
        assert_eq!(cuff.sends(&first), [broken(first.clone())], "it begins anew");
        assert_eq!(cuff.pieces.give_up(None), [broken(first)]);
        assert_eq!(cuff.sends(&[1]), [broken(vec![1])]);
    }

    #[test]
    fn what_never_comes_to_its_end_is_given_up_after_half_a_minute() {
        let mut cuff = Cuff::default();
        cuff.sends(&piece(1, 0, 7, &READING[..8]));
        let due = cuff.pieces.next_wake().unwrap();
        assert_eq!(due, cuff.now + PATIENCE);
        assert!(cuff.pieces.give_up(Some(due - Duration::from_millis(1))).is_empty());
        assert_eq!(cuff.pieces.give_up(Some(due)).len(), 1);
    }

    #[test]
    fn a_checksum_that_is_wrong_makes_no_reading() {
        // The check value of this CRC: "123456789" gives 0x6F91.
        let text = b"123456789";
        let of_text =
            checksum(u16::from_le_bytes([text[0], text[1]]), u16::from_le_bytes([text[2], text[3]]), &text[4..]);
        assert_eq!(of_text, 0x6F91);

        let mut cuff = Cuff { has_checksum: true, ..Cuff::default() };
        let sealed = |crc: u16| [piece(3, 0, 7, &READING), crc.to_le_bytes().to_vec()].concat();
        let right = checksum(7, 0x2A35, &READING);
        assert_eq!(cuff.sends(&sealed(right))[0].number, Some(7));
        let wrong = sealed(right ^ 1);
        assert_eq!(cuff.sends(&wrong), [broken(wrong.clone())]);
    }

    #[test]
    fn a_cuff_that_only_ever_begins_fills_nothing() {
        let mut cuff = Cuff::default();
        for number in 0..1_000 {
            cuff.sends(&piece(1, 0, number, &READING[..8]));
        }
        assert!(cuff.pieces.0.len() <= MOST);
    }

    struct Cuff {
        pieces: Pieces,
        has_checksum: bool,
        now: Instant,
    }

    impl Default for Cuff {
        fn default() -> Self {
            Self { pieces: Pieces::default(), has_checksum: false, now: clock::now() }
        }
    }

    impl Cuff {
        fn sends(&mut self, piece: &[u8]) -> Vec<Record> {
            self.pieces.add(piece, self.has_checksum, self.now)
        }
    }

    /// Bit 0 of `ends`: the first piece; bit 1: the last.
    fn piece(ends: u8, counter: u8, sequence: u16, part: &[u8]) -> Vec<u8> {
        let [low, high] = sequence.to_le_bytes();
        [&[ends | counter << 2, low, high, 0x35, 0x2A], part].concat()
    }
}
