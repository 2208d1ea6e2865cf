//! A Yonker cuff: its last result, notified to whoever connects after the measurement, with the time of a clock that goes
//! wrong and that nobody can set.
//!
//! Source: derdilla/blood-pressure-monitor-fl, issue 615.

use std::time::Instant;

use jiff::civil::{DateTime, date};

use super::{
    about::About,
    cuff::BloodPressure,
    recorder::{Habits, Recorder},
};
use crate::{
    air::{Address, Characteristic, Input, Output, Peripheral, Service, Uuid},
    bluez::Device,
    clock::Moment,
    ledger::{Ledger, ReadingId},
};

const SERVICE: Uuid = Uuid::vendor(0xcdea_cd80_5235_4c07_8846_93a3_7ee6_b86d);
const MEASUREMENT: Uuid = Uuid::vendor(0xcdea_cd81_5235_4c07_8846_93a3_7ee6_b86d);
const COMMANDS: Uuid = Uuid::vendor(0xcdea_cd82_5235_4c07_8846_93a3_7ee6_b86d);

/// A Yonker cuff.
#[derive(Debug)]
pub struct Yonker {
    address: Address,
    about: About,
    /// What its clock showed when it was switched on, and when that was.
    shown: DateTime,
    since: Instant,
    recorder: Recorder,
}

impl Yonker {
    /// A cuff at this address (`F0:F1:F2:F3:F4:F5`). Its clock began with its battery.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let mut recorder = Recorder::notifying(MEASUREMENT, SERVICE, "YK-IBPA1");
        recorder.habits.keeps_unsent = false;
        Self {
            address: address.parse().expect("a Bluetooth address"),
            about: About::of("YK-IBPA1", "YK", address, 50),
            shown: date(2024, 11, 25).at(19, 18, 0, 0),
            since: Moment::now().instant,
            recorder,
        }
    }

    /// Behaves on the air as told.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.recorder.habits);
        self
    }

    fn measure(&mut self, values: BloodPressure, now: Moment) -> ReadingId {
        let shown = self.shown.saturating_add(now.instant.duration_since(self.since));
        self.recorder.keep(encode(values, shown), now)
    }
}

/// What a person does with the cuff.
impl Device<Yonker> {
    /// Measures; the cuff goes on the air with the result.
    pub fn measure(&self, values: BloodPressure) -> ReadingId {
        self.with(|cuff| cuff.measure(values, Moment::now()))
    }
}

/// The 15 bytes of a result.
fn encode(values: BloodPressure, shown: DateTime) -> Vec<u8> {
    let byte = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
    let year = u8::try_from(shown.year() - 2000).unwrap_or(0);
    let [month, day, hour, minute] = [shown.month(), shown.day(), shown.hour(), shown.minute()].map(i8::unsigned_abs);
    let mut bytes = vec![0x81, byte(values.systolic), byte(values.diastolic), byte(values.pulse.unwrap_or(0)), 0, 0];
    bytes.extend([day, month, year, hour, minute, 0, 0, 0, 0]);
    bytes
}

impl Peripheral for Yonker {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        let characteristics = vec![
            Characteristic { uuid: MEASUREMENT, flags: &["notify"], encrypted: false },
            Characteristic { uuid: COMMANDS, flags: &["write"], encrypted: false },
        ];
        [Service { uuid: SERVICE, characteristics }].into_iter().chain(self.about.services()).collect()
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        self.recorder.handle(input, now)
    }

    fn next_wake(&self) -> Option<Instant> {
        self.recorder.next_wake()
    }

    fn read(&mut self, characteristic: Uuid, _now: Moment) -> Option<Vec<u8>> {
        self.about.read(characteristic)
    }

    fn write(&mut self, _characteristic: Uuid, _value: &[u8], _now: Moment) -> bool {
        false
    }

    fn ledger(&self) -> &Ledger {
        self.recorder.ledger()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_a_real_one_sent() {
        let values =
            BloodPressure { systolic: 131, diastolic: 103, mean: Some(112), pulse: Some(81), user: None, status: 0 };
        let sent = encode(values, date(2024, 11, 25).at(19, 18, 0, 0));
        assert_eq!(hex::encode(sent), "818367510000190b18131200000000");
    }
}
