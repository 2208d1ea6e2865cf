//! What an agent takes down: a device's signal, a press, or something about itself, with identity and times.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::devices::{Characteristic, Dialect};
use crate::ids::{DeviceId, Epoch, Lane, Sequence, UserSlot};
use crate::observation::Observation;
use crate::times::{DeviceTime, Taken, Trust};

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
    /// The buffer was damaged, and another has taken its place.
    #[n(5)]
    BufferDamaged(#[n(0)] BufferDamaged),
    /// The agent's wall clock was set, or set otherwise than it went.
    #[n(6)]
    TimeCorrection(#[n(0)] TimeCorrection),
    /// What a device's clock showed at this moment of the agent's.
    #[n(7)]
    DeviceClock(#[n(0)] DeviceClock),
    /// A silent test of the way from this home to people: nobody is told of anything, and it travels with readings, so that
    /// no press waits for it. Made only where the gateway asks for it ([`crate::wire::home_config::Home::prove_every_s`]):
    /// one that does not know it never gets it.
    #[n(8)]
    Test,
}

impl Kind {
    /// The lane this kind travels in; `None` for [`Kind::Began`], which speaks for the lane it opens.
    #[must_use]
    pub fn lane(&self) -> Option<Lane> {
        match self {
            Self::Alarm(_) => Some(Lane::Alarm),
            Self::Signal(_)
            | Self::Refused(_)
            | Self::DeviceTrouble(_)
            | Self::BufferDamaged(_)
            | Self::TimeCorrection(_)
            | Self::DeviceClock(_)
            | Self::Test => Some(Lane::Reading),
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
    /// In which connection it came: a number that another connection of this device does not have. Of several records
    /// of one connection only the last can have been measured just before.
    #[n(9)]
    pub session: Option<u32>,
}

impl Signal {
    /// What a device said, before anybody has read it.
    #[must_use]
    pub fn heard(device: DeviceId, characteristic: Characteristic, raw: Vec<u8>) -> Self {
        Self {
            device,
            slot: None,
            characteristic,
            raw: raw.into(),
            dialect: Dialect::Standard,
            observations: Vec::new(),
            device_time: None,
            counter: None,
            span_ms: None,
            session: None,
        }
    }
}

/// A press of a button, or another call for help from the home.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Alarm {
    /// The button.
    #[n(0)]
    pub device: DeviceId,
    /// Where the press was heard ([`Characteristic::BTHOME`] for an advertisement, [`Characteristic::LOCAL`] for a wire
    /// or a program in the home).
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
    /// The flash took nothing: this was sent from memory, under an epoch that ends with the program.
    #[n(7)]
    #[cbor(default, skip_if = "is_false")]
    pub not_on_flash: bool,
    /// It was pressed before the agent was enrolled: while it was being installed.
    #[n(8)]
    #[cbor(default, skip_if = "is_false")]
    pub before_enrolment: bool,
}

impl Alarm {
    /// A plain press, as a button without a key sends it.
    #[must_use]
    pub fn pressed(device: DeviceId, raw: Vec<u8>) -> Self {
        Self {
            device,
            characteristic: Characteristic::BTHOME,
            raw: raw.into(),
            counter: None,
            authentic: false,
            button: 1,
            counter_went_back: false,
            not_on_flash: false,
            before_enrolment: false,
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
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
    /// A button that does not stop: pressed over and over, faster than anybody needs to be heard.
    #[n(4)]
    Stuck,
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
    /// It has lost its keys, or this box has: it must be paired again.
    #[n(3)]
    LostBond,
    /// It was paired with something else, and knows this box no more.
    #[n(4)]
    PairedElsewhere,
    /// It is heard but takes no connection: too far away, or busy with another phone or box.
    #[n(5)]
    Unreachable,
    /// It asks for the number that it shows, and nobody is there to type it.
    #[n(6)]
    NeedsPasskey,
    /// Its button is pressed over and over.
    #[n(7)]
    StuckButton,
    /// The sign of life that it should send has not come.
    #[n(8)]
    Silent,
    /// Its clock is wrong and cannot be set.
    #[n(9)]
    ClockWrong,
}

/// A buffer that could not be used as it was. What could be read of it was taken again in the present epoch.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct BufferDamaged {
    /// What was wrong with it.
    #[n(0)]
    pub damage: Damage,
    /// How many of its records were taken again, in both lanes.
    #[n(1)]
    pub taken_again: u64,
}

/// What is wrong with a buffer.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Damage {
    /// Bytes on flash are not what was written there.
    #[n(0)]
    Unreadable,
    /// The key that it was encrypted with is not the one the agent has.
    #[n(1)]
    KeyLost,
    /// It is gone.
    #[n(2)]
    Gone,
}

/// The agent's wall clock was set. The event's own [`Taken`] is the clock after that; everything taken in the same boot
/// can be dated by it, since the milliseconds since boot never jump. What was written down stays as it is, so that a
/// correction can be taken back.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct TimeCorrection {
    /// What the wall clock would have shown at this moment, had nobody set it; milliseconds since 1970.
    #[n(0)]
    pub before_ms: i64,
    /// How far it could be trusted before.
    #[n(1)]
    pub trust_before: Trust,
    /// Who says what time it is.
    #[n(2)]
    pub source: TimeSource,
}

/// Who says what time it is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum TimeSource {
    /// The system's clock: a time server set it, or a person.
    #[n(0)]
    System,
    /// The gateway, because the system's clock was never set.
    #[n(1)]
    Gateway,
}

/// What a device's clock showed when it was looked at: coincident time stamps, of the device and (in the event's
/// [`Taken`]) of the agent.
///
/// Source: HL7 Personal Health Device Implementation Guide, "Coincident Timestamp Observation".
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DeviceClock {
    /// Which device.
    #[n(0)]
    pub device: DeviceId,
    /// What its clock showed; none where that was no complete and possible time.
    #[n(1)]
    pub shown: Option<DeviceTime>,
    /// What it was set to just after that, where it was set.
    #[n(2)]
    pub set_to: Option<DeviceTime>,
    /// In which connection, as [`Signal::session`].
    #[n(3)]
    pub session: Option<u32>,
}
