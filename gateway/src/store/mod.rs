//! The store: one SQLite file, one writer, many readers. What `commit` returned is on the disk (WAL, full sync).
//!
//! One file per noun, with its SQL in plain sight. Errors are of two kinds: a [`StoreError::Fault`] concerns the store
//! (full, busy, failing), so that the whole work is tried again later; [`StoreError::Refused`] concerns one row alone.

pub mod access_log;
pub mod accounts;
pub mod agents;
pub mod alerts;
pub mod assignments;
pub mod attributions;
pub mod backup;
pub mod books;
pub mod centre;
pub mod clocks;
pub mod contacts;
pub mod cover;
pub mod devices;
pub mod enrolment_codes;
pub mod escalations;
pub mod feedback;
pub mod fhir;
pub mod heartbeats;
pub mod history;
pub mod homes;
pub mod homes_page;
pub mod ledger;
pub mod names;
pub mod outbox;
pub mod patience;
pub mod person_numbers;
pub mod person_page;
pub mod plans;
pub mod readings;
pub mod records;
pub mod restorations;
pub mod retention;
pub mod rosters;
pub mod rule_memory;
pub mod sessions;
pub mod silence;
pub mod silent_tests;
pub mod teams;
pub mod timers;
pub mod units;
pub mod verify;
pub mod ways;
pub mod work_list;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng as _;
pub use sqlx::SqliteExecutor as Executor;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, Transaction};
pub use sqlx::{query, query_as, query_scalar};

/// How long a statement waits for another program (the command line) that writes at the same moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many pages and rules can read at the same time.
const READERS: u32 = 8;

/// The store. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// What a work is written through.
pub type Connection = sqlx::SqliteConnection;

/// What is read through, outside of any work.
pub type Reader = SqlitePool;

/// What a query found.
pub type Row = sqlx::sqlite::SqliteRow;

/// One piece of work that is done as a whole or not at all.
pub type Work<'c> = Transaction<'c, Sqlite>;

impl Store {
    /// Opens the store, and makes it or brings it to this version's form where needed.
    ///
    /// # Errors
    /// [`StoreError`], where the file cannot be opened, read or written, or is of a later version.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .statement_cache_capacity(256)
            .pragma("cache_size", "-32000");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options.clone())
            .await?;
        // The command line may open a new version's store in the same moment as the gateway: whoever comes second waits,
        // and finds it done.
        let mut whole = writer.begin_with("BEGIN IMMEDIATE").await?;
        verify::FORMS.run(&mut *whole).await?;
        whole.commit().await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { writer, readers })
    }

    /// For reading. What is read is a state that was committed.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.readers
    }

    /// Begins a piece of work that writes. The store has one writer at a time; the others wait here.
    ///
    /// # Errors
    /// [`StoreError::Fault`], where the store cannot be written now.
    pub async fn work(&self) -> Result<Work<'static>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Writes everything back into the one file and closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Begins a part of a work that can be undone alone.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn savepoint(work: &mut Connection) -> Result<Work<'_>, StoreError> {
    Ok(work.begin().await?)
}

/// A new id, greater than all this process made before: the time it was made, a count, and 32 random bits.
#[must_use]
pub fn new_id(now_ms: i64) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let earliest = u64::try_from(now_ms).unwrap_or(0) << 16;
    let after = |last: u64| (last + 1).max(earliest);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
    format!("{:016x}{:08x}", after(last.unwrap_or_else(|last| last)), rand::rng().random::<u32>())
}

/// What every id made at a moment or later is greater than.
#[must_use]
pub fn first_id_of(at_ms: i64) -> String {
    format!("{:016x}", u64::try_from(at_ms).unwrap_or(0) << 16)
}

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store itself fails: full, busy, unreadable, gone. Nothing was written; the same can be tried again.
    #[error("the store fails: {0}")]
    Fault(#[source] sqlx::Error),
    /// This row cannot be stored; another can.
    #[error("the store refuses this: {0}")]
    Refused(#[source] sqlx::Error),
    /// The file was made by a later version, or its form cannot be brought to this one's.
    #[error("the store has a form this version does not know: {0}")]
    Form(#[from] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// Whether one row is to blame, and not the store.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Fault(_) | Self::Form(_) => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    /// SQLite says with four of its codes that a row is to blame: too big, against a constraint, of a wrong type, out
    /// of range. Everything else is a fault, so that a doubt never costs an event its place.
    fn from(error: sqlx::Error) -> Self {
        const TOO_BIG: u32 = 18;
        const CONSTRAINT: u32 = 19;
        const MISMATCH: u32 = 20;
        const RANGE: u32 = 25;
        let extended =
            error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
        match extended.map(|code| code & 0xFF) {
            Some(TOO_BIG | CONSTRAINT | MISMATCH | RANGE) => Self::Refused(error),
            Some(_) | None => Self::Fault(error),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A store in a folder of its own, which goes with it.
    pub(crate) async fn fresh() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let store = Store::open(&folder.path().join("store.sqlite")).await.expect("a new store opens");
        (folder, store)
    }

    #[tokio::test]
    async fn a_row_that_breaks_a_rule_is_refused_and_the_store_is_not_blamed() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();

        let refused =
            query("INSERT INTO agent (id, home, created_ms) VALUES ('a', 'nowhere', 0)").execute(&mut *work).await;

        assert!(StoreError::from(refused.unwrap_err()).is_refused());
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_written_is_at_fault_and_no_row_is_blamed() {
        let (folder, store) = fresh().await;
        let readers_only =
            query("INSERT INTO home (id, name, created_ms) VALUES ('h', 'n', 0)").execute(store.reader()).await;
        assert!(!StoreError::from(readers_only.unwrap_err()).is_refused());

        let broken = folder.path().join("broken.sqlite");
        std::fs::write(&broken, vec![7; 8192]).unwrap();
        assert!(!Store::open(&broken).await.unwrap_err().is_refused());
    }

    #[tokio::test]
    async fn what_is_not_committed_was_never_there() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        query("INSERT INTO home (id, name, created_ms) VALUES ('h', 'n', 0)").execute(&mut *work).await.unwrap();
        drop(work);

        let homes: i64 = query_scalar("SELECT count(*) FROM home").fetch_one(store.reader()).await.unwrap();

        assert_eq!(homes, 0);
    }
}
