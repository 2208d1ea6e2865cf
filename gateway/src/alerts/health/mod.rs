//! Findings about the boxes themselves: a buffer that was wiped or went back, something lost, something unreadable, a
//! radio that hears nothing, a device that behaves oddly.

pub mod ailments;
pub mod identity;
pub mod told;
pub mod wording;

use hempuls_protocol::event::{Damage, Refusal, Trouble};
use hempuls_protocol::ids::Lane;
use serde::{Deserialize, Serialize};

use self::ailments::Ailment;
use self::identity::Happened;
use super::keeping;
use super::rules::books_do_not_balance::{self as books, Difference};
use super::rules::{certificate_expiring, clock_wrong, silent_home};
use super::{About, Concern, Finding, Line, Severity, Weight};
use crate::ingest::accept::Oddity;
use crate::proof::{homes, schedule};

/// A buffer began a new life, went back in time, or the store was restored.
pub const BUFFER: &str = "agent_buffer";
/// An alarm could not be read.
pub const UNREADABLE_ALARM: &str = "alarm_unreadable";
/// Something else could not be read or stored.
pub const UNREADABLE: &str = "unreadable";
/// Signals could not be kept in the home.
pub const REFUSED: &str = "refused";
/// A device behaves in a way that a person should know of.
pub const DEVICE: &str = "device_trouble";
/// The radio hears nothing.
pub const RADIO: &str = "radio";
/// The flash is full or takes nothing.
pub const FLASH: &str = "flash";
/// A box cannot use what it was sent.
pub const CONFIG: &str = "config_refused";
/// A device's battery is low.
pub const BATTERY: &str = "battery";
/// A box was cut off with something in it, came back after its certificate had expired, or shows an old one.
pub const IDENTITY: &str = "agent_identity";

/// A channel does not deliver what people are to be told.
pub const CHANNEL: &str = "channel";

/// What the way to a server of health records is called among channels.
pub const FHIR: &str = "fhir";

/// The kinds of case that are about equipment, and not about a person.
pub const ABOUT_EQUIPMENT: [&str; 22] = [
    clock_wrong::NAME,
    certificate_expiring::NAME,
    books::NAME,
    BUFFER,
    UNREADABLE,
    REFUSED,
    DEVICE,
    RADIO,
    FLASH,
    CONFIG,
    BATTERY,
    IDENTITY,
    CHANNEL,
    silent_home::NAME,
    silent_home::STORM,
    keeping::BACKUP,
    keeping::RESTORED,
    keeping::DISK,
    schedule::WAY,
    keeping::CLOCK,
    homes::HOME,
    homes::HOMES,
];

/// A battery at or below this, in percent, is low.
pub const LOW_BATTERY: u8 = 15;

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Found {
    /// The buffer began a new life although it had one before.
    NewEpoch {
        /// In which lane.
        lane: String,
        /// Numbers taken again.
        moved: u64,
        /// Numbers gone.
        lost: u64,
    },
    /// The flash went back in time, or two boxes share one identity.
    WentBack {
        /// In which lane.
        lane: String,
        /// From which number.
        from: u64,
    },
    /// The store was restored, and the box no longer keeps this many.
    LostRestoring {
        /// In which lane.
        lane: String,
        /// How many.
        lost: u64,
    },
    /// The buffer could not be used as it was, and another has taken its place.
    Damaged {
        /// What was wrong with it.
        damage: Harm,
        /// How many of its records were taken again.
        taken_again: u64,
    },
    /// Events could not be read or stored.
    Quarantined {
        /// In which lane.
        lane: String,
        /// How many.
        count: u64,
    },
    /// A message could not be read at all.
    UnreadableMessage,
    /// Signals were heard in the home and could not be kept.
    Refused {
        /// How many.
        count: u64,
        /// Why.
        why: Refused,
    },
    /// A device behaves in a way that a person should know of.
    Device {
        /// Which.
        device: String,
        /// What it is, where its home has it.
        #[serde(default)]
        device_kind: Option<String>,
        /// What it does.
        trouble: Misbehaviour,
    },
    /// Something goes on that the box's heartbeats tell of.
    Ails(Ailment),
    /// It is over.
    Over(Ailment),
    /// Something happened to the box's identity.
    Identity(Happened),
    /// What a box says it took is not what became of it.
    Books(Difference),
    /// It is again.
    BooksBalance(Difference),
    /// A channel does not deliver.
    ChannelFails {
        /// Which.
        channel: String,
        /// What its peer said, or why there was no answer.
        because: String,
    },
    /// A receiver of the alarm centre gives no sign of life.
    ReceiverSilent {
        /// 1 for the first.
        receiver: i64,
        /// What it did, or why there was no answer.
        because: String,
        /// No other one answers.
        is_last: bool,
    },
    /// A server of health records refuses readings.
    RecordsRefused {
        /// What it said.
        because: String,
    },
    /// It does again.
    ReceiverAnswers {
        /// 1 for the first.
        receiver: i64,
    },
    /// It delivers again, all that waited included.
    ChannelDelivers {
        /// Which.
        channel: String,
    },
}

impl Found {
    /// The two as one, where an earlier and a later tell of one thing that goes on.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::Refused { count, why }, Self::Refused { count: before, why: before_why }) if why == before_why => {
                Some(Self::Refused { count: count.saturating_add(*before), why: *why })
            }
            (Self::ChannelFails { channel, .. }, Self::ChannelFails { channel: before, .. }) if channel == before => {
                Some(self.clone())
            }
            (Self::ReceiverSilent { receiver, .. }, Self::ReceiverSilent { receiver: before, .. })
                if receiver == before =>
            {
                Some(self.clone())
            }
            (Self::Ails(later), Self::Ails(earlier)) if later.is_as(earlier) => Some(self.clone()),
            (Self::Books(later), Self::Books(earlier)) if later.is_as(earlier) => Some(self.clone()),
            (Self::RecordsRefused { .. }, Self::RecordsRefused { .. }) => Some(self.clone()),
            (_, _) => None,
        }
    }

    /// What is found once this is over; none for what does not go on by itself.
    #[must_use]
    pub fn over(&self) -> Option<Self> {
        match self {
            Self::Ails(ailment) => Some(Self::Over(ailment.clone())),
            Self::Device { device, device_kind, trouble: Misbehaviour::Silent } => {
                let (device, device_kind) = (device.clone(), device_kind.clone());
                Some(Self::Over(Ailment::SilentDevice { device, device_kind }))
            }
            Self::Device { device, device_kind, trouble: Misbehaviour::ClockWrong } => {
                let (device, device_kind) = (device.clone(), device_kind.clone());
                Some(Self::Over(Ailment::WrongDeviceClock { device, device_kind }))
            }
            Self::Books(difference) => Some(Self::BooksBalance(difference.clone())),
            Self::ChannelFails { channel, .. } => Some(Self::ChannelDelivers { channel: channel.clone() }),
            Self::ReceiverSilent { receiver, .. } => Some(Self::ReceiverAnswers { receiver: *receiver }),
            Self::NewEpoch { .. }
            | Self::WentBack { .. }
            | Self::LostRestoring { .. }
            | Self::Damaged { .. }
            | Self::Quarantined { .. }
            | Self::UnreadableMessage
            | Self::Refused { .. }
            | Self::Device { .. }
            | Self::Over(_)
            | Self::Identity(_)
            | Self::BooksBalance(_)
            | Self::ChannelDelivers { .. }
            | Self::RecordsRefused { .. }
            | Self::ReceiverAnswers { .. } => None,
        }
    }

    /// Whether a box says it again while it goes on, so that a person who has closed it is left in peace for a while.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Device { .. }
            | Self::Ails(_)
            | Self::Books(_)
            | Self::ChannelFails { .. }
            | Self::ReceiverSilent { .. }
            | Self::RecordsRefused { .. } => true,
            Self::NewEpoch { .. }
            | Self::WentBack { .. }
            | Self::LostRestoring { .. }
            | Self::Damaged { .. }
            | Self::Quarantined { .. }
            | Self::UnreadableMessage
            | Self::Over(_)
            | Self::Identity(_)
            | Self::BooksBalance(_)
            | Self::ChannelDelivers { .. }
            | Self::ReceiverAnswers { .. } => false,
        }
    }

    /// The version of the rule that found it, and its name, where it is one with a version.
    #[must_use]
    pub fn rule_version(&self) -> Option<(&'static str, u32)> {
        match self {
            Self::Ails(Ailment::WrongClock(wrong)) => Some((clock_wrong::NAME, wrong.version())),
            Self::Ails(Ailment::CertificateExpiring(expiring)) => Some((certificate_expiring::NAME, expiring.version)),
            Self::Books(difference) => Some((books::NAME, difference.version)),
            Self::Device { trouble: Misbehaviour::ClockWrong, .. } => Some((clock_wrong::NAME, clock_wrong::VERSION)),
            Self::NewEpoch { .. }
            | Self::WentBack { .. }
            | Self::LostRestoring { .. }
            | Self::Damaged { .. }
            | Self::Quarantined { .. }
            | Self::UnreadableMessage
            | Self::Refused { .. }
            | Self::Device { .. }
            | Self::Ails(_)
            | Self::Over(_)
            | Self::Identity(_)
            | Self::BooksBalance(_)
            | Self::ChannelFails { .. }
            | Self::ChannelDelivers { .. }
            | Self::RecordsRefused { .. }
            | Self::ReceiverSilent { .. }
            | Self::ReceiverAnswers { .. } => None,
        }
    }

    /// Which device it is about; none where it is about the box.
    fn device(&self) -> Option<&str> {
        match self {
            Self::Device { device, .. } => Some(device),
            Self::Ails(ailment) | Self::Over(ailment) => ailment.device(),
            Self::NewEpoch { .. }
            | Self::WentBack { .. }
            | Self::LostRestoring { .. }
            | Self::Damaged { .. }
            | Self::Quarantined { .. }
            | Self::UnreadableMessage
            | Self::Refused { .. }
            | Self::Identity(_)
            | Self::Books(_)
            | Self::BooksBalance(_)
            | Self::ChannelFails { .. }
            | Self::ChannelDelivers { .. }
            | Self::ReceiverSilent { .. }
            | Self::RecordsRefused { .. }
            | Self::ReceiverAnswers { .. } => None,
        }
    }
}

/// [`Refusal`], as it is stored.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The flash could not take it.
    Flash,
    /// As much waits as may wait.
    Full,
    /// A button frame that was forged, damaged, or unencrypted where a key is set.
    NotAuthentic,
    /// A button's counter went back again within a minute.
    Replayed,
    /// A button that does not stop.
    Stuck,
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Flash => Self::Flash,
            Refusal::Full => Self::Full,
            Refusal::NotAuthentic => Self::NotAuthentic,
            Refusal::Replayed => Self::Replayed,
            Refusal::Stuck => Self::Stuck,
        }
    }
}

/// [`Trouble`], as it is stored.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misbehaviour {
    /// A payload could not be read; it was kept raw.
    Unreadable,
    /// It refuses or fails pairing.
    Pairing,
    /// It lacks the service it should have.
    NoService,
    /// It has lost its keys, or the box has.
    LostBond,
    /// It was paired with something else.
    PairedElsewhere,
    /// It is heard but takes no connection.
    Unreachable,
    /// It asks for the number that it shows.
    NeedsPasskey,
    /// Its button is pressed over and over.
    StuckButton,
    /// Its sign of life has not come.
    Silent,
    /// Its clock is wrong and cannot be set.
    ClockWrong,
}

impl Misbehaviour {
    /// How soon someone must act: at once where a button can call nobody, today where nothing is measured until a person
    /// has done something.
    fn severity(self) -> Severity {
        match self {
            Self::StuckButton => Severity::High,
            Self::Silent | Self::Pairing | Self::LostBond | Self::PairedElsewhere | Self::NeedsPasskey => {
                Severity::Medium
            }
            Self::Unreadable | Self::NoService | Self::Unreachable | Self::ClockWrong => Severity::Low,
        }
    }
}

impl From<Trouble> for Misbehaviour {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreadable => Self::Unreadable,
            Trouble::Pairing => Self::Pairing,
            Trouble::NoService => Self::NoService,
            Trouble::LostBond => Self::LostBond,
            Trouble::PairedElsewhere => Self::PairedElsewhere,
            Trouble::Unreachable => Self::Unreachable,
            Trouble::NeedsPasskey => Self::NeedsPasskey,
            Trouble::StuckButton => Self::StuckButton,
            Trouble::Silent => Self::Silent,
            Trouble::ClockWrong => Self::ClockWrong,
        }
    }
}

/// [`Damage`], as it is stored.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// Bytes on flash are not what was written there.
    Unreadable,
    /// The key that it was encrypted with is not the one the agent has.
    KeyLost,
    /// It is gone.
    Gone,
}

impl From<Damage> for Harm {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Unreadable => Self::Unreadable,
            Damage::KeyLost => Self::KeyLost,
            Damage::Gone => Self::Gone,
        }
    }
}

/// A concern about an agent or one of its devices. `has_button`: somebody in its home has a button to call for help.
#[must_use]
pub fn concern(agent: &str, home: &str, has_button: bool, found: Found) -> Concern {
    let (case, severity) = match &found {
        Found::NewEpoch { lost: 0, .. } => (BUFFER, Severity::Low),
        Found::NewEpoch { lane, .. } | Found::LostRestoring { lane, .. } | Found::WentBack { lane, .. }
            if lane == Lane::Alarm.as_str() =>
        {
            (BUFFER, Severity::High)
        }
        Found::NewEpoch { .. } | Found::LostRestoring { .. } | Found::WentBack { .. } => (BUFFER, Severity::Medium),
        Found::Damaged { .. } => (BUFFER, Severity::Medium),
        Found::Quarantined { lane, .. } if lane == Lane::Alarm.as_str() => (UNREADABLE_ALARM, Severity::High),
        Found::Quarantined { .. } | Found::UnreadableMessage => (UNREADABLE, Severity::Medium),
        // A button with another key than its box was given is refused as not authentic: nobody hears her.
        Found::Refused { why: Refused::Flash | Refused::Full | Refused::NotAuthentic, .. } => {
            (REFUSED, Severity::Medium)
        }
        Found::Refused { why: Refused::Replayed | Refused::Stuck, .. } => (REFUSED, Severity::Low),
        Found::Device { trouble: trouble @ Misbehaviour::ClockWrong, .. } => (clock_wrong::NAME, trouble.severity()),
        Found::Device { trouble, .. } => (DEVICE, trouble.severity()),
        Found::Ails(ailment) | Found::Over(ailment) => match ailment {
            Ailment::DeadRadio if has_button => (RADIO, Severity::High),
            Ailment::DeadRadio => (RADIO, Severity::Medium),
            Ailment::AlarmsInMemory => (FLASH, Severity::High),
            Ailment::FullFlash | Ailment::DeadFlash => (FLASH, Severity::Medium),
            Ailment::RefusedConfig { .. } => (CONFIG, Severity::Low),
            Ailment::LowBattery { .. } => (BATTERY, Severity::Low),
            Ailment::SilentDevice { .. } => (DEVICE, Misbehaviour::Silent.severity()),
            Ailment::WrongDeviceClock { .. } => (clock_wrong::NAME, Misbehaviour::ClockWrong.severity()),
            Ailment::WrongClock(_) => (clock_wrong::NAME, Severity::Medium),
            Ailment::CertificateExpiring(expiring) if expiring.is_urgent => {
                (certificate_expiring::NAME, Severity::High)
            }
            Ailment::CertificateExpiring(_) => (certificate_expiring::NAME, Severity::Low),
        },
        Found::Identity(happened) => happened.case(),
        Found::Books(Difference { lane, .. }) if lane == Lane::Alarm.as_str() => (books::NAME, Severity::High),
        Found::Books(_) | Found::BooksBalance(_) => (books::NAME, Severity::Medium),
        Found::ChannelFails { .. }
        | Found::ChannelDelivers { .. }
        | Found::ReceiverSilent { .. }
        | Found::RecordsRefused { .. }
        | Found::ReceiverAnswers { .. } => (CHANNEL, Severity::Medium),
    };
    // An alarm that cannot be read may be a person who asks again.
    let weight = if case == UNREADABLE_ALARM { Weight::AskedAgain } else { Weight::More };
    let about = match found.device() {
        Some(device) => About::Device { home: home.to_owned(), device: device.to_owned() },
        None => About::Agent(agent.to_owned()),
    };
    Concern {
        finding: Finding { case, severity, confirmed: true, weight, line: Line::Health(found) },
        about,
        person: None,
        home: home.to_owned(),
        record: None,
    }
}

/// What an oddity of a lane's books is called in the story.
#[must_use]
pub fn found(lane: Lane, oddity: &Oddity) -> Found {
    let lane = lane.as_str().to_owned();
    match oddity {
        Oddity::NewEpoch { closed, .. } => Found::NewEpoch { lane, moved: closed.moved, lost: closed.lost },
        Oddity::WentBack { from } => Found::WentBack { lane, from: from.0 },
        Oddity::LostRestoring { lost } => Found::LostRestoring { lane, lost: *lost },
    }
}
