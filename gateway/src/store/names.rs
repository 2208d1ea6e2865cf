//! What people and homes are called.

use std::collections::HashMap;

use serde_json::json;

use super::{Reader, StoreError, query_as};

/// Names by id.
pub type Names = HashMap<String, String>;

/// The names of these people.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_people(reader: &Reader, ids: impl Iterator<Item = &str> + Send) -> Result<Names, StoreError> {
    let ids: Vec<&str> = ids.collect();
    let rows: Vec<(String, String)> =
        query_as("SELECT id, name FROM person WHERE id IN (SELECT value FROM json_each($1))")
            .bind(json!(ids).to_string())
            .fetch_all(reader)
            .await?;
    Ok(rows.into_iter().collect())
}

/// The names of these homes.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_homes(reader: &Reader, ids: impl Iterator<Item = &str> + Send) -> Result<Names, StoreError> {
    let ids: Vec<&str> = ids.collect();
    let rows: Vec<(String, String)> =
        query_as("SELECT id, name FROM home WHERE id IN (SELECT value FROM json_each($1))")
            .bind(json!(ids).to_string())
            .fetch_all(reader)
            .await?;
    Ok(rows.into_iter().collect())
}
