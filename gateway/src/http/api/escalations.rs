//! `GET /api/v1/teams/{team}/escalation`: what a team does, rung by rung, while nobody takes an alert. `POST` there writes a
//! new plan, `{"by": …, "plan": {…}}`, whole; whoever is signed in is its author herself.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::time;
use crate::clock;
use crate::escalation::{self, plan::Plan};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, now};
use crate::store::access_log::{self, Action, Look};
use crate::store::{escalations, teams};

#[derive(Serialize)]
pub(crate) struct Shown {
    team: String,
    /// Who wrote it; nobody, where it is what is usual.
    set_by: Option<String>,
    set_at: Option<String>,
    plan: Plan,
}

/// A new plan, as a program sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    #[serde(default)]
    by: String,
    plan: Plan,
}

pub(crate) async fn show(
    Shared(state): Shared<State>,
    _: Reader,
    Path(team): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let store = state.store().reader();
    let team = teams::find(store, &team).await?.ok_or(Refusal::NotFound)?;
    let written = escalations::plan(store, &team.id).await?;
    let shown = match written {
        Some((plan, by, at_ms)) => Shown { team: team.id, set_by: Some(by), set_at: Some(time(at_ms)), plan },
        None => Shown { plan: Plan::usual(team.is_fallback), team: team.id, set_by: None, set_at: None },
    };
    Ok(Json(shown))
}

pub(crate) async fn change(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(team): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    let mut work = state.store().work().await?;
    let team = teams::find(&mut *work, &team).await?.ok_or(Refusal::NotFound)?;
    let by = if reader.session.is_some() { reader.looker.who.trim() } else { wish.by.trim() };
    if by.is_empty() {
        return Ok(refuse("by must name a person; nothing was changed"));
    }
    if let Err(wrong) = wish.plan.check() {
        return Ok(refuse(&format!("{wrong}; nothing was changed")));
    }
    if let Some(unknown) = escalation::unknown(&mut work, &wish.plan).await? {
        return Ok(refuse(&format!("{unknown}; nothing was changed")));
    }
    escalations::set_plan(&mut work, &team.id, &wish.plan, by, clock::now_ms()).await?;
    let what = format!("{} has a new escalation plan, says {by}", team.id);
    let look = Look { action: Action::ChangedTeam, person: None, what, why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn refuse(why: &str) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": why }))).into_response()
}
