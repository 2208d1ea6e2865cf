//! The database's clock, by which everything here is due: on a server it is the same for all gateways.

use super::{Executor, StoreError, query_scalar};
use crate::clock::{Look, instant};

/// What it shows.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn now_ms(store: impl Executor<'_>) -> Result<i64, StoreError> {
    Ok(query_scalar("SELECT CAST(unixepoch('subsec') * 1000 AS BIGINT)").fetch_one(store).await?)
}

/// Looks at it.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn look(store: impl Executor<'_>) -> Result<Look, StoreError> {
    let asked = instant();
    let shown_ms = now_ms(store).await?;
    Ok(Look { asked, answered: instant(), shown_ms })
}
