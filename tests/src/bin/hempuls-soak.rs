//! A simulated month in a home where something goes wrong all the time: whether memory and file descriptors stay flat,
//! and whether everything that was heard has arrived when it is over. Fails when they do not, or when it has not.
//!
//! Build the programs first: `cargo build --release -p hempuls-gateway && cargo build --profile agent -p hempuls-agent`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use hempuls_simulators::bluez::{Bluez, Options};
use hempuls_simulators::bus::Bus;
use hempuls_simulators::clock::Moment;
use hempuls_simulators::home::Home;
use hempuls_simulators::mischief::Rates;
use hempuls_simulators::system::{Books, Programs, Settings, until};
use hempuls_tests::process::{folder_size, memory_mib, open_files};
use hempuls_tests::{House, World};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

#[derive(Parser)]
struct Arguments {
    /// The agent to soak.
    #[arg(long, default_value = "target/agent/hempuls-agent")]
    agent: PathBuf,
    /// The gateway it speaks to.
    #[arg(long, default_value = "target/release/hempuls-gateway")]
    gateway: PathBuf,
    /// Days to live through.
    #[arg(long, default_value_t = 30)]
    days: i8,
    /// How many of our seconds a day takes.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// The same number plays the same tricks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What goes wrong in the home, and how often.
    #[arg(
        long,
        default_value = "hang_up=5%,wedge=2%,malformed=2%,abort=3%,mute=2%,no_services=2%,chatter=2%,lose_keys=1%,\
                         restart_bluetoothd=1/d,adapter_off=0.3/d"
    )]
    mischief: Rates,
}

/// What goes wrong around the home, on an average day.
const CUTS_A_DAY: f64 = 2.0;
const GATEWAY_KILLS_A_DAY: f64 = 0.3;
/// Rare, so that a process lives for long enough to show a leak.
const AGENT_KILLS_A_DAY: f64 = 0.1;
/// How much more memory (PSS) the last third of the month may need than the first.
const GROWTH_MIB: f64 = 0.5;
/// How many more file descriptors.
const GROWTH_FILES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let programs = Programs { agent: arguments.agent, gateway: arguments.gateway };
    let mut world = World::with_programs(programs, Settings::default()).await?;
    let bus = Bus::start().await?;
    let bluez = Bluez::start(&bus, Options::default()).await?;
    let mut home = Home::furnish(bluez, arguments.seed).with_mischief(arguments.mischief, arguments.seed);
    let mut house = world.home_with_radio("Ada", &home.served(), &bus).await?;
    house.agent.start()?;
    world.broker_says(&house, true).await?;

    let day = Duration::from_secs_f64(arguments.seconds);
    let speed = 24.0 * 3600.0 / arguments.seconds;
    let from = Moment::now().wall().date().saturating_sub(jiff::Span::new().days(i64::from(arguments.days)));
    let around = Around { world: &mut world, house: &mut house, chance: SmallRng::seed_from_u64(arguments.seed) };
    let (lived, month) = tokio::join!(home.live(from, arguments.days, speed), around.go_wrong(arguments.days, day));
    lived?;
    let month = month?;
    home.calm().await;
    home.tell_all(PATIENCE).await?;
    let books = settled(&world).await?;
    judge(&home, &world, &books, &month).await
}

/// What is not the home: the network, the gateway, and whoever pulls plugs.
struct Around<'a> {
    world: &'a mut World,
    house: &'a mut House,
    chance: SmallRng,
}

#[derive(Default)]
struct Month {
    cuts: usize,
    gateway_kills: usize,
    agent_kills: usize,
    memory: Vec<f64>,
    files: Vec<usize>,
}

impl Around<'_> {
    async fn go_wrong(mut self, days: i8, day: Duration) -> Result<Month> {
        println!("| day | agent, MiB PSS | agent, files | agent, buffer MiB | gateway, MiB PSS | gateway, files |");
        println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
        let mut month = Month::default();
        for number in 1..=days {
            let quarter = day / 4;
            for _ in 0..4 {
                let chance = &mut self.chance;
                let mut happens = |a_day: f64| chance.random_bool(a_day / 4.0);
                let (cut, gateway, agent) =
                    (happens(CUTS_A_DAY), happens(GATEWAY_KILLS_A_DAY), happens(AGENT_KILLS_A_DAY));
                let down = quarter.mul_f64(self.chance.random_range(0.1..0.9));
                if cut {
                    month.cuts += 1;
                    self.house.cable.cut();
                }
                if gateway {
                    month.gateway_kills += 1;
                    self.world.gateway.program().kill().await;
                }
                if agent {
                    month.agent_kills += 1;
                    self.house.agent.program().kill().await;
                    self.house.agent.start()?;
                }
                tokio::time::sleep(down).await;
                self.house.cable.restore();
                self.world.gateway.start().await?;
                tokio::time::sleep(quarter - down).await;
            }
            self.look(number, &mut month)?;
        }
        Ok(month)
    }

    fn look(&mut self, day: i8, month: &mut Month) -> Result<()> {
        let (Some(agent), Some(gateway)) = (self.house.agent.program().id(), self.world.gateway.program().id()) else {
            anyhow::bail!("a program has ended by itself: {}", self.house.agent.program().last_words());
        };
        let (memory, files) = (memory_mib(agent)?, open_files(agent)?);
        let buffer = folder_size(&self.house.agent.state().join("buffer"))? as f64 / 1_048_576.0;
        let (gateway_memory, gateway_files) = (memory_mib(gateway)?, open_files(gateway)?);
        println!("| {day} | {memory:.2} | {files} | {buffer:.2} | {gateway_memory:.2} | {gateway_files} |");
        month.memory.push(memory);
        month.files.push(files);
        Ok(())
    }
}

async fn settled(world: &World) -> Result<Books> {
    let api = world.api();
    until(PATIENCE, "nothing waits", || {
        let api = api.clone();
        async move {
            let books = api.books().await.map_err(|error| format!("{error:#}"))?;
            let waiting: u64 = books.lines.iter().map(|line| line.waiting).sum();
            let connected = books.lines.iter().any(|line| line.connected);
            if waiting == 0 && connected { Ok(books) } else { Err(format!("{waiting} wait")) }
        }
    })
    .await
}

async fn judge(home: &Home, world: &World, books: &Books, month: &Month) -> Result<()> {
    let truth = home.truth();
    let Month { cuts, gateway_kills, agent_kills, .. } = month;
    println!();
    println!(
        "{} tricks, {cuts} cuts, {gateway_kills} kills of the gateway, {agent_kills} of the agent",
        home.played().len()
    );
    println!("{truth:?}");
    let strap = home.strap.address().to_string();
    let (minutes, stored): (Vec<_>, Vec<_>) =
        world.api().readings().await?.into_iter().partition(|reading| reading.device == strap);
    println!("{} readings, {} minutes of the strap, {} alarms stored", stored.len(), minutes.len(), books.alarms);

    for line in &books.lines {
        ensure!(line.balanced && line.lost == 0, "the books do not balance: {line:?}");
    }
    // Between BlueZ's confirmation and the flash, a kill takes at most the one reading that is on its way (P1), and at
    // most the one press that is being sent.
    ensure!(stored.len() + agent_kills >= truth.heard, "{} of {} that were heard", stored.len(), truth.heard);
    ensure!(stored.len() <= truth.heard + home.cut_off(), "{} of {} that were heard", stored.len(), truth.heard);
    let alarms = usize::try_from(books.alarms)?;
    ensure!(alarms + agent_kills >= truth.presses_heard, "{alarms} alarms for {} presses", truth.presses_heard);
    ensure!(alarms <= truth.pressed, "{alarms} alarms for {} presses", truth.pressed);

    let third = month.memory.len().div_ceil(3);
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let (first, last) = (most(&month.memory[..third]), most(&month.memory[month.memory.len() - third..]));
    println!("agent, most memory in the first and in the last third: {first:.2} and {last:.2} MiB PSS");
    ensure!(last <= first + GROWTH_MIB, "the agent's memory is not flat");
    let most = |values: &[usize]| values.iter().copied().max().unwrap_or_default();
    let (first, last) = (most(&month.files[..third]), most(&month.files[month.files.len() - third..]));
    println!("agent, most open files in the first and in the last third: {first} and {last}");
    ensure!(last <= first + GROWTH_FILES, "the agent's open files are not flat");
    println!(
        "Memory and open files are flat, the books balance, and of what was heard {} readings are missing for {agent_kills} \
         kills of the agent.",
        truth.heard.saturating_sub(stored.len())
    );
    Ok(())
}
