//! Blood Pressure Measurement, 0x2A35: the reading of nearly every cuff.

use crate::codec::{DateTime, DecodeError, Reader, Sfloat, Warning, Warnings, warning};
use crate::devices::{Dialect, Meaning};

use super::{PressureUnit, Pressures, Status, is_pulse, pulse_observation};

/// One Blood Pressure Measurement (characteristic 0x2A35), little-endian, as it was sent.
///
/// | order | bytes | field                     | there if   | form                                     |
/// |-------|-------|---------------------------|------------|------------------------------------------|
/// | 1     | 1     | flags                     | always     | bit 0: kPa, else mmHg; bits 5.. reserved |
/// | 2     | 6     | systolic, diastolic, mean | always     | SFLOAT each                              |
/// | 3     | 7     | time                      | flag bit 1 | Date Time                                |
/// | 4     | 2     | pulse rate                | flag bit 2 | SFLOAT, beats per minute                 |
/// | 5     | 1     | user                      | flag bit 3 | u8, 255 unknown                          |
/// | 6     | 2     | status                    | flag bit 4 | [`Status`]                               |
///
/// In the Beurer dialect the user is always there, whatever bit 3 says, and pulse and status are big-endian. Every other
/// dialect is the standard here.
///
/// A cuff that failed to measure sends NaN. That is a value, not an error.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Blood Pressure Measurement"; for the dialect, recordings of a
/// Beurer BM 85.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// How the cuff writes.
    pub dialect: Dialect,
    /// The three pressures.
    pub pressures: Pressures,
    /// When, by the wall clock of the cuff.
    pub taken: Option<DateTime>,
    /// Pulse rate in beats per minute.
    pub pulse: Option<Sfloat>,
    /// Which user of the cuff; 255 is nobody known. Never absent in the Beurer dialect.
    pub user: Option<u8>,
    /// How the cuff measured.
    pub status: Option<Status>,
    /// Flag bits that are set and mean nothing: 5 to 7, and 3 in the Beurer dialect.
    pub reserved_flags: u8,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

const TIME: u8 = 1 << 1;
const PULSE: u8 = 1 << 2;
const USER: u8 = 1 << 3;
const STATUS: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl Measurement {
    /// Reads a payload as this dialect writes it.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the flags promise more bytes than came.
    pub fn decode(payload: &[u8], dialect: Dialect) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let flags = bytes.u8("flags")?;
        let pressures = Pressures::read(PressureUnit::from_flags(flags), &mut bytes)?;
        let taken = (flags & TIME != 0).then(|| bytes.date_time("timestamp")).transpose()?;
        let pulse = (flags & PULSE != 0).then(|| word(&mut bytes, dialect, "pulse")).transpose()?;
        let has_user = flags & USER != 0 || dialect == Dialect::Beurer;
        let user = has_user.then(|| bytes.u8("user_id")).transpose()?;
        let status = (flags & STATUS != 0).then(|| word(&mut bytes, dialect, "status")).transpose()?;
        Ok(Self {
            dialect,
            pressures,
            taken,
            pulse: pulse.map(Sfloat),
            user,
            status: status.map(Status),
            reserved_flags: flags & meaningless(dialect),
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let is_beurer = self.dialect == Dialect::Beurer;
        let user = if is_beurer { Some(self.user.unwrap_or(u8::MAX)) } else { self.user };
        let flags = self.pressures.unit.flag()
            | if self.taken.is_some() { TIME } else { 0 }
            | if self.pulse.is_some() { PULSE } else { 0 }
            | if user.is_some() && !is_beurer { USER } else { 0 }
            | if self.status.is_some() { STATUS } else { 0 }
            | self.reserved_flags & meaningless(self.dialect);
        let word = |word: u16| if is_beurer { word.to_be_bytes() } else { word.to_le_bytes() };
        let mut bytes = vec![flags];
        bytes.extend(self.pressures.encode());
        bytes.extend(self.taken.into_iter().flat_map(DateTime::to_bytes));
        bytes.extend(self.pulse.into_iter().flat_map(|pulse| word(pulse.0)));
        bytes.extend(user);
        bytes.extend(self.status.into_iter().flat_map(|status| word(status.0)));
        bytes.extend(&self.trailing);
        bytes
    }

    /// Whether the pressures may feed limits and trends. An unusable pulse only drops the pulse.
    pub fn is_usable(&self) -> bool {
        self.pressures.are_usable()
    }

    /// The user of the cuff, if it knows one.
    pub fn user_slot(&self) -> Option<u8> {
        self.user.filter(|user| *user != u8::MAX)
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        let mut warnings = self.pressures.warnings();
        warnings.extend(self.taken.and_then(DateTime::warning));
        warnings.extend(self.pulse.filter(|pulse| !is_pulse(*pulse)).map(|_| Warning::PulseUnusable));
        warnings.extend(self.status.and_then(Status::warning));
        warnings.extend((self.reserved_flags & RESERVED != 0).then_some(Warning::ReservedFlags));
        warnings.extend(warning::trailing(&self.trailing));
        warnings
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let pulse = self.pulse.map(|pulse| pulse_observation(pulse, self.is_usable()));
        Meaning {
            observations: self.pressures.observations().into_iter().chain(pulse).collect(),
            device_time: self.taken.and_then(DateTime::civil),
            user_slot: self.user_slot(),
            marks: self.status.map(Status::marks).unwrap_or_default(),
            usable: self.is_usable(),
            ..Meaning::default()
        }
    }
}

/// Flag bits that are kept only to write the same bytes again.
fn meaningless(dialect: Dialect) -> u8 {
    if dialect == Dialect::Beurer { RESERVED | USER } else { RESERVED }
}

fn word(bytes: &mut Reader<'_>, dialect: Dialect, field: &'static str) -> Result<u16, DecodeError> {
    if dialect == Dialect::Beurer { bytes.u16_big_endian(field) } else { bytes.u16(field) }
}

#[cfg(test)]
mod tests {
    use jiff::civil;
    use proptest::prelude::*;

    use super::*;
    use crate::devices::Mark;
    use crate::observation::{Decimal, Value};

    #[test]
    fn a_beurer_says_who_was_measured_and_that_the_pulse_was_irregular() {
        let meaning = decoded("56760050000000ea07080b141b00003c000004", Dialect::Beurer).meaning();

        assert!(meaning.usable);
        assert_eq!(meaning.user_slot, Some(0));
        assert_eq!(meaning.marks, [Mark::IrregularPulse]);
        assert_eq!(meaning.device_time, Some(civil::date(2026, 8, 11).at(20, 27, 0, 0)));
        let values: Vec<Value> = meaning.observations.iter().map(|observation| observation.value).collect();
        assert_eq!(values, [118, 80, 0, 60].map(|number| Value::Number(Decimal::whole(number))));
        let usable: Vec<bool> = meaning.observations.iter().map(|observation| observation.usable).collect();
        assert_eq!(usable, [true, true, false, true], "a mean of 0 is not one");
    }

    #[test]
    fn a_failed_measurement_is_kept_and_not_usable() {
        let failed = decoded("04ff07ff07ff07ff07", Dialect::Standard);

        assert!(!failed.meaning().usable);
        assert_eq!(failed.meaning().observations.len(), 4);
        assert!(failed.meaning().observations.iter().all(|observation| !observation.usable));
    }

    #[test]
    fn a_pulse_that_is_none_drops_only_the_pulse() {
        let meaning = decoded("04780050005d000000", Dialect::Standard).meaning();

        assert!(meaning.usable);
        assert!(!meaning.observations[3].usable);
    }

    #[test]
    fn kilopascal_is_compared_in_mmhg() {
        let limit = |systolic: Sfloat| {
            let pressures = Pressures {
                unit: PressureUnit::Kilopascal,
                systolic,
                diastolic: Sfloat::new(11, 0).expect("it fits"),
                mean: Sfloat::NAN,
            };
            pressures.are_usable()
        };
        assert!(limit(Sfloat::new(399, -1).expect("39.9 kPa are 299.3 mmHg")));
        assert!(!limit(Sfloat::new(400, -1).expect("40.0 kPa are 300.02 mmHg")));
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..24)) {
            for dialect in [Dialect::Standard, Dialect::Beurer] {
                if let Ok(measurement) = Measurement::decode(&payload, dialect) {
                    prop_assert_eq!(measurement.encode(), payload.clone());
                    prop_assert_eq!(measurement.meaning().usable, measurement.is_usable());
                    measurement.warnings();
                }
            }
        }
    }

    fn decoded(hex: &str, dialect: Dialect) -> Measurement {
        Measurement::decode(&hex::decode(hex).expect("hex"), dialect).expect("a measurement")
    }
}
