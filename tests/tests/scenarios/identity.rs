//! Who a box is, over the years: its next certificate, the way back from the cupboard, boxes that are retired by mistake
//! or stolen, and what is pressed while one is being installed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_gateway::pki::{Ca, ServerFiles};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::{Button, Clock, Cuff};
use hempuls_simulators::system::{Agent, until};
use hempuls_tests::{House, PATIENCE, Settings, World, button, copy_folder, cuff, open_of, pressure};
use jiff::{SignedDuration, Timestamp};

use crate::impostor::Impostor;
use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn a_box_gets_its_next_certificate_in_time_and_its_key_never_leaves_it() -> Result<()> {
    let life = Duration::from_secs(20);
    let world = World::with(Settings { certificate_life: life, ..Settings::default() }).await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let mut house = world.home_without_agent("Ada", &[cuff(CUFF)]).await?;
    let enrolled = Moment::now().instant;
    let first = kept(&house)?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    simulated.measure(pressure(1));

    let second = until(life, "the next certificate", || async {
        let now = kept(&house).map_err(|error| format!("{error:#}"))?;
        if now.certificate == first.certificate { Err("it has the first one still".into()) } else { Ok(now) }
    })
    .await?;
    let age = enrolled.elapsed();
    ensure!(age >= life / 2 && age < life, "renewed after {age:?} of {life:?}");
    ensure!(second.key != first.key, "a copy of yesterday's flash would be good still");
    tokio::time::sleep(life.saturating_sub(enrolled.elapsed())).await;
    simulated.measure(pressure(2));
    world.ends_well_with(2, 0).await?;
    ensure!(open_of(&world.api().alerts().await?, "agent_identity").is_empty(), "nobody needs to know");
    let kept = everything_in(world.gateway.data())?;
    for key in [first.key, second.key] {
        ensure!(!kept.windows(key.len()).any(|window| window == key.as_bytes()), "a key has left its box");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_from_the_cupboard_whose_clock_says_1970_comes_back_by_itself_and_brings_the_press_it_held() -> Result<()>
{
    let life = Duration::from_secs(10);
    let world = World::with(Settings { certificate_life: life, ..Settings::default() }).await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home_without_agent("Ada", &[button(BUTTON, KEY)]).await?;
    let enrolled = Moment::now().instant;
    house.cable.cut();
    house.agent.start()?;
    world.somebody_scans().await?;
    simulated.press();
    holds(&house.agent, 1 + BEGAN).await?;
    house.agent.program().stop().await?;
    tokio::time::sleep((life + Duration::from_secs(1)).saturating_sub(enrolled.elapsed())).await;

    house.agent.program().wears_a_clock(world.folder())?.shows(Timestamp::UNIX_EPOCH)?;
    house.cable.restore();
    house.agent.start()?;
    world.ends_well_with(0, 1).await.with_context(|| house.agent.program().last_words())?;
    let alerts = world.api().alerts().await?;
    ensure!(open_of(&alerts, "agent_identity").len() == 1, "somebody is told: {alerts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_lets_no_expired_server_in_and_keeps_nobody_from_the_right_one() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let mut house = world.home_without_agent("Ada", &[cuff(CUFF)]).await?;
    // Somebody has the key and the certificate that the gateway's server had until some time ago.
    let now = Moment::now().utc;
    let (made, then) = (now - SignedDuration::from_hours(800 * 24), now - SignedDuration::from_hours(600 * 24));
    let folder = world.folder().join("an-old-backup");
    copy_folder(&world.gateway.data().join("ca"), &folder)?;
    for name in ["server.pem", "server-key.pem"] {
        std::fs::remove_file(folder.join(name))?;
    }
    let authority = Ca::open(&folder, made.as_millisecond())?;
    let (files, _): (ServerFiles, bool) = authority.server(&["127.0.0.1"], made.as_millisecond())?;
    let impostor = Impostor::with(&files)?;
    let right = world.gateway.broker_port();
    house.agent.configure(&format!(
        "[[uplink]]\nbroker = \"127.0.0.1:{}\"\n[[uplink]]\nbroker = \"127.0.0.1:{right}\"\n",
        impostor.port()
    ))?;
    house.agent.program().wears_a_clock(world.folder())?.shows(then)?;
    house.agent.start()?;

    world.is_up(&mut house).await?;
    simulated.measure(pressure(1));
    world.ends_well_with(1, 0).await?;
    ensure!(impostor.asked() > 0, "the agent never came to the impostor");
    ensure!(impostor.believed() == 0, "the agent believed a certificate that has expired");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_retired_by_mistake_brings_what_it_has_and_hears_again_when_that_is_taken_back() -> Result<()> {
    let world = World::new().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    house.cable.cut();
    world.broker_says(&house, false).await?;
    simulated_cuff.measure(pressure(1));
    until(PATIENCE, "the cuff saw it confirmed", || async {
        if simulated_cuff.ledger().confirmed().len() == 1 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    world.gateway.decide("retire", &house.home.agent, "Siv").await?;
    house.cable.restore();
    world.ends_well_with(1, 0).await?;

    says(&house, "retired", true).await?;
    simulated_button.press();
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.ends_well_with(1, 0).await?;
    // It knows so without the network, and over a restart.
    world.kill_and_restart(&mut house).await?;
    world.broker_says(&house, true).await?;
    says(&house, "retired", true).await?;

    world.gateway.decide("unretire", &house.home.agent, "Siv").await?;
    says(&house, "retired", false).await?;
    world.somebody_scans().await?;
    simulated_button.press();
    world.ends_well_with(1, 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_box_is_cut_off_with_the_alarm_it_holds_and_the_new_one_is_let_in() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home("Ada", &[button(BUTTON, KEY)]).await?;
    simulated.press();
    world.ends_well_with(0, 1).await?;
    house.cable.cut();
    world.broker_says(&house, false).await?;
    simulated.press();
    holds(&house.agent, 1).await?;

    world.gateway.decide("revoke", &house.home.agent, "Siv").await?;
    house.cable.restore();
    until(PATIENCE, "the box learns that it is revoked", || async {
        let said = std::fs::read_to_string(house.agent.state().with_file_name("agent.log")).unwrap_or_default();
        if said.contains("This agent is revoked") { Ok(()) } else { Err("it does not say so".into()) }
    })
    .await?;
    holds(&house.agent, 1).await?;
    ensure!(world.api().books().await?.alarms == 1, "it was let in");

    let folder = world.folder().join("the-new-box");
    let (bus, beat) = (world.bus_address(), Duration::from_millis(500));
    let mut new = Agent::install(&world.programs, &folder, bus, beat, &[button(BUTTON, KEY)])?;
    new.enrol(&world.gateway, &world.gateway.add_box(&house.home).await?).await?;
    house.agent.program().kill().await;
    new.start()?;
    world.somebody_scans().await?;
    simulated.press();
    world.ends_with(0, 2).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_while_the_box_is_being_installed_is_an_alarm_and_says_so() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let home = world.gateway.add_home("Ada").await?;
    let person = world.gateway.add_person("Ada", &home).await?;
    world.gateway.add_device(BUTTON, "alarm_button", &home).await?;
    world.gateway.assign(BUTTON, &person, None).await?;
    let folder = world.folder().join("box");
    let (bus, beat) = (world.bus_address(), Duration::from_millis(500));
    let mut agent = Agent::install(&world.programs, &folder, bus, beat, &[button(BUTTON, KEY)])?;
    agent.start()?;
    world.somebody_scans().await?;
    simulated.press();
    holds(&agent, 1 + BEGAN).await?;

    agent.enrol(&world.gateway, &home).await?;
    world.ends_well_with(0, 1).await?;
    simulated.press();
    world.ends_well_with(0, 2).await?;
    let alerts = world.api().alerts().await?;
    let lines = open_of(&alerts, "alarm_pressed").into_iter().flat_map(|alert| &alert.lines);
    let pressed: Vec<_> = lines.filter(|line| line.kind == "alarm_pressed").collect();
    let installing: Vec<_> = pressed.iter().map(|line| line.text.contains("medan boxen installerades")).collect();
    ensure!(installing == [true, false], "{pressed:?}");
    Ok(())
}

struct Kept {
    certificate: String,
    /// A line of the key.
    key: String,
}

fn kept(house: &House) -> Result<Kept> {
    let identity: toml::Table = std::fs::read_to_string(house.agent.identity())?.parse()?;
    let part = |name: &str| identity[name].as_str().map(str::to_owned).context("a part of the identity");
    let key = part("key")?.lines().nth(1).context("the first line of the key")?.to_owned();
    Ok(Kept { certificate: part("certificate")?, key })
}

fn everything_in(folder: &Path) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        all.extend(if path.is_dir() { everything_in(&path)? } else { std::fs::read(path)? });
    }
    Ok(all)
}

/// Every lane begins with an event of its own.
const BEGAN: u64 = 1;

/// Waits until so many events wait in a box's lane of alarms.
async fn holds(agent: &Agent, events: u64) -> Result<()> {
    until(PATIENCE, &format!("{events} events wait in the lane of alarms"), || async {
        let status = status(agent).await?;
        let lines = status["books"].as_array().cloned().unwrap_or_default();
        let of_alarms = lines.iter().filter(|line| line["lane"] == "alarm");
        let waiting: u64 = of_alarms.filter_map(|line| line["waiting"].as_u64()).sum();
        if waiting == events { Ok(()) } else { Err(status["books"].to_string()) }
    })
    .await
}

async fn status(agent: &Agent) -> Result<serde_json::Value, String> {
    let said = agent.command(&["status", "--json"]).await.map_err(|error| format!("{error:#}"))?;
    serde_json::from_str(&said).map_err(|error| error.to_string())
}

/// Waits until a box says so of itself.
async fn says(house: &House, what: &str, is_so: bool) -> Result<()> {
    until(PATIENCE, &format!("the box says {what}: {is_so}"), || async {
        let status = status(&house.agent).await?;
        if status[what] == is_so { Ok(()) } else { Err(status.to_string()) }
    })
    .await
}
