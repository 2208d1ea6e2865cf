//! Which program wants to hear of which characteristic.
//!
//! A session outlives the link: BlueZ subscribes again by itself when the device is back. It ends when its program
//! stops it or leaves the bus, when the device is removed, and with bluetoothd.

use std::collections::BTreeSet;

use super::{Attribute, Client};
use crate::air::Address;

/// All notify sessions.
#[derive(Debug, Default)]
pub(crate) struct NotifyBook {
    sessions: BTreeSet<(Attribute, Client)>,
}

impl NotifyBook {
    /// `false` when that program has a session already.
    pub(crate) fn start(&mut self, attribute: Attribute, by: Client) -> bool {
        self.sessions.insert((attribute, by))
    }

    /// `false` when that program has none.
    pub(crate) fn stop(&mut self, attribute: Attribute, by: &Client) -> bool {
        self.sessions.remove(&(attribute, by.clone()))
    }

    pub(crate) fn has(&self, attribute: Attribute, by: &Client) -> bool {
        self.sessions.contains(&(attribute, by.clone()))
    }

    pub(crate) fn listeners(&self, attribute: Attribute) -> usize {
        let sessions = self.sessions.iter();
        sessions.filter(|(other, _)| *other == attribute).count()
    }

    /// What to subscribe to when this device is back.
    pub(crate) fn wanted_of(&self, device: Address) -> BTreeSet<Attribute> {
        let attributes = self.sessions.iter().map(|(attribute, _)| *attribute);
        attributes.filter(|wanted| wanted.device == device).collect()
    }

    /// Ends a program's sessions; the answer is what nobody listens to any more.
    pub(crate) fn leave(&mut self, client: &Client) -> BTreeSet<Attribute> {
        let left: BTreeSet<_> =
            self.sessions.iter().filter(|(_, by)| by == client).map(|(attribute, _)| *attribute).collect();
        self.sessions.retain(|(_, by)| by != client);
        let is_silent = |attribute: &Attribute| self.listeners(*attribute) == 0;
        left.into_iter().filter(is_silent).collect()
    }

    pub(crate) fn forget(&mut self, device: Address) {
        self.sessions.retain(|(attribute, _)| attribute.device != device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_has_one_session_and_its_own() {
        let mut book = NotifyBook::default();
        assert!(book.start(attribute(1), client("a")));
        assert!(!book.start(attribute(1), client("a")));
        assert!(book.start(attribute(1), client("b")));
        assert_eq!(book.listeners(attribute(1)), 2);
        assert!(book.stop(attribute(1), &client("a")));
        assert!(!book.stop(attribute(1), &client("a")));
    }

    #[test]
    fn a_program_that_leaves_ends_its_sessions_but_not_those_of_others() {
        let mut book = NotifyBook::default();
        book.start(attribute(1), client("a"));
        book.start(attribute(2), client("a"));
        book.start(attribute(2), client("b"));
        assert_eq!(book.leave(&client("a")), [attribute(1)].into());
        assert_eq!(book.wanted_of(attribute(2).device), [attribute(2)].into());
    }

    fn attribute(handle: u16) -> Attribute {
        Attribute { device: Address([0xf0, 1, 2, 3, 4, 5]), handle }
    }

    fn client(name: &str) -> Client {
        Client(name.into())
    }
}
