//! `GET /api/v1/teams`: the care teams, who works for them and who is on duty. `GET /api/v1/persons/{person}/teams`: which are
//! or were responsible for a person. `POST` there makes one responsible, `{"by": …, "team": …, "from": …, "until": …}`: for
//! programs only, as who may see a person's data depends on it.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::time;
use crate::clock;
use crate::duty::{Area, Purpose};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks, now};
use crate::store::access_log::{self, Action, Look};
use crate::store::person_page;
use crate::store::teams::{self, Commission, Responsibility, Team};

#[derive(Serialize)]
pub(crate) struct Teams {
    teams: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    area: Area,
    time_zone: String,
    is_fallback: bool,
    people: i64,
    commissions: Vec<Works>,
    on_duty: Vec<String>,
}

#[derive(Serialize)]
struct Works {
    member: String,
    purpose: Purpose,
    from: String,
    until: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct OfPerson {
    teams: Vec<Responsible>,
}

#[derive(Serialize)]
struct Responsible {
    team: String,
    name: String,
    area: Area,
    from: String,
    until: Option<String>,
}

/// A new responsibility, as a program sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    by: String,
    team: String,
    from: Option<String>,
    until: Option<String>,
}

pub(crate) async fn list(Shared(state): Shared<State>, _: Reader) -> Result<Json<Teams>, Refusal> {
    let now_ms = clock::now_ms();
    let mut reading = state.store().reader().acquire().await?;
    let people = teams::people(&mut *reading, now_ms).await?;
    let mut shown = Vec::new();
    for team in teams::all(&mut *reading).await? {
        let commissions = teams::commissions(&mut *reading, &team.id).await?;
        let on_duty = teams::on_duty(&mut reading, &team.id, now_ms).await?;
        let count = people.iter().find(|(id, _)| *id == team.id).map_or(0, |(_, count)| *count);
        shown.push(show(team, count, commissions, on_duty));
    }
    Ok(Json(Teams { teams: shown }))
}

fn show(team: Team, people: i64, commissions: Vec<Commission>, on_duty: Vec<String>) -> Shown {
    let Team { id, name, area, time_zone, is_fallback } = team;
    let works = |one: Commission| Works {
        member: one.member,
        purpose: one.purpose,
        from: time(one.from_ms),
        until: one.until_ms.map(time),
    };
    let commissions = commissions.into_iter().map(works).collect();
    Shown { id, name, area, time_zone, is_fallback, people, commissions, on_duty }
}

pub(crate) async fn of_person(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(person): Path<String>,
) -> Result<Json<OfPerson>, Refusal> {
    let store = state.store().reader();
    let person = person_page::find(store, &person).await?.ok_or(Refusal::NotFound)?;
    looks::note(&state, &reader, Action::FetchedTeams, Some(&person.id), "teams".to_owned()).await?;
    let shown = |(team, period): (Team, Responsibility)| Responsible {
        team: team.id,
        name: team.name,
        area: team.area,
        from: time(period.from_ms),
        until: period.until_ms.map(time),
    };
    Ok(Json(OfPerson { teams: teams::of_person(store, &person.id).await?.into_iter().map(shown).collect() }))
}

pub(crate) async fn make_responsible(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(person): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    if reader.session.is_some() {
        let why = "who is responsible for a person is said by programs and on the command line; nothing was changed";
        return Ok(refuse(StatusCode::FORBIDDEN, why));
    }
    let person = person_page::find(state.store().reader(), &person).await?.ok_or(Refusal::NotFound)?;
    let now_ms = clock::now_ms();
    let moment = |text: &String| text.parse::<Timestamp>().map(Timestamp::as_millisecond);
    let (from, until) = (wish.from.as_ref().map(moment).transpose(), wish.until.as_ref().map(moment).transpose());
    let by = wish.by.trim();
    let (Ok(from), Ok(until_ms), false) = (from, until, by.is_empty()) else {
        let why = "by must name a person, and from and until be as 2026-12-01T12:00:00Z; nothing was changed";
        return Ok(refuse(StatusCode::UNPROCESSABLE_ENTITY, why));
    };
    let from_ms = from.unwrap_or(now_ms);
    if until_ms.is_some_and(|until_ms| until_ms <= from_ms) {
        return Ok(refuse(StatusCode::UNPROCESSABLE_ENTITY, "until must be after from; nothing was changed"));
    }
    let mut work = state.store().work().await?;
    if teams::find(&mut *work, &wish.team).await?.is_none() {
        let why = "there is no such team; nothing was changed. GET /api/v1/teams lists them";
        return Ok(refuse(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let responsibility = Responsibility { person: person.id.clone(), team: wish.team.clone(), from_ms, until_ms };
    teams::make_responsible(&mut work, &responsibility, by, now_ms).await?;
    let what = format!("{} is responsible, says {by}", wish.team);
    let look = Look { action: Action::ChangedTeam, person: Some(&person.id), what, why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
