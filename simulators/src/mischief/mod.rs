//! Faults by name: set on a device while it runs, or left to a [`Troublemaker`] who plays tricks on a whole home, at
//! rates of one's choice.

mod rates;
mod troublemaker;

use std::time::Duration;

pub use self::{
    rates::{NotARate, Prank, Rate, Rates},
    troublemaker::{Trick, Troublemaker},
};

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mischief {
    /// The device hangs up at this step of its next link, once.
    HangUp(HangUpAt),
    /// The next such call on this device is never answered, once.
    Wedge(Call),
    /// The next indication is cut off after three bytes, once.
    MalformedNext,
    /// The next connections fail with `le-connection-abort-by-local`.
    AbortConnections {
        /// How many.
        times: u32,
    },
    /// The device advertises but never takes a connection, until it is told to behave.
    Mute,
    /// The device takes connections but never answers a request, so that it seems to have no services, until it is
    /// told to behave.
    NoServices,
    /// The device refuses to pair, until it is told to behave.
    RefusePairing,
    /// BlueZ signals this device's RSSI again and again, whoever listens, until it is told to behave.
    Chatter {
        /// Time between two signals.
        every: Duration,
    },
}

/// A step of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUpAt {
    /// Before BlueZ calls it connected.
    Connecting,
    /// While BlueZ looks for its services.
    Resolving,
    /// As soon as BlueZ knows its services.
    AfterResolved,
    /// Instead of the first indication.
    BeforeIndication,
    /// After BlueZ took the indication, before the confirmation reaches the device: it will send that reading again.
    BeforeConfirmation,
    /// After this many confirmed indications of the link.
    AfterIndication(u32),
}

/// A call on a device or one of its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Call {
    Connect,
    Disconnect,
    Pair,
    ReadValue,
    WriteValue,
    StartNotify,
    StopNotify,
}

/// The faults that are set on one device.
#[derive(Debug, Default)]
pub(crate) struct Temper {
    faults: Vec<Mischief>,
}

impl Temper {
    pub(crate) fn set(&mut self, mischief: Mischief) {
        self.faults.push(mischief);
    }

    pub(crate) fn behave(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn is(&self, mischief: Mischief) -> bool {
        self.faults.contains(&mischief)
    }

    /// Whether this fault is set; it happens once.
    pub(crate) fn take(&mut self, mischief: Mischief) -> bool {
        let found = self.faults.iter().position(|fault| *fault == mischief);
        found.map(|index| self.faults.remove(index)).is_some()
    }

    pub(crate) fn takes_abort(&mut self) -> bool {
        let left = self.faults.iter_mut().find_map(|fault| match fault {
            Mischief::AbortConnections { times } if *times > 0 => Some(times),
            _ => None,
        });
        left.map(|times| *times -= 1).is_some()
    }

    pub(crate) fn chatter(&self) -> Option<Duration> {
        self.faults.iter().find_map(|fault| match fault {
            Mischief::Chatter { every } => Some(*every),
            _ => None,
        })
    }
}
