//! Who is told while an alert goes from hand to hand.

use hempuls_gateway::alerts::rules::Config as Rules;
use hempuls_gateway::alerts::{self, Act, timers};
use hempuls_gateway::clock;
use hempuls_gateway::delivery::Channel;
use hempuls_gateway::delivery::course::State;
use hempuls_gateway::http;
use hempuls_gateway::store::contacts::Contact;
use hempuls_gateway::store::outbox::Shown;
use hempuls_gateway::wording::Lang;
use jiff::tz::TimeZone;

use crate::team::{Peer, Team, file};
use crate::ward::place::Place;

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn a_silent_owner_loses_her_alert_to_the_team_which_is_told_anew_and_only_once() {
    let peer = Peer::that(&[]).await;
    let team = team(&peer).await;
    let alert = team.press("button").await;
    team.until(&alert, |told| delivered(told) == 1).await;

    act(&team, &alert, &Act::Claim, "Anna", clock::now_ms() - 31 * MINUTE).await;
    let rules = Rules::default().rules();
    for _ in 0..3 {
        timers::fire(&team.store, &rules, &TimeZone::UTC).await.unwrap();
        team.changes.tell([hempuls_gateway::changes::Change::WorkList]);
    }

    let told = team.until(&alert, |told| delivered(told) == 2).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(peer.asked().len(), 2);
    act(&team, &alert, &Act::Claim, "Anna", clock::now_ms()).await;
    timers::fire(&team.store, &rules, &TimeZone::UTC).await.unwrap();
    assert_eq!(team.told(&alert).await.len(), 2, "her time runs anew");
}

#[tokio::test]
async fn who_is_given_an_alert_is_told_over_her_own_channel_and_nobody_else_is() {
    let (ward, hers) = (Peer::that(&[]).await, Peer::that(&[]).await);
    let team = team(&ward).await;
    http::ensure_account(&team.store, "Berit", "care-team").await.unwrap();
    let address = format!("http://{}/", hers.address);
    let contact =
        Contact { member: "Berit".into(), channel: Channel::Webhook, address, lang: Lang::Sv, proven_ms: None };
    team.reach(&contact).await;
    let alert = team.press("button").await;
    team.until(&alert, |told| delivered(told) == 1).await;
    act(&team, &alert, &Act::Claim, "Anna", clock::now_ms()).await;
    let mut work = team.store.work().await.unwrap();
    let nobody = Act::HandOver { to: "Cilla".into() };
    let refused = alerts::act(&mut work, &alert, &nobody, "Anna", clock::now_ms()).await.unwrap_err();
    assert!(matches!(refused, alerts::ActError::NoSuchMember));
    drop(work);

    act(&team, &alert, &Act::HandOver { to: "Berit".into() }, "Anna", clock::now_ms()).await;

    let told = team.until(&alert, |told| delivered(told) == 2).await;
    assert_eq!(told.iter().filter(|shown| shown.member.as_deref() == Some("Berit")).count(), 1);
    assert_eq!((ward.asked().len(), hers.asked().len()), (1, 1));
    assert_eq!(team.press("button").await, alert, "pressed again, it is hers");
    team.until(&alert, |told| delivered(told) == 3).await;
    assert_eq!((ward.asked().len(), hers.asked().len()), (1, 2));
    act(&team, &alert, &Act::GiveBack { why: "my shift ends".into() }, "Berit", clock::now_ms()).await;
    team.until(&alert, |told| delivered(told) == 4).await;
    assert_eq!((ward.asked().len(), hers.asked().len()), (2, 2));
}

async fn team(peer: &Peer) -> Team {
    let folder = Place::new().await;
    file(folder.path(), "secret", "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let settings = format!(
        "console = \"https://console.example\"\n[webhook]\nsecret_file = \"secret\"\nallow = [\"127.0.0.1\"]\n\
         [[always]]\nname = \"ward\"\nchannel = \"webhook\"\nto = \"http://{}/\"\n",
        peer.address
    );
    Team::with(folder, &settings).await
}

async fn act(team: &Team, alert: &str, act: &Act, who: &str, now_ms: i64) {
    let mut work = team.store.work().await.unwrap();
    alerts::act(&mut work, alert, act, who, now_ms).await.unwrap();
    work.commit().await.unwrap();
    team.changes.tell([hempuls_gateway::changes::Change::WorkList]);
}

fn delivered(told: &[Shown]) -> usize {
    told.iter().filter(|shown| shown.course.state == State::Delivered).count()
}
