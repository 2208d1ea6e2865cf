//! BerryMed BM1000: packets of five bytes, a hundred a second, four to a notification, of which the first is begun in the
//! notification before.
//!
//! Source: adafruit/Adafruit_CircuitPython_BLE_BerryMed_Pulse_Oximeter.

use crate::{air::Uuid, devices::oximeter::SpotCheck};

pub(super) const SERVICE: Uuid = Uuid::vendor(0x4953_5343_fe7d_4ae5_8fa9_9faf_d205_e455);
pub(super) const MEASUREMENT: Uuid = Uuid::vendor(0x4953_5343_1e4d_4bd9_ba61_23c6_4724_9616);

/// How many packets a notification has.
const PACKETS: u32 = 4;
/// How many bytes the line is ahead of the packets.
const AHEAD: usize = 2;

pub(super) fn encode(finger: SpotCheck, notification: u32) -> Vec<u8> {
    let first = notification * PACKETS;
    let packets = (first..=first + PACKETS).flat_map(|number| packet(finger, number));
    packets.skip(AHEAD).take(5 * PACKETS as usize).collect()
}

fn packet(finger: SpotCheck, number: u32) -> [u8; 5] {
    const SYNC_AND_STRENGTH: u8 = 0x86;
    const BEEP: u8 = 0x40;
    const NO_FINGER: [u8; 5] = [0x80, 0, 0x50, 0x7f, 0x7f];

    let (Some(oxygen), Some(pulse)) = (finger.oxygen_saturation, finger.pulse) else { return NO_FINGER };
    // The wave rises and falls with the pulse.
    let place = number * u32::from(pulse) / 60 % 100;
    let wave = if place < 30 { 3 * place } else { (100 - place) * 9 / 7 };
    let [wave, oxygen] = [wave, oxygen.into()].map(|number| u8::try_from(number.min(100)).unwrap_or(100));
    let pulse = u8::try_from(pulse).unwrap_or(u8::MAX);
    let beep = if place == 0 { BEEP } else { 0 };
    [SYNC_AND_STRENGTH | beep, wave, (wave / 7) | ((pulse >> 7) << 6), pulse & 0x7f, oxygen]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_on_from_one_notification_to_the_next() {
        let finger = SpotCheck { oxygen_saturation: Some(97), pulse: Some(130) };
        let line = [encode(finger, 1), encode(finger, 2)].concat();
        assert_eq!(line.len(), 40);
        let begins: Vec<usize> = (0..line.len()).filter(|place| line[*place] & 0x80 != 0).collect();
        assert_eq!(begins, [3, 8, 13, 18, 23, 28, 33, 38]);
        assert_eq!(line[5] & 0x40, 0x40, "130 has its eighth bit in byte 2");
        assert_eq!((line[6], line[7]), (130 & 0x7f, 97));
    }
}
