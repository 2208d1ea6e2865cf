//! Thousands of nights with outages, restart loops and silences: no silence goes unnoticed, and nobody is accused who was
//! silent only while nobody listened.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// How often the gateway looks.
const STEP_MS: i64 = 2_000;
const NIGHT_MS: i64 = 45 * 60_000;
const HOMES: usize = 10;
const BEAT_MS: i64 = 60_000;
/// An agent tries again to connect after at most so long.
const RECONNECT_MS: i64 = 30_000;
/// What may be added to the limit, on the way to the alert (design §7).
const TOLERANCE_MS: i64 = 5_000;

#[test]
fn in_two_thousand_nights_every_silence_is_noticed_in_time_and_nobody_is_accused_wrongly() {
    let (mut noticed, mut storms, mut restarts) = (0, 0, 0);
    for seed in 0..2_000 {
        let mut night = Night::new(seed);
        while night.now_ms < NIGHT_MS {
            night.step();
        }
        noticed += night.noticed;
        storms += night.storms;
        restarts += night.restarts;
    }
    assert!(
        noticed > 2_000 && storms > 100 && restarts > 10_000,
        "{noticed} silences, {storms} storms, {restarts} restarts"
    );
}

struct Home {
    has_alarm: bool,
    /// When its box has no power, or no network.
    cut: Vec<(i64, i64)>,
    next_beat_ms: i64,
    heard_ms: i64,
    /// Since it was last heard: how long the gateway was up, how long of that it was cut off, how often the gateway died.
    up_ms: i64,
    cut_ms: i64,
    deaths: i64,
}

struct Night {
    seed: u64,
    dice: StdRng,
    config: Config,
    now_ms: i64,
    homes: Vec<Home>,
    /// When the gateway next dies, or is there again.
    is_up: bool,
    turns_ms: i64,
    is_loop: bool,
    listening: Vec<(i64, i64)>,
    silent: BTreeMap<String, Silent>,
    noticed: usize,
    storms: usize,
    restarts: usize,
}

impl Night {
    fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let storm = (dice.random_bool(0.2)).then(|| span(&mut dice));
        let homes = (0..HOMES).map(|_| {
            let mut cut: Vec<_> = storm.filter(|_| dice.random_bool(0.8)).into_iter().collect();
            if dice.random_bool(0.25) {
                cut.push(span(&mut dice));
            }
            let next_beat_ms = dice.random_range(0..BEAT_MS);
            Home { has_alarm: dice.random(), cut, next_beat_ms, heard_ms: 0, up_ms: 0, cut_ms: 0, deaths: 0 }
        });
        let homes = homes.collect();
        let config = Config { storm_homes: 4, ..Config::default() };
        let is_loop = dice.random_bool(0.3);
        let (listening, silent) = (vec![(0, 0)], BTreeMap::new());
        let turns_ms = STEP_MS * dice.random_range(20..300);
        Self {
            seed,
            dice,
            config,
            now_ms: 0,
            homes,
            is_up: true,
            turns_ms,
            is_loop,
            listening,
            silent,
            noticed: 0,
            storms: 0,
            restarts: 0,
        }
    }

    fn step(&mut self) {
        self.now_ms += STEP_MS;
        if self.now_ms >= self.turns_ms {
            self.turn();
        }
        let (now_ms, is_up) = (self.now_ms, self.is_up);
        for home in &mut self.homes {
            let is_cut = home.cut.iter().any(|(from, until)| (*from..*until).contains(&now_ms));
            if !is_up || is_cut {
                home.next_beat_ms = home.next_beat_ms.max(now_ms + self.dice.random_range(1..RECONNECT_MS));
            }
            if is_up {
                home.up_ms += STEP_MS;
                home.cut_ms += if is_cut { STEP_MS } else { 0 };
            }
            if is_up && !is_cut && home.next_beat_ms <= now_ms {
                home.next_beat_ms = now_ms + BEAT_MS;
                (home.heard_ms, home.up_ms, home.cut_ms, home.deaths) = (now_ms, 0, 0, 0);
            }
        }
        if is_up {
            self.look();
        }
    }

    fn turn(&mut self) {
        self.is_up = !self.is_up;
        let steps = match (self.is_up, self.is_loop) {
            (true, true) => self.dice.random_range(20..32),
            (false, true) => self.dice.random_range(1..5),
            (true, false) => self.dice.random_range(20..400),
            (false, false) => self.dice.random_range(1..600),
        };
        self.turns_ms = self.now_ms + steps * STEP_MS;
        if self.is_up {
            self.listening.push((self.now_ms, self.now_ms));
        } else {
            self.restarts += 1;
            self.homes.iter_mut().for_each(|home| home.deaths += 1);
        }
    }

    fn look(&mut self) {
        let (now_ms, seed) = (self.now_ms, self.seed);
        self.listening.last_mut().unwrap().1 = now_ms;
        let limits = Limits::new(&self.config, &Listening::new(self.listening.clone()), now_ms);
        let scene = self.scene(&limits);
        let was_storm = self.silent.values().any(|silent| silent.in_storm);
        for effect in judge(&scene, &limits, &self.config, now_ms) {
            self.carry_out(effect);
        }
        let is_storm = self.silent.values().any(|silent| silent.in_storm);
        self.storms += usize::from(is_storm && !was_storm);

        for (n, home) in self.homes.iter().enumerate() {
            let limit_ms = self.config.limit_ms(home.has_alarm);
            let latest_ms = limit_ms + TOLERANCE_MS + home.deaths * STEP_MS;
            let is_known = self.silent.contains_key(&format!("a{n}"));
            assert!(is_known || home.up_ms <= latest_ms, "night {seed}, {now_ms} ms: the silence of {n} is unnoticed");
        }
        let recent = now_ms - clock::millis(self.config.storm_within);
        let own = self.silent.values().filter(|silent| !silent.in_storm && silent.noticed_ms > recent).count();
        assert!(own < 4 || was_storm, "night {seed}, {now_ms} ms: {own} cases at once");
    }

    fn scene(&self, limits: &Limits) -> Scene {
        let quiet = self.homes.iter().enumerate().filter_map(|(n, home)| {
            let agent = format!("a{n}");
            let may_be = limits.latest_ms().is_some_and(|latest| home.heard_ms <= latest);
            (may_be && !self.silent.contains_key(&agent)).then(|| Quiet {
                agent,
                home: format!("h{n}"),
                heard_ms: home.heard_ms,
                was_heard: home.heard_ms > 0,
                has_alarm: home.has_alarm,
            })
        });
        let silent = self.silent.values().map(|silent| {
            let at_ms = self.homes[number(&silent.agent)].heard_ms;
            Silent { over: (at_ms > silent.heard_ms).then_some(Over::Heard { at_ms }), ..silent.clone() }
        });
        Scene { quiet: quiet.collect(), silent: silent.collect(), in_service: HOMES, is_partial: false }
    }

    fn carry_out(&mut self, effect: Effect) {
        let (now_ms, seed) = (self.now_ms, self.seed);
        match effect {
            Effect::Begin { quiet: Quiet { agent, home, heard_ms, was_heard, has_alarm }, in_storm } => {
                let told = &self.homes[number(&agent)];
                assert!(told.cut_ms > 0, "night {seed}, {now_ms} ms: {agent} was silent only while nobody listened");
                assert!(told.up_ms >= self.config.limit_ms(has_alarm), "night {seed}, {now_ms} ms: {agent} too early");
                let silent = Silent {
                    agent: agent.clone(),
                    home,
                    heard_ms,
                    noticed_ms: now_ms,
                    was_heard,
                    has_alarm,
                    in_storm,
                    over: None,
                };
                assert_eq!(self.silent.insert(agent, silent), None, "night {seed}: told twice");
                self.noticed += 1;
            }
            Effect::End { silent, .. } => assert!(self.silent.remove(&silent.agent).is_some(), "night {seed}"),
            Effect::Join(silent) => self.moves(&silent.agent, true),
            Effect::Leave(silent) => self.moves(&silent.agent, false),
            Effect::Storm { found: Found::Many { silent, .. }, .. } => {
                let members = self.silent.values().filter(|silent| silent.in_storm).count();
                assert_eq!(silent, members as u64, "night {seed}, {now_ms} ms: the case of many says another number");
            }
            Effect::Storm { .. } => {
                assert!(!self.silent.values().any(|silent| silent.in_storm), "night {seed}, {now_ms} ms: not over");
            }
        }
    }

    fn moves(&mut self, agent: &str, in_storm: bool) {
        let silent = self.silent.get_mut(agent).unwrap();
        assert_ne!(silent.in_storm, in_storm, "night {}: moved twice", self.seed);
        silent.in_storm = in_storm;
    }
}

fn number(agent: &str) -> usize {
    agent[1..].parse().unwrap()
}

/// A time without power or network: minutes, or half the night.
fn span(dice: &mut StdRng) -> (i64, i64) {
    let from = dice.random_range(0..NIGHT_MS);
    (from, from + dice.random_range(1..NIGHT_MS / 2))
}
