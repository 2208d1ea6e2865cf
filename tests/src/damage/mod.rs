//! Flash that gives back other bytes than were written: the agent starts all the same, and what it finds is what was
//! written, or is said to be gone (P1, P2).
//!
//! A buffer is written once. Then, over and over, something in a copy of it is spoilt, and a program of its own opens that,
//! with a time limit and an eye on its memory.

pub mod look;
pub mod spoil;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hempuls_agent::buffer::{Buffer, Config, Limits};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use self::look::Found;
use crate::copy_folder;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that looks: `hempuls-bench`.
    pub program: PathBuf,
    /// All chance follows from it.
    pub seed: u64,
    /// How often something is spoilt.
    pub cycles: u32,
    /// Where to keep what did harm.
    pub keep: Option<PathBuf>,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Report {
    /// How often something was spoilt.
    pub cycles: u32,
    /// Of these, the buffer was whole all the same.
    pub whole: u32,
    /// Or was salvaged, with this many of what waited.
    pub salvaged: u32,
    /// Of what waited in these, how many were taken again, and how many were gone.
    pub again: u64,
    /// And gone.
    pub gone: u64,
    /// The longest start.
    pub slowest: Duration,
    /// The most memory of a start, in KiB.
    pub largest_kib: u64,
    /// Each time that did harm, and what it did.
    pub harm: Vec<String>,
}

/// A start that takes longer has hung.
const DEADLINE: Duration = Duration::from_secs(60);
/// A start that needs more memory than this would be ended by a small box, in KiB.
const MEMORY_KIB: u64 = 128 << 10;
const ENOUGH_HARM: usize = 20;

/// Spoils and looks, so many times.
///
/// # Errors
/// When that does not work. Harm is no error.
pub async fn run(options: &Options, mut progress: impl FnMut(&Report)) -> anyhow::Result<Report> {
    let memory = Path::new("/dev/shm");
    let mut room = tempfile::Builder::new();
    let room = room.prefix("hempuls-damage-");
    let room = if memory.is_dir() { room.tempdir_in(memory) } else { room.tempdir() }?;
    let mut chance = StdRng::seed_from_u64(options.seed);
    let mut report = Report::default();
    let mut whole = None;
    while report.cycles < options.cycles && report.harm.len() < ENOUGH_HARM {
        // Another buffer now and then, of another size.
        if report.cycles % 100 == 0 {
            whole = Some(Whole::write(&room.path().join(format!("whole-{}", report.cycles)), &mut chance).await?);
        }
        let whole = whole.as_ref().context("it was written")?;
        let spoilt = room.path().join("spoilt");
        if spoilt.exists() {
            std::fs::remove_dir_all(&spoilt)?;
        }
        copy_folder(&whole.folder, &spoilt)?;
        let spoiling = spoil::something(&spoilt.join("state"), &whole.older(), &mut chance)?;
        let kept = options.keep.as_ref().map(|keep| keep.join(format!("{}-{}", options.seed, report.cycles)));
        if let Some(kept) = &kept {
            copy_folder(&spoilt, kept)?;
        }
        report.cycles += 1;
        let looked = look(&options.program, &spoilt).and_then(|(found, took)| {
            report.slowest = report.slowest.max(took);
            report.largest_kib = report.largest_kib.max(found.memory_kib);
            whole.compare(&found, &mut report)
        });
        match (looked, kept) {
            (Ok(()), Some(kept)) => std::fs::remove_dir_all(kept)?,
            (Ok(()), None) => {}
            (Err(harm), _) => {
                report.harm.push(format!("seed {}, cycle {}: {spoiling}: {harm:#}", options.seed, report.cycles));
            }
        }
        progress(&report);
    }
    Ok(report)
}

/// A buffer before anything was spoilt, and what waits in it.
struct Whole {
    folder: PathBuf,
    found: Found,
    /// Everything that was ever in it: an older file brings back what went since.
    ever: BTreeSet<u64>,
}

impl Whole {
    async fn write(folder: &Path, chance: &mut StdRng) -> anyhow::Result<Self> {
        std::fs::create_dir(folder)?;
        let state = folder.join("state");
        let rounds = chance.random_range(1..30);
        let mut ever = BTreeSet::new();
        for round in 0..rounds {
            let (buffer, writer) = Buffer::open(&state, &config())?;
            ever.extend(look::take_some(&buffer, chance).await?);
            drop(buffer);
            writer.close();
            if round == rounds / 2 {
                copy_folder(&state, &folder.join("older"))?;
            }
        }
        let looking = folder.join("looking");
        copy_folder(&state, &looking)?;
        let found = look::look(&looking).await?;
        std::fs::remove_dir_all(looking)?;
        Ok(Self { folder: folder.to_owned(), found, ever })
    }

    fn older(&self) -> PathBuf {
        self.folder.join("older")
    }

    /// Whether what was found is what was written, or is said to be gone.
    fn compare(&self, found: &Found, report: &mut Report) -> anyhow::Result<()> {
        let mut gone = 0;
        for mark in &self.found.waiting {
            gone += u64::from(!found.waiting.contains(mark));
        }
        if found.epoch == self.found.epoch {
            anyhow::ensure!(gone == 0, "{gone} of {} are gone, and nobody says so", self.found.waiting.len());
            report.whole += 1;
            return Ok(());
        }
        let named = found.previous_epoch.as_deref() == Some(&self.found.epoch) || found.previous_epoch.is_none();
        anyhow::ensure!(named, "it says that {:?} was before", found.previous_epoch);
        anyhow::ensure!(found.says_damaged || found.previous_epoch.is_none(), "a new epoch, and nobody says why");
        if let Some(invented) = found.waiting.iter().find(|mark| !self.ever.contains(mark)) {
            bail!("nobody ever wrote {invented}");
        }
        report.salvaged += 1;
        report.again += self.found.waiting.len() as u64 - gone;
        report.gone += gone;
        Ok(())
    }
}

fn config() -> Config {
    let limits =
        Limits { kept_bytes: 32 << 10, waste: 1 << 20, quiet: Duration::from_secs(3_600), ..Limits::default() };
    Config { key_file: None, limits }
}

/// What the agent's unit sets: how its memory is given out, among other things.
fn as_the_unit_sets() -> impl Iterator<Item = (&'static str, &'static str)> {
    let unit = include_str!("../../../packaging/systemd/hempuls-agent.service");
    let settings = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    settings.flat_map(str::split_whitespace).filter_map(|setting| setting.split_once('='))
}

/// Lets a program of its own open a buffer, and says how long that took.
#[allow(clippy::disallowed_methods)]
fn look(program: &Path, folder: &Path) -> anyhow::Result<(Found, Duration)> {
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(["damages", "--look"])
        .arg(folder.join("state"))
        .envs(as_the_unit_sets())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    while child.try_wait()?.is_none() {
        if started.elapsed() > DEADLINE {
            child.kill()?;
            child.wait()?;
            bail!("the agent has not started after {} s", DEADLINE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = started.elapsed();
    let output = child.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = complaint.lines().rev().take(3).collect();
    anyhow::ensure!(output.status.success(), "the agent does not start: {} {last:?}", output.status);
    let found = Found::read(&String::from_utf8(output.stdout)?)?;
    anyhow::ensure!(found.memory_kib <= MEMORY_KIB, "starting took {} KiB of memory", found.memory_kib);
    Ok((found, took))
}
