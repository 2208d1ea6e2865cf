//! An address that a device has given up. Nobody answers there any more; BlueZ remembers it for a while.

use std::time::Instant;

use crate::{
    air::{Address, Input, Output, Peripheral, Service, Uuid},
    clock::Moment,
    ledger::Ledger,
};

/// Nobody.
#[derive(Debug)]
pub(super) struct Vacant {
    address: Address,
    ledger: Ledger,
}

impl Vacant {
    pub(super) fn at(address: Address) -> Self {
        Self { address, ledger: Ledger::default() }
    }
}

impl Peripheral for Vacant {
    fn address(&self) -> Address {
        self.address
    }

    fn is_gone(&self) -> bool {
        true
    }

    fn services(&self) -> Vec<Service> {
        Vec::new()
    }

    fn handle(&mut self, _input: Input, _now: Moment) -> Vec<Output> {
        Vec::new()
    }

    fn next_wake(&self) -> Option<Instant> {
        None
    }

    fn read(&mut self, _characteristic: Uuid, _now: Moment) -> Option<Vec<u8>> {
        None
    }

    fn write(&mut self, _characteristic: Uuid, _value: &[u8], _now: Moment) -> bool {
        false
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
