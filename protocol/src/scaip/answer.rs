//! What the receiving centre answers: `mrs`.

use std::fmt;
use std::str::FromStr;

use super::Fault;
use super::document::{Document, Writing};
use super::values::{Against, Code, Digit, Reference, Text, Version};

/// What became of a request: a number of up to 5 digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(u32);

impl Status {
    /// It is taken.
    pub const OK: Self = Self(0);
    /// The message is too long.
    pub const TOO_LONG: Self = Self(1);
    /// The message has a form it cannot have.
    pub const INVALID_FORMAT: Self = Self(2);
    /// A value is wrong.
    pub const WRONG_DATA: Self = Self(3);
    /// The unit is to wait and send the same again.
    pub const HOLD: Self = Self(4);
    /// Nobody here treats it: the unit is to go to the next receiver.
    pub const NOT_TREATED: Self = Self(5);
    /// Nobody has time: the unit is to go to the next receiver.
    pub const BUSY: Self = Self(6);
    /// An element that must be there is missing.
    pub const TAG_MISSING: Self = Self(7);

    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl FromStr for Status {
    type Err = Against;

    fn from_str(text: &str) -> Result<Self, Against> {
        let fits = (1..=5).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
        if fits { text.parse().map(Self).map_err(|_| Against) } else { Err(Against) }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One answer. Every element, in the order in which they are written:
///
/// | element | form              | what                                                                                 |
/// |---------|-------------------|--------------------------------------------------------------------------------------|
/// | ref     | 1–16 alphanumeric | the request's; absent where that could not be read                                   |
/// | snu     | 1–5 digits        | what became of the request                                                           |
/// | ste     | 1–128 characters  | the same in words                                                                    |
/// | cve     | NN.NN             | the version to use                                                                   |
/// | mre     | 2 digits, also read with 1 | 0 no voice, 1 duplex, 2 microphone only, 3 speaker only                     |
/// | cre     | 2 digits          | 61 call the receiver you know, 62 call the number in tnu                             |
/// | tnu     | 1–256 characters  | number or SIP address to call                                                        |
/// | hbi     | 1 digit           | how often to send a heartbeat, by a code                                             |
///
/// Source: the public schema (GermanBlas/SCAIP-TFG).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// `ref`.
    pub reference: Option<Reference>,
    /// `snu`.
    pub status: Status,
    /// `ste`.
    pub text: Option<Text<128>>,
    /// `cve`.
    pub version: Option<Version>,
    /// `mre`.
    pub media: Option<Code<2>>,
    /// `cre`.
    pub call: Option<Code<2>>,
    /// `tnu`.
    pub number: Option<Text<256>>,
    /// `hbi`.
    pub heartbeat: Option<Digit>,
}

const ROOT: &str = "mrs";

const ELEMENTS: [&str; 8] = ["ref", "snu", "ste", "cve", "mre", "cre", "tnu", "hbi"];

impl Answer {
    /// An answer that says no more than what became of a request.
    #[must_use]
    pub fn plain(reference: Option<Reference>, status: Status) -> Self {
        Self { reference, status, text: None, version: None, media: None, call: None, number: None, heartbeat: None }
    }

    /// Reads the body of a message. Elements that nobody knows are left out.
    ///
    /// # Errors
    /// Why it is no answer.
    pub fn read(body: &[u8]) -> Result<Self, Fault> {
        let document = Document::read(body, ROOT, &ELEMENTS)?;
        Ok(Self {
            reference: document.value("ref")?,
            status: document.needed("snu")?,
            text: document.value("ste")?,
            version: document.value("cve")?,
            media: document.value("mre")?,
            call: document.value("cre")?,
            number: document.value("tnu")?,
            heartbeat: document.value("hbi")?,
        })
    }

    /// The body of a message.
    #[must_use]
    pub fn write(&self) -> String {
        Writing::open(ROOT)
            .with_some("ref", self.reference.as_ref())
            .with("snu", self.status)
            .with_some("ste", self.text.as_ref().map(Text::as_str))
            .with_some("cve", self.version)
            .with_some("mre", self.media)
            .with_some("cre", self.call)
            .with_some("tnu", self.number.as_ref().map(Text::as_str))
            .with_some("hbi", self.heartbeat)
            .close(ROOT)
    }
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_written_in_the_order_that_units_expect() {
        let answer = Answer {
            media: Code::new(1),
            call: Code::new(61),
            ..Answer::plain("A7K2M9Q4T1V8X5Z3".parse().ok(), Status::OK)
        };
        let body = "<mrs><ref>A7K2M9Q4T1V8X5Z3</ref><snu>0</snu><mre>01</mre><cre>61</cre></mrs>";
        assert_eq!(answer.write(), body);
        assert_eq!(Answer::read(body.as_bytes()), Ok(answer.clone()));
        assert_eq!(Answer::read(body.replace("01", "1").as_bytes()), Ok(answer), "senders use one digit");
    }

    #[test]
    fn an_answer_without_a_status_is_none() {
        assert_eq!(Answer::read(b"<mrs><ref>C1</ref></mrs>"), Err(Fault::Missing("snu")));
        assert_eq!(Answer::read(b"<mrs><ref>C1</ref><snu>ok</snu></mrs>"), Err(Fault::Pattern("snu")));
        assert_eq!(Answer::read(b"<mrq><ref>C1</ref></mrq>"), Err(Fault::Malformed("its root is another")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_the_same(
            reference in of("[0-9a-zA-Z]{1,16}"), status in 0..=99_999u32, text in of("[^\\p{C}\\s]{1,128}"),
            version in of("[0-9]{2}\\.[0-9]{2}"), media in of("[0-9]{1,2}"), call in of("[0-9]{1,2}"),
            number in of("[^\\p{C}\\s]{1,256}"), heartbeat in of("[0-9]"),
        ) {
            fn parsed<T: FromStr<Err = Against>>(text: Option<String>) -> Option<T> {
                text.map(|text| text.parse().expect("the strategy keeps to the pattern"))
            }
            let answer = Answer {
                reference: parsed(reference), status: Status(status), text: parsed(text), version: parsed(version),
                media: parsed(media), call: parsed(call), number: parsed(number), heartbeat: parsed(heartbeat),
            };
            prop_assert_eq!(Answer::read(answer.write().as_bytes()), Ok(answer));
        }
    }
}
