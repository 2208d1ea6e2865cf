//! `GET /api/v1/alerts`: every alert with its story, those that need somebody first, and what waits for repeats.

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;

use super::time;
use crate::alerts::Severity;
use crate::alerts::alert::State as Stands;
use crate::alerts::line::{self, Reader as Speaker};
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks};
use crate::store::access_log::Action;
use crate::store::alerts::{self, Case, Told, Waits, Which};
use crate::wording::Lang;

/// So many alerts are listed at most, those that need somebody first.
const MOST: u32 = 1_000;

#[derive(Serialize)]
pub(crate) struct Alerts {
    alerts: Vec<Alert>,
    waiting: Vec<Waiting>,
}

#[derive(Serialize)]
struct Alert {
    id: String,
    rule: String,
    person: Option<String>,
    home: String,
    severity: Severity,
    state: &'static str,
    confirmed: bool,
    opened_at: String,
    claimed_by: Option<String>,
    /// When who claimed it said that somebody is on the way.
    on_the_way_at: Option<String>,
    closed_by: Option<String>,
    seen: bool,
    title: String,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    at: String,
    kind: &'static str,
    text: String,
    record: Option<String>,
}

#[derive(Serialize)]
struct Waiting {
    rule: String,
    person: String,
    home: String,
    since: String,
    due: String,
    got: u32,
    wanted: u32,
    text: String,
}

pub(crate) async fn list(Shared(state): Shared<State>, reader: Reader, lang: Lang) -> Result<Json<Alerts>, Refusal> {
    let store = state.store().reader();
    let speaker = case::speaker(&state.moment(lang));
    let cases = alerts::read(store, Which::All, MOST).await?;
    let mut listed = Vec::with_capacity(cases.len());
    for case in cases {
        let story = alerts::story(store, &case.id).await?;
        listed.push(alert(case, &story, &speaker));
    }
    let waiting = alerts::all_waiting(store).await?;
    let mut people: Vec<Option<&str>> = listed.iter().map(|alert| alert.person.as_deref()).collect();
    people.extend(waiting.iter().map(|waits| Some(waits.person.as_str())));
    people.sort_unstable();
    people.dedup();
    looks::note_all(&state, &reader, Action::FetchedAlerts, &people, "all alerts".to_owned()).await?;
    Ok(Json(Alerts { alerts: listed, waiting: waiting.into_iter().map(|waits| wait(waits, &speaker)).collect() }))
}

fn alert(case: Case, story: &[Told], speaker: &Speaker) -> Alert {
    let (state, claim, closed_by) = match &case.alert.state {
        Stands::Open => ("open", None, None),
        Stands::Claimed(claim) => ("claimed", Some(claim), None),
        Stands::Closed { by, .. } => ("closed", None, Some(by.clone())),
    };
    let claimed_by = claim.map(|claim| claim.by.clone());
    let on_the_way_at = claim.and_then(|claim| claim.on_the_way_ms).map(time);
    let newest = story.iter().rev().map(|told| &told.line).find(|line| line.is_about_the_matter());
    let line = |told: &Told| Line {
        at: time(told.at_ms),
        kind: told.line.kind(),
        text: told.line.say(speaker),
        record: told.record.clone(),
    };
    Alert {
        title: line::title(&case.rule, case.alert.confirmed, newest, speaker.lang),
        seen: !case.alert.is_unseen(),
        severity: case.alert.severity,
        confirmed: case.alert.confirmed,
        opened_at: time(case.opened_ms),
        id: case.id,
        rule: case.rule,
        person: case.person,
        home: case.home,
        state,
        claimed_by,
        on_the_way_at,
        closed_by,
        lines: story.iter().map(line).collect(),
    }
}

fn wait(waits: Waits, speaker: &Speaker) -> Waiting {
    Waiting {
        text: crate::alerts::rules::say_waiting(&waits.rule, &waits.waiting, speaker),
        since: time(waits.waiting.since_ms),
        due: time(waits.waiting.due_ms),
        got: waits.waiting.got,
        wanted: waits.waiting.wanted,
        rule: waits.rule,
        person: waits.person,
        home: waits.home,
    }
}
