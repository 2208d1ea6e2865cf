//! The buffer on its one thread: numbers, limits, receipts, and what to do when the flash fails.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hempuls_protocol::event::{Content, Kind, Refusal, Refused};
use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence};
use hempuls_protocol::times::Taken;

use super::folders::{self, Former};
use super::record::Record;
use super::renewal::{self, Remains};
use super::reserve::Reserve;
use super::shelf::Shelf;
use super::sled::{Batch, Store, StoreError, Visit};
use super::{LaneState, RECEIPTS, State, index};

/// How much may lie on flash.
#[derive(Copy, Clone, Debug)]
pub(super) struct Limits {
    /// Events that wait for a receipt, in each lane.
    pub(super) waiting: u64,
    /// Bytes of them.
    pub(super) waiting_bytes: u64,
    /// Bytes of receipted events that are kept, in both lanes together.
    pub(super) kept_bytes: u64,
    /// A buffer is written anew when its files are larger than what is in them by more than this.
    pub(super) waste: u64,
}

impl Limits {
    /// As the agent ships.
    pub(super) const SHIPPED: Self =
        Self { waiting: 100_000, waiting_bytes: 32 << 20, kept_bytes: 2 << 20, waste: 8 << 20 };
}

/// An event to take.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its lane.
    pub(super) lane: Lane,
    /// The bytes of its content.
    pub(super) content: Vec<u8>,
    /// A button's counter that becomes durable with it.
    pub(super) counter: Option<(DeviceId, u32)>,
}

/// Where readers find the store. It is away while another takes its place, and when the flash refuses.
#[derive(Clone)]
pub(super) struct Shared(Arc<RwLock<Option<(Epoch, Store)>>>);

impl Shared {
    /// The store, to read or to write records. A panic while it was held has harmed nothing: the store guards itself.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Option<(Epoch, Store)>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self) -> RwLockWriteGuard<'_, Option<(Epoch, Store)>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The buffer.
pub(super) struct Keeper {
    state: PathBuf,
    limits: Limits,
    shared: Shared,
    epoch: Epoch,
    shelves: [Shelf; 2],
    reserve: Reserve,
    refused: BTreeMap<Refusal, u64>,
    /// There are receipts that only this memory knows.
    unsettled: bool,
}

impl Keeper {
    /// Opens the buffer in the agent's state folder: the one that is there, or what can be saved of it, or a new one.
    ///
    /// # Errors
    /// When the file system refuses. A damaged buffer is no error.
    pub(super) fn open(state: &Path, limits: Limits, now: &Taken) -> Result<Self, StoreError> {
        folders::tidy(state).map_err(StoreError::Refused)?;
        let life = folders::read_life(state).map_err(StoreError::Refused)?;
        let found = match Found::look(state) {
            Err(StoreError::Damaged(why)) => salvage(state, life, folders::read_last(state, life), &why, now)?,
            found => found?,
        };
        if life != Some(found.epoch) {
            folders::write_life(state, found.epoch).map_err(StoreError::Refused)?;
        }
        let Found { epoch, store, shelves } = found;
        let shared = Shared(Arc::new(RwLock::new(Some((epoch, store)))));
        let reserve = Reserve::new(state);
        let keeper = Self {
            state: state.to_owned(),
            limits,
            shared,
            epoch,
            shelves,
            reserve,
            refused: BTreeMap::new(),
            unsettled: false,
        };
        keeper.note_last();
        Ok(keeper)
    }

    /// Where readers find the store.
    pub(super) fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// The buttons' counters, as they are durable.
    pub(super) fn counters(&self) -> BTreeMap<DeviceId, u32> {
        let shared = self.shared.read();
        shared.as_ref().and_then(|(_, store)| store.counters().ok()).into_iter().flatten().collect()
    }

    /// What is on flash.
    pub(super) fn state(&self) -> State {
        let lane = |shelf: &Shelf| LaneState {
            oldest_kept: shelf.oldest(),
            receipted_through: shelf.receipted(),
            last: shelf.last(),
        };
        State { epoch: self.epoch, alarm: lane(&self.shelves[0]), reading: lane(&self.shelves[1]) }
    }

    /// Takes events, in this order within each lane. Each one that gets a number is durable when this returns.
    pub(super) fn take(&mut self, entries: &[Entry], now: &Taken) -> Vec<Result<Sequence, Refusal>> {
        let admitted = self.admit(entries);
        let taken = self.write(entries, &admitted).unwrap_or_else(|error| {
            tracing::error!(%error, "the flash did not take what was heard; opening the buffer again");
            self.take_after_failure(entries, admitted, &error, now)
        });
        for why in taken.iter().filter_map(|outcome| outcome.as_ref().err()) {
            self.refuse(*why);
        }
        self.note_last();
        taken
    }

    fn note_last(&self) {
        let last = Lane::ALL.map(|lane| self.shelves[index(lane)].last());
        if let Err(error) = folders::write_last(&self.state, self.epoch, last) {
            tracing::debug!(%error, "a buffer that is wiped now could not say how much it held");
        }
    }

    /// Counts a signal that was heard and not taken; [`Keeper::tend`] makes an event of it.
    pub(super) fn refuse(&mut self, why: Refusal) {
        *self.refused.entry(why).or_default() += 1;
    }

    /// Notes that the gateway has everything of a lane through a number. [`Keeper::settle`] does the rest.
    pub(super) fn receipted(&mut self, lane: Lane, through: Sequence, now: &Taken) {
        self.shelves[index(lane)].receipt(through, day(now));
        self.unsettled = true;
    }

    /// Makes everything of a lane from a number on wait again, as far as it is still there.
    pub(super) fn rewind(&mut self, lane: Lane, from: Sequence) {
        self.shelves[index(lane)].rewind(from);
        self.unsettled = true;
    }

    /// Keeps the receipts, and lets go of some of what is kept beyond its limit: not of all at once, as somebody may
    /// press a button meanwhile. Says whether there is more to do. It becomes durable with the next batch.
    pub(super) fn settle(&mut self) -> bool {
        if std::mem::take(&mut self.unsettled) {
            for lane in Lane::ALL {
                self.keep_receipts(lane);
            }
        }
        let limit = self.limits.kept_bytes;
        self.drop_records(|shelves| {
            if shelves.iter().map(Shelf::kept_bytes).sum::<u64>() <= limit {
                return None;
            }
            // Old readings go before old alarms.
            let spare = |lane: Lane| shelves[index(lane)].spare().map(|number| (lane, number));
            spare(Lane::Reading).or_else(|| spare(Lane::Alarm))
        })
    }

    /// Begins a new epoch and takes everything again: from a number of one lane on, and what waits in both.
    ///
    /// # Errors
    /// When the flash refuses; the present epoch goes on.
    pub(super) fn fork(&mut self, lane: Lane, from: Sequence, now: &Taken) -> Result<(), StoreError> {
        let remains = Remains {
            epoch: Some(self.epoch),
            last: Lane::ALL.map(|each| Some(self.shelves[index(each)].last())),
            from: Lane::ALL.map(|each| {
                let waiting = self.shelves[index(each)].receipted().next();
                if each == lane { waiting.min(from) } else { waiting }
            }),
        };
        let state = self.state.clone();
        self.renew(|store| renewal::begin(&state, Some(store), &remains, now))
    }

    /// What has time: sums up refusals, lets go of what was kept long enough, and gives flash back.
    pub(super) fn tend(&mut self, now: &Taken) {
        self.reserve.restore();
        self.sum_up(now);
        if let Some(today) = day(now) {
            let expired = |shelves: &mut [Shelf; 2]| {
                Lane::ALL.into_iter().find_map(|lane| Some((lane, shelves[index(lane)].expired(today)?)))
            };
            while self.drop_records(expired) {}
        }
        if self.wastes() {
            let (state, epoch) = (self.state.clone(), self.epoch);
            match self.renew(|store| renewal::copy(&state, store, epoch)) {
                Ok(()) => tracing::info!("the buffer was written anew to give flash back"),
                Err(error) => tracing::warn!(%error, "the buffer could not be written anew"),
            }
        }
    }

    /// A record could not be read: what cannot be mended is salvaged.
    pub(super) fn inspect(&mut self, epoch: Epoch, now: &Taken) {
        if epoch == self.epoch
            && let Err(error) = self.mend(now)
        {
            tracing::error!(%error, "the buffer cannot be read");
        }
    }

    /// Before the program ends: nothing that is known is left in memory only.
    pub(super) fn close(mut self, now: &Taken) {
        self.sum_up(now);
        self.settle();
        if let Some((_, store)) = self.shared.replace().take()
            && let Err(error) = store.sync()
        {
            tracing::warn!(%error, "the last receipts were not kept; some events will be sent once more");
        }
    }

    /// Which entries cannot be taken, and why.
    fn admit(&self, entries: &[Entry]) -> Vec<Option<Refusal>> {
        let mut waiting = self.shelves.each_ref().map(|shelf| (shelf.waiting(), shelf.waiting_bytes()));
        let mut admit = |entry: &Entry| {
            let (events, bytes) = &mut waiting[index(entry.lane)];
            (*events, *bytes) = (*events + 1, *bytes + entry.content.len() as u64);
            if *events > self.limits.waiting || *bytes > self.limits.waiting_bytes {
                Some(Refusal::Full)
            } else if entry.lane == Lane::Reading && self.reserve.is_released() {
                Some(Refusal::Flash)
            } else {
                None
            }
        };
        entries.iter().map(&mut admit).collect()
    }

    /// Numbers what was admitted, writes it and waits until it is durable.
    fn write(
        &mut self,
        entries: &[Entry],
        admitted: &[Option<Refusal>],
    ) -> Result<Vec<Result<Sequence, Refusal>>, StoreError> {
        let mut last = self.shelves.each_ref().map(Shelf::last);
        let mut sizes = Vec::new();
        let mut batch = Batch::default();
        let mut number = |(entry, refused): (&Entry, &Option<Refusal>)| {
            if let Some(why) = refused {
                return Err(*why);
            }
            let number = last[index(entry.lane)].next();
            last[index(entry.lane)] = number;
            let value = Record { origin: None, content: entry.content.clone() }.to_value(entry.lane, number);
            sizes.push((entry.lane, value.len()));
            batch.insert(entry.lane, number, value);
            if let Some((button, counter)) = &entry.counter {
                batch.count(button, *counter);
            }
            Ok(number)
        };
        let numbers = entries.iter().zip(admitted).map(&mut number).collect();
        if !sizes.is_empty() {
            let shared = self.shared.read();
            let (_, store) = shared.as_ref().ok_or_else(StoreError::away)?;
            store.write(batch)?;
            store.sync()?;
        }
        for (lane, size) in sizes {
            self.shelves[index(lane)].push(size);
        }
        Ok(numbers)
    }

    /// Tries once more with a buffer opened anew. On a full disk only alarms, with what is reserved for them.
    fn take_after_failure(
        &mut self,
        entries: &[Entry],
        mut admitted: Vec<Option<Refusal>>,
        error: &StoreError,
        now: &Taken,
    ) -> Vec<Result<Sequence, Refusal>> {
        if matches!(error, StoreError::Refused(_)) {
            for (entry, refused) in entries.iter().zip(&mut admitted) {
                match entry.lane {
                    Lane::Alarm => self.reserve.release(),
                    Lane::Reading => *refused = refused.or(Some(Refusal::Flash)),
                }
            }
        }
        let taken = self.mend(now).and_then(|()| self.write(entries, &admitted));
        taken.unwrap_or_else(|error| {
            tracing::error!(%error, "the flash takes nothing; is the disk full, read-only or worn out?");
            admitted.into_iter().map(|refused| Err(refused.unwrap_or(Refusal::Flash))).collect()
        })
    }

    /// Opens the buffer again after a failure, as it was after the last batch that became durable.
    fn mend(&mut self, now: &Taken) -> Result<(), StoreError> {
        let known = self.shelves.each_ref().map(Shelf::last);
        let shared = self.shared.clone();
        let mut shared = shared.replace();
        *shared = None;
        folders::tidy(&self.state).map_err(StoreError::Refused)?;
        let mut found = match Found::look(&self.state) {
            Err(StoreError::Damaged(why)) => salvage(&self.state, Some(self.epoch), known.map(Some), &why, now)?,
            found => found?,
        };
        if found.epoch == self.epoch {
            found.forget_after(known)?;
        }
        (self.epoch, self.shelves) = (found.epoch, found.shelves);
        *shared = Some((found.epoch, found.store));
        Ok(())
    }

    /// Puts another buffer in the place of this one.
    fn renew(&mut self, build: impl FnOnce(&Store) -> Result<Epoch, StoreError>) -> Result<(), StoreError> {
        self.settle();
        let epoch = {
            let shared = self.shared.read();
            let (_, store) = shared.as_ref().ok_or_else(StoreError::away)?;
            // What is lazy in the present buffer must not be older than what the new one says.
            store.sync()?;
            build(store)?
        };
        let shared = self.shared.clone();
        let mut shared = shared.replace();
        *shared = None;
        folders::swap(&self.state, epoch, Former::Goes).map_err(StoreError::Refused)?;
        let found = Found::look(&self.state)?;
        (self.epoch, self.shelves) = (found.epoch, found.shelves);
        *shared = Some((found.epoch, found.store));
        self.note_last();
        Ok(())
    }

    fn keep_receipts(&self, lane: Lane) {
        let shared = self.shared.read();
        let Some((_, store)) = shared.as_ref() else { return };
        if let Err(error) = store.set_fact(RECEIPTS[index(lane)], &self.shelves[index(lane)].receipts()) {
            tracing::warn!(%error, %lane, "a receipt was not kept; some events will be sent once more");
        }
    }

    /// Takes away the records that may go, as many as there is time for. Says whether there may be more.
    fn drop_records(&mut self, mut may_go: impl FnMut(&mut [Shelf; 2]) -> Option<(Lane, Sequence)>) -> bool {
        let mut batch = Batch::default();
        let mut dropped = 0;
        while dropped < DROPPED_AT_ONCE
            && let Some((lane, number)) = may_go(&mut self.shelves)
        {
            batch.remove(lane, number);
            self.shelves[index(lane)].dropped();
            dropped += 1;
        }
        if dropped > 0
            && let Some((_, store)) = self.shared.read().as_ref()
            && let Err(error) = store.write(batch)
        {
            tracing::warn!(%error, "receipted events were not removed");
        }
        dropped == DROPPED_AT_ONCE
    }

    /// Makes events of the refusals. If they cannot be taken either, they are counted on.
    fn sum_up(&mut self, now: &Taken) {
        if self.refused.is_empty() {
            return;
        }
        let sums = std::mem::take(&mut self.refused);
        let entry = |(why, count): (&Refusal, &u64)| Entry {
            lane: Lane::Reading,
            content: Content { taken: *now, kind: Kind::Refused(Refused { count: *count, why: *why }) }
                .to_bytes()
                .into(),
            counter: None,
        };
        let entries: Vec<Entry> = sums.iter().map(entry).collect();
        let admitted = self.admit(&entries);
        let taken = self.write(&entries, &admitted);
        let kept = taken.unwrap_or_else(|_| vec![Err(Refusal::Flash); entries.len()]);
        self.refused = sums.into_iter().zip(kept).filter(|(_, kept)| kept.is_err()).map(|(sum, _)| sum).collect();
    }

    /// Whether the files are much larger than what is in them, and writing them anew takes little.
    fn wastes(&self) -> bool {
        let held: u64 = self.shelves.iter().map(|shelf| shelf.waiting_bytes() + shelf.kept_bytes()).sum();
        let size = self.shared.read().as_ref().map_or(0, |(_, store)| store.size());
        held < SOON_WRITTEN && size > 2 * held + self.limits.waste
    }
}

/// Records that are taken away while nobody waits long.
const DROPPED_AT_ONCE: usize = 100;
/// Bytes that are written anew without anybody waiting long.
const SOON_WRITTEN: u64 = 4 << 20;

/// A buffer that is whole.
struct Found {
    epoch: Epoch,
    store: Store,
    shelves: [Shelf; 2],
}

impl Found {
    /// Opens the buffer and reads it through: every number is there, and every record is as it was written.
    fn look(state: &Path) -> Result<Self, StoreError> {
        let folder = folders::current(state);
        if !folder.exists() {
            return Err(StoreError::Damaged("there is none".into()));
        }
        let store = Store::open(&folder)?;
        let epoch = store.epoch()?.ok_or_else(|| StoreError::Damaged("it was never finished".into()))?;
        let [alarm, reading] = Lane::ALL.map(|lane| Self::shelf(&store, lane));
        Ok(Self { epoch, shelves: [alarm?, reading?], store })
    }

    fn shelf(store: &Store, lane: Lane) -> Result<Shelf, StoreError> {
        let (mut oldest, mut sizes, mut broken) = (Sequence(1), VecDeque::new(), None);
        store.visit(lane, Sequence::NONE, |number, value| {
            if sizes.is_empty() {
                oldest = number;
            }
            if number.0 != oldest.0 + sizes.len() as u64 || Record::from_value(value, lane, number).is_err() {
                broken = Some(number);
                return Visit::Enough;
            }
            sizes.push_back(u32::try_from(value.len()).unwrap_or(u32::MAX));
            Visit::More
        })?;
        if let Some(number) = broken {
            return Err(StoreError::Damaged(format!("{lane} {number} is missing or changed")));
        }
        let receipts = store.fact(RECEIPTS[index(lane)])?;
        Shelf::found(oldest, sizes, receipts.as_deref()).map_err(|why| StoreError::Damaged(format!("{lane}: {why}")))
    }

    /// Takes away what was written and never became durable, so that nobody was told of it.
    fn forget_after(&mut self, known: [Sequence; 2]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (lane, known) in Lane::ALL.into_iter().zip(known) {
            let shelf = &mut self.shelves[index(lane)];
            while shelf.last() > known {
                batch.remove(lane, shelf.last());
                shelf.pop();
            }
        }
        self.store.write(batch)
    }
}

/// Begins a new epoch with whatever can still be read, and sets the damaged buffer aside.
///
/// Where there is no buffer at all, this is how the first one begins.
fn salvage(
    state: &Path,
    life: Option<Epoch>,
    last: [Option<Sequence>; 2],
    why: &str,
    now: &Taken,
) -> Result<Found, StoreError> {
    let folder = folders::current(state);
    let damaged = if folder.exists() { Store::open(&folder).ok() } else { None };
    let epoch = damaged.as_ref().and_then(|store| store.epoch().ok().flatten()).or(life);
    let receipted = |lane: Lane| {
        let receipts = damaged.as_ref().and_then(|store| store.fact(RECEIPTS[index(lane)]).ok().flatten());
        let number = receipts.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk::<8>()?)));
        number.map_or(Sequence::NONE, Sequence)
    };
    let remains = Remains { epoch, last, from: Lane::ALL.map(|lane| receipted(lane).next()) };
    let next = renewal::begin(state, damaged.as_ref(), &remains, now)?;
    drop(damaged);
    folders::swap(state, next, Former::SetAside).map_err(StoreError::Refused)?;
    match epoch {
        Some(former) => {
            tracing::error!(epoch = %next, %former, why, "the buffer was damaged; what could be read was taken again")
        }
        None => tracing::info!(epoch = %next, "a first buffer"),
    }
    Found::look(state)
}

fn day(now: &Taken) -> Option<i64> {
    now.trusted_wall_ms().map(|ms| ms.div_euclid(86_400_000))
}
