//! Whether a broker answers, beside the connection that is in use: TCP and TLS, and no more.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Uplink;

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks whether the right server answers there.
pub(super) async fn answers(uplink: Uplink, tls: Arc<ClientConfig>) -> bool {
    let look = async {
        let name = ServerName::try_from(uplink.broker.host.clone()).map_err(io::Error::other)?;
        let stream = connect(&uplink).await?;
        TlsConnector::from(tls).connect(name, stream).await.map(drop)
    };
    matches!(timeout(PATIENCE, look).await, Ok(Ok(())))
}

async fn connect(uplink: &Uplink) -> io::Result<TcpStream> {
    let mut why = io::Error::from(io::ErrorKind::NotFound);
    for address in lookup_host((uplink.broker.host.as_str(), uplink.broker.port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(interface) = &uplink.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error,
        }
    }
    Err(why)
}
