//! The chain proof (P5): silent tests that go the very way of a press, disturb nobody and delay nothing.
//!
//! Each gateway makes one of its own in every interval: it waits in ingest's queue, is stored in ingest's transaction, judged
//! by the rules in force, and written to the outbox in that same transaction; a channel's worker takes it from there and
//! calls whoever would notice if no call came. So no call is made, and `/readyz` says so, where any of these does no work.

//!
//! Each way to people proves itself in an interval too ([`schedule`]): silently, and behind all that people are to be told.

pub mod fixed;
pub mod found;
pub mod homes;
pub mod pulse;
pub mod schedule;
pub mod service;
pub mod ways;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::alerts::rules::Rules;
use crate::config::duration;
use crate::delivery::channels::dead_man::is_url;
use crate::delivery::{Channel, Recipient};
use crate::store::{Connection, StoreError, outbox, silent_tests};

/// Who is called when a test has gone through, and how often one is made.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is called, by `POST`; nobody where it is left out.
    pub address: Option<String>,
    /// How often.
    #[serde(deserialize_with = "duration::read")]
    pub every: Duration,
    /// Addresses that may be called although they are private, or without TLS.
    pub allow: Vec<IpAddr>,
    /// A file with more certificate authorities than the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { address: None, every: Duration::from_secs(60), allow: Vec::new(), ca_file: None }
    }
}

impl Config {
    /// Whether it can be held.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.every < Duration::from_secs(1) {
            return Err("dead_man.every must be a second at least: each test is written to the disk".to_owned());
        }
        if self.address.as_deref().is_some_and(|address| !is_url(address)) {
            return Err("dead_man.address must be a URL that begins with https:// or http://".to_owned());
        }
        Ok(())
    }
}

/// A silent test on its way into the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SilentTest {
    /// Its id.
    pub id: String,
    /// Which run of a gateway made it.
    pub gateway: String,
    /// When it was put in the queue.
    pub put_ms: i64,
}

/// Judges a test and takes it as far as the outbox, in the work that stores what agents sent beside it.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn take_up(work: &mut Connection, test: &SilentTest, rules: &Rules, now_ms: i64) -> Result<(), StoreError> {
    let failed = fixed::judge(rules, now_ms).err();
    if let Some(why) = &failed {
        tracing::error!(test.id, why, "a silent test failed at the rules");
    }
    silent_tests::add(work, (&test.id, &test.gateway, test.put_ms), failed.as_deref(), now_ms).await?;
    match failed {
        None => outbox::add_test(work, &test.id, Channel::DeadMan, &dead_man(), now_ms).await,
        Some(_) => Ok(()),
    }
}

/// Whoever the configuration has called at the moment of the call.
fn dead_man() -> Recipient {
    Recipient::Address(Channel::DeadMan.to_string())
}
