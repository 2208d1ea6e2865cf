//! A Microlife BP3GY1-2N: a cuff that says nothing until it is asked, and then its whole memory, in frames that are cut into
//! notifications.
//!
//! Source: joergmlpts/blood-pressure-monitor (bpm_bt.py); derdilla/blood-pressure-monitor-fl (microlife_*.dart).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::civil::DateTime;

use super::{about::About, clock::Clock, cuff::BloodPressure};
use crate::{
    air::{Address, Advertisement, Characteristic, Input, Output, Peripheral, Service, Uuid},
    bluez::Device,
    clock::Moment,
    ledger::{Deed, Ledger, ReadingId},
};

const SERVICE: Uuid = Uuid::assigned(0xfff0);
const ANSWERS: Uuid = Uuid::assigned(0xfff1);
const COMMANDS: Uuid = Uuid::assigned(0xfff2);

/// A Microlife cuff.
#[derive(Debug)]
pub struct Microlife {
    address: Address,
    about: About,
    clock: Clock,
    habits: Habits,
    memory: Vec<(ReadingId, [u8; 10])>,
    last_reading: u32,
    on_air: Option<OnAir>,
    link: Option<Link>,
    ledger: Ledger,
}

/// How it behaves on the air.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Time between two advertisements.
    pub advertises_every: Duration,
    /// How long it advertises after a measurement.
    pub advertises_for: Duration,
    /// How long it takes for an answer, and from one notification of it to the next.
    pub answers_after: Duration,
    /// How long it waits, connected, for a command.
    pub waits_for_command: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            advertises_every: Duration::from_millis(100),
            advertises_for: Duration::from_secs(60),
            answers_after: Duration::from_millis(30),
            waits_for_command: Duration::from_secs(30),
        }
    }
}

#[derive(Debug)]
struct OnAir {
    next: Instant,
    until: Instant,
}

#[derive(Debug)]
struct Link {
    subscribed: bool,
    /// What was written of a command so far.
    command: Vec<u8>,
    /// Notifications still to be sent.
    answer: VecDeque<Vec<u8>>,
    /// The readings that the last of them completes.
    telling: Vec<ReadingId>,
    next: Instant,
}

/// What one notification holds.
const NOTIFICATION: usize = 20;
/// As many readings as it keeps; the oldest makes room.
const MEMORY: usize = 99;

impl Microlife {
    /// A cuff at this address (`F0:F1:F2:F3:F4:F5`), whose clock is right.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.parse().expect("a Bluetooth address"),
            about: About::of("BP3GY1-2N", "ML", address, 77),
            clock: Clock::Right,
            habits: Habits::default(),
            memory: Vec::new(),
            last_reading: 0,
            on_air: None,
            link: None,
            ledger: Ledger::default(),
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
        change(&mut self.habits);
        self
    }

    fn measure(&mut self, values: BloodPressure, at: DateTime, now: Moment) -> ReadingId {
        self.last_reading += 1;
        let reading = ReadingId(self.last_reading);
        self.ledger.note(Deed::Measured(reading), now);
        if self.memory.len() == MEMORY {
            let (oldest, _) = self.memory.remove(0);
            self.ledger.note(Deed::Forgot(oldest), now);
        }
        self.memory.push((reading, record(values, self.clock.shows(at).unwrap_or_default())));
        self.go_on_air(now);
        reading
    }

    fn go_on_air(&mut self, now: Moment) {
        self.on_air = Some(OnAir { next: now.instant, until: now.instant + self.habits.advertises_for });
    }

    fn tick(&mut self, now: Moment) -> Vec<Output> {
        let Some(link) = &mut self.link else { return self.advertise(now) };
        if link.next > now.instant {
            return Vec::new();
        }
        let Some(value) = link.answer.pop_front().filter(|_| link.subscribed) else {
            return vec![Output::HangUp];
        };
        let is_over = link.answer.is_empty();
        link.next = now.instant + if is_over { self.habits.waits_for_command } else { self.habits.answers_after };
        vec![Output::Notify { characteristic: ANSWERS, value }]
    }

    fn advertise(&mut self, now: Moment) -> Vec<Output> {
        match &mut self.on_air {
            Some(on_air) if now.instant > on_air.until => {
                self.on_air = None;
                Vec::new()
            }
            Some(on_air) if now.instant >= on_air.next => {
                on_air.next = now.instant + self.habits.advertises_every;
                vec![Output::Advertise(Advertisement::of(SERVICE, &self.about.model))]
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn obey(&mut self, command: &[u8], now: Moment) -> bool {
        const SET_TIME: u8 = 0x0d;
        const READ_ALL: u8 = 0x00;
        const GOODBYE: u8 = 0x04;

        let Some(link) = &mut self.link else { return false };
        link.next = now.instant + self.habits.answers_after;
        let answer = match command {
            [SET_TIME, year, month, day, hour, minute, second] => {
                let part = |byte: &u8| i8::try_from(*byte).unwrap_or(-1);
                let set = DateTime::new(
                    2000 + i16::from(*year),
                    part(month),
                    part(day),
                    part(hour),
                    part(minute),
                    part(second),
                    0,
                );
                let Ok(set) = set else { return false };
                self.clock = self.clock.set(set, now.wall());
                vec![0x81]
            }
            [READ_ALL, ..] => {
                link.telling = self.memory.iter().map(|(reading, _)| *reading).collect();
                // Model, patient and counts, which nobody here reads.
                let mut payload = vec![0; 38];
                payload.extend(self.memory.iter().flat_map(|(_, record)| record));
                payload
            }
            [GOODBYE] => {
                link.answer.clear();
                return true;
            }
            _ => return false,
        };
        link.answer = frame(&answer).chunks(NOTIFICATION).map(<[u8]>::to_vec).collect();
        true
    }
}

/// What a person does with the cuff.
impl Device<Microlife> {
    /// Measures; the cuff goes on the air.
    pub fn measure(&self, values: BloodPressure) -> ReadingId {
        self.measure_at(values, Moment::now().wall())
    }

    /// Measures as if the kitchen wall's clock showed `at`.
    pub fn measure_at(&self, values: BloodPressure, at: DateTime) -> ReadingId {
        self.with(|cuff| cuff.measure(values, at, Moment::now()))
    }

    /// What its clock shows.
    #[must_use]
    pub fn shows(&self) -> Option<DateTime> {
        self.with(|cuff| cuff.clock.shows(Moment::now().wall()))
    }
}

fn record(values: BloodPressure, shown: DateTime) -> [u8; 10] {
    let byte = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
    let year = u8::try_from(shown.year() - 2000).unwrap_or(0);
    let [month, day, hour, minute] = [shown.month(), shown.day(), shown.hour(), shown.minute()].map(i8::unsigned_abs);
    let [systolic, diastolic, pulse] = [values.systolic, values.diastolic, values.pulse.unwrap_or(0)].map(byte);
    [systolic, diastolic, pulse, year, month, day, hour, minute, 0, 0]
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = [&[0x4d, 0x3a][..], &length, payload].concat();
    bytes.push(sum(&bytes));
    bytes
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

impl Peripheral for Microlife {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        let characteristics = vec![
            Characteristic { uuid: ANSWERS, flags: &["notify"], encrypted: false },
            Characteristic { uuid: COMMANDS, flags: &["write", "write-without-response"], encrypted: false },
        ];
        [Service { uuid: SERVICE, characteristics }].into_iter().chain(self.about.services()).collect()
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        match input {
            Input::Connected => {
                self.ledger.note(Deed::Connected, now);
                self.on_air = None;
                self.link = Some(Link {
                    subscribed: false,
                    command: Vec::new(),
                    answer: VecDeque::new(),
                    telling: Vec::new(),
                    next: now.instant + self.habits.waits_for_command,
                });
            }
            Input::Subscribed { characteristic: ANSWERS, on } => {
                if let Some(link) = &mut self.link {
                    link.subscribed = on;
                }
            }
            Input::Notified(reception) => {
                let told = self.link.as_mut().filter(|link| link.answer.is_empty());
                for reading in told.map(|link| std::mem::take(&mut link.telling)).unwrap_or_default() {
                    self.ledger.note(Deed::Notified { reading, reception }, now);
                }
            }
            Input::Disconnected => {
                if self.link.take().is_some() {
                    self.ledger.note(Deed::Disconnected, now);
                }
            }
            Input::Tick => return self.tick(now),
            Input::Subscribed { .. } | Input::Encrypted { .. } | Input::Confirmed { .. } | Input::Aired(_) => {}
        }
        Vec::new()
    }

    fn next_wake(&self) -> Option<Instant> {
        match (&self.link, &self.on_air) {
            (Some(link), _) => Some(link.next),
            (None, Some(on_air)) => Some(on_air.next),
            (None, None) => None,
        }
    }

    fn read(&mut self, characteristic: Uuid, _now: Moment) -> Option<Vec<u8>> {
        self.about.read(characteristic)
    }

    /// Takes a piece of a command; refuses one that is wrong.
    fn write(&mut self, characteristic: Uuid, value: &[u8], now: Moment) -> bool {
        let Some(link) = self.link.as_mut().filter(|_| characteristic == COMMANDS && value.len() <= NOTIFICATION)
        else {
            return false;
        };
        link.command.extend(value);
        let Some(&[0x4d, 0xff, high, low]) = link.command.first_chunk::<4>() else {
            return link.command.len() < 4;
        };
        let whole = 4 + usize::from(u16::from_be_bytes([high, low]));
        if link.command.len() < whole {
            return true;
        }
        let command = std::mem::take(&mut link.command);
        match command.split_last() {
            Some((check, before)) if command.len() == whole && sum(before) == *check => self.obey(&before[4..], now),
            Some(_) | None => false,
        }
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air::Reception;

    const VALUES: BloodPressure =
        BloodPressure { systolic: 128, diastolic: 81, mean: None, pulse: Some(66), user: None, status: 0 };

    #[test]
    fn it_is_silent_until_it_is_asked_and_then_tells_its_whole_memory() {
        let mut cuff = Microlife::new("F0:F1:F2:F3:F4:F5");
        let mut now = Moment::now();
        for minute in [45, 46] {
            cuff.measure(VALUES, jiff::civil::date(2026, 11, 24).at(7, minute, 0, 0), now);
        }
        assert!(matches!(cuff.handle(Input::Tick, now)[..], [Output::Advertise(_)]));
        cuff.handle(Input::Connected, now);
        cuff.handle(Input::Subscribed { characteristic: ANSWERS, on: true }, now);
        assert!(!cuff.write(COMMANDS, &[77, 255, 0, 2, 4, 83], now), "a wrong sum");
        assert!(cuff.write(COMMANDS, &[77, 255, 0, 9, 0, 0, 0], now), "a piece");
        assert!(cuff.write(COMMANDS, &[0, 0, 0, 0, 253, 82], now), "and the rest");
        let mut answer = Vec::new();
        for _ in 0..4 {
            now.instant += Duration::from_millis(30);
            let [Output::Notify { value, .. }] = &cuff.handle(Input::Tick, now)[..] else { panic!("a notification") };
            assert!(value.len() <= NOTIFICATION);
            answer.extend(value);
            cuff.handle(Input::Notified(Reception { scanning: 0, listening: 1 }), now);
        }
        assert_eq!(hex::encode(&answer[42..52]), "8051421a0b18072d0000");
        let told = |entry: &&crate::ledger::Entry| matches!(entry.deed, Deed::Notified { .. });
        assert_eq!(cuff.ledger.entries().iter().filter(told).count(), 2);

        assert!(cuff.write(COMMANDS, &[77, 255, 0, 2, 4, 82], now));
        now.instant += Duration::from_millis(30);
        assert_eq!(cuff.handle(Input::Tick, now), [Output::HangUp]);
    }

    #[test]
    fn its_clock_is_set_as_it_is_told() {
        let mut cuff = Microlife::new("F0:F1:F2:F3:F4:F5");
        let now = Moment::now();
        cuff.handle(Input::Connected, now);
        assert!(cuff.write(COMMANDS, &[77, 255, 0, 8, 13, 24, 6, 15, 14, 30, 45, 231], now));
        assert_eq!(cuff.clock.shows(now.wall()), Some(jiff::civil::date(2024, 6, 15).at(14, 30, 45, 0)));
    }
}
