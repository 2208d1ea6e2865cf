//! A box whose flash is full, worn out or without its key, and a gateway that was put back to yesterday (P1, P2, P4).

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::bluez::Device;
use hempuls_simulators::devices::{Button, Cuff};
use hempuls_simulators::system::{Books, until};
use hempuls_tests::backlog::fill;
use hempuls_tests::small_disk::SmallDisk;
use hempuls_tests::{House, PATIENCE, World, button, copy_folder, cuff, open_of, pressed_lines, pressure};
use serde_json::Value;

use crate::kills::quick;
use crate::operation::status;
use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_every_press_reaches_the_team_and_readings_are_refused_and_counted() -> Result<()> {
    let world = World::new().await?;
    let (simulated_cuff, simulated_button) =
        (world.bluez.add(Cuff::new(CUFF).with(quick)), world.bluez.add(Button::new(BUTTON, KEY)));
    let mut house = world.home_without_agent("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    let Some(disk) = SmallDisk::under(&house.agent.state())? else { return Ok(()) };
    house.agent.start()?;
    world.is_up(&mut house).await?;
    simulated_cuff.measure(pressure(1));
    simulated_button.press();
    world.ends_well_with(1, 1).await?;

    // What is taken while there is no way out stays, whatever becomes of the disk.
    house.cable.cut();
    world.broker_says(&house, false).await?;
    disk.fill()?;
    let mut measured = 1;
    while number(&house, "refused").await? == 0 {
        for _ in 0..BATCH {
            measured += 1;
            simulated_cuff.measure(pressure(measured));
        }
        hears(&house, u64::from(measured) + 1).await?;
        ensure!(measured < MANY, "{measured} readings, and there is still room on a full disk");
    }
    says(&house, "flash_takes", "alarms_only").await?;
    // For alarms the box has kept room.
    simulated_button.press();
    until(PATIENCE, "the press is on flash", || async {
        let status = status(&house).await.map_err(|error| format!("{error:#}"))?;
        if line(&status, "alarm")["waiting"] == 1 { Ok(()) } else { Err(status.to_string()) }
    })
    .await?;
    house.cable.restore();
    until(PATIENCE, "the press and the full flash are before the team", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        let told = (pressed_lines(&alerts), open_of(&alerts, "flash").len());
        if told == (2, 1) { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await?;

    disk.empty()?;
    says(&house, "flash_takes", "all").await?;
    measures(&simulated_cuff, measured + 1).await?;
    let refused = number(&house, "refused").await?;
    let books = world.ends_with(usize::from(measured) + 1 - usize::try_from(refused)?, 2).await?;
    ensure!(lost(&books) == 0, "{books:?}");
    until(PATIENCE, "what was refused is before the team", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        let told = format!("{:?}", open_of(&alerts, "refused"));
        if told.contains(&format!("{refused}")) { Ok(()) } else { Err(format!("{alerts:?}")) }
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_turned_read_only_a_press_reaches_the_team_and_what_was_on_it_is_not_lost() -> Result<()> {
    let world = World::new().await?;
    let (simulated_cuff, simulated_button) =
        (world.bluez.add(Cuff::new(CUFF)), world.bluez.add(Button::new(BUTTON, KEY)));
    let mut house = world.home_without_agent("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    let Some(disk) = SmallDisk::under(&house.agent.state())? else { return Ok(()) };
    house.agent.start()?;
    world.is_up(&mut house).await?;
    house.cable.cut();
    world.broker_says(&house, false).await?;
    is_held(&house, &simulated_cuff, 1).await?;

    disk.fail()?;
    simulated_button.press();
    says(&house, "flash_takes", "nothing").await?;
    house.cable.restore();
    // The press, and the reading from before, which can still be read.
    until(PATIENCE, "both arrive", || async {
        let books = world.api().books().await.map_err(|error| format!("{error:#}"))?;
        if (books.records, books.alarms) == (1, 1) { Ok(()) } else { Err(format!("{books:?}")) }
    })
    .await?;
    ensure!(pressed_lines(&world.api().alerts().await?) == 1, "the press is an alert");

    house.agent.program().stop().await?;
    disk.is_mounted_again()?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    measures(&simulated_cuff, 2).await?;
    simulated_button.press();
    let books = world.ends_with(2, 2).await?;
    ensure!(lost(&books) == 0, "{books:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_whose_key_is_lost_goes_on_and_says_so_and_brings_what_it_held_when_the_key_is_found() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let mut house = world.home_without_agent("Ada", &[cuff(CUFF)]).await?;
    let key = world.folder().join("stick.key");
    std::fs::write(&key, format!("{}\n", hex::encode([7; 32])))?;
    house.agent.configure(&format!("[buffer]\nkey_file = {key:?}\n"))?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    measures(&simulated, 1).await?;
    world.ends_well_with(1, 0).await?;
    house.cable.cut();
    world.broker_says(&house, false).await?;
    is_held(&house, &simulated, 2).await?;

    // The stick with the key is not there when the box starts.
    house.agent.program().stop().await?;
    let elsewhere = world.folder().join("found.key");
    std::fs::rename(&key, &elsewhere)?;
    house.cable.restore();
    house.agent.start()?;
    world.is_up(&mut house).await?;
    measures(&simulated, 3).await?;
    until(PATIENCE, "the third reading arrives", || async {
        let books = world.api().books().await.map_err(|error| format!("{error:#}"))?;
        if books.records == 2 { Ok(()) } else { Err(format!("{books:?}")) }
    })
    .await?;
    let alerts = world.api().alerts().await?;
    ensure!(!open_of(&alerts, "agent_buffer").is_empty(), "the team is told: {alerts:?}");

    house.agent.program().stop().await?;
    std::fs::rename(&elsewhere, &key)?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    world.ends_with(3, 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_put_back_to_yesterday_is_sent_again_what_boxes_keep_and_books_what_they_do_not() -> Result<()> {
    let mut world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    simulated.press();
    world.ends_well_with(0, 1).await?;

    world.gateway.program().stop().await?;
    let yesterday = world.folder().join("yesterday");
    copy_folder(world.gateway.data(), &yesterday)?;
    world.gateway.start().await?;
    world.is_up(&mut house).await?;
    simulated.press();
    world.ends_well_with(0, 2).await?;
    // More than a box keeps after the receipt.
    house.agent.program().stop().await?;
    fill(&house, CUFF, MORE_THAN_IS_KEPT).await?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    world.ends_well_with(MORE_THAN_IS_KEPT as usize, 2).await?;
    let kept = until(PATIENCE, "what is beyond the limit is let go", || async {
        let status = status(&house).await.map_err(|error| format!("{error:#}"))?;
        let kept = line(&status, "reading")["kept"].as_u64().unwrap_or_default();
        if kept < u64::from(MORE_THAN_IS_KEPT) { Ok(kept) } else { Err(status["books"].to_string()) }
    })
    .await?;

    world.gateway.program().stop().await?;
    std::fs::remove_dir_all(world.gateway.data())?;
    copy_folder(&yesterday, world.gateway.data())?;
    world.gateway.start().await?;
    world.is_up(&mut house).await?;
    let kept = usize::try_from(kept)?;
    let books = world.ends_with(kept, 2).await?;
    ensure!(lost(&books) == u64::from(MORE_THAN_IS_KEPT) - kept as u64, "{kept} are kept: {:?}", books.lines);
    let alerts = world.api().alerts().await?;
    ensure!(open_of(&alerts, "agent_buffer").len() == 1, "the team is told of what is gone: {alerts:?}");
    Ok(())
}

/// Readings whose records take more than 2 MiB.
const MORE_THAN_IS_KEPT: u32 = 12_000;

fn lost(books: &Books) -> u64 {
    books.lines.iter().map(|line| line.lost).sum()
}

/// Waits until the cuff has got rid of this many readings, the last of which it takes now.
async fn measures(simulated: &Device<Cuff>, number: u16) -> Result<()> {
    simulated.measure(pressure(number));
    until(PATIENCE, "the cuff saw it confirmed", || async {
        let confirmed = simulated.ledger().confirmed().len();
        if confirmed >= usize::from(number) { Ok(()) } else { Err(format!("{confirmed}")) }
    })
    .await
}

/// Lets the cuff measure, and waits until that is on the box's flash.
async fn is_held(house: &House, simulated: &Device<Cuff>, number: u16) -> Result<()> {
    let waiting = async || -> Result<u64> {
        let status = status(house).await?;
        line(&status, "reading")["waiting"].as_u64().context("a number")
    };
    let before = waiting().await?;
    measures(simulated, number).await?;
    until(PATIENCE, "it is on flash", || async {
        let now = waiting().await.map_err(|error| format!("{error:#}"))?;
        if now > before { Ok(()) } else { Err(format!("{now} wait")) }
    })
    .await
}

/// Waits until the box has heard so many readings and presses.
async fn hears(house: &House, signals: u64) -> Result<()> {
    until(PATIENCE, "the box hears it", || async {
        let heard = number(house, "heard").await.map_err(|error| format!("{error:#}"))?;
        if heard >= signals { Ok(()) } else { Err(format!("{heard}")) }
    })
    .await
}

async fn number(house: &House, what: &str) -> Result<u64> {
    status(house).await?[what].as_u64().context("a number")
}

const BATCH: usize = 50;
const MANY: u16 = 1_000;

/// A line of the box's side of the books.
fn line<'a>(status: &'a Value, lane: &str) -> &'a Value {
    let lines = status["books"].as_array();
    lines.into_iter().flatten().find(|line| line["lane"] == lane).unwrap_or(&Value::Null)
}

async fn says(house: &House, what: &str, wanted: &str) -> Result<()> {
    until(PATIENCE, &format!("{what} is {wanted}"), || async {
        let status = status(house).await.map_err(|error| format!("{error:#}"))?;
        if status[what] == wanted { Ok(()) } else { Err(status[what].to_string()) }
    })
    .await
}
