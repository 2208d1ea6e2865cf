//! A person's plan: in short on her page, and on a page of its own, with a form that writes a new version and with all the
//! versions there were.

mod form;

use axum::Form;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use self::form::{Typed, Wrong};
use crate::alerts::reviews;
use crate::changes::Change;
use crate::clock;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks, now};
use crate::plan::{AtMoment, Limit, Plan, Version, in_force, wording};
use crate::store::access_log::{self, Action, Look};
use crate::store::person_page::{self, Person};
use crate::store::plans;
use crate::wording::Lang;

/// `GET /persons/{person}/plan`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(person): Path<String>,
) -> Result<Response, Refusal> {
    let person = person_page::find(state.store().reader(), &person).await?.ok_or(Refusal::NotFound)?;
    looks::note(&state, &reader, Action::OpenedPlan, Some(&person.id), "plan".to_owned()).await?;
    let moment = state.moment(lang);
    let versions = plans::versions(state.store().reader(), &person.id).await?;
    let plan = in_force(&versions, moment.now.as_millisecond());
    let typed = Typed::of(&plan, &moment);
    show(&state, &reader, &moment, &person, &versions, &typed, None, StatusCode::OK).await
}

/// `POST /persons/{person}/plan`: a new version, with a reason.
pub(crate) async fn change(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(person): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let person = person_page::find(state.store().reader(), &person).await?.ok_or(Refusal::NotFound)?;
    let moment = state.moment(lang);
    let now_ms = clock::now_ms();
    let wished = typed.plan(&moment).and_then(|plan| match plan.check(now_ms, &moment.zone) {
        Ok(()) => Ok(plan),
        Err(wrong) => Err(Wrong::Unsound(wrong)),
    });
    let plan = match wished {
        Ok(plan) => plan,
        Err(wrong) => {
            looks::note(&state, &reader, Action::OpenedPlan, Some(&person.id), "plan".to_owned()).await?;
            let versions = plans::versions(state.store().reader(), &person.id).await?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return show(&state, &reader, &moment, &person, &versions, &typed, Some(wrong), status).await;
        }
    };
    let mut work = state.store().work().await?;
    let by = (reader.looker.who.as_str(), typed.reason());
    reviews::change_plan(&mut work, &person.id, &plan, by, &moment.zone, now_ms).await?;
    let look =
        Look { action: Action::ChangedPlan, person: Some(&person.id), what: "plan".to_owned(), why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    let address = format!("/persons/{}", person.id);
    state.0.changes.tell([Change::Person(person.id)]);
    Ok(Redirect::to(&address).into_response())
}

#[expect(clippy::too_many_arguments, reason = "a page is made from all of these, and from nowhere else")]
async fn show(
    state: &State,
    reader: &Reader,
    moment: &Moment,
    person: &Person,
    versions: &[Version],
    typed: &Typed,
    wrong: Option<Wrong>,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let lang = moment.lang;
    let title = lang.pick(format!("Plan för {}", person.name), format!("Plan for {}", person.name));
    let region = html! {
        (case::elsewhere(state.store().reader(), &reader.sight, &person.id, lang).await?)
        @if let Some(wrong) = wrong { p.notice role="alert" { (Icon::Warning) span { (wrong.words(lang)) } } }
        (form::form(&person.id, typed, lang))
        (history(versions, moment))
        p.actions.after {
            a.plain href={ "/persons/" (person.id) } { (lang.pick("Tillbaka till personen", "Back to the person")) }
        }
    };
    let page = Page {
        title: &title,
        moment,
        place: Place::Elsewhere,
        path: &format!("/persons/{}/plan", person.id),
        reader: Some(&reader.looker.who),
        stream: None,
        heading: heading(&title, moment),
        region,
    };
    Ok(page.answer(status))
}

/// The plan in force, by whom and why, on the person's own page.
pub(crate) fn in_short(person: &str, plan: &Plan, newest: Option<&Version>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let now = plan.at(moment.now.as_millisecond(), &moment.zone);
    html! {
        section.card aria-labelledby="plan" {
            h2 #plan { (lang.pick("Plan", "Plan")) }
            @if let Some(pause) = plan.pause.filter(|_| now.is_paused) {
                p.notice {
                    (Icon::Note)
                    span {
                        (lang.pick("Pausad, ", "Paused, ")) (wording::away(pause.why, lang)) (lang.pick(", till ", ", until "))
                        (moment.time_of_ms(pause.until_ms)) ". "
                        (lang.pick("Mätvärden sparas men bedöms inte. Larmknappen gäller.", "Values are kept and not judged. The alarm button works."))
                    }
                }
            }
            @if Limit::ALL.iter().any(|limit| now.lacks_for_child(*limit)) {
                p.notice {
                    (Icon::Warning)
                    span {
                        (lang.pick(
                            "Ett barn: vuxnas gränser används inte. Det som planen saknar egna gränser för bedöms inte.",
                            "A child: the limits of adults are not used. What the plan has no limits of its own for is not judged.",
                        ))
                    }
                }
            }
            p { (by_whom(newest, moment)) }
            details {
                summary { (lang.pick("Gränser och mättider", "Limits and times to measure")) }
                (facts(plan, &now, lang))
            }
            p.actions { a.plain #change-plan href={ "/persons/" (person) "/plan" } { (lang.pick("Ändra planen", "Change the plan")) } }
        }
    }
}

fn by_whom(newest: Option<&Version>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @match newest {
            Some(version) => {
                strong { (version.author) } ", " (moment.time_of_ms(version.from_ms)) ": " (version.reason)
            }
            None => (lang.pick(
                "Ingen har skrivit en plan. Standardgränserna för vuxna gäller.",
                "Nobody has written a plan. The standard limits of adults hold.",
            )),
        }
    }
}

fn facts(plan: &Plan, now: &AtMoment<'_>, lang: Lang) -> Markup {
    html! {
        dl.facts {
            div {
                dt { (lang.pick("Ålder", "Age")) }
                dd {
                    @match (plan.born, now.is_child) {
                        (Some(born), _) => { (lang.pick("född ", "born ")) (born) }
                        (None, true) => (lang.pick("barn", "a child")),
                        (None, false) => (lang.pick("inte angiven, bedöms som vuxen", "not given, judged as an adult")),
                    }
                }
            }
            div { dt { (lang.pick("Standardgränser", "Standard limits")) } dd { (wording::standard(plan.standard, lang)) } }
            @for limit in Limit::ALL {
                @if let Some(value) = now.limit(limit) {
                    div {
                        dt { (wording::limit(limit, lang)) }
                        dd {
                            (wording::number(value, lang)) " " (limit.unit())
                            @if plan.limits.contains_key(&limit) { (lang.pick(" (egen)", " (own)")) }
                        }
                    }
                }
            }
            @for (measurement, slots) in &plan.schedule {
                div {
                    dt { (lang.pick("Mäter ", "Measures ")) (wording::measurement(*measurement, lang).to_lowercase()) }
                    dd { @for slot in slots { (wording::slot(*slot, lang)) " " } }
                }
            }
        }
    }
}

/// Every version there was, the newest first.
fn history(versions: &[Version], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        section aria-labelledby="history" {
            h2 #history { (lang.pick("Alla versioner", "All versions")) }
            @if versions.is_empty() {
                p.muted { (lang.pick("Ingen än.", "None yet.")) }
            } @else {
                ul.card.looks {
                    @for version in versions {
                        li {
                            strong { (version.version) ". " (version.author) } ", " (moment.time_of_ms(version.from_ms))
                            @if let Some(until_ms) = version.until_ms { (lang.pick(" till ", " until ")) (moment.time_of_ms(until_ms)) }
                            ": " (version.reason)
                            (facts(&version.plan, &version.plan.at(version.from_ms, &moment.zone), lang))
                        }
                    }
                }
            }
        }
    }
}
