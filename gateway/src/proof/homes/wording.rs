//! The words for homes whose proof is too old.

use super::{Found, Stop};
use crate::alerts::health::wording::channel_name;
use crate::alerts::line::Reader;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    match found {
        Found::TooOld { proven_ms, too_old_ms, has_alarm, stopped } => {
            let limit = reader.span(*too_old_ms);
            let what = match proven_ms.map(|ms| reader.moment(ms)) {
                Some(last) => lang.pick(
                    format!("Hemmets tysta prov har inte kommit hela vägen sedan {last}; gränsen är {limit}."),
                    format!("The home's silent tests have not come all the way since {last}; the limit is {limit}."),
                ),
                None => lang.pick(
                    format!("Inget tyst prov från hemmet har någonsin kommit hela vägen; gränsen är {limit}."),
                    format!("No silent test from the home has ever come all the way; the limit is {limit}."),
                ),
            };
            let why = match stopped {
                Some(stop) => format!(" {}", stopped_at(stop, lang)),
                None => lang
                    .pick(
                        " Boxen hörs, men det senaste provet kom inte fram i tid.",
                        " The box is heard, but no new test has come from it in time.",
                    )
                    .to_owned(),
            };
            let risk = match has_alarm {
                true => lang.pick(
                    " Ett larm därifrån når kanske ingen: be om ett provtryck.",
                    " An alarm from there may reach nobody: ask for a press as a test.",
                ),
                false => "",
            };
            format!("{what}{why}{risk}")
        }
        Found::Proven => lang
            .pick("Ett tyst prov från hemmet kom hela vägen.", "A silent test from the home came all the way.")
            .to_owned(),
        Found::NotExpected => lang
            .pick(
                "Inget prov väntas från boxen nu: den är tyst, vilket ett eget ärende berättar om, eller tagen ur bruk.",
                "No test is expected from the box now: it is silent, which a case of its own tells of, or out of service.",
            )
            .to_owned(),
        Found::Joined => lang
            .pick(
                "Det gäller många hem samtidigt. Det här hemmet står i det gemensamma ärendet.",
                "It is so in many homes at once. This one is in the case that they share.",
            )
            .to_owned(),
        Found::Many { homes, with_alarm, too_old_ms } => {
            let limit = reader.span(*too_old_ms);
            lang.pick(
                format!(
                    "Tysta prov från {homes} hem har inte kommit hela vägen på {limit}, {with_alarm} av dem med larmknapp. \
                     Något som de har gemensamt är nog fel: reglerna, vem som är i tjänst eller en väg till dem. På varje \
                     hems sida står var det senaste provet stannade."
                ),
                format!(
                    "Silent tests from {homes} homes have not come all the way for {limit}, {with_alarm} of them with an \
                     alarm button. Something that they share is probably wrong: the rules, who is on duty, or a way to \
                     them. Where the latest test stopped stands on each home's page."
                ),
            )
        }
        Found::Calm => lang
            .pick(
                "Det gäller inte längre många hem. De som är kvar har egna ärenden.",
                "It is no longer so in many homes. Those that are left have cases of their own.",
            )
            .to_owned(),
    }
}

/// Where a test stopped, in a sentence.
#[must_use]
pub fn stopped_at(stop: &Stop, lang: Lang) -> String {
    match stop {
        Stop::Rules { because } => lang.pick(
            format!("Det senaste provet stannade vid reglerna: {because}."),
            format!("The latest test stopped at the rules: {because}."),
        ),
        Stop::Nobody => lang
            .pick(
                "Det senaste provet fann ingen att nå: se efter vem som är i tjänst, och om hon har en kontaktväg.",
                "The latest test found nobody to reach: see who is on duty, and whether she has an address.",
            )
            .to_owned(),
        Stop::Way { channel, because } => {
            let channel = channel_name(channel, lang);
            lang.pick(
                format!("Det senaste provet stannade på vägen till en människa. {channel}: {because}."),
                format!("The latest test stopped on its way to a human being. {channel}: {because}."),
            )
        }
    }
}

/// What the case of one home is called.
#[must_use]
pub fn title(lang: Lang) -> &'static str {
    lang.pick("Hemmets larmväg är inte provad", "The home's way for alarms is not proven")
}

/// What the case of many homes is called.
#[must_use]
pub fn many_title(lang: Lang) -> &'static str {
    lang.pick("Många hems larmväg är inte provad", "The way for alarms is not proven in many homes")
}
