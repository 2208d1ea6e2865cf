//! When the disk runs low: readings are refused, which their boxes keep, so that alarms, alerts, claims and the access log can
//! go on (P4). A file is kept for them beside the store and given up then; it is made again once there is room.
//!
//! It looks at the disk of the data folder. Where PostgreSQL has the store, that machine's disk must be watched there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use serde::Deserialize;

use crate::alerts::keeping::{self as told, Found};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::http::Health;
use crate::ingest::Intake;
use crate::store::{Store, StoreError};

/// How much is kept free for what must not stop.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The size of the file that is given up on a full disk, in MiB. Readings are refused while less than half as much is free
    /// beside it.
    pub reserve_mib: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { reserve_mib: 64 }
    }
}

impl Config {
    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if !(4..=1 << 20).contains(&self.reserve_mib) {
            return Err(
                "disk.reserve_mib must be from 4 to 1048576: what alarms go on with when the disk is full".to_owned()
            );
        }
        Ok(())
    }
}

/// What is to be done about the disk.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Refuse readings.
    Refuse,
    /// Give the reserve up.
    Release,
    /// Make the reserve anew.
    Reserve,
    /// Take readings again.
    Take,
}

/// Decides by what is free, in bytes, and whether the reserve is there.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Room {
    reserve: u64,
    is_short: bool,
}

impl Room {
    /// For a reserve of so many bytes.
    #[must_use]
    pub fn new(reserve: u64) -> Self {
        Self { reserve, is_short: false }
    }

    /// Whether readings are refused.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.is_short
    }

    /// Readings are refused from half a reserve down, and taken again only once there are a reserve and as much again: a disk
    /// that sways about the limit is not news each second.
    pub fn look(&mut self, free: u64, has_reserve: bool) -> Vec<Effect> {
        let beside = if has_reserve { free } else { free.saturating_sub(self.reserve) };
        let mut effects = Vec::new();
        if self.is_short {
            if beside >= self.reserve {
                effects.extend((!has_reserve).then_some(Effect::Reserve));
                effects.push(Effect::Take);
                self.is_short = false;
            } else if has_reserve && free < self.reserve / 2 {
                effects.push(Effect::Release);
            }
            return effects;
        }
        if beside < self.reserve / 2 {
            self.is_short = true;
            effects.push(Effect::Refuse);
            effects.extend(has_reserve.then_some(Effect::Release));
        } else if !has_reserve {
            effects.push(Effect::Reserve);
        }
        effects
    }
}

/// How often it looks: at what ingest can write in that time, most of the limit is left.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks after the room on the disk for ever.
pub struct Keeper {
    /// The file that is given up.
    file: PathBuf,
    size: u64,
    store: Store,
    intake: Intake,
    health: Arc<Health>,
    changes: Changes,
}

impl Keeper {
    /// One for the disk of this folder.
    #[must_use]
    pub fn new(
        data: &Path,
        config: &Config,
        store: Store,
        intake: Intake,
        health: Arc<Health>,
        changes: Changes,
    ) -> Self {
        let size = config.reserve_mib << 20;
        Self { file: data.join("reserve"), size, store, intake, health, changes }
    }

    /// Looks for ever.
    pub async fn run(self) {
        let mut room = Room::new(self.size);
        // What the case says is known once it is written; until then nothing is.
        let mut said: Option<bool> = None;
        loop {
            let free = self.free();
            for effect in room.look(free, self.is_there()) {
                self.carry_out(effect, free);
            }
            if said != Some(room.is_short()) && self.tell(room.is_short(), free).await.is_ok_and(|is_told| is_told) {
                said = Some(room.is_short());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn carry_out(&self, effect: Effect, free: u64) {
        match effect {
            Effect::Refuse => {
                self.intake.refuse_readings(true);
                self.health.disk_is_short(true);
                tracing::error!(
                    free,
                    "the disk is nearly full: readings are refused, and boxes keep them; alarms are taken. Free room under the \
                     data folder"
                );
                self.changes.tell([Change::WorkList]);
            }
            Effect::Release => match fs::remove_file(&self.file) {
                Ok(()) => tracing::error!("the reserve is given up, so that alarms go on"),
                Err(error) => tracing::error!(%error, "the reserve cannot be given up"),
            },
            Effect::Reserve => {
                if let Err(error) = self.make() {
                    tracing::warn!(%error, "the reserve cannot be made; it is tried again");
                    // A file that is too small is no reserve, and takes room.
                    let _ = fs::remove_file(&self.file);
                }
            }
            Effect::Take => {
                self.intake.refuse_readings(false);
                self.health.disk_is_short(false);
                tracing::info!(free, "there is room on the disk again: readings are taken");
                self.changes.tell([Change::WorkList]);
            }
        }
    }

    /// Says whether somebody was told who should be.
    async fn tell(&self, is_short: bool, free: u64) -> Result<bool, StoreError> {
        let now_ms = clock::now_ms();
        let mut work = self.store.work().await?;
        let is_told = if is_short {
            told::raise(&mut work, Found::DiskShort { free_mib: free >> 20 }, now_ms).await?
        } else {
            told::end(&mut work, Found::DiskWell, now_ms).await.map(|_| true)?
        };
        work.commit().await?;
        self.changes.tell([Change::WorkList]);
        Ok(is_told)
    }

    fn is_there(&self) -> bool {
        fs::metadata(&self.file).is_ok_and(|file| file.len() >= self.size)
    }

    fn free(&self) -> u64 {
        let folder = self.file.parent().and_then(|folder| statvfs(folder).ok());
        folder.map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize)
    }

    fn make(&self) -> io::Result<()> {
        let mut file = File::create(&self.file)?;
        match fallocate(&file, FallocateFlags::empty(), 0, self.size) {
            // Some file systems only give room to what is written.
            Err(Errno::OPNOTSUPP) => {
                (0..self.size.div_ceil(ZEROS.len() as u64)).try_for_each(|_| file.write_all(&ZEROS))
            }
            allocated => Ok(allocated?),
        }
    }
}

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_disk_that_fills_gives_up_its_reserve_and_takes_readings_only_when_there_is_room_for_it_again() {
        let mut room = Room::new(64 * MIB);
        assert_eq!(room.look(500 * MIB, false), [Effect::Reserve]);
        assert_eq!(room.look(32 * MIB, true), []);
        assert_eq!(room.look(32 * MIB - 1, true), [Effect::Refuse, Effect::Release]);
        assert!(room.is_short());
        for free in [95 * MIB, 40 * MIB, 0, 64 * MIB, 127 * MIB] {
            assert_eq!(room.look(free, false), [], "{free}");
        }
        assert_eq!(room.look(128 * MIB, false), [Effect::Reserve, Effect::Take]);
        assert_eq!((room.look(64 * MIB, true), room.is_short()), (vec![], false));
    }

    #[test]
    fn a_gateway_that_starts_on_a_full_disk_refuses_readings_at_once() {
        let mut room = Room::new(64 * MIB);
        assert_eq!(room.look(MIB, false), [Effect::Refuse]);
        let mut with_reserve = Room::new(64 * MIB);
        assert_eq!(with_reserve.look(MIB, true), [Effect::Refuse, Effect::Release]);
    }
}
