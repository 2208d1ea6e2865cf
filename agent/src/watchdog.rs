//! Whether the program makes progress, so that systemd ends one that does not.
//!
//! Every part is asked in turn whether it still comes round: the thread that writes answers between two batches, every
//! loop from the place where it waits for what happens. systemd is told that the program lives when all of them have
//! answered, and not by a timer: where one hangs, in a call to a disk that does not return or in a lock, nothing is told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

/// A part of the program that must come round.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// The thread that writes to flash.
    Buffer,
    /// What listens to the home.
    Radio,
    /// What speaks to the gateway.
    Uplink,
    /// What answers commands.
    Control,
    /// What tells the home.
    Feedback,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 5] = [Self::Buffer, Self::Radio, Self::Uplink, Self::Control, Self::Feedback];

    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buffer => "the flash",
            Self::Radio => "the radio",
            Self::Uplink => "the uplink",
            Self::Control => "the socket",
            Self::Feedback => "the feedback",
        }
    }
}

/// What happened.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A part has come round, asked in this round.
    CameRound(Part, u64),
    /// The time of [`Watchdog::next_wake`] has come.
    Tick,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Ask every part, in a round of this number.
    Ask(u64),
    /// All have answered: the program lives.
    Lives,
    /// These have not answered for as long as a round lasts. Said once in a round.
    Waits(Vec<Part>),
}

/// The parts and their answers.
#[derive(Clone, Debug)]
pub struct Watchdog {
    every: Duration,
    round: u64,
    next: Instant,
    missing: BTreeSet<Part>,
    said: bool,
}

impl Watchdog {
    /// Asks first at once, and then every so often.
    #[must_use]
    pub fn new(every: Duration, now: Instant) -> Self {
        Self { every, round: 0, next: now, missing: BTreeSet::new(), said: false }
    }

    /// What to do about what happened.
    pub fn handle(&mut self, input: Input, now: Instant) -> Option<Effect> {
        match input {
            Input::CameRound(part, round) => {
                let is_last = round == self.round && self.missing.remove(&part) && self.missing.is_empty();
                is_last.then_some(Effect::Lives)
            }
            Input::Tick if now < self.next => None,
            Input::Tick if self.missing.is_empty() => {
                self.round += 1;
                (self.missing, self.next, self.said) = (Part::ALL.into(), now + self.every, false);
                Some(Effect::Ask(self.round))
            }
            Input::Tick => {
                self.next = now + self.every;
                let is_first = !std::mem::replace(&mut self.said, true);
                is_first.then(|| Effect::Waits(self.missing.iter().copied().collect()))
            }
        }
    }

    /// When to call again with [`Input::Tick`].
    #[must_use]
    pub fn next_wake(&self) -> Instant {
        self.next
    }
}

/// Asks all parts.
pub struct Questions {
    rounds: watch::Sender<u64>,
    answers: mpsc::UnboundedSender<(Part, u64)>,
}

impl Questions {
    /// Nothing is asked yet. What is answered comes out of the other end.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<(Part, u64)>) {
        let (answers, answered) = mpsc::unbounded_channel();
        (Self { rounds: watch::Sender::new(0), answers }, answered)
    }

    /// Asks every part.
    pub fn ask(&self, round: u64) {
        self.rounds.send_replace(round);
    }

    /// How a part hears that it is asked.
    #[must_use]
    pub fn pulse(&self, part: Part) -> Pulse {
        Pulse { part, rounds: self.rounds.subscribe(), answers: self.answers.clone() }
    }
}

/// A part's proof that it comes round.
pub struct Pulse {
    part: Part,
    rounds: watch::Receiver<u64>,
    answers: mpsc::UnboundedSender<(Part, u64)>,
}

impl Pulse {
    /// Waits until the part is asked, and answers: to be waited for in the part's own loop, beside everything else that
    /// it waits for.
    pub async fn asked(&mut self) {
        if self.rounds.changed().await.is_err() {
            // Nobody asks any more.
            return std::future::pending().await;
        }
        self.answer();
    }

    /// Waits for something that is sure to come soon, and answers meanwhile.
    pub async fn beside<T>(&mut self, soon: impl Future<Output = T>) -> T {
        let mut soon = std::pin::pin!(soon);
        loop {
            tokio::select! {
                done = &mut soon => return done,
                () = self.asked() => {}
            }
        }
    }

    /// Waits until the part is asked, to answer later with [`Pulse::answer`].
    pub async fn question(&mut self) {
        if self.rounds.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The part has come round.
    pub fn answer(&mut self) {
        let round = *self.rounds.borrow_and_update();
        // Nobody listens any more when the program is about to end.
        let _ = self.answers.send((self.part, round));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const EVERY: Duration = Duration::from_secs(60);

    struct Run {
        watchdog: Watchdog,
        start: Instant,
    }

    impl Run {
        fn new() -> Self {
            let start = clock::now();
            Self { watchdog: Watchdog::new(EVERY, start), start }
        }

        fn tick(&mut self, second: u64) -> Option<Effect> {
            self.watchdog.handle(Input::Tick, self.start + Duration::from_secs(second))
        }

        fn answers(&mut self, parts: &[Part], round: u64) -> Vec<Effect> {
            let now = self.start;
            parts.iter().filter_map(|part| self.watchdog.handle(Input::CameRound(*part, round), now)).collect()
        }
    }

    #[test]
    fn the_program_lives_when_all_have_answered_and_not_before() {
        let mut run = Run::new();
        assert_eq!(run.tick(0), Some(Effect::Ask(1)));
        assert_eq!(run.answers(&Part::ALL[1..], 1), []);
        assert_eq!(run.answers(&Part::ALL[..1], 1), [Effect::Lives]);
        assert_eq!(run.tick(59), None);
        assert_eq!(run.tick(60), Some(Effect::Ask(2)));
        assert_eq!(run.answers(&Part::ALL, 2), [Effect::Lives]);
    }

    #[test]
    fn where_one_part_hangs_nothing_is_told_however_often_the_others_come_round() {
        for hanging in Part::ALL {
            let mut run = Run::new();
            let others: Vec<Part> = Part::ALL.into_iter().filter(|part| *part != hanging).collect();
            run.tick(0);
            for minute in 1..10 {
                assert_eq!(run.answers(&others, 1), []);
                let said = run.tick(minute * 60);
                assert_eq!(said, (minute == 1).then(|| Effect::Waits(vec![hanging])), "{hanging:?}");
            }
            assert_eq!(run.answers(&[hanging], 1), [Effect::Lives], "it came round in the end");
        }
    }

    #[test]
    fn an_answer_to_an_earlier_question_proves_nothing() {
        let mut run = Run::new();
        run.tick(0);
        run.answers(&Part::ALL, 1);
        run.tick(60);
        assert_eq!(run.answers(&Part::ALL, 1), []);
    }

    #[tokio::test]
    async fn a_loop_answers_from_where_it_waits_and_one_that_hangs_does_not() {
        let (questions, mut answers) = Questions::new();
        let (mut control, mut uplink) = (questions.pulse(Part::Control), questions.pulse(Part::Uplink));
        let (go_on, mut stuck) = mpsc::channel::<()>(1);
        let waits = tokio::spawn(async move {
            loop {
                control.asked().await;
            }
        });
        tokio::spawn(async move {
            uplink.asked().await;
            stuck.recv().await;
            uplink.asked().await;
        });
        questions.ask(1);
        let mut both = [answers.recv().await.unwrap(), answers.recv().await.unwrap()];
        both.sort();
        assert_eq!(both, [(Part::Uplink, 1), (Part::Control, 1)]);
        questions.ask(2);
        assert_eq!(answers.recv().await.unwrap(), (Part::Control, 2));
        tokio::task::yield_now().await;
        assert!(answers.try_recv().is_err());
        go_on.send(()).await.unwrap();
        assert_eq!(answers.recv().await.unwrap(), (Part::Uplink, 2));
        waits.abort();
    }
}
