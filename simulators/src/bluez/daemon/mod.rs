//! What bluetoothd does: the core. Calls, time and what devices do go in; replies, signals and objects come out.
//!
//! It is faithful in what costs readings: notify sessions outlive links and are subscribed again before anyone hears
//! that the device is connected; indications are confirmed whether or not a program listens; a device that is not on the
//! air keeps a connection attempt waiting; pairing without an agent leaves calls without an answer.

mod adapter;
mod links;
mod pairing;
mod scan;
mod station;
mod vacant;
mod values;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use zbus::Variant;

pub use self::adapter::Until;
pub(crate) use self::{pairing::Said, station::Known};
use self::{station::Station, vacant::Vacant, values::What};
use super::{
    Attribute, Client, Options, Refusal, Ticket,
    agents::{Agent, Agents},
    discovery::Discovery,
    notify::NotifyBook,
    paths::{self, Object},
    request::Request,
};
use crate::{
    air::{self, Address, Output, Peripheral},
    clock::Moment,
    lock,
    mischief::{Mischief, Temper},
};

/// The state of bluetoothd, the radio, and the devices around it.
#[derive(Debug)]
pub(crate) struct Daemon {
    options: Options,
    plugged_in: bool,
    powered: bool,
    pairable: bool,
    deaf: Option<Until>,
    /// How many links were being made at the same time, at most.
    most_wanted: usize,
    discovery: Discovery,
    sessions: NotifyBook,
    agents: Agents,
    stations: BTreeMap<Address, Station>,
    effects: Vec<Effect>,
}

/// What happens to bluetoothd.
#[derive(Debug)]
pub(crate) enum Input {
    /// A program called a method.
    Asked { by: Client, ticket: Ticket, request: Request },
    /// A program left the bus.
    Left(Client),
    /// The agent answered, or could not be asked, whether to pair with a device.
    AgentSaid { device: Address, answer: Said },
    /// The time given by [`Daemon::next_wake`] has come, or a device has something new.
    Tick,
}

/// What bluetoothd does about it.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Answers a call. A call whose ticket never comes back is never answered.
    Reply { ticket: Ticket, answer: Result<Vec<u8>, Refusal> },
    /// Shows an object.
    Serve(Object),
    /// Takes an object away.
    Withdraw(Object),
    /// Signals changed properties, all in one signal.
    Changed {
        path: String,
        interface: &'static str,
        changed: Vec<(&'static str, Variant<'static>)>,
        invalidated: Vec<&'static str>,
    },
    /// Asks an agent whether to pair with a device, or for the number that it shows.
    AskAgent { agent: Agent, device: Address, for_number: bool },
    /// What it was asked is of no use any more.
    StopAsking(Agent),
}

impl Daemon {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            plugged_in: true,
            powered: true,
            pairable: false,
            deaf: None,
            most_wanted: 0,
            discovery: Discovery::default(),
            sessions: NotifyBook::default(),
            agents: Agents::default(),
            stations: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Moment) -> Vec<Effect> {
        match input {
            Input::Asked { by, ticket, request } => self.asked(by, ticket, request, now),
            Input::Left(client) => self.left(&client, now),
            Input::AgentSaid { device, answer } => self.agent_said(device, answer, now),
            Input::Tick => {}
        }
        let addresses: Vec<_> = self.stations.keys().copied().collect();
        for address in addresses {
            while self.does_what_is_due(address, now) {}
        }
        std::mem::take(&mut self.effects)
    }

    /// When to call again with [`Input::Tick`] if nothing happens before.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.stations.values().filter_map(Station::next_wake).min()
    }

    /// Puts a device near the radio.
    pub(crate) fn place(&mut self, peripheral: Arc<Mutex<dyn Peripheral>>) {
        let address = lock(&peripheral).address();
        self.stations.insert(address, Station::new(peripheral));
    }

    /// Stops and starts again: links, scans, sessions and agents are gone; devices that were connected to stay known, and
    /// bonds are kept.
    pub(crate) fn restart(&mut self, now: Moment) {
        let addresses: Vec<_> = self.stations.keys().copied().collect();
        for address in addresses {
            self.drop_link(address, now);
            let station = self.station(address);
            let is_stored = station.bond.ours || station.forgotten_at().is_none();
            let before = station.known.take().filter(|_| is_stored);
            station.known = before.map(|Known { has_random_address, name, paired, .. }| Known {
                has_random_address,
                name,
                paired,
                ..Known::default()
            });
        }
        for address in self.stations.keys().copied().collect::<Vec<_>>() {
            self.abandon(address);
        }
        self.discovery = Discovery::default();
        self.sessions = NotifyBook::default();
        self.agents = Agents::default();
        self.pairable = false;
        self.powered = true;
        self.deaf = None;
        self.effects.clear();
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn is_powered(&self) -> bool {
        self.powered
    }

    pub(crate) fn is_pairable(&self) -> bool {
        self.pairable || !self.agents.is_empty()
    }

    pub(crate) fn is_discovering(&self) -> bool {
        self.discovery.is_on()
    }

    pub(crate) fn scanning_clients(&self) -> usize {
        self.discovery.clients()
    }

    pub(crate) fn listeners(&self, attribute: Attribute) -> usize {
        self.sessions.listeners(attribute)
    }

    pub(crate) fn known(&self, address: Address) -> Option<&Known> {
        self.stations.get(&address)?.known.as_ref()
    }

    pub(crate) fn known_devices(&self) -> Vec<Address> {
        let known = self.stations.iter().filter(|(_, it)| it.known.is_some());
        known.map(|(address, _)| *address).collect()
    }

    /// The faults of a device that was placed here.
    pub(crate) fn temper(&mut self, address: Address) -> &mut Temper {
        &mut self.station(address).temper
    }

    /// The device loses its keys; BlueZ does not know.
    pub(crate) fn lose_keys(&mut self, address: Address) {
        let station = self.station(address);
        station.bond.theirs = false;
        lock(&station.peripheral).forget_bond();
    }

    pub(crate) fn trust(&mut self, address: Address, trusted: bool) {
        if let Some(known) = &mut self.station(address).known {
            known.trusted = trusted;
            self.device_changed(address, vec![("Trusted", trusted.into())]);
        }
    }

    fn asked(&mut self, by: Client, ticket: Ticket, request: Request, now: Moment) {
        if let Some(address) = request.device() {
            let Some(station) = self.stations.get_mut(&address).filter(|station| station.known.is_some()) else {
                return self.refuse(ticket, Refusal::DoesNotExist("Does Not Exist".into()));
            };
            if request.call().is_some_and(|call| station.temper.take(Mischief::Wedge(call))) {
                return;
            }
        }
        match request {
            Request::SetDiscoveryFilter(filter) => {
                self.discovery.set_filter(by, filter);
                self.grant(ticket);
            }
            Request::StartDiscovery => self.start_discovery(by, ticket),
            Request::StopDiscovery => self.stop_discovery(&by, ticket),
            Request::SetPowered(on) => self.set_powered(on, ticket, now),
            Request::SetPairable(on) => {
                self.pairable = on;
                self.grant(ticket);
                self.adapter_changed("Pairable", self.is_pairable());
            }
            Request::SetTrusted(address, trusted) => {
                self.trust(address, trusted);
                self.grant(ticket);
            }
            Request::RemoveDevice(address) => {
                self.forget(address, now);
                self.grant(ticket);
                self.abandon(address);
            }
            Request::Unplug => self.unplug(ticket, now),
            Request::PlugIn => self.plug_in(ticket),
            Request::RegisterAgent { path, can_type } => {
                self.register_agent(Agent { client: by, path, can_type }, ticket);
            }
            Request::UnregisterAgent => {
                let left = self.agents.leave(&by);
                self.grant_if(left, ticket, || Refusal::DoesNotExist("Does Not Exist".into()));
                self.adapter_changed("Pairable", self.is_pairable());
            }
            Request::MakeDefaultAgent => {
                let is_known = self.agents.make_default(&by);
                self.grant_if(is_known, ticket, || Refusal::DoesNotExist("Does Not Exist".into()));
            }
            Request::Connect(address) => {
                self.remember(address);
                self.connect(address, ticket);
            }
            Request::Disconnect(address) => {
                self.drop_link(address, now);
                self.grant(ticket);
            }
            Request::Pair(address) => {
                self.remember(address);
                self.pair(address, by, ticket, now);
            }
            Request::CancelPairing(address) => self.cancel_pairing(address, ticket),
            Request::Read(attribute) => self.access(attribute, What::Read(ticket), now),
            Request::Write(attribute, value) => {
                self.access(attribute, What::Write(ticket, value), now);
            }
            Request::StartNotify(attribute) => self.start_notify(attribute, by, ticket, now),
            Request::StopNotify(attribute) => self.stop_notify(attribute, &by, ticket, now),
        }
    }

    /// Somebody wants to connect to it: it is kept, whether or not it is heard again.
    fn remember(&mut self, address: Address) {
        if let Some(known) = &mut self.station(address).known {
            known.forgotten_at = None;
        }
    }

    fn forget(&mut self, address: Address, now: Moment) {
        self.drop_link(address, now);
        self.sessions.forget(address);
        let station = self.station(address);
        station.bond.ours = false;
        let Some(known) = station.known.take() else { return };
        for handle in known.layout.handles().rev() {
            let object = Object::of(address, &known.layout, handle);
            self.effects.push(Effect::Withdraw(object));
        }
        let device = Object::Device(address);
        self.effects.push(Effect::Withdraw(device));
    }

    /// A device calls itself otherwise. BlueZ does not know that it is the same, and the address it had is nobody's.
    fn moved(&mut self, from: Address) {
        let vacant = Arc::new(Mutex::new(Vacant::at(from)));
        let old = std::mem::replace(&mut self.station(from).peripheral, vacant);
        self.place(old);
        self.abandon(from);
    }

    /// Takes an address off the radio once BlueZ has forgotten it and it is nobody's.
    fn abandon(&mut self, address: Address) {
        let is_nobodys = |station: &Station| station.known.is_none() && lock(&station.peripheral).is_gone();
        if self.stations.get(&address).is_some_and(is_nobodys) {
            self.stations.remove(&address);
        }
    }

    fn left(&mut self, client: &Client, now: Moment) {
        let was_scanning = self.discovery.is_on();
        self.discovery.leave(client);
        if was_scanning {
            self.end_scan_if_unwanted();
        }
        for attribute in self.sessions.leave(client) {
            self.unsubscribe(attribute, now);
        }
        if self.agents.leave(client) {
            self.adapter_changed("Pairable", self.is_pairable());
        }
    }

    /// Does one thing whose time has come; `false` when there is none.
    fn does_what_is_due(&mut self, address: Address, now: Moment) -> bool {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        let Some(station) = self.stations.get_mut(&address) else { return false };
        if is_due(station.forgotten_at()) {
            self.forget(address, now);
            self.abandon(address);
            return true;
        }
        if is_due(station.pairing.as_ref().and_then(|it| it.done_at)) {
            self.finish_pairing(address, now);
            return true;
        }
        if is_due(station.pairing.as_ref().and_then(|it| it.given_up_at)) {
            self.give_up_pairing(address, now);
            return true;
        }
        if is_due(station.link.next_wake()) {
            self.advance_link(address, now);
            return true;
        }
        if is_due(station.next_chatter) {
            station.next_chatter = None;
            let signal = lock(&station.peripheral).signal_dbm();
            self.device_changed(address, vec![("RSSI", signal.into())]);
            return true;
        }
        if let (None, Some(every)) = (station.next_chatter, station.temper.chatter()) {
            station.next_chatter = Some(now.instant + every);
        }
        let device_wake = lock(&station.peripheral).next_wake();
        if is_due(device_wake) {
            self.tell(address, air::Input::Tick, now);
            return true;
        }
        false
    }

    /// Tells a device what happened and does what it answers.
    fn tell(&mut self, address: Address, input: air::Input, now: Moment) {
        let peripheral = Arc::clone(&self.station(address).peripheral);
        let outputs = lock(&peripheral).handle(input, now);
        for output in outputs {
            match output {
                Output::Advertise(advertisement) => self.advertised(address, advertisement, now),
                Output::Indicate { characteristic, value } => self.indicated(address, characteristic, value, now),
                Output::Notify { characteristic, value } => self.notified(address, characteristic, value, now),
                Output::HangUp => self.drop_link(address, now),
                Output::ChangeAddress => self.moved(address),
            }
        }
    }

    fn device_changed(&mut self, address: Address, changed: Vec<(&'static str, Variant<'static>)>) {
        if self.known(address).is_some() {
            self.effects.push(Effect::Changed {
                path: paths::device(address),
                interface: paths::DEVICE,
                changed,
                invalidated: Vec::new(),
            });
        }
    }

    fn characteristic_changed(&mut self, attribute: Attribute, property: &'static str, value: Variant<'static>) {
        if let Some(known) = self.known(attribute.device) {
            let device = paths::device(attribute.device);
            let path = known.layout.path(&device, attribute.handle);
            self.effects.push(Effect::Changed {
                path,
                interface: paths::CHARACTERISTIC,
                changed: vec![(property, value)],
                invalidated: Vec::new(),
            });
        }
    }

    fn adapter_changed(&mut self, property: &'static str, value: bool) {
        self.effects.push(Effect::Changed {
            path: paths::ADAPTER_PATH.to_owned(),
            interface: paths::ADAPTER,
            changed: vec![(property, value.into())],
            invalidated: Vec::new(),
        });
    }

    fn grant(&mut self, ticket: Ticket) {
        self.reply(ticket, Ok(Vec::new()));
    }

    fn refuse(&mut self, ticket: Ticket, refusal: Refusal) {
        self.reply(ticket, Err(refusal));
    }

    fn grant_if(&mut self, granted: bool, ticket: Ticket, refusal: impl FnOnce() -> Refusal) {
        let answer = if granted { Ok(Vec::new()) } else { Err(refusal()) };
        self.reply(ticket, answer);
    }

    fn reply(&mut self, ticket: Ticket, answer: Result<Vec<u8>, Refusal>) {
        self.effects.push(Effect::Reply { ticket, answer });
    }

    fn station(&mut self, address: Address) -> &mut Station {
        self.stations.get_mut(&address).expect("only addresses that are nobody's are taken off the radio")
    }
}
