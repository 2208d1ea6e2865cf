//! Three gateways that share a PostgreSQL server, behind one Mosquitto, while they are killed, paused and cut off from either at
//! random and homes go on measuring and calling for help.

mod fault;
mod home;
#[path = "../place/mod.rs"]
mod place;
mod street;

use std::time::Duration;

use hempuls_gateway::alerts::{self, Act, ActError};
use hempuls_gateway::clock;
use hempuls_gateway::store::query;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use street::Street;

const GATEWAYS: usize = 3;
const HOMES: usize = 6;
/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(60);
/// How long it may take until all is well after that.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_die_stand_still_or_are_cut_off_lose_nothing_and_tell_nobody_twice() {
    let seed: u64 = std::env::var("HEMPULS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("HEMPULS_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let mut street = Street::open(GATEWAYS, HOMES).await;
    let homes = street.live(seed);

    let until = clock::steady() + TROUBLE;
    while clock::steady() < until {
        let which = chance.random_range(0..GATEWAYS);
        street.gateways[which].suffer(&mut chance);
        tokio::time::sleep(Duration::from_millis(chance.random_range(300..2_500))).await;
    }
    for gateway in &mut street.gateways {
        gateway.recover().await;
    }

    let sent = homes.stop_and_wait_for_receipts(PATIENCE).await;
    println!("{} readings and {} presses, each with its receipt", sent.readings, sent.presses);
    let stored = street.count("SELECT count(*) FROM record WHERE kind = 'signal'").await;
    assert_eq!(stored, sent.readings, "every reading is stored once");
    let stored = street.count("SELECT count(*) FROM record WHERE kind = 'alarm'").await;
    assert_eq!(stored, sent.presses, "every press is stored once");
    assert_eq!(street.count("SELECT count(*) FROM event WHERE disposition <> 'stored'").await, 0);
    let lines = "SELECT count(DISTINCT record) FROM alert_line JOIN alert ON alert.id = alert_line.alert
                 WHERE alert.rule = 'alarm_pressed'";
    assert!(street.count(lines).await >= 1);
    let without_case = "SELECT count(*) FROM home WHERE NOT EXISTS
        (SELECT 1 FROM alert WHERE alert.home = home.id AND alert.rule = 'alarm_pressed')";
    assert_eq!(street.count(without_case).await, 0, "every home's presses are before the team");

    street.everything_is_told(PATIENCE).await;
    let (mut told, mut doubled) = (0, 0);
    for (delivery, attempts, unknown) in street.deliveries().await {
        let came = street.came(&delivery);
        assert!(came >= 1, "{delivery} was lost");
        assert!(came <= attempts, "{delivery} came {came} times in {attempts} attempts");
        // Only an attempt whose end was not written can have arrived without anybody knowing.
        assert!(came <= 1 + unknown, "{delivery} came {came} times; the end of {unknown} attempts is unknown");
        told += 1;
        doubled += came - 1;
    }
    println!("{told} notifications, {doubled} doubled by gateways that died before they wrote that it was taken");

    every_alert_gets_one_owner(&street).await;
    street.stop().await;
}

/// Two members take each alert in the same moment, at different gateways.
async fn every_alert_gets_one_owner(street: &Street) {
    let open = query("SELECT id FROM alert WHERE state = 'open'").fetch_all(street.store.reader()).await.unwrap();
    assert!(!open.is_empty());
    let other = street.another_store().await;
    for row in open {
        let id: String = row.try_get("id").unwrap();
        let claims = [(&street.store, "Anna"), (&other, "Bo")].map(|(store, who)| {
            let id = id.clone();
            async move {
                let mut work = store.work().await.unwrap();
                let taken = match alerts::act(&mut work, &id, &Act::Claim, who, clock::now_ms()).await {
                    Ok(()) => true,
                    Err(ActError::NotNow(_)) => false,
                    Err(error) => panic!("{error}"),
                };
                work.commit().await.unwrap();
                taken
            }
        });
        let [anna, bo] = claims;
        let (anna, bo) = tokio::join!(anna, bo);
        assert!(anna != bo, "one of the two has it: Anna {anna}, Bo {bo}");
    }
}
