//! The three pressures every blood-pressure measurement begins with.

use crate::codec::{DecodeError, Reader, Sfloat, Warning, Warnings};
use crate::devices::plausible;
use crate::observation::{Decimal, MMHG_PER_KPA, Observation, Quantity, Unit, Value};

/// The unit of all pressures in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PressureUnit {
    /// mmHg.
    MillimetreOfMercury,
    /// kPa; 1 kPa = 7.50061683 mmHg.
    Kilopascal,
}

impl PressureUnit {
    /// Flag bit 0 says kPa.
    pub(super) fn from_flags(flags: u8) -> Self {
        if flags & 1 == 0 { Self::MillimetreOfMercury } else { Self::Kilopascal }
    }

    /// Flag bit 0.
    pub(super) fn flag(self) -> u8 {
        u8::from(self == Self::Kilopascal)
    }

    /// The unit of an observation.
    pub fn unit(self) -> Unit {
        match self {
            Self::MillimetreOfMercury => Unit::MillimetreOfMercury,
            Self::Kilopascal => Unit::Kilopascal,
        }
    }

    /// A pressure in mmHg, exactly, or `None` if it is no number.
    fn in_mmhg(self, pressure: Sfloat) -> Option<Decimal> {
        let number = pressure.value().number()?;
        match self {
            Self::MillimetreOfMercury => Some(number),
            Self::Kilopascal => number.checked_mul(&MMHG_PER_KPA),
        }
    }
}

/// Systolic, diastolic and mean arterial pressure, as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressures {
    /// The unit of all three.
    pub unit: PressureUnit,
    /// Systolic pressure.
    pub systolic: Sfloat,
    /// Diastolic pressure.
    pub diastolic: Sfloat,
    /// Mean arterial pressure; NaN or 0 from many cuffs.
    pub mean: Sfloat,
}

impl Pressures {
    pub(super) fn read(unit: PressureUnit, bytes: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            unit,
            systolic: bytes.sfloat("systolic")?,
            diastolic: bytes.sfloat("diastolic")?,
            mean: bytes.sfloat("map")?,
        })
    }

    pub(super) fn encode(&self) -> impl Iterator<Item = u8> {
        [self.systolic, self.diastolic, self.mean].into_iter().flat_map(Sfloat::encode)
    }

    /// Whether systolic and diastolic can be those of a person: systolic 40 to 300 mmHg, diastolic 20 to 250 mmHg, and
    /// the systolic the higher one.
    pub fn are_usable(&self) -> bool {
        match (self.unit.in_mmhg(self.systolic), self.unit.in_mmhg(self.diastolic)) {
            (Some(systolic), Some(diastolic)) => {
                plausible::SYSTOLIC.contains(&systolic)
                    && plausible::DIASTOLIC.contains(&diastolic)
                    && systolic.compare(&diastolic).is_gt()
            }
            _ => false,
        }
    }

    /// The three as observations. The mean is usable only between the other two.
    pub fn observations(&self) -> [Observation; 3] {
        let usable = self.are_usable();
        let mean_usable = match (self.systolic.value(), self.diastolic.value()) {
            (Value::Number(systolic), Value::Number(diastolic)) => {
                usable && self.mean.value().is_within(&diastolic, &systolic)
            }
            _ => false,
        };
        let observation =
            |quantity, pressure: Sfloat, usable| Observation::new(quantity, pressure.value(), self.unit.unit(), usable);
        [
            observation(Quantity::Systolic, self.systolic, usable),
            observation(Quantity::Diastolic, self.diastolic, usable),
            observation(Quantity::MeanArterialPressure, self.mean, mean_usable),
        ]
    }

    pub(super) fn warnings(&self) -> Warnings {
        let systolic = self.unit.in_mmhg(self.systolic);
        let diastolic = self.unit.in_mmhg(self.diastolic);
        let specials = [("systolic", self.systolic), ("diastolic", self.diastolic), ("map", self.mean)]
            .into_iter()
            .filter(|(_, pressure)| pressure.value().number().is_none())
            .map(|(field, _)| Warning::Special(field));
        let out_of_range =
            [("systolic", systolic, plausible::SYSTOLIC), ("diastolic", diastolic, plausible::DIASTOLIC)]
                .into_iter()
                .filter(|(_, pressure, range)| pressure.is_some_and(|number| !range.contains(&number)))
                .map(|(field, _, _)| Warning::Implausible(field));
        let reversed =
            systolic.zip(diastolic).is_some_and(|(systolic, diastolic)| systolic.compare(&diastolic).is_le());
        specials.chain(out_of_range).chain(reversed.then_some(Warning::Implausible("sys_le_dia"))).collect()
    }
}
