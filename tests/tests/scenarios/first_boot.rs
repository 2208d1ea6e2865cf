//! A box without a battery clock, from its first boot in 1970 on (P6).

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::{Button, Clock, Cuff};
use hempuls_simulators::system::until;
use hempuls_tests::{PATIENCE, World, button, cuff, open_of, pressure};
use jiff::{SignedDuration, Timestamp};

use crate::{BUTTON, CUFF, KEY};

/// A date is right when it is not farther off than a busy machine may take.
const NEAR: SignedDuration = SignedDuration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_measured_and_pressed_in_1970_is_dated_right_once_the_gateway_is_heard() -> Result<()> {
    let world = World::new().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home_without_agent("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    house.cable.cut();
    house.agent.program().wears_a_clock(world.folder())?.shows(Timestamp::UNIX_EPOCH)?;
    house.agent.start()?;
    world.somebody_scans().await?;

    simulated_cuff.measure(pressure(1));
    simulated_button.press();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let heard = Moment::now().utc;
    house.cable.restore();
    world.ends_well_with(1, 1).await?;

    let readings = world.api().readings().await?;
    let measured: Timestamp = readings[0].measured_at.as_deref().context("it has a date")?.parse()?;
    ensure!(heard.duration_since(measured).abs() < NEAR, "measured at {measured}, and it is {heard}");
    ensure!(readings[0].person.is_some(), "it is the person's whose the cuff was then");
    let alerts = world.api().alerts().await?;
    ensure!(open_of(&alerts, "alarm_pressed").len() == 1, "{alerts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_a_day_ahead_and_back_misdates_nothing_and_both_jumps_are_written_down() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let mut house = world.home_without_agent("Ada", &[cuff(CUFF)]).await?;
    house.cable.cut();
    let clock = house.agent.program().wears_a_clock(world.folder())?;
    house.agent.start()?;
    world.somebody_scans().await?;

    let day = SignedDuration::from_hours(24);
    for (number, ahead) in (1..).zip([SignedDuration::ZERO, day, SignedDuration::ZERO]) {
        clock.is_ahead_by(ahead)?;
        // The box looks at its clock once a minute.
        tokio::time::sleep(Duration::from_secs(62)).await;
        simulated.measure(pressure(number));
        let confirmed = usize::from(number);
        until(PATIENCE, "the cuff saw it confirmed", || async {
            if simulated.ledger().confirmed().len() >= confirmed { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
    }
    let now = Moment::now().utc;
    house.cable.restore();
    world.ends_well_with(3, 0).await?;
    for reading in world.api().readings().await? {
        let measured: Timestamp = reading.measured_at.as_deref().context("it has a date")?.parse()?;
        ensure!(now.duration_since(measured).abs() < NEAR * 3, "measured at {measured}, and it is {now}");
    }
    let corrections = world.gateway.corrections(&house.home.agent).await?;
    ensure!(corrections == 2, "{corrections} corrections are written down");
    Ok(())
}
