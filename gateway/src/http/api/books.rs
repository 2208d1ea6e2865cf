//! `GET /api/v1/books`: both sides of the books, per agent, lane and epoch. They say nothing about a person.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;

use crate::clock;
use crate::http::State;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::store::books::Page;
use crate::store::homes_page::Agent;
use crate::store::{books, homes_page, readings};

#[derive(Serialize)]
pub(crate) struct Books {
    lines: Vec<Line>,
    records: i64,
    alarms: i64,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    page: Page,
    connected: bool,
    heard_s: Option<f64>,
}

pub(crate) async fn list(Shared(state): Shared<State>, _reader: Reader) -> Result<Json<Books>, Refusal> {
    let store = state.store().reader();
    let pages = books::read(store).await?;
    let (records, alarms) = readings::count(store).await?;
    let homes = homes_page::homes(store).await?;
    let agents: HashMap<&str, &Agent> =
        homes.iter().flat_map(|home| &home.agents).map(|agent| (agent.id.as_str(), agent)).collect();
    let line = |page: Page| {
        let agent = agents.get(page.agent.as_str());
        let heard_ms = agent.and_then(|agent| agent.last_heard_ms);
        Line {
            connected: agent.is_some_and(|agent| agent.connected),
            heard_s: heard_ms.map(|heard| (clock::now_ms() - heard) as f64 / 1_000.0),
            page,
        }
    };
    Ok(Json(Books { lines: pages.into_iter().map(line).collect(), records, alarms }))
}
