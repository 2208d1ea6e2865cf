//! A device's attributes as BlueZ numbers them: one object for each service, characteristic and descriptor.

use std::collections::BTreeMap;

use crate::air::{Characteristic, Service, Uuid};

/// The first handles of a device belong to its generic services, which BlueZ does not show.
const FIRST_HANDLE: u16 = 0x0010;

/// A device's attributes by handle, parents before children.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    attributes: BTreeMap<u16, Node>,
}

/// One attribute that BlueZ shows as an object.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Service(Uuid),
    Characteristic { service: u16, what: Characteristic },
    Descriptor { characteristic: u16, uuid: Uuid },
}

impl Layout {
    pub(crate) fn of(services: Vec<Service>) -> Self {
        let mut attributes = BTreeMap::new();
        let mut next = FIRST_HANDLE;
        for service in services {
            let service_handle = next;
            attributes.insert(service_handle, Node::Service(service.uuid));
            next += 1;
            for what in service.characteristics {
                let handle = next;
                // The declaration is followed by the value, which is no object of its own.
                next += 2;
                if what.sends_values() {
                    let uuid = Uuid::CLIENT_CONFIGURATION;
                    let characteristic = handle;
                    attributes.insert(next, Node::Descriptor { characteristic, uuid });
                    next += 1;
                }
                let service = service_handle;
                attributes.insert(handle, Node::Characteristic { service, what });
            }
        }
        Self { attributes }
    }

    pub(crate) fn handles(&self) -> impl DoubleEndedIterator<Item = u16> {
        self.attributes.keys().copied()
    }

    pub(crate) fn get(&self, handle: u16) -> Option<&Node> {
        self.attributes.get(&handle)
    }

    pub(crate) fn characteristic(&self, handle: u16) -> Option<&Characteristic> {
        match self.get(handle)? {
            Node::Characteristic { what, .. } => Some(what),
            Node::Service(_) | Node::Descriptor { .. } => None,
        }
    }

    pub(crate) fn handle_of(&self, uuid: Uuid) -> Option<u16> {
        let is_it = |handle: &u16| self.characteristic(*handle).is_some_and(|it| it.uuid == uuid);
        self.handles().find(is_it)
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = Uuid> {
        self.attributes.values().filter_map(|node| match node {
            Node::Service(uuid) => Some(*uuid),
            Node::Characteristic { .. } | Node::Descriptor { .. } => None,
        })
    }

    /// The object path of an attribute, below its device's.
    pub(crate) fn path(&self, device: &str, handle: u16) -> String {
        match self.get(handle) {
            Some(Node::Characteristic { service, .. }) => {
                format!("{}/char{handle:04x}", self.path(device, *service))
            }
            Some(Node::Descriptor { characteristic, .. }) => {
                format!("{}/desc{handle:04x}", self.path(device, *characteristic))
            }
            Some(Node::Service(_)) | None => format!("{device}/service{handle:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_hold_their_handles_and_their_parents() {
        let layout = Layout::of(vec![Service {
            uuid: Uuid::BLOOD_PRESSURE,
            characteristics: vec![
                Characteristic { uuid: Uuid::BLOOD_PRESSURE_MEASUREMENT, flags: &["indicate"], encrypted: false },
                Characteristic::readable(Uuid::BLOOD_PRESSURE_FEATURE),
            ],
        }]);
        let paths: Vec<_> = layout.handles().map(|handle| layout.path("/dev", handle)).collect();
        assert_eq!(
            paths,
            [
                "/dev/service0010",
                "/dev/service0010/char0011",
                "/dev/service0010/char0011/desc0013",
                "/dev/service0010/char0014",
            ]
        );
    }
}
