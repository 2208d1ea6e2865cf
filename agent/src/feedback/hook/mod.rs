//! Runs a command of the installer's for every word: a lamp, a relay, a message on a television.
//!
//! The word is its last argument and in `HEMPULS_FEEDBACK`: `no_contact`, `received`, `taken_by_a_person`, `on_the_way`
//! or `closed`. Nothing about the person is told.

use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::Word;
use super::program::say;

/// `[feedback.hook]` in `agent.toml`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The program and its first arguments.
    pub command: Vec<String>,
}

/// Runs the command for each word, until there are no more.
pub(super) async fn run(config: Config, words: mpsc::UnboundedReceiver<Word>) {
    let Some((program, arguments)) = config.command.split_first() else { return };
    say(words, |word| {
        let mut command = Command::new(program);
        command.args(arguments).arg(word.as_str()).env("HEMPULS_FEEDBACK", word.as_str());
        Some(command)
    })
    .await;
}
