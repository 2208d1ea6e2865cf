//! Silence is noticed (P5), with a limit of seconds instead of minutes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::Button;
use hempuls_simulators::system::{Alert, until};
use hempuls_tests::{House, PATIENCE, Settings, World, button, open_of, pressed_lines};
use jiff::SignedDuration;

use crate::{BUTTON, KEY};

/// Agents of scenarios say something twice a second, and come back within a few seconds after an outage.
const LIMIT: Duration = Duration::from_secs(12);
/// One heartbeat and 5 s (design §7), and as much for a busy machine.
const IN_TIME: Duration = Duration::from_secs(12 + 11);

/// After an outage an agent may take half a minute to try again.
const LIMIT_AFTER_OUTAGE: Duration = Duration::from_secs(45);

fn settings() -> Settings {
    Settings { silent_after: Some(LIMIT), ..Settings::default() }
}

fn with_outage() -> Settings {
    Settings { silent_after: Some(LIMIT_AFTER_OUTAGE), ..settings() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_whose_cable_is_cut_is_before_the_team_in_time_and_is_said_to_be_heard_again() -> Result<()> {
    let world = World::with(settings()).await?;
    let house = world.home("Ada", &[]).await?;
    tokio::time::sleep(LIMIT + Duration::from_secs(3)).await;
    ensure!(silent(&world).await?.is_empty(), "it was heard all the time");

    house.cable.cut();
    let cut = Moment::now().instant;
    is_noticed(&world).await?;
    let took = cut.elapsed();
    ensure!(LIMIT - Duration::from_secs(1) < took && took < IN_TIME, "it was noticed after {took:?}");

    house.cable.restore();
    says(&world, 2, "hördes igen").await?;
    let alert = &silent(&world).await?[0];
    ensure!(alert.state == "open" && alert.lines[0].text.contains("Hemmet är tyst"), "{alert:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_is_unplugged_and_one_that_never_was_plugged_in_are_before_the_team_and_a_retired_one_is_not()
-> Result<()> {
    let world = World::with(settings()).await?;
    let mut ada = world.home("Ada", &[]).await?;
    let bo = world.home_without_agent("Bo", &[]).await?;
    let mut siv = world.home("Siv", &[]).await?;
    world.gateway.decide("retire", &siv.home.agent, "Siv").await?;
    ada.agent.program().kill().await;
    siv.agent.program().kill().await;

    let silent = until(PATIENCE, "two homes are silent", || async {
        let silent = silent(&world).await.map_err(|error| format!("{error:#}"))?;
        if silent.len() == 2 { Ok(silent) } else { Err(format!("{silent:?}")) }
    })
    .await?;
    ensure!(silent.iter().any(|alert| alert.lines[0].text.contains("aldrig hörts")), "{silent:?}");
    tokio::time::sleep(LIMIT).await;
    ensure!(self::silent(&world).await?.len() == 2, "more than two are silent");
    world.gateway.decide("revoke", &bo.home.agent, "Siv").await?;
    says(&world, 2, "inget väntas").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_again_and_again_still_notices_and_accuses_nobody_who_comes_back_each_time()
-> Result<()> {
    let mut world = World::with(settings()).await?;
    let ada = world.home("Ada", &[]).await?;
    let _bo = world.home("Bo", &[]).await?;
    ada.cable.cut();
    let mut lives = 0;
    while silent(&world).await?.is_empty() {
        lives += 1;
        ensure!(lives < 12, "the silence hides behind restarts");
        tokio::time::sleep(Duration::from_secs(6)).await;
        world.gateway.program().kill().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.gateway.start().await?;
    }
    println!("noticed in life {lives}");
    ensure!(lives >= 2, "it was noticed before the limit");
    let alerts = silent(&world).await?;
    ensure!(alerts.len() == 1 && alerts[0].home == ada.home.home, "{alerts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_away_for_longer_than_the_limit_accuses_no_home() -> Result<()> {
    let mut world = World::with(with_outage()).await?;
    let _ada = world.home("Ada", &[]).await?;
    // It writes every other second that it listens; before that it never has.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.gateway.program().kill().await;
    tokio::time::sleep(LIMIT_AFTER_OUTAGE + Duration::from_secs(5)).await;
    world.gateway.start().await?;
    nobody_is_accused(&world).await?;
    let page = world.gateway.nurse().await?.read("/homes").await?;
    ensure!(page.contains("Gatewayen lyssnade inte"), "the page hides that nobody listened: {page}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_clock_is_set_says_so_once_accuses_no_home_and_takes_presses_all_the_while() -> Result<()> {
    let mut world = World::with(settings()).await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let _ada = world.home("Ada", &[button(BUTTON, KEY)]).await?;
    world.gateway.program().stop().await?;
    let folder = world.folder().to_owned();
    let clock = world.gateway.program().wears_a_clock(&folder)?;
    world.gateway.start().await?;
    simulated.press();
    world.ends_well_with(0, 1).await?;

    let hour = SignedDuration::from_hours(1);
    for (pressed, ahead, says) in
        [(2, hour, "ställdes fram 60 minuter"), (3, SignedDuration::ZERO, "tillbaka 60 minuter")]
    {
        clock.is_ahead_by(ahead)?;
        simulated.press();
        until(PATIENCE, says, || async {
            let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
            let told = open_of(&alerts, "clock_set");
            let is_told = told.iter().any(|alert| alert.lines.iter().any(|line| line.text.contains(says)));
            let is_so = is_told && pressed_lines(&alerts) == pressed;
            if is_so { Ok(()) } else { Err(format!("{} pressed, {told:?}", pressed_lines(&alerts))) }
        })
        .await?;
        tokio::time::sleep(LIMIT + Duration::from_secs(3)).await;
        ensure!(silent(&world).await?.is_empty(), "a home is accused");
    }
    let alerts = world.api().alerts().await?;
    let told = open_of(&alerts, "clock_set");
    let lines = told.iter().flat_map(|alert| &alert.lines).filter(|line| line.text.contains("60 minuter")).count();
    ensure!(told.len() == 1 && lines == 2, "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_accuses_no_home_and_the_pages_say_that_nobody_listens() -> Result<()> {
    let (world, mut mosquitto) = World::behind_mosquitto_with(with_outage()).await?;
    let house = world.home("Ada", &[]).await?;
    mosquitto.program().kill().await;
    tokio::time::sleep(LIMIT_AFTER_OUTAGE + Duration::from_secs(5)).await;
    ensure!(silent(&world).await?.is_empty(), "a home is accused while nobody listens");
    let page = world.gateway.nurse().await?.read("/").await?;
    ensure!(page.contains("Gatewayen lyssnar inte"), "the work list hides that nobody listens: {page}");
    mosquitto.program().start()?;
    world.broker_says(&house, true).await?;
    nobody_is_accused(&world).await?;
    house.cable.cut();
    is_noticed(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_homes_at_once_are_one_case_a_press_goes_past_it_and_who_stays_silent_gets_a_case() -> Result<()> {
    let world = World::with(Settings { storm_homes: 3, ..settings() }).await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let caller = world.home("Ada", &[button(BUTTON, KEY)]).await?;
    let mut others: Vec<House> = Vec::new();
    for name in ["Bo", "Siv", "Nils"] {
        others.push(world.home(name, &[]).await?);
    }
    others.iter().for_each(|house| house.cable.cut());

    until(PATIENCE, "one case tells of three homes", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        let storms = open_of(&alerts, "silent_homes");
        let is_so = storms.len() == 1 && storms[0].lines[0].text.starts_with("3 hem");
        let own = open_of(&alerts, "silent_home").len();
        if is_so && own == 0 { Ok(()) } else { Err(format!("{own} of their own, {storms:?}")) }
    })
    .await?;
    let pressed = Moment::now().instant;
    simulated.press();
    until(PATIENCE, "the press is before the team", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if pressed_lines(&alerts) == 1 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    let took = pressed.elapsed();
    ensure!(took < Duration::from_secs(3), "a press in a storm took {took:?}");
    let alerts = world.api().alerts().await?;
    let press = open_of(&alerts, "alarm_pressed");
    ensure!(press.len() == 1 && press[0].home == caller.home.home, "{press:?}");
    let nurse = world.gateway.nurse().await?;
    let storm = &open_of(&alerts, "silent_homes").first().context("the storm")?.id;
    let page = nurse.read(&format!("/alerts/{storm}")).await?;
    ensure!(["Bo", "Siv", "Nils"].iter().all(|name| page.contains(name)), "the homes are not listed: {page}");

    others.iter().skip(1).for_each(|house| house.cable.restore());
    is_noticed(&world).await?;
    let alerts = world.api().alerts().await?;
    let own = open_of(&alerts, "silent_home");
    ensure!(own.len() == 1 && own[0].home == others[0].home.home, "{own:?}");
    let storms = open_of(&alerts, "silent_homes");
    ensure!(storms[0].lines.iter().any(|line| line.text.contains("hörs de flesta igen")), "{storms:?}");
    Ok(())
}

/// The open cases of single homes.
async fn silent(world: &World) -> Result<Vec<Alert>> {
    let alerts = world.api().alerts().await?;
    Ok(open_of(&alerts, "silent_home").into_iter().cloned().collect())
}

async fn is_noticed(world: &World) -> Result<()> {
    until(PATIENCE * 2, "a home is silent", || async {
        let silent = silent(world).await.map_err(|error| format!("{error:#}"))?;
        if silent.is_empty() { Err("none is".into()) } else { Ok(()) }
    })
    .await
}

/// Waits until a story has so many lines, of which one says this.
async fn says(world: &World, lines: usize, what: &str) -> Result<()> {
    until(PATIENCE, what, || async {
        let silent = silent(world).await.map_err(|error| format!("{error:#}"))?;
        // How it climbs while nobody takes it stands in its story as well.
        let is_said = |alert: &Alert| {
            let of_the_home: Vec<_> = alert.lines.iter().filter(|line| line.kind == "silent_home").collect();
            of_the_home.len() == lines && of_the_home.iter().any(|line| line.text.contains(what))
        };
        if silent.iter().any(is_said) { Ok(()) } else { Err(format!("{silent:?}")) }
    })
    .await
}

/// Every home is heard again, and none was ever accused.
async fn nobody_is_accused(world: &World) -> Result<()> {
    tokio::time::sleep(LIMIT_AFTER_OUTAGE + Duration::from_secs(5)).await;
    let silent = silent(world).await?;
    ensure!(silent.is_empty(), "{silent:?}");
    Ok(())
}
