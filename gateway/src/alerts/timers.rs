//! What rules do when something did not come in time. Timers are rows: they fire once, also if no gateway ran when
//! they were due.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::judge::{carry_out, when_overdue};
use super::reviews;
use super::rules::Rules;
use crate::changes::{Change, Changes};
use crate::clock;
use crate::store::{Store, StoreError, alerts as cases, savepoint, timers};

/// The longest sleep: the clock of the store may have been set meanwhile.
const NAP: Duration = Duration::from_secs(1);

/// Fires timers when they are due, for ever.
pub async fn run(store: Store, rules: std::sync::Arc<Rules>, zone: TimeZone, changes: Changes) {
    let mut is_failing = false;
    loop {
        match nap(&store).await {
            Ok(nap) if nap.is_zero() => match fire(&store, &rules, &zone).await {
                Ok(changed) => changes.tell(changed),
                Err(error) => warn_once(&mut is_failing, &error),
            },
            Ok(nap) => {
                is_failing = false;
                tokio::time::sleep(nap).await;
                continue;
            }
            Err(error) => warn_once(&mut is_failing, &error),
        }
        if is_failing {
            tokio::time::sleep(NAP).await;
        }
    }
}

/// Fires what is due.
///
/// # Errors
/// [`StoreError`], where the store fails. What was due is due still.
pub async fn fire(store: &Store, rules: &Rules, zone: &TimeZone) -> Result<Vec<Change>, StoreError> {
    let mut work = store.work().await?;
    let now_ms = clock::now_ms();
    let mut changed = Vec::new();
    for timer in timers::take_due(&mut work).await? {
        if timer.kind == reviews::TIMER {
            let mut part = savepoint(&mut work).await?;
            match reviews::review(&mut part, store.reader(), rules, &timer.key, zone, now_ms).await {
                Ok(is_known) => {
                    part.commit().await?;
                    changed.extend(
                        is_known.then_some([Change::WorkList, Change::Person(timer.key)]).into_iter().flatten(),
                    );
                }
                // One person's rows must not keep everybody else's timers from firing.
                Err(error) if error.is_refused() => {
                    part.rollback().await?;
                    tracing::error!(%error, "what rules make of a person's days cannot be written");
                }
                Err(error) => return Err(error),
            }
            continue;
        }
        let waits =
            cases::waiting_for(&mut work, &[&timer.key]).await?.into_iter().find(|waits| waits.rule == timer.kind);
        let rule = rules.iter().find(|rule| rule.name() == timer.kind);
        if let (Some(waits), Some(rule)) = (waits, rule) {
            let follows = when_overdue(rule.as_ref(), &waits.waiting, &waits.person, &waits.home);
            carry_out(&mut work, &follows, now_ms).await?;
            changed.extend([Change::WorkList, Change::Person(waits.person)]);
        }
    }
    work.commit().await?;
    Ok(changed)
}

async fn nap(store: &Store) -> Result<Duration, StoreError> {
    let until_next = timers::until_next_ms(store.reader()).await?;
    Ok(until_next.map_or(NAP, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(NAP)))
}

fn warn_once(is_failing: &mut bool, error: &StoreError) {
    if !*is_failing {
        tracing::error!(%error, "timers cannot fire; they will as soon as the store can be written");
    }
    *is_failing = true;
}
