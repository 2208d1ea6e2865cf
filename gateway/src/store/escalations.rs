//! How far alerts have climbed, the teams' escalation plans, and over which channels anybody can be reached.

use serde_json::json;

use super::ledger::unexpected;
use super::{Connection, Executor, StoreError, query, query_scalar, timers};
use crate::delivery::Channel;
use crate::escalation::TIMER;
use crate::escalation::ladder::Ladder;
use crate::escalation::plan::Plan;

/// How far an alert has climbed; none where it never rang for a team.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn ladder(store: impl Executor<'_>, alert: &str) -> Result<Option<Ladder>, StoreError> {
    let row = query("SELECT * FROM escalation WHERE alert = $1").bind(alert).fetch_optional(store).await?;
    row.map(|row| {
        Ok(Ladder {
            ring_ms: row.try_get("ring_ms")?,
            next: row.try_get("next_rung")?,
            round: row.try_get("rounds")?,
            due_ms: row.try_get("due_ms")?,
            rang_again: row.try_get("rang_again")?,
            has_told: row.try_get("has_told")?,
            unanswered_ms: row.try_get("unanswered_ms")?,
        })
    })
    .transpose()
}

/// Writes how far an alert has climbed, and when it is to be looked at again.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn save(work: &mut Connection, alert: &str, ladder: &Ladder) -> Result<(), StoreError> {
    query(
        "INSERT INTO escalation (alert, ring_ms, next_rung, rounds, due_ms, rang_again, has_told, unanswered_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (alert) DO UPDATE SET ring_ms = excluded.ring_ms, next_rung = excluded.next_rung,
             rounds = excluded.rounds, due_ms = excluded.due_ms, rang_again = excluded.rang_again,
             has_told = excluded.has_told, unanswered_ms = excluded.unanswered_ms",
    )
    .bind(alert)
    .bind(ladder.ring_ms)
    .bind(ladder.next)
    .bind(ladder.round)
    .bind(ladder.due_ms)
    .bind(ladder.rang_again)
    .bind(ladder.has_told)
    .bind(ladder.unanswered_ms)
    .execute(&mut *work)
    .await?;
    match ladder.next_wake() {
        Some(due_ms) => timers::set(work, TIMER, alert, due_ms).await,
        None => timers::clear(work, TIMER, alert).await,
    }
}

/// A team's plan, with who wrote it and when; none where it has written none. One that cannot be read counts as none, so that
/// no alert waits for it.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn plan(store: impl Executor<'_>, team: &str) -> Result<Option<(Plan, String, i64)>, StoreError> {
    let row = query("SELECT plan, set_by, set_ms FROM escalation_plan WHERE team = $1")
        .bind(team)
        .fetch_optional(store)
        .await?;
    let Some(row) = row else { return Ok(None) };
    match serde_json::from_str(row.try_get("plan")?) {
        Ok(plan) => Ok(Some((plan, row.try_get("set_by")?, row.try_get("set_ms")?))),
        Err(error) => {
            tracing::error!(%error, team.id = team, "a team's escalation plan cannot be read; what is usual is done");
            Ok(None)
        }
    }
}

/// Writes a team's plan, in place of the one before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set_plan(work: &mut Connection, team: &str, plan: &Plan, by: &str, now_ms: i64) -> Result<(), StoreError> {
    query(
        "INSERT INTO escalation_plan (team, plan, set_by, set_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (team) DO UPDATE SET plan = excluded.plan, set_by = excluded.set_by, set_ms = excluded.set_ms",
    )
    .bind(team)
    .bind(json!(plan).to_string())
    .bind(by)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Takes a team's plan back: what is usual is done. Says whether there was one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn remove_plan(work: &mut Connection, team: &str) -> Result<bool, StoreError> {
    let gone = query("DELETE FROM escalation_plan WHERE team = $1").bind(team).execute(work).await?;
    Ok(gone.rows_affected() > 0)
}

/// Writes which channels are open, in place of those that were.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set_open_channels(work: &mut Connection, channels: &[Channel]) -> Result<(), StoreError> {
    query("DELETE FROM open_channel").execute(&mut *work).await?;
    for channel in channels {
        query("INSERT INTO open_channel (channel) VALUES ($1)").bind(channel.as_str()).execute(&mut *work).await?;
    }
    Ok(())
}

/// Which channels are open.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn open_channels(store: impl Executor<'_>) -> Result<Vec<Channel>, StoreError> {
    let words: Vec<String> = query_scalar("SELECT channel FROM open_channel").fetch_all(store).await?;
    words.iter().map(|word| word.parse().map_err(|_| unexpected("channel"))).collect()
}
