//! Times as people say them, in the care team's own time zone.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use maud::{Markup, html};

use crate::wording::Lang;

/// The moment a page is made for: by whose clock and in which language it speaks of times.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// When the page's data was read.
    pub(crate) now: Timestamp,
    /// Where the readers are.
    pub(crate) zone: TimeZone,
    /// The readers' language.
    pub(crate) lang: Lang,
    /// Readings are refused at this moment: every page says so.
    pub(crate) refuses_readings: bool,
}

impl Moment {
    /// The time of the page's data, to the second: `03:12:45`.
    pub(crate) fn clock(&self) -> String {
        self.now.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    /// A time of day, with the day where it is not today: `03:12`, `i går 23:40`, `3 november 08:15`.
    pub(crate) fn day_and_time(&self, at: Timestamp) -> String {
        self.said(at, "%H:%M")
    }

    /// As [`Self::day_and_time`], to the second.
    pub(crate) fn to_the_second(&self, at: Timestamp) -> String {
        self.said(at, "%H:%M:%S")
    }

    /// The hour that comes twice in autumn says which of the two is meant.
    fn said(&self, at: Timestamp, form: &str) -> String {
        let local = at.to_zoned(self.zone.clone());
        let time = local.strftime(form);
        let twice = match self.zone.to_ambiguous_timestamp(local.datetime()).offset() {
            AmbiguousOffset::Fold { before, .. } if before == local.offset() => {
                self.lang.pick(" (sommartid)", " (summer time)")
            }
            AmbiguousOffset::Fold { .. } => self.lang.pick(" (normaltid)", " (standard time)"),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => "",
        };
        match self.day(local.date()) {
            Some(day) => format!("{day} {time}{twice}"),
            None => format!("{time}{twice}"),
        }
    }

    /// How long ago: `12 s`, `3 min`, `2 tim 5 min`, `3 dygn`.
    pub(crate) fn age(&self, at: Timestamp) -> String {
        let passed = Duration::try_from(self.now.duration_since(at)).unwrap_or_default();
        self.length(passed)
    }

    /// A length of time in the largest units that matter.
    pub(crate) fn length(&self, length: Duration) -> String {
        let seconds = length.as_secs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        let hour = self.lang.pick("tim", "h");
        match (days, hours, minutes) {
            (0, 0, 0) => format!("{seconds} s"),
            (0, 0, _) => format!("{minutes} min"),
            (0, _, _) if minutes % 60 == 0 || hours >= 12 => format!("{hours} {hour}"),
            (0, _, _) => format!("{hours} {hour} {} min", minutes % 60),
            (1, _, _) => self.lang.pick("1 dygn", "1 day").to_owned(),
            (_, _, _) => format!("{days} {}", self.lang.pick("dygn", "days")),
        }
    }

    /// How long ago, as part of a sentence: `för 3 min sedan`.
    pub(crate) fn ago(&self, at: Timestamp) -> String {
        match self.lang {
            Lang::Sv => format!("för {} sedan", self.age(at)),
            Lang::En => format!("{} ago", self.age(at)),
        }
    }

    /// The time for people and for machines: `<time datetime="…">i går 23:40</time>`.
    pub(crate) fn time(&self, at: Timestamp) -> Markup {
        html! { time datetime=(at) { (self.day_and_time(at)) } }
    }

    /// As [`Moment::time`], of milliseconds since 1970.
    pub(crate) fn time_of_ms(&self, at_ms: i64) -> Markup {
        html! { @if let Ok(at) = Timestamp::from_millisecond(at_ms) { (self.time(at)) } }
    }

    /// The time with its age: `02:14, för 3 min sedan`.
    pub(crate) fn time_and_age(&self, at: Timestamp) -> Markup {
        html! { (self.time(at)) ", " span.age { (self.ago(at)) } }
    }

    /// A day on a scale: `22 nov`.
    pub(crate) fn short_day(&self, day: Date) -> String {
        let month = self.month(day);
        format!("{} {}", day.day(), month.get(..3).unwrap_or(month))
    }

    fn month(&self, day: Date) -> &'static str {
        self.lang.pick(MONTHS_SV, MONTHS_EN)[usize::from(day.month().unsigned_abs()) - 1]
    }

    /// The name of a day, or nothing for today.
    fn day(&self, day: Date) -> Option<String> {
        let today = self.now.to_zoned(self.zone.clone()).date();
        if day == today {
            return None;
        }
        if day.tomorrow().is_ok_and(|next| next == today) {
            return Some(self.lang.pick("i går", "yesterday").to_owned());
        }
        let month = self.month(day);
        let year = if day.year() == today.year() { String::new() } else { format!(" {}", day.year()) };
        Some(format!("{} {month}{year}", day.day()))
    }
}

const MONTHS_SV: [&str; 12] = [
    "januari",
    "februari",
    "mars",
    "april",
    "maj",
    "juni",
    "juli",
    "augusti",
    "september",
    "oktober",
    "november",
    "december",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_nurse_reads_times_as_she_says_them() {
        let page = at("2026-11-22T02:17:30Z", Lang::Sv);
        assert_eq!(page.clock(), "03:17:30");
        assert_eq!(page.day_and_time(time("2026-11-22T02:14:10Z")), "03:14");
        assert_eq!(page.to_the_second(time("2026-11-22T02:14:10Z")), "03:14:10");
        assert_eq!(page.day_and_time(time("2026-11-21T22:40:00Z")), "i går 23:40");
        assert_eq!(page.day_and_time(time("2026-11-03T07:15:00Z")), "3 november 08:15");
        assert_eq!(page.day_and_time(time("2025-12-31T07:15:00Z")), "31 december 2025 08:15");
        assert_eq!(page.ago(time("2026-11-22T02:14:10Z")), "för 3 min sedan");
    }

    #[test]
    fn ages_are_told_in_the_units_that_matter() {
        let page = at("2026-11-22T12:00:00Z", Lang::En);
        let told = [
            ("2026-11-22T11:59:48Z", "12 s"),
            ("2026-11-22T11:55:00Z", "5 min"),
            ("2026-11-22T10:00:00Z", "2 h"),
            ("2026-11-22T09:35:00Z", "2 h 25 min"),
            ("2026-11-21T21:35:00Z", "14 h"),
            ("2026-11-21T11:00:00Z", "1 day"),
            ("2026-11-01T11:00:00Z", "21 days"),
            ("2026-11-22T12:00:05Z", "0 s"),
        ];
        for (then, age) in told {
            assert_eq!(page.age(time(then)), age, "{then}");
        }
    }

    #[test]
    fn the_hour_that_comes_twice_says_which_one_is_meant() {
        let page = at("2026-10-25T12:00:00Z", Lang::Sv);
        assert_eq!(page.to_the_second(time("2026-10-25T00:30:00Z")), "02:30:00 (sommartid)");
        assert_eq!(page.day_and_time(time("2026-10-25T00:30:00Z")), "02:30 (sommartid)");
        assert_eq!(page.day_and_time(time("2026-10-25T01:30:00Z")), "02:30 (normaltid)");
        assert_eq!(page.day_and_time(time("2026-10-25T02:30:00Z")), "03:30");
    }

    fn at(now: &str, lang: Lang) -> Moment {
        Moment {
            now: time(now),
            zone: TimeZone::get("Europe/Stockholm").expect("the zone is known"),
            lang,
            refuses_readings: false,
        }
    }

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }
}
