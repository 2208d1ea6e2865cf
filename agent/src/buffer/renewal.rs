//! Writing a whole new buffer beside the present one: for a new epoch, or to give flash back.

use std::path::Path;

use hempuls_protocol::event::{Began, BufferDamaged, Content, Damage, Kind, Previous};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::times::Taken;

use super::folders;
use super::keys::Key;
use super::record::Record;
use super::sled::{Batch, Store, StoreError, Visit};
use super::{RECEIPTS, index};

/// What is known of the life that ends.
pub(super) struct Remains {
    /// Its epoch.
    pub(super) epoch: Option<Epoch>,
    /// The last number it gave out in each lane, where that is certain.
    pub(super) last: [Option<Sequence>; 2],
    /// From which number on each lane is taken again.
    pub(super) from: [Sequence; 2],
    /// What was wrong with it, where something was.
    pub(super) damage: Option<Damage>,
}

/// Writes the first buffer of a new epoch: what became of the one before, and its records from certain numbers on.
pub(super) fn begin(
    state: &Path,
    key: &Key,
    source: Option<&Store>,
    remains: &Remains,
    now: &Taken,
) -> Result<Epoch, StoreError> {
    let epoch = Epoch(rand::random());
    let next = fresh(state, key)?;
    let again =
        Lane::ALL.map(|lane| source.map_or_else(Vec::new, |source| readable(source, lane, remains.from[index(lane)])));
    let taken_again = again.iter().flatten().map(|(first, last)| last.0 - first.0 + 1).sum();
    for (lane, again) in Lane::ALL.into_iter().zip(again) {
        let mut writer = Writer { store: &next, lane, next: Sequence(1), batch: Batch::default(), batched: 0 };
        writer.push(&Record { origin: None, content: began(remains, lane, &again, now) })?;
        if let Some(damage) = remains.damage.filter(|_| lane == Lane::Reading) {
            let kind = Kind::BufferDamaged(BufferDamaged { damage, taken_again });
            writer.push(&Record { origin: None, content: Content { taken: *now, kind }.to_bytes().into() })?;
        }
        let Some(source) = source else {
            writer.finish()?;
            continue;
        };
        for (first, last) in again {
            let (mut failed, mut reached) = (None, false);
            let visited = source.visit(lane, first, |number, value| {
                if number > last {
                    return Visit::Enough;
                }
                // What was readable a moment ago still is, or it is lost like the rest and the books say so.
                let Ok(record) = Record::open(value, source.key(), lane, number) else { return Visit::More };
                let record = match remains.epoch {
                    Some(former) => record.taken_again(former, number),
                    None => record,
                };
                failed = writer.push(&record).err();
                reached = number == last;
                if failed.is_some() || reached { Visit::Enough } else { Visit::More }
            });
            failed.map_or(Ok(()), Err)?;
            // Behind the last of them may be what cannot be read.
            if !reached {
                visited?;
            }
        }
        writer.finish()?;
    }
    carry_counters(source, &next)?;
    finish(next, state, epoch)?;
    Ok(epoch)
}

/// Writes the same buffer again, under this key, and without the room that its past has left in the file.
pub(super) fn copy(state: &Path, key: &Key, source: &Store, epoch: Epoch) -> Result<Epoch, StoreError> {
    let next = fresh(state, key)?;
    let is_same = key.name() == source.key().name();
    for lane in Lane::ALL {
        let (mut batch, mut batched, mut failed) = (Batch::default(), 0, None);
        source.visit(lane, Sequence::NONE, |number, value| {
            if is_same {
                batch.insert(lane, number, value);
            } else {
                match Record::open(value, source.key(), lane, number) {
                    Ok(record) => batch.insert(lane, number, &record.seal(key, lane, number)),
                    Err(broken) => failed = Some(StoreError::Damaged(format!("{lane} {number}: {broken}"))),
                }
            }
            batched += 1;
            if batched == BATCH && failed.is_none() {
                batched = 0;
                failed = next.write(std::mem::take(&mut batch)).err();
            }
            if failed.is_some() { Visit::Enough } else { Visit::More }
        })?;
        failed.map_or(Ok(()), Err)?;
        next.write(batch)?;
        if let Some(receipts) = source.fact(RECEIPTS[index(lane)])? {
            next.set_fact(RECEIPTS[index(lane)], &receipts)?;
        }
    }
    carry_counters(Some(source), &next)?;
    finish(next, state, epoch)?;
    Ok(epoch)
}

/// Through which number the gateway is known to have everything.
pub(super) fn receipted(source: &Store, lane: Lane) -> Sequence {
    let receipts = source.fact(RECEIPTS[index(lane)]).ok().flatten();
    let number = receipts.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk::<8>()?)));
    number.map_or(Sequence::NONE, Sequence)
}

/// The records of a lane that can be read, as ranges. Where the store stumbles, the search goes on farther along.
pub(super) fn readable(source: &Store, lane: Lane, from: Sequence) -> Vec<(Sequence, Sequence)> {
    let mut ranges: Vec<(Sequence, Sequence)> = Vec::new();
    let (mut from, mut stride) = (from, 1);
    while stride <= FARTHEST_STEP {
        let before = from;
        let end = source.visit(lane, from, |number, value| {
            from = number.next();
            if Record::open(value, source.key(), lane, number).is_ok() {
                match ranges.last_mut() {
                    Some((_, last)) if last.next() == number => *last = number,
                    _ => ranges.push((number, number)),
                }
            }
            Visit::More
        });
        if end.is_ok() {
            break;
        }
        stride = if from > before { 1 } else { stride * 2 };
        from = Sequence(from.0 + stride);
    }
    ranges
}

const BATCH: usize = 200;
const FARTHEST_STEP: u64 = 1 << 16;

/// Numbers records from 1 and writes them in batches.
struct Writer<'a> {
    store: &'a Store,
    lane: Lane,
    next: Sequence,
    batch: Batch,
    batched: usize,
}

impl Writer<'_> {
    fn push(&mut self, record: &Record) -> Result<(), StoreError> {
        self.batch.insert(self.lane, self.next, &record.seal(self.store.key(), self.lane, self.next));
        self.next = self.next.next();
        self.batched += 1;
        if self.batched == BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.batched = 0;
        self.store.write(std::mem::take(&mut self.batch))
    }

    fn finish(mut self) -> Result<(), StoreError> {
        self.flush()
    }
}

fn began(remains: &Remains, lane: Lane, again: &[(Sequence, Sequence)], now: &Taken) -> Vec<u8> {
    let previous = remains.epoch.map(|epoch| Previous {
        epoch,
        last_taken: remains.last[index(lane)],
        taken_again: again.to_vec(),
    });
    Content { taken: *now, kind: Kind::Began(Began { previous }) }.to_bytes().into()
}

fn fresh(state: &Path, key: &Key) -> Result<Store, StoreError> {
    folders::remove(&folders::next(state)).map_err(StoreError::Refused)?;
    Store::create(&folders::next(state), key)
}

fn carry_counters(source: Option<&Store>, next: &Store) -> Result<(), StoreError> {
    // Counters that cannot be read cost no press: the next one is said to have gone back.
    let counters = source.and_then(|source| source.counters().ok()).unwrap_or_default();
    let mut batch = Batch::default();
    for (button, counter) in counters {
        next.count(&mut batch, &button, counter);
    }
    next.write(batch)
}

/// The epoch goes in last: a folder without it was never finished.
fn finish(next: Store, state: &Path, epoch: Epoch) -> Result<(), StoreError> {
    next.sync()?;
    next.set_epoch(epoch)?;
    next.sync()?;
    let key = next.key().clone();
    drop(next);
    Store::mend(&folders::next(state), &key)
}
