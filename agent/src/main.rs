//! `hempuls-agent`: the program on the box in the home.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use hempuls_agent::config::{Config, Log};
use hempuls_agent::enrol::enrol;
use hempuls_agent::identity::Folder;
use hempuls_agent::{panics, run};
use hempuls_protocol::enrolment::EnrolmentCode;
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
            runtime.block_on(run::run(config))
        }
    }
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
