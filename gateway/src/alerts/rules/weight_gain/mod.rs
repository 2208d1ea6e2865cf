//! Weight that changes fast (WE-1): gained or lost within three days, gained within a week, or above the dry weight that her
//! clinician has set.
//!
//! Only weights of the same scale and the same part of the day are compared, by her days and not by hours: whoever gets up ten
//! minutes later than three days ago has weighed three days ago. A week counts with a quarter more, so that one day without a
//! weighing in the middle of a gain does not hide it; that is not said again in the week after anything was. Two weighings of
//! one session confirm it; one alone is unconfirmed, and one step less urgent.
//!
//! Source: clinical-rules §7 (more than 2 kg in three days, 2.5 kg over a week) and §8 (WE-1).

pub mod wording;

use serde::{Deserialize, Serialize};

use super::{Lookback, NOT_MINE, Rule, Verdict};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::plan::{Limit, Slot, Tenths, local};
use crate::trends::Past;

/// The rule's name, and that of its cases.
pub const NAME: &str = "weight_gain";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 2;

/// A weight is compared with those of the days before it; the newest may be of earlier today.
const LOOKS_BACK_DAYS: i64 = 9;
const FEW_DAYS: i32 = 3;
const WEEK_DAYS: i32 = 7;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

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
    /// The lowest of the week before.
    LowestOfWeek(i64),
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
        let Remembered { judged_ms, said_ms } = Remembered::of(facts.memory);
        if judged_ms == Some(newest.at_ms) {
            return NOT_MINE;
        }
        let was_said = said_ms.is_some_and(|said_ms| facts.now_ms - said_ms < i64::from(WEEK_DAYS) * DAY_MS);
        let judged = |said_ms| Some(Remembered { judged_ms: Some(newest.at_ms), said_ms }.write());
        let (now, weighings, compared) = weights(facts, newest);
        let within = |days: i32| compared.iter().filter(move |(ago, _)| *ago <= days).map(|(_, weight)| *weight);
        let (lowest, highest) = (within(FEW_DAYS).min(), within(FEW_DAYS).max());
        let of_week = limit + limit / 4;
        let dry = facts.plan.limit(Limit::DryWeight).map(|Tenths(dry)| dry);
        let gained = lowest.filter(|lowest| now - lowest > limit).map(|lowest| (limit, Against::Lowest(lowest)));
        let above_dry = dry.filter(|dry| now - dry > limit).map(|dry| (limit, Against::Dry(dry)));
        let gained_slowly = within(WEEK_DAYS).min().filter(|lowest| !was_said && now - lowest > of_week);
        let gained_slowly = gained_slowly.map(|lowest| (of_week, Against::LowestOfWeek(lowest)));
        let lost = highest.filter(|highest| highest - now > limit).map(|highest| (limit, Against::Highest(highest)));
        let Some((limit, against)) = gained.or(above_dry).or(gained_slowly).or(lost) else {
            return (Verdict::Fine, judged(said_ms));
        };
        let confirmed = weighings > 1;
        let severity = if confirmed { Severity::Medium } else { Severity::Medium.lowered() };
        let line = Line::WeightGain(Found { version: VERSION, limit: Tenths(limit), now, weighings, against });
        (
            Verdict::Concern(Finding { case: NAME, severity, confirmed, weight: Weight::More, line }),
            judged(Some(facts.now_ms)),
        )
    }
}

/// What the rule remembers: which weighing it judged last, and when it last spoke.
#[derive(Default)]
struct Remembered {
    judged_ms: Option<i64>,
    said_ms: Option<i64>,
}

impl Remembered {
    fn of(memory: Option<&str>) -> Self {
        let mut numbers = memory.unwrap_or_default().split(' ').map(|number| number.parse().ok());
        Self { judged_ms: numbers.next().flatten(), said_ms: numbers.next().flatten() }
    }

    fn write(&self) -> String {
        let numbers = [self.judged_ms, self.said_ms];
        numbers.into_iter().flatten().map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    }
}

/// The weight now (the mean of the session's last two), of how many weighings, and the weights it is compared with, each with
/// how many days ago it was.
fn weights(facts: &Lookback<'_>, newest: &Past) -> (i64, usize, Vec<(i32, i64)>) {
    let slot = |past: &Past| Slot::of(past.at_ms, facts.zone);
    let day = |past: &Past| local(past.at_ms, facts.zone).date();
    let of_scale = facts.history.iter().filter(|past| past.device == newest.device);
    let mut weighed: Vec<(&Past, i64)> = of_scale.filter_map(|past| Some((past, past.values.weight?))).collect();
    weighed.sort_by_key(|(past, _)| past.at_ms);
    let (session, before): (Vec<_>, Vec<_>) =
        weighed.into_iter().partition(|(past, _)| newest.at_ms - past.at_ms <= SESSION_MS);
    let last_two: Vec<i64> = session.iter().rev().take(2).map(|(_, weight)| *weight).collect();
    let now = last_two.iter().sum::<i64>() / i64::try_from(last_two.len()).unwrap_or(1).max(1);
    let same_part = before.into_iter().filter(|(past, _)| slot(past) == slot(newest));
    let compared = same_part.map(|(past, weight)| ((day(newest) - day(past)).get_days(), weight));
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
        let history =
            [weighed(8 * DAY, 650), weighed(4 * DAY, 706), other, evening, weighed(2 * DAY, 728), weighed(0, 730)];
        assert_eq!(heart().review(&history), Verdict::Fine);
    }

    #[test]
    fn whoever_gets_up_later_than_three_days_ago_is_compared_with_that_day() {
        let late = 20 * 60_000;
        let history = [weighed(3 * DAY + late, 710), weighed(2 * DAY, 725), weighed(DAY, 730), weighed(0, 735)];
        let Verdict::Concern(finding) = heart().review(&history) else { panic!() };
        assert!(matches!(finding.line, Line::WeightGain(Found { against: Against::Lowest(710), .. })));
    }

    #[test]
    fn a_day_without_a_weighing_in_the_middle_of_a_gain_does_not_hide_it() {
        let history = |today| [weighed(4 * DAY, 770), weighed(3 * DAY, 787), weighed(2 * DAY, 794), weighed(0, today)];
        assert_eq!(heart().review(&history(795)), Verdict::Fine, "2.5 kg in a week are not more than 2.5");
        let Verdict::Concern(finding) = heart().review(&history(802)) else { panic!() };
        let Line::WeightGain(found) = finding.line else { panic!() };
        assert_eq!((found.against, found.limit), (Against::LowestOfWeek(770), Tenths(25)));

        let mut heart = heart();
        assert!(matches!(heart.review(&history(802)), Verdict::Concern(_)));
        heart.days_later(1);
        assert_eq!(heart.review(&[weighed(-DAY, 803)]), Verdict::Fine, "it is not said of the same week twice");
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
