//! What a plan can limit, and from where on a value concerns somebody where nobody has said otherwise.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number in tenths: exact for all that devices measure and people write as a limit.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tenths(pub i64);

impl Tenths {
    /// A whole number.
    #[must_use]
    pub const fn whole(number: i64) -> Self {
        Self(number * 10)
    }
}

/// `38.5`, and `180` where there are no tenths.
impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, tenths) = (self.0.unsigned_abs() / 10, self.0.unsigned_abs() % 10);
        if tenths == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{tenths}") }
    }
}

/// This is no number with at most one digit after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number with at most one decimal, such as 38.5")]
pub struct NotTenths;

/// Reads `180`, `38.5` and `38,5`.
impl FromStr for Tenths {
    type Err = NotTenths;

    fn from_str(typed: &str) -> Result<Self, NotTenths> {
        let typed = typed.trim().replace(',', ".");
        let (whole, tenths) = typed.split_once('.').unwrap_or((&typed, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(tenths) || tenths.len() != 1 {
            return Err(NotTenths);
        }
        let digits = format!("{whole}{tenths}");
        digits.parse().map(Self).map_err(|_| NotTenths)
    }
}

impl Serialize for Tenths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 10 == 0 {
            serializer.serialize_i64(self.0 / 10)
        } else {
            serializer.serialize_f64(self.0 as f64 / 10.0)
        }
    }
}

impl<'de> Deserialize<'de> for Tenths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        number.to_string().trim_end_matches(".0").parse().map_err(serde::de::Error::custom)
    }
}

/// Something that a plan limits. "Above" includes the limit itself, "below" does not: from 180 on, below 90.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Systolic pressure too high, mmHg.
    SystolicAbove,
    /// Systolic pressure too low, mmHg.
    SystolicBelow,
    /// Diastolic pressure too high, mmHg.
    DiastolicAbove,
    /// Diastolic pressure too low, mmHg.
    DiastolicBelow,
    /// The week's mean systolic pressure too high, mmHg.
    AverageSystolic,
    /// The week's mean diastolic pressure too high, mmHg.
    AverageDiastolic,
    /// Pulse at rest too fast, per minute.
    PulseAbove,
    /// Pulse at rest too slow, per minute.
    PulseBelow,
    /// Oxygen saturation too low, %.
    OxygenBelow,
    /// Oxygen saturation so low that somebody must act now, %.
    OxygenCritical,
    /// Fever, °C.
    TemperatureAbove,
    /// Too cold, °C.
    TemperatureBelow,
    /// Weight too high, kg.
    WeightAbove,
    /// Weight too low, kg.
    WeightBelow,
    /// Weight gained (or lost) within three days, kg.
    WeightChange,
    /// The weight without any water too much, as her clinician has set it, kg.
    DryWeight,
}

impl Limit {
    /// Every limit, in the order in which people read them.
    pub const ALL: [Self; 16] = [
        Self::SystolicAbove,
        Self::SystolicBelow,
        Self::DiastolicAbove,
        Self::DiastolicBelow,
        Self::AverageSystolic,
        Self::AverageDiastolic,
        Self::PulseAbove,
        Self::PulseBelow,
        Self::OxygenBelow,
        Self::OxygenCritical,
        Self::TemperatureAbove,
        Self::TemperatureBelow,
        Self::WeightAbove,
        Self::WeightBelow,
        Self::WeightChange,
        Self::DryWeight,
    ];

    /// Its word in the store, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystolicAbove => "systolic_above",
            Self::SystolicBelow => "systolic_below",
            Self::DiastolicAbove => "diastolic_above",
            Self::DiastolicBelow => "diastolic_below",
            Self::AverageSystolic => "average_systolic",
            Self::AverageDiastolic => "average_diastolic",
            Self::PulseAbove => "pulse_above",
            Self::PulseBelow => "pulse_below",
            Self::OxygenBelow => "oxygen_below",
            Self::OxygenCritical => "oxygen_critical",
            Self::TemperatureAbove => "temperature_above",
            Self::TemperatureBelow => "temperature_below",
            Self::WeightAbove => "weight_above",
            Self::WeightBelow => "weight_below",
            Self::WeightChange => "weight_change",
            Self::DryWeight => "dry_weight",
        }
    }

    /// In which unit people write it.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::SystolicAbove
            | Self::SystolicBelow
            | Self::DiastolicAbove
            | Self::DiastolicBelow
            | Self::AverageSystolic
            | Self::AverageDiastolic => "mmHg",
            Self::PulseAbove | Self::PulseBelow => "/min",
            Self::OxygenBelow | Self::OxygenCritical => "%",
            Self::TemperatureAbove | Self::TemperatureBelow => "°C",
            Self::WeightAbove | Self::WeightBelow | Self::WeightChange | Self::DryWeight => "kg",
        }
    }

    /// Between what a limit can be: outside, a value would not be one of a person.
    ///
    /// Source: clinical-rules §4.
    #[must_use]
    pub fn range(self) -> (Tenths, Tenths) {
        let (low, high) = match self {
            Self::SystolicAbove | Self::SystolicBelow | Self::AverageSystolic => (60, 250),
            Self::DiastolicAbove | Self::DiastolicBelow | Self::AverageDiastolic => (30, 150),
            Self::PulseAbove | Self::PulseBelow => (30, 200),
            Self::OxygenBelow | Self::OxygenCritical => (70, 100),
            Self::TemperatureAbove | Self::TemperatureBelow => (33, 42),
            Self::WeightAbove | Self::WeightBelow | Self::DryWeight => (2, 350),
            Self::WeightChange => (1, 20),
        };
        (Tenths::whole(low), Tenths::whole(high))
    }
}

/// This is no limit of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a limit of a plan, such as systolic_above")]
pub struct NoSuchLimit;

impl FromStr for Limit {
    type Err = NoSuchLimit;

    fn from_str(word: &str) -> Result<Self, NoSuchLimit> {
        Self::ALL.into_iter().find(|limit| limit.as_str() == word).ok_or(NoSuchLimit)
    }
}

/// A set of limits that holds where a plan says nothing of its own. None of them is for children.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standard {
    /// Grown-ups.
    #[default]
    Adult,
    /// Grown-ups with heart failure: their weight is watched too.
    HeartFailure,
    /// Grown-ups whose oxygen saturation is low as a rule, as in COPD with carbon dioxide retention. Only if prescribed.
    LowOxygen,
    /// No limit but her own.
    OwnOnly,
}

impl Standard {
    /// Every set.
    pub const ALL: [Self; 4] = [Self::Adult, Self::HeartFailure, Self::LowOxygen, Self::OwnOnly];

    /// Its word in the store, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adult => "adult",
            Self::HeartFailure => "heart_failure",
            Self::LowOxygen => "low_oxygen",
            Self::OwnOnly => "own_only",
        }
    }

    /// What this set limits.
    ///
    /// Source: clinical-rules §8 (BP-1, BP-3, BP-4, HR-1, OX-1, TE-1), §7 (weight). The critical saturation of
    /// [`Standard::LowOxygen`] lies as far below its limit as that of the others.
    #[must_use]
    pub fn limit(self, limit: Limit) -> Option<Tenths> {
        match (limit, self) {
            (_, Self::OwnOnly) => None,
            (Limit::SystolicAbove, _) => Some(Tenths::whole(180)),
            (Limit::SystolicBelow, _) => Some(Tenths::whole(90)),
            (Limit::DiastolicAbove, _) => Some(Tenths::whole(110)),
            (Limit::AverageSystolic, _) => Some(Tenths::whole(135)),
            (Limit::AverageDiastolic, _) => Some(Tenths::whole(85)),
            (Limit::PulseAbove, _) => Some(Tenths::whole(131)),
            (Limit::PulseBelow, _) => Some(Tenths::whole(40)),
            (Limit::OxygenBelow, Self::LowOxygen) => Some(Tenths::whole(84)),
            (Limit::OxygenCritical, Self::LowOxygen) => Some(Tenths::whole(78)),
            (Limit::OxygenBelow, _) => Some(Tenths::whole(92)),
            (Limit::OxygenCritical, _) => Some(Tenths::whole(86)),
            (Limit::TemperatureAbove, _) => Some(Tenths(385)),
            (Limit::TemperatureBelow, _) => Some(Tenths(351)),
            (Limit::WeightChange, Self::HeartFailure) => Some(Tenths::whole(2)),
            (
                Limit::DiastolicBelow
                | Limit::WeightAbove
                | Limit::WeightBelow
                | Limit::WeightChange
                | Limit::DryWeight,
                _,
            ) => None,
        }
    }
}

/// There is no such set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a standard set: adult, heart_failure, low_oxygen or own_only")]
pub struct NoSuchStandard;

impl FromStr for Standard {
    type Err = NoSuchStandard;

    fn from_str(word: &str) -> Result<Self, NoSuchStandard> {
        Self::ALL.into_iter().find(|standard| standard.as_str() == word).ok_or(NoSuchStandard)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them_and_nothing_else_is() {
        for (typed, tenths) in [("180", 1800), ("38.5", 385), (" 38,5 ", 385), ("0.5", 5)] {
            assert_eq!(typed.parse(), Ok(Tenths(tenths)), "{typed}");
        }
        for typed in ["", "38.55", "-1", "1e3", "38.", ".5", "NaN", "99999999999999999999"] {
            assert_eq!(typed.parse::<Tenths>(), Err(NotTenths), "{typed}");
        }
    }

    #[test]
    fn words_are_those_of_the_store() {
        for limit in Limit::ALL {
            assert_eq!(serde_json::to_string(&limit).unwrap(), format!("\"{}\"", limit.as_str()));
            assert_eq!(limit.as_str().parse(), Ok(limit));
        }
        for standard in Standard::ALL {
            assert_eq!(serde_json::to_string(&standard).unwrap(), format!("\"{}\"", standard.as_str()));
            for limit in Limit::ALL {
                let (low, high) = limit.range();
                assert!(standard.limit(limit).is_none_or(|value| low <= value && value <= high), "{limit:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_limit_is_read_from_json_as_it_was_written(tenths in 0_i64..100_000) {
            let json = serde_json::to_string(&Tenths(tenths)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Tenths>(&json).unwrap(), Tenths(tenths));
            prop_assert_eq!(Tenths(tenths).to_string().parse::<Tenths>(), Ok(Tenths(tenths)));
        }
    }
}
