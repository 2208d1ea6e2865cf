//! What the care team does at its console reaches the home, and what ails the home's box reaches the team.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::bluez::{Bluez, Options};
use hempuls_simulators::bus::Bus;
use hempuls_simulators::devices::{Button, Clock, Cuff};
use hempuls_simulators::system::{Agent, ShownHome, until};
use hempuls_tests::{House, PATIENCE, World, button, cuff, open_of, pressure};

use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_pressed_hears_that_it_came_that_it_was_taken_and_that_someone_is_on_the_way() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home_without_agent("Ada", &[button(BUTTON, KEY)]).await?;
    let heard = world.folder().join("heard");
    let hook =
        format!("[feedback.hook]\ncommand = [\"/bin/sh\", \"-c\", \"echo $1 >> {}\", \"hook\"]\n", heard.display());
    house.agent.configure(&hook)?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    let nurse = world.gateway.nurse().await?;

    simulated.press();
    world.ends_well_with(0, 1).await?;
    hears(&heard, &["received"]).await?;
    let alerts = world.api().alerts().await?;
    let alert = &open_of(&alerts, "alarm_pressed").first().context("an alert")?.id;
    nurse.claim(alert).await?;
    hears(&heard, &["received", "taken_by_a_person"]).await?;
    nurse.say_on_the_way(alert).await?;
    hears(&heard, &["received", "taken_by_a_person", "on_the_way"]).await?;
    nurse.close(alert, "She had fallen and is up again").await?;
    hears(&heard, &["received", "taken_by_a_person", "on_the_way", "closed"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_is_added_from_the_console_and_measures_and_is_taken_out_again() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let house = world.home("Ada", &[]).await?;
    let nurse = world.gateway.nurse().await?;
    simulated.measure(pressure(1));
    let nearby = until(PATIENCE, "the cuff is nearby", || async {
        let shown = shown(&world, &house).await?;
        shown.nearby.into_iter().next().ok_or_else(|| "nothing is nearby".to_owned())
    })
    .await?;
    ensure!(nearby.id == CUFF && nearby.kind.as_deref() == Some("blood_pressure"), "{nearby:?}");
    let page = nurse.read(&format!("/homes/{}", house.home.home)).await?;
    ensure!(page.contains("Blodtrycksmätare") && page.contains(CUFF), "{page}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(world.api().readings().await?.is_empty(), "a stranger's cuff was read");

    nurse.add_device(&house.home.home, CUFF, "blood_pressure", "", &house.person).await?;
    serves(&world, &house, CUFF, true).await?;
    simulated.measure(pressure(2));
    until(PATIENCE, "her reading", || async {
        let readings = world.api().readings().await.map_err(|error| format!("{error:#}"))?;
        let hers = readings.iter().any(|reading| reading.person.as_ref() == Some(&house.person));
        if hers { Ok(()) } else { Err(format!("{} readings", readings.len())) }
    })
    .await?;

    nurse.remove_device(&house.home.home, CUFF).await?;
    serves(&world, &house, CUFF, false).await?;
    let before = world.api().readings().await?.len();
    simulated.measure(pressure(3));
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(world.api().readings().await?.len() == before, "it is read still");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_whose_key_came_from_the_console_is_believed_and_one_with_another_key_is_before_the_team() -> Result<()>
{
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let house = world.home("Ada", &[]).await?;
    let nurse = world.gateway.nurse().await?;
    nurse.add_device(&house.home.home, BUTTON, "alarm_button", &hex::encode([0x77; 16]), &house.person).await?;
    serves(&world, &house, BUTTON, true).await?;

    simulated.press();
    until(PATIENCE, "somebody is told that nobody would hear her", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if open_of(&alerts, "refused").is_empty() { Err("not yet".into()) } else { Ok(()) }
    })
    .await?;
    nurse.remove_device(&house.home.home, BUTTON).await?;
    nurse.add_device(&house.home.home, BUTTON, "alarm_button", &hex::encode(KEY), &house.person).await?;
    until(PATIENCE, "the box has the right key", || in_step(&world, &house)).await?;
    simulated.press();
    world.ends_with(0, 1).await?;
    let alerts = world.api().alerts().await?;
    ensure!(open_of(&alerts, "alarm_pressed")[0].person.as_ref() == Some(&house.person));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_box_takes_an_old_press_for_old_and_a_confirmed_battery_for_new() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home("Ada", &[]).await?;
    let nurse = world.gateway.nurse().await?;
    let home = house.home.home.clone();
    nurse.add_device(&home, BUTTON, "alarm_button", &hex::encode(KEY), &house.person).await?;
    serves(&world, &house, BUTTON, true).await?;
    for press in 1..=3 {
        simulated.press();
        world.ends_well_with(0, press).await?;
    }
    until(PATIENCE, "the last press is no longer in the air", || async {
        if simulated.ledger().bursts().len() == 3 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;

    house.agent.program().kill().await;
    let replaced = Agent::install(
        &world.programs,
        &world.folder().join("replaced"),
        world.bus_address(),
        Duration::from_millis(500),
        &[],
    )?;
    replaced.enrol(&world.gateway, &world.gateway.fresh_code(&house.home).await?).await?;
    house.agent = replaced;
    house.agent.start()?;
    until(PATIENCE, "the new box knows the button", || in_step(&world, &house)).await?;
    serves(&world, &house, BUTTON, true).await?;

    simulated.change_battery();
    simulated.press();
    pressed(&world, 4).await?;
    let alerts = world.api().alerts().await?;
    let alert = open_of(&alerts, "alarm_pressed")[0];
    ensure!(alert.lines.last().is_some_and(|line| line.text.contains("räknare")), "{:?}", alert.lines);
    nurse.claim(&alert.id).await?;
    nurse.confirm_battery(&alert.id).await?;
    until(PATIENCE, "the box knows of the battery", || in_step(&world, &house)).await?;
    simulated.press();
    pressed(&world, 5).await?;
    let alerts = world.api().alerts().await?;
    let lines = &open_of(&alerts, "alarm_pressed")[0].lines;
    let last = lines.iter().rev().find(|line| line.kind == "alarm_pressed").context("a press")?;
    ensure!(!last.text.contains("räknare"), "{lines:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_the_box_cannot_use_is_shown_with_its_reason() -> Result<()> {
    let world = World::new().await?;
    let house = world.home("Ada", &[cuff(CUFF)]).await?;
    let nurse = world.gateway.nurse().await?;
    let home = &house.home.home;
    until(PATIENCE, "the box is in step", || in_step(&world, &house)).await?;
    nurse.remove_device(home, CUFF).await?;
    nurse.add_device(home, CUFF, "weight_scale", "", "").await?;

    let why = until(PATIENCE, "the box refuses it", || async {
        let shown = shown(&world, &house).await?;
        let config = shown.agents.first().and_then(|agent| agent.heartbeat.as_ref()?.config.as_ref()?.refused.clone());
        config.ok_or_else(|| "not yet".to_owned())
    })
    .await?;
    ensure!(why.contains(CUFF), "{why}");
    let page = nurse.read(&format!("/homes/{home}")).await?;
    ensure!(page.contains("avvisade") && page.contains(CUFF), "{page}");
    until(PATIENCE, "the alert", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if open_of(&alerts, "config_refused").len() == 1 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;

    nurse.remove_device(home, CUFF).await?;
    nurse.add_device(home, CUFF, "blood_pressure", "", "").await?;
    until(PATIENCE, "the box is in step again", || in_step(&world, &house)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_radio_that_is_gone_is_before_the_team_and_that_it_is_back_is_in_the_story() -> Result<()> {
    let world = World::new().await?;
    let bus = Bus::start().await?;
    let bluez = Bluez::start(&bus, Options::default()).await?;
    let mut house = world.home_with_radio("Ada", &[], &bus).await?;
    house.agent.start()?;
    let nurse = world.gateway.nurse().await?;
    nurse.add_device(&house.home.home, BUTTON, "alarm_button", "", &house.person).await?;
    until(PATIENCE, "the box hears the air", || async {
        if bluez.scanning_clients() > 0 { Ok(()) } else { Err("it does not scan".into()) }
    })
    .await?;

    drop(bluez);
    let story = || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        let lines = open_of(&alerts, "radio").first().map(|alert| alert.lines.clone());
        lines.ok_or_else(|| "no alert".to_owned())
    };
    until(PATIENCE, "the team knows", story).await?;
    let troubles = shown(&world, &house).await.map_err(anyhow::Error::msg)?.agents.remove(0).troubles;
    ensure!(troubles.iter().any(|trouble| trouble.contains("radio hör ingenting")), "{troubles:?}");

    let bluez = Bluez::start(&bus, Options::default()).await?;
    let button = bluez.add(Button::new(BUTTON, KEY));
    until(PATIENCE, "the story says that it is over", || async {
        button.press();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let lines = story().await?;
        if lines.iter().any(|line| line.text.contains("hör igen")) { Ok(()) } else { Err(format!("{lines:?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_that_gives_no_sign_of_life_is_before_the_team_until_it_is_heard() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY).with(|habits| habits.beacon_every = None));
    let house = world.home("Ada", &[]).await?;
    let nurse = world.gateway.nurse().await?;
    nurse.add_supervised_button(&house.home.home, BUTTON, &hex::encode(KEY), 1).await?;

    let is_missing = |expected: bool| {
        let (world, house) = (&world, &house);
        async move {
            let shown = shown(world, house).await?;
            let missing = shown.devices.iter().any(|device| device.id == BUTTON && device.missing);
            if missing == expected { Ok(()) } else { Err(format!("{:?}", shown.devices)) }
        }
    };
    until(PATIENCE, "the home's page says that it is missing", || is_missing(true)).await?;
    until(PATIENCE, "the team knows", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        let told = open_of(&alerts, "device_trouble").into_iter().flat_map(|alert| &alert.lines);
        if told.clone().any(|line| line.text.contains("Larmknapp") && line.text.contains("livstecken")) {
            Ok(())
        } else {
            Err(format!("{:?}", told.collect::<Vec<_>>()))
        }
    })
    .await?;
    simulated.press();
    until(PATIENCE, "it is heard again", || is_missing(false)).await?;
    until(PATIENCE, "the story says so", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        let told = open_of(&alerts, "device_trouble").into_iter().flat_map(|alert| &alert.lines);
        if told.clone().any(|line| line.text.contains("hörs igen")) { Ok(()) } else { Err("not yet".into()) }
    })
    .await
}

async fn hears(file: &Path, words: &[&str]) -> Result<()> {
    until(PATIENCE, &format!("the home hears {words:?}"), || async {
        let heard = std::fs::read_to_string(file).unwrap_or_default();
        let heard: Vec<&str> = heard.lines().collect();
        if heard == words { Ok(()) } else { Err(format!("it heard {heard:?}")) }
    })
    .await
}

/// Waits until a box serves a device, or does so no longer.
async fn serves(world: &World, house: &House, device: &str, is_served: bool) -> Result<()> {
    until(PATIENCE, &format!("{device} is served: {is_served}"), || async {
        let shown = shown(world, house).await?;
        let now = shown.devices.iter().any(|known| known.id == device && known.served);
        if now == is_served { Ok(()) } else { Err(format!("{:?}", shown.devices)) }
    })
    .await
}

async fn in_step(world: &World, house: &House) -> Result<(), String> {
    let shown = shown(world, house).await?;
    let config = shown.agents.first().and_then(|agent| agent.heartbeat.as_ref()?.config.clone());
    if config.as_ref().is_some_and(|config| config.in_step) { Ok(()) } else { Err(format!("{config:?}")) }
}

async fn shown(world: &World, house: &House) -> Result<ShownHome, String> {
    let homes = world.api().homes().await.map_err(|error| format!("{error:#}"))?;
    homes.into_iter().find(|home| home.id == house.home.home).ok_or_else(|| "the home is not listed".to_owned())
}

/// Waits for so many presses, whatever the books of a box that is gone say.
async fn pressed(world: &World, count: u64) -> Result<()> {
    until(PATIENCE, &format!("{count} presses"), || async {
        let books = world.api().books().await.map_err(|error| format!("{error:#}"))?;
        if books.alarms == count { Ok(()) } else { Err(format!("{} alarms", books.alarms)) }
    })
    .await
}
