//! Weight that changes fast (WE-1): gained or lost within three days, or above the dry weight that her clinician has set.
//!
//! Only weights of the same scale and the same part of the day are compared. Two weighings of one session confirm it; one
//! alone is unconfirmed, and one step less urgent.
//!
//! Source: clinical-rules §7 and §8 (WE-1).

pub mod wording;

use serde::{Deserialize, Serialize};

use super::{Lookback, NOT_MINE, Rule, Verdict};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::plan::{Limit, Slot, Tenths};
use crate::trends::Past;

/// The rule's name, and that of its cases.
pub const NAME: &str = "weight_gain";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 1;

/// A weight is compared with those of three days before it; the newest may be of earlier today.
const LOOKS_BACK_DAYS: i64 = 4;
const COMPARED_MS: i64 = 3 * 24 * 60 * 60 * 1000;

/// Weighings within this of the newest are one session.
const SESSION_MS: i64 = 30 * 60 * 1000;

/// The rule.
#[derive(Copy, Clone, Debug, Default)]
pub struct WeightGain;

/// What stands in the story, in tenths of kg.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rule's version.
    pub version: u32,
    /// More than this concerns somebody.
    pub limit: Tenths,
    /// The weight.
    pub now: i64,
    /// Of how many weighings.
    pub weighings: usize,
    /// What it is compared with.
    pub against: Against,
}

/// What a weight is compared with.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The lowest of the three days before.
    Lowest(i64),
    /// The highest of the three days before.
    Highest(i64),
    /// Her dry weight.
    Dry(i64),
}

impl Rule for WeightGain {
    fn name(&self) -> &'static str {
        NAME
    }

    fn looks_back_days(&self) -> Option<i64> {
        Some(LOOKS_BACK_DAYS)
    }

    fn review(&self, facts: &Lookback<'_>) -> (Verdict, Option<String>) {
        let Some(Tenths(limit)) = facts.plan.limit(Limit::WeightChange) else { return NOT_MINE };
        let newest = facts.history.iter().filter(|past| past.values.weight.is_some()).max_by_key(|past| past.at_ms);
        let Some(newest) = newest.filter(|_| facts.is_fresh(|past| past.values.weight.is_some())) else {
            return NOT_MINE;
        };
        let judged = Some(newest.at_ms.to_string());
        if facts.memory == judged.as_deref() {
            return NOT_MINE;
        }
        let (now, weighings, compared) = weights(facts, newest);
        let lowest = compared.iter().min().copied();
        let highest = compared.iter().max().copied();
        let dry = facts.plan.limit(Limit::DryWeight).map(|Tenths(dry)| dry);
        let gained = lowest.filter(|lowest| now - lowest > limit).map(Against::Lowest);
        let above_dry = dry.filter(|dry| now - dry > limit).map(Against::Dry);
        let lost = highest.filter(|highest| highest - now > limit).map(Against::Highest);
        let Some(against) = gained.or(above_dry).or(lost) else { return (Verdict::Fine, judged) };
        let confirmed = weighings > 1;
        let severity = if confirmed { Severity::Medium } else { Severity::Medium.lowered() };
        let line = Line::WeightGain(Found { version: VERSION, limit: Tenths(limit), now, weighings, against });
        (Verdict::Concern(Finding { case: NAME, severity, confirmed, weight: Weight::More, line }), judged)
    }
}

/// The weight now (the mean of the session's last two), of how many weighings, and the weights it is compared with.
fn weights(facts: &Lookback<'_>, newest: &Past) -> (i64, usize, Vec<i64>) {
    let slot = |past: &Past| Slot::of(past.at_ms, facts.zone);
    let of_scale = facts.history.iter().filter(|past| past.device == newest.device);
    let mut weighed: Vec<(&Past, i64)> = of_scale.filter_map(|past| Some((past, past.values.weight?))).collect();
    weighed.sort_by_key(|(past, _)| past.at_ms);
    let (session, before): (Vec<_>, Vec<_>) =
        weighed.into_iter().partition(|(past, _)| newest.at_ms - past.at_ms <= SESSION_MS);
    let last_two: Vec<i64> = session.iter().rev().take(2).map(|(_, weight)| *weight).collect();
    let now = last_two.iter().sum::<i64>() / i64::try_from(last_two.len()).unwrap_or(1).max(1);
    let is_compared = |past: &Past| newest.at_ms - past.at_ms <= COMPARED_MS && slot(past) == slot(newest);
    let compared = before.into_iter().filter(|(past, _)| is_compared(past)).map(|(_, weight)| weight);
    (now, session.len(), compared.collect())
}

#[cfg(test)]
mod tests {
    use super::super::Doubt;
    use super::super::testing::Weeks;
    use super::super::vital::Values;
    use super::*;
    use crate::plan::{Plan, Standard};
    use crate::trends::tests::{DAY, SEVEN};

    #[test]
    fn more_than_two_kilos_in_three_days_concern_somebody_with_heart_failure() {
        let history = [weighed(3 * DAY, 710), weighed(2 * DAY, 718), weighed(60_000, 732), weighed(0, 732)];
        let Verdict::Concern(finding) = heart().review(&history) else { panic!() };
        assert_eq!((finding.severity, finding.confirmed), (Severity::Medium, true));
        let Line::WeightGain(found) = finding.line else { panic!() };
        assert_eq!((found.now, found.against), (732, Against::Lowest(710)));
        assert_eq!(
            heart().review(&[weighed(3 * DAY, 710), weighed(0, 730)]),
            Verdict::Fine,
            "two are not more than two"
        );
        let grown_up = Weeks::of(WeightGain).in_the_morning().review(&history);
        assert_eq!(grown_up, Verdict::Unsure(Doubt::NotMine), "nobody watches her weight");
    }

    #[test]
    fn one_weighing_is_unconfirmed_and_is_judged_once() {
        let mut heart = heart();
        let history = [weighed(2 * DAY, 710), weighed(0, 735)];
        let Verdict::Concern(finding) = heart.review(&history) else { panic!() };
        assert_eq!((finding.severity, finding.confirmed), (Severity::Low, false));
        assert_eq!(heart.review(&history), Verdict::Unsure(Doubt::NotMine));
    }

    #[test]
    fn another_scale_another_part_of_the_day_and_older_days_are_not_compared() {
        let other = Past { device: "other".into(), ..weighed(DAY, 650) };
        let evening = weighed(DAY - 12 * 3_600_000, 650);
        let history = [weighed(4 * DAY, 650), other, evening, weighed(2 * DAY, 728), weighed(0, 730)];
        assert_eq!(heart().review(&history), Verdict::Fine);
    }

    #[test]
    fn her_dry_weight_and_a_loss_count_too() {
        let plan = Plan {
            standard: Standard::HeartFailure,
            limits: [(Limit::DryWeight, Tenths::whole(70))].into(),
            ..Plan::default()
        };
        let Verdict::Concern(finding) = Weeks::of(WeightGain).in_the_morning().with(plan).review(&[weighed(0, 725)])
        else {
            panic!()
        };
        assert!(matches!(finding.line, Line::WeightGain(Found { against: Against::Dry(700), .. })));
        let Verdict::Concern(finding) = heart().review(&[weighed(DAY, 745), weighed(0, 720)]) else { panic!() };
        assert!(matches!(finding.line, Line::WeightGain(Found { against: Against::Highest(745), .. })));
    }

    fn heart() -> Weeks<WeightGain> {
        Weeks::of(WeightGain).in_the_morning().with(Plan { standard: Standard::HeartFailure, ..Plan::default() })
    }

    fn weighed(ago_ms: i64, weight: i64) -> Past {
        let values = Values { weight: Some(weight), ..Values::default() };
        Past { at_ms: SEVEN - ago_ms, device: "scale".into(), values, is_irregular: false }
    }
}
