//! One statement with its values, run on either engine.

use std::marker::PhantomData;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Encode, Error, SqlSafeStr, SqlStr, Type};

use super::postgres::in_time;
use super::row::{Column, FromRow, Row};
use super::value::{Bind, Value};
use super::work::Engine;
use super::{Executor, Pool, Through};

/// A statement.
#[must_use = "it does nothing until it is run"]
pub struct Query {
    text: Text,
    values: Vec<Value>,
}

enum Text {
    /// With `$1` for its first value. SQLite looks each up by its name.
    Numbered(SqlStr),
    /// With `?` for each value: there may be thousands.
    Counted(String),
}

/// What a statement has done.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Done {
    rows: u64,
}

impl Done {
    /// How many rows it has written or deleted.
    #[must_use]
    pub fn rows_affected(&self) -> u64 {
        self.rows
    }
}

/// A statement, with `$1` for its first value.
pub fn query(text: impl SqlSafeStr) -> Query {
    Query { text: Text::Numbered(text.into_sql_str()), values: Vec::new() }
}

/// A statement whose rows are each something.
pub fn query_as<T: FromRow>(text: impl SqlSafeStr) -> QueryAs<T> {
    QueryAs { query: query(text), what: PhantomData }
}

/// A statement of whose rows only the first column matters.
pub fn query_scalar<T: for<'r> Column<'r>>(text: impl SqlSafeStr) -> QueryScalar<T> {
    QueryScalar { query: query(text), what: PhantomData }
}

/// Runs a statement wherever it is to be run; `$run` is one method of sqlx's query.
macro_rules! run {
    ($query:expr, $executor:expr, $run:ident) => {
        match $executor.through() {
            Through::Work(connection) => match connection.engine().await? {
                Engine::Sqlite(connection) => {
                    let (text, values) = $query.for_sqlite()?;
                    sqlx::query_with(text, values).$run(connection).await.map(Into::into)
                }
                Engine::Postgres(connection) => {
                    let (text, values) = $query.for_postgres()?;
                    in_time(sqlx::query_with(text, values).$run(connection)).await.map(Into::into)
                }
            },
            Through::Reader(Pool::Sqlite(pool)) => {
                let (text, values) = $query.for_sqlite()?;
                sqlx::query_with(text, values).$run(pool).await.map(Into::into)
            }
            Through::Reader(Pool::Postgres(pool)) => {
                let (text, values) = $query.for_postgres()?;
                in_time(sqlx::query_with(text, values).$run(pool)).await.map(Into::into)
            }
        }
    };
}

impl Query {
    /// Gives it its next value.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.value());
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// When the store refuses it, or fails.
    pub async fn execute<'c>(self, executor: impl Executor<'c>) -> Result<Done, Error> {
        run!(self, executor, execute)
    }

    /// Runs it and fetches all that it finds.
    ///
    /// # Errors
    /// When the store refuses it, or fails.
    pub async fn fetch_all<'c>(self, executor: impl Executor<'c>) -> Result<Vec<Row>, Error> {
        let rows: Result<Rows, Error> = run!(self, executor, fetch_all);
        rows.map(|rows| rows.0)
    }

    /// Runs it and fetches the first that it finds.
    ///
    /// # Errors
    /// When it finds none; when the store refuses it, or fails.
    pub async fn fetch_one<'c>(self, executor: impl Executor<'c>) -> Result<Row, Error> {
        self.fetch_optional(executor).await?.ok_or(Error::RowNotFound)
    }

    /// Runs it and fetches the first that it finds, if any.
    ///
    /// # Errors
    /// When the store refuses it, or fails.
    pub async fn fetch_optional<'c>(self, executor: impl Executor<'c>) -> Result<Option<Row>, Error> {
        let row: Result<AnyRow, Error> = run!(self, executor, fetch_optional);
        row.map(|row| row.0)
    }

    fn for_sqlite(self) -> Result<(SqlStr, SqliteArguments), Error> {
        let text = match self.text {
            Text::Numbered(text) => text,
            Text::Counted(text) => AssertSqlSafe(text).into_sql_str(),
        };
        Ok((text, arguments(self.values)?))
    }

    fn for_postgres(self) -> Result<(SqlStr, PgArguments), Error> {
        let text = match self.text {
            Text::Numbered(text) => text,
            Text::Counted(text) => AssertSqlSafe(numbered(&text)).into_sql_str(),
        };
        Ok((text, arguments(self.values)?))
    }
}

/// The values, as an engine is given them.
fn arguments<A>(values: Vec<Value>) -> Result<A, Error>
where
    A: Arguments + Default,
    Option<i64>: for<'q> Encode<'q, A::Database> + Type<A::Database>,
    Option<String>: for<'q> Encode<'q, A::Database> + Type<A::Database>,
    Option<Vec<u8>>: for<'q> Encode<'q, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        match value {
            Value::Integer(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
        }
        .map_err(Error::Encode)?;
    }
    Ok(arguments)
}

/// `?, ?` becomes `$1, $2`.
fn numbered(text: &str) -> String {
    use std::fmt::Write as _;
    let mut parts = text.split('?');
    let mut numbered = String::with_capacity(text.len() * 3);
    numbered.push_str(parts.next().unwrap_or_default());
    for (n, part) in (1..).zip(parts) {
        let n: u32 = n;
        write!(numbered, "${n}{part}").expect("a string can be written to");
    }
    numbered
}

impl From<sqlx::sqlite::SqliteQueryResult> for Done {
    fn from(done: sqlx::sqlite::SqliteQueryResult) -> Self {
        Self { rows: done.rows_affected() }
    }
}

impl From<sqlx::postgres::PgQueryResult> for Done {
    fn from(done: sqlx::postgres::PgQueryResult) -> Self {
        Self { rows: done.rows_affected() }
    }
}

/// All rows of an answer.
struct Rows(Vec<Row>);

impl From<Vec<sqlx::sqlite::SqliteRow>> for Rows {
    fn from(rows: Vec<sqlx::sqlite::SqliteRow>) -> Self {
        Self(rows.into_iter().map(Row::Sqlite).collect())
    }
}

impl From<Vec<sqlx::postgres::PgRow>> for Rows {
    fn from(rows: Vec<sqlx::postgres::PgRow>) -> Self {
        Self(rows.into_iter().map(Row::Postgres).collect())
    }
}

/// The first row of an answer.
struct AnyRow(Option<Row>);

impl From<Option<sqlx::sqlite::SqliteRow>> for AnyRow {
    fn from(row: Option<sqlx::sqlite::SqliteRow>) -> Self {
        Self(row.map(Row::Sqlite))
    }
}

impl From<Option<sqlx::postgres::PgRow>> for AnyRow {
    fn from(row: Option<sqlx::postgres::PgRow>) -> Self {
        Self(row.map(Row::Postgres))
    }
}

/// A statement whose rows are each something.
#[must_use = "it does nothing until it is run"]
pub struct QueryAs<T> {
    query: Query,
    what: PhantomData<fn() -> T>,
}

impl<T: FromRow> QueryAs<T> {
    /// Gives it its next value.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// Runs it and fetches all that it finds.
    ///
    /// # Errors
    /// When the store refuses it, or fails, or a row is something else.
    pub async fn fetch_all<'c>(self, executor: impl Executor<'c>) -> Result<Vec<T>, Error> {
        self.query.fetch_all(executor).await?.iter().map(T::from_row).collect()
    }

    /// Runs it and fetches the first that it finds.
    ///
    /// # Errors
    /// When it finds none; when the store refuses it, or fails, or the row is something else.
    pub async fn fetch_one<'c>(self, executor: impl Executor<'c>) -> Result<T, Error> {
        T::from_row(&self.query.fetch_one(executor).await?)
    }

    /// Runs it and fetches the first that it finds, if any.
    ///
    /// # Errors
    /// When the store refuses it, or fails, or the row is something else.
    pub async fn fetch_optional<'c>(self, executor: impl Executor<'c>) -> Result<Option<T>, Error> {
        self.query.fetch_optional(executor).await?.as_ref().map(T::from_row).transpose()
    }
}

/// A statement of whose rows only the first column matters.
#[must_use = "it does nothing until it is run"]
pub struct QueryScalar<T> {
    query: Query,
    what: PhantomData<fn() -> T>,
}

impl<T: for<'r> Column<'r>> QueryScalar<T> {
    /// Gives it its next value.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// Runs it and fetches all that it finds.
    ///
    /// # Errors
    /// When the store refuses it, or fails, or a row is something else.
    pub async fn fetch_all<'c>(self, executor: impl Executor<'c>) -> Result<Vec<T>, Error> {
        self.query.fetch_all(executor).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// Runs it and fetches the first that it finds.
    ///
    /// # Errors
    /// When it finds none; when the store refuses it, or fails, or the row is something else.
    pub async fn fetch_one<'c>(self, executor: impl Executor<'c>) -> Result<T, Error> {
        self.query.fetch_one(executor).await?.try_get(0)
    }

    /// Runs it and fetches the first that it finds, if any.
    ///
    /// # Errors
    /// When the store refuses it, or fails, or the row is something else.
    pub async fn fetch_optional<'c>(self, executor: impl Executor<'c>) -> Result<Option<T>, Error> {
        self.query.fetch_optional(executor).await?.map(|row| row.try_get(0)).transpose()
    }
}

/// A statement that writes many rows.
pub struct QueryBuilder {
    text: String,
    values: Vec<Value>,
}

impl QueryBuilder {
    /// One that begins so.
    #[must_use]
    pub fn new(begins: &'static str) -> Self {
        Self { text: begins.to_owned(), values: Vec::new() }
    }

    /// Goes on with a text that holds no values.
    pub fn push(&mut self, text: &'static str) {
        self.text.push_str(text);
    }

    /// Goes on with these rows; `columns` says what each holds.
    pub fn push_values<T>(&mut self, rows: impl IntoIterator<Item = T>, mut columns: impl FnMut(Columns<'_>, T)) {
        self.text.push_str("VALUES ");
        for (n, row) in rows.into_iter().enumerate() {
            self.text.push_str(if n == 0 { "(" } else { ", (" });
            columns(Columns { into: self, is_first: true }, row);
            self.text.push(')');
        }
    }

    /// The statement.
    pub fn build(self) -> Query {
        Query { text: Text::Counted(self.text), values: self.values }
    }
}

/// The values of one row.
pub struct Columns<'b> {
    into: &'b mut QueryBuilder,
    is_first: bool,
}

impl Columns<'_> {
    /// The next.
    pub fn push_bind(&mut self, value: impl Bind) -> &mut Self {
        self.into.text.push_str(if self.is_first { "?" } else { ", ?" });
        self.is_first = false;
        self.into.values.push(value.value());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_values_are_counted_for_one_engine_and_numbered_for_the_other() {
        let mut builder = QueryBuilder::new("INSERT INTO home (id, name) ");
        builder.push_values([("a", 1), ("b", 2)], |mut columns, (id, name)| {
            columns.push_bind(id).push_bind(name);
        });
        builder.push(" ON CONFLICT DO NOTHING");
        let query = builder.build();
        assert_eq!(query.values.len(), 4);
        let (text, _) = query.for_postgres().unwrap();
        assert_eq!(text.as_str(), "INSERT INTO home (id, name) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING");
    }
}
