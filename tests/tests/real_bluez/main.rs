//! The shipped agent and gateway with the real BlueZ, in a virtual machine (see `tests/real-bluez`).
//!
//! All scenarios take turns in one machine. What devices saw confirmed is held against what the gateway has stored.

mod day;
#[cfg(feature = "all")]
mod years;
