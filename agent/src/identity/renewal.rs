//! The next certificate, in time: when two thirds of the life of the one there is are over, and whenever a broker does
//! not accept it. Asked for with the one there is, also when that has long expired.
//!
//! A new key is made each time, so that a copy of yesterday's flash is worth nothing any more. What there is stays until
//! the next identity is on flash whole; if the answer is lost, the gateway takes the one before until the next was used.

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use hempuls_protocol::enrolment::Renewal;
use tokio::time::{sleep, sleep_until};

use super::desk::{self, Unanswered};
use super::validity::Life;
use super::{Folder, Identity, IdentityError, NewKey};
use crate::clock;
use crate::stop::Stop;

/// How often to look at most rarely.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// How often to look whether there is an identity.
const LOOK_FOR_IDENTITY: Duration = Duration::from_secs(60);
/// After an attempt that came to nothing; doubles.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);
/// While nothing can be sent, for want of a certificate that a broker accepts.
const LONGEST_PAUSE_SHUT_OUT: Duration = Duration::from_secs(5 * 60);

/// When to ask.
#[derive(Clone, Debug, Default)]
struct Schedule {
    /// A broker does not accept what there is.
    is_shut_out: bool,
    /// Attempts in a row that came to nothing, and when the last one was.
    failed: Option<(u32, Instant)>,
}

impl Schedule {
    /// When to look next, for a certificate of this life. `time`: in seconds since 1970.
    fn wake(&self, life: Life, time: i64, now: Instant) -> Instant {
        let due = if self.is_due(life, time) { now } else { now + look(life) };
        let rested = self.failed.map(|(times, last)| last + self.pause(times));
        rested.map_or(due, |rested| rested.max(due))
    }

    /// Whether to ask now.
    fn is_due(&self, life: Life, time: i64) -> bool {
        self.is_shut_out || time >= due(life)
    }

    fn pause(&self, times: u32) -> Duration {
        let longest = if self.is_shut_out { LONGEST_PAUSE_SHUT_OUT } else { LONGEST_PAUSE };
        (SHORTEST_PAUSE * 2_u32.pow(times.clamp(1, 16) - 1)).min(longest)
    }

    fn came_to_nothing(&mut self, now: Instant) {
        self.failed = Some((self.failed.map_or(1, |(times, _)| times.saturating_add(1)), now));
        // If that still holds, a broker says so again.
        self.is_shut_out = false;
    }
}

/// When two thirds of a life are over, in seconds since 1970.
fn due(life: Life) -> i64 {
    life.from + (life.until - life.from) / 3 * 2
}

/// How often to look: which time it is, only the gateway may know.
fn look(life: Life) -> Duration {
    (Duration::from_secs(u64::try_from(life.until - life.from).unwrap_or(0)) / 100).min(LOOK)
}

/// Keeps the certificate fresh, until the program stops. `interfaces`: the network interfaces to ask over, in turn.
pub async fn run(folder: Folder, interfaces: Vec<Option<String>>, mut stop: Stop) {
    let mut schedule = Schedule::default();
    let mut said = String::new();
    loop {
        let next = async {
            let Ok(Some(identity)) = folder.load() else {
                sleep(LOOK_FOR_IDENTITY).await;
                return None;
            };
            let wake = schedule.wake(identity.life, folder.passed().now(), clock::now());
            tokio::select! {
                () = sleep_until(wake.into()) => {}
                () = folder.refused.notified() => schedule.is_shut_out = true,
            }
            let wake = schedule.wake(identity.life, folder.passed().now(), clock::now());
            let is_time = wake <= clock::now() && schedule.is_due(identity.life, folder.passed().now());
            is_time.then_some(identity)
        };
        let identity = tokio::select! {
            identity = next => identity,
            () = stop.asked() => return,
        };
        let Some(identity) = identity else { continue };
        match renew(&folder, &identity, &interfaces).await {
            Ok(life) => {
                schedule = Schedule::default();
                // What was refused meanwhile was the one before.
                let _ = folder.refused.notified().now_or_never();
                said.clear();
                tracing::info!(life.until, "the agent has its next certificate");
            }
            Err(error) => {
                schedule.came_to_nothing(clock::now());
                let why = error.to_string();
                if why == said {
                    tracing::debug!(why, "the certificate could not be renewed");
                } else {
                    tracing::warn!(why, "the certificate could not be renewed; it is tried again");
                }
                said = why;
            }
        }
    }
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum RenewalError {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("no key can be made: {0}")]
    Key(#[from] rcgen::Error),
    #[error("the gateway certified another agent")]
    Another,
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

async fn renew(folder: &Folder, identity: &Identity, interfaces: &[Option<String>]) -> Result<Life, RenewalError> {
    let (key, csr) = NewKey::make()?;
    let question = Renewal { csr };
    let mut interfaces = interfaces.iter().map(Option::as_deref);
    let mut interface = interfaces.next().flatten();
    let granted = loop {
        let answer = desk::ask(identity.tls.clone(), &identity.gateway, interface, "/renew", &question).await;
        match (answer, interfaces.next()) {
            (Err(Unanswered::Unreachable { .. }), Some(next)) => interface = next,
            (answer, _) => break answer?,
        }
    };
    if granted.agent != identity.agent.as_str() {
        return Err(RenewalError::Another);
    }
    // Whoever enrolled the agent anew in this moment goes before.
    if !folder.is_current(identity) {
        return Ok(identity.life);
    }
    Ok(folder.keep(key, &granted, &identity.gateway)?.life)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;
    const YEAR: Life = Life { from: 0, until: 300 * DAY };

    #[test]
    fn a_certificate_is_renewed_when_two_thirds_of_its_life_are_over() {
        let (schedule, now) = (Schedule::default(), clock::now());
        for (time, is_due) in [(0, false), (199 * DAY, false), (200 * DAY, true), (900 * DAY, true)] {
            assert_eq!(schedule.is_due(YEAR, time), is_due, "{time}");
            assert_eq!(schedule.wake(YEAR, time, now) == now, is_due);
        }
        assert_eq!(schedule.wake(YEAR, 200 * DAY - 10, now), now + LOOK, "the clock may be set meanwhile");
        let short = Life { from: 0, until: 30 };
        assert_eq!(schedule.wake(short, 0, now), now + Duration::from_millis(300));
    }

    #[test]
    fn a_gateway_that_is_away_is_asked_ever_more_rarely() {
        let (mut schedule, now) = (Schedule::default(), clock::now());
        let mut paused = Vec::new();
        for _ in 0..11 {
            schedule.came_to_nothing(now);
            paused.push((schedule.wake(YEAR, 250 * DAY, now) - now).as_secs() / 60);
        }
        assert_eq!(paused, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
    }

    #[test]
    fn an_agent_that_no_broker_lets_in_asks_at_once_and_every_five_minutes_whatever_its_clock_says() {
        let (mut schedule, now) = (Schedule { is_shut_out: true, failed: None }, clock::now());
        assert!(schedule.is_due(YEAR, 0));
        assert_eq!(schedule.wake(YEAR, 0, now), now);
        for _ in 0..10 {
            schedule.came_to_nothing(now);
        }
        assert!(!schedule.is_due(YEAR, 0), "until a broker says so again");
        schedule.is_shut_out = true;
        assert_eq!(schedule.wake(YEAR, 0, now), now + LONGEST_PAUSE_SHUT_OUT);
    }
}
