//! What only the work list shows: readings that nobody could be found for, and which homes are heard.

use super::alerts::{Case, case_of};
use super::{Reader, StoreError, query, query_as};

/// Readings of one device that nobody could be found for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unassigned {
    /// Which device.
    pub device: String,
    /// Its kind, where it is known.
    pub kind: Option<String>,
    /// In which home.
    pub home: String,
    /// What the home is called.
    pub home_name: String,
    /// How many readings.
    pub count: i64,
    /// When the first of them was stored.
    pub first_ms: i64,
}

crate::from_row!(Unassigned { device, kind, home, home_name, count, first_ms });

/// A home that has a box in service, and when it was last heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Its id.
    pub id: String,
    /// What the home is called.
    pub name: String,
    /// When its box last said anything; the quietest one's, where there are several.
    pub heard_ms: Option<i64>,
}

crate::from_row!(Heard { id, name, heard_ms });

/// Reads the unassigned queue, by device, the oldest first.
///
/// # Errors
/// When the store cannot be read.
pub async fn unassigned(reader: &Reader) -> Result<Vec<Unassigned>, StoreError> {
    Ok(query_as(
        "SELECT record.device, device.kind, record.home, home.name AS home_name, count(*) AS count,
                min(record.stored_ms) AS first_ms
         FROM record JOIN home ON home.id = record.home LEFT JOIN device ON device.id = record.device
         WHERE record.person IS NULL AND record.kind = 'signal' AND record.attribution IS NULL
         GROUP BY record.home, record.device, device.kind, home.name ORDER BY first_ms",
    )
    .fetch_all(reader)
    .await?)
}

/// The cases of these kinds that are before the whole team or ring their claimer again, but for one alert or one person's.
///
/// # Errors
/// When the store cannot be read.
pub async fn ringing(reader: &Reader, kinds: &[&str], but_for: &str) -> Result<Vec<Case>, StoreError> {
    let rows = query(
        "SELECT * FROM alert
         WHERE rule IN (SELECT value FROM json_each($1)) AND id <> $2 AND (person IS NULL OR person <> $2)
           AND (state = 'open' OR state = 'claimed' AND coalesce(seen_ms, 0) < rung_ms)",
    )
    .bind(serde_json::json!(kinds).to_string())
    .bind(but_for)
    .fetch_all(reader)
    .await?;
    rows.iter().map(case_of).collect()
}

/// Reads when each home with a box in service was last heard, the quietest first.
///
/// # Errors
/// When the store cannot be read.
pub async fn heard(reader: &Reader) -> Result<Vec<Heard>, StoreError> {
    Ok(query_as(
        "SELECT home.id, home.name, min(coalesce(agent.last_heard_ms, 0)) AS heard_ms
         FROM agent JOIN home ON home.id = agent.home
         WHERE agent.enrolled_ms IS NOT NULL AND agent.revoked_ms IS NULL AND agent.retired_ms IS NULL
         GROUP BY home.id ORDER BY heard_ms, home.name",
    )
    .fetch_all(reader)
    .await?
    .into_iter()
    .map(|heard: Heard| Heard { heard_ms: heard.heard_ms.filter(|ms| *ms > 0), ..heard })
    .collect())
}
