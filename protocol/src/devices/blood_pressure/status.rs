//! What the cuff says about how it measured.

use crate::codec::Warning;
use crate::devices::Mark;

/// The Measurement Status of a cuff, as it was sent.
///
/// | bit  | set                                                        |
/// |------|------------------------------------------------------------|
/// | 0    | body movement                                              |
/// | 1    | cuff too loose                                             |
/// | 2    | irregular pulse                                            |
/// | 3..5 | pulse rate: 0 in range, 1 above it, 2 below it, 3 reserved |
/// | 5    | improper measurement position                              |
/// | 6..  | reserved; real cuffs set them                              |
///
/// A bit that is clear means "not detected" only where [`Feature`](super::Feature) says that the cuff can detect it.
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Blood Pressure Measurement".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

/// How the pulse lies to the limits of the cuff, which are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PulseRange {
    /// Within them.
    InRange,
    /// Above the upper one.
    AboveUpper,
    /// Below the lower one.
    BelowLower,
    /// A value that is not defined.
    Reserved,
}

impl Status {
    const RESERVED: u16 = 0xFFC0;

    /// The person moved.
    pub fn body_movement(self) -> bool {
        self.0 & 1 << 0 != 0
    }

    /// The cuff was too loose.
    pub fn cuff_too_loose(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    /// The pulse was irregular.
    pub fn irregular_pulse(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    /// How the pulse lies to the cuff's limits.
    pub fn pulse_range(self) -> PulseRange {
        match self.0 >> 3 & 0b11 {
            0 => PulseRange::InRange,
            1 => PulseRange::AboveUpper,
            2 => PulseRange::BelowLower,
            _ => PulseRange::Reserved,
        }
    }

    /// The arm was not held right.
    pub fn improper_position(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    /// What of this people should see beside the reading.
    pub fn marks(self) -> Vec<Mark> {
        let pulse = match self.pulse_range() {
            PulseRange::AboveUpper => Some(Mark::PulseAboveRange),
            PulseRange::BelowLower => Some(Mark::PulseBelowRange),
            PulseRange::InRange | PulseRange::Reserved => None,
        };
        [
            self.body_movement().then_some(Mark::BodyMovement),
            self.cuff_too_loose().then_some(Mark::CuffTooLoose),
            self.irregular_pulse().then_some(Mark::IrregularPulse),
            pulse,
            self.improper_position().then_some(Mark::ImproperPosition),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    pub(super) fn warning(self) -> Option<Warning> {
        (self.0 & Self::RESERVED != 0).then_some(Warning::ReservedStatus)
    }
}
