//! What has really happened in homes, for whether they are in service (P10).

use std::collections::BTreeMap;

use serde_json::json;

use super::home_proofs::{self, HomeProof};
use super::{Reader, StoreError, query};
use crate::clock;
use crate::proof::homes::Config;
use crate::proof::service::{Chain, Device, Facts, Proof};

/// What has happened in these homes, by their ids.
///
/// # Errors
/// When the store cannot be read.
pub async fn facts(
    reader: &Reader,
    homes: &[&str],
    config: &Config,
    now_ms: i64,
) -> Result<BTreeMap<String, Facts>, StoreError> {
    let wanted = json!(homes).to_string();
    let mut facts: BTreeMap<String, Facts> = homes.iter().map(|home| ((*home).to_owned(), Facts::default())).collect();

    let boxes = query(
        "SELECT agent.home, enrolled_ms IS NOT NULL AS is_enrolled, came_ms, told, stopped, proven_ms,
             last_heard_ms IS NULL OR EXISTS (SELECT 1 FROM silence WHERE silence.agent = agent.id AND over_ms IS NULL)
                 AS is_silent
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
        let chain = chain(home_proofs::of_row(&row)?, config, now_ms);
        home.chain = if home.in_service == 0 { chain } else { std::mem::take(&mut home.chain).min(chain) };
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

    // What it did in another home, or before it was given to this one, proves nothing here. Whoever opened a person's page was
    // shown her newest readings: what was stored before then has been seen.
    let devices = query(
        "SELECT device.home, device.id, device.kind,
             EXISTS (SELECT 1 FROM assignment WHERE assignment.device = device.id AND until_ms IS NULL) AS is_assigned,
             EXISTS (SELECT 1 FROM assignment JOIN record ON record.person = assignment.person
                         AND record.device = device.id AND record.home = device.home
                     WHERE assignment.device = device.id AND assignment.until_ms IS NULL
                       AND record.stored_ms >= device.created_ms
                       AND (record.kind = 'alarm') = (device.kind = 'alarm_button')) AS has_come,
             CASE WHEN device.kind = 'alarm_button' THEN
                 EXISTS (SELECT 1 FROM assignment JOIN record ON record.person = assignment.person
                             AND record.device = device.id AND record.home = device.home AND record.kind = 'alarm'
                         JOIN alert_line AS pressed ON pressed.record = record.id AND pressed.kind = 'alarm_pressed'
                         JOIN alert_line AS closed ON closed.alert = pressed.alert AND closed.kind = 'closed'
                             AND closed.place > pressed.place
                         WHERE assignment.device = device.id AND assignment.until_ms IS NULL
                           AND record.stored_ms >= device.created_ms)
             ELSE
                 EXISTS (SELECT 1 FROM assignment JOIN record ON record.person = assignment.person
                             AND record.device = device.id AND record.home = device.home AND record.kind = 'signal'
                         WHERE assignment.device = device.id AND assignment.until_ms IS NULL
                           AND record.stored_ms >= device.created_ms
                           AND record.stored_ms <= (SELECT max(at_ms) FROM access_log
                               WHERE access_log.person = assignment.person AND action = 'opened_person' AND why = 'care'))
                 OR EXISTS (SELECT 1 FROM assignment JOIN record ON record.person = assignment.person
                             AND record.device = device.id AND record.home = device.home AND record.kind = 'signal'
                         JOIN alert_line ON alert_line.record = record.id
                         JOIN alert_shown ON alert_shown.alert = alert_line.alert AND shown_ms >= alert_line.at_ms
                         WHERE assignment.device = device.id AND assignment.until_ms IS NULL
                           AND record.stored_ms >= device.created_ms)
             END AS is_seen
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

/// What has happened in one home.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_home(reader: &Reader, home: &str, config: &Config, now_ms: i64) -> Result<Facts, StoreError> {
    Ok(facts(reader, &[home], config, now_ms).await?.remove(home).unwrap_or_default())
}

fn chain(proof: Option<HomeProof>, config: &Config, now_ms: i64) -> Chain {
    if config.every_s().is_none() {
        return Chain::NotAsked;
    }
    let Some(HomeProof { proven_ms, stopped, .. }) = proof else { return Chain::Never };
    match (stopped, proven_ms) {
        (Some(stop), _) => Chain::Stopped(stop),
        (None, None) => Chain::Never,
        (None, Some(proven_ms)) if now_ms - proven_ms >= clock::millis(config.too_old) => Chain::TooOld,
        (None, Some(_)) => Chain::Proven,
    }
}
