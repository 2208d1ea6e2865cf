//! The words for blood pressures above a limit.

use super::{Exceeded, Found, Measured, Pressure};
use crate::alerts::line::Reader;
use crate::alerts::rules::Waiting;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    let (systolic, diastolic) = found.limit;
    let limit = format!("{systolic}/{diastolic} mmHg");
    match &found.what {
        Exceeded::Confirmed { first, mean } => {
            let (mean, first) = (pressure(mean, lang), measured(first, reader));
            lang.pick(
                format!("Medelvärdet av de två senaste mätningarna, {mean} mmHg, når gränsen {limit}. Första mätningen: {first}."),
                format!("The mean of the last two readings, {mean} mmHg, reaches the limit {limit}. First reading: {first}."),
            )
        }
        Exceeded::Unconfirmed { first, got, wanted, within_ms } => {
            let (first, within) = (measured(first, reader), reader.span(*within_ms));
            lang.pick(
                format!("{first} når gränsen {limit}. Bara {got} av {wanted} ommätningar kom inom {within}."),
                format!("{first} reaches the limit {limit}. Only {got} of {wanted} repeats came within {within}."),
            )
        }
        Exceeded::Late { count, highest } => {
            let highest = measured(highest, reader);
            lang.pick(
                format!("{count} mätningar som nådde oss mer än 6 timmar för sent når gränsen {limit}. Högst: {highest}."),
                format!("{count} readings that reached us more than 6 hours late reach the limit {limit}. Highest: {highest}."),
            )
        }
    }
}

/// What the rule waits for, in the reader's words: for the work list.
#[must_use]
pub fn say_waiting(waiting: &Waiting, reader: &Reader) -> String {
    let (next, wanted) = (waiting.got + 1, waiting.wanted);
    let until = reader.time(waiting.due_ms);
    let first = super::remember(waiting).first().map(|first| measured(first, reader)).unwrap_or_default();
    reader.lang.pick(
        format!("{first}. Väntar på ommätning {next} av {wanted}, till {until}."),
        format!("{first}. Waiting for repeat {next} of {wanted}, until {until}."),
    )
}

fn measured(reading: &Measured, reader: &Reader) -> String {
    let (pressure, at) = (pressure(&reading.pressure, reader.lang), reader.time(reading.at_ms));
    reader.lang.pick(format!("{pressure} mmHg kl. {at}"), format!("{pressure} mmHg at {at}"))
}

fn pressure(pressure: &Pressure, lang: Lang) -> String {
    let tenths = |value: Option<i64>| match value {
        Some(value) if value % 10 == 0 => (value / 10).to_string(),
        Some(value) => format!("{}{}{}", value / 10, lang.pick(',', '.'), value % 10),
        None => "–".to_owned(),
    };
    format!("{}/{}", tenths(pressure.systolic), tenths(pressure.diastolic))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn a_line_says_with_numbers_why_it_is_there() {
        let first =
            Measured { at_ms: 1_800_000_000_000, pressure: Pressure { systolic: Some(1915), diastolic: Some(1000) } };
        let mean = Pressure { systolic: Some(1850), diastolic: None };
        let found = |what| Found { version: 1, limit: (180, 110), what };
        let reader = |lang| Reader { lang, zone: TimeZone::UTC };
        assert_eq!(
            say(&found(Exceeded::Confirmed { first, mean }), &reader(Lang::En)),
            "The mean of the last two readings, 185/– mmHg, reaches the limit 180/110 mmHg. \
             First reading: 191.5/100 mmHg at 08:00."
        );
        let unconfirmed = Exceeded::Unconfirmed { first, got: 1, wanted: 2, within_ms: 900_000 };
        assert_eq!(
            say(&found(unconfirmed), &reader(Lang::Sv)),
            "191,5/100 mmHg kl. 08:00 når gränsen 180/110 mmHg. Bara 1 av 2 ommätningar kom inom 15 min."
        );
    }
}
