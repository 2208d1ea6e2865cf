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
                       AND (record.kind = 'alarm') = (device.kind = 'alarm_button')
                       AND unreadable IS NULL) AS has_come,
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
                             AND unreadable IS NULL
                         WHERE assignment.device = device.id AND assignment.until_ms IS NULL
                           AND record.stored_ms >= device.created_ms
                           AND record.stored_ms <= (SELECT max(at_ms) FROM access_log
                               WHERE access_log.person = assignment.person AND action = 'opened_person' AND why = 'care'))
                 OR EXISTS (SELECT 1 FROM assignment JOIN record ON record.person = assignment.person
                             AND record.device = device.id AND record.home = device.home AND record.kind = 'signal'
                             AND unreadable IS NULL
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

#[cfg(test)]
mod tests {
    use hempuls_protocol::identity::Identity;
    use hempuls_protocol::ids::AgentId;
    use hempuls_protocol::times::{BootId, Taken, Trust};
    use jiff::Timestamp;

    use super::*;
    use crate::alerts::outcome::Outcome;
    use crate::alerts::rules::alarm_pressed;
    use crate::alerts::{self, About, Act, Concern};
    use crate::store::access_log::{self, Action, Look, Looker};
    use crate::store::assignments::{self, Assignment};
    use crate::store::devices::{self, NewDevice};
    use crate::store::records::{self, Clock, Measured, NewRecord, Press};
    use crate::store::tests::{Place, fresh};
    use crate::store::{Connection, Store, alerts as cases, homes, shown};

    const CUFF: &str = "C0:00:00:00:00:01";
    const BUTTON: &str = "B0:00:00:00:00:01";

    #[tokio::test]
    async fn a_reading_is_seen_once_a_member_opened_her_page_for_care_after_it_came_and_not_by_anybody_else() {
        let home = Home::with(CUFF, "blood_pressure").await;
        assert_eq!(home.proof().await, Proof::NobodysDevice);
        let (ada, bo) = (home.person("Ada").await, home.person("Bo").await);
        home.assign(CUFF, &ada).await;
        home.comes(CUFF, Some(&bo), 2_000, None).await;
        home.comes(CUFF, None, 2_100, None).await;
        home.comes(CUFF, Some(&ada), 500, None).await;
        home.comes(CUFF, Some(&ada), 2_200, Some("a byte is missing")).await;
        assert_eq!(
            home.proof().await,
            Proof::Nothing,
            "of somebody else, from before it was this home's, or nothing at all"
        );

        home.looks(&ada, Action::OpenedPerson, "care", 2_999).await;
        home.comes(CUFF, Some(&ada), 3_000, None).await;
        assert_eq!(home.proof().await, Proof::Stored);
        home.looks(&ada, Action::OpenedPerson, "operation", 3_001).await;
        home.looks(&ada, Action::OpenedPlan, "care", 3_001).await;
        home.looks(&bo, Action::OpenedPerson, "care", 3_001).await;
        assert_eq!(home.proof().await, Proof::Stored, "a program, another page, another person");
        home.looks(&ada, Action::OpenedPerson, "care", 3_002).await;
        assert_eq!(home.proof().await, Proof::Seen);
    }

    #[tokio::test]
    async fn a_reading_is_seen_once_an_alert_that_shows_it_was_before_somebodys_eyes() {
        let home = Home::with(CUFF, "blood_pressure").await;
        let ada = home.person("Ada").await;
        home.assign(CUFF, &ada).await;
        let record = home.comes(CUFF, Some(&ada), 3_000, None).await;
        let alert = home.raise(&ada, &record, 3_000).await;
        assert_eq!(home.proof().await, Proof::Stored);
        home.change(async |work| assert!(shown::note(work, &alert, 3_000, "Anna", 4_000).await.unwrap())).await;
        assert_eq!(home.proof().await, Proof::Seen);
    }

    #[tokio::test]
    async fn a_press_is_seen_once_a_member_has_closed_its_alert_and_not_when_she_has_only_taken_it() {
        let home = Home::with(BUTTON, "alarm_button").await;
        let ada = home.person("Ada").await;
        home.assign(BUTTON, &ada).await;
        assert_eq!(home.proof().await, Proof::Nothing);
        let record = home.comes(BUTTON, Some(&ada), 3_000, None).await;
        let alert = home.raise(&ada, &record, 3_000).await;
        home.looks(&ada, Action::OpenedPerson, "care", 3_500).await;
        let act = async |act: Act, at_ms| {
            home.change(async |work| alerts::act(work, &alert, &act, "Anna", at_ms).await.unwrap()).await
        };
        act(Act::Claim, 4_000).await;
        assert_eq!(home.proof().await, Proof::Stored);
        act(Act::Close { outcome: Outcome::Test, note: String::new() }, 5_000).await;
        assert_eq!(home.proof().await, Proof::Seen);
    }

    #[tokio::test]
    async fn of_two_boxes_the_worse_counts_and_a_proof_grows_old() {
        let home = Home::with(CUFF, "blood_pressure").await;
        let config = Config::default();
        let facts = async |now_ms| of_home(home.store.reader(), &home.home, &config, now_ms).await.unwrap();
        home.change(async |work| {
            query("UPDATE agent SET enrolled_ms = 1, last_heard_ms = 2").execute(work).await.unwrap()
        })
        .await;
        assert_eq!(facts(9).await.chain, Chain::Never);
        home.change(async |work| {
            home_proofs::came(work, home.agent.as_str(), 10).await.unwrap();
            home_proofs::proven(work, home.agent.as_str(), 2, 10).await.unwrap();
        })
        .await;
        let too_old_ms = clock::millis(config.too_old);
        assert_eq!(facts(9 + too_old_ms).await.chain, Chain::Proven);
        assert_eq!(facts(10 + too_old_ms).await.chain, Chain::TooOld);
        let never = Config { every: std::time::Duration::ZERO, ..config.clone() };
        let asked = of_home(home.store.reader(), &home.home, &never, 10).await.unwrap();
        assert_eq!((asked.chain, asked.in_service, asked.silent), (Chain::NotAsked, 1, 0));

        home.change(async |work| {
            query("INSERT INTO agent (id, home, created_ms, enrolled_ms) VALUES ('other', $1, 0, 1)")
                .bind(&home.home)
                .execute(work)
                .await
                .unwrap()
        })
        .await;
        let two = facts(20).await;
        assert_eq!((two.chain, two.in_service, two.silent), (Chain::Never, 2, 1), "it was never heard");
    }

    /// A home with one device, that became its own at 1,000.
    struct Home {
        _folder: Place,
        store: Store,
        home: String,
        agent: AgentId,
    }

    impl Home {
        async fn with(device: &str, kind: &str) -> Self {
            let (folder, store) = fresh().await;
            let mut work = store.work().await.unwrap();
            let (home, agent) = homes::add(&mut work, "Ada's", 0).await.unwrap();
            let device = NewDevice::plain(device.parse().unwrap(), kind.parse().unwrap());
            devices::add(&mut work, &home, &device, 1_000).await.unwrap().unwrap();
            work.commit().await.unwrap();
            Self { _folder: folder, store, home, agent }
        }

        async fn change<T>(&self, change: impl AsyncFnOnce(&mut Connection) -> T) -> T {
            let mut work = self.store.work().await.unwrap();
            let done = change(&mut work).await;
            work.commit().await.unwrap();
            done
        }

        async fn proof(&self) -> Proof {
            let facts = of_home(self.store.reader(), &self.home, &Config::default(), 10_000).await.unwrap();
            facts.devices[0].proof
        }

        async fn person(&self, name: &str) -> String {
            self.change(async |work| assignments::add_person(work, name, &self.home, 0).await.unwrap()).await
        }

        async fn assign(&self, device: &str, person: &str) {
            let (device, person) = (device.to_owned(), person.to_owned());
            let whole = Assignment { device, slot: None, person, from_ms: 0, until_ms: None };
            self.change(async |work| assignments::assign(work, &whole, 0).await.unwrap()).await;
        }

        /// Something came from a device. Says its record.
        async fn comes(&self, device: &str, person: Option<&str>, at_ms: i64, unreadable: Option<&str>) -> String {
            let press = Press {
                button: 1,
                authentic: true,
                counter_went_back: false,
                not_on_flash: false,
                before_enrolment: false,
            };
            let record = NewRecord {
                id: crate::store::new_id(at_ms),
                identity: Identity::ByNumber { digest: [at_ms.to_be_bytes()[7]; 32] },
                possibly_same_as: None,
                taken_again: false,
                device: device.into(),
                slot: None,
                characteristic: "2a35".into(),
                raw: vec![1],
                dialect: "standard".into(),
                marks: None,
                unreadable: unreadable.map(str::to_owned),
                device_time: None,
                counter: None,
                span_ms: None,
                session: None,
                press: (device == BUTTON).then_some(press),
                measured: Some(Measured { at_ms, by: Clock::Reception, is_ambiguous: false }),
                taken: Taken { boot: BootId([1; 16]), since_boot_ms: 1, wall_ms: None, trust: Trust::Unknown },
                agent: self.agent.to_string(),
                home: self.home.clone(),
                person: person.map(str::to_owned),
                observations: Vec::new(),
            };
            self.change(async |work| records::write(work, std::slice::from_ref(&record), at_ms).await.unwrap()).await;
            record.id
        }

        async fn raise(&self, person: &str, record: &str, at_ms: i64) -> String {
            let about = About::Person(person.to_owned());
            let concern = Concern {
                finding: alarm_pressed::finding(alarm_pressed::Press::at(at_ms, at_ms)),
                about: about.clone(),
                person: Some(person.to_owned()),
                home: self.home.clone(),
                record: Some(record.to_owned()),
            };
            self.change(async |work| {
                alerts::raise(work, &concern, at_ms).await.unwrap();
                cases::open_case(work, alarm_pressed::NAME, &about).await.unwrap().unwrap().0
            })
            .await
        }

        async fn looks(&self, person: &str, action: Action, why: &str, at_ms: i64) {
            let looker = Looker { who: "Anna".into(), unit: "care-team".into() };
            let look = Look { action, person: Some(person), what: String::new(), why };
            let at = Timestamp::from_millisecond(at_ms).unwrap();
            self.change(async |work| access_log::write(work, &looker, &[look], at).await.unwrap()).await;
        }
    }
}
