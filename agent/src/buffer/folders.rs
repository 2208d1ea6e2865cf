//! The folders a buffer lives in, and how one takes another's place so that a power cut at any point does no harm.
//!
//! `buffer` is the buffer, `buffer.new` one that is being written, `buffer.old` one that was replaced and is about to
//! go, `buffer.bad-N` one that was damaged and is kept for whoever wants to look, `buffer.locked-N` one whose key is
//! missing. A new buffer is synced whole before the old one moves out of its way, so `buffer.new` without `buffer` is
//! finished.
//! `life`, outside of all of them, holds the epoch, so that a buffer that is gone is missed; `last` holds the numbers it
//! gave out, so that what is gone with it is counted. It is never synced: after a power cut it may be behind.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use hempuls_protocol::ids::{Epoch, Sequence};

use crate::files::{self, Readers};

/// Where the buffer is.
pub(super) fn current(state: &Path) -> PathBuf {
    state.join("buffer")
}

/// Where the next one is written.
pub(super) fn next(state: &Path) -> PathBuf {
    state.join("buffer.new")
}

fn old(state: &Path) -> PathBuf {
    state.join("buffer.old")
}

/// What becomes of a buffer that is replaced.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Former {
    /// Everything in it that counts is in the new one.
    Goes,
    /// It is damaged, and what could be read of it is in the new one: it is set aside.
    Damaged,
    /// Its key is missing: it is set aside until the key is found.
    Locked,
}

/// Puts the finished new buffer in the place of the present one, if there is one.
pub(super) fn swap(state: &Path, former: Former) -> io::Result<()> {
    if current(state).exists() {
        match former {
            Former::Goes => fs::rename(current(state), old(state))?,
            Former::Damaged => fs::rename(current(state), aside(state, BAD)?)?,
            Former::Locked => fs::rename(current(state), aside(state, LOCKED)?)?,
        }
        files::sync_folder(state)?;
    }
    fs::rename(next(state), current(state))?;
    files::sync_folder(state)?;
    remove(&old(state))
}

/// Copies the present buffer to where the next one is written.
pub(super) fn copy(state: &Path) -> io::Result<()> {
    remove(&next(state))?;
    files::copy_folder(&current(state), &next(state))
}

/// Makes the state folder, durably: what is in a folder goes with it.
pub(super) fn make_state(state: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = state.ancestors().take_while(is_missing).collect();
    for folder in missing.into_iter().rev() {
        fs::DirBuilder::new().mode(0o700).create(folder)?;
        files::sync_folder(files::parent(folder))?;
    }
    Ok(())
}

/// Whether the file system takes as much as opening the buffer may need.
pub(super) fn try_to_write(state: &Path) -> io::Result<()> {
    make_state(state)?;
    let path = state.join("trial");
    let written = fs::File::create(&path).and_then(|mut file| {
        file.write_all(&[0; 128 << 10])?;
        file.sync_all()
    });
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => written,
    }
}

/// Finishes or discards what a crash left half done.
pub(super) fn tidy(state: &Path) -> io::Result<()> {
    if !current(state).exists() {
        for finished in [next(state), old(state)] {
            if finished.exists() {
                fs::rename(finished, current(state))?;
                files::sync_folder(state)?;
                break;
            }
        }
    }
    remove(&next(state))?;
    remove(&old(state))
}

/// Removes a folder, if it is there.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The epoch of the last buffer that lived here, where one is known.
pub(super) fn read_life(state: &Path) -> io::Result<Option<Epoch>> {
    match files::read_if_there(&state.join("life")) {
        Ok(text) => Ok(text.and_then(|text| text.trim().parse().ok())),
        // Flash gave back what is no text.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes the epoch before anything is sent under it.
pub(super) fn write_life(state: &Path, epoch: Epoch) -> io::Result<()> {
    files::replace(&state.join("life"), format!("{epoch}\n").as_bytes(), Readers::All)
}

/// Notes the last numbers given out. In place and of one length, so that nobody finds half of it.
pub(super) fn write_last(state: &Path, epoch: Epoch, [alarm, reading]: [Sequence; 2]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(state.join("last"))?;
    file.write_all(format!("{epoch} {:020} {:020}\n", alarm.0, reading.0).as_bytes())
}

/// The last numbers that the buffer of this epoch is known to have given out.
pub(super) fn read_last(state: &Path, epoch: Option<Epoch>) -> [Option<Sequence>; 2] {
    // What cannot be read is not known; that is what the file is for.
    let text = files::read_if_there(&state.join("last")).ok().flatten().unwrap_or_default();
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields[..] {
        [of, alarm, reading] if of.parse().ok() == epoch => {
            [alarm, reading].map(|number| number.parse().ok().map(Sequence))
        }
        _ => [None, None],
    }
}

/// How many buffers of a kind are kept aside.
const KEPT_ASIDE: u32 = 3;
const BAD: &str = "buffer.bad";
const LOCKED: &str = "buffer.locked";

/// The buffers whose key was missing, the oldest first.
pub(super) fn locked(state: &Path) -> Vec<PathBuf> {
    (1..=KEPT_ASIDE).map(|n| state.join(format!("{LOCKED}-{n}"))).filter(|folder| folder.exists()).collect()
}

/// A name for a buffer that is set aside. The oldest makes room.
fn aside(state: &Path, kind: &str) -> io::Result<PathBuf> {
    let named = |n: u32| state.join(format!("{kind}-{n}"));
    let free = (1..=KEPT_ASIDE).find(|n| !named(*n).exists());
    if let Some(n) = free {
        return Ok(named(n));
    }
    remove(&named(1))?;
    for n in 2..=KEPT_ASIDE {
        fs::rename(named(n), named(n - 1))?;
    }
    Ok(named(KEPT_ASIDE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(folder: &Path, holds: &str) {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("db"), holds).unwrap();
    }

    fn holds(state: &Path) -> String {
        fs::read_to_string(current(state).join("db")).unwrap()
    }

    #[test]
    fn a_crash_before_the_old_buffer_moved_leaves_the_old_one() {
        let state = tempfile::tempdir().unwrap();
        make(&current(state.path()), "old");
        make(&next(state.path()), "half of the new");
        tidy(state.path()).unwrap();
        assert_eq!(holds(state.path()), "old");
        assert!(!next(state.path()).exists());
    }

    #[test]
    fn a_crash_after_the_old_buffer_moved_leaves_the_new_one() {
        let state = tempfile::tempdir().unwrap();
        make(&old(state.path()), "old");
        make(&next(state.path()), "new");
        tidy(state.path()).unwrap();
        assert_eq!(holds(state.path()), "new");
        assert!(!old(state.path()).exists());
    }

    #[test]
    fn damaged_buffers_are_set_aside_and_the_oldest_makes_room() {
        let state = tempfile::tempdir().unwrap();
        make(&current(state.path()), "0");
        for n in 1..=5 {
            make(&next(state.path()), &n.to_string());
            swap(state.path(), Former::Damaged).unwrap();
        }
        let aside = |n: u32| fs::read_to_string(state.path().join(format!("buffer.bad-{n}/db"))).unwrap();
        assert_eq!(
            (holds(state.path()), aside(1), aside(2), aside(3)),
            ("5".into(), "2".into(), "3".into(), "4".into())
        );
    }
}
