//! What members do about alerts, from the console's pages and through the interface for programs: once, in one piece of
//! work with its row in the access log.

use crate::alerts::alert::State as Stands;
use crate::alerts::{self, Act, ActError, Line};
use crate::changes::Change;
use crate::clock;
use crate::http::State;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::letters::Occasion;
use crate::store::access_log::{self, Action, Look};
use crate::store::alerts as cases;

/// The longest text that is kept.
pub(crate) const LONGEST_TEXT: usize = 2_000;

/// A text as it is kept: without blanks around it, and not too long.
pub(crate) fn text(typed: &str) -> String {
    typed.trim().chars().take(LONGEST_TEXT).collect()
}

/// Does something about an alert as `who`, a named human. Doing the same again changes nothing. Returns why it was not done,
/// where it was not.
pub(crate) async fn act(
    state: &State,
    reader: &Reader,
    who: &str,
    id: &str,
    act: &Act,
) -> Result<Option<ActError>, Refusal> {
    let mut work = state.store().work().await?;
    let stands = cases::find(&mut work, id).await?.ok_or(Refusal::NotFound)?.state;
    let is_written = match act {
        Act::Note { note } => {
            let line = Line::Noted { by: who.to_owned(), note: note.clone() };
            cases::lines(&mut work, id).await?.last() == Some(&line)
        }
        Act::Claim
        | Act::SayOnTheWay
        | Act::See
        | Act::HandOver { .. }
        | Act::GiveBack { .. }
        | Act::Close { .. }
        | Act::Reopen { .. } => false,
    };
    if is_written || is_done(act, &stands, who) {
        return Ok(None);
    }
    match alerts::act(&mut work, id, act, who, clock::now_ms()).await {
        Ok(()) => {}
        Err(ActError::NoSuchAlert) => return Err(Refusal::NotFound),
        Err(ActError::Store(error)) => return Err(error.into()),
        Err(why @ (ActError::NotNow(_) | ActError::NoSuchMember | ActError::AnotherCase(_))) => return Ok(Some(why)),
    }
    let person = cases::person_of(&mut work, id).await?;
    let look = Look { action: action(act), person: person.as_deref(), what: format!("alert {id}"), why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], crate::http::now()).await?;
    work.commit().await?;
    tell(state, &[(id.to_owned(), person)]);
    Ok(None)
}

/// Hands over all that `who` has claimed. Returns how many, or why it was not done.
pub(crate) async fn hand_over_all(
    state: &State,
    reader: &Reader,
    who: &str,
    to: &str,
) -> Result<Result<usize, ActError>, Refusal> {
    let mut work = state.store().work().await?;
    let cases = match alerts::hand_over_all(&mut work, who, to, clock::now_ms()).await {
        Ok(cases) => cases,
        Err(ActError::Store(error)) => return Err(error.into()),
        Err(why) => return Ok(Err(why)),
    };
    let looks: Vec<Look<'_>> = cases
        .iter()
        .map(|(id, person)| Look {
            action: Action::HandedOverAlert,
            person: person.as_deref(),
            what: format!("alert {id}"),
            why: reader.why(),
        })
        .collect();
    access_log::write(&mut work, &reader.looker, &looks, crate::http::now()).await?;
    work.commit().await?;
    tell(state, &cases);
    Ok(Ok(cases.len()))
}

/// Says after the commit that something was done about these alerts.
fn tell(state: &State, cases: &[(String, Option<String>)]) {
    let people = cases.iter().filter_map(|(_, person)| person.clone()).map(Change::Person);
    state.0.changes.tell([Change::WorkList].into_iter().chain(people));
    for (alert, _) in cases {
        state.0.courier.tell(Occasion::Act { alert: alert.clone() });
    }
}

fn is_done(act: &Act, stands: &Stands, who: &str) -> bool {
    match (act, stands) {
        (Act::Claim, Stands::Claimed(claim)) => claim.by == who,
        (Act::SayOnTheWay, Stands::Claimed(claim)) => claim.by == who && claim.on_the_way_ms.is_some(),
        (Act::HandOver { to }, Stands::Claimed(claim)) => claim.by == *to,
        (Act::Close { .. }, Stands::Closed { by, .. }) => by == who,
        (Act::Reopen { .. }, Stands::Open | Stands::Claimed(_)) => true,
        (
            Act::Claim
            | Act::SayOnTheWay
            | Act::See
            | Act::HandOver { .. }
            | Act::GiveBack { .. }
            | Act::Note { .. }
            | Act::Close { .. }
            | Act::Reopen { .. },
            _,
        ) => false,
    }
}

fn action(act: &Act) -> Action {
    match act {
        Act::Claim => Action::ClaimedAlert,
        Act::SayOnTheWay => Action::SaidOnTheWay,
        Act::See => Action::OpenedAlert,
        Act::HandOver { .. } => Action::HandedOverAlert,
        Act::GiveBack { .. } => Action::GaveBackAlert,
        Act::Note { .. } => Action::WroteOfAlert,
        Act::Close { .. } => Action::ClosedAlert,
        Act::Reopen { .. } => Action::ReopenedAlert,
    }
}
