//! What becomes of an alarm, told to the home it came from: so that the person who pressed hears and sees it.
//!
//! Nothing here is said before it is true. A message says all there is to say of each alarm it names; a later one counts.

use minicbor::{Decode, Encode};

use super::{VERSION, decode_whole};
use crate::ids::{Epoch, Sequence};

/// One message to an agent: how far its latest alarms have come.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Feedback {
    /// The version of this message.
    #[n(0)]
    pub version: u8,
    /// One entry for each alarm there is something to say of.
    #[n(1)]
    pub alarms: Vec<AlarmState>,
}

/// How far one alarm has come.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct AlarmState {
    /// The epoch it was sent under.
    #[n(0)]
    pub epoch: Epoch,
    /// Its number in the alarm lane.
    #[n(1)]
    pub sequence: Sequence,
    /// How far it has come.
    #[n(2)]
    pub stage: Stage,
}

/// How far an alarm has come, in order.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Stage {
    /// It is stored, and an alert is open.
    #[n(0)]
    Received,
    /// A named person has taken the alert.
    #[n(1)]
    TakenByAPerson,
    /// That person says that somebody is on the way.
    #[n(2)]
    OnTheWay,
    /// The alert is closed.
    #[n(3)]
    Closed,
}

impl Feedback {
    /// A message about these alarms.
    #[must_use]
    pub fn new(alarms: Vec<AlarmState>) -> Self {
        Self { version: VERSION, alarms }
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
        let feedback: Self = decode_whole(bytes)?;
        if feedback.version == VERSION {
            Ok(feedback)
        } else {
            Err(minicbor::decode::Error::message("unknown version"))
        }
    }
}
