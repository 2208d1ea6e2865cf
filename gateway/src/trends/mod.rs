//! How a person's values go: sessions, means by the home protocol, and slopes that no single value can bend. Pure.
//!
//! Source: clinical-rules §2 and §3.

pub mod slope;

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::alerts::rules::vital::Values;
use crate::plan::{Slot, local};

/// Readings within this of the first are one session.
const SESSION_MS: i64 = 15 * 60 * 1000;

/// With so many readings in a session the first is dropped: it is typically 3 to 8 mmHg higher.
const DROP_FIRST_FROM: usize = 3;

/// A mean is of so many days.
const DAYS: i32 = 7;

/// A mean needs so many sessions, and both parts of the day.
const LEAST_SESSIONS: usize = 6;

/// One earlier reading of a person: its usable values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// When it was measured.
    pub at_ms: i64,
    /// By which device.
    pub device: String,
    /// Its values.
    pub values: Values,
    /// Whether the device felt an irregular pulse.
    pub is_irregular: bool,
}

/// One session of blood pressures, in tenths of mmHg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// When it began.
    pub at_ms: i64,
    /// On which day, by the clocks of the home.
    pub day: Date,
    /// In which part of the day.
    pub slot: Option<Slot>,
    /// Mean systolic pressure.
    pub systolic: i64,
    /// Mean diastolic pressure.
    pub diastolic: i64,
    /// Whether the device felt an irregular pulse in any of its readings.
    pub is_irregular: bool,
}

/// The sessions of a history, the oldest first.
#[must_use]
pub fn sessions(history: &[Past], zone: &TimeZone) -> Vec<Session> {
    let mut readings: Vec<&Past> =
        history.iter().filter(|past| past.values.systolic.is_some() && past.values.diastolic.is_some()).collect();
    readings.sort_by_key(|past| past.at_ms);
    let mut grouped: Vec<Vec<&Past>> = Vec::new();
    for reading in readings {
        match grouped.last_mut() {
            Some(group) if reading.at_ms - group[0].at_ms <= SESSION_MS => group.push(reading),
            Some(_) | None => grouped.push(vec![reading]),
        }
    }
    grouped.iter().filter_map(|group| session(group, zone)).collect()
}

fn session(group: &[&Past], zone: &TimeZone) -> Option<Session> {
    let counted = if group.len() >= DROP_FIRST_FROM { &group[1..] } else { group };
    let values: Vec<Values> = counted.iter().map(|past| past.values).collect();
    let mean = Values::mean(&values);
    let at_ms = group.first()?.at_ms;
    Some(Session {
        at_ms,
        day: local(at_ms, zone).date(),
        slot: Slot::of(at_ms, zone),
        systolic: mean.systolic?,
        diastolic: mean.diastolic?,
        is_irregular: group.iter().any(|past| past.is_irregular),
    })
}

/// A week's mean by the home protocol, in tenths of mmHg.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Average {
    /// Of how many sessions.
    pub sessions: usize,
    /// Mean systolic and diastolic pressure.
    pub mean: (i64, i64),
    /// Their standard deviations.
    pub spread: (i64, i64),
    /// The mornings' means.
    pub morning: (i64, i64),
    /// The evenings' means.
    pub evening: (i64, i64),
}

/// The mean of the week that ends on `today`: of sessions in the morning and in the evening, without the first day of a
/// series. None, where there are too few.
#[must_use]
pub fn average(sessions: &[Session], today: Date) -> Option<Average> {
    let days: BTreeSet<Date> = sessions.iter().map(|session| session.day).collect();
    let begins = |day: Date| !days.iter().any(|other| *other < day && *other >= day.saturating_sub(DAYS.days()));
    let after = today.saturating_sub(DAYS.days());
    let counts = |session: &&Session| session.day > after && session.day <= today && !begins(session.day);
    let of = |slot| -> Vec<&Session> { sessions.iter().filter(counts).filter(|one| one.slot == Some(slot)).collect() };
    let (morning, evening) = (of(Slot::Morning), of(Slot::Evening));
    let all: Vec<&Session> = morning.iter().chain(&evening).copied().collect();
    if morning.is_empty() || evening.is_empty() || all.len() < LEAST_SESSIONS {
        return None;
    }
    Some(Average {
        sessions: all.len(),
        mean: means(&all),
        spread: (spread(&all, |one| one.systolic), spread(&all, |one| one.diastolic)),
        morning: means(&morning),
        evening: means(&evening),
    })
}

fn means(sessions: &[&Session]) -> (i64, i64) {
    (rounded(mean(sessions, |one| one.systolic)), rounded(mean(sessions, |one| one.diastolic)))
}

fn mean(sessions: &[&Session], value: fn(&Session) -> i64) -> f64 {
    sessions.iter().map(|one| value(one) as f64).sum::<f64>() / sessions.len() as f64
}

fn spread(sessions: &[&Session], value: fn(&Session) -> i64) -> i64 {
    let mean = mean(sessions, value);
    let squares: f64 = sessions.iter().map(|one| (value(one) as f64 - mean).powi(2)).sum();
    rounded((squares / (sessions.len() - 1) as f64).sqrt())
}

fn rounded(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    pub(crate) const DAY: i64 = 24 * HOUR;
    /// 2027-01-15T07:00:00Z, a morning.
    pub(crate) const SEVEN: i64 = 1_799_996_400_000;

    pub(crate) fn reading(at_ms: i64, systolic: i64, diastolic: i64) -> Past {
        let values = Values { systolic: Some(systolic * 10), diastolic: Some(diastolic * 10), ..Values::default() };
        Past { at_ms, device: "cuff".into(), values, is_irregular: false }
    }

    /// A morning and an evening of each of these days before [`SEVEN`]'s, the same pressure each.
    pub(crate) fn days(ago: std::ops::Range<i64>, systolic: impl Fn(i64) -> i64) -> Vec<Past> {
        let day = |ago: i64| {
            [SEVEN - ago * DAY, SEVEN - ago * DAY + 12 * HOUR].map(|at_ms| reading(at_ms, systolic(ago), 80))
        };
        ago.rev().flat_map(day).collect()
    }

    #[test]
    fn readings_within_a_quarter_of_an_hour_are_one_session_without_the_first_of_three() {
        let history = [
            reading(SEVEN, 150, 90),
            reading(SEVEN + 2 * MINUTE, 140, 84),
            reading(SEVEN + 4 * MINUTE, 142, 86),
            reading(SEVEN + 16 * MINUTE, 130, 80),
            reading(SEVEN + 18 * MINUTE, 132, 80),
        ];
        let sessions = sessions(&history, &TimeZone::UTC);
        let told: Vec<_> = sessions.iter().map(|one| (one.systolic, one.diastolic, one.slot)).collect();
        assert_eq!(told, [(1410, 850, Some(Slot::Morning)), (1310, 800, Some(Slot::Morning))]);
    }

    #[test]
    fn a_weeks_mean_drops_the_first_day_and_needs_mornings_and_evenings() {
        let today = local(SEVEN, &TimeZone::UTC).date();
        let mean = |history: &[Past]| average(&sessions(history, &TimeZone::UTC), today);
        let week = days(0..4, |ago| if ago == 3 { 190 } else { 140 });
        let found = mean(&week).unwrap();
        assert_eq!((found.sessions, found.mean, found.spread), (6, (1400, 800), (0, 0)), "the first day is dropped");
        assert_eq!(mean(&days(0..3, |_| 140)), None, "four sessions are too few");
        let mornings: Vec<Past> = days(0..8, |_| 140).into_iter().step_by(2).collect();
        assert_eq!(mean(&mornings), None);
        let long = mean(&days(0..20, |ago| if ago >= 7 { 190 } else { 140 })).unwrap();
        assert_eq!((long.sessions, long.mean.0), (14, 1400), "in a long series no day is the first");
        let varied = mean(&days(0..8, |ago| 140 + ago % 2 * 10)).unwrap();
        assert_eq!((varied.morning, varied.evening), (varied.mean, varied.mean));
        assert!((40..=60).contains(&varied.spread.0), "{varied:?}");
    }
}
