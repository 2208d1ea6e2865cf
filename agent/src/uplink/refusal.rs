//! Why there is no connection, in words: what went wrong, what it means, and what to do.

use rumqttc::v5::ConnectionError;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rustls::{AlertDescription, CertificateError};

/// What went wrong, what it means, and what to do.
pub(super) fn explain(error: &ConnectionError) -> String {
    if let ConnectionError::ConnectionRefused(code) = error {
        return match code {
            ConnectReturnCode::ServerUnavailable
            | ConnectReturnCode::ServerBusy
            | ConnectReturnCode::ConnectionRateExceeded => {
                format!("the broker is busy ({code:?})")
            }
            code => format!(
                "the broker refuses this agent ({code:?}): it may be retired or revoked; ask the care team, and enrol again"
            ),
        };
    }
    match rustls_error(error) {
        Some(error) => explain_tls(error),
        None => format!("the broker cannot be reached ({error})"),
    }
}

pub(super) fn explain_tls(error: &rustls::Error) -> String {
    let meaning = match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "the server is not the gateway this agent was enrolled with. If the gateway was set up anew, enrol again; \
             otherwise somebody may be listening in"
        }
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the gateway's certificate has expired, or this box's clock is wrong; check the clock, then the gateway"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the gateway's certificate is not valid yet; this box's clock is probably wrong",
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the gateway's certificate is for another host name; enrol again, or correct the gateway's certificate",
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "this agent's certificate has expired; enrol again with a new code"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRequired
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError,
        ) => "the gateway does not accept this agent's certificate; enrol again with a new code",
        _ => "no secure connection could be made; is this the gateway's broker port?",
    };
    format!("{meaning} ({error})")
}

/// The reason under all the layers of the library, where TLS gave it.
pub(super) fn rustls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
