//! When something was measured, and by whose clock (P6).
//!
//! Three clocks are kept apart: the device's, the agent's and ours. A device that shows the right time is believed. One
//! that does not, and was looked at in the same connection, is put right by what it showed then: what passed on its own
//! clock between the measurement and the look has passed. A device without a clock was used when its newest record
//! came; of older ones that came with it nobody knows. Nothing that was written down is changed by any of this, so that
//! a date can be worked out anew when more is known, and taken back.
//!
//! Sources: bluetooth-health-services, "Time handling per reading"; HL7 Personal Health Device Implementation Guide,
//! "Coincident Timestamp".

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use hempuls_protocol::times::{DeviceTime, Taken, Trust};

use crate::store::records::{Clock, Measured};

/// A device's clock further ahead of ours than this is not believed.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1000;
/// A clock that is wrong by less is right.
const RIGHT_MS: i64 = 60 * 1000;
/// No device in use has kept a record for longer.
const OLDEST_MS: i64 = 2 * 366 * 24 * 60 * 60 * 1000;
/// Records of one connection that follow each other faster come from the device's memory: nobody measures so fast.
pub const BATCH_MS: u64 = 10_000;

/// When an agent's machine was booted, in milliseconds since 1970, as far as anybody knows.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Boot {
    /// By the agent's own clock, after it was set.
    pub by_agent_ms: Option<i64>,
    /// By ours: the earliest that fits what the agent's messages said of their age.
    pub by_us_ms: Option<i64>,
}

/// What a device's clock showed at a moment that is known.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// What it showed.
    pub shown: DateTime,
    /// When.
    pub at_ms: i64,
    /// It was set right after that.
    pub was_set: bool,
}

/// All that a date depends on.
#[derive(Copy, Clone, Debug)]
pub struct Facts<'a> {
    /// What the device says about when it measured.
    pub shown: Option<DateTime>,
    /// The zone of that: the home's, or UTC.
    pub zone: &'a TimeZone,
    /// What its clock showed in the same connection.
    pub look: Option<Look>,
    /// The agent's clocks when it took the record.
    pub taken: Taken,
    /// What is known of that boot.
    pub boot: Boot,
    /// When it came to us.
    pub received_ms: i64,
    /// A newer record came right after it in the same connection.
    pub came_before_a_newer: bool,
}

/// When it was measured.
#[must_use]
pub fn date(facts: &Facts<'_>) -> Option<Measured> {
    by_corrected_device(facts).or_else(|| by_device(facts)).or_else(|| by_reception(facts))
}

/// When an agent took something: by its clock where a time server keeps it, else by what is known of its boot.
#[must_use]
pub fn taken_ms(taken: &Taken, boot: Boot) -> Option<i64> {
    let after_boot = |boot_ms: i64| boot_ms.saturating_add_unsigned(taken.since_boot_ms);
    match taken.trust {
        Trust::Synchronised => taken.wall_ms,
        Trust::Estimated | Trust::Unknown => {
            boot.by_agent_ms.or(boot.by_us_ms).map(after_boot).or_else(|| taken.trusted_wall_ms())
        }
    }
}

/// What passed on the device's own clock until it was looked at has passed.
fn by_corrected_device(facts: &Facts<'_>) -> Option<Measured> {
    let (look, shown) = (facts.look?, facts.shown?);
    if instants(shown, facts.zone).any(|at_ms| is_as_it_is(at_ms, &look, facts)) {
        return None;
    }
    let passed = shown.duration_until(look.shown).as_millis();
    let at_ms = look.at_ms.checked_sub(i64::try_from(passed).ok()?)?;
    let is_possible = at_ms <= facts.received_ms + RIGHT_MS && at_ms >= facts.received_ms - OLDEST_MS;
    is_possible.then_some(Measured { at_ms, by: Clock::DeviceCorrected, is_ambiguous: false })
}

/// Whether the device's clock was right when it showed this: as right as when it was looked at, or set just then.
fn is_as_it_is(at_ms: i64, look: &Look, facts: &Facts<'_>) -> bool {
    let is_right = instants(look.shown, facts.zone).any(|shown_ms| shown_ms.abs_diff(look.at_ms) <= RIGHT_MS as u64);
    let after_set = look.was_set && (look.at_ms - RIGHT_MS..=facts.received_ms + RIGHT_MS).contains(&at_ms);
    is_right || after_set
}

/// The device's own time, where its clock was set and is not far ahead of ours. In the hour that comes twice in autumn
/// it is the later one, unless that is still to come; it is marked, and so is a time that spring leaves out.
fn by_device(facts: &Facts<'_>) -> Option<Measured> {
    let shown = facts.shown.map(DeviceTime).filter(|time| time.is_set())?;
    let times: Vec<i64> = instants(shown.0, facts.zone).collect();
    let came = taken_ms(&facts.taken, facts.boot).unwrap_or(facts.received_ms);
    let at_ms = times.iter().rev().find(|at_ms| **at_ms <= came + RIGHT_MS).or(times.first()).copied()?;
    let is_believed = at_ms <= facts.received_ms + AHEAD_MS;
    is_believed.then_some(Measured { at_ms, by: Clock::Device, is_ambiguous: times.len() > 1 })
}

fn by_reception(facts: &Facts<'_>) -> Option<Measured> {
    if facts.came_before_a_newer {
        return None;
    }
    let at_ms = taken_ms(&facts.taken, facts.boot)?;
    Some(Measured { at_ms, by: Clock::Reception, is_ambiguous: false })
}

/// The moments at which a clock on the wall shows this, the earlier first: two where it is set back, and two guesses
/// where it is set forward past it.
fn instants(shown: DateTime, zone: &TimeZone) -> impl Iterator<Item = i64> {
    let ambiguous = zone.to_ambiguous_timestamp(shown);
    let (earlier, later) = (ambiguous.earlier().ok(), ambiguous.later().ok());
    let both = [earlier, later.filter(|_| ambiguous.is_ambiguous())];
    both.into_iter().flatten().map(|timestamp| timestamp.as_millisecond())
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::times::BootId;

    use super::*;

    const RECEIVED: i64 = 1_800_000_000_000; // 2027-01-15T08:00:00Z
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    #[test]
    fn a_device_with_a_right_clock_is_believed_in_its_own_zone() {
        let measured = Case::shows("2027-01-15T08:30:00").date().unwrap();
        assert_eq!(measured, Measured { at_ms: RECEIVED - 30 * MINUTE, by: Clock::Device, is_ambiguous: false });
    }

    #[test]
    fn a_clock_that_was_never_set_or_is_a_day_ahead_is_not_believed() {
        let by = |shown| Case::shows(shown).date().map(|measured| measured.by);
        assert_eq!(by("2014-12-31T23:59:59"), Some(Clock::Reception));
        assert_eq!(by("2015-01-01T00:00:00"), Some(Clock::Device));
        assert_eq!(by("2027-01-16T09:00:00"), Some(Clock::Device));
        assert_eq!(by("2027-01-16T09:00:01"), Some(Clock::Reception));
    }

    #[test]
    fn a_clock_that_is_wrong_is_put_right_by_a_look_at_it() {
        // It is nine in the morning here; the cuff says six, and that it measured at half past five.
        let mut case = Case::shows("2027-01-15T05:30:00");
        case.look("2027-01-15T06:00:00", RECEIVED);
        let measured = Measured { at_ms: RECEIVED - 30 * MINUTE, by: Clock::DeviceCorrected, is_ambiguous: false };
        assert_eq!(case.date(), Some(measured));
    }

    #[test]
    fn a_clock_that_was_reset_by_a_new_battery_still_tells_how_long_ago_it_was() {
        let mut case = Case::shows("2000-01-01T00:10:00");
        case.look("2000-01-03T00:10:00", RECEIVED);
        assert_eq!(case.date().map(|measured| measured.at_ms), Some(RECEIVED - 48 * HOUR));
    }

    #[test]
    fn a_look_at_a_right_clock_changes_nothing() {
        let mut case = Case::shows("2027-01-14T08:30:00");
        case.look("2027-01-15T09:00:40", RECEIVED);
        assert_eq!(case.date().map(|measured| measured.by), Some(Clock::Device));
    }

    #[test]
    fn what_is_measured_after_a_clock_was_set_is_believed_as_it_is() {
        let mut before = Case::shows("2027-01-15T11:30:00");
        before.look("2027-01-15T12:00:00", RECEIVED);
        before.look.as_mut().unwrap().was_set = true;
        assert_eq!(before.date().map(|measured| measured.at_ms), Some(RECEIVED - 30 * MINUTE), "three hours ahead");
        let mut after = Case { shown: Some("2027-01-15T09:00:30".parse().unwrap()), ..before };
        after.taken.since_boot_ms += 30_000;
        assert_eq!(
            after.date().map(|measured| (measured.at_ms, measured.by)),
            Some((RECEIVED + 30_000, Clock::Device))
        );
    }

    #[test]
    fn a_clock_that_knows_no_summer_time_dates_the_summer_right_when_it_is_looked_at_in_winter() {
        // The cuff was never set back in October: in November it is an hour ahead.
        let november = 1_795_341_600_000; // 2026-11-22T10:00:00Z, eleven in Stockholm
        let mut case = Case::shows("2026-10-24T12:00:00");
        case.received_ms = november;
        case.look("2026-11-22T12:00:00", november);
        // Ten in the morning UTC, which was noon in Stockholm's summer time.
        assert_eq!(case.date().map(|measured| measured.at_ms), Some(november - 29 * 24 * HOUR));
    }

    #[test]
    fn the_hour_that_comes_twice_is_marked_and_is_the_later_one_unless_that_is_still_to_come() {
        let second = 1_792_891_800_000; // 2026-10-25T01:30:00Z, half past two for the second time
        let at = |received_ms| {
            let mut case = Case::shows("2026-10-25T02:30:00");
            (case.received_ms, case.taken.wall_ms) = (received_ms, Some(received_ms));
            case.date().unwrap()
        };
        let (later, earlier) = (at(second + MINUTE), at(second - 30 * MINUTE));
        assert_eq!((later.at_ms, later.is_ambiguous), (second, true));
        assert_eq!((earlier.at_ms, earlier.is_ambiguous), (second - HOUR, true));
    }

    #[test]
    fn an_hour_that_spring_leaves_out_is_marked() {
        let mut case = Case::shows("2027-03-28T02:30:00");
        case.received_ms = 1_806_200_000_000;
        case.taken.wall_ms = Some(case.received_ms);
        assert!(case.date().unwrap().is_ambiguous);
    }

    #[test]
    fn without_a_device_clock_only_the_newest_of_what_came_together_has_a_time() {
        let mut case = Case::clockless();
        assert_eq!(case.date().map(|measured| (measured.at_ms, measured.by)), Some((RECEIVED, Clock::Reception)));
        case.came_before_a_newer = true;
        assert_eq!(case.date(), None);
    }

    #[test]
    fn a_box_whose_clock_was_never_set_is_dated_by_its_boot() {
        let mut case = Case::clockless();
        case.taken = Taken { wall_ms: Some(3), trust: Trust::Unknown, ..case.taken };
        assert_eq!(case.date(), None, "nothing is known of that boot");
        case.boot.by_us_ms = Some(RECEIVED - 60_000);
        assert_eq!(case.date().map(|measured| measured.at_ms), Some(RECEIVED - 55_000));
        case.boot.by_agent_ms = Some(RECEIVED - 61_000);
        assert_eq!(case.date().map(|measured| measured.at_ms), Some(RECEIVED - 56_000), "its own clock was set since");
    }

    #[test]
    fn a_clock_that_nobody_keeps_counts_only_where_nothing_better_is_known() {
        let mut case = Case::clockless();
        case.taken = Taken { wall_ms: Some(RECEIVED - 7), trust: Trust::Estimated, ..case.taken };
        assert_eq!(case.date().map(|measured| measured.at_ms), Some(RECEIVED - 7));
        case.boot.by_us_ms = Some(RECEIVED - 60_000);
        assert_eq!(case.date().map(|measured| measured.at_ms), Some(RECEIVED - 55_000));
    }

    /// A record that was taken five seconds after boot and came at once.
    #[derive(Clone)]
    struct Case {
        shown: Option<DateTime>,
        look: Option<Look>,
        taken: Taken,
        boot: Boot,
        received_ms: i64,
        came_before_a_newer: bool,
    }

    impl Case {
        fn clockless() -> Self {
            let taken = Taken {
                boot: BootId([1; 16]),
                since_boot_ms: 5_000,
                wall_ms: Some(RECEIVED),
                trust: Trust::Synchronised,
            };
            let boot = Boot::default();
            Self { shown: None, look: None, taken, boot, received_ms: RECEIVED, came_before_a_newer: false }
        }

        fn shows(shown: &str) -> Self {
            Self { shown: Some(shown.parse().unwrap()), ..Self::clockless() }
        }

        fn look(&mut self, shown: &str, at_ms: i64) {
            self.look = Some(Look { shown: shown.parse().unwrap(), at_ms, was_set: false });
        }

        fn date(&self) -> Option<Measured> {
            let Self { shown, look, taken, boot, received_ms, came_before_a_newer } = self.clone();
            let zone = &TimeZone::get("Europe/Stockholm").unwrap();
            date(&Facts { shown, zone, look, taken, boot, received_ms, came_before_a_newer })
        }
    }
}
