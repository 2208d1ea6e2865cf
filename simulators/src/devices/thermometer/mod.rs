//! An ear thermometer: Health Thermometer Service 0x1809. It sends once, right after measuring, and keeps nothing: who is
//! not there then never learns of it.
//!
//! Source of the layout: Bluetooth SIG, GATT Specification Supplement, "Temperature Measurement"; of the habit:
//! nordicsemi/Android-nRF-Connect issue 211 (a Rossmax).

use std::time::{Duration, Instant};

use jiff::civil::DateTime;

use super::{
    about::About,
    clock::Clock,
    payload,
    recorder::{Habits, Recorder},
};
use crate::{
    air::{Address, Characteristic, Input, Output, Peripheral, Service, Uuid},
    bluez::Device,
    clock::Moment,
    ledger::{Ledger, ReadingId},
};

/// A thermometer.
#[derive(Debug)]
pub struct Thermometer {
    address: Address,
    about: About,
    clock: Clock,
    recorder: Recorder,
}

impl Thermometer {
    /// A thermometer at this address (`F0:F1:F2:F3:F4:F5`), whose clock is right.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let mut recorder = Recorder::new(Uuid::TEMPERATURE_MEASUREMENT, Uuid::HEALTH_THERMOMETER, "TM 4");
        recorder.habits.keeps_unsent = false;
        recorder.habits.advertises_for = Duration::from_secs(15);
        Self {
            address: address.parse().expect("a Bluetooth address"),
            about: About::of("TM 4", "TM", address, 59),
            clock: Clock::Right,
            recorder,
        }
    }

    /// Has this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Behaves on the air as told.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.recorder.habits);
        self
    }
}

/// What a person does with the thermometer.
impl Device<Thermometer> {
    /// Measures; `tenths` are tenths of a degree Celsius.
    pub fn measure(&self, tenths: u16) -> ReadingId {
        self.measure_at(tenths, Moment::now().wall())
    }

    /// Measures as if the kitchen wall's clock showed `at`.
    pub fn measure_at(&self, tenths: u16, at: DateTime) -> ReadingId {
        self.with(|thermometer| {
            let payload = encode(tenths, thermometer.clock.shows(at));
            thermometer.recorder.keep(payload, Moment::now())
        })
    }
}

/// The bytes of characteristic 0x2A1C, in °C, taken in the ear.
fn encode(tenths: u16, at: Option<DateTime>) -> Vec<u8> {
    const HAS_TIME: u8 = 1 << 1;
    const HAS_TYPE: u8 = 1 << 2;
    const EAR: u8 = 3;
    /// Of a FLOAT: the exponent −1, in its highest byte.
    const TENTHS: u8 = 0xff;

    let mut bytes = vec![HAS_TYPE | at.map_or(0, |_| HAS_TIME)];
    let [low, high] = tenths.to_le_bytes();
    bytes.extend([low, high, 0, TENTHS]);
    bytes.extend(at.map(payload::date_time).into_iter().flatten());
    bytes.push(EAR);
    bytes
}

impl Peripheral for Thermometer {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        let flags = &["indicate"];
        let thermometer = Service {
            uuid: Uuid::HEALTH_THERMOMETER,
            characteristics: vec![
                Characteristic { uuid: Uuid::TEMPERATURE_MEASUREMENT, flags, encrypted: false },
                Characteristic::readable(Uuid::TEMPERATURE_TYPE),
            ],
        };
        [thermometer].into_iter().chain(self.about.services()).chain(self.clock.service(false)).collect()
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        self.recorder.handle(input, now)
    }

    fn next_wake(&self) -> Option<Instant> {
        self.recorder.next_wake()
    }

    fn read(&mut self, characteristic: Uuid, now: Moment) -> Option<Vec<u8>> {
        match characteristic {
            Uuid::TEMPERATURE_TYPE => Some(vec![3]),
            Uuid::CURRENT_TIME => self.clock.read(now),
            other => self.about.read(other),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Moment) -> bool {
        characteristic == Uuid::CURRENT_TIME && self.clock.write(value, now)
    }

    fn ledger(&self) -> &Ledger {
        self.recorder.ledger()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_temperature_carries_time_and_place() {
        let at = date(2026, 11, 24).at(10, 30, 0, 0);
        assert_eq!(hex::encode(encode(383, Some(at))), "067f0100ffea070b180a1e0003");
        assert_eq!(hex::encode(encode(383, None)), "047f0100ff03");
    }
}
