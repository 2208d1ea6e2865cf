//! The care team's console: one folder for each page.

pub(crate) mod alert;
pub(crate) mod emergency;
pub(crate) mod gateway;
pub(crate) mod home;
pub(crate) mod homes;
pub(crate) mod icons;
pub(crate) mod layout;
pub(crate) mod login;
pub(crate) mod moments;
pub(crate) mod person;
pub(crate) mod plan;
pub(crate) mod team;
pub(crate) mod teams;
pub(crate) mod unassigned;
pub(crate) mod values;
pub(crate) mod work_list;

use axum::Router;
use axum::routing::{get, post};

use crate::http::{State, language};

/// The console's pages, their streams and what can be done on them.
pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/login", get(login::page).post(login::sign_in))
        .route("/logout", post(login::sign_out))
        .route("/language/{lang}", get(language::choose))
        .route("/", get(work_list::page))
        .route("/stream", get(work_list::stream))
        .route("/hand-over", post(work_list::hand_over))
        .route("/persons/{person}", get(person::page))
        .route("/persons/{person}/stream", get(person::stream))
        .route("/persons/{person}/plan", get(plan::page).post(plan::change))
        .route("/persons/{person}/number", get(person::number::back).post(person::number::page))
        .route("/alerts/{alert}", get(alert::page))
        .route("/alerts/{alert}/stream", get(alert::stream))
        .route("/alerts/{alert}/claim", post(alert::claim))
        .route("/alerts/{alert}/on-the-way", post(alert::on_the_way))
        .route("/alerts/{alert}/shown/{rung_ms}", post(alert::shown))
        .route("/alerts/{alert}/battery-changed", post(alert::battery_changed))
        .route("/alerts/{alert}/hand-over", post(alert::hand_over))
        .route("/alerts/{alert}/give-back", post(alert::give_back))
        .route("/alerts/{alert}/note", post(alert::note))
        .route("/alerts/{alert}/close", post(alert::close))
        .route("/alerts/{alert}/reopen", post(alert::reopen))
        .route("/emergency", get(emergency::page).post(emergency::open))
        .route("/emergency/{emergency}/reviewed", post(emergency::reviewed))
        .route("/gateway", get(gateway::page))
        .route("/gateway/stream", get(gateway::stream))
        .route("/teams", get(teams::page))
        .route("/teams/{team}", get(team::page))
        .route("/teams/{team}/changes", post(team::change))
        .route("/teams/{team}/changes/remove", post(team::take_back))
        .route("/homes", get(homes::page))
        .route("/homes/stream", get(homes::stream))
        .route("/homes/{home}", get(home::page))
        .route("/homes/{home}/stream", get(home::stream))
        .route("/homes/{home}/unassigned/{device}", get(unassigned::page).post(unassigned::decide))
        .route("/homes/{home}/unassigned/{device}/undo", post(unassigned::undo))
        .route("/homes/{home}/devices", get(home::device::find))
        .route("/homes/{home}/devices/{device}", get(home::device::page))
        .route("/homes/{home}/devices/{device}/add", post(home::device::add))
        .route("/homes/{home}/devices/{device}/remove", post(home::device::remove))
        .route("/homes/{home}/devices/{device}/battery-changed", post(home::device::battery_changed))
}
