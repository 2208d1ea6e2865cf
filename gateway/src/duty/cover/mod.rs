//! Somebody is there: for each team that people with an alarm or a plan depend on, whether a member is on duty who can be
//! reached, now and in the next shift (P5, P7). Where not, that is an alert while there is time to do something about it.
//!
//! A member counts whose commission holds and who has an address on a channel that is set up and has proven itself within its
//! interval: something got through to her there. A team without a roster is all on duty, and the alert says so.

pub mod watch;
pub mod wording;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::roster::Roster;
use crate::alerts::{About, Concern, Finding, Line, Severity, Weight};
use crate::config::duration;

/// The case of a team with nobody there now.
pub const NOW: &str = "nobody_there";

/// The case of a team with nobody there in its next shift.
pub const NEXT: &str = "nobody_there_next";

/// The settings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Within which time something must have got through to a member for her to count as reachable.
    #[serde(deserialize_with = "duration::read")]
    pub proven_within: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { proven_within: Duration::from_secs(24 * 60 * 60) }
    }
}

/// All that is known of a team.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its roster; none: everybody is on duty.
    pub roster: Option<Roster>,
    /// The zone of its shifts.
    pub zone: TimeZone,
    /// Who may be on duty: from when until before when she has a commission, by name.
    pub commissions: Vec<(String, i64, Option<i64>)>,
    /// Who has an address on a channel that is set up, and when something last got through there.
    pub reached: BTreeMap<String, Option<i64>>,
}

/// Why nobody is there.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Nobody is on duty.
    Nobody,
    /// Nobody on duty has an address on a channel that is set up.
    NoContact,
    /// There are addresses, and nothing has got through to one of them within the interval.
    Unproven,
}

/// Nobody is there.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// Why.
    pub why: Why,
    /// When the next shift begins, if it is about that; none: it is now.
    pub from_ms: Option<i64>,
}

impl Facts {
    /// Whether somebody is there now and in the next shift. What is wrong now is said alone: it is the louder.
    #[must_use]
    pub fn judge(&self, within_ms: i64, now_ms: i64) -> Option<Trouble> {
        if let Some(why) = self.why(now_ms, within_ms, now_ms) {
            return Some(Trouble { why, from_ms: None });
        }
        let next_ms = self.roster.as_ref()?.next_change(now_ms, &self.zone)?;
        let why = self.why(next_ms, within_ms, now_ms)?;
        Some(Trouble { why, from_ms: Some(next_ms) })
    }

    /// Why nobody who is on duty at a moment can be reached, as it is known now.
    fn why(&self, at_ms: i64, within_ms: i64, now_ms: i64) -> Option<Why> {
        let rostered = self.roster.as_ref().map(|roster| roster.on_duty(at_ms, &self.zone));
        let holds =
            |from_ms: i64, until_ms: Option<i64>| from_ms <= at_ms && until_ms.is_none_or(|until| at_ms < until);
        let commissioned = self.commissions.iter().filter(|(_, from_ms, until_ms)| holds(*from_ms, *until_ms));
        let mut on_duty = commissioned
            .map(|(name, _, _)| name)
            .filter(|name| rostered.as_ref().is_none_or(|rostered| rostered.contains(*name)))
            .peekable();
        if on_duty.peek().is_none() {
            return Some(Why::Nobody);
        }
        let addresses: Vec<Option<i64>> = on_duty.filter_map(|name| self.reached.get(name).copied()).collect();
        if addresses.is_empty() {
            return Some(Why::NoContact);
        }
        let is_proven = |proven_ms: &Option<i64>| proven_ms.is_some_and(|proven_ms| now_ms - proven_ms <= within_ms);
        if addresses.iter().any(is_proven) { None } else { Some(Why::Unproven) }
    }
}

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Found {
    /// Nobody is there.
    Missing {
        /// What the team is called.
        team: String,
        /// For how many people.
        people: i64,
        /// Why.
        why: Why,
        /// Whether there is a roster.
        by_roster: bool,
        /// Since when the shift is; none: it is now.
        from_ms: Option<i64>,
        /// Within which time something must have got through.
        within_ms: i64,
    },
    /// Somebody is there again.
    There {
        /// What the team is called.
        team: String,
    },
    /// The shift has begun: the case of now tells of it.
    Began {
        /// What the team is called.
        team: String,
    },
}

impl Found {
    /// The two as one, where both tell of one thing that goes on: what is missing now takes the place of what was.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::Missing { .. }, Self::Missing { .. }) => Some(self.clone()),
            (Self::Missing { .. } | Self::There { .. } | Self::Began { .. }, _) => None,
        }
    }
}

/// A finding about a team.
#[must_use]
pub fn concern(team: &str, home: &str, found: Found) -> Concern {
    let is_now = !matches!(found, Found::Missing { from_ms: Some(_), .. });
    let (case, severity) = if is_now { (NOW, Severity::Medium) } else { (NEXT, Severity::Low) };
    Concern {
        finding: Finding { case, severity, confirmed: true, weight: Weight::More, line: Line::SomebodyThere(found) },
        about: About::Team(team.to_owned()),
        person: None,
        home: home.to_owned(),
        record: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::{Date, Time, date, time};
    use proptest::prelude::*;

    use super::*;
    use crate::duty::roster::{Day, Holidays, Shift, Weekly, When};

    const HOUR_MS: i64 = 60 * 60 * 1000;
    const NAMES: [&str; 4] = ["Anna", "Bo", "Cia", "Dag"];

    #[test]
    fn a_team_without_a_roster_is_all_on_duty() {
        let mut facts = facts(None);
        assert_eq!(facts.judge(HOUR_MS, 0), Some(Trouble { why: Why::NoContact, from_ms: None }));
        facts.reached.insert("Bo".into(), None);
        assert_eq!(facts.judge(HOUR_MS, 0), Some(Trouble { why: Why::Unproven, from_ms: None }));
        facts.reached.insert("Bo".into(), Some(0));
        assert_eq!(facts.judge(HOUR_MS, HOUR_MS), None);
        assert_eq!(facts.judge(HOUR_MS, HOUR_MS + 1), Some(Trouble { why: Why::Unproven, from_ms: None }));
        facts.commissions.clear();
        assert_eq!(facts.judge(HOUR_MS, 0), Some(Trouble { why: Why::Nobody, from_ms: None }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// A week of hours, each with one member or nobody, with addresses that prove themselves now and then and commissions
        /// that end: at each hour the verdict is what walking through the hours says.
        #[test]
        fn in_seeded_weeks_the_verdict_is_what_walking_hour_by_hour_finds(
            hours in prop::collection::vec(prop::option::weighted(0.9, 0_usize..4), 24..=24),
            proofs in prop::collection::vec((0_usize..4, 0_i64..168), 0..30),
            ends in prop::collection::vec(prop::option::of(0_i64..168), 4..=4),
            addresses in prop::collection::vec(any::<bool>(), 4..=4),
        ) {
            let monday = date(2026, 11, 30);
            let start_ms = TimeZone::UTC.to_timestamp(monday.at(0, 0, 0, 0)).unwrap().as_millisecond();
            let who = |hour: i64| hours[hour.rem_euclid(24) as usize];
            let mut facts = facts(Some(of_hours(&hours, monday)));
            for (commission, end) in facts.commissions.iter_mut().zip(&ends) {
                commission.2 = end.map(|hour| start_ms + hour * HOUR_MS);
            }
            for now in 0..168 {
                let now_ms = start_ms + now * HOUR_MS;
                facts.reached = addresses.iter().enumerate().filter(|(_, has)| **has).map(|(name, _)| {
                    let proofs = proofs.iter().filter(|(whose, at)| *whose == name && *at <= now);
                    (NAMES[name].to_owned(), proofs.map(|(_, at)| start_ms + at * HOUR_MS).max())
                }).collect();
                let there = |hour: i64| -> Option<Why> {
                    let Some(name) = who(hour) else { return Some(Why::Nobody) };
                    if ends[name].is_some_and(|end| hour >= end) { return Some(Why::Nobody) }
                    if !addresses[name] { return Some(Why::NoContact) }
                    let is_proven = proofs.iter().any(|(whose, at)| *whose == name && *at <= now && now - at <= 24);
                    if is_proven { None } else { Some(Why::Unproven) }
                };
                let expected = match there(now) {
                    Some(why) => Some(Trouble { why, from_ms: None }),
                    None => (now + 1..now + 25).find(|hour| who(*hour) != who(now)).and_then(|next| {
                        there(next).map(|why| Trouble { why, from_ms: Some(start_ms + next * HOUR_MS) })
                    }),
                };
                prop_assert_eq!(facts.judge(24 * HOUR_MS, now_ms), expected, "hour {}", now);
            }
        }
    }

    fn facts(roster: Option<Roster>) -> Facts {
        let commissions = NAMES.map(|name| (name.to_owned(), i64::MIN, None)).into();
        Facts { roster, zone: TimeZone::UTC, commissions, reached: BTreeMap::new() }
    }

    fn of_hours(hours: &[Option<usize>], first: Date) -> Roster {
        let clock = |hour: usize| time(i8::try_from(hour % 24).unwrap(), 0, 0, 0);
        let shift = |hour: usize, name: usize| Shift {
            name: "any".into(),
            members: [NAMES[name].to_owned()].into(),
            when: When::Weekly(weekly(clock(hour), clock(hour + 1), first)),
        };
        let shifts = hours.iter().enumerate().filter_map(|(hour, name)| name.map(|name| shift(hour, name)));
        Roster { shifts: shifts.collect(), changes: Vec::new() }
    }

    fn weekly(from: Time, to: Time, first: Date) -> Weekly {
        Weekly {
            days: Day::ALL.into(),
            from,
            to,
            days_later: None,
            holidays: Holidays::AsAlways,
            first: first.yesterday().unwrap(),
            last: None,
            every_weeks: 1,
            except: BTreeSet::new(),
        }
    }
}
