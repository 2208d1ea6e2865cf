//! Blood pressure that rises against her own baseline: a robust slope over four weeks, at most once in 14 days.
//!
//! A rise counts only when it is larger than what a week's mean is uncertain by, and too steady to be chance.
//!
//! Source: clinical-rules §3 (no change below 5 mmHg between weeks); Theil–Sen's slope and Mann and Kendall's test in
//! [`crate::trends::slope`].

pub mod wording;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::blood_pressure_average::QUIET_MS;
use super::{Lookback, NOT_MINE, Rule, Verdict};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::plan::local;
use crate::trends::Session;
use crate::trends::slope::{mann_kendall, median, theil_sen};

/// The rule's name, and that of its cases.
pub const NAME: &str = "worsening_trend";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 2;

/// Four weeks: the last one against the three before it, her baseline.
const LOOKS_BACK_DAYS: i64 = 28;
const WEEK_DAYS: i32 = 7;

/// So many days with values the last week needs, and the baseline.
const LEAST_DAYS: (usize, usize) = (4, 9);

/// In tenths of mmHg: no change below this between weeks. It is an adult's: what it is for a child nobody says, so that no
/// child is judged by it.
///
/// Source: clinical-rules §3.
const LEAST_CHANGE: f64 = 50.0;

/// The normal deviate that chance alone exceeds once in a hundred times.
const NOT_CHANCE: f64 = 2.326;

/// The rule.
#[derive(Copy, Clone, Debug, Default)]
pub struct WorseningTrend;

/// What stands in the story, in tenths of mmHg.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rule's version.
    pub version: u32,
    /// The median systolic pressure of the three weeks before.
    pub baseline: i64,
    /// That of the last week.
    pub week: i64,
    /// The slope in a week.
    pub slope: i64,
    /// Of how many days with values.
    pub days: usize,
}

impl Rule for WorseningTrend {
    fn name(&self) -> &'static str {
        NAME
    }

    fn looks_back_days(&self) -> Option<i64> {
        Some(LOOKS_BACK_DAYS)
    }

    fn review(&self, facts: &Lookback<'_>) -> (Verdict, Option<String>) {
        let is_new = facts.is_fresh(|past| past.values.systolic.is_some());
        if !is_new || facts.plan.is_child || facts.was_said_within(QUIET_MS) {
            return NOT_MINE;
        }
        let today = local(facts.now_ms, facts.zone).date();
        let Some(found) = trend(facts.sessions, today) else { return NOT_MINE };
        match found {
            Ok(found) => {
                let line = Line::WorseningTrend(found);
                let finding =
                    Finding { case: NAME, severity: Severity::Low, confirmed: true, weight: Weight::More, line };
                (Verdict::Concern(finding), Some(facts.now_ms.to_string()))
            }
            Err(Steady) => (Verdict::Fine, None),
        }
    }
}

/// The pressure does not rise.
struct Steady;

/// Whether the pressure rises; none, where there is too little to tell.
fn trend(sessions: &[Session], today: Date) -> Option<Result<Found, Steady>> {
    let mut days: BTreeMap<i32, Vec<f64>> = BTreeMap::new();
    for session in sessions {
        let ago = (today - session.day).get_days();
        days.entry(-ago).or_default().push(session.systolic as f64);
    }
    let points: Vec<(f64, f64)> =
        days.into_iter().filter_map(|(day, values)| Some((f64::from(day), median(values)?))).collect();
    let (week, baseline): (Vec<_>, Vec<_>) = points.iter().partition(|(day, _)| *day > f64::from(-WEEK_DAYS));
    if week.len() < LEAST_DAYS.0 || baseline.len() < LEAST_DAYS.1 {
        return None;
    }
    let middle = |points: Vec<(f64, f64)>| median(points.into_iter().map(|(_, value)| value).collect());
    let (week, baseline) = (middle(week)?, middle(baseline)?);
    let slope = theil_sen(&points)? * f64::from(WEEK_DAYS);
    if week - baseline < LEAST_CHANGE || slope <= 0.0 || mann_kendall(&points) < NOT_CHANCE {
        return Some(Err(Steady));
    }
    let whole = |value: f64| value.round() as i64;
    let (baseline, week, slope) = (whole(baseline), whole(week), whole(slope));
    Some(Ok(Found { version: VERSION, baseline, week, slope, days: points.len() }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Doubt;
    use super::super::testing::Weeks;
    use super::*;
    use crate::plan::Plan;
    use crate::trends::tests::days;

    #[test]
    fn a_child_who_grows_is_not_judged_by_what_is_much_for_an_adult() {
        let child = Plan { is_child: true, ..Plan::default() };
        let verdict = Weeks::of(WorseningTrend).with(child).review(&days(0..28, |ago| 140 - ago / 2));
        assert_eq!(verdict, Verdict::Unsure(Doubt::NotMine));
    }

    #[test]
    fn a_pressure_that_climbs_for_weeks_is_seen_against_her_own_baseline() {
        let Verdict::Concern(finding) = Weeks::of(WorseningTrend).review(&days(0..28, |ago| 140 - ago / 2)) else {
            panic!()
        };
        let Line::WorseningTrend(found) = finding.line else { panic!() };
        assert_eq!((found.days, finding.severity), (28, Severity::Low));
        assert!(found.week - found.baseline >= 50 && (30..=40).contains(&found.slope), "{found:?}");
    }

    #[test]
    fn a_step_of_four_is_not_called_a_change_and_one_wild_day_neither() {
        let steps = |step: i64| days(0..28, move |ago| if ago < 7 { 130 + step } else { 130 });
        assert_eq!(Weeks::of(WorseningTrend).review(&steps(4)), Verdict::Fine);
        let climbs = days(0..28, |ago| 130 + (14 - ago).max(0));
        assert!(matches!(Weeks::of(WorseningTrend).review(&climbs), Verdict::Concern(_)));
        let wild = days(0..28, |ago| if ago == 1 { 210 } else { 130 });
        assert_eq!(Weeks::of(WorseningTrend).review(&wild), Verdict::Fine);
        let short = days(0..12, |ago| 150 - ago);
        assert_eq!(Weeks::of(WorseningTrend).review(&short), Verdict::Unsure(Doubt::NotMine));
    }

    proptest! {
        #[test]
        fn a_pressure_that_falls_is_never_called_worse(noise in prop::collection::vec(-3_i64..=3, 28)) {
            let falling = days(0..28, |ago| 120 + ago + noise[usize::try_from(ago).unwrap()]);
            prop_assert_eq!(Weeks::of(WorseningTrend).review(&falling), Verdict::Fine);
        }
    }
}
