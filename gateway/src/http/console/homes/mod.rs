//! The homes: which are heard, their boxes and devices, and the books of each lane (P2). The silent ones come first.

use std::cmp::Reverse;
use std::collections::HashMap;

use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use crate::changes::Change;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::work_list::{case, is_silent};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, live};
use crate::store::books::{self, Page as BookPage};
use crate::store::homes_page::{self, Agent, Device, Home};
use crate::wording::{Lang, device_kind};

/// A battery at or below this is to be changed.
const LOW_BATTERY: u8 = 15;

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
        region: region(&state, &moment, part).await?,
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
    live::follow(
        state,
        reader,
        lang,
        concerns,
        move |state, _, moment| async move { region(&state, &moment, part).await },
    )
}

async fn region(state: &State, moment: &Moment, part: Part) -> Result<Markup, Refusal> {
    let store = state.store().reader();
    let mut homes = homes_page::homes(store).await?;
    let mut of_agent: HashMap<String, Vec<BookPage>> = HashMap::new();
    for page in books::read(store).await? {
        of_agent.entry(page.agent.clone()).or_default().push(page);
    }
    homes.sort_by_key(|home| (Reverse(is_silent_home(home, moment)), home.name.clone()));
    let lang = moment.lang;
    Ok(html! {
        (case::elsewhere(store, "", lang).await?)
        @if homes.is_empty() {
            p.card { (lang.pick("Det finns inget hem ännu.", "There is no home yet.")) }
        }
        div.homes { @for home in homes.iter().skip(part.from).take(MOST_HOMES) { (card(home, &of_agent, moment)) } }
        (other_parts(part, homes.len(), lang))
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

fn is_silent_home(home: &Home, moment: &Moment) -> bool {
    home.agents.iter().any(|agent| is_in_service(agent) && is_silent(agent.last_heard_ms, moment))
}

fn is_in_service(agent: &Agent) -> bool {
    agent.enrolled_ms.is_some() && agent.revoked_ms.is_none()
}

fn card(home: &Home, of_agent: &HashMap<String, Vec<BookPage>>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let id = format!("home-{}", home.id);
    html! {
        section.card.home.silent[is_silent_home(home, moment)] aria-labelledby=(id) {
            h2 id=(id) { (home.name) }
            @if home.agents.is_empty() { p.muted { (lang.pick("Ingen box ännu.", "No box yet.")) } }
            @for agent in &home.agents { (agent_part(agent, of_agent.get(&agent.id).map_or(&[], Vec::as_slice), moment)) }
        }
    }
}

fn agent_part(agent: &Agent, books: &[BookPage], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        dl.facts {
            div { dt { (lang.pick("Förbindelse", "Connection")) } dd { (connection(agent, lang)) } }
            div {
                dt { (lang.pick("Boxen hördes senast", "Box last heard")) }
                dd.bad[is_in_service(agent) && is_silent(agent.last_heard_ms, moment)] { (heard(agent.last_heard_ms, moment)) }
            }
            div {
                dt { (lang.pick("Boxen hörde senast en apparat", "Box last heard a device")) }
                dd { (heard(agent.radio_heard_ms, moment)) }
            }
            div {
                dt { (lang.pick("Box", "Box")) }
                dd {
                    code { (agent.id) }
                    @if let Some(version) = &agent.version { ", version " (version) }
                }
            }
            div { dt { (lang.pick("Boxens klocka", "The box's clock")) } dd { (clock_trust(agent.clock_trust.as_deref(), lang)) } }
            @if let Some(at) = agent.certificate_expires_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                div { dt { (lang.pick("Certifikatet gäller till", "Certificate valid until")) } dd { (moment.time(at)) } }
            }
        }
        @if !agent.devices.is_empty() { (devices(agent, moment)) }
        @if !books.is_empty() { (book_table(agent, books, moment)) }
    }
}

fn connection(agent: &Agent, lang: Lang) -> Markup {
    html! {
        @if agent.revoked_ms.is_some() {
            span.bad { (Icon::Cross) " " (lang.pick("avstängd", "cut off")) }
        } @else if agent.enrolled_ms.is_none() {
            span { (Icon::Hourglass) " " (lang.pick("inte inkopplad än", "not enrolled yet")) }
        } @else if agent.connected {
            span.good { (Icon::Tick) " " (lang.pick("ansluten", "connected")) }
        } @else {
            span.bad { (Icon::Cross) " " (lang.pick("inte ansluten", "not connected")) }
        }
    }
}

fn heard(at_ms: Option<i64>, moment: &Moment) -> Markup {
    html! {
        @match at_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
            Some(at) => (moment.time_and_age(at)),
            None => (moment.lang.pick("aldrig", "never")),
        }
    }
}

fn clock_trust(trust: Option<&str>, lang: Lang) -> &'static str {
    match trust {
        Some("synchronised") => lang.pick("ställd av en tidsserver", "kept by a time server"),
        Some("estimated") => lang.pick("ungefärlig", "approximate"),
        Some(_) => lang.pick("inte ställd", "not set"),
        None => lang.pick("okänd", "unknown"),
    }
}

fn devices(agent: &Agent, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let id = format!("devices-{}", agent.id);
    html! {
        div.scroll id=(id) tabindex="0" role="region" aria-labelledby={ (id) "-caption" } {
            table {
                caption id={ (id) "-caption" } { (lang.pick("Apparater", "Devices")) }
                thead {
                    tr {
                        th scope="col" { (lang.pick("Apparat", "Device")) }
                        th scope="col" { (lang.pick("Adress", "Address")) }
                        th.n scope="col" { (lang.pick("Batteri", "Battery")) }
                        th scope="col" { (lang.pick("Senast hörd", "Last heard")) }
                    }
                }
                tbody { @for device in &agent.devices { (device_row(device, moment)) } }
            }
        }
    }
}

fn device_row(device: &Device, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        tr {
            th scope="row" { (device_kind(device.kind.as_deref(), lang)) }
            td { code { (device.id) } }
            td.n {
                @match device.battery {
                    Some(percent) if percent <= LOW_BATTERY => span.bad { (Icon::Warning) " " (percent) " % " (lang.pick("lågt", "low")) },
                    Some(percent) => { (percent) " %" }
                    None => (lang.pick("okänt", "unknown")),
                }
            }
            td { (heard(device.heard_ms, moment)) }
        }
    }
}

fn book_table(agent: &Agent, books: &[BookPage], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let id = format!("books-{}", agent.id);
    html! {
        div.scroll id=(id) tabindex="0" role="region" aria-labelledby={ (id) "-caption" } {
            table {
                caption id={ (id) "-caption" } {
                    (lang.pick(
                        "Bokföring: boxen har tagit emot = sparade + upprepade + oläsliga + flyttade + förlorade + väntande",
                        "Books: taken by the box = stored + repeated + unreadable + moved + lost + waiting",
                    ))
                }
                thead {
                    tr {
                        th scope="col" { (lang.pick("Kö", "Lane")) }
                        @for name in columns(lang) { th.n scope="col" { (name) } }
                        th scope="col" { (lang.pick("Stämmer", "Balanced")) }
                    }
                }
                tbody { @for page in books { (book_row(page, lang)) } }
            }
        }
    }
}

fn columns(lang: Lang) -> [&'static str; 7] {
    lang.pick(
        ["Tagna", "Sparade", "Upprepade", "Oläsliga", "Flyttade", "Förlorade", "Väntar"],
        ["Taken", "Stored", "Repeated", "Unreadable", "Moved", "Lost", "Waiting"],
    )
}

fn book_row(page: &BookPage, lang: Lang) -> Markup {
    let line = &page.line;
    let lane = if page.lane == "alarm" { lang.pick("Larm", "Alarms") } else { lang.pick("Mätningar", "Readings") };
    html! {
        tr {
            th scope="row" {
                (lane)
                @if page.closed { (lang.pick(", avslutad", ", ended")) }
                " " code { (page.epoch.get(..6).unwrap_or(&page.epoch)) }
            }
            @for number in [line.taken, line.stored, line.repeated, line.quarantined, line.moved] { td.n { (number) } }
            td.n { @if line.lost > 0 { span.bad { (Icon::Warning) " " (line.lost) } } @else { "0" } }
            td.n { (line.waiting) }
            td {
                @if page.balanced {
                    span.good { (Icon::Tick) " " (lang.pick("ja", "yes")) }
                } @else {
                    span.bad { (Icon::Cross) " " (lang.pick("nej", "no")) }
                }
            }
        }
    }
}
