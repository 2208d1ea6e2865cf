//! Blood pressure above a limit, confirmed by repeats before it is an alert (BP-1).
//!
//! The first high reading is on the work list at once, as waiting for its repeats. When they have come, the mean of the
//! last two decides. When they do not come in time, there is an *unconfirmed* alert, one step less urgent. Readings
//! that reach us late are never a real-time alert: they are summed up in one item for review.
//!
//! Source: clinical-rules §8 (BP-1) and §9.

pub mod wording;

use std::time::Duration;

use hempuls_protocol::observation::{Observation, Quantity, Unit};
use serde::{Deserialize, Serialize};

use super::{Doubt, Facts, Rule, Verdict, Waiting, What};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::config::duration;

/// The rule's name, and that of its cases.
pub const NAME: &str = "above_limit";

/// The name of its cases for review.
pub const REVIEW: &str = "above_limit_review";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 1;

/// Readings that reach us later than this are for review.
const LATE_MS: i64 = 6 * 60 * 60 * 1000;

/// The rule's settings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Systolic pressure from which a reading is too high, in mmHg.
    pub systolic: u16,
    /// Diastolic pressure from which a reading is too high, in mmHg.
    pub diastolic: u16,
    /// How many repeats are asked for. With 0, one reading is enough.
    pub repeats: u32,
    /// How long they are waited for.
    #[serde(deserialize_with = "duration::read")]
    pub repeat_within: Duration,
}

impl Default for Config {
    /// Source: clinical-rules §8, BP-1; §9.1.
    fn default() -> Self {
        Self { systolic: 180, diastolic: 110, repeats: 2, repeat_within: Duration::from_secs(15 * 60) }
    }
}

/// The rule.
#[derive(Clone, Debug)]
pub struct AboveLimit {
    config: Config,
}

/// A pressure in tenths of mmHg, where it is known and usable.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pressure {
    /// Systolic.
    pub systolic: Option<i64>,
    /// Diastolic.
    pub diastolic: Option<i64>,
}

/// One reading, as the rule remembers it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// When it was measured.
    pub at_ms: i64,
    /// Its values.
    pub pressure: Pressure,
}

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rule's version.
    pub version: u32,
    /// The limits it was judged by, in mmHg.
    pub limit: (u16, u16),
    /// What was found.
    pub what: Exceeded,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exceeded {
    /// The repeats are too high as well.
    Confirmed {
        /// The first high reading.
        first: Measured,
        /// The mean of the last two.
        mean: Pressure,
    },
    /// The repeats did not come in time.
    Unconfirmed {
        /// The first high reading.
        first: Measured,
        /// How many came.
        got: u32,
        /// How many were asked for.
        wanted: u32,
        /// How long they were waited for.
        within_ms: i64,
    },
    /// Readings that reached us late.
    Late {
        /// How many.
        count: u32,
        /// The highest of them.
        highest: Measured,
    },
}

impl AboveLimit {
    /// The rule with these settings.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    fn is_above(&self, pressure: &Pressure) -> bool {
        let above = |value: Option<i64>, limit: u16| value.is_some_and(|value| value >= i64::from(limit) * 10);
        above(pressure.systolic, self.config.systolic) || above(pressure.diastolic, self.config.diastolic)
    }

    fn finding(
        &self,
        case: &'static str,
        severity: Severity,
        confirmed: bool,
        weight: Weight,
        what: Exceeded,
    ) -> Finding {
        let limit = (self.config.systolic, self.config.diastolic);
        Finding { case, severity, confirmed, weight, line: Line::AboveLimit(Found { version: VERSION, limit, what }) }
    }

    fn wait(&self, readings: &[Measured], due_ms: i64) -> Verdict {
        let (Some(first), Some(repeats)) = (readings.first(), readings.len().checked_sub(1)) else {
            return Verdict::Fine;
        };
        Verdict::Unsure(Doubt::Waiting(Waiting {
            since_ms: first.at_ms,
            due_ms,
            got: u32::try_from(repeats).unwrap_or(u32::MAX),
            wanted: self.config.repeats,
            memory: serde_json::to_string(readings).expect("numbers can be written"),
        }))
    }

    fn settle(&self, readings: &[Measured]) -> Verdict {
        let (Some(first), [.., _]) = (readings.first(), readings) else { return Verdict::Fine };
        let repeats = if readings.len() > 1 { &readings[1..] } else { readings };
        let last_two = &repeats[repeats.len().saturating_sub(2)..];
        let mean = Pressure {
            systolic: mean(last_two.iter().map(|reading| reading.pressure.systolic)),
            diastolic: mean(last_two.iter().map(|reading| reading.pressure.diastolic)),
        };
        if !self.is_above(&mean) {
            return Verdict::Fine;
        }
        let what = Exceeded::Confirmed { first: *first, mean };
        Verdict::Concern(self.finding(NAME, Severity::Medium, true, Weight::More, what))
    }
}

impl Rule for AboveLimit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, facts: &Facts<'_>) -> Verdict {
        const NOT_MINE: Verdict = Verdict::Unsure(Doubt::NotMine);
        let What::Reading(observations) = facts.what else { return NOT_MINE };
        let (Some(pressure), Some(at_ms), true) = (pressure(observations), facts.measured_ms, facts.has_person) else {
            return NOT_MINE;
        };
        let reading = Measured { at_ms, pressure };
        if facts.now_ms - at_ms > LATE_MS {
            if !self.is_above(&pressure) {
                return NOT_MINE;
            }
            let what = Exceeded::Late { count: 1, highest: reading };
            return Verdict::Concern(self.finding(REVIEW, Severity::Low, false, Weight::Summary, what));
        }
        let Some(waiting) = facts.waiting else {
            return match (self.is_above(&pressure), self.config.repeats) {
                (false, _) => Verdict::Fine,
                (true, 0) => self.settle(&[reading]),
                (true, _) => self.wait(&[reading], facts.now_ms + millis(self.config.repeat_within)),
            };
        };
        let mut readings = remember(waiting);
        if readings.last().is_some_and(|last| last.at_ms >= at_ms) {
            return NOT_MINE;
        }
        readings.push(reading);
        if readings.len() > self.config.repeats as usize {
            self.settle(&readings)
        } else {
            self.wait(&readings, waiting.due_ms)
        }
    }

    fn overdue(&self, waiting: &Waiting) -> Option<Finding> {
        let first = *remember(waiting).first()?;
        let what = Exceeded::Unconfirmed {
            first,
            got: waiting.got,
            wanted: waiting.wanted,
            within_ms: millis(self.config.repeat_within),
        };
        Some(self.finding(NAME, Severity::Medium.lowered(), false, Weight::More, what))
    }

    fn is_over(&self, waiting: &Waiting, measured_ms: i64) -> bool {
        measured_ms - waiting.since_ms > millis(self.config.repeat_within)
    }
}

impl Found {
    /// Sums up with an earlier one, where both are summaries.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Option<Self> {
        let worth = |reading: &Measured| (reading.pressure.systolic, reading.pressure.diastolic);
        match (&self.what, &earlier.what) {
            (Exceeded::Late { count, highest }, Exceeded::Late { count: more, highest: other }) => {
                let highest = if worth(other) >= worth(highest) { *other } else { *highest };
                Some(Self { what: Exceeded::Late { count: count.saturating_add(*more), highest }, ..self.clone() })
            }
            (_, _) => None,
        }
    }
}

/// The usable pressures among these values, in tenths of mmHg.
fn pressure(observations: &[Observation]) -> Option<Pressure> {
    let tenths = |quantity| {
        let observation = observations.iter().find(|value| value.quantity == quantity && value.usable)?;
        let number =
            observation.normalised().filter(|_| observation.unit.common() == Unit::MillimetreOfMercury)?.rounded(1);
        let power = u32::try_from(i32::from(number.exponent) + 1).ok()?;
        number.mantissa.checked_mul(10_i64.checked_pow(power)?)
    };
    let pressure = Pressure { systolic: tenths(Quantity::Systolic), diastolic: tenths(Quantity::Diastolic) };
    (pressure.systolic.is_some() || pressure.diastolic.is_some()).then_some(pressure)
}

/// The mean of the values that are there.
fn mean(values: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    let values: Vec<i64> = values.flatten().collect();
    let count = i64::try_from(values.len()).ok().filter(|count| *count > 0)?;
    Some(values.iter().sum::<i64>() / count)
}

fn remember(waiting: &Waiting) -> Vec<Measured> {
    serde_json::from_str(&waiting.memory).expect("the rule reads what it wrote")
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::observation::Decimal;

    use super::*;

    const MINUTE: i64 = 60_000;
    const NOON: i64 = 1_800_000_000_000;

    #[test]
    fn the_first_high_reading_waits_for_its_repeats_and_their_mean_confirms_it() {
        let mut home = Evening::default();
        let Verdict::Unsure(Doubt::Waiting(waiting)) = home.measure(0, 190, 95) else { panic!() };
        assert_eq!((waiting.got, waiting.wanted, waiting.due_ms), (0, 2, NOON + 15 * MINUTE));
        let Verdict::Unsure(Doubt::Waiting(waiting)) = home.measure(5, 170, 95) else { panic!() };
        assert_eq!((waiting.got, waiting.due_ms), (1, NOON + 15 * MINUTE));
        let Verdict::Concern(finding) = home.measure(10, 190, 95) else { panic!() };
        assert_eq!((finding.case, finding.severity, finding.confirmed), (NAME, Severity::Medium, true));
        let Line::AboveLimit(Found { what: Exceeded::Confirmed { mean, .. }, .. }) = finding.line else { panic!() };
        assert_eq!(mean, Pressure { systolic: Some(1800), diastolic: Some(950) });
    }

    #[test]
    fn repeats_below_the_limit_settle_it() {
        let mut home = Evening::default();
        home.measure(0, 190, 95);
        home.measure(5, 181, 95);
        assert_eq!(home.measure(10, 178, 95), Verdict::Fine);
    }

    #[test]
    fn a_high_diastolic_pressure_is_enough() {
        assert!(matches!(Evening::default().measure(0, 120, 110), Verdict::Unsure(Doubt::Waiting(_))));
        assert_eq!(Evening::default().measure(0, 179, 109), Verdict::Fine);
    }

    #[test]
    fn without_repeats_in_time_the_alert_is_unconfirmed_and_one_step_less_urgent() {
        let mut home = Evening::default();
        home.measure(0, 190, 95);
        home.measure(5, 190, 95);
        let finding = rule().overdue(home.waiting.as_ref().unwrap()).unwrap();
        assert_eq!((finding.case, finding.severity, finding.confirmed), (NAME, Severity::Low, false));
        assert!(rule().is_over(home.waiting.as_ref().unwrap(), NOON + 15 * MINUTE + 1));
        assert!(!rule().is_over(home.waiting.as_ref().unwrap(), NOON + 15 * MINUTE));
    }

    #[test]
    fn what_the_cuff_sends_twice_or_late_is_no_repeat() {
        let mut home = Evening::default();
        home.measure(5, 190, 95);
        assert_eq!(home.measure(5, 190, 95), Verdict::Unsure(Doubt::NotMine));
        assert_eq!(home.measure(0, 190, 95), Verdict::Unsure(Doubt::NotMine));
    }

    #[test]
    fn an_old_high_reading_is_for_review_and_never_for_now() {
        let facts = |now_ms| facts(&[], None, now_ms);
        let values = values(200, 120, true);
        let old = Facts { what: What::Reading(&values), ..facts(NOON + LATE_MS + 1) };
        let Verdict::Concern(finding) = rule().judge(&old) else { panic!() };
        assert_eq!((finding.case, finding.severity, finding.weight), (REVIEW, Severity::Low, Weight::Summary));
        let fresh = Facts { what: What::Reading(&values), ..facts(NOON + LATE_MS) };
        assert!(matches!(rule().judge(&fresh), Verdict::Unsure(Doubt::Waiting(_))));
    }

    #[test]
    fn what_is_not_usable_or_nobodys_or_of_no_known_time_is_not_judged() {
        let (unusable, high) = (values(250, 140, false), values(250, 140, true));
        let facts = facts(&high, None, NOON);
        for unjudged in [
            Facts { what: What::Reading(&unusable), ..facts.clone() },
            Facts { has_person: false, ..facts.clone() },
            Facts { measured_ms: None, ..facts },
        ] {
            assert_eq!(rule().judge(&unjudged), Verdict::Unsure(Doubt::NotMine));
        }
    }

    #[test]
    fn kilopascals_are_judged_by_the_same_limit() {
        let kpa = |tenths| [Observation::new(Quantity::Systolic, Decimal::new(tenths, -1), Unit::Kilopascal, true)];
        assert!(matches!(rule().judge(&facts(&kpa(240), None, NOON)), Verdict::Unsure(Doubt::Waiting(_))));
        assert_eq!(rule().judge(&facts(&kpa(239), None, NOON)), Verdict::Fine);
    }

    #[test]
    fn one_reading_is_enough_where_no_repeats_are_asked_for() {
        let rule = AboveLimit::new(Config { repeats: 0, ..Config::default() });
        assert!(matches!(rule.judge(&facts(&values(180, 80, true), None, NOON)), Verdict::Concern(_)));
    }

    #[test]
    fn a_backlog_is_summed_up_in_one_line() {
        let late = |systolic, count| {
            let highest = Measured { at_ms: 0, pressure: Pressure { systolic: Some(systolic), diastolic: None } };
            Found { version: 1, limit: (180, 110), what: Exceeded::Late { count, highest } }
        };
        assert_eq!(late(1900, 1).with(&late(2000, 3)), Some(late(2000, 4)));
        assert_eq!(late(2100, 1).with(&late(2000, 3)), Some(late(2100, 4)));
    }

    /// Readings of one person, minute by minute.
    #[derive(Default)]
    struct Evening {
        waiting: Option<Waiting>,
    }

    impl Evening {
        fn measure(&mut self, minute: i64, systolic: i64, diastolic: i64) -> Verdict {
            let values = values(systolic, diastolic, true);
            let mut facts = facts(&values, self.waiting.as_ref(), NOON + minute * MINUTE);
            facts.measured_ms = Some(NOON + minute * MINUTE);
            let verdict = rule().judge(&facts);
            if let Verdict::Unsure(Doubt::Waiting(waiting)) = &verdict {
                self.waiting = Some(waiting.clone());
            }
            verdict
        }
    }

    fn rule() -> AboveLimit {
        AboveLimit::new(Config::default())
    }

    fn facts<'a>(values: &'a [Observation], waiting: Option<&'a Waiting>, now_ms: i64) -> Facts<'a> {
        Facts { what: What::Reading(values), has_person: true, measured_ms: Some(NOON), waiting, now_ms }
    }

    fn values(systolic: i64, diastolic: i64, usable: bool) -> [Observation; 2] {
        let unit = Unit::MillimetreOfMercury;
        [
            Observation::new(Quantity::Systolic, Decimal::whole(systolic), unit, usable),
            Observation::new(Quantity::Diastolic, Decimal::whole(diastolic), unit, usable),
        ]
    }
}
