//! `hempuls-gateway`: see `--help`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use hempuls_gateway::cli::Cli;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,rmqtt=warn"));
    let is_read_live = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_read_live).with_writer(std::io::stderr).init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("nobody has installed another provider before main");
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hempuls-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
