//! How late timers fire: what rules wait for, as rows of a store, through the worker of a gateway to the alert's own row.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_gateway::alerts::{rules, timers as worker};
use hempuls_gateway::changes::Changes;
use hempuls_gateway::config::Config;
use hempuls_gateway::run;
use hempuls_gateway::store::{Connection, Store, assignments, clock, homes, query, query_as, query_scalar, timers};
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::ingest::{Postgres, Spans};

/// What a rule waits for: a second reading beside one that is beyond the limits.
const STATE: &str = r#"{"readings":[{"at_ms":0,"values":{"systolic":1900}}],"limits":[180,110],"severity":"medium"}"#;

/// How long after they are set timers begin to be due, and for how long.
const BEGIN_MS: i64 = 2_000;

pub(crate) async fn run(count: usize, seconds: u32, postgres: Option<Postgres>) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("hempuls-bench-").tempdir_in(".")?;
    let store = open(folder.path(), postgres.as_ref()).await?;
    let rules = Arc::new(rules::Config::default().rules());
    let fires = tokio::spawn(worker::run(store.clone(), rules, TimeZone::UTC, Changes::new()));
    for span_ms in [i64::from(seconds) * 1_000, 0] {
        let (first_ms, last_ms) = set(&store, count, span_ms).await?;
        while now_ms(&store).await? < last_ms || query_scalar::<i64>(WAITING).fetch_one(store.reader()).await? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let late: Vec<(i64,)> = query_as(
            "SELECT opened_ms - CAST(name AS BIGINT) FROM alert JOIN person ON person.id = alert.person
             WHERE CAST(name AS BIGINT) BETWEEN $1 AND $2",
        )
        .bind(first_ms)
        .bind(last_ms)
        .fetch_all(store.reader())
        .await?;
        ensure!(late.len() == count, "{} of {count} timers fired once", late.len());
        ensure!(late.iter().all(|(late,)| *late >= 0), "a timer fired before it was due");
        let late = late.into_iter().map(|(late,)| Duration::from_millis(late.unsigned_abs())).collect();
        let spread = if span_ms == 0 { "all at one moment".to_owned() } else { format!("within {seconds} s") };
        println!("| {count} timers due {spread}, from due to the alert | {} |", Spans::of(late));
    }
    fires.abort();
    store.close().await;
    Ok(())
}

const WAITING: &str = "SELECT count(*) FROM timer WHERE kind = 'above_limit'";

async fn open(folder: &Path, postgres: Option<&Postgres>) -> Result<Store> {
    std::fs::create_dir(folder.join("data"))?;
    let file = folder.join("gateway.toml");
    std::fs::write(&file, format!("data = \"data\"\n{}", postgres.map(Postgres::settings).unwrap_or_default()))?;
    Ok(run::open_store(&Config::read(&file)?).await?)
}

/// People of whom a rule waits for something. When it is due is the name of each.
async fn set(store: &Store, count: usize, span_ms: i64) -> Result<(i64, i64)> {
    let mut chance = StdRng::seed_from_u64(1);
    let mut work = store.work().await?;
    // Writing them takes some milliseconds each.
    let first_ms = clock::now_ms(&mut *work).await? + BEGIN_MS + 5 * i64::try_from(count)?;
    for _ in 0..count {
        one(&mut work, first_ms + chance.random_range(0..=span_ms)).await?;
    }
    work.commit().await?;
    ensure!(now_ms(store).await? < first_ms, "setting them took longer than thought");
    Ok((first_ms, first_ms + span_ms))
}

async fn one(work: &mut Connection, due_ms: i64) -> Result<()> {
    let (home, _) = homes::add(work, "home", 0).await?;
    let person = assignments::add_person(work, &due_ms.to_string(), &home, 0).await?;
    query(
        "INSERT INTO waiting (rule, person, home, since_ms, due_ms, got, wanted, state)
         VALUES ('above_limit', $1, $2, 0, $3, 0, 2, $4)",
    )
    .bind(&person)
    .bind(&home)
    .bind(due_ms)
    .bind(STATE)
    .execute(&mut *work)
    .await?;
    Ok(timers::set(work, "above_limit", &person, due_ms).await?)
}

async fn now_ms(store: &Store) -> Result<i64> {
    Ok(clock::now_ms(store.reader()).await?)
}
