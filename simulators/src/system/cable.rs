//! The network between a home and the gateway: a TCP proxy that can be cut.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A cable from a port of its own to the gateway's.
#[derive(Debug)]
pub struct Cable {
    port: u16,
    whole: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
}

impl Cable {
    /// Lays a cable to `127.0.0.1:to`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn lay(to: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let whole = Arc::new(watch::Sender::new(true));
        let task = tokio::spawn(carry(listener, to, whole.subscribe()));
        Ok(Self { port, whole, task })
    }

    /// The near end.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it: every connection ends, and new ones end at once.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Mends it.
    pub fn restore(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, to: u16, whole: watch::Receiver<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(connect(near, to, whole.clone()));
    }
}

async fn connect(mut near: TcpStream, to: u16, mut whole: watch::Receiver<bool>) {
    let carried = async {
        let mut far = TcpStream::connect(("127.0.0.1", to)).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        copy_bidirectional(&mut near, &mut far).await
    };
    tokio::select! {
        // Either end hung up, or the far end is not there: both end.
        _ = carried => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
