//! Devices that speak a protocol of their vendor's own. What they are is told by their model, or by the gateway.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::{Clip, Clock, Microlife, SpotCheck, Yonker};
use hempuls_simulators::system::{Reading, until};
use hempuls_tests::{PATIENCE, World, pressure, served};
use jiff::SignedDuration;

use crate::kinds::{holds_every_second, value, worn_for};

const NONIN: &str = "F0:F1:F2:F3:F5:01";
const BERRYMED: &str = "F0:F1:F2:F3:F5:02";
const YONKER: &str = "F0:F1:F2:F3:F5:03";
const MICROLIFE: &str = "F0:F1:F2:F3:F5:04";
const FINGER: SpotCheck = SpotCheck { oxygen_saturation: Some(96), pulse: Some(132) };

#[tokio::test(flavor = "multi_thread")]
async fn a_nonin_clip_whose_name_says_nothing_is_read_as_its_gateway_says() -> Result<()> {
    let world = World::new().await?;
    let clip = Clip::nonin(NONIN).named("OXI").with(|habits| habits.hangs_up_after = Duration::from_secs(3));
    let clip = world.bluez.add(clip);
    let house = world.home("Ada", &[]).await?;
    world.gateway.add_device_speaking("nonin", NONIN, "pulse_oximeter", &house.home).await?;
    world.gateway.assign(NONIN, &house.person, None).await?;

    clip.put_on(FINGER);
    worn_for(&clip, 8).await?;
    clip.take_off();
    world.ends_well_with(1, 0).await?;
    let readings = world.api().readings().await?;
    ensure!(value(&readings[0], "oxygen_saturation")?.value == 96, "{readings:?}");
    ensure!(value(&readings[0], "oximeter_pulse_rate")?.value == 132, "{readings:?}");
    ensure!(readings[0].person.as_deref() == Some(&*house.person) && readings[0].usable, "{readings:?}");
    holds_every_second(&readings, clip.ledger().streamed().heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_berrymed_clip_that_sends_a_hundred_packets_a_second_takes_little_room() -> Result<()> {
    let world = World::new().await?;
    let clip = world.bluez.add(Clip::berrymed(BERRYMED).with(|habits| habits.hangs_up_after = Duration::from_secs(3)));
    let _house = world.home("Ada", &[served(BERRYMED, "pulse_oximeter")]).await?;

    clip.put_on(FINGER);
    worn_for(&clip, 250).await?;
    clip.take_off();
    world.ends_well_with(1, 0).await?;
    let readings = world.api().readings().await?;
    let oxygen = value(&readings[0], "oxygen_saturation")?;
    let count = oxygen.spread.as_ref().context("a minute has a spread")?.count;
    ensure!(oxygen.value == 96 && (8..=14).contains(&count), "{readings:?}");
    ensure!(value(&readings[0], "oximeter_pulse_rate")?.value == 132, "{readings:?}");
    let heard = clip.ledger().streamed().heard;
    ensure!(heard >= 250 && readings[0].raw.len() / 2 <= 20 * 6, "{heard} notifications, {}", readings[0].raw);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yonker_cuffs_result_is_dated_by_when_it_came_as_its_clock_is_years_behind() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Yonker::new(YONKER));
    let house = world.home("Ada", &[served(YONKER, "blood_pressure")]).await?;

    for number in 1..=2 {
        simulated.measure(pressure(number));
        world.ends_well_with(number.into(), 0).await?;
        until(PATIENCE, "it has hung up", || async {
            if simulated.is_connected() { Err("not yet".into()) } else { Ok(()) }
        })
        .await?;
    }
    let readings = world.api().readings().await?;
    ensure!(value(&readings[1], "systolic")?.value == 122 && value(&readings[1], "diastolic")?.value == 70);
    ensure!(readings.iter().all(|reading| reading.person.as_deref() == Some(&*house.person)), "{readings:?}");
    ensure!(readings.iter().all(is_recent), "{readings:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_microlife_cuff_is_asked_for_all_it_keeps_and_its_clock_is_set() -> Result<()> {
    let world = World::new().await?;
    let behind = Clock::WrongBy(SignedDuration::from_hours(-3));
    let simulated = world.bluez.add(Microlife::new(MICROLIFE).with_clock(behind));
    let mut house = world.home_without_agent("Ada", &[served(MICROLIFE, "blood_pressure")]).await?;
    let yesterday = Moment::now().wall().checked_sub(SignedDuration::from_hours(24))?;
    for minutes in 0..12 {
        let at = yesterday.checked_add(SignedDuration::from_mins(minutes))?;
        simulated.measure_at(pressure(u16::try_from(minutes)?), at);
    }
    house.agent.start()?;
    world.is_up(&mut house).await?;
    simulated.measure(pressure(12));
    world.ends_well_with(13, 0).await?;

    let late = || simulated.shows().map(|shown| Moment::now().wall().duration_since(shown).abs());
    until(PATIENCE, "its clock is set and it has hung up", || async {
        match late() {
            Some(late) if late < SignedDuration::from_secs(5) && !simulated.is_connected() => Ok(()),
            late => Err(format!("{late:?} late")),
        }
    })
    .await?;
    simulated.measure(pressure(13));
    let books = world.ends_well_with(14, 0).await?;
    ensure!(books.lines.iter().map(|line| line.repeated).sum::<u64>() >= 13, "its whole memory came again: {books:?}");
    let readings = world.api().readings().await?;
    let last = readings.last().context("there are 14")?;
    ensure!(value(last, "systolic")?.value == 133 && is_recent(last), "{last:?}");
    ensure!(readings.iter().all(|reading| reading.person.as_deref() == Some(&*house.person)), "{readings:?}");
    Ok(())
}

/// Measured within the last two minutes, as far as anybody knows.
fn is_recent(reading: &Reading) -> bool {
    let measured: Option<jiff::Timestamp> = reading.measured_at.as_ref().and_then(|at| at.parse().ok());
    let ago = measured.map(|at| Moment::now().utc.duration_since(at).abs());
    ago.is_some_and(|ago| ago <= SignedDuration::from_mins(2))
}
