//! What the gateway's API answers, as far as scenarios ask.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A way to ask a gateway.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    token: PathBuf,
}

/// The answer of `/api/v1/books`.
#[derive(Clone, Debug, Deserialize)]
pub struct Books {
    /// One line for each agent, lane and epoch.
    pub lines: Vec<BooksLine>,
    /// Readings in the store.
    pub records: u64,
    /// Alarms in the store.
    pub alarms: u64,
}

/// One line of the books.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct BooksLine {
    /// The agent.
    pub agent: String,
    /// `alarm` or `reading`.
    pub lane: String,
    /// 16 hexadecimal digits.
    pub epoch: String,
    /// Numbers given out.
    pub taken: u64,
    /// Stored as records of their own.
    pub stored: u64,
    /// Stored already.
    pub repeated: u64,
    /// Kept unread.
    pub quarantined: u64,
    /// Taken again in a later epoch.
    pub moved: u64,
    /// Gone.
    pub lost: u64,
    /// Still to come.
    pub waiting: u64,
    /// Whether every number is accounted for.
    #[serde(skip_serializing)]
    pub balanced: bool,
    /// Whether the broker has the agent now.
    #[serde(skip_serializing)]
    pub connected: bool,
}

#[derive(Deserialize)]
struct Readings {
    readings: Vec<Reading>,
    next: Option<String>,
}

/// One reading.
#[derive(Clone, Debug, Deserialize)]
pub struct Reading {
    /// Its number in the store.
    pub id: String,
    /// The person it belongs to; none while it is unassigned.
    pub person: Option<String>,
    /// Who measured.
    pub device: String,
    /// For which of the device's users.
    pub slot: Option<u8>,
    /// When, as far as is known.
    pub measured_at: Option<String>,
    /// What was measured.
    pub observations: Vec<Observation>,
    /// Whether it may feed limits and trends.
    pub usable: bool,
    /// What the device says of its measurement.
    pub marks: Vec<String>,
    /// The reading it may be a repeat of.
    pub possibly_same_as: Option<String>,
    /// The payload, in hexadecimal.
    pub raw: String,
}

/// One value.
#[derive(Clone, Debug, Deserialize)]
pub struct Observation {
    /// `systolic`, `diastolic`, …
    pub quantity: String,
    /// A number, or why there is none.
    pub value: serde_json::Value,
    /// UCUM.
    pub unit: String,
    /// Of a minute of a stream.
    pub spread: Option<Spread>,
}

/// What the value of a minute is the median of.
#[derive(Clone, Debug, Deserialize)]
pub struct Spread {
    /// The lowest.
    pub lowest: serde_json::Value,
    /// The highest.
    pub highest: serde_json::Value,
    /// How many there were.
    pub count: u32,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

/// One alert.
#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    /// Its number.
    pub id: String,
    /// The rule that opened it.
    pub rule: String,
    /// Whom it is about.
    pub person: Option<String>,
    /// In which home.
    pub home: String,
    /// `open`, `claimed` or `closed`.
    pub state: String,
    /// Whether repeats confirmed it.
    pub confirmed: Option<bool>,
    /// What happened, in order.
    pub lines: Vec<Line>,
}

/// One line of an alert's story.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// What kind of line.
    pub kind: String,
    /// In words.
    pub text: String,
    /// The record it is about.
    pub record: Option<String>,
}

#[derive(Deserialize)]
struct Homes {
    homes: Vec<ShownHome>,
    next: Option<String>,
}

/// A home, as far as scenarios look at it.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownHome {
    /// Its id.
    pub id: String,
    /// Whether all has really happened that has to before it is.
    pub in_service: bool,
    /// What has not.
    pub missing: Vec<Missing>,
    /// Its boxes.
    pub agents: Vec<ShownAgent>,
    /// Its devices.
    pub devices: Vec<ShownDevice>,
    /// What else its boxes hear, the likeliest to be adopted first.
    pub nearby: Vec<ShownNearby>,
}

/// What is missing for a home to be in service.
#[derive(Clone, Debug, Deserialize)]
pub struct Missing {
    /// What, in a word.
    pub what: String,
    /// Which device it is about.
    pub device: Option<String>,
}

/// How far a box's silent tests came.
#[derive(Clone, Debug, Deserialize)]
pub struct Chain {
    /// When one last came all the way.
    pub proven_at: Option<String>,
    /// Where the latest stopped.
    pub stopped: Option<String>,
}

/// A box.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownAgent {
    /// Its id.
    pub id: String,
    /// Its silent tests; none where none has come.
    pub chain: Option<Chain>,
    /// What it last said of itself.
    pub heartbeat: Option<ShownHeartbeat>,
    /// What somebody should know or do about.
    pub troubles: Vec<String>,
}

/// What a box last said of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownHeartbeat {
    /// Its radio.
    pub radio: Option<ShownRadio>,
    /// The configuration it uses.
    pub config: Option<ShownConfig>,
    /// Its flash.
    pub flash: Option<ShownFlash>,
    /// How many signals it did not take, by reason.
    pub refusals: std::collections::BTreeMap<String, u64>,
}

/// A box's radio.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownRadio {
    /// `alive`, `unproven` or `dead`.
    pub hearing: String,
}

/// The configuration that a box uses.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownConfig {
    /// Whether it is the one it should use.
    pub in_step: bool,
    /// Why it refused that one.
    pub refused: Option<String>,
}

/// A box's flash.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownFlash {
    /// `all`, `alarms_only` or `nothing`.
    pub takes: String,
    /// Alarms that lie in memory only.
    pub alarms_in_memory: u64,
}

/// A device of a home.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownDevice {
    /// Its address.
    pub id: String,
    /// What it is.
    pub kind: Option<String>,
    /// Whether its box has taken it on.
    pub served: bool,
    /// Whether the sign of life that it should send has not come.
    pub missing: bool,
}

/// A device that is heard in a home and is not the home's.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownNearby {
    /// Its address.
    pub id: String,
    /// What it looks like.
    pub kind: Option<String>,
    /// It was used a moment ago.
    pub just_used: bool,
}

impl Api {
    pub(super) fn new(base: String, token: PathBuf) -> Self {
        Self { base, token }
    }

    /// Where the console and the API are.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The books of every home.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn books(&self) -> anyhow::Result<Books> {
        self.get("/api/v1/books".into()).await
    }

    /// Every reading in the store, oldest first.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn readings(&self) -> anyhow::Result<Vec<Reading>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page: Readings = self.get(format!("/api/v1/readings?limit=5000{after}")).await?;
            all.extend(page.readings);
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Every alert, closed ones too.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn alerts(&self) -> anyhow::Result<Vec<Alert>> {
        Ok(self.get::<Alerts>("/api/v1/alerts".into()).await?.alerts)
    }

    /// Every home.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn homes(&self) -> anyhow::Result<Vec<ShownHome>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page: Homes = self.get(format!("/api/v1/homes?after={after}")).await?;
            all.extend(page.homes);
            match page.next {
                Some(next) => after = next,
                None => return Ok(all),
            }
        }
    }

    /// Whether the gateway says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.get::<serde_json::Value>("/readyz".into()).await.is_ok()
    }

    async fn get<T: DeserializeOwned + Send + 'static>(&self, path: String) -> anyhow::Result<T> {
        let token = std::fs::read_to_string(&self.token).context("reading the gateway's API token")?;
        let url = format!("{}{path}", self.base);
        tokio::task::spawn_blocking(move || {
            let mut answer =
                ureq::get(&url).header("authorization", &format!("Bearer {}", token.trim())).call().context(path)?;
            answer.body_mut().with_config().limit(200 << 20).read_json().context("reading the gateway's answer")
        })
        .await?
    }
}
