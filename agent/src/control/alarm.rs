//! `hempuls-agent alarm`: a wire or a program in the home calls for help.

use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Kind, Refusal};
use hempuls_protocol::ids::DeviceId;

use super::words::Answer;
use super::{Caller, Daemon};
use crate::feedback::Word;

/// Takes an alarm, and says how far it comes until it is closed. Gives the last answer, unless the caller has gone.
pub(super) async fn raise(daemon: &Daemon, name: &str, caller: &mut Caller) -> Option<Answer> {
    if let Err(why) = check(daemon, name) {
        return Some(Answer::Refused(why));
    }
    let device = DeviceId::Serial { model: "hempuls-agent".into(), serial: name.to_owned() };
    // Only the owner and the group of the socket can have said this.
    let alarm = Alarm { characteristic: Characteristic::LOCAL, authentic: true, ..Alarm::pressed(device, Vec::new()) };
    let taken = match daemon.buffer.take(Kind::Alarm(alarm)).await {
        Ok(taken) => taken,
        Err(why) => return Some(Answer::Refused(refused(why).into())),
    };
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
