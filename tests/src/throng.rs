//! Many boxes at a gateway's broker, without radios: each with a certificate of its own, and all it says said as an agent does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hempuls_gateway::config::Config;
use hempuls_gateway::run;
use hempuls_gateway::store::assignments::{self, Assignment};
use hempuls_gateway::store::devices::{self, NewDevice};
use hempuls_gateway::store::{agents, homes};
use hempuls_protocol::devices::{Characteristic, DeviceKind};
use hempuls_protocol::event::{Alarm, Began, Content, Event, Kind, Signal};
use hempuls_protocol::ids::{AgentId, DeviceId, Epoch, Lane, Sequence};
use hempuls_protocol::times::{BootId, Taken, Trust};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::heartbeat::{Heartbeat, LaneState, Status};
use hempuls_protocol::wire::receipt::Receipts;
use hempuls_simulators::clock::Moment;
use hempuls_simulators::system::Gateway;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event as MqttEvent, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

const EPOCH: Epoch = Epoch(1);

/// Messages on the way without the broker's word, and without a receipt.
const ON_THE_WAY: u16 = 16;
const UNRECEIPTED: u64 = 32;
/// As many readings at most: all boxes together send no more than a gateway keeps in line.
const UNRECEIPTED_READINGS: u64 = 400;

/// Whoever is told to come again does so after this.
const TOLD_TO_WAIT: Duration = Duration::from_millis(20);

/// What the broker of a gateway answers within.
const PATIENCE: Duration = Duration::from_secs(60);

/// One box, before it is switched on.
#[derive(Clone)]
pub struct Member {
    /// Its id.
    pub agent: AgentId,
    cuff: DeviceId,
    button: DeviceId,
    tls: Arc<ClientConfig>,
}

/// Where a gateway that was installed has its settings.
#[must_use]
pub fn config_file(gateway: &Gateway) -> PathBuf {
    gateway.data().with_file_name("gateway.toml")
}

/// Adds homes with one box, one person and her cuff each to a gateway that does not run, and enrols the boxes.
///
/// # Errors
/// When something cannot be written.
pub async fn settle(gateway: &Gateway, count: usize) -> anyhow::Result<Vec<Member>> {
    let config = Config::read(&config_file(gateway))?;
    run::open_data(&config)?;
    let (store, ca) = (run::open_store(&config).await?, run::open_ca(&config)?);
    let now_ms = Moment::now().utc.as_millisecond();
    // One key for all: making thousands would only measure that.
    let key = rcgen::KeyPair::generate()?;
    let request = rcgen::CertificateParams::default().serialize_request(&key)?.pem()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.certificate().as_bytes())?)?;
    let roots = Arc::new(roots);
    let mut members = Vec::with_capacity(count);
    let mut work = store.work().await?;
    for number in 0..count {
        let (home, agent) = homes::add(&mut work, &format!("home {number}"), now_ms).await?;
        let issued = ca.certify_agent(&agent, &request, Duration::from_secs(365 * 86_400), now_ms)?;
        agents::enrol(&mut work, &agent, &issued.serial, issued.expires_ms, now_ms).await?;
        let [_, _, a, b, c, d] = (number as u64).to_be_bytes()[2..] else { unreachable!("six bytes") };
        let (cuff, button) = (DeviceId::Address([0xC0, 1, a, b, c, d]), DeviceId::Address([0xB0, 1, a, b, c, d]));
        let person = assignments::add_person(&mut work, &format!("person {number}"), &home, now_ms).await?;
        let plain = NewDevice::plain(cuff.clone(), DeviceKind::BloodPressure);
        devices::add(&mut work, &home, &plain, now_ms).await?.ok().context("the cuff is new")?;
        let assignment = Assignment { device: cuff.to_string(), slot: None, person, from_ms: 0, until_ms: None };
        assignments::assign(&mut work, &assignment, now_ms).await?;
        let chain = vec![CertificateDer::from_pem_slice(issued.pem.as_bytes())?];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?)?;
        members.push(Member { agent, cuff, button, tls: Arc::new(tls) });
    }
    work.commit().await?;
    store.close().await;
    Ok(members)
}

/// A box that is switched on. It connects again whenever it is cut off, and sends again what has no receipt.
pub struct Sender {
    member: Member,
    port: u16,
    mqtt: Option<(AsyncClient, EventLoop)>,
    /// What is receipted, in its alarm lane and its reading lane.
    through: [u64; 2],
    began: Moment,
    /// How often it had to connect.
    pub connects: u32,
}

impl Sender {
    /// A box that knows where the broker is.
    #[must_use]
    pub fn new(member: Member, port: u16) -> Self {
        Self { member, port, mqtt: None, through: [0; 2], began: Moment::now(), connects: 0 }
    }

    /// Its id.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        &self.member.agent
    }

    /// Connects, and listens for receipts.
    ///
    /// # Errors
    /// When the broker does not let it in in time.
    pub async fn connect(&mut self) -> anyhow::Result<()> {
        tokio::time::timeout(PATIENCE, self.connect_for_ever()).await.context("the broker lets nobody in")
    }

    async fn connect_for_ever(&mut self) {
        while self.mqtt.is_none() {
            if let Err(_refused) = self.try_connect().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn try_connect(&mut self) -> anyhow::Result<()> {
        let mut options = MqttOptions::new(self.member.agent.as_str(), "127.0.0.1", self.port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(&self.member.tls))))
            .set_keep_alive(Duration::from_secs(60))
            .set_clean_start(true)
            .set_connection_timeout(30)
            .set_max_packet_size(Some(1 << 20))
            .set_outgoing_inflight_upper_limit(ON_THE_WAY);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, mut events) = AsyncClient::new(options, 2 * usize::from(ON_THE_WAY));
        let filter = format!("hempuls/v1/{}/down/receipt", self.member.agent);
        loop {
            match events.poll().await? {
                MqttEvent::Incoming(Packet::ConnAck(answer)) => {
                    anyhow::ensure!(answer.code == ConnectReturnCode::Success, "refused: {:?}", answer.code);
                    client.try_subscribe(&filter, QoS::AtLeastOnce)?;
                }
                MqttEvent::Incoming(Packet::SubAck(_)) => {
                    self.mqtt = Some((client, events));
                    self.connects += 1;
                    return Ok(());
                }
                MqttEvent::Incoming(_) | MqttEvent::Outgoing(_) => {}
            }
        }
    }

    /// Sends readings until so many are receipted, `size` to a message. The first is that its buffer began.
    ///
    /// # Errors
    /// When nothing is heard for too long.
    pub async fn pour(&mut self, last: u64, size: u64) -> anyhow::Result<()> {
        let mut next = self.through[1] + 1;
        while self.through[1] < last {
            self.connect().await?;
            while next <= last && next <= self.through[1] + (UNRECEIPTED * size).min(UNRECEIPTED_READINGS) {
                let end = (next + size - 1).min(last);
                let contents = (next..=end).map(|number| self.reading(number)).collect();
                if !self.publish(Lane::Reading, next, contents) {
                    break;
                }
                next = end + 1;
            }
            if !self.listen().await? {
                next = self.through[1] + 1;
            }
        }
        Ok(())
    }

    /// Presses its button, and waits for the receipt: the press and its alert are on the disk. Returns how long that took.
    ///
    /// # Errors
    /// When nothing is heard for too long.
    pub async fn press(&mut self) -> anyhow::Result<Duration> {
        let pressed = Moment::now();
        if self.through[0] == 0 {
            self.say(Lane::Alarm, 1, &Kind::Began(Began { previous: None })).await?;
        }
        let number = self.through[0] + 1;
        let counter = u32::try_from(number)?;
        let button = Alarm::pressed(self.member.button.clone(), counter.to_be_bytes().to_vec());
        let alarm = Alarm { counter: Some(counter), authentic: true, ..button };
        self.say(Lane::Alarm, number, &Kind::Alarm(alarm)).await?;
        Ok(pressed.instant.elapsed())
    }

    async fn say(&mut self, lane: Lane, number: u64, kind: &Kind) -> anyhow::Result<()> {
        let mut is_sent = false;
        while self.through[place(lane)] < number {
            self.connect().await?;
            if !is_sent {
                is_sent = self.publish(lane, number, vec![Content { taken: self.taken(), kind: kind.clone() }]);
            }
            is_sent &= self.listen().await?;
        }
        Ok(())
    }

    /// Says that it lives.
    ///
    /// # Errors
    /// When it is not connected any more.
    pub fn beat(&mut self) -> anyhow::Result<()> {
        let state = |lane: Lane| LaneState {
            lane,
            epoch: EPOCH,
            oldest_kept: Sequence(1),
            receipted_through: Sequence(self.through[place(lane)]),
            last: Sequence(self.through[place(lane)]),
            oldest_waiting_s: None,
        };
        let lanes = Lane::ALL.into_iter().map(state).collect();
        let beat = Heartbeat { heard_s: Some(1), ..Heartbeat::bare(self.taken(), lanes, "bench") };
        let topic = format!("hempuls/v1/{}/up/status", self.member.agent);
        let (client, _) = self.mqtt.as_ref().context("it is cut off")?;
        Ok(client.try_publish(topic, QoS::AtLeastOnce, false, Status::Heartbeat(Box::new(beat)).to_bytes())?)
    }

    /// Hears what it is told for so long. Says whether it was connected all the time.
    pub async fn listen_for(&mut self, time: Duration) -> bool {
        let listen = async { while matches!(self.listen().await, Ok(true)) {} };
        tokio::time::timeout(time, listen).await.is_err()
    }

    /// Hears the next thing. Says no where it was cut off, or told to come again.
    async fn listen(&mut self) -> anyhow::Result<bool> {
        let Some((_, events)) = &mut self.mqtt else { return Ok(false) };
        let heard = tokio::time::timeout(PATIENCE, events.poll()).await.context("nothing is heard of the broker")?;
        match heard {
            // The gateway also says how the alert of a press stands.
            Ok(MqttEvent::Incoming(Packet::Publish(message))) if message.topic.ends_with(b"/receipt") => {
                let receipts = Receipts::from_bytes(&message.payload).map_err(|error| anyhow::anyhow!("{error}"))?;
                for receipt in receipts.lanes {
                    let through = &mut self.through[place(receipt.lane)];
                    *through = (*through).max(receipt.through.0);
                }
            }
            Ok(MqttEvent::Incoming(Packet::PubAck(answer))) if answer.reason != PubAckReason::Success => {
                tokio::time::sleep(TOLD_TO_WAIT).await;
                return Ok(false);
            }
            Ok(MqttEvent::Incoming(_) | MqttEvent::Outgoing(_)) => {}
            Err(_cut_off) => {
                self.mqtt = None;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says no where there is no room for it yet.
    fn publish(&self, lane: Lane, first: u64, contents: Vec<Content>) -> bool {
        let Some((client, _)) = &self.mqtt else { return false };
        let events = (first..).zip(contents);
        let event = |(number, content): (u64, Content)| {
            Event { sequence: Sequence(number), origin: None, content: content.to_bytes() }.to_bytes()
        };
        let envelope = Envelope::pack(EPOCH, Sequence(first), self.taken(), events.map(event).collect());
        let topic = format!("hempuls/v1/{}/up/{lane}", self.member.agent);
        client.try_publish(topic, QoS::AtLeastOnce, false, envelope.to_bytes()).is_ok()
    }

    /// A blood pressure from a cuff without a clock; one of five hundred asks for a repeat.
    fn reading(&self, number: u64) -> Content {
        let kind = if number == 1 {
            Kind::Began(Began { previous: None })
        } else {
            let systolic = if number.is_multiple_of(500) { 184 } else { 105 + (number % 60) as u8 };
            let raw = vec![0x00, systolic, 0, 80, 0, 95, 0];
            Kind::Signal(Signal::heard(self.member.cuff.clone(), Characteristic::BLOOD_PRESSURE_MEASUREMENT, raw))
        };
        let taken = Taken { since_boot_ms: self.taken().since_boot_ms + number, ..self.taken() };
        Content { taken, kind }
    }

    fn taken(&self) -> Taken {
        let since_boot_ms = u64::try_from(self.began.instant.elapsed().as_millis()).unwrap_or(0);
        let wall_ms = Some(Moment::now().utc.as_millisecond());
        Taken { boot: BootId([1; 16]), since_boot_ms, wall_ms, trust: Trust::Synchronised }
    }
}

fn place(lane: Lane) -> usize {
    match lane {
        Lane::Alarm => 0,
        Lane::Reading => 1,
    }
}
