//! One reading, one record; two readings, two records (P3).

use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::bluez::{Bluez, Options};
use hempuls_simulators::bus::Bus;
use hempuls_simulators::devices::{Button, Clock, Cuff};
use hempuls_simulators::system::until;
use hempuls_tests::{PATIENCE, World, button, cuff, pressure};

use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_whose_memory_is_read_twice_gives_each_reading_once() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).keeping_its_memory());
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;

    for number in 1..=3 {
        simulated.measure(pressure(number));
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    world.ends_well_with(3, 0).await?;
    until(PATIENCE, "its first sessions are over", || async {
        if simulated.is_connected() { Err("still connected".into()) } else { Ok(()) }
    })
    .await?;
    let before = simulated.ledger().confirmed().len();
    simulated.advertise();
    until(PATIENCE, "the whole memory was sent again", || async {
        let again = simulated.ledger().confirmed().len() - before;
        if again >= 3 { Ok(()) } else { Err(format!("{again}")) }
    })
    .await?;
    let books = world.ends_well_with(3, 0).await?;
    let api = world.api();
    until(PATIENCE, "the repeats are in the books", || {
        let api = api.clone();
        async move {
            let books = api.books().await.map_err(|error| error.to_string())?;
            let repeated: u64 = books.lines.iter().map(|line| line.repeated).sum();
            if repeated >= 3 { Ok(()) } else { Err(format!("{repeated}")) }
        }
    })
    .await?;
    ensure!(books.records == 3);
    world.ends_well_with(3, 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_that_hear_one_cuff_and_one_button_give_one_record_of_each() -> Result<()> {
    let world = World::new().await?;
    // Through the wall, two radios hear the same cuff and the same button.
    let next_door = Bus::start().await?;
    let next_doors_bluez = Bluez::start(&next_door, Options::default()).await?;
    let airs = [&world.bluez, &next_doors_bluez];
    let cuffs = airs.map(|bluez| bluez.add(Cuff::new(CUFF).keeping_its_memory()));
    let buttons = airs.map(|bluez| bluez.add(Button::new(BUTTON, KEY)));
    let devices = [cuff(CUFF), button(BUTTON, KEY)];
    let _ada = world.home("Ada", &devices).await?;
    let mut bo = world.home_with_radio("Bo, next door", &devices, &next_door).await?;
    bo.agent.start()?;
    world.broker_says(&bo, true).await?;
    until(PATIENCE, "the other agent hears the air", || async {
        if next_doors_bluez.scanning_clients() > 0 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;

    let at = "2026-11-22T08:00:00".parse()?;
    for (cuff, button) in cuffs.iter().zip(&buttons) {
        button.press();
        cuff.measure_at(pressure(1), at);
    }
    until(PATIENCE, "both agents have told of the press and the reading", || async {
        let books = world.api().books().await.map_err(|error| error.to_string())?;
        let repeated: u64 = books.lines.iter().map(|line| line.repeated).sum();
        if repeated >= 2 { Ok(()) } else { Err(format!("{books:?}")) }
    })
    .await?;
    let books = world.ends_well_with(1, 1).await?;
    ensure!(books.lines.iter().map(|line| line.repeated).sum::<u64>() == 2, "{books:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_equal_readings_from_a_cuff_without_a_clock_are_two_records() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;

    simulated.measure(pressure(1));
    world.ends_well_with(1, 0).await?;
    // A minute on the kitchen clock; the cuff has none, so nothing of it shows in the bytes.
    simulated.measure(pressure(1));
    world.ends_well_with(2, 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_whose_clock_stands_still_gives_a_record_for_each_reading() -> Result<()> {
    let world = World::new().await?;
    let noon = "2020-01-20T12:00:00".parse()?;
    let simulated = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Stuck(noon)));
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;

    for number in 1..=3 {
        simulated.measure(pressure(number));
        world.ends_well_with(usize::from(number), 0).await?;
    }
    // Equal to an earlier one in every byte: kept, because this clock cannot tell.
    simulated.measure(pressure(2));
    world.ends_well_with(4, 0).await?;
    let readings = world.api().readings().await?;
    ensure!(readings.iter().any(|reading| reading.possibly_same_as.is_some()), "the look-alike is marked");
    Ok(())
}
