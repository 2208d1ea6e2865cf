//! What is done over a link, so that the device says all it has to say.
//!
//! Everything that may be asked of a device is asked before it is subscribed to: it may hang up as soon as it has said
//! what it measured. Each step has a limit, and none outlasts a hang-up.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use btleplug::api::{CharPropFlags, Characteristic as Gatt, Peripheral as _, WriteType};
use btleplug::platform::Peripheral;
use hempuls_protocol::devices::blood_pressure::Feature;
use hempuls_protocol::devices::{Answer, Characteristic, requests};
use hempuls_protocol::event::{DeviceClock, Kind, Trouble};
use hempuls_protocol::times::DeviceTime;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::about::{About, text};
use super::bonds::{Course, How};
use super::bus::Bus;
use super::clocks::{Form, HomeTime, zone};
use super::ear::{Aside, Setting};
use super::link::{Order, Report, Standing};
use super::pairing::{Doorkeeper, Manner, PAIRING};
use super::records::{REPORT_ALL, ends_report};
use super::{Adopted, measurements};
use crate::buffer::Buffer;
use crate::clock;
use crate::config::Device;
use crate::heartbeat::Vitals;
use crate::sessions::{Address, Ended};

/// A device that is there takes a connection within seconds; BlueZ would go on trying for one that is not.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// For BlueZ to look at all services of a device that it meets for the first time.
const RESOLVE_LIMIT: Duration = Duration::from_secs(30);
/// For any other call. What a device can do it does within two seconds or so; pairing is the slowest.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// For what is asked besides, before the device may say what it measured.
const OPTIONAL_LIMIT: Duration = Duration::from_secs(5);
/// A device that says nothing for so long has said what it had to say.
const IDLE: Duration = Duration::from_secs(5);
/// A device that reports its records sends the next within this time, or is through without saying so.
const NEXT_RECORD: Duration = Duration::from_secs(30);
/// What a device is told to do it does at once.
const DONE_LIMIT: Duration = Duration::from_secs(2);
/// A device that tells its time unasked does so right after it is subscribed to.
const TELLS_TIME: Duration = Duration::from_millis(1_500);

/// Connects when told to, and does what makes the device speak.
pub(super) struct Talk {
    pub(super) device: Device,
    pub(super) bus: Arc<Bus>,
    pub(super) doorkeeper: Doorkeeper,
    pub(super) adopted: Adopted,
    pub(super) peripheral: Peripheral,
    pub(super) buffer: Buffer,
    pub(super) vitals: Vitals,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    pub(super) standing: watch::Receiver<Standing>,
    /// How the link stood when this session began.
    pub(super) began: Standing,
    /// Counts the values heard.
    pub(super) activity: watch::Receiver<u64>,
    /// What the device says that is no measurement.
    pub(super) asides: mpsc::UnboundedReceiver<Aside>,
    pub(super) setting: watch::Sender<Setting>,
    /// What it calls itself in the air.
    pub(super) name: Option<String>,
    /// What it says of itself, once it was asked.
    pub(super) about: Option<About>,
    /// What was reported of the device since it last worked.
    pub(super) troubles: Vec<Trouble>,
}

/// Why a session did not go to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it hung up")]
    HungUp,
    #[error("{0} took too long")]
    TooLong(&'static str),
    #[error("{0} failed: {1}")]
    Failed(&'static str, Refused),
    #[error("it does not have the service it should have")]
    NoService,
}

/// Why BlueZ, or the device through it, does not do something.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Gatt(#[from] btleplug::Error),
    #[error("{0}")]
    Call(#[from] dbus::Error),
}

/// How far a session has come.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Stage {
    Linking,
    Pairing,
    Asking,
    /// It has taken every subscription.
    Listening,
}

impl Talk {
    pub(super) async fn converse(mut self, first: Option<Order>, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut next = first;
        if next.is_none() && self.standing.borrow().is_bonded {
            // It may be speaking already: BlueZ connects to it by itself, and confirms what nobody hears.
            self.subscribe_before_connecting().await;
        }
        loop {
            let order = match next.take() {
                Some(order) => order,
                None => match orders.recv().await {
                    Some(order) => order,
                    None => return self.leave().await,
                },
            };
            let pair = order.pair.filter(|_| !self.standing.borrow().is_bonded);
            match pair {
                Some(_) => self.unsubscribe_before_pairing().await,
                None => self.subscribe_before_connecting().await,
            }
            let (ended, course) = self.session(pair).await;
            if self.reports.send(Report::Ended(self.address(), ended, Some(course))).is_err() {
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

    /// BlueZ would subscribe anew as soon as there is a link, and begin to pair in its own manner when that is refused.
    async fn unsubscribe_before_pairing(&self) {
        for characteristic in self.measurements() {
            // It may not have been subscribed to.
            let _ = timeout(STEP_LIMIT, self.peripheral.unsubscribe(&characteristic)).await;
        }
    }

    async fn session(&mut self, pair: Option<Manner>) -> (Ended, Course) {
        self.began = *self.standing.borrow_and_update();
        self.setting.send_modify(|setting| setting.session = setting.session.wrapping_add(1));
        while self.asides.try_recv().is_ok() {}
        let (heard_before, start) = (*self.activity.borrow_and_update(), clock::now());
        let mut stage = Stage::Linking;
        let outcome = self.listen_to_device(pair, &mut stage).await;
        let has_values = *self.activity.borrow() > heard_before;
        let lasted = clock::now().saturating_duration_since(start);
        match &outcome {
            Err(Broken::HungUp) => {}
            Ok(()) | Err(Broken::TooLong(_) | Broken::Failed(..) | Broken::NoService) => self.leave().await,
        }
        if let Err(why) = &outcome {
            tracing::debug!(device.id = %self.device.id(), %why, ?stage, has_values, "a session that broke off");
        }
        match &outcome {
            Err(Broken::NoService) if !has_values => self.tell(Trouble::NoService).await,
            Err(_) if !has_values => {}
            Ok(()) | Err(_) => {
                self.troubles.retain(|trouble| *trouble != Trouble::NoService);
                self.vitals.troubled(&self.device.id(), self.troubles.last().copied());
            }
        }
        let is_bonded = self.standing.borrow().is_bonded;
        let ended = match self.course(&outcome, pair, stage, has_values) {
            // BlueZ has subscribed anew by itself, is refused, and waits for that: it never says what the device has.
            How::BrokeOff { .. } if is_bonded && stage == Stage::Linking && lasted >= STEP_LIMIT => How::BondNotEnough,
            other => other,
        };
        let course = Course { was_bonded: self.began.is_bonded, ended, lasted };
        let ended = match outcome {
            _ if has_values => Ended::WithValues,
            Ok(()) => Ended::WithoutValues,
            Err(Broken::NoService) => Ended::WithoutService,
            Err(Broken::HungUp | Broken::TooLong(_) | Broken::Failed(..)) => Ended::Failed,
        };
        (ended, course)
    }

    fn course(&self, outcome: &Result<(), Broken>, pair: Option<Manner>, stage: Stage, has_values: bool) -> How {
        let now = *self.standing.borrow();
        let has_link = now.links != self.began.links;
        match outcome {
            Ok(()) => How::Well { bonded: now.is_bonded },
            Err(_) if has_values || stage == Stage::Listening => How::Well { bonded: now.is_bonded },
            Err(Broken::NoService) => How::Otherwise,
            Err(_) if !has_link && stage != Stage::Asking => How::NoLink,
            Err(why) if now.is_bonded && is_beyond_its_bond(why) => How::BondNotEnough,
            Err(why) => match pair.filter(|_| !now.is_bonded) {
                Some(manner) => How::NotPaired { manner, showed_number: now.numbers != self.began.numbers },
                None => {
                    let has_tried = now.pairings != self.began.pairings && !now.is_bonded;
                    How::BrokeOff { over_pairing: has_tried || wants_pairing(why) }
                }
            },
        }
    }

    async fn listen_to_device(&mut self, pair: Option<Manner>, stage: &mut Stage) -> Result<(), Broken> {
        let (bus, address) = (Arc::clone(&self.bus), self.address());
        let doorkeeper = self.doorkeeper.clone();
        let _typist = match pair {
            None => None,
            Some(Manner::ByNumber) => {
                Some(self.step("preparing to type", STEP_LIMIT, doorkeeper.type_numbers(&bus)).await?)
            }
            Some(Manner::JustWorks) => {
                *stage = Stage::Pairing;
                self.step("pairing", PAIRING, doorkeeper.pair(&bus, &address)).await?;
                *stage = Stage::Linking;
                None
            }
        };
        self.step("connecting", CONNECT_LIMIT, bus.connect(&address, CONNECT_LIMIT)).await?;
        self.wait_for_services().await?;
        // The sessions are gone only when everything is being built anew.
        let _ = self.reports.send(Report::Connected(address));
        *stage = Stage::Asking;
        let peripheral = self.peripheral.clone();
        self.step("looking for services", STEP_LIMIT, peripheral.discover_services()).await?;
        self.ask_about().await?;
        let measurements = self.measurements();
        if measurements.is_empty() {
            return Err(Broken::NoService);
        }
        self.ask_battery().await?;
        self.look_at_clock().await?;
        let control_point = self.control_point(&measurements);
        let limit = if pair == Some(Manner::ByNumber) { PAIRING } else { STEP_LIMIT };
        for characteristic in control_point.iter().chain(&measurements) {
            self.subscribe(characteristic, limit).await?;
        }
        *stage = Stage::Listening;
        tracing::debug!(device.id = %self.device.id(), "listening");
        if let Some(control_point) = control_point {
            self.collect_records(&control_point).await?;
        }
        self.make_requests().await?;
        self.wait_until_idle().await
    }

    async fn wait_for_services(&mut self) -> Result<(), Broken> {
        let hang_ups = self.began.hang_ups;
        let resolved = self.standing.wait_for(|now| now.is_resolved || now.hang_ups != hang_ups);
        match timeout(RESOLVE_LIMIT, resolved).await {
            Ok(Ok(now)) if now.hang_ups == hang_ups => Ok(()),
            Ok(_) => Err(Broken::HungUp),
            Err(_) => Err(Broken::TooLong("waiting for its services")),
        }
    }

    async fn wait_until_idle(&mut self) -> Result<(), Broken> {
        loop {
            tokio::select! {
                heard = self.activity.changed() => if heard.is_err() { return Ok(()) },
                () = sleep(IDLE) => return Ok(()),
                () = hung_up(&mut self.standing, self.began.hang_ups) => return Err(Broken::HungUp),
            }
        }
    }

    async fn subscribe(&mut self, characteristic: &Gatt, limit: Duration) -> Result<(), Broken> {
        let peripheral = self.peripheral.clone();
        match self.step(SUBSCRIBING, limit, peripheral.subscribe(characteristic)).await {
            // BlueZ has kept an earlier subscription of this program.
            Err(Broken::Failed(_, refused)) if says(&refused, "org.bluez.Error.InProgress") => Ok(()),
            other => other,
        }
    }

    /// What a device keeps it reports when it is asked to. It is never asked to delete.
    async fn collect_records(&mut self, control_point: &Gatt) -> Result<(), Broken> {
        let peripheral = self.peripheral.clone();
        let request = peripheral.write(control_point, &REPORT_ALL, WriteType::WithResponse);
        if self.optional("asking for records", request).await?.is_none() {
            return Ok(());
        }
        loop {
            tokio::select! {
                aside = self.asides.recv() => match aside {
                    Some(Aside::Value(Characteristic::RECORD_ACCESS_CONTROL_POINT, answer)) if ends_report(&answer) => {
                        return Ok(());
                    }
                    Some(Aside::Value(..) | Aside::Done | Aside::Told) => {}
                    None => return Ok(()),
                },
                heard = self.activity.changed() => if heard.is_err() { return Ok(()) },
                () = sleep(NEXT_RECORD) => return Ok(()),
                () = hung_up(&mut self.standing, self.began.hang_ups) => return Err(Broken::HungUp),
            }
        }
    }

    /// A device of a vendor's own says what it measured when it is told to.
    async fn make_requests(&mut self) -> Result<(), Broken> {
        let dialect = self.setting.borrow().dialect;
        let clock = self.home_time().filter(|time| time.is_known).map(|time| time.local);
        for request in requests(dialect, clock) {
            let Some(characteristic) = self.find(request.characteristic) else { return Err(Broken::NoService) };
            let peripheral = self.peripheral.clone();
            for piece in &request.writes {
                let write = peripheral.write(&characteristic, piece, manner(&characteristic));
                self.step("telling it what to do", STEP_LIMIT, write).await?;
            }
            match request.then {
                Answer::Done => {
                    if self.answered(Aside::Done, DONE_LIMIT).await? {
                        self.take_clock_down(None, clock::now(), clock).await;
                    }
                }
                Answer::Told => drop(self.answered(Aside::Told, NEXT_RECORD).await?),
                Answer::HangUp => {}
            }
        }
        Ok(())
    }

    /// Waits for an answer, as long as the device goes on speaking.
    async fn answered(&mut self, wanted: Aside, limit: Duration) -> Result<bool, Broken> {
        loop {
            tokio::select! {
                aside = self.asides.recv() => match aside {
                    Some(aside) if aside == wanted => return Ok(true),
                    Some(_) => {}
                    None => return Ok(false),
                },
                heard = self.activity.changed() => if heard.is_err() { return Ok(false) },
                () = sleep(limit) => return Ok(false),
                () = hung_up(&mut self.standing, self.began.hang_ups) => return Err(Broken::HungUp),
            }
        }
    }

    async fn ask_battery(&mut self) -> Result<(), Broken> {
        let level = self.read("reading the battery", Characteristic::BATTERY_LEVEL).await?;
        if let Some(percent) = level.and_then(|level| level.first().copied()) {
            self.vitals.battery(&self.device.id(), percent);
        }
        Ok(())
    }

    /// What it is: once, as it stays what it is.
    async fn ask_about(&mut self) -> Result<(), Broken> {
        if self.about.is_some() {
            return Ok(());
        }
        let mut answers = [None, None, None];
        for (answer, what) in answers.iter_mut().zip([0x2A29, 0x2A24, 0x2A26]) {
            let payload = self.read("asking what it is", Characteristic::assigned(what)).await?;
            *answer = payload.as_deref().and_then(text);
        }
        let feature = self.read("asking what it can", Characteristic::BLOOD_PRESSURE_FEATURE).await?;
        let has_checksums =
            feature.and_then(|feature| Feature::decode(&feature).ok()).is_some_and(|feature| feature.e2e_crc());
        let [manufacturer, model, firmware] = answers;
        let about = About { manufacturer, model, firmware };
        let told = about.dialect(self.device.kind, self.name.as_deref());
        let dialect = self.device.dialect.or(told).unwrap_or_default();
        self.setting.send_modify(|setting| (setting.dialect, setting.has_checksums) = (dialect, has_checksums));
        if let Some(summary) = about.summary() {
            self.vitals.model(&self.device.id(), summary);
        }
        self.about = Some(about);
        Ok(())
    }

    /// Looks at the device's clock, and sets it where it must be set.
    async fn look_at_clock(&mut self) -> Result<(), Broken> {
        let Some((form, characteristic)) = self.clock() else { return Ok(()) };
        let (is_told, payload) = self.what_it_shows(form, &characteristic).await?;
        let looked = clock::now();
        let shown = payload.and_then(|payload| form.read(&payload));
        let time = self.home_time();
        if let (Some(time), Some(shown)) = (time, shown) {
            self.vitals.clock_ahead(&self.device.id(), time.ahead_s(shown));
        }
        // A clock that cannot be looked at is set each time; one that tells the time only when it wants to be asked, never.
        let may_be_set = is_told || form == Form::DateTime;
        let wrong = time.filter(|time| time.is_known && may_be_set && time.is_wrong(shown));
        let set_to = match wrong {
            Some(_) => self.set_clock(form, &characteristic).await?,
            None => None,
        };
        match (wrong, set_to) {
            (Some(_), None) if is_told => self.tell(Trouble::ClockWrong).await,
            (Some(_), None) => {}
            (None, _) | (_, Some(_)) => self.troubles.retain(|trouble| *trouble != Trouble::ClockWrong),
        }
        if shown.is_some() || set_to.is_some() {
            self.take_clock_down(shown, looked, set_to).await;
        }
        Ok(())
    }

    /// Where the device keeps its time.
    fn clock(&self) -> Option<(Form, Gatt)> {
        let current = self.find(Characteristic::CURRENT_TIME).map(|found| (Form::CurrentTime, found));
        current.or_else(|| self.find(Characteristic::DATE_TIME).map(|found| (Form::DateTime, found)))
    }

    /// What a clock shows, and whether it could be looked at. One that tells the time by itself is waited for.
    async fn what_it_shows(&mut self, form: Form, clock: &Gatt) -> Result<(bool, Option<Vec<u8>>), Broken> {
        if form == Form::CurrentTime && clock.properties.contains(CharPropFlags::NOTIFY) {
            let peripheral = self.peripheral.clone();
            self.optional("asking to be told the time", peripheral.subscribe(clock)).await?;
            let told = async {
                loop {
                    match self.asides.recv().await {
                        Some(Aside::Value(Characteristic::CURRENT_TIME, payload)) => break payload,
                        Some(Aside::Value(..) | Aside::Done | Aside::Told) => {}
                        None => std::future::pending().await,
                    }
                }
            };
            if let Ok(payload) = timeout(TELLS_TIME, told).await {
                return Ok((true, Some(payload)));
            }
        }
        let what = Characteristic::vendor(clock.uuid.as_u128());
        let payload = self.read("looking at its clock", what).await?;
        Ok((payload.is_some(), payload))
    }

    /// The home's time, as far as it is known.
    fn home_time(&self) -> Option<HomeTime> {
        HomeTime::at(&clock::taken(), &zone(self.adopted.borrow().time_zone.as_ref())?)
    }

    /// Sets a clock to the home's time, if it can be set. That a part of it was ignored is no failure.
    async fn set_clock(&mut self, form: Form, clock: &Gatt) -> Result<Option<DateTime>, Broken> {
        if !clock.properties.intersects(CharPropFlags::WRITE | CharPropFlags::WRITE_WITHOUT_RESPONSE) {
            return Ok(None);
        }
        let now = self.home_time().map(|time| time.local);
        let Some((now, payload)) = now.and_then(|now| Some((now, form.write(now)?))) else { return Ok(None) };
        let peripheral = self.peripheral.clone();
        match self.step("setting its clock", STEP_LIMIT, peripheral.write(clock, &payload, manner(clock))).await {
            Ok(()) => {}
            Err(Broken::HungUp) => return Err(Broken::HungUp),
            Err(Broken::Failed(_, refused)) if says(&refused, "ATT error: 0x80") => {}
            Err(why) => {
                tracing::debug!(device.id = %self.device.id(), %why, "its clock cannot be set");
                return Ok(None);
            }
        }
        tracing::info!(device.id = %self.device.id(), "its clock is set");
        Ok(Some(now))
    }

    /// What it showed, carried on to the moment of the event: the two are to coincide.
    async fn take_clock_down(&self, shown: Option<DateTime>, looked: Instant, set_to: Option<DateTime>) {
        let since = clock::now().saturating_duration_since(looked).as_secs();
        let since = SignedDuration::from_secs(i64::try_from(since).unwrap_or(0));
        let event = DeviceClock {
            device: self.device.id(),
            shown: shown.map(|shown| DeviceTime(shown.checked_add(since).unwrap_or(shown))),
            set_to: set_to.map(DeviceTime),
            session: Some(self.setting.borrow().session),
        };
        // What could not be taken is counted and logged by the buffer.
        let _ = self.buffer.take(Kind::DeviceClock(event)).await;
    }

    /// Reads what a device may have. What it does not give is no reason to miss a reading.
    async fn read(&mut self, what: &'static str, wanted: Characteristic) -> Result<Option<Vec<u8>>, Broken> {
        let readable = self.find(wanted).filter(|found| found.properties.contains(CharPropFlags::READ));
        let Some(characteristic) = readable else { return Ok(None) };
        let peripheral = self.peripheral.clone();
        self.optional(what, peripheral.read(&characteristic)).await
    }

    async fn optional<T>(
        &mut self,
        what: &'static str,
        work: impl Future<Output = btleplug::Result<T>>,
    ) -> Result<Option<T>, Broken> {
        match self.step(what, OPTIONAL_LIMIT, work).await {
            Ok(done) => Ok(Some(done)),
            Err(Broken::HungUp) => Err(Broken::HungUp),
            Err(why) => {
                tracing::debug!(device.id = %self.device.id(), %why, "it is left at that");
                Ok(None)
            }
        }
    }

    /// Ends the link, also one that BlueZ is still trying to make.
    async fn leave(&self) {
        match timeout(STEP_LIMIT, self.bus.disconnect(&self.address())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(device.id = %self.device.id(), %error, "it was gone already"),
            Err(_) => tracing::debug!(device.id = %self.device.id(), "BlueZ does not let go of it"),
        }
    }

    /// Does one step: not for longer than its limit, and not after the device has hung up.
    async fn step<T, E: Into<Refused>>(
        &mut self,
        what: &'static str,
        limit: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Broken> {
        tokio::select! {
            done = timeout(limit, work) => match done {
                Ok(done) => done.map_err(|error| Broken::Failed(what, error.into())),
                Err(_) => Err(Broken::TooLong(what)),
            },
            () = hung_up(&mut self.standing, self.began.hang_ups) => Err(Broken::HungUp),
        }
    }

    /// Says once what a person should know of the device, until it works again.
    async fn tell(&mut self, trouble: Trouble) {
        if !self.troubles.contains(&trouble) {
            self.troubles.push(trouble);
            super::tell(&self.buffer, &self.vitals, self.address(), trouble).await;
        }
    }

    /// The characteristics to listen to, as far as the device is known to have them. A cuff that says its readings in the
    /// newer form is listened to in that form only: it would say each twice.
    fn measurements(&self) -> Vec<Gatt> {
        let speaks = CharPropFlags::INDICATE | CharPropFlags::NOTIFY;
        let found = |wanted| self.find(wanted).filter(|found| found.properties.intersects(speaks));
        let dialect = self.setting.borrow().dialect;
        let mut found: Vec<Gatt> = measurements(self.device.kind, dialect).filter_map(found).collect();
        let is = |each: &Gatt, what: Characteristic| each.uuid == Uuid::from_u128(what.uuid());
        if found.iter().any(|each| is(each, Characteristic::ENHANCED_BLOOD_PRESSURE_MEASUREMENT)) {
            found.retain(|each| !is(each, Characteristic::BLOOD_PRESSURE_MEASUREMENT));
        }
        found
    }

    /// Where records are asked for, of a device that keeps some.
    fn control_point(&self, measurements: &[Gatt]) -> Option<Gatt> {
        let keeps = [Characteristic::SPOT_CHECK_MEASUREMENT, Characteristic::BLOOD_PRESSURE_RECORD];
        let keeps = keeps.map(|each| Uuid::from_u128(each.uuid()));
        let has_records = measurements.iter().any(|each| keeps.contains(&each.uuid));
        self.find(Characteristic::RECORD_ACCESS_CONTROL_POINT).filter(|_| has_records)
    }

    fn find(&self, wanted: Characteristic) -> Option<Gatt> {
        let uuid = Uuid::from_u128(wanted.uuid());
        self.peripheral.characteristics().into_iter().find(|each| each.uuid == uuid)
    }

    fn address(&self) -> Address {
        self.device.address
    }
}

/// A write that is answered, where the device answers.
fn manner(characteristic: &Gatt) -> WriteType {
    if characteristic.properties.contains(CharPropFlags::WRITE) {
        WriteType::WithResponse
    } else {
        WriteType::WithoutResponse
    }
}

/// Waits until the device hangs up, for the first time since it had done so this often.
async fn hung_up(standing: &mut watch::Receiver<Standing>, before: u64) {
    // When nobody says any more how it stands, it is as good as gone.
    drop(standing.wait_for(|now| now.hang_ups != before).await);
}

/// Whether something was refused for want of a bond.
fn wants_pairing(why: &Broken) -> bool {
    match why {
        Broken::Failed(_, refused) => {
            ["Not paired", "AuthenticationFailed", "AuthenticationRejected", "AuthenticationCanceled", NOT_PAIRED]
                .iter()
                .any(|words| says(refused, words))
        }
        Broken::HungUp | Broken::TooLong(_) | Broken::NoService => false,
    }
}

/// Whether a device with a bond wants a better one to be subscribed to. BlueZ keeps trying, and does not answer.
fn is_beyond_its_bond(why: &Broken) -> bool {
    match why {
        Broken::TooLong(step) => *step == SUBSCRIBING,
        Broken::Failed(step, refused) => *step == SUBSCRIBING && says(refused, NOT_PAIRED),
        Broken::HungUp | Broken::NoService => false,
    }
}

const SUBSCRIBING: &str = "subscribing";
/// What BlueZ says in the end of what it was refused for want of better keys.
const NOT_PAIRED: &str = "ATT error: 0x0e";

/// btleplug hands BlueZ's words on as they are, inside of errors of its own.
fn says(refused: &Refused, words: &str) -> bool {
    format!("{refused:?}").contains(words)
}
