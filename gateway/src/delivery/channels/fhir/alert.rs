//! One alert as FHIR has it: a Task that somebody takes and ends, and a Communication for each message that got through.

use super::json::Json;
use super::reading::{Bundle, Dialect, concept, instant, known_patient, reference, written};
use crate::alerts::alert::State;
use crate::alerts::line;
use crate::alerts::{ALARMS, Severity};
use crate::store::fhir::Alert;
use crate::wording::Lang;

/// Adds an alert. `focus`: the identity of the reading that its story shows first.
pub(super) fn add(bundle: &mut Bundle, dialect: &Dialect, alert: &Alert, focus: Option<&str>) {
    let case = &alert.case;
    let patient = known_patient(bundle, dialect, &alert.person, alert.number.as_ref());
    let identifier = dialect.identifier("alert", &case.id);
    let (status, owner, changed_ms) = match &case.alert.state {
        State::Open => ("requested", None, case.alert.rung_ms),
        State::Claimed(claim) => ("accepted", Some(claim.by.as_str()), claim.at_ms),
        State::Closed { by, at_ms } => ("completed", Some(by.as_str()), *at_ms),
    };
    let kinds = format!("{}/cs/alert-kind", dialect.base);
    let task = Json::object([
        ("resourceType", "Task".into()),
        ("identifier", Json::list([written(&identifier)])),
        ("status", status.into()),
        ("intent", "order".into()),
        ("priority", priority(&case.rule, case.alert.severity).into()),
        (
            "code",
            concept(&[(&kinds, &case.rule)], Some(&line::title(&case.rule, case.alert.confirmed, None, Lang::Sv))),
        ),
    ])
    .with_some(
        "focus",
        focus.map(|identity| {
            let reading = dialect.identifier("reading", identity);
            Json::object([("type", "Observation".into()), ("identifier", written(&reading))])
        }),
    )
    .with("for", reference(&patient))
    .with("authoredOn", instant(case.opened_ms))
    .with("lastModified", instant(changed_ms))
    .with_some("owner", owner.map(|name| Json::object([("display", name.into())])));
    bundle.update("Task", &identifier, task);
    for (delivery, since_ms, ended_ms) in &alert.told {
        let told = dialect.identifier("message", delivery);
        let category = concept(&[("http://terminology.hl7.org/CodeSystem/communication-category", "alert")], None);
        let communication = Json::object([
            ("resourceType", "Communication".into()),
            ("identifier", Json::list([written(&told)])),
            ("status", "completed".into()),
            ("category", Json::list([category])),
            ("priority", priority(&case.rule, case.alert.severity).into()),
            ("subject", reference(&patient)),
            ("about", Json::list([Json::object([("type", "Task".into()), ("identifier", written(&identifier))])])),
            ("sent", instant(*since_ms).into()),
            ("received", instant(*ended_ms).into()),
        ]);
        bundle.create("Communication", &told, communication);
    }
}

fn priority(rule: &str, severity: Severity) -> &'static str {
    match severity {
        _ if ALARMS.contains(&rule) => "stat",
        Severity::High => "stat",
        Severity::Medium => "urgent",
        Severity::Low => "routine",
    }
}
