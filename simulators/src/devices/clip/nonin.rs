//! Nonin 3230: ten bytes, big-endian.
//!
//! Source: andreasdri/nonin-3230-ble; Nonin's sample program for iOS (2013).

use crate::{air::Uuid, devices::oximeter::SpotCheck};

pub(super) const SERVICE: Uuid = Uuid::vendor(0x46a9_70e0_0d5f_11e2_8b5e_0002_a5d5_c51b);
pub(super) const MEASUREMENT: Uuid = Uuid::vendor(0x0aad_7ea0_0d60_11e2_8e3c_0002_a5d5_c51b);

pub(super) fn encode(finger: SpotCheck, seconds: u32) -> Vec<u8> {
    const IN_SYNC_AND_PLACED: u8 = 1 << 0 | 1 << 4;
    const SEARCHING: u8 = 1 << 3;
    const BATTERY: u8 = 29;

    let (status, amplitude): (u8, u16) = match finger.pulse {
        Some(_) => (IN_SYNC_AND_PLACED, 480),
        None => (SEARCHING, 0),
    };
    let oxygen = finger.oxygen_saturation.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(127);
    let mut bytes = vec![10, status, BATTERY];
    bytes.extend(amplitude.to_be_bytes());
    bytes.extend(&seconds.to_be_bytes()[2..]);
    bytes.push(oxygen);
    bytes.extend(finger.pulse.unwrap_or(511).to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finger_and_no_finger() {
        let finger = SpotCheck { oxygen_saturation: Some(97), pulse: Some(258) };
        assert_eq!(hex::encode(encode(finger, 60)), "0a111d01e0003c610102");
        let none = SpotCheck { oxygen_saturation: None, pulse: None };
        assert_eq!(hex::encode(encode(none, 61)), "0a081d0000003d7f01ff");
    }
}
