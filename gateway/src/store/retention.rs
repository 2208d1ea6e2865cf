//! Dropping what is older than it has to be kept, in small pieces, without losing count.
//!
//! Numbers go lane by lane from the lowest on, and are counted in the lane's books; records go by their own age. What an alert
//! tells of stays, and alerts, plans, assignments and the access log are never dropped.

use serde_json::json;

use super::ledger::unsigned;
use super::{Connection, Reader, StoreError, query, query_as, query_scalar};

/// One lane of one life of a buffer, by the words of its columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lane {
    agent: String,
    lane: String,
    epoch: String,
}

crate::from_row!(Lane { agent, lane, epoch });

/// The lanes whose lowest number was stored before a moment.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn old_lanes(reader: &Reader, before_ms: i64) -> Result<Vec<Lane>, StoreError> {
    Ok(query_as(
        "SELECT agent, lane, epoch FROM cursor
         WHERE opened_ms < $1 AND EXISTS (
             SELECT 1 FROM event
             WHERE event.agent = cursor.agent AND event.lane = cursor.lane AND event.epoch = cursor.epoch
               AND event.seq = (SELECT min(lowest.seq) FROM event AS lowest
                                WHERE lowest.agent = cursor.agent AND lowest.lane = cursor.lane
                                  AND lowest.epoch = cursor.epoch)
               AND event.stored_ms < $1 AND event.seq < cursor.through)
         ORDER BY agent, lane, epoch",
    )
    .bind(before_ms)
    .fetch_all(reader)
    .await?)
}

/// Drops at most so many of a lane's lowest numbers: those stored before a moment, up to the first that was not. The highest
/// without a gap stays, as receipts show what it holds. Says how many went.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn drop_numbers(work: &mut Connection, lane: &Lane, before_ms: i64, most: u32) -> Result<u64, StoreError> {
    let rows = query(
        "SELECT event.seq, event.disposition, event.stored_ms FROM cursor
             JOIN event ON event.agent = cursor.agent AND event.lane = cursor.lane AND event.epoch = cursor.epoch
         WHERE cursor.agent = $1 AND cursor.lane = $2 AND cursor.epoch = $3 AND event.seq < cursor.through
         ORDER BY event.seq LIMIT $4",
    )
    .bind(&lane.agent)
    .bind(&lane.lane)
    .bind(&lane.epoch)
    .bind(most)
    .fetch_all(&mut *work)
    .await?;
    let (mut through, mut counts) = (0, [0_i64; 3]);
    for row in rows {
        if row.try_get::<i64, _>("stored_ms")? >= before_ms {
            break;
        }
        through = row.try_get("seq")?;
        match row.try_get("disposition")? {
            "stored" => counts[0] += 1,
            "repeated" => counts[1] += 1,
            _ => counts[2] += 1,
        }
    }
    if through == 0 {
        return Ok(0);
    }
    query("DELETE FROM event WHERE agent = $1 AND lane = $2 AND epoch = $3 AND seq <= $4")
        .bind(&lane.agent)
        .bind(&lane.lane)
        .bind(&lane.epoch)
        .bind(through)
        .execute(&mut *work)
        .await?;
    query(
        "UPDATE cursor SET dropped_through = $4, dropped_stored = dropped_stored + $5,
             dropped_repeated = dropped_repeated + $6, dropped_quarantined = dropped_quarantined + $7
         WHERE agent = $1 AND lane = $2 AND epoch = $3",
    )
    .bind(&lane.agent)
    .bind(&lane.lane)
    .bind(&lane.epoch)
    .bind(through)
    .bind(counts[0])
    .bind(counts[1])
    .bind(counts[2])
    .execute(work)
    .await?;
    Ok(unsigned(counts.iter().sum()))
}

/// Drops at most so many records that were made before a moment, with their values, and their bytes in quarantine. Says how
/// many records went.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn drop_records(work: &mut Connection, before_ms: i64, most: u32) -> Result<u64, StoreError> {
    let boundary = super::first_id_of(before_ms);
    let ids: Vec<String> = query_scalar(
        "SELECT id FROM record
         WHERE id < $1 AND NOT EXISTS (SELECT 1 FROM alert_line WHERE alert_line.record = record.id)
           AND NOT EXISTS (SELECT 1 FROM record AS twin WHERE twin.possibly_same_as = record.id)
         ORDER BY id LIMIT $2",
    )
    .bind(&boundary)
    .bind(most)
    .fetch_all(&mut *work)
    .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    query(
        "INSERT INTO kept_from (what, id) VALUES ('record', $1)
         ON CONFLICT (what) DO UPDATE SET id = excluded.id WHERE kept_from.id < excluded.id",
    )
    .bind(&boundary)
    .execute(&mut *work)
    .await?;
    let gone = json!(ids).to_string();
    query("DELETE FROM observation WHERE record IN (SELECT value FROM json_each($1))")
        .bind(&gone)
        .execute(&mut *work)
        .await?;
    let done =
        query("DELETE FROM record WHERE id IN (SELECT value FROM json_each($1))").bind(&gone).execute(work).await?;
    Ok(done.rows_affected())
}

/// Drops at most so many rows of what is kept for a shorter time: bytes that could not be read, attempts to tell people, what
/// rules kept quiet about, sessions that are over. Says how many went.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn drop_traces(work: &mut Connection, bytes_ms: i64, traces_ms: i64, most: u32) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (sql, before_ms) in [
        ("DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE at_ms < $1 LIMIT $2)", bytes_ms),
        (
            "DELETE FROM delivery_attempt WHERE (delivery, attempt) IN (
                 SELECT delivery_attempt.delivery, delivery_attempt.attempt
                 FROM outbox JOIN delivery_attempt ON delivery_attempt.delivery = outbox.id
                 WHERE outbox.since_ms < $1 AND outbox.ended_ms < $1 LIMIT $2)",
            traces_ms,
        ),
        (
            "DELETE FROM suppression WHERE id IN (SELECT id FROM suppression WHERE at_ms < $1 ORDER BY id LIMIT $2)",
            traces_ms,
        ),
        (
            "DELETE FROM console_session_seen WHERE (token_hash, person) IN (
                 SELECT console_session_seen.token_hash, person
                 FROM console_session JOIN console_session_seen USING (token_hash) WHERE expires_ms < $1 LIMIT $2)",
            traces_ms,
        ),
    ] {
        gone += query(sql).bind(before_ms).bind(most).execute(&mut *work).await?.rows_affected();
    }
    Ok(gone)
}
