//! A press of an alarm button opens an alert: at once, always, without repeat, filter or suppression (SA-1).
//!
//! Old presses too, labelled with their age. A further press is a line in the same case, and rings again.

pub mod wording;

use hempuls_protocol::devices::Characteristic;
use serde::{Deserialize, Serialize};

use super::{Doubt, Facts, Rule, Verdict, What};
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::store::records::NewRecord;

/// The rule's name.
pub const NAME: &str = "alarm_pressed";

/// Raised by one whenever the rule judges otherwise than before.
const VERSION: u32 = 1;

/// The rule.
#[derive(Copy, Clone, Debug, Default)]
pub struct AlarmPressed;

/// What is known of a press.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Press {
    /// When the button was pressed, where that is known.
    pub pressed_ms: Option<i64>,
    /// When the gateway stored it.
    pub stored_ms: i64,
    /// Whether the frame proved that it came from this button.
    pub authentic: bool,
    /// The counter was not above the last one.
    pub counter_went_back: bool,
    /// The box's flash took nothing; it came from memory.
    #[serde(default)]
    pub not_on_flash: bool,
    /// It was pressed while the box was being installed.
    #[serde(default)]
    pub before_enrolment: bool,
    /// The name of the wire or program in the home that it came from; none where a button was pressed.
    #[serde(default)]
    pub local: Option<String>,
}

impl Press {
    /// A press of a button that proved itself.
    #[must_use]
    pub fn at(pressed_ms: i64, stored_ms: i64) -> Self {
        Self {
            pressed_ms: Some(pressed_ms),
            stored_ms,
            authentic: true,
            counter_went_back: false,
            not_on_flash: false,
            before_enrolment: false,
            local: None,
        }
    }

    /// The press that a record is; none where it is a reading.
    #[must_use]
    pub fn of(record: &NewRecord, stored_ms: i64) -> Option<Self> {
        let press = record.press?;
        let is_local = record.characteristic == Characteristic::LOCAL.to_string();
        let name = record.device.split_once('/').map_or(record.device.as_str(), |(_, name)| name);
        Some(Self {
            pressed_ms: record.measured.map(|measured| measured.at_ms),
            stored_ms,
            authentic: press.authentic,
            counter_went_back: press.counter_went_back,
            not_on_flash: press.not_on_flash,
            before_enrolment: press.before_enrolment,
            local: is_local.then(|| name.to_owned()),
        })
    }
}

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The rule's version.
    pub version: u32,
    /// The press.
    pub press: Press,
}

/// The finding of a press. It cannot fail, so that no alarm depends on a rule that can.
#[must_use]
pub fn finding(press: Press) -> Finding {
    Finding {
        case: NAME,
        severity: Severity::High,
        confirmed: true,
        weight: Weight::AskedAgain,
        line: Line::AlarmPressed(Found { version: VERSION, press }),
    }
}

impl Rule for AlarmPressed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, facts: &Facts<'_>) -> Verdict {
        match &facts.what {
            What::Alarm(press) => Verdict::Concern(finding(press.clone())),
            What::Reading(_) => Verdict::Unsure(Doubt::NotMine),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::alerts::line::Reader;
    use crate::plan::{Away, Pause, Plan};
    use crate::wording::Lang;

    #[test]
    fn a_press_is_a_high_alert_at_once_whatever_else_is_known_of_it() {
        let doubtful = Press { authentic: false, counter_went_back: true, pressed_ms: None, ..Press::at(0, 5) };
        for (press, has_person) in [(Press::at(0, 5), true), (doubtful, false)] {
            let what = What::Alarm(press);
            let plan = Plan { pause: Some(Pause { from_ms: 0, until_ms: 9, why: Away::Hospital }), ..Plan::default() };
            let facts = Facts {
                what,
                has_person,
                measured_ms: None,
                plan: plan.at(5, &TimeZone::UTC),
                waiting: None,
                memory: None,
                has_confirmed_case: false,
                now_ms: 5,
            };
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
        let say = |stored_ms, lang| said(Press::at(pressed, stored_ms), lang);
        assert_eq!(say(pressed + 800, Lang::En), "Pressed at 08:00.");
        assert_eq!(say(pressed + 11_400_000, Lang::En), "Pressed at 2027-01-15 08:00; reached us 3 h 10 min later.");
        assert_eq!(say(pressed + 11_400_000, Lang::Sv), "Tryckt 2027-01-15 08:00; nådde oss 3 h 10 min senare.");
    }

    #[test]
    fn an_alarm_that_came_by_another_way_says_by_which() {
        let press = || Press::at(1_800_000_000_000, 1_800_000_000_000);
        let local = Press { local: Some("kitchen".into()), authentic: false, ..press() };
        assert_eq!(said(local.clone(), Lang::En), "Alarm from kitchen at 08:00.");
        assert_eq!(said(local, Lang::Sv), "Larm från kitchen 08:00.");
        let installing = Press { before_enrolment: true, not_on_flash: true, ..press() };
        assert_eq!(
            said(installing, Lang::Sv),
            "Tryckt 08:00. Det kom ur boxens arbetsminne: dess lagring tog inte emot det. Det kom medan boxen installerades, \
             och är ett riktigt larm ändå."
        );
    }

    fn said(press: Press, lang: Lang) -> String {
        finding(press).line.say(&Reader { lang, zone: TimeZone::UTC })
    }
}
