//! What needs a person, the most urgent first: presses, alerts, what waits for repeats, readings without a person.
//!
//! An empty list is never "all well": the page always says from how many homes it hears, and which are silent.

pub(crate) mod case;

use std::time::Duration;

use axum::Form;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use self::case::{Case, Wait};
use crate::changes::Change;
use crate::duty::sight::lookout::Sight;
use crate::http::acts;
use crate::http::console::alert::hand_over_form;
use crate::http::console::emergency;
use crate::http::console::homes::listening;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::unassigned;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, live, looks};
use crate::store::access_log::Action;
use crate::store::accounts;
use crate::store::work_list::{self, Heard, Unassigned};
use crate::wording::{Lang, device_kind};

/// A home that has said nothing for so long is silent. Boxes say something each minute.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(3 * 60);
/// So many rows of a kind are shown at once.
const MOST_ROWS: usize = 25;
/// A session that ends within this is told so beforehand.
const WARN_BEFORE_END: Duration = Duration::from_secs(30 * 60);

/// What to tell above the list.
#[derive(Deserialize)]
pub(crate) struct Note {
    said: Option<Said>,
}

/// Why something was not done.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    /// Nobody of that name has an account.
    Member,
}

/// `GET /`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Query(note): Query<Note>,
) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let region = region(&state, &reader, &moment).await?;
    let region = html! {
        @match note.said {
            Some(Said::Member) => p.notice role="alert" {
                (Icon::Warning)
                span { (lang.pick(
                    "Inget lämnades över: välj någon som har ett konto här. Dina ärenden är fortfarande dina.",
                    "Nothing was handed over: choose somebody who has an account here. What is yours is still yours.",
                )) }
            },
            None => {}
        }
        (region)
    };
    let title = lang.pick("Arbetslista", "Work list");
    let page = Page {
        title,
        moment: &moment,
        place: Place::WorkList,
        path: "/",
        reader: Some(&reader.looker.who),
        stream: Some("/stream"),
        heading: heading(title, &moment),
        region,
    };
    Ok(page.answer(StatusCode::OK))
}

/// To whom a member hands over.
#[derive(Deserialize)]
pub(crate) struct Shift {
    #[serde(default)]
    to: String,
}

/// `POST /hand-over`: all that she has claimed, as at the end of her shift.
pub(crate) async fn hand_over(
    Shared(state): Shared<State>,
    reader: Reader,
    Form(shift): Form<Shift>,
) -> Result<Response, Refusal> {
    if reader.session.is_none() {
        return Err(Refusal::Unknown);
    }
    let who = &reader.looker.who;
    Ok(match acts::hand_over_all(&state, &reader, who, &shift.to).await? {
        Ok(_) => Redirect::to("/").into_response(),
        Err(_) => Redirect::to("/?said=member").into_response(),
    })
}

/// `GET /stream`
pub(crate) async fn stream(Shared(state): Shared<State>, reader: Reader, lang: Lang) -> Response {
    let concerns = |change: &Change| match change {
        Change::WorkList => true,
        // Which homes are heard is shown anew with each sign of life; with many homes that is often enough.
        Change::Home(_) | Change::Person(_) => false,
    };
    live::follow(state, reader, lang, concerns, |state, reader, moment| async move {
        region(&state, &reader, &moment).await
    })
}

async fn region(state: &State, reader: &Reader, moment: &Moment) -> Result<Markup, Refusal> {
    let store = state.store().reader();
    let sight = &reader.sight;
    let cases = case::not_closed(store, sight).await?;
    let waiting = case::waiting(store, sight).await?;
    let mut unassigned = work_list::unassigned(store).await?;
    let homes: Vec<&str> = unassigned.iter().map(|queue| queue.home.as_str()).collect();
    let hers = sight.waiting(store, &homes).await?;
    unassigned.retain(|queue| hers.contains(&queue.home));
    let mut heard = work_list::heard(store).await?;
    let homes: Vec<&str> = heard.iter().map(|home| home.id.as_str()).collect();
    let hers = sight.homes(store, &homes).await?;
    heard.retain(|home| hers.contains(&home.id));
    let opened = emergency::before(state, reader).await?;
    let mut people: Vec<&str> = cases.iter().filter_map(|case| case.alert.person.as_deref()).collect();
    people.extend(waiting.iter().map(|wait| wait.waits.person.as_str()));
    people.extend(opened.iter().map(|emergency| emergency.person.as_str()));
    people.sort_unstable();
    people.dedup();
    looks::note_first(state, reader, Action::SawOnWorkList, &people).await?;

    let lang = moment.lang;
    let (alarms, others): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.is_alarm());
    let who = reader.looker.who.as_str();
    let mine = cases.iter().filter(|case| case.is_of(who)).count();
    let members = if mine > 0 { accounts::names(store).await? } else { Vec::new() };
    let nothing = cases.is_empty() && waiting.is_empty() && unassigned.is_empty() && opened.is_empty();
    Ok(html! {
        span data-title=(title(&alarms, lang)) hidden {}
        (ending(reader, moment))
        (listening::gaps(store, moment).await?)
        (list("alarms", lang.pick("Larm", "Alarms"), &alarms, who, moment))
        (list("alerts", lang.pick("Att ta hand om", "To take care of"), &others, who, moment))
        @if mine > 0 { (end_of_shift(mine, &members, who, lang)) }
        (waits(&waiting, moment))
        (without_person(&unassigned, moment))
        (emergency::list(&opened, moment))
        @if nothing { (nothing_waits(&heard, moment)) }
        (hearing(&heard, moment))
        (whom_she_sees(sight, lang))
    })
}

/// That the list is not of everybody, and where to go in an emergency.
fn whom_she_sees(sight: &Sight, lang: Lang) -> Markup {
    html! {
        @if !sight.cares() {
            p.notice {
                (Icon::Note)
                span {
                    (lang.pick(
                        "Du har inget vårduppdrag i något team och ser därför inga personer. Driften ger uppdrag: hempuls-gateway team commission.",
                        "You have no commission to care for people in any team, and so see nobody. Operations give commissions: \
                         hempuls-gateway team commission.",
                    ))
                }
            }
        } @else if !sight.sees_everybody() {
            p.muted {
                (lang.pick(
                    "Listan visar de personer som dina team ansvarar för, och det som de har fått besked om. ",
                    "The list shows the people that your teams are responsible for, and what they were told of. ",
                ))
                (emergency::way_in(lang))
            }
        }
    }
}

/// What the browser's tab says: how many presses nobody has taken.
fn title(alarms: &[&Case], lang: Lang) -> String {
    let ringing = alarms.iter().filter(|case| case.rings()).count();
    let name = lang.pick("Arbetslista – Hempuls", "Work list – Hempuls");
    if ringing == 0 { name.to_owned() } else { format!("({ringing}) {} – {name}", lang.pick("LARM", "ALARM")) }
}

fn list(id: &str, name: &str, cases: &[&Case], who: &str, moment: &Moment) -> Markup {
    html! {
        @if !cases.is_empty() {
            section.cases aria-labelledby=(id) {
                h2 id=(id) { (name) " " span.count { "(" (cases.len()) ")" } }
                ol { @for case in cases.iter().take(MOST_ROWS) { (case.row(who, moment)) } }
                (and_more(cases.len(), moment.lang))
            }
        }
    }
}

/// Lets her hand over at once all that she has claimed.
fn end_of_shift(mine: usize, members: &[String], who: &str, lang: Lang) -> Markup {
    let words = lang.pick(format!("Lämna över alla mina ({mine})"), format!("Hand over all mine ({mine})"));
    html! {
        section.card aria-labelledby="shift" {
            h2 #shift { (lang.pick("Slutar ditt pass?", "Does your shift end?")) }
            (hand_over_form("/hand-over", &words, members, who, lang))
        }
    }
}

fn waits(waiting: &[Wait], moment: &Moment) -> Markup {
    html! {
        @if !waiting.is_empty() {
            section.cases aria-labelledby="waiting" {
                h2 #waiting {
                    (moment.lang.pick("Väntar på ommätning", "Waiting for repeats")) " "
                    span.count { "(" (waiting.len()) ")" }
                }
                ol { @for wait in waiting.iter().take(MOST_ROWS) { (wait.row(moment)) } }
                (and_more(waiting.len(), moment.lang))
            }
        }
    }
}

fn without_person(unassigned: &[Unassigned], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @if !unassigned.is_empty() {
            section.cases aria-labelledby="unassigned" {
                h2 #unassigned {
                    (lang.pick("Mätningar utan person", "Readings without a person")) " "
                    span.count { "(" (unassigned.len()) ")" }
                }
                ol {
                    @for queue in unassigned.iter().take(MOST_ROWS) {
                        li.case.low {
                            div {
                                h3 {
                                    span.badge.low { (Icon::Question) (lang.pick("Utan person", "Unassigned")) }
                                    (device_kind(queue.kind.as_deref(), lang)) ", " (queue.home_name)
                                }
                                p.what { (how_many(queue.count, lang)) }
                                p.when {
                                    (lang.pick("Den första kom ", "The first came "))
                                    @if let Ok(at) = Timestamp::from_millisecond(queue.first_ms) { (moment.time_and_age(at)) }
                                    " · " code { (queue.device) }
                                }
                                p.actions {
                                    a.plain href=(unassigned::address(&queue.home, &queue.device)) {
                                        (lang.pick("Säg vems de är", "Say whose they are"))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn and_more(all: usize, lang: Lang) -> Markup {
    let more = all.saturating_sub(MOST_ROWS);
    html! {
        @if more > 0 {
            p.notice {
                (Icon::Warning)
                span { (more) " " (lang.pick("till visas när de ovanför är omhändertagna.", "more show when those above are taken care of.")) }
            }
        }
    }
}

fn how_many(count: i64, lang: Lang) -> String {
    match (lang, count) {
        (Lang::Sv, 1) => "1 mätning hör inte till någon person. Koppla apparaten till rätt person.".to_owned(),
        (Lang::Sv, _) => format!("{count} mätningar hör inte till någon person. Koppla apparaten till rätt person."),
        (Lang::En, 1) => "1 reading belongs to nobody. Assign the device to the right person.".to_owned(),
        (Lang::En, _) => format!("{count} readings belong to nobody. Assign the device to the right person."),
    }
}

fn nothing_waits(heard: &[Heard], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let last = heard.iter().filter_map(|home| home.heard_ms).max();
    html! {
        section.card aria-labelledby="nothing" {
            h2 #nothing { (lang.pick("Inget väntar på någon just nu", "Nothing waits for anybody just now")) }
            p {
                @match last.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                    Some(at) => {
                        (lang.pick("Senaste livstecknet från ett hem kom ", "The last sign of life from a home came "))
                        (moment.time_and_age(at)) "."
                    }
                    None => (lang.pick(
                        "Inget hem har hörts ännu. Listan säger alltså inget om hur någon mår.",
                        "No home has been heard yet. So the list says nothing about how anybody is.",
                    ))
                }
            }
        }
    }
}

/// From how many homes we hear, and which are silent.
fn hearing(heard: &[Heard], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let silent: Vec<&Heard> = heard.iter().filter(|home| is_silent(home.heard_ms, moment)).collect();
    let talking = heard.len() - silent.len();
    html! {
        section.card.silent[!silent.is_empty()] aria-labelledby="hearing" {
            h2 #hearing { (lang.pick("Hem som hörs", "Homes that are heard")) }
            @if heard.is_empty() {
                p { (lang.pick("Inget hem är i drift ännu.", "No home is in service yet.")) }
            } @else {
                p {
                    @if silent.is_empty() { span.good { (Icon::Tick) } } @else { span.bad { (Icon::Cross) } }
                    " " (talking) (lang.pick(" av ", " of ")) (heard.len()) " "
                    (lang.pick("hem har hörts av de senaste 3 minuterna.", "homes have been heard in the last 3 minutes."))
                }
            }
            @if !silent.is_empty() {
                p.bad { (lang.pick("Tysta hem, där ett larm kanske inte når fram:", "Silent homes, where an alarm may not get through:")) }
                ul {
                    @for home in silent.iter().take(10) {
                        li {
                            (home.name) ", "
                            @match home.heard_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                                Some(at) => { (lang.pick("hördes senast ", "last heard ")) (moment.time_and_age(at)) }
                                None => (lang.pick("har aldrig hörts", "never heard")),
                            }
                        }
                    }
                    @if silent.len() > 10 {
                        li { a href="/homes" { (silent.len() - 10) " " (lang.pick("hem till", "more homes")) } }
                    }
                }
            }
        }
    }
}

/// Whether a home has been silent too long.
pub(crate) fn is_silent(heard_ms: Option<i64>, moment: &Moment) -> bool {
    heard_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).is_none_or(|heard| moment.now - SILENT_AFTER > heard)
}

/// Says beforehand that the session will end, so that nobody's list goes dark unexpectedly.
fn ending(reader: &Reader, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let ends = reader.session.as_ref().map(|session| session.ends_at_the_latest());
    html! {
        @if let Some(ends) = ends.filter(|ends| moment.now + WARN_BEFORE_END > *ends) {
            p.notice {
                (Icon::Hourglass)
                span {
                    (lang.pick("Du loggas ut kl. ", "You will be signed out at ")) (moment.time(ends))
                    (lang.pick(", tolv timmar efter inloggningen. Logga ut och in igen innan dess.", ", twelve hours after signing in. Sign out and in again before that."))
                }
            }
        }
    }
}
