//! Everything that knows BlueZ: scanning, buttons, pairing, and a task for each device that is connected to.
//!
//! The scan is open, without a list of services: the kernel applies such a list to service UUIDs only, never to the
//! service data in which buttons speak. What is not of this home is discarded by its address.

pub mod about;
pub mod beacons;
pub mod buttons;
pub mod clocks;
mod link;
pub mod liveness;
pub mod minute;
pub mod nearby;
mod pairing;
pub mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use btleplug::api::{Central as _, CentralEvent, CentralState, Manager as _, Peripheral as _, ScanFilter};
use btleplug::platform::{Adapter, Manager, Peripheral, PeripheralId};
use futures::{FutureExt as _, Stream, StreamExt as _};
use hempuls_protocol::devices::{Characteristic, DeviceKind};
use hempuls_protocol::event::{Alarm, Content, Event, Kind, Origin};
use hempuls_protocol::ids::{DeviceId, Lane, Sequence};
use hempuls_protocol::times::Taken;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use uuid::Uuid;

use self::buttons::{Buttons, Effect as ButtonEffect};
use self::link::Link;
use self::pairing::{Notice, PairingAgent};
use crate::buffer::{Buffer, Place, Room};
use crate::clock;
use crate::config::Device;
use crate::heartbeat::Vitals;
use crate::sessions::{Address, Effect, Input, Sessions};
use crate::settings;
use crate::stop::Stop;

/// What the radio is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which adapter, such as `hci0`; the first one otherwise.
    pub adapter: Option<String>,
}

/// The devices of the home: only these are read or paired. They may change while the program runs.
pub type Adopted = watch::Receiver<settings::Home>;

/// How often the bus is asked whether it is still there: its library hides that it is not.
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

/// Listens to the home until the program stops. What breaks is built anew.
pub async fn run(config: Config, mut adopted: Adopted, buffer: Buffer, vitals: Vitals, mut stop: Stop) {
    let mut devices = adopted.borrow_and_update().devices.clone();
    let mut buttons = buttons(&devices, &buffer);
    let mut pause = SHORTEST_PAUSE;
    let mut last_problem = String::new();
    loop {
        let mut tasks = JoinSet::new();
        let began = clock::now();
        let attempt = listen(&config, &devices, &buffer, &vitals, &mut buttons, &mut tasks, stop.clone());
        let problem = tokio::select! {
            problem = attempt => Some(problem.map_or_else(|problem| problem, |never| match never {})),
            Ok(()) = adopted.changed() => None,
            () = stop.asked() => return farewell(&mut tasks).await,
        };
        farewell(&mut tasks).await;
        vitals.pairing(false);
        let Some(problem) = problem else {
            devices = adopted.borrow_and_update().devices.clone();
            buttons = self::buttons(&devices, &buffer);
            tracing::info!(devices = devices.len(), "the devices of this home have changed");
            continue;
        };
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
            () = sleep(pause) => {}
            () = stop.asked() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Device tasks end when they are stopped or when nobody speaks to them any more; whoever takes too long is ended.
async fn farewell(tasks: &mut JoinSet<()>) {
    let _ = timeout(FAREWELL, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
}

/// Builds everything that hangs on the bus, and runs it until something breaks.
async fn listen(
    config: &Config,
    devices: &[Device],
    buffer: &Buffer,
    vitals: &Vitals,
    buttons: &mut Buttons,
    tasks: &mut JoinSet<()>,
    stop: Stop,
) -> Result<std::convert::Infallible, String> {
    let addresses: BTreeSet<Address> = devices.iter().map(|device| device.address).collect();
    let (notice, mut notices) = mpsc::unbounded_channel();
    let bus = |error: dbus::Error| {
        format!("the message bus or BlueZ does not answer ({error}); are dbus and bluetooth running?")
    };
    let agent = PairingAgent::start(addresses, notice).await.map_err(bus)?;
    vitals.pairing(true);
    let adapter = adapter(config.adapter.as_deref()).await?;
    let mut events = within(adapter.events()).await?;
    forget_replays(&mut events);
    let (report, mut reports) = mpsc::unbounded_channel();
    let gatt = devices.iter().filter(|each| !is_button(each));
    let mut home = Home {
        sessions: Sessions::of(gatt.clone().map(|device| device.address)),
        devices: gatt.map(|device| (device.address, device.clone())).collect(),
        links: BTreeMap::new(),
        buffer: buffer.clone(),
        vitals: vitals.clone(),
        report,
        stop,
    };
    let known = within(adapter.peripherals()).await?;
    for peripheral in &known {
        home.attach(peripheral.clone(), tasks);
    }
    scan(&adapter).await?;
    for peripheral in known {
        if home.is_served(&peripheral.id()) && within(peripheral.is_connected()).await.unwrap_or(false) {
            home.connected(&peripheral.id());
        }
    }
    tracing::info!("listening for the devices of this home");
    let mut watch = interval(WATCH);
    loop {
        tokio::select! {
            event = events.next() => {
                let event = event.ok_or("the stream of events ended")?;
                hear(event, &adapter, &mut home, buttons, tasks).await?;
            }
            input = reports.recv() => if let Some(input) = input {
                home.tell(input);
            },
            notice = notices.recv() => match notice {
                Some(Notice::Gone) => home.everything_hung_up(),
                Some(Notice::Back) => {
                    tracing::warn!("BlueZ was started anew");
                    home.everything_hung_up();
                    come_up(&adapter, &agent).await?;
                }
                Some(Notice::BusLost) | None => return Err("the message bus is gone".into()),
            },
            ended = tasks.join_next(), if !tasks.is_empty() => {
                // A device's task ends by itself only when its stream does, or when the library panics in it.
                return Err(format!("a device's task ended ({ended:?})"));
            }
            _ = watch.tick() => {
                match timeout(WATCH_LIMIT, adapter.adapter_state()).await {
                    Ok(Ok(CentralState::PoweredOn)) => {}
                    answer => return Err(format!("the adapter does not answer, or is switched off ({answer:?})")),
                }
            }
        }
    }
}

/// What one event from the air means.
async fn hear(
    event: CentralEvent,
    adapter: &Adapter,
    home: &mut Home,
    buttons: &mut Buttons,
    tasks: &mut JoinSet<()>,
) -> Result<(), String> {
    let (id, frame) = match event {
        CentralEvent::ServiceDataAdvertisement { id, mut service_data } => (id, service_data.remove(&bthome())),
        // A device that BlueZ has just met: its first advertisement comes with it.
        CentralEvent::DeviceDiscovered(id) => {
            let is_ours = address_in(&id.to_string()).is_some_and(|address| buttons.knows(&address));
            let frame = if is_ours { first_frame(adapter, &id).await } else { None };
            (id, frame)
        }
        CentralEvent::RssiUpdate { id, .. } | CentralEvent::ManufacturerDataAdvertisement { id, .. } => (id, None),
        CentralEvent::DeviceDisconnected(id) => {
            home.hung_up(&id);
            return Ok(());
        }
        CentralEvent::DeviceConnected(id) => {
            home.connected(&id);
            return Ok(());
        }
        CentralEvent::StateUpdate(CentralState::PoweredOff) => return Err("the adapter was switched off".into()),
        // None of these proves that the device is on the air.
        CentralEvent::ServicesAdvertisement { .. }
        | CentralEvent::StateUpdate(_)
        | CentralEvent::DeviceUpdated(_)
        | CentralEvent::DeviceServicesModified(_) => return Ok(()),
    };
    home.vitals.radio_heard();
    let Some(address) = address_in(&id.to_string()) else { return Ok(()) };
    if let Some(frame) = frame.filter(|_| buttons.knows(&address)) {
        home.button(&address, &frame, buttons).await;
    }
    if home.devices.contains_key(&address) {
        if !home.links.contains_key(&address) {
            // It may be gone again by the time BlueZ is asked.
            if let Ok(peripheral) = within(adapter.peripheral(&id)).await {
                home.attach(peripheral, tasks);
            }
        }
        home.tell(Input::Heard(address));
    }
    Ok(())
}

/// The devices of the home and what is being done with them.
struct Home {
    sessions: Sessions,
    devices: BTreeMap<Address, Device>,
    links: BTreeMap<Address, Handle>,
    buffer: Buffer,
    vitals: Vitals,
    report: mpsc::UnboundedSender<Input>,
    stop: Stop,
}

/// How to reach a device's task.
struct Handle {
    orders: mpsc::UnboundedSender<()>,
    hang_ups: watch::Sender<u64>,
}

impl Home {
    /// Begins the task of a device of the home, if this is one.
    fn attach(&mut self, peripheral: Peripheral, tasks: &mut JoinSet<()>) {
        let Some(address) = address_in(&peripheral.id().to_string()) else { return };
        let Some(device) = self.devices.get(&address).filter(|_| !self.links.contains_key(&address)) else { return };
        let (orders, inbox) = mpsc::unbounded_channel();
        let (hang_ups, hung_up) = watch::channel(0);
        let link = Link {
            device: device.clone(),
            peripheral,
            buffer: self.buffer.clone(),
            vitals: self.vitals.clone(),
            reports: self.report.clone(),
            orders: inbox,
            hang_ups: hung_up,
            stop: self.stop.clone(),
        };
        tasks.spawn(link.serve());
        self.links.insert(address, Handle { orders, hang_ups });
    }

    fn tell(&mut self, input: Input) {
        if let Input::Heard(address) = input {
            self.vitals.device_heard(&DeviceId::Address(address));
            if !self.links.contains_key(&address) {
                return;
            }
        }
        for Effect::Connect(address) in self.sessions.handle(input, clock::now()) {
            if let Some(link) = self.links.get(&address) {
                // A task that has ended is noticed by itself.
                let _ = link.orders.send(());
            }
        }
    }

    fn is_served(&self, id: &PeripheralId) -> bool {
        address_in(&id.to_string()).is_some_and(|address| self.links.contains_key(&address))
    }

    /// A device that is connected is there, also when it does not advertise: one that an agent before this one left,
    /// or one that connects by itself.
    fn connected(&mut self, id: &PeripheralId) {
        if let Some(address) = address_in(&id.to_string()) {
            self.tell(Input::Heard(address));
        }
    }

    fn hung_up(&self, id: &PeripheralId) {
        if let Some(link) = address_in(&id.to_string()).and_then(|address| self.links.get(&address)) {
            link.hang_ups.send_modify(|count| *count += 1);
        }
    }

    fn everything_hung_up(&self) {
        for link in self.links.values() {
            link.hang_ups.send_modify(|count| *count += 1);
        }
    }

    async fn button(&self, address: &Address, frame: &[u8], buttons: &mut Buttons) {
        let device = DeviceId::Address(*address);
        self.vitals.device_heard(&device);
        for effect in buttons.hear(address, frame, &clock::taken()) {
            match effect {
                ButtonEffect::Battery(percent) => self.vitals.battery(&device, percent),
                ButtonEffect::Refuse(why) => {
                    tracing::warn!(device.id = %device, ?why, "a press that is not believed");
                    self.buffer.refuse(why);
                }
                ButtonEffect::Take { alarm, counter } => {
                    let kind = Kind::Alarm(alarm.clone());
                    let taken = match counter {
                        Some(counter) => self.buffer.take_press(kind, device.clone(), counter).await,
                        None => self.buffer.take(kind).await,
                    };
                    match taken {
                        Ok(Origin { epoch, sequence }) => {
                            tracing::info!(device.id = %device, %epoch, event.seq = %sequence, "an alarm is taken")
                        }
                        Err(_) => buttons.not_taken(&alarm),
                    }
                }
            }
        }
    }
}

/// The adapter to use.
async fn adapter(wanted: Option<&str>) -> Result<Adapter, String> {
    let none =
        "there is no Bluetooth adapter; plug one in, or check that its driver is loaded and it is not blocked (rfkill)";
    let manager = within(Manager::new()).await?;
    let adapters = within(manager.adapters()).await?;
    let Some(wanted) = wanted else { return adapters.into_iter().next().ok_or_else(|| none.into()) };
    for adapter in adapters {
        let info = within(adapter.adapter_info()).await?;
        if info.split(' ').next() == Some(wanted) {
            return Ok(adapter);
        }
    }
    Err(format!("there is no Bluetooth adapter {wanted:?}; correct or remove `adapter` in the configuration"))
}

async fn scan(adapter: &Adapter) -> Result<(), String> {
    within(adapter.start_scan(ScanFilter::default())).await
}

/// Pairing and scanning again, once a BlueZ that was just started is ready for it.
async fn come_up(adapter: &Adapter, agent: &PairingAgent) -> Result<(), String> {
    let up = async {
        while agent.register().await.is_err() || scan(adapter).await.is_err() {
            sleep(COMES_UP_STEP).await;
        }
    };
    timeout(COMES_UP, up).await.map_err(|_| "BlueZ was started anew, but does not scan".into())
}

async fn within<T>(call: impl Future<Output = btleplug::Result<T>>) -> Result<T, String> {
    match timeout(CALL_LIMIT, call).await {
        Ok(answer) => answer.map_err(|error| format!("BlueZ refuses ({error}); is the bluetooth service running?")),
        Err(_) => Err("BlueZ does not answer; is the bluetooth service running?".into()),
    }
}

/// The stream begins with every device that BlueZ knows, whether it is there or not. Nothing is scanning yet.
fn forget_replays(events: &mut Pin<Box<dyn Stream<Item = CentralEvent> + Send>>) {
    while events.next().now_or_never().flatten().is_some() {}
}

/// The service data of a button that BlueZ has just met.
async fn first_frame(adapter: &Adapter, id: &PeripheralId) -> Option<Vec<u8>> {
    let peripheral = within(adapter.peripheral(id)).await.ok()?;
    within(peripheral.properties()).await.ok()??.service_data.remove(&bthome())
}

/// The buttons among these devices, with the presses that are on flash already.
fn buttons(devices: &[Device], buffer: &Buffer) -> Buttons {
    let mut buttons = Buttons::new(devices.iter().filter(|each| is_button(each)), buffer.counters());
    for (alarm, taken) in latest_alarms(buffer) {
        buttons.remember(&alarm, taken);
    }
    buttons
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

/// The address in a BlueZ object path or name: `…/dev_F0_F1_F2_F3_F4_F5`.
fn address_in(path: &str) -> Option<Address> {
    let (_, printed) = path.rsplit_once("dev_")?;
    match printed.replace('_', ":").parse() {
        Ok(DeviceId::Address(address)) => Some(address),
        _ => None,
    }
}

/// The characteristics on which a device of this kind says what it measured; none for one that only advertises.
fn measurements(kind: DeviceKind) -> &'static [Characteristic] {
    match kind {
        DeviceKind::BloodPressure => &[Characteristic::BLOOD_PRESSURE_MEASUREMENT],
        DeviceKind::PulseOximeter => &[Characteristic::SPOT_CHECK_MEASUREMENT, Characteristic::CONTINUOUS_MEASUREMENT],
        DeviceKind::Thermometer => &[Characteristic::TEMPERATURE_MEASUREMENT],
        DeviceKind::WeightScale => &[Characteristic::WEIGHT_MEASUREMENT],
        DeviceKind::HeartRate => &[Characteristic::HEART_RATE_MEASUREMENT],
        DeviceKind::AlarmButton => &[],
    }
}

fn is_button(device: &Device) -> bool {
    device.kind == DeviceKind::AlarmButton
}

fn bthome() -> Uuid {
    Uuid::from_u128(Characteristic::BTHOME.uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_a_path() {
        let address = Some([0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5]);
        assert_eq!(address_in("hci0/dev_F0_F1_F2_F3_F4_F5"), address);
        assert_eq!(address_in("/org/bluez/hci0/dev_F0_F1_F2_F3_F4_F5"), address);
        for other in ["/org/bluez/hci0", "hci0/dev_F0_F1", "hci0/dev_F0_F1_F2_F3_F4_F5/service0010"] {
            assert_eq!(address_in(other), None, "{other}");
        }
    }
}
