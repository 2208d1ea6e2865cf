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

/// A port on 127.0.0.1 that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
