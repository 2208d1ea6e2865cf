//! `GET /api/v1/alerts`: every alert with its story and who was told of it, those that need somebody first, and what waits for repeats.
//!
//! `POST /api/v1/alerts/{alert}`: a named human does something about one, `{"by": …, "act": "claim"}`. The acts are `claim`,
//! `on_the_way`, `hand_over` (`to`), `give_back` (`why`), `note` (`note`), `close` (`outcome`, `note`) and `reopen` (`why`).
//! `POST /api/v1/alerts/hand-over`: `{"by": …, "to": …}` hands over all that she has claimed. `by` is a member's name; whoever
//! is signed in is herself.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::time;
use crate::alerts::alert::{Claim, State as Stands};
use crate::alerts::line::{self, Reader as Speaker};
use crate::alerts::outcome::Outcome;
use crate::alerts::{Act, ActError, Severity};
use crate::clock;
use crate::delivery::course;
use crate::duty::sight::lookout::Sight;
use crate::http::console::alert::told;
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::guard::{self, Subject};
use crate::http::refusal::Refusal;
use crate::http::{State, acts, looks};
use crate::store::Reader as Store;
use crate::store::access_log::Action;
use crate::store::accounts;
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
    /// Since when all rungs of its escalation are through, and nobody has answered.
    unanswered_since: Option<String>,
    claimed_by: Option<String>,
    /// When who claimed it said that somebody is on the way.
    on_the_way_at: Option<String>,
    claimed_at: Option<String>,
    /// When who claimed it last said something of it.
    last_word_at: Option<String>,
    /// It is before the whole team again then, unless she says something.
    goes_back_at: Option<String>,
    closed_by: Option<String>,
    closed_at: Option<String>,
    outcome: Option<Outcome>,
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
    /// On which rung of the escalation, from 0.
    rung: Option<u32>,
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
    let cases = seen(store, &reader.sight).await?;
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
    let waiting = reader.sight.waits(store, alerts::all_waiting(store).await?).await?;
    let mut people: Vec<Option<&str>> = listed.iter().map(|alert| alert.person.as_deref()).collect();
    people.extend(waiting.iter().map(|waits| Some(waits.person.as_str())));
    people.sort_unstable();
    people.dedup();
    looks::note_all(&state, &reader, Action::FetchedAlerts, &people, "all alerts".to_owned()).await?;
    Ok(Json(Alerts { alerts: listed, waiting: waiting.into_iter().map(|waits| wait(waits, &speaker)).collect() }))
}

/// The alerts that she sees: for whoever does not see all, those that are not closed, and then those of the latest.
async fn seen(store: &Store, sight: &Sight) -> Result<Vec<Case>, Refusal> {
    let mut cases = alerts::read(store, Which::All, MOST).await?;
    if !sight.sees_everybody() {
        cases.retain(|case| matches!(case.alert.state, Stands::Closed { .. }));
        let closed = std::mem::replace(&mut cases, alerts::read(store, Which::NotClosed, u32::MAX).await?);
        cases.extend(closed);
        cases = sight.cases(store, cases).await?;
        cases.truncate(MOST as usize);
    }
    Ok(cases)
}

/// What somebody does about an alert.
#[derive(Deserialize)]
pub(crate) struct Wish {
    #[serde(default)]
    by: String,
    #[serde(flatten)]
    act: Wished,
}

#[derive(Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
enum Wished {
    Claim,
    OnTheWay,
    HandOver {
        to: String,
    },
    GiveBack {
        why: String,
    },
    Note {
        note: String,
    },
    Close {
        outcome: Outcome,
        #[serde(default)]
        note: String,
    },
    Reopen {
        why: String,
    },
}

impl From<Wished> for Act {
    fn from(wished: Wished) -> Self {
        match wished {
            Wished::Claim => Self::Claim,
            Wished::OnTheWay => Self::SayOnTheWay,
            Wished::HandOver { to } => Self::HandOver { to },
            Wished::GiveBack { why } => Self::GiveBack { why: acts::text(&why) },
            Wished::Note { note } => Self::Note { note: acts::text(&note) },
            Wished::Close { outcome, note } => Self::Close { outcome, note: acts::text(&note) },
            Wished::Reopen { why } => Self::Reopen { why: acts::text(&why) },
        }
    }
}

pub(crate) async fn act(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(alert): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    let Some(who) = named(&state, &reader, &wish.by).await? else { return Ok(nobody()) };
    // A program that acts for a member does what she may do.
    let store = state.store().reader();
    let sight = Sight::of_member(store, &who, clock::now_ms()).await?;
    guard::look(store, &sight, &[Subject::Alert(alert.clone())]).await?;
    Ok(match acts::act(&state, &reader, &who, &alert, &wish.act.into()).await? {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(why) => refuse(&why),
    })
}

/// To whom a member hands over all that is hers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shift {
    #[serde(default)]
    by: String,
    to: String,
}

pub(crate) async fn hand_over(
    Shared(state): Shared<State>,
    reader: Reader,
    Json(shift): Json<Shift>,
) -> Result<Response, Refusal> {
    let Some(who) = named(&state, &reader, &shift.by).await? else { return Ok(nobody()) };
    Ok(match acts::hand_over_all(&state, &reader, &who, &shift.to).await? {
        Ok(handed_over) => Json(json!({ "handed_over": handed_over })).into_response(),
        Err(why) => refuse(&why),
    })
}

/// The member who does it: she who is signed in, or the one that a program names.
async fn named(state: &State, reader: &Reader, by: &str) -> Result<Option<String>, Refusal> {
    if reader.session.is_some() {
        return Ok(Some(reader.looker.who.clone()));
    }
    Ok(accounts::find(state.store().reader(), by).await?.map(|account| account.name))
}

fn nobody() -> Response {
    let why = "by must name a member who has an account; nothing was changed";
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": why }))).into_response()
}

fn refuse(why: &ActError) -> Response {
    (StatusCode::CONFLICT, Json(json!({ "error": format!("{why}; nothing was changed") }))).into_response()
}

fn alert(case: Case, story: &[Written], told: Vec<Told>, speaker: &Speaker) -> Alert {
    let (state, claim, closed) = match &case.alert.state {
        Stands::Open => ("open", None, None),
        Stands::Claimed(claim) => ("claimed", Some(claim), None),
        Stands::Closed { by, at_ms, outcome } => ("closed", None, Some((by.clone(), *at_ms, *outcome))),
    };
    let claimed_by = claim.map(|claim| claim.by.clone());
    let at = |ms: fn(&Claim) -> i64| claim.map(ms).map(time);
    let (claimed_at, last_word_at) = (at(|claim| claim.at_ms), at(|claim| claim.said_ms));
    let goes_back_at = at(|claim| claim.goes_back_ms);
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
        unanswered_since: case.unanswered.map(|unanswered| time(unanswered.since_ms)),
        claimed_by,
        on_the_way_at,
        claimed_at,
        last_word_at,
        goes_back_at,
        closed_at: closed.as_ref().map(|(_, at_ms, _)| time(*at_ms)),
        outcome: closed.as_ref().and_then(|(_, _, outcome)| *outcome),
        closed_by: closed.map(|(by, _, _)| by),
        lines: story.iter().map(line).collect(),
        told,
    }
}

fn tell(shown: Shown) -> Told {
    let attempt = |attempt: &outbox::Attempt| Attempt {
        began_at: time(attempt.began_ms),
        ended_at: attempt.ended.as_ref().map(|(at_ms, _)| time(*at_ms)),
        delivered: attempt.ended.as_ref().map(|(_, outcome)| matches!(outcome, course::Outcome::Delivered { .. })),
        said: attempt.ended.as_ref().map(|(_, outcome)| outcome.because().to_owned()),
    };
    Told {
        state: told::word(&shown),
        attempts: shown.attempts.iter().map(attempt).collect(),
        channel: shown.channel.as_str(),
        tried: shown.course.attempts,
        rung: shown.rung,
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
