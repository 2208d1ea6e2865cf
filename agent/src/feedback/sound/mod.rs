//! Plays a sound for every word there is a file for.
//!
//! The files are the installer's: words that a person understands are spoken, and in her language.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::Word;
use super::program::say;

/// `[feedback.sound]` in `agent.toml`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The program that plays them, and its first arguments; the file is its last.
    pub player: Vec<String>,
    /// The folder with `no_contact.wav`, `received.wav`, `taken_by_a_person.wav`, `on_the_way.wav` and perhaps `closed.wav`.
    pub folder: PathBuf,
}

impl Config {
    /// The files that are not there. A home may do without one for `closed`.
    #[must_use]
    pub fn missing(&self) -> Vec<PathBuf> {
        let spoken = Word::ALL.into_iter().filter(|word| *word != Word::Closed);
        spoken.map(|word| file(&self.folder, word)).filter(|file| !file.is_file()).collect()
    }
}

fn file(folder: &Path, word: Word) -> PathBuf {
    folder.join(word.as_str()).with_extension("wav")
}

/// Plays the sound of each word, until there are no more.
pub(super) async fn run(config: Config, words: mpsc::UnboundedReceiver<Word>) {
    let Some((player, arguments)) = config.player.split_first() else { return };
    say(words, |word| {
        let sound = file(&config.folder, word);
        let mut command = Command::new(player);
        command.args(arguments).arg(&sound);
        sound.is_file().then_some(command)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_word_is_played_from_its_own_file_and_a_word_without_one_is_silence() {
        let folder = tempfile::tempdir().unwrap();
        for word in [Word::NoContact, Word::Received] {
            std::fs::write(file(folder.path(), word), b"RIFF").unwrap();
        }
        let played = folder.path().join("played");
        let script = format!("basename \"$0\" >> {}", played.display());
        let config =
            Config { player: ["sh", "-c", &script].map(str::to_owned).into(), folder: folder.path().to_owned() };
        assert_eq!(config.missing().len(), 2, "{:?}", config.missing());
        let (speak, words) = mpsc::unbounded_channel();
        for word in Word::ALL {
            speak.send(word).unwrap();
        }
        drop(speak);
        run(config, words).await;
        assert_eq!(std::fs::read_to_string(played).unwrap(), "no_contact.wav\nreceived.wav\n");
    }
}
