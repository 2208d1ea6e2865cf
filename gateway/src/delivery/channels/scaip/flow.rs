//! The way to a receiver, for one talk.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::receivers::{Receiver, Transport};
use crate::delivery::course::CONNECT;
use crate::scaip::sip::{Framed, LONGEST_BODY, LONGEST_HEAD, Message, Start};

/// For so long a peer whose answer was heard may send it again. Source: RFC 3261, section 17.2.2 (timer J).
const LINGER: Duration = Duration::from_secs(32);

pub(super) enum Flow {
    Udp { socket: Arc<UdpSocket>, peer: SocketAddr, local: SocketAddr },
    Stream { stream: Box<dyn Stream>, read: Vec<u8>, peer: SocketAddr, local: SocketAddr, is_tls: bool },
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Flow {
    /// Goes there. The words of an error name no address.
    pub(super) async fn open(receiver: &Receiver, tls: &TlsConnector) -> Result<Self, String> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((receiver.host.as_str(), receiver.port))
            .await
            .map_err(|_| "has a name that cannot be resolved".to_owned())?
            .collect();
        let is_tls = match receiver.transport {
            Transport::Udp => {
                let peer = *found.first().ok_or("has a name without an address")?;
                return Self::datagrams(peer).await.map_err(|error| format!("cannot be reached: {}", error.kind()));
            }
            Transport::Tcp => false,
            Transport::Tls => true,
        };
        let mut why = "has a name without an address".to_owned();
        for peer in found {
            let stream = match timeout(CONNECT, TcpStream::connect(peer)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    why = format!("takes no connection: {}", error.kind());
                    continue;
                }
                Err(_) => {
                    why = "takes no connection in time".to_owned();
                    continue;
                }
            };
            let local = stream.local_addr().map_err(|error| format!("cannot be reached: {}", error.kind()))?;
            let stream: Box<dyn Stream> = if is_tls {
                let name = ServerName::try_from(receiver.host.clone()).map_err(|_| "has no name".to_owned())?;
                Box::new(tls.connect(name, stream).await.map_err(|error| crate::delivery::call::tls_failed(&error))?)
            } else {
                Box::new(stream)
            };
            return Ok(Self::Stream { stream, read: Vec::new(), peer, local, is_tls });
        }
        Err(why)
    }

    async fn datagrams(peer: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().expect("an address");
        // Which of our addresses leads there.
        let probe = UdpSocket::bind(any).await?;
        probe.connect(peer).await?;
        // Not connected to the peer: the answer may come from another machine of the centre. It is known by its reference.
        let socket = UdpSocket::bind((probe.local_addr()?.ip(), 0)).await?;
        let local = socket.local_addr()?;
        Ok(Self::Udp { socket: Arc::new(socket), peer, local })
    }

    pub(super) fn local(&self) -> SocketAddr {
        match self {
            Self::Udp { local, .. } | Self::Stream { local, .. } => *local,
        }
    }

    pub(super) fn transport(&self) -> &'static str {
        match self {
            Self::Udp { .. } => "UDP",
            Self::Stream { is_tls: false, .. } => "TCP",
            Self::Stream { is_tls: true, .. } => "TLS",
        }
    }

    pub(super) fn is_lossy(&self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    pub(super) async fn send(&mut self, Sending { bytes, to }: &Sending) -> io::Result<()> {
        match self {
            Self::Udp { socket, peer, .. } => socket.send_to(bytes, to.unwrap_or(*peer)).await.map(drop),
            Self::Stream { stream, .. } => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// The next message, and from where. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> io::Result<(Message, SocketAddr)> {
        match self {
            Self::Udp { socket, .. } => loop {
                if let Some(came) = datagram(socket).await? {
                    return Ok(came);
                }
            },
            Self::Stream { stream, read, peer, .. } => loop {
                match Message::of_stream(read) {
                    Framed::Whole(message, taken) => {
                        read.drain(..taken);
                        return Ok((message, *peer));
                    }
                    Framed::Skip(blank) => drop(read.drain(..blank)),
                    Framed::Broken => return Err(io::ErrorKind::InvalidData.into()),
                    Framed::More => {
                        if stream.read_buf(read).await? == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                }
            },
        }
    }

    /// The talk is over. A datagram may have been lost: a peer that says again what was heard is told so for a while.
    pub(super) fn linger(self) {
        let Self::Udp { socket, .. } = self else { return };
        tokio::spawn(timeout(LINGER, async move {
            loop {
                if let Ok(Some((message, source))) = datagram(&socket).await
                    && matches!(message.start, Start::Request { .. })
                {
                    // What is lost is asked for again.
                    let _ = socket.send_to(&message.answer("200 OK", source, None), message.answer_to(source)).await;
                }
            }
        }));
    }
}

async fn datagram(socket: &UdpSocket) -> io::Result<Option<(Message, SocketAddr)>> {
    let mut bytes = vec![0; LONGEST_HEAD + LONGEST_BODY];
    let (length, source) = socket.recv_from(&mut bytes).await?;
    Ok(Message::of_datagram(&bytes[..length]).map(|message| (message, source)))
}

/// What is sent, and where to, if not to the receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sending {
    pub(super) bytes: Vec<u8>,
    pub(super) to: Option<SocketAddr>,
}
