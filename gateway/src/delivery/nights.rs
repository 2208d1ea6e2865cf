//! Thousands of nights: two gateways that die at any moment, dead and slow peers, claims between any two steps.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::Recipient;
use super::course::{Course, Effect, GIVE_UP_MS, Input, LEASE_MS, Outcome, State};
use super::hands::{FOR_ONE, Flight, take_up};
use crate::alerts::Severity;

const NIGHTS: u64 = 3_000;
const RECIPIENTS: usize = 4;
const MINUTE: i64 = 60_000;

#[test]
fn no_notification_is_lost_and_none_is_doubled_but_by_a_crash_between_send_and_record() {
    let mut all = Counts::default();
    for seed in 0..NIGHTS {
        let mut night = Night::new(seed);
        night.live_through();
        night.morning();
        night.check();
        all.add(&night.counts);
    }
    // What is not met proves nothing.
    assert!(all.deliveries > 10 * NIGHTS && all.crashes > NIGHTS && all.withdrawn > NIGHTS, "{all:?}");
    assert!(all.doubled > 100 && all.under_way_when_withdrawn > 100 && all.given_up > 100, "{all:?}");
    assert!(all.doubled <= all.crashes_after_send, "{all:?}");
}

#[derive(Default, Debug)]
struct Counts {
    deliveries: u64,
    crashes: u64,
    crashes_after_send: u64,
    withdrawn: u64,
    under_way_when_withdrawn: u64,
    doubled: u64,
    given_up: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.crashes += other.crashes;
        self.crashes_after_send += other.crashes_after_send;
        self.withdrawn += other.withdrawn;
        self.under_way_when_withdrawn += other.under_way_when_withdrawn;
        self.doubled += other.doubled;
        self.given_up += other.given_up;
    }
}

/// One notification, and what really happened to it.
struct Sent {
    course: Course,
    alert: usize,
    to: usize,
    /// When its peer took it, each time.
    arrived: Vec<i64>,
    /// Attempts that were made, and whose end was never written.
    forgotten_after_send: usize,
    refused_for_good: bool,
}

/// An attempt that is under way in a gateway.
struct Attempt {
    delivery: usize,
    number: u32,
    until_ms: i64,
}

struct Night {
    luck: StdRng,
    now_ms: i64,
    sent: Vec<Sent>,
    alerts: usize,
    gateways: [Vec<Attempt>; 2],
    peers: [Peer; RECIPIENTS],
    counts: Counts,
}

#[derive(Copy, Clone, PartialEq)]
enum Peer {
    Well,
    Dead,
    Refuses,
}

impl Night {
    fn new(seed: u64) -> Self {
        Self {
            luck: StdRng::seed_from_u64(seed),
            now_ms: 0,
            sent: Vec::new(),
            alerts: 0,
            gateways: [Vec::new(), Vec::new()],
            peers: [Peer::Well; RECIPIENTS],
            counts: Counts::default(),
        }
    }

    fn live_through(&mut self) {
        for _ in 0..300 {
            self.now_ms += self.luck.random_range(1..20_000);
            match self.luck.random_range(0..20) {
                0..=2 => self.alert_rings(),
                3 => self.somebody_claims(),
                4 => self.gateway_dies(),
                5 => {
                    let peer = self.luck.random_range(0..RECIPIENTS);
                    self.peers[peer] = [Peer::Well, Peer::Dead, Peer::Refuses][self.luck.random_range(0..3)];
                }
                6 if self.luck.random_bool(0.1) => self.now_ms += GIVE_UP_MS / 2,
                _ => {}
            }
            self.step();
        }
    }

    /// Everything works again, until nothing waits.
    fn morning(&mut self) {
        self.peers = [Peer::Well; RECIPIENTS];
        for _ in 0..5_000 {
            if self.sent.iter().all(|sent| sent.course.state != State::Waiting)
                && self.gateways.iter().all(Vec::is_empty)
            {
                return;
            }
            self.now_ms += MINUTE / 4;
            self.step();
        }
        panic!("something still waits");
    }

    fn step(&mut self) {
        for gateway in 0..2 {
            self.land(gateway);
        }
        for gateway in 0..2 {
            self.take_up(gateway);
        }
    }

    fn alert_rings(&mut self) {
        let urgency = [Severity::Low, Severity::Medium, Severity::High][self.luck.random_range(0..3)];
        for to in 0..RECIPIENTS {
            if self.luck.random_bool(0.6) {
                self.sent.push(Sent {
                    course: Course::new(urgency, self.now_ms),
                    alert: self.alerts,
                    to,
                    arrived: Vec::new(),
                    forgotten_after_send: 0,
                    refused_for_good: false,
                });
                self.counts.deliveries += 1;
            }
        }
        self.alerts += 1;
    }

    fn somebody_claims(&mut self) {
        if self.alerts == 0 {
            return;
        }
        let alert = self.luck.random_range(0..self.alerts);
        for sent in self.sent.iter_mut().filter(|sent| sent.alert == alert) {
            sent.course.handle(&Input::Withdraw, self.now_ms);
            self.counts.withdrawn += u64::from(sent.course.withdrawn_ms == Some(self.now_ms));
        }
    }

    /// What was under way is forgotten; each may have arrived just before.
    fn gateway_dies(&mut self) {
        self.counts.crashes += 1;
        let gateway = self.luck.random_range(0..2);
        for attempt in std::mem::take(&mut self.gateways[gateway]) {
            let arrives = self.peers[self.sent[attempt.delivery].to] == Peer::Well && self.luck.random_bool(0.5);
            if arrives {
                let sent = &mut self.sent[attempt.delivery];
                sent.arrived.push(self.now_ms);
                sent.forgotten_after_send += 1;
                self.counts.crashes_after_send += 1;
            }
        }
    }

    /// Attempts whose peer has answered, or whose time is over, end and are written.
    fn land(&mut self, gateway: usize) {
        let now_ms = self.now_ms;
        let (ended, under_way) =
            std::mem::take(&mut self.gateways[gateway]).into_iter().partition(|attempt| attempt.until_ms <= now_ms);
        self.gateways[gateway] = under_way;
        let ended: Vec<Attempt> = ended;
        for attempt in ended {
            let luck = self.luck.random();
            let sent = &mut self.sent[attempt.delivery];
            let outcome = match self.peers[sent.to] {
                Peer::Well => {
                    sent.arrived.push(now_ms);
                    Outcome::Delivered { proof: String::new() }
                }
                Peer::Dead => Outcome::TryAgain { after: None, because: String::new() },
                Peer::Refuses => {
                    sent.refused_for_good = true;
                    Outcome::GiveUp { because: String::new() }
                }
            };
            if sent.course.withdrawn_ms.is_some() && matches!(outcome, Outcome::Delivered { .. }) {
                self.counts.under_way_when_withdrawn += 1;
            }
            sent.course.handle(&Input::Ended { attempt: attempt.number, outcome: &outcome, luck }, now_ms);
        }
    }

    /// As the store has it: what is due, the most pressing first, of each recipient so many.
    fn take_up(&mut self, gateway: usize) {
        let mut due: Vec<usize> = (0..self.sent.len()).filter(|place| self.is_due(*place)).collect();
        due.sort_by_key(|place| {
            let course = &self.sent[*place].course;
            (std::cmp::Reverse(course.urgency), course.attempts > 0, course.since_ms)
        });
        let mut of_each = BTreeMap::<usize, usize>::new();
        due.retain(|place| {
            let seen = of_each.entry(self.sent[*place].to).or_default();
            *seen += 1;
            *seen <= FOR_ONE
        });
        let due: Vec<Flight> = due.into_iter().map(|place| self.flight(place)).collect();
        let under_way: Vec<Flight> =
            self.gateways[gateway].iter().map(|attempt| self.flight(attempt.delivery)).collect();
        for flight in take_up(&due, &under_way) {
            let delivery: usize = flight.delivery.parse().unwrap();
            let course = &mut self.sent[delivery].course;
            assert_eq!(course.state, State::Waiting, "nothing is tried that is over");
            let Some(Effect::Attempt(number)) = course.handle(&Input::Take, self.now_ms) else { panic!("it is due") };
            let until_ms = self.now_ms + self.luck.random_range(1..LEASE_MS - 20_000);
            self.gateways[gateway].push(Attempt { delivery, number, until_ms });
        }
    }

    fn is_due(&self, place: usize) -> bool {
        let Course { state, due_ms, lease_until_ms, .. } = &self.sent[place].course;
        *state == State::Waiting && *due_ms <= self.now_ms && lease_until_ms.is_none_or(|until| until <= self.now_ms)
    }

    fn flight(&self, place: usize) -> Flight {
        let sent = &self.sent[place];
        let to = Recipient::Address(sent.to.to_string());
        let is_tried = sent.course.attempts > 0;
        Flight { delivery: place.to_string(), to, urgency: sent.course.urgency, is_tried, is_test: false }
    }

    fn check(&mut self) {
        for sent in &self.sent {
            let Course { state, urgency, since_ms, withdrawn_ms, .. } = sent.course;
            let recorded = usize::from(state == State::Delivered);
            let most = recorded + sent.forgotten_after_send;
            assert!(sent.arrived.len() <= most.max(1), "{} arrived, {most} accounted for", sent.arrived.len());
            match state {
                State::Waiting => panic!("something still waits"),
                State::Delivered => assert!(!sent.arrived.is_empty(), "it is called delivered and did not arrive"),
                State::Withdrawn => assert!(withdrawn_ms.is_some()),
                State::GivenUp => {
                    self.counts.given_up += 1;
                    assert_ne!(urgency, Severity::High, "what is urgent is never given up");
                    assert!(sent.refused_for_good || self.now_ms - since_ms >= GIVE_UP_MS);
                }
            }
            self.counts.doubled += sent.arrived.len().saturating_sub(1) as u64;
        }
    }
}
