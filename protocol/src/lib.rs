//! What the agent in the home and the gateway say to each other, and what devices say to the agent.
//!
//! No clock, socket or file is touched here: everything is a value, or a function of values.

pub mod books;
pub mod codec;
pub mod devices;
pub mod enrolment;
pub mod event;
pub mod identity;
pub mod ids;
pub mod observation;
pub mod personnummer;
pub mod scaip;
pub mod times;
pub mod wire;
