//! What is wrong with a box or one of its devices, as its heartbeats say: it begins with one, goes on with each, and is
//! over with the first that says it is well. A heartbeat that does not know says neither.

use hempuls_protocol::wire::heartbeat::{DeviceState, Hearing, Heartbeat, Takes};
use serde::{Deserialize, Serialize};

use super::LOW_BATTERY;
use crate::alerts::rules::certificate_expiring::{self, Expiring};
use crate::alerts::rules::clock_wrong::{self, Wrong};

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
    /// A device's clock is wrong and cannot be set. Its box tells of it by an event of its own; heartbeats only say when it is
    /// over.
    WrongDeviceClock {
        /// Which device.
        device: String,
        /// What it is, where that is known.
        #[serde(default)]
        device_kind: Option<String>,
    },
    /// The box's own clock is wrong.
    WrongClock(Wrong),
    /// The box's certificate runs out.
    CertificateExpiring(Expiring),
}

/// By what heartbeats are judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// When a box's clock is wrong.
    pub clock_wrong: clock_wrong::Config,
    /// When a certificate expires.
    pub certificate_expiring: certificate_expiring::Config,
    /// How long a box's certificate lives, in milliseconds.
    pub certificate_life_ms: i64,
}

/// A heartbeat, and when it came.
#[derive(Copy, Clone, Debug)]
pub struct Said<'a> {
    /// What it says.
    pub beat: &'a Heartbeat,
    /// When it came, by our clock.
    pub at_ms: i64,
}

impl Ailment {
    /// The device it is about; none where it is about the box.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::LowBattery { device, .. }
            | Self::SilentDevice { device, .. }
            | Self::WrongDeviceClock { device, .. } => Some(device),
            Self::DeadRadio
            | Self::FullFlash
            | Self::DeadFlash
            | Self::AlarmsInMemory
            | Self::RefusedConfig { .. }
            | Self::WrongClock(_)
            | Self::CertificateExpiring(_) => None,
        }
    }

    /// Whether both are one trouble, whatever the numbers in them.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::WrongClock(one), Self::WrongClock(another)) => one.is_as(another),
            (Self::CertificateExpiring(_), Self::CertificateExpiring(_)) => true,
            (one, another) => one == another,
        }
    }

    /// The same, with what the device is.
    #[must_use]
    pub fn of_kind(self, device_kind: Option<String>) -> Self {
        match self {
            Self::LowBattery { device, .. } => Self::LowBattery { device, device_kind },
            Self::SilentDevice { device, .. } => Self::SilentDevice { device, device_kind },
            Self::WrongDeviceClock { device, .. } => Self::WrongDeviceClock { device, device_kind },
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
pub fn course(before: Option<Said<'_>>, said: Said<'_>, limits: &Limits) -> Vec<(Ailment, Course)> {
    let was_well = |ailment: &Ailment| before.is_some_and(|before| is_well(before, ailment, limits));
    let here = present(said, limits).into_iter().map(|ailment| {
        let course = if was_well(&ailment) { Course::Begins } else { Course::GoesOn };
        (ailment, course)
    });
    let over = before
        .map(|before| present(before, limits))
        .unwrap_or_default()
        .into_iter()
        .chain(possible(said.beat))
        .filter(|ailment| is_well(said, ailment, limits) && !was_well(ailment))
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
pub fn present(said: Said<'_>, limits: &Limits) -> Vec<Ailment> {
    let beat = said.beat;
    let refused = beat.config.as_ref().and_then(|config| config.refused.as_ref());
    let clock = match clock_wrong::judge(beat, said.at_ms, &limits.clock_wrong) {
        clock_wrong::Says::Wrong(wrong) => Some(Ailment::WrongClock(wrong)),
        clock_wrong::Says::Right | clock_wrong::Says::Unsure => None,
    };
    let certificate = match certificate(said, limits) {
        certificate_expiring::Says::Expiring(expiring) => Some(Ailment::CertificateExpiring(expiring)),
        certificate_expiring::Says::Good | certificate_expiring::Says::Unsure => None,
    };
    possible(beat)
        .filter(|ailment| match ailment {
            Ailment::DeadRadio => beat.radio.is_some_and(|radio| radio.hearing == Hearing::Dead),
            Ailment::FullFlash => beat.flash.is_some_and(|flash| flash.takes == Takes::AlarmsOnly),
            Ailment::DeadFlash => beat.flash.is_some_and(|flash| flash.takes == Takes::Nothing),
            Ailment::AlarmsInMemory => beat.flash.is_some_and(|flash| flash.in_memory > 0),
            Ailment::LowBattery { device, .. } => battery(beat, device).is_some_and(|percent| percent <= LOW_BATTERY),
            Ailment::RefusedConfig { .. }
            | Ailment::SilentDevice { .. }
            | Ailment::WrongDeviceClock { .. }
            | Ailment::WrongClock(_)
            | Ailment::CertificateExpiring(_) => false,
        })
        .chain(refused.map(|refused| Ailment::RefusedConfig { why: refused.why.chars().take(LONGEST_WHY).collect() }))
        .chain(clock)
        .chain(certificate)
        .collect()
}

fn certificate(said: Said<'_>, limits: &Limits) -> certificate_expiring::Says {
    let expires_ms = said.beat.certificate_expires.map(|seconds| seconds.saturating_mul(1_000));
    certificate_expiring::judge(expires_ms, limits.certificate_life_ms, said.at_ms, &limits.certificate_expiring)
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
            Ailment::SilentDevice { device: device.clone(), device_kind: None },
            Ailment::WrongDeviceClock { device, device_kind: None },
        ]
    });
    of_box.into_iter().chain(of_devices)
}

/// Whether a heartbeat says that this is well.
fn is_well(said: Said<'_>, ailment: &Ailment, limits: &Limits) -> bool {
    let beat = said.beat;
    match ailment {
        Ailment::DeadRadio => beat.radio.is_some_and(|radio| radio.hearing == Hearing::Alive),
        Ailment::FullFlash | Ailment::DeadFlash => beat.flash.is_some_and(|flash| flash.takes == Takes::All),
        Ailment::AlarmsInMemory => beat.flash.is_some_and(|flash| flash.in_memory == 0),
        Ailment::RefusedConfig { .. } => beat.config.as_ref().is_some_and(|config| config.refused.is_none()),
        Ailment::LowBattery { device, .. } => battery(beat, device).is_some_and(|percent| percent > WELL_BATTERY),
        Ailment::SilentDevice { device, .. } => {
            state(beat, device).is_some_and(|state| state.heard_s.is_some() && !state.is_missing)
        }
        Ailment::WrongDeviceClock { device, .. } => state(beat, device).is_some_and(clock_wrong::is_right),
        Ailment::WrongClock(wrong) => match clock_wrong::judge(beat, said.at_ms, &limits.clock_wrong) {
            clock_wrong::Says::Right => true,
            clock_wrong::Says::Unsure => false,
            clock_wrong::Says::Wrong(other) => !wrong.is_as(&other),
        },
        Ailment::CertificateExpiring(expiring) => match certificate(said, limits) {
            certificate_expiring::Says::Good => true,
            certificate_expiring::Says::Unsure => false,
            // A case is told again once it is urgent; before that it was well in that.
            certificate_expiring::Says::Expiring(other) => expiring.is_urgent && !other.is_urgent,
        },
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

    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn course(before: Option<&Heartbeat>, beat: &Heartbeat) -> Vec<(Ailment, Course)> {
        course_at(before, beat, 0)
    }

    fn course_at(before: Option<&Heartbeat>, beat: &Heartbeat, at_ms: i64) -> Vec<(Ailment, Course)> {
        let limits = Limits {
            clock_wrong: clock_wrong::Config::default(),
            certificate_expiring: certificate_expiring::Config::default(),
            certificate_life_ms: 365 * DAY,
        };
        let said = |beat| Said { beat, at_ms };
        super::course(before.map(|beat| Said { beat, at_ms: at_ms - 60_000 }), said(beat), &limits)
    }

    #[test]
    fn a_clock_that_is_wrong_begins_once_goes_on_with_other_numbers_and_is_over_once_it_is_right() {
        let off = |minutes: i64| {
            let wall_ms = Some(DAY + minutes * 60_000);
            let clock = Taken { boot: BootId([1; 16]), since_boot_ms: 9, wall_ms, trust: Trust::Synchronised };
            Heartbeat::bare(clock, Vec::new(), "test")
        };
        let wrong = |minutes| Ailment::WrongClock(Wrong::Off { version: clock_wrong::VERSION, minutes });
        let at = |before: i64, now: i64| course_at(Some(&off(before)), &off(now), DAY);
        assert_eq!(at(0, 60), [(wrong(60), Course::Begins)]);
        assert_eq!(at(60, 61), [(wrong(61), Course::GoesOn)]);
        assert!(wrong(60).is_as(&wrong(61)));
        assert_eq!(at(60, 10), [], "neither right nor wrong");
        assert!(matches!(&at(60, 0)[..], [(Ailment::WrongClock(_), Course::Over)]));
    }

    #[test]
    fn a_certificate_that_was_not_renewed_begins_once_and_again_when_it_is_urgent_and_is_over_once_it_is_renewed() {
        let with = |days: i64| Heartbeat { certificate_expires: Some(days * DAY / 1_000), ..beat() };
        let courses = |before: &Heartbeat, now: &Heartbeat, at_ms| -> Vec<(bool, Course)> {
            let told = course_at(Some(before), now, at_ms).into_iter();
            told.map(|(ailment, course)| match ailment {
                Ailment::CertificateExpiring(expiring) => (expiring.is_urgent, course),
                other => panic!("{other:?}"),
            })
            .collect()
        };
        let (old, new) = (with(365), with(700));
        assert_eq!(courses(&old, &old, 200 * DAY), []);
        assert_eq!(courses(&old, &old, 274 * DAY), [(false, Course::Begins)]);
        assert_eq!(courses(&old, &old, 275 * DAY), [(false, Course::GoesOn)]);
        assert_eq!(courses(&old, &old, 358 * DAY), [(true, Course::Begins)]);
        assert_eq!(courses(&old, &new, 359 * DAY), [(true, Course::Over)]);
        assert_eq!(courses(&old, &beat(), 359 * DAY), [], "a heartbeat that does not know says neither");
    }

    #[test]
    fn a_devices_clock_is_over_once_its_box_has_seen_it_right() {
        let device: hempuls_protocol::ids::DeviceId = "F0:F1:F2:F3:F4:F5".parse().unwrap();
        let ahead = |clock_ahead_s| Heartbeat {
            devices: vec![DeviceState { clock_ahead_s, ..DeviceState::unknown(device.clone()) }],
            ..beat()
        };
        let over = [(Ailment::WrongDeviceClock { device: device.to_string(), device_kind: None }, Course::Over)];
        assert_eq!(course(Some(&ahead(Some(-7_200))), &ahead(Some(-7_200))), [], "its own event tells of it");
        assert_eq!(course(Some(&ahead(Some(-7_200))), &ahead(None)), []);
        assert_eq!(course(Some(&ahead(Some(-7_200))), &ahead(Some(-3))), over);
    }

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
