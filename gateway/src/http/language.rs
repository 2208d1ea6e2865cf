//! Which language a reader gets: the one she chose, else what her browser asks for, else Swedish.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;

use crate::http::refusal::Refusal;
use crate::wording::Lang;

const COOKIE: &str = "hempuls_language";

impl<S: Sync> FromRequestParts<S> for Lang {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let chosen = CookieJar::from_headers(&parts.headers).get(COOKIE).and_then(|cookie| cookie.value().parse().ok());
        let asked = || parts.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok().and_then(asked_for);
        Ok(chosen.or_else(asked).unwrap_or_default())
    }
}

/// Where to go back to after the change.
#[derive(Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    to: String,
}

/// `GET /language/{sv|en}?to=/page`
pub(crate) async fn choose(
    Path(lang): Path<String>,
    Query(back): Query<Back>,
    cookies: CookieJar,
) -> Result<Response, Refusal> {
    let lang: Lang = lang.parse().map_err(|_| Refusal::NotFound)?;
    let year = 365 * 24 * 3_600;
    let cookie =
        Cookie::parse(format!("{COOKIE}={lang}; Path=/; Max-Age={year}; HttpOnly")).expect("written as cookies are");
    let mut cookie = cookie.into_owned();
    cookie.set_same_site(SameSite::Strict);
    Ok((cookies.add(cookie), Redirect::to(own_path(&back.to))).into_response())
}

/// A path on this console, or the start page for anything else that an address may hide.
pub(crate) fn own_path(asked: &str) -> &str {
    let safe = asked.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_?=&".contains(&b));
    if safe && asked.starts_with('/') && !asked.starts_with("//") { asked } else { "/" }
}

/// The best of our languages in an `Accept-Language` header, the first one where several are wanted as much.
fn asked_for(header: &str) -> Option<Lang> {
    let wanted = header.split(',').filter_map(|part| {
        let mut pieces = part.split(';');
        let tag = pieces.next()?.trim().split('-').next()?.to_ascii_lowercase();
        let quality = pieces.find_map(|piece| piece.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        (quality > 0.0).then_some((tag.parse::<Lang>().ok()?, quality))
    });
    wanted
        .fold(None, |best: Option<(Lang, f32)>, next| match best {
            Some(best) if best.1 >= next.1 => Some(best),
            Some(_) | None => Some(next),
        })
        .map(|(lang, _)| lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_language_it_likes_best_of_ours() {
        assert_eq!(asked_for("en-GB,en;q=0.9,sv;q=0.8"), Some(Lang::En));
        assert_eq!(asked_for("de, sv-SE;q=0.7, en;q=0.3"), Some(Lang::Sv));
        assert_eq!(asked_for("fi, en;q=0"), None);
        assert_eq!(asked_for("*"), None);
    }

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(own_path("/persons/0a1b?days=7"), "/persons/0a1b?days=7");
        for elsewhere in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a:b", "/%2f", "/a\r\nb"] {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere}");
        }
    }
}
