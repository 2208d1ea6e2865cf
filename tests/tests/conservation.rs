//! Nothing is lost and nothing is doubled, whatever the network, the flash and the store do (P1, P2, P3).
//!
//! The agent's window and the gateway's ledger, the two cores that decide what is sent, stored and forgotten, against
//! lost, repeated and reordered messages, a store restored from a backup, and buffers wiped, rolled back, cloned and
//! refusing.
//! No clock, socket or file: a night takes a millisecond, and each seed is a night of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use hempuls_agent::buffer::{Held, LaneState, Place, State, Volatile};
use hempuls_agent::uplink::window::{Answer, Effect, Input, Window};
use hempuls_gateway::ingest::accept::{Decision, LaneKey, Ledger};
use hempuls_gateway::ingest::parcel::{Arrived, Parcel};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Began, Content, Event, Kind, Origin, Previous, Signal};
use hempuls_protocol::identity::{Said, content_digest};
use hempuls_protocol::ids::{AgentId, Epoch, Lane, Sequence};
use hempuls_protocol::times::{BootId, DeviceTime, Taken, Trust};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::heartbeat::{self, Takes};
use hempuls_protocol::wire::receipt::{Mark, Receipt};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// What may go wrong in a night.
#[derive(Copy, Clone, Default, Debug)]
struct Dangers {
    restores: bool,
    wipes: bool,
    roll_backs: bool,
    clones: bool,
    refusals: bool,
}

#[test]
fn a_bad_network_loses_and_doubles_nothing() {
    nights(0..600, Dangers::default());
}

#[test]
fn a_store_restored_from_a_backup_gets_everything_back() {
    nights(10_000..10_400, Dangers { restores: true, ..Dangers::default() });
}

#[test]
fn a_wiped_buffer_loses_only_what_nobody_else_had() {
    nights(20_000..20_400, Dangers { wipes: true, ..Dangers::default() });
}

#[test]
fn a_buffer_that_went_back_in_time_loses_nothing_that_was_stored() {
    nights(30_000..30_400, Dangers { roll_backs: true, ..Dangers::default() });
}

#[test]
fn two_boxes_with_one_identity_lose_nothing() {
    nights(40_000..40_400, Dangers { clones: true, ..Dangers::default() });
}

#[test]
fn a_press_that_flash_refuses_is_one_alarm_and_is_on_flash_in_the_end() {
    nights(60_000..60_400, Dangers { refusals: true, ..Dangers::default() });
}

#[test]
fn all_of_it_in_one_night() {
    let all = Dangers { restores: true, wipes: true, roll_backs: true, clones: true, refusals: true };
    nights(50_000..50_600, all);
}

fn nights(seeds: std::ops::Range<u64>, dangers: Dangers) {
    for seed in seeds {
        let mut night = Night::new(seed, dangers);
        night.pass();
        night.calm_down();
        night.check();
    }
}

/// A record on a box's flash.
#[derive(Clone)]
struct Record {
    origin: Option<Origin>,
    content: Vec<u8>,
}

/// A lane on flash: numbers from 1, nothing thrown away.
#[derive(Clone, Default)]
struct Lines {
    records: Vec<Record>,
    receipted: u64,
}

impl Lines {
    fn state(&self) -> LaneState {
        LaneState {
            oldest_kept: Sequence(1),
            receipted_through: Sequence(self.receipted),
            last: Sequence(self.records.len() as u64),
        }
    }
}

/// A box in a home, as its flash has it.
#[derive(Clone)]
struct Flash {
    epoch: Epoch,
    lanes: [Lines; 2],
}

impl Flash {
    fn fresh(epoch: Epoch, previous: [Option<Previous>; 2], at: Taken) -> Self {
        let began = |previous| Content { taken: at, kind: Kind::Began(Began { previous }) }.to_bytes().to_vec();
        let lanes = previous
            .map(|previous| Lines { records: vec![Record { origin: None, content: began(previous) }], receipted: 0 });
        Self { epoch, lanes }
    }

    fn held(&self) -> Held {
        Held { epoch: self.epoch, alarm: self.lanes[0].state(), reading: self.lanes[1].state() }
    }

    fn fork(&mut self, lane: Lane, from: Sequence, epoch: Epoch, at: Taken) {
        let former = self.clone();
        let again = Lane::ALL.map(|each| {
            let waiting = former.lanes[each as usize].receipted + 1;
            if each == lane { waiting.min(from.0) } else { waiting }
        });
        let previous = Lane::ALL.map(|each| {
            let last = former.lanes[each as usize].records.len() as u64;
            let first = again[each as usize];
            let taken_again = if first <= last { vec![(Sequence(first), Sequence(last))] } else { vec![] };
            Some(Previous { epoch: former.epoch, last_taken: Some(Sequence(last)), taken_again })
        });
        *self = Self::fresh(epoch, previous, at);
        for each in Lane::ALL {
            let first = again[each as usize];
            for (number, record) in
                (1..).zip(&former.lanes[each as usize].records).filter(|(number, _)| *number >= first)
            {
                let origin = record.origin.unwrap_or(Origin { epoch: former.epoch, sequence: Sequence(number) });
                self.lanes[each as usize]
                    .records
                    .push(Record { origin: Some(origin), content: record.content.clone() });
            }
        }
    }
}

/// A box and its window.
struct Home {
    flash: Flash,
    /// Whether it takes nothing at present.
    refuses: bool,
    /// Alarms that it refused, under an epoch of their own.
    volatile: (Epoch, Lines),
    window: Window,
    online: bool,
    unanswered: Vec<Place>,
    yesterday: Option<Flash>,
}

impl Home {
    fn boot(flash: Flash, volatile: Epoch) -> Self {
        let volatile = (volatile, Lines::default());
        let window = Window::new(state(&flash, &volatile));
        Self { flash, refuses: false, volatile, window, online: false, unanswered: Vec::new(), yesterday: None }
    }

    fn state(&self) -> State {
        state(&self.flash, &self.volatile)
    }

    fn lines(&mut self, epoch: Epoch, lane: Lane) -> &mut Lines {
        if epoch == self.volatile.0 { &mut self.volatile.1 } else { &mut self.flash.lanes[lane as usize] }
    }

    /// What this box has under a receipt's `through`.
    fn mark(&self, receipt: &Receipt) -> Option<Mark> {
        let place = usize::try_from(receipt.through.0).expect("few").checked_sub(1)?;
        let is_volatile = receipt.epoch == self.volatile.0;
        let lines = if is_volatile { &self.volatile.1 } else { &self.flash.lanes[receipt.lane as usize] };
        Some(Mark::from(content_digest(&lines.records.get(place)?.content)))
    }
}

fn state(flash: &Flash, (epoch, lines): &(Epoch, Lines)) -> State {
    let volatile = Volatile { epoch: *epoch, alarm: lines.state() };
    State { flash: Some(flash.held()), volatile, takes: Takes::All }
}

enum Message {
    Up { from: usize, lane: Lane, bytes: Vec<u8> },
    Heartbeat { from: usize, clock: Taken, lanes: Vec<heartbeat::LaneState> },
    Down { connection: u64, receipt: Receipt },
}

impl Message {
    /// Up from which box, or down which connection.
    fn way(&self) -> (Option<usize>, Option<u64>) {
        match self {
            Self::Up { from, .. } | Self::Heartbeat { from, .. } => (Some(*from), None),
            Self::Down { connection, .. } => (None, Some(*connection)),
        }
    }
}

/// The payload of each record in the store.
type Records = BTreeMap<String, Vec<u8>>;
/// What became of each number.
type Rows = HashMap<(LaneKey, u64), &'static str>;

struct Night {
    seed: u64,
    dangers: Dangers,
    chance: StdRng,
    start: Instant,
    now: Duration,
    agent: AgentId,
    boxes: Vec<Home>,
    network: Vec<Message>,
    /// Counts connections: the newest is the one that is heard.
    connection: u64,
    ledger: Ledger,
    made: Records,
    backup: Option<(Ledger, Records, Rows)>,
    booked: Rows,
    ever_stored: BTreeSet<Vec<u8>>,
    taken: BTreeSet<Vec<u8>>,
    /// Contents that were on a flash that was wiped or went back, when that happened.
    endangered: BTreeSet<Vec<u8>>,
    /// Epochs of memories that are gone.
    rebooted: BTreeSet<Epoch>,
    records: u64,
}

impl Night {
    #[allow(clippy::disallowed_methods)]
    fn new(seed: u64, dangers: Dangers) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let flash = Flash::fresh(Epoch(chance.random()), [None, None], moment(Duration::ZERO));
        let home = Home::boot(flash, Epoch(chance.random()));
        Self {
            seed,
            dangers,
            chance,
            start: Instant::now(),
            now: Duration::ZERO,
            agent: AgentId::from_random([9; 10]),
            boxes: vec![home],
            network: Vec::new(),
            connection: 0,
            ledger: Ledger::default(),
            made: BTreeMap::new(),
            backup: None,
            booked: HashMap::new(),
            ever_stored: BTreeSet::new(),
            taken: BTreeSet::new(),
            endangered: BTreeSet::new(),
            rebooted: BTreeSet::new(),
            records: 0,
        }
    }

    fn pass(&mut self) {
        for _ in 0..150 {
            self.now += Duration::from_millis(self.chance.random_range(1..4_000));
            let each = self.chance.random_range(0..self.boxes.len());
            match self.chance.random_range(0..100) {
                0..30 => self.something_happens(each),
                30..40 => self.change_connection(each),
                40..45 => self.beat(each),
                45..60 => self.answer(each),
                60..62 => self.go_wrong(each),
                _ => self.deliver(true),
            }
            self.tick(each);
        }
    }

    /// The network mends, nothing more goes wrong, and there is time.
    fn calm_down(&mut self) {
        (0..self.boxes.len()).for_each(|each| self.take_again_what_was_in_memory(each));
        for round in 0..400 {
            self.now += Duration::from_secs(11);
            for each in 0..self.boxes.len() {
                if !self.boxes[each].online {
                    self.change_connection(each);
                }
                if round % 4 == 0 {
                    self.beat(each);
                }
                self.tick(each);
                while !self.network.is_empty() || !self.boxes[each].unanswered.is_empty() {
                    self.deliver(false);
                    self.answer(each);
                }
            }
            if self.is_settled() {
                return;
            }
        }
        panic!("seed {}: the night does not settle", self.seed);
    }

    fn is_settled(&self) -> bool {
        self.boxes.iter().all(|home| {
            home.volatile.1.receipted == home.volatile.1.records.len() as u64
                && Lane::ALL.into_iter().all(|lane| {
                    let lines = &home.flash.lanes[lane as usize];
                    let key = LaneKey { agent: self.agent.clone(), lane, epoch: home.flash.epoch };
                    let last = lines.records.len() as u64;
                    lines.receipted == last && self.ledger.cursor(&key).is_some_and(|cursor| cursor.through.0 >= last)
                })
        })
    }

    fn check(&self) {
        let seed = self.seed;
        // One record for each payload, and one payload for each that was taken and not endangered.
        let stored: Vec<&Vec<u8>> = self.made.values().collect();
        let distinct: BTreeSet<&Vec<u8>> = stored.iter().copied().collect();
        assert_eq!(stored.len(), distinct.len(), "seed {seed}: a measurement was stored twice");
        for payload in &self.taken {
            let is_there = distinct.contains(payload);
            assert!(is_there || self.endangered.contains(payload), "seed {seed}: {payload:?} is lost");
        }
        // Of what was endangered, nothing that had reached the store is gone.
        for payload in &self.ever_stored {
            assert!(distinct.contains(payload) || self.endangered.contains(payload), "seed {seed}: stored, and gone");
        }
        // Every number is accounted for.
        let mut rows: HashMap<&LaneKey, u64> = HashMap::new();
        for (key, _) in self.booked.keys() {
            *rows.entry(key).or_default() += 1;
        }
        for (key, cursor) in self.ledger.cursors() {
            let rows = rows.get(key).copied().unwrap_or_default();
            let (taken, moved, lost) = match &cursor.ended {
                Some(ended) => (ended.closed.taken, ended.closed.moved, cursor.lost()),
                None => (cursor.last_heard.0, 0, cursor.lost()),
            };
            // What was in the memory of a box that was started anew never comes, and nobody can say so until it begins
            // another life.
            let is_waited_for = self.rebooted.contains(&key.epoch) && cursor.ended.is_none();
            let accounted = rows + moved + lost;
            assert!(
                taken == accounted || is_waited_for && taken > accounted,
                "seed {seed}: the books of {key:?} do not balance: {cursor:?}"
            );
            let Dangers { wipes, roll_backs, clones, .. } = self.dangers;
            let harmless = !wipes && !roll_backs && !clones;
            assert!(lost == 0 || !harmless, "seed {seed}: {lost} booked as lost in {key:?}");
        }
    }

    fn something_happens(&mut self, each: usize) {
        let number = self.taken.len() as u32 + 1;
        let payload = [&b"said "[..], &number.to_be_bytes()].concat();
        let device = "F0:F1:F2:F3:F4:F5".parse().expect("a device");
        let kind = match self.chance.random_range(0..4) {
            0 => {
                Kind::Alarm(Alarm { counter: Some(number), authentic: true, ..Alarm::pressed(device, payload.clone()) })
            }
            clock => Kind::Signal(Signal {
                // One has no clock, one is right, one stands still.
                device_time: match clock {
                    1 => None,
                    2 => Some(DeviceTime(jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0) + self.span())),
                    _ => Some(DeviceTime(jiff::civil::date(2020, 1, 1).at(0, 0, 0, 0))),
                },
                ..Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, payload.clone())
            }),
        };
        let lane = kind.lane().expect("a signal or an alarm");
        let taken = moment(self.now);
        let home = &mut self.boxes[each];
        match (home.refuses, kind) {
            (true, Kind::Alarm(alarm)) => {
                let kind = Kind::Alarm(Alarm { not_on_flash: true, ..alarm });
                let content = Content { taken, kind }.to_bytes().to_vec();
                home.volatile.1.records.push(Record { origin: None, content });
            }
            // A reading is refused: nobody was told that it is taken.
            (true, _) => return,
            (false, kind) => {
                let content = Content { taken, kind }.to_bytes().to_vec();
                home.flash.lanes[lane as usize].records.push(Record { origin: None, content });
            }
        }
        self.taken.insert(payload);
        let held = self.boxes[each].state();
        self.handle(each, Input::Holds(held));
    }

    /// The flash takes something again: first what was refused and has not been receipted.
    fn take_again_what_was_in_memory(&mut self, each: usize) {
        let home = &mut self.boxes[each];
        home.refuses = false;
        let (epoch, lines) = &mut home.volatile;
        for (number, record) in (1..).zip(&lines.records).filter(|(number, _)| *number > lines.receipted) {
            let origin = Some(Origin { epoch: *epoch, sequence: Sequence(number) });
            home.flash.lanes[Lane::Alarm as usize].records.push(Record { origin, ..record.clone() });
        }
        lines.receipted = lines.records.len() as u64;
        let held = home.state();
        self.handle(each, Input::Holds(held));
    }

    fn span(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_millis(i64::try_from(self.now.as_millis()).expect("a night"))
    }

    fn change_connection(&mut self, each: usize) {
        if self.boxes[each].online {
            return self.disconnect(each);
        }
        // A broker lets only one in under one name.
        for other in 0..self.boxes.len() {
            self.disconnect(other);
        }
        self.boxes[each].online = true;
        self.connection += 1;
        self.handle(each, Input::Connected);
        self.beat(each);
    }

    fn disconnect(&mut self, each: usize) {
        if self.boxes[each].online {
            self.boxes[each].online = false;
            self.boxes[each].unanswered.clear();
            self.handle(each, Input::Disconnected);
        }
    }

    fn beat(&mut self, each: usize) {
        let home = &self.boxes[each];
        if !home.online {
            return;
        }
        let state = home.flash.held();
        let lanes = Lane::ALL.map(|lane| heartbeat::LaneState {
            lane,
            epoch: state.epoch,
            oldest_kept: state.lane(lane).oldest_kept,
            receipted_through: state.lane(lane).receipted_through,
            last: state.lane(lane).last,
            oldest_waiting_s: None,
        });
        self.network.push(Message::Heartbeat { from: each, clock: moment(self.now), lanes: lanes.to_vec() });
    }

    fn answer(&mut self, each: usize) {
        if self.boxes[each].unanswered.is_empty() {
            return;
        }
        let at = self.boxes[each].unanswered.remove(0);
        let answer = if self.chance.random_bool(0.95) { Answer::Accepted } else { Answer::Refused };
        self.handle(each, Input::Acknowledged { at, answer });
    }

    fn tick(&mut self, each: usize) {
        let due = self.boxes[each].window.next_wake().is_some_and(|at| at <= self.start + self.now);
        if due {
            let jitter = self.chance.random_range(0.0..1.0);
            self.handle(each, Input::Tick { jitter });
        }
    }

    /// Delivers one message, any one; a bad network loses some and repeats some.
    ///
    /// Where boxes share an identity, connections count: what goes one way over one of them arrives in order, and is
    /// lost only together with the connection and all that follows.
    fn deliver(&mut self, badly: bool) {
        if self.network.is_empty() {
            return;
        }
        let mut any = self.chance.random_range(0..self.network.len());
        let way = self.network[any].way();
        if self.dangers.clones {
            any = self.network.iter().position(|message| message.way() == way).unwrap_or(any);
        }
        let message = self.network.remove(any);
        if badly && self.chance.random_bool(0.25) {
            if self.dangers.clones {
                self.network.retain(|message| message.way() != way);
                (0..self.boxes.len()).for_each(|each| self.disconnect(each));
            }
            return;
        }
        let times = if badly && self.chance.random_bool(0.15) { 2 } else { 1 };
        for _ in 0..times {
            match &message {
                Message::Up { lane, bytes, .. } => self.ingest(*lane, bytes),
                Message::Heartbeat { clock, lanes, .. } => {
                    for state in lanes {
                        let receipt = self.ledger.heartbeat(&self.agent, clock, state).receipt;
                        self.network.push(Message::Down { connection: self.connection, receipt });
                    }
                }
                Message::Down { connection, receipt } => {
                    for each in 0..self.boxes.len() {
                        let hears = !self.dangers.clones || self.connection == *connection;
                        if self.boxes[each].online && hears {
                            let own = self.boxes[each].mark(receipt);
                            self.handle(each, Input::Receipt { receipt: receipt.clone(), own });
                        }
                    }
                }
            }
        }
    }

    fn ingest(&mut self, lane: Lane, bytes: &[u8]) {
        let parcel = Parcel::read(self.agent.clone(), lane, bytes, 0).expect("our own envelopes can be read");
        let (mut names, mut next) = (Vec::new(), self.records);
        let (decisions, answer) = self.ledger.accept(&parcel, || {
            next += 1;
            names.push(format!("record {next}"));
            format!("record {next}")
        });
        self.records = next;
        for ((arrival, decision), name) in parcel.events.iter().zip(&decisions).zip(names) {
            let row = match decision {
                Decision::Store { .. } => "stored",
                Decision::Repeated { .. } => "repeated",
                Decision::Quarantine(_) => "quarantined",
                Decision::AlreadyStored { .. } | Decision::Forked => continue,
            };
            self.booked.insert((parcel.key.clone(), arrival.sequence.0), row);
            let payload = match &arrival.what {
                Arrived::Event { bytes, .. } => said(bytes),
                Arrived::Unreadable { .. } | Arrived::InUnreadableBody => None,
            };
            let Some(payload) = payload else { continue };
            self.ever_stored.insert(payload.clone());
            if row == "stored" {
                self.made.insert(name, payload);
            }
        }
        for (key, sequence) in answer.settled {
            self.booked.insert((key, sequence.0), "repeated");
        }
        self.network.push(Message::Down { connection: self.connection, receipt: answer.receipt });
    }

    fn go_wrong(&mut self, each: usize) {
        let (ledger, made, booked) = (&self.ledger, &self.made, &self.booked);
        match self.chance.random_range(0..8) {
            0 if self.dangers.restores => self.backup = Some((ledger.clone(), made.clone(), booked.clone())),
            1 if self.dangers.restores => {
                if let Some((ledger, made, booked)) = self.backup.take() {
                    (self.ledger, self.made, self.booked) = (ledger, made, booked);
                }
            }
            2 if self.dangers.wipes => {
                self.endanger(each);
                let former = self.boxes[each].flash.epoch;
                let previous = Some(Previous { epoch: former, last_taken: None, taken_again: vec![] });
                let epoch = Epoch(self.chance.random());
                let flash = Flash::fresh(epoch, [previous.clone(), previous], moment(self.now));
                self.boot(each, flash);
            }
            3 if self.dangers.roll_backs => self.boxes[each].yesterday = Some(self.boxes[each].flash.clone()),
            4 if self.dangers.roll_backs => {
                if let Some(yesterday) = self.boxes[each].yesterday.take() {
                    self.endanger(each);
                    self.boot(each, yesterday);
                }
            }
            5 if self.dangers.clones && self.boxes.len() < 3 => {
                let flash = self.boxes[each].flash.clone();
                self.boxes.push(Home::boot(flash, Epoch(self.chance.random())));
            }
            6 if self.dangers.refusals => self.boxes[each].refuses = true,
            7 if self.dangers.refusals => self.take_again_what_was_in_memory(each),
            _ => {}
        }
    }

    /// What is on this flash may be gone with it: what the store does not have, and, where the store may be restored
    /// to an earlier state afterwards, what it has.
    fn endanger(&mut self, each: usize) {
        let home = &self.boxes[each];
        for lines in home.flash.lanes.iter().chain([&home.volatile.1]) {
            for record in &lines.records {
                let Some(payload) = said(&record.content) else { continue };
                if self.dangers.restores || !self.ever_stored.contains(&payload) {
                    self.endangered.insert(payload);
                }
            }
        }
    }

    fn boot(&mut self, each: usize, flash: Flash) {
        self.rebooted.insert(self.boxes[each].volatile.0);
        let yesterday = self.boxes[each].yesterday.take();
        self.boxes[each] = Home { yesterday, ..Home::boot(flash, Epoch(self.chance.random())) };
    }

    fn handle(&mut self, each: usize, input: Input) {
        let at = self.start + self.now;
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let effects = self.boxes[each].window.handle(input, at);
            for effect in effects {
                inputs.extend(self.perform(each, effect));
            }
        }
    }

    fn perform(&mut self, each: usize, effect: Effect) -> Option<Input> {
        let boxes = self.boxes.len();
        let home = &mut self.boxes[each];
        match effect {
            Effect::Send { at, last, room } => {
                let Place { epoch, lane, first } = at;
                let most = u64::try_from(room.events.min(self.chance.random_range(1..8))).expect("few");
                let last = last.0.min(first.0 + most - 1);
                let records = &home.lines(epoch, lane).records;
                let events = (first.0..=last).map(|number| {
                    let record = &records[usize::try_from(number).expect("few") - 1];
                    let content = record.content.clone().into();
                    Event { sequence: Sequence(number), origin: record.origin, content }.to_bytes()
                });
                let envelope = Envelope::pack(epoch, first, moment(self.now), events.collect()).to_bytes();
                let bytes = envelope.len();
                home.unanswered.push(at);
                self.network.push(Message::Up { from: each, lane, bytes: envelope });
                Some(Input::Sent { at, last: Sequence(last), bytes })
            }
            Effect::Receipted { epoch, lane, through } => {
                // Forgotten is only what has reached the store. Where two boxes share a history, a receipt may speak of
                // the other's; the quarantined twin then makes the box begin anew.
                let is_alone = boxes == 1 && !self.dangers.roll_backs;
                let lines = home.lines(epoch, lane);
                for record in &lines.records[..usize::try_from(through.0).expect("few")] {
                    let stored = said(&record.content).is_none_or(|payload| self.ever_stored.contains(&payload));
                    assert!(stored || !is_alone, "seed {}: receipted, not stored", self.seed);
                }
                lines.receipted = lines.receipted.max(through.0);
                None
            }
            Effect::Rewind { lane, from } => {
                let lines = &mut home.flash.lanes[lane as usize];
                lines.receipted = lines.receipted.min(from.0.saturating_sub(1));
                Some(Input::Renewed(home.state()))
            }
            Effect::Fork { lane, from } => {
                // What was receipted is not taken along: a store restored after this has it no more.
                if self.dangers.restores {
                    self.endanger(each);
                }
                let home = &mut self.boxes[each];
                let epoch = Epoch(self.chance.random());
                home.flash.fork(lane, from, epoch, moment(self.now));
                Some(Input::Renewed(home.state()))
            }
            Effect::Reconnect => {
                home.online = false;
                home.unanswered.clear();
                Some(Input::Disconnected)
            }
        }
    }
}

/// The payload of what a device said; none for an agent's own events.
fn said(content: &[u8]) -> Option<Vec<u8>> {
    let content = Content::from_bytes(content).expect("our own content");
    Said::of(&content.kind).map(|said| said.payload.to_vec())
}

fn moment(since_boot: Duration) -> Taken {
    let since_boot_ms = u64::try_from(since_boot.as_millis()).expect("a night");
    Taken { boot: BootId([1; 16]), since_boot_ms, wall_ms: None, trust: Trust::Unknown }
}
