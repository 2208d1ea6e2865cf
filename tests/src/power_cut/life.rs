//! The life of a buffer, to be recorded: everything that the agent asks of it, in an order that a seed decides. What
//! must be there after a power cut is said on standard output, one line at a time, at the moment when it is promised.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::future::join_all;
use hempuls_agent::buffer::{Buffer, Config, Held, Limits, Place, Room, State};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Content, Event, Kind, Origin, Signal};
use hempuls_protocol::identity::Said;
use hempuls_protocol::ids::{DeviceId, Lane, Sequence};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Small enough for everything to happen in a life of seconds: what is kept is let go, and the files are written anew.
const LIMITS: Limits = Limits {
    waiting: 2_000,
    waiting_bytes: 4 << 20,
    kept_bytes: 24 << 10,
    waste: 192 << 10,
    quiet: Duration::from_millis(15),
};

/// How the buffer is opened to see what is left of it: nothing is tidied up meanwhile.
#[must_use]
pub fn config_to_look(keys: &Path) -> Config {
    let limits = Limits { quiet: Duration::from_secs(3_600), ..LIMITS };
    Config { key_file: keys.exists().then(|| keys.to_owned()), limits }
}

/// How the buffer is opened to live. In every other life the files are not written
/// anew, so that sled uses the same places of them over and over.
fn config(keys: &Path, seed: u64) -> Config {
    let limits = if seed.is_multiple_of(2) { LIMITS } else { Limits { kept_bytes: 8 << 10, waste: 1 << 30, ..LIMITS } };
    Config { key_file: keys.exists().then(|| keys.to_owned()), limits }
}

/// Lives for so many steps.
///
/// # Errors
/// When the buffer refuses something: nothing is wrong with this disk.
pub async fn live(state: &Path, keys: &Path, seed: u64, steps: u32) -> anyhow::Result<()> {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut left = steps;
    while left > 0 {
        let (buffer, writer) = Buffer::open(state, &config(keys, seed))?;
        say_what_is_held(&buffer, &buffer.state())?;
        let presses = buffer.counters().values().copied().max().unwrap_or(0);
        let mut run = Run { buffer, chance: &mut chance, presses };
        while left > 0 && run.step().await? {
            left -= 1;
        }
        drop(run);
        // In the end it may stop in the middle of everything.
        if left > 0 || chance.random_bool(0.5) {
            writer.close();
        }
        left = left.saturating_sub(1);
    }
    Ok(())
}

/// From one start of the program to the next.
struct Run<'a> {
    buffer: Buffer,
    chance: &'a mut StdRng,
    presses: u32,
}

impl Run<'_> {
    /// Says whether the program goes on.
    async fn step(&mut self) -> anyhow::Result<bool> {
        match self.chance.random_range(0..100) {
            0..40 => self.take().await?,
            40..50 => self.press().await?,
            50..70 => self.receipt()?,
            70..75 => self.rewind().await?,
            75..77 => self.fork().await?,
            77..81 => return Ok(false),
            // Time to tidy up.
            _ => tokio::time::sleep(LIMITS.quiet * 3).await,
        }
        Ok(true)
    }

    /// Readings, one or many at once.
    async fn take(&mut self) -> anyhow::Result<()> {
        let together = if self.chance.random_bool(0.5) { 1 } else { self.chance.random_range(2..80) };
        let readings: Vec<(u64, Kind)> = (0..together).map(|_| reading(self.chance)).collect();
        let takes = readings.into_iter().map(|(mark, kind)| self.promise(mark, kind, None));
        join_all(takes).await.into_iter().collect()
    }

    async fn press(&mut self) -> anyhow::Result<()> {
        self.presses += 1;
        let mark = self.chance.random();
        let alarm = Alarm { counter: Some(self.presses), authentic: true, ..Alarm::pressed(button(), bytes(mark, 1)) };
        self.promise(mark, Kind::Alarm(alarm), Some(self.presses)).await
    }

    async fn promise(&self, mark: u64, kind: Kind, counter: Option<u32>) -> anyhow::Result<()> {
        let lane = kind.lane().context("a signal or an alarm")?;
        let taken = match counter {
            Some(counter) => self.buffer.take_press(kind, button(), counter).await,
            None => self.buffer.take(kind).await,
        };
        let Origin { epoch, sequence } = taken.map_err(|why| anyhow::anyhow!("refused: {why:?}"))?;
        say(&format!("taken {epoch} {lane} {sequence} {mark} {}\n", counter.unwrap_or(0)))
    }

    fn receipt(&mut self) -> anyhow::Result<()> {
        let held = held(&self.buffer)?;
        let lane = self.lane();
        let last = held.lane(lane).last.0;
        let through = if self.chance.random_bool(0.5) { last } else { self.chance.random_range(0..=last) };
        say(&format!("receipted {} {lane} {through}\n", held.epoch))?;
        self.buffer.receipted(held.epoch, lane, Sequence(through));
        Ok(())
    }

    async fn rewind(&mut self) -> anyhow::Result<()> {
        let held = held(&self.buffer)?;
        let lane = self.lane();
        let from = Sequence(self.chance.random_range(1..=held.lane(lane).last.0));
        let rewound = self.buffer.rewind(lane, from).await;
        say_what_is_held(&self.buffer, &rewound)
    }

    async fn fork(&mut self) -> anyhow::Result<()> {
        let held = held(&self.buffer)?;
        let lane = self.lane();
        let from = Sequence(self.chance.random_range(1..=held.lane(lane).last.0));
        say(&format!("forks {}\n", held.epoch))?;
        let forked = self.buffer.fork(lane, from).await;
        say_what_is_held(&self.buffer, &forked)
    }

    fn lane(&mut self) -> Lane {
        if self.chance.random_bool(0.3) { Lane::Alarm } else { Lane::Reading }
    }
}

fn held(buffer: &Buffer) -> anyhow::Result<Held> {
    buffer.state().flash.context("the flash gives nothing")
}

fn button() -> DeviceId {
    "38:39:8F:70:B2:4E".parse().expect("a device")
}

fn reading(chance: &mut StdRng) -> (u64, Kind) {
    let mark = chance.random();
    let times = if chance.random_bool(0.05) { chance.random_range(100..900) } else { chance.random_range(1..40) };
    let device = "F0:F1:F2:F3:F4:F5".parse().expect("a device");
    let signal = Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, bytes(mark, times));
    (mark, Kind::Signal(signal))
}

/// Of many lengths, so that the log's pieces end anywhere.
fn bytes(mark: u64, times: usize) -> Vec<u8> {
    mark.to_be_bytes().repeat(times)
}

/// Every signal and press that is held: lane, number, mark, and whether it waits.
///
/// # Errors
/// When a number is missing, or is not what was taken.
pub fn contents(buffer: &Buffer, held: &Held) -> anyhow::Result<Vec<(Lane, Sequence, u64, bool)>> {
    let mut contents = Vec::new();
    for lane in Lane::ALL {
        let state = held.lane(lane);
        let mut first = state.oldest_kept;
        while first <= state.last {
            let at = Place { epoch: held.epoch, lane, first };
            let events = match buffer.read(at, state.last, Room { events: 500, bytes: 1 << 20 }) {
                Ok(events) => events,
                // What was kept only for a while may be let go in this very moment.
                Err(_) if first <= state.receipted_through => {
                    first = first.next();
                    continue;
                }
                Err(error) => bail!("{lane} {first} of {}: {error}", state.last),
            };
            for bytes in events {
                let event = Event::from_bytes(&bytes, first)?;
                let content = Content::from_bytes(&event.content)?;
                if let Some(said) = Said::of(&content.kind) {
                    let mark = said.payload.first_chunk::<8>().context("a payload without a mark")?;
                    anyhow::ensure!(said.payload.chunks(8).all(|each| each == mark), "a payload that nobody wrote");
                    contents.push((lane, first, u64::from_be_bytes(*mark), first > state.receipted_through));
                }
                first = first.next();
            }
        }
    }
    Ok(contents)
}

fn say_what_is_held(buffer: &Buffer, state: &State) -> anyhow::Result<()> {
    let held = state.flash.context("the flash gives nothing")?;
    let Held { epoch, alarm, reading } = held;
    let mut lines = format!("holds {epoch} {} {}\n", alarm.receipted_through, reading.receipted_through);
    for (lane, sequence, mark, waits) in contents(buffer, &held)? {
        writeln!(lines, "held {epoch} {lane} {sequence} {mark} {waits}")?;
    }
    say(&lines)
}

/// In one call, so that it is said at one moment.
fn say(lines: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    Ok(out.flush()?)
}
