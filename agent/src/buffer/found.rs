//! What lies in the state folder when the buffer is opened, and what can be saved of it.

use std::collections::VecDeque;
use std::path::Path;

use hempuls_protocol::event::Damage;
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::times::Taken;

use super::folders::{self, Former};
use super::keys::Keyring;
use super::record::Record;
use super::renewal::{self, Remains};
use super::shelf::Shelf;
use super::sled::{Batch, Store, StoreError, Visit};
use super::{RECEIPTS, index};

/// A buffer that is whole.
pub(super) struct Found {
    pub(super) epoch: Epoch,
    pub(super) store: Store,
    pub(super) shelves: [Shelf; 2],
}

/// What is known of a buffer from elsewhere: from memory, or from the files beside it.
#[derive(Copy, Clone)]
pub(super) struct Known {
    /// The epoch of the buffer that should be there; none where there never was one.
    pub(super) epoch: Option<Epoch>,
    /// The last number that it gave out in each lane.
    pub(super) last: [Option<Sequence>; 2],
}

impl Found {
    /// Opens the buffer that is there, or what can be saved of it, or a new one.
    ///
    /// # Errors
    /// When the file system refuses. A damaged buffer is no error.
    pub(super) fn open(state: &Path, keys: &Keyring, known: &Known, now: &Taken) -> Result<Self, StoreError> {
        folders::tidy(state).map_err(StoreError::Refused)?;
        mend(state, keys)?;
        let found = Self::look(state, keys).and_then(|found| found.reaches(state, known));
        let found = match found {
            Err(StoreError::Damaged(why)) => salvage(state, keys, known, &why, now)?,
            Err(StoreError::Locked) => lock_away(state, keys, known, now)?,
            found => found?,
        };
        if folders::read_life(state).map_err(StoreError::Refused)? != Some(found.epoch) {
            folders::write_life(state, found.epoch).map_err(StoreError::Refused)?;
        }
        Ok(found)
    }

    /// Opens the buffer and reads it through: every number is there, and every record is as it was written.
    pub(super) fn look(state: &Path, keys: &Keyring) -> Result<Self, StoreError> {
        let folder = folders::current(state);
        if !folder.exists() {
            return Err(StoreError::Damaged("there is none".into()));
        }
        let store = Store::open(&folder, keys)?;
        let epoch = store.epoch()?.ok_or_else(|| StoreError::Damaged("it was never finished".into()))?;
        let [alarm, reading] = Lane::ALL.map(|lane| Self::shelf(&store, lane));
        Ok(Self { epoch, shelves: [alarm?, reading?], store })
    }

    /// A log that broke off is read up to there, as if there had never been more.
    fn reaches(self, state: &Path, known: &Known) -> Result<Self, StoreError> {
        let is_known = known.epoch == Some(self.epoch);
        let last = if is_known { known.last } else { folders::read_last(state, Some(self.epoch)) };
        for ((lane, shelf), last) in Lane::ALL.into_iter().zip(&self.shelves).zip(last) {
            if let Some(last) = last.filter(|last| *last > shelf.last()) {
                return Err(StoreError::Damaged(format!("{lane} ends with {} and not with {last}", shelf.last())));
            }
        }
        Ok(self)
    }

    fn shelf(store: &Store, lane: Lane) -> Result<Shelf, StoreError> {
        let (mut oldest, mut sizes, mut broken) = (Sequence(1), VecDeque::new(), None);
        store.visit(lane, Sequence::NONE, |number, value| {
            if sizes.is_empty() {
                oldest = number;
            }
            if number.0 != oldest.0 + sizes.len() as u64 || Record::open(value, store.key(), lane, number).is_err() {
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
    pub(super) fn forget_after(&mut self, known: [Sequence; 2]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (lane, known) in Lane::ALL.into_iter().zip(known) {
            let shelf = &mut self.shelves[index(lane)];
            while shelf.last() > known {
                let number = shelf.last();
                batch.remove(lane, number, shelf.pop());
            }
        }
        self.store.write(batch)
    }
}

/// Lets sled mend its log in a copy, which then takes the buffer's place. Where there is no room for one, or not even the
/// copy opens, the buffer is left as it is.
fn mend(state: &Path, keys: &Keyring) -> Result<(), StoreError> {
    if !folders::current(state).exists() {
        return Ok(());
    }
    let mended = folders::copy(state)
        .map_err(StoreError::Refused)
        .and_then(|()| Store::mend(&folders::next(state), keys.newest()))
        .and_then(|()| folders::swap(state, Former::Goes).map_err(StoreError::Refused));
    mended.or_else(|error| {
        tracing::debug!(%error, "the buffer is not mended in a copy");
        folders::tidy(state).map_err(StoreError::Refused)
    })
}

/// Begins a new epoch with whatever can still be read, and sets the damaged buffer aside.
///
/// Where there is no buffer at all, this is how the first one begins.
fn salvage(state: &Path, keys: &Keyring, known: &Known, why: &str, now: &Taken) -> Result<Found, StoreError> {
    let folder = folders::current(state);
    let damaged = if folder.exists() { Store::open_damaged(&folder, keys).ok() } else { None };
    let epoch = damaged.as_ref().and_then(|store| store.epoch().ok().flatten()).or(known.epoch);
    let receipted = |lane: Lane| damaged.as_ref().map_or(Sequence::NONE, |store| renewal::receipted(store, lane));
    let damage = if folder.exists() { Damage::Unreadable } else { Damage::Gone };
    let remains = Remains {
        epoch,
        last: known.last,
        from: Lane::ALL.map(|lane| receipted(lane).next()),
        damage: epoch.map(|_| damage),
    };
    let next = match renewal::begin(state, keys.newest(), damaged.as_ref(), &remains, now) {
        // It gives nothing back after all.
        Err(StoreError::Damaged(_)) => renewal::begin(state, keys.newest(), None, &remains, now)?,
        begun => begun?,
    };
    drop(damaged);
    folders::swap(state, Former::Damaged).map_err(StoreError::Refused)?;
    match epoch {
        Some(former) => {
            tracing::error!(epoch = %next, %former, why, "the buffer was damaged; what could be read was taken again")
        }
        None => tracing::info!(epoch = %next, "a first buffer"),
    }
    Found::look(state, keys)
}

/// Begins a new epoch beside a buffer whose key is missing.
fn lock_away(state: &Path, keys: &Keyring, known: &Known, now: &Taken) -> Result<Found, StoreError> {
    let remains =
        Remains { epoch: known.epoch, last: known.last, from: [Sequence(1); 2], damage: Some(Damage::KeyLost) };
    let next = renewal::begin(state, keys.newest(), None, &remains, now)?;
    folders::swap(state, Former::Locked).map_err(StoreError::Refused)?;
    tracing::error!(
        epoch = %next,
        "the buffer is encrypted with a key that is not there; it is set aside. Restore the key file and start the agent \
         again: what was in it is then taken again"
    );
    Found::look(state, keys)
}
