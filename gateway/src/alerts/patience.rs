//! How long a claim holds while its owner says nothing of it, and how long a closed case can be opened again.

use std::time::Duration;

use serde::Deserialize;

use super::Severity;
use crate::config::duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Settings of alerts, whatever rule opens them.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A claimed alert is before the whole team again when its owner has said nothing of it for so long.
    pub claim_silence_after: BySeverity,
    /// A closed alert can be opened again within this time.
    #[serde(deserialize_with = "duration::read")]
    pub reopen_within: Duration,
}

/// A time for each severity.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BySeverity {
    /// Of what someone must act on now. Help is 20 to 60 minutes away, 30 as a rule (clinical-rules §11).
    #[serde(deserialize_with = "duration::read")]
    pub high: Duration,
    /// Of what someone must act on today.
    #[serde(deserialize_with = "duration::read")]
    pub medium: Duration,
    /// Of all else.
    #[serde(deserialize_with = "duration::read")]
    pub low: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let claim_silence_after = BySeverity::default();
        Self { claim_silence_after, reopen_within: 24 * HOUR }
    }
}

impl Default for BySeverity {
    fn default() -> Self {
        Self { high: 30 * MINUTE, medium: 4 * HOUR, low: 24 * HOUR }
    }
}

impl Config {
    /// Whether they can be used.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let BySeverity { high, medium, low } = self.claim_silence_after;
        if [high, medium, low].into_iter().any(|after| after < MINUTE) {
            return Err(
                "alerts.claim_silence_after must be a minute or more: nobody could write what she does".to_owned()
            );
        }
        Ok(())
    }

    /// How long a claim of this severity holds in silence, in milliseconds.
    #[must_use]
    pub fn claim_holds_ms(&self, severity: Severity) -> i64 {
        let BySeverity { high, medium, low } = self.claim_silence_after;
        let holds = match severity {
            Severity::High => high,
            Severity::Medium => medium,
            Severity::Low => low,
        };
        i64::try_from(holds.as_millis()).unwrap_or(i64::MAX / 2)
    }

    /// How long after its end a case can be opened again, in milliseconds.
    #[must_use]
    pub fn reopen_ms(&self) -> i64 {
        i64::try_from(self.reopen_within.as_millis()).unwrap_or(i64::MAX / 2)
    }
}
