//! A box's certificate runs out and was not renewed: a box asks for the next when two thirds of its life are over, so that less
//! than a quarter left means that it has tried for weeks in vain. In the last days it is loud.
//!
//! Source: design, §4 and §6.

pub mod wording;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::config::duration;

/// The name of the cases.
pub const NAME: &str = "certificate_expiring";

/// Raised by one whenever the rule judges otherwise than before.
pub const VERSION: u32 = 1;

/// The rule's settings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// With so little left, renewal has failed.
    #[serde(deserialize_with = "duration::read")]
    pub left: Duration,
    /// With so little left, somebody must act now.
    #[serde(deserialize_with = "duration::read")]
    pub urgent: Duration,
}

impl Default for Config {
    /// A quarter of a certificate's usual year.
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self { left: Duration::from_secs(91 * DAY), urgent: Duration::from_secs(7 * DAY) }
    }
}

/// A certificate that runs out.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expiring {
    /// The rule's version.
    pub version: u32,
    /// When.
    pub expires_ms: i64,
    /// Whether somebody must act now.
    pub is_urgent: bool,
}

/// What is known of a certificate.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Says {
    /// It is good for a while.
    Good,
    /// The box does not say when it expires.
    Unsure,
    /// It runs out.
    Expiring(Expiring),
}

/// Judges a certificate by when it expires. One that was made to live shorter than [`Config::left`] is judged by its own life:
/// by a quarter, and in the last twelfth it is urgent.
#[must_use]
pub fn judge(expires_ms: Option<i64>, life_ms: i64, at_ms: i64, config: &Config) -> Says {
    let Some(expires_ms) = expires_ms else { return Says::Unsure };
    let left_ms = expires_ms.saturating_sub(at_ms);
    let notice_ms = clock::millis(config.left).min(life_ms / 4);
    let urgent_ms = clock::millis(config.urgent).min(life_ms / 12);
    if left_ms > notice_ms {
        return Says::Good;
    }
    Says::Expiring(Expiring { version: VERSION, expires_ms, is_urgent: left_ms <= urgent_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    #[test]
    fn a_certificate_that_should_have_been_renewed_weeks_ago_is_told_of_and_loud_in_its_last_week() {
        let with_left = |days| judge(Some(days * DAY), 365 * DAY, 0, &Config::default());
        let expiring =
            |days, is_urgent| Says::Expiring(Expiring { version: VERSION, expires_ms: days * DAY, is_urgent });
        assert_eq!([with_left(300), with_left(120), with_left(92)], [Says::Good; 3], "it is being renewed");
        assert_eq!([with_left(91), with_left(8)], [expiring(91, false), expiring(8, false)]);
        assert_eq!([with_left(7), with_left(-3)], [expiring(7, true), expiring(-3, true)]);
        assert_eq!(judge(None, 365 * DAY, 0, &Config::default()), Says::Unsure);
    }

    #[test]
    fn one_that_lives_a_month_only_is_not_always_expiring() {
        let with_left = |days| judge(Some(days * DAY), 30 * DAY, 0, &Config::default());
        assert_eq!([with_left(29), with_left(8)], [Says::Good; 2]);
        assert!(matches!(with_left(7), Says::Expiring(Expiring { is_urgent: false, .. })));
        assert!(matches!(with_left(2), Says::Expiring(Expiring { is_urgent: true, .. })));
    }
}
