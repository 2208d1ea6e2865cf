//! Presses that are not what they seem (P4).

use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::devices::Button;
use hempuls_simulators::system::until;
use hempuls_tests::{House, PATIENCE, World, button, open_of, plain_button};

use crate::{BUTTON, KEY};

const OTHER_BUTTON: &str = "38:39:8F:70:B2:4F";

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

#[tokio::test(flavor = "multi_thread")]
async fn forged_unencrypted_and_replayed_presses_are_counted_and_only_the_first_replay_is_heard_and_says_so()
-> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home("Ada", &[button(BUTTON, KEY)]).await?;
    simulated.press();
    simulated.press();
    world.ends_well_with(0, 2).await?;
    until(PATIENCE, "both bursts were sent to their end", || async {
        if simulated.ledger().bursts().len() == 2 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    // Within ten minutes the same counter is the same press.
    house.agent.program().stop().await?;
    house.agent.program().time_passes(Duration::from_secs(11 * 60));
    house.agent.start()?;
    world.is_up(&mut house).await?;

    simulated.is_imitated(Some([0x66; 16]));
    simulated.is_imitated(None);
    for burst in simulated.ledger().bursts() {
        simulated.is_replayed(burst.payload);
    }
    refused(&world, &house, &[("not_authentic", 2), ("replayed", 1)]).await?;
    world.ends_well_with(0, 3).await?;
    let alerts = world.api().alerts().await?;
    let lines: Vec<_> =
        alerts.iter().flat_map(|alert| &alert.lines).filter(|line| line.text.contains("spelar upp")).collect();
    ensure!(lines.len() == 1, "{alerts:?}");
    simulated.press();
    world.ends_well_with(0, 4).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_button_is_before_the_team_and_keeps_no_other_button_out() -> Result<()> {
    let world = World::new().await?;
    let stuck = world.bluez.add(Button::new(BUTTON, KEY).with(|habits| habits.frames = 3));
    let other = world.bluez.add(Button::new(OTHER_BUTTON, KEY));
    let house = world.home("Ada", &[button(BUTTON, KEY), button(OTHER_BUTTON, KEY)]).await?;
    for _ in 0..16 {
        stuck.press();
    }
    refused(&world, &house, &[("stuck", 4)]).await?;
    other.press();
    world.ends_well_with(0, 13).await?;
    let alerts = world.api().alerts().await?;
    ensure!(open_of(&alerts, "device_trouble").len() == 1, "{alerts:?}");
    Ok(())
}

/// Waits until a box says that it did not take so many, by reason, and no others.
async fn refused(world: &World, house: &House, expected: &[(&str, u64)]) -> Result<()> {
    let expected = expected.iter().map(|(why, count)| ((*why).to_owned(), *count)).collect();
    until(PATIENCE, &format!("{expected:?} are refused"), || async {
        let homes = world.api().homes().await.map_err(|error| format!("{error:#}"))?;
        let home = homes.into_iter().find(|home| home.id == house.home.home).ok_or("the home is not listed")?;
        let beat = home.agents.into_iter().find_map(|agent| agent.heartbeat).ok_or("no heartbeat")?;
        if beat.refusals == expected { Ok(()) } else { Err(format!("{:?}", beat.refusals)) }
    })
    .await
}
