//! The running agent: whether there is one, and what it says of its devices.

use std::path::Path;

use super::{Finding, Verdict};
use crate::control::client::{Talk, TalkError};
use crate::control::status::Status;
use crate::control::words::{Answer, Ask};

pub(super) async fn ask(socket: &Path) -> Result<Status, TalkError> {
    match Talk::begin(socket, Ask::Status).await?.answer().await? {
        Answer::Status(status) => Ok(*status),
        _ => Err(TalkError::Ended),
    }
}

pub(super) fn judge(asked: &Result<Status, TalkError>) -> Finding {
    const ABOUT: &str = "Agent";
    match asked {
        Ok(status) if status.panics > 0 => Finding::odd(
            ABOUT,
            format!(
                "version {} runs; {} times something in it went wrong and was caught",
                status.version, status.panics
            ),
            "send `hempuls-agent bundle` to whoever looks after the program",
        ),
        Ok(status) => Finding::good(ABOUT, format!("version {} runs", status.version)),
        Err(TalkError::NotRunning(_)) => Finding::bad(
            ABOUT,
            "does not run: nothing is heard and nothing is sent",
            "systemctl start hempuls-agent; if it does not stay up: journalctl -u hempuls-agent",
        ),
        Err(error) => {
            Finding { verdict: Verdict::Unknown, ..Finding::odd(ABOUT, error.to_string(), "sudo hempuls-agent doctor") }
        }
    }
}

/// What is wrong with the devices of the home.
pub(super) fn devices(status: &Status) -> Vec<Finding> {
    const ABOUT: &str = "Device";
    let odd = |said: String, advice: &str| Finding::odd(ABOUT, said, advice);
    let mut findings = Vec::new();
    if let Some((revision, why)) = &status.config_refused {
        let said = format!("the gateway's revision {revision} cannot be used: {why}");
        findings.push(Finding::bad("Configuration", said, "the care team corrects it at the gateway"));
    }
    for device in &status.devices {
        let name = format!("{} ({})", device.device, device.kind);
        if let Some(trouble) = &device.trouble {
            findings.push(odd(name.clone(), trouble));
        }
        if device.is_missing {
            findings
                .push(odd(format!("{name}: its sign of life has not come"), "look at its battery, and where it is"));
        }
        if device.battery.is_some_and(|percent| percent <= 10) {
            findings.push(odd(format!("{name}: its battery is nearly empty"), "change it"));
        }
    }
    findings
}
