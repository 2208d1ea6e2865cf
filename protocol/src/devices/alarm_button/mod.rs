//! Alarm buttons: BTHome v2 in advertisements, service data for UUID 0xFCD2.
//!
//! A [`Frame`] is what was on air, and nothing in it is believed. [`Frame::open`] checks it against what was enrolled
//! and gives its [`Contents`]; [`ReplayGuard`] tells whether an authentic frame is a new one. What a repeated press
//! means is not decided here: a new battery starts the counter over, and must not silence a person.
//!
//! Source: BTHome v2 format, bthome.io; the Bluetooth-Devices/bthome-ble parser and its tests.

mod contents;
mod frame;
mod objects;
mod replay;

pub use contents::{Contents, Press};
pub use frame::{Address, BindKey, Body, Enrolled, Frame, FrameError, NotAKey, NotAnAddress};
pub use objects::{ButtonEvent, DimmerEvent, Object, ObjectValue, announce};
pub use replay::{ReplayGuard, Verdict, packet_is_newer};
