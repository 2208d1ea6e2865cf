//! Writes agents' configurations and what becomes of their alarms, whenever there is occasion to.
//!
//! It reads what is committed, so that nothing is said before it is true, and it holds nobody up: an occasion that it
//! has no time for comes again with the agent's next heartbeat.

use hempuls_protocol::ids::AgentId;
use hempuls_protocol::wire::feedback::Feedback;
use hempuls_protocol::wire::heartbeat::ConfigState;
use hempuls_protocol::wire::home_config::HomeConfig;
use tokio::sync::mpsc;

use super::{Letter, Says, config};
use crate::clock;
use crate::store::{Store, StoreError, devices, feedback};

/// How many occasions may wait.
const WAITING: usize = 4096;

/// What becomes of an alarm is of interest to who pressed for so long.
const ALARMS_OF_MS: i64 = 24 * 60 * 60 * 1000;

/// That an alarm is closed is said again with each heartbeat for so long: the first may have been lost on the way.
const CLOSED_OF_MS: i64 = 10 * 60 * 1000;

/// Something has happened that an agent may have to be told of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Occasion {
    /// Its heartbeat came.
    Heartbeat {
        /// Whose.
        agent: AgentId,
        /// Which configuration it uses, as far as it says.
        config: Option<ConfigState>,
        /// When the one before came.
        before_ms: Option<i64>,
    },
    /// Its alarms were taken in.
    Alarms(AgentId),
    /// A named person has done something about this case.
    Act {
        /// The alert's id.
        alert: String,
    },
    /// The devices of this home are others than before.
    Devices {
        /// The home's id.
        home: String,
    },
}

/// Where occasions are told. Clones tell the same courier.
#[derive(Clone, Debug)]
pub struct Courier(mpsc::Sender<Occasion>);

impl Courier {
    /// A courier, and the occasions it is told of.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Occasion>) {
        let (told, occasions) = mpsc::channel(WAITING);
        (Self(told), occasions)
    }

    /// Tells of an occasion, after the commit.
    pub fn tell(&self, occasion: Occasion) {
        if self.0.try_send(occasion).is_err() {
            tracing::debug!("an occasion for a letter was passed over; it comes again");
        }
    }
}

/// What every home is told besides its devices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The time zone of devices' clocks.
    pub time_zone: String,
    /// How often boxes are to make a silent test, in seconds.
    pub prove_every_s: Option<u32>,
}

/// Writes letters for ever.
pub async fn carry(
    store: Store,
    settings: Settings,
    mut occasions: mpsc::Receiver<Occasion>,
    letters: mpsc::Sender<Letter>,
) {
    while let Some(occasion) = occasions.recv().await {
        match letters_for(&store, &settings, &occasion).await {
            Ok(written) => {
                for letter in written {
                    if letters.send(letter).await.is_err() {
                        tracing::debug!("nobody delivers letters any more: the gateway stops");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "agents cannot be told; they are at their next heartbeat"),
        }
    }
}

async fn letters_for(store: &Store, settings: &Settings, occasion: &Occasion) -> Result<Vec<Letter>, StoreError> {
    let reader = store.reader();
    let Settings { time_zone, prove_every_s } = settings;
    let now_ms = clock::now_ms();
    let mut letters = Vec::new();
    match occasion {
        Occasion::Heartbeat { agent, config: state, before_ms } => {
            if let Some(home) = devices::told(reader, agent, time_zone, *prove_every_s).await?
                && config::is_wanted(state.as_ref(), home.revision)
            {
                letters.push(Letter { to: agent.clone(), says: Says::Config(HomeConfig::new(home)) });
            }
            let heard_ms = before_ms.unwrap_or(now_ms).min(now_ms);
            letters.extend(alarms(store, agent, heard_ms - CLOSED_OF_MS, now_ms).await?);
        }
        Occasion::Alarms(agent) => {
            for agent in feedback::companions(reader, agent, now_ms - ALARMS_OF_MS).await? {
                letters.extend(alarms(store, &agent, now_ms - CLOSED_OF_MS, now_ms).await?);
            }
        }
        Occasion::Act { alert } => {
            for agent in feedback::agents_of(reader, alert).await? {
                letters.extend(alarms(store, &agent, now_ms - CLOSED_OF_MS, now_ms).await?);
            }
        }
        Occasion::Devices { home } => {
            for agent in devices::boxes_of(reader, home).await? {
                if let Some(home) = devices::told(reader, &agent, time_zone, *prove_every_s).await? {
                    letters.push(Letter { to: agent, says: Says::Config(HomeConfig::new(home)) });
                }
            }
        }
    }
    Ok(letters)
}

/// What there is to say of an agent's latest alarms: those that are not closed, or were not until lately.
async fn alarms(
    store: &Store,
    agent: &AgentId,
    closed_since_ms: i64,
    now_ms: i64,
) -> Result<Option<Letter>, StoreError> {
    let states = feedback::of_agent(store.reader(), agent, now_ms - ALARMS_OF_MS, closed_since_ms).await?;
    let letter = |states| Letter { to: agent.clone(), says: Says::Feedback(Feedback::new(states)) };
    Ok((!states.is_empty()).then(|| letter(states)))
}
