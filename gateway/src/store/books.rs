//! The books (P2): per agent, lane and epoch, what the agent says it took, and what became of it.

use hempuls_protocol::books::Line;
use hempuls_protocol::event::Content;
use serde::Serialize;

use super::ledger::unsigned;
use super::{Connection, Executor, Reader, Row, StoreError, query, query_scalar};
use crate::alerts::rules::books_do_not_balance::Seen;

/// The books of one lane in one epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Page {
    /// In which home.
    pub home: String,
    /// Which box.
    pub agent: String,
    /// Which lane.
    pub lane: String,
    /// Which life of its buffer.
    pub epoch: String,
    /// Whether that life is over.
    pub closed: bool,
    /// The numbers.
    #[serde(flatten)]
    pub line: Line,
    /// Whether they add up.
    pub balanced: bool,
    /// Since when the oldest of those that wait has waited.
    pub oldest_waiting_ms: Option<i64>,
    /// Whether the broker has the box now.
    pub connected: bool,
    /// When the box last said anything.
    #[serde(skip)]
    pub heard_ms: Option<i64>,
}

/// Reads the books of these agents, or of all. Stored, repeated and quarantined are counted from the rows; taken and
/// waiting are what the agent says: waiting is every number above both what it will not send again and what the store
/// has, that has no row yet.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn read(reader: impl Executor<'_>, agents: Option<&[&str]>) -> Result<Vec<Page>, StoreError> {
    let rows = query(
        "SELECT min(agent.home) AS home, max(agent.connected) AS connected, max(agent.last_heard_ms) AS last_heard_ms, cursor.*,
                count(event.seq) FILTER (WHERE disposition = 'stored') AS stored,
                count(event.seq) FILTER (WHERE disposition = 'repeated') AS repeated,
                count(event.seq) FILTER (WHERE disposition = 'quarantined') AS quarantined,
                count(event.seq) FILTER (WHERE seq > through AND seq > receipted_through) AS ahead,
                COALESCE(max(event.seq), cursor.dropped_through) AS highest
         FROM cursor JOIN agent ON agent.id = cursor.agent LEFT JOIN event USING (agent, lane, epoch)
         WHERE CAST($1 AS TEXT) IS NULL OR cursor.agent IN (SELECT value FROM json_each($1))
         GROUP BY cursor.agent, cursor.lane, cursor.epoch
         ORDER BY home, cursor.agent, cursor.opened_ms, cursor.lane",
    )
    .bind(agents.map(|agents| serde_json::json!(agents).to_string()))
    .fetch_all(reader)
    .await?;
    rows.iter().map(page_of).collect()
}

/// Something that an agent said of itself: it is in the books as stored, and makes no record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Which agent.
    pub agent: String,
    /// In which lane.
    pub lane: String,
    /// When it was stored.
    pub stored_ms: i64,
    /// What it said.
    pub content: Content,
}

/// What agents last said of themselves: at most so many entries of each, the newest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn entries(reader: &Reader, agents: &[&str], most: u32) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for agent in agents {
        let rows = query(
            "SELECT agent, lane, stored_ms, content FROM event
             WHERE agent = $1 AND kind IN ('began', 'refused', 'device_trouble', 'buffer_damaged', 'time_correction')
             ORDER BY stored_ms DESC, epoch, lane, seq DESC LIMIT $2",
        )
        .bind(*agent)
        .bind(most)
        .fetch_all(reader)
        .await?;
        for row in rows {
            let content: Option<&[u8]> = row.try_get("content")?;
            if let Some(content) = content.and_then(|bytes| Content::from_bytes(bytes).ok()) {
                entries.push(Entry {
                    agent: row.try_get("agent")?,
                    lane: row.try_get("lane")?,
                    stored_ms: row.try_get("stored_ms")?,
                    content,
                });
            }
        }
    }
    Ok(entries)
}

/// The boxes whose books have not been looked at since a moment, or, where they differed, since another; those that have waited
/// longest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn due(reader: &Reader, before_ms: i64, if_differing_ms: i64, most: u32) -> Result<Vec<String>, StoreError> {
    Ok(query_scalar(
        "SELECT agent.id FROM agent LEFT JOIN books_look ON books_look.agent = agent.id
         WHERE books_look.at_ms IS NULL OR books_look.at_ms <= $1
            OR books_look.at_ms <= $2
               AND EXISTS (SELECT 1 FROM books_difference WHERE books_difference.agent = agent.id)
         ORDER BY COALESCE(books_look.at_ms, 0), agent.id LIMIT $3",
    )
    .bind(before_ms)
    .bind(if_differing_ms)
    .bind(i64::from(most))
    .fetch_all(reader)
    .await?)
}

/// The books of these boxes were looked at.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn looked(work: &mut Connection, agents: &[&str], now_ms: i64) -> Result<(), StoreError> {
    for agent in agents {
        query(
            "INSERT INTO books_look (agent, at_ms) VALUES ($1, $2)
             ON CONFLICT (agent) DO UPDATE SET at_ms = excluded.at_ms",
        )
        .bind(*agent)
        .bind(now_ms)
        .execute(&mut *work)
        .await?;
    }
    Ok(())
}

/// A difference that was seen before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn seen(work: &mut Connection, page: &Page) -> Result<Option<Seen>, StoreError> {
    let row =
        query("SELECT missing, since_ms, was_told FROM books_difference WHERE agent = $1 AND lane = $2 AND epoch = $3")
            .bind(&page.agent)
            .bind(&page.lane)
            .bind(&page.epoch)
            .fetch_optional(work)
            .await?;
    let seen = row.map(|row| {
        Ok(Seen {
            missing: row.try_get("missing")?,
            since_ms: row.try_get("since_ms")?,
            was_told: row.try_get("was_told")?,
        })
    });
    seen.transpose()
}

/// Keeps a difference.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn remember(work: &mut Connection, page: &Page, seen: Seen) -> Result<(), StoreError> {
    query(
        "INSERT INTO books_difference (agent, lane, epoch, missing, since_ms, was_told) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (agent, lane, epoch) DO UPDATE SET missing = excluded.missing, since_ms = excluded.since_ms,
             was_told = excluded.was_told",
    )
    .bind(&page.agent)
    .bind(&page.lane)
    .bind(&page.epoch)
    .bind(seen.missing)
    .bind(seen.since_ms)
    .bind(seen.was_told)
    .execute(work)
    .await?;
    Ok(())
}

/// There is none any more.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn forget(work: &mut Connection, page: &Page) -> Result<(), StoreError> {
    query("DELETE FROM books_difference WHERE agent = $1 AND lane = $2 AND epoch = $3")
        .bind(&page.agent)
        .bind(&page.lane)
        .bind(&page.epoch)
        .execute(work)
        .await?;
    Ok(())
}

fn page_of(row: &Row) -> Result<Page, StoreError> {
    let number = |column: &str| -> Result<u64, StoreError> { Ok(unsigned(row.try_get(column)?)) };
    let all = |rows: &str, dropped: &str| -> Result<u64, StoreError> { Ok(number(rows)? + number(dropped)?) };
    let stored = all("stored", "dropped_stored")?;
    let (repeated, quarantined) = (all("repeated", "dropped_repeated")?, all("quarantined", "dropped_quarantined")?);
    let (moved, lost) = (number("moved")?, number("lost")?);
    let closed = row.try_get::<Option<i64>, _>("closed_ms")?.is_some();
    let through = number("through")?;
    let line = if closed {
        let last_taken: Option<i64> = row.try_get("last_taken")?;
        let taken = last_taken.map_or(number("last_heard")?, unsigned).max(through).max(number("highest")?);
        Line { taken, stored, repeated, quarantined, moved, lost, waiting: 0 }
    } else {
        let taken = number("last_heard")?.max(through);
        let settled = through.max(number("receipted_through")?);
        let waiting = taken.saturating_sub(settled).saturating_sub(number("ahead")?);
        Line { taken, stored, repeated, quarantined, moved, lost, waiting }
    };
    Ok(Page {
        home: row.try_get("home")?,
        agent: row.try_get("agent")?,
        lane: row.try_get("lane")?,
        epoch: row.try_get("epoch")?,
        closed,
        balanced: line.is_balanced(),
        line,
        oldest_waiting_ms: row.try_get("oldest_waiting_ms")?,
        connected: row.try_get("connected")?,
        heard_ms: row.try_get("last_heard_ms")?,
    })
}
