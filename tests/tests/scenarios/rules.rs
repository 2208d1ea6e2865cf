//! From what a device measured to the alert that says why (P7), also when the gateway dies at the wrong moment.

use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::{BloodPressure, Cuff, Oximeter, Scale, SpotCheck, Weighing};
use hempuls_simulators::system::until;
use hempuls_tests::{PATIENCE, Settings, World, cuff, open_of, pressure, served};
use jiff::ToSpan as _;

use crate::{CUFF, OXIMETER};

const SCALE: &str = "F0:F1:F2:F3:F4:0A";

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

#[tokio::test(flavor = "multi_thread")]
async fn oxygen_that_stays_low_is_before_the_nurse_with_the_number_and_the_limit() -> Result<()> {
    let world = World::new().await?;
    let oximeter = world.bluez.add(Oximeter::new(OXIMETER));
    let _house = world.home("Ada", &[served(OXIMETER, "pulse_oximeter")]).await?;

    for (number, percent) in [84, 85, 83].into_iter().enumerate() {
        oximeter.measure(SpotCheck { oxygen_saturation: Some(percent), pulse: Some(88) });
        world.ends_well_with(number + 1, 0).await?;
        // No repeat is taken in the same second.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let alerts = world.api().alerts().await?;
    let raised = open_of(&alerts, "oxygen_below_limit");
    ensure!(raised.len() == 1 && raised[0].confirmed == Some(true), "{raised:?}");
    let story: Vec<&str> = raised[0].lines.iter().map(|line| line.text.as_str()).collect();
    ensure!(story.iter().any(|line| line.contains("84") && line.contains("92")), "{story:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kilos_more_than_yesterday_with_a_failing_heart_are_before_the_nurse() -> Result<()> {
    let mut world = World::new().await?;
    // Long enough for a second weighing to belong to the first, and no longer.
    world.gateway.configure("[rules]\nreview_after = \"3s\"\n")?;
    world.gateway.program().kill().await;
    world.gateway.start().await?;
    let scale = world.bluez.add(Scale::new(SCALE));
    let mut house = world.home_without_agent("Ada", &[served(SCALE, "weight_scale")]).await?;
    world.gateway.set_plan(&house.person, &["--standard", "heart_failure", "--born", "1940"]).await?;
    let stood = |kilos: u16| Weighing { five_grams: Some(kilos * 200), user: Some(1), height_mm: None };

    let now = Moment::now().wall();
    // The scale was hers then; the same part of the day is what a weight is compared with.
    scale.weigh_at(stood(70), now.checked_sub(1.day())?);
    house.agent.start()?;
    world.is_up(&mut house).await?;
    scale.weigh_at(stood(73), now.checked_sub(1.minute())?);
    scale.weigh(stood(73));
    world.ends_well_with(3, 0).await?;

    let api = world.api();
    until(PATIENCE, "the weight is judged", || {
        let api = api.clone();
        async move {
            let alerts = api.alerts().await.map_err(|error| error.to_string())?;
            let raised = open_of(&alerts, "weight_gain");
            let [gained] = &raised[..] else { return Err(format!("{alerts:?}")) };
            let says = gained.lines.iter().any(|line| line.text.contains("73") && line.text.contains("70"));
            if says && gained.confirmed == Some(true) { Ok(()) } else { Err(format!("{gained:?}")) }
        }
    })
    .await
}
