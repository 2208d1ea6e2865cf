//! Which advertisement of a button is a press, which one a repeat of it, and which one nobody should believe.
//!
//! A new battery must not silence a person: an authentic press whose counter went back is an alarm that says so.
//! Source of the rules: BTHome v2 and what Shelly buttons do; see [`hempuls_protocol::devices::alarm_button`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hempuls_protocol::devices::alarm_button::{Address, ButtonEvent, Contents, Enrolled, Frame, ReplayGuard, Verdict};
use hempuls_protocol::event::{Alarm, Refusal};
use hempuls_protocol::identity::{ONE_COUNTER, ONE_PLAIN_PRESS};
use hempuls_protocol::ids::DeviceId;
use hempuls_protocol::times::Taken;

use crate::config::Device;

/// What to do about an advertisement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Somebody asks for help: take it, with the button's counter where it has one; then say whether it was taken.
    Take {
        /// The press.
        alarm: Alarm,
        /// The counter that becomes durable with it: the highest.
        counter: Option<u32>,
    },
    /// Count it, and do not take it.
    Refuse(Refusal),
    /// The button said how full its battery is, in percent.
    Battery(u8),
}

/// The buttons of the home.
#[derive(Debug)]
pub struct Buttons(BTreeMap<[u8; 6], Button>);

impl Buttons {
    /// The buttons among these devices, with the counters that are durable.
    #[must_use]
    pub fn new<'a>(devices: impl IntoIterator<Item = &'a Device>, counters: &BTreeMap<DeviceId, u32>) -> Self {
        let button = |device: &Device| {
            let enrolled = Enrolled { address: Some(Address(device.address)), key: device.key.clone() };
            (device.address, Button::new(device.id(), enrolled, counters.get(&device.id()).copied()))
        };
        Self(devices.into_iter().map(button).collect())
    }

    /// Whether this is a button of the home.
    #[must_use]
    pub fn knows(&self, address: &[u8; 6]) -> bool {
        self.0.contains_key(address)
    }

    /// An alarm that is on flash already: its repeats are still in the air when the program starts again.
    pub fn remember(&mut self, alarm: &Alarm, taken: Taken) {
        if let DeviceId::Address(address) = alarm.device
            && let Some(button) = self.0.get_mut(&address)
        {
            button.remember(alarm.counter, &alarm.raw, taken);
        }
    }

    /// What to do about the service data of one advertisement.
    pub fn hear(&mut self, address: &[u8; 6], frame: &[u8], now: &Taken) -> Vec<Effect> {
        self.0.get_mut(address).map_or_else(Vec::new, |button| button.hear(frame, now))
    }

    /// A press was not taken: its next repeat is another chance.
    pub fn not_taken(&mut self, alarm: &Alarm) {
        if let DeviceId::Address(address) = alarm.device
            && let Some(button) = self.0.get_mut(&address)
        {
            button.recent.retain(|heard| heard.frame != *alarm.raw);
        }
    }
}

/// At most one alarm in this time says that a counter went back.
const ONE_WENT_BACK: Duration = Duration::from_secs(60);
/// Presses that are remembered for their repeats, at most.
const REMEMBERED: usize = 32;

#[derive(Debug)]
struct Button {
    id: DeviceId,
    enrolled: Enrolled,
    counters: ReplayGuard,
    /// Presses taken, whose repeats may still come.
    recent: VecDeque<Heard>,
    /// The last frame that was refused, whose repeats are not counted.
    refused: Option<Heard>,
    went_back: Option<Taken>,
}

#[derive(Clone, Debug)]
struct Heard {
    counter: Option<u32>,
    frame: Vec<u8>,
    at: Taken,
}

impl Button {
    fn new(id: DeviceId, enrolled: Enrolled, counter: Option<u32>) -> Self {
        let counters = ReplayGuard::new(counter);
        Self { id, enrolled, counters, recent: VecDeque::new(), refused: None, went_back: None }
    }

    fn hear(&mut self, frame: &[u8], now: &Taken) -> Vec<Effect> {
        let opened = Frame::decode(frame).and_then(|frame| frame.open(&self.enrolled));
        let contents = match opened {
            Ok(contents) => contents,
            Err(error) => {
                tracing::debug!(device.id = %self.id, %error, "a frame that is not believed");
                return self.refuse(Refusal::NotAuthentic, frame, now);
            }
        };
        let battery = contents.battery().map(Effect::Battery);
        let mut effects: Vec<Effect> = battery.into_iter().collect();
        match contents.presses().next() {
            None => {
                if let Some(counter) = contents.counter {
                    self.counters.admit(counter);
                }
            }
            Some(press) => effects.extend(match contents.counter {
                Some(counter) => self.sealed_press(counter, press.event, frame, now),
                None => self.plain_press(&contents, press.event, frame, now),
            }),
        }
        effects
    }

    fn sealed_press(&mut self, counter: u32, event: ButtonEvent, frame: &[u8], now: &Taken) -> Vec<Effect> {
        let is_repeat = |heard: &Heard| heard.counter == Some(counter) && heard.frame == frame;
        if self.recent.iter().any(|heard| is_repeat(heard) && is_within(&heard.at, now, ONE_COUNTER)) {
            return Vec::new();
        }
        let counter_went_back = match self.counters.judge(counter) {
            Verdict::Accept => false,
            Verdict::Replay => true,
        };
        if counter_went_back {
            if self.went_back.as_ref().is_some_and(|last| is_within(last, now, ONE_WENT_BACK)) {
                return self.refuse(Refusal::Replayed, frame, now);
            }
            self.went_back = Some(*now);
        }
        self.counters.admit(counter);
        self.remember(Some(counter), frame, *now);
        let alarm = Alarm { authentic: true, counter_went_back, ..self.alarm(Some(counter), event, frame) };
        vec![Effect::Take { alarm, counter: self.counters.highest() }]
    }

    fn plain_press(&mut self, contents: &Contents, event: ButtonEvent, frame: &[u8], now: &Taken) -> Vec<Effect> {
        let packet = contents.packet_id().map(u32::from);
        let is_repeat = |heard: &Heard| match packet {
            Some(_) => heard.counter == packet,
            None => heard.frame == frame,
        };
        let repeated =
            self.recent.iter_mut().find(|heard| is_repeat(heard) && is_within(&heard.at, now, ONE_PLAIN_PRESS));
        if repeated.is_some() {
            return Vec::new();
        }
        self.remember(packet, frame, *now);
        vec![Effect::Take { alarm: self.alarm(packet, event, frame), counter: None }]
    }

    fn alarm(&self, counter: Option<u32>, event: ButtonEvent, frame: &[u8]) -> Alarm {
        Alarm { counter, button: event.code(), ..Alarm::pressed(self.id.clone(), frame.to_vec()) }
    }

    /// All repeats of one frame are refused once.
    fn refuse(&mut self, why: Refusal, frame: &[u8], now: &Taken) -> Vec<Effect> {
        let is_repeat = |last: &Heard| last.frame == frame && is_within(&last.at, now, ONE_PLAIN_PRESS);
        let was_refused = self.refused.as_ref().is_some_and(is_repeat);
        self.refused = Some(Heard { counter: None, frame: frame.to_vec(), at: *now });
        if was_refused { Vec::new() } else { vec![Effect::Refuse(why)] }
    }

    fn remember(&mut self, counter: Option<u32>, frame: &[u8], at: Taken) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(Heard { counter, frame: frame.to_vec(), at });
    }
}

/// Moments that cannot be compared are taken to be far apart: rather one alarm too many.
fn is_within(earlier: &Taken, later: &Taken, within: Duration) -> bool {
    earlier.apart(later).is_some_and(|apart| apart <= within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hempuls_protocol::devices::DeviceKind;
    use hempuls_protocol::devices::alarm_button::{BindKey, announce};
    use hempuls_protocol::times::{BootId, Trust};

    #[test]
    fn all_repeats_of_a_press_are_one_alarm() {
        let mut button = Sealed::new(None);
        assert_eq!(button.press(5, 0), ["alarm 5"]);
        for ms in [100, 200, 900, 500_000] {
            assert_eq!(button.press(5, ms), NOTHING);
        }
        assert_eq!(button.press(6, 1_000), ["alarm 6"]);
    }

    #[test]
    fn a_new_battery_does_not_silence_a_person() {
        let mut button = Sealed::new(Some(442));
        assert_eq!(button.press(1, 0), ["alarm 1 went back"]);
        assert_eq!(button.press(1, 100), NOTHING, "its repeats are the same press");
        assert_eq!(button.press(2, 30_000), ["refused Replayed"], "one a minute");
        assert_eq!(button.press(3, 61_000), ["alarm 3 went back"]);
    }

    #[test]
    fn the_first_press_of_a_new_battery_is_an_alarm_even_if_it_is_byte_for_byte_the_first_of_the_old_one() {
        let mut button = Sealed::new(None);
        assert_eq!(button.press(1, 0), ["alarm 1"]);
        assert_eq!(button.press(1, 601_000), ["alarm 1 went back"]);
    }

    #[test]
    fn a_counter_that_went_back_does_not_become_the_durable_one() {
        let mut button = Sealed::new(Some(442));
        let frame = button.frame(1, ButtonEvent::Press);
        let effects = button.buttons.hear(&ADDRESS, &frame, &at(0));
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Take { counter: Some(442), .. })), "{effects:?}");
    }

    #[test]
    fn a_press_that_is_on_flash_is_not_taken_again_after_a_restart() {
        let mut button = Sealed::new(Some(7));
        let frame = button.frame(7, ButtonEvent::Press);
        let alarm =
            Alarm { counter: Some(7), authentic: true, ..Alarm::pressed(DeviceId::Address(ADDRESS), frame.clone()) };
        button.buttons.remember(&alarm, at(0));
        assert_eq!(button.press(7, 900), NOTHING);
        button.buttons.not_taken(&alarm);
        assert_eq!(button.press(7, 1_000), ["alarm 7 went back"]);
    }

    #[test]
    fn beacons_are_no_presses_and_move_the_counter() {
        let mut button = Sealed::new(None);
        assert_eq!(button.hear(9, ButtonEvent::None, 0), NOTHING);
        assert_eq!(button.press(8, 1_000), ["alarm 8 went back"]);
        assert_eq!(button.press(10, 2_000), ["alarm 10"]);
    }

    #[test]
    fn forged_and_unencrypted_frames_are_counted_and_never_silence_the_button() {
        let mut button = Sealed::new(None);
        let mut forged = button.frame(500, ButtonEvent::Press);
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(button.raw(&forged, 0), ["refused NotAuthentic"]);
        assert_eq!(button.raw(&forged, 100), NOTHING, "its repeats are not counted");
        assert_eq!(button.raw(&plain(1), 200), ["refused NotAuthentic"]);
        assert_eq!(button.press(1, 300), ["alarm 1"]);
    }

    #[test]
    fn the_257th_press_of_a_plain_button_is_an_alarm() {
        let mut button = Plain::new();
        for press in 0..257_u32 {
            let packet = u8::try_from(press % 256).unwrap();
            assert_eq!(button.press(packet, u64::from(press) * 5_000), [format!("alarm {packet}")]);
            assert_eq!(button.press(packet, u64::from(press) * 5_000 + 800), NOTHING);
        }
    }

    #[test]
    fn a_plain_button_that_says_nothing_but_press_is_heard_too() {
        let mut button = Plain::new();
        assert_eq!(button.raw(&[0x40, 0x3A, 0x01], 0), ["alarm"]);
        assert_eq!(button.raw(&[0x40, 0x3A, 0x01], 500), NOTHING);
        assert_eq!(button.raw(&[0x40, 0x3A, 0x01], 5_000), ["alarm"]);
    }

    const NOTHING: [&str; 0] = [];
    const ADDRESS: [u8; 6] = [0x38, 0x39, 0x8F, 0x70, 0xB2, 0x4E];

    struct Sealed {
        buttons: Buttons,
        key: BindKey,
    }

    impl Sealed {
        fn new(durable: Option<u32>) -> Self {
            let key = BindKey::new([7; 16]);
            let counters = durable.map(|counter| (DeviceId::Address(ADDRESS), counter)).into_iter().collect();
            Self { buttons: Buttons::new([&device(Some(key.clone()))], &counters), key }
        }

        fn frame(&self, counter: u32, event: ButtonEvent) -> Vec<u8> {
            Frame::seal(&announce(1, 90, event), counter, Address(ADDRESS), &self.key).encode()
        }

        fn press(&mut self, counter: u32, ms: u64) -> Vec<String> {
            self.hear(counter, ButtonEvent::Press, ms)
        }

        fn hear(&mut self, counter: u32, event: ButtonEvent, ms: u64) -> Vec<String> {
            let frame = self.frame(counter, event);
            self.raw(&frame, ms)
        }

        fn raw(&mut self, frame: &[u8], ms: u64) -> Vec<String> {
            said(self.buttons.hear(&ADDRESS, frame, &at(ms)))
        }
    }

    struct Plain(Buttons);

    impl Plain {
        fn new() -> Self {
            Self(Buttons::new([&device(None)], &BTreeMap::new()))
        }

        fn press(&mut self, packet: u8, ms: u64) -> Vec<String> {
            self.raw(&plain(packet), ms)
        }

        fn raw(&mut self, frame: &[u8], ms: u64) -> Vec<String> {
            said(self.0.hear(&ADDRESS, frame, &at(ms)))
        }
    }

    fn plain(packet: u8) -> Vec<u8> {
        vec![0x40, 0x00, packet, 0x01, 100, 0x3A, 0x01]
    }

    fn device(key: Option<BindKey>) -> Device {
        Device { address: ADDRESS, kind: DeviceKind::AlarmButton, dialect: None, key, beacon: None, counted: None }
    }

    fn at(ms: u64) -> Taken {
        Taken { boot: BootId([1; 16]), since_boot_ms: ms, wall_ms: None, trust: Trust::Unknown }
    }

    fn said(effects: Vec<Effect>) -> Vec<String> {
        let say = |effect| match effect {
            Effect::Take { alarm, .. } => {
                let counter = alarm.counter.map(|counter| format!(" {counter}")).unwrap_or_default();
                Some(format!("alarm{counter}{}", if alarm.counter_went_back { " went back" } else { "" }))
            }
            Effect::Refuse(why) => Some(format!("refused {why:?}")),
            Effect::Battery(_) => None,
        };
        effects.into_iter().filter_map(say).collect()
    }
}
