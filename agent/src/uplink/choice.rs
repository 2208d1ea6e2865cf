//! Which uplink to use, when to leave it for the next, and when to return.
//!
//! The first is the one that is meant. The others are tried in turn when it fails, and it is returned to when it works
//! again. That a broker takes what it is given says nothing: a connection is good while the gateway's word comes back
//! over it. An alarm waits ten seconds for that word on one uplink before it goes out on the next, for ever.

use std::time::{Duration, Instant};

use hempuls_protocol::ids::{Epoch, Sequence};

/// What happened.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum Input {
    /// The broker is there, and receipts will be heard.
    Online,
    /// Something was sent that the gateway answers.
    Asked,
    /// The gateway has said something.
    Heard,
    /// Which alarm has waited longest for its receipt, if one waits.
    Alarm(Option<(Epoch, Sequence)>),
    /// The connection ended, or never came to be.
    Ended {
        /// From 0 to 1, evenly spread: so that many agents do not come back at one moment.
        jitter: f64,
    },
    /// Whether a server answers there.
    Probed {
        /// Its place in the list.
        place: usize,
        /// Whether it does.
        answers: bool,
    },
    /// The time of [`Choice::next_wake`] has come.
    Tick,
}

/// What to do.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Connect to the uplink at this place in the list.
    Connect(usize),
    /// End the connection; then say [`Input::Ended`].
    Leave(Why),
    /// Look whether a server answers there, beside the connection; then say [`Input::Probed`].
    Probe(usize),
}

/// Why a connection is left.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// It did not come to be in time.
    Slow,
    /// The gateway's word does not come back over it.
    NoReceipts,
    /// One that stands before it in the list answers again.
    Return,
}

/// For a connection to come to be.
const CONNECT: Duration = Duration::from_secs(15);
/// How long an alarm waits on one uplink.
const ALARM: Duration = Duration::from_secs(10);
/// How long anything else waits; doubles with each round in which no uplink brought an answer.
const ANSWER: Duration = Duration::from_secs(60);
const LONGEST_ANSWER: Duration = Duration::from_secs(15 * 60);
/// After a round in which no uplink brought an answer; doubles.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After so long on another uplink than the first it is looked whether that works again; doubles while it does not.
const RETURN: Duration = Duration::from_secs(60);
const LONGEST_RETURN: Duration = Duration::from_secs(30 * 60);

/// The choice between so many uplinks.
#[derive(Clone, Debug)]
pub struct Choice {
    of: usize,
    place: usize,
    phase: Phase,
    /// The alarm that has waited longest, and since when it has on this connection.
    alarm: Option<((Epoch, Sequence), Instant)>,
    /// Since when the gateway has owed an answer on this connection.
    asked: Option<Instant>,
    /// Attempts in a row that brought no answer.
    futile: usize,
    /// The uplink that was left for one before it, which is yet to bring an answer.
    left: Option<usize>,
    /// When to look whether an earlier one works again.
    look: Option<Instant>,
    looks_every: Duration,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Phase {
    Pausing { until: Instant },
    Connecting { since: Instant },
    Online { is_proven: bool },
    GivenUp,
    Returning { to: usize },
}

impl Choice {
    /// A choice between `of` uplinks, at least one. Nothing was tried yet.
    #[must_use]
    pub fn new(of: usize, now: Instant) -> Self {
        Self {
            of: of.max(1),
            place: 0,
            phase: Phase::Pausing { until: now },
            alarm: None,
            asked: None,
            futile: 0,
            left: None,
            look: None,
            looks_every: RETURN,
        }
    }

    /// The place of the uplink in use, or to be used next.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    /// What to do about what happened.
    pub fn handle(&mut self, input: Input, now: Instant) -> Option<Effect> {
        match input {
            Input::Online => self.online(now),
            Input::Asked => self.asked = self.asked.or(Some(now)),
            Input::Heard => self.heard(now),
            Input::Alarm(waits) => self.alarm_waits(waits, now),
            Input::Ended { jitter } => self.ended(jitter.clamp(0.0, 1.0), now),
            Input::Probed { place, answers } => return self.probed(place, answers, now),
            Input::Tick => return self.tick(now),
        }
        None
    }

    /// When to call again with [`Input::Tick`] if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        match self.phase {
            Phase::Pausing { until } => Some(until),
            Phase::Connecting { since } => Some(since + CONNECT),
            Phase::Online { .. } => [self.patience_ends(), self.look].into_iter().flatten().min(),
            Phase::GivenUp | Phase::Returning { .. } => None,
        }
    }

    /// When this connection is given up, unless the gateway says something. The only one there is never is.
    fn patience_ends(&self) -> Option<Instant> {
        let rounds = u32::try_from(self.futile / self.of).unwrap_or(u32::MAX).min(8);
        let patience = if self.left.is_some() { ALARM } else { (ANSWER * 2_u32.pow(rounds)).min(LONGEST_ANSWER) };
        let alarm = self.alarm.map(|(_, since)| since + ALARM);
        let answer = self.asked.map(|since| since + patience);
        [alarm, answer].into_iter().flatten().min().filter(|_| self.of > 1)
    }

    fn online(&mut self, now: Instant) {
        self.phase = Phase::Online { is_proven: false };
        self.asked = None;
        self.alarm = self.alarm.map(|(which, _)| (which, now));
    }

    fn heard(&mut self, now: Instant) {
        let Phase::Online { is_proven } = &mut self.phase else { return };
        *is_proven = true;
        self.asked = None;
        self.futile = 0;
        self.left = None;
        if self.place == 0 {
            self.looks_every = RETURN;
        } else {
            self.look = self.look.or(Some(now + self.looks_every));
        }
    }

    /// An alarm that begins to wait waits for no pause.
    fn alarm_waits(&mut self, waits: Option<(Epoch, Sequence)>, now: Instant) {
        if let (Phase::Pausing { until }, Some(_), None) = (&mut self.phase, waits, self.alarm) {
            *until = now;
        }
        let known = self.alarm.filter(|(which, _)| Some(*which) == waits);
        self.alarm = known.or(waits.map(|which| (which, now)));
    }

    fn ended(&mut self, jitter: f64, now: Instant) {
        self.asked = None;
        self.look = None;
        let mut pause = Duration::ZERO;
        match (self.phase, self.left.take()) {
            (Phase::Returning { to }, _) => {
                self.left = Some(self.place);
                self.place = to;
            }
            // It worked a moment ago.
            (Phase::Online { is_proven: true }, _) => pause = SHORTEST_PAUSE,
            // The return came to nothing.
            (_, Some(left)) => {
                self.place = left;
                self.looks_every = (self.looks_every * 2).min(LONGEST_RETURN);
            }
            (_, None) => {
                self.place = (self.place + 1) % self.of;
                self.futile += 1;
                if self.futile.is_multiple_of(self.of) {
                    pause = self.pause();
                }
            }
        }
        self.phase = Phase::Pausing { until: now + pause.mul_f64(0.5 + jitter / 2.0) };
    }

    /// The pause after a round in which no uplink brought an answer.
    fn pause(&self) -> Duration {
        let rounds = u32::try_from(self.futile / self.of).unwrap_or(u32::MAX).clamp(1, 16);
        let longest = if self.alarm.is_some() { ALARM } else { LONGEST_PAUSE };
        (SHORTEST_PAUSE * 2_u32.pow(rounds - 1)).min(longest)
    }

    fn tick(&mut self, now: Instant) -> Option<Effect> {
        match self.phase {
            Phase::Pausing { until } if until <= now => {
                self.phase = Phase::Connecting { since: now };
                Some(Effect::Connect(self.place))
            }
            Phase::Connecting { since } if since + CONNECT <= now => {
                self.phase = Phase::GivenUp;
                Some(Effect::Leave(Why::Slow))
            }
            Phase::Online { .. } if self.patience_ends().is_some_and(|end| end <= now) => {
                self.phase = Phase::GivenUp;
                Some(Effect::Leave(Why::NoReceipts))
            }
            Phase::Online { .. } if self.look.is_some_and(|look| look <= now) => {
                // What comes of it says when the next one is.
                self.look = None;
                Some(Effect::Probe(0))
            }
            Phase::Pausing { .. }
            | Phase::Connecting { .. }
            | Phase::Online { .. }
            | Phase::GivenUp
            | Phase::Returning { .. } => None,
        }
    }

    fn probed(&mut self, place: usize, answers: bool, now: Instant) -> Option<Effect> {
        if self.phase != (Phase::Online { is_proven: true }) || place >= self.place {
            return None;
        }
        if answers && self.alarm.is_none() {
            self.phase = Phase::Returning { to: place };
            return Some(Effect::Leave(Why::Return));
        }
        if answers {
            self.look = Some(now + ALARM);
        } else if place + 1 < self.place {
            return Some(Effect::Probe(place + 1));
        } else {
            self.look = Some(now + self.looks_every);
            self.looks_every = (self.looks_every * 2).min(LONGEST_RETURN);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_first_is_tried_first_and_the_others_in_turn_with_a_pause_after_each_round() {
        let mut home = Home::with(3);
        assert_eq!(home.passes(0), ["0.0 connect 0"]);
        assert_eq!(home.ends(), ["0.0 connect 1"]);
        assert_eq!(home.ends(), ["0.0 connect 2"]);
        assert_eq!(home.ends(), NOTHING);
        assert_eq!(home.passes(1), ["0.5 connect 0"]);
        home.ends();
        home.ends();
        assert_eq!(home.ends(), NOTHING);
        assert_eq!(home.passes(1), ["2.0 connect 0"], "pauses double");
    }

    #[test]
    fn a_broker_that_takes_the_connection_and_says_nothing_is_left() {
        let mut home = Home::with(2);
        home.passes(0);
        assert_eq!(home.passes(20), ["15.0 leave: slow"]);
        assert_eq!(home.ends(), ["20.0 connect 1"]);
    }

    #[test]
    fn a_broker_without_a_gateway_is_left_for_the_next_when_an_alarm_waits_ten_seconds() {
        let mut home = Home::with(2);
        home.passes(0);
        home.gets_online();
        home.hears(Input::Alarm(alarm(1)));
        assert_eq!(home.passes(9), NOTHING);
        assert_eq!(home.passes(1), ["10.0 leave: no receipts"]);
        assert_eq!(home.ends(), ["10.0 connect 1"]);
        home.gets_online();
        home.hears(Input::Alarm(None));
        home.hears(Input::Heard);
        assert_eq!(home.passes(50), NOTHING, "where receipts come it stays");
    }

    #[test]
    fn an_alarm_goes_round_for_ever_and_waits_ten_seconds_at_each() {
        let mut home = Home::with(2);
        home.passes(0);
        home.hears(Input::Alarm(alarm(1)));
        let (mut last, start) = (0, home.now);
        for round in 0..500 {
            home.gets_online();
            let left = home.passes(11);
            assert!(left.len() == 1 && left[0].ends_with("leave: no receipts"), "round {round}: {left:?}");
            let mut connects = home.ends();
            connects.extend(home.passes(10));
            assert!(connects.last().unwrap().contains("connect"), "round {round}: {connects:?}");
            assert_ne!(home.choice.place(), last);
            last = home.choice.place();
        }
        assert!(home.now - start <= Duration::from_secs(500 * 21));
    }

    #[test]
    fn an_alarm_that_is_receipted_leaves_the_next_its_own_ten_seconds() {
        let mut home = Home::with(2);
        home.passes(0);
        home.gets_online();
        for number in 1..20 {
            home.hears(Input::Alarm(alarm(number)));
            assert_eq!(home.passes(8), NOTHING, "{number}");
            home.hears(Input::Heard);
        }
    }

    #[test]
    fn a_press_waits_for_no_pause() {
        let mut home = Home::with(1);
        home.passes(0);
        for _ in 0..20 {
            home.ends();
            home.passes(60);
        }
        assert_eq!(home.ends(), NOTHING);
        home.passes(1);
        home.hears(Input::Alarm(alarm(1)));
        assert_eq!(home.passes(0).len(), 1);
        assert_eq!(home.ends(), NOTHING);
        assert_eq!(home.passes(10).len(), 1, "and waits ten seconds between attempts at most");
    }

    #[test]
    fn readings_that_get_no_answer_go_on_to_the_next_with_growing_patience() {
        let mut home = Home::with(2);
        home.passes(0);
        let mut stayed = Vec::new();
        for _ in 0..12 {
            home.gets_online();
            home.hears(Input::Asked);
            let since = home.now;
            while home.passes(1).is_empty() {}
            stayed.push((home.now - since).as_secs());
            home.ends();
            home.passes(30);
        }
        assert_eq!(stayed, [60, 60, 120, 120, 240, 240, 480, 480, 900, 900, 900, 900]);
    }

    #[test]
    fn the_only_uplink_is_not_left_for_a_gateway_that_is_away() {
        let mut home = Home::with(1);
        home.passes(0);
        home.gets_online();
        home.hears(Input::Alarm(alarm(1)));
        home.hears(Input::Asked);
        assert_eq!(home.passes(7 * 24 * 3_600), NOTHING);
        assert_eq!(home.choice.next_wake(), None);
    }

    #[test]
    fn the_first_is_returned_to_when_it_answers_again_and_no_alarm_waits() {
        let mut home = on_the_second();
        assert_eq!(home.passes(60), ["60.0 probe 0"]);
        home.hears(Input::Alarm(alarm(1)));
        assert_eq!(home.hears(Input::Probed { place: 0, answers: true }), NOTHING, "an alarm waits");
        home.hears(Input::Heard);
        home.hears(Input::Alarm(None));
        assert_eq!(home.passes(10), ["70.0 probe 0"]);
        assert_eq!(home.hears(Input::Probed { place: 0, answers: true }), ["70.0 leave: return"]);
        assert_eq!(home.ends(), ["70.0 connect 0"]);
        home.gets_online();
        home.hears(Input::Heard);
        assert_eq!(home.passes(3_600), NOTHING);
    }

    #[test]
    fn a_first_that_answers_and_brings_no_receipts_is_left_again_at_once_and_tried_ever_more_rarely() {
        let mut home = on_the_second();
        let mut looked = Vec::new();
        for _ in 0..8 {
            let since = home.now;
            while home.passes(1).is_empty() {}
            looked.push((home.now - since).as_secs());
            home.hears(Input::Probed { place: 0, answers: true });
            assert!(home.ends()[0].ends_with("connect 0"));
            home.gets_online();
            home.hears(Input::Asked);
            assert!(home.passes(10)[0].ends_with("leave: no receipts"));
            assert!(home.ends()[0].ends_with("connect 1"));
            home.gets_online();
            home.hears(Input::Heard);
        }
        assert_eq!(looked, [60, 120, 240, 480, 960, 1800, 1800, 1800]);
    }

    #[test]
    fn a_return_that_never_comes_to_be_goes_back_where_it_came_from() {
        let mut home = on_the_second();
        home.passes(60);
        home.hears(Input::Probed { place: 0, answers: true });
        home.ends();
        assert!(home.ends()[0].ends_with("connect 1"));
    }

    #[test]
    fn of_three_the_second_is_returned_to_when_the_first_stays_dead() {
        let mut home = Home::with(3);
        home.passes(0);
        home.ends();
        home.ends();
        home.gets_online();
        home.hears(Input::Heard);
        home.passes(60);
        assert_eq!(home.hears(Input::Probed { place: 0, answers: false }), ["60.0 probe 1"]);
        assert_eq!(home.hears(Input::Probed { place: 1, answers: true }), ["60.0 leave: return"]);
        assert_eq!(home.ends(), ["60.0 connect 1"]);
        home.gets_online();
        home.hears(Input::Heard);
        assert_eq!(home.passes(60), ["120.0 probe 0"], "and the first is looked for on");
        assert_eq!(home.hears(Input::Probed { place: 0, answers: false }), NOTHING);
    }

    #[test]
    fn a_connection_that_worked_is_made_anew_where_it_was() {
        let mut home = on_the_second();
        assert_eq!(home.ends(), NOTHING);
        assert_eq!(home.passes(1), ["0.5 connect 1"]);
    }

    const NOTHING: [&str; 0] = [];

    fn alarm(number: u64) -> Option<(Epoch, Sequence)> {
        Some((Epoch(1), Sequence(number)))
    }

    fn on_the_second() -> Home {
        let mut home = Home::with(2);
        home.passes(0);
        home.ends();
        home.gets_online();
        home.hears(Input::Heard);
        home
    }

    struct Home {
        choice: Choice,
        start: Instant,
        now: Instant,
    }

    impl Home {
        fn with(of: usize) -> Self {
            let now = clock::now();
            Self { choice: Choice::new(of, now), start: now, now }
        }

        fn hears(&mut self, input: Input) -> Vec<String> {
            let effect = self.choice.handle(input, self.now);
            let seconds = (self.now - self.start).as_secs_f64();
            let said = effect.map(|effect| match effect {
                Effect::Connect(place) => format!("{seconds:.1} connect {place}"),
                Effect::Leave(Why::Slow) => format!("{seconds:.1} leave: slow"),
                Effect::Leave(Why::NoReceipts) => format!("{seconds:.1} leave: no receipts"),
                Effect::Leave(Why::Return) => format!("{seconds:.1} leave: return"),
                Effect::Probe(place) => format!("{seconds:.1} probe {place}"),
            });
            said.into_iter().collect()
        }

        fn gets_online(&mut self) {
            assert_eq!(self.hears(Input::Online), NOTHING);
        }

        /// The connection ends; what is done about that at once.
        fn ends(&mut self) -> Vec<String> {
            self.hears(Input::Ended { jitter: 1.0 });
            self.passes(0)
        }

        fn passes(&mut self, seconds: u64) -> Vec<String> {
            let until = self.now + Duration::from_secs(seconds);
            let mut done = Vec::new();
            while let Some(wake) = self.choice.next_wake().filter(|wake| *wake <= until) {
                self.now = self.now.max(wake);
                done.extend(self.hears(Input::Tick));
            }
            self.now = until;
            done
        }
    }
}
