//! The network between a home and the gateway: a TCP proxy that can be cut, that can hang, and that can be slow.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A cable from a port of its own to the gateway's.
#[derive(Debug)]
pub struct Cable {
    port: u16,
    carries: Arc<watch::Sender<Carries>>,
    pace: Pace,
    task: JoinHandle<()>,
}

/// How many bytes it carries in a second, each way; 0: as many as come.
type Pace = Arc<AtomicU64>;

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Carries {
    Everything,
    Nothing,
    NotEvenConnections,
}

impl Cable {
    /// Lays a cable to `127.0.0.1:to`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn lay(to: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let carries = Arc::new(watch::Sender::new(Carries::Everything));
        let pace = Pace::default();
        let task = tokio::spawn(carry(listener, to, carries.subscribe(), Arc::clone(&pace)));
        Ok(Self { port, carries, pace, task })
    }

    /// The near end.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it: every connection ends, and new ones end at once.
    pub fn cut(&self) {
        self.carries.send_replace(Carries::NotEvenConnections);
    }

    /// Lets connections stand and carries nothing over them, as a network does that has lost its way.
    pub fn hang(&self) {
        self.carries.send_replace(Carries::Nothing);
    }

    /// Lets no more than this through from now on, each way and for each connection.
    pub fn carries_at_most(&self, bits_per_second: u64) {
        self.pace.store(bits_per_second / 8, Ordering::Relaxed);
    }

    /// Mends it.
    pub fn restore(&self) {
        self.carries.send_replace(Carries::Everything);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, to: u16, carries: watch::Receiver<Carries>, pace: Pace) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(connect(near, to, carries.clone(), Arc::clone(&pace)));
    }
}

async fn connect(mut near: TcpStream, to: u16, mut carries: watch::Receiver<Carries>, pace: Pace) {
    let mut carried = pin!(async {
        let mut far = TcpStream::connect(("127.0.0.1", to)).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let ((hear, say), (hear_far, say_far)) = (near.split(), far.split());
        tokio::try_join!(copy(hear, say_far, &pace), copy(hear_far, say, &pace)).map(drop)
    });
    loop {
        let now = *carries.borrow_and_update();
        tokio::select! {
            // Either end hung up, or the far end is not there: both end.
            _ = &mut carried, if now == Carries::Everything => return,
            changed = carries.changed(), if now != Carries::NotEvenConnections => if changed.is_err() { return },
            else => return,
        }
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, pace: &Pace) -> io::Result<()> {
    let mut piece = [0; 16 << 10];
    loop {
        let pace = pace.load(Ordering::Relaxed);
        // A slow line carries small pieces, so that what comes behind is late by one of them at most.
        let most = if pace == 0 { piece.len() } else { 256 };
        let length = from.read(&mut piece[..most]).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..length]).await?;
        if pace > 0 {
            tokio::time::sleep(Duration::from_secs_f64(length as f64 / pace as f64)).await;
        }
    }
}
