//! A home in which one rule judges minute by minute, and a person whom one rule judges day by day.

use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};
use jiff::tz::TimeZone;

use super::limits::Beyond;
use super::{Doubt, Facts, Lookback, Rule, Verdict, Waiting, What, late};
use crate::alerts::Finding;
use crate::plan::Plan;
use crate::trends::tests::{DAY, SEVEN};
use crate::trends::{self, Past};

pub(super) const MINUTE: i64 = 60_000;
pub(super) const NOON: i64 = 1_800_014_400_000; // 2027-01-15T12:00:00Z

pub(super) struct Home {
    rule: Beyond,
    plan: Plan,
    waiting: Option<Waiting>,
    memory: Option<String>,
    has_confirmed_case: bool,
}

impl Home {
    pub(super) fn of(rule: Beyond) -> Self {
        Self { rule, plan: Plan::default(), waiting: None, memory: None, has_confirmed_case: false }
    }

    pub(super) fn with(self, plan: Plan) -> Self {
        Self { plan, ..self }
    }

    /// A reading, and what the rule makes of it. What it waits for and remembers is kept as the store keeps it.
    pub(super) fn measure(&mut self, minute: i64, observations: &[Observation]) -> Verdict {
        let at_ms = NOON + minute * MINUTE;
        if self.waiting.as_ref().is_some_and(|waiting| self.rule.is_over(waiting, at_ms)) {
            self.waiting = None;
        }
        self.judge(at_ms, at_ms, observations)
    }

    pub(super) fn measure_late(&mut self, observations: &[Observation]) -> Verdict {
        self.judge(NOON, NOON + late::LATE_MS + 1, observations)
    }

    fn judge(&mut self, at_ms: i64, now_ms: i64, observations: &[Observation]) -> Verdict {
        let facts = Facts {
            what: What::Reading(observations),
            has_person: true,
            measured_ms: Some(at_ms),
            plan: self.plan.at(at_ms, &TimeZone::UTC),
            waiting: self.waiting.as_ref(),
            memory: self.memory.as_deref(),
            has_confirmed_case: self.has_confirmed_case,
            now_ms,
        };
        let verdict = self.rule.judge(&facts);
        let remembers = self.rule.remembers(&facts, &verdict);
        self.memory = remembers.or(self.memory.take());
        match &verdict {
            Verdict::Unsure(Doubt::Waiting(waiting)) => self.waiting = Some(waiting.clone()),
            Verdict::Concern(finding) if finding.case == self.rule.name => {
                self.has_confirmed_case |= finding.confirmed;
                self.waiting = None;
            }
            Verdict::Fine | Verdict::Over(_) => self.waiting = None,
            Verdict::Concern(_) | Verdict::Unsure(_) => {}
        }
        verdict
    }

    pub(super) fn nothing_more_comes(&self) -> Option<Finding> {
        self.rule.overdue(self.waiting.as_ref().expect("it waits"))
    }

    pub(super) fn is_over(&self, after_ms: i64) -> bool {
        self.rule.is_over(self.waiting.as_ref().expect("it waits"), NOON + after_ms)
    }
}

/// A person whom one rule that looks back judges, day by day.
pub(super) struct Weeks<R> {
    rule: R,
    plan: Plan,
    history: Vec<Past>,
    memory: Option<String>,
    pub(super) plan_from_ms: i64,
    pub(super) heard_ms: Option<i64>,
    now_ms: i64,
}

impl<R: Rule> Weeks<R> {
    /// It is the evening of the day of [`SEVEN`], after the last reading.
    pub(super) fn of(rule: R) -> Self {
        let now_ms = SEVEN + 13 * 60 * MINUTE;
        let plan = Plan::default();
        Self { rule, plan, history: Vec::new(), memory: None, plan_from_ms: 0, heard_ms: Some(i64::MAX), now_ms }
    }

    pub(super) fn with(self, plan: Plan) -> Self {
        Self { plan, ..self }
    }

    /// Right after a session at [`SEVEN`].
    pub(super) fn in_the_morning(self) -> Self {
        Self { now_ms: SEVEN + 16 * MINUTE, ..self }
    }

    pub(super) fn at(&mut self, now_ms: i64) -> &mut Self {
        self.now_ms = now_ms;
        self
    }

    pub(super) fn days_later(&mut self, days: i64) {
        self.now_ms += days * DAY;
    }

    /// What the rule makes of it that these readings have come. What it remembers is kept as the store keeps it.
    pub(super) fn review(&mut self, came: &[Past]) -> Verdict {
        self.history.extend(came.iter().cloned());
        self.history.sort_by_key(|past| past.at_ms);
        let from_ms = self.now_ms - self.rule.looks_back_days().expect("it looks back") * DAY;
        let history: Vec<Past> =
            self.history.iter().filter(|past| (from_ms..=self.now_ms).contains(&past.at_ms)).cloned().collect();
        let facts = Lookback {
            plan: self.plan.at(self.now_ms, &TimeZone::UTC),
            plan_from_ms: self.plan_from_ms,
            history: &history,
            sessions: &trends::sessions(&history, &TimeZone::UTC),
            memory: self.memory.as_deref(),
            heard_ms: self.heard_ms,
            zone: &TimeZone::UTC,
            now_ms: self.now_ms,
        };
        let (verdict, memory) = self.rule.review(&facts);
        self.memory = memory.or(self.memory.take());
        verdict
    }
}

pub(super) fn pressure(systolic: i64, diastolic: i64) -> Vec<Observation> {
    values(&[(Quantity::Systolic, systolic), (Quantity::Diastolic, diastolic)], Unit::MillimetreOfMercury, true)
}

pub(super) fn values(seen: &[(Quantity, i64)], unit: Unit, usable: bool) -> Vec<Observation> {
    let observation =
        |(quantity, value): &(Quantity, i64)| Observation::new(*quantity, Decimal::whole(*value), unit, usable);
    seen.iter().map(observation).collect()
}
