//! What somebody should know of how the gateway's data is kept: that backups fail, that one was put in place, that the disk is
//! full, that a clock was set.

pub mod wording;

use serde::{Deserialize, Serialize};

use super::{About, Concern, Finding, Line, Severity, Weight};
use crate::delivery;
use crate::store::{Connection, StoreError, alerts as cases, homes};

/// Backups are not made as they should be.
pub const BACKUP: &str = "backup";
/// A backup was put in place.
pub const RESTORED: &str = "restored";
/// The disk is nearly full.
pub const DISK: &str = "disk";

/// The clock by which all is due was set, or a machine's differs from it.
pub const CLOCK: &str = "clock_set";

/// The kinds of case that are about the gateway itself, in whichever home they stand.
pub const ABOUT_THE_GATEWAY: [&str; 4] = [BACKUP, RESTORED, DISK, CLOCK];

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Found {
    /// A backup could not be made.
    BackupFails {
        /// When the latest that there is was made.
        newest_ms: Option<i64>,
        /// Why.
        why: String,
    },
    /// No backup was made when one should have been.
    BackupLate {
        /// When the latest that there is was made.
        newest_ms: Option<i64>,
    },
    /// A backup was made.
    BackupMade {
        /// When.
        made_ms: i64,
    },
    /// A backup was put in place.
    Restored {
        /// When it was made.
        made_ms: i64,
        /// When it was put in place.
        restored_ms: i64,
        /// By whom.
        by: String,
    },
    /// The disk is nearly full: readings are refused.
    DiskShort {
        /// How much is free, in MiB.
        free_mib: u64,
    },
    /// There is room again.
    DiskWell,
    /// The store's clock was set.
    ClockSet {
        /// By how many minutes; back where negative.
        by_min: i64,
    },
    /// A gateway's machine has another time than the store's server.
    ClocksDiffer {
        /// By how many minutes it is ahead; behind where negative.
        by_min: i64,
    },
}

impl Found {
    /// The two as one, where an earlier and a later tell of one thing that goes on.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (
                Self::BackupFails { .. } | Self::BackupLate { .. },
                Self::BackupFails { .. } | Self::BackupLate { .. },
            )
            | (Self::DiskShort { .. }, Self::DiskShort { .. }) => Some(self.clone()),
            (_, _) => None,
        }
    }
}

/// A case about the gateway, which stands in this home.
#[must_use]
pub fn concern(home: &str, found: Found) -> Concern {
    let (case, severity) = match &found {
        Found::BackupFails { .. } | Found::BackupLate { .. } => (BACKUP, Severity::Medium),
        Found::BackupMade { .. } => (BACKUP, Severity::Low),
        Found::Restored { .. } => (RESTORED, Severity::Medium),
        // Once the reserve is used, presses are not taken either.
        Found::DiskShort { .. } => (DISK, Severity::High),
        Found::DiskWell => (DISK, Severity::Low),
        Found::ClockSet { .. } | Found::ClocksDiffer { .. } => (CLOCK, Severity::Medium),
    };
    Concern {
        finding: Finding { case, severity, confirmed: true, weight: Weight::More, line: Line::Keeping(found) },
        about: About::Gateway,
        person: None,
        home: home.to_owned(),
        record: None,
    }
}

/// Opens a case about the gateway, or goes on with it. Where there is no home yet nobody can be told: says whether somebody was.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn raise(work: &mut Connection, found: Found, now_ms: i64) -> Result<bool, StoreError> {
    let Some(home) = homes::first(work).await? else { return Ok(false) };
    super::raise(work, &concern(&home, found), now_ms).await?;
    Ok(true)
}

/// The trouble is over: the case says so, and ends by itself where nobody has claimed it. Says whether there was one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn end(work: &mut Connection, found: Found, now_ms: i64) -> Result<bool, StoreError> {
    let over = concern("", found);
    let Some((id, mut alert)) = cases::open_case(work, over.finding.case, &About::Gateway).await? else {
        return Ok(false);
    };
    if cases::lines(work, &id).await?.iter().rev().find(|line| line.is_about_the_matter()) != Some(&over.finding.line) {
        cases::add_line(work, &id, &over.finding.line, None, now_ms).await?;
    }
    if alert.fold(now_ms) {
        cases::save(work, &id, &alert).await?;
        delivery::withdraw(work, &id, now_ms).await?;
    }
    Ok(true)
}
