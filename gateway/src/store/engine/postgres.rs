//! How a store on a PostgreSQL server is opened.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Error, Executor as _, PgConnection};

use super::{Pool, migrations};
use crate::store::{READERS, StoreError};

/// The number of the lock that whoever writes holds, in every gateway and on the command line: `hempuls` in ASCII.
const ONE_WRITER: i64 = 0x0068_656d_7075_6c73;

/// A gateway that holds the lock and does nothing (it is stopped, or its network is) loses its connection after so long: the
/// others store no press in the meantime.
const IDLE_IN_A_WORK: &str = "5s";

/// A gateway waits so long for its turn to write before it says that the store fails, and tries again.
const WAITS_FOR_A_LOCK: &str = "30s";

/// An answer that takes longer will never come: the way to the server is cut and nobody says so. Longer than the server lets
/// anybody wait for the lock.
const ANSWERS_WITHIN: Duration = Duration::from_secs(40);

/// Whether a connection that is given back is alive, shows within this time.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// Whoever writes looks up by keys. A server that takes a table to be small reads all of it instead, and does so on when it has
/// grown: measured, a press waited 150 ms among readings, and 13 ms with this.
const LOOKS_UP: (&str, &str) = ("enable_seqscan", "off");

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
    let options = usual(options);
    let writer = pool(1).idle_timeout(None).acquire_timeout(Duration::from_secs(30));
    let writer = writer.connect_with(options.clone().options([LOOKS_UP])).await?;
    check(&writer).await?;
    let mut whole = writer.begin().await?;
    wait_for_turn(&mut whole).await?;
    whole.execute(FUNCTIONS).await?;
    migrations::for_postgres()?.run(&mut *whole).await?;
    whole.commit().await?;
    // One more listens to what other gateways change.
    Ok((Pool::Postgres(writer), readers(options, READERS + 1).await?))
}

/// Opens a connection to read a database as it is: it is not brought to this version's form.
///
/// # Errors
/// [`StoreError`], where the server cannot be reached or used.
pub(in crate::store) async fn open_to_read(options: PgConnectOptions) -> Result<Pool, StoreError> {
    readers(usual(options), 1).await
}

fn usual(options: PgConnectOptions) -> PgConnectOptions {
    options
        .application_name("hempuls-gateway")
        .statement_cache_capacity(256)
        .options([("idle_in_transaction_session_timeout", IDLE_IN_A_WORK), ("lock_timeout", WAITS_FOR_A_LOCK)])
}

async fn readers(options: PgConnectOptions, count: u32) -> Result<Pool, StoreError> {
    let read_only = options.options([("default_transaction_read_only", "on")]);
    Ok(Pool::Postgres(pool(count).connect_with(read_only).await?))
}

/// A pool that never waits for a connection to come back whose other end is silent: a cut would use them up.
fn pool(count: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(count).after_release(|connection, _| {
        Box::pin(async move {
            match tokio::time::timeout(ALIVE_WITHIN, connection.ping()).await {
                Ok(answered) => answered.map(|()| true),
                Err(_) => Err(no_answer()),
            }
        })
    })
}

/// Waits for what the server answers, and not for ever. A connection that was waited for in vain is closed.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(ANSWERS_WITHIN, answer).await.unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> Error {
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer"))
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

/// Waits until nobody else writes, in any gateway or on the command line. It is over when this work is.
pub(super) async fn wait_for_turn(work: &mut PgConnection) -> Result<(), Error> {
    in_time(sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ONE_WRITER).execute(work)).await?;
    Ok(())
}
