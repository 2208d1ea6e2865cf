//! One question to the gateway's enrolment desk, over TLS, with time limits round every step.

use std::sync::Arc;
use std::time::Duration;

use hempuls_protocol::enrolment::{Broker, Denied, Granted};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::uplink::socket::connect;

/// Why there is no grant.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// Nobody answers, or not in time.
    #[error("the gateway at {gateway} cannot be reached ({why})")]
    Unreachable { gateway: Broker, why: String },
    /// The gateway says no, and why.
    #[error("the gateway refuses: {0}")]
    Denied(String),
    /// The gateway says something else.
    #[error("the gateway's answer makes no sense ({0}); is it of the same version?")]
    Nonsense(String),
}

/// Time for each step on the network.
const PATIENCE: Duration = Duration::from_secs(20);
/// No sound answer is longer.
const MAX_ANSWER: usize = 256 << 10;

/// Asks the gateway, over this network interface where one is given.
pub(super) async fn ask(
    tls: Arc<ClientConfig>,
    gateway: &Broker,
    interface: Option<&str>,
    path: &str,
    question: &impl Serialize,
) -> Result<Granted, Unanswered> {
    let unreachable = |why: String| Unanswered::Unreachable { gateway: gateway.clone(), why };
    let late = |_| unreachable("no answer in time".into());
    let name = ServerName::try_from(gateway.host.clone()).map_err(|error| unreachable(error.to_string()))?;
    let connected = async { connect(lookup_host((gateway.host.as_str(), gateway.port)).await?, interface).await };
    let stream = timeout(PATIENCE, connected).await.map_err(late)?;
    let stream = stream.map_err(|error| unreachable(error.to_string()))?;
    let stream = timeout(PATIENCE, TlsConnector::from(tls).connect(name, stream)).await.map_err(late)?;
    let stream = stream.map_err(|error| unreachable(error.to_string()))?;
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(error.to_string()))?;
    let connection = tokio::spawn(connection);
    let granted = timeout(PATIENCE, exchange(&mut sender, gateway, path, question)).await;
    connection.abort();
    granted.map_err(late)?
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    gateway: &Broker,
    path: &str,
    question: &impl Serialize,
) -> Result<Granted, Unanswered> {
    let nonsense = |error: &dyn std::fmt::Display| Unanswered::Nonsense(error.to_string());
    let body = serde_json::to_vec(question).map_err(|error| nonsense(&error))?;
    let request = hyper::Request::post(path)
        .header(header::HOST, gateway.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| nonsense(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| nonsense(&error))?;
    let status = answer.status();
    let body = http_body_util::Limited::new(answer.into_body(), MAX_ANSWER);
    let body = body.collect().await.map_err(|error| nonsense(&error))?.to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| nonsense(&error));
    }
    let denied: Result<Denied, _> = serde_json::from_slice(&body);
    Err(denied.map_or_else(|_| nonsense(&format!("status {status}")), |denied| Unanswered::Denied(denied.error)))
}
