//! When the store was put back from a backup, and what follows from that for what it no longer knows.

use hempuls_protocol::ids::AgentId;

use super::homes::Agent;
use super::{Connection, Reader, StoreError, query, query_as, query_scalar};
use crate::pki;

/// The store was put back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restoration {
    /// When the backup was made.
    pub made_ms: i64,
    /// When it was put in place.
    pub restored_ms: i64,
    /// By whom.
    pub restored_by: String,
    /// Why.
    pub why: String,
    /// Where the store lies that it took the place of.
    pub set_aside: Option<String>,
}

crate::from_row!(Restoration { made_ms, restored_ms, restored_by, why, set_aside });

/// Writes down that it was. Whoever was signed in is not any more, and no code of before can be used: what became of either
/// since the backup nobody knows.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note(work: &mut Connection, restoration: &Restoration) -> Result<(), StoreError> {
    let Restoration { made_ms, restored_ms, restored_by, why, set_aside } = restoration;
    query(
        "INSERT INTO restoration (id, made_ms, restored_ms, restored_by, why, set_aside) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(super::new_id(*restored_ms))
    .bind(made_ms)
    .bind(restored_ms)
    .bind(restored_by)
    .bind(why)
    .bind(set_aside.as_deref())
    .execute(&mut *work)
    .await?;
    query("UPDATE console_session SET ended_ms = $1 WHERE ended_ms IS NULL")
        .bind(restored_ms)
        .execute(&mut *work)
        .await?;
    query("UPDATE enrolment_code SET expires_ms = $1 WHERE used_ms IS NULL AND expires_ms > $1")
        .bind(restored_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// Whether what is to be told of an alert may have been told before the store was put back: it waited then already, or the
/// alert is about what was measured before and came again.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn perhaps_told(work: &mut Connection, alert: &str, since_ms: i64) -> Result<bool, StoreError> {
    let restorations: i64 = query_scalar(
        "SELECT count(*) FROM restoration
         WHERE restored_ms > $1 OR EXISTS (
             SELECT 1 FROM alert_line JOIN record ON record.id = alert_line.record
             WHERE alert_line.alert = $2 AND record.measured_ms < restored_ms AND record.stored_ms >= restored_ms)",
    )
    .bind(since_ms)
    .bind(alert)
    .fetch_one(work)
    .await?;
    Ok(restorations > 0)
}

/// A box shows a certificate that the store does not know. Where it was given between the making of a backup and its being put
/// in place, it is the box's own from here on: the store has only forgotten it. An older one never takes the place of a newer.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn adopt(work: &mut Connection, agent: &Agent, serial: &str) -> Result<bool, StoreError> {
    let Some(issued_ms) = pki::issued_ms(serial) else { return Ok(false) };
    let known_ms = [&agent.serial, &agent.next_serial].into_iter().flatten().filter_map(|known| pki::issued_ms(known));
    if agent.is_revoked || known_ms.max().is_some_and(|known_ms| known_ms >= issued_ms) {
        return Ok(false);
    }
    let forgotten: i64 = query_scalar("SELECT count(*) FROM restoration WHERE made_ms <= $1 AND restored_ms >= $1")
        .bind(issued_ms)
        .fetch_one(&mut *work)
        .await?;
    if forgotten == 0 {
        return Ok(false);
    }
    set_certificate(work, &agent.id, serial, issued_ms).await?;
    tracing::info!(agent.id = %agent.id, "shows a certificate that it was given since the backup; it is its own from here on");
    Ok(true)
}

async fn set_certificate(
    work: &mut Connection,
    agent: &AgentId,
    serial: &str,
    issued_ms: i64,
) -> Result<(), StoreError> {
    query(
        "UPDATE agent SET serial = $2, enrolled_ms = COALESCE(enrolled_ms, $3), certificate_expires_ms = NULL,
             next_serial = NULL, next_expires_ms = NULL
         WHERE id = $1",
    )
    .bind(agent.as_str())
    .bind(serial)
    .bind(issued_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// What was written into a store after a moment, and is in no box: so many of each.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn written_since(reader: &Reader, since_ms: i64) -> Result<Vec<(&'static str, i64)>, StoreError> {
    const WRITTEN: [(&str, &str); 12] = [
        ("homes added", "SELECT count(*) FROM home WHERE created_ms > $1"),
        ("boxes added or enrolled", "SELECT count(*) FROM agent WHERE created_ms > $1 OR enrolled_ms > $1"),
        ("boxes retired", "SELECT count(*) FROM agent WHERE retired_ms > $1"),
        ("people added", "SELECT count(*) FROM person WHERE created_ms > $1"),
        ("devices added or removed", "SELECT count(*) FROM device WHERE created_ms > $1 OR ended_ms > $1"),
        ("assignments begun", "SELECT count(*) FROM assignment WHERE from_ms > $1"),
        ("plans written", "SELECT count(*) FROM plan WHERE from_ms > $1"),
        ("alarm units added or removed", "SELECT count(*) FROM alarm_unit WHERE created_ms > $1 OR ended_ms > $1"),
        ("members' addresses changed", "SELECT count(*) FROM contact WHERE set_ms > $1"),
        (
            "teams, commissions and responsibilities begun or ended",
            "SELECT (SELECT count(*) FROM team WHERE created_ms > $1) + (SELECT count(*) FROM commission WHERE set_ms > $1)
                    + (SELECT count(*) FROM responsibility WHERE set_ms > $1)",
        ),
        ("accounts made", "SELECT count(*) FROM account WHERE created_ms > $1"),
        (
            "things said or done about alerts",
            "SELECT count(*) FROM alert_line WHERE at_ms > $1 AND kind IN ('claimed', 'on_the_way', 'closed')",
        ),
    ];
    let mut written = Vec::new();
    for (what, sql) in WRITTEN {
        let count: i64 = query_scalar(sql).bind(since_ms).fetch_one(reader).await?;
        if count > 0 {
            written.push((what, count));
        }
    }
    Ok(written)
}

/// The boxes that are cut off and the accounts that are disabled in one store are so in another: a stolen box, or somebody who
/// has left, must not come back with yesterday's backup. Says how many were not.
///
/// # Errors
/// [`StoreError`], where a store fails.
pub async fn revoke_as(work: &mut Connection, other: &Reader) -> Result<u64, StoreError> {
    let revoked: Vec<(String, i64, Option<String>, Option<String>)> =
        query_as("SELECT id, revoked_ms, revoked_by, revoked_why FROM agent WHERE revoked_ms IS NOT NULL")
            .fetch_all(other)
            .await?;
    let mut again = 0;
    for (agent, revoked_ms, by, why) in revoked {
        let done = query(
            "UPDATE agent SET revoked_ms = $2, revoked_by = $3, revoked_why = $4 WHERE id = $1 AND revoked_ms IS NULL",
        )
        .bind(agent)
        .bind(revoked_ms)
        .bind(by)
        .bind(why)
        .execute(&mut *work)
        .await?;
        again += done.rows_affected();
    }
    let disabled: Vec<(String, i64)> =
        query_as("SELECT name, disabled_ms FROM account WHERE disabled_ms IS NOT NULL").fetch_all(other).await?;
    for (account, disabled_ms) in disabled {
        let done = query("UPDATE account SET disabled_ms = $2 WHERE name = $1 AND disabled_ms IS NULL")
            .bind(account)
            .bind(disabled_ms)
            .execute(&mut *work)
            .await?;
        again += done.rows_affected();
    }
    Ok(again)
}
