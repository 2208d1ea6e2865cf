//! Everything that knows sled: one folder with a tree for each lane, and what must be done for its bytes to be durable.
//!
//! `flush` alone does not survive a power cut on Linux: sled asks for `sync_file_range`, which leaves the file's
//! length and the card's cache out. Nothing is durable before [`Store::sync`] has also called `fdatasync`.
//! sled can panic on a damaged file, so every call into it is guarded.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence};

use crate::files;

/// An open folder.
pub(super) struct Store {
    database: sled::Db,
    /// sled's one data file, for the sync that sled itself leaves out.
    file: File,
    alarms: sled::Tree,
    readings: sled::Tree,
    facts: sled::Tree,
}

/// Why a folder is of no use as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// What was written cannot be read back.
    #[error("the store is damaged: {0}")]
    Damaged(String),
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

/// What must happen together: records in the order of their numbers, and a button's counter with its press.
#[derive(Default)]
pub(super) struct Batch {
    alarms: sled::Batch,
    readings: sled::Batch,
    has: [bool; 2],
}

impl Batch {
    /// Adds a record.
    pub(super) fn insert(&mut self, lane: Lane, number: Sequence, value: Vec<u8>) {
        self.of(lane).insert(&number.0.to_be_bytes(), value);
    }

    /// Takes a record away.
    pub(super) fn remove(&mut self, lane: Lane, number: Sequence) {
        self.of(lane).remove(&number.0.to_be_bytes());
    }

    /// Keeps a button's counter, in the lane of its presses.
    pub(super) fn count(&mut self, button: &DeviceId, counter: u32) {
        self.of(Lane::Alarm).insert(counter_key(button).into_bytes(), &counter.to_be_bytes());
    }

    fn of(&mut self, lane: Lane) -> &mut sled::Batch {
        match lane {
            Lane::Alarm => {
                self.has[0] = true;
                &mut self.alarms
            }
            Lane::Reading => {
                self.has[1] = true;
                &mut self.readings
            }
        }
    }
}

impl Store {
    /// Opens a folder, or makes a new one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where sled cannot make sense of the files, also without its snapshot.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        match Self::open_as_is(folder) {
            Err(StoreError::Damaged(why)) => {
                tracing::warn!(why, "the buffer does not open; trying again without its snapshot");
                delete_snapshots(folder).map_err(StoreError::Refused)?;
                Self::open_as_is(folder)
            }
            opened => opened,
        }
    }

    fn open_as_is(folder: &Path) -> Result<Self, StoreError> {
        // A store that was just closed gives its lock back a moment later.
        for _ in 0..LOCK_ATTEMPTS {
            match Self::open_once(folder) {
                Err(StoreError::Refused(error)) if is_locked(&error) => std::thread::sleep(LOCK_PAUSE),
                opened => return opened,
            }
        }
        Self::open_once(folder)
    }

    fn open_once(folder: &Path) -> Result<Self, StoreError> {
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
            Ok(Self { database, file, alarms, readings, facts })
        })
    }

    /// Writes a batch. It is durable after [`Store::sync`].
    pub(super) fn write(&self, batch: Batch) -> Result<(), StoreError> {
        guarded(|| {
            let Batch { alarms, readings, has } = batch;
            if has[0] {
                self.alarms.apply_batch(alarms)?;
            }
            if has[1] {
                self.readings.apply_batch(readings)?;
            }
            Ok(())
        })
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        guarded(|| {
            self.database.flush()?;
            self.file.sync_data().map_err(StoreError::Refused)
        })
    }

    /// Makes a new folder durable with all its files and names.
    pub(super) fn sync_folder(&self, folder: &Path) -> Result<(), StoreError> {
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

    /// Shows every value of a lane from a number on, in order, until `show` says that it has enough.
    pub(super) fn visit(
        &self,
        lane: Lane,
        from: Sequence,
        mut show: impl FnMut(Sequence, &[u8]) -> Visit,
    ) -> Result<(), StoreError> {
        guarded(|| {
            for entry in self.tree(lane).range(from.0.to_be_bytes()..END_OF_NUMBERS) {
                let (key, value) = entry?;
                let number = key.as_ref().try_into().map_err(|_| StoreError::Damaged("a key is no number".into()))?;
                if show(Sequence(u64::from_be_bytes(number)), &value) == Visit::Enough {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The highest counter of each button, as its last durable press carried it.
    pub(super) fn counters(&self) -> Result<Vec<(DeviceId, u32)>, StoreError> {
        guarded(|| {
            let mut counters = Vec::new();
            for entry in self.alarms.scan_prefix(COUNTERS) {
                let (key, value) = entry?;
                let button = std::str::from_utf8(&key[COUNTERS.len()..]).ok().and_then(|name| name.parse().ok());
                let counter = <[u8; 4]>::try_from(value.as_ref()).ok().map(u32::from_be_bytes);
                counters.extend(button.zip(counter));
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

/// Where a button's counter lies: `counter/F0:F1:F2:F3:F4:F5`, behind all numbers that are ever given out.
const COUNTERS: &str = "counter/";
const END_OF_NUMBERS: [u8; 8] = [b'c', 0, 0, 0, 0, 0, 0, 0];

fn counter_key(button: &DeviceId) -> String {
    format!("{COUNTERS}{button}")
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
