//! How far each alarm has come, and what the person who pressed is told of it (P4).
//!
//! Nothing is said before it is true, and what is no longer true is said anew. `received` is the gateway's receipt, which
//! comes after its commit; what comes after that the gateway says itself. An alarm that has no receipt after half a minute
//! has no contact; that is said again, less and less often, for as long as it is so.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hempuls_protocol::event::Origin;
use hempuls_protocol::ids::{Epoch, Sequence};
use hempuls_protocol::wire::feedback::{AlarmState, Stage};
use serde::{Deserialize, Serialize};

/// What a person is told.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The gateway has not got it yet.
    NoContact,
    /// It is stored, and an alert is open.
    Received,
    /// A named person has taken it.
    TakenByAPerson,
    /// That person says that somebody is on the way.
    OnTheWay,
    /// It is over.
    Closed,
}

impl Word {
    /// Every word there is.
    pub const ALL: [Self; 5] = [Self::NoContact, Self::Received, Self::TakenByAPerson, Self::OnTheWay, Self::Closed];

    /// Its name in configurations, files and arguments: `no_contact`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoContact => "no_contact",
            Self::Received => "received",
            Self::TakenByAPerson => "taken_by_a_person",
            Self::OnTheWay => "on_the_way",
            Self::Closed => "closed",
        }
    }
}

impl From<Stage> for Word {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Received => Self::Received,
            Stage::TakenByAPerson => Self::TakenByAPerson,
            Stage::OnTheWay => Self::OnTheWay,
            Stage::Closed => Self::Closed,
        }
    }
}

/// What happened.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// An alarm waits for its receipt.
    Waits {
        /// Its number.
        alarm: Origin,
        /// The number it was first taken under, if this is not the first.
        first: Option<Origin>,
        /// How long ago it was pressed, where that is known.
        age: Option<Duration>,
    },
    /// The gateway has every alarm of this epoch through this number, and none after it.
    Receipted {
        /// The epoch.
        epoch: Epoch,
        /// The number.
        through: Sequence,
    },
    /// The gateway says how far an alarm has come.
    Told {
        /// How far.
        state: AlarmState,
        /// How long ago it was pressed, where that is known.
        age: Option<Duration>,
    },
    /// The time of [`Fates::next_wake`] has come.
    Tick,
}

/// No contact is said after so long without a receipt.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a start the connection needs a moment, also when the alarm is older than that.
const AFTER_START: Duration = Duration::from_secs(10);
/// It is said again after this time, then after twice as long.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_AT_MOST: Duration = Duration::from_secs(10 * 60);
/// What the gateway says of an alarm from before the start of the program is news only so long after the press.
const NEWS: Duration = Duration::from_secs(60 * 60);
/// Alarms that are remembered after their receipt, for what is still to be said of them.
const REMEMBERED: usize = 64;

/// The alarms whose fate is not sealed yet, and the last ones whose fate is.
#[derive(Clone, Debug, Default)]
pub struct Fates {
    alarms: BTreeMap<Origin, Alarm>,
    /// Under which number an alarm goes on that was taken again.
    renamed: BTreeMap<Origin, Origin>,
}

#[derive(Copy, Clone, Debug)]
struct Alarm {
    /// When to say that there is no contact; none once the gateway has it.
    due: Option<Instant>,
    /// Whether there was a receipt for it.
    is_receipted: bool,
    pause: Duration,
    /// What was said last.
    said: Option<Word>,
}

impl Fates {
    /// What to tell the person about what happened, in this order.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Word> {
        let said = match input {
            Input::Waits { alarm, first, age } => {
                self.waits(alarm, first, age, now);
                None
            }
            Input::Receipted { epoch, through } => self.receipted(epoch, through, now),
            Input::Told { state, age } => self.told(state, age),
            Input::Tick => self.overdue(now),
        };
        self.forget();
        said.into_iter().collect()
    }

    /// When to call again with [`Input::Tick`] if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.alarms.values().filter_map(|alarm| alarm.due).min()
    }

    /// What is true of an alarm; none while it waits for its receipt, and for one that is not known.
    #[must_use]
    pub fn of(&self, alarm: Origin) -> Option<Word> {
        self.alarms.get(&self.present(alarm)).and_then(|alarm| alarm.said)
    }

    fn waits(&mut self, alarm: Origin, first: Option<Origin>, age: Option<Duration>, now: Instant) {
        let due = match age {
            Some(age) if age < PATIENCE => now + (PATIENCE - age),
            Some(_) | None => now + AFTER_START,
        };
        let fresh = Alarm { due: Some(due), is_receipted: false, pause: AGAIN, said: None };
        let known = first.map(|first| self.present(first)).and_then(|first| self.alarms.remove(&first));
        if let (Some(first), Some(_)) = (first, known) {
            self.renamed.insert(self.present(first), alarm);
        }
        self.alarms.entry(alarm).or_insert(known.unwrap_or(fresh));
    }

    fn receipted(&mut self, epoch: Epoch, through: Sequence, now: Instant) -> Option<Word> {
        let mut news = None;
        let of_epoch = Origin { epoch, sequence: Sequence::NONE }..=Origin { epoch, sequence: Sequence(u64::MAX) };
        for (number, alarm) in self.alarms.range_mut(of_epoch) {
            if number.sequence <= through {
                (alarm.due, alarm.is_receipted) = (None, true);
                if alarm.said.is_none_or(|said| said == Word::NoContact) {
                    news = alarm.say(Word::Received);
                }
            } else if alarm.is_receipted {
                // The gateway was restored from a backup and does not have it any more.
                *alarm = Alarm { due: Some(now + PATIENCE), is_receipted: false, pause: AGAIN, said: alarm.said };
            }
        }
        news
    }

    fn told(&mut self, state: AlarmState, age: Option<Duration>) -> Option<Word> {
        let number = self.present(Origin { epoch: state.epoch, sequence: state.sequence });
        let word = Word::from(state.stage);
        if let Some(alarm) = self.alarms.get_mut(&number) {
            alarm.due = None;
            return alarm.say(word);
        }
        // From before the start of the program, when what was said then is not known any more.
        self.alarms.insert(number, Alarm { due: None, is_receipted: false, pause: AGAIN, said: Some(word) });
        let is_news = matches!(word, Word::TakenByAPerson | Word::OnTheWay) && age.is_some_and(|age| age <= NEWS);
        is_news.then_some(word)
    }

    /// Says once that there is no contact, for all alarms that wait too long.
    fn overdue(&mut self, now: Instant) -> Option<Word> {
        let is_overdue = |alarm: &&mut Alarm| alarm.due.is_some_and(|due| due <= now);
        let mut said = None;
        for alarm in self.alarms.values_mut().filter(is_overdue) {
            said = Some(Word::NoContact);
            alarm.said = said;
            alarm.due = Some(now + alarm.pause);
            alarm.pause = (alarm.pause * 2).min(AGAIN_AT_MOST);
        }
        said
    }

    fn present(&self, mut alarm: Origin) -> Origin {
        while let Some(renamed) = self.renamed.get(&alarm) {
            alarm = *renamed;
        }
        alarm
    }

    /// Lets go of the oldest alarms that the gateway has, beyond those that are remembered.
    fn forget(&mut self) {
        while self.alarms.len() > REMEMBERED
            && let Some(oldest) = self.alarms.iter().find(|(_, alarm)| alarm.due.is_none()).map(|(number, _)| *number)
        {
            self.alarms.remove(&oldest);
            self.renamed.retain(|_, present| *present != oldest);
        }
    }
}

impl Alarm {
    /// What there is to say, if it is not what was said last.
    fn say(&mut self, word: Word) -> Option<Word> {
        (self.said.replace(word) != Some(word)).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const EPOCH: Epoch = Epoch(1);
    const NOTHING: [Word; 0] = [];

    struct Night {
        fates: Fates,
        start: Instant,
        now: Instant,
    }

    impl Night {
        fn new() -> Self {
            let start = clock::now();
            Self { fates: Fates::default(), start, now: start }
        }

        fn at(&mut self, second: u64) -> &mut Self {
            self.now = self.start + Duration::from_secs(second);
            self
        }

        fn press(&mut self, n: u64) -> Vec<Word> {
            self.hear(Input::Waits { alarm: number(n), first: None, age: Some(Duration::ZERO) })
        }

        fn found_waiting(&mut self, n: u64, age_s: u64) -> Vec<Word> {
            self.hear(Input::Waits { alarm: number(n), first: None, age: Some(Duration::from_secs(age_s)) })
        }

        fn receipt(&mut self, through: u64) -> Vec<Word> {
            self.hear(Input::Receipted { epoch: EPOCH, through: Sequence(through) })
        }

        fn told(&mut self, n: u64, stage: Stage) -> Vec<Word> {
            let state = AlarmState { epoch: EPOCH, sequence: Sequence(n), stage };
            self.hear(Input::Told { state, age: Some(Duration::from_secs(60)) })
        }

        /// What is said by itself through this second, and when.
        fn waits_until(&mut self, second: u64) -> Vec<(u64, Word)> {
            let mut said = Vec::new();
            let end = self.start + Duration::from_secs(second);
            while let Some(wake) = self.fates.next_wake().filter(|wake| *wake <= end) {
                self.now = wake;
                let at = wake.duration_since(self.start).as_secs();
                said.extend(self.hear(Input::Tick).into_iter().map(|word| (at, word)));
            }
            self.now = end;
            said
        }

        fn hear(&mut self, input: Input) -> Vec<Word> {
            self.fates.handle(input, self.now)
        }
    }

    fn number(n: u64) -> Origin {
        Origin { epoch: EPOCH, sequence: Sequence(n) }
    }

    #[test]
    fn a_press_that_goes_well_is_received_taken_on_the_way_and_over_each_said_once() {
        let mut night = Night::new();
        assert_eq!(night.press(2), NOTHING);
        assert_eq!(night.at(1).receipt(2), [Word::Received]);
        for (second, stage, word) in [
            (2, Stage::Received, None),
            (60, Stage::TakenByAPerson, Some(Word::TakenByAPerson)),
            (61, Stage::TakenByAPerson, None),
            (90, Stage::OnTheWay, Some(Word::OnTheWay)),
            (900, Stage::Closed, Some(Word::Closed)),
        ] {
            assert_eq!(night.at(second).told(2, stage), Vec::from_iter(word), "{second}");
        }
        assert_eq!(night.fates.next_wake(), None);
    }

    #[test]
    fn without_a_receipt_there_is_no_contact_after_thirty_seconds_and_again_less_and_less_often() {
        let mut night = Night::new();
        night.press(2);
        let said = night.waits_until(3_600);
        let seconds: Vec<u64> = said.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [30, 90, 210, 450, 930, 1_530, 2_130, 2_730, 3_330]);
        assert!(said.iter().all(|(_, word)| *word == Word::NoContact));
        assert_eq!(night.receipt(2), [Word::Received], "at last");
        assert_eq!(night.waits_until(9_999), []);
    }

    #[test]
    fn several_alarms_without_contact_are_said_to_be_so_in_one_breath() {
        let mut night = Night::new();
        night.press(2);
        night.at(5).press(3);
        let said = night.waits_until(89);
        assert_eq!(said, [(30, Word::NoContact), (35, Word::NoContact)], "each has its own half minute");
        assert_eq!(night.receipt(2), [Word::Received], "the first is through, the second is not");
        assert_eq!(night.waits_until(95), [(95, Word::NoContact)]);
        assert_eq!(night.receipt(3), [Word::Received]);
    }

    #[test]
    fn one_receipt_for_several_alarms_is_said_once() {
        let mut night = Night::new();
        for n in 2..6 {
            night.press(n);
        }
        assert_eq!(night.receipt(5), [Word::Received]);
    }

    #[test]
    fn a_press_again_is_answered_again() {
        let mut night = Night::new();
        night.press(2);
        night.receipt(2);
        night.told(2, Stage::TakenByAPerson);
        night.at(60).press(3);
        assert_eq!(night.at(61).receipt(3), [Word::Received]);
        assert_eq!(night.at(62).told(3, Stage::TakenByAPerson), [Word::TakenByAPerson]);
    }

    #[test]
    fn a_claim_that_was_given_up_is_not_said_to_be_one_any_more() {
        let mut night = Night::new();
        night.press(2);
        night.receipt(2);
        night.told(2, Stage::TakenByAPerson);
        assert_eq!(night.at(600).told(2, Stage::Received), [Word::Received]);
    }

    #[test]
    fn the_gateways_word_is_a_receipt_too() {
        let mut night = Night::new();
        night.press(2);
        assert_eq!(night.told(2, Stage::TakenByAPerson), [Word::TakenByAPerson]);
        assert_eq!(night.waits_until(120), []);
        assert_eq!(night.receipt(2), NOTHING, "less than what was said");
        assert_eq!(night.fates.of(number(2)), Some(Word::TakenByAPerson));
    }

    #[test]
    fn an_alarm_that_waited_over_a_restart_still_has_no_contact() {
        let mut night = Night::new();
        assert_eq!(night.found_waiting(2, 7_000), NOTHING);
        assert_eq!(night.waits_until(20), [(10, Word::NoContact)]);
        let mut night = Night::new();
        night.found_waiting(2, 7_000);
        assert_eq!(night.at(4).receipt(2), [Word::Received], "the connection is there before that is said");
        let mut night = Night::new();
        night.found_waiting(2, 12);
        assert_eq!(night.waits_until(30), [(18, Word::NoContact)], "half a minute after the press");
    }

    #[test]
    fn after_a_restart_what_was_said_before_is_not_said_again() {
        let mut night = Night::new();
        assert_eq!(night.told(2, Stage::Received), NOTHING);
        assert_eq!(night.told(3, Stage::Closed), NOTHING);
        assert_eq!(night.told(4, Stage::TakenByAPerson), [Word::TakenByAPerson], "it may be news");
        assert_eq!(night.told(2, Stage::OnTheWay), [Word::OnTheWay], "this is");
        let state = AlarmState { epoch: EPOCH, sequence: Sequence(5), stage: Stage::TakenByAPerson };
        for age in [None, Some(Duration::from_secs(86_400))] {
            assert_eq!(Night::new().hear(Input::Told { state, age }), NOTHING, "of the day before: {age:?}");
        }
    }

    #[test]
    fn an_alarm_that_a_restored_gateway_has_lost_waits_again() {
        let mut night = Night::new();
        night.press(2);
        night.receipt(2);
        assert_eq!(night.at(100).receipt(1), NOTHING);
        assert_eq!(night.waits_until(131), [(130, Word::NoContact)]);
        assert_eq!(night.receipt(2), [Word::Received]);
    }

    #[test]
    fn a_receipt_that_comes_after_more_was_said_says_nothing_less() {
        let mut night = Night::new();
        night.press(2);
        night.told(2, Stage::TakenByAPerson);
        assert_eq!(night.receipt(1), NOTHING, "of an alarm before");
        assert_eq!(night.receipt(2), NOTHING);
        assert_eq!(night.waits_until(120), []);
    }

    #[test]
    fn an_alarm_that_goes_on_under_another_number_is_the_same_alarm() {
        let mut night = Night::new();
        night.press(2);
        night.waits_until(31);
        let again = Origin { epoch: Epoch(9), sequence: Sequence(7) };
        night.hear(Input::Waits { alarm: again, first: Some(number(2)), age: Some(Duration::from_secs(31)) });
        assert_eq!(night.fates.of(number(2)), Some(Word::NoContact));
        assert_eq!(night.waits_until(90), [(90, Word::NoContact)], "and not sooner");
        assert_eq!(night.hear(Input::Receipted { epoch: Epoch(9), through: Sequence(7) }), [Word::Received]);
        assert_eq!(night.told(2, Stage::TakenByAPerson), [Word::TakenByAPerson], "under its first number");
        assert_eq!(night.fates.of(again), Some(Word::TakenByAPerson));
    }

    #[test]
    fn alarms_that_are_over_are_forgotten_and_those_that_wait_are_not() {
        let mut night = Night::new();
        night.press(1);
        for n in 2..1_000 {
            night.press(n);
            night.hear(Input::Told {
                state: AlarmState { epoch: EPOCH, sequence: Sequence(n), stage: Stage::Closed },
                age: None,
            });
        }
        assert_eq!(night.fates.alarms.len(), REMEMBERED);
        assert_eq!(night.waits_until(30), [(30, Word::NoContact)]);
    }
}
