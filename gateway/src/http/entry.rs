//! Who may come in: somebody with a session, or a program with the API token. Nobody else sees a person's data.

use std::fmt;
use std::path::Path;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use rand::Rng as _;
use sha2::{Digest, Sha256};

use crate::duty::sight::lookout::Sight;
use crate::http::guard::{self, Subject};
use crate::http::refusal::Refusal;
use crate::http::{State, keep_secret, now};
use crate::store::access_log::Looker;
use crate::store::sessions::{self, Session, TokenHash};

const COOKIE: &str = "hempuls_session";

/// What programs show instead of a session. Only its SHA-256 is held, and compared, so that the time an answer takes
/// says nothing about the token.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(TokenHash);

impl ApiToken {
    /// The token with these characters.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token.trim()).into())
    }

    fn is(&self, shown: &str) -> bool {
        Self::new(shown) == *self
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken")
    }
}

/// Reads the API token from its file, which is made at the first start.
///
/// # Errors
/// When the file cannot be read or made.
pub fn ensure_api_token(file: &Path) -> std::io::Result<ApiToken> {
    keep_secret(file, &format!("{}\n", random_token()))?;
    let token = std::fs::read_to_string(file)?;
    if token.trim().len() < 32 {
        return Err(std::io::Error::other(
            "the API token has fewer than 32 characters: remove the file to get a new one",
        ));
    }
    Ok(ApiToken::new(&token))
}

/// Somebody who may see what the page's address names, once the access log says so.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// What the access log says of her.
    pub(crate) looker: Looker,
    /// Her session; a program has none.
    pub(crate) session: Option<Session>,
    /// Whom else she sees.
    pub(crate) sight: Sight,
    /// Whether she sees what the address names only because it is an emergency.
    pub(crate) in_emergency: bool,
    subjects: Vec<Subject>,
}

impl Reader {
    async fn of(
        state: &State,
        looker: Looker,
        session: Option<Session>,
        subjects: Vec<Subject>,
    ) -> Result<Self, Refusal> {
        let (store, now_ms) = (state.store().reader(), now().as_millisecond());
        let sight = match &session {
            Some(session) => Sight::of_member(store, &session.account, now_ms).await?,
            None => Sight::of_program(now_ms),
        };
        let in_emergency = guard::look(store, &sight, &subjects).await?;
        Ok(Self { looker, session, sight, in_emergency, subjects })
    }

    /// As she is now: what she may see may have ended meanwhile.
    pub(crate) async fn again(&self, state: &State) -> Result<Self, Refusal> {
        Self::of(state, self.looker.clone(), self.session.clone(), self.subjects.clone()).await
    }
}

impl FromRequestParts<State> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        if let Some(shown) = parts.headers.get(header::AUTHORIZATION) {
            let token = shown.to_str().ok().and_then(|shown| shown.strip_prefix("Bearer "));
            if !token.is_some_and(|token| state.0.api_token.is(token)) {
                return Err(Refusal::Unknown);
            }
            let looker = Looker { who: "program".to_owned(), unit: "api-token".to_owned() };
            return Self::of(state, looker, None, Vec::new()).await;
        }
        let session = session_of(&CookieJar::from_headers(&parts.headers), state).await?.ok_or(Refusal::Unknown)?;
        keep_alive(state, &session).await?;
        let subjects = match RawPathParams::from_request_parts(parts, state).await {
            Ok(params) => guard::subjects(&params, parts.uri.path()),
            // What an address names that cannot be read cannot be looked at either.
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => return Err(Refusal::Malformed),
            Err(_) => Vec::new(),
        };
        let looker = Looker { who: session.account.clone(), unit: session.unit.clone() };
        Self::of(state, looker, Some(session), subjects).await
    }
}

/// Finds the session whose token a cookie holds.
pub(crate) async fn session_of(cookies: &CookieJar, state: &State) -> Result<Option<Session>, Refusal> {
    match cookies.get(COOKIE) {
        Some(cookie) => Ok(sessions::find(state.store().reader(), hash(cookie.value()), now()).await?),
        None => Ok(None),
    }
}

/// Notes that a session is in use.
pub(crate) async fn keep_alive(state: &State, session: &Session) -> Result<(), Refusal> {
    if let Some(expires) = sessions::moves_on_to(session, now()) {
        let mut work = state.store().work().await?;
        sessions::move_on(&mut work, session.token, expires).await?;
        work.commit().await?;
    }
    Ok(())
}

/// Begins a session; the cookie is the only place where its token is kept.
pub(crate) async fn begin_session(state: &State, account: &str) -> Result<Cookie<'static>, Refusal> {
    let token = random_token();
    let mut work = state.store().work().await?;
    sessions::begin(&mut work, hash(&token), account, now()).await?;
    work.commit().await?;
    let mut cookie = session_cookie(state, token);
    cookie.set_max_age(Some(sessions::LONGEST.try_into().expect("twelve hours are few seconds")));
    Ok(cookie)
}

/// Ends a session; the cookie goes with it.
pub(crate) async fn end_session(state: &State, session: &Session) -> Result<Cookie<'static>, Refusal> {
    let mut work = state.store().work().await?;
    sessions::end(&mut work, session.token, now()).await?;
    work.commit().await?;
    let mut cookie = session_cookie(state, String::new());
    cookie.make_removal();
    Ok(cookie)
}

fn session_cookie(state: &State, token: String) -> Cookie<'static> {
    let mut cookie = Cookie::new(COOKIE, token);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    cookie.set_secure(state.0.behind_tls);
    cookie
}

/// 256 random bits.
fn random_token() -> String {
    hex::encode(rand::rng().random::<[u8; 32]>())
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let file = folder.path().join("api-token");

        let made = ensure_api_token(&file).expect("it can be made");

        let token = std::fs::read_to_string(&file).expect("it is there");
        assert!(made.is(token.trim()) && !made.is("") && !made.is(&token[1..]));
        assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(ensure_api_token(&file).expect("it can be read"), made);
    }

    #[test]
    fn an_empty_token_file_opens_no_door() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let file = folder.path().join("api-token");
        std::fs::write(&file, "\n").expect("it can be written");
        assert!(ensure_api_token(&file).is_err());
    }
}
