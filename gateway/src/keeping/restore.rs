//! Putting a backup in place.
//!
//! Everything is made ready beside the data and looked at before anything is replaced. Then one file is written that says so;
//! from there on only names change, and whoever comes next, after a power cut too, finishes that before it does anything else.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::backup::{self, BackupError, List, SECRETS, STORE, copy_all};
use super::files;
use crate::alerts::keeping::{self as told, Found};
use crate::store::access_log::{self, Action, Look, Looker, Verified};
use crate::store::restorations::{self, Restoration};
use crate::store::verify::Report;
use crate::store::{Reader, Store, StoreError, backup as engine};

/// Where everything is made ready, in the data folder.
const READY: &str = "restoring";
/// Says, in there, that it is to be put in place.
const DECIDED: &str = "decided.json";
/// What whoever works with the data folder holds.
const LOCK: &str = "in-use";
/// What belongs to a store's file.
const OF_THE_STORE: [&str; 3] = [STORE, "store.sqlite-wal", "store.sqlite-shm"];

/// What somebody wants.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Which backup.
    pub backup: &'a Path,
    /// Where to put what is there.
    pub set_aside: Option<&'a Path>,
    /// Who decides so.
    pub by: &'a str,
    /// Why.
    pub why: &'a str,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub list: List,
    /// What was found in its store.
    pub report: Report,
    /// Where what was there lies.
    pub set_aside: Option<PathBuf>,
    /// What stands in the store that was there, is in no box, and is not in this one; none where it could not be read.
    pub written_since: Option<Vec<(&'static str, i64)>>,
    /// So many boxes and accounts that were cut off since are cut off here, too.
    pub revoked: u64,
}

/// Why nothing was put in place.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Somebody works with it.
    #[error("a gateway, or another command, uses {0}; nothing was changed. Stop it first")]
    InUse(PathBuf),
    /// There is something.
    #[error(
        "{0} has a store or an authority; nothing was changed. Say with --set-aside where to put what is there: it is not \
         thrown away"
    )]
    Occupied(PathBuf),
    /// It cannot be put there.
    #[error(
        "what is there cannot be put into {0}: it must be a new folder on the same disk as the data; nothing was changed"
    )]
    NotThere(PathBuf),
    /// It is not what it was.
    #[error("this backup cannot be relied on; nothing was changed. {}", .0.join("; "))]
    Faulty(Vec<String>),
    /// A file cannot be read or written.
    #[error("{0}; what was there is as it was, and the same command can be given again")]
    Backup(#[from] BackupError),
    /// The store that was made ready cannot be read or written.
    #[error("the backup's store cannot be made ready: {0}; nothing was changed")]
    Store(#[from] StoreError),
    /// Names could not be changed.
    #[error(
        "{file}: {source}. A backup is being put in place; look for what is wrong with the disk, and start the gateway or give \
         this command again: either goes on from here"
    )]
    Halfway {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Decided {
    set_aside: Option<PathBuf>,
    /// What was there when it was decided.
    was_there: Vec<String>,
}

/// Held while the data folder is worked with.
#[derive(Debug)]
pub struct InUse {
    _lock: fs::File,
}

/// Says that a gateway works with the data folder from here on. Several may; none does while a backup is put in place.
///
/// # Errors
/// When one is being put in place, or the folder cannot be written.
pub fn use_data(data: &Path) -> io::Result<InUse> {
    lock(data, FlockOperation::NonBlockingLockShared)
}

fn lock(data: &Path, how: FlockOperation) -> io::Result<InUse> {
    let lock = fs::File::options().create(true).truncate(false).write(true).open(data.join(LOCK))?;
    flock(&lock, how)?;
    Ok(InUse { _lock: lock })
}

/// Puts a backup in place of what is in the data folder. No gateway may run there.
///
/// # Errors
/// [`RestoreError`].
pub async fn restore(data: &Path, wish: &Wish<'_>, now_ms: i64) -> Result<Restored, RestoreError> {
    files::make_folder(data).map_err(BackupError::file(data))?;
    let in_use = |_| RestoreError::InUse(data.to_owned());
    let _lock = lock(data, FlockOperation::NonBlockingLockExclusive).map_err(in_use)?;
    finish_locked(data)?;
    let ready = data.join(READY);
    if ready.exists() {
        fs::remove_dir_all(&ready).map_err(BackupError::file(&ready))?;
    }
    let set_aside = room_for_what_is_there(data, wish)?;
    let (list, report) = backup::verify_backup(wish.backup).await?;
    if !report.faults.is_empty() {
        return Err(RestoreError::Faulty(report.faults));
    }
    files::make_folder(&ready).map_err(BackupError::file(&ready))?;
    for name in SECRETS.into_iter().chain([STORE]) {
        copy_all(&wish.backup.join(name), &ready.join(name))?;
    }
    let mut restored = Restored { list, report, set_aside, written_since: None, revoked: 0 };
    let store = Store::open(&ready.join(STORE)).await?;
    let marked = mark(&store, data, wish, &mut restored, now_ms).await;
    store.close().await;
    marked?;
    restored.report = backup::verify_store(&ready.join(STORE)).await?;
    if !restored.report.faults.is_empty() {
        return Err(RestoreError::Faulty(restored.report.faults));
    }
    // A store so damaged that it cannot be opened is set aside as it is.
    let there = data.join(STORE);
    if there.exists() && matches!(engine::fold_into_one_file(&there).await, Ok(false)) {
        return Err(RestoreError::InUse(data.to_owned()));
    }
    decide(data, &ready, restored.set_aside.as_deref())?;
    finish_locked(data)?;
    Ok(restored)
}

/// Where to put what is there: nowhere, if there is nothing.
fn room_for_what_is_there(data: &Path, wish: &Wish<'_>) -> Result<Option<PathBuf>, RestoreError> {
    if !OF_THE_STORE.into_iter().chain(SECRETS).any(|name| data.join(name).exists()) {
        return Ok(None);
    }
    let folder = wish.set_aside.ok_or_else(|| RestoreError::Occupied(data.to_owned()))?;
    let not_there = |_| RestoreError::NotThere(folder.to_owned());
    let folder = std::path::absolute(folder).map_err(not_there)?;
    if folder.exists() && fs::read_dir(&folder).map_err(not_there)?.next().is_some() {
        return Err(RestoreError::NotThere(folder));
    }
    files::make_folder(&folder).map_err(not_there)?;
    let disk = |folder: &Path| fs::metadata(folder).map(|it| it.dev());
    if disk(&folder).map_err(not_there)? != disk(data).map_err(not_there)? {
        // An empty folder that cannot be removed harms nobody.
        let _ = fs::remove_dir(&folder);
        return Err(RestoreError::NotThere(folder));
    }
    Ok(Some(folder))
}

/// Writes into the store that was made ready what happened to it: the log goes on with a line that says so, an alert tells the
/// team, and what must not come back with yesterday does not.
async fn mark(
    store: &Store,
    data: &Path,
    wish: &Wish<'_>,
    restored: &mut Restored,
    now_ms: i64,
) -> Result<(), RestoreError> {
    let before = before(&data.join(STORE)).await;
    let made_ms = restored.list.made_ms;
    let mut work = store.work().await?;
    let set_aside = restored.set_aside.as_ref().map(|folder| folder.display().to_string());
    let restoration = Restoration {
        made_ms,
        restored_ms: now_ms,
        restored_by: wish.by.to_owned(),
        why: wish.why.to_owned(),
        set_aside: set_aside.clone(),
    };
    restorations::note(&mut work, &restoration).await?;
    let mut what = format!("backup of {}, because: {}", timestamp(made_ms), wish.why);
    match &before {
        Some((reader, log)) => {
            restored.written_since = restorations::written_since(reader, made_ms).await.ok();
            restored.revoked = restorations::revoke_as(&mut work, reader).await.unwrap_or(0);
            what = format!("{what}; {log}");
        }
        None if set_aside.is_some() => what = format!("{what}; the store that was there could not be read"),
        None => {}
    }
    if let Some(set_aside) = &set_aside {
        what = format!("{what}; what was there lies in {set_aside}");
    }
    let looker = Looker { who: wish.by.to_owned(), unit: "command line".to_owned() };
    let look = Look { action: Action::Restored, person: None, what, why: "operation" };
    let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    access_log::write(&mut work, &looker, &[look], now).await?;
    let found = Found::Restored { made_ms, restored_ms: now_ms, by: wish.by.to_owned() };
    told::raise(&mut work, found, now_ms).await?;
    work.commit().await.map_err(StoreError::from)?;
    if let Some((reader, _)) = before {
        reader.close().await;
    }
    Ok(())
}

/// The store that is there, if it can be read, and what its access log comes to.
async fn before(file: &Path) -> Option<(Reader, String)> {
    if !file.exists() {
        return None;
    }
    let reader = engine::open_to_read(file).await.ok()?;
    let log = match access_log::verify(&reader).await.ok()? {
        Verified::Whole { rows, newest } => {
            format!("the log that was there has {rows} rows and ends with {}", hex::encode(newest))
        }
        Verified::Broken { at } => format!("the log that was there is broken at its row {at}"),
    };
    Some((reader, log))
}

fn timestamp(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// From here on it will be put in place, whatever happens.
fn decide(data: &Path, ready: &Path, set_aside: Option<&Path>) -> Result<(), BackupError> {
    let was_there = OF_THE_STORE.into_iter().chain(SECRETS).filter(|name| data.join(name).exists());
    let decided =
        Decided { set_aside: set_aside.map(Path::to_owned), was_there: was_there.map(str::to_owned).collect() };
    let text = serde_json::to_string(&decided).expect("a path that was written is JSON");
    let (part, file) = (ready.join("decided.part"), ready.join(DECIDED));
    for entry in fs::read_dir(ready).map_err(BackupError::file(ready))? {
        let place = entry.map_err(BackupError::file(ready))?.path();
        if place.is_file() {
            files::settle(&place).map_err(BackupError::file(&place))?;
        }
    }
    files::write(&part, &text).map_err(BackupError::file(&part))?;
    fs::rename(&part, &file).map_err(BackupError::file(&file))?;
    files::settle_folder(ready).map_err(BackupError::file(ready))
}

/// Finishes what a power cut or a kill interrupted. Whoever opens the data folder does so first.
///
/// # Errors
/// [`RestoreError`], where somebody is at it, or names cannot be changed.
pub fn finish(data: &Path) -> Result<(), RestoreError> {
    if !data.join(READY).join(DECIDED).exists() {
        return Ok(());
    }
    let in_use = |_| RestoreError::InUse(data.to_owned());
    let _lock = lock(data, FlockOperation::NonBlockingLockExclusive).map_err(in_use)?;
    finish_locked(data)
}

fn finish_locked(data: &Path) -> Result<(), RestoreError> {
    let ready = data.join(READY);
    let decided = ready.join(DECIDED);
    if !decided.exists() {
        return Ok(());
    }
    let halfway = |file: &Path| {
        let file = file.to_owned();
        |source| RestoreError::Halfway { file, source }
    };
    let text = fs::read_to_string(&decided).map_err(halfway(&decided))?;
    let Decided { set_aside, was_there } =
        serde_json::from_str(&text).map_err(io::Error::other).map_err(halfway(&decided))?;
    for name in OF_THE_STORE.into_iter().chain(SECRETS) {
        let (there, new) = (data.join(name), ready.join(name));
        // What has been set aside already has left its place to the new one.
        let is_old = |aside: &PathBuf| was_there.iter().any(|was| was == name) && there.exists() && !aside.exists();
        if let Some(aside) = set_aside.as_ref().map(|folder| folder.join(name)).filter(is_old) {
            fs::rename(&there, &aside).map_err(halfway(&there))?;
        }
        if new.exists() {
            fs::rename(&new, &there).map_err(halfway(&there))?;
        }
    }
    files::settle_folder(data).map_err(halfway(data))?;
    if let Some(folder) = &set_aside {
        files::settle_folder(folder).map_err(halfway(folder))?;
    }
    // The decision goes first: without it the rest is waste.
    fs::remove_file(&decided).map_err(halfway(&decided))?;
    fs::remove_dir_all(&ready).map_err(halfway(&ready))?;
    tracing::warn!(data = %data.display(), "a backup was put in place");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_is_finished_wherever_a_power_cut_came() {
        type Move = (&'static str, &'static str, &'static str);
        const MOVES: [Move; 6] = [
            ("data", "aside", "store.sqlite"),
            ("ready", "data", "store.sqlite"),
            ("data", "aside", "store.sqlite-wal"),
            ("data", "aside", "ca"),
            ("ready", "data", "ca"),
            ("ready", "data", "api-token"),
        ];
        for cut in 0..=MOVES.len() {
            let folder = tempfile::tempdir().unwrap();
            let data = folder.path().join("data");
            let place = |name: &str| match name {
                "data" => data.clone(),
                "ready" => data.join(READY),
                _ => folder.path().join("aside"),
            };
            for name in ["data", "ready", "aside"] {
                fs::create_dir_all(place(name).join("ca")).unwrap();
            }
            fs::remove_dir(place("aside").join("ca")).unwrap();
            for (of, names) in [
                ("data", &["store.sqlite", "store.sqlite-wal", "ca/key"][..]),
                ("ready", &["store.sqlite", "ca/key", "api-token"]),
            ] {
                for name in names {
                    fs::write(place(of).join(name), of).unwrap();
                }
            }
            decide(&data, &place("ready"), Some(&place("aside"))).unwrap();
            for (from, to, name) in &MOVES[..cut] {
                fs::rename(place(from).join(name), place(to).join(name)).unwrap();
            }

            finish(&data).unwrap();

            let text = |of: &str, name: &str| fs::read_to_string(place(of).join(name)).ok();
            for name in ["store.sqlite", "ca/key", "api-token"] {
                assert_eq!(text("data", name).as_deref(), Some("ready"), "{name}, cut after {cut}");
            }
            for name in ["store.sqlite", "store.sqlite-wal", "ca/key"] {
                assert_eq!(text("aside", name).as_deref(), Some("data"), "{name}, cut after {cut}");
            }
            assert!(!data.join("store.sqlite-wal").exists() && !place("ready").exists());
            finish(&data).unwrap();
        }
    }

    #[test]
    fn what_was_only_made_ready_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(READY)).unwrap();
        fs::write(folder.path().join(READY).join(STORE), "new").unwrap();
        fs::write(folder.path().join(STORE), "old").unwrap();
        finish(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(STORE)).unwrap(), "old");
    }
}
