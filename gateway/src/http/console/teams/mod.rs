//! The care teams: who is on duty in each, until when, and who comes next.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use crate::duty::Area;
use crate::http::State;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::team::{self, Duty};
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::store::teams::{self, Team};
use crate::wording::Lang;

/// `GET /teams`
pub(crate) async fn page(Shared(state): Shared<State>, reader: Reader, lang: Lang) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let title = lang.pick("Team", "Teams");
    let mut reading = state.store().reader().acquire().await?;
    let mut all = Vec::new();
    for team in teams::all(&mut *reading).await? {
        let duty = team::duty(&mut reading, &team, &moment).await?;
        all.push((team, duty));
    }
    drop(reading);
    let region = html! {
        (case::elsewhere(state.store().reader(), &reader.sight, "", lang).await?)
        div.homes { @for (team, duty) in &all { (card(team, duty, &moment)) } }
    };
    let page = Page {
        title,
        moment: &moment,
        place: Place::Teams,
        path: "/teams",
        reader: Some(&reader.looker.who),
        stream: None,
        heading: heading(title, &moment),
        region,
    };
    Ok(page.answer(StatusCode::OK))
}

fn card(team: &Team, duty: &Duty, moment: &Moment) -> Markup {
    let id = format!("team-{}", team.id);
    html! {
        section.card.home.silent[duty.now.is_empty()] aria-labelledby=(id) {
            h2 id=(id) { a href={ "/teams/" (team.id) } { (team.name) } }
            (facts(team, duty, moment))
        }
    }
}

/// What a team does, and who is on duty now and next.
pub(crate) fn facts(team: &Team, duty: &Duty, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        dl.facts {
            div { dt { (lang.pick("Område", "Area")) } dd { (area(team, lang)) } }
            div {
                dt { (lang.pick("I tjänst nu", "On duty now")) }
                dd { (who(&duty.now, lang)) }
                @if !duty.has_roster {
                    dd.note { (lang.pick("Inget schema: hela teamet räknas som i tjänst.", "No roster: the whole team counts as on duty.")) }
                }
            }
            @if let Some((at_ms, next)) = &duty.next {
                div {
                    dt { (lang.pick("Därefter, från ", "Then, from ")) (moment.time_of_ms(*at_ms)) }
                    dd { (who(next, lang)) }
                }
            }
        }
    }
}

fn area(team: &Team, lang: Lang) -> Markup {
    html! {
        (match team.area {
            Area::HealthCare => lang.pick("Hälso- och sjukvård", "Health care"),
            Area::SocialServices => lang.pick("Socialtjänst", "Social services"),
        })
        @if team.is_fallback { (lang.pick(", reservteam", ", fallback team")) }
    }
}

/// Names, or in words that there is nobody.
pub(crate) fn who(members: &[String], lang: Lang) -> Markup {
    html! {
        @if members.is_empty() {
            span.bad { (Icon::Warning) " " (lang.pick("Ingen i tjänst", "Nobody on duty")) }
        } @else {
            (members.join(", "))
        }
    }
}
