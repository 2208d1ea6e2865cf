//! A BlueZ on a private message bus, the devices it hears, and the people who use them.
//!
//! The program under test is the shipped agent; only what is around it is simulated. Every device keeps a
//! [ledger] of what it did, so that what arrives at the other end can be held against the truth.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use hempuls_simulators::{bluez::{Bluez, Options}, bus::Bus, devices::Cuff, person::Person};
//!
//! let bus = Bus::start().await?;
//! let bluez = Bluez::start(&bus, Options::default()).await?;
//! let cuff = bluez.add(Cuff::new("F0:F1:F2:F3:F4:F5").named("BPM 59").bonding());
//!
//! // … start the agent with DBUS_SYSTEM_BUS_ADDRESS set to bus.address() …
//! cuff.measure(Person::seeded(1).high());
//! assert_eq!(cuff.ledger().measured(), 1);
//! # Ok(())
//! # }
//! ```

pub mod air;
pub mod bluez;
pub mod bus;
pub mod clock;
pub mod decode;
pub mod demo;
pub mod devices;
pub mod fuzz;
pub mod home;
pub mod ledger;
pub mod mischief;
pub mod person;
pub mod system;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a panic elsewhere left behind is still the truth about a device.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
