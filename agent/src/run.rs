//! The running program: its parts, and how they end.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::buffer::Buffer;
use crate::config::Config;
use crate::control::{self, Daemon, Wires};
use crate::feedback::Feedback;
use crate::heartbeat::{Reporter, Vitals};
use crate::identity::{self, Folder};
use crate::radio::passkeys::Passkeys;
use crate::settings::Desk;
use crate::stop::Stop;
use crate::uplink::{self, Word};
use crate::watchdog::{Part, Pulse, Questions};
use crate::{clock, proof, radio, systemd};

/// For the radio to put its last words on flash, and for the uplink to say goodbye.
const FAREWELL: Duration = Duration::from_millis(1_200);
/// For the buffer to write down what is in memory. All together the program stops within two seconds.
const LAST_WRITES: Duration = Duration::from_millis(400);

/// Listens, keeps and sends, until it is told to stop.
///
/// # Errors
/// When the state folder cannot be used.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let (buffer, writer) = Buffer::open(&config.state, &config.buffer)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), epoch = ?buffer.state().flash.map(|held| held.epoch), "the agent runs");

    let (stopper, stop) = Stop::new();
    let (questions, answers) = Questions::new();
    let desk = Desk::open(&config.state, config.devices);
    let vitals = Vitals::default();
    let reporter =
        Reporter { vitals: vitals.clone(), buffer: buffer.clone(), desk: desk.clone(), state: config.state.clone() };
    let identity = Folder::in_state(&config.state);
    if identity.is_enrolled() {
        vitals.enrolled();
    }
    let (words, heard) = mpsc::unbounded_channel();
    let passed = identity.passed().clone();
    let interfaces = uplink::interfaces(&config.uplinks);
    tokio::spawn(identity::renewal::run(identity.clone(), interfaces, stop.clone()));
    let mut uplink = tokio::spawn(uplink::run(
        identity.clone(),
        uplink::Config { lines: config.uplinks, heartbeat: config.heartbeat },
        buffer.clone(),
        reporter.clone(),
        words,
        questions.pulse(Part::Uplink),
        stop.clone(),
    ));
    tokio::spawn(clock::watch(buffer.clone(), stop.clone()));
    tokio::spawn(proof::run(buffer.clone(), desk.prove(), stop.clone()));
    let passkeys = Passkeys::default();
    let pulse = questions.pulse(Part::Radio);
    let mut radio = tokio::spawn(radio::run(
        config.radio,
        desk.home(),
        buffer.clone(),
        vitals,
        passkeys.clone(),
        pulse,
        stop.clone(),
    ));
    let feedback = Feedback::start(config.feedback, buffer.clone(), questions.pulse(Part::Feedback), stop.clone());
    let daemon = Daemon {
        buffer: buffer.clone(),
        reporter: reporter.clone(),
        identity,
        desk: desk.clone(),
        fates: feedback.fates(),
        passkeys,
        wires: Wires::default(),
    };
    let control = tokio::spawn(control::serve(config.socket, daemon, questions.pulse(Part::Control), stop.clone()));
    tokio::spawn(come_round(buffer.clone(), questions.pulse(Part::Buffer)));
    let report = tokio::spawn(systemd::report(questions, answers, reporter, stop));
    let listen = listen(heard, &desk, &buffer, &feedback);

    tokio::select! {
        _ = terminate.recv() => {}
        () = listen => {}
        _ = interrupt.recv() => {}
        _ = &mut uplink => tracing::error!("the uplink ended; the agent stops, to be started anew"),
        _ = &mut radio => tracing::error!("the radio ended; the agent stops, to be started anew"),
    }
    tracing::info!("stopping");
    stopper.stop();
    let farewell = async { tokio::join!(ended(radio), ended(uplink), ended(control), ended(report)) };
    if timeout(FAREWELL, farewell).await.is_err() {
        tracing::warn!("a part of the program does not stop in time, and is left behind");
    }
    let written = tokio::task::spawn_blocking(move || {
        writer.close();
        passed.write();
    });
    if timeout(LAST_WRITES, written).await.is_err() {
        tracing::warn!("the flash takes too long for the last receipts; some events will be sent once more");
    }
    Ok(())
}

/// Waits until a part has ended, if it has not already.
async fn ended(part: JoinHandle<()>) {
    if !part.is_finished() {
        drop(part.await);
    }
}

/// Answers for the thread that writes, whenever it has come round.
async fn come_round(buffer: Buffer, mut pulse: Pulse) {
    loop {
        pulse.question().await;
        buffer.comes_round().await;
        pulse.answer();
    }
}

/// Acts on what the gateway says besides receipts.
pub async fn listen(mut heard: mpsc::UnboundedReceiver<Word>, desk: &Desk, buffer: &Buffer, feedback: &Feedback) {
    while let Some(word) = heard.recv().await {
        match word {
            Word::Config(home) => desk.told(home).await,
            Word::UnreadableConfig { revision, why } => desk.refuse(revision, why).await,
            Word::Time(now_ms) => clock::gateway_says(now_ms, buffer).await,
            Word::Feedback(alarms) => feedback.told(alarms),
        }
    }
}
