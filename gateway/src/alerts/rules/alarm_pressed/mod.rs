//! A press of an alarm button opens an alert: at once, always, without repeat, filter or suppression (SA-1).
//!
//! Old presses too, labelled with their age. A further press is a line in the same case, and rings again.

pub mod wording;

use serde::{Deserialize, Serialize};

use super::{Doubt, Facts, Rule, Verdict, Waiting, What};
use crate::alerts::{Finding, Line, Severity, Weight};

/// The rule's name.
pub const NAME: &str = "alarm_pressed";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 1;

/// The rule.
#[derive(Copy, Clone, Debug, Default)]
pub struct AlarmPressed;

/// What is known of a press.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Press {
    /// When the button was pressed, where that is known.
    pub pressed_ms: Option<i64>,
    /// When the gateway stored it.
    pub stored_ms: i64,
    /// Whether the frame proved that it came from this button.
    pub authentic: bool,
    /// The counter was not above the last one.
    pub counter_went_back: bool,
}

/// What stands in the story.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rule's version.
    pub version: u32,
    /// The press.
    pub press: Press,
}

/// The finding of a press. It cannot fail, so that no alarm depends on a rule that can.
#[must_use]
pub fn finding(press: &Press) -> Finding {
    Finding {
        case: NAME,
        severity: Severity::High,
        confirmed: true,
        weight: Weight::AskedAgain,
        line: Line::AlarmPressed(Found { version: VERSION, press: *press }),
    }
}

impl Rule for AlarmPressed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, facts: &Facts<'_>) -> Verdict {
        match facts.what {
            What::Alarm { authentic, counter_went_back } => Verdict::Concern(finding(&Press {
                pressed_ms: facts.measured_ms,
                stored_ms: facts.now_ms,
                authentic,
                counter_went_back,
            })),
            What::Reading(_) => Verdict::Unsure(Doubt::NotMine),
        }
    }

    fn overdue(&self, _: &Waiting) -> Option<Finding> {
        None
    }

    fn is_over(&self, _: &Waiting, _: i64) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::alerts::line::Reader;
    use crate::wording::Lang;

    #[test]
    fn a_press_is_a_high_alert_at_once_whatever_else_is_known_of_it() {
        for (authentic, counter_went_back, has_person) in [(true, false, true), (false, true, false)] {
            let what = What::Alarm { authentic, counter_went_back };
            let facts = Facts { what, has_person, measured_ms: None, waiting: None, now_ms: 5 };
            let Verdict::Concern(finding) = AlarmPressed.judge(&facts) else { panic!("no alert") };
            assert_eq!(
                (finding.severity, finding.confirmed, finding.weight),
                (Severity::High, true, Weight::AskedAgain)
            );
        }
    }

    #[test]
    fn an_old_press_says_its_age() {
        let pressed = 1_800_000_000_000;
        let say = |stored_ms, lang| {
            let press = Press { pressed_ms: Some(pressed), stored_ms, authentic: true, counter_went_back: false };
            finding(&press).line.say(&Reader { lang, zone: TimeZone::UTC })
        };
        assert_eq!(say(pressed + 800, Lang::En), "Pressed at 08:00.");
        assert_eq!(say(pressed + 11_400_000, Lang::En), "Pressed at 2027-01-15 08:00; reached us 3 h 10 min later.");
        assert_eq!(say(pressed + 11_400_000, Lang::Sv), "Tryckt 2027-01-15 08:00; nådde oss 3 h 10 min senare.");
    }
}
