//! The network between a home and the gateway: a TCP proxy that can be cut, and that can hang.

use std::pin::pin;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A cable from a port of its own to the gateway's.
#[derive(Debug)]
pub struct Cable {
    port: u16,
    carries: Arc<watch::Sender<Carries>>,
    task: JoinHandle<()>,
}

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
        let task = tokio::spawn(carry(listener, to, carries.subscribe()));
        Ok(Self { port, carries, task })
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

async fn carry(listener: TcpListener, to: u16, carries: watch::Receiver<Carries>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(connect(near, to, carries.clone()));
    }
}

async fn connect(mut near: TcpStream, to: u16, mut carries: watch::Receiver<Carries>) {
    let mut carried = pin!(async {
        let mut far = TcpStream::connect(("127.0.0.1", to)).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        copy_bidirectional(&mut near, &mut far).await
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
