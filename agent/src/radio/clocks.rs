//! When a device's clock is set, and to what (P6).
//!
//! A clock is looked at once in each session, and set when it is wrong by more than ten minutes or was never set, as
//! people read the time off a cuff. Nothing is lost by one that is wrong: what it showed, and when, is an event.
//!
//! It is set only by a box that knows the time, in the home's time zone. A box whose clock nobody vouches for may have
//! been switched off overnight; it waits until a time server or the gateway has had time to say better.
//!
//! Source of the rules: what A&D and Omron cuffs were seen to need; Bluetooth SIG, Current Time Service.

use std::time::Duration;

use hempuls_protocol::codec::DateTime as Written;
use hempuls_protocol::devices::clock::{CurrentTime, WallClock};
use hempuls_protocol::times::{DeviceTime, Taken, Trust};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// What the clocks of the home should show.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct HomeTime {
    /// The local wall clock.
    pub local: DateTime,
    /// Whether a device may be set by it.
    pub is_known: bool,
}

/// A clock that is off by less is left alone.
const OFF: SignedDuration = SignedDuration::from_mins(10);
/// After so long since boot somebody has said better what time it is, if anybody can.
const SETTLED: Duration = Duration::from_secs(10 * 60);

impl HomeTime {
    /// The home's time at a moment of the agent's, as far as the agent knows.
    #[must_use]
    pub fn at(now: &Taken, zone: &TimeZone) -> Option<Self> {
        let moment = Timestamp::from_millisecond(now.wall_ms?).ok()?;
        let is_settled = Duration::from_millis(now.since_boot_ms) >= SETTLED;
        let is_known = match now.trust {
            Trust::Synchronised => true,
            Trust::Estimated => is_settled,
            Trust::Unknown => false,
        };
        Some(Self { local: zone.to_datetime(moment), is_known })
    }

    /// By how many seconds a device's clock is ahead of it.
    #[must_use]
    pub fn ahead_s(&self, shown: DateTime) -> i64 {
        shown.duration_since(self.local).as_secs()
    }

    /// Whether a device that shows this must be set. One that shows nothing has never been set.
    #[must_use]
    pub fn is_wrong(&self, shown: Option<DateTime>) -> bool {
        shown.is_none_or(|shown| !DeviceTime(shown).is_set() || shown.duration_since(self.local).abs() > OFF)
    }
}

/// The zone that clocks are set to: the home's, else the machine's. A machine that is left at UTC has not been told
/// where it is, and sets nobody's clock.
#[must_use]
pub fn zone(home: Option<&TimeZone>) -> Option<TimeZone> {
    let machines = || TimeZone::try_system().ok().filter(|zone| !is_utc(zone));
    home.cloned().or_else(machines)
}

fn is_utc(zone: &TimeZone) -> bool {
    zone.iana_name().is_none_or(|name| matches!(name, "UTC" | "Etc/UTC" | "Etc/Unknown"))
}

/// How a device keeps its time.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Form {
    /// Current Time, 0x2A2B.
    CurrentTime,
    /// Date Time, 0x2A08.
    DateTime,
}

impl Form {
    /// What a payload shows; none for a time that is incomplete or does not exist.
    #[must_use]
    pub fn read(self, payload: &[u8]) -> Option<DateTime> {
        let shown = match self {
            Self::CurrentTime => CurrentTime::decode(payload).map(|clock| clock.time),
            Self::DateTime => WallClock::decode(payload).map(|clock| clock.time),
        };
        shown.ok().and_then(Written::civil)
    }

    /// The payload that sets a clock to this time; none for a time before the calendar.
    #[must_use]
    pub fn write(self, time: DateTime) -> Option<Vec<u8>> {
        match self {
            Self::CurrentTime => CurrentTime::at(time).map(|clock| clock.encode()).ok(),
            Self::DateTime => {
                let time = time.try_into().ok()?;
                Some(WallClock { time, trailing: Vec::new() }.encode())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hempuls_protocol::times::BootId;
    use jiff::civil::date;

    #[test]
    fn a_clock_is_set_when_it_is_off_by_more_than_ten_minutes_or_was_never_set() {
        let noon = date(2026, 11, 24).at(12, 0, 0, 0);
        let home = HomeTime { local: noon, is_known: true };
        for (shown, is_wrong) in [
            (Some(noon), false),
            (Some(date(2026, 11, 24).at(12, 10, 0, 0)), false),
            (Some(date(2026, 11, 24).at(12, 10, 1, 0)), true),
            (Some(date(2026, 11, 24).at(11, 49, 59, 0)), true),
            (Some(date(2026, 11, 24).at(11, 0, 0, 0)), true),
            (Some(date(2010, 1, 1).at(12, 0, 0, 0)), true),
            (None, true),
        ] {
            assert_eq!(home.is_wrong(shown), is_wrong, "{shown:?}");
        }
        assert_eq!(home.ahead_s(date(2026, 11, 24).at(11, 0, 0, 0)), -3_600);
    }

    #[test]
    fn the_home_is_in_a_time_zone_and_has_summer() {
        let stockholm = TimeZone::get("Europe/Stockholm").unwrap();
        let local = |utc: &str| {
            let wall_ms = utc.parse::<Timestamp>().unwrap().as_millisecond();
            HomeTime::at(&taken(wall_ms, 0, Trust::Synchronised), &stockholm).unwrap().local.to_string()
        };
        assert_eq!(local("2026-11-24T11:00:00Z"), "2026-11-24T12:00:00");
        assert_eq!(local("2026-07-01T10:00:00Z"), "2026-07-01T12:00:00");
        // The night in which an hour comes twice: a device that went on is set back.
        assert_eq!(local("2026-10-25T00:30:00Z"), "2026-10-25T02:30:00");
        assert_eq!(local("2026-10-25T01:30:00Z"), "2026-10-25T02:30:00");
    }

    #[test]
    fn nobody_is_set_by_a_box_that_does_not_know_the_time() {
        let wall_ms = "2026-11-24T11:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        let is_known = |minutes: u64, trust| {
            HomeTime::at(&taken(wall_ms, minutes, trust), &TimeZone::UTC).is_some_and(|time| time.is_known)
        };
        assert!(is_known(0, Trust::Synchronised));
        assert!(!is_known(9, Trust::Estimated), "it may have been switched off overnight");
        assert!(is_known(10, Trust::Estimated));
        assert!(!is_known(1_000, Trust::Unknown));
    }

    #[test]
    fn a_machine_that_was_left_at_utc_does_not_know_where_it_is() {
        assert!(is_utc(&TimeZone::UTC));
        assert!(is_utc(&TimeZone::unknown()));
        let stockholm = TimeZone::get("Europe/Stockholm").unwrap();
        assert!(!is_utc(&stockholm));
        assert_eq!(zone(Some(&TimeZone::UTC)), Some(TimeZone::UTC), "a home that is told so is");
    }

    #[test]
    fn what_is_written_is_read_again_and_what_omron_sends_has_no_day_of_the_week() {
        let noon = date(2026, 11, 24).at(12, 0, 30, 0);
        for form in [Form::CurrentTime, Form::DateTime] {
            assert_eq!(form.read(&form.write(noon).unwrap()), Some(noon), "{form:?}");
            assert_eq!(form.read(&[0; 10]), None, "a clock that was never set");
            assert_eq!(form.read(&[1]), None);
        }
        assert_eq!(Form::CurrentTime.write(noon).unwrap()[7], 2, "a Tuesday");
        let omron = [0xEA, 0x07, 0x06, 0x0C, 0x14, 0x30, 0x08, 0, 0, 1];
        assert_eq!(Form::CurrentTime.read(&omron), Some(date(2026, 6, 12).at(20, 48, 8, 0)));
    }

    fn taken(wall_ms: i64, minutes_since_boot: u64, trust: Trust) -> Taken {
        Taken { boot: BootId([1; 16]), since_boot_ms: minutes_since_boot * 60_000, wall_ms: Some(wall_ms), trust }
    }
}
