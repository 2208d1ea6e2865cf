//! Values above a limit: blood pressure (BP-1), pulse (HR-1), temperature (TE-1), and weight where a plan limits it.
//!
//! How they are judged is said in [`super::limits`].
//!
//! Source: clinical-rules §8 and §9.1.

use std::time::Duration;

use serde::Deserialize;

use super::limits::{Beyond, Side};
use super::vital::Vital;
use crate::alerts::Severity;
use crate::config::duration;

/// The rule for blood pressure.
pub const NAME: &str = "above_limit";
/// The rule for pulse.
pub const PULSE: &str = "pulse_above_limit";
/// The rule for temperature.
pub const TEMPERATURE: &str = "temperature_above_limit";
/// The rule for weight.
pub const WEIGHT: &str = "weight_above_limit";

/// The rules' settings. The limits themselves are in people's plans.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many repeats of a blood pressure are asked for. With 0, one reading is enough.
    pub repeats: u32,
    /// How many repeats of everything else.
    pub other_repeats: u32,
    /// How long they are waited for.
    #[serde(deserialize_with = "duration::read")]
    pub repeat_within: Duration,
}

impl Default for Config {
    /// Source: clinical-rules §8, BP-1, HR-1, TE-1; §9.1.
    fn default() -> Self {
        Self { repeats: 2, other_repeats: 1, repeat_within: Duration::from_secs(15 * 60) }
    }
}

/// The rules with these settings.
#[must_use]
pub fn rules(config: &Config) -> Vec<Beyond> {
    let rule = |name, vital, severity, repeats| Beyond {
        name,
        side: Side::Above,
        vital,
        severity,
        repeats,
        repeat_within: config.repeat_within,
    };
    vec![
        rule(NAME, Vital::BloodPressure, Severity::Medium, config.repeats),
        rule(PULSE, Vital::Pulse, Severity::Medium, config.other_repeats),
        rule(TEMPERATURE, Vital::Temperature, Severity::Low, config.other_repeats),
        rule(WEIGHT, Vital::Weight, Severity::Medium, config.other_repeats),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::limits::{Exceeded, Found};
    use super::super::testing::{Home, MINUTE, NOON, pressure, values};
    use super::super::{Doubt, Verdict, late};
    use super::*;
    use crate::alerts::{Line, Severity};
    use crate::plan::{Limit, Plan, Tenths};
    use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};

    #[test]
    fn the_first_high_reading_waits_for_its_repeats_and_their_mean_confirms_it() {
        let mut home = home();
        let Verdict::Unsure(Doubt::Waiting(waiting)) = home.measure(0, &pressure(190, 95)) else { panic!() };
        assert_eq!((waiting.got, waiting.wanted, waiting.due_ms), (0, 2, NOON + 15 * MINUTE));
        let Verdict::Unsure(Doubt::Waiting(waiting)) = home.measure(5, &pressure(170, 95)) else { panic!() };
        assert_eq!((waiting.got, waiting.due_ms), (1, NOON + 15 * MINUTE));
        let Verdict::Concern(finding) = home.measure(10, &pressure(190, 95)) else { panic!() };
        assert_eq!((finding.case, finding.severity, finding.confirmed), (NAME, Severity::Medium, true));
        let Line::BeyondLimit(Found { what: Exceeded::Confirmed { mean, .. }, .. }) = finding.line else { panic!() };
        assert_eq!((mean.systolic, mean.diastolic), (Some(1800), Some(950)));
    }

    #[test]
    fn repeats_below_the_limit_settle_it() {
        let mut home = home();
        home.measure(0, &pressure(190, 95));
        home.measure(5, &pressure(181, 95));
        assert_eq!(home.measure(10, &pressure(178, 95)), Verdict::Fine);
    }

    #[test]
    fn a_high_diastolic_pressure_is_enough() {
        assert!(matches!(home().measure(0, &pressure(120, 110)), Verdict::Unsure(Doubt::Waiting(_))));
        assert_eq!(home().measure(0, &pressure(179, 109)), Verdict::Fine);
    }

    #[test]
    fn without_repeats_in_time_the_alert_is_unconfirmed_and_one_step_less_urgent() {
        let mut home = home();
        home.measure(0, &pressure(190, 95));
        home.measure(5, &pressure(190, 95));
        let finding = home.nothing_more_comes().unwrap();
        assert_eq!((finding.case, finding.severity, finding.confirmed), (NAME, Severity::Low, false));
        assert!(home.is_over(15 * MINUTE + 1) && !home.is_over(15 * MINUTE));
    }

    #[test]
    fn what_the_cuff_sends_twice_or_out_of_order_is_no_repeat() {
        let mut home = home();
        home.measure(5, &pressure(190, 95));
        assert_eq!(home.measure(5, &pressure(190, 95)), Verdict::Unsure(Doubt::NotMine));
        assert_eq!(home.measure(0, &pressure(190, 95)), Verdict::Unsure(Doubt::NotMine));
    }

    #[test]
    fn a_reading_with_movement_is_not_judged_and_asks_for_a_repeat() {
        let mut home = home();
        let moved = values(&[(Quantity::Systolic, 195), (Quantity::Diastolic, 95)], Unit::MillimetreOfMercury, false);
        let Verdict::Unsure(Doubt::Waiting(waiting)) = home.measure(0, &moved) else { panic!() };
        assert_eq!((waiting.got, waiting.wanted), (0, 2));
        assert_eq!(home.nothing_more_comes(), None, "a doubtful value alone is no alert");
        assert!(
            matches!(home.measure(3, &pressure(190, 95)), Verdict::Unsure(Doubt::Waiting(waiting)) if waiting.got == 0)
        );
        home.measure(6, &pressure(190, 95));
        assert!(matches!(home.measure(9, &pressure(190, 95)), Verdict::Concern(finding) if finding.confirmed));
        let calm = values(&[(Quantity::Systolic, 150), (Quantity::Diastolic, 95)], Unit::MillimetreOfMercury, false);
        assert_eq!(self::home().measure(0, &calm), Verdict::Fine);
    }

    #[test]
    fn a_case_goes_on_until_two_readings_in_a_row_are_back_by_a_margin() {
        let mut home = home();
        for minute in [0, 5, 10] {
            home.measure(minute, &pressure(190, 95));
        }
        assert!(matches!(home.measure(60, &pressure(181, 95)), Verdict::Concern(finding) if finding.confirmed));
        assert_eq!(home.measure(120, &pressure(170, 95)), Verdict::Fine, "one is not enough");
        assert_eq!(home.measure(180, &pressure(177, 95)), Verdict::Fine, "not by the margin: it begins anew");
        assert_eq!(home.measure(240, &pressure(170, 95)), Verdict::Fine);
        let Verdict::Over(Line::BeyondLimit(found)) = home.measure(300, &pressure(165, 95)) else { panic!() };
        assert!(matches!(found.what, Exceeded::Back(_)));
        assert_eq!(home.measure(360, &pressure(165, 95)), Verdict::Fine, "it is said once");
        assert!(matches!(home.measure(420, &pressure(190, 95)), Verdict::Unsure(Doubt::Waiting(_))), "a new beginning");
    }

    #[test]
    fn her_own_limit_decides_and_without_one_a_child_is_not_judged() {
        let plan = Plan { limits: [(Limit::SystolicAbove, Tenths::whole(160))].into(), ..Plan::default() };
        assert!(matches!(home().with(plan).measure(0, &pressure(160, 80)), Verdict::Unsure(Doubt::Waiting(_))));
        let child = Plan { is_child: true, ..Plan::default() };
        assert_eq!(home().with(child.clone()).measure(0, &pressure(200, 80)), Verdict::Unsure(Doubt::NoLimitsForChild));
        let own = Plan { limits: [(Limit::SystolicAbove, Tenths::whole(125))].into(), ..child };
        assert!(matches!(home().with(own).measure(0, &pressure(125, 80)), Verdict::Unsure(Doubt::Waiting(_))));
    }

    #[test]
    fn an_old_high_reading_is_for_review_and_never_for_now() {
        let mut home = home();
        let Verdict::Concern(finding) = home.measure_late(&pressure(200, 120)) else { panic!() };
        assert_eq!((finding.case, finding.severity), (late::REVIEW, Severity::Low));
        assert_eq!(home.measure_late(&pressure(120, 80)), Verdict::Unsure(Doubt::NotMine));
        let Verdict::Concern(other) = home.measure_late(&pressure(210, 120)) else { panic!() };
        let (Line::Late(first), Line::Late(second)) = (finding.line, other.line) else { panic!() };
        let both = second.with(&first);
        assert_eq!((both.count, both.worst.len(), both.worst[0].reading.values.systolic), (2, 1, Some(2100)));
    }

    #[test]
    fn kilopascals_are_judged_by_the_same_limit() {
        let kpa = |tenths| [Observation::new(Quantity::Systolic, Decimal::new(tenths, -1), Unit::Kilopascal, true)];
        assert!(matches!(home().measure(0, &kpa(240)), Verdict::Unsure(Doubt::Waiting(_))));
        assert_eq!(home().measure(0, &kpa(239)), Verdict::Fine);
    }

    #[test]
    fn one_reading_is_enough_where_no_repeats_are_asked_for() {
        let mut home = Home::of(rules(&Config { repeats: 0, ..Config::default() }).remove(0));
        assert!(matches!(home.measure(0, &pressure(180, 80)), Verdict::Concern(_)));
    }

    #[test]
    fn fever_and_a_fast_pulse_take_one_repeat() {
        let rule = |name| Home::of(rules(&Config::default()).into_iter().find(|rule| rule.name == name).unwrap());
        let fever = [Observation::new(Quantity::BodyTemperature, Decimal::new(385, -1), Unit::Celsius, true)];
        let mut home = rule(TEMPERATURE);
        home.measure(0, &fever);
        assert!(matches!(home.measure(5, &fever), Verdict::Concern(finding) if finding.severity == Severity::Low));
        let pulse = |beats| values(&[(Quantity::PulseRate, beats)], Unit::PerMinute, true);
        let mut home = rule(PULSE);
        assert_eq!(home.measure(0, &pulse(130)), Verdict::Fine);
        home.measure(5, &pulse(131));
        assert!(
            matches!(home.measure(9, &pulse(140)), Verdict::Concern(finding) if finding.severity == Severity::Medium)
        );
    }

    fn home() -> Home {
        Home::of(rules(&Config::default()).remove(0))
    }
}
