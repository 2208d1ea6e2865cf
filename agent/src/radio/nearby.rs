//! What is heard nearby, so that an installer finds the cuff in her hand among eighty devices in the air.
//!
//! What a device is, is told by the services it advertises, and by nothing else. What somebody has just used is told by
//! when it began to advertise: a cuff is silent until it has measured. The list is bounded, as phones change their
//! addresses every quarter of an hour; what looks like a device for health or help is forgotten last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hempuls_protocol::devices::{Characteristic, DeviceKind, Dialect, berrymed, nonin, yonker};
use hempuls_protocol::ids::DeviceId;
use hempuls_protocol::wire::heartbeat;

use crate::sessions::Address;

/// One advertisement: what it said besides that the device is there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Advert {
    /// The device's name.
    pub name: Option<String>,
    /// The services it lists, and those it gives data of.
    pub services: Vec<Characteristic>,
    /// How strongly it was heard, in dBm.
    pub signal_dbm: Option<i8>,
    /// What a button says: its data for the BTHome service.
    pub button: Option<Vec<u8>>,
}

/// Everything that was heard lately.
#[derive(Debug)]
pub struct Nearby {
    devices: BTreeMap<Address, Seen>,
    adopted: BTreeSet<Address>,
    listening_since: Instant,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    name: Option<String>,
    kind: Option<DeviceKind>,
    signal_dbm: Option<i8>,
    /// When its advertising began; none when it was in the air before anybody listened.
    began: Option<Instant>,
    /// None when BlueZ knows of it, but it was not heard.
    heard: Option<Instant>,
}

/// At most so many devices are remembered: twice what one hears in a block of flats.
const MOST: usize = 192;
/// What was not heard for so long is forgotten.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// What was heard within this time is nearby.
const PRESENT: Duration = Duration::from_secs(10 * 60);
/// A device that was silent for so long begins anew. Slow beacons come every ten seconds.
const PAUSE: Duration = Duration::from_secs(25);
/// A moment ago: long enough for an installer to put the cuff down and look.
const JUST: Duration = Duration::from_secs(90);
/// Names are at most 29 bytes in an advertisement; BlueZ may know a longer one.
const LONGEST_NAME: usize = 64;

impl Nearby {
    /// Nothing was heard yet, and listening begins.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { devices: BTreeMap::new(), adopted: BTreeSet::new(), listening_since: now }
    }

    /// Listening begins anew, after a time in which nothing could be heard.
    pub fn begin(&mut self, now: Instant) {
        self.listening_since = now;
    }

    /// Which devices are this home's.
    pub fn adopt(&mut self, devices: BTreeSet<Address>) {
        self.adopted = devices;
    }

    /// An advertisement was heard.
    pub fn hear(&mut self, address: Address, advert: &Advert, now: Instant) {
        let may_know = now.saturating_duration_since(self.listening_since) > PAUSE;
        let seen = self.learn(address, advert, now);
        if seen.heard.is_none_or(|heard| now.saturating_duration_since(heard) > PAUSE) {
            seen.began = may_know.then_some(now);
        }
        seen.heard = Some(now);
    }

    /// BlueZ knows this of a device, which may be elsewhere.
    pub fn know(&mut self, address: Address, advert: &Advert, now: Instant) {
        self.learn(address, advert, now);
    }

    fn learn(&mut self, address: Address, advert: &Advert, now: Instant) -> &mut Seen {
        if !self.devices.contains_key(&address) {
            self.make_room(now);
        }
        let seen = self.devices.entry(address).or_default();
        seen.kind = seen.kind.or_else(|| kind_of(&advert.services, advert.name.as_deref()));
        seen.signal_dbm = advert.signal_dbm.or(seen.signal_dbm);
        if let Some(name) = &advert.name {
            seen.name = Some(name.chars().take(LONGEST_NAME).collect());
        }
        seen
    }

    /// What is nearby: first what looks like a device for health or help, of those what was just used, and of those the
    /// strongest.
    #[must_use]
    pub fn list(&self, now: Instant) -> Vec<heartbeat::Nearby> {
        let age = |moment: Instant| now.saturating_duration_since(moment);
        let heard = self.devices.iter().filter_map(|(address, seen)| Some((address, seen, age(seen.heard?))));
        let mut list: Vec<_> = heard
            .filter(|(_, _, ago)| *ago <= PRESENT)
            .map(|(address, seen, ago)| heartbeat::Nearby {
                device: DeviceId::Address(*address),
                name: seen.name.clone(),
                signal_dbm: seen.signal_dbm,
                kind: seen.kind,
                heard_s: ago.as_secs(),
                just_used: seen.began.is_some_and(|began| age(began) <= JUST),
                adopted: self.adopted.contains(address),
            })
            .collect();
        list.sort_by_key(|each| {
            (each.kind.is_none(), !each.just_used, std::cmp::Reverse(each.signal_dbm), each.heard_s)
        });
        list
    }

    /// How many devices of strangers look like ones for health or help and were heard within the last hour.
    #[must_use]
    pub fn strangers(&self, now: Instant) -> u32 {
        let is_stranger = |(address, seen): &(&Address, &Seen)| {
            seen.kind.is_some()
                && !self.adopted.contains(*address)
                && seen.heard.is_some_and(|heard| now.saturating_duration_since(heard) <= REMEMBERED)
        };
        u32::try_from(self.devices.iter().filter(is_stranger).count()).unwrap_or(u32::MAX)
    }

    /// Forgets what is old; where that is not enough, what says nothing of itself, and of that what was heard least
    /// lately.
    fn make_room(&mut self, now: Instant) {
        let is_old = |heard: Instant| now.saturating_duration_since(heard) > REMEMBERED;
        self.devices.retain(|_, seen| !seen.heard.is_some_and(is_old));
        while self.devices.len() >= MOST {
            let least = |(address, seen): &(&Address, &Seen)| {
                (self.adopted.contains(*address), seen.kind.is_some(), seen.heard)
            };
            let Some(address) = self.devices.iter().min_by_key(least).map(|(address, _)| *address) else { return };
            self.devices.remove(&address);
        }
    }
}

/// What a device that advertises these services under this name is; none where they say nothing of that.
#[must_use]
pub fn kind_of(services: &[Characteristic], name: Option<&str>) -> Option<DeviceKind> {
    let of_service = |service: &Characteristic| -> Option<DeviceKind> {
        SERVICES.iter().find(|(known, _)| known == service).map(|(_, kind)| *kind)
    };
    let is_called = |kind: &DeviceKind| name.is_some_and(|name| Dialect::of_model(*kind, name).is_some());
    services.iter().find_map(of_service).or_else(|| DeviceKind::ALL.into_iter().find(is_called))
}

/// The services that tell what a device is: the standard ones, and those of vendors that nobody else uses. Microlife's is
/// a number that many gadgets share: such a cuff is known by its name.
///
/// Sources: Bluetooth SIG, Assigned Numbers; for vendors what their devices were seen to advertise.
const SERVICES: [(Characteristic, DeviceKind); 11] = [
    (Characteristic::assigned(0x1810), DeviceKind::BloodPressure),
    (Characteristic::assigned(0x1822), DeviceKind::PulseOximeter),
    (Characteristic::assigned(0x1809), DeviceKind::Thermometer),
    (Characteristic::assigned(0x181D), DeviceKind::WeightScale),
    (Characteristic::assigned(0x180D), DeviceKind::HeartRate),
    (Characteristic::BTHOME, DeviceKind::AlarmButton),
    // Omron, the older family and the newer one.
    (Characteristic::vendor(0xECBE_3980_C9A2_11E1_B1BD_0002_A5D5_C51B), DeviceKind::BloodPressure),
    (Characteristic::assigned(0xFE4A), DeviceKind::BloodPressure),
    (yonker::SERVICE, DeviceKind::BloodPressure),
    (nonin::SERVICE, DeviceKind::PulseOximeter),
    (berrymed::SERVICE, DeviceKind::PulseOximeter),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const CUFF: Address = [0xF0, 0, 0, 0, 0, 1];
    const BLOOD_PRESSURE: Characteristic = Characteristic::assigned(0x1810);

    #[test]
    fn the_cuff_that_was_just_used_is_the_first_of_eighty() {
        let mut flat = Flat::with_foreigners(80);
        flat.at(100).hears(CUFF, &cuff(-75));
        let list = flat.list();
        assert_eq!(list.len(), 81);
        let first = &list[0];
        assert_eq!(first.device, DeviceId::Address(CUFF));
        assert_eq!((first.kind, first.just_used), (Some(DeviceKind::BloodPressure), true));
        assert_eq!((first.name.as_deref(), first.signal_dbm, first.heard_s), (Some("BPM 59"), Some(-75), 0));
    }

    #[test]
    fn of_two_cuffs_the_one_in_her_hand_comes_before_the_neighbours_which_is_stronger() {
        let mut flat = Flat::new();
        let neighbours = [0xF0, 0, 0, 0, 0, 2];
        for second in (0..=200).step_by(5) {
            flat.at(second).hears(neighbours, &cuff(-40));
        }
        flat.at(200).hears(CUFF, &cuff(-70));
        let order: Vec<_> = flat.list().into_iter().map(|each| (each.device, each.just_used)).collect();
        assert_eq!(order, [(DeviceId::Address(CUFF), true), (DeviceId::Address(neighbours), false)]);
    }

    #[test]
    fn what_is_in_the_air_when_listening_begins_was_not_just_used() {
        let mut flat = Flat::new();
        flat.at(3).hears(CUFF, &cuff(-60));
        assert!(!flat.list()[0].just_used);
        flat.at(300).hears(CUFF, &cuff(-60));
        assert!(flat.list()[0].just_used, "it was silent, and began again");
        flat.at(600).begins();
        flat.at(601).hears(CUFF, &cuff(-60));
        assert!(!flat.list()[0].just_used, "nobody listened to when it began");
    }

    #[test]
    fn a_moment_ago_ends_and_so_does_being_nearby() {
        let mut flat = Flat::new();
        for second in 100..=220 {
            flat.at(second).hears(CUFF, &cuff(-60));
        }
        assert!(!flat.list()[0].just_used);
        flat.at(220 + 599);
        assert_eq!(flat.list()[0].heard_s, 599);
        flat.at(220 + 601);
        assert!(flat.list().is_empty());
    }

    #[test]
    fn what_a_first_advertisement_said_is_not_forgotten_when_the_next_says_less() {
        let mut flat = Flat::new();
        flat.at(100).hears(CUFF, &cuff(-60));
        flat.at(101).hears(CUFF, &Advert { signal_dbm: Some(-50), ..Advert::default() });
        let [cuff] = &flat.list()[..] else { panic!("one device") };
        assert_eq!(cuff.kind, Some(DeviceKind::BloodPressure));
        assert_eq!((cuff.name.as_deref(), cuff.signal_dbm), (Some("BPM 59"), Some(-50)));
    }

    #[test]
    fn what_bluez_only_knows_is_not_nearby_until_it_is_heard() {
        let mut flat = Flat::new();
        flat.nearby.know(CUFF, &Advert { signal_dbm: None, ..cuff(0) }, flat.now);
        assert!(flat.list().is_empty());
        flat.at(100).hears(CUFF, &Advert { signal_dbm: Some(-50), ..Advert::default() });
        assert_eq!(flat.list()[0].kind, Some(DeviceKind::BloodPressure));
    }

    #[test]
    fn addresses_that_come_and_go_fill_nothing_and_push_no_cuff_out() {
        let mut flat = Flat::new();
        flat.at(100).hears(CUFF, &cuff(-90));
        for number in 0..5_000_u32 {
            let [.., a, b] = number.to_be_bytes();
            flat.at(101 + u64::from(number) / 10).hears([0x41, 0, 0, 0, a, b], &phone());
        }
        assert_eq!(flat.nearby.devices.len(), MOST);
        assert_eq!(flat.list()[0].device, DeviceId::Address(CUFF));
    }

    #[test]
    fn strangers_cuffs_are_counted_for_an_hour_and_the_homes_are_not() {
        let mut flat = Flat::with_foreigners(10);
        let neighbours = [0xF0, 0, 0, 0, 0, 2];
        flat.at(100).hears(CUFF, &cuff(-60));
        flat.at(100).hears(neighbours, &cuff(-80));
        assert_eq!(flat.strangers(), 2);
        flat.nearby.adopt([CUFF].into());
        assert_eq!(flat.strangers(), 1);
        let adopted: Vec<_> = flat.list().into_iter().filter(|each| each.adopted).map(|each| each.device).collect();
        assert_eq!(adopted, [DeviceId::Address(CUFF)]);
        flat.at(100 + 3_600);
        assert_eq!(flat.strangers(), 1);
        flat.at(100 + 3_601);
        assert_eq!(flat.strangers(), 0);
    }

    #[test]
    fn a_device_is_what_its_service_says() {
        for (service, kind) in [
            (Characteristic::assigned(0x1822), Some(DeviceKind::PulseOximeter)),
            (Characteristic::BTHOME, Some(DeviceKind::AlarmButton)),
            // Device Information and Battery are everybody's.
            (Characteristic::assigned(0x180A), None),
            (Characteristic::assigned(0x180F), None),
        ] {
            assert_eq!(kind_of(&[service], None), kind, "{service}");
        }
        assert_eq!(kind_of(&[Characteristic::assigned(0xFFF0)], None), None, "anybody's");
        let microlife = kind_of(&[Characteristic::assigned(0xFFF0)], Some("BP3GY1-2N"));
        assert_eq!(microlife, Some(DeviceKind::BloodPressure));
    }

    struct Flat {
        nearby: Nearby,
        start: Instant,
        now: Instant,
    }

    impl Flat {
        fn new() -> Self {
            let start = clock::now();
            Self { nearby: Nearby::new(start), start, now: start }
        }

        /// With so many devices that say nothing of themselves, all strong, advertising since long ago.
        fn with_foreigners(count: u8) -> Self {
            let mut flat = Self::new();
            for second in (0..=100).step_by(10) {
                for number in 0..count {
                    flat.at(second).hears([0x40, 0, 0, 0, 0, number], &phone());
                }
            }
            flat
        }

        fn at(&mut self, second: u64) -> &mut Self {
            self.now = self.start + Duration::from_secs(second);
            self
        }

        fn hears(&mut self, address: Address, advert: &Advert) {
            self.nearby.hear(address, advert, self.now);
        }

        fn begins(&mut self) {
            self.nearby.begin(self.now);
        }

        fn list(&self) -> Vec<heartbeat::Nearby> {
            self.nearby.list(self.now)
        }

        fn strangers(&self) -> u32 {
            self.nearby.strangers(self.now)
        }
    }

    fn cuff(signal_dbm: i8) -> Advert {
        Advert {
            name: Some("BPM 59".into()),
            services: vec![BLOOD_PRESSURE],
            signal_dbm: Some(signal_dbm),
            button: None,
        }
    }

    fn phone() -> Advert {
        Advert { signal_dbm: Some(-35), ..Advert::default() }
    }
}
