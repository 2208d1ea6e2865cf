//! Whether two events are one (P3). Identity is by content where content can identify; the gateway alone decides.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::devices::Characteristic;
use crate::event::{Alarm, Content, Kind, Origin, Signal};
use crate::ids::{AgentId, DeviceId, Lane};
use crate::times::{DeviceTime, Taken};

/// A SHA-256.
pub type Digest = [u8; 32];

/// Presses with the same counter are one press only when taken within this time of each other:
/// a new battery counts from the start again.
pub const ONE_COUNTER: Duration = Duration::from_secs(10 * 60);

/// Equal frames of a plain button are one press only when taken within this time of each other: its packet id wraps at 256.
pub const ONE_PLAIN_PRESS: Duration = Duration::from_secs(4);

/// The digest of an event's content, which stays the same for life, also when it is taken again.
#[must_use]
pub fn content_digest(content: &[u8]) -> Digest {
    Sha256::digest(content).into()
}

/// What makes an event the same as another.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Identity {
    /// The device's clock tells its records apart.
    ByDeviceTime {
        /// Of device, characteristic and payload.
        digest: Digest,
        /// What the clock showed. Where differing records show the same time, the clock does not tell them apart,
        /// and [`Identity::by_number`] counts instead.
        time: DeviceTime,
    },
    /// The device counts; counters come again, so only within a time.
    ByCounter {
        /// Of device, characteristic, payload and counter.
        digest: Digest,
        /// How far apart two of them can be taken and be one.
        within: Duration,
    },
    /// Nothing but the agent's own number tells. Such events never merge, except with themselves.
    ByNumber {
        /// Of agent, lane, the number it was first taken under, and its whole content.
        digest: Digest,
    },
}

impl Identity {
    /// The identity of what a device said. `None` for an agent's own events, which are only recognised by their number.
    #[must_use]
    pub fn of(content: &Content, number: &Number<'_>) -> Option<Self> {
        match &content.kind {
            Kind::Signal(signal) => Some(Self::of_signal(signal, number)),
            Kind::Alarm(alarm) => Some(Self::of_alarm(alarm, number)),
            Kind::Began(_)
            | Kind::Refused(_)
            | Kind::DeviceTrouble(_)
            | Kind::BufferDamaged(_)
            | Kind::TimeCorrection(_)
            | Kind::DeviceClock(_)
            | Kind::Test => None,
        }
    }

    fn of_signal(signal: &Signal, number: &Number<'_>) -> Self {
        let said = Said { device: &signal.device, characteristic: signal.characteristic, payload: &signal.raw };
        if let Some(time) = signal.device_time.filter(|time| time.is_set()) {
            return Self::ByDeviceTime { digest: said.digest(&[]), time };
        }
        match signal.counter {
            Some(counter) => Self::ByCounter { digest: said.digest(&counter.to_be_bytes()), within: Duration::MAX },
            None => Self::by_number(number),
        }
    }

    fn of_alarm(alarm: &Alarm, number: &Number<'_>) -> Self {
        let said = Said { device: &alarm.device, characteristic: alarm.characteristic, payload: &alarm.raw };
        let within = if alarm.authentic { ONE_COUNTER } else { ONE_PLAIN_PRESS };
        match alarm.counter {
            Some(counter) => Self::ByCounter { digest: said.digest(&counter.to_be_bytes()), within },
            None => Self::by_number(number),
        }
    }

    /// The identity that counts where a device's clock shows the same time for differing records.
    #[must_use]
    pub fn by_number(number: &Number<'_>) -> Self {
        let epoch = number.first_taken.epoch.0.to_be_bytes();
        let sequence = number.first_taken.sequence.0.to_be_bytes();
        let agent = number.agent.as_str().as_bytes();
        let lane = number.lane.as_str().as_bytes();
        Self::ByNumber { digest: digest_of(&[agent, lane, &epoch, &sequence, &number.content]) }
    }

    /// The digest to look for in the store.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        match self {
            Self::ByDeviceTime { digest, .. } | Self::ByCounter { digest, .. } | Self::ByNumber { digest } => digest,
        }
    }

    /// Whether an event with the same digest, taken at `earlier`, and one taken at `later` are one.
    /// Where the times cannot be compared they are two.
    #[must_use]
    pub fn is_one(&self, earlier: &Taken, later: &Taken) -> bool {
        match self {
            Self::ByDeviceTime { .. } | Self::ByNumber { .. } => true,
            Self::ByCounter { within: Duration::MAX, .. } => true,
            Self::ByCounter { within, .. } => earlier.apart(later).is_some_and(|apart| apart <= *within),
        }
    }
}

/// What tells an event from all others when its content cannot.
#[derive(Copy, Clone, Debug)]
pub struct Number<'a> {
    /// Whose event it is.
    pub agent: &'a AgentId,
    /// In which lane.
    pub lane: Lane,
    /// The number it was first taken under.
    pub first_taken: Origin,
    /// The digest of its content: two boxes with one identity give one number to different events.
    pub content: Digest,
}

/// Who said what, where.
#[derive(Copy, Clone, Debug)]
pub struct Said<'a> {
    /// Who.
    pub device: &'a DeviceId,
    /// Where.
    pub characteristic: Characteristic,
    /// What, as received.
    pub payload: &'a [u8],
}

impl<'a> Said<'a> {
    /// What a device said, or what came from the home for it; none for an agent's own events.
    #[must_use]
    pub fn of(kind: &'a Kind) -> Option<Self> {
        match kind {
            Kind::Signal(Signal { device, characteristic, raw, .. })
            | Kind::Alarm(Alarm { device, characteristic, raw, .. }) => {
                Some(Self { device, characteristic: *characteristic, payload: raw })
            }
            Kind::Began(_)
            | Kind::Refused(_)
            | Kind::DeviceTrouble(_)
            | Kind::BufferDamaged(_)
            | Kind::TimeCorrection(_)
            | Kind::DeviceClock(_)
            | Kind::Test => None,
        }
    }

    fn digest(&self, extra: &[u8]) -> Digest {
        let device = self.device.to_string();
        let characteristic = match self.characteristic.number() {
            Some(number) => number.to_be_bytes().to_vec(),
            None => self.characteristic.uuid().to_be_bytes().to_vec(),
        };
        digest_of(&[device.as_bytes(), &characteristic, self.payload, extra])
    }
}

/// Every part goes in after its length, so that no two different lists run into the same bytes.
fn digest_of(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
