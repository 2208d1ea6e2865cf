//! What every connectable device says of itself: Device Information and Battery.

use crate::air::{Characteristic, Service, Uuid};

/// Who made it, what it is, how full its battery is.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) manufacturer: String,
    pub(crate) model: String,
    pub(crate) serial: String,
    pub(crate) battery_percent: u8,
}

impl About {
    /// Of a device of our own make, whose serial number is made of its address.
    pub(crate) fn of(model: &str, prefix: &str, address: &str, battery_percent: u8) -> Self {
        Self {
            manufacturer: "Hempuls Simulators".into(),
            model: model.into(),
            serial: format!("{prefix}{}", address.replace(':', "")),
            battery_percent,
        }
    }

    pub(crate) fn services(&self) -> [Service; 2] {
        [
            Service {
                uuid: Uuid::DEVICE_INFORMATION,
                characteristics: [Uuid::MANUFACTURER_NAME, Uuid::MODEL_NUMBER, Uuid::SERIAL_NUMBER]
                    .map(Characteristic::readable)
                    .into(),
            },
            Service {
                uuid: Uuid::BATTERY,
                characteristics: vec![Characteristic {
                    uuid: Uuid::BATTERY_LEVEL,
                    flags: &["read", "notify"],
                    encrypted: false,
                }],
            },
        ]
    }

    pub(crate) fn read(&self, characteristic: Uuid) -> Option<Vec<u8>> {
        match characteristic {
            Uuid::MANUFACTURER_NAME => Some(self.manufacturer.clone().into_bytes()),
            Uuid::MODEL_NUMBER => Some(self.model.clone().into_bytes()),
            Uuid::SERIAL_NUMBER => Some(self.serial.clone().into_bytes()),
            Uuid::BATTERY_LEVEL => Some(vec![self.battery_percent]),
            _ => None,
        }
    }
}
