//! `GET /api/v1/persons/{person}/plan`: every version of a person's plan, the newest first. `POST` there writes a new one:
//! `{"author": …, "reason": …, "plan": {…}}`, whole; whoever is signed in is the author herself.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::time;
use crate::alerts::reviews;
use crate::changes::Change;
use crate::clock;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks, now};
use crate::plan::{Plan, Version};
use crate::store::access_log::{self, Action, Look};
use crate::store::{person_page, plans};

#[derive(Serialize)]
pub(crate) struct Plans {
    versions: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    version: i64,
    from: String,
    until: Option<String>,
    author: String,
    reason: String,
    plan: Plan,
}

/// A new plan, as a program sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    #[serde(default)]
    author: String,
    reason: String,
    plan: Plan,
}

pub(crate) async fn show(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(person): Path<String>,
) -> Result<Json<Plans>, Refusal> {
    let store = state.store().reader();
    let person = person_page::find(store, &person).await?.ok_or(Refusal::NotFound)?;
    looks::note(&state, &reader, Action::FetchedPlan, Some(&person.id), "plan".to_owned()).await?;
    let versions = plans::versions(store, &person.id).await?;
    Ok(Json(Plans { versions: versions.into_iter().map(shown).collect() }))
}

pub(crate) async fn change(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(person): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    let person = person_page::find(state.store().reader(), &person).await?.ok_or(Refusal::NotFound)?;
    let author = if reader.session.is_some() { &reader.looker.who } else { &wish.author };
    let (author, reason) = (author.trim(), wish.reason.trim());
    let now_ms = clock::now_ms();
    if author.is_empty() || reason.is_empty() {
        return Ok(refuse("author must name a person, and reason must say why; nothing was changed"));
    }
    if let Err(wrong) = wish.plan.check(now_ms, &state.0.zone) {
        return Ok(refuse(&format!("{wrong}; nothing was changed")));
    }
    let mut work = state.store().work().await?;
    reviews::change_plan(&mut work, &person.id, &wish.plan, (author, reason), &state.0.zone, now_ms).await?;
    let look =
        Look { action: Action::ChangedPlan, person: Some(&person.id), what: "plan".to_owned(), why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    state.0.changes.tell([Change::Person(person.id)]);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn refuse(why: &str) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": why }))).into_response()
}

fn shown(version: Version) -> Shown {
    Shown {
        version: version.version,
        from: time(version.from_ms),
        until: version.until_ms.map(time),
        author: version.author,
        reason: version.reason,
        plan: version.plan,
    }
}
