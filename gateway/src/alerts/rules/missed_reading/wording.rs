//! The words for what was not measured.

use super::Found;
use crate::alerts::line::Reader;
use crate::plan::wording::measurement;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    let said = found.missing.iter().map(|missing| {
        let (what, slots) = (measurement(missing.what, lang), missing.slots);
        let last = missing.last_ms.map(|at| reader.moment(at));
        let last = last.unwrap_or_else(|| lang.pick("mer än en vecka sedan", "more than a week ago").to_owned());
        lang.pick(
            format!("{what}: {slots} planerade mättillfällen i rad saknas; senast {last}."),
            format!("{what}: {slots} planned measurements in a row are missing; last {last}."),
        )
    });
    said.collect::<Vec<_>>().join(" ")
}

/// What its cases are called.
#[must_use]
pub fn title(lang: Lang) -> &'static str {
    lang.pick("Planerade mätningar saknas", "Planned measurements are missing")
}
