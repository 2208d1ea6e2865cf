//! Alarm units of other makes: whose they are, when they were heard, and which of their messages came.

use hempuls_protocol::scaip::{ControllerId, Request};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Connection, Executor, Reader, StoreError, query, query_as, query_scalar};

/// An alarm unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Unit {
    /// By which number its messages name it.
    pub id: String,
    /// The id of the home it stands in.
    pub home: String,
    /// Whose it is, where that is one person.
    pub person: Option<String>,
    /// How often it says that it is there, in seconds.
    pub heartbeat_s: i64,
    /// Since when it is known.
    pub created_ms: i64,
    /// When it was last heard.
    pub last_heard_ms: Option<i64>,
    /// Since when it is known to be silent.
    pub silent_ms: Option<i64>,
    /// When it left its home.
    pub ended_ms: Option<i64>,
}

crate::from_row!(Unit { id, home, person, heartbeat_s, created_ms, last_heard_ms, silent_ms, ended_ms });

/// Adds a unit, or one that had left again.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such home or person, or the unit is in a home already.
pub async fn add(work: &mut Connection, unit: &Unit) -> Result<bool, StoreError> {
    let added = query(
        "INSERT INTO alarm_unit (id, home, person, heartbeat_s, created_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET home = excluded.home, person = excluded.person, ended_ms = NULL, silent_ms = NULL,
             heartbeat_s = excluded.heartbeat_s, created_ms = excluded.created_ms, last_heard_ms = NULL
         WHERE alarm_unit.ended_ms IS NOT NULL",
    )
    .bind(&unit.id)
    .bind(&unit.home)
    .bind(&unit.person)
    .bind(unit.heartbeat_s)
    .bind(unit.created_ms)
    .execute(work)
    .await?;
    Ok(added.rows_affected() > 0)
}

/// A unit leaves its home: nobody waits for it any more. Says whether it was in one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn remove(work: &mut Connection, id: &ControllerId, now_ms: i64) -> Result<bool, StoreError> {
    let removed = query("UPDATE alarm_unit SET ended_ms = $2 WHERE id = $1 AND ended_ms IS NULL")
        .bind(id.as_str())
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(removed.rows_affected() > 0)
}

/// All units, those that have left their home last.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn list(reader: &Reader) -> Result<Vec<Unit>, StoreError> {
    Ok(query_as("SELECT * FROM alarm_unit ORDER BY ended_ms IS NOT NULL, id").fetch_all(reader).await?)
}

/// A unit that is in a home.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn find(store: impl Executor<'_>, id: &ControllerId) -> Result<Option<Unit>, StoreError> {
    Ok(query_as("SELECT * FROM alarm_unit WHERE id = $1 AND ended_ms IS NULL")
        .bind(id.as_str())
        .fetch_optional(store)
        .await?)
}

/// A unit was heard, and is silent no more.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_heard(work: &mut Connection, id: &str, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE alarm_unit SET last_heard_ms = $2, silent_ms = NULL WHERE id = $1")
        .bind(id)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// Those that have not been heard for so long that they missed so many signs of life, and are not known to be silent.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn quiet(reader: &Reader, missed: i64, now_ms: i64) -> Result<Vec<Unit>, StoreError> {
    Ok(query_as(
        "SELECT * FROM alarm_unit
         WHERE ended_ms IS NULL AND silent_ms IS NULL
             AND coalesce(last_heard_ms, created_ms) <= $2 - heartbeat_s * 1000 * $1
         ORDER BY id",
    )
    .bind(missed)
    .bind(now_ms)
    .fetch_all(reader)
    .await?)
}

/// One that was last heard at `since_ms` or earlier is silent. Says whether that is so, and nobody has written it before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_silent(work: &mut Connection, id: &str, since_ms: i64, now_ms: i64) -> Result<bool, StoreError> {
    let noted = query(
        "UPDATE alarm_unit SET silent_ms = $3
         WHERE id = $1 AND ended_ms IS NULL AND silent_ms IS NULL AND coalesce(last_heard_ms, created_ms) <= $2",
    )
    .bind(id)
    .bind(since_ms)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Keeps that a message came. Says whether the same had come before, within so many milliseconds: then it is sent again,
/// and not anew.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn is_repeated(
    work: &mut Connection,
    unit: &str,
    request: &Request,
    within_ms: i64,
    now_ms: i64,
) -> Result<bool, StoreError> {
    query("DELETE FROM alarm_unit_message WHERE unit = $1 AND seen_ms < $2")
        .bind(unit)
        .bind(now_ms - within_ms)
        .execute(&mut *work)
        .await?;
    let digest = Sha256::digest(request.write()).to_vec();
    let before: Option<Vec<u8>> =
        query_scalar("SELECT digest FROM alarm_unit_message WHERE unit = $1 AND reference = $2")
            .bind(unit)
            .bind(request.reference.as_str())
            .fetch_optional(&mut *work)
            .await?;
    if before.as_ref() == Some(&digest) {
        return Ok(true);
    }
    query(
        "INSERT INTO alarm_unit_message (unit, reference, digest, seen_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (unit, reference) DO UPDATE SET digest = excluded.digest, seen_ms = excluded.seen_ms",
    )
    .bind(unit)
    .bind(request.reference.as_str())
    .bind(&digest)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::homes;

    #[tokio::test]
    async fn a_message_sent_again_is_known_and_one_that_says_something_else_is_not() {
        let (_folder, store) = crate::store::tests::fresh().await;
        let mut work = store.work().await.unwrap();
        let unit = a_unit(&mut work).await;
        let said = |status: u16| {
            let body = format!("<mrq><ref>1</ref><cid>{}</cid><dty>3</dty><stc>{status}</stc></mrq>", unit.id);
            Request::read(body.as_bytes()).unwrap().request
        };
        let mut came = Vec::new();
        for (status, now_ms) in [(10, 0), (10, 500), (10, 1_000), (9, 1_100), (9, 2_000), (9, 2_101)] {
            came.push(is_repeated(&mut work, &unit.id, &said(status), 1_000, now_ms).await.unwrap());
        }
        assert_eq!(came, [false, true, true, false, true, false], "and one that first came long ago is new");
    }

    #[tokio::test]
    async fn a_unit_is_quiet_from_its_last_word_on_and_silent_once_nobody_heard_it_while_somebody_listened() {
        let (_folder, store) = crate::store::tests::fresh().await;
        let mut work = store.work().await.unwrap();
        let unit = a_unit(&mut work).await;
        work.commit().await.unwrap();
        let quiet = async |now_ms| quiet(store.reader(), 3, now_ms).await.unwrap().len();
        assert_eq!((quiet(2_999).await, quiet(3_000).await), (0, 1));

        let mut work = store.work().await.unwrap();
        assert!(
            !note_silent(&mut work, &unit.id, -1, 3_000).await.unwrap(),
            "it may have spoken while nobody listened"
        );
        assert!(note_silent(&mut work, &unit.id, 0, 3_000).await.unwrap());
        assert!(!note_silent(&mut work, &unit.id, 0, 3_001).await.unwrap(), "that is known");
        work.commit().await.unwrap();
        assert_eq!(quiet(9_000).await, 0);

        let mut work = store.work().await.unwrap();
        note_heard(&mut work, &unit.id, 10_000).await.unwrap();
        work.commit().await.unwrap();
        assert_eq!((quiet(12_999).await, quiet(13_000).await), (0, 1));

        let mut work = store.work().await.unwrap();
        assert!(remove(&mut work, &unit.id.parse().unwrap(), 13_000).await.unwrap());
        work.commit().await.unwrap();
        assert_eq!(quiet(99_000).await, 0, "nobody waits for it any more");
        let mut work = store.work().await.unwrap();
        assert!(add(&mut work, &Unit { created_ms: 99_000, ..unit.clone() }).await.unwrap(), "it comes back");
        assert!(!add(&mut work, &unit).await.unwrap(), "it is in a home already");
    }

    async fn a_unit(work: &mut Connection) -> Unit {
        let (home, _) = homes::add(work, "Storgatan 1", 0).await.unwrap();
        let unit = Unit {
            id: "4711".into(),
            home,
            person: None,
            heartbeat_s: 1,
            created_ms: 0,
            last_heard_ms: None,
            silent_ms: None,
            ended_ms: None,
        };
        assert!(add(work, &unit).await.unwrap());
        unit
    }
}
