//! Programs that are told.

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hempuls_gateway::delivery::Channel;
use hempuls_gateway::delivery::course::{Outcome, State};
use hempuls_gateway::store::contacts::{self, Contact};
use hempuls_gateway::wording::Lang;

use crate::team::{Does, Peer, Team, eventually, file};
use crate::ward::place::Place;

const SECRET: [u8; 32] = [7; 32];

#[tokio::test]
async fn a_press_reaches_a_program_signed_and_says_nothing_about_the_person() {
    let peer = Peer::that(&[]).await;
    let team = team(&[("ward", peer.address)], "\"127.0.0.1\"").await;

    let alert = team.press("button").await;

    let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    assert_eq!((told.len(), told[0].always.as_deref(), told[0].attempts.len()), (1, Some("ward"), 1));
    let (_, outcome) = told[0].attempts[0].ended.clone().unwrap();
    assert_eq!(outcome, Outcome::Delivered { proof: "HTTP 200".into() });
    let [asked] = &peer.asked()[..] else { panic!("asked once") };
    let header = |name| asked.headers[name].to_str().unwrap().to_owned();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), asked.body);
    let signature = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), signed.as_bytes(), &signature).unwrap();
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["data"]["link"], format!("https://console.example/alerts/{alert}"));
    assert!(!asked.body.contains("Ada") && !asked.body.contains("kitchen"), "{}", asked.body);
}

#[tokio::test]
async fn a_program_that_fails_for_a_while_is_told_again_under_the_same_id_until_it_says_yes() {
    let peer = Peer::that(&[Does::Answer(500, ""), Does::Answer(503, "")]).await;
    let team = team(&[("ward", peer.address)], "\"127.0.0.1\"").await;

    let alert = team.press("button").await;

    let failing = team.until(&alert, |told| told[0].attempts.iter().any(|attempt| attempt.ended.is_some())).await;
    assert_eq!(failing[0].course.state, State::Waiting, "it is not called delivered before it is");
    let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    let said: Vec<Outcome> = told[0].attempts.iter().map(|attempt| attempt.ended.clone().unwrap().1).collect();
    let again = |because: &str| Outcome::TryAgain { after: None, because: because.to_owned() };
    assert_eq!(said, [again("HTTP 500"), again("HTTP 503"), Outcome::Delivered { proof: "HTTP 200".into() }]);
    let ids: Vec<_> = peer.asked().iter().map(|asked| asked.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn one_that_never_answers_holds_up_nobody_else() {
    let (dead, well) = (Peer::that(&vec![Does::Nothing; 100]).await, Peer::that(&[]).await);
    let team = team(&[("dead", dead.address), ("well", well.address)], "\"127.0.0.1\"").await;

    for press in 0..8 {
        team.press(&format!("button {press}")).await;
        let press = press + 1;
        eventually(async || (well.asked().len() == press).then_some(())).await;
    }

    assert!(dead.asked().len() <= 4, "so many attempts are under way to one at most");
}

#[tokio::test]
async fn a_gateway_that_stops_lets_what_it_is_telling_end_so_that_nobody_is_told_twice() {
    let peer = Peer::that(&[Does::Hesitate]).await;
    let mut team = team(&[("ward", peer.address)], "\"127.0.0.1\"").await;
    let alert = team.press("button").await;
    eventually(async || (peer.asked().len() == 1).then_some(())).await;

    team.stop().await;

    let told = team.told(&alert).await;
    assert_eq!((told[0].course.state, told[0].attempts.len()), (State::Delivered, 1));
}

#[tokio::test]
async fn what_somebody_takes_care_of_is_told_to_nobody_any_more() {
    let peer = Peer::that(&[Does::Answer(500, "")]).await;
    let team = team(&[("ward", peer.address)], "\"127.0.0.1\"").await;
    let alert = team.press("button").await;
    team.until(&alert, |told| told[0].attempts.iter().any(|attempt| attempt.ended.is_some())).await;

    team.claim(&alert).await;

    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(peer.asked().len(), 1, "the next attempt was due after 5 s at most");
    let told = team.told(&alert).await;
    assert_eq!((told[0].course.state, told[0].attempts.len()), (State::Withdrawn, 1));
}

#[tokio::test]
async fn a_private_address_is_called_only_where_it_is_allowed_and_a_redirect_is_not_followed() {
    let behind = Peer::that(&[]).await;
    let peer = Peer::that(&[Does::Redirect(format!("http://{}/", behind.address))]).await;
    let gave_up = |because: &str| Outcome::GiveUp { because: because.to_owned() };
    for (allow, said) in [
        ("", gave_up("the host is at a private address, which the configuration does not allow")),
        ("\"127.0.0.1\"", gave_up("HTTP 307")),
    ] {
        let team = team(&[("ward", peer.address)], allow).await;
        let alert = team.press("button").await;
        let told = team.until(&alert, |told| told[0].attempts.iter().any(|attempt| attempt.ended.is_some())).await;
        assert_eq!(told[0].attempts[0].ended.clone().unwrap().1, said);
        assert_eq!(told[0].course.state, State::Waiting, "a press is never given up");
    }
    assert_eq!((peer.asked().len(), behind.asked().len()), (1, 0));
}

#[tokio::test]
async fn a_member_is_told_at_the_address_she_has_when_it_is_sent_and_that_proves_it() {
    let peer = Peer::that(&[]).await;
    let team = team(&[], "\"127.0.0.1\"").await;
    let alert = team.press("button").await;
    team.notify(&alert, "Anna").await;
    let told = team.until(&alert, |told| told[0].attempts.iter().any(|attempt| attempt.ended.is_some())).await;
    let (_, outcome) = told[0].attempts[0].ended.clone().unwrap();
    assert_eq!(outcome.because(), "the member has no address for this channel");

    let mut contact = Contact {
        member: "Anna".into(),
        channel: Channel::Webhook,
        address: format!("http://{}/anna", peer.address),
        lang: Lang::Sv,
        proven_ms: None,
    };
    team.reach(&contact).await;

    team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    assert_eq!(peer.asked()[0].path, "/anna");
    let proven = contacts::list(team.store.reader(), Some("Anna")).await.unwrap()[0].proven_ms;
    assert!(proven.is_some());
    contact.lang = Lang::En;
    team.reach(&contact).await;
    assert_eq!(contacts::list(team.store.reader(), None).await.unwrap()[0].proven_ms, proven);
    contact.address.push('2');
    team.reach(&contact).await;
    assert_eq!(contacts::list(team.store.reader(), None).await.unwrap()[0].proven_ms, None, "it is another address");
}

#[tokio::test]
async fn two_gateways_with_one_store_tell_each_press_once() {
    let peer = Peer::that(&[]).await;
    let mut team = team(&[("ward", peer.address)], "\"127.0.0.1\"").await;
    team.one_more_gateway();

    for press in 0..40 {
        team.press(&format!("button {press}")).await;
    }

    eventually(async || (peer.asked().len() >= 40).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut ids: Vec<_> =
        peer.asked().iter().map(|asked| asked.headers["webhook-id"].to_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 40);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

/// A team that always tells these programs.
pub(crate) async fn team(always: &[(&str, SocketAddr)], allow: &str) -> Team {
    let folder = Place::new().await;
    file(folder.path(), "secret", &format!("whsec_{}", STANDARD.encode(SECRET)));
    let mut settings =
        format!("console = \"https://console.example\"\nwebhook = {{ secret_file = \"secret\", allow = [{allow}] }}\n");
    for (name, address) in always {
        settings.push_str(&format!(
            "[[always]]\nname = \"{name}\"\nchannel = \"webhook\"\nto = \"http://{address}/hook\"\n"
        ));
    }
    Team::with(folder, &settings).await
}
