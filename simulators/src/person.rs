//! Plausible bodies: the same seed measures the same, pressures are lowest before dawn and highest in the forenoon.

use std::f64::consts::TAU;

use jiff::civil::DateTime;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::devices::{BloodPressure, SpotCheck};

/// Someone who measures.
#[derive(Debug)]
pub struct Person {
    chance: StdRng,
    systolic: f64,
    diastolic: f64,
    pulse: f64,
    oxygen_saturation: f64,
}

/// What a measurement of everything finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// From the cuff.
    pub blood_pressure: BloodPressure,
    /// From the oximeter.
    pub spot_check: SpotCheck,
}

impl Person {
    /// A person of her own, who is the same for the same seed. No measurement of hers reaches 180 or 110 mmHg.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        Self {
            systolic: chance.random_range(115.0..145.0),
            diastolic: chance.random_range(68.0..88.0),
            pulse: chance.random_range(58.0..82.0),
            oxygen_saturation: chance.random_range(94.5..98.0),
            chance,
        }
    }

    /// What she measures when her kitchen clock shows `at`.
    pub fn measure_at(&mut self, at: DateTime) -> Vitals {
        let day = daily_course(at);
        let systolic = self.systolic + 10.0 * day + self.scatter(7.0);
        let diastolic = self.diastolic + 6.0 * day + self.scatter(4.0);
        let pulse = self.pulse + 6.0 * day + self.scatter(5.0);
        let oxygen_saturation = self.oxygen_saturation + 0.5 * day + self.scatter(1.0);
        Vitals {
            blood_pressure: blood_pressure(systolic, diastolic, pulse),
            spot_check: SpotCheck {
                oxygen_saturation: Some(whole(oxygen_saturation.min(100.0))),
                pulse: Some(whole(pulse)),
            },
        }
    }

    /// A blood pressure above 180/110 mmHg.
    pub fn high(&mut self) -> BloodPressure {
        let systolic = 196.0 + self.scatter(12.0);
        let diastolic = 118.0 + self.scatter(6.0);
        let pulse = self.pulse + 15.0 + self.scatter(5.0);
        blood_pressure(systolic, diastolic, pulse)
    }

    /// Her temperature in tenths of °C, in the ear.
    pub fn temperature(&mut self, has_fever: bool) -> u16 {
        let usual = if has_fever { 385.0 } else { 367.0 };
        whole(usual + self.scatter(4.0))
    }

    /// Her weight, in steps of 5 g.
    pub fn weight(&mut self) -> u16 {
        // From what she is otherwise, so that she needs no seed of her own for it.
        whole(11_000.0 + 40.0 * self.diastolic + self.scatter(160.0))
    }

    /// Her heart while she walks, in beats per minute.
    pub fn walking(&mut self) -> u8 {
        u8::try_from(whole(self.pulse + 25.0 + self.scatter(8.0))).unwrap_or(u8::MAX)
    }

    fn scatter(&mut self, widest: f64) -> f64 {
        self.chance.random_range(-widest..=widest)
    }
}

/// From -1 at about 3 o'clock to +1 at about 10, and slowly back.
#[must_use]
pub fn daily_course(at: DateTime) -> f64 {
    let hour = f64::from(at.hour()) + f64::from(at.minute()) / 60.0;
    let since_trough = (hour - 3.0).rem_euclid(24.0);
    let turn = if since_trough < 7.0 { since_trough / 14.0 } else { 0.5 + (since_trough - 7.0) / 34.0 };
    -(TAU * turn).cos()
}

fn blood_pressure(systolic: f64, diastolic: f64, pulse: f64) -> BloodPressure {
    BloodPressure {
        systolic: whole(systolic),
        diastolic: whole(diastolic),
        mean: Some(whole(diastolic + (systolic - diastolic) / 3.0)),
        pulse: Some(whole(pulse)),
        user: None,
        status: 0,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u16 {
    value.round() as u16
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_same_seed_measures_the_same() {
        let at = date(2026, 11, 22).at(8, 0, 0, 0);
        let measure = |seed| Person::seeded(seed).measure_at(at);
        assert_eq!(measure(1), measure(1));
        assert_ne!(measure(1), measure(2));
    }

    #[test]
    fn mornings_are_higher_than_nights_and_nothing_is_out_of_bounds() {
        let mean_at = |hour| {
            let at = date(2026, 11, 22).at(hour, 0, 0, 0);
            let systolic = |seed| {
                let vitals = Person::seeded(seed).measure_at(at);
                let pressure = vitals.blood_pressure;
                assert!((90..180).contains(&pressure.systolic), "{pressure:?}");
                assert!((55..110).contains(&pressure.diastolic), "{pressure:?}");
                assert!((90..=100).contains(&vitals.spot_check.oxygen_saturation.unwrap()));
                u64::from(pressure.systolic)
            };
            (0..500).map(systolic).sum::<u64>() / 500
        };
        assert!(mean_at(10) > mean_at(3) + 15);
    }

    #[test]
    fn high_is_above_180_over_110() {
        let mut person = Person::seeded(3);
        for _ in 0..200 {
            let high = person.high();
            assert!(high.systolic > 180 && high.diastolic > 110, "{high:?}");
        }
    }
}
