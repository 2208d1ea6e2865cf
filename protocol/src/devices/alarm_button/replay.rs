//! Whether an authentic frame is a new one.

/// The highest counter accepted from one device. Who holds it keeps it on disk, in the same write as the frame that
/// moved it.
///
/// A counter that went back is a replay, or a new battery; only a person can tell. A press is not dropped because of
/// it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayGuard {
    highest: Option<u32>,
}

/// What a counter says about the frame that carried it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is above all before it.
    Accept,
    /// It is not: the frame was heard before, or the counter was started over.
    Replay,
}

impl ReplayGuard {
    /// Goes on from the highest counter accepted before, or from none.
    pub const fn new(highest: Option<u32>) -> Self {
        Self { highest }
    }

    /// The highest counter accepted so far.
    pub fn highest(&self) -> Option<u32> {
        self.highest
    }

    /// Judges the counter of a frame whose tag is right, without moving.
    pub fn judge(&self, counter: u32) -> Verdict {
        match self.highest {
            Some(highest) if counter <= highest => Verdict::Replay,
            Some(_) | None => Verdict::Accept,
        }
    }

    /// Judges the counter of a frame whose tag is right, and moves if it is accepted.
    pub fn admit(&mut self, counter: u32) -> Verdict {
        let verdict = self.judge(counter);
        if verdict == Verdict::Accept {
            self.highest = Some(counter);
        }
        verdict
    }
}

/// Whether a plain device's packet id is newer than its last one: up to 63 ahead, around the end of the byte. What is
/// not newer is a repeat only within the 4 s that repeats on air may take; after that it is a new packet all the same.
pub fn packet_is_newer(last: u8, packet_id: u8) -> bool {
    (1..64).contains(&packet_id.wrapping_sub(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_is_accepted_once() {
        let mut guard = ReplayGuard::default();
        let heard = [4, 1, 4, 5, u32::MAX, 0].map(|counter| guard.admit(counter));
        let (new, old) = (Verdict::Accept, Verdict::Replay);
        assert_eq!(heard, [new, old, old, new, new, old]);
        assert_eq!(guard.highest(), Some(u32::MAX));
    }

    #[test]
    fn packet_ids_go_around() {
        assert!(packet_is_newer(255, 0));
        assert!(packet_is_newer(10, 73));
        assert!(!packet_is_newer(10, 74));
        assert!(!packet_is_newer(10, 10));
        assert!(!packet_is_newer(10, 9));
    }

    proptest! {
        #[test]
        fn what_is_accepted_only_ever_grows(counters in proptest::collection::vec(0_u32..50, 0..40)) {
            let mut guard = ReplayGuard::default();
            let accepted: Vec<u32> =
                counters.into_iter().filter(|counter| guard.admit(*counter) == Verdict::Accept).collect();
            prop_assert!(accepted.is_sorted_by(|one, next| one < next));
        }
    }
}
