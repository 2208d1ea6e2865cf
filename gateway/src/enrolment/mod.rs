//! Where a new agent exchanges its code for a certificate: `POST /enrol`, over TLS; and, in [`renewal`], an agent that is
//! enrolled its certificate for the next.
//!
//! The agent has compared the authority's key with its code before it sends the secret. A code works once, for a day,
//! and survives five wrong tries.

mod expired;
mod renewal;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};
use hempuls_protocol::enrolment::{Broker, Denied, Granted, Request};
use hempuls_protocol::ids::AgentId;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use self::expired::PastItsEnd;
use self::renewal::{Pace, Shown};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::config::duration;
use crate::pki::{Ca, Issued, ServerFiles};
use crate::store::enrolment_codes::{Tried, try_secret};
use crate::store::{Store, StoreError, agents, homes};

/// Where agents enrol.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// How long an agent's certificate lives. It is renewed when two thirds of that are over.
    #[serde(deserialize_with = "duration::read")]
    pub certificate_life: Duration,
}

impl Default for Config {
    fn default() -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8443)), certificate_life: YEAR }
    }
}

/// A certificate that lives shorter could not be renewed in time.
const SHORTEST_LIFE: Duration = Duration::from_secs(10);

impl Config {
    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.certificate_life < SHORTEST_LIFE {
            return Err(
                "enrolment.certificate_life is too short to renew a certificate in; give at least 10 s, and in a \
                        home some months, such as \"8760h\""
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// A request is larger than this only if somebody means harm.
const LARGEST_REQUEST: usize = 16 * 1024;

/// How long a stranger may take for the handshake and for each request.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many strangers are served at a time.
const AT_A_TIME: usize = 64;

/// What enrolling needs.
#[derive(Clone)]
pub struct Desk {
    /// Where codes and agents are.
    pub store: Store,
    /// Who certifies.
    pub ca: Arc<Ca>,
    /// Where an enrolled agent is told that the brokers are: at least one.
    pub brokers: Vec<Broker>,
    /// Who is told of a home that has its box.
    pub changes: Changes,
    /// How long a certificate lives.
    life: Duration,
    pace: Arc<Pace>,
}

impl Desk {
    /// A desk.
    #[must_use]
    pub fn new(store: Store, ca: Arc<Ca>, brokers: Vec<Broker>, life: Duration, changes: Changes) -> Self {
        Self { store, ca, brokers, life, changes, pace: Arc::default() }
    }
}

/// Serves enrolments, for ever.
pub async fn serve(listener: TcpListener, desk: Desk, mut files: watch::Receiver<ServerFiles>) {
    let authority = desk.ca.certificate_der();
    let router = Router::new()
        .route("/enrol", post(enrol))
        .route("/renew", post(renewal::renew))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .with_state(desk);
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut acceptor = None;
    loop {
        if acceptor.is_none() || files.has_changed().unwrap_or(false) {
            match tls(&files.borrow_and_update(), authority.clone()) {
                Ok(config) => acceptor = Some(TlsAcceptor::from(Arc::new(config))),
                Err(error) => tracing::error!(%error, "the server's certificate cannot be used for enrolment"),
            }
        }
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection for enrolment could not be taken");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (Some(acceptor), Ok(place)) = (acceptor.clone(), Arc::clone(&places).try_acquire_owned()) else {
            tracing::warn!(%address, "too many enrol at once; one was sent away");
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(stream, acceptor, router).await {
                tracing::debug!(%address, %error, "an enrolment came to nothing");
            }
            drop(place);
        });
    }
}

/// The server's side of TLS, for those who have no certificate yet and those whom `authority` gave one.
///
/// # Errors
/// When the files cannot be read.
pub fn tls(files: &ServerFiles, authority: CertificateDer<'static>) -> Result<rustls::ServerConfig, TlsError> {
    let chain = CertificateDer::pem_file_iter(&files.chain)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&files.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(PastItsEnd::new(authority)?))
        .with_single_cert(chain, key)?)
}

/// Why the server's certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files cannot be read.
    #[error(transparent)]
    Files(#[from] rustls::pki_types::pem::Error),
    /// They do not fit together.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

async fn answer(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await??;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(Shown::read);
    let router = router.layer(Extension(shown));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::time::timeout(PATIENCE * 2, connection).await??;
    Ok(())
}

/// An answer that gives nothing, in words for the installer.
type No = (StatusCode, Json<Denied>);

async fn enrol(State(desk): State<Desk>, Json(request): Json<Request>) -> Result<Json<Granted>, No> {
    desk.enrol(&request).await.map(Json)
}

impl Desk {
    async fn enrol(&self, request: &Request) -> Result<Granted, No> {
        let unstored = |error: StoreError| unstored(&error);
        let now_ms = clock::now_ms();
        let mut work = self.store.work().await.map_err(unstored)?;
        let tried = try_secret(&mut work, &request.secret, now_ms).await.map_err(unstored)?;
        let Tried::Right(agent) = tried else {
            work.commit().await.map_err(|error| unstored(error.into()))?;
            tracing::warn!(?tried, "an enrolment was refused");
            return Err(no(StatusCode::FORBIDDEN, refusal(&tried)));
        };
        // Dropped uncommitted, the code stays unused.
        let issued = self.certify(&agent, &request.csr, now_ms)?;
        agents::enrol(&mut work, &agent, &issued.serial, issued.expires_ms, now_ms).await.map_err(unstored)?;
        work.commit().await.map_err(|error| unstored(error.into()))?;
        if let Ok(Some(known)) = homes::find_agent(self.store.reader(), &agent).await {
            self.changes.tell([Change::Home(known.home)]);
        }
        tracing::info!(agent.id = %agent, "enrolled");
        Ok(self.granted(&agent, issued))
    }

    fn certify(&self, agent: &AgentId, csr: &str, now_ms: i64) -> Result<Issued, No> {
        self.ca.certify_agent(agent, csr, self.life, now_ms).map_err(|error| {
            tracing::warn!(agent.id = %agent, %error, "a request for a certificate was refused");
            no(
                StatusCode::BAD_REQUEST,
                "The certificate request cannot be used. Is the agent's program complete and current?",
            )
        })
    }

    fn granted(&self, agent: &AgentId, issued: Issued) -> Granted {
        let (first, further) = self.brokers.split_first().expect("a configuration without a broker is refused");
        Granted {
            agent: agent.to_string(),
            certificate: issued.pem,
            ca: self.ca.certificate().to_owned(),
            broker_host: first.host.clone(),
            broker_port: first.port,
            further_brokers: further.to_vec(),
        }
    }
}

fn unstored(error: &StoreError) -> No {
    tracing::error!(%error, "an agent got no certificate: the store fails");
    no(StatusCode::SERVICE_UNAVAILABLE, "The gateway cannot store anything at the moment. Try again in a minute.")
}

fn refusal(tried: &Tried) -> &'static str {
    match tried {
        Tried::Used => "This code has been used. Ask for a fresh one (hempuls-gateway home code).",
        Tried::Expired => "This code is no longer valid. Ask for a fresh one (hempuls-gateway home code).",
        Tried::Burnt => "This code was tried too often. Ask for a fresh one (hempuls-gateway home code).",
        Tried::Wrong | Tried::Right(_) => {
            "The gateway does not know this code. Check it, or ask for a fresh one (hempuls-gateway home code)."
        }
    }
}

fn no(status: StatusCode, why: &str) -> No {
    (status, Json(Denied { error: why.to_owned() }))
}
