//! A bathroom scale for two: Weight Scale Service 0x181D. It knows who stands on it, keeps what nobody came for, and adds
//! the body mass index of those whose height it was told.
//!
//! Source of the layout: Bluetooth SIG, GATT Specification Supplement, "Weight Measurement" and "Weight Scale Feature".

use std::time::Instant;

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

/// A scale.
#[derive(Debug)]
pub struct Scale {
    address: Address,
    about: About,
    clock: Clock,
    recorder: Recorder,
}

/// What one weighing found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighing {
    /// In steps of 5 g; none when it could not weigh.
    pub five_grams: Option<u16>,
    /// Who stood on it, where it knows.
    pub user: Option<u8>,
    /// Her height in mm, where it was told.
    pub height_mm: Option<u16>,
}

impl Scale {
    /// A scale at this address (`F0:F1:F2:F3:F4:F5`), whose clock is right.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.parse().expect("a Bluetooth address"),
            about: About::of("WS 3", "WS", address, 81),
            clock: Clock::Right,
            recorder: Recorder::new(Uuid::WEIGHT_MEASUREMENT, Uuid::WEIGHT_SCALE, "WS 3"),
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

/// What a person does with the scale.
impl Device<Scale> {
    /// Somebody stands on it.
    pub fn weigh(&self, weighing: Weighing) -> ReadingId {
        self.weigh_at(weighing, Moment::now().wall())
    }

    /// Somebody stands on it as if the kitchen wall's clock showed `at`.
    pub fn weigh_at(&self, weighing: Weighing, at: DateTime) -> ReadingId {
        self.with(|scale| {
            let payload = encode(weighing, scale.clock.shows(at));
            scale.recorder.keep(payload, Moment::now())
        })
    }
}

/// The bytes of characteristic 0x2A9D, in kg and m.
fn encode(weighing: Weighing, at: Option<DateTime>) -> Vec<u8> {
    const HAS_TIME: u8 = 1 << 1;
    const HAS_USER: u8 = 1 << 2;
    const HAS_HEIGHT: u8 = 1 << 3;
    const UNSUCCESSFUL: u16 = u16::MAX;

    let height = weighing.height_mm.filter(|_| weighing.five_grams.is_some());
    let mut flags = at.map_or(0, |_| HAS_TIME);
    flags |= weighing.user.map_or(0, |_| HAS_USER) | height.map_or(0, |_| HAS_HEIGHT);
    let steps = weighing.five_grams.unwrap_or(UNSUCCESSFUL);
    let mut bytes = vec![flags];
    bytes.extend(steps.to_le_bytes());
    bytes.extend(at.map(payload::date_time).into_iter().flatten());
    bytes.extend(weighing.user);
    if let Some(height) = height {
        bytes.extend(body_mass_index(steps, height).to_le_bytes());
        bytes.extend(height.to_le_bytes());
    }
    bytes
}

/// In tenths of kg/m².
fn body_mass_index(five_grams: u16, height_mm: u16) -> u16 {
    let square = u64::from(height_mm) * u64::from(height_mm);
    let tenths = (u64::from(five_grams) * 50_000 + square / 2).checked_div(square);
    tenths.and_then(|tenths| u16::try_from(tenths).ok()).unwrap_or(u16::MAX)
}

impl Peripheral for Scale {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        let flags = &["indicate"];
        let scale = Service {
            uuid: Uuid::WEIGHT_SCALE,
            characteristics: vec![
                Characteristic { uuid: Uuid::WEIGHT_MEASUREMENT, flags, encrypted: false },
                Characteristic::readable(Uuid::WEIGHT_SCALE_FEATURE),
            ],
        };
        [scale].into_iter().chain(self.about.services()).chain(self.clock.service(false)).collect()
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        self.recorder.handle(input, now)
    }

    fn next_wake(&self) -> Option<Instant> {
        self.recorder.next_wake()
    }

    fn read(&mut self, characteristic: Uuid, now: Moment) -> Option<Vec<u8>> {
        match characteristic {
            // Time, several users, body mass index; weight in steps of 5 g, height in steps of 1 mm.
            Uuid::WEIGHT_SCALE_FEATURE => Some(vec![0b1011_1111, 0b0000_0001, 0, 0]),
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
    fn a_weighing_says_who_it_was_and_how_heavy_for_her_height() {
        let at = date(2026, 11, 24).at(7, 0, 0, 0);
        let weighing = Weighing { five_grams: Some(13_640), user: Some(2), height_mm: Some(1_650) };
        assert_eq!(hex::encode(encode(weighing, Some(at))), "0e4835ea070b1807000002fb007206");
        assert_eq!(body_mass_index(13_640, 1_650), 251, "68.2 kg at 1.65 m are 25.1");
    }

    #[test]
    fn a_scale_that_could_not_weigh_says_so() {
        let weighing = Weighing { five_grams: None, user: None, height_mm: Some(1_650) };
        assert_eq!(hex::encode(encode(weighing, None)), "00ffff");
    }
}
