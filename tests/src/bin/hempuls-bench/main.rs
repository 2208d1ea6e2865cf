//! The figures of BENCHMARKS.md. Each is printed by one command, as a row that can be pasted there.
//!
//! Build the programs first: `cargo build --release -p hempuls-gateway && cargo build --profile agent -p hempuls-agent`.

mod cohort;
mod flash;
mod homes;
mod ingest;
mod timers;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use hempuls_simulators::devices::stranger::Crowd;
use hempuls_simulators::devices::{Button, Cuff, Oximeter};
use hempuls_simulators::system::{Programs, Served, Settings, until};
use hempuls_tests::backlog::fill;
use hempuls_tests::cohort::Options as Cohort;
use hempuls_tests::damage;
use hempuls_tests::power_cut::{self, Lie};
use hempuls_tests::process::{folder_size, memory_mib, scheduled_ns, woken};
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
    /// Bytes written to flash for a durable append, alone and in batches of 50; how many there are in a second, and how long
    /// each takes.
    Append,
    /// The size of the buffer's files over a year, with a full backlog and after it, and how long opening them takes.
    Files,
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
    /// The agent's processor time and wake-ups, with nobody else on the air and among strangers who advertise once a second.
    Radio {
        /// Strangers on the air.
        #[arg(long, default_value_t = 80)]
        advertisers: usize,
        /// How long to measure each, in seconds.
        #[arg(long, default_value_t = 120)]
        seconds: u64,
    },
    /// Cuts the power at seeded moments of recorded lives of the agent's buffer, and looks what is left.
    PowerCuts {
        /// All chance follows from it; without one it is drawn and printed.
        #[arg(long)]
        seed: Option<u64>,
        /// How often to cut.
        #[arg(long, default_value_t = 15_000)]
        cycles: u32,
        /// How many cuts of one life. More than a life has moments means every moment.
        #[arg(long, default_value_t = 250)]
        cuts_of_a_life: u32,
        /// How much happens in one life: takes, receipts, tidying up.
        #[arg(long, default_value_t = 150)]
        steps_of_a_life: u32,
        /// Falsifies the recording, to see that it is noticed.
        #[arg(long)]
        lie: Option<Lie>,
        /// Where to keep what a cut left that did harm, with the recording.
        #[arg(long)]
        keep: Option<PathBuf>,
        /// Lives the life of this seed, to be recorded.
        #[arg(long, hide = true, requires_all = ["state", "keys"])]
        live: Option<u64>,
        /// Where it lives.
        #[arg(long, hide = true)]
        state: Option<PathBuf>,
        /// Its keys.
        #[arg(long, hide = true)]
        keys: Option<PathBuf>,
    },
    /// Spoils bytes of the agent's buffer, and looks whether it starts and what it makes of it.
    Damages {
        /// All chance follows from it; without one it is drawn and printed.
        #[arg(long)]
        seed: Option<u64>,
        /// How often to spoil something.
        #[arg(long, default_value_t = 5_000)]
        cycles: u32,
        /// Where to keep what did harm.
        #[arg(long)]
        keep: Option<PathBuf>,
        /// Only looks into this state folder.
        #[arg(long, hide = true)]
        look: Option<PathBuf>,
    },
    /// Simulated people with standard plans: alerts per patient-day, planted events that nobody was told of, and the time to
    /// an alert.
    Cohort {
        /// All chance follows from it.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many people.
        #[arg(long, default_value_t = 1_000)]
        people: usize,
        /// How many days.
        #[arg(long, default_value_t = 365)]
        days: i64,
        /// How likely something is planted in each 45 days of a person.
        #[arg(long, default_value_t = 0.35)]
        planted: f64,
        /// A case is taken to be closed so many hours after it last rang.
        #[arg(long, default_value_t = 8)]
        closed_after_hours: i64,
    },
    /// Readings per second through mutual TLS, broker, dedupe and rules to the receipt, one to a message and in envelopes, against
    /// raw inserts into the same tables; presses among them; and a gateway that is killed meanwhile.
    Ingest {
        /// How many boxes send.
        #[arg(long, default_value_t = 50)]
        boxes: usize,
        /// How many readings, one to a message.
        #[arg(long, default_value_t = 50_000)]
        singly: u64,
        /// How many readings in envelopes.
        #[arg(long, default_value_t = 200_000)]
        in_envelopes: u64,
        /// How many presses each time.
        #[arg(long, default_value_t = 200)]
        presses: usize,
        /// An empty database for the store, as `postgres://user@host:port/database`.
        #[arg(long)]
        postgres: Option<ingest::Postgres>,
    },
    /// Many homes at one gateway, each with a heartbeat a minute: processor, memory for each, and a press among them.
    Homes {
        /// How many.
        #[arg(long, default_value_t = 19_000)]
        homes: usize,
        /// For how long.
        #[arg(long, default_value_t = 3)]
        minutes: u32,
        /// How many presses.
        #[arg(long, default_value_t = 100)]
        presses: usize,
    },
    /// Counts the statements that the gateway's store is asked for, by what they do.
    Statements {
        /// How many boxes send.
        #[arg(long, default_value_t = 50)]
        boxes: usize,
        /// How many readings.
        #[arg(long, default_value_t = 20_000)]
        readings: u64,
    },
    /// How late what rules wait for is told: timers due one after the other, and all at one moment.
    Timers {
        /// How many.
        #[arg(long, default_value_t = 1_000)]
        timers: usize,
        /// Within so many seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// An empty database for the store, as `postgres://user@host:port/database`.
        #[arg(long)]
        postgres: Option<ingest::Postgres>,
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
        What::Append => flash::append().await,
        What::Files => flash::files().await,
        What::Memory { backlog } => memory(programs, backlog).await,
        What::Drain { backlog } => drain(programs, backlog).await,
        What::Radio { advertisers, seconds } => radio(programs, advertisers, Duration::from_secs(seconds)).await,
        What::PowerCuts { live: Some(seed), state: Some(state), keys: Some(keys), steps_of_a_life, .. } => {
            power_cut::life::live(&state, &keys, seed, steps_of_a_life).await
        }
        What::PowerCuts { seed, cycles, cuts_of_a_life, steps_of_a_life, lie, keep, .. } => {
            let (program, seed) = (std::env::current_exe()?, seed.unwrap_or_else(rand::random));
            flash::power_cuts(power_cut::Options { program, seed, cycles, cuts_of_a_life, steps_of_a_life, lie, keep })
                .await
        }
        What::Damages { look: Some(state), .. } => {
            flash::complain();
            // As in the agent: a panic is counted. The usual hook would read all debug symbols for a backtrace, and need
            // more memory than the agent ever does.
            hempuls_agent::panics::watch();
            print!("{}", damage::look::look(&state).await?.write());
            Ok(())
        }
        What::Damages { seed, cycles, keep, .. } => {
            let seed = seed.unwrap_or_else(rand::random);
            let program = std::env::current_exe()?;
            flash::damages(damage::Options { program, seed, cycles, keep }).await
        }
        What::Cohort { seed, people, days, planted, closed_after_hours } => {
            cohort::run(&Cohort { seed, people, days, planted, closed_after_hours })
        }
        What::Ingest { boxes, singly, in_envelopes, presses, postgres } => {
            let options = ingest::Options { boxes, readings: [singly, in_envelopes], presses, postgres };
            ingest::run(programs, options).await
        }
        What::Homes { homes, minutes, presses } => homes::run(programs, homes, minutes, presses).await,
        What::Statements { boxes, readings } => ingest::statements(programs, boxes, readings).await,
        What::Timers { timers: count, seconds, postgres } => timers::run(count, seconds, postgres).await,
        What::Alarm { presses, backlog } => alarm(programs, presses, backlog).await,
    }
}

async fn memory(programs: Programs, backlog: u32) -> Result<()> {
    println!("| agent's binary, stripped | {:.2} MiB |", std::fs::metadata(&programs.agent)?.len() as f64 / 1048576.0);
    let world = World::with_programs(programs, Settings::default()).await?;
    let mut house = three_devices(&world).await?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let id = house.agent.program().id().context("the agent runs")?;
    println!("| agent, idle, connected, 3 devices | {:.2} MiB PSS |", memory_mib(id)?);
    let busy = busy(id, Duration::from_secs(60)).await?;
    println!("| agent, processor in a quiet radio | {busy:.2} % of one core |");

    house.agent.program().stop().await?;
    fill(&house, CUFF, backlog).await?;
    house.agent.start()?;
    let id = house.agent.program().id().context("the agent runs")?;
    let mut peak: f64 = 0.0;
    until(Duration::from_secs(600), "the backlog is drained", || {
        peak = peak.max(memory_mib(id).unwrap_or_default());
        let api = world.api();
        async move {
            let books = api.books().await.map_err(|error| error.to_string())?;
            if books.records >= u64::from(backlog) { Ok(()) } else { Err(format!("{}", books.records)) }
        }
    })
    .await?;
    println!("| agent, while draining {backlog} readings | {peak:.2} MiB PSS |");
    tokio::time::sleep(Duration::from_secs(60)).await;
    println!("| agent, 60 s after that | {:.2} MiB PSS |", memory_mib(id)?);
    house.agent.program().stop().await?;
    house.agent.start()?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let id = house.agent.program().id().context("the agent runs")?;
    println!("| agent, started anew with what is kept | {:.2} MiB PSS |", memory_mib(id)?);
    let files = folder_size(&house.agent.state().join("buffer"))? as f64 / 1048576.0;
    println!("| agent's buffer files after that | {files:.2} MiB |");
    Ok(())
}

async fn radio(programs: Programs, advertisers: usize, span: Duration) -> Result<()> {
    let world = World::with_programs(programs, Settings::default()).await?;
    let mut house = three_devices(&world).await?;
    let config = house.agent.state().with_file_name("agent.toml");
    // As it is in homes; scenarios are in more of a hurry.
    let usual = std::fs::read_to_string(&config)?.replace("heartbeat = \"500ms\"", "heartbeat = \"60s\"");
    std::fs::write(&config, usual)?;
    house.agent.start()?;
    world.is_up(&mut house).await?;
    let id = house.agent.program().id().context("the agent runs")?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let woken_before = woken(id)?;
    println!("| agent, processor, quiet radio | {:.3} % of one core |", busy(id, span).await?);
    let per_minute = (woken(id)? - woken_before) as f64 * 60.0 / span.as_secs_f64();
    println!("| agent, wake-ups when idle, all threads | {per_minute:.0} per minute |");
    let crowd = Crowd::gather(&world.bluez, advertisers, 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let before = crowd.sent();
    let busy = busy(id, span).await?;
    let rate = (crowd.sent() - before) as f64 / span.as_secs_f64();
    println!("| agent, processor, {advertisers} strangers, {rate:.0} advertisements/s | {busy:.2} % of one core |");
    println!("| agent, among them | {:.2} MiB PSS |", memory_mib(id)?);
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

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

/// What share of a core a process uses, in percent, by the scheduler's own books.
async fn busy(id: u32, span: Duration) -> Result<f64> {
    let (before, started) = (scheduled_ns(id)?, now());
    tokio::time::sleep(span).await;
    Ok((scheduled_ns(id)? - before) as f64 / started.elapsed().as_nanos() as f64 * 100.0)
}
