//! `hempuls-agent bundle`: one file for whoever looks for a fault from afar, without anything about a person.
//!
//! What goes in is composed here, not copied: no comment of `agent.toml`, no key, no event, no name that a device says.
//! The log holds none of that by rule, and is taken with no other program's lines.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::process::Command;
use tokio::time::timeout;

use crate::clock;
use crate::config::Config;
use crate::control::client::Talk;
use crate::control::words::{Answer, Ask};
use crate::doctor;

/// What to put where.
pub struct Wish {
    /// The configuration.
    pub config: PathBuf,
    /// The file to make.
    pub out: PathBuf,
    /// The agent's log, where it is a file; without it, what the system's journal has of the agent.
    pub log: Option<PathBuf>,
}

const WHAT_THIS_IS: &str = "\
What a hempuls-agent says about itself, for whoever looks for a fault. It holds no measured value, no event, no key and no
name of a person or of a device nearby. The addresses and models of this home's devices are in it: they are how devices
are told apart.

about.txt     the program and the machine
config.txt    the configuration, as the agent understood it
status.json   the running agent's own account
doctor.txt    what `hempuls-agent doctor` found
files.txt     the files in the state folder, with their sizes
log.txt       the end of the agent's log
";

/// Makes the bundle. Says what it could not put in.
///
/// # Errors
/// When the file cannot be made, or is there already.
pub async fn make(wish: &Wish) -> anyhow::Result<Vec<String>> {
    let out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&wish.out);
    let out = out.with_context(|| format!("{} cannot be made; is it there already?", wish.out.display()))?;
    let mut missing = Vec::new();
    let mut note = |name: &str, content: Result<String, String>| {
        content.unwrap_or_else(|why| {
            missing.push(format!("{name}: {why}"));
            format!("not there: {why}\n")
        })
    };
    let config = Config::read(&wish.config).map_err(|error| error.to_string());
    let status = match &config {
        Ok(config) => status(&config.socket).await,
        Err(_) => Err("without a configuration the agent cannot be found".into()),
    };
    let log = match &wish.log {
        Some(file) => end_of(file).map_err(|error| format!("{}: {error}", file.display())),
        None => journal().await,
    };
    let files = [
        ("README.txt", WHAT_THIS_IS.to_owned()),
        ("about.txt", about()),
        ("config.txt", note("config.txt", config.as_ref().map(composed).map_err(Clone::clone))),
        ("status.json", note("status.json", status)),
        ("doctor.txt", doctor::examine(&wish.config).await.to_string()),
        ("files.txt", note("files.txt", config.as_ref().map(|config| listing(&config.state)).map_err(Clone::clone))),
        ("log.txt", note("log.txt", log)),
    ];
    let mut archive = tar::Builder::new(out);
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(clock::unix_ms() / 1_000).unwrap_or(0));
        let place = format!("hempuls-agent/{name}");
        archive.append_data(&mut header, place, content.as_bytes()).context("writing the bundle")?;
    }
    archive.into_inner().and_then(|file| file.sync_all()).context("writing the bundle")?;
    Ok(missing)
}

fn about() -> String {
    let uname = rustix::system::uname();
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let os = os.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"');
    let up = clock::taken();
    format!(
        "hempuls-agent {}\n{os}\n{} {} {}\nclock {}, trust {:?}, {} s since boot\n",
        env!("CARGO_PKG_VERSION"),
        uname.sysname().to_string_lossy(),
        uname.release().to_string_lossy(),
        uname.machine().to_string_lossy(),
        up.wall_ms.map_or_else(|| "unknown".to_owned(), moment),
        up.trust,
        up.since_boot_ms / 1_000,
    )
}

fn moment(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| "impossible".into(), |moment| moment.to_string())
}

/// The configuration without its comments, its keys and the arguments of programs.
fn composed(config: &Config) -> String {
    let mut text = format!(
        "state {}\nsocket {}\nlog {:?}\nheartbeat {} s\nadapter {}\n",
        config.state.display(),
        config.socket.display(),
        config.log,
        config.heartbeat.interval.as_secs_f32(),
        config.radio.adapter.as_deref().unwrap_or("the first"),
    );
    let outputs =
        [config.feedback.hook.is_some().then_some("hook"), config.feedback.sound.is_some().then_some("sound")];
    let outputs: Vec<&str> = outputs.into_iter().flatten().collect();
    let _ = writeln!(text, "feedback {}", if outputs.is_empty() { "none".into() } else { outputs.join(", ") });
    for device in &config.devices {
        let key = if device.key.is_some() { ", with a key" } else { "" };
        let dialect = device.dialect.map_or_else(String::new, |dialect| format!(", {dialect}"));
        let _ = writeln!(text, "device {} {}{dialect}{key}", device.id(), device.kind.as_str());
    }
    text
}

async fn status(socket: &Path) -> Result<String, String> {
    let answer = match Talk::begin(socket, Ask::Status).await {
        Ok(mut talk) => talk.answer().await,
        Err(error) => Err(error),
    };
    match answer.map_err(|error| error.to_string())? {
        Answer::Status(status) => serde_json::to_string_pretty(&status).map_err(|error| error.to_string()),
        other => Err(format!("the agent answers something else than was asked: {other:?}")),
    }
}

/// Every file under a folder: mode, size, when it was written, its name.
fn listing(folder: &Path) -> String {
    let mut lines = Vec::new();
    list(folder, folder, &mut lines);
    lines.sort();
    lines.concat()
}

fn list(root: &Path, folder: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        let written = moment(about.mtime() * 1_000);
        let (mode, owner) = (about.mode() & 0o7777, about.uid());
        lines.push(format!("{name}  {mode:04o}  owner {owner}  {} bytes  {written}\n", about.len()));
        if about.is_dir() {
            list(root, &path, lines);
        }
    }
}

/// Bytes of a log that are taken: some days of an agent that complains.
const LOG: u64 = 512 << 10;
const LINES: &str = "4000";
const PATIENCE: Duration = Duration::from_secs(20);

fn end_of(log: &Path) -> io::Result<String> {
    let mut file = fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG)))?;
    let mut end = Vec::new();
    file.take(LOG).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

/// What the journal has of the agent, without the name of the machine.
async fn journal() -> Result<String, String> {
    let mut command = Command::new("journalctl");
    command.args(["--unit=hempuls-agent", "--no-pager", "--no-hostname", "--output=short-iso", "--lines", LINES]);
    let asked = timeout(PATIENCE, command.kill_on_drop(true).output()).await;
    let output = asked.map_err(|_| "the journal does not answer")?.map_err(|error| format!("journalctl: {error}"))?;
    if !output.status.success() {
        return Err(format!("journalctl: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    let from = text.len().saturating_sub(LOG as usize);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Ok(text.split_off(from))
}
