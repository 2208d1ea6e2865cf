//! A radio that fails, devices that hold it up, and what in the air is nobody's business (P5).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::bluez::Until;
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::{Button, Clock, Cuff, Oximeter, SpotCheck};
use hempuls_simulators::mischief::Mischief;
use hempuls_simulators::system::until;
use hempuls_tests::{House, PATIENCE, World, button, cuff, open_of, pressure, served};
use jiff::SignedDuration;

use crate::operation::status;
use crate::traps::has_hung_up;
use crate::{BUTTON, CUFF, KEY, OTHER_CUFF, OXIMETER};

const THIRD_CUFF: &str = "F0:F1:F2:F3:F4:09";
const NEIGHBOURS_BUTTON: &str = "38:39:8F:70:B2:99";

#[tokio::test(flavor = "multi_thread")]
async fn presses_and_readings_arrive_after_bluetoothd_was_restarted_and_after_the_message_bus_crashed() -> Result<()> {
    let mut world = World::new().await?;
    let button_of_hers = world.bluez.add(Button::new(BUTTON, KEY));
    let cuff_of_hers = world.bluez.add(Cuff::new(CUFF));
    let mut house = world.home("Ada", &[button(BUTTON, KEY), cuff(CUFF)]).await?;
    let process = house.agent.program().id();

    world.bluez.restart().await?;
    world.somebody_scans().await?;
    button_of_hers.press();
    cuff_of_hers.measure(pressure(1));
    world.ends_well_with(1, 1).await?;

    world.message_bus_crashes().await?;
    world.somebody_scans().await?;
    button_of_hers.press();
    cuff_of_hers.measure(pressure(2));
    world.ends_well_with(2, 2).await?;
    ensure!(house.agent.program().id() == process && house.agent.program().is_running(), "it is the same process");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_is_pulled_out_is_dead_and_hears_again_as_soon_as_it_is_plugged_in() -> Result<()> {
    let world = World::new().await?;
    let button_of_hers = world.bluez.add(Button::new(BUTTON, KEY));
    let cuff_of_hers = world.bluez.add(Cuff::new(CUFF).bonding().keeping_subscriptions());
    let house = world.home("Ada", &[button(BUTTON, KEY), cuff(CUFF)]).await?;
    button_of_hers.press();
    cuff_of_hers.measure(pressure(1));
    world.ends_well_with(1, 1).await?;

    world.bluez.unplug().await;
    hears(&house, "dead").await?;
    let told = || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if open_of(&alerts, "radio").is_empty() { Err("no alert".into()) } else { Ok(()) }
    };
    until(PATIENCE, "the team knows", told).await?;
    world.bluez.plug_in().await;
    world.somebody_scans().await?;
    button_of_hers.press();
    hears(&house, "alive").await?;
    cuff_of_hers.measure(pressure(2));
    let confirmed = || cuff_of_hers.ledger().confirmed();
    until(PATIENCE, "it is confirmed", || async {
        if confirmed().len() == 2 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    // With the adapter BlueZ has lost the objects that one could subscribe to: the first value may find nobody.
    let unheard = confirmed().iter().filter(|confirmed| confirmed.reception.listening == 0).count();
    println!("after the adapter was plugged in again: {unheard} reading(s) confirmed with nobody subscribed");
    world.ends_well_with(2 - unheard, 2).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_radio_that_hears_nothing_is_unproven_and_its_scan_begins_anew() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let house = world.home("Ada", &[button(BUTTON, KEY)]).await?;
    simulated.press();
    world.ends_well_with(0, 1).await?;

    world.bluez.deafen(Until::TheScanBeginsAnew);
    until(Duration::from_secs(100), "its scan begins anew", || async {
        let (hearing, cures) = hearing(&house).await.map_err(|error| format!("{error:#}"))?;
        if cures > 0 || hearing == "dead" { Ok(()) } else { Err(hearing) }
    })
    .await?;
    hears(&house, "unproven").await?;
    simulated.press();
    hears(&house, "alive").await?;
    world.ends_well_with(0, 2).await?;
    ensure!(open_of(&world.api().alerts().await?, "radio").is_empty(), "and nobody was called for it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_radio_that_misses_a_buttons_sign_of_life_is_dead_and_is_switched_off_and_on() -> Result<()> {
    let world = World::new().await?;
    let lively = Button::plain(BUTTON).with(|habits| habits.beacon_every = Some(Duration::from_millis(500)));
    let simulated = world.bluez.add(lively);
    let mut house = world.home_without_agent("Ada", &[]).await?;
    let supervised = format!("[[device]]\naddress = \"{BUTTON}\"\nkind = \"alarm_button\"\nbeacon = \"1s\"\n");
    house.agent.configure(&supervised)?;
    world.gateway.add_device(BUTTON, "alarm_button", &house.home).await?;
    world.gateway.assign(BUTTON, &house.person, None).await?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    hears(&house, "alive").await?;

    world.bluez.deafen(Until::ItIsSwitchedOffAndOn);
    until(Duration::from_secs(100), "it is dead", || says(&house, "dead")).await?;
    until(PATIENCE, "the team knows", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if open_of(&alerts, "radio").is_empty() { Err("no alert".into()) } else { Ok(()) }
    })
    .await?;
    until(Duration::from_secs(200), "it hears again", || says(&house, "alive")).await?;
    let (_, cures) = hearing(&house).await?;
    ensure!(cures >= 2, "a scan that began anew did not help: {cures}");
    simulated.press();
    world.ends_well_with(0, 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_cuffs_hold_up_the_radio_a_button_is_heard_and_no_third_link_is_tried() -> Result<()> {
    let world = World::new().await?;
    let pressed = world.bluez.add(Button::new(BUTTON, KEY));
    let addresses = [CUFF, OTHER_CUFF, THIRD_CUFF];
    let cuffs = addresses.map(|address| world.bluez.add(Cuff::new(address)));
    let mut devices = addresses.map(cuff).to_vec();
    devices.push(button(BUTTON, KEY));
    let _house = world.home("Ada", &devices).await?;
    for (number, simulated) in (1..).zip(&cuffs) {
        simulated.mischief(Mischief::Mute);
        simulated.measure(pressure(number));
    }
    until(PATIENCE, "two are being connected to", || async {
        if world.bluez.most_links_in_the_making() == 2 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    let began = now();
    pressed.press();
    until(PATIENCE, "the press arrives", || async {
        let books = world.api().books().await.map_err(|error| error.to_string())?;
        if books.alarms == 1 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    ensure!(began.elapsed() < Duration::from_secs(5), "it waited for {:?}", began.elapsed());
    cuffs.iter().for_each(|simulated| simulated.behave());
    until(PATIENCE, "all have told what they had to tell", || async {
        // Whoever was not reached within half a minute advertises again when its owner takes it up.
        cuffs.iter().filter(|simulated| simulated.ledger().confirmed().is_empty()).for_each(|it| it.advertise());
        let books = world.api().books().await.map_err(|error| error.to_string())?;
        if books.records == 3 { Ok(()) } else { Err(format!("{} of 3 have", books.records)) }
    })
    .await?;
    world.ends_well_with(3, 1).await?;
    let most = world.bluez.most_links_in_the_making();
    ensure!(most == 2, "{most} links were being made at once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_with_nothing_to_tell_is_let_be() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;
    // Somebody plays with its button.
    for _ in 0..25 {
        if !simulated.is_connected() {
            simulated.advertise();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // After each vain link it is let be for twice as long as before: 1, 2, 4, 8 s.
    let times = simulated.ledger().connected();
    ensure!((1..=6).contains(&times), "it was connected to {times} times in 25 s");
    simulated.measure(pressure(1));
    world.ends_well_with(1, 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_neighbours_cuff_and_button_are_left_alone() -> Result<()> {
    let world = World::new().await?;
    let neighbours_cuff = world.bluez.add(Cuff::new(OTHER_CUFF).bonding());
    let neighbours_button = world.bluez.add(Button::plain(NEIGHBOURS_BUTTON));
    let her_cuff = world.bluez.add(Cuff::new(CUFF));
    let house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;

    neighbours_cuff.measure(pressure(1));
    neighbours_button.press();
    her_cuff.measure(pressure(2));
    world.ends_well_with(1, 0).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ensure!(neighbours_cuff.ledger().connected() == 0, "the neighbour's cuff was connected to");
    ensure!(!neighbours_cuff.is_paired(), "the neighbour's cuff was paired with");
    world.ends_well_with(1, 0).await?;
    let known = status(&house).await?["radio"]["strangers"].as_u64().context("how many strangers there are")?;
    ensure!(known == 2, "{known} strangers");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_an_oximeter_has_kept_is_collected_and_not_only_the_latest() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Oximeter::new(OXIMETER).waiting_to_be_asked());
    let mut house = world.home_without_agent("Ada", &[served(OXIMETER, "pulse_oximeter")]).await?;
    let yesterday = Moment::now().wall().checked_sub(SignedDuration::from_hours(24))?;
    for number in 0..12 {
        let at = yesterday.checked_add(SignedDuration::from_mins(number.into()))?;
        simulated.measure_at(SpotCheck { oxygen_saturation: Some(90 + number % 8), pulse: Some(60 + number) }, at);
    }
    house.agent.start()?;
    world.is_up(&mut house).await?;
    simulated.measure(SpotCheck { oxygen_saturation: Some(97), pulse: Some(81) });
    world.ends_well_with(13, 0).await?;
    let readings = world.api().readings().await?;
    ensure!(readings.iter().all(|reading| reading.person.as_deref() == Some(&*house.person)), "{readings:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuffs_clock_that_is_three_hours_behind_is_set_and_no_reading_is_dated_by_it() -> Result<()> {
    let world = World::new().await?;
    let behind = Clock::WrongBy(SignedDuration::from_hours(-3));
    let simulated = world.bluez.add(Cuff::new(CUFF).with_clock(behind));
    let house = world.home("Ada", &[cuff(CUFF)]).await?;
    for number in 1..=2 {
        simulated.measure(pressure(number));
        world.ends_well_with(number.into(), 0).await?;
        has_hung_up(&simulated).await?;
    }
    for reading in world.api().readings().await? {
        let measured: jiff::Timestamp = reading.measured_at.as_deref().context("it is dated")?.parse()?;
        let ago = Moment::now().utc.duration_since(measured).abs();
        ensure!(ago < SignedDuration::from_mins(2), "{reading:?}");
    }
    let shown = status(&house).await?["devices"][0].clone();
    let ahead = shown["clock_ahead_s"].as_i64().context("how far its clock is ahead")?;
    ensure!(ahead.abs() <= 2 && shown["trouble"].is_null(), "{shown}");
    Ok(())
}

/// How the radio does, and how often something was done about it.
async fn hearing(house: &House) -> Result<(String, u64)> {
    let radio = status(house).await?["radio"].clone();
    Ok((radio["hearing"].as_str().unwrap_or_default().to_owned(), radio["cures"].as_u64().unwrap_or(0)))
}

async fn says(house: &House, wanted: &str) -> Result<(), String> {
    let (hearing, _) = hearing(house).await.map_err(|error| format!("{error:#}"))?;
    if hearing == wanted { Ok(()) } else { Err(hearing) }
}

async fn hears(house: &House, wanted: &str) -> Result<()> {
    until(PATIENCE, &format!("the radio is {wanted}"), || says(house, wanted)).await
}

#[allow(clippy::disallowed_methods, reason = "a scenario measures how long something takes")]
fn now() -> Instant {
    Instant::now()
}
