//! The devices of each home, what their box is told of them, and how far its buttons have counted.
//!
//! A device that leaves its home ends there; its row, its readings and whose they were stay. A button's key leaves this
//! file only towards the boxes of its own home.

use hempuls_protocol::devices::alarm_button::BindKey;
use hempuls_protocol::devices::{DeviceKind, Dialect};
use hempuls_protocol::ids::{AgentId, DeviceId};
use hempuls_protocol::wire::home_config::{Counted, Device, Home};

use super::ledger::unexpected;
use super::records::NewRecord;
use super::{Connection, Executor, Reader, Row, StoreError, query, query_as, query_scalar};
use crate::letters::config;

/// A device that is to be a home's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDevice {
    /// Which.
    pub id: DeviceId,
    /// What it is.
    pub kind: DeviceKind,
    /// How its model departs from the standard; none where its box is to tell by the model it reads.
    pub dialect: Option<Dialect>,
    /// A button's key.
    pub key: Option<BindKey>,
    /// How often it sends a sign of life, in seconds, where it does.
    pub beacon_s: Option<u32>,
}

impl NewDevice {
    /// One of which nothing more is known.
    #[must_use]
    pub fn plain(id: DeviceId, kind: DeviceKind) -> Self {
        Self { id, kind, dialect: None, key: None, beacon_s: None }
    }

    /// Whether there can be such a device.
    ///
    /// # Errors
    /// [`Impossible`], with what does not fit.
    pub fn check(&self) -> Result<(), Impossible> {
        let is_button = self.kind == DeviceKind::AlarmButton;
        if matches!(&self.id, DeviceId::Serial { model, .. } if model == LOCAL_MODEL) {
            return Err(Impossible::Local);
        }
        if self.key.is_some() && !is_button {
            return Err(Impossible::Key);
        }
        if self.dialect.is_some_and(|dialect| !dialect.suits(self.kind)) {
            return Err(Impossible::Dialect);
        }
        if self.beacon_s.is_some_and(|seconds| !is_button || !(1..=LONGEST_BEACON_S).contains(&seconds)) {
            return Err(Impossible::Beacon);
        }
        Ok(())
    }
}

/// What stands for the model in the names of a home's own wires and programs.
const LOCAL_MODEL: &str = "hempuls-agent";

/// A sign of life is sent at least this often, in seconds, or says nothing about the device.
const LONGEST_BEACON_S: u32 = 7 * 86_400;

/// Why there can be no such device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// It is a name for a wire or a program in a home.
    #[error("this is what a box calls a wire or a program in its own home; alarms from there need no device")]
    Local,
    /// Only a button has a key.
    #[error("only an alarm_button can have a key")]
    Key,
    /// No device of this kind speaks it.
    #[error("no device of this kind speaks this dialect")]
    Dialect,
    /// Only a button sends a sign of life, and not all the time.
    #[error("only an alarm_button sends a sign of life, at least once a week and at most once a second")]
    Beacon,
}

/// A device as the store has it, but for its key.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Listed {
    /// Its address, or model and serial number.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// In which home; where it has ended, the last one.
    pub home: String,
    /// What that home is called.
    pub home_name: String,
    /// How its model departs from the standard.
    pub dialect: Option<String>,
    /// Whether the gateway has its key.
    pub has_key: bool,
    /// How often it sends a sign of life, in seconds.
    pub beacon_s: Option<u32>,
    /// How often somebody said that its battery was changed.
    pub battery: u32,
    /// When somebody said so last.
    pub battery_changed_ms: Option<i64>,
    /// When it left the home.
    pub ended_ms: Option<i64>,
}

crate::from_row!(Listed {
    id,
    kind,
    home,
    home_name,
    dialect,
    has_key,
    beacon_s,
    battery,
    battery_changed_ms,
    ended_ms
});

/// Adds a device to a home. One that has left a home before comes back with what is known of it; with another key it
/// counts anew.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such home. [`HasHome`], where it is some home's.
pub async fn add(
    work: &mut Connection,
    home: &str,
    device: &NewDevice,
    now_ms: i64,
) -> Result<Result<(), HasHome>, StoreError> {
    let added = query(
        "INSERT INTO device (id, kind, home, created_ms, dialect, key, beacon_s) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, home = excluded.home, created_ms = excluded.created_ms,
             dialect = excluded.dialect, key = excluded.key, beacon_s = excluded.beacon_s, ended_ms = NULL,
             battery = CASE WHEN device.key IS DISTINCT FROM excluded.key THEN device.battery + 1 ELSE device.battery END,
             battery_changed_ms = CASE WHEN device.key IS DISTINCT FROM excluded.key THEN excluded.created_ms
                                       ELSE device.battery_changed_ms END,
             counter = CASE WHEN device.key IS DISTINCT FROM excluded.key THEN NULL ELSE device.counter END
         WHERE device.ended_ms IS NOT NULL",
    )
    .bind(device.id.to_string())
    .bind(device.kind.as_str())
    .bind(home)
    .bind(now_ms)
    .bind(device.dialect.map(|dialect| dialect.to_string()))
    .bind(device.key.as_ref().map(|key| key.to_bytes().to_vec()))
    .bind(device.beacon_s)
    .execute(work)
    .await?;
    Ok(if added.rows_affected() == 1 { Ok(()) } else { Err(HasHome) })
}

/// A device that is some home's already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device is in a home already; take it out of that first (`hempuls-gateway device remove`)")]
pub struct HasHome;

/// Ends a device in its home, and from now on its readings are nobody's. Returns the home; none where it is in none.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn remove(work: &mut Connection, device: &DeviceId, now_ms: i64) -> Result<Option<String>, StoreError> {
    let device = device.to_string();
    let home: Option<String> =
        query_scalar("UPDATE device SET ended_ms = $2 WHERE id = $1 AND ended_ms IS NULL RETURNING home")
            .bind(&device)
            .bind(now_ms)
            .fetch_optional(&mut *work)
            .await?;
    query(
        "UPDATE assignment SET until_ms = CASE WHEN from_ms >= $2 THEN from_ms + 1 ELSE $2 END
         WHERE device = $1 AND (until_ms IS NULL OR until_ms > $2)",
    )
    .bind(&device)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(home)
}

/// Somebody says that a button's battery was changed: it counts anew, from its newest press on if that began anew
/// already. Returns its home; none where there is no such button.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn change_battery(
    work: &mut Connection,
    device: &DeviceId,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    Ok(query_scalar(
        "UPDATE device SET battery = battery + 1, battery_changed_ms = $2,
             counter = (SELECT CASE WHEN counter_went_back = 1 THEN record.counter END FROM record
                        WHERE record.device = device.id AND record.kind = 'alarm' AND authentic = 1
                          AND record.counter IS NOT NULL
                        ORDER BY record.id DESC LIMIT 1)
         WHERE id = $1 AND kind = 'alarm_button' AND ended_ms IS NULL RETURNING home",
    )
    .bind(device.to_string())
    .bind(now_ms)
    .fetch_optional(work)
    .await?)
}

/// The button of this story whose counter began anew without anybody having said since that its battery was changed.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn began_anew(store: impl Executor<'_>, alert: &str) -> Result<Option<String>, StoreError> {
    Ok(query_scalar(
        "SELECT device.id FROM alert_line JOIN record ON record.id = alert_line.record JOIN device ON device.id = record.device
         WHERE alert_line.alert = $1 AND record.counter_went_back = 1 AND authentic = 1 AND device.kind = 'alarm_button'
           AND device.home = record.home AND ended_ms IS NULL
           AND (battery_changed_ms IS NULL OR battery_changed_ms < record.stored_ms)
         ORDER BY record.id DESC LIMIT 1",
    )
    .bind(alert)
    .fetch_optional(store)
    .await?)
}

/// Keeps how far the buttons of these presses have counted. A press from before the battery was changed says nothing,
/// and neither does a box of another home.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_counters(work: &mut Connection, records: &[NewRecord]) -> Result<(), StoreError> {
    let presses = records.iter().filter(|record| record.press.as_ref().is_some_and(|press| press.authentic));
    for (record, counter) in presses.filter_map(|record| record.counter.map(|counter| (record, counter))) {
        query(
            "UPDATE device SET counter = CASE WHEN counter > $2 THEN counter ELSE $2 END
             WHERE id = $1 AND home = $3 AND (battery_changed_ms IS NULL OR battery_changed_ms <= $4)",
        )
        .bind(&record.device)
        .bind(counter)
        .bind(&record.home)
        .bind(record.measured.map(|measured| measured.at_ms))
        .execute(&mut *work)
        .await?;
    }
    Ok(())
}

/// The devices of one home or of all, those that have left it last.
///
/// # Errors
/// When the store cannot be read.
pub async fn list(reader: &Reader, home: Option<&str>) -> Result<Vec<Listed>, StoreError> {
    Ok(query_as(
        "SELECT device.id, kind, home, home.name AS home_name, dialect, key IS NOT NULL AS has_key, beacon_s, battery,
                battery_changed_ms, ended_ms
         FROM device JOIN home ON home.id = device.home WHERE CAST($1 AS TEXT) IS NULL OR home = $1
         ORDER BY home.name, home, ended_ms IS NOT NULL, kind, device.id",
    )
    .bind(home)
    .fetch_all(reader)
    .await?)
}

/// One device, if the store knows it.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(reader: &Reader, device: &DeviceId) -> Result<Option<Listed>, StoreError> {
    Ok(query_as(
        "SELECT device.id, kind, home, home.name AS home_name, dialect, key IS NOT NULL AS has_key, beacon_s, battery,
                battery_changed_ms, ended_ms
         FROM device JOIN home ON home.id = device.home WHERE device.id = $1",
    )
    .bind(device.to_string())
    .fetch_optional(reader)
    .await?)
}

/// Those of these devices that are in some home.
///
/// # Errors
/// When the store cannot be read.
pub async fn in_homes(reader: &Reader, devices: &[&str]) -> Result<Vec<String>, StoreError> {
    Ok(query_scalar(
        "SELECT device.id FROM json_each($1) CROSS JOIN device WHERE device.id = value AND ended_ms IS NULL",
    )
    .bind(serde_json::json!(devices).to_string())
    .fetch_all(reader)
    .await?)
}

/// What a device is, where it is this home's.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn kind_of(work: &mut Connection, home: &str, device: &str) -> Result<Option<String>, StoreError> {
    Ok(query_scalar("SELECT kind FROM device WHERE id = $1 AND home = $2")
        .bind(device)
        .bind(home)
        .fetch_optional(work)
        .await?)
}

/// Whether a home has a button to call for help.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn has_button(work: &mut Connection, home: &str) -> Result<bool, StoreError> {
    Ok(query_scalar(
        "SELECT EXISTS (SELECT 1 FROM device WHERE home = $1 AND kind = 'alarm_button' AND ended_ms IS NULL)",
    )
    .bind(home)
    .fetch_one(work)
    .await?)
}

/// What a box is to be told of its home. None where there is no such box, or it is cut off.
///
/// # Errors
/// When the store cannot be read.
pub async fn told(
    reader: &Reader,
    agent: &AgentId,
    time_zone: &str,
    prove_every_s: Option<u32>,
) -> Result<Option<Home>, StoreError> {
    let rows = query(
        "SELECT device.id, kind, dialect, key, beacon_s, battery, counter, retired_ms IS NOT NULL AS retired
         FROM agent LEFT JOIN device ON device.home = agent.home AND ended_ms IS NULL
         WHERE agent.id = $1 AND revoked_ms IS NULL ORDER BY device.id",
    )
    .bind(agent.as_str())
    .fetch_all(reader)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let retired = first.try_get("retired")?;
    let devices = rows.iter().filter_map(|row| device_of(row).transpose()).collect::<Result<_, _>>()?;
    let time_zone = Some(time_zone.to_owned());
    Ok(Some(config::numbered(Home { revision: 0, devices, time_zone, retired, prove_every_s })))
}

/// The boxes of a home that are not cut off.
///
/// # Errors
/// When the store cannot be read.
pub async fn boxes_of(reader: &Reader, home: &str) -> Result<Vec<AgentId>, StoreError> {
    let ids: Vec<String> = query_scalar("SELECT id FROM agent WHERE home = $1 AND revoked_ms IS NULL")
        .bind(home)
        .fetch_all(reader)
        .await?;
    ids.iter().map(|id| id.parse().map_err(|_| unexpected("id"))).collect()
}

/// None for the empty row of a home without devices, and for a device that is named by its serial number: a box finds
/// devices by their addresses.
fn device_of(row: &Row) -> Result<Option<Device>, StoreError> {
    let Some(id) = row.try_get::<Option<&str>, _>("id")? else { return Ok(None) };
    let device: DeviceId = id.parse().map_err(|_| unexpected("id"))?;
    if matches!(device, DeviceId::Serial { .. }) {
        return Ok(None);
    }
    let kind: DeviceKind = row.try_get::<&str, _>("kind")?.parse().map_err(|_| unexpected("kind"))?;
    let dialect: Option<&str> = row.try_get("dialect")?;
    let key: Option<Vec<u8>> = row.try_get("key")?;
    let (battery, counter): (u32, Option<u32>) = (row.try_get("battery")?, row.try_get("counter")?);
    let has_counted = kind == DeviceKind::AlarmButton && (battery > 0 || counter.is_some());
    Ok(Some(Device {
        device,
        kind,
        dialect: dialect.map(str::parse).transpose().map_err(|_| unexpected("dialect"))?,
        key: key.map(Into::into),
        beacon_s: row.try_get("beacon_s")?,
        counted: has_counted.then_some(Counted { battery, highest: counter.unwrap_or(0) }),
    }))
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::identity::Identity;
    use hempuls_protocol::times::{BootId, Taken, Trust};

    use super::*;
    use crate::store::records::{self, Clock, Measured, Press};
    use crate::store::{Store, assignments, homes};

    const BUTTON: &str = "B0:00:00:00:00:01";
    const CUFF: &str = "C0:00:00:00:00:01";

    #[tokio::test]
    async fn a_box_is_told_of_its_own_homes_devices_and_of_none_that_have_left() {
        let street = Street::new().await;
        street.add(&street.ada, &NewDevice { beacon_s: Some(900), key: Some(key(7)), ..button() }).await.unwrap();
        street.add(&street.ada, &NewDevice { dialect: Some("beurer".parse().unwrap()), ..cuff() }).await.unwrap();
        let [told_button, told_cuff] = street.told(&street.ada).await.devices.try_into().unwrap();
        assert_eq!((told_button.key.map(|key| key.to_vec()), told_button.beacon_s), (Some(vec![7; 16]), Some(900)));
        assert_eq!((told_button.counted, told_cuff.key), (None, None));
        assert_eq!(told_cuff.dialect, Some("beurer".parse().unwrap()));
        assert_eq!(street.told(&street.bea).await.devices, []);

        let by_serial = NewDevice { id: "RIG-BP/SN1".parse().unwrap(), ..cuff() };
        street.add(&street.bea, &by_serial).await.unwrap();
        assert_eq!(street.told(&street.bea).await.devices, [], "its box finds it by no serial number");

        let before = street.told(&street.ada).await.revision;
        street.change(async |work| remove(work, &cuff().id, 5).await.unwrap()).await;
        assert_eq!(street.told(&street.ada).await.devices.len(), 1);
        assert_ne!(street.told(&street.ada).await.revision, before);
    }

    #[tokio::test]
    async fn a_device_is_in_one_home_at_a_time_and_its_readings_are_nobodys_once_it_has_left() {
        let street = Street::new().await;
        street.add(&street.ada, &cuff()).await.unwrap();
        assert_eq!(street.add(&street.bea, &cuff()).await, Err(HasHome));
        street
            .change(async |work| {
                let person = assignments::add_person(work, "Ada", &street.ada.0, 0).await.unwrap();
                let hers = |device: &str, from_ms| assignments::Assignment {
                    device: device.into(),
                    slot: None,
                    person: person.clone(),
                    from_ms,
                    until_ms: None,
                };
                assignments::assign(work, &hers(CUFF, 10), 0).await.unwrap();
                assignments::assign(work, &hers(CUFF, 99), 0).await.unwrap();
                assert_eq!(remove(work, &cuff().id, 20).await.unwrap(), Some(street.ada.0.clone()));
                assert_eq!(remove(work, &cuff().id, 21).await.unwrap(), None);
                let left = assignments::of_devices(work, &[CUFF]).await.unwrap();
                let whose = |at_ms| assignments::person_at(&left, CUFF, None, at_ms).is_some();
                assert_eq!([whose(19), whose(20), whose(100)], [true, false, false]);
            })
            .await;
        street.add(&street.bea, &cuff()).await.unwrap();
        assert_eq!(street.told(&street.bea).await.devices.len(), 1);
    }

    #[tokio::test]
    async fn how_far_a_button_has_counted_outlives_its_box_but_not_its_battery() {
        let street = Street::new().await;
        street.add(&street.ada, &NewDevice { key: Some(key(7)), ..button() }).await.unwrap();
        street.press(&street.ada, 41, 100, false).await;
        street.press(&street.ada, 40, 101, false).await;
        assert_eq!(street.counted(&street.ada).await, Some(Counted { battery: 0, highest: 41 }));

        street.press(&street.bea, 9_000, 102, false).await;
        assert_eq!(street.counted(&street.ada).await, Some(Counted { battery: 0, highest: 41 }), "another home's box");

        street.press(&street.ada, 3, 200, true).await;
        assert_eq!(street.counted(&street.ada).await, Some(Counted { battery: 0, highest: 41 }), "nobody confirmed it");
        street.change(async |work| change_battery(work, &button().id, 300).await.unwrap()).await;
        assert_eq!(street.counted(&street.ada).await, Some(Counted { battery: 1, highest: 3 }));

        street.press(&street.ada, 42, 150, false).await;
        assert_eq!(
            street.counted(&street.ada).await,
            Some(Counted { battery: 1, highest: 3 }),
            "from before the change"
        );
        street.press(&street.ada, 4, 301, true).await;
        assert_eq!(street.counted(&street.ada).await, Some(Counted { battery: 1, highest: 4 }));

        street.change(async |work| change_battery(work, &button().id, 400).await.unwrap()).await;
        let counted = street.counted(&street.ada).await.unwrap();
        assert_eq!(counted.battery, 2);
    }

    #[tokio::test]
    async fn a_button_that_comes_back_goes_on_counting_and_with_another_key_it_begins_anew() {
        let street = Street::new().await;
        let with_key = |byte| NewDevice { key: Some(key(byte)), ..button() };
        street.add(&street.ada, &with_key(7)).await.unwrap();
        street.press(&street.ada, 41, 100, false).await;
        for (byte, expected) in [(7, Counted { battery: 0, highest: 41 }), (8, Counted { battery: 1, highest: 0 })] {
            street.change(async |work| remove(work, &button().id, 500).await.unwrap()).await;
            street.add(&street.ada, &with_key(byte)).await.unwrap();
            assert_eq!(street.counted(&street.ada).await, Some(expected));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let local: DeviceId = "hempuls-agent/kitchen".parse().unwrap();
        assert_eq!(NewDevice { id: local, ..button() }.check(), Err(Impossible::Local));
        assert_eq!(NewDevice { key: Some(key(7)), ..cuff() }.check(), Err(Impossible::Key));
        assert_eq!(
            NewDevice { dialect: Some("beurer".parse().unwrap()), ..button() }.check(),
            Err(Impossible::Dialect)
        );
        for (beacon_s, device) in [(0, button()), (LONGEST_BEACON_S + 1, button()), (60, cuff())] {
            assert_eq!(NewDevice { beacon_s: Some(beacon_s), ..device }.check(), Err(Impossible::Beacon));
        }
        assert_eq!(NewDevice { key: Some(key(7)), ..button() }.check(), Ok(()));
    }

    /// Two homes with a box each.
    struct Street {
        _folder: crate::store::tests::Place,
        store: Store,
        ada: (String, AgentId),
        bea: (String, AgentId),
    }

    impl Street {
        async fn new() -> Self {
            let (folder, store) = crate::store::tests::fresh().await;
            let mut work = store.work().await.unwrap();
            let ada = homes::add(&mut work, "Ada's", 0).await.unwrap();
            let bea = homes::add(&mut work, "Bea's", 0).await.unwrap();
            work.commit().await.unwrap();
            Self { _folder: folder, store, ada, bea }
        }

        async fn change<T>(&self, change: impl AsyncFnOnce(&mut Connection) -> T) -> T {
            let mut work = self.store.work().await.unwrap();
            let done = change(&mut work).await;
            work.commit().await.unwrap();
            done
        }

        async fn add(&self, home: &(String, AgentId), device: &NewDevice) -> Result<(), HasHome> {
            self.change(async |work| add(work, &home.0, device, 0).await.unwrap()).await
        }

        async fn press(&self, home: &(String, AgentId), counter: u32, at_ms: i64, counter_went_back: bool) {
            let record = NewRecord {
                id: crate::store::new_id(at_ms),
                identity: Identity::ByNumber { digest: [counter.to_be_bytes()[3]; 32] },
                possibly_same_as: None,
                taken_again: false,
                device: BUTTON.into(),
                slot: None,
                characteristic: "fcd2".into(),
                raw: vec![1],
                dialect: "standard".into(),
                marks: None,
                unreadable: None,
                device_time: None,
                counter: Some(counter),
                span_ms: None,
                session: None,
                press: Some(Press {
                    button: 1,
                    authentic: true,
                    counter_went_back,
                    not_on_flash: false,
                    before_enrolment: false,
                }),
                measured: Some(Measured { at_ms, by: Clock::Reception, is_ambiguous: false }),
                taken: Taken { boot: BootId([1; 16]), since_boot_ms: 1, wall_ms: None, trust: Trust::Unknown },
                agent: home.1.to_string(),
                home: home.0.clone(),
                person: None,
                observations: Vec::new(),
            };
            self.change(async |work| {
                records::write(work, std::slice::from_ref(&record), at_ms).await.unwrap();
                note_counters(work, &[record]).await.unwrap();
            })
            .await;
        }

        async fn told(&self, home: &(String, AgentId)) -> Home {
            told(self.store.reader(), &home.1, "Europe/Stockholm", None).await.unwrap().unwrap()
        }

        async fn counted(&self, home: &(String, AgentId)) -> Option<Counted> {
            self.told(home).await.devices[0].counted
        }
    }

    fn button() -> NewDevice {
        NewDevice::plain(BUTTON.parse().unwrap(), DeviceKind::AlarmButton)
    }

    fn cuff() -> NewDevice {
        NewDevice::plain(CUFF.parse().unwrap(), DeviceKind::BloodPressure)
    }

    fn key(byte: u8) -> BindKey {
        BindKey::new([byte; 16])
    }
}
