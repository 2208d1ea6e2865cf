//! The buffer on its one thread: numbers, limits, receipts, and what to do when the flash fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hempuls_protocol::event::{Content, Kind, Origin, Refusal, Refused};
use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence};
use hempuls_protocol::times::Taken;
use hempuls_protocol::wire::heartbeat::Takes;

use super::folders::{self, Former};
use super::found::{Found, Known};
use super::keys::Keyring;
use super::record::Record;
use super::renewal::{self, Remains};
use super::reserve::Reserve;
use super::shelf::Shelf;
use super::sled::{Batch, Store, StoreError, Visit};
use super::volatile::Memory;
use super::{Config, Held, LaneState, RECEIPTS, State, index};

/// An event to take.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its lane.
    pub(super) lane: Lane,
    /// Its number in memory, where it was only there.
    pub(super) origin: Option<Origin>,
    /// The bytes of its content.
    pub(super) content: Vec<u8>,
    /// A button's counter that becomes durable with it.
    pub(super) counter: Option<(DeviceId, u32)>,
    /// It was heard from a device: if it is not taken, somebody must know.
    pub(super) is_heard: bool,
}

/// Where readers find what there is.
#[derive(Clone)]
pub(super) struct Shared {
    /// It is away while another takes its place, and where flash gave nothing.
    store: Arc<RwLock<Option<(Epoch, Store)>>>,
    memory: Arc<Mutex<Memory>>,
}

impl Shared {
    /// The store, to read or to write records. A panic while it was held has harmed nothing: the store guards itself.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Option<(Epoch, Store)>> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The alarms that flash refused.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self) -> RwLockWriteGuard<'_, Option<(Epoch, Store)>> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The buffer.
pub(super) struct Keeper {
    state: PathBuf,
    config: Config,
    /// The keys there are; none until flash has given them.
    keys: Option<Keyring>,
    shared: Shared,
    /// What is on flash; none where it has given nothing since the start.
    life: Option<Life>,
    /// The flash takes nothing. What is known of it still counts, and what was open may still be read.
    refuses: bool,
    reserve: Reserve,
    refused: BTreeMap<Refusal, u64>,
    /// There are receipts that only this memory knows.
    unsettled: bool,
}

/// One life of the buffer.
struct Life {
    epoch: Epoch,
    shelves: [Shelf; 2],
}

impl Life {
    fn last(&self) -> [Sequence; 2] {
        self.shelves.each_ref().map(Shelf::last)
    }
}

impl Keeper {
    /// Opens the buffer in the agent's state folder: the one that is there, or what can be saved of it, or a new one.
    /// Where the file system refuses, it is tried again from time to time.
    pub(super) fn open(state: &Path, config: &Config, now: &Taken) -> Self {
        let mut keeper = Self {
            state: state.to_owned(),
            config: config.clone(),
            keys: None,
            shared: Shared { store: Arc::default(), memory: Arc::new(Mutex::new(Memory::new())) },
            life: None,
            refuses: false,
            reserve: Reserve::new(state),
            refused: BTreeMap::new(),
            unsettled: false,
        };
        if let Err(error) = keeper.reopen(now) {
            keeper.give_up(&error);
        }
        keeper
    }

    /// Where readers find what there is.
    pub(super) fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// The buttons' counters, as they are durable.
    pub(super) fn counters(&self) -> BTreeMap<DeviceId, u32> {
        let shared = self.shared.read();
        shared.as_ref().and_then(|(_, store)| store.counters().ok()).into_iter().flatten().collect()
    }

    /// Whether what lies on flash is encrypted with a key that does not lie beside it.
    pub(super) fn is_encrypted(&self) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.protects)
    }

    /// What there is.
    pub(super) fn state(&self) -> State {
        let lane = |shelf: &Shelf| LaneState {
            oldest_kept: shelf.oldest(),
            receipted_through: shelf.receipted(),
            last: shelf.last(),
        };
        let held = |Life { epoch, shelves: [alarm, reading] }: &Life| Held {
            epoch: *epoch,
            alarm: lane(alarm),
            reading: lane(reading),
        };
        let takes = match (self.refuses, self.reserve.is_short()) {
            (true, _) => Takes::Nothing,
            (false, true) => Takes::AlarmsOnly,
            (false, false) => Takes::All,
        };
        State { flash: self.life.as_ref().map(held), volatile: self.shared.memory().state(), takes }
    }

    /// Takes events, in this order within each lane. Each one that gets a number is durable when this returns.
    pub(super) fn take(&mut self, entries: &[Entry], now: &Taken) -> Vec<Result<Origin, Refusal>> {
        let admitted = self.admit(entries);
        let taken = if self.refuses {
            Err(StoreError::away())
        } else {
            self.write(entries, &admitted).or_else(|error| {
                tracing::error!(%error, "the flash did not take what was heard; opening the buffer again");
                self.take_after_failure(entries, &admitted, &error, now)
            })
        };
        let taken = taken.unwrap_or_else(|error| {
            self.give_up(&error);
            admitted.into_iter().map(|refused| Err(refused.unwrap_or(Refusal::Flash))).collect()
        });
        for (entry, outcome) in entries.iter().zip(&taken) {
            // Who asked for an alarm to be taken keeps it in memory where flash refuses it.
            if let Err(why) = outcome
                && entry.is_heard
                && !(entry.lane == Lane::Alarm && *why == Refusal::Flash)
            {
                self.refuse(*why);
            }
        }
        self.note_last();
        taken
    }

    fn note_last(&self) {
        if let Some(life) = &self.life
            && let Err(error) = folders::write_last(&self.state, life.epoch, life.last())
        {
            tracing::debug!(%error, "a buffer that is wiped now could not say how much it held");
        }
    }

    /// Counts a signal that was heard and not taken; [`Keeper::tend`] makes an event of it.
    pub(super) fn refuse(&mut self, why: Refusal) {
        *self.refused.entry(why).or_default() += 1;
    }

    /// Notes that the gateway has everything of a lane through a number. [`Keeper::settle`] does the rest.
    pub(super) fn receipted(&mut self, epoch: Epoch, lane: Lane, through: Sequence, now: &Taken) {
        if let Some(life) = self.life.as_mut().filter(|life| life.epoch == epoch) {
            life.shelves[index(lane)].receipt(through, day(now));
            self.unsettled = true;
        }
    }

    /// Makes everything of a lane from a number on wait again, as far as it is still there. That is durable at once:
    /// what is taken for receipted after a power cut could be let go.
    pub(super) fn rewind(&mut self, lane: Lane, from: Sequence) {
        let Some(life) = &mut self.life else { return };
        life.shelves[index(lane)].rewind(from);
        self.keep_receipts(lane);
        let synced = self.shared.read().as_ref().map(|(_, store)| store.sync());
        if let Some(Err(error)) = synced {
            tracing::warn!(%error, %lane, "that events wait again is not on flash; the gateway will ask once more");
        }
    }

    /// Keeps the receipts, and lets go of some of what is kept beyond its limit: not of all at once, as somebody may
    /// press a button meanwhile. Says whether there is more to do. It becomes durable with the next batch.
    pub(super) fn settle(&mut self) -> bool {
        if self.refuses {
            return false;
        }
        if std::mem::take(&mut self.unsettled) {
            for lane in Lane::ALL {
                self.keep_receipts(lane);
            }
        }
        let limit = self.config.limits.kept_bytes;
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
    pub(super) fn fork(&mut self, lane: Lane, from: Sequence, now: &Taken) -> Result<Epoch, StoreError> {
        let life = self.life.as_ref().ok_or_else(StoreError::away)?;
        let remains = Remains {
            epoch: Some(life.epoch),
            last: life.last().map(Some),
            from: Lane::ALL.map(|each| {
                let waiting = life.shelves[index(each)].receipted().next();
                if each == lane { waiting.min(from) } else { waiting }
            }),
            damage: None,
        };
        let state = self.state.clone();
        self.renew(|store, keys| renewal::begin(&state, keys.newest(), Some(store), &remains, now))
    }

    /// What has time: tries a flash that refused, sums up refusals, lets go of what was kept long enough, and gives
    /// flash back.
    pub(super) fn tend(&mut self, now: &Taken) {
        if self.refuses && !self.recover(now) {
            return;
        }
        self.reserve.restore();
        self.take_from_memory(now);
        self.sum_up(now);
        if let Some(today) = day(now) {
            let expired = |shelves: &mut [Shelf; 2]| {
                Lane::ALL.into_iter().find_map(|lane| Some((lane, shelves[index(lane)].expired(today)?)))
            };
            while self.drop_records(expired) {}
        }
        self.take_from_locked(now);
        if self.wastes() || self.is_under_an_older_key() {
            self.write_anew();
        }
    }

    /// The same buffer, under the newest key, without what its past has left in the file.
    fn write_anew(&mut self) {
        let Some(epoch) = self.life.as_ref().map(|life| life.epoch) else { return };
        let state = self.state.clone();
        match self.renew(|store, keys| renewal::copy(&state, keys.newest(), store, epoch)) {
            Ok(_) => tracing::info!("the buffer was written anew"),
            Err(error) => tracing::warn!(%error, "the buffer could not be written anew"),
        }
    }

    /// A record could not be read: what cannot be mended is salvaged.
    pub(super) fn inspect(&mut self, epoch: Epoch, now: &Taken) {
        let is_present = self.life.as_ref().is_some_and(|life| life.epoch == epoch);
        if is_present
            && !self.refuses
            && let Err(error) = self.reopen(now)
        {
            self.give_up(&error);
        }
    }

    /// Before the program ends: nothing that is known is left in memory only.
    pub(super) fn close(mut self, now: &Taken) {
        if self.refuses && !self.recover(now) {
            let alarms = self.shared.memory().waiting().len();
            return tracing::error!(alarms, "the flash takes nothing; alarms that were only in memory end here");
        }
        self.take_from_memory(now);
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
        let shelves = self.life.as_ref().map(|life| &life.shelves);
        let mut waiting = shelves
            .map_or([(0, 0); 2], |shelves| shelves.each_ref().map(|shelf| (shelf.waiting(), shelf.waiting_bytes())));
        let mut admit = |entry: &Entry| {
            let (events, bytes) = &mut waiting[index(entry.lane)];
            (*events, *bytes) = (*events + 1, *bytes + entry.content.len() as u64);
            if *events > self.config.limits.waiting || *bytes > self.config.limits.waiting_bytes {
                Some(Refusal::Full)
            } else if entry.lane == Lane::Reading && self.reserve.is_short() {
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
    ) -> Result<Vec<Result<Origin, Refusal>>, StoreError> {
        let life = self.life.as_mut().ok_or_else(StoreError::away)?;
        let shared = self.shared.read();
        let (_, store) = shared.as_ref().ok_or_else(StoreError::away)?;
        let epoch = life.epoch;
        let mut last = life.last();
        let mut sizes = Vec::new();
        let mut batch = Batch::default();
        let mut number = |(entry, refused): (&Entry, &Option<Refusal>)| {
            if let Some(why) = refused {
                return Err(*why);
            }
            let sequence = last[index(entry.lane)].next();
            last[index(entry.lane)] = sequence;
            let record = Record { origin: entry.origin, content: entry.content.clone() };
            let value = record.seal(store.key(), entry.lane, sequence);
            sizes.push((entry.lane, value.len()));
            batch.insert(entry.lane, sequence, &value);
            if let Some((button, counter)) = &entry.counter {
                store.count(&mut batch, button, *counter);
            }
            Ok(Origin { epoch, sequence })
        };
        let numbers = entries.iter().zip(admitted).map(&mut number).collect();
        if !sizes.is_empty() {
            store.write(batch)?;
            store.sync()?;
        }
        for (lane, size) in sizes {
            life.shelves[index(lane)].push(size);
        }
        Ok(numbers)
    }

    /// Tries once more with a buffer opened anew. On a full disk only alarms, with what is reserved for them.
    fn take_after_failure(
        &mut self,
        entries: &[Entry],
        admitted: &[Option<Refusal>],
        error: &StoreError,
        now: &Taken,
    ) -> Result<Vec<Result<Origin, Refusal>>, StoreError> {
        let mut admitted = admitted.to_vec();
        if let StoreError::Refused(_) = error
            && let Err(error) = folders::try_to_write(&self.state).map_err(StoreError::Refused)
        {
            // What is open may still be read, also where nothing can be written and nothing opened again.
            if !error.is_full() {
                return Err(error);
            }
            self.reserve.run_short();
            for (entry, refused) in entries.iter().zip(&mut admitted) {
                if entry.lane == Lane::Reading {
                    *refused = refused.or(Some(Refusal::Flash));
                }
            }
            if admitted.iter().any(Option::is_none) && !self.reserve.release() {
                return Err(error);
            }
            if let Some(refused) = admitted.iter().copied().collect::<Option<Vec<_>>>() {
                return Ok(refused.into_iter().map(Err).collect());
            }
        }
        self.reopen(now)?;
        self.write(entries, &admitted)
    }

    /// Opens the buffer, as it was after the last batch that became durable. What is reserved for alarms is also for
    /// this: without a buffer nothing could be taken, and nothing sent.
    fn reopen(&mut self, now: &Taken) -> Result<(), StoreError> {
        match self.open_once(now) {
            Err(error) if error.is_full() && self.reserve.release() => self.open_once(now),
            opened => opened,
        }
    }

    fn open_once(&mut self, now: &Taken) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let mut shared = shared.replace();
        *shared = None;
        let known = match &self.life {
            Some(life) => Known { epoch: Some(life.epoch), last: life.last().map(Some) },
            None => {
                let epoch = folders::read_life(&self.state).map_err(StoreError::Refused)?;
                Known { epoch, last: folders::read_last(&self.state, epoch) }
            }
        };
        if self.keys.is_none() {
            let keys = Keyring::find(&self.state, self.config.key_file.as_deref());
            self.keys = Some(keys.map_err(StoreError::Refused)?);
        }
        let keys = self.keys.as_ref().ok_or_else(StoreError::away)?;
        let mut found = Found::open(&self.state, keys, &known, now)?;
        if let Some(life) = self.life.as_ref().filter(|life| life.epoch == found.epoch) {
            found.forget_after(life.last())?;
        }
        let Found { epoch, store, shelves } = found;
        self.life = Some(Life { epoch, shelves });
        *shared = Some((epoch, store));
        drop(shared);
        self.note_last();
        Ok(())
    }

    /// The flash takes nothing, until it does again.
    fn give_up(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.refuses, true) {
            tracing::error!(
                %error,
                "the flash takes nothing: alarms are sent from memory, readings are refused. Make sure that the state \
                 folder exists, that this user may write to it, and that the disk is neither full, read-only nor worn out"
            );
        }
    }

    /// Tries a flash that refused. Says whether it takes something again.
    fn recover(&mut self, now: &Taken) -> bool {
        // What is open stays readable as long as there is no hope.
        let opened = folders::try_to_write(&self.state).map_err(StoreError::Refused).and_then(|()| self.reopen(now));
        match opened {
            Ok(()) => {
                self.refuses = false;
                tracing::info!("the flash takes again what is heard");
            }
            Err(error) => tracing::debug!(%error, "the flash still takes nothing"),
        }
        !self.refuses
    }

    /// Alarms that are in memory only become durable, with the numbers they had there as their origin.
    fn take_from_memory(&mut self, now: &Taken) {
        let waiting = self.shared.memory().waiting();
        let Some((last, _)) = waiting.last() else { return };
        let through = last.sequence;
        let entry = |(origin, alarm): (Origin, super::volatile::Alarm)| Entry {
            lane: Lane::Alarm,
            origin: Some(origin),
            content: alarm.content,
            counter: alarm.counter,
            is_heard: false,
        };
        let entries: Vec<Entry> = waiting.into_iter().map(entry).collect();
        if self.take(&entries, now).iter().all(Result::is_ok) {
            self.shared.memory().forget(through);
            tracing::info!(alarms = entries.len(), "alarms that were only in memory are on flash");
        }
    }

    /// What is in buffers that were set aside because their key was missing is taken again once it is there.
    fn take_from_locked(&mut self, now: &Taken) {
        for folder in folders::locked(&self.state) {
            let Some(keys) = &self.keys else { return };
            let opened = Store::open(&folder, keys);
            let (store, former) = match opened.and_then(|store| Ok((store.epoch()?, store))) {
                Ok((Some(former), store)) => (store, former),
                Ok((None, _)) | Err(_) => continue,
            };
            let mut taken = 0;
            for lane in Lane::ALL {
                let from = renewal::receipted(&store, lane).next();
                let mut again = Vec::new();
                let visited = store.visit(lane, from, |number, value| {
                    if let Ok(record) = Record::open(value, store.key(), lane, number) {
                        let Record { origin, content } = record.taken_again(former, number);
                        again.push(Entry { lane, origin, content, counter: None, is_heard: false });
                    }
                    Visit::More
                });
                let all = again.chunks(AGAIN).all(|some| self.take(some, now).iter().all(Result::is_ok));
                if visited.is_err() || !all {
                    return tracing::error!("what was in a buffer whose key was missing cannot be taken again yet");
                }
                taken += again.len();
            }
            drop(store);
            match folders::remove(&folder) {
                Ok(()) => {
                    tracing::warn!(taken, epoch = %former, "the key is back: what was in the buffer is taken again")
                }
                Err(error) => tracing::warn!(%error, "a buffer that was taken again could not be removed"),
            }
        }
    }

    fn is_under_an_older_key(&self) -> bool {
        let shared = self.shared.read();
        let present = shared.as_ref().map(|(_, store)| store.key().name());
        present.zip(self.keys.as_ref()).is_some_and(|(present, keys)| present != keys.newest().name())
    }

    /// Puts another buffer in the place of this one, and says which epoch it is.
    fn renew(
        &mut self,
        build: impl FnOnce(&Store, &Keyring) -> Result<Epoch, StoreError>,
    ) -> Result<Epoch, StoreError> {
        self.settle();
        let keys = self.keys.as_ref().ok_or_else(StoreError::away)?;
        let epoch = {
            let shared = self.shared.read();
            let (_, store) = shared.as_ref().ok_or_else(StoreError::away)?;
            // What is lazy in the present buffer must not be older than what the new one says.
            store.sync()?;
            build(store, keys)?
        };
        let shared = self.shared.clone();
        let mut shared = shared.replace();
        *shared = None;
        folders::swap(&self.state, Former::Goes)
            .and_then(|()| folders::write_life(&self.state, epoch))
            .map_err(StoreError::Refused)?;
        let Found { epoch, store, shelves } = Found::look(&self.state, keys)?;
        self.life = Some(Life { epoch, shelves });
        *shared = Some((epoch, store));
        drop(shared);
        self.note_last();
        Ok(epoch)
    }

    fn keep_receipts(&self, lane: Lane) {
        let shared = self.shared.read();
        let Some(((_, store), life)) = shared.as_ref().zip(self.life.as_ref()) else { return };
        if let Err(error) = store.set_fact(RECEIPTS[index(lane)], &life.shelves[index(lane)].receipts()) {
            tracing::warn!(%error, %lane, "a receipt was not kept; some events will be sent once more");
        }
    }

    /// Takes away the records that may go, as many as there is time for. Says whether there may be more.
    fn drop_records(&mut self, mut may_go: impl FnMut(&mut [Shelf; 2]) -> Option<(Lane, Sequence)>) -> bool {
        let Some(Life { shelves, .. }) = &mut self.life else { return false };
        let mut batch = Batch::default();
        let mut dropped = 0;
        while dropped < DROPPED_AT_ONCE
            && let Some((lane, number)) = may_go(shelves)
        {
            batch.remove(lane, number, shelves[index(lane)].drop_oldest());
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
            origin: None,
            content: Content { taken: *now, kind: Kind::Refused(Refused { count: *count, why: *why }) }
                .to_bytes()
                .into(),
            counter: None,
            is_heard: false,
        };
        let entries: Vec<Entry> = sums.iter().map(entry).collect();
        let taken = self.take(&entries, now);
        self.refused.extend(sums.into_iter().zip(taken).filter(|(_, taken)| taken.is_err()).map(|(sum, _)| sum));
    }

    /// Whether the files are much larger than what is in them, and writing them anew takes little.
    fn wastes(&self) -> bool {
        let Some(Life { shelves, .. }) = &self.life else { return false };
        let held: u64 = shelves.iter().map(|shelf| shelf.waiting_bytes() + shelf.kept_bytes()).sum();
        let size = self.shared.read().as_ref().map_or(0, |(_, store)| store.size());
        held < SOON_WRITTEN && size > 2 * held + self.config.limits.waste
    }
}

/// Records that are taken again in one batch.
const AGAIN: usize = 50;
/// Records that are taken away while nobody waits long.
const DROPPED_AT_ONCE: usize = 100;
/// Bytes that are written anew without anybody waiting long.
const SOON_WRITTEN: u64 = 4 << 20;

fn day(now: &Taken) -> Option<i64> {
    now.trusted_wall_ms().map(|ms| ms.div_euclid(86_400_000))
}
