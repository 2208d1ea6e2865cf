//! The embedded broker: mutual TLS, and each agent on its own topics only. Another may take its place: [`external`].
//!
//! What it acknowledges is only that it was taken in; what is stored, a receipt says. Sessions and queues of the broker
//! live in memory, and nothing depends on them.

pub mod acl;
pub mod external;
mod hooks;
pub mod room;

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use hempuls_protocol::enrolment::Broker as Place;
use hempuls_protocol::ids::AgentId;
use rmqtt::codec::types::{Publish as Packet, QoS};
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::types::{From as Sender, Id, Publish};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::sync::{mpsc, watch};

use crate::changes::{Change, Changes};
use crate::http::Health;
use crate::ingest::Intake;
use crate::letters::Letter;
use crate::pki::ServerFiles;
use crate::store::{Store, StoreError, agents, homes};

/// A common name is no longer than this.
const LONGEST_NAME: usize = 64;

/// Where the broker listens.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Another broker to connect to instead, such as Mosquitto: nothing is listened on then.
    #[serde(deserialize_with = "place")]
    pub external: Option<Place>,
    /// As whom the gateway connects to that: the common name of its certificate. Each of several gateways has its own, which
    /// begins with `hempuls-gateway`.
    pub name: String,
    /// Where an enrolled agent is told that brokers of this gateway are, in the order in which it is to try them: one
    /// host:port, or a list. The hosts are also the names in the server's certificate.
    #[serde(deserialize_with = "places")]
    pub advertise: Vec<Place>,
}

impl Default for Config {
    fn default() -> Self {
        let advertise = vec![Place { host: "localhost".to_owned(), port: 8883 }];
        let listen = SocketAddr::from(([127, 0, 0, 1], 8883));
        Self { listen, external: None, name: external::NAME.to_owned(), advertise }
    }
}

impl Config {
    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if self.name.starts_with(external::NAME) && self.name.chars().all(is_plain) && self.name.len() <= LONGEST_NAME {
            return Ok(());
        }
        Err(format!(
            "broker.name = \"{}\": a gateway's name begins with {}, with small letters, digits and - after it, {LONGEST_NAME} in \
             all, so that it is no agent's",
            self.name,
            external::NAME
        ))
    }

    /// The hosts that agents are told, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.advertise.iter().map(|place| place.host.as_str()).collect();
        let mut known = std::collections::HashSet::new();
        names.retain(|name| known.insert(*name));
        names
    }
}

fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Place>, D::Error> {
    parse(&String::deserialize(deserializer)?).map(Some)
}

fn parse<E: serde::de::Error>(text: &str) -> Result<Place, E> {
    text.parse().map_err(|error| E::custom(format!("\"{text}\" {error}")))
}

fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Place>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        One(String),
        List(Vec<String>),
    }
    let said = match Said::deserialize(deserializer)? {
        Said::One(place) => vec![place],
        Said::List(places) => places,
    };
    if said.is_empty() {
        return Err(D::Error::custom("there must be at least one broker that agents are told of"));
    }
    said.iter().map(|text| parse(text)).collect()
}

/// Keeps who is connected, for the homes page. Only a hint: a fault of the store is no reason to refuse anybody.
async fn note_connection(store: &Store, changes: &Changes, agent: &AgentId, is_connected: bool) {
    let note = async {
        let mut work = store.work().await?;
        let home = homes::note_connection(&mut work, agent, is_connected, crate::clock::now_ms()).await?;
        work.commit().await?;
        Ok::<_, StoreError>(home)
    };
    match note.await {
        Ok(home) => changes.tell(home.map(Change::Home)),
        Err(error) => tracing::warn!(agent.id = %agent, %error, "who is connected cannot be kept"),
    }
}

/// A message larger than this is not taken.
const LARGEST_MESSAGE: u32 = 1 << 20;

/// How many messages may be on their way to or from an agent unacknowledged.
const IN_FLIGHT: NonZeroU16 = NonZeroU16::new(16).expect("16 is not 0");

/// How many letters wait for an agent that does not take them. Later ones say what these said.
const LETTERS_WAITING: usize = 100;

/// A letter that was not delivered by then is worth nothing any more: another was asked for.
const LETTER_LIVES: Duration = Duration::from_secs(10 * 60);

/// How often to look whether somebody who is connected was cut off.
const LOOK_FOR_REVOKED: Duration = Duration::from_secs(1);

/// The broker.
pub struct Broker {
    context: ServerContext,
    listen: SocketAddr,
}

impl Broker {
    /// Makes a broker that brings what agents send to `intake`.
    pub async fn new(listen: SocketAddr, store: Store, intake: Intake, changes: Changes) -> Self {
        let context = ServerContext::new()
            .task_exec_workers(200)
            .task_exec_queue_max(10_000)
            .busy_check_enable(false)
            .build()
            .await;
        hooks::register(&context, store, intake, changes).await;
        Self { context, listen }
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the certificate cannot be read.
    pub fn listen(&self, files: &ServerFiles) -> Result<Listener, rmqtt::Error> {
        let path = |file: &std::path::Path| Some(file.to_string_lossy().into_owned());
        Builder::new()
            .name("hempuls")
            .laddr(self.listen)
            .reuseaddr(Some(true))
            .nodelay(true)
            .tls_cert(path(&files.chain))
            .tls_key(path(&files.key))
            .tls_client_ca_certs(path(&files.ca))
            .tls_cross_certificate(true)
            .cert_cn_as_username(true)
            .collect_cert_info(true)
            .allow_anonymous(false)
            .max_inflight(IN_FLIGHT)
            .max_packet_size(LARGEST_MESSAGE)
            .max_mqueue_len(LETTERS_WAITING)
            .message_expiry_interval(LETTER_LIVES)
            .max_subscriptions(8)
            .max_clientid_len(64)
            .max_topic_levels(8)
            .bind()?
            .tls()
    }

    /// Delivers the letters that come out of `letters`, until nobody can write any more.
    pub async fn deliver(&self, mut letters: mpsc::Receiver<Letter>) {
        let node = self.context.node.id();
        let from = Sender::from_system(Id::from(node, "hempuls-gateway".into()));
        while let Some(letter) = letters.recv().await {
            let packet = Packet {
                dup: false,
                retain: false,
                qos: QoS::AtLeastOnce,
                topic: letter.topic().to_string().into(),
                packet_id: None,
                payload: letter.to_bytes().into(),
                properties: Some(Default::default()),
            };
            let publish =
                Publish::from(packet).create_time(crate::clock::now_ms()).target_clientid(letter.to.as_str().into());
            if self.context.extends.shared().await.forwards(None, from.clone(), publish).await.is_err() {
                tracing::debug!(agent.id = %letter.to, "a letter found its agent gone; it will ask again");
            }
        }
    }

    /// Throws out whoever is cut off, for ever: a box that was stolen is to hear and say nothing more from the moment on
    /// that somebody says so.
    pub async fn throw_out(&self, store: Store) {
        let mut looks = tokio::time::interval(LOOK_FOR_REVOKED);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let revoked = match agents::to_throw_out(store.reader()).await {
                Ok(revoked) => revoked,
                Err(error) => {
                    tracing::warn!(%error, "who is cut off cannot be read; what such a box sends is dropped all the same");
                    continue;
                }
            };
            for agent in revoked {
                match self.throw_out_one(&store, &agent).await {
                    Ok(()) => tracing::warn!(agent.id = %agent, "a revoked box was thrown out"),
                    Err(error) => tracing::error!(agent.id = %agent, %error, "a revoked box cannot be thrown out"),
                }
            }
        }
    }

    async fn throw_out_one(&self, store: &Store, agent: &AgentId) -> anyhow::Result<()> {
        let id = Id::from(self.context.node.id(), agent.as_str().into());
        self.context.extends.shared().await.entry(id).kick(true, true, true).await?;
        let mut work = store.work().await?;
        homes::note_connection(&mut work, agent, false, crate::clock::now_ms()).await?;
        Ok(work.commit().await?)
    }

    /// Takes connections until `stop` says so. When `renewed` tells of other certificate files, those who connect from
    /// then on are shown them; who is connected stays so.
    pub async fn serve(
        &self,
        mut listener: Listener,
        mut renewed: watch::Receiver<ServerFiles>,
        health: Arc<Health>,
        stop: impl Future<Output = ()>,
    ) {
        tokio::pin!(stop);
        for id in 1.. {
            let server = MqttServer::new(self.context.clone()).listener_by_id(listener, id).build();
            health.broker_is_up(true);
            tokio::select! {
                ended = server.run() => tracing::error!(?ended, "the broker has stopped; it begins again"),
                Ok(()) = renewed.changed() => tracing::info!("the server's certificate was renewed"),
                () = &mut stop => break,
            }
            health.broker_is_up(false);
            listener = loop {
                let files = renewed.borrow_and_update().clone();
                match self.listen(&files) {
                    Ok(listener) => break listener,
                    Err(error) => {
                        tracing::error!(%error, address = %self.listen, "the broker cannot listen; it is tried again");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            };
        }
        health.broker_is_up(false);
    }
}
