//! A signed HTTP request to a program.
//!
//! `POST` of a JSON body, `{"type": "alert.rang", "timestamp": …, "data": {"alert", "urgency", "link", "perhaps_told"}}`, with the headers
//! `webhook-id` (the same in every attempt), `webhook-timestamp` (seconds since 1970) and `webhook-signature`:
//! `v1,` and the base64 of the HMAC-SHA256 of `{id}.{timestamp}.{body}`. Any answer from 200 to 299 is a yes.
//!
//! A silent test is such a request with `{"type": "test", "timestamp": …, "data": {}}`: a program answers it and tells nobody.
//!
//! Source: Standard Webhooks, "Signature scheme" and "Payload structure".

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Notice, Probe};
use crate::config::duration;
use crate::delivery::call::{Answer, Caller, NoAnswer};
use crate::delivery::course::Outcome;

/// A shorter secret can be guessed.
///
/// Source: Standard Webhooks, "Signature scheme": 24 to 64 bytes.
const SHORTEST_SECRET: usize = 24;

/// How programs are called.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file with the secret that requests are signed with: `whsec_` and the base64 of 24 to 64 random bytes.
    pub secret_file: PathBuf,
    /// Addresses that may be called although they are private, or without TLS.
    #[serde(default)]
    pub allow: Vec<IpAddr>,
    /// A file with more certificate authorities than the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How often each address proves itself where no alert goes to it.
    #[serde(default = "crate::delivery::quarter_of_a_day", deserialize_with = "duration::read")]
    pub prove_every: Duration,
}

/// Calls programs.
pub struct Webhook {
    caller: Caller,
    key: hmac::Key,
}

impl Webhook {
    /// Reads the secret.
    ///
    /// # Errors
    /// What is wrong with a file, in words that do not say what is in it.
    pub fn open(config: &Config, folder: &Path) -> Result<Self, String> {
        let text = super::read(&folder.join(&config.secret_file))?;
        let secret = STANDARD.decode(text.trim().trim_start_matches("whsec_")).unwrap_or_default();
        if secret.len() < SHORTEST_SECRET {
            return Err(format!(
                "{} holds no secret: it should be whsec_ and the base64 of 24 to 64 random bytes",
                config.secret_file.display()
            ));
        }
        Ok(Self {
            caller: super::caller(config.ca_file.as_deref(), &config.allow, folder)?,
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    /// Calls the program at the notice's address.
    pub async fn send(&self, notice: &Notice, link: &str) -> Outcome {
        self.call(&notice.address, &notice.id, notice.sent_ms, &body(notice, link)).await
    }

    /// Calls the program at the probe's address with a test, of which it tells nobody.
    pub async fn prove(&self, probe: &Probe) -> Outcome {
        let body = json!({"type": "test", "timestamp": at(probe.sent_ms).to_string(), "data": {}}).to_string();
        self.call(&probe.address, &probe.id, probe.sent_ms, &body).await
    }

    async fn call(&self, address: &str, id: &str, sent_ms: i64, body: &str) -> Outcome {
        let Ok(to) = address.parse::<Uri>() else {
            return Outcome::GiveUp { because: "the address is no URL".to_owned() };
        };
        let seconds = (sent_ms / 1000).to_string();
        let signature = self.signature(id, &seconds, body);
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", &seconds),
            ("webhook-signature", &signature),
        ];
        outcome(self.caller.post(&to, &headers, body).await)
    }

    fn signature(&self, id: &str, seconds: &str, body: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

/// Whether it is a URL that could be called.
pub fn is_url(text: &str) -> bool {
    let is_http = |url: Uri| matches!(url.scheme_str(), Some("https" | "http")) && url.host().is_some();
    text.parse().is_ok_and(is_http)
}

fn at(sent_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(sent_ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn body(notice: &Notice, link: &str) -> String {
    json!({
        "type": "alert.rang",
        "timestamp": at(notice.sent_ms).to_string(),
        "data": {"alert": notice.alert, "urgency": notice.urgency, "link": link, "perhaps_told": notice.perhaps_told},
    })
    .to_string()
}

/// What an answer means. A redirect is a no: whoever could send us elsewhere could read along.
pub(super) fn outcome(answer: Result<Answer, NoAnswer>) -> Outcome {
    match answer {
        Ok(Answer { status: status @ 200..=299, .. }) => Outcome::Delivered { proof: format!("HTTP {status}") },
        Ok(Answer { status: status @ (408 | 425 | 429 | 500..=599), retry_after, .. }) => {
            Outcome::TryAgain { after: retry_after, because: format!("HTTP {status}") }
        }
        Ok(Answer { status, .. }) => Outcome::GiveUp { because: format!("HTTP {status}") },
        Err(NoAnswer::NotAllowed(because)) => Outcome::GiveUp { because: because.to_owned() },
        Err(NoAnswer::Failed(because)) => Outcome::TryAgain { after: None, because },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Severity;
    use crate::wording::Lang;

    /// The values of the "Signature" example in the Standard Webhooks reference libraries.
    #[test]
    fn a_request_is_signed_as_standard_webhooks_has_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let config = Config {
            secret_file: "secret".into(),
            allow: Vec::new(),
            ca_file: None,
            prove_every: Duration::from_secs(60),
        };
        let webhook = Webhook::open(&config, folder.path()).unwrap();
        let signed = webhook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        assert!(Webhook::open(&config, folder.path()).is_err_and(|why| why.contains("whsec_")));
    }

    #[test]
    fn what_goes_out_says_where_to_look_and_nothing_else() {
        let notice = Notice {
            id: "d1".into(),
            alert: "a1".into(),
            rule: "alarm_pressed".into(),
            address: "https://example.org/".into(),
            urgency: Severity::High,
            lang: Lang::Sv,
            sent_ms: 1_795_352_400_000,
            perhaps_told: false,
        };
        let said: serde_json::Value =
            serde_json::from_str(&body(&notice, "https://console.example/alerts/a1")).unwrap();
        let data = json!({"alert": "a1", "urgency": "high", "link": "https://console.example/alerts/a1", "perhaps_told": false});
        assert_eq!(said, json!({"type": "alert.rang", "timestamp": "2026-11-22T13:00:00Z", "data": data}));
    }

    #[test]
    fn a_redirect_and_a_no_are_final_and_a_busy_peer_is_asked_again() {
        let answer = |status| outcome(Ok(Answer { status, retry_after: None, body: hyper::body::Bytes::new() }));
        assert_eq!(answer(204), Outcome::Delivered { proof: "HTTP 204".into() });
        for status in [301, 307, 400, 404, 410] {
            assert!(matches!(answer(status), Outcome::GiveUp { .. }), "{status}");
        }
        for status in [429, 500, 503] {
            assert!(matches!(answer(status), Outcome::TryAgain { .. }), "{status}");
        }
    }
}
