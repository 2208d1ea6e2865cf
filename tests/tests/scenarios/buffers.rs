//! What becomes of an agent's memory when its flash is wiped, or goes back in time (P1, P2).

use anyhow::{Result, ensure};
use hempuls_simulators::devices::{Button, Cuff};
use hempuls_simulators::system::until;
use hempuls_tests::{PATIENCE, World, button, copy_folder, cuff, pressure};

use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_buffer_begins_anew_and_what_it_held_is_counted_as_lost() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let mut house = world.home("Ada", &[cuff(CUFF)]).await?;
    simulated.measure(pressure(1));
    world.ends_well_with(1, 0).await?;

    // Two readings are on flash, but the gateway has not got them when the flash is wiped.
    house.cable.cut();
    world.broker_says(&house, false).await?;
    for number in 2..=3 {
        simulated.measure(pressure(number));
        until(PATIENCE, "the cuff saw it confirmed", || async {
            let confirmed = simulated.ledger().confirmed().len();
            if confirmed >= usize::from(number) { Ok(()) } else { Err(format!("{confirmed}")) }
        })
        .await?;
    }
    house.agent.program().stop().await?;
    std::fs::remove_dir_all(house.agent.state().join("buffer"))?;
    house.cable.restore();
    house.agent.start()?;
    world.is_up(&mut house).await?;
    simulated.measure(pressure(4));

    let books = world.ends_with(2, 0).await?;
    // One reading and the beginning arrived before; two readings were wiped.
    let lost: u64 = books.lines.iter().map(|line| line.lost).sum();
    ensure!(lost == 2, "{lost} are counted as lost: {:?}", books.lines);
    let epochs: std::collections::BTreeSet<_> = books.lines.iter().map(|line| &line.epoch).collect();
    ensure!(epochs.len() == 2, "a wiped buffer begins a new epoch: {books:?}");
    let alerts = world.api().alerts().await?;
    ensure!(alerts.iter().any(|alert| alert.rule.contains("buffer") || alert.rule.contains("books")), "{alerts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_flash_is_yesterdays_copy_loses_nothing_and_says_so() -> Result<()> {
    let world = World::new().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    simulated_cuff.measure(pressure(1));
    simulated_button.press();
    world.ends_well_with(1, 1).await?;

    house.agent.program().stop().await?;
    let yesterday = world.folder().join("yesterday");
    copy_folder(&house.agent.state(), &yesterday)?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    simulated_cuff.measure(pressure(2));
    simulated_button.press();
    world.ends_well_with(2, 2).await?;

    house.agent.program().stop().await?;
    std::fs::remove_dir_all(house.agent.state())?;
    copy_folder(&yesterday, &house.agent.state())?;
    // Before the gateway can tell it, the agent gives numbers out again that are stored with other content.
    house.cable.cut();
    house.agent.start()?;
    world.somebody_scans().await?;
    simulated_cuff.measure(pressure(3));
    simulated_button.press();
    until(PATIENCE, "the cuff saw it confirmed", || async {
        if simulated_cuff.ledger().confirmed().len() >= 3 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    house.cable.restore();
    world.is_up(&mut house).await?;

    world.ends_well_with(3, 3).await?;
    let alerts = world.api().alerts().await?;
    ensure!(alerts.iter().any(|alert| alert.rule.contains("buffer") || alert.rule.contains("books")), "{alerts:?}");
    Ok(())
}
