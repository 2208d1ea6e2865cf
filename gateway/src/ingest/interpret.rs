//! What a stored event becomes: a record with values, a measured time, and the person whose it is.
//!
//! The raw bytes are the truth: they are read here again, whatever the agent made of them. What means nothing to us
//! stays a record without values, shown as such.

use hempuls_protocol::devices::{self, Meaning};
use hempuls_protocol::event::{Alarm, Content, Kind, Signal};
use hempuls_protocol::identity::Identity;
use hempuls_protocol::observation::{Observation, Quantity};
use hempuls_protocol::times::{DeviceTime, Taken};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::accept::LaneKey;
use crate::store::records::{Clock, Measured, NewRecord, Press};

/// A device's clock further ahead of ours than this is not believed.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1000;

/// When the gateway got something, and what the agent's clocks showed when it sent it.
#[derive(Copy, Clone, Debug)]
pub struct Reception {
    /// By the gateway's clock.
    pub received_ms: i64,
    /// By the agent's.
    pub sent: Option<Taken>,
}

/// What an event becomes, but for the person whose it is. `None` for an agent's own events.
#[must_use]
pub fn record(
    key: &LaneKey,
    content: &Content,
    identity: &Identity,
    id: String,
    home: &str,
    reception: Reception,
    zone: &TimeZone,
) -> Option<NewRecord> {
    let record = match &content.kind {
        Kind::Signal(signal) => of_signal(signal, content.taken, reception, zone),
        Kind::Alarm(alarm) => of_alarm(alarm, content.taken, reception),
        Kind::Began(_)
        | Kind::Refused(_)
        | Kind::DeviceTrouble(_)
        | Kind::BufferDamaged(_)
        | Kind::TimeCorrection(_)
        | Kind::DeviceClock(_) => return None,
    };
    Some(NewRecord { id, identity: *identity, agent: key.agent.to_string(), home: home.to_owned(), ..record })
}

fn of_signal(signal: &Signal, taken: Taken, reception: Reception, zone: &TimeZone) -> NewRecord {
    let (meaning, unreadable) = match interpret(signal) {
        Ok(meaning) => (Some(meaning), None),
        Err(why) => (None, Some(why)),
    };
    let slot = meaning
        .as_ref()
        .map_or(signal.slot.map(|slot| slot.0), |meaning| meaning.user_slot.or(signal.slot.map(|slot| slot.0)));
    let device_time = meaning.as_ref().map_or(signal.device_time.map(|time| time.0), |meaning| meaning.device_time);
    let is_utc = meaning.as_ref().is_some_and(|meaning| meaning.device_time_is_utc);
    let zone = if is_utc { &TimeZone::UTC } else { zone };
    let measured = by_device(device_time, zone, reception.received_ms).or_else(|| by_reception(&taken, reception));
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
        measured,
        observations: meaning.map(|meaning| meaning.observations).unwrap_or_default(),
        ..empty(taken)
    }
}

fn of_alarm(alarm: &Alarm, taken: Taken, reception: Reception) -> NewRecord {
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
        }),
        measured: by_reception(&taken, reception),
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

/// The device's own time, where its clock was set and is not far ahead of ours. In the hour that comes twice in autumn
/// it is the earlier, as far as that is not in the future.
fn by_device(shown: Option<DateTime>, zone: &TimeZone, received_ms: i64) -> Option<Measured> {
    let time = shown.map(DeviceTime).filter(|time| time.is_set())?;
    let at_ms = time.0.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond();
    (at_ms <= received_ms + AHEAD_MS).then_some(Measured { at_ms, by: Clock::Device })
}

/// When the agent took it: by its wall clock where that can be trusted, else by how long ago that was when it sent it.
fn by_reception(taken: &Taken, reception: Reception) -> Option<Measured> {
    let by_its_age = || {
        let sent = reception.sent.filter(|sent| sent.boot == taken.boot)?;
        let age = sent.since_boot_ms.checked_sub(taken.since_boot_ms)?;
        reception.received_ms.checked_sub(i64::try_from(age).ok()?)
    };
    let at_ms = taken.trusted_wall_ms().or_else(by_its_age)?;
    Some(Measured { at_ms, by: Clock::Reception })
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::times::{BootId, Trust};

    use super::*;

    const RECEIVED: i64 = 1_800_000_000_000; // 2027-01-15T08:00:00Z

    #[test]
    fn a_device_with_a_right_clock_is_believed_in_its_own_zone() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        let measured = by_device(Some("2027-01-15T08:30:00".parse().unwrap()), &zone, RECEIVED).unwrap();
        assert_eq!(measured, Measured { at_ms: RECEIVED - 30 * 60_000, by: Clock::Device });
    }

    #[test]
    fn a_clock_that_was_never_set_or_is_a_day_ahead_is_not_believed() {
        let believed = |shown: &str| by_device(Some(shown.parse().unwrap()), &TimeZone::UTC, RECEIVED).is_some();
        assert!(!believed("2014-12-31T23:59:59"));
        assert!(believed("2015-01-01T00:00:00"));
        assert!(believed("2027-01-16T08:00:00"));
        assert!(!believed("2027-01-16T08:00:01"));
    }

    #[test]
    fn a_box_whose_clock_was_never_set_says_how_long_ago_it_was() {
        let taken = Taken { boot: BootId([1; 16]), since_boot_ms: 5_000, wall_ms: Some(3), trust: Trust::Unknown };
        let sent = Taken { since_boot_ms: 65_000, ..taken };
        let reception = Reception { received_ms: RECEIVED, sent: Some(sent) };
        assert_eq!(by_reception(&taken, reception), Some(Measured { at_ms: RECEIVED - 60_000, by: Clock::Reception }));

        let another_boot = Taken { boot: BootId([2; 16]), ..sent };
        assert_eq!(by_reception(&taken, Reception { sent: Some(another_boot), ..reception }), None);

        let set = Taken { wall_ms: Some(RECEIVED - 7), trust: Trust::Estimated, ..taken };
        assert_eq!(by_reception(&set, reception), Some(Measured { at_ms: RECEIVED - 7, by: Clock::Reception }));
    }
}
