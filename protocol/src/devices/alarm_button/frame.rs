//! The frame on air, its encryption, and who may be believed.

use std::fmt;
use std::str::FromStr;

use aes::Aes128;
use ccm::aead::generic_array::GenericArray;
use ccm::aead::{AeadInPlace, KeyInit};
use ccm::consts::{U4, U13};

use super::contents::Contents;
use crate::codec::{DecodeError, Reader};

/// AES-128-CCM with a tag of 4 bytes and a length field of 2.
type Cipher = ccm::Ccm<Aes128, U4, U13>;

/// The service's number, as it stands on air and in the nonce.
const UUID_ON_AIR: [u8; 2] = 0xFCD2_u16.to_le_bytes();

/// One BTHome v2 advertisement, after the two bytes of its UUID, as it was on air.
///
/// | bytes       | field   | form                                                                                    |
/// |-------------|---------|-----------------------------------------------------------------------------------------|
/// | 0           | info    | bit 0 encrypted, 1 address follows, 2 trigger based, 3 and 4 reserved, 5 to 7 version 2 |
/// | 6, if bit 1 | address | lowest byte first                                                                       |
/// | …           | objects | id and value each; encrypted if bit 0                                                   |
/// | 4, if bit 0 | counter | u32, little-endian                                                                      |
/// | 4, if bit 0 | tag     | of AES-128-CCM                                                                          |
///
/// The nonce is address (as printed), UUID (as on air), info, counter (as on air); there is no associated data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The device sends only when something happens.
    pub trigger_based: bool,
    /// The address in the frame.
    pub address: Option<Address>,
    /// Its objects.
    pub body: Body,
    /// Bits 3 and 4 of the info byte.
    pub reserved_info: u8,
}

/// The objects of a frame, plain or encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// As anyone could have sent them.
    Plain(Vec<u8>),
    /// As only who has the key could have sent them, if the tag is right.
    Sealed {
        /// The encrypted objects.
        ciphertext: Vec<u8>,
        /// Counts up with each new frame.
        counter: u32,
        /// Shows that nothing was altered.
        tag: [u8; 4],
    },
}

/// Why a frame is not believed. None of these is a press, and none of them silences the button.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is cut.
    #[error(transparent)]
    Truncated(#[from] DecodeError),
    /// It is BTHome of another version: ignore it.
    #[error("BTHome version {version}, not 2")]
    NotVersion2 {
        /// The version it says.
        version: u8,
    },
    /// The device has a key, and this came without encryption: someone pretends to be it.
    #[error("not encrypted, although this device has a key")]
    Unencrypted,
    /// It is encrypted, and no key is known: enrol the device with its key.
    #[error("encrypted, and no key for this device is known")]
    KeyMissing,
    /// It is encrypted, and neither was an address enrolled nor is one in the frame.
    #[error("encrypted, and no address for this device is known")]
    AddressMissing,
    /// The address in the frame is not the one that was enrolled.
    #[error("the frame is from {0}, another device")]
    AnotherDevice(Address),
    /// The tag is wrong: forged, damaged, or encrypted with another key. Count and report these.
    #[error("not made with this device's key, or altered since")]
    Forged,
}

/// What is known of a device that may be heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enrolled {
    /// Its address; needed for encrypted frames that do not carry one.
    pub address: Option<Address>,
    /// Its key. A device that has one is never believed without encryption.
    pub key: Option<BindKey>,
}

const ENCRYPTED: u8 = 1 << 0;
const HAS_ADDRESS: u8 = 1 << 1;
const TRIGGER_BASED: u8 = 1 << 2;
const RESERVED: u8 = 0b0001_1000;
const VERSION_2: u8 = 2 << 5;

impl Frame {
    /// Takes a frame apart, without believing any of it.
    ///
    /// # Errors
    /// [`FrameError::NotVersion2`] or [`FrameError::Truncated`].
    pub fn decode(service_data: &[u8]) -> Result<Self, FrameError> {
        let mut bytes = Reader::new(service_data);
        let info = bytes.u8("info")?;
        if info >> 5 != 2 {
            return Err(FrameError::NotVersion2 { version: info >> 5 });
        }
        let address = (info & HAS_ADDRESS != 0).then(|| bytes.array("address")).transpose()?;
        let body = match info & ENCRYPTED {
            0 => Body::Plain(bytes.rest().to_vec()),
            _ => Body::sealed(bytes.rest())?,
        };
        Ok(Self {
            trigger_based: info & TRIGGER_BASED != 0,
            address: address.map(Address::from_air),
            body,
            reserved_info: info & RESERVED,
        })
    }

    /// The bytes on air, after the UUID.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.info()];
        bytes.extend(self.address.into_iter().flat_map(Address::on_air));
        match &self.body {
            Body::Plain(objects) => bytes.extend(objects),
            Body::Sealed { ciphertext, counter, tag } => {
                bytes.extend(ciphertext);
                bytes.extend(counter.to_le_bytes());
                bytes.extend(tag);
            }
        }
        bytes
    }

    /// What a device sends when something happens, encrypted and without its address, as a Shelly button does.
    pub fn seal(objects: &[u8], counter: u32, address: Address, key: &BindKey) -> Self {
        let mut frame = Self {
            trigger_based: true,
            address: None,
            body: Body::Sealed { ciphertext: objects.to_vec(), counter, tag: [0; 4] },
            reserved_info: 0,
        };
        let nonce = nonce(address, frame.info(), counter);
        if let Body::Sealed { ciphertext, tag, .. } = &mut frame.body {
            *tag = key
                .cipher()
                .encrypt_in_place_detached(&nonce.into(), b"", ciphertext)
                .expect("an advertisement is far shorter than the 64 KiB the length field allows")
                .into();
        }
        frame
    }

    /// What the frame says, if it is from the enrolled device.
    ///
    /// # Errors
    /// The reason not to believe it, see [`FrameError`].
    pub fn open(&self, enrolled: &Enrolled) -> Result<Contents, FrameError> {
        if let Some(sender) = self.address.filter(|sender| enrolled.address.is_some_and(|expected| expected != *sender))
        {
            return Err(FrameError::AnotherDevice(sender));
        }
        match (&self.body, &enrolled.key) {
            (Body::Plain(_), Some(_)) => Err(FrameError::Unencrypted),
            (Body::Plain(objects), None) => Ok(Contents::read(self, objects.clone(), None)),
            (Body::Sealed { .. }, None) => Err(FrameError::KeyMissing),
            (Body::Sealed { ciphertext, counter, tag }, Some(key)) => {
                let address = self.address.or(enrolled.address).ok_or(FrameError::AddressMissing)?;
                let nonce = nonce(address, self.info(), *counter);
                let mut objects = ciphertext.clone();
                key.cipher()
                    .decrypt_in_place_detached(&nonce.into(), b"", &mut objects, GenericArray::from_slice(tag))
                    .map_err(|_| FrameError::Forged)?;
                Ok(Contents::read(self, objects, Some(*counter)))
            }
        }
    }

    fn info(&self) -> u8 {
        VERSION_2
            | if matches!(self.body, Body::Sealed { .. }) { ENCRYPTED } else { 0 }
            | if self.address.is_some() { HAS_ADDRESS } else { 0 }
            | if self.trigger_based { TRIGGER_BASED } else { 0 }
            | self.reserved_info & RESERVED
    }
}

impl Body {
    /// Splits what follows the info byte (and address) of an encrypted frame; at least one byte must be encrypted.
    fn sealed(rest: &[u8]) -> Result<Self, DecodeError> {
        let truncated = DecodeError::Truncated { field: "sealed objects", needed: 9, got: rest.len() };
        let (rest, tag) = rest.split_last_chunk().ok_or(truncated.clone())?;
        match rest.split_last_chunk() {
            Some((ciphertext, counter)) if !ciphertext.is_empty() => {
                let counter = u32::from_le_bytes(*counter);
                Ok(Self::Sealed { ciphertext: ciphertext.to_vec(), counter, tag: *tag })
            }
            Some(_) | None => Err(truncated),
        }
    }
}

fn nonce(address: Address, info: u8, counter: u32) -> [u8; 13] {
    let [a, b, c, d, e, f] = address.0;
    let [low, high] = UUID_ON_AIR;
    let [w, x, y, z] = counter.to_le_bytes();
    [a, b, c, d, e, f, low, high, info, w, x, y, z]
}

/// A Bluetooth device address, in the order it is printed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 6]);

impl Address {
    fn from_air(mut bytes: [u8; 6]) -> Self {
        bytes.reverse();
        Self(bytes)
    }

    fn on_air(self) -> [u8; 6] {
        let mut bytes = self.0;
        bytes.reverse();
        bytes
    }
}

/// `B4:35:22:F5:3D:A4`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

/// This is no Bluetooth address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address of six bytes such as B4:35:22:F5:3D:A4")]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    /// Accepts lower case.
    ///
    /// # Errors
    /// [`NotAnAddress`] unless there are six pairs of digits between colons.
    fn from_str(printed: &str) -> Result<Self, NotAnAddress> {
        let mut bytes = [0; 6];
        let mut pairs = printed.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().ok_or(NotAnAddress)?;
            hex::decode_to_slice(pair, std::slice::from_mut(byte)).map_err(|_| NotAnAddress)?;
        }
        match pairs.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(NotAnAddress),
        }
    }
}

/// The key of one device. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct BindKey([u8; 16]);

impl BindKey {
    /// A key of these bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for whoever keeps it or hands it on.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 16] {
        self.0
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(&self.0.into())
    }
}

impl fmt::Debug for BindKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindKey(…)")
    }
}

/// This is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key of 32 hexadecimal digits")]
pub struct NotAKey;

/// Reads 32 hexadecimal digits.
impl FromStr for BindKey {
    type Err = NotAKey;

    fn from_str(digits: &str) -> Result<Self, NotAKey> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| NotAKey)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::devices::alarm_button::{ButtonEvent, announce};

    const PRESS: &str = "45b123a9042c090100000082a57ec7";

    #[test]
    fn a_real_button_is_understood() {
        let shelly = Enrolled {
            address: Some("B4:35:22:F5:3D:A4".parse().expect("an address")),
            key: Some("90bffd73cb6b26ef58a7a8eba9232036".parse().expect("a key")),
        };
        let contents = frame("450aeb84467f85ba0100003188788c").open(&shelly).expect("its own key");

        assert_eq!(contents.counter, Some(442));
        assert_eq!(contents.battery(), Some(100));
        assert!(contents.is_press());
    }

    #[test]
    fn what_a_button_seals_is_what_was_recorded() {
        let Enrolled { address: Some(address), key: Some(key) } = ours() else { panic!("enrolled with both") };
        let sealed = Frame::seal(&announce(1, 95, ButtonEvent::Press), 1, address, &key);
        assert_eq!(hex::encode(sealed.encode()), PRESS);
    }

    #[test]
    fn a_button_with_a_key_is_not_believed_without_it() {
        assert_eq!(frame("4400013a01").open(&ours()), Err(FrameError::Unencrypted));
        assert_eq!(frame(PRESS).open(&Enrolled::default()), Err(FrameError::KeyMissing));
        let addressless = Enrolled { address: None, ..ours() };
        assert_eq!(frame(PRESS).open(&addressless), Err(FrameError::AddressMissing));
    }

    #[test]
    fn an_altered_frame_is_forged_wherever_it_is_altered() {
        let recorded = hex::decode(PRESS).expect("hex");
        for bit in 8..recorded.len() * 8 {
            let mut altered = recorded.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let opened = Frame::decode(&altered).expect("it has its length").open(&ours());
            assert_eq!(opened, Err(FrameError::Forged), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_with_the_address_of_another_device_is_not_ours() {
        let other = "A4:C1:38:8D:18:B2".parse().expect("an address");
        let plain = Enrolled { key: None, ..ours() };
        assert_eq!(frame("42b2188d38c1a404138a01").open(&plain), Err(FrameError::AnotherDevice(other)));
    }

    #[test]
    fn an_address_is_read_as_it_is_printed() {
        let address: Address = "b4:35:22:f5:3d:a4".parse().expect("an address");
        assert_eq!(address.to_string(), "B4:35:22:F5:3D:A4");
        for nonsense in ["", "B4:35:22:F5:3D", "B4:35:22:F5:3D:A4:00", "B4:35:22:F5:3D:+4", "B4352:2F:5:3D:A4:0"] {
            assert_eq!(nonsense.parse::<Address>(), Err(NotAnAddress), "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(
            info in 0x40_u8..0x60,
            rest in proptest::collection::vec(any::<u8>(), 0..30),
        ) {
            let payload = [vec![info], rest].concat();
            if let Ok(frame) = Frame::decode(&payload) {
                prop_assert_eq!(frame.encode(), payload);
            }
        }

        #[test]
        fn what_is_sealed_can_be_opened(
            objects in proptest::collection::vec(any::<u8>(), 1..20),
            counter: u32,
            address: [u8; 6],
            key: [u8; 16],
        ) {
            let (address, key) = (Address(address), BindKey::new(key));
            let sealed = Frame::seal(&objects, counter, address, &key);
            let heard = Frame::decode(&sealed.encode()).expect("it was just made");
            let contents = heard.open(&Enrolled { address: Some(address), key: Some(key) }).expect("its own key");
            prop_assert_eq!((contents.plaintext, contents.counter), (objects, Some(counter)));
        }
    }

    fn ours() -> Enrolled {
        Enrolled {
            address: Some("38:39:8F:70:B2:4E".parse().expect("an address")),
            key: Some("00112233445566778899aabbccddeeff".parse().expect("a key")),
        }
    }

    fn frame(hex: &str) -> Frame {
        Frame::decode(&hex::decode(hex).expect("hex")).expect("a frame")
    }
}
