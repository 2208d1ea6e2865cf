//! Who of a team is on duty, when: shifts that repeat by the week, single ones, and what is changed for a while.
//!
//! Shifts are written in local time and turned into moments so that no change of the clock opens a gap between two that
//! follow each other, or lets them overlap: a time that is missing is the moment of the change, one that comes twice is its
//! first. So a shift from 22 to 6 has 7 hours in the night in which the clock goes ahead, and 9 in the other.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::holidays::is_holiday;
use super::text;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// So far ahead a change is looked for: the longest that a shift's weeks may lie apart, and more.
const HORIZON_MS: i64 = 60 * 7 * DAY_MS;

/// So much is looked at in one go.
const STRIDE_MS: i64 = 8 * DAY_MS;

/// The most that a roster may hold: of shifts and of changes.
const MOST: usize = 2_000;

/// The longest name.
const LONGEST_NAME: usize = 64;

/// Who of a team is on duty, when. One without a shift and without a change is none: the whole team is on duty.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roster {
    /// The shifts.
    pub shifts: Vec<Shift>,
    /// What is changed for a while; a later one goes before an earlier one.
    pub changes: Vec<Change>,
}

/// Members on duty together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// What it is called.
    pub name: String,
    /// Who: the names of their accounts.
    pub members: BTreeSet<String>,
    /// When.
    pub when: When,
}

/// When a shift is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Week by week.
    Weekly(Weekly),
    /// Once, between two moments.
    Once(Period),
}

/// From a moment until before another.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// From when.
    #[serde(with = "text")]
    pub from: Timestamp,
    /// Until before when.
    #[serde(with = "text")]
    pub until: Timestamp,
}

/// A shift that repeats by the week, in the team's local time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// On which days it begins.
    pub days: BTreeSet<Day>,
    /// When it begins.
    #[serde(with = "text")]
    pub from: Time,
    /// When it ends: the next day, where that is not after its beginning.
    #[serde(with = "text")]
    pub to: Time,
    /// It ends so many days after the one it begins on, where that is later than `to` alone says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_later: Option<u8>,
    /// What holidays do to it.
    #[serde(default)]
    pub holidays: Holidays,
    /// The first day on which it may begin. Weeks are counted from this one's Monday.
    #[serde(with = "text")]
    pub first: Date,
    /// The last day on which it may begin.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub last: Option<Date>,
    /// Every so many weeks.
    #[serde(default = "Weekly::each")]
    pub every_weeks: u8,
    /// Days on which it does not begin.
    #[serde(default, with = "text::set", skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<Date>,
}

/// A day of the week.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are called as they are")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// What holidays do to a shift.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holidays {
    /// Nothing.
    #[default]
    AsAlways,
    /// It does not begin on one.
    Not,
    /// It begins on holidays only.
    Only,
}

/// A change for a while.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When it holds.
    pub period: Period,
    /// What is changed.
    pub what: What,
}

/// What is changed for a while.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Whenever one is on duty, another is in her place; nobody, where none is named.
    Replaced {
        /// Who is not.
        who: String,
        /// Who is.
        by: Option<String>,
    },
    /// One more is on duty.
    Extra {
        /// Who.
        who: String,
    },
    /// Nobody is.
    Nobody,
}

/// A time in which the same members are on duty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spell {
    /// From when.
    pub from_ms: i64,
    /// Until before when.
    pub until_ms: i64,
    /// Who, by name.
    pub members: BTreeSet<String>,
}

/// What cannot hold in a roster.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Wrong {
    /// A shift without a name or with too long a one.
    #[error("a shift needs a name of 1 to 64 characters")]
    Name,
    /// A shift of nobody.
    #[error("the shift {0} has no member")]
    NoMember(String),
    /// A shift on no day of the week, or every 0 weeks, or more than 52.
    #[error("the shift {0} must be on a day of the week, every 1 to 52 weeks")]
    NoDay(String),
    /// It ends before it begins, or a week or more later.
    #[error("the shift {0} must end after it begins, and within a week")]
    Length(String),
    /// Its last day is before its first.
    #[error("the last day of the shift {0} is before its first")]
    Last(String),
    /// A change that ends before it begins.
    #[error("a change must end after it begins")]
    Period,
    /// Too many.
    #[error("a roster holds at most 2000 shifts and 2000 changes")]
    TooMany,
}

impl Roster {
    /// Whether it says nothing, so that the whole team is on duty.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.shifts.is_empty() && self.changes.is_empty()
    }

    /// Everybody whom it names.
    #[must_use]
    pub fn named(&self) -> BTreeSet<&str> {
        let of_shifts = self.shifts.iter().flat_map(|shift| shift.members.iter().map(String::as_str));
        let of_changes = self.changes.iter().flat_map(|change| match &change.what {
            What::Replaced { who, by } => vec![who.as_str()].into_iter().chain(by.as_deref()).collect(),
            What::Extra { who } => vec![who.as_str()],
            What::Nobody => Vec::new(),
        });
        of_shifts.chain(of_changes).collect()
    }

    /// Whether it can hold.
    ///
    /// # Errors
    /// [`Wrong`], the first that is found.
    pub fn check(&self) -> Result<(), Wrong> {
        if self.shifts.len() > MOST || self.changes.len() > MOST {
            return Err(Wrong::TooMany);
        }
        for Shift { name, members, when } in &self.shifts {
            let is_named = !name.trim().is_empty() && name.chars().count() <= LONGEST_NAME;
            if !is_named {
                return Err(Wrong::Name);
            }
            if members.is_empty() {
                return Err(Wrong::NoMember(name.clone()));
            }
            when.check(name)?;
        }
        let is_sound = self.changes.iter().all(|change| change.period.from < change.period.until);
        if is_sound { Ok(()) } else { Err(Wrong::Period) }
    }

    /// Who is on duty at a moment.
    #[must_use]
    pub fn on_duty(&self, at_ms: i64, zone: &TimeZone) -> BTreeSet<String> {
        let turns = self.turns(at_ms, at_ms + 1, zone);
        self.members(&turns, at_ms)
    }

    /// When next others are on duty than at a moment; `None` where nothing changes within a year.
    #[must_use]
    pub fn next_change(&self, at_ms: i64, zone: &TimeZone) -> Option<i64> {
        let mut from_ms = at_ms;
        while from_ms < at_ms + HORIZON_MS {
            let spells = self.spells(from_ms, from_ms + STRIDE_MS, zone);
            if let Some(next) = spells.get(1) {
                return Some(next.from_ms);
            }
            // The last of a stride may be the same as the first of the next.
            from_ms += STRIDE_MS - 1;
        }
        None
    }

    /// Who is on duty in each part of a time, without gaps and overlaps: where nobody is, that is said too.
    #[must_use]
    pub fn spells(&self, from_ms: i64, until_ms: i64, zone: &TimeZone) -> Vec<Spell> {
        let turns = self.turns(from_ms, until_ms, zone);
        let of_changes = self.changes.iter().flat_map(|change| change.period.ends());
        let mut ends: BTreeSet<i64> = turns.iter().flat_map(|turn| [turn.from_ms, turn.until_ms]).collect();
        ends.extend(of_changes);
        ends.retain(|at_ms| from_ms < *at_ms && *at_ms < until_ms);
        ends.extend([from_ms, until_ms]);
        let ends: Vec<i64> = ends.into_iter().collect();
        let mut spells: Vec<Spell> = Vec::new();
        for part in ends.windows(2) {
            let members = self.members(&turns, part[0]);
            match spells.last_mut() {
                Some(before) if before.members == members => before.until_ms = part[1],
                Some(_) | None => spells.push(Spell { from_ms: part[0], until_ms: part[1], members }),
            }
        }
        spells
    }

    /// When nobody is on duty.
    #[must_use]
    pub fn gaps(&self, from_ms: i64, until_ms: i64, zone: &TimeZone) -> Vec<(i64, i64)> {
        let spells = self.spells(from_ms, until_ms, zone).into_iter();
        spells.filter(|spell| spell.members.is_empty()).map(|spell| (spell.from_ms, spell.until_ms)).collect()
    }

    /// Each time a shift has somebody on duty that touches a time, as its moments.
    fn turns(&self, from_ms: i64, until_ms: i64, zone: &TimeZone) -> Vec<Turn<'_>> {
        let turn = |shift, (from_ms, until_ms)| Turn { shift, from_ms, until_ms };
        let turns = self.shifts.iter().flat_map(|shift| {
            let times = match &shift.when {
                When::Once(period) => vec![period.ends().into()],
                When::Weekly(weekly) => weekly.times(from_ms, until_ms, zone),
            };
            times.into_iter().map(move |times| turn(shift, times))
        });
        turns.filter(|turn| turn.from_ms < until_ms && turn.until_ms > from_ms).collect()
    }

    fn members(&self, turns: &[Turn<'_>], at_ms: i64) -> BTreeSet<String> {
        let here = turns.iter().filter(|turn| turn.from_ms <= at_ms && at_ms < turn.until_ms);
        let mut members: BTreeSet<String> = here.flat_map(|turn| turn.shift.members.iter().cloned()).collect();
        for change in self.changes.iter().filter(|change| change.period.holds_at(at_ms)) {
            match &change.what {
                What::Replaced { who, by } => {
                    if members.remove(who) {
                        members.extend(by.clone());
                    }
                }
                What::Extra { who } => {
                    members.insert(who.clone());
                }
                What::Nobody => members.clear(),
            }
        }
        members
    }
}

/// One time of a shift.
struct Turn<'a> {
    shift: &'a Shift,
    from_ms: i64,
    until_ms: i64,
}

impl When {
    pub(super) fn check(&self, name: &str) -> Result<(), Wrong> {
        match self {
            Self::Once(period) if period.from >= period.until => Err(Wrong::Length(name.to_owned())),
            Self::Once(_) => Ok(()),
            Self::Weekly(weekly) => weekly.check(name),
        }
    }
}

impl Period {
    fn ends(&self) -> [i64; 2] {
        [self.from.as_millisecond(), self.until.as_millisecond()]
    }

    fn holds_at(&self, at_ms: i64) -> bool {
        let [from_ms, until_ms] = self.ends();
        from_ms <= at_ms && at_ms < until_ms
    }
}

impl Weekly {
    fn each() -> u8 {
        1
    }

    fn check(&self, name: &str) -> Result<(), Wrong> {
        if self.days.is_empty() || !(1..=52).contains(&self.every_weeks) {
            return Err(Wrong::NoDay(name.to_owned()));
        }
        let days = self.days_to_end();
        if days > 7 || (days == 7 && self.to > self.from) || (days == 0 && self.to <= self.from) {
            return Err(Wrong::Length(name.to_owned()));
        }
        if self.last.is_some_and(|last| last < self.first) {
            return Err(Wrong::Last(name.to_owned()));
        }
        Ok(())
    }

    /// So many days after the one it begins on it ends.
    #[must_use]
    pub fn days_to_end(&self) -> i64 {
        let alone = u8::from(self.to <= self.from);
        i64::from(self.days_later.unwrap_or(alone))
    }

    /// Whether it begins on a day.
    #[must_use]
    pub fn begins_on(&self, day: Date) -> bool {
        let is_in_time = self.first <= day && self.last.is_none_or(|last| day <= last);
        let is_let_by_holidays = match self.holidays {
            Holidays::AsAlways => true,
            Holidays::Not => !is_holiday(day),
            Holidays::Only => is_holiday(day),
        };
        is_in_time && self.repeats_on(day) && is_let_by_holidays && !self.except.contains(&day)
    }

    /// Whether its weeks and days of the week would have it on a day.
    #[must_use]
    pub fn repeats_on(&self, day: Date) -> bool {
        let weeks = days_between(monday(self.first), monday(day)) / 7;
        self.days.contains(&Day::of(day.weekday())) && weeks.rem_euclid(i64::from(self.every_weeks)) == 0
    }

    /// The moments between which it is when it begins on a day.
    #[must_use]
    pub fn on(&self, day: Date, zone: &TimeZone) -> Option<(i64, i64)> {
        let end = day.checked_add(self.days_to_end().days()).ok()?;
        let (from_ms, until_ms) = (moment(day.to_datetime(self.from), zone)?, moment(end.to_datetime(self.to), zone)?);
        (from_ms < until_ms).then_some((from_ms, until_ms))
    }

    fn times(&self, from_ms: i64, until_ms: i64, zone: &TimeZone) -> Vec<(i64, i64)> {
        let day = |ms: i64| Timestamp::from_millisecond(ms).ok().map(|at| at.to_zoned(zone.clone()).date());
        // One more day on either side, as a change of the clock may move midnight.
        let (Some(earliest), Some(latest)) =
            (day(from_ms - (self.days_to_end() + 1) * DAY_MS), day(until_ms.saturating_add(DAY_MS)))
        else {
            return Vec::new();
        };
        let last = self.last.map_or(latest, |last| last.min(latest));
        let days = std::iter::successors(Some(earliest.max(self.first)), |day| day.tomorrow().ok());
        days.take_while(|day| *day <= last)
            .filter(|day| self.begins_on(*day))
            .filter_map(|day| self.on(day, zone))
            .collect()
    }
}

impl Day {
    /// All of them, from Monday.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    /// The day that the calendar calls so.
    #[must_use]
    pub fn of(weekday: Weekday) -> Self {
        match weekday {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

/// The Monday of a day's week.
#[must_use]
pub fn monday(day: Date) -> Date {
    day.checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days()).unwrap_or(day)
}

fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// The moment of a local time: where it comes twice, the first; where it is missing, the moment at which the clock goes ahead.
#[must_use]
pub fn moment(local: DateTime, zone: &TimeZone) -> Option<i64> {
    let at = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
        AmbiguousOffset::Gap { before, .. } => {
            let after = before.to_timestamp(local).ok()?;
            zone.preceding(after.checked_add(1.nanosecond()).ok()?).next()?.timestamp()
        }
    };
    Some(at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};
    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: i64 = 60 * 60 * 1000;

    #[test]
    fn the_night_shift_has_seven_hours_when_the_clock_goes_ahead_and_nine_when_it_goes_back() {
        let zone = stockholm();
        let nights = weekly(time(22, 0, 0, 0), time(6, 0, 0, 0));
        let hours = |day| nights.on(day, &zone).map(|(from_ms, until_ms)| (until_ms - from_ms) / HOUR_MS);
        assert_eq!(hours(date(2026, 3, 27)), Some(8));
        assert_eq!(hours(date(2026, 3, 28)), Some(7));
        assert_eq!(hours(date(2026, 10, 24)), Some(9));
    }

    #[test]
    fn a_time_that_is_missing_is_the_moment_of_the_change_and_one_that_comes_twice_is_its_first() {
        let utc = |text: &str| Some(text.parse::<Timestamp>().unwrap().as_millisecond());
        let half_past_two = |day: Date| moment(day.at(2, 30, 0, 0), &stockholm());
        assert_eq!(half_past_two(date(2026, 3, 29)), utc("2026-03-29T01:00:00Z"));
        assert_eq!(half_past_two(date(2026, 10, 25)), utc("2026-10-25T00:30:00Z"));
        assert_eq!(half_past_two(date(2026, 11, 1)), utc("2026-11-01T01:30:00Z"));
    }

    #[test]
    fn a_member_is_on_duty_from_the_first_moment_of_her_shift_until_before_its_last() {
        let roster = day_and_night();
        let at = |text: &str| roster.on_duty(ms(text), &stockholm()).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(at("2026-11-30T06:59:59"), "Bo");
        assert_eq!(at("2026-11-30T07:00"), "Anna");
        assert_eq!(at("2026-11-30T21:59:59"), "Anna");
        assert_eq!(at("2026-12-01T03:00"), "Bo");
        assert_eq!(roster.next_change(ms("2026-11-30T09:00"), &stockholm()), Some(ms("2026-11-30T22:00")));
        assert_eq!(roster.next_change(ms("2026-11-30T22:00"), &stockholm()), Some(ms("2026-12-01T07:00")));
    }

    #[test]
    fn a_change_weeks_ahead_is_found_and_none_where_nothing_changes() {
        let period = Period { from: at("2026-12-12T08:00"), until: at("2026-12-12T16:00") };
        let once = Shift { name: "S".into(), members: ["Anna".into()].into(), when: When::Once(period) };
        let roster = of(vec![once]);
        assert_eq!(roster.next_change(ms("2026-11-30T08:00"), &stockholm()), Some(ms("2026-12-12T08:00")));
        assert_eq!(roster.next_change(ms("2026-12-12T16:00"), &stockholm()), None);
    }

    #[test]
    fn a_swap_an_extra_hand_and_an_empty_night_hold_for_their_time_and_the_later_one_goes_first() {
        let mut roster = day_and_night();
        roster.changes = vec![
            change(
                "2026-11-30T00:00",
                "2026-12-01T00:00",
                What::Replaced { who: "Anna".into(), by: Some("Cia".into()) },
            ),
            change("2026-11-30T12:00", "2026-11-30T13:00", What::Extra { who: "Dag".into() }),
            change("2026-11-30T22:00", "2026-11-30T23:00", What::Replaced { who: "Bo".into(), by: None }),
            change("2026-11-30T20:00", "2026-11-30T21:00", What::Nobody),
        ];
        let at = |text: &str| roster.on_duty(ms(text), &stockholm()).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(at("2026-11-30T09:00"), "Cia");
        assert_eq!(at("2026-11-30T12:30"), "Cia Dag");
        assert_eq!(at("2026-12-01T09:00"), "Anna");
        let gaps = roster.gaps(ms("2026-11-30T00:00"), ms("2026-12-02T00:00"), &stockholm());
        let wanted = [("2026-11-30T20:00", "2026-11-30T21:00"), ("2026-11-30T22:00", "2026-11-30T23:00")];
        assert_eq!(gaps, wanted.map(|(from, until)| (ms(from), ms(until))));
    }

    #[test]
    fn a_shift_may_leave_out_holidays_or_be_for_them_alone() {
        let mut every = weekly(time(7, 0, 0, 0), time(16, 0, 0, 0));
        every.holidays = Holidays::Not;
        assert!(every.begins_on(date(2026, 6, 18)) && !every.begins_on(date(2026, 6, 19)));
        every.holidays = Holidays::Only;
        assert!(!every.begins_on(date(2026, 6, 18)) && every.begins_on(date(2026, 6, 19)));
        every.except.insert(date(2026, 6, 19));
        assert!(!every.begins_on(date(2026, 6, 19)));
    }

    #[test]
    fn every_other_week_is_counted_from_the_first_ones_monday() {
        let mut other = weekly(time(7, 0, 0, 0), time(16, 0, 0, 0));
        other.days = [Day::Monday, Day::Friday].into();
        (other.first, other.every_weeks, other.last) = (date(2026, 12, 2), 2, Some(date(2026, 12, 18)));
        let days: Vec<i8> = (1..=31).filter(|day| other.begins_on(date(2026, 12, *day))).collect();
        assert_eq!(days, [4, 14, 18]);
    }

    #[test]
    fn a_shift_over_the_weekend_is_one() {
        let mut weekend = weekly(time(17, 0, 0, 0), time(8, 0, 0, 0));
        (weekend.days, weekend.days_later) = ([Day::Friday].into(), Some(3));
        let roster = of(vec![shift("Weekend", "Anna", weekend)]);
        let spells = roster.spells(ms("2026-11-27T00:00"), ms("2026-12-01T00:00"), &stockholm());
        let on: Vec<_> = spells.iter().filter(|spell| !spell.members.is_empty()).collect();
        assert!(
            matches!(&on[..], [one] if one.from_ms == ms("2026-11-27T17:00") && one.until_ms == ms("2026-11-30T08:00"))
        );
    }

    #[test]
    fn what_cannot_hold_is_said() {
        let ok = weekly(time(7, 0, 0, 0), time(16, 0, 0, 0));
        let wrong = |weekly: Weekly| of(vec![shift("A", "Anna", weekly)]).check().unwrap_err();
        assert_eq!(of(vec![shift("A", "Anna", ok.clone())]).check(), Ok(()));
        assert_eq!(of(vec![shift(" ", "Anna", ok.clone())]).check(), Err(Wrong::Name));
        assert_eq!(wrong(Weekly { days: BTreeSet::new(), ..ok.clone() }), Wrong::NoDay("A".into()));
        assert_eq!(wrong(Weekly { every_weeks: 0, ..ok.clone() }), Wrong::NoDay("A".into()));
        assert_eq!(wrong(Weekly { days_later: Some(8), ..ok.clone() }), Wrong::Length("A".into()));
        assert_eq!(wrong(Weekly { to: ok.from, days_later: Some(0), ..ok.clone() }), Wrong::Length("A".into()));
        assert_eq!(wrong(Weekly { last: Some(date(2013, 1, 1)), ..ok }), Wrong::Last("A".into()));
        let backwards = Change {
            period: Period { from: at("2026-01-02T00:00"), until: at("2026-01-01T00:00") },
            what: What::Nobody,
        };
        assert_eq!(Roster { changes: vec![backwards], ..Roster::default() }.check(), Err(Wrong::Period));
    }

    #[test]
    fn a_roster_is_written_and_read_as_the_same() {
        let mut roster = day_and_night();
        roster.changes =
            vec![change("2026-11-30T20:00", "2026-11-30T21:00", What::Replaced { who: "Bo".into(), by: None })];
        let text = serde_json::to_string(&roster).unwrap();
        assert_eq!(serde_json::from_str::<Roster>(&text).unwrap(), roster);
        let lean = r#"{"shifts":[{"name":"Day","members":["Anna"],"when":{"weekly":
            {"days":["monday"],"from":"07:00","to":"16:00","first":"2026-01-01"}}}]}"#;
        assert!(serde_json::from_str::<Roster>(lean).is_ok_and(|roster| roster.check().is_ok()));
    }

    proptest! {
        /// Three shifts that follow each other around the clock, at whatever minutes, cover every moment of a week once.
        #[test]
        fn shifts_around_the_clock_leave_no_gap_and_no_overlap_at_any_change_of_the_clock(
            year in 2015_i16..2035, turn in 0_usize..2, zone in 0_usize..2, minutes in prop::array::uniform3(0_i64..1440)
        ) {
            let zone = [stockholm(), TimeZone::get("Australia/Lord_Howe").unwrap()][zone].clone();
            let mut cuts = minutes;
            cuts.sort_unstable();
            prop_assume!(cuts[0] < cuts[1] && cuts[1] < cuts[2]);
            let clock = |minutes: i64| time((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
            let parts = [(cuts[0], cuts[1]), (cuts[1], cuts[2]), (cuts[2], cuts[0])];
            let names = ["Anna", "Bo", "Cia"];
            let shifts = parts.iter().zip(names).map(|((from, to), name)| shift(name, name, weekly(clock(*from), clock(*to))));
            let roster = of(shifts.collect());
            let new_year = date(year, 1, 1).to_datetime(Time::midnight());
            let start = Timestamp::from_millisecond(moment(new_year, &zone).unwrap()).unwrap();
            let change_ms = zone.following(start).nth(turn).unwrap().timestamp().as_millisecond();

            let spells = roster.spells(change_ms - 3 * DAY_MS, change_ms + 3 * DAY_MS, &zone);

            let mut until_ms = change_ms - 3 * DAY_MS;
            for spell in &spells {
                prop_assert_eq!(spell.members.len(), 1, "{:?}", spell);
                prop_assert_eq!(spell.from_ms, until_ms);
                until_ms = spell.until_ms;
                prop_assert_eq!(roster.on_duty(spell.from_ms, &zone), spell.members.clone());
                prop_assert_eq!(roster.on_duty(spell.until_ms - 1, &zone), spell.members.clone());
            }
            prop_assert_eq!(until_ms, change_ms + 3 * DAY_MS);
        }

        /// What is next is what on_duty says, looked at minute by minute.
        #[test]
        fn the_next_change_is_the_first_minute_with_others_on_duty(minute in 0_i64..20_160) {
            let mut roster = day_and_night();
            roster.changes = vec![
                change("2026-10-25T01:15", "2026-10-25T02:45", What::Extra { who: "Dag".into() }),
                change("2026-10-27T09:00", "2026-10-27T10:00", What::Nobody),
            ];
            let at_ms = ms("2026-10-20T00:00") + minute * 60_000;
            let next_ms = roster.next_change(at_ms, &stockholm()).unwrap();
            let here = roster.on_duty(at_ms, &stockholm());
            let mut walked_ms = at_ms;
            while roster.on_duty(walked_ms, &stockholm()) == here {
                walked_ms += 60_000;
            }
            prop_assert_eq!(next_ms, walked_ms);
        }
    }

    fn day_and_night() -> Roster {
        of(vec![
            shift("Day", "Anna", weekly(time(7, 0, 0, 0), time(22, 0, 0, 0))),
            shift("Night", "Bo", weekly(time(22, 0, 0, 0), time(7, 0, 0, 0))),
        ])
    }

    fn of(shifts: Vec<Shift>) -> Roster {
        Roster { shifts, changes: Vec::new() }
    }

    fn shift(name: &str, member: &str, weekly: Weekly) -> Shift {
        Shift { name: name.into(), members: [member.to_owned()].into(), when: When::Weekly(weekly) }
    }

    fn weekly(from: Time, to: Time) -> Weekly {
        Weekly {
            days: Day::ALL.into(),
            from,
            to,
            days_later: None,
            holidays: Holidays::AsAlways,
            first: date(2014, 1, 1),
            last: None,
            every_weeks: 1,
            except: BTreeSet::new(),
        }
    }

    fn change(from: &str, until: &str, what: What) -> Change {
        Change { period: Period { from: at(from), until: at(until) }, what }
    }

    fn at(local: &str) -> Timestamp {
        Timestamp::from_millisecond(ms(local)).unwrap()
    }

    fn ms(local: &str) -> i64 {
        moment(local.parse().unwrap(), &stockholm()).unwrap()
    }

    fn stockholm() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }
}
