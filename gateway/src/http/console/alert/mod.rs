//! One alert: why it is there, its story, and who takes care of it.

use axum::Form;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use crate::alerts::alert::{NotNow, State as Stands};
use crate::alerts::{self, Act, ActError, Line};
use crate::changes::Change;
use crate::clock;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::work_list::case::{self, Case};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, live, looks};
use crate::store::access_log::{self, Action, Look};
use crate::store::alerts::Told;
use crate::wording::Lang;

/// What just happened to the alert, told once above it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    /// It was somebody else's already.
    Taken,
    /// It was closed already.
    Closed,
    /// Nobody had taken it.
    Unclaimed,
    /// The note was missing.
    Note,
}

/// What to tell above the alert.
#[derive(Deserialize)]
pub(crate) struct Note {
    said: Option<Said>,
}

/// `GET /alerts/{alert}`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(alert): Path<String>,
    Query(note): Query<Note>,
) -> Result<Response, Refusal> {
    let case = case::one(state.store().reader(), &alert).await?.ok_or(Refusal::NotFound)?;
    let id = case.alert.id.clone();
    looks::note(&state, &reader, Action::OpenedAlert, case.alert.person.as_deref(), format!("alert {id}")).await?;
    see(&state, &reader, &case).await?;
    let moment = state.moment(lang);
    let region = region(&state, &reader, &moment, &id).await?;
    let title = format!("{}: {}", case.title(lang), case.whom(lang));
    let region = html! {
        @if let Some(said) = note.said { (said_words(said, &case, lang)) }
        (region)
    };
    let page = Page {
        title: &title,
        moment: &moment,
        place: Place::Elsewhere,
        path: &format!("/alerts/{id}"),
        reader: Some(&reader.looker.who),
        stream: Some(&format!("/alerts/{id}/stream")),
        heading: heading(&case.title(lang), &moment),
        region,
    };
    Ok(page.answer(StatusCode::OK))
}

/// `GET /alerts/{alert}/stream`
pub(crate) async fn stream(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(alert): Path<String>,
) -> Result<Response, Refusal> {
    let case = case::one(state.store().reader(), &alert).await?.ok_or(Refusal::NotFound)?;
    let what = format!("alert {}", case.alert.id);
    looks::note_following(&state, &reader, Action::OpenedAlert, case.alert.person.as_deref(), what).await?;
    let concerns = |change: &Change| match change {
        Change::WorkList => true,
        Change::Person(_) | Change::Home(_) => false,
    };
    Ok(live::follow(state, reader, lang, concerns, move |state, reader, moment| {
        let alert = alert.clone();
        async move { region(&state, &reader, &moment, &alert).await }
    }))
}

/// `POST /alerts/{alert}/claim`
pub(crate) async fn claim(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(alert): Path<String>,
) -> Result<Response, Refusal> {
    act(&state, &reader, &alert, &Act::Claim, Action::ClaimedAlert).await
}

/// What was done about it.
#[derive(Deserialize)]
pub(crate) struct Outcome {
    #[serde(default)]
    note: String,
}

/// The longest note that is kept.
const LONGEST_NOTE: usize = 2_000;

/// `POST /alerts/{alert}/close`
pub(crate) async fn close(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(alert): Path<String>,
    Form(outcome): Form<Outcome>,
) -> Result<Response, Refusal> {
    let note: String = outcome.note.trim().chars().take(LONGEST_NOTE).collect();
    if note.is_empty() {
        return Ok(back(&alert, Some("note")));
    }
    act(&state, &reader, &alert, &Act::Close { note }, Action::ClosedAlert).await
}

/// Does it once, in one piece of work with its row in the access log. Doing the same again changes nothing.
async fn act(state: &State, reader: &Reader, id: &str, act: &Act, action: Action) -> Result<Response, Refusal> {
    let who = &reader.looker.who;
    let case = case::one(state.store().reader(), id).await?.ok_or(Refusal::NotFound)?;
    let person = case.alert.person.as_deref();
    let mut work = state.store().work().await?;
    let stands = crate::store::alerts::find(&mut work, id).await?.ok_or(Refusal::NotFound)?.state;
    if is_done(act, &stands, who) {
        return Ok(back(id, None));
    }
    match alerts::act(&mut work, id, act, who, clock::now_ms()).await {
        Ok(()) => {}
        Err(ActError::NoSuchAlert) => return Err(Refusal::NotFound),
        Err(ActError::Store(error)) => return Err(error.into()),
        Err(ActError::NotNow(why)) => return Ok(back(id, Some(why_not(&why)))),
    }
    let look = Look { action, person, what: format!("alert {id}"), why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], crate::http::now()).await?;
    work.commit().await?;
    tell(state, &case);
    Ok(back(id, None))
}

fn is_done(act: &Act, stands: &Stands, who: &str) -> bool {
    match (act, stands) {
        (Act::Claim, Stands::Claimed(claim)) => claim.by == who,
        (Act::Close { .. }, Stands::Closed { by, .. }) => by == who,
        (Act::Claim | Act::Close { .. } | Act::See, _) => false,
    }
}

fn why_not(why: &NotNow) -> &'static str {
    match why {
        NotNow::Claimed(_) => "taken",
        NotNow::Closed(_) => "closed",
        NotNow::Unclaimed => "unclaimed",
    }
}

fn back(id: &str, said: Option<&str>) -> Response {
    let said = said.map(|said| format!("?said={said}")).unwrap_or_default();
    Redirect::to(&format!("/alerts/{id}{said}")).into_response()
}

/// The page is before its claimer's eyes: what rang for her is seen.
async fn see(state: &State, reader: &Reader, case: &Case) -> Result<(), Refusal> {
    let alert = &case.alert.alert;
    let is_hers = matches!(&alert.state, Stands::Claimed(claim) if claim.by == reader.looker.who);
    if !is_hers || !alert.is_unseen() {
        return Ok(());
    }
    let mut work = state.store().work().await?;
    match alerts::act(&mut work, &case.alert.id, &Act::See, &reader.looker.who, clock::now_ms()).await {
        Ok(()) => work.commit().await?,
        Err(ActError::NoSuchAlert | ActError::NotNow(_)) => {}
        Err(ActError::Store(error)) => return Err(error.into()),
    }
    tell(state, case);
    Ok(())
}

fn tell(state: &State, case: &Case) {
    let person = case.alert.person.clone().map(Change::Person);
    state.0.changes.tell([Change::WorkList].into_iter().chain(person));
}

async fn region(state: &State, reader: &Reader, moment: &Moment, id: &str) -> Result<Markup, Refusal> {
    let store = state.store().reader();
    let case = case::one(store, id).await?.ok_or(Refusal::NotFound)?;
    let story = crate::store::alerts::story(store, id).await?;
    let lang = moment.lang;
    let quiet = !case.rings();
    Ok(html! {
        (case::elsewhere(store, id, lang).await?)
        div.case.(if case.is_alarm() { "alarm" } else { case.alert.alert.severity.as_str() }).claimed[quiet] {
            div {
                h2 {
                    (case.badge(lang)) " "
                    @match &case.alert.person {
                        Some(person) => a #person href={ "/persons/" (person) } { (case.whom(lang)) },
                        None => (case.whom(lang)),
                    }
                }
                p.what { @if let Some(told) = &case.newest { (told.line.say(&case::speaker(moment))) } }
                p.when {
                    (case.home_name)
                    @if let Ok(opened) = Timestamp::from_millisecond(case.alert.opened_ms) {
                        " · " (lang.pick("öppnat ", "opened ")) (moment.time_and_age(opened))
                    }
                }
                p.owner { (case::owner(&case.alert.alert, moment)) }
            }
            @if case.alert.alert.state == Stands::Open {
                form.act method="post" action={ "/alerts/" (id) "/claim" } {
                    button #claim type="submit" aria-describedby="claim-hint" { (lang.pick("Ta hand om", "Take it")) }
                }
            }
        }
        (acts(&case, reader, lang))
        section.card aria-labelledby="story" {
            h2 #story { (lang.pick("Vad som har hänt", "What has happened")) }
            ol.story { @for told in &story { (line(told, moment)) } }
        }
        (why(&case, &story, lang))
    })
}

/// What can be done about it now.
fn acts(case: &Case, reader: &Reader, lang: Lang) -> Markup {
    let id = &case.alert.id;
    html! {
        @match &case.alert.alert.state {
            Stands::Open => p #claim-hint .muted.after {
                (lang.pick(
                    "När du tar hand om det ser alla andra att det är du. Det avslutas först när någon skriver vad som gjordes.",
                    "When you take it, everybody else sees that it is you. It ends only when somebody writes what was done.",
                ))
            },
            Stands::Claimed(claim) => section.card aria-labelledby="act" {
                h2 #act { (lang.pick("Avsluta", "Close it")) }
                @if claim.by != reader.looker.who {
                    p.muted {
                        strong { (claim.by) } " "
                        (lang.pick(
                            "tar hand om det. Avsluta bara om ni har kommit överens.",
                            "takes care of it. Close it only if you have agreed.",
                        ))
                    }
                }
                form.form.wide method="post" action={ "/alerts/" (id) "/close" } {
                    div.field {
                        label for="note" { (lang.pick("Vad gjordes, och hur gick det?", "What was done, and how did it go?")) }
                        p #note-hint .hint {
                            (lang.pick(
                                "En eller två meningar. De sparas i berättelsen här nedanför.",
                                "A sentence or two. They are kept in the story below.",
                            ))
                        }
                        textarea #note name="note" rows="3" maxlength=(LONGEST_NOTE) required aria-describedby="note-hint" {}
                    }
                    div.actions { button #close type="submit" { (lang.pick("Avsluta", "Close")) } }
                }
            },
            Stands::Closed { .. } => {}
        }
    }
}

fn line(told: &Told, moment: &Moment) -> Markup {
    let is_press = matches!(told.line, Line::AlarmPressed(_));
    html! {
        li.alarm[is_press] {
            @if let Ok(at) = Timestamp::from_millisecond(told.at_ms) { time datetime=(at) { (moment.to_the_second(at)) } }
            (told.line.say(&case::speaker(moment)))
        }
    }
}

/// Which rule saw a reason, and in which version.
fn why(case: &Case, story: &[Told], lang: Lang) -> Markup {
    let version = story.iter().find_map(|told| told.line.rule_version());
    html! {
        section.card aria-labelledby="why" {
            h2 #why { (lang.pick("Varför det larmar", "Why it is here")) }
            p {
                @match version {
                    Some((rule, version)) => {
                        (lang.pick("Regeln ", "The rule ")) code { (rule) } ", version " (version)
                        (lang.pick(", såg det som står överst i berättelsen.", ", saw what stands first in the story."))
                    }
                    None => {
                        (lang.pick("Gatewayen själv märkte det: ", "The gateway itself noticed it: ")) code { (case.alert.rule) } "."
                    }
                }
                @if !case.alert.alert.confirmed {
                    " " (lang.pick("Det är inte bekräftat av en ny mätning.", "It is not confirmed by a repeat."))
                }
            }
        }
    }
}

fn said_words(said: Said, case: &Case, lang: Lang) -> Markup {
    let by = match &case.alert.alert.state {
        Stands::Claimed(claim) => claim.by.clone(),
        Stands::Closed { by, .. } => by.clone(),
        Stands::Open => String::new(),
    };
    let words = match said {
        Said::Taken => lang.pick(
            format!("{by} hann före och tar redan hand om det."),
            format!("{by} was first and takes care of it already."),
        ),
        Said::Closed => lang.pick(format!("Det är redan avslutat av {by}."), format!("It is closed already, by {by}.")),
        Said::Unclaimed => lang
            .pick("Ingen har tagit hand om det. Ta hand om det först.", "Nobody has taken it. Take it first.")
            .to_owned(),
        Said::Note => {
            lang.pick("Skriv vad som gjordes innan du avslutar.", "Write what was done before you close it.").to_owned()
        }
    };
    html! { p.notice role="alert" { (Icon::Warning) span { (words) } } }
}
