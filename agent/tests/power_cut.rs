//! The power fails at any moment: what was acknowledged is there, once, in order (P1).
//!
//! The writer works on an ext4 image behind a loop device. What it has not synced is in the memory of the mounted file
//! system and not in the image, so a copy of the image, taken while the writer is stopped, is what a card would hold
//! after a power cut. The file system is made to write nothing of its own accord while the test runs.
//!
//! Mounting needs root and loop devices. Without them the test says so and checks nothing, except where `CI=true`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use hempuls_agent::buffer::{Buffer, Config, Place, Room};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Content, Event, Kind, Origin, Signal};
use hempuls_protocol::identity::Said;
use hempuls_protocol::ids::{Lane, Sequence};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::{Pid, WaitOptions, kill_process, waitpid};

const STATE: &str = "HEMPULS_POWER_CUT_TEST_STATE";
const DISKS: usize = 6;
const CUTS_PER_DISK: usize = 3;

#[test]
fn nothing_acknowledged_is_missing_or_there_twice_after_power_cuts() {
    let room = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if let Err(why) = try_to_mount(room.path()) {
        // Not with println, which is only shown when a test fails.
        let note = "NOT CHECKED: what a power cut leaves. This test mounts disk images: it needs root and loop devices";
        writeln!(std::io::stdout(), "{note} ({why:#})").unwrap();
        let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!is_ci, "CI must check what a power cut leaves");
        return;
    }
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut cuts, mut acknowledged, mut losses) = (0, 0, Vec::new());
    for disk in 0..DISKS {
        let journal = if disk % 2 == 0 { Journal::With } else { Journal::Without };
        let mut image = Image::new(room.path(), &format!("disk-{disk}"), journal).unwrap();
        let mut promised = Promises::default();
        for cut in 1..=CUTS_PER_DISK {
            let (left, lines) = cut_power(image, random.random_range(40..300)).unwrap();
            image = left;
            promised.hear(&lines);
            cuts += 1;
            if let Err(loss) = image.check().and_then(|()| promised.check(&image.mount()?.state())) {
                losses.push(format!("disk {disk} {journal:?} journal, cut {cut}: {loss:#}"));
                break;
            }
        }
        acknowledged += promised.0.len();
    }
    println!("{cuts} power cuts, {acknowledged} events acknowledged");
    assert!(losses.is_empty(), "{} of {cuts} power cuts did harm:\n{}", losses.len(), losses.join("\n"));
    assert!(acknowledged > 100, "the writers hardly got to write: {acknowledged}");
}

/// Runs as the writer: takes events for ever, many at a time, and says which were taken.
#[test]
fn writer() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (buffer, _writer) = Buffer::open(Path::new(&state), &Config::default()).unwrap();
        loop {
            let takes = (0..7).map(|nth| {
                let (buffer, lane) = (&buffer, if nth == 0 { Lane::Alarm } else { Lane::Reading });
                async move {
                    let mark = rand::random();
                    let Origin { epoch, sequence } = buffer.take(marked(lane, mark)).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "taken {} {lane} {sequence} {mark}", epoch.0).unwrap();
                    out.flush().unwrap();
                }
            });
            futures::future::join_all(takes).await;
        }
    });
}

fn try_to_mount(room: &Path) -> anyhow::Result<()> {
    Image::new(room, "trial", Journal::With)?.mount().map(drop)
}

/// Everything the writers acknowledged on one disk: the mark under epoch, lane and number.
#[derive(Default)]
struct Promises(BTreeMap<(u64, Lane, u64), u64>);

impl Promises {
    fn hear(&mut self, lines: &[String]) {
        for line in lines {
            let Some(words) = line.strip_prefix("taken ") else { continue };
            let [epoch, lane, sequence, mark] = words.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let lane = Lane::ALL.into_iter().find(|known| known.to_string() == lane).unwrap();
            let key = (epoch.parse().unwrap(), lane, sequence.parse().unwrap());
            assert_eq!(self.0.insert(key, mark.parse().unwrap()), None, "{line} twice");
        }
    }

    /// Opens the buffer and compares.
    fn check(&self, state: &Path) -> anyhow::Result<()> {
        let (buffer, writer) = Buffer::open(state, &Config::default()).context("the buffer does not open")?;
        let found = contents(&buffer);
        drop(buffer);
        writer.close();
        let found = found?;
        let missing: Vec<_> =
            self.0.iter().filter(|(key, mark)| found.get(key) != Some(&raw(**mark))).map(|(key, _)| key).collect();
        ensure!(
            missing.is_empty(),
            "{} of {} acknowledged are gone, from {:?} to {:?}; the buffer ends with {:?}",
            missing.len(),
            self.0.len(),
            missing[0],
            missing[missing.len() - 1],
            found.last_key_value().map(|(key, _)| key),
        );
        let distinct: BTreeSet<_> = found.values().collect();
        ensure!(distinct.len() == found.len(), "{} events are there twice", found.len() - distinct.len());
        Ok(())
    }
}

/// The raw bytes of every signal and press on flash, under epoch, lane and number. A gap is an error.
fn contents(buffer: &Buffer) -> anyhow::Result<BTreeMap<(u64, Lane, u64), Vec<u8>>> {
    let held = buffer.state().flash.context("the flash gives nothing")?;
    let mut contents = BTreeMap::new();
    for lane in Lane::ALL {
        let (mut first, last) = (Sequence(1), held.lane(lane).last);
        while first <= last {
            let at = Place { epoch: held.epoch, lane, first };
            let events = buffer
                .read(at, last, Room { events: 500, bytes: 1 << 20 })
                .with_context(|| format!("{lane} {first} is missing, the last is {last}"))?;
            for bytes in events {
                let event = Event::from_bytes(&bytes, first)?;
                let content = Content::from_bytes(&event.content)?;
                let raw = Said::of(&content.kind).map(|said| said.payload.to_vec());
                contents.extend(raw.map(|raw| ((held.epoch.0, lane, first.0), raw)));
                first = first.next();
            }
        }
    }
    Ok(contents)
}

fn marked(lane: Lane, mark: u64) -> Kind {
    let device = "F0:F1:F2:F3:F4:F5".parse().unwrap();
    match lane {
        Lane::Alarm => Kind::Alarm(Alarm { counter: None, authentic: true, ..Alarm::pressed(device, raw(mark)) }),
        Lane::Reading => Kind::Signal(Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, raw(mark))),
    }
}

/// Of many lengths, so that the log's pieces end anywhere.
fn raw(mark: u64) -> Vec<u8> {
    mark.to_be_bytes().repeat(1 + usize::from(mark.to_be_bytes()[0] % 32))
}

/// Lets a writer work on the disk for a while and cuts the power: what is left of the disk, and what the writer said.
fn cut_power(image: Image, after_ms: u64) -> anyhow::Result<(Image, Vec<String>)> {
    let disk = image.mount()?;
    let writer = Writing::start(&disk.state())?;
    std::thread::sleep(Duration::from_millis(after_ms));
    writer.stop()?;
    let left = disk.image.copy()?;
    Ok((left, writer.end()?))
}

/// A writer at work, and what it says: read all the time, for a full pipe would make it rest.
struct Writing {
    child: Child,
    said: Option<JoinHandle<Vec<String>>>,
}

impl Writing {
    fn start(state: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
            .env(STATE, state)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().context("no pipe")?);
        let said = std::thread::spawn(|| out.lines().map_while(Result::ok).collect());
        Ok(Self { child, said: Some(said) })
    }

    /// Returns when every thread stands still, with none in the middle of a sync, which would write into the copy.
    fn stop(&self) -> anyhow::Result<()> {
        let id = Pid::from_child(&self.child);
        kill_process(id, rustix::process::Signal::STOP)?;
        let (_, status) = waitpid(Some(id), WaitOptions::UNTRACED)?.context("nothing to wait for")?;
        ensure!(status.stopped(), "the writer ended before the power cut: {status:?}");
        Ok(())
    }

    /// Kills it where it stands, and gives what it had said.
    fn end(mut self) -> anyhow::Result<Vec<String>> {
        self.child.kill()?;
        self.child.wait()?;
        let said = self.said.take().context("ended twice")?;
        said.join().map_err(|_| anyhow!("what the writer said cannot be read"))
    }
}

/// A writer must not outlive a failed test: its disk could not be unmounted.
impl Drop for Writing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Journal {
    With,
    Without,
}

/// The bytes of a disk. They are gone with this.
struct Image {
    file: PathBuf,
    journal: Journal,
}

const IMAGE_BYTES: u64 = 64 << 20;

impl Image {
    fn new(room: &Path, name: &str, journal: Journal) -> anyhow::Result<Self> {
        let image = Self { file: room.join(name), journal };
        std::fs::File::create(&image.file)?.set_len(IMAGE_BYTES)?;
        let feature = match journal {
            Journal::With => "has_journal",
            Journal::Without => "^has_journal",
        };
        // A lazily made file system would go on writing when it is mounted.
        run("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-O", feature], &[&image.file])?;
        Ok(image)
    }

    /// What is on the disk at this moment. Reading syncs nothing.
    fn copy(&self) -> anyhow::Result<Self> {
        let copy = Self { file: self.file.with_extension(rand::random::<u32>().to_string()), journal: self.journal };
        std::fs::copy(&self.file, &copy.file).context("copying the disk")?;
        Ok(copy)
    }

    /// What a system does before it mounts a disk after a power cut.
    fn check(&self) -> anyhow::Result<()> {
        let output = Command::new("e2fsck").args(["-f", "-y"]).arg(&self.file).output().context("e2fsck")?;
        let is_usable = output.status.code().is_some_and(|code| code & !(E2FSCK_CORRECTED | E2FSCK_REBOOT) == 0);
        ensure!(is_usable, "e2fsck: {}", String::from_utf8_lossy(&output.stdout));
        Ok(())
    }

    /// Nothing gets to the disk without being synced: the journal waits longer than the test takes.
    fn mount(&self) -> anyhow::Result<Mounted<'_>> {
        let folder = self.file.with_extension("mounted");
        std::fs::create_dir_all(&folder)?;
        let options = match self.journal {
            Journal::With => "loop,noatime,commit=600",
            Journal::Without => "loop,noatime",
        };
        run("mount", &["-t", "ext4", "-o", options], &[&self.file, &folder])?;
        Ok(Mounted { image: self, folder })
    }
}

const E2FSCK_CORRECTED: i32 = 1;
const E2FSCK_REBOOT: i32 = 2;

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

struct Mounted<'image> {
    image: &'image Image,
    folder: PathBuf,
}

impl Mounted<'_> {
    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }
}

/// A buffer that was not closed lets go of its files a moment later.
impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        for _ in 0..UNMOUNT_ATTEMPTS {
            if run("umount", &[], &[&self.folder]).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if let Err(error) = run("umount", &["--lazy"], &[&self.folder]) {
            eprintln!("{error:#}");
        }
    }
}

const UNMOUNT_ATTEMPTS: u32 = 40;

fn run(program: &str, options: &[&str], paths: &[&Path]) -> anyhow::Result<()> {
    let output = Command::new(program).args(options).args(paths).output().with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
