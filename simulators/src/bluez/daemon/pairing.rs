//! Pairing: asked for by a program, or by a device that refuses something without encryption.

use std::time::Duration;

use super::{
    Daemon, Effect,
    station::{Bond, Link, Pairing, Wanted},
    values::Access,
};
use crate::{
    air::{self, Address},
    bluez::{Client, Refusal, Ticket, agents::Agent},
    clock::Moment,
    lock,
    mischief::Mischief,
};

/// What an agent answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    Number(u32),
    No,
}

/// How long both sides of a pairing wait for a number to be typed.
///
/// Source: Bluetooth Core Specification, Vol 3, Part H, 3.4: the timeout of the Security Manager Protocol.
const PATIENCE: Duration = Duration::from_secs(30);

impl Daemon {
    pub(super) fn register_agent(&mut self, agent: Agent, ticket: Ticket) {
        let is_new = self.agents.register(agent);
        self.grant_if(is_new, ticket, || Refusal::AlreadyExists("Already Exists".into()));
        self.adapter_changed("Pairable", self.is_pairable());
    }

    pub(super) fn pair(&mut self, address: Address, by: Client, ticket: Ticket, now: Moment) {
        let station = self.station(address);
        if station.bond.ours {
            return self.refuse(ticket, Refusal::AlreadyExists("Already Exists".into()));
        }
        match &mut station.link {
            Link::Up(_) => self.begin_pairing(address, Some((ticket, by)), None, now),
            Link::Wanted(_) => self.refuse(ticket, Refusal::InProgress("In Progress".into())),
            Link::Down => {
                station.link = Link::Wanted(Wanted { pair: Some((ticket, by)), ..Wanted::default() });
                self.count_wanted();
            }
        }
    }

    pub(super) fn cancel_pairing(&mut self, address: Address, ticket: Ticket) {
        match self.station(address).pairing.take() {
            None => self.refuse(ticket, Refusal::DoesNotExist("Does Not Exist".into())),
            Some(pairing) => {
                if let Some(asked) = pairing.asked {
                    let canceled = Refusal::AuthenticationCanceled("Authentication Canceled".into());
                    self.refuse(asked, canceled);
                }
                self.grant(ticket);
            }
        }
    }

    /// Pairing on a link that is up: asked for by a program, or because the device refused something.
    pub(super) fn begin_pairing(
        &mut self,
        address: Address,
        asked: Option<(Ticket, Client)>,
        refused: Option<Access>,
        now: Moment,
    ) {
        let done_at = now.instant + self.options.pairing_takes;
        if let Some(pairing) = &mut self.station(address).pairing {
            pairing.deferred.extend(refused);
            if let Some((ticket, _)) = asked {
                self.refuse(ticket, Refusal::InProgress("In Progress".into()));
            }
            return;
        }
        let agent = match &asked {
            Some((_, client)) => self.agents.of(client).or(self.agents.default_agent()),
            None => self.agents.default_agent(),
        };
        let agent = agent.cloned();
        let typist = agent.clone().filter(|agent| agent.can_type && self.shows_a_number(address));
        if let Some(agent) = typist {
            self.station(address).pairing = Some(Pairing {
                asked: asked.map(|(ticket, _)| ticket),
                deferred: refused.into_iter().collect(),
                typist: Some(agent.clone()),
                given_up_at: Some(now.instant + PATIENCE),
                ..Pairing::default()
            });
            return self.effects.push(Effect::AskAgent { agent, device: address, for_number: true });
        }
        match (agent, asked) {
            (Some(_), Some((ticket, _))) => {
                self.station(address).pairing = Some(Pairing {
                    asked: Some(ticket),
                    deferred: refused.into_iter().collect(),
                    done_at: Some(done_at),
                    ..Pairing::default()
                });
            }
            (Some(agent), None) => {
                self.station(address).pairing =
                    Some(Pairing { deferred: refused.into_iter().collect(), ..Pairing::default() });
                self.effects.push(Effect::AskAgent { agent, device: address, for_number: false });
            }
            (None, Some((ticket, _))) => self.refuse(ticket, authentication_failed()),
            // What the device refused stays without an answer.
            (None, None) => tracing::debug!(device = %address, "no agent to pair with"),
        }
    }

    fn shows_a_number(&mut self, address: Address) -> bool {
        lock(&self.station(address).peripheral).passkey().is_some()
    }

    pub(super) fn agent_said(&mut self, address: Address, answer: Said, now: Moment) {
        let done_at = now.instant + self.options.pairing_takes;
        let station = self.station(address);
        let shown = lock(&station.peripheral).passkey();
        let Some(pairing) = &mut station.pairing else { return };
        match answer {
            Said::Yes => pairing.done_at = Some(done_at),
            Said::Number(typed) if shown == Some(typed) => {
                (pairing.typist, pairing.by_number) = (None, true);
                pairing.done_at = Some(done_at);
            }
            Said::Number(_) => {
                pairing.typist = None;
                self.drop_link(address, now);
            }
            // What the device refused stays without an answer.
            Said::No => {
                let asked = station.pairing.take().and_then(|pairing| pairing.asked);
                if let Some(ticket) = asked {
                    self.refuse(ticket, authentication_failed());
                }
            }
        }
    }

    /// Nobody has typed the number in time.
    pub(super) fn give_up_pairing(&mut self, address: Address, now: Moment) {
        let asked = self.station(address).pairing.as_mut().and_then(|pairing| pairing.asked.take());
        if let Some(ticket) = asked {
            self.refuse(ticket, Refusal::AuthenticationCanceled("Authentication Canceled".into()));
        }
        self.drop_link(address, now);
    }

    pub(super) fn finish_pairing(&mut self, address: Address, now: Moment) {
        let station = self.station(address);
        let Some(pairing) = station.pairing.take() else {
            return;
        };
        if station.temper.is(Mischief::RefusePairing) {
            if let Some(ticket) = pairing.asked {
                self.refuse(ticket, authentication_failed());
            }
            return self.drop_link(address, now);
        }
        station.bond = Bond { ours: true, theirs: true, by_number: pairing.by_number };
        if let Link::Up(up) = &mut station.link {
            up.encrypted = true;
        }
        if let Some(known) = &mut station.known {
            known.paired = true;
        }
        self.device_changed(address, vec![("Bonded", true.into()), ("Paired", true.into())]);
        if let Some(ticket) = pairing.asked {
            self.grant(ticket);
        }
        self.tell(address, air::Input::Encrypted { bonded: true }, now);
        for access in pairing.deferred {
            self.access(access.attribute, access.what, now);
        }
    }
}

pub(super) fn authentication_failed() -> Refusal {
    Refusal::AuthenticationFailed("Authentication Failed".into())
}
