//! What becomes of a box over the years: its certificates, and what people decide about it.

use hempuls_protocol::ids::AgentId;
use rand::Rng as _;

use super::ledger::{signed, unexpected};
use super::{Connection, Reader, StoreError, books, query, query_scalar};

/// Adds another box to a home. Returns its id; none where there is no such home.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn add(work: &mut Connection, home: &str, now_ms: i64) -> Result<Option<AgentId>, StoreError> {
    let agent = AgentId::from_random(rand::rng().random());
    let added = query("INSERT INTO agent (id, home, created_ms) SELECT $1, id, $3 FROM home WHERE id = $2")
        .bind(agent.as_str())
        .bind(home)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok((added.rows_affected() == 1).then_some(agent))
}

/// Writes down the certificate that a box was given in exchange for a code. It is enrolled from here on, and whatever it
/// had before is worth nothing any more.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn enrol(
    work: &mut Connection,
    agent: &AgentId,
    serial: &str,
    expires_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    query(
        "UPDATE agent SET enrolled_ms = $2, serial = $3, certificate_expires_ms = $4,
             next_serial = NULL, next_expires_ms = NULL
         WHERE id = $1",
    )
    .bind(agent.as_str())
    .bind(now_ms)
    .bind(serial)
    .bind(expires_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Writes down the certificate that a box was given in exchange for the one it has. That one stays good until the next
/// is shown: the answer may be lost on its way.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn renew(work: &mut Connection, agent: &AgentId, serial: &str, expires_ms: i64) -> Result<(), StoreError> {
    query("UPDATE agent SET next_serial = $2, next_expires_ms = $3 WHERE id = $1")
        .bind(agent.as_str())
        .bind(serial)
        .bind(expires_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// A box has shown its next certificate: the one before is worth nothing any more.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn has_shown(work: &mut Connection, agent: &AgentId, serial: &str) -> Result<(), StoreError> {
    query(
        "UPDATE agent SET serial = next_serial, certificate_expires_ms = next_expires_ms,
             next_serial = NULL, next_expires_ms = NULL
         WHERE id = $1 AND next_serial = $2",
    )
    .bind(agent.as_str())
    .bind(serial)
    .execute(work)
    .await?;
    Ok(())
}

/// As [`has_shown`], where a broker of somebody else's has seen the certificate, and the box says when it expires.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn has_one_that_expires(work: &mut Connection, agent: &AgentId, expires_s: i64) -> Result<(), StoreError> {
    let next: Option<String> = query_scalar(
        "SELECT next_serial FROM agent WHERE id = $1 AND next_expires_ms / 1000 = $2 AND next_serial IS NOT NULL",
    )
    .bind(agent.as_str())
    .bind(expires_s)
    .fetch_optional(&mut *work)
    .await?;
    match next {
        Some(serial) => has_shown(work, agent, &serial).await,
        None => Ok(()),
    }
}

/// What a named person decides about a box.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// It is to hear nothing more, and to send what it still has.
    Retire,
    /// That was a mistake.
    Unretire,
    /// It is cut off at once.
    Revoke,
    /// What it still had will never come.
    WriteOff,
}

/// Who decides, and why.
#[derive(Copy, Clone, Debug)]
pub struct Decision<'a> {
    /// What.
    pub act: Act,
    /// Who.
    pub by: &'a str,
    /// Why.
    pub why: &'a str,
}

/// Why something cannot be decided.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// There is no such box.
    #[error("there is no box {0}; `hempuls-gateway agent list` prints them")]
    NoSuchBox(AgentId),
    /// It is so already.
    #[error("{0} is retired already")]
    Retired(AgentId),
    /// It was not retired.
    #[error("{0} is not retired")]
    NotRetired(AgentId),
    /// It is cut off, which is final.
    #[error("{0} is revoked already, and that is final: give its home another box with `hempuls-gateway home add-box`")]
    Revoked(AgentId),
    /// Only what can no longer come can be written off.
    #[error("{0} can still send what it has; only what a revoked box has can be written off")]
    NotRevoked(AgentId),
    /// There is nothing to write off.
    #[error("nothing waits in {0}")]
    NothingWaits(AgentId),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was decided about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// The box's home.
    pub home: String,
    /// Alarms that wait in it, or were written off.
    pub alarms: u64,
    /// Readings, likewise.
    pub readings: u64,
}

/// Does what was decided.
///
/// # Errors
/// [`Undecided`]. Nothing was changed then.
pub async fn decide(
    work: &mut Connection,
    agent: &AgentId,
    decision: &Decision<'_>,
    now_ms: i64,
) -> Result<Decided, Undecided> {
    let row = query("SELECT home, retired_ms, revoked_ms FROM agent WHERE id = $1")
        .bind(agent.as_str())
        .fetch_optional(&mut *work)
        .await
        .map_err(StoreError::from)?;
    let row = row.ok_or_else(|| Undecided::NoSuchBox(agent.clone()))?;
    let is_set = |column: &str| row.try_get::<Option<i64>, _>(column).map(|at| at.is_some()).map_err(StoreError::from);
    let (is_retired, is_revoked) = (is_set("retired_ms")?, is_set("revoked_ms")?);
    let home = row.try_get("home").map_err(StoreError::from)?;
    let waiting = waiting(work, agent).await?;
    let count = |lane: &str| waiting.iter().filter(|page| page.lane == lane).map(|page| page.line.waiting).sum();
    let decided = Decided { home, alarms: count("alarm"), readings: count("reading") };
    match decision.act {
        Act::WriteOff if !is_revoked => return Err(Undecided::NotRevoked(agent.clone())),
        Act::WriteOff if decided.alarms + decided.readings == 0 => return Err(Undecided::NothingWaits(agent.clone())),
        Act::WriteOff => write_off(work, &waiting, now_ms).await?,
        Act::Retire | Act::Unretire | Act::Revoke if is_revoked => return Err(Undecided::Revoked(agent.clone())),
        Act::Retire if is_retired => return Err(Undecided::Retired(agent.clone())),
        Act::Unretire if !is_retired => return Err(Undecided::NotRetired(agent.clone())),
        Act::Retire => set(work, RETIRE, agent, Some((decision, now_ms))).await?,
        Act::Unretire => set(work, RETIRE, agent, None).await?,
        Act::Revoke => set(work, REVOKE, agent, Some((decision, now_ms))).await?,
    }
    Ok(decided)
}

const RETIRE: &str = "UPDATE agent SET retired_ms = $2, retired_by = $3, retired_why = $4 WHERE id = $1";
const REVOKE: &str = "UPDATE agent SET revoked_ms = $2, revoked_by = $3, revoked_why = $4 WHERE id = $1";

async fn set(
    work: &mut Connection,
    sql: &'static str,
    agent: &AgentId,
    decided: Option<(&Decision<'_>, i64)>,
) -> Result<(), StoreError> {
    query(sql)
        .bind(agent.as_str())
        .bind(decided.map(|(_, now_ms)| now_ms))
        .bind(decided.map(|(decision, _)| decision.by))
        .bind(decided.map(|(decision, _)| decision.why))
        .execute(work)
        .await?;
    Ok(())
}

/// The books of a box in which something waits.
async fn waiting(work: &mut Connection, agent: &AgentId) -> Result<Vec<books::Page>, StoreError> {
    let mut pages = books::read(&mut *work, Some(&[agent.as_str()])).await?;
    pages.retain(|page| page.line.waiting > 0);
    Ok(pages)
}

/// Closes books: what no row tells of is lost.
async fn write_off(work: &mut Connection, pages: &[books::Page], now_ms: i64) -> Result<(), StoreError> {
    for page in pages {
        let line = &page.line;
        let lost = line.taken.saturating_sub(line.stored + line.repeated + line.quarantined + line.moved);
        query(
            "UPDATE cursor SET closed_ms = $4, last_taken = $5, lost = $6 WHERE agent = $1 AND lane = $2 AND epoch = $3",
        )
        .bind(&page.agent)
        .bind(&page.lane)
        .bind(&page.epoch)
        .bind(now_ms)
        .bind(signed(line.taken))
        .bind(signed(lost))
        .execute(&mut *work)
        .await?;
    }
    Ok(())
}

/// A box, as operators list it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Listed {
    /// Its id.
    pub agent: String,
    /// Its home's id.
    pub home: String,
    /// What that is called.
    pub home_name: String,
    /// `new` (not enrolled), `in_service`, `retired` or `revoked`.
    pub state: &'static str,
    /// Who made it so, and why.
    pub by: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// When it last said anything.
    pub last_heard_ms: Option<i64>,
    /// When its certificate expires.
    pub certificate_expires_ms: Option<i64>,
    /// Alarms that it still has, as far as it said.
    pub alarms_waiting: u64,
    /// Readings likewise.
    pub readings_waiting: u64,
}

/// Lists all boxes, home by home.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn list(reader: &Reader) -> Result<Vec<Listed>, StoreError> {
    let rows = query(
        "SELECT agent.*, home.name FROM agent JOIN home ON home.id = agent.home ORDER BY home.name, home.id, agent.created_ms",
    )
    .fetch_all(reader)
    .await?;
    let books = books::read(reader, None).await?;
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        let agent: String = row.try_get("id")?;
        let at = |column: &str| row.try_get::<Option<i64>, _>(column);
        let (state, by, why) = match (at("revoked_ms")?, at("retired_ms")?, at("enrolled_ms")?) {
            (Some(_), _, _) => ("revoked", row.try_get("revoked_by")?, row.try_get("revoked_why")?),
            (None, Some(_), _) => ("retired", row.try_get("retired_by")?, row.try_get("retired_why")?),
            (None, None, Some(_)) => ("in_service", None, None),
            (None, None, None) => ("new", None, None),
        };
        let waits = |lane: &str| {
            let of_lane = books.iter().filter(|page| page.agent == agent && page.lane == lane);
            of_lane.map(|page| page.line.waiting).sum()
        };
        listed.push(Listed {
            alarms_waiting: waits("alarm"),
            readings_waiting: waits("reading"),
            home: row.try_get("home")?,
            home_name: row.try_get("name")?,
            state,
            by,
            why,
            last_heard_ms: at("last_heard_ms")?,
            certificate_expires_ms: at("certificate_expires_ms")?,
            agent,
        });
    }
    Ok(listed)
}

/// The boxes that are cut off and that the broker still has.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn to_throw_out(reader: &Reader) -> Result<Vec<AgentId>, StoreError> {
    let ids: Vec<String> =
        query_scalar("SELECT id FROM agent WHERE revoked_ms IS NOT NULL AND connected = 1").fetch_all(reader).await?;
    ids.iter().map(|id| id.parse().map_err(|_| unexpected("id"))).collect()
}
