//! E-mail, through one mail server.
//!
//! Delivered means that the server has taken it: whether it reached a mailbox, and whether anybody looked, nobody knows. All
//! attempts of one notification have the same Message-ID, so that a mailbox can tell a repeat.
//!
//! A silent test goes as far as the server's word that it takes something for the address (RFC 5321 §4.1.1.3), and ends there
//! with RSET: no message is begun.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{Address, AsyncTransport as _, Tokio1Executor};
use serde::Deserialize;

use super::{Notice, wording};
use crate::alerts::Severity;
use crate::config::duration;
use crate::delivery::course::{CONNECT, Outcome};

/// Through which mail server, and from whom.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The mail server's name; its certificate must be for it.
    pub host: String,
    /// Its port; 587, 465 or 25 after `security`, if it is left out.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is kept private.
    #[serde(default)]
    pub security: Security,
    /// From which address.
    pub from: String,
    /// The account there; none if it is left out.
    #[serde(default)]
    pub user: Option<String>,
    /// A file with the account's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// A file with more certificate authorities than the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How often each address proves itself where no alert goes to it.
    #[serde(default = "crate::delivery::quarter_of_a_day", deserialize_with = "duration::read")]
    pub prove_every: Duration,
}

/// How the connection to the mail server is kept private.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS after STARTTLS, or nothing is sent.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: to a mail server on this machine.
    None,
}

/// Sends e-mail.
pub struct Email {
    server: AsyncSmtpTransport<Tokio1Executor>,
    host: (String, u16),
    tls: Tls,
    credentials: Option<Credentials>,
    from: Address,
}

impl Email {
    /// Reads the password and the authorities.
    ///
    /// # Errors
    /// What is wrong, in words that do not say what is in a file.
    pub fn open(config: &Config, folder: &Path) -> Result<Self, String> {
        let Config { host, port, security, from, user, password_file, ca_file, .. } = config;
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let (tls, usual_port) = match security {
            Security::Starttls => (Tls::Required(tls(host, ca_file.as_deref(), folder)?), 587),
            Security::Tls => (Tls::Wrapper(tls(host, ca_file.as_deref(), folder)?), 465),
            Security::None if is_here => (Tls::None, 25),
            Security::None => {
                return Err(format!(
                    "delivery.email.security = \"none\" would send to {host} for everybody on the way to read; it is for a \
                     mail server on this machine"
                ));
            }
        };
        let host = (host.clone(), port.unwrap_or(usual_port));
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host.0)
            .port(host.1)
            .tls(tls.clone())
            .timeout(Some(CONNECT));
        let credentials = match (user, password_file) {
            (Some(user), Some(file)) => {
                let password = super::read(&folder.join(file))?.trim_end_matches(['\r', '\n']).to_owned();
                let credentials = Credentials::new(user.clone(), password);
                server = server.credentials(credentials.clone());
                Some(credentials)
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("delivery.email.user and password_file go together".to_owned());
            }
        };
        let from = from.parse().map_err(|_| "delivery.email.from is no e-mail address".to_owned())?;
        Ok(Self { server: server.build(), host, tls, credentials, from })
    }

    /// Hands it to the mail server.
    pub async fn send(&self, notice: &Notice, link: &str) -> Outcome {
        let Some(message) = self.message(notice, link) else {
            return Outcome::GiveUp { because: "the address is no e-mail address".to_owned() };
        };
        match self.server.send(message).await {
            Ok(answer) => {
                let said = format!("{} {}", answer.code(), answer.first_line().unwrap_or_default());
                Outcome::Delivered { proof: without_mailbox(&said, &notice.address) }
            }
            Err(error) => failed(&error, &notice.address),
        }
    }

    /// Asks the mail server whether it takes something for this address, and sends nothing.
    pub async fn prove(&self, address: &str) -> Outcome {
        let Ok(to) = address.parse::<Address>() else {
            return Outcome::GiveUp { because: "the address is no e-mail address".to_owned() };
        };
        match self.ask(to).await {
            Ok(answer) => {
                let said = format!("RCPT TO: {} {}", answer.code(), answer.first_line().unwrap_or_default());
                Outcome::Delivered { proof: without_mailbox(&said, address) }
            }
            Err(error) => failed(&error, address),
        }
    }

    async fn ask(&self, to: Address) -> Result<Response, smtp::Error> {
        let us = ClientId::default();
        let (wrapper, starttls) = match &self.tls {
            Tls::Wrapper(tls) => (Some(tls.clone()), None),
            Tls::Required(tls) | Tls::Opportunistic(tls) => (None, Some(tls.clone())),
            Tls::None => (None, None),
        };
        let (host, port) = &self.host;
        let mut line =
            AsyncSmtpConnection::connect_tokio1((host.as_str(), *port), Some(CONNECT), &us, wrapper, None).await?;
        let talk = async {
            if let Some(tls) = starttls {
                line.starttls(tls, &us).await?;
            }
            if let Some(credentials) = &self.credentials {
                line.auth(DEFAULT_MECHANISMS, credentials).await?;
            }
            line.command(Mail::new(Some(self.from.clone()), Vec::new())).await?;
            let answer = line.command(Rcpt::new(to, Vec::new())).await?;
            line.command(Rset).await?;
            Ok(answer)
        };
        let ended = talk.await;
        line.abort().await;
        ended
    }

    fn message(&self, notice: &Notice, link: &str) -> Option<Message> {
        let Notice { id, address, urgency, lang, sent_ms, .. } = notice;
        let sent = UNIX_EPOCH + Duration::from_millis(u64::try_from(*sent_ms).unwrap_or(0));
        let plain = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        let mut message = Message::builder()
            .from(Mailbox::new(Some("Hempuls".to_owned()), self.from.clone()))
            .to(Mailbox::new(None, address.parse().ok()?))
            .subject(wording::headline(*urgency, *lang))
            .date(sent)
            .message_id(Some(format!("<{id}@{}>", self.from.domain())))
            // RFC 3834: nobody's holiday answers it.
            .raw_header(plain("Auto-Submitted", "auto-generated"))
            .header(ContentType::TEXT_PLAIN);
        if *urgency == Severity::High {
            message = message.raw_header(plain("Importance", "high"));
        }
        message.body(wording::long(notice, link)).ok()
    }
}

/// Whether it is an e-mail address.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

fn tls(host: &str, ca_file: Option<&Path>, folder: &Path) -> Result<TlsParameters, String> {
    let mut tls = TlsParameters::builder(host.to_owned());
    if let Some(file) = ca_file {
        let text = super::read(&folder.join(file))?;
        let wrong = |error| format!("{} holds no certificate: {error}", file.display());
        tls = tls.add_root_certificate(Certificate::from_pem(text.as_bytes()).map_err(wrong)?);
    }
    tls.build().map_err(|error| error.to_string())
}

/// What a failure means. Only a no to this very address is one for good: a wrong password or a full server may be put right.
fn failed(error: &smtp::Error, address: &str) -> Outcome {
    // RFC 5321 §4.2.3: mailbox unavailable, not local, name not allowed.
    const NO_SUCH_MAILBOX: [u16; 3] = [550, 551, 553];
    let because = without_mailbox(&error.to_string(), address);
    match error.status().map(u16::from) {
        Some(code) if NO_SUCH_MAILBOX.contains(&code) => Outcome::GiveUp { because },
        Some(_) | None => Outcome::TryAgain { after: None, because },
    }
}

/// A server's words, without whose mailbox it speaks of, be it by address or by what stands before the @.
fn without_mailbox(said: &str, address: &str) -> String {
    let mailbox = address.split('@').next().unwrap_or_default();
    let is_hers = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case(mailbox);
    let words = said.split_whitespace().map(|word| if word.contains('@') || is_hers(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_kept_without_whose_mailbox_it_speaks_of() {
        let said = "550 5.1.1 User Anna.Berg unknown; <anna.berg@example.org>: no such user \"anna.berg\" here";
        assert_eq!(without_mailbox(said, "anna.berg@example.org"), "550 5.1.1 User … unknown; … no such user … here");
    }
}
