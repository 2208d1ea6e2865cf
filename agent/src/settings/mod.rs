//! Which devices this agent serves, from the three who may say so.
//!
//! - `agent.toml` names devices that are always there.
//! - The gateway's configuration ([`wire::Home`]) names the devices of the home. It is used whole or refused whole, with
//!   a reason; the last one that could be used stays on flash.
//! - An installer adopts a device on the spot. That stays on flash too.
//!
//! Where two of them name one device, the first of that order is believed, and what it leaves open the next fills in.
//! They must agree on what the device is. A gateway that contradicts `agent.toml` is refused; one that contradicts the
//! installer is believed, as it speaks for those who are responsible; an installer who contradicts either is told so.
//!
//! Not a word of this is spoken to a disk in here: [`Desk`] does that.

mod check;
mod desk;

use std::collections::BTreeMap;
use std::time::Duration;

use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::ids::DeviceId;
use hempuls_protocol::wire::heartbeat::{ConfigState, RefusedConfig};
use hempuls_protocol::wire::home_config as wire;
use jiff::tz::TimeZone;
use minicbor::{Decode, Encode};

pub use self::desk::Desk;
use crate::config::Device;
use crate::proof::Wish;

/// What the radio is told of the home.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Home {
    /// The devices that are listened to and paired with, and no others.
    pub devices: Vec<Device>,
    /// The time zone that devices' clocks are set to; the system's, where the gateway has not said.
    pub time_zone: Option<TimeZone>,
    /// Nothing more is to be heard.
    pub retired: bool,
}

/// What three lists say together.
#[derive(Clone, Debug)]
pub struct Settings {
    own: Vec<Device>,
    kept: Kept,
    refused: Option<RefusedConfig>,
}

/// What must survive a restart.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
struct Kept {
    /// The last configuration of the gateway's that could be used.
    #[n(0)]
    home: Option<wire::Home>,
    /// What an installer adopted.
    #[n(1)]
    here: Vec<wire::Device>,
}

/// What became of a configuration that the gateway sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// It is used from now on.
    Adopted,
    /// It was known already, or was refused already.
    Nothing,
    /// It cannot be used, and why.
    Refused(String),
}

/// Why an installer's wish is not granted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// The device cannot be what it is said to be.
    #[error("{0}")]
    Impossible(String),
    /// Somebody else said otherwise.
    #[error("{device} is a {kind} by {by}; correct that, or adopt it as one")]
    Contradicts {
        /// Which device.
        device: DeviceId,
        /// What it is.
        kind: &'static str,
        /// Who says so.
        by: &'static str,
    },
    /// The key is not the one that is known.
    #[error("{device} has another key by {by}; correct that, or adopt it without a key")]
    OtherKey {
        /// Which device.
        device: DeviceId,
        /// Who says so.
        by: &'static str,
    },
    /// The device is adopted by somebody else's word.
    #[error("{device} is adopted by {by}; take it out there")]
    NotHere {
        /// Which device.
        device: DeviceId,
        /// Where it is named.
        by: &'static str,
    },
    /// There is no such device.
    #[error("{0} is not adopted; `hempuls-agent devices` shows what is")]
    Unknown(DeviceId),
    /// There are as many as there may be.
    #[error("this agent serves {most} devices already; forget one first", most = check::MOST)]
    TooMany,
    /// The agent is to hear nothing more.
    #[error("this agent is retired: it hears nothing more. The care team can take that back at the gateway")]
    Retired,
}

/// A device, and who says so.
#[derive(Clone, PartialEq, Debug)]
pub struct Named {
    /// In words.
    pub by: &'static str,
    /// The device.
    pub device: Device,
}

const AGENT_TOML: &str = "agent.toml";
const GATEWAY: &str = "the gateway's configuration";
const HERE: &str = "an installer";

impl Settings {
    fn new(own: Vec<Device>, kept: Kept) -> Self {
        Self { own, kept, refused: None }
    }

    /// What the radio is to know.
    #[must_use]
    pub fn home(&self) -> Home {
        if self.is_retired() {
            return Home { retired: true, ..Home::default() };
        }
        let devices = self.named().into_iter().map(|named| named.device).collect();
        let zone = self.kept.home.as_ref().and_then(|home| home.time_zone.as_deref());
        let time_zone = zone.and_then(|name| TimeZone::get(name).ok());
        Home { devices, time_zone, retired: false }
    }

    /// The devices, and who named each of them first.
    #[must_use]
    pub fn named(&self) -> Vec<Named> {
        let own = self.own.iter().cloned().map(|device| Named { by: AGENT_TOML, device });
        let theirs = self.kept.home.iter().flat_map(|home| &home.devices).filter_map(read);
        let here = self.kept.here.iter().filter_map(read).map(|device| Named { by: HERE, device });
        let mut all: BTreeMap<[u8; 6], Named> = BTreeMap::new();
        for named in own.chain(theirs.map(|device| Named { by: GATEWAY, device })).chain(here) {
            match all.get_mut(&named.device.address) {
                None => drop(all.insert(named.device.address, named)),
                // The installer was mistaken in what it is, and with that in everything.
                Some(known) if known.device.kind != named.device.kind => {}
                Some(known) => known.device.fill_in(named.device),
            }
        }
        all.into_values().collect()
    }

    /// For the heartbeat: which configuration of the gateway's is used.
    #[must_use]
    pub fn state(&self) -> ConfigState {
        let revision = self.kept.home.as_ref().map_or(0, |home| home.revision);
        ConfigState { revision, refused: self.refused.clone() }
    }

    /// The gateway sent a configuration.
    pub fn told(&mut self, home: wire::Home) -> Told {
        if self.kept.home.as_ref() == Some(&home) {
            self.refused = None;
            return Told::Nothing;
        }
        match check::check(&home, &self.own) {
            Ok(()) => {
                self.kept.home = Some(home);
                self.refused = None;
                Told::Adopted
            }
            Err(why) => self.refuse(home.revision, why),
        }
    }

    /// The gateway sent a configuration of this revision that cannot be used.
    pub fn refuse(&mut self, revision: u64, why: String) -> Told {
        let refused = RefusedConfig { revision, why: why.clone() };
        if self.refused.as_ref() == Some(&refused) {
            return Told::Nothing;
        }
        self.refused = Some(refused);
        Told::Refused(why)
    }

    /// An installer adopts a device; again, if it was adopted before.
    ///
    /// # Errors
    /// [`Denied`]; nothing is changed then.
    pub fn adopt(&mut self, device: wire::Device) -> Result<(), Denied> {
        if self.is_retired() {
            return Err(Denied::Retired);
        }
        let wish = check::device(&device).map_err(Denied::Impossible)?;
        for (by, known) in self.said_elsewhere(wish.address) {
            if known.kind != wish.kind {
                return Err(Denied::Contradicts { device: wish.id(), kind: known.kind.as_str(), by });
            }
            if known.key.is_some() && wish.key.is_some() && known.key != wish.key {
                return Err(Denied::OtherKey { device: wish.id(), by });
            }
        }
        self.kept.here.retain(|each| each.device != device.device);
        if self.own.len() + self.kept.here.len() >= check::MOST {
            return Err(Denied::TooMany);
        }
        self.kept.here.push(device);
        Ok(())
    }

    /// An installer takes back an adoption.
    ///
    /// # Errors
    /// [`Denied`]; nothing is changed then.
    pub fn forget(&mut self, device: &DeviceId) -> Result<(), Denied> {
        if let DeviceId::Address(address) = device
            && let Some((by, _)) = self.said_elsewhere(*address).next()
        {
            return Err(Denied::NotHere { device: device.clone(), by });
        }
        let before = self.kept.here.len();
        self.kept.here.retain(|each| each.device != *device);
        if self.kept.here.len() < before { Ok(()) } else { Err(Denied::Unknown(device.clone())) }
    }

    /// How often the gateway asks for a silent test.
    #[must_use]
    pub fn prove(&self) -> Wish {
        let home = self.kept.home.as_ref();
        let every_s = home.filter(|home| !home.retired).and_then(|home| home.prove_every_s);
        let every = every_s.map(|seconds| Duration::from_secs(seconds.into()));
        Wish { every, revision: home.map_or(0, |home| home.revision) }
    }

    fn is_retired(&self) -> bool {
        self.kept.home.as_ref().is_some_and(|home| home.retired)
    }

    /// What others than the installer say of a device.
    fn said_elsewhere(&self, address: [u8; 6]) -> impl Iterator<Item = (&'static str, Device)> {
        let own = self.own.iter().cloned().map(|device| (AGENT_TOML, device));
        let theirs = self.kept.home.iter().flat_map(|home| &home.devices).filter_map(read);
        own.chain(theirs.map(|device| (GATEWAY, device))).filter(move |(_, device)| device.address == address)
    }
}

impl Device {
    /// Takes over what is left open.
    fn fill_in(&mut self, by: Self) {
        self.dialect = self.dialect.or(by.dialect);
        self.key = self.key.take().or(by.key);
        self.beacon = self.beacon.or(by.beacon);
        self.counted = self.counted.or(by.counted);
    }

    /// Whether the radio must do anything differently for this device than for that one. How far a button has counted
    /// with the same battery it knows best itself.
    fn is_served_like(&self, other: &Self) -> bool {
        let battery = |device: &Self| device.counted.map(|counted| counted.battery);
        let counted = if battery(self) == battery(other) { other.counted } else { self.counted };
        Self { counted, ..self.clone() } == *other
    }
}

impl Home {
    /// Whether the radio must do anything differently for this home than for that one.
    fn is_served_like(&self, other: &Self) -> bool {
        self.retired == other.retired
            && self.time_zone == other.time_zone
            && self.devices.len() == other.devices.len()
            && self.devices.iter().zip(&other.devices).all(|(one, another)| one.is_served_like(another))
    }
}

/// A device that was checked when it was taken down.
fn read(device: &wire::Device) -> Option<Device> {
    check::device(device).ok()
}

/// What an installer says of a device.
#[must_use]
pub fn wish(address: [u8; 6], kind: DeviceKind, key: Option<[u8; 16]>, beacon_s: Option<u32>) -> wire::Device {
    wire::Device {
        device: DeviceId::Address(address),
        kind,
        dialect: None,
        key: key.map(|key| key.to_vec().into()),
        beacon_s,
        counted: None,
    }
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::devices::Dialect;
    use hempuls_protocol::devices::alarm_button::BindKey;
    use hempuls_protocol::wire::home_config::Counted;

    use super::*;

    const CUFF: [u8; 6] = [0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5];
    const BUTTON: [u8; 6] = [0x38, 0x39, 0x8F, 0x70, 0xB2, 0x4E];
    const KEY: [u8; 16] = [7; 16];

    fn own(address: [u8; 6], kind: DeviceKind) -> Device {
        Device { address, kind, dialect: None, key: None, beacon: None, counted: None }
    }

    fn theirs(address: [u8; 6], kind: DeviceKind) -> wire::Device {
        wish(address, kind, None, None)
    }

    fn home(revision: u64, devices: Vec<wire::Device>) -> wire::Home {
        wire::Home {
            revision,
            devices,
            time_zone: Some("Europe/Stockholm".into()),
            retired: false,
            prove_every_s: None,
        }
    }

    fn fresh(own: Vec<Device>) -> Settings {
        Settings::new(own, Kept::default())
    }

    fn addresses(settings: &Settings) -> Vec<[u8; 6]> {
        settings.home().devices.iter().map(|device| device.address).collect()
    }

    #[test]
    fn a_home_is_what_all_three_name() {
        let mut settings = fresh(vec![own([1; 6], DeviceKind::Thermometer)]);
        assert_eq!(settings.told(home(3, vec![theirs([2; 6], DeviceKind::BloodPressure)])), Told::Adopted);
        settings.adopt(theirs([3; 6], DeviceKind::WeightScale)).unwrap();
        assert_eq!(addresses(&settings), [[1; 6], [2; 6], [3; 6]]);
        assert_eq!(settings.home().time_zone, Some(TimeZone::get("Europe/Stockholm").unwrap()));
        assert_eq!(settings.state(), ConfigState { revision: 3, refused: None });
    }

    #[test]
    fn the_file_is_believed_first_then_the_gateway_then_the_installer_and_each_fills_in_what_is_open() {
        let mut settings =
            fresh(vec![Device { beacon: Some(Duration::from_secs(60)), ..own(BUTTON, DeviceKind::AlarmButton) }]);
        settings.adopt(wish(BUTTON, DeviceKind::AlarmButton, Some(KEY), Some(900))).unwrap();
        let counted = Some(Counted { battery: 1, highest: 44 });
        let told = wire::Device { beacon_s: Some(30), counted, ..theirs(BUTTON, DeviceKind::AlarmButton) };
        settings.told(home(1, vec![told]));
        let [button] = settings.home().devices.try_into().unwrap();
        assert_eq!(button.beacon, Some(Duration::from_secs(60)), "as the file says");
        assert_eq!((button.key, button.counted), (Some(BindKey::new(KEY)), counted));
    }

    #[test]
    fn a_gateway_that_contradicts_the_file_is_refused_and_the_last_good_one_stays() {
        let mut settings = fresh(vec![own(CUFF, DeviceKind::BloodPressure)]);
        settings.told(home(1, vec![theirs([2; 6], DeviceKind::Thermometer)]));
        let Told::Refused(why) = settings.told(home(2, vec![theirs(CUFF, DeviceKind::PulseOximeter)])) else {
            panic!()
        };
        assert!(why.contains("agent.toml") && why.contains("F0:F1:F2:F3:F4:F5"), "{why}");
        assert_eq!(addresses(&settings), [[2; 6], CUFF]);
        let refused = Some(RefusedConfig { revision: 2, why });
        assert_eq!(settings.state(), ConfigState { revision: 1, refused });
        // The gateway repeats itself until the agent says that it has it.
        assert_eq!(settings.told(home(2, vec![theirs(CUFF, DeviceKind::PulseOximeter)])), Told::Nothing);
        assert_eq!(settings.told(home(3, Vec::new())), Told::Adopted);
        assert_eq!(settings.state(), ConfigState { revision: 3, refused: None });
    }

    #[test]
    fn going_back_to_the_configuration_in_use_ends_a_refusal() {
        let mut settings = fresh(vec![own(CUFF, DeviceKind::BloodPressure)]);
        settings.told(home(1, Vec::new()));
        settings.told(home(2, vec![theirs(CUFF, DeviceKind::PulseOximeter)]));
        assert_eq!(settings.told(home(1, Vec::new())), Told::Nothing);
        assert_eq!(settings.state(), ConfigState { revision: 1, refused: None });
    }

    #[test]
    fn a_gateway_that_contradicts_the_installer_is_believed() {
        let mut settings = fresh(Vec::new());
        settings.adopt(wish(CUFF, DeviceKind::AlarmButton, Some(KEY), None)).unwrap();
        assert_eq!(settings.told(home(1, vec![theirs(CUFF, DeviceKind::BloodPressure)])), Told::Adopted);
        assert_eq!(settings.home().devices, [own(CUFF, DeviceKind::BloodPressure)]);
    }

    #[test]
    fn an_installer_who_contradicts_others_is_told_so() {
        let mut settings = fresh(vec![Device { key: Some(BindKey::new(KEY)), ..own(BUTTON, DeviceKind::AlarmButton) }]);
        settings.told(home(1, vec![theirs(CUFF, DeviceKind::BloodPressure)]));
        let contradicts = settings.adopt(theirs(CUFF, DeviceKind::PulseOximeter)).unwrap_err();
        assert!(contradicts.to_string().contains("gateway"), "{contradicts}");
        let other_key = settings.adopt(wish(BUTTON, DeviceKind::AlarmButton, Some([8; 16]), None)).unwrap_err();
        assert!(other_key.to_string().contains("agent.toml"), "{other_key}");
        // Saying the same again is no contradiction.
        settings.adopt(theirs(CUFF, DeviceKind::BloodPressure)).unwrap();
        settings.adopt(wish(BUTTON, DeviceKind::AlarmButton, Some(KEY), None)).unwrap();
    }

    #[test]
    fn only_what_was_adopted_here_is_forgotten_here() {
        let mut settings = fresh(vec![own(BUTTON, DeviceKind::AlarmButton)]);
        settings.told(home(1, vec![theirs(CUFF, DeviceKind::BloodPressure)]));
        settings.adopt(theirs([3; 6], DeviceKind::WeightScale)).unwrap();
        settings.forget(&DeviceId::Address([3; 6])).unwrap();
        for (address, named) in [(BUTTON, "agent.toml"), (CUFF, "gateway"), ([3; 6], "not adopted")] {
            let denied = settings.forget(&DeviceId::Address(address)).unwrap_err().to_string();
            assert!(denied.contains(named), "{denied}");
        }
        assert_eq!(addresses(&settings), [BUTTON, CUFF]);
    }

    #[test]
    fn a_device_adopted_again_is_there_once_with_what_was_said_last() {
        let mut settings = fresh(Vec::new());
        settings.adopt(wish(BUTTON, DeviceKind::AlarmButton, Some([8; 16]), None)).unwrap();
        settings.adopt(wish(BUTTON, DeviceKind::AlarmButton, Some(KEY), None)).unwrap();
        let [button] = settings.home().devices.try_into().unwrap();
        assert_eq!(button.key, Some(BindKey::new(KEY)));
    }

    #[test]
    fn a_retired_agent_serves_nobody_until_that_is_taken_back() {
        let mut settings = fresh(vec![own(CUFF, DeviceKind::BloodPressure)]);
        settings.told(wire::Home { retired: true, ..home(1, Vec::new()) });
        assert_eq!(settings.home(), Home { retired: true, ..Home::default() });
        assert_eq!(settings.adopt(theirs([3; 6], DeviceKind::WeightScale)), Err(Denied::Retired));
        settings.told(home(2, Vec::new()));
        assert_eq!(addresses(&settings), [CUFF]);
    }

    #[test]
    fn a_press_that_the_gateway_counted_is_no_reason_to_begin_listening_anew() {
        let counted = |battery, highest| {
            let counted = Some(Counted { battery, highest });
            Home { devices: vec![Device { counted, ..own(BUTTON, DeviceKind::AlarmButton) }], ..Home::default() }
        };
        assert!(counted(1, 45).is_served_like(&counted(1, 44)));
        assert!(!counted(2, 1).is_served_like(&counted(1, 44)), "a new battery");
    }

    #[test]
    fn a_dialect_that_the_gateway_names_reaches_the_radio() {
        let mut settings = fresh(vec![own(CUFF, DeviceKind::BloodPressure)]);
        let told = wire::Device { dialect: Some(Dialect::Beurer), ..theirs(CUFF, DeviceKind::BloodPressure) };
        settings.told(home(1, vec![told]));
        assert_eq!(settings.home().devices[0].dialect, Some(Dialect::Beurer));
    }
}
