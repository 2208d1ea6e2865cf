//! Signs of life: which button should have been heard by now, and was not (P5).
//!
//! A button that sends a beacon says how often, or its gateway does; of one whose interval nobody has said it is learnt.
//! A beacon may go unheard, as nobody repeats it; so one is not missed before several have not come.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::sessions::Address;

/// What to say of a button.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It should have been heard by now.
    Missing(Address),
    /// It was missing, and is heard again.
    Back(Address),
}

/// The buttons that are watched.
#[derive(Debug, Default)]
pub struct Beacons(BTreeMap<Address, Watched>);

#[derive(Debug)]
struct Watched {
    told: Option<Duration>,
    /// The times between the latest beacons.
    gaps: VecDeque<Duration>,
    beacon: Option<Instant>,
    /// When it was last heard, whatever it said; before that, when watching it began.
    heard: Instant,
    is_missing: bool,
}

/// So many beacons may go unheard in a row.
const UNHEARD: u32 = 3;
/// A beacon may be late.
const LATE: Duration = Duration::from_secs(10);
/// So many times between two beacons make an interval: it is the middle one, so that a beacon that went unheard, or one
/// that came early, does not matter.
const LEARNT_FROM: usize = 7;
/// A learnt interval is taken less exactly.
const LEARNT_LATE: Duration = Duration::from_secs(60);

impl Beacons {
    /// Watches these buttons from now on, whose interval is this where somebody has said it. One that stays goes on.
    pub fn serve(&mut self, buttons: impl IntoIterator<Item = (Address, Option<Duration>)>, now: Instant) {
        let mut before = std::mem::take(&mut self.0);
        for (address, told) in buttons {
            let mut watched = before.remove(&address).unwrap_or_else(|| Watched::from(now));
            watched.told = told;
            self.0.insert(address, watched);
        }
    }

    /// A button was heard; with a beacon, or with a press.
    pub fn hear(&mut self, address: Address, is_beacon: bool, now: Instant) -> Option<Effect> {
        let watched = self.0.get_mut(&address)?;
        watched.heard = now;
        if is_beacon {
            watched.learn(now);
        }
        std::mem::take(&mut watched.is_missing).then_some(Effect::Back(address))
    }

    /// Which buttons are missing that were not before.
    pub fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let newly = self.0.iter_mut().filter(|(_, watched)| watched.due().is_some_and(|due| due <= now));
        newly
            .map(|(address, watched)| {
                watched.is_missing = true;
                Effect::Missing(*address)
            })
            .collect()
    }

    /// When to call [`Beacons::tick`] if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.0.values().filter_map(Watched::due).min()
    }

    /// Whether any button is missing.
    #[must_use]
    pub fn is_any_missing(&self) -> bool {
        self.0.values().any(|watched| watched.is_missing)
    }

    /// While nothing could be heard, nobody was missed.
    pub fn begin(&mut self, now: Instant) {
        for watched in self.0.values_mut().filter(|watched| !watched.is_missing) {
            (watched.heard, watched.beacon) = (now, None);
        }
    }
}

impl Watched {
    fn from(now: Instant) -> Self {
        Self { told: None, gaps: VecDeque::new(), beacon: None, heard: now, is_missing: false }
    }

    fn learn(&mut self, now: Instant) {
        let gap = self.beacon.map(|before| now.saturating_duration_since(before));
        self.beacon = Some(now);
        self.gaps.extend(gap);
        if self.gaps.len() > LEARNT_FROM {
            self.gaps.pop_front();
        }
    }

    /// When it is missing, unless it is heard before or is missing already.
    fn due(&self) -> Option<Instant> {
        let patience = match self.told {
            Some(interval) => interval * UNHEARD + LATE,
            None => self.learnt()? * UNHEARD + LEARNT_LATE,
        };
        (!self.is_missing).then(|| self.heard + patience)
    }

    fn learnt(&self) -> Option<Duration> {
        let mut gaps: Vec<_> = self.gaps.iter().copied().collect();
        gaps.sort_unstable();
        (gaps.len() == LEARNT_FROM).then(|| gaps[LEARNT_FROM / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const BUTTON: Address = [1; 6];

    #[test]
    fn a_button_whose_beacons_stop_is_missing_and_a_press_brings_it_back() {
        let mut home = Home::with(Some(60));
        home.beacons_every(60, 0..600);
        assert_eq!(home.waits_until(10_000), [(540 + 190, Effect::Missing(BUTTON))]);
        assert!(home.beacons.is_any_missing());
        assert_eq!(home.hears(10_000, false), Some(Effect::Back(BUTTON)));
        assert!(!home.beacons.is_any_missing());
        assert_eq!(home.waits_until(20_000), [(10_190, Effect::Missing(BUTTON))]);
    }

    #[test]
    fn a_beacon_or_two_that_go_unheard_are_no_reason() {
        let mut home = Home::with(Some(60));
        for second in [0, 180, 240, 420] {
            assert_eq!(home.waits_until(second), []);
            home.hears(second, true);
        }
    }

    #[test]
    fn one_that_was_never_heard_is_missing_too() {
        let mut home = Home::with(Some(60));
        assert_eq!(home.waits_until(1_000), [(190, Effect::Missing(BUTTON))]);
    }

    #[test]
    fn an_interval_that_nobody_has_said_is_learnt_from_eight_beacons() {
        let mut home = Home::with(None);
        home.beacons_every(30, 0..200);
        assert_eq!(home.waits_until(1_000), [], "seven beacons");
        let mut home = Home::with(None);
        home.beacons_every(30, 0..220);
        assert_eq!(home.waits_until(1_000), [(210 + 90 + 60, Effect::Missing(BUTTON))]);
    }

    #[test]
    fn beacons_that_went_unheard_do_not_spoil_what_is_learnt() {
        let mut home = Home::with(None);
        for second in [0, 30, 60, 150, 180, 210, 240, 300] {
            home.hears(second, true);
        }
        let missing = home.waits_until(1_000);
        assert_eq!(missing, [(300 + 90 + 60, Effect::Missing(BUTTON))]);
    }

    #[test]
    fn one_that_only_presses_is_never_missed() {
        let mut home = Home::with(None);
        for second in (0..1_000).step_by(30) {
            home.hears(second, false);
        }
        assert_eq!(home.waits_until(1_000_000), []);
    }

    #[test]
    fn while_nothing_could_be_heard_nobody_was_missed() {
        let mut home = Home::with(Some(60));
        home.beacons_every(60, 0..100);
        home.beacons.begin(home.start + Duration::from_secs(200));
        assert_eq!(home.waits_until(1_000), [(390, Effect::Missing(BUTTON))]);
    }

    #[test]
    fn a_button_that_stays_goes_on_being_watched_and_one_that_goes_is_not_missed() {
        let mut home = Home::with(Some(60));
        let later = home.start + Duration::from_secs(100);
        home.beacons.serve([(BUTTON, Some(Duration::from_secs(60))), ([2; 6], None)], later);
        assert_eq!(home.waits_until(190), [(190, Effect::Missing(BUTTON))]);
        home.beacons.serve([([2; 6], None)], later);
        assert!(!home.beacons.is_any_missing());
    }

    struct Home {
        beacons: Beacons,
        start: Instant,
    }

    impl Home {
        fn with(interval: Option<u64>) -> Self {
            let (mut beacons, start) = (Beacons::default(), clock::now());
            beacons.serve([(BUTTON, interval.map(Duration::from_secs))], start);
            Self { beacons, start }
        }

        fn hears(&mut self, second: u64, is_beacon: bool) -> Option<Effect> {
            self.beacons.hear(BUTTON, is_beacon, self.start + Duration::from_secs(second))
        }

        fn beacons_every(&mut self, interval: usize, seconds: std::ops::Range<u64>) {
            for second in seconds.step_by(interval) {
                assert_eq!(self.hears(second, true), None);
            }
        }

        fn waits_until(&mut self, second: u64) -> Vec<(u64, Effect)> {
            let end = self.start + Duration::from_secs(second);
            let mut seen = Vec::new();
            while let Some(now) = self.beacons.next_wake().filter(|now| *now <= end) {
                seen.extend(self.beacons.tick(now).into_iter().map(|effect| ((now - self.start).as_secs(), effect)));
            }
            seen
        }
    }
}
