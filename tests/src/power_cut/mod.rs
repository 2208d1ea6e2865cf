//! The power fails: what the agent's buffer promised before must be there after (P1).
//!
//! A life of the buffer is recorded: every system call with which it really wrote, synced and said what it promises.
//! Then it is cut, at every moment or at random ones; what a disk must have kept by then, and what luck adds to it, is put
//! into a folder; and the agent opens it. Nothing that was promised may be gone or there twice, and nothing be refused.
//! The next life begins with what a cut has left of the one before.

pub mod disk;
pub mod life;
pub mod promises;
pub mod recording;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;

use self::disk::{Disk, Luck};
use self::promises::Promises;
use self::recording::{Call, Moment};

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that lives: `hempuls-bench`.
    pub program: PathBuf,
    /// All chance follows from it.
    pub seed: u64,
    /// How often to cut.
    pub cycles: u32,
    /// How many cuts of one life; all there can be, where there are fewer.
    pub cuts_of_a_life: u32,
    /// How much happens in one life.
    pub steps_of_a_life: u32,
    /// What of the recording is falsified, to see that it is noticed.
    pub lie: Option<Lie>,
    /// Where to keep what a cut left that did harm, with the recording.
    pub keep: Option<PathBuf>,
}

/// A sync that the disk is told nothing of, as if the agent had left it out or put it elsewhere.
#[derive(Copy, Clone, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Lie {
    /// No `fdatasync` or `fsync` of a file counts.
    NoSyncOfFiles,
    /// No `fsync` of a folder counts.
    NoSyncOfFolders,
    /// Every sync of a file comes too late: when the next one begins, and what it was for has been promised.
    SyncAfterTheWord,
    /// Every fourth sync of a file is left out.
    EveryFourthSync,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Report {
    /// Cuts.
    pub cycles: u32,
    /// Lives that were recorded.
    pub lives: u32,
    /// Moments at which they could be cut.
    pub moments: u64,
    /// Syncs among them.
    pub syncs: u64,
    /// Each cut that did harm, and what it did.
    pub harm: Vec<String>,
}

/// At most so many different harms are worth reading.
const ENOUGH_HARM: usize = 20;
/// Lives that follow from one another, each from what a cut left of the one before.
const GENERATIONS: u32 = 6;

/// Records, cuts and looks, until there were so many cuts.
///
/// # Errors
/// When recording or cutting does not work. Harm is no error.
pub async fn run(options: &Options, mut progress: impl FnMut(&Report)) -> anyhow::Result<Report> {
    let enough_harm = if options.lie.is_some() { 1 } else { ENOUGH_HARM };
    let room = Room::new()?;
    let mut report = Report::default();
    let mut generation = 0;
    let mut seed = options.seed;
    let mut promises = Promises::default();
    while report.cycles < options.cycles && report.harm.len() < enough_harm {
        if generation % GENERATIONS == 0 {
            room.begin_anew()?;
            promises = Promises::default();
        }
        room.add_a_key(generation)?;
        let before = Disk::holding(&room.disk(), options.lie)?;
        let life = Life::record(options, &room, seed)?;
        let cuts = options.cuts_of_a_life.min(options.cycles - report.cycles);
        promises = life.cut(before, options, promises, &room, cuts, &mut report).await?;
        generation += 1;
        seed = seed.wrapping_add(1);
        progress(&report);
    }
    Ok(report)
}

/// Records one life, and counts for each lie the cuts of it until one did harm. None where none did.
///
/// # Errors
/// When recording or cutting does not work.
pub async fn find_out(options: &Options, lies: &[Lie]) -> anyhow::Result<Vec<(Lie, Option<u32>)>> {
    let room = Room::new()?;
    room.begin_anew()?;
    let disks: Vec<Disk> =
        lies.iter().map(|lie| Disk::holding(&room.disk(), Some(*lie))).collect::<anyhow::Result<_>>()?;
    let life = Life::record(options, &room, options.seed)?;
    let mut found = Vec::new();
    for (lie, before) in lies.iter().zip(disks) {
        let mut report = Report::default();
        let options = Options { lie: Some(*lie), ..options.clone() };
        life.cut(before, &options, Promises::default(), &room, options.cycles, &mut report).await?;
        found.push((*lie, (!report.harm.is_empty()).then_some(report.cycles)));
    }
    Ok(found)
}

/// Where all of it happens: in memory, where there is such a place, for it is written thousands of times.
struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> anyhow::Result<Self> {
        let memory = Path::new("/dev/shm");
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix("hempuls-power-cut-");
        let folder = if memory.is_dir() { folder.tempdir_in(memory) } else { folder.tempdir() };
        Ok(Self { folder: folder.context("making room for disks")? })
    }

    /// The disk that is recorded; the state folder is in it.
    fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// What a cut left.
    fn left(&self) -> PathBuf {
        self.folder.path().join("left")
    }

    fn strace(&self) -> PathBuf {
        self.folder.path().join("strace")
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn begin_anew(&self) -> anyhow::Result<()> {
        empty(&self.disk())?;
        match std::fs::remove_file(self.keys()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// In every other series each other life has a new key, above the older ones; in the rest the agent makes its own.
    fn add_a_key(&self, generation: u32) -> anyhow::Result<()> {
        let (series, nth) = (generation / GENERATIONS, generation % GENERATIONS);
        if series.is_multiple_of(2) && (nth == 0 || nth % 2 == 1) {
            let older = std::fs::read_to_string(self.keys()).unwrap_or_default();
            std::fs::write(self.keys(), format!("{generation:064x}\n{older}"))?;
        }
        Ok(())
    }
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(std::fs::create_dir(folder)?)
}

/// A recorded life.
struct Life {
    moments: Vec<Moment>,
    seed: u64,
}

impl Life {
    fn record(options: &Options, room: &Room, seed: u64) -> anyhow::Result<Self> {
        let mut program = Command::new(&options.program);
        program.args(["power-cuts", "--live", &seed.to_string()]);
        program.args(["--steps-of-a-life", &options.steps_of_a_life.to_string()]);
        program.arg("--state").arg(room.disk().join("state")).arg("--keys").arg(room.keys());
        let moments = recording::record(&mut program, &room.strace())?;
        Ok(Self { moments, seed })
    }

    /// Cuts it at so many moments. What one of the cuts left is the disk of the next life. With a lie, the first cut that
    /// does harm is enough.
    ///
    /// `promises` is what was promised before, and what is given back is what had been promised by that cut.
    async fn cut(
        &self,
        mut disk: Disk,
        options: &Options,
        mut promises: Promises,
        room: &Room,
        cuts: u32,
        report: &mut Report,
    ) -> anyhow::Result<Promises> {
        let Self { moments, seed } = self;
        let mut chance = StdRng::seed_from_u64(*seed);
        let count = moments.len().min(usize::try_from(cuts)?);
        let mut cuts = rand::seq::index::sample(&mut chance, moments.len(), count).into_vec();
        cuts.sort_unstable();
        let for_the_next = cuts[chance.random_range(0..cuts.len())];
        let mut left = promises.clone();
        let mut passed = 0;
        let config = life::config_to_look(&room.keys());
        for cut in cuts {
            while passed <= cut {
                if let Moment::Begins(Call::Write { file: STDOUT, bytes, .. }) = &moments[passed] {
                    promises.hear(bytes)?;
                }
                disk.pass(passed, moments)?;
                passed += 1;
            }
            let luck = Luck::any(&mut chance);
            let again = chance.clone();
            let leave = |into: &Path, chance: &mut StdRng| -> anyhow::Result<()> {
                empty(into)?;
                Ok(disk.leave(into, luck, chance)?)
            };
            leave(&room.left(), &mut chance)?;
            if cut == for_the_next {
                leave(&room.disk(), &mut again.clone())?;
                left = promises.at_a_cut();
            }
            report.cycles += 1;
            if let Err(harm) = promises.check(&room.left().join("state"), &config).await {
                let count = moments.len();
                report.harm.push(format!("seed {seed}, moment {cut} of {count}, luck {luck:?}: {harm:#}"));
                if let Some(keep) = &options.keep {
                    let folder = keep.join(format!("{seed}-{cut}"));
                    std::fs::create_dir_all(&folder)?;
                    leave(&folder.join("left"), &mut again.clone())?;
                    std::fs::copy(room.strace(), folder.join("strace"))?;
                    std::fs::copy(room.keys(), folder.join("keys")).ok();
                }
                if options.lie.is_some() || report.harm.len() == ENOUGH_HARM {
                    break;
                }
            }
        }
        report.lives += 1;
        report.moments += moments.len() as u64;
        report.syncs += moments.iter().filter(|moment| matches!(moment, Moment::Begins(Call::Sync(_)))).count() as u64;
        Ok(left)
    }
}

/// Where it is said what is promised.
const STDOUT: u64 = 1;
