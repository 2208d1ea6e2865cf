//! What becomes of what an agent sends: stored, repeated, already stored, quarantined, or a sign that its flash went
//! back.
//!
//! Promised here: one reading, one record, and two readings, two records (P3); every number an agent gave out is
//! accounted for (P2); and `through`, which a receipt repeats, never covers a number without a row, unless that is
//! booked as lost (P1).
//!
//! There is no I/O here. A [`Ledger`] is what is known of the lanes that are at hand. The ingest fills one from the
//! store for each batch; a model test lets one grow from nothing. [`decide`] looks only at the [`Facts`]; applying a
//! decision and deciding are two steps, because the store may refuse what was decided.

use std::collections::{BTreeSet, HashMap};

use hempuls_protocol::books::{self, Closed};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Began, Content, Kind, Origin, Previous};
use hempuls_protocol::identity::{Digest, Identity, Number, Said};
use hempuls_protocol::ids::{AgentId, DeviceId, Epoch, Lane, Sequence};
use hempuls_protocol::times::{BootId, DeviceTime, Taken};
use hempuls_protocol::wire::heartbeat::LaneState;
use hempuls_protocol::wire::receipt::{Mark, Quarantined, Receipt, Why};

use super::parcel::{Arrival, Arrived, Parcel};

/// One lane of one agent, in one life of its buffer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LaneKey {
    /// Whose.
    pub agent: AgentId,
    /// Which lane.
    pub lane: Lane,
    /// Which life.
    pub epoch: Epoch,
}

/// What is to be done with one event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It is new.
    Store {
        /// What makes it itself; none for an agent's own events.
        identity: Option<Identity>,
        /// A record that it may repeat, where nobody can tell.
        possibly_same_as: Option<String>,
    },
    /// Its content is stored already, from another number.
    Repeated {
        /// As this record; none for an agent's own events.
        of: Option<String>,
    },
    /// This very event is in the store.
    AlreadyStored {
        /// As bytes nobody could read.
        quarantined: Option<Why>,
    },
    /// It is to be kept as bytes.
    Quarantine(Why),
    /// Other bytes are stored under its number. It is kept as bytes beside them.
    Forked,
}

/// What is stored under one number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Numbered {
    /// The digest of its bytes; unknown where the body around it could not be read.
    pub digest: Option<Digest>,
    /// Why it lies in quarantine, if it does.
    pub quarantined: Option<Why>,
    /// The record it made, or repeats.
    pub record: Option<String>,
}

/// A record, as far as another could be the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its id.
    pub record: String,
    /// The digest that made it one.
    pub identity: Digest,
    /// Who took it.
    pub agent: AgentId,
    /// When.
    pub taken: Taken,
    /// What was said, where, when by the device's clock.
    pub said: Clocked,
    /// The payload as received.
    pub payload: Vec<u8>,
    /// It is a press with a battery that somebody has said since was changed: its counter rightly comes again.
    pub is_of_old_battery: bool,
}

/// Where to look for records that show the same device time.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Clocked {
    /// Which device.
    pub device: DeviceId,
    /// On which characteristic.
    pub characteristic: Characteristic,
    /// What its clock showed.
    pub time: Option<DeviceTime>,
}

/// All that a decision depends on.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// What is stored under the event's number.
    pub under_number: Option<&'a Numbered>,
    /// What is stored under the number it was first taken under.
    pub under_origin: Option<&'a Numbered>,
    /// Records with one of its [`digests`].
    pub same_identity: Vec<&'a Known>,
    /// Records of the same device and characteristic that show the same device time.
    pub same_device_time: Vec<&'a Known>,
}

/// Decides what is to be done with one event.
#[must_use]
pub fn decide(key: &LaneKey, arrival: &Arrival, facts: &Facts<'_>) -> Decision {
    if let Some(there) = facts.under_number {
        match (there.digest, arrival.digest()) {
            (Some(stored), Some(came)) if stored != came => return Decision::Forked,
            // Kept unread because of its neighbours, and readable this time.
            (None, Some(_)) if arrival.content().is_some() => {}
            (_, _) => return Decision::AlreadyStored { quarantined: there.quarantined },
        }
    }
    match &arrival.what {
        Arrived::Unreadable { .. } | Arrived::InUnreadableBody => Decision::Quarantine(Why::Unreadable),
        Arrived::Event { origin, content, digest, .. } => {
            decide_readable(key, arrival.sequence, *origin, content, digest, facts)
        }
    }
}

fn decide_readable(
    key: &LaneKey,
    sequence: Sequence,
    origin: Option<Origin>,
    content: &Content,
    digest: &Digest,
    facts: &Facts<'_>,
) -> Decision {
    let stored_first = facts.under_origin.filter(|first| first.digest == Some(*digest) && first.quarantined.is_none());
    let first_taken = origin.unwrap_or(Origin { epoch: key.epoch, sequence });
    let number = Number { agent: &key.agent, lane: key.lane, first_taken, content: *digest };
    let Some(said) = Said::of(&content.kind) else {
        return match stored_first {
            Some(_) => Decision::Repeated { of: None },
            None => Decision::Store { identity: None, possibly_same_as: None },
        };
    };
    if let Some(Numbered { record: Some(record), .. }) = stored_first {
        return Decision::Repeated { of: Some(record.clone()) };
    }
    // Taken by one agent at one moment of its clock that never jumps: this very event, under whatever number.
    let is_this =
        |known: &&&Known| known.agent == key.agent && known.taken == content.taken && known.payload == said.payload;
    if let Some(known) = facts.same_identity.iter().chain(&facts.same_device_time).find(is_this) {
        return Decision::Repeated { of: Some(known.record.clone()) };
    }
    let by_number = Identity::by_number(&number);
    let mut identity = Identity::of(content, &number).unwrap_or(by_number);
    let mut possibly_same_as = None;
    if facts.same_device_time.iter().any(|known| known.payload != said.payload)
        && matches!(identity, Identity::ByDeviceTime { .. })
    {
        identity = by_number;
        possibly_same_as = facts.same_device_time.iter().find(|known| known.payload == said.payload);
    }
    for known in &facts.same_identity {
        if known.identity == *by_number.digest() {
            return Decision::Repeated { of: Some(known.record.clone()) };
        }
        if known.identity != *identity.digest() {
            continue;
        }
        let is_another = known.is_of_old_battery || is_pressed_again(&key.agent, content, known);
        if identity.is_one(&known.taken, &content.taken) && !is_another {
            return Decision::Repeated { of: Some(known.record.clone()) };
        }
        if known.taken.apart(&content.taken).is_none() || is_another {
            possibly_same_as = Some(known);
        }
    }
    Decision::Store { identity: Some(identity), possibly_same_as: possibly_same_as.map(|known| known.record.clone()) }
}

/// Whether the agent that took both saw the button's counter start anew between them: a press that is never hidden.
fn is_pressed_again(agent: &AgentId, content: &Content, known: &Known) -> bool {
    let Kind::Alarm(alarm) = &content.kind else { return false };
    alarm.counter_went_back && known.agent == *agent && known.taken != content.taken
}

/// What to look for in the store before an event can be decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clues {
    /// The digests that a record of the same content could have.
    pub digests: Vec<Digest>,
    /// The device time that other records could show.
    pub clocked: Option<Clocked>,
    /// The number it was first taken under.
    pub origin: Option<(LaneKey, Sequence)>,
}

/// What to look for before deciding about this event.
#[must_use]
pub fn clues(key: &LaneKey, arrival: &Arrival) -> Clues {
    let Arrived::Event { origin, content, digest, .. } = &arrival.what else {
        return Clues { digests: Vec::new(), clocked: None, origin: None };
    };
    let mut digests = Vec::new();
    let mut clocked = None;
    if let Some(said) = Said::of(&content.kind) {
        let first_taken = origin.unwrap_or(Origin { epoch: key.epoch, sequence: arrival.sequence });
        let number = Number { agent: &key.agent, lane: key.lane, first_taken, content: *digest };
        digests.push(*Identity::by_number(&number).digest());
        if let Some(identity) = Identity::of(content, &number) {
            digests.push(*identity.digest());
            if let Identity::ByDeviceTime { time, .. } = identity {
                clocked = Some(Clocked {
                    device: said.device.clone(),
                    characteristic: said.characteristic,
                    time: Some(time),
                });
            }
        }
        digests.dedup();
    }
    let origin = origin.map(|origin| (LaneKey { epoch: origin.epoch, ..key.clone() }, origin.sequence));
    Clues { digests, clocked, origin }
}

/// The gateway's side of the books of one lane in one epoch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// Up to here every number has a row, or is booked as lost.
    pub through: Sequence,
    /// Numbers above it that have a row.
    pub strays: BTreeSet<Sequence>,
    /// The highest number the agent ever spoke of.
    pub last_heard: Sequence,
    /// What the agent will not send again by itself, as its last heartbeat said.
    pub receipted_through: Sequence,
    /// The lowest number it keeps, as its last heartbeat said.
    pub oldest_kept: Sequence,
    /// The boot, and the milliseconds since, of the agent's newest word: what was said before that is out of date,
    /// however late it comes.
    pub newest_word: Option<(BootId, u64)>,
    /// From here on other content came under numbers that are stored, or could: every box that still lives in this
    /// epoch is told so until it begins another.
    pub forked: Option<Sequence>,
    /// Numbers up to `through` that will never come, because the store was restored too late.
    pub lost_restoring: u64,
    /// Up to here no number has a row any more: what there was is older than it has to be kept, and none of it is new.
    pub dropped_through: Sequence,
    /// How it ended, if it did.
    pub ended: Option<Ended>,
}

/// The end of an epoch in one lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// What the agent says of it.
    pub previous: Previous,
    /// What that comes to. Counted anew when something still arrives.
    pub closed: Closed,
}

impl Cursor {
    /// Whether something as new is known as what the agent said then. Boots cannot be compared; the later arrival counts.
    fn is_out_of_date(&self, said: &Taken) -> bool {
        self.newest_word.is_some_and(|(boot, since_boot_ms)| boot == said.boot && since_boot_ms >= said.since_boot_ms)
    }

    fn hear(&mut self, said: &Taken) {
        if !self.is_out_of_date(said) {
            self.newest_word = Some((said.boot, said.since_boot_ms));
        }
    }

    fn fork(&mut self, from: Sequence) {
        self.forked = Some(self.forked.map_or(from, |lowest| lowest.min(from)));
    }

    /// Whether a number has a row or was booked.
    #[must_use]
    pub fn covers(&self, sequence: Sequence) -> bool {
        sequence <= self.through || self.strays.contains(&sequence)
    }

    /// Whether the end of this life says that a number was taken again.
    fn is_moved(&self, sequence: Sequence) -> bool {
        let again = self.ended.iter().flat_map(|ended| &ended.previous.taken_again);
        again.into_iter().any(|(from, to)| (from..=to).contains(&&sequence))
    }

    /// Numbers booked as lost in all.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_restoring + self.ended.as_ref().map_or(0, |ended| ended.closed.lost)
    }

    /// A number has got its row.
    fn cover(&mut self, sequence: Sequence) {
        self.last_heard = self.last_heard.max(sequence);
        if sequence <= self.through {
            // Only a number that was booked as lost has no row down here.
            self.lost_restoring = self.lost_restoring.saturating_sub(1);
            return;
        }
        self.strays.insert(sequence);
        self.advance();
        if let Some(ended) = self.ended.take() {
            self.end(ended.previous);
        }
    }

    fn advance(&mut self) {
        while self.strays.remove(&self.through.next()) {
            self.through = self.through.next();
        }
    }

    /// What lies below the oldest that its agent keeps, and has no row, will never come. Returns how many.
    fn lose_below(&mut self, oldest_kept: Sequence) -> u64 {
        let end = oldest_kept.before();
        if end <= self.through {
            return 0;
        }
        let covered = self.strays.range(..=end).count() as u64;
        let lost = end.0 - self.through.0 - covered;
        self.strays = self.strays.split_off(&oldest_kept);
        self.through = end;
        self.advance();
        self.lost_restoring += lost;
        lost
    }

    /// Closes the books. Numbers above `through` that have a row are neither moved nor lost.
    pub(crate) fn end(&mut self, previous: Previous) -> Closed {
        let mut closed = books::close(self.through, self.last_heard, &previous);
        for stray in self.strays.range(..=Sequence(closed.taken)) {
            let again = previous.taken_again.iter().any(|(from, to)| (from..=to).contains(&stray));
            let booked = if again { &mut closed.moved } else { &mut closed.lost };
            *booked = booked.saturating_sub(1);
        }
        self.ended = Some(Ended { previous, closed });
        closed
    }
}

/// Something about an agent's buffer that a person should know of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Oddity {
    /// The buffer began a new life although it had one before.
    NewEpoch {
        /// The life that ended.
        ended: Epoch,
        /// What its books come to.
        closed: Closed,
    },
    /// The flash went back in time, or two boxes share one identity.
    WentBack {
        /// The first number in question.
        from: Sequence,
    },
    /// The store was restored, and this many events are kept nowhere any more.
    LostRestoring {
        /// How many.
        lost: u64,
    },
}

/// The gateway's answer to one parcel or heartbeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What to tell the agent, after the commit.
    pub receipt: Receipt,
    /// What to tell a person.
    pub oddities: Vec<Oddity>,
    /// First numbers of what was taken again, which it settles.
    pub settled: Vec<(LaneKey, Sequence)>,
}

/// What is known of the lanes at hand.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    cursors: HashMap<LaneKey, Cursor>,
    numbers: HashMap<(LaneKey, Sequence), Numbered>,
    records: HashMap<Digest, Vec<Known>>,
    clocks: HashMap<Clocked, Vec<Known>>,
}

impl Ledger {
    /// Adds a lane as the store has it.
    pub fn know_cursor(&mut self, key: LaneKey, cursor: Cursor) {
        self.cursors.insert(key, cursor);
    }

    /// Adds what is stored under a number.
    pub fn know_number(&mut self, key: LaneKey, sequence: Sequence, numbered: Numbered) {
        self.numbers.insert((key, sequence), numbered);
    }

    /// Adds a record.
    pub fn know_record(&mut self, known: Known) {
        let twins = self.records.entry(known.identity).or_default();
        if !twins.iter().any(|twin| twin.record == known.record) {
            twins.push(known.clone());
        }
        if known.said.time.is_some() {
            let twins = self.clocks.entry(known.said.clone()).or_default();
            if !twins.iter().any(|twin| twin.record == known.record) {
                twins.push(known);
            }
        }
    }

    /// All lanes at hand.
    pub fn cursors(&self) -> impl Iterator<Item = (&LaneKey, &Cursor)> {
        self.cursors.iter()
    }

    /// The lane's books.
    #[must_use]
    pub fn cursor(&self, key: &LaneKey) -> Option<&Cursor> {
        self.cursors.get(key)
    }

    /// What is known that a decision about this event depends on.
    #[must_use]
    pub fn facts(&self, key: &LaneKey, arrival: &Arrival) -> Facts<'_> {
        let clues = clues(key, arrival);
        Facts {
            under_number: self.numbers.get(&(key.clone(), arrival.sequence)),
            under_origin: clues.origin.and_then(|number| self.numbers.get(&number)),
            same_identity: clues.digests.iter().filter_map(|digest| self.records.get(digest)).flatten().collect(),
            same_device_time: clues
                .clocked
                .and_then(|clocked| self.clocks.get(&clocked))
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// Decides about one event.
    #[must_use]
    pub fn decide(&self, key: &LaneKey, arrival: &Arrival) -> Decision {
        let was_dropped = self.cursors.get(key).is_some_and(|cursor| arrival.sequence <= cursor.dropped_through);
        if was_dropped && arrival.sequence != Sequence::NONE {
            return Decision::AlreadyStored { quarantined: None };
        }
        decide(key, arrival, &self.facts(key, arrival))
    }

    /// Takes a decision for done. `record` is the id of the record it makes, where it makes one.
    pub fn apply(&mut self, key: &LaneKey, arrival: &Arrival, decision: &Decision, record: &str) -> Vec<Oddity> {
        let (quarantined, made) = match decision {
            Decision::AlreadyStored { .. } => return Vec::new(),
            Decision::Forked => {
                self.cursors.entry(key.clone()).or_default().fork(arrival.sequence);
                return vec![Oddity::WentBack { from: arrival.sequence }];
            }
            Decision::Quarantine(why) => (Some(*why), None),
            Decision::Repeated { of } => (None, of.clone()),
            Decision::Store { identity: Some(identity), .. } => {
                self.learn(&key.agent, arrival, identity, record);
                (None, Some(record.to_owned()))
            }
            Decision::Store { identity: None, .. } => (None, None),
        };
        let numbered = Numbered { digest: arrival.digest(), quarantined, record: made };
        let had_a_row = self.numbers.insert((key.clone(), arrival.sequence), numbered).is_some();
        if !had_a_row {
            self.cursors.entry(key.clone()).or_default().cover(arrival.sequence);
        }
        match (decision, arrival.content().map(|content| &content.kind)) {
            (Decision::Store { .. }, Some(Kind::Began(began))) => self.begin(key, began),
            _ => Vec::new(),
        }
    }

    /// What was taken again settles its first number too, unless the end of that life has it in the books as moved: what
    /// never came under a number of a volatile epoch, because flash took it in the end, is not waited for, and what was
    /// lost with a key that is found again is lost no more. Says which number now repeats it.
    pub fn settle_first(
        &mut self,
        key: &LaneKey,
        arrival: &Arrival,
        decision: &Decision,
        record: &str,
    ) -> Option<(LaneKey, Sequence)> {
        let made = match decision {
            Decision::Store { identity, .. } => identity.map(|_| record.to_owned()),
            Decision::Repeated { of } => of.clone(),
            Decision::AlreadyStored { .. } | Decision::Quarantine(_) | Decision::Forked => return None,
        };
        let first = clues(key, arrival).origin?;
        let cursor = self.cursors.get_mut(&first.0).filter(|cursor| !cursor.is_moved(first.1))?;
        if self.numbers.contains_key(&first) {
            return None;
        }
        cursor.cover(first.1);
        self.numbers.insert(first.clone(), Numbered { digest: arrival.digest(), quarantined: None, record: made });
        Some(first)
    }

    /// Decides about all of a parcel at once, and takes the decisions for done.
    pub fn accept(&mut self, parcel: &Parcel, mut new_record: impl FnMut() -> String) -> (Vec<Decision>, Answer) {
        let mut decisions = Vec::with_capacity(parcel.events.len());
        let (mut oddities, mut settled) = (Vec::new(), Vec::new());
        for arrival in &parcel.events {
            let (decision, record) = (self.decide(&parcel.key, arrival), new_record());
            oddities.extend(self.apply(&parcel.key, arrival, &decision, &record));
            settled.extend(self.settle_first(&parcel.key, arrival, &decision, &record));
            decisions.push(decision);
        }
        self.hear(parcel);
        let receipt = self.receipt(&parcel.key, parcel.events.iter().map(|arrival| arrival.sequence).zip(&decisions));
        (decisions, Answer { receipt, oddities, settled })
    }

    /// What is stored under a number, for a receipt; none where it is not known here, or to nobody.
    #[must_use]
    pub fn mark(&self, key: &LaneKey, sequence: Sequence) -> Option<Mark> {
        self.numbers.get(&(key.clone(), sequence))?.digest.map(Mark::from)
    }

    /// The record that a number made or repeats, where it is known here.
    #[must_use]
    pub fn record(&self, key: &LaneKey, sequence: Sequence) -> Option<String> {
        self.numbers.get(&(key.clone(), sequence))?.record.clone()
    }

    /// Notes when a parcel was sent.
    pub fn hear(&mut self, parcel: &Parcel) {
        if let Some(sent) = &parcel.sent {
            self.cursors.entry(parcel.key.clone()).or_default().hear(sent);
        }
    }

    /// What to tell the agent of a lane after these decisions.
    #[must_use]
    pub fn receipt<'a>(&self, key: &LaneKey, decided: impl IntoIterator<Item = (Sequence, &'a Decision)>) -> Receipt {
        let cursor = self.cursors.get(key);
        let through = cursor.map_or(Sequence::NONE, |cursor| cursor.through);
        let mut receipt = Receipt {
            forked: cursor.and_then(|cursor| cursor.forked),
            mark: self.mark(key, through),
            ..Receipt::through(key.lane, key.epoch, through)
        };
        for (sequence, decision) in decided {
            match decision {
                Decision::Quarantine(why) | Decision::AlreadyStored { quarantined: Some(why) } => {
                    receipt.quarantined.push(Quarantined { sequence, why: *why });
                }
                Decision::Forked => {
                    receipt.quarantined.push(Quarantined { sequence, why: Why::Forked });
                }
                Decision::Store { .. } | Decision::Repeated { .. } | Decision::AlreadyStored { quarantined: None } => {}
            }
        }
        receipt
    }

    /// Takes an agent's word on one of its lanes, said at `clock`. It is always answered: what an agent hears back is how
    /// it knows that somebody stores what it sends.
    pub fn heartbeat(&mut self, agent: &AgentId, clock: &Taken, state: &LaneState) -> Answer {
        let key = LaneKey { agent: agent.clone(), lane: state.lane, epoch: state.epoch };
        let cursor = self.cursors.entry(key.clone()).or_default();
        cursor.last_heard = cursor.last_heard.max(state.last);
        if cursor.is_out_of_date(clock) {
            return Answer { receipt: self.receipt(&key, []), oddities: Vec::new(), settled: Vec::new() };
        }
        cursor.hear(clock);
        let mut oddities = Vec::new();
        let forked = (state.last < cursor.through).then(|| state.last.next());
        if let Some(from) = forked {
            cursor.fork(from);
            oddities.push(Oddity::WentBack { from });
        } else {
            let lost = cursor.lose_below(state.oldest_kept.min(state.last.next()));
            if lost > 0 {
                oddities.push(Oddity::LostRestoring { lost });
            }
        }
        cursor.receipted_through = state.receipted_through;
        cursor.oldest_kept = state.oldest_kept;
        let through = cursor.through;
        let rewind = (cursor.forked.is_none() && state.receipted_through > through).then(|| through.next());
        let receipt = Receipt { rewind, ..self.receipt(&key, []) };
        Answer { receipt, oddities, settled: Vec::new() }
    }

    /// A buffer began a new life: closes the one before. If its agent does not know which that was, all that are open.
    ///
    /// A word from a life that is itself over closes nothing but what it names.
    fn begin(&mut self, key: &LaneKey, began: &Began) -> Vec<Oddity> {
        let is_over = self.cursors.get(key).is_some_and(|cursor| cursor.ended.is_some());
        let unknown = |epoch| Previous { epoch, last_taken: None, taken_again: Vec::new() };
        let mut over: Vec<Previous> = self
            .cursors
            .iter()
            .filter(|(other, cursor)| {
                other.agent == key.agent && other.lane == key.lane && other.epoch != key.epoch && cursor.ended.is_none()
            })
            .map(|(other, _)| unknown(other.epoch))
            .filter(|_| !is_over)
            .collect();
        if let Some(previous) = began.previous.as_ref().filter(|previous| previous.epoch != key.epoch) {
            over.retain(|other| other.epoch != previous.epoch);
            over.push(previous.clone());
        }
        over.sort_by_key(|previous| previous.epoch);
        over.into_iter()
            .map(|previous| {
                let ended = previous.epoch;
                let cursor = self.cursors.entry(LaneKey { epoch: ended, ..key.clone() }).or_default();
                Oddity::NewEpoch { ended, closed: cursor.end(previous) }
            })
            .collect()
    }

    fn learn(&mut self, agent: &AgentId, arrival: &Arrival, identity: &Identity, record: &str) {
        let Some(content) = arrival.content() else { return };
        let Some(said) = Said::of(&content.kind) else { return };
        let time = match &content.kind {
            Kind::Signal(signal) => signal.device_time,
            Kind::Alarm(_)
            | Kind::Began(_)
            | Kind::Refused(_)
            | Kind::DeviceTrouble(_)
            | Kind::BufferDamaged(_)
            | Kind::TimeCorrection(_)
            | Kind::DeviceClock(_)
            | Kind::Test => None,
        };
        self.know_record(Known {
            record: record.to_owned(),
            identity: *identity.digest(),
            agent: agent.clone(),
            taken: content.taken,
            said: Clocked { device: said.device.clone(), characteristic: said.characteristic, time },
            payload: said.payload.to_vec(),
            is_of_old_battery: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::event::{Alarm, Event, Signal};
    use hempuls_protocol::times::{BootId, Trust};
    use hempuls_protocol::wire::envelope::Envelope;
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn a_resend_is_the_event_it_was_and_another_event_under_its_number_is_a_fork() {
        let mut gateway = Gateway::default();
        let reading = clockless(1, 0);
        assert_eq!(gateway.sends(READINGS, 1, &[&reading]), [stored()]);
        assert_eq!(gateway.sends(READINGS, 1, &[&reading]), [already()]);
        assert_eq!(gateway.sends(READINGS, 1, &[&clockless(2, 0)]), [Decision::Forked]);
        assert_eq!(gateway.answer.receipt.forked, Some(Sequence(1)));
        assert_eq!(gateway.answer.oddities, [Oddity::WentBack { from: Sequence(1) }]);
        assert_eq!(gateway.through(READINGS), 1);
    }

    #[test]
    fn a_cuffs_memory_read_twice_makes_one_record_also_through_another_agent() {
        let mut gateway = Gateway::default();
        let (first, again) = (clocked(1, "2026-11-22T08:00:00", 0), clocked(1, "2026-11-22T08:00:00", 5 * MINUTE));
        assert_eq!(gateway.sends(READINGS, 1, &[&first]), [stored()]);
        assert_eq!(gateway.sends(READINGS, 2, &[&again]), [repeats(1)]);
        assert_eq!(gateway.sends(Side { agent: 2, ..READINGS }, 1, &[&again]), [repeats(1)]);
    }

    #[test]
    fn two_equal_readings_without_a_clock_make_two_records() {
        let mut gateway = Gateway::default();
        assert_eq!(gateway.sends(READINGS, 1, &[&clockless(1, 0), &clockless(1, MINUTE)]), [stored(), stored()]);
    }

    #[test]
    fn a_clock_that_shows_one_time_for_two_readings_tells_nothing_apart() {
        let mut gateway = Gateway::default();
        let stuck = "2026-01-01T00:00:00";
        assert_eq!(gateway.sends(READINGS, 1, &[&clocked(1, stuck, 0), &clocked(2, stuck, 1)]), [stored(), stored()]);
        let third = gateway.sends(READINGS, 3, &[&clocked(1, stuck, 2)]);
        let Decision::Store { identity: Some(Identity::ByNumber { .. }), possibly_same_as } = &third[0] else {
            panic!("{third:?}")
        };
        assert_eq!(possibly_same_as.as_deref(), Some("r1"));
    }

    #[test]
    fn a_press_heard_by_two_agents_is_one_and_a_later_one_with_its_counter_is_another() {
        let mut gateway = Gateway::default();
        assert_eq!(gateway.sends(ALARMS, 1, &[&press(7, false, 0)]), [stored()]);
        assert_eq!(gateway.sends(Side { agent: 2, ..ALARMS }, 1, &[&press(7, false, 2_000)]), [repeats(1)]);
        assert_eq!(gateway.sends(ALARMS, 2, &[&press(7, false, 11 * MINUTE)]), [stored()]);
    }

    #[test]
    fn the_first_press_of_a_new_battery_is_never_hidden_behind_the_first_of_the_old() {
        let mut gateway = Gateway::default();
        assert_eq!(gateway.sends(ALARMS, 1, &[&press(1, false, 0)]), [stored()]);
        let second = &gateway.sends(ALARMS, 2, &[&press(1, true, MINUTE)])[0];
        assert!(matches!(second, Decision::Store { possibly_same_as: Some(same), .. } if same == "r1"), "{second:?}");
    }

    #[test]
    fn what_is_taken_again_after_a_fork_repeats_what_is_stored_and_nothing_is_lost() {
        let mut gateway = Gateway::default();
        gateway.sends(READINGS, 1, &[&began(None), &clockless(1, 0), &clockless(2, 1)]);
        let new = Side { epoch: 2, ..READINGS };
        let previous =
            Previous { epoch: Epoch(1), last_taken: Some(Sequence(3)), taken_again: vec![(Sequence(2), Sequence(3))] };
        let again = |n, content: &Content| (Some(Origin { epoch: Epoch(1), sequence: Sequence(n) }), content.clone());

        let decided = gateway.takes(
            new,
            1,
            &[(None, began(Some(previous))), again(2, &clockless(1, 0)), again(3, &clockless(9, 7))],
        );

        assert_eq!(decided, [own(), repeats(2), stored()]);
        let closed = Closed { taken: 3, moved: 0, lost: 0 };
        assert_eq!(gateway.answer.oddities, [Oddity::NewEpoch { ended: Epoch(1), closed }]);
    }

    #[test]
    fn what_was_taken_again_before_it_came_is_one_record_when_it_comes() {
        let mut gateway = Gateway::default();
        let reading = clockless(1, 0);
        let again = (Some(Origin { epoch: Epoch(1), sequence: Sequence(5) }), reading.clone());
        assert_eq!(gateway.takes(Side { epoch: 2, ..READINGS }, 1, &[again]), [stored()]);
        assert_eq!(gateway.sends(READINGS, 5, &[&reading]), [repeats(1)]);
    }

    #[test]
    fn a_press_in_memory_that_flash_took_before_it_came_is_not_waited_for_in_the_volatile_epoch() {
        let mut gateway = Gateway::default();
        let volatile = Side { epoch: 77, ..ALARMS };
        let again = |n, press: Content| (Some(Origin { epoch: Epoch(77), sequence: Sequence(n) }), press);
        gateway.sends(ALARMS, 1, &[&began(None)]);
        assert_eq!(gateway.sends(volatile, 1, &[&press(1, false, 0)]), [stored()]);
        assert_eq!(gateway.sends(volatile, 3, &[&press(3, false, 2)]), [stored()]);

        assert_eq!(
            gateway.takes(ALARMS, 2, &[again(2, press(2, false, 1)), again(3, press(3, false, 2))]),
            [stored(), repeats(3)]
        );

        assert_eq!(gateway.answer.settled, [(key(volatile), Sequence(2))]);
        assert_eq!((gateway.through(volatile), gateway.through(ALARMS)), (3, 3));
        assert_eq!(gateway.sends(volatile, 2, &[&press(2, false, 1)]), [already()], "it comes all the same");
    }

    #[test]
    fn what_was_lost_with_a_key_is_lost_no_more_once_the_key_is_found() {
        let mut gateway = Gateway::default();
        gateway.sends(READINGS, 1, &[&began(None), &clockless(1, 0)]);
        let new = Side { epoch: 2, ..READINGS };
        let previous = Previous { epoch: Epoch(1), last_taken: Some(Sequence(4)), taken_again: Vec::new() };
        gateway.sends(new, 1, &[&began(Some(previous))]);
        assert_eq!(gateway.cursor(READINGS).lost(), 2);

        let again = |n, content| (Some(Origin { epoch: Epoch(1), sequence: Sequence(n) }), content);
        let decided = gateway.takes(new, 2, &[again(2, clockless(1, 0)), again(4, clockless(4, 3))]);

        assert_eq!(decided, [repeats(2), stored()]);
        assert_eq!(gateway.answer.settled, [(key(READINGS), Sequence(4))]);
        assert_eq!(gateway.cursor(READINGS).lost(), 1);
    }

    #[test]
    fn a_wiped_buffer_loses_what_was_heard_of_and_a_late_arrival_takes_its_loss_back() {
        let mut gateway = Gateway::default();
        gateway.sends(READINGS, 1, &[&began(None), &clockless(1, 0)]);
        gateway.beats(READINGS, 1, 2, 5);
        gateway.sends(Side { epoch: 2, ..READINGS }, 1, &[&began(None)]);
        let closed = Closed { taken: 5, moved: 0, lost: 3 };
        assert_eq!(gateway.answer.oddities, [Oddity::NewEpoch { ended: Epoch(1), closed }]);

        gateway.sends(READINGS, 4, &[&clockless(4, 0)]);
        assert_eq!(gateway.cursor(READINGS).lost(), 2);
    }

    #[test]
    fn numbers_may_come_in_any_order_and_through_never_covers_a_gap() {
        let mut gateway = Gateway::default();
        gateway.sends(READINGS, 3, &[&clockless(3, 0)]);
        assert_eq!(gateway.through(READINGS), 0);
        gateway.sends(READINGS, 1, &[&clockless(1, 0)]);
        assert_eq!(gateway.through(READINGS), 1);
        gateway.sends(READINGS, 2, &[&clockless(2, 0)]);
        assert_eq!(gateway.through(READINGS), 3);
    }

    #[test]
    fn a_restored_store_asks_again_and_books_what_is_kept_nowhere() {
        let mut gateway = Gateway::default();
        gateway.sends(READINGS, 1, &[&clockless(1, 0), &clockless(2, 0)]);

        gateway.beats(READINGS, 6, 8, 10);

        assert_eq!(gateway.answer.oddities, [Oddity::LostRestoring { lost: 3 }]);
        assert_eq!((gateway.through(READINGS), gateway.answer.receipt.rewind), (5, Some(Sequence(6))));
        gateway.sends(READINGS, 4, &[&clockless(4, 0)]);
        assert_eq!(gateway.cursor(READINGS).lost(), 2, "one of them was found after all");
        gateway.sends(READINGS, 6, &[&clockless(6, 0), &clockless(7, 0), &clockless(8, 0)]);
        gateway.beats(READINGS, 6, 8, 10);
        assert_eq!((gateway.answer.receipt.rewind, gateway.answer.oddities.len()), (None, 0));
    }

    #[test]
    fn a_last_below_what_is_stored_is_a_flash_that_went_back() {
        let mut gateway = Gateway::default();
        gateway.sends(READINGS, 1, &[&clockless(1, 0), &clockless(2, 0), &clockless(3, 0)]);
        gateway.beats(READINGS, 1, 2, 2);
        assert_eq!(gateway.answer.receipt.forked, Some(Sequence(3)));
        assert_eq!(gateway.answer.oddities, [Oddity::WentBack { from: Sequence(3) }]);
        assert_eq!((gateway.through(READINGS), gateway.cursor(READINGS).lost()), (3, 0));
    }

    #[test]
    fn what_cannot_be_read_is_quarantined_alone_and_receipted() {
        let mut gateway = Gateway::default();
        let mut events = events(1, &[(None, clockless(1, 0)), (None, clockless(2, 0)), (None, clockless(3, 0))]);
        events[1] = vec![0xFF].into();
        let envelope = Envelope::pack(Epoch(1), Sequence(1), taken(0), events);

        let decided = gateway.gets(READINGS, &envelope);

        assert_eq!(decided, [stored(), Decision::Quarantine(Why::Unreadable), stored()]);
        assert_eq!(gateway.answer.receipt.quarantined, [Quarantined { sequence: Sequence(2), why: Why::Unreadable }]);
        assert_eq!(gateway.through(READINGS), 3);
        assert_eq!(
            gateway.gets(READINGS, &envelope)[1],
            Decision::AlreadyStored { quarantined: Some(Why::Unreadable) }
        );
    }

    #[test]
    fn numbers_of_a_body_that_could_not_be_read_give_way_to_what_they_hold() {
        let mut gateway = Gateway::default();
        let good = Envelope::pack(Epoch(1), Sequence(1), taken(0), events(1, &[(None, clockless(1, 0))]));
        let later_version = Envelope { version: 9, ..good.clone() };
        assert_eq!(gateway.gets(READINGS, &later_version), [Decision::Quarantine(Why::Unreadable)]);
        assert_eq!(
            gateway.gets(READINGS, &later_version),
            [Decision::AlreadyStored { quarantined: Some(Why::Unreadable) }]
        );
        assert_eq!(gateway.gets(READINGS, &good), [stored()]);
        assert_eq!(gateway.through(READINGS), 1);
    }

    proptest! {
        /// Whatever is lost on the way, resent, or overtakes: one row a number, one record a content, no gap receipted.
        #[test]
        fn in_whatever_order_and_however_often_it_comes_it_is_stored_once(
            spans in proptest::collection::vec((1_u64..30, 1_u64..8), 1..40),
        ) {
            let mut gateway = Gateway::default();
            let mut came = BTreeSet::new();
            let mut rows = 0;
            for (first, count) in spans {
                // Every third number is the cuff's memory read again: there are ten readings in it.
                let content = |n: u64| if n.is_multiple_of(3) {
                    clocked((n % 10) as u8, &format!("2026-11-22T08:{:02}:00", n % 10), n)
                } else {
                    clockless(n as u8, n)
                };
                let contents: Vec<Content> = (first..first + count).map(content).collect();
                let decided = gateway.sends(READINGS, first, &contents.iter().collect::<Vec<_>>());
                rows += decided.iter().filter(|decision| !matches!(decision, Decision::AlreadyStored { .. })).count();
                came.extend(first..first + count);
                let gapless = (1..).take_while(|n| came.contains(n)).count() as u64;
                prop_assert_eq!(gateway.through(READINGS), gapless);
            }
            prop_assert_eq!(rows, came.len());
            let of_memory: BTreeSet<u64> = came.iter().filter(|n| n.is_multiple_of(3)).map(|n| n % 10).collect();
            let of_others = came.iter().filter(|n| !n.is_multiple_of(3)).count();
            prop_assert_eq!(gateway.ledger.records.len(), of_memory.len() + of_others);
        }
    }

    /// A gateway without a store, and its last answer. Records are named r1, r2 … in the order in which they were made.
    struct Gateway {
        ledger: Ledger,
        /// Counts heartbeats: each is said later than what came before.
        beats: u64,
        records: usize,
        answer: Answer,
    }

    #[derive(Copy, Clone)]
    struct Side {
        agent: u8,
        lane: Lane,
        epoch: u64,
    }

    const READINGS: Side = Side { agent: 1, lane: Lane::Reading, epoch: 1 };
    const ALARMS: Side = Side { agent: 1, lane: Lane::Alarm, epoch: 1 };

    impl Default for Gateway {
        fn default() -> Self {
            let receipt = Receipt::through(Lane::Reading, Epoch(0), Sequence::NONE);
            let answer = Answer { receipt, oddities: Vec::new(), settled: Vec::new() };
            Self { ledger: Ledger::default(), beats: 0, records: 0, answer }
        }
    }

    impl Gateway {
        fn sends(&mut self, lane: Side, first: u64, contents: &[&Content]) -> Vec<Decision> {
            let contents: Vec<_> = contents.iter().map(|content| (None, (*content).clone())).collect();
            self.takes(lane, first, &contents)
        }

        fn takes(&mut self, lane: Side, first: u64, contents: &[(Option<Origin>, Content)]) -> Vec<Decision> {
            self.gets(lane, &Envelope::pack(Epoch(lane.epoch), Sequence(first), taken(0), events(first, contents)))
        }

        fn gets(&mut self, lane: Side, envelope: &Envelope) -> Vec<Decision> {
            let parcel = Parcel::read(key(lane).agent, lane.lane, &envelope.to_bytes(), 0).expect("a header");
            let mut made = self.records;
            let (decisions, answer) = self.ledger.accept(&parcel, || {
                made += 1;
                format!("r{made}")
            });
            self.records = made;
            self.answer = answer;
            decisions.into_iter().map(without_identity).collect()
        }

        fn beats(&mut self, lane: Side, oldest_kept: u64, receipted: u64, last: u64) {
            let state = LaneState {
                lane: lane.lane,
                epoch: Epoch(lane.epoch),
                oldest_kept: Sequence(oldest_kept),
                receipted_through: Sequence(receipted),
                last: Sequence(last),
                oldest_waiting_s: None,
            };
            self.beats += 1;
            self.answer = self.ledger.heartbeat(&key(lane).agent, &taken(self.beats), &state);
        }

        fn cursor(&self, lane: Side) -> &Cursor {
            self.ledger.cursor(&key(lane)).expect("a lane that was heard of")
        }

        fn through(&self, lane: Side) -> u64 {
            self.cursor(lane).through.0
        }
    }

    /// The cases about identity look at it themselves; to all others it is enough that there is one.
    fn without_identity(decision: Decision) -> Decision {
        match decision {
            Decision::Store { identity: Some(_), possibly_same_as: None } => stored(),
            other => other,
        }
    }

    fn stored() -> Decision {
        Decision::Store { identity: Some(Identity::ByNumber { digest: [0; 32] }), possibly_same_as: None }
    }

    fn own() -> Decision {
        Decision::Store { identity: None, possibly_same_as: None }
    }

    fn already() -> Decision {
        Decision::AlreadyStored { quarantined: None }
    }

    fn repeats(record: usize) -> Decision {
        Decision::Repeated { of: Some(format!("r{record}")) }
    }

    fn key(lane: Side) -> LaneKey {
        LaneKey { agent: AgentId::from_random([lane.agent; 10]), lane: lane.lane, epoch: Epoch(lane.epoch) }
    }

    fn events(first: u64, contents: &[(Option<Origin>, Content)]) -> Vec<minicbor::bytes::ByteVec> {
        (first..)
            .zip(contents)
            .map(|(n, (origin, content))| {
                Event { sequence: Sequence(n), origin: *origin, content: content.to_bytes() }.to_bytes()
            })
            .collect()
    }

    fn taken(since_boot_ms: u64) -> Taken {
        Taken { boot: BootId([1; 16]), since_boot_ms, wall_ms: None, trust: Trust::Unknown }
    }

    fn clockless(payload: u8, at: u64) -> Content {
        signal(payload, None, at)
    }

    fn clocked(payload: u8, time: &str, at: u64) -> Content {
        signal(payload, Some(DeviceTime(time.parse().expect("a time"))), at)
    }

    fn signal(payload: u8, device_time: Option<DeviceTime>, at: u64) -> Content {
        let measurement = Characteristic::BLOOD_PRESSURE_MEASUREMENT;
        let signal = Signal { device_time, ..Signal::heard(DeviceId::Address([1; 6]), measurement, vec![payload]) };
        Content { taken: taken(at), kind: Kind::Signal(signal) }
    }

    fn press(counter: u32, counter_went_back: bool, at: u64) -> Content {
        let alarm = Alarm {
            counter: Some(counter),
            authentic: true,
            counter_went_back,
            ..Alarm::pressed(DeviceId::Address([2; 6]), vec![counter as u8])
        };
        Content { taken: taken(at), kind: Kind::Alarm(alarm) }
    }

    fn began(previous: Option<Previous>) -> Content {
        Content { taken: taken(0), kind: Kind::Began(Began { previous }) }
    }
}
