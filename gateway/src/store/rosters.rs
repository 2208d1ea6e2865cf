//! Rosters, in all their versions. None is changed or deleted: writing one ends the one before.

use serde_json::json;

use super::{Connection, Executor, Row, StoreError, query, query_as, query_scalar};
use crate::duty::roster::Roster;

/// One version of a team's roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// Which, from 1.
    pub version: i64,
    /// Since when it holds.
    pub from_ms: i64,
    /// Until before when it held; none: it holds.
    pub until_ms: Option<i64>,
    /// Who wrote it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// What it says.
    pub roster: Roster,
}

/// Writes a team's new roster, which holds from now on. `before` is the version that it was made from, 0 where there was none:
/// where another was written meanwhile, nothing is written, and that is said.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such team.
pub async fn write(
    work: &mut Connection,
    team: &str,
    roster: &Roster,
    before: Option<i64>,
    (author, reason): (&str, &str),
    now_ms: i64,
) -> Result<bool, StoreError> {
    let latest: Option<(i64, i64)> =
        query_as("SELECT version, from_ms FROM roster WHERE team = $1 AND until_ms IS NULL")
            .bind(team)
            .fetch_optional(&mut *work)
            .await?;
    let version = latest.map_or(0, |(version, _)| version);
    if before.is_some_and(|before| before != version) {
        return Ok(false);
    }
    // Where our clock went back meanwhile, the new one begins where the one before did, and that held for no time.
    let from_ms = latest.map_or(now_ms, |(_, from_ms)| now_ms.max(from_ms));
    query("UPDATE roster SET until_ms = $2 WHERE team = $1 AND until_ms IS NULL")
        .bind(team)
        .bind(from_ms)
        .execute(&mut *work)
        .await?;
    query("INSERT INTO roster (team, version, from_ms, author, reason, roster) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(team)
        .bind(version + 1)
        .bind(from_ms)
        .bind(author)
        .bind(reason)
        .bind(json!(roster).to_string())
        .execute(work)
        .await?;
    Ok(true)
}

/// All versions of a team's roster, the newest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn versions(store: impl Executor<'_>, team: &str) -> Result<Vec<Version>, StoreError> {
    let rows = query("SELECT * FROM roster WHERE team = $1 ORDER BY version DESC").bind(team).fetch_all(store).await?;
    rows.iter().map(version_of).collect()
}

/// The roster that holds for a team at a moment; none where nobody has written one, or it says nothing.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn at(store: impl Executor<'_>, team: &str, at_ms: i64) -> Result<Option<Roster>, StoreError> {
    let stored: Option<String> = query_scalar(
        "SELECT roster FROM roster WHERE team = $1 AND from_ms <= $2 AND (until_ms IS NULL OR until_ms > $2)",
    )
    .bind(team)
    .bind(at_ms)
    .fetch_optional(store)
    .await?;
    Ok(stored.map(|stored| read(&stored)).filter(|roster| !roster.is_none()))
}

/// A roster as it is stored. One that this version cannot read, as a later one wrote it, leaves nobody off duty: it is as
/// none, so that the whole team is on duty.
fn read(stored: &str) -> Roster {
    serde_json::from_str(stored).unwrap_or_else(|_| {
        tracing::error!("a roster cannot be read; the whole team counts as on duty");
        Roster::default()
    })
}

fn version_of(row: &Row) -> Result<Version, StoreError> {
    Ok(Version {
        version: row.try_get("version")?,
        from_ms: row.try_get("from_ms")?,
        until_ms: row.try_get("until_ms")?,
        author: row.try_get("author")?,
        reason: row.try_get("reason")?,
        roster: read(row.try_get("roster")?),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::duty::Area;
    use crate::duty::roster::{Change, Period, What};
    use crate::store::{savepoint, teams, tests::fresh};

    #[test]
    fn a_roster_that_cannot_be_read_leaves_nobody_off_duty() {
        assert!(read(r#"{"shifts":[],"of_a_later_version":7}"#).is_none());
    }

    #[tokio::test]
    async fn a_new_roster_ends_the_one_before_and_is_not_written_over_one_that_its_author_has_not_seen() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let team = teams::add(&mut work, "Nurses", Area::HealthCare, "Europe/Stockholm", 0).await.unwrap();
        let nobody = |hours: i64| {
            let at = |hours: i64| Timestamp::from_second(hours * 3600).unwrap();
            let change = Change { period: Period { from: at(hours), until: at(hours + 1) }, what: What::Nobody };
            Roster { changes: vec![change], ..Roster::default() }
        };
        let by = ("Anna", "why");
        assert!(write(&mut work, &team, &nobody(1), Some(0), by, 100).await.unwrap());
        assert!(!write(&mut work, &team, &nobody(2), Some(0), by, 150).await.unwrap(), "somebody was quicker");
        assert!(write(&mut work, &team, &nobody(2), Some(1), by, 200).await.unwrap());
        assert!(write(&mut work, &team, &Roster::default(), None, by, 300).await.unwrap());
        let mut part = savepoint(&mut work).await.unwrap();
        assert!(write(&mut part, "nowhere", &nobody(1), None, by, 100).await.unwrap_err().is_refused());
        part.rollback().await.unwrap();

        assert_eq!(at(&mut *work, &team, 99).await.unwrap(), None);
        assert_eq!(at(&mut *work, &team, 199).await.unwrap(), Some(nobody(1)));
        assert_eq!(at(&mut *work, &team, 200).await.unwrap(), Some(nobody(2)));
        assert_eq!(at(&mut *work, &team, 300).await.unwrap(), None, "an empty one is none");
        assert_eq!(versions(&mut *work, &team).await.unwrap().len(), 3);
    }
}
