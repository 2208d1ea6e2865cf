//! What the agent's buffer costs, and what power cuts and damages do to it.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::join_all;
use hempuls_agent::buffer::{Buffer, Config, Limits};
use hempuls_protocol::event::Refusal;
use hempuls_protocol::ids::Lane;
use hempuls_simulators::system::until;
use hempuls_tests::backlog::reading;
use hempuls_tests::process::{counted, folder_size};
use hempuls_tests::{damage, power_cut};

use super::{CUFF, kib, now};

/// Shows what the agent takes for an error.
pub(crate) fn complain() {
    let errors = tracing_subscriber::filter::LevelFilter::ERROR;
    tracing_subscriber::fmt().with_max_level(errors).with_writer(std::io::stderr).with_ansi(false).init();
}

pub(crate) async fn power_cuts(options: power_cut::Options) -> Result<()> {
    complain();
    println!("seed {}", options.seed);
    let started = now();
    let report = power_cut::run(&options, |report| {
        eprint!("\r{} power cuts in {} lives, {} did harm ", report.cycles, report.lives, report.harm.len());
    })
    .await?;
    eprintln!();
    report.harm.iter().for_each(|harm| println!("{harm}"));
    println!(
        "| power cuts | {} in {} lives with {} moments and {} syncs, {} did harm; {:.0} s |",
        report.cycles,
        report.lives,
        report.moments,
        report.syncs,
        report.harm.len(),
        started.elapsed().as_secs_f64()
    );
    anyhow::ensure!(report.harm.is_empty() != options.lie.is_some(), "not what was expected");
    Ok(())
}

pub(crate) async fn damages(options: damage::Options) -> Result<()> {
    println!("seed {}", options.seed);
    let report = damage::run(&options, |report| {
        eprint!("\r{} damages, {} did harm ", report.cycles, report.harm.len());
    })
    .await?;
    eprintln!();
    report.harm.iter().for_each(|harm| println!("{harm}"));
    println!(
        "| damages | {}: {} without a loss, {} salvaged ({} taken again, {} gone), {} did harm; slowest start {} ms, most \
         memory {} MiB |",
        report.cycles,
        report.whole,
        report.salvaged,
        report.again,
        report.gone,
        report.harm.len(),
        report.slowest.as_millis(),
        report.largest_kib >> 10
    );
    anyhow::ensure!(report.harm.is_empty(), "a damage did harm");
    Ok(())
}

pub(crate) async fn append() -> Result<()> {
    // Not in /tmp, which may be memory: the figure is about a disk.
    let folder = tempfile::Builder::new().prefix("hempuls-bench-").tempdir_in(".")?;
    let (buffer, writer) = Buffer::open(&folder.path().join("state"), &Config::default())?;
    for number in 0..100 {
        take(&buffer, number..number + 1).await?;
    }
    let before = written_by_this_process()?;
    const ALONE: u32 = 1_000;
    let mut windows = Vec::new();
    for number in 0..ALONE {
        let heard = now();
        take(&buffer, number..number + 1).await?;
        windows.push(heard.elapsed());
    }
    let alone = written_by_this_process()? - before;
    let before = written_by_this_process()?;
    const BATCHES: u32 = 200;
    let started = now();
    for batch in 0..BATCHES {
        take(&buffer, batch * 50..batch * 50 + 50).await?;
    }
    let took = started.elapsed();
    let together = written_by_this_process()? - before;
    writer.close();
    println!("| append, alone | {:.2} KiB written to flash each |", kib(alone) / f64::from(ALONE));
    println!("| append, in batches of up to 50 | {:.2} KiB each |", kib(together) / f64::from(BATCHES * 50));
    println!("| bytes of a record's content | {} |", content_bytes());
    let spent: Duration = windows.iter().sum();
    println!("| append rate, alone | {:.0} readings/s |", f64::from(ALONE) / spent.as_secs_f64());
    println!(
        "| append rate, in batches of up to 50 | {:.0} readings/s |",
        f64::from(BATCHES * 50) / took.as_secs_f64()
    );
    windows.sort_unstable();
    let ms = |place: usize| windows[windows.len() * place / 1_000].as_secs_f64() * 1_000.0;
    println!("| heard until durable | p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms |", ms(500), ms(990), ms(999));
    Ok(())
}

/// How large the buffer's files get, and how long it takes to open them.
pub(crate) async fn files() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("hempuls-bench-").tempdir_in(".")?;
    let state = folder.path().join("state");
    // What has time is done after each simulated day.
    let limits = Limits { quiet: Duration::from_millis(5), ..Limits::default() };
    let (buffer, writer) = Buffer::open(&state, &Config { limits, ..Config::default() })?;
    let mib = || Ok::<_, anyhow::Error>(folder_size(&state.join("buffer"))? as f64 / 1048576.0);
    let (mut largest, mut number) = (0.0_f64, 0);
    for _day in 0..365 {
        for _ in 0..READINGS_A_DAY {
            take(&buffer, number..number + 1).await?;
            number += 1;
        }
        is_receipted(&buffer)?;
        tokio::time::sleep(Duration::from_millis(30)).await;
        largest = largest.max(mib()?);
    }
    println!("| files, a year of {READINGS_A_DAY} readings a day | {:.2} MiB, at most {largest:.2} |", mib()?);
    take(&buffer, number..number + 1_000).await?;
    println!("| files, with 1,000 waiting besides | {:.2} MiB |", mib()?);
    let waiting = u32::try_from(limits.waiting)? - 1_000;
    for first in (0..waiting).step_by(500) {
        take(&buffer, first..waiting.min(first + 500)).await?;
    }
    println!("| files, with a full backlog of {} | {:.2} MiB |", limits.waiting, mib()?);
    let refused = buffer.take(reading(CUFF, 0)).await;
    anyhow::ensure!(refused == Err(Refusal::Full), "one more is {refused:?}");
    drop(buffer);
    writer.close();

    let started = now();
    let (buffer, writer) = Buffer::open(&state, &Config { limits, ..Config::default() })?;
    println!("| opening a full buffer | {} ms |", started.elapsed().as_millis());
    is_receipted(&buffer)?;
    until(Duration::from_secs(120), "it is written anew", || async {
        let now = mib().map_err(|error| format!("{error:#}"))?;
        if now < 8.0 { Ok(()) } else { Err(format!("{now} MiB")) }
    })
    .await?;
    println!("| files, after its receipt and rewriting | {:.2} MiB |", mib()?);
    drop(buffer);
    writer.close();
    let started = now();
    let (_buffer, writer) = Buffer::open(&state, &Config { limits, ..Config::default() })?;
    println!("| opening what is kept | {} ms |", started.elapsed().as_millis());
    writer.close();
    Ok(())
}

const READINGS_A_DAY: u32 = 20;

/// Takes these readings at once.
async fn take(buffer: &Buffer, numbers: Range<u32>) -> Result<()> {
    let taken = join_all(numbers.map(|number| buffer.take(reading(CUFF, number)))).await;
    taken.into_iter().try_for_each(|taken| taken.map(drop)).map_err(|why| anyhow::anyhow!("refused: {why:?}"))
}

fn is_receipted(buffer: &Buffer) -> Result<()> {
    let held = buffer.state().flash.context("the flash gives nothing")?;
    Lane::ALL.into_iter().for_each(|lane| buffer.receipted(held.epoch, lane, held.lane(lane).last));
    Ok(())
}

fn content_bytes() -> usize {
    use hempuls_protocol::event::Content;
    use hempuls_protocol::times::{BootId, Taken, Trust};
    let taken =
        Taken { boot: BootId([1; 16]), since_boot_ms: 1 << 30, wall_ms: Some(1 << 40), trust: Trust::Estimated };
    Content { taken, kind: reading(CUFF, 1) }.to_bytes().len()
}

/// Bytes this process caused to be sent to the disk.
fn written_by_this_process() -> Result<u64> {
    counted(Path::new("/proc/self/io"), "write_bytes:")
}
