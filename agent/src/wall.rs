//! What time it is, how far that can be trusted, and when somebody has set the clock (P6).
//!
//! A box may have no battery clock: it boots in 1970, or at the hour it was switched off. What never jumps are the
//! milliseconds since boot, so a wall clock is kept here as the moment of boot that it implies: while nobody sets it,
//! that moment stays where it is. A time server's word goes before the gateway's, and the gateway's before a clock that
//! nobody vouches for.

use hempuls_protocol::event::{TimeCorrection, TimeSource};
use hempuls_protocol::times::{Taken, Trust};

/// What the system's clocks show at one moment.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// Milliseconds since boot.
    pub since_boot_ms: u64,
    /// The system's wall clock, in milliseconds since 1970.
    pub system_ms: i64,
    /// A time server keeps it.
    pub is_synchronised: bool,
}

/// The wall clock as it was at the last look.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Wall {
    latest: Option<Known>,
    /// When this machine was booted, by the gateway's clock.
    gateway_boot_ms: Option<i64>,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Known {
    boot_ms: i64,
    trust: Trust,
}

/// No clock that is right shows a time before the program was written: 2026-01-01.
const EARLIEST_POSSIBLE_MS: i64 = 1_767_225_600_000;
/// A smaller step is how clocks are kept right, not how they are set.
const STEP_MS: u64 = 2_000;
/// No word of the gateway is longer on its way: the broker forgets it before.
const LONGEST_WAY_MS: i64 = 10 * 60_000;

impl Wall {
    /// Nothing was looked at yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { latest: None, gateway_boot_ms: None }
    }

    /// The clock as this program, or one before it, has written it down in this boot.
    #[must_use]
    pub fn written(taken: &Taken) -> Self {
        let known = |wall_ms| Known { boot_ms: boot_ms(wall_ms, taken.since_boot_ms), trust: taken.trust };
        Self { latest: taken.wall_ms.map(known), gateway_boot_ms: None }
    }

    /// The wall clock, and how far it can be trusted.
    #[must_use]
    pub fn read(&self, look: &Look) -> (i64, Trust) {
        let is_possible = look.system_ms >= EARLIEST_POSSIBLE_MS;
        let by = |boot_ms: i64| boot_ms.saturating_add_unsigned(look.since_boot_ms);
        match (self.gateway_boot_ms, self.latest) {
            _ if is_possible && look.is_synchronised => (look.system_ms, Trust::Synchronised),
            (Some(boot_ms), _) => (by(boot_ms), Trust::Estimated),
            (None, _) if is_possible => (look.system_ms, Trust::Estimated),
            // Another run of the program knew better in this boot.
            (None, Some(Known { boot_ms, trust: Trust::Estimated | Trust::Synchronised })) => {
                (by(boot_ms), Trust::Estimated)
            }
            (None, Some(Known { trust: Trust::Unknown, .. }) | None) => (look.system_ms, Trust::Unknown),
        }
    }

    /// Looks at the clocks. Says what was corrected, if the wall clock is not where it went.
    pub fn look(&mut self, look: &Look) -> Option<TimeCorrection> {
        self.notice(look)
    }

    /// The gateway says what time it is. Its word may have been long on its way, but is never early: the one that was
    /// fastest counts, unless the gateway's own clock was set back.
    pub fn gateway_says(&mut self, now_ms: i64, look: &Look) -> Option<TimeCorrection> {
        let said = boot_ms(now_ms, look.since_boot_ms);
        let is_better = |known: i64| said.saturating_sub(known) > 0 || known.saturating_sub(said) > LONGEST_WAY_MS;
        if self.gateway_boot_ms.is_none_or(is_better) {
            self.gateway_boot_ms = Some(said);
        }
        self.notice(look)
    }

    fn notice(&mut self, look: &Look) -> Option<TimeCorrection> {
        let (wall_ms, trust) = self.read(look);
        let source = if wall_ms == look.system_ms { TimeSource::System } else { TimeSource::Gateway };
        let known = Known { boot_ms: boot_ms(wall_ms, look.since_boot_ms), trust };
        let before = self.latest.replace(known)?;
        (before.boot_ms.abs_diff(known.boot_ms) > STEP_MS).then(|| TimeCorrection {
            before_ms: before.boot_ms.saturating_add_unsigned(look.since_boot_ms),
            trust_before: before.trust,
            source,
        })
    }
}

fn boot_ms(wall_ms: i64, since_boot_ms: u64) -> i64 {
    wall_ms.saturating_sub_unsigned(since_boot_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hempuls_protocol::times::BootId;

    const NOON: i64 = 1_795_348_800_000; // 2026-11-22T12:00:00Z
    const MINUTE: i64 = 60_000;

    #[test]
    fn a_box_without_a_clock_is_put_right_by_a_time_server() {
        let mut wall = Wall::new();
        assert_eq!(wall.look(&unset(5_000)), None);
        assert_eq!(wall.read(&unset(5_000)), (5_000, Trust::Unknown));
        let corrected = wall.look(&synchronised(65_000, NOON)).unwrap();
        assert_eq!((corrected.before_ms, corrected.trust_before), (65_000, Trust::Unknown));
        assert_eq!(wall.look(&synchronised(125_000, NOON + MINUTE)), None, "the clock goes on");
    }

    #[test]
    fn a_box_without_a_clock_and_without_a_time_server_is_put_right_by_the_gateway() {
        let mut wall = Wall::new();
        wall.look(&unset(5_000));
        let corrected = wall.gateway_says(NOON, &unset(10_000)).unwrap();
        assert_eq!(
            corrected,
            TimeCorrection { before_ms: 10_000, trust_before: Trust::Unknown, source: TimeSource::Gateway }
        );
        assert_eq!(wall.read(&unset(70_000)), (NOON + MINUTE, Trust::Estimated));
        assert_eq!(wall.gateway_says(NOON + MINUTE, &unset(70_500)), None, "it says the same a little later");
    }

    #[test]
    fn of_what_the_gateway_says_the_fastest_word_counts() {
        let mut wall = Wall::new();
        wall.gateway_says(NOON, &unset(30_000));
        wall.gateway_says(NOON, &unset(10_000));
        wall.gateway_says(NOON, &unset(50_000));
        assert_eq!(wall.read(&unset(10_000)).0, NOON);
    }

    #[test]
    fn a_gateway_whose_own_clock_was_set_back_is_believed_again() {
        let mut wall = Wall::new();
        wall.gateway_says(NOON + 60 * MINUTE, &unset(0));
        assert!(wall.gateway_says(NOON, &unset(1_000)).is_some());
        assert_eq!(wall.read(&unset(1_000)).0, NOON);
    }

    #[test]
    fn a_time_server_goes_before_the_gateway_and_the_gateway_before_a_clock_that_nobody_keeps() {
        let mut wall = Wall::new();
        let yesterday = Look { is_synchronised: false, ..synchronised(1_000, NOON - 24 * 60 * MINUTE) };
        assert_eq!(wall.read(&yesterday), (yesterday.system_ms, Trust::Estimated));
        wall.gateway_says(NOON, &yesterday);
        assert_eq!(wall.read(&yesterday), (NOON, Trust::Estimated));
        assert_eq!(wall.read(&synchronised(1_000, NOON + 3)), (NOON + 3, Trust::Synchronised));
    }

    #[test]
    fn a_clock_that_jumps_forward_and_back_is_noticed_both_times() {
        let mut wall = Wall::new();
        wall.look(&synchronised(0, NOON));
        let forward = wall.look(&synchronised(60_000, NOON + 61 * MINUTE)).unwrap();
        assert_eq!(forward.before_ms, NOON + MINUTE);
        let back = wall.look(&synchronised(120_000, NOON + 2 * MINUTE)).unwrap();
        assert_eq!(back.before_ms, NOON + 62 * MINUTE);
    }

    #[test]
    fn a_clock_that_is_kept_right_little_by_little_is_not_corrected() {
        let mut wall = Wall::new();
        for minute in 0..600 {
            let drifted = NOON + minute * (MINUTE + 900);
            assert_eq!(wall.look(&synchronised(minute.unsigned_abs() * 60_000, drifted)), None);
        }
    }

    #[test]
    fn a_clock_that_was_set_while_the_program_did_not_run_is_noticed_by_what_is_on_flash() {
        let taken = Taken { boot: BootId([1; 16]), since_boot_ms: 9_000, wall_ms: Some(9_000), trust: Trust::Unknown };
        let mut wall = Wall::written(&taken);
        let corrected = wall.look(&synchronised(60_000, NOON)).unwrap();
        assert_eq!((corrected.before_ms, corrected.trust_before), (60_000, Trust::Unknown));
    }

    #[test]
    fn a_program_that_starts_again_in_the_same_boot_still_knows_what_the_gateway_said() {
        let corrected =
            Taken { boot: BootId([1; 16]), since_boot_ms: 9_000, wall_ms: Some(NOON), trust: Trust::Estimated };
        let mut wall = Wall::written(&corrected);
        assert_eq!(wall.look(&unset(69_000)), None);
        assert_eq!(wall.read(&unset(69_000)), (NOON + MINUTE, Trust::Estimated));
    }

    fn unset(since_boot_ms: u64) -> Look {
        Look { since_boot_ms, system_ms: i64::try_from(since_boot_ms).unwrap(), is_synchronised: false }
    }

    fn synchronised(since_boot_ms: u64, system_ms: i64) -> Look {
        Look { since_boot_ms, system_ms, is_synchronised: true }
    }
}
