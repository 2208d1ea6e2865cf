//! How a device is listened to: the service it is known by, the characteristics on which it says what it measured, what it
//! must be asked before it says anything, and how its notifications become payloads that [`interpret`](super::interpret)
//! reads.

use std::time::Duration;

use jiff::civil;

use super::{Characteristic, DeviceKind, Dialect, berrymed, microlife, nonin, yonker};

/// The service that such a device has; `None` where a device of this kind cannot speak that dialect, or is none that one
/// connects to.
#[must_use]
pub const fn service(kind: DeviceKind, dialect: Dialect) -> Option<Characteristic> {
    if !dialect.suits(kind) {
        return None;
    }
    Some(match dialect {
        Dialect::Standard | Dialect::Beurer => match kind {
            DeviceKind::BloodPressure => Characteristic::assigned(0x1810),
            DeviceKind::PulseOximeter => Characteristic::assigned(0x1822),
            DeviceKind::Thermometer => Characteristic::assigned(0x1809),
            DeviceKind::WeightScale => Characteristic::assigned(0x181D),
            DeviceKind::HeartRate => Characteristic::assigned(0x180D),
            DeviceKind::AlarmButton => return None,
        },
        Dialect::Nonin => nonin::SERVICE,
        Dialect::Yonker => yonker::SERVICE,
        Dialect::Microlife => microlife::SERVICE,
        Dialect::Berrymed => berrymed::SERVICE,
    })
}

/// The characteristics on which such a device says what it measured; none for one that only advertises.
#[must_use]
pub const fn measurements(kind: DeviceKind, dialect: Dialect) -> &'static [Characteristic] {
    match dialect {
        Dialect::Standard | Dialect::Beurer => match kind {
            DeviceKind::BloodPressure => &[Characteristic::BLOOD_PRESSURE_MEASUREMENT],
            DeviceKind::PulseOximeter => {
                &[Characteristic::SPOT_CHECK_MEASUREMENT, Characteristic::CONTINUOUS_MEASUREMENT]
            }
            DeviceKind::Thermometer => &[Characteristic::TEMPERATURE_MEASUREMENT],
            DeviceKind::WeightScale => &[Characteristic::WEIGHT_MEASUREMENT],
            DeviceKind::HeartRate => &[Characteristic::HEART_RATE_MEASUREMENT],
            DeviceKind::AlarmButton => &[],
        },
        Dialect::Nonin => &[nonin::MEASUREMENT],
        Dialect::Yonker => &[yonker::MEASUREMENT],
        Dialect::Microlife => &[microlife::MEASUREMENT],
        Dialect::Berrymed => &[berrymed::MEASUREMENT],
    }
}

/// A characteristic that is sent over and over while a device is worn, so that a minute of it makes a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Of payloads that come faster than this, one in this time is kept; `None`: all of them are.
    pub sampled_every: Option<Duration>,
}

/// How a characteristic is a stream, if it is one.
#[must_use]
pub fn stream(characteristic: Characteristic) -> Option<Stream> {
    match characteristic {
        Characteristic::HEART_RATE_MEASUREMENT | Characteristic::CONTINUOUS_MEASUREMENT | nonin::MEASUREMENT => {
            Some(Stream { sampled_every: None })
        }
        berrymed::MEASUREMENT => Some(Stream { sampled_every: Some(berrymed::SAMPLED_EVERY) }),
        _ => None,
    }
}

/// Whether a characteristic is a stream.
#[must_use]
pub fn is_stream(characteristic: Characteristic) -> bool {
    stream(characteristic).is_some()
}

/// Something that a device must be told before it says what it measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// On which characteristic.
    pub characteristic: Characteristic,
    /// What to write there, one piece after the other.
    pub writes: Vec<Vec<u8>>,
    /// What to wait for before the next request.
    pub then: Answer,
}

/// What answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// That it was done. One that does not come holds nothing up.
    Done,
    /// All that was asked for.
    Told,
    /// Nothing: the device hangs up.
    HangUp,
}

/// What a device must be told, in order; nothing for one that speaks by itself. `clock` is what the wall clock of the home
/// shows, where the agent knows it well enough to set another by it.
#[must_use]
pub fn requests(dialect: Dialect, clock: Option<civil::DateTime>) -> Vec<Request> {
    let microlife = |command: microlife::Command, then| Request {
        characteristic: microlife::COMMANDS,
        writes: command.writes(),
        then,
    };
    match dialect {
        Dialect::Microlife => clock
            .map(|clock| microlife(microlife::Command::SetTime(clock), Answer::Done))
            .into_iter()
            .chain([
                microlife(microlife::Command::ReadAll, Answer::Told),
                microlife(microlife::Command::Goodbye, Answer::HangUp),
            ])
            .collect(),
        Dialect::Standard | Dialect::Beurer | Dialect::Nonin | Dialect::Yonker | Dialect::Berrymed => Vec::new(),
    }
}

/// Makes payloads of what one device sends in one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembler {
    /// Each notification or indication is a payload.
    Whole,
    /// Packets on a serial line.
    Packets(berrymed::Packets),
    /// Frames that are longer than a notification.
    Frames(microlife::Frames),
}

/// What a notification completes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Payloads, in the order in which they came.
    pub payloads: Vec<Vec<u8>>,
    /// It answers a request: [`Answer::Done`].
    pub is_done: bool,
    /// It answers a request: [`Answer::Told`].
    pub is_told: bool,
}

impl Assembler {
    /// For a device that speaks this dialect. A new one for each connection: what the last one left unfinished comes again.
    #[must_use]
    pub fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Standard | Dialect::Beurer | Dialect::Nonin | Dialect::Yonker => Self::Whole,
            Dialect::Berrymed => Self::Packets(berrymed::Packets::default()),
            Dialect::Microlife => Self::Frames(microlife::Frames::default()),
        }
    }

    /// Hears a notification or an indication.
    pub fn hear(&mut self, notification: &[u8]) -> Heard {
        match self {
            Self::Whole => Heard { payloads: vec![notification.to_vec()], ..Heard::default() },
            Self::Packets(packets) => Heard { payloads: packets.hear(notification), ..Heard::default() },
            Self::Frames(frames) => frames.hear(notification),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::{MEASUREMENTS, interpret};

    #[test]
    fn whatever_a_device_is_listened_to_on_can_be_read() {
        for kind in DeviceKind::ALL {
            for dialect in Dialect::ALL.into_iter().filter(|dialect| dialect.suits(kind)) {
                assert!(service(kind, dialect).is_some());
                for characteristic in measurements(kind, dialect) {
                    assert!(MEASUREMENTS.contains(characteristic));
                    let nothing = interpret(*characteristic, dialect, &[]);
                    assert!(
                        !matches!(nothing, Err(crate::codec::DecodeError::NotAMeasurement(_))),
                        "{kind:?} {dialect}"
                    );
                }
            }
        }
        assert_eq!(service(DeviceKind::Thermometer, Dialect::Nonin), None);
    }

    #[test]
    fn a_microlife_is_set_asked_and_left() {
        let clock = civil::date(2026, 11, 24).at(9, 0, 0, 0);
        let answers = |clock| requests(Dialect::Microlife, clock).into_iter().map(|request| request.then).collect();
        let with_clock: Vec<Answer> = answers(Some(clock));
        assert_eq!(with_clock, [Answer::Done, Answer::Told, Answer::HangUp]);
        let without: Vec<Answer> = answers(None);
        assert_eq!(without, [Answer::Told, Answer::HangUp], "a clock is set only by one that is right");
    }
}
