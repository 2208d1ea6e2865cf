//! `GET /api/v1/homes?after=ID&limit=N`: every home with its boxes, what they last said of themselves, and its devices.
//! It says nothing about a person.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State as Shared};
use hempuls_protocol::event::Refusal as Why;
use hempuls_protocol::times::Trust;
use hempuls_protocol::wire::heartbeat::{Hearing, Heartbeat, Takes};
use serde::{Deserialize, Serialize};

use super::time;
use crate::http::State;
use crate::http::console::home::{facts, nearby, wanted};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::proof::homes;
use crate::proof::service::{self, Missing};
use crate::store::homes_page::{self, Agent, Device, Home};
use crate::store::service as store_service;
use crate::wording::Lang;

const USUAL: usize = 100;
const MOST: usize = 1_000;

/// Which homes.
#[derive(Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(crate) struct Homes {
    homes: Vec<ShownHome>,
    /// Ask for what comes after this one; there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct ShownHome {
    id: String,
    name: String,
    /// Whether all has really happened that has to before it is (P10).
    in_service: bool,
    missing: Vec<ShownMissing>,
    agents: Vec<ShownAgent>,
    devices: Vec<ShownDevice>,
    /// What else is heard, the likeliest to be adopted first.
    nearby: Vec<ShownNearby>,
}

#[derive(Serialize)]
struct ShownMissing {
    /// `box`, `enrolment`, `heartbeat`, `person`, `plan`, `device`, `assignment`, `reading`, `look`, `press`, `close`, `test`,
    /// `fresh_test`, `rules`, `recipient` or `way`.
    what: &'static str,
    device: Option<String>,
}

#[derive(Serialize)]
struct ShownAgent {
    id: String,
    enrolled_at: Option<String>,
    revoked_at: Option<String>,
    retired_at: Option<String>,
    connected: bool,
    heard_at: Option<String>,
    certificate_expires_at: Option<String>,
    /// Nothing before its first silent test.
    chain: Option<Chain>,
    /// Nothing before its first heartbeat.
    heartbeat: Option<ShownBeat>,
    /// What somebody should know or do about, in sentences.
    troubles: Vec<String>,
}

#[derive(Serialize)]
struct Chain {
    /// When a silent test last went all the way.
    proven_at: Option<String>,
    /// When the latest came.
    tested_at: String,
    /// Over how many ways a press would have been told at first; nothing while that is not known.
    ways: Option<u32>,
    /// Where the latest stopped, in words.
    stopped: Option<String>,
}

#[derive(Serialize)]
struct ShownBeat {
    at: Option<String>,
    version: String,
    clock: &'static str,
    radio: Option<Radio>,
    config: Option<Config>,
    uplink: Option<Uplink>,
    flash: Option<Flash>,
    heard: u64,
    refused: u64,
    refusals: BTreeMap<&'static str, u64>,
    panics: u32,
}

#[derive(Serialize)]
struct Radio {
    /// `alive`, `unproven` or `dead`.
    hearing: &'static str,
    heard_at: Option<String>,
    cures: u32,
    strangers: u32,
}

#[derive(Serialize)]
struct Config {
    /// The revision it uses, in hexadecimal digits; 0 is none.
    revision: String,
    /// Whether that is the one it should use.
    in_step: bool,
    /// Why it refused the one it should use.
    refused: Option<String>,
}

#[derive(Serialize)]
struct Uplink {
    place: u32,
    of: u32,
}

#[derive(Serialize)]
struct Flash {
    /// `all`, `alarms_only` or `nothing`.
    takes: &'static str,
    alarms_in_memory: u64,
    encrypted: bool,
    bytes_free: Option<u64>,
}

#[derive(Serialize)]
struct ShownDevice {
    id: String,
    /// Nothing where only its box's own file names it.
    kind: Option<String>,
    has_key: bool,
    beacon_s: Option<u32>,
    /// Whether its box has taken it on.
    served: bool,
    missing: bool,
    battery: Option<u8>,
    heard_at: Option<String>,
    model: Option<String>,
    clock_ahead_s: Option<i64>,
}

#[derive(Serialize)]
struct ShownNearby {
    id: String,
    name: Option<String>,
    kind: Option<&'static str>,
    signal_dbm: Option<i8>,
    heard_at: Option<String>,
    just_used: bool,
    elsewhere: bool,
}

pub(crate) async fn list(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Query(part): Query<Part>,
) -> Result<Json<Homes>, Refusal> {
    let store = state.store().reader();
    let limit = part.limit.unwrap_or(USUAL).clamp(1, MOST);
    let mut ids: Vec<String> = homes_page::list(store).await?.into_iter().map(|home| home.id).collect();
    let hers = reader.sight.homes(store, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    ids.retain(|id| hers.contains(id));
    ids.sort_unstable();
    ids.retain(|id| *id > part.after);
    let next = (ids.len() > limit).then(|| ids[limit - 1].clone());
    ids.truncate(limit);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut happened =
        store_service::facts(store, &ids, &state.0.silent_tests, state.moment(lang).now.as_millisecond()).await?;
    let mut homes = Vec::with_capacity(ids.len());
    for home in homes_page::read(store, &ids).await? {
        let mut agents = Vec::with_capacity(home.agents.len());
        for agent in &home.agents {
            let wanted = wanted(&state, agent).await?;
            agents.push(ShownAgent {
                troubles: facts::troubles(&home, agent, &state.moment(lang), &state.0.judging.boxes),
                heartbeat: agent.beat.as_ref().map(|beat| beat_of(agent, beat, wanted)),
                ..agent_of(agent, lang)
            });
        }
        let nearby = nearby::heard(store, &home).await?;
        let missing = service::missing(&happened.remove(&home.id).unwrap_or_default());
        homes.push(home_of(home, &missing, agents, nearby));
    }
    Ok(Json(Homes { homes, next }))
}

fn home_of(home: Home, missing: &[Missing], agents: Vec<ShownAgent>, nearby: Vec<nearby::Heard>) -> ShownHome {
    let nearby = nearby.into_iter().map(|heard| ShownNearby {
        id: heard.said.device.to_string(),
        name: heard.said.name,
        kind: heard.said.kind.map(|kind| kind.as_str()),
        signal_dbm: heard.said.signal_dbm,
        heard_at: heard.at_ms.map(time),
        just_used: heard.said.just_used,
        elsewhere: heard.is_elsewhere,
    });
    let shown =
        |missing: &Missing| ShownMissing { what: missing.as_str(), device: missing.device().map(str::to_owned) };
    ShownHome {
        in_service: missing.is_empty(),
        missing: missing.iter().map(shown).collect(),
        agents,
        devices: home.devices.into_iter().map(device_of).collect(),
        nearby: nearby.collect(),
        id: home.id,
        name: home.name,
    }
}

fn agent_of(agent: &Agent, lang: Lang) -> ShownAgent {
    ShownAgent {
        id: agent.id.clone(),
        enrolled_at: agent.enrolled_ms.map(time),
        revoked_at: agent.revoked.as_ref().map(|verdict| time(verdict.at_ms)),
        retired_at: agent.retired.as_ref().map(|verdict| time(verdict.at_ms)),
        connected: agent.connected,
        heard_at: agent.last_heard_ms.map(time),
        certificate_expires_at: agent.certificate_expires_ms.map(time),
        chain: agent.proof.as_ref().map(|proof| Chain {
            proven_at: proof.proven_ms.map(time),
            tested_at: time(proof.came_ms),
            ways: proof.told,
            stopped: proof.stopped.as_ref().map(|stop| homes::wording::stopped_at(stop, lang)),
        }),
        heartbeat: None,
        troubles: Vec::new(),
    }
}

fn beat_of(agent: &Agent, beat: &Heartbeat, wanted: Option<u64>) -> ShownBeat {
    let why = |why: Why| match why {
        Why::Flash => "flash",
        Why::Full => "full",
        Why::NotAuthentic => "not_authentic",
        Why::Replayed => "replayed",
        Why::Stuck => "stuck",
    };
    ShownBeat {
        at: agent.beat_ms.map(time),
        version: beat.version.clone(),
        clock: match beat.clock.trust {
            Trust::Synchronised => "synchronised",
            Trust::Estimated => "estimated",
            Trust::Unknown => "unknown",
        },
        radio: beat.radio.map(|radio| Radio {
            hearing: match radio.hearing {
                Hearing::Alive => "alive",
                Hearing::Unproven => "unproven",
                Hearing::Dead => "dead",
            },
            heard_at: agent.radio_heard_ms().map(time),
            cures: radio.cures,
            strangers: radio.strangers,
        }),
        config: beat.config.as_ref().map(|config| Config {
            revision: format!("{:x}", config.revision),
            in_step: Some(config.revision) == wanted,
            refused: config
                .refused
                .as_ref()
                .filter(|refused| Some(refused.revision) == wanted)
                .map(|refused| refused.why.clone()),
        }),
        uplink: beat.uplink.map(|uplink| Uplink { place: uplink.place, of: uplink.of }),
        flash: beat.flash.map(|flash| Flash {
            takes: match flash.takes {
                Takes::All => "all",
                Takes::AlarmsOnly => "alarms_only",
                Takes::Nothing => "nothing",
            },
            alarms_in_memory: flash.in_memory,
            encrypted: flash.encrypted,
            bytes_free: beat.disk_free,
        }),
        heard: beat.heard,
        refused: beat.refused,
        refusals: beat.refusals.iter().map(|(reason, count)| (why(*reason), *count)).collect(),
        panics: beat.panics,
    }
}

fn device_of(device: Device) -> ShownDevice {
    let (adopted, state) = (device.adopted, device.state);
    let said = |what: fn(&homes_page::State) -> bool| state.as_ref().is_some_and(what);
    ShownDevice {
        id: device.id,
        has_key: adopted.as_ref().is_some_and(|adopted| adopted.has_key),
        beacon_s: adopted.as_ref().and_then(|adopted| adopted.beacon_s),
        kind: adopted.map(|adopted| adopted.kind),
        served: said(|state| state.is_served),
        missing: said(|state| state.is_served && state.is_missing),
        battery: state.as_ref().and_then(|state| state.battery),
        heard_at: state.as_ref().and_then(|state| state.heard_ms).map(time),
        clock_ahead_s: state.as_ref().and_then(|state| state.clock_ahead_s),
        model: state.and_then(|state| state.model),
    }
}
