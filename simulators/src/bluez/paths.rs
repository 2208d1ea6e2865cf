//! The names that BlueZ gives to things on the bus.

use std::collections::HashMap;

use zbus::Variant;

use super::{
    Attribute,
    gatt::{Layout, Node},
};
use crate::air::{Address, Uuid};

pub(crate) const ADAPTER_PATH: &str = "/org/bluez/hci0";
pub(crate) const ADAPTER: &str = "org.bluez.Adapter1";
pub(crate) const DEVICE: &str = "org.bluez.Device1";
pub(crate) const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";

/// An object that comes and goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    Adapter,
    Device(Address),
    /// The battery interface on a device's object.
    Battery(Address),
    Service(Attribute, String),
    Characteristic(Attribute, String),
    Descriptor(Attribute, String),
}

impl Object {
    /// The object of an attribute that is in the layout.
    pub(crate) fn of(device: Address, layout: &Layout, handle: u16) -> Self {
        let attribute = Attribute { device, handle };
        let path = layout.path(&self::device(device), handle);
        match layout.get(handle) {
            Some(Node::Characteristic { .. }) => Self::Characteristic(attribute, path),
            Some(Node::Descriptor { .. }) => Self::Descriptor(attribute, path),
            Some(Node::Service(_)) | None => Self::Service(attribute, path),
        }
    }

    pub(crate) fn path(&self) -> String {
        match self {
            Self::Adapter => ADAPTER_PATH.to_owned(),
            Self::Device(address) | Self::Battery(address) => device(*address),
            Self::Service(_, path) | Self::Characteristic(_, path) | Self::Descriptor(_, path) => path.clone(),
        }
    }
}

pub(crate) fn device(address: Address) -> String {
    format!("{ADAPTER_PATH}/dev_{}", address.joined("_"))
}

/// The address in a device's path.
pub(crate) fn parse_device(path: &str) -> Option<Address> {
    let name = path.strip_prefix(ADAPTER_PATH)?.strip_prefix("/dev_")?;
    name.replace('_', ":").parse().ok()
}

pub(crate) fn manufacturer_data((company, bytes): &(u16, Vec<u8>)) -> HashMap<u16, Variant<'static>> {
    HashMap::from([(*company, bytes.clone().into())])
}

pub(crate) fn service_data((service, bytes): &(Uuid, Vec<u8>)) -> HashMap<String, Variant<'static>> {
    HashMap::from([(service.to_string(), bytes.clone().into())])
}
