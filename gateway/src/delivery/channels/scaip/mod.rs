//! An alarm receiving centre, over SCAIP: a `mrq` in a SIP MESSAGE by UDP, TCP or TLS.
//!
//! Promised: delivered means that the centre's own answer, an `mrs` with the message's reference, says 0. That a SIP
//! server has taken the message means nothing. Busy, "not treated", no answer and no connection lead to the next receiver
//! within the same attempt; "hold" means that the same receiver is asked again at the next one. A receiver that did not
//! answer last is asked after those that did, and first again as soon as it answers a sign of life. Nothing is said but
//! the number by which the centre knows whose alert it is, and what kind of device it comes from: no name, no value.
//!
//! Source: reference sheet "SCAIP", after SS 91100:2014 and CLC/TS 50134-9:2018 as far as public code shows them.

mod flow;
mod heartbeats;
mod receivers;
mod talk;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use hempuls_protocol::scaip::{Code, ControllerId, MessageType, Reference, Request, Status, Text};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsConnector;

use self::flow::Flow;
pub use self::heartbeats::supervise;
use self::receivers::Standings;
pub use self::receivers::{Misformed, Receiver};
use self::talk::{Effect, Heard, Input, Talk};
use super::Notice;
use crate::alerts::health::UNREADABLE_ALARM;
use crate::alerts::rules::{alarm_pressed, silent_home};
use crate::clock;
use crate::config::duration;
use crate::delivery::course::Outcome;
use crate::scaip::digest::Account;

/// One receiver has so long to answer, its connection included: two of them fit into an attempt.
const PATIENCE: Duration = Duration::from_secs(9);

/// Which centre, and who we are to it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where its receivers are: one, or two of which the second is asked when the first does not treat it.
    /// `sip:arc@192.0.2.1` (UDP), `sip:arc@192.0.2.1;transport=tcp` or `sips:arc@centre.example` (TLS).
    pub receivers: Vec<Receiver>,
    /// Who asks: a SIP address as `sip:hempuls@care.example`.
    pub identity: String,
    /// By which number the centre knows this gateway itself, in its signs of life.
    pub number: String,
    /// A file with the password, for centres that ask who is there (SIP digest). The user is that of `identity`.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Registers before each message, for centres that send their answer to whoever has registered.
    #[serde(default)]
    pub register: bool,
    /// How often each receiver is sent a sign of life. After three without an answer that is an alert.
    #[serde(default = "Config::each_minute", deserialize_with = "duration::read")]
    pub heartbeat: Duration,
    /// How the centre calls back: a scheme and perhaps a number, as `tel:+46700000000`.
    #[serde(default = "Config::no_voice")]
    pub call_back: String,
    /// A file with more certificate authorities than the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// A centre.
pub struct Scaip {
    config: Config,
    number: ControllerId,
    call_back: Text<256>,
    account: Option<Account>,
    tls: TlsConnector,
    standings: Mutex<Standings>,
}

impl Config {
    fn each_minute() -> Duration {
        Duration::from_secs(60)
    }

    fn no_voice() -> String {
        "no-voice:".to_owned()
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=2).contains(&self.receivers.len()) {
            return Err("delivery.scaip.receivers must name one receiver or two".to_owned());
        }
        if user(&self.identity).is_none() {
            return Err("delivery.scaip.identity must be a SIP address as sip:hempuls@care.example".to_owned());
        }
        if !is_number(&self.number) {
            return Err(format!("delivery.scaip.number: {LOOKS}"));
        }
        if self.heartbeat < Duration::from_secs(1) {
            return Err("delivery.scaip.heartbeat must be a second or more".to_owned());
        }
        match self.call_back.parse::<Text<256>>() {
            Ok(text) if text.as_str().contains(':') => Ok(()),
            Ok(_) | Err(_) => Err("delivery.scaip.call_back must look like tel:+46700000000 or no-voice:".to_owned()),
        }
    }
}

/// What a centre's number looks like.
pub(super) const LOOKS: &str = "a number by which an alarm centre knows somebody has 1 to 16 digits";

/// Whether a centre may know somebody by it.
pub(super) fn is_number(text: &str) -> bool {
    text.parse::<ControllerId>().is_ok()
}

impl Scaip {
    /// Reads the password and the authorities.
    ///
    /// # Errors
    /// What is wrong, in words that do not say what is in a file.
    pub fn open(config: &Config, folder: &Path) -> Result<Self, String> {
        config.check()?;
        let password = config.password_file.as_ref().map(|file| super::read(&folder.join(file))).transpose()?;
        let account = password.and_then(|password| {
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            user(&config.identity).map(|user| Account { user: user.to_owned(), password })
        });
        Ok(Self {
            number: config.number.parse().map_err(|_| LOOKS.to_owned())?,
            call_back: config.call_back.parse().map_err(|_| "delivery.scaip.call_back".to_owned())?,
            account,
            tls: super::tls(config.ca_file.as_deref(), folder)?,
            standings: Mutex::new(Standings::new(config.receivers.len())),
            config: config.clone(),
        })
    }

    /// Tells the centre.
    pub async fn send(&self, notice: &Notice) -> Outcome {
        let Ok(controller) = notice.address.parse::<ControllerId>() else {
            return Outcome::GiveUp { because: LOOKS.to_owned() };
        };
        let (device, status) = means(&notice.rule);
        let whole = Request {
            caller: Some(self.call_back.clone()),
            ..request(MessageType::Alarm, controller, reference(&notice.id), device, status)
        };
        let order = self.standings.lock().expect("nobody panics with it").order();
        let mut said = Vec::new();
        for place in order {
            let heard = self.ask(place, &whole).await;
            let name = name(place);
            match &heard {
                Heard::Answer(answer) if answer.status == Status::OK => {
                    let reference = &whole.reference;
                    return Outcome::Delivered { proof: format!("{name}: mrs 0 to message {reference}") };
                }
                Heard::Answer(answer) if answer.status == Status::HOLD => {
                    said.push(format!("{name} says hold (mrs 4)"));
                    break;
                }
                Heard::Answer(_) | Heard::Refused { .. } | Heard::Silence { .. } | Heard::NoWay(_) => {
                    said.push(format!("{name} {heard}"));
                }
            }
        }
        Outcome::TryAgain { after: None, because: said.join("; ") }
    }

    /// A sign of life to one receiver.
    async fn show_life(&self, place: usize) -> Heard {
        let life = Request {
            caller: "no-voice:".parse().ok(),
            ..request(
                MessageType::Heartbeat,
                self.number.clone(),
                reference(&format!("life {place} {}", clock::now_ms())),
                CONTROLLER,
                TEST,
            )
        };
        self.ask(place, &life).await
    }

    /// Asks one receiver, and keeps whether it answered.
    async fn ask(&self, place: usize, request: &Request) -> Heard {
        let heard = tokio::time::timeout(PATIENCE, self.talk(place, request))
            .await
            .unwrap_or_else(|_| Heard::NoWay("did not take a connection in time".to_owned()));
        self.standings.lock().expect("nobody panics with it").heard(place, heard.is_answer());
        heard
    }

    async fn talk(&self, place: usize, request: &Request) -> Heard {
        let receiver = &self.config.receivers[place];
        let begun = clock::instant();
        let mut flow = match Flow::open(receiver, &self.tls).await {
            Ok(flow) => flow,
            Err(why) => return Heard::NoWay(why),
        };
        let side = talk::Side {
            target: receiver.uri().to_owned(),
            us: self.config.identity.clone(),
            contact: contact(&self.config.identity, flow.local(), flow.transport()),
            local: flow.local(),
            transport: flow.transport(),
            is_lossy: flow.is_lossy(),
            account: self.account.clone(),
            registers: self.config.register,
        };
        // What connecting took is no longer there for answering.
        let patience = PATIENCE.saturating_sub(begun.elapsed()).saturating_sub(Duration::from_millis(100));
        let mut talk = Talk::new(side, request, patience);
        let begun = clock::instant();
        let mut effects = talk.begin();
        loop {
            for effect in effects {
                match effect {
                    Effect::Send(bytes) => {
                        if let Err(error) = flow.send(&bytes).await {
                            return Heard::NoWay(format!("cannot be sent anything: {}", error.kind()));
                        }
                    }
                    Effect::End(heard) => {
                        flow.linger();
                        return heard;
                    }
                }
            }
            let wait = talk.next_wake().saturating_sub(begun.elapsed());
            effects = tokio::select! {
                came = flow.next() => match came {
                    Ok((message, source)) => talk.handle(Input::Came(&message, source), begun.elapsed()),
                    Err(error) => return Heard::NoWay(format!("ended the connection: {}", error.kind())),
                },
                () = tokio::time::sleep(wait) => talk.handle(Input::Tick, begun.elapsed()),
            };
        }
    }
}

/// What a receiver is called, where its address must not be.
fn name(place: usize) -> &'static str {
    if place == 0 { "the first receiver" } else { "the second receiver" }
}

/// Device types and status codes. Source: the enumerations of Syntilio/Datahub-Scaip-Proxy.
const PERSONAL_TRIGGER: u16 = 3;
const CONTROLLER: u16 = 45;
const MONITORING_DEVICE: u16 = 49;
const AUTOMATIC: u16 = 9;
const MANUAL: u16 = 10;
const LINK_FAILED: u16 = 23;
const TEST: u16 = 102;

/// What kind of device a case comes from, and what happened to it: never a value.
fn means(rule: &str) -> (u16, u16) {
    match rule {
        alarm_pressed::NAME | UNREADABLE_ALARM => (PERSONAL_TRIGGER, MANUAL),
        silent_home::NAME | silent_home::STORM => (CONTROLLER, LINK_FAILED),
        _ => (MONITORING_DEVICE, AUTOMATIC),
    }
}

/// The same in all attempts at one notification, so that the centre opens one case.
fn reference(id: &str) -> Reference {
    hex::encode(Sha256::digest(id))[..16].parse().expect("sixteen letters and digits are one")
}

fn request(kind: MessageType, controller: ControllerId, reference: Reference, device: u16, status: u16) -> Request {
    Request {
        reference,
        version: None,
        kind,
        controller,
        device_type: Code::new(device).expect("device types have two digits"),
        device: None,
        component: None,
        device_text: None,
        status: Code::new(status),
        status_text: None,
        location: None,
        location_value: None,
        location_text: None,
        position: None,
        information: None,
        information_text: None,
        caller: None,
        configuration: None,
        call_handling: None,
        heartbeat_options: None,
        priority: None,
        more_follows: None,
    }
}

/// The user of a SIP address.
fn user(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("sip:").or_else(|| address.strip_prefix("sips:"))?;
    let (user, domain) = rest.split_once('@')?;
    let is_plain =
        |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "<>\"\r\n@".contains(c));
    (is_plain(user) && is_plain(domain)).then_some(user)
}

/// Where the centre reaches us while it answers.
fn contact(identity: &str, local: SocketAddr, transport: &str) -> String {
    let user = user(identity).unwrap_or_default();
    format!("sip:{user}@{local};transport={}", transport.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_is_named_by_its_customer_and_its_kind_and_by_nothing_else() {
        let (device, status) = means(alarm_pressed::NAME);
        let request = request(MessageType::Alarm, "4600012345".parse().unwrap(), reference("018f"), device, status);
        let written = request.write();
        assert_eq!(
            written,
            format!(
                "<mrq><ref>{}</ref><mty>ME</mty><cid>4600012345</cid><dty>0003</dty><stc>0010</stc></mrq>",
                reference("018f")
            )
        );
        assert_eq!(reference("018f"), reference("018f"));
        assert_ne!(reference("018f"), reference("018e"));
        assert_eq!(means("blood_pressure_average"), means("above_limit"), "what was measured is not told");
    }

    #[test]
    fn a_configuration_that_cannot_reach_a_centre_is_refused() {
        let config = |more: &str| {
            let text = format!("identity = \"sip:hempuls@care.example\"\nnumber = \"4711\"\n{more}");
            toml::from_str::<Config>(&text).map_err(|error| error.to_string()).and_then(|config| config.check())
        };
        assert_eq!(config("receivers = [\"sips:arc@centre.example\", \"sip:192.0.2.1:5062;transport=tcp\"]"), Ok(()));
        for (wrong, said) in [
            ("receivers = []", "one receiver or two"),
            ("receivers = [\"tel:112\"]", "sip:arc@192.0.2.1"),
            ("receivers = [\"sip:a\"]\nheartbeat = \"0s\"", "a second or more"),
            ("receivers = [\"sip:a\"]\ncall_back = \"112\"", "no-voice:"),
        ] {
            assert!(config(wrong).is_err_and(|why| why.contains(said)), "{wrong}");
        }
    }
}
