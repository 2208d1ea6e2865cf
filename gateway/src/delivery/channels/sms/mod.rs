//! A text message, through a provider's HTTP interface.
//!
//! Delivered means that the provider has taken it; its id is kept as the proof. A provider without an idempotency key may
//! send a repeat after a crash.
//!
//! Source of the defaults: 46elks, API documentation, "Send SMS": `POST https://api.46elks.com/a1/sms`, HTTP Basic, form
//! fields `from`, `to` and `message`; the answer is JSON with an `id`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use serde::Deserialize;
use serde_json::Value;

use super::{Notice, wording};
use crate::delivery::call::{Answer, Caller, NoAnswer};
use crate::delivery::course::Outcome;

/// Through which provider.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it takes messages.
    #[serde(default = "Config::elks")]
    pub url: String,
    /// The account there.
    pub user: String,
    /// A file with the account's password.
    pub password_file: PathBuf,
    /// From whom the message is: up to 11 letters and digits, or a number.
    pub from: String,
    /// What is sent: `{from}`, `{to}`, `{message}` and `{id}` (the same in every attempt) are filled in, as `format` needs it.
    #[serde(default = "Config::form")]
    pub body: String,
    /// How the body is written.
    #[serde(default)]
    pub format: Format,
    /// Which field of the answer is kept as the proof.
    #[serde(default = "Config::id")]
    pub proof: String,
    /// Addresses that may be called although they are private, or without TLS.
    #[serde(default)]
    pub allow: Vec<IpAddr>,
    /// A file with more certificate authorities than the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// How a body is written.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `application/x-www-form-urlencoded`.
    #[default]
    Form,
    /// `application/json`; what is filled in stands between quotes.
    Json,
}

/// Sends text messages.
pub struct Sms {
    caller: Caller,
    config: Config,
    to: Uri,
    authorization: String,
}

impl Config {
    fn elks() -> String {
        "https://api.46elks.com/a1/sms".to_owned()
    }

    fn form() -> String {
        "from={from}&to={to}&message={message}".to_owned()
    }

    fn id() -> String {
        "id".to_owned()
    }
}

impl Sms {
    /// Reads the password.
    ///
    /// # Errors
    /// What is wrong, in words that do not say what is in a file.
    pub fn open(config: &Config, folder: &Path) -> Result<Self, String> {
        let to = config.url.parse().map_err(|_| format!("delivery.sms.url = \"{}\" is no URL", config.url))?;
        let password = super::read(&folder.join(&config.password_file))?;
        let account = format!("{}:{}", config.user, password.trim_end_matches(['\r', '\n']));
        Ok(Self {
            caller: super::caller(config.ca_file.as_deref(), &config.allow, folder)?,
            to,
            authorization: format!("Basic {}", STANDARD.encode(account)),
            config: config.clone(),
        })
    }

    /// Hands it to the provider.
    pub async fn send(&self, notice: &Notice, link: &str) -> Outcome {
        if !is_number(&notice.address) {
            return Outcome::GiveUp { because: "the address is no telephone number as +46700000000".to_owned() };
        }
        let body = self.body(notice, &wording::short(notice, link));
        let kind = match self.config.format {
            Format::Form => "application/x-www-form-urlencoded",
            Format::Json => "application/json",
        };
        let headers = [("content-type", kind), ("authorization", self.authorization.as_str())];
        match self.caller.post(&self.to, &headers, &body).await {
            Ok(answer) => self.outcome(&answer),
            Err(NoAnswer::NotAllowed(because)) => Outcome::GiveUp { because: because.to_owned() },
            Err(NoAnswer::Failed(because)) => Outcome::TryAgain { after: None, because },
        }
    }

    /// The template, filled in. What is filled in is not looked at for places to fill in.
    fn body(&self, notice: &Notice, message: &str) -> String {
        let values = [
            ("{from}", self.config.from.as_str()),
            ("{to}", &notice.address),
            ("{message}", message),
            ("{id}", &notice.id),
        ];
        let mut body = String::new();
        let mut rest = self.config.body.as_str();
        while let Some(at) = rest.find('{') {
            body.push_str(&rest[..at]);
            rest = &rest[at..];
            match values.iter().find(|(place, _)| rest.starts_with(place)) {
                Some((place, value)) => {
                    body.push_str(&self.written(value));
                    rest = &rest[place.len()..];
                }
                None => {
                    body.push('{');
                    rest = &rest[1..];
                }
            }
        }
        body + rest
    }

    fn written(&self, value: &str) -> String {
        match self.config.format {
            Format::Form => form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            Format::Json => {
                let quoted = Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        }
    }

    /// What an answer means. A provider's no may be about the account (money, rights) as well as about the number: none is
    /// for good but that to the number's form.
    fn outcome(&self, answer: &Answer) -> Outcome {
        let Answer { status, retry_after, body } = answer;
        if !(200..=299).contains(status) {
            return Outcome::TryAgain { after: *retry_after, because: format!("the provider said HTTP {status}") };
        }
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        match &said[&self.config.proof] {
            Value::String(proof) => Outcome::Delivered { proof: proof.chars().take(200).collect() },
            Value::Number(proof) => Outcome::Delivered { proof: proof.to_string() },
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Outcome::TryAgain {
                after: None,
                because: format!("the provider said HTTP {status}, without {}", self.config.proof),
            },
        }
    }
}

/// Whether it is a number as E.164 has it.
pub(super) fn is_number(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Severity;
    use crate::wording::Lang;

    #[test]
    fn the_template_is_filled_in_once_and_what_is_filled_in_changes_nothing_around_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "secret\n").unwrap();
        let sms = |more: &str| {
            let text = format!("user = \"u\"\npassword_file = \"password\"\nfrom = \"Hem & {{to}}\"\n{more}");
            Sms::open(&toml::from_str(&text).unwrap(), folder.path()).unwrap()
        };
        let notice = Notice {
            id: "d1".into(),
            alert: "a1".into(),
            rule: "alarm_pressed".into(),
            address: "+46700000000".into(),
            urgency: Severity::High,
            lang: Lang::Sv,
            sent_ms: 0,
            perhaps_told: false,
        };
        assert_eq!(
            sms("").body(&notice, "nu. https://c/a?b=1&c"),
            "from=Hem+%26+%7Bto%7D&to=%2B46700000000&message=nu.+https%3A%2F%2Fc%2Fa%3Fb%3D1%26c"
        );
        let json = sms("format = \"json\"\nbody = '{\"id\": \"{id}\", \"to\": \"{to}\", \"text\": \"{message}\"}'");
        assert_eq!(json.body(&notice, "a \"b\""), r#"{"id": "d1", "to": "+46700000000", "text": "a \"b\""}"#);
    }

    #[test]
    fn only_a_number_with_its_country_is_a_number() {
        assert!(is_number("+46700000000"));
        for wrong in ["0700000000", "+46 70", "+4670000000a", "+12", "", "+4670000000000000"] {
            assert!(!is_number(wrong), "{wrong}");
        }
    }
}
