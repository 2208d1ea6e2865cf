//! The values of elements. Whoever holds one need not check it again.

use std::fmt;
use std::str::FromStr;

/// A value breaks the pattern of its element.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the value is against the pattern of its element")]
pub struct Against;

/// What tells one message of a unit from another: 1 to 16 letters and digits. The answer repeats it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reference(String);

/// By which number the receiving centre knows a unit's customer: 1 to 16 digits, of which leading zeros count.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ControllerId(String);

/// A text of 1 to `MOST` characters, none of them a control character. It may tell of people, and is not shown when
/// debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct Text<const MOST: usize>(String);

/// The id of the device that was used, such as a pendant: 1 to 8 characters, and up to 32 from units that send more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SentDevice(Text<32>);

/// A number of up to `DIGITS` digits from one of the code lists, or from none of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Code<const DIGITS: usize>(u16);

/// A number of one digit.
pub type Digit = Code<1>;

/// A version of the protocol, as 01.00.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version {
    /// Before the dot, 0 to 99.
    major: u8,
    /// After it, 0 to 99.
    minor: u8,
}

impl Reference {
    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ControllerId {
    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MOST: usize> Text<MOST> {
    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SentDevice {
    /// An id that any receiver takes.
    ///
    /// # Errors
    /// [`Against`] when it is empty or has more than 8 characters.
    pub fn new(id: &str) -> Result<Self, Against> {
        let short: Text<8> = id.parse()?;
        Ok(Self(Text(short.0)))
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<const DIGITS: usize> Code<DIGITS> {
    /// The code of this number; `None` when it has more digits than the element takes.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number.checked_ilog10().map_or(1, |digits| digits as usize + 1) <= DIGITS).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl Version {
    /// The only one that is known to be in use.
    pub const ONE: Self = Self { major: 1, minor: 0 };
}

impl FromStr for Reference {
    type Err = Against;

    fn from_str(text: &str) -> Result<Self, Against> {
        let fits = (1..=16).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned())).ok_or(Against)
    }
}

impl FromStr for ControllerId {
    type Err = Against;

    fn from_str(text: &str) -> Result<Self, Against> {
        is_digits(text, 16).then(|| Self(text.to_owned())).ok_or(Against)
    }
}

impl<const MOST: usize> FromStr for Text<MOST> {
    type Err = Against;

    /// Blanks before and after are not part of it; a tab or a line's end within counts as a blank.
    fn from_str(text: &str) -> Result<Self, Against> {
        let text: String = text.trim().chars().map(|c| if c.is_ascii_whitespace() { ' ' } else { c }).collect();
        let fits = (1..=MOST).contains(&text.chars().count()) && !text.chars().any(is_no_text);
        fits.then_some(Self(text)).ok_or(Against)
    }
}

impl FromStr for SentDevice {
    type Err = Against;

    fn from_str(text: &str) -> Result<Self, Against> {
        text.parse().map(Self)
    }
}

impl<const DIGITS: usize> FromStr for Code<DIGITS> {
    type Err = Against;

    fn from_str(text: &str) -> Result<Self, Against> {
        if !is_digits(text, DIGITS) {
            return Err(Against);
        }
        text.parse().map(Self).map_err(|_| Against)
    }
}

impl FromStr for Version {
    type Err = Against;

    fn from_str(text: &str) -> Result<Self, Against> {
        let (major, minor) = text.split_once('.').ok_or(Against)?;
        let two = |part: &str| {
            if part.len() == 2 && is_digits(part, 2) { part.parse().map_err(|_| Against) } else { Err(Against) }
        };
        Ok(Self { major: two(major)?, minor: two(minor)? })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ControllerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const DIGITS: usize> fmt::Display for Code<DIGITS> {
    /// With leading zeros, as the schema's examples have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$}", self.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}.{:02}", self.major, self.minor)
    }
}

impl<const MOST: usize> fmt::Debug for Text<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} characters)", self.0.chars().count())
    }
}

fn is_digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit())
}

/// What cannot stand in an XML document, and what nobody sees.
fn is_no_text(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_number_whatever_zeros_stand_before_it() {
        let codes = ["3", "03", "0003"].map(|text| text.parse::<Code<4>>().unwrap());
        assert!(codes.iter().all(|code| code.number() == 3 && code.to_string() == "0003"));
        for text in ["", "00003", "3a", "-3", "+3", " 3"] {
            assert_eq!(text.parse::<Code<4>>(), Err(Against), "{text:?}");
        }
        assert_eq!([0, 9, 10].map(|number| Digit::new(number).is_some()), [true, true, false]);
        assert_eq!([9999, 10_000].map(|number| Code::<4>::new(number).is_some()), [true, false]);
    }

    #[test]
    fn a_text_is_short_and_visible_and_does_not_show_itself() {
        let text: Text<32> = " Anna's\tkitchen\n".parse().unwrap();
        assert_eq!(text.as_str(), "Anna's kitchen");
        assert!(!format!("{text:?}").contains("Anna"));
        assert_eq!(" ".parse::<Text<32>>(), Err(Against));
        assert_eq!("a\0b".parse::<Text<32>>(), Err(Against));
        assert!("å".repeat(32).parse::<Text<32>>().is_ok() && "å".repeat(33).parse::<Text<32>>().is_err());
        assert!(SentDevice::new("00000007").is_ok() && SentDevice::new("000000007").is_err());
    }
}
