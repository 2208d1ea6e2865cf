//! What a box says it took is not what became of it (P2). What is on its way is in the books as waiting; a difference counts
//! once it was there at two looks, a while apart, so that a look in the middle of something accuses nobody.
//!
//! Source: design, P2.

pub mod watch;
pub mod wording;

use std::time::Duration;

use hempuls_protocol::books::Line;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::config::duration;

/// The name of the cases.
pub const NAME: &str = "books_do_not_balance";

/// Raised by one whenever the rule judges otherwise than before.
pub const VERSION: u32 = 1;

/// The rule's settings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often each box's books are looked at.
    #[serde(deserialize_with = "duration::read")]
    pub look_every: Duration,
    /// A difference counts once it has been the same for so long.
    #[serde(deserialize_with = "duration::read")]
    pub lasts: Duration,
}

impl Default for Config {
    /// Counting a year of a box's events takes milliseconds: once an hour for each costs nothing that anybody notices.
    fn default() -> Self {
        Self { look_every: Duration::from_secs(60 * 60), lasts: Duration::from_secs(10 * 60) }
    }
}

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The rule's version.
    pub version: u32,
    /// Of which lane.
    pub lane: String,
    /// In which life of the buffer.
    pub epoch: String,
    /// The books.
    pub line: Line,
}

impl Difference {
    /// Whether both are of one book.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        (&self.lane, &self.epoch) == (&other.lane, &other.epoch)
    }
}

/// A difference that was there at an earlier look.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// By how much what became of it is less than what was taken; negative, where it is more.
    pub missing: i64,
    /// When it was first seen.
    pub since_ms: i64,
    /// Whether somebody was told.
    pub was_told: bool,
}

/// What becomes of one book.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It balances.
    Fine,
    /// It does not, and nobody knows yet whether something is only on its way.
    Unsure(Seen),
    /// It does not.
    Concern(Seen),
}

/// By how much what became of it is less than what was taken.
#[must_use]
pub fn missing(line: &Line) -> i64 {
    let Line { taken, stored, repeated, quarantined, moved, lost, waiting } = *line;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let known = [stored, repeated, quarantined, moved, lost, waiting].map(signed);
    signed(taken) - known.into_iter().fold(0, i64::saturating_add)
}

/// Judges one book by an earlier look at it.
#[must_use]
pub fn judge(line: &Line, seen: Option<Seen>, now_ms: i64, config: &Config) -> Verdict {
    let missing = missing(line);
    if missing == 0 {
        return Verdict::Fine;
    }
    let seen = seen.filter(|seen| seen.missing == missing);
    let seen = seen.unwrap_or(Seen { missing, since_ms: now_ms, was_told: false });
    if now_ms - seen.since_ms < clock::millis(config.lasts) {
        return Verdict::Unsure(seen);
    }
    Verdict::Concern(Seen { was_told: true, ..seen })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_difference_counts_once_it_has_been_the_same_for_a_while_and_not_while_something_moves() {
        let config = Config::default();
        let book = |stored| Line { taken: 100, stored, waiting: 5, ..Line::default() };
        assert_eq!(judge(&book(95), None, 0, &config), Verdict::Fine);
        let Verdict::Unsure(first) = judge(&book(90), None, 0, &config) else { panic!() };
        assert_eq!((first.missing, first.since_ms), (5, 0));
        assert_eq!(judge(&book(90), Some(first), 9 * MINUTE, &config), Verdict::Unsure(first));
        let Verdict::Unsure(other) = judge(&book(92), Some(first), 11 * MINUTE, &config) else { panic!() };
        assert_eq!((other.missing, other.since_ms), (3, 11 * MINUTE), "something moves");
        assert!(matches!(
            judge(&book(90), Some(first), 10 * MINUTE, &config),
            Verdict::Concern(Seen { missing: 5, .. })
        ));
        assert_eq!(judge(&book(95), Some(first), 10 * MINUTE, &config), Verdict::Fine);
    }

    #[test]
    fn more_than_was_taken_is_a_difference_too() {
        let book = Line { taken: 10, stored: 12, ..Line::default() };
        assert!(matches!(judge(&book, None, 0, &Config::default()), Verdict::Unsure(Seen { missing: -2, .. })));
    }
}
