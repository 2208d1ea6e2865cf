//! The gateway's clock. Nothing else in the gateway reads one, but for the store's own (timers).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// A moment that only lengths of time are measured from: nobody sets this clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn instant() -> Instant {
    Instant::now()
}
