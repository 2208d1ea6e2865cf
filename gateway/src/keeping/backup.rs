//! Making a backup, and looking whether one is what it was.
//!
//! It is made under another name beside its place, looked at, seen onto the disk and then renamed: a folder with its name is
//! whole, or it is not there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::files;
use crate::config::Config;
use crate::run::store_file;
use crate::store::verify::{self, Report};
use crate::store::{StoreError, backup as engine};

/// The store's file in a backup, and in the data folder.
pub(super) const STORE: &str = "store.sqlite";

/// The list of what is in a backup.
const LIST: &str = "backup.json";

/// What else of the data folder is in it. What is not there, is not needed.
pub(super) const SECRETS: [&str; 3] = ["ca", "api-token", "console-login"];

/// What a backup says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct List {
    /// The form of this list.
    format: u32,
    /// The state it holds was the store's at this moment, or a little later.
    pub made_ms: i64,
    /// The version of the program that made it.
    pub version: String,
    /// Looks in its access log.
    pub looks: i64,
    /// The hash of the newest of them: whoever keeps this list elsewhere finds a log that is cut short later.
    pub newest_look: String,
    /// Every file: how large it is, and its SHA-256.
    pub files: BTreeMap<String, (u64, String)>,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Its place is taken.
    #[error("{0} is there already; nothing was changed. Give another name, or move it away")]
    Taken(PathBuf),
    /// A file cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store cannot be read, or the copy not be written.
    #[error("the store cannot be copied: {0}")]
    Store(#[from] StoreError),
    /// There would be no room.
    #[error("there is no room for it: {needed} bytes are needed in {folder}, and {free} are free")]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// For so many bytes.
        needed: u64,
        /// So many there are.
        free: u64,
    },
    /// It was made, and is not worth keeping.
    #[error("the copy is not what it should be: {}", .0.join("; "))]
    Faulty(Vec<String>),
}

impl BackupError {
    pub(super) fn file(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        |source| Self::File { file, source }
    }
}

/// Makes a backup of this configuration's gateway, whether it runs or not. `progress` hears how many bytes of about how many
/// are copied.
///
/// # Errors
/// [`BackupError`]. Nothing is left of it then.
pub async fn make(
    config: &Config,
    to: &Path,
    now_ms: i64,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<List, BackupError> {
    if to.exists() {
        return Err(BackupError::Taken(to.to_owned()));
    }
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| BackupError::Taken(to.to_owned()))?;
    let beside = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = beside.join(format!(".{name}.unfinished"));
    let made = fill(config, &unfinished, beside, now_ms, progress).await;
    if let Err(error) = made {
        // What cannot be removed now is by whoever makes the next one of that name.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    fs::rename(&unfinished, to).map_err(BackupError::file(to))?;
    files::settle_folder(beside).map_err(BackupError::file(beside))?;
    made
}

async fn fill(
    config: &Config,
    folder: &Path,
    beside: &Path,
    now_ms: i64,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<List, BackupError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(BackupError::file(folder))?;
    }
    files::make_folder(folder).map_err(BackupError::file(folder))?;
    let store = store_file(config);
    has_room(&store, beside)?;
    for name in SECRETS {
        copy_all(&config.data.join(name), &folder.join(name))?;
    }
    let copy = folder.join(STORE);
    engine::copy(&store, &copy, progress).await?;
    files::settle(&copy).map_err(BackupError::file(&copy))?;
    let (faults, report) = look_at(&copy).await?;
    if !faults.is_empty() {
        return Err(BackupError::Faulty(faults));
    }
    let mut list = List {
        format: 1,
        made_ms: now_ms,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        looks: report.looks,
        newest_look: report.newest_look,
        files: BTreeMap::new(),
    };
    for file in all_files(folder)? {
        let place = folder.join(&file);
        list.files.insert(file, files::digest(&place).map_err(BackupError::file(&place))?);
    }
    let place = folder.join(LIST);
    let text = serde_json::to_string_pretty(&list).expect("a list is JSON");
    files::write(&place, &format!("{text}\n")).map_err(BackupError::file(&place))?;
    files::settle_folder(folder).map_err(BackupError::file(folder))?;
    Ok(list)
}

/// A backup never takes the room that the gateway itself needs.
fn has_room(store: &Path, folder: &Path) -> Result<(), BackupError> {
    const BESIDE: u64 = 64 << 20;
    let needed = fs::metadata(store).map_err(BackupError::file(store))?.len().saturating_add(BESIDE);
    let free = rustix::fs::statvfs(folder).map(|disk| disk.f_bavail * disk.f_frsize);
    let free = free.map_err(|error| BackupError::File { file: folder.to_owned(), source: error.into() })?;
    if free < needed {
        return Err(BackupError::NoRoom { folder: folder.to_owned(), needed, free });
    }
    Ok(())
}

/// Copies a file, or a folder of files; what is not there is passed over.
pub(super) fn copy_all(from: &Path, to: &Path) -> Result<(), BackupError> {
    if from.is_dir() {
        files::make_folder(to).map_err(BackupError::file(to))?;
        for entry in fs::read_dir(from).map_err(BackupError::file(from))? {
            let name = entry.map_err(BackupError::file(from))?.file_name();
            copy_all(&from.join(&name), &to.join(&name))?;
        }
        return files::settle_folder(to).map_err(BackupError::file(to));
    }
    if from.exists() {
        files::copy(from, to).map_err(BackupError::file(from))?;
    }
    Ok(())
}

/// The files in a folder and below, by their names from there; the list itself is none of them.
fn all_files(folder: &Path) -> Result<Vec<String>, BackupError> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let place = folder.join(&inner);
        for entry in fs::read_dir(&place).map_err(BackupError::file(&place))? {
            let entry = entry.map_err(BackupError::file(&place))?;
            let name = inner.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(name);
            } else if name != Path::new(LIST) {
                files.push(name.to_string_lossy().into_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What is wrong with a store's file, and what was looked at.
async fn look_at(store: &Path) -> Result<(Vec<String>, Report), StoreError> {
    let reader = engine::open_to_read(store).await?;
    let mut faults = engine::engine_faults(&reader).await?;
    // A file that is damaged cannot be asked about the rest.
    let mut report = if faults.is_empty() { verify::verify(&reader).await? } else { Report::default() };
    reader.close().await;
    faults.append(&mut report.faults.clone());
    report.faults.clone_from(&faults);
    Ok((faults, report))
}

/// Reads what a backup says of itself.
///
/// # Errors
/// [`BackupError`], where it cannot be read, or is no backup.
pub fn read_list(backup: &Path) -> Result<List, BackupError> {
    let file = backup.join(LIST);
    let text = fs::read_to_string(&file).map_err(BackupError::file(&file))?;
    let list: List = serde_json::from_str(&text)
        .map_err(|error| BackupError::Faulty(vec![format!("{} cannot be read: {error}", file.display())]))?;
    if list.format != 1 {
        return Err(BackupError::Faulty(vec![format!("a later version made it, in its form {}", list.format)]));
    }
    Ok(list)
}

/// Looks whether a backup is what it was when it was made, and whether its store holds together.
///
/// # Errors
/// [`BackupError`], where it cannot be read, or is no backup.
pub async fn verify_backup(backup: &Path) -> Result<(List, Report), BackupError> {
    let list = read_list(backup)?;
    let mut faults = Vec::new();
    let there = all_files(backup)?;
    for (file, (bytes, digest)) in &list.files {
        let place = backup.join(file);
        if !there.contains(file) {
            faults.push(format!("{file} is missing"));
        } else if files::digest(&place).map_err(BackupError::file(&place))? != (*bytes, digest.clone()) {
            faults.push(format!("{file} is not what it was when the backup was made"));
        }
    }
    for file in there.iter().filter(|file| !list.files.contains_key(*file)) {
        faults.push(format!("{file} was not there when the backup was made"));
    }
    if !faults.is_empty() {
        return Ok((list, Report { faults, ..Report::default() }));
    }
    let (mut faults, mut report) = look_at(&backup.join(STORE)).await?;
    if !report.is_of_earlier_version && (report.looks, &report.newest_look) != (list.looks, &list.newest_look) {
        faults.push("its access log is not the one that its list tells of".to_owned());
    }
    report.faults = faults;
    Ok((list, report))
}

/// Looks whether a store's file holds together.
///
/// # Errors
/// [`StoreError`], where it cannot be read.
pub async fn verify_store(file: &Path) -> Result<Report, StoreError> {
    Ok(look_at(file).await?.1)
}

/// The moment a backup was made, as names of backups say it.
#[must_use]
pub fn name(made_ms: i64) -> String {
    let at = Timestamp::from_millisecond(made_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("hempuls-{}", at.strftime("%Y-%m-%dT%H-%M-%SZ"))
}
