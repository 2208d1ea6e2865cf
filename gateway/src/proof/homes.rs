//! Silent tests from homes: a box makes one as often as it is asked to, and it goes the way of a press, from flash over the
//! alarm's lane into ingest's transaction, to the rules and to whoever would be told. Kept is how far it came; where none has
//! come through for two intervals, although the box is heard, that is an alert. A silent box is one already.

use std::time::Duration;

use serde::Deserialize;

use super::fixed;
use crate::alerts::health::{self, Found};
use crate::alerts::judge::Consequence;
use crate::alerts::rules::{Rules, alarm_pressed};
use crate::alerts::{Severity, remind};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::config::duration;
use crate::delivery;
use crate::store::home_proofs::{self, HomeProof};
use crate::store::{Connection, Store, StoreError};

/// How often it is looked for homes whose last proof is too old, at most.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// After a start tests that waited in homes have so long to come before any is called too old.
const AFTER_START: Duration = Duration::from_secs(10 * 60);

/// How often homes are to make a silent test.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Where somebody has a button to call for help; `0s`: never.
    #[serde(deserialize_with = "duration::read")]
    pub with_alarm: Duration,
    /// Elsewhere; `0s`: never.
    #[serde(deserialize_with = "duration::read")]
    pub others: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self { with_alarm: Duration::from_secs(DAY), others: Duration::from_secs(7 * DAY) }
    }
}

impl Schedule {
    /// Writes it where all that write to the store find it.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn hold(&self, work: &mut Connection) -> Result<(), StoreError> {
        let seconds = |every: Duration| u32::try_from(every.as_secs()).unwrap_or(u32::MAX);
        home_proofs::set_intervals(work, seconds(self.with_alarm), seconds(self.others)).await
    }

    /// The shortest interval; none where no home makes tests.
    fn shortest(&self) -> Option<Duration> {
        [self.with_alarm, self.others].into_iter().filter(|every| every.as_secs() > 0).min()
    }
}

/// A test that came from a home.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrived {
    /// From which box.
    pub agent: String,
    /// From which home.
    pub home: String,
    /// How long it took until here.
    pub took_ms: i64,
}

/// Takes a home's test as far as those who would be told, in the work that stored it. Returns what follows: an alert that
/// said that the last was too old says that it is over.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn arrived(
    work: &mut Connection,
    test: &Arrived,
    rules: &Rules,
    now_ms: i64,
) -> Result<Option<Consequence>, StoreError> {
    let failed = fixed::judge(rules, now_ms).err();
    if let Some(why) = &failed {
        tracing::error!(agent.id = test.agent, why, "a home's silent test failed at the rules");
    }
    let told = delivery::would_tell(work, alarm_pressed::NAME, Severity::High).await?.len();
    let proof = HomeProof {
        proven_ms: failed.is_none().then_some(now_ms),
        tested_ms: now_ms,
        took_ms: test.took_ms,
        told: u32::try_from(told).unwrap_or(u32::MAX),
        failed,
    };
    let is_over = home_proofs::note(work, &test.agent, &proof).await?;
    let over = || Consequence::Ease(health::concern(&test.agent, &test.home, false, Found::ChainUnproven));
    Ok(is_over.then(over))
}

/// Looks for homes whose last proof is too old, for ever.
pub async fn watch(store: Store, schedule: Schedule, changes: Changes) {
    let Some(shortest) = schedule.shortest() else { return std::future::pending().await };
    tokio::time::sleep(AFTER_START.min(shortest.saturating_mul(2))).await;
    let mut looks = tokio::time::interval(LOOK_EVERY.min(shortest));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        looks.tick().await;
        match look(&store, clock::now_ms()).await {
            Ok(homes) if homes.is_empty() => is_failing = false,
            Ok(homes) => {
                is_failing = false;
                changes.tell(homes.into_iter().map(Change::Home).chain([Change::WorkList]));
            }
            Err(error) => {
                if !is_failing {
                    tracing::error!(%error, "homes whose chain is not proven cannot be looked for; they will be");
                }
                is_failing = true;
            }
        }
    }
}

/// Says of which homes the last proof is too old. Returns them.
async fn look(store: &Store, now_ms: i64) -> Result<Vec<String>, StoreError> {
    let old = home_proofs::too_old(store.reader(), now_ms).await?;
    if old.is_empty() {
        return Ok(Vec::new());
    }
    let mut work = store.work().await?;
    let mut homes = Vec::with_capacity(old.len());
    for (agent, home, has_alarm) in old {
        remind(&mut work, &health::concern(&agent, &home, has_alarm, Found::ChainUnproven), now_ms).await?;
        home_proofs::was_missed(&mut work, &agent, now_ms).await?;
        homes.push(home);
    }
    work.commit().await?;
    Ok(homes)
}
