//! Somebody who speaks MQTT to the gateway with an identity of her choice, and says what no agent would say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, LastWill, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the broker made of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It let it pass.
    Accepted,
    /// It said no, or hung up.
    Refused,
}

/// Whose certificate is shown, what name is given, and where the last will goes.
#[derive(Clone, Debug)]
pub struct Disguise<'a> {
    /// An agent's `identity.toml`.
    pub identity: &'a Path,
    /// The MQTT client id.
    pub client_id: &'a str,
    /// The topic of the last will.
    pub will: Option<&'a str>,
}

/// A connection that was let in.
pub struct Intruder {
    client: AsyncClient,
    events: EventLoop,
}

impl Intruder {
    /// Connects. `None` when the broker refuses.
    ///
    /// # Errors
    /// When the identity cannot be read.
    pub async fn connect(port: u16, disguise: &Disguise<'_>) -> anyhow::Result<Option<Self>> {
        let mut options = MqttOptions::new(disguise.client_id, "127.0.0.1", port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls(disguise.identity)?))))
            .set_keep_alive(Duration::from_secs(30))
            .set_clean_start(true)
            .set_connection_timeout(10)
            .set_outgoing_inflight_upper_limit(16);
        if let Some(topic) = disguise.will {
            options.set_last_will(LastWill::new(topic, "boo", QoS::AtLeastOnce, false, None));
        }
        let (client, mut events) = AsyncClient::new(options, 16);
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                    let let_in = answer.code == ConnectReturnCode::Success;
                    return Ok(let_in.then_some(Self { client, events }));
                }
                Ok(_) => {}
                Err(_) => return Ok(None),
            }
        }
    }

    /// Publishes, and waits for the broker's word.
    pub async fn publish(&mut self, topic: &str, payload: Vec<u8>) -> Answer {
        if self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).is_err() {
            return Answer::Refused;
        }
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(ack))) => {
                    return if ack.reason == PubAckReason::Success { Answer::Accepted } else { Answer::Refused };
                }
                Ok(_) => {}
                Err(_) => return Answer::Refused,
            }
        }
    }

    /// What is brought to her within this time: the topics.
    pub async fn heard(&mut self, within: Duration) -> Vec<String> {
        let mut topics = Vec::new();
        let hear = async {
            while let Ok(event) = self.events.poll().await {
                if let Event::Incoming(Packet::Publish(message)) = event {
                    topics.push(String::from_utf8_lossy(&message.topic).into_owned());
                }
            }
        };
        // It ends with the time.
        let _ = tokio::time::timeout(within, hear).await;
        topics
    }

    /// Subscribes, and waits for the broker's word.
    pub async fn subscribe(&mut self, filter: &str) -> Answer {
        if self.client.try_subscribe(filter, QoS::AtLeastOnce).is_err() {
            return Answer::Refused;
        }
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    let granted = matches!(ack.return_codes.first(), Some(SubscribeReasonCode::Success(_)));
                    return if granted { Answer::Accepted } else { Answer::Refused };
                }
                Ok(_) => {}
                Err(_) => return Answer::Refused,
            }
        }
    }
}

fn tls(identity: &Path) -> anyhow::Result<rustls::ClientConfig> {
    let text = std::fs::read_to_string(identity).context("reading the identity")?;
    let identity: toml::Table = text.parse()?;
    let part = |name: &str| identity[name].as_str().context("a part of the identity").map(str::as_bytes);
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(part("ca")?) {
        roots.add(certificate?)?;
    }
    let chain = CertificateDer::pem_slice_iter(part("certificate")?).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(part("key")?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?)
}
