//! What an oximeter says about its measurement and about itself.

use crate::codec::Warning;
use crate::devices::Mark;

/// The Measurement Status of an oximeter, 16 bits, as they were sent. Bits 0 to 4 are reserved.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "PLX Spot-Check Measurement".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MeasurementStatus(pub u16);

impl MeasurementStatus {
    const RESERVED: u16 = 0x001F;
    /// Demonstration, testing, calibration, unavailable, invalid.
    const FAULTS: u16 = 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 15;
    /// The names of the bits from 5 on, and what people should see of them.
    const BITS: [(&str, Option<Mark>); 11] = [
        ("ongoing", Some(Mark::Unfinished)),
        ("early_estimate", Some(Mark::EarlyEstimate)),
        ("validated", None),
        ("fully_qualified", None),
        ("from_storage", Some(Mark::FromStorage)),
        ("demo", Some(Mark::NotAPerson)),
        ("testing", Some(Mark::NotAPerson)),
        ("calibration", Some(Mark::NotAPerson)),
        ("unavailable", Some(Mark::Unavailable)),
        ("questionable", Some(Mark::Questionable)),
        ("invalid", Some(Mark::Invalid)),
    ];

    /// The names of the bits that are set, lowest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.set().map(|(name, _)| name)
    }

    /// Whether any bit says that this is no measurement of a person.
    pub fn is_fault(self) -> bool {
        self.0 & Self::FAULTS != 0
    }

    pub(super) fn marks(self) -> impl Iterator<Item = Mark> {
        self.set().filter_map(|(_, mark)| mark)
    }

    pub(super) fn warning(self) -> Option<Warning> {
        (self.0 & Self::RESERVED != 0).then_some(Warning::ReservedMeasurementStatus)
    }

    fn set(self) -> impl Iterator<Item = (&'static str, Option<Mark>)> {
        (5..).zip(Self::BITS).filter(move |(bit, _)| self.0 & 1 << bit != 0).map(|(_, meaning)| meaning)
    }
}

/// The Device and Sensor Status of an oximeter, 24 bits, as they were sent. Bits 16 to 23 are reserved.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "PLX Spot-Check Measurement".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SensorStatus(u32);

impl SensorStatus {
    const ALL: u32 = 0x00FF_FFFF;
    const RESERVED: u32 = 0x00FF_0000;
    /// Equipment malfunction, sensor unconnected to the user, sensor malfunction, sensor disconnected.
    const FAULTS: u32 = 1 << 1 | 1 << 11 | 1 << 14 | 1 << 15;
    /// The names of the bits from 0 on, and what people should see of them.
    const BITS: [(&str, Option<Mark>); 16] = [
        ("extended_display_update", None),
        ("equipment_malfunction", Some(Mark::Malfunction)),
        ("signal_processing_irregular", Some(Mark::PoorSignal)),
        ("inadequate_signal", Some(Mark::PoorSignal)),
        ("poor_signal", Some(Mark::PoorSignal)),
        ("low_perfusion", Some(Mark::LowPerfusion)),
        ("erratic_signal", Some(Mark::PoorSignal)),
        ("non_pulsatile", Some(Mark::PoorSignal)),
        ("questionable_pulse", Some(Mark::Questionable)),
        ("signal_analysis_ongoing", Some(Mark::Unfinished)),
        ("sensor_interference", Some(Mark::PoorSignal)),
        ("sensor_unconnected", Some(Mark::SensorOff)),
        ("unknown_sensor", Some(Mark::Malfunction)),
        ("sensor_displaced", Some(Mark::SensorOff)),
        ("sensor_malfunction", Some(Mark::Malfunction)),
        ("sensor_disconnected", Some(Mark::Malfunction)),
    ];

    /// The lowest 24 bits.
    pub fn new(bits: u32) -> Self {
        Self(bits & Self::ALL)
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// The names of the bits that are set, lowest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.set().map(|(name, _)| name)
    }

    /// Whether any bit says that the sensor is not on a person, or broken.
    pub fn is_fault(self) -> bool {
        self.0 & Self::FAULTS != 0
    }

    pub(super) fn encode(self) -> impl Iterator<Item = u8> {
        self.0.to_le_bytes().into_iter().take(3)
    }

    pub(super) fn marks(self) -> impl Iterator<Item = Mark> {
        self.set().filter_map(|(_, mark)| mark)
    }

    pub(super) fn warning(self) -> Option<Warning> {
        (self.0 & Self::RESERVED != 0).then_some(Warning::ReservedSensorStatus)
    }

    fn set(self) -> impl Iterator<Item = (&'static str, Option<Mark>)> {
        (0..).zip(Self::BITS).filter(move |(bit, _)| self.0 & 1 << bit != 0).map(|(_, meaning)| meaning)
    }
}

/// What people should see of both: each mark once.
pub(super) fn marks_of(measurement: Option<MeasurementStatus>, sensor: Option<SensorStatus>) -> Vec<Mark> {
    let measurement = measurement.into_iter().flat_map(MeasurementStatus::marks);
    let mut marks: Vec<Mark> = measurement.chain(sensor.into_iter().flat_map(SensorStatus::marks)).collect();
    marks.sort_unstable();
    marks.dedup();
    marks
}
