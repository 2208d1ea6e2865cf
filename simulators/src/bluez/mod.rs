//! A BlueZ on a bus of one's own: what `org.bluez` looks like to a program, with simulated devices in the air.
//!
//! The program under test is the shipped one; it is told where this bus is by `DBUS_SYSTEM_BUS_ADDRESS`.
//!
//! `daemon` decides; this file is the shell: it carries calls from the objects to the core, and performs what the core
//! answers, in order.

mod agents;
mod daemon;
mod discovery;
mod gatt;
mod notify;
mod objects;
mod paths;
mod request;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
};
use zbus::{
    Connection, ObjectPath, Variant, connection,
    fdo::{DBusProxy, ObjectManager},
};

use self::{
    daemon::{Daemon, Effect, Input, Said},
    objects::AgentManager,
    paths::Object,
    request::Request,
};
use crate::{
    air::{Address, Peripheral},
    bus::Bus,
    clock::Moment,
    ledger::Ledger,
    lock,
    mischief::Mischief,
};

pub use self::daemon::Until;

const AGENT: &str = "org.bluez.Agent1";

/// How long bluetoothd and the radio take for what they do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The adapter's own address.
    pub address: Address,
    /// From an advertisement to the link.
    pub connecting_takes: Duration,
    /// From the link to its encryption, when there is a bond.
    pub encrypting_takes: Duration,
    /// From the link to the services being known.
    pub resolving_takes: Duration,
    /// From the agent's consent to the keys.
    pub pairing_takes: Duration,
    /// How long a restart leaves the bus without `org.bluez`.
    pub restarting_takes: Duration,
    /// How long a device is remembered that was heard, and that nobody has asked to connect to.
    ///
    /// Source: BlueZ's main.conf, TemporaryTimeout.
    pub remembers_for: Duration,
}

impl Default for Options {
    /// A radio with little to do.
    fn default() -> Self {
        Self {
            address: Address([0x00, 0xaa, 0x01, 0x00, 0x00, 0x42]),
            connecting_takes: Duration::from_millis(30),
            encrypting_takes: Duration::from_millis(30),
            resolving_takes: Duration::from_millis(200),
            pairing_takes: Duration::from_millis(100),
            restarting_takes: Duration::from_millis(200),
            remembers_for: Duration::from_secs(30),
        }
    }
}

/// A running bluetoothd.
#[derive(Debug)]
pub struct Bluez {
    bus_address: String,
    shared: Arc<Shared>,
    life: tokio::sync::Mutex<Life>,
}

/// A device near the radio, in the hands of a person or a test.
#[derive(Debug)]
pub struct Device<P> {
    address: Address,
    peripheral: Arc<Mutex<P>>,
    shared: Arc<Shared>,
}

/// What outlives a restart of bluetoothd.
#[derive(Debug)]
struct Shared {
    daemon: Mutex<Daemon>,
    /// A device has something new.
    nudge: Notify,
}

/// One life of bluetoothd, from start to stop.
#[derive(Debug)]
struct Life {
    connection: Connection,
    line: Line,
    tasks: JoinSet<()>,
}

/// A program on the bus, by its unique name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Client(pub(crate) String);

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket(u64);

/// One attribute of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attribute {
    pub(crate) device: Address,
    pub(crate) handle: u16,
}

/// Why BlueZ does not do it.
#[derive(Debug, Clone, PartialEq, Eq, zbus::DBusError)]
#[zbus(prefix = "org.bluez.Error")]
pub(crate) enum Refusal {
    Failed(String),
    InProgress(String),
    NotReady(String),
    NotPermitted(String),
    NotSupported(String),
    AlreadyExists(String),
    DoesNotExist(String),
    InvalidArguments(String),
    AuthenticationFailed(String),
    AuthenticationCanceled(String),
    ConnectionAttemptFailed(String),
}

impl Bluez {
    /// Starts bluetoothd on this bus, with one adapter, `hci0`.
    ///
    /// # Errors
    /// [`zbus::Error`] when the bus does not take it, for example because there is an `org.bluez` already.
    pub async fn start(bus: &Bus, options: Options) -> zbus::Result<Self> {
        let shared = Arc::new(Shared { daemon: Mutex::new(Daemon::new(options)), nudge: Notify::new() });
        let life = Life::begin(bus.address(), &shared).await?;
        Ok(Self { bus_address: bus.address().to_owned(), shared, life: tokio::sync::Mutex::new(life) })
    }

    /// Puts a device near the radio.
    pub fn add<P: Peripheral>(&self, peripheral: P) -> Device<P> {
        let address = peripheral.address();
        let peripheral = Arc::new(Mutex::new(peripheral));
        lock(&self.shared.daemon).place(peripheral.clone());
        self.shared.nudge.notify_one();
        Device { address, peripheral, shared: Arc::clone(&self.shared) }
    }

    /// Restarts bluetoothd: its name leaves the bus and comes back; links, scans, notify sessions, agents and the
    /// objects of devices without a bond are gone.
    ///
    /// # Errors
    /// [`zbus::Error`] when it does not come back.
    pub async fn restart(&self) -> zbus::Result<()> {
        let mut life = self.life.lock().await;
        // First the connection: a call that waits ends because its callee is gone, not with an answer. An error means that
        // the bus is gone.
        life.connection.clone().close().await.ok();
        life.tasks.shutdown().await;
        let pause = {
            let mut daemon = lock(&self.shared.daemon);
            daemon.restart(Moment::now());
            daemon.options().restarting_takes
        };
        tokio::time::sleep(pause).await;
        *life = Life::begin(&self.bus_address, &self.shared).await?;
        Ok(())
    }

    /// Forgets a device and its bond, as `bluetoothctl remove` does; one that BlueZ has not heard of is left alone.
    pub async fn forget<P: Peripheral>(&self, device: &Device<P>) {
        self.as_owner(Request::RemoveDevice(device.address)).await;
    }

    /// Switches the adapter on or off, as a person with `bluetoothctl` does.
    pub async fn power(&self, on: bool) {
        self.as_owner(Request::SetPowered(on)).await;
    }

    /// Pulls the adapter out. BlueZ stays on the bus, with nothing to show.
    pub async fn unplug(&self) {
        self.as_owner(Request::Unplug).await;
    }

    /// Plugs it in again: it is switched on, knows the devices it was once connected to, and scans for nobody.
    pub async fn plug_in(&self) {
        self.as_owner(Request::PlugIn).await;
    }

    /// The adapter hears nothing any more, and does not know it, until somebody does this.
    pub fn deafen(&self, until: Until) {
        lock(&self.shared.daemon).deafen(until);
    }

    async fn as_owner(&self, request: Request) {
        let line = self.life.lock().await.line.clone();
        let owner = Client("bluetoothctl".into());
        if let Err(refusal) = line.ask(owner, request).await {
            tracing::debug!(%refusal, "bluetoothd would not");
        }
    }

    /// Sets a fault on the device at this address.
    ///
    /// # Panics
    /// If there is none; so do the two below.
    pub fn set(&self, device: Address, mischief: Mischief) {
        lock(&self.shared.daemon).temper(device).set(mischief);
        self.shared.nudge.notify_one();
    }

    /// Takes this fault away from the device at this address.
    pub fn unset(&self, device: Address, mischief: Mischief) {
        // Where it was set more often than once, it goes with the last of them.
        lock(&self.shared.daemon).temper(device).take(mischief);
    }

    /// The device at this address loses its keys while BlueZ keeps its own: a stale bond.
    pub fn lose_keys(&self, device: Address) {
        lock(&self.shared.daemon).lose_keys(device);
    }

    /// How many links were being made at the same time, at most.
    #[must_use]
    pub fn most_links_in_the_making(&self) -> usize {
        lock(&self.shared.daemon).most_links_in_the_making()
    }

    /// How many programs are scanning.
    #[must_use]
    pub fn scanning_clients(&self) -> usize {
        lock(&self.shared.daemon).scanning_clients()
    }
}

impl<P: Peripheral> Device<P> {
    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// What btleplug calls it.
    #[must_use]
    pub fn id(&self) -> String {
        let path = paths::device(self.address);
        path.trim_start_matches("/org/bluez/").to_owned()
    }

    /// What it did so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        lock(&self.peripheral).ledger().clone()
    }

    /// Sets a fault.
    pub fn mischief(&self, mischief: Mischief) {
        lock(&self.shared.daemon).temper(self.address).set(mischief);
        self.shared.nudge.notify_one();
    }

    /// Takes all its faults away.
    pub fn behave(&self) {
        lock(&self.shared.daemon).temper(self.address).behave();
    }

    /// It loses its keys while BlueZ keeps its own: a stale bond.
    pub fn lose_keys(&self) {
        lock(&self.shared.daemon).lose_keys(self.address);
    }

    /// Whether BlueZ has a link to it.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let daemon = lock(&self.shared.daemon);
        daemon.known(self.address).is_some_and(|it| it.connected)
    }

    /// Whether BlueZ is bonded to it.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        let daemon = lock(&self.shared.daemon);
        daemon.known(self.address).is_some_and(|it| it.paired)
    }

    /// Whether it neither has a link nor advertises, nor is about to.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        lock(&self.peripheral).next_wake().is_none()
    }

    /// Does something to the device itself.
    pub(crate) fn with<R>(&self, does: impl FnOnce(&mut P) -> R) -> R {
        let result = does(&mut lock(&self.peripheral));
        self.shared.nudge.notify_one();
        result
    }
}

/// A call on its way from an object to the core.
struct Ask {
    by: Client,
    request: Request,
    answer: oneshot::Sender<Result<Vec<u8>, Refusal>>,
}

/// What an object needs to look things up and to pass calls on.
#[derive(Clone)]
struct Line {
    shared: Arc<Shared>,
    asks: mpsc::UnboundedSender<Ask>,
}

impl Life {
    async fn begin(bus_address: &str, shared: &Arc<Shared>) -> zbus::Result<Self> {
        let (asks, asked) = mpsc::unbounded_channel();
        let (happens, happened) = mpsc::unbounded_channel();
        let line = Line { shared: Arc::clone(shared), asks };
        let connection = connection::Builder::address(bus_address)
            .serve_at("/", ObjectManager)
            .serve_at("/org/bluez", AgentManager(line.clone()))
            .build()
            .await?;
        if lock(&shared.daemon).is_plugged_in() {
            objects::serve(&connection, &line, Object::Adapter).await?;
        }
        let known = lock(&shared.daemon).known_devices();
        for address in known {
            let device = objects::Device1::new(address, &line);
            let path = paths::device(address);
            connection.object_server().at(path, device).await?;
        }
        let owners = DBusProxy::new(&connection).await?;
        let changes = owners.receive_name_owner_changed().await?;
        connection.request_name("org.bluez").await?;

        let mut tasks = JoinSet::new();
        tasks.spawn(report_leaving(changes, happens.clone()));
        let worker = Worker {
            connection: connection.clone(),
            line: line.clone(),
            happens,
            waiting: HashMap::new(),
            last_ticket: 0,
        };
        tasks.spawn(worker.run(asked, happened));
        Ok(Self { connection, line, tasks })
    }
}

/// Tells the core of each program that leaves the bus.
async fn report_leaving(mut changes: zbus::fdo::NameOwnerChangedStream, happens: mpsc::UnboundedSender<Input>) {
    while let Some(change) = changes.next().await {
        let Ok(change) = change.args() else { continue };
        if change.new_owner().is_none() && change.name().starts_with(':') {
            let client = Client(change.name().to_string());
            if happens.send(Input::Left(client)).is_err() {
                return;
            }
        }
    }
}

/// Runs the core and performs its effects, one after the other.
struct Worker {
    connection: Connection,
    line: Line,
    happens: mpsc::UnboundedSender<Input>,
    /// Calls without an answer yet; some never get one.
    waiting: HashMap<Ticket, oneshot::Sender<Result<Vec<u8>, Refusal>>>,
    last_ticket: u64,
}

impl Worker {
    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<Ask>, mut happened: mpsc::UnboundedReceiver<Input>) {
        loop {
            let input = tokio::select! {
                Some(ask) = asked.recv() => self.take(ask),
                Some(input) = happened.recv() => input,
                () = self.line.shared.nudge.notified() => Input::Tick,
                () = self.next_wake() => Input::Tick,
            };
            let effects = lock(&self.line.shared.daemon).handle(input, Moment::now());
            for effect in effects {
                if let Err(error) = self.perform(effect).await {
                    tracing::debug!(%error, "the bus did not take it");
                }
            }
        }
    }

    fn take(&mut self, ask: Ask) -> Input {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.waiting.insert(ticket, ask.answer);
        Input::Asked { by: ask.by, ticket, request: ask.request }
    }

    async fn next_wake(&self) {
        let wake = lock(&self.line.shared.daemon).next_wake();
        match wake {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    async fn perform(&mut self, effect: Effect) -> zbus::Result<()> {
        match effect {
            Effect::Reply { ticket, answer } => {
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    // A caller that has left does not want it any more.
                    let _ = waiting.send(answer);
                }
                Ok(())
            }
            Effect::Serve(object) => objects::serve(&self.connection, &self.line, object).await,
            Effect::Withdraw(object) => objects::withdraw(&self.connection, object).await,
            Effect::Changed { path, interface, changed, invalidated } => {
                self.signal(&path, interface, changed, invalidated).await
            }
            Effect::AskAgent { agent, device, for_number } => {
                let connection = self.connection.clone();
                let happens = self.happens.clone();
                tokio::spawn(async move {
                    let path = ObjectPath::try_from(paths::device(device));
                    let path = path.expect("device paths are object paths");
                    let (name, at) = (Some(agent.client.0.as_str()), agent.path.as_str());
                    let method = if for_number { "RequestPasskey" } else { "RequestAuthorization" };
                    let answer = connection.call_method(name, at, Some(AGENT), method, &path).await;
                    let answer = match answer {
                        Ok(answer) if for_number => answer.body().deserialize().map_or(Said::No, Said::Number),
                        Ok(_) => Said::Yes,
                        Err(_) => Said::No,
                    };
                    // The daemon may have been restarted while the agent thought.
                    let _ = happens.send(Input::AgentSaid { device, answer });
                });
                Ok(())
            }
            Effect::StopAsking(agent) => {
                let connection = self.connection.clone();
                tokio::spawn(async move {
                    let (name, at) = (Some(agent.client.0.as_str()), agent.path.as_str());
                    connection.call_method(name, at, Some(AGENT), "Cancel", &()).await
                });
                Ok(())
            }
        }
    }

    async fn signal(
        &self,
        path: &str,
        interface: &str,
        changed: Vec<(&'static str, Variant<'static>)>,
        invalidated: Vec<&'static str>,
    ) -> zbus::Result<()> {
        let changed: HashMap<_, _> = changed.into_iter().collect();
        let body = (interface, changed, invalidated);
        let properties = "org.freedesktop.DBus.Properties";
        self.connection.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &body).await
    }
}

impl Line {
    async fn ask(&self, by: Client, request: Request) -> Result<Vec<u8>, Refusal> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask { by, request, answer };
        let is_sent = self.asks.send(ask).is_ok();
        let stopping = || Refusal::Failed("bluetoothd is stopping".into());
        match is_sent {
            true => answered.await.unwrap_or_else(|_| Err(stopping())),
            false => Err(stopping()),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}
