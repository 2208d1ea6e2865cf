//! How full a device's battery is: Battery Service 0x180F.

use crate::codec::{DecodeError, Reader, Warnings, warning};

/// One Battery Level (characteristic 0x2A19): u8, 0 to 100 percent.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Battery Level".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    percent: u8,
    /// What came after it.
    pub trailing: Vec<u8>,
}

impl Level {
    /// A level in percent, or `None` above 100.
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self { percent, trailing: Vec::new() })
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] without a byte, [`DecodeError::OutOfRange`] above 100 percent.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let percent = bytes.u8("percent")?;
        let level = Self::new(percent).ok_or(DecodeError::OutOfRange { field: "percent", value: percent.into() })?;
        Ok(Self { trailing: bytes.rest().to_vec(), ..level })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        [self.percent].iter().chain(&self.trailing).copied().collect()
    }

    /// 0 to 100.
    pub fn percent(&self) -> u8 {
        self.percent
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        warning::trailing(&self.trailing).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..4)) {
            if let Ok(level) = Level::decode(&payload) {
                prop_assert_eq!(level.encode(), payload);
                prop_assert!(level.percent() <= 100);
            }
        }
    }
}
