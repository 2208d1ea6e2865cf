//! The gateway's word that it has stored events, sent only after the commit.

use minicbor::{Decode, Encode};

use super::{VERSION, decode_whole};
use crate::identity::Digest;
use crate::ids::{Epoch, Lane, Sequence};

/// One message to an agent: what the gateway has of each lane.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Receipts {
    /// The version of this message.
    #[n(0)]
    pub version: u8,
    /// One receipt for each lane there is something to say of.
    #[n(1)]
    pub lanes: Vec<Receipt>,
    /// The gateway's clock when it sent this, in milliseconds since 1970: for a box that has no other.
    #[n(2)]
    pub now_ms: Option<i64>,
}

/// "Stored through n", for one lane and epoch. Cumulative: a later one says all an earlier one said.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// The lane.
    #[n(0)]
    pub lane: Lane,
    /// The epoch. A receipt for another epoch than the agent's present one is ignored.
    #[n(1)]
    pub epoch: Epoch,
    /// The highest number up to which nothing is missing in the store.
    #[n(2)]
    pub through: Sequence,
    /// Events among them that could not be read and lie in quarantine.
    #[n(3)]
    pub quarantined: Vec<Quarantined>,
    /// The store was restored from a backup: send again from here.
    #[n(4)]
    pub rewind: Option<Sequence>,
    /// The agent's flash went back in time: begin a new epoch and take everything from here on again.
    #[n(5)]
    pub forked: Option<Sequence>,
    /// What is stored under `through`, where that is known: an agent that has other content there is not the one whose
    /// events these are. Its flash went back, or two boxes share one identity; it believes nothing, and begins a new epoch.
    #[n(6)]
    pub mark: Option<Mark>,
}

impl Receipt {
    /// A plain receipt: everything through this number is stored.
    #[must_use]
    pub fn through(lane: Lane, epoch: Epoch, through: Sequence) -> Self {
        Self { lane, epoch, through, quarantined: Vec::new(), rewind: None, forked: None, mark: None }
    }
}

/// The first eight bytes of a content's SHA-256.
///
/// Two histories of one epoch differ under every number from where they part, so that equal content under one number
/// shows that all before it is equal too.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Mark(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 8],
);

impl From<Digest> for Mark {
    fn from(digest: Digest) -> Self {
        let mut mark = [0; 8];
        mark.copy_from_slice(&digest[..8]);
        Self(mark)
    }
}

/// An event that was kept unread.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Quarantined {
    /// Its number.
    #[n(0)]
    pub sequence: Sequence,
    /// Why.
    #[n(1)]
    pub why: Why,
}

/// Why an event lies in quarantine.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Why {
    /// Its bytes are of no kind this gateway knows.
    #[n(0)]
    Unreadable,
    /// The store refused it alone.
    #[n(1)]
    Unstorable,
    /// Other bytes are stored under its number.
    #[n(2)]
    Forked,
}

impl Receipts {
    /// A message with these receipts, sent at this moment of the gateway's clock.
    #[must_use]
    pub fn new(lanes: Vec<Receipt>, now_ms: i64) -> Self {
        Self { version: VERSION, lanes, now_ms: Some(now_ms) }
    }

    /// The message's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory cannot fail")
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When it is none, or of an unknown version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let receipts: Self = decode_whole(bytes)?;
        if receipts.version == VERSION {
            Ok(receipts)
        } else {
            Err(minicbor::decode::Error::message("unknown version"))
        }
    }
}
