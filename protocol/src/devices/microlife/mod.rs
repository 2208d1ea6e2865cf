//! Microlife BP3GY1-2N cuffs: a service of the vendor's own, over which the cuff is asked for what it keeps.
//!
//! | step | written                     | answered                          |
//! |------|-----------------------------|-----------------------------------|
//! | 1    | [`Command::SetTime`]        | done                              |
//! | 2    | [`Command::ReadAll`]        | every record of the selected user |
//! | 3    | [`Command::Goodbye`]        | it hangs up                       |
//!
//! Both directions use [`Frame`]s, which are longer than a notification or a write takes: [`Frames`] joins what comes, and
//! what goes is cut by [`Command::writes`]. Nothing else is ever written: the cuff also knows commands that erase.
//!
//! Source: joergmlpts/blood-pressure-monitor (bpm_bt.py), which was made with such a cuff at hand, and
//! derdilla/blood-pressure-monitor-fl (microlife_*.dart), which agree on everything used here.

mod command;
mod frame;
mod record;

pub use command::Command;
pub use frame::{Frame, Frames};
pub use record::Record;

use crate::devices::Characteristic;

/// The service it has.
pub const SERVICE: Characteristic = Characteristic::assigned(0xFFF0);
/// Where it notifies.
pub const MEASUREMENT: Characteristic = Characteristic::assigned(0xFFF1);
/// Where commands are written.
pub const COMMANDS: Characteristic = Characteristic::assigned(0xFFF2);
