//! What has arrived and is not yet stored. Alarms stand in a line of their own and are taken first (P4); it is bounded,
//! and says so to whoever brings more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use hempuls_protocol::ids::{AgentId, Lane};
use hempuls_protocol::wire::heartbeat::Heartbeat;
use tokio::sync::Notify;

use super::parcel::Parcel;
use crate::proof::SilentTest;

/// The most events in one batch.
pub const BATCH: usize = 200;

/// The most events of readings that wait here. An agent that is refused keeps them, and comes again.
const READINGS: usize = 20_000;

/// The most messages that wait here in each of the other lines.
const OTHERS: usize = 20_000;

/// Something an agent sent.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Events of one lane.
    Events(Parcel),
    /// A heartbeat.
    Heartbeat {
        /// Whose.
        agent: AgentId,
        /// What it says.
        beat: Box<Heartbeat>,
    },
    /// A message that cannot be read at all.
    Unreadable {
        /// Whose.
        agent: AgentId,
        /// On which topic: a lane's word, or `status`.
        topic: &'static str,
        /// It.
        bytes: Vec<u8>,
    },
}

impl Delivery {
    /// Who sent it.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        match self {
            Self::Events(parcel) => &parcel.key.agent,
            Self::Heartbeat { agent, .. } | Self::Unreadable { agent, .. } => agent,
        }
    }

    fn events(&self) -> usize {
        match self {
            Self::Events(parcel) => parcel.events.len(),
            Self::Heartbeat { .. } | Self::Unreadable { .. } => 1,
        }
    }
}

/// As much waits as may wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("as much waits to be stored as may wait")]
pub struct Full;

/// What is stored together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What agents sent.
    pub deliveries: Vec<Delivery>,
    /// The gateway's own test, where no alarm waits.
    pub test: Option<SilentTest>,
}

/// What has arrived and is not yet stored.
#[derive(Debug, Default)]
pub struct Queue {
    lines: Mutex<Lines>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    alarms: VecDeque<Delivery>,
    heartbeats: VecDeque<Delivery>,
    readings: VecDeque<Delivery>,
    reading_events: usize,
    test: Option<SilentTest>,
}

impl Queue {
    /// Takes something in.
    ///
    /// # Errors
    /// [`Full`]: whoever brought it keeps it and comes again.
    pub fn put(&self, delivery: Delivery) -> Result<(), Full> {
        self.lines().put(delivery)?;
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes in a test, in place of one that still waits here.
    pub fn put_test(&self, test: SilentTest) {
        self.lines().test = Some(test);
        self.arrived.notify_one();
    }

    /// What is to be stored next. Waits until there is something.
    pub async fn take(&self) -> Batch {
        loop {
            let batch = self.lines().take_batch();
            if !batch.deliveries.is_empty() || batch.test.is_some() {
                return batch;
            }
            self.arrived.notified().await;
        }
    }

    /// Puts a batch that could not be stored back to where it stood.
    pub fn put_back(&self, batch: Batch) {
        let mut lines = self.lines();
        lines.put_back(batch.deliveries);
        lines.test = lines.test.take().or(batch.test);
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().expect("nobody panics while holding this")
    }
}

impl Lines {
    fn put(&mut self, delivery: Delivery) -> Result<(), Full> {
        let events = delivery.events();
        let line = match Self::place(&delivery) {
            Place::Alarms => &mut self.alarms,
            Place::Heartbeats => &mut self.heartbeats,
            Place::Readings => {
                if self.reading_events + events > READINGS && self.reading_events > 0 {
                    return Err(Full);
                }
                self.reading_events += events;
                self.readings.push_back(delivery);
                return Ok(());
            }
        };
        if line.len() >= OTHERS {
            return Err(Full);
        }
        line.push_back(delivery);
        Ok(())
    }

    /// A test goes with whatever goes next, but never with an alarm: an alarm waits for nothing but itself.
    fn take_batch(&mut self) -> Batch {
        let deliveries = self.take();
        let has_alarm = deliveries.iter().any(|delivery| matches!(Self::place(delivery), Place::Alarms));
        let test = if has_alarm { None } else { self.test.take() };
        Batch { deliveries, test }
    }

    /// An alarm closes the batch at once: with it go only the heartbeats that its agent sent before it, because they
    /// must not be judged by what came later. Else heartbeats go first, for the same reason, and then readings.
    fn take(&mut self) -> Vec<Delivery> {
        let mut alarms = take_events(&mut self.alarms, BATCH);
        if !alarms.is_empty() {
            let (mut batch, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.heartbeats)
                .into_iter()
                .partition(|beat| alarms.iter().any(|alarm| alarm.agent() == beat.agent()));
            self.heartbeats = others.into();
            batch.append(&mut alarms);
            return batch;
        }
        let mut batch: Vec<Delivery> = self.heartbeats.drain(..self.heartbeats.len().min(BATCH)).collect();
        if self.heartbeats.is_empty() {
            let readings = take_events(&mut self.readings, BATCH.saturating_sub(batch.len()));
            self.reading_events -= readings.iter().map(Delivery::events).sum::<usize>();
            batch.extend(readings);
        }
        batch
    }

    fn put_back(&mut self, batch: Vec<Delivery>) {
        for delivery in batch.into_iter().rev() {
            match Self::place(&delivery) {
                Place::Alarms => self.alarms.push_front(delivery),
                Place::Heartbeats => self.heartbeats.push_front(delivery),
                Place::Readings => {
                    self.reading_events += delivery.events();
                    self.readings.push_front(delivery);
                }
            }
        }
    }

    fn place(delivery: &Delivery) -> Place {
        match delivery {
            Delivery::Events(parcel) if parcel.key.lane == Lane::Alarm => Place::Alarms,
            Delivery::Unreadable { topic, .. } if *topic == Lane::Alarm.as_str() => Place::Alarms,
            Delivery::Events(_) => Place::Readings,
            Delivery::Heartbeat { .. } | Delivery::Unreadable { .. } => Place::Heartbeats,
        }
    }
}

enum Place {
    Alarms,
    Heartbeats,
    Readings,
}

/// Takes from the front until there are `limit` events, splitting a parcel that is too large.
fn take_events(line: &mut VecDeque<Delivery>, limit: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    let mut room = limit;
    while let Some(first) = line.front_mut().filter(|_| room > 0) {
        let events = first.events();
        if events > room {
            if let Delivery::Events(parcel) = first {
                taken.push(Delivery::Events(parcel.split_front(room)));
            }
            break;
        }
        room -= events;
        taken.extend(line.pop_front());
    }
    taken
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::ids::{Epoch, Sequence};
    use hempuls_protocol::times::{BootId, Taken, Trust};

    use super::*;
    use crate::ingest::accept::LaneKey;
    use crate::ingest::parcel::{Arrival, Arrived};

    #[test]
    fn an_alarm_goes_before_a_backlog_and_alone() {
        let mut lines = Lines::default();
        for first in 0..50 {
            lines.put(events(1, Lane::Reading, first * 100 + 1, 100)).unwrap();
        }
        lines.put(events(2, Lane::Alarm, 1, 1)).unwrap();

        assert_eq!(shape(&lines.take()), ["2 alarm 1..1"]);
        assert_eq!(shape(&lines.take()), ["1 reading 1..100", "1 reading 101..200"]);
    }

    #[test]
    fn a_heartbeat_is_judged_before_what_its_agent_sent_later() {
        let mut lines = Lines::default();
        lines.put(heartbeat(1)).unwrap();
        lines.put(heartbeat(2)).unwrap();
        lines.put(events(1, Lane::Reading, 1, 1)).unwrap();
        lines.put(events(1, Lane::Alarm, 1, 1)).unwrap();

        assert_eq!(shape(&lines.take()), ["1 heartbeat", "1 alarm 1..1"]);
        assert_eq!(shape(&lines.take()), ["2 heartbeat", "1 reading 1..1"]);
    }

    #[test]
    fn a_large_parcel_is_stored_in_pieces_and_nothing_is_left_out() {
        let mut lines = Lines::default();
        lines.put(events(1, Lane::Reading, 1, 450)).unwrap();
        assert_eq!(shape(&lines.take()), ["1 reading 1..200"]);
        assert_eq!(shape(&lines.take()), ["1 reading 201..400"]);
        assert_eq!(shape(&lines.take()), ["1 reading 401..450"]);
        assert_eq!((lines.take().len(), lines.reading_events), (0, 0));
    }

    #[test]
    fn a_batch_that_could_not_be_stored_stands_where_it_stood() {
        let mut lines = Lines::default();
        lines.put(events(1, Lane::Reading, 1, 250)).unwrap();
        let batch = lines.take();
        lines.put(events(2, Lane::Alarm, 1, 1)).unwrap();
        lines.put_back(batch);
        assert_eq!(shape(&lines.take()), ["2 alarm 1..1"]);
        assert_eq!(shape(&lines.take()), ["1 reading 1..200"]);
        assert_eq!(shape(&lines.take()), ["1 reading 201..250"]);
    }

    #[test]
    fn readings_are_refused_when_too_many_wait_and_alarms_are_not() {
        let mut lines = Lines::default();
        for first in 0..5 {
            lines.put(events(1, Lane::Reading, first * 4000 + 1, 4000)).unwrap();
        }
        assert_eq!(lines.put(events(1, Lane::Reading, 20_001, 1)), Err(Full));
        lines.put(events(1, Lane::Alarm, 1, 1)).unwrap();
        lines.put(heartbeat(1)).unwrap();
    }

    #[test]
    fn a_test_never_goes_with_an_alarm_and_only_the_newest_waits() {
        let queue = Queue::default();
        let test = |id: &str| SilentTest { id: id.into(), gateway: "g".into(), put_ms: 0 };
        queue.put_test(test("old"));
        queue.put_test(test("new"));
        queue.put(events(1, Lane::Alarm, 1, 1)).unwrap();
        queue.put(events(2, Lane::Reading, 1, 1)).unwrap();
        let take = || queue.lines().take_batch();

        let first = take();
        assert_eq!((&shape(&first.deliveries)[..], first.test), (&["1 alarm 1..1".to_owned()][..], None));
        let second = take();
        assert_eq!(shape(&second.deliveries), ["2 reading 1..1"]);
        assert_eq!(second.test, Some(test("new")));

        queue.put_back(second);
        queue.put_test(test("newest"));
        let again = take();
        assert_eq!((again.deliveries.len(), again.test), (1, Some(test("newest"))));
        queue.put_test(test("alone"));
        assert_eq!((take().test, take().test), (Some(test("alone")), None));
    }

    fn agent(n: u8) -> AgentId {
        AgentId::from_random([n; 10])
    }

    fn events(n: u8, lane: Lane, first: u64, count: u64) -> Delivery {
        let numbers = (first..first + count).map(Sequence);
        Delivery::Events(Parcel {
            key: LaneKey { agent: agent(n), lane, epoch: Epoch(1) },
            events: numbers.map(|sequence| Arrival { sequence, what: Arrived::InUnreadableBody }).collect(),
            sent: None,
            received_ms: 0,
            unreadable_body: None,
        })
    }

    fn heartbeat(n: u8) -> Delivery {
        let clock = Taken { boot: BootId([0; 16]), since_boot_ms: 0, wall_ms: None, trust: Trust::Unknown };
        let beat = Heartbeat::bare(clock, Vec::new(), "");
        Delivery::Heartbeat { agent: agent(n), beat: Box::new(beat) }
    }

    fn shape(batch: &[Delivery]) -> Vec<String> {
        let number = |id: &AgentId| (1..9).find(|n| agent(*n) == *id).unwrap_or_default();
        batch
            .iter()
            .map(|delivery| match delivery {
                Delivery::Events(parcel) => {
                    let (first, last) =
                        (parcel.events.first().unwrap().sequence, parcel.events.last().unwrap().sequence);
                    format!("{} {} {first}..{last}", number(&parcel.key.agent), parcel.key.lane)
                }
                Delivery::Heartbeat { agent, .. } => format!("{} heartbeat", number(agent)),
                Delivery::Unreadable { agent, topic, .. } => format!("{} unreadable {topic}", number(agent)),
            })
            .collect()
    }
}
