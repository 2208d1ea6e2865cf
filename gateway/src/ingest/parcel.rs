//! One message of an agent, read as far as it can be read: what cannot be read hides neither its neighbours nor its
//! number.

use hempuls_protocol::event::{Content, Event, Origin};
use hempuls_protocol::identity::{Digest, content_digest};
use hempuls_protocol::ids::{AgentId, Lane, Sequence};
use hempuls_protocol::times::Taken;
use hempuls_protocol::wire::envelope::Envelope;

use super::accept::LaneKey;

/// Consecutive events of one lane, as they came.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Whose, and which numbers.
    pub key: LaneKey,
    /// One for each number.
    pub events: Vec<Arrival>,
    /// The agent's clocks when it sent this; unknown where the body could not be read.
    pub sent: Option<Taken>,
    /// When the gateway got it.
    pub received_ms: i64,
    /// The bytes of a body that could not be read.
    pub unreadable_body: Option<UnreadableBody>,
}

/// A body that could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnreadableBody {
    /// The number of its first event.
    pub first: Sequence,
    /// The number of its last event.
    pub last: Sequence,
    /// The message as received.
    pub bytes: Vec<u8>,
}

/// One event under its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Its number.
    pub sequence: Sequence,
    /// What came.
    pub what: Arrived,
}

/// What came under a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrived {
    /// An event.
    Event {
        /// The number it was first taken under.
        origin: Option<Origin>,
        /// What happened.
        content: Box<Content>,
        /// The content's bytes.
        bytes: Vec<u8>,
        /// Their digest.
        digest: Digest,
    },
    /// Bytes of no event this version knows.
    Unreadable {
        /// They.
        bytes: Vec<u8>,
        /// Their digest.
        digest: Digest,
    },
    /// Nobody knows what: the body around it could not be read.
    InUnreadableBody,
}

impl Arrival {
    /// The digest of its bytes, where they are known.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        match &self.what {
            Arrived::Event { digest, .. } | Arrived::Unreadable { digest, .. } => Some(*digest),
            Arrived::InUnreadableBody => None,
        }
    }

    /// What happened, where that could be read.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        match &self.what {
            Arrived::Event { content, .. } => Some(content),
            Arrived::Unreadable { .. } | Arrived::InUnreadableBody => None,
        }
    }

    fn read(sequence: Sequence, bytes: &[u8]) -> Self {
        let unreadable = |bytes: &[u8]| Arrived::Unreadable { bytes: bytes.to_vec(), digest: content_digest(bytes) };
        let what = match Event::from_bytes(bytes, sequence) {
            Ok(event) => match Content::from_bytes(&event.content) {
                Ok(content) => Arrived::Event {
                    origin: event.origin,
                    content: Box::new(content),
                    digest: content_digest(&event.content),
                    bytes: event.content.to_vec(),
                },
                Err(_) => unreadable(&event.content),
            },
            Err(_) => unreadable(bytes),
        };
        Self { sequence, what }
    }
}

/// A message whose numbers are not known: its header could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header of a message cannot be read")]
pub struct UnreadableHeader;

impl Parcel {
    /// Reads a message.
    ///
    /// # Errors
    /// [`UnreadableHeader`], where its numbers are not known. Everything else that is wrong is kept under its number.
    pub fn read(agent: AgentId, lane: Lane, message: &[u8], received_ms: i64) -> Result<Self, UnreadableHeader> {
        let envelope = Envelope::from_bytes(message).map_err(|_| UnreadableHeader)?;
        let key = LaneKey { agent, lane, epoch: envelope.epoch };
        let numbers = (envelope.first.0..=envelope.last().0).map(Sequence);
        Ok(match envelope.open() {
            Ok(body) => Self {
                key,
                events: numbers.zip(&body.events).map(|(sequence, bytes)| Arrival::read(sequence, bytes)).collect(),
                sent: Some(body.sent),
                received_ms,
                unreadable_body: None,
            },
            Err(_) => Self {
                key,
                events: numbers.map(|sequence| Arrival { sequence, what: Arrived::InUnreadableBody }).collect(),
                sent: None,
                received_ms,
                unreadable_body: Some(UnreadableBody {
                    first: envelope.first,
                    last: envelope.last(),
                    bytes: message.to_vec(),
                }),
            },
        })
    }

    /// Splits off the first `count` events, where there are more.
    #[must_use]
    pub fn split_front(&mut self, count: usize) -> Self {
        let rest = self.events.split_off(count.min(self.events.len()));
        let front = std::mem::replace(&mut self.events, rest);
        Self { events: front, ..self.clone_without_events() }
    }

    fn clone_without_events(&self) -> Self {
        Self {
            key: self.key.clone(),
            events: Vec::new(),
            sent: self.sent,
            received_ms: self.received_ms,
            unreadable_body: self.unreadable_body.clone(),
        }
    }
}
