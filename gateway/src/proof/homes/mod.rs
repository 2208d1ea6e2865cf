//! Silent tests from homes: how old a proof may be, and what it means when one is older (P5). Nothing here knows of stores.
//!
//! A box makes a test as often as it is asked to ([`Config::every`]). Once it is stored, [`rehearsal`] sees who would be told of
//! a press from that home, and has a way to one of them prove itself; then the home is proven. [`watch`] tells of homes whose
//! last proof is too old: of each in a case of its own, of many at once in one case for all. Only time counts in which the box
//! was heard and a gateway listened: an outage accuses nobody, and a silent home is told of as one already.

#[cfg(test)]
mod nights;
pub mod rehearsal;
pub mod watch;
pub mod wording;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alerts::rules::silent_home::{self, Listening};
use crate::alerts::{About, Concern, Finding, Line, Severity, Weight};
use crate::clock;
use crate::config::duration;

/// The case of one home.
pub const HOME: &str = "home_unproven";

/// The case of many homes.
pub const HOMES: &str = "homes_unproven";

/// How often homes prove themselves.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often each box is to make a silent test; `0s`: never.
    #[serde(deserialize_with = "duration::read")]
    pub every: Duration,
    /// A proof that is older than this is too old.
    #[serde(deserialize_with = "duration::read")]
    pub too_old: Duration,
}

impl Default for Config {
    /// Three tests may be missed.
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self { every: Duration::from_secs(DAY), too_old: Duration::from_secs(3 * DAY) }
    }
}

impl Config {
    /// Whether it can be held.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let is_slow = self.every >= Duration::from_secs(1) && u32::try_from(self.every.as_secs()).is_ok();
        if !self.every.is_zero() && !is_slow {
            return Err("silent_tests.every must be a second at least, or \"0s\": no tests".to_owned());
        }
        if self.too_old < self.every.saturating_mul(2) {
            return Err(
                "silent_tests.too_old must be twice silent_tests.every at least: one test may be missed".to_owned()
            );
        }
        Ok(())
    }

    /// What boxes are asked for; none: for no tests.
    #[must_use]
    pub fn every_s(&self) -> Option<u32> {
        u32::try_from(self.every.as_secs()).ok().filter(|every_s| *every_s > 0)
    }
}

/// Where a test from a home stopped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum Stop {
    /// At the rules, and why.
    Rules {
        /// Why.
        because: String,
    },
    /// Nobody would be told of a press.
    Nobody,
    /// No way to those who would be has proven itself, and why the last did not.
    Way {
        /// Over which channel.
        channel: String,
        /// Why.
        because: String,
    },
}

/// A box whose last proof is old.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Old {
    /// Which box.
    pub agent: String,
    /// In which home.
    pub home: String,
    /// Whether its home has an alarm device.
    pub has_alarm: bool,
    /// When a test last came all the way; none: none did.
    pub proven_ms: Option<i64>,
    /// When its first test came.
    pub first_ms: i64,
    /// Where the latest stopped, if it came.
    pub stopped: Option<Stop>,
    /// From when until when it was silent since then.
    pub silences: Vec<(i64, i64)>,
}

impl Old {
    /// Whether its proof is too old at `now_ms`.
    #[must_use]
    pub fn is_too_old(&self, listening: &Listening, too_old_ms: i64, now_ms: i64) -> bool {
        let since_ms = self.proven_ms.unwrap_or(self.first_ms);
        let nobody_listened = listening.gaps(since_ms, now_ms, 1);
        let away = covered(nobody_listened.iter().chain(&self.silences).copied(), since_ms, now_ms);
        now_ms - since_ms - away >= too_old_ms
    }
}

/// How long these intervals last together, within two moments.
fn covered(intervals: impl Iterator<Item = (i64, i64)>, from_ms: i64, until_ms: i64) -> i64 {
    let mut clipped: Vec<(i64, i64)> =
        intervals.map(|(from, until)| (from.max(from_ms), until.min(until_ms))).collect();
    clipped.sort_unstable();
    let (mut length, mut reached) = (0, from_ms);
    for (from, until) in clipped {
        length += (until - from.max(reached)).max(0);
        reached = reached.max(until);
    }
    length
}

/// What is to be said, by what its case is about. `too_old` are the boxes whose proof is. `in_service`: how many homes have
/// one. `is_storm`: whether the case of many is open, so that it ends only once far fewer are left.
#[must_use]
pub fn judge(
    too_old: &[Old],
    in_service: usize,
    is_storm: bool,
    storms: &silent_home::Config,
    too_old_ms: i64,
) -> BTreeMap<About, (String, Found)> {
    let homes: BTreeSet<&str> = too_old.iter().map(|old| old.home.as_str()).collect();
    let many = storms.many(in_service);
    let is_many = if is_storm { homes.len() * 2 >= many } else { homes.len() >= many };
    let Some(first) = too_old.first().filter(|_| is_many) else {
        let each = too_old.iter().map(|old| {
            let found = Found::TooOld {
                proven_ms: old.proven_ms,
                too_old_ms,
                has_alarm: old.has_alarm,
                stopped: old.stopped.clone(),
            };
            (About::Agent(old.agent.clone()), (old.home.clone(), found))
        });
        return each.collect();
    };
    let with_alarm: BTreeSet<&str> = too_old.iter().filter(|old| old.has_alarm).map(|old| old.home.as_str()).collect();
    let found = Found::Many { homes: homes.len() as u64, with_alarm: with_alarm.len() as u64, too_old_ms };
    BTreeMap::from([(About::ManyHomes, (first.home.clone(), found))])
}

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Found {
    /// The last proof of a home is too old.
    TooOld {
        /// When a test last came all the way; none: none did.
        proven_ms: Option<i64>,
        /// How old it may be.
        too_old_ms: i64,
        /// Whether the home has an alarm device.
        has_alarm: bool,
        /// Where the latest test stopped, if it came.
        stopped: Option<Stop>,
    },
    /// A test came all the way again.
    Proven,
    /// The home is silent, which a case of its own tells of, or its box is out of service.
    NotExpected,
    /// The case of many tells of it from here on.
    Joined,
    /// The last proofs of many homes are too old.
    Many {
        /// How many.
        homes: u64,
        /// How many of them have an alarm device.
        with_alarm: u64,
        /// How old a proof may be.
        too_old_ms: i64,
    },
    /// They are no longer many.
    Calm,
}

impl Found {
    /// The two as one, where both tell of one thing that goes on: what is so now takes the place of what was.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::TooOld { .. }, Self::TooOld { .. }) | (Self::Many { .. }, Self::Many { .. }) => Some(self.clone()),
            (
                Self::TooOld { .. } | Self::Many { .. } | Self::Proven | Self::NotExpected | Self::Joined | Self::Calm,
                _,
            ) => None,
        }
    }

    /// Whether it tells of something that is wrong.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        match self {
            Self::TooOld { .. } | Self::Many { .. } => true,
            Self::Proven | Self::NotExpected | Self::Joined | Self::Calm => false,
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::TooOld { has_alarm: true, .. } => Severity::Medium,
            Self::Many { with_alarm, .. } if *with_alarm > 0 => Severity::Medium,
            Self::TooOld { .. } | Self::Many { .. } | Self::Proven | Self::NotExpected | Self::Joined | Self::Calm => {
                Severity::Low
            }
        }
    }
}

/// A finding about one home or many.
#[must_use]
pub fn concern(about: &About, home: &str, found: Found) -> Concern {
    Concern {
        finding: Finding {
            case: case_of(about),
            severity: found.severity(),
            confirmed: true,
            weight: Weight::More,
            line: Line::HomeProof(found),
        },
        about: about.clone(),
        person: None,
        home: home.to_owned(),
        record: None,
    }
}

fn case_of(about: &About) -> &'static str {
    if *about == About::ManyHomes { HOMES } else { HOME }
}

/// How old a proof may be, in milliseconds.
fn too_old_ms(config: &Config) -> i64 {
    clock::millis(config.too_old)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60 * 1000;

    #[test]
    fn only_time_counts_in_which_the_box_was_heard_and_a_gateway_listened() {
        let always = Listening::new(vec![(0, 200 * HOUR)]);
        let old = |silences| Old { proven_ms: Some(HOUR), silences, ..old("a") };
        assert!(!old(Vec::new()).is_too_old(&always, 72 * HOUR, 73 * HOUR - 1));
        assert!(old(Vec::new()).is_too_old(&always, 72 * HOUR, 73 * HOUR));

        let away = old(vec![(2 * HOUR, 12 * HOUR), (20 * HOUR, 20 * HOUR + 1)]);
        assert!(!away.is_too_old(&always, 72 * HOUR, 83 * HOUR));
        assert!(away.is_too_old(&always, 72 * HOUR, 83 * HOUR + 1));
        let outage = Listening::new(vec![(0, 10 * HOUR), (30 * HOUR, 200 * HOUR)]);
        assert!(!away.is_too_old(&outage, 72 * HOUR, 101 * HOUR - 1), "both at once count once");
        assert!(away.is_too_old(&outage, 72 * HOUR, 101 * HOUR));
    }

    #[test]
    fn a_home_that_was_never_proven_is_told_of_by_when_its_first_test_came() {
        let never = Old { proven_ms: None, first_ms: HOUR, ..old("a") };
        let always = Listening::new(vec![(0, 200 * HOUR)]);
        assert!(
            !never.is_too_old(&always, 72 * HOUR, 73 * HOUR - 1) && never.is_too_old(&always, 72 * HOUR, 73 * HOUR)
        );
    }

    #[test]
    fn ten_homes_are_one_case_until_fewer_than_five_are_left() {
        let homes = |count: usize| -> Vec<Old> { (0..count).map(|n| old(&n.to_string())).collect() };
        let told = |count, is_storm| judge(&homes(count), 100, is_storm, &silent_home::Config::default(), 72 * HOUR);
        assert_eq!(told(9, false).len(), 9);
        for (count, is_storm) in [(10, false), (5, true)] {
            let told = told(count, is_storm);
            let found = Found::Many { homes: count as u64, with_alarm: 0, too_old_ms: 72 * HOUR };
            assert_eq!(told[&About::ManyHomes], ("home 0".to_owned(), found));
            assert_eq!(told.len(), 1);
        }
        assert_eq!(told(4, true).len(), 4);
        assert!(told(0, true).is_empty());
    }

    #[test]
    fn settings_that_would_accuse_every_home_are_refused() {
        let config =
            |every, too_old| Config { every: Duration::from_secs(every), too_old: Duration::from_secs(too_old) };
        assert_eq!(Config::default().check(), Ok(()));
        assert_eq!((config(0, 0).check(), config(0, 0).every_s()), (Ok(()), None));
        assert!(config(60, 90).check().is_err_and(|why| why.contains("twice")));
        assert!(Config { every: Duration::from_millis(5), ..Config::default() }.check().is_err());
    }

    pub(super) fn old(agent: &str) -> Old {
        Old {
            agent: agent.to_owned(),
            home: format!("home {agent}"),
            has_alarm: false,
            proven_ms: Some(0),
            first_ms: 0,
            stopped: None,
            silences: Vec::new(),
        }
    }
}
