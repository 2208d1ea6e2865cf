//! What passes through the air between a device and whoever hears it.
//!
//! A device is a [`Peripheral`]: a core without clock or socket. A radio (here: the simulated BlueZ) tells it what
//! happens on the link and performs what it answers.

use std::{fmt, str::FromStr, time::Instant};

use crate::{clock::Moment, ledger::Ledger};

/// A device that can be heard, and usually connected to.
pub trait Peripheral: Send + 'static {
    /// The address it uses on the air.
    fn address(&self) -> Address;

    /// Its attributes, in the order of their handles; empty for a device that only broadcasts.
    fn services(&self) -> Vec<Service>;

    /// Whether the address is a random one, rather than one that was bought for it.
    fn has_random_address(&self) -> bool {
        self.address().is_static_random()
    }

    /// Whether it will never be heard again.
    fn is_gone(&self) -> bool {
        false
    }

    /// How strongly it is heard, in dBm.
    fn signal_dbm(&self) -> i16 {
        -58
    }

    /// Whether it asks for an encrypted link by itself, as soon as there is a link.
    fn asks_for_security(&self) -> bool {
        false
    }

    /// The number that it shows while it pairs; it insists that somebody types it.
    fn passkey(&self) -> Option<u32> {
        None
    }

    /// Something happened; the answer is what the device does about it.
    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output>;

    /// When to call again with [`Input::Tick`] if nothing happens before.
    fn next_wake(&self) -> Option<Instant>;

    /// The value of a readable characteristic; `None` when the device has none of that kind.
    fn read(&mut self, characteristic: Uuid, now: Moment) -> Option<Vec<u8>>;

    /// Takes a written value; `false` when the device refuses it.
    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Moment) -> bool;

    /// Loses the keys of every central it was bonded to, and what it kept for them.
    fn forget_bond(&mut self) {}

    /// Everything it did so far.
    fn ledger(&self) -> &Ledger;
}

/// What a radio tells a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A central is connected.
    Connected,
    /// The link is encrypted; `bonded` when both sides keep the keys.
    Encrypted {
        /// Whether the keys are kept for the next time.
        bonded: bool,
    },
    /// The central wrote the client configuration of a characteristic.
    Subscribed {
        /// Which one.
        characteristic: Uuid,
        /// Whether it wants values.
        on: bool,
    },
    /// The indication in flight was confirmed.
    Confirmed {
        /// The bytes that went over the air, which mischief may have altered.
        payload: Vec<u8>,
        /// Who was there to hear it.
        reception: Reception,
    },
    /// The notification just sent is in the air. Nobody confirms it.
    Notified(Reception),
    /// The advertisement just sent is in the air.
    Aired(Reception),
    /// The link is gone, whoever ended it.
    Disconnected,
    /// The time given by [`Peripheral::next_wake`] has come.
    Tick,
}

/// What a device does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Sends one advertisement.
    Advertise(Advertisement),
    /// Indicates a value and waits for the confirmation.
    Indicate {
        /// Which characteristic.
        characteristic: Uuid,
        /// Its value.
        value: Vec<u8>,
    },
    /// Notifies a value, and does not wait.
    Notify {
        /// Which characteristic.
        characteristic: Uuid,
        /// Its value.
        value: Vec<u8>,
    },
    /// Ends the link.
    HangUp,
    /// Calls itself by another address from here on, as phones do so that nobody can follow them.
    ChangeAddress,
}

/// Who could hear something at the moment it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reception {
    /// Programs that were scanning, with a filter that lets this device through.
    pub scanning: usize,
    /// Programs that had a notify session on the characteristic; 0 for an advertisement.
    pub listening: usize,
}

/// One advertisement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Advertisement {
    /// The local name.
    pub name: Option<String>,
    /// The list of service UUIDs; service data is not part of it.
    pub services: Vec<Uuid>,
    /// Company and its bytes.
    pub manufacturer_data: Option<(u16, Vec<u8>)>,
    /// Service and its bytes.
    pub service_data: Option<(Uuid, Vec<u8>)>,
    /// Whether the device takes a connection after it.
    pub connectable: bool,
}

impl Advertisement {
    /// Of a device that has this service and takes connections.
    #[must_use]
    pub fn of(service: Uuid, name: &str) -> Self {
        Self { name: Some(name.to_owned()), services: vec![service], connectable: true, ..Self::default() }
    }
}

/// A GATT service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What it is.
    pub uuid: Uuid,
    /// What it consists of.
    pub characteristics: Vec<Characteristic>,
}

/// A GATT characteristic. One that notifies or indicates also has a client configuration descriptor (0x2902).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Characteristic {
    /// What it is.
    pub uuid: Uuid,
    /// What one may do with it, in BlueZ's words: `read`, `write`, `notify`, `indicate`, …
    pub flags: &'static [&'static str],
    /// Whether reading, writing and subscribing need an encrypted link.
    pub encrypted: bool,
}

impl Characteristic {
    /// One that anyone may only read.
    #[must_use]
    pub fn readable(uuid: Uuid) -> Self {
        Self { uuid, flags: &["read"], encrypted: false }
    }

    /// Whether it sends values by itself.
    #[must_use]
    pub fn sends_values(&self) -> bool {
        self.allows("notify") || self.allows("indicate")
    }

    /// Whether it has this flag.
    #[must_use]
    pub fn allows(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }
}

/// What a service or a characteristic is; prints in the long form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl Uuid {
    /// One that the Bluetooth SIG assigned.
    #[must_use]
    pub const fn assigned(number: u16) -> Self {
        Self(0x0000_0000_0000_1000_8000_0080_5f9b_34fb | (number as u128) << 96)
    }

    /// One of a vendor's own.
    #[must_use]
    pub const fn vendor(uuid: u128) -> Self {
        Self(uuid)
    }
}

/// The UUIDs that the simulated devices use.
#[allow(missing_docs)]
impl Uuid {
    pub const BLOOD_PRESSURE: Self = Self::assigned(0x1810);
    pub const BLOOD_PRESSURE_MEASUREMENT: Self = Self::assigned(0x2a35);
    pub const BLOOD_PRESSURE_FEATURE: Self = Self::assigned(0x2a49);
    pub const PULSE_OXIMETER: Self = Self::assigned(0x1822);
    pub const PULSE_OXIMETER_SPOT_CHECK: Self = Self::assigned(0x2a5e);
    pub const PULSE_OXIMETER_CONTINUOUS: Self = Self::assigned(0x2a5f);
    pub const PULSE_OXIMETER_FEATURES: Self = Self::assigned(0x2a60);
    pub const RECORD_ACCESS_CONTROL_POINT: Self = Self::assigned(0x2a52);
    pub const HEALTH_THERMOMETER: Self = Self::assigned(0x1809);
    pub const TEMPERATURE_MEASUREMENT: Self = Self::assigned(0x2a1c);
    pub const TEMPERATURE_TYPE: Self = Self::assigned(0x2a1d);
    pub const WEIGHT_SCALE: Self = Self::assigned(0x181d);
    pub const WEIGHT_MEASUREMENT: Self = Self::assigned(0x2a9d);
    pub const WEIGHT_SCALE_FEATURE: Self = Self::assigned(0x2a9e);
    pub const HEART_RATE: Self = Self::assigned(0x180d);
    pub const HEART_RATE_MEASUREMENT: Self = Self::assigned(0x2a37);
    pub const BODY_SENSOR_LOCATION: Self = Self::assigned(0x2a38);
    pub const DEVICE_INFORMATION: Self = Self::assigned(0x180a);
    pub const MANUFACTURER_NAME: Self = Self::assigned(0x2a29);
    pub const MODEL_NUMBER: Self = Self::assigned(0x2a24);
    pub const SERIAL_NUMBER: Self = Self::assigned(0x2a25);
    pub const BATTERY: Self = Self::assigned(0x180f);
    pub const BATTERY_LEVEL: Self = Self::assigned(0x2a19);
    pub const CURRENT_TIME_SERVICE: Self = Self::assigned(0x1805);
    pub const CURRENT_TIME: Self = Self::assigned(0x2a2b);
    pub const CLIENT_CONFIGURATION: Self = Self::assigned(0x2902);
    pub const BTHOME: Self = Self::assigned(0xfcd2);
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
        f.write_str(&parts.join("-"))
    }
}

/// A Bluetooth address, in the order it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 6]);

impl Address {
    /// Whether its two highest bits are those of a random address that never changes. Of other addresses the bits do not
    /// tell whether they are random.
    #[must_use]
    pub fn is_static_random(self) -> bool {
        self.0[0] >> 6 == 0b11
    }

    /// As in an object path (`F0_F1_…`) or in the name BlueZ makes up (`F0-F1-…`).
    #[must_use]
    pub fn joined(self, separator: &str) -> String {
        self.0.map(|byte| format!("{byte:02X}")).join(separator)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined(":"))
    }
}

impl FromStr for Address {
    type Err = hex::FromHexError;

    /// # Errors
    /// [`hex::FromHexError`] unless it is six bytes with colons between.
    fn from_str(printed: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 6];
        hex::decode_to_slice(printed.replace(':', ""), &mut bytes)?;
        Ok(Self(bytes))
    }
}
