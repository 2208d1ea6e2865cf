//! What the engines do not have in common: SQLite copies its one file while it is written, and looks at its own pages. A
//! site with PostgreSQL makes backups with PostgreSQL's own means, as its other databases' are made.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Postgres, Reader, StoreError, query, query_scalar};

/// How long whoever has the file may hold it up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is said how far the copy is.
const EVERY: Duration = Duration::from_secs(1);

/// Copies the store as it is at this moment into a new file, while others read and write. They wait for nothing: the copy
/// reads one state, and what is written meanwhile goes into the write-ahead log, which grows for as long as it takes.
/// `progress` hears about once a second how many bytes of about how many there are.
///
/// # Errors
/// [`StoreError`], where either file fails.
pub async fn copy(file: &Path, to: &Path, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(PATIENCE);
    let mut from = options.connect().await?;
    let about = size(&mut from).await?;
    let name = to.to_string_lossy().into_owned();
    let copied = async {
        let mut copy = std::pin::pin!(sqlx::query("VACUUM INTO $1").bind(name).execute(&mut from));
        loop {
            tokio::select! {
                copied = &mut copy => return copied,
                () = tokio::time::sleep(EVERY) => progress(std::fs::metadata(to).map_or(0, |file| file.len()), about),
            }
        }
    };
    copied.await?;
    Ok(from.close().await?)
}

/// How large the store is, in bytes, without what it has room for.
async fn size(store: &mut sqlx::SqliteConnection) -> Result<u64, StoreError> {
    let mut pages = [0_i64; 3];
    for (pragma, number) in
        ["PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA page_size"].into_iter().zip(&mut pages)
    {
        *number = sqlx::query_scalar(pragma).fetch_one(&mut *store).await?;
    }
    Ok(u64::try_from((pages[0] - pages[1]) * pages[2]).unwrap_or(0))
}

/// Opens a store to read it as it is: it is not brought to this version's form.
///
/// # Errors
/// [`StoreError`], where it cannot be read.
pub async fn open_to_read(file: &Path) -> Result<Reader, StoreError> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(PATIENCE);
    Ok(Reader::Sqlite(SqlitePoolOptions::new().max_connections(1).connect_with(options).await?))
}

/// Opens a store on a server to read it as it is: it is not brought to this version's form.
///
/// # Errors
/// [`StoreError`], where it cannot be reached or read.
pub async fn connect_to_read(place: &Postgres) -> Result<Reader, StoreError> {
    super::engine::open_to_read(place.options()?).await
}

/// What the engine finds wrong with its own pages, indexes and references: nothing, where all is well.
///
/// # Errors
/// [`StoreError`], where it cannot be read at all.
pub async fn engine_faults(reader: &Reader) -> Result<Vec<String>, StoreError> {
    let said: Vec<String> = query_scalar("PRAGMA integrity_check(20)").fetch_all(reader).await?;
    let mut faults: Vec<String> =
        said.into_iter().filter(|said| said != "ok").map(|said| format!("the file is damaged: {said}")).collect();
    for row in query("PRAGMA foreign_key_check").fetch_all(reader).await?.iter().take(20) {
        let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
        faults.push(format!("a row of {table} refers to one of {parent} that is not there"));
    }
    Ok(faults)
}

/// Makes one file of a store: what stands in its write-ahead log goes into it. Says whether nobody else has it open; else
/// nothing is changed.
///
/// # Errors
/// [`StoreError`], where it cannot be read or written.
pub async fn fold_into_one_file(file: &Path) -> Result<bool, StoreError> {
    let options = SqliteConnectOptions::new().filename(file).journal_mode(SqliteJournalMode::Delete);
    match options.busy_timeout(Duration::ZERO).connect().await {
        Ok(alone) => {
            alone.close().await?;
            Ok(true)
        }
        Err(error) if is_busy(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    matches!(code.map(|code| code & 0xFF), Some(BUSY | LOCKED))
}
