//! What somebody does with her devices in the course of a day. The same seed does the same.

use std::time::Duration;

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Weekday},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// What one does with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Measures her blood pressure.
    BloodPressure,
    /// Measures it when it is above 180 over 110 mmHg.
    HighBloodPressure,
    /// Measures her oxygen saturation.
    SpotCheck,
    /// Measures her temperature.
    Temperature {
        /// Whether she is ill.
        has_fever: bool,
    },
    /// Stands on the scale.
    Weight,
    /// Goes for a walk with her strap on.
    Walk {
        /// For so long, in our time.
        takes: Duration,
    },
    /// Presses her button.
    Press,
}

/// Somebody's habits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routine {
    seed: u64,
}

impl Routine {
    /// The habits of a person who is the same for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed }
    }

    /// What she does on this day, in order.
    #[must_use]
    pub fn day(&self, date: Date) -> Vec<(DateTime, Use)> {
        let number = date.duration_since(Date::ZERO).as_hours() / 24;
        let mut chance = SmallRng::seed_from_u64(self.seed.wrapping_mul(1_000_003).wrapping_add_signed(number));
        let mut about = |hour: i8| date.at(hour, 0, 0, 0) + SignedDuration::from_secs(chance.random_range(0..40 * 60));
        let mut uses = Vec::new();
        if [Weekday::Monday, Weekday::Wednesday, Weekday::Friday].contains(&date.weekday()) {
            uses.push((about(6), Use::Weight));
        }
        for hour in [7, 20] {
            // Twice, a minute or so apart, as she was told.
            let first = about(hour);
            uses.extend([(first, Use::BloodPressure), (first + SignedDuration::from_secs(70), Use::BloodPressure)]);
        }
        uses.push((about(8), Use::SpotCheck));
        if chance.random_bool(0.5) {
            uses.push((date.at(10, 30, 0, 0), Use::Walk { takes: Duration::from_secs(chance.random_range(3..12)) }));
        }
        let ill = chance.random_bool(0.07);
        for hour in if ill { [9, 15, 21].as_slice() } else { &[] } {
            uses.push((date.at(*hour, 50, 0, 0), Use::Temperature { has_fever: true }));
        }
        if chance.random_bool(0.03) {
            for minute in [0, 2, 4] {
                uses.push((date.at(17, minute, 0, 0), Use::HighBloodPressure));
            }
        }
        if date.day() == 1 || chance.random_bool(0.1) {
            uses.push((date.at(13, chance.random_range(0..60), 0, 0), Use::Press));
        }
        uses.sort_by_key(|(at, _)| *at);
        uses
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_month_has_what_a_month_has_in_order_and_the_same_for_the_same_seed() {
        let month = |seed| -> Vec<_> {
            date(2026, 10, 1)
                .series(jiff::Span::new().days(1))
                .take(31)
                .flat_map(|day| Routine::seeded(seed).day(day))
                .collect()
        };
        let uses = month(1);
        let count = |wanted: fn(&Use) -> bool| uses.iter().filter(|(_, deed)| wanted(deed)).count();
        assert_eq!(count(|deed| *deed == Use::BloodPressure), 124);
        assert_eq!(count(|deed| *deed == Use::SpotCheck), 31);
        assert_eq!(count(|deed| *deed == Use::Weight), 13);
        assert!((8..=23).contains(&count(|deed| matches!(deed, Use::Walk { .. }))));
        assert!((1..=10).contains(&count(|deed| *deed == Use::Press)), "a test on the first, at least");
        assert!(uses.is_sorted_by_key(|(at, _)| *at));
        assert_eq!(uses, month(1));
        assert_ne!(uses, month(2));
    }
}
