//! 4 MiB of flash that nothing but an alarm may use (P4), and that a full disk has to open the buffer with.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

/// The pre-allocated file.
pub(super) struct Reserve {
    path: PathBuf,
    /// The disk is full, or the reserve is not there: what room there is, is for alarms.
    short: bool,
}

const SIZE: u64 = 4 << 20;
/// Readings are taken, and the file is made, only with as much free beside it, so that it does not fill the disk itself.
const FREE_BESIDE: u64 = SIZE;

impl Reserve {
    /// Makes the file, where there is room.
    pub(super) fn new(state: &Path) -> Self {
        let mut reserve = Self { path: state.join("reserve"), short: false };
        if !reserve.is_there() && !reserve.make() {
            reserve.run_short();
        }
        reserve
    }

    /// Whether readings must leave to the alarms what is left.
    pub(super) fn is_short(&self) -> bool {
        self.short
    }

    /// The disk is full.
    pub(super) fn run_short(&mut self) {
        if !std::mem::replace(&mut self.short, true) {
            tracing::error!("the flash is full: readings are refused, alarms are taken; free at least 8 MiB");
        }
    }

    /// Gives the reserve to the alarms. Says whether there is more room now.
    pub(super) fn release(&mut self) -> bool {
        self.run_short();
        let released = self.is_there() && fs::remove_file(&self.path).is_ok();
        if released {
            tracing::error!("the flash is full: the alarms' reserve is used");
        }
        released
    }

    /// Takes it back, once there is room.
    pub(super) fn restore(&mut self) {
        if self.short && self.free() >= FREE_BESIDE && (self.is_there() || self.make()) {
            tracing::info!("there is room on the flash again: readings are taken");
            self.short = false;
        }
    }

    fn is_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() >= SIZE)
    }

    fn free(&self) -> u64 {
        self.path.parent().and_then(|folder| statvfs(folder).ok()).map_or(0, |fs| fs.f_bavail * fs.f_frsize)
    }

    fn make(&self) -> bool {
        let made = self.free() >= SIZE + FREE_BESIDE && self.allocate().is_ok();
        if !made {
            // A file that is too small would be taken for the reserve by nobody, but would take room.
            drop(fs::remove_file(&self.path));
        }
        made
    }

    fn allocate(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, SIZE) {
            // Some file systems only give room to what is written.
            Err(Errno::OPNOTSUPP) => (0..SIZE / ZEROS.len() as u64).try_for_each(|_| file.write_all(&ZEROS)),
            allocated => Ok(allocated?),
        }
    }
}

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
