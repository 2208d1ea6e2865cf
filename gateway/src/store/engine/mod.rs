//! The two engines under the store: SQLite in one file, or PostgreSQL where several gateways share a store. The nouns
//! around this folder write one SQL text, with `$1` for its values; here it is run on whichever engine the store has.
//!
//! Values are whole numbers, texts and bytes, nothing else: a truth value is kept as 0 or 1, so that both engines have
//! the same columns.

pub(super) mod migrations;
mod postgres;
mod query;
mod row;
mod value;
mod work;

use sqlx::{PgPool, SqlitePool};

pub(super) use postgres::Unfit;
pub(super) use postgres::{connect, open_to_read};
pub use query::{Query, QueryBuilder, query, query_as, query_scalar};
pub use row::{Column, FromRow, Row};
pub use value::Bind;
pub(super) use work::begin;
pub use work::{Connection, Work};

/// What is read through, outside of any work. Clones share its connections.
#[derive(Clone, Debug)]
pub enum Pool {
    /// Of a file.
    Sqlite(SqlitePool),
    /// Of a server.
    Postgres(PgPool),
}

impl Pool {
    /// A connection to read several things through, one after the other.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn acquire(&self) -> Result<Work<'static>, sqlx::Error> {
        work::read(self).await
    }

    /// Closes its connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Where a query can be run: in a work, or outside of any.
pub trait Executor<'c>: Send {
    /// Which of the two.
    fn through(self) -> Through<'c>;
}

/// Where a query is run.
pub enum Through<'c> {
    /// In a work.
    Work(&'c mut Connection),
    /// Outside of any.
    Reader(&'c Pool),
}

impl<'c> Executor<'c> for &'c mut Connection {
    fn through(self) -> Through<'c> {
        Through::Work(self)
    }
}

impl<'c> Executor<'c> for &'c Pool {
    fn through(self) -> Through<'c> {
        Through::Reader(self)
    }
}
