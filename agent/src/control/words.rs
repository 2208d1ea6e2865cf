//! What is said on the socket: one line of JSON each. The command asks once; the running agent answers until it is done.

use hempuls_protocol::event::Origin;
use serde::{Deserialize, Serialize};

use super::adopt::{Step, Wish};
use super::devices::Candidate;
use super::status::Status;
use crate::feedback::Word;

/// The version of what is said here. The command and the running agent come from one package; where they do not, they
/// say so.
pub const VERSION: u32 = 1;

/// What a command asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// What it asks.
    pub ask: Ask,
}

/// What can be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// How the agent does.
    Status,
    /// What is nearby.
    Devices,
    /// To adopt a device, and to say how it goes until it has said something.
    Adopt(Wish),
    /// To take back an adoption.
    Forget {
        /// Its address.
        address: String,
    },
    /// To take an alarm, and to say how far it comes until it is closed.
    Alarm {
        /// Where it comes from: `kitchen`.
        name: String,
    },
}

/// What a command says while it listens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Also {
    /// The number that the device shows.
    Passkey(String),
}

/// What the agent answers. The connection ends after the last answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// How the agent does.
    Status(Box<Status>),
    /// What is nearby, the likeliest first.
    Devices(Vec<Candidate>),
    /// How far an adoption has come.
    Adopting(Step),
    /// An alarm was taken.
    Taken {
        /// Under which epoch.
        epoch: String,
        /// Its number in the alarm lane.
        sequence: u64,
        /// Whether it is on flash; else it is sent from memory.
        on_flash: bool,
    },
    /// How far the alarm has come.
    Fate(Word),
    /// It is done.
    Done,
    /// It is not done: what happened, what it means, and what to do.
    Refused(String),
}

impl Answer {
    /// An alarm was taken under this number.
    #[must_use]
    pub fn taken(number: Origin, on_flash: bool) -> Self {
        Self::Taken { epoch: number.epoch.to_string(), sequence: number.sequence.0, on_flash }
    }
}
