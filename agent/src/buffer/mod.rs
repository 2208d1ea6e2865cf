//! Events on flash, until the gateway has them and for a while longer (P1, P2).
//!
//! - [`Buffer::take`] gives an event its number only when it is durable: after `flush` *and* `fdatasync`.
//! - One thread writes. It never waits to fill a batch: it writes what is there, and batches form while it syncs.
//! - Numbers have no gaps. A lane begins with [`Kind::Began`], which says what became of the buffer before.
//! - A receipted event stays for 14 days or 2 MiB, whichever is less, so that a restored gateway can ask again.
//! - A damaged buffer is salvaged into a new epoch and set aside. The agent always starts.

mod folders;
mod keeper;
#[cfg(test)]
mod model;
mod record;
mod renewal;
mod reserve;
mod shelf;
mod sled;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hempuls_protocol::event::{Content, Event, Kind, Refusal};
use hempuls_protocol::identity::content_digest;
use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence};
use hempuls_protocol::times::Taken;
use hempuls_protocol::wire::receipt::Mark;
use minicbor::bytes::ByteVec;
use rustix::fs::FlockOperation;
use tokio::sync::{oneshot, watch};

use self::keeper::{Entry, Keeper, Limits, Shared};
use self::record::Record;
use self::sled::{StoreError, Visit};
use crate::clock;

/// The agent's events. Clones are handles to the same buffer.
#[derive(Clone)]
pub struct Buffer {
    commands: Sender<Command>,
    shared: Shared,
    state: watch::Receiver<State>,
    counters: Arc<BTreeMap<DeviceId, u32>>,
    tally: Arc<Tally>,
}

/// What is on flash.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// The buffer's present life.
    pub epoch: Epoch,
    /// The alarm lane.
    pub alarm: LaneState,
    /// The reading lane.
    pub reading: LaneState,
}

impl State {
    /// One of the lanes.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> LaneState {
        match lane {
            Lane::Alarm => self.alarm,
            Lane::Reading => self.reading,
        }
    }
}

/// What is on flash of one lane.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct LaneState {
    /// The lowest number still there.
    pub oldest_kept: Sequence,
    /// The highest number that need not be sent again.
    pub receipted_through: Sequence,
    /// The last number given out.
    pub last: Sequence,
}

/// Why the buffer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another agent has it.
    #[error("another hempuls-agent uses the state folder {0}; stop that one first")]
    InUse(PathBuf),
    /// The file system refuses.
    #[error(
        "the state folder {folder} cannot be used: {error}. Readings would be lost, so the agent does not start. \
         Make sure that the folder exists, that this user may write to it, and that the disk is neither full nor read-only"
    )]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
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

/// The buffer's thread. It must be closed for the last receipts to be kept.
pub struct Writer {
    commands: Sender<Command>,
    thread: JoinHandle<()>,
    /// Held while the program runs, so that no second one uses the folder.
    _lock: std::fs::File,
}

impl Writer {
    /// Writes down what is in memory, and ends the thread.
    pub fn close(self) {
        // A thread that is gone has nothing left to say.
        if self.commands.send(Command::Close).is_ok() {
            drop(self.thread.join());
        }
    }
}

impl Buffer {
    /// Opens the buffer in the agent's state folder.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged buffer is none.
    pub fn open(state: &Path) -> Result<(Self, Writer), OpenError> {
        let refused = |error: io::Error| OpenError::Folder { folder: state.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(refused)?;
        let lock = std::fs::File::create(state.join("lock")).map_err(refused)?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| OpenError::InUse(state.to_owned()))?;
        let keeper = Keeper::open(state, Limits::SHIPPED, &clock::taken()).map_err(|error| match error {
            StoreError::Refused(error) => refused(error),
            StoreError::Damaged(why) => refused(io::Error::other(why)),
        })?;
        let (commands, inbox) = channel();
        let (publish, state) = watch::channel(keeper.state());
        let buffer = Self {
            commands: commands.clone(),
            shared: keeper.shared(),
            state,
            counters: Arc::new(keeper.counters()),
            tally: Arc::default(),
        };
        let thread = std::thread::Builder::new()
            .name("buffer".into())
            .spawn(move || run(keeper, &inbox, &publish))
            .map_err(refused)?;
        Ok((buffer, Writer { commands, thread, _lock: lock }))
    }

    /// Takes an event, as of this moment. It has its number when it is durable, and not before.
    ///
    /// # Errors
    /// Why it was not taken. That is counted already.
    pub async fn take(&self, kind: Kind) -> Result<Sequence, Refusal> {
        self.take_with(kind, None).await
    }

    /// Takes a press together with its button's counter: both are durable, or neither.
    ///
    /// # Errors
    /// Why it was not taken. That is counted already.
    pub async fn take_press(&self, kind: Kind, button: DeviceId, counter: u32) -> Result<Sequence, Refusal> {
        self.take_with(kind, Some((button, counter))).await
    }

    async fn take_with(&self, kind: Kind, counter: Option<(DeviceId, u32)>) -> Result<Sequence, Refusal> {
        if matches!(kind, Kind::Signal(_) | Kind::Alarm(_)) {
            self.tally.heard.fetch_add(1, Ordering::Relaxed);
        }
        let lane = kind.lane().unwrap_or(Lane::Reading);
        let content = Content { taken: clock::taken(), kind }.to_bytes().into();
        let (done, taken) = oneshot::channel();
        let command = Command::Take { entry: Entry { lane, content, counter }, done };
        // The thread ends only after everybody who might hear something.
        let outcome = if self.commands.send(command).is_ok() { taken.await } else { Ok(Err(Refusal::Flash)) };
        let outcome = outcome.unwrap_or(Err(Refusal::Flash));
        match &outcome {
            Ok(sequence) => tracing::debug!(event.seq = %sequence, %lane, "event taken"),
            Err(why) => {
                self.tally.refused.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%lane, ?why, "an event could not be taken");
            }
        }
        outcome
    }

    /// Counts a signal that was heard and may not be taken.
    pub fn refuse(&self, why: Refusal) {
        self.tally.heard.fetch_add(1, Ordering::Relaxed);
        self.tally.refused.fetch_add(1, Ordering::Relaxed);
        self.tell(Command::Refuse(why));
    }

    /// Signals and presses heard since the start, and how many of them were not taken.
    #[must_use]
    pub fn heard_and_refused(&self) -> (u64, u64) {
        (self.tally.heard.load(Ordering::Relaxed), self.tally.refused.load(Ordering::Relaxed))
    }

    /// What is on flash.
    #[must_use]
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Every change of what is on flash.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// The highest counter of each button, as it was durable when the buffer was opened.
    #[must_use]
    pub fn counters(&self) -> &BTreeMap<DeviceId, u32> {
        &self.counters
    }

    /// Notes that the gateway has everything of a lane through a number.
    pub fn receipted(&self, lane: Lane, through: Sequence) {
        self.tell(Command::Receipted { lane, through });
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

    /// The bytes of consecutive events, as they travel: at least one, and no more than `events` or `bytes`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, at: Place, last: Sequence, room: Room) -> Result<Vec<ByteVec>, ReadError> {
        let Place { epoch, lane, first } = at;
        let shared = self.shared.read();
        let (present, store) = shared.as_ref().ok_or(ReadError::Unreadable)?;
        if *present != epoch {
            return Err(ReadError::OtherEpoch);
        }
        let (mut events, mut bytes, mut expected) = (Vec::new(), 0, first);
        let visited = store.visit(lane, first, |number, value| {
            let Ok(record) = Record::from_value(value, lane, number) else { return Visit::Enough };
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
        let kept = self.state.borrow().lane(at.lane);
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
#[derive(Default)]
struct Tally {
    heard: AtomicU64,
    refused: AtomicU64,
}

enum Command {
    Take { entry: Entry, done: oneshot::Sender<Result<Sequence, Refusal>> },
    Refuse(Refusal),
    Receipted { lane: Lane, through: Sequence },
    Rewind { lane: Lane, from: Sequence, done: oneshot::Sender<State> },
    Fork { lane: Lane, from: Sequence, done: oneshot::Sender<State> },
    Inspect { epoch: Epoch },
    Close,
}

/// The names under which the receipts of each lane are kept.
const RECEIPTS: [&str; 2] = ["receipts/alarm", "receipts/reading"];

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Alarm => 0,
        Lane::Reading => 1,
    }
}

/// At most so many events become durable together.
const BATCH: usize = 50;
/// After so long without anything to do there is time to tidy up.
const QUIET: Duration = Duration::from_secs(5);

/// The buffer's thread: everything that has arrived while the last batch was synced makes the next one.
fn run(mut keeper: Keeper, inbox: &Receiver<Command>, publish: &watch::Sender<State>) {
    let mut is_settled = true;
    loop {
        let first = match inbox.recv_timeout(if is_settled { QUIET } else { Duration::ZERO }) {
            Ok(command) => command,
            Err(RecvTimeoutError::Timeout) if !is_settled => {
                is_settled = !keeper.settle();
                publish.send_if_modified(|state| replace(state, keeper.state()));
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {
                keeper.tend(&clock::taken());
                publish.send_if_modified(|state| replace(state, keeper.state()));
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut takes = Vec::new();
        let mut rest = Vec::new();
        for command in std::iter::once(first).chain(inbox.try_iter()).take(BATCH) {
            match command {
                Command::Take { entry, done } => takes.push((entry, done)),
                other => rest.push(other),
            }
        }
        take(&mut keeper, takes, publish);
        for command in rest {
            match command {
                Command::Take { .. } => {}
                Command::Refuse(why) => keeper.refuse(why),
                Command::Receipted { lane, through } => keeper.receipted(lane, through, &clock::taken()),
                Command::Rewind { lane, from, done } => {
                    keeper.rewind(lane, from);
                    let _ = done.send(keeper.state());
                }
                Command::Fork { lane, from, done } => {
                    match keeper.fork(lane, from, &clock::taken()) {
                        Ok(()) => {
                            tracing::warn!(epoch = %keeper.state().epoch, "a new epoch: what waited was taken again")
                        }
                        Err(error) => tracing::error!(%error, "a new epoch could not begin; it will when asked again"),
                    }
                    let _ = done.send(keeper.state());
                }
                Command::Inspect { epoch } => keeper.inspect(epoch, &clock::taken()),
                Command::Close => return keeper.close(&clock::taken()),
            }
        }
        is_settled = !keeper.settle();
        publish.send_if_modified(|state| replace(state, keeper.state()));
    }
    keeper.close(&clock::taken());
}

/// Takes a batch, alarms first, and tells everybody what became of theirs.
fn take(
    keeper: &mut Keeper,
    mut takes: Vec<(Entry, oneshot::Sender<Result<Sequence, Refusal>>)>,
    publish: &watch::Sender<State>,
) {
    if takes.is_empty() {
        return;
    }
    takes.sort_by_key(|(entry, _)| entry.lane);
    let (entries, waiting): (Vec<Entry>, Vec<_>) = takes.into_iter().unzip();
    let outcomes = keeper.take(&entries, &clock::taken());
    publish.send_if_modified(|state| replace(state, keeper.state()));
    for (done, outcome) in waiting.into_iter().zip(outcomes) {
        // Who does not wait any more has it on flash all the same.
        let _ = done.send(outcome);
    }
}

fn replace(state: &mut State, by: State) -> bool {
    let changed = *state != by;
    *state = by;
    changed
}
