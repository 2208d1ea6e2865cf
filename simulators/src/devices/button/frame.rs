//! The service data of one BTHome v2 advertisement.
//!
//! Source: bthome.io, "BTHome v2 format" and "BTHome encryption"; the encrypted form is checked against a frame of a
//! real Shelly button.

use aes::Aes128;
use ccm::{
    AeadInPlace, Ccm, KeyInit,
    consts::{U4, U13},
};

use super::ButtonEvent;
use crate::air::Address;

const TRIGGER_BASED: u8 = 1 << 2;
const ENCRYPTED: u8 = 1;
const VERSION_2: u8 = 2 << 5;
/// The service that the data is for.
const BTHOME: u16 = 0xfcd2;

/// What a frame says.
pub(super) struct Frame {
    pub(super) packet: u8,
    pub(super) battery_percent: u8,
    pub(super) event: ButtonEvent,
}

impl Frame {
    /// Device information, then the objects.
    pub(super) fn plain(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION_2 | TRIGGER_BASED];
        bytes.extend(self.objects());
        bytes
    }

    /// Device information, encrypted objects, counter, 4-byte check.
    pub(super) fn encrypted(&self, key: &[u8; 16], address: Address, counter: u32) -> Vec<u8> {
        let information = VERSION_2 | TRIGGER_BASED | ENCRYPTED;
        let counter = counter.to_le_bytes();
        let mut nonce = [0; 13];
        nonce[..6].copy_from_slice(&address.0);
        nonce[6..8].copy_from_slice(&BTHOME.to_le_bytes());
        nonce[8] = information;
        nonce[9..].copy_from_slice(&counter);

        let mut objects = self.objects();
        let check = Ccm::<Aes128, U4, U13>::new(key.into())
            .encrypt_in_place_detached(&nonce.into(), b"", &mut objects)
            .expect("six bytes are not too long for a two-byte length");
        let mut bytes = vec![information];
        bytes.extend(objects);
        bytes.extend(counter);
        bytes.extend(check);
        bytes
    }

    /// Packet number, battery, button event.
    fn objects(&self) -> [u8; 6] {
        let event = match self.event {
            ButtonEvent::Nothing => 0x00,
            ButtonEvent::Press => 0x01,
            ButtonEvent::Double => 0x02,
            ButtonEvent::Triple => 0x03,
            ButtonEvent::Long => 0x04,
            ButtonEvent::Hold => 0x80,
        };
        [0x00, self.packet, 0x01, self.battery_percent, 0x3a, event]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_a_real_shelly_button_sent() {
        let frame = Frame { packet: 7, battery_percent: 100, event: ButtonEvent::Press };
        let key = hex::decode("90bffd73cb6b26ef58a7a8eba9232036").unwrap();
        let sent = frame.encrypted(&key.try_into().unwrap(), "B4:35:22:F5:3D:A4".parse().unwrap(), 442);
        assert_eq!(hex::encode(sent), "450aeb84467f85ba0100003188788c");
    }

    #[test]
    fn a_plain_frame_is_readable() {
        let frame = Frame { packet: 0x23, battery_percent: 94, event: ButtonEvent::Nothing };
        assert_eq!(hex::encode(frame.plain()), "440023015e3a00");
    }
}
