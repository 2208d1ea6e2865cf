//! What has really happened in homes, for whether they are in service (P10).

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::Row as _;

use super::{Reader, StoreError, query};
use crate::proof::service::{Chain, Device, Facts, Proof};

/// What has happened in these homes, by their ids.
///
/// # Errors
/// When the store cannot be read.
pub async fn facts(reader: &Reader, homes: &[&str], now_ms: i64) -> Result<BTreeMap<String, Facts>, StoreError> {
    let wanted = json!(homes).to_string();
    let mut facts: BTreeMap<String, Facts> = homes.iter().map(|home| ((*home).to_owned(), Facts::default())).collect();

    let boxes = query(
        "SELECT agent.home, enrolled_ms IS NOT NULL AS is_enrolled, proven_ms, told,
             last_heard_ms IS NULL OR EXISTS (SELECT 1 FROM silence WHERE silence.agent = agent.id AND over_ms IS NULL)
                 AS is_silent,
             (SELECT every_s FROM proof_interval WHERE kind = CASE
                  WHEN EXISTS (SELECT 1 FROM device WHERE device.home = agent.home AND device.kind = 'alarm_button'
                               AND ended_ms IS NULL) THEN 'with_alarm' ELSE 'others' END) AS every_s
         FROM agent LEFT JOIN home_proof ON home_proof.agent = agent.id
         WHERE agent.home IN (SELECT value FROM json_each($1)) AND revoked_ms IS NULL AND retired_ms IS NULL",
    )
    .bind(&wanted)
    .fetch_all(reader)
    .await?;
    for row in boxes {
        let Some(home) = facts.get_mut(row.try_get::<&str, _>("home")?) else { continue };
        home.has_box = true;
        if !row.try_get::<bool, _>("is_enrolled")? {
            continue;
        }
        let (proven_ms, every_s): (Option<i64>, Option<i64>) = (row.try_get("proven_ms")?, row.try_get("every_s")?);
        let chain = match (proven_ms, every_s) {
            (None, _) => Chain::Never,
            (Some(proven_ms), Some(every_s)) if proven_ms < now_ms - 2_000 * every_s => Chain::TooOld,
            (Some(_), _) => Chain::Proven,
        };
        let notified = row.try_get::<Option<u32>, _>("told")?.unwrap_or(0);
        let is_first = home.in_service == 0;
        home.chain = if is_first { chain } else { home.chain.min(chain) };
        home.notified = if is_first { notified } else { home.notified.min(notified) };
        home.in_service += 1;
        home.silent += u32::from(row.try_get::<bool, _>("is_silent")?);
    }

    let people = query(
        "SELECT home, count(*) AS people, count(CASE WHEN NOT EXISTS (SELECT 1 FROM plan WHERE plan.person = person.id
                 AND until_ms IS NULL) THEN 1 END) AS without_plan
         FROM person WHERE home IN (SELECT value FROM json_each($1)) GROUP BY home",
    )
    .bind(&wanted)
    .fetch_all(reader)
    .await?;
    for row in people {
        if let Some(home) = facts.get_mut(row.try_get::<&str, _>("home")?) {
            (home.people, home.without_plan) = (row.try_get("people")?, row.try_get("without_plan")?);
        }
    }

    // What it did in another home, or before it was given to this one, proves nothing here.
    let devices = query(
        "SELECT device.home, device.id, device.kind,
             EXISTS (SELECT 1 FROM assignment WHERE assignment.device = device.id AND until_ms IS NULL) AS is_assigned,
             EXISTS (SELECT 1 FROM assignment JOIN record ON record.person = assignment.person
                         AND record.device = device.id AND record.home = device.home
                     WHERE assignment.device = device.id AND assignment.until_ms IS NULL
                       AND record.stored_ms >= device.created_ms
                       AND (record.kind = 'alarm') = (device.kind = 'alarm_button')) AS has_come,
             EXISTS (SELECT 1 FROM assignment JOIN record ON record.person = assignment.person
                         AND record.device = device.id AND record.home = device.home
                     WHERE assignment.device = device.id AND assignment.until_ms IS NULL
                       AND record.stored_ms >= device.created_ms
                       AND ((device.kind = 'alarm_button' AND record.kind = 'alarm' AND EXISTS
                                (SELECT 1 FROM alert_line AS shown JOIN alert_line AS claim ON claim.alert = shown.alert
                                 WHERE shown.record = record.id AND shown.kind = 'alarm_pressed'
                                   AND claim.kind = 'claimed'))
                         OR (device.kind <> 'alarm_button' AND record.kind = 'signal' AND EXISTS
                                (SELECT 1 FROM access_log WHERE access_log.person = record.person
                                   AND action = 'opened_person' AND why = 'care' AND at_ms >= record.stored_ms))))
                 AS is_seen
         FROM device
         WHERE device.home IN (SELECT value FROM json_each($1)) AND ended_ms IS NULL ORDER BY device.id",
    )
    .bind(&wanted)
    .fetch_all(reader)
    .await?;
    for row in devices {
        let Some(home) = facts.get_mut(row.try_get::<&str, _>("home")?) else { continue };
        let proof = match (row.try_get("is_assigned")?, row.try_get("has_come")?, row.try_get("is_seen")?) {
            (false, _, _) => Proof::NobodysDevice,
            (true, _, true) => Proof::Seen,
            (true, true, false) => Proof::Stored,
            (true, false, false) => Proof::Nothing,
        };
        home.devices.push(Device { id: row.try_get("id")?, kind: row.try_get("kind")?, proof });
    }
    Ok(facts)
}

/// What has happened in one home; none where there is no such home.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_home(reader: &Reader, home: &str, now_ms: i64) -> Result<Facts, StoreError> {
    Ok(facts(reader, &[home], now_ms).await?.remove(home).unwrap_or_default())
}
