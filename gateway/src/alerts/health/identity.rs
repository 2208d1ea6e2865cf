//! What happens to the identities of boxes: one that was cut off with something in it, one that came back after years,
//! one that shows a certificate of yesterday.

use serde::{Deserialize, Serialize};

use super::IDENTITY;
use crate::alerts::Severity;
use crate::alerts::line::Reader;
use crate::wording::Lang;

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "snake_case")]
pub enum Happened {
    /// A named person cut a box off that still had something.
    CutOff {
        /// Who.
        by: String,
        /// Why.
        why: String,
        /// Alarms that it still had.
        alarms: u64,
        /// Readings likewise.
        readings: u64,
    },
    /// A named person has written off what a box had that was cut off.
    WrittenOff {
        /// Who.
        by: String,
        /// Why.
        why: String,
        /// Alarms.
        alarms: u64,
        /// Readings.
        readings: u64,
    },
    /// A box came back whose certificate had expired. It proved that it has its old key, and got a new certificate.
    CameBack {
        /// When that certificate expired.
        expired_ms: i64,
    },
    /// A box shows a certificate in the place of which it was given another, which was used.
    OldCertificate,
}

impl Happened {
    pub(super) fn case(&self) -> (&'static str, Severity) {
        let severity = match self {
            Self::CutOff { alarms: 0, .. } | Self::OldCertificate => Severity::Medium,
            Self::CutOff { .. } => Severity::High,
            Self::WrittenOff { .. } | Self::CameBack { .. } => Severity::Low,
        };
        (IDENTITY, severity)
    }

    pub(super) fn say(&self, reader: &Reader) -> String {
        let lang = reader.lang;
        match self {
            Self::CutOff { by, why, alarms, readings } => {
                let held = held(*alarms, *readings, lang);
                lang.pick(
                    format!(
                        "{by} stängde av boxen: {why}. I den ligger {held} som inte har nått oss. Ta reda på hur personen \
                         mår, och skriv sedan av det som inte går att få fram."
                    ),
                    format!(
                        "{by} cut the box off: {why}. It holds {held} that have not reached us. Find out how the person \
                         is, and then write off what cannot be got."
                    ),
                )
            }
            Self::WrittenOff { by, why, alarms, readings } => {
                let held = held(*alarms, *readings, lang);
                lang.pick(
                    format!("{by} skrev av {held} som låg i den avstängda boxen: {why}."),
                    format!("{by} wrote off {held} that were in the box that was cut off: {why}."),
                )
            }
            Self::CameBack { expired_ms } => {
                let at = reader.moment(*expired_ms);
                lang.pick(
                    format!(
                        "Boxens certifikat gick ut {at}. Nu har boxen hört av sig, visat att den har sin gamla nyckel och \
                         fått ett nytt."
                    ),
                    format!(
                        "The box's certificate expired {at}. Now the box is back; it proved that it has its old key, and \
                         got a new certificate."
                    ),
                )
            }
            Self::OldCertificate => lang
                .pick(
                    "En box visar ett certifikat som har bytts ut: den har fått tillbaka en gammal kopia av sitt minne, \
                     eller så har någon annan en kopia. Den släpps inte in. Koppla in rätt box på nytt med en ny kod.",
                    "A box shows a certificate that was replaced: it was given an old copy of its memory, or somebody \
                     else has a copy. It is not let in. Enrol the right box again with a fresh code.",
                )
                .to_owned(),
        }
    }
}

fn held(alarms: u64, readings: u64, lang: Lang) -> String {
    let alarms_said = match (lang, alarms) {
        (Lang::Sv, alarms) => format!("{alarms} larm"),
        (Lang::En, 1) => "1 alarm".to_owned(),
        (Lang::En, alarms) => format!("{alarms} alarms"),
    };
    let readings_said = match (lang, readings) {
        (Lang::Sv, 1) => "1 mätning".to_owned(),
        (Lang::Sv, readings) => format!("{readings} mätningar"),
        (Lang::En, 1) => "1 reading".to_owned(),
        (Lang::En, readings) => format!("{readings} readings"),
    };
    match (alarms, readings) {
        (_, 0) => alarms_said,
        (0, _) => readings_said,
        (_, _) => format!("{alarms_said} {} {readings_said}", lang.pick("och", "and")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn what_a_box_held_that_was_cut_off_is_said_and_an_alarm_in_it_is_urgent() {
        let cut_off = |alarms, readings| Happened::CutOff { by: "Siv".into(), why: "stulen".into(), alarms, readings };
        let say = |happened: &Happened, lang| happened.say(&Reader { lang, zone: TimeZone::UTC });
        assert_eq!(cut_off(1, 0).case().1, Severity::High);
        assert_eq!(cut_off(0, 3).case().1, Severity::Medium);
        assert!(say(&cut_off(2, 1), Lang::Sv).contains("2 larm och 1 mätning"));
        assert!(say(&cut_off(1, 0), Lang::En).contains("holds 1 alarm that"));
        assert!(say(&cut_off(0, 3), Lang::En).contains("holds 3 readings that"));
    }
}
