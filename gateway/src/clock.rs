//! The gateway's clock. Nothing else in the gateway reads one, but for the store's own (timers).
//!
//! Where the store is on a server, that server's clock is the gateway's too, so that several gateways mean the same moment: it
//! is looked at every other second (`keeping::clocks`) and goes on in between by a watch that nobody sets. A file has the
//! machine's clock.

use std::sync::RwLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that is off by more than this was set, or is wrong.
pub const JUMP_MS: i64 = 5 * 60 * 1000;

/// The store's clock, once it was looked at on a server.
static FOLLOWED: RwLock<Option<Followed>> = RwLock::new(None);

/// A length of time in milliseconds, as the store counts it.
#[must_use]
pub fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970-01-01T00:00:00Z, by the store's clock.
#[must_use]
pub fn now_ms() -> i64 {
    let followed = *FOLLOWED.read().expect("nobody panics while holding this");
    followed.map_or_else(machine_ms, |clock| clock.at(instant()))
}

/// Follows the clock that was looked at.
pub fn follow(look: &Look) {
    let mut followed = FOLLOWED.write().expect("nobody panics while holding this");
    match &mut *followed {
        Some(clock) => drop(clock.look(look)),
        None => *followed = Some(Followed::new(look)),
    }
}

/// As [`now_ms`], by this machine's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn machine_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// A moment that only lengths of time are measured from: nobody sets this clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn instant() -> Instant {
    Instant::now()
}

/// A look at a clock elsewhere.
#[derive(Copy, Clone, Debug)]
pub struct Look {
    /// When it was asked.
    pub asked: Instant,
    /// When the answer was there.
    pub answered: Instant,
    /// What the clock showed at some moment in between.
    pub shown_ms: i64,
}

/// A clock elsewhere, as it is known from looks at it.
#[derive(Copy, Clone, Debug)]
pub struct Followed {
    shown_ms: i64,
    at: Instant,
}

impl Followed {
    /// As it is known from one look.
    #[must_use]
    pub fn new(look: &Look) -> Self {
        Self { shown_ms: look.shown_ms, at: look.answered }
    }

    /// What it shows at a moment, unless somebody sets it.
    #[must_use]
    pub fn at(&self, now: Instant) -> i64 {
        match now.checked_duration_since(self.at) {
            Some(since) => self.shown_ms.saturating_add(millis(since)),
            None => self.shown_ms.saturating_sub(millis(self.at.duration_since(now))),
        }
    }

    /// Takes one more look into account. Says by how much the clock was set since the last, at least: an answer that took long
    /// says little, and one that fits what is known says 0.
    pub fn look(&mut self, look: &Look) -> i64 {
        let (earliest_ms, latest_ms) = (self.at(look.asked), self.at(look.answered));
        let (by_ms, at) = if look.shown_ms < earliest_ms {
            (look.shown_ms.saturating_sub(earliest_ms), look.asked)
        } else if look.shown_ms > latest_ms {
            (look.shown_ms.saturating_sub(latest_ms), look.answered)
        } else {
            return 0;
        };
        *self = Self { shown_ms: look.shown_ms, at };
        by_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_nobody_looked_at_for_long_and_from_a_slow_answer() {
        const HOUR: i64 = 60 * 60 * 1000;
        let began = instant();
        let look = |from_ms: u64, to_ms: u64, shown_ms| {
            let [asked, answered] = [from_ms, to_ms].map(|ms| began + Duration::from_millis(ms));
            Look { asked, answered, shown_ms }
        };
        let mut clock = Followed::new(&look(0, 10, HOUR));
        assert_eq!(clock.at(began + Duration::from_millis(1_010)), HOUR + 1_000);
        assert_eq!(clock.at(began), HOUR - 10);
        assert_eq!(clock.look(&look(3_600_000, 3_600_020, 2 * HOUR)), 0, "nobody looked for an hour");
        assert_eq!(clock.look(&look(3_600_100, 3_700_100, 2 * HOUR + 50_000)), 0, "the answer took long");
        assert_eq!(clock.look(&look(3_700_100, 3_700_110, 3 * HOUR + 100_100)), HOUR);
        assert_eq!(clock.look(&look(3_700_200, 3_700_210, 3 * HOUR + 100_200)), 0, "so it shows since then");
        assert_eq!(clock.look(&look(3_700_300, 3_700_310, HOUR + 100_300)), -2 * HOUR + 10, "and back");
        assert_eq!(clock.at(began + Duration::from_millis(3_700_300)), HOUR + 100_300);
    }
}
