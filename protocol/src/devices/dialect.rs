//! The dialects in which devices say what they measured.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::DeviceKind;

/// How a model departs from the standard. It is configured with the device or told by its model, never guessed from what a
/// payload says. Numbers on the wire are never given to another dialect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// As the Bluetooth SIG wrote it.
    #[default]
    #[n(0)]
    Standard,
    /// Beurer cuffs such as the BM 85, and their relatives: in a blood pressure, the user id is always there and pulse
    /// and status are big-endian.
    #[n(1)]
    Beurer,
    /// Nonin 3230: see [`nonin`](super::nonin).
    #[n(2)]
    Nonin,
    /// Yonker, Yongrow and Metiko cuffs: see [`yonker`](super::yonker).
    #[n(3)]
    Yonker,
    /// Microlife BP3GY1-2N: see [`microlife`](super::microlife).
    #[n(4)]
    Microlife,
    /// BerryMed clips and their relatives: see [`berrymed`](super::berrymed).
    #[n(5)]
    Berrymed,
}

/// Models whose names begin so speak this dialect. A name is what the device advertises or calls its model; spaces and
/// capitals do not matter.
///
/// Sources: recordings of a Beurer BM 85 (derdilla/blood-pressure-monitor-fl); joergmlpts/blood-pressure-monitor;
/// derdilla/blood-pressure-monitor-fl issue 615 for the Yonker family; andreasdri/nonin-3230-ble;
/// adafruit/Adafruit_CircuitPython_BLE_BerryMed_Pulse_Oximeter.
const MODELS: [(DeviceKind, &str, Dialect); 9] = [
    (DeviceKind::BloodPressure, "bm85", Dialect::Beurer),
    (DeviceKind::BloodPressure, "beurerbm85", Dialect::Beurer),
    (DeviceKind::BloodPressure, "bp3gy1-2n", Dialect::Microlife),
    (DeviceKind::BloodPressure, "yk-ibpa1", Dialect::Yonker),
    (DeviceKind::BloodPressure, "yk-bpw5", Dialect::Yonker),
    (DeviceKind::BloodPressure, "mt-yk-bpa1", Dialect::Yonker),
    (DeviceKind::PulseOximeter, "nonin3230", Dialect::Nonin),
    (DeviceKind::PulseOximeter, "berrymed", Dialect::Berrymed),
    (DeviceKind::PulseOximeter, "bm1000", Dialect::Berrymed),
];

impl Dialect {
    /// Every dialect there is.
    pub const ALL: [Self; 6] =
        [Self::Standard, Self::Beurer, Self::Nonin, Self::Yonker, Self::Microlife, Self::Berrymed];

    /// Its word in configurations, in the store and on the command line: `beurer`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Beurer => "beurer",
            Self::Nonin => "nonin",
            Self::Yonker => "yonker",
            Self::Microlife => "microlife",
            Self::Berrymed => "berrymed",
        }
    }

    /// The dialect of a model, by the name that such a device of this kind advertises or gives its model; none where
    /// nothing is known of it, so that it is taken to keep to the standard.
    #[must_use]
    pub fn of_model(kind: DeviceKind, name: &str) -> Option<Self> {
        let name: String = name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
        let is_it = |(known, model, _): &&(DeviceKind, &str, Self)| *known == kind && name.starts_with(model);
        MODELS.iter().find(is_it).map(|(.., dialect)| *dialect)
    }

    /// Whether devices of this kind can speak it. A button speaks BTHome and no dialect.
    #[must_use]
    pub const fn suits(self, kind: DeviceKind) -> bool {
        match self {
            Self::Standard => !matches!(kind, DeviceKind::AlarmButton),
            Self::Beurer | Self::Yonker | Self::Microlife => matches!(kind, DeviceKind::BloodPressure),
            Self::Nonin | Self::Berrymed => matches!(kind, DeviceKind::PulseOximeter),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no dialect of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no dialect {0:?}, only {dialects}", dialects = Dialect::ALL.map(Dialect::as_str).join(", "))]
pub struct UnknownDialect(String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name).ok_or_else(|| UnknownDialect(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_read_as_it_is_written() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
            assert_eq!(serde_json::to_string(&dialect).expect("a word"), format!("\"{dialect}\""));
        }
        assert!("omron".parse::<Dialect>().unwrap_err().to_string().contains("berrymed"));
    }

    #[test]
    fn a_dialect_is_told_by_the_model_and_the_kind_of_device() {
        let of = |kind, name| Dialect::of_model(kind, name);
        assert_eq!(of(DeviceKind::PulseOximeter, "Nonin3230_502621587"), Some(Dialect::Nonin));
        assert_eq!(of(DeviceKind::PulseOximeter, "BerryMed\0"), Some(Dialect::Berrymed));
        assert_eq!(of(DeviceKind::BloodPressure, "BM 85"), Some(Dialect::Beurer));
        assert_eq!(of(DeviceKind::BloodPressure, "BP3GY1-2N"), Some(Dialect::Microlife));
        assert_eq!(of(DeviceKind::BloodPressure, "UA-651BLE"), None);
        assert_eq!(of(DeviceKind::Thermometer, "BM85"), None);
        for (kind, _, dialect) in MODELS {
            assert!(dialect.suits(kind));
        }
    }
}
