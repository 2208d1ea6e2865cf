//! The numbers and sizes of one lane: what is on flash, what of it the gateway has, and what may go.

use std::collections::VecDeque;

use hempuls_protocol::ids::Sequence;

/// One lane.
///
/// There is always a record: the last one never goes, so that a lane without any is known to be damaged, and so that
/// the last number is never given out again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shelf {
    oldest: Sequence,
    sizes: VecDeque<u32>,
    receipted: Sequence,
    waiting_bytes: u64,
    kept_bytes: u64,
    /// For the days on which receipts came, the last number receipted by the end of that day.
    days: VecDeque<(i64, Sequence)>,
}

/// How long a receipted record stays, unless there is need of room.
const KEPT_DAYS: i64 = 14;

impl Shelf {
    /// A lane as it was found on flash: the sizes of its records from the oldest on, and what [`Shelf::receipts`] said.
    pub(super) fn found(oldest: Sequence, sizes: VecDeque<u32>, receipts: Option<&[u8]>) -> Result<Self, &'static str> {
        if sizes.is_empty() {
            return Err("a lane is empty");
        }
        let mut shelf =
            Self { oldest, sizes, receipted: oldest.before(), waiting_bytes: 0, kept_bytes: 0, days: VecDeque::new() };
        shelf.waiting_bytes = shelf.sizes.iter().map(|size| u64::from(*size)).sum();
        let (receipted, days) =
            receipts.map_or(Some((Sequence::NONE, VecDeque::new())), read_receipts).ok_or("receipts are unreadable")?;
        if receipted > shelf.last() {
            return Err("the lane ends before what was receipted");
        }
        shelf.release(receipted);
        shelf.days = days;
        Ok(shelf)
    }

    pub(super) fn oldest(&self) -> Sequence {
        self.oldest
    }

    pub(super) fn last(&self) -> Sequence {
        Sequence(self.oldest.0 + self.sizes.len() as u64 - 1)
    }

    pub(super) fn receipted(&self) -> Sequence {
        self.receipted
    }

    pub(super) fn waiting(&self) -> u64 {
        self.last().0 - self.receipted.0
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// A record was taken under the next number.
    pub(super) fn push(&mut self, size: usize) {
        self.sizes.push_back(u32::try_from(size).unwrap_or(u32::MAX));
        self.waiting_bytes += size as u64;
    }

    /// The gateway has everything through this number. Less than it had before says nothing new.
    pub(super) fn receipt(&mut self, through: Sequence, today: Option<i64>) {
        self.release(through.min(self.last()));
        if let Some(today) = today {
            match self.days.back_mut() {
                Some((day, last)) if *day >= today => *last = self.receipted,
                _ => self.days.push_back((today, self.receipted)),
            }
        }
    }

    /// The gateway asks for everything from this number on again. What is on flash no more cannot be sent.
    pub(super) fn rewind(&mut self, from: Sequence) {
        let receipted = from.before().max(self.oldest.before());
        if receipted < self.receipted {
            let bytes = self.bytes(receipted, self.receipted);
            self.waiting_bytes += bytes;
            self.kept_bytes -= bytes;
            self.receipted = receipted;
            for (_, last) in &mut self.days {
                *last = (*last).min(receipted);
            }
        }
    }

    /// The record that may go first, if any may: receipted, and not the last.
    pub(super) fn spare(&self) -> Option<Sequence> {
        (self.oldest <= self.receipted && self.oldest < self.last()).then_some(self.oldest)
    }

    /// The record that may go first because its time is over.
    pub(super) fn expired(&mut self, today: i64) -> Option<Sequence> {
        while let Some((day, last)) = self.days.front().copied() {
            if day + KEPT_DAYS > today {
                return None;
            }
            if let Some(spare) = self.spare().filter(|spare| *spare <= last) {
                return Some(spare);
            }
            self.days.pop_front();
        }
        None
    }

    /// The oldest record, a spare one, goes. Gives its size.
    pub(super) fn drop_oldest(&mut self) -> u32 {
        let size = self.sizes.pop_front().unwrap_or(0);
        self.kept_bytes -= u64::from(size);
        self.oldest = self.oldest.next();
        size
    }

    /// The newest record, which nobody was told of, goes. Gives its size.
    pub(super) fn pop(&mut self) -> u32 {
        let size = self.sizes.pop_back().unwrap_or(0);
        self.waiting_bytes -= u64::from(size);
        size
    }

    /// What to keep beside the records: the receipted number and the days, big-endian.
    pub(super) fn receipts(&self) -> Vec<u8> {
        let mut bytes = self.receipted.0.to_be_bytes().to_vec();
        for (day, last) in &self.days {
            bytes.extend_from_slice(&day.to_be_bytes());
            bytes.extend_from_slice(&last.0.to_be_bytes());
        }
        bytes
    }

    fn release(&mut self, through: Sequence) {
        if through > self.receipted {
            let bytes = self.bytes(self.receipted, through);
            self.waiting_bytes -= bytes;
            self.kept_bytes += bytes;
            self.receipted = through;
        }
    }

    /// The size of the records after one number through another.
    fn bytes(&self, after: Sequence, through: Sequence) -> u64 {
        let place =
            |number: Sequence| usize::try_from(number.next().0.saturating_sub(self.oldest.0)).unwrap_or(usize::MAX);
        let (from, to) = (place(after), place(through).min(self.sizes.len()));
        self.sizes.range(from.min(to)..to).map(|size| u64::from(*size)).sum()
    }
}

fn read_receipts(bytes: &[u8]) -> Option<(Sequence, VecDeque<(i64, Sequence)>)> {
    let (receipted, rest) = bytes.split_first_chunk::<8>()?;
    let mut days = VecDeque::new();
    for entry in rest.chunks(16) {
        let (day, last) = entry.split_first_chunk::<8>()?;
        days.push_back((i64::from_be_bytes(*day), Sequence(u64::from_be_bytes(last.try_into().ok()?))));
    }
    Some((Sequence(u64::from_be_bytes(*receipted)), days))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(records: u64) -> Shelf {
        Shelf::found(Sequence(1), (0..records).map(|_| 100).collect(), None).unwrap()
    }

    #[test]
    fn a_receipted_record_stays_for_fourteen_days() {
        let mut shelf = shelf(10);
        shelf.receipt(Sequence(4), Some(100));
        shelf.receipt(Sequence(8), Some(105));
        assert_eq!(shelf.expired(113), None);
        let mut gone = Vec::new();
        while let Some(number) = shelf.expired(114) {
            gone.push(number.0);
            shelf.drop_oldest();
        }
        assert_eq!(gone, [1, 2, 3, 4]);
    }

    #[test]
    fn the_last_record_never_goes() {
        let mut shelf = shelf(2);
        shelf.receipt(Sequence(2), None);
        assert_eq!(shelf.spare(), Some(Sequence(1)));
        shelf.drop_oldest();
        assert_eq!(shelf.spare(), None);
        assert_eq!(shelf.last(), Sequence(2));
    }

    #[test]
    fn a_rewind_makes_kept_records_wait_again() {
        let mut shelf = shelf(10);
        shelf.receipt(Sequence(10), Some(1));
        shelf.drop_oldest();
        shelf.drop_oldest();
        shelf.rewind(Sequence(1));
        assert_eq!(
            (shelf.receipted(), shelf.waiting(), shelf.waiting_bytes(), shelf.kept_bytes()),
            (Sequence(2), 8, 800, 0)
        );
        assert_eq!(shelf.expired(1_000), None, "what waits again does not expire");
    }

    #[test]
    fn receipts_are_read_as_they_were_written() {
        let mut written = shelf(10);
        written.receipt(Sequence(4), Some(100));
        written.receipt(Sequence(8), Some(105));
        let read = Shelf::found(Sequence(1), written.sizes.clone(), Some(&written.receipts())).unwrap();
        assert_eq!(read, written);
    }

    #[test]
    fn a_lane_that_lost_its_end_is_noticed() {
        let mut whole = shelf(10);
        whole.receipt(Sequence(9), None);
        assert!(Shelf::found(Sequence(1), (0..8).map(|_| 100).collect(), Some(&whole.receipts())).is_err());
    }
}
