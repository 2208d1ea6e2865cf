//! The rules. Each is one folder: what it judges, its settings, its words and its scenarios.
//!
//! A rule is a function of facts: of one record, or, when a session is over or a part of the day has ended, of what came
//! before. It may fail, even panic: what it judged is stored all the same, and an alert says so.

pub mod above_limit;
pub mod alarm_pressed;
pub mod below_limit;
pub mod blood_pressure_average;
pub mod books_do_not_balance;
pub mod certificate_expiring;
pub mod clock_wrong;
pub mod irregular_pulse;
pub mod late;
pub mod limits;
pub mod missed_reading;
pub mod silent_home;
#[cfg(test)]
mod testing;
pub mod vital;
pub mod weight_gain;
pub mod worsening_trend;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use hempuls_protocol::observation::Observation;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use self::limits::Side;
use self::vital::Vital;
use super::health::ailments;
use super::line::Reader;
use super::{Finding, Line};
use crate::clock;
use crate::config::duration;
use crate::plan::AtMoment;
use crate::trends::{Past, Session};

/// The case of a child for whom nobody has set limits.
pub const PLAN_MISSING: &str = "plan_missing";

/// What a rule makes of one record, or of what came before.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// Nothing that anybody must act on. What the rule was waiting for is settled.
    Fine,
    /// The rule does not know.
    Unsure(Doubt),
    /// Someone must act.
    Concern(Finding),
    /// What its open case is about is over: this is said there.
    Over(Line),
}

/// Why a rule does not know.
#[derive(Clone, PartialEq, Debug)]
pub enum Doubt {
    /// The record says nothing that this rule judges. What it was waiting for stays as it is.
    NotMine,
    /// It noticed something and waits for more.
    Waiting(Waiting),
    /// She is a child, and nobody has said what is too much for her.
    NoLimitsForChild,
    /// Nothing was heard of her home since: what is missing may wait there.
    HomeSilent,
    /// Something is missing, and she is reminded of it first.
    Reminded,
}

/// What a rule waits for: on the work list from the first moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// When what it noticed was measured.
    pub since_ms: i64,
    /// When it waits no longer.
    pub due_ms: i64,
    /// How many repeats have come.
    pub got: u32,
    /// How many it waits for.
    pub wanted: u32,
    /// What it remembers, in its own form.
    pub memory: String,
}

/// The facts about one record.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// What came.
    pub what: What<'a>,
    /// Whether a person is known whose it is.
    pub has_person: bool,
    /// When it was measured or pressed, where that is known.
    pub measured_ms: Option<i64>,
    /// Her plan as it was then.
    pub plan: AtMoment<'a>,
    /// What the rule waits for about this person.
    pub waiting: Option<&'a Waiting>,
    /// What the rule remembers about this person.
    pub memory: Option<&'a str>,
    /// Whether a confirmed case of this rule about this person is open.
    pub has_confirmed_case: bool,
    /// Now: when it is being stored.
    pub now_ms: i64,
}

impl Facts<'_> {
    /// Whether it reached us too late for an alert.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.measured_ms.is_some_and(|at_ms| self.now_ms - at_ms > late::LATE_MS)
    }
}

/// What came.
#[derive(Clone, Debug)]
pub enum What<'a> {
    /// Measured values.
    Reading(&'a [Observation]),
    /// A press.
    Alarm(alarm_pressed::Press),
}

/// What came before, for rules that look back.
#[derive(Clone, Debug)]
pub struct Lookback<'a> {
    /// Her plan as it is.
    pub plan: AtMoment<'a>,
    /// Since when she is asked to measure as she is.
    pub plan_from_ms: i64,
    /// Her usable values, the oldest first, at least as far back as the rule looks.
    pub history: &'a [Past],
    /// The same as sessions of blood pressure.
    pub sessions: &'a [Session],
    /// What the rule remembers about her.
    pub memory: Option<&'a str>,
    /// When her home was last heard.
    pub heard_ms: Option<i64>,
    /// By whose clocks she lives.
    pub zone: &'a TimeZone,
    /// Now.
    pub now_ms: i64,
}

impl Lookback<'_> {
    /// Whether the newest reading of this kind did not come too late for an alert.
    #[must_use]
    pub fn is_fresh(&self, is_it: impl Fn(&Past) -> bool) -> bool {
        let newest = self.history.iter().filter(|past| is_it(past)).map(|past| past.at_ms).max();
        newest.is_some_and(|newest| self.now_ms - newest <= late::LATE_MS)
    }

    /// Whether the rule remembers that it spoke within so long.
    #[must_use]
    pub fn was_said_within(&self, ms: i64) -> bool {
        let said_ms: Option<i64> = self.memory.and_then(|memory| memory.parse().ok());
        said_ms.is_some_and(|said_ms| self.now_ms - said_ms < ms)
    }
}

/// A rule.
pub trait Rule: Send + Sync {
    /// Its name in the store.
    fn name(&self) -> &'static str;

    /// Judges one record.
    fn judge(&self, _facts: &Facts<'_>) -> Verdict {
        Verdict::Unsure(Doubt::NotMine)
    }

    /// What it remembers after that verdict; none: what it did before.
    fn remembers(&self, _facts: &Facts<'_>, _verdict: &Verdict) -> Option<String> {
        None
    }

    /// What it makes of it that what it waited for did not come in time.
    fn overdue(&self, _waiting: &Waiting) -> Option<Finding> {
        None
    }

    /// Whether what it waits for can no longer be what was measured at `measured_ms`.
    fn is_over(&self, _waiting: &Waiting, _measured_ms: i64) -> bool {
        false
    }

    /// How many days it looks back; none, where it judges single records only.
    fn looks_back_days(&self) -> Option<i64> {
        None
    }

    /// Judges what came before, and says what it remembers of that; none: what it did before.
    fn review(&self, _facts: &Lookback<'_>) -> (Verdict, Option<String>) {
        NOT_MINE
    }
}

/// What a rule makes of days that say nothing that it judges; it remembers what it did before.
const NOT_MINE: (Verdict, Option<String>) = (Verdict::Unsure(Doubt::NotMine), None);

/// The rules in force.
pub type Rules = Vec<Box<dyn Rule>>;

/// The settings of all rules.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long after a reading the rules that look back judge: its session is over then.
    #[serde(deserialize_with = "duration::read")]
    pub review_after: Duration,
    /// Values above a limit.
    pub above_limit: above_limit::Config,
    /// Values below a limit.
    pub below_limit: below_limit::Config,
    /// Homes that fall silent.
    pub silent_home: silent_home::Config,
    /// Clocks that are wrong.
    pub clock_wrong: clock_wrong::Config,
    /// Certificates that are not renewed.
    pub certificate_expiring: certificate_expiring::Config,
    /// Books that do not balance.
    pub books_do_not_balance: books_do_not_balance::Config,
}

impl Default for Config {
    /// Source: clinical-rules §2, the length of a session.
    fn default() -> Self {
        Self {
            review_after: Duration::from_secs(15 * 60),
            above_limit: above_limit::Config::default(),
            below_limit: below_limit::Config::default(),
            silent_home: silent_home::Config::default(),
            clock_wrong: clock_wrong::Config::default(),
            certificate_expiring: certificate_expiring::Config::default(),
            books_do_not_balance: books_do_not_balance::Config::default(),
        }
    }
}

impl Config {
    /// By what boxes' heartbeats are judged, where their certificates live so long.
    #[must_use]
    pub fn of_boxes(&self, certificate_life: Duration) -> ailments::Limits {
        ailments::Limits {
            clock_wrong: self.clock_wrong.clone(),
            certificate_expiring: self.certificate_expiring.clone(),
            certificate_life_ms: clock::millis(certificate_life),
        }
    }

    /// All rules with these settings.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let mut rules: Rules = vec![Box::new(alarm_pressed::AlarmPressed)];
        let limits = above_limit::rules(&self.above_limit).into_iter().chain(below_limit::rules(&self.below_limit));
        rules.extend(limits.map(|rule| Box::new(rule) as Box<dyn Rule>));
        rules.push(Box::new(blood_pressure_average::BloodPressureAverage));
        rules.push(Box::new(worsening_trend::WorseningTrend));
        rules.push(Box::new(irregular_pulse::IrregularPulse));
        rules.push(Box::new(weight_gain::WeightGain));
        rules.push(Box::new(missed_reading::MissedReading));
        rules
    }
}

/// The rules about limits, and what each is about.
const LIMITED: [(&str, Side, Vital); 9] = [
    (above_limit::NAME, Side::Above, Vital::BloodPressure),
    (above_limit::PULSE, Side::Above, Vital::Pulse),
    (above_limit::TEMPERATURE, Side::Above, Vital::Temperature),
    (above_limit::WEIGHT, Side::Above, Vital::Weight),
    (below_limit::NAME, Side::Below, Vital::BloodPressure),
    (below_limit::PULSE, Side::Below, Vital::Pulse),
    (below_limit::OXYGEN, Side::Below, Vital::Oxygen),
    (below_limit::TEMPERATURE, Side::Below, Vital::Temperature),
    (below_limit::WEIGHT, Side::Below, Vital::Weight),
];

/// What a rule about limits is about, by its name.
#[must_use]
pub fn limited_by(rule: &str) -> Option<(Side, Vital)> {
    LIMITED.iter().find(|(name, ..)| *name == rule).map(|(_, side, vital)| (*side, *vital))
}

/// The rule about limits that is about this.
#[must_use]
pub fn name_of(side: Side, vital: Vital) -> Option<&'static str> {
    LIMITED.iter().find(|(_, one_side, one)| (*one_side, *one) == (side, vital)).map(|(name, ..)| *name)
}

/// What a rule waits for, in the reader's words.
#[must_use]
pub fn say_waiting(rule: &str, waiting: &Waiting, reader: &Reader) -> String {
    let (_, vital) = limited_by(rule).unwrap_or_default();
    limits::wording::say_waiting(vital, waiting, reader)
}

/// A rule panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule panicked")]
pub struct Failed;

/// Judges, and says what the rule remembers; survives a rule that panics.
///
/// # Errors
/// [`Failed`], if it did.
pub fn judge(rule: &dyn Rule, facts: &Facts<'_>) -> Result<(Verdict, Option<String>), Failed> {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let verdict = rule.judge(facts);
        let remembers = rule.remembers(facts, &verdict);
        (verdict, remembers)
    }));
    judged.map_err(|_| Failed)
}

/// Judges what came before, surviving a rule that panics.
///
/// # Errors
/// [`Failed`], if it did.
pub fn review(rule: &dyn Rule, facts: &Lookback<'_>) -> Result<(Verdict, Option<String>), Failed> {
    catch_unwind(AssertUnwindSafe(|| rule.review(facts))).map_err(|_| Failed)
}

/// What it makes of a wait that is over, surviving a rule that panics.
///
/// # Errors
/// [`Failed`], if it did.
pub fn overdue(rule: &dyn Rule, waiting: &Waiting) -> Result<Option<Finding>, Failed> {
    catch_unwind(AssertUnwindSafe(|| rule.overdue(waiting))).map_err(|_| Failed)
}
