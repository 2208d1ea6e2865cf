//! Links: from the wish for one to its end, and what BlueZ does by itself on a new one.

use std::{collections::VecDeque, time::Instant};

use zbus::Variant;

use super::{
    Daemon, Effect,
    pairing::authentication_failed,
    station::{Link, Step, Up, Wanted},
    values::What,
};
use crate::{
    air::{self, Address, Uuid},
    bluez::{Refusal, Ticket, gatt::Layout, paths::Object},
    clock::Moment,
    lock,
    mischief::{HangUpAt, Mischief},
};

/// What BlueZ calls a link that did not come about.
const ABORTED: &str = "le-connection-abort-by-local";

impl Daemon {
    pub(super) fn connect(&mut self, address: Address, ticket: Ticket) {
        if !self.powered {
            return self.refuse(ticket, Refusal::NotReady("Resource Not Ready".into()));
        }
        let station = self.station(address);
        match &mut station.link {
            Link::Up(_) => self.grant(ticket),
            Link::Wanted(_) => self.refuse(ticket, Refusal::InProgress("Operation already in progress".into())),
            Link::Down => {
                station.link = Link::Wanted(Wanted { connect: Some(ticket), ..Wanted::default() });
                self.count_wanted();
            }
        }
    }

    pub(super) fn count_wanted(&mut self) {
        let wanted = self.stations.values().filter(|station| matches!(station.link, Link::Wanted(_))).count();
        self.most_wanted = self.most_wanted.max(wanted);
    }

    fn open_link(&mut self, address: Address, now: Moment) {
        let station = self.station(address);
        if station.temper.takes_abort() {
            return self.drop_link(address, now);
        }
        let is_stale = station.bond.ours && !station.bond.theirs;
        if is_stale || station.temper.take(Mischief::HangUp(HangUpAt::Connecting)) {
            return self.open_in_vain(address, now);
        }

        let steps = self.first_steps(address, now);
        let station = self.station(address);
        let up = Link::Up(Up { encrypted: false, indications: 0, steps, unanswered: Vec::new() });
        let Link::Wanted(wanted) = std::mem::replace(&mut station.link, up) else {
            return;
        };
        if let Some(known) = &mut station.known {
            known.connected = true;
        }
        self.device_changed(address, vec![("Connected", true.into())]);
        if let Some(ticket) = wanted.connect {
            self.grant(ticket);
        }
        self.tell(address, air::Input::Connected, now);
        if let Some(asked) = wanted.pair {
            self.begin_pairing(address, Some(asked), None, now);
        }
    }

    /// The link comes about and is gone again, before anything could be asked of the device.
    ///
    /// Source: seen with BlueZ 5.66, for a device that has lost its keys and for one that hangs up as soon as it can.
    fn open_in_vain(&mut self, address: Address, now: Moment) {
        self.device_changed(address, vec![("Connected", true.into())]);
        self.tell(address, air::Input::Connected, now);
        self.drop_link(address, now);
        self.device_changed(address, vec![("Connected", false.into())]);
    }

    fn first_steps(&mut self, address: Address, now: Moment) -> VecDeque<(Instant, Step)> {
        let soon = now.instant + self.options.encrypting_takes;
        let resolved = now.instant + self.options.resolving_takes;
        let station = self.station(address);
        let security = if station.bond.ours {
            Some((soon, Step::Encrypt))
        } else if lock(&station.peripheral).asks_for_security() {
            Some((soon, Step::AnswerSecurityRequest))
        } else {
            None
        };
        let others = [(soon, Step::Resubscribe), (resolved, Step::Resolve)];
        security.into_iter().chain(others).collect()
    }

    pub(super) fn advance_link(&mut self, address: Address, now: Moment) {
        match &mut self.station(address).link {
            Link::Down => {}
            Link::Wanted(_) => self.open_link(address, now),
            Link::Up(up) => {
                if let Some((_, step)) = up.steps.pop_front() {
                    self.do_step(address, step, now);
                }
            }
        }
    }

    fn do_step(&mut self, address: Address, step: Step, now: Moment) {
        match step {
            Step::Encrypt => {
                if let Link::Up(up) = &mut self.station(address).link {
                    up.encrypted = true;
                }
                self.tell(address, air::Input::Encrypted { bonded: true }, now);
            }
            Step::AnswerSecurityRequest => self.begin_pairing(address, None, None, now),
            Step::Resubscribe => {
                for attribute in self.sessions.wanted_of(address) {
                    self.access(attribute, What::Resubscribe, now);
                }
            }
            Step::Resolve => self.resolve(address, now),
        }
    }

    fn resolve(&mut self, address: Address, now: Moment) {
        let station = self.station(address);
        if station.temper.take(Mischief::HangUp(HangUpAt::Resolving)) {
            return self.drop_link(address, now);
        }
        let hangs_up = station.temper.take(Mischief::HangUp(HangUpAt::AfterResolved));
        let answers = !station.temper.is(Mischief::NoServices);
        let mut changed = Vec::new();
        if answers {
            changed.extend(self.show_attributes(address));
            self.show_battery(address, now);
        }
        if let Some(known) = &mut self.station(address).known {
            known.services_resolved = true;
        }
        changed.push(("ServicesResolved", true.into()));
        self.device_changed(address, changed);
        if hangs_up {
            self.drop_link(address, now);
        }
    }

    /// Shows what BlueZ did not know of a device; the answer is its list of services, if that is new.
    fn show_attributes(&mut self, address: Address) -> Option<(&'static str, Variant<'static>)> {
        let station = self.station(address);
        let layout = Layout::of(lock(&station.peripheral).services());
        let known = station.known.as_mut()?;
        if known.layout.handles().next().is_some() {
            return None;
        }
        known.services = layout.services().collect();
        known.layout = layout.clone();
        let services = known.services.iter().map(Uuid::to_string).collect::<Vec<_>>();
        let objects = layout.handles().map(|it| Object::of(address, &layout, it));
        self.effects.extend(objects.map(Effect::Serve));
        Some(("UUIDs", services.into()))
    }

    fn show_battery(&mut self, address: Address, now: Moment) {
        let station = self.station(address);
        let level = lock(&station.peripheral).read(Uuid::BATTERY_LEVEL, now);
        let percent = level.and_then(|level| level.first().copied());
        if let (Some(known), Some(percent)) = (&mut station.known, percent) {
            known.battery_percent = Some(percent);
            let battery = Object::Battery(address);
            self.effects.push(Effect::Serve(battery));
        }
    }

    /// Ends a link or the attempt to have one, whoever wants it to end.
    pub(super) fn drop_link(&mut self, address: Address, now: Moment) {
        let station = self.station(address);
        let pairing = station.pairing.take();
        match std::mem::replace(&mut station.link, Link::Down) {
            Link::Down => {}
            Link::Wanted(wanted) => {
                if let Some(ticket) = wanted.connect {
                    self.refuse(ticket, Refusal::Failed(ABORTED.into()));
                }
                if let Some((ticket, _)) = wanted.pair {
                    let failed = Refusal::ConnectionAttemptFailed("Page Timeout".into());
                    self.refuse(ticket, failed);
                }
            }
            Link::Up(up) => {
                for access in up.unanswered {
                    self.fail(access.what, "Operation failed with ATT error: 0x0e");
                }
                self.link_lost(address);
            }
        }
        if let Some(pairing) = pairing {
            self.effects.extend(pairing.typist.map(Effect::StopAsking));
            if let Some(ticket) = pairing.asked {
                self.refuse(ticket, authentication_failed());
            }
            for access in pairing.deferred {
                self.fail(access.what, "Not connected");
            }
        }
        self.tell(address, air::Input::Disconnected, now);
    }

    fn link_lost(&mut self, address: Address) {
        let mut had_battery = false;
        let mut changed = Vec::new();
        if let Some(known) = &mut self.station(address).known {
            if std::mem::take(&mut known.services_resolved) {
                changed.push(("ServicesResolved", false.into()));
            }
            known.connected = false;
            changed.push(("Connected", false.into()));
            had_battery = known.battery_percent.take().is_some();
        }
        self.device_changed(address, changed);
        if had_battery {
            let battery = Object::Battery(address);
            self.effects.push(Effect::Withdraw(battery));
        }
    }
}
