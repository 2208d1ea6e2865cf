//! A fingertip pulse oximeter that reports spot checks: Pulse Oximeter Service 0x1822, characteristic 0x2A5E.
//!
//! Source of the layouts: Bluetooth SIG, Pulse Oximeter Service and GATT Specification Supplement.

use std::time::Instant;

use jiff::civil::DateTime;

use super::{
    about::About,
    payload,
    recorder::{Bonding, Habits, Recorder},
};
use crate::{
    air::{Address, Characteristic, Input, Output, Peripheral, Service, Uuid},
    bluez::Device,
    clock::Moment,
    ledger::{Ledger, ReadingId},
};

/// A pulse oximeter.
#[derive(Debug)]
pub struct Oximeter {
    address: Address,
    about: About,
    recorder: Recorder,
}

/// What one spot check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpotCheck {
    /// Per cent; none when there was no finger.
    pub oxygen_saturation: Option<u16>,
    /// Beats per minute; none when there was no finger.
    pub pulse: Option<u16>,
}

impl Oximeter {
    /// An oximeter at this address (`F0:F1:F2:F3:F4:F5`).
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.parse().expect("a Bluetooth address"),
            about: About::of("SPO 1", "OX", address, 74),
            recorder: Recorder::new(Uuid::PULSE_OXIMETER_SPOT_CHECK, Uuid::PULSE_OXIMETER, "SPO 1"),
        }
    }

    /// Advertises, and calls its model, by this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.recorder.name(name);
        self.about.model = name.to_owned();
        self
    }

    /// Needs an encrypted link to be subscribed to.
    #[must_use]
    pub fn bonding(mut self) -> Self {
        self.recorder.habits.bonding = Bonding::ToSubscribe;
        self
    }

    /// Keeps what it measured and says nothing until it is asked at its Record Access Control Point.
    #[must_use]
    pub fn waiting_to_be_asked(mut self) -> Self {
        self.recorder.habits.waits_to_be_asked = true;
        self.recorder.habits.keeps_memory = true;
        self
    }

    /// Behaves on the air as told.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.recorder.habits);
        self
    }
}

/// What a person does with the oximeter.
impl Device<Oximeter> {
    /// Measures; the oximeter goes on the air with the result.
    pub fn measure(&self, values: SpotCheck) -> ReadingId {
        self.measure_at(values, Moment::now().wall())
    }

    /// Measures as if the kitchen wall's clock showed `at`.
    pub fn measure_at(&self, values: SpotCheck, at: DateTime) -> ReadingId {
        self.with(|oximeter| oximeter.recorder.keep(encode(values, at), Moment::now()))
    }
}

/// The bytes of characteristic 0x2A5E, with time and measurement status ("fully qualified").
fn encode(values: SpotCheck, at: DateTime) -> Vec<u8> {
    const HAS_TIME_AND_STATUS: u8 = 0b11;
    const FULLY_QUALIFIED: u16 = 1 << 8;
    const UNAVAILABLE: u16 = 1 << 13;

    let status = match values.oxygen_saturation {
        Some(_) => FULLY_QUALIFIED,
        None => UNAVAILABLE,
    };
    let mut bytes = vec![HAS_TIME_AND_STATUS];
    bytes.extend(payload::sfloat(values.oxygen_saturation));
    bytes.extend(payload::sfloat(values.pulse));
    bytes.extend(payload::date_time(at));
    bytes.extend(status.to_le_bytes());
    bytes
}

impl Peripheral for Oximeter {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        let encrypted = self.recorder.habits.bonding != Bonding::NotNeeded;
        let mut spot_check = Service {
            uuid: Uuid::PULSE_OXIMETER,
            characteristics: vec![
                Characteristic { uuid: Uuid::PULSE_OXIMETER_SPOT_CHECK, flags: &["indicate"], encrypted },
                Characteristic::readable(Uuid::PULSE_OXIMETER_FEATURES),
            ],
        };
        if self.recorder.habits.waits_to_be_asked {
            let flags = &["write", "indicate"];
            let uuid = Uuid::RECORD_ACCESS_CONTROL_POINT;
            spot_check.characteristics.push(Characteristic { uuid, flags, encrypted });
        }
        let mut services = vec![spot_check];
        services.extend(self.about.services());
        services
    }

    fn asks_for_security(&self) -> bool {
        self.recorder.habits.bonding == Bonding::AskedFor
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        self.recorder.handle(input, now)
    }

    fn next_wake(&self) -> Option<Instant> {
        self.recorder.next_wake()
    }

    fn read(&mut self, characteristic: Uuid, _now: Moment) -> Option<Vec<u8>> {
        match characteristic {
            // Measurement status (with the two bits it can set), storage, time stamp.
            Uuid::PULSE_OXIMETER_FEATURES => Some(vec![0b0000_1101, 0, 0x00, 0x21]),
            other => self.about.read(other),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Moment) -> bool {
        characteristic == Uuid::RECORD_ACCESS_CONTROL_POINT && self.recorder.asked(value, now)
    }

    fn forget_bond(&mut self) {
        self.recorder.forget_bond();
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
    fn a_spot_check_carries_time_and_status() {
        let values = SpotCheck { oxygen_saturation: Some(97), pulse: Some(68) };
        let at = date(2026, 11, 22).at(10, 30, 0, 0);
        assert_eq!(hex::encode(encode(values, at)), "0361004400ea070b160a1e000001");
    }

    #[test]
    fn no_finger_is_nan() {
        let values = SpotCheck { oxygen_saturation: None, pulse: None };
        let payload = encode(values, date(2026, 11, 22).into());
        assert_eq!(payload[1..5], [0xff, 0x07, 0xff, 0x07]);
    }
}
