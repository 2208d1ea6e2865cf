//! What systemd is told: when the agent is ready, that it lives, how it does in a line, and that it stops.
//!
//! Ready means that the buffer is open and that every part has come round once. Without systemd nobody is told anything.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::clock;
use crate::heartbeat::Reporter;
use crate::stop::Stop;
use crate::watchdog::{Effect, Input, Part, Questions, Watchdog};

/// Where systemd ends a program that does not say that it lives, it is told so three times as often as it must be.
const TIMES: u32 = 3;
/// Where it does not, how often the line that it shows is looked at.
const OTHERWISE: Duration = Duration::from_secs(10 * 60);

/// Tells systemd, until the program stops.
pub async fn report(
    questions: Questions,
    mut answers: mpsc::UnboundedReceiver<(Part, u64)>,
    reporter: Reporter,
    mut stop: Stop,
) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let every = sd_notify::watchdog_enabled().map_or(OTHERWISE, |limit| limit / TIMES);
    let mut watchdog = Watchdog::new(every, clock::now());
    let (mut is_ready, mut said) = (false, String::new());
    loop {
        let input = tokio::select! {
            Some((part, round)) = answers.recv() => Input::CameRound(part, round),
            () = sleep_until(watchdog.next_wake().into()) => Input::Tick,
            () = stop.asked() => return tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]),
        };
        match watchdog.handle(input, clock::now()) {
            Some(Effect::Ask(round)) => questions.ask(round),
            Some(Effect::Lives) => {
                tell(&[NotifyState::Watchdog]);
                let status = status(&reporter);
                if status != said {
                    tell(&[NotifyState::Status(&status)]);
                    said = status;
                }
                if !std::mem::replace(&mut is_ready, true) {
                    tell(&[NotifyState::Ready]);
                    tracing::info!("ready");
                }
            }
            Some(Effect::Waits(parts)) => {
                let parts = parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
                tracing::error!(
                    parts,
                    "a part of the program does not come round; systemd ends the program if that lasts"
                );
                said = format!("waits for {parts}");
                tell(&[NotifyState::Status(&said)]);
            }
            None => {}
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd does not hear how the agent does");
    }
}

/// How the agent does, in a line without a name in it.
fn status(reporter: &Reporter) -> String {
    let heartbeat = reporter.heartbeat(0);
    let waiting: u64 = heartbeat.lanes.iter().map(|lane| lane.last.0 - lane.receipted_through.0).sum();
    let gateway = if heartbeat.uplink.is_some() { "connected to the gateway" } else { "no connection to the gateway" };
    format!("{gateway}; {waiting} events wait; {} devices", heartbeat.devices.len())
}
