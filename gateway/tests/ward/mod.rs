//! A whole gateway in a folder of its own, homes that enrol with it, and clients that are what they say or not.

#[path = "../place/mod.rs"]
pub(crate) mod place;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hempuls_gateway::alerts::rules::{self, Rules, above_limit, alarm_pressed};
use hempuls_gateway::alerts::{self, Act};
use hempuls_gateway::config::Config;
use hempuls_gateway::run::{self, Running};
use hempuls_gateway::store::assignments::{self, Assignment};
use hempuls_gateway::store::devices::{self, NewDevice};
use hempuls_gateway::store::{Reader, Work, agents, enrolment_codes, homes, query, query_scalar};
use hempuls_gateway::{clock, pki};
use hempuls_protocol::devices::{Characteristic, DeviceKind};
use hempuls_protocol::enrolment::{EnrolmentCode, Granted, Renewal, Request};
use hempuls_protocol::event::{Alarm, Began, Content, Event, Kind, Origin, Signal};
use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence};
use hempuls_protocol::times::{BootId, DeviceTime, Taken, Trust};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::feedback::{AlarmState, Feedback, Stage};
use hempuls_protocol::wire::heartbeat::{Heartbeat, LaneState, Status};
use hempuls_protocol::wire::home_config::{Home, HomeConfig};
use hempuls_protocol::wire::receipt::{Receipt, Receipts};
use hempuls_protocol::wire::topic::{Matter, Topic};
use minicbor::bytes::ByteVec;
use place::Place;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PubAckReason, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event as MqttEvent, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) const CUFF: DeviceId = DeviceId::Address([0xC0, 0, 0, 0, 0, 1]);
pub(crate) const BUTTON: DeviceId = DeviceId::Address([0xB0, 0, 0, 0, 0, 1]);
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway that runs, and the folder it keeps everything in.
pub(crate) struct Ward {
    folder: Place,
    settings: String,
    running: Running,
}

/// With what somebody comes to the door.
#[derive(Clone)]
pub(crate) struct Papers {
    pub(crate) agent: String,
    pub(crate) client_id: String,
    pub(crate) certificate: Option<(String, String)>,
    pub(crate) ca: String,
    pub(crate) will: Option<String>,
    pub(crate) home: String,
}

/// What the broker answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Taken,
    Refused,
}

impl Ward {
    pub(crate) async fn open() -> Self {
        Self::open_with(rules::Config::default().rules()).await
    }

    pub(crate) async fn open_with(rules: Rules) -> Self {
        Self::open_in(Place::new().await, "", rules).await
    }

    /// With more settings than all wards have. Files that they name are in the folder.
    pub(crate) async fn open_in(folder: Place, settings: &str, rules: Rules) -> Self {
        let running = start(&folder, settings, rules).await;
        Self { folder, settings: settings.to_owned(), running }
    }

    pub(crate) async fn restart_after(self, pause: Duration, rules: Rules) -> Self {
        let Self { folder, settings, running } = self;
        running.stop().await;
        tokio::time::sleep(pause).await;
        let running = start(&folder, &settings, rules).await;
        Self { folder, settings, running }
    }

    /// Stops it, and leaves its folder and its settings, to be opened in again.
    pub(crate) async fn stop(self) -> (Place, String) {
        self.running.stop().await;
        (self.folder, self.settings)
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> Config {
        Config::read(&self.folder.path().join("gateway.toml")).unwrap()
    }

    pub(crate) async fn close(self) {
        self.running.stop().await;
    }

    pub(crate) async fn enrol(&self, name: &str) -> Papers {
        let mut work = self.work().await;
        let (home, _) = homes::add(&mut work, name, clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();
        self.enrol_home(home).await
    }

    pub(crate) async fn enrol_again(&self, papers: &Papers) -> Papers {
        self.enrol_home(papers.home.clone()).await
    }

    /// Enrols over TLS, as an agent does.
    async fn enrol_home(&self, home: String) -> Papers {
        let ca = pki::Ca::open(&self.folder.path().join("data/ca"), clock::now_ms()).unwrap();
        let mut work = self.work().await;
        let agent = homes::agent_of(&mut work, &home).await.unwrap().unwrap();
        let code = EnrolmentCode::new(rand::random(), ca.public_key());
        enrolment_codes::add(&mut work, &agent, &code, clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();

        let (key, csr) = new_key();
        let request = serde_json::to_string(&Request { secret: code.secret().to_owned(), csr }).unwrap();
        let (status, body) = self.post("/enrol", &request, ca.certificate(), None).await.unwrap();
        assert_eq!(status, 200, "{body}");
        let again = self.post("/enrol", &request, ca.certificate(), None).await.unwrap();
        assert_eq!(again.0, 403, "the code works twice");
        let granted: Granted = serde_json::from_str(&body).unwrap();
        assert_eq!(granted.agent, agent.as_str());
        Papers {
            agent: granted.agent.clone(),
            client_id: granted.agent,
            certificate: Some((granted.certificate, key)),
            ca: granted.ca,
            will: None,
            home,
        }
    }

    /// As if the box had been enrolled so many days ago.
    pub(crate) async fn age(&self, papers: &Papers, days: i64) -> Papers {
        let ca = pki::Ca::open(&self.folder.path().join("data/ca"), clock::now_ms()).unwrap();
        let (key, csr) = new_key();
        let (agent, then_ms) = (papers.agent.parse().unwrap(), clock::now_ms() - days * 24 * 60 * 60 * 1000);
        let issued = ca.certify_agent(&agent, &csr, Duration::from_secs(365 * 24 * 60 * 60), then_ms).unwrap();
        let mut work = self.work().await;
        agents::enrol(&mut work, &agent, &issued.serial, issued.expires_ms, then_ms).await.unwrap();
        work.commit().await.unwrap();
        Papers { certificate: Some((issued.pem, key)), ..papers.clone() }
    }

    /// Asks for the next certificate, as an agent does. Otherwise the status and what is said.
    pub(crate) async fn renew(&self, papers: &Papers) -> Result<Papers, (u16, String)> {
        let (key, csr) = new_key();
        let request = serde_json::to_string(&Renewal { csr }).unwrap();
        let answer = self.post("/renew", &request, &papers.ca, papers.certificate.as_ref()).await;
        match answer.map_err(|error| (0, error.to_string()))? {
            (200, body) => {
                let granted: Granted = serde_json::from_str(&body).unwrap();
                assert_eq!(granted.agent, papers.agent);
                Ok(Papers { certificate: Some((granted.certificate, key)), ..papers.clone() })
            }
            refused => Err(refused),
        }
    }

    /// What the console answers to whoever is not signed in: the status, and what is said.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(self.running.console).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn post(
        &self,
        path: &str,
        body: &str,
        ca: &str,
        certificate: Option<&(String, String)>,
    ) -> std::io::Result<(u16, String)> {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(ca, certificate)));
        let stream = tokio::net::TcpStream::connect(self.running.enrolment).await?;
        let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
    }

    pub(crate) async fn assign_cuff(&self, papers: &Papers) {
        let mut work = self.work().await;
        let person = assignments::add_person(&mut work, "Ada", &papers.home, 0).await.unwrap();
        let cuff = NewDevice::plain(CUFF, DeviceKind::BloodPressure);
        devices::add(&mut work, &papers.home, &cuff, 0).await.unwrap().unwrap();
        let assignment = Assignment { device: CUFF.to_string(), slot: None, person, from_ms: 0, until_ms: None };
        assignments::assign(&mut work, &assignment, 0).await.unwrap();
        work.commit().await.unwrap();
    }

    pub(crate) async fn add_device(&self, papers: &Papers, device: &NewDevice) {
        let mut work = self.running.store.work().await.unwrap();
        devices::add(&mut work, &papers.home, device, 0).await.unwrap().unwrap();
        work.commit().await.unwrap();
    }

    pub(crate) async fn change_battery(&self, device: &DeviceId) {
        let mut work = self.running.store.work().await.unwrap();
        devices::change_battery(&mut work, device, clock::now_ms()).await.unwrap().expect("a button");
        work.commit().await.unwrap();
    }

    /// Somebody does something about the case of the press.
    pub(crate) async fn act(&self, act: &Act, who: &str) {
        let mut work = self.running.store.work().await.unwrap();
        let alert: String = query_scalar("SELECT id FROM alert WHERE rule = 'alarm_pressed' ORDER BY id DESC LIMIT 1")
            .fetch_one(&mut *work)
            .await
            .unwrap();
        alerts::act(&mut work, &alert, act, who, clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();
    }

    /// What `/readyz` answers.
    pub(crate) async fn ready(&self) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(self.running.console).await.unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    pub(crate) fn reader(&self) -> &Reader {
        self.running.store.reader()
    }

    pub(crate) async fn work(&self) -> Work<'static> {
        self.running.store.work().await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        query_scalar(sql).fetch_one(self.reader()).await.unwrap()
    }

    pub(crate) async fn eventually(&self, sql: &'static str, expected: i64) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while self.count(sql).await != expected {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("never {expected}: {sql}"));
    }

    /// Whether the store is on a server.
    pub(crate) fn is_on_a_server(&self) -> bool {
        self.folder.is_on_a_server()
    }

    /// The store refuses something from now on, as in [`Place::forbid`].
    pub(crate) async fn forbid(&self, name: &str, what: &str) {
        let mut work = self.work().await;
        self.folder.forbid(&mut work, name, what).await;
        work.commit().await.unwrap();
    }

    /// And no longer.
    pub(crate) async fn allow(&self, name: &str, table: &str) {
        let mut work = self.work().await;
        self.folder.allow(&mut work, name, table).await;
        work.commit().await.unwrap();
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        let mut work = self.work().await;
        query(sql).execute(&mut *work).await.unwrap();
        work.commit().await.unwrap();
    }
}

async fn start(folder: &Place, settings: &str, rules: Rules) -> Running {
    // The first test of the process sets this up for all.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    let file = folder.path().join("gateway.toml");
    let text = "data = \"data\"\n[broker]\nlisten = \"127.0.0.1:0\"\nadvertise = \"localhost:1\"\n\
                [enrolment]\nlisten = \"127.0.0.1:0\"\n[console]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&file, format!("{text}{}{settings}", folder.settings())).unwrap();
    run::start(&Config::read(&file).unwrap(), rules).await.unwrap()
}

/// A key, and the request for its certificate.
fn new_key() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    (key.serialize_pem(), csr)
}

fn tls(ca: &str, certificate: Option<&(String, String)>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    match certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    }
}

/// Somebody who is connected.
pub(crate) struct Client {
    client: AsyncClient,
    events: EventLoop,
    pub(crate) agent: String,
    receipts: VecDeque<Receipt>,
    configs: VecDeque<Home>,
    feedback: VecDeque<AlarmState>,
}

impl Client {
    /// Connects, and listens for all that agents are told.
    pub(crate) async fn connect(ward: &Ward, papers: &Papers) -> Self {
        let mut client = Self::try_connect(ward, papers).await.expect("an agent with its own papers is let in");
        for matter in ["receipt", "config", "feedback"] {
            assert_eq!(client.subscribe(&format!("hempuls/v1/{}/down/{matter}", papers.agent)).await, Answer::Taken);
        }
        client
    }

    pub(crate) async fn try_connect(ward: &Ward, papers: &Papers) -> Result<Self, String> {
        let mut options = MqttOptions::new(&papers.client_id, "localhost", ward.running.broker.unwrap().port());
        let tls = tls(&papers.ca, papers.certificate.as_ref());
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))))
            .set_keep_alive(Duration::from_secs(30))
            .set_clean_start(true)
            .set_max_packet_size(Some(1 << 20))
            .set_outgoing_inflight_upper_limit(16);
        if let Some(will) = &papers.will {
            options.set_last_will(LastWill::new(will, "gone", QoS::AtLeastOnce, false, None));
        }
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, events) = AsyncClient::new(options, 16);
        let mut connected = Self {
            client,
            events,
            agent: papers.agent.clone(),
            receipts: VecDeque::new(),
            configs: VecDeque::new(),
            feedback: VecDeque::new(),
        };
        match connected.next(|packet| matches!(packet, Packet::ConnAck(_))).await {
            Ok(_) => Ok(connected),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) -> Answer {
        self.client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
        match self.next(|packet| matches!(packet, Packet::SubAck(_))).await.unwrap() {
            Packet::SubAck(ack) if ack.return_codes == [SubscribeReasonCode::Success(QoS::AtLeastOnce)] => {
                Answer::Taken
            }
            _ => Answer::Refused,
        }
    }

    pub(crate) async fn publish(&mut self, topic: &str, message: Vec<u8>) -> Answer {
        self.queue(topic, message);
        match self.next(|packet| matches!(packet, Packet::PubAck(_))).await.unwrap() {
            Packet::PubAck(ack) if ack.reason == PubAckReason::Success => Answer::Taken,
            _ => Answer::Refused,
        }
    }

    /// Hands a message over, to be sent while something else is waited for.
    pub(crate) fn queue(&mut self, topic: &str, message: Vec<u8>) {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, message).unwrap();
    }

    pub(crate) async fn send(&mut self, lane: Lane, epoch: Epoch, first: u64, contents: &[Content]) -> Answer {
        self.publish_events(lane, &Envelope::pack(epoch, Sequence(first), taken(60_000), events(first, contents))).await
    }

    /// Sends a reading that was taken before, under another number.
    pub(crate) async fn send_again(&mut self, epoch: Epoch, n: u64, first: (Epoch, u64), content: &Content) {
        let origin = Some(Origin { epoch: first.0, sequence: Sequence(first.1) });
        let event = Event { sequence: Sequence(n), origin, content: content.to_bytes() }.to_bytes();
        self.publish_events(Lane::Reading, &Envelope::pack(epoch, Sequence(n), taken(60_000), vec![event])).await;
    }

    pub(crate) async fn publish_events(&mut self, lane: Lane, envelope: &Envelope) -> Answer {
        self.publish(&format!("hempuls/v1/{}/up/{lane}", self.agent), envelope.to_bytes()).await
    }

    pub(crate) async fn beat(&mut self, lane: Lane, epoch: Epoch, receipted: u64, last: u64) {
        let state = LaneState {
            lane,
            epoch,
            oldest_kept: Sequence(1),
            receipted_through: Sequence(receipted),
            last: Sequence(last),
            oldest_waiting_s: None,
        };
        let beat = Heartbeat { heard_s: Some(1), heard: last, ..Heartbeat::bare(taken(60_000), vec![state], "test") };
        self.say(beat).await;
    }

    /// Sends a heartbeat.
    pub(crate) async fn say(&mut self, beat: Heartbeat) {
        let topic = format!("hempuls/v1/{}/up/status", self.agent);
        assert_eq!(self.publish(&topic, Status::Heartbeat(Box::new(beat)).to_bytes()).await, Answer::Taken);
    }

    /// Waits until the broker hangs up.
    pub(crate) async fn is_thrown_out(&mut self) {
        assert!(self.next(|_| false).await.is_err());
    }

    /// The next receipt.
    pub(crate) async fn receipt(&mut self) -> Receipt {
        while self.receipts.is_empty() {
            self.next(|packet| matches!(packet, Packet::Publish(_))).await.unwrap();
        }
        self.receipts.pop_front().unwrap()
    }

    /// The next configuration.
    pub(crate) async fn config(&mut self) -> Home {
        while self.configs.is_empty() {
            self.next(|packet| matches!(packet, Packet::Publish(_))).await.unwrap();
        }
        self.configs.pop_front().unwrap()
    }

    /// What is said next of one alarm.
    pub(crate) async fn feedback(&mut self, epoch: Epoch, n: u64) -> Stage {
        let is_it = |state: &AlarmState| state.epoch == epoch && state.sequence == Sequence(n);
        loop {
            while let Some(state) = self.feedback.pop_front() {
                if is_it(&state) {
                    return state.stage;
                }
            }
            self.next(|packet| matches!(packet, Packet::Publish(_))).await.unwrap();
        }
    }

    pub(crate) async fn no_config_within(&mut self, pause: Duration) {
        let heard = tokio::time::timeout(pause, self.config()).await;
        assert!(heard.is_err(), "a configuration came: {heard:?}");
    }

    pub(crate) async fn no_feedback_within(&mut self, pause: Duration, epoch: Epoch, n: u64) {
        let heard = tokio::time::timeout(pause, self.feedback(epoch, n)).await;
        assert!(heard.is_err(), "something was said of the alarm: {heard:?}");
    }

    pub(crate) async fn no_receipt_within(&mut self, pause: Duration) {
        // Whoever is thrown out meanwhile gets none either.
        let heard = async {
            while self.receipts.is_empty() {
                self.next(|packet| matches!(packet, Packet::Publish(_))).await.ok()?;
            }
            self.receipts.pop_front()
        };
        let heard = tokio::time::timeout(pause, heard).await;
        assert!(matches!(heard, Err(_) | Ok(None)), "a receipt came: {heard:?}");
    }

    fn hear(&mut self, publish: &Publish) {
        let topic: Topic = std::str::from_utf8(&publish.topic).unwrap().parse().expect("an agent's topic");
        let bytes = &publish.payload;
        match topic.matter {
            Matter::Receipt => self.receipts.extend(Receipts::from_bytes(bytes).expect("receipts").lanes),
            Matter::Config => self.configs.push_back(HomeConfig::from_bytes(bytes).expect("a configuration").home),
            Matter::Feedback => self.feedback.extend(Feedback::from_bytes(bytes).expect("feedback").alarms),
            Matter::Events(_) | Matter::Status => panic!("an agent hears {topic}"),
        }
    }

    async fn next(&mut self, wanted: fn(&Packet) -> bool) -> Result<Packet, String> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let event = self.events.poll().await.map_err(|error| error.to_string())?;
                let MqttEvent::Incoming(packet) = event else { continue };
                if let Packet::Publish(publish) = &packet {
                    self.hear(publish);
                }
                if wanted(&packet) {
                    return Ok(packet);
                }
            }
        })
        .await
        .expect("the broker answers")
    }
}

pub(crate) fn above_limit(repeat_within: Duration) -> Rules {
    let config = above_limit::Config { repeat_within, ..above_limit::Config::default() };
    let mut rules: Rules = vec![Box::new(alarm_pressed::AlarmPressed)];
    rules.extend(above_limit::rules(&config).into_iter().map(|rule| Box::new(rule) as Box<dyn rules::Rule>));
    rules
}

/// A moment after the agent's start.
pub(crate) fn taken(since_boot_ms: u64) -> Taken {
    Taken { boot: BootId([1; 16]), since_boot_ms, wall_ms: None, trust: Trust::Unknown }
}

/// A blood pressure from a cuff without a clock, as long before the end of the first minute as `at_ms` is.
pub(crate) fn reading(systolic: u8, diastolic: u8, at_ms: u64) -> Content {
    let raw = vec![0x00, systolic, 0, diastolic, 0, 100, 0];
    let signal = Signal::heard(CUFF, Characteristic::BLOOD_PRESSURE_MEASUREMENT, raw);
    Content { taken: taken(at_ms), kind: Kind::Signal(signal) }
}

/// A blood pressure from a cuff whose clock shows this.
pub(crate) fn clocked_reading(time: &str, at_ms: u64) -> Content {
    let mut content = reading(130, 80, at_ms);
    if let Kind::Signal(signal) = &mut content.kind {
        signal.device_time = Some(DeviceTime(time.parse().unwrap()));
    }
    content
}

/// A press of an encrypted button.
pub(crate) fn press(counter: u32, at_ms: u64) -> Content {
    let alarm =
        Alarm { counter: Some(counter), authentic: true, ..Alarm::pressed(BUTTON, counter.to_be_bytes().to_vec()) };
    Content { taken: taken(at_ms), kind: Kind::Alarm(alarm) }
}

/// A buffer that knows of none before it.
pub(crate) fn began() -> Content {
    Content { taken: taken(0), kind: Kind::Began(Began { previous: None }) }
}

/// The bytes of consecutive events.
pub(crate) fn events(first: u64, contents: &[Content]) -> Vec<ByteVec> {
    (first..)
        .zip(contents)
        .map(|(n, content)| Event { sequence: Sequence(n), origin: None, content: content.to_bytes() }.to_bytes())
        .collect()
}
