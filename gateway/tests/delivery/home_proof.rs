//! Silent tests from homes.

use std::time::Duration;

use hempuls_gateway::alerts::rules;
use hempuls_protocol::event::{Content, Kind};
use hempuls_protocol::ids::{Epoch, Lane};
use hempuls_protocol::times::{BootId, Taken, Trust};

use crate::ward::{Client, Ward, began, press};

const EPOCH: Epoch = Epoch(0xA1);

#[tokio::test]
async fn a_homes_silent_test_proves_its_chain_tells_nobody_and_one_that_is_too_old_is_an_alert_until_the_next() {
    let settings = "[silent_tests]\nwith_alarm = \"2s\"\nothers = \"2s\"\n";
    let ward = Ward::open_in(tempfile::tempdir().unwrap(), settings, rules::Config::default().rules()).await;
    let papers = ward.enrol("Ada's").await;
    let mut agent = Client::connect(&ward, &papers).await;
    agent.send(Lane::Alarm, EPOCH, 1, &[began(), test()]).await;
    assert_eq!(agent.receipt().await.through.0, 2);

    ward.eventually("SELECT count(*) FROM home_proof WHERE proven_ms IS NOT NULL AND failed IS NULL AND told = 0", 1)
        .await;
    assert_eq!(ward.count("SELECT count(*) FROM event WHERE kind = 'test' AND disposition = 'stored'").await, 1);
    for nothing in ["SELECT count(*) FROM alert", "SELECT count(*) FROM record"] {
        assert_eq!(ward.count(nothing).await, 0, "{nothing}");
    }
    assert_eq!(ward.count("SELECT count(*) FROM outbox WHERE alert IS NOT NULL").await, 0);

    // None comes for two intervals.
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'chain_unproven' AND severity = 'low'", 1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ward.count("SELECT count(*) FROM alert_line").await, 1, "it is said once");
    agent.send(Lane::Alarm, EPOCH, 3, &[test()]).await;
    agent.receipt().await;
    ward.eventually("SELECT count(*) FROM alert_line WHERE line LIKE '%chain_proven%'", 1).await;

    agent.send(Lane::Alarm, EPOCH, 4, &[press(1, 59_000)]).await;
    agent.receipt().await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'alarm_pressed'", 1).await;
    ward.close().await;
}

fn test() -> Content {
    let taken = Taken { boot: BootId([7; 16]), since_boot_ms: 50_000, wall_ms: None, trust: Trust::Unknown };
    Content { taken, kind: Kind::Test }
}
