//! `GET /api/v1/books`: both sides of the books, per agent, lane and epoch, and what agents said of themselves. They say
//! nothing about a person.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;

use super::time;
use crate::alerts::health::told;
use crate::clock;
use crate::http::State;
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::store::books::{Entry, Page};
use crate::store::{books, homes, readings};
use crate::wording::Lang;

/// So much of what each agent said of itself is listed, the newest.
const MOST_ENTRIES: u32 = 50;

#[derive(Serialize)]
pub(crate) struct Books {
    lines: Vec<Line>,
    events: Vec<Told>,
    records: i64,
    alarms: i64,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    page: Page,
    heard_s: Option<f64>,
}

#[derive(Serialize)]
struct Told {
    agent: String,
    lane: String,
    at: String,
    kind: &'static str,
    text: String,
}

pub(crate) async fn list(Shared(state): Shared<State>, reader: Reader, lang: Lang) -> Result<Json<Books>, Refusal> {
    let store = state.store().reader();
    let mut pages = books::read(store, None).await?;
    if !reader.sight.sees_everybody() {
        let boxes = homes::boxes(store).await?;
        let all: Vec<&str> = boxes.iter().map(|(_, home)| home.as_str()).collect();
        let hers = reader.sight.homes(store, &all).await?;
        let boxes: HashSet<&str> =
            boxes.iter().filter(|(_, home)| hers.contains(home)).map(|(agent, _)| agent.as_str()).collect();
        pages.retain(|page| boxes.contains(page.agent.as_str()));
    }
    let (records, alarms) = readings::count(store).await?;
    let mut agents: Vec<&str> = pages.iter().map(|page| page.agent.as_str()).collect();
    agents.dedup();
    let entries = books::entries(store, &agents, MOST_ENTRIES).await?;
    let speaker = case::speaker(&state.moment(lang));
    let told = |entry: Entry| Told {
        at: time(entry.stored_ms),
        kind: told::kind(&entry.content),
        text: told::say(&entry.lane, &entry.content, &speaker),
        agent: entry.agent,
        lane: entry.lane,
    };
    let line =
        |page: Page| Line { heard_s: page.heard_ms.map(|heard| (clock::now_ms() - heard) as f64 / 1_000.0), page };
    Ok(Json(Books {
        events: entries.into_iter().map(told).collect(),
        lines: pages.into_iter().map(line).collect(),
        records,
        alarms,
    }))
}
