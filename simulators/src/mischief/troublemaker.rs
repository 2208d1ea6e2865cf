//! Who plays tricks on a home, now and then: the core. The same seed plays the same tricks.

use std::{collections::BTreeMap, time::Duration};

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};

use super::{Call, HangUpAt, Mischief, Prank, Rate, Rates};

/// Plays tricks. Time is that of the home, from its beginning; it may pass faster than ours.
#[derive(Debug)]
pub struct Troublemaker {
    rates: Rates,
    /// How many devices there are to play on.
    devices: usize,
    chance: SmallRng,
    /// What comes by itself, and when next.
    due: BTreeMap<Prank, Duration>,
}

/// One trick. What lasts does so in our time, as the programs under test do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// A fault is set on a device; one that lasts is taken away after this.
    Fault {
        /// Which device.
        device: usize,
        /// Which fault.
        mischief: Mischief,
        /// How long it lasts, where it does not happen once.
        lasts: Option<Duration>,
    },
    /// A device loses its keys.
    LoseKeys {
        /// Which.
        device: usize,
    },
    /// bluetoothd is restarted.
    RestartBluetoothd,
    /// The adapter is switched off.
    AdapterOff {
        /// For how long.
        lasts: Duration,
    },
}

const STEPS: [HangUpAt; 6] = [
    HangUpAt::Connecting,
    HangUpAt::Resolving,
    HangUpAt::AfterResolved,
    HangUpAt::BeforeIndication,
    HangUpAt::BeforeConfirmation,
    HangUpAt::AfterIndication(1),
];
const CALLS: [Call; 4] = [Call::Connect, Call::Disconnect, Call::ReadValue, Call::StartNotify];

impl Troublemaker {
    /// Begins, in a home with so many devices.
    #[must_use]
    pub fn new(rates: Rates, devices: usize, seed: u64) -> Self {
        let mut troublemaker = Self { rates, devices, chance: SmallRng::seed_from_u64(seed), due: BTreeMap::new() };
        for (prank, rate) in troublemaker.rates.clone().all() {
            if let Rate::EachHour(times) = rate {
                troublemaker.wait(prank, times, Duration::ZERO);
            }
        }
        troublemaker
    }

    /// Somebody is about to use a device.
    pub fn used(&mut self, device: usize) -> Vec<Trick> {
        let rates = self.rates.clone();
        let by_use = rates.all().filter_map(|(prank, rate)| match rate {
            Rate::EachUse(chance) => Some((prank, chance)),
            Rate::EachHour(_) => None,
        });
        by_use
            .filter(|(_, chance)| self.chance.random_bool(*chance))
            .map(|(prank, _)| prank)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|prank| self.play(prank, device))
            .collect()
    }

    /// What comes by itself until now.
    pub fn tick(&mut self, now: Duration) -> Vec<Trick> {
        let mut tricks = Vec::new();
        while let Some((prank, at)) = self.next().filter(|(_, at)| *at <= now) {
            let device = self.chance.random_range(0..self.devices.max(1));
            tricks.push(self.play(prank, device));
            if let Some(Rate::EachHour(times)) = self.rates.of(prank) {
                self.wait(prank, times, at);
            }
        }
        tricks
    }

    /// When to call [`tick`](Self::tick) again.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.next().map(|(_, at)| at)
    }

    fn next(&self) -> Option<(Prank, Duration)> {
        self.due.iter().min_by_key(|(_, at)| **at).map(|(prank, at)| (*prank, *at))
    }

    /// Until the next time, as it is for what happens by chance: mostly soon, now and then late.
    fn wait(&mut self, prank: Prank, times_an_hour: f64, now: Duration) {
        const LONGEST_HOURS: f64 = 1e6;

        let hours = -self.chance.random_range(f64::MIN_POSITIVE..1.0).ln() / times_an_hour;
        self.due.insert(prank, now + Duration::from_secs_f64(hours.min(LONGEST_HOURS) * 3600.0));
    }

    fn play(&mut self, prank: Prank, device: usize) -> Trick {
        let once = |mischief| Trick::Fault { device, mischief, lasts: None };
        let chance = &mut self.chance;
        let mut seconds = |from: u64, to: u64| Duration::from_millis(chance.random_range(from * 1000..=to * 1000));
        match prank {
            Prank::HangUp => once(Mischief::HangUp(*STEPS.choose(chance).expect("there are steps"))),
            Prank::Wedge => once(Mischief::Wedge(*CALLS.choose(chance).expect("there are calls"))),
            Prank::Malformed => once(Mischief::MalformedNext),
            Prank::Abort => once(Mischief::AbortConnections { times: chance.random_range(1..=3) }),
            Prank::Mute => Trick::Fault { device, mischief: Mischief::Mute, lasts: Some(seconds(1, 8)) },
            Prank::NoServices => Trick::Fault { device, mischief: Mischief::NoServices, lasts: Some(seconds(1, 8)) },
            Prank::Chatter => {
                let every = Duration::from_millis(5);
                Trick::Fault { device, mischief: Mischief::Chatter { every }, lasts: Some(seconds(2, 20)) }
            }
            Prank::LoseKeys => Trick::LoseKeys { device },
            Prank::RestartBluetoothd => Trick::RestartBluetoothd,
            Prank::AdapterOff => Trick::AdapterOff { lasts: seconds(1, 15) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_comes_by_itself_comes_about_as_often_as_it_should_and_the_same_for_the_same_seed() {
        let rates: Rates = "restart_bluetoothd=2/d,hang_up=1/h".parse().unwrap();
        let month = |seed| {
            let mut troublemaker = Troublemaker::new(rates.clone(), 3, seed);
            let mut tricks = Vec::new();
            while let Some(at) = troublemaker.next_wake().filter(|at| *at <= 720 * HOUR) {
                tricks.extend(troublemaker.tick(at));
            }
            tricks
        };
        let tricks = month(1);
        let restarts = tricks.iter().filter(|trick| **trick == Trick::RestartBluetoothd).count();
        assert!((40..=80).contains(&restarts), "{restarts} of about 60");
        assert!((640..=800).contains(&(tricks.len() - restarts)), "{} of about 720", tricks.len());
        assert_eq!(tricks, month(1));
        assert_ne!(tricks, month(2));
    }

    #[test]
    fn what_comes_with_use_comes_in_its_share_of_uses() {
        let rates: Rates = "wedge=10%,malformed=1%".parse().unwrap();
        let mut troublemaker = Troublemaker::new(rates, 2, 1);
        let tricks: Vec<_> = (0..1000).flat_map(|_| troublemaker.used(1)).collect();
        let malformed = |trick: &&Trick| matches!(trick, Trick::Fault { mischief: Mischief::MalformedNext, .. });
        let malformed = tricks.iter().filter(malformed).count();
        assert!((2..=25).contains(&malformed), "{malformed} of about 10");
        assert!((70..=130).contains(&(tricks.len() - malformed)), "{} of about 100", tricks.len());
        assert!(tricks.iter().all(|trick| matches!(trick, Trick::Fault { device: 1, .. })));
        assert_eq!(troublemaker.next_wake(), None);
    }

    #[test]
    fn a_rate_of_nothing_never_comes() {
        let mut troublemaker = Troublemaker::new("adapter_off=0/h,mute=0".parse().unwrap(), 1, 1);
        assert_eq!(troublemaker.tick(1_000 * HOUR), []);
        assert_eq!(troublemaker.used(0), []);
    }
}
