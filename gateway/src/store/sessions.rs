//! Who is signed in to the console, and whose data each of these sessions has shown.
//!
//! Only the SHA-256 of a session's token is kept: who reads the store cannot become who is signed in.

use std::time::Duration;

use jiff::Timestamp;

use super::ledger::unexpected;
use super::{Connection, Executor, StoreError, query, query_as, query_scalar};

/// The longest a session lives.
pub const LONGEST: Duration = Duration::from_secs(12 * 3_600);
/// How long it lives on without being used. A page that follows what happens uses it: a watched screen must not go
/// dark.
pub const IDLE: Duration = Duration::from_secs(3_600);

/// The SHA-256 of a session's token.
pub type TokenHash = [u8; 32];

/// Somebody is signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// What it is found by.
    pub token: TokenHash,
    /// Whose it is.
    pub account: String,
    /// The care unit she acts for.
    pub unit: String,
    /// When it began.
    pub created: Timestamp,
    /// When it ends, unless it is used before.
    pub expires: Timestamp,
}

impl Session {
    /// When it ends, however much it is used.
    #[must_use]
    pub fn ends_at_the_latest(&self) -> Timestamp {
        self.created + LONGEST
    }

    /// When it would end if it were used now.
    fn expires_if_used(&self, now: Timestamp) -> Timestamp {
        (now + IDLE).min(self.ends_at_the_latest())
    }
}

/// Begins a session.
///
/// # Errors
/// When the store cannot be written.
pub async fn begin(store: &mut Connection, token: TokenHash, account: &str, now: Timestamp) -> Result<(), StoreError> {
    query("INSERT INTO console_session (token_hash, account, created_ms, expires_ms) VALUES ($1, $2, $3, $4)")
        .bind(&token[..])
        .bind(account)
        .bind(now.as_millisecond())
        .bind((now + IDLE).as_millisecond())
        .execute(store)
        .await?;
    Ok(())
}

/// Finds a session that has neither ended nor expired.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(store: impl Executor<'_>, token: TokenHash, now: Timestamp) -> Result<Option<Session>, StoreError> {
    let row: Option<(String, String, i64, i64)> = query_as(
        "SELECT account, unit, console_session.created_ms, expires_ms
         FROM console_session JOIN account ON account.name = console_session.account
         WHERE token_hash = $1 AND ended_ms IS NULL AND expires_ms > $2 AND disabled_ms IS NULL",
    )
    .bind(&token[..])
    .bind(now.as_millisecond())
    .fetch_optional(store)
    .await?;
    row.map(|(account, unit, created_ms, expires_ms)| {
        Ok(Session { token, account, unit, created: millis(created_ms)?, expires: millis(expires_ms)? })
    })
    .transpose()
}

/// When the session's end is to be moved on because it is used now: at most once a minute.
#[must_use]
pub fn moves_on_to(session: &Session, now: Timestamp) -> Option<Timestamp> {
    let expires = session.expires_if_used(now);
    (expires >= session.expires + Duration::from_secs(60)).then_some(expires)
}

/// Moves a session's end on.
///
/// # Errors
/// When the store cannot be written.
pub async fn move_on(store: &mut Connection, token: TokenHash, expires: Timestamp) -> Result<(), StoreError> {
    query("UPDATE console_session SET expires_ms = $1 WHERE token_hash = $2 AND ended_ms IS NULL")
        .bind(expires.as_millisecond())
        .bind(&token[..])
        .execute(store)
        .await?;
    Ok(())
}

/// Ends a session for good.
///
/// # Errors
/// When the store cannot be written.
pub async fn end(store: &mut Connection, token: TokenHash, now: Timestamp) -> Result<(), StoreError> {
    query("UPDATE console_session SET ended_ms = $1 WHERE token_hash = $2 AND ended_ms IS NULL")
        .bind(now.as_millisecond())
        .bind(&token[..])
        .execute(store)
        .await?;
    Ok(())
}

/// Of these people, those whose data the session has not shown yet.
///
/// # Errors
/// When the store cannot be read.
pub async fn not_yet_shown<'p>(
    store: impl Executor<'_>,
    token: TokenHash,
    people: &[&'p str],
) -> Result<Vec<&'p str>, StoreError> {
    let shown: Vec<String> = query_scalar("SELECT person FROM console_session_seen WHERE token_hash = $1")
        .bind(&token[..])
        .fetch_all(store)
        .await?;
    Ok(people.iter().copied().filter(|person| !shown.iter().any(|known| known == person)).collect())
}

/// Notes that the session is about to show these people's data.
///
/// # Errors
/// When the store cannot be written.
pub async fn note_shown(
    store: &mut Connection,
    token: TokenHash,
    people: &[&str],
    now: Timestamp,
) -> Result<(), StoreError> {
    for person in people {
        query(
            "INSERT INTO console_session_seen (token_hash, person, at_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(&token[..])
        .bind(person)
        .bind(now.as_millisecond())
        .execute(&mut *store)
        .await?;
    }
    Ok(())
}

fn millis(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| unexpected("time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_used_lives_on_but_never_longer_than_a_shift() {
        let began: Timestamp = "2026-11-22T20:00:00Z".parse().expect("a time");
        let session = Session {
            token: [0; 32],
            account: "nurse".into(),
            unit: "home care".into(),
            created: began,
            expires: began + IDLE,
        };
        assert_eq!(moves_on_to(&session, began + Duration::from_secs(59)), None);
        assert_eq!(moves_on_to(&session, began + Duration::from_secs(1_800)), Some(began + Duration::from_secs(5_400)));

        let late = Session { expires: began + LONGEST - Duration::from_secs(600), ..session };
        assert_eq!(moves_on_to(&late, began + LONGEST - Duration::from_secs(700)), Some(began + LONGEST));
        let last = Session { expires: began + LONGEST, ..late };
        assert_eq!(moves_on_to(&last, began + LONGEST - Duration::from_secs(1)), None);
    }
}
