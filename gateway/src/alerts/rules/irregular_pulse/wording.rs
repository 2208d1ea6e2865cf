//! The words for an irregular pulse.

use super::Found;
use crate::alerts::line::Reader;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let Found { sessions, irregular, days, .. } = found;
    reader.lang.pick(
        format!(
            "Mätaren kände en oregelbunden puls vid {irregular} av {sessions} mättillfällen den senaste veckan, under {days} \
             dagar. Det är ingen diagnos. Överväg EKG med tanke på förmaksflimmer. Vid oregelbunden puls är blodtrycket mindre \
             säkert: ta tre mätningar och använd medelvärdet."
        ),
        format!(
            "The cuff felt an irregular pulse in {irregular} of {sessions} sessions of the last week, on {days} days. This is \
             not a diagnosis. Consider an ECG for atrial fibrillation. With an irregular pulse the blood pressure is less sure: \
             take three readings and use their mean."
        ),
    )
}

/// What its cases are called.
#[must_use]
pub fn title(lang: Lang) -> &'static str {
    lang.pick("Uppgift: oregelbunden puls", "Task: irregular pulse")
}
