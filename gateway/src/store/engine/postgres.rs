//! How a store on a PostgreSQL server is opened.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Executor as _, PgConnection};

use super::{Pool, migrations};
use crate::store::{READERS, StoreError};

/// The number of the lock that whoever writes holds, in every gateway and on the command line: `hempuls` in ASCII.
const ONE_WRITER: i64 = 0x0068_656d_7075_6c73;

/// A gateway that holds the lock and does nothing (it is stopped, or its network is) loses its connection after so long.
const IDLE_IN_A_WORK: &str = "10s";

/// A gateway waits so long for its turn to write before it says that the store fails, and tries again.
const WAITS_FOR_A_LOCK: &str = "30s";

/// A server that does not answer for so long is not there: it may be cut off, which a connection does not notice by itself.
const ANSWERS: Duration = Duration::from_secs(45);

/// One connection hears what other gateways say.
const FOR_NEWS: u32 = 1;

/// What SQLite has and PostgreSQL lacks.
const FUNCTIONS: &str = include_str!("functions.sql");

/// What a server must be for the promises to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Names are kept in every script.
    #[error(
        "the database's encoding is not UTF8: make another with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding,
    /// A receipt is sent after a commit and says that the reading is on the disk.
    #[error(
        "synchronous_commit is off on this server: readings that agents have forgotten would be lost in a power cut. \
         Turn it on for this database"
    )]
    Forgetful,
}

/// Opens connections, makes the database's tables or brings them to this version's form, and returns those to write and to
/// read through.
///
/// # Errors
/// [`StoreError`], where the server cannot be reached or used, or its database is of a later version.
pub(in crate::store) async fn connect(options: PgConnectOptions) -> Result<(Pool, Pool), StoreError> {
    let options = options
        .application_name("hempuls-gateway")
        .statement_cache_capacity(256)
        .options([("idle_in_transaction_session_timeout", IDLE_IN_A_WORK), ("lock_timeout", WAITS_FOR_A_LOCK)]);
    let writer = PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(options.clone())
        .await?;
    check(&writer).await?;
    let mut whole = writer.begin().await?;
    wait_for_turn(&mut whole).await?;
    whole.execute(FUNCTIONS).await?;
    migrations::for_postgres()?.run(&mut *whole).await?;
    whole.commit().await?;
    let readers = PgPoolOptions::new().max_connections(READERS + FOR_NEWS).connect_with(options).await?;
    Ok((Pool::Postgres(writer), Pool::Postgres(readers)))
}

async fn check(pool: &PgPool) -> Result<(), StoreError> {
    let (encoding, commit): (String, String) =
        sqlx::query_as("SELECT current_setting('server_encoding'), current_setting('synchronous_commit')")
            .fetch_one(pool)
            .await?;
    if encoding != "UTF8" {
        return Err(Unfit::Encoding.into());
    }
    if commit == "off" {
        return Err(Unfit::Forgetful.into());
    }
    Ok(())
}

/// Waits for an answer, but not for ever.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer").into());
    tokio::time::timeout(ANSWERS, answer).await.unwrap_or_else(late)
}

/// Waits until nobody else writes, in any gateway or on the command line. It is over when this work is.
pub(super) async fn wait_for_turn(work: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ONE_WRITER).execute(work).await?;
    Ok(())
}
