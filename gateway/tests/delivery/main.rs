//! From an alert to its recipients, through the real store and workers, to peers that really answer, or do not.

mod chain;
mod climb;
mod email;
mod homes;
mod life;
mod nights;
mod pulse;
mod scaip;
mod sms;
mod team;
mod trouble;
#[allow(dead_code, reason = "each test program uses its own part")]
#[path = "../ward/mod.rs"]
mod ward;
mod ways;
mod webhook;
