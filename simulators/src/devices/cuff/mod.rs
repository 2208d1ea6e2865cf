//! A blood pressure cuff: Blood Pressure Service 0x1810, with a memory, a clock of its own and, if wanted, bonding.
//!
//! Source of the layouts: Bluetooth SIG, Blood Pressure Service 1.1.1 and GATT Specification Supplement; Beurer's
//! dialect as recorded from a BM 85.

use std::time::Instant;

use jiff::civil::DateTime;

use super::{
    about::About,
    clock::Clock,
    payload,
    recorder::{Bonding, Habits, Recorder},
};
use crate::{
    air::{Address, Characteristic, Input, Output, Peripheral, Service, Uuid},
    bluez::Device,
    clock::Moment,
    ledger::{Ledger, ReadingId},
};

/// A cuff. Plain unless told otherwise: clock right, no bonding, forgets what was confirmed.
#[derive(Debug)]
pub struct Cuff {
    address: Address,
    about: About,
    clock: Clock,
    dialect: Dialect,
    recorder: Recorder,
}

/// What one measurement found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BloodPressure {
    /// mmHg.
    pub systolic: u16,
    /// mmHg.
    pub diastolic: u16,
    /// mmHg; cheap cuffs send none.
    pub mean: Option<u16>,
    /// Beats per minute.
    pub pulse: Option<u16>,
    /// Which of its users the cuff was set to, on a cuff that has users.
    pub user: Option<u8>,
    /// Measurement status bits: movement, loose cuff, irregular pulse, …
    pub status: u16,
}

/// How a measurement is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As the specification says.
    Standard,
    /// Flag bit 6 set, user sent without its flag, pulse and status big-endian, no mean pressure.
    Beurer,
}

impl Cuff {
    /// A cuff at this address (`F0:F1:F2:F3:F4:F5`).
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.parse().expect("a Bluetooth address"),
            about: About::of("BPM 59", "BP", address, 88),
            clock: Clock::Right,
            dialect: Dialect::Standard,
            recorder: Recorder::new(Uuid::BLOOD_PRESSURE_MEASUREMENT, Uuid::BLOOD_PRESSURE, "BPM 59"),
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

    /// Shows this number while it pairs, and lets nobody subscribe who has not typed it.
    #[must_use]
    pub fn showing(mut self, passkey: u32) -> Self {
        self.recorder.habits.bonding = Bonding::ByNumber(passkey);
        self
    }

    /// Sends its whole memory each time.
    #[must_use]
    pub fn keeping_its_memory(mut self) -> Self {
        self.recorder.habits.keeps_memory = true;
        self
    }

    /// Remembers a bonded central's subscription.
    #[must_use]
    pub fn keeping_subscriptions(mut self) -> Self {
        self.recorder.habits.keeps_subscription = true;
        self
    }

    /// Has this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Writes Beurer's dialect and keeps its memory, as Beurer's do.
    #[must_use]
    pub fn beurer(mut self) -> Self {
        self.dialect = Dialect::Beurer;
        self.keeping_its_memory()
    }

    /// Behaves on the air as told.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.recorder.habits);
        self
    }

    fn measure(&mut self, values: BloodPressure, at: DateTime, now: Moment) -> ReadingId {
        let payload = self.dialect.encode(values, self.clock.shows(at));
        self.recorder.keep(payload, now)
    }
}

/// What a person does with the cuff.
impl Device<Cuff> {
    /// Measures; the cuff goes on the air with the result.
    pub fn measure(&self, values: BloodPressure) -> ReadingId {
        self.measure_at(values, Moment::now().wall())
    }

    /// Measures as if the kitchen wall's clock showed `at`.
    pub fn measure_at(&self, values: BloodPressure, at: DateTime) -> ReadingId {
        self.with(|cuff| cuff.measure(values, at, Moment::now()))
    }

    /// Makes it advertise with nothing new to tell, as holding the button does for pairing.
    pub fn advertise(&self) {
        self.with(|cuff| cuff.recorder.go_on_air(Moment::now().instant));
    }
}

impl Dialect {
    /// The bytes of characteristic 0x2A35.
    fn encode(self, values: BloodPressure, time: Option<DateTime>) -> Vec<u8> {
        const HAS_TIME: u8 = 1 << 1;
        const HAS_PULSE: u8 = 1 << 2;
        const HAS_USER: u8 = 1 << 3;
        const HAS_STATUS: u8 = 1 << 4;
        const BEURER: u8 = 1 << 6;

        let mut flags = HAS_STATUS;
        flags |= time.map_or(0, |_| HAS_TIME);
        flags |= values.pulse.map_or(0, |_| HAS_PULSE);
        flags |= match self {
            Self::Standard => values.user.map_or(0, |_| HAS_USER),
            Self::Beurer => BEURER,
        };
        let mean = match self {
            Self::Standard => payload::sfloat(values.mean),
            Self::Beurer => [0, 0],
        };
        let pulse = values.pulse.map(|pulse| payload::sfloat(Some(pulse)));
        let status = values.status.to_le_bytes();
        let in_order = |[low, high]: [u8; 2]| match self {
            Self::Standard => [low, high],
            Self::Beurer => [high, low],
        };
        let user = match self {
            Self::Standard => values.user,
            Self::Beurer => values.user.or(Some(0)),
        };

        let mut bytes = vec![flags];
        bytes.extend(payload::sfloat(Some(values.systolic)));
        bytes.extend(payload::sfloat(Some(values.diastolic)));
        bytes.extend(mean);
        bytes.extend(time.map(payload::date_time).into_iter().flatten());
        bytes.extend(pulse.map(in_order).into_iter().flatten());
        bytes.extend(user);
        bytes.extend(in_order(status));
        bytes
    }
}

impl Peripheral for Cuff {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        let encrypted = self.recorder.habits.bonding != Bonding::NotNeeded;
        let blood_pressure = Service {
            uuid: Uuid::BLOOD_PRESSURE,
            characteristics: vec![
                Characteristic { uuid: Uuid::BLOOD_PRESSURE_MEASUREMENT, flags: &["indicate"], encrypted },
                Characteristic::readable(Uuid::BLOOD_PRESSURE_FEATURE),
            ],
        };
        [blood_pressure].into_iter().chain(self.about.services()).chain(self.clock.service(encrypted)).collect()
    }

    fn asks_for_security(&self) -> bool {
        self.recorder.habits.bonding == Bonding::AskedFor
    }

    fn passkey(&self) -> Option<u32> {
        match self.recorder.habits.bonding {
            Bonding::ByNumber(passkey) => Some(passkey),
            Bonding::NotNeeded | Bonding::ToSubscribe | Bonding::AskedFor => None,
        }
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        self.recorder.handle(input, now)
    }

    fn next_wake(&self) -> Option<Instant> {
        self.recorder.next_wake()
    }

    fn read(&mut self, characteristic: Uuid, now: Moment) -> Option<Vec<u8>> {
        match characteristic {
            // Body movement, cuff fit and irregular pulse are measured.
            Uuid::BLOOD_PRESSURE_FEATURE => Some(vec![0b0000_0111, 0]),
            Uuid::CURRENT_TIME => self.clock.read(now),
            other => self.about.read(other),
        }
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Moment) -> bool {
        characteristic == Uuid::CURRENT_TIME && self.clock.write(value, now)
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

    const VALUES: BloodPressure =
        BloodPressure { systolic: 120, diastolic: 80, mean: Some(93), pulse: Some(72), user: Some(1), status: 0 };

    #[test]
    fn a_standard_measurement_has_all_19_bytes() {
        let at = date(2026, 11, 22).at(10, 30, 0, 0);
        assert_eq!(
            hex::encode(Dialect::Standard.encode(VALUES, Some(at))),
            "1e780050005d00ea070b160a1e00480001\
             0000"
        );
    }

    #[test]
    fn a_clockless_measurement_has_no_time() {
        let payload = Dialect::Standard.encode(VALUES, Clock::Absent.shows(date(2026, 1, 1).into()));
        assert_eq!(hex::encode(payload), "1c780050005d004800010000");
    }

    #[test]
    fn beurer_sends_the_user_without_saying_so_and_the_pulse_big_endian() {
        let at = date(2026, 11, 22).at(10, 30, 0, 0);
        assert_eq!(
            hex::encode(Dialect::Beurer.encode(VALUES, Some(at))),
            "567800500000\
             00ea070b160a1e000048010000"
        );
    }
}
