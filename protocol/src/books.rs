//! The books of an agent's lane in one epoch (P2): `taken = stored + repeated + quarantined + moved + lost + waiting`.
//!
//! The agent states taken, moved and waiting; the gateway counts stored, repeated and quarantined from its rows.

use crate::event::Previous;
use crate::ids::Sequence;

/// One line of the books.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// Numbers given out.
    pub taken: u64,
    /// Stored as records of their own.
    pub stored: u64,
    /// Their content was stored already.
    pub repeated: u64,
    /// Kept unread.
    pub quarantined: u64,
    /// Taken again in a later epoch, and counted there.
    pub moved: u64,
    /// Known to be gone.
    pub lost: u64,
    /// Still to come.
    pub waiting: u64,
}

impl Line {
    /// Whether every number given out is accounted for.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.taken == self.stored + self.repeated + self.quarantined + self.moved + self.lost + self.waiting
    }
}

/// How an epoch ended, for one lane.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Closed {
    /// Numbers given out in its life, as far as anybody knows.
    pub taken: u64,
    /// Of those the store does not have, taken again.
    pub moved: u64,
    /// Of those the store does not have, gone.
    pub lost: u64,
}

/// Closes the books of an epoch when its agent begins another.
///
/// `through`: what the store has without a gap. `last_heard`: the highest number the agent ever spoke of.
/// What lies above `through` and was not taken again is lost: "no data" is never shown as "all well".
#[must_use]
pub fn close(through: Sequence, last_heard: Sequence, previous: &Previous) -> Closed {
    let taken = through.max(last_heard).max(previous.last_taken.unwrap_or_default());
    let moved: u64 = previous
        .taken_again
        .iter()
        .map(|(from, to)| to.0.min(taken.0).saturating_sub(from.0.saturating_sub(1).max(through.0)))
        .sum();
    let moved = moved.min(taken.0 - through.0);
    Closed { taken: taken.0, moved, lost: taken.0 - through.0 - moved }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;

    fn previous(last_taken: Option<u64>, again: &[(u64, u64)]) -> Previous {
        Previous {
            epoch: Epoch(1),
            last_taken: last_taken.map(Sequence),
            taken_again: again.iter().map(|(from, to)| (Sequence(*from), Sequence(*to))).collect(),
        }
    }

    #[test]
    fn a_wiped_buffer_loses_what_was_heard_of_and_never_came() {
        let closed = close(Sequence(90), Sequence(100), &previous(None, &[]));
        assert_eq!(closed, Closed { taken: 100, moved: 0, lost: 10 });
    }

    #[test]
    fn what_was_salvaged_is_moved_and_not_lost() {
        let closed = close(Sequence(90), Sequence(95), &previous(Some(100), &[(85, 97), (99, 100)]));
        assert_eq!(closed, Closed { taken: 100, moved: 9, lost: 1 });
    }

    #[test]
    fn a_buffer_that_went_back_loses_nothing_the_store_has() {
        let closed = close(Sequence(100), Sequence(100), &previous(Some(55), &[(49, 55)]));
        assert_eq!(closed, Closed { taken: 100, moved: 0, lost: 0 });
    }
}
