//! What was promised before the power failed, and whether it was kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use hempuls_agent::buffer::{Buffer, Config};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Kind, Origin, Signal};
use hempuls_protocol::ids::{Lane, Sequence};

use super::life;

/// What a program has said so far.
#[derive(Clone, Default)]
pub struct Promises {
    /// The epoch of the buffer; none before the first has begun.
    epoch: Option<String>,
    /// Another is about to begin.
    forking: bool,
    /// The marks that wait, and under which number of which lane they were taken.
    waiting: BTreeMap<(Lane, Sequence), u64>,
    /// The highest number that was ever receipted, in each lane.
    receipted: HashMap<Lane, u64>,
    /// The highest counter of a press.
    counter: u32,
    /// What is written of a line that has no end yet.
    rest: String,
}

impl Promises {
    /// Hears what the program says.
    ///
    /// # Errors
    /// When it says something that nobody says.
    pub fn hear(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.rest.push_str(std::str::from_utf8(bytes)?);
        while let Some((line, rest)) = self.rest.split_once('\n') {
            let (line, rest) = (line.to_owned(), rest.to_owned());
            self.hear_line(&line).with_context(|| line.clone())?;
            self.rest = rest;
        }
        Ok(())
    }

    fn hear_line(&mut self, line: &str) -> anyhow::Result<()> {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["holds", epoch, alarm, reading] => {
                if self.epoch.as_deref() != Some(epoch) {
                    self.epoch = Some(epoch.to_owned());
                    self.receipted.clear();
                }
                self.forking = false;
                self.waiting.clear();
                self.receipt(Lane::Alarm, alarm.parse()?);
                self.receipt(Lane::Reading, reading.parse()?);
            }
            ["held", _, lane, sequence, mark, waits] => {
                if waits == "true" {
                    self.waiting.insert((lane.parse()?, Sequence(sequence.parse()?)), mark.parse()?);
                }
            }
            ["taken", epoch, lane, sequence, mark, counter] => {
                ensure!(self.epoch.as_deref() == Some(epoch), "an epoch that nobody spoke of");
                self.waiting.insert((lane.parse()?, Sequence(sequence.parse()?)), mark.parse()?);
                self.counter = self.counter.max(counter.parse()?);
            }
            ["receipted", _, lane, through] => {
                let (lane, through) = (lane.parse()?, through.parse()?);
                self.waiting.retain(|(of, sequence), _| *of != lane || sequence.0 > through);
                self.receipt(lane, through);
            }
            ["forks", _] => self.forking = true,
            _ => bail!("nobody says that"),
        }
        Ok(())
    }

    /// What the next life has to keep of it: a sentence that was begun is never ended.
    #[must_use]
    pub fn at_a_cut(&self) -> Self {
        Self { rest: String::new(), ..self.clone() }
    }

    fn receipt(&mut self, lane: Lane, through: u64) {
        let highest = self.receipted.entry(lane).or_default();
        *highest = (*highest).max(through);
    }

    /// Opens what is left, compares, and takes one more of each lane.
    ///
    /// # Errors
    /// When the agent does not start, or a promise was not kept.
    pub async fn check(&self, state: &Path, config: &Config) -> anyhow::Result<()> {
        let (buffer, writer) = Buffer::open(state, config).context("the agent does not start")?;
        let checked = self.compare(&buffer);
        let taken = match &checked {
            Ok(()) => go_on(&buffer).await,
            Err(_) => Ok(()),
        };
        drop(buffer);
        writer.close();
        checked.and(taken)
    }

    fn compare(&self, buffer: &Buffer) -> anyhow::Result<()> {
        let held = buffer.state().flash.context("the flash gives nothing")?;
        let epoch = held.epoch.to_string();
        let is_same = self.epoch.as_ref() == Some(&epoch);
        ensure!(is_same || self.forking || self.epoch.is_none(), "the buffer was taken for damaged: {epoch} began");
        let found = life::contents(buffer, &held)?;
        let marks: HashSet<u64> = found.iter().map(|(_, _, mark, _)| *mark).collect();
        ensure!(marks.len() == found.len(), "{} events are there twice", found.len() - marks.len());
        let missing: Vec<_> = self.waiting.iter().filter(|(_, mark)| !marks.contains(mark)).map(|(at, _)| at).collect();
        ensure!(
            missing.is_empty(),
            "{} of {} that waited are gone, from {:?} to {:?}; what is held: {held:?}",
            missing.len(),
            self.waiting.len(),
            missing[0],
            missing[missing.len() - 1]
        );
        let waiting: HashMap<u64, (Lane, Sequence)> = self.waiting.iter().map(|(at, mark)| (*mark, *at)).collect();
        let mut before: HashMap<Lane, Sequence> = HashMap::new();
        for (lane, sequence, mark, waits) in &found {
            let Some((of, taken)) = waiting.get(mark) else { continue };
            ensure!(of == lane && (!is_same || taken == sequence), "{of} {taken} is under {lane} {sequence}");
            ensure!(before.insert(*lane, *taken) < Some(*taken), "{lane} {taken} is not in its place");
            // A receipt that was never given would keep it from being sent.
            ensure!(*waits, "{lane} {sequence} waited, and does not any more");
        }
        if is_same {
            for lane in Lane::ALL {
                let highest = self.receipted.get(&lane).copied().unwrap_or(0);
                let receipted = held.lane(lane).receipted_through.0;
                let oldest = held.lane(lane).oldest_kept.0;
                ensure!(receipted <= highest.max(oldest - 1), "{lane} is receipted through {receipted}, not {highest}");
            }
        }
        let counter = buffer.counters().values().copied().max().unwrap_or(0);
        ensure!(counter >= self.counter, "the button counted to {}, and {counter} is left", self.counter);
        Ok(())
    }
}

/// A buffer that was found whole takes what comes next.
async fn go_on(buffer: &Buffer) -> anyhow::Result<()> {
    let before = buffer.state().flash.context("the flash gives nothing")?;
    let device = "F0:F1:F2:F3:F4:F5".parse().expect("a device");
    let reading = Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, vec![1]);
    let press = Alarm::pressed("38:39:8F:70:B2:4E".parse().expect("a device"), vec![1]);
    for kind in [Kind::Signal(reading), Kind::Alarm(press)] {
        let lane = kind.lane().expect("a signal or an alarm");
        let next = Origin { epoch: before.epoch, sequence: before.lane(lane).last.next() };
        let taken = buffer.take(kind).await;
        ensure!(taken == Ok(next), "what came next was {taken:?}, not {next:?}");
    }
    Ok(())
}
