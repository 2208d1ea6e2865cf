//! Which advertisement of a button is a press, which one a repeat of it, and which one nobody should believe.
//!
//! A new battery must not silence a person: an authentic press whose counter went back is an alarm that says so. From when
//! a person has confirmed that the battery was changed, the button counts anew.
//!
//! A button that is stuck must not drown the others: its first presses are all taken, and after that one now and then.
//! Source of the rules: BTHome v2 and what Shelly buttons do; see [`hempuls_protocol::devices::alarm_button`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hempuls_protocol::devices::alarm_button::{Address, ButtonEvent, Contents, Enrolled, Frame, ReplayGuard, Verdict};
use hempuls_protocol::event::{Alarm, Refusal, Trouble};
use hempuls_protocol::identity::{ONE_COUNTER, ONE_PLAIN_PRESS};
use hempuls_protocol::ids::DeviceId;
use hempuls_protocol::times::Taken;
use hempuls_protocol::wire::home_config::Counted;

use crate::config::Device;
use crate::pace::{Judgement, Pace, is_within};

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
    /// Tell a person what the button does.
    Tell(Trouble),
    /// The button is there.
    Alive {
        /// It said so without being pressed, and for the first time.
        is_beacon: bool,
    },
    /// The button said how full its battery is, in percent.
    Battery(u8),
}

/// The buttons of the home.
#[derive(Debug, Default)]
pub struct Buttons {
    buttons: BTreeMap<[u8; 6], Button>,
    /// What is on flash of each button, adopted or not: how far it has counted.
    counters: BTreeMap<DeviceId, u32>,
    /// And its latest alarms, whose repeats are still in the air when the program starts again.
    latest: Vec<(Alarm, Taken)>,
}

impl Buttons {
    /// No buttons yet; what is on flash of those that will be adopted.
    #[must_use]
    pub fn new(counters: BTreeMap<DeviceId, u32>, latest: Vec<(Alarm, Taken)>) -> Self {
        Self { buttons: BTreeMap::new(), counters, latest }
    }

    /// Serves these buttons from now on. One that stays has not forgotten anything.
    pub fn serve<'a>(&mut self, devices: impl IntoIterator<Item = &'a Device>) {
        let mut before = std::mem::take(&mut self.buttons);
        for (address, button) in &before {
            self.counters.extend(button.counters.highest().map(|highest| (DeviceId::Address(*address), highest)));
        }
        for device in devices {
            let enrolled = Enrolled { address: Some(Address(device.address)), key: device.key.clone() };
            let stays = before.remove(&device.address).filter(|button| button.enrolled == enrolled);
            let mut button = stays.unwrap_or_else(|| self.begin(device, enrolled));
            button.has_counted(device.counted);
            self.buttons.insert(device.address, button);
        }
    }

    fn begin(&self, device: &Device, enrolled: Enrolled) -> Button {
        let id = device.id();
        let latest = self.latest.iter().filter(|(alarm, _)| alarm.device == id);
        let mut button = Button::new(id.clone(), enrolled, self.counters.get(&id).copied());
        for (alarm, taken) in latest {
            button.remember(alarm.counter, &alarm.raw, *taken);
        }
        button
    }

    /// Whether this is a button of the home.
    #[must_use]
    pub fn knows(&self, address: &[u8; 6]) -> bool {
        self.buttons.contains_key(address)
    }

    /// Whether this button is pressed over and over.
    #[must_use]
    pub fn is_stuck(&self, address: &[u8; 6]) -> bool {
        self.buttons.get(address).is_some_and(|button| button.pace.is_stuck())
    }

    /// What to do about the service data of one advertisement.
    pub fn hear(&mut self, address: &[u8; 6], frame: &[u8], now: &Taken) -> Vec<Effect> {
        self.buttons.get_mut(address).map_or_else(Vec::new, |button| button.hear(frame, now))
    }

    /// A press was not taken: its next repeat is another chance.
    pub fn not_taken(&mut self, alarm: &Alarm) {
        if let DeviceId::Address(address) = alarm.device
            && let Some(button) = self.buttons.get_mut(&address)
        {
            button.recent.retain(|heard| heard.frame != *alarm.raw);
            button.pace.take_back();
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
    /// The last beacon, which comes several times.
    beacon: Option<Heard>,
    went_back: Option<Taken>,
    /// Which battery it is, as far as anybody has confirmed.
    battery: u32,
    pace: Pace,
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
        let (recent, pace) = (VecDeque::new(), Pace::default());
        Self { id, enrolled, counters, recent, refused: None, beacon: None, went_back: None, battery: 0, pace }
    }

    /// How far it has counted as others know, who may have heard it when this box did not.
    fn has_counted(&mut self, counted: Option<Counted>) {
        let Some(Counted { battery, highest }) = counted.filter(|counted| counted.battery >= self.battery) else {
            return;
        };
        if battery > self.battery {
            (self.battery, self.counters, self.went_back) = (battery, ReplayGuard::default(), None);
        }
        if highest > 0 {
            self.counters.admit(highest);
        }
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
        let mut effects: Vec<Effect> = contents.battery().map(Effect::Battery).into_iter().collect();
        let Some(press) = contents.presses().next() else {
            let is_beacon = self.is_new_beacon(contents.counter, frame, now);
            effects.push(Effect::Alive { is_beacon });
            return effects;
        };
        effects.push(Effect::Alive { is_beacon: false });
        effects.extend(match contents.counter {
            Some(counter) => self.sealed_press(counter, press.event, frame, now),
            None => self.plain_press(&contents, press.event, frame, now),
        });
        effects
    }

    fn is_new_beacon(&mut self, counter: Option<u32>, frame: &[u8], now: &Taken) -> bool {
        if let Some(counter) = counter {
            self.counters.admit(counter);
        }
        let is_repeat = |last: &Heard| last.frame == frame && is_within(&last.at, now, ONE_PLAIN_PRESS);
        let is_new = !self.beacon.as_ref().is_some_and(is_repeat);
        if is_new {
            self.beacon = Some(Heard { counter, frame: frame.to_vec(), at: *now });
        }
        is_new
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
        paced(&mut self.pace, Effect::Take { alarm, counter: self.counters.highest() }, now)
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
        let take = Effect::Take { alarm: self.alarm(packet, event, frame), counter: None };
        paced(&mut self.pace, take, now)
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

/// What becomes of a press at this pace.
fn paced(pace: &mut Pace, take: Effect, now: &Taken) -> Vec<Effect> {
    let Judgement { is_taken, is_stuck_now } = pace.press(now);
    let stuck = is_stuck_now.then_some(Effect::Tell(Trouble::StuckButton));
    stuck.into_iter().chain([if is_taken { take } else { Effect::Refuse(Refusal::Stuck) }]).collect()
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
        let alarm = Alarm { counter: Some(7), authentic: true, ..Alarm::pressed(DeviceId::Address(ADDRESS), frame) };
        button.buttons = Buttons::new([(alarm.device.clone(), 7)].into(), vec![(alarm.clone(), at(0))]);
        button.buttons.serve([&device(Some(button.key.clone()))]);
        assert_eq!(button.press(7, 900), NOTHING);
        button.buttons.not_taken(&alarm);
        assert_eq!(button.press(7, 1_000), ["alarm 7 went back"]);
    }

    #[test]
    fn a_button_that_stays_or_comes_back_has_not_forgotten_how_far_it_counted() {
        let mut button = Sealed::new(None);
        assert_eq!(button.press(5, 0), ["alarm 5"]);
        let other = Device { address: [9; 6], ..device(None) };
        button.buttons.serve([&other, &device(Some(button.key.clone()))]);
        assert_eq!(button.press(5, 100), NOTHING, "its repeats go on");
        button.buttons.serve([&other]);
        assert!(!button.buttons.knows(&ADDRESS));
        button.buttons.serve([&device(Some(button.key.clone()))]);
        assert_eq!(button.press(4, 700_000), ["alarm 4 went back"]);
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
            assert_eq!(button.press(packet, u64::from(press) * 6_000), [format!("alarm {packet}")]);
            assert_eq!(button.press(packet, u64::from(press) * 6_000 + 800), NOTHING);
        }
    }

    #[test]
    fn a_button_that_is_stuck_is_heard_at_first_and_then_now_and_then_and_a_person_is_told_once() {
        let mut button = Sealed::new(None);
        let mut heard = Vec::new();
        for press in 1..=120_u32 {
            heard.extend(button.press(press, u64::from(press) * 1_000));
        }
        let taken = heard.iter().filter(|what| what.starts_with("alarm")).count();
        assert_eq!(heard[..12], (1..=12).map(|press| format!("alarm {press}")).collect::<Vec<_>>()[..]);
        assert_eq!(heard[12..14], ["tell StuckButton", "refused Stuck"]);
        assert_eq!(heard.iter().filter(|what| *what == "tell StuckButton").count(), 1);
        // From the 12th on, one more than ten seconds after the one before.
        assert_eq!(taken, 12 + (120 - 12) / 11);
        assert_eq!(heard.len(), 121, "every press is taken or counted");
    }

    #[test]
    fn the_first_press_after_a_rest_is_never_lost() {
        let mut button = Sealed::new(None);
        for press in 1..=40_u32 {
            button.press(press, u64::from(press) * 500);
        }
        assert_eq!(button.press(41, 50_500), ["alarm 41"], "half a minute after the last");
        assert_eq!(button.press(42, 51_000), ["alarm 42"]);
    }

    #[test]
    fn whoever_presses_in_fear_is_not_stuck() {
        let mut button = Sealed::new(None);
        // Twelve a minute, for ten minutes.
        for press in 1..=120_u32 {
            assert_eq!(button.press(press, u64::from(press) * 5_100), [format!("alarm {press}")]);
        }
    }

    #[test]
    fn a_plain_button_can_be_stuck_too_and_its_repeats_are_not_counted() {
        let mut button = Plain::new();
        let mut heard = Vec::new();
        for packet in 0..20_u8 {
            for repeat in 0..5 {
                heard.extend(button.press(packet, u64::from(packet) * 1_000 + repeat * 50));
            }
        }
        assert_eq!(heard.len(), 21, "{heard:?}");
        assert_eq!(heard.iter().filter(|what| *what == "refused Stuck").count(), 8);
    }

    #[test]
    fn when_a_person_has_confirmed_a_new_battery_the_button_counts_anew() {
        let mut button = Sealed::new(Some(442));
        button.is_told(1, 0);
        assert_eq!(button.press(1, 0), ["alarm 1"]);
        assert_eq!(button.press(2, 30_000), ["alarm 2"]);
        button.is_told(1, 0);
        assert_eq!(button.press(1, 700_000), ["alarm 1 went back"], "the same battery, told again");
        button.is_told(0, 442);
        assert_eq!(button.press(3, 800_000), ["alarm 3"], "an older word changes nothing");
    }

    #[test]
    fn a_replaced_box_takes_over_how_far_a_button_has_counted() {
        let mut button = Sealed::new(None);
        button.is_told(3, 100);
        assert_eq!(button.press(100, 0), ["alarm 100 went back"]);
        assert_eq!(button.press(101, 1_000), ["alarm 101"]);
        button.is_told(3, 50);
        assert_eq!(button.press(102, 2_000), ["alarm 102"], "it knows better itself");
    }

    #[test]
    fn a_beacon_is_new_once_however_often_it_is_sent() {
        let mut button = Sealed::new(None);
        let frame = button.frame(9, ButtonEvent::None);
        let mut heard = |frame: &[u8], ms| {
            let effects = button.buttons.hear(&ADDRESS, frame, &at(ms));
            effects.into_iter().find_map(|effect| match effect {
                Effect::Alive { is_beacon } => Some(is_beacon),
                Effect::Take { .. } | Effect::Refuse(_) | Effect::Battery(_) | Effect::Tell(_) => None,
            })
        };
        assert_eq!(heard(&frame, 0), Some(true));
        assert_eq!(heard(&frame, 500), Some(false));
        let mut forged = frame.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(heard(&forged, 600), None, "whoever forges it is not the button");
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
            let mut buttons = Buttons::new(counters, Vec::new());
            buttons.serve([&device(Some(key.clone()))]);
            Self { buttons, key }
        }

        /// What the gateway knows of it.
        fn is_told(&mut self, battery: u32, highest: u32) {
            let counted = Some(Counted { battery, highest });
            self.buttons.serve([&Device { counted, ..device(Some(self.key.clone())) }]);
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
            let mut buttons = Buttons::default();
            buttons.serve([&device(None)]);
            Self(buttons)
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
            Effect::Tell(trouble) => Some(format!("tell {trouble:?}")),
            Effect::Battery(_) | Effect::Alive { .. } => None,
        };
        effects.into_iter().filter_map(say).collect()
    }
}
