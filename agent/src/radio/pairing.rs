//! Pairing: BlueZ asks this agent, which says yes to the devices of the home and to nobody else. BlueZ forgets it, and
//! pairs no more, when its connection closes; so the connection stays open for life.
//!
//! It is registered as one without keys and display. So every device that can pairs without anybody at the box; also one
//! that could show a number, and whoever is there. A device that insists on its number refuses that, or takes no
//! subscription over keys that were made so. For such a device there is [`Manner::ByNumber`]: an agent that can type, over a
//! connection of its own, which is the one that BlueZ asks for as long as the session lasts.
//!
//! BlueZ pairs by itself as soon as something is refused for want of keys. Asking it to pair is for devices that refuse
//! nothing and yet want to be paired: from then until five seconds after it, it does not scan, and no button is heard.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use dbus::channel::{Channel, MatchingReceiver as _, Sender as _};
use dbus::message::MatchRule;
use dbus::nonblock::{Proxy, SyncConnection};
use dbus::{Message, Path};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::bus::{Bus, Line, Word, is};
use super::passkeys::{Passkey, Passkeys};
use crate::sessions::Address;

/// Who may pair. Clones know the same home.
#[derive(Clone)]
pub(super) struct Doorkeeper {
    home: Arc<Mutex<BTreeSet<Address>>>,
    passkeys: Passkeys,
    said: mpsc::UnboundedSender<Word>,
}

/// One who can type, whom BlueZ asks for as long as this is kept.
pub(super) struct Typist {
    line: Line,
    unanswered: Unanswered,
}

/// What BlueZ has asked, and nobody has answered yet.
type Unanswered = Arc<Mutex<Option<Message>>>;

/// How a device is asked to pair.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Manner {
    /// BlueZ is asked to pair with it, without a number.
    JustWorks,
    /// By the number that it shows, if it shows one, as soon as it refuses something.
    ByNumber,
}

const PATH: &str = "/org/hempuls/agent";
const AGENT: &str = "org.bluez.Agent1";
const MANAGER: &str = "org.bluez.AgentManager1";
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// For somebody to read six digits and to type them. Devices give up after half a minute or so.
const TYPING: Duration = Duration::from_secs(60);
/// For pairing, with the typing in it.
pub(super) const PAIRING: Duration = Duration::from_secs(75);

impl Doorkeeper {
    /// Lets nobody in yet.
    pub(super) fn new(passkeys: Passkeys, said: mpsc::UnboundedSender<Word>) -> Self {
        Self { home: Arc::default(), passkeys, said }
    }

    /// Lets these in, and nobody else.
    pub(super) fn admit(&self, devices: BTreeSet<Address>) {
        *self.home.lock().unwrap_or_else(PoisonError::into_inner) = devices;
    }

    /// Answers BlueZ on the bus's own connection from now on.
    pub(super) fn serve(&self, bus: &Bus) {
        self.answer_on(bus, bus.connection(), &Unanswered::default());
    }

    /// Makes BlueZ ask here when a device wants to pair; again whenever BlueZ was started anew.
    pub(super) async fn register(&self, bus: &Bus) -> Result<(), dbus::Error> {
        register(bus.connection(), "NoInputNoOutput").await
    }

    /// Makes BlueZ ask one who can type.
    pub(super) async fn type_numbers(&self, bus: &Bus) -> Result<Typist, dbus::Error> {
        let typist = Typist { line: Line::open(|| ())?, unanswered: Unanswered::default() };
        self.answer_on(bus, &typist.line.connection, &typist.unanswered);
        register(&typist.line.connection, "KeyboardOnly").await?;
        Ok(typist)
    }

    /// Pairs with a device, without a number.
    pub(super) async fn pair(&self, bus: &Bus, device: &Address) -> Result<(), dbus::Error> {
        let paired = bus.pair(device, PAIRING).await;
        paired.or_else(|error| if is(&error, "AlreadyExists") { Ok(()) } else { Err(error) })
    }

    fn answer_on(&self, bus: &Bus, connection: &Arc<SyncConnection>, unanswered: &Unanswered) {
        let (doorkeeper, identities, line) = (self.clone(), bus.identities(), Arc::downgrade(connection));
        let unanswered = Arc::clone(unanswered);
        connection.start_receive(
            MatchRule::new_method_call(),
            Box::new(move |call, connection| {
                let device = call.read1::<Path>().ok().and_then(|path| identities.at(&path));
                if let Some(answer) = doorkeeper.answer(call, device, &line, &unanswered) {
                    // A caller that is gone needs no answer.
                    let _ = connection.send(answer);
                }
                true
            }),
        );
    }

    /// The answer to a call; none where it comes later. An empty one means yes.
    fn answer(
        &self,
        call: Message,
        device: Option<Address>,
        line: &Weak<SyncConnection>,
        unanswered: &Unanswered,
    ) -> Option<Message> {
        let device = device.filter(|device| self.home.lock().unwrap_or_else(PoisonError::into_inner).contains(device));
        let member = call.member().filter(|_| call.interface().is_some_and(|interface| &*interface == AGENT));
        match (member.as_deref(), device) {
            (Some("Release"), _) => Some(call.method_return()),
            (Some("Cancel"), _) => {
                self.passkeys.stop_asking();
                Some(call.method_return())
            }
            (Some("RequestConfirmation" | "RequestAuthorization" | "AuthorizeService"), Some(device)) => {
                tracing::info!(device.id = %super::id(device), "pairing");
                let _ = self.said.send(Word::Pairs(device));
                Some(call.method_return())
            }
            (Some("RequestPasskey"), Some(device)) => {
                tracing::info!(device.id = %super::id(device), "it asks for the number that it shows");
                let _ = self.said.send(Word::AsksForPasskey(device));
                *unanswered.lock().unwrap_or_else(PoisonError::into_inner) = Some(call);
                let (typed, line, unanswered) = (self.passkeys.ask(device), line.clone(), Arc::clone(unanswered));
                tokio::spawn(async move {
                    let passkey = timeout(TYPING, typed).await.ok().and_then(Result::ok);
                    if let Some(line) = line.upgrade() {
                        answer_with(passkey, &unanswered, &line);
                    }
                });
                None
            }
            (Some(_), None) => {
                tracing::warn!("pairing refused: not a device of this home");
                Some(refusal(&call, "org.bluez.Error.Rejected", c"not a device of this home"))
            }
            (Some(_) | None, _) => {
                Some(refusal(&call, "org.freedesktop.DBus.Error.UnknownMethod", c"not offered here"))
            }
        }
    }
}

/// BlueZ (5.66) ends itself when one whom it has asked leaves the bus without an answer.
impl Drop for Typist {
    fn drop(&mut self) {
        let line: &SyncConnection = &self.line.connection;
        answer_with(None, &self.unanswered, line);
        let channel: &Channel = line.as_ref();
        channel.flush();
    }
}

/// Answers with what was typed, or says that nobody has.
fn answer_with(passkey: Option<Passkey>, unanswered: &Unanswered, line: &SyncConnection) {
    let call = unanswered.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(call) = call else { return };
    let answer = match passkey {
        Some(passkey) => call.method_return().append1(passkey.number()),
        None => refusal(&call, "org.bluez.Error.Canceled", c"nobody has typed it"),
    };
    // A caller that is gone needs no answer.
    let _ = line.send(answer);
}

/// Registers an agent; of several, BlueZ asks the one that was registered last.
async fn register(connection: &SyncConnection, capability: &str) -> Result<(), dbus::Error> {
    let manager = Proxy::new(super::bus::BLUEZ, "/org/bluez", CALL_LIMIT, connection);
    let registered: Result<(), _> = manager.method_call(MANAGER, "RegisterAgent", (Path::from(PATH), capability)).await;
    registered.or_else(|error| if is(&error, "AlreadyExists") { Ok(()) } else { Err(error) })?;
    manager.method_call(MANAGER, "RequestDefaultAgent", (Path::from(PATH),)).await
}

fn refusal(call: &Message, name: &str, why: &std::ffi::CStr) -> Message {
    call.error(&name.into(), why)
}
