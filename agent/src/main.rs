//! `hempuls-agent`: the program on the box in the home.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use hempuls_agent::buffer::Buffer;
use hempuls_agent::config::{Config, Log};
use hempuls_agent::enrol::enrol;
use hempuls_agent::heartbeat::{Reporter, Vitals};
use hempuls_agent::identity::Folder;
use hempuls_agent::stop::Stop;
use hempuls_agent::{clock, panics, radio, uplink};
use hempuls_protocol::enrolment::EnrolmentCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Listens to the devices of a home and brings what they say to the gateway.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Listens, keeps and sends, until it is stopped.
    Run(ConfigFile),
    /// Says whether the configuration is right.
    CheckConfig(ConfigFile),
    /// Gets this agent's identity from its gateway, with a code that the gateway printed.
    Enrol {
        #[command(flatten)]
        file: ConfigFile,
        /// Where the gateway is: host and port.
        #[arg(long)]
        gateway: String,
        /// The code: 4 groups of 6 characters.
        #[arg(long)]
        code: EnrolmentCode,
    },
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration.
    #[arg(long, default_value = "/etc/hempuls/agent.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    match execute(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hempuls-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    // Another provider can only have been installed by this very line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    match command {
        Command::CheckConfig(file) => {
            let config = Config::read(&file.config)?;
            println!("{}: right, with {} devices", file.config.display(), config.devices.len());
            Ok(())
        }
        Command::Enrol { file, gateway, code } => {
            let identity = Folder::in_state(&Config::read(&file.config)?.state);
            let agent = runtime.block_on(enrol(&identity, &gateway, &code))?;
            println!("enrolled as {agent}");
            Ok(())
        }
        Command::Run(file) => {
            let config = Config::read(&file.config)?;
            log_to(config.log)?;
            panics::watch();
            runtime.block_on(run(config))
        }
    }
}

/// For the radio to put its last words on flash, and for the uplink to say goodbye.
const RADIO_FAREWELL: Duration = Duration::from_millis(1_200);
const UPLINK_FAREWELL: Duration = Duration::from_millis(600);

async fn run(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let (buffer, writer) = Buffer::open(&config.state)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), epoch = %buffer.state().epoch, "the agent runs");

    let (stopper, stop) = Stop::new();
    let vitals = Vitals::of(config.devices.iter().map(hempuls_agent::config::Device::id));
    let reporter = Reporter { vitals: vitals.clone(), buffer: buffer.clone(), state: config.state.clone() };
    let identity = Folder::in_state(&config.state);
    let (words, mut heard) = mpsc::unbounded_channel();
    let mut uplink =
        tokio::spawn(uplink::run(identity, buffer.clone(), reporter, config.heartbeat, words, stop.clone()));
    let (_adopt, adopted) = watch::channel(config.devices);
    tokio::spawn(clock::watch(buffer.clone(), stop.clone()));
    let mut radio = tokio::spawn(radio::run(config.radio, adopted, buffer.clone(), vitals, stop));

    let listen = async {
        while let Some(word) = heard.recv().await {
            match word {
                uplink::Word::Time(now_ms) => clock::gateway_says(now_ms, &buffer).await,
                word => tracing::debug!(?word, "the gateway says"),
            }
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        () = listen => {}
        _ = interrupt.recv() => {}
        _ = &mut uplink => tracing::error!("the uplink ended; the agent stops, to be started anew"),
        _ = &mut radio => tracing::error!("the radio ended; the agent stops, to be started anew"),
    }
    tracing::info!("stopping");
    stopper.stop();
    // Both may have ended already, and then have nothing left to do.
    let _ = timeout(RADIO_FAREWELL, async {
        if !radio.is_finished() {
            drop(radio.await)
        }
    })
    .await;
    let _ = timeout(UPLINK_FAREWELL, async {
        if !uplink.is_finished() {
            drop(uplink.await)
        }
    })
    .await;
    writer.close();
    Ok(())
}

fn log_to(log: Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    match log {
        Log::Stderr => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).init(),
        Log::Journald => registry.with(tracing_journald::layer().context("reaching the system's journal")?).init(),
    }
    Ok(())
}
