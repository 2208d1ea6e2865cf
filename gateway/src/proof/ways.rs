//! When each way to people is proven anew, and what it means when one is not. Nothing here knows of stores or channels.
//!
//! Promised: a way over which something got through is left in peace for its interval; one whose tests fail, or that has not
//! been proven for too long although it was asked to be, is told of once, and of its whole channel where none of it is proven.

use std::collections::BTreeMap;

use super::found::Found;

/// What fails may be over in a moment; and what was asked for only now has not had its chance.
pub const PATIENCE_MS: i64 = 15 * 60 * 1000;

/// A way to people, and what is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// Its id; none for a channel that is proven as a whole.
    pub id: Option<String>,
    /// The channel's word.
    pub channel: String,
    /// Who is reached over it.
    pub whose: Vec<String>,
    /// Since when it is one.
    pub since_ms: i64,
    /// When it was last asked to prove itself. For a channel that is proven as a whole: since when somebody does.
    pub asked_ms: Option<i64>,
    /// When its peer last took something.
    pub proven_ms: Option<i64>,
    /// Since when its silent tests fail, and why.
    pub failing: Option<(i64, String)>,
}

impl Way {
    /// Whether it is to be asked to prove itself now. A clock that was set back proves nothing.
    #[must_use]
    pub fn is_due(&self, every_ms: i64, now_ms: i64) -> bool {
        let latest_ms = self.asked_ms.max(self.proven_ms);
        latest_ms.is_none_or(|at_ms| !(0..every_ms).contains(&(now_ms - at_ms)))
    }

    /// Whether it counts as not proven.
    #[must_use]
    pub fn is_unproven(&self, within_ms: i64, now_ms: i64) -> bool {
        if let Some((since_ms, _)) = self.failing
            && now_ms - since_ms >= PATIENCE_MS
        {
            return true;
        }
        let is_old = now_ms - self.proven_ms.unwrap_or(self.since_ms) >= within_ms;
        is_old && self.asked_ms.is_some_and(|asked_ms| now_ms - asked_ms >= PATIENCE_MS)
    }

    /// What it is called in a case: without its address.
    #[must_use]
    pub fn about(&self) -> String {
        match &self.id {
            Some(id) => format!("{}/{id}", self.channel),
            None => self.channel.clone(),
        }
    }
}

/// What is not proven, by what its case is about: a channel of which nothing is, else single ways of it.
#[must_use]
pub fn judge(ways: &[Way], within_ms: i64, now_ms: i64) -> BTreeMap<String, Found> {
    let mut unproven = BTreeMap::new();
    let mut channels: BTreeMap<&str, Vec<&Way>> = BTreeMap::new();
    for way in ways {
        channels.entry(&way.channel).or_default().push(way);
    }
    for (channel, ways) in channels {
        let bad: Vec<&Way> = ways.iter().copied().filter(|way| way.is_unproven(within_ms, now_ms)).collect();
        let because = |way: &Way| way.failing.as_ref().map(|(_, because)| because.clone());
        if bad.len() == ways.len() {
            let found = Found::Way {
                channel: channel.to_owned(),
                whose: Vec::new(),
                proven_ms: bad.iter().filter_map(|way| way.proven_ms).max(),
                because: bad.iter().find_map(|way| because(way)),
            };
            unproven.insert(channel.to_owned(), found);
        } else {
            for way in bad {
                let found = Found::Way {
                    channel: channel.to_owned(),
                    whose: way.whose.clone(),
                    proven_ms: way.proven_ms,
                    because: because(way),
                };
                unproven.insert(way.about(), found);
            }
        }
    }
    unproven
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn a_way_is_asked_again_only_when_nothing_got_through_for_its_interval() {
        let new = way("1");
        assert!(new.is_due(6 * HOUR, 0), "it was never proven");
        let asked = Way { asked_ms: Some(0), ..way("1") };
        assert!(!asked.is_due(6 * HOUR, HOUR), "the test that waits is tried by itself");
        let used = Way { proven_ms: Some(5 * HOUR), ..asked };
        assert!(!used.is_due(6 * HOUR, 11 * HOUR - 1) && used.is_due(6 * HOUR, 11 * HOUR));
        assert!(used.is_due(6 * HOUR, 4 * HOUR), "the clock was set back");
    }

    #[test]
    fn what_fails_is_told_of_after_a_quarter_and_what_was_away_for_days_after_its_first_chance() {
        let fails = Way { failing: Some((HOUR, "550".into())), proven_ms: Some(HOUR - 1), ..way("1") };
        assert!(!fails.is_unproven(DAY, HOUR + PATIENCE_MS - 1) && fails.is_unproven(DAY, HOUR + PATIENCE_MS));

        let away = Way { proven_ms: Some(0), asked_ms: Some(5 * DAY), ..way("1") };
        assert!(!away.is_unproven(DAY, 5 * DAY + PATIENCE_MS - 1) && away.is_unproven(DAY, 5 * DAY + PATIENCE_MS));
        assert!(!way("1").is_unproven(DAY, 9 * DAY), "nobody has asked it");
    }

    #[test]
    fn one_wrong_address_is_told_of_by_name_and_a_dead_mail_server_once_for_all() {
        let fails = |id| Way { failing: Some((0, "no answer".into())), whose: vec![format!("member {id}")], ..way(id) };
        let other = Way { channel: "webhook".into(), ..way("9") };
        let told: Vec<(String, Found)> = judge(&[fails("1"), way("2"), other.clone()], DAY, HOUR).into_iter().collect();
        let [(about, Found::Way { whose, .. })] = &told[..] else { panic!("{told:?}") };
        assert_eq!((about.as_str(), &whose[..]), ("email/1", &["member 1".to_owned()][..]));

        let told: Vec<(String, Found)> = judge(&[fails("1"), fails("2"), other], DAY, HOUR).into_iter().collect();
        let [(about, Found::Way { whose, because, .. })] = &told[..] else { panic!("{told:?}") };
        assert_eq!((about.as_str(), whose.len(), because.as_deref()), ("email", 0, Some("no answer")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Two days, minute by minute, of three addresses whose server answers or does not: nobody is asked more often than
        /// each interval, nothing is told of while all answer, and what answers nothing is told of within its interval and a
        /// quarter, until it answers.
        #[test]
        fn in_seeded_days_a_dead_address_is_told_of_in_time_and_a_living_one_never(
            dead in prop::collection::vec(prop::option::of((0_i64..2880, 1_i64..2880)), 3..=3),
            used in prop::collection::vec((0_usize..3, 0_i64..2880), 0..40),
        ) {
            let every_ms = 6 * HOUR;
            let is_dead = |n: usize, minute: i64| {
                dead[n].is_some_and(|(from, length)| (from..from + length).contains(&minute))
            };
            let mut ways: Vec<Way> = (0..3).map(|n| way(&n.to_string())).collect();
            let (mut tried, mut dead_for) = (vec![Vec::new(); 3], [0_i64; 3]);
            for minute in 0..2880 {
                let now_ms = minute * MINUTE;
                for (n, way) in ways.iter_mut().enumerate() {
                    let is_asked = way.is_due(every_ms, now_ms);
                    if is_asked {
                        way.asked_ms = Some(now_ms);
                        tried[n].push(minute);
                    }
                    let is_used = used.contains(&(n, minute)) && !is_dead(n, minute);
                    // A test that failed is tried again by the outbox, here each minute.
                    let is_tried = is_asked || way.failing.is_some();
                    match (is_tried || is_used, is_dead(n, minute)) {
                        (true, false) => (way.proven_ms, way.failing) = (Some(now_ms), None),
                        (true, true) if way.failing.is_none() => way.failing = Some((now_ms, "no".into())),
                        (_, _) => {}
                    }
                }
                let told = judge(&ways, DAY, now_ms);
                for (n, way) in ways.iter().enumerate() {
                    let is_told = told.contains_key("email") || told.contains_key(&way.about());
                    dead_for[n] = if is_dead(n, minute) { dead_for[n] + 1 } else { 0 };
                    let silent = dead_for[n];
                    if silent == 0 {
                        prop_assert!(!told.contains_key(&way.about()), "{n} answers at {minute}");
                    }
                    // Noticed at the next test, and a quarter later told of.
                    let limit = (every_ms + PATIENCE_MS) / MINUTE + 1;
                    if silent > limit {
                        prop_assert!(is_told, "{n} is dead for {silent} minutes at {minute}");
                    }
                }
            }
            for tried in tried {
                prop_assert!(tried.windows(2).all(|two| (two[1] - two[0]) * MINUTE >= every_ms), "{tried:?}");
            }
        }
    }

    fn way(id: &str) -> Way {
        Way {
            id: Some(id.to_owned()),
            channel: "email".into(),
            whose: Vec::new(),
            since_ms: 0,
            asked_ms: None,
            proven_ms: None,
            failing: None,
        }
    }
}
