//! A person's plan: how old she is, which limits hold for her, when she is to measure, and when she is away.
//!
//! No adult default is ever applied to a child: for her only the limits of her own plan hold. A plan is never changed; a
//! new version, with who wrote it and why, ends the one before.

pub mod limits;
pub mod wording;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use limits::{Limit, Standard, Tenths};

/// A person's plan. What it does not say is as [`Plan::default`]: the standard set of grown-ups, no schedule, no pause.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// The set whose limits hold where she has none of her own.
    pub standard: Standard,
    /// In which year she was born, where that is known.
    pub born: Option<i16>,
    /// Whether somebody has said that she is a child.
    pub is_child: bool,
    /// Her own limits.
    pub limits: BTreeMap<Limit, Tenths>,
    /// What she is to measure, and when.
    pub schedule: BTreeMap<Measurement, BTreeSet<Slot>>,
    /// When she is away: nothing is asked of her, and what comes is kept and not judged. A press is never paused.
    pub pause: Option<Pause>,
}

/// What a person is asked to measure.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measurement {
    /// With a cuff.
    BloodPressure,
    /// With a finger clip.
    Oxygen,
    /// With a thermometer.
    Temperature,
    /// On a scale.
    Weight,
}

impl Measurement {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::BloodPressure, Self::Oxygen, Self::Temperature, Self::Weight];

    /// Its word in the store, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BloodPressure => "blood_pressure",
            Self::Oxygen => "oxygen",
            Self::Temperature => "temperature",
            Self::Weight => "weight",
        }
    }
}

/// Nothing of that name is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a measurement: blood_pressure, oxygen, temperature or weight")]
pub struct NoSuchMeasurement;

impl FromStr for Measurement {
    type Err = NoSuchMeasurement;

    fn from_str(word: &str) -> Result<Self, NoSuchMeasurement> {
        Self::ALL.into_iter().find(|measurement| measurement.as_str() == word).ok_or(NoSuchMeasurement)
    }
}

/// A part of the day in which a person is to measure.
///
/// Source: clinical-rules §2.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// From 4 to noon.
    Morning,
    /// From 16 to midnight.
    Evening,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Morning, Self::Evening];

    /// Its word in the store, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Morning => "morning",
            Self::Evening => "evening",
        }
    }

    /// In which slot a moment lies, by the clocks of this zone.
    #[must_use]
    pub fn of(at_ms: i64, zone: &TimeZone) -> Option<Self> {
        let hour = local(at_ms, zone).hour();
        Self::ALL.into_iter().find(|slot| slot.hours().contains(&hour))
    }

    fn hours(self) -> std::ops::Range<i8> {
        match self {
            Self::Morning => 4..12,
            Self::Evening => 16..24,
        }
    }

    /// When it begins and ends on this day.
    #[must_use]
    pub fn on(self, day: Date, zone: &TimeZone) -> std::ops::Range<i64> {
        let at = |hour: i8| {
            let (day, hour) = if hour == 24 { (day.tomorrow().unwrap_or(day), 0) } else { (day, hour) };
            let at = day.to_datetime(Time::constant(hour, 0, 0, 0)).to_zoned(zone.clone());
            at.map_or(i64::MAX, |at| at.timestamp().as_millisecond())
        };
        at(self.hours().start)..at(self.hours().end)
    }
}

/// There is no such part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a part of the day: morning or evening")]
pub struct NoSuchSlot;

impl FromStr for Slot {
    type Err = NoSuchSlot;

    fn from_str(word: &str) -> Result<Self, NoSuchSlot> {
        Self::ALL.into_iter().find(|slot| slot.as_str() == word).ok_or(NoSuchSlot)
    }
}

/// When a person is away. It always has an end.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// From when.
    pub from_ms: i64,
    /// Until before when.
    pub until_ms: i64,
    /// Why.
    pub why: Away,
}

impl Pause {
    /// Whether it holds then.
    #[must_use]
    pub fn holds_at(&self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && at_ms < self.until_ms
    }
}

/// Why a person is away.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Away {
    /// In hospital.
    Hospital,
    /// On holiday.
    Holiday,
    /// Something else.
    Other,
}

impl Away {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Hospital, Self::Holiday, Self::Other];

    /// Its word in the store, in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hospital => "hospital",
            Self::Holiday => "holiday",
            Self::Other => "other",
        }
    }
}

/// Nobody is away for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reason to be away: hospital, holiday or other")]
pub struct NoSuchAway;

impl FromStr for Away {
    type Err = NoSuchAway;

    fn from_str(word: &str) -> Result<Self, NoSuchAway> {
        Self::ALL.into_iter().find(|away| away.as_str() == word).ok_or(NoSuchAway)
    }
}

/// Why nobody can be cared for by such a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// A limit is no value of a person.
    #[error("{} must be from {} to {} {}", .0.as_str(), .0.range().0, .0.range().1, .0.unit())]
    OutOfRange(Limit),
    /// Every value would be too low or too high.
    #[error("{} must be below {}", .0.as_str(), .1.as_str())]
    Crossed(Limit, Limit),
    /// A dry weight without how far from it matters: nothing would be judged by it.
    #[error("dry_weight needs weight_change: how far from it is too far")]
    DryWeightAlone,
    /// Nobody was born in that year.
    #[error("the year of birth cannot be right")]
    Born,
    /// A pause ends before it begins, or is over, or is longer than a year.
    #[error("a pause must end after it begins, later than now and within a year")]
    Pause,
}

/// How long a pause can be at most: long enough for any stay, short enough to be looked at again.
const LONGEST_PAUSE_MS: i64 = 366 * 24 * 60 * 60 * 1000;

/// She is grown up once she has turned 18. Only the year is known, so she counts as a child until that year is over.
const LAST_YEAR_AS_CHILD: i16 = 18;

impl Plan {
    /// Whether somebody can be cared for by it.
    ///
    /// # Errors
    /// [`Unsound`], with what is wrong.
    pub fn check(&self, now_ms: i64, zone: &TimeZone) -> Result<(), Unsound> {
        for (limit, value) in &self.limits {
            let (low, high) = limit.range();
            if *value < low || *value > high {
                return Err(Unsound::OutOfRange(*limit));
            }
        }
        let year = local(now_ms, zone).year();
        if self.born.is_some_and(|born| born > year || born < year - 130) {
            return Err(Unsound::Born);
        }
        let here = self.at(now_ms, zone);
        if here.limit(Limit::DryWeight).is_some() && here.limit(Limit::WeightChange).is_none() {
            return Err(Unsound::DryWeightAlone);
        }
        for (below, above) in [
            (Limit::SystolicBelow, Limit::SystolicAbove),
            (Limit::DiastolicBelow, Limit::DiastolicAbove),
            (Limit::PulseBelow, Limit::PulseAbove),
            (Limit::TemperatureBelow, Limit::TemperatureAbove),
            (Limit::WeightBelow, Limit::WeightAbove),
        ] {
            if here.limit(below).zip(here.limit(above)).is_some_and(|(low, high)| low >= high) {
                return Err(Unsound::Crossed(below, above));
            }
        }
        let is_pause_sound = |pause: Pause| {
            pause.from_ms < pause.until_ms
                && pause.until_ms > now_ms
                && pause.until_ms - now_ms.max(pause.from_ms) <= LONGEST_PAUSE_MS
        };
        if self.pause.is_some_and(|pause| !is_pause_sound(pause)) {
            return Err(Unsound::Pause);
        }
        Ok(())
    }

    /// The plan as it holds at a moment.
    #[must_use]
    pub fn at(&self, at_ms: i64, zone: &TimeZone) -> AtMoment<'_> {
        let year = local(at_ms, zone).year();
        AtMoment {
            plan: self,
            is_child: self.is_child || self.born.is_some_and(|born| year - born <= LAST_YEAR_AS_CHILD),
            is_paused: self.pause.is_some_and(|pause| pause.holds_at(at_ms)),
        }
    }
}

/// A plan as it holds at a moment.
#[derive(Copy, Clone, Debug)]
pub struct AtMoment<'a> {
    plan: &'a Plan,
    /// Whether she is a child then.
    pub is_child: bool,
    /// Whether she is away then.
    pub is_paused: bool,
}

impl<'a> AtMoment<'a> {
    /// The plan itself.
    #[must_use]
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// The limit that holds: her own, else that of her standard set; a child has only her own.
    #[must_use]
    pub fn limit(&self, limit: Limit) -> Option<Tenths> {
        let own = self.plan.limits.get(&limit).copied();
        own.or_else(|| self.plan.standard.limit(limit).filter(|_| !self.is_child))
    }

    /// Whether a grown-up would have a limit here that this child has not: nobody has said what is too much for her.
    #[must_use]
    pub fn lacks_for_child(&self, limit: Limit) -> bool {
        self.is_child && self.limit(limit).is_none() && Standard::Adult.limit(limit).is_some()
    }
}

/// One version of a person's plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// The first is 1.
    pub version: i64,
    /// From when it holds.
    pub from_ms: i64,
    /// Until before when; it holds still, where there is no end.
    pub until_ms: Option<i64>,
    /// Who wrote it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// The plan itself.
    pub plan: Plan,
}

/// The plan that was in force at a moment. Before her first one only her age is known: that does not begin with a plan.
#[must_use]
pub fn in_force(versions: &[Version], at_ms: i64) -> Plan {
    let holds = |version: &&Version| version.from_ms <= at_ms && version.until_ms.is_none_or(|until| at_ms < until);
    let first = || versions.iter().min_by_key(|version| version.version);
    match versions.iter().find(holds) {
        Some(version) => version.plan.clone(),
        None => first().map_or_else(Plan::default, |first| Plan {
            born: first.plan.born,
            is_child: first.plan.is_child,
            ..Plan::default()
        }),
    }
}

/// A moment by the clocks of a zone.
pub(crate) fn local(at_ms: i64, zone: &TimeZone) -> jiff::civil::DateTime {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    zone.to_datetime(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_800_014_400_000; // 2027-01-15T12:00:00Z
    const DAY: i64 = 86_400_000;

    #[test]
    fn her_own_limit_stands_in_place_of_the_standard_one() {
        let plan = Plan { limits: [(Limit::SystolicAbove, Tenths::whole(160))].into(), ..Plan::default() };
        let now = plan.at(NOON, &TimeZone::UTC);
        assert_eq!(now.limit(Limit::SystolicAbove), Some(Tenths::whole(160)));
        assert_eq!(now.limit(Limit::DiastolicAbove), Some(Tenths::whole(110)));
        assert_eq!(now.limit(Limit::WeightChange), None);
        let heart = Plan { standard: Standard::HeartFailure, ..Plan::default() };
        assert_eq!(heart.at(NOON, &TimeZone::UTC).limit(Limit::WeightChange), Some(Tenths::whole(2)));
        let own = Plan { standard: Standard::OwnOnly, ..plan.clone() };
        assert_eq!(own.at(NOON, &TimeZone::UTC).limit(Limit::DiastolicAbove), None);
    }

    #[test]
    fn no_limit_of_grown_ups_holds_for_a_child() {
        let said = Plan { is_child: true, ..Plan::default() };
        let young = Plan { born: Some(2009), ..Plan::default() };
        for plan in [said, young] {
            let now = plan.at(NOON, &TimeZone::UTC);
            assert!(Limit::ALL.iter().all(|limit| now.limit(*limit).is_none()));
            assert!(now.lacks_for_child(Limit::SystolicAbove) && !now.lacks_for_child(Limit::DryWeight));
            let own = Plan { limits: [(Limit::PulseAbove, Tenths::whole(140))].into(), ..plan };
            assert_eq!(own.at(NOON, &TimeZone::UTC).limit(Limit::PulseAbove), Some(Tenths::whole(140)));
        }
        let grown = Plan { born: Some(2008), ..Plan::default() };
        assert!(!grown.at(NOON, &TimeZone::UTC).is_child);
    }

    #[test]
    fn a_reading_is_judged_by_the_plan_of_its_time_and_a_child_was_one_before_her_first_plan() {
        let with = |limit| Plan {
            is_child: true,
            limits: [(Limit::SystolicAbove, Tenths::whole(limit))].into(),
            ..Plan::default()
        };
        let versions = [version(1, 100, Some(200), with(120)), version(2, 200, None, with(125))];
        let limit = |at_ms| in_force(&versions, at_ms).limits.get(&Limit::SystolicAbove).copied();
        assert_eq!([limit(100), limit(199)], [Some(Tenths::whole(120)); 2]);
        assert_eq!(limit(200), Some(Tenths::whole(125)));
        assert_eq!(in_force(&versions, 99), Plan { is_child: true, ..Plan::default() });
        assert_eq!(in_force(&[], 99), Plan::default());
    }

    #[test]
    fn what_nobody_could_be_cared_for_by_is_refused() {
        let limit = |limit, value| Plan { limits: [(limit, Tenths::whole(value))].into(), ..Plan::default() };
        let pause = |from_ms, until_ms| Plan {
            pause: Some(Pause { from_ms, until_ms, why: Away::Holiday }),
            ..Plan::default()
        };
        for (plan, wrong) in [
            (limit(Limit::SystolicAbove, 18), Unsound::OutOfRange(Limit::SystolicAbove)),
            (limit(Limit::SystolicAbove, 90), Unsound::Crossed(Limit::SystolicBelow, Limit::SystolicAbove)),
            (Plan { born: Some(2028), ..Plan::default() }, Unsound::Born),
            (Plan { born: Some(i16::MIN), ..Plan::default() }, Unsound::Born),
            (limit(Limit::DryWeight, 70), Unsound::DryWeightAlone),
            (pause(NOON, NOON - DAY), Unsound::Pause),
            (pause(NOON - 3 * DAY, NOON - DAY), Unsound::Pause),
            (pause(NOON, NOON + 400 * DAY), Unsound::Pause),
        ] {
            assert_eq!(plan.check(NOON, &TimeZone::UTC), Err(wrong));
        }
        assert_eq!(pause(NOON - DAY, NOON + 7 * DAY).check(NOON, &TimeZone::UTC), Ok(()));
        assert_eq!(limit(Limit::SystolicAbove, 160).check(NOON, &TimeZone::UTC), Ok(()));
    }

    #[test]
    fn slots_are_by_the_clocks_of_the_home_also_when_they_change() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        assert_eq!(Slot::of(NOON, &zone), None, "13 o'clock in Stockholm");
        assert_eq!(Slot::of(NOON - 2 * 3_600_000, &zone), Some(Slot::Morning));
        assert_eq!(Slot::of(NOON + 10 * 3_600_000, &zone), Some(Slot::Evening));
        let spring: Date = "2027-03-28".parse().unwrap();
        let hours = |slot: Slot| (slot.on(spring, &zone).end - slot.on(spring, &zone).start) / 3_600_000;
        assert_eq!((hours(Slot::Morning), hours(Slot::Evening)), (8, 8));
        assert_eq!(Slot::Morning.on(spring, &zone).start, 1_806_199_200_000, "02:00Z, in summer time");
    }

    #[test]
    fn a_plan_is_read_from_the_store_as_it_was_written_and_unknown_words_are_refused() {
        let plan = Plan {
            standard: Standard::HeartFailure,
            born: Some(1938),
            limits: [(Limit::TemperatureAbove, Tenths(378)), (Limit::DryWeight, Tenths(712))].into(),
            schedule: [(Measurement::Weight, [Slot::Morning].into())].into(),
            pause: Some(Pause { from_ms: 1, until_ms: 2, why: Away::Hospital }),
            ..Plan::default()
        };
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{json}");
        assert!(serde_json::from_str::<Plan>(r#"{"limits": {"sistolic": 180}}"#).is_err());
        for measurement in Measurement::ALL {
            assert_eq!(serde_json::to_string(&measurement).unwrap(), format!("\"{}\"", measurement.as_str()));
        }
    }

    fn version(version: i64, from_ms: i64, until_ms: Option<i64>, plan: Plan) -> Version {
        Version { version, from_ms, until_ms, author: "Anna".into(), reason: "why".into(), plan }
    }
}
