//! Values below a limit: blood pressure (BP-3), pulse (HR-1), oxygen saturation (OX-1), temperature (TE-1), and weight where
//! a plan limits it.
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
pub const NAME: &str = "below_limit";
/// The rule for pulse.
pub const PULSE: &str = "pulse_below_limit";
/// The rule for oxygen saturation.
pub const OXYGEN: &str = "oxygen_below_limit";
/// The rule for temperature.
pub const TEMPERATURE: &str = "temperature_below_limit";
/// The rule for weight.
pub const WEIGHT: &str = "weight_below_limit";

/// The rules' settings. The limits themselves are in people's plans.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many repeats are asked for. With 0, one reading is enough.
    pub repeats: u32,
    /// How long they are waited for.
    #[serde(deserialize_with = "duration::read")]
    pub repeat_within: Duration,
}

impl Default for Config {
    /// Source: clinical-rules §8, BP-3, HR-1, OX-1, TE-1; §9.1.
    fn default() -> Self {
        Self { repeats: 1, repeat_within: Duration::from_secs(15 * 60) }
    }
}

/// The rules with these settings.
#[must_use]
pub fn rules(config: &Config) -> Vec<Beyond> {
    let rule = |name, vital| Beyond {
        name,
        side: Side::Below,
        vital,
        severity: Severity::Medium,
        repeats: config.repeats,
        repeat_within: config.repeat_within,
    };
    vec![
        rule(NAME, Vital::BloodPressure),
        rule(PULSE, Vital::Pulse),
        rule(OXYGEN, Vital::Oxygen),
        rule(TEMPERATURE, Vital::Temperature),
        rule(WEIGHT, Vital::Weight),
    ]
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::observation::{Observation, Quantity, Unit};
    use proptest::prelude::*;

    use super::super::testing::{Home, pressure, values};
    use super::super::{Doubt, Verdict};
    use super::*;
    use crate::plan::{Plan, Standard};

    #[test]
    fn a_low_pressure_takes_one_repeat() {
        let mut home = home(NAME);
        assert_eq!(home.measure(0, &pressure(90, 60)), Verdict::Fine, "90 is not below 90");
        assert!(matches!(home.measure(1, &pressure(89, 60)), Verdict::Unsure(Doubt::Waiting(_))));
        let Verdict::Concern(finding) = home.measure(6, &pressure(85, 60)) else { panic!() };
        assert_eq!((finding.case, finding.severity, finding.confirmed), (NAME, Severity::Medium, true));
    }

    #[test]
    fn a_saturation_of_85_is_high_and_one_of_91_is_medium() {
        for (percent, severity) in [(91, Severity::Medium), (86, Severity::Medium), (85, Severity::High)] {
            let mut home = home(OXYGEN);
            home.measure(0, &saturation(91));
            let Verdict::Concern(finding) = home.measure(2, &saturation(percent)) else { panic!() };
            assert_eq!(finding.severity, severity, "{percent} %");
        }
        let mut home = home(OXYGEN);
        home.measure(0, &saturation(84));
        assert_eq!(home.nothing_more_comes().map(|finding| finding.severity), Some(Severity::Medium));
        assert_eq!(self::home(OXYGEN).measure(0, &saturation(92)), Verdict::Fine);
    }

    #[test]
    fn whoever_is_prescribed_a_low_saturation_is_judged_by_the_lower_band() {
        let plan = Plan { standard: Standard::LowOxygen, ..Plan::default() };
        let mut home = home(OXYGEN).with(plan);
        assert_eq!(home.measure(0, &saturation(84)), Verdict::Fine);
        home.measure(1, &saturation(83));
        assert!(
            matches!(home.measure(3, &saturation(83)), Verdict::Concern(finding) if finding.severity == Severity::Medium)
        );
    }

    proptest! {
        /// Whatever comes, nothing is an alert that no value beyond the limit stands behind.
        #[test]
        fn no_alert_without_a_value_beyond_the_limit(percents in prop::collection::vec(80_i64..100, 1..40)) {
            let mut home = home(OXYGEN);
            for (minute, percent) in (0..).step_by(7).zip(&percents) {
                let verdict = home.measure(minute, &saturation(*percent));
                if let Verdict::Concern(finding) = verdict {
                    prop_assert!(*percent < 92, "{percent} % gave {finding:?}");
                }
            }
        }
    }

    fn home(name: &str) -> Home {
        Home::of(rules(&Config::default()).into_iter().find(|rule| rule.name == name).unwrap())
    }

    fn saturation(percent: i64) -> Vec<Observation> {
        values(&[(Quantity::OxygenSaturation, percent)], Unit::Percent, true)
    }
}
