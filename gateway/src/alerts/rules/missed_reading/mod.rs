//! A person does not measure as her plan asks (MI-1). After one missed part of the day she is reminded first, which is
//! noted; after two in a row the team has a task.
//!
//! It is judged when a part of the day has ended, once, and only where the home has been heard since: what waits in a box
//! that nobody hears is not missing.
//!
//! Source: clinical-rules §8 (MI-1).

pub mod wording;

use jiff::ToSpan as _;
use serde::{Deserialize, Serialize};

use super::{Doubt, Lookback, NOT_MINE, Rule, Verdict};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::plan::{Measurement, Plan, Slot, local};
use crate::trends::Past;

/// The rule's name, and that of its cases.
pub const NAME: &str = "missed_reading";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 1;

/// So far back the last reading is looked for.
const LOOKS_BACK_DAYS: i64 = 7;

/// So long after the end of a part of the day it is looked at: the last reading may be on its way.
pub const GRACE_MS: i64 = 30 * 60 * 1000;

/// So many missed parts of the day in a row are a task.
const TASK_FROM: usize = 2;

/// The rule.
#[derive(Copy, Clone, Debug, Default)]
pub struct MissedReading;

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rule's version.
    pub version: u32,
    /// What is missing.
    pub missing: Vec<Missing>,
}

/// One measurement that is missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Missing {
    /// What was to be measured.
    pub what: Measurement,
    /// How many parts of the day in a row.
    pub slots: usize,
    /// When it last came, if it did within a week.
    pub last_ms: Option<i64>,
}

impl Rule for MissedReading {
    fn name(&self) -> &'static str {
        NAME
    }

    fn looks_back_days(&self) -> Option<i64> {
        Some(LOOKS_BACK_DAYS)
    }

    fn review(&self, facts: &Lookback<'_>) -> (Verdict, Option<String>) {
        let plan = facts.plan.plan();
        let ended = |past: &i64| *past + GRACE_MS <= facts.now_ms;
        let slots = slots_between(plan, facts.now_ms - LOOKS_BACK_DAYS * DAY_MS, facts.now_ms, facts.zone);
        let Some(end_ms) = slots.iter().map(|(slot, _)| slot.end).filter(ended).max() else { return NOT_MINE };
        let judged = Some(end_ms.to_string());
        if facts.memory == judged.as_deref() {
            return NOT_MINE;
        }
        if facts.heard_ms.is_none_or(|heard_ms| heard_ms < end_ms) {
            return (Verdict::Unsure(Doubt::HomeSilent), None);
        }
        let mut missing: Vec<Missing> = Vec::new();
        for what in plan.schedule.keys() {
            let of_kind = |past: &&Past| says(past, *what);
            let last_ms = facts.history.iter().filter(of_kind).map(|past| past.at_ms).max();
            let is_missed = |(slot, of): &&(std::ops::Range<i64>, Measurement)| {
                of == what
                    && slot.end + GRACE_MS <= facts.now_ms
                    && slot.start >= facts.plan_from_ms
                    && last_ms.is_none_or(|last| last < slot.start)
                    && !plan.pause.is_some_and(|pause| pause.from_ms < slot.end && slot.start < pause.until_ms)
            };
            let missed = slots.iter().filter(is_missed).count();
            if missed > 0 {
                missing.push(Missing { what: *what, slots: missed, last_ms });
            }
        }
        if missing.is_empty() {
            return (Verdict::Fine, judged);
        }
        if missing.iter().all(|missing| missing.slots < TASK_FROM) {
            return (Verdict::Unsure(Doubt::Reminded), judged);
        }
        missing.retain(|missing| missing.slots >= TASK_FROM);
        let line = Line::MissedReading(Found { version: VERSION, missing });
        let finding = Finding { case: NAME, severity: Severity::Low, confirmed: true, weight: Weight::Summary, line };
        (Verdict::Concern(finding), judged)
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// When a plan is to be looked at next: a while after the next part of the day in which something was to be measured.
#[must_use]
pub fn next_look_ms(plan: &Plan, now_ms: i64, zone: &jiff::tz::TimeZone) -> Option<i64> {
    let slots = slots_between(plan, now_ms - DAY_MS, now_ms + 2 * DAY_MS, zone);
    slots.into_iter().map(|(slot, _)| slot.end + GRACE_MS).filter(|due| *due > now_ms).min()
}

/// The parts of the day in which something was to be measured.
fn slots_between(
    plan: &Plan,
    from_ms: i64,
    until_ms: i64,
    zone: &jiff::tz::TimeZone,
) -> Vec<(std::ops::Range<i64>, Measurement)> {
    let (mut day, last) = (local(from_ms, zone).date(), local(until_ms, zone).date());
    let mut slots = Vec::new();
    while day <= last {
        for (what, asked) in &plan.schedule {
            slots.extend(asked.iter().map(|slot: &Slot| (slot.on(day, zone), *what)));
        }
        day = day.saturating_add(1.day());
    }
    slots
}

fn says(past: &Past, what: Measurement) -> bool {
    match what {
        Measurement::BloodPressure => past.values.systolic.is_some(),
        Measurement::Oxygen => past.values.oxygen.is_some(),
        Measurement::Temperature => past.values.temperature.is_some(),
        Measurement::Weight => past.values.weight.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::testing::Weeks;
    use super::*;
    use crate::plan::{Away, Pause};
    use crate::trends::tests::{DAY, SEVEN, reading};

    /// Half past twelve of the day of [`SEVEN`].
    const AFTER_MORNING: i64 = SEVEN + 5 * 3_600_000 + GRACE_MS;
    const HALF_A_DAY: i64 = DAY / 2;

    #[test]
    fn she_is_reminded_first_and_after_two_missed_parts_of_the_day_the_team_has_a_task() {
        let mut weeks = weeks();
        let measured = [reading(SEVEN, 120, 80)];
        assert_eq!(weeks.at(AFTER_MORNING).review(&measured), Verdict::Fine);
        assert_eq!(weeks.at(AFTER_MORNING + HALF_A_DAY).review(&[]), Verdict::Unsure(Doubt::Reminded));
        assert_eq!(weeks.review(&[]), Verdict::Unsure(Doubt::NotMine), "each part of the day is judged once");
        let Verdict::Concern(finding) = weeks.at(AFTER_MORNING + DAY).review(&[]) else { panic!() };
        let Line::MissedReading(found) = finding.line else { panic!() };
        assert_eq!(
            (found.missing[0].slots, found.missing[0].last_ms, finding.severity),
            (2, Some(SEVEN), Severity::Low)
        );
        let evening = [reading(SEVEN + DAY + 6 * 3_600_000, 120, 80)];
        assert_eq!(weeks.at(AFTER_MORNING + DAY + HALF_A_DAY).review(&evening), Verdict::Unsure(Doubt::Reminded));
    }

    #[test]
    fn nobody_is_accused_while_her_home_is_silent_or_she_is_away_or_before_she_was_asked() {
        let mut silent = weeks();
        silent.heard_ms = Some(AFTER_MORNING - DAY);
        assert_eq!(silent.at(AFTER_MORNING + 2 * DAY).review(&[]), Verdict::Unsure(Doubt::HomeSilent));
        let away = Plan {
            pause: Some(Pause { from_ms: SEVEN - DAY, until_ms: SEVEN + 5 * DAY, why: Away::Hospital }),
            ..plan()
        };
        let mut away = weeks().with(away);
        away.plan_from_ms = SEVEN - DAY;
        assert_eq!(away.at(AFTER_MORNING + 3 * DAY).review(&[]), Verdict::Fine);
        let mut new = weeks();
        new.plan_from_ms = AFTER_MORNING;
        assert_eq!(new.at(AFTER_MORNING).review(&[]), Verdict::Fine);
    }

    #[test]
    fn the_next_look_is_half_an_hour_after_the_next_part_of_the_day() {
        assert_eq!(next_look_ms(&plan(), SEVEN, &TimeZone::UTC), Some(AFTER_MORNING));
        assert_eq!(next_look_ms(&plan(), AFTER_MORNING, &TimeZone::UTC), Some(AFTER_MORNING + HALF_A_DAY));
        assert_eq!(next_look_ms(&Plan::default(), SEVEN, &TimeZone::UTC), None);
    }

    fn weeks() -> Weeks<MissedReading> {
        Weeks::of(MissedReading).with(plan())
    }

    fn plan() -> Plan {
        Plan { schedule: [(Measurement::BloodPressure, Slot::ALL.into())].into(), ..Plan::default() }
    }
}
