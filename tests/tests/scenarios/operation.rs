//! What an installer, a technician and a wire in the kitchen do with a box that runs, and what it tells them.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::devices::{Button, Crowd, Cuff};
use hempuls_simulators::mischief::{Call, Mischief};
use hempuls_simulators::system::until;
use hempuls_tests::{House, PATIENCE, World, button, cuff, open_of, pressure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::{BUTTON, CUFF, KEY, OTHER_CUFF};

#[tokio::test(flavor = "multi_thread")]
async fn the_cuff_in_the_installers_hand_is_found_among_eighty_adopted_and_seen_to_work() -> Result<()> {
    let world = World::new().await?;
    let _strangers = Crowd::gather(&world.bluez, 80, 7);
    let simulated = world.bluez.add(Cuff::new(CUFF).named("BPM 59"));
    let mut house = world.home("Ada", &[]).await?;
    // What has been in the air for a while was not just used.
    tokio::time::sleep(Duration::from_secs(40)).await;
    ensure!(!simulated.is_paired());

    simulated.measure(pressure(1));
    let candidates = until(PATIENCE, "the cuff is the first", || async {
        let said = house.agent.command(&["devices", "--json"]).await.map_err(|error| format!("{error:#}"))?;
        let candidates: Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
        let first = &candidates[0];
        if first["device"] == CUFF && first["just_used"] == true { Ok(candidates) } else { Err(first.to_string()) }
    })
    .await?;
    ensure!(candidates.as_array().is_some_and(|all| all.len() > 60), "the strangers are there, too");
    ensure!(candidates[0]["name"] == "BPM 59" && candidates[0]["named_by"].is_null(), "{}", candidates[0]);
    let table = house.agent.command(&["devices"]).await?;
    ensure!(table.lines().nth(1).is_some_and(|line| line.contains(CUFF) && line.contains("USED JUST NOW")), "{table}");

    let mut adoption = Talk::begin(&house, &["adopt", CUFF])?;
    for step in ["this home's blood_pressure", "heard", "connected", "it works"] {
        adoption.says(step).await?;
    }
    ensure!(adoption.child.wait().await?.success());
    world.ends_well_with(1, 0).await?;

    world.kill_and_restart(&mut house).await?;
    world.is_up(&mut house).await?;
    ensure!(status(&house).await?["devices"][0]["named_by"] == "an installer");
    simulated.measure(pressure(2));
    world.ends_well_with(2, 0).await?;

    house.agent.command(&["forget", CUFF]).await?;
    ensure!(status(&house).await?["devices"] == serde_json::json!([]));
    simulated.measure(pressure(3));
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.ends_well_with(2, 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_contact_the_person_is_told_so_after_half_a_minute_also_over_a_restart_of_the_box() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home_without_agent("Ada", &[button(BUTTON, KEY)]).await?;
    let heard = hears(&house, &world)?;
    house.agent.start()?;
    world.is_up(&mut house).await?;

    house.cable.cut();
    world.broker_says(&house, false).await?;
    simulated.press();
    let pressed = now();
    waits(&house, 1).await?;
    says(&heard, "no_contact\n").await?;
    ensure!(pressed.elapsed() >= Duration::from_secs(29), "{:?}", pressed.elapsed());

    std::fs::remove_file(&heard)?;
    world.kill_and_restart(&mut house).await?;
    says(&heard, "no_contact\n").await?;
    house.cable.restore();
    says(&heard, "no_contact\nreceived\n").await?;
    world.ends_well_with(0, 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_in_the_kitchen_calls_for_help_and_its_script_learns_that_it_was_received() -> Result<()> {
    let world = World::new().await?;
    let house = world.home("Ada", &[]).await?;
    let mut alarm = Talk::begin(&house, &["alarm", "--name", "kitchen"])?;
    alarm.says("on flash").await?;
    alarm.says("received").await?;
    world.ends_well_with(0, 1).await?;
    let nurse = world.gateway.nurse().await?;
    let alert = open_of(&world.api().alerts().await?, "alarm_pressed")[0].id.clone();
    nurse.claim(&alert).await?;
    alarm.says("taken by a person").await?;
    nurse.say_on_the_way(&alert).await?;
    alarm.says("on the way").await?;
    nurse.close(&alert, "the stove was on").await?;
    alarm.says("closed").await?;

    ensure!(alarm.child.wait().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_stops_within_two_seconds_while_a_device_is_connected_and_the_network_hangs() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let mut house = world.home("Ada", &[cuff(CUFF)]).await?;
    for round in 0..5 {
        simulated.mischief(Mischief::Wedge(Call::StartNotify));
        simulated.measure(pressure(round));
        until(PATIENCE, "the device is connected", || async {
            if simulated.is_connected() { Ok(()) } else { Err("not yet".into()) }
        })
        .await?;
        house.cable.hang();
        let asked = now();
        house.agent.program().stop().await?;
        let took = asked.elapsed();
        ensure!(took < Duration::from_secs(2), "round {round}: {took:?}");
        house.cable.restore();
        house.agent.start()?;
        world.is_up(&mut house).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_finds_an_adapter_that_is_switched_off_and_nothing_wrong_with_a_home_that_works() -> Result<()> {
    let world = World::new().await?;
    let _cuff = world.bluez.add(Cuff::new(CUFF));
    let mut house = world.home("Ada", &[cuff(CUFF)]).await?;
    let findings = examine(&house).await?;
    for about in ["Configuration", "Agent", "Bluetooth", "Adapter", "Pairing", "Certificate", "Gateway"] {
        ensure!(find(&findings, about)?["verdict"] == "good", "{about}: {findings}");
    }
    house.agent.program().stop().await?;
    world.bluez.power(false).await;
    let findings = examine(&house).await?;
    let adapter = find(&findings, "Adapter")?;
    ensure!(adapter["verdict"] == "bad" && adapter["advice"].as_str().unwrap_or("").contains("power on"), "{findings}");
    house.cable.cut();
    let findings = examine(&house).await?;
    ensure!(find(&findings, "Gateway")?["verdict"] == "bad", "{findings}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_home_that_measured_holds_nothing_that_was_measured() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let neighbours = world.bluez.add(Cuff::new(OTHER_CUFF).named("Quists manschett"));
    let pressed = world.bluez.add(Button::new(BUTTON, KEY));
    let house = world.home("Ada Quist", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    simulated.measure(pressure(17));
    neighbours.measure(pressure(18));
    pressed.press();
    world.ends_well_with(1, 1).await?;
    until(PATIENCE, "the neighbour's is heard", || async {
        let said = house.agent.command(&["devices"]).await.map_err(|error| format!("{error:#}"))?;
        if said.contains("Quist") { Ok(()) } else { Err(said) }
    })
    .await?;
    let out = world.folder().join("bundle.tar");
    let log = house.agent.state().with_file_name("agent.log");
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a name in UTF-8");
    house.agent.command(&["bundle", "--out", &text(&out)?, "--log", &text(&log)?]).await?;
    let bundle = std::fs::read(&out)?;
    let has = |bytes: &[u8]| bundle.windows(bytes.len()).any(|window| window == bytes);
    ensure!(has(b"a signal is on flash") && has(CUFF.as_bytes()), "the log and the device are in it");
    let raw = &world.api().readings().await?[0].raw;
    for secret in [raw.as_bytes(), &hex::decode(raw)?, raw.to_uppercase().as_bytes(), &KEY, hex::encode(KEY).as_bytes()]
    {
        ensure!(!has(secret), "{secret:?} is in the bundle");
    }
    ensure!(!has(b"Quist"), "a name is in the bundle");
    Ok(())
}

pub(crate) async fn status(house: &House) -> Result<Value> {
    Ok(serde_json::from_str(&house.agent.command(&["status", "--json"]).await?)?)
}

/// Waits until so many events wait in the agent.
async fn waits(house: &House, events: u64) -> Result<()> {
    until(PATIENCE, "it waits on flash", || async {
        let status = status(house).await.map_err(|error| format!("{error:#}"))?;
        let lines = status["books"].as_array().cloned().unwrap_or_default();
        let waiting: u64 = lines.iter().filter_map(|line| line["waiting"].as_u64()).sum();
        if waiting >= events { Ok(()) } else { Err(status["books"].to_string()) }
    })
    .await
}

async fn examine(house: &House) -> Result<Value> {
    // It ends badly when something is bad; what it printed counts.
    let said = house.agent.ask(&["doctor", "--json"])?.output().await?;
    serde_json::from_slice(&said.stdout).with_context(|| format!("{said:?}"))
}

fn find<'a>(findings: &'a Value, about: &str) -> Result<&'a Value> {
    let all = findings.as_array().context("a list")?;
    all.iter().find(|finding| finding["about"] == about).with_context(|| format!("{about}: {findings}"))
}

/// Lets the agent write down what the home is told.
fn hears(house: &House, world: &World) -> Result<std::path::PathBuf> {
    let heard = world.folder().join("heard");
    let script = format!("echo $1 >> {}", heard.display());
    house.agent.configure(&format!("[feedback.hook]\ncommand = [\"sh\", \"-c\", \"{script}\", \"sh\"]\n"))?;
    Ok(heard)
}

async fn says(heard: &Path, words: &str) -> Result<()> {
    until(PATIENCE, &format!("the home is told {words:?}"), || async {
        let said = std::fs::read_to_string(heard).unwrap_or_default();
        if said == words { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await
}

/// A command of the agent's that goes on talking.
pub(crate) struct Talk {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    pub(crate) fn begin(house: &House, arguments: &[&str]) -> Result<Self> {
        let mut child = house.agent.ask(arguments)?.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        Ok(Self { child, lines })
    }

    /// Reads on until a line says this.
    pub(crate) async fn says(&mut self, what: &str) -> Result<String> {
        let read = async {
            while let Some(line) = self.lines.next_line().await? {
                if line.contains(what) {
                    return Ok(line);
                }
            }
            anyhow::bail!("it ended before it said {what:?}")
        };
        tokio::time::timeout(PATIENCE, read).await.with_context(|| format!("it never said {what:?}"))?
    }
}

#[allow(clippy::disallowed_methods, reason = "a scenario measures how long something takes")]
fn now() -> Instant {
    Instant::now()
}
