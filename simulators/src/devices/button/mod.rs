//! An alarm button that broadcasts BTHome v2: each press is a burst of one and the same frame, and a beacon with the
//! event "none" shows now and then that it is alive.

mod frame;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use self::frame::Frame;
use crate::{
    air::{Address, Advertisement, Input, Output, Peripheral, Reception, Service, Uuid},
    bluez::Device,
    clock::Moment,
    ledger::{Deed, Ledger, PressId},
};

/// An alarm button.
#[derive(Debug)]
pub struct Button {
    address: Address,
    key: Option<[u8; 16]>,
    habits: Habits,
    battery: Battery,
    last_press: u32,
    waiting: VecDeque<Burst>,
    next_frame: Option<Instant>,
    next_beacon: Option<Instant>,
    airing: Option<Airing>,
    ledger: Ledger,
}

/// How a button behaves on the air.
#[derive(Debug, Clone)]
pub struct Habits {
    /// How often the frame of a press is sent.
    pub frames: u32,
    /// Time between two frames of a burst.
    pub frame_every: Duration,
    /// Time between two supervision beacons; none if it sends none.
    pub beacon_every: Option<Duration>,
}

/// What the finger did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ButtonEvent {
    /// Nothing: the event of a beacon.
    Nothing,
    /// One short press.
    Press,
    /// Two short presses.
    Double,
    /// Three short presses.
    Triple,
    /// One long press.
    Long,
    /// Held down.
    Hold,
}

/// What a new battery sets back.
#[derive(Debug)]
struct Battery {
    percent: u8,
    counter: u32,
    packet: u8,
}

#[derive(Debug)]
struct Burst {
    press: PressId,
    payload: Vec<u8>,
    sent: u32,
    heard: u32,
}

#[derive(Debug)]
enum Airing {
    Press,
    Beacon,
}

impl Button {
    /// A button at this address (`B0:B1:B2:B3:B4:B5`) that encrypts with this key.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn new(address: &str, key: [u8; 16]) -> Self {
        Self { key: Some(key), ..Self::plain(address) }
    }

    /// A button that does not encrypt; its packet number, one byte, is all that tells presses apart.
    ///
    /// # Panics
    /// If that is no Bluetooth address.
    #[must_use]
    pub fn plain(address: &str) -> Self {
        Self {
            address: address.parse().expect("a Bluetooth address"),
            key: None,
            habits: Habits::default(),
            battery: Battery::fresh(),
            last_press: 0,
            waiting: VecDeque::new(),
            next_frame: None,
            next_beacon: None,
            airing: None,
            ledger: Ledger::default(),
        }
    }

    /// Behaves on the air as told.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.habits);
        self.next_beacon = self.habits.beacon_every.map(|every| Moment::now().instant + every);
        self
    }

    fn press(&mut self, event: ButtonEvent, now: Moment) -> PressId {
        self.last_press += 1;
        let press = PressId(self.last_press);
        self.ledger.note(Deed::Pressed(press), now);
        let payload = self.next_payload(event);
        self.send(payload, now);
        press
    }

    fn send(&mut self, payload: Vec<u8>, now: Moment) {
        self.waiting.push_back(Burst { press: PressId(self.last_press), payload, sent: 0, heard: 0 });
        self.next_frame.get_or_insert(now.instant);
    }

    fn press_far_away(&mut self, times: u32) {
        for _ in 0..times {
            self.next_payload(ButtonEvent::Press);
        }
    }

    fn change_battery(&mut self, now: Moment) {
        self.battery = Battery::fresh();
        self.ledger.note(Deed::BatteryChanged, now);
    }

    fn next_payload(&mut self, event: ButtonEvent) -> Vec<u8> {
        let frame = Frame { packet: self.battery.packet, battery_percent: self.battery.percent, event };
        self.battery.packet = self.battery.packet.wrapping_add(1);
        match self.key {
            None => frame.plain(),
            Some(key) => {
                self.battery.counter += 1;
                frame.encrypted(&key, self.address, self.battery.counter)
            }
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Output> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        if is_due(self.next_frame) {
            return self.send_frame(now);
        }
        if is_due(self.next_beacon) {
            self.next_beacon = self.habits.beacon_every.map(|every| now.instant + every);
            self.airing = Some(Airing::Beacon);
            return vec![advertise(self.next_payload(ButtonEvent::Nothing))];
        }
        Vec::new()
    }

    fn send_frame(&mut self, now: Moment) -> Vec<Output> {
        let Some(burst) = self.waiting.front() else {
            return Vec::new();
        };
        self.next_frame = Some(now.instant + self.habits.frame_every);
        self.airing = Some(Airing::Press);
        vec![advertise(burst.payload.clone())]
    }

    fn aired(&mut self, reception: Reception, now: Moment) {
        match self.airing.take() {
            Some(Airing::Beacon) => self.ledger.note(Deed::Beacon(reception), now),
            Some(Airing::Press) => self.frame_aired(reception, now),
            None => {}
        }
    }

    fn frame_aired(&mut self, reception: Reception, now: Moment) {
        let Some(burst) = self.waiting.front_mut() else {
            return;
        };
        burst.sent += 1;
        burst.heard += u32::from(reception.scanning > 0);
        if burst.sent < self.habits.frames {
            return;
        }
        if let Some(burst) = self.waiting.pop_front() {
            let deed =
                Deed::BurstSent { press: burst.press, payload: burst.payload, frames: burst.sent, heard: burst.heard };
            self.ledger.note(deed, now);
        }
        if self.waiting.is_empty() {
            self.next_frame = None;
        }
    }
}

/// What a person does with the button.
impl Device<Button> {
    /// Presses it once, briefly.
    pub fn press(&self) -> PressId {
        self.press_as(ButtonEvent::Press)
    }

    /// Presses it in this way.
    pub fn press_as(&self, event: ButtonEvent) -> PressId {
        self.with(|button| button.press(event, Moment::now()))
    }

    /// Presses it so often where nobody can hear it.
    pub fn press_far_away(&self, times: u32) {
        self.with(|button| button.press_far_away(times));
    }

    /// Somebody who has this key, or none, sends a press in its name.
    pub fn is_imitated(&self, key: Option<[u8; 16]>) {
        self.with(|button| {
            let own = std::mem::replace(&mut button.key, key);
            let payload = button.next_payload(ButtonEvent::Press);
            button.key = own;
            button.send(payload, Moment::now());
        });
    }

    /// Somebody sends a frame in its name that was on the air before.
    pub fn is_replayed(&self, payload: Vec<u8>) {
        self.with(|button| button.send(payload, Moment::now()));
    }

    /// Puts a new battery in: its counter and packet number start again, so that the next press can be byte for byte
    /// the first press of the old battery.
    pub fn change_battery(&self) {
        self.with(|button| button.change_battery(Moment::now()));
    }
}

fn advertise(payload: Vec<u8>) -> Output {
    Output::Advertise(Advertisement { service_data: Some((Uuid::BTHOME, payload)), ..Advertisement::default() })
}

impl Battery {
    fn fresh() -> Self {
        Self { percent: 100, counter: 0, packet: 0 }
    }
}

impl Default for Habits {
    /// A burst of about a second, and no beacons.
    fn default() -> Self {
        Self { frames: 20, frame_every: Duration::from_millis(50), beacon_every: None }
    }
}

impl Peripheral for Button {
    fn address(&self) -> Address {
        self.address
    }

    fn services(&self) -> Vec<Service> {
        Vec::new()
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        match input {
            Input::Tick => return self.tick(now),
            Input::Aired(reception) => self.aired(reception, now),
            Input::Connected
            | Input::Encrypted { .. }
            | Input::Subscribed { .. }
            | Input::Confirmed { .. }
            | Input::Notified(_)
            | Input::Disconnected => {}
        }
        Vec::new()
    }

    fn next_wake(&self) -> Option<Instant> {
        [self.next_frame, self.next_beacon].into_iter().flatten().min()
    }

    fn read(&mut self, _characteristic: Uuid, _now: Moment) -> Option<Vec<u8>> {
        None
    }

    fn write(&mut self, _characteristic: Uuid, _value: &[u8], _now: Moment) -> bool {
        false
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = [7; 16];

    #[test]
    fn a_press_is_one_frame_sent_many_times() {
        let mut button = Button::new("B4:35:22:F5:3D:A4", KEY);
        let mut now = Moment::now();
        button.press(ButtonEvent::Press, now);

        let frames = frames_within(&mut button, &mut now, Duration::from_secs(2));
        assert_eq!(frames.len(), 20);
        assert!(frames.iter().all(|frame| *frame == frames[0]));
        let [burst] = &button.ledger().bursts()[..] else {
            panic!("one burst");
        };
        assert_eq!((burst.frames, burst.heard), (20, 20));
    }

    #[test]
    fn the_first_press_of_a_new_battery_is_byte_for_byte_that_of_the_old_one() {
        let mut button = Button::new("B4:35:22:F5:3D:A4", KEY);
        let first = button.next_payload(ButtonEvent::Press);
        let second = button.next_payload(ButtonEvent::Press);
        assert_ne!(first, second);

        button.change_battery(Moment::now());
        assert_eq!(button.next_payload(ButtonEvent::Press), first);
    }

    #[test]
    fn the_257th_press_of_a_plain_button_looks_like_the_first() {
        let mut button = Button::plain("B4:35:22:F5:3D:A4");
        let presses: Vec<_> = (0..257).map(|_| button.next_payload(ButtonEvent::Press)).collect();
        assert_eq!(presses[256], presses[0]);
        assert_ne!(presses[255], presses[0]);
    }

    #[test]
    fn beacons_come_on_their_interval_and_are_not_presses() {
        let every = Duration::from_secs(10);
        let mut button = Button::plain("B4:35:22:F5:3D:A4").with(|habits| habits.beacon_every = Some(every));
        let mut now = Moment::now();

        let beacons = frames_within(&mut button, &mut now, Duration::from_secs(35));
        assert_eq!(beacons.len(), 3);
        assert!(beacons.iter().all(|beacon| beacon.ends_with(&[0x3a, 0x00])));
        assert_eq!(button.ledger().beacons(), 3);
        assert_eq!(button.ledger().pressed(), 0);
    }

    /// The service data it sends in this time, with one program scanning.
    fn frames_within(button: &mut Button, now: &mut Moment, span: Duration) -> Vec<Vec<u8>> {
        let end = now.instant + span;
        let mut frames = Vec::new();
        while let Some(at) = button.next_wake().filter(|at| *at <= end) {
            now.instant = at;
            for output in button.handle(Input::Tick, *now) {
                let Output::Advertise(advertisement) = output else {
                    panic!("a button only advertises");
                };
                frames.extend(advertisement.service_data.map(|(_, payload)| payload));
                let reception = Reception { scanning: 1, listening: 0 };
                button.handle(Input::Aired(reception), *now);
            }
        }
        frames
    }
}
