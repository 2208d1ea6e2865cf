//! The adapter: switched on and off, pulled out and plugged in, and deaf without knowing it.

use super::{Daemon, Effect};
use crate::{
    bluez::{Ticket, discovery::Discovery, paths::Object},
    clock::Moment,
};

/// What makes a deaf adapter hear again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its scan is ended and begun.
    TheScanBeginsAnew,
    /// It is switched off and on.
    ItIsSwitchedOffAndOn,
}

impl Daemon {
    pub(crate) fn is_plugged_in(&self) -> bool {
        self.plugged_in
    }

    pub(crate) fn deafen(&mut self, until: Until) {
        self.deaf = Some(until);
    }

    pub(crate) fn most_links_in_the_making(&self) -> usize {
        self.most_wanted
    }

    pub(super) fn is_able_to_hear(&self) -> bool {
        self.powered && self.plugged_in && self.deaf.is_none()
    }

    pub(super) fn set_powered(&mut self, on: bool, ticket: Ticket, now: Moment) {
        let was_on = self.powered;
        if was_on && !on {
            self.switch_off(now);
        }
        self.powered = on;
        if was_on != on {
            self.adapter_changed("Powered", on);
        }
        self.grant(ticket);
    }

    /// Links and scans end.
    fn switch_off(&mut self, now: Moment) {
        let addresses: Vec<_> = self.stations.keys().copied().collect();
        for address in addresses {
            self.drop_link(address, now);
        }
        if self.discovery.is_on() {
            self.discovery = Discovery::default();
            self.end_scan_if_unwanted();
        }
        self.deaf = None;
    }

    /// Source: seen with BlueZ 5.66 when the kernel's virtual controller goes.
    pub(super) fn unplug(&mut self, ticket: Ticket, now: Moment) {
        self.switch_off(now);
        (self.plugged_in, self.powered) = (false, false);
        self.adapter_changed("Powered", false);
        for address in self.known_devices() {
            let station = self.station(address);
            let is_stored = station.bond.ours || station.forgotten_at().is_none();
            let Some(known) = &mut station.known else { continue };
            let layout = std::mem::take(&mut known.layout);
            let attributes = layout.handles().rev().map(|handle| Object::of(address, &layout, handle));
            let objects: Vec<_> = attributes.chain([Object::Device(address)]).map(Effect::Withdraw).collect();
            if !is_stored {
                station.known = None;
            }
            self.sessions.forget(address);
            self.effects.extend(objects);
        }
        self.effects.push(Effect::Withdraw(Object::Adapter));
        self.grant(ticket);
    }

    pub(super) fn plug_in(&mut self, ticket: Ticket) {
        (self.plugged_in, self.powered) = (true, true);
        let devices = self.known_devices().into_iter().map(Object::Device);
        let objects: Vec<_> = [Object::Adapter].into_iter().chain(devices).map(Effect::Serve).collect();
        self.effects.extend(objects);
        self.grant(ticket);
    }
}
