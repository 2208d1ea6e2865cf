//! An agent in a folder of its own, as an installer runs it, without a radio and without a gateway.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hempuls-agent");

/// An agent's folder, and the agent if it runs.
pub(crate) struct House {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    agent: Option<Child>,
}

impl House {
    pub(crate) fn installed(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("agent.toml"), format!("state = \"state\"\nlog = \"stderr\"\n{more}"))
            .unwrap();
        Self { folder, environment: Vec::new(), agent: None }
    }

    /// With one more environment variable.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    pub(crate) fn running(more: &str) -> Self {
        let mut house = Self::installed(more);
        house.start();
        house
    }

    pub(crate) fn start(&mut self) {
        self.launch();
        for _ in 0..1_000 {
            if self.command(&["status"]).status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{}", self.log());
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn launch(&mut self) {
        let log = std::fs::File::create(self.folder().join("log")).unwrap();
        let mut command = self.program(&["run"]);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.agent = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap()
    }

    pub(crate) fn stop(&mut self) {
        let mut agent = self.agent.take().unwrap();
        stop(&agent, Signal::TERM);
        assert!(agent.wait().unwrap().success(), "{}", self.log());
    }

    pub(crate) fn kill(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("state/agent.sock")
    }

    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg(arguments[0]).arg("--config").arg(self.folder().join("agent.toml")).args(&arguments[1..]);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        self.program(arguments).output().unwrap()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.program(arguments).stdout(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        let said = self.command(&["status", "--json"]);
        assert!(said.status.success(), "{said:?}");
        serde_json::from_slice(&said.stdout).unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            drop(agent.kill());
            drop(agent.wait());
        }
    }
}

/// Sends a signal.
pub(crate) fn stop(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}
