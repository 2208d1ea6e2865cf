//! One home: its boxes and what they say of themselves, its devices, what else is heard there, and the books (P2).

pub(crate) mod books;
pub(crate) mod device;
mod devices;
pub(crate) mod facts;
pub(crate) mod nearby;
pub(crate) mod service;
mod verdict;

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::changes::Change;
use crate::duty::sight::lookout::Sight;
use crate::http::console::homes::listening;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, live};
use crate::store::books::{self as store_books, Entry, Page as BookPage};
use crate::store::homes_page::{self, Agent, Home};
use crate::store::service as store_service;
use crate::wording::Lang;

/// So much of what a box said of itself is shown, the newest.
const MOST_ENTRIES: u32 = 20;

/// What just happened, told once above the page.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    /// A device was added.
    Added,
    /// A device was taken out.
    Removed,
    /// A button counts anew.
    Battery,
    /// That is no address.
    Address,
}

/// What to tell above the page.
#[derive(Deserialize)]
pub(crate) struct Note {
    said: Option<Said>,
}

/// `GET /homes/{home}`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(home): Path<String>,
    Query(note): Query<Note>,
) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let home = find(&state, &home).await?;
    let region = region(&state, &reader.sight, &moment, &home).await?;
    let region = html! {
        @if let Some(said) = note.said { (said_words(said, lang)) }
        (region)
    };
    let page = Page {
        title: &home.name,
        moment: &moment,
        place: Place::Elsewhere,
        path: &format!("/homes/{}", home.id),
        reader: Some(&reader.looker.who),
        stream: Some(&format!("/homes/{}/stream", home.id)),
        heading: heading(&home.name, &moment),
        region,
    };
    Ok(page.answer(StatusCode::OK))
}

/// `GET /homes/{home}/stream`
pub(crate) async fn stream(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(home): Path<String>,
) -> Result<Response, Refusal> {
    let id = find(&state, &home).await?.id;
    let concerns = move |change: &Change| match change {
        Change::Home(changed) => *changed == id,
        Change::WorkList => true,
        Change::Person(_) => false,
    };
    Ok(live::follow(state, reader, lang, concerns, move |state, reader, moment| {
        let home = home.clone();
        async move { region(&state, &reader.sight, &moment, &find(&state, &home).await?).await }
    }))
}

async fn find(state: &State, home: &str) -> Result<Home, Refusal> {
    homes_page::read(state.store().reader(), &[home]).await?.pop().ok_or(Refusal::NotFound)
}

async fn region(state: &State, sight: &Sight, moment: &Moment, home: &Home) -> Result<Markup, Refusal> {
    let store = state.store().reader();
    let agents: Vec<&str> = home.agents.iter().map(|agent| agent.id.as_str()).collect();
    let books = store_books::read(store, Some(&agents)).await?;
    let entries = store_books::entries(store, &agents, MOST_ENTRIES).await?;
    let heard = nearby::heard(store, home).await?;
    let facts = store_service::of_home(store, &home.id, &state.0.silent_tests, moment.now.as_millisecond()).await?;
    let mut boxes = Vec::new();
    for agent in &home.agents {
        let wanted = wanted(state, agent).await?;
        boxes.push(agent_part(agent, wanted, &books, &entries, moment));
    }
    let lang = moment.lang;
    let limits = &state.0.judging.boxes;
    let troubles: Vec<String> =
        home.agents.iter().flat_map(|agent| facts::troubles(home, agent, moment, limits)).collect();
    Ok(html! {
        (case::elsewhere(store, sight, "", lang).await?)
        (listening::gaps(store, moment).await?)
        @if home.agents.is_empty() { p.card { (lang.pick("Ingen box ännu.", "No box yet.")) } }
        @if !troubles.is_empty() {
            section.card aria-labelledby="troubles" {
                h2 #troubles { (lang.pick("Att åtgärda", "To put right")) }
                ul.troubles { @for trouble in &troubles { li.bad { (Icon::Warning) " " (trouble) } } }
            }
        }
        (service::section(&facts, moment))
        (devices::table(home, moment))
        (nearby::list(home, &heard, moment))
        @for part in boxes { (part) }
        p.actions { a.plain href="/homes" { (lang.pick("Alla hem", "All homes")) } }
    })
}

/// The revision of the configuration that a box should use.
pub(crate) async fn wanted(state: &State, agent: &Agent) -> Result<Option<u64>, Refusal> {
    let Ok(id) = agent.id.parse() else { return Ok(None) };
    let (zone, every_s) = (&state.0.time_zone, state.0.silent_tests.every_s());
    Ok(crate::store::devices::told(state.store().reader(), &id, zone, every_s).await?.map(|home| home.revision))
}

fn agent_part(agent: &Agent, wanted: Option<u64>, books: &[BookPage], entries: &[Entry], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let id = format!("box-{}", agent.id);
    let books: Vec<&BookPage> = books.iter().filter(|page| page.agent == agent.id).collect();
    let entries: Vec<&Entry> = entries.iter().filter(|entry| entry.agent == agent.id).collect();
    html! {
        section.card.home aria-labelledby=(id) {
            h2 id=(id) { (lang.pick("Boxen", "The box")) }
            (verdict::verdict(agent, &books, moment))
            (facts::all(agent, wanted, moment))
            @if !books.is_empty() { (books::table(&agent.id, &books, lang)) }
            (books::entries(&entries, moment))
        }
    }
}

fn said_words(said: Said, lang: Lang) -> Markup {
    let words = match said {
        Said::Added => lang.pick(
            "Apparaten är tillagd. Boxen får veta det nu; inom en minut syns det här om den har tagit emot den.",
            "The device is added. The box is told now; within a minute it shows here whether it has taken it on.",
        ),
        Said::Removed => lang.pick("Apparaten är borttagen.", "The device is removed."),
        Said::Address => lang.pick(
            "Det är ingen adress. En adress ser ut så här: F0:F1:F2:F3:F4:F5.",
            "That is no address. An address looks like this: F0:F1:F2:F3:F4:F5.",
        ),
        Said::Battery => lang.pick("Knappen räknar om från början.", "The button counts anew."),
    };
    html! { p.notice.done[said != Said::Address] role="status" { (Icon::Note) span { (words) } } }
}
