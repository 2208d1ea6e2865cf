//! Readings as they are shown: page by page to the care team, and one after the other to programs.

use std::collections::HashMap;

use super::records::{Record, with_values};
use super::{Reader, StoreError, query, query_as};

/// Readings with ids greater than `after`, oldest first. Later records have greater ids.
///
/// # Errors
/// When the store cannot be read.
pub async fn after(reader: &Reader, after: &str, limit: u32) -> Result<Vec<Record>, StoreError> {
    let rows = query("SELECT * FROM record WHERE kind = 'signal' AND id > $1 ORDER BY id LIMIT $2")
        .bind(after)
        .bind(limit)
        .fetch_all(reader)
        .await?;
    with_values(reader, &rows).await
}

/// A person's readings from one time until before another, newest first. One whose time nobody knows is found where it
/// was stored.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_person(
    reader: &Reader,
    person: &str,
    from_ms: i64,
    before_ms: i64,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let rows = query(
        "SELECT * FROM record WHERE kind = 'signal' AND person = $1
           AND (measured_ms >= $2 AND measured_ms < $3
             OR measured_ms IS NULL AND stored_ms >= $2 AND stored_ms < $3)
         ORDER BY coalesce(measured_ms, stored_ms) DESC, id DESC LIMIT $4",
    )
    .bind(person)
    .bind(from_ms)
    .bind(before_ms)
    .bind(limit)
    .fetch_all(reader)
    .await?;
    with_values(reader, &rows).await
}

/// Of these devices, those that are known, with their kinds.
///
/// # Errors
/// When the store cannot be read.
pub async fn device_kinds(
    reader: &Reader,
    devices: impl Iterator<Item = &str> + Send,
) -> Result<HashMap<String, String>, StoreError> {
    let mut devices: Vec<&str> = devices.collect();
    devices.sort_unstable();
    devices.dedup();
    let rows: Vec<(String, String)> =
        query_as("SELECT device.id, device.kind FROM json_each($1) AS asked JOIN device ON device.id = asked.value")
            .bind(serde_json::json!(devices).to_string())
            .fetch_all(reader)
            .await?;
    Ok(rows.into_iter().collect())
}

/// How many readings and how many alarms there are as records.
///
/// # Errors
/// When the store cannot be read.
pub async fn count(reader: &Reader) -> Result<(i64, i64), StoreError> {
    Ok(query_as("SELECT count(*) FILTER (WHERE kind = 'signal'), count(*) FILTER (WHERE kind = 'alarm') FROM record")
        .fetch_one(reader)
        .await?)
}
