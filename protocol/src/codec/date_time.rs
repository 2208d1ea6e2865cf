//! The wall clock of a device: seven bytes, without a time zone and without summer time.

use jiff::civil;

use super::Warning;

/// A Date Time, exactly as it was sent: it may be incomplete, or impossible.
///
/// | bytes | field                | form                            |
/// |-------|----------------------|---------------------------------|
/// | 0..2  | year                 | u16, 1582 to 9999, 0: not known |
/// | 2     | month                | u8, 1 to 12, 0: not known       |
/// | 3     | day                  | u8, 1 to 31, 0: not known       |
/// | 4..7  | hour, minute, second | u8 each, to 23, 59, 59          |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Date Time".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// 1582 to 9999, or 0 if not known.
    pub year: u16,
    /// 1 to 12, or 0 if not known.
    pub month: u8,
    /// 1 to 31, or 0 if not known.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// How far a [`DateTime`] can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is a time. Whether it is the right one, only a comparison of clocks can tell.
    Complete(civil::DateTime),
    /// Year, month or day is not known: the clock was never set.
    Incomplete,
    /// There is no such time.
    Invalid,
}

impl DateTime {
    /// Takes the seven bytes apart.
    pub fn from_bytes([low, high, month, day, hour, minute, second]: [u8; 7]) -> Self {
        Self { year: u16::from_le_bytes([low, high]), month, day, hour, minute, second }
    }

    /// The bytes on the wire.
    pub fn to_bytes(self) -> [u8; 7] {
        let [low, high] = self.year.to_le_bytes();
        [low, high, self.month, self.day, self.hour, self.minute, self.second]
    }

    /// How far it can be believed.
    pub fn state(self) -> State {
        let known = [(self.year, 1582..=9999), (self.month.into(), 1..=12), (self.day.into(), 1..=31)];
        if known.iter().any(|(part, defined)| *part != 0 && !defined.contains(part)) {
            return State::Invalid;
        }
        let Ok(time) = civil::Time::new(self.hour as i8, self.minute as i8, self.second as i8, 0) else {
            return State::Invalid;
        };
        if known.iter().any(|(part, _)| *part == 0) {
            return State::Incomplete;
        }
        civil::Date::new(self.year as i16, self.month as i8, self.day as i8)
            .map_or(State::Invalid, |date| State::Complete(date.to_datetime(time)))
    }

    /// The time, if it is complete and exists.
    pub fn civil(self) -> Option<civil::DateTime> {
        match self.state() {
            State::Complete(time) => Some(time),
            State::Incomplete | State::Invalid => None,
        }
    }

    /// What is odd about it.
    pub fn warning(self) -> Option<Warning> {
        match self.state() {
            State::Complete(_) => None,
            State::Incomplete => Some(Warning::TimestampIncomplete),
            State::Invalid => Some(Warning::TimestampInvalid),
        }
    }
}

/// What a device with the right clock sends at that time.
///
/// # Errors
/// [`BeforeTheCalendar`] before the year 1582, which cannot be written.
impl TryFrom<civil::DateTime> for DateTime {
    type Error = BeforeTheCalendar;

    fn try_from(time: civil::DateTime) -> Result<Self, BeforeTheCalendar> {
        let written = Self {
            year: time.year() as u16,
            month: time.month() as u8,
            day: time.day() as u8,
            hour: time.hour() as u8,
            minute: time.minute() as u8,
            second: time.second() as u8,
        };
        written.civil().map(|_| written).ok_or(BeforeTheCalendar)
    }
}

/// The year is one that no Date Time can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("years before 1582 cannot be written")]
pub struct BeforeTheCalendar;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_thirtieth_of_february_is_no_time() {
        assert_eq!(on(2028, 2, 29).civil(), Some(civil::date(2028, 2, 29).at(8, 0, 0, 0)));
        assert_eq!(on(2027, 2, 29).state(), State::Invalid);
        assert_eq!(on(2028, 2, 30).state(), State::Invalid);
    }

    #[test]
    fn a_clock_that_was_never_set_is_incomplete() {
        assert_eq!(DateTime::from_bytes([0; 7]).state(), State::Incomplete);
        assert_eq!(on(2026, 0, 5).state(), State::Incomplete);
        assert_eq!(on(0, 13, 5).state(), State::Invalid);
    }

    #[test]
    fn years_outside_the_calendar_are_no_times() {
        assert_eq!(on(257, 1, 1).state(), State::Invalid);
        assert_eq!(on(10_000, 1, 1).state(), State::Invalid);
        assert!(on(1582, 1, 1).civil().is_some());
        assert!(on(9999, 12, 31).civil().is_some());
        assert_eq!(DateTime::try_from(civil::date(1581, 1, 1).at(0, 0, 0, 0)), Err(BeforeTheCalendar));
    }

    proptest! {
        #[test]
        fn any_seven_bytes_come_back(bytes: [u8; 7]) {
            let time = DateTime::from_bytes(bytes);
            prop_assert_eq!(time.to_bytes(), bytes);
            if let Some(known) = time.civil() {
                prop_assert_eq!(DateTime::try_from(known), Ok(time));
            }
        }
    }

    fn on(year: u16, month: u8, day: u8) -> DateTime {
        DateTime { year, month, day, hour: 8, minute: 0, second: 0 }
    }
}
