//! The store: one writer, many readers, in one SQLite file or on a PostgreSQL server. What `commit` returned is on the disk.
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
pub mod clock;
pub mod clocks;
pub mod contacts;
pub mod cover;
pub mod devices;
pub mod duties;
pub mod emergencies;
pub mod enrolment_codes;
pub mod escalations;
pub mod feedback;
pub mod fhir;
pub mod hearsay;
pub mod heartbeats;
pub mod history;
pub mod home_proofs;
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
pub mod service;
pub mod sessions;
pub mod shown;
pub mod sight;
pub mod silence;
pub mod silent_tests;
pub mod teams;
pub mod timers;
pub mod units;
pub mod verify;
pub mod ways;
pub mod work_list;

mod config;
mod engine;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::Pool;
use rand::Rng as _;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub use config::{Config, Postgres, Unreadable};
pub use engine::{
    Bind, Column, Connection, Executor, FromRow, Pool as Reader, Query, QueryBuilder, Row, Work, query, query_as,
    query_scalar,
};

/// How long a statement waits for another program (the command line) that writes at the same moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many pages and rules can read at the same time.
const READERS: u32 = 8;

/// The store. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Pool,
    readers: Pool,
}

impl Store {
    /// Opens the store in a file, and makes it or brings it to this version's form where needed.
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
        engine::migrations::FILES.run(&mut *whole).await?;
        whole.commit().await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { writer: Pool::Sqlite(writer), readers: Pool::Sqlite(readers) })
    }

    /// Opens the store in a database on a PostgreSQL server, which is there already, and makes its tables or brings them to
    /// this version's form where needed.
    ///
    /// # Errors
    /// [`StoreError`], where the server cannot be reached or used, or the database is of a later version.
    pub async fn connect(place: &Postgres) -> Result<Self, StoreError> {
        let (writer, readers) = engine::connect(place.options()?).await?;
        Ok(Self { writer, readers })
    }

    /// For reading. What is read is a state that was committed.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.readers
    }

    /// Whether it is on a server, where several gateways may share it.
    #[must_use]
    pub fn is_on_a_server(&self) -> bool {
        matches!(self.readers, Pool::Postgres(_))
    }

    /// Begins a piece of work that writes. The store has one writer at a time, also where several gateways share it; the
    /// others wait here.
    ///
    /// # Errors
    /// [`StoreError::Fault`], where the store cannot be written now.
    pub async fn work(&self) -> Result<Work<'static>, StoreError> {
        Ok(engine::begin(&self.writer).await?)
    }

    /// Writes everything back and closes it.
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
    Ok(work.part().await?)
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
    /// It was made by a later version, or its form cannot be brought to this one's.
    #[error("the store has a form this version does not know: {0}")]
    Form(#[from] sqlx::migrate::MigrateError),
    /// A migration cannot be said in PostgreSQL's words.
    #[error(transparent)]
    Untranslatable(#[from] engine::migrations::Untranslatable),
    /// The password for its server cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The server is not one on which the promises hold.
    #[error(transparent)]
    Unfit(#[from] engine::Unfit),
}

impl StoreError {
    /// Whether one row is to blame, and not the store.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Fault(_) | Self::Form(_) | Self::Untranslatable(_) | Self::Unreadable(_) | Self::Unfit(_) => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    /// SQLite says with four of its codes that a row is to blame: too big, against a constraint, of a wrong type, out
    /// of range; PostgreSQL with two classes, about data and about constraints. Everything else is a fault, so that a doubt
    /// never costs an event its place.
    fn from(error: sqlx::Error) -> Self {
        const TOO_BIG: u32 = 18;
        const CONSTRAINT: u32 = 19;
        const MISMATCH: u32 = 20;
        const RANGE: u32 = 25;
        let Some(said) = error.as_database_error() else { return Self::Fault(error) };
        let code = said.code().unwrap_or_default();
        let is_refused = if said.try_downcast_ref::<PgDatabaseError>().is_some() {
            code.starts_with("22") || code.starts_with("23")
        } else {
            code.parse().is_ok_and(|code: u32| matches!(code & 0xFF, TOO_BIG | CONSTRAINT | MISMATCH | RANGE))
        };
        if is_refused { Self::Refused(error) } else { Self::Fault(error) }
    }
}

#[cfg(test)]
#[path = "../../tests/place/mod.rs"]
mod place;

#[cfg(test)]
pub(crate) mod tests {
    use hempuls_protocol::ids::{Epoch, Lane, Sequence};

    use super::ledger::{Disposition, EventRow, Span};
    pub(crate) use super::place::Place;
    use super::*;
    use crate::ingest::accept::LaneKey;

    /// A store in a place of its own, which goes with it.
    pub(crate) async fn fresh() -> (Place, Store) {
        let place = Place::new().await;
        let store = place.open().await;
        (place, store)
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
        let nowhere = query("INSERT INTO nowhere (id) VALUES ('h')").execute(store.reader()).await;
        assert!(!StoreError::from(nowhere.unwrap_err()).is_refused());
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

    #[tokio::test]
    async fn a_work_in_which_a_statement_failed_says_it_is_done_only_if_it_is() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        query("INSERT INTO home (id, name, created_ms) VALUES ('h', 'n', 0)").execute(&mut *work).await.unwrap();
        let refused = query("INSERT INTO agent (id, home, created_ms) VALUES ('a', 'nowhere', 0)");
        assert!(refused.execute(&mut *work).await.is_err());

        let says_it_is_done = work.commit().await.is_ok();

        let homes: i64 = query_scalar("SELECT count(*) FROM home").fetch_one(store.reader()).await.unwrap();
        assert_eq!(homes, i64::from(says_it_is_done), "SQLite keeps the rest of the work, PostgreSQL nothing of it");
    }

    #[tokio::test]
    async fn what_is_absent_is_neither_an_empty_text_nor_a_zero_nor_no_bytes() {
        let (_folder, store) = fresh().await;
        let absent = "SELECT CAST(NULL AS TEXT), CAST(NULL AS BIGINT), unhex(CAST(NULL AS TEXT))";
        let row = query(absent).fetch_one(store.reader()).await.unwrap();

        assert!(row.try_get::<String, _>(0).is_err());
        assert!(row.try_get::<i64, _>(1).is_err() && row.try_get::<bool, _>(1).is_err());
        assert!(row.try_get::<Vec<u8>, _>(2).is_err());
        let read: (Option<String>, Option<i64>, Option<Vec<u8>>) =
            query_as(absent).fetch_one(store.reader()).await.unwrap();
        assert_eq!(read, (None, None, None));
    }

    #[tokio::test]
    async fn whoever_writes_reads_no_whole_table_that_a_server_takes_to_be_small() {
        let place = Place::new().await;
        if !place.is_on_a_server() {
            return;
        }
        let store = place.open().await;
        let mut work = store.work().await.unwrap();
        let (_, agent) = homes::add(&mut work, "h", 0).await.unwrap();
        let key = LaneKey { agent, lane: Lane::Reading, epoch: Epoch(1) };
        let row = |number| EventRow {
            key: key.clone(),
            sequence: Sequence(number),
            disposition: Disposition::Stored,
            kind: "signal",
            digest: None,
            record: None,
            content: None,
        };
        ledger::write_events(&mut work, &(1..=2_000).map(row).collect::<Vec<_>>(), 0).await.unwrap();

        let span = Span { key, first: Sequence(1_990), last: Sequence(2_000) };
        ledger::load(&mut work, &[span], &[]).await.unwrap();

        let read = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'event'";
        let read: i64 = query_scalar(read).fetch_one(&mut *work).await.unwrap();
        assert_eq!(read, 0);
    }

    #[tokio::test]
    async fn a_server_that_forgets_what_it_has_committed_is_not_used() {
        let place = Place::new().await;
        if !place.is_on_a_server() {
            return;
        }
        let store = place.open().await;
        let mut work = store.work().await.unwrap();
        let database: String = query_scalar("SELECT current_database()").fetch_one(&mut *work).await.unwrap();
        let forget = sqlx::AssertSqlSafe(format!("ALTER DATABASE {database} SET synchronous_commit = off"));
        query(forget).execute(&mut *work).await.unwrap();
        work.commit().await.unwrap();
        store.close().await;

        let why = place.try_to_open().await.unwrap_err();

        assert!(matches!(why, StoreError::Unfit(engine::Unfit::Forgetful)), "{why}");
    }
}
