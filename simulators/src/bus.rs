//! A private message bus: Debian's `dbus-daemon` with a configuration and a socket of its own.
//!
//! It is the bus that home gateways run, so match rules, name tracking and what happens when a program leaves the
//! bus are the real ones. It ends with the [`Bus`].

use std::{io, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Runs the daemon in its folder until standard input closes, which it also does when this program is killed.
const WATCHED_DAEMON: &str = r#"
command -v dbus-daemon >/dev/null || exit 127
dbus-daemon --config-file="$1/bus.conf" --nofork --nopidfile --print-address 2>"$1/stderr" &
exec >&-
read -r _
kill $!
wait $!
rm -rf "$1"
"#;

/// A running message bus.
#[derive(Debug)]
pub struct Bus {
    address: String,
    daemon: Child,
    folder: TempDir,
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
        let (daemon, address) = launch(&folder).await?;
        Ok(Self { address, daemon, folder })
    }

    /// Ends, as a message bus that crashes does, and starts anew: everybody who was on it has lost it.
    ///
    /// # Errors
    /// [`BusError`] when it does not come back.
    pub async fn restart(&mut self) -> Result<(), BusError> {
        drop(self.daemon.stdin.take());
        self.daemon.wait().await?;
        (self.daemon, self.address) = launch(&self.folder).await?;
        Ok(())
    }

    /// What a program needs in `DBUS_SYSTEM_BUS_ADDRESS` to use this bus as its system bus.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Starts the daemon; it lives as long as its standard input is open.
async fn launch(folder: &TempDir) -> Result<(Child, String), BusError> {
    // It was removed with the daemon before this one.
    std::fs::create_dir_all(folder.path())?;
    std::fs::write(folder.path().join("bus.conf"), configuration(folder))?;
    let mut daemon = Command::new("sh")
        .args(["-c", WATCHED_DAEMON, "dbus-daemon"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A terminal's Ctrl-C is for the program, which ends the bus when it has ended itself.
        .process_group(0)
        .spawn()?;
    let stdout = daemon.stdout.take().expect("stdout is piped");
    let Some(line) = BufReader::new(stdout).lines().next_line().await? else {
        let complaints = std::fs::read_to_string(folder.path().join("stderr"));
        drop(daemon.stdin.take());
        return Err(match daemon.wait().await?.code() {
            Some(127) => BusError::NotInstalled,
            Some(_) | None => BusError::NotStarted(complaints?),
        });
    };
    // Whoever connects to a daemon by its identity as well does not find the next one at this address.
    let address = line.split_once(",guid=").map_or(line.as_str(), |(address, _)| address).to_owned();
    Ok((daemon, address))
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
