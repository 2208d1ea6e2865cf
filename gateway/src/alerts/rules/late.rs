//! Readings that reach us too late for an alert: they go to the trends, and what lies beyond a limit to one item for review,
//! whatever rule saw it.
//!
//! Source: clinical-rules §9.4.

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::limits::{Beyond, Measured, Side, wording};
use super::vital::Vital;
use crate::alerts::line::Reader;
use crate::alerts::{Finding, Line, Severity, Weight};
use crate::plan::Tenths;

/// The name of the case.
pub const REVIEW: &str = "late_review";

/// Readings that reach us later than this are for review.
pub const LATE_MS: i64 = 6 * 60 * 60 * 1000;

/// Raised by one whenever late readings are judged otherwise than before.
const VERSION: u32 = 1;

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The version.
    pub version: u32,
    /// How many readings lie beyond a limit.
    pub count: u32,
    /// The one farthest beyond, of each kind.
    pub worst: Vec<Worst>,
}

/// The reading farthest beyond its limit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Worst {
    /// Of what.
    pub vital: Vital,
    /// On which side.
    pub side: Side,
    /// The limits.
    pub limits: Vec<Option<Tenths>>,
    /// The reading.
    pub reading: Measured,
}

/// One late reading beyond a limit.
pub(super) fn verdict(rule: &Beyond, limits: Vec<Option<Tenths>>, reading: Measured) -> Verdict {
    let worst = vec![Worst { vital: rule.vital, side: rule.side, limits, reading }];
    Verdict::Concern(Finding {
        case: REVIEW,
        severity: Severity::Low,
        confirmed: false,
        weight: Weight::Summary,
        line: Line::Late(Found { version: VERSION, count: 1, worst }),
    })
}

impl Worst {
    fn is_of(&self, other: &Self) -> bool {
        (self.vital, self.side) == (other.vital, other.side)
    }

    fn is_worse_than(&self, other: &Self) -> bool {
        let values = |worst: &Self| worst.reading.values.of_vital(worst.vital);
        match self.side {
            Side::Above => values(self) > values(other),
            Side::Below => values(self) < values(other),
        }
    }
}

impl Found {
    /// Sums up with an earlier one.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Self {
        let mut worst = earlier.worst.clone();
        for new in &self.worst {
            match worst.iter_mut().find(|old| old.is_of(new)) {
                Some(old) if new.is_worse_than(old) => *old = new.clone(),
                Some(_) => {}
                None => worst.push(new.clone()),
            }
        }
        Self { version: self.version, count: self.count.saturating_add(earlier.count), worst }
    }

    /// The line in the reader's words.
    #[must_use]
    pub fn say(&self, reader: &Reader) -> String {
        let lang = reader.lang;
        let said = self.worst.iter().map(|worst| {
            let limit = wording::limit(worst.vital, &worst.limits, lang);
            let title = wording::title(worst.side, worst.vital, lang);
            let (at, values) = (reader.moment(worst.reading.at_ms), wording::values(worst.vital, &worst.reading, lang));
            format!("{title} {limit}: {values} {at}.")
        });
        let said: Vec<String> = said.collect();
        let (count, hours, said) = (self.count, LATE_MS / 3_600_000, said.join(" "));
        lang.pick(
            format!(
                "{count} värden nådde oss mer än {hours} timmar för sent och ligger utanför gränserna. Längst utanför: {said}"
            ),
            format!(
                "{count} values reached us more than {hours} hours late and lie beyond the limits. Farthest beyond: {said}"
            ),
        )
    }
}
