//! Blood Pressure Feature, 0x2A49: what a cuff can detect.

use crate::codec::{DecodeError, Reader, Warning, Warnings, warning};

/// One Blood Pressure Feature (characteristic 0x2A49): 16 bits, little-endian, as they were sent.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Blood Pressure Feature".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// The bits; from 9 on they are reserved.
    pub bits: u16,
    /// What came after them.
    pub trailing: Vec<u8>,
}

impl Feature {
    const RESERVED: u16 = 0xFE00;

    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] below two bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        Ok(Self { bits: bytes.u16("features")?, trailing: bytes.rest().to_vec() })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        self.bits.to_le_bytes().into_iter().chain(self.trailing.iter().copied()).collect()
    }

    /// It detects body movement.
    pub fn body_movement(&self) -> bool {
        self.has(0)
    }

    /// It detects a cuff that is too loose.
    pub fn cuff_fit(&self) -> bool {
        self.has(1)
    }

    /// It detects an irregular pulse.
    pub fn irregular_pulse(&self) -> bool {
        self.has(2)
    }

    /// It detects a pulse outside its limits.
    pub fn pulse_range(&self) -> bool {
        self.has(3)
    }

    /// It detects an improper position.
    pub fn position(&self) -> bool {
        self.has(4)
    }

    /// It can be bonded with several at a time.
    pub fn multiple_bond(&self) -> bool {
        self.has(5)
    }

    /// Its stored records end in a checksum.
    pub fn e2e_crc(&self) -> bool {
        self.has(6)
    }

    /// It has a User Data Service.
    pub fn user_data_service(&self) -> bool {
        self.has(7)
    }

    /// It gives the time the user saw.
    pub fn user_facing_time(&self) -> bool {
        self.has(8)
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        let reserved = (self.bits & Self::RESERVED != 0).then_some(Warning::ReservedFlags);
        reserved.into_iter().chain(warning::trailing(&self.trailing)).collect()
    }

    fn has(&self, bit: u8) -> bool {
        self.bits & 1 << bit != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..5)) {
            if let Ok(feature) = Feature::decode(&payload) {
                prop_assert_eq!(feature.encode(), payload);
                feature.warnings();
            }
        }
    }
}
