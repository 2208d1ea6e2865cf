//! Homes and the boxes in them: who is enrolled, who is cut off, who was heard when.

use hempuls_protocol::ids::AgentId;
use rand::Rng as _;
use serde_json::json;

use super::{Connection, Reader, Row, StoreError, query, query_as, query_scalar};

/// What the gateway has to know of a box to take something from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// In which home it stands.
    pub home: String,
    /// The serial number of its certificate, once it is enrolled.
    pub serial: Option<String>,
    /// The serial number of the one that was given out after that, and not shown yet.
    pub next_serial: Option<String>,
    /// Whether it is cut off.
    pub is_revoked: bool,
}

impl Agent {
    /// Whether this is the number of a certificate that it has: the one it was given last, or the one before while
    /// that was not shown yet.
    #[must_use]
    pub fn has_certificate(&self, serial: &str) -> bool {
        [&self.serial, &self.next_serial].into_iter().flatten().any(|own| own == serial)
    }
}

/// Adds a home with a box that is yet to be enrolled. Returns the home's id and the box's.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn add(work: &mut Connection, name: &str, now_ms: i64) -> Result<(String, AgentId), StoreError> {
    let home = super::new_id(now_ms);
    let agent = AgentId::from_random(rand::rng().random());
    query("INSERT INTO home (id, name, created_ms) VALUES ($1, $2, $3)")
        .bind(&home)
        .bind(name)
        .bind(now_ms)
        .execute(&mut *work)
        .await?;
    query("INSERT INTO agent (id, home, created_ms) VALUES ($1, $2, $3)")
        .bind(agent.as_str())
        .bind(&home)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok((home, agent))
}

/// The box of a home: the latest that is in service, or to be.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn agent_of(work: &mut Connection, home: &str) -> Result<Option<AgentId>, StoreError> {
    let agent: Option<String> = query_scalar(
        "SELECT id FROM agent WHERE home = $1 AND revoked_ms IS NULL AND retired_ms IS NULL
         ORDER BY created_ms DESC, id DESC LIMIT 1",
    )
    .bind(home)
    .fetch_optional(work)
    .await?;
    Ok(agent.and_then(|agent| agent.parse().ok()))
}

/// A box, if the store knows it.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn find_agent(reader: &Reader, agent: &AgentId) -> Result<Option<Agent>, StoreError> {
    let row = query("SELECT id, home, serial, next_serial, revoked_ms IS NOT NULL AS revoked FROM agent WHERE id = $1")
        .bind(agent.as_str())
        .fetch_optional(reader)
        .await?;
    row.map(|row| agent_row(&row)).transpose()
}

/// Those of these boxes that the store knows.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn find_agents(work: &mut Connection, agents: &[&AgentId]) -> Result<Vec<Agent>, StoreError> {
    let ids: Vec<&str> = agents.iter().map(|agent| agent.as_str()).collect();
    let rows = query(
        "SELECT agent.id, home, serial, next_serial, revoked_ms IS NOT NULL AS revoked
         FROM json_each($1) CROSS JOIN agent WHERE agent.id = value",
    )
    .bind(json!(ids).to_string())
    .fetch_all(work)
    .await?;
    rows.iter().map(agent_row).collect()
}

fn agent_row(row: &Row) -> Result<Agent, StoreError> {
    Ok(Agent {
        id: row.try_get::<&str, _>("id")?.parse().map_err(|_| super::ledger::unexpected("id"))?,
        home: row.try_get("home")?,
        serial: row.try_get("serial")?,
        next_serial: row.try_get("next_serial")?,
        is_revoked: row.try_get("revoked")?,
    })
}

/// A box has connected, or its connection has ended. Returns its home.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_connection(
    work: &mut Connection,
    agent: &AgentId,
    is_connected: bool,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    Ok(query_scalar("UPDATE agent SET connected = $2, connected_changed_ms = $3 WHERE id = $1 RETURNING home")
        .bind(agent.as_str())
        .bind(is_connected)
        .bind(now_ms)
        .fetch_optional(work)
        .await?)
}

/// Whether a box is connected, as far as is known; none where there is no such box.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn is_connected(reader: &Reader, agent: &AgentId) -> Result<Option<bool>, StoreError> {
    Ok(query_scalar("SELECT connected FROM agent WHERE id = $1").bind(agent.as_str()).fetch_optional(reader).await?)
}

/// Every box, with the home it stands or stood in.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn boxes(reader: &Reader) -> Result<Vec<(String, String)>, StoreError> {
    Ok(query_as("SELECT id, home FROM agent").fetch_all(reader).await?)
}

/// The home that was added first; none where there is no home yet.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn first(work: &mut Connection) -> Result<Option<String>, StoreError> {
    Ok(query_scalar("SELECT id FROM home ORDER BY id LIMIT 1").fetch_optional(work).await?)
}

/// No box is connected: the broker has just started.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn none_is_connected(work: &mut Connection, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE agent SET connected = 0, connected_changed_ms = $1 WHERE connected = 1")
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// These boxes have just been heard.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_heard(work: &mut Connection, agents: &[&AgentId], now_ms: i64) -> Result<(), StoreError> {
    let ids: Vec<&str> = agents.iter().map(|agent| agent.as_str()).collect();
    query("UPDATE agent SET last_heard_ms = $2 WHERE id IN (SELECT value FROM json_each($1))")
        .bind(json!(ids).to_string())
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}
