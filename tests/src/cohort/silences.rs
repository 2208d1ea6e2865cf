//! The boxes of a cohort: each is cut off for moments, now and then for hours or days, and many at once when an operator's network is
//! down; the gateway itself is restarted. What somebody is told of it is decided by the core of the rule, look by look.

use std::collections::{BTreeMap, BTreeSet};

use hempuls_gateway::alerts::rules::silent_home::{
    Config, Effect, Limits, Listening, Over, Quiet, Scene, Silent, judge,
};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::body::{Kind, Planted};
use super::{DAY_MS, Days};

const MINUTE: i64 = 60_000;
/// A box says something each minute, and the gateway looks every other second.
const BEAT_MS: i64 = MINUTE;
const LOOK_MS: i64 = 2_000;

/// A time in which a box is cut off.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Cut {
    /// From when.
    pub(super) from_ms: i64,
    /// Until before when.
    pub(super) until_ms: i64,
    /// When its box was last heard before.
    heard_ms: i64,
    /// Whether somebody is to know of it: it is longer than a box of that home may be silent.
    pub(super) is_silence: bool,
}

/// The boxes and what happened to them.
pub(super) struct Boxes {
    /// The cuts of each home, the earliest first, none of which meet.
    pub(super) cuts: Vec<Vec<Cut>>,
    has_alarm: Vec<bool>,
    listening: Listening,
    config: Config,
}

/// What was told of the boxes.
#[derive(Default)]
pub(super) struct Told {
    /// When the silence of a home was told, by home and the beginning of its cut.
    pub(super) silences: BTreeMap<(usize, i64), i64>,
    /// How many cases of one home there were.
    pub(super) cases: u32,
    /// How many cases of many homes.
    pub(super) storms: u32,
    /// How many were told of that was no silence.
    pub(super) wrong: u32,
    is_storm: bool,
}

impl Boxes {
    pub(super) fn live(seed: u64, people: usize, days: &Days) -> Self {
        let mut dice = StdRng::seed_from_u64(seed ^ 0xB0_7E5);
        let config = Config::default();
        let has_alarm: Vec<bool> = (0..people).map(|_| dice.random_bool(0.3)).collect();
        let mut restarts = Vec::new();
        let mut at_ms = days.from_ms;
        while at_ms < days.to_ms() {
            let until_ms = at_ms + dice.random_range(3 * DAY_MS..11 * DAY_MS);
            restarts.push((at_ms, until_ms.min(days.to_ms() + DAY_MS)));
            at_ms = until_ms + dice.random_range(20_000..4 * MINUTE);
        }
        // An operator's network is down for an hour or two, twice a year, for every twelfth home.
        let storms: Vec<(i64, i64)> = (0..(days.count * 2).div_euclid(365).max(1))
            .map(|_| {
                let from_ms = days.from_ms + dice.random_range(DAY_MS..days.count * DAY_MS - DAY_MS);
                (from_ms, from_ms + dice.random_range(40 * MINUTE..150 * MINUTE))
            })
            .collect();
        let cuts = has_alarm.iter().map(|has_alarm| {
            let limit_ms = if *has_alarm { config.with_alarm } else { config.others }.as_millis();
            let limit_ms = i64::try_from(limit_ms).unwrap_or(i64::MAX);
            let mut spans: Vec<(i64, i64)> = Vec::new();
            let mut any = |lasts: std::ops::Range<i64>, dice: &mut StdRng| {
                let from_ms = days.from_ms + dice.random_range(DAY_MS..days.count * DAY_MS - 5 * DAY_MS);
                spans.push((from_ms, from_ms + dice.random_range(lasts)));
            };
            for _ in 0..days.count.div_euclid(25) {
                any(20_000..limit_ms - 2 * BEAT_MS, &mut dice);
            }
            for _ in 0..days.count.div_euclid(30) {
                if dice.random_bool(0.1) {
                    any(limit_ms + 2 * BEAT_MS..4 * 60 * MINUTE, &mut dice);
                }
                if dice.random_bool(0.05) {
                    any(6 * 60 * MINUTE..4 * DAY_MS, &mut dice);
                }
            }
            if dice.random_bool(1.0 / 12.0) {
                spans.extend(&storms);
            }
            spans.sort_unstable();
            let mut cuts: Vec<Cut> = Vec::new();
            for (from_ms, until_ms) in spans {
                if cuts.last().is_some_and(|last| from_ms < last.until_ms + 10 * MINUTE) {
                    continue;
                }
                let heard_ms = from_ms - dice.random_range(0..BEAT_MS);
                cuts.push(Cut { from_ms, until_ms, heard_ms, is_silence: until_ms - from_ms > limit_ms + BEAT_MS });
            }
            cuts
        });
        let cuts = cuts.collect();
        Self { cuts, has_alarm, listening: Listening::new(restarts), config }
    }

    /// The silences of a home as events that somebody is to know of.
    pub(super) fn planted(&self, home: usize) -> impl Iterator<Item = Planted> + '_ {
        let silences = self.cuts[home].iter().filter(|cut| cut.is_silence);
        silences.map(|cut| Planted::lasting(Kind::Silence, cut.from_ms, cut.until_ms))
    }

    /// Lets the gateway look whenever something may change.
    pub(super) fn look(&self) -> Told {
        let mut looks = BTreeSet::new();
        for (home, cut) in self.all() {
            let limit = if self.has_alarm[home] { self.config.with_alarm } else { self.config.others };
            let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
            let due_ms = self.first_look(cut.heard_ms + limit_ms, |now_ms| {
                self.listening.since(limit_ms, now_ms).is_some_and(|since_ms| cut.heard_ms <= since_ms)
            });
            let shortly_before = (cut.until_ms - LOOK_MS).div_euclid(LOOK_MS) * LOOK_MS;
            looks.extend([due_ms, shortly_before, self.first_look(cut.until_ms + MINUTE, |_| true)]);
        }
        let mut begins: Vec<(usize, Cut)> = self.all().collect();
        begins.sort_by_key(|(_, cut)| cut.heard_ms);
        let (mut next, mut active, mut known) = (0, Vec::new(), BTreeMap::new());
        let mut told = Told::default();
        for now_ms in looks {
            while let Some(begun) = begins.get(next).filter(|(_, cut)| cut.heard_ms <= now_ms) {
                active.push(*begun);
                next += 1;
            }
            active.retain(|(home, cut): &(usize, Cut)| now_ms < cut.until_ms || known.contains_key(home));
            self.look_at(now_ms, &mut active, &mut known, &mut told);
        }
        told
    }

    /// The first look from a moment on at which something is so, while the gateway listens at all.
    fn first_look(&self, from_ms: i64, is_so: impl Fn(i64) -> bool) -> i64 {
        let first = from_ms + LOOK_MS - from_ms.rem_euclid(LOOK_MS);
        (0..600).map(|n| first + n * LOOK_MS).find(|now_ms| self.listens(*now_ms) && is_so(*now_ms)).unwrap_or(first)
    }

    fn listens(&self, now_ms: i64) -> bool {
        self.listening.since(1, now_ms) == Some(now_ms - 1)
    }

    fn all(&self) -> impl Iterator<Item = (usize, Cut)> + '_ {
        self.cuts.iter().enumerate().flat_map(|(home, cuts)| cuts.iter().map(move |cut| (home, *cut)))
    }

    fn look_at(
        &self,
        now_ms: i64,
        active: &mut Vec<(usize, Cut)>,
        known: &mut BTreeMap<usize, Silent>,
        told: &mut Told,
    ) {
        if !self.listens(now_ms) {
            return;
        }
        let limits = Limits::new(&self.config, &self.listening, now_ms);
        let quiet = active.iter().filter(|(home, cut)| {
            !known.contains_key(home) && limits.latest_ms().is_some_and(|latest_ms| cut.heard_ms <= latest_ms)
        });
        let quiet = quiet.map(|(home, cut)| Quiet {
            agent: home.to_string(),
            home: home.to_string(),
            heard_ms: cut.heard_ms,
            was_heard: true,
            has_alarm: self.has_alarm[*home],
        });
        let silent = known.iter().map(|(home, silent)| {
            let cut = active.iter().find(|(other, _)| other == home).map(|(_, cut)| cut);
            let heard_ms = cut.map(|cut| cut.until_ms).filter(|until_ms| *until_ms <= now_ms);
            Silent { over: heard_ms.map(|at_ms| Over::Heard { at_ms }), ..silent.clone() }
        });
        let scene = Scene {
            quiet: quiet.collect(),
            silent: silent.collect(),
            in_service: self.has_alarm.len(),
            is_partial: false,
        };
        let number = |agent: &str| agent.parse().unwrap_or(usize::MAX);
        for effect in judge(&scene, &limits, &self.config, now_ms) {
            match effect {
                Effect::Begin { quiet, in_storm } => {
                    let home = number(&quiet.home);
                    let cut = active.iter().find(|(other, _)| *other == home).map(|(_, cut)| *cut);
                    match cut.filter(|cut| cut.is_silence && cut.from_ms <= now_ms) {
                        Some(cut) => drop(told.silences.insert((home, cut.from_ms), now_ms)),
                        None => told.wrong += 1,
                    }
                    told.cases += u32::from(!in_storm);
                    let Quiet { agent, home: id, heard_ms, was_heard, has_alarm } = quiet;
                    let noticed_ms = now_ms;
                    known.insert(
                        home,
                        Silent { agent, home: id, heard_ms, noticed_ms, was_heard, has_alarm, in_storm, over: None },
                    );
                }
                Effect::End { silent, .. } => {
                    let home = number(&silent.home);
                    known.remove(&home);
                    active.retain(|(other, cut)| *other != home || now_ms < cut.until_ms);
                }
                Effect::Join(silent) => known.get_mut(&number(&silent.home)).expect("it is known").in_storm = true,
                Effect::Leave(silent) => {
                    told.cases += 1;
                    known.get_mut(&number(&silent.home)).expect("it is known").in_storm = false;
                }
                Effect::Storm { .. } => {}
            }
        }
        let is_storm = known.values().any(|silent| silent.in_storm);
        told.storms += u32::from(is_storm && !told.is_storm);
        told.is_storm = is_storm;
    }
}
