//! Measured values, devices and what devices say about them, in words that people read.

use hempuls_protocol::observation::{Decimal, Observation, Quantity, Special, Value};

use crate::store::records::Record;
use crate::wording::Lang;

/// What was measured.
pub(crate) fn quantity(quantity: Quantity, lang: Lang) -> &'static str {
    match quantity {
        Quantity::Systolic => lang.pick("Övertryck (systoliskt)", "Systolic pressure"),
        Quantity::Diastolic => lang.pick("Undertryck (diastoliskt)", "Diastolic pressure"),
        Quantity::MeanArterialPressure => lang.pick("Medeltryck", "Mean pressure"),
        Quantity::PulseRate | Quantity::OximeterPulseRate => lang.pick("Puls", "Pulse"),
        Quantity::OxygenSaturation => lang.pick("Syremättnad", "Oxygen saturation"),
        Quantity::PulseAmplitudeIndex => lang.pick("Pulsstyrka", "Pulse amplitude"),
        Quantity::HeartRate => lang.pick("Hjärtfrekvens", "Heart rate"),
        Quantity::BodyTemperature => lang.pick("Temperatur", "Temperature"),
        Quantity::BodyWeight => lang.pick("Vikt", "Weight"),
        Quantity::BodyHeight => lang.pick("Längd", "Height"),
        Quantity::BodyMassIndex => lang.pick("BMI", "BMI"),
    }
}

/// A number as people of this language write it.
pub(crate) fn decimal(number: &Decimal, lang: Lang) -> String {
    lang.pick(number.to_string().replace('.', ",").replace('-', "−"), number.to_string().replace('-', "−"))
}

/// A value, or what the device said instead.
pub(crate) fn value(value: &Value, lang: Lang) -> String {
    match value {
        Value::Number(number) => decimal(number, lang),
        Value::Special(Special::NaN | Special::NRes | Special::Reserved) => {
            lang.pick("inget värde", "no value").to_owned()
        }
        Value::Special(Special::PositiveInfinity) => lang.pick("över mätområdet", "above the range").to_owned(),
        Value::Special(Special::NegativeInfinity) => lang.pick("under mätområdet", "below the range").to_owned(),
    }
}

/// One observation with its unit: `36,6 °C`, and for a minute of a stream its lowest and highest.
pub(crate) fn with_unit(observation: &Observation, lang: Lang) -> String {
    let text = value(&observation.value, lang);
    let text = if observation.value.number().is_some() { format!("{text} {}", observation.unit) } else { text };
    match &observation.spread {
        Some(spread) => format!("{text} ({}–{})", decimal(&spread.lowest, lang), decimal(&spread.highest, lang)),
        None => text,
    }
}

/// All that a reading says, on one line: `128/82 mmHg · Puls 64 /min`.
pub(crate) fn summary(reading: &Record, lang: Lang) -> String {
    if reading.observations.is_empty() {
        return lang.pick("Kunde inte tolkas", "Could not be read").to_owned();
    }
    let mut parts = Vec::new();
    if let (Some(systolic), Some(diastolic)) = (reading.value(Quantity::Systolic), reading.value(Quantity::Diastolic)) {
        let (above, below) = (value(&systolic.value, lang), value(&diastolic.value, lang));
        parts.push(if above == below && systolic.value.number().is_none() {
            format!("{}: {above}", lang.pick("Blodtryck", "Blood pressure"))
        } else {
            format!("{above}/{below} {}", systolic.unit)
        });
    }
    let paired = parts.len() == 1;
    for observation in &reading.observations {
        let in_pair = matches!(observation.quantity, Quantity::Systolic | Quantity::Diastolic) && paired;
        // What a cuff computes from the two pressures says nothing more to those who read both.
        if !in_pair && observation.quantity != Quantity::MeanArterialPressure {
            parts.push(format!("{} {}", quantity(observation.quantity, lang), with_unit(observation, lang)));
        }
    }
    parts.join(" · ")
}

/// What a device says about its measurement.
pub(crate) fn mark(mark: &str, lang: Lang) -> String {
    let known = MARKS.iter().find(|(word, _, _)| *word == mark);
    known.map_or_else(|| mark.replace('_', " "), |(_, sv, en)| lang.pick(*sv, *en).to_owned())
}

const MARKS: &[(&str, &str, &str)] = &[
    ("body_movement", "rörde sig", "moved"),
    ("cuff_too_loose", "manschetten satt löst", "cuff too loose"),
    ("irregular_pulse", "oregelbunden puls", "irregular pulse"),
    ("pulse_above_range", "pulsen över mätområdet", "pulse above range"),
    ("pulse_below_range", "pulsen under mätområdet", "pulse below range"),
    ("improper_position", "fel armställning", "arm not held right"),
    ("no_skin_contact", "ingen hudkontakt", "no skin contact"),
    ("unfinished", "mätningen blev inte klar", "did not finish"),
    ("early_estimate", "tidig uppskattning", "early estimate"),
    ("from_storage", "från apparatens minne", "from the device's memory"),
    ("not_a_person", "demonstrationsvärde", "demonstration value"),
    ("unavailable", "kunde inte mäta", "could not measure"),
    ("questionable", "osäkert värde", "doubtful value"),
    ("invalid", "ogiltigt värde", "invalid value"),
    ("poor_signal", "dålig signal", "poor signal"),
    ("low_perfusion", "kallt finger eller svag cirkulation", "cold finger or weak circulation"),
    ("sensor_off", "givaren satt inte på", "sensor not on"),
    ("malfunction", "fel på apparaten", "device fault"),
    ("unsuccessful", "vägningen misslyckades", "weighing failed"),
    ("clock_not_set", "apparatens klocka är inte ställd", "device clock not set"),
];

#[cfg(test)]
mod tests {
    use hempuls_protocol::devices::Mark;
    use hempuls_protocol::observation::Unit;
    use hempuls_protocol::times::{BootId, Taken, Trust};

    use super::*;

    #[test]
    fn a_blood_pressure_is_said_as_nurses_say_it() {
        let mut reading = empty();
        reading.observations = vec![
            Observation::new(Quantity::Systolic, Decimal::whole(128), Unit::MillimetreOfMercury, true),
            Observation::new(Quantity::Diastolic, Decimal::whole(82), Unit::MillimetreOfMercury, true),
            Observation::new(Quantity::MeanArterialPressure, Decimal::whole(97), Unit::MillimetreOfMercury, true),
            Observation::new(Quantity::PulseRate, Decimal::new(645, -1), Unit::PerMinute, true),
        ];
        assert_eq!(summary(&reading, Lang::Sv), "128/82 mmHg · Puls 64,5 /min");
        assert_eq!(summary(&reading, Lang::En), "128/82 mmHg · Pulse 64.5 /min");
    }

    #[test]
    fn a_failed_measurement_is_said_to_have_no_value() {
        let mut reading = empty();
        assert_eq!(summary(&reading, Lang::Sv), "Kunde inte tolkas");
        reading.observations = vec![
            Observation::new(Quantity::Systolic, Value::Special(Special::NaN), Unit::MillimetreOfMercury, false),
            Observation::new(Quantity::Diastolic, Value::Special(Special::NaN), Unit::MillimetreOfMercury, false),
        ];
        assert_eq!(summary(&reading, Lang::Sv), "Blodtryck: inget värde");
    }

    #[test]
    fn every_mark_has_words() {
        for code in 0_u8..=u8::MAX {
            if let Ok(known) = minicbor::decode::<Mark>(&minicbor::to_vec(code).expect("memory is enough")) {
                let word = serde_json::to_value(known).expect("a word");
                let word = word.as_str().expect("a word");
                assert!(MARKS.iter().any(|(named, _, _)| *named == word), "{word}");
            }
        }
    }

    fn empty() -> Record {
        Record {
            id: "1".into(),
            is_alarm: false,
            device: "F0:F1:F2:F3:F4:F5".into(),
            slot: None,
            characteristic: "2a35".into(),
            raw: vec![1],
            dialect: "standard".into(),
            marks: Vec::new(),
            unreadable: None,
            device_time: None,
            measured_ms: None,
            measured_by: None,
            is_ambiguous: false,
            taken: Taken { boot: BootId([0; 16]), since_boot_ms: 0, wall_ms: None, trust: Trust::Unknown },
            agent: "aaaaaaaaaaaaaaaa".into(),
            home: "home".into(),
            stored_ms: 0,
            person: None,
            possibly_same_as: None,
            observations: Vec::new(),
        }
    }
}
