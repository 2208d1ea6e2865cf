//! The way out of the unassigned queue: a named person says whose readings are, or that they are nobody's, and why. Nothing is
//! deleted, and each decision can be taken back.

use serde_json::json;

use super::records::{Record, with_values};
use super::{Connection, Reader, Row, StoreError, query, query_scalar};

/// Which readings wait.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Which<'a> {
    /// In which home.
    pub home: &'a str,
    /// Of which device.
    pub device: &'a str,
    /// Measured at this time or later; where that is unknown, stored.
    pub from_ms: i64,
    /// And before this one.
    pub before_ms: i64,
}

/// A decision about readings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Its id.
    pub id: String,
    /// In which home.
    pub home: String,
    /// Of which device.
    pub device: String,
    /// Whose they are; none: nobody's.
    pub person: Option<String>,
    /// How many.
    pub records: i64,
    /// Who decided.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at_ms: i64,
    /// When, by whom and why it was taken back.
    pub withdrawn: Option<(i64, String, String)>,
}

/// The readings that wait, the newest first.
///
/// # Errors
/// When the store cannot be read.
pub async fn waiting(reader: &Reader, which: Which<'_>, limit: u32) -> Result<Vec<Record>, StoreError> {
    let rows = query(
        "SELECT * FROM record
         WHERE person IS NULL AND kind = 'signal' AND attribution IS NULL AND home = $1 AND device = $2
           AND COALESCE(measured_ms, stored_ms) >= $3 AND COALESCE(measured_ms, stored_ms) < $4
         ORDER BY COALESCE(measured_ms, stored_ms) DESC, id DESC LIMIT $5",
    )
    .bind(which.home)
    .bind(which.device)
    .bind(which.from_ms)
    .bind(which.before_ms)
    .bind(i64::from(limit))
    .fetch_all(reader)
    .await?;
    with_values(reader, &rows).await
}

/// Decides about these readings, as far as they wait still. Returns the decision's id and which readings it is about.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such person or home.
pub async fn decide(
    work: &mut Connection,
    (home, device): (&str, &str),
    records: &[&str],
    person: Option<&str>,
    (author, reason): (&str, &str),
    now_ms: i64,
) -> Result<(String, Vec<String>), StoreError> {
    let id = super::new_id(now_ms);
    query(
        "INSERT INTO attribution (id, home, device, person, records, author, reason, at_ms)
         VALUES ($1, $2, $3, $4, 0, $5, $6, $7)",
    )
    .bind(&id)
    .bind(home)
    .bind(device)
    .bind(person)
    .bind(author)
    .bind(reason)
    .bind(now_ms)
    .execute(&mut *work)
    .await?;
    let decided = query(
        "UPDATE record SET person = $1, attribution = $2
         WHERE id IN (SELECT value FROM json_each($3)) AND person IS NULL AND attribution IS NULL AND kind = 'signal'
           AND home = $4 AND device = $5
         RETURNING id",
    )
    .bind(person)
    .bind(&id)
    .bind(json!(records).to_string())
    .bind(home)
    .bind(device)
    .fetch_all(&mut *work)
    .await?;
    let decided: Vec<String> = decided.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
    query("UPDATE attribution SET records = $2 WHERE id = $1")
        .bind(&id)
        .bind(i64::try_from(decided.len()).unwrap_or(i64::MAX))
        .execute(work)
        .await?;
    Ok((id, decided))
}

/// Takes a decision back: its readings wait again. None, where there is no such decision, or it was taken back before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn withdraw(
    work: &mut Connection,
    id: &str,
    (by, why): (&str, &str),
    now_ms: i64,
) -> Result<Option<Decision>, StoreError> {
    let row = query(
        "UPDATE attribution SET withdrawn_ms = $2, withdrawn_by = $3, withdrawn_why = $4
         WHERE id = $1 AND withdrawn_ms IS NULL RETURNING *",
    )
    .bind(id)
    .bind(now_ms)
    .bind(by)
    .bind(why)
    .fetch_optional(&mut *work)
    .await?;
    let Some(decision) = row.as_ref().map(decision_of).transpose()? else { return Ok(None) };
    let waiting: Vec<String> =
        query_scalar("UPDATE record SET person = NULL, attribution = NULL WHERE attribution = $1 RETURNING id")
            .bind(id)
            .fetch_all(&mut *work)
            .await?;
    for record in &waiting {
        super::fhir::changed(work, record).await?;
    }
    Ok(Some(decision))
}

/// The decisions about a device's readings in a home, the newest first.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_device(reader: &Reader, home: &str, device: &str) -> Result<Vec<Decision>, StoreError> {
    let rows = query("SELECT * FROM attribution WHERE home = $1 AND device = $2 ORDER BY id DESC LIMIT 100")
        .bind(home)
        .bind(device)
        .fetch_all(reader)
        .await?;
    rows.iter().map(decision_of).collect()
}

fn decision_of(row: &Row) -> Result<Decision, StoreError> {
    let withdrawn_ms: Option<i64> = row.try_get("withdrawn_ms")?;
    let withdrawn = match withdrawn_ms {
        Some(at_ms) => Some((at_ms, row.try_get("withdrawn_by")?, row.try_get("withdrawn_why")?)),
        None => None,
    };
    Ok(Decision {
        id: row.try_get("id")?,
        home: row.try_get("home")?,
        device: row.try_get("device")?,
        person: row.try_get("person")?,
        records: row.try_get("records")?,
        author: row.try_get("author")?,
        reason: row.try_get("reason")?,
        at_ms: row.try_get("at_ms")?,
        withdrawn,
    })
}
