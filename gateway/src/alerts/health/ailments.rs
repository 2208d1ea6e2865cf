//! What is wrong with a box or one of its devices, as its heartbeats say: it begins with one, goes on with each, and is
//! over with the first that says it is well. A heartbeat that does not know says neither.

use hempuls_protocol::wire::heartbeat::{DeviceState, Hearing, Heartbeat, Takes};
use serde::{Deserialize, Serialize};

use super::LOW_BATTERY;

/// A battery that was low is well again above this, in percent, so that one that sways is not news each minute.
const WELL_BATTERY: u8 = 20;

/// Something that is wrong, and goes on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "ailment", rename_all = "snake_case")]
pub enum Ailment {
    /// The radio does not hear what it should.
    DeadRadio,
    /// The flash is full: it takes alarms only.
    FullFlash,
    /// The flash takes nothing.
    DeadFlash,
    /// Alarms are in the box's memory only.
    AlarmsInMemory,
    /// The box cannot use the configuration it was sent.
    RefusedConfig {
        /// Its own words for why.
        why: String,
    },
    /// A device's battery is low.
    LowBattery {
        /// Which device.
        device: String,
        /// What it is, where that is known.
        #[serde(default)]
        device_kind: Option<String>,
    },
    /// A device's sign of life has not come. Its box tells of it by an event of its own; heartbeats only say when it is
    /// over.
    SilentDevice {
        /// Which device.
        device: String,
        /// What it is, where that is known.
        #[serde(default)]
        device_kind: Option<String>,
    },
}

impl Ailment {
    /// The device it is about; none where it is about the box.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::LowBattery { device, .. } | Self::SilentDevice { device, .. } => Some(device),
            Self::DeadRadio | Self::FullFlash | Self::DeadFlash | Self::AlarmsInMemory | Self::RefusedConfig { .. } => {
                None
            }
        }
    }

    /// The same, with what the device is.
    #[must_use]
    pub fn of_kind(self, device_kind: Option<String>) -> Self {
        match self {
            Self::LowBattery { device, .. } => Self::LowBattery { device, device_kind },
            Self::SilentDevice { device, .. } => Self::SilentDevice { device, device_kind },
            of_box => of_box,
        }
    }
}

/// What a heartbeat says of an ailment, compared with the one before.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Course {
    /// It was well a moment ago.
    Begins,
    /// It was there already, or nobody knows whether it was.
    GoesOn,
    /// It is well.
    Over,
}

/// What has changed or goes on, by two heartbeats that follow each other.
#[must_use]
pub fn course(before: Option<&Heartbeat>, beat: &Heartbeat) -> Vec<(Ailment, Course)> {
    let was_well = |ailment: &Ailment| before.is_some_and(|before| is_well(before, ailment));
    let here = present(beat).into_iter().map(|ailment| {
        let course = if was_well(&ailment) { Course::Begins } else { Course::GoesOn };
        (ailment, course)
    });
    let over = before
        .map(present)
        .unwrap_or_default()
        .into_iter()
        .chain(possible(beat))
        .filter(|ailment| is_well(beat, ailment) && !was_well(ailment))
        .map(|ailment| (ailment, Course::Over));
    let mut courses: Vec<(Ailment, Course)> = Vec::new();
    for course in here.chain(over) {
        if !courses.contains(&course) {
            courses.push(course);
        }
    }
    courses
}

/// What is wrong, as a heartbeat says.
#[must_use]
pub fn present(beat: &Heartbeat) -> Vec<Ailment> {
    let refused = beat.config.as_ref().and_then(|config| config.refused.as_ref());
    possible(beat)
        .filter(|ailment| match ailment {
            Ailment::DeadRadio => beat.radio.is_some_and(|radio| radio.hearing == Hearing::Dead),
            Ailment::FullFlash => beat.flash.is_some_and(|flash| flash.takes == Takes::AlarmsOnly),
            Ailment::DeadFlash => beat.flash.is_some_and(|flash| flash.takes == Takes::Nothing),
            Ailment::AlarmsInMemory => beat.flash.is_some_and(|flash| flash.in_memory > 0),
            Ailment::LowBattery { device, .. } => battery(beat, device).is_some_and(|percent| percent <= LOW_BATTERY),
            Ailment::RefusedConfig { .. } | Ailment::SilentDevice { .. } => false,
        })
        .chain(refused.map(|refused| Ailment::RefusedConfig { why: refused.why.chars().take(LONGEST_WHY).collect() }))
        .collect()
}

/// A box may say at most so much about why it refuses a configuration.
const LONGEST_WHY: usize = 300;

/// Every ailment that this heartbeat could speak of, but for a refusal, which has the box's own words.
fn possible(beat: &Heartbeat) -> impl Iterator<Item = Ailment> {
    let of_box = [Ailment::DeadRadio, Ailment::FullFlash, Ailment::DeadFlash, Ailment::AlarmsInMemory];
    let of_devices = beat.devices.iter().flat_map(|state| {
        let device = state.device.to_string();
        [
            Ailment::LowBattery { device: device.clone(), device_kind: None },
            Ailment::SilentDevice { device, device_kind: None },
        ]
    });
    of_box.into_iter().chain(of_devices)
}

/// Whether a heartbeat says that this is well.
fn is_well(beat: &Heartbeat, ailment: &Ailment) -> bool {
    match ailment {
        Ailment::DeadRadio => beat.radio.is_some_and(|radio| radio.hearing == Hearing::Alive),
        Ailment::FullFlash | Ailment::DeadFlash => beat.flash.is_some_and(|flash| flash.takes == Takes::All),
        Ailment::AlarmsInMemory => beat.flash.is_some_and(|flash| flash.in_memory == 0),
        Ailment::RefusedConfig { .. } => beat.config.as_ref().is_some_and(|config| config.refused.is_none()),
        Ailment::LowBattery { device, .. } => battery(beat, device).is_some_and(|percent| percent > WELL_BATTERY),
        Ailment::SilentDevice { device, .. } => {
            state(beat, device).is_some_and(|state| state.heard_s.is_some() && !state.is_missing)
        }
    }
}

fn battery(beat: &Heartbeat, device: &str) -> Option<u8> {
    state(beat, device)?.battery
}

fn state<'a>(beat: &'a Heartbeat, device: &str) -> Option<&'a DeviceState> {
    beat.devices.iter().find(|state| state.device.to_string() == device)
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::times::{BootId, Taken, Trust};
    use hempuls_protocol::wire::heartbeat::{ConfigState, FlashState, RadioState, RefusedConfig};

    use super::*;

    const WELL: FlashState = FlashState { takes: Takes::All, in_memory: 0, encrypted: true };

    #[test]
    fn a_radio_that_dies_is_news_once_and_its_return_too() {
        let [alive, dead, unproven] = [Hearing::Alive, Hearing::Dead, Hearing::Unproven].map(radio);
        let dead_radio = |course| vec![(Ailment::DeadRadio, course)];
        assert_eq!(course(Some(&alive), &dead), dead_radio(Course::Begins));
        assert_eq!(course(Some(&dead), &dead), dead_radio(Course::GoesOn));
        assert_eq!(course(None, &dead), dead_radio(Course::GoesOn));
        assert_eq!(course(Some(&dead), &alive), dead_radio(Course::Over));
        assert_eq!(course(Some(&alive), &alive), []);
        // After a restart of the agent nobody knows at first.
        assert_eq!(course(Some(&dead), &unproven), []);
        assert_eq!(course(Some(&unproven), &dead), dead_radio(Course::GoesOn));
        assert_eq!(course(Some(&unproven), &alive), dead_radio(Course::Over));
    }

    #[test]
    fn a_flash_that_takes_less_is_told_from_one_that_takes_nothing() {
        let flash = |takes, in_memory| Heartbeat { flash: Some(FlashState { takes, in_memory, ..WELL }), ..beat() };
        let well = flash(Takes::All, 0);
        assert_eq!(course(Some(&well), &flash(Takes::AlarmsOnly, 0)), [(Ailment::FullFlash, Course::Begins)]);
        assert_eq!(
            course(Some(&well), &flash(Takes::Nothing, 2)),
            [(Ailment::DeadFlash, Course::Begins), (Ailment::AlarmsInMemory, Course::Begins)]
        );
        let over = course(Some(&flash(Takes::Nothing, 2)), &well);
        assert!(over.iter().all(|(_, course)| *course == Course::Over), "{over:?}");
        assert!(over.iter().any(|(ailment, _)| *ailment == Ailment::AlarmsInMemory));
    }

    #[test]
    fn a_battery_around_the_limit_is_not_news_each_minute() {
        let device: hempuls_protocol::ids::DeviceId = "F0:F1:F2:F3:F4:F5".parse().unwrap();
        let battery = |percent| Heartbeat {
            devices: vec![DeviceState { battery: Some(percent), ..DeviceState::unknown(device.clone()) }],
            ..beat()
        };
        let low = |course| vec![(Ailment::LowBattery { device: device.to_string(), device_kind: None }, course)];
        assert_eq!(course(Some(&battery(40)), &battery(15)), low(Course::Begins));
        assert_eq!(course(Some(&battery(15)), &battery(16)), []);
        assert_eq!(course(Some(&battery(16)), &battery(15)), low(Course::GoesOn));
        assert_eq!(course(Some(&battery(15)), &battery(95)), low(Course::Over));
    }

    #[test]
    fn a_silent_device_is_over_once_it_was_really_heard() {
        let device: hempuls_protocol::ids::DeviceId = "F0:F1:F2:F3:F4:F5".parse().unwrap();
        let said = |heard_s, is_missing| Heartbeat {
            devices: vec![DeviceState { heard_s, is_missing, ..DeviceState::unknown(device.clone()) }],
            ..beat()
        };
        let over = [(Ailment::SilentDevice { device: device.to_string(), device_kind: None }, Course::Over)];
        assert_eq!(course(Some(&said(Some(4), false)), &said(Some(4_000), true)), [], "its own event tells of it");
        assert_eq!(course(Some(&said(Some(4_000), true)), &said(None, false)), [], "the box has started anew");
        assert_eq!(course(Some(&said(None, false)), &said(Some(1), false)), over);
        assert_eq!(course(Some(&said(Some(4_000), true)), &said(Some(1), false)), over);
    }

    #[test]
    fn a_refused_configuration_is_told_in_the_boxs_words_and_not_too_many_of_them() {
        let config = |why: Option<&str>| {
            let refused = why.map(|why| RefusedConfig { revision: 7, why: why.into() });
            Heartbeat { config: Some(ConfigState { revision: 6, refused }), ..beat() }
        };
        let refused = Ailment::RefusedConfig { why: "no such zone".into() };
        assert_eq!(course(Some(&config(None)), &config(Some("no such zone"))), [(refused.clone(), Course::Begins)]);
        assert_eq!(course(Some(&config(Some("no such zone"))), &config(None)), [(refused, Course::Over)]);
        let long = course(None, &config(Some(&"x".repeat(5_000))));
        assert!(matches!(&long[..], [(Ailment::RefusedConfig { why }, _)] if why.len() == LONGEST_WHY));
    }

    fn radio(hearing: Hearing) -> Heartbeat {
        Heartbeat { radio: Some(RadioState { hearing, cures: 0, strangers: 0 }), ..beat() }
    }

    fn beat() -> Heartbeat {
        let clock = Taken { boot: BootId([1; 16]), since_boot_ms: 1, wall_ms: None, trust: Trust::Unknown };
        Heartbeat::bare(clock, Vec::new(), "test")
    }
}
