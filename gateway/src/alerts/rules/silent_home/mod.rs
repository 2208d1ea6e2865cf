//! A home is silent: nothing was heard from its box for too long, so that no alarm from there may get through (P5).
//!
//! Only time counts in which the gateway listened ([`Listening`]). When many homes fall silent at once, one case tells of
//! all of them (a storm: an operator's network is down, or our own), and grows and shrinks with them; what is silent
//! still when it is over gets a case of its own. Nothing here touches the case of a press.
//!
//! What is silent lies in the store, and this decides what changes: nothing is remembered over a restart, or told twice.

pub mod listening;
#[cfg(test)]
mod nights;
pub mod watch;
pub mod wording;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::listening::Listening;
use crate::alerts::{About, Concern, Finding, Line, Severity, Weight};
use crate::clock;
use crate::config::duration;

/// The rule's name, and that of the case of one home.
pub const NAME: &str = "silent_home";

/// The name of the case of many homes.
pub const STORM: &str = "silent_homes";

/// Raised by one whenever the rule judges otherwise than before.
pub const VERSION: u32 = 1;

/// The rule's settings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a home with an alarm device may be silent.
    #[serde(deserialize_with = "duration::read")]
    pub with_alarm: Duration,
    /// How long another home may.
    #[serde(deserialize_with = "duration::read")]
    pub others: Duration,
    /// So many homes that fall silent within `storm_within` are one case,
    pub storm_homes: u32,
    /// if they are also at least so many of a thousand homes in service.
    pub storm_per_mille: u32,
    /// Within which time they count as falling silent at once.
    #[serde(deserialize_with = "duration::read")]
    pub storm_within: Duration,
}

impl Default for Config {
    /// Boxes say something each minute. On ordinary days far fewer than 2 of 1,000 homes fall silent within five minutes.
    fn default() -> Self {
        Self {
            with_alarm: Duration::from_secs(3 * 60),
            others: Duration::from_secs(10 * 60),
            storm_homes: 10,
            storm_per_mille: 2,
            storm_within: Duration::from_secs(5 * 60),
        }
    }
}

impl Config {
    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.with_alarm.is_zero() || self.others.is_zero() || self.storm_homes < 2 {
            return Err("rules.silent_home: a home may be silent for more than no time, and many are at least 2".into());
        }
        Ok(())
    }

    fn limit_ms(&self, has_alarm: bool) -> i64 {
        clock::millis(if has_alarm { self.with_alarm } else { self.others })
    }

    /// So many homes at once are a storm.
    #[must_use]
    pub(crate) fn many(&self, in_service: usize) -> usize {
        let share = in_service.saturating_mul(self.storm_per_mille as usize).div_ceil(1000);
        share.max(self.storm_homes as usize)
    }
}

/// Since when which homes must have been heard.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Homes with an alarm device; none where the gateway has not listened for so long.
    pub with_alarm_ms: Option<i64>,
    /// Other homes, likewise.
    pub others_ms: Option<i64>,
}

impl Limits {
    /// The limits at `now_ms`.
    #[must_use]
    pub fn new(config: &Config, listening: &Listening, now_ms: i64) -> Self {
        let since = |has_alarm| listening.since(config.limit_ms(has_alarm), now_ms);
        Self { with_alarm_ms: since(true), others_ms: since(false) }
    }

    /// Whoever was heard after this is not silent, whatever its home has; none where nobody can be called silent.
    #[must_use]
    pub fn latest_ms(&self) -> Option<i64> {
        self.with_alarm_ms.max(self.others_ms)
    }

    fn are_passed_by(&self, quiet: &Quiet) -> bool {
        let limit = if quiet.has_alarm { self.with_alarm_ms } else { self.others_ms };
        limit.is_some_and(|limit| quiet.heard_ms <= limit)
    }
}

/// A box in service that was last heard some time ago, and is not known to be silent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quiet {
    /// Which.
    pub agent: String,
    /// In which home.
    pub home: String,
    /// When it was last heard, or enrolled after that.
    pub heard_ms: i64,
    /// Whether it was ever heard since it was enrolled.
    pub was_heard: bool,
    /// Whether its home has an alarm device.
    pub has_alarm: bool,
}

/// A box that is known to be silent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Silent {
    /// Which.
    pub agent: String,
    /// In which home.
    pub home: String,
    /// When it was last heard, or enrolled after that.
    pub heard_ms: i64,
    /// When that was noticed.
    pub noticed_ms: i64,
    /// Whether it was ever heard since it was enrolled.
    pub was_heard: bool,
    /// Whether its home has an alarm device.
    pub has_alarm: bool,
    /// Whether the case of many tells of it.
    pub in_storm: bool,
    /// Why it is so no longer, where it is not.
    pub over: Option<Over>,
}

/// Why a box is silent no longer.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Over {
    /// It was heard again.
    Heard {
        /// When.
        at_ms: i64,
    },
    /// It was retired or cut off: nothing is expected from it.
    OutOfService,
}

/// All there is to know at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scene {
    /// Boxes that may have become silent.
    pub quiet: Vec<Quiet>,
    /// Boxes that were silent a moment ago.
    pub silent: Vec<Silent>,
    /// How many homes have a box in service.
    pub in_service: usize,
    /// Whether more has changed, and is to be looked at next.
    pub is_partial: bool,
}

/// What has to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// A box is silent from here on.
    Begin {
        /// Which.
        quiet: Quiet,
        /// Whether the case of many tells of it; else it gets one of its own.
        in_storm: bool,
    },
    /// A box is silent no longer. Its own case, if it has one, says so.
    End {
        /// Which.
        silent: Silent,
        /// Why.
        over: Over,
    },
    /// The case of many tells of this box from here on, and its own no more.
    Join(Silent),
    /// The case of many tells of this box no more, and one of its own does.
    Leave(Silent),
    /// What the case of many says now.
    Storm {
        /// In the home that was silent first.
        home: String,
        /// What it says.
        found: Found,
        /// Whether more homes are silent than before: somebody must know, whoever has closed the case meanwhile.
        has_grown: bool,
    },
}

impl Effect {
    /// The home that looks otherwise afterwards.
    #[must_use]
    pub fn home(&self) -> Option<&str> {
        match self {
            Self::Begin { quiet, .. } => Some(&quiet.home),
            Self::End { silent, .. } | Self::Join(silent) | Self::Leave(silent) => Some(&silent.home),
            Self::Storm { .. } => None,
        }
    }
}

/// What changes.
#[must_use]
pub fn judge(scene: &Scene, limits: &Limits, config: &Config, now_ms: i64) -> Vec<Effect> {
    let due: Vec<&Quiet> = scene.quiet.iter().filter(|quiet| limits.are_passed_by(quiet)).collect();
    let ended = scene.silent.iter().filter_map(|silent| {
        let over = silent.over?;
        Some(Effect::End { silent: silent.clone(), over })
    });
    let mut effects: Vec<Effect> = ended.collect();
    let is_storm = scene.silent.iter().any(|silent| silent.in_storm);
    let still: Vec<&Silent> = scene.silent.iter().filter(|silent| silent.over.is_none()).collect();
    let (members, own): (Vec<&Silent>, Vec<&Silent>) = still.into_iter().partition(|silent| silent.in_storm);
    let recent: Vec<&Silent> =
        own.into_iter().filter(|silent| silent.noticed_ms > now_ms - clock::millis(config.storm_within)).collect();
    let many = config.many(scene.in_service);
    let news = homes(recent.iter().map(|silent| &silent.home).chain(due.iter().map(|quiet| &quiet.home)));
    let becomes_storm = news >= many;
    let together = homes(members.iter().map(|silent| &silent.home).chain(due.iter().map(|quiet| &quiet.home)));
    let goes_on = becomes_storm || (is_storm && together * 2 >= many);
    let begin = |in_storm| due.iter().map(move |quiet| Effect::Begin { quiet: (*quiet).clone(), in_storm });
    if !goes_on {
        effects.extend(begin(false));
        if is_storm {
            effects.extend(members.iter().map(|silent| Effect::Leave((*silent).clone())));
            let home = scene.silent.iter().filter(|silent| silent.in_storm).min_by_key(|silent| silent.heard_ms);
            let found = Found::Calm { still: members.len() as u64, at_ms: now_ms };
            effects.extend(home.map(|first| Effect::Storm { home: first.home.clone(), found, has_grown: false }));
        }
        return effects;
    }
    let joining: Vec<&Silent> = if becomes_storm { recent } else { Vec::new() };
    let has_shrunk = scene.silent.iter().any(|silent| silent.in_storm && silent.over.is_some());
    if due.is_empty() && joining.is_empty() && !has_shrunk {
        return effects;
    }
    effects.extend(begin(true));
    effects.extend(joining.iter().map(|silent| Effect::Join((*silent).clone())));
    let all = members.iter().chain(&joining).map(|silent| (&silent.home, silent.heard_ms, silent.has_alarm));
    let all: Vec<_> = all.chain(due.iter().map(|quiet| (&quiet.home, quiet.heard_ms, quiet.has_alarm))).collect();
    if let Some((home, since_ms, _)) = all.iter().min_by_key(|(_, heard_ms, _)| *heard_ms) {
        let found = Found::Many {
            silent: homes(all.iter().map(|(home, _, _)| *home)) as u64,
            with_alarm: homes(all.iter().filter(|(_, _, has_alarm)| *has_alarm).map(|(home, _, _)| *home)) as u64,
            since_ms: *since_ms,
            at_ms: now_ms,
        };
        let has_grown = !due.is_empty() || !joining.is_empty();
        effects.push(Effect::Storm { home: (*home).clone(), found, has_grown });
    }
    effects
}

/// How many different homes these are.
fn homes<'a>(homes: impl Iterator<Item = &'a String>) -> usize {
    homes.collect::<BTreeSet<_>>().len()
}

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Found {
    /// A home is silent.
    Silent {
        /// When its box was last heard, or enrolled.
        heard_ms: i64,
        /// Whether it was ever heard since it was enrolled.
        was_heard: bool,
        /// How long it may be silent.
        limit_ms: i64,
        /// Whether the home has an alarm device.
        has_alarm: bool,
    },
    /// It was heard again.
    Heard {
        /// When its box had been heard last before.
        silent_since_ms: i64,
        /// When it was heard again.
        at_ms: i64,
    },
    /// Its box was retired or cut off.
    OutOfService,
    /// The case of many tells of it from here on.
    Joined,
    /// Many homes are silent.
    Many {
        /// How many.
        silent: u64,
        /// How many of them have an alarm device.
        with_alarm: u64,
        /// When the first of them was last heard.
        since_ms: i64,
        /// When this was so.
        at_ms: i64,
    },
    /// They are no longer many.
    Calm {
        /// So many boxes are silent still.
        still: u64,
        /// When this was so.
        at_ms: i64,
    },
}

impl Found {
    /// The two as one, where an earlier and a later tell of one thing that goes on.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::Many { .. }, Self::Many { .. }) => Some(self.clone()),
            (_, _) => None,
        }
    }

    fn severity(&self) -> Severity {
        match self {
            Self::Silent { has_alarm: true, .. } => Severity::High,
            Self::Many { with_alarm, .. } if *with_alarm > 0 => Severity::High,
            Self::Silent { .. } | Self::Many { .. } => Severity::Medium,
            Self::Heard { .. } | Self::OutOfService | Self::Joined | Self::Calm { .. } => Severity::Low,
        }
    }
}

/// The case of one home. A new silence of a home with an alarm device rings whatever else was known.
#[must_use]
pub fn concern(agent: &str, home: &str, found: Found) -> Concern {
    let weight = match &found {
        Found::Silent { has_alarm: true, .. } => Weight::AskedAgain,
        _ => Weight::More,
    };
    about(NAME, About::Agent(agent.to_owned()), home, weight, found)
}

/// The case of many homes.
#[must_use]
pub fn storm(home: &str, found: Found) -> Concern {
    about(STORM, About::ManyHomes, home, Weight::More, found)
}

fn about(case: &'static str, about: About, home: &str, weight: Weight, found: Found) -> Concern {
    Concern {
        finding: Finding {
            case,
            severity: found.severity(),
            confirmed: true,
            weight,
            line: Line::SilentHome { version: VERSION, found },
        },
        about,
        person: None,
        home: home.to_owned(),
        record: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_home_with_an_alarm_device_is_silent_after_three_minutes_and_another_after_ten() {
        let limits = limits(10 * MINUTE);
        let scene = |quiet| Scene { quiet: vec![quiet], in_service: 100, ..Scene::default() };
        let begins = |quiet| !judge(&scene(quiet), &limits, &Config::default(), 10 * MINUTE).is_empty();

        assert!(begins(quiet(1, 7 * MINUTE, true)));
        assert!(!begins(quiet(1, 7 * MINUTE + 1, true)));
        assert!(begins(quiet(1, 0, false)));
        assert!(!begins(quiet(1, 1, false)));
    }

    #[test]
    fn ten_homes_at_once_are_one_case_and_take_the_cases_of_the_first_with_them() {
        let now_ms = 20 * MINUTE;
        let silent: Vec<_> = (0..4).map(|n| silent(n, now_ms - MINUTE, false)).collect();
        let old = self::silent(99, now_ms - 6 * MINUTE, false);
        let quiet: Vec<_> = (10..16).map(|n| quiet(n, now_ms - 5 * MINUTE, n == 15)).collect();
        let scene =
            Scene { quiet, silent: silent.iter().cloned().chain([old]).collect(), in_service: 1000, is_partial: false };

        let config = Config { others: minutes(4), ..Config::default() };
        let limits = Limits::new(&config, &Listening::new(vec![(0, now_ms)]), now_ms);
        let effects = judge(&scene, &limits, &config, now_ms);
        assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Begin { in_storm: true, .. })).count(), 6);
        assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Join(_))).count(), 4);
        let said = effects.iter().find_map(|effect| match effect {
            Effect::Storm { found, .. } => Some(storm("h", found.clone()).finding),
            _ => None,
        });
        let said = said.unwrap();
        assert_eq!(said.severity, Severity::High, "one of them has an alarm device");
        assert!(matches!(said.line, Line::SilentHome { found: Found::Many { silent: 10, with_alarm: 1, .. }, .. }));
    }

    #[test]
    fn ten_homes_of_twenty_thousand_are_ten_cases() {
        let now_ms = 20 * MINUTE;
        let scene = |in_service| Scene {
            quiet: (0..10).map(|n| quiet(n, now_ms - 10 * MINUTE, false)).collect(),
            in_service,
            ..Scene::default()
        };
        let own = |in_service| {
            let effects = judge(&scene(in_service), &limits(now_ms), &Config::default(), now_ms);
            effects.iter().filter(|effect| matches!(effect, Effect::Begin { in_storm: false, .. })).count()
        };
        assert_eq!((own(5_000), own(20_000)), (0, 10));
    }

    #[test]
    fn what_is_silent_after_the_storm_gets_a_case_of_its_own() {
        let now_ms = 20 * MINUTE;
        let over = Some(Over::Heard { at_ms: now_ms });
        let member = |n: usize| Silent { over: over.filter(|_| n > 3), ..silent(n, now_ms - 2 * MINUTE, true) };
        let scene =
            |still: usize| Scene { silent: (4 - still..12).map(member).collect(), in_service: 100, ..Scene::default() };
        let effects = judge(&scene(4), &limits(now_ms), &Config::default(), now_ms);
        assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::End { .. })).count(), 8);
        assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Leave(_))).count(), 4);
        let calm = Found::Calm { still: 4, at_ms: now_ms };
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Storm { found, .. } if *found == calm)));

        let everybody = judge(&scene(0), &limits(now_ms), &Config::default(), now_ms);
        assert!(!everybody.iter().any(|effect| matches!(effect, Effect::Leave(_))));
    }

    #[test]
    fn a_storm_in_which_nothing_changes_writes_nothing() {
        let now_ms = 20 * MINUTE;
        let silent = (0..12).map(|n| silent(n, now_ms - 2 * MINUTE, true)).collect();
        let scene = Scene { silent, in_service: 100, ..Scene::default() };
        assert_eq!(judge(&scene, &limits(now_ms), &Config::default(), now_ms), []);
    }

    fn limits(now_ms: i64) -> Limits {
        Limits::new(&Config::default(), &Listening::new(vec![(0, now_ms)]), now_ms)
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn quiet(n: usize, heard_ms: i64, has_alarm: bool) -> Quiet {
        Quiet { agent: format!("a{n}"), home: format!("h{n}"), heard_ms, was_heard: true, has_alarm }
    }

    fn silent(n: usize, noticed_ms: i64, in_storm: bool) -> Silent {
        Silent {
            agent: format!("a{n}"),
            home: format!("h{n}"),
            heard_ms: noticed_ms - 3 * MINUTE,
            noticed_ms,
            was_heard: true,
            has_alarm: false,
            in_storm,
            over: None,
        }
    }
}
