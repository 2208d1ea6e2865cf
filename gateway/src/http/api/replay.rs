//! `POST /api/v1/replay`: what other limits would have done for these people. It writes nothing but who has looked, and why:
//! `{"people": […], "from": "2026-05-01T00:00:00Z", "to": …, "limits": {"systolic_above": 160}, "why": …}`. A limit of `null`
//! is none; what is not named is as it was. `"plan": {…}` in the place of `standard` and `limits` tries that plan's limits, and
//! no others.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::clock;
use crate::duty::Area;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, now};
use crate::plan::{Limit, Plan, Standard, Tenths};
use crate::replay::report::{Question, Report};
use crate::replay::{History, Tried, WARM_UP_MS};
use crate::store::access_log::{self, Action, Look};
use crate::store::history;

/// So many days of people are judged for one request at most: some seconds. `hempuls-gateway replay` knows no such limit.
const MOST_DAYS: i64 = 100 * 366;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    people: Vec<String>,
    from: String,
    to: Option<String>,
    standard: Option<Standard>,
    #[serde(default)]
    limits: BTreeMap<Limit, Option<Tenths>>,
    plan: Option<Plan>,
    why: String,
}

impl Wish {
    fn tried(&self) -> Option<Tried> {
        let is_plain = self.standard.is_none() && self.limits.is_empty();
        match &self.plan {
            Some(plan) => is_plain.then(|| Tried::of(plan)),
            None if is_plain => Some(Tried::AsTheyWere),
            None => Some(Tried::But { standard: self.standard, limits: self.limits.clone() }),
        }
    }
}

pub(crate) async fn replay(
    Shared(state): Shared<State>,
    reader: Reader,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    let now_ms = clock::now_ms();
    let moment = |text: &str| text.parse().map(Timestamp::as_millisecond);
    let (Ok(from_ms), Ok(to_ms)) = (moment(&wish.from), wish.to.as_deref().map_or(Ok(now_ms), moment)) else {
        return Ok(refuse("from and to must be moments such as 2026-05-01T00:00:00Z; nothing was looked at"));
    };
    let to_ms = to_ms.min(now_ms);
    let why = wish.why.trim();
    let Some(tried) = wish.tried() else {
        return Ok(refuse("name a plan, or standard and limits, not both; nothing was looked at"));
    };
    if why.is_empty() || wish.people.is_empty() || from_ms >= to_ms {
        return Ok(refuse("why must say why, people whose, and from must be before to and now; nothing was looked at"));
    }
    let days = i64::try_from(wish.people.len()).unwrap_or(i64::MAX).saturating_mul((to_ms - from_ms) / DAY_MS);
    if days > MOST_DAYS {
        return Ok(refuse(
            "that is more than a hundred years of people; ask for fewer, or use `hempuls-gateway replay`; nothing was looked at",
        ));
    }
    let what = format!("readings from {} to {}", super::time(from_ms), super::time(to_ms));
    let look = |person| Look { action: Action::Replayed, person: Some(person), what: what.clone(), why };
    let store = state.store().reader();
    let mut known = Vec::new();
    for person in &wish.people {
        known.push(history::is_known(store, person).await?);
    }
    if known.contains(&false) {
        return Err(Refusal::NotFound);
    }
    let ids: Vec<&str> = wish.people.iter().map(String::as_str).collect();
    let hers = reader.sight.people(store, &ids, Some(Area::HealthCare)).await?;
    if !wish.people.iter().all(|person| hers.contains(person)) {
        return Err(Refusal::NotHers);
    }
    let looks: Vec<Look<'_>> = wish.people.iter().map(|person| look(person.as_str())).collect();
    let mut work = state.store().work().await?;
    access_log::write(&mut work, &reader.looker, &looks, now()).await?;
    work.commit().await?;
    let asked = Asked { state: state.clone(), tried, from_ms, to_ms };
    let mut report = asked.question().nobody();
    for person in &wish.people {
        let history = history::of_person(store, person, from_ms.saturating_sub(WARM_UP_MS), to_ms).await?;
        let history = history.ok_or(Refusal::NotFound)?;
        report = asked.add(report, history).await?;
    }
    Ok(Json(report).into_response())
}

/// What is asked, as it is handed to a thread that may be busy for a while.
#[derive(Clone)]
struct Asked {
    state: State,
    tried: Tried,
    from_ms: i64,
    to_ms: i64,
}

impl Asked {
    fn question(&self) -> Question<'_> {
        let Self { state, tried, from_ms, to_ms } = self;
        Question { tried, from_ms: *from_ms, to_ms: *to_ms, settings: &state.0.judging }
    }

    async fn add(&self, mut report: Report, history: History) -> Result<Report, Refusal> {
        let asked = self.clone();
        let judged = tokio::task::spawn_blocking(move || {
            asked.question().add(&mut report, &history);
            report
        });
        judged.await.map_err(|error| {
            tracing::error!(%error, "a replay has failed");
            Refusal::StoreFails
        })
    }
}

fn refuse(why: &str) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": why }))).into_response()
}
