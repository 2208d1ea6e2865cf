//! Ways to people, and when each was last proven.

use super::{Connection, Executor, Row, StoreError, query, query_scalar};

/// A way to people that is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// Its id: an address is in no log and no alert.
    pub id: String,
    /// The channel's word.
    pub channel: String,
    /// Where; empty for a channel that is proven as a whole.
    pub address: String,
    /// Since when it is one.
    pub since_ms: i64,
    /// When a silent test of it was last asked for.
    pub asked_ms: Option<i64>,
    /// When its peer last took something.
    pub proven_ms: Option<i64>,
    /// Since when its silent tests fail, and why.
    pub failing: Option<(i64, String)>,
}

/// All of them.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn all(store: impl Executor<'_>) -> Result<Vec<Way>, StoreError> {
    let rows = query("SELECT * FROM way ORDER BY channel, since_ms, id").fetch_all(store).await?;
    rows.iter().map(way_of).collect()
}

/// When a channel that is proven as a whole last was.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn proven_ms(store: impl Executor<'_>, channel: &str) -> Result<Option<i64>, StoreError> {
    let proven: Option<Option<i64>> = query_scalar("SELECT proven_ms FROM way WHERE channel = $1 AND address = ''")
        .bind(channel)
        .fetch_optional(store)
        .await?;
    Ok(proven.flatten())
}

/// Writes a way that is new.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn add(work: &mut Connection, channel: &str, address: &str, now_ms: i64) -> Result<(), StoreError> {
    query(
        "INSERT INTO way (id, channel, address, since_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (channel, address) DO NOTHING",
    )
    .bind(super::new_id(now_ms))
    .bind(channel)
    .bind(address)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Forgets a way that nobody has any more.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn remove(work: &mut Connection, id: &str) -> Result<(), StoreError> {
    query("DELETE FROM way WHERE id = $1").bind(id).execute(work).await?;
    Ok(())
}

/// A silent test of a way is asked for.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn asked(work: &mut Connection, id: &str, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE way SET asked_ms = $2 WHERE id = $1").bind(id).bind(now_ms).execute(work).await?;
    Ok(())
}

/// The peer of a way has taken something: it is proven for everybody who has that address. Without an address the whole
/// channel is.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn prove(work: &mut Connection, channel: &str, address: Option<&str>, now_ms: i64) -> Result<(), StoreError> {
    for prove in [
        "UPDATE way SET proven_ms = $3, failing_ms = NULL, because = NULL
         WHERE channel = $1 AND (CAST($2 AS TEXT) IS NULL OR address = $2)",
        "UPDATE contact SET proven_ms = $3 WHERE channel = $1 AND (CAST($2 AS TEXT) IS NULL OR address = $2)",
    ] {
        query(prove).bind(channel).bind(address).bind(now_ms).execute(&mut *work).await?;
    }
    Ok(())
}

/// A silent test of a way has failed.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn fail(
    work: &mut Connection,
    channel: &str,
    address: &str,
    because: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    query("UPDATE way SET failing_ms = COALESCE(failing_ms, $3), because = $4 WHERE channel = $1 AND address = $2")
        .bind(channel)
        .bind(address)
        .bind(now_ms)
        .bind(because)
        .execute(work)
        .await?;
    Ok(())
}

fn way_of(row: &Row) -> Result<Way, StoreError> {
    let failing_ms: Option<i64> = row.try_get("failing_ms")?;
    let because: Option<String> = row.try_get("because")?;
    Ok(Way {
        id: row.try_get("id")?,
        channel: row.try_get("channel")?,
        address: row.try_get("address")?,
        since_ms: row.try_get("since_ms")?,
        asked_ms: row.try_get("asked_ms")?,
        proven_ms: row.try_get("proven_ms")?,
        failing: failing_ms.map(|since_ms| (since_ms, because.unwrap_or_default())),
    })
}
