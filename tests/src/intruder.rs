//! Somebody who speaks MQTT to the gateway with an identity of her choice, and says what no agent would say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hempuls_gateway::broker::external::NAME;
use hempuls_gateway::pki::Ca;
use hempuls_simulators::clock::Moment;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, LastWill, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

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
        Ok(Self::enter(port, disguise.client_id, disguise.will, tls(disguise.identity)?, true).await)
    }

    /// Connects to another broker in the gateway's name, whose authority this is, and takes up its session.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn as_gateway(port: u16, ca: &Ca) -> anyhow::Result<Self> {
        let (certificate, key) = ca.client(NAME, Duration::from_secs(3600), Moment::now().utc.as_millisecond())?;
        let tls = config([ca.certificate_der()], vec![certificate], key)?;
        Self::enter(port, NAME, None, tls, false).await.context("the broker refuses the gateway")
    }

    async fn enter(port: u16, client_id: &str, will: Option<&str>, tls: ClientConfig, is_anew: bool) -> Option<Self> {
        let mut options = MqttOptions::new(client_id, "127.0.0.1", port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))))
            .set_keep_alive(Duration::from_secs(30))
            .set_clean_start(is_anew)
            .set_connection_timeout(10)
            .set_outgoing_inflight_upper_limit(16);
        if let Some(topic) = will {
            options.set_last_will(LastWill::new(topic, "boo", QoS::AtLeastOnce, false, None));
        }
        let (client, mut events) = AsyncClient::new(options, 16);
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                    let let_in = answer.code == ConnectReturnCode::Success;
                    return let_in.then_some(Self { client, events });
                }
                Ok(_) => {}
                Err(_) => return None,
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

    /// What is brought to her within this time: topics, and what is said there.
    pub async fn heard(&mut self, within: Duration) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut heard = Vec::new();
        let hear = async {
            while let Ok(event) = self.events.poll().await {
                if let Event::Incoming(Packet::Publish(message)) = event {
                    heard.push((text(&message.topic), text(&message.payload)));
                }
            }
        };
        // It ends with the time.
        let _ = tokio::time::timeout(within, hear).await;
        heard
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

fn tls(identity: &Path) -> anyhow::Result<ClientConfig> {
    let text = std::fs::read_to_string(identity).context("reading the identity")?;
    let identity: toml::Table = text.parse()?;
    let part = |name: &str| identity[name].as_str().context("a part of the identity").map(str::as_bytes);
    let authorities = CertificateDer::pem_slice_iter(part("ca")?).collect::<Result<Vec<_>, _>>()?;
    let chain = CertificateDer::pem_slice_iter(part("certificate")?).collect::<Result<Vec<_>, _>>()?;
    config(authorities, chain, PrivateKeyDer::from_pem_slice(part("key")?)?)
}

fn config(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?)
}
