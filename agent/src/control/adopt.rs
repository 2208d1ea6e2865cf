//! `hempuls-agent adopt` and `forget`: a device becomes one of this home's, and says something before the installer leaves.

use std::time::{Duration, Instant};

use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::devices::alarm_button::NotAKey;
use hempuls_protocol::event::{Content, Event, Kind, Trouble};
use hempuls_protocol::ids::{DeviceId, Lane, Sequence};
use hempuls_protocol::wire::home_config as wire;
use serde::{Deserialize, Serialize};
use tokio::time::interval;

use super::status::in_words;
use super::words::{Also, Answer};
use super::{Caller, Daemon};
use crate::buffer::{Buffer, Held, Place, Room};
use crate::clock;
use crate::heartbeat::Since;
use crate::radio::passkeys::Passkey;
use crate::settings;

/// What an installer wants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wish {
    /// The device's address.
    pub address: String,
    /// What it is; what it advertises, where that is not said.
    pub kind: Option<DeviceKind>,
    /// A button's key, 32 hexadecimal digits.
    pub key: Option<String>,
    /// How often a button sends a sign of life, in seconds.
    pub beacon_s: Option<u32>,
}

/// How far an adoption has come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It is one of this home's, also after a restart.
    Adopted(DeviceKind),
    /// It was heard.
    Heard,
    /// A connection stands.
    Connected,
    /// It shows a number, which somebody must type.
    ShowsANumber,
    /// What was typed is no such number, or came too late.
    NotTheNumber(String),
    /// It is paired.
    Paired,
    /// Something is wrong with it: what that means, and what to do.
    Trouble(String),
    /// Its first reading, or press, is on flash under this number.
    Said(u64),
}

/// What is seen of a device that is being adopted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Seen {
    heard: bool,
    connected: bool,
    paired: bool,
    shows_a_number: bool,
    trouble: Option<Trouble>,
    said: Option<Sequence>,
}

impl Seen {
    /// What is new since `before`, in the order in which it came to be.
    fn since(&self, before: &Self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut note = |is_new: bool, step: Step| is_new.then(|| steps.push(step));
        note(self.heard && !before.heard, Step::Heard);
        note(self.connected && !before.connected, Step::Connected);
        note(self.shows_a_number && !before.shows_a_number, Step::ShowsANumber);
        note(self.paired && !before.paired, Step::Paired);
        if let Some(trouble) = self.trouble.filter(|_| self.trouble != before.trouble) {
            note(true, Step::Trouble(in_words(trouble).into()));
        }
        if let Some(said) = self.said {
            note(true, Step::Said(said.0));
        }
        steps
    }
}

/// Adopts a device, and says how it goes until it has said something. Gives the last answer, unless the caller has gone.
pub(super) async fn adopt(daemon: &Daemon, wish: Wish, caller: &mut Caller) -> Option<Answer> {
    let (address, kind, device) = match check(daemon, wish) {
        Ok(wish) => wish,
        Err(why) => return Some(Answer::Refused(why)),
    };
    let mut ear = Ear::from_now(&daemon.buffer, device.device.clone());
    let began = clock::now();
    if let Err(error) = daemon.desk.adopt(device).await {
        return Some(Answer::Refused(error.to_string()));
    }
    tracing::info!(device.id = %DeviceId::Address(address), kind = kind.as_str(), "a device was adopted here");
    caller.say(&Answer::Adopting(Step::Adopted(kind))).await.ok()?;
    let mut seen = Seen::default();
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => {
                let next = see(daemon, address, began, &mut ear);
                for step in next.since(&seen) {
                    caller.say(&Answer::Adopting(step)).await.ok()?;
                }
                if next.said.is_some() {
                    return Some(Answer::Done);
                }
                seen = next;
            }
            also = caller.also() => {
                let Also::Passkey(typed) = also.ok()?;
                if let Err(why) = type_in(daemon, address, &typed) {
                    caller.say(&Answer::Adopting(Step::NotTheNumber(why))).await.ok()?;
                    // If it still shows one, that is said again.
                    seen.shows_a_number = false;
                }
            }
        }
    }
}

/// How often to look what has become of a device.
const LOOK: Duration = Duration::from_millis(250);

fn see(daemon: &Daemon, address: [u8; 6], began: Instant, ear: &mut Ear) -> Seen {
    let (vitals, device) = (&daemon.reporter.vitals, DeviceId::Address(address));
    let Since { heard, connected, paired } = vitals.since(&device, began);
    Seen {
        heard,
        connected,
        paired,
        shows_a_number: daemon.passkeys.asked_for().contains(&address),
        trouble: vitals.trouble(&device),
        said: ear.listen(),
    }
}

/// Listens for what a device says from some moment on, in what goes to flash.
struct Ear {
    buffer: Buffer,
    device: DeviceId,
    heard: Option<Held>,
}

impl Ear {
    fn from_now(buffer: &Buffer, device: DeviceId) -> Self {
        Self { buffer: buffer.clone(), device, heard: buffer.state().flash }
    }

    /// The number of what it said since the last time, if it said something.
    fn listen(&mut self) -> Option<Sequence> {
        let now = self.buffer.state().flash?;
        let before = self.heard.replace(now).filter(|before| before.epoch == now.epoch)?;
        Lane::ALL.into_iter().find_map(|lane| {
            let new = before.lane(lane).last.next().0..=now.lane(lane).last.0;
            new.map(Sequence).find(|number| self.is_its(Place { epoch: now.epoch, lane, first: *number }))
        })
    }

    fn is_its(&self, place: Place) -> bool {
        let events = self.buffer.read(place, place.first, Room { events: 1, bytes: 0 });
        let event = events.ok().and_then(|events| Event::from_bytes(events.first()?, place.first).ok());
        let content = event.and_then(|event| Content::from_bytes(&event.content).ok());
        content.is_some_and(|content| match content.kind {
            Kind::Signal(signal) => signal.device == self.device,
            Kind::Alarm(alarm) => alarm.device == self.device,
            Kind::Began(_)
            | Kind::Refused(_)
            | Kind::DeviceTrouble(_)
            | Kind::BufferDamaged(_)
            | Kind::TimeCorrection(_)
            | Kind::DeviceClock(_)
            | Kind::Test => false,
        })
    }
}

fn type_in(daemon: &Daemon, address: [u8; 6], typed: &str) -> Result<(), String> {
    let passkey: Passkey = typed.parse().map_err(|error| format!("{typed:?} is {error}"))?;
    let is_awaited = daemon.passkeys.type_in(&address, passkey);
    is_awaited.then_some(()).ok_or_else(|| "the device does not ask for a number any more; it will ask again".into())
}

type Checked = ([u8; 6], DeviceKind, wire::Device);

fn check(daemon: &Daemon, wish: Wish) -> Result<Checked, String> {
    let Wish { address: typed, kind, key, beacon_s } = wish;
    let address = address(&typed)?;
    let device = DeviceId::Address(address);
    let looks_like = || daemon.reporter.vitals.nearby().into_iter().find(|seen| seen.device == device)?.kind;
    let is_named = || daemon.desk.named().into_iter().find(|named| named.device.address == address);
    let kind = kind.or_else(|| is_named().map(|named| named.device.kind)).or_else(looks_like).ok_or_else(|| {
        format!(
            "{device} is not heard, or does not say what it is. Use it now (take a measurement, press the button) and \
             try again, or say what it is with --kind"
        )
    })?;
    let key = key.map(|digits| {
        let mut key = [0; 16];
        hex::decode_to_slice(&digits, &mut key).map_err(|_| format!("the key of {device} is {NotAKey}")).map(|()| key)
    });
    Ok((address, kind, settings::wish(address, kind, key.transpose()?, beacon_s)))
}

fn address(typed: &str) -> Result<[u8; 6], String> {
    match typed.parse() {
        Ok(DeviceId::Address(address)) => Ok(address),
        Ok(DeviceId::Serial { .. }) | Err(_) => Err(format!("{typed:?} is not an address (F0:F1:F2:F3:F4:F5)")),
    }
}

/// Takes back an adoption.
pub(super) async fn forget(daemon: &Daemon, typed: &str) -> Answer {
    let address = match address(typed) {
        Ok(address) => address,
        Err(why) => return Answer::Refused(why),
    };
    let device = DeviceId::Address(address);
    match daemon.desk.forget(&device).await {
        Ok(()) => {
            tracing::info!(device.id = %device, "a device was forgotten here");
            Answer::Done
        }
        Err(error) => Answer::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_said_once_and_in_the_order_in_which_it_comes() {
        let nothing = Seen::default();
        let heard = Seen { heard: true, ..nothing.clone() };
        assert_eq!(heard.since(&nothing), [Step::Heard]);
        assert_eq!(heard.since(&heard), []);
        let asks = Seen { connected: true, shows_a_number: true, ..heard.clone() };
        assert_eq!(asks.since(&heard), [Step::Connected, Step::ShowsANumber]);
        let done = Seen { paired: true, shows_a_number: false, said: Some(Sequence(7)), ..asks.clone() };
        assert_eq!(done.since(&asks), [Step::Paired, Step::Said(7)]);
    }

    #[test]
    fn another_trouble_is_said_and_the_same_one_is_not() {
        let trouble = |trouble| Seen { trouble: Some(trouble), ..Seen::default() };
        let needs = trouble(Trouble::NeedsPasskey);
        assert_eq!(needs.since(&needs), []);
        assert!(matches!(needs.since(&Seen::default())[..], [Step::Trouble(_)]));
        assert!(matches!(trouble(Trouble::LostBond).since(&needs)[..], [Step::Trouble(_)]));
    }
}
