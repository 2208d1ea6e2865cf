//! The figures of BENCHMARKS.md. Each is printed by one command, as a row that can be pasted there.
//!
//! Build the programs first: `cargo build --release -p hempuls-gateway && cargo build --profile agent -p hempuls-agent`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use hempuls_agent::buffer::{Buffer, Config};
use hempuls_simulators::devices::stranger::Crowd;
use hempuls_simulators::devices::{Button, Cuff, Oximeter};
use hempuls_simulators::system::{Programs, Served, Settings, until};
use hempuls_tests::backlog::{fill, reading};
use hempuls_tests::{House, World, button, cuff};

/// Measures what it costs.
#[derive(Parser)]
struct Arguments {
    /// The agent to measure.
    #[arg(long, default_value = "target/agent/hempuls-agent")]
    agent: PathBuf,
    /// The gateway to measure.
    #[arg(long, default_value = "target/release/hempuls-gateway")]
    gateway: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Bytes written to flash for a durable append, alone and in batches of 50.
    Append,
    /// The agent's memory: idle with three devices, while it drains a backlog, and after it; its binary's size.
    Memory {
        /// Readings in the backlog.
        #[arg(long, default_value_t = 100_000)]
        backlog: u32,
    },
    /// Readings per second, from the agent's flash to the gateway's receipt.
    Drain {
        /// Readings in the backlog.
        #[arg(long, default_value_t = 100_000)]
        backlog: u32,
    },
    /// The agent's processor time, with nobody else on the air and among strangers who advertise once a second.
    Radio {
        /// Strangers on the air.
        #[arg(long, default_value_t = 80)]
        advertisers: usize,
        /// How long to measure each, in seconds.
        #[arg(long, default_value_t = 120)]
        seconds: u64,
    },
    /// From a press to the alert's row, idle and while a backlog drains.
    Alarm {
        /// Presses to measure in each state.
        #[arg(long, default_value_t = 100)]
        presses: usize,
        /// Readings in the backlog.
        #[arg(long, default_value_t = 400_000)]
        backlog: u32,
    },
}

const CUFF: &str = "F0:F1:F2:F3:F4:01";
const OXIMETER: &str = "F0:F1:F2:F3:F4:03";
const BUTTON: &str = "38:39:8F:70:B2:4E";
const KEY: [u8; 16] = [0x5A; 16];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let programs = Programs { agent: arguments.agent, gateway: arguments.gateway };
    match arguments.what {
        What::Append => append().await,
        What::Memory { backlog } => memory(programs, backlog).await,
        What::Drain { backlog } => drain(programs, backlog).await,
        What::Radio { advertisers, seconds } => radio(programs, advertisers, Duration::from_secs(seconds)).await,
        What::Alarm { presses, backlog } => alarm(programs, presses, backlog).await,
    }
}

async fn append() -> Result<()> {
    // Not in /tmp, which may be memory: the figure is about a disk.
    let folder = tempfile::Builder::new().prefix("hempuls-bench-").tempdir_in(".")?;
    let (buffer, writer) = Buffer::open(&folder.path().join("state"), &Config::default())?;
    let taken = |number| {
        let buffer = buffer.clone();
        async move { buffer.take(reading(CUFF, number)).await }
    };
    for number in 0..100 {
        taken(number).await.map_err(|why| anyhow::anyhow!("{why:?}"))?;
    }
    let before = written_by_this_process()?;
    const ALONE: u32 = 1_000;
    for number in 0..ALONE {
        taken(number).await.map_err(|why| anyhow::anyhow!("{why:?}"))?;
    }
    let alone = written_by_this_process()? - before;
    let before = written_by_this_process()?;
    const BATCHES: u32 = 200;
    for batch in 0..BATCHES {
        let together: Vec<_> = (0..50).map(|number| tokio::spawn(taken(batch * 50 + number))).collect();
        for one in together {
            one.await?.map_err(|why| anyhow::anyhow!("{why:?}"))?;
        }
    }
    let together = written_by_this_process()? - before;
    writer.close();
    println!("| append, alone | {:.2} KiB written to flash each |", kib(alone) / f64::from(ALONE));
    println!("| append, in batches of up to 50 | {:.2} KiB each |", kib(together) / f64::from(BATCHES * 50));
    println!("| bytes of a record's content | {} |", content_bytes());
    Ok(())
}

async fn memory(programs: Programs, backlog: u32) -> Result<()> {
    println!("| agent's binary, stripped | {:.2} MiB |", std::fs::metadata(&programs.agent)?.len() as f64 / 1048576.0);
    let world = World::with_programs(programs, Settings::default()).await?;
    let mut house = three_devices(&world).await?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let id = house.agent.program().id().context("the agent runs")?;
    println!("| agent, idle, connected, 3 devices | {:.2} MiB PSS |", pss(id)?);
    let (before, started) = (processor_ms(id)?, now());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let busy = (processor_ms(id)? - before) as f64 / started.elapsed().as_millis() as f64;
    println!("| agent, processor in a quiet radio | {:.2} % of one core |", busy * 100.0);

    house.agent.program().stop().await?;
    fill(&house, CUFF, backlog).await?;
    house.agent.start()?;
    let id = house.agent.program().id().context("the agent runs")?;
    let mut peak: f64 = 0.0;
    until(Duration::from_secs(600), "the backlog is drained", || {
        peak = peak.max(pss(id).unwrap_or_default());
        let api = world.api();
        async move {
            let books = api.books().await.map_err(|error| error.to_string())?;
            if books.records >= u64::from(backlog) { Ok(()) } else { Err(format!("{}", books.records)) }
        }
    })
    .await?;
    println!("| agent, while draining {backlog} readings | {peak:.2} MiB PSS |");
    tokio::time::sleep(Duration::from_secs(60)).await;
    println!("| agent, 60 s after that | {:.2} MiB PSS |", pss(id)?);
    let files = folder_size(&house.agent.state().join("buffer"))? as f64 / 1048576.0;
    println!("| agent's buffer files after that | {files:.2} MiB |");
    Ok(())
}

async fn radio(programs: Programs, advertisers: usize, span: Duration) -> Result<()> {
    let world = World::with_programs(programs, Settings::default()).await?;
    let mut house = three_devices(&world).await?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    let id = house.agent.program().id().context("the agent runs")?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("| agent, processor, quiet radio | {:.2} % of one core |", busy(id, span).await?);
    let crowd = Crowd::gather(&world.bluez, advertisers, 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before = crowd.sent();
    let busy = busy(id, span).await?;
    let rate = (crowd.sent() - before) as f64 / span.as_secs_f64();
    println!("| agent, processor, {advertisers} strangers, {rate:.0} advertisements/s | {busy:.2} % of one core |");
    println!("| agent, among them | {:.2} MiB PSS |", pss(id)?);
    Ok(())
}

async fn drain(programs: Programs, backlog: u32) -> Result<()> {
    let world = World::with_programs(programs, Settings::default()).await?;
    let mut house = three_devices(&world).await?;
    fill(&house, CUFF, backlog).await?;
    let started = now();
    house.agent.start()?;
    until(Duration::from_secs(600), "the backlog is drained", || {
        let api = world.api();
        async move {
            let books = api.books().await.map_err(|error| error.to_string())?;
            let waiting: u64 = books.lines.iter().map(|line| line.waiting).sum();
            if books.records >= u64::from(backlog) && waiting == 0 { Ok(()) } else { Err(format!("{}", books.records)) }
        }
    })
    .await?;
    let rate = f64::from(backlog) / started.elapsed().as_secs_f64();
    println!("| drain of {backlog} readings, flash to receipt, start of the agent included | {rate:.0} readings/s |");
    Ok(())
}

async fn alarm(programs: Programs, presses: usize, backlog: u32) -> Result<()> {
    let world = World::with_programs(programs, Settings::default()).await?;
    let simulated = world.bluez.add(Button::new(BUTTON, KEY).with(|habits| habits.frames = 2));
    let mut house = three_devices(&world).await?;
    fill(&house, CUFF, backlog).await?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    for state in ["while a backlog drains", "otherwise idle"] {
        if state == "otherwise idle" {
            until(Duration::from_secs(900), "the backlog is drained", || {
                let api = world.api();
                async move {
                    let books = api.books().await.map_err(|error| error.to_string())?;
                    if books.records >= u64::from(backlog) { Ok(()) } else { Err(format!("{}", books.records)) }
                }
            })
            .await?;
        }
        let before = simulated.ledger().pressed();
        let records = world.api().books().await?.records;
        for _ in 0..presses {
            simulated.press();
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let drained = world.api().books().await?.records - records;
        let pressed = before + presses;
        until(Duration::from_secs(60), "all presses are alarms", || {
            let api = world.api();
            async move {
                let alarms = api.books().await.map_err(|error| error.to_string())?.alarms;
                if alarms >= pressed as u64 { Ok(()) } else { Err(format!("{alarms}")) }
            }
        })
        .await?;
        let mut store = world.open_the_store().await?;
        let stored: Vec<i64> = sqlx::query_scalar(
            "SELECT stored_ms FROM record WHERE kind = 'alarm' ORDER BY stored_ms, taken_since_boot_ms",
        )
        .fetch_all(&mut store)
        .await?;
        let ledger = simulated.ledger();
        let pressed_at =
            ledger.entries().iter().filter(|entry| matches!(entry.deed, hempuls_simulators::ledger::Deed::Pressed(_)));
        let mut late: Vec<i64> =
            pressed_at.zip(stored).skip(before).map(|(entry, stored)| stored - entry.at.as_millisecond()).collect();
        late.sort_unstable();
        let at = |share: usize| late[(late.len() * share / 100).min(late.len() - 1)];
        println!(
            "| press to alert row, {state} ({drained} readings stored meanwhile) | p50 {} ms, p99 {} ms, max {} ms |",
            at(50),
            at(99),
            late[late.len() - 1]
        );
    }
    Ok(())
}

async fn three_devices(world: &World) -> Result<House> {
    world.bluez.add(Cuff::new(CUFF));
    world.bluez.add(Oximeter::new(OXIMETER));
    let oximeter = Served { address: OXIMETER.into(), kind: "pulse_oximeter", key: None };
    world.home_without_agent("Ada", &[cuff(CUFF), oximeter, button(BUTTON, KEY)]).await
}

fn content_bytes() -> usize {
    use hempuls_protocol::event::Content;
    use hempuls_protocol::times::{BootId, Taken, Trust};
    let taken =
        Taken { boot: BootId([1; 16]), since_boot_ms: 1 << 30, wall_ms: Some(1 << 40), trust: Trust::Estimated };
    Content { taken, kind: reading(CUFF, 1) }.to_bytes().len()
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

/// Bytes this process caused to be sent to the disk.
fn written_by_this_process() -> Result<u64> {
    field(Path::new("/proc/self/io"), "write_bytes:")
}

/// Proportional memory, in MiB.
fn pss(id: u32) -> Result<f64> {
    Ok(field(Path::new(&format!("/proc/{id}/smaps_rollup")), "Pss:")? as f64 / 1024.0)
}

/// What share of a core a process uses, in percent, by the scheduler's own books.
async fn busy(id: u32, span: Duration) -> Result<f64> {
    let (before, started) = (scheduled_ns(id)?, now());
    tokio::time::sleep(span).await;
    Ok((scheduled_ns(id)? - before) as f64 / started.elapsed().as_nanos() as f64 * 100.0)
}

/// For how long all threads of a process have run, in nanoseconds.
fn scheduled_ns(id: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let line = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += line.split_whitespace().next().context("a number")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// Processor time so far, in milliseconds.
fn processor_ms(id: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let after_name = stat.rsplit(')').next().context("a name in parentheses")?;
    let fields: Vec<i64> = after_name.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // After the name: state (a letter), then ppid … utime and stime are the 14th and 15th of the whole line.
    Ok(u64::try_from(fields[10] + fields[11])? * 10)
}

fn field(file: &Path, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name} in {file:?}"))?;
    line.split_whitespace().next().context("a number")?.parse().context("a number")
}

fn folder_size(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() { folder_size(&entry.path())? } else { metadata.len() };
    }
    Ok(size)
}
