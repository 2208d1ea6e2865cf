//! Blood-pressure cuffs: Blood Pressure Service 0x1810.
//!
//! | characteristic | what                       | type             |
//! |----------------|----------------------------|------------------|
//! | 0x2A35         | the reading                | [`Measurement`]  |
//! | 0x2A36         | pressure while it inflates | [`CuffPressure`] |
//! | 0x2A49         | what the cuff can detect   | [`Feature`]      |
//! | 0x2B34         | the reading, newer form    | [`Enhanced`]     |
//! | 0x2B36         | a segment of a stored one  | [`Segment`]      |

mod cuff_pressure;
mod enhanced;
mod feature;
mod measurement;
mod pressures;
mod segment;
mod status;

pub use cuff_pressure::CuffPressure;
pub use enhanced::{Enhanced, Epoch, Seconds};
pub use feature::Feature;
pub use measurement::Measurement;
pub use pressures::{PressureUnit, Pressures};
pub use segment::Segment;
pub use status::{PulseRange, Status};

use crate::codec::Sfloat;
use crate::devices::plausible;
use crate::observation::{Observation, Quantity, Unit};

/// Whether the pulse of a cuff can be one: cuffs send 0, NaN or 2047 where they did not find it.
fn is_pulse(pulse: Sfloat) -> bool {
    pulse.value().number().is_some_and(|rate| plausible::RATE.contains(&rate))
}

/// What cuffs measure that say whole mmHg and no more: systolic, diastolic and pulse, each marked whether it is usable.
pub(super) fn whole_millimetres(systolic: u8, diastolic: u8, pulse: u8) -> Vec<Observation> {
    let whole = |number: u8| Sfloat::new(number.into(), 0).expect("an SFLOAT holds every byte");
    let pressures = Pressures {
        unit: PressureUnit::MillimetreOfMercury,
        systolic: whole(systolic),
        diastolic: whole(diastolic),
        mean: Sfloat::NAN,
    };
    let [systolic, diastolic, _] = pressures.observations();
    vec![systolic, diastolic, pulse_observation(whole(pulse), pressures.are_usable())]
}

/// The pulse that came with a blood pressure. It is dropped alone if it is none, and with the pressures if they are
/// none.
fn pulse_observation(pulse: Sfloat, pressures_usable: bool) -> Observation {
    let usable = pressures_usable && is_pulse(pulse);
    Observation::new(Quantity::PulseRate, pulse.value(), Unit::PerMinute, usable)
}
