//! The dead-man: an address that is called after each of the gateway's own tests, and whose owner acts when no call comes.
//!
//! `POST` of a JSON body, `{"type": "gateway.alive", "timestamp": …}`. Any answer from 200 to 299 is a yes.

use std::path::Path;

use hyper::Uri;
use jiff::Timestamp;
use serde_json::json;

use super::webhook;
use crate::delivery::call::Caller;
use crate::delivery::course::Outcome;
use crate::proof::Config;

pub use super::webhook::is_url;

/// Calls the dead-man.
pub struct DeadMan {
    caller: Caller,
    to: Uri,
}

impl DeadMan {
    /// Reads the authorities; none where nobody is to be called.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn open(config: &Config, folder: &Path) -> Result<Option<Self>, String> {
        let Some(address) = &config.address else { return Ok(None) };
        let to = address.parse().map_err(|_| "dead_man.address is no URL".to_owned())?;
        Ok(Some(Self { caller: super::caller(config.ca_file.as_deref(), &config.allow, folder)?, to }))
    }

    /// Says that a test has come through.
    pub async fn call(&self, now_ms: i64) -> Outcome {
        let at = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let body = json!({"type": "gateway.alive", "timestamp": at.to_string()}).to_string();
        webhook::outcome(self.caller.post(&self.to, &[("content-type", "application/json")], &body).await)
    }
}
