//! The agent's word that it is alive, every minute. Never buffered. Its absence is the truth; a last will is a hint.

use minicbor::{Decode, Encode};

use super::{VERSION, decode_whole};
use crate::ids::{DeviceId, Epoch, Lane, Sequence};
use crate::times::Taken;

/// What an agent says on its status topic.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Status {
    /// It is alive.
    #[n(0)]
    Heartbeat(#[n(0)] Heartbeat),
    /// Its connection ended without a goodbye (the broker says so for it).
    #[n(1)]
    LastWill,
}

impl Status {
    /// The message's bytes: `[version, status]`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec((VERSION, self)).expect("writing to memory cannot fail")
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When it is none, or of an unknown version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let (version, status): (u8, Self) = decode_whole(bytes)?;
        if version == VERSION { Ok(status) } else { Err(minicbor::decode::Error::message("unknown version")) }
    }
}

/// One heartbeat.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Heartbeat {
    /// The agent's clocks.
    #[n(0)]
    pub clock: Taken,
    /// The state of each lane.
    #[n(1)]
    pub lanes: Vec<LaneState>,
    /// Seconds since an advertisement was really heard; `None` when none was since the start.
    #[n(2)]
    pub heard_s: Option<u64>,
    /// Signals and presses heard since the start of the program.
    #[n(3)]
    pub heard: u64,
    /// Of them, not taken.
    #[n(4)]
    pub refused: u64,
    /// The devices this agent serves.
    #[n(5)]
    pub devices: Vec<DeviceState>,
    /// Panics inside libraries since the start of the program, caught.
    #[n(6)]
    pub panics: u32,
    /// Bytes free on the flash.
    #[n(7)]
    pub disk_free: Option<u64>,
    /// When the certificate expires, in seconds since 1970.
    #[n(8)]
    pub certificate_expires: Option<i64>,
    /// The program's version.
    #[n(9)]
    pub version: String,
}

/// One lane of the buffer: the agent's side of the books.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct LaneState {
    /// The lane.
    #[n(0)]
    pub lane: Lane,
    /// The buffer's present life.
    #[n(1)]
    pub epoch: Epoch,
    /// The lowest number still on flash; `last` + 1 when nothing is.
    #[n(2)]
    pub oldest_kept: Sequence,
    /// The highest number the agent will not send again by itself.
    #[n(3)]
    pub receipted_through: Sequence,
    /// The last number given out.
    #[n(4)]
    pub last: Sequence,
    /// Seconds that the oldest unreceipted event has waited; `None` when nothing waits.
    #[n(5)]
    pub oldest_waiting_s: Option<u64>,
}

/// A device as its agent knows it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DeviceState {
    /// Which.
    #[n(0)]
    pub device: DeviceId,
    /// Battery, in percent.
    #[n(1)]
    pub battery: Option<u8>,
    /// Seconds since it was last heard; `None` when it was not since the start.
    #[n(2)]
    pub heard_s: Option<u64>,
}
