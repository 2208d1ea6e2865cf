//! Golden samples: one message of each kind and version, never edited. What was once sent can be read for ever.

use hempuls_protocol::devices::{Characteristic, Dialect};
use hempuls_protocol::event::{
    Alarm, Began, Content, DeviceTrouble, Event, Kind, Origin, Previous, Refusal, Refused, Signal, Trouble,
};
use hempuls_protocol::ids::{Epoch, Lane, Sequence, UserSlot};
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Special, Unit, Value};
use hempuls_protocol::times::{BootId, DeviceTime, Taken, Trust};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::heartbeat::{DeviceState, Heartbeat, LaneState, Status};
use hempuls_protocol::wire::receipt::{Mark, Quarantined, Receipt, Receipts, Why};

const EPOCH: Epoch = Epoch(0x0123_4567_89AB_CDEF);

#[test]
fn a_signal_of_version_1_is_read_as_it_was_sent() {
    let signal = Signal {
        device: "F0:F1:F2:F3:F4:F5".parse().unwrap(),
        slot: Some(UserSlot(1)),
        characteristic: Characteristic::BLOOD_PRESSURE_MEASUREMENT,
        raw: hex::decode("1e780050005d00ea070b160a1e004800010000").unwrap().into(),
        dialect: Dialect::Standard,
        observations: vec![
            Observation::new(Quantity::Systolic, Decimal::whole(120), Unit::MillimetreOfMercury, true),
            Observation::new(Quantity::Diastolic, Decimal::new(805, -1), Unit::MillimetreOfMercury, true),
            Observation::new(
                Quantity::MeanArterialPressure,
                Value::Special(Special::NaN),
                Unit::MillimetreOfMercury,
                false,
            ),
        ],
        device_time: Some(DeviceTime("2026-11-22T10:30:00".parse().unwrap())),
        counter: None,
        span_ms: None,
    };
    agree(include_str!("../src/wire/samples/v1-envelope-signal.hex"), &envelope(None, Kind::Signal(signal)));
}

#[test]
fn an_alarm_of_version_1_is_read_as_it_was_sent() {
    let alarm = Alarm {
        device: "38:39:8F:70:B2:4E".parse().unwrap(),
        characteristic: Characteristic::BTHOME,
        raw: hex::decode("45b123a9042c090100000082a57ec7").unwrap().into(),
        counter: Some(1),
        authentic: true,
        button: 1,
        counter_went_back: false,
    };
    agree(include_str!("../src/wire/samples/v1-envelope-alarm.hex"), &envelope(None, Kind::Alarm(alarm)));
}

#[test]
fn a_beginning_of_version_1_is_read_as_it_was_sent() {
    let previous = Previous {
        epoch: Epoch(7),
        last_taken: Some(Sequence(55)),
        taken_again: vec![(Sequence(49), Sequence(52)), (Sequence(54), Sequence(55))],
    };
    let began = Kind::Began(Began { previous: Some(previous) });
    agree(include_str!("../src/wire/samples/v1-envelope-began.hex"), &envelope(None, began));
}

#[test]
fn refusals_and_troubles_of_version_1_are_read_as_they_were_sent() {
    let refused = Kind::Refused(Refused { count: 12, why: Refusal::Full });
    let origin = Some(Origin { epoch: Epoch(7), sequence: Sequence(49) });
    agree(include_str!("../src/wire/samples/v1-envelope-refused.hex"), &envelope(origin, refused));
    let trouble =
        Kind::DeviceTrouble(DeviceTrouble { device: "BM59/SN000001".parse().unwrap(), trouble: Trouble::Unreadable });
    agree(include_str!("../src/wire/samples/v1-envelope-trouble.hex"), &envelope(None, trouble));
}

#[test]
fn receipts_of_version_1_are_read_as_they_were_sent() {
    let receipts = Receipts::new(vec![
        Receipt {
            lane: Lane::Alarm,
            epoch: EPOCH,
            through: Sequence(3),
            quarantined: vec![Quarantined { sequence: Sequence(2), why: Why::Unreadable }],
            rewind: None,
            forked: None,
            mark: None,
        },
        Receipt {
            lane: Lane::Reading,
            epoch: EPOCH,
            through: Sequence(100),
            quarantined: vec![],
            rewind: Some(Sequence(101)),
            forked: Some(Sequence(51)),
            mark: Some(Mark([0xA5; 8])),
        },
    ]);
    let sample = sample(include_str!("../src/wire/samples/v1-receipts.hex"), &receipts.to_bytes());
    assert_eq!(Receipts::from_bytes(&sample).unwrap(), receipts);
}

#[test]
fn heartbeats_and_last_wills_of_version_1_are_read_as_they_were_sent() {
    let heartbeat = Status::Heartbeat(Heartbeat {
        clock: taken(),
        lanes: vec![LaneState {
            lane: Lane::Reading,
            epoch: EPOCH,
            oldest_kept: Sequence(40),
            receipted_through: Sequence(98),
            last: Sequence(100),
            oldest_waiting_s: Some(4),
        }],
        heard_s: Some(1),
        heard: 120,
        refused: 12,
        devices: vec![DeviceState { device: "F0:F1:F2:F3:F4:F5".parse().unwrap(), battery: Some(88), heard_s: None }],
        panics: 1,
        disk_free: Some(4_000_000_000),
        certificate_expires: Some(1_800_000_000),
        version: "0.1.0".into(),
    });
    let sampled = sample(include_str!("../src/wire/samples/v1-heartbeat.hex"), &heartbeat.to_bytes());
    assert_eq!(Status::from_bytes(&sampled).unwrap(), heartbeat);
    let will = sample(include_str!("../src/wire/samples/v1-last-will.hex"), &Status::LastWill.to_bytes());
    assert_eq!(Status::from_bytes(&will).unwrap(), Status::LastWill);
}

#[test]
fn what_is_cut_or_continued_is_no_message() {
    let whole = hex::decode(include_str!("../src/wire/samples/v1-envelope-signal.hex").trim()).unwrap();
    for cut in 0..whole.len() {
        assert!(Envelope::from_bytes(&whole[..cut]).is_err(), "cut at {cut}");
    }
    let mut continued = whole;
    continued.push(0);
    assert!(Envelope::from_bytes(&continued).is_err());
}

fn taken() -> Taken {
    Taken {
        boot: BootId([0x42; 16]),
        since_boot_ms: 90_000,
        wall_ms: Some(1_795_343_400_000),
        trust: Trust::Synchronised,
    }
}

fn envelope(origin: Option<Origin>, kind: Kind) -> Envelope {
    let content = Content { taken: taken(), kind }.to_bytes();
    let event = Event { sequence: Sequence(100), origin, content };
    Envelope::pack(EPOCH, Sequence(100), taken(), vec![event.to_bytes()])
}

fn agree(text: &str, envelope: &Envelope) {
    let sample = sample(text, &envelope.to_bytes());
    let read = Envelope::from_bytes(&sample).unwrap();
    assert_eq!(&read, envelope);
    for (place, bytes) in read.open().unwrap().events.iter().enumerate() {
        let event = Event::from_bytes(bytes, Sequence(read.first.0 + place as u64)).unwrap();
        Content::from_bytes(&event.content).unwrap();
    }
}

/// The sample's bytes, which must be what is written today.
fn sample(text: &str, today: &[u8]) -> Vec<u8> {
    assert_eq!(text.trim(), hex::encode(today), "the wire has changed: make a new version, never edit a sample");
    today.to_vec()
}
