//! A broker that is not ours, such as Mosquitto: the gateway is one of its clients.
//!
//! Who speaks for an agent, and who hears it, is for that broker to check: `packaging/mosquitto` has the rules under which
//! a certificate opens its own agent's topics only. Who is cut off is dropped here all the same, whoever let it in.
//!
//! Nothing depends on what lies at the broker. The gateway's session ends with its connection, so that nothing is queued
//! for it while it is away: agents are told that nobody listens, and keep what they have.
//!
//! Several gateways share what agents say: each message comes to one of them. One that dies or stands still is left out once the
//! broker has not heard it for a few seconds, and one whose store takes nothing leaves by itself; what was on its way to
//! either its agent sends again, as all that has no receipt.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hempuls_protocol::enrolment::Broker as Place;
use hempuls_protocol::ids::AgentId;
use hempuls_protocol::wire::heartbeat::Status;
use hempuls_protocol::wire::topic::{Matter, Topic};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{Notify, mpsc};

use super::{LARGEST_MESSAGE, LETTER_LIVES, note_connection};
use crate::changes::Changes;
use crate::clock;
use crate::http::Health;
use crate::ingest::Intake;
use crate::letters::Letter;
use crate::pki::Ca;
use crate::store::{Store, StoreError, homes, silence};

/// The name that a gateway bears at a broker, unless it has one of its own: its certificate's common name, and its client
/// id. It is no agent's.
pub const NAME: &str = "hempuls-gateway";
/// What all gateways hear together.
const EVERYTHING: &str = "$share/hempuls-gateway/hempuls/v1/+/up/#";
/// How many words about who is there may wait to be kept. They are said again with each heartbeat.
const WORDS_WAITING: usize = 4096;
/// How often it is looked whether the store takes what is heard.
const LOOK_AT_STORE: Duration = Duration::from_secs(1);
/// The certificate is made anew for each connection, which should not outlive it.
const CERTIFICATE_LIVES: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The broker waits half as long again before it takes the gateway for dead, and brings it a share of all alarms until then.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const CONNECT_S: u64 = 10;
/// How many letters may be on their way unacknowledged.
const IN_FLIGHT: u16 = 100;
/// How many wait for that, at most. A later one says what this said.
const LETTERS_WAITING: usize = 1000;
/// After a connection that came to nothing; doubles.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// An agent is there, or is not.
type Word = (AgentId, bool);

/// A broker elsewhere.
pub struct External {
    /// Where.
    pub place: Place,
    /// As whom the gateway connects to it.
    pub name: String,
    /// Who vouches for it, and for us.
    pub ca: Arc<Ca>,
    /// Where messages are brought.
    pub intake: Intake,
    /// Where it is kept who is connected.
    pub store: Store,
    /// Who is told of that.
    pub changes: Changes,
    /// Whether it is there.
    pub health: Arc<Health>,
}

impl External {
    /// Brings what agents send to ingest, and `letters` to agents, for ever.
    pub async fn serve(self, letters: mpsc::Receiver<Letter>) {
        let (told, words) = mpsc::channel(WORDS_WAITING);
        tokio::select! {
            () = self.keep_who_is_there(words) => {}
            () = self.stay_connected(letters, told) => {}
        }
    }

    async fn stay_connected(&self, mut letters: mpsc::Receiver<Letter>, told: mpsc::Sender<Word>) {
        let (mut pause, mut said) = (SHORTEST_PAUSE, String::new());
        loop {
            let online = Notify::new();
            let error = match self.connect(&online, &mut letters, &told).await {
                Ok(()) => return,
                Err(error) => format!("{error:#}"),
            };
            if self.health.broker_is_up(false) {
                (pause, said) = (SHORTEST_PAUSE, String::new());
            }
            if error == said {
                tracing::debug!(broker = %self.place, error, "the broker is not there");
            } else {
                tracing::error!(broker = %self.place, error, "the broker is not there; agents keep what they have");
            }
            said = error;
            self.nobody_is_connected().await;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection. Ends well when nobody writes letters any more.
    async fn connect(
        &self,
        online: &Notify,
        letters: &mut mpsc::Receiver<Letter>,
        told: &mpsc::Sender<Word>,
    ) -> anyhow::Result<()> {
        if self.health.ingest_stands_still() {
            bail!("this gateway stays away from it while its store takes nothing");
        }
        let (client, events) = AsyncClient::new(self.options()?, LETTERS_WAITING);
        tokio::select! {
            ended = self.listen(&client, events, online, told) => ended,
            () = deliver(&client, letters, online) => Ok(()),
            () = self.until_nothing_is_stored() => bail!("this gateway leaves it while its store takes nothing"),
        }
    }

    async fn until_nothing_is_stored(&self) {
        while !self.health.ingest_stands_still() {
            tokio::time::sleep(LOOK_AT_STORE).await;
        }
    }

    fn options(&self) -> anyhow::Result<MqttOptions> {
        let (certificate, key) = self
            .ca
            .client(&self.name, CERTIFICATE_LIVES, clock::now_ms())
            .context("making a certificate to show it")?;
        let mut authorities = RootCertStore::empty();
        authorities.add(self.ca.certificate_der())?;
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(authorities)
            .with_client_auth_cert(vec![certificate], key)?;
        let mut options = MqttOptions::new(&self.name, &self.place.host, self.place.port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))))
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(true)
            .set_connection_timeout(CONNECT_S)
            .set_max_packet_size(Some(LARGEST_MESSAGE))
            .set_outgoing_inflight_upper_limit(IN_FLIGHT);
        Ok(options)
    }

    async fn listen(
        &self,
        client: &AsyncClient,
        mut events: EventLoop,
        online: &Notify,
        told: &mpsc::Sender<Word>,
    ) -> anyhow::Result<()> {
        loop {
            let Event::Incoming(packet) = events.poll().await? else { continue };
            match packet {
                Packet::ConnAck(_) => client.try_subscribe(EVERYTHING, QoS::AtLeastOnce)?,
                Packet::SubAck(answer) => {
                    if !answer.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
                        bail!("it does not let {} hear the agents; its access rules are wrong", self.name);
                    }
                    tracing::info!(broker = %self.place, "connected to the broker");
                    self.health.broker_is_up(true);
                    online.notify_one();
                }
                Packet::Publish(message) => self.hear(&message, told),
                _ => {}
            }
        }
    }

    fn hear(&self, message: &Publish, told: &mpsc::Sender<Word>) {
        let topic = std::str::from_utf8(&message.topic).ok().and_then(|topic| topic.parse::<Topic>().ok());
        // What is retained was said some time ago.
        let Some(Topic { agent, matter }) = topic.filter(|topic| topic.matter.is_up() && !message.retain) else {
            return;
        };
        if matter == Matter::Status {
            let is_there = !matches!(Status::from_bytes(&message.payload), Ok(Status::LastWill));
            if told.try_send((agent.clone(), is_there)).is_err() {
                tracing::debug!(agent.id = %agent, is_there, "not kept: its next heartbeat says it again");
            }
        }
        if let Err(full) = self.intake.offer(agent, matter, &message.payload, clock::now_ms()) {
            tracing::debug!(%full, "dropped: its agent sends it again");
        }
    }

    /// Keeps who is there. Only what is news is written: another gateway may have heard it before.
    async fn keep_who_is_there(&self, mut words: mpsc::Receiver<Word>) {
        while let Some((agent, is_there)) = words.recv().await {
            match homes::is_connected(self.store.reader(), &agent).await {
                Ok(Some(was_there)) if was_there != is_there => {
                    note_connection(&self.store, &self.changes, &agent, is_there).await;
                }
                Ok(Some(_) | None) => {}
                Err(error) => tracing::warn!(agent.id = %agent, %error, "who is connected cannot be kept"),
            }
        }
    }

    async fn nobody_is_connected(&self) {
        if let Err(error) = nobody_is_connected(&self.store).await {
            tracing::warn!(%error, "that nobody is connected cannot be kept");
        }
    }
}

/// Keeps that nobody is connected to the broker, as far as is known. While another gateway listens it hears who is there.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn nobody_is_connected(store: &Store) -> Result<(), StoreError> {
    let now_ms = clock::now_ms();
    if store.is_on_a_server() && silence::is_anybody_listening(store.reader(), now_ms).await? {
        return Ok(());
    }
    let mut work = store.work().await?;
    homes::none_is_connected(&mut work, now_ms).await?;
    Ok(work.commit().await?)
}

/// Delivers letters from when the gateway is heard, until nobody writes any more.
async fn deliver(client: &AsyncClient, letters: &mut mpsc::Receiver<Letter>, online: &Notify) {
    online.notified().await;
    // What was written for another connection says what is no longer so.
    while letters.try_recv().is_ok() {}
    let lives = u32::try_from(LETTER_LIVES.as_secs()).ok();
    while let Some(letter) = letters.recv().await {
        let properties = PublishProperties { message_expiry_interval: lives, ..PublishProperties::default() };
        let (topic, bytes) = (letter.topic().to_string(), letter.to_bytes());
        if client.try_publish_with_properties(topic, QoS::AtLeastOnce, false, bytes, properties).is_err() {
            tracing::debug!(agent.id = %letter.to, "a letter found no room; it will be asked for again");
        }
    }
}
