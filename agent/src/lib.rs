//! The agent: what devices in a home say goes to flash at once, and from there to the gateway.

pub mod buffer;
pub mod bundle;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod doctor;
pub mod feedback;
mod files;
pub mod heartbeat;
pub mod identity;
pub mod pace;
pub mod panics;
pub mod proof;
pub mod radio;
pub mod run;
pub mod sessions;
pub mod settings;
pub mod stop;
pub mod systemd;
pub mod uplink;
pub mod wall;
pub mod watchdog;
