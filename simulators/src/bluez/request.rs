//! What is asked of bluetoothd.

use super::{Attribute, discovery::Filter};
use crate::{air::Address, mischief::Call};

/// What a program may ask for.
#[derive(Debug)]
pub(crate) enum Request {
    SetDiscoveryFilter(Filter),
    StartDiscovery,
    StopDiscovery,
    SetPowered(bool),
    SetPairable(bool),
    SetTrusted(Address, bool),
    RemoveDevice(Address),
    /// Nobody asks for these two: somebody does them.
    Unplug,
    PlugIn,
    RegisterAgent {
        path: String,
        can_type: bool,
    },
    UnregisterAgent,
    MakeDefaultAgent,
    Connect(Address),
    Disconnect(Address),
    Pair(Address),
    CancelPairing(Address),
    Read(Attribute),
    Write(Attribute, Vec<u8>),
    StartNotify(Attribute),
    StopNotify(Attribute),
}

impl Request {
    /// The device it is for.
    pub(super) fn device(&self) -> Option<Address> {
        match self {
            Self::Connect(address)
            | Self::Disconnect(address)
            | Self::Pair(address)
            | Self::CancelPairing(address)
            | Self::RemoveDevice(address)
            | Self::SetTrusted(address, _) => Some(*address),
            Self::Read(attribute)
            | Self::Write(attribute, _)
            | Self::StartNotify(attribute)
            | Self::StopNotify(attribute) => Some(attribute.device),
            Self::SetDiscoveryFilter(_)
            | Self::StartDiscovery
            | Self::StopDiscovery
            | Self::SetPowered(_)
            | Self::SetPairable(_)
            | Self::Unplug
            | Self::PlugIn
            | Self::RegisterAgent { .. }
            | Self::UnregisterAgent
            | Self::MakeDefaultAgent => None,
        }
    }

    /// The name that mischief knows it by.
    pub(super) fn call(&self) -> Option<Call> {
        match self {
            Self::Connect(_) => Some(Call::Connect),
            Self::Disconnect(_) => Some(Call::Disconnect),
            Self::Pair(_) => Some(Call::Pair),
            Self::Read(_) => Some(Call::ReadValue),
            Self::Write(..) => Some(Call::WriteValue),
            Self::StartNotify(_) => Some(Call::StartNotify),
            Self::StopNotify(_) => Some(Call::StopNotify),
            Self::SetDiscoveryFilter(_)
            | Self::StartDiscovery
            | Self::StopDiscovery
            | Self::SetPowered(_)
            | Self::SetPairable(_)
            | Self::SetTrusted(..)
            | Self::RemoveDevice(_)
            | Self::Unplug
            | Self::PlugIn
            | Self::RegisterAgent { .. }
            | Self::UnregisterAgent
            | Self::MakeDefaultAgent
            | Self::CancelPairing(_) => None,
        }
    }
}
