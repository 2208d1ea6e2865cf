//! Starting, stopping and killing one of the shipped programs.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

use crate::clock::Moment;

/// Where the shipped programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `hempuls-agent`.
    pub agent: PathBuf,
    /// `hempuls-gateway`.
    pub gateway: PathBuf,
}

impl Programs {
    /// The programs built beside the one that is running.
    ///
    /// # Errors
    /// When they are not there, with the command that builds them.
    pub fn beside_this_one() -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("finding this program")?;
        let folders = this.ancestors().skip(1).take(2);
        let find = |name: &str| {
            folders
                .clone()
                .map(|folder| folder.join(name))
                .find(|program| program.is_file())
                .with_context(|| format!("{name} is not built: run `cargo build --bins` first"))
        };
        Ok(Self { agent: find("hempuls-agent")?, gateway: find("hempuls-gateway")? })
    }
}

/// A program that may be running. It is killed when this value goes away.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// How far ahead of the machine's its clocks since boot are.
    ahead: Duration,
    log: PathBuf,
    child: Option<Child>,
}

impl Program {
    /// A program that is to be run with these arguments and writes its log to `log`.
    #[must_use]
    pub fn new(path: &Path, arguments: &[&str], log: PathBuf) -> Self {
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        Self { path: path.to_owned(), arguments, environment: Vec::new(), ahead: Duration::ZERO, log, child: None }
    }

    /// With one more environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// From its next start on, so much more time has passed for it since boot, as the kernel's time namespaces allow.
    pub fn time_passes(&mut self, by: Duration) {
        self.ahead += by;
    }

    /// From its next start on, its wall clock is another than the machine's; the clocks since boot stay as they are.
    /// Needs Debian's `libfaketime`.
    ///
    /// # Errors
    /// When `libfaketime` is not installed, or the folder cannot be written.
    pub fn wears_a_clock(&mut self, folder: &Path) -> anyhow::Result<WallClock> {
        let library = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
            .map(|machine| PathBuf::from(format!("/usr/lib/{machine}/faketime/libfaketime.so.1")))
            .into_iter()
            .find(|library| library.is_file())
            .context("libfaketime is not installed: sudo apt-get install libfaketime")?;
        let clock = WallClock(folder.join(format!("wall-clock-{}", rand::random::<u32>())));
        clock.is_ahead_by(SignedDuration::ZERO)?;
        let set = |name: &str, value: &Path| (name.to_owned(), value.to_string_lossy().into_owned());
        self.environment.extend([
            set("LD_PRELOAD", &library),
            set("FAKETIME_TIMESTAMP_FILE", &clock.0),
            set("FAKETIME_NO_CACHE", Path::new("1")),
            set("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
        ]);
        Ok(clock)
    }

    /// Starts it, unless it runs already.
    ///
    /// # Errors
    /// When it cannot be started or its log cannot be written.
    pub fn start(&mut self) -> anyhow::Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let log: File = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = if self.ahead.is_zero() { Command::new(&self.path) } else { self.in_later_time() };
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C at the terminal is for the demonstration, which then stops its programs in order.
            .process_group(0)
            .kill_on_drop(true);
        self.child = Some(command.spawn().with_context(|| format!("starting {}", self.path.display()))?);
        Ok(())
    }

    /// The program once more, with other arguments, beside the one that may be running.
    pub(super) fn once_more(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn in_later_time(&self) -> Command {
        let seconds = self.ahead.as_secs().to_string();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-current-user"]);
        }
        command.args(["--time", "--boottime", &seconds, "--monotonic", &seconds, "--fork", "--kill-child", "--"]);
        command.arg(&self.path);
        command
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Ends it without a warning (SIGKILL), and waits until it is gone.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it is gone already.
            child.kill().await.ok();
        }
    }

    /// Asks it to stop (SIGTERM), and waits.
    ///
    /// # Errors
    /// When it has not stopped within ten seconds; it is killed then.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        self.signal(&child, Signal::TERM);
        if tokio::time::timeout(Duration::from_secs(10), child.wait()).await.is_err() {
            child.kill().await.ok();
            anyhow::bail!("{} did not stop within 10 s", self.path.display());
        }
        Ok(())
    }

    fn signal(&self, child: &Child, signal: Signal) {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // In later time `unshare` stands before it, and hands no signal on.
            let sent = if self.ahead.is_zero() { kill_process(id, signal) } else { kill_process_group(id, signal) };
            // An error means that it is gone already.
            sent.ok();
        }
    }

    /// The end of what it wrote, for a message.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// The wall clock of a program that wears one. It may be set while the program runs.
#[derive(Debug)]
pub struct WallClock(PathBuf);

impl WallClock {
    /// Sets it to this moment; it goes on from there.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn shows(&self, moment: Timestamp) -> std::io::Result<()> {
        self.is_ahead_by(moment.duration_since(Moment::now().utc))
    }

    /// Sets it so much ahead of the machine's.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn is_ahead_by(&self, ahead: SignedDuration) -> std::io::Result<()> {
        // Whoever reads it meanwhile must not find half of it.
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{:+}\n", ahead.as_secs()))?;
        std::fs::rename(new, &self.0)
    }
}

impl Drop for Program {
    /// Ends it and waits for that, so that nothing writes into a folder that is about to go.
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // An error means that it is gone already.
        child.start_kill().ok();
        for _ in 0..200 {
            if !matches!(child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs one command to its end and gives what it printed.
///
/// # Errors
/// When it cannot be started or fails, with what it said.
pub(super) async fn run(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("{} {}: {said}{complaint}", program.display(), arguments.join(" "))
    }
}
