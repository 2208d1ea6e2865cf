//! The gateway's clock. Nothing else in the gateway reads one, but for the store's own (timers).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that differs by more than this from a stop-watch was set.
pub const JUMP_MS: i64 = 5 * 60 * 1000;

/// A length of time in milliseconds, as the store counts it.
#[must_use]
pub fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// Now, on a watch that nobody sets.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn steady() -> Instant {
    Instant::now()
}

/// A stop-watch beside the store's clock, which says when that was set.
#[derive(Debug, Default)]
pub struct StopWatch {
    last: Option<(i64, Instant)>,
}

impl StopWatch {
    /// By how much the store's clock, which shows this, was set since the last look; none where it was not, by more than
    /// [`JUMP_MS`].
    pub fn look(&mut self, shows_ms: i64, at: Instant) -> Option<i64> {
        let (shown_ms, then) = self.last.replace((shows_ms, at))?;
        let jump_ms = shows_ms - shown_ms - millis(at.saturating_duration_since(then));
        (jump_ms.abs() > JUMP_MS).then_some(jump_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_nobody_looked_at_for_long() {
        const HOUR: i64 = 60 * 60 * 1000;
        let (mut watch, began) = (StopWatch::default(), steady());
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(watch.look(HOUR, after(0)), None, "there is nothing to compare it with");
        assert_eq!(watch.look(2 * HOUR, after(3_600)), None, "nobody looked for an hour");
        assert_eq!(watch.look(2 * HOUR + JUMP_MS + 1_000, after(3_601)), None, "so much may be a slow answer");
        assert_eq!(watch.look(3 * HOUR + JUMP_MS + 1_000, after(3_601)), Some(HOUR));
        assert_eq!(watch.look(HOUR + JUMP_MS + 1_000, after(3_601)), Some(-2 * HOUR));
    }
}
