//! The words for a pressure that rises.

use super::Found;
use crate::alerts::line::Reader;
use crate::plan::{Tenths, wording::number};
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    let say = |tenths: i64| number(Tenths(tenths), lang);
    let (week, baseline, slope, days) = (say(found.week), say(found.baseline), say(found.slope), found.days);
    lang.pick(
        format!(
            "Övertrycket stiger: {week} mmHg den senaste veckan mot {baseline} mmHg de tre veckorna dessförinnan (medianer), \
             {slope} mmHg i veckan under {days} dagar med mätningar."
        ),
        format!(
            "The systolic pressure rises: {week} mmHg in the last week against {baseline} mmHg in the three before it \
             (medians), {slope} mmHg a week over {days} days with readings."
        ),
    )
}

/// What its cases are called.
#[must_use]
pub fn title(lang: Lang) -> &'static str {
    lang.pick("Blodtrycket stiger", "Blood pressure rises")
}
