//! What the gateway says to agents. Whoever has something to say hands in a [`Letter`]; the broker delivers it, or not.
//!
//! Nothing depends on a single letter: each is sent again when the next heartbeat shows that it is needed still.

pub mod config;
mod courier;

use hempuls_protocol::ids::AgentId;
use hempuls_protocol::wire::feedback::Feedback;
use hempuls_protocol::wire::home_config::HomeConfig;
use hempuls_protocol::wire::receipt::Receipts;
use hempuls_protocol::wire::topic::{Matter, Topic};

pub use courier::{Courier, Occasion, Settings, carry};

/// One message to one agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// To whom.
    pub to: AgentId,
    /// What it says.
    pub says: Says,
}

/// What a letter says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Says {
    /// What is stored.
    Receipts(Receipts),
    /// Which devices the agent is to serve.
    Config(HomeConfig),
    /// What becomes of alarms.
    Feedback(Feedback),
}

impl Letter {
    /// The topic that its agent hears it on.
    #[must_use]
    pub fn topic(&self) -> Topic {
        let matter = match &self.says {
            Says::Receipts(_) => Matter::Receipt,
            Says::Config(_) => Matter::Config,
            Says::Feedback(_) => Matter::Feedback,
        };
        Topic { agent: self.to.clone(), matter }
    }

    /// The message's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.says {
            Says::Receipts(receipts) => receipts.to_bytes(),
            Says::Config(config) => config.to_bytes(),
            Says::Feedback(feedback) => feedback.to_bytes(),
        }
    }
}
