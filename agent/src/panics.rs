//! Panics inside libraries: counted, logged and reported in the heartbeat. They do not end the program.

use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// From here on every panic is counted and logged. Its text is not: it may hold what a device said.
pub fn watch() {
    std::panic::set_hook(Box::new(|panic| {
        COUNT.fetch_add(1, Ordering::Relaxed);
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, "a panic; the program goes on");
    }));
}

/// How many there were since the start.
#[must_use]
pub fn count() -> u32 {
    COUNT.load(Ordering::Relaxed)
}
