//! The objects of `org.bluez`, as programs see them. They hold nothing: what they show is looked up in the core, and what
//! is asked of them is passed on to it.

use std::{collections::HashMap, time::Duration};

use tokio::time::timeout;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant, fdo, interface, message::Header};

use super::{
    Attribute, Client, Line, Refusal,
    daemon::Known,
    discovery::Filter,
    gatt::Node,
    paths::{self, Object},
    request::Request,
};
use crate::{
    air::{Address, Uuid},
    lock,
};

/// How long a property may take to be set. While it is being set, no object comes or goes (the object server's lock), and
/// the core may be about to show or withdraw one before it gets round to answering.
const SETTING: Duration = Duration::from_secs(3);

/// Shows an object on the bus.
pub(super) async fn serve(connection: &Connection, line: &Line, object: Object) -> zbus::Result<()> {
    let server = connection.object_server();
    let path = object.path();
    let at = |attribute| (attribute, line.clone());
    match object {
        Object::Adapter => {
            server.at(path, Adapter(line.clone())).await?;
        }
        Object::Device(address) => {
            server.at(path, Device1::new(address, line)).await?;
        }
        Object::Battery(address) => {
            server.at(path, Battery1(Device1::new(address, line))).await?;
        }
        Object::Service(attribute, _) => {
            let (attribute, line) = at(attribute);
            server.at(path, GattService1 { attribute, line }).await?;
        }
        Object::Characteristic(attribute, _) => {
            let (attribute, line) = at(attribute);
            server.at(path, GattCharacteristic1 { attribute, line }).await?;
        }
        Object::Descriptor(attribute, _) => {
            let (attribute, line) = at(attribute);
            server.at(path, GattDescriptor1 { attribute, line }).await?;
        }
    }
    Ok(())
}

/// Takes an object off the bus.
pub(super) async fn withdraw(connection: &Connection, object: Object) -> zbus::Result<()> {
    let server = connection.object_server();
    let path = object.path();
    match object {
        Object::Adapter => server.remove::<Adapter, _>(path).await?,
        Object::Device(_) => server.remove::<Device1, _>(path).await?,
        Object::Battery(_) => server.remove::<Battery1, _>(path).await?,
        Object::Service(..) => server.remove::<GattService1, _>(path).await?,
        Object::Characteristic(..) => server.remove::<GattCharacteristic1, _>(path).await?,
        Object::Descriptor(..) => server.remove::<GattDescriptor1, _>(path).await?,
    };
    Ok(())
}

/// Where programs register their pairing agents.
pub(super) struct AgentManager(pub(super) Line);

#[interface(name = "org.bluez.AgentManager1")]
impl AgentManager {
    async fn register_agent(
        &self,
        #[zbus(header)] call: Header<'_>,
        agent: OwnedObjectPath,
        capability: String,
    ) -> Result<(), Refusal> {
        let path = agent.to_string();
        // The default is KeyboardDisplay.
        let can_type = matches!(&*capability, "KeyboardOnly" | "KeyboardDisplay" | "");
        self.0.pass_on(&call, Request::RegisterAgent { path, can_type }).await
    }

    async fn unregister_agent(&self, #[zbus(header)] call: Header<'_>, _agent: OwnedObjectPath) -> Result<(), Refusal> {
        self.0.pass_on(&call, Request::UnregisterAgent).await
    }

    async fn request_default_agent(
        &self,
        #[zbus(header)] call: Header<'_>,
        _agent: OwnedObjectPath,
    ) -> Result<(), Refusal> {
        self.0.pass_on(&call, Request::MakeDefaultAgent).await
    }
}

/// The adapter.
pub(super) struct Adapter(pub(super) Line);

#[interface(name = "org.bluez.Adapter1")]
impl Adapter {
    async fn set_discovery_filter(
        &self,
        #[zbus(header)] call: Header<'_>,
        properties: HashMap<String, OwnedVariant>,
    ) -> Result<(), Refusal> {
        let read = |name: &str| properties.get(name).and_then(|it| it.try_clone().ok());
        let services = read("UUIDs").and_then(|it| Vec::<String>::try_from(it).ok());
        let duplicates = read("DuplicateData").and_then(|it| bool::try_from(it).ok());
        let filter = Filter { services: services.unwrap_or_default(), duplicates: duplicates.unwrap_or(false) };
        let request = Request::SetDiscoveryFilter(filter);
        self.0.pass_on(&call, request).await
    }

    async fn start_discovery(&self, #[zbus(header)] call: Header<'_>) -> Result<(), Refusal> {
        self.0.pass_on(&call, Request::StartDiscovery).await
    }

    async fn stop_discovery(&self, #[zbus(header)] call: Header<'_>) -> Result<(), Refusal> {
        self.0.pass_on(&call, Request::StopDiscovery).await
    }

    async fn remove_device(&self, #[zbus(header)] call: Header<'_>, device: OwnedObjectPath) -> Result<(), Refusal> {
        let address = paths::parse_device(&device)
            .ok_or_else(|| Refusal::InvalidArguments("Invalid arguments in method call".into()))?;
        let request = Request::RemoveDevice(address);
        self.0.pass_on(&call, request).await
    }

    #[zbus(property)]
    fn address(&self) -> String {
        lock(&self.0.shared.daemon).options().address.to_string()
    }

    #[zbus(property)]
    fn address_type(&self) -> &str {
        "public"
    }

    #[zbus(property)]
    fn name(&self) -> &str {
        "hempuls-simulators"
    }

    #[zbus(property)]
    fn alias(&self) -> &str {
        "hempuls-simulators"
    }

    #[zbus(property)]
    fn class(&self) -> u32 {
        0
    }

    #[zbus(property)]
    fn modalias(&self) -> &str {
        "usb:v1D6Bp0246d0542"
    }

    #[zbus(property, name = "UUIDs")]
    fn uuids(&self) -> Vec<String> {
        vec![Uuid::assigned(0x1800).to_string(), Uuid::assigned(0x1801).to_string()]
    }

    #[zbus(property)]
    fn roles(&self) -> Vec<&str> {
        vec!["central", "peripheral"]
    }

    #[zbus(property)]
    fn discoverable(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn discovering(&self) -> bool {
        lock(&self.0.shared.daemon).is_discovering()
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn powered(&self) -> bool {
        lock(&self.0.shared.daemon).is_powered()
    }

    #[zbus(property)]
    async fn set_powered(&self, #[zbus(header)] call: Option<Header<'_>>, on: bool) -> fdo::Result<()> {
        self.0.set(call.as_ref(), Request::SetPowered(on)).await
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn pairable(&self) -> bool {
        lock(&self.0.shared.daemon).is_pairable()
    }

    #[zbus(property)]
    async fn set_pairable(&self, #[zbus(header)] call: Option<Header<'_>>, on: bool) -> fdo::Result<()> {
        self.0.set(call.as_ref(), Request::SetPairable(on)).await
    }
}

/// A device that BlueZ has heard of.
pub(super) struct Device1 {
    address: Address,
    line: Line,
}

impl Device1 {
    pub(super) fn new(address: Address, line: &Line) -> Self {
        Self { address, line: line.clone() }
    }
}

#[interface(name = "org.bluez.Device1")]
impl Device1 {
    async fn connect(&self, #[zbus(header)] call: Header<'_>) -> Result<(), Refusal> {
        let request = Request::Connect(self.address);
        self.line.pass_on(&call, request).await
    }

    async fn disconnect(&self, #[zbus(header)] call: Header<'_>) -> Result<(), Refusal> {
        let request = Request::Disconnect(self.address);
        self.line.pass_on(&call, request).await
    }

    async fn pair(&self, #[zbus(header)] call: Header<'_>) -> Result<(), Refusal> {
        self.line.pass_on(&call, Request::Pair(self.address)).await
    }

    async fn cancel_pairing(&self, #[zbus(header)] call: Header<'_>) -> Result<(), Refusal> {
        let request = Request::CancelPairing(self.address);
        self.line.pass_on(&call, request).await
    }

    #[zbus(property)]
    fn adapter(&self) -> OwnedObjectPath {
        object_path(paths::ADAPTER_PATH)
    }

    #[zbus(property)]
    fn address(&self) -> String {
        self.address.to_string()
    }

    #[zbus(property)]
    fn address_type(&self) -> fdo::Result<&'static str> {
        self.shown(|known| if known.has_random_address { "random" } else { "public" })
    }

    #[zbus(property)]
    fn name(&self) -> fdo::Result<String> {
        self.optional(|known| known.name.clone())
    }

    #[zbus(property)]
    fn alias(&self) -> fdo::Result<String> {
        let made_up = || self.address.joined("-");
        self.shown(|known| known.name.clone().unwrap_or_else(made_up))
    }

    #[zbus(property, name = "UUIDs")]
    fn uuids(&self) -> fdo::Result<Vec<String>> {
        self.shown(|known| known.services.iter().map(Uuid::to_string).collect())
    }

    /// Only while scanning.
    #[zbus(property, name = "RSSI")]
    fn rssi(&self) -> fdo::Result<i16> {
        self.optional(|known| known.rssi)
    }

    #[zbus(property)]
    fn manufacturer_data(&self) -> fdo::Result<HashMap<u16, Variant<'static>>> {
        self.optional(|known| known.manufacturer_data.as_ref().map(paths::manufacturer_data))
    }

    #[zbus(property)]
    fn service_data(&self) -> fdo::Result<HashMap<String, Variant<'static>>> {
        self.optional(|known| known.service_data.as_ref().map(paths::service_data))
    }

    #[zbus(property)]
    fn paired(&self) -> fdo::Result<bool> {
        self.shown(|known| known.paired)
    }

    #[zbus(property)]
    fn bonded(&self) -> fdo::Result<bool> {
        self.shown(|known| known.paired)
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn trusted(&self) -> fdo::Result<bool> {
        self.shown(|known| known.trusted)
    }

    #[zbus(property)]
    async fn set_trusted(&self, #[zbus(header)] call: Option<Header<'_>>, trusted: bool) -> fdo::Result<()> {
        let request = Request::SetTrusted(self.address, trusted);
        self.line.set(call.as_ref(), request).await
    }

    #[zbus(property)]
    fn blocked(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn legacy_pairing(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn connected(&self) -> fdo::Result<bool> {
        self.shown(|known| known.connected)
    }

    #[zbus(property)]
    fn services_resolved(&self) -> fdo::Result<bool> {
        self.shown(|known| known.services_resolved)
    }
}

impl Device1 {
    fn shown<T>(&self, read: impl FnOnce(&Known) -> T) -> fdo::Result<T> {
        self.optional(|known| Some(read(known)))
    }

    /// A property that has no value is left out, as BlueZ does.
    fn optional<T>(&self, read: impl FnOnce(&Known) -> Option<T>) -> fdo::Result<T> {
        let daemon = lock(&self.line.shared.daemon);
        let value = daemon.known(self.address).and_then(read);
        value.ok_or_else(|| fdo::Error::InvalidArgs("No such property".into()))
    }
}

/// The battery of a connected device.
pub(super) struct Battery1(Device1);

#[interface(name = "org.bluez.Battery1")]
impl Battery1 {
    #[zbus(property)]
    fn percentage(&self) -> fdo::Result<u8> {
        self.0.optional(|known| known.battery_percent)
    }

    #[zbus(property)]
    fn source(&self) -> &str {
        "GATT Battery Service"
    }
}

/// A service of a device.
pub(super) struct GattService1 {
    attribute: Attribute,
    line: Line,
}

#[interface(name = "org.bluez.GattService1")]
impl GattService1 {
    #[zbus(property, name = "UUID")]
    fn uuid(&self) -> fdo::Result<String> {
        self.line.uuid_of(self.attribute)
    }

    #[zbus(property)]
    fn primary(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn device(&self) -> OwnedObjectPath {
        object_path(&paths::device(self.attribute.device))
    }

    #[zbus(property)]
    fn includes(&self) -> Vec<OwnedObjectPath> {
        Vec::new()
    }
}

/// A characteristic of a device.
pub(super) struct GattCharacteristic1 {
    attribute: Attribute,
    line: Line,
}

#[interface(name = "org.bluez.GattCharacteristic1")]
impl GattCharacteristic1 {
    async fn read_value(
        &self,
        #[zbus(header)] call: Header<'_>,
        _options: HashMap<String, OwnedVariant>,
    ) -> Result<Vec<u8>, Refusal> {
        let request = Request::Read(self.attribute);
        self.line.ask(caller(&call), request).await
    }

    async fn write_value(
        &self,
        #[zbus(header)] call: Header<'_>,
        value: Vec<u8>,
        _options: HashMap<String, OwnedVariant>,
    ) -> Result<(), Refusal> {
        let request = Request::Write(self.attribute, value);
        self.line.pass_on(&call, request).await
    }

    async fn start_notify(&self, #[zbus(header)] call: Header<'_>) -> Result<(), Refusal> {
        let request = Request::StartNotify(self.attribute);
        self.line.pass_on(&call, request).await
    }

    async fn stop_notify(&self, #[zbus(header)] call: Header<'_>) -> Result<(), Refusal> {
        let request = Request::StopNotify(self.attribute);
        self.line.pass_on(&call, request).await
    }

    #[zbus(property, name = "UUID")]
    fn uuid(&self) -> fdo::Result<String> {
        self.line.uuid_of(self.attribute)
    }

    #[zbus(property)]
    fn service(&self) -> fdo::Result<OwnedObjectPath> {
        self.line.parent_of(self.attribute)
    }

    #[zbus(property)]
    fn flags(&self) -> fdo::Result<Vec<&'static str>> {
        let flags = |known: &Known| {
            let characteristic = known.layout.characteristic(self.attribute.handle)?;
            Some(characteristic.flags.to_vec())
        };
        self.line.known(self.attribute, flags)
    }

    #[zbus(property)]
    fn value(&self) -> fdo::Result<Vec<u8>> {
        let value = |known: &Known| known.values.get(&self.attribute.handle).cloned();
        self.line.known(self.attribute, |known| Some(value(known).unwrap_or_default()))
    }

    /// Only where values are sent.
    #[zbus(property)]
    fn notifying(&self) -> fdo::Result<bool> {
        let sends = |known: &Known| {
            let characteristic = known.layout.characteristic(self.attribute.handle)?;
            characteristic.sends_values().then_some(())
        };
        self.line.known(self.attribute, sends)?;
        Ok(lock(&self.line.shared.daemon).listeners(self.attribute) > 0)
    }

    #[zbus(property, name = "MTU")]
    fn mtu(&self) -> u16 {
        23
    }
}

/// A descriptor of a characteristic.
pub(super) struct GattDescriptor1 {
    attribute: Attribute,
    line: Line,
}

#[interface(name = "org.bluez.GattDescriptor1")]
impl GattDescriptor1 {
    #[zbus(property, name = "UUID")]
    fn uuid(&self) -> fdo::Result<String> {
        self.line.uuid_of(self.attribute)
    }

    #[zbus(property)]
    fn characteristic(&self) -> fdo::Result<OwnedObjectPath> {
        self.line.parent_of(self.attribute)
    }

    #[zbus(property)]
    fn value(&self) -> Vec<u8> {
        Vec::new()
    }
}

impl Line {
    async fn pass_on(&self, call: &Header<'_>, request: Request) -> Result<(), Refusal> {
        self.ask(caller(call), request).await.map(drop)
    }

    async fn set(&self, call: Option<&Header<'_>>, request: Request) -> fdo::Result<()> {
        let by = call.map_or_else(|| Client(String::new()), caller);
        let refused = |refusal: Refusal| fdo::Error::Failed(refusal.to_string());
        match timeout(SETTING, self.ask(by, request)).await {
            Ok(answer) => answer.map(drop).map_err(refused),
            // As BlueZ says while an adapter is on its way.
            Err(_) => Err(fdo::Error::Failed("Busy".into())),
        }
    }

    fn uuid_of(&self, attribute: Attribute) -> fdo::Result<String> {
        self.known(attribute, |known| {
            let uuid = match known.layout.get(attribute.handle)? {
                Node::Service(uuid) | Node::Descriptor { uuid, .. } => uuid,
                Node::Characteristic { what, .. } => &what.uuid,
            };
            Some(uuid.to_string())
        })
    }

    fn parent_of(&self, attribute: Attribute) -> fdo::Result<OwnedObjectPath> {
        self.known(attribute, |known| {
            let device = paths::device(attribute.device);
            let path = known.layout.path(&device, attribute.handle);
            let (parent, _) = path.rsplit_once('/')?;
            Some(object_path(parent))
        })
    }

    fn known<T>(&self, attribute: Attribute, read: impl FnOnce(&Known) -> Option<T>) -> fdo::Result<T> {
        let daemon = lock(&self.shared.daemon);
        let value = daemon.known(attribute.device).and_then(read);
        value.ok_or_else(|| fdo::Error::InvalidArgs("No such property".into()))
    }
}

fn caller(call: &Header<'_>) -> Client {
    Client(call.sender().map(ToString::to_string).unwrap_or_default())
}

fn object_path(path: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(path.to_owned()).expect("paths here are object paths")
}
