//! Values: reading, writing, notify sessions and indications.

use std::sync::Arc;

use super::{Daemon, station::Link};
use crate::{
    air::{self, Address, Reception, Uuid},
    bluez::{Attribute, Client, Refusal, Ticket},
    clock::Moment,
    lock,
    mischief::{HangUpAt, Mischief},
};

/// One request to a device's attribute.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) attribute: Attribute,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Read(Ticket),
    Write(Ticket, Vec<u8>),
    Subscribe(Ticket, Client),
    Resubscribe,
}

impl Daemon {
    pub(super) fn start_notify(&mut self, attribute: Attribute, by: Client, ticket: Ticket, now: Moment) {
        let is_able = self
            .known(attribute.device)
            .and_then(|known| known.layout.characteristic(attribute.handle))
            .is_some_and(air::Characteristic::sends_values);
        if !is_able {
            return self.refuse(ticket, Refusal::NotSupported("Operation is not supported".into()));
        }
        if self.sessions.has(attribute, &by) {
            return self.refuse(ticket, Refusal::InProgress("In Progress".into()));
        }
        match self.station(attribute.device).link {
            Link::Up(_) => self.access(attribute, What::Subscribe(ticket, by), now),
            Link::Down | Link::Wanted(_) => self.open_session(attribute, by, ticket),
        }
    }

    fn open_session(&mut self, attribute: Attribute, by: Client, ticket: Ticket) {
        if self.sessions.listeners(attribute) == 0 {
            self.characteristic_changed(attribute, "Notifying", true.into());
        }
        self.sessions.start(attribute, by);
        self.grant(ticket);
    }

    pub(super) fn stop_notify(&mut self, attribute: Attribute, by: &Client, ticket: Ticket, now: Moment) {
        if !self.sessions.stop(attribute, by) {
            return self.refuse(ticket, Refusal::Failed("No notify session started".into()));
        }
        if self.sessions.listeners(attribute) == 0 {
            self.unsubscribe(attribute, now);
        }
        self.grant(ticket);
    }

    /// Nobody listens any more; a device that is away is not told.
    pub(super) fn unsubscribe(&mut self, attribute: Attribute, now: Moment) {
        self.characteristic_changed(attribute, "Notifying", false.into());
        if let Link::Up(_) = self.station(attribute.device).link {
            self.write_client_configuration(attribute, false, now);
        }
    }

    fn write_client_configuration(&mut self, attribute: Attribute, on: bool, now: Moment) {
        let known = self.known(attribute.device);
        let characteristic = known.and_then(|it| it.layout.characteristic(attribute.handle));
        if let Some(characteristic) = characteristic.map(|it| it.uuid) {
            let input = air::Input::Subscribed { characteristic, on };
            self.tell(attribute.device, input, now);
        }
    }

    /// Does something to an attribute of a connected device; pairs first if the device insists.
    pub(super) fn access(&mut self, attribute: Attribute, what: What, now: Moment) {
        let station = self.station(attribute.device);
        let layout = station.known.as_ref().map(|known| &known.layout);
        let characteristic = layout.and_then(|it| it.characteristic(attribute.handle)).cloned();
        let (Link::Up(up), Some(characteristic)) = (&station.link, characteristic) else {
            return self.fail(what, "Not connected");
        };
        if station.temper.is(Mischief::NoServices) {
            return;
        }
        if characteristic.encrypted && !up.encrypted {
            let refused = Access { attribute, what };
            return self.begin_pairing(attribute.device, None, Some(refused), now);
        }
        let peripheral = Arc::clone(&station.peripheral);
        let insists = characteristic.encrypted && !station.bond.by_number && lock(&peripheral).passkey().is_some();
        if let (true, Link::Up(up)) = (insists, &mut station.link) {
            return up.unanswered.push(Access { attribute, what });
        }
        match what {
            What::Read(ticket) => {
                let value = lock(&peripheral).read(characteristic.uuid, now);
                let value = value.filter(|_| characteristic.allows("read"));
                let Some(value) = value else {
                    return self.refuse(ticket, Refusal::NotPermitted("Read not permitted".into()));
                };
                self.value_seen(attribute, value.clone());
                self.reply(ticket, Ok(value));
            }
            What::Write(ticket, value) => {
                let may_write = characteristic.allows("write") || characteristic.allows("write-without-response");
                let is_written = may_write && lock(&peripheral).write(characteristic.uuid, &value, now);
                self.grant_if(is_written, ticket, || Refusal::NotPermitted("Write not permitted".into()));
            }
            What::Subscribe(ticket, by) => {
                self.write_client_configuration(attribute, true, now);
                self.open_session(attribute, by, ticket);
            }
            What::Resubscribe => self.write_client_configuration(attribute, true, now),
        }
    }

    pub(super) fn fail(&mut self, what: What, why: &str) {
        match what {
            What::Read(ticket) | What::Write(ticket, _) | What::Subscribe(ticket, _) => {
                self.refuse(ticket, Refusal::Failed(why.into()));
            }
            What::Resubscribe => {}
        }
    }

    /// Takes an indication. It is confirmed even when nobody listens.
    pub(super) fn indicated(&mut self, address: Address, characteristic: Uuid, value: Vec<u8>, now: Moment) {
        let scanning = self.discovery.clients();
        let station = self.station(address);
        let known = station.known.as_ref();
        let handle = known.and_then(|known| known.layout.handle_of(characteristic));
        if station.temper.take(Mischief::HangUp(HangUpAt::BeforeIndication)) {
            return self.drop_link(address, now);
        }
        let is_cut = station.temper.take(Mischief::MalformedNext);
        let loses_confirmation = station.temper.take(Mischief::HangUp(HangUpAt::BeforeConfirmation));
        let Link::Up(up) = &mut station.link else {
            return;
        };
        up.indications += u32::from(!loses_confirmation);
        let confirmed = up.indications;
        let hangs_up = station.temper.take(Mischief::HangUp(HangUpAt::AfterIndication(confirmed)));

        let mut payload = value;
        if is_cut {
            payload.truncate(3);
        }
        let device = address;
        let attribute = handle.map(|handle| Attribute { device, handle });
        let listening = attribute.map_or(0, |attribute| self.sessions.listeners(attribute));
        if let Some(attribute) = attribute.filter(|_| listening > 0) {
            self.value_seen(attribute, payload.clone());
        }
        if loses_confirmation {
            return self.drop_link(address, now);
        }
        let reception = Reception { scanning, listening };
        self.tell(address, air::Input::Confirmed { payload, reception }, now);
        if hangs_up {
            self.drop_link(address, now);
        }
    }

    /// Takes a notification. It is gone if nobody listens.
    pub(super) fn notified(&mut self, address: Address, characteristic: Uuid, mut value: Vec<u8>, now: Moment) {
        let scanning = self.discovery.clients();
        let station = self.station(address);
        let Link::Up(_) = station.link else { return };
        if station.temper.take(Mischief::MalformedNext) {
            value.truncate(3);
        }
        let handle = station.known.as_ref().and_then(|known| known.layout.handle_of(characteristic));
        let attribute = handle.map(|handle| Attribute { device: address, handle });
        let listening = attribute.map_or(0, |attribute| self.sessions.listeners(attribute));
        if let Some(attribute) = attribute.filter(|_| listening > 0) {
            self.value_seen(attribute, value);
        }
        self.tell(address, air::Input::Notified(Reception { scanning, listening }), now);
    }

    fn value_seen(&mut self, attribute: Attribute, value: Vec<u8>) {
        if let Some(known) = &mut self.station(attribute.device).known {
            known.values.insert(attribute.handle, value.clone());
        }
        self.characteristic_changed(attribute, "Value", value.into());
    }
}
