//! The gateway's own pulse: a test in every interval, and what it means when none comes through.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::SilentTest;
use crate::clock;
use crate::ingest::Intake;
use crate::store::silent_tests::{self, SilentTest as Stored};
use crate::store::{Reader, StoreError, new_id, outbox};

/// After so many intervals without one that came through, the chain is broken.
const MISSED: i64 = 3;

/// One run of a gateway, and its tests.
#[derive(Debug)]
pub struct Pulse {
    gateway: String,
    every: Duration,
    put_ms: AtomicI64,
}

/// What is known of a gateway's tests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// When one last came through: a worker took it out of the outbox.
    pub through_ms: Option<i64>,
    /// When the latest was put in ingest's queue.
    pub put_ms: i64,
    /// The latest that is stored.
    pub stored: Option<Stored>,
}

impl Pulse {
    /// The pulse of a gateway that starts.
    #[must_use]
    pub fn new(every: Duration, now_ms: i64) -> Self {
        Self { gateway: new_id(now_ms), every, put_ms: AtomicI64::new(now_ms) }
    }

    /// How often.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.every
    }

    /// Makes tests for ever.
    pub async fn beat(&self, intake: Intake) {
        let mut beats = tokio::time::interval(self.every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            let put_ms = clock::now_ms();
            self.put_ms.store(put_ms, Ordering::Relaxed);
            intake.prove(SilentTest { id: new_id(put_ms), gateway: self.gateway.clone(), put_ms });
        }
    }

    /// What is known of this gateway's tests.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn standing(&self, reader: &Reader) -> Result<Standing, StoreError> {
        Ok(Standing {
            through_ms: silent_tests::last_through_ms(reader, &self.gateway).await?,
            put_ms: self.put_ms.load(Ordering::Relaxed),
            stored: silent_tests::latest(reader, Some(&self.gateway), 1).await?.pop(),
        })
    }

    /// Why a press would not get from ingest to a channel now, as far as tests show.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn reason_against(&self, reader: &Reader) -> Result<Option<String>, StoreError> {
        let standing = self.standing(reader).await?;
        Ok(standing.reason_against(clock::millis(self.every), outbox::now_ms(reader).await?))
    }
}

impl Standing {
    /// Why a press would not get from ingest to a channel now; none while tests come through.
    #[must_use]
    pub fn reason_against(&self, every_ms: i64, now_ms: i64) -> Option<String> {
        let patience_ms = every_ms.saturating_mul(MISSED);
        let since = match self.through_ms {
            // A clock that was set proves nothing either.
            Some(through_ms) if (now_ms - through_ms).abs() <= patience_ms => return None,
            Some(through_ms) => format!("for {} s", (now_ms - through_ms) / 1000),
            None => "yet".to_owned(),
        };
        Some(format!("no silent test has come through {since}: {}", self.stands()))
    }

    /// Where the latest stands.
    fn stands(&self) -> String {
        match &self.stored {
            Some(Stored { failed: Some(why), .. }) => format!("the latest came as far as the rules, and {why}"),
            Some(stored) if stored.put_ms >= self.put_ms => match stored.taken_ms {
                None => "the latest is in the outbox, and its worker does not take it up".to_owned(),
                Some(_) => "the gateway's clock was set, or it stood still".to_owned(),
            },
            Some(_) | None => "the latest waits to be stored".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_gateway_whose_tests_do_not_come_through_is_not_ready_after_three_intervals_and_says_where_they_stand() {
        let through = |through_ms| Standing { through_ms, put_ms: 9 * MINUTE, stored: None };
        let reason = |standing: &Standing| standing.reason_against(MINUTE, 10 * MINUTE).unwrap_or_default();
        assert_eq!(reason(&through(Some(7 * MINUTE))), "");
        assert_eq!(
            reason(&through(Some(7 * MINUTE - 1000))),
            "no silent test has come through for 181 s: the latest waits to be stored"
        );
        assert_eq!(reason(&through(None)), "no silent test has come through yet: the latest waits to be stored");
        assert!(reason(&through(Some(14 * MINUTE))).contains("for -240 s"), "the clock was set back");

        let stored = |put_ms, failed: Option<&str>| Standing {
            stored: Some(Stored {
                id: "t".into(),
                gateway: "g".into(),
                put_ms,
                stored_ms: put_ms + 5,
                failed: failed.map(str::to_owned),
                taken_ms: None,
                ended: None,
            }),
            ..through(None)
        };
        assert!(reason(&stored(8 * MINUTE, None)).ends_with("the latest waits to be stored"));
        assert!(reason(&stored(9 * MINUTE, None)).ends_with("in the outbox, and its worker does not take it up"));
        assert!(reason(&stored(9 * MINUTE, Some("the rule x panicked"))).ends_with("rules, and the rule x panicked"));
    }
}
