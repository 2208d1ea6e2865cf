//! The gateway's own tests, and the call that says that they come through.

use std::time::Duration;

use hempuls_gateway::alerts::rules::{self, Doubt, Facts, Rule, Rules, Verdict};
use hempuls_gateway::alerts::{Line, health};
use hempuls_gateway::delivery::channels::Channel;
use hempuls_gateway::delivery::course::Outcome;
use hempuls_gateway::delivery::{Recipient, trouble};
use hempuls_gateway::store::{Store, outbox, silent_tests};

use crate::nights::store;
use crate::team::{Does, Peer, eventually};
use crate::trouble::troubles;
use crate::ward::Ward;
use crate::ward::place::Place;

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn a_dead_man_is_called_only_while_tests_come_through_ingest_and_outbox() {
    let peer = Peer::that(&[]).await;
    let ward = ward(&peer, rules::Config::default().rules()).await;
    eventually(async || (peer.asked().len() >= 2).then_some(())).await;
    let called = &peer.asked()[0];
    let body: serde_json::Value = serde_json::from_str(&called.body).unwrap();
    assert_eq!((called.path.as_str(), body["type"].as_str()), ("/alive", Some("gateway.alive")));
    assert_eq!(ward.ready().await.0, 200);
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 0, "a test opens nothing");

    // Somebody else writes to the store, and does not stop.
    let work = ward.work().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let heard = peer.asked().len();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(peer.asked().len(), heard, "nothing can be stored");
    let (status, why) = ward.ready().await;
    assert!(status == 503 && why.contains("the latest waits to be stored"), "{why}");
    drop(work);
    eventually(async || (ward.ready().await.0 == 200).then_some(())).await;
    assert!(peer.asked().len() > heard);
    assert!(ward.count("SELECT count(*) FROM outbox WHERE state = 'waiting'").await <= 1);

    // The outbox's worker cannot take anything up.
    ward.forbid("stuck", "INSERT ON delivery_attempt").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let heard = peer.asked().len();
    let stuck = async || Some(ward.ready().await).filter(|(status, _)| *status == 503);
    let (_, why) = eventually(stuck).await;
    assert!(why.contains("its worker does not take it up"), "{why}");
    assert_eq!(peer.asked().len(), heard);
    ward.allow("stuck", "delivery_attempt").await;
    eventually(async || (ward.ready().await.0 == 200).then_some(())).await;
    ward.close().await;
}

#[tokio::test]
async fn no_call_is_made_while_a_rule_is_broken_and_readyz_names_it() {
    let peer = Peer::that(&[]).await;
    let mut broken = rules::Config::default().rules();
    broken.push(Box::new(Broken));
    let ward = ward(&peer, broken).await;

    ward.eventually("SELECT count(*) FROM silent_test WHERE failed IS NOT NULL", 2).await;

    let (status, why) = ward.ready().await;
    assert!(status == 503 && why.contains("the rule broken panicked"), "{why}");
    assert_eq!(peer.asked().len(), 0);
    ward.close().await;
}

#[tokio::test]
async fn without_an_address_readyz_rests_on_the_same_tests_and_nobody_is_said_to_be_called() {
    let settings = "[dead_man]\nevery = \"1s\"\n";
    let ward = Ward::open_in(Place::new().await, settings, rules::Config::default().rules()).await;
    eventually(async || (ward.ready().await.0 == 200).then_some(())).await;
    ward.eventually("SELECT count(*) FROM outbox WHERE state = 'delivered'", 2).await;
    assert_eq!(ward.count("SELECT count(*) FROM channel_proven").await, 0);
    ward.close().await;
}

#[tokio::test]
async fn a_dead_man_that_takes_no_call_does_not_make_the_gateway_unready() {
    let peer = Peer::that(&vec![Does::Answer(500, ""); 1000]).await;
    let ward = ward(&peer, rules::Config::default().rules()).await;
    eventually(async || (peer.asked().len() >= 2).then_some(())).await;
    assert_eq!(ward.ready().await.0, 200);
    ward.close().await;
}

#[tokio::test]
async fn a_dead_man_that_takes_no_call_for_five_minutes_is_an_alert_until_it_takes_one() {
    let (_folder, store, _) = store().await;
    let no = Outcome::TryAgain { after: None, because: "HTTP 500".into() };
    for minute in 0..5 {
        test(&store, &no, minute * MINUTE).await;
    }
    assert_eq!(troubles(&store).await.len(), 0, "it may be over in a moment");
    test(&store, &no, 5 * MINUTE).await;
    test(&store, &no, 6 * MINUTE).await;
    let [(_, story)] = &troubles(&store).await[..] else { panic!("one case, however often") };
    let fails = health::Found::ChannelFails { channel: "dead_man".into(), because: "HTTP 500".into() };
    assert_eq!(story[..], [Line::Health(fails)]);

    test(&store, &Outcome::Delivered { proof: "HTTP 200".into() }, 7 * MINUTE).await;
    let over = Line::Health(health::Found::ChannelDelivers { channel: "dead_man".into() });
    assert_eq!(troubles(&store).await[0].1.last(), Some(&over));

    // What failed before it does not count for what fails now.
    test(&store, &no, 11 * MINUTE).await;
    assert_eq!(troubles(&store).await[0].1.len(), 2);
}

/// A test is made, and its call ends so.
async fn test(store: &Store, outcome: &Outcome, now_ms: i64) {
    let mut work = store.work().await.unwrap();
    let id = format!("t{now_ms}");
    silent_tests::add(&mut work, (&id, "g", now_ms), None, now_ms).await.unwrap();
    let to = Recipient::Address("dead_man".into());
    outbox::add_test(&mut work, &id, Channel::DeadMan, &to, now_ms).await.unwrap();
    work.commit().await.unwrap();
    let due = outbox::due(store.reader(), Channel::DeadMan, true, now_ms).await.unwrap();
    assert_eq!(due.len(), 1, "a newer test takes the place of one that waits");
    let mut work = store.work().await.unwrap();
    let taken = outbox::take(&mut work, &due[0].delivery, true, now_ms).await.unwrap().unwrap();
    outbox::end(&mut work, &taken, outcome, 1.0, now_ms).await.unwrap();
    if let Some(effect) = trouble::of_test(&mut work, Channel::DeadMan, outcome, now_ms).await.unwrap() {
        trouble::tell(&mut work, Channel::DeadMan, &taken, effect, outcome.because(), now_ms).await.unwrap();
    }
    if let Outcome::Delivered { .. } = outcome {
        silent_tests::prove_channel(&mut work, "dead_man", now_ms).await.unwrap();
    }
    work.commit().await.unwrap();
}

async fn ward(peer: &Peer, rules: Rules) -> Ward {
    let settings =
        format!("[dead_man]\nevery = \"1s\"\naddress = \"http://{}/alive\"\nallow = [\"127.0.0.1\"]\n", peer.address);
    Ward::open_in(Place::new().await, &settings, rules).await
}

struct Broken;

impl Rule for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn judge(&self, facts: &Facts<'_>) -> Verdict {
        assert!(!facts.has_person, "as every rule may");
        Verdict::Unsure(Doubt::NotMine)
    }
}
