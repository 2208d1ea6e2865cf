//! What an agent takes down: a device's signal, a press, or something about itself, with identity and times.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::devices::{Characteristic, Dialect};
use crate::ids::{DeviceId, Epoch, Lane, Sequence, UserSlot};
use crate::observation::Observation;
use crate::times::{DeviceTime, Taken};

/// An event as it lies on flash and travels: its number, where it came from if it was taken again, and its content.
///
/// The content keeps its bytes for life, also when it is taken again under a new number, so that its digest identifies it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Event {
    /// Its number in its lane and epoch.
    #[n(0)]
    pub sequence: Sequence,
    /// Its first number, where it was taken again after its buffer was damaged or went back.
    #[n(1)]
    pub origin: Option<Origin>,
    /// The bytes of a [`Content`].
    #[n(2)]
    pub content: ByteVec,
}

/// The number under which a record was first taken.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct Origin {
    /// The epoch of that time.
    #[n(0)]
    pub epoch: Epoch,
    /// Its number then.
    #[n(1)]
    pub sequence: Sequence,
}

/// What happened, and when the agent noticed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Content {
    /// When, by the agent's clocks.
    #[n(0)]
    pub taken: Taken,
    /// What.
    #[n(1)]
    pub kind: Kind,
}

impl Content {
    /// The bytes to keep. They never change afterwards.
    #[must_use]
    pub fn to_bytes(&self) -> ByteVec {
        minicbor::to_vec(self).expect("writing to memory cannot fail").into()
    }

    /// Reads what [`Content::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are not a content this version knows, or more follows it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        crate::wire::decode_whole(bytes)
    }
}

/// The kinds of event.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Kind {
    /// A device said something.
    #[n(0)]
    Signal(#[n(0)] Signal),
    /// A person asks for help.
    #[n(1)]
    Alarm(#[n(0)] Alarm),
    /// The first event of a lane in an epoch.
    #[n(2)]
    Began(#[n(0)] Began),
    /// Signals that could not be kept, summed up.
    #[n(3)]
    Refused(#[n(0)] Refused),
    /// A device behaves in a way that a person should know of.
    #[n(4)]
    DeviceTrouble(#[n(0)] DeviceTrouble),
}

impl Kind {
    /// The lane this kind travels in; `None` for [`Kind::Began`], which speaks for the lane it opens.
    #[must_use]
    pub fn lane(&self) -> Option<Lane> {
        match self {
            Self::Alarm(_) => Some(Lane::Alarm),
            Self::Signal(_) | Self::Refused(_) | Self::DeviceTrouble(_) => Some(Lane::Reading),
            Self::Began(_) => None,
        }
    }
}

/// What a device told us. The raw bytes are the truth; the observations are how this agent read them.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Signal {
    /// Who said it.
    #[n(0)]
    pub device: DeviceId,
    /// For which of the device's users.
    #[n(1)]
    pub slot: Option<UserSlot>,
    /// On which characteristic.
    #[n(2)]
    pub characteristic: Characteristic,
    /// The payload as received. For a stream: the minute's notifications, each after its length (u8).
    #[n(3)]
    pub raw: ByteVec,
    /// How the device's model departs from the standard.
    #[n(4)]
    pub dialect: Dialect,
    /// What the payload means. Empty when it could not be read.
    #[n(5)]
    pub observations: Vec<Observation>,
    /// What the device's clock showed, when it shows a complete and possible time.
    #[n(6)]
    pub device_time: Option<DeviceTime>,
    /// The device's own record number.
    #[n(7)]
    pub counter: Option<u32>,
    /// How long a stream's minute was, in milliseconds.
    #[n(8)]
    pub span_ms: Option<u32>,
}

/// A press of a button.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Alarm {
    /// The button.
    #[n(0)]
    pub device: DeviceId,
    /// Where the press was heard ([`Characteristic::BTHOME`] for an advertisement).
    #[n(1)]
    pub characteristic: Characteristic,
    /// The frame as received, encrypted if it was.
    #[n(2)]
    pub raw: ByteVec,
    /// The frame's counter (encrypted) or packet id (plain).
    #[n(3)]
    pub counter: Option<u32>,
    /// Whether the frame proved that it came from this button.
    #[n(4)]
    pub authentic: bool,
    /// The button event's code (BTHome object 0x3A): 1 press, 2 double press …
    #[n(5)]
    pub button: u8,
    /// The counter was not above the last one: a new battery, or a replay.
    #[n(6)]
    pub counter_went_back: bool,
}

/// A buffer began a new life. Says what became of the one before.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Began {
    /// The life before, where anything is known of it.
    #[n(0)]
    pub previous: Option<Previous>,
}

/// The end of a buffer's life, as its agent knows it, for one lane.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Previous {
    /// Its epoch.
    #[n(0)]
    pub epoch: Epoch,
    /// The last number it gave out, where that is still known.
    #[n(1)]
    pub last_taken: Option<Sequence>,
    /// Numbers taken again in the new life, as inclusive ranges.
    #[n(2)]
    pub taken_again: Vec<(Sequence, Sequence)>,
}

/// Signals that were heard and could not be kept.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Refused {
    /// How many.
    #[n(0)]
    pub count: u64,
    /// Why.
    #[n(1)]
    pub why: Refusal,
}

/// Why a signal was not taken.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// The flash could not take it: full, or failing.
    #[n(0)]
    Flash,
    /// As much waits as may wait.
    #[n(1)]
    Full,
    /// A button frame that was forged, damaged, or unencrypted where a key is set.
    #[n(2)]
    NotAuthentic,
    /// A button's counter went back again within a minute.
    #[n(3)]
    Replayed,
}

/// A device behaves in a way that a person should know of.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DeviceTrouble {
    /// Which device.
    #[n(0)]
    pub device: DeviceId,
    /// What it does.
    #[n(1)]
    pub trouble: Trouble,
}

/// What a device does wrong.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Trouble {
    /// A payload could not be read; it was kept raw.
    #[n(0)]
    Unreadable,
    /// It refuses or fails pairing.
    #[n(1)]
    Pairing,
    /// It connects but lacks the service it should have.
    #[n(2)]
    NoService,
}
