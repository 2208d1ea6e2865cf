//! The week's mean blood pressure over its limit (BP-4): by the home protocol, at most once in 14 days.
//!
//! Source: clinical-rules §2 and §8 (BP-4).

pub mod wording;

use serde::{Deserialize, Serialize};

use super::{Lookback, NOT_MINE, Rule, Verdict};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::plan::{Limit, Tenths, local};
use crate::trends::{self, Average};

/// The rule's name, and that of its cases.
pub const NAME: &str = "blood_pressure_average";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 1;

/// A week, the week before it that tells whether it began a series, and today.
const LOOKS_BACK_DAYS: i64 = 15;

/// So long nothing is said again.
pub(super) const QUIET_MS: i64 = 14 * 24 * 60 * 60 * 1000;

/// The rule.
#[derive(Copy, Clone, Debug, Default)]
pub struct BloodPressureAverage;

/// What stands in the story, in tenths of mmHg.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rule's version.
    pub version: u32,
    /// The limits it was judged by.
    pub limits: [Option<Tenths>; 2],
    /// Of how many sessions.
    pub sessions: usize,
    /// The mean, systolic and diastolic.
    pub mean: (i64, i64),
    /// Its standard deviations.
    pub spread: (i64, i64),
    /// The mornings' mean.
    pub morning: (i64, i64),
    /// The evenings' mean.
    pub evening: (i64, i64),
}

impl Rule for BloodPressureAverage {
    fn name(&self) -> &'static str {
        NAME
    }

    fn looks_back_days(&self) -> Option<i64> {
        Some(LOOKS_BACK_DAYS)
    }

    fn review(&self, facts: &Lookback<'_>) -> (Verdict, Option<String>) {
        let limits = [facts.plan.limit(Limit::AverageSystolic), facts.plan.limit(Limit::AverageDiastolic)];
        let is_new = facts.is_fresh(|past| past.values.systolic.is_some());
        if !is_new || facts.was_said_within(QUIET_MS) || limits == [None, None] {
            return NOT_MINE;
        }
        let Some(average) = trends::average(facts.sessions, local(facts.now_ms, facts.zone).date()) else {
            return NOT_MINE;
        };
        let over = |value: i64, limit: Option<Tenths>| limit.is_some_and(|Tenths(limit)| value >= limit);
        if !over(average.mean.0, limits[0]) && !over(average.mean.1, limits[1]) {
            return (Verdict::Fine, None);
        }
        let Average { sessions, mean, spread, morning, evening } = average;
        let line =
            Line::BloodPressureAverage(Found { version: VERSION, limits, sessions, mean, spread, morning, evening });
        let finding = Finding { case: NAME, severity: Severity::Low, confirmed: true, weight: Weight::More, line };
        (Verdict::Concern(finding), Some(facts.now_ms.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Doubt;
    use super::super::testing::Weeks;
    use super::*;
    use crate::plan::Plan;
    use crate::trends::tests::days;

    #[test]
    fn a_week_over_the_limit_is_said_once_in_a_fortnight_with_its_numbers() {
        let mut weeks = Weeks::of(BloodPressureAverage);
        let Verdict::Concern(finding) = weeks.review(&days(0..20, |_| 140)) else { panic!() };
        assert_eq!(finding.severity, Severity::Low);
        let Line::BloodPressureAverage(found) = finding.line else { panic!() };
        assert_eq!((found.sessions, found.mean, found.morning), (14, (1400, 800), (1400, 800)));
        weeks.days_later(13);
        assert_eq!(weeks.review(&days(-13..0, |_| 140)), Verdict::Unsure(Doubt::NotMine));
        weeks.days_later(2);
        assert!(matches!(weeks.review(&days(-15..0, |_| 140)), Verdict::Concern(_)));
    }

    #[test]
    fn single_high_values_in_a_calm_week_say_nothing_and_an_old_week_neither() {
        let calm = |ago| if ago == 2 { 170 } else { 124 };
        assert_eq!(Weeks::of(BloodPressureAverage).review(&days(0..20, calm)), Verdict::Fine);
        let old = days(2..20, |_| 150);
        assert_eq!(Weeks::of(BloodPressureAverage).review(&old), Verdict::Unsure(Doubt::NotMine));
    }

    #[test]
    fn no_mean_of_grown_ups_is_the_limit_of_a_child() {
        let child = Plan { born: Some(2015), ..Plan::default() };
        let verdict = Weeks::of(BloodPressureAverage).with(child).review(&days(0..20, |_| 140));
        assert_eq!(verdict, Verdict::Unsure(Doubt::NotMine));
    }
}
