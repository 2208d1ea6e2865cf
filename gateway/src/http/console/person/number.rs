//! A person's whole number, for a member of the care team who asks for it. It is sent for, not linked to: no address,
//! history or log then shows that it was asked for, but the access log, and no browser fetches it ahead.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use hempuls_protocol::personnummer::IdentityNumber;
use maud::{Markup, html};

use crate::http::console::layout::{Page, Place, heading};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks};
use crate::store::access_log::Action;
use crate::store::person_numbers;
use crate::store::person_page::{self, Person};
use crate::wording::Lang;

/// `POST /persons/{person}/number`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(person): Path<String>,
) -> Result<Response, Refusal> {
    if reader.session.is_none() {
        return Err(Refusal::Unknown);
    }
    let store = state.store().reader();
    let person = person_page::find(store, &person).await?.ok_or(Refusal::NotFound)?;
    let number = person_numbers::of_person(store, &person.id).await?.ok_or(Refusal::NotFound)?;
    looks::note(&state, &reader, Action::SawNumber, Some(&person.id), String::new()).await?;
    let moment = state.moment(lang);
    let back = format!("/persons/{}", person.id);
    let region = html! {
        section.card {
            dl.facts { div { dt { (kind(&number, lang)) } dd #number { (grouped(&number)) } } }
            p.muted { (lang.pick("Det är noterat att du har tagit fram numret.", "It is noted that you have asked for the number.")) }
        }
        p.actions { a.button href=(back) { (lang.pick("Tillbaka till ", "Back to ")) (person.name) } }
    };
    let page = Page {
        title: &person.name,
        moment: &moment,
        place: Place::Elsewhere,
        path: &back,
        reader: Some(&reader.looker.who),
        stream: None,
        heading: heading(&person.name, &moment),
        region,
    };
    Ok(page.answer(StatusCode::OK))
}

/// `GET /persons/{person}/number`: where fetching that page again leads, as it is never fetched, but asked for.
pub(crate) async fn back(
    Shared(state): Shared<State>,
    _: Reader,
    Path(person): Path<String>,
) -> Result<Redirect, Refusal> {
    let person = person_page::find(state.store().reader(), &person).await?.ok_or(Refusal::NotFound)?;
    Ok(Redirect::to(&format!("/persons/{}", person.id)))
}

/// The masked number among a person's facts, and the way to the whole.
pub(crate) fn fact(person: &Person, number: &IdentityNumber, lang: Lang) -> Markup {
    html! {
        div {
            dt { (kind(number, lang)) }
            dd {
                (number) " "
                form method="post" action={ "/persons/" (person.id) "/number" } {
                    button #whole-number .quiet type="submit" { (lang.pick("Visa hela numret", "Show the whole number")) }
                }
            }
        }
    }
}

fn kind(number: &IdentityNumber, lang: Lang) -> &'static str {
    match number {
        IdentityNumber::Register(number) if number.is_coordination() => {
            lang.pick("Samordningsnummer", "Coordination number")
        }
        IdentityNumber::Register(_) => lang.pick("Personnummer", "Identity number"),
        IdentityNumber::Reserve(_) => lang.pick("Reservnummer", "Reserve number"),
    }
}

/// As people read and say it: the day, then the rest.
fn grouped(number: &IdentityNumber) -> String {
    let whole = number.whole();
    match number {
        IdentityNumber::Register(_) => format!("{}-{}", &whole[..8], &whole[8..]),
        IdentityNumber::Reserve(_) => whole,
    }
}
