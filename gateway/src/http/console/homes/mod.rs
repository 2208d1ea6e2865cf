//! The homes: which are heard, and what is wrong with their boxes. The silent ones come first.

pub(crate) mod listening;

use std::cmp::Reverse;

use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::alerts::health::ailments::Limits;
use crate::changes::Change;
use crate::duty::sight::lookout::Sight;
use crate::http::console::home::{books, facts, service};
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::work_list::{case, is_silent};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, live};
use crate::proof::service::Facts;
use crate::store::books::{self as store_books, Page as BookPage};
use crate::store::homes_page::{self, Agent, Home, Listed};
use crate::store::service as store_service;
use crate::wording::Lang;

/// So many homes are shown at once.
const MOST_HOMES: usize = 20;

/// Which homes to show.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    from: usize,
}

/// `GET /homes`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Query(part): Query<Part>,
) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let title = lang.pick("Hem", "Homes");
    let page = Page {
        title,
        moment: &moment,
        place: Place::Homes,
        path: &format!("/homes?from={}", part.from),
        reader: Some(&reader.looker.who),
        stream: Some(&format!("/homes/stream?from={}", part.from)),
        heading: heading(title, &moment),
        region: region(&state, &reader.sight, &moment, part).await?,
    };
    Ok(page.answer(StatusCode::OK))
}

/// `GET /homes/stream`
pub(crate) async fn stream(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Query(part): Query<Part>,
) -> Response {
    let concerns = |change: &Change| match change {
        Change::Home(_) | Change::WorkList => true,
        Change::Person(_) => false,
    };
    live::follow(state, reader, lang, concerns, move |state, reader, moment| async move {
        region(&state, &reader.sight, &moment, part).await
    })
}

async fn region(state: &State, sight: &Sight, moment: &Moment, part: Part) -> Result<Markup, Refusal> {
    let store = state.store().reader();
    let mut all = homes_page::list(store).await?;
    let ids: Vec<&str> = all.iter().map(|home| home.id.as_str()).collect();
    let hers = sight.homes(store, &ids).await?;
    all.retain(|home| hers.contains(&home.id));
    all.sort_by_key(|home| Reverse(is_silent_home(home, moment)));
    let shown: Vec<&str> = all.iter().skip(part.from).take(MOST_HOMES).map(|home| home.id.as_str()).collect();
    let homes = homes_page::read(store, &shown).await?;
    let agents: Vec<&str> = homes.iter().flat_map(|home| &home.agents).map(|agent| agent.id.as_str()).collect();
    let books = store_books::read(store, Some(&agents)).await?;
    let now_ms = moment.now.as_millisecond();
    let happened = store_service::facts(store, &shown, &state.0.silent_tests, now_ms).await?;
    let (lang, boxes) = (moment.lang, &state.0.judging.boxes);
    Ok(html! {
        (case::elsewhere(store, sight, "", lang).await?)
        (listening::gaps(store, moment).await?)
        @if all.is_empty() {
            p.card {
                @if sight.sees_everybody() {
                    (lang.pick("Det finns inget hem ännu.", "There is no home yet."))
                } @else {
                    (lang.pick("Det finns inget hem som dina team ansvarar för.", "There is no home that your teams are responsible for."))
                }
            }
        }
        div.homes { @for home in &homes { (card(home, happened.get(&home.id), &books, moment, boxes)) } }
        (other_parts(part, all.len(), lang))
    })
}

fn other_parts(part: Part, all: usize, lang: Lang) -> Markup {
    html! {
        @if all > MOST_HOMES {
            nav aria-label=(lang.pick("Fler hem", "More homes")) {
                p.actions {
                    span { (part.from + 1) "–" (all.min(part.from + MOST_HOMES)) (lang.pick(" av ", " of ")) (all) }
                    @if part.from > 0 {
                        a.plain href={ "/homes?from=" (part.from.saturating_sub(MOST_HOMES)) } { (lang.pick("Föregående", "Previous")) }
                    }
                    @if part.from + MOST_HOMES < all {
                        a.plain href={ "/homes?from=" (part.from + MOST_HOMES) } { (lang.pick("Nästa", "Next")) }
                    }
                }
            }
        }
    }
}

fn is_silent_home(home: &Listed, moment: &Moment) -> bool {
    home.is_in_service && is_silent(home.heard_ms, moment)
}

fn card(home: &Home, happened: Option<&Facts>, books: &[BookPage], moment: &Moment, boxes: &Limits) -> Markup {
    let lang = moment.lang;
    let id = format!("home-{}", home.id);
    let is_silent = home.agents.iter().any(|agent| agent.is_in_service() && is_silent(agent.last_heard_ms, moment));
    html! {
        section.card.home.silent[is_silent] aria-labelledby=(id) {
            h2 id=(id) { a href={ "/homes/" (home.id) } { (home.name) } }
            @if let Some(happened) = happened { p.service { (service::line(happened, moment)) } }
            @if home.agents.is_empty() { p.muted { (lang.pick("Ingen box ännu.", "No box yet.")) } }
            @for agent in &home.agents { (agent_part(home, agent, books, moment, boxes)) }
        }
    }
}

fn agent_part(home: &Home, agent: &Agent, books: &[BookPage], moment: &Moment, boxes: &Limits) -> Markup {
    let lang = moment.lang;
    let books: Vec<&BookPage> = books.iter().filter(|page| page.agent == agent.id).collect();
    html! {
        dl.facts {
            div { dt { (lang.pick("Förbindelse", "Connection")) } dd { (facts::connection(agent, lang)) } }
            div { dt { (lang.pick("Boxen hördes senast", "Box last heard")) } dd { (facts::last_heard(agent, moment)) } }
            div { dt { (lang.pick("Boxens radio", "The box's radio")) } dd { (facts::hearing(agent, moment)) } }
            div { dt { (lang.pick("Larmvägen provad", "Way for alarms proven")) } dd { (facts::proven(agent, moment)) } }
            div { dt { (lang.pick("Apparater", "Devices")) } dd { (home.devices.len()) } }
            div { dt { (lang.pick("Bokföringen", "The books")) } dd { (books::verdict(&books, lang)) } }
        }
        @let troubles = facts::troubles(home, agent, moment, boxes);
        @if !troubles.is_empty() {
            ul.troubles { @for trouble in &troubles { li.bad { (Icon::Warning) " " (trouble) } } }
        }
    }
}
