//! Events on their way up: `[version, epoch, first, count, body]`. These five never change; `body` may grow.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::{VERSION, decode_whole};
use crate::event::Event;
use crate::ids::{Epoch, Sequence};
use crate::times::Taken;

/// Consecutive events of one lane.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Envelope {
    /// The version of the body.
    #[n(0)]
    pub version: u8,
    /// The life of the buffer that the numbers belong to.
    #[n(1)]
    pub epoch: Epoch,
    /// The number of the first event, from 1.
    #[n(2)]
    pub first: Sequence,
    /// How many events the body holds: their numbers are `first`, `first` + 1, …
    #[n(3)]
    pub count: u32,
    /// The bytes of a [`Body`].
    #[n(4)]
    pub body: ByteVec,
}

/// What an envelope holds.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Body {
    /// The agent's clocks when it sent this.
    #[n(0)]
    pub sent: Taken,
    /// The bytes of one [`Event`] each, so that one that cannot be read does not hide its neighbours.
    #[n(1)]
    pub events: Vec<ByteVec>,
}

/// The most events one envelope may announce; a header that says more is not believed.
pub const MAX_COUNT: u32 = 4096;

impl Envelope {
    /// Packs consecutive events.
    ///
    /// # Panics
    /// Never for 1 to [`MAX_COUNT`] events; the caller counts.
    #[must_use]
    pub fn pack(epoch: Epoch, first: Sequence, sent: Taken, events: Vec<ByteVec>) -> Self {
        let count = u32::try_from(events.len()).expect("an envelope holds at most MAX_COUNT events");
        let body = minicbor::to_vec(Body { sent, events }).expect("writing to memory cannot fail").into();
        Self { version: VERSION, epoch, first, count, body }
    }

    /// The message's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory cannot fail")
    }

    /// Reads the five fields of the header.
    ///
    /// # Errors
    /// When they are not there, `first` is 0, or `count` is 0 or above [`MAX_COUNT`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let envelope: Self = decode_whole(bytes)?;
        let numbered = envelope.first > Sequence::NONE
            && (1..=MAX_COUNT).contains(&envelope.count)
            && envelope.first.0.checked_add(u64::from(envelope.count)).is_some();
        if numbered { Ok(envelope) } else { Err(minicbor::decode::Error::message("impossible numbers in the header")) }
    }

    /// The number of the last event.
    #[must_use]
    pub fn last(&self) -> Sequence {
        Sequence(self.first.0 + u64::from(self.count) - 1)
    }

    /// Opens the body. What is in it is still to be read event by event.
    ///
    /// # Errors
    /// When the version is not known, the body cannot be read, or it does not hold `count` events.
    pub fn open(&self) -> Result<Body, minicbor::decode::Error> {
        if self.version != VERSION {
            return Err(minicbor::decode::Error::message("unknown version"));
        }
        let body: Body = decode_whole(&self.body)?;
        if body.events.len() == self.count as usize {
            Ok(body)
        } else {
            Err(minicbor::decode::Error::message("the body holds another number of events than the header says"))
        }
    }
}

impl Event {
    /// The bytes of one event in a [`Body`].
    #[must_use]
    pub fn to_bytes(&self) -> ByteVec {
        minicbor::to_vec(self).expect("writing to memory cannot fail").into()
    }

    /// Reads one event of a [`Body`].
    ///
    /// # Errors
    /// When it cannot be read, or bears another number than its place says.
    pub fn from_bytes(bytes: &[u8], number: Sequence) -> Result<Self, minicbor::decode::Error> {
        let event: Self = decode_whole(bytes)?;
        if event.sequence == number { Ok(event) } else { Err(minicbor::decode::Error::message("wrong number")) }
    }
}
