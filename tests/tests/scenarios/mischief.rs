//! A whole home in which things go wrong all the time.

use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::home::Home;
use hempuls_tests::{PATIENCE, World};

/// A day takes six seconds.
const SPEED: f64 = 24.0 * 3600.0 / 6.0;
const RATES: &str = "hang_up=6%,wedge=2%,malformed=3%,abort=3%,mute=2%,no_services=2%,chatter=2%,\
    restart_bluetoothd=1/d,adapter_off=0.3/d";

#[tokio::test(flavor = "multi_thread")]
async fn of_a_week_full_of_mischief_everything_that_was_heard_arrives() -> Result<()> {
    let world = World::new().await?;
    let mut simulated = Home::furnish(world.bluez.clone(), 3).with_mischief(RATES.parse()?, 4);
    let _house = world.home("Ada", &simulated.served()).await?;

    let a_week_ago = Moment::now().wall().date().saturating_sub(jiff::Span::new().days(7));
    simulated.live(a_week_ago, 7, SPEED).await?;
    simulated.calm().await;
    world.somebody_scans().await?;
    simulated.tell_all(PATIENCE).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let truth = simulated.truth();
    println!("{} tricks; {truth:?}", simulated.played().len());
    let api = world.api();
    let (minutes, singly): (Vec<_>, Vec<_>) = {
        let readings = api.readings().await?;
        readings.into_iter().partition(|reading| reading.device == simulated.strap.address().to_string())
    };
    ensure!(
        (truth.heard..=truth.heard + simulated.cut_off()).contains(&singly.len()),
        "{} records: {truth:?}",
        singly.len()
    );
    ensure!(minutes.is_empty() == (truth.streamed.heard == 0), "{} minutes: {truth:?}", minutes.len());
    let books = world.ends_well_with(singly.len() + minutes.len(), truth.presses_heard).await?;
    ensure!(books.alarms == truth.pressed as u64, "{} alarms: {truth:?}", books.alarms);
    Ok(())
}
