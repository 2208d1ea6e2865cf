//! When the store or a rule fails (design: a fault of the store is never a fault of the event).

use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::devices::{Button, Cuff};
use hempuls_simulators::system::Programs;
use hempuls_tests::{Settings, World, button, cuff, pressure};

use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_for_ten_seconds_mid_stream_loses_and_quarantines_nothing() -> Result<()> {
    let world = World::new().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let _house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    simulated_cuff.measure(pressure(1));
    world.ends_well_with(1, 0).await?;

    // Another program holds the database's write lock: every write of the gateway fails as busy.
    let mut connection = world.open_the_store().await?;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await?;
    for number in 2..=4 {
        simulated_cuff.measure(pressure(number));
        simulated_button.press();
        tokio::time::sleep(Duration::from_millis(3500)).await;
    }
    sqlx::query("ROLLBACK").execute(&mut connection).await?;

    let books = world.ends_well_with(4, 3).await?;
    ensure!(books.lines.iter().all(|line| line.quarantined == 0), "{books:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_panics_on_one_reading_costs_nobody_a_reading() -> Result<()> {
    let mut programs = Programs::beside_this_one()?;
    // The shipped gateway with one more rule, which panics on a systolic pressure of 133.
    programs.gateway = env!("CARGO_BIN_EXE_gateway-with-a-broken-rule").into();
    let world = World::with_programs(programs, Settings::default()).await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;

    for number in 12..=14 {
        simulated.measure(pressure(number));
        world.ends_well_with(usize::from(number) - 11, 0).await?;
    }
    let books = world.ends_well_with(3, 0).await?;
    ensure!(books.lines.iter().all(|line| line.quarantined == 0), "{books:?}");
    let alerts = world.api().alerts().await?;
    let unjudged = alerts.iter().filter(|alert| alert.rule == "not_judged").count();
    ensure!(unjudged == 1, "{alerts:?}");
    Ok(())
}
