//! The words for a weight that changes fast.

use super::{Against, Found};
use crate::alerts::line::Reader;
use crate::plan::{Tenths, wording::number};
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    let kg = |tenths: i64| format!("{} kg", number(Tenths(tenths), lang));
    let (now, limit) = (kg(found.now), kg(found.limit.0));
    let said = match found.against {
        Against::Lowest(lowest) => {
            let (gain, lowest) = (kg(found.now - lowest), kg(lowest));
            lang.pick(
                format!("{now}, {gain} mer än det lägsta på tre dygn ({lowest}); gränsen är {limit}."),
                format!("{now}, {gain} more than the lowest of three days ({lowest}); the limit is {limit}."),
            )
        }
        Against::LowestOfWeek(lowest) => {
            let (gain, lowest) = (kg(found.now - lowest), kg(lowest));
            lang.pick(
                format!("{now}, {gain} mer än det lägsta på en vecka ({lowest}); gränsen är {limit}."),
                format!("{now}, {gain} more than the lowest of a week ({lowest}); the limit is {limit}."),
            )
        }
        Against::Highest(highest) => {
            let (loss, highest) = (kg(highest - found.now), kg(highest));
            lang.pick(
                format!("{now}, {loss} mindre än det högsta på tre dygn ({highest}); gränsen är {limit}."),
                format!("{now}, {loss} less than the highest of three days ({highest}); the limit is {limit}."),
            )
        }
        Against::Dry(dry) => {
            let (gain, dry) = (kg(found.now - dry), kg(dry));
            lang.pick(
                format!("{now}, {gain} över målvikten {dry}; gränsen är {limit}."),
                format!("{now}, {gain} above the dry weight {dry}; the limit is {limit}."),
            )
        }
    };
    let alone = lang.pick(" Bara en vägning: be om en till.", " One weighing only: ask for another.");
    if found.weighings > 1 { said } else { said + alone }
}

/// What its cases are called.
#[must_use]
pub fn title(lang: Lang) -> &'static str {
    lang.pick("Vikten ändras fort", "Weight changes fast")
}
