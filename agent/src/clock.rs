//! The agent's clocks. Nothing else in the agent reads one (P6).

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hempuls_protocol::event::{Kind, TimeCorrection};
use hempuls_protocol::ids::Lane;
use hempuls_protocol::times::{BootId, Taken};
use tokio::time::interval;

use crate::buffer::{Buffer, Place};
use crate::stop::Stop;
use crate::wall::{Look, Wall};

/// A moment for cores and timers; it never jumps.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// A moment by all the clocks there are, to be written down.
#[must_use]
pub fn taken() -> Taken {
    let look = look();
    let (wall_ms, trust) = wall().read(&look);
    Taken { boot: boot(), since_boot_ms: look.since_boot_ms, wall_ms: Some(wall_ms), trust }
}

/// The system's wall clock, in milliseconds since 1970, whoever set it.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn unix_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

/// How often the wall clock is looked at. Whoever writes a moment down looks for himself.
const LOOK: Duration = Duration::from_secs(60);

/// Takes down when the wall clock is set, until the program stops.
pub async fn watch(buffer: Buffer, mut stop: Stop) {
    if let Some(taken) = latest_of_this_boot(&buffer) {
        *wall() = Wall::written(&taken);
    }
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.asked() => return,
        }
        let correction = wall().look(&look());
        take_down(correction, &buffer).await;
    }
}

/// The gateway says what time it is, in milliseconds since 1970.
pub async fn gateway_says(now_ms: i64, buffer: &Buffer) {
    let correction = wall().gateway_says(now_ms, &look());
    take_down(correction, buffer).await;
}

async fn take_down(correction: Option<TimeCorrection>, buffer: &Buffer) {
    if let Some(correction) = correction {
        tracing::warn!(source = ?correction.source, before = ?correction.trust_before, "the wall clock was set");
        // What could not be taken is counted and logged by the buffer.
        let _ = buffer.take(Kind::TimeCorrection(correction)).await;
    }
}

/// When the newest event of this boot was taken.
fn latest_of_this_boot(buffer: &Buffer) -> Option<Taken> {
    let held = buffer.state().flash?;
    let newest = |lane| buffer.taken_at(Place { epoch: held.epoch, lane, first: held.lane(lane).last });
    let of_this_boot = Lane::ALL.into_iter().filter_map(newest).filter(|taken| taken.boot == boot());
    of_this_boot.max_by_key(|taken| taken.since_boot_ms)
}

static WALL: Mutex<Wall> = Mutex::new(Wall::new());

fn wall() -> MutexGuard<'static, Wall> {
    WALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Present while a time server has set the clock since boot (systemd-timesyncd, and others for compatibility).
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

fn look() -> Look {
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Look {
        since_boot_ms: u64::try_from(since_boot.tv_sec).unwrap_or(0) * 1_000
            + u64::try_from(since_boot.tv_nsec).unwrap_or(0) / 1_000_000,
        system_ms: unix_ms(),
        is_synchronised: std::path::Path::new(SYNCHRONISED).exists(),
    }
}

/// The kernel's name for this boot; where it has none, random bits, so that no two runs are taken for one boot.
fn boot() -> BootId {
    static BOOT: OnceLock<BootId> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let named = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let uuid = named.ok().and_then(|text| uuid::Uuid::parse_str(text.trim()).ok());
        BootId(uuid.map_or_else(rand::random, uuid::Uuid::into_bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_moments_of_one_run_belong_to_one_boot_and_follow_each_other() {
        let (earlier, later) = (taken(), taken());
        assert_eq!(earlier.boot, later.boot);
        assert!(earlier.since_boot_ms <= later.since_boot_ms);
    }
}
