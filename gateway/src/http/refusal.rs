//! Answers that are not what was asked for, in words: a page for people, JSON for programs.

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde_json::json;

use crate::http::State;
use crate::http::console::emergency;
use crate::http::console::layout::{self, Page, Place};
use crate::http::console::moments::Moment;
use crate::store::StoreError;
use crate::wording::Lang;

/// Why somebody does not get what she asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody is signed in, or the token is not the one.
    Unknown,
    /// She is not responsible for whom or what it is about.
    NotHers,
    /// There is no such page, person or alert.
    NotFound,
    /// A question of this form cannot be answered.
    Malformed,
    /// The request came from another site's page.
    FromElsewhere,
    /// The store cannot be read or written now, so that a look would leave no trace.
    StoreFails,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotHers | Self::FromElsewhere => StatusCode::FORBIDDEN,
            Self::StoreFails => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(self, lang: Lang) -> &'static str {
        match self {
            Self::Unknown => lang.pick("Du är inte inloggad", "You are not signed in"),
            Self::NotHers => lang.pick("Ett annat team har ansvaret", "Another team is responsible"),
            Self::NotFound => lang.pick("Sidan finns inte", "There is no such page"),
            Self::Malformed => lang.pick("Frågan gick inte att förstå", "The request could not be understood"),
            Self::FromElsewhere => lang.pick("Stoppat för säkerhets skull", "Stopped to be safe"),
            Self::StoreFails => lang.pick("Uppgifterna kan inte visas just nu", "The data cannot be shown just now"),
        }
    }

    fn advice(self, lang: Lang) -> &'static str {
        match self {
            Self::Unknown => lang.pick("Logga in och försök igen.", "Sign in and try again."),
            Self::NotHers => lang.pick(
                "Du ser de personer som ett team du arbetar för ansvarar för, och det som ditt team har fått besked om. I en \
                 nödsituation kan du öppna en persons uppgifter ändå.",
                "You see the people that a team you work for is responsible for, and what your team was told of. In an \
                 emergency you can open a person's data all the same.",
            ),
            Self::NotFound => lang.pick(
                "Adressen kan vara felskriven, eller så gäller den inte längre. Gå till arbetslistan.",
                "The address may be mistyped, or holds no longer. Go to the work list.",
            ),
            Self::Malformed => lang.pick("Gå tillbaka och försök igen.", "Go back and try again."),
            Self::FromElsewhere => lang.pick(
                "Förfrågan kom inte från Hempuls egna sidor. Gå till arbetslistan och gör om det därifrån.",
                "The request did not come from a page of Hempuls. Go to the work list and do it again from there.",
            ),
            Self::StoreFails => lang.pick(
                "Hempuls kan inte läsa eller skriva i sin databas. Uppgifter om en person visas bara när det kan noteras vem som tittar. Larm kan finnas som inte syns här: använd reservrutinen och kontakta driften.",
                "Hempuls cannot read or write its database. A person's data are shown only when it can be noted who looks. There may be alarms that do not show here: use your fallback routine and call operations.",
            ),
        }
    }

    fn for_programs(self) -> &'static str {
        match self {
            Self::Unknown => "sign in, or send the API token as `Authorization: Bearer …`",
            Self::NotHers => "another team is responsible; nothing is shown and nothing was changed",
            Self::NotFound => "there is no such thing",
            Self::Malformed => "the request could not be understood",
            Self::FromElsewhere => "the request came from another site",
            Self::StoreFails => "the store cannot be read, or the access log cannot be written; nothing is shown",
        }
    }
}

/// Whoever asks for something that is not there.
pub(crate) async fn no_such_page() -> Refusal {
    Refusal::NotFound
}

/// Puts a refusal into words, for whom and in which language it is meant.
pub(crate) async fn explain(Shared(state): Shared<State>, lang: Lang, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let onwards = if request.method() == Method::GET { path.clone() } else { "/".to_owned() };
    let answer = next.run(request).await;
    let Some(refusal) = refusal_of(&answer) else {
        return answer;
    };
    let for_programs = path.starts_with("/api/") || path.ends_with("/stream");
    if for_programs {
        let mut told = (refusal.status(), axum::Json(json!({ "error": refusal.for_programs() }))).into_response();
        if refusal == Refusal::Unknown {
            told.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        return told;
    }
    if refusal == Refusal::Unknown {
        return Redirect::to(&format!("/login?to={onwards}")).into_response();
    }
    if let (Refusal::NotHers, Some(person)) = (refusal, person_at(&onwards)) {
        return Redirect::to(&emergency::address(person)).into_response();
    }
    page(refusal, &state.moment(lang))
}

/// A refusal of ours, or of a form or an address that could not be read.
fn refusal_of(answer: &Response) -> Option<Refusal> {
    let marked = answer.extensions().get::<Refusal>().copied();
    let plain =
        answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    marked.or((answer.status().is_client_error() && plain).then_some(Refusal::Malformed))
}

/// The person whose page an address leads to.
fn person_at(path: &str) -> Option<&str> {
    path.strip_prefix("/persons/")?.split('/').next()
}

fn page(refusal: Refusal, moment: &Moment) -> Response {
    let lang = moment.lang;
    let title = refusal.title(lang);
    let region = html! {
        section.card {
            p { (refusal.advice(lang)) }
        }
        p.actions {
            a.button href="/" { (lang.pick("Till arbetslistan", "To the work list")) }
            @if refusal == Refusal::NotHers { (emergency::way_in(lang)) }
        }
    };
    let place = Place::Elsewhere;
    Page { title, moment, place, path: "/", reader: None, stream: None, heading: layout::bare_heading(title), region }
        .answer(refusal.status())
}

impl IntoResponse for Refusal {
    /// Only a mark: [`explain`] puts it into words.
    fn into_response(self) -> Response {
        let mut answer = self.status().into_response();
        answer.extensions_mut().insert(self);
        answer
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the console cannot use the store");
        Self::StoreFails
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}
