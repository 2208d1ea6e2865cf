//! The words for a press.

use super::Found;
use crate::alerts::line::Reader;

/// A press that took longer than this to reach us says how long.
const LATE_MS: i64 = 60_000;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    let press = &found.press;
    let pressed = match &press.local {
        Some(name) => lang.pick(format!("Larm från {name}"), format!("Alarm from {name}")),
        None => lang.pick("Tryckt", "Pressed").to_owned(),
    };
    let mut said = match press.pressed_ms {
        Some(at) if press.stored_ms - at > LATE_MS => {
            let (at, later) = (reader.moment(at), reader.span(press.stored_ms - at));
            lang.pick(
                format!("{pressed} {at}; nådde oss {later} senare."),
                format!("{pressed} at {at}; reached us {later} later."),
            )
        }
        Some(at) => {
            let at = reader.time(at);
            lang.pick(format!("{pressed} {at}."), format!("{pressed} at {at}."))
        }
        None => {
            let at = reader.time(press.stored_ms);
            let from = press.local.as_ref().map(|_| format!("{pressed}. ")).unwrap_or_default();
            lang.pick(
                format!("{from}Nådde oss {at}; boxens klocka var inte ställd, så larmet kan vara äldre."),
                format!("{from}Reached us at {at}; the box's clock was not set, so the alarm may be older."),
            )
        }
    };
    if press.counter_went_back {
        said.push_str(lang.pick(
            " Knappens räknare började om: nytt batteri, eller någon spelar upp ett gammalt tryck.",
            " The button's counter started anew: a new battery, or somebody replays an old press.",
        ));
    }
    if press.not_on_flash {
        said.push_str(lang.pick(
            " Det kom ur boxens arbetsminne: dess lagring tog inte emot det.",
            " It came from the box's working memory: its storage did not take it.",
        ));
    }
    if press.before_enrolment {
        said.push_str(lang.pick(
            " Det kom medan boxen installerades, och är ett riktigt larm ändå.",
            " It came while the box was being installed, and is a real alarm all the same.",
        ));
    }
    if !press.authentic && press.local.is_none() {
        said.push_str(lang.pick(
            " Knappen är okrypterad: det går inte att bevisa att det var den.",
            " The button is not encrypted: that it was this one cannot be proved.",
        ));
    }
    said
}
