//! How fast somebody calls for help with one button, or over one wire.
//!
//! One that is stuck must not drown the others: its first presses are all taken, and after that one now and then.

use std::collections::VecDeque;
use std::time::Duration;

use hempuls_protocol::times::Taken;

/// The pace of one button or wire.
#[derive(Debug, Default)]
pub struct Pace {
    /// When its latest presses were taken.
    taken: VecDeque<Taken>,
    /// When it was last pressed, taken or not.
    pressed: Option<Taken>,
    is_stuck: bool,
}

/// What becomes of a press.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// It is taken; otherwise it is counted.
    pub is_taken: bool,
    /// It shows that the button is stuck, which was not known before.
    pub is_stuck_now: bool,
}

/// Whoever presses so often within a minute has been heard.
const QUICK: usize = 12;
const QUICK_WITHIN: Duration = Duration::from_secs(60);
/// From then on one press in this time says that it goes on.
const STUCK_EVERY: Duration = Duration::from_secs(10);
/// A button that rests for so long is not stuck any more: its next press is somebody's.
const RESTS: Duration = Duration::from_secs(30);

impl Pace {
    /// What becomes of a press: it is taken, unless the button is stuck.
    pub fn press(&mut self, now: &Taken) -> Judgement {
        let before = self.pressed.replace(*now);
        if before.is_none_or(|before| !is_within(&before, now, RESTS)) {
            self.is_stuck = false;
            self.taken.clear();
        }
        let was_stuck = self.is_stuck;
        self.is_stuck |= self.taken.len() == QUICK && is_within(&self.taken[0], now, QUICK_WITHIN);
        let is_stuck_now = self.is_stuck && !was_stuck;
        if self.is_stuck && self.taken.back().is_some_and(|last| is_within(last, now, STUCK_EVERY)) {
            return Judgement { is_taken: false, is_stuck_now };
        }
        if self.taken.len() == QUICK {
            self.taken.pop_front();
        }
        self.taken.push_back(*now);
        Judgement { is_taken: true, is_stuck_now }
    }

    /// The press that was to be taken last was not.
    pub fn take_back(&mut self) {
        self.taken.pop_back();
    }

    /// Whether it is stuck.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.is_stuck
    }
}

/// Moments that cannot be compared are taken to be far apart: rather one alarm too many.
#[must_use]
pub fn is_within(earlier: &Taken, later: &Taken, within: Duration) -> bool {
    earlier.apart(later).is_some_and(|apart| apart <= within)
}
