//! The buffer's one thread: everything that has arrived while the last batch was synced makes the next one.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hempuls_protocol::event::{Origin, Refusal};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use tokio::sync::{oneshot, watch};

use super::State;
use super::keeper::{Entry, Keeper};
use crate::clock;

/// The thread. It must be closed for the last receipts to be kept.
pub struct Writer {
    commands: Sender<Command>,
    thread: JoinHandle<()>,
    /// Held while the program runs, so that no second one uses the folder.
    _lock: Option<File>,
}

/// What the thread is asked to do.
pub(super) enum Command {
    Take { entry: Entry, done: oneshot::Sender<Result<Origin, Refusal>> },
    Refuse(Refusal),
    Receipted { epoch: Epoch, lane: Lane, through: Sequence },
    Rewind { lane: Lane, from: Sequence, done: oneshot::Sender<State> },
    Fork { lane: Lane, from: Sequence, done: oneshot::Sender<State> },
    Inspect { epoch: Epoch },
    ComeRound { done: oneshot::Sender<()> },
    Close,
}

/// At most so many events become durable together.
const BATCH: usize = 50;
/// Also where it is never quiet, it is tidied up after so long.
const UNTIDY: Duration = Duration::from_secs(60);

impl Writer {
    pub(super) fn start(
        keeper: Keeper,
        commands: Sender<Command>,
        inbox: Receiver<Command>,
        published: Arc<watch::Sender<State>>,
        quiet: Duration,
        lock: Option<File>,
    ) -> io::Result<Self> {
        let thread =
            std::thread::Builder::new().name("buffer".into()).spawn(move || run(keeper, &inbox, &published, quiet))?;
        Ok(Self { commands, thread, _lock: lock })
    }

    /// Writes down what is in memory, and ends the thread.
    pub fn close(self) {
        // A thread that is gone has nothing left to say.
        if self.commands.send(Command::Close).is_ok() {
            drop(self.thread.join());
        }
    }
}

fn run(mut keeper: Keeper, inbox: &Receiver<Command>, published: &watch::Sender<State>, quiet: Duration) {
    let mut is_settled = true;
    let mut tidied = clock::now();
    loop {
        let patience = if is_settled { quiet } else { Duration::ZERO };
        let arrived = inbox.recv_timeout(patience);
        let is_quiet = is_settled && matches!(arrived, Err(RecvTimeoutError::Timeout));
        match arrived {
            Ok(command) => {
                let batch = std::iter::once(command).chain(inbox.try_iter()).take(BATCH);
                if obey(&mut keeper, batch, published).is_break() {
                    break;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        is_settled = !keeper.settle();
        if is_quiet || is_untidy(tidied) {
            keeper.tend(&clock::taken());
            tidied = clock::now();
        }
        publish(&keeper, published);
    }
    keeper.close(&clock::taken());
}

fn is_untidy(tidied: Instant) -> bool {
    clock::now().saturating_duration_since(tidied) > UNTIDY
}

fn obey(
    keeper: &mut Keeper,
    batch: impl Iterator<Item = Command>,
    published: &watch::Sender<State>,
) -> ControlFlow<()> {
    let mut takes = Vec::new();
    let mut rest = Vec::new();
    for command in batch {
        match command {
            Command::Take { entry, done } => takes.push((entry, done)),
            other => rest.push(other),
        }
    }
    take(keeper, takes, published);
    for command in rest {
        match command {
            Command::Take { .. } => {}
            Command::Refuse(why) => keeper.refuse(why),
            Command::Receipted { epoch, lane, through } => keeper.receipted(epoch, lane, through, &clock::taken()),
            Command::Rewind { lane, from, done } => {
                keeper.rewind(lane, from);
                let _ = done.send(keeper.state());
            }
            Command::Fork { lane, from, done } => {
                match keeper.fork(lane, from, &clock::taken()) {
                    Ok(epoch) => tracing::warn!(%epoch, "a new epoch: what waited was taken again"),
                    Err(error) => tracing::error!(%error, "a new epoch could not begin; it will when asked again"),
                }
                let _ = done.send(keeper.state());
            }
            Command::ComeRound { done } => drop(done.send(())),
            Command::Inspect { epoch } => keeper.inspect(epoch, &clock::taken()),
            Command::Close => return ControlFlow::Break(()),
        }
    }
    ControlFlow::Continue(())
}

/// Takes a batch, alarms first, and tells everybody what became of theirs.
fn take(
    keeper: &mut Keeper,
    mut takes: Vec<(Entry, oneshot::Sender<Result<Origin, Refusal>>)>,
    published: &watch::Sender<State>,
) {
    if takes.is_empty() {
        return;
    }
    takes.sort_by_key(|(entry, _)| entry.lane);
    let (entries, waiting): (Vec<Entry>, Vec<_>) = takes.into_iter().unzip();
    let outcomes = keeper.take(&entries, &clock::taken());
    publish(keeper, published);
    for (done, outcome) in waiting.into_iter().zip(outcomes) {
        // Who does not wait any more has it on flash all the same.
        let _ = done.send(outcome);
    }
}

/// What is said is read while nobody else can say something, so that nothing newer is said before it.
fn publish(keeper: &Keeper, published: &watch::Sender<State>) {
    published.send_if_modified(|state| {
        let present = keeper.state();
        let changed = *state != present;
        *state = present;
        changed
    });
}
