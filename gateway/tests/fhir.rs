//! Readings and alerts in a server of health records: what is sent is FHIR R4, as two validators that others wrote say, and
//! each thing is there once, whatever fails on the way.

mod place;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use hempuls_gateway::alerts::health::{self, Found};
use hempuls_gateway::alerts::outcome::Outcome;
use hempuls_gateway::alerts::rules::alarm_pressed::{self, Press};
use hempuls_gateway::alerts::{self, About, Act, Concern, Line};
use hempuls_gateway::changes::Changes;
use hempuls_gateway::clock;
use hempuls_gateway::delivery::channels::fhir::{Config, Fhir};
use hempuls_gateway::store::records::{Clock, Measured, NewRecord, write};
use hempuls_gateway::store::{
    Store, alerts as cases, assignments, clocks, fhir as stored, homes, person_numbers, query, ways,
};
use hempuls_protocol::devices::{Characteristic, Dialect, interpret};
use hempuls_protocol::identity::Identity;
use hempuls_protocol::ids::AgentId;
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};
use hempuls_protocol::personnummer::{IdentityNumber, Written};
use hempuls_protocol::times::{BootId, Taken, Trust};
use place::Place;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// 2026-11-22T06:31:12Z.
const AT_MS: i64 = 1_795_329_072_000;

#[tokio::test]
async fn what_every_device_says_is_fhir_r4_and_its_numbers_are_those_of_the_device() {
    let server = Server::open().await;
    let ward = Ward::open(&server, "").await;
    let mut records = Vec::new();
    for payloads in [
        include_str!("../../protocol/src/devices/blood_pressure/payloads/measurements.json"),
        include_str!("../../protocol/src/devices/blood_pressure/payloads/enhanced.json"),
        include_str!("../../protocol/src/devices/heart_rate/payloads/straps.json"),
        include_str!("../../protocol/src/devices/pulse_oximeter/payloads/oximeters.json"),
        include_str!("../../protocol/src/devices/thermometer/payloads/thermometers.json"),
        include_str!("../../protocol/src/devices/weight_scale/payloads/scales.json"),
        include_str!("../../protocol/src/devices/nonin/payloads/measurements.json"),
        include_str!("../../protocol/src/devices/berrymed/payloads/packets.json"),
        include_str!("../../protocol/src/devices/yonker/payloads/results.json"),
        include_str!("../../protocol/src/devices/microlife/payloads/records.json"),
    ] {
        let all: Vec<Value> = serde_json::from_str(payloads).unwrap();
        for vector in &all {
            records.extend(ward.of_vector(vector));
        }
    }
    assert!(records.len() > 50, "{} payloads mean something", records.len());
    let exact = Observation::new(Quantity::BodyTemperature, Decimal::new(3_660, -2), Unit::Celsius, true);
    records.push(NewRecord { observations: vec![exact], measured: None, ..ward.record() });
    let kilopascal =
        |quantity, mantissa| Observation::new(quantity, Decimal::new(mantissa, -1), Unit::Kilopascal, true);
    let pressures = vec![kilopascal(Quantity::Systolic, 189), kilopascal(Quantity::Diastolic, 113)];
    records.push(NewRecord { observations: pressures, ..ward.record() });
    let count = records.len();
    ward.store(&records).await;

    let _sends = ward.send();
    eventually(async || (server.count("Provenance") == count).then_some(())).await;

    server.are_valid();
    let text = server.text();
    assert!(text.contains(r#""valueQuantity":{"value":36.60,"#), "as the device gave it, zero and all");
    assert!(text.contains(r#""value":142,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]""#));
    assert!(text.contains("Systoliskt blodtryck: 18.9 kPa"), "what was converted is told as it was shown");
    assert!(text.contains("\"code\":\"not-a-number\"") && text.contains("\"_effectiveDateTime\""));
    assert!(text.contains("\"effectiveDateTime\":\"2026-11-22T07:31:12+01:00\""), "with the offset of its zone");
    assert_eq!((server.count("Patient"), text.contains("Tolvan")), (1, false));
    assert!(
        text.contains("\"system\":\"http://electronichealth.se/identifier/personnummer\",\"value\":\"191212121212\"")
    );
    let looks: i64 =
        hempuls_gateway::store::query_scalar("SELECT count(*) FROM access_log WHERE action = 'sent_to_records'")
            .fetch_one(ward.store.reader())
            .await
            .unwrap();
    assert_eq!(looks, 1, "once a day for each person");
}

#[tokio::test]
async fn a_server_that_takes_nothing_for_a_while_is_an_alert_and_gets_each_reading_once_also_after_a_restart() {
    let server = Server::open().await;
    let ward = Ward::open(&server, "patience = \"0s\"\n").await;
    ward.store(&(0..30).map(|_| ward.pressure()).collect::<Vec<_>>()).await;
    server.answer(&[503, 401, 0]);
    let sends = ward.send();

    let fails = |because: &str| Found::ChannelFails { channel: "fhir".into(), because: because.into() };
    eventually(async || ward.trouble("fhir").await.filter(|line| *line == Line::Health(fails("HTTP 401")))).await;
    let over = Line::Health(Found::ChannelDelivers { channel: "fhir".into() });
    eventually(async || ward.trouble("fhir").await.filter(|line| *line == over)).await;
    eventually(async || (server.count("Provenance") == 30).then_some(())).await;
    eventually(async || {
        let (_, standing) = stored::standings(ward.store.reader()).await.unwrap().remove(0);
        (standing.waiting == 0).then_some(())
    })
    .await;
    sends.abort();

    ward.store(&[ward.pressure()]).await;
    let asked = server.asked();
    let _sends = ward.send();
    eventually(async || (server.count("Provenance") == 31).then_some(())).await;
    assert_eq!(server.asked(), asked + 1, "it goes on where it was");
    assert_eq!(server.count("Observation"), 31);
    let standing = eventually(async || {
        let (_, standing) = stored::standings(ward.store.reader()).await.unwrap().remove(0);
        (standing.waiting == 0).then_some(standing)
    })
    .await;
    assert_eq!((standing.failing_ms, standing.refused.len()), (None, 0));
    assert!(standing.attempts >= 5, "{standing:?}");
}

#[tokio::test]
async fn what_was_taken_and_not_noted_is_sent_again_and_there_once() {
    let server = Server::open().await;
    let ward = Ward::open(&server, "").await;
    ward.store(&(0..3).map(|_| ward.pressure()).collect::<Vec<_>>()).await;
    // It takes all and its answer is lost.
    server.answer(&[-200, 0]);
    let _sends = ward.send();

    eventually(async || (server.asked() == 2).then_some(())).await;
    eventually(async || (server.count("Provenance") == 6).then_some(())).await;
    assert_eq!((server.count("Observation"), server.count("Patient"), server.count("Device")), (3, 1, 2));
}

#[tokio::test]
async fn a_reading_that_is_refused_is_set_aside_and_goes_when_a_person_asks_for_it_and_the_others_go_before() {
    let server = Server::open().await;
    let ward = Ward::open(&server, "").await;
    let poison = NewRecord { device: "POISON".into(), ..ward.pressure() };
    ward.store(&[ward.pressure(), poison, ward.pressure()]).await;
    let _sends = ward.send();

    eventually(async || (server.count("Provenance") == 2).then_some(())).await;
    let standing = eventually(async || {
        let (_, standing) = stored::standings(ward.store.reader()).await.unwrap().remove(0);
        (standing.waiting == 0).then_some(standing)
    })
    .await;
    assert_eq!((standing.refused.len(), standing.refused[0].1.as_str()), (1, "HTTP 422"));
    let told = eventually(async || ward.trouble("fhir/refused").await).await;
    assert!(matches!(told, Line::Health(Found::RecordsRefused { .. })), "{told:?}");

    server.take_poison();
    let mut work = ward.store.work().await.unwrap();
    assert_eq!(stored::retry(&mut work).await.unwrap(), 1);
    work.commit().await.unwrap();
    eventually(async || (server.count("Provenance") == 3).then_some(())).await;
    let (_, standing) = stored::standings(ward.store.reader()).await.unwrap().remove(0);
    assert_eq!(standing.refused.len(), 0);
}

#[tokio::test]
async fn a_reading_goes_once_it_is_somebodys_and_again_when_it_is_dated_anew() {
    let server = Server::open().await;
    let ward = Ward::open(&server, "").await;
    let nobodys = NewRecord { person: None, ..ward.pressure() };
    ward.store(std::slice::from_ref(&nobodys)).await;
    let _sends = ward.send();
    eventually(async || {
        let standings = stored::standings(ward.store.reader()).await.unwrap();
        standings.first().filter(|(_, standing)| standing.unassigned == 1).map(drop)
    })
    .await;
    assert_eq!(server.asked(), 0);

    for (at_ms, moment) in [(AT_MS, "2026-11-22T07:31:12+01:00"), (AT_MS + 60_000, "2026-11-22T07:32:12+01:00")] {
        let measured = Measured { at_ms, by: Clock::DeviceCorrected, is_ambiguous: false };
        let mut work = ward.store.work().await.unwrap();
        clocks::date_anew(&mut work, &nobodys.id, Some(measured), Some(&ward.ada)).await.unwrap();
        work.commit().await.unwrap();
        eventually(async || server.newest("Observation").filter(|reading| reading["effectiveDateTime"] == moment))
            .await;
    }
    let reading = server.newest("Observation").unwrap();
    assert_eq!((server.count("Observation"), &reading["status"]), (1, &"amended".into()));
    server.are_valid();
}

#[tokio::test]
async fn an_alert_is_a_task_that_follows_who_has_it_and_names_the_reading() {
    let server = Server::open().await;
    let ward = Ward::open(&server, "").await;
    let reading = ward.pressure();
    ward.store(std::slice::from_ref(&reading)).await;
    let now_ms = clock::now_ms();
    let concern = Concern {
        finding: alarm_pressed::finding(Press::at(now_ms, now_ms)),
        about: About::Person(ward.ada.clone()),
        person: Some(ward.ada.clone()),
        home: ward.home.clone(),
        record: Some(reading.id.clone()),
    };
    let mut work = ward.store.work().await.unwrap();
    alerts::raise(&mut work, &concern, now_ms).await.unwrap();
    let (alert, _) = cases::open_case(&mut work, alarm_pressed::NAME, &concern.about).await.unwrap().unwrap();
    query(
        "INSERT INTO outbox (id, key, alert, channel, address, lang, urgency, since_ms, state, due_ms, ended_ms)
         VALUES ('d1', 'k', $1, 'sms', '+46700000000', 'sv', 'high', $2, 'delivered', $2, $2)",
    )
    .bind(&alert)
    .bind(now_ms)
    .execute(&mut *work)
    .await
    .unwrap();
    work.commit().await.unwrap();
    let _sends = ward.send();

    let task = eventually(async || server.newest("Task")).await;
    assert_eq!((&task["status"], &task["priority"]), (&"requested".into(), &"stat".into()));
    assert_eq!(task["focus"]["identifier"]["value"], hex::encode(reading.identity.digest()));
    assert_eq!(server.count("Communication"), 1);
    for (act, status) in
        [(Act::Claim, "accepted"), (Act::Close { outcome: Outcome::PhonedAndWell, note: "Ringde".into() }, "completed")]
    {
        let mut work = ward.store.work().await.unwrap();
        alerts::act(&mut work, &alert, &act, "Anna", clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();
        let task = eventually(async || server.newest("Task").filter(|task| task["status"] == status)).await;
        assert_eq!(task["owner"]["display"], "Anna");
    }
    assert_eq!((server.count("Task"), server.count("Communication")), (1, 1));
    assert!(!server.text().contains("+46700000000"));
    server.are_valid();
}

#[tokio::test]
async fn a_server_that_is_sent_nothing_is_asked_whether_it_is_there_and_one_that_is_not_is_an_alert() {
    let server = Server::open().await;
    let ward = Ward::open(&server, "patience = \"0s\"\n").await;
    server.inner.lock().unwrap().capabilities = 503;
    let _sends = ward.send();

    let fails = Found::ChannelFails { channel: "fhir".into(), because: "HTTP 503".into() };
    eventually(async || ward.trouble("fhir").await.filter(|line| *line == Line::Health(fails.clone()))).await;
    assert_eq!(ways::proven_ms(ward.store.reader(), health::FHIR).await.unwrap(), None);

    server.inner.lock().unwrap().capabilities = 200;
    let over = Line::Health(Found::ChannelDelivers { channel: "fhir".into() });
    eventually(async || ward.trouble("fhir").await.filter(|line| *line == over)).await;
    assert!(ways::proven_ms(ward.store.reader(), health::FHIR).await.unwrap().is_some());
    assert_eq!(server.asked(), 0, "nothing was sent");
}

/// A store with Ada in it, and what sends from it.
struct Ward {
    folder: Place,
    store: Store,
    config: Config,
    home: String,
    agent: AgentId,
    ada: String,
}

impl Ward {
    async fn open(server: &Server, more: &str) -> Self {
        let folder = Place::new().await;
        std::fs::write(folder.path().join("token"), "secret\n").unwrap();
        let text = format!(
            "server = \"http://{}/\"\nidentifiers = \"https://fhir.example.se\"\ntoken_file = \"token\"\n\
             allow = [\"127.0.0.1\"]\n{more}",
            server.address
        );
        let store = folder.open().await;
        let mut work = store.work().await.unwrap();
        let (home, agent) = homes::add(&mut work, "Storgatan 1", 0).await.unwrap();
        let ada = assignments::add_person(&mut work, "Tolvan Tolvansson", &home, 0).await.unwrap();
        let written: Written = "191212121212".parse().unwrap();
        let number = IdentityNumber::Register(written.on(jiff::civil::date(2026, 11, 22)).unwrap());
        person_numbers::set(&mut work, &ada, &number, 0).await.unwrap();
        work.commit().await.unwrap();
        Self { folder, store, config: toml::from_str(&text).unwrap(), home, agent, ada }
    }

    fn send(&self) -> JoinHandle<()> {
        let zone = jiff::tz::TimeZone::get("Europe/Stockholm").unwrap();
        let fhir = Fhir::open(&self.config, self.folder.path(), zone).unwrap();
        tokio::spawn(fhir.run(self.store.clone(), Changes::new()))
    }

    /// Stored so long ago that nothing with a smaller id is still to come.
    async fn store(&self, records: &[NewRecord]) {
        let mut work = self.store.work().await.unwrap();
        write(&mut work, records, clock::now_ms() - 10_000).await.unwrap();
        work.commit().await.unwrap();
    }

    fn record(&self) -> NewRecord {
        let now_ms = clock::now_ms();
        NewRecord {
            id: hempuls_gateway::store::new_id(now_ms),
            identity: Identity::ByNumber { digest: rand::random() },
            possibly_same_as: None,
            taken_again: false,
            device: "C0:00:00:00:00:01".into(),
            slot: None,
            characteristic: Characteristic::BLOOD_PRESSURE_MEASUREMENT.to_string(),
            raw: vec![1, 2, 3],
            dialect: Dialect::Standard.to_string(),
            marks: None,
            unreadable: None,
            device_time: None,
            counter: None,
            span_ms: None,
            session: None,
            press: None,
            measured: Some(Measured { at_ms: AT_MS, by: Clock::Reception, is_ambiguous: false }),
            taken: Taken { boot: BootId([7; 16]), since_boot_ms: 0, wall_ms: Some(AT_MS), trust: Trust::Synchronised },
            agent: self.agent.to_string(),
            home: self.home.clone(),
            person: Some(self.ada.clone()),
            observations: Vec::new(),
        }
    }

    fn pressure(&self) -> NewRecord {
        let mmhg =
            |quantity, number| Observation::new(quantity, Decimal::whole(number), Unit::MillimetreOfMercury, true);
        NewRecord { observations: vec![mmhg(Quantity::Systolic, 142), mmhg(Quantity::Diastolic, 88)], ..self.record() }
    }

    /// What a payload means, in each dialect that understands it; of a stream, as a minute.
    fn of_vector(&self, vector: &Value) -> Vec<NewRecord> {
        let uuid = vector["uuid"].as_str().and_then(|uuid| uuid.parse::<Characteristic>().ok());
        let raw = vector["hex"].as_str().and_then(|digits| hex::decode(digits).ok());
        let (Some(characteristic), Some(raw)) = (uuid, raw) else { return Vec::new() };
        let meanings = Dialect::ALL.into_iter().filter_map(|dialect| interpret(characteristic, dialect, &raw).ok());
        meanings
            .map(|meaning| {
                let is_stream = hempuls_protocol::devices::is_stream(characteristic);
                let minute = |value: &Observation| Observation::summarise(&[value.clone(), value.clone()]);
                let observations = meaning
                    .observations
                    .iter()
                    .map(|value| Some(value).filter(|_| is_stream).and_then(minute).unwrap_or_else(|| value.clone()))
                    .collect();
                NewRecord {
                    characteristic: characteristic.to_string(),
                    raw: raw.clone(),
                    marks: (!meaning.marks.is_empty()).then(|| serde_json::json!(meaning.marks).to_string()),
                    device_time: meaning.device_time.map(|time| time.to_string()),
                    span_ms: is_stream.then_some(60_000),
                    observations,
                    ..self.record()
                }
            })
            .collect()
    }

    /// The latest that is said of trouble with this.
    async fn trouble(&self, channel: &str) -> Option<Line> {
        let mut work = self.store.work().await.unwrap();
        let about = About::Channel(channel.to_owned());
        let (id, _) = cases::open_case(&mut work, health::CHANNEL, &about).await.unwrap()?;
        cases::lines(&mut work, &id).await.unwrap().pop()
    }
}

/// A strict server of transactions: all or nothing, conditional creation and update by identifier, references within the
/// bundle only.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    asked: usize,
    /// What is answered first: a status, 0 for what is right, or a negative one after all was taken.
    answers: Vec<i32>,
    takes_poison: bool,
    /// What it answers when it is asked what it can do.
    capabilities: u16,
    bundles: Vec<String>,
    /// By kind and search.
    known: BTreeMap<(String, String), Value>,
    newest: BTreeMap<String, Value>,
}

impl Server {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), inner: Arc::default() };
        server.inner.lock().unwrap().capabilities = 200;
        let router = Router::new().route("/metadata", get(capabilities)).fallback(transact).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn answer(&self, answers: &[i32]) {
        self.inner.lock().unwrap().answers = answers.to_vec();
    }

    fn take_poison(&self) {
        self.inner.lock().unwrap().takes_poison = true;
    }

    fn asked(&self) -> usize {
        self.inner.lock().unwrap().asked
    }

    fn count(&self, kind: &str) -> usize {
        self.inner.lock().unwrap().known.keys().filter(|(known, _)| known == kind).count()
    }

    fn newest(&self, kind: &str) -> Option<Value> {
        self.inner.lock().unwrap().newest.get(kind).cloned()
    }

    fn text(&self) -> String {
        self.inner.lock().unwrap().bundles.join("\n")
    }

    /// Every bundle that came is valid R4.
    fn are_valid(&self) {
        static INSTALLING: Mutex<()> = Mutex::new(());
        let check = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fhir");
        let installing = INSTALLING.lock().unwrap();
        std::fs::create_dir_all(&check).unwrap();
        for file in ["package.json", "package-lock.json", "validate.mjs"] {
            std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fhir").join(file), check.join(file))
                .unwrap();
        }
        if !check.join("node_modules").is_dir() {
            let installed = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&check).status();
            assert!(installed.expect("npm runs: apt-get install npm").success());
        }
        drop(installing);
        let folder = tempfile::tempdir().unwrap();
        for (place, bundle) in self.inner.lock().unwrap().bundles.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{place:04}.json")), bundle).unwrap();
        }
        let said = Command::new("node").arg("validate.mjs").arg(folder.path()).current_dir(&check).output();
        let said = said.expect("node runs: apt-get install nodejs");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    }
}

async fn capabilities(State(server): State<Server>) -> StatusCode {
    StatusCode::from_u16(server.inner.lock().unwrap().capabilities).unwrap()
}

async fn transact(State(server): State<Server>, headers: HeaderMap, body: String) -> StatusCode {
    let mut inner = server.inner.lock().unwrap();
    inner.asked += 1;
    let first = if inner.answers.is_empty() { 0 } else { inner.answers.remove(0) };
    let status = |code: i32| StatusCode::from_u16(u16::try_from(code.unsigned_abs()).unwrap()).unwrap();
    if first > 0 {
        return status(first);
    }
    assert_eq!(headers["authorization"], "Bearer secret");
    assert_eq!(headers["content-type"], "application/fhir+json");
    let bundle: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&"Bundle".into(), &"transaction".into()));
    if body.contains("POISON") && !inner.takes_poison {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    let entries = bundle["entry"].as_array().unwrap();
    let urns: Vec<&str> = entries.iter().map(|entry| entry["fullUrl"].as_str().unwrap()).collect();
    references(&bundle, &mut |reference| assert!(urns.contains(&reference), "{reference} is not in the bundle"));
    let mut distinct = urns.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), urns.len(), "each resource once");
    for entry in entries {
        let (request, resource) = (&entry["request"], entry["resource"].clone());
        let kind = resource["resourceType"].as_str().unwrap().to_owned();
        let url = request["url"].as_str().unwrap();
        let key = match (request["method"].as_str().unwrap(), &request["ifNoneExist"]) {
            ("POST", Value::String(search)) => {
                assert_eq!(url, kind);
                search.clone()
            }
            // Nothing finds it again.
            ("POST", Value::Null) => format!("{} {}", inner.known.len(), inner.asked),
            ("PUT", Value::Null) => {
                let (asked, search) = url.split_once('?').unwrap();
                assert_eq!(asked, kind);
                inner.known.insert((kind.clone(), search.to_owned()), resource.clone());
                search.to_owned()
            }
            other => panic!("{other:?}"),
        };
        if let Some(search) = key.strip_prefix("identifier=") {
            let named = |identifier: &Value| {
                let of = |field: &str| identifier[field].as_str().unwrap_or_default().to_owned();
                let encoded = |text: String| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
                format!("{}%7C{}", encoded(of("system")), encoded(of("value")))
            };
            let identifiers = resource["identifier"].as_array().unwrap();
            assert!(identifiers.iter().any(|identifier| named(identifier) == search), "it is found again by {search}");
        }
        inner.known.entry((kind.clone(), key)).or_insert_with(|| resource.clone());
        inner.newest.insert(kind, resource);
    }
    inner.bundles.push(body);
    if first < 0 {
        // As if the answer were lost on the way.
        return StatusCode::GATEWAY_TIMEOUT;
    }
    StatusCode::OK
}

/// Each literal reference in it.
fn references(value: &Value, seen: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("reference", Value::String(reference)) => seen(reference),
                    _ => references(value, seen),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, seen)),
        _ => {}
    }
}

async fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.expect("it happens in time")
}
