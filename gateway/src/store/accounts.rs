//! The console's local accounts: a name, the care unit it acts for, and what its password hashes to.

use jiff::Timestamp;

use super::{Connection, Executor, StoreError, query, query_as};

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

/// Finds an account by its name.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(store: impl Executor<'_>, name: &str) -> Result<Option<Account>, StoreError> {
    Ok(query_as("SELECT name, unit, password_hash FROM account WHERE name = $1")
        .bind(name)
        .fetch_optional(store)
        .await?)
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
