//! The console's local accounts: a name, the care unit it acts for, and what its password hashes to. None is deleted, as what
//! it did stays: it is disabled.

use jiff::Timestamp;

use super::{Connection, Executor, Reader, StoreError, query, query_as, query_scalar};

/// An account as it is kept. The password itself is kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// What its owner types, and what the access log says of her.
    pub name: String,
    /// The care unit she acts for.
    pub unit: String,
    /// The password's argon2id hash, with its parameters and salt.
    pub password_hash: String,
}

crate::from_row!(Account { name, unit, password_hash });

/// An account as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// What its owner types.
    pub name: String,
    /// The care unit she acts for.
    pub unit: String,
    /// When it was made.
    pub created_ms: i64,
    /// When it was disabled.
    pub disabled_ms: Option<i64>,
}

crate::from_row!(Listed { name, unit, created_ms, disabled_ms });

/// Finds an account by its name, unless it is disabled.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(store: impl Executor<'_>, name: &str) -> Result<Option<Account>, StoreError> {
    Ok(query_as("SELECT name, unit, password_hash FROM account WHERE name = $1 AND disabled_ms IS NULL")
        .bind(name)
        .fetch_optional(store)
        .await?)
}

/// The names of all who have an account that is not disabled.
///
/// # Errors
/// When the store cannot be read.
pub async fn names(reader: &Reader) -> Result<Vec<String>, StoreError> {
    Ok(query_scalar("SELECT name FROM account WHERE disabled_ms IS NULL ORDER BY name").fetch_all(reader).await?)
}

/// Adds the first account there is; says whether there was none before.
///
/// # Errors
/// When the store cannot be written.
pub async fn add_first(store: &mut Connection, account: &Account, now: Timestamp) -> Result<bool, StoreError> {
    let added = query(
        "INSERT INTO account (name, unit, password_hash, created_ms)
         SELECT $1, $2, $3, CAST($4 AS BIGINT) WHERE NOT EXISTS (SELECT 1 FROM account)",
    )
    .bind(&account.name)
    .bind(&account.unit)
    .bind(&account.password_hash)
    .bind(now.as_millisecond())
    .execute(store)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Adds an account. Says whether its name was free: the name of a disabled one is not.
///
/// # Errors
/// When the store cannot be written.
pub async fn add(store: &mut Connection, account: &Account, now: Timestamp) -> Result<bool, StoreError> {
    let added = query(
        "INSERT INTO account (name, unit, password_hash, created_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(&account.name)
    .bind(&account.unit)
    .bind(&account.password_hash)
    .bind(now.as_millisecond())
    .execute(store)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Every account, by name.
///
/// # Errors
/// When the store cannot be read.
pub async fn list(store: impl Executor<'_>) -> Result<Vec<Listed>, StoreError> {
    Ok(query_as("SELECT name, unit, created_ms, disabled_ms FROM account ORDER BY name").fetch_all(store).await?)
}

/// Disables an account: whoever is signed in with it is signed out. Says whether there was one that was not disabled.
///
/// # Errors
/// When the store cannot be written.
pub async fn disable(store: &mut Connection, name: &str, now_ms: i64) -> Result<bool, StoreError> {
    let disabled = query("UPDATE account SET disabled_ms = $1 WHERE name = $2 AND disabled_ms IS NULL")
        .bind(now_ms)
        .bind(name)
        .execute(&mut *store)
        .await?;
    query("UPDATE console_session SET ended_ms = $1 WHERE account = $2 AND ended_ms IS NULL")
        .bind(now_ms)
        .bind(name)
        .execute(store)
        .await?;
    Ok(disabled.rows_affected() == 1)
}
