//! The books (P2): per agent, lane and epoch, what the agent says it took, and what became of it.

use hempuls_protocol::books::Line;
use hempuls_protocol::event::Content;
use serde::Serialize;

use super::ledger::unsigned;
use super::{Executor, Reader, Row, StoreError, query};

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
                COALESCE(max(event.seq), 0) AS highest
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

fn page_of(row: &Row) -> Result<Page, StoreError> {
    let number = |column: &str| -> Result<u64, StoreError> { Ok(unsigned(row.try_get(column)?)) };
    let (stored, repeated, quarantined) = (number("stored")?, number("repeated")?, number("quarantined")?);
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
