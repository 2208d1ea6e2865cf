//! The interface for programs: JSON, for whoever holds the API token or is signed in.

mod alerts;
mod books;
mod escalations;
mod homes;
mod plans;
mod readings;
mod replay;
mod rosters;
mod teams;

use axum::Router;
use axum::routing::{get, post};
use jiff::Timestamp;

use crate::http::State;

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/books", get(books::list))
        .route("/homes", get(homes::list))
        .route("/readings", get(readings::list))
        .route("/alerts", get(alerts::list))
        .route("/alerts/hand-over", post(alerts::hand_over))
        .route("/alerts/{alert}", post(alerts::act))
        .route("/persons/{person}/plan", get(plans::show).post(plans::change))
        .route("/teams", get(teams::list))
        .route("/teams/{team}/roster", get(rosters::show).post(rosters::change))
        .route("/teams/{team}/roster.ics", get(rosters::calendar))
        .route("/teams/{team}/escalation", get(escalations::show).post(escalations::change))
        .route("/persons/{person}/teams", get(teams::of_person).post(teams::make_responsible))
        .route("/replay", post(replay::replay))
}

/// A moment as RFC 3339 has it.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
