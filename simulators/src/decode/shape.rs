//! A decoded payload as JSON, in the shape of the test vectors.
//!
//! A key is there only when its field is in the payload. Numbers have the payload's decimals, special numbers are
//! strings, and warnings are sorted.

use anyhow::{Context, bail};
use hempuls_protocol::codec::date_time::State;
use hempuls_protocol::codec::{DateTime, Float, Sfloat, Warnings};
use hempuls_protocol::devices::alarm_button::{Frame, ObjectValue};
use hempuls_protocol::devices::heart_rate::Contact;
use hempuls_protocol::devices::pulse_oximeter::{Continuous, MeasurementStatus, Pair, SensorStatus, SpotCheck};
use hempuls_protocol::devices::record_access::Indication;
use hempuls_protocol::devices::thermometer::Scale;
use hempuls_protocol::devices::{
    Dialect, battery, berrymed, blood_pressure, clock, heart_rate, microlife, nonin, thermometer, weight_scale, yonker,
};
use hempuls_protocol::personnummer::Written;
use hempuls_protocol::scaip;
use jiff::civil;
use serde_json::{Map, Value as Json, json};

use super::capture::Circumstances;
use super::omron;

/// Decodes one payload of that kind.
///
/// # Errors
/// Why the payload must be refused, or that nobody knows the kind.
pub(super) fn decode(uuid: &str, payload: &[u8], circumstances: &Circumstances) -> anyhow::Result<Json> {
    Ok(match uuid {
        "2a35" => blood_pressure(&blood_pressure::Measurement::decode(payload, Dialect::Standard)?),
        "2a35:beurer" => blood_pressure(&blood_pressure::Measurement::decode(payload, Dialect::Beurer)?),
        "2a36" => cuff_pressure(&blood_pressure::CuffPressure::decode(payload)?),
        "2a49" => blood_pressure_feature(&blood_pressure::Feature::decode(payload)?),
        "2b34" => enhanced_blood_pressure(&blood_pressure::Enhanced::decode(payload)?),
        "2b36" => record_segment(&blood_pressure::Segment::decode(payload, circumstances.e2e_crc)?),
        "2a37" => heart_rate(&heart_rate::Measurement::decode(payload)?),
        "2a5e" => spot_check(&SpotCheck::decode(payload)?),
        "2a5f" => continuous(&Continuous::decode(payload)?),
        "2a1c" => temperature(&thermometer::Measurement::decode(payload)?),
        "2a9d" => weight(&weight_scale::Measurement::decode(payload)?),
        "2a19" => battery_level(&battery::Level::decode(payload)?),
        "2a08" => wall_clock(&clock::WallClock::decode(payload)?),
        "2a2b" => current_time(&clock::CurrentTime::decode(payload)?),
        "2a0f" => local_time(&clock::LocalTime::decode(payload)?),
        "2a52" => record_access(&Indication::decode(payload)?),
        "nonin" => nonin(&nonin::Measurement::decode(payload)?),
        "berrymed" => berrymed(&last_packet(payload)?),
        "yonker" => yonker(&yonker::Measurement::decode(payload)?),
        "microlife" => json!({"payload": hex::encode(microlife::Frame::decode(payload)?.payload)}),
        "microlife:record" => microlife_record(&microlife::Record::decode(payload)?),
        "omron:14le" => omron::little_endian(payload)?,
        "omron:14be" => omron::big_endian(payload)?,
        "sfloat" => json!({"value": Sfloat::decode(payload)?.value()}),
        "float" => json!({"value": Float::decode(payload)?.value()}),
        "fcd2" => button(payload, circumstances)?,
        "scaip:mrq" => alarm_request(payload)?,
        "personnummer" => identity_number(payload),
        unknown => bail!("there is no decoder for {unknown}, only for {KINDS}"),
    })
}

const KINDS: &str = "2a35, 2a35:beurer, 2a36, 2a49, 2b34, 2b36, 2a37, 2a5e, 2a5f, 2a1c, 2a9d, 2a19, 2a08, 2a2b, 2a0f, \
    2a52, fcd2, nonin, berrymed, yonker, microlife, microlife:record, omron:14le, omron:14be, scaip:mrq, personnummer, sfloat \
    and float";

/// An object that grows by the fields a payload has.
#[derive(Default)]
struct Shape(Map<String, Json>);

impl Shape {
    fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn with_some<T: Into<Json>>(self, key: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    fn with_number(self, key: &str, number: Sfloat) -> Self {
        self.with(key, json!(number.value()))
    }

    fn with_some_number(self, key: &str, number: Option<Sfloat>) -> Self {
        self.with_some(key, number.map(|number| json!(number.value())))
    }

    fn with_time(self, time: DateTime) -> Self {
        let DateTime { year, month, day, hour, minute, second } = time;
        let known = |part: u16| (part != 0).then_some(part);
        let parts = json!({
            "year": known(year), "month": known(month.into()), "day": known(day.into()),
            "hour": hour, "minute": minute, "second": second,
        });
        let (timestamp, state) = match time.state() {
            State::Complete(_) => (parts, "ok"),
            State::Incomplete => (parts, "incomplete"),
            State::Invalid => (Json::Null, "invalid"),
        };
        self.with("timestamp", timestamp).with("timestamp_state", state)
    }

    fn with_some_time(self, time: Option<DateTime>) -> Self {
        match time {
            Some(time) => self.with_time(time),
            None => self,
        }
    }

    /// The user is in the payload, and may be unknown.
    fn with_user(self, user: Option<u8>, slot: Option<u8>) -> Self {
        self.with_some("user_id", user.map(|_| json!(slot)))
    }

    fn with_clinical(self, usable: bool) -> Self {
        self.with("clinical", if usable { "usable" } else { "not_usable" })
    }

    fn with_warnings(self, warnings: &Warnings) -> Json {
        let words: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        Json::Object(self.with("warnings", words).0)
    }
}

fn blood_pressure(measurement: &blood_pressure::Measurement) -> Json {
    pressures(&measurement.pressures)
        .with_some_time(measurement.taken)
        .with_some_number("pulse", measurement.pulse)
        .with_user(measurement.user, measurement.user_slot())
        .with_some("status", measurement.status.map(cuff_status))
        .with_clinical(measurement.is_usable())
        .with_warnings(&measurement.warnings())
}

fn enhanced_blood_pressure(measurement: &blood_pressure::Enhanced) -> Json {
    let iso =
        |seconds: blood_pressure::Seconds| seconds.since(measurement.epoch).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    pressures(&measurement.pressures)
        .with_some("time_utc", measurement.taken.map(iso))
        .with_some_number("pulse", measurement.pulse)
        .with_user(measurement.user, measurement.user_slot())
        .with_some("status", measurement.status.map(cuff_status))
        .with_some("user_facing_time", measurement.user_facing.map(iso))
        .with_clinical(measurement.is_usable())
        .with_warnings(&measurement.warnings())
}

fn cuff_pressure(measurement: &blood_pressure::CuffPressure) -> Json {
    Shape::default()
        .with("unit", measurement.unit.unit().to_string())
        .with_number("cuff_pressure", measurement.pressure)
        .with_some_time(measurement.taken)
        .with_some_number("pulse", measurement.pulse)
        .with_user(measurement.user, measurement.user_slot())
        .with_some("status", measurement.status.map(cuff_status))
        .with_warnings(&measurement.warnings())
}

fn pressures(pressures: &blood_pressure::Pressures) -> Shape {
    Shape::default()
        .with("unit", pressures.unit.unit().to_string())
        .with_number("systolic", pressures.systolic)
        .with_number("diastolic", pressures.diastolic)
        .with_number("map", pressures.mean)
}

fn cuff_status(status: blood_pressure::Status) -> Json {
    let pulse_range = match status.pulse_range() {
        blood_pressure::PulseRange::InRange => "in_range",
        blood_pressure::PulseRange::AboveUpper => "above_upper",
        blood_pressure::PulseRange::BelowLower => "below_lower",
        blood_pressure::PulseRange::Reserved => "reserved",
    };
    json!({
        "raw": status.0,
        "body_movement": status.body_movement(),
        "cuff_too_loose": status.cuff_too_loose(),
        "irregular_pulse": status.irregular_pulse(),
        "pulse_range": pulse_range,
        "improper_position": status.improper_position(),
    })
}

fn blood_pressure_feature(feature: &blood_pressure::Feature) -> Json {
    Shape::default()
        .with("body_movement", feature.body_movement())
        .with("cuff_fit", feature.cuff_fit())
        .with("irregular_pulse", feature.irregular_pulse())
        .with("pulse_range", feature.pulse_range())
        .with("position", feature.position())
        .with("multiple_bond", feature.multiple_bond())
        .with("e2e_crc", feature.e2e_crc())
        .with("user_data_service", feature.user_data_service())
        .with("user_facing_time", feature.user_facing_time())
        .with_warnings(&feature.warnings())
}

fn record_segment(segment: &blood_pressure::Segment) -> Json {
    Shape::default()
        .with("first", segment.first)
        .with("last", segment.last)
        .with("segment", segment.counter)
        .with("sequence", segment.sequence)
        .with("inner_uuid", format!("{:04x}", segment.inner))
        .with("payload", hex::encode(&segment.part))
        .with_some("crc", segment.crc)
        .with_warnings(&Warnings::new())
}

fn heart_rate(measurement: &heart_rate::Measurement) -> Json {
    let contact = match measurement.contact() {
        Contact::Detected => "detected",
        Contact::NotDetected => "not_detected",
        Contact::NotSupported => "not_supported",
    };
    Shape::default()
        .with("bpm", measurement.rate.bpm())
        .with("contact", contact)
        .with_some("energy_kj", measurement.energy)
        .with_some("rr_1024", measurement.intervals.clone())
        .with_clinical(measurement.is_usable())
        .with_warnings(&measurement.warnings())
}

fn spot_check(measurement: &SpotCheck) -> Json {
    Shape::default()
        .with_number("spo2", measurement.values.oxygen)
        .with_number("pulse", measurement.values.pulse)
        .with("clock_set", !measurement.clock_not_set)
        .with_some_time(measurement.taken)
        .with_some("measurement_status", measurement.measurement_status.map(measurement_status))
        .with_some("sensor_status", measurement.sensor_status.map(sensor_status))
        .with_some_number("pai", measurement.amplitude)
        .with_clinical(measurement.is_usable())
        .with_warnings(&measurement.warnings())
}

fn continuous(measurement: &Continuous) -> Json {
    let oxygen = |pair: Pair| pair.oxygen;
    let pulse = |pair: Pair| pair.pulse;
    Shape::default()
        .with_number("spo2", measurement.values.oxygen)
        .with_number("pulse", measurement.values.pulse)
        .with_some_number("spo2_fast", measurement.fast.map(oxygen))
        .with_some_number("pulse_fast", measurement.fast.map(pulse))
        .with_some_number("spo2_slow", measurement.slow.map(oxygen))
        .with_some_number("pulse_slow", measurement.slow.map(pulse))
        .with_some("measurement_status", measurement.measurement_status.map(measurement_status))
        .with_some("sensor_status", measurement.sensor_status.map(sensor_status))
        .with_some_number("pai", measurement.amplitude)
        .with_clinical(measurement.is_usable())
        .with_warnings(&measurement.warnings())
}

fn measurement_status(status: MeasurementStatus) -> Json {
    status.names().collect()
}

fn sensor_status(status: SensorStatus) -> Json {
    status.names().collect()
}

fn temperature(measurement: &thermometer::Measurement) -> Json {
    let unit = match measurement.scale {
        Scale::Celsius => "C",
        Scale::Fahrenheit => "F",
    };
    Shape::default()
        .with("unit", unit)
        .with("temperature", json!(measurement.temperature.value()))
        .with_some_time(measurement.taken)
        .with_some("type", measurement.site.map(|site| site.name().unwrap_or("reserved")))
        .with_clinical(measurement.is_usable())
        .with_warnings(&measurement.warnings())
}

fn weight(measurement: &weight_scale::Measurement) -> Json {
    Shape::default()
        .with("unit", measurement.weight_unit().to_string())
        .with("weight", json!(measurement.weight()))
        .with_some_time(measurement.taken)
        .with_user(measurement.user, measurement.user_slot())
        .with_some("bmi", measurement.bmi().map(|bmi| json!(bmi)))
        .with_some("height", measurement.height().map(|height| json!(height)))
        .with_clinical(measurement.is_usable())
        .with_warnings(&measurement.warnings())
}

fn nonin(measurement: &nonin::Measurement) -> Json {
    Shape::default()
        .with("spo2", json!(measurement.oxygen()))
        .with("pulse", json!(measurement.pulse()))
        .with("pai", json!(measurement.amplitude()))
        .with("counter", measurement.counter)
        .with_clinical(measurement.is_usable())
        .with_warnings(&measurement.warnings())
}

/// The last of the packets that a notification holds.
pub(super) fn last_packet(notification: &[u8]) -> anyhow::Result<berrymed::Packet> {
    let packets = berrymed::Packets::default().hear(notification);
    let last = packets.last().context("there is no whole packet of five bytes in it")?;
    Ok(berrymed::Packet::decode(last)?)
}

fn berrymed(packet: &berrymed::Packet) -> Json {
    Shape::default()
        .with("spo2", json!(packet.oxygen()))
        .with("pulse", json!(packet.pulse()))
        .with_clinical(packet.is_usable())
        .with_warnings(&Warnings::new())
}

fn yonker(result: &yonker::Measurement) -> Json {
    json!({
        "systolic": result.systolic,
        "diastolic": result.diastolic,
        "pulse": result.pulse,
        "timestamp": result.taken().map(minute),
    })
}

fn microlife_record(record: &microlife::Record) -> Json {
    json!({
        "systolic": record.systolic,
        "diastolic": record.diastolic,
        "pulse": record.pulse,
        "timestamp": record.taken().map(minute),
        "clinical": if record.meaning().usable { "usable" } else { "not_usable" },
    })
}

/// A time that is known to the minute.
fn minute(time: civil::DateTime) -> Json {
    json!({
        "year": time.year(), "month": time.month(), "day": time.day(), "hour": time.hour(), "minute": time.minute(),
    })
}

fn battery_level(level: &battery::Level) -> Json {
    Shape::default().with("percent", level.percent()).with_warnings(&level.warnings())
}

fn wall_clock(clock: &clock::WallClock) -> Json {
    Shape::default().with_time(clock.time).with_warnings(&clock.warnings())
}

fn current_time(clock: &clock::CurrentTime) -> Json {
    Shape::default()
        .with_time(clock.time)
        .with("day_of_week", (clock.day_of_week != 0).then_some(clock.day_of_week))
        .with("fractions256", clock.fractions)
        .with("adjust", clock.adjust.names().collect::<Json>())
        .with_warnings(&clock.warnings())
}

fn local_time(local: &clock::LocalTime) -> Json {
    Shape::default()
        .with("tz_minutes", local.zone_minutes())
        .with("dst_minutes", local.summer_minutes())
        .with_warnings(&local.warnings())
}

fn record_access(indication: &Indication) -> Json {
    let shape = match indication {
        Indication::NumberOfRecords(count) => {
            Shape::default().with("op", "number_of_records").with("count", count.number())
        }
        Indication::Response { request, result } => {
            let result = result.name().map_or_else(|| format!("reserved:{}", result.0), str::to_owned);
            Shape::default().with("op", "response").with("request_op", *request).with("result", result)
        }
    };
    shape.with_warnings(&Warnings::new())
}

fn button(service_data: &[u8], circumstances: &Circumstances) -> anyhow::Result<Json> {
    let contents = Frame::decode(service_data)?.open(&circumstances.enrolled()?)?;
    let objects: Json = contents
        .objects
        .iter()
        .map(|object| {
            json!({"id": format!("{:02x}", object.id), "name": object.name, "value": object_value(&object.value)})
        })
        .collect();
    Ok(Shape::default()
        .with("encrypted", contents.counter.is_some())
        .with("trigger_based", contents.trigger_based)
        .with_some("mac", contents.address.map(|address| address.to_string()))
        .with_some("counter", contents.counter)
        .with_some("plaintext", contents.counter.map(|_| hex::encode(&contents.plaintext)))
        .with("objects", objects)
        .with_warnings(&contents.warnings))
}

fn object_value(value: &ObjectValue) -> Json {
    match value {
        ObjectValue::Number(number) => json!(number),
        ObjectValue::Boolean(yes) => json!(yes),
        ObjectValue::Button(event) => json!(event.to_string()),
        ObjectValue::Dimmer { event, steps } => json!({"event": event.to_string(), "steps": steps}),
        ObjectValue::Text(text) => json!(text),
        ObjectValue::Raw(bytes) => json!(hex::encode(bytes)),
        ObjectValue::Version(version) => json!(version),
    }
}

fn identity_number(text: &[u8]) -> Json {
    match std::str::from_utf8(text).ok().and_then(|text| text.parse::<Written>().ok()) {
        Some(written) => json!({"valid": true, "coordination": written.is_coordination()}),
        None => json!({"valid": false}),
    }
}

/// What an alarm unit is answered, and what it said where that is taken.
fn alarm_request(payload: &[u8]) -> anyhow::Result<Json> {
    let request = match scaip::Request::read(payload) {
        Ok(heard) => heard.request,
        Err(refused) => {
            let status = refused.fault.status().context(refused.fault)?;
            return Ok(Json::Object(
                Shape::default().with("snu", status.number()).with_some("ref", refused.reference).0,
            ));
        }
    };
    let shape = Shape::default()
        .with("snu", scaip::Status::OK.number())
        .with("ref", request.reference.as_str())
        .with("mty", request.kind.as_str())
        .with("cid", request.controller.as_str())
        .with("dty", request.device_type.number())
        .with_some("did", request.device.as_ref().map(|device| device.as_str()))
        .with_some("crd", request.caller.as_ref().map(|caller| caller.as_str()))
        .with_some("lte", request.location_text.as_ref().map(|text| text.as_str()))
        .with_some("stc", request.status.map(|status| status.number()))
        .with_some("lco", request.location.map(|location| location.number()));
    Ok(Json::Object(shape.0))
}
