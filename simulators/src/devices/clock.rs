//! The clock inside a device, right or wrong, and the Current Time Service (0x1805) at which it is looked at and set.

use jiff::{SignedDuration, civil::DateTime};

use super::payload;
use crate::{
    air::{Characteristic, Service, Uuid},
    clock::Moment,
};

/// The clock inside a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Shows the time on the kitchen wall.
    Right,
    /// Shows this much more than the kitchen wall.
    WrongBy(SignedDuration),
    /// Shows this moment for ever.
    Stuck(DateTime),
    /// There is none: readings carry no time.
    Absent,
}

impl Clock {
    /// What it shows when the kitchen wall shows `wall`.
    pub(super) fn shows(self, wall: DateTime) -> Option<DateTime> {
        match self {
            Self::Right => Some(wall),
            Self::WrongBy(by) => wall.checked_add(by).ok(),
            Self::Stuck(at) => Some(at),
            Self::Absent => None,
        }
    }

    /// What it is after it was set to `shown` when the kitchen wall shows `wall`.
    pub(super) fn set(self, shown: DateTime, wall: DateTime) -> Self {
        match self {
            Self::Right | Self::WrongBy(_) => Self::WrongBy(shown.duration_since(wall)),
            Self::Stuck(_) | Self::Absent => self,
        }
    }

    /// The service at which others look at it and set it.
    pub(super) fn service(self, encrypted: bool) -> Option<Service> {
        let flags = &["read", "write", "write-without-response"];
        let characteristics = vec![Characteristic { uuid: Uuid::CURRENT_TIME, flags, encrypted }];
        (self != Self::Absent).then_some(Service { uuid: Uuid::CURRENT_TIME_SERVICE, characteristics })
    }

    /// The value of characteristic 0x2A2B.
    pub(super) fn read(self, now: Moment) -> Option<Vec<u8>> {
        let shown = self.shows(now.wall())?;
        let weekday = shown.weekday().to_monday_one_offset().unsigned_abs();
        Some([&payload::date_time(shown)[..], &[weekday, 0, 0]].concat())
    }

    /// Takes what is written to characteristic 0x2A2B; `false` when that is no time.
    pub(super) fn write(&mut self, value: &[u8], now: Moment) -> bool {
        let shown = payload::parse_date_time(value).filter(|_| value.len() == 10);
        shown.map(|shown| *self = self.set(shown, now.wall())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn setting_the_time_corrects_a_wrong_clock_and_no_other() {
        let wall: DateTime = date(2026, 11, 22).at(10, 30, 0, 0);
        let late = Clock::WrongBy(SignedDuration::from_hours(-3));
        assert_eq!(late.set(wall, wall).shows(wall), Some(wall));
        assert_eq!(Clock::Stuck(wall).set(wall, wall), Clock::Stuck(wall));
    }
}
