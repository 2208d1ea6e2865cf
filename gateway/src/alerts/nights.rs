//! Thousands of nights: presses, worse readings, claims, hand-overs, shifts that end, owners who fall silent, and gateways
//! that die between any two of an act's steps.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::alert::{Alert, CLAIM_HOLDS_MS, OURSELVES, State};
use super::outcome::Outcome;
use super::patience::Config;
use super::rules::alarm_pressed;
use super::{Finding, Line, Severity, Weight};

const NIGHTS: u64 = 4_000;
const MINUTE: i64 = 60_000;
const TEAM: [&str; 4] = ["Anna", "Bengt", "Cilla", "Dag"];

#[test]
fn an_open_alert_is_before_the_team_or_has_one_owner_with_a_deadline_and_only_a_named_human_closes_it() {
    let mut all = Counts::default();
    for seed in 0..NIGHTS {
        let mut night = Night::new(seed);
        for _ in 0..200 {
            night.step();
            night.check();
        }
        all.add(&night.counts);
    }
    // What is not met proves nothing.
    let Counts { presses, claims, handed_over, given_back, lapsed, broken_through, closed, reopened, folded, crashes } =
        all;
    let least = [presses, claims, handed_over, given_back, lapsed, closed, reopened, folded, crashes];
    assert!(least.iter().all(|count| *count > NIGHTS / 4) && broken_through > 50, "{all:?}");
}

#[derive(Default, Debug)]
struct Counts {
    presses: u64,
    claims: u64,
    handed_over: u64,
    given_back: u64,
    lapsed: u64,
    broken_through: u64,
    closed: u64,
    reopened: u64,
    folded: u64,
    crashes: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.presses += other.presses;
        self.claims += other.claims;
        self.handed_over += other.handed_over;
        self.given_back += other.given_back;
        self.lapsed += other.lapsed;
        self.broken_through += other.broken_through;
        self.closed += other.closed;
        self.reopened += other.reopened;
        self.folded += other.folded;
        self.crashes += other.crashes;
    }
}

/// Somebody to be told, as the shell does it: all at once, before anything else happens.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Told {
    Team,
    Owner,
}

/// What is on the disk: the case, its story and who is to be told, written together or not at all.
#[derive(Clone)]
struct Kept {
    alert: Alert,
    story: Vec<Line>,
    told: Vec<(i64, Told)>,
    /// When the owner's time was last known to run from.
    word_ms: i64,
}

struct Night {
    luck: StdRng,
    patience: Config,
    now_ms: i64,
    kept: Kept,
    /// Without one it is about readings: what a person asks for is as urgent as can be from the beginning.
    has_button: bool,
    counts: Counts,
}

impl Night {
    fn new(seed: u64) -> Self {
        let mut luck = StdRng::seed_from_u64(seed);
        let severity = if luck.random_bool(0.8) { Severity::Low } else { Severity::High };
        let finding = Finding { severity, confirmed: false, weight: Weight::More, ..press() };
        let kept =
            Kept { alert: Alert::new(&finding, 0), story: vec![finding.line], told: vec![(0, Told::Team)], word_ms: 0 };
        Self {
            luck,
            patience: Config::default(),
            now_ms: 0,
            kept,
            has_button: seed.is_multiple_of(2),
            counts: Counts::default(),
        }
    }

    fn step(&mut self) {
        // Mostly moments, at times in the very same millisecond, at times long.
        self.now_ms += match self.luck.random_range(0..12) {
            0 => 0,
            1..=9 => self.luck.random_range(0..4 * MINUTE),
            10 => self.luck.random_range(0..40 * MINUTE),
            _ => self.luck.random_range(0..30 * 60 * MINUTE),
        };
        if self.luck.random_bool(0.9) {
            self.timers_fire();
        }
        let mut next = self.kept.clone();
        let before = self.kept.alert.clone();
        let line = self.something_happens(&mut next);
        // A gateway that dies before the commit leaves everything as it was.
        if self.luck.random_bool(0.05) {
            self.counts.crashes += 1;
            return;
        }
        next.story.extend(line);
        tell(&mut next, &before);
        self.kept = next;
    }

    /// Timers are rows: however long nobody ran, each fires once.
    fn timers_fire(&mut self) {
        if self.kept.alert.next_wake().is_some_and(|due_ms| due_ms <= self.now_ms) {
            let before = self.kept.alert.clone();
            let line = self.kept.alert.tick(self.now_ms).expect("it was due");
            self.kept.story.push(line);
            tell(&mut self.kept, &before);
            assert_eq!(self.kept.alert.state, State::Open);
            self.counts.lapsed += 1;
        }
    }

    fn something_happens(&mut self, next: &mut Kept) -> Option<Line> {
        let (now_ms, patience) = (self.now_ms, &self.patience);
        let who = TEAM[self.luck.random_range(0..TEAM.len())];
        let owner = owner(&next.alert).map(str::to_owned);
        let whoever = owner.as_deref().filter(|_| self.luck.random_bool(0.7)).unwrap_or(who);
        let alert = &mut next.alert;
        match self.luck.random_range(0..20) {
            0..=2 if self.has_button && !is_closed(alert) => {
                self.counts.presses += 1;
                let (rung_ms, seen_ms) = (alert.rung_ms, alert.seen_ms);
                let line = alert.take_up(&press(), patience, now_ms);
                assert!(alert.rung_ms >= now_ms.max(rung_ms), "a press rings somebody");
                assert!(seen_ms.is_none_or(|seen| seen < alert.rung_ms), "and is not taken for seen");
                line
            }
            3 | 4 if !is_closed(alert) => {
                let is_higher = self.luck.random_bool(0.5);
                let severity = match alert.severity {
                    Severity::Low if is_higher => Severity::Medium,
                    Severity::Medium | Severity::High if is_higher => Severity::High,
                    Severity::Low | Severity::Medium | Severity::High => Severity::Low,
                };
                let confirmed = self.luck.random_bool(0.3);
                let finding = Finding { severity, confirmed, weight: Weight::More, ..press() };
                let is_worse = severity > alert.severity || confirmed && !alert.confirmed;
                let was_seen = !alert.is_unseen();
                let line = alert.take_up(&finding, patience, now_ms);
                assert!(!is_worse || alert.rung_ms >= now_ms && alert.is_unseen(), "worse rings at once");
                assert!(line.is_none() || !was_seen, "what she has seen takes no claim away");
                self.counts.broken_through += u64::from(line.is_some());
                line
            }
            5..=8 => {
                let line = alert.claim(whoever, patience, now_ms).ok();
                self.counts.claims += u64::from(line.is_some());
                line
            }
            9 => alert.say_on_the_way(whoever, patience, now_ms).ok(),
            10 => {
                alert.see(whoever, patience, now_ms);
                None
            }
            11 | 12 => {
                let line = alert.hand_over(whoever, who, patience, now_ms).ok();
                if line.is_some() {
                    assert_eq!(self::owner(alert), Some(who));
                    assert!(alert.is_unseen(), "it rings for her");
                    self.counts.handed_over += 1;
                }
                line
            }
            13 => {
                let line = alert.give_back(whoever, "cannot", now_ms).ok();
                self.counts.given_back += u64::from(line.is_some());
                line
            }
            14 | 15 => alert.note(who, "a note", patience, now_ms).ok(),
            16 | 17 => {
                let outcome = Outcome::ALL[self.luck.random_range(0..Outcome::ALL.len())];
                let line = alert.close(whoever, outcome, if self.luck.random() { "done" } else { "" }, now_ms).ok();
                self.counts.closed += u64::from(line.is_some());
                line
            }
            18 => {
                let line = alert.reopen(who, "not over", patience, now_ms).ok();
                self.counts.reopened += u64::from(line.is_some());
                line
            }
            19 if self.luck.random_bool(0.3) => {
                self.counts.folded += u64::from(alert.fold(now_ms));
                None
            }
            _ => None,
        }
    }

    fn check(&self) {
        let Kept { alert, story, told, word_ms } = &self.kept;
        let last_told = told.last().expect("it rang when it opened");
        match &alert.state {
            State::Open => {
                assert_eq!(alert.next_wake(), None);
                assert_eq!(
                    *last_told,
                    (alert.rung_ms, Told::Team),
                    "what is before the team has been told to the team"
                );
            }
            State::Claimed(claim) => {
                let due_ms = alert.next_wake().expect("an owner has a deadline");
                assert!(due_ms <= word_ms + self.patience.claim_holds_ms(Severity::Low));
                assert!(claim.said_ms <= self.now_ms && claim.warns_ms() <= due_ms);
                assert!(
                    !alert.is_unseen() || *last_told == (alert.rung_ms, Told::Owner),
                    "she is told, and nobody else"
                );
            }
            State::Closed { by, outcome, .. } => {
                assert_eq!(outcome.is_none(), by == OURSELVES, "only a human ends it, and says what came of it");
                assert!(by == OURSELVES || TEAM.contains(&by.as_str()));
                assert_eq!(alert.next_wake(), None);
                if by != OURSELVES {
                    let ends = story.iter().rev().find(|line| !matches!(line, Line::Noted { .. }));
                    assert!(matches!(ends, Some(Line::Closed { outcome: Some(_), .. })), "{ends:?}");
                }
            }
        }
        let mut rings: Vec<_> = told.clone();
        rings.dedup();
        assert_eq!(rings.len(), told.len(), "nobody is told twice of one ring");
    }
}

/// As the shell does it after each act.
fn tell(kept: &mut Kept, before: &Alert) {
    let alert = &kept.alert;
    if let State::Claimed(claim) = &alert.state {
        kept.word_ms = claim.said_ms;
    }
    if alert.rung_ms == before.rung_ms {
        return;
    }
    assert!(alert.rung_ms > before.rung_ms);
    let whom = match &alert.state {
        State::Open => Told::Team,
        State::Claimed(_) => Told::Owner,
        State::Closed { .. } => panic!("what is closed does not ring"),
    };
    if let (State::Claimed(claim), State::Open) = (&before.state, &alert.state) {
        let by_time = alert.rung_ms - claim.said_ms > CLAIM_HOLDS_MS;
        let by_word = kept
            .story
            .iter()
            .rev()
            .take(1)
            .any(|line| matches!(line, Line::GivenBack { .. } | Line::WorseUnseen { .. }));
        assert!(by_time || by_word, "a claim is taken away by silence, by worse unseen, or given back");
    }
    kept.told.push((alert.rung_ms, whom));
}

fn owner(alert: &Alert) -> Option<&str> {
    match &alert.state {
        State::Claimed(claim) => Some(&claim.by),
        State::Open | State::Closed { .. } => None,
    }
}

fn is_closed(alert: &Alert) -> bool {
    matches!(alert.state, State::Closed { .. })
}

fn press() -> Finding {
    alarm_pressed::finding(alarm_pressed::Press::at(0, 0))
}
