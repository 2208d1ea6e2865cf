//! The shipped programs, run as an operator would run them: configuration in files, commands on the command line.
//! The demonstration and the scenarios are built on this; nothing here reaches into a program.

mod agent;
mod api;
mod cable;
mod gateway;
mod mosquitto;
mod nurse;
mod program;

pub use agent::{Agent, Served};
pub use api::{Alert, Api, Books, BooksLine, Line, Observation, Reading, ShownAgent, ShownDevice, ShownHome, Spread};
pub use cable::Cable;
pub use gateway::{Gateway, Home, Settings};
pub use mosquitto::Mosquitto;
pub use nurse::Nurse;
pub use program::{Program, Programs, WallClock};

use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// Asks again and again until the answer is there, at most for `limit`.
///
/// # Errors
/// After `limit`, with the last reason why it is not.
pub async fn until<T, F>(limit: Duration, what: &str, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, String>>,
{
    let started = Moment::now().instant;
    loop {
        let reason = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(reason) => reason,
        };
        if started.elapsed() > limit {
            anyhow::bail!("{what}: not within {} s; {reason}", limit.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

/// A port on 127.0.0.1 that was free a moment ago, and that the kernel gives to no outgoing connection meanwhile: those have
/// ports above 32,767. Nobody else in this process gets it.
///
/// # Errors
/// When there is none.
pub fn free_port() -> std::io::Result<u16> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(rand::random_range(0..COUNT)));
    let mut ports = (0..COUNT).map(|_| (FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) as u16);
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).ok_or_else(|| std::io::ErrorKind::AddrInUse.into())
}
