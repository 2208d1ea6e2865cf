//! What a living person at home can have. A value outside is kept, but it is no reading: rather a cuff on a table, a
//! sensor in a pocket, or bytes that were read the wrong way.

use crate::observation::Decimal;

/// An inclusive range of exact numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The lowest plausible value.
    pub low: Decimal,
    /// The highest plausible value.
    pub high: Decimal,
}

impl Range {
    /// Whether the number lies in the range, exactly.
    pub fn contains(&self, number: &Decimal) -> bool {
        number.is_within(&self.low, &self.high)
    }

    const fn whole(low: i64, high: i64) -> Self {
        Self { low: Decimal::whole(low), high: Decimal::whole(high) }
    }
}

/// Systolic blood pressure in mmHg.
pub const SYSTOLIC: Range = Range::whole(40, 300);
/// Diastolic blood pressure in mmHg.
pub const DIASTOLIC: Range = Range::whole(20, 250);
/// Heart rate or pulse rate, in beats per minute.
pub const RATE: Range = Range::whole(20, 300);
/// Oxygen saturation in percent.
pub const OXYGEN_SATURATION: Range = Range::whole(50, 100);
/// Body temperature in °C.
pub const CELSIUS: Range = Range::whole(25, 45);
/// Body temperature in °F: the same limits, exactly.
pub const FAHRENHEIT: Range = Range::whole(77, 113);
/// Body weight in kg.
pub const WEIGHT: Range = Range::whole(2, 350);
