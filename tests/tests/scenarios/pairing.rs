//! Keys: made with a number that somebody types, lost, or in another's hands (P5, P10). What cannot be cured is explained.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::bluez::Device;
use hempuls_simulators::devices::Cuff;
use hempuls_simulators::mischief::Mischief;
use hempuls_simulators::system::until;
use hempuls_tests::{House, PATIENCE, World, cuff, open_of, pressure};
use tokio::io::AsyncWriteExt as _;

use crate::CUFF;
use crate::operation::{Talk, status};
use crate::traps::has_hung_up;

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_types_the_number_that_the_cuff_shows_and_it_is_never_asked_for_again() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).showing(42_731));
    let mut house = world.home("Ada", &[]).await?;

    let mut adoption = Talk::begin(&house, &["adopt", CUFF, "--kind", "blood_pressure"])?;
    adoption.says("adopted").await?;
    simulated.measure(pressure(1));
    shows_itself(&simulated, async {
        adoption.says("it shows a number").await?;
        adoption.types("4273").await?;
        adoption.says("six digits").await?;
        adoption.types("042 731").await?;
        adoption.says("it works").await.map(drop)
    })
    .await?;
    ensure!(adoption.child.wait().await?.success());
    world.ends_well_with(1, 0).await?;

    world.kill_and_restart(&mut house).await?;
    world.somebody_scans().await?;
    simulated.measure(pressure(2));
    world.ends_well_with(2, 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_whose_number_nobody_types_is_before_the_team_in_words() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).showing(42_731));
    let house = world.home("Ada", &[cuff(CUFF)]).await?;
    simulated.measure(pressure(1));
    shows_itself(&simulated, is_in_trouble(&world, &house, "it shows a number and nobody typed it")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_that_has_lost_its_keys_is_paired_anew_and_nobody_need_know() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).bonding());
    let _house = world.home("Ada", &[cuff(CUFF)]).await?;
    simulated.measure(pressure(1));
    world.ends_well_with(1, 0).await?;
    has_hung_up(&simulated).await?;

    simulated.lose_keys();
    simulated.measure(pressure(2));
    shows_itself(&simulated, world.ends_well_with(2, 0)).await?;
    ensure!(open_of(&world.api().alerts().await?, "device_trouble").is_empty(), "there is nothing to do for anybody");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_that_was_paired_with_a_phone_is_before_the_team_in_words_until_it_is_free() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF).bonding());
    let house = world.home("Ada", &[cuff(CUFF)]).await?;
    simulated.measure(pressure(1));
    world.ends_well_with(1, 0).await?;
    has_hung_up(&simulated).await?;

    simulated.lose_keys();
    simulated.mischief(Mischief::RefusePairing);
    simulated.measure(pressure(2));
    shows_itself(&simulated, is_in_trouble(&world, &house, "it was paired with something else, such as a phone"))
        .await?;
    simulated.behave();
    shows_itself(&simulated, world.ends_well_with(2, 0)).await?;
    until(PATIENCE, "it is not said any more", || async {
        let status = status(&house).await.map_err(|error| format!("{error:#}"))?;
        if status["devices"][0]["trouble"].is_null() { Ok(()) } else { Err(status["devices"].to_string()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cuff_that_a_phone_holds_on_to_is_before_the_team_in_words_until_it_lets_go() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Cuff::new(CUFF));
    let house = world.home("Ada", &[cuff(CUFF)]).await?;
    simulated.mischief(Mischief::Mute);
    simulated.measure(pressure(1));
    shows_itself(&simulated, is_in_trouble(&world, &house, "it is heard but takes no connection")).await?;
    simulated.behave();
    shows_itself(&simulated, world.ends_well_with(1, 0)).await?;
    Ok(())
}

/// Its owner holds its button until this has come to pass.
async fn shows_itself<T>(simulated: &Device<Cuff>, until_then: impl Future<Output = Result<T>>) -> Result<T> {
    let holds = async {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if !simulated.is_connected() {
                simulated.advertise();
            }
        }
    };
    tokio::select! {
        done = until_then => done,
        () = holds => unreachable!("it is held on"),
    }
}

/// Waits until the box and the team say what is wrong.
async fn is_in_trouble(world: &World, house: &House, words: &str) -> Result<()> {
    until(Duration::from_secs(150), words, || async {
        let status = status(house).await.map_err(|error| format!("{error:#}"))?;
        let trouble = status["devices"][0]["trouble"].as_str().unwrap_or("nothing").to_owned();
        if trouble.contains(words) { Ok(()) } else { Err(trouble) }
    })
    .await?;
    until(PATIENCE, "the team knows", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if open_of(&alerts, "device_trouble").is_empty() { Err("no alert".into()) } else { Ok(()) }
    })
    .await
}

impl Talk {
    /// Types a line.
    async fn types(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("it has an input")?;
        Ok(stdin.write_all(format!("{line}\n").as_bytes()).await?)
    }
}
