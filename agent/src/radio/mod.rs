//! Everything that knows BlueZ: scanning, buttons, pairing, and a task for each device that is connected to.
//!
//! What is not of this home is discarded by its address, after it was noted for whoever looks for a device to adopt.

pub mod about;
pub mod beacons;
pub mod bonds;
mod bus;
pub mod buttons;
pub mod clocks;
mod ear;
mod link;
pub mod liveness;
pub mod minute;
pub mod nearby;
mod pairing;
pub mod passkeys;
pub mod records;
mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{Central as _, Manager as _};
use btleplug::platform::{Adapter, Manager};
use futures::FutureExt as _;
use hempuls_protocol::devices::{self, Characteristic, DeviceKind, Dialect};
use hempuls_protocol::event::{Alarm, Content, DeviceTrouble, Event, Kind, Origin, Trouble};
use hempuls_protocol::ids::{DeviceId, Lane, Sequence};
use hempuls_protocol::times::Taken;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, sleep_until, timeout};

use self::beacons::Beacons;
use self::bonds::Bonds;
use self::bus::{AdapterState, Bus, Change, Word};
use self::buttons::{Buttons, Effect as ButtonEffect};
use self::link::{Link, Order, Report, Standing};
use self::liveness::Cure;
use self::pairing::Doorkeeper;
use self::passkeys::Passkeys;
use crate::buffer::{Buffer, Place, Room};
use crate::clock;
use crate::config::Device;
use crate::heartbeat::Vitals;
use crate::sessions::{Address, Effect, Input, Sessions};
use crate::settings;
use crate::stop::Stop;
use crate::watchdog::Pulse;

/// What the radio is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which adapter, such as `hci0`; the first one otherwise.
    pub adapter: Option<String>,
}

/// What the radio is told of the home. It may change while the program runs.
pub type Adopted = watch::Receiver<settings::Home>;

/// How often bus and adapter are asked whether they are still there.
const WATCH: Duration = Duration::from_secs(30);
const WATCH_LIMIT: Duration = Duration::from_secs(5);
/// For a call that BlueZ answers by itself.
const CALL_LIMIT: Duration = Duration::from_secs(10);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// For device tasks to put their last minute on flash.
const FAREWELL: Duration = Duration::from_secs(1);
/// A BlueZ that was just started has no adapter for a moment.
const COMES_UP: Duration = Duration::from_secs(10);
const COMES_UP_STEP: Duration = Duration::from_millis(250);
/// For an adapter to notice that it was switched off.
const OFF: Duration = Duration::from_secs(1);

/// Listens to the home until the program stops. What breaks is built anew.
pub async fn run(
    config: Config,
    adopted: Adopted,
    buffer: Buffer,
    vitals: Vitals,
    passkeys: Passkeys,
    pulse: Pulse,
    mut stop: Stop,
) {
    let mut home = Home {
        buttons: buttons(&buffer),
        beacons: Beacons::default(),
        bonds: Bonds::default(),
        adopted,
        buffer,
        vitals,
        passkeys,
        pulse,
        stop: stop.clone(),
    };
    let mut pause = SHORTEST_PAUSE;
    let mut last_problem = String::new();
    loop {
        let began = clock::now();
        let problem = match home.listen(&config).await {
            Ok(Over::Stopped) => return,
            Ok(Over::Retired) => {
                tracing::warn!("this agent is retired: nothing more is heard, and what is left is sent");
                tokio::select! {
                    _ = home.pulse.beside(home.adopted.wait_for(|home| !home.retired)) => continue,
                    () = stop.asked() => return,
                }
            }
            Err(problem) => problem,
        };
        home.vitals.radio(liveness::Input::Fails);
        if clock::now().saturating_duration_since(began) > LONGEST_PAUSE {
            pause = SHORTEST_PAUSE;
        }
        if problem == last_problem {
            tracing::debug!(problem, "still no Bluetooth");
        } else {
            tracing::error!(problem, "no Bluetooth: nothing is heard; trying again until it works");
        }
        last_problem = problem;
        tokio::select! {
            () = home.pulse.beside(sleep(pause)) => {}
            () = stop.asked() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What outlasts everything that hangs on the bus.
struct Home {
    adopted: Adopted,
    buttons: Buttons,
    beacons: Beacons,
    bonds: Bonds,
    buffer: Buffer,
    vitals: Vitals,
    passkeys: Passkeys,
    pulse: Pulse,
    stop: Stop,
}

/// Why listening ended, though nothing broke.
enum Over {
    Stopped,
    Retired,
}

/// What was done in the background.
enum Done {
    /// Bus and adapter were asked.
    Asked(Result<AdapterState, String>),
    /// This was tried.
    Tried(Cure, Result<(), dbus::Error>),
    /// BlueZ forgot a device, to pair with it anew.
    Renewed(Address, Result<(), dbus::Error>),
    /// BlueZ forgot a device that is not this home's any more.
    Forgot(Address, Result<(), dbus::Error>),
}

impl Home {
    /// Builds everything that hangs on the bus, and runs it until it is over or something breaks.
    async fn listen(&mut self, config: &Config) -> Result<Over, String> {
        if self.adopted.borrow_and_update().retired {
            return Ok(Over::Retired);
        }
        let mut stop = self.stop.clone();
        let (say, mut said) = mpsc::unbounded_channel();
        let (report, mut reports) = mpsc::unbounded_channel();
        let build = Radio::build(config, self.passkeys.clone(), say, report);
        let mut radio = tokio::select! {
            radio = self.pulse.beside(build) => radio?,
            () = stop.asked() => return Ok(Over::Stopped),
        };
        radio.serve(self);
        self.begin();
        tracing::info!("listening for the devices of this home");
        let mut watch = interval(WATCH);
        let over = loop {
            let wake = [self.vitals.radio_wakes(), self.beacons.next_wake()].into_iter().flatten().min();
            tokio::select! {
                word = said.recv() => match word {
                    Some(word) => if let Err(problem) = radio.hear(word, self).await { break Err(problem) },
                    None => break Err("nothing is said any more".into()),
                },
                report = reports.recv() => if let Some(report) = report {
                    radio.heed(report, self).await;
                },
                Ok(()) = self.adopted.changed() => {
                    if self.adopted.borrow_and_update().retired {
                        break Ok(Over::Retired);
                    }
                    radio.serve(self);
                    tracing::info!(devices = radio.links.len(), "the devices of this home have changed");
                }
                Some(ended) = radio.tasks.join_next() => match ended {
                    // Nobody asks for it any more, or a new task has taken its place.
                    Ok(device) if !radio.links.get(&device).is_some_and(|link| link.orders.is_closed()) => {}
                    _ if stop.asked().now_or_never().is_some() => break Ok(Over::Stopped),
                    // A device's task ends by itself only when its stream does, or when the library panics in it.
                    ended => break Err(format!("a device's task ended ({ended:?})")),
                },
                Some(Ok(done)) = radio.background.join_next() => {
                    if let Err(problem) = radio.note(done, self) { break Err(problem) }
                }
                () = sleep_until(wake.unwrap_or_else(clock::now).into()), if wake.is_some() => {
                    if let Err(problem) = radio.wake(self).await { break Err(problem) }
                }
                _ = watch.tick() => radio.ask(),
                () = self.pulse.asked() => {}
                () = stop.asked() => break Ok(Over::Stopped),
            }
        };
        self.vitals.pairing(false);
        radio.farewell().await;
        over
    }

    /// From here on what is in the air is heard.
    fn begin(&mut self) {
        self.vitals.listening();
        self.vitals.pairing(true);
        self.beacons.begin(clock::now());
        self.vitals.radio(liveness::Input::Begins);
    }

    async fn button(&mut self, address: &Address, frame: &[u8]) {
        let device = id(*address);
        for effect in self.buttons.hear(address, frame, &clock::taken()) {
            match effect {
                ButtonEffect::Alive { is_beacon } => {
                    self.vitals.device_heard(&device);
                    if let Some(back) = self.beacons.hear(*address, is_beacon, clock::now()) {
                        self.miss(back).await;
                    }
                }
                ButtonEffect::Battery(percent) => self.vitals.battery(&device, percent),
                ButtonEffect::Tell(trouble) => tell(&self.buffer, &self.vitals, *address, trouble).await,
                ButtonEffect::Refuse(why) => {
                    tracing::warn!(device.id = %device, ?why, "a press that is not taken");
                    self.buffer.refuse(why);
                }
                ButtonEffect::Take { alarm, counter } => {
                    let alarm = Alarm { before_enrolment: !self.vitals.is_enrolled(), ..alarm };
                    let kind = Kind::Alarm(alarm.clone());
                    let taken = match counter {
                        Some(counter) => self.buffer.take_press(kind, device.clone(), counter).await,
                        None => self.buffer.take(kind).await,
                    };
                    match taken {
                        Ok(Origin { epoch, sequence }) => {
                            tracing::info!(device.id = %device, %epoch, event.seq = %sequence, "an alarm is taken")
                        }
                        Err(_) => self.buttons.not_taken(&alarm),
                    }
                }
            }
        }
        if self.vitals.trouble(&device) == Some(Trouble::StuckButton) && !self.buttons.is_stuck(address) {
            self.vitals.troubled(&device, None);
        }
    }

    async fn miss(&mut self, effect: beacons::Effect) {
        let (address, is_missing) = match effect {
            beacons::Effect::Missing(address) => (address, true),
            beacons::Effect::Back(address) => (address, false),
        };
        self.vitals.missing(&id(address), is_missing);
        self.vitals.radio(liveness::Input::Missing(self.beacons.is_any_missing()));
        if is_missing {
            tell(&self.buffer, &self.vitals, address, Trouble::Silent).await;
        } else {
            self.vitals.troubled(&id(address), None);
            tracing::info!(device.id = %id(address), "its sign of life has come again");
        }
    }
}

/// Everything that hangs on the bus.
struct Radio {
    sessions: Sessions,
    links: BTreeMap<Address, Handle>,
    tasks: JoinSet<Address>,
    background: JoinSet<Done>,
    bus: Arc<Bus>,
    adapter: Adapter,
    doorkeeper: Doorkeeper,
    report: mpsc::UnboundedSender<Report>,
}

/// How to reach a device's task.
struct Handle {
    device: Device,
    orders: mpsc::UnboundedSender<Order>,
    standing: watch::Sender<Standing>,
}

impl Radio {
    async fn build(
        config: &Config,
        passkeys: Passkeys,
        say: mpsc::UnboundedSender<Word>,
        report: mpsc::UnboundedSender<Report>,
    ) -> Result<Self, String> {
        let bus = Arc::new(Bus::start(config.adapter.as_deref(), say.clone()).await?);
        let doorkeeper = Doorkeeper::new(passkeys, say);
        doorkeeper.serve(&bus);
        come_up(&bus, &doorkeeper).await?;
        let adapter = adapter(bus.adapter()).await?;
        let (sessions, links) = (Sessions::default(), BTreeMap::new());
        let (tasks, background) = (JoinSet::new(), JoinSet::new());
        Ok(Self { sessions, links, tasks, background, bus, adapter, doorkeeper, report })
    }

    /// Serves the devices of the home, as they are now. Those that stay as they are are not disturbed.
    fn serve(&mut self, home: &mut Home) {
        let devices = home.adopted.borrow().devices.clone();
        let addresses: BTreeSet<Address> = devices.iter().map(|device| device.address).collect();
        let (buttons, others): (Vec<&Device>, Vec<&Device>) = devices.iter().partition(|each| is_button(each));
        home.buttons.serve(buttons.iter().copied());
        home.beacons.serve(buttons.iter().map(|button| (button.address, button.beacon)), clock::now());
        home.vitals.adopt(addresses.clone());
        self.doorkeeper.admit(addresses);
        self.sessions.serve(others.iter().map(|device| device.address));
        home.bonds.serve(others.iter().map(|device| device.address));
        for (address, link) in std::mem::take(&mut self.links) {
            // Where it does not stay, its task ends, as nobody asks for it any more.
            if others.contains(&&link.device) {
                self.links.insert(address, link);
            } else if !others.iter().any(|device| device.address == address) {
                self.forget(address);
            }
        }
        for device in others {
            if !self.links.contains_key(&device.address) {
                self.attach(device, home);
            }
        }
    }

    /// A device that is not this home's any more is no business of this box: its bond goes, too.
    fn forget(&mut self, address: Address) {
        let bus = Arc::clone(&self.bus);
        self.background.spawn(async move { Done::Forgot(address, bus.remove(&address).await) });
    }

    /// Begins the task of a device of the home.
    fn attach(&mut self, device: &Device, home: &Home) {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (standing, stands) = watch::channel(Standing::default());
        let link = Link {
            device: device.clone(),
            bus: Arc::clone(&self.bus),
            adapter: self.adapter.clone(),
            doorkeeper: self.doorkeeper.clone(),
            adopted: home.adopted.clone(),
            buffer: home.buffer.clone(),
            vitals: home.vitals.clone(),
            reports: self.report.clone(),
            orders: inbox,
            standing: stands,
            stop: home.stop.clone(),
        };
        let address = device.address;
        self.tasks.spawn(async move {
            link.serve().await;
            address
        });
        self.links.insert(address, Handle { device: device.clone(), orders, standing });
    }

    /// What BlueZ says.
    async fn hear(&mut self, word: Word, home: &mut Home) -> Result<(), String> {
        match word {
            Word::Heard(address, advert) => {
                home.vitals.radio_heard(address, &advert);
                if let Some(frame) = advert.button.filter(|_| home.buttons.knows(&address)) {
                    home.button(&address, &frame).await;
                }
                self.tell(Input::Heard(address), home);
            }
            Word::Known(address, advert) => home.vitals.radio_knows(address, &advert),
            Word::Changed(address, change) => {
                self.note_change(|other| *other == address, change);
                // A device that is connected is there, also when it does not advertise: one that an agent before this
                // one left, or one that connects by itself.
                if change.paired == Some(true) && self.links.contains_key(&address) {
                    home.vitals.device_paired(&id(address));
                }
                if change.connected == Some(true) {
                    self.tell(Input::Heard(address), home);
                }
            }
            Word::Removed(address) => self.note_change(|other| *other == address, GONE),
            Word::Pairs(address) => self.stand(&address, |standing| standing.pairings += 1),
            Word::AsksForPasskey(address) => self.stand(&address, |standing| standing.numbers += 1),
            Word::Powered(powered) => {
                let discovering = powered;
                self.cure(home.vitals.radio(liveness::Input::Answers { powered, discovering }))?;
            }
            Word::AdapterGone => return Err("the Bluetooth adapter has gone".into()),
            Word::BluezGone => self.note_change(|_| true, HUNG_UP),
            Word::BluezBack => {
                tracing::warn!("BlueZ was started anew");
                self.note_change(|_| true, HUNG_UP);
                come_up(&self.bus, &self.doorkeeper).await?;
                home.begin();
            }
            Word::BusLost => return Err("the message bus is gone".into()),
        }
        Ok(())
    }

    /// What a device's task says.
    async fn heed(&mut self, report: Report, home: &mut Home) {
        let input = match report {
            Report::Connected(address) => {
                home.vitals.device_connected(&id(address));
                Input::Connected(address)
            }
            Report::Ended(address, ended, course) => {
                for effect in course.map(|course| home.bonds.ended(&address, course, clock::now())).unwrap_or_default()
                {
                    match effect {
                        bonds::Effect::Tell(trouble) => tell(&home.buffer, &home.vitals, address, trouble).await,
                        bonds::Effect::Renew => self.renew(address),
                    }
                }
                Input::Ended(address, ended)
            }
        };
        self.tell(input, home);
        home.vitals.radio(liveness::Input::Talking(self.sessions.talking()));
    }

    /// The bond with a device is of no use any more.
    fn renew(&mut self, address: Address) {
        tracing::warn!(device.id = %id(address), "its bond does not hold; it is paired with anew");
        let bus = Arc::clone(&self.bus);
        self.background.spawn(async move { Done::Renewed(address, bus.remove(&address).await) });
    }

    fn tell(&mut self, input: Input, home: &Home) {
        if let Input::Heard(address) = input {
            if !self.links.contains_key(&address) {
                return;
            }
            home.vitals.device_heard(&id(address));
        }
        for Effect::Connect(address) in self.sessions.handle(input, clock::now()) {
            if let Some(link) = self.links.get(&address) {
                // A task that has ended is noticed by itself.
                let _ = link.orders.send(Order { pair: home.bonds.ask(&address) });
            }
        }
    }

    fn note_change(&self, is_meant: impl Fn(&Address) -> bool, change: Change) {
        for (_, link) in self.links.iter().filter(|(address, _)| is_meant(address)) {
            link.standing.send_modify(|standing| standing.change(change));
        }
    }

    fn stand(&self, address: &Address, change: impl FnOnce(&mut Standing)) {
        if let Some(link) = self.links.get(address) {
            link.standing.send_modify(change);
        }
    }

    /// What was done in the background.
    fn note(&mut self, done: Done, home: &mut Home) -> Result<(), String> {
        match done {
            Done::Asked(Ok(AdapterState { powered, discovering })) => {
                self.cure(home.vitals.radio(liveness::Input::Answers { powered, discovering }))?;
            }
            Done::Asked(Err(problem)) => return Err(problem),
            Done::Tried(cure, outcome) => {
                match outcome {
                    Ok(()) => home.vitals.listening(),
                    Err(error) => tracing::warn!(?cure, %error, "the adapter does not do that"),
                }
                home.vitals.radio(liveness::Input::Tried);
                self.ask();
            }
            Done::Renewed(address, Ok(())) => self.tell(Input::Anew(address), home),
            Done::Forgot(address, Ok(())) => tracing::info!(device.id = %id(address), "it and its bond are forgotten"),
            Done::Renewed(address, Err(error)) | Done::Forgot(address, Err(error)) => {
                tracing::warn!(device.id = %id(address), %error, "BlueZ does not forget it");
            }
        }
        Ok(())
    }

    /// The time has come for something.
    async fn wake(&mut self, home: &mut Home) -> Result<(), String> {
        for effect in home.beacons.tick(clock::now()) {
            home.miss(effect).await;
        }
        self.cure(home.vitals.radio(liveness::Input::Tick))
    }

    fn cure(&mut self, effects: Vec<liveness::Effect>) -> Result<(), String> {
        for effect in effects {
            match effect {
                liveness::Effect::Try(Cure::Reconnect) => return Err("the radio is silent".into()),
                liveness::Effect::Try(cure) => {
                    tracing::info!(?cure, "the radio is silent, or says that it does not hear; trying to cure it");
                    let bus = Arc::clone(&self.bus);
                    self.background.spawn(async move { Done::Tried(cure, try_out(cure, &bus).await) });
                }
                liveness::Effect::Report => tracing::warn!(
                    "nothing at all is heard, though everything was tried; is there a device nearby, and is the antenna \
                     connected?"
                ),
            }
        }
        Ok(())
    }

    /// Both connections to the bus must live: this library's hides that it does not.
    fn ask(&mut self) {
        let (bus, adapter) = (Arc::clone(&self.bus), self.adapter.clone());
        self.background.spawn(async move {
            let state = bus.state(WATCH_LIMIT).await;
            if let Err(why) = timeout(WATCH_LIMIT, adapter.adapter_info())
                .await
                .map_err(|_| "it takes too long".into())
                .and_then(|info| info.map_err(|error| error.to_string()))
            {
                return Done::Asked(Err(format!("the message bus does not answer ({why})")));
            }
            Done::Asked(state.map_err(|error| format!("the Bluetooth adapter does not answer ({error})")))
        });
    }

    /// Device tasks end when they are stopped or when nobody speaks to them any more; whoever takes too long is ended.
    async fn farewell(mut self) {
        self.links.clear();
        let _ = timeout(FAREWELL, async { while self.tasks.join_next().await.is_some() {} }).await;
        self.tasks.shutdown().await;
    }
}

/// What is left of a device that has hung up, or whose BlueZ has gone.
const HUNG_UP: Change = Change { connected: Some(false), resolved: Some(false), paired: None };
/// Of one that BlueZ has forgotten.
const GONE: Change = Change { paired: Some(false), ..HUNG_UP };

async fn try_out(cure: Cure, bus: &Bus) -> Result<(), dbus::Error> {
    if cure == Cure::PowerCycle {
        // One that is off already is to be switched on all the same.
        let _ = bus.power(false).await;
        sleep(OFF).await;
        bus.power(true).await?;
    } else if let Err(error) = bus.stop_scan().await {
        tracing::debug!(%error, "there was no scan to stop");
    }
    bus.start_scan().await
}

/// Takes down what a person should know of a device.
async fn tell(buffer: &Buffer, vitals: &Vitals, address: Address, trouble: Trouble) {
    tracing::warn!(device.id = %id(address), ?trouble, "the device gives trouble");
    vitals.troubled(&id(address), Some(trouble));
    // What could not be taken is counted and logged by the buffer.
    let _ = buffer.take(Kind::DeviceTrouble(DeviceTrouble { device: id(address), trouble })).await;
}

/// btleplug's side of the adapter.
async fn adapter(name: &str) -> Result<Adapter, String> {
    let manager = within(Manager::new()).await?;
    for adapter in within(manager.adapters()).await? {
        if within(adapter.adapter_info()).await?.split(' ').next() == Some(name) {
            return Ok(adapter);
        }
    }
    Err(format!("the adapter {name} has gone"))
}

async fn within<T>(call: impl Future<Output = btleplug::Result<T>>) -> Result<T, String> {
    match timeout(CALL_LIMIT, call).await {
        Ok(answer) => answer.map_err(|error| format!("BlueZ refuses ({error}); is the bluetooth service running?")),
        Err(_) => Err("BlueZ does not answer; is the bluetooth service running?".into()),
    }
}

/// Pairing and scanning, as soon as BlueZ is ready for it.
async fn come_up(bus: &Bus, doorkeeper: &Doorkeeper) -> Result<(), String> {
    let mut refused = None;
    let up = async {
        loop {
            match begin(bus, doorkeeper).await {
                Ok(()) => return,
                Err(error) => refused = Some(error),
            }
            sleep(COMES_UP_STEP).await;
        }
    };
    let is_up = timeout(COMES_UP, up).await.is_ok();
    if is_up {
        Ok(())
    } else {
        Err(format!("BlueZ does not scan{}", refused.map(|e| format!(" ({e})")).unwrap_or_default()))
    }
}

async fn begin(bus: &Bus, doorkeeper: &Doorkeeper) -> Result<(), dbus::Error> {
    doorkeeper.register(bus).await?;
    bus.power(true).await?;
    bus.start_scan().await
}

/// No buttons yet, but what is on flash of each: how far it has counted, and its latest presses.
fn buttons(buffer: &Buffer) -> Buttons {
    Buttons::new(buffer.counters().clone(), latest_alarms(buffer))
}

/// The last alarms on flash, which may still be in the air.
fn latest_alarms(buffer: &Buffer) -> Vec<(Alarm, Taken)> {
    let Some(held) = buffer.state().flash else { return Vec::new() };
    let mut alarms = Vec::new();
    let mut first = Sequence(held.alarm.last.0.saturating_sub(LATEST - 1)).max(held.alarm.oldest_kept);
    while first <= held.alarm.last {
        let room = Room { events: 1, bytes: 0 };
        let Ok(events) = buffer.read(Place { epoch: held.epoch, lane: Lane::Alarm, first }, first, room) else { break };
        let event = events.first().and_then(|bytes| Event::from_bytes(bytes, first).ok());
        if let Some(Content { taken, kind: Kind::Alarm(alarm) }) =
            event.and_then(|event| Content::from_bytes(&event.content).ok())
        {
            alarms.push((alarm, taken));
        }
        first = first.next();
    }
    alarms
}

const LATEST: u64 = 32;

/// The characteristics on which a device says what it measured; none for one that only advertises. A cuff may say it in
/// a newer form as well, and keep records.
fn measurements(kind: DeviceKind, dialect: Dialect) -> impl Iterator<Item = Characteristic> {
    let more: &[Characteristic] = match (kind, dialect) {
        (DeviceKind::BloodPressure, Dialect::Standard) => {
            &[Characteristic::ENHANCED_BLOOD_PRESSURE_MEASUREMENT, Characteristic::BLOOD_PRESSURE_RECORD]
        }
        _ => &[],
    };
    devices::measurements(kind, dialect).iter().chain(more).copied()
}

fn is_button(device: &Device) -> bool {
    device.kind == DeviceKind::AlarmButton
}

/// A device's name in events.
fn id(address: Address) -> DeviceId {
    DeviceId::Address(address)
}
