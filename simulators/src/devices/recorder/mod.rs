//! A device that measures now and tells later: it keeps readings, advertises for a while after a measurement, and
//! indicates what it keeps, oldest first, one at a time, the next only after the confirmation. Some wait to be asked.
//!
//! Cuffs, spot-check oximeters, thermometers and scales are recorders with a payload of their own.

mod record_access;

use std::time::{Duration, Instant};

use self::record_access::{Answer, Wanted};
use crate::{
    air::{Advertisement, Input, Output, Reception, Uuid},
    clock::Moment,
    ledger::{Deed, Ledger, ReadingId},
};

/// How a recorder behaves on the air.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Time between two advertisements.
    pub advertises_every: Duration,
    /// How long it advertises after a measurement.
    pub advertises_for: Duration,
    /// How long after a link that ended too early it advertises again.
    pub tries_again_after: Duration,
    /// From being subscribed to the first indication.
    pub indicates_after: Duration,
    /// From a confirmation to the next indication.
    pub indicates_every: Duration,
    /// How long it stays connected after the last confirmation.
    pub lingers: Duration,
    /// How long it waits, connected, to be subscribed.
    pub waits_for_subscription: Duration,
    /// Sends everything it keeps each time, as Beurer's do; else a reading is forgotten once confirmed.
    pub keeps_memory: bool,
    /// Keeps what it measured until somebody comes for it; else the reading is forgotten with the next, or when its
    /// advertising ends, as thermometers do.
    pub keeps_unsent: bool,
    /// Sends what it keeps only when asked at its Record Access Control Point.
    pub waits_to_be_asked: bool,
    /// What it asks of a link.
    pub bonding: Bonding,
    /// Remembers that a bonded central subscribed, and indicates without being asked again.
    pub keeps_subscription: bool,
}

impl Default for Habits {
    /// A cuff that is quick on the air but patient on the link, and forgets what was confirmed.
    fn default() -> Self {
        Self {
            advertises_every: Duration::from_millis(100),
            advertises_for: Duration::from_secs(30),
            tries_again_after: Duration::from_secs(2),
            indicates_after: Duration::from_millis(50),
            indicates_every: Duration::from_millis(50),
            lingers: Duration::from_millis(500),
            waits_for_subscription: Duration::from_secs(20),
            keeps_memory: false,
            keeps_unsent: true,
            waits_to_be_asked: false,
            bonding: Bonding::NotNeeded,
            keeps_subscription: false,
        }
    }
}

/// Whether a device insists on keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bonding {
    /// Anyone may subscribe.
    NotNeeded,
    /// Subscribing needs an encrypted link.
    ToSubscribe,
    /// As before, and it asks for security itself as soon as it is connected.
    AskedFor,
    /// Subscribing needs keys that were made with the number that it shows.
    ByNumber(u32),
}

/// The core of a recorder.
#[derive(Debug)]
pub(crate) struct Recorder {
    characteristic: Uuid,
    /// Notifies, and takes what was sent for delivered; else it indicates.
    notifies: bool,
    advertisement: Advertisement,
    pub(crate) habits: Habits,
    memory: Vec<Stored>,
    last_reading: u32,
    /// The client configuration that is kept for the bonded central.
    kept_subscription: bool,
    on_air: Option<OnAir>,
    link: Option<Link>,
    ledger: Ledger,
}

#[derive(Debug)]
struct Stored {
    reading: ReadingId,
    payload: Vec<u8>,
    delivered: bool,
}

#[derive(Debug)]
struct OnAir {
    next: Instant,
    until: Instant,
}

#[derive(Debug)]
struct Link {
    bonded: bool,
    subscribed: bool,
    /// Whether the answers of the control point are subscribed to.
    control_subscribed: bool,
    /// What it was asked for and has not sent yet.
    wanted: Option<Wanted>,
    /// The last reading that went over this link; the next is the oldest after it.
    sent: ReadingId,
    doing: Doing,
}

#[derive(Debug)]
enum Doing {
    WaitingForSubscription { until: Instant },
    Indicating { at: Instant },
    WaitingForConfirmation(ReadingId),
    Answering { at: Instant, answer: Answer },
    WaitingForAnswerToBeConfirmed,
    Lingering { until: Instant },
}

impl Recorder {
    pub(crate) fn new(characteristic: Uuid, service: Uuid, name: &str) -> Self {
        Self {
            characteristic,
            notifies: false,
            advertisement: Advertisement::of(service, name),
            habits: Habits::default(),
            memory: Vec::new(),
            last_reading: 0,
            kept_subscription: false,
            on_air: None,
            link: None,
            ledger: Ledger::default(),
        }
    }

    /// As [`new`](Self::new), for a device that notifies.
    pub(crate) fn notifying(characteristic: Uuid, service: Uuid, name: &str) -> Self {
        Self { notifies: true, ..Self::new(characteristic, service, name) }
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.advertisement.name = Some(name.to_owned());
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Keeps a reading and goes on the air with it.
    pub(crate) fn keep(&mut self, payload: Vec<u8>, now: Moment) -> ReadingId {
        self.last_reading += 1;
        let reading = ReadingId(self.last_reading);
        self.ledger.note(Deed::Measured(reading), now);
        if !self.habits.keeps_unsent {
            self.give_up(now);
        }
        self.memory.push(Stored { reading, payload, delivered: false });
        self.go_on_air(now.instant);
        reading
    }

    /// Advertises for the usual time, with or without anything to tell.
    pub(crate) fn go_on_air(&mut self, from: Instant) {
        self.on_air = Some(OnAir { next: from, until: from + self.habits.advertises_for });
    }

    /// Gives up what nobody came for.
    fn give_up(&mut self, now: Moment) {
        for reading in self.memory.drain(..).filter(|kept| !kept.delivered).map(|kept| kept.reading) {
            self.ledger.note(Deed::Forgot(reading), now);
        }
    }

    /// A request at the control point; `false` when it refuses it.
    pub(crate) fn asked(&mut self, request: &[u8], now: Moment) -> bool {
        let count = self.memory.len();
        let at = now.instant + self.habits.indicates_after;
        let Some(link) = self.link.as_mut().filter(|link| link.control_subscribed && self.habits.waits_to_be_asked)
        else {
            return false;
        };
        let is_busy = match link.doing {
            Doing::WaitingForSubscription { .. } | Doing::Lingering { .. } => false,
            Doing::Indicating { .. }
            | Doing::WaitingForConfirmation(_)
            | Doing::Answering { .. }
            | Doing::WaitingForAnswerToBeConfirmed => true,
        };
        if is_busy {
            return false;
        }
        match record_access::parse(request, count) {
            Ok(wanted) => {
                link.sent = match wanted {
                    Wanted::All | Wanted::First => ReadingId(0),
                    Wanted::Last => ReadingId(self.last_reading.saturating_sub(1)),
                };
                link.wanted = Some(wanted);
                link.doing = Doing::Indicating { at };
            }
            Err(answer) => link.doing = Doing::Answering { at, answer },
        }
        true
    }

    /// Loses what it kept for a bonded central.
    pub(crate) fn forget_bond(&mut self) {
        self.kept_subscription = false;
    }

    pub(crate) fn handle(&mut self, input: Input, now: Moment) -> Vec<Output> {
        match input {
            Input::Connected => self.connected(now),
            Input::Encrypted { bonded } => self.encrypted(bonded, now),
            Input::Subscribed { characteristic, on } if characteristic == self.characteristic => {
                self.subscribed(on, now);
            }
            Input::Subscribed { characteristic: Uuid::RECORD_ACCESS_CONTROL_POINT, on } => {
                if let Some(link) = &mut self.link {
                    link.control_subscribed = on;
                }
            }
            Input::Confirmed { payload, reception } => self.confirmed(payload, reception, now),
            Input::Notified(reception) => self.notified(reception, now),
            Input::Disconnected => self.disconnected(now),
            Input::Tick => return self.tick(now),
            Input::Subscribed { .. } | Input::Aired(_) => {}
        }
        Vec::new()
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        match &self.link {
            None => self.on_air.as_ref().map(|on_air| on_air.next),
            Some(link) => match link.doing {
                Doing::WaitingForSubscription { until } | Doing::Lingering { until } => Some(until),
                Doing::Indicating { at } | Doing::Answering { at, .. } => Some(at),
                Doing::WaitingForConfirmation(_) | Doing::WaitingForAnswerToBeConfirmed => None,
            },
        }
    }

    fn connected(&mut self, now: Moment) {
        self.ledger.note(Deed::Connected, now);
        self.on_air = None;
        self.link = Some(Link {
            bonded: false,
            subscribed: false,
            control_subscribed: false,
            wanted: None,
            sent: ReadingId(0),
            doing: Doing::WaitingForSubscription { until: now.instant + self.habits.waits_for_subscription },
        });
    }

    fn encrypted(&mut self, bonded: bool, now: Moment) {
        let Some(link) = &mut self.link else { return };
        link.bonded = bonded;
        if bonded && self.habits.keeps_subscription && self.kept_subscription {
            self.subscribed(true, now);
        }
    }

    fn subscribed(&mut self, on: bool, now: Moment) {
        let Some(link) = &mut self.link else { return };
        link.subscribed = on;
        self.kept_subscription = on && link.bonded;
        let begins = on && !self.habits.waits_to_be_asked;
        if let (true, Doing::WaitingForSubscription { .. }) = (begins, &link.doing) {
            link.doing = Doing::Indicating { at: now.instant + self.habits.indicates_after };
        }
    }

    fn confirmed(&mut self, payload: Vec<u8>, reception: Reception, now: Moment) {
        let lingers_until = now.instant + self.habits.lingers;
        if let Some(Link { doing: doing @ Doing::WaitingForAnswerToBeConfirmed, .. }) = &mut self.link {
            *doing = Doing::Lingering { until: lingers_until };
        }
        if let Some(reading) = self.delivered(now) {
            self.ledger.note(Deed::Confirmed { reading, payload, reception }, now);
        }
    }

    fn notified(&mut self, reception: Reception, now: Moment) {
        if let Some(reading) = self.delivered(now) {
            self.ledger.note(Deed::Notified { reading, reception }, now);
        }
    }

    /// The reading on its way has arrived, as far as the device can tell.
    fn delivered(&mut self, now: Moment) -> Option<ReadingId> {
        let link = self.link.as_mut()?;
        let Doing::WaitingForConfirmation(reading) = link.doing else { return None };
        link.doing = Doing::Indicating { at: now.instant + self.habits.indicates_every };
        if self.habits.keeps_memory {
            let stored = self.memory.iter_mut().find(|kept| kept.reading == reading);
            stored.into_iter().for_each(|kept| kept.delivered = true);
        } else {
            self.memory.retain(|kept| kept.reading != reading);
        }
        Some(reading)
    }

    fn disconnected(&mut self, now: Moment) {
        if self.link.take().is_none() {
            return;
        }
        self.ledger.note(Deed::Disconnected, now);
        if self.memory.iter().any(|kept| !kept.delivered) {
            self.go_on_air(now.instant + self.habits.tries_again_after);
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Output> {
        if self.link.is_none() {
            return self.advertise(now);
        }
        let due = self.next_wake().is_some_and(|at| at <= now.instant);
        if !due {
            return Vec::new();
        }
        match self.link.as_ref().map(|link| &link.doing) {
            Some(Doing::Indicating { .. }) => self.indicate(now),
            Some(Doing::Answering { answer, .. }) => {
                let value = answer.to_bytes();
                if let Some(link) = &mut self.link {
                    link.doing = Doing::WaitingForAnswerToBeConfirmed;
                }
                vec![Output::Indicate { characteristic: Uuid::RECORD_ACCESS_CONTROL_POINT, value }]
            }
            Some(Doing::WaitingForSubscription { .. } | Doing::Lingering { .. }) => {
                vec![Output::HangUp]
            }
            Some(Doing::WaitingForConfirmation(_) | Doing::WaitingForAnswerToBeConfirmed) | None => Vec::new(),
        }
    }

    fn advertise(&mut self, now: Moment) -> Vec<Output> {
        let Some(on_air) = &mut self.on_air else {
            return Vec::new();
        };
        if now.instant > on_air.until {
            self.on_air = None;
            if !self.habits.keeps_unsent {
                self.give_up(now);
            }
            return Vec::new();
        }
        if now.instant < on_air.next {
            return Vec::new();
        }
        on_air.next = now.instant + self.habits.advertises_every;
        vec![Output::Advertise(self.advertisement.clone())]
    }

    fn indicate(&mut self, now: Moment) -> Vec<Output> {
        let Some(link) = &mut self.link else {
            return Vec::new();
        };
        let next =
            self.memory.iter().find(|kept| kept.reading > link.sent && (self.habits.keeps_memory || !kept.delivered));
        let Some(next) = next.filter(|_| link.subscribed) else {
            link.doing = match link.wanted.take() {
                Some(_) => Doing::Answering { at: now.instant, answer: Answer::REPORTED },
                None => Doing::Lingering { until: now.instant + self.habits.lingers },
            };
            return Vec::new();
        };
        if link.wanted == Some(Wanted::First) {
            // There is none after it.
            link.sent = ReadingId(u32::MAX);
        } else {
            link.sent = next.reading;
        }
        link.doing = Doing::WaitingForConfirmation(next.reading);
        self.ledger.note(Deed::Indicated { reading: next.reading, payload: next.payload.clone() }, now);
        let (characteristic, value) = (self.characteristic, next.payload.clone());
        match self.notifies {
            true => vec![Output::Notify { characteristic, value }],
            false => vec![Output::Indicate { characteristic, value }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_sent_oldest_first_and_the_next_only_after_the_confirmation() {
        let mut desk = Desk::with(Habits::default());
        desk.measures(b"one");
        desk.measures(b"two");

        desk.connects();
        desk.subscribes();
        assert_eq!(desk.indications(), [b"one".to_vec()]);
        assert!(desk.indications().is_empty(), "nothing was confirmed yet");
        desk.confirms(b"one");
        assert_eq!(desk.indications(), [b"two".to_vec()]);
    }

    #[test]
    fn a_confirmed_reading_is_forgotten_and_an_unconfirmed_one_comes_again() {
        let mut desk = Desk::with(Habits::default());
        desk.measures(b"one");
        desk.measures(b"two");
        desk.connects();
        desk.subscribes();
        desk.indications();
        desk.confirms(b"one");
        desk.indications();
        desk.disconnects();

        desk.connects();
        desk.subscribes();
        assert_eq!(desk.indications(), [b"two".to_vec()]);
    }

    #[test]
    fn a_device_that_keeps_its_memory_sends_everything_each_time() {
        let mut desk = Desk::with(Habits { keeps_memory: true, ..Habits::default() });
        desk.measures(b"one");
        for _ in 0..2 {
            desk.connects();
            desk.subscribes();
            assert_eq!(desk.indications(), [b"one".to_vec()]);
            desk.confirms(b"one");
            assert!(desk.indications().is_empty());
            desk.disconnects();
        }
        assert_eq!(desk.recorder.ledger().confirmed().len(), 2);
    }

    #[test]
    fn a_kept_subscription_needs_no_second_write() {
        let mut desk = Desk::with(Habits { keeps_subscription: true, ..Habits::default() });
        desk.connects();
        desk.encrypts();
        desk.subscribes();
        desk.disconnects();

        desk.measures(b"one");
        desk.connects();
        assert!(desk.indications().is_empty(), "the link is not encrypted yet");
        desk.encrypts();
        assert_eq!(desk.indications(), [b"one".to_vec()]);
    }

    #[test]
    fn advertising_ends_with_its_window_and_starts_again_after_a_broken_link() {
        let mut desk = Desk::with(Habits::default());
        desk.measures(b"one");
        assert!(desk.advertises());
        desk.later(Duration::from_secs(31));
        assert!(!desk.advertises());

        desk.measures(b"two");
        desk.connects();
        desk.disconnects();
        assert!(!desk.advertises());
        desk.later(Duration::from_secs(2));
        assert!(desk.advertises());
    }

    #[test]
    fn it_hangs_up_when_all_is_sent() {
        let mut desk = Desk::with(Habits::default());
        desk.connects();
        desk.subscribes();
        assert!(desk.indications().is_empty());
        desk.later(Duration::from_secs(1));
        assert_eq!(desk.tick(), [Output::HangUp]);
    }

    #[test]
    fn what_nobody_came_for_is_forgotten_by_a_device_that_keeps_nothing() {
        let mut desk = Desk::with(Habits { keeps_unsent: false, ..Habits::default() });
        desk.measures(b"one");
        desk.measures(b"two");
        desk.connects();
        desk.subscribes();
        assert_eq!(desk.indications(), [b"two".to_vec()]);
        desk.disconnects();
        desk.later(Duration::from_secs(60));
        desk.tick();
        desk.connects();
        desk.subscribes();
        assert!(desk.indications().is_empty());
        let forgot = |entry: &&crate::ledger::Entry| matches!(entry.deed, Deed::Forgot(_));
        assert_eq!(desk.recorder.ledger().entries().iter().filter(forgot).count(), 2);
    }

    #[test]
    fn a_device_that_waits_to_be_asked_sends_what_it_is_asked_for_and_then_says_so() {
        let mut desk = Desk::with(Habits { waits_to_be_asked: true, ..Habits::default() });
        desk.measures(b"one");
        desk.measures(b"two");
        desk.connects();
        assert!(!desk.asks(&[1, 1]), "its answers are not subscribed to");
        desk.subscribes();
        desk.subscribes_to(Uuid::RECORD_ACCESS_CONTROL_POINT);
        assert!(desk.indications().is_empty());

        assert!(desk.asks(&[4, 1]));
        assert_eq!(desk.indications(), [vec![5, 0, 2, 0]]);
        desk.confirms(&[5, 0, 2, 0]);
        assert!(desk.asks(&[1, 1]));
        assert!(!desk.asks(&[1, 1]), "it is busy");
        for reading in [b"one".to_vec(), b"two".to_vec()] {
            assert_eq!(desk.indications().concat(), reading);
            desk.confirms(&reading);
        }
        assert!(desk.indications().is_empty());
        assert_eq!(desk.indications(), [vec![6, 0, 1, 1]]);
        desk.confirms(&[6, 0, 1, 1]);
        assert!(desk.asks(&[1, 1]));
        assert_eq!(desk.indications(), [vec![6, 0, 1, 6]], "there are no more");
    }

    struct Desk {
        recorder: Recorder,
        now: Moment,
    }

    impl Desk {
        fn with(habits: Habits) -> Self {
            let mut recorder = Recorder::new(Uuid::BLOOD_PRESSURE_MEASUREMENT, Uuid::BLOOD_PRESSURE, "cuff");
            recorder.habits = habits;
            Self { recorder, now: Moment::now() }
        }

        fn later(&mut self, span: Duration) {
            self.now.instant += span;
        }

        fn measures(&mut self, payload: &[u8]) {
            self.recorder.keep(payload.to_vec(), self.now);
        }

        fn connects(&mut self) {
            self.recorder.handle(Input::Connected, self.now);
        }

        fn encrypts(&mut self) {
            self.recorder.handle(Input::Encrypted { bonded: true }, self.now);
        }

        fn subscribes(&mut self) {
            self.subscribes_to(Uuid::BLOOD_PRESSURE_MEASUREMENT);
        }

        fn asks(&mut self, request: &[u8]) -> bool {
            self.recorder.asked(request, self.now)
        }

        fn subscribes_to(&mut self, characteristic: Uuid) {
            self.recorder.handle(Input::Subscribed { characteristic, on: true }, self.now);
        }

        fn confirms(&mut self, payload: &[u8]) {
            self.recorder
                .handle(Input::Confirmed { payload: payload.to_vec(), reception: Reception::default() }, self.now);
        }

        fn disconnects(&mut self) {
            self.recorder.handle(Input::Disconnected, self.now);
        }

        fn tick(&mut self) -> Vec<Output> {
            self.recorder.handle(Input::Tick, self.now)
        }

        fn advertises(&mut self) -> bool {
            matches!(self.tick()[..], [Output::Advertise(_)])
        }

        /// What it indicates within the next 100 ms.
        fn indications(&mut self) -> Vec<Vec<u8>> {
            self.later(Duration::from_millis(100));
            let value = |output| match output {
                Output::Indicate { value, .. } => Some(value),
                Output::Notify { value, .. } => Some(value),
                Output::Advertise(_) | Output::HangUp | Output::ChangeAddress => None,
            };
            self.tick().into_iter().filter_map(value).collect()
        }
    }
}
