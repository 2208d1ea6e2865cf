//! Hears what one device says over its link, and takes it to flash in the moment it is heard.

use std::pin::Pin;
use std::time::Instant;

use btleplug::api::ValueNotification;
use futures::{Stream, StreamExt as _};
use hempuls_protocol::devices::{Assembler, Characteristic, Dialect, Heard, interpret, is_stream};
use hempuls_protocol::event::{Kind, Origin, Signal, Trouble};
use hempuls_protocol::ids::UserSlot;
use hempuls_protocol::times::DeviceTime;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::link::Standing;
use super::measurements;
use super::minute::Minute;
use super::records::{Pieces, Record};
use crate::buffer::Buffer;
use crate::clock;
use crate::config::Device;
use crate::heartbeat::Vitals;
use crate::stop::Stop;

/// The values that a device sends, whatever they are.
pub(super) type Values = Pin<Box<dyn Stream<Item = ValueNotification> + Send>>;

/// What the ear must know of device and session.
#[derive(Copy, Clone, Debug)]
pub(super) struct Setting {
    /// The session's number.
    pub(super) session: u32,
    /// How the device speaks: as it is configured, or else as its model does, as far as that is known.
    pub(super) dialect: Dialect,
    /// Whether its records end with a checksum.
    pub(super) has_checksums: bool,
}

/// What a device says that is no measurement: for whoever has asked for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Aside {
    /// A value of another characteristic.
    Value(Characteristic, Vec<u8>),
    /// What it was told to do is done.
    Done,
    /// What it was asked for is told.
    Told,
}

/// Listens to one device, for the life of the program.
pub(super) struct Ear {
    device: Device,
    buffer: Buffer,
    vitals: Vitals,
    setting: watch::Receiver<Setting>,
    /// Counts the values heard.
    heard: watch::Sender<u64>,
    asides: mpsc::UnboundedSender<Aside>,
    /// Joins what comes in this session, and in this dialect.
    assembler: Assembler,
    assembles: (u32, Dialect),
    minutes: Vec<Minute>,
    pieces: Pieces,
    /// A payload could not be read, and none after it either.
    is_unreadable: bool,
}

impl Ear {
    pub(super) fn new(
        device: Device,
        buffer: Buffer,
        vitals: Vitals,
        setting: watch::Receiver<Setting>,
        heard: watch::Sender<u64>,
        asides: mpsc::UnboundedSender<Aside>,
    ) -> Self {
        let Setting { session, dialect, .. } = *setting.borrow();
        Self {
            device,
            buffer,
            vitals,
            setting,
            heard,
            asides,
            assembler: Assembler::of(dialect),
            assembles: (session, dialect),
            minutes: Vec::new(),
            pieces: Pieces::default(),
            is_unreadable: false,
        }
    }

    pub(super) async fn listen(mut self, mut values: Values, mut standing: watch::Receiver<Standing>, mut stop: Stop) {
        let mut hang_ups = standing.borrow_and_update().hang_ups;
        loop {
            let over = self.minutes.iter().map(Minute::ends).chain(self.pieces.next_wake()).min();
            tokio::select! {
                value = values.next() => match value {
                    Some(value) => self.hear(value).await,
                    None => return,
                },
                changed = standing.changed() => {
                    let before = std::mem::replace(&mut hang_ups, standing.borrow_and_update().hang_ups);
                    if changed.is_err() || hang_ups != before {
                        self.finish(None).await;
                    }
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep_until(over.unwrap_or_else(clock::now).into()), if over.is_some() => {
                    self.finish(Some(clock::now())).await;
                }
                () = stop.asked() => return self.finish(None).await,
            }
        }
    }

    /// Only measurements count: values that the program itself has read come this way too.
    async fn hear(&mut self, value: ValueNotification) {
        let characteristic = Characteristic::vendor(value.uuid.as_u128());
        let Setting { session, dialect, has_checksums } = *self.setting.borrow();
        if !measurements(self.device.kind, dialect).any(|each| each == characteristic) {
            // Nobody waits for it when everything is being built anew.
            let _ = self.asides.send(Aside::Value(characteristic, value.value));
            return;
        }
        self.vitals.device_heard(&self.device.id());
        let now = clock::now();
        if characteristic == Characteristic::BLOOD_PRESSURE_RECORD {
            for record in self.pieces.add(&value.value, has_checksums, now) {
                self.take_record(record).await;
            }
        } else {
            if std::mem::replace(&mut self.assembles, (session, dialect)) != (session, dialect) {
                self.assembler = Assembler::of(dialect);
            }
            let Heard { payloads, is_done, is_told } = self.assembler.hear(&value.value);
            for payload in payloads {
                if is_stream(characteristic) {
                    self.add_to_minute(characteristic, &payload, now).await;
                } else {
                    self.take(characteristic, payload, None).await;
                }
            }
            let answers = [is_done.then_some(Aside::Done), is_told.then_some(Aside::Told)];
            for answer in answers.into_iter().flatten() {
                let _ = self.asides.send(answer);
            }
        }
        self.heard.send_modify(|heard| *heard += 1);
    }

    /// A record holds what the cuff would have said had somebody listened. The pressure while it inflated is no reading.
    async fn take_record(&mut self, record: Record) {
        let Record { characteristic, payload, number } = record;
        let dialect = self.setting.borrow().dialect;
        if measurements(self.device.kind, dialect).any(|each| each == characteristic) {
            self.take(characteristic, payload, number).await;
        }
    }

    async fn take(&mut self, characteristic: Characteristic, payload: Vec<u8>, number: Option<u32>) {
        let Setting { session, dialect, .. } = *self.setting.borrow();
        let meaning = interpret(characteristic, dialect, &payload);
        let is_readable = meaning.is_ok();
        let mut signal =
            Signal { dialect, session: Some(session), ..Signal::heard(self.device.id(), characteristic, payload) };
        if let Ok(meaning) = meaning {
            signal.slot = meaning.user_slot.map(UserSlot);
            signal.observations = meaning.observations;
            signal.device_time = meaning.device_time.map(DeviceTime);
            signal.counter = number.or(meaning.record_number);
        }
        self.keep(signal, is_readable).await;
    }

    async fn add_to_minute(&mut self, characteristic: Characteristic, payload: &[u8], now: Instant) {
        let of_it = |minute: &&mut Minute| minute.characteristic() == characteristic;
        if let Some(minute) = self.minutes.iter_mut().find(of_it).filter(|minute| !minute.is_full()) {
            return minute.add(payload, now);
        }
        if let Some(full) = self.minutes.iter().position(|minute| minute.characteristic() == characteristic) {
            let full = self.minutes.remove(full);
            self.keep_minute(full).await;
        }
        let Setting { session, dialect, .. } = *self.setting.borrow();
        self.minutes.push(Minute::begin(characteristic, dialect, session, payload, now));
    }

    /// Takes to flash what is over by now, or whatever there is.
    async fn finish(&mut self, by: Option<Instant>) {
        let is_over = |minute: &Minute| by.is_none_or(|now| minute.ends() <= now);
        let (over, going_on) = std::mem::take(&mut self.minutes).into_iter().partition(is_over);
        self.minutes = going_on;
        for minute in Vec::from_iter::<Vec<Minute>>(over) {
            self.keep_minute(minute).await;
        }
        for record in self.pieces.give_up(by) {
            self.take_record(record).await;
        }
    }

    async fn keep_minute(&mut self, minute: Minute) {
        let is_readable = minute.is_readable();
        self.keep(minute.finish(self.device.id()), is_readable).await;
    }

    async fn keep(&mut self, signal: Signal, is_readable: bool) {
        let characteristic = signal.characteristic;
        // What could not be taken is counted and logged by the buffer.
        if let Ok(Origin { sequence, .. }) = self.buffer.take(Kind::Signal(signal)).await {
            tracing::info!(device.id = %self.device.id(), event.seq = %sequence, %characteristic, "a signal is on flash");
        }
        let was_unreadable = std::mem::replace(&mut self.is_unreadable, !is_readable);
        if self.is_unreadable && !was_unreadable {
            super::tell(&self.buffer, &self.vitals, self.device.address, Trouble::Unreadable).await;
        }
    }
}
