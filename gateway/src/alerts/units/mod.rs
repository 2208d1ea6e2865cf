//! What alarm units of other makes say over SCAIP, as somebody must act on it. An alarm of such a unit is one like a press
//! of a button: high, at once, and it rings again however often it comes.

pub mod wording;

use hempuls_protocol::scaip::{MessageType, Request};
use serde::{Deserialize, Serialize};

use super::rules::alarm_pressed;
use super::{About, Concern, Finding, Line, Severity, Weight, health};
use crate::store::units::Unit;

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Found {
    /// It asks for help.
    Alarm(Said),
    /// It takes back what it asked for. Somebody still has to look.
    Withdrawn(Said),
    /// It tells of itself, or more of an alarm.
    Told(Said),
    /// It said something that cannot be read. It may be an alarm.
    Unreadable {
        /// Which unit.
        unit: String,
    },
    /// It has not been heard for so long as it should have been.
    Silent {
        /// Which unit.
        unit: String,
        /// When it was last heard; none: never.
        heard_ms: Option<i64>,
    },
    /// It is heard again.
    Heard {
        /// Which unit.
        unit: String,
    },
}

/// What a message says, by the numbers of its lists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Said {
    /// Which unit.
    pub unit: String,
    /// By which message, so that two are never one.
    pub reference: String,
    /// What kind of device was used.
    pub device_type: u16,
    /// What happened.
    pub status: Option<u16>,
    /// Where.
    pub location: Option<u16>,
    /// Where, in its words.
    pub location_text: Option<String>,
}

impl Said {
    fn of(request: &Request) -> Self {
        Self {
            unit: request.controller.to_string(),
            reference: request.reference.to_string(),
            device_type: request.device_type.number(),
            status: request.status.map(|status| status.number()),
            location: request.location.map(|location| location.number()),
            location_text: request.location_text.as_ref().map(|text| text.as_str().to_owned()),
        }
    }
}

/// What follows from a message.
#[derive(Clone, PartialEq, Debug)]
pub enum Follows {
    /// Someone must act.
    Raise(Box<Concern>),
    /// It is one more line of the case that is open, if one is; nothing rings, and nothing closes.
    Add(Box<Concern>),
    /// The unit is there, and that is all.
    Nothing,
}

/// Somebody cancels at the unit. Source: the public list of status codes (Syntilio/Datahub-Scaip-Proxy).
const CANCEL: u16 = 19;
/// All is well again: battery ok, power restored, a way back, a test. They tell of no trouble.
const WELL: [u16; 12] = [15, 70, 75, 86, 99, 102, 103, 111, 112, 113, 114, 124];
/// Somebody should look today: it fails, or soon will.
const FAILING: [u16; 9] = [14, 23, 24, 25, 42, 67, 73, 85, 125];

/// What follows from a message of this unit.
#[must_use]
pub fn follows(unit: &Unit, request: &Request) -> Follows {
    let said = Said::of(request);
    let status = said.status;
    let is_withdrawn = request.kind == MessageType::Reset || status == Some(CANCEL);
    match request.kind {
        MessageType::Heartbeat => Follows::Nothing,
        MessageType::Alarm | MessageType::Reset if is_withdrawn => {
            Follows::Add(Box::new(concern(unit, alarm_pressed::NAME, Severity::High, Found::Withdrawn(said))))
        }
        MessageType::Alarm | MessageType::Reset => {
            Follows::Raise(Box::new(concern(unit, alarm_pressed::NAME, Severity::High, Found::Alarm(said))))
        }
        MessageType::Information => {
            let told = |severity, case| Box::new(concern(unit, case, severity, Found::Told(said)));
            match status {
                Some(code) if WELL.contains(&code) => Follows::Add(told(Severity::Low, health::DEVICE)),
                Some(code) if FAILING.contains(&code) => Follows::Raise(told(Severity::Medium, health::DEVICE)),
                Some(_) | None => Follows::Raise(told(Severity::Low, health::DEVICE)),
            }
        }
    }
}

/// A message of this unit cannot be read.
#[must_use]
pub fn unreadable(unit: &Unit) -> Concern {
    let found = Found::Unreadable { unit: unit.id.clone() };
    concern(unit, health::UNREADABLE_ALARM, Severity::High, found)
}

/// Nothing is heard of this unit.
#[must_use]
pub fn silent(unit: &Unit) -> Concern {
    let found = Found::Silent { unit: unit.id.clone(), heard_ms: unit.last_heard_ms };
    concern(unit, health::DEVICE, Severity::High, found)
}

/// It is heard again.
#[must_use]
pub fn heard(unit: &Unit) -> Concern {
    concern(unit, health::DEVICE, Severity::Low, Found::Heard { unit: unit.id.clone() })
}

/// What a unit is called where devices are.
#[must_use]
pub fn device(unit: &str) -> String {
    format!("scaip/{unit}")
}

fn concern(unit: &Unit, case: &'static str, severity: Severity, found: Found) -> Concern {
    let asks = matches!(found, Found::Alarm(_) | Found::Unreadable { .. } | Found::Silent { .. });
    let about = match (&found, &unit.person) {
        (Found::Alarm(_) | Found::Withdrawn(_), Some(person)) => About::Person(person.clone()),
        (_, _) => About::Device { home: unit.home.clone(), device: device(&unit.id) },
    };
    Concern {
        finding: Finding {
            case,
            severity,
            confirmed: true,
            weight: if asks { Weight::AskedAgain } else { Weight::More },
            line: Line::AlarmUnit(found),
        },
        about,
        person: unit.person.clone(),
        home: unit.home.clone(),
        record: None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::alerts::line::Reader;
    use crate::wording::Lang;

    #[test]
    fn an_alarm_is_high_at_once_whatever_its_codes_are() {
        for rest in ["", "<stc>10</stc>", "<stc>8888</stc><lco>777</lco>", "<stc>16</stc>", "<stc>102</stc>"] {
            let Follows::Raise(concern) = said(&format!("<mty>ME</mty>{rest}")) else { panic!("no case for {rest}") };
            assert_eq!((concern.finding.case, concern.finding.severity), (alarm_pressed::NAME, Severity::High));
            assert_eq!(concern.finding.weight, Weight::AskedAgain, "{rest}");
            assert_eq!(concern.about, About::Person("ada".into()));
        }
        let of_a_home = Unit { person: None, ..unit() };
        let Follows::Raise(concern) = follows(&of_a_home, &request("")) else { panic!("no case") };
        assert_eq!(concern.about, About::Device { home: "home".into(), device: "scaip/4711".into() });
    }

    #[test]
    fn taking_an_alarm_back_is_a_line_and_closes_nothing() {
        for rest in ["<mty>RE</mty>", "<mty>ME</mty><stc>0019</stc>"] {
            let Follows::Add(concern) = said(rest) else { panic!("{rest} rings") };
            assert_eq!(
                (concern.finding.case, concern.about.clone()),
                (alarm_pressed::NAME, About::Person("ada".into()))
            );
        }
    }

    #[test]
    fn a_unit_tells_of_itself_as_urgently_as_it_is() {
        let urgency = |rest: &str| match said(&format!("<mty>IN</mty>{rest}")) {
            Follows::Raise(concern) => Some(concern.finding.severity),
            Follows::Add(_) | Follows::Nothing => None,
        };
        assert_eq!(urgency("<stc>85</stc>"), Some(Severity::Medium), "power failed");
        assert_eq!(urgency("<stc>86</stc>"), None, "power is back");
        assert_eq!(urgency("<stc>16</stc>"), Some(Severity::Low), "battery low");
        assert_eq!(urgency("<stc>9876</stc>"), Some(Severity::Low), "nobody knows what this is");
        assert_eq!(said("<mty>PI</mty>"), Follows::Nothing);
    }

    #[test]
    fn every_line_is_read_again_and_has_words_without_a_code() {
        let told = |rest: &str| match said(rest) {
            Follows::Raise(concern) | Follows::Add(concern) => *concern,
            Follows::Nothing => panic!("{rest} says nothing"),
        };
        let known = Unit { last_heard_ms: Some(1_800_000_000_000), ..unit() };
        for concern in [
            told("<stc>10</stc><lco>11</lco><lte>Badrum 2</lte>"),
            told("<mty>RE</mty>"),
            told("<mty>IN</mty><stc>16</stc>"),
            unreadable(&unit()),
            silent(&unit()),
            silent(&known),
            heard(&unit()),
        ] {
            let stored = serde_json::to_string(&concern.finding.line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&stored).unwrap(), concern.finding.line, "{stored}");
            let [swedish, english] =
                [Lang::Sv, Lang::En].map(|lang| concern.finding.line.say(&Reader { lang, zone: TimeZone::UTC }));
            assert!(swedish.contains("4711") && english.contains("4711") && swedish != english, "{swedish} {english}");
        }
        let alarm = told("<stc>10</stc><lco>11</lco>").finding.line;
        let english = alarm.say(&Reader { lang: Lang::En, zone: TimeZone::UTC });
        assert_eq!(english, "Alarm from the alarm unit 4711: personal trigger, somebody pressed, in the bathroom.");
    }

    fn said(rest: &str) -> Follows {
        follows(&unit(), &request(rest))
    }

    fn request(rest: &str) -> Request {
        let body = format!("<mrq><ref>a1</ref><cid>4711</cid><dty>3</dty>{rest}</mrq>");
        Request::read(body.as_bytes()).expect("a request").request
    }

    fn unit() -> Unit {
        Unit {
            id: "4711".into(),
            home: "home".into(),
            person: Some("ada".into()),
            heartbeat_s: 60,
            created_ms: 0,
            last_heard_ms: None,
            silent_ms: None,
            ended_ms: None,
        }
    }
}
