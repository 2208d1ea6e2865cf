//! A device that is worn: while it is on, it advertises until somebody connects, and then notifies over and over. When it
//! is taken off it goes on for a while, without contact, and then ends the link and falls silent.
//!
//! Chest straps and finger clips are worn, with a payload of their own.

use std::time::{Duration, Instant};

use crate::{
    air::{Advertisement, Input, Output, Uuid},
    clock::Moment,
    ledger::{Deed, Ledger},
};

/// How a worn device behaves on the air.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Time between two advertisements.
    pub advertises_every: Duration,
    /// Time between two notifications.
    pub notifies_every: Duration,
    /// How long after it was taken off it ends the link.
    pub hangs_up_after: Duration,
    /// How long it waits, connected, to be subscribed.
    pub waits_for_subscription: Duration,
}

impl Default for Habits {
    /// Once a second, and off 25 s after it was taken off.
    ///
    /// Source: Polar's developer page, "20 to 30 s".
    fn default() -> Self {
        Self {
            advertises_every: Duration::from_millis(100),
            notifies_every: Duration::from_secs(1),
            hangs_up_after: Duration::from_secs(25),
            waits_for_subscription: Duration::from_secs(20),
        }
    }
}

/// The core of a worn device.
#[derive(Debug)]
pub(crate) struct Worn {
    characteristic: Uuid,
    advertisement: Advertisement,
    pub(crate) habits: Habits,
    contact: Contact,
    next_advertisement: Instant,
    link: Option<Link>,
    ledger: Ledger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contact {
    /// In a drawer.
    None,
    Skin,
    LostAt(Instant),
}

#[derive(Debug)]
struct Link {
    subscribed: bool,
    /// The next notification, or the end of its patience.
    next: Instant,
}

impl Worn {
    pub(crate) fn new(characteristic: Uuid, service: Uuid, name: &str, now: Moment) -> Self {
        Self {
            characteristic,
            advertisement: Advertisement::of(service, name),
            habits: Habits::default(),
            contact: Contact::None,
            next_advertisement: now.instant,
            link: None,
            ledger: Ledger::default(),
        }
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.advertisement.name = Some(name.to_owned());
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn put_on(&mut self, now: Moment) {
        self.contact = Contact::Skin;
        self.next_advertisement = now.instant;
        self.ledger.note(Deed::PutOn, now);
    }

    pub(crate) fn take_off(&mut self, now: Moment) {
        if self.contact == Contact::Skin {
            self.contact = Contact::LostAt(now.instant);
            self.ledger.note(Deed::TakenOff, now);
        }
    }

    /// `say` gives the payload of a notification, with or without contact.
    pub(crate) fn handle(&mut self, input: Input, now: Moment, say: impl FnOnce(bool) -> Vec<u8>) -> Vec<Output> {
        match input {
            Input::Connected => {
                self.ledger.note(Deed::Connected, now);
                let next = now.instant + self.habits.waits_for_subscription;
                self.link = Some(Link { subscribed: false, next });
            }
            Input::Subscribed { characteristic, on } if characteristic == self.characteristic => {
                if let Some(link) = &mut self.link {
                    let wait = if on { self.habits.notifies_every } else { self.habits.waits_for_subscription };
                    *link = Link { subscribed: on, next: now.instant + wait };
                }
            }
            Input::Notified(reception) => self.ledger.note_streamed(reception.listening > 0, now),
            Input::Disconnected => {
                if self.link.take().is_some() {
                    self.ledger.note(Deed::Disconnected, now);
                    self.next_advertisement = now.instant;
                }
            }
            Input::Tick => return self.tick(now, say),
            Input::Subscribed { .. } | Input::Encrypted { .. } | Input::Confirmed { .. } | Input::Aired(_) => {}
        }
        Vec::new()
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let over = self.is_over_at();
        let next = match &self.link {
            Some(link) => Some(link.next),
            None => (self.contact != Contact::None).then_some(self.next_advertisement),
        };
        next.into_iter().chain(over).min()
    }

    fn is_over_at(&self) -> Option<Instant> {
        match self.contact {
            Contact::LostAt(at) => Some(at + self.habits.hangs_up_after),
            Contact::None | Contact::Skin => None,
        }
    }

    fn tick(&mut self, now: Moment, say: impl FnOnce(bool) -> Vec<u8>) -> Vec<Output> {
        if self.is_over_at().is_some_and(|at| at <= now.instant) {
            self.contact = Contact::None;
            return if self.link.is_some() { vec![Output::HangUp] } else { Vec::new() };
        }
        match &mut self.link {
            Some(link) if link.next > now.instant => Vec::new(),
            Some(link) if link.subscribed => {
                // It keeps its beat; of what it is late for it leaves out.
                link.next = (link.next + self.habits.notifies_every).max(now.instant);
                let value = say(self.contact == Contact::Skin);
                vec![Output::Notify { characteristic: self.characteristic, value }]
            }
            Some(_) => vec![Output::HangUp],
            None if self.contact == Contact::None || self.next_advertisement > now.instant => Vec::new(),
            None => {
                self.next_advertisement = now.instant + self.habits.advertises_every;
                vec![Output::Advertise(self.advertisement.clone())]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air::Reception;

    #[test]
    fn it_speaks_once_a_second_while_it_is_on_and_hangs_up_after_it_was_taken_off() {
        let mut body = Body::new();
        assert_eq!(body.within(5), Vec::<Output>::new(), "it lies in a drawer");
        body.worn.put_on(body.now);
        assert!(matches!(body.within(1)[0], Output::Advertise(_)));
        body.connects();
        assert_eq!(body.notifications(10), [true; 10]);
        body.worn.take_off(body.now);
        assert_eq!(body.notifications(24), [false; 24]);
        assert!(body.within(2).contains(&Output::HangUp));
        body.worn.handle(Input::Disconnected, body.now, |_| Vec::new());
        assert_eq!(body.within(60), [], "and is silent");
        let streamed = body.worn.ledger().streamed();
        assert_eq!((streamed.sent, streamed.heard), (34, 34));
    }

    #[test]
    fn a_broken_link_is_looked_for_again_while_it_is_on() {
        let mut body = Body::new();
        body.worn.put_on(body.now);
        body.connects();
        body.worn.handle(Input::Disconnected, body.now, |_| Vec::new());
        assert!(matches!(body.within(1)[0], Output::Advertise(_)));
    }

    struct Body {
        worn: Worn,
        now: Moment,
    }

    impl Body {
        fn new() -> Self {
            let now = Moment::now();
            Self { worn: Worn::new(Uuid::HEART_RATE_MEASUREMENT, Uuid::HEART_RATE, "strap", now), now }
        }

        fn connects(&mut self) {
            self.worn.handle(Input::Connected, self.now, |_| Vec::new());
            let characteristic = Uuid::HEART_RATE_MEASUREMENT;
            self.worn.handle(Input::Subscribed { characteristic, on: true }, self.now, |_| Vec::new());
        }

        fn within(&mut self, seconds: u64) -> Vec<Output> {
            let end = self.now.instant + Duration::from_secs(seconds);
            let mut outputs = Vec::new();
            while let Some(at) = self.worn.next_wake().filter(|at| *at <= end) {
                self.now.instant = self.now.instant.max(at);
                for output in self.worn.handle(Input::Tick, self.now, |contact| vec![contact.into()]) {
                    if let Output::Notify { .. } = output {
                        let reception = Reception { scanning: 1, listening: 1 };
                        self.worn.handle(Input::Notified(reception), self.now, |_| Vec::new());
                    }
                    let is_over = output == Output::HangUp;
                    outputs.push(output);
                    if is_over {
                        return outputs;
                    }
                }
            }
            self.now.instant = end;
            outputs
        }

        fn notifications(&mut self, seconds: u64) -> Vec<bool> {
            let contact = |output| match output {
                Output::Notify { value, .. } => value == [1],
                other => panic!("{other:?}"),
            };
            self.within(seconds).into_iter().map(contact).collect()
        }
    }
}
