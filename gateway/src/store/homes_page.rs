//! What the homes page shows: each home's box, when it was last heard, and its devices.

use std::collections::BTreeMap;

use sqlx::SqlitePool;

use super::StoreError;

/// A home with its boxes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its boxes; usually one.
    pub agents: Vec<Agent>,
}

/// A home's box.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Which home it is in.
    pub home: String,
    /// When it was enrolled.
    pub enrolled_ms: Option<i64>,
    /// When it was cut off.
    pub revoked_ms: Option<i64>,
    /// Whether the broker has it now.
    pub connected: bool,
    /// When it last said anything.
    pub last_heard_ms: Option<i64>,
    /// The program's version, as its last heartbeat said.
    pub version: Option<String>,
    /// How far its clock can be trusted.
    pub clock_trust: Option<String>,
    /// When it last really heard an advertisement.
    pub radio_heard_ms: Option<i64>,
    /// Bytes free on its flash.
    pub disk_free: Option<i64>,
    /// When its certificate expires.
    pub certificate_expires_ms: Option<i64>,
    /// The devices it knows.
    #[sqlx(skip)]
    pub devices: Vec<Device>,
}

/// A device as its agent last knew it.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct Device {
    /// Its address, or model and serial number.
    pub id: String,
    /// Which box knows it.
    pub agent: String,
    /// What it is, where it was added to the home.
    pub kind: Option<String>,
    /// Battery, in percent.
    pub battery: Option<u8>,
    /// When it was last heard.
    pub heard_ms: Option<i64>,
}

/// Reads all homes, by name.
///
/// # Errors
/// When the store cannot be read.
pub async fn homes(reader: &SqlitePool) -> Result<Vec<Home>, StoreError> {
    let homes: Vec<(String, String)> =
        sqlx::query_as("SELECT id, name FROM home ORDER BY name, id").fetch_all(reader).await?;
    let agents: Vec<Agent> = sqlx::query_as(
        "SELECT agent.id, home, enrolled_ms, revoked_ms, connected, last_heard_ms, version, clock_trust,
                heartbeat.heard_ms AS radio_heard_ms, disk_free,
                coalesce(heartbeat.certificate_expires_ms, agent.certificate_expires_ms) AS certificate_expires_ms
         FROM agent LEFT JOIN heartbeat ON heartbeat.agent = agent.id ORDER BY agent.created_ms, agent.id",
    )
    .fetch_all(reader)
    .await?;
    let devices: Vec<Device> = sqlx::query_as(
        "SELECT device AS id, agent, kind, device_state.battery, heard_ms
         FROM device_state LEFT JOIN device ON device.id = device_state.device ORDER BY kind, device",
    )
    .fetch_all(reader)
    .await?;

    let mut of_agent: BTreeMap<String, Vec<Device>> = BTreeMap::new();
    for device in devices {
        of_agent.entry(device.agent.clone()).or_default().push(device);
    }
    let mut of_home: BTreeMap<String, Vec<Agent>> = BTreeMap::new();
    for agent in agents {
        let devices = of_agent.remove(&agent.id).unwrap_or_default();
        of_home.entry(agent.home.clone()).or_default().push(Agent { devices, ..agent });
    }
    let with_agents = |(id, name)| Home { agents: of_home.remove(&id).unwrap_or_default(), id, name };
    Ok(homes.into_iter().map(with_agents).collect())
}
