//! How far alarms have come, by the numbers that their agents know them by.
//!
//! A press may have several numbers: two boxes heard it, or a buffer took it again. Each is answered. An alarm that could
//! not be read is answered too: there is an alert that says so.

use hempuls_protocol::ids::{AgentId, Sequence};
use hempuls_protocol::wire::feedback::{AlarmState, Stage};
use sqlx::AssertSqlSafe;

use super::ledger::{unexpected, unsigned};
use super::{Reader, StoreError, query, query_scalar};

/// So many of an agent's latest alarms are spoken of. A button that is stuck makes more.
const MOST: u32 = 64;

/// The case that a row of `event` in the alarm lane is in.
const CASE: &str = "CASE
    WHEN event.record IS NOT NULL THEN
        (SELECT alert.id FROM alert_line JOIN alert ON alert.id = alert_line.alert
         WHERE alert_line.record = event.record AND alert.rule = 'alarm_pressed')
    WHEN event.disposition = 'quarantined' THEN
        (SELECT alert.id FROM alert WHERE alert.rule = 'alarm_unreadable' AND alert.about = 'agent:' || event.agent
           AND alert.opened_ms <= event.stored_ms ORDER BY alert.opened_ms DESC LIMIT 1)
    END";

/// How far an agent's alarms have come that were stored since `since_ms`, but for those closed before `closed_since_ms`.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_agent(
    reader: &Reader,
    agent: &AgentId,
    since_ms: i64,
    closed_since_ms: i64,
) -> Result<Vec<AlarmState>, StoreError> {
    let rows = query(AssertSqlSafe(format!(
        "SELECT epoch, seq, state, on_the_way_ms IS NOT NULL AS on_the_way
         FROM event JOIN alert ON alert.id = {CASE}
         WHERE event.agent = $1 AND event.lane = 'alarm' AND event.stored_ms >= $2
           AND (state <> 'closed' OR closed_ms >= $3)
         ORDER BY event.stored_ms DESC, seq DESC LIMIT $4"
    )))
    .bind(agent.as_str())
    .bind(since_ms)
    .bind(closed_since_ms)
    .bind(MOST)
    .fetch_all(reader)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(AlarmState {
                epoch: row.try_get::<&str, _>("epoch")?.parse().map_err(|_| unexpected("epoch"))?,
                sequence: Sequence(unsigned(row.try_get("seq")?)),
                stage: match (row.try_get("state")?, row.try_get("on_the_way")?) {
                    ("open", _) => Stage::Received,
                    ("claimed", false) => Stage::TakenByAPerson,
                    ("claimed", true) => Stage::OnTheWay,
                    ("closed", _) => Stage::Closed,
                    (_, _) => return Err(unexpected("state")),
                },
            })
        })
        .collect()
}

/// Those who have an alarm in this case.
///
/// # Errors
/// When the store cannot be read.
pub async fn agents_of(reader: &Reader, alert: &str) -> Result<Vec<AgentId>, StoreError> {
    let ids: Vec<String> = query_scalar(
        "SELECT event.agent FROM alert_line JOIN event ON event.record = alert_line.record AND event.lane = 'alarm'
         WHERE alert_line.alert = $1
         UNION SELECT substr(about, 7) FROM alert WHERE id = $1 AND rule = 'alarm_unreadable'",
    )
    .bind(alert)
    .fetch_all(reader)
    .await?;
    named(&ids)
}

/// Those who have an alarm in a case that this agent has an alarm in since `since_ms`; this agent among them.
///
/// # Errors
/// When the store cannot be read.
pub async fn companions(reader: &Reader, agent: &AgentId, since_ms: i64) -> Result<Vec<AgentId>, StoreError> {
    let ids: Vec<String> = query_scalar(
        "SELECT $1
         UNION SELECT theirs.agent
         FROM event AS own JOIN alert_line AS line ON line.record = own.record
              JOIN alert_line AS same ON same.alert = line.alert
              JOIN event AS theirs ON theirs.record = same.record AND theirs.lane = 'alarm'
         WHERE own.agent = $1 AND own.lane = 'alarm' AND own.stored_ms >= $2",
    )
    .bind(agent.as_str())
    .bind(since_ms)
    .fetch_all(reader)
    .await?;
    named(&ids)
}

fn named(ids: &[String]) -> Result<Vec<AgentId>, StoreError> {
    ids.iter().map(|id| id.parse().map_err(|_| unexpected("agent"))).collect()
}
