//! The whole chain, from the radio to the nurse's work list, through the programs as they are shipped.
//!
//! Each scenario ends as every day should end: nothing waits, nothing is lost, one record for each measurement, and
//! for each press one alarm that is a line in an open alert.

mod buffers;
mod buttons;
mod chain;
mod first_boot;
mod flash;
mod identity;
mod impostor;
mod intruders;
mod keeping;
mod kills;
mod kinds;
mod mischief;
mod mosquitto;
mod operation;
mod pairing;
mod proof;
mod radio;
mod repeats;
mod rules;
mod silence;
mod stores;
mod team;
mod traps;
mod uplinks;
mod vendors;

/// A cuff.
const CUFF: &str = "F0:F1:F2:F3:F4:01";
/// Another cuff.
const OTHER_CUFF: &str = "F0:F1:F2:F3:F4:02";
/// A pulse oximeter.
const OXIMETER: &str = "F0:F1:F2:F3:F4:03";
/// An alarm button.
const BUTTON: &str = "38:39:8F:70:B2:4E";
/// Its key.
const KEY: [u8; 16] = [0x5A; 16];
