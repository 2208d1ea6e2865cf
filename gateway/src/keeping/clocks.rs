//! The store's clock, by which all is due, and this machine's: looked at every other second. One that was set by more than five
//! minutes is told of, and so is a machine whose clock is as far from the server's.
//!
//! Nothing fires twice when a clock is set: a timer is a row that goes with what it is for, and who may take over an attempt
//! to tell somebody is decided by a watch (`delivery::heir`). What is due may come early by a clock that was set forward; what
//! climbs or is tried again does not wait for a clock that was set back.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::alerts::keeping::{self as told, Found};
use crate::changes::{Change, Changes};
use crate::clock::{self, Followed, JUMP_MS, Look};
use crate::store::{Store, StoreError, clock as store_clock, duties, new_id, outbox, timers};

/// How often they are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Each gateway sees that the clock was set, and one tells: what another sees within this time is the same.
const TOLD_FOR_MS: i64 = 60_000;

/// What was noticed about the clocks.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The store's clock was set, by so much; back where negative.
    Set {
        /// By how much.
        by_ms: i64,
    },
    /// This machine's clock has come to differ from the store's by so much; behind where negative.
    Differs {
        /// By how much.
        by_ms: i64,
    },
}

/// What is known of the clocks.
#[derive(Debug, Default)]
pub struct Clocks {
    store: Option<Followed>,
    differs: bool,
}

impl Clocks {
    /// Takes a look at the store's clock into account, and what this machine's showed when the answer came.
    pub fn look(&mut self, look: &Look, machine_ms: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let by_ms = match &mut self.store {
            Some(clock) => clock.look(look),
            None => {
                self.store = Some(Followed::new(look));
                0
            }
        };
        if by_ms.saturating_abs() > JUMP_MS {
            effects.push(Effect::Set { by_ms });
        }
        // An answer that took long says only that the clock showed it at some moment until now.
        let took_ms = clock::millis(look.answered.saturating_duration_since(look.asked));
        let ahead_ms = machine_ms.saturating_sub(look.shown_ms);
        let by_ms = if ahead_ms > 0 { ahead_ms.saturating_sub(took_ms).max(0) } else { ahead_ms };
        if by_ms.saturating_abs() > JUMP_MS {
            if !std::mem::replace(&mut self.differs, true) {
                effects.push(Effect::Differs { by_ms });
            }
        } else if by_ms.saturating_abs() < JUMP_MS / 2 {
            self.differs = false;
        }
        effects
    }
}

/// Looks at the clocks for ever.
pub async fn run(store: Store, changes: Changes) {
    let holder = new_id(clock::now_ms());
    let (mut clocks, mut untold) = (Clocks::default(), Vec::new());
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match follow(&store).await {
            Ok(look) => untold.extend(clocks.look(&look, clock::machine_ms())),
            Err(error) => tracing::debug!(%error, "the store's clock cannot be looked at"),
        }
        while let Some(effect) = untold.first() {
            match tell(&store, &holder, *effect).await {
                Ok(()) => {
                    untold.remove(0);
                    changes.tell([Change::WorkList]);
                }
                Err(error) => {
                    tracing::warn!(%error, "that a clock is wrong cannot be written; it is tried again");
                    break;
                }
            }
        }
    }
}

/// Looks at the store's clock; on a server it is this gateway's from then on.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn follow(store: &Store) -> Result<Look, StoreError> {
    let look = store_clock::look(store.reader()).await?;
    if store.is_on_a_server() {
        clock::follow(&look);
    }
    Ok(look)
}

/// Writes what was noticed, and puts right what waits.
///
/// # Errors
/// [`StoreError`], where the store fails. Then nothing was changed.
pub async fn tell(store: &Store, holder: &str, effect: Effect) -> Result<(), StoreError> {
    let mut work = store.work().await?;
    let now_ms = store_clock::now_ms(&mut *work).await?;
    match effect {
        Effect::Set { by_ms } => {
            tracing::error!(by_ms, "the clock by which the store's timers are due was set; see that it is right");
            if !duties::take(&mut work, "clock_set", holder, TOLD_FOR_MS, now_ms).await? {
                return Ok(());
            }
            if by_ms < 0 {
                timers::clock_went_back(&mut work, -by_ms, now_ms).await?;
                outbox::clock_went_back(&mut work, now_ms).await?;
            }
            told::raise(&mut work, Found::ClockSet { by_min: minutes(by_ms) }, now_ms).await?;
        }
        Effect::Differs { by_ms } => {
            tracing::error!(by_ms, "this machine's clock differs from the store's; see that both are right");
            told::raise(&mut work, Found::ClocksDiffer { by_min: minutes(by_ms) }, now_ms).await?;
        }
    }
    Ok(work.commit().await?)
}

fn minutes(ms: i64) -> i64 {
    (ms + 30_000).div_euclid(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::timers::fire;
    use crate::alerts::{CLAIM_TIMER, rules};
    use crate::store::{homes, query, query_as, query_scalar, tests::fresh};
    use jiff::tz::TimeZone;
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_clock_that_was_set_by_more_than_five_minutes_is_noticed_once_and_nothing_else_is() {
        let mut noticed = 0;
        for seed in 0..2_000 {
            let mut luck = StdRng::seed_from_u64(seed);
            let (mut clocks, began) = (Clocks::default(), clock::instant());
            let (mut real_ms, mut ahead_ms) = (0_u64, 1_000_000_000_i64);
            let mut is_first = true;
            for _ in 0..100 {
                // It is looked at late, or not for an hour, and some answers take a minute.
                real_ms += [2_000, luck.random_range(0..10_000), 3_600_000][luck.random_range(0..3)];
                let asked_ms = real_ms;
                let mut set_ms = 0;
                if luck.random_bool(0.2) {
                    set_ms = [1, -1, 4 * MINUTE, -4 * MINUTE, 8 * MINUTE, -8 * MINUTE, 90 * MINUTE, -90 * MINUTE]
                        [luck.random_range(0..8)];
                    ahead_ms += set_ms;
                }
                real_ms += luck.random_range(0..100);
                let shown_ms = i64::try_from(real_ms).unwrap() + ahead_ms;
                real_ms += if luck.random_bool(0.1) { 60_000 } else { luck.random_range(0..100) };
                let [asked, answered] = [asked_ms, real_ms].map(|ms| began + Duration::from_millis(ms));
                // This machine has the same clock.
                let machine_ms = i64::try_from(real_ms).unwrap() + ahead_ms;
                let effects = clocks.look(&Look { asked, answered, shown_ms }, machine_ms);
                let is_set = set_ms.abs() > JUMP_MS && !std::mem::take(&mut is_first);
                is_first = false;
                match effects[..] {
                    [] => assert!(!is_set, "seed {seed}: nobody noticed {set_ms}"),
                    [Effect::Set { by_ms }] => {
                        assert!(is_set && (by_ms - set_ms).abs() <= 61_000, "seed {seed}: {by_ms}, it was {set_ms}");
                        noticed += 1;
                    }
                    _ => panic!("seed {seed}: {effects:?}"),
                }
            }
        }
        assert!(noticed > 1_000, "{noticed}");
    }

    #[test]
    fn a_machine_whose_clock_comes_to_differ_from_the_servers_is_told_of_once() {
        let mut clocks = Clocks::default();
        let began = clock::instant();
        let mut at = |seconds, machine_ms| {
            let at = began + Duration::from_secs(seconds);
            clocks
                .look(&Look { asked: at, answered: at, shown_ms: 1_000 * i64::try_from(seconds).unwrap() }, machine_ms)
        };
        assert_eq!(at(0, -6 * MINUTE), [Effect::Differs { by_ms: -6 * MINUTE }]);
        assert_eq!(at(2, -6 * MINUTE), []);
        assert_eq!(at(4, 4 * MINUTE), [], "not yet right");
        assert_eq!(at(6, 6 * MINUTE), []);
        assert_eq!(at(8, 8_000), []);
        assert_eq!(at(10, 6 * MINUTE + 10_000), [Effect::Differs { by_ms: 6 * MINUTE }]);
    }

    #[tokio::test]
    async fn that_the_clock_was_set_is_told_once_by_all_gateways_and_what_climbs_does_not_wait_for_one_set_back() {
        let (_place, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        homes::add(&mut work, "h", 0).await.unwrap();
        let now_ms = store_clock::now_ms(&mut *work).await.unwrap();
        let due = [("old", 60 * MINUTE + MINUTE), ("new", MINUTE)];
        for (key, in_ms) in due {
            timers::set(&mut work, "escalation", key, now_ms + in_ms).await.unwrap();
        }
        work.commit().await.unwrap();

        let back = Effect::Set { by_ms: -60 * MINUTE };
        for gateway in ["a", "b", "c"] {
            tell(&store, gateway, back).await.unwrap();
        }
        let lines: Vec<(String, String)> = query_as("SELECT rule, line FROM alert JOIN alert_line ON alert = alert.id")
            .fetch_all(store.reader())
            .await
            .unwrap();
        let [(rule, line)] = &lines[..] else { panic!("{lines:?}") };
        assert!(rule == told::CLOCK && line.contains("-60"), "{rule} {line}");
        let due: Vec<i64> = query_scalar("SELECT due_ms FROM timer WHERE key IN ('old', 'new') ORDER BY key")
            .fetch_all(store.reader())
            .await
            .unwrap();
        assert_eq!(due, [now_ms + MINUTE; 2]);

        tell(&store, "a", Effect::Set { by_ms: 60 * MINUTE }).await.unwrap();
        let lines: i64 = query_scalar("SELECT count(*) FROM alert_line").fetch_one(store.reader()).await.unwrap();
        assert_eq!(lines, 2, "forward again, within the minute, is another");
    }

    /// Two gateways, and a server whose clock is set while they fire.
    #[tokio::test]
    async fn timers_fire_once_each_from_several_gateways_also_while_the_clock_is_set() {
        const TIMERS: usize = 60;
        let (place, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        query("CREATE TABLE fired (key TEXT)").execute(&mut *work).await.unwrap();
        let now_ms = store_clock::now_ms(&mut *work).await.unwrap();
        for n in 0..TIMERS {
            let in_ms = if n % 2 == 0 { 0 } else { 30 * MINUTE };
            timers::set(&mut work, CLAIM_TIMER, &format!("{n}"), now_ms + in_ms).await.unwrap();
        }
        let fired = "INSERT INTO fired SELECT old.key";
        let watch = if place.is_on_a_server() {
            vec![
                format!(
                    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {fired}; RETURN old; END $$"
                ),
                "CREATE TRIGGER note AFTER DELETE ON timer FOR EACH ROW EXECUTE FUNCTION note()".to_owned(),
            ]
        } else {
            vec![format!("CREATE TRIGGER note AFTER DELETE ON timer BEGIN {fired}; END")]
        };
        for statement in watch {
            query(sqlx::AssertSqlSafe(statement)).execute(&mut *work).await.unwrap();
        }
        work.commit().await.unwrap();

        let other = place.open().await;
        let rules = rules::Config::default().rules();
        let all = async |store: &Store| while !fire(store, &rules, &TimeZone::UTC).await.unwrap().is_empty() {};
        tokio::join!(all(&store), all(&other));
        let mut expected = TIMERS / 2;
        if place.is_on_a_server() {
            for by in ["+ 3600", "- 3600", "+ 3600"] {
                let mut work = store.work().await.unwrap();
                let set = format!(
                    "CREATE OR REPLACE FUNCTION unixepoch(what text) RETURNS double precision LANGUAGE sql STABLE STRICT AS
                     $$ SELECT floor(extract(epoch FROM statement_timestamp()) * 1000)::double precision / 1000 {by} $$"
                );
                query(sqlx::AssertSqlSafe(set)).execute(&mut *work).await.unwrap();
                work.commit().await.unwrap();
                tokio::join!(all(&store), all(&other));
            }
            expected = TIMERS;
        }
        let (fired, different): (i64, i64) =
            query_as("SELECT count(*), count(DISTINCT key) FROM fired").fetch_all(store.reader()).await.unwrap()[0];
        assert_eq!((fired, different), (expected as i64, expected as i64));
    }
}
