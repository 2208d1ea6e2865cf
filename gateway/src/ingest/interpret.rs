//! What a stored event becomes: a record with values, a measured time, and the person whose it is.
//!
//! The raw bytes are the truth: they are read here again, whatever the agent made of them. What means nothing to us
//! stays a record without values, shown as such.

use hempuls_protocol::devices::{self, Meaning};
use hempuls_protocol::event::{Alarm, Content, Kind, Signal};
use hempuls_protocol::identity::Identity;
use hempuls_protocol::observation::{Observation, Quantity};
use hempuls_protocol::times::Taken;
use jiff::civil::DateTime;

use super::accept::LaneKey;
use crate::store::records::{Measured, NewRecord, Press};

/// What an event becomes, but for the person whose it is. `None` for an agent's own events. `date` is told what the device
/// says about when it measured, and whether that is UTC.
#[must_use]
pub fn record(
    key: &LaneKey,
    content: &Content,
    identity: &Identity,
    id: String,
    home: &str,
    date: impl FnOnce(Option<(DateTime, bool)>) -> Option<Measured>,
) -> Option<NewRecord> {
    let record = match &content.kind {
        Kind::Signal(signal) => of_signal(signal, content.taken, date),
        Kind::Alarm(alarm) => of_alarm(alarm, content.taken, date(None)),
        Kind::Began(_)
        | Kind::Refused(_)
        | Kind::DeviceTrouble(_)
        | Kind::BufferDamaged(_)
        | Kind::TimeCorrection(_)
        | Kind::DeviceClock(_)
        | Kind::Test => return None,
    };
    Some(NewRecord { id, identity: *identity, agent: key.agent.to_string(), home: home.to_owned(), ..record })
}

fn of_signal(
    signal: &Signal,
    taken: Taken,
    date: impl FnOnce(Option<(DateTime, bool)>) -> Option<Measured>,
) -> NewRecord {
    let (meaning, unreadable) = match interpret(signal) {
        Ok(meaning) => (Some(meaning), None),
        Err(why) => (None, Some(why)),
    };
    let slot = meaning
        .as_ref()
        .map_or(signal.slot.map(|slot| slot.0), |meaning| meaning.user_slot.or(signal.slot.map(|slot| slot.0)));
    let device_time = meaning.as_ref().map_or(signal.device_time.map(|time| time.0), |meaning| meaning.device_time);
    let is_utc = meaning.as_ref().is_some_and(|meaning| meaning.device_time_is_utc);
    NewRecord {
        device: signal.device.to_string(),
        slot,
        characteristic: signal.characteristic.to_string(),
        raw: signal.raw.to_vec(),
        dialect: signal.dialect.to_string(),
        marks: meaning
            .as_ref()
            .filter(|meaning| !meaning.marks.is_empty())
            .map(|meaning| serde_json::json!(meaning.marks).to_string()),
        unreadable,
        // What the identity was made from, so that other records that show it are found.
        device_time: signal.device_time.map(|time| time.to_string()),
        counter: signal.counter,
        span_ms: signal.span_ms,
        session: signal.session,
        measured: date(device_time.map(|time| (time, is_utc))),
        observations: meaning.map(|meaning| meaning.observations).unwrap_or_default(),
        ..empty(taken)
    }
}

fn of_alarm(alarm: &Alarm, taken: Taken, measured: Option<Measured>) -> NewRecord {
    NewRecord {
        device: alarm.device.to_string(),
        characteristic: alarm.characteristic.to_string(),
        raw: alarm.raw.to_vec(),
        dialect: devices::Dialect::Standard.to_string(),
        counter: alarm.counter,
        press: Some(Press {
            button: alarm.button,
            authentic: alarm.authentic,
            counter_went_back: alarm.counter_went_back,
            not_on_flash: alarm.not_on_flash,
            before_enrolment: alarm.before_enrolment,
        }),
        measured,
        ..empty(taken)
    }
}

fn empty(taken: Taken) -> NewRecord {
    NewRecord {
        id: String::new(),
        identity: Identity::ByNumber { digest: [0; 32] },
        possibly_same_as: None,
        taken_again: false,
        device: String::new(),
        slot: None,
        characteristic: String::new(),
        raw: Vec::new(),
        dialect: String::new(),
        marks: None,
        unreadable: None,
        device_time: None,
        counter: None,
        span_ms: None,
        session: None,
        press: None,
        measured: None,
        taken,
        agent: String::new(),
        home: String::new(),
        person: None,
        observations: Vec::new(),
    }
}

/// What the payload means. Of a stream, what its minute means: each notification stands after its length.
fn interpret(signal: &Signal) -> Result<Meaning, String> {
    let read = |payload: &[u8]| {
        devices::interpret(signal.characteristic, signal.dialect, payload).map_err(|error| error.to_string())
    };
    if !devices::is_stream(signal.characteristic) {
        return read(&signal.raw).map(only_usable_if_all_is);
    }
    let mut minute = Vec::new();
    let mut rest: &[u8] = &signal.raw;
    while let Some((length, after)) = rest.split_first() {
        let (payload, after) =
            after.split_at_checked(usize::from(*length)).ok_or("the minute ends inside a notification")?;
        minute.push(only_usable_if_all_is(read(payload)?));
        rest = after;
    }
    let mut meanings = minute.into_iter();
    let mut whole = meanings.next().ok_or("the minute is empty")?;
    for meaning in meanings {
        whole.observations.extend(meaning.observations);
        whole.marks.extend(meaning.marks);
    }
    whole.marks.sort_unstable();
    whole.marks.dedup();
    let mut quantities: Vec<Quantity> = whole.observations.iter().map(|value| value.quantity).collect();
    quantities.sort_unstable();
    quantities.dedup();
    whole.observations = quantities
        .into_iter()
        .filter_map(|quantity| {
            let values: Vec<Observation> =
                whole.observations.iter().filter(|value| value.quantity == quantity).cloned().collect();
            Observation::summarise(&values).or_else(|| values.into_iter().next())
        })
        .collect();
    Ok(whole)
}

/// What a device says about its measurement holds for every value of it.
fn only_usable_if_all_is(mut meaning: Meaning) -> Meaning {
    for observation in &mut meaning.observations {
        observation.usable &= meaning.usable;
    }
    meaning
}
