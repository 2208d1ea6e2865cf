//! The server side of Hempuls: takes readings and alarms in, decides what needs a person, and shows it to the care
//! team.
//!
//! Follow one alarm: [`broker`] lets its agent in and takes the message, [`ingest`] stores it with what follows from it
//! and sends the receipt, [`alerts`] opens the case, [`http`] shows it. Alarm units of other makes come in by [`scaip`].
//! [`proof`] sends silent tests the same way.

// Tests in here and tests in `tests/` share files.
#[cfg(test)]
extern crate self as hempuls_gateway;

pub mod alerts;
pub mod broker;
pub mod changes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod duty;
pub mod enrolment;
pub mod escalation;
pub mod http;
pub mod ingest;
pub mod keeping;
pub mod letters;
pub mod pki;
pub mod plan;
pub mod proof;
pub mod replay;
pub mod run;
pub mod scaip;
pub mod store;
pub mod trends;
pub mod wording;
