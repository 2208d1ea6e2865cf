//! What becomes of one notification: when it is tried, and when that ends. Nothing here knows of channels or stores.
//!
//! Promised: it is tried until it is delivered or withdrawn; only what is not urgent is ever given up. An attempt counts
//! before it is made, so that a crash in its middle leaves an attempt whose end nobody knows, and never a notification
//! that nobody tries.

use std::time::Duration;

use crate::alerts::Severity;

/// An attempt ends after this long, whatever its peer does.
pub const ATTEMPT: Duration = Duration::from_secs(20);

/// One address of a peer has so long to take a connection: it may have another one that is alive.
pub const CONNECT: Duration = Duration::from_secs(5);

/// For so long an attempt is its gateway's alone. Where that gateway dies, another tries after it: longer than
/// [`ATTEMPT`] and what recording its end takes.
pub const LEASE_MS: i64 = 40_000;

/// After a first failed attempt so long is waited, then twice as long each time, up to the longest.
fn pauses_ms(urgency: Severity) -> (i64, i64) {
    match urgency {
        Severity::High => (5_000, 60_000),
        Severity::Medium => (15_000, 10 * 60_000),
        Severity::Low => (60_000, 30 * 60_000),
    }
}

/// The longest of those.
pub(crate) fn longest_pause_ms(urgency: Severity) -> i64 {
    pauses_ms(urgency).1
}

/// What is not urgent is given up after so long: by then it is old, and it stands on the work list all the while.
pub const GIVE_UP_MS: i64 = 24 * 60 * 60 * 1000;

/// A channel that could not deliver a notification for so long is in trouble.
pub(super) fn trouble_ms(urgency: Severity) -> i64 {
    match urgency {
        Severity::High => 60_000,
        Severity::Medium => 5 * 60_000,
        Severity::Low => 15 * 60_000,
    }
}

/// One notification on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Course {
    /// How soon someone must act.
    pub urgency: Severity,
    /// Since when it waits.
    pub since_ms: i64,
    /// Where it stands.
    pub state: State,
    /// How many attempts have begun.
    pub attempts: u32,
    /// Not to be tried before then.
    pub due_ms: i64,
    /// An attempt is under way, and nobody else makes one before then.
    pub lease_until_ms: Option<i64>,
    /// When it was withdrawn. It may have been delivered all the same, where it was on its way already.
    pub withdrawn_ms: Option<i64>,
}

/// Where a notification stands.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// To be tried, or being tried.
    Waiting,
    /// Its peer has taken it.
    Delivered,
    /// It was not urgent, and cannot be delivered.
    GivenUp,
    /// The alert was claimed or closed before it was delivered.
    Withdrawn,
}

/// What became of one attempt to reach a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its peer has taken it.
    Delivered {
        /// What the peer said to show for it.
        proof: String,
    },
    /// Not this time.
    TryAgain {
        /// Not before so long, as far as the peer said.
        after: Option<Duration>,
        /// Why, without an address or a name.
        because: String,
    },
    /// The peer will not take it, however often it is tried.
    GiveUp {
        /// Why, without an address or a name.
        because: String,
    },
}

impl Outcome {
    /// What its peer said, or why not.
    #[must_use]
    pub fn because(&self) -> &str {
        match self {
            Self::Delivered { proof } => proof,
            Self::TryAgain { because, .. } | Self::GiveUp { because } => because,
        }
    }
}

/// What happens to a notification.
#[derive(Clone, PartialEq, Debug)]
pub enum Input<'a> {
    /// A gateway has a hand free.
    Take,
    /// An attempt has ended.
    Ended {
        /// Which.
        attempt: u32,
        /// With what.
        outcome: &'a Outcome,
        /// Between 0 and 1, so that what failed together is not tried again together.
        luck: f64,
    },
    /// The alert was claimed or closed.
    Withdraw,
}

/// What is to be done about it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Make this attempt, once it is on the disk.
    Attempt(u32),
    /// Tell a person that the channel does not deliver.
    Trouble,
    /// The channel has delivered.
    Delivers,
}

impl Course {
    /// One that nobody has tried yet.
    #[must_use]
    pub fn new(urgency: Severity, now_ms: i64) -> Self {
        Self {
            urgency,
            since_ms: now_ms,
            state: State::Waiting,
            attempts: 0,
            due_ms: now_ms,
            lease_until_ms: None,
            withdrawn_ms: None,
        }
    }

    /// Takes what happened into account.
    pub fn handle(&mut self, input: &Input<'_>, now_ms: i64) -> Option<Effect> {
        match input {
            Input::Take => self.take(now_ms),
            Input::Ended { attempt, outcome, luck } => self.ended(*attempt, outcome, *luck, now_ms),
            Input::Withdraw => {
                if self.state == State::Waiting {
                    self.state = State::Withdrawn;
                    self.withdrawn_ms = Some(now_ms);
                }
                None
            }
        }
    }

    fn take(&mut self, now_ms: i64) -> Option<Effect> {
        let is_leased = self.lease_until_ms.is_some_and(|until| now_ms < until);
        if self.state != State::Waiting || is_leased || now_ms < self.due_ms {
            return None;
        }
        self.attempts += 1;
        self.lease_until_ms = Some(now_ms + LEASE_MS);
        Some(Effect::Attempt(self.attempts))
    }

    fn ended(&mut self, attempt: u32, outcome: &Outcome, luck: f64, now_ms: i64) -> Option<Effect> {
        let is_latest = attempt == self.attempts;
        if is_latest {
            self.lease_until_ms = None;
        }
        let after = match outcome {
            Outcome::Delivered { .. } => {
                self.state = State::Delivered;
                self.lease_until_ms = None;
                return Some(Effect::Delivers);
            }
            // Of an attempt that another has followed, and of what is over, nothing else is of interest.
            Outcome::TryAgain { .. } | Outcome::GiveUp { .. } if !is_latest || self.state != State::Waiting => {
                return None;
            }
            Outcome::TryAgain { after, .. } => *after,
            Outcome::GiveUp { .. } if self.urgency == Severity::High => Some(Duration::MAX),
            Outcome::GiveUp { .. } => {
                self.state = State::GivenUp;
                return Some(Effect::Trouble);
            }
        };
        if self.urgency != Severity::High && now_ms - self.since_ms >= GIVE_UP_MS {
            self.state = State::GivenUp;
            return Some(Effect::Trouble);
        }
        self.due_ms = now_ms + self.pause_ms(after, luck);
        (now_ms - self.since_ms >= trouble_ms(self.urgency)).then_some(Effect::Trouble)
    }

    /// How long to wait: at least half of what doubles each time, at least what the peer asked for, never longer than the
    /// longest.
    fn pause_ms(&self, after: Option<Duration>, luck: f64) -> i64 {
        let (first, longest) = pauses_ms(self.urgency);
        let doubled = first.saturating_mul(1_i64 << self.attempts.saturating_sub(1).min(20)).min(longest);
        #[expect(clippy::cast_possible_truncation, reason = "half an hour of milliseconds at most")]
        let drawn = (doubled as f64 * (0.5 + 0.5 * luck.clamp(0.0, 1.0))) as i64;
        let asked = after.map_or(0, |after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        drawn.max(asked.min(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;

    #[test]
    fn what_is_urgent_is_tried_at_least_each_minute_for_ever_even_where_its_peer_says_no() {
        let mut course = Course::new(Severity::High, 0);
        let mut now_ms = 0;
        for attempt in 1..5_000 {
            assert_eq!(course.handle(&Input::Take, now_ms), Some(Effect::Attempt(attempt)));
            let no = if attempt % 2 == 0 { failed() } else { Outcome::GiveUp { because: "no such address".into() } };
            course.handle(&ended(attempt, &no), now_ms);
            assert_eq!(course.state, State::Waiting);
            assert!((1..=60 * SECOND).contains(&(course.due_ms - now_ms)), "{}", course.due_ms - now_ms);
            now_ms = course.due_ms;
        }
        assert!(now_ms > 24 * 3_600 * SECOND, "it went on for longer than all else is tried");
    }

    #[test]
    fn the_pause_doubles_and_is_drawn_and_follows_what_the_peer_asks_for() {
        let pause = |attempts, luck, after| Course { attempts, ..Course::new(Severity::High, 0) }.pause_ms(after, luck);
        assert_eq!([pause(1, 0.0, None), pause(1, 1.0, None)], [2_500, 5_000]);
        assert_eq!([pause(2, 1.0, None), pause(3, 1.0, None), pause(9, 1.0, None)], [10_000, 20_000, 60_000]);
        assert_eq!(pause(1, 0.0, Some(Duration::from_secs(30))), 30_000);
        assert_eq!(pause(1, 0.0, Some(Duration::from_secs(3_600))), 60_000);
    }

    #[test]
    fn an_attempt_whose_gateway_died_is_made_again_by_another_when_its_lease_is_over() {
        let mut course = Course::new(Severity::High, 0);
        assert_eq!(course.handle(&Input::Take, 0), Some(Effect::Attempt(1)));
        assert_eq!(course.handle(&Input::Take, LEASE_MS - 1), None);
        assert_eq!(course.handle(&Input::Take, LEASE_MS), Some(Effect::Attempt(2)));

        assert_eq!(course.handle(&ended(1, &failed()), LEASE_MS + 1), None, "the other one's end does not matter");
        assert_eq!(course.lease_until_ms, Some(2 * LEASE_MS));
        let proof = Outcome::Delivered { proof: "HTTP 200".into() };
        assert_eq!(course.handle(&ended(1, &proof), LEASE_MS + 2), Some(Effect::Delivers), "but its arrival does");
        assert_eq!(course.handle(&Input::Take, 9 * LEASE_MS), None);
    }

    #[test]
    fn what_is_withdrawn_is_not_tried_and_what_was_on_its_way_is_called_what_it_is() {
        let mut waiting = Course::new(Severity::High, 0);
        waiting.handle(&Input::Withdraw, 1);
        assert_eq!((waiting.state, waiting.handle(&Input::Take, 2)), (State::Withdrawn, None));

        let mut under_way = Course::new(Severity::High, 0);
        under_way.handle(&Input::Take, 0);
        under_way.handle(&Input::Withdraw, 1);
        let mut failing = under_way.clone();
        failing.handle(&ended(1, &failed()), 2);
        assert_eq!((failing.state, failing.handle(&Input::Take, 9 * LEASE_MS)), (State::Withdrawn, None));
        under_way.handle(&ended(1, &Outcome::Delivered { proof: String::new() }), 2);
        assert_eq!((under_way.state, under_way.withdrawn_ms), (State::Delivered, Some(1)));
    }

    #[test]
    fn what_is_not_urgent_is_given_up_after_a_day_or_a_clear_no_and_a_person_is_told() {
        let mut old = Course::new(Severity::Low, 0);
        old.handle(&Input::Take, GIVE_UP_MS);
        assert_eq!(old.handle(&ended(1, &failed()), GIVE_UP_MS), Some(Effect::Trouble));
        assert_eq!(old.state, State::GivenUp);

        let mut refused = Course::new(Severity::Medium, 0);
        refused.handle(&Input::Take, 0);
        let no = Outcome::GiveUp { because: "no such address".into() };
        assert_eq!((refused.handle(&ended(1, &no), 1), refused.state), (Some(Effect::Trouble), State::GivenUp));
    }

    #[test]
    fn a_channel_that_fails_a_press_for_a_minute_is_in_trouble() {
        let mut course = Course::new(Severity::High, 0);
        course.handle(&Input::Take, 0);
        assert_eq!(course.handle(&ended(1, &failed()), 59 * SECOND), None);
        course.handle(&Input::Take, course.due_ms);
        assert_eq!(course.handle(&ended(2, &failed()), 80 * SECOND), Some(Effect::Trouble));
    }

    fn ended(attempt: u32, outcome: &Outcome) -> Input<'_> {
        Input::Ended { attempt, outcome, luck: 0.5 }
    }

    fn failed() -> Outcome {
        Outcome::TryAgain { after: None, because: "no answer in time".into() }
    }
}
