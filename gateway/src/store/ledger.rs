//! The rows behind the books: numbers, lanes, quarantine. The ingest loads from here what a batch touches, and writes
//! what it decided, in one work.

use std::collections::BTreeSet;

use hempuls_protocol::event::Previous;
use hempuls_protocol::identity::Digest;
use hempuls_protocol::ids::{AgentId, Epoch, Lane, Sequence};
use hempuls_protocol::times::{BootId, DeviceTime, Taken, Trust};
use hempuls_protocol::wire::receipt::Why;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::{Connection, Row, StoreError, query};
use crate::ingest::accept::{Clocked, Clues, Cursor, Ended, Known, LaneKey, Ledger, Numbered};

/// Consecutive numbers of a lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// Which lane.
    pub key: LaneKey,
    /// The first of them.
    pub first: Sequence,
    /// The last of them.
    pub last: Sequence,
}

/// A row of `event`: what became of one number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventRow {
    /// Whose number.
    pub key: LaneKey,
    /// Which.
    pub sequence: Sequence,
    /// What became of it.
    pub disposition: Disposition,
    /// What kind of event it is.
    pub kind: &'static str,
    /// The digest of its bytes.
    pub digest: Option<Digest>,
    /// The record it made, or repeats.
    pub record: Option<String>,
    /// The bytes of an agent's own event.
    pub content: Option<Vec<u8>>,
}

/// What became of a number.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// It is stored.
    Stored,
    /// It repeats something stored.
    Repeated,
    /// It is kept unread.
    Quarantined,
}

impl Disposition {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::Quarantined => "quarantined",
        }
    }
}

/// A row of `quarantine`: bytes under their numbers, or under none where the header could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuarantineRow {
    /// Who sent it.
    pub agent: AgentId,
    /// On which topic: a lane's word, or `status`.
    pub lane: &'static str,
    /// Under which numbers.
    pub numbers: Option<(Epoch, Sequence, Sequence)>,
    /// Why: one of the words of the table.
    pub why: &'static str,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The word for why something lies in quarantine.
#[must_use]
pub fn why_word(why: Why) -> &'static str {
    match why {
        Why::Unreadable => "unreadable",
        Why::Unstorable => "unstorable",
        Why::Forked => "forked",
    }
}

/// Loads what the store has of these numbers, and of whatever could be the same as what came under them.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn load(work: &mut Connection, spans: &[Span], clues: &[Clues]) -> Result<Ledger, StoreError> {
    let mut ledger = Ledger::default();
    let first = clues.iter().filter_map(|clue| clue.origin.as_ref()).map(|(key, _)| key);
    let keys: BTreeSet<&LaneKey> = spans.iter().map(|span| &span.key).chain(first).collect();
    load_cursors(work, &mut ledger, &keys.into_iter().collect::<Vec<_>>()).await?;
    load_numbers(work, &mut ledger, spans).await?;
    let origins: Vec<Span> = clues
        .iter()
        .filter_map(|clue| clue.origin.clone())
        .map(|(key, sequence)| Span { key, first: sequence, last: sequence })
        .collect();
    if !origins.is_empty() {
        load_numbers(work, &mut ledger, &origins).await?;
    }
    load_twins(work, &mut ledger, clues).await?;
    Ok(ledger)
}

/// Loads all lanes of these agents, open and closed: what a buffer that begins a new life can end.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn load_lives(work: &mut Connection, ledger: &mut Ledger, agents: &[&AgentId]) -> Result<(), StoreError> {
    let agents = json!(agents.iter().map(|agent| agent.as_str()).collect::<Vec<_>>()).to_string();
    let keys: Vec<LaneKey> =
        query("SELECT agent, lane, epoch FROM cursor WHERE agent IN (SELECT value FROM json_each($1))")
            .bind(agents)
            .fetch_all(&mut *work)
            .await?
            .iter()
            .map(key_of)
            .collect::<Result<_, _>>()?;
    load_cursors(work, ledger, &keys.iter().collect::<Vec<_>>()).await
}

/// Loads these lanes.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn load_cursors(work: &mut Connection, ledger: &mut Ledger, keys: &[&LaneKey]) -> Result<(), StoreError> {
    let wanted = json!(
        keys.iter()
            .map(|key| json!([key.agent.as_str(), key.lane.as_str(), key.epoch.to_string()]))
            .collect::<Vec<_>>()
    )
    .to_string();
    let rows = query(
        "WITH wanted AS (SELECT json_extract(value, '$[0]') AS agent, json_extract(value, '$[1]') AS lane,
                                json_extract(value, '$[2]') AS epoch FROM json_each($1))
         SELECT cursor.*, (SELECT string_agg(CAST(seq AS TEXT), ',') FROM event
                           WHERE event.agent = cursor.agent AND event.lane = cursor.lane AND event.epoch = cursor.epoch
                             AND seq > through) AS strays
         FROM wanted CROSS JOIN cursor
         WHERE cursor.agent = wanted.agent AND cursor.lane = wanted.lane AND cursor.epoch = wanted.epoch",
    )
    .bind(wanted)
    .fetch_all(&mut *work)
    .await?;
    for row in rows {
        let key = key_of(&row)?;
        let strays: Option<&str> = row.try_get("strays")?;
        let strays = strays.into_iter().flat_map(|strays| strays.split(','));
        let strays = strays.map(|n| n.parse().map(Sequence).map_err(|_| unexpected("strays")));
        let mut cursor = Cursor {
            through: sequence(&row, "through")?,
            strays: strays.collect::<Result<_, _>>()?,
            last_heard: sequence(&row, "last_heard")?,
            receipted_through: sequence(&row, "receipted_through")?,
            oldest_kept: sequence(&row, "oldest_kept")?,
            newest_word: newest_word(&row)?,
            forked: row.try_get::<Option<i64>, _>("forked")?.map(|n| Sequence(unsigned(n))),
            lost_restoring: 0,
            dropped_through: sequence(&row, "dropped_through")?,
            ended: None,
        };
        let lost = unsigned(row.try_get("lost")?);
        let mut lost_at_the_end = 0;
        if row.try_get::<Option<i64>, _>("closed_ms")?.is_some() {
            let taken_again: Vec<(u64, u64)> = json_column(&row, "taken_again")?;
            let last_taken: Option<i64> = row.try_get("last_taken")?;
            cursor.end(Previous {
                epoch: key.epoch,
                last_taken: last_taken.map(|n| Sequence(unsigned(n))),
                taken_again: taken_again.into_iter().map(|(from, to)| (Sequence(from), Sequence(to))).collect(),
            });
            lost_at_the_end = cursor.lost();
        }
        cursor.lost_restoring = lost.saturating_sub(lost_at_the_end);
        ledger.know_cursor(key, cursor);
    }
    Ok(())
}

async fn load_numbers(work: &mut Connection, ledger: &mut Ledger, spans: &[Span]) -> Result<(), StoreError> {
    let spans = json!(
        spans
            .iter()
            .map(|span| {
                let key = &span.key;
                json!([key.agent.as_str(), key.lane.as_str(), key.epoch.to_string(), span.first.0, span.last.0])
            })
            .collect::<Vec<_>>()
    );
    let rows = query(
        "WITH span AS (SELECT json_extract(value, '$[0]') AS agent, json_extract(value, '$[1]') AS lane,
                              json_extract(value, '$[2]') AS epoch, CAST(json_extract(value, '$[3]') AS BIGINT) AS first,
                              CAST(json_extract(value, '$[4]') AS BIGINT) AS last FROM json_each($1))
         SELECT event.agent, event.lane, event.epoch, seq, event.digest, record, disposition,
                (SELECT why FROM quarantine AS q
                 WHERE disposition = 'quarantined' AND q.agent = event.agent AND q.lane = event.lane
                   AND q.epoch = event.epoch AND q.first <= seq AND q.last >= seq AND q.why <> 'forked') AS why
         FROM span CROSS JOIN event
         WHERE event.agent = span.agent AND event.lane = span.lane AND event.epoch = span.epoch
           AND seq BETWEEN span.first AND span.last",
    )
    .bind(spans.to_string())
    .fetch_all(&mut *work)
    .await?;
    for row in rows {
        let is_quarantined = row.try_get::<&str, _>("disposition")? == "quarantined";
        let why = match row.try_get::<Option<&str>, _>("why")? {
            Some("unstorable") => Why::Unstorable,
            Some(_) | None => Why::Unreadable,
        };
        let numbered = Numbered {
            digest: digest_column(&row, "digest")?,
            quarantined: is_quarantined.then_some(why),
            record: row.try_get("record")?,
        };
        ledger.know_number(key_of(&row)?, sequence(&row, "seq")?, numbered);
    }
    Ok(())
}

async fn load_twins(work: &mut Connection, ledger: &mut Ledger, clues: &[Clues]) -> Result<(), StoreError> {
    const COLUMNS: &str = "record.id, identity, agent, device, characteristic, device_time, raw,
                           taken_boot, taken_since_boot_ms, taken_wall_ms, taken_trust,
                           record.kind = 'alarm' AND EXISTS (SELECT 1 FROM device WHERE device.id = record.device
                               AND record.stored_ms < battery_changed_ms) AS is_of_old_battery";
    let digests: BTreeSet<String> = clues.iter().flat_map(|clue| &clue.digests).map(hex::encode).collect();
    let mut rows = Vec::new();
    if !digests.is_empty() {
        let sql = format!(
            "SELECT {COLUMNS} FROM json_each($1) CROSS JOIN record
             WHERE identity = unhex(value) AND (identity_class = 'counter' OR taken_again = 1)"
        );
        rows = query(AssertSqlSafe(sql)).bind(json!(digests).to_string()).fetch_all(&mut *work).await?;
    }
    let clocked: BTreeSet<(String, String, String)> = clues
        .iter()
        .filter_map(|clue| clue.clocked.as_ref())
        .filter_map(|clock| Some((clock.device.to_string(), clock.characteristic.to_string(), clock.time?.to_string())))
        .collect();
    if !clocked.is_empty() {
        let sql = format!(
            "SELECT {COLUMNS} FROM json_each($1) CROSS JOIN record
             WHERE device = json_extract(value, '$[0]') AND characteristic = json_extract(value, '$[1]')
               AND device_time = json_extract(value, '$[2]')"
        );
        rows.extend(query(AssertSqlSafe(sql)).bind(json!(clocked).to_string()).fetch_all(&mut *work).await?);
    }
    for row in rows {
        let device: &str = row.try_get("device")?;
        let time: Option<&str> = row.try_get("device_time")?;
        ledger.know_record(Known {
            record: row.try_get("id")?,
            identity: digest_column(&row, "identity")?.ok_or_else(|| unexpected("identity"))?,
            agent: row.try_get::<&str, _>("agent")?.parse().map_err(|_| unexpected("agent"))?,
            taken: taken_columns(&row)?,
            said: Clocked {
                device: device.parse().map_err(|_| unexpected("device"))?,
                characteristic: row
                    .try_get::<&str, _>("characteristic")?
                    .parse()
                    .map_err(|_| unexpected("characteristic"))?,
                time: time
                    .map(|time| time.parse().map(DeviceTime))
                    .transpose()
                    .map_err(|_| unexpected("device_time"))?,
            },
            payload: row.try_get("raw")?,
            is_of_old_battery: row.try_get("is_of_old_battery")?,
        });
    }
    Ok(())
}

/// Writes what became of numbers. A number that was kept unread because of its neighbours gives way to what it holds.
///
/// # Errors
/// [`StoreError`], where the store fails, or refuses one of them.
pub async fn write_events(work: &mut Connection, rows: &[EventRow], now_ms: i64) -> Result<(), StoreError> {
    for rows in super::records::in_chunks(rows) {
        let mut query = super::QueryBuilder::new(
            "INSERT INTO event (agent, lane, epoch, seq, disposition, kind, digest, record, content, stored_ms) ",
        );
        query.push_values(rows, |mut values, row| {
            values
                .push_bind(row.key.agent.as_str())
                .push_bind(row.key.lane.as_str())
                .push_bind(row.key.epoch.to_string())
                .push_bind(signed(row.sequence.0))
                .push_bind(row.disposition.as_str())
                .push_bind(row.kind)
                .push_bind(row.digest.as_ref().map(|digest| digest.as_slice()))
                .push_bind(row.record.as_deref())
                .push_bind(row.content.as_deref())
                .push_bind(now_ms);
        });
        query.push(
            " ON CONFLICT (agent, lane, epoch, seq) DO UPDATE SET disposition = excluded.disposition, kind = excluded.kind,
              digest = excluded.digest, record = excluded.record, content = excluded.content
              WHERE event.digest IS NULL",
        );
        query.build().execute(&mut *work).await?;
    }
    Ok(())
}

/// Keeps bytes. The same bytes under the same numbers are kept once. Says whether they are new.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn write_quarantine(work: &mut Connection, row: &QuarantineRow, now_ms: i64) -> Result<bool, StoreError> {
    let (epoch, first, last) = match row.numbers {
        Some((epoch, first, last)) => (epoch.to_string(), first.0, last.0),
        None => (String::new(), 0, 0),
    };
    let written = query(
        "INSERT INTO quarantine (id, agent, lane, epoch, first, last, why, digest, bytes, at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
    )
    .bind(super::new_id(now_ms))
    .bind(row.agent.as_str())
    .bind(row.lane)
    .bind(epoch)
    .bind(signed(first))
    .bind(signed(last))
    .bind(row.why)
    .bind(row.digest.as_slice())
    .bind(&row.bytes)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(written.rows_affected() > 0)
}

/// Writes the books of a lane.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn write_cursor(
    work: &mut Connection,
    key: &LaneKey,
    cursor: &Cursor,
    now_ms: i64,
) -> Result<(), StoreError> {
    let ended = cursor.ended.as_ref();
    let taken_again = ended.map(|Ended { previous, .. }| {
        json!(previous.taken_again.iter().map(|(from, to)| (from.0, to.0)).collect::<Vec<_>>()).to_string()
    });
    query(
        "INSERT INTO cursor (agent, lane, epoch, opened_ms, through, last_heard, receipted_through, oldest_kept,
                             closed_ms, last_taken, taken_again, moved, lost, word_boot, word_since_boot_ms,
                             forked)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (agent, lane, epoch) DO UPDATE SET through = excluded.through, last_heard = excluded.last_heard,
             receipted_through = excluded.receipted_through, oldest_kept = excluded.oldest_kept,
             closed_ms = COALESCE(cursor.closed_ms, excluded.closed_ms), last_taken = excluded.last_taken,
             taken_again = excluded.taken_again, moved = excluded.moved, lost = excluded.lost,
             word_boot = excluded.word_boot, word_since_boot_ms = excluded.word_since_boot_ms,
             forked = excluded.forked",
    )
    .bind(key.agent.as_str())
    .bind(key.lane.as_str())
    .bind(key.epoch.to_string())
    .bind(now_ms)
    .bind(signed(cursor.through.0))
    .bind(signed(cursor.last_heard.0))
    .bind(signed(cursor.receipted_through.0))
    .bind(signed(cursor.oldest_kept.0))
    .bind(ended.map(|_| now_ms))
    .bind(ended.and_then(|ended| ended.previous.last_taken).map(|last| signed(last.0)))
    .bind(taken_again)
    .bind(ended.map_or(0, |ended| signed(ended.closed.moved)))
    .bind(signed(cursor.lost()))
    .bind(cursor.newest_word.map(|(boot, _)| boot.0.to_vec()))
    .bind(cursor.newest_word.map(|(_, since_boot_ms)| signed(since_boot_ms)))
    .bind(cursor.forked.map(|from| signed(from.0)))
    .execute(work)
    .await?;
    Ok(())
}

/// When the agent's newest word was said, by its clock.
fn newest_word(row: &Row) -> Result<Option<(BootId, u64)>, StoreError> {
    let boot: Option<Vec<u8>> = row.try_get("word_boot")?;
    let since_boot_ms: Option<i64> = row.try_get("word_since_boot_ms")?;
    let Some((boot, since_boot_ms)) = boot.zip(since_boot_ms) else { return Ok(None) };
    Ok(Some((BootId(boot.try_into().map_err(|_| unexpected("word_boot"))?), unsigned(since_boot_ms))))
}

/// The three clocks of an agent in a row's columns `taken_…`.
pub(super) fn taken_columns(row: &Row) -> Result<Taken, StoreError> {
    let boot: Vec<u8> = row.try_get("taken_boot")?;
    Ok(Taken {
        boot: BootId(boot.try_into().map_err(|_| unexpected("taken_boot"))?),
        since_boot_ms: unsigned(row.try_get("taken_since_boot_ms")?),
        wall_ms: row.try_get("taken_wall_ms")?,
        trust: match row.try_get("taken_trust")? {
            "synchronised" => Trust::Synchronised,
            "estimated" => Trust::Estimated,
            _ => Trust::Unknown,
        },
    })
}

/// The word for how far a clock can be trusted.
#[must_use]
pub fn trust_word(trust: Trust) -> &'static str {
    match trust {
        Trust::Unknown => "unknown",
        Trust::Estimated => "estimated",
        Trust::Synchronised => "synchronised",
    }
}

/// SQLite's whole numbers have a sign. No agent lives to give out 2^63 numbers.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn sequence(row: &Row, column: &str) -> Result<Sequence, StoreError> {
    Ok(Sequence(unsigned(row.try_get(column)?)))
}

fn key_of(row: &Row) -> Result<LaneKey, StoreError> {
    let word = |column: &'static str| -> Result<String, StoreError> { Ok(row.try_get(column)?) };
    Ok(LaneKey {
        agent: word("agent")?.parse().map_err(|_| unexpected("agent"))?,
        lane: word("lane")?.parse::<Lane>().map_err(|_| unexpected("lane"))?,
        epoch: word("epoch")?.parse().map_err(|_| unexpected("epoch"))?,
    })
}

fn digest_column(row: &Row, column: &'static str) -> Result<Option<Digest>, StoreError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    bytes.map(|bytes| bytes.try_into().map_err(|_| unexpected(column))).transpose()
}

fn json_column<T: serde::de::DeserializeOwned>(row: &Row, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(row.try_get(column)?).map_err(|_| unexpected(column))
}

/// A value that this program never writes: somebody else did, or the file is damaged.
pub(super) fn unexpected(column: &str) -> StoreError {
    StoreError::Fault(sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a value no gateway writes".into(),
    })
}
