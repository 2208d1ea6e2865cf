//! What rules do when something did not come in time. Timers are rows, due by the database's clock: any gateway takes one
//! that is due out and does what it is for in one work, so that it fires once, also if no gateway ran when it was due, if one
//! dies or stands still in the middle (the server undoes its work then), or if the clock is set.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::judge::{carry_out, when_overdue};
use super::reviews;
use super::rules::Rules;
use super::{CLAIM_TIMER, tick};
use crate::changes::{Change, Changes, of_work_list};
use crate::escalation;
use crate::store::timers::{self, Timer};
use crate::store::{Connection, Store, StoreError, alerts as cases, clock as store_clock, savepoint};

/// The longest sleep: the clock of the store may have been set meanwhile.
const NAP: Duration = Duration::from_secs(1);

/// So long after it could not do what it is for, a timer is tried again.
const AGAIN_MS: i64 = 60_000;

/// Fires timers when they are due, for ever.
pub async fn run(store: Store, rules: std::sync::Arc<Rules>, zone: TimeZone, changes: Changes) {
    let mut is_failing = false;
    let mut news = changes.listen();
    loop {
        match nap(&store).await {
            Ok(nap) if nap.is_zero() => match fire(&store, &rules, &zone).await {
                Ok(changed) => changes.tell(changed),
                Err(error) => warn_once(&mut is_failing, &error),
            },
            Ok(nap) => {
                is_failing = false;
                tokio::select! {
                    () = tokio::time::sleep(nap) => {}
                    // What rings is told at once.
                    () = of_work_list(&mut news) => {}
                }
                continue;
            }
            Err(error) => warn_once(&mut is_failing, &error),
        }
        if is_failing {
            tokio::time::sleep(NAP).await;
        }
    }
}

/// Fires the timer that has been due for longest. Each is a work of its own: whoever presses a button while a thousand
/// people's days are looked at waits for one of them. One that cannot do what it is for keeps no other from firing.
///
/// # Errors
/// [`StoreError`], where the store fails. What was due is due still.
pub async fn fire(store: &Store, rules: &Rules, zone: &TimeZone) -> Result<Vec<Change>, StoreError> {
    let mut work = store.work().await?;
    // By the clock that it is due by: another would find that it is not yet time.
    let now_ms = store_clock::now_ms(&mut *work).await?;
    let Some(timer) = timers::take_due(&mut work).await? else { return Ok(Vec::new()) };
    let mut part = savepoint(&mut work).await?;
    let changed = match ring(&mut part, store, rules, &timer, zone, now_ms).await {
        Ok(changed) => {
            part.commit().await?;
            [Change::WorkList].into_iter().chain(changed).collect()
        }
        Err(error) => {
            part.rollback().await?;
            tracing::error!(%error, timer.kind, "a timer cannot do what it is for; it is tried again in a minute");
            timers::set(&mut work, &timer.kind, &timer.key, now_ms + AGAIN_MS).await?;
            Vec::new()
        }
    };
    work.commit().await?;
    Ok(changed)
}

/// Does what a timer is for. Returns what may be new besides the work list.
pub(crate) async fn ring(
    work: &mut Connection,
    store: &Store,
    rules: &Rules,
    timer: &Timer,
    zone: &TimeZone,
    now_ms: i64,
) -> Result<Vec<Change>, StoreError> {
    let about = match timer.kind.as_str() {
        reviews::TIMER => {
            let is_known = reviews::review(work, store.reader(), rules, &timer.key, zone, now_ms).await?;
            is_known.then(|| timer.key.clone())
        }
        escalation::TIMER => {
            escalation::climb(work, &timer.key, now_ms).await?;
            None
        }
        CLAIM_TIMER => {
            tick(work, &timer.key, now_ms).await?;
            None
        }
        _ => overdue(work, rules, timer, now_ms).await?,
    };
    Ok(about.map(Change::Person).into_iter().collect())
}

/// Says that what a rule waited for has not come. Returns about whom something may be new.
async fn overdue(
    work: &mut Connection,
    rules: &Rules,
    timer: &Timer,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    let waits = cases::waiting_for(work, &[&timer.key]).await?.into_iter().find(|waits| waits.rule == timer.kind);
    let rule = rules.iter().find(|rule| rule.name() == timer.kind);
    let (Some(waits), Some(rule)) = (waits, rule) else { return Ok(None) };
    let follows = when_overdue(rule.as_ref(), &waits.waiting, &waits.person, &waits.home);
    carry_out(work, &follows, now_ms).await?;
    Ok(Some(waits.person))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rules;
    use crate::clock;
    use crate::store::{assignments, homes, query, query_scalar, tests::fresh};

    #[tokio::test]
    async fn one_persons_rows_keep_nobody_elses_timer_from_firing_and_hers_is_tried_again() {
        let (place, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "h", 0).await.unwrap();
        let mut people = Vec::new();
        for (name, due_ms) in [("Ada", 1), ("Bo", 2)] {
            let person = assignments::add_person(&mut work, name, &home, 0).await.unwrap();
            query(
                "INSERT INTO waiting (rule, person, home, since_ms, due_ms, got, wanted, state)
                   VALUES ('above_limit', $1, $2, 0, $3, 0, 2, $4)",
            )
            .bind(&person)
            .bind(&home)
            .bind(due_ms)
            .bind(r#"{"readings":[{"at_ms":0,"values":{"systolic":1900}}],"limits":[180,110],"severity":"medium"}"#)
            .execute(&mut *work)
            .await
            .unwrap();
            timers::set(&mut work, "above_limit", &person, due_ms).await.unwrap();
            timers::set(&mut work, reviews::TIMER, &person, 0).await.unwrap();
            people.push(person);
        }
        place.forbid(&mut work, "refuse", &format!("INSERT ON alert WHEN new.person = '{}'", people[0])).await;
        work.commit().await.unwrap();

        let rules = rules::Config::default().rules();
        for _ in 0..2 {
            fire(&store, &rules, &TimeZone::UTC).await.unwrap();
        }

        let alerts = "SELECT count(*) FROM alert WHERE person = $1";
        let alerts: i64 = query_scalar(alerts).bind(&people[1]).fetch_one(store.reader()).await.unwrap();
        assert_eq!(alerts, 1);
        let again: i64 = query_scalar("SELECT due_ms FROM timer WHERE kind = 'above_limit' AND key = $1")
            .bind(&people[0])
            .fetch_one(store.reader())
            .await
            .unwrap();
        assert!(again > clock::now_ms());
        let reviews: i64 =
            query_scalar("SELECT count(*) FROM timer WHERE kind = 'review'").fetch_one(store.reader()).await.unwrap();
        assert_eq!(reviews, 2, "what rules wait for goes first");
    }
}
