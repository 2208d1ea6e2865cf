//! Whether a broker answers, beside the connection that is in use: its name, TCP and TLS, and no more.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Uplink;
use super::refusal::{explain_tls, rustls_error};
use super::socket::connect;

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a broker is not reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    /// There is no such name, or nobody to ask for it.
    #[error("its name is not found ({0}); is there a network, and a name server?")]
    NoName(io::Error),
    /// Nothing answers.
    #[error("nothing answers there ({0}); is there a network, and is its port open?")]
    NoConnection(io::Error),
    /// It answers, and is not who it should be, or does not like who asks.
    #[error("{0}")]
    NoTrust(String),
    /// It takes too long.
    #[error("it takes more than {} s to answer", PATIENCE.as_secs())]
    TooLong,
}

impl Unreachable {
    /// What ended a TLS connection.
    pub(crate) fn from_tls(error: &io::Error) -> Self {
        let reason = rustls_error(error).map(explain_tls);
        Self::NoTrust(
            reason.unwrap_or_else(|| format!("it hangs up on this agent ({error}); is it the broker's port?")),
        )
    }
}

/// Whether the right server answers there.
pub(super) async fn answers(uplink: Uplink, tls: Arc<ClientConfig>) -> bool {
    reach(&uplink, tls).await.is_ok()
}

/// Connects to a broker, over TLS, in this agent's name.
pub(crate) async fn reach(uplink: &Uplink, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, Unreachable> {
    let name = ServerName::try_from(uplink.broker.host.clone());
    let name = name.map_err(|error| Unreachable::NoName(io::Error::other(error)))?;
    let reached = async {
        let place = (uplink.broker.host.as_str(), uplink.broker.port);
        let addresses = lookup_host(place).await.map_err(Unreachable::NoName)?;
        let stream = connect(addresses, uplink.interface.as_deref()).await.map_err(Unreachable::NoConnection)?;
        TlsConnector::from(tls).connect(name, stream).await.map_err(|error| Unreachable::from_tls(&error))
    };
    timeout(PATIENCE, reached).await.unwrap_or(Err(Unreachable::TooLong))
}
