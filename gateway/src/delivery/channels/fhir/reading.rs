//! One reading as FHIR has it: its Observations, whose they are, from which devices, and where they come from.
//!
//! A value goes as the device gave it, but for kPa, which the profile of blood pressure does not take, and metres. One
//! that the device did not give, or that must not feed a judgement, has its reason in its place, never a number. What time
//! nobody knows has no time.

use std::collections::BTreeMap;

use hempuls_protocol::observation::{Decimal, MMHG_PER_KPA, Observation, Quantity, Special, Unit, Value};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::codes::{BLOOD_PRESSURE, Codes, LOINC, MDC, UCUM, codes, specialisation};
use super::json::Json;
use crate::http::mark;
use crate::store::fhir::Outgoing;
use crate::store::ledger::trust_word;
use crate::store::records::{Clock, Record};
use crate::wording::Lang;

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
const STATISTICS: &str = "http://terminology.hl7.org/CodeSystem/observation-statistics";
const PROFILES: &str = "http://hl7.org/fhir/StructureDefinition/";
const GATEWAY_DEVICE: &str = "http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice";
const BLUETOOTH: &str = "http://hl7.org/fhir/sid/eui-48/bluetooth";

/// How things are said to one server.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    /// What our identifiers, codes and extensions begin with.
    pub(super) base: String,
    /// In which zone times are written.
    pub(super) zone: TimeZone,
}

/// What is sent together: each resource once, however many refer to it.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    entries: Vec<Json>,
    known: BTreeMap<String, String>,
}

impl Bundle {
    /// Adds a resource that the server makes unless it has one of that identifier. Returns how others refer to it.
    pub(super) fn create(&mut self, kind: &'static str, identifier: &(String, String), resource: Json) -> String {
        let (system, value) = identifier;
        let request = Json::object([
            ("method", "POST".into()),
            ("url", kind.into()),
            ("ifNoneExist", format!("identifier={}", search(system, value)).into()),
        ]);
        self.add(kind, identifier, request, resource)
    }

    /// Adds a resource that the server makes, or brings to this state.
    pub(super) fn update(&mut self, kind: &'static str, identifier: &(String, String), resource: Json) -> String {
        let (system, value) = identifier;
        let url = format!("{kind}?identifier={}", search(system, value));
        let request = Json::object([("method", "PUT".into()), ("url", url.into())]);
        self.add(kind, identifier, request, resource)
    }

    fn add(&mut self, kind: &str, (system, value): &(String, String), request: Json, resource: Json) -> String {
        let key = format!("{kind} {system}|{value}");
        let urn = urn(&key);
        if self.known.insert(key, urn.clone()).is_none() {
            self.entries.push(Json::object([
                ("fullUrl", urn.clone().into()),
                ("resource", resource),
                ("request", request),
            ]));
        }
        urn
    }

    pub(super) fn write(self) -> String {
        Json::object([
            ("resourceType", "Bundle".into()),
            ("type", "transaction".into()),
            ("entry", Json::List(self.entries)),
        ])
        .to_string()
    }
}

/// Adds a reading with everything that it refers to.
pub(super) fn add(bundle: &mut Bundle, dialect: &Dialect, outgoing: &Outgoing) {
    let record = &outgoing.record;
    let patient = patient(bundle, dialect, outgoing);
    let agent = agent(bundle, dialect, &record.agent);
    let device = device(bundle, dialect, record, outgoing.kind.as_deref());
    let base = |code: &Codes, part: &str| {
        let identifier = dialect.identifier("reading", &format!("{}{part}", outgoing.identity));
        let status = if outgoing.is_changed { "amended" } else { "final" };
        let observation = Json::object([("resourceType", "Observation".into())])
            .with_some("meta", code.profile.map(|name| profile(&format!("{PROFILES}{name}"))))
            .with("extension", Json::list(extensions(dialect, record, &agent)))
            .with("identifier", Json::list([written(&identifier)]))
            .with("status", status)
            .with("category", Json::list([concept(&[(CATEGORY, "vital-signs")], None)]))
            .with("code", coded(code))
            .with("subject", reference(&patient));
        (identifier, effective(observation, dialect, outgoing))
    };
    let finish = |observation: Json| {
        observation
            .with("issued", instant(record.stored_ms))
            .with_some("note", notes(record))
            .with("device", reference(&device))
    };
    let mut made = Vec::new();
    let mut put = |bundle: &mut Bundle, identifier: &(String, String), resource: Json| {
        let urn = match outgoing.is_changed {
            true => bundle.update("Observation", identifier, resource),
            false => bundle.create("Observation", identifier, resource),
        };
        made.push(urn.clone());
        urn
    };
    let is_pressure = |observation: &&Observation| {
        matches!(observation.quantity, Quantity::Systolic | Quantity::Diastolic | Quantity::MeanArterialPressure)
    };
    let pressures: Vec<&Observation> = record.observations.iter().filter(is_pressure).collect();
    let mut whole = None;
    if !pressures.is_empty() {
        let (identifier, observation) = base(&BLOOD_PRESSURE, "");
        let parts = [Quantity::Systolic, Quantity::Diastolic, Quantity::MeanArterialPressure];
        let components = parts.into_iter().filter_map(|quantity| {
            let given = pressures.iter().find(|observation| observation.quantity == quantity);
            let component = Json::object([("code", coded(&codes(quantity)))]);
            match given {
                Some(given) => Some(valued(component, given)),
                // The profile asks for both, and the mean may be left out.
                None if quantity == Quantity::MeanArterialPressure => None,
                None => Some(component.with("dataAbsentReason", concept(&[(ABSENT, "unknown")], None))),
            }
        });
        let observation = finish(observation).with("component", Json::list(components));
        whole = Some(put(bundle, &identifier, observation));
    }
    for (place, given) in record.observations.iter().enumerate().filter(|(_, given)| !is_pressure(given)) {
        let (identifier, observation) = base(&codes(given.quantity), &format!("-{place}"));
        let observation = finish(valued(observation, given))
            .with_some("derivedFrom", whole.as_ref().map(|urn| Json::list([reference(urn)])))
            .with_some("component", spread(given));
        put(bundle, &identifier, observation);
    }
    if !made.is_empty() {
        provenance(bundle, dialect, outgoing, &made, &agent);
    }
}

impl Dialect {
    pub(super) fn identifier(&self, kind: &str, value: &str) -> (String, String) {
        (format!("{}/id/{kind}", self.base), value.to_owned())
    }

    fn extension(&self, name: &str, kind: &'static str, value: impl Into<Json>) -> Json {
        Json::object([("url", format!("{}/StructureDefinition/{name}", self.base).into()), (kind, value.into())])
    }

    /// A moment where people are, with its offset.
    pub(super) fn moment(&self, at_ms: i64) -> String {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// Whose it is: by the number that the registers know her by, else by ours. Her name is not sent.
pub(super) fn patient(bundle: &mut Bundle, dialect: &Dialect, whose: &Outgoing) -> String {
    known_patient(bundle, dialect, &whose.person, whose.number.as_ref())
}

pub(super) fn known_patient(
    bundle: &mut Bundle,
    dialect: &Dialect,
    person: &str,
    number: Option<&(String, String)>,
) -> String {
    let identifier = number.cloned().unwrap_or_else(|| dialect.identifier("person", person));
    let resource = Json::object([
        ("resourceType", "Patient".into()),
        ("identifier", Json::list([written(&identifier)])),
        ("active", true.into()),
    ]);
    bundle.create("Patient", &identifier, resource)
}

/// The box in the home.
pub(super) fn agent(bundle: &mut Bundle, dialect: &Dialect, agent: &str) -> String {
    let identifier = dialect.identifier("box", agent);
    let resource = Json::object([
        ("resourceType", "Device".into()),
        ("identifier", Json::list([written(&identifier)])),
        ("status", "active".into()),
        ("type", concept(&[(MDC, "531981")], None)),
    ]);
    bundle.update("Device", &identifier, resource)
}

fn device(bundle: &mut Bundle, dialect: &Dialect, record: &Record, kind: Option<&str>) -> String {
    let identifier = dialect.identifier("device", &record.device);
    let address = record.device.replace(':', "-");
    let is_address = record.device.len() == 17 && address.split('-').all(|part| part.len() == 2);
    let own = is_address.then(|| written(&(BLUETOOTH.to_owned(), address)));
    let resource = Json::object([("resourceType", "Device".into())])
        .with("identifier", Json::list([written(&identifier)].into_iter().chain(own)))
        .with("status", "active")
        .with("type", concept(&[(MDC, "65573")], None))
        .with_some(
            "specialization",
            kind.and_then(specialisation)
                .map(|code| Json::list([Json::object([("systemType", concept(&[(MDC, code)], None))])])),
        );
    bundle.update("Device", &identifier, resource)
}

/// Where it comes from: the bytes as they were received, by their hash.
fn provenance(bundle: &mut Bundle, dialect: &Dialect, outgoing: &Outgoing, made: &[String], agent: &str) {
    let record = &outgoing.record;
    let raw = (format!("{}/id/raw", dialect.base), format!("sha256:{}", hex::encode(Sha256::digest(&record.raw))));
    let activity = if outgoing.is_changed { "UPDATE" } else { "CREATE" };
    let resource = Json::object([
        ("resourceType", "Provenance".into()),
        ("target", Json::list(made.iter().map(|urn| reference(urn)))),
        ("recorded", instant(record.stored_ms).into()),
        ("activity", concept(&[("http://terminology.hl7.org/CodeSystem/v3-DataOperation", activity)], None)),
        (
            "agent",
            Json::list([Json::object([
                (
                    "type",
                    concept(
                        &[("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "assembler")],
                        None,
                    ),
                ),
                ("who", reference(agent)),
            ])]),
        ),
        (
            "entity",
            Json::list([Json::object([
                ("role", "source".into()),
                ("what", Json::object([("identifier", written(&raw))])),
            ])]),
        ),
    ]);
    // It has no identifier of its own to be found by: a repeat of the whole bundle may add one more, which says the same.
    let key = dialect.identifier("provenance", &outgoing.identity);
    let urn = urn(&format!("Provenance {}|{}", key.0, key.1));
    bundle.entries.push(Json::object([
        ("fullUrl", urn.into()),
        ("resource", resource),
        ("request", Json::object([("method", "POST".into()), ("url", "Provenance".into())])),
    ]));
}

/// By whose clock it was measured, how far that is to be trusted, and what the device's own clock showed.
fn extensions(dialect: &Dialect, record: &Record, agent: &str) -> Vec<Json> {
    let by = record.measured_by.map(Clock::as_str);
    let mut all = vec![
        Json::object([("url", GATEWAY_DEVICE.into()), ("valueReference", reference(agent))]),
        dialect.extension("clock-trust", "valueCode", trust_word(record.taken.trust)),
    ];
    all.extend(by.map(|by| dialect.extension("measured-by", "valueCode", by.replace('_', "-"))));
    all.extend(
        record.device_time.as_ref().map(|shown| dialect.extension("device-time", "valueString", shown.as_str())),
    );
    if record.is_ambiguous {
        all.push(dialect.extension("time-is-ambiguous", "valueBoolean", true));
    }
    if let Some(other) = &record.possibly_same_as {
        all.push(dialect.extension("possibly-same-as", "valueString", other.as_str()));
    }
    all
}

/// When: a moment, the period of a stream's minute, or that nobody knows.
fn effective(observation: Json, dialect: &Dialect, outgoing: &Outgoing) -> Json {
    let span = outgoing.span_ms.filter(|span| *span > 0);
    match (outgoing.record.measured_ms, span) {
        (Some(end), Some(span)) => {
            let period = [("start", dialect.moment(end - span).into()), ("end", dialect.moment(end).into())];
            observation.with("effectivePeriod", Json::object(period))
        }
        (Some(at), None) => observation.with("effectiveDateTime", dialect.moment(at)),
        (None, _) => {
            let why = [("url", format!("{PROFILES}data-absent-reason").into()), ("valueCode", "unknown".into())];
            observation.with("_effectiveDateTime", Json::object([("extension", Json::list([Json::object(why)]))]))
        }
    }
}

/// The value, or why there is none.
fn valued(observation: Json, given: &Observation) -> Json {
    let absent = |reason| concept(&[(ABSENT, reason)], None);
    match given.value {
        Value::Number(number) if given.usable => match quantity(number, given.unit) {
            Some(quantity) => observation.with("valueQuantity", quantity),
            None => observation.with("dataAbsentReason", absent("error")),
        },
        // Kept and shown where it was taken; it must not feed a judgement elsewhere.
        Value::Number(_) => observation.with("dataAbsentReason", absent("error")),
        Value::Special(special) => {
            let reason = match special {
                Special::NaN => "not-a-number",
                Special::NRes | Special::Reserved => "error",
                Special::PositiveInfinity => "positive-infinity",
                Special::NegativeInfinity => "negative-infinity",
            };
            observation.with("dataAbsentReason", absent(reason))
        }
    }
}

/// A number with its unit; none where it has too many digits to be converted.
fn quantity(number: Decimal, unit: Unit) -> Option<Json> {
    let (number, unit, code) = match unit {
        // The profile of blood pressure takes mm[Hg] alone.
        Unit::Kilopascal => (number.checked_mul(&MMHG_PER_KPA)?.rounded(0), "mmHg".to_owned(), "mm[Hg]"),
        // That of height takes centimetres.
        Unit::Metre => (Decimal::new(number.mantissa, number.exponent.checked_add(2)?), "cm".to_owned(), "cm"),
        other => (number, other.to_string(), other.ucum()),
    };
    Some(Json::object([
        ("value", number.into()),
        ("unit", unit.into()),
        ("system", UCUM.into()),
        ("code", code.into()),
    ]))
}

/// What a minute's value is the median of.
fn spread(given: &Observation) -> Option<Json> {
    let spread = given.spread.filter(|_| given.usable)?;
    let part = |statistic, value| {
        Json::object([("code", concept(&[(STATISTICS, statistic)], None)), ("valueQuantity", value)])
    };
    let count = Json::object([
        ("value", Decimal::whole(spread.count.into()).into()),
        ("system", UCUM.into()),
        ("code", "1".into()),
    ]);
    Some(Json::list([
        part("minimum", quantity(spread.lowest, given.unit)?),
        part("maximum", quantity(spread.highest, given.unit)?),
        part("count", count),
    ]))
}

/// What the device says about its measurement, and what it showed where that was converted.
fn notes(record: &Record) -> Option<Json> {
    let marks = record.marks.iter().map(|word| mark(word, Lang::Sv));
    let shown = record.observations.iter().filter(|given| given.unit == Unit::Kilopascal).filter_map(|given| {
        let number = given.value.number()?;
        Some(format!("{}: {number} kPa", codes(given.quantity).text))
    });
    let all: Vec<Json> = marks.chain(shown).map(|text| Json::object([("text", text.into())])).collect();
    (!all.is_empty()).then_some(Json::List(all))
}

fn coded(code: &Codes) -> Json {
    let mut all: Vec<(&str, &str)> = code.loinc.iter().map(|loinc| (LOINC, *loinc)).collect();
    all.push((MDC, code.mdc));
    concept(&all, Some(code.text))
}

pub(super) fn concept(codings: &[(&str, &str)], text: Option<&str>) -> Json {
    let coding = |(system, code): &(&str, &str)| Json::object([("system", (*system).into()), ("code", (*code).into())]);
    Json::object([("coding", Json::list(codings.iter().map(coding)))]).with_some("text", text)
}

pub(super) fn reference(urn: &str) -> Json {
    Json::object([("reference", urn.into())])
}

fn profile(url: &str) -> Json {
    Json::object([("profile", Json::list([url.into()]))])
}

/// An identifier.
pub(super) fn written((system, value): &(String, String)) -> Json {
    Json::object([("system", system.as_str().into()), ("value", value.as_str().into())])
}

/// A moment in UTC, to the millisecond.
pub(super) fn instant(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// An identifier as it is searched for.
fn search(system: &str, value: &str) -> String {
    let quoted = |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    format!("{}%7C{}", quoted(system), quoted(value))
}

/// The same for the same, so that a bundle that is sent again is the same bundle.
fn urn(key: &str) -> String {
    let mut bytes: [u8; 16] = Sha256::digest(key)[..16].try_into().expect("sixteen of thirty-two");
    // A UUID of version 8: made of what its maker likes.
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let digits = hex::encode(bytes);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    format!("urn:uuid:{}", parts.join("-"))
}
