//! What the rules do when the gateway dies at the wrong moment (P7).

use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::devices::{BloodPressure, Cuff};
use hempuls_simulators::system::until;
use hempuls_tests::{PATIENCE, Settings, World, cuff, open_of, pressure};

use crate::CUFF;

fn high(systolic: u16) -> BloodPressure {
    BloodPressure { systolic, diastolic: 118, ..pressure(0) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_while_it_waits_for_the_repeat_still_raises_the_unconfirmed_alert_once() -> Result<()> {
    let settings = Settings { repeat_within: Duration::from_secs(12), ..Settings::default() };
    let mut world = World::with(settings).await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;

    simulated.measure(high(195));
    world.ends_well_with(1, 0).await?;
    ensure!(open_of(&world.api().alerts().await?, "above_limit").is_empty(), "one high reading is not yet an alert");
    world.gateway.program().kill().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.gateway.start().await?;

    let api = world.api();
    until(PATIENCE, "the unconfirmed alert comes", || {
        let api = api.clone();
        async move {
            let alerts = api.alerts().await.map_err(|error| error.to_string())?;
            if open_of(&alerts, "above_limit").is_empty() { Err("not yet".into()) } else { Ok(()) }
        }
    })
    .await?;
    // Once more: nothing of the timer is left that could fire again.
    world.gateway.program().kill().await;
    world.gateway.start().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let alerts = world.api().alerts().await?;
    let raised = open_of(&alerts, "above_limit");
    ensure!(raised.len() == 1 && raised[0].confirmed == Some(false), "{raised:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_high_readings_are_one_confirmed_alert() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;

    for (number, systolic) in [195, 192, 197].into_iter().enumerate() {
        simulated.measure(high(systolic));
        world.ends_well_with(number + 1, 0).await?;
        // No repeat is taken in the same second.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let alerts = world.api().alerts().await?;
    let raised = open_of(&alerts, "above_limit");
    ensure!(raised.len() == 1 && raised[0].confirmed == Some(true), "{raised:?}");
    Ok(())
}
