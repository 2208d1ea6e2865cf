//! Why there is no connection, in words: what went wrong, what it means, and what to do.

use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, StateError};
use rustls::{AlertDescription, CertificateError};

/// What went wrong, what it means, and what to do.
pub(super) fn explain(error: &ConnectionError) -> String {
    if let ConnectionError::ConnectionRefused(code) = error {
        return match code {
            code if is_busy(code) => format!("the broker is busy ({code:?})"),
            code => format!(
                "the broker refuses this agent ({code:?}): it may be revoked, or have been given another certificate. It \
                 asks its gateway for one, and what that says is logged"
            ),
        };
    }
    match rustls_error(error) {
        Some(error) => explain_tls(error),
        None => format!("the broker cannot be reached ({error})"),
    }
}

/// Whether the broker is there, and does not accept who this agent is.
pub(super) fn is_of_us(error: &ConnectionError) -> bool {
    match (error, rustls_error(error)) {
        (ConnectionError::ConnectionRefused(code), _) => !is_busy(code),
        (_, Some(rustls::Error::AlertReceived(alert))) => is_about_our_certificate(alert),
        (_, _) => false,
    }
}

fn is_busy(code: &ConnectReturnCode) -> bool {
    matches!(
        code,
        ConnectReturnCode::ServerUnavailable
            | ConnectReturnCode::ServerBusy
            | ConnectReturnCode::ConnectionRateExceeded
    )
}

fn is_about_our_certificate(alert: &AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateExpired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRequired
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
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
            "this agent's certificate has expired; it asks its gateway for another, with the key it has"
        }
        rustls::Error::AlertReceived(alert) if is_about_our_certificate(alert) => {
            "the gateway does not accept this agent's certificate; it asks for another, and what is said is logged"
        }
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
        next = if let Some(StateError::Deserialization(inner)) = error.downcast_ref() {
            // The MQTT library does not name it as its source.
            Some(inner)
        } else {
            match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            }
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io;

    use rumqttc::v5::mqttbytes;

    use super::*;

    #[test]
    fn that_a_broker_does_not_accept_the_certificate_is_seen_through_all_layers_and_nothing_else_is_taken_for_it() {
        let tls = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let expired = || tls(rustls::Error::AlertReceived(AlertDescription::CertificateExpired));
        let read = |error| ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::Io(error)));
        let refused = ConnectionError::ConnectionRefused;
        for (error, is_so) in [
            (ConnectionError::Io(expired()), true),
            (ConnectionError::MqttState(StateError::Io(expired())), true),
            (read(expired()), true),
            (refused(ConnectReturnCode::NotAuthorized), true),
            (refused(ConnectReturnCode::ServerBusy), false),
            (read(tls(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure))), false),
            (ConnectionError::Io(tls(CertificateError::Expired.into())), false),
            (read(io::ErrorKind::UnexpectedEof.into()), false),
        ] {
            assert_eq!(is_of_us(&error), is_so, "{error}");
        }
        assert!(explain(&read(expired())).contains("this agent's certificate has expired"));
    }
}
