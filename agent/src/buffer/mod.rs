//! Events on flash, until the gateway has them and for a while longer (P1, P2).
//!
//! - [`Buffer::take`] gives an event its number only when it is durable: after `flush` *and* `fdatasync`.
//! - One thread writes. It never waits to fill a batch: it writes what is there, and batches form while it syncs.
//! - Numbers have no gaps. A lane begins with [`Kind::Began`], which says what became of the buffer before.
//! - A receipted event stays for 14 days or 2 MiB, whichever is less, so that a restored gateway can ask again.
//! - A damaged buffer is salvaged into a new epoch and set aside. The agent always starts.
//! - Where flash refuses, readings are refused and counted, and an alarm is sent at once from memory ([`volatile`]).

mod folders;
mod found;
mod keeper;
mod keys;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod model;
mod record;
mod renewal;
mod reserve;
mod shelf;
mod sled;
mod volatile;
mod writer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hempuls_protocol::event::{Content, Event, Kind, Origin, Refusal};
use hempuls_protocol::identity::content_digest;
use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence};
use hempuls_protocol::times::Taken;
use hempuls_protocol::wire::heartbeat::{FlashState, Takes};
use hempuls_protocol::wire::receipt::Mark;
use minicbor::bytes::ByteVec;
use rustix::fs::FlockOperation;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use self::keeper::{Entry, Keeper, Shared};
use self::record::Record;
use self::sled::Visit;
use self::writer::Command;
pub use self::writer::Writer;
use crate::clock;

/// How the buffer is kept.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file with the keys that it is encrypted with: 64 hexadecimal digits a line, the newest first. Without one the
    /// systemd credential `buffer.key` counts, and without that a key that the agent makes in the state folder.
    pub key_file: Option<PathBuf>,
    /// How much may lie on flash.
    pub limits: Limits,
}

/// How much may lie on flash. What waits for a receipt is never let go; where there is more, what is new is refused.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Events that wait, in each lane.
    pub waiting: u64,
    /// Bytes of them.
    pub waiting_bytes: u64,
    /// Bytes of receipted events that are kept, in both lanes together.
    pub kept_bytes: u64,
    /// A buffer is written anew when its files are larger than twice what is in them by more than this, in bytes.
    pub waste: u64,
    /// After so long without anything to do there is time to tidy up.
    pub quiet: Duration,
}

impl Default for Limits {
    /// 100,000 events and 32 MiB a lane; 2 MiB kept; 8 MiB of waste; 5 s.
    fn default() -> Self {
        Self {
            waiting: 100_000,
            waiting_bytes: 32 << 20,
            kept_bytes: 2 << 20,
            waste: 8 << 20,
            quiet: Duration::from_secs(5),
        }
    }
}

/// The agent's events. Clones are handles to the same buffer.
#[derive(Clone)]
pub struct Buffer {
    commands: Sender<Command>,
    shared: Shared,
    published: Arc<watch::Sender<State>>,
    encrypted: bool,
    counters: Arc<BTreeMap<DeviceId, u32>>,
    tally: Arc<Mutex<Tally>>,
}

/// What there is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// What is on flash; none where flash has given nothing since the start.
    pub flash: Option<Held>,
    /// What is only in memory.
    pub volatile: Volatile,
    /// What flash takes.
    pub takes: Takes,
}

/// What is in memory, because flash refused it: alarms, under an epoch that ends with the program.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Volatile {
    /// The epoch.
    pub epoch: Epoch,
    /// The alarms.
    pub alarm: LaneState,
}

/// What is on flash.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The buffer's present life.
    pub epoch: Epoch,
    /// The alarm lane.
    pub alarm: LaneState,
    /// The reading lane.
    pub reading: LaneState,
}

impl Held {
    /// One of the lanes.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> LaneState {
        match lane {
            Lane::Alarm => self.alarm,
            Lane::Reading => self.reading,
        }
    }
}

/// What there is of one lane.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct LaneState {
    /// The lowest number still there.
    pub oldest_kept: Sequence,
    /// The highest number that need not be sent again.
    pub receipted_through: Sequence,
    /// The last number given out.
    pub last: Sequence,
}

impl LaneState {
    /// A lane that has not begun.
    pub const EMPTY: Self = Self { oldest_kept: Sequence(1), receipted_through: Sequence::NONE, last: Sequence::NONE };
}

/// Why the buffer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another agent has it.
    #[error("another hempuls-agent uses the state folder {0}; stop that one first")]
    InUse(PathBuf),
    /// The system gives no thread.
    #[error("the system gives the agent no thread to write with: {0}. Is there memory left, and a limit on tasks?")]
    NoThread(io::Error),
}

/// Why events could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The buffer has begun another life.
    #[error("the buffer has begun another epoch")]
    OtherEpoch,
    /// The flash does not give them.
    #[error("the flash cannot be read")]
    Unreadable,
}

/// An alarm that flash has not taken in this time goes out from memory as well: a card may think for long.
const STALLED: Duration = Duration::from_secs(2);

impl Buffer {
    /// Opens the buffer in the agent's state folder, whatever is found there: a flash that refuses, a damaged buffer and
    /// a missing key are no errors.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(state: &Path, config: &Config) -> Result<(Self, Writer), OpenError> {
        // What cannot be made is missed when it is used.
        drop(folders::make_state(state));
        let lock = lock(state)?;
        let keeper = Keeper::open(state, config, &clock::taken());
        let (commands, inbox) = channel();
        let published = Arc::new(watch::Sender::new(keeper.state()));
        let buffer = Self {
            commands: commands.clone(),
            shared: keeper.shared(),
            published: published.clone(),
            encrypted: keeper.is_encrypted(),
            counters: Arc::new(keeper.counters()),
            tally: Arc::default(),
        };
        let quiet = config.limits.quiet;
        let writer = Writer::start(keeper, commands, inbox, published, quiet, lock).map_err(OpenError::NoThread)?;
        Ok((buffer, writer))
    }

    /// Takes an event, as of this moment. It has its number when it is durable, and not before; an alarm that flash
    /// refuses has one in memory, under [`Volatile::epoch`]. A silent test never has.
    ///
    /// # Errors
    /// Why it was not taken. That is counted already.
    pub async fn take(&self, kind: Kind) -> Result<Origin, Refusal> {
        self.take_with(kind, None).await
    }

    /// Takes a press together with its button's counter: both are durable, or neither.
    ///
    /// # Errors
    /// Why it was not taken. That is counted already.
    pub async fn take_press(&self, kind: Kind, button: DeviceId, counter: u32) -> Result<Origin, Refusal> {
        self.take_with(kind, Some((button, counter))).await
    }

    async fn take_with(&self, kind: Kind, counter: Option<(DeviceId, u32)>) -> Result<Origin, Refusal> {
        let is_heard = matches!(kind, Kind::Signal(_) | Kind::Alarm(_));
        if is_heard {
            self.tally().heard += 1;
        }
        let lane = kind.lane().unwrap_or(Lane::Reading);
        let content: Vec<u8> = Content { taken: clock::taken(), kind }.to_bytes().into();
        let (done, taken) = oneshot::channel();
        let entry = Entry { lane, origin: None, content: content.clone(), counter: counter.clone(), is_heard };
        self.tell(Command::Take { entry, done });
        let outcome = match lane {
            Lane::Reading => taken.await.unwrap_or(Err(Refusal::Flash)),
            Lane::Alarm if !is_heard => taken.await.unwrap_or(Err(Refusal::Flash)),
            Lane::Alarm => match timeout(STALLED, taken).await {
                Ok(Ok(Ok(number))) => Ok(number),
                Ok(Ok(Err(Refusal::Flash)) | Err(_)) | Err(_) => self.take_in_memory(&content, counter),
                Ok(Ok(Err(why))) => Err(why),
            },
        };
        match &outcome {
            Ok(Origin { epoch, sequence }) => tracing::debug!(event.seq = %sequence, %epoch, %lane, "event taken"),
            Err(why) => {
                if is_heard {
                    *self.tally().refused.entry(*why).or_default() += 1;
                }
                tracing::error!(%lane, ?why, "an event could not be taken");
            }
        }
        outcome
    }

    fn take_in_memory(&self, content: &[u8], counter: Option<(DeviceId, u32)>) -> Result<Origin, Refusal> {
        let taken = self.shared.memory().take(content, counter);
        self.published.send_modify(|state| state.volatile = self.shared.memory().state());
        match taken {
            Some(number) => {
                tracing::error!("the flash did not take an alarm: it is sent from memory until it arrives");
                Ok(number)
            }
            None => {
                self.tell(Command::Refuse(Refusal::Full));
                Err(Refusal::Full)
            }
        }
    }

    /// Counts a signal that was heard and may not be taken.
    pub fn refuse(&self, why: Refusal) {
        let mut tally = self.tally();
        tally.heard += 1;
        *tally.refused.entry(why).or_default() += 1;
        self.tell(Command::Refuse(why));
    }

    /// Signals and presses since the start of the program.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the flash does.
    #[must_use]
    pub fn flash(&self) -> FlashState {
        let State { volatile, takes, .. } = self.state();
        let in_memory = volatile.alarm.last.0 - volatile.alarm.receipted_through.0;
        FlashState { takes, in_memory, encrypted: self.encrypted }
    }

    /// What there is.
    #[must_use]
    pub fn state(&self) -> State {
        *self.published.borrow()
    }

    /// Every change of what there is.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<State> {
        self.published.subscribe()
    }

    /// The highest counter of each button, as it was durable when the buffer was opened.
    #[must_use]
    pub fn counters(&self) -> &BTreeMap<DeviceId, u32> {
        &self.counters
    }

    /// Notes that the gateway has everything of a lane through a number.
    pub fn receipted(&self, epoch: Epoch, lane: Lane, through: Sequence) {
        let mut memory = self.shared.memory();
        if epoch != memory.epoch() {
            return self.tell(Command::Receipted { epoch, lane, through });
        }
        memory.forget(through);
        drop(memory);
        self.published.send_modify(|state| state.volatile = self.shared.memory().state());
    }

    /// Makes everything of a lane from a number on wait again, as far as it is still kept, and says what is there then.
    pub async fn rewind(&self, lane: Lane, from: Sequence) -> State {
        self.renew(|done| Command::Rewind { lane, from, done }).await
    }

    /// Begins a new epoch, in which everything from a number of one lane on, and what waits in both, is taken again.
    /// Says what is there then: the present epoch, where the flash refuses.
    pub async fn fork(&self, lane: Lane, from: Sequence) -> State {
        self.renew(|done| Command::Fork { lane, from, done }).await
    }

    async fn renew(&self, command: impl FnOnce(oneshot::Sender<State>) -> Command) -> State {
        let (done, renewed) = oneshot::channel();
        self.tell(command(done));
        renewed.await.unwrap_or_else(|_| self.state())
    }

    /// Waits until the thread that writes comes round: it has done everything that it was told before.
    pub async fn comes_round(&self) {
        let (done, came_round) = oneshot::channel();
        self.tell(Command::ComeRound { done });
        if came_round.await.is_err() {
            // It is gone, and will never come round.
            std::future::pending().await
        }
    }

    /// The bytes of consecutive events, as they travel: at least one, and no more than `events` or `bytes`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, at: Place, last: Sequence, room: Room) -> Result<Vec<ByteVec>, ReadError> {
        let Place { epoch, lane, first } = at;
        let memory = self.shared.memory();
        if memory.epoch() == epoch {
            let events = memory.read(first, last, room);
            return if events.is_empty() { Err(ReadError::Unreadable) } else { Ok(events) };
        }
        drop(memory);
        let shared = self.shared.read();
        let (present, store) = shared.as_ref().ok_or(ReadError::Unreadable)?;
        if *present != epoch {
            return Err(ReadError::OtherEpoch);
        }
        let (mut events, mut bytes, mut expected) = (Vec::new(), 0, first);
        let visited = store.visit(lane, first, |number, value| {
            let Ok(record) = Record::open(value, store.key(), lane, number) else { return Visit::Enough };
            if number != expected || number > last {
                return Visit::Enough;
            }
            let event = Event { sequence: number, origin: record.origin, content: record.content.into() }.to_bytes();
            if !events.is_empty() && bytes + event.len() > room.bytes {
                return Visit::Enough;
            }
            bytes += event.len();
            events.push(event);
            expected = number.next();
            if events.len() >= room.events || bytes >= room.bytes { Visit::Enough } else { Visit::More }
        });
        match visited {
            Ok(()) if !events.is_empty() => Ok(events),
            Ok(()) | Err(_) => {
                drop(shared);
                self.tell(Command::Inspect { epoch });
                Err(ReadError::Unreadable)
            }
        }
    }

    /// What a receipt through this number must say about its content; none when the event is not kept any more.
    #[must_use]
    pub fn mark(&self, at: Place) -> Option<Mark> {
        Some(Mark::from(content_digest(&self.event(at)?.content)))
    }

    /// When the event under a number was taken.
    #[must_use]
    pub fn taken_at(&self, at: Place) -> Option<Taken> {
        Some(Content::from_bytes(&self.event(at)?.content).ok()?.taken)
    }

    fn event(&self, at: Place) -> Option<Event> {
        let State { flash, volatile, .. } = self.state();
        let kept = match at.lane {
            Lane::Alarm if at.epoch == volatile.epoch => volatile.alarm,
            lane => flash?.lane(lane),
        };
        if at.first < kept.oldest_kept || at.first > kept.last {
            return None;
        }
        let bytes = self.read(at, at.first, Room { events: 1, bytes: 0 }).ok()?;
        Event::from_bytes(bytes.first()?, at.first).ok()
    }

    fn tell(&self, command: Command) {
        // When the thread is gone the program is about to end, and what it was to note is noted by the gateway too.
        drop(self.commands.send(command));
    }
}

/// Where in the buffer.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// In which of its lives.
    pub epoch: Epoch,
    /// In which lane.
    pub lane: Lane,
    /// From which number on.
    pub first: Sequence,
}

/// How much to read.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// At most so many events.
    pub events: usize,
    /// At most so many bytes, unless the first event alone has more.
    pub bytes: usize,
}

/// Signals and presses since the start of the program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Heard.
    pub heard: u64,
    /// Of them, not taken.
    pub refused: BTreeMap<Refusal, u64>,
}

/// The names under which the receipts of each lane are kept.
const RECEIPTS: [&str; 2] = ["receipts/alarm", "receipts/reading"];

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Alarm => 0,
        Lane::Reading => 1,
    }
}

/// Sees to it that no second program uses the folder. The folder itself is locked, for which nothing has to be written.
fn lock(state: &Path) -> Result<Option<File>, OpenError> {
    let Ok(folder) = File::open(state) else { return Ok(None) };
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(state.to_owned())),
        // A file system without locks has no other agent on it that could be noticed.
        Ok(()) | Err(_) => Ok(Some(folder)),
    }
}
