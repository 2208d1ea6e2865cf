//! The words for a wrong clock.

use super::Wrong;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(wrong: &Wrong, lang: Lang) -> String {
    match wrong {
        Wrong::Unknown { minutes, .. } => lang.pick(
            format!(
                "Boxen vet inte vad klockan är, mer än {minutes} minuter efter att den startade. Mätningarna dateras efter vår \
                 klocka. Kontrollera boxens nätverk."
            ),
            format!(
                "The box does not know the time, more than {minutes} minutes after it started. Readings are dated by our clock. \
                 Check the box's network."
            ),
        ),
        Wrong::Off { minutes, .. } => {
            let (by, is_ahead) = (minutes.unsigned_abs(), *minutes > 0);
            let sv = if is_ahead { "före" } else { "efter" };
            let en = if is_ahead { "ahead of" } else { "behind" };
            lang.pick(
                format!("Boxens klocka går {by} minuter {sv} vår. Mätningar kan få fel tid. Kontrollera boxens tidsserver."),
                format!("The box's clock is {by} minutes {en} ours. Readings may get a wrong time. Check the box's time server."),
            )
        }
    }
}

/// What is said once a box's clock is right.
#[must_use]
pub fn over(lang: Lang) -> String {
    lang.pick("Boxens klocka går rätt.", "The box's clock is right.").to_owned()
}
