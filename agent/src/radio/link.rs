//! One device, for the life of the program: listening always, connecting when told to.
//!
//! The same [`Peripheral`] and one stream of values serve every session, and the stream is open before the first
//! connection: BlueZ keeps a program's subscription over a hang-up and confirms what the device sends in the moment it
//! reconnects, before `connect` returns. Whoever begins to listen after that has lost the reading.

use std::sync::Arc;

use btleplug::api::{Central as _, Peripheral as _};
use btleplug::platform::{Adapter, Peripheral};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::about::About;
use super::bonds::Course;
use super::bus::{Bus, Change};
use super::ear::{Ear, Setting};
use super::pairing::{Doorkeeper, Manner};
use super::talk::Talk;
use super::{Adopted, CALL_LIMIT};
use crate::buffer::Buffer;
use crate::config::Device;
use crate::heartbeat::Vitals;
use crate::sessions::{Address, Ended};
use crate::stop::Stop;

/// What a device's task needs.
pub(super) struct Link {
    pub(super) device: Device,
    pub(super) bus: Arc<Bus>,
    pub(super) adapter: Adapter,
    pub(super) doorkeeper: Doorkeeper,
    pub(super) adopted: Adopted,
    pub(super) buffer: Buffer,
    pub(super) vitals: Vitals,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) stop: Stop,
}

/// Asks for one session.
#[derive(Copy, Clone, Debug)]
pub(super) struct Order {
    /// How to ask the device to pair, unless it is bonded.
    pub(super) pair: Option<Manner>,
}

/// What a device's task tells.
#[derive(Copy, Clone, Debug)]
pub(super) enum Report {
    /// A connection stands.
    Connected(Address),
    /// A session is over; how it went, unless there was none.
    Ended(Address, Ended, Option<Course>),
}

/// How a device's link stands, as BlueZ says.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Standing {
    /// How often a link came about.
    pub(super) links: u64,
    /// How often it hung up.
    pub(super) hang_ups: u64,
    /// Whether there is a link and its services are known.
    pub(super) is_resolved: bool,
    /// Whether there is a bond.
    pub(super) is_bonded: bool,
    /// How often it has begun to pair.
    pub(super) pairings: u64,
    /// How often it has asked for the number that it shows.
    pub(super) numbers: u64,
}

impl Standing {
    /// What BlueZ says has changed.
    pub(super) fn change(&mut self, change: Change) {
        match change.connected {
            Some(true) => self.links += 1,
            Some(false) => (self.hang_ups, self.is_resolved) = (self.hang_ups + 1, false),
            None => {}
        }
        self.is_resolved = change.resolved.unwrap_or(self.is_resolved);
        self.is_bonded = change.paired.unwrap_or(self.is_bonded);
    }
}

impl Link {
    /// Serves the device until the program stops, nobody asks for it any more, or the bus is lost.
    pub(super) async fn serve(mut self) {
        let mut order = None;
        // One that BlueZ knows may speak before it is connected to. One that it has never heard of must be heard first.
        let peripheral = loop {
            if let Some(peripheral) = self.find().await {
                break peripheral;
            }
            if order.take().is_some() {
                let _ = self.reports.send(Report::Ended(self.device.address, Ended::Failed, None));
            }
            tokio::select! {
                next = self.orders.recv() => match next {
                    Some(next) => order = Some(next),
                    None => return,
                },
                () = self.stop.asked() => return,
            }
        };
        let values = match timeout(CALL_LIMIT, peripheral.notifications()).await {
            Ok(Ok(values)) => values,
            Ok(Err(error)) => return tracing::warn!(device.id = %self.device.id(), %error, "it cannot be listened to"),
            Err(_) => return tracing::warn!(device.id = %self.device.id(), "BlueZ does not answer"),
        };
        let name = timeout(CALL_LIMIT, peripheral.properties()).await.ok().and_then(Result::ok).flatten();
        let name = name.and_then(|properties| properties.advertisement_name);
        let Self { device, bus, adapter: _, doorkeeper, adopted, buffer, vitals, reports, orders, standing, stop } =
            self;
        let (heard, activity) = watch::channel(0);
        let (aside, asides) = mpsc::unbounded_channel();
        let about = About::default();
        let dialect = device.dialect.or_else(|| about.dialect(device.kind, name.as_deref())).unwrap_or_default();
        let (setting, present) = watch::channel(Setting { session: rand::random(), dialect, has_checksums: false });
        let ear = Ear::new(device.clone(), buffer.clone(), vitals.clone(), present, heard, aside);
        let talk = Talk {
            device,
            bus,
            doorkeeper,
            adopted,
            peripheral,
            buffer,
            vitals,
            reports,
            began: *standing.borrow(),
            standing: standing.clone(),
            activity,
            asides,
            setting,
            name,
            about: None,
            troubles: Vec::new(),
        };
        tokio::select! {
            () = ear.listen(values, standing, stop) => {}
            () = talk.converse(order, orders) => {}
        }
    }

    async fn find(&self) -> Option<Peripheral> {
        let path = self.bus.path(&self.device.address);
        let known = timeout(CALL_LIMIT, self.adapter.peripherals()).await.ok()?.ok()?;
        known.into_iter().find(|peripheral| path.ends_with(&peripheral.id().to_string()))
    }
}
