//! Everything that knows sled: one folder with a tree for each lane, and what must be done for its bytes to be durable.
//!
//! `flush` alone does not survive a power cut on Linux: sled asks for `sync_file_range`, which leaves the file's
//! length and the card's cache out. Nothing is durable before [`Store::sync`] has also called `fdatasync`.
//! sled writes what it calls blobs, pages of more than a quarter of a segment, into files that nobody syncs: a value is
//! cut into pieces, so that there are none.
//! sled can panic on a damaged file, so every call into it is guarded.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence};

use super::index;
use super::keys::{Key, KeyName, Keyring};
use super::record::Record;
use crate::files;

/// An open folder.
pub(super) struct Store {
    database: sled::Db,
    /// sled's one data file, for the sync that sled itself leaves out.
    file: File,
    alarms: sled::Tree,
    readings: sled::Tree,
    facts: sled::Tree,
    key: Key,
}

/// Why a folder is of no use as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// What was written cannot be read back.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// It is encrypted with a key that the agent does not have.
    #[error("the key of the buffer is not there")]
    Locked,
    /// The file system refuses.
    #[error("the file system refuses: {0}")]
    Refused(io::Error),
}

impl StoreError {
    /// The store is not open: an earlier attempt to open it failed.
    pub(super) fn away() -> Self {
        Self::Refused(io::Error::other("the buffer is not open"))
    }

    /// There is no room.
    pub(super) fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Refused(error) if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}

/// What is to be written: records in the order of their numbers, and buttons' counters.
#[derive(Default)]
pub(super) struct Batch {
    lanes: [Vec<Change>; 2],
    /// Lanes in which it happens together or not at all. That costs another page.
    whole: [bool; 2],
}

/// A key, and its new value; none where it goes.
type Change = (Vec<u8>, Option<Vec<u8>>);

impl Batch {
    /// Adds a record.
    pub(super) fn insert(&mut self, lane: Lane, number: Sequence, value: &[u8]) {
        for (piece, bytes) in (0..).zip(value.chunks(PIECE)) {
            self.push(lane, record_key(number, piece), Some(bytes.to_vec()));
        }
        self.whole[index(lane)] |= value.len() > PIECE;
    }

    /// Takes a record of this size away.
    pub(super) fn remove(&mut self, lane: Lane, number: Sequence, size: u32) {
        let pieces = usize::try_from(size).unwrap_or(usize::MAX).div_ceil(PIECE);
        for piece in (0..pieces).rev() {
            self.push(lane, record_key(number, piece), None);
        }
        self.whole[index(lane)] |= pieces > 1;
    }

    fn push(&mut self, lane: Lane, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.lanes[index(lane)].push((key, value));
    }
}

impl Store {
    /// Makes a new one in an empty folder.
    pub(super) fn create(folder: &Path, key: &Key) -> Result<Self, StoreError> {
        let store = Self::open_files(folder, key)?;
        store.set_fact("key", &key.name().0)?;
        Ok(store)
    }

    /// Lets sled mend its log, and makes the result durable as a whole: to be done to a folder that nobody relies on yet.
    ///
    /// When sled opens a log it notes in a new snapshot what is still of use, and fills every segment that is not with
    /// zeros. A power cut that spares the zeros and not the snapshot's name leaves a log with a hole, at which sled stops
    /// reading. The log of a mended folder has no such segment left.
    pub(super) fn mend(folder: &Path, key: &Key) -> Result<(), StoreError> {
        Self::open_without_snapshot_if_need_be(folder, key)?.sync_folder(folder)
    }

    /// Opens a folder.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where sled cannot make sense of the files, also without its snapshot.
    /// [`StoreError::Locked`] where the key is not there.
    pub(super) fn open(folder: &Path, keys: &Keyring) -> Result<Self, StoreError> {
        let store = Self::open_without_snapshot_if_need_be(folder, keys.newest())?;
        let name = store.key_name()?.ok_or_else(|| StoreError::Damaged("it does not say which key it needs".into()))?;
        let key = keys.named(name).ok_or(StoreError::Locked)?.clone();
        Ok(Self { key, ..store })
    }

    /// Opens a folder from which some is to be saved. Where it does not say which key it needs, its records do.
    pub(super) fn open_damaged(folder: &Path, keys: &Keyring) -> Result<Self, StoreError> {
        let store = Self::open_without_snapshot_if_need_be(folder, keys.newest())?;
        let mut fitting = store.key_name().ok().flatten().and_then(|name| keys.named(name));
        for lane in Lane::ALL {
            // What cannot be read fits no key.
            let _ = store.visit(lane, Sequence::NONE, |number, value| {
                fitting = fitting.or_else(|| keys.that_opens(|key| Record::open(value, key, lane, number).is_ok()));
                if fitting.is_some() { Visit::Enough } else { Visit::More }
            });
        }
        let key = fitting.unwrap_or(keys.newest()).clone();
        Ok(Self { key, ..store })
    }

    fn open_without_snapshot_if_need_be(folder: &Path, key: &Key) -> Result<Self, StoreError> {
        match Self::open_files(folder, key) {
            Err(StoreError::Damaged(why)) => {
                tracing::warn!(why, "the buffer does not open; trying again without its snapshot");
                delete_snapshots(folder).map_err(StoreError::Refused)?;
                Self::open_files(folder, key)
            }
            opened => opened,
        }
    }

    fn open_files(folder: &Path, key: &Key) -> Result<Self, StoreError> {
        // A store that was just closed gives its lock back a moment later.
        for _ in 0..LOCK_ATTEMPTS {
            match Self::open_once(folder, key) {
                Err(StoreError::Refused(error)) if is_locked(&error) => std::thread::sleep(LOCK_PAUSE),
                opened => return opened,
            }
        }
        Self::open_once(folder, key)
    }

    fn open_once(folder: &Path, key: &Key) -> Result<Self, StoreError> {
        guarded(|| {
            let database = sled::Config::new()
                .path(folder)
                .cache_capacity(CACHE)
                .segment_size(SEGMENT)
                .mode(sled::Mode::LowSpace)
                .flush_every_ms(None)
                .open()?;
            let file =
                OpenOptions::new().read(true).write(true).open(folder.join("db")).map_err(StoreError::Refused)?;
            let (alarms, readings) = (database.open_tree("alarm")?, database.open_tree("reading")?);
            let facts = database.open_tree("facts")?;
            Ok(Self { database, file, alarms, readings, facts, key: key.clone() })
        })
    }

    fn key_name(&self) -> Result<Option<KeyName>, StoreError> {
        Ok(self.fact("key")?.and_then(|name| name.try_into().ok()).map(KeyName))
    }

    /// What its records are sealed with.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Writes a batch. It is durable after [`Store::sync`].
    pub(super) fn write(&self, batch: Batch) -> Result<(), StoreError> {
        guarded(|| {
            let Batch { lanes, whole } = batch;
            for ((lane, entries), whole) in Lane::ALL.into_iter().zip(lanes).zip(whole) {
                let tree = self.tree(lane);
                if whole {
                    let mut together = sled::Batch::default();
                    for (key, value) in entries {
                        match value {
                            Some(value) => together.insert(key, value),
                            None => together.remove(key),
                        }
                    }
                    tree.apply_batch(together)?;
                    continue;
                }
                for (key, value) in entries {
                    match value {
                        Some(value) => drop(tree.insert(key, value)?),
                        None => drop(tree.remove(key)?),
                    }
                }
            }
            Ok(())
        })
    }

    /// Adds a button's counter to a batch, to become durable together with its press.
    pub(super) fn count(&self, batch: &mut Batch, button: &DeviceId, counter: u32) {
        let button = button.to_string();
        let name = [COUNTERS, &self.key.blind(button.as_bytes())].concat();
        let value = self.key.seal(COUNTERS, &[&counter.to_be_bytes(), button.as_bytes()].concat());
        batch.push(Lane::Alarm, name, Some(value));
        batch.whole[index(Lane::Alarm)] = true;
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        guarded(|| {
            self.database.flush()?;
            self.file.sync_data().map_err(StoreError::Refused)
        })
    }

    /// Makes a new folder durable with all its files and names.
    fn sync_folder(&self, folder: &Path) -> Result<(), StoreError> {
        self.sync()?;
        let sync_all = || -> io::Result<()> {
            for entry in fs::read_dir(folder)? {
                File::open(entry?.path())?.sync_all()?;
            }
            files::sync_folder(folder)
        };
        sync_all().map_err(StoreError::Refused)
    }

    /// Whose life this is; `None` in a folder that was never finished.
    pub(super) fn epoch(&self) -> Result<Option<Epoch>, StoreError> {
        let bytes = self.fact("epoch")?;
        Ok(bytes.and_then(|bytes| Some(Epoch(u64::from_be_bytes(bytes.try_into().ok()?)))))
    }

    /// Says whose life this is: the last thing written into a new folder.
    pub(super) fn set_epoch(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.set_fact("epoch", &epoch.0.to_be_bytes())
    }

    /// Something small that is kept beside the records.
    pub(super) fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| Ok(self.facts.get(name)?.map(|bytes| bytes.to_vec())))
    }

    /// Keeps something small. It is durable with the next [`Store::sync`], whoever asks for it.
    pub(super) fn set_fact(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        guarded(|| Ok(self.facts.insert(name, bytes).map(drop)?))
    }

    /// Shows every value of a lane from a number on, in order, until `show` says that it has enough. Where sled stumbles,
    /// what came before has been shown.
    pub(super) fn visit(
        &self,
        lane: Lane,
        from: Sequence,
        mut show: impl FnMut(Sequence, &[u8]) -> Visit,
    ) -> Result<(), StoreError> {
        guarded(|| {
            let mut whole: Option<(Sequence, Vec<u8>)> = None;
            for entry in self.tree(lane).range(record_key(from, 0)..END_OF_NUMBERS.to_vec()) {
                let (key, piece) = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        if let Some((number, value)) = whole {
                            show(number, &value);
                        }
                        return Err(error.into());
                    }
                };
                let number = key.first_chunk::<8>().ok_or_else(|| StoreError::Damaged("a key is no number".into()))?;
                let number = Sequence(u64::from_be_bytes(*number));
                match &mut whole {
                    Some((begun, value)) if *begun == number => value.extend_from_slice(&piece),
                    _ => {
                        if let Some((number, value)) = whole.replace((number, piece.to_vec()))
                            && show(number, &value) == Visit::Enough
                        {
                            return Ok(());
                        }
                    }
                }
            }
            if let Some((number, value)) = whole {
                show(number, &value);
            }
            Ok(())
        })
    }

    /// The highest counter of each button, as its last durable press carried it.
    pub(super) fn counters(&self) -> Result<Vec<(DeviceId, u32)>, StoreError> {
        guarded(|| {
            let mut counters = Vec::new();
            for entry in self.alarms.scan_prefix(COUNTERS) {
                let (_, sealed) = entry?;
                let plain = self.key.open(COUNTERS, &sealed).ok();
                counters.extend(plain.and_then(|plain| {
                    let (counter, button) = plain.split_first_chunk::<4>()?;
                    Some((std::str::from_utf8(button).ok()?.parse().ok()?, u32::from_be_bytes(*counter)))
                }));
            }
            Ok(counters)
        })
    }

    /// Bytes on flash.
    pub(super) fn size(&self) -> u64 {
        guarded(|| Ok(self.database.size_on_disk()?)).unwrap_or(0)
    }

    fn tree(&self, lane: Lane) -> &sled::Tree {
        match lane {
            Lane::Alarm => &self.alarms,
            Lane::Reading => &self.readings,
        }
    }
}

/// Whether to go on.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Visit {
    More,
    Enough,
}

const CACHE: u64 = 4 << 20;
const SEGMENT: usize = 64 << 10;
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The longest value of one key. A page has up to 22 of them, and must stay below a quarter of a segment.
const PIECE: usize = 700;

/// Where the buttons' counters lie: behind all numbers that are ever given out. What follows tells only whoever has
/// the key which button it is.
const COUNTERS: &[u8] = b"counter/";
const END_OF_NUMBERS: [u8; 8] = [b'c', 0, 0, 0, 0, 0, 0, 0];

/// A record's number; where it is cut into pieces, the second and further ones after it.
fn record_key(number: Sequence, piece: usize) -> Vec<u8> {
    let mut key = number.0.to_be_bytes().to_vec();
    if piece > 0 {
        key.extend_from_slice(&u32::try_from(piece).unwrap_or(u32::MAX).to_be_bytes());
    }
    key
}

/// Whether the file system will not do it, rather than that the files do not hold what they should.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::NotADirectory
    ) || is_locked(error)
}

fn is_locked(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// sled builds its snapshot again from the log; what is in the log is not lost with it.
fn delete_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// sled panics where it should say that a file is damaged. The panic hook has counted it already.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(StoreError::Damaged("sled panicked".into())))
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) if is_refusal(&error) => Self::Refused(error),
            sled::Error::Io(error) => Self::Damaged(error.to_string()),
            sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_)
            | sled::Error::Corruption { .. } => Self::Damaged(error.to_string()),
        }
    }
}
