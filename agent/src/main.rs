//! `hempuls-agent`: the program on the box in the home.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use hempuls_agent::config::{self, Config, Log};
use hempuls_agent::control::adopt::Wish;
use hempuls_agent::identity::Folder;
use hempuls_agent::identity::enrol::enrol;
use hempuls_agent::{bundle, commands, panics, run};
use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::enrolment::EnrolmentCode;
use tokio::runtime::Runtime;
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
    /// Says how the running agent does: its books, its way to the gateway, its devices.
    Status {
        #[command(flatten)]
        file: ConfigFile,
        /// Prints one JSON object instead of a page.
        #[arg(long)]
        json: bool,
    },
    /// Shows what is heard nearby, the likeliest first: which of eighty devices is the cuff in your hand.
    Devices {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        look: commands::Look,
    },
    /// Makes a device one of this home's, and says how it goes until it has said something.
    Adopt {
        #[command(flatten)]
        file: ConfigFile,
        /// Its address, as `hempuls-agent devices` shows it.
        address: String,
        /// What it is: blood_pressure, pulse_oximeter, thermometer, weight_scale, heart_rate or alarm_button. Left out,
        /// it is what it says it is.
        #[arg(long)]
        kind: Option<DeviceKind>,
        /// A file with a button's key: 32 hexadecimal digits.
        #[arg(long)]
        key_file: Option<PathBuf>,
        /// How often a button sends a sign of life, such as 15m, where it does: it is missed then.
        #[arg(long, value_parser = config::duration)]
        beacon: Option<Duration>,
    },
    /// Takes back an adoption. The device's pairing goes, too.
    Forget {
        #[command(flatten)]
        file: ConfigFile,
        /// Its address.
        address: String,
    },
    /// Raises an alarm, and says how far it comes until it is closed or this command is stopped. Ends with 0 once the
    /// gateway has received it, with 3 if it was stopped before that, with 1 if the alarm was not taken.
    Alarm {
        #[command(flatten)]
        file: ConfigFile,
        /// Where it comes from: letters, digits, - and _. Not a person's name.
        #[arg(long, default_value = "alarm")]
        name: String,
    },
    /// Looks at everything that the agent needs, and says what to do about what it lacks. Works without a running agent.
    /// Ends with 1 if something must be put right.
    Doctor {
        #[command(flatten)]
        file: ConfigFile,
        /// Prints JSON instead of a page.
        #[arg(long)]
        json: bool,
    },
    /// Writes one file for whoever looks for a fault from afar. Nothing about a person is in it.
    Bundle {
        #[command(flatten)]
        file: ConfigFile,
        /// The file to write, a tar archive.
        #[arg(long)]
        out: PathBuf,
        /// The agent's log, where it does not go to the system's journal.
        #[arg(long)]
        log: Option<PathBuf>,
    },
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
        Ok(code) => code,
        Err(error) => {
            eprintln!("hempuls-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    // Another provider can only have been installed by this very line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let done = do_it(command, &runtime);
    // What a disk keeps waiting is not waited for.
    runtime.shutdown_background();
    done
}

fn do_it(command: Command, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    match command {
        Command::CheckConfig(file) => {
            let config = Config::read(&file.config)?;
            println!("{}: right, with {} devices", file.config.display(), config.devices.len());
            Ok(ExitCode::SUCCESS)
        }
        Command::Status { file, json } => runtime.block_on(commands::status(&config::socket(&file.config)?, json)),
        Command::Alarm { file, name } => runtime.block_on(commands::alarm(&config::socket(&file.config)?, name)),
        Command::Devices { file, look } => runtime.block_on(commands::devices(&config::socket(&file.config)?, look)),
        Command::Adopt { file, address, kind, key_file, beacon } => {
            let key = key_file.map(|path| {
                let text = std::fs::read_to_string(&path);
                text.with_context(|| format!("reading {}", path.display())).map(|text| text.trim().to_owned())
            });
            let beacon_s = beacon.map(|beacon| u32::try_from(beacon.as_secs()).unwrap_or(u32::MAX));
            let wish = Wish { address, kind, key: key.transpose()?, beacon_s };
            runtime.block_on(commands::adopt(&config::socket(&file.config)?, wish))
        }
        Command::Forget { file, address } => {
            runtime.block_on(commands::forget(&config::socket(&file.config)?, address))
        }
        Command::Doctor { file, json } => runtime.block_on(commands::doctor(&file.config, json)),
        Command::Bundle { file, out, log } => {
            runtime.block_on(commands::bundle(&bundle::Wish { config: file.config, out, log }))
        }
        Command::Enrol { file, gateway, code } => {
            let identity = Folder::in_state(&Config::read(&file.config)?.state);
            let agent = runtime.block_on(enrol(&identity, &gateway, &code))?;
            println!("enrolled as {agent}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(file) => {
            let config = Config::read(&file.config)?;
            log_to(config.log)?;
            panics::watch();
            runtime.block_on(run::run(config)).map(|()| ExitCode::SUCCESS)
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
