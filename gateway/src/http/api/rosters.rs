//! `GET /api/v1/teams/{team}/roster`: every version of a team's roster, the newest first, who is on duty and when nobody is.
//! `POST` there writes a new one, whole: `{"author": …, "reason": …, "roster": {…}}`, or with `"calendar"`, the text of an
//! iCalendar file, in the place of `"roster"`. `GET /api/v1/teams/{team}/roster.ics`: who is on duty, as such a file.

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::time;
use crate::changes::Change;
use crate::clock;
use crate::duty::desk::{self, NotWritten};
use crate::duty::ical;
use crate::duty::roster::Roster;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, now};
use crate::store::access_log::{self, Action, Look};
use crate::store::rosters::{self, Version};
use crate::store::teams;

/// So far ahead is looked for times with nobody on duty, and a file is written where nobody says until when.
const AHEAD_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// The longest time of one file.
const LONGEST_MS: i64 = 2 * 366 * 24 * 60 * 60 * 1000;

#[derive(Serialize)]
pub(crate) struct Rosters {
    team: String,
    on_duty: Vec<String>,
    gaps: Vec<Gap>,
    versions: Vec<Shown>,
}

#[derive(Serialize)]
struct Gap {
    from: String,
    until: String,
}

#[derive(Serialize)]
struct Shown {
    version: i64,
    from: String,
    until: Option<String>,
    author: String,
    reason: String,
    roster: Roster,
}

/// A new roster, as a program sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    #[serde(default)]
    author: String,
    reason: String,
    roster: Option<Roster>,
    calendar: Option<String>,
}

/// Which time a file is for.
#[derive(Deserialize)]
pub(crate) struct Time {
    from: Option<String>,
    until: Option<String>,
}

pub(crate) async fn show(
    Shared(state): Shared<State>,
    _: Reader,
    Path(team): Path<String>,
) -> Result<Json<Rosters>, Refusal> {
    let mut reading = state.store().reader().acquire().await?;
    let team = teams::find(&mut *reading, &team).await?.ok_or(Refusal::NotFound)?;
    let now_ms = clock::now_ms();
    let roster = rosters::at(&mut *reading, &team.id, now_ms).await?;
    let gaps = roster.map(|roster| roster.gaps(now_ms, now_ms + AHEAD_MS, &team.zone())).unwrap_or_default();
    let versions = rosters::versions(&mut *reading, &team.id).await?;
    Ok(Json(Rosters {
        on_duty: teams::on_duty(&mut reading, &team.id, now_ms).await?,
        gaps: gaps.into_iter().map(|(from, until)| Gap { from: time(from), until: time(until) }).collect(),
        versions: versions.into_iter().map(shown).collect(),
        team: team.id,
    }))
}

pub(crate) async fn change(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(team): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    let now_ms = clock::now_ms();
    let mut work = state.store().work().await?;
    let team = teams::find(&mut *work, &team).await?.ok_or(Refusal::NotFound)?;
    let author = match &reader.session {
        Some(_) if !teams::may_change(&mut *work, &team.id, &reader.looker.who, now_ms).await? => {
            return Ok(refuse(
                StatusCode::FORBIDDEN,
                "only who works for the team changes its roster; nothing was changed",
            ));
        }
        Some(_) => &reader.looker.who,
        None => &wish.author,
    };
    let roster = match (wish.roster, wish.calendar) {
        (Some(roster), None) => roster,
        (None, Some(calendar)) => {
            let members = teams::may_be_on_duty(&mut *work, &team.id, now_ms).await?;
            let is_member = |name: &str| members.iter().any(|member| member == name);
            match ical::read(calendar.as_bytes(), &team.time_zone, &team.zone(), &is_member) {
                Ok(shifts) => Roster { shifts, changes: Vec::new() },
                Err(refused) => return Ok(unsound(&refused)),
            }
        }
        (Some(_), Some(_)) | (None, None) => return Ok(unsound(&"send either roster or calendar")),
    };
    match desk::write(&mut work, &team, &roster, None, (author, &wish.reason), now_ms).await {
        Ok(()) => {}
        Err(NotWritten::Store(error)) => return Err(error.into()),
        Err(why) => return Ok(unsound(&why)),
    }
    let what = format!("roster of {}", team.id);
    let look = Look { action: Action::ChangedRoster, person: None, what, why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    state.0.changes.tell([Change::WorkList]);
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn calendar(
    Shared(state): Shared<State>,
    _: Reader,
    Path(team): Path<String>,
    Query(of): Query<Time>,
) -> Result<Response, Refusal> {
    let mut reading = state.store().reader().acquire().await?;
    let team = teams::find(&mut *reading, &team).await?.ok_or(Refusal::NotFound)?;
    let now_ms = clock::now_ms();
    let roster = rosters::at(&mut *reading, &team.id, now_ms).await?.ok_or(Refusal::NotFound)?;
    let moment = |text: String| text.parse::<Timestamp>().map(Timestamp::as_millisecond);
    let (from, until) = (of.from.map(moment).transpose(), of.until.map(moment).transpose());
    let (Ok(from), Ok(until)) = (from, until) else { return Err(Refusal::Malformed) };
    let from_ms = from.unwrap_or(now_ms);
    let until_ms = until.unwrap_or(from_ms.saturating_add(AHEAD_MS));
    if !(1..=LONGEST_MS).contains(&until_ms.saturating_sub(from_ms)) {
        return Ok(unsound(&"until must be after from, and within two years of it"));
    }
    let text = ical::write(&team.name, &roster, &team.zone(), (from_ms, until_ms), now_ms);
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"roster.ics\""),
    ];
    Ok((headers, text).into_response())
}

fn unsound(why: &dyn std::fmt::Display) -> Response {
    refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("{why}; nothing was changed"))
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

fn shown(version: Version) -> Shown {
    Shown {
        version: version.version,
        from: time(version.from_ms),
        until: version.until_ms.map(time),
        author: version.author,
        reason: version.reason,
        roster: version.roster,
    }
}
