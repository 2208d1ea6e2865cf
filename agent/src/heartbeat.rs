//! What the agent says about itself every minute. Its absence is what alerts, so it is never buffered (P5).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hempuls_protocol::event::Trouble;
use hempuls_protocol::ids::{DeviceId, Lane};
use hempuls_protocol::wire::heartbeat::{DeviceState, Heartbeat, LaneState, UplinkState};

use crate::buffer::{Buffer, Held, Place, Tally};
use crate::config::Device;
use crate::settings::Desk;
use crate::{clock, panics};

/// How often the agent says that it is alive.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The time between two heartbeats.
    pub interval: Duration,
}

impl Default for Config {
    /// Every minute.
    fn default() -> Self {
        Self { interval: Duration::from_secs(60) }
    }
}

/// What radio and uplink know of the home, for the heartbeat. Clones speak of the same home.
#[derive(Clone, Default)]
pub struct Vitals(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    heard: Option<Instant>,
    devices: BTreeMap<DeviceId, Contact>,
    uplink: Option<UplinkState>,
    pairs: bool,
}

#[derive(Copy, Clone, Default)]
struct Contact {
    heard: Option<Instant>,
    battery: Option<u8>,
    trouble: Option<Trouble>,
}

impl Vitals {
    /// An advertisement was really heard, whoever sent it.
    pub fn radio_heard(&self) {
        self.known().heard = Some(clock::now());
    }

    /// A device of the home was heard.
    pub fn device_heard(&self, device: &DeviceId) {
        self.known().devices.entry(device.clone()).or_default().heard = Some(clock::now());
    }

    /// A device said how full its battery is, in percent.
    pub fn battery(&self, device: &DeviceId, percent: u8) {
        self.known().devices.entry(device.clone()).or_default().battery = Some(percent);
    }

    /// What is wrong with a device, as far as is known.
    #[must_use]
    pub fn trouble(&self, device: &DeviceId) -> Option<Trouble> {
        self.known().devices.get(device)?.trouble
    }

    /// Something is wrong with a device, or it works again.
    pub fn troubled(&self, device: &DeviceId, trouble: Option<Trouble>) {
        self.known().devices.entry(device.clone()).or_default().trouble = trouble;
    }

    /// Whether devices that want to pair are answered.
    #[must_use]
    pub fn pairs(&self) -> bool {
        self.known().pairs
    }

    /// Devices that want to pair are answered, or not any more.
    pub fn pairing(&self, pairs: bool) {
        self.known().pairs = pairs;
    }

    /// The gateway can be reached over this uplink, or not any more.
    pub fn connected(&self, uplink: Option<UplinkState>) {
        self.known().uplink = uplink;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Composes heartbeats.
#[derive(Clone)]
pub struct Reporter {
    /// What the radio knows.
    pub vitals: Vitals,
    /// What is on flash.
    pub buffer: Buffer,
    /// Which devices are this home's.
    pub desk: Desk,
    /// Where.
    pub state: PathBuf,
}

impl Reporter {
    /// The agent as it is at this moment.
    #[must_use]
    pub fn heartbeat(&self, certificate_expires: i64) -> Heartbeat {
        let clock = clock::taken();
        let lane = |held: &Held, lane: Lane| {
            let state = held.lane(lane);
            let oldest = Place { epoch: held.epoch, lane, first: state.receipted_through.next() };
            let waits = (oldest.first <= state.last).then(|| self.buffer.taken_at(oldest)).flatten();
            LaneState {
                lane,
                epoch: held.epoch,
                oldest_kept: state.oldest_kept,
                receipted_through: state.receipted_through,
                last: state.last,
                oldest_waiting_s: waits.and_then(|taken| taken.apart(&clock)).map(|age| age.as_secs()),
            }
        };
        let flash = self.buffer.state().flash;
        let lanes = flash.map_or_else(Vec::new, |held| Lane::ALL.map(|each| lane(&held, each)).into());
        let Tally { heard, refused } = self.buffer.tally().clone();
        let now = clock::now();
        let age = |heard: Option<Instant>| heard.map(|heard| now.saturating_duration_since(heard).as_secs());
        let known = self.vitals.known();
        let device = |device: &Device| {
            let contact = known.devices.get(&device.id()).copied().unwrap_or_default();
            DeviceState { battery: contact.battery, heard_s: age(contact.heard), ..DeviceState::unknown(device.id()) }
        };
        Heartbeat {
            heard_s: age(known.heard),
            heard,
            refused: refused.values().sum(),
            devices: self.desk.home().borrow().devices.iter().map(device).collect(),
            panics: panics::count(),
            disk_free: rustix::fs::statvfs(&self.state).ok().map(|fs| fs.f_bavail * fs.f_frsize),
            certificate_expires: Some(certificate_expires),
            config: Some(self.desk.state()),
            uplink: known.uplink,
            flash: Some(self.buffer.flash()),
            refusals: refused.into_iter().collect(),
            ..Heartbeat::bare(clock, lanes, env!("CARGO_PKG_VERSION"))
        }
    }
}
