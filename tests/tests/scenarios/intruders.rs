//! Only its own (P9): what an agent, or somebody with an agent's certificate, may not do.

use anyhow::{Context as _, Result, ensure};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Content, Event, Kind, Signal};
use hempuls_protocol::ids::{Epoch, Sequence};
use hempuls_protocol::times::{BootId, Taken, Trust};
use hempuls_protocol::wire::envelope::Envelope;
use hempuls_simulators::system::until;
use hempuls_tests::intruder::{Answer, Disguise, Intruder};
use hempuls_tests::{PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_tries_anothers_topic_client_id_or_will_gets_nowhere() -> Result<()> {
    let world = World::new().await?;
    let ada = world.home_without_agent("Ada", &[]).await?;
    let eve = world.home_without_agent("Eve", &[]).await?;
    let identity = eve.agent.identity();
    let port = world.gateway.broker_port();
    let topic = |agent: &str, path: &str| format!("hempuls/v1/{agent}/{path}");
    let (hers, another) = (&eve.home.agent, &ada.home.agent);

    let own_will = topic(hers, "up/status");
    let honest = Disguise { identity: &identity, client_id: hers, will: Some(&own_will) };
    let mut connection = Intruder::connect(port, &honest).await?.context("her own name is let in")?;
    ensure!(connection.subscribe(&topic(another, "down/receipt")).await == Answer::Refused);
    let mut connection = Intruder::connect(port, &honest).await?.context("her own name is let in")?;
    ensure!(connection.subscribe("hempuls/v1/#").await == Answer::Refused);
    let mut connection = Intruder::connect(port, &honest).await?.context("her own name is let in")?;
    ensure!(connection.publish(&topic(another, "up/alarm"), envelope(1, &[good(1)])).await == Answer::Refused);
    let mut connection = Intruder::connect(port, &honest).await?.context("her own name is let in")?;
    ensure!(connection.publish(&topic(hers, "down/receipt"), vec![0]).await == Answer::Refused);

    let as_another = Disguise { client_id: another, ..honest.clone() };
    ensure!(Intruder::connect(port, &as_another).await?.is_none(), "another's client id is refused");
    let anothers_will = topic(another, "up/status");
    let with_anothers_will = Disguise { will: Some(&anothers_will), ..honest.clone() };
    ensure!(Intruder::connect(port, &with_anothers_will).await?.is_none(), "another's last will is refused");
    let alarm_as_will = topic(hers, "up/alarm");
    let with_an_alarm_as_will = Disguise { will: Some(&alarm_as_will), ..honest };
    ensure!(Intruder::connect(port, &with_an_alarm_as_will).await?.is_none(), "a last will is a status, no alarm");

    let books = world.api().books().await?;
    ensure!(books.records == 0 && books.alarms == 0, "nothing of it is stored: {books:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_from_an_unknown_ca_is_refused() -> Result<()> {
    let (world, elsewhere) = (World::new().await?, World::new().await?);
    let stranger = elsewhere.home_without_agent("Eve", &[]).await?;
    let ada = world.home_without_agent("Ada", &[]).await?;
    // The stranger trusts our broker, and brings a certificate from her own CA.
    let read = |file| anyhow::Ok(std::fs::read_to_string(file)?.parse::<toml::Table>()?);
    let (mut hers, ours) = (read(stranger.agent.identity())?, read(ada.agent.identity())?);
    hers.insert("ca".into(), ours["ca"].clone());
    let identity = world.folder().join("stranger.toml");
    std::fs::write(&identity, hers.to_string())?;

    let disguise = Disguise { identity: &identity, client_id: &stranger.home.agent, will: None };
    let let_in = match Intruder::connect(world.gateway.broker_port(), &disguise).await? {
        // With TLS 1.3 the server's refusal may arrive only after the client thinks it is connected.
        Some(mut connection) => connection.subscribe("hempuls/v1/x/down/receipt").await == Answer::Accepted,
        None => false,
    };
    ensure!(!let_in);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_in_each_lane_is_kept_apart_and_its_neighbours_are_stored() -> Result<()> {
    let world = World::new().await?;
    let eve = world.home_without_agent("Eve", &[]).await?;
    let identity = eve.agent.identity();
    let port = world.gateway.broker_port();
    let agent = &eve.home.agent;
    let own_will = format!("hempuls/v1/{agent}/up/status");
    let honest = Disguise { identity: &identity, client_id: agent, will: Some(&own_will) };
    let mut connection = Intruder::connect(port, &honest).await?.context("her own name is let in")?;

    let poison = vec![0xFF, 0x00, 0x13];
    for lane in ["reading", "alarm"] {
        let topic = format!("hempuls/v1/{agent}/up/{lane}");
        let body = envelope(1, &[good(1), poison.clone(), good(3)]);
        ensure!(connection.publish(&topic, body).await == Answer::Accepted);
    }
    let api = world.api();
    let books = until(PATIENCE, "both lanes are in the books", || {
        let api = api.clone();
        async move {
            let books = api.books().await.map_err(|error| error.to_string())?;
            let quarantined: u64 = books.lines.iter().map(|line| line.quarantined).sum();
            if quarantined >= 2 { Ok(books) } else { Err(format!("{books:?}")) }
        }
    })
    .await?;
    for line in &books.lines {
        // A reading in the alarm lane is as foreign there as bytes that mean nothing.
        let stored = if line.lane == "reading" { 2 } else { line.stored };
        ensure!(line.stored == stored && line.quarantined >= 1 && line.balanced, "{line:?}");
        ensure!(line.stored + line.quarantined == 3 && line.waiting == 0 && line.lost == 0, "{line:?}");
    }
    let alerts = world.api().alerts().await?;
    ensure!(alerts.iter().any(|alert| alert.rule == "alarm_unreadable"), "{alerts:?}");

    // A header that means nothing is kept once, however often it comes, and alerts.
    for _ in 0..3 {
        connection.publish(&format!("hempuls/v1/{agent}/up/reading"), vec![0xDE, 0xAD]).await;
    }
    let answer = connection.publish(&format!("hempuls/v1/{agent}/up/reading"), envelope(1, &[good(1)])).await;
    ensure!(answer == Answer::Accepted, "the lane goes on");
    Ok(())
}

fn taken(number: u64) -> Taken {
    Taken { boot: BootId([1; 16]), since_boot_ms: number * 1000, wall_ms: None, trust: Trust::Unknown }
}

fn good(number: u64) -> Vec<u8> {
    let (device, raw) =
        ("F0:F1:F2:F3:F4:F5".parse().expect("a device"), vec![0x00, 0x78, 0x00, 0x50, 0x00, 0x5D, 0x00]);
    let signal = Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, raw);
    let content = Content { taken: taken(number), kind: Kind::Signal(signal) }.to_bytes();
    Event { sequence: Sequence(number), origin: None, content }.to_bytes().to_vec()
}

fn envelope(first: u64, events: &[Vec<u8>]) -> Vec<u8> {
    let events = events.iter().cloned().map(Into::into).collect();
    Envelope::pack(Epoch(0xE7E), Sequence(first), taken(0), events).to_bytes()
}
