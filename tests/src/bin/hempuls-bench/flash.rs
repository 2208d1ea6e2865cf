//! What the agent's buffer costs, and what power cuts and damages do to it.

use std::path::Path;

use anyhow::Result;
use hempuls_agent::buffer::{Buffer, Config};
use hempuls_tests::backlog::reading;
use hempuls_tests::{damage, power_cut};

use super::{CUFF, field, kib, now};

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

fn content_bytes() -> usize {
    use hempuls_protocol::event::Content;
    use hempuls_protocol::times::{BootId, Taken, Trust};
    let taken =
        Taken { boot: BootId([1; 16]), since_boot_ms: 1 << 30, wall_ms: Some(1 << 40), trust: Trust::Estimated };
    Content { taken, kind: reading(CUFF, 1) }.to_bytes().len()
}

/// Bytes this process caused to be sent to the disk.
fn written_by_this_process() -> Result<u64> {
    field(Path::new("/proc/self/io"), "write_bytes:")
}
