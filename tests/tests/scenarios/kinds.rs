//! Every kind of device: what it measured arrives with the person whose it is.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::bluez::Device;
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::{Clip, Cuff, Scale, SpotCheck, Strap, Thermometer, Weighing};
use hempuls_simulators::system::{Observation, Reading, until};
use hempuls_tests::{PATIENCE, World, pressure, served};

use crate::CUFF;

const SCALE: &str = "F0:F1:F2:F3:F4:0A";
const THERMOMETER: &str = "F0:F1:F2:F3:F4:0B";
const STRAP: &str = "F0:F1:F2:F3:F4:0C";
const CLIP: &str = "F0:F1:F2:F3:F4:0D";

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_is_hers_who_stood_on_the_scale_also_when_the_box_was_off_then() -> Result<()> {
    let world = World::new().await?;
    let scale = world.bluez.add(Scale::new(SCALE));
    let mut house = world.home_without_agent("Ada", &[served(SCALE, "weight_scale")]).await?;
    let bo = world.gateway.add_person("Bo", &house.home).await?;
    world.gateway.assign(SCALE, &bo, Some(2)).await?;

    let ada_stood = Weighing { five_grams: Some(13_640), user: Some(1), height_mm: Some(1_650) };
    let bo_stood = Weighing { five_grams: Some(16_000), user: Some(2), height_mm: None };
    // The scale was hers then: devices count as a person's for some days before they are added.
    let yesterday = Moment::now().wall().date().yesterday()?;
    scale.weigh_at(ada_stood, yesterday.at(7, 0, 0, 0));
    scale.weigh_at(bo_stood, yesterday.at(7, 1, 0, 0));
    house.agent.start()?;
    world.is_up(&mut house).await?;
    scale.weigh(Weighing { five_grams: None, ..ada_stood });
    world.ends_well_with(3, 0).await?;

    let readings = world.api().readings().await?;
    let [ada, bos, failed] = &readings[..] else { anyhow::bail!("{readings:?}") };
    ensure!(value(ada, "body_weight")?.value == 68.2 && value(ada, "body_weight")?.unit == "kg", "{ada:?}");
    ensure!(value(ada, "body_mass_index")?.value == 25.1 && value(ada, "body_height")?.value == 1.65, "{ada:?}");
    ensure!((ada.person.as_deref(), ada.slot) == (Some(&*house.person), Some(1)), "{ada:?}");
    ensure!((bos.person.as_deref(), bos.slot) == (Some(&*bo), Some(2)) && value(bos, "body_weight")?.value == 80.0);
    ensure!(!failed.usable && failed.marks == ["unsuccessful"], "{failed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temperature_that_is_sent_only_once_arrives() -> Result<()> {
    let world = World::new().await?;
    let thermometer = world.bluez.add(Thermometer::new(THERMOMETER));
    let house = world.home("Ada", &[served(THERMOMETER, "thermometer")]).await?;

    for (number, tenths) in [(1, 368), (2, 383)] {
        thermometer.measure(tenths);
        world.ends_well_with(number, 0).await?;
        until(PATIENCE, "it is silent", || async {
            if thermometer.is_silent() { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
    }
    let readings = world.api().readings().await?;
    ensure!(value(&readings[1], "body_temperature")?.value == 38.3, "{readings:?}");
    ensure!(readings.iter().all(|reading| reading.person.as_deref() == Some(&*house.person) && reading.usable));
    ensure!(thermometer.ledger().confirmed().len() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_for_two_gives_each_her_own_and_what_it_does_not_know_to_nobody() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    // The home adopts no cuff by itself: its gateway tells it of one, and that it is for two.
    let house = world.home("Ada", &[]).await?;
    let bo = world.gateway.add_person("Bo", &house.home).await?;
    world.gateway.add_device(CUFF, "blood_pressure", &house.home).await?;
    world.gateway.assign(CUFF, &house.person, Some(1)).await?;
    world.gateway.assign(CUFF, &bo, Some(2)).await?;

    for (number, user) in [(1, Some(1)), (2, Some(2)), (3, Some(255)), (4, None)] {
        simulated.measure(hempuls_simulators::devices::BloodPressure { user, ..pressure(number) });
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    world.ends_well_with(4, 0).await?;
    let readings = world.api().readings().await?;
    let whose: Vec<_> = readings.iter().map(|reading| (reading.slot, reading.person.as_deref())).collect();
    ensure!(whose == [(Some(1), Some(&*house.person)), (Some(2), Some(&*bo)), (None, None), (None, None)], "{whose:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strap_worn_for_a_minute_and_a_little_more_makes_two_readings_that_hold_every_second() -> Result<()> {
    let world = World::new().await?;
    let strap = world.bluez.add(Strap::new(STRAP).with(|habits| habits.hangs_up_after = Duration::from_secs(3)));
    let house = world.home("Ada", &[served(STRAP, "heart_rate")]).await?;

    strap.put_on(72);
    tokio::time::sleep(Duration::from_secs(30)).await;
    strap.beats(90);
    tokio::time::sleep(Duration::from_secs(36)).await;
    strap.take_off();
    world.ends_well_with(2, 0).await?;

    let readings = world.api().readings().await?;
    let [minute, rest] = &readings[..] else { anyhow::bail!("{readings:?}") };
    let rate = value(minute, "heart_rate")?;
    let spread = rate.spread.as_ref().context("a minute has a spread")?;
    ensure!(spread.lowest == 72 && spread.highest == 90 && (58..=61).contains(&spread.count), "{minute:?}");
    ensure!(minute.usable && minute.person.as_deref() == Some(&*house.person), "{minute:?}");
    ensure!(value(rest, "heart_rate")?.value == 90, "what came without contact does not count: {rest:?}");
    ensure!(rest.marks == ["no_skin_contact"], "{rest:?}");
    holds_every_second(&readings, strap.ledger().streamed().heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_that_is_taken_off_makes_its_reading_at_once() -> Result<()> {
    let world = World::new().await?;
    let clip = world.bluez.add(Clip::new(CLIP).with(|habits| habits.hangs_up_after = Duration::from_secs(3)));
    let _house = world.home("Ada", &[served(CLIP, "pulse_oximeter")]).await?;

    clip.put_on(SpotCheck { oxygen_saturation: Some(94), pulse: Some(81) });
    worn_for(&clip, 8).await?;
    clip.take_off();
    world.ends_well_with(1, 0).await?;
    let readings = world.api().readings().await?;
    ensure!(value(&readings[0], "oxygen_saturation")?.value == 94, "{readings:?}");
    ensure!(value(&readings[0], "oximeter_pulse_rate")?.value == 81, "{readings:?}");
    ensure!(readings[0].marks == ["unfinished", "unavailable", "sensor_off"], "{readings:?}");
    holds_every_second(&readings, clip.ledger().streamed().heard)
}

pub(crate) fn value<'a>(reading: &'a Reading, quantity: &str) -> Result<&'a Observation> {
    let found = reading.observations.iter().find(|value| value.quantity == quantity);
    found.with_context(|| format!("no {quantity} in {reading:?}"))
}

/// Waits until so many values have been heard.
pub(crate) async fn worn_for(clip: &Device<Clip>, values: u32) -> Result<()> {
    until(PATIENCE, "the clip was listened to", || async {
        let heard = clip.ledger().streamed().heard;
        if heard >= values { Ok(()) } else { Err(format!("{heard} values of {values}")) }
    })
    .await
}

/// The minutes hold as many notifications as were heard.
pub(crate) fn holds_every_second(minutes: &[Reading], heard: u32) -> Result<()> {
    let mut held = 0;
    for minute in minutes {
        let raw = hex::decode(&minute.raw)?;
        let mut rest = &raw[..];
        while let Some((length, after)) = rest.split_first() {
            rest = after.get(usize::from(*length)..).context("a minute ends inside a notification")?;
            held += 1;
        }
    }
    ensure!(held == heard, "{held} notifications are stored of {heard} that were heard");
    Ok(())
}
