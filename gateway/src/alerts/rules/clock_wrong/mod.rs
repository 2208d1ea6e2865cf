//! A clock that is wrong: a box that does not know the time, or knows another than ours, and a cuff whose clock cannot be set.
//!
//! A box that has just started may not know the time yet, and then nobody knows; one that is synchronised and hours off is
//! worse than one that says it does not know. A cuff's clock is found by its box, which tries to set it first; it is well
//! again when its box sees it show the right time.
//!
//! Source: design, P6; clinical-rules §8 (TX-1).

pub mod wording;

use std::time::Duration;

use hempuls_protocol::times::Trust;
use hempuls_protocol::wire::heartbeat::{DeviceState, Heartbeat};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::config::duration;

/// The name of the cases.
pub const NAME: &str = "clock_wrong";

/// Raised by one whenever the rule judges otherwise than before.
pub const VERSION: u32 = 1;

/// A device's clock that is wrong by less is right.
const RIGHT_S: u64 = 60;

/// The rule's settings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// So long after its start a box may not know the time.
    #[serde(deserialize_with = "duration::read")]
    pub unknown_for: Duration,
    /// A box's clock is wrong when it is further than this from ours.
    #[serde(deserialize_with = "duration::read")]
    pub off_by: Duration,
}

impl Default for Config {
    /// A heartbeat may be ten minutes old before it expires on its way: less cannot be told from a slow line.
    fn default() -> Self {
        Self { unknown_for: Duration::from_secs(30 * 60), off_by: Duration::from_secs(15 * 60) }
    }
}

/// How a box's clock is wrong.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "clock", rename_all = "snake_case")]
pub enum Wrong {
    /// It does not know the time.
    Unknown {
        /// The rule's version.
        version: u32,
        /// For how long it may not, in minutes.
        minutes: i64,
    },
    /// It shows another time than ours.
    Off {
        /// The rule's version.
        version: u32,
        /// By how many minutes it is ahead.
        minutes: i64,
    },
}

/// What a heartbeat says of its box's clock.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Says {
    /// It is right.
    Right,
    /// Nobody knows: the box has just started, or its clock is neither right nor far off.
    Unsure,
    /// It is wrong.
    Wrong(Wrong),
}

/// Judges a box's clock by what it said at a moment of ours.
#[must_use]
pub fn judge(beat: &Heartbeat, at_ms: i64, config: &Config) -> Says {
    let version = VERSION;
    let unknown_for_ms = clock::millis(config.unknown_for);
    let since_boot_ms = i64::try_from(beat.clock.since_boot_ms).unwrap_or(i64::MAX);
    match (beat.clock.trust, beat.clock.wall_ms) {
        (Trust::Unknown, _) | (Trust::Estimated | Trust::Synchronised, None) if since_boot_ms < unknown_for_ms => {
            Says::Unsure
        }
        (Trust::Unknown, _) | (Trust::Estimated | Trust::Synchronised, None) => {
            Says::Wrong(Wrong::Unknown { version, minutes: unknown_for_ms / 60_000 })
        }
        (Trust::Estimated | Trust::Synchronised, Some(wall_ms)) => {
            let (ahead_ms, most_ms) = (wall_ms.saturating_sub(at_ms), clock::millis(config.off_by));
            match ahead_ms.saturating_abs() {
                off if off > most_ms => Says::Wrong(Wrong::Off { version, minutes: ahead_ms / 60_000 }),
                off if off <= most_ms / 2 => Says::Right,
                _ => Says::Unsure,
            }
        }
    }
}

/// Whether a box has seen a device show the right time.
#[must_use]
pub fn is_right(state: &DeviceState) -> bool {
    state.clock_ahead_s.is_some_and(|ahead_s| ahead_s.unsigned_abs() <= RIGHT_S)
}

impl Wrong {
    /// The version of the rule that found it.
    #[must_use]
    pub fn version(&self) -> u32 {
        match self {
            Self::Unknown { version, .. } | Self::Off { version, .. } => *version,
        }
    }

    /// Whether both are one trouble, whatever the numbers.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown { .. }, Self::Unknown { .. }) | (Self::Off { .. }, Self::Off { .. }) => true,
            (Self::Unknown { .. } | Self::Off { .. }, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::times::{BootId, Taken};

    use super::*;

    const NOON: i64 = 1_800_014_400_000;
    const MINUTE: i64 = 60_000;

    #[test]
    fn a_box_that_starts_in_1970_is_not_accused_and_one_that_never_learns_the_time_is() {
        let unknown = |minutes| says(Trust::Unknown, None, minutes);
        assert_eq!([unknown(0), unknown(29)], [Says::Unsure; 2]);
        assert_eq!(unknown(30), Says::Wrong(Wrong::Unknown { version: VERSION, minutes: 30 }));
        assert_eq!(says(Trust::Unknown, Some(0), 31), unknown(31));
    }

    #[test]
    fn a_box_that_is_sure_of_a_wrong_time_is_told_of_with_the_minutes_and_a_slow_line_is_no_wrong_clock() {
        let off = |minutes| says(Trust::Synchronised, Some(NOON + minutes * MINUTE), 90);
        assert_eq!([off(0), off(-7), off(7)], [Says::Right; 3]);
        assert_eq!([off(-10), off(15)], [Says::Unsure; 2]);
        assert_eq!(off(-16), Says::Wrong(Wrong::Off { version: VERSION, minutes: -16 }));
        assert_eq!(off(120), Says::Wrong(Wrong::Off { version: VERSION, minutes: 120 }));
    }

    fn says(trust: Trust, wall_ms: Option<i64>, minutes_up: u64) -> Says {
        let clock = Taken { boot: BootId([1; 16]), since_boot_ms: minutes_up * 60_000, wall_ms, trust };
        judge(&Heartbeat::bare(clock, Vec::new(), "test"), NOON, &Config::default())
    }
}
