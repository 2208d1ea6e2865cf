//! One measured value with its unit, exact to the last digit the device sent.
//!
//! Values are decimals, never binary fractions: what a cuff shows as 18.9 kPa stays 18.9. What a device says about a
//! failed measurement ("not a number") is a value too, and an implausible number is kept and marked not usable.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Serialize, Serializer};

/// An exact decimal number: `mantissa` × 10^`exponent`.
///
/// Equality is that of the parts, so that what was sent can be told from what is only worth the same: 1.0 and 1 differ.
/// To compare the worth, use [`Decimal::compare`].
///
/// On the wire: `{0: mantissa, 1: exponent}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct Decimal {
    /// The digits, with their sign.
    #[n(0)]
    pub mantissa: i64,
    /// The power of ten they are multiplied with.
    #[n(1)]
    pub exponent: i8,
}

impl Decimal {
    /// The number `mantissa` × 10^`exponent`.
    pub const fn new(mantissa: i64, exponent: i8) -> Self {
        Self { mantissa, exponent }
    }

    /// A whole number.
    pub const fn whole(number: i64) -> Self {
        Self::new(number, 0)
    }

    /// Compares what two numbers are worth, exactly, however they are written.
    pub fn compare(&self, other: &Self) -> Ordering {
        match self.mantissa.signum().cmp(&other.mantissa.signum()) {
            Ordering::Equal => {}
            by_sign => return by_sign,
        }
        match self.mantissa.signum() {
            0 => Ordering::Equal,
            1 => self.compare_magnitude(other),
            _ => other.compare_magnitude(self),
        }
    }

    /// Whether the number lies within `low..=high`, exactly.
    pub fn is_within(&self, low: &Self, high: &Self) -> bool {
        self.compare(low) != Ordering::Less && self.compare(high) != Ordering::Greater
    }

    /// The exact product, or `None` where it has more digits than the type can hold.
    pub fn checked_mul(&self, factor: &Self) -> Option<Self> {
        Some(Self {
            mantissa: self.mantissa.checked_mul(factor.mantissa)?,
            exponent: self.exponent.checked_add(factor.exponent)?,
        })
    }

    /// Rounds to at most `places` digits after the point, halves away from zero. A number with fewer is left as it is.
    pub fn rounded(&self, places: u8) -> Self {
        let exponent = -i16::from(places.min(128));
        let dropped = exponent - i16::from(self.exponent);
        let Ok(dropped @ 1..) = u32::try_from(dropped) else {
            return *self;
        };
        let mantissa = match 10_i128.checked_pow(dropped) {
            Some(divisor) => divide_rounding(i128::from(self.mantissa), divisor),
            None => 0,
        };
        Self {
            mantissa: i64::try_from(mantissa).expect("a quotient is no larger than what was divided"),
            exponent: i8::try_from(exponent).expect("at most 128 places were asked for"),
        }
    }

    /// Compares two numbers without their signs. Neither is zero.
    fn compare_magnitude(&self, other: &Self) -> Ordering {
        let digits = |number: &Self| number.mantissa.unsigned_abs().ilog10() as i32 + i32::from(number.exponent);
        digits(self).cmp(&digits(other)).then_with(|| {
            let lowest = self.exponent.min(other.exponent);
            // Both have as many digits before the point, so the exponents differ by less than the 19 digits of an i64.
            let aligned = |number: &Self| {
                u128::from(number.mantissa.unsigned_abs()) * 10_u128.pow(u32::from(number.exponent.abs_diff(lowest)))
            };
            aligned(self).cmp(&aligned(other))
        })
    }
}

/// Divides, rounding halves away from zero. The divisor is positive.
fn divide_rounding(number: i128, divisor: i128) -> i128 {
    let rest = number % divisor;
    let away = i128::from(rest.abs() >= divisor - rest.abs()) * number.signum();
    number / divisor + away
}

/// Digits as people write them (`18.9`), or with an exponent (`1.2e-40`) where that would be many zeros.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mantissa, exponent } = *self;
        match exponent {
            0 => write!(f, "{mantissa}"),
            1..=12 if mantissa == 0 => f.write_str("0"),
            1..=12 => write!(f, "{mantissa}{:0>width$}", "", width = usize::from(exponent.unsigned_abs())),
            -12..=-1 => {
                let scale = 10_u64.pow(u32::from(exponent.unsigned_abs()));
                let sign = if mantissa < 0 { "-" } else { "" };
                let (whole, part) = (mantissa.unsigned_abs() / scale, mantissa.unsigned_abs() % scale);
                write!(f, "{sign}{whole}.{part:0>width$}", width = usize::from(exponent.unsigned_abs()))
            }
            _ => write!(f, "{mantissa}e{exponent}"),
        }
    }
}

/// What was typed is not a decimal number, or has more digits than can be held exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number such as 36.6")]
pub struct NotADecimal;

/// Reads `140`, `36.6` or `-0.5`, keeping the digits as they are written.
impl FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(typed: &str) -> Result<Self, NotADecimal> {
        let (whole, part) = typed.split_once('.').unwrap_or((typed, ""));
        let plain = !part.contains(['+', '-']) && (!typed.contains('.') || !part.is_empty());
        if !plain || whole.trim_start_matches(['+', '-']).is_empty() {
            return Err(NotADecimal);
        }
        Ok(Self {
            mantissa: format!("{whole}{part}").parse().map_err(|_| NotADecimal)?,
            exponent: i8::try_from(part.len()).map_err(|_| NotADecimal)?.checked_neg().ok_or(NotADecimal)?,
        })
    }
}

/// A JSON number. With up to 15 digits, which is more than any device sends, it is written exactly.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raised = u32::try_from(self.exponent).ok().and_then(|exponent| 10_i64.checked_pow(exponent));
        match raised.and_then(|power| self.mantissa.checked_mul(power)) {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.serialize_f64(
                format!("{}e{}", self.mantissa, self.exponent).parse().expect("digits, an e and an exponent"),
            ),
        }
    }
}

/// What a device says instead of a number.
///
/// Source: IEEE 11073-20601, special values of SFLOAT-Type and FLOAT-Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Special {
    /// Not a number: there is no value, for instance because the measurement failed.
    #[n(0)]
    NaN,
    /// Not at this resolution: there is a value, but it cannot be given.
    #[n(1)]
    NRes,
    /// Above what can be said.
    #[n(2)]
    PositiveInfinity,
    /// Below what can be said.
    #[n(3)]
    NegativeInfinity,
    /// Reserved for future use.
    #[n(4)]
    Reserved,
}

/// `NaN`, `NRes`, `+INF`, `-INF` or `RFU`, as IEEE 11073 abbreviates them.
impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NaN => "NaN",
            Self::NRes => "NRes",
            Self::PositiveInfinity => "+INF",
            Self::NegativeInfinity => "-INF",
            Self::Reserved => "RFU",
        })
    }
}

/// What a device measured: a number, or why there is none.
///
/// On the wire: `[0, [number]]` or `[1, [special]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Value {
    /// An exact number.
    #[n(0)]
    Number(#[n(0)] Decimal),
    /// What was said instead of a number.
    #[n(1)]
    Special(#[n(0)] Special),
}

impl Value {
    /// The number, if it is one.
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Special(_) => None,
        }
    }

    /// Whether it is a number within `low..=high`, exactly.
    pub fn is_within(&self, low: &Decimal, high: &Decimal) -> bool {
        self.number().is_some_and(|number| number.is_within(low, high))
    }
}

impl From<Decimal> for Value {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Special(special) => special.fmt(f),
        }
    }
}

/// A JSON number, or a special as its abbreviation.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Special(special) => serializer.collect_str(special),
        }
    }
}

/// What was measured. Numbers on the wire are never given to another quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Systolic blood pressure. LOINC 8480-6, MDC 150021.
    #[n(0)]
    Systolic,
    /// Diastolic blood pressure. LOINC 8462-4, MDC 150022.
    #[n(1)]
    Diastolic,
    /// Mean arterial pressure. LOINC 8478-0, MDC 150023.
    #[n(2)]
    MeanArterialPressure,
    /// Pulse rate, counted by a blood-pressure cuff. LOINC 8867-4, MDC 149546.
    #[n(3)]
    PulseRate,
    /// Oxygen saturation by pulse oximetry. LOINC 59408-5 (and 2708-6 where the FHIR profile asks for it), MDC 150456.
    #[n(4)]
    OxygenSaturation,
    /// Pulse rate, counted by a pulse oximeter. LOINC 8889-8 (and 8867-4), MDC 149530.
    #[n(5)]
    OximeterPulseRate,
    /// Pulse amplitude index, how much the finger pulsates. LOINC 61006-3, MDC 150488.
    #[n(6)]
    PulseAmplitudeIndex,
    /// Heart rate from a chest strap. LOINC 8867-4, MDC 147842.
    #[n(7)]
    HeartRate,
    /// Body temperature. LOINC 8310-5, MDC 150364.
    #[n(8)]
    BodyTemperature,
    /// Body weight. LOINC 29463-7, MDC 188736.
    #[n(9)]
    BodyWeight,
    /// Body height. LOINC 8302-2, MDC 188740.
    #[n(10)]
    BodyHeight,
    /// Body mass index. LOINC 39156-5, MDC 188752.
    #[n(11)]
    BodyMassIndex,
}

/// The unit a value is given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
#[cbor(index_only)]
pub enum Unit {
    /// Millimetres of mercury, UCUM `mm[Hg]`.
    #[n(0)]
    #[serde(rename = "mm[Hg]")]
    MillimetreOfMercury,
    /// Kilopascal, UCUM `kPa`.
    #[n(1)]
    #[serde(rename = "kPa")]
    Kilopascal,
    /// Beats per minute, UCUM `/min`.
    #[n(2)]
    #[serde(rename = "/min")]
    PerMinute,
    /// Percent, UCUM `%`.
    #[n(3)]
    #[serde(rename = "%")]
    Percent,
    /// Degree Celsius, UCUM `Cel`.
    #[n(4)]
    #[serde(rename = "Cel")]
    Celsius,
    /// Degree Fahrenheit, UCUM `[degF]`.
    #[n(5)]
    #[serde(rename = "[degF]")]
    Fahrenheit,
    /// Kilogram, UCUM `kg`.
    #[n(6)]
    #[serde(rename = "kg")]
    Kilogram,
    /// Pound (avoirdupois), UCUM `[lb_av]`.
    #[n(7)]
    #[serde(rename = "[lb_av]")]
    Pound,
    /// Metre, UCUM `m`.
    #[n(8)]
    #[serde(rename = "m")]
    Metre,
    /// Inch, UCUM `[in_i]`.
    #[n(9)]
    #[serde(rename = "[in_i]")]
    Inch,
    /// Kilogram per square metre, UCUM `kg/m2`.
    #[n(10)]
    #[serde(rename = "kg/m2")]
    KilogramPerSquareMetre,
}

impl Unit {
    /// The unit's code in UCUM, as FHIR wants it.
    pub const fn ucum(self) -> &'static str {
        match self {
            Self::MillimetreOfMercury => "mm[Hg]",
            Self::Kilopascal => "kPa",
            Self::PerMinute => "/min",
            Self::Percent => "%",
            Self::Celsius => "Cel",
            Self::Fahrenheit => "[degF]",
            Self::Kilogram => "kg",
            Self::Pound => "[lb_av]",
            Self::Metre => "m",
            Self::Inch => "[in_i]",
            Self::KilogramPerSquareMetre => "kg/m2",
        }
    }

    /// The unit readings of this kind are compared and drawn in.
    pub const fn common(self) -> Self {
        match self {
            Self::Kilopascal => Self::MillimetreOfMercury,
            Self::Fahrenheit => Self::Celsius,
            Self::Pound => Self::Kilogram,
            Self::Inch => Self::Metre,
            Self::MillimetreOfMercury
            | Self::PerMinute
            | Self::Percent
            | Self::Celsius
            | Self::Kilogram
            | Self::Metre
            | Self::KilogramPerSquareMetre => self,
        }
    }
}

/// The unit as people write it: `mmHg`, `°C`.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MillimetreOfMercury => "mmHg",
            Self::Kilopascal => "kPa",
            Self::PerMinute => "/min",
            Self::Percent => "%",
            Self::Celsius => "°C",
            Self::Fahrenheit => "°F",
            Self::Kilogram => "kg",
            Self::Pound => "lb",
            Self::Metre => "m",
            Self::Inch => "in",
            Self::KilogramPerSquareMetre => "kg/m²",
        })
    }
}

/// 1 kPa = 7.50061683 mmHg.
pub const MMHG_PER_KPA: Decimal = Decimal::new(750_061_683, -8);

/// 1 lb = 0.45359237 kg, by definition.
pub const KG_PER_LB: Decimal = Decimal::new(45_359_237, -8);

/// 1 in = 0.0254 m, by definition.
pub const M_PER_INCH: Decimal = Decimal::new(254, -4);

/// One measured value, as the device gave it.
///
/// On the wire: `{0: quantity, 1: value, 2: unit, 3: usable, 4: spread?}`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[cbor(map)]
pub struct Observation {
    /// What was measured.
    #[n(0)]
    pub quantity: Quantity,
    /// What the device said; of a minute of a stream, the median.
    #[n(1)]
    pub value: Value,
    /// In which unit it said so.
    #[n(2)]
    pub unit: Unit,
    /// Whether this value may feed limits and trends. What is not usable is kept and shown all the same.
    #[n(3)]
    pub usable: bool,
    /// Of a minute of a stream: what `value` is the median of.
    #[n(4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
}

/// The values of a minute of a stream, besides their median.
///
/// On the wire: `{0: lowest, 1: highest, 2: count}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
#[cbor(map)]
pub struct Spread {
    /// The lowest of them.
    #[n(0)]
    pub lowest: Decimal,
    /// The highest of them.
    #[n(1)]
    pub highest: Decimal,
    /// How many there were.
    #[n(2)]
    pub count: u32,
}

impl Observation {
    /// A single value.
    pub fn new(quantity: Quantity, value: impl Into<Value>, unit: Unit, usable: bool) -> Self {
        Self { quantity, value: value.into(), unit, usable, spread: None }
    }

    /// The value in its [common unit](Unit::common): pressure in mmHg rounded to 0.1, temperature in °C, weight in kg
    /// and height in m rounded to 0.01. A value that is in that unit already is not touched.
    ///
    /// `None` for a special, and for a number too large to be converted.
    pub fn normalised(&self) -> Option<Decimal> {
        let number = self.value.number()?;
        match self.unit {
            Unit::Kilopascal => Some(number.checked_mul(&MMHG_PER_KPA)?.rounded(1)),
            Unit::Fahrenheit => celsius(number),
            Unit::Pound => Some(number.checked_mul(&KG_PER_LB)?.rounded(2)),
            Unit::Inch => Some(number.checked_mul(&M_PER_INCH)?.rounded(2)),
            Unit::MillimetreOfMercury
            | Unit::PerMinute
            | Unit::Percent
            | Unit::Celsius
            | Unit::Kilogram
            | Unit::Metre
            | Unit::KilogramPerSquareMetre => Some(number),
        }
    }

    /// One observation for the values of one quantity during a minute of a stream: their median (of an even number, the
    /// lower of the two in the middle), with lowest, highest and count. Only usable numbers count, where there are any.
    ///
    /// `None` if no value is a number.
    pub fn summarise(stream: &[Self]) -> Option<Self> {
        let any_usable = stream.iter().any(|observation| observation.usable && observation.value.number().is_some());
        let mut counted: Vec<(Decimal, &Self)> = stream
            .iter()
            .filter(|observation| observation.usable || !any_usable)
            .filter_map(|observation| Some((observation.value.number()?, observation)))
            .collect();
        counted.sort_by(|(one, _), (other, _)| one.compare(other));
        let (lowest, _) = counted.first()?;
        let (highest, _) = counted.last()?;
        let (median, typical) = counted.get((counted.len() - 1) / 2)?;
        Some(Self {
            value: Value::Number(*median),
            spread: Some(Spread {
                lowest: *lowest,
                highest: *highest,
                count: u32::try_from(counted.len()).unwrap_or(u32::MAX),
            }),
            ..(*typical).clone()
        })
    }
}

/// °F to °C, rounded to 0.01.
fn celsius(fahrenheit: Decimal) -> Option<Decimal> {
    let Decimal { mantissa, exponent } = fahrenheit.rounded(18);
    let raised = 10_i128.checked_pow(u32::from(exponent.max(0).unsigned_abs()))?;
    let divisor = 10_i128.checked_pow(u32::from(exponent.min(0).unsigned_abs()))?;
    let above_freezing = i128::from(mantissa).checked_mul(raised)?.checked_sub(32 * divisor)?;
    let hundredths = divide_rounding(above_freezing.checked_mul(500)?, 9 * divisor);
    Some(Decimal::new(i64::try_from(hundredths).ok()?, -2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for (mantissa, exponent, written) in [
            (189, -1, "18.9"),
            (-1, -1, "-0.1"),
            (7, -3, "0.007"),
            (128, 6, "128000000"),
            (0, 7, "0"),
            (12, -40, "12e-40"),
            (i64::MIN, -1, "-922337203685477580.8"),
        ] {
            assert_eq!(Decimal::new(mantissa, exponent).to_string(), written);
        }
    }

    #[test]
    fn what_is_typed_keeps_its_digits() {
        assert_eq!("36.60".parse(), Ok(Decimal::new(3660, -2)));
        assert_eq!("-0.5".parse(), Ok(Decimal::new(-5, -1)));
        assert_eq!("140".parse(), Ok(Decimal::whole(140)));
        for nonsense in ["", ".", "5.", ".5", "-", "1.-2", "1e3", "1.2.3", "99999999999999999999"] {
            assert_eq!(nonsense.parse::<Decimal>(), Err(NotADecimal), "{nonsense}");
        }
    }

    #[test]
    fn kilopascal_becomes_mmhg_rounded_to_a_tenth() {
        assert_eq!(pressure_in_kpa(Decimal::new(189, -1)).normalised(), Some(Decimal::new(1418, -1)));
        assert_eq!(pressure_in_kpa(Decimal::whole(11)).normalised(), Some(Decimal::new(825, -1)));
    }

    #[test]
    fn fahrenheit_becomes_celsius() {
        let warm = Observation::new(Quantity::BodyTemperature, Decimal::new(986, -1), Unit::Fahrenheit, true);
        assert_eq!(warm.normalised(), Some(Decimal::new(3700, -2)));
    }

    #[test]
    fn a_minute_of_a_stream_becomes_its_median() {
        let beats = |rate, usable| Observation::new(Quantity::HeartRate, Decimal::whole(rate), Unit::PerMinute, usable);
        let minute = [beats(71, true), beats(80, true), beats(0, false), beats(69, true)];

        let summary = Observation::summarise(&minute).expect("there were numbers");

        assert_eq!(summary.value, Value::Number(Decimal::whole(71)));
        let spread = Spread { lowest: Decimal::whole(69), highest: Decimal::whole(80), count: 3 };
        assert_eq!(summary.spread, Some(spread));
        assert_eq!(Observation::summarise(&[]), None);
    }

    #[test]
    fn json_has_the_digits_the_device_sent() {
        let json = |value: Value| serde_json::to_string(&value).expect("a value can be written");
        assert_eq!(json(Decimal::new(189, -1).into()), "18.9");
        assert_eq!(json(Decimal::new(128, 8).into()), "12800000000");
        assert_eq!(json(Decimal::new(120, -8).into()), "1.2e-6");
        assert_eq!(json(Value::Special(Special::PositiveInfinity)), r#""+INF""#);
    }

    proptest! {
        #[test]
        fn comparing_agrees_with_whole_numbers(
            a in -2000_i64..2000,
            b in -2000_i64..2000,
            up in 0_i8..9,
            down in 0_i8..9,
        ) {
            let worth = |mantissa: i64, raised: i8| mantissa * 10_i64.pow(u32::from(raised.unsigned_abs()));
            let (one, other) = (Decimal::new(a, up - 9), Decimal::new(b, down - 9));
            prop_assert_eq!(one.compare(&other), worth(a, up).cmp(&worth(b, down)));
        }

        #[test]
        fn any_two_numbers_can_be_compared_rounded_and_converted(a: i64, b: i64, up: i8, down: i8, places: u8) {
            let (one, other) = (Decimal::new(a, up), Decimal::new(b, down));
            prop_assert_eq!(one.compare(&other), other.compare(&one).reverse());
            prop_assert_eq!(one.rounded(places).rounded(places), one.rounded(places));
            for unit in [Unit::Kilopascal, Unit::Fahrenheit, Unit::Pound, Unit::Inch] {
                Observation::new(Quantity::Systolic, one, unit, true).normalised();
            }
            let _ = serde_json::to_string(&one);
        }

        #[test]
        fn what_travels_arrives_as_it_was(mantissa: i64, exponent: i8, usable: bool) {
            let sent = Observation { usable, ..pressure_in_kpa(Decimal::new(mantissa, exponent)) };
            let bytes = minicbor::to_vec(&sent).expect("memory is enough");
            prop_assert_eq!(minicbor::decode::<Observation>(&bytes).expect("it was just written"), sent);
        }

        #[test]
        fn what_is_written_can_be_read(mantissa: i64, places in 0_i8..=12) {
            let number = Decimal::new(mantissa, -places);
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }
    }

    fn pressure_in_kpa(number: Decimal) -> Observation {
        Observation::new(Quantity::Systolic, number, Unit::Kilopascal, true)
    }
}
