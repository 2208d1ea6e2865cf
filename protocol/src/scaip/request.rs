//! What a unit says: `mrq`.

use super::Fault;
use super::document::{Document, Writing};
use super::values::{Code, ControllerId, Digit, Reference, SentDevice, Text, Version};

/// What a unit wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageType {
    /// `ME`: somebody or something asks for help.
    Alarm,
    /// `RE`: what was asked before is withdrawn.
    Reset,
    /// `IN`: more about an alarm, or about the unit itself.
    Information,
    /// `PI`: the unit is there.
    Heartbeat,
}

/// Where somebody is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// `geo`: latitude and longitude (WGS 84) in degrees, as digits, dots and commas.
    pub coordinates: Option<Text<23>>,
    /// `tim`: when that was measured, as the unit writes it.
    pub at: Option<Text<22>>,
    /// `gga`: the sentence of a satellite receiver (NMEA 0183).
    pub sentence: Option<Text<81>>,
}

/// One request. Every element, in the order in which they are written:
///
/// | element       | form               | what                                                                |
/// |---------------|--------------------|---------------------------------------------------------------------|
/// | ref           | 1–16 alphanumeric  | the message, repeated in its answer; needed                         |
/// | ver           | NN.NN              | version, 01.00 when absent                                          |
/// | mty           | ME, RE, IN, PI     | what the unit wants, ME when absent                                 |
/// | cid           | 1–16 digits        | the customer's unit; needed                                         |
/// | dty, did, dco | 1–4 digits, 1–8 characters, 1–3 digits | the kind of device that was used (needed), its id, its part |
/// | dte           | 1–32 characters    | the device, in words                                                |
/// | stc, stt      | 1–4 digits, 1–32 characters | what happened, by code and in words                        |
/// | lco, lva, lte | 1–3 digits, 1–2, 1–32 characters | where, by code, value and in words                    |
/// | lge           | geo, tim, gga      | where, by satellite                                                 |
/// | ico, ite      | 1–3 digits, 1–128 characters | more                                                      |
/// | crd           | 1–256 characters   | how to call back                                                    |
/// | sco, cha, hbo, pri | 1 digit       | configuration, calling, heartbeat, priority                         |
/// | ame           | 0 or 1             | another message follows                                             |
///
/// Source: the public schema (GermanBlas/SCAIP-TFG), whose dco has a slip: `[0_9]` is read as `[0-9]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// `ref`.
    pub reference: Reference,
    /// `ver`.
    pub version: Option<Version>,
    /// `mty`; an alarm where the unit does not say.
    pub kind: MessageType,
    /// `cid`.
    pub controller: ControllerId,
    /// `dty`.
    pub device_type: Code<4>,
    /// `did`.
    pub device: Option<SentDevice>,
    /// `dco`.
    pub component: Option<Code<3>>,
    /// `dte`.
    pub device_text: Option<Text<32>>,
    /// `stc`.
    pub status: Option<Code<4>>,
    /// `stt`.
    pub status_text: Option<Text<32>>,
    /// `lco`.
    pub location: Option<Code<3>>,
    /// `lva`.
    pub location_value: Option<Text<2>>,
    /// `lte`.
    pub location_text: Option<Text<32>>,
    /// `lge`.
    pub position: Option<Position>,
    /// `ico`.
    pub information: Option<Code<3>>,
    /// `ite`.
    pub information_text: Option<Text<128>>,
    /// `crd`: a scheme (`sip:`, `sip-pp:`, `tel:`, `gsm:`, `no-voice:`) and a number, which may be empty.
    pub caller: Option<Text<256>>,
    /// `sco`.
    pub configuration: Option<Digit>,
    /// `cha`.
    pub call_handling: Option<Digit>,
    /// `hbo`.
    pub heartbeat_options: Option<Digit>,
    /// `pri`.
    pub priority: Option<Digit>,
    /// `ame`.
    pub more_follows: Option<bool>,
}

/// A request and what in it nobody knew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The request.
    pub request: Request,
    /// The names of the elements that were left out.
    pub ignored: Vec<String>,
}

/// A request that is not taken, and what of it could be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{fault}")]
pub struct Refused {
    /// Why.
    pub fault: Fault,
    /// Its reference as it was sent, where it has one and the rest of it is XML.
    pub reference: Option<String>,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { fault, reference: None }
    }
}

const ROOT: &str = "mrq";

const ELEMENTS: [&str; 25] = [
    "ref", "ver", "mty", "cid", "dty", "did", "dco", "dte", "stc", "stt", "lco", "lva", "lte", "lge", "lge/geo",
    "lge/tim", "lge/gga", "ico", "ite", "crd", "sco", "cha", "hbo", "pri", "ame",
];

impl MessageType {
    /// Its word in the element `mty`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "ME",
            Self::Reset => "RE",
            Self::Information => "IN",
            Self::Heartbeat => "PI",
        }
    }
}

impl Request {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// [`Refused`]. Where several things are wrong, first the form, then what is missing, then what has a wrong value.
    pub fn read(body: &[u8]) -> Result<Heard, Refused> {
        let document = Document::read(body, ROOT, &ELEMENTS)?;
        let request = Self::of(&document).map_err(|fault| {
            let reference = document.text("ref").ok().flatten().map(str::to_owned);
            Refused { fault, reference }
        })?;
        Ok(Heard { request, ignored: document.ignored })
    }

    fn of(document: &Document) -> Result<Self, Fault> {
        if let Some(missing) = ["ref", "cid", "dty"].into_iter().find(|name| !document.has(name)) {
            return Err(Fault::Missing(missing));
        }
        Ok(Self {
            reference: document.needed("ref")?,
            version: document.value("ver")?,
            kind: message_type(document)?,
            controller: document.needed("cid")?,
            device_type: document.needed("dty")?,
            device: document.value("did")?,
            component: document.value("dco")?,
            device_text: document.value("dte")?,
            status: document.value("stc")?,
            status_text: document.value("stt")?,
            location: document.value("lco")?,
            location_value: document.value("lva")?,
            location_text: document.value("lte")?,
            position: position(document)?,
            information: document.value("ico")?,
            information_text: document.value("ite")?,
            caller: document.value("crd")?,
            configuration: document.value("sco")?,
            call_handling: document.value("cha")?,
            heartbeat_options: document.value("hbo")?,
            priority: document.value("pri")?,
            more_follows: more_follows(document)?,
        })
    }

    /// The body of a message.
    #[must_use]
    pub fn write(&self) -> String {
        Writing::open(ROOT)
            .with("ref", &self.reference)
            .with_some("ver", self.version)
            .with("mty", self.kind.as_str())
            .with("cid", &self.controller)
            .with("dty", self.device_type)
            .with_some("did", self.device.as_ref().map(SentDevice::as_str))
            .with_some("dco", self.component)
            .with_some("dte", self.device_text.as_ref().map(Text::as_str))
            .with_some("stc", self.status)
            .with_some("stt", self.status_text.as_ref().map(Text::as_str))
            .with_some("lco", self.location)
            .with_some("lva", self.location_value.as_ref().map(Text::as_str))
            .with_some("lte", self.location_text.as_ref().map(Text::as_str))
            .with_position(self.position.as_ref())
            .with_some("ico", self.information)
            .with_some("ite", self.information_text.as_ref().map(Text::as_str))
            .with_some("crd", self.caller.as_ref().map(Text::as_str))
            .with_some("sco", self.configuration)
            .with_some("cha", self.call_handling)
            .with_some("hbo", self.heartbeat_options)
            .with_some("pri", self.priority)
            .with_some("ame", self.more_follows.map(u8::from))
            .close(ROOT)
    }
}

impl Writing {
    fn with_position(self, position: Option<&Position>) -> Self {
        let Some(Position { coordinates, at, sentence }) = position else { return self };
        self.within("lge", |inner| {
            inner
                .with_some("geo", coordinates.as_ref().map(Text::as_str))
                .with_some("tim", at.as_ref().map(Text::as_str))
                .with_some("gga", sentence.as_ref().map(Text::as_str))
        })
    }
}

fn message_type(document: &Document) -> Result<MessageType, Fault> {
    match document.text("mty")? {
        Some("ME") | None => Ok(MessageType::Alarm),
        Some("RE") => Ok(MessageType::Reset),
        Some("IN") => Ok(MessageType::Information),
        Some("PI") => Ok(MessageType::Heartbeat),
        Some(_) => Err(Fault::Pattern("mty")),
    }
}

fn position(document: &Document) -> Result<Option<Position>, Fault> {
    if !document.has("lge") {
        return Ok(None);
    }
    let coordinates: Option<Text<23>> = document.value("lge/geo")?;
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    if coordinates.as_ref().is_some_and(|text| !text.as_str().chars().all(is_number)) {
        return Err(Fault::Pattern("lge/geo"));
    }
    Ok(Some(Position { coordinates, at: document.value("lge/tim")?, sentence: document.value("lge/gga")? }))
}

fn more_follows(document: &Document) -> Result<Option<bool>, Fault> {
    match document.text("ame")? {
        Some("0") => Ok(Some(false)),
        Some("1") => Ok(Some(true)),
        Some(_) => Err(Fault::Pattern("ame")),
        None => Ok(None),
    }
}

/// Whose unit sent this, as far as any `cid` in it says so, in a body of any form: cut, damaged, with another root.
/// Several differing ones are all named. A number whose end is cut off is nobody's.
#[must_use]
pub fn controllers(body: &[u8]) -> Vec<ControllerId> {
    let mut found: Vec<ControllerId> = Vec::new();
    let mut parts = body.split(|byte| *byte == b'<').skip(1).peekable();
    while let Some(part) = parts.next() {
        // What follows the part begins with the `<` that ends its text.
        if parts.peek().is_some()
            && let Some(controller) = controller_in(part)
            && !found.contains(&controller)
        {
            found.push(controller);
        }
    }
    found
}

/// Of `cid>4711`, the number.
fn controller_in(part: &[u8]) -> Option<ControllerId> {
    let end = part.iter().position(|byte| *byte == b'>')?;
    let tag = part[..end].split(u8::is_ascii_whitespace).next()?;
    let name = tag.rsplit(|byte| *byte == b':').next()?;
    if !name.eq_ignore_ascii_case(b"cid") {
        return None;
    }
    std::str::from_utf8(&part[end + 1..]).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
