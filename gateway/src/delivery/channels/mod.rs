//! The ways out: one folder each.
//!
//! What goes out says that someone must act, how soon, and where to look. It names nobody, and no value.

pub mod dead_man;
pub mod email;
pub mod fhir;
pub mod scaip;
pub mod sms;
pub mod webhook;
mod wording;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_rustls::TlsConnector;

use super::call::{self, Caller};
use super::course::Outcome;
use crate::alerts::Severity;
use crate::wording::Lang;

/// A way to reach somebody.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// E-mail.
    Email,
    /// A text message, through a provider.
    Sms,
    /// A signed HTTP request to a program.
    Webhook,
    /// An alarm receiving centre.
    Scaip,
    /// The call that says that the gateway's own tests come through. It tells nobody of alerts.
    #[serde(skip)]
    DeadMan,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 5] = [Self::Email, Self::Sms, Self::Webhook, Self::Scaip, Self::DeadMan];

    /// Its word in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Webhook => "webhook",
            Self::Scaip => "scaip",
            Self::DeadMan => "dead_man",
        }
    }

    /// Whether this is an address that the channel can use.
    ///
    /// # Errors
    /// What one looks like.
    pub fn check(self, address: &str) -> Result<(), &'static str> {
        let (is_one, looks) = match self {
            Self::Email => (email::is_address(address), "an e-mail address looks like name@example.org"),
            Self::Sms => (sms::is_number(address), "a number looks like +46700000000"),
            Self::Webhook => (webhook::is_url(address), "a URL begins with https:// or http://"),
            Self::Scaip => (scaip::is_number(address), scaip::LOOKS),
            Self::DeadMan => (false, "the dead-man is called at dead_man.address, and told of no alert"),
        };
        if is_one { Ok(()) } else { Err(looks) }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a channel (email, sms, webhook or scaip)")]
pub struct UnknownChannel;

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(word: &str) -> Result<Self, UnknownChannel> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == word).ok_or(UnknownChannel)
    }
}

/// One notification, as it is handed to a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Its id, the same in all its attempts: whoever has seen it has a repeat before her.
    pub id: String,
    /// The alert.
    pub alert: String,
    /// Which rule opened it.
    pub rule: String,
    /// Where to.
    pub address: String,
    /// How soon someone must act.
    pub urgency: Severity,
    /// In which language.
    pub lang: Lang,
    /// When this attempt is made.
    pub sent_ms: i64,
    /// It may have been told before the store was put back from a backup.
    pub perhaps_told: bool,
}

/// A silent test of one address, as it is handed to a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Its id, the same in all its attempts.
    pub id: String,
    /// Where to.
    pub address: String,
    /// When this attempt is made.
    pub sent_ms: i64,
}

/// The peers of the channels that are configured.
#[derive(Default)]
pub struct Peers {
    /// Where people reach the console, for links.
    pub console: String,
    /// The mail server.
    pub email: Option<email::Email>,
    /// The provider of text messages.
    pub sms: Option<sms::Sms>,
    /// Programs that are called.
    pub webhook: Option<webhook::Webhook>,
    /// The alarm receiving centre.
    pub scaip: Option<Arc<scaip::Scaip>>,
    /// Whoever would notice if the gateway fell silent.
    pub dead_man: Option<dead_man::DeadMan>,
}

impl Peers {
    /// Reads what the channels need.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn open(config: &super::Config) -> Result<Self, String> {
        let folder = &config.folder;
        Ok(Self {
            console: config.console.trim_end_matches('/').to_owned(),
            email: config.email.as_ref().map(|config| email::Email::open(config, folder)).transpose()?,
            sms: config.sms.as_ref().map(|config| sms::Sms::open(config, folder)).transpose()?,
            webhook: config.webhook.as_ref().map(|config| webhook::Webhook::open(config, folder)).transpose()?,
            scaip: config.scaip.as_ref().map(|config| scaip::Scaip::open(config, folder).map(Arc::new)).transpose()?,
            dead_man: None,
        })
    }

    /// Hands a notification to its peer, once. Takes as long as the peer does.
    pub async fn send(&self, channel: Channel, notice: &Notice) -> Outcome {
        let link = format!("{}/alerts/{}", self.console, notice.alert);
        let sent = match channel {
            Channel::Email => match &self.email {
                Some(email) => Some(email.send(notice, &link).await),
                None => None,
            },
            Channel::Sms => match &self.sms {
                Some(sms) => Some(sms.send(notice, &link).await),
                None => None,
            },
            Channel::Webhook => match &self.webhook {
                Some(webhook) => Some(webhook.send(notice, &link).await),
                None => None,
            },
            Channel::Scaip => match &self.scaip {
                Some(scaip) => Some(scaip.send(notice).await),
                None => None,
            },
            Channel::DeadMan => Some(Outcome::GiveUp { because: "the dead-man is told of no alert".to_owned() }),
        };
        // A later configuration may have the channel.
        sent.unwrap_or_else(|| Outcome::TryAgain { after: None, because: "the channel is not configured".to_owned() })
    }

    /// Whether there is a peer of this channel.
    #[must_use]
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.email.is_some(),
            Channel::Sms => self.sms.is_some(),
            Channel::Webhook => self.webhook.is_some(),
            Channel::Scaip => self.scaip.is_some(),
            Channel::DeadMan => self.dead_man.is_some(),
        }
    }

    /// Whether [`Peers::prove`] says anything of a channel; else only what is really told proves it.
    #[must_use]
    pub fn has_silent_test(&self, channel: Channel) -> bool {
        match channel {
            Channel::Sms => self.sms.as_ref().is_none_or(sms::Sms::has_dry_run),
            Channel::DeadMan | Channel::Email | Channel::Webhook | Channel::Scaip => true,
        }
    }

    /// Makes a silent test of a channel. Takes as long as its peer does.
    pub async fn prove(&self, channel: Channel, probe: &Probe) -> Outcome {
        let proven = match channel {
            Channel::DeadMan => match &self.dead_man {
                Some(dead_man) => Some(dead_man.call(probe.sent_ms).await),
                None => Some(Outcome::Delivered { proof: "there is nobody to call".to_owned() }),
            },
            Channel::Email => match &self.email {
                Some(email) => Some(email.prove(&probe.address).await),
                None => None,
            },
            Channel::Sms => match &self.sms {
                Some(sms) => Some(sms.prove(probe).await),
                None => None,
            },
            Channel::Webhook => match &self.webhook {
                Some(webhook) => Some(webhook.prove(probe).await),
                None => None,
            },
            Channel::Scaip => Some(Outcome::GiveUp { because: "its signs of life prove the centre".to_owned() }),
        };
        proven.unwrap_or_else(|| Outcome::GiveUp { because: "the channel is not configured".to_owned() })
    }
}

/// Reads a file that a configuration names.
fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// One that makes requests, with the authorities of this file.
fn caller(ca_file: Option<&Path>, allow: &[IpAddr], folder: &Path) -> Result<Caller, String> {
    let ca = ca_file.map(|file| read(&folder.join(file))).transpose()?;
    Caller::new(ca.as_deref().map(str::as_bytes), allow)
}

/// TLS to peers that the authorities of this file, or the system's, know.
fn tls(ca_file: Option<&Path>, folder: &Path) -> Result<TlsConnector, String> {
    let ca = ca_file.map(|file| read(&folder.join(file))).transpose()?;
    call::tls(ca.as_deref().map(str::as_bytes))
}
