//! A body and what happens to it: values that go up and down as bodies' do, and planted events that a rule is to notice.
//!
//! Sources: clinical-rules §2 (the first reading of a session is higher), §3 (a single systolic value scatters by 8 to 12 mmHg,
//! a diastolic one by 5 to 7), §7 (weight in heart failure), §8 (what somebody is to know of).

use std::f64::consts::TAU;

use hempuls_simulators::person::daily_course;
use jiff::civil::DateTime;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::DAY_MS;

/// What happens to a person, or to her home, that somebody is to know of.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Pressure about 200 for days.
    HighPressure,
    /// Pressure about 77 for days.
    LowPressure,
    /// A heart that races for days.
    FastPulse,
    /// A heart that is far too slow for days.
    SlowPulse,
    /// Oxygen saturation well below its limit for days.
    LowOxygen,
    /// Fever for days.
    Fever,
    /// Water: kilograms within three days.
    WeightGain,
    /// Atrial fibrillation that begins.
    IrregularPulse,
    /// Pressure that rises over three weeks, and stays.
    Worsening,
    /// She measures no more, for days.
    StopsMeasuring,
    /// Her box falls silent.
    Silence,
}

impl Kind {
    /// Whether only days and weeks of readings show it.
    #[must_use]
    pub fn is_slow(self) -> bool {
        match self {
            Self::IrregularPulse | Self::Worsening => true,
            Self::HighPressure
            | Self::LowPressure
            | Self::FastPulse
            | Self::SlowPulse
            | Self::LowOxygen
            | Self::Fever
            | Self::WeightGain
            | Self::StopsMeasuring
            | Self::Silence => false,
        }
    }

    /// In plain words.
    #[must_use]
    pub fn say(self) -> &'static str {
        match self {
            Self::HighPressure => "high pressure",
            Self::LowPressure => "low pressure",
            Self::FastPulse => "fast pulse",
            Self::SlowPulse => "slow pulse",
            Self::LowOxygen => "low oxygen",
            Self::Fever => "fever",
            Self::WeightGain => "weight gain",
            Self::IrregularPulse => "irregular pulse begins",
            Self::Worsening => "pressure rises slowly",
            Self::StopsMeasuring => "stops measuring",
            Self::Silence => "home falls silent",
        }
    }
}

/// One planted event.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Planted {
    /// What.
    pub kind: Kind,
    /// From when.
    pub from_ms: i64,
    /// Until before when.
    pub until_ms: i64,
    /// How high, low or much, in the unit of its kind.
    size: f64,
}

impl Planted {
    /// An event of this kind that begins then. `oxygen_limit` is the saturation below which somebody is to know.
    pub(super) fn any(kind: Kind, from_ms: i64, oxygen_limit: f64, dice: &mut StdRng) -> Self {
        let (days, size) = match kind {
            Kind::HighPressure => (3.0..6.0, 194.0..212.0),
            Kind::LowPressure => (3.0..5.0, 72.0..79.0),
            Kind::FastPulse => (3.0..5.0, 145.0..165.0),
            Kind::SlowPulse => (3.0..5.0, 29.0..33.0),
            Kind::LowOxygen => (3.0..7.0, oxygen_limit - 6.0..oxygen_limit - 3.0),
            Kind::Fever => (3.0..5.0, 38.9..39.9),
            Kind::WeightGain => (10.0..14.0, 3.5..6.0),
            Kind::IrregularPulse => (20.0..30.0, 0.6..0.9),
            Kind::Worsening => (35.0..42.0, 14.0..22.0),
            Kind::StopsMeasuring => (4.0..14.0, 0.0..1.0),
            Kind::Silence => (0.02..3.0, 0.0..1.0),
        };
        let lasts = dice.random_range(days) * DAY_MS as f64;
        Self { kind, from_ms, until_ms: from_ms + whole(lasts), size: dice.random_range(size) }
    }

    /// An event that only lasts.
    pub(super) fn lasting(kind: Kind, from_ms: i64, until_ms: i64) -> Self {
        Self { kind, from_ms, until_ms, size: 0.0 }
    }

    /// Whether it goes on at this moment.
    #[must_use]
    pub fn goes_on_at(&self, at_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&at_ms)
    }

    /// How much of a rise over `days` has come by then.
    fn ramp(&self, at_ms: i64, days: f64) -> f64 {
        ((at_ms - self.from_ms) as f64 / (days * DAY_MS as f64)).clamp(0.0, 1.0)
    }
}

/// What is true of a body in the moment in which it is measured.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(super) struct Truth {
    pub(super) systolic: f64,
    pub(super) diastolic: f64,
    pub(super) pulse: f64,
    pub(super) oxygen: f64,
    pub(super) temperature: f64,
    pub(super) weight: f64,
    pub(super) is_irregular: bool,
}

/// A body.
pub(super) struct Body {
    dice: StdRng,
    usual: Truth,
    /// How often its pulse is irregular, where that is known already.
    irregular: f64,
    /// What a day is above or below the usual, and a week's weight.
    day: i64,
    today: f64,
    water: f64,
}

impl Body {
    /// The body of somebody with these usual values.
    pub(super) fn new(seed: u64, usual: Truth, irregular: f64) -> Self {
        Self { dice: StdRng::seed_from_u64(seed), usual, irregular, day: i64::MIN, today: 0.0, water: 0.0 }
    }

    /// What is true of it at the beginning of a session.
    pub(super) fn at(&mut self, at_ms: i64, wall: DateTime, planted: &[Planted]) -> Truth {
        self.live_until(at_ms.div_euclid(DAY_MS));
        let course = daily_course(wall);
        let winter = (TAU * f64::from(wall.date().day_of_year()) / 365.0).cos();
        let rise = self.today + 2.5 * winter + 5.0 * course + self.normal(6.0);
        let mut truth = Truth {
            systolic: self.usual.systolic + rise,
            diastolic: self.usual.diastolic + 0.5 * rise + self.normal(2.0),
            pulse: self.usual.pulse + 4.0 * course + self.normal(4.0),
            oxygen: self.usual.oxygen + self.normal(0.6),
            temperature: self.usual.temperature + 0.25 * course + self.normal(0.15),
            weight: self.usual.weight + self.water + self.normal(0.25),
            is_irregular: self.dice.random_bool(self.irregular),
        };
        for event in planted.iter().filter(|event| event.goes_on_at(at_ms)) {
            self.suffer(&mut truth, event, at_ms);
        }
        truth
    }

    fn suffer(&mut self, truth: &mut Truth, event: &Planted, at_ms: i64) {
        match event.kind {
            Kind::HighPressure => {
                truth.systolic = event.size + self.normal(6.0);
                truth.diastolic += 22.0;
                truth.pulse += 8.0;
            }
            Kind::LowPressure => {
                truth.systolic = event.size + self.normal(4.0);
                truth.diastolic = event.size * 0.62 + self.normal(3.0);
                truth.pulse += 14.0;
            }
            Kind::FastPulse => truth.pulse = event.size + self.normal(5.0),
            Kind::SlowPulse => truth.pulse = event.size + self.normal(1.5),
            Kind::LowOxygen => {
                truth.oxygen = event.size + self.normal(0.8);
                truth.pulse += 12.0;
            }
            Kind::Fever => {
                truth.temperature = event.size + self.normal(0.2);
                truth.pulse += 16.0;
            }
            Kind::WeightGain => truth.weight += event.size * event.ramp(at_ms, 3.0),
            Kind::IrregularPulse => truth.is_irregular = self.dice.random_bool(event.size),
            Kind::Worsening => {
                truth.systolic += event.size * event.ramp(at_ms, 21.0);
                truth.diastolic += 0.5 * event.size * event.ramp(at_ms, 21.0);
            }
            Kind::StopsMeasuring | Kind::Silence => {}
        }
    }

    /// Days are like the day before, and water comes and goes.
    fn live_until(&mut self, day: i64) {
        let days = if self.day == i64::MIN { 10 } else { (day - self.day).clamp(0, 60) };
        for _ in 0..days {
            self.today = 0.6 * self.today + self.normal(2.6);
            self.water = 0.7 * self.water + self.normal(0.22);
        }
        self.day = day;
    }

    /// A chance around nothing, with this standard deviation.
    pub(super) fn normal(&mut self, deviation: f64) -> f64 {
        normal(&mut self.dice, deviation)
    }
}

/// As [`Body::normal`].
///
/// Source: Box and Muller 1958.
pub(super) fn normal(dice: &mut StdRng, deviation: f64) -> f64 {
    let radius = (-2.0 * dice.random_range(f64::EPSILON..1.0).ln()).sqrt();
    deviation * radius * (TAU * dice.random_range(0.0..1.0)).cos()
}

#[expect(clippy::cast_possible_truncation, reason = "far from the ends of i64")]
pub(super) fn whole(value: f64) -> i64 {
    value.round() as i64
}
