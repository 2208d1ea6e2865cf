//! How stored records are asked for: Record Access Control Point 0x2A52, of cuffs and oximeters.

use crate::codec::{DecodeError, Reader};

/// What a device answers (an indication of characteristic 0x2A52), little-endian, as it was sent.
///
/// | bytes | field    | form                                                                   |
/// |-------|----------|------------------------------------------------------------------------|
/// | 0     | op       | 5: number of stored records, 6: response                               |
/// | 1     | operator | 0                                                                      |
/// | 2..   | operand  | of 5: count, in 1, 2 or 4 bytes; of 6: the request's op and the result |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Record Access Control Point".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Indication {
    /// How many records are stored.
    NumberOfRecords(Count),
    /// What became of a request.
    Response {
        /// The op code of the request.
        request: u8,
        /// What became of it.
        result: Outcome,
    },
}

/// A number of records, as wide as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// In one byte.
    Byte(u8),
    /// In two bytes, as the standard has it.
    Word(u16),
    /// In four bytes.
    Long(u32),
}

impl Count {
    /// The number.
    pub fn number(self) -> u32 {
        match self {
            Self::Byte(count) => count.into(),
            Self::Word(count) => count.into(),
            Self::Long(count) => count,
        }
    }
}

/// What became of a request, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Outcome(pub u8);

impl Outcome {
    /// It was carried out.
    pub const SUCCESS: Self = Self(1);
    /// There are no records that match: often as good as success.
    pub const NO_RECORDS: Self = Self(6);

    /// The name of the outcome, or `None` for a number that is not defined.
    pub fn name(self) -> Option<&'static str> {
        match self.0 {
            1 => Some("success"),
            2 => Some("opcode_not_supported"),
            3 => Some("invalid_operator"),
            4 => Some("operator_not_supported"),
            5 => Some("invalid_operand"),
            6 => Some("no_records"),
            7 => Some("abort_unsuccessful"),
            8 => Some("procedure_not_completed"),
            9 => Some("operand_not_supported"),
            _ => None,
        }
    }
}

const NUMBER_OF_RECORDS: u8 = 5;
const RESPONSE: u8 = 6;
const NULL: u8 = 0;

impl Indication {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::WrongLength`] unless op and operand have their length,
    /// [`DecodeError::OutOfRange`] for an op that no device sends or an operator other than 0.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let op = bytes.u8("op")?;
        if ![NUMBER_OF_RECORDS, RESPONSE].contains(&op) {
            return Err(DecodeError::OutOfRange { field: "op", value: op.into() });
        }
        let operator = bytes.u8("operator")?;
        if operator != NULL {
            return Err(DecodeError::OutOfRange { field: "operator", value: operator.into() });
        }
        match (op, bytes.rest()) {
            (NUMBER_OF_RECORDS, &[count]) => Ok(Self::NumberOfRecords(Count::Byte(count))),
            (NUMBER_OF_RECORDS, &[a, b]) => Ok(Self::NumberOfRecords(Count::Word(u16::from_le_bytes([a, b])))),
            (NUMBER_OF_RECORDS, &[a, b, c, d]) => {
                Ok(Self::NumberOfRecords(Count::Long(u32::from_le_bytes([a, b, c, d]))))
            }
            (RESPONSE, &[request, result]) => Ok(Self::Response { request, result: Outcome(result) }),
            (_, operand) => Err(DecodeError::WrongLength { what: "operand", needed: 2, got: operand.len() }),
        }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        match *self {
            Self::NumberOfRecords(Count::Byte(count)) => vec![NUMBER_OF_RECORDS, NULL, count],
            Self::NumberOfRecords(Count::Word(count)) => [[NUMBER_OF_RECORDS, NULL], count.to_le_bytes()].concat(),
            Self::NumberOfRecords(Count::Long(count)) => {
                [NUMBER_OF_RECORDS, NULL].into_iter().chain(count.to_le_bytes()).collect()
            }
            Self::Response { request, result } => vec![RESPONSE, NULL, request, result.0],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_count_may_have_one_two_or_four_bytes() {
        for (payload, count) in
            [("050007", Some(7)), ("05000201", Some(258)), ("050001000000", Some(1)), ("0500010000", None)]
        {
            let indication = Indication::decode(&hex::decode(payload).expect("hex"));
            let found = match indication {
                Ok(Indication::NumberOfRecords(count)) => Some(count.number()),
                Ok(Indication::Response { .. }) | Err(_) => None,
            };
            assert_eq!(found, count, "{payload}");
        }
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(op in 0_u8..8, rest in proptest::collection::vec(0_u8..3, 0..6)) {
            let payload = [vec![op], rest].concat();
            if let Ok(indication) = Indication::decode(&payload) {
                prop_assert_eq!(indication.encode(), payload);
            }
        }
    }
}
