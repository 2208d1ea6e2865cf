//! The devices of a home, one folder each, and those of strangers.
//!
//! A device is a pure core ([`Peripheral`](crate::air::Peripheral)); once it is
//! [added](crate::bluez::Bluez::add) to a simulated BlueZ, its [`Device`](crate::bluez::Device) handle has the verbs of
//! the person who uses it: measure, put on, press, change the battery.

mod about;
pub mod button;
pub mod clip;
mod clock;
pub mod cuff;
pub mod microlife;
pub mod oximeter;
mod payload;
pub mod recorder;
pub mod scale;
pub mod stranger;
pub mod strap;
pub mod thermometer;
pub mod worn;
pub mod yonker;

pub use self::{
    button::{Button, ButtonEvent},
    clip::Clip,
    clock::Clock,
    cuff::{BloodPressure, Cuff},
    microlife::Microlife,
    oximeter::{Oximeter, SpotCheck},
    recorder::{Bonding, Habits},
    scale::{Scale, Weighing},
    stranger::Crowd,
    strap::Strap,
    thermometer::Thermometer,
    yonker::Yonker,
};
