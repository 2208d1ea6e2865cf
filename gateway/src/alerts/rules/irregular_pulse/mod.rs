//! The cuff felt an irregular pulse again and again: a task, and not a diagnosis.
//!
//! Source: clinical-rules §5: in 3 of 7 days, or in half of the sessions of somebody new.

pub mod wording;

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::blood_pressure_average::QUIET_MS;
use super::{Lookback, NOT_MINE, Rule, Verdict};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::plan::local;
use crate::trends::Session;

/// The rule's name, and that of its cases.
pub const NAME: &str = "irregular_pulse";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 1;

/// Whoever has no session before the last week is new.
const LOOKS_BACK_DAYS: i64 = 28;
const WEEK_DAYS: i32 = 7;

/// On so many days of the week.
const DAYS: usize = 3;

/// With fewer sessions, half of them is chance.
const LEAST_SESSIONS: usize = 6;

/// The rule.
#[derive(Copy, Clone, Debug, Default)]
pub struct IrregularPulse;

/// What stands in the story: of the last week.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rule's version.
    pub version: u32,
    /// How many sessions.
    pub sessions: usize,
    /// In how many of them the device felt an irregular pulse.
    pub irregular: usize,
    /// On how many days.
    pub days: usize,
}

impl Rule for IrregularPulse {
    fn name(&self) -> &'static str {
        NAME
    }

    fn looks_back_days(&self) -> Option<i64> {
        Some(LOOKS_BACK_DAYS)
    }

    fn review(&self, facts: &Lookback<'_>) -> (Verdict, Option<String>) {
        if !facts.is_fresh(|past| past.is_irregular) || facts.was_said_within(QUIET_MS) {
            return NOT_MINE;
        }
        let today = local(facts.now_ms, facts.zone).date();
        let Some(found) = found(facts.sessions, today) else {
            return (Verdict::Fine, None);
        };
        let line = Line::IrregularPulse(found);
        let finding = Finding { case: NAME, severity: Severity::Low, confirmed: true, weight: Weight::More, line };
        (Verdict::Concern(finding), Some(facts.now_ms.to_string()))
    }
}

fn found(sessions: &[Session], today: Date) -> Option<Found> {
    let after = today.saturating_sub(WEEK_DAYS.days());
    let (week, before): (Vec<&Session>, Vec<&Session>) = sessions.iter().partition(|session| session.day > after);
    let irregular: Vec<&&Session> = week.iter().filter(|session| session.is_irregular).collect();
    let days = irregular.iter().map(|session| session.day).collect::<BTreeSet<Date>>().len();
    let is_half_of_new = before.is_empty() && week.len() >= LEAST_SESSIONS && irregular.len() * 2 >= week.len();
    let (sessions, irregular) = (week.len(), irregular.len());
    (days >= DAYS || is_half_of_new).then_some(Found { version: VERSION, sessions, irregular, days })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Weeks;
    use super::*;
    use crate::trends::Past;
    use crate::trends::tests::{SEVEN, days};

    #[test]
    fn three_days_of_a_week_are_a_task_and_two_are_not() {
        let three = irregular(days(0..20, |_| 125), |ago| ago == 0 || ago == 2 || ago == 4);
        let Verdict::Concern(finding) = Weeks::of(IrregularPulse).review(&three) else { panic!() };
        let Line::IrregularPulse(found) = finding.line else { panic!() };
        assert_eq!((found.days, found.irregular, found.sessions, finding.severity), (3, 6, 14, Severity::Low));
        let two = irregular(days(0..20, |_| 125), |ago| ago == 0 || ago == 2 || ago == 9);
        assert_eq!(Weeks::of(IrregularPulse).review(&two), Verdict::Fine);
    }

    #[test]
    fn half_of_the_sessions_are_enough_in_somebody_new() {
        let half = |ago| ago < 2;
        let new = irregular(days(0..4, |_| 125), half);
        assert!(matches!(Weeks::of(IrregularPulse).review(&new), Verdict::Concern(_)));
        let known = irregular(days(0..14, |_| 125), half);
        assert_eq!(Weeks::of(IrregularPulse).review(&known), Verdict::Fine);
    }

    fn irregular(mut history: Vec<Past>, is_it: impl Fn(i64) -> bool) -> Vec<Past> {
        for past in &mut history {
            past.is_irregular = is_it((SEVEN + 12 * 3_600_000 - past.at_ms) / 86_400_000);
        }
        history
    }
}
