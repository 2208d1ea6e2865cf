//! The virtual machine: started, given orders, asked what happened.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hempuls_simulators::system::Programs;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How long an effect may take. Programs run several times slower in the machine, and the host may be busy as well.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often is looked whether something has come to pass.
const LOOK: Duration = Duration::from_millis(250);
/// From power to the first answer.
const BOOT: Duration = Duration::from_secs(240);

const BLUETOOTHD: [&str; 2] = ["/usr/libexec/bluetooth/bluetoothd", "-n"];

/// A machine that runs. It switches itself off when this value, or the program that holds it, goes away.
#[derive(Debug)]
pub struct Machine {
    folder: PathBuf,
    machine: Child,
    orders: BufReader<UnixStream>,
}

/// One line of the machine's ledger: what happened, and when.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// Its number.
    pub n: usize,
    /// Milliseconds since the machine was started.
    pub at: u64,
    /// What happened.
    pub what: String,
    /// The device that did it, if one did.
    pub device: Option<String>,
    /// The program that it happened to, if one was.
    pub program: Option<String>,
    /// What was said, in hexadecimal.
    pub hex: Option<String>,
    /// In how many advertisements of a burst the radio was listening.
    pub heard: Option<u32>,
    /// Whether the radio listens.
    pub on: Option<bool>,
}

/// What a command in the machine said.
#[derive(Deserialize)]
struct Said {
    code: i32,
    out: String,
    complaint: String,
}

impl Machine {
    /// Builds the machine where that has not been done yet, starts it, and waits until its radio is powered.
    ///
    /// # Errors
    /// When this host cannot build or run it, with what was missing.
    pub fn boot(programs: &Programs) -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("real-bluez");
        let built = Command::new(here.join("build")).output().context("running tests/real-bluez/build")?;
        let complaint = String::from_utf8_lossy(&built.stderr).into_owned();
        ensure!(built.status.success(), "tests/real-bluez/build cannot build a machine: {}", complaint.trim());
        let built = PathBuf::from(String::from_utf8(built.stdout)?.trim());

        let folder = own_folder(built.parent().context("the machine's folder has a parent")?)?;
        for (program, name) in [(&programs.agent, "hempuls-agent"), (&programs.gateway, "hempuls-gateway")] {
            fs::copy(program, folder.join(name))?;
        }
        let guest = folder.join("guest");
        fs::create_dir(&guest)?;
        for file in fs::read_dir(here.join("guest"))? {
            let file = file?;
            if file.file_type()?.is_file() {
                fs::copy(file.path(), guest.join(file.file_name()))?;
            }
        }
        let socket = format!("hempuls-real-bluez-{}", std::process::id());
        let console = File::create(folder.join("console.log"))?;
        let machine = Command::new(here.join("boot"))
            .args([&built, &folder])
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()
            .context("starting the machine")?;
        let orders = connect(&socket)?;
        orders.set_read_timeout(Some(BOOT))?;
        let mut this = Self { folder, machine, orders: BufReader::new(orders) };
        let started = this.until("the radio is powered", |machine| machine.radio_is_powered());
        started.with_context(|| this.last_words(&["console", "home", "bluetoothd"]))?;
        Ok(this)
    }

    /// The folder that host and machine share: `/share` in there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives an order: `{"do": …}` with the parameters of a function in `guest/home.py`.
    ///
    /// # Errors
    /// When it cannot be carried out, or the machine is gone.
    pub fn order<T: DeserializeOwned>(&mut self, order: &Value) -> anyhow::Result<T> {
        let gone = || format!("the machine does not answer to {order}; its console is in {}", self.folder.display());
        let mut line = format!("{order}\n");
        self.orders.get_mut().write_all(line.as_bytes()).with_context(gone)?;
        line.clear();
        let length = self.orders.read_line(&mut line).with_context(gone)?;
        ensure!(length > 0, gone());
        let mut answer: Value = serde_json::from_str(&line).context("reading the machine's answer")?;
        match answer.get("error") {
            Some(error) => bail!("{order}: {error}"),
            None => serde_json::from_value(answer["answer"].take()).context("reading the machine's answer"),
        }
    }

    /// Runs a command in the machine and gives what it printed.
    ///
    /// # Errors
    /// When it fails, with what it complained of.
    pub fn run(&mut self, argv: &[&str]) -> anyhow::Result<String> {
        self.command(&json!({"do": "run", "argv": argv}), argv)
    }

    /// As [`Machine::run`], for `hempuls-agent adopt`: the number that this device shows is typed when it is asked for.
    ///
    /// # Errors
    /// As there.
    pub fn adopt(&mut self, argv: &[&str], device: &str) -> anyhow::Result<String> {
        self.command(&json!({"do": "adopt", "argv": argv, "address": device}), argv)
    }

    fn command(&mut self, order: &Value, argv: &[&str]) -> anyhow::Result<String> {
        let said: Said = self.order(order)?;
        ensure!(said.code == 0, "{}: {}{}", argv.join(" "), said.out, said.complaint);
        Ok(said.out)
    }

    /// Starts a program that runs on; what it prints is in `<name>.log`.
    ///
    /// # Errors
    /// When one of that name runs already.
    pub fn start(&mut self, name: &str, argv: &[&str]) -> anyhow::Result<()> {
        self.order(&json!({"do": "start", "program": name, "argv": argv}))
    }

    /// Ends a program without a warning, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        self.order(&json!({"do": "end", "program": name, "how": "KILL"}))
    }

    /// Asks a program to stop, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&mut self, name: &str) -> anyhow::Result<()> {
        self.order(&json!({"do": "end", "program": name, "how": "TERM"}))
    }

    /// Whether a program of that name runs.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn is_running(&mut self, name: &str) -> anyhow::Result<bool> {
        Ok(self.order::<Vec<String>>(&json!({"do": "running"}))?.iter().any(|running| running == name))
    }

    /// What happened, from this line on.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn ledger(&mut self, since: usize) -> anyhow::Result<Vec<Line>> {
        self.order(&json!({"do": "ledger", "since": since}))
    }

    /// Stops bluetoothd as systemd does, and starts it again.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart_bluetoothd(&mut self) -> anyhow::Result<()> {
        self.stop("bluetoothd")?;
        self.start_bluetoothd()
    }

    /// Starts bluetoothd.
    ///
    /// # Errors
    /// When it runs.
    pub fn start_bluetoothd(&mut self) -> anyhow::Result<()> {
        self.start("bluetoothd", &BLUETOOTHD)
    }

    /// Pulls the Bluetooth adapter out.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn pull_the_radio_out(&mut self) -> anyhow::Result<()> {
        self.order(&json!({"do": "radio", "there": false}))
    }

    /// Plugs the Bluetooth adapter in again.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn plug_the_radio_in(&mut self) -> anyhow::Result<()> {
        self.order(&json!({"do": "radio", "there": true}))
    }

    fn radio_is_powered(&mut self) -> anyhow::Result<Result<(), String>> {
        let ask = "dbus-send --system --print-reply --dest=org.bluez /org/bluez/hci0 \
                   org.freedesktop.DBus.Properties.Get string:org.bluez.Adapter1 string:Powered";
        let answer = self.run(&Vec::from_iter(ask.split_whitespace())).unwrap_or_else(|error| format!("{error:#}"));
        Ok(if answer.contains("boolean true") { Ok(()) } else { Err(answer) })
    }

    /// Asks again and again until the answer is there.
    ///
    /// # Errors
    /// After [`PATIENCE`], with the last reason why it is not; at once when asking fails.
    pub fn until<T>(
        &mut self,
        what: &str,
        mut ask: impl FnMut(&mut Self) -> anyhow::Result<Result<T, String>>,
    ) -> anyhow::Result<T> {
        let mut reason = String::new();
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            match ask(self)? {
                Ok(answer) => return Ok(answer),
                Err(why) => reason = why,
            }
            sleep(LOOK);
        }
        bail!("{what}: not within {} s; {reason}", PATIENCE.as_secs())
    }

    /// The ends of these programs' logs, for a message.
    #[must_use]
    pub fn last_words(&self, names: &[&str]) -> String {
        let end = |name: &&str| {
            let log = fs::read(self.folder.join(format!("{name}.log"))).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            let lines: Vec<_> = log.lines().rev().take(20).collect();
            format!("--- {name}\n{}\n", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        names.iter().map(end).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It switches itself off; a machine that hangs is ended. An error means that it is gone already.
        let _ = self.orders.get_ref().shutdown(std::net::Shutdown::Both);
        for _ in 0..40 {
            if !matches!(self.machine.try_wait(), Ok(None)) {
                return;
            }
            sleep(LOOK);
        }
        let _ = self.machine.kill();
        let _ = self.machine.wait();
    }
}

/// A folder of this process's own. What processes that are gone have left is removed.
fn own_folder(parent: &Path) -> anyhow::Result<PathBuf> {
    for left in fs::read_dir(parent)? {
        let left = left?;
        let name = left.file_name().to_string_lossy().into_owned();
        if name.strip_prefix("run-").is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            fs::remove_dir_all(left.path())?;
        }
    }
    let folder = parent.join(format!("run-{}", std::process::id()));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// The machine waits for somebody to take its orders' other end.
fn connect(socket: &str) -> anyhow::Result<UnixStream> {
    let address = SocketAddr::from_abstract_name(socket)?;
    let mut tries = 40;
    loop {
        match UnixStream::connect_addr(&address) {
            Ok(stream) => return Ok(stream),
            Err(_) if tries > 0 => tries -= 1,
            Err(error) => return Err(error).context("reaching the machine"),
        }
        sleep(LOOK);
    }
}
