//! A private message bus: Debian's `dbus-daemon` with a configuration and a socket of its own.
//!
//! It is the bus that home gateways run, so match rules, name tracking and what happens when a program leaves the
//! bus are the real ones. It ends with the [`Bus`].

use std::{io, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{ChildStdin, Command},
};

/// Runs the daemon in its folder until standard input closes, which it also does when this program is killed.
const WATCHED_DAEMON: &str = r#"
command -v dbus-daemon >/dev/null || exit 127
dbus-daemon --config-file="$1/bus.conf" --nofork --nopidfile --print-address 2>"$1/stderr" &
exec >&-
read -r _
kill $!
rm -rf "$1"
"#;

/// A running message bus.
#[derive(Debug)]
pub struct Bus {
    address: String,
    /// The daemon lives as long as this is open.
    _lifeline: ChildStdin,
    _folder: TempDir,
}

/// Why there is no bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The program is not installed.
    #[error("there is no dbus-daemon here; install it with: apt-get install dbus-daemon")]
    NotInstalled,
    /// It is installed, but did not start.
    #[error("the message bus did not start: {0}")]
    NotStarted(String),
    /// Its folder could not be prepared, or it could not be watched.
    #[error("preparing the message bus: {0}")]
    Io(#[from] io::Error),
}

impl Bus {
    /// Starts a bus that nobody but this user can reach.
    ///
    /// # Errors
    /// [`BusError`]; its text says what to install when that is what is missing.
    pub async fn start() -> Result<Self, BusError> {
        let folder = tempfile::Builder::new().prefix("hempuls-bus-").tempdir()?;
        std::fs::write(folder.path().join("bus.conf"), configuration(&folder))?;

        let mut daemon = Command::new("sh")
            .args(["-c", WATCHED_DAEMON, "dbus-daemon"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A terminal's Ctrl-C is for the program, which ends the bus when it has ended itself.
            .process_group(0)
            .spawn()?;
        let lifeline = daemon.stdin.take().expect("stdin is piped");
        let stdout = daemon.stdout.take().expect("stdout is piped");

        let Some(address) = BufReader::new(stdout).lines().next_line().await? else {
            let complaints = std::fs::read_to_string(folder.path().join("stderr"));
            drop(lifeline);
            return Err(match daemon.wait().await?.code() {
                Some(127) => BusError::NotInstalled,
                Some(_) | None => BusError::NotStarted(complaints?),
            });
        };
        Ok(Self { address, _lifeline: lifeline, _folder: folder })
    }

    /// What a program needs in `DBUS_SYSTEM_BUS_ADDRESS` to use this bus as its system bus.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

fn configuration(folder: &TempDir) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>hempuls</type>
  <listen>unix:path={}/socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"#,
        folder.path().display()
    )
}
