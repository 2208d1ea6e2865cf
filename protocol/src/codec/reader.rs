//! Takes a payload apart field by field, and says which field was missing.

use super::{DateTime, Float, Sfloat};
use crate::devices::Characteristic;

/// Why a payload could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The payload ends before a field its flags promise. Keep it raw and report it; it will not get better.
    #[error("the payload ends in {field}: {needed} bytes needed, {got} left")]
    Truncated {
        /// The field that is cut.
        field: &'static str,
        /// How many bytes it has.
        needed: usize,
        /// How many were left.
        got: usize,
    },
    /// A form of fixed length came with another one.
    #[error("{what} has {needed} bytes, not {got}")]
    WrongLength {
        /// What was to be read.
        what: &'static str,
        /// How many bytes it has.
        needed: usize,
        /// How many came.
        got: usize,
    },
    /// A field without which the rest means nothing has a value that is not defined.
    #[error("{field} cannot be {value}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// The value that is not defined.
        value: i64,
    },
    /// The payload is all time, and there is no such time.
    #[error("{0:?} is no time")]
    NoSuchTime(DateTime),
    /// The characteristic holds no measurement (a feature list, a control point, an intermediate value, …), or is not
    /// known here. Its payload was not looked at.
    #[error("characteristic {0} holds no measurement")]
    NotAMeasurement(Characteristic),
}

/// The bytes of a payload that have not been read yet. All numbers are little-endian.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte on the wire.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// The next `N` bytes, as they are.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], naming `field`, if fewer are left. So do all methods below.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated {
            field,
            needed: N,
            got: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array(field)?))
    }

    /// Two bytes.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    /// Two bytes, of which the first is the higher one: only in the dialect of a device that errs.
    pub fn u16_big_endian(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    /// Three bytes.
    pub fn u24(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let [low, middle, high] = self.array(field)?;
        Ok(u32::from_le_bytes([low, middle, high, 0]))
    }

    /// Four bytes.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    /// A two-byte decimal number.
    pub fn sfloat(&mut self, field: &'static str) -> Result<Sfloat, DecodeError> {
        self.u16(field).map(Sfloat)
    }

    /// A four-byte decimal number.
    pub fn float(&mut self, field: &'static str) -> Result<Float, DecodeError> {
        self.u32(field).map(Float)
    }

    /// Seven bytes of local wall clock.
    pub fn date_time(&mut self, field: &'static str) -> Result<DateTime, DecodeError> {
        Ok(DateTime::from_bytes(self.array(field)?))
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_is_named() {
        let mut bytes = Reader::new(&[0x16, 0x7C]);
        assert_eq!(bytes.u8("flags"), Ok(0x16));
        let missing = DecodeError::Truncated { field: "systolic", needed: 2, got: 1 };
        assert_eq!(bytes.sfloat("systolic"), Err(missing));
    }

    #[test]
    fn numbers_are_little_endian() {
        let mut bytes = Reader::new(&[1, 2, 3, 1, 2, 3, 4, 0, 60]);
        assert_eq!(bytes.u24("three"), Ok(0x03_02_01));
        assert_eq!(bytes.u32("four"), Ok(0x04_03_02_01));
        assert_eq!(bytes.u16_big_endian("pulse"), Ok(60));
        assert_eq!(bytes.left(), 0);
    }
}
