//! Pieces of work, and parts of them that can be undone alone.

use std::ops::{Deref, DerefMut};

use sqlx::{AssertSqlSafe, Error, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

use super::Pool;
use super::postgres::{self, in_time};

/// What a work is written through.
#[derive(Debug)]
pub struct Connection {
    whole: Whole,
    /// How many parts have begun, one within the other.
    depth: u32,
    /// The part that was dropped and is to be undone before anything else is done.
    dropped: Option<u32>,
}

#[derive(Debug)]
enum Whole {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A connection, by its engine.
pub(super) enum Engine<'c> {
    /// To a file.
    Sqlite(&'c mut SqliteConnection),
    /// To a server.
    Postgres(&'c mut PgConnection),
}

impl Connection {
    /// The engine's own connection, once what was dropped is undone.
    pub(super) async fn engine(&mut self) -> Result<Engine<'_>, Error> {
        if let Some(part) = self.dropped {
            self.run(format!("ROLLBACK TO part_{part}")).await?;
            self.run(format!("RELEASE part_{part}")).await?;
            self.dropped = None;
        }
        Ok(match &mut self.whole {
            Whole::Sqlite(work) => Engine::Sqlite(work),
            Whole::Postgres(work) => Engine::Postgres(work),
        })
    }

    /// Begins a part.
    pub(in crate::store) async fn part(&mut self) -> Result<Work<'_>, Error> {
        self.engine().await?;
        let part = self.depth + 1;
        self.run(format!("SAVEPOINT part_{part}")).await?;
        self.depth = part;
        Ok(Work(Held::Part(Part { of: self, part, has_ended: false })))
    }

    async fn run(&mut self, statement: String) -> Result<(), Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        match &mut self.whole {
            Whole::Sqlite(work) => statement.execute(&mut **work).await.map(|_| ()),
            Whole::Postgres(work) => in_time(statement.execute(&mut **work)).await.map(|_| ()),
        }
    }

    async fn commit(mut self) -> Result<(), Error> {
        self.engine().await?;
        match self.whole {
            Whole::Sqlite(work) => work.commit().await,
            Whole::Postgres(mut work) => {
                // PostgreSQL answers COMMIT with success where a statement before has failed and it undoes everything:
                // any other statement says so.
                in_time(sqlx::Executor::execute(&mut *work, "SELECT 1")).await?;
                in_time(work.commit()).await
            }
        }
    }
}

/// One piece of work, or a part of one, that is done as a whole or not at all. Dropped, it is undone.
#[derive(Debug)]
pub struct Work<'c>(Held<'c>);

#[derive(Debug)]
enum Held<'c> {
    Whole(Box<Connection>),
    Part(Part<'c>),
}

#[derive(Debug)]
struct Part<'c> {
    of: &'c mut Connection,
    part: u32,
    has_ended: bool,
}

impl Work<'_> {
    /// Ends it: what was written stays.
    ///
    /// # Errors
    /// When it did not: then nothing was written, or, where the connection broke in that moment, nobody knows.
    pub async fn commit(self) -> Result<(), Error> {
        match self.0 {
            Held::Whole(connection) => connection.commit().await,
            Held::Part(mut part) => {
                part.of.engine().await?;
                part.of.run(format!("RELEASE part_{}", part.part)).await?;
                part.of.depth = part.part - 1;
                part.has_ended = true;
                Ok(())
            }
        }
    }

    /// Undoes it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rollback(self) -> Result<(), Error> {
        match self.0 {
            Held::Whole(connection) => match connection.whole {
                Whole::Sqlite(work) => work.rollback().await,
                Whole::Postgres(work) => in_time(work.rollback()).await,
            },
            Held::Part(mut part) => {
                part.give_up();
                part.of.engine().await.map(drop)
            }
        }
    }
}

impl Part<'_> {
    fn give_up(&mut self) {
        if !self.has_ended {
            self.of.dropped = Some(self.of.dropped.map_or(self.part, |within| within.min(self.part)));
            self.of.depth = self.part - 1;
            self.has_ended = true;
        }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Deref for Work<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.0 {
            Held::Whole(connection) => connection,
            Held::Part(part) => part.of,
        }
    }
}

impl DerefMut for Work<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.0 {
            Held::Whole(connection) => connection,
            Held::Part(part) => part.of,
        }
    }
}

/// Begins to read. Nothing can be written.
pub(super) async fn read(readers: &Pool) -> Result<Work<'static>, Error> {
    let whole = match readers {
        Pool::Sqlite(pool) => Whole::Sqlite(pool.begin().await?),
        Pool::Postgres(pool) => Whole::Postgres(in_time(pool.begin()).await?),
    };
    Ok(Work(Held::Whole(Box::new(Connection { whole, depth: 0, dropped: None }))))
}

/// Begins a work.
pub(in crate::store) async fn begin(writer: &Pool) -> Result<Work<'static>, Error> {
    let whole = match writer {
        Pool::Sqlite(pool) => Whole::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
        Pool::Postgres(pool) => {
            let mut work = in_time(pool.begin()).await?;
            postgres::wait_for_turn(&mut work).await?;
            Whole::Postgres(work)
        }
    };
    Ok(Work(Held::Whole(Box::new(Connection { whole, depth: 0, dropped: None }))))
}
