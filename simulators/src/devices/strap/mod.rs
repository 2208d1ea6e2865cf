//! A chest strap: Heart Rate Service 0x180D, characteristic 0x2A37, once a second with the time between beats.
//!
//! Source of the layout: Bluetooth SIG, GATT Specification Supplement, "Heart Rate Measurement".

use std::time::Instant;

use super::{
    about::About,
    worn::{Habits, Worn},
};
use crate::{
    air::{Address, Characteristic, Input, Output, Peripheral, Service, Uuid},
    bluez::Device,
    clock::Moment,
    ledger::Ledger,
};

/// A strap.
#[derive(Debug)]
pub struct Strap {
    address: Address,
    about: About,
    heart: Heart,
    worn: Worn,
}

/// What the strap feels.
#[derive(Debug, Clone, Copy)]
struct Heart {
    beats_per_minute: u8,
    /// How much of the next beat has passed, in 1/1024 s.
    passed: u32,
}

impl Strap {
    /// A strap at this address (`F0:F1:F2:F3:F4:F5`), in a drawer.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.parse().expect("a Bluetooth address"),
            about: About::of("HR 7", "HR", address, 91),
            heart: Heart { beats_per_minute: 70, passed: 0 },
            worn: Worn::new(Uuid::HEART_RATE_MEASUREMENT, Uuid::HEART_RATE, "HR 7", Moment::now()),
        }
    }

    /// Behaves on the air as told.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.worn.habits);
        self
    }
}

/// What a person does with the strap.
impl Device<Strap> {
    /// Puts it on, with a heart that beats so often a minute.
    pub fn put_on(&self, beats_per_minute: u8) {
        self.with(|strap| {
            strap.heart.beats_per_minute = beats_per_minute;
            strap.worn.put_on(Moment::now());
        });
    }

    /// Her heart beats so often from here on.
    pub fn beats(&self, beats_per_minute: u8) {
        self.with(|strap| strap.heart.beats_per_minute = beats_per_minute);
    }

    /// Takes it off.
    pub fn take_off(&self) {
        self.with(|strap| strap.worn.take_off(Moment::now()));
    }
}

impl Heart {
    /// One second passes; the bytes of characteristic 0x2A37.
    fn second(&mut self, has_contact: bool) -> Vec<u8> {
        const CONTACT_SUPPORTED: u8 = 1 << 2;
        const CONTACT: u8 = 1 << 1;
        const INTERVALS: u8 = 1 << 4;

        if !has_contact {
            // It shows the last rate for as long as it hopes for another beat.
            return vec![CONTACT_SUPPORTED, self.beats_per_minute];
        }
        let interval = 60 * 1024 / u32::from(self.beats_per_minute.max(1));
        self.passed += 1024;
        let mut bytes = vec![CONTACT_SUPPORTED | CONTACT | INTERVALS, self.beats_per_minute];
        while self.passed >= interval {
            self.passed -= interval;
            bytes.extend(u16::try_from(interval).unwrap_or(u16::MAX).to_le_bytes());
        }
        bytes
    }
}

impl Peripheral for Strap {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        let flags = &["notify"];
        let heart_rate = Service {
            uuid: Uuid::HEART_RATE,
            characteristics: vec![
                Characteristic { uuid: Uuid::HEART_RATE_MEASUREMENT, flags, encrypted: false },
                Characteristic::readable(Uuid::BODY_SENSOR_LOCATION),
            ],
        };
        [heart_rate].into_iter().chain(self.about.services()).collect()
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        let heart = &mut self.heart;
        self.worn.handle(input, now, |has_contact| heart.second(has_contact))
    }

    fn next_wake(&self) -> Option<Instant> {
        self.worn.next_wake()
    }

    fn read(&mut self, characteristic: Uuid, _now: Moment) -> Option<Vec<u8>> {
        match characteristic {
            // The chest.
            Uuid::BODY_SENSOR_LOCATION => Some(vec![1]),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_as_many_beats_as_the_heart() {
        let mut heart = Heart { beats_per_minute: 72, passed: 0 };
        let seconds: Vec<_> = (0..60).map(|_| heart.second(true)).collect();
        assert_eq!(seconds.iter().map(|second| (second.len() - 2) / 2).sum::<usize>(), 72);
        assert_eq!(hex::encode(&seconds[0]), "16485503");
        assert_eq!(hex::encode(heart.second(false)), "0448");
    }
}
