//! What is known of the clocks of boxes and devices, and the records whose dates depend on it.

use std::collections::HashMap;

use hempuls_protocol::devices::{Characteristic, Dialect};
use hempuls_protocol::event::{DeviceClock, TimeCorrection, TimeSource};
use hempuls_protocol::ids::AgentId;
use hempuls_protocol::times::{BootId, Taken};
use jiff::civil::DateTime;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::ledger::{signed, taken_columns, trust_word, unexpected, unsigned};
use super::records::Measured;
use super::{Connection, Row, StoreError, query};
use crate::ingest::dating::Boot;

/// One boot of one box.
pub type BootKey = (AgentId, BootId);

/// One connection of a device to a box.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionKey {
    /// Whose box.
    pub agent: AgentId,
    /// In which of its boots.
    pub boot: BootId,
    /// Which device.
    pub device: String,
    /// Which connection.
    pub session: u32,
}

/// What a device's clock showed at a moment of the agent's clocks.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// What it showed.
    pub time: DateTime,
    /// When, by the agent's clocks.
    pub taken: Taken,
    /// It was set right after that.
    pub was_set: bool,
}

/// What is known of these boots.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn boots(work: &mut Connection, keys: &[BootKey]) -> Result<HashMap<BootKey, Boot>, StoreError> {
    let wanted = json!(keys.iter().map(|(agent, boot)| (agent.as_str(), hex::encode(boot.0))).collect::<Vec<_>>());
    let rows = query(
        "SELECT boot.* FROM json_each($1) CROSS JOIN boot
         WHERE agent = json_extract(value, '$[0]') AND boot = unhex(json_extract(value, '$[1]')) AND withdrawn_ms IS NULL ORDER BY since_boot_ms",
    )
    .bind(wanted.to_string())
    .fetch_all(work)
    .await?;
    let mut boots: HashMap<BootKey, Boot> = HashMap::new();
    for row in rows {
        let agent = row.try_get::<&str, _>("agent")?.parse().map_err(|_| unexpected("agent"))?;
        let known = boots.entry((agent, boot_column(&row, "boot")?)).or_default();
        let began_ms = Some(row.try_get("began_ms")?);
        match row.try_get::<&str, _>("by")? {
            // The last time that it was set counts.
            "agent" => known.by_agent_ms = began_ms,
            _ => known.by_us_ms = began_ms,
        }
    }
    Ok(boots)
}

/// Notes when a box was booted, by our clock.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_boot(
    work: &mut Connection,
    (agent, boot): &BootKey,
    began_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO boot (agent, boot, by, since_boot_ms, began_ms, trust, learned_ms)
         VALUES ($1, $2, 'gateway', 0, $3, 'synchronised', $4)
         ON CONFLICT (agent, boot, by, since_boot_ms) DO UPDATE SET began_ms = excluded.began_ms, learned_ms = excluded.learned_ms",
    )
    .bind(agent.as_str())
    .bind(boot.0.as_slice())
    .bind(began_ms)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Notes that a box's clock was set, at the moment of `taken`.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_correction(
    work: &mut Connection,
    agent: &AgentId,
    taken: &Taken,
    correction: &TimeCorrection,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Some(wall_ms) = taken.wall_ms else { return Ok(()) };
    query(
        "INSERT INTO boot (agent, boot, by, since_boot_ms, began_ms, trust, source, before_ms, trust_before, learned_ms)
         VALUES ($1, $2, 'agent', $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(agent.as_str())
    .bind(taken.boot.0.as_slice())
    .bind(signed(taken.since_boot_ms))
    .bind(wall_ms.saturating_sub_unsigned(taken.since_boot_ms))
    .bind(trust_word(taken.trust))
    .bind(match correction.source {
        TimeSource::System => "system",
        TimeSource::Gateway => "gateway",
    })
    .bind(correction.before_ms)
    .bind(trust_word(correction.trust_before))
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Notes what a device's clock showed.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_look(
    work: &mut Connection,
    agent: &AgentId,
    taken: &Taken,
    clock: &DeviceClock,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO device_clock (agent, device, taken_boot, taken_since_boot_ms, taken_wall_ms, taken_trust, session,
                                   shown, set_to)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(agent.as_str())
    .bind(clock.device.to_string())
    .bind(taken.boot.0.as_slice())
    .bind(signed(taken.since_boot_ms))
    .bind(taken.wall_ms)
    .bind(trust_word(taken.trust))
    .bind(clock.session)
    .bind(clock.shown.map(|time| time.to_string()))
    .bind(clock.set_to.map(|time| time.to_string()))
    .execute(work)
    .await?;
    Ok(())
}

/// What the clocks of devices showed in these connections: of several looks in one, the last.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn looks(work: &mut Connection, keys: &[SessionKey]) -> Result<HashMap<SessionKey, Shown>, StoreError> {
    let wanted: Vec<_> =
        keys.iter().map(|key| (key.agent.as_str(), &key.device, hex::encode(key.boot.0), key.session)).collect();
    let rows = query(
        "SELECT device_clock.* FROM json_each($1) CROSS JOIN device_clock
         WHERE agent = json_extract(value, '$[0]') AND device = json_extract(value, '$[1]')
           AND taken_boot = unhex(json_extract(value, '$[2]')) AND session = CAST(json_extract(value, '$[3]') AS BIGINT)
           AND shown IS NOT NULL ORDER BY taken_since_boot_ms",
    )
    .bind(json!(wanted).to_string())
    .fetch_all(work)
    .await?;
    let look = |row: &Row| -> Result<(SessionKey, Shown), StoreError> {
        let taken = taken_columns(row)?;
        let key = SessionKey {
            agent: row.try_get::<&str, _>("agent")?.parse().map_err(|_| unexpected("agent"))?,
            boot: taken.boot,
            device: row.try_get("device")?,
            session: row.try_get("session")?,
        };
        let time = row.try_get::<&str, _>("shown")?.parse().map_err(|_| unexpected("shown"))?;
        Ok((key, Shown { time, taken, was_set: row.try_get::<Option<&str>, _>("set_to")?.is_some() }))
    };
    rows.iter().map(look).collect()
}

/// A record, as far as its date depends on it.
#[derive(Clone, Debug)]
pub struct Dated {
    /// Its id.
    pub id: String,
    /// Whether it is an alarm.
    pub is_alarm: bool,
    /// Which device.
    pub device: String,
    /// Which of its users.
    pub slot: Option<u8>,
    /// On which characteristic.
    pub characteristic: Characteristic,
    /// How its model departs from the standard.
    pub dialect: Dialect,
    /// As received.
    pub raw: Vec<u8>,
    /// Whether it is a minute of a stream.
    pub is_minute: bool,
    /// In which connection it came.
    pub session: Option<u32>,
    /// Whose box took it.
    pub agent: AgentId,
    /// When, by the agent's clocks.
    pub taken: Taken,
    /// When it was stored.
    pub stored_ms: i64,
    /// Its date.
    pub measured_ms: Option<i64>,
    /// Whose it is.
    pub person: Option<String>,
}

const DATED: &str = "SELECT id, kind, device, slot, characteristic, dialect, raw, span_ms, session, agent, taken_boot,
                            taken_since_boot_ms, taken_wall_ms, taken_trust, stored_ms, measured_ms, person FROM record";

/// The records of a boot that no time server vouched for.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn records_of_boot(work: &mut Connection, (agent, boot): &BootKey) -> Result<Vec<Dated>, StoreError> {
    let sql = format!("{DATED} WHERE agent = $1 AND taken_boot = $2 AND taken_trust <> 'synchronised'");
    let query = query(AssertSqlSafe(sql)).bind(agent.as_str()).bind(boot.0.as_slice());
    query.fetch_all(work).await?.iter().map(dated_of).collect()
}

/// The records of one connection.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn records_of_session(work: &mut Connection, key: &SessionKey) -> Result<Vec<Dated>, StoreError> {
    let sql = format!("{DATED} WHERE device = $1 AND session = $2 AND agent = $3 AND taken_boot = $4");
    let query = query(AssertSqlSafe(sql))
        .bind(&key.device)
        .bind(key.session)
        .bind(key.agent.as_str())
        .bind(key.boot.0.as_slice());
    query.fetch_all(work).await?.iter().map(dated_of).collect()
}

fn dated_of(row: &Row) -> Result<Dated, StoreError> {
    let word = |column: &'static str| -> Result<&str, StoreError> { Ok(row.try_get(column)?) };
    Ok(Dated {
        id: row.try_get("id")?,
        is_alarm: word("kind")? == "alarm",
        device: row.try_get("device")?,
        slot: row.try_get("slot")?,
        characteristic: word("characteristic")?.parse().map_err(|_| unexpected("characteristic"))?,
        dialect: word("dialect")?.parse().map_err(|_| unexpected("dialect"))?,
        raw: row.try_get("raw")?,
        is_minute: row.try_get::<Option<i64>, _>("span_ms")?.is_some(),
        session: row.try_get("session")?,
        agent: word("agent")?.parse().map_err(|_| unexpected("agent"))?,
        taken: taken_columns(row)?,
        stored_ms: row.try_get("stored_ms")?,
        measured_ms: row.try_get("measured_ms")?,
        person: row.try_get("person")?,
    })
}

/// Dates a record anew. What it was dated by stays where it is.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn date_anew(
    work: &mut Connection,
    record: &str,
    measured: Option<Measured>,
    person: Option<&str>,
) -> Result<(), StoreError> {
    // Whose it is by a named person's word does not change with a clock.
    query(
        "UPDATE record SET measured_ms = $2, measured_by = $3, is_ambiguous = $4,
             person = CASE WHEN attribution IS NULL THEN $5 ELSE person END
         WHERE id = $1",
    )
    .bind(record)
    .bind(measured.map(|measured| measured.at_ms))
    .bind(measured.map(|measured| measured.by.as_str()))
    .bind(measured.is_some_and(|measured| measured.is_ambiguous))
    .bind(person)
    .execute(&mut *work)
    .await?;
    super::fhir::changed(work, record).await
}

/// One time that a box's clock was set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Correction {
    /// Whose box.
    pub agent: AgentId,
    /// In which of its boots.
    pub boot: BootId,
    /// When, in milliseconds since that boot.
    pub since_boot_ms: u64,
    /// What the clock showed then, milliseconds since 1970.
    pub after_ms: i64,
    /// What it would have shown otherwise.
    pub before_ms: i64,
    /// Who set it: `system` or `gateway`.
    pub source: String,
    /// When it was taken back, if it was.
    pub withdrawn_ms: Option<i64>,
}

/// Every time that a box's clock was set, newest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn corrections(work: &mut Connection, agent: &AgentId) -> Result<Vec<Correction>, StoreError> {
    let rows = query("SELECT * FROM boot WHERE agent = $1 AND by = 'agent' ORDER BY learned_ms DESC")
        .bind(agent.as_str())
        .fetch_all(work)
        .await?;
    rows.iter()
        .map(|row| {
            let since_boot_ms = unsigned(row.try_get("since_boot_ms")?);
            Ok(Correction {
                agent: agent.clone(),
                boot: boot_column(row, "boot")?,
                since_boot_ms,
                after_ms: row.try_get::<i64, _>("began_ms")?.saturating_add_unsigned(since_boot_ms),
                before_ms: row.try_get("before_ms")?,
                source: row.try_get("source")?,
                withdrawn_ms: row.try_get("withdrawn_ms")?,
            })
        })
        .collect()
}

/// Takes a correction back, or counts it again. Says whether there is one that this changes.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn withdraw(
    work: &mut Connection,
    (agent, boot): &BootKey,
    since_boot_ms: u64,
    withdrawn: Option<(&str, i64)>,
) -> Result<bool, StoreError> {
    let changed = query(
        "UPDATE boot SET withdrawn_ms = $4, withdrawn_by = $5
         WHERE agent = $1 AND boot = $2 AND by = 'agent' AND since_boot_ms = $3
           AND (withdrawn_ms IS NULL) = (CAST($4 AS BIGINT) IS NOT NULL)",
    )
    .bind(agent.as_str())
    .bind(boot.0.as_slice())
    .bind(signed(since_boot_ms))
    .bind(withdrawn.map(|(_, at_ms)| at_ms))
    .bind(withdrawn.map(|(by, _)| by))
    .execute(work)
    .await?;
    Ok(changed.rows_affected() > 0)
}

fn boot_column(row: &Row, column: &'static str) -> Result<BootId, StoreError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    Ok(BootId(bytes.try_into().map_err(|_| unexpected(column))?))
}
