//! Writing a roster, from wherever it comes: all of it is checked first, so that none is half right.

use super::roster::{Roster, Wrong};
use crate::store::teams::Team;
use crate::store::{Connection, StoreError, rosters, teams};

/// The longest reason that is kept.
pub const LONGEST_REASON: usize = 500;

/// Why a roster was not written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// It cannot hold.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// It names somebody who may not take care of people for the team.
    #[error("{0} has no commission to care for the team; `hempuls-gateway team commission` gives one")]
    Stranger(String),
    /// Another was written after the one it was made from.
    #[error("somebody else has written a roster meanwhile; look at it, and try again")]
    Overtaken,
    /// Nobody, or no reason, or too long a one.
    #[error("a roster needs an author, and a reason of at most {LONGEST_REASON} characters")]
    Unsaid,
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes a team's new roster, which holds from now on. `before` is the version it was made from, where that matters.
///
/// # Errors
/// [`NotWritten`], and then nothing was.
pub async fn write(
    work: &mut Connection,
    team: &Team,
    roster: &Roster,
    before: Option<i64>,
    (author, reason): (&str, &str),
    now_ms: i64,
) -> Result<(), NotWritten> {
    let (author, reason) = (author.trim(), reason.trim());
    if author.is_empty() || reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        return Err(NotWritten::Unsaid);
    }
    roster.check()?;
    let members = teams::may_be_on_duty(&mut *work, &team.id, now_ms).await?;
    if let Some(stranger) = roster.named().into_iter().find(|name| members.iter().all(|member| member != name)) {
        return Err(NotWritten::Stranger(stranger.to_owned()));
    }
    match rosters::write(work, &team.id, roster, before, (author, reason), now_ms).await? {
        true => Ok(()),
        false => Err(NotWritten::Overtaken),
    }
}
