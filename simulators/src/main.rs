//! `hempuls-sim`: the simulators by hand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A BlueZ and the devices it hears, without a radio.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a BlueZ on a bus of its own, with a device of each kind, and takes commands.
    Bluez(hempuls_simulators::home::by_hand::Args),
    /// Starts the whole system on this machine, with a simulated home.
    Demo(hempuls_simulators::demo::Args),
    /// Decodes payloads that devices sent.
    Decode(hempuls_simulators::decode::Args),
    /// Feeds every decoder with damaged payloads.
    Fuzz(hempuls_simulators::fuzz::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(run());
    // Somebody may still be reading the keyboard; nobody waits for the next key.
    runtime.shutdown_background();
    ended
}

async fn run() -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match Arguments::parse().command {
        Command::Demo(args) => return hempuls_simulators::demo::run(args).await,
        Command::Bluez(args) => hempuls_simulators::home::by_hand::run(args).await?,
        Command::Decode(args) => hempuls_simulators::decode::run(args)?,
        Command::Fuzz(args) => hempuls_simulators::fuzz::run(args)?,
    }
    Ok(ExitCode::SUCCESS)
}
