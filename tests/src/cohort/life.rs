//! One member of a cohort: who she is, how she measures, and a year of it as a history that can be judged.
//!
//! She has a standard plan and no limit of her own. She forgets parts of the day and whole days, moves while she measures,
//! repeats a value that frightens her as often as people do, is away, and somebody else steps on her scale.

use std::collections::BTreeMap;

use hempuls_gateway::plan::{Away, Limit, Measurement, Pause, Plan, Slot, Standard, Tenths, Version};
use hempuls_gateway::replay::{History, HomeBox, Reading};
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::body::{Body, Kind, Planted, Truth, normal, whole};
use super::silences::Cut;
use super::{DAY_MS, Days};

const MINUTE: i64 = 60_000;

/// So many days there is at most one planted event in: none hides behind another.
const BLOCK_DAYS: i64 = 45;

/// One member.
pub(super) struct Member {
    /// What is planted in her, silences of her box left out.
    pub(super) planted: Vec<Planted>,
    /// What would be stored of her.
    pub(super) history: History,
    /// When she measured while each planted event went on: when that was stored.
    pub(super) shown_ms: Vec<Option<i64>>,
    /// When she was away, and her plan says so.
    pub(super) away: Vec<(i64, i64)>,
}

/// Why somebody measures at home.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Condition {
    Hypertension,
    HeartFailure,
    Lungs,
    Frail,
}

struct Life<'a> {
    days: &'a Days,
    dice: StdRng,
    number: usize,
    body: Body,
    plan: Plan,
    planted: Vec<Planted>,
    shown_ms: Vec<Option<i64>>,
    cuts: &'a [Cut],
    readings: Vec<Reading>,
    /// The minute of the day at which she measures, of each part of the day.
    habit: BTreeMap<Slot, i64>,
    /// How often she misses a part of the day, and a whole day.
    misses: f64,
    /// How often she repeats what is far off.
    repeats: f64,
    /// Her pulse is irregular as a rule, and that is known.
    is_irregular: bool,
}

impl Member {
    /// The same for the same seed, number, days and cuts.
    pub(super) fn live(seed: u64, number: usize, days: &Days, cuts: &[Cut]) -> Self {
        let mut dice = StdRng::seed_from_u64(seed ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let condition = match dice.random_range(0..100) {
            0..50 => Condition::Hypertension,
            50..70 => Condition::HeartFailure,
            70..85 => Condition::Lungs,
            _ => Condition::Frail,
        };
        let plan = plan(condition, &mut dice);
        let is_irregular = condition != Condition::Lungs && dice.random_bool(0.08);
        let usual = usual(condition, plan.standard, &mut dice);
        let irregular = if is_irregular { dice.random_range(0.4..0.8) } else { 0.005 };
        let misses = match dice.random_range(0..100) {
            0..70 => dice.random_range(0.01..0.07),
            70..95 => dice.random_range(0.07..0.20),
            _ => dice.random_range(0.20..0.40),
        };
        let habit = [
            (Slot::Morning, 450 + whole(normal(&mut dice, 40.0))),
            (Slot::Evening, 1_170 + whole(normal(&mut dice, 50.0))),
        ];
        let body = Body::new(dice.random(), usual, irregular);
        let repeats = dice.random_range(0.5..1.0);
        let mut life = Life {
            days,
            dice,
            number,
            body,
            plan,
            planted: Vec::new(),
            shown_ms: Vec::new(),
            cuts,
            readings: Vec::new(),
            habit: habit.into(),
            misses,
            repeats,
            is_irregular,
        };
        life.plant();
        let away = life.away();
        life.measure(&away);
        life.remembered(away)
    }
}

/// A standard plan for such a person.
fn plan(condition: Condition, dice: &mut StdRng) -> Plan {
    let both = || Slot::ALL.into();
    let morning = || [Slot::Morning].into();
    let (standard, schedule) = match condition {
        Condition::Hypertension if dice.random_bool(0.6) => {
            (Standard::Adult, vec![(Measurement::BloodPressure, both())])
        }
        Condition::Hypertension => (Standard::Adult, vec![(Measurement::BloodPressure, morning())]),
        Condition::HeartFailure => {
            (Standard::HeartFailure, vec![(Measurement::BloodPressure, morning()), (Measurement::Weight, morning())])
        }
        Condition::Lungs => {
            let standard = if dice.random_bool(0.5) { Standard::LowOxygen } else { Standard::Adult };
            (standard, vec![(Measurement::Oxygen, both())])
        }
        Condition::Frail => (Standard::Adult, vec![(Measurement::BloodPressure, morning())]),
    };
    Plan { standard, schedule: schedule.into_iter().collect(), ..Plan::default() }
}

/// What such a person measures on an ordinary day.
fn usual(condition: Condition, standard: Standard, dice: &mut StdRng) -> Truth {
    let mut around =
        |middle: f64, deviation: f64, low: f64, high: f64| (middle + normal(dice, deviation)).clamp(low, high);
    let systolic = match condition {
        Condition::Hypertension => around(129.0, 8.0, 108.0, 150.0),
        Condition::HeartFailure => around(119.0, 7.0, 106.0, 138.0),
        Condition::Lungs | Condition::Frail => around(127.0, 9.0, 108.0, 150.0),
    };
    Truth {
        systolic,
        diastolic: 0.45 * systolic + around(20.0, 5.0, 8.0, 32.0),
        pulse: around(69.0, 8.0, 55.0, 88.0),
        oxygen: if standard == Standard::LowOxygen {
            around(89.0, 1.0, 87.5, 91.0)
        } else {
            around(95.8, 0.9, 94.5, 98.0)
        },
        temperature: around(36.5, 0.2, 36.0, 36.9),
        weight: around(78.0, 14.0, 48.0, 130.0),
        is_irregular: false,
    }
}

impl Life<'_> {
    /// An event in most blocks of days, of a kind that what she measures can show.
    fn plant(&mut self) {
        let has = |what| self.plan.schedule.contains_key(&what);
        let mut kinds = vec![Kind::StopsMeasuring];
        if has(Measurement::BloodPressure) {
            kinds.extend([Kind::HighPressure, Kind::LowPressure, Kind::FastPulse, Kind::SlowPulse, Kind::Worsening]);
            if !self.is_irregular {
                kinds.push(Kind::IrregularPulse);
            }
        }
        if has(Measurement::Oxygen) {
            kinds.extend([Kind::LowOxygen, Kind::LowOxygen, Kind::FastPulse, Kind::Fever, Kind::Fever]);
        }
        if has(Measurement::Weight) {
            kinds.extend([Kind::WeightGain, Kind::WeightGain]);
        }
        let Tenths(oxygen_limit) = self.plan.standard.limit(Limit::OxygenBelow).unwrap_or(Tenths(0));
        let mut first = 1;
        while first + 8 < self.days.count {
            if self.dice.random_bool(self.days.planted) {
                let kind = kinds[self.dice.random_range(0..kinds.len())];
                // Whether the pressure rises is seen against four weeks.
                let least = if kind == Kind::Worsening { 24 } else { 2 };
                let day = first + self.dice.random_range(least..least + 6);
                let from_ms = self.days.from_ms + day * DAY_MS + self.dice.random_range(0..DAY_MS);
                let event = Planted::any(kind, from_ms, oxygen_limit as f64 / 10.0, &mut self.dice);
                if event.until_ms < self.days.to_ms() - 2 * DAY_MS {
                    self.planted.push(event);
                    first = first.max((event.until_ms - self.days.from_ms) / DAY_MS + 20 - BLOCK_DAYS);
                }
            }
            first += BLOCK_DAYS;
        }
        self.shown_ms = vec![None; self.planted.len()];
    }

    /// Once a year she is away, and mostly her plan is told of it; never while something is planted.
    fn away(&mut self) -> Vec<(i64, i64)> {
        let mut away = Vec::new();
        for _ in 0..self.days.count.div_euclid(180) {
            let from_ms = self.days.from_ms + self.dice.random_range(3..self.days.count - 2) * DAY_MS;
            let until_ms = from_ms + self.dice.random_range(3..15) * DAY_MS;
            let meets = |from: i64, until: i64| from - 10 * DAY_MS < until_ms && from_ms < until + 10 * DAY_MS;
            if !self.planted.iter().any(|event| meets(event.from_ms, event.until_ms))
                && !away.iter().any(|(from, until)| meets(*from, *until))
                && until_ms < self.days.to_ms()
            {
                away.push((from_ms, until_ms));
            }
        }
        away.sort_unstable();
        away
    }

    fn measure(&mut self, away: &[(i64, i64)]) {
        for number in 0..self.days.count {
            let day = self.days.first.saturating_add(number.days());
            let misses_the_day = self.dice.random_bool(self.misses / 2.0);
            for slot in Slot::ALL {
                let asked: Vec<Measurement> = self
                    .plan
                    .schedule
                    .iter()
                    .filter(|(_, slots)| slots.contains(&slot))
                    .map(|(what, _)| *what)
                    .collect();
                let minute = self.habit[&slot] + whole(normal(&mut self.dice, 35.0));
                let misses_the_slot = self.dice.random_bool(self.misses / 2.0);
                let at_ms = slot.on(day, &self.days.zone).start + self.minute_of(slot, minute) * MINUTE;
                let is_ill = self.planted.iter().any(|event| event.kind == Kind::Fever && event.goes_on_at(at_ms));
                let stops = |event: &Planted| event.kind == Kind::StopsMeasuring && event.goes_on_at(at_ms);
                let is_away = away.iter().any(|(from, until)| (*from..*until).contains(&at_ms));
                if asked.is_empty() || misses_the_day || misses_the_slot || is_away || self.planted.iter().any(stops) {
                    continue;
                }
                self.session(at_ms, &asked, is_ill);
            }
        }
        self.readings.sort_by(|one, other| (one.stored_ms, &one.id).cmp(&(other.stored_ms, &other.id)));
    }

    /// The minute of a part of the day, a little inside.
    fn minute_of(&self, slot: Slot, minute: i64) -> i64 {
        match slot {
            Slot::Morning => (minute - 240).clamp(10, 460),
            Slot::Evening => (minute - 960).clamp(10, 440),
        }
    }

    /// She measures what she was asked to, and her temperature where she feels ill.
    fn session(&mut self, at_ms: i64, asked: &[Measurement], is_ill: bool) {
        let wall = self.days.zone.to_datetime(jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default());
        let truth = self.body.at(at_ms, wall, &self.planted);
        let first = self.readings.len();
        let mut now_ms = at_ms;
        for what in asked {
            match what {
                Measurement::BloodPressure => now_ms = self.pressures(now_ms, &truth),
                Measurement::Oxygen => now_ms = self.saturations(now_ms, &truth),
                Measurement::Weight => now_ms = self.weights(now_ms, &truth),
                Measurement::Temperature => {}
            }
        }
        if is_ill || (asked.contains(&Measurement::Oxygen) && self.dice.random_bool(0.05)) {
            self.temperatures(now_ms, &truth);
        }
        let Some(stored_ms) = self.readings[first..].iter().map(|reading| reading.stored_ms).min() else { return };
        for (event, shown_ms) in self.planted.iter().zip(&mut self.shown_ms) {
            if event.goes_on_at(at_ms) {
                *shown_ms = Some(shown_ms.unwrap_or(stored_ms).min(stored_ms));
            }
        }
    }

    /// Two pressures, and two more where one is far off, as she was taught.
    fn pressures(&mut self, mut at_ms: i64, truth: &Truth) -> i64 {
        let mut asked = 2;
        let mut taken = 0;
        while taken < asked {
            let moved = self.dice.random_bool(0.015);
            let outlier = if self.dice.random_bool(0.004) { self.dice.random_range(25.0..50.0) } else { 0.0 };
            let first = if taken == 0 { 4.0 } else { 0.0 };
            let off = first + outlier + normal(&mut self.dice, if moved { 18.0 } else { 4.0 });
            let systolic = truth.systolic + off;
            let diastolic = (truth.diastolic + 0.5 * off).min(systolic - 15.0);
            let pulse = truth.pulse + normal(&mut self.dice, 2.0);
            let far_off = systolic >= 180.0 || diastolic >= 110.0 || systolic < 90.0;
            if taken == 0 && (far_off || moved) && self.dice.random_bool(self.repeats) {
                asked = 3;
            }
            let values = [
                value(Quantity::Systolic, systolic, Unit::MillimetreOfMercury, !moved),
                value(Quantity::Diastolic, diastolic, Unit::MillimetreOfMercury, !moved),
                value(Quantity::PulseRate, pulse, Unit::PerMinute, !moved),
            ];
            self.take(at_ms, "cuff", values.into(), truth.is_irregular);
            taken += 1;
            at_ms += self.dice.random_range(60_000..180_000) + if far_off { 3 * MINUTE } else { 0 };
        }
        at_ms
    }

    fn saturations(&mut self, mut at_ms: i64, truth: &Truth) -> i64 {
        let limit = if self.plan.standard == Standard::LowOxygen { 84.0 } else { 92.0 };
        let mut asked = 1;
        let mut taken = 0;
        while taken < asked {
            let is_cold = taken == 0 && self.dice.random_bool(0.015);
            let off = if is_cold { -self.dice.random_range(4.0..10.0) } else { normal(&mut self.dice, 0.7) };
            let oxygen = (truth.oxygen + off).min(100.0);
            if taken == 0 && oxygen < limit && self.dice.random_bool(self.repeats) {
                asked = 2;
            }
            let pulse = truth.pulse + normal(&mut self.dice, 3.0);
            if taken == 0 && pulse >= 131.0 && self.dice.random_bool(self.repeats) {
                asked = 2;
            }
            let values = [
                value(Quantity::OxygenSaturation, oxygen, Unit::Percent, true),
                value(Quantity::OximeterPulseRate, pulse, Unit::PerMinute, true),
            ];
            self.take(at_ms, "oximeter", values.into(), false);
            taken += 1;
            at_ms += self.dice.random_range(90_000..200_000);
        }
        at_ms
    }

    fn weights(&mut self, mut at_ms: i64, truth: &Truth) -> i64 {
        let times = if self.dice.random_bool(0.1) { 2 } else { 1 };
        let somebody_else = self.dice.random_bool(0.002);
        for _ in 0..times {
            let clothes = if self.dice.random_bool(0.05) { self.dice.random_range(0.3..1.2) } else { 0.0 };
            let weight = if somebody_else { truth.weight - 14.0 } else { truth.weight + clothes };
            let tenths = Decimal::new(whole(weight * 10.0), -1);
            self.take(
                at_ms,
                "scale",
                vec![Observation::new(Quantity::BodyWeight, tenths, Unit::Kilogram, true)],
                false,
            );
            at_ms += self.dice.random_range(20_000..90_000);
        }
        at_ms
    }

    fn temperatures(&mut self, mut at_ms: i64, truth: &Truth) {
        let times = if truth.temperature >= 38.5 && self.dice.random_bool(self.repeats) { 2 } else { 1 };
        for _ in 0..times {
            let tenths = Decimal::new(whole((truth.temperature + normal(&mut self.dice, 0.1)) * 10.0), -1);
            let values = vec![Observation::new(Quantity::BodyTemperature, tenths, Unit::Celsius, true)];
            self.take(at_ms, "thermometer", values, false);
            at_ms += self.dice.random_range(120_000..300_000);
        }
    }

    /// It is stored in seconds, or, where her home is cut off, after that.
    fn take(&mut self, at_ms: i64, device: &str, observations: Vec<Observation>, is_irregular: bool) {
        let soon_ms = at_ms + self.dice.random_range(1_500..15_000);
        let stored_ms = match self.cuts.iter().find(|cut| (cut.from_ms..cut.until_ms).contains(&soon_ms)) {
            Some(cut) => cut.until_ms + 20_000,
            None => soon_ms,
        };
        self.readings.push(Reading {
            id: format!("r{:08}", self.readings.len()),
            home: format!("h{}", self.number),
            device: device.to_owned(),
            stored_ms,
            measured_ms: Some(at_ms),
            observations,
            is_irregular,
        });
    }

    fn remembered(self, away: Vec<(i64, i64)>) -> Member {
        let Self { days, number, plan, planted, shown_ms, cuts, readings, .. } = self;
        let changes = away.iter().map(|(from_ms, until_ms)| {
            let pause = Pause { from_ms: *from_ms, until_ms: *until_ms, why: Away::Holiday };
            (from_ms - DAY_MS / 2, Plan { pause: Some(pause), ..plan.clone() })
        });
        let mut versions: Vec<(i64, Plan)> = [(days.from_ms, plan.clone())].into_iter().chain(changes).collect();
        versions.sort_by_key(|(from_ms, _)| *from_ms);
        let ends: Vec<Option<i64>> = versions.iter().skip(1).map(|(from_ms, _)| Some(*from_ms)).chain([None]).collect();
        let plans = (1..).zip(versions).zip(ends).map(|((version, (from_ms, plan)), until_ms)| Version {
            version,
            from_ms,
            until_ms,
            author: "the cohort".to_owned(),
            reason: "a standard plan".to_owned(),
            plan,
        });
        let mut plans: Vec<Version> = plans.collect();
        plans.reverse();
        let silences = cuts.iter().map(|cut| (cut.from_ms, Some(cut.until_ms))).collect();
        let history = History {
            person: format!("p{number}"),
            home: format!("h{number}"),
            since_ms: days.from_ms,
            readings,
            plans,
            boxes: vec![HomeBox { last_heard_ms: Some(i64::MAX), silences }],
            cases: Vec::new(),
        };
        Member { planted, history, shown_ms, away }
    }
}

fn value(quantity: Quantity, value: f64, unit: Unit, usable: bool) -> Observation {
    Observation::new(quantity, Decimal::whole(whole(value)), unit, usable)
}

/// The first day of so many, by the clocks of a zone.
pub(super) fn midnight(day: Date, zone: &TimeZone) -> i64 {
    day.to_zoned(zone.clone()).map_or(0, |at| at.timestamp().as_millisecond())
}
