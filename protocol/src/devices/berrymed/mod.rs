//! BerryMed finger clips (BM1000 and kin, also sold by Jumper and others): a serial line over Bluetooth, on which packets
//! of five bytes come about a hundred times a second for as long as a finger is in the clip.
//!
//! How the line is cut into notifications means nothing, so the packets are found anew by [`Packets`]. Ninety-nine of a
//! hundred packets say nothing new but the shape of the pulse wave, which is not a measurement: one a second is kept.

mod packets;

use std::time::Duration;

pub use packets::Packets;

use crate::codec::DecodeError;
use crate::devices::{Characteristic, Mark, Meaning, plausible};
use crate::observation::{Decimal, Observation, Quantity, Special, Unit, Value};

/// The service it has: a serial line, as other devices have that use the same radio.
pub const SERVICE: Characteristic = Characteristic::vendor(0x4953_5343_FE7D_4AE5_8FA9_9FAF_D205_E455);
/// Where it notifies.
pub const MEASUREMENT: Characteristic = Characteristic::vendor(0x4953_5343_1E4D_4BD9_BA61_23C6_4724_9616);
/// One packet in this time is kept. SpO2 and pulse are averages over several seconds.
pub const SAMPLED_EVERY: Duration = Duration::from_secs(1);

/// One packet, as it was sent: five bytes, of which only the first has its highest bit set.
///
/// | byte | bits                                                                                                  |
/// |------|-------------------------------------------------------------------------------------------------------|
/// | 0    | 0..4: signal strength; 4: not used here; 5: sensor unplugged; 6: a beat is heard; 7: set              |
/// | 1    | 0..7: pulse wave                                                                                      |
/// | 2    | 0..4: bar graph; 4: no finger; 5: searching for a pulse; 6: pulse rate, bit 7                         |
/// | 3    | 0..7: pulse rate, bits 0 to 6; 255 in all: none                                                       |
/// | 4    | 0..7: SpO2 in percent; 127: none                                                                      |
///
/// Source: Berry's BCI protocol as adafruit/Adafruit_CircuitPython_BLE_BerryMed_Pulse_Oximeter and
/// ehborisov/BerryMed-Pulse-Oximeter-tool read it, which agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet([u8; Packet::LENGTH]);

const SYNC: u8 = 1 << 7;
const UNPLUGGED: u8 = 1 << 5;
const NO_FINGER: u8 = 1 << 4;
const SEARCHING: u8 = 1 << 5;
const PULSE_BIT_7: u8 = 1 << 6;
const NO_OXYGEN: u8 = 127;
const NO_PULSE: u8 = 255;

impl Packet {
    /// How many bytes a packet has.
    pub const LENGTH: usize = 5;

    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::WrongLength`] unless it has five bytes, [`DecodeError::OutOfRange`] when a packet does not begin
    /// with the first of them, or begins with another.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let length = DecodeError::WrongLength { what: "packet", needed: Self::LENGTH, got: payload.len() };
        let bytes: [u8; Self::LENGTH] = payload.try_into().map_err(|_| length)?;
        let misplaced = (0..).zip(bytes).find(|(place, byte)| (byte & SYNC != 0) != (*place == 0));
        match misplaced {
            Some((place, _)) => Err(DecodeError::OutOfRange { field: "sync bit", value: place }),
            None => Ok(Self(bytes)),
        }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Oxygen saturation in percent.
    pub fn oxygen(&self) -> Value {
        number_unless(self.0[4], NO_OXYGEN)
    }

    /// Pulse rate per minute.
    pub fn pulse(&self) -> Value {
        number_unless(self.0[3] | (self.0[2] & PULSE_BIT_7) << 1, NO_PULSE)
    }

    /// Whether it may feed limits and trends: SpO2 50 to 100 %, pulse 20 to 300 per minute, and a finger whose pulse was
    /// found.
    pub fn is_usable(&self) -> bool {
        let (oxygen, pulse) = (plausible::OXYGEN_SATURATION, plausible::RATE);
        self.marks().next().is_none()
            && self.oxygen().is_within(&oxygen.low, &oxygen.high)
            && self.pulse().is_within(&pulse.low, &pulse.high)
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let usable = self.is_usable();
        Meaning {
            observations: vec![
                Observation::new(Quantity::OxygenSaturation, self.oxygen(), Unit::Percent, usable),
                Observation::new(Quantity::OximeterPulseRate, self.pulse(), Unit::PerMinute, usable),
            ],
            marks: self.marks().collect(),
            usable,
            ..Meaning::default()
        }
    }

    fn marks(&self) -> impl Iterator<Item = Mark> {
        [
            (self.0[2] & SEARCHING != 0, Mark::Unfinished),
            (self.0[2] & NO_FINGER != 0, Mark::SensorOff),
            (self.0[0] & UNPLUGGED != 0, Mark::Malfunction),
        ]
        .into_iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, mark)| mark)
    }
}

fn number_unless(number: u8, none: u8) -> Value {
    if number == none { Value::Special(Special::NaN) } else { Value::Number(Decimal::whole(number.into())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_finger_in_the_clip_is_a_saturation_and_a_pulse() {
        let meaning = read("862c054861").meaning();
        let values: Vec<String> = meaning.observations.iter().map(|value| value.value.to_string()).collect();
        assert_eq!((values, meaning.usable), (["97", "72"].map(Into::into).into(), true));
        assert_eq!(read("862c450261").pulse(), Value::Number(Decimal::whole(130)), "the eighth bit is in byte 2");
    }

    #[test]
    fn a_clip_without_a_finger_gives_no_reading() {
        let empty = read("800050 7f7f".replace(' ', "").as_str()).meaning();
        assert_eq!((empty.usable, empty.marks), (false, vec![Mark::SensorOff]));
        assert!(empty.observations.iter().all(|value| value.value == Value::Special(Special::NaN)));
        let searching = read("802c254861").meaning();
        assert_eq!((searching.usable, searching.marks), (false, vec![Mark::Unfinished]));
    }

    #[test]
    fn bytes_out_of_step_are_no_packet() {
        for payload in ["2c05486186", "862c8548 61", "862c0548", "862c05486186"] {
            let bytes = hex::decode(payload.replace(' ', "")).expect("hex");
            assert!(Packet::decode(&bytes).is_err(), "{payload}");
        }
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 4..7)) {
            if let Ok(packet) = Packet::decode(&payload) {
                prop_assert_eq!(packet.encode(), payload);
                prop_assert_eq!(packet.meaning().usable, packet.is_usable());
            }
        }
    }

    fn read(payload: &str) -> Packet {
        Packet::decode(&hex::decode(payload).expect("hex")).expect("a packet")
    }
}
