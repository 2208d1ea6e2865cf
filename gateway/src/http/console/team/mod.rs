//! A care team: who is on duty now and next, the week, and the form for what is changed for a while.

mod form;
mod week;

use axum::Form;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

use self::form::{Typed, Wrong};
use crate::alerts::line;
use crate::changes::Change as Told;
use crate::clock;
use crate::duty::desk::{self, NotWritten};
use crate::duty::roster::{Roster, What};
use crate::http::console::alert::told;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::teams as list;
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, now};
use crate::store::access_log::{self, Action, Look};
use crate::store::contacts::{self, Contact};
use crate::store::cover;
use crate::store::rosters::{self, Version};
use crate::store::teams::{self, Team};
use crate::store::{Connection, StoreError};
use crate::wording::Lang;

/// So many versions are shown.
const MOST_VERSIONS: usize = 20;

/// Who is on duty.
pub(crate) struct Duty {
    /// Now, by name.
    pub(crate) now: Vec<String>,
    /// From when others are, and who.
    pub(crate) next: Option<(i64, Vec<String>)>,
    /// Whether that is by a roster.
    pub(crate) has_roster: bool,
}

/// Which week to show.
#[derive(Deserialize)]
pub(crate) struct Week {
    day: Option<String>,
}

/// What is taken back.
#[derive(Deserialize)]
pub(crate) struct Which {
    version: i64,
    place: usize,
}

/// Reads who is on duty in a team now and next.
pub(crate) async fn duty(store: &mut Connection, team: &Team, moment: &Moment) -> Result<Duty, StoreError> {
    let now_ms = moment.now.as_millisecond();
    let on_duty = teams::on_duty(store, &team.id, now_ms).await?;
    let Some(roster) = rosters::at(&mut *store, &team.id, now_ms).await? else {
        return Ok(Duty { now: on_duty, next: None, has_roster: false });
    };
    let next = match roster.next_change(now_ms, &team.zone()) {
        Some(at_ms) => Some((at_ms, teams::on_duty(store, &team.id, at_ms).await?)),
        None => None,
    };
    Ok(Duty { now: on_duty, next, has_roster: true })
}

/// `GET /teams/{team}`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(team): Path<String>,
    Query(week): Query<Week>,
) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let day = week.day.map(|day| day.parse().map_err(|_| Refusal::Malformed)).transpose()?;
    show(&state, &reader, &moment, &team, day, &Typed::default(), None, StatusCode::OK).await
}

/// `POST /teams/{team}/changes`: a swap, one more hand, or nobody, for a while.
pub(crate) async fn change(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(team): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let change = match typed.change(&moment) {
        Ok(change) => change,
        Err(wrong) => return refuse(&state, &reader, &moment, &team, &typed, wrong).await,
    };
    let alter = |roster: &mut Roster| {
        roster.changes.push(change.clone());
        true
    };
    write(&state, &reader, &moment, &team, &typed, None, alter).await
}

/// `POST /teams/{team}/changes/remove`: a change is taken back.
pub(crate) async fn take_back(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(team): Path<String>,
    Form(which): Form<Which>,
) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let typed = Typed::because(lang.pick("Ändringen togs tillbaka", "The change was taken back"));
    let alter = |roster: &mut Roster| {
        let is_there = which.place < roster.changes.len();
        if is_there {
            roster.changes.remove(which.place);
        }
        is_there
    };
    write(&state, &reader, &moment, &team, &typed, Some(which.version), alter).await
}

async fn write(
    state: &State,
    reader: &Reader,
    moment: &Moment,
    team: &str,
    typed: &Typed,
    seen: Option<i64>,
    alter: impl FnOnce(&mut Roster) -> bool,
) -> Result<Response, Refusal> {
    let now_ms = clock::now_ms();
    let mut work = state.store().work().await?;
    let found = teams::find(&mut *work, team).await?.ok_or(Refusal::NotFound)?;
    if !may_change(&mut work, reader, team, now_ms).await? {
        drop(work);
        return refuse(state, reader, moment, team, typed, Wrong::NotYours).await;
    }
    let newest = rosters::versions(&mut *work, team).await?.into_iter().next();
    let version = newest.as_ref().map_or(0, |newest| newest.version);
    let mut roster = newest.map(|newest| newest.roster).unwrap_or_default();
    if roster.is_none() {
        drop(work);
        return refuse(state, reader, moment, team, typed, Wrong::NoRoster).await;
    }
    if seen.is_some_and(|seen| seen != version) || !alter(&mut roster) {
        drop(work);
        return refuse(state, reader, moment, team, typed, Wrong::Overtaken).await;
    }
    roster.changes.retain(|change| change.period.until.as_millisecond() > now_ms);
    let by = (reader.looker.who.as_str(), typed.reason());
    match desk::write(&mut work, &found, &roster, Some(version), by, now_ms).await {
        Ok(()) => {}
        Err(NotWritten::Store(error)) => return Err(error.into()),
        Err(why) => {
            drop(work);
            return refuse(state, reader, moment, team, typed, Wrong::of(&why)).await;
        }
    }
    let what = format!("roster of {team}");
    let look = Look { action: Action::ChangedRoster, person: None, what, why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    state.0.changes.tell([Told::WorkList]);
    Ok(Redirect::to(&format!("/teams/{team}")).into_response())
}

async fn may_change(store: &mut Connection, reader: &Reader, team: &str, now_ms: i64) -> Result<bool, StoreError> {
    match reader.session {
        Some(_) => teams::may_change(store, team, &reader.looker.who, now_ms).await,
        None => Ok(true),
    }
}

async fn refuse(
    state: &State,
    reader: &Reader,
    moment: &Moment,
    team: &str,
    typed: &Typed,
    wrong: Wrong,
) -> Result<Response, Refusal> {
    show(state, reader, moment, team, None, typed, Some(wrong), StatusCode::UNPROCESSABLE_ENTITY).await
}

#[expect(clippy::too_many_arguments, reason = "a page is made from all of these, and from nowhere else")]
async fn show(
    state: &State,
    reader: &Reader,
    moment: &Moment,
    team: &str,
    day: Option<Date>,
    typed: &Typed,
    wrong: Option<Wrong>,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let (lang, now_ms) = (moment.lang, moment.now.as_millisecond());
    let mut reading = state.store().reader().acquire().await?;
    let team = teams::find(&mut *reading, team).await?.ok_or(Refusal::NotFound)?;
    let duty = duty(&mut reading, &team, moment).await?;
    let roster = rosters::at(&mut *reading, &team.id, now_ms).await?;
    let versions = rosters::versions(&mut *reading, &team.id).await?;
    let members = teams::may_be_on_duty(&mut *reading, &team.id, now_ms).await?;
    let may_change = may_change(&mut reading, reader, &team.id, now_ms).await?;
    let cases = cover::about_team(&mut *reading, &team.id).await?;
    drop(reading);
    let contacts = contacts::list(state.store().reader(), None).await?;
    let day = day.unwrap_or_else(|| moment.now.to_zoned(moment.zone.clone()).date());
    let region = html! {
        (case::elsewhere(state.store().reader(), &reader.sight, "", lang).await?)
        @if let Some(wrong) = &wrong { p.notice role="alert" { (Icon::Warning) span { (wrong.words(lang)) } } }
        section.card aria-labelledby="now" {
            h2 #now { (lang.pick("I tjänst", "On duty")) }
            (list::facts(&team, &duty, moment))
            (reached(&duty.now, &contacts, moment))
            @if !cases.is_empty() {
                ul.troubles {
                    @for (id, rule) in &cases {
                        li.bad { (Icon::Warning) " " a href={ "/alerts/" (id) } { (line::title(rule, true, None, lang)) } }
                    }
                }
            }
        }
        @match &roster {
            Some(roster) => {
                (week::table(&team, roster, &members, day, moment))
                (changes(&team, roster, &versions, may_change, moment))
                @if may_change { (form::form(&team.id, typed, &members, lang)) } @else {
                    p.notice { (Icon::Note) span { (Wrong::NotYours.words(lang)) } }
                }
            }
            None => section.card aria-labelledby="none" {
                h2 #none { (lang.pick("Inget schema", "No roster")) }
                p {
                    (lang.pick(
                        "Ingen har skrivit ett schema. Hela teamet räknas som i tjänst, dygnet runt. Ett schema skrivs eller läses in av driften (hempuls-gateway team roster).",
                        "Nobody has written a roster. The whole team counts as on duty, day and night. Operations write or import one (hempuls-gateway team roster).",
                    ))
                }
            },
        }
        (history(&versions, moment))
    };
    let page = Page {
        title: &team.name,
        moment,
        place: Place::Elsewhere,
        path: &format!("/teams/{}", team.id),
        reader: Some(&reader.looker.who),
        stream: None,
        heading: heading(&team.name, moment),
        region,
    };
    Ok(page.answer(status))
}

/// Over which channels each member on duty is reached, and when something last got through to her there.
fn reached(members: &[String], contacts: &[Contact], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @if !members.is_empty() {
            h3 { (lang.pick("Så nås de", "How they are reached")) }
            ul {
                @for member in members {
                    @let own: Vec<&Contact> = contacts.iter().filter(|contact| contact.member == *member).collect();
                    li {
                        strong { (member) } ": "
                        @if own.is_empty() {
                            span.bad {
                                (Icon::Warning) " "
                                (lang.pick("ingen kontaktväg, får besked bara i konsolen", "no address, hears of alerts only in the console"))
                            }
                        }
                        @for (place, contact) in own.iter().enumerate() {
                            @if place > 0 { "; " }
                            (told::channel(contact.channel, lang)) ", "
                            @match contact.proven_ms {
                                Some(proven_ms) => {
                                    (lang.pick("kom senast fram ", "last got through ")) (moment.time_of_ms(proven_ms))
                                }
                                None => span.bad { (lang.pick("inget har kommit fram än", "nothing has got through yet")) },
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What is changed for a while and is not over.
fn changes(team: &Team, roster: &Roster, versions: &[Version], may_change: bool, moment: &Moment) -> Markup {
    let (lang, now_ms) = (moment.lang, moment.now.as_millisecond());
    let version = versions.first().map_or(0, |newest| newest.version);
    let ahead = roster.changes.iter().enumerate();
    let ahead: Vec<_> = ahead.filter(|(_, change)| change.period.until.as_millisecond() > now_ms).collect();
    html! {
        @if !ahead.is_empty() {
            section.card aria-labelledby="changes" {
                h2 #changes { (lang.pick("Byten och ändringar", "Swaps and changes")) }
                ul.looks {
                    @for (place, change) in ahead {
                        li {
                            (moment.time(change.period.from)) " – " (moment.time(change.period.until)) ": "
                            strong { (say(&change.what, lang)) }
                            @if may_change {
                                form method="post" action={ "/teams/" (team.id) "/changes/remove" } {
                                    input type="hidden" name="version" value=(version);
                                    input type="hidden" name="place" value=(place);
                                    button.quiet type="submit" {
                                        (lang.pick("Ta tillbaka", "Take back"))
                                        span.unseen { ": " (say(&change.what, lang)) }
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

fn say(what: &What, lang: Lang) -> String {
    match what {
        What::Replaced { who, by: Some(by) } => {
            lang.pick(format!("{by} i stället för {who}"), format!("{by} in place of {who}"))
        }
        What::Replaced { who, by: None } => {
            lang.pick(format!("{who} borta, ingen i stället"), format!("{who} away, nobody in place"))
        }
        What::Extra { who } => lang.pick(format!("{who} extra"), format!("{who} as an extra hand")),
        What::Nobody => lang.pick("Ingen i tjänst".to_owned(), "Nobody on duty".to_owned()),
    }
}

/// Who wrote the latest versions, and why.
fn history(versions: &[Version], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @if !versions.is_empty() {
            section aria-labelledby="history" {
                h2 #history { (lang.pick("Versioner av schemat", "Versions of the roster")) }
                ul.card.looks {
                    @for version in versions.iter().take(MOST_VERSIONS) {
                        li {
                            strong { (version.version) ". " (version.author) } ", " (moment.time_of_ms(version.from_ms))
                            ": " (version.reason)
                        }
                    }
                }
            }
        }
    }
}
