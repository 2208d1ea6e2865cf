//! The agent's clocks. Nothing else in the agent reads one (P6).

use std::sync::OnceLock;
use std::time::Instant;

use hempuls_protocol::times::{BootId, Taken, Trust};

/// A moment for cores and timers; it never jumps.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// A moment by all the clocks there are, to be written down.
#[must_use]
pub fn taken() -> Taken {
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let wall_ms = unix_ms();
    Taken { boot: boot(), since_boot_ms: milliseconds(since_boot), wall_ms: Some(wall_ms), trust: trust(wall_ms) }
}

/// The wall clock, in milliseconds since 1970.
#[must_use]
pub fn unix_ms() -> i64 {
    i64::try_from(milliseconds(rustix::time::clock_gettime(rustix::time::ClockId::Realtime))).unwrap_or(i64::MAX)
}

/// Present while a time server has set the clock since boot (systemd-timesyncd, and others for compatibility).
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

/// No clock that is right shows a time before the program was written: 2026-01-01.
const EARLIEST_POSSIBLE_MS: i64 = 1_767_225_600_000;

fn trust(wall_ms: i64) -> Trust {
    if wall_ms < EARLIEST_POSSIBLE_MS {
        Trust::Unknown
    } else if std::path::Path::new(SYNCHRONISED).exists() {
        Trust::Synchronised
    } else {
        Trust::Estimated
    }
}

fn milliseconds(time: rustix::time::Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
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
    fn a_clock_that_was_never_set_is_not_trusted() {
        assert_eq!(trust(3_600_000), Trust::Unknown);
        assert!(trust(EARLIEST_POSSIBLE_MS) > Trust::Unknown);
    }

    #[test]
    fn two_moments_of_one_run_belong_to_one_boot_and_follow_each_other() {
        let (earlier, later) = (taken(), taken());
        assert_eq!(earlier.boot, later.boot);
        assert!(earlier.since_boot_ms <= later.since_boot_ms);
    }
}
