//! What a stranger is, and what that advertises.
//!
//! Source of the forms: Bluetooth SIG, Assigned Numbers (companies, services); Apple, "Proximity Beacon Specification";
//! Google, "Eddystone protocol"; Bluetooth Core Specification, Vol 6, Part B, 1.3 (kinds of address).

use rand::{Rng, rngs::SmallRng};

use crate::air::{Address, Advertisement, Uuid};

/// What a stranger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A phone that hides behind addresses that change.
    Phone,
    /// A telephone or laptop of another make, which hides too.
    Laptop,
    /// Headphones, with a name and an address of their own.
    Headset,
    /// An iBeacon in the stairwell.
    Beacon,
    /// A tag on somebody's keys.
    Tag,
    /// A lamp, a lock, a television.
    Appliance,
    /// A watch that tells its wearer's pulse to whoever listens.
    Watch,
    /// A neighbour's cuff.
    Cuff,
    /// A neighbour's oximeter.
    Oximeter,
    /// A neighbour's scale.
    Scale,
    /// A neighbour's alarm button, with a key that is not ours.
    Button,
}

const APPLE: u16 = 0x004c;
const MICROSOFT: u16 = 0x0006;
const HEART_RATE: Uuid = Uuid::assigned(0x180d);
const WEIGHT_SCALE: Uuid = Uuid::assigned(0x181d);
const EDDYSTONE: Uuid = Uuid::assigned(0xfeaa);
const FAST_PAIR: Uuid = Uuid::assigned(0xfe2c);

impl What {
    /// Whether its address is a resolvable private one, which changes.
    pub(super) fn hides(self) -> bool {
        matches!(self, Self::Phone | Self::Laptop)
    }

    /// An address as this kind of device has.
    pub(super) fn address(self, chance: &mut SmallRng) -> Address {
        let mut bytes: [u8; 6] = chance.random();
        // The two highest bits: 01 for a resolvable private address, 11 for a static random one; a bought one has any.
        bytes[0] = match self {
            Self::Phone | Self::Laptop => bytes[0] & 0x3f | 0x40,
            Self::Beacon | Self::Tag | Self::Watch | Self::Cuff => bytes[0] | 0xc0,
            Self::Headset | Self::Appliance | Self::Oximeter | Self::Scale | Self::Button => bytes[0] & 0x3c,
        };
        Address(bytes)
    }

    /// The services it lists.
    pub(super) fn services(self) -> impl Iterator<Item = Uuid> {
        let service = match self {
            Self::Headset => Some(FAST_PAIR),
            Self::Watch => Some(HEART_RATE),
            Self::Cuff => Some(Uuid::BLOOD_PRESSURE),
            Self::Oximeter => Some(Uuid::PULSE_OXIMETER),
            Self::Scale => Some(WEIGHT_SCALE),
            Self::Phone | Self::Laptop | Self::Beacon | Self::Tag | Self::Appliance | Self::Button => None,
        };
        service.into_iter()
    }

    /// Its advertisement number `sent`.
    pub(super) fn advertisement(self, sent: u32, chance: &mut SmallRng) -> Advertisement {
        let name = match self {
            Self::Headset => Some("LE-WH-1000"),
            Self::Appliance => Some("[TV] Vardagsrum"),
            Self::Watch => Some("Forerunner"),
            Self::Cuff => Some("BPM 59"),
            Self::Oximeter => Some("SPO 1"),
            Self::Scale => Some("WS 3"),
            Self::Phone | Self::Laptop | Self::Beacon | Self::Tag | Self::Button => None,
        };
        let manufacturer_data = match self {
            // Nearby Info: its bytes change with what the phone does.
            Self::Phone => Some((APPLE, vec![0x10, 0x05, 0x41, 0x1c, chance.random(), chance.random(), 0x00])),
            Self::Laptop => Some((MICROSOFT, [&[0x01, 0x09, 0x20, 0x22][..], &chance.random::<[u8; 8]>()].concat())),
            Self::Beacon => Some((APPLE, [&[0x02, 0x15][..], &[0x5a; 16], &[0, 7, 0, 1, 0xc5]].concat())),
            Self::Headset
            | Self::Tag
            | Self::Appliance
            | Self::Watch
            | Self::Cuff
            | Self::Oximeter
            | Self::Scale
            | Self::Button => None,
        };
        let service_data = match self {
            Self::Tag => Some((EDDYSTONE, [&[0x00, 0xee][..], &[0x7a; 16]].concat())),
            // An encrypted BTHome frame: six bytes of objects, the counter, a check. Nobody here has the key.
            Self::Button => Some((
                Uuid::BTHOME,
                [&[0x45][..], &chance.random::<[u8; 6]>(), &sent.to_le_bytes(), &chance.random::<[u8; 4]>()].concat(),
            )),
            Self::Phone
            | Self::Laptop
            | Self::Headset
            | Self::Beacon
            | Self::Appliance
            | Self::Watch
            | Self::Cuff
            | Self::Oximeter
            | Self::Scale => None,
        };
        Advertisement {
            name: name.map(str::to_owned),
            services: self.services().collect(),
            manufacturer_data,
            service_data,
            connectable: !matches!(self, Self::Beacon | Self::Tag | Self::Button),
        }
    }
}
