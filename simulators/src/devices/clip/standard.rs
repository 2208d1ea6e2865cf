//! PLX Continuous Measurement, 0x2A5F, with measurement status and device status.
//!
//! Source: Bluetooth SIG, GATT Specification Supplement, "PLX Continuous Measurement".

use crate::devices::{oximeter::SpotCheck, payload};

pub(super) fn encode(finger: SpotCheck) -> Vec<u8> {
    const HAS_BOTH_STATUS: u8 = 1 << 2 | 1 << 3;
    const ONGOING: u16 = 1 << 5;
    const UNAVAILABLE: u16 = 1 << 13;
    const UNCONNECTED: u32 = 1 << 11;

    let (measurement, sensor) = match finger.oxygen_saturation {
        Some(_) => (ONGOING, 0),
        None => (UNAVAILABLE, UNCONNECTED),
    };
    let mut bytes = vec![HAS_BOTH_STATUS];
    bytes.extend(payload::sfloat(finger.oxygen_saturation));
    bytes.extend(payload::sfloat(finger.pulse));
    bytes.extend(measurement.to_le_bytes());
    bytes.extend(&sensor.to_le_bytes()[..3]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finger_and_no_finger() {
        let finger = SpotCheck { oxygen_saturation: Some(97), pulse: Some(72) };
        assert_eq!(hex::encode(encode(finger)), "0c610048002000000000");
        let none = SpotCheck { oxygen_saturation: None, pulse: None };
        assert_eq!(hex::encode(encode(none)), "0cff07ff070020000800");
    }
}
