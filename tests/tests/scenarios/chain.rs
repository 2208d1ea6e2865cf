//! One reading, one alarm, and the network between them and the nurse.

use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::devices::{Button, Cuff, Oximeter, SpotCheck};
use hempuls_simulators::system::{Served, until};
use hempuls_tests::{PATIENCE, World, button, cuff, open_of, pressure};

use crate::{BUTTON, CUFF, KEY, OXIMETER};

#[tokio::test(flavor = "multi_thread")]
async fn a_blood_pressure_goes_from_the_cuff_to_the_person_it_belongs_to() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let house = world.home("Ada", &[cuff(CUFF)]).await?;

    simulated.measure(pressure(7));
    world.ends_well_with(1, 0).await?;

    let readings = world.api().readings().await?;
    let reading = &readings[0];
    ensure!(reading.person.as_deref() == Some(&*house.person), "{reading:?}");
    let systolic = reading.observations.iter().find(|o| o.quantity == "systolic");
    ensure!(systolic.is_some_and(|o| o.value == 127 && o.unit == "mm[Hg]"), "{reading:?}");
    ensure!(reading.usable && reading.measured_at.is_some(), "{reading:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oxygen_saturation_and_a_bonded_cuffs_reading_arrive_together() -> Result<()> {
    let world = World::new().await?;
    let bonded = world.bluez.add(Cuff::new(CUFF).bonding());
    let oximeter = world.bluez.add(Oximeter::new(OXIMETER));
    let devices = [cuff(CUFF), Served { address: OXIMETER.into(), kind: "pulse_oximeter", key: None }];
    let _house = world.home("Ada", &devices).await?;

    bonded.measure(pressure(1));
    oximeter.measure(SpotCheck { oxygen_saturation: Some(96), pulse: Some(64) });
    world.ends_well_with(2, 0).await?;
    ensure!(bonded.is_paired(), "the agent's pairing agent let the cuff in");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_becomes_an_alarm_on_the_work_list() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let house = world.home("Ada", &[button(BUTTON, KEY)]).await?;

    simulated.press();
    world.ends_well_with(0, 1).await?;
    let alerts = world.api().alerts().await?;
    let alert = open_of(&alerts, "alarm_pressed")[0];
    ensure!(alert.person.as_deref() == Some(&*house.person) && alert.state == "open", "{alert:?}");

    // Pressing again is a new line in the same case, never a second case.
    simulated.press();
    world.ends_well_with(0, 2).await?;
    ensure!(open_of(&world.api().alerts().await?, "alarm_pressed").len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_measured_and_pressed_while_the_broker_is_gone_for_a_minute_arrives_afterwards() -> Result<()> {
    let world = World::new().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;

    simulated_cuff.measure(pressure(1));
    world.ends_well_with(1, 0).await?;
    house.cable.cut();
    world.broker_says(&house, false).await?;
    for number in 2..6 {
        simulated_cuff.measure(pressure(number));
        simulated_button.press();
        tokio::time::sleep(Duration::from_secs(15)).await;
    }
    ensure!(world.api().books().await?.records == 1, "nothing arrives over a cut cable");
    house.cable.restore();
    world.ends_well_with(5, 4).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_cannot_be_read_is_kept_and_the_session_goes_on() -> Result<()> {
    use hempuls_simulators::mischief::Mischief;

    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;

    simulated.mischief(Mischief::MalformedNext);
    simulated.measure(pressure(1));
    simulated.measure(pressure(2));
    let api = world.api();
    until(PATIENCE, "both are kept", || {
        let api = api.clone();
        async move {
            let readings = api.readings().await.map_err(|error| error.to_string())?;
            if readings.len() >= 2 { Ok(()) } else { Err(format!("{}", readings.len())) }
        }
    })
    .await?;
    let readings = world.api().readings().await?;
    ensure!(
        readings.iter().any(|reading| reading.raw.len() == 6 && reading.observations.is_empty() && !reading.usable)
    );
    ensure!(readings.iter().any(|reading| reading.usable));
    world.ends_well_with(2, 0).await?;
    Ok(())
}
