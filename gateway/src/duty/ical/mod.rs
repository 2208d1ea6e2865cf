//! Rosters as iCalendar files: what the care unit's own planning tool writes is read, and who is on duty is written.
//!
//! Read are events with `DTSTART` and `DTEND`, once or week by week (`RRULE:FREQ=WEEKLY` with `BYDAY`, `INTERVAL`, `COUNT` or
//! `UNTIL`; `EXDATE`); an event's `SUMMARY` names who is on duty, with commas between names. What would change its meaning and
//! is not understood is refused, with its line: a roster that is half right leaves a night empty.
//!
//! Written is who is on duty, once all swaps are made, as one event for each member and time, in UTC.
//!
//! Source: RFC 5545.

mod lines;
mod read;
mod rule;
mod write;

pub use read::read;
pub use write::write;

/// Why a file was not read: nothing of it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Refused {
    /// Which line of the file, from 1.
    pub line: usize,
    /// What is wrong there, and what to do.
    pub why: String,
}

impl Refused {
    fn at(line: usize, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;
    use jiff::civil::{date, time};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::duty::roster::{Change, Day, Holidays, Period, Roster, Shift, Spell, Weekly, What, When, moment};

    const NAMES: [&str; 3] = ["Anna Ström", "Bo", "Ek, Cia; \\ därtill ett långt namn som inte får plats på raden"];

    #[test]
    fn what_is_written_is_read_as_the_same_times_over_both_changes_of_the_clock() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        let weekly = |from: i8, to: i8| Weekly {
            days: Day::ALL.into(),
            from: time(from, 0, 0, 0),
            to: time(to, 0, 0, 0),
            days_later: None,
            holidays: Holidays::Not,
            first: date(2026, 1, 1),
            last: None,
            every_weeks: 1,
            except: BTreeSet::new(),
        };
        let shifts = [(0, weekly(7, 22)), (1, weekly(22, 7)), (2, weekly(2, 3))].map(|(name, weekly)| Shift {
            name: "any".into(),
            members: [NAMES[name].to_owned()].into(),
            when: When::Weekly(weekly),
        });
        assert_same(&Roster { shifts: shifts.into(), changes: Vec::new() }, &zone);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn whatever_the_roster_its_file_says_the_same(
            parts in prop::collection::vec((0_usize..3, 0_i64..1440, 1_i64..4000, prop::sample::subsequence(Day::ALL.to_vec(), 1..7)), 0..6),
            swaps in prop::collection::vec((0_usize..3, prop::option::of(0_usize..3), 0_i64..500_000, 1_i64..5000), 0..4),
        ) {
            let zone = TimeZone::get("Europe/Stockholm").unwrap();
            let shifts = parts.into_iter().map(|(name, from, long, days)| {
                let clock = |minutes: i64| time((minutes / 60 % 24) as i8, (minutes % 60) as i8, 0, 0);
                let weekly = Weekly {
                    days: days.into_iter().collect(),
                    from: clock(from),
                    to: clock(from + long),
                    days_later: Some(u8::try_from((from + long) / 1440).unwrap()),
                    holidays: Holidays::AsAlways,
                    first: date(2026, 1, 1),
                    last: None,
                    every_weeks: 1,
                    except: BTreeSet::new(),
                };
                Shift { name: "any".into(), members: [NAMES[name].to_owned()].into(), when: When::Weekly(weekly) }
            });
            let start_ms = moment(date(2026, 1, 1).at(0, 0, 0, 0), &zone).unwrap();
            let changes = swaps.into_iter().map(|(who, by, from, long)| {
                let at = |minutes: i64| Timestamp::from_millisecond(start_ms + minutes * 60_000).unwrap();
                let what = What::Replaced { who: NAMES[who].into(), by: by.map(|by| NAMES[by].to_owned()) };
                Change { period: Period { from: at(from), until: at(from + long) }, what }
            });
            let roster = Roster { shifts: shifts.collect(), changes: changes.collect() };
            prop_assert_eq!(roster.check(), Ok(()));
            assert_same(&roster, &zone);
        }
    }

    fn assert_same(roster: &Roster, zone: &TimeZone) {
        let [from_ms, until_ms] = [2026, 2027].map(|year| moment(date(year, 1, 1).at(0, 0, 0, 0), zone).unwrap());
        let file = write("Night patrol", roster, zone, (from_ms, until_ms), from_ms);
        assert!(file.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')));
        let is_member = |name: &str| NAMES.contains(&name);
        let shifts = read(file.as_bytes(), "Europe/Stockholm", zone, &is_member).unwrap();
        let again = Roster { shifts, changes: Vec::new() };
        let spells = |roster: &Roster| -> Vec<Spell> { roster.spells(from_ms, until_ms, zone) };
        assert_eq!(spells(&again), spells(roster));
    }
}
