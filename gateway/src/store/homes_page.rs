//! What is known of homes: each one's boxes, what they last said, and its devices.

use std::collections::BTreeMap;

use hempuls_protocol::wire::heartbeat::Heartbeat;
use serde_json::json;

use super::home_proofs::{self, HomeProof};
use super::{Reader, Row, StoreError, heartbeats, query, query_as};

/// A home in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it has a box in service.
    pub is_in_service: bool,
    /// When its quietest box in service last said anything; none where one never did.
    pub heard_ms: Option<i64>,
}

crate::from_row!(Listed { id, name, is_in_service, heard_ms });

/// A home with its boxes and devices.
#[derive(Clone, PartialEq, Debug)]
pub struct Home {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its boxes; usually one.
    pub agents: Vec<Agent>,
    /// Its devices: those the store says are its, and those its boxes serve because their own files say so.
    pub devices: Vec<Device>,
}

/// A home's box.
#[derive(Clone, PartialEq, Debug)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// When it was enrolled.
    pub enrolled_ms: Option<i64>,
    /// When it was cut off, by whom, and why.
    pub revoked: Option<Verdict>,
    /// When it was retired, by whom, and why.
    pub retired: Option<Verdict>,
    /// Whether the broker has it now.
    pub connected: bool,
    /// When it last said anything.
    pub last_heard_ms: Option<i64>,
    /// Since when it is silent, where that was noticed and is so still.
    pub silent_since_ms: Option<i64>,
    /// When its certificate expires.
    pub certificate_expires_ms: Option<i64>,
    /// When its last heartbeat came.
    pub beat_ms: Option<i64>,
    /// What that said.
    pub beat: Option<Heartbeat>,
    /// How far its silent tests came; none where none has come.
    pub proof: Option<HomeProof>,
}

/// What a named person decided about a box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// When.
    pub at_ms: i64,
    /// Who, where a name was given.
    pub by: Option<String>,
    /// Why, likewise.
    pub why: Option<String>,
}

impl Agent {
    /// Whether something is to be heard from it.
    #[must_use]
    pub fn is_in_service(&self) -> bool {
        self.enrolled_ms.is_some() && self.revoked.is_none() && self.retired.is_none()
    }

    /// The moment that lies so many seconds before its last heartbeat.
    #[must_use]
    pub fn ago_ms(&self, seconds: u64) -> Option<i64> {
        let ago = i64::try_from(seconds).ok()?.checked_mul(1_000)?;
        self.beat_ms?.checked_sub(ago)
    }

    /// When it last really heard an advertisement, as its last heartbeat said.
    #[must_use]
    pub fn radio_heard_ms(&self) -> Option<i64> {
        self.ago_ms(self.beat.as_ref()?.heard_s?)
    }
}

/// A device, as the store and its box know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its address, or model and serial number.
    pub id: String,
    /// What the store says of it; nothing where only its box's own files name it.
    pub adopted: Option<Adopted>,
    /// What its box last said of it; nothing where it never spoke of it.
    pub state: Option<State>,
}

/// What the store says of a home's device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adopted {
    /// What it is.
    pub kind: String,
    /// Whether the gateway has its key.
    pub has_key: bool,
    /// How often it sends a sign of life, in seconds.
    pub beacon_s: Option<u32>,
}

/// What a box last said of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Which box.
    pub agent: String,
    /// Whether its last heartbeat spoke of it.
    pub is_served: bool,
    /// Battery, in percent.
    pub battery: Option<u8>,
    /// When it was last heard.
    pub heard_ms: Option<i64>,
    /// Model and firmware.
    pub model: Option<String>,
    /// By how many seconds its clock was ahead.
    pub clock_ahead_s: Option<i64>,
    /// The sign of life that it should send has not come.
    pub is_missing: bool,
}

/// All homes, by name.
///
/// # Errors
/// When the store cannot be read.
pub async fn list(reader: &Reader) -> Result<Vec<Listed>, StoreError> {
    Ok(query_as(
        "SELECT home.id, home.name, count(agent.id) > 0 AS is_in_service,
                CASE WHEN count(agent.id) = count(last_heard_ms) THEN min(last_heard_ms) END AS heard_ms
         FROM home LEFT JOIN agent ON agent.home = home.id AND enrolled_ms IS NOT NULL AND revoked_ms IS NULL
              AND retired_ms IS NULL
         GROUP BY home.id ORDER BY home.name, home.id",
    )
    .fetch_all(reader)
    .await?)
}

/// These homes, in this order.
///
/// # Errors
/// When the store cannot be read.
pub async fn read(reader: &Reader, ids: &[&str]) -> Result<Vec<Home>, StoreError> {
    let wanted = json!(ids).to_string();
    let names: Vec<(String, String)> = query_as(
        "SELECT home.id, name FROM json_each($1) CROSS JOIN home WHERE home.id = value ORDER BY json_each.key",
    )
    .bind(&wanted)
    .fetch_all(reader)
    .await?;
    let mut homes: Vec<Home> =
        names.into_iter().map(|(id, name)| Home { id, name, agents: Vec::new(), devices: Vec::new() }).collect();
    let mut devices: BTreeMap<(String, String), Device> = BTreeMap::new();

    let agents = query(
        "SELECT agent.*, at_ms, said, came_ms, told, stopped, proven_ms,
             coalesce(heartbeat.certificate_expires_ms, agent.certificate_expires_ms) AS expires_ms,
             (SELECT silence.heard_ms FROM silence WHERE silence.agent = agent.id AND over_ms IS NULL) AS silent_since_ms
         FROM json_each($1) CROSS JOIN agent LEFT JOIN heartbeat ON heartbeat.agent = agent.id
              LEFT JOIN home_proof ON home_proof.agent = agent.id
         WHERE agent.home = value ORDER BY agent.created_ms, agent.id",
    )
    .bind(&wanted)
    .fetch_all(reader)
    .await?;
    for row in agents {
        let agent = agent_of(&row)?;
        let home: &str = row.try_get("home")?;
        if let Some(home) = homes.iter_mut().find(|known| known.id == home) {
            home.agents.push(agent);
        }
    }

    let adopted = query(
        "SELECT device.id, home, kind, device.key IS NOT NULL AS has_key, beacon_s
         FROM json_each($1) CROSS JOIN device WHERE device.home = value AND ended_ms IS NULL",
    )
    .bind(&wanted)
    .fetch_all(reader)
    .await?;
    for row in adopted {
        let (home, id): (String, String) = (row.try_get("home")?, row.try_get("id")?);
        let adopted = Adopted {
            kind: row.try_get("kind")?,
            has_key: row.try_get("has_key")?,
            beacon_s: row.try_get("beacon_s")?,
        };
        devices.insert((home, id.clone()), Device { id, adopted: Some(adopted), state: None });
    }

    let states = query(
        "SELECT device_state.*, agent.home, device_state.at_ms >= heartbeat.at_ms AS is_served
         FROM json_each($1) CROSS JOIN agent JOIN heartbeat ON heartbeat.agent = agent.id
              JOIN device_state ON device_state.agent = agent.id
         WHERE agent.home = value ORDER BY device_state.at_ms",
    )
    .bind(&wanted)
    .fetch_all(reader)
    .await?;
    for row in states {
        let state = state_of(&row)?;
        let (home, id): (String, String) = (row.try_get("home")?, row.try_get("device")?);
        match devices.entry((home, id.clone())) {
            std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().state = Some(state),
            std::collections::btree_map::Entry::Vacant(new) => {
                // What a box served once, and neither it nor the store names any more, has left.
                if state.is_served {
                    new.insert(Device { id, adopted: None, state: Some(state) });
                }
            }
        }
    }
    for ((home, _), device) in devices {
        if let Some(home) = homes.iter_mut().find(|known| known.id == home) {
            home.devices.push(device);
        }
    }
    for home in &mut homes {
        home.devices.sort_by_cached_key(|device| device.adopted.as_ref().map(|adopted| adopted.kind.clone()));
    }
    Ok(homes)
}

/// The people who live in a home.
///
/// # Errors
/// When the store cannot be read.
pub async fn people(reader: &Reader, home: &str) -> Result<Vec<(String, String)>, StoreError> {
    Ok(query_as("SELECT id, name FROM person WHERE home = $1 ORDER BY name, id").bind(home).fetch_all(reader).await?)
}

fn agent_of(row: &Row) -> Result<Agent, StoreError> {
    let said: Option<&[u8]> = row.try_get("said")?;
    Ok(Agent {
        id: row.try_get("id")?,
        enrolled_ms: row.try_get("enrolled_ms")?,
        revoked: verdict_of(row, ["revoked_ms", "revoked_by", "revoked_why"])?,
        retired: verdict_of(row, ["retired_ms", "retired_by", "retired_why"])?,
        connected: row.try_get("connected")?,
        last_heard_ms: row.try_get("last_heard_ms")?,
        silent_since_ms: row.try_get("silent_since_ms")?,
        certificate_expires_ms: row.try_get("expires_ms")?,
        beat_ms: row.try_get("at_ms")?,
        beat: said.and_then(heartbeats::read),
        proof: home_proofs::of_row(row)?,
    })
}

fn verdict_of(row: &Row, [at, by, why]: [&str; 3]) -> Result<Option<Verdict>, StoreError> {
    let Some(at_ms) = row.try_get(at)? else { return Ok(None) };
    Ok(Some(Verdict { at_ms, by: row.try_get(by)?, why: row.try_get(why)? }))
}

fn state_of(row: &Row) -> Result<State, StoreError> {
    Ok(State {
        agent: row.try_get("agent")?,
        is_served: row.try_get("is_served")?,
        battery: row.try_get("battery")?,
        heard_ms: row.try_get("heard_ms")?,
        model: row.try_get("model")?,
        clock_ahead_s: row.try_get("clock_ahead_s")?,
        is_missing: row.try_get("is_missing")?,
    })
}
