//! What is to be done later: rows, due by the database's clock, so that they survive a restart and fire once.

use serde_json::json;

use super::{Connection, Reader, StoreError, query, query_scalar};

/// Something to be done later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timer {
    /// For whom: a rule's name.
    pub kind: String,
    /// About what: a person's id.
    pub key: String,
}

/// Sets a timer, anew if it is set already.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set(work: &mut Connection, kind: &str, key: &str, due_ms: i64) -> Result<(), StoreError> {
    query(
        "INSERT INTO timer (kind, key, due_ms) VALUES ($1, $2, $3) ON CONFLICT (kind, key) DO UPDATE SET due_ms = excluded.due_ms",
    )
    .bind(kind)
    .bind(key)
    .bind(due_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Sets a timer for each of these keys, due then at the latest: one that is due before stays as it is.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set_at_the_latest(
    work: &mut Connection,
    kind: &str,
    keys: &[&str],
    due_ms: i64,
) -> Result<(), StoreError> {
    // Left out, SQLite would take ON for the condition of a join.
    query(
        "INSERT INTO timer (kind, key, due_ms)
         SELECT DISTINCT $1, value, CAST($2 AS BIGINT) FROM json_each($3) WHERE value IS NOT NULL
         ON CONFLICT (kind, key) DO UPDATE SET due_ms = excluded.due_ms WHERE timer.due_ms > excluded.due_ms",
    )
    .bind(kind)
    .bind(due_ms)
    .bind(json!(keys).to_string())
    .execute(work)
    .await?;
    Ok(())
}

/// The database's clock was set back, by so much. An alert that nobody has taken climbs on as it would have: what waits since
/// before would wait until that moment has come again.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn clock_went_back(work: &mut Connection, by_ms: i64, now_ms: i64) -> Result<(), StoreError> {
    /// What was set by the new clock, in the moments until somebody saw that it is another, waits for less than this.
    const SEEN_WITHIN_MS: i64 = 10_000;
    let before_ms = now_ms + by_ms - SEEN_WITHIN_MS;
    for shift in [
        "UPDATE escalation SET due_ms = due_ms - $1 WHERE due_ms > $2",
        "UPDATE timer SET due_ms = due_ms - $1 WHERE due_ms > $2 AND kind = 'escalation'",
    ] {
        query(shift).bind(by_ms).bind(before_ms).execute(&mut *work).await?;
    }
    Ok(())
}

/// Takes a timer back.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn clear(work: &mut Connection, kind: &str, key: &str) -> Result<(), StoreError> {
    query("DELETE FROM timer WHERE kind = $1 AND key = $2").bind(kind).bind(key).execute(work).await?;
    Ok(())
}

/// How many milliseconds there are until the next timer is due; none when no timer is set.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn until_next_ms(reader: &Reader) -> Result<Option<i64>, StoreError> {
    Ok(query_scalar("SELECT min(due_ms) - CAST(unixepoch('subsec') * 1000 AS BIGINT) FROM timer")
        .fetch_one(reader)
        .await?)
}

/// Takes the timer that has been due for longest, escalations before all else, and what rules wait for before reviews; none
/// where none is. It is this work's: it does what the timer is for, or the timer stays.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn take_due(work: &mut Connection) -> Result<Option<Timer>, StoreError> {
    let row = query(
        "DELETE FROM timer WHERE (kind, key) = (
             SELECT kind, key FROM timer WHERE due_ms <= CAST(unixepoch('subsec') * 1000 AS BIGINT)
             ORDER BY CASE kind WHEN 'escalation' THEN 0 WHEN 'review' THEN 2 ELSE 1 END, due_ms LIMIT 1)
         RETURNING kind, key",
    )
    .fetch_optional(work)
    .await?;
    row.map(|row| Ok(Timer { kind: row.try_get("kind")?, key: row.try_get("key")? })).transpose()
}
