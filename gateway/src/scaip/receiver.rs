//! The sockets that alarm units reach, and the messages of our own to them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::sip::{Framed, LONGEST_BODY, LONGEST_HEAD, Message, Start};
use super::{Config, desk};
use crate::changes::Changes;
use crate::store::Store;

/// T1 and T2 of SIP. Source: RFC 3261, section 17.1.2.2.
const FIRST_REPEAT: Duration = Duration::from_millis(500);
const LONGEST_REPEAT: Duration = Duration::from_secs(4);
/// 64 times T1: then nobody answers any more.
const PATIENCE: Duration = Duration::from_secs(32);
/// So many units may be connected over TCP at a time; each has little memory.
const MOST_CONNECTIONS: usize = 1024;
/// So many messages may be on their way into the store at a time; a unit sends again what came in between.
const MOST_AT_ONCE: usize = 256;
/// So many answers are sent again until they are received; those beyond are sent once. Whoever feigns to be many units
/// makes us send no more than this.
const MOST_REPEATED: usize = 1024;
/// A connection that says nothing for so long is closed. Units send a sign of life more often.
const LONGEST_SILENCE: Duration = Duration::from_secs(15 * 60);
/// How often units are looked at that may have fallen silent.
const LOOK_FOR_SILENCE: Duration = Duration::from_secs(5);

/// Listens to alarm units. Clones share everything.
#[derive(Clone)]
pub(crate) struct Receiver(Arc<Shared>);

struct Shared {
    store: Store,
    changes: Changes,
    answers_in_response: bool,
    /// What we sent and wait for a response to, by branch.
    waiting: Mutex<HashMap<String, oneshot::Sender<()>>>,
    room: Semaphore,
    repeats: Semaphore,
}

/// Where it listens.
pub(crate) struct Doors {
    udp: UdpSocket,
    tcp: TcpListener,
}

/// How a peer is reached.
#[derive(Clone)]
enum Way {
    Udp { socket: Arc<UdpSocket>, peer: SocketAddr },
    Tcp { out: mpsc::Sender<Vec<u8>>, local: SocketAddr },
}

impl Doors {
    /// Takes the address, by UDP and by TCP.
    pub(crate) async fn open(listen: SocketAddr) -> std::io::Result<Self> {
        let tcp = TcpListener::bind(listen).await?;
        let udp = UdpSocket::bind(tcp.local_addr()?).await?;
        Ok(Self { udp, tcp })
    }

    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Receiver {
    pub(crate) fn new(store: Store, changes: Changes, config: &Config) -> Self {
        Self(Arc::new(Shared {
            store,
            changes,
            answers_in_response: config.answer_in_response,
            waiting: Mutex::default(),
            room: Semaphore::new(MOST_AT_ONCE),
            repeats: Semaphore::new(MOST_REPEATED),
        }))
    }

    /// Listens for ever.
    pub(crate) async fn run(self, doors: Doors) {
        let Doors { udp, tcp } = doors;
        tokio::join!(self.hear_datagrams(Arc::new(udp)), self.hear_connections(tcp), self.watch());
    }

    async fn hear_datagrams(&self, socket: Arc<UdpSocket>) {
        let mut bytes = vec![0; LONGEST_HEAD + LONGEST_BODY];
        loop {
            let Ok((length, peer)) = socket.recv_from(&mut bytes).await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if let Some(message) = Message::of_datagram(&bytes[..length]) {
                let way = Way::Udp { socket: Arc::clone(&socket), peer: message.answer_to(peer) };
                self.hear(message, way, peer).await;
            }
        }
    }

    async fn hear_connections(&self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let receiver = self.clone();
                    tokio::spawn(async move {
                        // However it ends, the unit connects again.
                        let _ = receiver.hear_stream(stream, peer).await;
                        drop(place);
                    });
                }
                // Out of files or memory: others close meanwhile.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn hear_stream(&self, stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
        let local = stream.local_addr()?;
        let (mut incoming, mut outgoing) = stream.into_split();
        let (out, mut to_send) = mpsc::channel::<Vec<u8>>(16);
        tokio::spawn(async move {
            while let Some(bytes) = to_send.recv().await {
                // A peer that does not read holds up nothing but its own connection, and that not for long.
                if !matches!(timeout(PATIENCE, outgoing.write_all(&bytes)).await, Ok(Ok(()))) {
                    return;
                }
            }
        });
        let mut bytes = Vec::new();
        loop {
            match Message::of_stream(&bytes) {
                Framed::Whole(message, taken) => {
                    bytes.drain(..taken);
                    self.hear(message, Way::Tcp { out: out.clone(), local }, peer).await;
                }
                Framed::Skip(blank) => drop(bytes.drain(..blank)),
                Framed::Broken => return Ok(()),
                Framed::More => {
                    let read = tokio::select! {
                        read = timeout(LONGEST_SILENCE, incoming.read_buf(&mut bytes)) => read.unwrap_or(Ok(0))?,
                        () = out.closed() => 0,
                    };
                    if read == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn hear(&self, message: Message, way: Way, source: SocketAddr) {
        let method = match &message.start {
            Start::Response { status } => {
                let ours = message.branch().filter(|_| *status >= 200);
                let Some(branch) = ours else { return };
                let heard = self.0.waiting.lock().expect("nobody panics with it").remove(branch);
                if let Some(heard) = heard {
                    // An error means that nobody waits any more.
                    let _ = heard.send(());
                }
                return;
            }
            Start::Request { method } => method.as_str(),
        };
        match method {
            "MESSAGE" if way.is_lossy() => {
                let receiver = self.clone();
                tokio::spawn(async move { receiver.take(message, way, source).await });
            }
            // One after the other: whoever sends without end over one connection takes one place.
            "MESSAGE" => self.take(message, way, source).await,
            "OPTIONS" => way.send(message.answer("200 OK", source, None)).await,
            "ACK" => {}
            _ => way.send(message.answer("405 Method Not Allowed", source, None)).await,
        }
    }

    async fn take(&self, message: Message, way: Way, source: SocketAddr) {
        let Ok(place) = self.0.room.try_acquire() else {
            way.send(message.answer("503 Service Unavailable", source, None)).await;
            return;
        };
        let in_response = self.0.answers_in_response;
        if !in_response {
            way.send(message.answer("200 OK", source, None)).await;
        }
        let done = desk::take(&self.0.store, &message.body).await;
        // Waiting for the unit to receive its answer takes nobody's place.
        drop(place);
        self.0.changes.tell(done.changes);
        match done.answer {
            answer if in_response => way.send(message.answer("200 OK", source, answer.as_deref())).await,
            Some(answer) => {
                let receiver = self.clone();
                tokio::spawn(async move { receiver.reply(&message, &answer, &way).await });
            }
            None => {}
        }
    }

    /// Sends the answer in a message of its own, over UDP again and again until it is received.
    async fn reply(&self, message: &Message, answer: &str, way: &Way) {
        let Some((branch, bytes)) = message.reply(answer, way.name(), way.local()) else { return };
        let Ok(_place) = self.0.repeats.try_acquire() else { return way.send(bytes).await };
        let (heard, mut is_heard) = oneshot::channel();
        self.0.waiting.lock().expect("nobody panics with it").insert(branch.clone(), heard);
        let repeated = async {
            let mut pause = FIRST_REPEAT;
            loop {
                way.send(bytes.clone()).await;
                if !way.is_lossy() {
                    return std::future::pending().await;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_REPEAT);
            }
        };
        tokio::select! {
            _ = &mut is_heard => {}
            () = repeated => {}
            () = tokio::time::sleep(PATIENCE) => tracing::warn!("an alarm unit did not receive its answer; it will send again"),
        }
        self.0.waiting.lock().expect("nobody panics with it").remove(&branch);
    }

    async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK_FOR_SILENCE).await;
            match desk::notice_silence(&self.0.store).await {
                Ok(changes) => self.0.changes.tell(changes),
                Err(error) => tracing::error!(%error, "it cannot be seen which alarm units are silent"),
            }
        }
    }
}

impl Way {
    async fn send(&self, bytes: Vec<u8>) {
        match self {
            // What is lost is sent again, by the unit or by us.
            Self::Udp { socket, peer } => drop(socket.send_to(&bytes, peer).await),
            // Where there is no room the peer does not read. It sends again what it gets no answer to.
            Self::Tcp { out, .. } => drop(out.try_send(bytes)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Udp { .. } => "UDP",
            Self::Tcp { .. } => "TCP",
        }
    }

    fn is_lossy(&self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    fn local(&self) -> SocketAddr {
        match self {
            Self::Udp { socket, peer } => socket.local_addr().unwrap_or(*peer),
            Self::Tcp { local, .. } => *local,
        }
    }
}
