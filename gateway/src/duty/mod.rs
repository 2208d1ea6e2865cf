//! Who is responsible, and who is there: teams by area, and their rosters.

pub mod cover;
pub mod desk;
pub mod holidays;
pub mod ical;
pub mod roster;
pub mod sight;
mod text;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::alerts::{health, rules::alarm_pressed};

/// The two areas that the law keeps apart.
///
/// Source: sweden.md §3: a safety alarm is granted by the social services and is theirs until a nurse acts; what a rule finds
/// in readings is health care's.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Readings and what is found in them.
    HealthCare,
    /// Safety alarms, and the equipment that carries them.
    SocialServices,
}

impl Area {
    /// Both.
    pub const ALL: [Self; 2] = [Self::HealthCare, Self::SocialServices];

    /// Its word in the store, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HealthCare => "health_care",
            Self::SocialServices => "social_services",
        }
    }

    /// Whose a case is: an alert's `rule`.
    #[must_use]
    pub fn of_case(case: &str) -> Self {
        let is_alarm = [alarm_pressed::NAME, health::UNREADABLE_ALARM].contains(&case);
        if is_alarm || health::ABOUT_EQUIPMENT.contains(&case) { Self::SocialServices } else { Self::HealthCare }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no area of that word.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an area is health_care or social_services")]
pub struct NoSuchArea;

impl FromStr for Area {
    type Err = NoSuchArea;

    fn from_str(word: &str) -> Result<Self, NoSuchArea> {
        Self::ALL.into_iter().find(|area| area.as_str() == word).ok_or(NoSuchArea)
    }
}

/// What a member works for a team for.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// She takes care of people, sees whom the team is responsible for, and is told of what they need.
    Care,
    /// She sees to the team's affairs, homes and boxes. She is told of nothing, and sees no person's data.
    Administration,
}

impl Purpose {
    /// Its word in the store, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Care => "care",
            Self::Administration => "administration",
        }
    }
}

/// There is no purpose of that word.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a purpose is care or administration")]
pub struct NoSuchPurpose;

impl FromStr for Purpose {
    type Err = NoSuchPurpose;

    fn from_str(word: &str) -> Result<Self, NoSuchPurpose> {
        [Self::Care, Self::Administration].into_iter().find(|one| one.as_str() == word).ok_or(NoSuchPurpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rules::above_limit;

    #[test]
    fn a_press_is_the_social_services_and_a_blood_pressure_is_health_cares() {
        assert_eq!(Area::of_case(alarm_pressed::NAME), Area::SocialServices);
        assert_eq!(Area::of_case(health::UNREADABLE_ALARM), Area::SocialServices);
        assert_eq!(Area::of_case(health::BATTERY), Area::SocialServices);
        assert_eq!(Area::of_case(above_limit::NAME), Area::HealthCare);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!(Area::ALL.into_iter().all(|area| area.as_str().parse() == Ok(area)));
        assert!("care".parse::<Area>().is_err() && "health_care".parse::<Purpose>().is_err());
    }
}
