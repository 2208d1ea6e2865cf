//! A finger clip that is worn and tells all the time: the standard's stream (0x2A5F), Nonin's, or BerryMed's.

mod berrymed;
mod nonin;
mod standard;

use std::time::{Duration, Instant};

use super::{
    about::About,
    oximeter::SpotCheck,
    worn::{Habits, Worn},
};
use crate::{
    air::{Address, Characteristic, Input, Output, Peripheral, Service, Uuid},
    bluez::Device,
    clock::Moment,
    ledger::Ledger,
};

/// A finger clip.
#[derive(Debug)]
pub struct Clip {
    address: Address,
    about: About,
    make: Make,
    finger: SpotCheck,
    /// How many notifications it has sent.
    sent: u32,
    worn: Worn,
}

/// Whose protocol it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    Standard,
    Nonin,
    Berrymed,
}

impl Clip {
    /// A clip at this address (`F0:F1:F2:F3:F4:F5`) that keeps to the standard, in a drawer.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self::of(Make::Standard, address, "SPO 2", Uuid::PULSE_OXIMETER_CONTINUOUS, Uuid::PULSE_OXIMETER)
    }

    /// A Nonin 3230.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn nonin(address: &str) -> Self {
        Self::of(Make::Nonin, address, "Nonin3230_502621587", nonin::MEASUREMENT, nonin::SERVICE)
    }

    /// A BerryMed BM1000: a notification of four packets 25 times a second.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn berrymed(address: &str) -> Self {
        Self::of(Make::Berrymed, address, "BerryMed", berrymed::MEASUREMENT, berrymed::SERVICE)
            .with(|habits| habits.notifies_every = Duration::from_millis(40))
    }

    fn of(make: Make, address: &str, name: &str, measurement: Uuid, service: Uuid) -> Self {
        Self {
            address: address.parse().expect("a Bluetooth address"),
            about: About::of(name, "OX", address, 66),
            make,
            finger: SpotCheck { oxygen_saturation: None, pulse: None },
            sent: 0,
            worn: Worn::new(measurement, service, name, Moment::now()),
        }
    }

    /// Advertises, and calls its model, by this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.worn.name(name);
        self.about.model = name.to_owned();
        self
    }

    /// Behaves on the air as told.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.worn.habits);
        self
    }
}

/// What a person does with the clip.
impl Device<Clip> {
    /// Puts it on a finger with these values.
    pub fn put_on(&self, finger: SpotCheck) {
        self.with(|clip| {
            clip.finger = finger;
            clip.worn.put_on(Moment::now());
        });
    }

    /// Takes it off.
    pub fn take_off(&self) {
        self.with(|clip| clip.worn.take_off(Moment::now()));
    }
}

impl Peripheral for Clip {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        let notifying = |uuid| Characteristic { uuid, flags: &["notify"], encrypted: false };
        let stream = match self.make {
            Make::Standard => Service {
                uuid: Uuid::PULSE_OXIMETER,
                characteristics: vec![
                    notifying(Uuid::PULSE_OXIMETER_CONTINUOUS),
                    Characteristic::readable(Uuid::PULSE_OXIMETER_FEATURES),
                ],
            },
            Make::Nonin => Service { uuid: nonin::SERVICE, characteristics: vec![notifying(nonin::MEASUREMENT)] },
            Make::Berrymed => {
                Service { uuid: berrymed::SERVICE, characteristics: vec![notifying(berrymed::MEASUREMENT)] }
            }
        };
        [stream].into_iter().chain(self.about.services()).collect()
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        let Self { make, finger, sent, worn, .. } = self;
        worn.handle(input, now, |has_contact| {
            let finger = if has_contact { *finger } else { SpotCheck { oxygen_saturation: None, pulse: None } };
            *sent += 1;
            match make {
                Make::Standard => standard::encode(finger),
                Make::Nonin => nonin::encode(finger, *sent),
                Make::Berrymed => berrymed::encode(finger, *sent),
            }
        })
    }

    fn next_wake(&self) -> Option<Instant> {
        self.worn.next_wake()
    }

    fn read(&mut self, characteristic: Uuid, _now: Moment) -> Option<Vec<u8>> {
        match characteristic {
            // Measurement status and device status, with the bits it can set.
            Uuid::PULSE_OXIMETER_FEATURES if self.make == Make::Standard => {
                Some(vec![0b0000_0011, 0, 0x20, 0x20, 0x00, 0x08, 0x00])
            }
            other => self.about.read(other),
        }
    }

    fn write(&mut self, _characteristic: Uuid, _value: &[u8], _now: Moment) -> bool {
        false
    }

    fn ledger(&self) -> &Ledger {
        self.worn.ledger()
    }
}
