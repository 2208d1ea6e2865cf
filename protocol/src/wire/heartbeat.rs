//! The agent's word that it is alive, every minute. Never buffered. Its absence is the truth; a last will is a hint.

use minicbor::{Decode, Encode};

use super::{VERSION, decode_whole};
use crate::devices::DeviceKind;
use crate::event::Refusal;
use crate::ids::{DeviceId, Epoch, Lane, Sequence};
use crate::times::Taken;

/// What an agent says on its status topic.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Status {
    /// It is alive.
    #[n(0)]
    Heartbeat(#[n(0)] Box<Heartbeat>),
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
    /// The radio.
    #[n(10)]
    pub radio: Option<RadioState>,
    /// Which configuration of the gateway's the agent uses.
    #[n(11)]
    pub config: Option<ConfigState>,
    /// Which of its uplinks the agent uses.
    #[n(12)]
    pub uplink: Option<UplinkState>,
    /// The flash.
    #[n(13)]
    pub flash: Option<FlashState>,
    /// Devices that are heard and look like ones for health or help, whether they are this home's or not: for whoever
    /// adopts one from afar. At most [`MOST_NEARBY`], the strongest first.
    #[n(14)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub nearby: Vec<Nearby>,
    /// Of what was not taken: how many, by reason.
    #[n(15)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub refusals: Vec<(Refusal, u64)>,
}

/// The most nearby devices that a heartbeat names.
pub const MOST_NEARBY: usize = 16;

impl Heartbeat {
    /// A heartbeat that says nothing but that the agent lives.
    #[must_use]
    pub fn bare(clock: Taken, lanes: Vec<LaneState>, version: &str) -> Self {
        Self {
            clock,
            lanes,
            heard_s: None,
            heard: 0,
            refused: 0,
            devices: Vec::new(),
            panics: 0,
            disk_free: None,
            certificate_expires: None,
            version: version.to_owned(),
            radio: None,
            config: None,
            uplink: None,
            flash: None,
            nearby: Vec::new(),
            refusals: Vec::new(),
        }
    }
}

/// How the radio does.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RadioState {
    /// Whether it hears.
    #[n(0)]
    pub hearing: Hearing,
    /// What was done to make it hear again, since the start of the program: scans begun anew, adapters switched off and
    /// on, connections to the bus made anew.
    #[n(1)]
    pub cures: u32,
    /// Devices of strangers that look like cuffs and the like, heard within the last hour and left alone.
    #[n(2)]
    pub strangers: u32,
}

/// Whether the radio hears.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Hearing {
    /// Nothing was heard for a while, and nothing says that there was something to hear.
    #[n(0)]
    Unproven,
    /// An advertisement was heard a moment ago.
    #[n(1)]
    Alive,
    /// A supervised device should have been heard, or the adapter says that it does not work.
    #[n(2)]
    Dead,
}

/// Which configuration of the gateway's an agent uses.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ConfigState {
    /// The revision it uses; 0 where it has none yet.
    #[n(0)]
    pub revision: u64,
    /// A later one that it could not use.
    #[n(1)]
    pub refused: Option<RefusedConfig>,
}

/// A configuration that an agent could not use.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RefusedConfig {
    /// Its revision.
    #[n(0)]
    pub revision: u64,
    /// What is wrong with it, in words for an operator.
    #[n(1)]
    pub why: String,
}

/// Which of its uplinks an agent uses.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct UplinkState {
    /// Its place in the agent's list, from 0: the first is the one it is meant to use.
    #[n(0)]
    pub place: u32,
    /// How many there are.
    #[n(1)]
    pub of: u32,
}

/// How the flash does.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct FlashState {
    /// Whether it takes what is heard.
    #[n(0)]
    pub takes: Takes,
    /// Alarms that are sent from memory, and not receipted.
    #[n(1)]
    pub in_memory: u64,
    /// Whether what lies on it is encrypted with a key that does not lie beside it.
    #[n(2)]
    pub encrypted: bool,
}

/// Whether the flash takes what is heard.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Takes {
    /// Everything.
    #[n(0)]
    All,
    /// Alarms only: it is full.
    #[n(1)]
    AlarmsOnly,
    /// Nothing.
    #[n(2)]
    Nothing,
}

/// A device that is heard.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Nearby {
    /// Which.
    #[n(0)]
    pub device: DeviceId,
    /// The name it says.
    #[n(1)]
    pub name: Option<String>,
    /// How strongly it is heard, in dBm.
    #[n(2)]
    pub signal_dbm: Option<i8>,
    /// What it looks like.
    #[n(3)]
    pub kind: Option<DeviceKind>,
    /// Seconds since it was last heard.
    #[n(4)]
    pub heard_s: u64,
    /// It began to advertise a moment ago, as a device does that was just used.
    #[n(5)]
    #[cbor(default, skip_if = "is_false")]
    pub just_used: bool,
    /// It is one of this home's.
    #[n(6)]
    #[cbor(default, skip_if = "is_false")]
    pub adopted: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
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
    /// Model and firmware, as it says them itself.
    #[n(3)]
    pub model: Option<String>,
    /// By how many seconds its clock was ahead of the agent's when it was last looked at.
    #[n(4)]
    pub clock_ahead_s: Option<i64>,
    /// The sign of life that it should send has not come.
    #[n(5)]
    #[cbor(default, skip_if = "is_false")]
    pub is_missing: bool,
}

impl DeviceState {
    /// A device of which nothing is known yet.
    #[must_use]
    pub fn unknown(device: DeviceId) -> Self {
        Self { device, battery: None, heard_s: None, model: None, clock_ahead_s: None, is_missing: false }
    }
}
