//! A server of health records, over FHIR R4: people's readings and what became of their alerts, as transactions.
//!
//! Promised: each reading that is somebody's is sent at least once, in the order in which readings were stored, and a server
//! that knows conditional creation has it once. How far that is, is a position in the store, moved after the server's yes;
//! so a restart loses and doubles nothing. What a server refuses for itself is set aside, counted and tried again when a person asks for
//! it, and holds up nothing. Readings that become somebody's later, or are dated anew, are sent then. Nothing here is
//! ahead of an alert: it is a worker of its own, which reads what is committed. Where nothing went to a server for long, it is
//! asked for what it can do (`GET [base]/metadata`), so that it is known to be there.
//!
//! Source: HL7 FHIR R4 (4.0.1), "RESTful API", transaction and conditional create; reference sheet "HL7 FHIR R4 mapping".

mod alert;
mod codes;
mod json;
mod reading;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Uri;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::Rng as _;
use serde::Deserialize;

use self::reading::{Bundle, Dialect};
use super::webhook::is_url;
use crate::alerts::health;
use crate::changes::{Change, Changes};
use crate::clock;
use crate::config::duration;
use crate::delivery::call::{Answer, Caller, NoAnswer};
use crate::delivery::course::ATTEMPT;
use crate::delivery::trouble;
use crate::store::access_log::{self, Action, Look, Looker};
use crate::store::fhir::{self as stored, Next, Outgoing};
use crate::store::{Connection, Store, StoreError, homes, outbox, ways};

/// So many readings are sent together.
const TOGETHER: u32 = 20;

/// How often it is looked whether there is something.
const NAP: Duration = Duration::from_secs(5);

/// After a failure so long, then twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What was stored in the last moments waits: another gateway may still write something with a smaller id.
const SETTLES_MS: i64 = 2_000;

/// One gateway sends at a time; where it dies, another goes on after so long.
const LEASE_MS: i64 = 30_000;

/// Which server.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its base: where transactions are posted to.
    pub server: String,
    /// What our identifiers begin with, as `https://fhir.example.se`: it must never change.
    pub identifiers: String,
    /// A file with the token that is shown (`Authorization: Bearer`).
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// After how long without an answer that is an alert.
    #[serde(default = "Config::a_quarter", deserialize_with = "duration::read")]
    pub patience: Duration,
    /// How often the server proves itself where nothing is sent to it.
    #[serde(default = "crate::delivery::quarter_of_a_day", deserialize_with = "duration::read")]
    pub prove_every: Duration,
    /// Addresses that may be called although they are private, or without TLS.
    #[serde(default)]
    pub allow: Vec<IpAddr>,
    /// A file with more certificate authorities than the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Config {
    fn a_quarter() -> Duration {
        Duration::from_secs(15 * 60)
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        for (key, url) in [("server", &self.server), ("identifiers", &self.identifiers)] {
            if !is_url(url) {
                return Err(format!("delivery.fhir.{key} must be a URL as https://fhir.example.se/r4"));
            }
        }
        if self.prove_every < Duration::from_secs(1) {
            return Err("delivery.fhir.prove_every must be a second or more".to_owned());
        }
        Ok(())
    }
}

/// Sends to one server.
pub struct Fhir {
    caller: Caller,
    to: Uri,
    capabilities: Uri,
    prove_every_ms: i64,
    server: String,
    authorization: Option<String>,
    dialect: Dialect,
    patience_ms: i64,
    who: String,
}

/// How a transaction ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Ended {
    /// The server has it.
    Taken,
    /// It will not take this one.
    Refused(String),
    /// It takes nothing now.
    Failed(String),
}

impl Fhir {
    /// Reads the token.
    ///
    /// # Errors
    /// What is wrong, in words that do not say what is in a file.
    pub fn open(config: &Config, folder: &Path, zone: TimeZone) -> Result<Self, String> {
        config.check()?;
        let token = config.token_file.as_ref().map(|file| super::read(&folder.join(file))).transpose()?;
        Ok(Self {
            caller: super::caller(config.ca_file.as_deref(), &config.allow, folder)?,
            to: config.server.parse().map_err(|_| "delivery.fhir.server is no URL".to_owned())?,
            capabilities: format!("{}/metadata", config.server.trim_end_matches('/'))
                .parse()
                .map_err(|_| "delivery.fhir.server is no URL".to_owned())?,
            prove_every_ms: clock::millis(config.prove_every),
            server: config.server.trim_end_matches('/').to_owned(),
            authorization: token.map(|token| format!("Bearer {}", token.trim())),
            dialect: Dialect { base: config.identifiers.trim_end_matches('/').to_owned(), zone },
            patience_ms: i64::try_from(config.patience.as_millis()).unwrap_or(i64::MAX),
            who: hex::encode(rand::rng().random::<[u8; 8]>()),
        })
    }

    /// Sends for ever.
    pub async fn run(self, store: Store, changes: Changes) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.round(&store).await {
                Ok(true) => pause = FIRST_PAUSE,
                Ok(false) => {
                    changes.tell([Change::WorkList]);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                Err(error) => tracing::error!(%error, "nothing is sent to the FHIR server while the store fails"),
            }
            tokio::time::sleep(NAP).await;
        }
    }

    /// Sends what there is. Says whether the server took it, or there was nothing.
    async fn round(&self, store: &Store) -> Result<bool, StoreError> {
        let server = &self.server;
        loop {
            let mut work = store.work().await?;
            let now_ms = outbox::now_ms(&mut *work).await?;
            let position = stored::lease(&mut work, server, &self.who, LEASE_MS, now_ms).await?;
            work.commit().await?;
            let Some(position) = position else { return Ok(true) };
            let reader = store.reader();
            // What people must act on goes before what is only to be known.
            for alert in stored::alerts(reader, server, TOGETHER).await? {
                let focus = match &alert.record {
                    Some(record) => stored::identity(reader, record).await?,
                    None => None,
                };
                let mut bundle = Bundle::default();
                alert::add(&mut bundle, &self.dialect, &alert, focus.as_deref());
                self.note_looks(store, &[&alert.person], now_ms).await?;
                match self.post(bundle).await {
                    Ended::Failed(why) => return self.failed(store, &why).await.map(|()| false),
                    ended => {
                        let mut work = store.work().await?;
                        // Sent again once it changes: what is wrong with it may be over then.
                        if let Ended::Refused(why) = &ended {
                            tracing::warn!(alert.id = alert.case.id, why, "the FHIR server refuses an alert");
                            self.refuses(&mut work, why, now_ms).await?;
                        }
                        stored::has_alert(&mut work, server, &alert).await?;
                        self.delivers(&mut work).await?;
                        work.commit().await?;
                    }
                }
            }
            let again = stored::again(reader, server, TOGETHER).await?;
            if !again.is_empty() && !self.send(store, &again).await? {
                return Ok(false);
            }
            let next = stored::next(reader, &position, now_ms - SETTLES_MS, TOGETHER).await?;
            if !next.readings.is_empty() && !self.send(store, &next.readings).await? {
                return Ok(false);
            }
            if next.through.is_some() {
                let mut work = store.work().await?;
                stored::advance(&mut work, server, &next, outbox::now_ms(store.reader()).await?).await?;
                work.commit().await?;
            }
            let is_more = |next: &Next| next.through.is_some() || !again.is_empty();
            if !is_more(&next) {
                return self.prove(store, now_ms).await;
            }
        }
    }

    /// Asks the server what it can do, where nothing went to it for long. Says whether it answers.
    async fn prove(&self, store: &Store, now_ms: i64) -> Result<bool, StoreError> {
        let proven_ms = ways::proven_ms(store.reader(), health::FHIR).await?;
        if proven_ms.is_some_and(|at_ms| (0..self.prove_every_ms).contains(&(now_ms - at_ms))) {
            return Ok(true);
        }
        let answer = tokio::time::timeout(ATTEMPT, self.caller.get(&self.capabilities, &self.headers())).await;
        match answer.map_or_else(|_| Ended::Failed("no answer in time".to_owned()), ended) {
            Ended::Taken => {
                let mut work = store.work().await?;
                self.delivers(&mut work).await?;
                work.commit().await?;
                Ok(true)
            }
            Ended::Refused(why) | Ended::Failed(why) => self.failed(store, &why).await.map(|()| false),
        }
    }

    /// Sends readings together, and each by itself where one of them is refused. Says whether the server answers.
    async fn send(&self, store: &Store, readings: &[Outgoing]) -> Result<bool, StoreError> {
        let people: Vec<&str> = readings.iter().map(|reading| reading.person.as_str()).collect();
        self.note_looks(store, &people, outbox::now_ms(store.reader()).await?).await?;
        let together = match self.post(self.bundle(readings)).await {
            Ended::Refused(_) if readings.len() > 1 => {
                for reading in readings {
                    let one = std::slice::from_ref(reading);
                    let ended = self.post(self.bundle(one)).await;
                    if !self.note(store, one, &ended).await? {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            ended => ended,
        };
        self.note(store, readings, &together).await
    }

    fn bundle(&self, readings: &[Outgoing]) -> Bundle {
        let mut bundle = Bundle::default();
        for reading in readings {
            reading::add(&mut bundle, &self.dialect, reading);
        }
        bundle
    }

    /// Writes how a transaction ended. Says whether the server answers.
    async fn note(&self, store: &Store, readings: &[Outgoing], ended: &Ended) -> Result<bool, StoreError> {
        let why = match ended {
            Ended::Failed(why) => return self.failed(store, why).await.map(|()| false),
            Ended::Refused(why) => Some(why),
            Ended::Taken => None,
        };
        let mut work = store.work().await?;
        for reading in readings {
            match why {
                None => stored::has(&mut work, &self.server, &reading.record.id).await?,
                Some(why) => {
                    tracing::warn!(
                        record.id = reading.record.id,
                        why,
                        "the FHIR server refuses a reading; it is set aside"
                    );
                    stored::refuse(&mut work, &self.server, &reading.record.id, why).await?;
                }
            }
        }
        if let Some(why) = why {
            let now_ms = outbox::now_ms(&mut *work).await?;
            self.refuses(&mut work, why, now_ms).await?;
        }
        self.delivers(&mut work).await?;
        work.commit().await?;
        Ok(true)
    }

    async fn refuses(&self, work: &mut Connection, why: &str, now_ms: i64) -> Result<(), StoreError> {
        let Some(home) = homes::first(work).await? else { return Ok(()) };
        trouble::records_refused(work, why, home, now_ms).await
    }

    async fn delivers(&self, work: &mut Connection) -> Result<(), StoreError> {
        let now_ms = outbox::now_ms(&mut *work).await?;
        ways::add(work, health::FHIR, "", now_ms).await?;
        ways::prove(work, health::FHIR, None, now_ms).await?;
        if let (Some(_), _) = stored::attempted(work, &self.server, None, now_ms).await? {
            trouble::records_go(work, now_ms).await?;
        }
        Ok(())
    }

    async fn failed(&self, store: &Store, why: &str) -> Result<(), StoreError> {
        tracing::warn!(why, "nothing can be sent to the FHIR server; it is tried again");
        let mut work = store.work().await?;
        let now_ms = outbox::now_ms(&mut *work).await?;
        if let (_, Some(since_ms)) = stored::attempted(&mut work, &self.server, Some(why), now_ms).await?
            && now_ms - since_ms >= self.patience_ms
            && let Some(home) = homes::first(&mut work).await?
        {
            trouble::records_wait(&mut work, why, home, now_ms).await?;
        }
        Ok(work.commit().await?)
    }

    async fn post(&self, bundle: Bundle) -> Ended {
        let mut headers = self.headers();
        headers.push(("content-type", "application/fhir+json"));
        let body = bundle.write();
        match tokio::time::timeout(ATTEMPT, self.caller.post(&self.to, &headers, &body)).await {
            Ok(answer) => ended(answer),
            Err(_) => Ended::Failed("no answer in time".to_owned()),
        }
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let authorization = self.authorization.as_deref().map(|token| ("authorization", token));
        [("accept", "application/fhir+json")].into_iter().chain(authorization).collect()
    }

    /// A server is given people's data: that stands in the log, once a day for each.
    async fn note_looks(&self, store: &Store, people: &[&str], now_ms: i64) -> Result<(), StoreError> {
        let looker = Looker { who: "FHIR".to_owned(), unit: self.server.clone() };
        let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let since = Timestamp::from_millisecond(now_ms - 24 * 60 * 60 * 1000).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut people = people.to_vec();
        people.sort_unstable();
        people.dedup();
        let mut looks = Vec::new();
        for person in people {
            let look = Look {
                action: Action::SentToRecords,
                person: Some(person),
                what: "readings and alerts".to_owned(),
                why: "records",
            };
            if !access_log::knows(store.reader(), &looker, &look, since).await? {
                looks.push(look);
            }
        }
        if !looks.is_empty() {
            let mut work = store.work().await?;
            access_log::write(&mut work, &looker, &looks, now).await?;
            work.commit().await?;
        }
        Ok(())
    }
}

/// What an answer means. What the server says about a reading is not kept: it may repeat what the reading says.
fn ended(answer: Result<Answer, NoAnswer>) -> Ended {
    match answer {
        Ok(Answer { status: 200..=299, .. }) => Ended::Taken,
        Ok(Answer { status: status @ (400 | 409 | 412 | 413 | 422), .. }) => Ended::Refused(format!("HTTP {status}")),
        Ok(Answer { status, .. }) => Ended::Failed(format!("HTTP {status}")),
        Err(NoAnswer::NotAllowed(because)) => Ended::Failed(because.to_owned()),
        Err(NoAnswer::Failed(because)) => Ended::Failed(because),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_to_one_bundle_is_told_from_a_server_that_takes_nothing() {
        let said = |status| ended(Ok(Answer { status, retry_after: None, body: hyper::body::Bytes::new() }));
        assert_eq!(said(200), Ended::Taken);
        for status in [400, 409, 412, 422] {
            assert_eq!(said(status), Ended::Refused(format!("HTTP {status}")));
        }
        for status in [301, 401, 403, 404, 429, 500, 503] {
            assert_eq!(said(status), Ended::Failed(format!("HTTP {status}")));
        }
    }
}
