//! The shipped agent and gateway with the real BlueZ: in a virtual machine whose radio and devices are made of software.
//!
//! The machine, its radio and its devices are in `tests/real-bluez`. Devices write down what they saw, and a listener on
//! the message bus what BlueZ passed on; a scenario ends by holding that against what the gateway has stored.

mod home;
mod machine;
mod truth;
mod verdict;

pub use home::{Home, in_a_real_home, say};
pub use machine::{Line, Machine, PATIENCE};
pub use truth::{Lost, Truth};
pub use verdict::StoredReading;
