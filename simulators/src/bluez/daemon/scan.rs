//! Scanning: who starts and stops it, and what BlueZ shows of an advertisement.

use super::{
    Daemon, Effect, Until,
    station::{Known, Link},
};
use crate::{
    air::{self, Address, Advertisement, Reception},
    bluez::{
        Client, Refusal, Ticket,
        paths::{self, Object},
    },
    clock::Moment,
    lock,
    mischief::Mischief,
};

impl Daemon {
    pub(super) fn start_discovery(&mut self, by: Client, ticket: Ticket) {
        if !self.powered {
            return self.refuse(ticket, Refusal::NotReady("Resource Not Ready".into()));
        }
        let was_on = self.discovery.is_on();
        if !was_on && self.deaf == Some(Until::TheScanBeginsAnew) {
            self.deaf = None;
        }
        if !self.discovery.start(by) {
            return self.refuse(ticket, Refusal::InProgress("Operation already in progress".into()));
        }
        self.grant(ticket);
        if !was_on {
            self.adapter_changed("Discovering", true);
        }
    }

    pub(super) fn stop_discovery(&mut self, by: &Client, ticket: Ticket) {
        if !self.discovery.stop(by) {
            return self.refuse(ticket, Refusal::Failed("No discovery started".into()));
        }
        self.grant(ticket);
        self.end_scan_if_unwanted();
    }

    pub(super) fn end_scan_if_unwanted(&mut self) {
        if self.discovery.is_on() {
            return;
        }
        for (address, station) in &mut self.stations {
            let rssi = station.known.as_mut().and_then(|known| known.rssi.take());
            if rssi.is_some() {
                self.effects.push(Effect::Changed {
                    path: paths::device(*address),
                    interface: paths::DEVICE,
                    changed: Vec::new(),
                    invalidated: vec!["RSSI"],
                });
            }
        }
        self.adapter_changed("Discovering", false);
    }

    pub(super) fn advertised(&mut self, address: Address, advertisement: Advertisement, now: Moment) {
        let is_heard = self.is_able_to_hear() && self.discovery.lets_through(&advertisement);
        let reception = Reception { scanning: if is_heard { self.discovery.clients() } else { 0 }, listening: 0 };
        let opens_at = now.instant + self.options.connecting_takes;
        let is_able = self.is_able_to_hear();
        let station = self.station(address);
        let takes_links = is_able && advertisement.connectable && !station.temper.is(Mischief::Mute);
        if let (true, Link::Wanted(wanted)) = (takes_links, &mut station.link) {
            wanted.opens_at.get_or_insert(opens_at);
        }
        if is_heard {
            self.show_advertisement(address, advertisement, now);
        }
        self.tell(address, air::Input::Aired(reception), now);
    }

    fn show_advertisement(&mut self, address: Address, heard: Advertisement, now: Moment) {
        let repeats_rssi = self.discovery.repeats_rssi();
        let repeats_data = self.discovery.repeats_data();
        let forgotten_at = now.instant + self.options.remembers_for;
        let station = self.station(address);
        let (signal, has_random_address) = {
            let peripheral = lock(&station.peripheral);
            (peripheral.signal_dbm(), peripheral.has_random_address())
        };
        let Some(known) = &mut station.known else {
            station.known = Some(Known {
                has_random_address,
                name: heard.name,
                services: heard.services,
                rssi: Some(signal),
                manufacturer_data: heard.manufacturer_data,
                service_data: heard.service_data,
                forgotten_at: Some(forgotten_at),
                ..Known::default()
            });
            let device = Object::Device(address);
            self.effects.push(Effect::Serve(device));
            return;
        };
        if let Some(at) = &mut known.forgotten_at {
            *at = forgotten_at;
        }
        let mut changed = Vec::new();
        if known.rssi.replace(signal) != Some(signal) || repeats_rssi {
            changed.push(("RSSI", signal.into()));
        }
        if let Some(name) = heard.name.filter(|name| known.name.as_ref() != Some(name)) {
            changed.push(("Name", name.clone().into()));
            changed.push(("Alias", name.clone().into()));
            known.name = Some(name);
        }
        if let Some(data) = heard.manufacturer_data {
            if repeats_data || known.manufacturer_data.as_ref() != Some(&data) {
                changed.push(("ManufacturerData", paths::manufacturer_data(&data).into()));
            }
            known.manufacturer_data = Some(data);
        }
        if let Some(data) = heard.service_data {
            if repeats_data || known.service_data.as_ref() != Some(&data) {
                changed.push(("ServiceData", paths::service_data(&data).into()));
            }
            known.service_data = Some(data);
        }
        if !changed.is_empty() {
            self.device_changed(address, changed);
        }
    }
}
