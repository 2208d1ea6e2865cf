//! Somebody else's device: a phone that passes, a neighbour's cuff, a beacon in the stairwell. It advertises once a
//! second, whatever happens, and is none of this home's business. [`Crowd`] is as many of them as a block of flats has.

mod crowd;
mod what;

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::SmallRng};

pub use self::{crowd::Crowd, what::What};
use crate::{
    air::{Address, Input, Output, Peripheral, Service, Uuid},
    clock::Moment,
    ledger::{Deed, Ledger},
};

/// A stranger.
#[derive(Debug)]
pub struct Stranger {
    what: What,
    address: Address,
    signal_dbm: i16,
    habits: Habits,
    chance: SmallRng,
    next: Instant,
    /// When it calls itself otherwise, where it does so.
    moves_at: Option<Instant>,
    sent: u32,
    heard: u32,
    ledger: Ledger,
}

/// How a stranger behaves on the air.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Time between two advertisements.
    pub advertises_every: Duration,
    /// How long a device that hides keeps one address: phones change theirs after a quarter of an hour.
    pub keeps_its_address_for: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self { advertises_every: Duration::from_secs(1), keeps_its_address_for: Duration::from_secs(15 * 60) }
    }
}

/// Advertisements are put off by a chance of up to so much, so that two devices do not collide for ever.
///
/// Source: Bluetooth Core Specification, Vol 6, Part B, 4.4.2.2.1 (advDelay).
const LONGEST_DELAY: Duration = Duration::from_millis(10);

impl Stranger {
    /// A stranger who is the same for the same seed.
    #[must_use]
    pub fn seeded(what: What, habits: Habits, seed: u64, now: Moment) -> Self {
        let mut chance = SmallRng::seed_from_u64(seed);
        let address = what.address(&mut chance);
        // Whoever hides has been doing so for a while when we come by.
        let moves_at =
            what.hides().then(|| now.instant + habits.keeps_its_address_for.mul_f64(chance.random_range(0.0..1.0)));
        Self {
            what,
            address,
            signal_dbm: chance.random_range(-96..=-62),
            next: now.instant + habits.advertises_every.mul_f64(chance.random_range(0.0..1.0)),
            moves_at,
            habits,
            chance,
            sent: 0,
            heard: 0,
            ledger: Ledger::default(),
        }
    }

    /// What it is.
    #[must_use]
    pub fn what(&self) -> What {
        self.what
    }

    /// How often it has advertised.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// In how many of these at least one program was scanning.
    #[must_use]
    pub fn heard(&self) -> u32 {
        self.heard
    }

    fn tick(&mut self, now: Moment) -> Vec<Output> {
        if self.moves_at.is_some_and(|at| at <= now.instant) {
            self.moves_at = Some(now.instant + self.habits.keeps_its_address_for);
            self.address = self.what.address(&mut self.chance);
            return vec![Output::ChangeAddress];
        }
        if now.instant < self.next {
            return Vec::new();
        }
        self.next = now.instant + self.habits.advertises_every + LONGEST_DELAY.mul_f64(self.chance.random());
        self.sent += 1;
        vec![Output::Advertise(self.what.advertisement(self.sent, &mut self.chance))]
    }
}

impl Peripheral for Stranger {
    fn address(&self) -> Address {
        self.address
    }

    fn has_random_address(&self) -> bool {
        self.what.hides() || self.address.is_static_random()
    }

    fn signal_dbm(&self) -> i16 {
        self.signal_dbm
    }

    fn services(&self) -> Vec<Service> {
        self.what.services().map(|uuid| Service { uuid, characteristics: Vec::new() }).collect()
    }

    fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        match input {
            Input::Tick => return self.tick(now),
            Input::Aired(reception) => self.heard += u32::from(reception.scanning > 0),
            Input::Connected => self.ledger.note(Deed::Connected, now),
            Input::Disconnected
            | Input::Encrypted { .. }
            | Input::Subscribed { .. }
            | Input::Confirmed { .. }
            | Input::Notified(_) => {}
        }
        Vec::new()
    }

    fn next_wake(&self) -> Option<Instant> {
        self.moves_at.into_iter().chain([self.next]).min()
    }

    fn read(&mut self, _characteristic: Uuid, _now: Moment) -> Option<Vec<u8>> {
        None
    }

    fn write(&mut self, _characteristic: Uuid, _value: &[u8], _now: Moment) -> bool {
        false
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_advertises_once_a_second_and_the_same_for_the_same_seed() {
        let advertisements = |seed| {
            let now = Moment::now();
            let mut stranger = Stranger::seeded(What::Headset, Habits::default(), seed, now);
            within(&mut stranger, now, Duration::from_secs(60))
        };
        assert!((58..=61).contains(&advertisements(1).len()));
        assert_eq!(advertisements(1), advertisements(1));
    }

    #[test]
    fn a_phone_calls_itself_otherwise_after_a_quarter_of_an_hour() {
        let now = Moment::now();
        let mut phone = Stranger::seeded(What::Phone, Habits::default(), 3, now);
        let before = phone.address();
        let outputs = within(&mut phone, now, Duration::from_secs(15 * 60));
        let moves = outputs.iter().filter(|output| **output == Output::ChangeAddress).count();
        assert_eq!(moves, 1);
        assert_ne!(phone.address(), before);
        assert!(phone.has_random_address() && !phone.address().is_static_random());
    }

    fn within(stranger: &mut Stranger, mut now: Moment, span: Duration) -> Vec<Output> {
        let end = now.instant + span;
        let mut outputs = Vec::new();
        while let Some(at) = stranger.next_wake().filter(|at| *at <= end) {
            now.instant = at;
            outputs.extend(stranger.handle(Input::Tick, now));
        }
        outputs
    }
}
