//! The languages that people read. Words are chosen where they are shown; what is stored has none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A reader's language.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Swedish.
    #[default]
    Sv,
    /// English.
    En,
}

impl Lang {
    /// The words for this reader.
    #[must_use]
    pub fn pick<T>(self, sv: T, en: T) -> T {
        match self {
            Self::Sv => sv,
            Self::En => en,
        }
    }
}

/// The code in `lang="…"`.
impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pick("sv", "en"))
    }
}

/// A language these programs do not speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a language of this console (sv or en)")]
pub struct UnknownLang;

impl FromStr for Lang {
    type Err = UnknownLang;

    fn from_str(code: &str) -> Result<Self, UnknownLang> {
        [Self::Sv, Self::En].into_iter().find(|lang| lang.to_string() == code).ok_or(UnknownLang)
    }
}

/// A device, by what it is rather than by its address.
#[must_use]
pub fn device_kind(kind: Option<&str>, lang: Lang) -> String {
    match kind {
        Some("blood_pressure") => lang.pick("Blodtrycksmätare", "Blood pressure cuff").to_owned(),
        Some("pulse_oximeter") => lang.pick("Pulsoximeter", "Pulse oximeter").to_owned(),
        Some("heart_rate") => lang.pick("Pulsband", "Pulse strap").to_owned(),
        Some("thermometer") => lang.pick("Termometer", "Thermometer").to_owned(),
        Some("weight_scale") => lang.pick("Våg", "Scale").to_owned(),
        Some("alarm_button") => lang.pick("Larmknapp", "Alarm button").to_owned(),
        Some(other) => other.replace('_', " "),
        None => lang.pick("Okänd apparat", "Unknown device").to_owned(),
    }
}
