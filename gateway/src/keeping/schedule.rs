//! Backups that the gateway makes itself, how many are kept, and the case that says when none are made.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::backup;
use crate::alerts::keeping::{self as told, Found};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::config::{Config as Whole, duration};
use crate::store::{Store, StoreError};

/// Where backups go, how often they are made, and how many are kept.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to; without it none are made. Relative to the configuration file. On another disk, or fetched from there.
    pub folder: Option<PathBuf>,
    /// How often.
    #[serde(deserialize_with = "duration::read")]
    pub every: Duration,
    /// So many are kept, the newest.
    pub keep: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { folder: None, every: Duration::from_secs(24 * 60 * 60), keep: 7 }
    }
}

impl Config {
    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.every.is_zero() || self.keep == 0 {
            return Err("backup.every must be more than no time, and backup.keep at least 1".to_owned());
        }
        Ok(())
    }
}

/// How the making of backups goes. What there is, is read from the folder: a restart forgets nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Course {
    every_ms: i64,
    /// Since when backups are to be made, as far as is known.
    since_ms: i64,
    newest_ms: Option<i64>,
    /// When one failed since then, and why.
    failed: Option<(i64, String)>,
}

impl Course {
    /// Where the newest there is was made at this moment.
    #[must_use]
    pub fn new(every: Duration, newest_ms: Option<i64>, now_ms: i64) -> Self {
        Self { every_ms: clock::millis(every), since_ms: now_ms, newest_ms, failed: None }
    }

    /// When the next is to be made.
    #[must_use]
    pub fn due_ms(&self) -> i64 {
        let due_ms = self.newest_ms.map_or(self.since_ms, |newest_ms| newest_ms.saturating_add(self.every_ms));
        match &self.failed {
            Some((failed_ms, _)) => due_ms.max(failed_ms.saturating_add(self.again_ms())),
            None => due_ms,
        }
    }

    /// One was made.
    pub fn made(&mut self, made_ms: i64) {
        (self.newest_ms, self.failed) = (Some(made_ms), None);
    }

    /// One could not be made.
    pub fn failed(&mut self, why: String, now_ms: i64) {
        self.failed = Some((now_ms, why));
    }

    /// What somebody should know; none while all is well.
    #[must_use]
    pub fn trouble(&self, now_ms: i64) -> Option<Found> {
        let newest_ms = self.newest_ms;
        if let Some((_, why)) = &self.failed {
            return Some(Found::BackupFails { newest_ms, why: why.clone() });
        }
        let late_ms = self.due_ms().saturating_add(self.every_ms / 2);
        (now_ms > late_ms).then_some(Found::BackupLate { newest_ms })
    }

    /// How long after one that failed another is tried.
    fn again_ms(&self) -> i64 {
        const LONGEST_MS: i64 = 60 * 60 * 1000;
        (self.every_ms / 8).clamp(1, LONGEST_MS)
    }
}

/// How often it is looked whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Makes backups for ever.
pub async fn run(whole: Whole, store: Store, changes: Changes) {
    let Some(folder) = &whole.backup.folder else { return std::future::pending().await };
    let newest_ms = kept(folder).last().map(|(made_ms, _)| *made_ms);
    let mut course = Course::new(whole.backup.every, newest_ms, clock::now_ms());
    let mut said = None;
    loop {
        let now_ms = clock::now_ms();
        if now_ms >= course.due_ms() {
            match make(&whole, folder, now_ms).await {
                Ok(()) => {
                    tracing::info!(folder = %folder.display(), took_ms = clock::now_ms() - now_ms, "a backup was made");
                    course.made(now_ms);
                }
                Err(why) => {
                    tracing::error!(folder = %folder.display(), why, "a backup could not be made; it is tried again");
                    course.failed(why, now_ms);
                }
            }
        }
        match tell(&store, &course, &mut said, clock::now_ms()).await {
            Ok(true) => changes.tell([Change::WorkList]),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "how backups go cannot be written; it is tried again"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn make(whole: &Whole, folder: &Path, now_ms: i64) -> Result<(), String> {
    super::files::make_folder(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    remove_unfinished(folder);
    let to = folder.join(backup::name(now_ms));
    backup::make(whole, &to, now_ms, &mut |_, _| {}).await.map_err(|error| error.to_string())?;
    let kept = kept(folder);
    for (_, old) in kept.iter().take(kept.len().saturating_sub(whole.backup.keep)) {
        if let Err(error) = fs::remove_dir_all(old) {
            tracing::warn!(old = %old.display(), %error, "an old backup cannot be removed");
        }
    }
    Ok(())
}

/// Removes what a gateway left that was stopped while it made one.
fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".hempuls-") && name.ends_with(".unfinished") {
            // One that cannot be removed takes room and harms nobody.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The backups of our own in a folder, the oldest first; what else lies there is left alone.
fn kept(folder: &Path) -> Vec<(i64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let ours = entries.filter_map(|path| {
        let list = backup::read_list(&path).ok()?;
        let is_ours = path.file_name().is_some_and(|name| *name == *backup::name(list.made_ms));
        is_ours.then_some((list.made_ms, path))
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort();
    ours
}

/// Opens the case about backups, or ends it. Says whether something changed.
async fn tell(store: &Store, course: &Course, said: &mut Option<Found>, now_ms: i64) -> Result<bool, StoreError> {
    let says = course.trouble(now_ms).or(course.newest_ms.map(|made_ms| Found::BackupMade { made_ms }));
    if says == *said {
        return Ok(false);
    }
    let mut work = store.work().await?;
    let changed = match &says {
        Some(found @ Found::BackupMade { .. }) => told::end(&mut work, found.clone(), now_ms).await?,
        Some(found) => told::raise(&mut work, found.clone(), now_ms).await?,
        None => false,
    };
    work.commit().await?;
    // Where there is no home yet, nobody could be told.
    if changed || course.trouble(now_ms).is_none() {
        *said = says;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60 * 1000;
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn the_first_backup_is_made_at_once_and_the_next_a_day_later_whatever_was_restarted_in_between() {
        assert_eq!(Course::new(DAY, None, 5 * HOUR).due_ms(), 5 * HOUR);
        assert_eq!(Course::new(DAY, Some(2 * HOUR), 5 * HOUR).due_ms(), 26 * HOUR);
    }

    #[test]
    fn a_backup_that_fails_is_told_of_tried_again_within_the_hour_and_over_with_the_next_that_is_made() {
        let mut course = Course::new(DAY, Some(0), 0);
        course.failed("no room".into(), 24 * HOUR);
        assert_eq!(course.due_ms(), 25 * HOUR);
        let fails = Found::BackupFails { newest_ms: Some(0), why: "no room".into() };
        assert_eq!(course.trouble(24 * HOUR), Some(fails));
        course.made(25 * HOUR);
        assert_eq!((course.trouble(25 * HOUR), course.due_ms()), (None, 49 * HOUR));
    }

    #[test]
    fn a_backup_that_was_never_begun_is_told_of_as_late() {
        let course = Course::new(DAY, Some(0), 0);
        assert_eq!(course.trouble(36 * HOUR), None);
        assert_eq!(course.trouble(36 * HOUR + 1), Some(Found::BackupLate { newest_ms: Some(0) }));
    }
}
