//! The devices of a home, one folder each.
//!
//! A device is a pure core ([`Peripheral`](crate::air::Peripheral)); once it is
//! [added](crate::bluez::Bluez::add) to a simulated BlueZ, its [`Device`](crate::bluez::Device) handle has the verbs of
//! the person who uses it: measure, press, change the battery.

mod about;
pub mod button;
pub mod cuff;
pub mod oximeter;
mod payload;
pub mod recorder;
pub mod stranger;

pub use self::{
    button::{Button, ButtonEvent},
    cuff::{BloodPressure, Cuff},
    oximeter::{Oximeter, SpotCheck},
    recorder::{Bonding, Habits},
    stranger::Crowd,
};
