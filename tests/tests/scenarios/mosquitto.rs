//! A Mosquitto between the homes and the gateway, configured as `packaging/mosquitto` says.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_gateway::pki::Ca;
use hempuls_simulators::clock::Moment;
use hempuls_simulators::devices::{Button, Clock, Cuff};
use hempuls_simulators::system::until;
use hempuls_tests::backlog::fill;
use hempuls_tests::intruder::{Answer, Disguise, Intruder};
use hempuls_tests::{PATIENCE, World, button, cuff, open_of, pressed_lines, pressure};
use serde_json::Value;

use crate::{BUTTON, CUFF, KEY};

#[tokio::test(flavor = "multi_thread")]
async fn behind_mosquitto_a_home_measures_calls_for_help_and_is_answered_also_when_it_was_away() -> Result<()> {
    let (world, mut mosquitto) = World::behind_mosquitto().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let house = world.home("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    simulated_cuff.measure(pressure(1));
    simulated_button.press();
    world.ends_well_with(1, 1).await?;

    mosquitto.program().kill().await;
    world.broker_says(&house, false).await?;
    simulated_cuff.measure(pressure(2));
    simulated_button.press();
    mosquitto.program().start()?;
    world.ends_well_with(2, 2).await?;
    world.broker_says(&house, true).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_mosquitto_nobody_speaks_for_another_home_or_throws_it_out_and_a_stolen_box_is_not_heard() -> Result<()> {
    let (world, mosquitto) = World::behind_mosquitto().await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY));
    let ada = world.home("Ada", &[button(BUTTON, KEY)]).await?;
    let eve = world.home_without_agent("Eve", &[]).await?;
    let (identity, port) = (eve.agent.identity(), mosquitto.port());
    let topic = |agent: &str, path: &str| format!("hempuls/v1/{agent}/{path}");
    let (hers, another) = (&eve.home.agent, &ada.home.agent);

    // Mosquitto lets any last will in, and publishes one's own only.
    let unread = || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        Ok::<_, String>(open_of(&alerts, "alarm_unreadable").len())
    };
    let (own, anothers) = (topic(hers, "up/alarm"), topic(another, "up/alarm"));
    for will in [&anothers, &own] {
        let disguise = Disguise { identity: &identity, client_id: hers, will: Some(will) };
        drop(Intruder::connect(port, &disguise).await?.context("she is let in")?);
    }
    until(PATIENCE, "her own last will is before the team", || async {
        if unread().await? > 0 { Ok(()) } else { Err("not yet".into()) }
    })
    .await?;
    // She may call herself what she likes: it is her certificate's name that counts.
    let as_another = Disguise { identity: &identity, client_id: another, will: None };
    let mut connection = Intruder::connect(port, &as_another).await?.context("her own certificate is let in")?;
    ensure!(connection.publish(&topic(another, "up/alarm"), vec![0]).await == Answer::Refused);
    ensure!(connection.publish(&topic(hers, "down/receipt"), vec![0]).await == Answer::Refused);
    // Mosquitto says yes to any subscription, and brings nothing.
    connection.subscribe("hempuls/v1/#").await;
    simulated.press();
    world.ends_well_with(0, 1).await?;
    ensure!(connection.heard(Duration::from_secs(1)).await.is_empty(), "she hears another's press");
    let log = std::fs::read_to_string(ada.agent.state().with_file_name("agent.log"))?;
    ensure!(log.matches("connected to the gateway").count() == 1, "she was thrown out: {log}");

    ensure!(unread().await == Ok(1), "her last will spoke for another");

    world.gateway.decide("revoke", another, "Siv").await?;
    simulated.press();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let alerts = world.api().alerts().await?;
    ensure!(pressed_lines(&alerts) == 1, "{:?}", open_of(&alerts, "alarm_pressed"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_without_gateway_leaves_nothing_at_mosquitto_and_the_last_press_is_stored_first() -> Result<()> {
    a_week_without_gateway(None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_without_gateway_on_a_line_of_32_kilobits_leaves_nothing_at_mosquitto_and_keeps_no_press_waiting()
-> Result<()> {
    a_week_without_gateway(Some(32_000)).await
}

/// The days are short: each begins with a start of the box, a day later by its clocks.
async fn a_week_without_gateway(bits_per_second: Option<u64>) -> Result<()> {
    const WAITING: u32 = 1_000;
    const DAYS: usize = 7;
    let (mut world, mosquitto) = World::behind_mosquitto().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF).with_clock(Clock::Absent));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let mut house = world.home_without_agent("Ada", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    fill(&house, CUFF, WAITING).await?;
    if let Some(bits) = bits_per_second {
        house.cable.carries_at_most(bits);
    }
    world.gateway.program().stop().await?;
    for day in 1..=DAYS {
        house.agent.start()?;
        world.somebody_scans().await?;
        simulated_cuff.measure(pressure(u16::try_from(day)?));
        simulated_button.press();
        until(PATIENCE, "it waits in the box, which is connected", || async {
            let said = house.agent.command(&["status", "--json"]).await.map_err(|error| format!("{error:#}"))?;
            let status: Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
            let waits = |lane: &str| {
                let lines = status["books"].as_array().into_iter().flatten();
                lines.filter(|line| line["lane"] == lane).filter_map(|line| line["waiting"].as_u64()).sum::<u64>()
            };
            // Each lane begins with an event of its own.
            let (alarms, readings) = (day as u64 + 1, u64::from(WAITING) + day as u64 + 1);
            let is_so = status["connected"] == true && waits("alarm") >= alarms && waits("reading") >= readings;
            if is_so { Ok(()) } else { Err(said) }
        })
        .await?;
        // Long enough for what waits to be offered.
        tokio::time::sleep(Duration::from_secs(3)).await;
        if day < DAYS {
            house.agent.program().stop().await?;
            house.agent.program().time_passes(Duration::from_secs(24 * 60 * 60));
        }
    }

    let held = held(&world, mosquitto.port()).await?;
    let log = std::fs::read_to_string(house.agent.state().with_file_name("agent.log"))?;
    let said = log.matches("no gateway is at the broker").count();
    ensure!(said == DAYS, "that there is no gateway stands {said} times in the log of {DAYS} starts");
    let Held { messages, given, given_bytes, bytes } = held;
    println!(
        "in the week Mosquitto was given {given} messages, {given_bytes} bytes; it holds {messages} for the gateway, and \
         {bytes} bytes in all"
    );
    ensure!(messages == 0, "it holds {messages} messages for the gateway");
    ensure!(given_bytes > 10_000, "hardly anything was offered to it");
    // Its own figures, which it is just saying.
    ensure!(bytes < 512, "it holds {bytes} bytes");

    world.gateway.start().await?;
    let since = Moment::now().instant;
    until(PATIENCE, "the last press is on the work list", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if pressed_lines(&alerts) == DAYS { Ok(()) } else { Err(format!("{} presses", pressed_lines(&alerts))) }
    })
    .await?;
    println!("the last press was on the work list {} ms after the gateway was back", since.elapsed().as_millis());
    let since = Moment::now().instant;
    simulated_button.press();
    until(PATIENCE, "a press among what drains is on the work list", || async {
        let alerts = world.api().alerts().await.map_err(|error| format!("{error:#}"))?;
        if pressed_lines(&alerts) == DAYS + 1 { Ok(()) } else { Err(format!("{} presses", pressed_lines(&alerts))) }
    })
    .await?;
    let took = since.elapsed();
    let drained = world.api().books().await?.records;
    println!("a press while {drained} readings were stored took {} ms", took.as_millis());
    ensure!(took < Duration::from_secs(10), "it took {took:?}");
    world.ends_well_with(WAITING as usize + DAYS, DAYS + 1).await?;

    let mut store = world.open_the_store().await?;
    let stored = "SELECT min(stored_ms) FROM event WHERE kind = $1 AND seq > $2";
    let (alarm, reading): (i64, i64) = (
        sqlx::query_scalar(stored).bind("alarm").bind(DAYS as i64).fetch_one(&mut store).await?,
        sqlx::query_scalar(stored).bind("signal").bind(0).fetch_one(&mut store).await?,
    );
    ensure!(alarm <= reading, "the last press was stored {} ms after the first reading", alarm - reading);
    Ok(())
}

/// What a Mosquitto says of itself.
struct Held {
    /// What it had for the gateway.
    messages: usize,
    given: u64,
    given_bytes: u64,
    bytes: u64,
}

/// Asks it in the gateway's name, which is away.
async fn held(world: &World, port: u16) -> Result<Held> {
    let ca = Ca::open(&world.gateway.data().join("ca"), Moment::now().utc.as_millisecond())?;
    let mut connection = Intruder::as_gateway(port, &ca).await?;
    let messages = connection.heard(Duration::from_secs(1)).await.len();
    // It says a figure only when that has changed: that it says all of them changes some.
    ensure!(connection.subscribe("$SYS/broker/#").await == Answer::Accepted);
    let heard = connection.heard(Duration::from_secs(4)).await;
    let last = |topic: &str| {
        let said = heard.iter().rev().find(|(at, _)| at == &format!("$SYS/broker/{topic}"));
        said.and_then(|(_, said)| said.parse().ok()).with_context(|| format!("it does not say {topic}: {heard:?}"))
    };
    Ok(Held {
        messages,
        given: last("publish/messages/received")?,
        given_bytes: last("publish/bytes/received")?,
        bytes: last("store/messages/bytes")?,
    })
}
