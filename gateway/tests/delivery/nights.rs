//! The outbox itself, through nights of two gateways that die between any two of its statements.

use std::collections::BTreeMap;

use hempuls_gateway::alerts::Severity;
use hempuls_gateway::alerts::rules::alarm_pressed::{self, Press};
use hempuls_gateway::alerts::{self, About, Concern};
use hempuls_gateway::delivery::channels::Channel;
use hempuls_gateway::delivery::course::{LEASE_MS, Outcome, State};
use hempuls_gateway::delivery::{self, Notification, Recipient};
use hempuls_gateway::store::outbox::{self, Taken};
use hempuls_gateway::store::{Connection, Store, homes};
use hempuls_gateway::wording::Lang;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::ward::place::Place;

const NIGHTS: u64 = 20;
const CHANNEL: Channel = Channel::Webhook;

#[tokio::test]
async fn the_outbox_loses_nothing_and_tells_nobody_after_a_claim_whenever_a_gateway_dies() {
    let (mut arrived_twice, mut forgotten, mut withdrawn) = (0, 0, 0);
    for seed in 0..NIGHTS {
        let night = night(seed).await;
        arrived_twice += night.arrived.values().filter(|times| **times > 1).count();
        forgotten += night.forgotten.values().sum::<usize>();
        withdrawn += night.withdrawn;
    }
    assert!(arrived_twice > 0 && forgotten > 0 && withdrawn > 0, "{arrived_twice} {forgotten} {withdrawn}");
}

#[tokio::test]
async fn a_fresh_press_is_taken_up_before_all_that_waits() {
    let (_folder, store, alert) = store().await;
    let mut work = store.work().await.unwrap();
    for n in 0..50 {
        notify(&mut work, &alert, &format!("old {n}"), &format!("to {n}"), Severity::Low, n).await;
        notify(&mut work, &alert, &format!("retried {n}"), "ward", Severity::High, n).await;
    }
    work.commit().await.unwrap();
    // All that is urgent has been tried in vain.
    let mut now_ms = 1_000;
    loop {
        let due = outbox::due(store.reader(), CHANNEL, true, now_ms).await.unwrap();
        let Some(next) = due.iter().find(|flight| flight.urgency == Severity::High) else { break };
        let mut work = store.work().await.unwrap();
        let taken = outbox::take(&mut work, &next.delivery, true, now_ms).await.unwrap().unwrap();
        let no = Outcome::TryAgain { after: None, because: "HTTP 500".into() };
        outbox::end(&mut work, &taken, &no, 1.0, now_ms).await.unwrap();
        work.commit().await.unwrap();
    }
    now_ms += 60_000;
    let mut work = store.work().await.unwrap();
    notify(&mut work, &alert, "fresh", "ward", Severity::High, now_ms).await;
    work.commit().await.unwrap();

    let due = outbox::due(store.reader(), CHANNEL, true, now_ms).await.unwrap();

    let mut work = store.work().await.unwrap();
    let first = outbox::take(&mut work, &due[0].delivery, true, now_ms).await.unwrap().unwrap();
    assert_eq!((first.attempt, first.since_ms), (1, now_ms));
    assert!(due.iter().filter(|flight| flight.to == Recipient::Address("ward".into())).count() <= 4);
    assert_eq!(due.iter().filter(|flight| flight.urgency == Severity::Low).count(), 50, "each is another recipient's");
}

#[tokio::test]
async fn what_is_asked_for_twice_is_one() {
    let (_folder, store, alert) = store().await;
    let mut work = store.work().await.unwrap();
    for _ in 0..3 {
        notify(&mut work, &alert, "rung 1", "ward", Severity::High, 5).await;
    }
    work.commit().await.unwrap();
    assert_eq!(outbox::due(store.reader(), CHANNEL, true, 5).await.unwrap().len(), 1);
}

#[derive(Default)]
struct Night {
    /// How often each notification arrived.
    arrived: BTreeMap<String, usize>,
    /// Arrivals that died with their gateway.
    forgotten: BTreeMap<String, usize>,
    withdrawn: usize,
}

async fn night(seed: u64) -> Night {
    let mut luck = StdRng::seed_from_u64(seed);
    let (_folder, store, alert) = store().await;
    let mut night = Night::default();
    let mut now_ms = 0;
    let mut gateways: [Vec<(Taken, i64)>; 2] = [Vec::new(), Vec::new()];
    let mut asked = 0;
    let is_morning = |step: usize| step >= 60;
    for step in 0..2_000 {
        now_ms += luck.random_range(1..15_000);
        if !is_morning(step) && luck.random_bool(0.3) {
            let urgency = [Severity::Low, Severity::Medium, Severity::High][luck.random_range(0..3)];
            let mut work = store.work().await.unwrap();
            let to = format!("to {}", luck.random_range(0..3));
            notify(&mut work, &alert, &format!("n {asked}"), &to, urgency, now_ms).await;
            // What is not committed was never asked for.
            if luck.random_bool(0.9) {
                work.commit().await.unwrap();
                asked += 1;
            }
        }
        if !is_morning(step) && luck.random_bool(0.05) {
            let mut work = store.work().await.unwrap();
            delivery::withdraw(&mut work, &alert, now_ms).await.unwrap();
            work.commit().await.unwrap();
        }
        for gateway in &mut gateways {
            if !is_morning(step) && luck.random_bool(0.05) {
                for (taken, _) in gateway.drain(..) {
                    if luck.random_bool(0.5) {
                        *night.arrived.entry(taken.delivery.clone()).or_default() += 1;
                        *night.forgotten.entry(taken.delivery).or_default() += 1;
                    }
                }
            }
            let (ended, under_way): (Vec<_>, Vec<_>) =
                std::mem::take(gateway).into_iter().partition(|(_, until_ms)| *until_ms <= now_ms);
            *gateway = under_way;
            for (taken, _) in ended {
                let outcome = if is_morning(step) || luck.random_bool(0.5) {
                    *night.arrived.entry(taken.delivery.clone()).or_default() += 1;
                    Outcome::Delivered { proof: "HTTP 200".into() }
                } else {
                    Outcome::TryAgain { after: None, because: "HTTP 500".into() }
                };
                let mut work = store.work().await.unwrap();
                outbox::end(&mut work, &taken, &outcome, luck.random(), now_ms).await.unwrap();
                work.commit().await.unwrap();
            }
            for flight in outbox::due(store.reader(), CHANNEL, true, now_ms).await.unwrap().into_iter().take(2) {
                let mut work = store.work().await.unwrap();
                let taken = outbox::take(&mut work, &flight.delivery, true, now_ms)
                    .await
                    .unwrap()
                    .expect("nobody else is there");
                work.commit().await.unwrap();
                gateway.push((taken, now_ms + luck.random_range(1..LEASE_MS / 2)));
            }
        }
        let waits = outbox::until_next_ms(store.reader(), CHANNEL, now_ms).await.unwrap().is_some();
        if is_morning(step) && !waits && gateways.iter().all(Vec::is_empty) {
            break;
        }
    }
    let told = outbox::of_alerts(store.reader(), &[&alert]).await.unwrap();
    assert_eq!(told.len(), asked, "seed {seed}");
    for (_, shown) in told {
        let arrived = night.arrived.get(&shown.delivery).copied().unwrap_or_default();
        let forgotten = night.forgotten.get(&shown.delivery).copied().unwrap_or_default();
        let recorded =
            shown.attempts.iter().filter(|attempt| matches!(attempt.ended, Some((_, Outcome::Delivered { .. }))));
        assert_eq!(arrived, recorded.count() + forgotten, "seed {seed}: {shown:?}");
        match shown.course.state {
            State::Delivered => assert_eq!(arrived - forgotten, 1, "seed {seed}"),
            State::Withdrawn => {
                night.withdrawn += 1;
                let withdrawn_ms = shown.course.withdrawn_ms.unwrap();
                assert!(shown.attempts.iter().all(|attempt| attempt.began_ms <= withdrawn_ms), "seed {seed}");
            }
            State::Waiting | State::GivenUp => panic!("seed {seed}: {shown:?}"),
        }
    }
    night
}

pub(crate) async fn notify(work: &mut Connection, alert: &str, key: &str, to: &str, urgency: Severity, now_ms: i64) {
    let notification = Notification {
        alert: alert.to_owned(),
        to: Recipient::Address(to.to_owned()),
        channel: CHANNEL,
        urgency,
        lang: Lang::En,
        key: key.to_owned(),
    };
    delivery::enqueue(work, &notification, now_ms).await.unwrap();
}

/// A new store with one alert that nobody is told of yet.
pub(crate) async fn store() -> (Place, Store, String) {
    let folder = Place::new().await;
    let store = folder.open().await;
    let mut work = store.work().await.unwrap();
    let (home, _) = homes::add(&mut work, "a home", 0).await.unwrap();
    let about = About::Device { home: home.clone(), device: "button".into() };
    let finding = alarm_pressed::finding(Press::at(0, 0));
    let concern = Concern { finding, about: about.clone(), person: None, home, record: None };
    alerts::raise(&mut work, &concern, 0).await.unwrap();
    let (alert, _) =
        hempuls_gateway::store::alerts::open_case(&mut work, alarm_pressed::NAME, &about).await.unwrap().unwrap();
    work.commit().await.unwrap();
    (folder, store, alert)
}
