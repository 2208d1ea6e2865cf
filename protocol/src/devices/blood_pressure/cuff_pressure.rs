//! Intermediate Cuff Pressure, 0x2A36: what the gauge shows while the cuff inflates. Never a reading.

use crate::codec::{DateTime, DecodeError, Reader, Sfloat, Warning, Warnings, warning};

use super::{PressureUnit, Status, is_pulse};

/// One Intermediate Cuff Pressure (characteristic 0x2A36), little-endian, as it was sent.
///
/// The layout is that of [`Measurement`](super::Measurement), with the cuff's pressure in place of the systolic one;
/// the two SFLOATs after it are on the wire, and unused.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Intermediate Cuff Pressure".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CuffPressure {
    /// The unit of the pressure.
    pub unit: PressureUnit,
    /// The pressure in the cuff.
    pub pressure: Sfloat,
    /// The two fields without use, NaN or 0 on the wire.
    pub unused: [Sfloat; 2],
    /// When, by the wall clock of the cuff.
    pub taken: Option<DateTime>,
    /// Pulse rate in beats per minute.
    pub pulse: Option<Sfloat>,
    /// Which user of the cuff; 255 is nobody known.
    pub user: Option<u8>,
    /// How the cuff measures.
    pub status: Option<Status>,
    /// Flag bits 5 to 7.
    pub reserved_flags: u8,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

const TIME: u8 = 1 << 1;
const PULSE: u8 = 1 << 2;
const USER: u8 = 1 << 3;
const STATUS: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl CuffPressure {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the flags promise more bytes than came.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let flags = bytes.u8("flags")?;
        Ok(Self {
            unit: PressureUnit::from_flags(flags),
            pressure: bytes.sfloat("cuff_pressure")?,
            unused: [bytes.sfloat("unused")?, bytes.sfloat("unused")?],
            taken: (flags & TIME != 0).then(|| bytes.date_time("timestamp")).transpose()?,
            pulse: (flags & PULSE != 0).then(|| bytes.sfloat("pulse")).transpose()?,
            user: (flags & USER != 0).then(|| bytes.u8("user_id")).transpose()?,
            status: (flags & STATUS != 0).then(|| bytes.u16("status")).transpose()?.map(Status),
            reserved_flags: flags & RESERVED,
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let flags = self.unit.flag()
            | if self.taken.is_some() { TIME } else { 0 }
            | if self.pulse.is_some() { PULSE } else { 0 }
            | if self.user.is_some() { USER } else { 0 }
            | if self.status.is_some() { STATUS } else { 0 }
            | self.reserved_flags & RESERVED;
        let mut bytes = vec![flags];
        bytes.extend([self.pressure, self.unused[0], self.unused[1]].into_iter().flat_map(Sfloat::encode));
        bytes.extend(self.taken.into_iter().flat_map(DateTime::to_bytes));
        bytes.extend(self.pulse.into_iter().flat_map(Sfloat::encode));
        bytes.extend(self.user);
        bytes.extend(self.status.into_iter().flat_map(|status| status.0.to_le_bytes()));
        bytes.extend(&self.trailing);
        bytes
    }

    /// The user of the cuff, if it knows one.
    pub fn user_slot(&self) -> Option<u8> {
        self.user.filter(|user| *user != u8::MAX)
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        [
            self.pressure.value().number().is_none().then_some(Warning::Special("cuff_pressure")),
            self.taken.and_then(DateTime::warning),
            self.pulse.filter(|pulse| !is_pulse(*pulse)).map(|_| Warning::PulseUnusable),
            self.status.and_then(Status::warning),
            (self.reserved_flags & RESERVED != 0).then_some(Warning::ReservedFlags),
            warning::trailing(&self.trailing),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(pressure) = CuffPressure::decode(&payload) {
                prop_assert_eq!(pressure.encode(), payload);
                pressure.warnings();
            }
        }
    }
}
