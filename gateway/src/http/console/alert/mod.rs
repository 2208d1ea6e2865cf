//! One alert: why it is there, its story, who takes care of it, and who has been told.

mod acts;
mod ladder;
pub(crate) mod told;

pub(in crate::http::console) use acts::hand_over_form;
pub(crate) use acts::{claim, close, give_back, hand_over, note, on_the_way, reopen};

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use crate::alerts::alert::State as Stands;
use crate::alerts::rules::silent_home;
use crate::alerts::{self, Act, ActError, Line};
use crate::changes::Change;
use crate::clock;
use crate::duty::sight::is_about_nobody;
use crate::escalation;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::work_list::case::{self, Case};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, live, looks};
use crate::letters::Occasion;
use crate::store::access_log::{self, Action, Look};
use crate::store::alerts::Told;
use crate::store::{accounts, devices, outbox, shown as eyes, silence};
use crate::wording::Lang;

/// What to tell above the alert.
#[derive(Deserialize)]
pub(crate) struct Note {
    said: Option<acts::Said>,
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
        @if let Some(said) = note.said { (said.words(&case, lang)) }
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

/// `POST /alerts/{alert}/shown/{rung_ms}`: the reader's browser says that this alert, as it rang then, was on the screen before
/// her. A program has no eyes.
pub(crate) async fn shown(
    Shared(state): Shared<State>,
    reader: Reader,
    Path((alert, rung_ms)): Path<(String, i64)>,
) -> Result<Response, Refusal> {
    if reader.session.is_some() {
        let mut work = state.store().work().await?;
        let is_news = eyes::note(&mut work, &alert, rung_ms, &reader.looker.who, clock::now_ms()).await?;
        work.commit().await?;
        if is_news {
            state.0.changes.tell([Change::WorkList]);
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /alerts/{alert}/battery-changed`: of the button whose counter began anew in this story. Doing it again changes
/// nothing.
pub(crate) async fn battery_changed(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(alert): Path<String>,
) -> Result<Response, Refusal> {
    let case = case::one(state.store().reader(), &alert).await?.ok_or(Refusal::NotFound)?;
    let now_ms = clock::now_ms();
    let mut work = state.store().work().await?;
    let Some(device) = devices::began_anew(&mut *work, &alert).await? else { return Ok(back(&alert)) };
    let id = device.parse().map_err(|_| Refusal::NotFound)?;
    let Some(home) = devices::change_battery(&mut work, &id, now_ms).await? else { return Ok(back(&alert)) };
    let look = Look {
        action: Action::ChangedBattery,
        person: case.alert.person.as_deref(),
        what: format!("device {device}, alert {alert}"),
        why: reader.why(),
    };
    access_log::write(&mut work, &reader.looker, &[look], crate::http::now()).await?;
    let line = Line::BatteryChanged { by: reader.looker.who.clone(), device };
    crate::store::alerts::add_line(&mut work, &alert, &line, None, now_ms).await?;
    work.commit().await?;
    tell(&state, &case);
    state.0.courier.tell(Occasion::Devices { home });
    Ok(back(&alert))
}

fn back(id: &str) -> Response {
    Redirect::to(&format!("/alerts/{id}")).into_response()
}

/// The page is before its claimer's eyes: what rang for her is seen, and her claim holds on.
async fn see(state: &State, reader: &Reader, case: &Case) -> Result<(), Refusal> {
    let alert = &case.alert.alert;
    let is_hers = matches!(&alert.state, Stands::Claimed(claim) if claim.by == reader.looker.who);
    if !is_hers || reader.session.is_none() {
        return Ok(());
    }
    let mut work = state.store().work().await?;
    match alerts::act(&mut work, &case.alert.id, &Act::See, &reader.looker.who, clock::now_ms()).await {
        Ok(()) => work.commit().await?,
        Err(ActError::NoSuchAlert | ActError::NoSuchMember | ActError::AnotherCase(_) | ActError::NotNow(_)) => {}
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
    let told = outbox::of_alerts(store, &[id]).await?.into_iter().map(|(_, shown)| shown).collect::<Vec<_>>();
    let eyes = eyes::of(store, id).await?;
    let began_anew = devices::began_anew(store, id).await?;
    let lang = moment.lang;
    let members = accounts::names(store).await?;
    let climbs = escalation::view(&mut *store.acquire().await?, id, moment.now.as_millisecond()).await?;
    let quiet = !case.rings();
    let mut silent = Vec::new();
    if case.alert.rule == silent_home::STORM && case.is_open() {
        silent = silence::now(store).await?;
        let ids: Vec<&str> = silent.iter().map(|home| home.home.as_str()).collect();
        let hers = reader.sight.homes(store, &ids).await?;
        silent.retain(|home| hers.contains(&home.home));
    }
    let sees_home = reader.sight.homes(store, &[&case.alert.home]).await?.contains(&case.alert.home);
    let is_about_nobody = is_about_nobody(&case.alert.rule);
    Ok(html! {
        (case::elsewhere(store, &reader.sight, id, lang).await?)
        div.case.(if case.is_alarm() { "alarm" } else { case.alert.alert.severity.as_str() }).claimed[quiet]
            data-shown=[case.shown_at()]
        {
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
                    @match (is_about_nobody, sees_home) {
                        (false, true) => a #home href={ "/homes/" (case.alert.home) } { (case.home_name) },
                        (false, false) => span { (case.home_name) },
                        (true, _) => {},
                    }
                    @if let Ok(opened) = Timestamp::from_millisecond(case.alert.opened_ms) {
                        " · " (lang.pick("öppnat ", "opened ")) (moment.time_and_age(opened))
                    }
                }
                p.owner { (case::owner(&case.alert, moment)) }
            }
            @if case.alert.alert.state == Stands::Open {
                form.act method="post" action={ "/alerts/" (id) "/claim" } {
                    button #claim type="submit" aria-describedby="claim-hint" { (lang.pick("Ta hand om", "Take it")) }
                }
            }
        }
        (case.warning(&reader.looker.who, moment))
        (acts::forms(&case, &members, &reader.looker.who, lang))
        @if !silent.is_empty() { (silent_together(&silent, moment)) }
        @if began_anew.is_some() { (ask_for_battery(id, lang)) }
        section.card aria-labelledby="story" {
            h2 #story { (lang.pick("Vad som har hänt", "What has happened")) }
            ol.story { @for told in &story { (line(told, moment)) } }
        }
        (acts::note_form(id, lang))
        (ladder::card(climbs.as_ref(), &told, moment))
        (told::card(&told, &eyes, moment))
        (why(&case, &story, lang))
    })
}

/// The homes that one case tells of.
fn silent_together(silent: &[silence::Now], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        section.card aria-labelledby="silent" {
            h2 #silent { (lang.pick("Hem som är tysta nu", "Homes that are silent now")) }
            ul {
                @for home in silent.iter().filter(|home| home.in_storm) {
                    li {
                        a href={ "/homes/" (home.home) } { (home.name) }
                        @if home.has_alarm { ", " (lang.pick("har larmknapp", "has an alarm button")) }
                        @if let Ok(since) = Timestamp::from_millisecond(home.heard_ms) {
                            ", " (lang.pick("sedan ", "since ")) (moment.time_and_age(since))
                        }
                    }
                }
            }
        }
    }
}

/// Asks what only a person can tell: a new battery, or a press that is played again.
fn ask_for_battery(id: &str, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="battery" {
            h2 #battery { (lang.pick("Har knappens batteri bytts?", "Was the button's battery changed?")) }
            p #battery-hint .hint {
                (lang.pick(
                    "Knappens räknare har börjat om. Det gör den när batteriet byts, men det kan också vara någon som spelar upp \
                     ett gammalt tryck. Bekräfta bara om du vet att batteriet är bytt.",
                    "The button's counter began anew. It does so when the battery is changed, but somebody may also be playing \
                     an old press again. Confirm only if you know that the battery was changed.",
                ))
            }
            form.actions method="post" action={ "/alerts/" (id) "/battery-changed" } {
                button #battery-changed .plain type="submit" aria-describedby="battery-hint" {
                    (lang.pick("Ja, batteriet är bytt", "Yes, the battery was changed"))
                }
            }
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
