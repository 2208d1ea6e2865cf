//! The agent's uplink and enrolment against a gateway of one page: real TLS, real MQTT packets, and a list for a store.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use hempuls_agent::buffer::{self, Buffer, Held};
use hempuls_agent::feedback::{self, Feedback};
use hempuls_agent::heartbeat::{self, Reporter, Vitals};
use hempuls_agent::identity::Folder;
use hempuls_agent::identity::enrol::{EnrolError, enrol};
use hempuls_agent::run::listen;
use hempuls_agent::settings::{Desk, wish};
use hempuls_agent::stop::Stop;
use hempuls_agent::uplink;
use hempuls_agent::watchdog::{Part, Questions};
use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::enrolment::{EnrolmentCode, Granted};
use hempuls_protocol::event::{DeviceTrouble, Kind, Trouble};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::heartbeat::{ConfigState, Heartbeat, Status};
use hempuls_protocol::wire::home_config::{self, HomeConfig};
use hempuls_protocol::wire::receipt::{Receipt, Receipts};
use hempuls_protocol::wire::topic::{Matter, Topic};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PublicKeyData as _,
};
use rumqttc::v5::mqttbytes::Error as MqttError;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Packet, PingResp, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const AGENT: &str = "aaaaaaaaaaaaaaaa";

#[tokio::test]
async fn an_enrolled_agent_brings_everything_to_the_gateway_and_forgets_it_only_then() {
    let gateway = Gateway::open("localhost").await;
    let home = Home::new();
    assert_eq!(home.enrol(&gateway, &gateway.code).await.unwrap(), AGENT);
    let agent = home.start();
    for _ in 0..50 {
        agent.take().await;
    }
    eventually("everything is stored", || gateway.store().through(Lane::Reading) == 51).await;
    eventually("everything is receipted", || agent.held().reading.receipted_through == Sequence(51)).await;
    assert_eq!(agent.held().alarm.receipted_through, Sequence(1));
    let lane = |lane: Lane, through: u64| (lane, agent.held().epoch, Sequence(through), Sequence(through), None);
    eventually("a heartbeat carries the books", || {
        gateway.store().heartbeat.as_ref().is_some_and(|said| {
            let books =
                said.lanes.iter().map(|of| (of.lane, of.epoch, of.receipted_through, of.last, of.oldest_waiting_s));
            books.eq([lane(Lane::Alarm, 1), lane(Lane::Reading, 51)])
        })
    })
    .await;
}

#[tokio::test]
async fn what_a_gateway_did_not_receipt_comes_again_after_a_cut() {
    let gateway = Gateway::open("localhost").await;
    let home = Home::new();
    home.enrol(&gateway, &gateway.code).await.unwrap();
    let agent = home.start();
    gateway.store().is_broken = true;
    for _ in 0..10 {
        agent.take().await;
    }
    eventually("events arrive and are dropped", || gateway.store().dropped > 0).await;
    assert_eq!(agent.held().reading.receipted_through, Sequence::NONE);
    gateway.store().is_broken = false;
    gateway.store().cut = true;
    eventually("everything is receipted", || agent.held().reading.receipted_through == Sequence(11)).await;
}

#[tokio::test]
async fn a_gateway_that_knows_other_events_under_these_numbers_gets_all_of_them_under_new_ones() {
    let gateway = Gateway::open("localhost").await;
    let home = Home::new();
    home.enrol(&gateway, &gateway.code).await.unwrap();
    let agent = home.start();
    eventually("it is connected", || gateway.store().through(Lane::Reading) == 1).await;
    let former = agent.held().epoch;
    gateway.store().forked = Some(Sequence(1));
    agent.take().await;
    eventually("a new epoch began", || agent.held().epoch != former).await;
    // Both lanes begin, and event 1 and 2 of the reading lane are taken again.
    eventually("it is stored", || gateway.store().through(Lane::Reading) == 3).await;
    assert_eq!(gateway.store().epoch, Some(agent.held().epoch));
}

#[tokio::test]
async fn an_agent_that_is_not_enrolled_keeps_what_it_hears_and_sends_it_once_it_is() {
    let gateway = Gateway::open("localhost").await;
    let home = Home::new();
    let agent = home.start();
    agent.take().await;
    home.enrol(&gateway, &gateway.code).await.unwrap();
    eventually("it is stored", || gateway.store().through(Lane::Reading) == 2).await;
}

#[tokio::test]
async fn a_device_that_the_gateway_names_is_adopted_and_stays_so_without_network() {
    let gateway = Gateway::open("localhost").await;
    let home = Home::new();
    home.enrol(&gateway, &gateway.code).await.unwrap();
    let agent = home.start();
    gateway.store().config = Some(home_config(4).to_bytes());
    eventually("it is adopted", || agent.desk.home().borrow().devices.len() == 1).await;
    assert_eq!(agent.desk.state(), ConfigState { revision: 4, refused: None });

    // A configuration of a gateway that knows more kinds of device than this agent.
    let mut later = home_config(5).to_bytes();
    let kind = later.windows(3).position(|bytes| bytes == b":F5").unwrap() + 4;
    later[kind] = 23;
    gateway.store().config = Some(later);
    eventually("it is refused", || agent.desk.state().refused.is_some_and(|refused| refused.revision == 5)).await;
    let after_a_restart = Desk::open(home.0.path(), Vec::new());
    assert_eq!(after_a_restart.state().revision, 4, "the last good one");
    assert_eq!(after_a_restart.home().borrow().devices.len(), 1);
}

fn home_config(revision: u64) -> HomeConfig {
    let device = wish([0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5], DeviceKind::BloodPressure, None, None);
    let time_zone = Some("Europe/Stockholm".into());
    HomeConfig::new(home_config::Home {
        revision,
        devices: vec![device],
        time_zone,
        retired: false,
        prove_every_s: None,
    })
}

#[tokio::test]
async fn the_secret_is_not_sent_to_a_server_that_the_code_was_not_made_for() {
    let gateway = Gateway::open("localhost").await;
    let other = EnrolmentCode::new([1; 8], b"another CA");
    let refused = Home::new().enrol(&gateway, &other).await;
    assert!(matches!(refused, Err(EnrolError::WrongGateway { .. })), "{refused:?}");
    assert_eq!(gateway.store().requests, 0);
}

#[tokio::test]
async fn the_right_gateway_under_a_wrong_name_is_said_to_be_that() {
    let gateway = Gateway::open("gateway.example.org").await;
    let refused = Home::new().enrol(&gateway, &gateway.code).await;
    assert!(matches!(refused, Err(EnrolError::WrongName { .. })), "{refused:?}");
    assert_eq!(gateway.store().requests, 0);
}

#[tokio::test]
async fn a_used_code_is_refused_in_the_gateways_words() {
    let gateway = Gateway::open("localhost").await;
    Home::new().enrol(&gateway, &gateway.code).await.unwrap();
    let refused = Home::new().enrol(&gateway, &gateway.code).await.unwrap_err();
    assert_eq!(refused.to_string(), "the gateway refuses: this code was used already");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_said_to_be_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let home = Home::new();
    let refused = enrol(&home.identity(), &address, &EnrolmentCode::new([1; 8], b"ca")).await;
    assert!(matches!(refused, Err(EnrolError::Unreachable { .. })), "{refused:?}");
}

/// An agent's state folder.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn identity(&self) -> Folder {
        Folder::in_state(self.0.path())
    }

    async fn enrol(&self, gateway: &Gateway, code: &EnrolmentCode) -> Result<String, EnrolError> {
        enrol(&self.identity(), &format!("localhost:{}", gateway.enrolment_port), code).await
    }

    fn start(&self) -> Agent {
        let (buffer, _) = Buffer::open(self.0.path(), &buffer::Config::default()).unwrap();
        let state = self.0.path().to_owned();
        let desk = Desk::open(&state, Vec::new());
        let reporter = Reporter { vitals: Vitals::default(), buffer: buffer.clone(), desk: desk.clone(), state };
        let (stopper, stop) = Stop::new();
        let (words, heard) = mpsc::unbounded_channel();
        let (questions, _) = Questions::new();
        let feedback =
            Feedback::start(feedback::Config::default(), buffer.clone(), questions.pulse(Part::Feedback), stop.clone());
        let often = heartbeat::Config { interval: Duration::from_secs(1) };
        tokio::spawn(uplink::run(
            self.identity(),
            uplink::Config { heartbeat: often, ..uplink::Config::default() },
            buffer.clone(),
            reporter,
            words,
            questions.pulse(Part::Uplink),
            stop,
        ));
        tokio::spawn({
            let (desk, buffer) = (desk.clone(), buffer.clone());
            async move { listen(heard, &desk, &buffer, &feedback).await }
        });
        Agent { buffer, desk, _stopper: stopper }
    }
}

struct Agent {
    buffer: Buffer,
    desk: Desk,
    _stopper: hempuls_agent::stop::Stopper,
}

impl Agent {
    fn held(&self) -> Held {
        self.buffer.state().flash.unwrap()
    }

    async fn take(&self) {
        let device = "F0:F1:F2:F3:F4:F5".parse().unwrap();
        self.buffer.take(Kind::DeviceTrouble(DeviceTrouble { device, trouble: Trouble::NoService })).await.unwrap();
    }
}

/// What the gateway has and is told to do.
#[derive(Default)]
struct Store {
    epoch: Option<Epoch>,
    through: BTreeMap<Lane, u64>,
    /// The last one.
    heartbeat: Option<Box<Heartbeat>>,
    requests: u32,
    /// It does not store what arrives.
    is_broken: bool,
    dropped: u32,
    /// It cuts the connection.
    cut: bool,
    /// It answers the next events so.
    forked: Option<Sequence>,
    /// It says this once.
    config: Option<Vec<u8>>,
}

impl Store {
    fn through(&self, lane: Lane) -> u64 {
        self.through.get(&lane).copied().unwrap_or(0)
    }

    fn receive(&mut self, lane: Lane, envelope: &Envelope) -> Option<Receipts> {
        if self.is_broken {
            self.dropped += 1;
            return None;
        }
        if self.epoch != Some(envelope.epoch) {
            self.epoch = Some(envelope.epoch);
            self.through.clear();
        }
        let through = self.through.entry(lane).or_default();
        if envelope.first.0 <= *through + 1 {
            *through = (*through).max(envelope.last().0);
        }
        let receipt = Receipt::through(lane, envelope.epoch, Sequence(*through));
        let forked = if lane == Lane::Reading { self.forked.take() } else { None };
        Some(Receipts::new(vec![Receipt { forked, ..receipt }], 0))
    }
}

/// A gateway with an enrolment page and a broker.
struct Gateway {
    store: Arc<Mutex<Store>>,
    code: EnrolmentCode,
    enrolment_port: u16,
}

impl Gateway {
    /// Opens one whose certificate is for this name.
    async fn open(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let code = EnrolmentCode::new(rand::random(), &ca.key().subject_public_key_info());
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        let chain = vec![server.der().clone(), ca.der().clone()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = [&rustls::version::TLS13];
        let builder =
            || ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions).unwrap();

        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let broker =
            builder().with_client_cert_verifier(clients).with_single_cert(chain.clone(), key.clone_key()).unwrap();
        let enrolment = builder().with_no_client_auth().with_single_cert(chain, key).unwrap();

        let store = Arc::new(Mutex::new(Store::default()));
        let broker_port =
            serve(broker, store.clone(), |stream, store| async move { drop(talk_mqtt(stream, store).await) }).await;
        let desk = Arc::new(EnrolmentDesk { ca, secret: code.secret().to_owned(), broker_port });
        let enrolment_port = serve(enrolment, store.clone(), move |stream, store| {
            let desk = desk.clone();
            async move { desk.answer(stream, store).await }
        })
        .await;
        Self { store, code, enrolment_port }
    }

    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }
}

async fn serve<F, T>(config: ServerConfig, store: Arc<Mutex<Store>>, talk: T) -> u16
where
    T: Fn(TlsStream<TcpStream>, Arc<Mutex<Store>>) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(talk(stream, store.clone()));
            }
        }
    });
    port
}

struct EnrolmentDesk {
    ca: CertifiedIssuer<'static, KeyPair>,
    secret: String,
    broker_port: u16,
}

impl EnrolmentDesk {
    async fn answer(&self, mut stream: TlsStream<TcpStream>, store: Arc<Mutex<Store>>) {
        let mut request = Vec::new();
        let body = loop {
            if stream.read_buf(&mut request).await.unwrap() == 0 {
                return;
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            match text.split_once("\r\n\r\n") {
                Some((head, body)) if head.starts_with("POST /enrol ") && body.ends_with('}') => break body.to_owned(),
                _ => {}
            }
        };
        let request: hempuls_protocol::enrolment::Request = serde_json::from_str(&body).unwrap();
        let is_first = {
            let mut store = store.lock().unwrap();
            store.requests += 1;
            store.requests == 1
        };
        let (status, body) = if is_first && request.secret == self.secret {
            ("200 OK", serde_json::to_string(&self.grant(&request.csr)).unwrap())
        } else {
            ("403 Forbidden", r#"{"error":"this code was used already"}"#.to_owned())
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    fn grant(&self, csr: &str) -> Granted {
        let request = CertificateSigningRequestParams::from_pem(csr).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, AGENT);
        let certificate = params.signed_by(&request.public_key, &self.ca).unwrap();
        Granted {
            agent: AGENT.into(),
            certificate: certificate.pem(),
            ca: self.ca.pem(),
            broker_host: "localhost".into(),
            broker_port: self.broker_port,
            further_brokers: Vec::new(),
        }
    }
}

/// As much of a broker as an agent needs.
async fn talk_mqtt(mut stream: TlsStream<TcpStream>, store: Arc<Mutex<Store>>) -> std::io::Result<()> {
    let (mut inbox, mut outbox) = (BytesMut::new(), BytesMut::new());
    let topic = |matter| Topic { agent: AGENT.parse().unwrap(), matter }.to_string();
    let receipts = topic(Matter::Receipt);
    let mut is_subscribed = false;
    loop {
        loop {
            let packet = match Packet::read(&mut inbox, None) {
                Ok(packet) => packet,
                Err(MqttError::InsufficientBytes(_)) => break,
                Err(error) => panic!("the agent sends no MQTT: {error}"),
            };
            let mut answer = |packet: Packet| _ = packet.write(&mut outbox, None).unwrap();
            match packet {
                Packet::Connect(connect, will, _) => {
                    assert_eq!(connect.client_id, AGENT);
                    assert_eq!(Status::from_bytes(&will.unwrap().message).unwrap(), Status::LastWill);
                    let code = ConnectReturnCode::Success;
                    answer(Packet::ConnAck(ConnAck { session_present: false, code, properties: None }));
                }
                Packet::Subscribe(subscribe) => {
                    assert_eq!(subscribe.filters[0].path, receipts);
                    is_subscribed = true;
                    let return_codes = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); subscribe.filters.len()];
                    answer(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes, properties: None }));
                }
                Packet::Publish(publish) => {
                    let topic: Topic = std::str::from_utf8(&publish.topic).unwrap().parse().unwrap();
                    let Matter::Events(lane) = topic.matter else {
                        let Status::Heartbeat(heartbeat) = Status::from_bytes(&publish.payload).unwrap() else {
                            panic!("an agent that lives does not say that it ended")
                        };
                        store.lock().unwrap().heartbeat = Some(heartbeat);
                        continue;
                    };
                    answer(Packet::PubAck(PubAck::new(publish.pkid, None)));
                    let envelope = Envelope::from_bytes(&publish.payload).unwrap();
                    envelope.open().unwrap();
                    if let Some(receipt) = store.lock().unwrap().receive(lane, &envelope) {
                        answer(Packet::Publish(Publish::new(&receipts, QoS::AtMostOnce, receipt.to_bytes(), None)));
                    }
                }
                Packet::PingReq(_) => answer(Packet::PingResp(PingResp)),
                other => panic!("the agent says {other:?}"),
            }
        }
        if is_subscribed && let Some(config) = store.lock().unwrap().config.take() {
            Publish::new(topic(Matter::Config), QoS::AtMostOnce, config, None).write(&mut outbox).unwrap();
        }
        stream.write_all_buf(&mut outbox).await?;
        stream.flush().await?;
        let read = timeout(Duration::from_millis(50), stream.read_buf(&mut inbox)).await;
        if std::mem::take(&mut store.lock().unwrap().cut) || matches!(read, Ok(Ok(0))) {
            return Ok(());
        }
    }
}

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waited = timeout(Duration::from_secs(20), async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}
