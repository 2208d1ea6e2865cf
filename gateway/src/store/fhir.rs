//! What a FHIR server has of the records and alerts, and what it does not.

use serde::Serialize;

use super::alerts::Case;
use super::records::{Record, with_values};
use super::{Connection, Reader, StoreError, alerts as cases, person_numbers, query, query_as, query_scalar};

/// A reading to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The reading.
    pub record: Record,
    /// What makes it itself, as hexadecimal digits.
    pub identity: String,
    /// Whose it is.
    pub person: String,
    /// By which number the registers know her: system and number.
    pub number: Option<(String, String)>,
    /// What kind of device it is from.
    pub kind: Option<String>,
    /// How long a stream's minute was.
    pub span_ms: Option<i64>,
    /// It was sent before, and has changed since.
    pub is_changed: bool,
}

/// What comes next after a position.
#[derive(Clone, Debug, Default)]
pub struct Next {
    /// Readings with values, of people.
    pub readings: Vec<Outgoing>,
    /// Readings that are nobody's yet.
    pub unassigned: Vec<String>,
    /// The position after all of these and what is not sent.
    pub through: Option<String>,
}

/// Where the sending to one server stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Standing {
    /// How many readings are after the position.
    pub waiting: i64,
    /// How many are nobody's yet.
    pub unassigned: i64,
    /// Which ones the server refuses, and what it said.
    pub refused: Vec<(String, String)>,
    /// When something was last sent.
    pub sent_ms: Option<i64>,
    /// How many attempts were made.
    pub attempts: i64,
    /// Since when nothing gets through.
    pub failing_ms: Option<i64>,
    /// What was said then.
    pub said: Option<String>,
}

/// Makes this gateway the one that sends, for a while. Returns the position, or nothing while another one is.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn lease(
    work: &mut Connection,
    server: &str,
    who: &str,
    for_ms: i64,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    query("INSERT INTO fhir_cursor (server, record) VALUES ($1, '') ON CONFLICT (server) DO NOTHING")
        .bind(server)
        .execute(&mut *work)
        .await?;
    Ok(query_scalar(
        "UPDATE fhir_cursor SET lease_by = $2, lease_until_ms = $3
         WHERE server = $1 AND (lease_by = $2 OR lease_until_ms <= $4) RETURNING record",
    )
    .bind(server)
    .bind(who)
    .bind(now_ms + for_ms)
    .bind(now_ms)
    .fetch_optional(work)
    .await?)
}

/// The readings after a position, the earlier ones first. Those stored in the last moments wait: one with a smaller id may
/// still be on its way into the store.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn next(reader: &Reader, after: &str, before_ms: i64, limit: u32) -> Result<Next, StoreError> {
    let rows = query("SELECT * FROM record WHERE id > $1 AND stored_ms < $2 ORDER BY id LIMIT $3")
        .bind(after)
        .bind(before_ms)
        .bind(limit)
        .fetch_all(reader)
        .await?;
    let mut next = Next::default();
    let mut whose = Vec::new();
    for row in &rows {
        next.through = Some(row.try_get("id")?);
        let (kind, person): (String, Option<String>) = (row.try_get("kind")?, row.try_get("person")?);
        match (kind.as_str(), person) {
            ("signal", Some(person)) => whose.push((row.try_get("id")?, person)),
            ("signal", None) => next.unassigned.push(row.try_get("id")?),
            _ => {}
        }
    }
    next.readings = outgoing(reader, &whose, false).await?;
    Ok(next)
}

/// Of what was set aside, what can be sent now: what has become somebody's, and what has changed.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn again(reader: &Reader, server: &str, limit: u32) -> Result<Vec<Outgoing>, StoreError> {
    let mut all = Vec::new();
    for (why, is_changed) in [("unassigned", false), ("changed", true)] {
        let whose: Vec<(String, String)> = query_as(
            "SELECT record.id, record.person FROM fhir_aside JOIN record ON record.id = fhir_aside.record
             WHERE server = $1 AND why = $2 AND record.person IS NOT NULL ORDER BY record.id LIMIT $3",
        )
        .bind(server)
        .bind(why)
        .bind(limit)
        .fetch_all(reader)
        .await?;
        all.extend(outgoing(reader, &whose, is_changed).await?);
    }
    Ok(all)
}

async fn outgoing(reader: &Reader, whose: &[(String, String)], is_changed: bool) -> Result<Vec<Outgoing>, StoreError> {
    let list = |ids: Vec<&str>| serde_json::json!(ids).to_string();
    let people: Vec<&str> = whose.iter().map(|(_, person)| person.as_str()).collect();
    let numbers = person_numbers::of_people(reader, &people).await?;
    let rows = query(
        "SELECT record.*, device.kind AS device_kind FROM record LEFT JOIN device ON device.id = record.device
         WHERE record.id IN (SELECT value FROM json_each($1)) ORDER BY record.id",
    )
    .bind(list(whose.iter().map(|(id, _)| id.as_str()).collect()))
    .fetch_all(reader)
    .await?;
    let records = with_values(reader, &rows).await?;
    let mut all = Vec::with_capacity(records.len());
    for (record, row) in records.into_iter().zip(&rows) {
        let Some((_, person)) = whose.iter().find(|(id, _)| *id == record.id) else { continue };
        let identity: Vec<u8> = row.try_get("identity")?;
        all.push(Outgoing {
            identity: hex::encode(identity),
            person: person.clone(),
            number: numbers.get(person).map(|number| (number.system().to_owned(), number.whole())),
            kind: row.try_get("device_kind")?,
            span_ms: row.try_get("span_ms")?,
            is_changed,
            record,
        });
    }
    Ok(all)
}

/// All up to a position is sent, but for what is nobody's yet.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn advance(work: &mut Connection, server: &str, next: &Next, now_ms: i64) -> Result<(), StoreError> {
    for record in &next.unassigned {
        set_aside(work, server, record, "unassigned", None).await?;
    }
    query("UPDATE fhir_cursor SET record = $2, sent_ms = CASE WHEN $3 = 1 THEN $4 ELSE sent_ms END WHERE server = $1")
        .bind(server)
        .bind(&next.through)
        .bind(!next.readings.is_empty())
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// Keeps that a server refuses a reading, and what it said.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn refuse(work: &mut Connection, server: &str, record: &str, said: &str) -> Result<(), StoreError> {
    set_aside(work, server, record, "refused", Some(said)).await
}

async fn set_aside(
    work: &mut Connection,
    server: &str,
    record: &str,
    why: &str,
    said: Option<&str>,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO fhir_aside (server, record, why, said) VALUES ($1, $2, $3, $4)
         ON CONFLICT (server, record) DO UPDATE SET why = excluded.why, said = excluded.said",
    )
    .bind(server)
    .bind(record)
    .bind(why)
    .bind(said)
    .execute(work)
    .await?;
    Ok(())
}

/// The server has a reading that was set aside.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn has(work: &mut Connection, server: &str, record: &str) -> Result<(), StoreError> {
    query("DELETE FROM fhir_aside WHERE server = $1 AND record = $2").bind(server).bind(record).execute(work).await?;
    Ok(())
}

/// A reading has changed: whichever server has it is told again.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn changed(work: &mut Connection, record: &str) -> Result<(), StoreError> {
    query(
        "INSERT INTO fhir_aside (server, record, why) SELECT server, $1, 'changed' FROM fhir_cursor WHERE record >= $1
         ON CONFLICT (server, record) DO NOTHING",
    )
    .bind(record)
    .execute(work)
    .await?;
    Ok(())
}

/// A person has what a server refuses tried again. Returns how many readings these are.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn retry(work: &mut Connection) -> Result<u64, StoreError> {
    let rows =
        query("UPDATE fhir_aside SET why = 'unassigned', said = NULL WHERE why = 'refused'").execute(work).await?;
    Ok(rows.rows_affected())
}

/// Keeps how an attempt ended. Returns since when nothing gets through, before and after.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn attempted(
    work: &mut Connection,
    server: &str,
    failed: Option<&str>,
    now_ms: i64,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let before: Option<i64> = query_scalar("SELECT failing_ms FROM fhir_cursor WHERE server = $1")
        .bind(server)
        .fetch_optional(&mut *work)
        .await?
        .flatten();
    let after = failed.map(|_| before.unwrap_or(now_ms));
    query("UPDATE fhir_cursor SET attempts = attempts + 1, failing_ms = $2, said = $3 WHERE server = $1")
        .bind(server)
        .bind(after)
        .bind(failed)
        .execute(work)
        .await?;
    Ok((before, after))
}

/// An alert to be sent: with what it says of itself, and what was told of it to whom.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The alert.
    pub case: Case,
    /// Whose it is.
    pub person: String,
    /// By which number the registers know her.
    pub number: Option<(String, String)>,
    /// The record that its story shows first.
    pub record: Option<String>,
    /// What got through: its id, when it was asked for, and when it was taken.
    pub told: Vec<(String, i64, i64)>,
    /// As what it is sent.
    pub as_what: String,
}

/// Alerts about people that a server does not have as they are.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn alerts(reader: &Reader, server: &str, limit: u32) -> Result<Vec<Alert>, StoreError> {
    let rows: Vec<(String, String, String)> = query_as(
        "SELECT id, person, as_what FROM (
             SELECT alert.id AS id, alert.person AS person, alert.state || ' ' || alert.severity || ' '
                 || CAST(coalesce(alert.closed_ms, alert.claimed_ms, alert.rung_ms) AS TEXT) || ' '
                 || CAST((SELECT count(*) FROM outbox WHERE outbox.alert = alert.id AND outbox.state = 'delivered') AS TEXT)
                 AS as_what
             FROM alert WHERE alert.person IS NOT NULL) AS now
         WHERE NOT EXISTS (SELECT 1 FROM fhir_alert WHERE server = $1 AND alert = now.id AND sent_as = now.as_what)
         ORDER BY id LIMIT $2",
    )
    .bind(server)
    .bind(limit)
    .fetch_all(reader)
    .await?;
    let people: Vec<&str> = rows.iter().map(|(_, person, _)| person.as_str()).collect();
    let numbers = person_numbers::of_people(reader, &people).await?;
    let mut all = Vec::new();
    for (id, person, as_what) in &rows {
        let Some(case) = cases::read(reader, cases::Which::One(id), 1).await?.pop() else { continue };
        all.push(Alert {
            case,
            number: numbers.get(person).map(|number| (number.system().to_owned(), number.whole())),
            person: person.clone(),
            record: cases::story(reader, id).await?.into_iter().find_map(|told| told.record),
            told: query_as(
                "SELECT id, since_ms, ended_ms FROM outbox
                 WHERE alert = $1 AND state = 'delivered' AND ended_ms IS NOT NULL ORDER BY since_ms, id",
            )
            .bind(id)
            .fetch_all(reader)
            .await?,
            as_what: as_what.clone(),
        });
    }
    Ok(all)
}

/// The identities of these records, as hexadecimal digits.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn identity(reader: &Reader, record: &str) -> Result<Option<String>, StoreError> {
    let identity: Option<Vec<u8>> =
        query_scalar("SELECT identity FROM record WHERE id = $1").bind(record).fetch_optional(reader).await?;
    Ok(identity.map(hex::encode))
}

/// The server has an alert as it is.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn has_alert(work: &mut Connection, server: &str, alert: &Alert) -> Result<(), StoreError> {
    query(
        "INSERT INTO fhir_alert (server, alert, sent_as) VALUES ($1, $2, $3)
         ON CONFLICT (server, alert) DO UPDATE SET sent_as = excluded.sent_as",
    )
    .bind(server)
    .bind(&alert.case.id)
    .bind(&alert.as_what)
    .execute(work)
    .await?;
    Ok(())
}

/// Where the sending to each server stands.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn standings(reader: &Reader) -> Result<Vec<(String, Standing)>, StoreError> {
    let rows = query("SELECT * FROM fhir_cursor ORDER BY server").fetch_all(reader).await?;
    let mut all = Vec::new();
    for row in &rows {
        let (server, record): (String, String) = (row.try_get("server")?, row.try_get("record")?);
        let standing = Standing {
            waiting: query_scalar("SELECT count(*) FROM record WHERE id > $1 AND kind = 'signal'")
                .bind(record)
                .fetch_one(reader)
                .await?,
            unassigned: query_scalar("SELECT count(*) FROM fhir_aside WHERE server = $1 AND why <> 'refused'")
                .bind(&server)
                .fetch_one(reader)
                .await?,
            refused: query_as(
                "SELECT record, coalesce(said, '') FROM fhir_aside WHERE server = $1 AND why = 'refused' ORDER BY record",
            )
            .bind(&server)
            .fetch_all(reader)
            .await?,
            sent_ms: row.try_get("sent_ms")?,
            attempts: row.try_get("attempts")?,
            failing_ms: row.try_get("failing_ms")?,
            said: row.try_get("said")?,
        };
        all.push((server, standing));
    }
    Ok(all)
}
