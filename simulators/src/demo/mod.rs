//! The demonstration: a whole system on one machine with a simulated home, driven by keys or by a list of steps.

mod keys;
mod stage;
mod step;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Moment;
use keys::Keys;
use stage::Stage;
use step::{KEYS, Step};

/// Starts the whole system on this machine, with a simulated home.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Perform these steps and quit, waiting after each for its effect:
    /// measure, spot-check, weigh, temperature, high, press, cut, restore, kill-gateway, kill-agent, books, quit.
    #[arg(long, value_delimiter = ',', value_name = "STEPS")]
    r#do: Option<Vec<Step>>,
    /// Keep the programs' logs, configuration and data in this folder instead of a temporary one.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// Runs the demonstration to its end.
///
/// # Errors
/// When the system cannot be started, or a step has no effect within 30 s; the message holds the programs' last words.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut stopped = signal(SignalKind::terminate())?;
    let demonstration = async {
        let mut stage = Stage::set(args.keep.as_deref()).await?;
        let played = match args.r#do {
            Some(steps) => play(&mut stage, steps).await,
            None => play_by_keys(&mut stage).await,
        };
        let summary = match &played {
            Ok(()) => Some(stage.summary().await?),
            Err(_) => None,
        };
        stage.strike().await?;
        played?;
        Ok::<_, anyhow::Error>(summary)
    };
    // Leaving this function by either way ends every program and removes the folder: all of it belongs to the stage.
    let summary = tokio::select! {
        summary = demonstration => summary?,
        _ = tokio::signal::ctrl_c() => None,
        _ = stopped.recv() => None,
    };
    let Some(summary) = summary else { return Ok(ExitCode::from(130)) };
    println!("{}", serde_json::to_string(&summary)?);
    Ok(if summary.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn play(stage: &mut Stage, steps: Vec<Step>) -> anyhow::Result<()> {
    for step in steps {
        if step == Step::Quit {
            break;
        }
        perform(stage, step).await?;
    }
    Ok(())
}

async fn play_by_keys(stage: &mut Stage) -> anyhow::Result<()> {
    println!("\n  The console:  {}", stage.console());
    println!("  Your login:   {}\n", stage.login()?.trim().replace('\n', "   "));
    for (key, step, what) in KEYS {
        println!("  {key}  {what}{}", if *step == Step::Books { "\n" } else { "" });
    }
    println!("\nAda measures her blood pressure …");
    perform(stage, Step::Measure).await?;
    let mut keys = Keys::new()?;
    while let Some(key) = keys.next().await {
        let Some((_, step, _)) = KEYS.iter().find(|(known, ..)| *known == key.to_ascii_lowercase()) else { continue };
        if *step == Step::Quit {
            break;
        }
        if let Err(trouble) = perform(stage, *step).await {
            println!("   {trouble:#}");
        }
    }
    Ok(())
}

async fn perform(stage: &mut Stage, step: Step) -> anyhow::Result<()> {
    println!("{step} …");
    let started = Moment::now().instant;
    let effect = stage.perform(step).await?;
    let took: Duration = started.elapsed();
    println!("   {effect} ({:.1} s)", took.as_secs_f32());
    Ok(())
}
