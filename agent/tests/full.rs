//! A flash that takes no more, because it is full or turned read-only: nothing that was acknowledged is lost, and an
//! alarm is always taken (P4). The agent also starts so.
//!
//! Mounting needs root. Without it the tests say so and check nothing, except where `CI=true`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hempuls_agent::buffer::{Buffer, Config, Held, Place, Room, State};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Content, Event, Kind, Origin, Refusal, Refused, Signal};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::wire::heartbeat::Takes;
use tempfile::{NamedTempFile, TempDir};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn a_full_disk_refuses_readings_then_keeps_alarms_in_its_reserve_and_then_in_memory() {
    let Some(disk) = Disk::new(32) else { return };
    let (buffer, writer) = Buffer::open(&disk.state(), &Config::default()).unwrap();
    std::fs::write(disk.filler(), vec![0x5A; 53 << 19]).unwrap();
    let mut taken = 0;
    while buffer.take(reading()).await.is_ok() {
        taken += 1;
    }
    assert!(taken > 100, "{taken}");
    assert_eq!(buffer.flash().takes, Takes::AlarmsOnly);
    let epoch = held(&buffer).epoch;

    // What is left, and the reserve, are the alarms'.
    disk.fill();
    assert_eq!(buffer.take(press(1)).await.unwrap().epoch, epoch, "it is on flash");
    assert_eq!(buffer.take(reading()).await, Err(Refusal::Flash));

    // Somebody else takes even that.
    disk.fill();
    let mut last = 1;
    let in_memory = loop {
        last += 1;
        let taken = buffer.take(press(last)).await.unwrap();
        if taken.epoch != epoch {
            break taken;
        }
    };
    let State { volatile, takes, .. } = buffer.state();
    assert_eq!((volatile.epoch, volatile.alarm.last, takes), (in_memory.epoch, in_memory.sequence, Takes::Nothing));
    let events = read(&buffer, in_memory.epoch, Lane::Alarm, Sequence(1), volatile.alarm.last);
    assert!(matches!(&events[0].1, Kind::Alarm(alarm) if alarm.not_on_flash && alarm.counter == Some(last)));
    assert_eq!(count(&buffer, Lane::Reading, epoch), taken, "what is on flash can be read all the same");

    disk.empty();
    eventually("the flash takes everything again", || buffer.flash().takes == Takes::All).await;
    eventually("nothing is in memory only", || buffer.flash().in_memory == 0).await;
    assert!(buffer.take(reading()).await.is_ok());
    let now = held(&buffer);
    let (origin, kind) = read(&buffer, epoch, Lane::Alarm, now.alarm.last, now.alarm.last).pop().unwrap();
    assert_eq!(origin, Some(in_memory), "it is the one that was in memory");
    assert!(matches!(kind, Kind::Alarm(alarm) if alarm.counter == Some(last)));
    drop(buffer);
    writer.close();

    // Nothing that was acknowledged is gone, and what was refused is in the books.
    let (buffer, writer) = Buffer::open(&disk.state(), &Config::default()).unwrap();
    assert_eq!(count(&buffer, Lane::Reading, epoch), taken + 1);
    assert_eq!(count(&buffer, Lane::Alarm, epoch), last as usize);
    assert_eq!(refused(&buffer), 2);
    writer.close();
}

#[tokio::test]
async fn a_disk_that_turns_read_only_costs_no_alarm_and_nothing_that_is_on_it() {
    let Some(disk) = Disk::that_can_fail() else { return };
    let (buffer, writer) = Buffer::open(&disk.state(), &Config::default()).unwrap();
    let epoch = held(&buffer).epoch;
    buffer.take(reading()).await.unwrap();
    buffer.take(press(1)).await.unwrap();

    disk.fail();
    assert_eq!(buffer.take(reading()).await, Err(Refusal::Flash));
    let in_memory = buffer.take(press(2)).await.unwrap();
    assert_ne!(in_memory.epoch, epoch);
    assert_eq!((buffer.flash().takes, buffer.flash().in_memory), (Takes::Nothing, 1));
    assert_eq!((count(&buffer, Lane::Alarm, epoch), count(&buffer, Lane::Reading, epoch)), (1, 1));
    buffer.receipted(in_memory.epoch, Lane::Alarm, in_memory.sequence);
    assert_eq!(buffer.flash().in_memory, 0);
    drop(buffer);
    writer.close();

    // A disk that failed stays read-only until the next start of the box.
    let disk = disk.after_a_restart();
    let (buffer, writer) = Buffer::open(&disk.state(), &Config::default()).unwrap();
    assert_eq!((held(&buffer).epoch, buffer.flash().takes), (epoch, Takes::All));
    assert_eq!((count(&buffer, Lane::Alarm, epoch), count(&buffer, Lane::Reading, epoch)), (1, 1));
    drop(buffer);
    writer.close();
}

#[tokio::test]
async fn an_agent_that_starts_on_a_read_only_disk_takes_alarms_and_goes_on_with_its_buffer_later() {
    let Some(disk) = Disk::new(32) else { return };
    let (buffer, writer) = Buffer::open(&disk.state(), &Config::default()).unwrap();
    let Origin { epoch, .. } = buffer.take(reading()).await.unwrap();
    drop(buffer);
    writer.close();

    disk.remount("ro");
    let (buffer, writer) = Buffer::open(&disk.state(), &Config::default()).unwrap();
    assert_eq!(buffer.take(reading()).await, Err(Refusal::Flash));
    let in_memory = buffer.take(press(1)).await.unwrap();
    assert_eq!((buffer.flash().takes, buffer.flash().in_memory), (Takes::Nothing, 1));

    disk.remount("rw");
    eventually("the flash takes everything again", || buffer.flash().takes == Takes::All).await;
    eventually("nothing is in memory only", || buffer.flash().in_memory == 0).await;
    assert_eq!(held(&buffer).epoch, epoch, "the same buffer");
    let alarms = read(&buffer, epoch, Lane::Alarm, Sequence(2), Sequence(2));
    assert_eq!(alarms[0].0, Some(in_memory));
    drop(buffer);
    writer.close();
}

#[tokio::test]
async fn an_agent_that_starts_for_the_first_time_on_a_full_disk_takes_alarms() {
    let Some(disk) = Disk::new(16) else { return };
    disk.fill();
    let (buffer, writer) = Buffer::open(&disk.state(), &Config::default()).unwrap();
    assert_eq!((buffer.state().flash, buffer.flash().takes), (None, Takes::Nothing));
    buffer.take(press(1)).await.unwrap();

    disk.empty();
    eventually("the flash takes everything again", || buffer.flash().takes == Takes::All).await;
    eventually("nothing is in memory only", || buffer.flash().in_memory == 0).await;
    assert_eq!(held(&buffer).alarm.last, Sequence(2), "the beginning and the press");
    drop(buffer);
    writer.close();
}

/// A small disk of its own.
struct Disk {
    folder: TempDir,
    /// The bytes of a disk that can fail.
    image: Option<NamedTempFile>,
}

impl Disk {
    /// None where this user may not mount.
    fn new(mebibytes: u32) -> Option<Self> {
        let size = format!("size={mebibytes}m,mode=0700");
        Self { folder: tempfile::tempdir().unwrap(), image: None }.mount(&["-t", "tmpfs", "-o", &size, "none"])
    }

    /// One whose kernel turns it read-only when something is wrong with it, as it does with a worn-out card.
    fn that_can_fail() -> Option<Self> {
        let image = NamedTempFile::new().unwrap();
        image.as_file().set_len(32 << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image.path()).status();
        assert!(made.is_ok_and(|made| made.success()), "mkfs.ext4 (Debian package e2fsprogs)");
        Self { folder: tempfile::tempdir().unwrap(), image: Some(image) }.mount_image()
    }

    fn mount_image(self) -> Option<Self> {
        let image = self.image.as_ref().expect("a disk that can fail").path().to_owned();
        self.mount(&["-t", "ext4", "-o", "loop,errors=remount-ro", image.to_str().unwrap()])
    }

    fn mount(self, what: &[&str]) -> Option<Self> {
        let mounted = Command::new("mount").args(what).arg(self.folder.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(self);
        }
        // Not with println, which is only shown when a test fails.
        let note = "NOT CHECKED: what a full or read-only disk does. This test mounts small disks: it needs root\n";
        std::io::stdout().write_all(note.as_bytes()).unwrap();
        let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!is_ci, "CI must check what a full or read-only disk does");
        None
    }

    fn fail(&self) {
        let source = Command::new("findmnt").args(["-no", "SOURCE"]).arg(self.folder.path()).output().unwrap();
        let device = String::from_utf8(source.stdout).unwrap();
        let name = Path::new(device.trim()).file_name().unwrap();
        let trigger = Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error");
        std::fs::write(trigger, "worn out").unwrap();
    }

    fn after_a_restart(self) -> Self {
        assert!(Command::new("umount").arg(self.folder.path()).status().unwrap().success());
        self.mount_image().expect("it was mounted before")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// Leaves no byte.
    fn fill(&self) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        for size in [64 << 10, 4 << 10] {
            while file.write_all(&vec![0x5A; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let output = Command::new("mount").args(["-o", &options]).arg(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

fn held(buffer: &Buffer) -> Held {
    buffer.state().flash.unwrap()
}

/// Origin and kind of consecutive events.
fn read(buffer: &Buffer, epoch: Epoch, lane: Lane, first: Sequence, last: Sequence) -> Vec<(Option<Origin>, Kind)> {
    let mut events = Vec::new();
    let mut next = first;
    while next <= last {
        let at = Place { epoch, lane, first: next };
        for bytes in buffer.read(at, last, Room { events: 100, bytes: 1 << 20 }).unwrap() {
            let event = Event::from_bytes(&bytes, next).unwrap();
            events.push((event.origin, Content::from_bytes(&event.content).unwrap().kind));
            next = next.next();
        }
    }
    events
}

/// What devices said, of one lane on flash.
fn count(buffer: &Buffer, lane: Lane, epoch: Epoch) -> usize {
    let state = held(buffer).lane(lane);
    let events = read(buffer, epoch, lane, state.oldest_kept, state.last);
    events.iter().filter(|(_, kind)| matches!(kind, Kind::Signal(_) | Kind::Alarm(_))).count()
}

/// Readings that were refused, as the books on flash have it.
fn refused(buffer: &Buffer) -> u64 {
    let now = held(buffer);
    read(buffer, now.epoch, Lane::Reading, now.reading.oldest_kept, now.reading.last)
        .into_iter()
        .map(|(_, kind)| match kind {
            Kind::Refused(Refused { count, .. }) => count,
            _ => 0,
        })
        .sum()
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waited = timeout(Duration::from_secs(60), async {
        while !is_so() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}

fn reading() -> Kind {
    Kind::Signal(Signal::heard(
        "F0:F1:F2:F3:F4:F5".parse().unwrap(),
        Characteristic::BLOOD_PRESSURE_MEASUREMENT,
        rand::random::<[u8; 32]>().repeat(16),
    ))
}

fn press(counter: u32) -> Kind {
    Kind::Alarm(Alarm {
        counter: Some(counter),
        authentic: true,
        ..Alarm::pressed("38:39:8F:70:B2:4E".parse().unwrap(), vec![0; 15])
    })
}
