//! The message bus: what BlueZ says of its adapter and of the air, and the calls that btleplug does not offer.
//!
//! btleplug serves what is said over a connection ([`super::link`]). For what is in the air it asks BlueZ for everything
//! about a device at each of its advertisements, lets the adapter search for classic Bluetooth as well, which makes it
//! deaf to buttons meanwhile, does not say when the bus is gone, and leaves a match rule on the bus with some of its
//! connections, of which a program may have 512. So the signals are read here as they come, from one connection that
//! is held for as long as the bus lives, and links are made and ended here.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dbus::arg::{AppendAll, PropMap, ReadAll, RefArg, Variant, prop_cast};
use dbus::channel::MatchingReceiver as _;
use dbus::message::{MatchRule, MessageType};
use dbus::nonblock::{Proxy, SyncConnection};
use dbus::{Message, Path};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::ids::DeviceId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::nearby::Advert;
use crate::sessions::Address;

/// A connection to the system bus, bound to one adapter.
pub(super) struct Bus {
    line: Line,
    adapter: Path<'static>,
    identities: Identities,
}

/// A bare connection to the system bus, for as long as this is kept.
pub(super) struct Line {
    pub(super) connection: Arc<SyncConnection>,
    driver: JoinHandle<()>,
}

/// What BlueZ says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// A device was really heard.
    Heard(Address, Advert),
    /// BlueZ knows a device. That says nothing about whether it is there.
    Known(Address, Advert),
    /// Something about a device's link or bond has changed.
    Changed(Address, Change),
    /// BlueZ has forgotten a device, or its adapter.
    Removed(Address),
    /// The adapter was switched on or off.
    Powered(bool),
    /// The adapter has gone.
    AdapterGone,
    /// BlueZ has gone.
    BluezGone,
    /// BlueZ has come back, and knows nothing of us.
    BluezBack,
    /// The bus has gone.
    BusLost,
    /// A device of the home pairs.
    Pairs(Address),
    /// A device of the home shows a number that somebody must type.
    AsksForPasskey(Address),
}

/// What has changed of a device; what has not is not there.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Change {
    pub(super) connected: Option<bool>,
    pub(super) resolved: Option<bool>,
    pub(super) paired: Option<bool>,
}

/// What the adapter says of itself.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct AdapterState {
    pub(super) powered: bool,
    pub(super) discovering: bool,
}

pub(super) const BLUEZ: &str = "org.bluez";
const ADAPTER: &str = "org.bluez.Adapter1";
const DEVICE: &str = "org.bluez.Device1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";
/// For a call that BlueZ answers by itself.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Devices that BlueZ shows at the path of another address than theirs: those that used a private address when they were
/// first heard, and have told who they are by bonding.
#[derive(Clone, Default)]
pub(super) struct Identities(Arc<Mutex<BTreeMap<Address, Address>>>);

type Objects = HashMap<Path<'static>, HashMap<String, PropMap>>;

impl Bus {
    /// Connects to the system bus and listens to one of BlueZ's adapters: this one (`hci0`), or the first there is.
    ///
    /// # Errors
    /// What is missing, in words for an installer.
    pub(super) async fn start(wanted: Option<&str>, said: mpsc::UnboundedSender<Word>) -> Result<Self, String> {
        let no_bus = |error: dbus::Error| format!("the message bus does not answer ({error}); is dbus running?");
        let lost = said.clone();
        let line = Line::open(move || drop(lost.send(Word::BusLost))).map_err(no_bus)?;
        let mut bus = Self { line, adapter: Path::from("/"), identities: Identities::default() };
        bus.listen(said.clone()).await.map_err(no_bus)?;
        let no_bluez = |error| format!("BlueZ does not answer ({error}); is the bluetooth service running?");
        bus.adapter = choose(&bus.objects().await.map_err(no_bluez)?, wanted)?;
        bus.listen_to_adapter().await.map_err(no_bus)?;
        for (path, interfaces) in bus.objects().await.map_err(no_bluez)? {
            let words = interfaces.get(DEVICE).map(|device| known(&bus.identities, &path, device));
            for word in words.into_iter().flatten().filter(|word| !matches!(word, Word::Heard(..))) {
                let _ = said.send(word);
            }
        }
        Ok(bus)
    }

    /// Passes on every signal that is asked for. There is one receiver for life: none is ever dropped while signals come.
    async fn listen(&self, said: mpsc::UnboundedSender<Word>) -> Result<(), dbus::Error> {
        let identities = self.identities.clone();
        let mut any = MatchRule::new();
        any.msg_type = Some(MessageType::Signal);
        self.line.connection.start_receive(
            any,
            Box::new(move |message, _| {
                for word in understand(&message, &identities) {
                    let _ = said.send(word);
                }
                true
            }),
        );
        let owner = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'";
        self.line.connection.add_match_no_cb(owner).await
    }

    async fn listen_to_adapter(&self) -> Result<(), dbus::Error> {
        let adapter = &self.adapter;
        for rule in [
            format!("type='signal',sender='{BLUEZ}',interface='{OBJECTS}'"),
            format!("type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',path='{adapter}',arg0='{ADAPTER}'"),
            format!(
                "type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',path_namespace='{adapter}',arg0='{DEVICE}'"
            ),
        ] {
            self.line.connection.add_match_no_cb(&rule).await?;
        }
        Ok(())
    }

    /// The connection, for whoever serves objects on it.
    pub(super) fn connection(&self) -> &Arc<SyncConnection> {
        &self.line.connection
    }

    /// Who is who.
    pub(super) fn identities(&self) -> Identities {
        self.identities.clone()
    }

    /// The adapter's name, such as `hci0`.
    pub(super) fn adapter(&self) -> &str {
        self.adapter.rsplit('/').next().unwrap_or_default()
    }

    /// What the adapter says of itself, or no word within this time.
    pub(super) async fn state(&self, limit: Duration) -> Result<AdapterState, dbus::Error> {
        let (properties,): (PropMap,) = self.call(&self.adapter, PROPERTIES, "GetAll", (ADAPTER,), limit).await?;
        let is = |name| prop_cast(&properties, name).copied().unwrap_or(false);
        Ok(AdapterState { powered: is("Powered"), discovering: is("Discovering") })
    }

    /// Switches the adapter on or off.
    pub(super) async fn power(&self, on: bool) -> Result<(), dbus::Error> {
        self.call(&self.adapter, PROPERTIES, "Set", (ADAPTER, "Powered", Variant(on)), CALL_LIMIT).await
    }

    /// Hears everything from now on, each advertisement anew; for Bluetooth LE only, and without a list of services: the
    /// kernel applies such a list to service UUIDs, never to the service data in which buttons speak.
    pub(super) async fn start_scan(&self) -> Result<(), dbus::Error> {
        let mut filter = PropMap::new();
        filter.insert("Transport".into(), Variant(Box::new("le".to_owned())));
        filter.insert("DuplicateData".into(), Variant(Box::new(true)));
        let (): () = self.call(&self.adapter, ADAPTER, "SetDiscoveryFilter", (filter,), CALL_LIMIT).await?;
        let started = self.call(&self.adapter, ADAPTER, "StartDiscovery", (), CALL_LIMIT).await;
        started.or_else(|error| if is(&error, "InProgress") { Ok(()) } else { Err(error) })
    }

    /// Hears no more.
    pub(super) async fn stop_scan(&self) -> Result<(), dbus::Error> {
        self.call(&self.adapter, ADAPTER, "StopDiscovery", (), CALL_LIMIT).await
    }

    /// Forgets a device and its bond.
    pub(super) async fn remove(&self, device: &Address) -> Result<(), dbus::Error> {
        let path = self.path(device);
        let removed = self.call(&self.adapter, ADAPTER, "RemoveDevice", (path,), CALL_LIMIT).await;
        removed.or_else(|error| if is(&error, "DoesNotExist") { Ok(()) } else { Err(error) })
    }

    /// Makes a link. BlueZ answers when it stands; its services are not known yet.
    pub(super) async fn connect(&self, device: &Address, limit: Duration) -> Result<(), dbus::Error> {
        self.call(&self.path(device), DEVICE, "Connect", (), limit).await
    }

    /// Ends a link, also one that BlueZ is still trying to make.
    pub(super) async fn disconnect(&self, device: &Address) -> Result<(), dbus::Error> {
        self.call(&self.path(device), DEVICE, "Disconnect", (), CALL_LIMIT).await
    }

    /// Pairs with a device; makes the link for it.
    pub(super) async fn pair(&self, device: &Address, limit: Duration) -> Result<(), dbus::Error> {
        self.call(&self.path(device), DEVICE, "Pair", (), limit).await
    }

    /// Where BlueZ shows a device.
    pub(super) fn path(&self, device: &Address) -> Path<'static> {
        let shown_as = self.identities.shown_as(device);
        Path::from(format!("{}/dev_{}", self.adapter, DeviceId::Address(shown_as).to_string().replace(':', "_")))
    }

    async fn objects(&self) -> Result<Objects, dbus::Error> {
        let (objects,) = self.call(&Path::from("/"), OBJECTS, "GetManagedObjects", (), CALL_LIMIT).await?;
        Ok(objects)
    }

    async fn call<R: ReadAll + 'static>(
        &self,
        path: &Path<'_>,
        interface: &str,
        method: &str,
        arguments: impl AppendAll,
        limit: Duration,
    ) -> Result<R, dbus::Error> {
        Proxy::new(BLUEZ, path, limit, self.line.connection.as_ref()).method_call(interface, method, arguments).await
    }
}

impl Line {
    /// Connects; says when the connection is lost.
    ///
    /// # Errors
    /// When there is no bus.
    pub(super) fn open(lost: impl FnOnce() + Send + 'static) -> Result<Self, dbus::Error> {
        let (resource, connection) = dbus_tokio::connection::new_system_sync()?;
        let driver = tokio::spawn(async move {
            let error = resource.await;
            tracing::debug!(%error, "the message bus is gone");
            lost();
        });
        Ok(Self { connection, driver })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Identities {
    /// Who the device at this path is.
    pub(super) fn at(&self, path: &str) -> Option<Address> {
        let shown_as = address_in(path)?;
        let identities = self.lock();
        Some(identities.iter().find(|(_, other)| **other == shown_as).map_or(shown_as, |(identity, _)| *identity))
    }

    fn shown_as(&self, identity: &Address) -> Address {
        self.lock().get(identity).copied().unwrap_or(*identity)
    }

    fn learn(&self, path: &str, identity: Address) {
        if let Some(shown_as) = address_in(path).filter(|shown_as| *shown_as != identity) {
            self.lock().insert(identity, shown_as);
        }
    }

    fn forget(&self, identity: &Address) {
        self.lock().remove(identity);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, Address>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether BlueZ refuses for this reason.
pub(super) fn is(error: &dbus::Error, reason: &str) -> bool {
    error.name().and_then(|name| name.strip_prefix("org.bluez.Error.")) == Some(reason)
}

/// The address in a BlueZ object path or name: `…/dev_F0_F1_F2_F3_F4_F5`.
pub(super) fn address_in(path: &str) -> Option<Address> {
    let (_, printed) = path.rsplit_once("dev_")?;
    match printed.replace('_', ":").parse() {
        Ok(DeviceId::Address(address)) => Some(address),
        _ => None,
    }
}

fn choose(objects: &Objects, wanted: Option<&str>) -> Result<Path<'static>, String> {
    let mut adapters: Vec<_> =
        objects.iter().filter(|(_, interfaces)| interfaces.contains_key(ADAPTER)).map(|(path, _)| path).collect();
    adapters.sort();
    let name = |path: &Path| path.rsplit('/').next().unwrap_or_default().to_owned();
    let found = adapters.iter().find(|path| wanted.is_none_or(|wanted| name(path) == wanted));
    found.map(|path| (*path).clone()).ok_or_else(|| match wanted {
        Some(wanted) if !adapters.is_empty() => format!(
            "there is no Bluetooth adapter {wanted:?}, only {}; correct or remove `adapter` in the configuration",
            adapters.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ")
        ),
        _ => "there is no Bluetooth adapter; plug one in, or check that its driver is loaded and it is not blocked \
              (rfkill)"
            .into(),
    })
}

/// What a signal says.
fn understand(message: &Message, identities: &Identities) -> Vec<Word> {
    let (Some(path), Some(member)) = (message.path(), message.member()) else { return Vec::new() };
    match &*member {
        "PropertiesChanged" => {
            let Ok((interface, properties)) = message.read2::<&str, PropMap>() else { return Vec::new() };
            match interface {
                DEVICE => changed(identities, &path, &properties),
                ADAPTER => prop_cast(&properties, "Powered").map(|on| Word::Powered(*on)).into_iter().collect(),
                _ => Vec::new(),
            }
        }
        "InterfacesAdded" => {
            let Ok((path, interfaces)) = message.read2::<Path, HashMap<String, PropMap>>() else { return Vec::new() };
            interfaces.get(DEVICE).map(|device| known(identities, &path, device)).unwrap_or_default()
        }
        "InterfacesRemoved" => {
            let Ok((path, interfaces)) = message.read2::<Path, Vec<String>>() else { return Vec::new() };
            let is_removed = |interface: &str| interfaces.iter().any(|removed| removed == interface);
            if is_removed(ADAPTER) {
                return vec![Word::AdapterGone];
            }
            let device = identities.at(&path).filter(|_| is_removed(DEVICE));
            device
                .map(|device| {
                    identities.forget(&device);
                    Word::Removed(device)
                })
                .into_iter()
                .collect()
        }
        "NameOwnerChanged" => {
            let Ok((name, _, owner)) = message.read3::<&str, &str, &str>() else { return Vec::new() };
            let word = if owner.is_empty() { Word::BluezGone } else { Word::BluezBack };
            if name == BLUEZ { vec![word] } else { Vec::new() }
        }
        _ => Vec::new(),
    }
}

/// A device that BlueZ did not know before. With a signal strength it has just been heard.
fn known(identities: &Identities, path: &str, properties: &PropMap) -> Vec<Word> {
    if let Some(DeviceId::Address(identity)) =
        prop_cast::<String>(properties, "Address").and_then(|address| address.parse().ok())
    {
        identities.learn(path, identity);
    }
    let Some(device) = identities.at(path) else { return Vec::new() };
    let advert = advert(properties);
    let is_heard = advert.signal_dbm.is_some();
    let heard = if is_heard { Word::Heard(device, advert) } else { Word::Known(device, advert) };
    std::iter::once(heard).chain(change(device, properties)).collect()
}

/// Only what comes with an advertisement proves that one was heard: services and names change with a link, too.
fn changed(identities: &Identities, path: &str, properties: &PropMap) -> Vec<Word> {
    if let Some(DeviceId::Address(identity)) =
        prop_cast::<String>(properties, "Address").and_then(|address| address.parse().ok())
    {
        identities.learn(path, identity);
    }
    let Some(device) = identities.at(path) else { return Vec::new() };
    let is_heard = ["RSSI", "ManufacturerData", "ServiceData"].iter().any(|name| properties.contains_key(*name));
    let is_told = ["Name", "UUIDs"].iter().any(|name| properties.contains_key(*name));
    let word = match (is_heard, is_told) {
        (true, _) => Some(Word::Heard(device, advert(properties))),
        (false, true) => Some(Word::Known(device, advert(properties))),
        (false, false) => None,
    };
    word.into_iter().chain(change(device, properties)).collect()
}

fn change(device: Address, properties: &PropMap) -> Option<Word> {
    let is = |name| prop_cast(properties, name).copied();
    let change = Change { connected: is("Connected"), resolved: is("ServicesResolved"), paired: is("Paired") };
    (change != Change::default()).then_some(Word::Changed(device, change))
}

fn advert(properties: &PropMap) -> Advert {
    let listed = prop_cast::<Vec<String>>(properties, "UUIDs").into_iter().flatten();
    let data = prop_cast::<PropMap>(properties, "ServiceData");
    let services = listed.chain(data.into_iter().flat_map(HashMap::keys)).filter_map(|uuid| uuid.parse().ok());
    let is_button = |(uuid, _): &(&String, _)| uuid.parse() == Ok(Characteristic::BTHOME);
    let button = data.and_then(|data| data.iter().find(is_button));
    Advert {
        name: prop_cast::<String>(properties, "Name").cloned(),
        services: services.collect(),
        signal_dbm: prop_cast::<i16>(properties, "RSSI")
            .map(|dbm| i8::try_from(*dbm).unwrap_or(if *dbm < 0 { i8::MIN } else { i8::MAX })),
        button: button.and_then(|(_, bytes)| bytes.0.as_any().downcast_ref::<Vec<u8>>().cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUFF: Address = [0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5];
    const PATH: &str = "/org/bluez/hci0/dev_F0_F1_F2_F3_F4_F5";

    #[test]
    fn an_address_is_found_in_a_path() {
        for path in ["hci0/dev_F0_F1_F2_F3_F4_F5", PATH] {
            assert_eq!(address_in(path), Some(CUFF));
        }
        for other in ["/org/bluez/hci0", "hci0/dev_F0_F1", "hci0/dev_F0_F1_F2_F3_F4_F5/service0010"] {
            assert_eq!(address_in(other), None, "{other}");
        }
    }

    #[test]
    fn a_first_sight_with_a_signal_strength_is_heard_and_one_without_is_only_known() {
        let services = vec!["00001810-0000-1000-8000-00805f9b34fb".to_owned()];
        let told = |rssi: Option<i16>| {
            let mut device =
                properties([("Name", Box::new("BPM 59".to_owned())), ("UUIDs", Box::new(services.clone()))]);
            device.extend(rssi.map(|rssi| ("RSSI".to_owned(), Variant(Box::new(rssi) as Box<dyn RefArg>))));
            HashMap::from([(DEVICE.to_owned(), device)])
        };
        let added = |rssi| heard(&signal("/", OBJECTS, "InterfacesAdded").append2(Path::from(PATH), told(rssi)));
        let advert = Advert {
            name: Some("BPM 59".into()),
            services: vec![Characteristic::assigned(0x1810)],
            signal_dbm: Some(-58),
            button: None,
        };
        assert_eq!(added(Some(-58)), [Word::Heard(CUFF, advert.clone())]);
        assert_eq!(added(None), [Word::Known(CUFF, Advert { signal_dbm: None, ..advert })]);
    }

    #[test]
    fn an_advertisement_is_heard_and_what_changes_with_a_link_is_none() {
        let words = changed([("RSSI", Box::new(-58_i16))]);
        assert_eq!(words, [Word::Heard(CUFF, Advert { signal_dbm: Some(-58), ..Advert::default() })]);

        let bthome = "0000fcd2-0000-1000-8000-00805f9b34fb".to_owned();
        let data = PropMap::from([(bthome, Variant(Box::new(vec![0x40_u8, 0x3A, 1]) as Box<dyn RefArg>))]);
        let button =
            Advert { services: vec![Characteristic::BTHOME], button: Some(vec![0x40, 0x3A, 1]), ..Advert::default() };
        assert_eq!(changed([("ServiceData", Box::new(data))]), [Word::Heard(CUFF, button)]);

        let services = vec!["00001810-0000-1000-8000-00805f9b34fb".to_owned()];
        let words = changed([("UUIDs", Box::new(services)), ("ServicesResolved", Box::new(true))]);
        let known = Advert { services: vec![Characteristic::assigned(0x1810)], ..Advert::default() };
        let resolved = Change { resolved: Some(true), ..Change::default() };
        assert_eq!(words, [Word::Known(CUFF, known), Word::Changed(CUFF, resolved)]);
    }

    #[test]
    fn a_hang_up_and_a_bond_are_changes() {
        let words = changed([("ServicesResolved", Box::new(false)), ("Connected", Box::new(false))]);
        let hung_up = Change { connected: Some(false), resolved: Some(false), paired: None };
        assert_eq!(words, [Word::Changed(CUFF, hung_up)]);
        let words = changed([("Bonded", Box::new(true)), ("Paired", Box::new(true))]);
        assert_eq!(words, [Word::Changed(CUFF, Change { paired: Some(true), ..Change::default() })]);
    }

    #[test]
    fn a_device_with_a_private_address_is_called_by_its_identity_once_it_has_told_it() {
        let identities = Identities::default();
        let private = "/org/bluez/hci0/dev_5A_00_00_00_00_01";
        assert_eq!(identities.at(private), Some([0x5A, 0, 0, 0, 0, 1]));
        let told = properties([("Address", Box::new("F0:F1:F2:F3:F4:F5".to_owned())), ("Paired", Box::new(true))]);
        let words = super::changed(&identities, private, &told);
        assert_eq!(words, [Word::Changed(CUFF, Change { paired: Some(true), ..Change::default() })]);
        assert_eq!(identities.at(private), Some(CUFF));
        assert_eq!(identities.shown_as(&CUFF), [0x5A, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn what_goes_is_noticed() {
        let removed = |path: &'static str, interface: &str| {
            heard(&signal("/", OBJECTS, "InterfacesRemoved").append2(Path::from(path), vec![interface]))
        };
        assert_eq!(removed("/org/bluez/hci0", ADAPTER), [Word::AdapterGone]);
        assert_eq!(removed(PATH, DEVICE), [Word::Removed(CUFF)]);
        assert_eq!(removed(PATH, "org.bluez.Battery1"), []);
        let owner =
            |owner: &str| heard(&signal("/", "org.freedesktop.DBus", "NameOwnerChanged").append3(BLUEZ, ":1.7", owner));
        assert_eq!((owner(""), owner(":1.9")), (vec![Word::BluezGone], vec![Word::BluezBack]));
    }

    #[test]
    fn the_adapter_that_is_asked_for_is_taken_or_what_there_is_is_named() {
        let with = |names: &[&str]| -> Objects {
            let adapter = || HashMap::from([(ADAPTER.to_owned(), PropMap::new())]);
            names.iter().map(|name| (Path::from(format!("/org/bluez/{name}")), adapter())).collect()
        };
        let chosen = |names, wanted| choose(&with(names), wanted).map(|path| path.to_string());
        assert_eq!(chosen(&["hci1", "hci0"], None), Ok("/org/bluez/hci0".into()));
        assert_eq!(chosen(&["hci1", "hci0"], Some("hci1")), Ok("/org/bluez/hci1".into()));
        assert!(chosen(&["hci1"], Some("hci0")).unwrap_err().contains("only hci1"));
        assert!(chosen(&[], Some("hci0")).unwrap_err().contains("rfkill"));
    }

    fn changed<const N: usize>(what: [(&str, Box<dyn RefArg>); N]) -> Vec<Word> {
        let none: Vec<String> = Vec::new();
        heard(&signal(PATH, PROPERTIES, "PropertiesChanged").append3(DEVICE, properties(what), none))
    }

    fn properties<const N: usize>(what: [(&str, Box<dyn RefArg>); N]) -> PropMap {
        what.into_iter().map(|(name, value)| (name.to_owned(), Variant(value))).collect()
    }

    fn signal(path: &str, interface: &str, member: &str) -> Message {
        Message::new_signal(path, interface, member).expect("names of D-Bus")
    }

    /// As it is read when it has come over the bus.
    fn heard(message: &Message) -> Vec<Word> {
        understand(message, &Identities::default())
    }
}
