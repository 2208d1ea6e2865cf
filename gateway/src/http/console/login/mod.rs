//! Signing in and out.

pub(crate) mod account;
mod attempts;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Form;
use axum::extract::{ConnectInfo, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use maud::{Markup, html};
use serde::Deserialize;
use tokio::sync::Semaphore;

use self::attempts::Attempts;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, bare_heading};
use crate::http::entry::{begin_session, end_session, session_of};
use crate::http::language::own_path;
use crate::http::refusal::Refusal;
use crate::http::{State, now};
use crate::store::accounts;
use crate::wording::Lang;

/// What slows down whoever guesses passwords.
pub(crate) struct Door {
    attempts: Mutex<Attempts>,
    /// One password is looked at at a time: a flood of guesses leaves the other processor to the alarms.
    one_at_a_time: Arc<Semaphore>,
}

impl Default for Door {
    fn default() -> Self {
        Self { attempts: Mutex::default(), one_at_a_time: Arc::new(Semaphore::new(1)) }
    }
}

impl Door {
    fn attempts<T>(&self, ask: impl FnOnce(&mut Attempts) -> T) -> T {
        ask(&mut self.attempts.lock().expect("nobody panics while holding this"))
    }
}

/// Where to go after signing in.
#[derive(Deserialize)]
pub(crate) struct Onwards {
    #[serde(default)]
    to: String,
}

/// What was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    name: String,
    password: String,
    #[serde(default)]
    to: String,
}

/// What went wrong, if anything.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Trouble {
    Wrong,
    Wait { seconds: u64 },
}

/// `GET /login`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    lang: Lang,
    Query(onwards): Query<Onwards>,
    cookies: CookieJar,
) -> Result<Response, Refusal> {
    if session_of(&cookies, &state).await?.is_some() {
        return Ok(Redirect::to(own_path(&onwards.to)).into_response());
    }
    Ok(answer(&state, lang, StatusCode::OK, "", &onwards.to, None))
}

/// `POST /login`
pub(crate) async fn sign_in(
    Shared(state): Shared<State>,
    lang: Lang,
    cookies: CookieJar,
    from: From,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let door = &state.0.door;
    let name = typed.name.trim();
    let who = (name.chars().take(64).collect(), from.0);
    if let Some(wait) = door.attempts(|attempts| attempts.must_wait(&who, now())) {
        let trouble = Trouble::Wait { seconds: wait.as_secs() + 1 };
        return Ok(answer(&state, lang, StatusCode::TOO_MANY_REQUESTS, name, &typed.to, Some(trouble)));
    }
    let mistakes = door.attempts(|attempts| attempts.expect_mistake(who.clone(), now()));
    let account = accounts::find(state.store().reader(), name).await?;
    let looking = door.one_at_a_time.clone().acquire_owned().await.expect("it is never closed");
    let known = account.clone();
    let right = tokio::task::spawn_blocking(move || {
        let right = account::is_password_of(known.as_ref(), &typed.password);
        drop(looking);
        right
    })
    .await
    .unwrap_or(false);
    let Some(account) = account.filter(|_| right) else {
        tracing::warn!(mistakes, "somebody typed a wrong name or password");
        return Ok(answer(&state, lang, StatusCode::UNAUTHORIZED, name, &typed.to, Some(Trouble::Wrong)));
    };
    door.attempts(|attempts| attempts.forgive(&who));
    let cookie = begin_session(&state, &account.name).await?;
    Ok((cookies.add(cookie), Redirect::to(own_path(&typed.to))).into_response())
}

/// `POST /logout`
pub(crate) async fn sign_out(Shared(state): Shared<State>, cookies: CookieJar) -> Result<Response, Refusal> {
    let cookies = match session_of(&cookies, &state).await? {
        Some(session) => cookies.add(end_session(&state, &session).await?),
        None => cookies,
    };
    Ok((cookies, Redirect::to("/login")).into_response())
}

fn answer(state: &State, lang: Lang, status: StatusCode, name: &str, to: &str, trouble: Option<Trouble>) -> Response {
    let title = lang.pick("Logga in", "Sign in");
    let region = form(lang, name, own_path(to), trouble);
    let title_said = if trouble.is_some() { lang.pick("Fel: Logga in", "Error: Sign in") } else { title };
    let (moment, place, heading) = (&state.moment(lang), Place::Elsewhere, bare_heading(title));
    Page { title: title_said, moment, place, path: "/login", reader: None, stream: None, heading, region }
        .answer(status)
}

fn form(lang: Lang, name: &str, to: &str, trouble: Option<Trouble>) -> Markup {
    let wrong = (trouble == Some(Trouble::Wrong)).then_some("true");
    let described = trouble.is_some().then_some("trouble");
    html! {
        form.form.card method="post" action="/login" {
            @if let Some(trouble) = trouble {
                p #trouble .wrong role="alert" { (Icon::Warning) span { (trouble.words(lang)) } }
            }
            input type="hidden" name="to" value=(to);
            div.field {
                label for="name" { (lang.pick("Namn", "Name")) }
                input #name name="name" value=(name) type="text" autocomplete="username" autocapitalize="none"
                    spellcheck="false" required maxlength="64" aria-invalid=[wrong] aria-describedby=[described];
            }
            div.field {
                label for="password" { (lang.pick("Lösenord", "Password")) }
                input #password name="password" type="password" autocomplete="current-password" required
                    maxlength="256" aria-invalid=[wrong] aria-describedby=[described];
            }
            div.actions { button type="submit" { (lang.pick("Logga in", "Sign in")) } }
        }
    }
}

impl Trouble {
    fn words(self, lang: Lang) -> String {
        match self {
            Self::Wrong => lang
                .pick(
                    "Namnet eller lösenordet stämmer inte. Kontrollera båda och försök igen.",
                    "The name or the password is not right. Check both and try again.",
                )
                .to_owned(),
            Self::Wait { seconds } => lang.pick(
                format!("För många försök. Vänta {seconds} sekunder och försök igen."),
                format!("Too many attempts. Wait {seconds} seconds and try again."),
            ),
        }
    }
}

/// Where a request came from, where that is known.
pub(crate) struct From(Option<IpAddr>);

impl<S: Sync> axum::extract::FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())))
    }
}
