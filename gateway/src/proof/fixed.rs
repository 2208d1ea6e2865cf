//! What silent tests are judged by: the rules in force, on a press and on a reading that must concern somebody. What they say
//! is looked at and goes nowhere.

use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};
use jiff::tz::TimeZone;

use crate::alerts::Finding;
use crate::alerts::rules::alarm_pressed::{self, Press};
use crate::alerts::rules::{self, Doubt, Facts, Rules, Verdict, What, above_limit};
use crate::plan::Plan;

/// Beyond what any grown-up's plan allows.
const PRESSURE: [(Quantity, i64); 2] = [(Quantity::Systolic, 290), (Quantity::Diastolic, 190)];

/// Lets the rules judge.
///
/// # Errors
/// What is wrong with them, in words.
pub fn judge(rules: &Rules, now_ms: i64) -> Result<(), String> {
    let press = What::Alarm(Press::at(now_ms, now_ms));
    if found(rules, alarm_pressed::NAME, &press, now_ms)?.is_none() {
        return Err("no rule makes an alert of a press".to_owned());
    }
    finding(rules, now_ms).map(drop)
}

/// What the rules find in a blood pressure beyond every limit.
///
/// # Errors
/// What is wrong with them, in words.
pub fn finding(rules: &Rules, now_ms: i64) -> Result<Finding, String> {
    let pressure = PRESSURE
        .map(|(quantity, value)| Observation::new(quantity, Decimal::whole(value), Unit::MillimetreOfMercury, true));
    found(rules, above_limit::NAME, &What::Reading(&pressure), now_ms)?
        .ok_or_else(|| "no rule makes an alert of a blood pressure beyond every limit".to_owned())
}

/// What leads to an alert of that name, at once or when no repeat comes. All rules judge it.
fn found(rules: &Rules, name: &str, what: &What<'_>, now_ms: i64) -> Result<Option<Finding>, String> {
    let plan = Plan::default();
    let mut of_name = None;
    for rule in rules {
        let facts = Facts {
            what: what.clone(),
            has_person: true,
            measured_ms: Some(now_ms),
            plan: plan.at(now_ms, &TimeZone::UTC),
            waiting: None,
            memory: None,
            has_confirmed_case: false,
            now_ms,
        };
        let panicked = |_| format!("the rule {} panicked", rule.name());
        let (verdict, _) = rules::judge(rule.as_ref(), &facts).map_err(panicked)?;
        let found = match verdict {
            Verdict::Concern(finding) => Some(finding),
            Verdict::Unsure(Doubt::Waiting(waiting)) => rules::overdue(rule.as_ref(), &waiting).map_err(panicked)?,
            Verdict::Unsure(_) | Verdict::Fine | Verdict::Over(_) => None,
        };
        of_name = of_name.or(found.filter(|finding| finding.case == name));
    }
    Ok(of_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rules::Rule;

    struct Broken;

    impl Rule for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn judge(&self, _: &Facts<'_>) -> Verdict {
            panic!("as every rule may")
        }
    }

    #[test]
    fn the_shipped_rules_pass_however_they_are_set_and_broken_or_missing_ones_do_not() {
        assert_eq!(judge(&rules::Config::default().rules(), 1_800_000_000_000), Ok(()));
        let at_once: rules::Config = toml::from_str("[above_limit]\nrepeats = 0").unwrap();
        assert_eq!(judge(&at_once.rules(), 1_800_000_000_000), Ok(()));

        let mut broken = rules::Config::default().rules();
        broken.push(Box::new(Broken));
        assert_eq!(judge(&broken, 0), Err("the rule broken panicked".to_owned()));
        assert!(judge(&Vec::new(), 0).is_err_and(|why| why.contains("a press")));
        let deaf: Rules = vec![Box::new(alarm_pressed::AlarmPressed)];
        assert!(judge(&deaf, 0).is_err_and(|why| why.contains("blood pressure")));
    }
}
