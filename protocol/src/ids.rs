//! The names of things on the wire: agents, devices, lanes, epochs and sequence numbers.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::Error as CborError;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// The box in one home: 80 random bits as 16 lower-case base32 characters (RFC 4648 §6).
///
/// It is the common name of its certificate, its MQTT client id and a topic level, and says nothing about the home.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AgentId(String);

impl AgentId {
    /// Names an agent after 80 random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 10]) -> Self {
        Self(data_encoding::BASE32_NOPAD.encode(&bits).to_lowercase())
    }

    /// The 16 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that does not name what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct NotAName {
    expected: &'static str,
}

impl FromStr for AgentId {
    type Err = NotAName;

    /// # Errors
    /// [`NotAName`] unless the text is 16 characters of `a-z2-7`.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let named = text.len() == 16 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        named.then(|| Self(text.to_owned())).ok_or(NotAName { expected: "an agent id (16 characters of a-z and 2-7)" })
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A device: its identity or public Bluetooth address, or, where the address changes, its model and serial number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeviceId {
    /// The address in printed order, as BlueZ shows it after bonding.
    Address([u8; 6]),
    /// Model and serial number from the Device Information service (0x2A24, 0x2A25).
    Serial {
        /// Model number string, without `/`.
        model: String,
        /// Serial number string.
        serial: String,
    },
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address([a, b, c, d, e, g]) => write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}"),
            Self::Serial { model, serial } => write!(f, "{model}/{serial}"),
        }
    }
}

impl FromStr for DeviceId {
    type Err = NotAName;

    /// Reads `F0:F1:F2:F3:F4:F5` (either case) or `model/serial`.
    ///
    /// # Errors
    /// [`NotAName`] for anything else.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let wrong = NotAName { expected: "a device (F0:F1:F2:F3:F4:F5, or model/serial)" };
        if let Some((model, serial)) = text.split_once('/') {
            let given = !model.is_empty() && !serial.is_empty() && text.len() <= 128;
            return given.then(|| Self::Serial { model: model.into(), serial: serial.into() }).ok_or(wrong);
        }
        let mut address = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut address {
            let is_byte = |part: &&str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            let part = parts.next().filter(is_byte).ok_or_else(|| wrong.clone())?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong.clone())?;
        }
        if parts.next().is_some() {
            return Err(wrong);
        }
        Ok(Self::Address(address))
    }
}

/// A user's place on a device that several people use, as the device counts it.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct UserSlot(#[n(0)] pub u8);

/// Which queue an event travels in. Alarms never wait for readings.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Lane {
    /// Somebody asks for help.
    #[n(0)]
    Alarm,
    /// Everything else.
    #[n(1)]
    Reading,
}

impl Lane {
    /// Both lanes, the urgent one first.
    pub const ALL: [Self; 2] = [Self::Alarm, Self::Reading];

    /// The lane's word on the wire and on screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Reading => "reading",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lane {
    type Err = NotAName;

    /// # Errors
    /// [`NotAName`] for anything but `alarm` and `reading`.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.as_str() == text)
            .ok_or(NotAName { expected: "a lane (alarm or reading)" })
    }
}

/// One life of an agent's buffer: 64 random bits. A buffer that was lost or went back begins another.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Epoch(#[n(0)] pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = NotAName;

    /// # Errors
    /// [`NotAName`] unless the text is 16 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let wrong = NotAName { expected: "an epoch (16 hexadecimal digits)" };
        if text.len() != 16 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| wrong)
    }
}

/// An event's number in its lane and epoch: 1, 2, 3 … without gaps. 0 stands for "none yet".
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Sequence(#[n(0)] pub u64);

impl Sequence {
    /// Before the first event.
    pub const NONE: Self = Self(0);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number before this one; none stays none.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<C> Encode<C> for DeviceId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for DeviceId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, CborError> {
        d.str()?.parse().map_err(|e: NotAName| CborError::message(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_as_it_is_read() {
        for text in ["F0:F1:F2:F3:F4:F5", "RIG-BP/SN000001"] {
            assert_eq!(text.parse::<DeviceId>().unwrap().to_string(), text);
        }
        for text in ["", "F0:F1", "F0:F1:F2:F3:F4:F5:F6", "F0:F1:F2:F3:F4:+5", "/x", "x/"] {
            assert!(text.parse::<DeviceId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_agent_id_cannot_hold_topic_signs() {
        let id = AgentId::from_random([0xA5; 10]);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for text in ["", "abc", "aaaaaaaaaaaaaaa+", "aaaaaaaaaaaaaaa/", "AAAAAAAAAAAAAAAA"] {
            assert!(text.parse::<AgentId>().is_err(), "{text}");
        }
    }
}
