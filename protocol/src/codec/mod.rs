//! Reading and writing bytes as health devices send them: little-endian, with numbers and times of their own.
//!
//! Every decoder returns a faithful structure from which the same bytes can be written again, trailing bytes and
//! reserved bits included. What is odd about a payload but no reason to refuse it is a [`Warning`].

pub mod date_time;
pub mod reader;
pub mod sfloat;
pub mod warning;

pub use date_time::DateTime;
pub use reader::{DecodeError, Reader};
pub use sfloat::{Float, Sfloat};
pub use warning::{Warning, Warnings};
