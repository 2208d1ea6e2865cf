//! Silent tests: how far each came, and when.

use super::{Connection, Reader, Row, StoreError, query, query_scalar};
use crate::delivery::Channel;
use crate::delivery::course::Outcome;

/// So long the tests are kept.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// A silent test that is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SilentTest {
    /// Its id.
    pub id: String,
    /// Which run of a gateway made it.
    pub gateway: String,
    /// When it was put in the queue of what arrives.
    pub put_ms: i64,
    /// When it was stored and judged.
    pub stored_ms: i64,
    /// Why the rules did not let it through.
    pub failed: Option<String>,
    /// When a worker took it out of the outbox.
    pub taken_ms: Option<i64>,
    /// When the attempt that was made then ended, and how.
    pub ended: Option<(i64, Outcome)>,
}

/// Stores a test of the gateway's own, and forgets those that are old.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn add(
    work: &mut Connection,
    (id, gateway, put_ms): (&str, &str, i64),
    failed: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    forget_old(work, now_ms).await?;
    query("INSERT INTO silent_test (id, gateway, put_ms, stored_ms, failed) VALUES ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(gateway)
        .bind(put_ms)
        .bind(now_ms)
        .bind(failed)
        .execute(work)
        .await?;
    Ok(())
}

/// Stores a test of ways to people, and forgets those that are old.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn add_of_ways(work: &mut Connection, id: &str, now_ms: i64) -> Result<(), StoreError> {
    forget_old(work, now_ms).await?;
    query("INSERT INTO silent_test (id, gateway, put_ms, stored_ms, origin) VALUES ($1, '', $2, $2, 'ways')")
        .bind(id)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

async fn forget_old(work: &mut Connection, now_ms: i64) -> Result<(), StoreError> {
    let old_ms = now_ms - KEPT_MS;
    for forget in [
        "DELETE FROM delivery_attempt WHERE delivery IN
             (SELECT outbox.id FROM outbox JOIN silent_test ON silent_test.id = outbox.test WHERE stored_ms < $1)",
        "DELETE FROM outbox WHERE test IN (SELECT id FROM silent_test WHERE stored_ms < $1)",
        "DELETE FROM silent_test WHERE stored_ms < $1",
    ] {
        query(forget).bind(old_ms).execute(&mut *work).await?;
    }
    Ok(())
}

/// The latest of the gateway's own tests, of one run, or of all, the newest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn latest(reader: &Reader, gateway: Option<&str>, limit: u32) -> Result<Vec<SilentTest>, StoreError> {
    let rows = query(
        "SELECT silent_test.*, began_ms, delivery_attempt.ended_ms, outcome, said FROM silent_test
         LEFT JOIN outbox ON outbox.test = silent_test.id AND outbox.channel = 'dead_man'
         LEFT JOIN delivery_attempt ON delivery_attempt.delivery = outbox.id AND attempt = 1
         WHERE origin = 'pulse' AND (CAST($1 AS TEXT) IS NULL OR gateway = $1)
         ORDER BY silent_test.id DESC LIMIT $2",
    )
    .bind(gateway)
    .bind(limit)
    .fetch_all(reader)
    .await?;
    rows.iter().map(test_of).collect()
}

/// When a worker last took a test of this gateway's run out of the outbox.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn last_through_ms(reader: &Reader, gateway: &str) -> Result<Option<i64>, StoreError> {
    Ok(query_scalar(
        "SELECT began_ms FROM silent_test
         JOIN outbox ON outbox.test = silent_test.id AND outbox.channel = 'dead_man'
         JOIN delivery_attempt ON delivery_attempt.delivery = outbox.id AND attempt = 1
         WHERE gateway = $1 ORDER BY silent_test.id DESC LIMIT 1",
    )
    .bind(gateway)
    .fetch_optional(reader)
    .await?)
}

/// When a channel's peer last took something.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn channel_proven_ms(reader: &Reader, channel: Channel) -> Result<Option<i64>, StoreError> {
    Ok(query_scalar("SELECT proven_ms FROM channel_proven WHERE channel = $1")
        .bind(channel.as_str())
        .fetch_optional(reader)
        .await?)
}

/// A channel's peer has taken something.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn prove_channel(work: &mut Connection, channel: &str, now_ms: i64) -> Result<(), StoreError> {
    query(
        "INSERT INTO channel_proven (channel, proven_ms) VALUES ($1, $2)
         ON CONFLICT (channel) DO UPDATE SET proven_ms = excluded.proven_ms",
    )
    .bind(channel)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Since when a channel's tests fail: the oldest that was made after its peer last took something.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn failing_since_ms(work: &mut Connection, channel: Channel) -> Result<Option<i64>, StoreError> {
    Ok(query_scalar(
        "SELECT min(since_ms) FROM outbox WHERE channel = $1 AND test IS NOT NULL AND attempts > 0
           AND since_ms > COALESCE((SELECT proven_ms FROM channel_proven WHERE channel = $1), 0)",
    )
    .bind(channel.as_str())
    .fetch_one(work)
    .await?)
}

fn test_of(row: &Row) -> Result<SilentTest, StoreError> {
    let ended_ms: Option<i64> = row.try_get("ended_ms")?;
    Ok(SilentTest {
        id: row.try_get("id")?,
        gateway: row.try_get("gateway")?,
        put_ms: row.try_get("put_ms")?,
        stored_ms: row.try_get("stored_ms")?,
        failed: row.try_get("failed")?,
        taken_ms: row.try_get("began_ms")?,
        ended: match ended_ms {
            None => None,
            Some(ended_ms) => Some((ended_ms, super::outbox::outcome_of(row)?)),
        },
    })
}
