//! Alarm units of other makes report here, over SCAIP (SIP MESSAGEs by UDP or TCP). Off unless `[scaip] listen` is set.
//!
//! Promised: an alarm is a case, committed, before the unit is told that it is taken; a message that cannot be read opens
//! a case of its own where its unit can be told; the same message twice is one case and gets the same answer; and a unit
//! that misses three signs of life is told of. Units that no home has are answered "not treated", so that they go to
//! their next receiver at once, and stand in the log.

mod desk;
pub(crate) mod digest;
mod receiver;
pub(crate) mod sip;

use std::net::SocketAddr;

use serde::Deserialize;

pub(crate) use self::receiver::{Doors, Receiver};

/// Whether and where alarm units are listened to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where, by UDP and TCP; nowhere, where it is left out. SIP has no secrets here: let nobody but the units' own network
    /// (a tunnel, an operator's private access point) reach it.
    pub listen: Option<SocketAddr>,
    /// Puts the answer into the SIP response, for units that wait for it there, and not into a message of its own.
    pub answer_in_response: bool,
}
