//! Ways to people that prove themselves: nobody gets anything, and one that cannot is told of.

use std::collections::HashSet;
use std::time::Duration;

use hempuls_gateway::alerts::{Severity, line};
use hempuls_gateway::clock;
use hempuls_gateway::delivery::hands::take_up;
use hempuls_gateway::delivery::{Channel, Recipient};
use hempuls_gateway::proof::schedule::{Schedule, Settings, WAY};
use hempuls_gateway::store::contacts::{self, Contact};
use hempuls_gateway::store::ways::{self, Way};
use hempuls_gateway::store::{Store, alerts as cases, outbox, silent_tests};
use hempuls_gateway::wording::Lang;
use jiff::tz::TimeZone;

use crate::email::{self, MailServer};
use crate::nights::{notify, store};
use crate::team::{Does, Peer, Team, eventually};
use crate::ward::place::Place;
use crate::webhook;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

#[tokio::test]
async fn a_mailbox_is_proven_by_the_servers_word_and_no_message_is_sent() {
    let folder = Place::new().await;
    let server = MailServer::start(folder.path());
    let team = email::team(folder, &server, "anna@example.org", "correct horse").await;
    let contact = Contact {
        member: "Anna".into(),
        channel: Channel::Email,
        address: "anna@example.org".into(),
        lang: Lang::Sv,
        proven_ms: None,
    };
    team.reach(&contact).await;
    let (schedule, mut known, before_ms) = (team.schedule(), HashSet::new(), clock::now_ms());

    assert!(schedule.look(&mut known, before_ms).await.unwrap());

    let way = proven(&team).await;
    assert!(way.proven_ms >= Some(before_ms) && way.failing.is_none(), "{way:?}");
    let [asked] = &server.taken()[..] else {
        panic!("asked once, for both who have the address: {:?}", server.taken())
    };
    assert_eq!((asked["asked_for"].as_str(), asked["tls"].as_bool()), (Some("anna@example.org"), Some(true)));
    let reached = contacts::list(team.store.reader(), Some("Anna")).await.unwrap();
    assert_eq!(reached[0].proven_ms, way.proven_ms, "and with that she counts as reachable");

    assert!(!schedule.look(&mut known, clock::now_ms() + HOUR).await.unwrap(), "it is left in peace");
    assert!(schedule.look(&mut known, clock::now_ms() + 6 * HOUR).await.unwrap());
    assert!(cases::open_abouts(team.store.reader(), WAY).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mailbox_that_is_not_there_is_told_of_by_whose_it_is_and_never_by_its_address_until_she_has_another() {
    let folder = Place::new().await;
    let server = MailServer::start(folder.path());
    let team = email::team(folder, &server, "ward@example.org", "correct horse").await;
    let contact = |address: &str| Contact {
        member: "Anna".into(),
        channel: Channel::Email,
        address: address.into(),
        lang: Lang::Sv,
        proven_ms: None,
    };
    team.reach(&contact("nobody@example.org")).await;
    let (schedule, mut known, start_ms) = (team.schedule(), HashSet::new(), clock::now_ms());
    schedule.look(&mut known, start_ms).await.unwrap();
    eventually(async || {
        let all = ways::all(team.store.reader()).await.unwrap();
        all.iter().any(|way| way.failing.is_some()).then_some(())
    })
    .await;
    proven(&team).await;
    schedule.look(&mut known, start_ms + 10 * MINUTE).await.unwrap();
    assert!(told(&team.store).await.is_empty(), "it may be over in a moment");

    schedule.look(&mut known, start_ms + 20 * MINUTE).await.unwrap();
    schedule.look(&mut known, start_ms + 21 * MINUTE).await.unwrap();

    let [(severity, words)] = &told(&team.store).await[..] else { panic!("one case, however often") };
    assert_eq!((*severity, words.len()), (Severity::Medium, 1));
    assert!(words[0].contains("E-mail to Anna") && words[0].contains("has no mailbox here"), "{words:?}");
    assert!(!words[0].contains('@'), "{words:?}");

    team.reach(&contact("ward@example.org")).await;
    schedule.look(&mut known, start_ms + 22 * MINUTE).await.unwrap();
    assert!(told(&team.store).await.is_empty(), "it has ended by itself");
}

#[tokio::test]
async fn a_dead_server_is_one_alert_for_all_its_addresses_and_it_ends_when_a_test_gets_through() {
    let no = vec![Does::Answer(500, ""); 2];
    let (one, other) = (Peer::that(&no).await, Peer::that(&no).await);
    let team = webhook::team(&[("one", one.address), ("other", other.address)], "\"127.0.0.1\"").await;
    let (schedule, mut known, start_ms) = (team.schedule(), HashSet::new(), clock::now_ms());
    schedule.look(&mut known, start_ms).await.unwrap();
    eventually(async || {
        let all = ways::all(team.store.reader()).await.unwrap();
        (all.len() == 2 && all.iter().all(|way| way.failing.is_some())).then_some(())
    })
    .await;
    for peer in [&one, &other] {
        let body: serde_json::Value = serde_json::from_str(&peer.asked()[0].body).unwrap();
        assert_eq!((&body["type"], body["data"].as_object().map(serde_json::Map::len)), (&"test".into(), Some(0)));
        assert!(peer.asked()[0].headers.contains_key("webhook-signature"));
    }

    schedule.look(&mut known, start_ms + 20 * MINUTE).await.unwrap();

    let [(_, words)] = &told(&team.store).await[..] else { panic!("one case for both") };
    assert!(words[0].contains("A call to a program cannot be proven (HTTP 500)"), "{words:?}");
    let mut work = team.store.work().await.unwrap();
    for way in ways::all(team.store.reader()).await.unwrap() {
        ways::prove(&mut work, &way.channel, Some(&way.address), start_ms + 21 * MINUTE).await.unwrap();
    }
    work.commit().await.unwrap();
    schedule.look(&mut known, start_ms + 22 * MINUTE).await.unwrap();
    assert!(told(&team.store).await.is_empty());
}

#[tokio::test]
async fn a_way_that_nobody_could_test_for_a_day_is_told_of() {
    let peer = Peer::that(&[]).await;
    let mut team = webhook::team(&[("ward", peer.address)], "\"127.0.0.1\"").await;
    team.stop().await;
    let (schedule, mut known, start_ms) = (team.schedule(), HashSet::new(), clock::now_ms());
    for minute in (0..24 * 60).step_by(30) {
        schedule.look(&mut known, start_ms + minute * MINUTE).await.unwrap();
    }
    assert!(told(&team.store).await.is_empty());

    schedule.look(&mut known, start_ms + 25 * HOUR).await.unwrap();

    let [(_, words)] = &told(&team.store).await[..] else { panic!("one case") };
    assert!(words[0].contains("got through never"), "{words:?}");
}

#[tokio::test]
async fn a_test_of_a_way_is_behind_every_press_however_long_it_waits() {
    let (_folder, store, alert) = store().await;
    let mut work = store.work().await.unwrap();
    silent_tests::add_of_ways(&mut work, "t", 0).await.unwrap();
    let to = Recipient::Address("ward".into());
    outbox::add_test(&mut work, "t", Channel::Webhook, &to, 0).await.unwrap();
    notify(&mut work, &alert, "press", "ward", Severity::High, HOUR).await;
    work.commit().await.unwrap();

    let due = outbox::due(store.reader(), Channel::Webhook, true, HOUR).await.unwrap();

    assert_eq!(due.iter().map(|flight| flight.is_test).collect::<Vec<_>>(), [false, true]);
    assert_eq!(take_up(&due, &[]), [&due[0]]);
}

#[tokio::test]
async fn so_many_addresses_are_asked_at_one_look_at_most_and_all_in_the_end() {
    let (_folder, store, _) = store().await;
    let mut work = store.work().await.unwrap();
    for n in 0..70 {
        let (member, address) = (format!("M{n}"), format!("http://10.0.0.1/{n}"));
        let contact = Contact { member, channel: Channel::Webhook, address, lang: Lang::Sv, proven_ms: None };
        contacts::set(&mut work, &contact, "Lena", 0).await.unwrap();
    }
    work.commit().await.unwrap();
    let settings = Settings {
        by_address: [(Channel::Webhook, Duration::from_secs(6 * 60 * 60))].into(),
        within: Duration::from_secs(24 * 60 * 60),
        ..Settings::default()
    };
    let schedule = Schedule { store, settings, changes: Default::default(), since_ms: 0 };
    let mut asked = Vec::new();
    for minute in 0..4 {
        schedule.look(&mut HashSet::new(), minute * MINUTE).await.unwrap();
        let all = ways::all(schedule.store.reader()).await.unwrap();
        asked.push(all.iter().filter(|way| way.asked_ms.is_some()).count());
    }
    assert_eq!(asked, [30, 60, 70, 70]);
}

async fn proven(team: &Team) -> Way {
    eventually(async || {
        let all = ways::all(team.store.reader()).await.unwrap();
        all.into_iter().find(|way| way.proven_ms.is_some())
    })
    .await
}

/// The open cases about ways, with what they say.
async fn told(store: &Store) -> Vec<(Severity, Vec<String>)> {
    let reader = line::Reader { lang: Lang::En, zone: TimeZone::UTC };
    let mut told = Vec::new();
    for case in cases::read(store.reader(), cases::Which::NotClosed, 10).await.unwrap() {
        if case.rule == WAY {
            let story = cases::story(store.reader(), &case.id).await.unwrap();
            told.push((case.alert.severity, story.iter().map(|told| told.line.say(&reader)).collect()));
        }
    }
    told
}
