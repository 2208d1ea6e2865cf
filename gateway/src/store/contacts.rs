//! Where the members of the team are reached.

use super::ledger::unexpected;
use super::{Connection, Executor, StoreError, query};
use crate::delivery::Channel;
use crate::wording::Lang;

/// Where a member is reached over one channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// Who: the name of her account.
    pub member: String,
    /// Over which channel.
    pub channel: Channel,
    /// Where. Never in a log.
    pub address: String,
    /// In which language.
    pub lang: Lang,
    /// When its peer last took something for this address.
    pub proven_ms: Option<i64>,
}

/// Writes where a member is reached. Another address is not proven by what arrived at the one before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set(work: &mut Connection, contact: &Contact, by: &str, now_ms: i64) -> Result<(), StoreError> {
    let Contact { member, channel, address, lang, proven_ms } = contact;
    query(
        "INSERT INTO contact (member, channel, address, lang, set_by, set_ms, proven_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (member, channel) DO UPDATE SET lang = excluded.lang, set_by = excluded.set_by,
             set_ms = excluded.set_ms, address = excluded.address,
             proven_ms = CASE WHEN contact.address = excluded.address THEN contact.proven_ms ELSE excluded.proven_ms END",
    )
    .bind(member)
    .bind(channel.as_str())
    .bind(address)
    .bind(lang.to_string())
    .bind(by)
    .bind(now_ms)
    .bind(proven_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Takes an address away. Says whether there was one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn remove(work: &mut Connection, member: &str, channel: Channel) -> Result<bool, StoreError> {
    let gone = query("DELETE FROM contact WHERE member = $1 AND channel = $2")
        .bind(member)
        .bind(channel.as_str())
        .execute(work)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Where members are reached, by name: one member's, or all.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn list(reader: impl Executor<'_>, member: Option<&str>) -> Result<Vec<Contact>, StoreError> {
    let rows = query("SELECT * FROM contact WHERE (CAST($1 AS TEXT) IS NULL OR member = $1) ORDER BY member, channel")
        .bind(member)
        .fetch_all(reader)
        .await?;
    rows.iter()
        .map(|row| {
            let (channel, lang): (String, String) = (row.try_get("channel")?, row.try_get("lang")?);
            Ok(Contact {
                member: row.try_get("member")?,
                channel: channel.parse().map_err(|_| unexpected("channel"))?,
                address: row.try_get("address")?,
                lang: lang.parse().map_err(|_| unexpected("language"))?,
                proven_ms: row.try_get("proven_ms")?,
            })
        })
        .collect()
}
