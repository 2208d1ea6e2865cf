//! Whether the radio hears, and what is done when it does not (P5).
//!
//! Only advertisements that were really heard count: not what BlueZ remembers, and not what goes over a link. A radio that
//! hears nothing is *unproven*, as there may be nothing to hear; it is *dead* when a supervised device should have been
//! heard, or when the adapter says that it does not work. In both cases the same is done, from the gentlest on: the scan
//! begins anew, the adapter is switched off and on, everything that hangs on the bus is built anew. Then it is reported,
//! and after a rest all is tried again.

use std::time::{Duration, Instant};

use hempuls_protocol::wire::heartbeat::Hearing;

/// What happened.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Listening begins: bus, adapter and scan are there.
    Begins,
    /// There is no bus, no BlueZ, or no adapter that works.
    Fails,
    /// An advertisement was heard.
    Heard,
    /// The adapter was asked and says this of itself.
    Answers {
        /// It is switched on.
        powered: bool,
        /// It scans.
        discovering: bool,
    },
    /// Whether a supervised device is missing.
    Missing(bool),
    /// So many devices are being talked to.
    Talking(usize),
    /// A cure has been tried, whether it helped or not.
    Tried,
    /// The time given by [`Liveness::next_wake`] has come.
    Tick,
}

/// What to do.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Try this, and say when it has been tried.
    Try(Cure),
    /// Nothing helped: say so.
    Report,
}

/// What may make a radio hear again, the gentlest first.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cure {
    /// The scan begins anew.
    RestartScan,
    /// The adapter is switched off and on. Links are lost.
    PowerCycle,
    /// Everything that hangs on the bus is built anew.
    Reconnect,
}

/// After how much silence, or how long after the cure before it, each is tried. The last is for the report.
const ROUND: [(Duration, Option<Cure>); 4] = [
    (Duration::from_secs(60), Some(Cure::RestartScan)),
    (Duration::from_secs(2 * 60), Some(Cure::PowerCycle)),
    (Duration::from_secs(3 * 60), Some(Cure::Reconnect)),
    (Duration::from_secs(2 * 60), None),
];
/// An advertisement within this time proves that the radio hears.
const ALIVE: Duration = Duration::from_secs(60);
/// Between two rounds of a radio that is dead.
const REST_WHEN_DEAD: Duration = Duration::from_secs(10 * 60);
/// Between two rounds of one that may have nothing to hear: it doubles, as each round costs seconds in which a button
/// is not heard.
const REST: Duration = Duration::from_secs(15 * 60);
const LONGEST_REST: Duration = Duration::from_secs(12 * 60 * 60);
/// While somebody is talked to nothing is done that would end that.
const POLITE: Duration = Duration::from_secs(60);
/// An adapter that says that it is off is switched on at once, and not more often than that.
const SWITCHED_ON_EVERY: Duration = Duration::from_secs(10);
/// So often in a row; then everything is built anew.
const SWITCHED_ON_AT_MOST: u32 = 3;

/// What is known of the radio.
#[derive(Debug)]
pub struct Liveness {
    heard: Option<Instant>,
    is_failing: bool,
    is_missing: bool,
    talking: usize,
    /// Something is being tried.
    is_busy: bool,
    /// The next thing to do in the present round.
    stage: usize,
    rounds: u32,
    /// When something was last heard or tried.
    acted: Instant,
    /// Nothing that ends links before this.
    polite_until: Instant,
    switched_on: u32,
    cures: u32,
}

impl Liveness {
    /// Nothing was heard yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            heard: None,
            is_failing: false,
            is_missing: false,
            talking: 0,
            is_busy: false,
            stage: 0,
            rounds: 0,
            acted: now,
            polite_until: now,
            switched_on: 0,
            cures: 0,
        }
    }

    /// What to do about what happened.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Begins => {
                (self.is_failing, self.is_busy) = (false, false);
                self.acted = now;
            }
            Input::Fails => (self.is_failing, self.is_busy, self.talking) = (true, false, 0),
            Input::Heard => {
                self.heard = Some(now);
                (self.stage, self.rounds, self.switched_on) = (0, 0, 0);
                self.acted = now;
            }
            Input::Answers { powered, discovering } => return self.judge(powered, discovering, now),
            Input::Missing(is_missing) => self.is_missing = is_missing,
            Input::Talking(talking) => self.talking = talking,
            Input::Tried => {
                self.is_busy = false;
                self.acted = now;
            }
            Input::Tick => return self.go_on(now),
        }
        Vec::new()
    }

    /// When to call again with [`Input::Tick`] if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let is_idle = !self.is_busy && !self.is_failing;
        is_idle.then(|| match self.cure() {
            Some(Cure::PowerCycle | Cure::Reconnect) => self.due().max(self.polite_until),
            Some(Cure::RestartScan) | None => self.due(),
        })
    }

    /// Whether it hears.
    #[must_use]
    pub fn hearing(&self, now: Instant) -> Hearing {
        let just_heard = self.heard.is_some_and(|heard| now.saturating_duration_since(heard) <= ALIVE);
        match (self.is_failing, just_heard, self.is_missing) {
            (true, _, _) | (false, false, true) => Hearing::Dead,
            (false, true, _) => Hearing::Alive,
            (false, false, false) => Hearing::Unproven,
        }
    }

    /// When an advertisement was last heard.
    #[must_use]
    pub fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// How often something was tried to make it hear again.
    #[must_use]
    pub fn cures(&self) -> u32 {
        self.cures
    }

    fn cure(&self) -> Option<Cure> {
        ROUND[self.stage].1
    }

    fn due(&self) -> Instant {
        let rest = if self.stage == 0 && self.rounds > 0 { self.rest() } else { Duration::ZERO };
        self.acted + rest + ROUND[self.stage].0
    }

    fn rest(&self) -> Duration {
        if self.is_missing {
            return REST_WHEN_DEAD;
        }
        (REST * 2_u32.pow(self.rounds.saturating_sub(1).min(10))).min(LONGEST_REST)
    }

    fn go_on(&mut self, now: Instant) -> Vec<Effect> {
        if self.next_wake().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let cure = self.cure();
        if matches!(cure, Some(Cure::PowerCycle | Cure::Reconnect)) && self.talking > 0 {
            self.polite_until = now + POLITE;
            return Vec::new();
        }
        self.stage = (self.stage + 1) % ROUND.len();
        match cure {
            Some(cure) => self.try_out(cure, now),
            None => {
                self.rounds += 1;
                self.acted = now;
                vec![Effect::Report]
            }
        }
    }

    fn judge(&mut self, powered: bool, discovering: bool, now: Instant) -> Vec<Effect> {
        if self.is_busy {
            return Vec::new();
        }
        if powered {
            self.is_failing = false;
            return if discovering { Vec::new() } else { self.try_out(Cure::RestartScan, now) };
        }
        let was_failing = std::mem::replace(&mut self.is_failing, true);
        if was_failing && now.saturating_duration_since(self.acted) < SWITCHED_ON_EVERY {
            return Vec::new();
        }
        self.switched_on += 1;
        let cure = if self.switched_on > SWITCHED_ON_AT_MOST { Cure::Reconnect } else { Cure::PowerCycle };
        self.try_out(cure, now)
    }

    fn try_out(&mut self, cure: Cure, now: Instant) -> Vec<Effect> {
        self.is_busy = true;
        self.acted = now;
        self.cures += 1;
        vec![Effect::Try(cure)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_silent_radio_is_cured_from_the_gentlest_on_and_then_reported() {
        let mut radio = Radio::new();
        radio.at(0, Input::Heard);
        assert_eq!(
            radio.sits_until(3_600),
            [
                (60, Effect::Try(Cure::RestartScan)),
                (180, Effect::Try(Cure::PowerCycle)),
                (360, Effect::Try(Cure::Reconnect)),
                (480, Effect::Report),
                // After a rest of a quarter of an hour.
                (1_440, Effect::Try(Cure::RestartScan)),
                (1_560, Effect::Try(Cure::PowerCycle)),
                (1_740, Effect::Try(Cure::Reconnect)),
                (1_860, Effect::Report),
            ]
        );
        assert_eq!(radio.liveness.cures(), 6);
    }

    #[test]
    fn an_advertisement_ends_it_wherever_it_was() {
        let mut radio = Radio::new();
        assert_eq!(radio.sits_until(200).len(), 2);
        radio.at(200, Input::Heard);
        assert_eq!(radio.sits_until(300), [(260, Effect::Try(Cure::RestartScan))]);
    }

    #[test]
    fn hearing_nothing_proves_nothing_unless_somebody_should_have_been_heard() {
        let mut radio = Radio::new();
        assert_eq!(radio.hearing(0), Hearing::Unproven);
        radio.at(10, Input::Heard);
        assert_eq!(radio.hearing(70), Hearing::Alive);
        assert_eq!(radio.hearing(71), Hearing::Unproven);
        radio.at(80, Input::Missing(true));
        assert_eq!(radio.hearing(80), Hearing::Dead);
        radio.at(90, Input::Heard);
        assert_eq!(radio.hearing(90), Hearing::Alive, "others are heard: it is the device that is missing");
        radio.at(100, Input::Missing(false));
        assert_eq!(radio.hearing(200), Hearing::Unproven);
    }

    #[test]
    fn a_dead_radio_rests_less_than_an_unproven_one() {
        let mut radio = Radio::new();
        radio.at(0, Input::Missing(true));
        let restarts = radio.restarts_until(3_000);
        assert_eq!(restarts, [60, 480 + 660, 480 + 660 + 1_080]);
    }

    #[test]
    fn the_rests_of_an_unproven_radio_grow_to_half_a_day() {
        let mut radio = Radio::new();
        let restarts = radio.restarts_until(7 * 24 * 3_600);
        let rests: Vec<u64> = restarts.windows(2).map(|pair| pair[1] - pair[0] - 480).collect();
        assert_eq!(rests[..6], [900, 1_800, 3_600, 7_200, 14_400, 28_800]);
        assert_eq!(rests[6..8], [43_200, 43_200]);
    }

    #[test]
    fn nobody_who_is_talked_to_is_cut_off_but_the_scan_begins_anew() {
        let mut radio = Radio::new();
        radio.at(0, Input::Talking(1));
        assert_eq!(radio.sits_until(1_000), [(60, Effect::Try(Cure::RestartScan))]);
        radio.at(1_000, Input::Talking(0));
        assert_eq!(radio.sits_until(1_100)[0].1, Effect::Try(Cure::PowerCycle));
    }

    #[test]
    fn an_adapter_that_is_switched_off_is_dead_and_switched_on_at_once() {
        let mut radio = Radio::new();
        radio.at(5, Input::Heard);
        assert_eq!(radio.at(6, OFF), [Effect::Try(Cure::PowerCycle)]);
        assert_eq!(radio.hearing(6), Hearing::Dead);
        assert_eq!(radio.at(7, OFF), [], "it is being switched on");
        radio.at(8, Input::Tried);
        radio.at(9, Input::Answers { powered: true, discovering: true });
        assert_eq!(radio.hearing(9), Hearing::Alive);
    }

    #[test]
    fn an_adapter_that_stays_off_is_tried_again_and_then_everything_is_built_anew() {
        let mut radio = Radio::new();
        let mut tried = Vec::new();
        for second in 0..60 {
            for effect in radio.at(second, OFF) {
                tried.push((second, effect));
                radio.at(second, Input::Tried);
            }
        }
        let on = Effect::Try(Cure::PowerCycle);
        assert_eq!(tried[..4], [(0, on), (10, on), (20, on), (30, Effect::Try(Cure::Reconnect))]);
        assert_eq!(radio.hearing(59), Hearing::Dead);
    }

    #[test]
    fn a_scan_that_bluez_ended_begins_anew_at_once() {
        let mut radio = Radio::new();
        let ended = Input::Answers { powered: true, discovering: false };
        assert_eq!(radio.at(30, ended), [Effect::Try(Cure::RestartScan)]);
        assert_eq!(radio.at(31, ended), [], "it is beginning");
        radio.at(32, Input::Tried);
        assert_eq!(radio.at(60, Input::Answers { powered: true, discovering: true }), []);
    }

    #[test]
    fn without_a_bus_or_an_adapter_it_is_dead_until_listening_begins() {
        let mut radio = Radio::new();
        radio.at(0, Input::Heard);
        radio.at(10, Input::Fails);
        assert_eq!(radio.hearing(10), Hearing::Dead);
        assert_eq!(radio.sits_until(1_000), [], "there is nothing to cure");
        radio.at(1_000, Input::Begins);
        assert_eq!(radio.hearing(1_000), Hearing::Unproven);
        assert_eq!(radio.sits_until(1_100), [(1_060, Effect::Try(Cure::RestartScan))]);
    }

    const OFF: Input = Input::Answers { powered: false, discovering: false };

    struct Radio {
        liveness: Liveness,
        start: Instant,
    }

    impl Radio {
        fn new() -> Self {
            let start = clock::now();
            Self { liveness: Liveness::new(start), start }
        }

        fn at(&mut self, second: u64, input: Input) -> Vec<Effect> {
            self.liveness.handle(input, self.start + Duration::from_secs(second))
        }

        /// Nothing is heard until then; every cure is tried in no time, in vain. What was done, and when.
        fn sits_until(&mut self, second: u64) -> Vec<(u64, Effect)> {
            let end = self.start + Duration::from_secs(second);
            let mut done = Vec::new();
            while let Some(now) = self.liveness.next_wake().filter(|now| *now <= end) {
                for effect in self.liveness.handle(Input::Tick, now) {
                    done.push(((now - self.start).as_secs(), effect));
                    match effect {
                        Effect::Try(Cure::Reconnect) => drop(self.liveness.handle(Input::Begins, now)),
                        Effect::Try(_) => drop(self.liveness.handle(Input::Tried, now)),
                        Effect::Report => {}
                    }
                }
            }
            done
        }

        fn restarts_until(&mut self, second: u64) -> Vec<u64> {
            let done = self.sits_until(second);
            done.iter().filter(|(_, effect)| *effect == Effect::Try(Cure::RestartScan)).map(|(at, _)| *at).collect()
        }

        fn hearing(&self, second: u64) -> Hearing {
            self.liveness.hearing(self.start + Duration::from_secs(second))
        }
    }
}
