//! Another program, run beside the agent: for so long and no longer, and never more than one at a time.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Word;

/// After so long the program is ended, with everything that it started.
const LIMIT: Duration = Duration::from_secs(15);

/// Says each word by running a program. While one runs the others wait; of those that wait, each is said once, as it
/// came last.
pub(super) async fn say(mut words: mpsc::UnboundedReceiver<Word>, command: impl Fn(Word) -> Option<Command>) {
    while let Some(first) = words.recv().await {
        let mut waiting = vec![first];
        loop {
            while let Ok(word) = words.try_recv() {
                waiting.retain(|each| *each != word);
                waiting.push(word);
            }
            if waiting.is_empty() {
                break;
            }
            let word = waiting.remove(0);
            if let Some(command) = command(word)
                && let Err(why) = run(command, LIMIT).await
            {
                tracing::error!(word = word.as_str(), why, "what becomes of an alarm could not be said in the home");
            }
        }
    }
}

/// Runs a program to its end, or to its limit.
async fn run(mut command: Command, limit: Duration) -> Result<(), String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
    // It is the agent that systemd hears from.
    command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|error| format!("{name} cannot be started: {error}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let ended = timeout(limit, child.wait()).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{name}: {status}")),
        Ok(Err(error)) => Err(format!("{name}: {error}")),
        Err(_) => {
            if let Some(group) = group {
                // An error means that all of them are gone already.
                let _ = kill_process_group(group, Signal::KILL);
            }
            drop(child.wait().await);
            Err(format!("{name} was ended, as it ran for more than {} s", limit.as_secs_f32()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_everything_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("child");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let why = run(shell(&script), Duration::from_millis(500)).await.unwrap_err();
        assert!(why.contains("0.5 s"), "{why}");
        let child = std::fs::read_to_string(file).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        // Whoever adopts it may not have buried it yet.
        let is_gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        for _ in 0..500 {
            if is_gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the sleep is still there");
    }

    #[tokio::test]
    async fn a_program_that_fails_or_is_not_there_is_said_to_be_so() {
        assert!(run(shell("exit 3"), LIMIT).await.unwrap_err().contains('3'));
        assert!(run(Command::new("/nonexistent/hook"), LIMIT).await.unwrap_err().contains("cannot be started"));
    }

    #[tokio::test]
    async fn while_one_runs_the_others_wait_and_each_is_said_once_as_it_came_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("said");
        let (speak, words) = mpsc::unbounded_channel();
        for word in [Word::NoContact, Word::Received, Word::TakenByAPerson, Word::Received] {
            speak.send(word).unwrap();
        }
        drop(speak);
        let script = format!("echo $0 >> {}", file.display());
        say(words, |word| {
            let mut command = shell(&script);
            command.arg(word.as_str());
            Some(command)
        })
        .await;
        assert_eq!(std::fs::read_to_string(file).unwrap(), "no_contact\ntaken_by_a_person\nreceived\n");
    }
}
