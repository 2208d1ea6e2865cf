//! How an agent gets its identity: it makes a key, checks that it speaks to the gateway the code was made for, and only
//! then sends the secret half of the code.

use std::sync::{Arc, Mutex};

use hempuls_protocol::enrolment::{Broker, EnrolmentCode, Request};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::desk::{self, Unanswered};
use super::judge::Judge;
use super::validity::Passed;
use super::{Folder, IdentityError, NewKey};

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
        gateway: Broker,
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
        gateway: Broker,
    },
    /// It is the right gateway under another name.
    #[error(
        "the gateway at {gateway} is the right one, but {why}. Use the host name that its certificate was made for"
    )]
    WrongName {
        /// Where.
        gateway: Broker,
        /// What does not fit.
        why: String,
    },
    /// It is the right gateway, and its certificate is of no use.
    #[error(
        "the gateway at {gateway} is the right one, but its certificate cannot be used ({why}). Check the clocks of this box \
         and of the gateway, then try again; the code is still good"
    )]
    WrongCertificate {
        /// Where.
        gateway: Broker,
        /// What is wrong with it.
        why: String,
    },
    /// The gateway says no.
    #[error("the gateway refuses: {0}")]
    Denied(String),
    /// The gateway says something else.
    #[error("the gateway's answer makes no sense ({0}); is it of the same version?")]
    Answer(String),
    /// No key can be made.
    #[error("no key can be made: {0}. Has this box a source of randomness?")]
    Key(#[from] rcgen::Error),
    /// The identity cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Gets an identity from the gateway at `gateway` and keeps it. Says the agent's name. A daemon that runs beside this
/// sees it.
///
/// # Errors
/// [`EnrolError`], in words for the installer.
pub async fn enrol(identity: &Folder, gateway: &str, code: &EnrolmentCode) -> Result<String, EnrolError> {
    let gateway: Broker = gateway.parse().map_err(|_| EnrolError::Address(gateway.to_owned()))?;
    let (key, csr) = NewKey::make()?;
    let verifier = Arc::new(PinVerifier::new(code.clone(), identity.passed().clone()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| EnrolError::Unreachable { gateway: gateway.clone(), why: error.to_string() })?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    let request = Request { secret: code.secret().to_owned(), csr };
    let granted = desk::ask(Arc::new(tls), &gateway, None, "/enrol", &request).await.map_err(|unanswered| {
        match (unanswered, verifier.objection()) {
            (Unanswered::Unreachable { gateway, .. }, Some(Objection::OtherCa)) => EnrolError::WrongGateway { gateway },
            (Unanswered::Unreachable { gateway, .. }, Some(Objection::Name(why))) => {
                EnrolError::WrongName { gateway, why }
            }
            (Unanswered::Unreachable { gateway, .. }, Some(Objection::Certificate(why))) => {
                EnrolError::WrongCertificate { gateway, why }
            }
            (Unanswered::Unreachable { gateway, why }, None) => EnrolError::Unreachable { gateway, why },
            (Unanswered::Denied(why), _) => EnrolError::Denied(why),
            (Unanswered::Nonsense(why), _) => EnrolError::Answer(why),
        }
    })?;
    identity.keep(key, &granted, &gateway)?;
    Ok(granted.agent)
}

/// What is wrong with the server, as far as it can be told apart.
#[derive(Clone, Debug)]
enum Objection {
    OtherCa,
    Name(String),
    Certificate(String),
}

/// Trusts the CA that the code pins, and no other, and through it the server.
#[derive(Debug)]
struct PinVerifier {
    code: EnrolmentCode,
    passed: Passed,
    objection: Mutex<Option<Objection>>,
}

impl PinVerifier {
    fn new(code: EnrolmentCode, passed: Passed) -> Self {
        Self { code, passed, objection: Mutex::new(None) }
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
        let judge = Judge::new(roots, self.passed.clone())?;
        judge
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| self.object(objection(&error), error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &algorithms();
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &algorithms();
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

fn objection(error: &rustls::Error) -> Objection {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Objection::Name(error.to_string()),
        _ => Objection::Certificate(error.to_string()),
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    rustls::crypto::ring::default_provider().signature_verification_algorithms
}
