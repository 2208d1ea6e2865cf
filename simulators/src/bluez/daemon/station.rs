//! One device, as it is and as BlueZ knows it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex},
    time::Instant,
};

use super::values::Access;
use crate::{
    air::{Peripheral, Uuid},
    bluez::{Client, Ticket, agents::Agent, gatt::Layout},
    lock,
    mischief::Temper,
};

/// A device near the radio.
pub(super) struct Station {
    pub(super) peripheral: Arc<Mutex<dyn Peripheral>>,
    pub(super) temper: Temper,
    pub(super) bond: Bond,
    pub(super) known: Option<Known>,
    pub(super) link: Link,
    pub(super) pairing: Option<Pairing>,
    pub(super) next_chatter: Option<Instant>,
}

/// What BlueZ shows of a device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) has_random_address: bool,
    pub(crate) name: Option<String>,
    pub(crate) services: Vec<Uuid>,
    pub(crate) rssi: Option<i16>,
    pub(crate) manufacturer_data: Option<(u16, Vec<u8>)>,
    pub(crate) service_data: Option<(Uuid, Vec<u8>)>,
    pub(crate) paired: bool,
    pub(crate) trusted: bool,
    pub(crate) connected: bool,
    pub(crate) services_resolved: bool,
    pub(crate) battery_percent: Option<u8>,
    pub(crate) layout: Layout,
    /// The last value of each attribute that BlueZ has seen.
    pub(crate) values: BTreeMap<u16, Vec<u8>>,
    /// When BlueZ forgets a device that nobody ever asked to connect to, if it is not heard before.
    pub(crate) forgotten_at: Option<Instant>,
}

/// Which side keeps the keys.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bond {
    pub(super) ours: bool,
    pub(super) theirs: bool,
    /// Whether they were made with a number that somebody typed.
    pub(super) by_number: bool,
}

#[derive(Debug)]
pub(super) enum Link {
    Down,
    Wanted(Wanted),
    Up(Up),
}

/// Someone wants a link; BlueZ tries until it has one or is told to stop.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) connect: Option<Ticket>,
    pub(super) pair: Option<(Ticket, Client)>,
    /// When the link is there; none while no advertisement has been heard.
    pub(super) opens_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Up {
    pub(super) encrypted: bool,
    pub(super) indications: u32,
    pub(super) steps: VecDeque<(Instant, Step)>,
    /// What the device refused for want of better keys: it has no answer before the link ends.
    pub(super) unanswered: Vec<Access>,
}

/// What BlueZ does by itself on a new link.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Encrypt,
    AnswerSecurityRequest,
    Resubscribe,
    Resolve,
}

#[derive(Debug, Default)]
pub(super) struct Pairing {
    pub(super) asked: Option<Ticket>,
    /// What was refused for want of encryption, to be done when the link is encrypted.
    pub(super) deferred: Vec<Access>,
    /// When the keys are there; none while the agent thinks.
    pub(super) done_at: Option<Instant>,
    /// Who is asked for the number that the device shows.
    pub(super) typist: Option<Agent>,
    /// When both sides have waited long enough for somebody to type.
    pub(super) given_up_at: Option<Instant>,
    /// What was typed is what the device shows.
    pub(super) by_number: bool,
}

impl Station {
    pub(super) fn new(peripheral: Arc<Mutex<dyn Peripheral>>) -> Self {
        Self {
            peripheral,
            temper: Temper::default(),
            bond: Bond::default(),
            known: None,
            link: Link::Down,
            pairing: None,
            next_chatter: None,
        }
    }

    pub(super) fn forgotten_at(&self) -> Option<Instant> {
        self.known.as_ref().and_then(|known| known.forgotten_at)
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        let pairing = self.pairing.as_ref().and_then(|pairing| pairing.done_at.or(pairing.given_up_at));
        let device = lock(&self.peripheral).next_wake();
        [pairing, self.link.next_wake(), self.next_chatter, self.forgotten_at(), device].into_iter().flatten().min()
    }
}

impl Link {
    pub(super) fn next_wake(&self) -> Option<Instant> {
        match self {
            Self::Down => None,
            Self::Wanted(wanted) => wanted.opens_at,
            Self::Up(up) => up.steps.front().map(|(at, _)| *at),
        }
    }
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Station").field("link", &self.link).field("known", &self.known).finish_non_exhaustive()
    }
}
