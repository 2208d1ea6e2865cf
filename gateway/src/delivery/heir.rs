//! When a worker takes over what another gateway was at.
//!
//! Leases are by the store's clock. Where that was set forward they seem to be over while their gateways are at it still, and
//! somebody would be told twice. So nothing is taken over until every lease from before is over by a watch that nobody sets;
//! likewise at the start, when nobody knows what the clock did before.

use std::time::Instant;

use super::course::LEASE_MS;
use crate::clock::{Followed, Look, millis};

/// A clock that was set forward by no more than this was not set: leases are longer than attempts by far more.
const NOT_SET_MS: i64 = 1_000;

/// One who may take over.
#[derive(Debug)]
pub struct Heir {
    clock: Option<Followed>,
    /// Since when leases are to be believed.
    since: Instant,
}

impl Heir {
    /// One who starts.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { clock: None, since: now }
    }

    /// Whether a lease that is over by what the store's clock showed is over.
    pub fn takes_over(&mut self, look: &Look) -> bool {
        let by_ms = match &mut self.clock {
            Some(clock) => clock.look(look),
            None => {
                self.clock = Some(Followed::new(look));
                0
            }
        };
        if by_ms > NOT_SET_MS {
            self.since = look.answered;
        }
        millis(look.answered.saturating_duration_since(self.since)) >= LEASE_MS
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::alerts::Severity;
    use crate::clock::instant;
    use crate::delivery::course::{ATTEMPT, Course, Effect, Input, Outcome, State};

    const NIGHTS: u64 = 2_000;
    const GATEWAYS: usize = 3;

    #[test]
    fn nothing_is_taken_over_while_a_clock_that_was_set_makes_leases_seem_over() {
        let began = instant();
        let mut heir = Heir::new(began);
        let mut at = |seconds, store_s: i64| {
            let at = began + Duration::from_secs(seconds);
            heir.takes_over(&Look { asked: at, answered: at, shown_ms: store_s * 1000 })
        };
        assert_eq!([at(0, 0), at(39, 39), at(40, 40)], [false, false, true]);
        assert_eq!([at(41, 3_641), at(80, 3_680), at(81, 3_681)], [false, false, true], "an hour forward");
        assert_eq!([at(82, 82), at(122, 122)], [true, true], "back: leases last longer");
    }

    /// Gateways die, and the store's clock is set, between any two steps.
    #[test]
    fn no_attempt_begins_while_another_gateway_is_at_one_however_the_clock_is_set() {
        let (mut jumps, mut taken_over) = (0, 0);
        for seed in 0..NIGHTS {
            let mut luck = StdRng::seed_from_u64(seed);
            let began = instant();
            let (mut real_ms, mut ahead_ms) = (0_i64, 0_i64);
            let mut course = Course::new(Severity::High, 0);
            let new = |real_ms: i64| Heir::new(began + Duration::from_millis(real_ms.unsigned_abs()));
            let mut heirs: Vec<Heir> = (0..GATEWAYS).map(|_| new(0)).collect();
            let mut at_it: [Option<(u32, i64)>; GATEWAYS] = [None; GATEWAYS];
            let mut is_left = false;
            for step in 0..400 {
                real_ms += luck.random_range(1..1_000);
                let which = luck.random_range(0..GATEWAYS);
                if luck.random_bool(0.004) {
                    ahead_ms += [-3_600_000, -20_000, 20_000, 41_000, 600_000][luck.random_range(0..5)];
                    jumps += 1;
                }
                if step < 300 && luck.random_bool(0.01) {
                    is_left |= at_it[which].take().is_some();
                    heirs[which] = new(real_ms);
                }
                let look = |ahead_ms| {
                    let at = began + Duration::from_millis(real_ms.unsigned_abs());
                    Look { asked: at, answered: at, shown_ms: real_ms + ahead_ms }
                };
                if let Some((attempt, until_ms)) = at_it[which] {
                    if real_ms >= until_ms {
                        at_it[which] = None;
                        let outcome = Outcome::TryAgain { after: None, because: "HTTP 500".into() };
                        course.handle(&Input::Ended { attempt, outcome: &outcome, luck: 0.0 }, real_ms + ahead_ms);
                    }
                    continue;
                }
                // What is due is looked for, and the clock may be set before it is taken.
                let seen = look(ahead_ms);
                let takes_over = heirs[which].takes_over(&seen);
                if luck.random_bool(0.006) {
                    ahead_ms += 3_600_000;
                    jumps += 1;
                }
                let now = look(ahead_ms);
                let takes_over = heirs[which].takes_over(&now) && takes_over;
                if course.lease_until_ms.is_some() && !takes_over {
                    continue;
                }
                if let Some(Effect::Attempt(attempt)) = course.handle(&Input::Take, now.shown_ms) {
                    assert!(at_it.iter().all(Option::is_none), "seed {seed}: two are at it");
                    taken_over += u32::from(std::mem::take(&mut is_left));
                    at_it[which] = Some((attempt, real_ms + luck.random_range(1..millis(ATTEMPT))));
                }
            }
            assert_eq!(course.state, State::Waiting);
        }
        assert!(jumps > 5_000 && taken_over > 300, "{jumps} jumps, {taken_over} taken over");
    }
}
