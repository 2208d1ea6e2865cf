//! The words for values beyond a limit.

use super::{Exceeded, Found, Measured, Side};
use crate::alerts::line::Reader;
use crate::alerts::rules::Waiting;
use crate::alerts::rules::vital::{Values, Vital};
use crate::plan::{Tenths, wording::number};
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    let vital = found.vital;
    let limit = limit(vital, &found.limits, lang);
    let is_beyond = is_beyond(found.side, lang);
    match &found.what {
        Exceeded::Confirmed { first, mean } => {
            let (mean, first) = (with_unit(vital, mean, lang), measured(vital, first, reader));
            let what =
                lang.pick("Ommätningen (medelvärdet av de två senaste)", "The repeat (the mean of the last two)");
            lang.pick(
                format!("{what}, {mean}, {is_beyond} {limit}. Första mätningen: {first}."),
                format!("{what}, {mean}, {is_beyond} {limit}. First reading: {first}."),
            )
        }
        Exceeded::Unconfirmed { first, got, wanted, within_ms } => {
            let (first, within) = (measured(vital, first, reader), reader.span(*within_ms));
            lang.pick(
                format!("{first} {is_beyond} {limit}. Bara {got} av {wanted} ommätningar kom inom {within}."),
                format!("{first} {is_beyond} {limit}. Only {got} of {wanted} repeats came within {within}."),
            )
        }
        Exceeded::Still(reading) => {
            let reading = measured(vital, reading, reader);
            lang.pick(
                format!("Fortfarande: {reading} {is_beyond} {limit}."),
                format!("Still: {reading} {is_beyond} {limit}."),
            )
        }
        Exceeded::Back(reading) => {
            let reading = measured(vital, reading, reader);
            lang.pick(
                format!("Två mätningar i rad är tillbaka innanför {limit} med marginal, senast {reading}."),
                format!("Two readings in a row are back inside {limit} by a margin, the last {reading}."),
            )
        }
    }
}

/// What a rule waits for, in the reader's words: for the work list.
#[must_use]
pub fn say_waiting(vital: Vital, waiting: &Waiting, reader: &Reader) -> String {
    let (next, wanted) = (waiting.got + 1, waiting.wanted);
    let until = reader.time(waiting.due_ms);
    let first = super::first(waiting);
    let said = first.map(|first| measured(vital, &first, reader)).unwrap_or_default();
    let doubt = if first.is_some_and(|first| first.is_doubtful) {
        reader.lang.pick(
            " Apparaten tvivlar på värdet, så det bedöms inte.",
            " The device doubts the value, so it is not judged.",
        )
    } else {
        ""
    };
    reader.lang.pick(
        format!("{said}.{doubt} Väntar på ommätning {next} av {wanted}, till {until}."),
        format!("{said}.{doubt} Waiting for repeat {next} of {wanted}, until {until}."),
    )
}

/// A case about such values.
#[must_use]
pub fn title(side: Side, vital: Vital, lang: Lang) -> &'static str {
    match (side, vital) {
        (Side::Above, Vital::BloodPressure) => lang.pick("Blodtryck över gränsen", "Blood pressure above the limit"),
        (Side::Below, Vital::BloodPressure) => lang.pick("Blodtryck under gränsen", "Blood pressure below the limit"),
        (Side::Above, Vital::Pulse) => lang.pick("Puls över gränsen", "Pulse above the limit"),
        (Side::Below, Vital::Pulse) => lang.pick("Puls under gränsen", "Pulse below the limit"),
        (Side::Above, Vital::Oxygen) => lang.pick("Syremättnad över gränsen", "Oxygen saturation above the limit"),
        (Side::Below, Vital::Oxygen) => lang.pick("Syremättnad under gränsen", "Oxygen saturation below the limit"),
        (Side::Above, Vital::Temperature) => lang.pick("Temperatur över gränsen", "Temperature above the limit"),
        (Side::Below, Vital::Temperature) => lang.pick("Temperatur under gränsen", "Temperature below the limit"),
        (Side::Above, Vital::Weight) => lang.pick("Vikt över gränsen", "Weight above the limit"),
        (Side::Below, Vital::Weight) => lang.pick("Vikt under gränsen", "Weight below the limit"),
    }
}

pub(in crate::alerts::rules) fn is_beyond(side: Side, lang: Lang) -> &'static str {
    match side {
        Side::Above => lang.pick("når gränsen", "reaches the limit"),
        Side::Below => lang.pick("är under gränsen", "is below the limit"),
    }
}

/// `180/110 mmHg`, `92 %`.
pub(in crate::alerts::rules) fn limit(vital: Vital, limits: &[Option<Tenths>], lang: Lang) -> String {
    let said = |limit: &Option<Tenths>| limit.map_or("–".to_owned(), |limit| number(limit, lang));
    let said: Vec<String> = match vital {
        Vital::BloodPressure => limits.iter().map(said).collect(),
        Vital::Pulse | Vital::Oxygen | Vital::Temperature | Vital::Weight => limits.iter().take(1).map(said).collect(),
    };
    format!("{} {}", said.join("/"), unit(vital))
}

/// `191.5/100 mmHg at 08:00`.
pub(in crate::alerts::rules) fn measured(vital: Vital, reading: &Measured, reader: &Reader) -> String {
    let (said, at) = (with_unit(vital, &reading.values, reader.lang), reader.time(reading.at_ms));
    reader.lang.pick(format!("{said} kl. {at}"), format!("{said} at {at}"))
}

pub(in crate::alerts::rules) fn values(vital: Vital, reading: &Measured, lang: Lang) -> String {
    with_unit(vital, &reading.values, lang)
}

fn with_unit(vital: Vital, values: &Values, lang: Lang) -> String {
    limit(vital, &values.of_vital(vital).map(|value| value.map(Tenths)), lang)
}

fn unit(vital: Vital) -> &'static str {
    match vital {
        Vital::BloodPressure => "mmHg",
        Vital::Pulse => "/min",
        Vital::Oxygen => "%",
        Vital::Temperature => "°C",
        Vital::Weight => "kg",
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn reader(lang: Lang) -> Reader {
        Reader { lang, zone: TimeZone::UTC }
    }

    #[test]
    fn a_line_says_with_numbers_why_it_is_there() {
        let values = Values { systolic: Some(1915), diastolic: Some(1000), ..Values::default() };
        let first = Measured { at_ms: 1_800_000_000_000, values, is_doubtful: false };
        let mean = Values { systolic: Some(1850), ..Values::default() };
        let limits = vec![Some(Tenths::whole(180)), Some(Tenths::whole(110))];
        let found =
            |what| Found { version: 2, side: Side::Above, vital: Vital::BloodPressure, limits: limits.clone(), what };
        assert_eq!(
            say(&found(Exceeded::Confirmed { first, mean }), &reader(Lang::En)),
            "The repeat (the mean of the last two), 185/– mmHg, reaches the limit 180/110 mmHg. \
             First reading: 191.5/100 mmHg at 08:00."
        );
        let unconfirmed = Exceeded::Unconfirmed { first, got: 1, wanted: 2, within_ms: 900_000 };
        assert_eq!(
            say(&found(unconfirmed), &reader(Lang::Sv)),
            "191,5/100 mmHg kl. 08:00 når gränsen 180/110 mmHg. Bara 1 av 2 ommätningar kom inom 15 min."
        );
        let values = Values { oxygen: Some(840), ..Values::default() };
        let still = Exceeded::Still(Measured { at_ms: 1_800_000_000_000, values, is_doubtful: false });
        let low = Found {
            side: Side::Below,
            vital: Vital::Oxygen,
            limits: vec![Some(Tenths::whole(92)), None],
            ..found(still)
        };
        assert_eq!(say(&low, &reader(Lang::Sv)), "Fortfarande: 84 % kl. 08:00 är under gränsen 92 %.");
    }

    #[test]
    fn a_line_of_an_earlier_version_is_still_read() {
        let stored = r#"{"version":1,"limit":[180,110],"what":{"unconfirmed":{"first":{"at_ms":1800000000000,
            "pressure":{"systolic":1910,"diastolic":null}},"got":0,"wanted":2,"within_ms":900000}}}"#;
        let said = say(&serde_json::from_str(stored).unwrap(), &reader(Lang::En));
        assert!(said.starts_with("191/– mmHg at 08:00 reaches the limit 180/110 mmHg."), "{said}");
    }
}
