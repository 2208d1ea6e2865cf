//! The words for plans.

use super::{Away, Limit, Measurement, Slot, Standard, Tenths, Unsound};
use crate::wording::Lang;

/// A standard set.
#[must_use]
pub fn standard(standard: Standard, lang: Lang) -> &'static str {
    match standard {
        Standard::Adult => lang.pick("Vuxna", "Adults"),
        Standard::HeartFailure => {
            lang.pick("Vuxna med hjärtsvikt, vikten följs", "Adults with heart failure, weight watched")
        }
        Standard::LowOxygen => lang.pick(
            "Vuxna med ordinerat låg syremättnad, till exempel KOL",
            "Adults prescribed a low oxygen saturation, such as COPD",
        ),
        Standard::OwnOnly => lang.pick("Inga standardgränser, bara egna", "No standard limits, only own ones"),
    }
}

/// A limit, with the sense in which it is one.
#[must_use]
pub fn limit(limit: Limit, lang: Lang) -> &'static str {
    match limit {
        Limit::SystolicAbove => lang.pick("Övertryck, från och med", "Systolic pressure, from"),
        Limit::SystolicBelow => lang.pick("Övertryck, under", "Systolic pressure, below"),
        Limit::DiastolicAbove => lang.pick("Undertryck, från och med", "Diastolic pressure, from"),
        Limit::DiastolicBelow => lang.pick("Undertryck, under", "Diastolic pressure, below"),
        Limit::AverageSystolic => lang.pick("Veckans medelövertryck, från och med", "Week's mean systolic, from"),
        Limit::AverageDiastolic => lang.pick("Veckans medelundertryck, från och med", "Week's mean diastolic, from"),
        Limit::PulseAbove => lang.pick("Puls i vila, från och med", "Pulse at rest, from"),
        Limit::PulseBelow => lang.pick("Puls i vila, under", "Pulse at rest, below"),
        Limit::OxygenBelow => lang.pick("Syremättnad, under", "Oxygen saturation, below"),
        Limit::OxygenCritical => lang.pick("Syremättnad, brådskande under", "Oxygen saturation, urgent below"),
        Limit::TemperatureAbove => lang.pick("Temperatur, från och med", "Temperature, from"),
        Limit::TemperatureBelow => lang.pick("Temperatur, under", "Temperature, below"),
        Limit::WeightAbove => lang.pick("Vikt, från och med", "Weight, from"),
        Limit::WeightBelow => lang.pick("Vikt, under", "Weight, below"),
        Limit::WeightChange => lang.pick("Viktändring på tre dygn, mer än", "Weight change in three days, more than"),
        Limit::DryWeight => lang.pick("Målvikt (torrvikt)", "Dry weight"),
    }
}

/// What is measured.
#[must_use]
pub fn measurement(measurement: Measurement, lang: Lang) -> &'static str {
    match measurement {
        Measurement::BloodPressure => lang.pick("Blodtryck", "Blood pressure"),
        Measurement::Oxygen => lang.pick("Syremättnad", "Oxygen saturation"),
        Measurement::Temperature => lang.pick("Temperatur", "Temperature"),
        Measurement::Weight => lang.pick("Vikt", "Weight"),
    }
}

/// A part of the day.
#[must_use]
pub fn slot(slot: Slot, lang: Lang) -> &'static str {
    match slot {
        Slot::Morning => lang.pick("morgon (4–12)", "morning (4–12)"),
        Slot::Evening => lang.pick("kväll (16–24)", "evening (16–24)"),
    }
}

/// Why somebody is away.
#[must_use]
pub fn away(away: Away, lang: Lang) -> &'static str {
    match away {
        Away::Hospital => lang.pick("på sjukhus", "in hospital"),
        Away::Holiday => lang.pick("bortrest", "on holiday"),
        Away::Other => lang.pick("annat skäl", "another reason"),
    }
}

/// A number as people of this language write it.
#[must_use]
pub fn number(value: Tenths, lang: Lang) -> String {
    lang.pick(value.to_string().replace('.', ","), value.to_string())
}

/// Why a plan was not taken.
#[must_use]
pub fn unsound(wrong: Unsound, lang: Lang) -> String {
    match wrong {
        Unsound::OutOfRange(of) => {
            let (low, high) = of.range();
            let (name, unit) = (limit(of, lang), of.unit());
            let (low, high) = (number(low, lang), number(high, lang));
            lang.pick(
                format!("{name}: värdet ska ligga mellan {low} och {high} {unit}. Inget är ändrat."),
                format!("{name}: the value must be between {low} and {high} {unit}. Nothing was changed."),
            )
        }
        Unsound::Crossed(below, above) => {
            let (below, above) = (limit(below, lang), limit(above, lang));
            lang.pick(
                format!("Gränserna korsar varandra: \"{below}\" ska vara lägre än \"{above}\". Inget är ändrat."),
                format!("The limits cross: \"{below}\" must be lower than \"{above}\". Nothing was changed."),
            )
        }
        Unsound::DryWeightAlone => {
            let (dry, change) = (limit(Limit::DryWeight, lang), limit(Limit::WeightChange, lang));
            lang.pick(
                format!("\"{dry}\" behöver också \"{change}\": hur långt därifrån är för långt. Inget är ändrat."),
                format!("\"{dry}\" also needs \"{change}\": how far from it is too far. Nothing was changed."),
            )
        }
        Unsound::Born => lang
            .pick(
                "Födelseåret kan inte stämma. Inget är ändrat.",
                "The year of birth cannot be right. Nothing was changed.",
            )
            .to_owned(),
        Unsound::Pause => lang
            .pick(
                "Pausen ska sluta efter att den börjat, senare än i dag och inom ett år. Inget är ändrat.",
                "The pause must end after it begins, later than today and within a year. Nothing was changed.",
            )
            .to_owned(),
    }
}
