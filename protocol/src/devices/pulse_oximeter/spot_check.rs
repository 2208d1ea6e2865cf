//! PLX Spot-Check Measurement, 0x2A5E: one reading, taken on purpose.

use crate::codec::{DateTime, DecodeError, Reader, Sfloat, Warning, Warnings, warning};
use crate::devices::{Mark, Meaning};

use super::{MeasurementStatus, Pair, SensorStatus, is_usable, observations_of, status, warnings_of};

/// One PLX Spot-Check Measurement (characteristic 0x2A5E), little-endian, as it was sent.
///
/// | order | bytes | field                    | there if   | form                                            |
/// |-------|-------|--------------------------|------------|-------------------------------------------------|
/// | 1     | 1     | flags                    | always     | bit 4: the clock is not set; bits 5..: reserved |
/// | 2     | 2     | SpO2                     | always     | SFLOAT, percent                                 |
/// | 3     | 2     | pulse rate               | always     | SFLOAT, beats per minute                        |
/// | 4     | 7     | time                     | flag bit 0 | Date Time                                       |
/// | 5     | 2     | measurement status       | flag bit 1 | [`MeasurementStatus`]                           |
/// | 6     | 3     | device and sensor status | flag bit 2 | [`SensorStatus`]                                |
/// | 7     | 2     | pulse amplitude index    | flag bit 3 | SFLOAT, percent                                 |
///
/// Without a finger in it, an oximeter sends NaN. That is a value, not an error.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "PLX Spot-Check Measurement".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotCheck {
    /// SpO2 and pulse.
    pub values: Pair,
    /// When, by the wall clock of the oximeter.
    pub taken: Option<DateTime>,
    /// What it says about the measurement.
    pub measurement_status: Option<MeasurementStatus>,
    /// What it says about itself and its sensor.
    pub sensor_status: Option<SensorStatus>,
    /// How much the finger pulsates, in percent.
    pub amplitude: Option<Sfloat>,
    /// It says that its clock is not set: the time means nothing.
    pub clock_not_set: bool,
    /// Flag bits 5 to 7.
    pub reserved_flags: u8,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

const TIME: u8 = 1 << 0;
const MEASUREMENT_STATUS: u8 = 1 << 1;
const SENSOR_STATUS: u8 = 1 << 2;
const AMPLITUDE: u8 = 1 << 3;
const CLOCK_NOT_SET: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

impl SpotCheck {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the flags promise more bytes than came.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let flags = bytes.u8("flags")?;
        let has = |bit: u8| flags & bit != 0;
        Ok(Self {
            values: Pair { oxygen: bytes.sfloat("spo2")?, pulse: bytes.sfloat("pulse")? },
            taken: has(TIME).then(|| bytes.date_time("timestamp")).transpose()?,
            measurement_status: has(MEASUREMENT_STATUS)
                .then(|| bytes.u16("measurement_status"))
                .transpose()?
                .map(MeasurementStatus),
            sensor_status: has(SENSOR_STATUS).then(|| bytes.u24("sensor_status")).transpose()?.map(SensorStatus::new),
            amplitude: has(AMPLITUDE).then(|| bytes.sfloat("pai")).transpose()?,
            clock_not_set: has(CLOCK_NOT_SET),
            reserved_flags: flags & RESERVED,
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let flags = if self.taken.is_some() { TIME } else { 0 }
            | if self.measurement_status.is_some() { MEASUREMENT_STATUS } else { 0 }
            | if self.sensor_status.is_some() { SENSOR_STATUS } else { 0 }
            | if self.amplitude.is_some() { AMPLITUDE } else { 0 }
            | if self.clock_not_set { CLOCK_NOT_SET } else { 0 }
            | self.reserved_flags & RESERVED;
        let mut bytes = vec![flags];
        bytes.extend(self.values.encode());
        bytes.extend(self.taken.into_iter().flat_map(DateTime::to_bytes));
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
            .chain(self.taken.and_then(DateTime::warning))
            .chain(self.measurement_status.and_then(MeasurementStatus::warning))
            .chain(self.sensor_status.and_then(SensorStatus::warning))
            .chain((self.reserved_flags & RESERVED != 0).then_some(Warning::ReservedFlags))
            .chain(warning::trailing(&self.trailing))
            .collect()
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let mut marks = status::marks_of(self.measurement_status, self.sensor_status);
        marks.extend(self.clock_not_set.then_some(Mark::ClockNotSet));
        Meaning {
            observations: observations_of(self.values, self.amplitude, self.is_usable()),
            device_time: self.taken.filter(|_| !self.clock_not_set).and_then(DateTime::civil),
            marks,
            usable: self.is_usable(),
            ..Meaning::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_time_of_a_clock_that_is_not_set_is_none() {
        let payload = hex::decode("1161006000e1070101012213").expect("hex");
        let meaning = SpotCheck::decode(&payload).expect("a spot check").meaning();

        assert_eq!(meaning.device_time, None);
        assert_eq!(meaning.marks, [Mark::ClockNotSet]);
        assert!(meaning.usable);
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(measurement) = SpotCheck::decode(&payload) {
                prop_assert_eq!(measurement.encode(), payload);
                prop_assert_eq!(measurement.meaning().usable, measurement.is_usable());
                measurement.warnings();
            }
        }
    }
}
