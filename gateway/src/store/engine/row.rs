//! What a query found, read the same way from both engines.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, ColumnIndex, Error, Row as _, TypeInfo as _, ValueRef as _};

/// What a query found.
pub enum Row {
    /// In a file.
    Sqlite(SqliteRow),
    /// On a server.
    Postgres(PgRow),
}

impl Row {
    /// Reads a column, by its name or place.
    ///
    /// # Errors
    /// When there is none, or it holds something else.
    pub fn try_get<'r, T: Column<'r>, I: Index>(&'r self, index: I) -> Result<T, Error> {
        T::read(self, index)
    }

    fn is_null(&self, index: impl Index) -> Result<bool, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get_raw(index)?.is_null(),
            Self::Postgres(row) => row.try_get_raw(index)?.is_null(),
        })
    }
}

/// What names a column: its name, or its place.
pub trait Index: ColumnIndex<SqliteRow> + ColumnIndex<PgRow> + Copy + std::fmt::Debug {}

impl Index for &str {}
impl Index for usize {}

/// What can be read from a column.
pub trait Column<'r>: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When the column is not there, or holds something else.
    fn read(row: &'r Row, index: impl Index) -> Result<Self, Error>;
}

/// SQLite's library takes what is not there for an empty text and for 0; PostgreSQL's says so, and so do both here.
fn nothing(index: impl Index) -> Error {
    Error::ColumnDecode { index: format!("{index:?}"), source: Box::new(sqlx::error::UnexpectedNullError) }
}

macro_rules! as_they_are {
    ($($what:ty),*) => { $(
        impl<'r> Column<'r> for $what {
            fn read(row: &'r Row, index: impl Index) -> Result<Self, Error> {
                match row {
                    Row::Sqlite(_) if row.is_null(index)? => Err(nothing(index)),
                    Row::Sqlite(row) => row.try_get(index),
                    Row::Postgres(row) => row.try_get(index),
                }
            }
        }
    )* };
}

as_they_are!(String, Vec<u8>, &'r str, &'r [u8]);

impl Column<'_> for i64 {
    /// PostgreSQL has a type for each width, and gives what a text compares or counts in whichever fits.
    fn read(row: &Row, index: impl Index) -> Result<Self, Error> {
        match row {
            Row::Sqlite(_) if row.is_null(index)? => Err(nothing(index)),
            Row::Sqlite(row) => row.try_get(index),
            Row::Postgres(row) => match row.try_column(index)?.type_info().name() {
                "INT4" => row.try_get::<i32, _>(index).map(Self::from),
                "INT2" => row.try_get::<i16, _>(index).map(Self::from),
                "BOOL" => row.try_get::<bool, _>(index).map(Self::from),
                _ => row.try_get(index),
            },
        }
    }
}

impl Column<'_> for bool {
    fn read(row: &Row, index: impl Index) -> Result<Self, Error> {
        Ok(i64::read(row, index)? != 0)
    }
}

macro_rules! narrower {
    ($($number:ty),*) => { $(
        impl Column<'_> for $number {
            fn read(row: &Row, index: impl Index) -> Result<Self, Error> {
                Self::try_from(i64::read(row, index)?).map_err(|error| Error::Decode(error.into()))
            }
        }
    )* };
}

narrower!(u8, i8, u16, i16, u32, i32);

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn read(row: &'r Row, index: impl Index) -> Result<Self, Error> {
        Ok(if row.is_null(index)? { None } else { Some(T::read(row, index)?) })
    }
}

/// What can be made of a whole row.
pub trait FromRow: Sized {
    /// Makes it.
    ///
    /// # Errors
    /// When a column is not there, or holds something else.
    fn from_row(row: &Row) -> Result<Self, Error>;
}

macro_rules! tuples {
    ($($($part:ident $place:literal),+;)+) => { $(
        impl<$($part: for<'r> Column<'r>),+> FromRow for ($($part,)+) {
            fn from_row(row: &Row) -> Result<Self, Error> {
                Ok(($(row.try_get::<$part, _>($place)?,)+))
            }
        }
    )+ };
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}

/// Says of a struct that each of its fields is the column of that name: `from_row!(Listed { id, name });`
#[macro_export]
macro_rules! from_row {
    ($what:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::store::FromRow for $what {
            fn from_row(row: &$crate::store::Row) -> Result<Self, sqlx::Error> {
                Ok(Self { $($field: row.try_get(stringify!($field))?),+ })
            }
        }
    };
}
