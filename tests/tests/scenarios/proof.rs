//! The chain is proven (P5), and installed means proven (P10).

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::{Button, Cuff};
use hempuls_simulators::system::{Alert, ShownHome, until};
use hempuls_tests::{House, PATIENCE, Settings, World, button, cuff, open_of, pressure};
use sqlx::Executor as _;

use crate::{BUTTON, CUFF, KEY};

/// How often homes of scenarios make tests.
const EVERY: Duration = Duration::from_secs(1);

fn settings(too_old: Duration) -> Settings {
    Settings { silent_tests: Some((EVERY, too_old)), ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_proves_its_way_to_people_silently_nobody_is_disturbed_and_presses_meanwhile_are_not_delayed()
-> Result<()> {
    let world = World::with(settings(Duration::from_secs(60))).await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let house = world.home("Ada", &[button(BUTTON, KEY)]).await?;
    let first = proven_after(&world, &house, None).await?;
    ensure!(world.api().alerts().await?.is_empty(), "a test disturbs somebody");

    let mut slowest = Duration::ZERO;
    for pressed in 1..=5 {
        simulated.press();
        let began = Moment::now().instant;
        until(PATIENCE, "the press is before the team", || async {
            let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
            let lines = hempuls_tests::pressed_lines(&alerts);
            if lines == pressed { Ok(()) } else { Err(format!("{lines} presses")) }
        })
        .await?;
        slowest = slowest.max(began.elapsed());
    }
    println!("the slowest press was before the team after {slowest:?}");
    ensure!(slowest < Duration::from_secs(5), "a press waited for {slowest:?}");
    proven_after(&world, &house, Some(&first)).await?;
    world.ends_well_with(0, 5).await?;
    let rules: BTreeSet<String> = world.api().alerts().await?.into_iter().map(|alert| alert.rule).collect();
    ensure!(rules == BTreeSet::from(["alarm_pressed".to_owned()]), "{rules:?}");
    let page = world.gateway.nurse().await?.read("/homes").await?;
    ensure!(page.contains("Larmvägen provad"), "{page}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_is_in_service_once_somebody_has_seen_its_reading_and_taken_care_of_its_press_and_not_before()
-> Result<()> {
    let world = World::with(settings(Duration::from_secs(60))).await?;
    let (simulated, pressure_cuff) = (world.bluez.add(Button::new(BUTTON, KEY)), world.bluez.add(Cuff::new(CUFF)));
    let house = world.home("Ada", &[button(BUTTON, KEY), cuff(CUFF)]).await?;
    let nurse = world.gateway.nurse().await?;
    misses(&world, &house, &["plan", "press", "reading"]).await?;
    world.gateway.set_plan(&house.person, &[]).await?;
    let page = nurse.read(&format!("/homes/{}", house.home.home)).await?;
    ensure!(page.contains("Inte i drift") && page.contains("ett riktigt tryck på knappen"), "{page}");

    simulated.press();
    pressure_cuff.measure(pressure(1));
    misses(&world, &house, &["close", "look"]).await?;
    nurse.read(&format!("/persons/{}", house.person)).await?;
    misses(&world, &house, &["close"]).await?;
    let alerts = world.api().alerts().await?;
    let alert = &open_of(&alerts, "alarm_pressed").first().context("an alert")?.id;
    nurse.claim(alert).await?;
    nurse.close(alert, "The installer pressed it").await?;
    misses(&world, &house, &[]).await?;
    ensure!(shown(&world, &house).await?.in_service, "nothing is missing");
    let page = nurse.read("/homes").await?;
    ensure!(page.contains("I drift") && !page.contains("Inte i drift"), "{page}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_whose_press_would_reach_nobody_is_told_of_once_and_the_alert_ends_when_somebody_is_back() -> Result<()>
{
    let world = World::with(settings(Duration::from_secs(4))).await?;
    let house = world.home("Ada", &[]).await?;
    proven_after(&world, &house, None).await?;
    let mut store = world.open_the_store().await?;
    store.execute("UPDATE account SET disabled_ms = 1").await?;

    says(&world, 1, "fann ingen att nå").await?;
    let page_of = shown(&world, &house).await?;
    ensure!(page_of.missing.iter().any(|missing| missing.what == "recipient"), "{page_of:?}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    says(&world, 1, "fann ingen att nå").await?;
    store.execute("UPDATE account SET disabled_ms = NULL").await?;
    says(&world, 2, "kom hela vägen").await?;
    let [alert] = &unproven(&world).await?[..] else { anyhow::bail!("more than one") };
    ensure!(alert.state == "closed", "{alert:?}");
    Ok(())
}

/// Waits until a test has come all the way, later than that one. Says when.
async fn proven_after(world: &World, house: &House, before: Option<&str>) -> Result<String> {
    until(PATIENCE, "a silent test comes all the way", || async {
        let home = shown(world, house).await.map_err(|error| format!("{error:#}"))?;
        let chain = home.agents.into_iter().next().and_then(|agent| agent.chain);
        let proven = chain.as_ref().and_then(|chain| chain.proven_at.clone());
        proven.filter(|at| before.is_none_or(|before| at.as_str() > before)).ok_or_else(|| format!("{chain:?}"))
    })
    .await
}

/// Waits until these are what a home misses.
async fn misses(world: &World, house: &House, expected: &[&str]) -> Result<()> {
    until(PATIENCE, &format!("only {expected:?} is missing"), || async {
        let home = shown(world, house).await.map_err(|error| format!("{error:#}"))?;
        let mut missing: Vec<&str> = home.missing.iter().map(|missing| missing.what.as_str()).collect();
        missing.sort_unstable();
        if missing == expected { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await
}

async fn shown(world: &World, house: &House) -> Result<ShownHome> {
    let homes = world.api().homes().await?;
    homes.into_iter().find(|home| home.id == house.home.home).context("the home is not shown")
}

async fn unproven(world: &World) -> Result<Vec<Alert>> {
    let alerts = world.api().alerts().await?;
    Ok(alerts.into_iter().filter(|alert| alert.rule == "home_unproven").collect())
}

/// Waits until the one case about it has so many lines, of which the last says that.
async fn says(world: &World, lines: usize, words: &str) -> Result<()> {
    until(PATIENCE, &format!("{lines} lines, the last: {words}"), || async {
        let alerts = unproven(world).await.map_err(|error| format!("{error:#}"))?;
        let [alert] = &alerts[..] else { return Err(format!("{} cases", alerts.len())) };
        let of_it: Vec<_> = alert.lines.iter().filter(|line| line.text.contains("prov")).collect();
        match of_it.last() {
            Some(last) if of_it.len() == lines && last.text.contains(words) => Ok(()),
            _ => Err(format!("{:?}", alert.lines)),
        }
    })
    .await
}
