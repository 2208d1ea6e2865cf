//! From a button in a home to a program, through the whole gateway.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hempuls_gateway::alerts::Act;
use hempuls_gateway::alerts::rules;
use hempuls_gateway::store::{Store, outbox, query_scalar};
use hempuls_protocol::ids::{Epoch, Lane};

use crate::team::{Does, Peer, eventually, file};
use crate::ward::place::Place;
use crate::ward::{Client, Ward, began, press};

const EPOCH: Epoch = Epoch(0xA1);

#[tokio::test]
async fn a_press_in_a_home_is_told_at_once_and_after_a_restart_until_somebody_takes_it() {
    let peer = Peer::that(&[Does::Answer(200, ""), Does::Answer(500, "")]).await;
    let folder = Place::new().await;
    let ward = ward_that_tells(&peer, folder).await;
    let tested = eventually(async || peer.asked().pop()).await;
    assert!(
        tested.body.contains("\"type\":\"test\""),
        "each address proves itself when a gateway starts: {}",
        tested.body
    );
    ward.eventually("SELECT count(*) FROM way WHERE proven_ms IS NOT NULL", 1).await;
    let papers = ward.enrol("Ada's").await;
    let mut agent = Client::connect(&ward, &papers).await;

    agent.send(Lane::Alarm, EPOCH, 1, &[began(), press(1, 59_000)]).await;
    agent.receipt().await;
    // Long before a nap of the worker is over, but for a machine that is busy.
    let told = eventually(async || peer.asked().get(1).cloned());
    let told = tokio::time::timeout(Duration::from_secs(5), told).await;
    assert!(told.unwrap().body.contains("\"urgency\":\"high\""));
    ward.eventually("SELECT count(*) FROM delivery_attempt JOIN outbox ON id = delivery WHERE delivery_attempt.ended_ms IS NOT NULL AND alert IS NOT NULL", 1).await;
    drop(agent);

    let ward = ward.restart_after(Duration::ZERO, rules::Config::default().rules()).await;
    ward.eventually("SELECT count(*) FROM outbox WHERE state = 'delivered' AND alert IS NOT NULL", 1).await;
    assert_eq!(peer.asked().len(), 3, "the address is proven, and left in peace at a restart");

    let mut agent = Client::connect(&ward, &papers).await;
    agent.send(Lane::Alarm, EPOCH, 3, &[press(2, 59_500)]).await;
    agent.receipt().await;
    ward.eventually("SELECT count(*) FROM outbox WHERE state = 'delivered' AND alert IS NOT NULL", 2).await;
    ward.act(&Act::Claim, "Anna").await;
    agent.send(Lane::Alarm, EPOCH, 4, &[press(3, 59_600)]).await;
    agent.receipt().await;
    assert_eq!(ward.count("SELECT count(*) FROM outbox WHERE alert IS NOT NULL").await, 2, "it is hers");
    ward.close().await;
}

#[tokio::test]
async fn what_somebody_was_being_told_when_the_gateway_died_is_told_again_as_soon_as_it_runs() {
    let peer = Peer::that(&[Does::Answer(200, ""), Does::Answer(500, "")]).await;
    let folder = Place::in_a_file();
    let ward = ward_that_tells(&peer, folder).await;
    ward.eventually("SELECT count(*) FROM way WHERE proven_ms IS NOT NULL", 1).await;
    let papers = ward.enrol("Ada's").await;
    let mut agent = Client::connect(&ward, &papers).await;
    agent.send(Lane::Alarm, EPOCH, 1, &[began(), press(1, 59_000)]).await;
    agent.receipt().await;
    let failed = "SELECT count(*) FROM delivery_attempt JOIN outbox ON id = delivery WHERE alert IS NOT NULL AND delivery_attempt.ended_ms IS NOT NULL";
    ward.eventually(failed, 1).await;
    drop(agent);

    // As a process leaves it that dies between writing that it tells somebody and the end of that.
    let (folder, settings) = ward.stop().await;
    let store = Store::open(&folder.path().join("data/store.sqlite")).await.unwrap();
    let mut work = store.work().await.unwrap();
    let again = "SELECT id FROM outbox WHERE alert IS NOT NULL AND state = 'waiting'";
    let id: String = query_scalar(again).fetch_one(&mut *work).await.unwrap();
    let due: i64 = query_scalar("SELECT max(due_ms) FROM outbox").fetch_one(&mut *work).await.unwrap();
    assert!(outbox::take(&mut work, &id, false, due).await.unwrap().is_some());
    work.commit().await.unwrap();
    store.close().await;

    let ward = Ward::open_in(folder, &settings, rules::Config::default().rules()).await;
    // In less than a lease, which is as long as 40 s.
    ward.eventually("SELECT count(*) FROM outbox WHERE state = 'delivered' AND alert IS NOT NULL", 1).await;
    ward.close().await;
}

async fn ward_that_tells(peer: &Peer, folder: Place) -> Ward {
    file(folder.path(), "secret", &format!("whsec_{}", STANDARD.encode([7; 32])));
    let settings = format!(
        "[delivery]\nconsole = \"https://console.example\"\n\
         [delivery.webhook]\nsecret_file = \"secret\"\nallow = [\"127.0.0.1\"]\n\
         [[delivery.always]]\nname = \"ward\"\nchannel = \"webhook\"\nto = \"http://{}/\"\n",
        peer.address
    );
    Ward::open_in(folder, &settings, rules::Config::default().rules()).await
}
