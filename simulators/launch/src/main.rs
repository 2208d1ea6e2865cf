//! `cargo demo`: checks what the demonstration needs, builds both programs and the simulator with progress shown,
//! and hands over to `hempuls-sim demo`.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// A program the demonstration needs, the Debian package that brings it, and what for.
const NEEDED: [(&str, &str, &str); 2] =
    [("cc", "gcc libc6-dev", "a C compiler"), ("dbus-daemon", "dbus-daemon", "the message bus of the simulated BlueZ")];

fn main() -> ExitCode {
    let missing: Vec<_> = NEEDED.into_iter().filter(|(program, ..)| !is_on_path(program)).collect();
    if !missing.is_empty() {
        let what: Vec<_> = missing.iter().map(|(program, _, what)| format!("{what} ({program})")).collect();
        let packages: Vec<_> = missing.iter().map(|(_, package, _)| *package).collect();
        eprintln!("The demonstration needs {}. Install it with:", what.join(" and "));
        eprintln!("    sudo apt-get install {}", packages.join(" "));
        return ExitCode::FAILURE;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    eprintln!("Building agent, gateway and simulator (a few minutes the first time) …");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(&root)
        .args(["build", "--bins", "-p", "hempuls-agent", "-p", "hempuls-gateway", "-p", "hempuls-simulators"])
        .stdin(Stdio::null())
        .status();
    match built {
        Ok(status) if status.success() => {}
        Ok(_) => return ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo could not be started: {error}");
            return ExitCode::FAILURE;
        }
    }
    let Some(simulator) = beside_this_program("hempuls-sim") else {
        eprintln!("The simulator was built, but its program is not beside this one.");
        return ExitCode::FAILURE;
    };
    let error = Command::new(simulator).arg("demo").args(env::args_os().skip(1)).exec();
    eprintln!("The simulator could not be started: {error}");
    ExitCode::FAILURE
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn beside_this_program(name: &str) -> Option<PathBuf> {
    let program = env::current_exe().ok()?.with_file_name(name);
    program.is_file().then_some(program)
}
