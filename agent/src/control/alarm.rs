//! `hempuls-agent alarm`: a wire or a program in the home calls for help.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, DeviceTrouble, Kind, Refusal, Trouble};
use hempuls_protocol::ids::DeviceId;

use super::words::Answer;
use super::{Caller, Daemon};
use crate::clock;
use crate::feedback::Word;
use crate::pace::{Judgement, Pace};

/// How fast each wire calls. Clones are of the same wires.
#[derive(Clone, Default)]
pub struct Wires(Arc<Mutex<BTreeMap<String, Pace>>>);

/// A home has a few; a script that makes names up must not fill the memory.
const MOST: usize = 64;

impl Wires {
    fn press(&self, name: &str) -> Judgement {
        let mut wires = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wires.len() >= MOST && !wires.contains_key(name) {
            wires.pop_first();
        }
        wires.entry(name.to_owned()).or_default().press(&clock::taken())
    }

    fn take_back(&self, name: &str) {
        if let Some(pace) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            pace.take_back();
        }
    }
}

/// Takes an alarm, and says how far it comes until it is closed. Gives the last answer, unless the caller has gone.
pub(super) async fn raise(daemon: &Daemon, name: &str, caller: &mut Caller) -> Option<Answer> {
    if let Err(why) = check(daemon, name) {
        return Some(Answer::Refused(why));
    }
    let device = DeviceId::Serial { model: "hempuls-agent".into(), serial: name.to_owned() };
    // Only the owner and the group of the socket can have said this.
    let alarm = Alarm {
        characteristic: Characteristic::LOCAL,
        authentic: true,
        before_enrolment: !daemon.reporter.vitals.is_enrolled(),
        ..Alarm::pressed(device.clone(), Vec::new())
    };
    let Judgement { is_taken, is_stuck_now } = daemon.wires.press(name);
    if is_stuck_now {
        tracing::warn!(%device, "this alarm is raised over and over: a stuck contact?");
        // What could not be taken is counted and logged by the buffer.
        let trouble = DeviceTrouble { device: device.clone(), trouble: Trouble::StuckButton };
        let _ = daemon.buffer.take(Kind::DeviceTrouble(trouble)).await;
    }
    if !is_taken {
        daemon.buffer.refuse(Refusal::Stuck);
        return Some(Answer::Refused(refused(Refusal::Stuck).into()));
    }
    let taken = match daemon.buffer.take(Kind::Alarm(alarm)).await {
        Ok(taken) => taken,
        Err(why) => {
            daemon.wires.take_back(name);
            return Some(Answer::Refused(refused(why).into()));
        }
    };
    tracing::info!(%device, epoch = %taken.epoch, event.seq = %taken.sequence, "an alarm is taken");
    let on_flash = daemon.buffer.state().flash.is_some_and(|held| held.epoch == taken.epoch);
    caller.say(&Answer::taken(taken, on_flash)).await.ok()?;
    let mut fates = daemon.fates.clone();
    let mut said = None;
    loop {
        let fate = fates.borrow_and_update().of(taken);
        if let Some(word) = fate.filter(|_| fate != said) {
            caller.say(&Answer::Fate(word)).await.ok()?;
            said = fate;
        }
        if said == Some(Word::Closed) {
            return Some(Answer::Done);
        }
        tokio::select! {
            changed = fates.changed() => changed.ok()?,
            () = caller.gone() => return None,
        }
    }
}

fn check(daemon: &Daemon, name: &str) -> Result<(), String> {
    let is_name =
        (1..=32).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    if !is_name {
        return Err(format!("{name:?} is no name for an alarm: 1 to 32 letters, digits, - or _, such as kitchen"));
    }
    if daemon.desk.home().borrow().retired {
        return Err(
            "this agent is retired and takes nothing more. The alarm was NOT taken: call for help another way".into()
        );
    }
    Ok(())
}

fn refused(why: Refusal) -> &'static str {
    match why {
        Refusal::Stuck => {
            "this alarm was raised over and over, and one is taken now and then: look for a stuck contact"
        }
        Refusal::Full | Refusal::Flash | Refusal::NotAuthentic | Refusal::Replayed => {
            "the alarm was NOT taken: neither flash nor memory has room. Call for help another way; then \
             `hempuls-agent doctor`"
        }
    }
}
