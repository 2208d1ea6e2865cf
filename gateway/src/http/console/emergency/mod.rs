//! Opening the data of a person outside her responsibility, in an emergency: a member says whom, why and for which team. It
//! ends after an hour, is in the access log as what it is, stands on the person's page, and waits on the work list of
//! whoever is responsible until somebody has looked at it.
//!
//! Nobody is listed here: whoever has an emergency says whom she means, and the answer is that person or none.

use axum::Form;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use hempuls_protocol::personnummer::{IdentityNumber, Written};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use crate::changes::Change;
use crate::clock;
use crate::duty::Area;
use crate::duty::sight::{Member, OPENED_FOR_MS};
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, now};
use crate::store::access_log::{self, Action, Look};
use crate::store::emergencies::{self, Emergency};
use crate::store::{assignments, person_numbers, person_page};
use crate::wording::Lang;

/// The longest reason that is kept.
const LONGEST_REASON: usize = 500;

/// Where a person's data are opened in an emergency.
pub(crate) fn address(person: &str) -> String {
    format!("/emergency?person={person}")
}

/// The way here, from where somebody may have looked for a person in vain.
pub(crate) fn way_in(lang: Lang) -> Markup {
    html! {
        a.plain #emergency href="/emergency" { (lang.pick("Öppna en person i en nödsituation", "Open a person in an emergency")) }
    }
}

/// Whom a page that could not be shown was about.
#[derive(Deserialize)]
pub(crate) struct About {
    person: Option<String>,
}

/// `GET /emergency`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Query(about): Query<About>,
) -> Result<Response, Refusal> {
    let typed = Typed { person: about.person.unwrap_or_default(), ..Typed::default() };
    if !typed.person.is_empty() {
        let store = state.store().reader();
        person_page::find(store, &typed.person).await?.ok_or(Refusal::NotFound)?;
        if reader.sight.areas(store, &typed.person).await? == Area::ALL {
            return Ok(Redirect::to(&format!("/persons/{}", typed.person)).into_response());
        }
    }
    show(&state, &reader, lang, &typed, None).await
}

/// What was typed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    person: String,
    whom: String,
    home: String,
    team: String,
    reason: String,
}

/// What is wrong with it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Wrong {
    /// It is nobody, or may be several.
    Whom,
    /// She does not work for that team.
    Team,
    /// There is no reason.
    Reason,
}

/// `POST /emergency`: opens the person's data for an hour.
pub(crate) async fn open(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let Some(member) = reader.sight.member().filter(|_| reader.session.is_some()) else {
        return Err(Refusal::Unknown);
    };
    let (store, now_ms) = (state.store().reader(), clock::now_ms());
    if !member.cares(now_ms) {
        return Err(Refusal::NotHers);
    }
    let reason: String = typed.reason.trim().chars().take(LONGEST_REASON).collect();
    let works = member.cares_for(now_ms).find(|works| works.team == typed.team);
    let wrong = match (reason.is_empty(), works) {
        (true, _) => Some(Wrong::Reason),
        (false, None) => Some(Wrong::Team),
        (false, Some(_)) => None,
    };
    if wrong.is_some() {
        return show(&state, &reader, lang, &typed, wrong).await;
    }
    let Some(person) = find(&state, &typed).await? else {
        return show(&state, &reader, lang, &typed, Some(Wrong::Whom)).await;
    };
    let to_her = Redirect::to(&format!("/persons/{person}")).into_response();
    if reader.sight.areas(store, &person).await? == Area::ALL {
        return Ok(to_her);
    }
    let until_ms = now_ms + OPENED_FOR_MS;
    let mut work = state.store().work().await?;
    emergencies::open(&mut work, &member.name, &person, (&typed.team, &reason), (now_ms, until_ms)).await?;
    let until = Timestamp::from_millisecond(until_ms).unwrap_or(Timestamp::MAX);
    let what = format!("for team {}, until {until}", typed.team);
    let look = Look { action: Action::OpenedInEmergency, person: Some(&person), what, why: &reason };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    state.0.changes.tell([Change::WorkList, Change::Person(person)]);
    Ok(to_her)
}

/// Whom she means: one person, or nobody.
async fn find(state: &State, typed: &Typed) -> Result<Option<String>, Refusal> {
    let store = state.store().reader();
    if !typed.person.is_empty() {
        return Ok(person_page::find(store, &typed.person).await?.map(|person| person.id));
    }
    let whom = typed.whom.trim();
    let today = now().to_zoned(state.0.zone.clone()).date();
    if let Some(number) = whom.parse::<Written>().ok().and_then(|written| written.on(today).ok()) {
        return Ok(person_numbers::whose(store, &IdentityNumber::Register(number)).await?);
    }
    let (name, home) = (whom.to_lowercase(), typed.home.trim().to_lowercase());
    let mut meant = assignments::people(store, None).await?.into_iter().filter(|person| {
        person.name.to_lowercase() == name && (home.is_empty() || person.home_name.to_lowercase() == home)
    });
    Ok(match (meant.next(), meant.next()) {
        (Some(person), None) => Some(person.id),
        (None, _) | (Some(_), Some(_)) => None,
    })
}

/// `POST /emergency/{emergency}/reviewed`: somebody who is responsible for the person has looked at why. Doing it again changes
/// nothing.
pub(crate) async fn reviewed(
    Shared(state): Shared<State>,
    reader: Reader,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    if reader.session.is_none() {
        return Err(Refusal::Unknown);
    }
    let Some(emergency) = before(&state, &reader).await?.into_iter().find(|emergency| emergency.id == id) else {
        return Ok(Redirect::to("/").into_response());
    };
    let who = &reader.looker.who;
    let mut work = state.store().work().await?;
    if emergencies::review(&mut work, &id, who, clock::now_ms()).await? {
        let (action, person) = (Action::ReviewedEmergency, Some(emergency.person.as_str()));
        let look = Look { action, person, what: format!("emergency {id}"), why: reader.why() };
        access_log::write(&mut work, &reader.looker, &[look], now()).await?;
        work.commit().await?;
        state.0.changes.tell([Change::WorkList]);
    }
    Ok(Redirect::to("/").into_response())
}

/// What was opened of people that she is responsible for, by others, and that nobody has looked at since.
pub(crate) async fn before(state: &State, reader: &Reader) -> Result<Vec<Emergency>, Refusal> {
    let store = state.store().reader();
    let mut all = emergencies::not_reviewed(store).await?;
    let ids: Vec<&str> = all.iter().map(|emergency| emergency.person.as_str()).collect();
    let hers = reader.sight.people(store, &ids, None).await?;
    all.retain(|emergency| hers.contains(&emergency.person) && emergency.member != reader.looker.who);
    Ok(all)
}

/// On the work list: who opened whose data, and why.
pub(crate) fn list(opened: &[Emergency], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @if !opened.is_empty() {
            section.cases aria-labelledby="opened" {
                h2 #opened {
                    (lang.pick("Öppnat i en nödsituation", "Opened in an emergency")) " "
                    span.count { "(" (opened.len()) ")" }
                }
                ol { @for emergency in opened { (row(emergency, moment)) } }
            }
        }
    }
}

fn row(emergency: &Emergency, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let Emergency { id, member, team_name, person, person_name, reason, from_ms, until_ms } = emergency;
    html! {
        li.case.low {
            div {
                h3 {
                    span.badge.low { (Icon::Note) (lang.pick("Att granska", "To look at")) }
                    a #{ "opened-" (id) } href={ "/persons/" (person) } { (person_name) }
                }
                p.what {
                    strong { (member) } " (" (team_name) ") "
                    (lang.pick("öppnade uppgifterna utan att ha ansvaret: ", "opened the data without being responsible: "))
                    "”" (reason) "”"
                }
                p.when { (moment.time_of_ms(*from_ms)) (lang.pick(" till ", " until ")) (moment.time_of_ms(*until_ms)) }
            }
            div.act {
                form method="post" action={ "/emergency/" (id) "/reviewed" } {
                    button.plain #{ "reviewed-" (id) } type="submit" {
                        (lang.pick("Granskat", "I have looked at it")) span.unseen { ": " (person_name) ", " (member) }
                    }
                }
            }
        }
    }
}

async fn show(
    state: &State,
    reader: &Reader,
    lang: Lang,
    typed: &Typed,
    wrong: Option<Wrong>,
) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let title = lang.pick("Öppna en person i en nödsituation", "Open a person in an emergency");
    let member = reader.sight.member().filter(|member| member.cares(moment.now.as_millisecond()));
    let region = html! {
        (case::elsewhere(state.store().reader(), &reader.sight, "", lang).await?)
        @if let Some(wrong) = wrong { p.notice role="alert" { (Icon::Warning) span { (wrong.words(lang)) } } }
        @match member {
            Some(member) => (form(member, typed, &moment)),
            None => p.card {
                (lang.pick(
                    "Bara den som har ett vårduppdrag i ett team kan göra det. Kontakta driften om du borde ha ett.",
                    "Only whoever has a commission to care for people in a team can do so. Call operations if you should have one.",
                ))
            },
        }
    };
    let path = if typed.person.is_empty() { "/emergency".to_owned() } else { address(&typed.person) };
    let page = Page {
        title,
        moment: &moment,
        place: Place::Elsewhere,
        path: &path,
        reader: Some(&reader.looker.who),
        stream: None,
        heading: heading(title, &moment),
        region,
    };
    Ok(page.answer(match (wrong, member) {
        (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, None) => StatusCode::FORBIDDEN,
        (None, Some(_)) => StatusCode::OK,
    }))
}

fn form(member: &Member, typed: &Typed, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let teams: Vec<_> = member.cares_for(moment.now.as_millisecond()).collect();
    html! {
        form.form.card method="post" action="/emergency" {
            p {
                (lang.pick(
                    "Gör det bara om personen kan behöva hjälp nu. Uppgifterna öppnas för dig i en timme. Det noteras, personen kan \
                     se vem du är och varför, och teamet som har ansvaret får veta.",
                    "Do so only if the person may need help now. The data open for you for an hour. It is noted, the person can see \
                     who you are and why, and the team that is responsible is told.",
                ))
            }
            @if typed.person.is_empty() {
                div.field {
                    label for="whom" { (lang.pick("Personens namn eller personnummer", "The person's name or identity number")) }
                    p #whom-hint .hint { (lang.pick("Hela namnet, som det står hos oss.", "The whole name, as we have it.")) }
                    input #whom name="whom" type="text" required autocomplete="off" value=(typed.whom) aria-describedby="whom-hint";
                }
                div.field {
                    label for="home" { (lang.pick("Hem", "Home")) }
                    p #home-hint .hint { (lang.pick("Behövs om flera heter så.", "Needed where several have that name.")) }
                    input #home name="home" type="text" autocomplete="off" value=(typed.home) aria-describedby="home-hint";
                }
            } @else {
                input type="hidden" name="person" value=(typed.person);
                p { strong { (lang.pick("En person som ett annat team ansvarar för.", "A person for whom another team is responsible.")) } }
            }
            div.field {
                label for="team" { (lang.pick("För vilket team", "For which team")) }
                select #team name="team" required {
                    @for works in &teams {
                        option value=(works.team) selected[works.team == typed.team] { (works.team_name) }
                    }
                }
            }
            div.field {
                label for="reason" { (lang.pick("Varför", "Why")) }
                p #reason-hint .hint {
                    (lang.pick("En mening. Personen kan läsa den.", "A sentence. The person can read it."))
                }
                textarea #reason name="reason" rows="2" maxlength=(LONGEST_REASON) required aria-describedby="reason-hint" {
                    (typed.reason)
                }
            }
            p.actions {
                button #open type="submit" { (lang.pick("Öppna uppgifterna", "Open the data")) }
                a.plain href="/" { (lang.pick("Avbryt", "Cancel")) }
            }
        }
    }
}

impl Wrong {
    fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Whom => lang.pick(
                "Ingen eller flera heter så, eller numret finns inte här. Skriv hela namnet och hemmet, eller personnumret. Inget är öppnat.",
                "Nobody or several have that name, or the number is not here. Type the whole name and the home, or the identity \
                 number. Nothing was opened.",
            ),
            Self::Team => lang.pick(
                "Välj ett team som du arbetar för. Inget är öppnat.",
                "Choose a team that you work for. Nothing was opened.",
            ),
            Self::Reason => lang.pick("Skriv varför. Inget är öppnat.", "Write why. Nothing was opened."),
        }
    }
}
