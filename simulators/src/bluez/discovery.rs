//! Who is scanning, and which advertisements they let through.
//!
//! Filters are applied as the kernel does: by the list of service UUIDs and by nothing else. A device that says what it
//! is only in its service data never passes a filter that names services. What one program lets through every program
//! sees, as BlueZ signals to all.

use std::collections::{BTreeMap, BTreeSet};

use super::Client;
use crate::air::Advertisement;

/// What a program asked to be told about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Long, lower case; empty: everything.
    pub(crate) services: Vec<String>,
    /// Signal data again that has not changed.
    pub(crate) duplicates: bool,
}

/// Every program's scan.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    filters: BTreeMap<Client, Filter>,
    scanning: BTreeSet<Client>,
}

impl Discovery {
    pub(crate) fn set_filter(&mut self, by: Client, filter: Filter) {
        self.filters.insert(by, filter);
    }

    /// `false` when that program scans already.
    pub(crate) fn start(&mut self, by: Client) -> bool {
        self.scanning.insert(by)
    }

    /// `false` when that program does not scan.
    pub(crate) fn stop(&mut self, by: &Client) -> bool {
        self.scanning.remove(by)
    }

    /// The program left the bus; its filter goes with it.
    pub(crate) fn leave(&mut self, client: &Client) {
        self.filters.remove(client);
        self.scanning.remove(client);
    }

    pub(crate) fn clients(&self) -> usize {
        self.scanning.len()
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.scanning.is_empty()
    }

    pub(crate) fn lets_through(&self, advertisement: &Advertisement) -> bool {
        let listed = |service: &String| {
            let uuids = &advertisement.services;
            uuids.iter().any(|uuid| uuid.to_string() == *service)
        };
        self.scanning.iter().any(|client| {
            self.filters
                .get(client)
                .is_none_or(|filter| filter.services.is_empty() || filter.services.iter().any(listed))
        })
    }

    /// Whether data that has not changed is signalled again.
    pub(crate) fn repeats_data(&self) -> bool {
        self.filters_in_use().any(|filter| filter.duplicates)
    }

    /// Whether an RSSI that has not changed is signalled again: BlueZ does so as soon as any filter is set.
    pub(crate) fn repeats_rssi(&self) -> bool {
        self.filters_in_use().next().is_some()
    }

    fn filters_in_use(&self) -> impl Iterator<Item = &Filter> {
        let scanning = self.scanning.iter();
        scanning.filter_map(|client| self.filters.get(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air::Uuid;

    #[test]
    fn a_filter_looks_at_service_uuids_only() {
        let cuff = Advertisement { services: vec![Uuid::BLOOD_PRESSURE], ..Advertisement::default() };
        let button = Advertisement { service_data: Some((Uuid::BTHOME, vec![0x40])), ..Advertisement::default() };
        let mut discovery = Discovery::default();
        discovery.start(client("agent"));
        assert!(discovery.lets_through(&button), "no filter lets all through");

        for (wanted, sees) in [(Uuid::BLOOD_PRESSURE, [true, false]), (Uuid::BTHOME, [false; 2])] {
            let filter = Filter { services: vec![wanted.to_string()], duplicates: true };
            discovery.set_filter(client("agent"), filter);
            assert_eq!([&cuff, &button].map(|ad| discovery.lets_through(ad)), sees);
        }
    }

    #[test]
    fn what_one_program_lets_through_all_see() {
        let mut discovery = Discovery::default();
        let filter = Filter { services: vec![Uuid::BLOOD_PRESSURE.to_string()], duplicates: false };
        discovery.set_filter(client("narrow"), filter);
        discovery.start(client("narrow"));
        assert!(!discovery.lets_through(&Advertisement::default()));

        discovery.start(client("open"));
        assert!(discovery.lets_through(&Advertisement::default()));
        discovery.leave(&client("open"));
        assert!(!discovery.lets_through(&Advertisement::default()));
    }

    fn client(name: &str) -> Client {
        Client(name.into())
    }
}
