//! What the buffer promises, without flash: two lists. The buffer is held against it, whatever happens in whatever order.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use hempuls_protocol::event::{BufferDamaged, Content, Damage, Kind, Origin, Previous, Refusal};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::times::{BootId, Taken, Trust};
use proptest::prelude::*;

use super::keeper::{Entry, Keeper};
use super::keys::Keyring;
use super::record::Record;
use super::renewal::readable;
use super::sled::{Batch, Store, Visit};
use super::{Config, Held, Limits, index};

const LIMITS: Limits =
    Limits { waiting: 12, waiting_bytes: 1 << 20, kept_bytes: 600, waste: 1 << 30, quiet: Duration::from_secs(5) };
const NOW: Taken = Taken { boot: BootId([1; 16]), since_boot_ms: 1, wall_ms: Some(1), trust: Trust::Synchronised };

/// One lane as it should be.
#[derive(Clone, Default, Debug)]
struct Lines {
    /// Number of the first record in the list.
    oldest: u64,
    records: VecDeque<Record>,
    receipted: u64,
}

impl Lines {
    fn began(content: Vec<u8>) -> Self {
        Self { oldest: 1, records: [Record { origin: None, content }].into(), receipted: 0 }
    }

    fn last(&self) -> u64 {
        self.oldest + self.records.len() as u64 - 1
    }

    fn kept_bytes(&self) -> u64 {
        let kept = usize::try_from((self.receipted + 1).saturating_sub(self.oldest)).unwrap();
        self.records.iter().take(kept).map(size).sum()
    }

    fn has_spare(&self) -> bool {
        self.oldest <= self.receipted && self.records.len() > 1
    }

    fn drop_oldest(&mut self) {
        self.records.pop_front();
        self.oldest += 1;
    }

    fn from(&self, number: u64) -> impl Iterator<Item = (u64, &Record)> {
        (self.oldest..).zip(&self.records).filter(move |(each, _)| *each >= number)
    }
}

fn size(record: &Record) -> u64 {
    record.content.len() as u64 + if record.origin.is_some() { 58 } else { 42 }
}

/// The buffer as it should be.
struct Model {
    epoch: Epoch,
    lanes: [Lines; 2],
}

impl Model {
    fn take(&mut self, lane: Lane, content: &[u8]) -> Result<Origin, Refusal> {
        let lines = &mut self.lanes[index(lane)];
        if lines.last() - lines.receipted >= LIMITS.waiting {
            return Err(Refusal::Full);
        }
        lines.records.push_back(Record { origin: None, content: content.to_vec() });
        Ok(Origin { epoch: self.epoch, sequence: Sequence(lines.last()) })
    }

    fn receipt(&mut self, lane: Lane, through: u64) {
        let lines = &mut self.lanes[index(lane)];
        lines.receipted = lines.receipted.max(through.min(lines.last()));
        self.let_go();
    }

    fn let_go(&mut self) {
        while self.lanes.iter().map(Lines::kept_bytes).sum::<u64>() > LIMITS.kept_bytes {
            let [alarms, readings] = &mut self.lanes;
            match [readings, alarms].into_iter().find(|lines| lines.has_spare()) {
                Some(lines) => lines.drop_oldest(),
                None => break,
            }
        }
    }

    fn rewind(&mut self, lane: Lane, from: u64) {
        let lines = &mut self.lanes[index(lane)];
        lines.receipted = lines.receipted.min((from.saturating_sub(1)).max(lines.oldest - 1));
        self.let_go();
    }

    /// The buffer says under which epoch it goes on; what is in it must follow from what was.
    fn fork(&mut self, lane: Lane, from: u64, epoch: Epoch) {
        let former = self.epoch;
        self.let_go();
        for each in Lane::ALL {
            let lines = &self.lanes[index(each)];
            let waiting = lines.receipted + 1;
            let from = if each == lane { waiting.min(from) } else { waiting };
            let again: Vec<(u64, Record)> = lines.from(from).map(|(number, record)| (number, record.clone())).collect();
            let range = again.first().zip(again.last()).map(|((a, _), (b, _))| (Sequence(*a), Sequence(*b)));
            let previous = Previous {
                epoch: former,
                last_taken: Some(Sequence(lines.last())),
                taken_again: range.into_iter().collect(),
            };
            let mut next = Lines::began(began(Some(previous)));
            next.records.extend(again.into_iter().map(|(number, record)| record.taken_again(former, Sequence(number))));
            self.lanes[index(each)] = next;
        }
        self.epoch = epoch;
    }

    fn wipe(&mut self, epoch: Epoch) {
        let former = self.epoch;
        self.lanes = self.lanes.each_ref().map(|lines| {
            let last_taken = Some(Sequence(lines.last()));
            Lines::began(began(Some(Previous { epoch: former, last_taken, taken_again: Vec::new() })))
        });
        let content = damaged(Damage::Gone, 0);
        self.lanes[index(Lane::Reading)].records.push_back(Record { origin: None, content });
        self.epoch = epoch;
    }

    fn check(&self, keeper: &Keeper) {
        let held = held(keeper);
        assert_eq!(held.epoch, self.epoch);
        for lane in Lane::ALL {
            let (lines, found) = (&self.lanes[index(lane)], held.lane(lane));
            let numbers = (found.oldest_kept.0, found.receipted_through.0, found.last.0);
            assert_eq!(numbers, (lines.oldest, lines.receipted, lines.last()), "{lane}");
            assert_eq!(records(keeper, lane), lines.from(0).map(|(n, r)| (n, r.clone())).collect::<Vec<_>>(), "{lane}");
        }
    }
}

fn damaged(damage: Damage, taken_again: u64) -> Vec<u8> {
    Content { taken: NOW, kind: Kind::BufferDamaged(BufferDamaged { damage, taken_again }) }.to_bytes().into()
}

fn began(previous: Option<Previous>) -> Vec<u8> {
    Content { taken: NOW, kind: Kind::Began(hempuls_protocol::event::Began { previous }) }.to_bytes().into()
}

fn records(keeper: &Keeper, lane: Lane) -> Vec<(u64, Record)> {
    let mut records = Vec::new();
    let shared = keeper.shared();
    let shared = shared.read();
    let (_, store) = shared.as_ref().unwrap();
    store
        .visit(lane, Sequence::NONE, |number, value| {
            records.push((number.0, Record::open(value, store.key(), lane, number).unwrap()));
            Visit::More
        })
        .unwrap();
    records
}

fn open(state: &Path) -> Keeper {
    open_with(state, LIMITS)
}

fn open_with(state: &Path, limits: Limits) -> Keeper {
    Keeper::open(state, &Config { key_file: None, limits }, &NOW)
}

fn open_store(state: &Path) -> Store {
    Store::open(&state.join("buffer"), &Keyring::find(state, None).unwrap()).unwrap()
}

fn held(keeper: &Keeper) -> Held {
    keeper.state().flash.unwrap()
}

fn entry(lane: Lane, content: &[u8]) -> Entry {
    Entry { lane, origin: None, content: content.to_vec(), counter: None, is_heard: true }
}

#[derive(Clone, Debug)]
enum Step {
    Take(Vec<(Lane, Vec<u8>)>),
    Receipt(Lane, u64),
    Rewind(Lane, u64),
    Fork(Lane, u64),
    Reopen,
    Wipe,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lane = || prop_oneof![Just(Lane::Alarm), Just(Lane::Reading)];
    // Some in pieces.
    let content = prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 1..60),
        1 => proptest::collection::vec(any::<u8>(), 600..3_000),
    ];
    let step = prop_oneof![
        8 => proptest::collection::vec((lane(), content), 1..5).prop_map(Step::Take),
        4 => (lane(), 0..30u64).prop_map(|(lane, through)| Step::Receipt(lane, through)),
        2 => (lane(), 0..30u64).prop_map(|(lane, from)| Step::Rewind(lane, from)),
        1 => (lane(), 1..30u64).prop_map(|(lane, from)| Step::Fork(lane, from)),
        2 => Just(Step::Reopen),
        1 => Just(Step::Wipe),
    ];
    proptest::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_buffer_holds_what_the_model_holds(steps in steps()) {
        let state = tempfile::tempdir().unwrap();
        let mut keeper = open(state.path());
        let first = began(None);
        let mut model = Model { epoch: held(&keeper).epoch, lanes: [(); 2].map(|()| Lines::began(first.clone())) };
        model.check(&keeper);
        for step in steps {
            match step {
                Step::Take(takes) => {
                    let entries: Vec<Entry> = takes.iter().map(|(lane, content)| entry(*lane, content)).collect();
                    let taken = keeper.take(&entries, &NOW);
                    let expected: Vec<_> = takes.iter().map(|(lane, content)| model.take(*lane, content)).collect();
                    prop_assert_eq!(taken, expected);
                }
                Step::Receipt(lane, through) => {
                    keeper.receipted(model.epoch, lane, Sequence(through), &NOW);
                    while keeper.settle() {}
                    model.receipt(lane, through);
                }
                Step::Rewind(lane, from) => {
                    keeper.rewind(lane, Sequence(from));
                    keeper.settle();
                    model.rewind(lane, from);
                }
                Step::Fork(lane, from) => {
                    keeper.fork(lane, Sequence(from), &NOW).unwrap();
                    model.fork(lane, from, held(&keeper).epoch);
                }
                Step::Reopen => {
                    drop(keeper);
                    keeper = open(state.path());
                }
                Step::Wipe => {
                    drop(keeper);
                    std::fs::remove_dir_all(state.path().join("buffer")).unwrap();
                    keeper = open(state.path());
                    model.wipe(held(&keeper).epoch);
                }
            }
            model.check(&keeper);
        }
    }
}

#[test]
fn a_damaged_record_begins_a_new_epoch_with_everything_else() {
    let state = tempfile::tempdir().unwrap();
    let mut keeper = open(state.path());
    let entries: Vec<Entry> = (2..=9).map(|n| entry(Lane::Reading, &[n; 10])).collect();
    keeper.take(&entries, &NOW);
    keeper.receipted(held(&keeper).epoch, Lane::Reading, Sequence(3), &NOW);
    let former = held(&keeper).epoch;
    keeper.close(&NOW);

    let store = open_store(state.path());
    let mut batch = Batch::default();
    batch.insert(Lane::Reading, Sequence(6), b"not what was written");
    store.write(batch).unwrap();
    store.sync().unwrap();
    drop(store);

    let keeper = open(state.path());
    assert_ne!(held(&keeper).epoch, former);
    let found = records(&keeper, Lane::Reading);
    let ranges = vec![(Sequence(4), Sequence(5)), (Sequence(7), Sequence(9))];
    let previous = Previous { epoch: former, last_taken: Some(Sequence(9)), taken_again: ranges };
    assert_eq!(found[0].1.content, began(Some(previous)));
    assert_eq!(found[1].1.content, damaged(Damage::Unreadable, 6));
    let origins: Vec<Origin> = found[2..].iter().map(|(_, record)| record.origin.unwrap()).collect();
    assert_eq!(origins, [4, 5, 7, 8, 9].map(|n| Origin { epoch: former, sequence: Sequence(n) }));
    assert!(state.path().join("buffer.bad-1").exists());
}

#[test]
fn a_missing_record_is_noticed() {
    let state = tempfile::tempdir().unwrap();
    let mut keeper = open(state.path());
    keeper.take(&[entry(Lane::Alarm, b"2"), entry(Lane::Alarm, b"3"), entry(Lane::Alarm, b"4")], &NOW);
    let former = held(&keeper).epoch;
    keeper.close(&NOW);
    let store = open_store(state.path());
    let mut batch = Batch::default();
    batch.remove(Lane::Alarm, Sequence(3), 1);
    store.write(batch).unwrap();
    assert_eq!(readable(&store, Lane::Alarm, Sequence(1)), [(Sequence(1), Sequence(2)), (Sequence(4), Sequence(4))]);
    store.sync().unwrap();
    drop(store);
    assert_ne!(held(&open(state.path())).epoch, former);
}

#[test]
fn files_that_are_no_buffer_at_all_do_not_keep_the_agent_from_starting() {
    let state = tempfile::tempdir().unwrap();
    let keeper = open(state.path());
    let former = held(&keeper).epoch;
    keeper.close(&NOW);
    for entry in std::fs::read_dir(state.path().join("buffer")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let length = std::fs::metadata(&path).unwrap().len();
            std::fs::write(&path, vec![0x5A; usize::try_from(length).unwrap()]).unwrap();
        }
    }
    let mut keeper = open(state.path());
    assert_ne!(held(&keeper).epoch, former);
    let epoch = held(&keeper).epoch;
    assert_eq!(keeper.take(&[entry(Lane::Alarm, b"help")], &NOW), [Ok(Origin { epoch, sequence: Sequence(2) })]);
}

#[test]
fn a_counter_is_durable_with_its_press_and_goes_along_into_a_new_epoch() {
    let button = "38:39:8F:70:B2:4E".parse().unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut keeper = open(state.path());
    let press = Entry { counter: Some((button, 442)), ..entry(Lane::Alarm, b"press") };
    keeper.take(&[press], &NOW);
    keeper.fork(Lane::Reading, Sequence(1), &NOW).unwrap();
    keeper.close(&NOW);
    let counters: Vec<_> = open(state.path()).counters().into_iter().collect();
    assert_eq!(counters, [("38:39:8F:70:B2:4E".parse().unwrap(), 442)]);
}

#[test]
fn what_is_refused_is_summed_up_once_there_is_room() {
    let state = tempfile::tempdir().unwrap();
    let mut keeper = open(state.path());
    let entries: Vec<Entry> = (0..20).map(|n| entry(Lane::Reading, &[n])).collect();
    let refused = keeper.take(&entries, &NOW).iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(refused, 20 - 11, "12 may wait, one of them the beginning");
    keeper.receipted(held(&keeper).epoch, Lane::Reading, Sequence(12), &NOW);
    keeper.tend(&NOW);
    let (_, last) = records(&keeper, Lane::Reading).pop().unwrap();
    let sum = hempuls_protocol::event::Refused { count: 9, why: Refusal::Full };
    assert_eq!(Content::from_bytes(&last.content).unwrap().kind, Kind::Refused(sum));
}

#[test]
fn a_buffer_that_wastes_flash_is_written_anew_and_holds_the_same() {
    let state = tempfile::tempdir().unwrap();
    let limits = Limits { waiting: 10_000, waiting_bytes: 8 << 20, kept_bytes: 1_000, waste: 1 << 20, ..LIMITS };
    let mut keeper = open_with(state.path(), limits);
    for round in 0..40u8 {
        let entries: Vec<Entry> = (0..50).map(|_| entry(Lane::Reading, &[round; 900])).collect();
        keeper.take(&entries, &NOW);
    }
    let through = Sequence(held(&keeper).reading.last.0 - 5);
    keeper.receipted(held(&keeper).epoch, Lane::Reading, through, &NOW);
    while keeper.settle() {}
    let (before, kept) = (on_flash(state.path()), records(&keeper, Lane::Reading));
    keeper.tend(&NOW);
    assert!(on_flash(state.path()) < before / 2, "{before} bytes before");
    assert!(records(&keeper, Lane::Reading) == kept);
    assert_eq!(held(&keeper).reading.receipted_through, through);
}

fn on_flash(state: &Path) -> u64 {
    std::fs::metadata(state.join("buffer/db")).unwrap().len()
}
