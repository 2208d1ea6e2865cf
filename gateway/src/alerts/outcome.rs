//! What came of an alert: a short list in care's own words, so that it can be counted.

use serde::{Deserialize, Serialize};

use crate::wording::Lang;

/// What came of an alert.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody was there and helped.
    HelpedOnSite,
    /// The person was reached by phone, and is well.
    PhonedAndWell,
    /// 112 was called.
    CalledAmbulance,
    /// A physician was asked.
    ContactedPhysician,
    /// Nobody needed help: the button was pressed by mistake.
    PressedByMistake,
    /// The equipment was to blame.
    TechnicalFault,
    /// It was looked at, and nothing had to be done.
    NoActionNeeded,
    /// The person was not reached. What was done then takes words.
    CouldNotBeReached,
    /// It was a test.
    Test,
}

impl Outcome {
    /// Every outcome, in the order in which they are offered.
    pub const ALL: [Self; 9] = [
        Self::HelpedOnSite,
        Self::PhonedAndWell,
        Self::CalledAmbulance,
        Self::ContactedPhysician,
        Self::PressedByMistake,
        Self::TechnicalFault,
        Self::NoActionNeeded,
        Self::CouldNotBeReached,
        Self::Test,
    ];

    /// Its word in the store, in forms and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HelpedOnSite => "helped_on_site",
            Self::PhonedAndWell => "phoned_and_well",
            Self::CalledAmbulance => "called_ambulance",
            Self::ContactedPhysician => "contacted_physician",
            Self::PressedByMistake => "pressed_by_mistake",
            Self::TechnicalFault => "technical_fault",
            Self::NoActionNeeded => "no_action_needed",
            Self::CouldNotBeReached => "could_not_be_reached",
            Self::Test => "test",
        }
    }

    /// The outcome of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }

    /// Whether it says too little by itself.
    #[must_use]
    pub fn takes_words(self) -> bool {
        match self {
            Self::CouldNotBeReached => true,
            Self::HelpedOnSite
            | Self::PhonedAndWell
            | Self::CalledAmbulance
            | Self::ContactedPhysician
            | Self::PressedByMistake
            | Self::TechnicalFault
            | Self::NoActionNeeded
            | Self::Test => false,
        }
    }

    /// In the reader's words.
    #[must_use]
    pub fn say(self, lang: Lang) -> &'static str {
        match self {
            Self::HelpedOnSite => lang.pick("hjälpt på plats", "helped on site"),
            Self::PhonedAndWell => lang.pick("ringde upp, personen mår bra", "phoned, the person is well"),
            Self::CalledAmbulance => lang.pick("larmade 112 eller ambulans", "called 112 or an ambulance"),
            Self::ContactedPhysician => lang.pick("kontaktade läkare", "contacted a physician"),
            Self::PressedByMistake => lang.pick("falskt larm: tryckt av misstag", "false alarm: pressed by mistake"),
            Self::TechnicalFault => lang.pick("tekniskt fel", "technical fault"),
            Self::NoActionNeeded => lang.pick("ingen åtgärd behövdes", "no action needed"),
            Self::CouldNotBeReached => lang.pick("personen gick inte att nå", "the person could not be reached"),
            Self::Test => lang.pick("provlarm", "test"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_one_word_in_the_store_and_in_json() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::of(outcome.as_str()), Some(outcome));
            assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{}\"", outcome.as_str()));
        }
        assert_eq!(Outcome::of("done"), None);
    }
}
