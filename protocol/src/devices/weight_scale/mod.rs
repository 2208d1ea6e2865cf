//! Scales: Weight Scale Service 0x181D.

use crate::codec::{DateTime, DecodeError, Reader, Warning, Warnings, warning};
use crate::devices::{Mark, Meaning, plausible};
use crate::observation::{Decimal, KG_PER_LB, Observation, Quantity, Special, Unit, Value};

/// One Weight Measurement (characteristic 0x2A9D), little-endian, as it was sent.
///
/// | order | bytes | field  | there if   | form                                                       |
/// |-------|-------|--------|------------|------------------------------------------------------------|
/// | 1     | 1     | flags  | always     | bit 0: lb and in, else kg and m; bits 4..: reserved        |
/// | 2     | 2     | weight | always     | u16, 0.005 kg or 0.01 lb; 65535: the scale could not weigh |
/// | 3     | 7     | time   | flag bit 1 | Date Time                                                  |
/// | 4     | 1     | user   | flag bit 2 | u8, 255 unknown                                            |
/// | 5     | 2     | BMI    | flag bit 3 | u16, 0.1 kg/m²                                             |
/// | 6     | 2     | height | flag bit 3 | u16, 0.001 m or 0.1 in                                     |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Weight Measurement".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// The units of weight and height.
    pub system: System,
    /// The weight in steps of 0.005 kg or 0.01 lb, or 65535.
    pub steps: u16,
    /// When, by the wall clock of the scale.
    pub taken: Option<DateTime>,
    /// Which user of the scale; 255 is nobody known.
    pub user: Option<u8>,
    /// Body mass index and height.
    pub build: Option<Build>,
    /// Flag bits 4 to 7.
    pub reserved_flags: u8,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

/// The units of a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum System {
    /// Kilogram and metre.
    Metric,
    /// Pound and inch.
    Imperial,
}

/// What a scale that knows its user's height adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Build {
    /// Body mass index, in steps of 0.1 kg/m².
    pub bmi: u16,
    /// Height, in steps of 0.001 m or 0.1 in.
    pub height: u16,
}

const IMPERIAL: u8 = 1 << 0;
const TIME: u8 = 1 << 1;
const USER: u8 = 1 << 2;
const BUILD: u8 = 1 << 3;
const RESERVED: u8 = 0b1111_0000;
const UNSUCCESSFUL: u16 = u16::MAX;

impl Measurement {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the flags promise more bytes than came.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let flags = bytes.u8("flags")?;
        Ok(Self {
            system: if flags & IMPERIAL == 0 { System::Metric } else { System::Imperial },
            steps: bytes.u16("weight")?,
            taken: (flags & TIME != 0).then(|| bytes.date_time("timestamp")).transpose()?,
            user: (flags & USER != 0).then(|| bytes.u8("user_id")).transpose()?,
            build: (flags & BUILD != 0)
                .then(|| Ok(Build { bmi: bytes.u16("bmi")?, height: bytes.u16("height")? }))
                .transpose()?,
            reserved_flags: flags & RESERVED,
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let flags = if self.system == System::Imperial { IMPERIAL } else { 0 }
            | if self.taken.is_some() { TIME } else { 0 }
            | if self.user.is_some() { USER } else { 0 }
            | if self.build.is_some() { BUILD } else { 0 }
            | self.reserved_flags & RESERVED;
        let mut bytes = vec![flags];
        bytes.extend(self.steps.to_le_bytes());
        bytes.extend(self.taken.into_iter().flat_map(DateTime::to_bytes));
        bytes.extend(self.user);
        bytes.extend(
            self.build
                .into_iter()
                .flat_map(|Build { bmi, height }| bmi.to_le_bytes().into_iter().chain(height.to_le_bytes())),
        );
        bytes.extend(&self.trailing);
        bytes
    }

    /// The weight in the scale's unit, or `None` if it could not weigh.
    pub fn weight(&self) -> Option<Decimal> {
        let steps = i64::from(self.steps);
        (self.steps != UNSUCCESSFUL).then_some(match self.system {
            System::Metric => Decimal::new(steps * 5, -3),
            System::Imperial => Decimal::new(steps, -2),
        })
    }

    /// The unit of [`weight`](Self::weight).
    pub fn weight_unit(&self) -> Unit {
        match self.system {
            System::Metric => Unit::Kilogram,
            System::Imperial => Unit::Pound,
        }
    }

    /// Body mass index in kg/m².
    pub fn bmi(&self) -> Option<Decimal> {
        self.build.map(|build| Decimal::new(build.bmi.into(), -1))
    }

    /// Height in the scale's unit, m or in.
    pub fn height(&self) -> Option<Decimal> {
        self.build.map(|build| match self.system {
            System::Metric => Decimal::new(build.height.into(), -3),
            System::Imperial => Decimal::new(build.height.into(), -1),
        })
    }

    /// The unit of [`height`](Self::height).
    pub fn height_unit(&self) -> Unit {
        match self.system {
            System::Metric => Unit::Metre,
            System::Imperial => Unit::Inch,
        }
    }

    /// Whether it may feed limits and trends: 2 to 350 kg.
    pub fn is_usable(&self) -> bool {
        let weight = self.weight().and_then(|weight| match self.system {
            System::Metric => Some(weight),
            System::Imperial => weight.checked_mul(&KG_PER_LB),
        });
        weight.is_some_and(|kilograms| plausible::WEIGHT.contains(&kilograms))
    }

    /// The user of the scale, if it knows one.
    pub fn user_slot(&self) -> Option<u8> {
        self.user.filter(|user| *user != u8::MAX)
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        let weight = match self.weight() {
            None => Some(Warning::Unsuccessful),
            Some(_) if !self.is_usable() => Some(Warning::Implausible("weight")),
            Some(_) => None,
        };
        [
            weight,
            self.taken.and_then(DateTime::warning),
            (self.reserved_flags & RESERVED != 0).then_some(Warning::ReservedFlags),
            warning::trailing(&self.trailing),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let usable = self.is_usable();
        let weight = self.weight().map_or(Value::Special(Special::NaN), Value::Number);
        let bmi =
            self.bmi().map(|bmi| Observation::new(Quantity::BodyMassIndex, bmi, Unit::KilogramPerSquareMetre, usable));
        let height =
            self.height().map(|height| Observation::new(Quantity::BodyHeight, height, self.height_unit(), usable));
        Meaning {
            observations: [Observation::new(Quantity::BodyWeight, weight, self.weight_unit(), usable)]
                .into_iter()
                .chain(bmi)
                .chain(height)
                .collect(),
            device_time: self.taken.and_then(DateTime::civil),
            user_slot: self.user_slot(),
            marks: self.weight().is_none().then_some(Mark::Unsuccessful).into_iter().collect(),
            usable,
            ..Meaning::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_scale_that_could_not_weigh_says_so() {
        let meaning = Measurement::decode(&[0, 0xFF, 0xFF]).expect("a measurement").meaning();
        assert_eq!((meaning.usable, meaning.marks), (false, vec![Mark::Unsuccessful]));
        assert_eq!(meaning.observations[0].value, Value::Special(Special::NaN));
    }

    #[test]
    fn pounds_are_judged_as_kilograms() {
        let usable = |steps: u16| {
            let [low, high] = steps.to_le_bytes();
            Measurement::decode(&[IMPERIAL, low, high]).expect("a measurement").is_usable()
        };
        assert!(!usable(440), "4.40 lb are 1.996 kg");
        assert!(usable(441), "4.41 lb are 2.0003 kg");
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(measurement) = Measurement::decode(&payload) {
                prop_assert_eq!(measurement.encode(), payload);
                prop_assert_eq!(measurement.meaning().usable, measurement.is_usable());
                measurement.warnings();
            }
        }
    }
}
