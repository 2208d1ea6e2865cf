//! A server that is not the gateway, and counts who believes that it is.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use hempuls_gateway::pki::ServerFiles;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// The server.
pub(crate) struct Impostor {
    port: u16,
    counted: Arc<Counted>,
}

#[derive(Default)]
struct Counted {
    asked: AtomicUsize,
    believed: AtomicUsize,
}

impl Impostor {
    /// A server that shows this certificate, until the test ends.
    pub(crate) fn with(files: &ServerFiles) -> Result<Self> {
        let chain = CertificateDer::pem_file_iter(&files.chain)?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&files.key)?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let (port, counted) = (listener.local_addr()?.port(), Arc::new(Counted::default()));
        let (config, counts) = (Arc::new(config), Arc::clone(&counted));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counts.asked.fetch_add(1, Ordering::SeqCst);
                if believes(stream, Arc::clone(&config)) {
                    counts.believed.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Ok(Self { port, counted })
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many have come.
    pub(crate) fn asked(&self) -> usize {
        self.counted.asked.load(Ordering::SeqCst)
    }

    /// How many of them took it for the gateway.
    pub(crate) fn believed(&self) -> usize {
        self.counted.believed.load(Ordering::SeqCst)
    }
}

fn believes(mut stream: TcpStream, config: Arc<ServerConfig>) -> bool {
    let Ok(mut tls) = ServerConnection::new(config) else { return false };
    while tls.is_handshaking() {
        if tls.complete_io(&mut stream).is_err() {
            return false;
        }
    }
    true
}
