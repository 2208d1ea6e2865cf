//! The rules. Each is one folder: what it judges, its settings, its words and its scenarios.
//!
//! A rule is a function of facts. It may fail, even panic: what it judged is stored all the same, and an alert says so.

pub mod above_limit;
pub mod alarm_pressed;

use std::panic::{AssertUnwindSafe, catch_unwind};

use hempuls_protocol::observation::Observation;
use serde::{Deserialize, Serialize};

use super::Finding;

/// What a rule makes of one record.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// Nothing that anybody must act on. What the rule was waiting for is settled.
    Fine,
    /// The rule does not know.
    Unsure(Doubt),
    /// Someone must act.
    Concern(Finding),
}

/// Why a rule does not know.
#[derive(Clone, PartialEq, Debug)]
pub enum Doubt {
    /// The record says nothing that this rule judges. What it was waiting for stays as it is.
    NotMine,
    /// It noticed something and waits for more.
    Waiting(Waiting),
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
    /// What the rule waits for about this person.
    pub waiting: Option<&'a Waiting>,
    /// Now: when it is being stored.
    pub now_ms: i64,
}

/// What came.
#[derive(Clone, Debug)]
pub enum What<'a> {
    /// Measured values.
    Reading(&'a [Observation]),
    /// A press.
    Alarm(alarm_pressed::Press),
}

/// A rule.
pub trait Rule: Send + Sync {
    /// Its name in the store.
    fn name(&self) -> &'static str;

    /// Judges one record.
    fn judge(&self, facts: &Facts<'_>) -> Verdict;

    /// What it makes of it that what it waited for did not come in time.
    fn overdue(&self, waiting: &Waiting) -> Option<Finding>;

    /// Whether what it waits for can no longer be what was measured at `measured_ms`.
    fn is_over(&self, waiting: &Waiting, measured_ms: i64) -> bool;
}

/// The rules in force.
pub type Rules = Vec<Box<dyn Rule>>;

/// The settings of all rules.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Blood pressure above a limit.
    pub above_limit: above_limit::Config,
}

impl Config {
    /// All rules with these settings.
    #[must_use]
    pub fn rules(&self) -> Rules {
        vec![Box::new(alarm_pressed::AlarmPressed), Box::new(above_limit::AboveLimit::new(self.above_limit.clone()))]
    }
}

/// A rule panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule panicked")]
pub struct Failed;

/// Judges, and survives a rule that panics.
///
/// # Errors
/// [`Failed`], if it did.
pub fn judge(rule: &dyn Rule, facts: &Facts<'_>) -> Result<Verdict, Failed> {
    catch_unwind(AssertUnwindSafe(|| rule.judge(facts))).map_err(|_| Failed)
}

/// What it makes of a wait that is over, surviving a rule that panics.
///
/// # Errors
/// [`Failed`], if it did.
pub fn overdue(rule: &dyn Rule, waiting: &Waiting) -> Result<Option<Finding>, Failed> {
    catch_unwind(AssertUnwindSafe(|| rule.overdue(waiting))).map_err(|_| Failed)
}
