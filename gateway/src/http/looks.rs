//! Shows a person's data only after the access log says who looks (P8).

use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, now};
use crate::store::access_log::{self, Action, Look};
use crate::store::sessions;

/// Why the care team looks.
const CARE: &str = "care";
/// Why she looks at whom she is not responsible for: she has said that it is an emergency.
pub(crate) const EMERGENCY: &str = "emergency";
/// Why a program looks.
const OPERATION: &str = "operation";

impl Reader {
    /// Why she looks.
    pub(crate) fn why(&self) -> &'static str {
        match (&self.session, self.in_emergency) {
            (Some(_), true) => EMERGENCY,
            (Some(_), false) => CARE,
            (None, _) => OPERATION,
        }
    }
}

/// Notes one look. Show nothing where this fails.
pub(crate) async fn note(
    state: &State,
    reader: &Reader,
    action: Action,
    person: Option<&str>,
    what: String,
) -> Result<(), Refusal> {
    note_all(state, reader, action, &[person], what).await
}

/// Notes one look at each of these people's data. Show nothing where this fails.
pub(crate) async fn note_all(
    state: &State,
    reader: &Reader,
    action: Action,
    people: &[Option<&str>],
    what: String,
) -> Result<(), Refusal> {
    if people.is_empty() {
        return Ok(());
    }
    let looks: Vec<Look<'_>> =
        people.iter().map(|person| Look { action, person: *person, what: what.clone(), why: reader.why() }).collect();
    let mut work = state.store().work().await?;
    access_log::write(&mut work, &reader.looker, &looks, now()).await?;
    work.commit().await?;
    Ok(())
}

/// Notes that somebody follows what a page shows, unless this session has opened that very page: then it is noted already.
/// Show nothing where this fails.
pub(crate) async fn note_following(
    state: &State,
    reader: &Reader,
    action: Action,
    person: Option<&str>,
    what: String,
) -> Result<(), Refusal> {
    if let Some(session) = &reader.session {
        let look = Look { action, person, what: what.clone(), why: reader.why() };
        if access_log::knows(state.store().reader(), &reader.looker, &look, session.created).await? {
            return Ok(());
        }
    }
    note(state, reader, action, person, what).await
}

/// Notes a look at those of these people whom the session has not shown before; a program's looks are noted each time.
/// Show nothing where this fails.
pub(crate) async fn note_first(state: &State, reader: &Reader, action: Action, people: &[&str]) -> Result<(), Refusal> {
    let Some(session) = &reader.session else {
        let people: Vec<_> = people.iter().copied().map(Some).collect();
        return note_all(state, reader, action, &people, String::new()).await;
    };
    if sessions::not_yet_shown(state.store().reader(), session.token, people).await?.is_empty() {
        return Ok(());
    }
    let mut work = state.store().work().await?;
    // Asked again where nobody else writes: two pages of one session may show her at the same moment.
    let new = sessions::not_yet_shown(&mut *work, session.token, people).await?;
    let looks: Vec<Look<'_>> = new
        .iter()
        .map(|person| Look { action, person: Some(person), what: String::new(), why: reader.why() })
        .collect();
    access_log::write(&mut work, &reader.looker, &looks, now()).await?;
    sessions::note_shown(&mut work, session.token, &new, now()).await?;
    work.commit().await?;
    Ok(())
}
