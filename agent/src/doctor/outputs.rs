//! Whether the home can be told what becomes of an alarm.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::feedback::Config;

const ABOUT: &str = "Feedback";

pub(super) fn judge(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(hook) = &config.hook {
        findings.push(program(hook.command.first(), "the command"));
    }
    if let Some(sound) = &config.sound {
        findings.push(program(sound.player.first(), "the player"));
        findings.extend(sound.missing().first().map(|missing| {
            let said = format!("{} is not there, so this is not said aloud", missing.display());
            Finding::bad(ABOUT, said, "record it, or have it spoken; agent.example.toml says how")
        }));
    }
    findings
}

fn program(name: Option<&String>, what: &str) -> Finding {
    let name = name.map_or("", String::as_str);
    match find(name) {
        Some(path) => Finding::good(ABOUT, format!("{what} {} is there", path.display())),
        None => {
            let said = format!("{what} {name} is not there or cannot be run, so the home is not told by it");
            Finding::bad(ABOUT, said, "install it, or correct [feedback] in agent.toml")
        }
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let runs = |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| runs(path));
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| runs(path))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::feedback::{hook, sound};

    #[test]
    fn a_program_and_its_sounds_are_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let hook = |command: &str| Some(hook::Config { command: vec![command.into()] });
        let verdicts = |config: &Config| Vec::from_iter(judge(config).into_iter().map(|finding| finding.verdict));
        assert_eq!(verdicts(&Config { hook: hook("sh"), sound: None }), [Verdict::Good]);
        assert_eq!(verdicts(&Config { hook: hook("/nonexistent/lamp"), sound: None }), [Verdict::Bad]);
        assert_eq!(verdicts(&Config { hook: hook("/etc/passwd"), sound: None }), [Verdict::Bad], "it cannot be run");
        let sound = Some(sound::Config { player: vec!["sh".into()], folder: folder.path().into() });
        assert_eq!(verdicts(&Config { hook: None, sound }), [Verdict::Good, Verdict::Bad]);
    }
}
