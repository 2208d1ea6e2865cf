//! Seeded fortnights, hour by hour, of homes that prove themselves or do not, fall silent and come back, with a gateway that is
//! away at times.

use proptest::prelude::*;

use super::tests::old;
use super::*;

const HOUR: i64 = 60 * 60 * 1000;
const HOURS: i64 = 14 * 24;
const TOO_OLD: i64 = 72;
const HOMES: usize = 6;

/// When a home is silent, and when it proves itself, in hours.
type Course = (Vec<(i64, i64)>, Vec<i64>);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// A home is told of at the very hour at which it was heard for 72 hours, by a gateway that listened, without a proof; while it
    /// is silent it is not; and however many are told of, each stands in one place.
    #[test]
    fn in_seeded_fortnights_a_home_is_told_of_in_time_an_outage_accuses_nobody_and_many_are_one_case(
        courses in prop::collection::vec(course(), HOMES..=HOMES),
        away in prop::collection::vec((0..HOURS, 1_i64..60), 0..4),
    ) {
        let is_away = |hour: i64| away.iter().any(|(from, length)| (*from..from + length).contains(&hour));
        let storms = silent_home::Config { storm_homes: 4, ..silent_home::Config::default() };
        let mut unproven_for = [0_i64; HOMES];
        let mut is_storm = false;
        for now in 0..HOURS {
            let listening = Listening::new(
                (0..now).filter(|hour| !is_away(*hour)).map(|hour| (hour * HOUR, (hour + 1) * HOUR)).collect(),
            );
            let is_silent = |home: usize, hour: i64| courses[home].0.iter().any(|(from, until)| (*from..*until).contains(&hour));
            let heard = |home: usize| Old {
                proven_ms: courses[home].1.iter().filter(|hour| **hour <= now).max().map(|hour| hour * HOUR),
                silences: courses[home].0.iter().filter(|(_, until)| *until <= now)
                    .map(|(from, until)| (from * HOUR, until * HOUR)).collect(),
                ..old(&home.to_string())
            };
            for (home, unproven) in unproven_for.iter_mut().enumerate() {
                let counts = now > 0 && !is_silent(home, now - 1) && !is_away(now - 1);
                *unproven += i64::from(counts);
                if courses[home].1.contains(&now) {
                    *unproven = 0;
                }
            }
            let expected: Vec<usize> =
                (0..HOMES).filter(|home| !is_silent(*home, now) && unproven_for[*home] >= TOO_OLD).collect();
            let found: Vec<Old> = (0..HOMES)
                .filter(|home| !is_silent(*home, now))
                .map(heard)
                .filter(|old| old.is_too_old(&listening, TOO_OLD * HOUR, now * HOUR))
                .collect();
            let named: Vec<usize> = found.iter().map(|old| old.agent.parse().unwrap()).collect();
            prop_assert_eq!(&named, &expected, "hour {}", now);

            let told = judge(&found, HOMES, is_storm, &storms, TOO_OLD * HOUR);
            is_storm = told.contains_key(&About::ManyHomes);
            if is_storm {
                prop_assert!(told.len() == 1 && found.len() >= 2, "hour {}", now);
            } else {
                prop_assert!(told.len() == found.len() && found.len() < 4, "hour {}", now);
            }
        }
    }
}

/// Silences that neither overlap nor touch, and proofs outside of them.
fn course() -> impl Strategy<Value = Course> {
    let silences = prop::collection::vec((1_i64..90, 1_i64..60), 0..4);
    (silences, prop::collection::vec(0..HOURS, 0..8)).prop_map(|(lengths, proofs)| {
        let (mut hour, mut silences) = (0, Vec::new());
        for (heard, silent) in lengths {
            silences.push((hour + heard, hour + heard + silent));
            hour += heard + silent;
        }
        let is_heard = |hour: &i64| !silences.iter().any(|(from, until)| (*from..*until).contains(hour));
        let proofs = proofs.into_iter().filter(is_heard).collect();
        (silences, proofs)
    })
}
