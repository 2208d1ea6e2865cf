//! Enhanced Blood Pressure Measurement, 0x2B34: the same reading, with times in seconds.

use jiff::ToSpan;
use jiff::civil;

use crate::codec::{DecodeError, Reader, Sfloat, Warning, Warnings, warning};
use crate::devices::{Mark, Meaning};

use super::{PressureUnit, Pressures, Status, is_pulse, pulse_observation};

/// One Enhanced Blood Pressure Measurement (characteristic 0x2B34), little-endian, as it was sent.
///
/// | order | bytes | field                     | there if   | form                                       |
/// |-------|-------|---------------------------|------------|--------------------------------------------|
/// | 1     | 1     | flags                     | always     | bit 0: kPa; bit 6: epoch; bit 7: reserved  |
/// | 2     | 6     | systolic, diastolic, mean | always     | SFLOAT each                                |
/// | 3     | 4     | time stamp                | flag bit 1 | u32, seconds UTC since the epoch           |
/// | 4     | 2     | pulse rate                | flag bit 2 | SFLOAT, beats per minute                   |
/// | 5     | 1     | user                      | flag bit 3 | u8, 255 unknown                            |
/// | 6     | 2     | status                    | flag bit 4 | [`Status`]                                 |
/// | 7     | 4     | user facing time          | flag bit 5 | u32, seconds since the epoch, as displayed |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Enhanced Blood Pressure Measurement".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enhanced {
    /// The three pressures.
    pub pressures: Pressures,
    /// What both times are counted from.
    pub epoch: Epoch,
    /// When, in UTC.
    pub taken: Option<Seconds>,
    /// Pulse rate in beats per minute.
    pub pulse: Option<Sfloat>,
    /// Which user of the cuff; 255 is nobody known.
    pub user: Option<u8>,
    /// How the cuff measured.
    pub status: Option<Status>,
    /// When, as the user saw it on the cuff.
    pub user_facing: Option<Seconds>,
    /// Flag bit 7.
    pub reserved_flags: u8,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

/// What a cuff counts its seconds from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Epoch {
    /// The first second of 1900.
    Year1900,
    /// The first second of 2000.
    Year2000,
}

/// Seconds since an [`Epoch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seconds(pub u32);

impl Seconds {
    /// The date and time so many seconds after the epoch.
    pub fn since(self, epoch: Epoch) -> civil::DateTime {
        let start = match epoch {
            Epoch::Year1900 => civil::date(1900, 1, 1),
            Epoch::Year2000 => civil::date(2000, 1, 1),
        };
        start.at(0, 0, 0, 0).saturating_add(i64::from(self.0).seconds())
    }
}

const TIME: u8 = 1 << 1;
const PULSE: u8 = 1 << 2;
const USER: u8 = 1 << 3;
const STATUS: u8 = 1 << 4;
const USER_FACING: u8 = 1 << 5;
const YEAR_2000: u8 = 1 << 6;
const RESERVED: u8 = 1 << 7;

impl Enhanced {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the flags promise more bytes than came.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let flags = bytes.u8("flags")?;
        Ok(Self {
            pressures: Pressures::read(PressureUnit::from_flags(flags), &mut bytes)?,
            epoch: if flags & YEAR_2000 == 0 { Epoch::Year1900 } else { Epoch::Year2000 },
            taken: (flags & TIME != 0).then(|| bytes.u32("time_utc")).transpose()?.map(Seconds),
            pulse: (flags & PULSE != 0).then(|| bytes.sfloat("pulse")).transpose()?,
            user: (flags & USER != 0).then(|| bytes.u8("user_id")).transpose()?,
            status: (flags & STATUS != 0).then(|| bytes.u16("status")).transpose()?.map(Status),
            user_facing: (flags & USER_FACING != 0).then(|| bytes.u32("user_facing_time")).transpose()?.map(Seconds),
            reserved_flags: flags & RESERVED,
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let flags = self.pressures.unit.flag()
            | if self.taken.is_some() { TIME } else { 0 }
            | if self.pulse.is_some() { PULSE } else { 0 }
            | if self.user.is_some() { USER } else { 0 }
            | if self.status.is_some() { STATUS } else { 0 }
            | if self.user_facing.is_some() { USER_FACING } else { 0 }
            | if self.epoch == Epoch::Year2000 { YEAR_2000 } else { 0 }
            | self.reserved_flags & RESERVED;
        let mut bytes = vec![flags];
        bytes.extend(self.pressures.encode());
        bytes.extend(self.taken.into_iter().flat_map(|seconds| seconds.0.to_le_bytes()));
        bytes.extend(self.pulse.into_iter().flat_map(Sfloat::encode));
        bytes.extend(self.user);
        bytes.extend(self.status.into_iter().flat_map(|status| status.0.to_le_bytes()));
        bytes.extend(self.user_facing.into_iter().flat_map(|seconds| seconds.0.to_le_bytes()));
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
        warnings.extend(self.pulse.filter(|pulse| !is_pulse(*pulse)).map(|_| Warning::PulseUnusable));
        warnings.extend(self.status.and_then(Status::warning));
        warnings.extend((self.reserved_flags & RESERVED != 0).then_some(Warning::ReservedFlags));
        warnings.extend(warning::trailing(&self.trailing));
        warnings
    }

    /// What it means. The time the user saw is preferred, as it is the wall clock that other cuffs send; a count of 0
    /// is that of a clock that was never set.
    pub fn meaning(&self) -> Meaning {
        let set = |seconds: Option<Seconds>| seconds.filter(|seconds| seconds.0 != 0);
        let (shown, utc) = (set(self.user_facing), set(self.taken));
        let never_set = [self.user_facing, self.taken].contains(&Some(Seconds(0)));
        let pulse = self.pulse.map(|pulse| pulse_observation(pulse, self.is_usable()));
        Meaning {
            observations: self.pressures.observations().into_iter().chain(pulse).collect(),
            device_time: shown.or(utc).map(|seconds| seconds.since(self.epoch)),
            device_time_is_utc: shown.is_none() && utc.is_some(),
            user_slot: self.user_slot(),
            marks: self
                .status
                .map(Status::marks)
                .into_iter()
                .flatten()
                .chain(never_set.then_some(Mark::ClockNotSet))
                .collect(),
            usable: self.is_usable(),
            ..Meaning::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_count_from_1900_or_from_2000() {
        assert_eq!(Seconds(848_566_800).since(Epoch::Year2000), civil::date(2026, 11, 21).at(9, 0, 0, 0));
        assert_eq!(Seconds(0).since(Epoch::Year1900), civil::date(1900, 1, 1).at(0, 0, 0, 0));
        assert_eq!(Seconds(u32::MAX).since(Epoch::Year2000).year(), 2136);
    }

    #[test]
    fn a_clock_that_was_never_set_gives_no_time() {
        let payload = hex::decode("4278005000640000000000").expect("hex");
        let meaning = Enhanced::decode(&payload).expect("a measurement").meaning();
        assert_eq!((meaning.device_time, meaning.marks), (None, vec![Mark::ClockNotSet]));
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..28)) {
            if let Ok(measurement) = Enhanced::decode(&payload) {
                prop_assert_eq!(measurement.encode(), payload);
                measurement.warnings();
                measurement.meaning();
            }
        }
    }
}
