//! What an operator keeps the data with: backups, and what happens when one is put back (P1, P2, P3).

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::devices::{Button, Cuff};
use hempuls_simulators::system::until;
use hempuls_tests::small_disk::SmallDisk;
use hempuls_tests::{PATIENCE, World, button, cuff, open_of, pressed_lines, pressure};

use crate::operation::status;
use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_backup_in_place_of_a_gateway_that_was_killed_loses_no_reading_and_no_press() -> Result<()> {
    let mut world = World::new().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    simulated_cuff.measure(pressure(1));
    simulated_button.press();
    world.ends_well_with(1, 1).await?;
    let yesterday = world.folder().join("yesterday");
    world.gateway.back_up(&yesterday).await?;

    // All of this is receipted: the box has no reason of its own to send it again.
    for number in 2..=3 {
        simulated_cuff.measure(pressure(number));
        world.ends_well_with(usize::from(number), usize::from(number) - 1).await?;
        simulated_button.press();
        world.ends_well_with(usize::from(number), usize::from(number)).await?;
    }

    world.gateway.program().kill().await;
    let said = world.gateway.restore(&yesterday, &world.folder().join("aside")).await?;
    ensure!(said.contains("is in place") && said.contains("aside"), "{said}");
    world.gateway.start().await?;
    world.is_up(&mut house).await?;

    world.ends_well_with(3, 3).await?;
    simulated_cuff.measure(pressure(4));
    world.ends_well_with(4, 3).await?;
    let told = open_of(&world.api().alerts().await?, "restored").len();
    ensure!(told == 1, "the team knows that a backup was put in place: {told}");
    until(PATIENCE, "the store holds together", || async {
        world.gateway.verify().await.map_err(|error| format!("{error:#}"))
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_of_the_gateway_readings_wait_in_the_box_and_a_press_reaches_the_nurse() -> Result<()> {
    let mut world = World::new().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    world.gateway.program().stop().await?;
    // Larger than the small disk.
    std::fs::remove_file(world.gateway.data().join("reserve"))?;
    let Some(disk) = SmallDisk::under(world.gateway.data())? else { return Ok(()) };
    world.gateway.configure("[disk]\nreserve_mib = 8\n")?;
    world.gateway.start().await?;
    let house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    simulated_cuff.measure(pressure(1));
    simulated_button.press();
    world.ends_well_with(1, 1).await?;

    // The gateway is not told. What fills it stops here: whoever goes on would take the reserve as well.
    disk.fill_but(1 << 20)?;
    until(PATIENCE, "the team knows", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if open_of(&alerts, "disk").len() == 1 { Ok(()) } else { Err(format!("{alerts:?}")) }
    })
    .await?;
    for number in 2..=4 {
        simulated_cuff.measure(pressure(number));
    }
    until(PATIENCE, "the readings wait in the box", || async {
        let status = status(&house).await.map_err(|error| format!("{error:#}"))?;
        let waiting = status["books"].as_array().into_iter().flatten().find(|line| line["lane"] == "reading");
        // What the agent has to say of a device on a busy machine waits there as well.
        let waiting = waiting.and_then(|line| line["waiting"].as_u64());
        if waiting >= Some(3) { Ok(()) } else { Err(format!("{waiting:?}")) }
    })
    .await?;
    simulated_button.press();
    until(Duration::from_secs(10), "the press is before the team", || async {
        let lines = pressed_lines(&world.api().alerts().await.map_err(|error| format!("{error:#}"))?);
        if lines == 2 { Ok(()) } else { Err(format!("{lines}")) }
    })
    .await?;
    let alerts = world.api().alerts().await?;
    let press = open_of(&alerts, "alarm_pressed").first().map(|alert| alert.id.clone()).context("the press")?;
    let nurse = world.gateway.nurse().await?;
    nurse.claim(&press).await?;
    let page = nurse.read(&format!("/alerts/{press}")).await?;
    ensure!(page.contains("id=\"refused\""), "every page says that readings are refused: {page}");
    let claimed = world.api().alerts().await?.into_iter().find(|alert| alert.id == press).context("the press")?;
    ensure!(claimed.state == "claimed", "{claimed:?}");
    ensure!(world.api().books().await?.records == 1, "readings are refused");

    disk.empty()?;
    world.ends_well_with(4, 2).await?;
    until(PATIENCE, "the case about the disk ends by itself", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if open_of(&alerts, "disk").is_empty() { Ok(()) } else { Err("it is open".into()) }
    })
    .await?;
    ensure!(world.gateway.data().join("reserve").exists(), "the reserve is there for the next time");
    world.gateway.verify().await?;
    Ok(())
}
