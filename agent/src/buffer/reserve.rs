//! 4 MiB of flash that nothing but an alarm may use (P4).

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// The pre-allocated file.
pub(super) struct Reserve {
    path: PathBuf,
    /// It was given to the alarms, and there has not been room for another since.
    released: bool,
}

const SIZE: u64 = 4 << 20;
/// Made again only when as much is free beside it, so that it does not fill the disk itself.
const FREE_BESIDE: u64 = SIZE;

impl Reserve {
    /// Makes the file, where there is room.
    pub(super) fn new(state: &Path) -> Self {
        let reserve = Self { path: state.join("reserve"), released: false };
        if !reserve.is_there() && !reserve.make() {
            tracing::warn!("the flash is nearly full: there is no room for the alarms' reserve; free at least 8 MiB");
        }
        reserve
    }

    /// Whether the alarms have it, so that readings must leave what is left to them.
    pub(super) fn is_released(&self) -> bool {
        self.released
    }

    /// Gives it to the alarms.
    pub(super) fn release(&mut self) {
        if self.is_there() {
            tracing::error!("the flash is full: alarms use their reserve, readings are refused; free at least 8 MiB");
            self.released = fs::remove_file(&self.path).is_ok();
        }
    }

    /// Takes it back, once there is room.
    pub(super) fn restore(&mut self) {
        if self.released && self.make() {
            tracing::info!("there is room on the flash again: readings are taken");
            self.released = false;
        }
    }

    fn is_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() >= SIZE)
    }

    fn make(&self) -> bool {
        let free = self.path.parent().and_then(|folder| statvfs(folder).ok()).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
        if free < SIZE + FREE_BESIDE {
            return false;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.path);
        let made = file.is_ok_and(|file| fallocate(&file, FallocateFlags::empty(), 0, SIZE).is_ok());
        if !made {
            // A file that is too small would be taken for the reserve by nobody, but would take room.
            drop(fs::remove_file(&self.path));
        }
        made
    }
}
