//! The commands that ask the running agent, as a person or a script types them.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::control::client::{Talk, TalkError};
use crate::control::words::{Answer, Ask};
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
