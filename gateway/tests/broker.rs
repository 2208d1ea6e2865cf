//! Agents and strangers at the door of a whole gateway: real TLS, real MQTT, a real store.

#[allow(dead_code, reason = "each test program uses its own part")]
mod ward;

use std::time::Duration;

use hempuls_gateway::alerts::Finding;
use hempuls_gateway::alerts::rules::{Facts, Rule, Verdict, Waiting, What};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_protocol::wire::receipt::{Quarantined, Why};
use ward::{Answer, Client, Papers, Ward, above_limit, press, reading};

#[tokio::test]
async fn a_reading_is_receipted_once_it_is_stored_and_its_resend_again() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &ada).await;

    assert_eq!(
        agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0), reading(121, 80, 1)]).await,
        Answer::Taken
    );
    let receipt = agent.receipt().await;
    assert_eq!((receipt.lane, receipt.epoch, receipt.through), (Lane::Reading, Epoch(1), Sequence(2)));
    assert_eq!(ward.count("SELECT count(*) FROM record").await, 2, "a receipt before the commit");

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0)]).await;
    assert_eq!(agent.receipt().await.through, Sequence(2));
    assert_eq!(ward.count("SELECT count(*) FROM record").await, 2);
    ward.close().await;
}

#[tokio::test]
async fn a_press_opens_one_alert_and_the_next_is_a_line_in_it() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &ada).await;

    agent.send(Lane::Alarm, Epoch(1), 1, &[press(1, 0)]).await;
    agent.receipt().await;
    agent.send(Lane::Alarm, Epoch(1), 2, &[press(2, 5_000)]).await;
    assert_eq!(agent.receipt().await.through, Sequence(2));

    assert_eq!(ward.count("SELECT count(*) FROM record WHERE kind = 'alarm'").await, 2);
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'alarm_pressed' AND severity = 'high'").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM alert_line WHERE record IS NOT NULL").await, 2);
    ward.close().await;
}

#[tokio::test]
async fn another_agents_topic_client_id_and_will_are_refused() {
    let ward = Ward::open().await;
    let (ada, bea) = (ward.enrol("Ada").await, ward.enrol("Bea").await);

    let mut agent = Client::connect(&ward, &ada).await;
    assert_eq!(agent.publish(&format!("hempuls/v1/{}/up/alarm", bea.agent), b"x".to_vec()).await, Answer::Refused);
    assert_eq!(agent.publish(&format!("hempuls/v1/{}/down/receipt", ada.agent), b"x".to_vec()).await, Answer::Refused);
    for foreign in
        [format!("hempuls/v1/{}/down/receipt", bea.agent), "hempuls/v1/+/down/receipt".to_owned(), "#".to_owned()]
    {
        assert_eq!(agent.subscribe(&foreign).await, Answer::Refused, "{foreign}");
    }
    assert_eq!(ward.count("SELECT count(*) FROM quarantine").await, 0);

    let as_bea = Papers { client_id: bea.agent.clone(), ..ada.clone() };
    assert!(Client::try_connect(&ward, &as_bea).await.is_err());
    for will in [format!("hempuls/v1/{}/up/status", bea.agent), format!("hempuls/v1/{}/up/alarm", ada.agent)] {
        let with_will = Papers { will: Some(will.clone()), ..ada.clone() };
        assert!(Client::try_connect(&ward, &with_will).await.is_err(), "{will}");
    }
    let own_will = Papers { will: Some(format!("hempuls/v1/{}/up/status", ada.agent)), ..ada.clone() };
    assert!(Client::try_connect(&ward, &own_will).await.is_ok());
    ward.close().await;
}

#[tokio::test]
async fn who_has_no_certificate_of_ours_or_an_older_one_or_is_revoked_stays_out() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    assert!(Client::try_connect(&ward, &ada).await.is_ok());

    let elsewhere = Ward::open().await;
    let stranger = Papers { ca: ada.ca.clone(), client_id: ada.agent.clone(), ..elsewhere.enrol("Ada").await };
    assert!(Client::try_connect(&ward, &stranger).await.is_err());
    assert!(Client::try_connect(&ward, &Papers { certificate: None, ..ada.clone() }).await.is_err());

    let again = ward.enrol_again(&ada).await;
    assert!(Client::try_connect(&ward, &ada).await.is_err(), "the certificate of the box that was replaced");
    assert!(Client::try_connect(&ward, &again).await.is_ok());

    ward.execute("UPDATE agent SET revoked_ms = 1").await;
    assert!(Client::try_connect(&ward, &again).await.is_err());
    elsewhere.close().await;
    ward.close().await;
}

#[tokio::test]
async fn what_a_box_sends_after_it_was_revoked_is_dropped() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &ada).await;
    ward.execute("UPDATE agent SET revoked_ms = 1").await;

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0)]).await;

    agent.no_receipt_within(Duration::from_millis(500)).await;
    assert_eq!(ward.count("SELECT count(*) FROM event").await, 0);
    ward.close().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_alone_and_in_the_alarm_lane_it_is_an_alert_at_once() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &ada).await;

    for lane in [Lane::Reading, Lane::Alarm] {
        let (first, last) = match lane {
            Lane::Reading => (reading(120, 80, 0), reading(121, 80, 1)),
            Lane::Alarm => (press(1, 0), press(2, 1)),
        };
        let mut events = ward::events(1, &[first.clone(), first, last]);
        events[1] = b"poison".to_vec().into();
        agent.publish_events(lane, &Envelope::pack(Epoch(1), Sequence(1), ward::taken(5), events)).await;
        let receipt = agent.receipt().await;
        assert_eq!(receipt.quarantined, [Quarantined { sequence: Sequence(2), why: Why::Unreadable }]);
        assert_eq!(receipt.through, Sequence(3));
    }
    assert_eq!(ward.count("SELECT count(*) FROM record").await, 4);
    assert_eq!(ward.count("SELECT count(*) FROM quarantine WHERE bytes = unhex('706f69736f6e')").await, 2);
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'alarm_unreadable' AND severity = 'high'").await, 1);

    agent.publish(&format!("hempuls/v1/{}/up/alarm", ada.agent), b"no header".to_vec()).await;
    agent.publish(&format!("hempuls/v1/{}/up/alarm", ada.agent), b"no header".to_vec()).await;
    agent.send(Lane::Reading, Epoch(1), 4, &[reading(120, 80, 4)]).await;
    agent.receipt().await;
    assert_eq!(ward.count("SELECT count(*) FROM quarantine WHERE why = 'header'").await, 1);
    ward.close().await;
}

#[tokio::test]
async fn an_event_the_store_refuses_goes_to_quarantine_alone() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    ward.forbid("poison", "INSERT ON observation WHEN new.mantissa = 133").await;
    let mut agent = Client::connect(&ward, &ada).await;

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0), reading(133, 80, 1), reading(121, 80, 2)]).await;

    let receipt = agent.receipt().await;
    assert_eq!(receipt.quarantined, [Quarantined { sequence: Sequence(2), why: Why::Unstorable }]);
    assert_eq!(receipt.through, Sequence(3));
    assert_eq!(ward.count("SELECT count(*) FROM record").await, 2);
    assert_eq!(ward.count("SELECT count(*) FROM quarantine WHERE why = 'unstorable' AND first = 2").await, 1);
    ward.close().await;
}

#[tokio::test]
async fn while_the_store_fails_nothing_is_receipted_and_nothing_is_lost() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &ada).await;
    ward.execute("ALTER TABLE record RENAME TO gone").await;

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0)]).await;
    agent.send(Lane::Alarm, Epoch(1), 1, &[press(1, 0)]).await;
    agent.no_receipt_within(Duration::from_secs(1)).await;
    assert_eq!(ward.count("SELECT count(*) FROM event").await, 0);

    ward.execute("ALTER TABLE gone RENAME TO record").await;
    assert_eq!(agent.receipt().await.through, Sequence(1));
    assert_eq!(agent.receipt().await.through, Sequence(1));
    assert_eq!(ward.count("SELECT count(*) FROM record").await, 2);
    assert_eq!(ward.count("SELECT count(*) FROM quarantine").await, 0);
    ward.close().await;
}

#[tokio::test]
async fn a_commit_that_fails_is_followed_by_no_receipt() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    ward.execute("CREATE TABLE anchor (id BIGINT PRIMARY KEY)").await;
    ward.execute("CREATE TABLE rope (anchor BIGINT REFERENCES anchor (id) DEFERRABLE INITIALLY DEFERRED)").await;
    if ward.is_on_a_server() {
        ward.execute(
            "CREATE FUNCTION rope_of_record() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO rope VALUES (1); RETURN NULL; END $$",
        )
        .await;
        ward.execute(
            "CREATE TRIGGER rope_of_record AFTER INSERT ON record FOR EACH ROW EXECUTE FUNCTION rope_of_record()",
        )
        .await;
    } else {
        let trigger = "CREATE TRIGGER rope_of_record AFTER INSERT ON record BEGIN INSERT INTO rope VALUES (1); END";
        ward.execute(trigger).await;
    }
    let mut agent = Client::connect(&ward, &ada).await;

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0)]).await;
    agent.no_receipt_within(Duration::from_secs(1)).await;
    assert_eq!(ward.count("SELECT count(*) FROM record").await, 0);

    ward.execute("INSERT INTO anchor VALUES (1)").await;
    assert_eq!(agent.receipt().await.through, Sequence(1));
    assert_eq!(ward.count("SELECT count(*) FROM record").await, 1);
    ward.close().await;
}

#[tokio::test]
async fn a_rule_that_panics_costs_no_reading_its_place_and_no_press_its_alert() {
    let ward = Ward::open_with(vec![Box::new(Nervous)]).await;
    let ada = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &ada).await;

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(120, 80, 0), reading(133, 80, 1), reading(121, 80, 2)]).await;
    agent.receipt().await;
    agent.send(Lane::Alarm, Epoch(1), 1, &[press(1, 0)]).await;
    agent.receipt().await;

    assert_eq!(ward.count("SELECT count(*) FROM event WHERE disposition = 'stored'").await, 4);
    assert_eq!(
        ward.count("SELECT count(*) FROM alert WHERE rule = 'not_judged'").await,
        2,
        "one for the cuff, one for the button"
    );
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'alarm_pressed'").await, 1);
    ward.close().await;
}

#[tokio::test]
async fn a_high_reading_waits_for_repeats_across_a_restart_and_its_unconfirmed_alert_comes_once() {
    let ward = Ward::open_with(above_limit(Duration::from_secs(2))).await;
    let ada = ward.enrol("Ada").await;
    ward.assign_cuff(&ada).await;
    let mut agent = Client::connect(&ward, &ada).await;
    agent.send(Lane::Reading, Epoch(1), 1, &[reading(190, 100, 0)]).await;
    agent.receipt().await;
    assert_eq!(ward.count("SELECT count(*) FROM waiting WHERE got = 0 AND wanted = 2").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 0);

    let ward = ward.restart_after(Duration::from_millis(2500), above_limit(Duration::from_secs(2))).await;

    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'above_limit' AND confirmed = 0 AND severity = 'low'", 1)
        .await;
    assert_eq!(ward.count("SELECT count(*) FROM waiting").await, 0);
    assert_eq!(ward.count("SELECT count(*) FROM timer WHERE kind <> 'escalation'").await, 0);
    let ward = ward.restart_after(Duration::ZERO, above_limit(Duration::from_secs(2))).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(ward.count("SELECT count(*) FROM alert_line WHERE kind = 'beyond_limit'").await, 1);
    ward.close().await;
}

#[tokio::test]
async fn a_buffer_that_was_wiped_closes_the_books_of_the_one_before_with_an_alert() {
    let ward = Ward::open().await;
    let ada = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &ada).await;
    agent.send(Lane::Reading, Epoch(1), 1, &[ward::began(), reading(120, 80, 0)]).await;
    agent.receipt().await;
    agent.beat(Lane::Reading, Epoch(1), 2, 5).await;
    agent.receipt().await;
    agent.send(Lane::Reading, Epoch(2), 1, &[ward::began()]).await;
    agent.receipt().await;

    assert_eq!(ward.count("SELECT lost FROM cursor WHERE closed_ms IS NOT NULL").await, 3);
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'agent_buffer' AND severity = 'medium'").await, 1);
    let books = hempuls_gateway::store::books::read(ward.reader(), None).await.unwrap();
    assert!(books.iter().all(|page| page.balanced), "{books:?}");
    ward.close().await;
}

/// A rule that loses its head at some readings and at every press.
struct Nervous;

impl Rule for Nervous {
    fn name(&self) -> &'static str {
        "nervous"
    }

    fn judge(&self, facts: &Facts<'_>) -> Verdict {
        match facts.what {
            What::Reading(values) if values.iter().any(|value| value.value.to_string() == "133") => panic!("133!"),
            What::Reading(_) => Verdict::Fine,
            What::Alarm(_) => panic!("an alarm!"),
        }
    }

    fn overdue(&self, _: &Waiting) -> Option<Finding> {
        None
    }

    fn is_over(&self, _: &Waiting, _: i64) -> bool {
        false
    }
}

#[tokio::test]
async fn what_is_the_same_is_found_in_the_store_whichever_way_it_comes() {
    let ward = Ward::open().await;
    let (ada, bea) = (ward.enrol("Ada").await, ward.enrol("Bea").await);
    let (mut in_kitchen, mut in_hall) = (Client::connect(&ward, &ada).await, Client::connect(&ward, &bea).await);
    let clocked = ward::clocked_reading("2026-11-22T08:00:00", 0);

    in_kitchen.send(Lane::Reading, Epoch(1), 1, &[clocked.clone(), reading(120, 80, 0)]).await;
    in_kitchen.receipt().await;
    in_kitchen.send(Lane::Alarm, Epoch(1), 1, &[press(7, 0)]).await;
    in_kitchen.receipt().await;
    in_hall.send(Lane::Reading, Epoch(9), 1, &[clocked]).await;
    in_hall.receipt().await;
    in_hall.send(Lane::Alarm, Epoch(9), 1, &[press(7, 900)]).await;
    in_hall.receipt().await;
    // Taken again under a new number, first one whose first number is stored, then one that comes before its first does.
    in_kitchen.send_again(Epoch(2), 1, (Epoch(1), 2), &reading(120, 80, 0)).await;
    in_kitchen.receipt().await;
    in_kitchen.send_again(Epoch(2), 2, (Epoch(1), 3), &reading(121, 80, 5)).await;
    in_kitchen.receipt().await;
    in_kitchen.send(Lane::Reading, Epoch(1), 3, &[reading(121, 80, 5)]).await;
    in_kitchen.receipt().await;

    assert_eq!(ward.count("SELECT count(*) FROM record").await, 4);
    assert_eq!(ward.count("SELECT count(*) FROM event WHERE disposition = 'repeated' AND record IS NOT NULL").await, 4);
    ward.close().await;
}
