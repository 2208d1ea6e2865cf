//! The commands that ask the running agent, as a person or a script types them.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hempuls_protocol::devices::DeviceKind;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::control::adopt::{Step, Wish};
use crate::control::client::{Talk, TalkError};
use crate::control::devices::table;
use crate::control::words::{Also, Answer, Ask};
use crate::feedback::Word;
use crate::{bundle, doctor};

/// `hempuls-agent status`.
///
/// # Errors
/// Why the running agent does not answer.
pub async fn status(socket: &Path, json: bool) -> anyhow::Result<ExitCode> {
    match Talk::begin(socket, Ask::Status).await?.answer().await? {
        Answer::Status(status) if json => println!("{}", serde_json::to_string_pretty(&status)?),
        Answer::Status(status) => print!("{status}"),
        other => return unexpected(other),
    }
    Ok(ExitCode::SUCCESS)
}

/// How `hempuls-agent devices` shows what is nearby.
#[derive(Copy, Clone, Debug, clap::Args)]
pub struct Look {
    /// Also shows what says nothing about health or help.
    #[arg(long)]
    all: bool,
    /// Looks again every two seconds until it is stopped: for an installer who walks about with the device.
    #[arg(long)]
    watch: bool,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// `hempuls-agent devices`.
///
/// # Errors
/// Why the running agent does not answer.
pub async fn devices(socket: &Path, look: Look) -> anyhow::Result<ExitCode> {
    loop {
        let candidates = match Talk::begin(socket, Ask::Devices).await?.answer().await? {
            Answer::Devices(candidates) => candidates,
            other => return unexpected(other),
        };
        if look.watch && !look.json && std::io::stdout().is_terminal() {
            // Clears the screen.
            print!("\x1b[2J\x1b[H");
        }
        match look.json {
            true => println!("{}", serde_json::to_string(&candidates)?),
            false => println!("{}", table(&candidates, look.all)),
        }
        if !look.watch {
            return Ok(ExitCode::SUCCESS);
        }
        sleep(Duration::from_secs(2)).await;
    }
}

/// `hempuls-agent adopt`: ends well once the device has said something.
///
/// # Errors
/// When it is not adopted, or the running agent does not answer.
pub async fn adopt(socket: &Path, wish: Wish) -> anyhow::Result<ExitCode> {
    let device = wish.address.clone();
    let mut talk = Talk::begin(socket, Ask::Adopt(wish)).await?;
    // A person types, or nobody: then the lines end at once.
    let mut typed = Some(BufReader::new(tokio::io::stdin()).lines());
    let mut is_adopted = false;
    loop {
        let line = async {
            match &mut typed {
                Some(lines) => lines.next_line().await.ok().flatten(),
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            answer = talk.answer() => answer,
            line = line => {
                match line {
                    Some(line) if line.trim().is_empty() => {}
                    Some(line) => talk.also(&Also::Passkey(line)).await?,
                    None => typed = None,
                }
                continue;
            }
        };
        match answer {
            Ok(Answer::Adopting(step)) => {
                is_adopted = true;
                println!("{}", step_in_words(&step, &device));
            }
            Ok(Answer::Done) => return Ok(ExitCode::SUCCESS),
            Ok(other) => return unexpected(other),
            Err(error) if is_adopted => return Err(error).context("it is adopted, and has said nothing yet"),
            Err(error) => return Err(error.into()),
        }
    }
}

fn step_in_words(step: &Step, device: &str) -> String {
    match step {
        Step::Adopted(DeviceKind::AlarmButton) => format!(
            "adopted: {device} is this home's alarm_button. Now press it: that is a real alarm, and the care team sees it. \
             Ctrl-C if not"
        ),
        Step::Adopted(kind) => {
            format!("adopted: {device} is this home's {}. Now use it, so that it has something to say", kind.as_str())
        }
        Step::Heard => "heard".into(),
        Step::Connected => "connected".into(),
        Step::ShowsANumber => "it shows a number of six digits. Type it, and press Enter, within half a minute:".into(),
        Step::NotTheNumber(why) => why.clone(),
        Step::Paired => "paired".into(),
        Step::Trouble(trouble) => format!("trouble: {trouble}"),
        Step::Said(number) => format!("it works: what it said is on flash as event {number}"),
    }
}

/// `hempuls-agent forget`.
///
/// # Errors
/// When it is not forgotten.
pub async fn forget(socket: &Path, address: String) -> anyhow::Result<ExitCode> {
    let said = format!("{address} is not this home's any more, and neither is its pairing");
    match Talk::begin(socket, Ask::Forget { address }).await?.answer().await? {
        Answer::Done => println!("{said}"),
        other => return unexpected(other),
    }
    Ok(ExitCode::SUCCESS)
}

/// `hempuls-agent doctor`: ends well if the agent has all that it needs.
///
/// # Errors
/// When the findings cannot be printed.
pub async fn doctor(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let findings = doctor::examine(config).await;
    if json {
        println!("{}", serde_json::to_string_pretty(&findings)?)
    } else {
        print!("{findings}")
    }
    Ok(if findings.are_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `hempuls-agent bundle`.
///
/// # Errors
/// When the bundle cannot be made.
pub async fn bundle(wish: &bundle::Wish) -> anyhow::Result<ExitCode> {
    for missing in bundle::make(wish).await? {
        eprintln!("not in it: {missing}");
    }
    println!("{}: nothing about a person is in it; read it before you send it, it is plain text", wish.out.display());
    Ok(ExitCode::SUCCESS)
}

/// What `hempuls-agent alarm` ends with when the alarm is taken, and the gateway had not received it until then.
pub const NOT_RECEIVED: u8 = 3;

/// `hempuls-agent alarm`: ends well once the alarm is closed; when it is stopped before that, by what had become of it.
///
/// # Errors
/// When the alarm was not taken.
pub async fn alarm(socket: &Path, name: String) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let not_taken = "the alarm was NOT taken";
    let mut talk = Talk::begin(socket, Ask::Alarm { name }).await.context(not_taken)?;
    match talk.answer().await.context("whether the alarm was taken is not known")? {
        Answer::Taken { epoch, sequence, on_flash } => {
            let place = if on_flash { "it is on flash" } else { "the flash refuses it; it is sent from memory" };
            println!("alarm {sequence} of epoch {epoch}: {place}");
        }
        other => return unexpected(other).context(not_taken),
    }
    let mut is_received = false;
    loop {
        let answer = tokio::select! {
            answer = talk.answer() => answer,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        match answer {
            Ok(Answer::Fate(word)) => {
                is_received |= word != Word::NoContact;
                println!("{}", in_words(word));
            }
            Ok(Answer::Done) => break,
            Ok(other) => return unexpected(other),
            Err(TalkError::Ended) => {
                eprintln!("the agent stopped; the alarm stays on flash, and is sent when it runs again");
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(if is_received { ExitCode::SUCCESS } else { ExitCode::from(NOT_RECEIVED) })
}

fn in_words(word: Word) -> &'static str {
    match word {
        Word::NoContact => "no contact: the gateway has not received it yet; it is sent again until it has",
        Word::Received => "received: it is stored, and an alert is open",
        Word::TakenByAPerson => "taken by a person",
        Word::OnTheWay => "on the way",
        Word::Closed => "closed",
    }
}

fn unexpected<T>(answer: Answer) -> anyhow::Result<T> {
    match answer {
        Answer::Refused(why) => bail!(why),
        other => bail!("the agent answers something else than was asked: {other:?}"),
    }
}
