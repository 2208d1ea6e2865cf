//! Silent tests of the way from this home to people (P5): an event that lies on flash and goes out like any other, and tells
//! nobody anything. It travels with the readings, so that no press waits for it.
//!
//! Promised: none is made while an alarm, or the test before it, waits for its receipt, nor where flash takes less than
//! everything: no test takes the place of a reading. The gateway says how often; where it does not, none is made.

use std::time::{Duration, Instant};

use hempuls_protocol::event::{Kind, Origin};
use hempuls_protocol::wire::heartbeat::Takes;
use rand::Rng as _;
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::buffer::{Buffer, LaneState, State};
use crate::clock;
use crate::stop::Stop;

/// What the gateway wishes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// A test so often; none: no tests.
    pub every: Option<Duration>,
    /// In which revision of its configuration; 0: it has said nothing yet.
    pub revision: u64,
}

/// What happens.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum Input {
    /// The gateway asks for a test so often; none: for no tests.
    Asked {
        /// How often.
        every: Option<Duration>,
        /// Whether it is the first that the gateway ever said: somebody may be installing, and wait for it.
        is_first: bool,
    },
    /// The time of [`Prover::next_wake`] has come.
    Due {
        /// Whether a test disturbs nothing now.
        is_quiet: bool,
    },
}

/// The first test after a start, or after another wish, comes within this time: a power cut or an operator may move a whole town's
/// boxes at once.
const TOGETHER: Duration = Duration::from_secs(60 * 60);
/// A box that is being installed makes one within this time.
const INSTALLED: Duration = Duration::from_secs(20);
/// A test that may not be made now is made so much later, if it may then.
const LATER: Duration = Duration::from_secs(60);

/// When to make tests.
#[derive(Clone, Debug, Default)]
pub struct Prover {
    every: Option<Duration>,
    due: Option<Instant>,
}

impl Prover {
    /// Says whether to make a test now. `luck` is between 0 and 1.
    pub fn handle(&mut self, input: Input, luck: f64, now: Instant) -> bool {
        match input {
            Input::Asked { every, .. } if every == self.every => false,
            Input::Asked { every, is_first } => {
                let within = if is_first { INSTALLED } else { TOGETHER };
                self.due = every.map(|every| now + every.min(within).mul_f64(luck));
                self.every = every;
                false
            }
            Input::Due { is_quiet } => {
                let (Some(every), Some(due)) = (self.every, self.due) else { return false };
                if now < due {
                    return false;
                }
                // A tenth earlier or later: boxes that were started together drift apart.
                let pause = if is_quiet { every.mul_f64(0.9 + 0.2 * luck) } else { LATER.min(every) };
                self.due = Some(now + pause);
                is_quiet
            }
        }
    }

    /// When to call again with [`Input::Due`].
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.due
    }
}

/// Makes tests until the program stops.
pub async fn run(buffer: Buffer, mut wishes: watch::Receiver<Wish>, mut stop: Stop) {
    let mut prover = Prover::default();
    let (mut revision, mut last) = (None, None);
    loop {
        let wish = *wishes.borrow_and_update();
        let asked = Input::Asked { every: wish.every, is_first: revision == Some(0) };
        prover.handle(asked, rand::rng().random(), clock::now());
        revision = Some(wish.revision);
        let wake = prover.next_wake();
        tokio::select! {
            changed = wishes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep_until(wake.unwrap_or_else(clock::now).into()), if wake.is_some() => {
                let due = Input::Due { is_quiet: is_quiet(&buffer.state(), last) };
                if prover.handle(due, rand::rng().random(), clock::now()) {
                    // What could not be taken is logged by the buffer, and missed by the gateway.
                    last = buffer.take(Kind::Test).await.ok();
                }
            }
            () = stop.asked() => return,
        }
    }
}

/// Whether no alarm waits, nor the last test, and flash takes everything.
fn is_quiet(state: &State, last: Option<Origin>) -> bool {
    let is_empty = |lane: LaneState| lane.receipted_through >= lane.last;
    let Some(held) = state.flash else { return false };
    let waits = last.is_some_and(|last| last.epoch == held.epoch && last.sequence > held.reading.receipted_through);
    is_empty(held.alarm) && is_empty(state.volatile.alarm) && !waits && state.takes == Takes::All
}

#[cfg(test)]
mod tests {
    use super::*;
    use hempuls_protocol::event::Alarm;
    use hempuls_protocol::ids::Lane;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_home_tests_as_often_as_it_is_asked_to_and_never_while_an_alarm_waits() {
        let (mut prover, start) = (Prover::default(), clock::now());
        let (quiet, waits) = (Input::Due { is_quiet: true }, Input::Due { is_quiet: false });
        assert!(!prover.handle(quiet, 0.5, start) && prover.next_wake().is_none(), "nobody has asked");

        prover.handle(Input::Asked { every: Some(DAY), is_first: true }, 0.5, start);
        let first = prover.next_wake().unwrap();
        assert_eq!(first, start + Duration::from_secs(10));
        assert!(!prover.handle(quiet, 0.5, start), "it is not time");
        assert!(!prover.handle(waits, 0.5, first));
        assert_eq!(prover.next_wake(), Some(first + LATER));
        assert!(prover.handle(quiet, 0.5, first + LATER));
        assert_eq!(prover.next_wake(), Some(first + LATER + DAY));
        prover.handle(Input::Asked { every: Some(DAY), is_first: true }, 0.0, first + LATER);
        assert_eq!(prover.next_wake(), Some(first + LATER + DAY), "it is asked again with each configuration");

        prover.handle(Input::Asked { every: None, is_first: true }, 0.5, start);
        assert_eq!(prover.next_wake(), None);
    }

    #[test]
    fn a_towns_boxes_that_start_or_are_asked_together_test_over_an_hour() {
        let start = clock::now();
        let first = |luck| {
            let mut prover = Prover::default();
            prover.handle(Input::Asked { every: Some(DAY), is_first: false }, luck, start);
            prover.next_wake().unwrap() - start
        };
        assert_eq!((first(0.0), first(0.5)), (Duration::ZERO, TOGETHER / 2));
        let mut often = Prover::default();
        often.handle(Input::Asked { every: Some(Duration::from_secs(2)), is_first: false }, 1.0, start);
        assert_eq!(often.next_wake(), Some(start + Duration::from_secs(2)));
    }

    #[tokio::test]
    async fn a_test_lies_on_flash_among_readings_and_none_is_made_while_a_press_or_another_test_waits() {
        let folder = tempfile::tempdir().unwrap();
        let (buffer, _writer) = Buffer::open(folder.path(), &crate::buffer::Config::default()).unwrap();
        let began = buffer.state().flash.unwrap();
        let mut held = buffer.changes();
        buffer.receipted(began.epoch, Lane::Alarm, began.alarm.last);
        held.wait_for(|state| is_quiet(state, None)).await.unwrap();
        let press = Alarm::pressed("hempuls-agent/kitchen".parse().unwrap(), Vec::new());
        let press = buffer.take(Kind::Alarm(press)).await.unwrap();
        assert!(!is_quiet(&buffer.state(), None));
        buffer.receipted(press.epoch, Lane::Alarm, press.sequence);
        held.wait_for(|state| is_quiet(state, None)).await.unwrap();

        let (asks, wishes) = watch::channel(Wish { every: None, revision: 0 });
        let (_stopper, stop) = Stop::new();
        tokio::spawn(run(buffer.clone(), wishes, stop));
        tokio::task::yield_now().await;
        asks.send_replace(Wish { every: Some(Duration::from_millis(100)), revision: 7 });
        held.wait_for(|state| state.flash.unwrap().reading.last > began.reading.last).await.unwrap();
        let test = buffer.state().flash.unwrap().reading.last;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let flash = buffer.state().flash.unwrap();
        assert_eq!((flash.reading.last, flash.alarm.last), (test, press.sequence), "one waits, and no other is made");
        assert_eq!((buffer.tally().heard, buffer.state().volatile.alarm), (1, LaneState::EMPTY));

        buffer.receipted(flash.epoch, Lane::Reading, test);
        held.wait_for(|state| state.flash.unwrap().reading.last > test).await.unwrap();
        drop(asks);
    }
}
