//! A TCP connection over the network interface that is wanted.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

/// Connects to the first of a host's addresses that answers.
pub(crate) async fn connect(
    addresses: impl Iterator<Item = SocketAddr>,
    interface: Option<&str>,
) -> io::Result<TcpStream> {
    let mut why = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(interface) = interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error,
        }
    }
    Err(why)
}
