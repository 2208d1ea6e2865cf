//! What agents are told besides receipts: which devices to serve, and what becomes of the alarms they sent.

#[allow(dead_code, reason = "each test program uses its own part")]
mod ward;

use std::time::Duration;

use hempuls_gateway::alerts::Act;
use hempuls_gateway::alerts::outcome::Outcome;
use hempuls_gateway::store::devices::NewDevice;
use hempuls_gateway::store::query_scalar;
use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::devices::alarm_button::BindKey;
use hempuls_protocol::event::{Content, Kind};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::feedback::Stage;
use hempuls_protocol::wire::heartbeat::{ConfigState, Hearing, Heartbeat, RadioState, RefusedConfig};
use hempuls_protocol::wire::home_config::Counted;
use minicbor::bytes::ByteVec;
use ward::{BUTTON, CUFF, Client, Ward, began, events, press, taken};

const EPOCH: Epoch = Epoch(7);
const ANOTHER: Epoch = Epoch(8);
const SHORTLY: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn an_agent_is_sent_its_homes_devices_until_it_says_that_it_uses_them() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada's").await;
    ward.add_device(&papers, &NewDevice::plain(CUFF, DeviceKind::BloodPressure)).await;
    let mut agent = Client::connect(&ward, &papers).await;

    agent.say(uses(0)).await;
    let first = agent.config().await;
    assert_eq!(first.devices.len(), 1);
    assert_eq!(first.time_zone.as_deref(), Some("Europe/Stockholm"));
    assert!(!first.retired);
    agent.say(Heartbeat { config: None, ..uses(0) }).await;
    assert_eq!(agent.config().await, first, "one that says nothing of its configuration may know of none");
    agent.say(uses(first.revision)).await;
    agent.no_config_within(SHORTLY).await;

    let button = NewDevice { key: Some(BindKey::new([9; 16])), ..NewDevice::plain(BUTTON, DeviceKind::AlarmButton) };
    ward.add_device(&papers, &button).await;
    agent.say(uses(first.revision)).await;
    let second = agent.config().await;
    assert_eq!(second.devices.iter().filter(|device| device.key.is_some()).count(), 1);
    ward.close().await;
}

#[tokio::test]
async fn a_configuration_that_an_agent_cannot_use_is_before_somebody_and_not_sent_again() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada's").await;
    let mut agent = Client::connect(&ward, &papers).await;
    agent.say(uses(0)).await;
    let revision = agent.config().await.revision;

    for _ in 0..3 {
        agent.say(refuses(revision)).await;
    }
    agent.no_config_within(SHORTLY).await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'config_refused' AND severity = 'low'", 1).await;
    let lines = "SELECT count(*) FROM alert_line WHERE line LIKE '%the zone is unknown%'";
    assert_eq!(ward.count(lines).await, 1, "it is said once");

    agent.say(uses(revision)).await;
    ward.eventually("SELECT count(*) FROM alert_line WHERE line LIKE '%\"over\"%'", 1).await;
    ward.close().await;
}

#[tokio::test]
async fn a_replaced_box_learns_how_far_the_buttons_have_counted() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada's").await;
    ward.add_device(&papers, &NewDevice::plain(BUTTON, DeviceKind::AlarmButton)).await;
    let mut agent = Client::connect(&ward, &papers).await;
    agent.send(Lane::Alarm, EPOCH, 1, &[began(), press(41, 59_000), press(44, 59_500)]).await;
    agent.receipt().await;
    agent.say(uses(0)).await;
    assert_eq!(agent.config().await.devices[0].counted, Some(Counted { battery: 0, highest: 44 }));
    drop(agent);

    let papers = ward.enrol_again(&papers).await;
    let mut replaced = Client::connect(&ward, &papers).await;
    replaced.say(uses(0)).await;
    assert_eq!(replaced.config().await.devices[0].counted, Some(Counted { battery: 0, highest: 44 }));
    ward.close().await;
}

#[tokio::test]
async fn the_first_presses_of_a_confirmed_battery_are_no_repeats_of_those_of_the_old_one() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada's").await;
    ward.add_device(&papers, &NewDevice::plain(BUTTON, DeviceKind::AlarmButton)).await;
    let mut agent = Client::connect(&ward, &papers).await;
    agent.send(Lane::Alarm, EPOCH, 1, &[began(), press(1, 58_000)]).await;
    agent.receipt().await;
    agent.send(Lane::Alarm, EPOCH, 3, &[press(1, 58_100)]).await;
    agent.receipt().await;
    let presses = "SELECT count(*) FROM record WHERE kind = 'alarm'";
    assert_eq!(ward.count(presses).await, 1);

    tokio::time::sleep(Duration::from_millis(5)).await;
    ward.change_battery(&BUTTON).await;
    agent.send(Lane::Alarm, EPOCH, 4, &[press(1, 59_000)]).await;
    agent.receipt().await;
    assert_eq!(ward.count(presses).await, 2, "a press was taken for a repeat of an old one");
    ward.close().await;
}

#[tokio::test]
async fn whoever_pressed_is_told_how_far_it_has_come_and_nothing_before_it_is_true() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada's").await;
    let mut agent = Client::connect(&ward, &papers).await;
    ward.forbid("filled", "INSERT ON alert").await;
    agent.send(Lane::Alarm, EPOCH, 1, &[began(), press(1, 59_000)]).await;
    agent.receipt().await;
    agent.no_feedback_within(SHORTLY, EPOCH, 2).await;
    ward.allow("filled", "alert").await;

    agent.send(Lane::Alarm, EPOCH, 3, &[press(2, 59_100)]).await;
    assert_eq!(agent.feedback(EPOCH, 3).await, Stage::Received);
    for (act, stage) in [
        (Act::Claim, Stage::TakenByAPerson),
        (Act::SayOnTheWay, Stage::OnTheWay),
        (Act::Close { outcome: Outcome::HelpedOnSite, note: "was there".into() }, Stage::Closed),
    ] {
        ward.act(&act, "Anna").await;
        agent.say(uses(1)).await;
        assert_eq!(agent.feedback(EPOCH, 3).await, stage);
    }
    ward.close().await;
}

#[tokio::test]
async fn a_press_that_two_boxes_heard_is_answered_to_both_under_their_own_numbers() {
    let ward = Ward::open().await;
    let (kitchen, hall) = (ward.enrol("Ada's kitchen").await, ward.enrol("Ada's hall").await);
    let (mut kitchen, mut hall) = (Client::connect(&ward, &kitchen).await, Client::connect(&ward, &hall).await);
    kitchen.send(Lane::Alarm, EPOCH, 1, &[began(), press(1, 59_000)]).await;
    assert_eq!(kitchen.feedback(EPOCH, 2).await, Stage::Received);
    ward.act(&Act::Claim, "Anna").await;

    hall.send(Lane::Alarm, ANOTHER, 1, &[began(), press(7, 58_000), press(1, 59_000)]).await;
    hall.receipt().await;
    assert_eq!(ward.count("SELECT count(*) FROM record WHERE kind = 'alarm'").await, 2, "one press is one record");
    assert_eq!(hall.feedback(ANOTHER, 3).await, Stage::TakenByAPerson);
    assert_eq!(kitchen.feedback(EPOCH, 2).await, Stage::TakenByAPerson);
    ward.close().await;
}

#[tokio::test]
async fn an_alarm_that_could_not_be_read_is_answered_too() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada's").await;
    let mut agent = Client::connect(&ward, &papers).await;
    let mut bytes = events(1, &[began()]);
    bytes.push(ByteVec::from(vec![0xff, 0x00]));
    agent.publish_events(Lane::Alarm, &Envelope::pack(EPOCH, Sequence(1), taken(60_000), bytes)).await;
    assert_eq!(agent.feedback(EPOCH, 2).await, Stage::Received);
    ward.close().await;
}

#[tokio::test]
async fn two_homes_that_call_a_wire_the_same_have_an_alert_each_and_nobody_elses_name_on_it() {
    let ward = Ward::open().await;
    let mut epoch = EPOCH;
    for home in ["Ada's", "Bea's"] {
        let papers = ward.enrol(home).await;
        let mut agent = Client::connect(&ward, &papers).await;
        agent.send(Lane::Alarm, epoch, 1, &[began(), pulled("kitchen")]).await;
        agent.receipt().await;
        epoch = Epoch(epoch.0 + 1);
    }
    assert_eq!(ward.count("SELECT count(DISTINCT home) FROM alert WHERE rule = 'alarm_pressed'").await, 2);
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE person IS NOT NULL").await, 0);
    assert_eq!(ward.count("SELECT count(*) FROM record WHERE not_on_flash = 1 AND before_enrolment = 0").await, 2);
    ward.close().await;
}

#[tokio::test]
async fn a_radio_that_is_dead_is_one_alert_until_it_dies_again() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada's").await;
    ward.add_device(&papers, &NewDevice::plain(BUTTON, DeviceKind::AlarmButton)).await;
    let mut agent = Client::connect(&ward, &papers).await;
    for hearing in [Hearing::Alive, Hearing::Dead, Hearing::Dead] {
        agent.say(hears(hearing)).await;
    }
    let open = "SELECT count(*) FROM alert WHERE rule = 'radio' AND severity = 'high' AND state <> 'closed'";
    ward.eventually(open, 1).await;
    ward.execute(
        "UPDATE alert SET state = 'closed', claimed_by = 'Anna', claimed_ms = 1, closed_by = 'Anna',
             closed_ms = CAST(unixepoch('subsec') * 1000 AS BIGINT)",
    )
    .await;
    let heartbeats = "SELECT max(at_ms) FROM heartbeat";
    let before = ward.count(heartbeats).await;
    agent.say(hears(Hearing::Dead)).await;
    while ward.count(heartbeats).await == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ward.count(open).await, 0, "somebody knows of it");
    for hearing in [Hearing::Alive, Hearing::Dead] {
        agent.say(hears(hearing)).await;
    }
    ward.eventually(open, 1).await;
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'radio'").await, 2);
    ward.close().await;
}

#[tokio::test]
async fn a_heartbeat_that_a_newer_one_has_overtaken_is_no_news() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada's").await;
    let mut agent = Client::connect(&ward, &papers).await;
    let said = |since_boot_ms, hearing| Heartbeat { clock: taken(since_boot_ms), ..hears(hearing) };
    agent.say(said(60_000, Hearing::Alive)).await;
    agent.say(said(59_000, Hearing::Dead)).await;
    agent.say(said(61_000, Hearing::Alive)).await;
    let since_boot = 61_000_u16.to_be_bytes();
    let has_come = async || {
        let said: Vec<Vec<u8>> = query_scalar("SELECT said FROM heartbeat").fetch_all(ward.reader()).await.unwrap();
        said.iter().any(|said| said.windows(2).any(|part| part == since_boot))
    };
    while !has_come().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'radio'").await, 0);
    ward.close().await;
}

fn uses(revision: u64) -> Heartbeat {
    let config = Some(ConfigState { revision, refused: None });
    Heartbeat { config, ..Heartbeat::bare(taken(60_000), Vec::new(), "test") }
}

fn refuses(revision: u64) -> Heartbeat {
    let refused = Some(RefusedConfig { revision, why: "the zone is unknown".into() });
    Heartbeat { config: Some(ConfigState { revision: 0, refused }), ..uses(0) }
}

fn hears(hearing: Hearing) -> Heartbeat {
    Heartbeat { radio: Some(RadioState { hearing, cures: 0, strangers: 0 }), ..uses(1) }
}

/// An alarm from a wire in the home, sent from memory.
fn pulled(name: &str) -> Content {
    use hempuls_protocol::devices::Characteristic;
    use hempuls_protocol::event::Alarm;
    let device = format!("hempuls-agent/{name}").parse().unwrap();
    let alarm =
        Alarm { characteristic: Characteristic::LOCAL, not_on_flash: true, ..Alarm::pressed(device, Vec::new()) };
    Content { taken: taken(59_000), kind: Kind::Alarm(alarm) }
}
