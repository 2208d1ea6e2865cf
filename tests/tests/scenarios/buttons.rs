//! Presses that are not what they seem (P4).

use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::devices::Button;
use hempuls_simulators::system::until;
use hempuls_tests::{PATIENCE, World, button, plain_button};

use crate::{BUTTON, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn the_257th_press_of_a_plain_button_is_an_alarm() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::plain(BUTTON));
    let _house = world.home("Ada", &[plain_button(BUTTON)]).await?;

    simulated.press();
    world.ends_well_with(0, 1).await?;
    // Its packet number is one byte: after 255 more it begins anew.
    simulated.press_far_away(255);
    tokio::time::sleep(Duration::from_secs(4)).await;
    simulated.press();
    world.ends_well_with(0, 2).await?;
    until(PATIENCE, "both bursts were sent to their end", || async {
        if simulated.ledger().bursts().len() == 2 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    let bursts = simulated.ledger().bursts();
    ensure!(bursts[0].payload == bursts[1].payload, "the 257th press is byte for byte the first");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_press_of_a_new_battery_is_an_alarm_though_it_equals_the_first_of_the_old_one() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home("Ada", &[button(BUTTON, KEY)]).await?;

    simulated.press();
    world.ends_well_with(0, 1).await?;
    simulated.press();
    world.ends_well_with(0, 2).await?;
    // After ten minutes a counter that comes again is no repeat; the highest one lies on flash.
    house.agent.program().stop().await?;
    house.agent.program().time_passes(Duration::from_secs(11 * 60));
    house.agent.start()?;
    world.is_up(&mut house).await?;

    simulated.change_battery();
    simulated.press();
    world.ends_well_with(0, 3).await?;
    until(PATIENCE, "all bursts were sent to their end", || async {
        if simulated.ledger().bursts().len() == 3 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    let bursts = simulated.ledger().bursts();
    ensure!(bursts[0].payload == bursts[2].payload, "byte for byte");
    let alerts = world.api().alerts().await?;
    let lines = alerts.iter().flat_map(|alert| &alert.lines);
    ensure!(lines.clone().any(|line| line.text.contains("battery") || line.text.contains("batteri")), "{alerts:?}");
    Ok(())
}
