//! People who are told by text message, through a peer that answers as 46elks does.

use std::collections::{HashMap, HashSet};

use hempuls_gateway::clock;
use hempuls_gateway::delivery::course::{Outcome, State};
use hempuls_gateway::store::ways;

use crate::team::{Does, Peer, Team, eventually, file};
use crate::ward::place::Place;

const TAKEN: &str = r#"{"status": "created", "direction": "outgoing", "from": "Hempuls", "parts": 1, "cost": 3500,
    "to": "+46700000000", "id": "s17a6dafb12d6b1cabc053d57dac2b9d8"}"#;

#[tokio::test]
async fn a_press_reaches_the_provider_as_it_asks_for_it_and_its_id_is_the_proof() {
    let peer = Peer::that(&[Does::Answer(200, TAKEN)]).await;
    let team = team(&peer).await;

    let alert = team.press("button").await;

    let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    let (_, outcome) = told[0].attempts[0].ended.clone().unwrap();
    assert_eq!(outcome, Outcome::Delivered { proof: "s17a6dafb12d6b1cabc053d57dac2b9d8".into() });
    let asked = &peer.asked()[0];
    assert_eq!(asked.path, "/a1/sms");
    assert_eq!(asked.headers["authorization"], "Basic dTpjb3JyZWN0IGhvcnNl");
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    let fields: HashMap<_, _> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let message = format!("Hempuls: någon måste agera nu. https://console.example/alerts/{alert}");
    assert_eq!((fields["from"].as_str(), fields["to"].as_str()), ("Hempuls", "+46700000000"));
    assert_eq!(fields["message"], message);
}

#[tokio::test]
async fn an_account_without_money_and_an_answer_without_an_id_are_not_called_delivered() {
    let peer = Peer::that(&[Does::Answer(403, "Not enough credits"), Does::Answer(200, "<html>")]).await;
    let team = team(&peer).await;

    let alert = team.press("button").await;

    let two = |told: &[hempuls_gateway::store::outbox::Shown]| {
        told[0].attempts.iter().filter(|attempt| attempt.ended.is_some()).count() == 2
    };
    let told = team.until(&alert, two).await;
    let said: Vec<String> =
        told[0].attempts.iter().map(|attempt| attempt.ended.as_ref().unwrap().1.because().to_owned()).collect();
    assert_eq!(said, ["the provider said HTTP 403", "the provider said HTTP 200, without id"]);
    assert_eq!(told[0].course.state, State::Waiting);
}

#[tokio::test]
async fn a_dry_run_has_the_provider_look_at_a_message_and_send_none() {
    let peer =
        Peer::that(&[Does::Answer(403, "Not enough credits"), Does::Answer(200, r#"{"estimated_cost": 3500}"#)]).await;
    let team = team_with(&peer, "dry_run = \"from={from}&to={to}&message={message}&dryrun=yes\", ").await;
    let (schedule, mut known) = (team.schedule(), HashSet::new());

    assert!(schedule.look(&mut known, clock::now_ms()).await.unwrap());

    let failing = eventually(async || ways::all(team.store.reader()).await.unwrap()[0].failing.clone()).await;
    assert_eq!(failing.1, "the provider said HTTP 403");
    let fields: HashMap<_, _> = form_urlencoded::parse(peer.asked()[0].body.as_bytes()).into_owned().collect();
    assert_eq!((fields["dryrun"].as_str(), fields["to"].as_str()), ("yes", "+46700000000"));
}

async fn team(peer: &Peer) -> Team {
    team_with(peer, "").await
}

async fn team_with(peer: &Peer, more: &str) -> Team {
    let folder = Place::new().await;
    file(folder.path(), "password", "correct horse\n");
    let settings = format!(
        "console = \"https://console.example\"\n\
         sms = {{ url = \"http://{}/a1/sms\", user = \"u\", password_file = \"password\", from = \"Hempuls\", {more}\
                  allow = [\"127.0.0.1\"] }}\n\
         [[always]]\nname = \"ward\"\nchannel = \"sms\"\nto = \"+46700000000\"\n",
        peer.address
    );
    Team::with(folder, &settings).await
}
