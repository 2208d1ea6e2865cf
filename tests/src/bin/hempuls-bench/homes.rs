//! So many homes at one gateway: connected over mutual TLS, each with a heartbeat in its time, and somebody who presses among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_gateway::config::Config;
use hempuls_gateway::run;
use hempuls_gateway::store::query_scalar;
use hempuls_simulators::clock::Moment;
use hempuls_simulators::system::{Gateway, Programs, Settings, free_port};
use hempuls_tests::process::{memory_mib, scheduled_ns};
use hempuls_tests::throng::{Sender, config_file, settle};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::ingest::{Spans, load};
use super::now;

/// A box says that it lives so often.
const EVERY: Duration = Duration::from_secs(60);

/// So many boxes shake hands at a time: after a power cut they come as fast as the gateway lets them in.
const TOGETHER: usize = 64;

pub(crate) async fn run(programs: Programs, homes: usize, minutes: u32, presses: usize) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("hempuls-bench-").tempdir_in(".")?;
    let mut gateway = Gateway::install(&programs, folder.path(), free_port()?, &Settings::default())?;
    let mut members = settle(&gateway, homes + 1).await?;
    gateway.start().await?;
    let id = gateway.program().id().context("the gateway runs")?;
    let port = gateway.broker_port();
    let mut nurse = Sender::new(members.pop().context("one who presses")?, port);
    nurse.connect().await?;
    let bare = memory_mib(id)?;

    let (started, before) = (now(), scheduled_ns(id)?);
    let doors = Arc::new(Semaphore::new(TOGETHER));
    let mut arriving = JoinSet::new();
    for member in members {
        let doors = Arc::clone(&doors);
        arriving.spawn(async move {
            let _door = doors.acquire().await?;
            let mut sender = Sender::new(member, port);
            sender.connect().await?;
            Ok::<_, anyhow::Error>(sender)
        });
    }
    let mut senders = Vec::with_capacity(homes);
    while let Some(arrived) = arriving.join_next().await {
        senders.push(arrived??);
        if senders.len().is_multiple_of(1_000) {
            eprint!("\r{} homes connected ", senders.len());
        }
    }
    let took = started.elapsed();
    let cpu = (scheduled_ns(id)? - before) as f64 / 1e9;
    eprintln!();
    println!(
        "| {homes} homes connect | {:.0} s, {:.1} ms of CPU of the gateway each |",
        took.as_secs_f64(),
        cpu * 1e3 / homes as f64
    );

    let (beats, cut_off) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU32::new(0)));
    let (started, before) = (now(), scheduled_ns(id)?);
    let mut living = JoinSet::new();
    for (number, mut sender) in senders.into_iter().enumerate() {
        let (beats, cut_off) = (Arc::clone(&beats), Arc::clone(&cut_off));
        living.spawn(async move {
            sender.listen_for(EVERY.mul_f64(number as f64 / homes as f64)).await;
            for _ in 0..minutes {
                sender.connect().await?;
                sender.beat()?;
                beats.fetch_add(1, Ordering::Relaxed);
                sender.listen_for(EVERY).await;
            }
            cut_off.fetch_add(sender.connects - 1, Ordering::Relaxed);
            Ok::<_, anyhow::Error>(sender)
        });
    }
    tokio::time::sleep(EVERY).await;
    println!("| load, of 2 cores | {} |", load()?);
    let mut spans = Vec::new();
    for _ in 0..presses {
        spans.push(nurse.press().await?);
        tokio::time::sleep(EVERY / u32::try_from(presses)?).await;
    }
    println!("| press to receipt, among {homes} homes that live | {} |", Spans::of(spans));
    let full = memory_mib(id)?;
    let mut still = Vec::with_capacity(homes);
    while let Some(lived) = living.join_next().await {
        still.push(lived??);
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), (scheduled_ns(id)? - before) as f64 / 1e9);
    println!(
        "| {homes} homes with a heartbeat a minute, for {minutes} minutes | {:.1} % of one core; {:.1} KiB of the gateway's memory \
         for each; cut off {} times |",
        cpu * 100.0 / seconds,
        (full - bare) * 1024.0 / homes as f64,
        cut_off.load(Ordering::Relaxed)
    );
    let ended_ms = Moment::now().utc.as_millisecond();
    gateway.program().stop().await?;
    drop(still);

    let store = run::open_store(&Config::read(&config_file(&gateway))?).await?;
    let lately: i64 = query_scalar("SELECT count(*) FROM heartbeat WHERE at_ms >= $1")
        .bind(ended_ms - 2 * EVERY.as_millis() as i64 - 5_000)
        .fetch_one(store.reader())
        .await?;
    let silent: i64 =
        query_scalar("SELECT count(*) FROM alert WHERE rule LIKE 'silent_home%'").fetch_one(store.reader()).await?;
    store.close().await;
    println!(
        "| heartbeats said; homes whose last one is stored; homes said to be silent | {}; {lately}; {silent} |",
        beats.load(Ordering::Relaxed)
    );
    ensure!(lately == i64::try_from(homes)? && silent == 0, "heartbeats were lost, or homes accused");
    Ok(())
}
