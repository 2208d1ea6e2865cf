//! The clocks of devices: Current Time Service 0x1805, and the Date Time some cuffs have inside 0x1810.

use jiff::civil;

use crate::codec::date_time::{BeforeTheCalendar, State};
use crate::codec::{DateTime, DecodeError, Reader, Warning, Warnings, warning};

/// One Date Time that stands alone (characteristic 0x2A08), seven bytes.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Date Time".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallClock {
    /// What the clock shows. It may be incomplete.
    pub time: DateTime,
    /// What came after it.
    pub trailing: Vec<u8>,
}

impl WallClock {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] below seven bytes, [`DecodeError::NoSuchTime`] for a time that does not exist.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        Ok(Self { time: existing(bytes.date_time("timestamp")?)?, trailing: bytes.rest().to_vec() })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        self.time.to_bytes().iter().chain(&self.trailing).copied().collect()
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        self.time.warning().into_iter().chain(warning::trailing(&self.trailing)).collect()
    }
}

/// One Current Time (characteristic 0x2A2B), little-endian, as it was sent.
///
/// | bytes | field         | form                                                                          |
/// |-------|---------------|-------------------------------------------------------------------------------|
/// | 0..7  | time          | Date Time                                                                     |
/// | 7     | day of week   | u8, 1 Monday to 7, 0 unknown                                                  |
/// | 8     | fractions     | u8, 1/256 s                                                                   |
/// | 9     | adjust reason | bit 0 by hand, 1 from a reference, 2 time zone changed, 3 summer time changed |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Current Time".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentTime {
    /// What the clock shows. It may be incomplete.
    pub time: DateTime,
    /// 1 (Monday) to 7, or 0 if not known.
    pub day_of_week: u8,
    /// 1/256 s.
    pub fractions: u8,
    /// Why the clock was last set.
    pub adjust: AdjustReason,
    /// What came after it.
    pub trailing: Vec<u8>,
}

/// Why a clock was set: 8 bits, of which 4 to 7 are reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct AdjustReason(pub u8);

impl AdjustReason {
    /// From a reference that is trusted.
    pub const EXTERNAL_REFERENCE: Self = Self(1 << 1);

    const RESERVED: u8 = 0xF0;

    /// The names of the bits that are set, lowest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        ["manual", "external_reference", "time_zone", "dst"]
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & 1 << bit != 0)
            .map(|(_, name)| name)
    }
}

impl CurrentTime {
    /// What to write to a device so that it shows this time, taken from a reference. The day of the week is the right
    /// one: some cuffs check it.
    ///
    /// # Errors
    /// [`BeforeTheCalendar`] before the year 1582.
    pub fn at(time: civil::DateTime) -> Result<Self, BeforeTheCalendar> {
        Ok(Self {
            time: time.try_into()?,
            day_of_week: time.weekday().to_monday_one_offset() as u8,
            fractions: u8::try_from(i64::from(time.subsec_nanosecond()) * 256 / 1_000_000_000)
                .expect("less than a second"),
            adjust: AdjustReason::EXTERNAL_REFERENCE,
            trailing: Vec::new(),
        })
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] below ten bytes, [`DecodeError::NoSuchTime`] for a time that does not exist,
    /// [`DecodeError::OutOfRange`] for an eighth day of the week.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let time = existing(bytes.date_time("timestamp")?)?;
        let day_of_week = bytes.u8("day_of_week")?;
        if day_of_week > 7 {
            return Err(DecodeError::OutOfRange { field: "day_of_week", value: day_of_week.into() });
        }
        Ok(Self {
            time,
            day_of_week,
            fractions: bytes.u8("fractions256")?,
            adjust: AdjustReason(bytes.u8("adjust")?),
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.time.to_bytes().to_vec();
        bytes.extend([self.day_of_week, self.fractions, self.adjust.0]);
        bytes.extend(&self.trailing);
        bytes
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        let reserved = self.adjust.0 & AdjustReason::RESERVED != 0;
        [self.time.warning(), reserved.then_some(Warning::ReservedAdjustReason), warning::trailing(&self.trailing)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// One Local Time Information (characteristic 0x2A0F), as it was sent.
///
/// | bytes | field       | form                                                      |
/// |-------|-------------|-----------------------------------------------------------|
/// | 0     | time zone   | i8, quarters of an hour from UTC, −48 to 56, −128 unknown |
/// | 1     | summer time | u8, 0, 2, 4 or 8 quarters of an hour, 255 unknown         |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Local Time Information".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime {
    zone: i8,
    summer: u8,
    /// What came after it.
    pub trailing: Vec<u8>,
}

impl LocalTime {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] below two bytes, [`DecodeError::OutOfRange`] for a zone or summer time that is not
    /// defined.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let zone = i8::from_le_bytes(bytes.array("time_zone")?);
        let summer = bytes.u8("dst")?;
        if !matches!(zone, -48..=56 | i8::MIN) {
            return Err(DecodeError::OutOfRange { field: "time_zone", value: zone.into() });
        }
        if !matches!(summer, 0 | 2 | 4 | 8 | u8::MAX) {
            return Err(DecodeError::OutOfRange { field: "dst", value: summer.into() });
        }
        Ok(Self { zone, summer, trailing: bytes.rest().to_vec() })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        [self.zone as u8, self.summer].iter().chain(&self.trailing).copied().collect()
    }

    /// Minutes from UTC in winter, if known.
    pub fn zone_minutes(&self) -> Option<i16> {
        (self.zone != i8::MIN).then_some(i16::from(self.zone) * 15)
    }

    /// Minutes that summer time adds, if known.
    pub fn summer_minutes(&self) -> Option<i16> {
        (self.summer != u8::MAX).then_some(i16::from(self.summer) * 15)
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        warning::trailing(&self.trailing).into_iter().collect()
    }
}

/// Refuses a time that does not exist. Inside a measurement it would be no error; as the whole value it is.
fn existing(time: DateTime) -> Result<DateTime, DecodeError> {
    match time.state() {
        State::Complete(_) | State::Incomplete => Ok(time),
        State::Invalid => Err(DecodeError::NoSuchTime(time)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_to_a_cuff_has_the_right_day_of_the_week() {
        let saturday = civil::date(2026, 11, 21).at(9, 30, 15, 500_000_000);
        let written = CurrentTime::at(saturday).expect("a year on the calendar").encode();
        assert_eq!(written, hex::decode("ea070b15091e0f068002").expect("hex"));
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(clock) = WallClock::decode(&payload) {
                prop_assert_eq!(&clock.encode(), &payload);
                clock.warnings();
            }
            if let Ok(clock) = CurrentTime::decode(&payload) {
                prop_assert_eq!(&clock.encode(), &payload);
                clock.warnings();
            }
            if let Ok(clock) = LocalTime::decode(&payload) {
                prop_assert_eq!(&clock.encode(), &payload);
                clock.warnings();
            }
        }
    }
}
