//! A gateway as a process of its own, what happens to it, and the wires that it hangs on.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hempuls_gateway::clock;
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Longer than the server lets a gateway stand still in the middle of a work, and than the broker takes it for alive.
const LONGEST: Duration = Duration::from_secs(14);

/// A wire: while it is cut, nothing goes through, and nobody is told.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<State>);

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    /// How often it was mended by another wire, so that nothing goes on over those before.
    replaced: AtomicU32,
    /// Over wires before this one nothing goes on, and nobody is ever told.
    silent_before: AtomicU32,
}

/// How a wire is mended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Mend {
    /// What was on its way goes on.
    GoesOn,
    /// By another: connections are closed.
    Closes,
    /// By another: connections stay open, and nothing comes any more.
    FallsSilent,
}

impl Wire {
    fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Relaxed);
    }

    fn mend(&self, mend: Mend) {
        let replaced = self.0.replaced.load(Ordering::Relaxed) + u32::from(mend != Mend::GoesOn);
        if mend == Mend::FallsSilent {
            self.0.silent_before.store(replaced, Ordering::Relaxed);
        }
        self.0.replaced.store(replaced, Ordering::Relaxed);
        self.0.is_cut.store(false, Ordering::Relaxed);
    }

    async fn is_whole(&self) {
        while self.0.is_cut.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Leads from a socket in this folder to the server's.
    pub(crate) fn to_server(&self, from: &Path, to: PathBuf) {
        let listener = UnixListener::bind(from.join(".s.PGSQL.5432")).expect("there is room for a socket");
        let wire = self.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (wire, to) = (wire.clone(), to.join(".s.PGSQL.5432"));
                tokio::spawn(async move {
                    wire.is_whole().await;
                    let Ok(far) = UnixStream::connect(to).await else { return };
                    wire.carry(near, far).await;
                });
            }
        });
    }

    /// Leads from a port, which is returned, to this one.
    pub(crate) async fn to_broker(&self, to: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        let wire = self.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let wire = wire.clone();
                tokio::spawn(async move {
                    wire.is_whole().await;
                    let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                    wire.carry(near, far).await;
                });
            }
        });
        port
    }

    async fn carry<S: AsyncRead + AsyncWrite>(&self, near: S, far: S) {
        let ((near_out, near_in), (far_out, far_in)) = (tokio::io::split(near), tokio::io::split(far));
        tokio::select! {
            () = self.one_way(near_out, far_in) => {}
            () = self.one_way(far_out, near_in) => {}
        }
    }

    async fn end(&self, since: u32) {
        if since < self.0.silent_before.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }

    async fn one_way(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let replaced = || self.0.replaced.load(Ordering::Relaxed);
        let since = replaced();
        let is_replaced = async {
            while replaced() == since {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::pin!(is_replaced);
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let read = tokio::select! {
                read = from.read(&mut bytes) => read,
                () = &mut is_replaced => return self.end(since).await,
            };
            let Ok(read @ 1..) = read else { return };
            self.is_whole().await;
            if replaced() != since {
                return self.end(since).await;
            }
            if to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    }
}

/// A gateway, running or not.
pub(crate) struct Gateway {
    folder: PathBuf,
    child: Option<Child>,
    server: Wire,
    broker: Wire,
    /// What is the matter with it, and when that is over.
    ails: Option<(Ailment, Instant)>,
    /// How a cut is mended.
    mend: Mend,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ailment {
    Dead,
    Paused,
    WithoutServer,
    WithoutBroker,
}

impl Gateway {
    pub(crate) fn new(folder: PathBuf, server: Wire, broker: Wire) -> Self {
        Self { folder, child: None, server, broker, ails: None, mend: Mend::GoesOn }
    }

    pub(crate) fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_hempuls-gateway"))
            .current_dir(&self.folder)
            .arg("run")
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the gateway starts"));
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What was the matter is over, where its time has come; otherwise nothing happens, or something begins.
    pub(crate) fn suffer(&mut self, chance: &mut StdRng) -> Option<Ailment> {
        if let Some((_, until)) = self.ails {
            if clock::instant() >= until {
                self.heal();
            }
            return None;
        }
        let ailments = [Ailment::Dead, Ailment::Dead, Ailment::Paused, Ailment::WithoutServer, Ailment::WithoutBroker];
        let ailment = ailments[chance.random_range(0..ailments.len())];
        match ailment {
            Ailment::Dead => self.kill(),
            Ailment::Paused => self.signal("STOP"),
            Ailment::WithoutServer => self.server.cut(),
            Ailment::WithoutBroker => self.broker.cut(),
        }
        let lasts = LONGEST.mul_f64(chance.random::<f64>().powi(2));
        self.mend = if chance.random() { Mend::GoesOn } else { Mend::Closes };
        self.ails = Some((ailment, clock::instant() + lasts));
        Some(ailment)
    }

    /// The way to the server is cut, and another takes its place without a word.
    pub(crate) fn lose_server(&mut self) {
        self.server.cut();
        self.mend = Mend::FallsSilent;
        self.ails = Some((Ailment::WithoutServer, clock::instant()));
    }

    pub(crate) async fn recover(&mut self) {
        self.heal();
        let answers = async {
            while !self.said().contains("ready") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answers).await.expect("it is ready");
    }

    fn heal(&mut self) {
        match self.ails.take() {
            Some((Ailment::Dead, _)) => self.start(),
            Some((Ailment::Paused, _)) => self.signal("CONT"),
            Some((Ailment::WithoutServer, _)) => self.server.mend(self.mend),
            Some((Ailment::WithoutBroker, _)) => self.broker.mend(self.mend),
            None => {}
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().expect("it can be sent").success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}
