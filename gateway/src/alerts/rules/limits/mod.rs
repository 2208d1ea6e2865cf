//! A value beyond a limit, confirmed by repeats before it is an alert: what the rules above and below a limit share.
//!
//! The first value beyond is on the work list at once, as waiting for its repeats. When they have come, the mean of the last
//! two decides (where one is asked for, that one). When they do not come in time, there is an *unconfirmed* alert, one step
//! less urgent. While a confirmed case is open, each further value beyond belongs to it, and it says when two values in a
//! row were back inside by a margin. A value that the device itself doubts is never judged: it asks for a repeat.
//!
//! Source: clinical-rules §5, §8 and §9.

pub mod wording;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::vital::{Values, Vital};
use super::{Doubt, Facts, Rule, Verdict, Waiting, What, late};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::clock;
use crate::plan::{AtMoment, Limit, Tenths};

/// Raised by one whenever these rules judge otherwise than before.
const VERSION: u32 = 2;

/// So many readings in a row have to be back inside.
///
/// Source: clinical-rules §9.2.
const BACK: u8 = 2;

/// On which side of a limit a value concerns somebody.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// From the limit on.
    #[default]
    Above,
    /// Below the limit.
    Below,
}

/// One rule: one vital sign on one side of its limits.
#[derive(Clone, Debug)]
pub struct Beyond {
    /// Its name, and that of its cases.
    pub name: &'static str,
    /// On which side.
    pub side: Side,
    /// Of what.
    pub vital: Vital,
    /// How soon someone must act.
    pub severity: Severity,
    /// How many repeats are asked for. With 0, one reading is enough.
    pub repeats: u32,
    /// How long they are waited for.
    pub repeat_within: Duration,
}

/// The limits of one rule for one person, for each of a vital sign's values.
type Limits = [Option<Tenths>; 2];

/// One reading, as a rule remembers it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// When it was measured.
    pub at_ms: i64,
    /// Its values.
    #[serde(alias = "pressure")]
    pub values: Values,
    /// Whether the device itself doubts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_doubtful: bool,
}

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rules' version.
    pub version: u32,
    /// On which side of the limits.
    #[serde(default)]
    pub side: Side,
    /// Of what.
    #[serde(default)]
    pub vital: Vital,
    /// The limits it was judged by.
    #[serde(alias = "limit")]
    pub limits: Vec<Option<Tenths>>,
    /// What was found.
    pub what: Exceeded,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exceeded {
    /// The repeats are beyond the limit as well.
    Confirmed {
        /// The first reading beyond it.
        first: Measured,
        /// The mean of the last two repeats, or the one repeat that was asked for.
        mean: Values,
    },
    /// The repeats did not come in time.
    Unconfirmed {
        /// The first reading beyond it.
        first: Measured,
        /// How many came.
        got: u32,
        /// How many were asked for.
        wanted: u32,
        /// How long they were waited for.
        within_ms: i64,
    },
    /// One more, while the case is open.
    Still(Measured),
    /// Two readings in a row are back inside.
    Back(Measured),
}

impl Beyond {
    fn limits(&self, plan: &AtMoment<'_>) -> Limits {
        let (first, second) = self.limit_names();
        [first.and_then(|limit| plan.limit(limit)), second.and_then(|limit| plan.limit(limit))]
    }

    fn limit_names(&self) -> (Option<Limit>, Option<Limit>) {
        match (self.side, self.vital) {
            (Side::Above, Vital::BloodPressure) => (Some(Limit::SystolicAbove), Some(Limit::DiastolicAbove)),
            (Side::Below, Vital::BloodPressure) => (Some(Limit::SystolicBelow), Some(Limit::DiastolicBelow)),
            (Side::Above, Vital::Pulse) => (Some(Limit::PulseAbove), None),
            (Side::Below, Vital::Pulse) => (Some(Limit::PulseBelow), None),
            (Side::Above, Vital::Oxygen) => (None, None),
            (Side::Below, Vital::Oxygen) => (Some(Limit::OxygenBelow), None),
            (Side::Above, Vital::Temperature) => (Some(Limit::TemperatureAbove), None),
            (Side::Below, Vital::Temperature) => (Some(Limit::TemperatureBelow), None),
            (Side::Above, Vital::Weight) => (Some(Limit::WeightAbove), None),
            (Side::Below, Vital::Weight) => (Some(Limit::WeightBelow), None),
        }
    }

    /// Whether a value lies beyond its limit, moved inwards by `margin` tenths.
    fn is_beyond(&self, values: &Values, limits: Limits, margin: i64) -> bool {
        let pairs = values.of_vital(self.vital).into_iter().zip(limits);
        pairs.into_iter().any(|(value, limit)| match (value, limit, self.side) {
            (Some(value), Some(Tenths(limit)), Side::Above) => value >= limit - margin,
            (Some(value), Some(Tenths(limit)), Side::Below) => value < limit + margin,
            (_, _, _) => false,
        })
    }

    /// How far inside a value must be to be back, in tenths.
    ///
    /// Source: clinical-rules §9.2; temperature and weight are our default.
    fn margin(&self) -> i64 {
        match self.vital {
            Vital::BloodPressure | Vital::Pulse => 50,
            Vital::Oxygen => 20,
            Vital::Temperature | Vital::Weight => 5,
        }
    }

    /// How soon someone must act about these values.
    ///
    /// Source: clinical-rules §8, OX-1.
    fn severity(&self, plan: &AtMoment<'_>, values: &Values) -> Severity {
        let critical = plan.limit(Limit::OxygenCritical).filter(|_| self.vital == Vital::Oxygen);
        match (critical, values.oxygen) {
            (Some(Tenths(critical)), Some(oxygen)) if oxygen < critical => Severity::High,
            (_, _) => self.severity,
        }
    }

    fn line(&self, limits: Limits, what: Exceeded) -> Line {
        let limits = limits.to_vec();
        Line::BeyondLimit(Found { version: VERSION, side: self.side, vital: self.vital, limits, what })
    }

    fn finding(&self, severity: Severity, confirmed: bool, line: Line) -> Verdict {
        Verdict::Concern(Finding { case: self.name, severity, confirmed, weight: Weight::More, line })
    }

    fn wait(&self, memory: &Memory, due_ms: i64) -> Verdict {
        let Some(first) = memory.readings.first() else { return Verdict::Fine };
        let repeats = if first.is_doubtful { 0 } else { memory.readings.len() - 1 };
        Verdict::Unsure(Doubt::Waiting(Waiting {
            since_ms: first.at_ms,
            due_ms,
            got: u32::try_from(repeats).unwrap_or(u32::MAX),
            wanted: self.repeats.max(1),
            memory: serde_json::to_string(memory).expect("numbers can be written"),
        }))
    }

    fn settle(&self, readings: &[Measured], limits: Limits, plan: &AtMoment<'_>) -> Verdict {
        let Some(first) = readings.first() else { return Verdict::Fine };
        let repeats = if readings.len() > 1 { &readings[1..] } else { readings };
        let last_two: Vec<Values> = repeats.iter().rev().take(2).map(|reading| reading.values).collect();
        let mean = Values::mean(&last_two);
        if !self.is_beyond(&mean, limits, 0) {
            return Verdict::Fine;
        }
        let what = Exceeded::Confirmed { first: *first, mean };
        self.finding(self.severity(plan, &mean), true, self.line(limits, what))
    }

    /// A reading while a confirmed case is open and the values were not back yet.
    fn go_on(&self, reading: Measured, limits: Limits, facts: &Facts<'_>) -> Verdict {
        if self.is_beyond(&reading.values, limits, 0) {
            let severity = self.severity(&facts.plan, &reading.values);
            return self.finding(severity, true, self.line(limits, Exceeded::Still(reading)));
        }
        let is_back = !self.is_beyond(&reading.values, limits, self.margin()) && inside(facts) + 1 >= BACK;
        if is_back { Verdict::Over(self.line(limits, Exceeded::Back(reading))) } else { Verdict::Fine }
    }
}

/// What is kept while a rule waits: the readings so far, and the plan's limits then, for who reads the work list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Memory {
    readings: Vec<Measured>,
    limits: Limits,
    severity: Severity,
}

impl Rule for Beyond {
    fn name(&self) -> &'static str {
        self.name
    }

    fn judge(&self, facts: &Facts<'_>) -> Verdict {
        const NOT_MINE: Verdict = Verdict::Unsure(Doubt::NotMine);
        let What::Reading(observations) = facts.what else { return NOT_MINE };
        let (Some(at_ms), true) = (facts.measured_ms, facts.has_person) else { return NOT_MINE };
        let usable = Values::of(observations, false);
        let is_doubtful = !usable.has(self.vital);
        let values = if is_doubtful { Values::of(observations, true) } else { usable };
        if !values.has(self.vital) {
            return NOT_MINE;
        }
        let limits = self.limits(&facts.plan);
        if limits == [None, None] {
            let (first, second) = self.limit_names();
            let lacks = [first, second].into_iter().flatten().any(|limit| facts.plan.lacks_for_child(limit));
            return if lacks { Verdict::Unsure(Doubt::NoLimitsForChild) } else { NOT_MINE };
        }
        let reading = Measured { at_ms, values, is_doubtful };
        let is_beyond = self.is_beyond(&values, limits, 0);
        if facts.is_late() {
            let is_for_review = is_beyond && !is_doubtful;
            return if is_for_review { late::verdict(self, limits.to_vec(), reading) } else { NOT_MINE };
        }
        if facts.has_confirmed_case && !is_doubtful && facts.waiting.is_none() && inside(facts) < BACK {
            return self.go_on(reading, limits, facts);
        }
        let due_ms = facts.now_ms + clock::millis(self.repeat_within);
        let severity = self.severity(&facts.plan, &values);
        let Some(waiting) = facts.waiting else {
            return match (is_beyond, is_doubtful, self.repeats) {
                (false, _, _) => Verdict::Fine,
                (true, false, 0) => self.settle(&[reading], limits, &facts.plan),
                (true, _, _) => self.wait(&Memory { readings: vec![reading], limits, severity }, due_ms),
            };
        };
        let mut memory = remember(waiting);
        if is_doubtful || memory.readings.last().is_some_and(|last| last.at_ms >= at_ms) {
            return NOT_MINE;
        }
        memory.readings.retain(|reading| !reading.is_doubtful);
        memory.readings.push(reading);
        memory.severity = memory.severity.max(severity);
        if memory.readings.len() == 1 && !is_beyond {
            Verdict::Fine
        } else if memory.readings.len() > self.repeats as usize {
            self.settle(&memory.readings, limits, &facts.plan)
        } else {
            self.wait(&memory, waiting.due_ms)
        }
    }

    fn remembers(&self, facts: &Facts<'_>, verdict: &Verdict) -> Option<String> {
        let is_inside = || match facts.what {
            What::Reading(observations) => {
                let usable = Values::of(observations, false);
                usable.has(self.vital) && !self.is_beyond(&usable, self.limits(&facts.plan), self.margin())
            }
            What::Alarm(_) => false,
        };
        let inside = match verdict {
            Verdict::Concern(finding) if finding.case == self.name => 0,
            Verdict::Over(_) => BACK,
            Verdict::Fine if facts.has_confirmed_case && inside(facts) < BACK => u8::from(is_inside()),
            Verdict::Fine | Verdict::Concern(_) | Verdict::Unsure(_) => return None,
        };
        Some(inside.to_string())
    }

    fn overdue(&self, waiting: &Waiting) -> Option<Finding> {
        let memory = remember(waiting);
        let first = *memory.readings.first().filter(|first| !first.is_doubtful)?;
        let (got, wanted) = (waiting.got, waiting.wanted);
        let what = Exceeded::Unconfirmed { first, got, wanted, within_ms: clock::millis(self.repeat_within) };
        let severity = memory.severity.lowered();
        let line = self.line(memory.limits, what);
        Some(Finding { case: self.name, severity, confirmed: false, weight: Weight::More, line })
    }

    fn is_over(&self, waiting: &Waiting, measured_ms: i64) -> bool {
        measured_ms - waiting.since_ms > clock::millis(self.repeat_within)
    }
}

/// How many readings in a row were inside since the case was confirmed.
fn inside(facts: &Facts<'_>) -> u8 {
    facts.memory.and_then(|memory| memory.parse().ok()).unwrap_or(0)
}

fn remember(waiting: &Waiting) -> Memory {
    serde_json::from_str(&waiting.memory).expect("the rule reads what it wrote")
}

/// The first reading that a rule waits with.
pub(crate) fn first(waiting: &Waiting) -> Option<Measured> {
    let memory: Memory = serde_json::from_str(&waiting.memory).ok()?;
    memory.readings.first().copied()
}
