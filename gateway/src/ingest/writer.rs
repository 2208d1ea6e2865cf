//! The one that writes: batch after batch, for ever, and sends receipts for what is on the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{BufferDamaged, Content, DeviceTrouble, Kind, Refused, Trouble};
use hempuls_protocol::identity::content_digest;
use hempuls_protocol::ids::{AgentId, Lane, Sequence};
use hempuls_protocol::wire::receipt::{Receipt, Receipts, Why};
use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use super::Intake;
use super::accept::{self, Decision, LaneKey, Ledger, Oddity};
use super::clocks::{Clocks, Item};
use super::interpret;
use super::parcel::{Arrival, Arrived, Parcel};
use super::queue::{Batch, Delivery};
use crate::alerts::health::ailments::{self, Ailment, Course, Said};
use crate::alerts::health::{self, Found, told};
use crate::alerts::judge::{Consequence, Settings};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::http::Health;
use crate::letters::{Courier, Letter, Occasion, Says};
use crate::proof::{self, SilentTest};
use crate::store::ledger::{self, Disposition, EventRow, QuarantineRow, Span};
use crate::store::records::{self, NewRecord};
use crate::store::{
    Connection, Store, StoreError, assignments, devices, heartbeats, home_proofs, homes, new_id, savepoint,
};

/// How soon a batch is tried again after the store failed; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often it says that it is there, when there is nothing to store.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// The one that writes.
pub struct Writer {
    store: Store,
    intake: Intake,
    settings: Settings,
    letters: mpsc::Sender<Letter>,
    courier: Courier,
    changes: Changes,
    health: Arc<Health>,
}

/// What to tell, once the batch is committed.
#[derive(Default)]
struct Done {
    receipts: BTreeMap<LaneKey, Receipt>,
    occasions: Vec<Occasion>,
    changes: Vec<Change>,
}

impl Writer {
    /// Writes what is brought to `intake`, judged by these settings, hands receipts to `letters`, and tells `courier` of all else that agents may
    /// have to be told of.
    #[must_use]
    pub fn new(
        store: Store,
        intake: Intake,
        settings: Settings,
        letters: mpsc::Sender<Letter>,
        courier: Courier,
        changes: Changes,
        health: Arc<Health>,
    ) -> Self {
        Self { store, intake, settings, letters, courier, changes, health }
    }

    /// Writes for ever.
    pub async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(batch) = tokio::time::timeout(SIGN_OF_LIFE, self.intake.queue.take()).await else {
                if pause == FIRST_PAUSE {
                    self.health.ingest_came_round(clock::now_ms());
                }
                continue;
            };
            match self.write(&batch).await {
                Ok(done) => {
                    self.health.ingest_came_round(clock::now_ms());
                    if pause != FIRST_PAUSE {
                        tracing::info!("the store can be written again");
                        pause = FIRST_PAUSE;
                    }
                    self.tell(done).await;
                }
                Err(error) => {
                    self.health.ingest_fails(&error.to_string());
                    if pause == FIRST_PAUSE {
                        tracing::error!(
                            %error,
                            "nothing can be stored; agents keep what they have, and it is tried again: \
                             look for a full or failing disk under the data folder"
                        );
                    }
                    self.intake.queue.put_back(batch);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Writes one batch as a whole; what it returns is to be told only because this has committed.
    async fn write(&self, Batch { deliveries: batch, test }: &Batch) -> Result<Done, StoreError> {
        let mut work = self.store.work().await?;
        let now_ms = clock::now_ms();
        let senders = self.senders(&mut work, batch).await?;
        let batch: Vec<&Delivery> = batch.iter().filter(|delivery| senders.contains_key(delivery.agent())).collect();
        let mut part = savepoint(&mut work).await?;
        let mut done = match self.attempt(&mut part, &batch, &senders, false, now_ms).await {
            Ok(done) => {
                part.commit().await?;
                done
            }
            Err(error) if error.is_refused() => {
                part.rollback().await?;
                tracing::warn!(%error, "the store refuses something of a batch; each event goes alone");
                self.one_by_one(&mut work, &batch, &senders, now_ms).await?
            }
            Err(error) => return Err(error),
        };
        let heard: Vec<&AgentId> = senders.keys().collect();
        homes::note_heard(&mut work, &heard, now_ms).await?;
        if let Some(test) = test {
            self.prove(&mut work, test, now_ms).await?;
        }
        work.commit().await?;
        done.changes.extend(senders.into_values().map(Change::Home));
        Ok(done)
    }

    /// Takes a test as far as the outbox. Nothing that goes wrong here costs an event its place; `/readyz` tells of it.
    async fn prove(&self, work: &mut Connection, test: &SilentTest, now_ms: i64) -> Result<(), StoreError> {
        let mut part = savepoint(work).await?;
        match proof::take_up(&mut part, test, &self.settings.rules, now_ms).await {
            Ok(()) => part.commit().await?,
            Err(error) => {
                part.rollback().await?;
                tracing::error!(test.id, %error, "a silent test cannot be stored");
            }
        }
        Ok(())
    }

    /// The homes of those in a batch that may send: known boxes that are not cut off.
    async fn senders(&self, work: &mut Connection, batch: &[Delivery]) -> Result<HashMap<AgentId, String>, StoreError> {
        let ids: BTreeSet<&AgentId> = batch.iter().map(Delivery::agent).collect();
        let ids: Vec<&AgentId> = ids.into_iter().collect();
        let known = homes::find_agents(work, &ids).await?;
        for id in ids {
            match known.iter().find(|agent| agent.id == *id) {
                None => tracing::warn!(agent.id = %id, "dropped what an unknown box sent"),
                Some(agent) if agent.is_revoked => tracing::warn!(agent.id = %id, "dropped what a revoked box sent"),
                Some(_) => {}
            }
        }
        Ok(known.into_iter().filter(|agent| !agent.is_revoked).map(|agent| (agent.id, agent.home)).collect())
    }

    /// Stores every event in a savepoint of its own; what the store refuses is kept as bytes.
    async fn one_by_one(
        &self,
        work: &mut Connection,
        batch: &[&Delivery],
        senders: &HashMap<AgentId, String>,
        now_ms: i64,
    ) -> Result<Done, StoreError> {
        let mut all = Done::default();
        for delivery in batch.iter().flat_map(|delivery| singly(delivery)) {
            for as_bytes in [false, true] {
                let mut part = savepoint(work).await?;
                match self.attempt(&mut part, &[&delivery], senders, as_bytes, now_ms).await {
                    Ok(done) => {
                        part.commit().await?;
                        all.add(done);
                        break;
                    }
                    Err(error) if error.is_refused() => {
                        part.rollback().await?;
                        tracing::error!(agent.id = %delivery.agent(), %error, as_bytes, "the store refuses one event");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(all)
    }

    /// Decides about these deliveries and writes what was decided. With `as_bytes`, events are kept as bytes only.
    async fn attempt(
        &self,
        work: &mut Connection,
        batch: &[&Delivery],
        senders: &HashMap<AgentId, String>,
        as_bytes: bool,
        now_ms: i64,
    ) -> Result<Done, StoreError> {
        let mut desk = Desk::open(work, batch, &self.settings.zone, now_ms).await?;
        for delivery in batch {
            let Some(home) = senders.get(delivery.agent()) else { continue };
            match delivery {
                Delivery::Events(parcel) => desk.events(parcel, home, as_bytes),
                Delivery::Heartbeat { agent, beat } => {
                    for state in &beat.lanes {
                        let key = LaneKey { agent: agent.clone(), lane: state.lane, epoch: state.epoch };
                        let answer = desk.ledger.heartbeat(agent, &beat.clock, state);
                        desk.odd(&key, home, &answer.oddities);
                        answer_with(&mut desk.done.receipts, &key, answer.receipt);
                        desk.touched.insert(key);
                    }
                }
                Delivery::Unreadable { agent, topic, bytes } => desk.quarantine.push(QuarantineRow {
                    agent: agent.clone(),
                    lane: topic,
                    numbers: None,
                    why: "header",
                    digest: content_digest(bytes),
                    bytes: bytes.clone(),
                }),
            }
        }
        desk.write(work, senders).await?;
        for delivery in batch {
            if let (Delivery::Heartbeat { agent, beat }, Some(home)) = (delivery, senders.get(delivery.agent())) {
                let before = heartbeats::last(work, agent).await?;
                if before.as_ref().is_some_and(|last| last.overtook(beat)) {
                    continue;
                }
                heartbeats::note(work, agent, beat, now_ms).await?;
                let (before_ms, before) = before.map_or((None, None), |last| (Some(last.at_ms), last.said));
                let before = before.as_ref().zip(before_ms).map(|(beat, at_ms)| Said { beat, at_ms });
                let courses = ailments::course(before, Said { beat, at_ms: now_ms }, &self.settings.boxes);
                desk.ail(work, agent, home, &courses).await?;
                let config = beat.config.clone();
                desk.done.occasions.push(Occasion::Heartbeat { agent: agent.clone(), config, before_ms });
            }
        }
        self.judge(work, &mut desk).await?;
        Ok(desk.done)
    }

    /// Lets the rules judge what was stored. Nothing that goes wrong here costs an event its place.
    async fn judge(&self, work: &mut Connection, desk: &mut Desk<'_>) -> Result<(), StoreError> {
        let follows = std::mem::take(&mut desk.follows);
        if self.settings.judge(work, &desk.records, follows, desk.now_ms).await? {
            desk.done.changes.push(Change::WorkList);
        }
        Ok(())
    }

    /// Tells what is committed: first the agents, who wait for their receipts, then whoever looks at a screen.
    async fn tell(&self, done: Done) {
        let mut by_agent: BTreeMap<AgentId, Vec<Receipt>> = BTreeMap::new();
        for (key, receipt) in done.receipts {
            by_agent.entry(key.agent).or_default().push(receipt);
        }
        for (agent, lanes) in by_agent {
            let letter = Letter { to: agent, says: Says::Receipts(Receipts::new(lanes, clock::now_ms())) };
            if self.letters.send(letter).await.is_err() {
                tracing::debug!("nobody delivers letters any more: the gateway stops");
            }
        }
        for occasion in done.occasions {
            self.courier.tell(occasion);
        }
        let mut changes = done.changes;
        let mut told = std::collections::HashSet::new();
        changes.retain(|change| told.insert(change.clone()));
        self.changes.tell(changes);
    }
}

impl Done {
    fn add(&mut self, other: Self) {
        for (key, receipt) in other.receipts {
            answer_with(&mut self.receipts, &key, receipt);
        }
        self.occasions.extend(other.occasions);
        self.changes.extend(other.changes);
    }
}

/// One batch on its way into rows.
struct Desk<'a> {
    now_ms: i64,
    zone: &'a TimeZone,
    ledger: Ledger,
    clocks: Clocks,
    /// What agents say of clocks, to be written down.
    of_clocks: Vec<(AgentId, Content)>,
    assignments: Vec<assignments::Assignment>,
    touched: BTreeSet<LaneKey>,
    events: Vec<EventRow>,
    records: Vec<NewRecord>,
    quarantine: Vec<QuarantineRow>,
    troubles: Vec<(LaneKey, String, DeviceTrouble)>,
    /// The boxes from which silent tests came.
    tests: BTreeSet<AgentId>,
    follows: Vec<Consequence>,
    done: Done,
}

impl<'a> Desk<'a> {
    /// Loads all that decisions about this batch depend on.
    async fn open(
        work: &mut Connection,
        batch: &[&Delivery],
        zone: &'a TimeZone,
        now_ms: i64,
    ) -> Result<Self, StoreError> {
        let mut spans = Vec::new();
        let mut clues = Vec::new();
        let mut devices = BTreeSet::new();
        let mut began = BTreeSet::new();
        for delivery in batch {
            match delivery {
                Delivery::Events(parcel) => {
                    if let (Some(first), Some(last)) = (parcel.events.first(), parcel.events.last()) {
                        spans.push(Span { key: parcel.key.clone(), first: first.sequence, last: last.sequence });
                    }
                    for arrival in &parcel.events {
                        clues.push(accept::clues(&parcel.key, arrival));
                        match arrival.content().map(|content| &content.kind) {
                            Some(Kind::Signal(signal)) => drop(devices.insert(signal.device.to_string())),
                            Some(Kind::Alarm(alarm)) => drop(devices.insert(alarm.device.to_string())),
                            Some(Kind::Began(_)) => drop(began.insert(&parcel.key.agent)),
                            Some(
                                Kind::Refused(_)
                                | Kind::DeviceTrouble(_)
                                | Kind::BufferDamaged(_)
                                | Kind::TimeCorrection(_)
                                | Kind::DeviceClock(_)
                                | Kind::Test,
                            )
                            | None => {}
                        }
                    }
                }
                Delivery::Heartbeat { agent, beat } => {
                    spans.extend(beat.lanes.iter().map(|state| Span {
                        key: LaneKey { agent: agent.clone(), lane: state.lane, epoch: state.epoch },
                        first: Sequence::NONE,
                        last: Sequence::NONE,
                    }));
                }
                Delivery::Unreadable { .. } => {}
            }
        }
        let mut ledger = ledger::load(work, &spans, &clues).await?;
        if !began.is_empty() {
            ledger::load_lives(work, &mut ledger, &began.into_iter().collect::<Vec<_>>()).await?;
        }
        let clocks = Clocks::load(work, batch, now_ms).await?;
        let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
        let assignments = assignments::of_devices(work, &devices).await?;
        Ok(Self {
            now_ms,
            zone,
            ledger,
            clocks,
            of_clocks: Vec::new(),
            assignments,
            touched: BTreeSet::new(),
            events: Vec::new(),
            records: Vec::new(),
            quarantine: Vec::new(),
            troubles: Vec::new(),
            tests: BTreeSet::new(),
            follows: Vec::new(),
            done: Done::default(),
        })
    }

    fn events(&mut self, parcel: &Parcel, home: &str, as_bytes: bool) {
        let key = &parcel.key;
        let mut decisions = Vec::with_capacity(parcel.events.len());
        let mut unread = 0;
        for arrival in &parcel.events {
            let decided = self.ledger.decide(key, arrival);
            let decision = match decided {
                Decision::Store { .. } | Decision::Repeated { .. } if as_bytes => Decision::Quarantine(Why::Unstorable),
                decided => decided,
            };
            let id = new_id(self.now_ms);
            let oddities = self.ledger.apply(key, arrival, &decision, &id);
            let settled = self.ledger.settle_first(key, arrival, &decision, &id);
            self.odd(key, home, &oddities);
            self.put(parcel, arrival, &decision, id, home);
            if let Some(first) = settled {
                self.put_first(first, arrival);
            }
            unread += u64::from(matches!(decision, Decision::Quarantine(_)));
            decisions.push((arrival.sequence, decision));
        }
        if unread > 0 {
            self.raise(key, home, Found::Quarantined { lane: key.lane.to_string(), count: unread });
            if let Some(body) = &parcel.unreadable_body {
                self.quarantine.push(QuarantineRow {
                    agent: key.agent.clone(),
                    lane: key.lane.as_str(),
                    numbers: Some((key.epoch, body.first, body.last)),
                    why: ledger::why_word(Why::Unreadable),
                    digest: content_digest(&body.bytes),
                    bytes: body.bytes.clone(),
                });
            }
        }
        self.ledger.hear(parcel);
        let receipt = self.ledger.receipt(key, decisions.iter().map(|(sequence, decision)| (*sequence, decision)));
        answer_with(&mut self.done.receipts, key, receipt);
        self.touched.insert(key.clone());
        if key.lane == Lane::Alarm {
            self.done.occasions.push(Occasion::Alarms(key.agent.clone()));
        }
    }

    /// Turns a decision into rows.
    fn put(&mut self, parcel: &Parcel, arrival: &Arrival, decision: &Decision, id: String, home: &str) {
        let key = &parcel.key;
        let content = arrival.content();
        let row = |disposition, record| EventRow {
            key: key.clone(),
            sequence: arrival.sequence,
            disposition,
            kind: content.map_or("unreadable", told::kind),
            digest: arrival.digest(),
            record,
            content: None,
        };
        match decision {
            Decision::AlreadyStored { .. } => {}
            Decision::Repeated { of } => self.events.push(row(Disposition::Repeated, of.clone())),
            Decision::Quarantine(why) => {
                self.events.push(row(Disposition::Quarantined, None));
                self.keep_bytes(key, arrival, *why);
            }
            Decision::Forked => self.keep_bytes(key, arrival, Why::Forked),
            Decision::Store { identity: None, .. } => {
                if let Arrived::Event { content, bytes, .. } = &arrival.what {
                    self.own_event(key, content, home);
                    self.events.push(EventRow { content: Some(bytes.clone()), ..row(Disposition::Stored, None) });
                }
            }
            Decision::Store { identity: Some(identity), possibly_same_as } => {
                let Some(content) = content else { return };
                let record = interpret::record(key, content, identity, id, home, |shown| {
                    self.clocks.date(&Item::of(parcel, content, shown)?, self.zone)
                });
                let Some(mut record) = record else { return };
                if let Kind::Signal(signal) = &content.kind {
                    self.clocks.stored(&key.agent, signal, &content.taken, record.measured);
                }
                let at_ms = record.measured.map(|measured| measured.at_ms).or(record.press.map(|_| parcel.received_ms));
                // What a home calls a wire or a program of its own says nothing in another home.
                let whose_ms = at_ms.filter(|_| record.characteristic != Characteristic::LOCAL.to_string());
                record.person = whose_ms
                    .and_then(|at_ms| assignments::person_at(&self.assignments, &record.device, record.slot, at_ms))
                    .map(str::to_owned);
                record.possibly_same_as = possibly_same_as.clone();
                record.taken_again = matches!(arrival.what, Arrived::Event { origin: Some(_), .. });
                self.events.push(row(Disposition::Stored, Some(record.id.clone())));
                self.done.changes.extend(record.person.clone().map(Change::Person));
                self.records.push(record);
            }
        }
    }

    /// The row of a number whose content came under another.
    fn put_first(&mut self, (key, sequence): (LaneKey, Sequence), arrival: &Arrival) {
        self.touched.insert(key.clone());
        self.events.push(EventRow {
            record: self.ledger.record(&key, sequence),
            key,
            sequence,
            disposition: Disposition::Repeated,
            kind: arrival.content().map_or("unreadable", told::kind),
            digest: arrival.digest(),
            content: None,
        });
    }

    fn keep_bytes(&mut self, key: &LaneKey, arrival: &Arrival, why: Why) {
        let (bytes, digest) = match &arrival.what {
            Arrived::Event { bytes, digest, .. } | Arrived::Unreadable { bytes, digest } => (bytes, digest),
            Arrived::InUnreadableBody => return,
        };
        self.quarantine.push(QuarantineRow {
            agent: key.agent.clone(),
            lane: key.lane.as_str(),
            numbers: Some((key.epoch, arrival.sequence, arrival.sequence)),
            why: ledger::why_word(why),
            digest: *digest,
            bytes: bytes.clone(),
        });
    }

    /// What an agent says of itself, that a person should know of.
    fn own_event(&mut self, key: &LaneKey, content: &Content, home: &str) {
        match &content.kind {
            Kind::Refused(Refused { count, why }) => {
                self.raise(key, home, Found::Refused { count: *count, why: (*why).into() })
            }
            Kind::DeviceTrouble(trouble) => self.troubles.push((key.clone(), home.to_owned(), trouble.clone())),
            Kind::BufferDamaged(BufferDamaged { damage, taken_again }) => {
                self.raise(key, home, Found::Damaged { damage: (*damage).into(), taken_again: *taken_again });
            }
            Kind::TimeCorrection(_) | Kind::DeviceClock(_) => self.of_clocks.push((key.agent.clone(), content.clone())),
            Kind::Test => drop(self.tests.insert(key.agent.clone())),
            Kind::Signal(_) | Kind::Alarm(_) | Kind::Began(_) => {}
        }
    }

    fn odd(&mut self, key: &LaneKey, home: &str, oddities: &[Oddity]) {
        for oddity in oddities {
            let (agent, lane, epoch) = (&key.agent, key.lane, key.epoch);
            tracing::warn!(agent.id = %agent, %lane, %epoch, ?oddity, "a buffer is not what it was");
            if let Oddity::NewEpoch { ended, .. } = oddity {
                self.touched.insert(LaneKey { epoch: *ended, ..key.clone() });
            }
            self.raise(key, home, health::found(key.lane, oddity));
        }
    }

    fn raise(&mut self, key: &LaneKey, home: &str, found: Found) {
        let is_repeated = found.is_repeated();
        let concern = health::concern(key.agent.as_str(), home, false, found);
        self.follows.push(if is_repeated { Consequence::Remind(concern) } else { Consequence::Raise(concern) });
    }

    /// What a heartbeat says is wrong, or wrong no longer.
    async fn ail(
        &mut self,
        work: &mut Connection,
        agent: &AgentId,
        home: &str,
        courses: &[(Ailment, Course)],
    ) -> Result<(), StoreError> {
        for (ailment, course) in courses.iter().cloned() {
            let device_kind = match ailment.device() {
                Some(device) => devices::kind_of(work, home, device).await?,
                None => None,
            };
            let has_button = devices::has_button(work, home).await?;
            let found = match ailment.of_kind(device_kind) {
                Ailment::SilentDevice { device, device_kind } => {
                    Found::Device { device, device_kind, trouble: Trouble::Silent.into() }
                }
                Ailment::WrongDeviceClock { device, device_kind } => {
                    Found::Device { device, device_kind, trouble: Trouble::ClockWrong.into() }
                }
                ailment => Found::Ails(ailment),
            };
            let concern = health::concern(agent.as_str(), home, has_button, found);
            self.follows.push(match course {
                Course::Begins => Consequence::Raise(concern),
                Course::GoesOn => Consequence::GoesOn(concern),
                Course::Over => Consequence::Ease(concern),
            });
        }
        Ok(())
    }

    async fn write(&mut self, work: &mut Connection, senders: &HashMap<AgentId, String>) -> Result<(), StoreError> {
        records::write(work, &self.records, self.now_ms).await?;
        devices::note_counters(work, &self.records).await?;
        for (key, home, trouble) in std::mem::take(&mut self.troubles) {
            let device = trouble.device.to_string();
            let device_kind = devices::kind_of(work, &home, &device).await?;
            self.raise(&key, &home, Found::Device { device, device_kind, trouble: trouble.trouble.into() });
        }
        ledger::write_events(work, &self.events, self.now_ms).await?;
        let mut clocks = std::mem::take(&mut self.clocks);
        for (agent, content) in std::mem::take(&mut self.of_clocks) {
            clocks.note(work, &agent, &content, self.now_ms).await?;
        }
        let people = clocks.write(work, self.zone, self.now_ms).await?;
        self.done.changes.extend(people.into_iter().map(Change::Person));
        for agent in &self.tests {
            home_proofs::came(work, agent.as_str(), self.now_ms).await?;
        }
        for key in &self.touched {
            if let Some(cursor) = self.ledger.cursor(key) {
                ledger::write_cursor(work, key, cursor, self.now_ms).await?;
            }
        }
        for row in std::mem::take(&mut self.quarantine) {
            let is_new = ledger::write_quarantine(work, &row, self.now_ms).await?;
            if let (true, None, Some(home)) = (is_new, row.numbers, senders.get(&row.agent)) {
                let found = if row.lane == Lane::Alarm.as_str() {
                    Found::Quarantined { lane: row.lane.to_owned(), count: 1 }
                } else {
                    Found::UnreadableMessage
                };
                self.follows.push(Consequence::Raise(health::concern(row.agent.as_str(), home, false, found)));
            }
        }
        Ok(())
    }
}

/// Adds to what is to be said of a lane. What was said last counts; nothing said before is taken back.
fn answer_with(receipts: &mut BTreeMap<LaneKey, Receipt>, key: &LaneKey, receipt: Receipt) {
    match receipts.get_mut(key) {
        None => drop(receipts.insert(key.clone(), receipt)),
        Some(said) => {
            if receipt.through >= said.through {
                let same = said.mark.filter(|_| receipt.through == said.through);
                said.mark = receipt.mark.or(same);
                said.through = receipt.through;
            }
            said.quarantined.extend(receipt.quarantined);
            said.rewind = receipt.rewind.or(said.rewind);
            said.forked = match (said.forked, receipt.forked) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
    }
}

/// A delivery in pieces of one event.
fn singly(delivery: &Delivery) -> Vec<Delivery> {
    match delivery {
        Delivery::Events(parcel) => {
            let mut rest = parcel.clone();
            (0..parcel.events.len()).map(|_| Delivery::Events(rest.split_front(1))).collect()
        }
        Delivery::Heartbeat { .. } | Delivery::Unreadable { .. } => vec![delivery.clone()],
    }
}
