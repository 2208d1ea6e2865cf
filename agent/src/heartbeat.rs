//! What the agent says about itself every minute. Its absence is what alerts, so it is never buffered (P5).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hempuls_protocol::event::Trouble;
use hempuls_protocol::ids::{DeviceId, Lane};
use hempuls_protocol::wire::heartbeat::{
    DeviceState, Heartbeat, LaneState, MOST_NEARBY, Nearby, RadioState, UplinkState,
};

use crate::buffer::{Buffer, Held, Place, Tally};
use crate::config::Device;
use crate::radio::liveness::{self, Liveness};
use crate::radio::nearby::{self, Advert};
use crate::sessions::Address;
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

/// What radio and uplink know of the home and of what is near it. Clones speak of the same home.
#[derive(Clone)]
pub struct Vitals(Arc<Mutex<Known>>);

struct Known {
    devices: BTreeMap<DeviceId, Contact>,
    nearby: nearby::Nearby,
    liveness: Liveness,
    uplink: Option<UplinkState>,
    is_enrolled: bool,
    pairs: bool,
}

/// What has happened with a device since some moment.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Since {
    /// It was heard.
    pub heard: bool,
    /// A connection stood.
    pub connected: bool,
    /// It was paired with.
    pub paired: bool,
}

#[derive(Clone, Default)]
struct Contact {
    heard: Option<Instant>,
    connected: Option<Instant>,
    paired: Option<Instant>,
    battery: Option<u8>,
    trouble: Option<Trouble>,
    model: Option<String>,
    clock_ahead_s: Option<i64>,
    is_missing: bool,
}

impl Default for Vitals {
    /// Nothing was heard yet.
    fn default() -> Self {
        let now = clock::now();
        let (nearby, liveness) = (nearby::Nearby::new(now), Liveness::new(now));
        Self(Arc::new(Mutex::new(Known {
            devices: BTreeMap::new(),
            nearby,
            liveness,
            uplink: None,
            is_enrolled: false,
            pairs: false,
        })))
    }
}

impl Vitals {
    /// Something happened to the radio. What to do, so that it goes on hearing.
    pub fn radio(&self, input: liveness::Input) -> Vec<liveness::Effect> {
        self.known().liveness.handle(input, clock::now())
    }

    /// When to call [`Vitals::radio`] with [`liveness::Input::Tick`] if nothing happens before.
    #[must_use]
    pub fn radio_wakes(&self) -> Option<Instant> {
        self.known().liveness.next_wake()
    }

    /// The radio begins to listen.
    pub fn listening(&self) {
        self.known().nearby.begin(clock::now());
    }

    /// Which devices are this home's.
    pub fn adopt(&self, devices: BTreeSet<Address>) {
        let mut known = self.known();
        known.devices.retain(|device, _| matches!(device, DeviceId::Address(address) if devices.contains(address)));
        known.nearby.adopt(devices);
    }

    /// An advertisement was really heard, whoever sent it.
    pub fn radio_heard(&self, address: Address, advert: &Advert) {
        let (now, mut known) = (clock::now(), self.known());
        known.liveness.handle(liveness::Input::Heard, now);
        known.nearby.hear(address, advert, now);
    }

    /// BlueZ knows this of a device, which may be elsewhere.
    pub fn radio_knows(&self, address: Address, advert: &Advert) {
        self.known().nearby.know(address, advert, clock::now());
    }

    /// Everything that is nearby, the likeliest to be looked for first: what looks like a device for health or help, and
    /// of that what was just used.
    #[must_use]
    pub fn nearby(&self) -> Vec<Nearby> {
        self.known().nearby.list(clock::now())
    }

    /// A device of the home was heard.
    pub fn device_heard(&self, device: &DeviceId) {
        self.contact(device, |contact| contact.heard = Some(clock::now()));
    }

    /// A connection to a device stands.
    pub fn device_connected(&self, device: &DeviceId) {
        self.contact(device, |contact| contact.connected = Some(clock::now()));
    }

    /// A device was paired with.
    pub fn device_paired(&self, device: &DeviceId) {
        self.contact(device, |contact| contact.paired = Some(clock::now()));
    }

    /// What has happened with a device since some moment.
    #[must_use]
    pub fn since(&self, device: &DeviceId, moment: Instant) -> Since {
        let contact = self.known().devices.get(device).cloned().unwrap_or_default();
        let has = |at: Option<Instant>| at.is_some_and(|at| at >= moment);
        Since { heard: has(contact.heard), connected: has(contact.connected), paired: has(contact.paired) }
    }

    /// A device said how full its battery is, in percent.
    pub fn battery(&self, device: &DeviceId, percent: u8) {
        self.contact(device, |contact| contact.battery = Some(percent));
    }

    /// A device said what it is.
    pub fn model(&self, device: &DeviceId, model: String) {
        self.contact(device, |contact| contact.model = Some(model));
    }

    /// A device's clock is so many seconds ahead.
    pub fn clock_ahead(&self, device: &DeviceId, seconds: i64) {
        self.contact(device, |contact| contact.clock_ahead_s = Some(seconds));
    }

    /// Whether the sign of life that a device should send has not come.
    pub fn missing(&self, device: &DeviceId, is_missing: bool) {
        self.contact(device, |contact| contact.is_missing = is_missing);
    }

    fn contact(&self, device: &DeviceId, change: impl FnOnce(&mut Contact)) {
        change(self.known().devices.entry(device.clone()).or_default());
    }

    /// What is wrong with a device, as far as is known.
    #[must_use]
    pub fn trouble(&self, device: &DeviceId) -> Option<Trouble> {
        self.known().devices.get(device)?.trouble
    }

    /// Something is wrong with a device, or it works again.
    pub fn troubled(&self, device: &DeviceId, trouble: Option<Trouble>) {
        self.contact(device, |contact| contact.trouble = trouble);
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

    /// The agent has an identity.
    pub fn enrolled(&self) {
        self.known().is_enrolled = true;
    }

    /// Whether it has one: what is pressed before is pressed while the box is being installed.
    #[must_use]
    pub fn is_enrolled(&self) -> bool {
        self.known().is_enrolled
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
            let Contact { heard, battery, model, clock_ahead_s, is_missing, .. } =
                known.devices.get(&device.id()).cloned().unwrap_or_default();
            DeviceState { device: device.id(), battery, heard_s: age(heard), model, clock_ahead_s, is_missing }
        };
        let radio = RadioState {
            hearing: known.liveness.hearing(now),
            cures: known.liveness.cures(),
            strangers: known.nearby.strangers(now),
        };
        Heartbeat {
            heard_s: age(known.liveness.heard()),
            heard,
            refused: refused.values().sum(),
            devices: self.desk.home().borrow().devices.iter().map(device).collect(),
            panics: panics::count(),
            disk_free: rustix::fs::statvfs(&self.state).ok().map(|fs| fs.f_bavail * fs.f_frsize),
            certificate_expires: Some(certificate_expires),
            radio: Some(radio),
            nearby: known.nearby.list(now).into_iter().filter(|each| each.kind.is_some()).take(MOST_NEARBY).collect(),
            config: Some(self.desk.state()),
            uplink: known.uplink,
            flash: Some(self.buffer.flash()),
            refusals: refused.into_iter().collect(),
            ..Heartbeat::bare(clock, lanes, env!("CARGO_PKG_VERSION"))
        }
    }
}
