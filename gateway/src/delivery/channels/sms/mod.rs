//! A text message, through a provider's HTTP interface.
//!
//! Delivered means that the provider has taken it; its id is kept as the proof. A provider without an idempotency key may
//! send a repeat after a crash.
//!
//! Source of the defaults: 46elks, API documentation, "Send SMS": `POST https://api.46elks.com/a1/sms`, HTTP Basic, form
//! fields `from`, `to` and `message`; the answer is JSON with an `id`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use serde::Deserialize;
use serde_json::Value;

use super::{Notice, Probe, wording};
use crate::config::duration;
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
    /// What is sent where the provider is to look at a message and send none: a silent test. Where `url` and `body` are those
    /// of 46elks, its `dryrun` is used; with another provider there is none unless it is written here.
    #[serde(default)]
    pub dry_run: Option<String>,
    /// How often each address proves itself where no alert goes to it.
    #[serde(default = "crate::delivery::quarter_of_a_day", deserialize_with = "duration::read")]
    pub prove_every: Duration,
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

    /// What a silent test sends; none where the provider is not known to send nothing for it.
    #[must_use]
    pub fn dry_run_body(&self) -> Option<String> {
        let is_elks = self.url == Self::elks() && self.body == Self::form();
        self.dry_run.clone().or_else(|| is_elks.then(|| format!("{}&dryrun=yes", self.body)))
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
        let message = wording::short(notice, link);
        let body = self.filled(&self.config.body, &notice.address, &message, &notice.id);
        self.post(&body).await.map_or_else(|no| no, |answer| self.outcome(&answer))
    }

    /// Whether the provider is known to say what it would do, and send nothing.
    #[must_use]
    pub fn has_dry_run(&self) -> bool {
        self.config.dry_run_body().is_some()
    }

    /// Has the provider look at a message to this number and send none. There is no id to show for what was not sent.
    pub async fn prove(&self, probe: &Probe) -> Outcome {
        let Some(body) = self.config.dry_run_body() else {
            return Outcome::GiveUp { because: "the provider has no dry run".to_owned() };
        };
        if !is_number(&probe.address) {
            return Outcome::GiveUp { because: "the address is no telephone number as +46700000000".to_owned() };
        }
        match self.post(&self.filled(&body, &probe.address, "Hempuls", &probe.id)).await {
            Ok(Answer { status: status @ 200..=299, .. }) => {
                Outcome::Delivered { proof: format!("dry run: the provider said HTTP {status}") }
            }
            Ok(answer) => refused(&answer),
            Err(no) => no,
        }
    }

    async fn post(&self, body: &str) -> Result<Answer, Outcome> {
        let kind = match self.config.format {
            Format::Form => "application/x-www-form-urlencoded",
            Format::Json => "application/json",
        };
        let headers = [("content-type", kind), ("authorization", self.authorization.as_str())];
        self.caller.post(&self.to, &headers, body).await.map_err(|no| match no {
            NoAnswer::NotAllowed(because) => Outcome::GiveUp { because: because.to_owned() },
            NoAnswer::Failed(because) => Outcome::TryAgain { after: None, because },
        })
    }

    /// The template, filled in. What is filled in is not looked at for places to fill in.
    fn filled(&self, template: &str, to: &str, message: &str, id: &str) -> String {
        let values = [("{from}", self.config.from.as_str()), ("{to}", to), ("{message}", message), ("{id}", id)];
        let mut body = String::new();
        let mut rest = template;
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

    /// What an answer means.
    fn outcome(&self, answer: &Answer) -> Outcome {
        let Answer { status, body, .. } = answer;
        if !(200..=299).contains(status) {
            return refused(answer);
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

/// A provider's no may be about the account (money, rights) as well as about the number: none is for good but that to the
/// number's form.
fn refused(answer: &Answer) -> Outcome {
    let because = format!("the provider said HTTP {}", answer.status);
    Outcome::TryAgain { after: answer.retry_after, because }
}

/// Whether it is a number as E.164 has it.
pub(super) fn is_number(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_filled_in_once_and_what_is_filled_in_changes_nothing_around_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "secret\n").unwrap();
        let sms = |more: &str| {
            let text = format!("user = \"u\"\npassword_file = \"password\"\nfrom = \"Hem & {{to}}\"\n{more}");
            Sms::open(&toml::from_str(&text).unwrap(), folder.path()).unwrap()
        };
        let filled = |sms: &Sms, message| sms.filled(&sms.config.body, "+46700000000", message, "d1");
        assert_eq!(
            filled(&sms(""), "nu. https://c/a?b=1&c"),
            "from=Hem+%26+%7Bto%7D&to=%2B46700000000&message=nu.+https%3A%2F%2Fc%2Fa%3Fb%3D1%26c"
        );
        let json = sms("format = \"json\"\nbody = '{\"id\": \"{id}\", \"to\": \"{to}\", \"text\": \"{message}\"}'");
        assert_eq!(filled(&json, "a \"b\""), r#"{"id": "d1", "to": "+46700000000", "text": "a \"b\""}"#);
    }

    #[test]
    fn a_dry_run_is_asked_for_only_where_the_provider_is_known_to_send_nothing_for_it() {
        let dry_run = |more: &str| {
            let text = format!("user = \"u\"\npassword_file = \"p\"\nfrom = \"H\"\n{more}");
            toml::from_str::<Config>(&text).unwrap().dry_run_body()
        };
        assert_eq!(dry_run("").as_deref(), Some("from={from}&to={to}&message={message}&dryrun=yes"));
        assert_eq!(dry_run("url = \"https://sms.example.org\""), None);
        assert_eq!(dry_run("body = \"to={to}&text={message}\""), None);
        assert_eq!(dry_run("url = \"https://sms.example.org\"\ndry_run = \"t\"").as_deref(), Some("t"));
    }

    #[test]
    fn only_a_number_with_its_country_is_a_number() {
        assert!(is_number("+46700000000"));
        for wrong in ["0700000000", "+46 70", "+4670000000a", "+12", "", "+4670000000000000"] {
            assert!(!is_number(wrong), "{wrong}");
        }
    }
}
