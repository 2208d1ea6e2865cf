//! Heart-rate straps: Heart Rate Service 0x180D. A stream, about once a second while it is worn.

use crate::codec::{DecodeError, Reader, Warning, Warnings, warning};
use crate::devices::{Mark, Meaning, plausible};
use crate::observation::{Decimal, Observation, Quantity, Unit};

/// One Heart Rate Measurement (characteristic 0x2A37), little-endian, as it was sent.
///
/// | order | bytes  | field           | there if   | form                                                         |
/// |-------|--------|-----------------|------------|--------------------------------------------------------------|
/// | 1     | 1      | flags           | always     | bit 1: skin contact, if bit 2: it is detected; 5..: reserved |
/// | 2     | 1 or 2 | heart rate      | always     | u16 if flag bit 0, else u8; beats per minute                 |
/// | 3     | 2      | energy expended | flag bit 3 | u16, kJ, ends at 65535                                       |
/// | 4     | 2 each | RR intervals    | flag bit 4 | u16, 1/1024 s, oldest first, to the end of the payload       |
///
/// Straps send once a second even when no beat fell into it, so there may be no interval after flag bit 4.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Heart Rate Measurement".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// Heart rate in beats per minute.
    pub rate: Rate,
    /// Whether the strap says that it can tell if it touches skin.
    pub contact_supported: bool,
    /// Whether it says that it does. Means nothing if it cannot tell.
    pub contact_detected: bool,
    /// Energy since the last reset, in kJ.
    pub energy: Option<u16>,
    /// Time between beats, in 1/1024 s.
    pub intervals: Option<Vec<u16>>,
    /// Flag bits 5 to 7.
    pub reserved_flags: u8,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

/// A heart rate in beats per minute, as wide as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rate {
    /// In one byte.
    Byte(u8),
    /// In two bytes.
    Word(u16),
}

impl Rate {
    /// Beats per minute.
    pub fn bpm(self) -> u16 {
        match self {
            Self::Byte(bpm) => bpm.into(),
            Self::Word(bpm) => bpm,
        }
    }
}

/// Whether a strap touches skin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contact {
    /// It does.
    Detected,
    /// It does not: what it counts is no heart.
    NotDetected,
    /// It cannot tell.
    NotSupported,
}

const WORD: u8 = 1 << 0;
const CONTACT: u8 = 1 << 1;
const CONTACT_SUPPORTED: u8 = 1 << 2;
const ENERGY: u8 = 1 << 3;
const INTERVALS: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl Measurement {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the flags promise more bytes than came.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let flags = bytes.u8("flags")?;
        let rate = match flags & WORD {
            0 => Rate::Byte(bytes.u8("bpm")?),
            _ => Rate::Word(bytes.u16("bpm")?),
        };
        let energy = (flags & ENERGY != 0).then(|| bytes.u16("energy_kj")).transpose()?;
        let count = if flags & INTERVALS == 0 { 0 } else { bytes.left() / 2 };
        let intervals = (0..count).map(|_| bytes.u16("rr_1024")).collect::<Result<Vec<u16>, _>>()?;
        Ok(Self {
            rate,
            contact_supported: flags & CONTACT_SUPPORTED != 0,
            contact_detected: flags & CONTACT != 0,
            energy,
            intervals: (flags & INTERVALS != 0).then_some(intervals),
            reserved_flags: flags & RESERVED,
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let flags = if matches!(self.rate, Rate::Word(_)) { WORD } else { 0 }
            | if self.contact_detected { CONTACT } else { 0 }
            | if self.contact_supported { CONTACT_SUPPORTED } else { 0 }
            | if self.energy.is_some() { ENERGY } else { 0 }
            | if self.intervals.is_some() { INTERVALS } else { 0 }
            | self.reserved_flags & RESERVED;
        let mut bytes = vec![flags];
        match self.rate {
            Rate::Byte(bpm) => bytes.push(bpm),
            Rate::Word(bpm) => bytes.extend(bpm.to_le_bytes()),
        }
        bytes.extend(self.energy.into_iter().flat_map(u16::to_le_bytes));
        bytes.extend(self.intervals.iter().flatten().flat_map(|interval| interval.to_le_bytes()));
        bytes.extend(&self.trailing);
        bytes
    }

    /// Whether the strap touches skin.
    pub fn contact(&self) -> Contact {
        match (self.contact_supported, self.contact_detected) {
            (false, _) => Contact::NotSupported,
            (true, false) => Contact::NotDetected,
            (true, true) => Contact::Detected,
        }
    }

    /// Whether it may feed limits and trends: 20 to 300 beats per minute, and contact not lost.
    pub fn is_usable(&self) -> bool {
        plausible::RATE.contains(&self.bpm()) && self.contact() != Contact::NotDetected
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        [
            self.intervals.as_ref().filter(|beats| beats.is_empty()).map(|_| Warning::RrFlagWithoutValues),
            (self.reserved_flags & RESERVED != 0).then_some(Warning::ReservedFlags),
            warning::trailing(&self.trailing),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let usable = self.is_usable();
        Meaning {
            observations: vec![Observation::new(Quantity::HeartRate, self.bpm(), Unit::PerMinute, usable)],
            marks: (self.contact() == Contact::NotDetected).then_some(Mark::NoSkinContact).into_iter().collect(),
            usable,
            ..Meaning::default()
        }
    }

    fn bpm(&self) -> Decimal {
        Decimal::whole(self.rate.bpm().into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_strap_on_the_table_has_no_usable_rate() {
        let meaning = Measurement::decode(&[0x04, 74]).expect("a measurement").meaning();
        assert_eq!((meaning.usable, meaning.marks), (false, vec![Mark::NoSkinContact]));
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(measurement) = Measurement::decode(&payload) {
                prop_assert_eq!(measurement.encode(), payload);
                prop_assert_eq!(measurement.meaning().usable, measurement.is_usable());
                measurement.warnings();
            }
        }
    }
}
