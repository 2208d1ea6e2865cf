//! The decimal numbers of IEEE 11073-20601 in two and in four bytes.
//!
//! | form   | bytes | exponent, on top | mantissa        | with exponent 0 only: NaN, NRes, +INF, −INF, reserved |
//! |--------|-------|------------------|-----------------|-------------------------------------------------------|
//! | SFLOAT | 2     | 4 bits, signed   | 12 bits, signed | 7FF, 800, 7FE, 802, 801                               |
//! | FLOAT  | 4     | 8 bits, signed   | 24 bits, signed | 7FFFFF, 800000, 7FFFFE, 800002, 800001                |
//!
//! Two's complement without any bias; the value is mantissa × 10^exponent. 0xF7FF is 204.7 and no NaN.
//!
//! Source: Bluetooth SIG, Personal Health Devices Transcoding, "SFLOAT-Type" and "FLOAT-Type".

use super::DecodeError;
use crate::observation::{Decimal, Special, Value};

/// A number in two bytes, exactly as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sfloat(pub u16);

impl Sfloat {
    /// No value.
    pub const NAN: Self = Self(0x07FF);

    /// The number `mantissa` × 10^`exponent`, or `None` where that needs other digits or would be read as a special.
    pub fn new(mantissa: i16, exponent: i8) -> Option<Self> {
        let fits = (-2048..=2047).contains(&mantissa) && (-8..=7).contains(&exponent);
        let bits = (exponent as u16 & 0xF) << 12 | mantissa as u16 & 0x0FFF;
        let wanted = Value::Number(Decimal::new(i64::from(mantissa), exponent));
        Some(Self(bits)).filter(|number| fits && number.value() == wanted)
    }

    /// Reads the two bytes of a number that stands alone.
    ///
    /// # Errors
    /// [`DecodeError::WrongLength`] unless there are two bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let bytes = payload.try_into().map_err(|_| wrong_length("SFLOAT", 2, payload))?;
        Ok(Self(u16::from_le_bytes(bytes)))
    }

    /// The bytes on the wire.
    pub fn encode(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }

    /// What the bytes mean.
    pub fn value(self) -> Value {
        match self.0 {
            0x07FF => Value::Special(Special::NaN),
            0x0800 => Value::Special(Special::NRes),
            0x07FE => Value::Special(Special::PositiveInfinity),
            0x0802 => Value::Special(Special::NegativeInfinity),
            0x0801 => Value::Special(Special::Reserved),
            bits => Value::Number(Decimal {
                mantissa: i64::from((bits << 4) as i16 >> 4),
                exponent: (bits as i16 >> 12) as i8,
            }),
        }
    }
}

/// A number in four bytes, exactly as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Float(pub u32);

impl Float {
    /// No value.
    pub const NAN: Self = Self(0x007F_FFFF);

    /// The number `mantissa` × 10^`exponent`, or `None` where that needs other digits or would be read as a special.
    pub fn new(mantissa: i32, exponent: i8) -> Option<Self> {
        let bits = (exponent as u32) << 24 | mantissa as u32 & 0x00FF_FFFF;
        let wanted = Value::Number(Decimal::new(i64::from(mantissa), exponent));
        Some(Self(bits)).filter(|number| number.value() == wanted)
    }

    /// Reads the four bytes of a number that stands alone.
    ///
    /// # Errors
    /// [`DecodeError::WrongLength`] unless there are four bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let bytes = payload.try_into().map_err(|_| wrong_length("FLOAT", 4, payload))?;
        Ok(Self(u32::from_le_bytes(bytes)))
    }

    /// The bytes on the wire.
    pub fn encode(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// What the bytes mean.
    pub fn value(self) -> Value {
        match self.0 {
            0x007F_FFFF => Value::Special(Special::NaN),
            0x0080_0000 => Value::Special(Special::NRes),
            0x007F_FFFE => Value::Special(Special::PositiveInfinity),
            0x0080_0002 => Value::Special(Special::NegativeInfinity),
            0x0080_0001 => Value::Special(Special::Reserved),
            bits => Value::Number(Decimal {
                mantissa: i64::from((bits << 8) as i32 >> 8),
                exponent: (bits as i32 >> 24) as i8,
            }),
        }
    }
}

fn wrong_length(what: &'static str, needed: usize, payload: &[u8]) -> DecodeError {
    DecodeError::WrongLength { what, needed, got: payload.len() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_decimal_stays_a_decimal() {
        assert_eq!(Sfloat(0xF0BD).value(), Decimal::new(189, -1).into());
        assert_eq!(Sfloat(0xF4F6).value(), Decimal::new(1270, -1).into());
        assert_eq!(Float(0xFE00_0E71).value(), Decimal::new(3697, -2).into());
        assert_eq!(Float(0xFFFF_FE94).value(), Decimal::new(-364, -1).into());
    }

    #[test]
    fn a_special_needs_the_exponent_0() {
        assert_eq!(Sfloat(0x07FF).value(), Value::Special(Special::NaN));
        assert_eq!(Sfloat(0xF7FF).value(), Decimal::new(2047, -1).into());
        assert_eq!(Float(0xFF7F_FFFF).value(), Decimal::new(8_388_607, -1).into());
        assert_eq!(Sfloat::new(2047, 0), None);
        assert_eq!(Sfloat::new(2047, -1), Some(Sfloat(0xF7FF)));
    }

    proptest! {
        #[test]
        fn a_number_that_fits_comes_back(mantissa: i16, exponent in -9_i8..9) {
            if let Some(number) = Sfloat::new(mantissa, exponent) {
                prop_assert_eq!(number.value(), Decimal::new(i64::from(mantissa), exponent).into());
                prop_assert_eq!(Sfloat::decode(&number.encode()), Ok(number));
            }
        }

        #[test]
        fn a_long_number_that_fits_comes_back(mantissa: i32, exponent: i8) {
            if let Some(number) = Float::new(mantissa, exponent) {
                prop_assert_eq!(number.value(), Decimal::new(i64::from(mantissa), exponent).into());
                prop_assert_eq!(Float::decode(&number.encode()), Ok(number));
            }
        }
    }
}
