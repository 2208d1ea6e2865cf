//! Pulse oximeters: Pulse Oximeter Service 0x1822.
//!
//! | characteristic | what                          | type           |
//! |----------------|-------------------------------|----------------|
//! | 0x2A5E         | one reading, taken on purpose | [`SpotCheck`]  |
//! | 0x2A5F         | a stream, about once a second | [`Continuous`] |

mod continuous;
mod spot_check;
mod status;

pub use continuous::{Continuous, Pair};
pub use spot_check::SpotCheck;
pub use status::{MeasurementStatus, SensorStatus};

use crate::codec::{Sfloat, Warning};
use crate::devices::plausible::{self, Range};
use crate::observation::{Observation, Quantity, Unit};

/// Whether both values can be those of a person, and the device does not say that they are not: SpO2 50 to 100 %, pulse
/// 20 to 300 per minute, no fault in either status.
fn is_usable(values: Pair, measurement: Option<MeasurementStatus>, sensor: Option<SensorStatus>) -> bool {
    let within = |value: Sfloat, range: Range| value.value().is_within(&range.low, &range.high);
    within(values.oxygen, plausible::OXYGEN_SATURATION)
        && within(values.pulse, plausible::RATE)
        && !measurement.is_some_and(MeasurementStatus::is_fault)
        && !sensor.is_some_and(SensorStatus::is_fault)
}

fn warnings_of(values: Pair) -> impl Iterator<Item = Warning> {
    [("spo2", values.oxygen, plausible::OXYGEN_SATURATION), ("pulse", values.pulse, plausible::RATE)]
        .into_iter()
        .filter_map(|(field, value, range)| match value.value().number() {
            None => Some(Warning::Special(field)),
            Some(number) if !range.contains(&number) => Some(Warning::Implausible(field)),
            Some(_) => None,
        })
}

fn observations_of(values: Pair, amplitude: Option<Sfloat>, usable: bool) -> Vec<Observation> {
    let amplitude = amplitude.map(|index| {
        let usable = usable && index.value().number().is_some();
        Observation::new(Quantity::PulseAmplitudeIndex, index.value(), Unit::Percent, usable)
    });
    [
        Observation::new(Quantity::OxygenSaturation, values.oxygen.value(), Unit::Percent, usable),
        Observation::new(Quantity::OximeterPulseRate, values.pulse.value(), Unit::PerMinute, usable),
    ]
    .into_iter()
    .chain(amplitude)
    .collect()
}
