//! Seeded histories of a person, lived through on a real store by the functions that judge as readings come, and judged once
//! more: with the limits that held, the replay gives exactly the cases that really were.

use std::collections::BTreeMap;
use std::time::Duration;

use hempuls_protocol::identity::Identity;
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};
use hempuls_protocol::times::{BootId, Taken, Trust};
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::report::Question;
use super::*;
use crate::alerts::outcome::Outcome;
use crate::alerts::{Act, act, rules, timers};
use crate::plan::{Away, Measurement, Pause, Slot};
use crate::store::records::{self, Clock, Measured, NewRecord};
use crate::store::timers::{Timer, clear};
use crate::store::{Store, assignments, history, homes, query, query_as, query_scalar};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2027-01-15T00:00:00Z.
const MIDNIGHT: i64 = 1_799_971_200_000;

#[tokio::test]
async fn with_the_limits_that_held_exactly_those_cases_are_opened_that_really_were() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..12 {
        let mut life = Life::new(seed).await;
        let to_ms = life.live(45).await;
        let history = life.history(to_ms).await;
        let again = replay(&history, &Tried::AsTheyWere, &life.settings, MIDNIGHT, to_ms);
        assert_eq!(told(&again), told(&history.cases), "seed {seed}");
        for case in &again {
            *seen.entry(case.rule.clone()).or_default() += 1;
        }
    }
    for rule in [
        "above_limit",
        "below_limit",
        "oxygen_below_limit",
        "weight_gain",
        "missed_reading",
        "blood_pressure_average",
        "late_review",
        "plan_missing",
    ] {
        assert!(seen.contains_key(rule), "no history has a case of {rule}: {seen:?}");
    }
}

#[tokio::test]
async fn what_a_flood_of_cases_held_back_is_held_back_again() {
    let mut life = Life::new(3).await;
    life.closes = 0.0;
    life.plan(MIDNIGHT - DAY, Plan::default()).await;
    let beyond = [
        (Quantity::OxygenSaturation, 90),
        (Quantity::PulseRate, 36),
        (Quantity::BodyTemperature, 39),
        (Quantity::BodyTemperature, 34),
        (Quantity::Systolic, 185),
        (Quantity::Systolic, 86),
        (Quantity::PulseRate, 135),
    ];
    for (hours, (quantity, value)) in (8..).zip(beyond) {
        let at_ms = MIDNIGHT + hours * HOUR;
        let readings: Vec<NewRecord> = (0..3).map(|n| life.reading(at_ms + n * MINUTE, &[(quantity, value)])).collect();
        life.store(at_ms + 3 * MINUTE, readings).await;
    }
    let to_ms = MIDNIGHT + 2 * DAY;
    life.until(to_ms).await;

    let history = life.history(to_ms).await;

    assert!(history.cases.iter().any(|case| case.rule == flood::REVIEW_PLAN), "{:?}", told(&history.cases));
    let again = replay(&history, &Tried::AsTheyWere, &life.settings, MIDNIGHT, to_ms);
    assert_eq!(told(&again), told(&history.cases));
}

#[tokio::test]
async fn tighter_limits_open_more_and_wider_ones_miss_what_was_told_of() {
    let mut life = Life::new(1).await;
    life.closes = 1.0;
    life.plan(MIDNIGHT - DAY, Plan::default()).await;
    for (day, systolic) in (0..28).map(|day| (day, if [9, 20].contains(&day) { 188 } else { 166 })) {
        let at_ms = MIDNIGHT + day * DAY + 8 * HOUR;
        let readings = (0..3)
            .map(|n| life.reading(at_ms + n * MINUTE, &[(Quantity::Systolic, systolic), (Quantity::Diastolic, 80)]));
        let readings: Vec<NewRecord> = readings.collect();
        life.store(at_ms + 3 * MINUTE, readings).await;
    }
    let to_ms = MIDNIGHT + 28 * DAY;
    life.until(to_ms).await;
    let history = life.history(to_ms).await;
    let report = |tried: &Tried| {
        let question = Question { tried, from_ms: MIDNIGHT, to_ms, settings: &life.settings };
        let mut report = question.nobody();
        question.add(&mut report, &history);
        report
    };
    let but =
        |limit| Tried::But { standard: None, limits: [(Limit::SystolicAbove, Some(Tenths::whole(limit)))].into() };
    let of = |count: &report::Count| count.by_rule.get("above_limit").copied().unwrap_or(0);

    let same = report(&Tried::AsTheyWere);
    assert_eq!((of(&same.really), of(&same.today), of(&same.tried)), (2, 2, 2), "{same:?}");
    assert_eq!((same.people, same.readings, same.missed.len()), (1, 84, 0));
    assert!((same.patient_days - 28.0).abs() < 0.01, "{}", same.patient_days);

    let tight = report(&but(160));
    assert!(of(&tight.tried) > 10 && tight.missed.is_empty(), "{tight:?}");
    assert_eq!(tight.weeks.iter().map(|week| week.tried).sum::<u32>(), tight.tried.alerts);
    assert_eq!(tight.weeks[0].monday.to_string(), "2027-01-11");

    let wide = report(&but(200));
    let days: Vec<i64> = wide.missed.iter().map(|missed| (missed.at_ms - MIDNIGHT) / DAY).collect();
    assert_eq!((of(&wide.tried), days), (0, vec![9, 20]), "{:?}", wide.missed);
    assert!(wide.missed.iter().all(|missed| missed.really && missed.confirmed));
    let said = wide.say(&TimeZone::UTC);
    assert!(said.contains("would have missed: 2") && said.contains(&history.person), "{said}");
    assert!(!said.contains("Ada"), "no name is told");
}

#[tokio::test]
async fn a_plan_that_became_stricter_since_misses_nothing_by_itself_and_a_looser_trial_is_told_of() {
    let mut life = Life::new(2).await;
    life.plan(MIDNIGHT - DAY, Plan::default()).await;
    let at_ms = MIDNIGHT + 9 * HOUR;
    let pressures: Vec<NewRecord> = (0..3)
        .map(|n| life.reading(at_ms + n * MINUTE, &[(Quantity::Systolic, 165), (Quantity::Diastolic, 80)]))
        .collect();
    life.store(at_ms + HOUR, pressures).await;
    let strict = Plan { limits: [(Limit::SystolicAbove, Tenths::whole(160))].into(), ..Plan::default() };
    life.plan(MIDNIGHT + 2 * DAY, strict).await;
    let to_ms = MIDNIGHT + 3 * DAY;
    life.until(to_ms).await;
    let history = life.history(to_ms).await;
    assert!(history.cases.is_empty());

    let question = Question { tried: &Tried::AsTheyWere, from_ms: MIDNIGHT, to_ms, settings: &life.settings };
    let mut report = question.nobody();
    question.add(&mut report, &history);
    assert_eq!((report.really.alerts, report.today.alerts, report.tried.alerts), (0, 1, 0));
    assert_eq!(report.missed.len(), 1, "beyond the limits of today, and told by nobody");
    assert!(!report.missed[0].really);
}

/// What must be equal.
fn told(cases: &[Case]) -> Vec<(String, i64, Severity, bool)> {
    let mut told: Vec<_> =
        cases.iter().map(|case| (case.rule.clone(), case.opened_ms, case.severity, case.confirmed)).collect();
    told.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
    told
}

/// Ada's life with a gateway, by a written clock.
struct Life {
    _folder: tempfile::TempDir,
    store: Store,
    person: String,
    home: String,
    agent: String,
    settings: Settings,
    chance: StdRng,
    silences: Vec<(i64, i64)>,
    /// When somebody closes which case.
    closings: BTreeMap<i64, String>,
    /// How likely somebody closes a case at all.
    closes: f64,
    count: u32,
    /// The latest moment that anything happened.
    now_ms: i64,
}

impl Life {
    async fn new(seed: u64) -> Self {
        // A thousand commits to a disk are most of a minute, and no power fails here.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let mut work = store.work().await.unwrap();
        let (home, agent) = homes::add(&mut work, "h", MIDNIGHT - 2 * DAY).await.unwrap();
        let person = assignments::add_person(&mut work, "Ada", &home, MIDNIGHT - 2 * DAY).await.unwrap();
        work.commit().await.unwrap();
        let (usual, zone) = (rules::Config::default(), TimeZone::get("Europe/Stockholm").unwrap());
        let settings = Settings::new(usual.rules(), &usual, Duration::from_secs(365 * 86_400), zone);
        let (agent, chance) = (agent.to_string(), StdRng::seed_from_u64(seed));
        let (silences, closings) = (Vec::new(), BTreeMap::new());
        let (closes, count, now_ms) = (0.9, 0, 0);
        Self {
            _folder: folder,
            store,
            person,
            home,
            agent,
            settings,
            chance,
            silences,
            closings,
            closes,
            count,
            now_ms,
        }
    }

    /// So many days of chance. Returns when they are over.
    async fn live(&mut self, days: i64) -> i64 {
        if self.chance.random_bool(0.9) {
            let from_ms = MIDNIGHT + self.chance.random_range(8..40) * DAY + 5 * HOUR;
            let over_ms = from_ms + self.chance.random_range(2..60) * HOUR;
            self.silences.push((from_ms, over_ms));
            let mut work = self.store.work().await.unwrap();
            query("INSERT INTO silence (agent, heard_ms, noticed_ms, has_alarm, in_storm, said_ms, over_ms) VALUES ($1, $2, $2, 0, 0, $2, $3)")
                .bind(&self.agent)
                .bind(from_ms)
                .bind(over_ms)
                .execute(&mut *work)
                .await
                .unwrap();
            work.commit().await.unwrap();
        }
        let mut plan_day = self.chance.random_range(0..4);
        let high = self.chance.random_range(105..155);
        for day in 0..days {
            if day == plan_day {
                let plan = self.any_plan(MIDNIGHT + day * DAY);
                let at_ms = MIDNIGHT + day * DAY + self.chance.random_range(0..23) * HOUR + 1;
                self.plan(at_ms, plan).await;
                plan_day = day + self.chance.random_range(5..25);
            }
            let mut batches: Vec<(i64, Vec<NewRecord>)> = Vec::new();
            let crisis = self.chance.random_bool(0.1);
            for hour in [7, 19] {
                if self.chance.random_bool(0.25) {
                    continue;
                }
                let mut at_ms = MIDNIGHT + day * DAY + hour * HOUR + self.chance.random_range(0..120) * MINUTE;
                for _ in 0..self.chance.random_range(1..4) {
                    at_ms += self.chance.random_range(20_000..6 * MINUTE);
                    let reading = self.any_reading(at_ms, high + if crisis { 50 } else { 0 });
                    let late_ms = if self.chance.random_bool(0.05) { 30 * HOUR } else { 0 };
                    let heard = self.silences.iter().find(|(from, over)| (*from..*over).contains(&at_ms));
                    let stored_ms = heard.map_or(at_ms + 2_000, |(_, over)| over + MINUTE) + late_ms;
                    batches.push((stored_ms, vec![reading]));
                }
            }
            batches.sort_by_key(|(stored_ms, _)| *stored_ms);
            for (stored_ms, readings) in batches {
                self.store(stored_ms, readings).await;
            }
        }
        let to_ms = self.now_ms.max(MIDNIGHT + days * DAY) + HOUR;
        self.until(to_ms).await;
        to_ms
    }

    fn any_plan(&mut self, now_ms: i64) -> Plan {
        let chance = &mut self.chance;
        let mut plan = Plan { is_child: chance.random_bool(0.15), ..Plan::default() };
        if chance.random_bool(0.5) {
            plan.standard = Standard::HeartFailure;
        }
        if chance.random_bool(0.5) {
            plan.limits.insert(Limit::SystolicAbove, Tenths::whole(chance.random_range(135..170)));
        }
        if chance.random_bool(0.3) {
            plan.limits.insert(Limit::WeightBelow, Tenths::whole(72));
        }
        if chance.random_bool(0.6) {
            plan.schedule.insert(Measurement::BloodPressure, Slot::ALL.into());
        }
        if chance.random_bool(0.2) {
            let from_ms = now_ms + chance.random_range(0..72) * HOUR;
            plan.pause = Some(Pause { from_ms, until_ms: from_ms + 40 * HOUR, why: Away::Hospital });
        }
        plan
    }

    fn any_reading(&mut self, at_ms: i64, systolic: i64) -> NewRecord {
        let mut around = |middle: i64, spread: i64| middle + self.chance.random_range(-spread..=spread);
        let values = match around(5, 5) {
            0..=5 => vec![
                (Quantity::Systolic, around(systolic, 12)),
                (Quantity::Diastolic, around(80, 7)),
                (Quantity::PulseRate, around(78, 40)),
            ],
            6 => vec![(Quantity::OxygenSaturation, around(93, 8)), (Quantity::OximeterPulseRate, around(78, 40))],
            7 => vec![(Quantity::BodyTemperature, around(37, 2))],
            8 => vec![(Quantity::Systolic, around(90, 8)), (Quantity::Diastolic, around(60, 7))],
            _ => vec![(Quantity::BodyWeight, around(73, 2))],
        };
        let mut reading = self.reading(at_ms, &values);
        if self.chance.random_bool(0.1) {
            reading.marks = Some(r#"["irregular_pulse"]"#.to_owned());
        }
        if self.chance.random_bool(0.05) {
            reading.observations.iter_mut().for_each(|observation| observation.usable = false);
        }
        reading
    }

    fn reading(&mut self, at_ms: i64, values: &[(Quantity, i64)]) -> NewRecord {
        self.count += 1;
        let unit = |quantity| match quantity {
            Quantity::Systolic | Quantity::Diastolic => Unit::MillimetreOfMercury,
            Quantity::OxygenSaturation => Unit::Percent,
            Quantity::BodyTemperature => Unit::Celsius,
            Quantity::BodyWeight => Unit::Kilogram,
            _ => Unit::PerMinute,
        };
        let observation = |(quantity, value): &(Quantity, i64)| {
            Observation::new(*quantity, Decimal::whole(*value), unit(*quantity), true)
        };
        NewRecord {
            id: crate::store::new_id(0),
            identity: Identity::ByNumber { digest: [0; 32] },
            possibly_same_as: None,
            taken_again: false,
            device: "C0:00:00:00:00:01".into(),
            slot: None,
            characteristic: "2a35".into(),
            raw: Vec::new(),
            dialect: "standard".into(),
            marks: None,
            unreadable: None,
            device_time: None,
            counter: Some(self.count),
            span_ms: None,
            session: None,
            press: None,
            measured: Some(Measured { at_ms, by: Clock::Reception, is_ambiguous: false }),
            taken: Taken { boot: BootId([1; 16]), since_boot_ms: 1, wall_ms: None, trust: Trust::Unknown },
            agent: self.agent.clone(),
            home: self.home.clone(),
            person: Some(self.person.clone()),
            observations: values.iter().map(observation).collect(),
        }
    }

    async fn plan(&mut self, now_ms: i64, plan: Plan) {
        let now_ms = self.later(now_ms).await;
        let mut work = self.store.work().await.unwrap();
        reviews::change_plan(&mut work, &self.person, &plan, ("Anna", "a test"), &self.settings.zone, now_ms)
            .await
            .unwrap();
        work.commit().await.unwrap();
    }

    /// All that happens before the first moment from `at_ms` on at which nothing has happened yet.
    async fn later(&mut self, at_ms: i64) -> i64 {
        let at_ms = at_ms.max(self.now_ms + 1);
        self.until(at_ms).await;
        self.now_ms = at_ms;
        at_ms
    }

    async fn store(&mut self, now_ms: i64, readings: Vec<NewRecord>) {
        let now_ms = self.later(now_ms).await;
        let mut work = self.store.work().await.unwrap();
        records::write(&mut work, &readings, now_ms).await.unwrap();
        self.settings.judge(&mut work, &readings, Vec::new(), now_ms).await.unwrap();
        work.commit().await.unwrap();
        self.see_new_cases(now_ms).await;
    }

    /// All timers ring, and people close cases, until a moment.
    async fn until(&mut self, now_ms: i64) {
        loop {
            let next: Option<(i64, String, String)> =
                query_as("SELECT due_ms, kind, key FROM timer ORDER BY due_ms, kind = 'review' LIMIT 1")
                    .fetch_optional(self.store.reader())
                    .await
                    .unwrap();
            let timer = next.filter(|(due_ms, ..)| *due_ms <= now_ms);
            let closing = self.closings.first_key_value().map(|(at_ms, _)| *at_ms).filter(|at_ms| *at_ms <= now_ms);
            match (timer, closing) {
                (None, None) => return,
                (Some((due_ms, kind, key)), closing) if closing.is_none_or(|closing| due_ms < closing) => {
                    self.hear(due_ms).await;
                    let mut work = self.store.work().await.unwrap();
                    clear(&mut work, &kind, &key).await.unwrap();
                    let timer = Timer { kind, key };
                    let Settings { rules, zone, .. } = &self.settings;
                    timers::ring(&mut work, &self.store, rules, &timer, zone, due_ms).await.unwrap();
                    work.commit().await.unwrap();
                    self.see_new_cases(due_ms).await;
                }
                (_, _) => {
                    let (at_ms, id) = self.closings.pop_first().expect("somebody closes one");
                    let mut work = self.store.work().await.unwrap();
                    let close = Act::Close { outcome: Outcome::PhonedAndWell, note: "called her".to_owned() };
                    act(&mut work, &id, &Act::Claim, "Anna", at_ms).await.unwrap();
                    act(&mut work, &id, &close, "Anna", at_ms).await.unwrap();
                    work.commit().await.unwrap();
                }
            }
        }
    }

    /// The box is heard, unless it is silent.
    async fn hear(&self, now_ms: i64) {
        let silent = self.silences.iter().find(|(from, over)| *from < now_ms && now_ms < *over);
        let mut work = self.store.work().await.unwrap();
        query("UPDATE agent SET last_heard_ms = $2 WHERE id = $1")
            .bind(&self.agent)
            .bind(silent.map_or(now_ms, |(from, _)| *from))
            .execute(&mut *work)
            .await
            .unwrap();
        work.commit().await.unwrap();
    }

    /// Somebody takes her time, or never comes.
    async fn see_new_cases(&mut self, now_ms: i64) {
        let new: Vec<String> = query_scalar("SELECT id FROM alert WHERE opened_ms = $1")
            .bind(now_ms)
            .fetch_all(self.store.reader())
            .await
            .unwrap();
        for id in new {
            if !self.closings.values().any(|known| *known == id) && self.chance.random_bool(self.closes) {
                let at_ms = now_ms + self.chance.random_range(10 * MINUTE..70 * HOUR);
                self.closings.insert(at_ms, id);
            }
        }
    }

    async fn history(&self, to_ms: i64) -> History {
        self.hear(to_ms).await;
        history::of_person(self.store.reader(), &self.person, 0, to_ms).await.unwrap().unwrap()
    }
}
