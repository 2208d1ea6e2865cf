//! The way to the gateway: MQTT 5 over TLS. The [`window`] decides what is sent; this performs it.
//!
//! One task owns the client and its event loop. On any error both are dropped and built anew; whatever they held is
//! still on flash.

mod link;
mod refusal;
pub mod window;

use std::time::Duration;

use hempuls_protocol::wire::feedback::AlarmState;
use hempuls_protocol::wire::home_config::Home;
use tokio::sync::mpsc;
use tokio::time::sleep;

use self::link::Link;

use crate::buffer::Buffer;
use crate::heartbeat::{self, Reporter};
use crate::identity::{Folder, Identity};
use crate::stop::Stop;
use crate::watchdog::Pulse;

const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often to look whether the agent has been enrolled.
const LOOK_FOR_IDENTITY: Duration = Duration::from_secs(3);

/// What the gateway says besides receipts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Word {
    /// Which devices the agent is to serve.
    Config(Home),
    /// It sent a configuration that this program cannot read.
    UnreadableConfig {
        /// Which.
        revision: u64,
        /// Why, for an operator.
        why: String,
    },
    /// How far alarms have come.
    Feedback(Vec<AlarmState>),
    /// What time it is, in milliseconds since 1970.
    Time(i64),
}

/// Sends what is on flash, and passes on what the gateway says, until the program stops.
pub async fn run(
    identity: Folder,
    buffer: Buffer,
    reporter: Reporter,
    heartbeat: heartbeat::Config,
    words: mpsc::UnboundedSender<Word>,
    mut pulse: Pulse,
    mut stop: Stop,
) {
    let mut pause = SHORTEST_PAUSE;
    let mut last_reason = String::new();
    loop {
        let identity = tokio::select! {
            identity = pulse.beside(enrolled(&identity)) => identity,
            () = stop.asked() => return,
        };
        let mut link = Link::new(identity, buffer.clone(), reporter.clone(), words.clone());
        let reason = tokio::select! {
            reason = link.run(heartbeat.interval, &mut pulse) => reason,
            () = stop.asked() => return link.close().await,
        };
        reporter.vitals.connected(None);
        if link.was_online {
            pause = SHORTEST_PAUSE;
        }
        if reason == last_reason {
            tracing::debug!(reason, "no connection to the gateway");
        } else {
            tracing::warn!(reason, "no connection to the gateway; what is heard is kept on flash meanwhile");
        }
        last_reason = reason;
        drop(link);
        let jittered = pause.mul_f64(rand::random_range(0.5..1.0));
        tokio::select! {
            () = pulse.beside(sleep(jittered)) => {}
            () = stop.asked() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Waits until the agent is enrolled.
async fn enrolled(folder: &Folder) -> Identity {
    let mut said = String::new();
    loop {
        let problem = match folder.load() {
            Ok(Some(identity)) => return identity,
            Ok(None) => "this agent is not enrolled yet; everything it hears is kept. Run `hempuls-agent enrol`".into(),
            Err(error) => error.to_string(),
        };
        if problem != said {
            tracing::warn!("{problem}");
            said = problem;
        }
        sleep(LOOK_FOR_IDENTITY).await;
    }
}
