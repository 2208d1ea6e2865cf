//! The words for a week's mean blood pressure.

use super::Found;
use crate::alerts::line::Reader;
use crate::alerts::rules::limits::wording::limit;
use crate::alerts::rules::vital::Vital;
use crate::plan::Tenths;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    let pair = |(systolic, diastolic): (i64, i64)| {
        limit(Vital::BloodPressure, &[Some(Tenths(systolic)), Some(Tenths(diastolic))], lang)
    };
    let limit = limit(Vital::BloodPressure, &found.limits, lang);
    let (mean, spread) = (pair(found.mean), pair(found.spread));
    let (morning, evening, sessions) = (pair(found.morning), pair(found.evening), found.sessions);
    lang.pick(
        format!(
            "Veckans medelvärde {mean} når gränsen {limit}: {sessions} mättillfällen, standardavvikelse {spread}, morgon \
             {morning}, kväll {evening}."
        ),
        format!(
            "The week's mean {mean} reaches the limit {limit}: {sessions} sessions, standard deviation {spread}, morning \
             {morning}, evening {evening}."
        ),
    )
}

/// What its cases are called.
#[must_use]
pub fn title(lang: Lang) -> &'static str {
    lang.pick("Veckans blodtryck över gränsen", "The week's blood pressure above the limit")
}
