//! Measures how many years of people a replay judges in a second: their readings read from the store, and judged twice (by the
//! limits in force and by the tried ones) or only judged; and how long the rules take for one reading.
//!
//! `cargo run --release -p hempuls-gateway --example replay`

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::hint::black_box;
use std::time::Instant;

use hempuls_gateway::alerts::judge::{self, Judged, Known, Settings};
use hempuls_gateway::alerts::rules::{self, What};
use hempuls_gateway::enrolment;
use hempuls_gateway::plan::{Limit, Measurement, Plan, Slot, Tenths};
use hempuls_gateway::replay::Tried;
use hempuls_gateway::replay::report::Question;
use hempuls_gateway::store::records::{self, Clock, Measured, NewRecord};
use hempuls_gateway::store::{Store, assignments, history, homes, new_id, plans};
use hempuls_protocol::identity::Identity;
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};
use hempuls_protocol::times::{BootId, Taken, Trust};
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const PEOPLE: u32 = 50;
const DAY: i64 = 24 * 60 * 60 * 1000;
/// 2027-01-15T00:00:00Z.
const BEGINS: i64 = 1_799_971_200_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("store.sqlite")).await?;
    let mut chance = StdRng::seed_from_u64(1);
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(a_year(&store, &mut chance).await?);
    }
    let usual = rules::Config::default();
    let life = enrolment::Config::default().certificate_life;
    let settings = Settings::new(usual.rules(), &usual, life, TimeZone::get("Europe/Stockholm")?);
    let tried = Tried::But { standard: None, limits: [(Limit::SystolicAbove, Some(Tenths::whole(160)))].into() };
    let question = Question { tried: &tried, from_ms: BEGINS, to_ms: BEGINS + 365 * DAY, settings: &settings };
    let mut report = question.nobody();
    let (mut read_s, mut judged_s) = (0.0, 0.0);
    for person in &people {
        let start = Instant::now();
        let history = history::of_person(store.reader(), person, 0, question.to_ms).await?.expect("she is known");
        read_s += start.elapsed().as_secs_f64();
        let start = Instant::now();
        question.add(&mut report, &history);
        judged_s += start.elapsed().as_secs_f64();
    }
    let years = report.patient_days / 365.0;
    println!("{}", report.say(&settings.zone));
    println!(
        "{years:.0} years of people, {} readings: {:.1} person-years/s in all; {:.1} judged (each judged twice), {:.1} read",
        report.readings,
        years / (read_s + judged_s),
        years / judged_s,
        years / read_s
    );
    let (readings, each_us) = each_reading(&store, &people, &settings).await?;
    println!("{readings} readings before the {} rules in force: {each_us:.1} µs each", settings.rules.len());
    Ok(())
}

/// How long the rules take for one reading as it is stored, in microseconds, what they remember and wait for carried on.
async fn each_reading(store: &Store, people: &[String], settings: &Settings) -> anyhow::Result<(usize, f64)> {
    let (mut readings, mut took_s) = (0, 0.0);
    for person in people {
        let history = history::of_person(store.reader(), person, 0, i64::MAX).await?.expect("she is known");
        let mut known = Known { plans: [(history.person.clone(), history.plans)].into(), ..Known::default() };
        let start = Instant::now();
        for reading in &history.readings {
            let judged = Judged {
                id: &reading.id,
                person: Some(&history.person),
                home: &reading.home,
                device: &reading.device,
                measured_ms: reading.measured_ms,
                what: What::Reading(&reading.observations),
            };
            let Settings { rules, zone, .. } = settings;
            black_box(judge::consequences(rules, &judged, &mut known, zone, reading.stored_ms));
        }
        took_s += start.elapsed().as_secs_f64();
        readings += history.readings.len();
    }
    Ok((readings, took_s * 1e6 / readings as f64))
}

/// A person's year: two pressures each morning and evening, a weight each morning.
async fn a_year(store: &Store, chance: &mut StdRng) -> anyhow::Result<String> {
    let mut work = store.work().await?;
    let (home, agent) = homes::add(&mut work, "home", BEGINS).await?;
    let person = assignments::add_person(&mut work, "nobody", &home, BEGINS).await?;
    let plan = Plan {
        schedule: [(Measurement::BloodPressure, Slot::ALL.into()), (Measurement::Weight, [Slot::Morning].into())]
            .into(),
        ..Plan::default()
    };
    plans::write(&mut work, &person, &plan, ("bench", "bench"), BEGINS).await?;
    let usual = chance.random_range(110..150);
    for day in 0..365 {
        for hour in [7, 19] {
            let at_ms = BEGINS + day * DAY + hour * 60 * 60 * 1000 + chance.random_range(0..90) * 60_000;
            let mut around = |middle: i64, spread: i64| Decimal::whole(middle + chance.random_range(-spread..=spread));
            let pressure = Unit::MillimetreOfMercury;
            for n in 0..2 {
                let values = vec![
                    Observation::new(Quantity::Systolic, around(usual, 25), pressure, true),
                    Observation::new(Quantity::Diastolic, around(80, 8), pressure, true),
                    Observation::new(Quantity::PulseRate, around(72, 10), Unit::PerMinute, true),
                ];
                let reading = reading(&person, &home, agent.as_str(), at_ms + n * 120_000, values);
                records::write(&mut work, &[reading], at_ms + n * 120_000 + 2_000).await?;
            }
            if hour == 7 {
                let values = vec![Observation::new(Quantity::BodyWeight, around(73, 1), Unit::Kilogram, true)];
                let reading = reading(&person, &home, agent.as_str(), at_ms + 300_000, values);
                records::write(&mut work, &[reading], at_ms + 302_000).await?;
            }
        }
    }
    work.commit().await?;
    Ok(person)
}

fn reading(person: &str, home: &str, agent: &str, at_ms: i64, observations: Vec<Observation>) -> NewRecord {
    NewRecord {
        id: new_id(at_ms),
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
        counter: None,
        span_ms: None,
        session: None,
        press: None,
        measured: Some(Measured { at_ms, by: Clock::Reception, is_ambiguous: false }),
        taken: Taken { boot: BootId([1; 16]), since_boot_ms: 1, wall_ms: None, trust: Trust::Unknown },
        agent: agent.to_owned(),
        home: home.to_owned(),
        person: Some(person.to_owned()),
        observations,
    }
}
