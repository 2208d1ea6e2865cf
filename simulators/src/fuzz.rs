//! `hempuls-sim fuzz`: every decoder against payloads that were damaged, millions of them.
//!
//! Each input is a test vector from beside the codecs, mutated. No decoder may panic; what can be read must be written
//! the same again; and nothing outside what a person can have may be called usable. The same seed gives the same
//! inputs.

use std::fmt;
use std::panic;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use hempuls_protocol::codec::{DateTime, Float, Sfloat, Warnings};
use hempuls_protocol::devices::alarm_button::{Address, BindKey, Body, Enrolled, Frame, FrameError};
use hempuls_protocol::devices::blood_pressure::{CuffPressure, Enhanced, Feature, Segment};
use hempuls_protocol::devices::clock::{CurrentTime, LocalTime, WallClock};
use hempuls_protocol::devices::pulse_oximeter::{Continuous, SpotCheck};
use hempuls_protocol::devices::record_access::Indication;
use hempuls_protocol::devices::{
    Assembler, Dialect, MEASUREMENTS, battery, berrymed, blood_pressure, heart_rate, interpret, microlife, nonin,
    thermometer, weight_scale, yonker,
};
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Value};
use hempuls_protocol::personnummer::{IdentityNumber, Written};
use hempuls_protocol::scaip;
use jiff::civil::Date;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use serde::Deserialize;

use crate::clock::Moment;
use crate::decode::omron;

/// Feed every decoder with damaged payloads and check that it keeps its word.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many payloads to try
    #[arg(long, default_value_t = 10_000_000)]
    inputs: u64,
    /// Which series of payloads to try
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many seconds, however many payloads were tried
    #[arg(long)]
    seconds: Option<u64>,
}

/// Tries all inputs, or as many as the time allows, and prints how many that were.
///
/// # Errors
/// The first payload that made a decoder panic or break its word, in hexadecimal digits.
pub fn run(args: Args) -> anyhow::Result<()> {
    let seeds = Seeds::carried()?;
    let limit = args.seconds.map_or(Duration::MAX, Duration::from_secs);
    let started = Moment::now().instant;
    let spent = || Moment::now().instant.duration_since(started);
    let mut next_report = REPORT_EVERY;
    let mut rng = SmallRng::seed_from_u64(args.seed);
    let mut payload = Vec::with_capacity(64);
    let mut tried = 0;
    while tried < args.inputs && (tried % 4096 != 0 || spent() < limit) {
        seeds.mutate(&mut rng, &mut payload);
        tried += 1;
        check_without_panic(&payload)
            .with_context(|| format!("input {tried} of seed {}, payload {}", args.seed, hex::encode(&payload)))?;
        if tried % 4096 == 0 && spent() >= next_report {
            next_report += REPORT_EVERY;
            eprintln!("{}", Figure { tried, spent: spent() });
        }
    }
    println!("{}, no decoder failed (seed {})", Figure { tried, spent: spent() }, args.seed);
    Ok(())
}

const REPORT_EVERY: Duration = Duration::from_secs(5);

/// How many inputs in what time.
struct Figure {
    tried: u64,
    spent: Duration,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.spent.as_secs_f64();
        write!(f, "{} payloads in {seconds:.1} s, {:.0}/s", self.tried, self.tried as f64 / seconds)
    }
}

/// The payloads that every input is made of. They are part of the program, so that it needs no files.
struct Seeds(Vec<Vec<u8>>);

const VECTORS: [&str; 21] = [
    include_str!("decode/payloads/omron.json"),
    include_str!("../../protocol/src/codec/payloads/numbers.json"),
    include_str!("../../protocol/src/devices/alarm_button/payloads/frames.json"),
    include_str!("../../protocol/src/devices/alarm_button/payloads/sequences.json"),
    include_str!("../../protocol/src/devices/battery/payloads/levels.json"),
    include_str!("../../protocol/src/devices/berrymed/payloads/packets.json"),
    include_str!("../../protocol/src/devices/blood_pressure/payloads/cuff_pressure_and_feature.json"),
    include_str!("../../protocol/src/devices/blood_pressure/payloads/enhanced.json"),
    include_str!("../../protocol/src/devices/blood_pressure/payloads/measurements.json"),
    include_str!("../../protocol/src/devices/clock/payloads/clocks.json"),
    include_str!("../../protocol/src/devices/heart_rate/payloads/straps.json"),
    include_str!("../../protocol/src/devices/microlife/payloads/frames.json"),
    include_str!("../../protocol/src/devices/microlife/payloads/records.json"),
    include_str!("../../protocol/src/devices/nonin/payloads/measurements.json"),
    include_str!("../../protocol/src/devices/pulse_oximeter/payloads/oximeters.json"),
    include_str!("../../protocol/src/devices/record_access/payloads/indications.json"),
    include_str!("../../protocol/src/devices/thermometer/payloads/thermometers.json"),
    include_str!("../../protocol/src/devices/weight_scale/payloads/scales.json"),
    include_str!("../../protocol/src/devices/yonker/payloads/results.json"),
    include_str!("../../protocol/src/personnummer/payloads/numbers.json"),
    include_str!("../../protocol/src/scaip/payloads/requests.json"),
];

#[derive(Deserialize)]
struct Vector {
    hex: Payload,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Payload {
    One(String),
    Several(Vec<String>),
}

impl Seeds {
    fn carried() -> anyhow::Result<Self> {
        let mut payloads = Vec::new();
        for vectors in VECTORS {
            let vectors: Vec<Vector> = serde_json::from_str(vectors).context("reading the carried vectors")?;
            for vector in vectors {
                let several = match vector.hex {
                    Payload::One(payload) => vec![payload],
                    Payload::Several(payloads) => payloads,
                };
                for payload in several {
                    payloads.push(hex::decode(payload).context("reading the carried vectors")?);
                }
            }
        }
        Ok(Self(payloads))
    }

    /// Makes the next input: one of the seeds, damaged in one to four ways.
    fn mutate(&self, rng: &mut SmallRng, payload: &mut Vec<u8>) {
        payload.clear();
        payload.extend(self.any(rng));
        for _ in 0..rng.random_range(1..=4) {
            let length = payload.len();
            let place = rng.random_range(0..length.max(1));
            match rng.random_range(0..7) {
                0 => payload.truncate(place),
                1 => payload.extend((0..rng.random_range(1..=4)).map(|_| rng.random::<u8>())),
                2 => {
                    let other = self.any(rng);
                    payload.truncate(place);
                    payload.extend(&other[other.len().min(place)..]);
                }
                3 => payload.insert(place.min(length), rng.random()),
                _ if length == 0 => payload.push(rng.random()),
                4 => payload[place] ^= 1 << rng.random_range(0..8),
                5 => payload[place] = *EDGES.choose(rng).expect("there are edges"),
                _ => payload[0] = rng.random(),
            }
        }
    }

    fn any(&self, rng: &mut SmallRng) -> &[u8] {
        self.0.choose(rng).expect("vectors are carried")
    }
}

/// Bytes at which something ends.
const EDGES: [u8; 9] = [0x00, 0x01, 0x07, 0x08, 0x7F, 0x80, 0xF0, 0xFE, 0xFF];

fn check_without_panic(payload: &[u8]) -> anyhow::Result<()> {
    panic::catch_unwind(|| check(payload)).unwrap_or_else(|_| Err(anyhow!("a decoder panicked")))
}

/// Whether all decoders keep their word about this payload.
fn check(payload: &[u8]) -> anyhow::Result<()> {
    check_numbers(payload)?;
    for dialect in [Dialect::Standard, Dialect::Beurer] {
        if let Ok(measurement) = blood_pressure::Measurement::decode(payload, dialect) {
            same("blood pressure", payload, &measurement.encode(), &measurement.warnings())?;
        }
    }
    for e2e_crc in [false, true] {
        if let Ok(segment) = Segment::decode(payload, e2e_crc) {
            same("blood pressure record", payload, &segment.encode(), &Warnings::new())?;
        }
    }
    if let Ok(pressure) = CuffPressure::decode(payload) {
        same("cuff pressure", payload, &pressure.encode(), &pressure.warnings())?;
    }
    if let Ok(feature) = Feature::decode(payload) {
        same("blood pressure feature", payload, &feature.encode(), &feature.warnings())?;
    }
    if let Ok(measurement) = Enhanced::decode(payload) {
        same("enhanced blood pressure", payload, &measurement.encode(), &measurement.warnings())?;
    }
    if let Ok(measurement) = heart_rate::Measurement::decode(payload) {
        same("heart rate", payload, &measurement.encode(), &measurement.warnings())?;
    }
    if let Ok(measurement) = SpotCheck::decode(payload) {
        same("spot check", payload, &measurement.encode(), &measurement.warnings())?;
    }
    if let Ok(measurement) = Continuous::decode(payload) {
        same("continuous oximetry", payload, &measurement.encode(), &measurement.warnings())?;
    }
    if let Ok(measurement) = thermometer::Measurement::decode(payload) {
        same("temperature", payload, &measurement.encode(), &measurement.warnings())?;
    }
    if let Ok(measurement) = weight_scale::Measurement::decode(payload) {
        same("weight", payload, &measurement.encode(), &measurement.warnings())?;
    }
    if let Ok(level) = battery::Level::decode(payload) {
        same("battery", payload, &level.encode(), &level.warnings())?;
    }
    if let Ok(clock) = WallClock::decode(payload) {
        same("date and time", payload, &clock.encode(), &clock.warnings())?;
    }
    if let Ok(clock) = CurrentTime::decode(payload) {
        same("current time", payload, &clock.encode(), &clock.warnings())?;
    }
    if let Ok(local) = LocalTime::decode(payload) {
        same("local time", payload, &local.encode(), &local.warnings())?;
    }
    if let Ok(indication) = Indication::decode(payload) {
        same("record access", payload, &indication.encode(), &Warnings::new())?;
    }
    check_alarm_unit(payload)?;
    check_identity_number(payload)?;
    check_vendors(payload)?;
    check_meanings(payload)?;
    check_button(payload)
}

fn check_vendors(payload: &[u8]) -> anyhow::Result<()> {
    if let Ok(measurement) = nonin::Measurement::decode(payload) {
        same("Nonin", payload, &measurement.encode(), &measurement.warnings())?;
    }
    if let Ok(packet) = berrymed::Packet::decode(payload) {
        same("BerryMed", payload, &packet.encode(), &Warnings::new())?;
    }
    if let Ok(result) = yonker::Measurement::decode(payload) {
        same("Yonker", payload, &result.encode(), &Warnings::new())?;
    }
    if let Ok(record) = microlife::Record::decode(payload) {
        same("a record of Microlife", payload, &record.encode(), &Warnings::new())?;
    }
    if let Ok(frame) = microlife::Frame::decode(payload) {
        same("Microlife", payload, &frame.encode(), &Warnings::new())?;
    }
    // Only read by the installer's tool; it must not fall over them.
    for decode in [omron::little_endian, omron::big_endian] {
        decode(payload).ok();
    }
    for dialect in Dialect::ALL {
        // As notifications cut it, and once more, with what the first time left unfinished.
        let mut assembler = Assembler::of(dialect);
        for notification in payload.chunks(20).chain([payload]) {
            for whole in assembler.hear(notification).payloads {
                ensure!(whole.len() <= 2 * payload.len(), "{dialect} makes {} out of less", hex::encode(&whole));
            }
        }
    }
    Ok(())
}

/// What can be a person's number is the same in every form, and shows no more than the day unless it is asked for.
fn check_identity_number(payload: &[u8]) -> anyhow::Result<()> {
    let Some(written) = std::str::from_utf8(payload).ok().and_then(|text| text.parse::<Written>().ok()) else {
        return Ok(());
    };
    let Ok(number) = written.on(Date::MAX) else { return Ok(()) };
    let number = IdentityNumber::Register(number);
    let whole = number.whole();
    ensure!(
        IdentityNumber::from_stored(number.system(), &whole) == Ok(number.clone()),
        "a number is stored as another"
    );
    let shown = format!("{written:?} {number} {number:?}").replace(&whole[..8], "");
    ensure!(!shown.contains(|c: char| c.is_ascii_digit()), "a number shows more than the day");
    Ok(())
}

/// What of an alarm unit's message is taken can be written and taken again; and whose it is, is found without reading it,
/// unless it is written in a way that only a whole parser knows.
fn check_alarm_unit(payload: &[u8]) -> anyhow::Result<()> {
    let controllers = scaip::controllers(payload);
    if let Ok(heard) = scaip::Request::read(payload) {
        let written = heard.request.write();
        let again = scaip::Request::read(written.as_bytes())?.request;
        ensure!(again == heard.request, "an alarm unit's message is written as {written}");
        let is_plain = !payload.iter().any(|byte| matches!(byte, b'!' | b'&' | b'?'));
        ensure!(!is_plain || controllers.contains(&again.controller), "nobody knows whose unit {written} is from");
    }
    if let Ok(answer) = scaip::Answer::read(payload) {
        ensure!(
            scaip::Answer::read(answer.write().as_bytes())? == answer,
            "an answer is written as {}",
            answer.write()
        );
    }
    Ok(())
}

/// What could be read is written the same again, and its warnings stand in order.
fn same(what: &str, payload: &[u8], written: &[u8], warnings: &Warnings) -> anyhow::Result<()> {
    ensure!(written == payload, "{what} is written as {}", hex::encode(written));
    if warnings.len() > 1 {
        let words: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        ensure!(words.is_sorted(), "the warnings of {what} are not sorted: {words:?}");
    }
    Ok(())
}

fn check_numbers(payload: &[u8]) -> anyhow::Result<()> {
    if let Some(bytes) = payload.first_chunk::<2>() {
        let number = Sfloat::decode(bytes)?;
        if let Value::Number(Decimal { mantissa, exponent }) = number.value() {
            ensure!(Sfloat::new(mantissa.try_into()?, exponent) == Some(number), "SFLOAT {number:?} changes");
        }
    }
    if let Some(bytes) = payload.first_chunk::<4>() {
        let number = Float::decode(bytes)?;
        if let Value::Number(Decimal { mantissa, exponent }) = number.value() {
            ensure!(Float::new(mantissa.try_into()?, exponent) == Some(number), "FLOAT {number:?} changes");
        }
    }
    if let Some(bytes) = payload.first_chunk::<7>() {
        let time = DateTime::from_bytes(*bytes);
        if let Some(known) = time.civil() {
            ensure!(DateTime::try_from(known) == Ok(time), "time {time:?} changes");
        }
    }
    Ok(())
}

fn check_meanings(payload: &[u8]) -> anyhow::Result<()> {
    for characteristic in MEASUREMENTS {
        for dialect in Dialect::ALL {
            let Ok(meaning) = interpret(characteristic, dialect, payload) else { continue };
            ensure!(!meaning.observations.is_empty(), "{characteristic} means nothing");
            for observation in meaning.observations.iter().filter(|observation| observation.usable) {
                ensure!(meaning.usable, "{characteristic} is not usable, but its {:?} is", observation.quantity);
                ensure!(can_be_a_persons(observation)?, "{characteristic} calls {observation:?} usable");
            }
        }
    }
    Ok(())
}

/// The limits once more, in binary numbers, and a little wider for their rounding and that of the conversion.
fn can_be_a_persons(observation: &Observation) -> anyhow::Result<bool> {
    let number: f64 = observation.normalised().context("a usable value is a number")?.to_string().parse()?;
    let (low, high) = match observation.quantity {
        Quantity::Systolic => (40.0, 300.0),
        Quantity::Diastolic => (20.0, 250.0),
        Quantity::MeanArterialPressure => (20.0, 300.0),
        Quantity::PulseRate | Quantity::OximeterPulseRate | Quantity::HeartRate => (20.0, 300.0),
        Quantity::OxygenSaturation => (50.0, 100.0),
        Quantity::BodyTemperature => (25.0, 45.0),
        Quantity::BodyWeight => (2.0, 350.0),
        Quantity::PulseAmplitudeIndex | Quantity::BodyHeight | Quantity::BodyMassIndex => return Ok(true),
    };
    Ok((low - 0.06..=high + 0.06).contains(&number))
}

const ADDRESS: Address = Address([0x38, 0x39, 0x8F, 0x70, 0xB2, 0x4E]);
const KEY: BindKey =
    BindKey::new([0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF]);

fn check_button(payload: &[u8]) -> anyhow::Result<()> {
    let with_key = Enrolled { address: Some(ADDRESS), key: Some(KEY) };
    if let Ok(frame) = Frame::decode(payload) {
        same("BTHome", payload, &frame.encode(), &Warnings::new())?;
        match (&frame.body, frame.open(&with_key)) {
            (Body::Plain(_), Ok(_)) => return Err(anyhow!("a button with a key was believed without it")),
            (Body::Sealed { .. }, Err(FrameError::Unencrypted)) => return Err(anyhow!("encryption was not seen")),
            (Body::Plain(_), Err(_)) | (Body::Sealed { .. }, _) => {}
        }
        if let Ok(contents) = frame.open(&Enrolled::default()) {
            ensure!(!contents.is_press() || contents.plaintext.contains(&0x3A), "a press came out of nothing");
        }
    }
    if !payload.is_empty() {
        let heard = Frame::decode(&Frame::seal(payload, 7, ADDRESS, &KEY).encode())?;
        ensure!(heard.open(&with_key)?.plaintext == payload, "what was sealed is not what is opened");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_finds_nothing() {
        run(Args { inputs: 20_000, seed: 7, seconds: None }).expect("no decoder fails");
    }

    #[test]
    fn the_same_seed_gives_the_same_payloads() {
        let seeds = Seeds::carried().expect("the vectors are carried");
        let series = |seed| {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut payload = Vec::new();
            let mut next = || {
                seeds.mutate(&mut rng, &mut payload);
                payload.clone()
            };
            (0..100).map(|_| next()).collect::<Vec<_>>()
        };
        assert_eq!(series(3), series(3));
        assert_ne!(series(3), series(4));
    }

    #[test]
    fn a_value_nobody_has_would_be_found() {
        let usable = |systolic| {
            let observation = Observation::new(
                Quantity::Systolic,
                Decimal::whole(systolic),
                hempuls_protocol::observation::Unit::MillimetreOfMercury,
                true,
            );
            can_be_a_persons(&observation).expect("a number")
        };
        assert_eq!([39, 40, 300, 301].map(usable), [false, true, true, false]);
    }
}
