//! Everybody else who is on the air around a home.

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{Habits, Stranger, What};
use crate::{
    bluez::{Bluez, Device},
    clock::Moment,
};

/// Strangers around one radio.
#[derive(Debug)]
pub struct Crowd(Vec<Device<Stranger>>);

/// Of 20 strangers: so many are of this kind. The rare ones are those that an agent could take for its own.
const OF_TWENTY: [(What, usize); 11] = [
    (What::Phone, 8),
    (What::Laptop, 2),
    (What::Headset, 2),
    (What::Beacon, 1),
    (What::Tag, 1),
    (What::Appliance, 1),
    (What::Watch, 1),
    (What::Cuff, 1),
    (What::Oximeter, 1),
    (What::Scale, 1),
    (What::Button, 1),
];

impl Crowd {
    /// Puts so many strangers near the radio, the same for the same seed.
    #[must_use]
    pub fn gather(bluez: &Bluez, count: usize, seed: u64) -> Self {
        Self::gather_with(bluez, count, seed, &Habits::default())
    }

    /// As [`gather`](Self::gather); they behave on the air as told.
    #[must_use]
    pub fn gather_with(bluez: &Bluez, count: usize, seed: u64, habits: &Habits) -> Self {
        let mut chance = SmallRng::seed_from_u64(seed);
        let now = Moment::now();
        let kinds = OF_TWENTY.iter().flat_map(|(what, count)| std::iter::repeat_n(*what, *count)).cycle();
        let stranger = |what| bluez.add(Stranger::seeded(what, habits.clone(), chance.random(), now));
        Self(kinds.take(count).map(stranger).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self, what: What) -> usize {
        self.0.iter().filter(|stranger| stranger.with(|it| it.what() == what)).count()
    }

    /// How many advertisements they have sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.0.iter().map(|stranger| u64::from(stranger.with(|it| it.sent()))).sum()
    }

    /// In how many of these at least one program was scanning.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.0.iter().map(|stranger| u64::from(stranger.with(|it| it.heard()))).sum()
    }

    /// How often somebody has connected to one of them: never, if all is well.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.0.iter().map(|stranger| stranger.ledger().connected()).sum()
    }
}
