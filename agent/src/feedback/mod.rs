//! What the person who pressed hears and sees (P4): [`fates`] decides, the outputs say it, each in a folder of its own.

pub mod fates;
pub mod hook;
mod program;
pub mod sound;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hempuls_protocol::event::{Content, Event, Kind, Origin};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::wire::feedback::AlarmState;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

pub use self::fates::Word;
use self::fates::{Fates, Input};
use crate::buffer::{Buffer, LaneState, Place, Room};
use crate::clock;
use crate::stop::Stop;
use crate::watchdog::Pulse;

/// `[feedback]` in `agent.toml`: how a person in the home is told. Without any table nobody is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A command.
    pub hook: Option<hook::Config>,
    /// Sounds.
    pub sound: Option<sound::Config>,
}

impl Config {
    /// Checked, with its paths relative to this folder.
    ///
    /// # Errors
    /// What is wrong.
    pub fn within(mut self, folder: &Path) -> Result<Self, String> {
        if self.hook.as_ref().is_some_and(|hook| hook.command.is_empty()) {
            return Err("feedback.hook.command names no program".into());
        }
        if let Some(sound) = &mut self.sound {
            if sound.player.is_empty() {
                return Err("feedback.sound.player names no program".into());
            }
            sound.folder = folder.join(&sound.folder);
        }
        Ok(self)
    }
}

/// Where feedback comes from and where it can be followed. Clones speak of the same alarms.
#[derive(Clone)]
pub struct Feedback {
    told: mpsc::UnboundedSender<Vec<AlarmState>>,
    fates: Arc<watch::Sender<Fates>>,
}

impl Feedback {
    /// Begins to follow the alarms in the buffer, also those that an earlier run left there, until the program stops.
    #[must_use]
    pub fn start(config: Config, buffer: Buffer, pulse: Pulse, stop: Stop) -> Self {
        let (told, states) = mpsc::unbounded_channel();
        let fates = Arc::new(watch::Sender::new(Fates::default()));
        let mut outputs = Vec::new();
        if let Some(hook) = config.hook {
            let (output, words) = mpsc::unbounded_channel();
            outputs.push(output);
            tokio::spawn(hook::run(hook, words));
        }
        if let Some(sound) = config.sound {
            let (output, words) = mpsc::unbounded_channel();
            outputs.push(output);
            tokio::spawn(sound::run(sound, words));
        }
        let home = Home { buffer, fates: fates.clone(), outputs, seen: BTreeMap::new() };
        tokio::spawn(home.follow(states, pulse, stop));
        Self { told, fates }
    }

    /// The gateway says how far alarms have come.
    pub fn told(&self, states: Vec<AlarmState>) {
        // Nobody listens any more when the program is about to end.
        drop(self.told.send(states));
    }

    /// How far the alarms have come, as it is and as it changes.
    #[must_use]
    pub fn fates(&self) -> watch::Receiver<Fates> {
        self.fates.subscribe()
    }
}

struct Home {
    buffer: Buffer,
    fates: Arc<watch::Sender<Fates>>,
    outputs: Vec<mpsc::UnboundedSender<Word>>,
    /// The last alarm that was looked at, in each epoch.
    seen: BTreeMap<Epoch, Sequence>,
}

impl Home {
    async fn follow(mut self, mut states: mpsc::UnboundedReceiver<Vec<AlarmState>>, mut pulse: Pulse, mut stop: Stop) {
        let mut held = self.buffer.changes();
        held.mark_changed();
        loop {
            let wake = self.fates.borrow().next_wake();
            tokio::select! {
                changed = held.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let state = *held.borrow_and_update();
                    self.look(state.volatile.epoch, state.volatile.alarm);
                    if let Some(flash) = state.flash {
                        self.look(flash.epoch, flash.alarm);
                    }
                }
                Some(states) = states.recv() => for state in states {
                    let place = Place { epoch: state.epoch, lane: Lane::Alarm, first: state.sequence };
                    let pressed = self.buffer.taken_at(place);
                    let age = pressed.and_then(|pressed| pressed.apart(&clock::taken()));
                    self.say(Input::Told { state, age });
                },
                () = sleep_until(wake.unwrap_or_else(clock::now).into()), if wake.is_some() => self.say(Input::Tick),
                () = pulse.asked() => {}
                () = stop.asked() => return,
            }
        }
    }

    /// Looks at the alarms that are new, and at what has a receipt.
    fn look(&mut self, epoch: Epoch, lane: LaneState) {
        let first_look = lane.receipted_through;
        let seen = self.seen.insert(epoch, lane.last).unwrap_or(first_look);
        let mut next = seen.next();
        while next <= lane.last {
            let place = Place { epoch, lane: Lane::Alarm, first: next };
            let room = Room { events: 1, bytes: 0 };
            let Ok(events) = self.buffer.read(place, next, room) else { break };
            if let Some((age, first)) = events.first().and_then(|bytes| alarm(bytes, next)) {
                self.say(Input::Waits { alarm: Origin { epoch, sequence: next }, first, age });
            }
            next = next.next();
        }
        self.say(Input::Receipted { epoch, through: lane.receipted_through });
    }

    fn say(&self, input: Input) {
        let mut words = Vec::new();
        self.fates.send_modify(|fates| words = fates.handle(input, clock::now()));
        for word in words {
            tracing::info!(word = word.as_str(), "the home is told what becomes of an alarm");
            for output in &self.outputs {
                // An output ends with the program.
                let _ = output.send(word);
            }
        }
    }
}

/// How long ago an alarm was pressed, where that is known, and its first number if this is not it; none for another event.
fn alarm(bytes: &[u8], number: Sequence) -> Option<(Option<Duration>, Option<Origin>)> {
    let event = Event::from_bytes(bytes, number).ok()?;
    let content = Content::from_bytes(&event.content).ok()?;
    matches!(content.kind, Kind::Alarm(_)).then(|| (content.taken.apart(&clock::taken()), event.origin))
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::event::Alarm;
    use hempuls_protocol::wire::feedback::Stage;

    use super::*;
    use crate::watchdog::{Part, Questions};

    /// A home whose hook writes down what it is told.
    struct House {
        buffer: Buffer,
        feedback: Feedback,
        said: std::path::PathBuf,
        _stopper: crate::stop::Stopper,
    }

    impl House {
        fn at(folder: &Path) -> Self {
            let said = folder.join("said");
            let script = format!("test $1 = $HEMPULS_FEEDBACK && echo $1 >> {}", said.display());
            let command = ["sh", "-c", &script, "sh"].map(str::to_owned).into();
            let config = Config { hook: Some(hook::Config { command }), sound: None };
            let (buffer, writer) = Buffer::open(&folder.join("state"), &crate::buffer::Config::default()).unwrap();
            std::mem::forget(writer);
            let (stopper, stop) = Stop::new();
            Self {
                feedback: Feedback::start(config, buffer.clone(), Questions::new().0.pulse(Part::Feedback), stop),
                buffer,
                said,
                _stopper: stopper,
            }
        }

        async fn press(&self) -> Origin {
            let alarm = Alarm::pressed("hempuls-agent/kitchen".parse().unwrap(), Vec::new());
            self.buffer.take(Kind::Alarm(alarm)).await.unwrap()
        }

        async fn hears(&self, words: &str) {
            for _ in 0..500 {
                if std::fs::read_to_string(&self.said).is_ok_and(|said| said == words) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("{:?}", std::fs::read_to_string(&self.said));
        }
    }

    #[tokio::test]
    async fn a_press_its_receipt_and_the_gateways_word_reach_the_hook_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::at(folder.path());
        let Origin { epoch, sequence } = house.press().await;
        house.buffer.receipted(epoch, Lane::Alarm, sequence);
        house.hears("received\n").await;
        let state = AlarmState { epoch, sequence, stage: Stage::TakenByAPerson };
        house.feedback.told(vec![state]);
        house.hears("received\ntaken_by_a_person\n").await;
    }

    #[tokio::test]
    async fn only_alarms_that_wait_are_followed_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let (buffer, writer) = Buffer::open(&state, &crate::buffer::Config::default()).unwrap();
        let press = || Kind::Alarm(Alarm::pressed("hempuls-agent/kitchen".parse().unwrap(), Vec::new()));
        let received = buffer.take(press()).await.unwrap();
        buffer.receipted(received.epoch, Lane::Alarm, received.sequence);
        let waiting = buffer.take(press()).await.unwrap();
        writer.close();
        let house = House::at(folder.path());
        let mut fates = house.feedback.fates();
        fates.wait_for(|fates| fates.next_wake().is_some()).await.unwrap();
        house.buffer.receipted(waiting.epoch, Lane::Alarm, waiting.sequence);
        house.hears("received\n").await;
    }
}
