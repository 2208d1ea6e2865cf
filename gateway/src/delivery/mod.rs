//! From an alert to a person: the outbox, and the channels out of it.
//!
//! A [`Notification`] is written in the work that opened its alert, so that neither is there without the other. From there
//! it is tried until its peer has taken it, or until somebody claims or closes the alert: at least once, and once but for a
//! crash (or a pause longer than the lease) between sending and recording. A peer can tell a repeat by the idempotency key.
//!
//! [`course`] decides when one is tried; [`hands`] decides which come first; [`heir`] decides when one gateway takes over from
//! another; [`workers`] does it, one worker per channel.

pub mod call;
pub mod channels;
pub mod course;
pub mod hands;
pub mod heir;
#[cfg(test)]
mod nights;
pub mod trouble;
pub mod workers;

use std::path::PathBuf;
use std::time::Duration;

use crate::alerts::{ALARMS, Severity, health};
use crate::store::{Connection, StoreError, contacts, outbox};
use crate::wording::Lang;
use serde::Deserialize;

pub use channels::Channel;

/// Whom to tell, and over which channels.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where people reach the console: what links begin with.
    pub console: String,
    /// Who is told of every alert.
    pub always: Vec<Always>,
    /// Through which mail server.
    pub email: Option<channels::email::Config>,
    /// Through which provider of text messages.
    pub sms: Option<channels::sms::Config>,
    /// How programs are called.
    pub webhook: Option<channels::webhook::Config>,
    /// Which server of health records has readings and alerts.
    pub fhir: Option<channels::fhir::Config>,
    /// Which alarm receiving centre takes alarms.
    pub scaip: Option<channels::scaip::Config>,
    /// What file names are relative to.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Config {
    /// Whether a channel is set up.
    #[must_use]
    pub fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.email.is_some(),
            Channel::Sms => self.sms.is_some(),
            Channel::Webhook => self.webhook.is_some(),
            Channel::Scaip => self.scaip.is_some(),
            Channel::DeadMan => false,
        }
    }

    /// The channels that are set up: over another one nobody can be reached.
    #[must_use]
    pub fn open(&self) -> Vec<Channel> {
        Channel::ALL.into_iter().filter(|channel| self.has(*channel)).collect()
    }

    /// How often each address of a channel is to prove itself by a silent test; none where the channel has no such test, or
    /// is proven as a whole.
    #[must_use]
    pub fn prove_every(&self, channel: Channel) -> Option<Duration> {
        match channel {
            Channel::Email => self.email.as_ref().map(|email| email.prove_every),
            Channel::Sms => self.sms.as_ref().and_then(|sms| sms.dry_run_body().is_some().then_some(sms.prove_every)),
            Channel::Webhook => self.webhook.as_ref().map(|webhook| webhook.prove_every),
            Channel::Scaip | Channel::DeadMan => None,
        }
    }

    /// Whether what is told can be told.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let is_link = self.console.starts_with("https://") || self.console.starts_with("http://");
        if Channel::ALL.into_iter().any(|channel| self.has(channel)) && !is_link {
            return Err(
                "delivery.console must say where people reach the console, as \"https://console.example.org\": \
                        what is told is a link to it"
                    .to_owned(),
            );
        }
        for channel in Channel::ALL {
            if self.prove_every(channel).is_some_and(|every| every < Duration::from_secs(1)) {
                return Err(format!("delivery.{channel}.prove_every must be a second or more"));
            }
        }
        if let Some(scaip) = &self.scaip {
            scaip.check()?;
        }
        if let Some(fhir) = &self.fhir {
            fhir.check()?;
        }
        let mut names = std::collections::BTreeSet::new();
        for Always { name, channel, to, .. } in &self.always {
            let is_plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == ' ');
            if !is_plain || !names.insert(name) {
                return Err(format!(
                    "delivery.always: \"{name}\" must be a name of letters and digits, and no other's"
                ));
            }
            if let Err(looks) = channel.check(to) {
                return Err(format!("delivery.always \"{name}\": {looks}"));
            }
            if !self.has(*channel) {
                return Err(format!(
                    "delivery.always \"{name}\" is told by {channel}, and there is no [delivery.{channel}]"
                ));
            }
        }
        Ok(())
    }
}

/// How often a way to people proves itself where no alert goes over it: often enough that a failure is put right within the
/// day in which a member on duty must have been proven.
fn quarter_of_a_day() -> Duration {
    Duration::from_secs(6 * 60 * 60)
}

/// Something that somebody is to be told about an alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// The alert's id.
    pub alert: String,
    /// Whom.
    pub to: Recipient,
    /// Over which channel.
    pub channel: Channel,
    /// How soon someone must act.
    pub urgency: Severity,
    /// In which language.
    pub lang: Lang,
    /// Makes it one, however often it is asked for.
    pub key: String,
}

/// What a row of the outbox is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Matter {
    /// An alert: somebody is told of it.
    Alert {
        /// Its id.
        id: String,
        /// Which rule opened it.
        rule: String,
    },
    /// A silent test: nobody is told of anything.
    Test(String),
}

/// Who is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Recipient {
    /// A member of the team, at the address she has when it is sent.
    Member(String),
    /// An address that the configuration names.
    Address(String),
}

/// Writes that somebody is to be told, in the work that gives rise to it. What is asked for again, by its key, is one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn enqueue(work: &mut Connection, notification: &Notification, now_ms: i64) -> Result<(), StoreError> {
    outbox::add(work, notification, now_ms).await
}

/// Nobody is to be told of this alert any more: it was claimed or closed. What is under way may still arrive.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn withdraw(work: &mut Connection, alert: &str, now_ms: i64) -> Result<(), StoreError> {
    outbox::withdraw(work, alert, now_ms).await
}

/// An alert rings: whoever is always told is to be told of it. `ring` tells one ring of an alert from another.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn tell_always(
    work: &mut Connection,
    alert: &str,
    rule: &str,
    urgency: Severity,
    ring: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let is_alarm = ALARMS.contains(&rule);
    let is_about_equipment = health::ABOUT_EQUIPMENT.contains(&rule);
    for always in outbox::always_told(&mut *work).await? {
        let concerns = match always.about {
            About::All => true,
            About::Alarms => is_alarm,
            About::Equipment => is_about_equipment,
        };
        if concerns && urgency >= always.from {
            let notification = Notification {
                alert: alert.to_owned(),
                to: Recipient::Address(always.to),
                channel: always.channel,
                urgency,
                lang: always.language,
                key: format!("{alert}/{ring}/always/{}", always.name),
            };
            enqueue(work, &notification, now_ms).await?;
        }
    }
    Ok(())
}

/// A claimed alert rings for its owner: she is to be told of it over all her channels, and nobody else.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn tell_owner(
    work: &mut Connection,
    alert: &str,
    owner: &str,
    urgency: Severity,
    rung_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    for contact in contacts::list(&mut *work, Some(owner)).await? {
        let notification = Notification {
            alert: alert.to_owned(),
            to: Recipient::Member(owner.to_owned()),
            channel: contact.channel,
            urgency,
            lang: contact.lang,
            key: format!("{alert}/{rung_ms}/owner/{owner}/{}", contact.channel),
        };
        enqueue(work, &notification, now_ms).await?;
    }
    Ok(())
}

/// Somebody who is told of every alert, whatever else is arranged.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Always {
    /// What this is called, on pages and in the log: no address and no person's name.
    pub name: String,
    /// Over which channel.
    pub channel: Channel,
    /// To which address.
    pub to: String,
    /// Of alerts that are at least so urgent.
    #[serde(default = "Always::from_low")]
    pub from: Severity,
    /// Of which alerts.
    #[serde(default)]
    pub about: About,
    /// In which language.
    #[serde(default)]
    pub language: Lang,
}

/// Of which alerts somebody is always told.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// Of all.
    #[default]
    All,
    /// Of those in which a person asks for help, or may.
    Alarms,
    /// Of those about equipment.
    Equipment,
}

impl About {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::All, Self::Alarms, Self::Equipment];

    /// Its word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Alarms => "alarms",
            Self::Equipment => "equipment",
        }
    }
}

impl Always {
    fn from_low() -> Severity {
        Severity::Low
    }
}
