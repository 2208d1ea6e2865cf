//! How long claims and closed cases hold: what the configuration says, for all that write to the store.

use std::time::Duration;

use super::ledger::unexpected;
use super::{Connection, StoreError, query, query_as};
use crate::alerts::patience::{BySeverity, Config};

/// Writes the settings, in place of those before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set(work: &mut Connection, config: &Config) -> Result<(), StoreError> {
    let BySeverity { high, medium, low } = config.claim_silence_after;
    for (name, time) in
        [("claim_high", high), ("claim_medium", medium), ("claim_low", low), ("reopen", config.reopen_within)]
    {
        query("UPDATE patience SET ms = $1 WHERE name = $2")
            .bind(i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 2))
            .bind(name)
            .execute(&mut *work)
            .await?;
    }
    Ok(())
}

/// Reads the settings.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn get(work: &mut Connection) -> Result<Config, StoreError> {
    let rows: Vec<(String, i64)> = query_as("SELECT name, ms FROM patience").fetch_all(work).await?;
    let of = |wanted: &str| {
        let found = rows.iter().find(|(name, _)| name == wanted).and_then(|(_, ms)| u64::try_from(*ms).ok());
        found.map(Duration::from_millis).ok_or_else(|| unexpected("patience"))
    };
    let claim_silence_after =
        BySeverity { high: of("claim_high")?, medium: of("claim_medium")?, low: of("claim_low")? };
    Ok(Config { claim_silence_after, reopen_within: of("reopen")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    #[tokio::test]
    async fn a_new_store_is_as_patient_as_a_bare_configuration() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        assert_eq!(get(&mut work).await.unwrap(), Config::default());
        let hasty = Config { reopen_within: Duration::from_secs(7), ..Config::default() };
        set(&mut work, &hasty).await.unwrap();
        assert_eq!(get(&mut work).await.unwrap(), hasty);
    }
}
