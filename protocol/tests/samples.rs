//! Golden samples: one message of each kind and version, never edited. What was once sent can be read for ever.

use hempuls_protocol::devices::{Characteristic, DeviceKind, Dialect, nonin};
use hempuls_protocol::event::{
    Alarm, Began, BufferDamaged, Content, Damage, DeviceClock, DeviceTrouble, Event, Kind, Origin, Previous, Refusal,
    Refused, Signal, TimeCorrection, TimeSource, Trouble,
};
use hempuls_protocol::ids::{DeviceId, Epoch, Lane, Sequence, UserSlot};
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Special, Unit, Value};
use hempuls_protocol::times::{BootId, DeviceTime, Taken, Trust};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::feedback::{AlarmState, Feedback, Stage};
use hempuls_protocol::wire::heartbeat::{
    ConfigState, DeviceState, FlashState, Hearing, Heartbeat, LaneState, Nearby, RadioState, RefusedConfig, Status,
    Takes, UplinkState,
};
use hempuls_protocol::wire::home_config::{Counted, Device, Home, HomeConfig};
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
        session: None,
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
        not_on_flash: false,
        before_enrolment: false,
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
    let lanes = vec![
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
    ];
    let receipts = Receipts { now_ms: None, ..Receipts::new(lanes, 0) };
    let sample = sample_of(include_str!("../src/wire/samples/v1-receipts.hex"), &receipts.to_bytes());
    assert_eq!(Receipts::from_bytes(&sample).unwrap(), receipts);
    let dated = Receipts::new(vec![Receipt::through(Lane::Reading, EPOCH, Sequence(100))], 1_795_343_400_000);
    let sample = sample_of(include_str!("../src/wire/samples/v1-receipts-dated.hex"), &dated.to_bytes());
    assert_eq!(Receipts::from_bytes(&sample).unwrap(), dated);
}

#[test]
fn heartbeats_and_last_wills_of_version_1_are_read_as_they_were_sent() {
    let heartbeat = Status::Heartbeat(Box::new(Heartbeat {
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
        devices: vec![DeviceState { battery: Some(88), ..DeviceState::unknown(cuff()) }],
        panics: 1,
        disk_free: Some(4_000_000_000),
        certificate_expires: Some(1_800_000_000),
        ..Heartbeat::bare(taken(), vec![], "0.1.0")
    }));
    let sampled = sample_of(include_str!("../src/wire/samples/v1-heartbeat.hex"), &heartbeat.to_bytes());
    assert_eq!(Status::from_bytes(&sampled).unwrap(), heartbeat);
    let full = Status::Heartbeat(Box::new(Heartbeat {
        devices: vec![DeviceState {
            battery: Some(88),
            heard_s: Some(40),
            model: Some("UA-651BLE 1.0.0".into()),
            clock_ahead_s: Some(-3600),
            is_missing: true,
            ..DeviceState::unknown(cuff())
        }],
        radio: Some(RadioState { hearing: Hearing::Alive, cures: 2, strangers: 3 }),
        config: Some(ConfigState {
            revision: 7,
            refused: Some(RefusedConfig { revision: 8, why: "two devices have one address".into() }),
        }),
        uplink: Some(UplinkState { place: 1, of: 2 }),
        flash: Some(FlashState { takes: Takes::AlarmsOnly, in_memory: 1, encrypted: true }),
        nearby: vec![Nearby {
            device: cuff(),
            name: Some("UA-651BLE".into()),
            signal_dbm: Some(-58),
            kind: Some(DeviceKind::BloodPressure),
            heard_s: 2,
            just_used: true,
            adopted: false,
        }],
        refusals: vec![(Refusal::Stuck, 12)],
        ..Heartbeat::bare(taken(), vec![], "0.2.0")
    }));
    let sampled = sample_of(include_str!("../src/wire/samples/v1-heartbeat-full.hex"), &full.to_bytes());
    assert_eq!(Status::from_bytes(&sampled).unwrap(), full);
    let will = sample_of(include_str!("../src/wire/samples/v1-last-will.hex"), &Status::LastWill.to_bytes());
    assert_eq!(Status::from_bytes(&will).unwrap(), Status::LastWill);
}

#[test]
fn what_an_agent_says_of_itself_in_version_1_is_read_as_it_was_sent() {
    let damaged = BufferDamaged { damage: Damage::KeyLost, taken_again: 12 };
    agree(include_str!("../src/wire/samples/v1-envelope-damaged.hex"), &envelope(None, Kind::BufferDamaged(damaged)));
    let correction = TimeCorrection { before_ms: 90_000, trust_before: Trust::Unknown, source: TimeSource::Gateway };
    agree(include_str!("../src/wire/samples/v1-envelope-time.hex"), &envelope(None, Kind::TimeCorrection(correction)));
    let clock = DeviceClock {
        device: cuff(),
        shown: Some(DeviceTime("2026-11-22T09:30:00".parse().unwrap())),
        set_to: Some(DeviceTime("2026-11-22T10:30:00".parse().unwrap())),
        session: Some(5),
    };
    agree(include_str!("../src/wire/samples/v1-envelope-clock.hex"), &envelope(None, Kind::DeviceClock(clock)));
}

#[test]
fn a_vendors_signal_and_an_alarm_from_memory_of_version_1_are_read_as_they_were_sent() {
    let vendors = Characteristic::vendor(0x0AAD_7EA0_0D60_11E2_8E3C_0002_A5D5_C51B);
    let signal = Signal { session: Some(5), counter: Some(3), ..Signal::heard(cuff(), vendors, vec![1, 2, 3]) };
    agree(include_str!("../src/wire/samples/v1-envelope-vendor.hex"), &envelope(None, Kind::Signal(signal)));
    let alarm = Alarm {
        characteristic: Characteristic::LOCAL,
        not_on_flash: true,
        before_enrolment: true,
        ..Alarm::pressed("hempuls-agent/kitchen".parse().unwrap(), vec![])
    };
    agree(include_str!("../src/wire/samples/v1-envelope-local-alarm.hex"), &envelope(None, Kind::Alarm(alarm)));
}

#[test]
fn a_minute_in_a_vendors_dialect_of_version_1_is_read_as_it_was_sent() {
    let payload = hex::decode("0a151d01f4003c610048").unwrap();
    let minute = Signal {
        dialect: Dialect::Nonin,
        span_ms: Some(60_000),
        ..Signal::heard(cuff(), nonin::MEASUREMENT, [&[10][..], &payload].concat())
    };
    agree(include_str!("../src/wire/samples/v1-envelope-dialect.hex"), &envelope(None, Kind::Signal(minute)));
    let numbers = Dialect::ALL.map(|dialect| minicbor::to_vec(dialect).unwrap());
    assert_eq!(numbers, [[0], [1], [2], [3], [4], [5]]);
}

#[test]
fn what_a_gateway_tells_a_home_in_version_1_is_read_as_it_was_sent() {
    let config = HomeConfig::new(Home {
        revision: 7,
        devices: vec![Device {
            device: "38:39:8F:70:B2:4E".parse().unwrap(),
            kind: DeviceKind::AlarmButton,
            dialect: Some(Dialect::Standard),
            key: Some(vec![0x5A; 16].into()),
            beacon_s: Some(900),
            counted: Some(Counted { battery: 1, highest: 442 }),
        }],
        time_zone: Some("Europe/Stockholm".into()),
        retired: true,
        prove_every_s: None,
    });
    let sample = sample_of(include_str!("../src/wire/samples/v1-home-config.hex"), &config.to_bytes());
    assert_eq!(HomeConfig::from_bytes(&sample).unwrap(), config);
    assert!(!format!("{config:?}").contains("90, 90"), "the key is not shown: {config:?}");

    let stages = [Stage::Received, Stage::TakenByAPerson, Stage::OnTheWay, Stage::Closed];
    let states = (1..).zip(stages).map(|(n, stage)| AlarmState { epoch: EPOCH, sequence: Sequence(n), stage });
    let feedback = Feedback::new(states.collect());
    let sample = sample_of(include_str!("../src/wire/samples/v1-feedback.hex"), &feedback.to_bytes());
    assert_eq!(Feedback::from_bytes(&sample).unwrap(), feedback);
}

#[test]
fn a_silent_test_and_what_asks_for_it_in_version_1_are_read_as_they_were_sent() {
    agree(include_str!("../src/wire/samples/v1-envelope-test.hex"), &envelope(None, Kind::Test));
    let home = Home { revision: 7, devices: vec![], time_zone: None, retired: false, prove_every_s: Some(86_400) };
    let asks = HomeConfig::new(home);
    let sample = sample_of(include_str!("../src/wire/samples/v1-home-config-prove.hex"), &asks.to_bytes());
    assert_eq!(HomeConfig::from_bytes(&sample).unwrap(), asks);
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

fn cuff() -> DeviceId {
    "F0:F1:F2:F3:F4:F5".parse().unwrap()
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
    let sample = sample_of(text, &envelope.to_bytes());
    let read = Envelope::from_bytes(&sample).unwrap();
    assert_eq!(&read, envelope);
    for (place, bytes) in read.open().unwrap().events.iter().enumerate() {
        let event = Event::from_bytes(bytes, Sequence(read.first.0 + place as u64)).unwrap();
        Content::from_bytes(&event.content).unwrap();
    }
}

/// The sample's bytes, which must be what is written today.
fn sample_of(text: &str, today: &[u8]) -> Vec<u8> {
    assert_eq!(text.trim(), hex::encode(today), "the wire has changed: make a new version, never edit a sample");
    today.to_vec()
}
