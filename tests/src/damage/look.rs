//! What the agent finds in a buffer, whatever state that is in.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use futures::future::join_all;
use hempuls_agent::buffer::{Buffer, Held, Place, Room};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Content, Event, Kind, Signal};
use hempuls_protocol::identity::Said;
use hempuls_protocol::ids::{Lane, Sequence};
use rand::Rng as _;
use rand::rngs::StdRng;

/// What is in a buffer.
#[derive(Debug, Default)]
pub struct Found {
    /// Its epoch.
    pub epoch: String,
    /// The one before, where it says one.
    pub previous_epoch: Option<String>,
    /// It says that another was damaged.
    pub says_damaged: bool,
    /// What waits.
    pub waiting: BTreeSet<u64>,
    /// That, and what is kept.
    pub all: BTreeSet<u64>,
    /// The most memory that was used, in KiB.
    pub memory_kib: u64,
}

/// Opens a buffer, reads everything, and lets it take one more of each.
///
/// # Errors
/// When one of these does not work, or something is there twice.
pub async fn look(state: &Path) -> anyhow::Result<Found> {
    let (buffer, writer) = Buffer::open(state, &super::config())?;
    let held = buffer.state().flash.context("the flash gives nothing")?;
    let mut found = Found { epoch: held.epoch.to_string(), ..Found::default() };
    for lane in Lane::ALL {
        for (number, kind) in kinds(&buffer, &held, lane)? {
            match &kind {
                Kind::Began(began) => {
                    found.previous_epoch = began.previous.as_ref().map(|previous| previous.epoch.to_string());
                }
                Kind::BufferDamaged(_) => found.says_damaged = true,
                _ => {}
            }
            let Some(said) = Said::of(&kind) else { continue };
            let mark = u64::from_be_bytes(*said.payload.first_chunk().context("a payload without a mark")?);
            ensure!(found.all.insert(mark), "{mark} is there twice");
            if number > held.lane(lane).receipted_through {
                found.waiting.insert(mark);
            }
        }
    }
    for kind in [reading(0, 1), press(0)] {
        let lane = kind.lane().context("a lane")?;
        let taken = buffer.take(kind).await.map_err(|why| anyhow::anyhow!("{lane} is refused: {why:?}"))?;
        ensure!(taken.epoch == held.epoch, "{lane} is not on flash");
    }
    drop(buffer);
    writer.close();
    found.memory_kib = memory_kib()?;
    Ok(found)
}

/// Takes readings and presses, some with a receipt. Gives their marks.
pub(super) async fn take_some(buffer: &Buffer, chance: &mut StdRng) -> anyhow::Result<Vec<u64>> {
    let count = chance.random_range(1..120);
    let (marks, kinds): (Vec<u64>, Vec<Kind>) = (0..count)
        .map(|_| {
            let mark = chance.random();
            let is_press = chance.random_bool(0.1);
            (mark, if is_press { press(mark) } else { reading(mark, chance.random_range(1..90)) })
        })
        .unzip();
    for taken in join_all(kinds.into_iter().map(|kind| buffer.take(kind))).await {
        taken.map_err(|why| anyhow::anyhow!("refused: {why:?}"))?;
    }
    let held = buffer.state().flash.context("the flash gives nothing")?;
    for lane in Lane::ALL {
        if chance.random_bool(0.3) {
            buffer.receipted(held.epoch, lane, Sequence(chance.random_range(0..=held.lane(lane).last.0)));
        }
    }
    Ok(marks)
}

fn kinds(buffer: &Buffer, held: &Held, lane: Lane) -> anyhow::Result<Vec<(Sequence, Kind)>> {
    let mut kinds = Vec::new();
    let mut first = held.lane(lane).oldest_kept;
    while first <= held.lane(lane).last {
        let at = Place { epoch: held.epoch, lane, first };
        let events = buffer.read(at, held.lane(lane).last, Room { events: 500, bytes: 1 << 20 });
        for bytes in events.with_context(|| format!("{lane} {first} cannot be read"))? {
            let event = Event::from_bytes(&bytes, first)?;
            kinds.push((first, Content::from_bytes(&event.content)?.kind));
            first = first.next();
        }
    }
    Ok(kinds)
}

fn reading(mark: u64, times: usize) -> Kind {
    let device = "F0:F1:F2:F3:F4:F5".parse().expect("a device");
    Kind::Signal(Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, mark.to_be_bytes().repeat(times)))
}

fn press(mark: u64) -> Kind {
    let device = "38:39:8F:70:B2:4E".parse().expect("a device");
    Kind::Alarm(Alarm::pressed(device, mark.to_be_bytes().to_vec()))
}

/// The most that this program ever used.
fn memory_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

impl Found {
    /// As lines.
    #[must_use]
    pub fn write(&self) -> String {
        let mut lines = format!("epoch {}\nmemory {}\n", self.epoch, self.memory_kib);
        if let Some(previous) = &self.previous_epoch {
            lines.push_str(&format!("previous {previous}\n"));
        }
        if self.says_damaged {
            lines.push_str("damaged yes\n");
        }
        for mark in &self.all {
            let waits = if self.waiting.contains(mark) { "waits" } else { "kept" };
            let _ = writeln!(lines, "{waits} {mark}");
        }
        lines
    }

    pub(super) fn read(lines: &str) -> anyhow::Result<Self> {
        let mut found = Self::default();
        for line in lines.lines() {
            match line.split_once(' ') {
                Some(("epoch", epoch)) => found.epoch = epoch.to_owned(),
                Some(("memory", kib)) => found.memory_kib = kib.parse()?,
                Some(("previous", epoch)) => found.previous_epoch = Some(epoch.to_owned()),
                Some(("damaged", _)) => found.says_damaged = true,
                Some(("waits", mark)) => {
                    found.waiting.insert(mark.parse()?);
                    found.all.insert(mark.parse()?);
                }
                Some(("kept", mark)) => drop(found.all.insert(mark.parse()?)),
                Some(_) | None => bail!("nobody says {line:?}"),
            }
        }
        Ok(found)
    }
}
