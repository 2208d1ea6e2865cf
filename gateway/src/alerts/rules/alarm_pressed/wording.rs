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
    let mut said = match press.pressed_ms {
        Some(at) if press.stored_ms - at > LATE_MS => {
            let (at, later) = (reader.moment(at), reader.span(press.stored_ms - at));
            lang.pick(
                format!("Tryckt {at}; nådde oss {later} senare."),
                format!("Pressed at {at}; reached us {later} later."),
            )
        }
        Some(at) => {
            let at = reader.time(at);
            lang.pick(format!("Tryckt {at}."), format!("Pressed at {at}."))
        }
        None => {
            let at = reader.time(press.stored_ms);
            lang.pick(
                format!("Nådde oss {at}; boxens klocka var inte ställd, så trycket kan vara äldre."),
                format!("Reached us at {at}; the box's clock was not set, so the press may be older."),
            )
        }
    };
    if press.counter_went_back {
        said.push_str(lang.pick(
            " Knappens räknare började om: nytt batteri, eller någon spelar upp ett gammalt tryck.",
            " The button's counter started anew: a new battery, or somebody replays an old press.",
        ));
    }
    if !press.authentic {
        said.push_str(lang.pick(
            " Knappen är okrypterad: det går inte att bevisa att det var den.",
            " The button is not encrypted: that it was this one cannot be proved.",
        ));
    }
    said
}
