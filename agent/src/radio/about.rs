//! What a device says of itself, and how its model departs from the standard.
//!
//! A model is recognised by its name and by Device Information, never by the values it sends.

use hempuls_protocol::devices::Dialect;

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

/// How a model writes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Model {
    /// As the standard says, as far as anybody knows.
    #[default]
    Standard,
    /// A cuff of Beurer's. Not all of them write in their dialect; those that do say so in the form of their payloads.
    BeurerCuff,
}

impl Model {
    /// The model of a device that calls itself so in the air and says this of itself.
    ///
    /// Source: recordings of a Beurer BM 85, and the names of BM 59 and its relatives.
    #[must_use]
    pub fn of(name: Option<&str>, about: &About) -> Self {
        let is_beurers = about.manufacturer.as_deref().is_some_and(|name| starts(name, "beurer"));
        let is_cuff = |name: &str| {
            let model = strip(name, "beurer").unwrap_or(name).trim_start();
            strip(model, "bm").is_some_and(|rest| rest.trim_start().starts_with(|c: char| c.is_ascii_digit()))
        };
        let says_so = name.is_some_and(is_cuff) || (is_beurers && about.model.as_deref().is_some_and(is_cuff));
        // Another maker's BM is not Beurer's.
        let is_others = about.manufacturer.is_some() && !is_beurers;
        if says_so && !is_others { Self::BeurerCuff } else { Self::Standard }
    }

    /// The dialect of a blood pressure that it sends.
    #[must_use]
    pub fn dialect(self, payload: &[u8]) -> Dialect {
        match self {
            Self::BeurerCuff if is_in_beurers_form(payload) => Dialect::Beurer,
            Self::Standard | Self::BeurerCuff => Dialect::Standard,
        }
    }
}

/// Flag bit 6, which means nothing in the standard, and one byte more than the flags promise: the user, unannounced.
fn is_in_beurers_form(payload: &[u8]) -> bool {
    const TIME: u8 = 1 << 1;
    const PULSE: u8 = 1 << 2;
    const USER: u8 = 1 << 3;
    const STATUS: u8 = 1 << 4;
    const BEURERS: u8 = 1 << 6;
    let Some(flags) = payload.first() else { return false };
    let of = |flag: u8, bytes: usize| if flags & flag == 0 { 0 } else { bytes };
    let promised = 7 + of(TIME, 7) + of(PULSE, 2) + of(STATUS, 2);
    flags & BEURERS != 0 && flags & USER == 0 && payload.len() == promised + 1
}

fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    starts(text, prefix).then(|| &text[prefix.len()..])
}

fn starts(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beurer_cuff_is_known_by_its_name_or_by_what_it_says_of_itself() {
        let says = |manufacturer: Option<&str>, model: Option<&str>| About {
            manufacturer: manufacturer.map(Into::into),
            model: model.map(Into::into),
            firmware: None,
        };
        let nothing = About::default();
        for (name, about, model) in [
            (Some("Beurer BM85"), nothing.clone(), Model::BeurerCuff),
            (Some("BM 59"), nothing.clone(), Model::BeurerCuff),
            (None, says(Some("Beurer GmbH"), Some("BM 85")), Model::BeurerCuff),
            (Some("BM77"), says(Some("BEURER"), None), Model::BeurerCuff),
            (Some("BM 59"), says(Some("Somebody Else"), None), Model::Standard),
            (None, says(None, Some("BM 85")), Model::Standard),
            (Some("BMI scale"), nothing.clone(), Model::Standard),
            (Some("Beurer PO60"), nothing.clone(), Model::Standard),
            (Some("UA-651BLE"), says(Some("A&D Medical"), Some("UA-651BLE")), Model::Standard),
            (Some("é"), nothing.clone(), Model::Standard),
            (None, nothing, Model::Standard),
        ] {
            assert_eq!(Model::of(name, &about), model, "{name:?} {about:?}");
        }
    }

    #[test]
    fn a_cuff_of_beurers_that_writes_as_the_standard_says_is_read_so() {
        let hex = |digits: &str| hex::decode(digits).unwrap();
        let bm85 = hex("56780050000000ea070b160a1e000048010000");
        assert_eq!(Model::BeurerCuff.dialect(&bm85), Dialect::Beurer);
        assert_eq!(Model::Standard.dialect(&bm85), Dialect::Standard, "another model is never guessed");
        for standard in ["1e780050005d00ea070b160a1e004800010000", "1c780050005d004800010000", ""] {
            assert_eq!(Model::BeurerCuff.dialect(&hex(standard)), Dialect::Standard, "{standard}");
        }
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
