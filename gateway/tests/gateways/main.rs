//! Three gateways that share a PostgreSQL server, behind one Mosquitto, while they are killed, paused and cut off from either at
//! random and homes go on measuring and calling for help.

mod fault;
mod home;
#[path = "../place/mod.rs"]
#[allow(dead_code, reason = "the server is this test's own, and so are its folders")]
mod place;
#[path = "../port/mod.rs"]
mod port;
mod street;

use std::collections::BTreeMap;
use std::time::Duration;

use hempuls_gateway::alerts::outcome::Outcome;
use hempuls_gateway::alerts::{self, Act, ActError};
use hempuls_gateway::clock;
use hempuls_gateway::store::{Store, books, query, query_scalar};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use street::{Delivery, Street};

const GATEWAYS: usize = 3;
const HOMES: usize = 6;
/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(35);
/// How long it may take until all is well after that: a lease, and an agent's patience.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_die_stand_still_or_are_cut_off_lose_nothing_and_tell_nobody_twice() {
    let seed: u64 = match std::env::var("HEMPULS_SEED") {
        Ok(seed) => seed.parse().expect("HEMPULS_SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("HEMPULS_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let mut street = Street::open(GATEWAYS, HOMES).await;
    let homes = street.live(seed);
    let mut nurses =
        tokio::spawn(take_all(street.store.clone(), street.another_store().await, StdRng::seed_from_u64(seed)));

    tokio::time::sleep(Duration::from_secs(1)).await;
    street.gateways[0].lose_server();
    let until = clock::instant() + TROUBLE;
    let mut ailments = BTreeMap::new();
    while clock::instant() < until {
        let which = chance.random_range(0..GATEWAYS);
        if let Some(began) = street.gateways[which].suffer(&mut chance) {
            *ailments.entry(format!("{began:?}")).or_insert(0) += 1;
        }
        tokio::time::sleep(Duration::from_millis(chance.random_range(200..1_200))).await;
    }
    for gateway in &mut street.gateways {
        gateway.recover().await;
    }
    println!("{ailments:?}");
    assert!(ailments.values().sum::<i32>() >= 8, "little went wrong");

    // They never end by themselves, unless something is wrong.
    assert!(tokio::time::timeout(Duration::ZERO, &mut nurses).await.is_err(), "an alert had not one owner");
    nurses.abort();

    let sent = homes.stop_and_wait_for_receipts(PATIENCE).await;
    println!("{} readings and {} presses, each with its receipt", sent.readings, sent.presses);
    assert!(sent.readings > 500 && sent.presses > 20, "nothing happened");
    let count = |sql| street.count(sql);
    assert_eq!(count("SELECT count(*) FROM record WHERE kind = 'signal'").await, sent.readings, "each is stored once");
    assert_eq!(count("SELECT count(*) FROM record WHERE kind = 'alarm'").await, sent.presses, "each is stored once");
    assert_eq!(count("SELECT count(*) FROM event WHERE disposition <> 'stored'").await, 0);
    assert_eq!(count("SELECT count(*) FROM quarantine").await, 0);
    let books = books::read(street.store.reader(), None).await.unwrap();
    assert_eq!(books.len(), 2 * HOMES);
    for page in &books {
        assert!(page.line.is_balanced() && page.line.waiting == 0, "{page:?}");
    }
    every_press_is_before_the_team_once(&street).await;

    street.everything_is_told(PATIENCE).await;
    let (mut told, mut doubled) = (0, 0);
    for Delivery { id, is_delivered, attempts, unknown } in street.deliveries().await {
        let came = street.came(&id);
        assert!(came >= 1 || !is_delivered, "{id} was lost");
        assert!(came <= attempts, "{id} came {came} times in {attempts} attempts");
        // Only an attempt whose end was not written can have arrived without anybody knowing.
        assert!(came <= 1 + unknown, "{id} came {came} times; the end of {unknown} attempts is unknown");
        told += i64::from(came > 0);
        doubled += (came - 1).max(0);
    }
    println!("{told} notifications, {doubled} doubled by gateways that died before they wrote that it was taken");
    let waited =
        "SELECT coalesce(max(began_ms - since_ms), 0) FROM delivery_attempt JOIN outbox ON outbox.id = delivery
                  WHERE attempt = 1 AND test IS NULL";
    let untried = "SELECT count(*) FROM outbox WHERE attempts = 0 AND test IS NULL";
    println!(
        "the longest waited {} ms for a gateway, {} were claimed before",
        street.count(waited).await,
        street.count(untried).await
    );
    assert!(told > 10, "nobody was told");
    every_alert_has_one_owner(&street.store).await;
    street.every_gateway_listens(GATEWAYS, PATIENCE).await;
    street.stop().await;
}

/// Two members try to take each alert in the same moment, at different gateways; whoever has it gives it back or closes it. One
/// home's they leave, so that whoever is told of it is told to the end.
async fn take_all(one: Store, other: Store, mut chance: StdRng) {
    const OPEN: &str = "SELECT id FROM alert WHERE rule = 'alarm_pressed' AND state = 'open'
                          AND home <> (SELECT min(id) FROM home)";
    loop {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let open: Vec<String> = query_scalar(OPEN).fetch_all(one.reader()).await.expect("it can be read");
        for id in open {
            let (anna, bo) = tokio::join!(take(&one, &id, "Anna"), take(&other, &id, "Bo"));
            assert!(anna != bo, "one of the two has it: Anna {anna}, Bo {bo}");
            let (store, who) = if anna { (&one, "Anna") } else { (&other, "Bo") };
            let done = if chance.random() {
                act(store, &id, &Act::GiveBack { why: "called away".into() }, who).await
            } else {
                act(store, &id, &Act::Close { outcome: Outcome::PhonedAndWell, note: String::new() }, who).await
            };
            assert!(done, "{who} has it");
        }
    }
}

async fn take(store: &Store, alert: &str, who: &str) -> bool {
    act(store, alert, &Act::Claim, who).await
}

/// Whether it could be done.
async fn act(store: &Store, alert: &str, act: &Act, who: &str) -> bool {
    let mut work = store.work().await.expect("it can be written");
    match alerts::act(&mut work, alert, act, who, clock::now_ms()).await {
        Ok(()) => work.commit().await.map(|()| true).expect("it can be written"),
        Err(ActError::NotNow(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Each press is a line of one case, and no home has two open ones.
async fn every_press_is_before_the_team_once(street: &Street) {
    let lines = "SELECT count(*) - count(DISTINCT record) FROM alert_line JOIN alert ON alert.id = alert_line.alert
                 WHERE alert.rule = 'alarm_pressed' AND record IS NOT NULL";
    assert_eq!(street.count(lines).await, 0, "a press was told twice");
    let missing = "SELECT count(*) FROM record WHERE kind = 'alarm'
                     AND NOT EXISTS (SELECT 1 FROM alert_line WHERE alert_line.record = record.id)";
    assert_eq!(street.count(missing).await, 0, "a press is in no case");
    let untold = "SELECT count(*) FROM alert WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.alert = alert.id)";
    assert_eq!(street.count(untold).await, 0, "an alert was told to nobody");
    let twice = "SELECT count(*) FROM (SELECT about FROM alert WHERE rule = 'alarm_pressed' AND state <> 'closed'
                 GROUP BY about HAVING count(*) > 1) AS twice";
    assert_eq!(street.count(twice).await, 0, "two cases about one");
}

/// Nobody took what was another's: between two claims somebody gave it back.
async fn every_alert_has_one_owner(store: &Store) {
    let lines = query(
        "SELECT alert, kind FROM alert_line WHERE kind IN ('claimed', 'given_back', 'closed') ORDER BY alert, place",
    )
    .fetch_all(store.reader())
    .await
    .unwrap();
    let mut claims = 0;
    let mut last = (String::new(), String::new());
    for line in lines {
        let now: (String, String) = (line.try_get("alert").unwrap(), line.try_get("kind").unwrap());
        assert!(now != last || now.1 != "claimed", "an alert was taken twice");
        claims += u32::from(now.1 == "claimed");
        last = now;
    }
    assert!(claims > 3, "nobody took anything");
}
