//! The words for what alarm units say. A code that nobody knows is told by its number.

use super::{Found, Said};
use crate::alerts::line::Reader;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    match found {
        Found::Alarm(said) => {
            let (unit, what) = (&said.unit, details(said, lang));
            lang.pick(format!("Larm från trygghetslarmet {unit}{what}."), format!("Alarm from the alarm unit {unit}{what}."))
        }
        Found::Withdrawn(said) => {
            let (unit, what) = (&said.unit, details(said, lang));
            lang.pick(
                format!("Trygghetslarmet {unit} tar tillbaka larmet{what}. Kontrollera ändå hur det är."),
                format!("The alarm unit {unit} takes the alarm back{what}. Find out all the same how she is."),
            )
        }
        Found::Told(said) => {
            let (unit, what) = (&said.unit, details(said, lang));
            lang.pick(format!("Trygghetslarmet {unit} meddelar{what}."), format!("The alarm unit {unit} tells{what}."))
        }
        Found::Unreadable { unit } => lang.pick(
            format!("Ett meddelande från trygghetslarmet {unit} kunde inte läsas. Det kan vara ett larm: ta reda på hur det är."),
            format!("A message of the alarm unit {unit} could not be read. It may be an alarm: find out how she is."),
        ),
        Found::Silent { unit, heard_ms: Some(at) } => {
            let at = reader.moment(*at);
            lang.pick(
                format!("Trygghetslarmet {unit} har inte hörts sedan {at}. Larm därifrån kommer kanske inte fram."),
                format!("The alarm unit {unit} has not been heard since {at}. Alarms from it may not come through."),
            )
        }
        Found::Silent { unit, heard_ms: None } => lang.pick(
            format!("Trygghetslarmet {unit} har aldrig hörts. Larm därifrån kommer kanske inte fram."),
            format!("The alarm unit {unit} was never heard. Alarms from it may not come through."),
        ),
        Found::Heard { unit } => {
            lang.pick(format!("Trygghetslarmet {unit} hörs igen."), format!("The alarm unit {unit} is heard again."))
        }
    }
}

/// ": from a pendant, battery low, in the bathroom".
fn details(said: &Said, lang: Lang) -> String {
    let device = device_words(said.device_type, lang).map(str::to_owned).unwrap_or_else(|| {
        let number = said.device_type;
        lang.pick(format!("apparat av slag {number}"), format!("device of kind {number}"))
    });
    let status = said.status.map(|code| {
        status_words(code, lang)
            .map_or_else(|| lang.pick(format!("händelse {code}"), format!("event {code}")), str::to_owned)
    });
    let place = said.location.map(|code| {
        location_words(code, lang)
            .map_or_else(|| lang.pick(format!("plats {code}"), format!("place {code}")), str::to_owned)
    });
    let parts: Vec<String> = [Some(device), status, place, said.location_text.clone()].into_iter().flatten().collect();
    format!(": {}", parts.join(", "))
}

/// Source: the public list of device types (Syntilio/Datahub-Scaip-Proxy).
fn device_words(code: u16, lang: Lang) -> Option<&'static str> {
    Some(match code {
        2 | 48 => lang.pick("trygghetstelefonen", "the unit itself"),
        3 => lang.pick("bärbar larmknapp", "personal trigger"),
        4 => lang.pick("fast larmknapp", "fixed trigger"),
        5 => lang.pick("fallarm", "fall detector"),
        6 | 7 => lang.pick("överfallslarm", "panic button"),
        12 => lang.pick("sänglarm", "bed sensor"),
        13 => lang.pick("larmmatta", "mat"),
        14 => lang.pick("dörrlarm", "door sensor"),
        17 => lang.pick("epilepsilarm", "epilepsy sensor"),
        21 => lang.pick("gaslarm", "gas detector"),
        23 => lang.pick("brandvarnare", "smoke detector"),
        26 => lang.pick("kolmonoxidlarm", "carbon monoxide detector"),
        33 => lang.pick("vattenlarm", "flood sensor"),
        _ => return None,
    })
}

/// Source: the public list of status codes (Syntilio/Datahub-Scaip-Proxy).
fn status_words(code: u16, lang: Lang) -> Option<&'static str> {
    Some(match code {
        9 => lang.pick("automatiskt larm", "automatic alarm"),
        10 => lang.pick("någon tryckte", "somebody pressed"),
        14 => lang.pick("batteriet är slut", "battery failure"),
        15 => lang.pick("batteriet är bra igen", "battery is good again"),
        16 => lang.pick("batteriet är svagt", "battery is low"),
        19 => lang.pick("avbrutet vid apparaten", "cancelled at the unit"),
        42 | 67 => lang.pick("fel på apparaten", "the device fails"),
        85 => lang.pick("strömavbrott", "power failed"),
        86 => lang.pick("strömmen är tillbaka", "power is back"),
        92 | 93 => lang.pick("återställt", "reset"),
        102 | 103 => lang.pick("prov av förbindelsen", "test of the connection"),
        125 => lang.pick("någon har öppnat apparaten", "somebody opened the device"),
        _ => return None,
    })
}

/// Source: the public list of locations (Syntilio/Datahub-Scaip-Proxy).
fn location_words(code: u16, lang: Lang) -> Option<&'static str> {
    Some(match code {
        2 => lang.pick("hemma", "at home"),
        3 => lang.pick("borta", "away"),
        11 => lang.pick("i badrummet", "in the bathroom"),
        12 => lang.pick("i sovrummet", "in the bedroom"),
        21 => lang.pick("i köket", "in the kitchen"),
        25 => lang.pick("i trappan", "on the stairs"),
        42 => lang.pick("i hallen", "in the hall"),
        43 => lang.pick("i vardagsrummet", "in the living room"),
        _ => return None,
    })
}
