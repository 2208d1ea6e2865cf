//! The units that systemd runs the agent by: right, and with few rights.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const UNIT: &str = "hempuls-agent.service";

#[test]
fn systemd_understands_every_line_of_the_unit() {
    let installed = Installed::new(false);
    let verified = installed.analyze(&["verify"]);
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
}

#[test]
fn systemd_understands_every_line_of_the_unit_with_sound() {
    let installed = Installed::new(true);
    let verified = installed.analyze(&["verify"]);
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    let said = installed.analyze(&["security", "--offline=true", "--threshold=100"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("char-alsa"), "the addition counts: {said:?}");
}

#[test]
fn the_agent_may_do_little_besides_speaking() {
    let judged = Installed::new(false).analyze(&["security", "--offline=true", "--threshold=20"]);
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}

#[test]
fn a_line_that_systemd_does_not_know_would_be_noticed() {
    let installed = Installed::new(false);
    let unit = installed.0.path().join(UNIT);
    let text = std::fs::read_to_string(&unit).unwrap();
    std::fs::write(&unit, text.replace("WatchdogSec", "WatchdogSeconds")).unwrap();
    let verified = installed.analyze(&["verify"]);
    assert!(String::from_utf8_lossy(&verified.stderr).contains("WatchdogSeconds"), "{verified:?}");
}

/// The units as they are shipped, with the program where it was built.
struct Installed(TempDir);

impl Installed {
    fn new(with_sound: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shipped = shipped();
        let text = std::fs::read_to_string(shipped.join(UNIT)).unwrap();
        let program = "/usr/bin/hempuls-agent";
        assert!(text.contains(program));
        let text = text.replace(program, env!("CARGO_BIN_EXE_hempuls-agent"));
        std::fs::write(folder.path().join(UNIT), text).unwrap();
        if with_sound {
            let additions = folder.path().join(format!("{UNIT}.d"));
            std::fs::create_dir(&additions).unwrap();
            let sound = format!("{UNIT}.d/sound.conf");
            std::fs::copy(shipped.join(&sound), folder.path().join(&sound)).unwrap();
        }
        Self(folder)
    }

    fn analyze(&self, arguments: &[&str]) -> Output {
        let analyze = Command::new("systemd-analyze").args(arguments).arg(self.0.path().join(UNIT)).output();
        analyze.expect("systemd-analyze comes with Debian's package systemd; tests/run installs it")
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd")
}
