//! Whether a server is one to speak to: rustls' own judgement, by the time that [`super::validity`] says.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::validity::Passed;

/// Judges servers by these authorities.
#[derive(Debug)]
pub(crate) struct Judge {
    authorities: Arc<WebPkiServerVerifier>,
    passed: Passed,
}

impl Judge {
    /// # Errors
    /// When there is no authority among these.
    pub(crate) fn new(authorities: RootCertStore, passed: Passed) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { authorities, passed })
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _by_the_systems_clock: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unreadable = |_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        let at = u64::try_from(self.passed.judge(end_entity).map_err(unreadable)?).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
        let good = self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)?;
        self.passed.vouched_for_by(end_entity);
        Ok(good)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}
