//! The shipped agent: installed in a folder of its own, told where its message bus is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

use super::gateway::path_text;
use super::{Gateway, Home, Program, Programs};

/// A device the agent is configured to serve.
#[derive(Clone, Debug)]
pub struct Served {
    /// Its address.
    pub address: String,
    /// `blood_pressure`, `pulse_oximeter`, `alarm_button` …
    pub kind: &'static str,
    /// A button's key: 32 hexadecimal digits.
    pub key: Option<String>,
}

/// An agent in a folder of its own.
#[derive(Debug)]
pub struct Agent {
    folder: PathBuf,
    program: Program,
}

impl Agent {
    /// Writes its configuration. It is neither enrolled nor started yet.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn install(
        programs: &Programs,
        folder: &Path,
        bus: &str,
        heartbeat: Duration,
        devices: &[Served],
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut text = format!("state = \"state\"\nheartbeat = \"{}ms\"\nlog = \"stderr\"\n", heartbeat.as_millis());
        for (number, device) in devices.iter().enumerate() {
            write!(text, "[[device]]\naddress = \"{}\"\nkind = \"{}\"\n", device.address, device.kind)?;
            if let Some(key) = &device.key {
                std::fs::write(folder.join(format!("device-{number}.key")), key)?;
                writeln!(text, "key_file = \"device-{number}.key\"")?;
            }
        }
        let config = folder.join("agent.toml");
        std::fs::write(&config, text)?;
        let arguments = ["run", "--config", path_text(&config)?];
        let program = Program::new(&programs.agent, &arguments, folder.join("agent.log"))
            .with_env("DBUS_SYSTEM_BUS_ADDRESS", bus);
        Ok(Self { folder: folder.to_owned(), program })
    }

    /// Writes more at the end of its configuration.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, text: &str) -> std::io::Result<()> {
        let config = self.folder.join("agent.toml");
        std::fs::write(&config, std::fs::read_to_string(&config)? + text)
    }

    /// `hempuls-agent enrol`, as the installer does it; also while the agent runs.
    ///
    /// # Errors
    /// When the command fails, with what it said.
    pub async fn enrol(&self, gateway: &Gateway, home: &Home) -> anyhow::Result<()> {
        let where_to = gateway.enrolment();
        self.command(&["enrol", "--gateway", &where_to, "--code", &home.code]).await.map(drop)
    }

    /// Runs one of its commands, such as `status --json`, to its end, and gives what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.ask(arguments)?.output().await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        anyhow::ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    /// One of its commands, to be run.
    ///
    /// # Errors
    /// When its folder has a name that cannot be one.
    pub fn ask(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let (name, rest) = arguments.split_first().context("no command")?;
        let config = self.folder.join("agent.toml");
        Ok(self.program.once_more(&[&[name, "--config", path_text(&config)?], rest].concat()))
    }

    /// Starts it, unless it runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.program.start()
    }

    /// The program, to stop or kill it.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Its state folder: what is kept over restarts.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The file with its key and its certificate.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.state().join("identity/identity.toml")
    }
}
