//! How long somebody who typed a wrong password must wait: a core without a clock.
//!
//! Counted per name and place it was tried from, so that nobody can lock a nurse out from elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

/// So many mistakes are free.
const FREE: u32 = 3;
/// Nobody waits longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Mistakes older than this are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// Mistakes are remembered of so many at most, the newest.
const MOST: usize = 10_000;

/// Who tries: a name, and from where.
pub(crate) type Who = (String, Option<IpAddr>);

/// The mistakes that were made lately.
#[derive(Debug, Default)]
pub(crate) struct Attempts(HashMap<Who, Mistakes>);

#[derive(Debug, Clone, Copy)]
struct Mistakes {
    count: u32,
    last: Timestamp,
}

impl Mistakes {
    fn may_try_again(&self) -> Timestamp {
        let beyond = self.count.saturating_sub(FREE);
        let wait = if beyond == 0 { Duration::ZERO } else { Duration::from_secs(1 << beyond.min(6)).min(LONGEST_WAIT) };
        self.last + wait
    }
}

impl Attempts {
    /// How long this one must wait before the next attempt; nothing where she may try now.
    pub(crate) fn must_wait(&self, who: &Who, now: Timestamp) -> Option<Duration> {
        let until = self.0.get(who)?.may_try_again();
        Duration::try_from(until.duration_since(now)).ok().filter(|wait| !wait.is_zero())
    }

    /// Takes a mistake down before the password is looked at, so that many at once are not one. Says how many there were.
    pub(crate) fn expect_mistake(&mut self, who: Who, now: Timestamp) -> u32 {
        self.0.retain(|_, mistakes| now < mistakes.last + FORGOTTEN_AFTER);
        if self.0.len() >= MOST
            && !self.0.contains_key(&who)
            && let Some(oldest) = self.0.iter().min_by_key(|(_, mistakes)| mistakes.last).map(|(who, _)| who.clone())
        {
            self.0.remove(&oldest);
        }
        let mistakes = self.0.entry(who).or_insert(Mistakes { count: 0, last: now });
        *mistakes = Mistakes { count: mistakes.count + 1, last: now };
        mistakes.count
    }

    /// It was none: the password was right.
    pub(crate) fn forgive(&mut self, who: &Who) {
        self.0.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_becomes_slow_and_a_right_password_makes_it_good() {
        let start: Timestamp = "2026-11-22T02:00:00Z".parse().expect("a time");
        let who: Who = ("nurse".to_owned(), None);
        let mut attempts = Attempts::default();
        for _ in 0..3 {
            attempts.expect_mistake(who.clone(), start);
            assert_eq!(attempts.must_wait(&who, start), None);
        }
        for wait in [2, 4, 8, 16, 32, 60, 60] {
            attempts.expect_mistake(who.clone(), start);
            assert_eq!(attempts.must_wait(&who, start), Some(Duration::from_secs(wait)));
        }
        assert_eq!(attempts.must_wait(&who, start + Duration::from_secs(60)), None);
        assert_eq!(attempts.must_wait(&("nurse".to_owned(), Some([192, 0, 2, 1].into())), start), None);

        attempts.forgive(&who);
        assert_eq!(attempts.must_wait(&who, start), None);
    }

    #[test]
    fn a_flood_of_names_does_not_fill_the_memory() {
        let start: Timestamp = "2026-11-22T02:00:00Z".parse().expect("a time");
        let mut attempts = Attempts::default();
        for number in 0..MOST + 10 {
            attempts.expect_mistake((number.to_string(), None), start);
        }
        assert_eq!(attempts.0.len(), MOST);
    }
}
