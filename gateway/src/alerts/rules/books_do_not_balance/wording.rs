//! The words for books that do not balance.

use hempuls_protocol::books::Line;

use super::{Difference, missing};
use crate::wording::Lang;

/// The line in the reader's words; `lane`: what travels in it.
#[must_use]
pub fn say(difference: &Difference, lane: &str, lang: Lang) -> String {
    let Line { taken, stored, repeated, quarantined, moved, lost, waiting } = difference.line;
    let missing = missing(&difference.line);
    let by = missing.unsigned_abs();
    let (sv, en) = if missing > 0 {
        (format!("{by} saknas"), format!("{by} are missing"))
    } else {
        (format!("{by} för många"), format!("{by} too many"))
    };
    lang.pick(
        format!(
            "Boxen säger att den har tagit emot {taken} ({lane}). Här finns {stored} sparade, {repeated} upprepade, {quarantined} \
             oläsliga, {moved} tagna på nytt, {lost} förlorade, och {waiting} väntar: {sv}. Något kan ha gått förlorat utan att \
             det syns. Kontakta driften."
        ),
        format!(
            "The box says that it took {taken} ({lane}). Here are {stored} stored, {repeated} repeated, {quarantined} unreadable, \
             {moved} taken again, {lost} lost, and {waiting} wait: {en}. Something may have been lost unseen. Call operations."
        ),
    )
}

/// What is said once they balance.
#[must_use]
pub fn over(lane: &str, lang: Lang) -> String {
    lang.pick(format!("Bokföringen går ihop igen ({lane})."), format!("The books balance again ({lane})."))
}
