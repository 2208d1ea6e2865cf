//! Thousands of nights: presses, claims, people who come on duty and go, channels that fail, gateways that die before they
//! have written what they did, and hours in which none runs.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::ladder::{Effect, Input, Ladder, Reach, Rung};
use crate::delivery::{Channel, Recipient};
use crate::wording::Lang;

const NIGHTS: u64 = 4_000;
const MINUTE: i64 = 60_000;

#[test]
fn every_unanswered_alarm_climbs_in_time_and_a_claim_ends_that() {
    let mut all = Counts::default();
    for seed in 0..NIGHTS {
        let mut night = Night::new(seed);
        for _ in 0..150 {
            night.step();
        }
        all.add(&night.counts);
    }
    // What is not met proves nothing.
    let Counts { told, passed, unanswered, nobody_told, claims, presses, crashes, outages, repeats, spared } = all;
    let least = [told, passed, unanswered, nobody_told, claims, presses, crashes, outages, repeats, spared];
    assert!(least.iter().all(|count| *count > NIGHTS), "{all:?}");
}

#[derive(Default, Debug)]
struct Counts {
    told: u64,
    passed: u64,
    unanswered: u64,
    nobody_told: u64,
    claims: u64,
    presses: u64,
    crashes: u64,
    outages: u64,
    repeats: u64,
    /// Who waited to be told already.
    spared: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.told += other.told;
        self.passed += other.passed;
        self.unanswered += other.unanswered;
        self.nobody_told += other.nobody_told;
        self.claims += other.claims;
        self.presses += other.presses;
        self.crashes += other.crashes;
        self.outages += other.outages;
        self.repeats += other.repeats;
        self.spared += other.spared;
    }
}

/// What is on the disk.
#[derive(Clone)]
struct Kept {
    ladder: Ladder,
    is_open: bool,
    /// Each key that was ever asked for, and whether its page has arrived.
    outbox: BTreeMap<String, Page>,
}

#[derive(Clone, PartialEq, Debug)]
struct Page {
    who: String,
    is_waiting: bool,
}

struct Night {
    luck: StdRng,
    now_ms: i64,
    kept: Kept,
    /// Who is there on each rung.
    there: Vec<BTreeSet<String>>,
    waits_ms: i64,
    is_channel_well: bool,
    /// What each person's telephone got, ring by ring.
    pages: Vec<String>,
    counts: Counts,
}

impl Night {
    fn new(seed: u64) -> Self {
        let mut luck = StdRng::seed_from_u64(seed);
        let rungs = luck.random_range(1..5);
        let there = (0..rungs).map(|_| some_people(&mut luck)).collect();
        let mut ladder = Ladder::new();
        ladder.handle(&Input::Rang { ring_ms: 0 }, 0);
        let kept = Kept { ladder, is_open: true, outbox: BTreeMap::new() };
        let waits_ms = [MINUTE, 5 * MINUTE, 60 * MINUTE][luck.random_range(0..3)];
        let (pages, counts) = (Vec::new(), Counts::default());
        Self { luck, now_ms: 0, kept, there, waits_ms, is_channel_well: true, pages, counts }
    }

    fn step(&mut self) {
        self.now_ms += self.luck.random_range(0..=self.waits_ms / 2);
        match self.luck.random_range(0..20) {
            0 if self.kept.is_open => self.somebody_claims(),
            1 | 2 if !self.kept.is_open => self.it_is_given_back(),
            3 | 4 if self.kept.is_open => self.she_presses_again(),
            5 | 6 => {
                let rung = self.luck.random_range(0..self.there.len());
                self.there[rung] = some_people(&mut self.luck);
            }
            7 => self.is_channel_well = !self.is_channel_well,
            8 => {
                // Nobody runs for up to half a day.
                self.counts.outages += 1;
                self.now_ms += self.luck.random_range(0..720 * MINUTE);
            }
            _ => {}
        }
        self.timer_fires();
        self.channel_works();
        self.check();
    }

    fn somebody_claims(&mut self) {
        self.counts.claims += 1;
        self.kept.is_open = false;
        self.kept.ladder.handle(&Input::Stopped, self.now_ms);
        self.kept.outbox.values_mut().for_each(|page| page.is_waiting = false);
    }

    fn it_is_given_back(&mut self) {
        self.kept.is_open = true;
        self.kept.ladder.handle(&Input::Rang { ring_ms: self.now_ms }, self.now_ms);
        assert_eq!((self.kept.ladder.next, self.kept.ladder.round), (0, 0), "it begins at its first rung");
    }

    fn she_presses_again(&mut self) {
        self.counts.presses += 1;
        let (next, due_ms) = (self.kept.ladder.next, self.kept.ladder.due_ms);
        self.kept.ladder.handle(&Input::Rang { ring_ms: self.now_ms }, self.now_ms);
        assert_eq!((self.kept.ladder.next, self.kept.ladder.due_ms), (next, due_ms), "a press holds nothing up");
        assert!(self.kept.ladder.next_wake().unwrap() <= self.now_ms.max(due_ms.unwrap()));
        if next > 0 {
            assert!(self.kept.ladder.next_wake().unwrap() <= self.now_ms, "and is heard at once");
        }
    }

    /// As the shell does it: in one work, until it is written.
    fn timer_fires(&mut self) {
        while self.kept.ladder.next_wake().is_some_and(|due_ms| due_ms <= self.now_ms) {
            let mut next = self.kept.clone();
            let rungs: Vec<Rung> = self.there.iter().map(|there| self.rung(there)).collect();
            let effects = next.ladder.handle(&Input::Tick { rungs: &rungs }, self.now_ms);
            if self.luck.random_bool(0.1) {
                self.counts.crashes += 1;
                continue;
            }
            self.check_effects(&effects, &rungs);
            for effect in effects {
                self.perform(effect, &mut next);
            }
            self.kept = next;
        }
    }

    fn perform(&mut self, effect: Effect, next: &mut Kept) {
        match effect {
            Effect::Tell { rung, round, to } => {
                self.counts.told += 1;
                self.counts.repeats += u64::from(round > 1);
                for reach in to {
                    if next.outbox.values().any(|page| page.is_waiting && page.who == reach.name) {
                        self.counts.spared += 1;
                        continue;
                    }
                    let key = format!("{}/{rung}/{round}/{}", next.ladder.ring_ms, reach.name);
                    let page = Page { who: reach.name, is_waiting: true };
                    assert_eq!(next.outbox.insert(key, page), None, "nobody is told twice of one rung");
                }
            }
            Effect::Pass { .. } => self.counts.passed += 1,
            Effect::NobodyAnswered { has_told: true, .. } => self.counts.unanswered += 1,
            Effect::NobodyAnswered { has_told: false, .. } => self.counts.nobody_told += 1,
        }
    }

    fn check_effects(&self, effects: &[Effect], rungs: &[Rung]) {
        assert!(self.kept.is_open, "nobody is told after a claim");
        let told: Vec<u32> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Tell { rung, to, .. } => {
                    assert!(!to.is_empty());
                    Some(*rung)
                }
                Effect::Pass { rung } => {
                    assert!(rungs[*rung as usize].reach.is_empty());
                    None
                }
                Effect::NobodyAnswered { .. } => None,
            })
            .collect();
        let fresh = usize::from(self.kept.ladder.rang_again);
        assert!(told.len() <= 1 + fresh, "one rung at a time, also after hours away: {effects:?}");
        let anybody = rungs.iter().any(|rung| !rung.reach.is_empty());
        if self.kept.ladder.rang_again {
            assert_eq!(!told.is_empty(), anybody, "who presses again is heard at once");
        }
        let is_due = self.kept.ladder.due_ms.is_some_and(|due| due <= self.now_ms);
        let can_tell = rungs.iter().skip(self.kept.ladder.next as usize).any(|rung| !rung.reach.is_empty());
        let says = effects.iter().any(|effect| matches!(effect, Effect::NobodyAnswered { .. }));
        if is_due {
            assert_ne!(can_tell, says, "it climbs, or says that nobody has answered");
            assert_eq!(!told.is_empty(), anybody, "where anybody can be reached, somebody is told");
        }
    }

    fn channel_works(&mut self) {
        if !self.is_channel_well {
            return;
        }
        for (key, page) in self.kept.outbox.iter_mut().filter(|(_, page)| page.is_waiting) {
            page.is_waiting = false;
            assert!(self.kept.is_open, "nobody is told after a claim");
            self.pages.push(key.clone());
        }
    }

    fn check(&self) {
        let ladder = &self.kept.ladder;
        assert_eq!(ladder.next_wake().is_some(), self.kept.is_open, "it climbs exactly while nobody has it");
        if let Some(due_ms) = ladder.next_wake() {
            assert!(due_ms > self.now_ms && due_ms <= self.now_ms + self.waits_ms, "the next rung is told in time");
        }
        let once: BTreeSet<&String> = self.pages.iter().collect();
        assert_eq!(once.len(), self.pages.len(), "no page is doubled");
    }

    fn rung(&self, there: &BTreeSet<String>) -> Rung {
        let reach = |name: &String| Reach {
            name: name.clone(),
            to: Recipient::Member(name.clone()),
            channel: Channel::Sms,
            lang: Lang::Sv,
        };
        Rung { reach: there.iter().map(reach).collect(), waits_until_ms: self.now_ms + self.waits_ms }
    }
}

fn some_people(luck: &mut StdRng) -> BTreeSet<String> {
    ["Anna", "Berit", "Cilla", "Dag"].into_iter().filter(|_| luck.random_bool(0.3)).map(str::to_owned).collect()
}
