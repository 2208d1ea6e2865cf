//! Agents over the years: the next certificate, the way back after the last one expired, and being cut off.

#[allow(dead_code, reason = "each test program uses its own part")]
mod ward;

use std::time::{Duration, Instant};

use hempuls_gateway::store::agents::{self, Act, Decision};
use hempuls_gateway::store::books;
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use ward::{Client, Papers, Ward, press, reading};

#[tokio::test]
async fn a_certificate_is_exchanged_for_the_next_and_stays_good_until_that_was_used() {
    let ward = Ward::open().await;
    let old = ward.age(&ward.enrol("Ada").await, 250).await;
    // The first answer is lost on its way.
    ward.renew(&old).await.unwrap();
    let next = ward.renew(&old).await.unwrap();
    assert!(Client::try_connect(&ward, &old).await.is_ok(), "nothing else is known to have arrived");
    assert!(Client::try_connect(&ward, &next).await.is_ok());
    assert!(Client::try_connect(&ward, &old).await.is_err(), "the next one was used");
    assert!(Client::try_connect(&ward, &next).await.is_ok());

    let (status, why) = ward.renew(&old).await.err().unwrap();
    assert_eq!(status, 403, "{why}");
    assert!(why.contains("replaced") && why.contains("home code"), "{why}");
    assert_eq!(
        ward.count("SELECT count(*) FROM alert WHERE rule = 'agent_identity' AND severity = 'medium'").await,
        1,
        "somebody has a copy"
    );
    ward.close().await;
}

#[tokio::test]
async fn a_box_that_was_off_for_two_years_comes_back_with_its_old_key_and_somebody_is_told() {
    let ward = Ward::open().await;
    let long_ago = ward.age(&ward.enrol("Ada").await, 2 * 365).await;
    assert!(Client::try_connect(&ward, &long_ago).await.is_err(), "the broker takes no expired certificate");

    let anew = ward.renew(&long_ago).await.unwrap();
    let mut agent = Client::connect(&ward, &anew).await;
    agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0)]).await;
    assert_eq!(agent.receipt().await.through, Sequence(1));
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'agent_identity' AND severity = 'low'").await, 1);
    ward.close().await;
}

#[tokio::test]
async fn nobody_gets_a_certificate_who_has_no_key_of_ours_or_asks_too_early_or_too_often() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    let status = |result: Result<Papers, (u16, String)>| result.err().map(|(status, _)| status);
    assert_eq!(status(ward.renew(&ada).await), Some(409), "more than half of its life is left");
    assert_eq!(status(ward.renew(&Papers { certificate: None, ..ada.clone() }).await), Some(401));
    let elsewhere = Ward::open().await;
    let stranger = elsewhere.age(&elsewhere.enrol("Eve").await, 250).await;
    let stranger = Papers { ca: ada.ca.clone(), ..stranger };
    assert_eq!(status(ward.renew(&stranger).await), Some(0), "TLS does not even begin");

    let bea = ward.age(&ward.enrol("Bea").await, 800).await;
    let another = Papers { certificate: ada.certificate.clone(), ..bea.clone() };
    assert_eq!(status(ward.renew(&another).await), Some(409), "who asks is who the certificate says");
    for _ in 0..30 {
        assert_eq!(status(ward.renew(&bea).await), None);
    }
    assert_eq!(status(ward.renew(&bea).await), Some(429));
    elsewhere.close().await;
    ward.close().await;
}

#[tokio::test]
async fn a_revoked_box_is_thrown_out_within_seconds_and_gets_no_certificate_any_more() {
    let ward = Ward::open().await;
    let stolen = ward.age(&ward.enrol("Ada").await, 250).await;
    let mut agent = Client::connect(&ward, &stolen).await;
    agent.send(Lane::Alarm, Epoch(1), 1, &[press(1, 0)]).await;
    agent.receipt().await;
    agent.beat(Lane::Alarm, Epoch(1), 1, 3).await;
    agent.receipt().await;

    decide(&ward, &stolen, Act::Revoke).await.unwrap();
    let since = now();
    agent.is_thrown_out().await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert!(Client::try_connect(&ward, &stolen).await.is_err());
    let (status, why) = ward.renew(&stolen).await.err().unwrap();
    assert!(status == 403 && why.contains("revoked"), "{why}");
    ward.eventually("SELECT count(*) FROM agent WHERE connected = 1", 0).await;

    // The two alarms that it still had are listed until somebody writes them off.
    let waiting =
        || async { books::read(ward.reader(), None).await.unwrap().iter().map(|page| page.line.waiting).sum::<u64>() };
    assert_eq!(waiting().await, 2);
    let decided = decide(&ward, &stolen, Act::WriteOff).await.unwrap();
    assert_eq!((decided.alarms, decided.readings), (2, 0));
    assert_eq!(waiting().await, 0);
    for page in books::read(ward.reader(), None).await.unwrap() {
        assert!(page.balanced && page.closed && page.line.lost == 2, "{page:?}");
    }
    ward.close().await;
}

#[tokio::test]
async fn a_retired_box_empties_its_lanes_is_told_so_and_can_be_taken_back() {
    let ward = Ward::open().await;
    let ada = ward.age(&ward.enrol("Ada").await, 250).await;
    decide(&ward, &ada, Act::Retire).await.unwrap();

    let mut agent = Client::connect(&ward, &ada).await;
    agent.beat(Lane::Reading, Epoch(1), 0, 1).await;
    assert!(agent.config().await.retired);
    agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0)]).await;
    while agent.receipt().await.through != Sequence(1) {}
    assert!(ward.renew(&ada).await.is_ok(), "it may take longer than its certificate lives");

    decide(&ward, &ada, Act::Unretire).await.unwrap();
    agent.beat(Lane::Reading, Epoch(1), 1, 1).await;
    while agent.config().await.retired {}
    ward.close().await;
}

#[tokio::test]
async fn what_cannot_be_decided_is_said_and_changes_nothing() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    let refused = |result: Result<agents::Decided, agents::Undecided>| result.err().unwrap().to_string();
    assert!(refused(decide(&ward, &ada, Act::Unretire).await).contains("not retired"));
    assert!(refused(decide(&ward, &ada, Act::WriteOff).await).contains("only what a revoked box has"));
    decide(&ward, &ada, Act::Retire).await.unwrap();
    assert!(refused(decide(&ward, &ada, Act::Retire).await).contains("retired already"));
    decide(&ward, &ada, Act::Revoke).await.unwrap();
    assert!(refused(decide(&ward, &ada, Act::WriteOff).await).contains("nothing waits"));
    for act in [Act::Revoke, Act::Retire, Act::Unretire] {
        assert!(refused(decide(&ward, &ada, act).await).contains("add-box"));
    }
    let nobody = Papers { agent: "zzzzzzzzzzzzzzzz".into(), ..ada };
    assert!(refused(decide(&ward, &nobody, Act::Revoke).await).contains("agent list"));
    ward.close().await;
}

async fn decide(ward: &Ward, papers: &Papers, act: Act) -> Result<agents::Decided, agents::Undecided> {
    let mut work = ward.work().await;
    let decision = Decision { act, by: "Siv", why: "test" };
    let decided = agents::decide(&mut work, &papers.agent.parse().unwrap(), &decision, 1_800_000_000_000).await;
    work.commit().await.unwrap();
    decided
}

#[allow(clippy::disallowed_methods, reason = "how long it really takes is what is looked at")]
fn now() -> Instant {
    Instant::now()
}
