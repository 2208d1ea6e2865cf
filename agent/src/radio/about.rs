//! What a device says of itself, and how its model departs from the standard.
//!
//! A model is recognised by its name and by Device Information, never by the values it sends.

use hempuls_protocol::devices::{DeviceKind, Dialect};

/// Device Information, as far as a device has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct About {
    /// Who made it (0x2A29).
    pub manufacturer: Option<String>,
    /// What it is (0x2A24).
    pub model: Option<String>,
    /// Its firmware (0x2A26).
    pub firmware: Option<String>,
}

impl About {
    /// For people: `BM 85 (1.2.0)`.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let model = self.model.as_deref()?;
        Some(match &self.firmware {
            Some(firmware) => format!("{model} ({firmware})"),
            None => model.to_owned(),
        })
    }

    /// The dialect of a device of this kind that advertises this name and says this of itself.
    #[must_use]
    pub fn dialect(&self, kind: DeviceKind, name: Option<&str>) -> Option<Dialect> {
        let named = |name: &str| Dialect::of_model(kind, name);
        self.model.as_deref().and_then(named).or_else(|| name.and_then(named))
    }
}

/// A text of Device Information. Devices pad it with zeros and spaces; what is left when nothing is, is none.
#[must_use]
pub fn text(payload: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(payload);
    let text: String = text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).chars().take(LONGEST).collect();
    (!text.is_empty()).then_some(text)
}

/// More is no name.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_what_it_says_of_itself_or_by_its_name_in_the_air() {
        let says = |model: &str| About { model: Some(model.into()), ..About::default() };
        let cuff = DeviceKind::BloodPressure;
        for (name, about, dialect) in [
            (Some("BM85"), About::default(), Some(Dialect::Beurer)),
            (None, says("BM 85"), Some(Dialect::Beurer)),
            (Some("My cuff"), says("BM 85"), Some(Dialect::Beurer)),
            (Some("UA-651BLE"), says("UA-651BLE"), None),
            (None, About::default(), None),
        ] {
            assert_eq!(about.dialect(cuff, name), dialect, "{name:?} {about:?}");
        }
        assert_eq!(says("BM 85").dialect(DeviceKind::Thermometer, Some("BM85")), None);
    }

    #[test]
    fn padded_texts_are_read_as_they_were_meant() {
        assert_eq!(text(b"BM 85\0\0\0").as_deref(), Some("BM 85"));
        assert_eq!(text(b"  UA-651BLE ").as_deref(), Some("UA-651BLE"));
        assert_eq!(text(b"\0\0"), None);
        assert_eq!(text(&[0xFF; 200]).map(|text| text.chars().count()), Some(LONGEST));
        let about = About { model: Some("BM 85".into()), firmware: Some("1.2.0".into()), ..About::default() };
        assert_eq!(about.summary().as_deref(), Some("BM 85 (1.2.0)"));
        assert_eq!(About::default().summary(), None);
    }
}
