//! How an agent gets its identity: it makes a key, checks that it speaks to the gateway the code was made for, and only
//! then sends the secret half of the code.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hempuls_protocol::enrolment::{Denied, EnrolmentCode, Granted, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::identity::{Folder, IdentityError};

/// Why the agent was not enrolled, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The address cannot be one.
    #[error("{0:?} is no address of a gateway; it looks like gateway.example.org:8443")]
    Address(String),
    /// Nobody answers.
    #[error(
        "the gateway at {gateway} cannot be reached ({why}). Check the address and the network, then try again; the code is still good"
    )]
    Unreachable {
        /// Where.
        gateway: String,
        /// What the system says.
        why: String,
    },
    /// It is not the gateway that the code was made for.
    #[error(
        "the server at {gateway} is not the gateway that this code was made for, so the code was not sent. \
         Check the address, and type the last two groups of the code again"
    )]
    WrongGateway {
        /// Where.
        gateway: String,
    },
    /// It is the right gateway under another name.
    #[error(
        "the gateway at {gateway} is the right one, but {why}. Use the host name that its certificate was made for"
    )]
    WrongName {
        /// Where.
        gateway: String,
        /// What does not fit.
        why: String,
    },
    /// The gateway says no.
    #[error("the gateway refuses: {0}")]
    Denied(String),
    /// The gateway says something else.
    #[error("the gateway's answer makes no sense ({0}); is it of the same version?")]
    Answer(String),
    /// The key cannot be used.
    #[error("the agent's key cannot be used: {0}. Delete identity/agent.key in the state folder and try again")]
    Key(String),
    /// The identity cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Time for each step on the network.
const PATIENCE: Duration = Duration::from_secs(20);
/// No sound answer is longer.
const MAX_ANSWER: usize = 256 << 10;

/// Gets an identity from the gateway at `gateway` and keeps it. Says the agent's name.
///
/// # Errors
/// [`EnrolError`], in words for the installer.
pub async fn enrol(identity: &Folder, gateway: &str, code: &EnrolmentCode) -> Result<String, EnrolError> {
    let (host, port) = address(gateway)?;
    let csr = signing_request(identity)?;
    let unreachable = |why: String| EnrolError::Unreachable { gateway: gateway.to_owned(), why };
    let late = |_| unreachable("no answer in time".into());

    let verifier = Arc::new(PinVerifier::new(code.clone()));
    let config = ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| unreachable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(host.clone()).map_err(|_| EnrolError::Address(gateway.to_owned()))?;
    let stream = timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await.map_err(late)?;
    let stream = stream.map_err(|error| unreachable(error.to_string()))?;
    let stream = timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.map_err(late)?;
    let stream = stream.map_err(|error| match verifier.objection() {
        Some(Objection::OtherCa) => EnrolError::WrongGateway { gateway: gateway.to_owned() },
        Some(Objection::Certificate(why)) => EnrolError::WrongName { gateway: gateway.to_owned(), why },
        None => unreachable(error.to_string()),
    })?;

    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    let connection = tokio::spawn(connection);
    let request = Request { secret: code.secret().to_owned(), csr };
    let granted = timeout(PATIENCE, ask(&mut sender, gateway, &request)).await;
    connection.abort();
    let granted = granted.map_err(late)??;
    identity.keep(&granted)?;
    Ok(granted.agent)
}

fn address(gateway: &str) -> Result<(String, u16), EnrolError> {
    let wrong = || EnrolError::Address(gateway.to_owned());
    let (host, port) = gateway.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() { Err(wrong()) } else { Ok((host.to_owned(), port.parse().map_err(|_| wrong())?)) }
}

/// Only the public key in it is used; the name comes from the gateway.
fn signing_request(identity: &Folder) -> Result<String, EnrolError> {
    let failed = |error: rcgen::Error| EnrolError::Key(error.to_string());
    let made = rcgen::KeyPair::generate().map_err(failed)?;
    let key = identity.key(|| made.serialize_pem())?;
    let key = rcgen::KeyPair::from_pem(&key).map_err(failed)?;
    let request = rcgen::CertificateParams::default().serialize_request(&key).map_err(failed)?;
    request.pem().map_err(failed)
}

async fn ask(
    sender: &mut hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    gateway: &str,
    request: &Request,
) -> Result<Granted, EnrolError> {
    let nonsense = |error: &dyn std::fmt::Display| EnrolError::Answer(error.to_string());
    let body = serde_json::to_vec(request).map_err(|error| nonsense(&error))?;
    let request = hyper::Request::post("/enrol")
        .header(header::HOST, gateway)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| nonsense(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| nonsense(&error))?;
    let status = answer.status();
    let body = http_body_util::Limited::new(answer.into_body(), MAX_ANSWER);
    let body = body.collect().await.map_err(|error| EnrolError::Answer(error.to_string()))?.to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| nonsense(&error));
    }
    let denied: Result<Denied, _> = serde_json::from_slice(&body);
    Err(denied
        .map_or_else(|_| EnrolError::Answer(format!("status {status}")), |denied| EnrolError::Denied(denied.error)))
}

/// What is wrong with the server, as far as it can be told apart.
#[derive(Clone, Debug)]
enum Objection {
    OtherCa,
    Certificate(String),
}

/// Trusts the CA that the code pins, and no other, and through it the server.
#[derive(Debug)]
struct PinVerifier {
    code: EnrolmentCode,
    provider: Arc<CryptoProvider>,
    objection: Mutex<Option<Objection>>,
}

impl PinVerifier {
    fn new(code: EnrolmentCode) -> Self {
        Self { code, provider: Arc::new(rustls::crypto::ring::default_provider()), objection: Mutex::new(None) }
    }

    fn objection(&self) -> Option<Objection> {
        self.objection.lock().ok().and_then(|objection| objection.clone())
    }

    fn object(&self, objection: Objection, error: rustls::Error) -> rustls::Error {
        if let Ok(mut noted) = self.objection.lock() {
            *noted = Some(objection);
        }
        error
    }

    fn pins(&self, certificate: &CertificateDer<'_>) -> bool {
        x509_parser::parse_x509_certificate(certificate)
            .is_ok_and(|(_, parsed)| parsed.is_ca() && self.code.pins(parsed.public_key().raw))
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let ca = intermediates.iter().find(|certificate| self.pins(certificate));
        let ca = ca.ok_or_else(|| self.object(Objection::OtherCa, unknown()))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| self.object(Objection::Certificate(error.to_string()), error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
