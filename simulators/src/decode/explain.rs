//! A decoded payload in words, for the person who installs a device.

use std::fmt::Write;

use hempuls_protocol::devices::{Characteristic, Dialect, Mark, interpret, nonin};
use serde_json::Value as Json;

use super::shape::last_packet;

/// What a kind of payload is called.
pub(super) fn name(uuid: &str) -> &str {
    match uuid {
        "2a35" => "blood pressure (2a35)",
        "2a35:beurer" => "blood pressure (2a35, Beurer dialect)",
        "2a36" => "cuff pressure while inflating (2a36)",
        "2a49" => "list of what the cuff can detect (2a49)",
        "2b34" => "enhanced blood pressure (2b34)",
        "2b36" => "segment of a stored blood pressure (2b36)",
        "2a37" => "heart rate (2a37)",
        "2a5e" => "oximeter spot check (2a5e)",
        "2a5f" => "oximeter stream (2a5f)",
        "2a1c" => "temperature (2a1c)",
        "2a9d" => "weight (2a9d)",
        "2a19" => "battery level (2a19)",
        "2a08" => "date and time (2a08)",
        "2a2b" => "current time (2a2b)",
        "2a0f" => "time zone (2a0f)",
        "2a52" => "answer about stored records (2a52)",
        "fcd2" => "BTHome advertisement (fcd2)",
        "nonin" => "oximeter stream (Nonin 3230)",
        "berrymed" => "oximeter stream (BerryMed)",
        "yonker" => "blood pressure (Yonker)",
        "microlife" => "answer of a cuff (Microlife)",
        "omron:14le" => "stored blood pressure (Omron HEM-714x)",
        "omron:14be" => "stored blood pressure (Omron HEM-7322, HEM-7600)",
        "microlife:record" => "stored blood pressure (Microlife)",
        "scaip:mrq" => "message of an alarm unit (SCAIP)",
        "personnummer" => "number of a person (personnummer)",
        unknown => unknown,
    }
}

/// The fields of a decoded payload with their units, then what the device says about it, then what is odd.
pub(super) fn in_words(uuid: &str, payload: &[u8], result: &Json) -> String {
    let mut text = format!("{}, {} bytes\n", name(uuid), payload.len());
    let has_seen = uuid.starts_with("omron:");
    for field in FIELDS.iter().filter(|field| !has_seen || SEEN.iter().all(|(key, _)| *key != field.key)) {
        if let Some(value) = result.get(field.key) {
            line(&mut text, field.label, &with_unit(value, &field.unit, result));
        }
    }
    for object in result["objects"].as_array().into_iter().flatten() {
        line(&mut text, &plain(&object["name"]), &plain(&object["value"]));
    }
    for (_, mark) in SEEN.iter().filter(|(key, _)| has_seen && result[*key] == true) {
        line(&mut text, "the device says", said(*mark));
    }
    for mark in marks(uuid, payload) {
        line(&mut text, "the device says", said(mark));
    }
    if let Some(clinical) = result["clinical"].as_str() {
        line(&mut text, "for limits and trends", if clinical == "usable" { "usable" } else { "not usable" });
    }
    for warning in result["warnings"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        line(&mut text, "note", &noted(warning));
    }
    text
}

/// What an Omron record says the cuff saw, under the keys with which others say what they can see.
const SEEN: [(&str, Mark); 2] = [("body_movement", Mark::BodyMovement), ("irregular_pulse", Mark::IrregularPulse)];

struct Field {
    key: &'static str,
    label: &'static str,
    unit: Unit,
}

/// The unit that stands behind a value.
enum Unit {
    None,
    Fixed(&'static str),
    /// The one the payload names.
    Named,
    /// The one that goes with the unit of the weight.
    Length,
}

const fn field(key: &'static str, label: &'static str, unit: Unit) -> Field {
    Field { key, label, unit }
}

/// In the order in which they are told.
const FIELDS: [Field; 67] = [
    field("value", "value", Unit::None),
    field("systolic", "systolic", Unit::Named),
    field("diastolic", "diastolic", Unit::Named),
    field("map", "mean arterial pressure", Unit::Named),
    field("cuff_pressure", "cuff pressure", Unit::Named),
    field("spo2", "oxygen saturation", Unit::Fixed("%")),
    field("bpm", "heart rate", Unit::Fixed("beats/min")),
    field("pulse", "pulse", Unit::Fixed("beats/min")),
    field("spo2_fast", "oxygen saturation, fast", Unit::Fixed("%")),
    field("pulse_fast", "pulse, fast", Unit::Fixed("beats/min")),
    field("spo2_slow", "oxygen saturation, slow", Unit::Fixed("%")),
    field("pulse_slow", "pulse, slow", Unit::Fixed("beats/min")),
    field("pai", "pulse amplitude index", Unit::Fixed("%")),
    field("temperature", "temperature", Unit::Named),
    field("type", "taken at", Unit::None),
    field("weight", "weight", Unit::Named),
    field("bmi", "body mass index", Unit::Fixed("kg/m²")),
    field("height", "height", Unit::Length),
    field("percent", "battery", Unit::Fixed("%")),
    field("timestamp", "device's clock", Unit::None),
    field("time_utc", "device's clock (UTC)", Unit::None),
    field("user_facing_time", "time the user saw", Unit::None),
    field("clock_set", "clock is set", Unit::None),
    field("day_of_week", "day of the week", Unit::Fixed("(1 is Monday)")),
    field("fractions256", "fractions", Unit::Fixed("/256 s")),
    field("adjust", "clock was set because of", Unit::None),
    field("tz_minutes", "time zone", Unit::Fixed("min from UTC")),
    field("dst_minutes", "summer time", Unit::Fixed("min")),
    field("user_id", "user of the device", Unit::None),
    field("contact", "skin contact", Unit::None),
    field("energy_kj", "energy", Unit::Fixed("kJ")),
    field("rr_1024", "time between beats", Unit::Fixed("/1024 s")),
    field("measurement_status", "measurement status", Unit::None),
    field("sensor_status", "sensor status", Unit::None),
    field("body_movement", "detects movement", Unit::None),
    field("cuff_fit", "detects a loose cuff", Unit::None),
    field("irregular_pulse", "detects irregular pulse", Unit::None),
    field("pulse_range", "detects pulse out of range", Unit::None),
    field("position", "detects wrong position", Unit::None),
    field("multiple_bond", "several bonds", Unit::None),
    field("user_data_service", "knows its users", Unit::None),
    field("e2e_crc", "adds checksums", Unit::None),
    field("first", "first segment", Unit::None),
    field("last", "last segment", Unit::None),
    field("segment", "segment", Unit::None),
    field("sequence", "record number", Unit::None),
    field("inner_uuid", "carries", Unit::None),
    field("payload", "bytes", Unit::None),
    field("crc", "checksum", Unit::None),
    field("count", "stored records", Unit::None),
    field("request_op", "asked for (op code)", Unit::None),
    field("result", "result", Unit::None),
    field("encrypted", "encrypted", Unit::None),
    field("mac", "address", Unit::None),
    field("counter", "counter", Unit::None),
    field("snu", "answer", Unit::Fixed("(0 is taken)")),
    field("ref", "reference", Unit::None),
    field("mty", "kind of message", Unit::None),
    field("cid", "unit", Unit::None),
    field("dty", "kind of device", Unit::None),
    field("did", "device", Unit::None),
    field("stc", "what happened", Unit::None),
    field("lco", "where", Unit::None),
    field("lte", "where, in words", Unit::None),
    field("crd", "call back", Unit::None),
    field("valid", "can be one", Unit::None),
    field("coordination", "coordination number", Unit::None),
];

fn line(text: &mut String, label: &str, value: &str) {
    writeln!(text, "  {label:<26}{value}").expect("a string takes all that is written");
}

fn with_unit(value: &Json, unit: &Unit, result: &Json) -> String {
    let value = plain(value);
    match unit {
        Unit::Fixed(unit) => format!("{value} {unit}"),
        Unit::Named => match result["unit"].as_str() {
            Some("C") => format!("{value} °C"),
            Some("F") => format!("{value} °F"),
            Some(unit) => format!("{value} {unit}"),
            // Cuffs that know one unit only.
            None => format!("{value} mmHg"),
        },
        Unit::Length => format!("{value} {}", if result["unit"] == "lb" { "in" } else { "m" }),
        Unit::None => value,
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::Null => "not known".to_owned(),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.replace('_', " "),
        Json::Array(values) if values.is_empty() => "none".to_owned(),
        Json::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Json::Object(parts) if parts.contains_key("year") => time(value),
        Json::Object(parts) => {
            parts.iter().map(|(key, part)| format!("{key} {}", plain(part))).collect::<Vec<_>>().join(", ")
        }
    }
}

fn time(parts: &Json) -> String {
    let part = |key: &str, width: usize| match &parts[key] {
        Json::Number(number) => format!("{:0>width$}", number.to_string()),
        _ => "?".repeat(width),
    };
    let minute = format!(
        "{}-{}-{} {}:{}",
        part("year", 4),
        part("month", 2),
        part("day", 2),
        part("hour", 2),
        part("minute", 2)
    );
    if parts.get("second").is_some() { format!("{minute}:{}", part("second", 2)) } else { minute }
}

fn marks(uuid: &str, payload: &[u8]) -> Vec<Mark> {
    let meaning = match uuid {
        "nonin" => interpret(nonin::MEASUREMENT, Dialect::Nonin, payload).ok(),
        "berrymed" => last_packet(payload).ok().map(|packet| packet.meaning()),
        "2a35:beurer" => interpret(Characteristic::BLOOD_PRESSURE_MEASUREMENT, Dialect::Beurer, payload).ok(),
        number => {
            let characteristic: Result<Characteristic, _> = number.parse();
            characteristic.ok().and_then(|characteristic| interpret(characteristic, Dialect::Standard, payload).ok())
        }
    };
    meaning.map(|meaning| meaning.marks).unwrap_or_default()
}

fn said(mark: Mark) -> &'static str {
    match mark {
        Mark::BodyMovement => "the person moved",
        Mark::CuffTooLoose => "the cuff was too loose",
        Mark::IrregularPulse => "the pulse was irregular",
        Mark::PulseAboveRange => "the pulse was above its upper limit",
        Mark::PulseBelowRange => "the pulse was below its lower limit",
        Mark::ImproperPosition => "the arm was not held right",
        Mark::NoSkinContact => "the strap does not touch skin",
        Mark::Unfinished => "the measurement is still going on",
        Mark::EarlyEstimate => "this is an early estimate",
        Mark::FromStorage => "this comes from its memory",
        Mark::NotAPerson => "this is a demonstration, a test or a calibration",
        Mark::Unavailable => "there is no value",
        Mark::Questionable => "the value is questionable",
        Mark::Invalid => "the value is invalid",
        Mark::PoorSignal => "the signal is poor",
        Mark::LowPerfusion => "the finger is cold or has little blood",
        Mark::SensorOff => "the sensor is not where it should be",
        Mark::Malfunction => "the sensor or the device does not work",
        Mark::Unsuccessful => "it could not weigh",
        Mark::ClockNotSet => "its clock is not set",
    }
}

fn noted(warning: &str) -> String {
    let (kind, about) = warning.split_once(':').unwrap_or((warning, ""));
    match kind {
        "reserved_flags" => {
            "flag bits are set that mean nothing; if values look wrong, the model may have a dialect".to_owned()
        }
        "reserved_status" | "reserved_measurement_status" | "reserved_sensor_status" | "reserved_adjust_reason" => {
            "status bits are set that mean nothing".to_owned()
        }
        "timestamp_incomplete" => "the date is not known: set the device's clock".to_owned(),
        "timestamp_invalid" => "there is no such time: set the device's clock".to_owned(),
        "trailing_bytes" => format!("{about} bytes follow that belong to no field; the model may have a dialect"),
        "pulse_unusable" => "the pulse is none that a person can have, and is left out".to_owned(),
        "rr_flag_without_values" => "times between beats are announced, and none came".to_owned(),
        "unsuccessful" => "the scale could not weigh".to_owned(),
        "special" => format!("{about} is no number: the device could not measure it"),
        "implausible" if about == "sys_le_dia" => "the systolic pressure is not above the diastolic one".to_owned(),
        "implausible" => format!("{about} is none that a person can have"),
        "object_ids_not_ascending" => "the objects are not in the order of their ids".to_owned(),
        "unknown_object" => format!("object {about} is not known; what follows it cannot be read"),
        "truncated_object" => format!("object {about} is cut off"),
        "bad_boolean" => format!("object {about} is neither yes nor no, and counts as yes"),
        "bad_text" => "a text is not UTF-8".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{capture::Circumstances, shape};

    #[test]
    fn an_installer_sees_who_was_measured_when_and_how() {
        assert_eq!(
            explained("2a35:beurer", "56760050000000ea07080b141b00003c000004"),
            "\
blood pressure (2a35, Beurer dialect), 19 bytes
  systolic                  118 mmHg
  diastolic                 80 mmHg
  mean arterial pressure    0 mmHg
  pulse                     60 beats/min
  device's clock            2026-08-11 20:27:00
  user of the device        0
  the device says           the pulse was irregular
  for limits and trends     usable
  note                      flag bits are set that mean nothing; if values look wrong, the model may have a dialect
"
        );
    }

    #[test]
    fn an_installer_sees_that_a_button_was_pressed() {
        assert_eq!(
            explained("fcd2", "40005201643a01"),
            "\
BTHome advertisement (fcd2), 7 bytes
  encrypted                 no
  packet id                 82
  battery                   100
  button                    press
"
        );
    }

    #[test]
    fn an_installer_sees_what_an_alarm_unit_said() {
        let body =
            "<mrq><ref>a3</ref><mty>IN</mty><cid>123</cid><dty>0003</dty><did>00000007</did><stc>0016</stc></mrq>";
        assert_eq!(
            explained("scaip:mrq", &hex::encode(body)),
            "\
message of an alarm unit (SCAIP), 100 bytes
  answer                    0 (0 is taken)
  reference                 a3
  kind of message           IN
  unit                      123
  kind of device            3
  device                    00000007
  what happened             16
"
        );
    }

    fn explained(uuid: &str, hex: &str) -> String {
        let payload = hex::decode(hex).expect("hex");
        let result = shape::decode(uuid, &payload, &Circumstances::default()).expect("it can be read");
        in_words(uuid, &payload, &result)
    }
}
