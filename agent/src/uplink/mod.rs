//! The ways to the gateway: MQTT 5 over TLS. The [`choice`] decides which is used, the [`window`] what is sent over it.
//!
//! One task owns the connection. On any error it is dropped and built anew; whatever it held is still on flash.

pub mod choice;
mod link;
pub(crate) mod probe;
mod refusal;
pub(crate) mod socket;
pub mod window;

use std::time::Duration;

use hempuls_protocol::enrolment::Broker;
use hempuls_protocol::wire::feedback::AlarmState;
use hempuls_protocol::wire::home_config::Home;
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};

use self::choice::{Choice, Effect, Input};
use self::link::{End, Link, Parts, waiting_alarm};
use crate::buffer::Buffer;
use crate::clock;
use crate::heartbeat::{self, Reporter};
use crate::identity::{Folder, Identity};
use crate::stop::Stop;
use crate::watchdog::Pulse;

/// How to reach the gateway, and how often to say that the agent lives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// The ways to it, in the order in which they are to be tried; empty for the one that enrolment granted.
    pub lines: Vec<Line>,
    /// How often.
    pub heartbeat: heartbeat::Config,
}

/// One line of the list of uplinks in `agent.toml`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// A broker; without one, those that the gateway told of, in its order.
    pub broker: Option<Broker>,
    /// The network interface to use; without one, the system's own choice.
    pub interface: Option<String>,
}

/// A way to a broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Uplink {
    /// The broker.
    pub broker: Broker,
    /// The network interface to use.
    pub interface: Option<String>,
}

impl Uplink {
    /// All ways there are, in the order in which they are to be tried.
    #[must_use]
    pub fn all(lines: &[Line], identity: &Identity) -> Vec<Self> {
        let unlisted = [Line::default()];
        let lines = if lines.is_empty() { &unlisted } else { lines };
        let brokers = |line: &Line| line.broker.clone().map_or(identity.brokers.clone(), |broker| vec![broker]);
        let ways = |line: &Line| {
            let interface = line.interface.clone();
            brokers(line).into_iter().map(move |broker| Self { broker, interface: interface.clone() })
        };
        lines.iter().flat_map(ways).collect()
    }
}

/// The network interfaces of these lines, each once; the system's own choice where there is no line.
#[must_use]
pub fn interfaces(lines: &[Line]) -> Vec<Option<String>> {
    let mut interfaces = Vec::new();
    for line in lines {
        if !interfaces.contains(&line.interface) {
            interfaces.push(line.interface.clone());
        }
    }
    if interfaces.is_empty() { vec![None] } else { interfaces }
}

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
    folder: Folder,
    config: Config,
    buffer: Buffer,
    reporter: Reporter,
    words: mpsc::UnboundedSender<Word>,
    mut pulse: Pulse,
    mut stop: Stop,
) {
    let mut choice = Choice::new(1, clock::now());
    let mut uplinks = Vec::new();
    let mut last = None;
    loop {
        let next = async {
            let identity = enrolled(&folder).await;
            reporter.vitals.enrolled();
            let known = Uplink::all(&config.lines, &identity);
            if known != uplinks {
                choice = Choice::new(known.len(), clock::now());
                uplinks = known;
            }
            time_to_connect(&mut choice, &buffer).await;
            identity
        };
        let identity = tokio::select! {
            identity = pulse.beside(next) => identity,
            () = stop.asked() => return,
        };
        let parts = Parts {
            identity,
            folder: folder.clone(),
            uplinks: uplinks.clone(),
            buffer: buffer.clone(),
            reporter: reporter.clone(),
            words: words.clone(),
        };
        let mut link = Link::new(parts, &mut choice);
        let end = tokio::select! {
            end = link.run(config.heartbeat.interval, &mut pulse) => end,
            () = stop.asked() => return link.close().await,
        };
        reporter.vitals.connected(None);
        link.close().await;
        choice.handle(Input::Ended { jitter: rand::random() }, clock::now());
        match &end {
            End::Left(why) => tracing::info!(why, "leaves the broker for a new connection"),
            End::Failed(reason) if Some(&end) == last.as_ref() => {
                tracing::debug!(reason, "no connection to the gateway");
            }
            End::Failed(reason) => {
                tracing::warn!(reason, "no connection to the gateway; what is heard is kept on flash meanwhile");
            }
        }
        last = Some(end);
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

/// Waits until it is time to connect. A press shortens the wait.
async fn time_to_connect(choice: &mut Choice, buffer: &Buffer) {
    let mut held = buffer.changes();
    loop {
        let alarm = waiting_alarm(&held.borrow_and_update());
        choice.handle(Input::Alarm(alarm), clock::now());
        if let Some(Effect::Connect(_)) = choice.handle(Input::Tick, clock::now()) {
            return;
        }
        let wake = choice.next_wake().unwrap_or_else(clock::now);
        tokio::select! {
            () = sleep_until(wake.into()) => {}
            Ok(()) = held.changed() => {}
        }
    }
}
