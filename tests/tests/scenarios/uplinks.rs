//! More than one way to the gateway (P4).

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::Button;
use hempuls_simulators::system::{Cable, free_port};
use hempuls_tests::{World, button};

use crate::{BUTTON, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn a_press_goes_over_the_way_that_works_when_one_hangs_one_is_dead_and_one_swallows_everything() -> Result<()> {
    let world = World::new().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home_without_agent("Ada", &[button(BUTTON, KEY)]).await?;
    let (hangs, swallows) = (&house.cable, Cable::lay(world.gateway.broker_port()).await?);
    swallows.hang();
    let mut uplinks = String::new();
    for port in [hangs.port(), free_port()?, swallows.port(), world.gateway.broker_port()] {
        writeln!(uplinks, "[[uplink]]\nbroker = \"127.0.0.1:{port}\"")?;
    }
    house.agent.configure(&uplinks)?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    uses(&house.agent.command(&["status", "--json"]).await?, 1)?;

    house.cable.hang();
    let pressed = Moment::now().instant;
    simulated.press();
    world.ends_well_with(0, 1).await?;
    // Ten seconds for the receipt on the first, fifteen for the third to answer.
    let took = pressed.elapsed();
    ensure!(took < Duration::from_secs(32), "{took:?}");
    uses(&house.agent.command(&["status", "--json"]).await?, 4)
}

fn uses(status: &str, way: u32) -> Result<()> {
    let status: serde_json::Value = serde_json::from_str(status)?;
    ensure!(status["uplink"] == serde_json::json!([way, 4]), "{status}");
    Ok(())
}
