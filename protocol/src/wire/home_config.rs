//! Which devices an agent is to serve, as its gateway knows them.
//!
//! The agent keeps the last one that it could use on flash. Its heartbeat names the revision it uses, and the one it
//! refused and why; the gateway answers a revision that is not its own with the present one.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode};

use super::{VERSION, decode_whole};
use crate::devices::{DeviceKind, Dialect};
use crate::ids::DeviceId;

/// One message to an agent.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct HomeConfig {
    /// The version of this message.
    #[n(0)]
    pub version: u8,
    /// What the agent is told.
    #[n(1)]
    pub home: Home,
}

/// What an agent is told of its home.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Home {
    /// Differs between any two configurations of one agent that are not the same. 0 is none.
    #[n(0)]
    pub revision: u64,
    /// The devices of the home, besides those that its own files name.
    #[n(1)]
    pub devices: Vec<Device>,
    /// The home's time zone (IANA), that devices' clocks are set to.
    #[n(2)]
    pub time_zone: Option<String>,
    /// The agent is to hear nothing more, and only to send what it still has.
    #[n(3)]
    #[cbor(default, skip_if = "is_false")]
    pub retired: bool,
    /// How often the agent is to make a silent test, in seconds; none: never. Not 0.
    #[n(4)]
    pub prove_every_s: Option<u32>,
}

/// A device of the home.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Device {
    /// Which.
    #[n(0)]
    pub device: DeviceId,
    /// What it is.
    #[n(1)]
    pub kind: DeviceKind,
    /// How its model departs from the standard; none where the agent is to tell by the model it reads.
    #[n(2)]
    pub dialect: Option<Dialect>,
    /// A button's key, 16 bytes.
    #[n(3)]
    pub key: Option<ByteVec>,
    /// How often it sends a sign of life, in seconds, where it does.
    #[n(4)]
    pub beacon_s: Option<u32>,
    /// How far a button has counted, as the gateway knows: a replaced agent knows nothing of it.
    #[n(5)]
    pub counted: Option<Counted>,
}

/// How far a button has counted.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Counted {
    /// With which battery: a number that goes up when a person confirms that it was changed. From then on the button
    /// counts anew, and what it counted before says nothing.
    #[n(0)]
    pub battery: u32,
    /// The highest counter of a press with that battery.
    #[n(1)]
    pub highest: u32,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Without the key.
impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("device", &self.device)
            .field("kind", &self.kind)
            .field("dialect", &self.dialect)
            .field("has_key", &self.key.is_some())
            .field("beacon_s", &self.beacon_s)
            .field("counted", &self.counted)
            .finish()
    }
}

impl HomeConfig {
    /// A message that tells this.
    #[must_use]
    pub fn new(home: Home) -> Self {
        Self { version: VERSION, home }
    }

    /// The message's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory cannot fail")
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When it is none, or of an unknown version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        let config: Self = decode_whole(bytes)?;
        if config.version == VERSION { Ok(config) } else { Err(minicbor::decode::Error::message("unknown version")) }
    }

    /// The revision in a message that may hold what this version cannot read, such as a kind of device that came later:
    /// so that an agent can say what it refuses.
    #[must_use]
    pub fn revision(bytes: &[u8]) -> Option<u64> {
        let mut decoder = Decoder::new(bytes);
        let (fields, _version) = (decoder.array().ok()??, decoder.u8().ok()?);
        let entries = decoder.map().ok()??;
        for _ in 0..entries.min(bytes.len() as u64) {
            if decoder.u32().ok()? == 0 {
                return decoder.u64().ok().filter(|_| fields == 2);
            }
            decoder.skip().ok()?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_found_also_where_the_rest_cannot_be_read() {
        let device = Device {
            device: "F0:F1:F2:F3:F4:F5".parse().unwrap(),
            kind: DeviceKind::AlarmButton,
            dialect: None,
            key: None,
            beacon_s: None,
            counted: None,
        };
        let known = HomeConfig::new(Home {
            revision: 7,
            devices: vec![device],
            time_zone: None,
            retired: false,
            prove_every_s: None,
        });
        let mut bytes = known.to_bytes();
        let address = bytes.windows(2).position(|two| two == b"F0").unwrap();
        // After the address: key 1, and the kind of device.
        let kind = address + "F0:F1:F2:F3:F4:F5".len() + 1;
        assert_eq!(bytes[kind], 5);
        bytes[kind] = 23;
        assert!(HomeConfig::from_bytes(&bytes).is_err());
        assert_eq!(HomeConfig::revision(&bytes), Some(7));
        for cut in 0..4 {
            assert_eq!(HomeConfig::revision(&bytes[..cut]), None, "{cut}");
        }
    }
}
