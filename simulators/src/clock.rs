//! The one place of the simulators that reads a clock.

use std::time::Instant;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// One moment, on both clocks: the one that measures spans and the one on the kitchen wall.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For spans.
    pub instant: Instant,
    /// For what is written down.
    pub utc: Timestamp,
}

impl Moment {
    /// This moment.
    #[must_use]
    #[allow(clippy::disallowed_methods)]
    pub fn now() -> Self {
        Self { instant: Instant::now(), utc: Timestamp::now() }
    }

    /// What a clock that goes right shows in the home, which is in Sweden.
    #[must_use]
    pub fn wall(self) -> DateTime {
        let sweden = TimeZone::get("Europe/Stockholm").expect("the time zones are built in");
        self.utc.to_zoned(sweden).datetime()
    }
}
