//! When the gateway listened to the homes. Only that time counts: an outage of the gateway accuses nobody, and a gateway
//! that is restarted each minute still adds its minutes up.

/// When the gateway listened, as intervals of milliseconds since 1970 that neither overlap nor touch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listening(Vec<(i64, i64)>);

impl Listening {
    /// From when to when any gateway listened, in any order; several may have listened at once.
    #[must_use]
    pub fn new(mut intervals: Vec<(i64, i64)>) -> Self {
        intervals.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::with_capacity(intervals.len());
        for (from, until) in intervals {
            match merged.last_mut() {
                Some((_, last)) if from <= *last => *last = until.max(*last),
                Some(_) | None => merged.push((from, until)),
            }
        }
        Self(merged)
    }

    /// The moment since which the gateway has listened for `length_ms`, up to `now_ms`; none where it has not listened
    /// for so long. Whoever was last heard then or earlier was silent for all that time.
    #[must_use]
    pub fn since(&self, length_ms: i64, now_ms: i64) -> Option<i64> {
        let mut missing = length_ms;
        for (from, until) in self.0.iter().rev() {
            let until = (*until).min(now_ms);
            let listened = (until - from).max(0);
            if listened >= missing {
                return Some(until - missing);
            }
            missing -= listened;
        }
        None
    }

    /// When nobody listened between two moments, from when to when, where that was for at least `shortest_ms`.
    #[must_use]
    pub fn gaps(&self, from_ms: i64, until_ms: i64, shortest_ms: i64) -> Vec<(i64, i64)> {
        let ends = std::iter::once(from_ms).chain(self.0.iter().map(|(_, until)| *until));
        let begins = self.0.iter().map(|(from, _)| *from).chain([until_ms]);
        ends.zip(begins)
            .map(|(end, begin)| (end.max(from_ms), begin.min(until_ms)))
            .filter(|(end, begin)| begin - end >= shortest_ms)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_in_which_somebody_listened_is_added_up() {
        let listening = Listening::new(vec![(100, 200), (150, 250), (400, 500)]);
        assert_eq!(listening.since(50, 500), Some(450));
        assert_eq!(listening.since(100, 500), Some(400));
        assert_eq!(listening.since(101, 500), Some(249));
        assert_eq!(listening.since(250, 500), Some(100));
        assert_eq!(listening.since(251, 500), None);
        assert_eq!(listening.since(60, 450), Some(240), "what lies ahead is not counted");
    }

    #[test]
    fn gaps_are_what_lies_between() {
        let listening = Listening::new(vec![(100, 200), (400, 500), (503, 600)]);
        assert_eq!(listening.gaps(150, 700, 10), [(200, 400), (600, 700)]);
        assert_eq!(listening.gaps(0, 600, 10), [(0, 100), (200, 400)]);
        assert_eq!(listening.gaps(250, 300, 10), [(250, 300)]);
        assert_eq!(listening.gaps(420, 450, 10), []);
        assert_eq!(Listening::default().gaps(0, 50, 10), [(0, 50)]);
    }
}
