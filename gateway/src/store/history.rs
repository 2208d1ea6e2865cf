//! A person's stored history, as a replay judges it once more.

use std::collections::HashMap;

use super::ledger::unexpected;
use super::records::observation_of;
use super::{Reader, StoreError, plans, query, query_as, query_scalar};
use crate::alerts::rules::alarm_pressed;
use crate::alerts::{About, Severity};
use crate::replay::{Case, History, HomeBox, Reading};

/// Reads what was stored of a person from one time until before another. None, where nobody is known by that id.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_person(
    reader: &Reader,
    person: &str,
    from_ms: i64,
    before_ms: i64,
) -> Result<Option<History>, StoreError> {
    let known: Option<(String, i64)> =
        query_as("SELECT home, created_ms FROM person WHERE id = $1").bind(person).fetch_optional(reader).await?;
    let Some((home, created_ms)) = known else { return Ok(None) };
    let first: Option<(i64,)> = query_as(
        "SELECT stored_ms FROM record WHERE person = $1 AND measured_ms IS NOT NULL ORDER BY measured_ms LIMIT 1",
    )
    .bind(person)
    .fetch_optional(reader)
    .await?;
    Ok(Some(History {
        since_ms: first.map_or(created_ms, |(first_ms,)| first_ms.min(created_ms)),
        readings: readings(reader, person, from_ms, before_ms).await?,
        plans: plans::versions(reader, person).await?,
        boxes: boxes(reader, &home).await?,
        cases: cases(reader, person).await?,
        person: person.to_owned(),
        home,
    }))
}

async fn readings(reader: &Reader, person: &str, from_ms: i64, before_ms: i64) -> Result<Vec<Reading>, StoreError> {
    let rows = query(
        "SELECT id, home, device, stored_ms, measured_ms, marks FROM record
         WHERE person = $1 AND kind = 'signal' AND stored_ms >= $2 AND stored_ms < $3 ORDER BY stored_ms, id",
    )
    .bind(person)
    .bind(from_ms)
    .bind(before_ms)
    .fetch_all(reader)
    .await?;
    let mut readings = Vec::with_capacity(rows.len());
    let mut places = HashMap::with_capacity(rows.len());
    for row in &rows {
        let marks: Option<&str> = row.try_get("marks")?;
        let marks: Vec<String> =
            marks.map(serde_json::from_str).transpose().map_err(|_| unexpected("marks"))?.unwrap_or_default();
        let id: String = row.try_get("id")?;
        places.insert(id.clone(), readings.len());
        readings.push(Reading {
            id,
            home: row.try_get("home")?,
            device: row.try_get("device")?,
            stored_ms: row.try_get("stored_ms")?,
            measured_ms: row.try_get("measured_ms")?,
            observations: Vec::new(),
            is_irregular: marks.iter().any(|mark| mark == "irregular_pulse"),
        });
    }
    let values = query(
        "SELECT observation.* FROM record JOIN observation ON observation.record = record.id
         WHERE person = $1 AND kind = 'signal' AND stored_ms >= $2 AND stored_ms < $3 ORDER BY record.id, place",
    )
    .bind(person)
    .bind(from_ms)
    .bind(before_ms)
    .fetch_all(reader)
    .await?;
    for value in &values {
        if let Some(place) = places.get(value.try_get::<&str, _>("record")?) {
            readings[*place].observations.push(observation_of(value)?);
        }
    }
    Ok(readings)
}

async fn boxes(reader: &Reader, home: &str) -> Result<Vec<HomeBox>, StoreError> {
    let known: Vec<(String, Option<i64>)> =
        query_as("SELECT id, last_heard_ms FROM agent WHERE home = $1").bind(home).fetch_all(reader).await?;
    let mut boxes = Vec::new();
    for (agent, last_heard_ms) in known {
        let silences = query_as("SELECT heard_ms, over_ms FROM silence WHERE agent = $1 ORDER BY heard_ms")
            .bind(&agent)
            .fetch_all(reader)
            .await?;
        boxes.push(HomeBox { last_heard_ms, silences });
    }
    Ok(boxes)
}

async fn cases(reader: &Reader, person: &str) -> Result<Vec<Case>, StoreError> {
    let rows = query(
        "SELECT rule, opened_ms, severity, confirmed, closed_ms FROM alert
         WHERE person = $1 AND about = $2 AND rule <> $3 ORDER BY opened_ms, id",
    )
    .bind(person)
    .bind(About::Person(person.to_owned()).to_string())
    .bind(alarm_pressed::NAME)
    .fetch_all(reader)
    .await?;
    let cases = rows.iter().map(|row| {
        Ok(Case {
            rule: row.try_get("rule")?,
            opened_ms: row.try_get("opened_ms")?,
            severity: Severity::of(row.try_get("severity")?).ok_or_else(|| unexpected("severity"))?,
            confirmed: row.try_get("confirmed")?,
            closed_ms: row.try_get("closed_ms")?,
        })
    });
    cases.collect()
}

/// The ids of all people, or of those of some homes, in the order in which they were added.
///
/// # Errors
/// When the store cannot be read.
pub async fn everybody(reader: &Reader, home: Option<&str>) -> Result<Vec<String>, StoreError> {
    Ok(query_scalar("SELECT id FROM person WHERE CAST($1 AS TEXT) IS NULL OR home = $1 ORDER BY id")
        .bind(home)
        .fetch_all(reader)
        .await?)
}

/// Whether somebody is known by this id.
///
/// # Errors
/// When the store cannot be read.
pub async fn is_known(reader: &Reader, person: &str) -> Result<bool, StoreError> {
    Ok(query_scalar("SELECT EXISTS (SELECT 1 FROM person WHERE id = $1)").bind(person).fetch_one(reader).await?)
}
