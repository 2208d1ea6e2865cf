//! Silent tests from homes: how often, and how far each box's latest came.

use sqlx::Row as _;

use super::{Connection, Executor, Reader, Row, StoreError, query, query_as, query_scalar};

/// So many are called too old in one piece of work.
const AT_ONCE: u32 = 500;

/// How far a box's latest test came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HomeProof {
    /// When one last came through.
    pub proven_ms: Option<i64>,
    /// When the latest came.
    pub tested_ms: i64,
    /// How long it took from the box's flash until it was stored, but for the time on the wire.
    pub took_ms: i64,
    /// How many would have been told of a press.
    pub told: u32,
    /// Where it stopped.
    pub failed: Option<String>,
}

/// Writes how often homes are to make a test, in seconds, in place of what held before. 0: never.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set_intervals(work: &mut Connection, with_alarm_s: u32, others_s: u32) -> Result<(), StoreError> {
    query("DELETE FROM proof_interval").execute(&mut *work).await?;
    for (kind, every_s) in [("with_alarm", with_alarm_s), ("others", others_s)] {
        if every_s > 0 {
            query("INSERT INTO proof_interval (kind, every_s) VALUES ($1, $2)")
                .bind(kind)
                .bind(every_s)
                .execute(&mut *work)
                .await?;
        }
    }
    Ok(())
}

/// How often a home is to make a test, in seconds; none: never.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn interval_s(store: impl Executor<'_>, has_alarm: bool) -> Result<Option<u32>, StoreError> {
    Ok(query_scalar("SELECT every_s FROM proof_interval WHERE kind = $1")
        .bind(if has_alarm { "with_alarm" } else { "others" })
        .fetch_optional(store)
        .await?)
}

/// Writes how far a box's test came. Says whether an alert that says that its last was too old is over with that.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note(work: &mut Connection, agent: &str, proof: &HomeProof) -> Result<bool, StoreError> {
    let missed_ms: Option<Option<i64>> = query_scalar("SELECT missed_ms FROM home_proof WHERE agent = $1")
        .bind(agent)
        .fetch_optional(&mut *work)
        .await?;
    query(
        "INSERT INTO home_proof (agent, proven_ms, tested_ms, took_ms, told, failed) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (agent) DO UPDATE SET
             proven_ms = COALESCE(excluded.proven_ms, home_proof.proven_ms),
             missed_ms = CASE WHEN excluded.proven_ms IS NULL THEN home_proof.missed_ms END,
             tested_ms = excluded.tested_ms, took_ms = excluded.took_ms, told = excluded.told, failed = excluded.failed",
    )
    .bind(agent)
    .bind(proof.proven_ms)
    .bind(proof.tested_ms)
    .bind(proof.took_ms)
    .bind(proof.told)
    .bind(&proof.failed)
    .execute(work)
    .await?;
    Ok(missed_ms.flatten().is_some() && proof.proven_ms.is_some())
}

/// Boxes in service that are heard, and whose last proof is older than two of their intervals, without an alert that says so:
/// the box, its home, and whether somebody there has a button.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn too_old(reader: &Reader, now_ms: i64) -> Result<Vec<(String, String, bool)>, StoreError> {
    Ok(query_as(
        "SELECT aged.id, aged.home, aged.has_alarm FROM (
             SELECT agent.id, agent.home, proven_ms,
                 EXISTS (SELECT 1 FROM device WHERE device.home = agent.home AND kind = 'alarm_button'
                         AND ended_ms IS NULL) AS has_alarm
             FROM home_proof JOIN agent ON agent.id = home_proof.agent
             WHERE missed_ms IS NULL AND proven_ms IS NOT NULL
               AND enrolled_ms IS NOT NULL AND revoked_ms IS NULL AND retired_ms IS NULL
               AND NOT EXISTS (SELECT 1 FROM silence WHERE silence.agent = agent.id AND over_ms IS NULL)
         ) AS aged
         JOIN proof_interval ON proof_interval.kind = CASE WHEN aged.has_alarm THEN 'with_alarm' ELSE 'others' END
         WHERE aged.proven_ms < $1 - 2000 * every_s ORDER BY aged.id LIMIT $2",
    )
    .bind(now_ms)
    .bind(AT_ONCE)
    .fetch_all(reader)
    .await?)
}

/// An alert says that a box's last proof is too old.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn was_missed(work: &mut Connection, agent: &str, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE home_proof SET missed_ms = $2 WHERE agent = $1").bind(agent).bind(now_ms).execute(work).await?;
    Ok(())
}

/// Of a row that has these columns; none where no test has come.
pub(super) fn of_row(row: &Row) -> Result<Option<HomeProof>, StoreError> {
    let tested_ms: Option<i64> = row.try_get("tested_ms")?;
    let Some(tested_ms) = tested_ms else { return Ok(None) };
    Ok(Some(HomeProof {
        proven_ms: row.try_get("proven_ms")?,
        tested_ms,
        took_ms: row.try_get("took_ms")?,
        told: row.try_get("told")?,
        failed: row.try_get("failed")?,
    }))
}
