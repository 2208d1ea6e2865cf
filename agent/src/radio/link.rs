//! One device, for the life of the program: listening always, connecting when told to.
//!
//! The same [`Peripheral`] and one stream of values serve every session, and the stream is open before the first
//! connection: BlueZ keeps a program's subscription over a hang-up and confirms what the device sends in the moment it
//! reconnects, before `connect` returns. Whoever begins to listen after that has lost the reading.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use btleplug::api::{CharPropFlags, Characteristic as Gatt, Peripheral as _, ValueNotification};
use btleplug::platform::Peripheral;
use futures::{Stream, StreamExt as _};
use hempuls_protocol::devices::{Characteristic, interpret, is_stream};
use hempuls_protocol::event::{DeviceTrouble, Kind, Origin, Signal, Trouble};
use hempuls_protocol::ids::UserSlot;
use hempuls_protocol::times::DeviceTime;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout};
use uuid::Uuid;

use super::measurements;
use super::minute::Minute;
use crate::buffer::Buffer;
use crate::clock;
use crate::config::Device;
use crate::heartbeat::Vitals;
use crate::sessions::{Address, Ended, Input};
use crate::stop::Stop;

/// BlueZ gives up a connection after 40 s at the latest; a call that takes longer is wedged.
const CONNECT_LIMIT: Duration = Duration::from_secs(45);
/// For any other call. What a device can do it does within two seconds or so; pairing is the slowest.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// A device that says nothing for so long has said what it had to say.
const IDLE: Duration = Duration::from_secs(5);

/// What a device's task needs.
pub(super) struct Link {
    pub(super) device: Device,
    pub(super) peripheral: Peripheral,
    pub(super) buffer: Buffer,
    pub(super) vitals: Vitals,
    /// Tells what the sessions should know.
    pub(super) reports: mpsc::UnboundedSender<Input>,
    /// Each message asks for one session.
    pub(super) orders: mpsc::UnboundedReceiver<()>,
    /// Counts how often the device hung up.
    pub(super) hang_ups: watch::Receiver<u64>,
    pub(super) stop: Stop,
}

type Values = Pin<Box<dyn Stream<Item = ValueNotification> + Send>>;

impl Link {
    /// Serves the device until the program stops, or the bus is lost.
    pub(super) async fn serve(self) {
        let values = match timeout(STEP_LIMIT, self.peripheral.notifications()).await {
            Ok(Ok(values)) => values,
            Ok(Err(error)) => return tracing::warn!(device.id = %self.device.id(), %error, "it cannot be listened to"),
            Err(_) => return tracing::warn!(device.id = %self.device.id(), "BlueZ does not answer"),
        };
        let Self { device, peripheral, buffer, vitals, reports, orders, hang_ups, stop } = self;
        let (heard, activity) = watch::channel(0);
        let ear =
            Ear { device: device.clone(), buffer: buffer.clone(), vitals: vitals.clone(), heard, minutes: Vec::new() };
        let talk = Talk {
            device,
            peripheral,
            buffer,
            vitals,
            reports,
            hang_ups: hang_ups.clone(),
            activity,
            troubles: Vec::new(),
        };
        tokio::select! {
            () = ear.listen(values, hang_ups, stop) => {}
            () = talk.converse(orders) => {}
        }
    }
}

/// Takes every value to flash, in the moment it is heard.
struct Ear {
    device: Device,
    buffer: Buffer,
    vitals: Vitals,
    /// Counts the values heard.
    heard: watch::Sender<u64>,
    minutes: Vec<Minute>,
}

impl Ear {
    async fn listen(mut self, mut values: Values, mut hang_ups: watch::Receiver<u64>, mut stop: Stop) {
        loop {
            let over = self.minutes.iter().map(Minute::ends).min();
            tokio::select! {
                value = values.next() => match value {
                    Some(value) => self.hear(&value).await,
                    None => return,
                },
                changed = hang_ups.changed() => {
                    self.finish_minutes(|_| true).await;
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep_until(over.unwrap_or_else(clock::now).into()), if over.is_some() => {
                    let now = clock::now();
                    self.finish_minutes(|minute| minute.ends() <= now).await;
                }
                () = stop.asked() => return self.finish_minutes(|_| true).await,
            }
        }
    }

    /// Only measurements count: values that the program itself has read come this way too.
    async fn hear(&mut self, value: &ValueNotification) {
        let characteristic = Characteristic::vendor(value.uuid.as_u128());
        if !measurements(self.device.kind).contains(&characteristic) {
            return;
        }
        self.vitals.device_heard(&self.device.id());
        if is_stream(characteristic) {
            self.add_to_minute(characteristic, &value.value);
        } else {
            self.take(characteristic, &value.value).await;
        }
        self.heard.send_modify(|heard| *heard += 1);
    }

    async fn take(&self, characteristic: Characteristic, payload: &[u8]) {
        let dialect = self.device.dialect.unwrap_or_default();
        let meaning = interpret(characteristic, dialect, payload);
        let is_readable = meaning.is_ok();
        let mut signal = Signal { dialect, ..Signal::heard(self.device.id(), characteristic, payload.to_vec()) };
        if let Ok(meaning) = meaning {
            signal.slot = meaning.user_slot.map(UserSlot);
            signal.observations = meaning.observations;
            signal.device_time = meaning.device_time.map(DeviceTime);
            signal.counter = meaning.record_number;
        }
        self.keep(signal, is_readable).await;
    }

    fn add_to_minute(&mut self, characteristic: Characteristic, payload: &[u8]) {
        let now = clock::now();
        match self.minutes.iter_mut().find(|minute| minute.characteristic() == characteristic) {
            Some(minute) => minute.add(payload, now),
            None => {
                self.minutes.push(Minute::begin(characteristic, self.device.dialect.unwrap_or_default(), payload, now))
            }
        }
    }

    async fn finish_minutes(&mut self, is_over: impl Fn(&Minute) -> bool) {
        let (over, going_on) = std::mem::take(&mut self.minutes).into_iter().partition(is_over);
        self.minutes = going_on;
        for minute in Vec::from_iter::<Vec<Minute>>(over) {
            let is_readable = minute.is_readable();
            self.keep(minute.finish(self.device.id()), is_readable).await;
        }
    }

    async fn keep(&self, signal: Signal, is_readable: bool) {
        let (device, characteristic) = (self.device.id(), signal.characteristic);
        // What could not be taken is counted and logged by the buffer.
        if let Ok(Origin { sequence, .. }) = self.buffer.take(Kind::Signal(signal)).await {
            tracing::info!(device.id = %device, event.seq = %sequence, %characteristic, "a signal is on flash");
        }
        if !is_readable {
            tracing::warn!(device.id = %device, %characteristic, "a payload could not be read; it is kept as it came");
            let trouble = DeviceTrouble { device, trouble: Trouble::Unreadable };
            let _ = self.buffer.take(Kind::DeviceTrouble(trouble)).await;
        }
    }
}

/// Connects when told to, and does what makes the device speak.
struct Talk {
    device: Device,
    peripheral: Peripheral,
    buffer: Buffer,
    vitals: Vitals,
    reports: mpsc::UnboundedSender<Input>,
    hang_ups: watch::Receiver<u64>,
    /// Counts the values heard.
    activity: watch::Receiver<u64>,
    /// What was reported of the device since it last worked.
    troubles: Vec<Trouble>,
}

/// Why a session did not go to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it hung up")]
    HungUp,
    #[error("{0} took too long")]
    TooLong(&'static str),
    #[error("{0} failed: {1}")]
    Failed(&'static str, btleplug::Error),
    #[error("it does not have the service it should have")]
    NoService,
}

impl Talk {
    async fn converse(mut self, mut orders: mpsc::UnboundedReceiver<()>) {
        while orders.recv().await.is_some() {
            self.subscribe_before_connecting().await;
            let ended = self.session().await;
            if self.reports.send(Input::Ended(self.address(), ended)).is_err() {
                return;
            }
        }
    }

    /// A cuff that is bonded may speak as soon as the link is encrypted, without being asked. Where BlueZ still knows
    /// its characteristics, this program is subscribed before the link is there; also when BlueZ was started anew and has
    /// forgotten who was subscribed.
    async fn subscribe_before_connecting(&self) {
        let known = timeout(STEP_LIMIT, self.peripheral.discover_services()).await;
        if !matches!(known, Ok(Ok(()))) {
            return;
        }
        for characteristic in self.measurements() {
            // The session subscribes again, and there it matters.
            let _ = timeout(STEP_LIMIT, self.peripheral.subscribe(&characteristic)).await;
        }
    }

    async fn session(&mut self) -> Ended {
        self.hang_ups.mark_unchanged();
        let heard_before = *self.activity.borrow_and_update();
        let outcome = self.listen_to_device().await;
        let has_values = *self.activity.borrow() > heard_before;
        match &outcome {
            Err(Broken::HungUp) => {}
            Ok(()) | Err(Broken::TooLong(_) | Broken::Failed(..) | Broken::NoService) => self.leave().await,
        }
        match &outcome {
            Err(why) if !has_values => {
                tracing::debug!(device.id = %self.device.id(), %why, "a session without values");
                self.report_trouble(why).await;
            }
            Ok(()) | Err(_) => {
                self.troubles.clear();
                self.vitals.troubled(&self.device.id(), None);
            }
        }
        match outcome {
            _ if has_values => Ended::WithValues,
            Ok(()) => Ended::WithoutValues,
            Err(Broken::NoService) => Ended::WithoutService,
            Err(Broken::HungUp | Broken::TooLong(_) | Broken::Failed(..)) => Ended::Failed,
        }
    }

    async fn listen_to_device(&mut self) -> Result<(), Broken> {
        let peripheral = self.peripheral.clone();
        self.step("connecting", CONNECT_LIMIT, peripheral.connect()).await?;
        // The sessions are gone only when everything is being built anew.
        let _ = self.reports.send(Input::Connected(self.address()));
        self.step("looking for services", STEP_LIMIT, peripheral.discover_services()).await?;
        let measurements = self.measurements();
        if measurements.is_empty() {
            return Err(Broken::NoService);
        }
        self.read_battery().await?;
        for characteristic in &measurements {
            let subscribed = self.step("subscribing", STEP_LIMIT, peripheral.subscribe(characteristic)).await;
            match subscribed {
                Err(Broken::Failed(_, error)) if is_in_progress(&error) => {}
                other => other?,
            }
        }
        tracing::debug!(device.id = %self.device.id(), "listening");
        self.wait_until_idle().await
    }

    async fn wait_until_idle(&mut self) -> Result<(), Broken> {
        loop {
            tokio::select! {
                heard = self.activity.changed() => if heard.is_err() { return Ok(()) },
                () = sleep(IDLE) => return Ok(()),
                _ = self.hang_ups.changed() => return Err(Broken::HungUp),
            }
        }
    }

    /// Before subscribing: a device may hang up as soon as it has said what it measured.
    async fn read_battery(&mut self) -> Result<(), Broken> {
        let level = Uuid::from_u128(Characteristic::BATTERY_LEVEL.uuid());
        let peripheral = self.peripheral.clone();
        let readable = |each: &Gatt| each.uuid == level && each.properties.contains(CharPropFlags::READ);
        let Some(characteristic) = peripheral.characteristics().into_iter().find(readable) else { return Ok(()) };
        match self.step("reading the battery", STEP_LIMIT, peripheral.read(&characteristic)).await {
            Ok(value) => {
                if let Some(percent) = value.first() {
                    self.vitals.battery(&self.device.id(), *percent);
                }
                Ok(())
            }
            Err(Broken::HungUp) => Err(Broken::HungUp),
            // A battery that cannot be read is no reason to miss a reading.
            Err(why) => {
                tracing::debug!(device.id = %self.device.id(), %why, "no battery level");
                Ok(())
            }
        }
    }

    /// Ends the link, also one that BlueZ is still trying to make.
    async fn leave(&self) {
        match timeout(STEP_LIMIT, self.peripheral.disconnect()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(device.id = %self.device.id(), %error, "it was gone already"),
            Err(_) => tracing::debug!(device.id = %self.device.id(), "BlueZ does not let go of it"),
        }
    }

    /// Does one step: not for longer than its limit, and not after the device has hung up.
    async fn step<T>(
        &mut self,
        what: &'static str,
        limit: Duration,
        work: impl Future<Output = btleplug::Result<T>>,
    ) -> Result<T, Broken> {
        tokio::select! {
            done = timeout(limit, work) => match done {
                Ok(done) => done.map_err(|error| Broken::Failed(what, error)),
                Err(_) => Err(Broken::TooLong(what)),
            },
            _ = self.hang_ups.changed() => Err(Broken::HungUp),
        }
    }

    /// Says once what a person should know of the device, until it works again.
    async fn report_trouble(&mut self, why: &Broken) {
        let trouble = match why {
            Broken::NoService => Trouble::NoService,
            Broken::Failed(_, error) if is_pairing_error(error) => Trouble::Pairing,
            Broken::HungUp | Broken::TooLong(_) | Broken::Failed(..) => return,
        };
        if !self.troubles.contains(&trouble) {
            tracing::warn!(device.id = %self.device.id(), ?trouble, "the device gives trouble");
            self.troubles.push(trouble);
            self.vitals.troubled(&self.device.id(), Some(trouble));
            let trouble = DeviceTrouble { device: self.device.id(), trouble };
            let _ = self.buffer.take(Kind::DeviceTrouble(trouble)).await;
        }
    }

    /// The characteristics to listen to, as far as the device is known to have them.
    fn measurements(&self) -> Vec<Gatt> {
        let wanted: Vec<_> = measurements(self.device.kind).iter().map(|each| Uuid::from_u128(each.uuid())).collect();
        let speaks = CharPropFlags::INDICATE | CharPropFlags::NOTIFY;
        let is_wanted = |each: &Gatt| wanted.contains(&each.uuid) && each.properties.intersects(speaks);
        self.peripheral.characteristics().into_iter().filter(is_wanted).collect()
    }

    fn address(&self) -> Address {
        self.device.address
    }
}

/// BlueZ has kept an earlier subscription of this program.
fn is_in_progress(error: &btleplug::Error) -> bool {
    format!("{error:?}").contains("org.bluez.Error.InProgress")
}

fn is_pairing_error(error: &btleplug::Error) -> bool {
    let error = format!("{error:?}");
    ["AuthenticationFailed", "AuthenticationRejected", "AuthenticationCanceled", "AuthenticationTimeout"]
        .iter()
        .any(|name| error.contains(name))
}
