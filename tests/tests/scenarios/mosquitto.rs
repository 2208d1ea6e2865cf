//! A Mosquitto between the homes and the gateway, configured as `packaging/mosquitto` says.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::devices::{Button, Clock, Cuff};
use hempuls_simulators::system::until;
use hempuls_tests::intruder::{Answer, Disguise, Intruder};
use hempuls_tests::{PATIENCE, World, button, cuff, open_of, pressure};

use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn behind_mosquitto_a_home_measures_calls_for_help_and_is_answered_also_when_it_was_away() -> Result<()> {
    let (world, mut mosquitto) = World::behind_mosquitto().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    simulated_cuff.measure(pressure(1));
    simulated_button.press();
    world.ends_well_with(1, 1).await?;

    mosquitto.program().kill().await;
    world.broker_says(&house, false).await?;
    simulated_cuff.measure(pressure(2));
    simulated_button.press();
    mosquitto.program().start()?;
    world.ends_well_with(2, 2).await?;
    world.broker_says(&house, true).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_mosquitto_nobody_speaks_for_another_home_or_throws_it_out_and_a_stolen_box_is_not_heard() -> Result<()> {
    let (world, mosquitto) = World::behind_mosquitto().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let ada = world.home("Ada", &[button(BUTTON, KEY)]).await?;
    let eve = world.home_without_agent("Eve", &[]).await?;
    let (identity, port) = (eve.agent.identity(), mosquitto.port());
    let topic = |agent: &str, path: &str| format!("hempuls/v1/{agent}/{path}");
    let (hers, another) = (&eve.home.agent, &ada.home.agent);

    // Mosquitto lets any last will in, and publishes one's own only.
    let unread = || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        Ok::<_, String>(open_of(&alerts, "alarm_unreadable").len())
    };
    let (own, anothers) = (topic(hers, "up/alarm"), topic(another, "up/alarm"));
    for will in [&anothers, &own] {
        let disguise = Disguise { identity: &identity, client_id: hers, will: Some(will) };
        drop(Intruder::connect(port, &disguise).await?.context("she is let in")?);
    }
    until(PATIENCE, "her own last will is before the team", || async {
        if unread().await? > 0 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    // She may call herself what she likes: it is her certificate's name that counts.
    let as_another = Disguise { identity: &identity, client_id: another, will: None };
    let mut connection = Intruder::connect(port, &as_another).await?.context("her own certificate is let in")?;
    ensure!(connection.publish(&topic(another, "up/alarm"), vec![0]).await == Answer::Refused);
    ensure!(connection.publish(&topic(hers, "down/receipt"), vec![0]).await == Answer::Refused);
    // Mosquitto says yes to any subscription, and brings nothing.
    connection.subscribe("hempuls/v1/#").await;
    simulated.press();
    world.ends_well_with(0, 1).await?;
    ensure!(connection.heard(Duration::from_secs(1)).await.is_empty(), "she hears another's press");
    let log = std::fs::read_to_string(ada.agent.state().with_file_name("agent.log"))?;
    ensure!(log.matches("connected to the gateway").count() == 1, "she was thrown out: {log}");

    ensure!(unread().await == Ok(1), "her last will spoke for another");

    world.gateway.decide("revoke", another, "Siv").await?;
    simulated.press();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let alerts = world.api().alerts().await?;
    ensure!(hempuls_tests::pressed_lines(&alerts) == 1, "{:?}", open_of(&alerts, "alarm_pressed"));
    Ok(())
}
