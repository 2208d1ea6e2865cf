//! Blood Pressure Record, 0x2B36: a stored measurement, in pieces.

use crate::codec::{DecodeError, Reader};

/// One segment of a Blood Pressure Record (characteristic 0x2B36), little-endian, as it was sent.
///
/// | bytes  | field           | form                                                                      |
/// |--------|-----------------|---------------------------------------------------------------------------|
/// | 0      | header          | bit 0: first segment, bit 1: last one, bits 2..: rolling counter, 0 to 63 |
/// | 1..3   | sequence number | u16, per user                                                             |
/// | 3..5   | UUID            | u16, of the characteristic whose value is carried                         |
/// | 5..    | value           | a part of it                                                              |
/// | last 2 | checksum        | u16, only in the last segment, and only of a cuff with that feature       |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Blood Pressure Record".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The record begins here.
    pub first: bool,
    /// The record ends here.
    pub last: bool,
    /// Counts the segments, 0 to 63 and from the start again.
    pub counter: u8,
    /// The number of the record, per user.
    pub sequence: u16,
    /// The number of the characteristic whose value is carried.
    pub inner: u16,
    /// A part of that value.
    pub part: Vec<u8>,
    /// The checksum over the whole record, as it was sent.
    pub crc: Option<u16>,
}

impl Segment {
    /// Reads a payload of a cuff that has end-to-end checksums, or has not
    /// ([`Feature::e2e_crc`](super::Feature::e2e_crc)).
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if the header, or the checksum of a last segment, is not all there.
    pub fn decode(payload: &[u8], e2e_crc: bool) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let header = bytes.u8("header")?;
        let sequence = bytes.u16("sequence")?;
        let inner = bytes.u16("inner_uuid")?;
        let last = header & 1 << 1 != 0;
        let rest = bytes.rest();
        let (part, crc) = match rest.split_last_chunk() {
            Some((part, crc)) if e2e_crc && last => (part, Some(u16::from_le_bytes(*crc))),
            None if e2e_crc && last => {
                return Err(DecodeError::Truncated { field: "crc", needed: 2, got: rest.len() });
            }
            Some(_) | None => (rest, None),
        };
        Ok(Self { first: header & 1 != 0, last, counter: header >> 2, sequence, inner, part: part.to_vec(), crc })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.first) | u8::from(self.last) << 1 | self.counter << 2];
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.inner.to_le_bytes());
        bytes.extend(&self.part);
        bytes.extend(self.crc.into_iter().flat_map(u16::to_le_bytes));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(
            payload in proptest::collection::vec(any::<u8>(), 0..24),
            e2e_crc: bool,
        ) {
            if let Ok(segment) = Segment::decode(&payload, e2e_crc) {
                prop_assert_eq!(segment.encode(), payload);
            }
        }
    }
}
