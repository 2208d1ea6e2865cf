//! `GET /api/v1/readings?after=ID&limit=N`: every reading, oldest first.

use axum::Json;
use axum::extract::{Query, State as Shared};
use hempuls_protocol::observation::Observation;
use serde::{Deserialize, Serialize};

use super::time;
use crate::duty::Area;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks};
use crate::store::access_log::Action;
use crate::store::readings;
use crate::store::records::{Clock, Record};

const USUAL: u32 = 500;
const MOST: u32 = 5_000;

/// Which readings.
#[derive(Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    after: String,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(crate) struct Readings {
    readings: Vec<Reading>,
    /// Ask for what comes after this one; there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct Reading {
    id: String,
    person: Option<String>,
    home: String,
    device: String,
    slot: Option<u8>,
    characteristic: String,
    measured_at: Option<String>,
    measured_by: Option<Clock>,
    ambiguous: bool,
    stored_at: String,
    device_time: Option<String>,
    observations: Vec<Observation>,
    usable: bool,
    marks: Vec<String>,
    unreadable: Option<String>,
    possibly_same_as: Option<String>,
    raw: String,
}

pub(crate) async fn list(
    Shared(state): Shared<State>,
    reader: Reader,
    Query(part): Query<Part>,
) -> Result<Json<Readings>, Refusal> {
    let limit = part.limit.unwrap_or(USUAL).clamp(1, MOST);
    let mut found = readings::after(state.store().reader(), &part.after, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|record| record.id.clone());
    let found = hers(&state, &reader, found).await?;
    if let (Some(first), Some(last)) = (found.first(), found.last()) {
        let mut people: Vec<Option<&str>> = found.iter().map(|record| record.person.as_deref()).collect();
        people.sort_unstable();
        people.dedup();
        let what = format!("readings {} to {}", first.id, last.id);
        looks::note_all(&state, &reader, Action::FetchedReadings, &people, what).await?;
    }
    Ok(Json(Readings { readings: found.into_iter().map(reading).collect(), next }))
}

/// Those of people, or of homes, whose readings she sees.
async fn hers(state: &State, reader: &Reader, mut found: Vec<Record>) -> Result<Vec<Record>, Refusal> {
    let store = state.store().reader();
    let people: Vec<&str> = found.iter().filter_map(|record| record.person.as_deref()).collect();
    let people = reader.sight.people(store, &people, Some(Area::HealthCare)).await?;
    let homes = found.iter().filter(|record| record.person.is_none()).map(|record| record.home.as_str());
    let homes = reader.sight.waiting(store, &homes.collect::<Vec<_>>()).await?;
    found.retain(|record| match &record.person {
        Some(person) => people.contains(person),
        None => homes.contains(&record.home),
    });
    Ok(found)
}

fn reading(record: Record) -> Reading {
    Reading {
        usable: record.observations.iter().any(|observation| observation.usable),
        id: record.id,
        person: record.person,
        home: record.home,
        device: record.device,
        slot: record.slot,
        characteristic: record.characteristic,
        measured_at: record.measured_ms.map(time),
        measured_by: record.measured_by,
        ambiguous: record.is_ambiguous,
        stored_at: time(record.stored_ms),
        device_time: record.device_time,
        observations: record.observations,
        marks: record.marks,
        unreadable: record.unreadable,
        possibly_same_as: record.possibly_same_as,
        raw: hex::encode(record.raw),
    }
}
