//! How long things are kept, and the slow, small works that drop what is older.
//!
//! Nothing is dropped while the disk is nearly full: what is dropped leaves room inside the store's file and none on the disk,
//! and writing it down takes some.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::clock;
use crate::http::Health;
use crate::store::duties::Duty;
use crate::store::{Store, StoreError, retention};

/// For how long things are kept.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Readings, alarms and their numbers, in years after they came; 0: for ever. What a record of care holds must be kept for at
    /// least ten (Swedish patient data act, 3 kap. 17 §). Alerts, plans and the access log are never dropped.
    pub records_years: u16,
    /// Attempts to tell people, what rules kept quiet about, whose data a session has shown: in days; 0: for ever.
    pub traces_days: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self { records_years: 10, traces_days: 730 }
    }
}

/// So many rows go in one work: a press waits for one of them at most.
const TOGETHER: u32 = 100;

/// After each work there is so many times as long a pause as it took, and at least [`PAUSE`].
const REST: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// How often it is looked for what has become old.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// How many numbers, records and traces were dropped.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Dropped {
    /// Numbers that agents gave out.
    pub numbers: u64,
    /// Records.
    pub records: u64,
    /// Rows of what is kept for a shorter time.
    pub traces: u64,
    /// How long the longest of the works took.
    pub longest: Duration,
}

/// Drops what has become old, for ever: one gateway does so for all.
pub async fn run(store: Store, config: Config, health: Arc<Health>) {
    let duty = Duty::new("retention", LOOK_EVERY * 2);
    loop {
        if !health.refuses_readings() {
            let dropped = match duty.is_mine_in(&store).await {
                Ok(true) => drop_old(&store, &config, clock::now_ms()).await,
                Ok(false) => Ok(Dropped::default()),
                Err(error) => Err(error),
            };
            match dropped {
                Ok(Dropped { numbers: 0, records: 0, traces: 0, .. }) => {}
                Ok(dropped) => tracing::info!(?dropped, "what was older than it has to be kept was dropped"),
                Err(error) => tracing::warn!(%error, "what is old cannot be dropped; it is tried again in an hour"),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Drops all that is old at a moment.
///
/// # Errors
/// [`StoreError`], where the store fails. What was dropped by then is.
pub async fn drop_old(store: &Store, config: &Config, now_ms: i64) -> Result<Dropped, StoreError> {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let before = |days: i64| if days == 0 { i64::MIN } else { now_ms - days * DAY_MS };
    // A year has 366 days at most: rather a few days longer than a day too short.
    let (records_ms, traces_ms) =
        (before(i64::from(config.records_years) * 366), before(i64::from(config.traces_days)));
    let mut dropped = Dropped::default();
    if records_ms > 0 {
        for lane in retention::old_lanes(store.reader(), records_ms).await? {
            loop {
                let began = clock::instant();
                let mut work = store.work().await?;
                let gone = retention::drop_numbers(&mut work, &lane, records_ms, TOGETHER).await?;
                work.commit().await?;
                dropped.numbers += gone;
                rest(&mut dropped, began).await;
                if gone < u64::from(TOGETHER) {
                    break;
                }
            }
        }
        loop {
            let began = clock::instant();
            let mut work = store.work().await?;
            let gone = retention::drop_records(&mut work, records_ms, TOGETHER).await?;
            work.commit().await?;
            dropped.records += gone;
            rest(&mut dropped, began).await;
            if gone == 0 {
                break;
            }
        }
    }
    loop {
        let began = clock::instant();
        let mut work = store.work().await?;
        let gone = retention::drop_traces(&mut work, records_ms, traces_ms, TOGETHER).await?;
        work.commit().await?;
        dropped.traces += gone;
        rest(&mut dropped, began).await;
        if gone == 0 {
            return Ok(dropped);
        }
    }
}

async fn rest(dropped: &mut Dropped, began: Instant) {
    let took = began.elapsed();
    dropped.longest = dropped.longest.max(took);
    tokio::time::sleep((took * REST).max(PAUSE)).await;
}
