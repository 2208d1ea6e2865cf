//! From a message to rows, findings and a receipt.
//!
//! One transaction holds an event, what follows from it, and its books; receipts leave only after its commit (P1). A
//! batch is what has arrived, at most [`queue::BATCH`] events; an alarm closes it at once (P4). An event that the store
//! refuses goes to quarantine alone; when the store itself fails, the whole batch is tried again, unreceipted.

pub mod accept;
pub mod clocks;
pub mod dating;
pub mod interpret;
pub mod parcel;
pub mod queue;
mod writer;

use std::sync::Arc;

use hempuls_protocol::ids::AgentId;
use hempuls_protocol::wire::heartbeat::Status;
use hempuls_protocol::wire::topic::Matter;

use crate::proof::SilentTest;
use parcel::Parcel;
use queue::{Delivery, Full, Queue};
pub use writer::{Settings, Writer};

/// Where messages are brought. Clones share the queue.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    queue: Arc<Queue>,
}

impl Intake {
    /// Takes a message in, as far as it can be read. Whoever brings it has checked whose it is.
    ///
    /// # Errors
    /// [`Full`]: as much waits as may wait.
    pub fn offer(&self, agent: AgentId, matter: Matter, message: &[u8], received_ms: i64) -> Result<(), Full> {
        let delivery = match matter {
            Matter::Events(lane) => match Parcel::read(agent.clone(), lane, message, received_ms) {
                Ok(parcel) => Delivery::Events(parcel),
                Err(parcel::UnreadableHeader) => {
                    Delivery::Unreadable { agent, topic: lane.as_str(), bytes: message.to_vec() }
                }
            },
            Matter::Status => match Status::from_bytes(message) {
                Ok(Status::Heartbeat(beat)) => Delivery::Heartbeat { agent, beat },
                // The broker's word for a lost connection is a hint; the heartbeat's absence is the truth.
                Ok(Status::LastWill) => return Ok(()),
                Err(_) => Delivery::Unreadable { agent, topic: "status", bytes: message.to_vec() },
            },
            Matter::Receipt | Matter::Config | Matter::Feedback => return Ok(()),
        };
        self.queue.put(delivery)
    }

    /// Takes in a test of the gateway's own.
    pub fn prove(&self, test: SilentTest) {
        self.queue.put_test(test);
    }
}
