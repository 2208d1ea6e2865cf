//! What devices measure, as rules judge it: exact to a tenth, whichever device and unit it came in.

use hempuls_protocol::observation::{Observation, Quantity, Unit};
use serde::{Deserialize, Serialize};

/// What is judged together.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vital {
    /// Systolic and diastolic pressure.
    #[default]
    BloodPressure,
    /// Pulse, counted by a cuff or a finger clip. A strap is worn in motion, and this is about rest.
    Pulse,
    /// Oxygen saturation.
    Oxygen,
    /// Body temperature.
    Temperature,
    /// Body weight.
    Weight,
}

/// The values of one reading in tenths of mmHg, beats per minute, %, °C and kg.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Values {
    /// Systolic pressure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub systolic: Option<i64>,
    /// Diastolic pressure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diastolic: Option<i64>,
    /// Pulse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulse: Option<i64>,
    /// Oxygen saturation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oxygen: Option<i64>,
    /// Temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<i64>,
    /// Weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
}

impl Values {
    /// What a reading says, with what is not usable too where `also_doubtful`.
    #[must_use]
    pub fn of(observations: &[Observation], also_doubtful: bool) -> Self {
        let value = |quantities: &[Quantity]| {
            let is_it = |seen: &&Observation| quantities.contains(&seen.quantity) && (seen.usable || also_doubtful);
            observations.iter().find(is_it).and_then(tenths)
        };
        Self {
            systolic: value(&[Quantity::Systolic]),
            diastolic: value(&[Quantity::Diastolic]),
            pulse: value(&[Quantity::PulseRate, Quantity::OximeterPulseRate]),
            oxygen: value(&[Quantity::OxygenSaturation]),
            temperature: value(&[Quantity::BodyTemperature]),
            weight: value(&[Quantity::BodyWeight]),
        }
    }

    /// The values that are judged together, in the order in which people say them.
    #[must_use]
    pub fn of_vital(&self, vital: Vital) -> [Option<i64>; 2] {
        match vital {
            Vital::BloodPressure => [self.systolic, self.diastolic],
            Vital::Pulse => [self.pulse, None],
            Vital::Oxygen => [self.oxygen, None],
            Vital::Temperature => [self.temperature, None],
            Vital::Weight => [self.weight, None],
        }
    }

    /// Whether it says anything of this.
    #[must_use]
    pub fn has(&self, vital: Vital) -> bool {
        self.of_vital(vital).iter().any(Option::is_some)
    }

    /// The mean of each value that is there.
    #[must_use]
    pub fn mean(readings: &[Self]) -> Self {
        let mean_of = |value: fn(&Self) -> Option<i64>| {
            let values: Vec<i64> = readings.iter().filter_map(value).collect();
            let count = i64::try_from(values.len()).ok().filter(|count| *count > 0)?;
            Some(values.iter().sum::<i64>() / count)
        };
        Self {
            systolic: mean_of(|values| values.systolic),
            diastolic: mean_of(|values| values.diastolic),
            pulse: mean_of(|values| values.pulse),
            oxygen: mean_of(|values| values.oxygen),
            temperature: mean_of(|values| values.temperature),
            weight: mean_of(|values| values.weight),
        }
    }
}

/// A value in tenths of the unit that its kind is compared in.
fn tenths(observation: &Observation) -> Option<i64> {
    let expected = match observation.quantity {
        Quantity::Systolic | Quantity::Diastolic | Quantity::MeanArterialPressure => Unit::MillimetreOfMercury,
        Quantity::PulseRate | Quantity::OximeterPulseRate | Quantity::HeartRate => Unit::PerMinute,
        Quantity::OxygenSaturation | Quantity::PulseAmplitudeIndex => Unit::Percent,
        Quantity::BodyTemperature => Unit::Celsius,
        Quantity::BodyWeight => Unit::Kilogram,
        Quantity::BodyHeight => Unit::Metre,
        Quantity::BodyMassIndex => Unit::KilogramPerSquareMetre,
    };
    let number = observation.normalised().filter(|_| observation.unit.common() == expected)?.rounded(1);
    let power = u32::try_from(i32::from(number.exponent) + 1).ok()?;
    number.mantissa.checked_mul(10_i64.checked_pow(power)?)
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::observation::Decimal;

    use super::*;

    #[test]
    fn every_unit_becomes_the_one_that_is_compared() {
        let seen = [
            Observation::new(Quantity::Systolic, Decimal::new(240, -1), Unit::Kilopascal, true),
            Observation::new(Quantity::BodyTemperature, Decimal::new(1013, -1), Unit::Fahrenheit, true),
            Observation::new(Quantity::BodyWeight, Decimal::whole(154), Unit::Pound, true),
            Observation::new(Quantity::OximeterPulseRate, Decimal::whole(64), Unit::PerMinute, false),
        ];
        let usable = Values::of(&seen, false);
        assert_eq!((usable.systolic, usable.temperature, usable.weight), (Some(1800), Some(385), Some(699)));
        assert_eq!((usable.pulse, Values::of(&seen, true).pulse), (None, Some(640)));
    }
}
