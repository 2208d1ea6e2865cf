//! The words for homes that are silent.

use super::Found;
use crate::alerts::line::Reader;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    match found {
        Found::Silent { heard_ms, was_heard, limit_ms, has_alarm } => {
            let (since, limit) = (reader.moment(*heard_ms), reader.span(*limit_ms));
            let risk = if *has_alarm {
                lang.pick(
                    " Ett larm därifrån når kanske inte fram. Ta reda på hur personen mår.",
                    " An alarm from there may not get through. Find out how the person is.",
                )
            } else {
                ""
            };
            let what = if *was_heard {
                lang.pick(
                    format!("Hemmet är tyst. Boxen hördes senast {since}; gränsen är {limit}."),
                    format!("The home is silent. Its box was last heard {since}; the limit is {limit}."),
                )
            } else {
                lang.pick(
                    format!("Boxen anslöts {since} men har aldrig hörts; gränsen är {limit}."),
                    format!("The box was enrolled {since} but was never heard; the limit is {limit}."),
                )
            };
            format!("{what}{risk}")
        }
        Found::Heard { silent_since_ms, at_ms } => {
            let (at, length) = (reader.moment(*at_ms), reader.span(at_ms - silent_since_ms));
            let since = reader.moment(*silent_since_ms);
            lang.pick(
                format!("Hemmet hördes igen {at}. Det var tyst i {length}, från {since}."),
                format!("The home was heard again {at}. It was silent for {length}, from {since}."),
            )
        }
        Found::OutOfService => lang
            .pick(
                "Boxen är tagen ur bruk eller avstängd: inget väntas från den längre.",
                "The box is retired or cut off: nothing is expected from it any more.",
            )
            .to_owned(),
        Found::Joined => lang
            .pick(
                "Många hem är tysta samtidigt. Det här hemmet står i det gemensamma ärendet.",
                "Many homes are silent at once. This one is in the case that they share.",
            )
            .to_owned(),
        Found::Many { silent, with_alarm, since_ms, at_ms } => {
            let (since, at) = (reader.moment(*since_ms), reader.moment(*at_ms));
            lang.pick(
                format!(
                    "{silent} hem är tysta {at}, {with_alarm} av dem med larmknapp; det första sedan {since}. Ett nät ligger \
                     nog nere, eller vägen till oss. Larm därifrån når kanske inte fram."
                ),
                format!(
                    "{silent} homes are silent at {at}, {with_alarm} of them with an alarm button; the first since {since}. \
                     A network is probably down, or the way to us. Alarms from there may not get through."
                ),
            )
        }
        Found::Calm { still, at_ms } => {
            let at = reader.moment(*at_ms);
            lang.pick(
                format!("{at} hörs de flesta igen. Tysta ännu: {still}, med egna ärenden."),
                format!("At {at} most are heard again. Silent still: {still}, with cases of their own."),
            )
        }
    }
}

/// What the case of one home is called.
#[must_use]
pub fn title(lang: Lang) -> &'static str {
    lang.pick("Tyst hem", "Silent home")
}

/// What the case of many homes is called.
#[must_use]
pub fn storm_title(lang: Lang) -> &'static str {
    lang.pick("Många hem är tysta", "Many homes are silent")
}
