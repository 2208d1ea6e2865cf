//! PLX Continuous Measurement, 0x2A5F: a stream, about once a second.

use crate::codec::{DecodeError, Reader, Sfloat, Warning, Warnings, warning};
use crate::devices::Meaning;

use super::{MeasurementStatus, SensorStatus, is_usable, observations_of, status, warnings_of};

/// One PLX Continuous Measurement (characteristic 0x2A5F), little-endian, as it was sent.
///
/// | order | bytes | field                       | there if   | form                                |
/// |-------|-------|-----------------------------|------------|-------------------------------------|
/// | 1     | 1     | flags                       | always     | bits 5..: reserved                  |
/// | 2     | 4     | SpO2, pulse                 | always     | SFLOAT each, percent and per minute |
/// | 3     | 4     | SpO2, pulse, fast averaging | flag bit 0 | the same                            |
/// | 4     | 4     | SpO2, pulse, slow averaging | flag bit 1 | the same                            |
/// | 5     | 2     | measurement status          | flag bit 2 | [`MeasurementStatus`]               |
/// | 6     | 3     | device and sensor status    | flag bit 3 | [`SensorStatus`]                    |
/// | 7     | 2     | pulse amplitude index       | flag bit 4 | SFLOAT, percent                     |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "PLX Continuous Measurement".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuous {
    /// SpO2 and pulse, with the usual averaging.
    pub values: Pair,
    /// The same, following quickly.
    pub fast: Option<Pair>,
    /// The same, following slowly.
    pub slow: Option<Pair>,
    /// What it says about the measurement.
    pub measurement_status: Option<MeasurementStatus>,
    /// What it says about itself and its sensor.
    pub sensor_status: Option<SensorStatus>,
    /// How much the finger pulsates, in percent.
    pub amplitude: Option<Sfloat>,
    /// Flag bits 5 to 7.
    pub reserved_flags: u8,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

/// The two values of an oximeter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Oxygen saturation (SpO2) in percent.
    pub oxygen: Sfloat,
    /// Pulse rate in beats per minute.
    pub pulse: Sfloat,
}

impl Pair {
    pub(super) fn encode(self) -> impl Iterator<Item = u8> {
        [self.oxygen, self.pulse].into_iter().flat_map(Sfloat::encode)
    }
}

const FAST: u8 = 1 << 0;
const SLOW: u8 = 1 << 1;
const MEASUREMENT_STATUS: u8 = 1 << 2;
const SENSOR_STATUS: u8 = 1 << 3;
const AMPLITUDE: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl Continuous {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the flags promise more bytes than came.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let flags = bytes.u8("flags")?;
        let has = |bit: u8| flags & bit != 0;
        let mut pair = |oxygen, pulse| Ok(Pair { oxygen: bytes.sfloat(oxygen)?, pulse: bytes.sfloat(pulse)? });
        let values = pair("spo2", "pulse")?;
        let fast = has(FAST).then(|| pair("spo2_fast", "pulse_fast")).transpose()?;
        let slow = has(SLOW).then(|| pair("spo2_slow", "pulse_slow")).transpose()?;
        Ok(Self {
            values,
            fast,
            slow,
            measurement_status: has(MEASUREMENT_STATUS)
                .then(|| bytes.u16("measurement_status"))
                .transpose()?
                .map(MeasurementStatus),
            sensor_status: has(SENSOR_STATUS).then(|| bytes.u24("sensor_status")).transpose()?.map(SensorStatus::new),
            amplitude: has(AMPLITUDE).then(|| bytes.sfloat("pai")).transpose()?,
            reserved_flags: flags & RESERVED,
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let flags = if self.fast.is_some() { FAST } else { 0 }
            | if self.slow.is_some() { SLOW } else { 0 }
            | if self.measurement_status.is_some() { MEASUREMENT_STATUS } else { 0 }
            | if self.sensor_status.is_some() { SENSOR_STATUS } else { 0 }
            | if self.amplitude.is_some() { AMPLITUDE } else { 0 }
            | self.reserved_flags & RESERVED;
        let mut bytes = vec![flags];
        bytes.extend(self.values.encode());
        bytes.extend(self.fast.into_iter().chain(self.slow).flat_map(Pair::encode));
        bytes.extend(self.measurement_status.into_iter().flat_map(|status| status.0.to_le_bytes()));
        bytes.extend(self.sensor_status.into_iter().flat_map(SensorStatus::encode));
        bytes.extend(self.amplitude.into_iter().flat_map(Sfloat::encode));
        bytes.extend(&self.trailing);
        bytes
    }

    /// Whether it may feed limits and trends.
    pub fn is_usable(&self) -> bool {
        is_usable(self.values, self.measurement_status, self.sensor_status)
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        warnings_of(self.values)
            .chain(self.measurement_status.and_then(MeasurementStatus::warning))
            .chain(self.sensor_status.and_then(SensorStatus::warning))
            .chain((self.reserved_flags & RESERVED != 0).then_some(Warning::ReservedFlags))
            .chain(warning::trailing(&self.trailing))
            .collect()
    }

    /// What it means. The averages other than the usual one stay in the raw bytes.
    pub fn meaning(&self) -> Meaning {
        Meaning {
            observations: observations_of(self.values, self.amplitude, self.is_usable()),
            marks: status::marks_of(self.measurement_status, self.sensor_status),
            usable: self.is_usable(),
            ..Meaning::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::devices::Mark;

    #[test]
    fn a_finger_that_slipped_out_is_no_reading() {
        let payload = hex::decode("08ff07ff07000800").expect("hex");
        let meaning = Continuous::decode(&payload).expect("a measurement").meaning();
        assert_eq!((meaning.usable, meaning.marks), (false, vec![Mark::SensorOff]));
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..28)) {
            if let Ok(measurement) = Continuous::decode(&payload) {
                prop_assert_eq!(measurement.encode(), payload);
                prop_assert_eq!(measurement.meaning().usable, measurement.is_usable());
                measurement.warnings();
            }
        }
    }
}
