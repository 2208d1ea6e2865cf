//! Thermometers: Health Thermometer Service 0x1809.

use crate::codec::{DateTime, DecodeError, Float, Reader, Warning, Warnings, warning};
use crate::devices::Meaning;
use crate::devices::plausible::{self, Range};
use crate::observation::{Observation, Quantity, Unit};

/// One Temperature Measurement (characteristic 0x2A1C), little-endian, as it was sent.
///
/// | order | bytes | field       | there if   | form                                   |
/// |-------|-------|-------------|------------|----------------------------------------|
/// | 1     | 1     | flags       | always     | bit 0: °F, else °C; bits 3..: reserved |
/// | 2     | 4     | temperature | always     | FLOAT                                  |
/// | 3     | 7     | time        | flag bit 1 | Date Time                              |
/// | 4     | 1     | type        | flag bit 2 | [`Site`]                               |
///
/// Source: Bluetooth SIG, GATT Specification Supplement, "Temperature Measurement".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// The unit of the temperature.
    pub scale: Scale,
    /// The temperature.
    pub temperature: Float,
    /// When, by the wall clock of the thermometer.
    pub taken: Option<DateTime>,
    /// Where on the body.
    pub site: Option<Site>,
    /// Flag bits 3 to 7.
    pub reserved_flags: u8,
    /// What came after the last field.
    pub trailing: Vec<u8>,
}

/// The unit of a temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scale {
    /// °C.
    Celsius,
    /// °F.
    Fahrenheit,
}

impl Scale {
    /// The unit of an observation.
    pub fn unit(self) -> Unit {
        match self {
            Self::Celsius => Unit::Celsius,
            Self::Fahrenheit => Unit::Fahrenheit,
        }
    }

    fn plausible(self) -> Range {
        match self {
            Self::Celsius => plausible::CELSIUS,
            Self::Fahrenheit => plausible::FAHRENHEIT,
        }
    }
}

/// Where on the body a temperature was taken, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site(pub u8);

impl Site {
    /// The name of the place, or `None` for a number that is not defined.
    pub fn name(self) -> Option<&'static str> {
        match self.0 {
            1 => Some("armpit"),
            2 => Some("body"),
            3 => Some("ear"),
            4 => Some("finger"),
            5 => Some("gastrointestinal"),
            6 => Some("mouth"),
            7 => Some("rectum"),
            8 => Some("toe"),
            9 => Some("tympanum"),
            _ => None,
        }
    }
}

const FAHRENHEIT: u8 = 1 << 0;
const TIME: u8 = 1 << 1;
const SITE: u8 = 1 << 2;
const RESERVED: u8 = 0b1111_1000;

impl Measurement {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when the flags promise more bytes than came.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = Reader::new(payload);
        let flags = bytes.u8("flags")?;
        Ok(Self {
            scale: if flags & FAHRENHEIT == 0 { Scale::Celsius } else { Scale::Fahrenheit },
            temperature: bytes.float("temperature")?,
            taken: (flags & TIME != 0).then(|| bytes.date_time("timestamp")).transpose()?,
            site: (flags & SITE != 0).then(|| bytes.u8("type")).transpose()?.map(Site),
            reserved_flags: flags & RESERVED,
            trailing: bytes.rest().to_vec(),
        })
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let flags = if self.scale == Scale::Fahrenheit { FAHRENHEIT } else { 0 }
            | if self.taken.is_some() { TIME } else { 0 }
            | if self.site.is_some() { SITE } else { 0 }
            | self.reserved_flags & RESERVED;
        let mut bytes = vec![flags];
        bytes.extend(self.temperature.encode());
        bytes.extend(self.taken.into_iter().flat_map(DateTime::to_bytes));
        bytes.extend(self.site.map(|site| site.0));
        bytes.extend(&self.trailing);
        bytes
    }

    /// Whether it may feed limits and trends: 25 to 45 °C.
    pub fn is_usable(&self) -> bool {
        self.temperature.value().number().is_some_and(|number| self.scale.plausible().contains(&number))
    }

    /// What is odd about it.
    pub fn warnings(&self) -> Warnings {
        let temperature = match self.temperature.value().number() {
            None => Some(Warning::Special("temperature")),
            Some(_) if !self.is_usable() => Some(Warning::Implausible("temperature")),
            Some(_) => None,
        };
        [
            temperature,
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
        let value = self.temperature.value();
        Meaning {
            observations: vec![Observation::new(Quantity::BodyTemperature, value, self.scale.unit(), usable)],
            device_time: self.taken.and_then(DateTime::civil),
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
    fn the_limits_are_the_same_in_both_units() {
        let usable = |scale, mantissa| {
            let temperature = Float::new(mantissa, -1).expect("it fits");
            let measurement =
                Measurement { scale, temperature, taken: None, site: None, reserved_flags: 0, trailing: vec![] };
            measurement.is_usable()
        };
        assert_eq!([249, 250, 450, 451].map(|t| usable(Scale::Celsius, t)), [false, true, true, false]);
        assert_eq!([769, 770, 1130, 1131].map(|t| usable(Scale::Fahrenheit, t)), [false, true, true, false]);
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_written_the_same(payload in proptest::collection::vec(any::<u8>(), 0..16)) {
            if let Ok(measurement) = Measurement::decode(&payload) {
                prop_assert_eq!(measurement.encode(), payload);
                prop_assert_eq!(measurement.meaning().usable, measurement.is_usable());
                measurement.warnings();
            }
        }
    }
}
