//! `GET /api/v1/alerts`: every alert with its story and who was told of it, those that need somebody first, and what waits for repeats.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;

use super::time;
use crate::alerts::Severity;
use crate::alerts::alert::State as Stands;
use crate::alerts::line::{self, Reader as Speaker};
use crate::delivery::course::Outcome;
use crate::http::console::alert::told;
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks};
use crate::store::access_log::Action;
use crate::store::alerts::{self, Case, Told as Written, Waits, Which};
use crate::store::outbox::{self, Shown};
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
    told: Vec<Told>,
}

/// Somebody who was or is to be told of the alert.
#[derive(Serialize)]
struct Told {
    id: String,
    /// A member's name, or what the configuration calls who is always told.
    to: Option<String>,
    channel: &'static str,
    urgency: Severity,
    /// `waiting`, `under_way`, `delivered`, `given_up` or `withdrawn`.
    state: &'static str,
    since: String,
    ended_at: Option<String>,
    withdrawn_at: Option<String>,
    /// How many attempts have begun; the latest hundred follow.
    tried: u32,
    attempts: Vec<Attempt>,
}

/// One attempt. Without an end it is under way, or nobody knows how it ended.
#[derive(Serialize)]
struct Attempt {
    began_at: String,
    ended_at: Option<String>,
    delivered: Option<bool>,
    /// The proof, or why not.
    said: Option<String>,
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
    let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    let mut told: HashMap<String, Vec<Told>> = HashMap::new();
    for (alert, shown) in outbox::of_alerts(store, &ids).await? {
        told.entry(alert).or_default().push(tell(shown));
    }
    let mut listed = Vec::with_capacity(cases.len());
    for case in cases {
        let story = alerts::story(store, &case.id).await?;
        let told = told.remove(&case.id).unwrap_or_default();
        listed.push(alert(case, &story, told, &speaker));
    }
    let waiting = alerts::all_waiting(store).await?;
    let mut people: Vec<Option<&str>> = listed.iter().map(|alert| alert.person.as_deref()).collect();
    people.extend(waiting.iter().map(|waits| Some(waits.person.as_str())));
    people.sort_unstable();
    people.dedup();
    looks::note_all(&state, &reader, Action::FetchedAlerts, &people, "all alerts".to_owned()).await?;
    Ok(Json(Alerts { alerts: listed, waiting: waiting.into_iter().map(|waits| wait(waits, &speaker)).collect() }))
}

fn alert(case: Case, story: &[Written], told: Vec<Told>, speaker: &Speaker) -> Alert {
    let (state, claim, closed_by) = match &case.alert.state {
        Stands::Open => ("open", None, None),
        Stands::Claimed(claim) => ("claimed", Some(claim), None),
        Stands::Closed { by, .. } => ("closed", None, Some(by.clone())),
    };
    let claimed_by = claim.map(|claim| claim.by.clone());
    let on_the_way_at = claim.and_then(|claim| claim.on_the_way_ms).map(time);
    let newest = story.iter().rev().map(|told| &told.line).find(|line| line.is_about_the_matter());
    let line = |told: &Written| Line {
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
        told,
    }
}

fn tell(shown: Shown) -> Told {
    let attempt = |attempt: &outbox::Attempt| Attempt {
        began_at: time(attempt.began_ms),
        ended_at: attempt.ended.as_ref().map(|(at_ms, _)| time(*at_ms)),
        delivered: attempt.ended.as_ref().map(|(_, outcome)| matches!(outcome, Outcome::Delivered { .. })),
        said: attempt.ended.as_ref().map(|(_, outcome)| outcome.because().to_owned()),
    };
    Told {
        state: told::word(&shown),
        attempts: shown.attempts.iter().map(attempt).collect(),
        channel: shown.channel.as_str(),
        tried: shown.course.attempts,
        urgency: shown.course.urgency,
        since: time(shown.course.since_ms),
        ended_at: shown.ended_ms.map(time),
        withdrawn_at: shown.course.withdrawn_ms.map(time),
        to: shown.member.or(shown.always),
        id: shown.delivery,
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
