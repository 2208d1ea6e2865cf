//! By which codes FHIR knows what is measured: the one table.
//!
//! Source: reference sheet "HL7 FHIR R4 mapping", section 1 (LOINC, ISO/IEEE 11073-10101, UCUM, profiles of R4).

use hempuls_protocol::observation::Quantity;

pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const MDC: &str = "urn:iso:std:iso:11073:10101";
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

/// A blood pressure as a whole.
pub(super) const BLOOD_PRESSURE: Codes =
    Codes { loinc: &["85354-9"], mdc: "150020", profile: Some("bp"), text: "Blodtryck" };

/// How one quantity is known.
pub(super) struct Codes {
    /// The first is the one that its profile asks for.
    pub(super) loinc: &'static [&'static str],
    pub(super) mdc: &'static str,
    /// Its vital-signs profile, where R4 has one.
    pub(super) profile: Option<&'static str>,
    pub(super) text: &'static str,
}

pub(super) fn codes(quantity: Quantity) -> Codes {
    let (loinc, mdc, profile, text): (&[&str], _, _, _) = match quantity {
        Quantity::Systolic => (&["8480-6"], "150021", None, "Systoliskt blodtryck"),
        Quantity::Diastolic => (&["8462-4"], "150022", None, "Diastoliskt blodtryck"),
        Quantity::MeanArterialPressure => (&["8478-0"], "150023", None, "Medelartärtryck"),
        Quantity::PulseRate => (&["8867-4"], "149546", Some("heartrate"), "Puls"),
        Quantity::OxygenSaturation => (&["2708-6", "59408-5"], "150456", Some("oxygensat"), "Syremättnad"),
        Quantity::OximeterPulseRate => (&["8867-4", "8889-8"], "149530", Some("heartrate"), "Puls"),
        Quantity::PulseAmplitudeIndex => (&["61006-3"], "150488", None, "Pulsationsindex"),
        Quantity::HeartRate => (&["8867-4"], "147842", Some("heartrate"), "Hjärtfrekvens"),
        Quantity::BodyTemperature => (&["8310-5"], "150364", Some("bodytemp"), "Kroppstemperatur"),
        Quantity::BodyWeight => (&["29463-7"], "188736", Some("bodyweight"), "Kroppsvikt"),
        Quantity::BodyHeight => (&["8302-2"], "188740", Some("bodyheight"), "Kroppslängd"),
        Quantity::BodyMassIndex => (&["39156-5"], "188752", Some("bmi"), "BMI"),
    };
    Codes { loinc, mdc, profile, text }
}

/// What a device is specialised in, by its kind. Source: ISO/IEEE 11073-10101, device specialisations.
pub(super) fn specialisation(kind: &str) -> Option<&'static str> {
    match kind {
        "blood_pressure" => Some("528391"),
        "pulse_oximeter" => Some("528388"),
        "heart_rate" => Some("528390"),
        "thermometer" => Some("528392"),
        "weight_scale" => Some("528399"),
        _ => None,
    }
}
