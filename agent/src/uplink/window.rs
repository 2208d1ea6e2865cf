//! Which events are on their way, and when to send them again.
//!
//! Nothing is forgotten before the gateway's receipt. Connecting starts over at the oldest unreceipted event.
//! What the broker acknowledges only frees its slot. An alarm always finds one.
//! An alarm that flash refused goes out under an epoch of its own, beside and before whatever is on flash.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::wire::receipt::{Mark, Receipt};

use crate::buffer::{Held, LaneState, Place, Room, State, Volatile};

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The broker is there, and receipts will be heard.
    Connected,
    /// The broker is gone, and with it whatever was on its way.
    Disconnected,
    /// What there is: there may be more, or the buffer may have begun another epoch by itself.
    Holds(State),
    /// What there is after [`Effect::Rewind`] or [`Effect::Fork`].
    Renewed(State),
    /// [`Effect::Send`] was done: events through `last`, so many bytes.
    Sent {
        /// Where it began.
        at: Place,
        /// The last event in the envelope.
        last: Sequence,
        /// The envelope's size.
        bytes: usize,
    },
    /// [`Effect::Send`] could not be done: the flash did not give the events.
    Unsent {
        /// Where it was to begin.
        at: Place,
    },
    /// The broker answered one envelope.
    Acknowledged {
        /// Where the envelope began.
        at: Place,
        /// What it said.
        answer: Answer,
    },
    /// The gateway says what it has.
    Receipt {
        /// Its word.
        receipt: Receipt,
        /// What the agent has under its `through`, if it is still kept.
        own: Option<Mark>,
    },
    /// The time of [`Window::next_wake`] has come.
    Tick {
        /// From 0 to 1, evenly spread: so that many agents do not come back at one moment.
        jitter: f64,
    },
}

/// What a broker makes of an envelope.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It passes it on.
    Accepted,
    /// It will not, or there is no gateway to pass it on to: wait.
    Refused,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Put events from a place on into one envelope, not beyond `last` and not more than there is room for; then say
    /// [`Input::Sent`] or [`Input::Unsent`].
    Send {
        /// Where it begins.
        at: Place,
        /// The last event that may go in.
        last: Sequence,
        /// How much may go in.
        room: Room,
    },
    /// The gateway has everything through this number.
    Receipted {
        /// The life that the number belongs to.
        epoch: Epoch,
        /// The lane.
        lane: Lane,
        /// The number.
        through: Sequence,
    },
    /// The gateway's store was restored: make events from this number on wait again; then say [`Input::Renewed`].
    Rewind {
        /// The lane.
        lane: Lane,
        /// The number.
        from: Sequence,
    },
    /// The flash went back in time: begin a new epoch, and take everything from this number on again; then say
    /// [`Input::Renewed`].
    Fork {
        /// The lane.
        lane: Lane,
        /// The number.
        from: Sequence,
    },
    /// The broker has not answered for too long: connect anew.
    Reconnect,
}

/// Envelopes that the broker has not answered, at most; and of readings.
const SLOTS: usize = 16;
const READING_SLOTS: usize = 8;
/// The most that goes into one envelope.
const ENVELOPE: Room = Room { events: 200, bytes: 16 << 10 };
/// With less room than this, a reading waits until there is more, so that envelopes do not shrink to single events.
const WORTH_SENDING: usize = 1 << 10;
/// After so long without a receipt the oldest envelope is sent again; for readings twice as long each time.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_PATIENCE: Duration = Duration::from_secs(5 * 60);
/// How much longer than that, at most, jitter makes it.
const JITTER: f64 = 0.25;
/// A broker that answers nothing for so long is not there, whatever its pings say.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// The window of one agent.
#[derive(Clone, Debug)]
pub struct Window {
    online: bool,
    /// The life of what is on flash; none while flash gives nothing.
    epoch: Option<Epoch>,
    /// Alarms in memory.
    volatile: LaneWindow,
    alarms: LaneWindow,
    readings: LaneWindow,
    rate: Rate,
}

/// The parts of the window, the most urgent first.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Line {
    Volatile,
    Alarm,
    Reading,
}

impl Line {
    const ALL: [Self; 3] = [Self::Volatile, Self::Alarm, Self::Reading];
}

impl Window {
    /// A window on what there is, not connected.
    #[must_use]
    pub fn new(held: State) -> Self {
        let Volatile { epoch, alarm } = held.volatile;
        let nothing = LaneWindow::new(epoch, Lane::Alarm, LaneState::EMPTY);
        let mut window = Self {
            online: false,
            epoch: None,
            volatile: LaneWindow::new(epoch, Lane::Alarm, alarm),
            readings: LaneWindow { lane: Lane::Reading, ..nothing.clone() },
            alarms: nothing,
            rate: Rate::default(),
        };
        window.begin(held.flash);
        window
    }

    /// What to do about what happened.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut jitter = 0.0;
        match input {
            Input::Connected => self.restart(true),
            Input::Disconnected => self.restart(false),
            Input::Holds(State { flash, volatile, takes: _ }) => {
                self.volatile.holds(volatile.alarm);
                match flash {
                    Some(held) if self.epoch == Some(held.epoch) => {
                        self.alarms.last = held.alarm.last;
                        self.readings.last = held.reading.last;
                    }
                    flash => self.begin(flash),
                }
            }
            Input::Renewed(State { flash, volatile, takes: _ }) => {
                self.volatile.holds(volatile.alarm);
                match flash {
                    Some(held) if self.epoch == Some(held.epoch) => {
                        self.alarms.renew(held.alarm);
                        self.readings.renew(held.reading);
                    }
                    flash => self.begin(flash),
                }
            }
            Input::Sent { at, last, bytes } => {
                let delivered = self.rate.delivered;
                self.of(at).sent(last, bytes, delivered, now);
            }
            Input::Unsent { at } => self.of(at).unsent(now),
            Input::Acknowledged { at, answer } => self.of(at).acknowledged(answer, now),
            Input::Receipt { receipt, own } => effects.extend(self.receipt(&receipt, own, now)),
            Input::Tick { jitter: spread } => jitter = spread.clamp(0.0, 1.0),
        }
        self.fill(jitter, now, &mut effects);
        effects
    }

    /// When to call again with [`Input::Tick`] if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        if !self.online {
            return None;
        }
        let probes = Line::ALL.into_iter().filter(|line| self.has_slot(*line)).filter_map(|line| self.line(line).due());
        let answers = self.oldest_unanswered().map(|sent| sent + ANSWER_PATIENCE);
        probes.chain(answers).min()
    }

    fn line(&self, line: Line) -> &LaneWindow {
        match line {
            Line::Volatile => &self.volatile,
            Line::Alarm => &self.alarms,
            Line::Reading => &self.readings,
        }
    }

    fn line_mut(&mut self, line: Line) -> &mut LaneWindow {
        match line {
            Line::Volatile => &mut self.volatile,
            Line::Alarm => &mut self.alarms,
            Line::Reading => &mut self.readings,
        }
    }

    /// The part that an envelope belongs to, whichever life of the flash it is from: its slot is taken all the same.
    fn of(&mut self, at: Place) -> &mut LaneWindow {
        match at.lane {
            Lane::Alarm if at.epoch == self.volatile.epoch => &mut self.volatile,
            Lane::Alarm => &mut self.alarms,
            Lane::Reading => &mut self.readings,
        }
    }

    fn restart(&mut self, online: bool) {
        self.online = online;
        Line::ALL.into_iter().for_each(|line| self.line_mut(line).restart());
    }

    /// Another epoch on flash, or none. Answers to what is on its way still come, so the slots stay taken.
    fn begin(&mut self, held: Option<Held>) {
        self.epoch = held.map(|held| held.epoch);
        let epoch = self.epoch.unwrap_or(self.volatile.epoch);
        let [alarm, reading] = held.map_or([LaneState::EMPTY; 2], |held| [held.alarm, held.reading]);
        for (window, state) in [(&mut self.alarms, alarm), (&mut self.readings, reading)] {
            let slots = std::mem::take(&mut window.slots);
            *window = LaneWindow { slots, ..LaneWindow::new(epoch, window.lane, state) };
        }
    }

    fn receipt(&mut self, receipt: &Receipt, own: Option<Mark>, now: Instant) -> Option<Effect> {
        let (epoch, lane) = (receipt.epoch, receipt.lane);
        let line = match lane {
            Lane::Alarm if epoch == self.volatile.epoch => Line::Volatile,
            Lane::Reading if epoch == self.volatile.epoch => return None,
            Lane::Alarm => Line::Alarm,
            Lane::Reading => Line::Reading,
        };
        if line != Line::Volatile {
            if self.epoch != Some(epoch) || self.alarms.renewing || self.readings.renewing {
                return None;
            }
            let window = self.line(line);
            let beyond = (receipt.through > window.last).then(|| window.last.next());
            let is_anothers = receipt.mark.zip(own).is_some_and(|(stored, own)| stored != own);
            let parted = is_anothers.then(|| window.receipted.next());
            if let Some(from) = receipt.forked.or(beyond).or(parted) {
                self.alarms.renewing = true;
                self.readings.renewing = true;
                return Some(Effect::Fork { lane, from });
            }
            let window = self.line_mut(line);
            if let Some(from) = receipt.rewind.filter(|from| *from <= window.receipted) {
                window.renewing = true;
                return Some(Effect::Rewind { lane, from });
            }
        }
        let window = self.line_mut(line);
        // Nobody but this program can have given out a number of the volatile epoch.
        let through = receipt.through.min(window.last);
        let arrived = window.receipted(through);
        let progress = through > window.receipted;
        if progress {
            window.receipted = through;
            window.next = window.next.max(through.next());
            window.quiet_since = Some(now);
        }
        // The gateway is back: what was sent while it was away is sent again.
        if window.pace != Pace::Flowing && through == window.receipted {
            window.pace = Pace::Flowing;
            window.flying.clear();
            window.next = window.receipted.next();
        }
        for envelope in arrived {
            self.rate.note(&envelope, now);
        }
        progress.then_some(Effect::Receipted { epoch, lane, through })
    }

    /// Sends what there is to send and room for; alarms first.
    fn fill(&mut self, jitter: f64, now: Instant, effects: &mut Vec<Effect>) {
        if !self.online {
            return;
        }
        if self.oldest_unanswered().is_some_and(|sent| sent + ANSWER_PATIENCE <= now) {
            self.restart(false);
            effects.push(Effect::Reconnect);
            return;
        }
        for line in Line::ALL {
            if !self.has_slot(line) {
                continue;
            }
            let bytes = self.rate.window();
            let window = self.line_mut(line);
            let send =
                if window.due().is_some_and(|due| due <= now) { window.probe(jitter, now) } else { window.send(bytes) };
            effects.extend(send);
        }
    }

    fn oldest_unanswered(&self) -> Option<Instant> {
        Line::ALL.into_iter().filter_map(|line| self.line(line).slots.front().copied()).min()
    }

    fn has_slot(&self, line: Line) -> bool {
        let free = Line::ALL.into_iter().map(|line| self.line(line).taken_slots()).sum::<usize>() < SLOTS;
        match line {
            Line::Volatile | Line::Alarm => free,
            Line::Reading => free && self.readings.taken_slots() < READING_SLOTS,
        }
    }
}

/// One lane's part of the window.
#[derive(Clone, Debug)]
struct LaneWindow {
    epoch: Epoch,
    lane: Lane,
    /// The gateway has everything through this number.
    receipted: Sequence,
    /// The last number given out.
    last: Sequence,
    /// The number to send next.
    next: Sequence,
    /// Envelopes without a receipt, oldest first.
    flying: VecDeque<Flying>,
    /// When each envelope was sent that the broker has not answered.
    slots: VecDeque<Instant>,
    /// The envelope that is being put together.
    packing: Option<Packing>,
    /// Since when there has been neither a receipt nor another attempt, while something is on its way.
    quiet_since: Option<Instant>,
    pace: Pace,
    /// The buffer is being rewound or forked.
    renewing: bool,
}

#[derive(Clone, Debug)]
struct Flying {
    first: Sequence,
    last: Sequence,
    bytes: usize,
    sent: Instant,
    /// What had arrived of all when it was sent.
    delivered: u64,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Packing {
    first: Sequence,
    is_probe: bool,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Pace {
    /// Receipts come.
    Flowing,
    /// None came for a while: only the oldest envelope is sent again, after this time.
    Probing(Duration),
}

impl LaneWindow {
    fn new(epoch: Epoch, lane: Lane, held: LaneState) -> Self {
        Self {
            epoch,
            lane,
            receipted: held.receipted_through,
            last: held.last,
            next: held.receipted_through.next(),
            flying: VecDeque::new(),
            slots: VecDeque::new(),
            packing: None,
            quiet_since: None,
            pace: Pace::Flowing,
            renewing: false,
        }
    }

    fn restart(&mut self) {
        self.next = self.receipted.next();
        self.flying.clear();
        self.slots.clear();
        self.packing = None;
        self.quiet_since = None;
        self.pace = Pace::Flowing;
    }

    /// There is more in memory, or less, since flash has taken what was there.
    fn holds(&mut self, held: LaneState) {
        self.last = held.last;
        if held.receipted_through > self.receipted {
            self.receipted(held.receipted_through);
            self.receipted = held.receipted_through;
            self.next = self.next.max(self.receipted.next());
        }
    }

    /// The buffer was rewound, if this lane asked for it.
    fn renew(&mut self, held: LaneState) {
        self.last = held.last;
        if self.renewing {
            let slots = std::mem::take(&mut self.slots);
            *self = Self { slots, ..Self::new(self.epoch, self.lane, held) };
        }
    }

    fn taken_slots(&self) -> usize {
        self.slots.len() + usize::from(self.packing.is_some())
    }

    /// When the oldest envelope is sent again.
    fn due(&self) -> Option<Instant> {
        let patience = match (self.lane, self.pace) {
            (Lane::Alarm, _) | (Lane::Reading, Pace::Flowing) => PATIENCE,
            (Lane::Reading, Pace::Probing(patience)) => patience,
        };
        let waits = !self.flying.is_empty() || self.pace != Pace::Flowing;
        let is_busy = self.packing.is_some() || self.renewing;
        self.quiet_since.filter(|_| waits && !is_busy).map(|since| since + patience)
    }

    /// Sends the oldest envelope again; nothing else is sent until a receipt comes, but for new alarms.
    fn probe(&mut self, jitter: f64, now: Instant) -> Option<Effect> {
        let first = self.receipted.next();
        let last = self.flying.front().map_or(self.last, |oldest| oldest.last);
        if first > last {
            self.pace = Pace::Flowing;
            return None;
        }
        let patience = match self.pace {
            Pace::Flowing => PATIENCE,
            Pace::Probing(patience) => (patience * 2).min(MOST_PATIENCE),
        };
        self.pace = Pace::Probing(patience.mul_f64(1.0 + JITTER * jitter).min(MOST_PATIENCE));
        self.quiet_since = Some(now);
        Some(self.pack(first, last, ENVELOPE, true))
    }

    fn send(&mut self, window: usize) -> Option<Effect> {
        if self.packing.is_some() || self.renewing || self.next > self.last {
            return None;
        }
        let room = match self.lane {
            Lane::Alarm => ENVELOPE,
            Lane::Reading => {
                let free = window.saturating_sub(self.flying.iter().map(|envelope| envelope.bytes).sum());
                let is_held = self.pace != Pace::Flowing || !self.flying.is_empty() && free < WORTH_SENDING;
                if is_held {
                    return None;
                }
                Room { bytes: free.min(ENVELOPE.bytes), ..ENVELOPE }
            }
        };
        Some(self.pack(self.next, self.last, room, false))
    }

    fn pack(&mut self, first: Sequence, last: Sequence, room: Room, is_probe: bool) -> Effect {
        self.packing = Some(Packing { first, is_probe });
        Effect::Send { at: Place { epoch: self.epoch, lane: self.lane, first }, last, room }
    }

    fn sent(&mut self, last: Sequence, bytes: usize, delivered: u64, now: Instant) {
        let Some(Packing { first, is_probe }) = self.packing.take() else { return };
        self.slots.push_back(now);
        if self.flying.is_empty() || is_probe {
            self.quiet_since = Some(now);
        }
        let envelope = Flying { first, last, bytes, sent: now, delivered };
        if is_probe {
            while self.flying.front().is_some_and(|oldest| oldest.last <= last) {
                self.flying.pop_front();
            }
            self.flying.push_front(envelope);
        } else {
            self.flying.push_back(envelope);
        }
        self.next = self.next.max(last.next());
    }

    fn unsent(&mut self, now: Instant) {
        self.packing = None;
        self.wait(now);
    }

    fn acknowledged(&mut self, answer: Answer, now: Instant) {
        self.slots.pop_front();
        match answer {
            Answer::Accepted => {}
            Answer::Refused => self.wait(now),
        }
    }

    fn wait(&mut self, now: Instant) {
        if self.pace == Pace::Flowing {
            self.pace = Pace::Probing(PATIENCE);
        }
        self.quiet_since = Some(now);
    }

    /// Takes out the envelopes that have arrived.
    fn receipted(&mut self, through: Sequence) -> Vec<Flying> {
        let arrived = self.flying.iter().take_while(|envelope| envelope.last <= through).count();
        let arrived = self.flying.drain(..arrived).collect();
        if let Some(oldest) = self.flying.front_mut() {
            oldest.first = oldest.first.max(through.next());
        }
        arrived
    }
}

/// How fast receipts come back.
#[derive(Clone, Debug, Default)]
struct Rate {
    /// Bytes receipted since the start.
    delivered: u64,
    bytes_per_second: u64,
}

/// The window holds what comes back in this time, within these limits.
const WINDOW_SECONDS: u64 = 2;
const SMALLEST_WINDOW: u64 = 4 << 10;
const LARGEST_WINDOW: u64 = 256 << 10;

impl Rate {
    /// What arrived between the sending of an envelope and its receipt tells how fast the link is; a faster one is
    /// believed at once, a slower one little by little.
    fn note(&mut self, envelope: &Flying, now: Instant) {
        self.delivered += envelope.bytes as u64;
        let elapsed =
            u64::try_from(now.saturating_duration_since(envelope.sent).as_millis()).unwrap_or(u64::MAX).max(1);
        let seen = (self.delivered - envelope.delivered).saturating_mul(1_000) / elapsed;
        self.bytes_per_second =
            if seen > self.bytes_per_second { seen } else { (self.bytes_per_second * 7 + seen) / 8 };
    }

    fn window(&self) -> usize {
        let window = self.bytes_per_second.saturating_mul(WINDOW_SECONDS).clamp(SMALLEST_WINDOW, LARGEST_WINDOW);
        usize::try_from(window).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use hempuls_protocol::wire::heartbeat::Takes;
    use proptest::prelude::*;

    #[test]
    fn an_event_is_sent_at_once_and_not_again_once_it_is_receipted() {
        let mut agent = Agent::online();
        assert_eq!(agent.takes(Lane::Reading, 1), ["reading 2"]);
        agent.acknowledged(Lane::Reading, Answer::Accepted);
        assert_eq!(agent.receives(Lane::Reading, 2), ["receipted reading 2"]);
        assert_eq!(agent.waits(3_600), NOTHING);
    }

    #[test]
    fn what_the_broker_acknowledged_is_sent_again_until_the_gateway_has_it() {
        let mut agent = Agent::online();
        agent.takes(Lane::Reading, 1);
        agent.acknowledged(Lane::Reading, Answer::Accepted);
        assert_eq!(agent.waits(9), NOTHING);
        assert_eq!(agent.waits(2), ["reading 2"]);
    }

    #[test]
    fn connecting_starts_over_at_the_oldest_unreceipted_event() {
        let mut agent = Agent::online();
        agent.takes(Lane::Reading, 3);
        agent.receives(Lane::Reading, 2);
        agent.hears(Input::Disconnected);
        assert_eq!(agent.takes(Lane::Reading, 1), NOTHING);
        assert_eq!(agent.hears(Input::Connected), ["reading 3..=5"]);
    }

    #[test]
    fn readings_leave_half_the_slots_to_alarms() {
        let mut agent = Agent::online();
        let sent: usize = (0..30).map(|_| agent.takes(Lane::Reading, 1).len()).sum();
        assert_eq!(sent, READING_SLOTS);
        for number in 2..=9 {
            assert_eq!(agent.takes(Lane::Alarm, 1), [format!("alarm {number}")]);
        }
        assert_eq!(agent.takes(Lane::Alarm, 1), NOTHING, "eight alarms are on their way already");
        assert_eq!(agent.acknowledged(Lane::Alarm, Answer::Accepted), ["alarm 10"]);
    }

    #[test]
    fn without_receipts_only_the_oldest_reading_is_probed_ever_more_rarely() {
        let mut agent = Agent::online();
        for _ in 0..2 {
            agent.takes(Lane::Reading, 1);
            agent.acknowledged(Lane::Reading, Answer::Accepted);
        }
        let mut probes = Vec::new();
        for second in 1..=3_600 {
            for sent in agent.waits(1) {
                assert_eq!(sent, "reading 2");
                agent.acknowledged(Lane::Reading, Answer::Accepted);
                probes.push(second);
            }
        }
        assert_eq!(probes[..4], [10, 20, 40, 80]);
        let gaps: Vec<i32> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps[6..].iter().all(|gap| (300..=301).contains(gap)), "{gaps:?}");
    }

    #[test]
    fn an_alarm_is_sent_again_every_ten_seconds_for_ever() {
        let mut agent = Agent::online();
        agent.takes(Lane::Alarm, 1);
        agent.acknowledged(Lane::Alarm, Answer::Refused);
        for _ in 0..100 {
            assert_eq!(agent.waits(10), ["alarm 2"]);
            agent.acknowledged(Lane::Alarm, Answer::Refused);
        }
        assert_eq!(agent.takes(Lane::Alarm, 1), ["alarm 3"], "a new one goes out at once all the same");
    }

    /// Whatever a broker does with messages that nobody hears, they expire after ten minutes.
    #[test]
    fn a_week_without_gateway_leaves_a_handful_of_messages_at_a_broker_that_keeps_them() {
        const EXPIRES: u64 = 10;
        let mut agent = Agent::online();
        let (mut sent, mut most) = (VecDeque::new(), 0);
        for minute in 0..7 * 24 * 60 {
            let mut out = if minute % 30 == 0 { agent.takes(Lane::Reading, 1) } else { Vec::new() };
            if minute % (24 * 60) == 0 {
                out.extend(agent.takes(Lane::Alarm, 1));
            }
            for _ in 0..60 {
                for lane in [Lane::Alarm, Lane::Reading] {
                    agent.acknowledged(lane, Answer::Accepted);
                }
                out.extend(agent.waits(1));
            }
            sent.extend(out.iter().map(|_| minute));
            sent.retain(|at| minute - at < EXPIRES);
            most = most.max(sent.len());
        }
        assert!((60..=70).contains(&most), "{most}: an alarm each ten seconds, and a reading now and then");
    }

    #[test]
    fn a_gateway_that_comes_back_gets_everything_that_was_sent_while_it_was_away() {
        let mut agent = Agent::online();
        for _ in 0..5 {
            agent.takes(Lane::Reading, 1);
        }
        assert_eq!(agent.waits(10), ["reading 2"]);
        assert_eq!(agent.receives(Lane::Reading, 2), ["receipted reading 2", "reading 3..=6"]);
    }

    #[test]
    fn a_refusal_means_wait() {
        let mut agent = Agent::online();
        agent.takes(Lane::Reading, 1);
        agent.acknowledged(Lane::Reading, Answer::Refused);
        assert_eq!(agent.takes(Lane::Reading, 5), NOTHING);
        assert_eq!(agent.waits(10), ["reading 2"]);
    }

    #[test]
    fn a_receipt_for_less_or_for_another_life_is_ignored() {
        let mut agent = Agent::online();
        agent.takes(Lane::Reading, 5);
        agent.receives(Lane::Reading, 5);
        assert_eq!(agent.receives(Lane::Reading, 3), NOTHING);
        let foreign = Receipt { epoch: Epoch(99), ..receipt(Lane::Reading, 6) };
        assert_eq!(agent.hears(Input::Receipt { receipt: foreign, own: None }), NOTHING);
    }

    #[test]
    fn a_restored_gateway_gets_what_it_asks_for_again() {
        let mut agent = Agent::online();
        agent.takes(Lane::Reading, 9);
        agent.receives(Lane::Reading, 10);
        let rewind = Receipt { rewind: Some(Sequence(5)), ..receipt(Lane::Reading, 4) };
        assert_eq!(agent.hears(Input::Receipt { receipt: rewind, own: None }), ["rewind reading 5"]);
        agent.flash().reading.receipted_through = Sequence(4);
        let held = agent.held;
        assert_eq!(agent.hears(Input::Renewed(held)), ["reading 5..=10"]);
    }

    #[test]
    fn forked_comes_before_through_and_a_new_epoch_starts_over() {
        let mut agent = Agent::online();
        agent.takes(Lane::Reading, 9);
        let forked = Receipt { forked: Some(Sequence(7)), ..receipt(Lane::Reading, 10) };
        assert_eq!(agent.hears(Input::Receipt { receipt: forked, own: None }), ["fork reading 7"]);
        assert_eq!(agent.takes(Lane::Alarm, 1), NOTHING, "nothing is sent under the old epoch any more");
        *agent.flash() = Held { epoch: Epoch(2), alarm: lane_state(0, 2), reading: lane_state(0, 5) };
        let held = agent.held;
        assert_eq!(agent.hears(Input::Renewed(held)), ["alarm 1..=2", "reading 1..=5"]);
    }

    #[test]
    fn a_gateway_that_has_more_than_was_ever_taken_means_that_the_flash_went_back() {
        let mut agent = Agent::online();
        agent.takes(Lane::Alarm, 1);
        assert_eq!(agent.receives(Lane::Alarm, 7), ["fork alarm 3"]);
    }

    #[test]
    fn events_that_flash_does_not_give_are_asked_for_again_later() {
        let mut agent = Agent::online();
        agent.answers = false;
        assert_eq!(agent.takes(Lane::Reading, 1), ["reading 2"]);
        assert_eq!(agent.hears(Input::Unsent { at: place(Lane::Reading) }), NOTHING);
        assert_eq!(agent.waits(10), ["reading 2"]);
    }

    #[test]
    fn an_alarm_in_memory_goes_out_before_everything_else_until_it_is_receipted() {
        let mut agent = Agent::offline();
        agent.takes(Lane::Alarm, 1);
        agent.remembers(1);
        assert_eq!(agent.hears(Input::Connected), ["memory 1", "alarm 2"]);
        for _ in 0..100 {
            assert_eq!(agent.waits(10), ["memory 1", "alarm 2"]);
            for epoch in [VOLATILE, FLASH] {
                agent
                    .hears(Input::Acknowledged { at: Place { epoch, ..place(Lane::Alarm) }, answer: Answer::Accepted });
            }
        }
        let receipt = Receipt::through(Lane::Alarm, VOLATILE, Sequence(1));
        assert_eq!(agent.hears(Input::Receipt { receipt, own: None }), ["receipted memory 1"]);
        assert_eq!(agent.waits(10), ["alarm 2"]);
    }

    #[test]
    fn an_alarm_that_flash_has_taken_at_last_is_not_sent_from_memory_again() {
        let mut agent = Agent::online();
        assert_eq!(agent.remembers(2), ["memory 1..=2"]);
        agent.held.volatile.alarm.receipted_through = Sequence(2);
        assert_eq!(agent.takes(Lane::Alarm, 2), ["alarm 2..=3"]);
        agent.acknowledged(Lane::Alarm, Answer::Accepted);
        agent.hears(Input::Acknowledged {
            at: Place { epoch: VOLATILE, ..place(Lane::Alarm) },
            answer: Answer::Accepted,
        });
        assert_eq!(agent.waits(10), ["alarm 2..=3"]);
        assert_eq!(agent.remembers(1), ["memory 3"]);
    }

    #[test]
    fn a_flash_that_gives_nothing_at_the_start_keeps_no_alarm_back_and_its_own_are_sent_when_it_does() {
        let mut agent = Agent::offline();
        agent.held.flash = None;
        agent.window = Window::new(agent.held);
        agent.remembers(1);
        assert_eq!(agent.hears(Input::Connected), ["memory 1"]);
        let on_flash = Receipt { forked: Some(Sequence(1)), ..receipt(Lane::Reading, 9) };
        assert_eq!(agent.hears(Input::Receipt { receipt: on_flash, own: None }), NOTHING, "nobody knows what is there");
        agent.held.flash = Some(Held { epoch: FLASH, alarm: lane_state(1, 1), reading: lane_state(7, 9) });
        assert_eq!(agent.hears(Input::Holds(agent.held)), ["reading 8..=9"]);
    }

    #[test]
    fn a_broker_that_answers_nothing_is_left() {
        let mut agent = Agent::online();
        agent.takes(Lane::Alarm, 1);
        assert!(agent.waits(61).contains(&"reconnect".to_owned()));
        assert_eq!(agent.window.next_wake(), None);
    }

    #[test]
    fn the_window_follows_the_link() {
        let mut slow = Agent::online();
        slow.takes(Lane::Reading, 2_000);
        assert_eq!(slow.flying(), 4_096);
        let mut fast = Agent::online();
        fast.takes(Lane::Reading, 2_000);
        for _ in 0..60 {
            fast.now += Duration::from_millis(20);
            let arrived = fast.window.readings.flying.back().unwrap().last.0;
            fast.receives(Lane::Reading, arrived);
            for _ in 0..fast.window.readings.taken_slots() {
                fast.acknowledged(Lane::Reading, Answer::Accepted);
            }
            fast.takes(Lane::Reading, 2_000);
        }
        assert!(fast.flying() > 100_000, "{}", fast.flying());
    }

    const NOTHING: [&str; 0] = [];
    const EVENT: usize = 128;
    const FLASH: Epoch = Epoch(1);
    const VOLATILE: Epoch = Epoch(77);

    /// An agent whose flash always gives what is asked for, with events of one size.
    struct Agent {
        window: Window,
        held: State,
        now: Instant,
        answers: bool,
    }

    impl Agent {
        /// Each lane has had its first event receipted.
        fn offline() -> Self {
            let held = on_flash(lane_state(1, 1));
            Self { window: Window::new(held), held, now: clock::now(), answers: true }
        }

        fn online() -> Self {
            let mut agent = Self::offline();
            assert_eq!(agent.hears(Input::Connected), NOTHING);
            agent
        }

        fn flash(&mut self) -> &mut Held {
            self.held.flash.as_mut().unwrap()
        }

        fn takes(&mut self, lane: Lane, events: u64) -> Vec<String> {
            more(&mut self.held, lane, events);
            self.hears(Input::Holds(self.held))
        }

        /// Flash refuses this many alarms.
        fn remembers(&mut self, alarms: u64) -> Vec<String> {
            self.held.volatile.alarm.last = Sequence(self.held.volatile.alarm.last.0 + alarms);
            self.hears(Input::Holds(self.held))
        }

        fn receives(&mut self, lane: Lane, through: u64) -> Vec<String> {
            self.hears(Input::Receipt { receipt: receipt(lane, through), own: None })
        }

        fn acknowledged(&mut self, lane: Lane, answer: Answer) -> Vec<String> {
            self.hears(Input::Acknowledged { at: place(lane), answer })
        }

        fn waits(&mut self, seconds: u64) -> Vec<String> {
            let until = self.now + Duration::from_secs(seconds);
            let mut done = Vec::new();
            while let Some(wake) = self.window.next_wake().filter(|wake| *wake <= until) {
                self.now = self.now.max(wake);
                done.extend(self.hears(Input::Tick { jitter: 0.0 }));
            }
            self.now = until;
            done
        }

        fn hears(&mut self, input: Input) -> Vec<String> {
            let mut todo: VecDeque<Effect> = self.window.handle(input, self.now).into();
            let mut done = Vec::new();
            while let Some(effect) = todo.pop_front() {
                done.push(match effect {
                    Effect::Send { at, last, room } => {
                        let (last, bytes) = packed(at, last, room);
                        if self.answers {
                            todo.extend(self.window.handle(Input::Sent { at, last, bytes }, self.now));
                        }
                        let (line, first) = (line(at.epoch, at.lane), at.first);
                        if first == last { format!("{line} {first}") } else { format!("{line} {first}..={last}") }
                    }
                    Effect::Receipted { epoch, lane, through } => {
                        format!("receipted {} {through}", line(epoch, lane))
                    }
                    Effect::Rewind { lane, from } => format!("rewind {lane} {from}"),
                    Effect::Fork { lane, from } => format!("fork {lane} {from}"),
                    Effect::Reconnect => "reconnect".into(),
                });
            }
            done
        }

        fn flying(&self) -> usize {
            self.window.readings.flying.iter().map(|envelope| envelope.bytes).sum()
        }
    }

    fn line(epoch: Epoch, lane: Lane) -> &'static str {
        if epoch == VOLATILE { "memory" } else { lane.as_str() }
    }

    /// What goes into an envelope: the last event and the size.
    fn packed(at: Place, last: Sequence, room: Room) -> (Sequence, usize) {
        let most = room.events.min((room.bytes / EVENT).max(1)) as u64;
        let last = last.min(Sequence(at.first.0 + most - 1));
        (last, usize::try_from(last.0 - at.first.0 + 1).unwrap() * EVENT)
    }

    /// Both lanes so on flash, nothing in memory.
    fn on_flash(lane: LaneState) -> State {
        let flash = Some(Held { epoch: FLASH, alarm: lane, reading: lane });
        State { flash, volatile: Volatile { epoch: VOLATILE, alarm: LaneState::EMPTY }, takes: Takes::All }
    }

    fn more(held: &mut State, lane: Lane, events: u64) {
        let flash = held.flash.as_mut().unwrap();
        let state = match lane {
            Lane::Alarm => &mut flash.alarm,
            Lane::Reading => &mut flash.reading,
        };
        state.last = Sequence(state.last.0 + events);
    }

    fn place(lane: Lane) -> Place {
        Place { epoch: FLASH, lane, first: Sequence(1) }
    }

    fn lane_state(receipted: u64, last: u64) -> LaneState {
        LaneState { oldest_kept: Sequence(1), receipted_through: Sequence(receipted), last: Sequence(last) }
    }

    fn receipt(lane: Lane, through: u64) -> Receipt {
        Receipt::through(lane, FLASH, Sequence(through))
    }

    /// What the network does next.
    #[derive(Clone, Debug)]
    enum Mischief {
        Take(Lane, u64),
        LoseEnvelope,
        DeliverEnvelope(prop::sample::Index),
        LoseReceipt,
        DeliverReceipt(prop::sample::Index),
        Acknowledge(Lane, bool),
        Cut,
        Wait(u64),
    }

    fn mischief() -> impl Strategy<Value = Vec<Mischief>> {
        let lane = || prop_oneof![Just(Lane::Alarm), Just(Lane::Reading)];
        let step = prop_oneof![
            4 => (lane(), 1..40u64).prop_map(|(lane, events)| Mischief::Take(lane, events)),
            2 => Just(Mischief::LoseEnvelope),
            4 => any::<prop::sample::Index>().prop_map(Mischief::DeliverEnvelope),
            2 => Just(Mischief::LoseReceipt),
            4 => any::<prop::sample::Index>().prop_map(Mischief::DeliverReceipt),
            4 => (lane(), any::<bool>()).prop_map(|(lane, accepted)| Mischief::Acknowledge(lane, accepted)),
            1 => Just(Mischief::Cut),
            2 => (1..30u64).prop_map(Mischief::Wait),
        ];
        proptest::collection::vec(step, 1..120)
    }

    /// A network that loses, repeats and reorders, and a gateway that keeps what arrives.
    struct World {
        window: Window,
        held: State,
        now: Instant,
        envelopes: Vec<(Lane, Sequence, Sequence)>,
        receipts: Vec<Receipt>,
        stored: [std::collections::BTreeSet<u64>; 2],
        receipted: [u64; 2],
    }

    impl World {
        fn new() -> Self {
            let held = on_flash(lane_state(0, 1));
            let (envelopes, receipts) = (Vec::new(), Vec::new());
            let (stored, receipted) = (Default::default(), [0; 2]);
            Self { window: Window::new(held), held, now: clock::now(), envelopes, receipts, stored, receipted }
        }

        fn hear(&mut self, input: Input) {
            let mut todo: VecDeque<Effect> = self.window.handle(input, self.now).into();
            while let Some(effect) = todo.pop_front() {
                match effect {
                    Effect::Send { at, last, room } => {
                        let (last, bytes) = packed(at, last, room);
                        self.envelopes.push((at.lane, at.first, last));
                        todo.extend(self.window.handle(Input::Sent { at, last, bytes }, self.now));
                    }
                    Effect::Receipted { epoch: _, lane, through } => {
                        let through_in_store = through_in(&self.stored[index(lane)]);
                        assert!(through.0 <= through_in_store, "{lane} {through} was forgotten and is not stored");
                        self.receipted[index(lane)] = through.0;
                    }
                    Effect::Rewind { .. } | Effect::Fork { .. } => panic!("nothing went back here: {effect:?}"),
                    Effect::Reconnect => todo.extend(self.window.handle(Input::Connected, self.now)),
                }
            }
        }

        fn last(&self) -> [u64; 2] {
            let held = self.held.flash.unwrap();
            [held.alarm.last.0, held.reading.last.0]
        }

        fn deliver(&mut self, place: usize) {
            let (lane, first, last) = self.envelopes[place];
            self.stored[index(lane)].extend(first.0..=last.0);
            self.receipts.push(receipt(lane, through_in(&self.stored[index(lane)])));
        }

        fn step(&mut self, step: &Mischief) {
            match step {
                Mischief::Take(lane, events) => {
                    more(&mut self.held, *lane, *events);
                    self.hear(Input::Holds(self.held));
                }
                Mischief::LoseEnvelope => drop(self.envelopes.pop()),
                Mischief::DeliverEnvelope(which) if !self.envelopes.is_empty() => {
                    self.deliver(which.index(self.envelopes.len()))
                }
                Mischief::LoseReceipt => drop(self.receipts.pop()),
                Mischief::DeliverReceipt(which) if !self.receipts.is_empty() => {
                    let receipt = self.receipts[which.index(self.receipts.len())].clone();
                    self.hear(Input::Receipt { receipt, own: None });
                }
                Mischief::DeliverEnvelope(_) | Mischief::DeliverReceipt(_) => {}
                Mischief::Acknowledge(lane, accepted) => {
                    let answer = if *accepted { Answer::Accepted } else { Answer::Refused };
                    self.hear(Input::Acknowledged { at: place(*lane), answer });
                }
                Mischief::Cut => {
                    self.envelopes.clear();
                    self.hear(Input::Disconnected);
                    self.hear(Input::Connected);
                }
                Mischief::Wait(seconds) => self.wait(*seconds),
            }
        }

        fn wait(&mut self, seconds: u64) {
            let until = self.now + Duration::from_secs(seconds);
            while let Some(wake) = self.window.next_wake().filter(|wake| *wake <= until) {
                self.now = self.now.max(wake);
                self.hear(Input::Tick { jitter: 0.5 });
            }
            self.now = until;
        }
    }

    fn through_in(stored: &std::collections::BTreeSet<u64>) -> u64 {
        (1..).find(|number| !stored.contains(number)).unwrap() - 1
    }

    fn index(lane: Lane) -> usize {
        match lane {
            Lane::Alarm => 0,
            Lane::Reading => 1,
        }
    }

    proptest! {
        #[test]
        fn everything_is_receipted_in_the_end_and_nothing_is_forgotten_before(steps in mischief()) {
            let mut world = World::new();
            world.hear(Input::Connected);
            for step in &steps {
                world.step(step);
            }
            // From here on the network behaves.
            for _ in 0..2_000 {
                while let Some((lane, ..)) = world.envelopes.first().copied() {
                    world.deliver(0);
                    world.envelopes.remove(0);
                    world.hear(Input::Acknowledged { at: place(lane), answer: Answer::Accepted });
                }
                for receipt in std::mem::take(&mut world.receipts) {
                    world.hear(Input::Receipt { receipt, own: None });
                }
                if world.envelopes.is_empty() {
                    world.wait(400);
                }
                if world.receipted == world.last() {
                    break;
                }
            }
            prop_assert_eq!(world.receipted, world.last());
        }
    }
}
