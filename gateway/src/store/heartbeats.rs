//! What boxes last said of themselves and of their devices.

use hempuls_protocol::ids::AgentId;
use hempuls_protocol::wire::heartbeat::{Heartbeat, Status};

use super::ledger::{signed, trust_word};
use super::{Connection, StoreError, agents, query, query_as};

/// A box's last heartbeat.
#[derive(Clone, PartialEq, Debug)]
pub struct Last {
    /// When it came.
    pub at_ms: i64,
    /// What it said; none where it came before this was kept, or cannot be read any more.
    pub said: Option<Heartbeat>,
}

impl Last {
    /// Whether this one was said after that one, which is late.
    #[must_use]
    pub fn overtook(&self, late: &Heartbeat) -> bool {
        let said = self.said.as_ref().map(|said| said.clock);
        said.is_some_and(|said| said.boot == late.clock.boot && said.since_boot_ms > late.clock.since_boot_ms)
    }
}

/// The last heartbeat of a box, if there was one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn last(work: &mut Connection, agent: &AgentId) -> Result<Option<Last>, StoreError> {
    let row: Option<(i64, Option<Vec<u8>>)> = query_as("SELECT at_ms, said FROM heartbeat WHERE agent = $1")
        .bind(agent.as_str())
        .fetch_optional(work)
        .await?;
    Ok(row.map(|(at_ms, said)| Last { at_ms, said: said.as_deref().and_then(read) }))
}

/// Reads what [`note`] kept of a heartbeat.
pub(super) fn read(said: &[u8]) -> Option<Heartbeat> {
    match Status::from_bytes(said) {
        Ok(Status::Heartbeat(beat)) => Some(*beat),
        Ok(Status::LastWill) | Err(_) => None,
    }
}

/// Writes down what a heartbeat says, but for its books.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note(work: &mut Connection, agent: &AgentId, beat: &Heartbeat, now_ms: i64) -> Result<(), StoreError> {
    if let Some(expires_s) = beat.certificate_expires {
        agents::has_one_that_expires(work, agent, expires_s).await?;
    }
    let ago = |seconds: Option<u64>| seconds.map(|seconds| now_ms.saturating_sub(signed(seconds).saturating_mul(1000)));
    query(
        "INSERT INTO heartbeat (agent, at_ms, clock_trust, clock_wall_ms, heard_ms, heard, refused, panics,
             disk_free, certificate_expires_ms, version, said)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (agent) DO UPDATE SET at_ms = excluded.at_ms, clock_trust = excluded.clock_trust,
             clock_wall_ms = excluded.clock_wall_ms, heard_ms = excluded.heard_ms, heard = excluded.heard,
             refused = excluded.refused, panics = excluded.panics, disk_free = excluded.disk_free,
             certificate_expires_ms = excluded.certificate_expires_ms, version = excluded.version, said = excluded.said",
    )
    .bind(agent.as_str())
    .bind(now_ms)
    .bind(trust_word(beat.clock.trust))
    .bind(beat.clock.wall_ms)
    .bind(ago(beat.heard_s))
    .bind(signed(beat.heard))
    .bind(signed(beat.refused))
    .bind(beat.panics)
    .bind(beat.disk_free.map(signed))
    .bind(beat.certificate_expires.map(|seconds| seconds.saturating_mul(1000)))
    .bind(&beat.version)
    .bind(Status::Heartbeat(Box::new(beat.clone())).to_bytes())
    .execute(&mut *work)
    .await?;
    for lane in &beat.lanes {
        query("UPDATE cursor SET oldest_waiting_ms = $4 WHERE agent = $1 AND lane = $2 AND epoch = $3")
            .bind(agent.as_str())
            .bind(lane.lane.as_str())
            .bind(lane.epoch.to_string())
            .bind(ago(lane.oldest_waiting_s))
            .execute(&mut *work)
            .await?;
    }
    for device in &beat.devices {
        query(
            "INSERT INTO device_state (agent, device, at_ms, battery, heard_ms, model, clock_ahead_s, is_missing)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (agent, device) DO UPDATE SET at_ms = excluded.at_ms,
                 battery = COALESCE(excluded.battery, device_state.battery),
                 heard_ms = COALESCE(excluded.heard_ms, device_state.heard_ms),
                 model = COALESCE(excluded.model, device_state.model),
                 clock_ahead_s = COALESCE(excluded.clock_ahead_s, device_state.clock_ahead_s),
                 is_missing = excluded.is_missing",
        )
        .bind(agent.as_str())
        .bind(device.device.to_string())
        .bind(now_ms)
        .bind(device.battery)
        .bind(ago(device.heard_s))
        .bind(device.model.as_deref())
        .bind(device.clock_ahead_s)
        .bind(device.is_missing)
        .execute(&mut *work)
        .await?;
    }
    Ok(())
}
