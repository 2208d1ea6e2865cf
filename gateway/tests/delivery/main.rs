//! From an alert to its recipients, through the real store and workers, to peers that really answer, or do not.

mod email;
mod nights;
mod sms;
mod team;
mod trouble;
mod webhook;
