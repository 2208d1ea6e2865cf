//! A minute of use of a device that sends over and over: one signal, with the median of each quantity.

use std::time::{Duration, Instant};

use hempuls_protocol::devices::{Characteristic, Dialect, interpret, stream};
use hempuls_protocol::event::Signal;
use hempuls_protocol::ids::{DeviceId, UserSlot};
use hempuls_protocol::observation::{Observation, Quantity};

/// How long a signal of a stream is, unless the device hangs up before.
const MINUTE: Duration = Duration::from_secs(60);
/// Thirty notifications a second of an oximeter with all there is.
const FULL: usize = 32 * 1024;

/// What came so far.
#[derive(Debug)]
pub struct Minute {
    characteristic: Characteristic,
    dialect: Dialect,
    session: u32,
    began: Instant,
    latest: Instant,
    /// When a notification was last kept.
    kept: Option<Instant>,
    raw: Vec<u8>,
    observations: Vec<Observation>,
    slot: Option<u8>,
    is_readable: bool,
}

impl Minute {
    /// A minute that begins with this notification, in this session.
    #[must_use]
    pub fn begin(characteristic: Characteristic, dialect: Dialect, session: u32, payload: &[u8], now: Instant) -> Self {
        let mut minute = Self {
            characteristic,
            dialect,
            session,
            began: now,
            latest: now,
            kept: None,
            raw: Vec::new(),
            observations: Vec::new(),
            slot: None,
            is_readable: true,
        };
        minute.add(payload, now);
        minute
    }

    /// One more notification. Of a device that sends many times a second only some are kept.
    pub fn add(&mut self, payload: &[u8], now: Instant) {
        self.latest = now;
        let every = stream(self.characteristic).and_then(|stream| stream.sampled_every);
        let is_too_soon = |(kept, every): (Instant, Duration)| now.saturating_duration_since(kept) < every;
        if self.kept.zip(every).is_some_and(is_too_soon) {
            return;
        }
        self.kept = Some(now);
        self.raw.push(u8::try_from(payload.len()).unwrap_or(u8::MAX));
        self.raw.extend(payload.iter().take(usize::from(u8::MAX)));
        match interpret(self.characteristic, self.dialect, payload) {
            Ok(meaning) => {
                self.observations.extend(meaning.observations);
                self.slot = self.slot.or(meaning.user_slot);
            }
            Err(_) => self.is_readable = false,
        }
    }

    /// On which characteristic.
    #[must_use]
    pub fn characteristic(&self) -> Characteristic {
        self.characteristic
    }

    /// Whether it can take no more: a device that sends faster than any known one ends its minute early.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.raw.len() >= FULL
    }

    /// When it is over.
    #[must_use]
    pub fn ends(&self) -> Instant {
        self.began + MINUTE
    }

    /// Whether everything in it could be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// The signal it makes.
    #[must_use]
    pub fn finish(self, device: DeviceId) -> Signal {
        let span = self.latest.saturating_duration_since(self.began);
        Signal {
            slot: self.slot.map(UserSlot),
            dialect: self.dialect,
            observations: summarise(&self.observations),
            session: Some(self.session),
            span_ms: Some(u32::try_from(span.as_millis()).unwrap_or(u32::MAX)),
            ..Signal::heard(device, self.characteristic, self.raw)
        }
    }
}

fn summarise(observations: &[Observation]) -> Vec<Observation> {
    let mut quantities: Vec<Quantity> = observations.iter().map(|observation| observation.quantity).collect();
    quantities.sort_unstable();
    quantities.dedup();
    let of = |quantity: Quantity| {
        let values: Vec<Observation> = observations.iter().filter(|each| each.quantity == quantity).cloned().collect();
        Observation::summarise(&values)
    };
    quantities.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use hempuls_protocol::devices::berrymed;
    use hempuls_protocol::observation::Decimal;

    #[test]
    fn a_minute_of_a_pulse_strap_is_one_signal_with_its_median() {
        let start = clock::now();
        let mut minute =
            Minute::begin(Characteristic::HEART_RATE_MEASUREMENT, Dialect::Standard, 7, &[0x00, 70], start);
        for (second, rate) in [(1, 90), (2, 60), (3, 72), (4, 71)] {
            minute.add(&[0x00, rate], start + Duration::from_secs(second));
        }
        assert_eq!(minute.ends(), start + Duration::from_secs(60));
        let signal = minute.finish("F0:F1:F2:F3:F4:F5".parse().unwrap());
        assert_eq!(signal.span_ms, Some(4_000));
        assert_eq!(signal.raw.as_slice(), [2, 0, 70, 2, 0, 90, 2, 0, 60, 2, 0, 72, 2, 0, 71]);
        let [rate] = signal.observations.as_slice() else { panic!("{:?}", signal.observations) };
        assert_eq!(rate.value.number(), Some(Decimal::whole(71)));
        let spread = rate.spread.unwrap();
        assert_eq!((spread.lowest, spread.highest, spread.count), (Decimal::whole(60), Decimal::whole(90), 5));
    }

    #[test]
    fn of_a_clip_that_sends_a_hundred_times_a_second_one_packet_a_second_is_kept() {
        let start = clock::now();
        let packet = [0x80 | 5, 30, 2, 64, 97];
        let mut minute = Minute::begin(berrymed::MEASUREMENT, Dialect::Berrymed, 7, &packet, start);
        for hundredth in 1..=1_000 {
            minute.add(&packet, start + Duration::from_millis(hundredth * 10));
        }
        let signal = minute.finish("F0:F1:F2:F3:F4:F5".parse().unwrap());
        assert_eq!((signal.raw.len(), signal.span_ms, signal.session), (11 * 6, Some(10_000), Some(7)));
    }

    #[test]
    fn what_cannot_be_read_is_kept_all_the_same() {
        let minute = Minute::begin(Characteristic::HEART_RATE_MEASUREMENT, Dialect::Standard, 7, &[], clock::now());
        assert!(!minute.is_readable());
        assert_eq!(minute.finish("F0:F1:F2:F3:F4:F5".parse().unwrap()).raw.as_slice(), [0]);
    }
}
