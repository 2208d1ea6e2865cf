//! How far the silent tests of each box came.

use std::collections::BTreeMap;

use serde_json::json;

use super::ledger::unexpected;
use super::outbox::recipient_of;
use super::{Connection, Reader, Row, StoreError, query, query_as, query_scalar};
use crate::alerts::About;
use crate::delivery::{Channel, Recipient};
use crate::proof::homes::{HOME, HOMES, Old, Stop};

/// So many homes whose proof is old are looked at together.
const AT_ONCE: i64 = 20_000;

/// How far the silent tests of a box came, as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HomeProof {
    /// When one last came all the way.
    pub proven_ms: Option<i64>,
    /// When the latest came to the gateway.
    pub came_ms: i64,
    /// How many would have been told of a press, as the latest found; none where that is not known yet.
    pub told: Option<u32>,
    /// Where the latest stopped.
    pub stopped: Option<Stop>,
}

/// A box whose test is to be looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Which.
    pub agent: String,
    /// In which home.
    pub home: String,
    /// Since when.
    pub due_ms: i64,
    /// So many ways from there have failed.
    pub tried: u32,
}

crate::from_row!(Due { agent, home, due_ms, tried });

/// A way to somebody who would be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// Over which channel.
    pub channel: Channel,
    /// Whom.
    pub to: Recipient,
    /// When something last got through there.
    pub proven_ms: Option<i64>,
}

/// A test from a box was stored.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn came(work: &mut Connection, agent: &str, now_ms: i64) -> Result<(), StoreError> {
    query(
        "INSERT INTO home_proof (agent, first_ms, came_ms, due_ms) VALUES ($1, $2, $2, $2)
         ON CONFLICT (agent) DO UPDATE SET came_ms = excluded.came_ms, due_ms = excluded.due_ms, tried = 0, test = NULL",
    )
    .bind(agent)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// The box in service whose test has waited longest to be looked at.
///
/// # Errors
/// When the store cannot be read.
pub async fn due(reader: &Reader, now_ms: i64) -> Result<Option<Due>, StoreError> {
    Ok(query_as(
        "SELECT agent, home, due_ms, tried FROM home_proof JOIN agent ON agent.id = home_proof.agent
         WHERE due_ms IS NOT NULL AND due_ms <= $1 AND revoked_ms IS NULL AND retired_ms IS NULL
         ORDER BY due_ms, agent LIMIT 1",
    )
    .bind(now_ms)
    .fetch_optional(reader)
    .await?)
}

/// Takes that up. Says whether no other gateway has.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn take(work: &mut Connection, due: &Due) -> Result<bool, StoreError> {
    let taken = query("UPDATE home_proof SET due_ms = NULL WHERE agent = $1 AND due_ms = $2")
        .bind(&due.agent)
        .bind(due.due_ms)
        .execute(work)
        .await?;
    Ok(taken.rows_affected() == 1)
}

/// What may happen in a home: a button of it is pressed, with whose it is; where it has none, something is found about each who
/// lives there; where nobody does, somebody presses all the same.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn scenes(
    work: &mut Connection,
    home: &str,
    now_ms: i64,
) -> Result<Vec<(Option<String>, Option<String>)>, StoreError> {
    let buttons: Vec<(Option<String>, Option<String>)> = query_as(
        "SELECT device.id, assignment.person FROM device
         LEFT JOIN assignment ON assignment.device = device.id AND from_ms <= $2 AND (until_ms IS NULL OR until_ms > $2)
         WHERE device.home = $1 AND kind = 'alarm_button' AND ended_ms IS NULL ORDER BY device.id, assignment.id",
    )
    .bind(home)
    .bind(now_ms)
    .fetch_all(&mut *work)
    .await?;
    if !buttons.is_empty() {
        return Ok(buttons);
    }
    let people: Vec<String> =
        query_scalar("SELECT id FROM person WHERE home = $1 ORDER BY id").bind(home).fetch_all(work).await?;
    if people.is_empty() {
        return Ok(vec![(None, None)]);
    }
    Ok(people.into_iter().map(|person| (None, Some(person))).collect())
}

/// Closes the open case about something, in work that is given up afterwards.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set_aside(work: &mut Connection, case: &str, about: &About, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE alert SET state = 'closed', closed_ms = $3 WHERE rule = $1 AND about = $2 AND state <> 'closed'")
        .bind(case)
        .bind(about.to_string())
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// The ways by which an alert is to be told, those first where something got through lately.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn told(work: &mut Connection, alert: &str) -> Result<Vec<Way>, StoreError> {
    let rows = query(
        "SELECT DISTINCT outbox.channel AS channel, outbox.member AS member, outbox.address AS address,
             contact.proven_ms AS proven_ms
         FROM outbox LEFT JOIN contact ON contact.member = outbox.member AND contact.channel = outbox.channel
         WHERE outbox.alert = $1 AND state = 'waiting'",
    )
    .bind(alert)
    .fetch_all(work)
    .await?;
    let ways = rows.iter().map(|row| {
        let channel: String = row.try_get("channel")?;
        let channel = channel.parse().map_err(|_| unexpected("channel"))?;
        Ok(Way { channel, to: recipient_of(row)?, proven_ms: row.try_get("proven_ms")? })
    });
    let mut ways: Vec<Way> = ways.collect::<Result<_, StoreError>>()?;
    ways.sort_by(|one, other| (other.proven_ms, &one.to, one.channel).cmp(&(one.proven_ms, &other.to, other.channel)));
    Ok(ways)
}

/// The latest test of a box came all the way.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn proven(work: &mut Connection, agent: &str, told: u32, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE home_proof SET told = $2, proven_ms = $3, stopped = NULL, test = NULL WHERE agent = $1")
        .bind(agent)
        .bind(told)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// It waits for the silent test of a way.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn waits_for(work: &mut Connection, agent: &str, told: u32, test: &str) -> Result<(), StoreError> {
    query("UPDATE home_proof SET told = $2, test = $3 WHERE agent = $1")
        .bind(agent)
        .bind(told)
        .bind(test)
        .execute(work)
        .await?;
    Ok(())
}

/// The latest test of a box stopped before anybody would have been told. It is looked at again then.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn stopped(work: &mut Connection, agent: &str, stop: &Stop, again_ms: i64) -> Result<(), StoreError> {
    query("UPDATE home_proof SET told = 0, stopped = $2, due_ms = $3 WHERE agent = $1")
        .bind(agent)
        .bind(json!(stop).to_string())
        .bind(again_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// The silent test of a way came through: so did those of the homes that wait for it.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn way_proven(work: &mut Connection, test: &str, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE home_proof SET proven_ms = $2, stopped = NULL, test = NULL WHERE test = $1")
        .bind(test)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// It failed: the homes that wait for it try the next of their ways at once, or, once all have failed, the first again later.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn way_failed(
    work: &mut Connection,
    test: &str,
    stop: &Stop,
    now_ms: i64,
    again_ms: i64,
) -> Result<(), StoreError> {
    query(
        "UPDATE home_proof SET test = NULL, stopped = $2,
             due_ms = CASE WHEN tried + 1 < told THEN CAST($3 AS BIGINT) ELSE CAST($4 AS BIGINT) END,
             tried = CASE WHEN tried + 1 < told THEN tried + 1 ELSE 0 END
         WHERE test = $1",
    )
    .bind(test)
    .bind(json!(stop).to_string())
    .bind(now_ms)
    .bind(again_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Another silent test of the same way takes the place of one that waited.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn follow(work: &mut Connection, test: &str, other: &str) -> Result<(), StoreError> {
    query("UPDATE home_proof SET test = $2 WHERE test = $1").bind(test).bind(other).execute(work).await?;
    Ok(())
}

/// The boxes in service that are heard, of which a test has come once and none has come all the way since a moment.
///
/// # Errors
/// When the store cannot be read.
pub async fn old(reader: &Reader, before_ms: i64) -> Result<Vec<Old>, StoreError> {
    let rows = query(
        "SELECT home_proof.*, home,
             EXISTS (SELECT 1 FROM device WHERE device.home = agent.home AND kind = 'alarm_button' AND ended_ms IS NULL)
                 AS has_alarm
         FROM home_proof JOIN agent ON agent.id = home_proof.agent
         WHERE COALESCE(proven_ms, first_ms) <= $1 AND revoked_ms IS NULL AND retired_ms IS NULL
           AND NOT EXISTS (SELECT 1 FROM silence WHERE silence.agent = agent.id AND over_ms IS NULL)
         ORDER BY home_proof.agent LIMIT $2",
    )
    .bind(before_ms)
    .bind(AT_ONCE)
    .fetch_all(reader)
    .await?;
    let mut silences: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    if !rows.is_empty() {
        let all: Vec<(String, i64, i64)> = query_as(
            "SELECT silence.agent, silence.heard_ms, over_ms FROM silence
             JOIN home_proof ON home_proof.agent = silence.agent
             WHERE over_ms IS NOT NULL AND over_ms >= COALESCE(proven_ms, first_ms)
               AND COALESCE(proven_ms, first_ms) <= $1",
        )
        .bind(before_ms)
        .fetch_all(reader)
        .await?;
        for (agent, from_ms, until_ms) in all {
            silences.entry(agent).or_default().push((from_ms, until_ms));
        }
    }
    let old = rows.iter().map(|row| {
        let agent: String = row.try_get("agent")?;
        Ok(Old {
            silences: silences.remove(&agent).unwrap_or_default(),
            home: row.try_get("home")?,
            has_alarm: row.try_get("has_alarm")?,
            proven_ms: row.try_get("proven_ms")?,
            first_ms: row.try_get("first_ms")?,
            stopped: stop_of(row, before_ms)?,
            agent,
        })
    });
    old.collect()
}

/// How many homes have a box in service.
///
/// # Errors
/// When the store cannot be read.
pub async fn in_service(reader: &Reader) -> Result<usize, StoreError> {
    let homes: i64 = query_scalar(
        "SELECT count(DISTINCT home) FROM agent
         WHERE enrolled_ms IS NOT NULL AND revoked_ms IS NULL AND retired_ms IS NULL",
    )
    .fetch_one(reader)
    .await?;
    Ok(usize::try_from(homes).unwrap_or(0))
}

/// What the cases are about that are not closed, and whether a test of that box came all the way since they were opened.
///
/// # Errors
/// When the store cannot be read.
pub async fn open(reader: &Reader) -> Result<Vec<(About, bool)>, StoreError> {
    let rows = query(
        "SELECT about, COALESCE(proven_ms, 0) >= opened_ms AS is_proven FROM alert
         LEFT JOIN home_proof ON 'agent:' || home_proof.agent = alert.about
         WHERE rule IN ($1, $2) AND state <> 'closed' ORDER BY about",
    )
    .bind(HOME)
    .bind(HOMES)
    .fetch_all(reader)
    .await?;
    let about = |row: &Row| {
        let (about, is_proven): (String, bool) = (row.try_get("about")?, row.try_get("is_proven")?);
        Ok(match about.strip_prefix("agent:") {
            Some(agent) => (About::Agent(agent.to_owned()), is_proven),
            None => (About::ManyHomes, is_proven),
        })
    };
    rows.iter().map(about).collect()
}

/// Of a row that has these columns; none where no test has come.
pub(super) fn of_row(row: &Row) -> Result<Option<HomeProof>, StoreError> {
    let came_ms: Option<i64> = row.try_get("came_ms")?;
    let Some(came_ms) = came_ms else { return Ok(None) };
    Ok(Some(HomeProof {
        proven_ms: row.try_get("proven_ms")?,
        came_ms,
        told: row.try_get("told")?,
        stopped: stop_of(row, 0)?,
    }))
}

/// Where the latest test stopped; none where it is older than a moment: then what is missing is a newer one.
fn stop_of(row: &Row, since_ms: i64) -> Result<Option<Stop>, StoreError> {
    let (came_ms, stopped): (i64, Option<String>) = (row.try_get("came_ms")?, row.try_get("stopped")?);
    let stopped = stopped.filter(|_| came_ms >= since_ms);
    stopped.map(|text| serde_json::from_str(&text).map_err(|_| unexpected("stopped"))).transpose()
}
