//! Which device is doing what, and who may connect next.
//!
//! A device that has something to say advertises for half a minute or so: it is connected to at its first
//! advertisement, but never more than two at once, and not again and again when it has nothing to say.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A device's address.
pub type Address = [u8; 6];

/// What happened.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A device advertises.
    Heard(Address),
    /// A connection stands.
    Connected(Address),
    /// A session is over.
    Ended(Address, Ended),
    /// What kept a device from being listened to was taken away.
    Anew(Address),
}

/// How a session ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Values came.
    WithValues,
    /// The device had nothing to say.
    WithoutValues,
    /// It could not be connected to, or not be listened to.
    Failed,
    /// It lacks what it should have.
    WithoutService,
}

/// What to do.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Begin a session with a device.
    Connect(Address),
}

/// At most so many connections are being made at once: a controller does one at a time, and may hang on an absent one.
const CONNECTING: usize = 2;
/// An advertisement older than this says nothing about whether the device is still there.
const FRESH: Duration = Duration::from_secs(3);
/// A device that was listened to is left alone for so long, in case it has more.
const AFTER_VALUES: Duration = Duration::from_secs(2);
/// One that has nothing to say advertises all the same; its battery is spared.
const AFTER_NOTHING: Duration = Duration::from_secs(10);
/// A failure is soon tried again, as the device is there for half a minute only; each time after twice as long.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
const AFTER_MANY_FAILURES: Duration = Duration::from_secs(16);
/// What lacks its service is probably not ready yet, or another device.
const AFTER_NO_SERVICE: Duration = Duration::from_secs(15);

/// The devices that are connected to.
#[derive(Debug, Default)]
pub struct Sessions(BTreeMap<Address, Device>);

#[derive(Debug, Default)]
struct Device {
    doing: Doing,
    heard: Option<Instant>,
    failures: u32,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    Connecting,
    Listening,
    CoolingDown {
        until: Instant,
    },
}

impl Sessions {
    /// Nothing has been heard of these devices yet.
    #[must_use]
    pub fn of(devices: impl IntoIterator<Item = Address>) -> Self {
        Self(devices.into_iter().map(|address| (address, Device::default())).collect())
    }

    /// Serves these devices from now on. Those that stay are not disturbed.
    pub fn serve(&mut self, devices: impl IntoIterator<Item = Address>) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = devices.into_iter().map(|address| (address, before.remove(&address).unwrap_or_default())).collect();
    }

    /// What to do about what happened.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let (Input::Heard(address) | Input::Connected(address) | Input::Ended(address, _) | Input::Anew(address)) =
            input;
        if let Some(device) = self.0.get_mut(&address) {
            match input {
                Input::Heard(_) => device.heard = Some(now),
                Input::Connected(_) => device.doing = Doing::Listening,
                Input::Ended(_, ended) => device.end(ended, now),
                Input::Anew(_) => *device = Device::default(),
            }
        }
        self.connect(now)
    }

    /// How many devices are being connected to or listened to.
    #[must_use]
    pub fn talking(&self) -> usize {
        self.0.values().filter(|device| matches!(device.doing, Doing::Connecting | Doing::Listening)).count()
    }

    /// When to call again: never; every session ends with a word, and only what advertises can be connected to.
    fn connect(&mut self, now: Instant) -> Vec<Effect> {
        let connecting = self.0.values().filter(|device| device.doing == Doing::Connecting).count();
        let mut waiting: Vec<(&Address, &mut Device)> =
            self.0.iter_mut().filter(|(_, device)| device.may_connect(now)).collect();
        // Who was heard first has the least time left.
        waiting.sort_by_key(|(_, device)| device.heard);
        let chosen = waiting.into_iter().take(CONNECTING.saturating_sub(connecting));
        let connect = |(address, device): (&Address, &mut Device)| {
            device.doing = Doing::Connecting;
            Effect::Connect(*address)
        };
        chosen.map(connect).collect()
    }
}

impl Device {
    fn may_connect(&self, now: Instant) -> bool {
        let is_there = self.heard.is_some_and(|heard| now.saturating_duration_since(heard) <= FRESH);
        is_there
            && match self.doing {
                Doing::Nothing => true,
                Doing::CoolingDown { until } => until <= now,
                Doing::Connecting | Doing::Listening => false,
            }
    }

    fn end(&mut self, ended: Ended, now: Instant) {
        let pause = match ended {
            Ended::WithValues => AFTER_VALUES,
            Ended::WithoutValues => AFTER_NOTHING,
            Ended::Failed => (AFTER_FAILURE * 2_u32.pow(self.failures.min(8))).min(AFTER_MANY_FAILURES),
            Ended::WithoutService => AFTER_NO_SERVICE,
        };
        self.failures = if ended == Ended::Failed { self.failures + 1 } else { 0 };
        self.heard = None;
        self.doing = Doing::CoolingDown { until: now + pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const CUFF: Address = [1; 6];
    const SCALE: Address = [2; 6];
    const CLIP: Address = [3; 6];

    struct Home {
        sessions: Sessions,
        start: Instant,
    }

    impl Home {
        fn new() -> Self {
            Self { sessions: Sessions::of([CUFF, SCALE, CLIP]), start: clock::now() }
        }

        fn at(&mut self, ms: u64, input: Input) -> Vec<Effect> {
            self.sessions.handle(input, self.start + Duration::from_millis(ms))
        }
    }

    #[test]
    fn a_device_is_connected_to_at_its_first_advertisement_and_only_once() {
        let mut home = Home::new();
        assert_eq!(home.at(0, Input::Heard(CUFF)), [Effect::Connect(CUFF)]);
        assert_eq!(home.at(100, Input::Heard(CUFF)), []);
        assert_eq!(home.at(200, Input::Connected(CUFF)), []);
        assert_eq!(home.at(300, Input::Heard(CUFF)), []);
    }

    #[test]
    fn strangers_are_not_connected_to() {
        assert_eq!(Home::new().at(0, Input::Heard([9; 6])), []);
    }

    #[test]
    fn at_most_two_are_connected_to_at_once_and_one_that_is_worn_for_hours_holds_nobody_up() {
        let mut home = Home::new();
        home.at(0, Input::Heard(CUFF));
        home.at(0, Input::Heard(SCALE));
        assert_eq!(home.at(100, Input::Heard(CLIP)), []);
        assert_eq!(home.at(200, Input::Connected(SCALE)), [Effect::Connect(CLIP)]);
    }

    #[test]
    fn who_waited_too_long_must_be_heard_again() {
        let mut home = Home::new();
        home.at(0, Input::Heard(CUFF));
        home.at(0, Input::Heard(SCALE));
        home.at(100, Input::Heard(CLIP));
        assert_eq!(home.at(9_000, Input::Ended(CUFF, Ended::Failed)), []);
        assert_eq!(home.at(9_500, Input::Heard(CLIP)), [Effect::Connect(CLIP)]);
    }

    #[test]
    fn failures_are_tried_again_soon_and_then_less_often() {
        let mut home = Home::new();
        let mut now = 0;
        let mut tries = Vec::new();
        for _ in 0..6 {
            while home.at(now, Input::Heard(CUFF)).is_empty() {
                now += 100;
            }
            tries.push(now);
            home.at(now, Input::Ended(CUFF, Ended::Failed));
        }
        assert_eq!(tries, [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
    }

    #[test]
    fn a_device_that_was_cured_is_connected_to_at_its_next_advertisement() {
        let mut home = Home::new();
        home.at(0, Input::Heard(CUFF));
        assert_eq!(home.sessions.talking(), 1);
        home.at(100, Input::Ended(CUFF, Ended::Failed));
        assert_eq!(home.at(200, Input::Anew(CUFF)), [], "it must be heard");
        assert_eq!(home.at(300, Input::Heard(CUFF)), [Effect::Connect(CUFF)]);
    }

    #[test]
    fn a_device_that_comes_or_goes_disturbs_no_other() {
        let mut home = Home::new();
        home.at(0, Input::Heard(CUFF));
        home.at(0, Input::Heard(SCALE));
        home.sessions.serve([CUFF, [4; 6]]);
        assert_eq!(home.at(100, Input::Heard(CUFF)), [], "it is being connected to");
        assert_eq!(home.at(100, Input::Heard(SCALE)), [], "it is a stranger");
        assert_eq!(home.at(100, Input::Heard([4; 6])), [Effect::Connect([4; 6])], "one place has become free");
        assert_eq!(home.at(200, Input::Ended(SCALE, Ended::Failed)), []);
    }

    #[test]
    fn a_device_with_nothing_to_say_is_spared() {
        let mut home = Home::new();
        home.at(0, Input::Heard(CUFF));
        home.at(1_000, Input::Ended(CUFF, Ended::WithoutValues));
        assert_eq!(home.at(5_000, Input::Heard(CUFF)), []);
        assert_eq!(home.at(11_500, Input::Heard(CUFF)), [Effect::Connect(CUFF)]);
    }
}
