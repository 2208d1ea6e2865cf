//! `hempuls-agent doctor`: looks at everything an agent needs, and says in plain words what to do about what it lacks.
//!
//! Each file looks at one thing. Facts are gathered first and judged then, so that every judgement can be tested. It
//! works with and without a running agent, and disturbs none.

mod bluetooth;
mod clock;
mod daemon;
mod disk;
mod gateway;
mod outputs;

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::config::Config;

/// How something is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It cannot be told from here.
    Unknown,
    /// It works, but somebody should look at it.
    Odd,
    /// Something that the agent needs is missing.
    Bad,
}

/// What was found about one thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// About what, in a word or two.
    pub about: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, and what it means.
    pub said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn good(about: &'static str, said: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Good, said: said.into(), advice: None }
    }

    fn unknown(about: &'static str, said: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Unknown, said: said.into(), advice: None }
    }

    fn odd(about: &'static str, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Odd, said: said.into(), advice: Some(advice.into()) }
    }

    fn bad(about: &'static str, said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Bad, said: said.into(), advice: Some(advice.into()) }
    }
}

/// Everything that was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Whether the agent has all that it needs.
    #[must_use]
    pub fn are_good(&self) -> bool {
        self.0.iter().all(|finding| finding.verdict != Verdict::Bad)
    }
}

/// Looks at everything, as this configuration describes it.
pub async fn examine(config: &Path) -> Findings {
    let read = Config::read(config);
    let mut findings = Vec::new();
    let adapter = match &read {
        Ok(config_read) => {
            let said = format!("{} is right, and names {} devices", config.display(), config_read.devices.len());
            findings.push(Finding::good("Configuration", said));
            config_read.radio.adapter.clone()
        }
        Err(error) => {
            let advice = "correct it; `hempuls-agent check-config` reads it again. The agent does not start with it";
            findings.push(Finding::bad("Configuration", error.to_string(), advice));
            None
        }
    };
    let status = match &read {
        Ok(config) => {
            let asked = daemon::ask(&config.socket).await;
            findings.push(daemon::judge(&asked));
            asked.ok()
        }
        Err(_) => None,
    };
    findings.extend(bluetooth::judge(&bluetooth::look(), adapter.as_deref(), status.as_ref()));
    findings.push(clock::judge(&clock::look(status.as_ref())));
    if let Ok(config) = &read {
        findings.extend(gateway::judge(&gateway::look(config, status.as_ref()).await));
        findings.extend(disk::judge(&disk::look(&config.state), &config.state));
        findings.extend(outputs::judge(&config.feedback));
    }
    findings.extend(status.iter().flat_map(daemon::devices));
    Findings(findings)
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { about, verdict, said, advice } in &self.0 {
            let mark = match verdict {
                Verdict::Good => "ok",
                Verdict::Unknown => "?",
                Verdict::Odd => "look",
                Verdict::Bad => "BAD",
            };
            writeln!(f, "{mark:<5} {about:<14} {said}")?;
            if let Some(advice) = advice {
                writeln!(f, "{:<20} → {advice}", "")?;
            }
        }
        let bad = self.0.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
        match bad {
            0 => writeln!(f, "\nThe agent has what it needs."),
            1 => writeln!(f, "\n1 thing must be put right."),
            bad => writeln!(f, "\n{bad} things must be put right."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bad_comes_with_what_to_do_and_is_counted() {
        let findings = Findings(vec![
            Finding::good("Clock", "2026-11-24, kept by a time server"),
            Finding::odd("Flash", "20 MiB free", "free some"),
            Finding::bad("Bluetooth", "the adapter is switched off", "bluetoothctl power on"),
        ]);
        let page = findings.to_string();
        assert!(page.contains("BAD   Bluetooth      the adapter is switched off\n"), "{page}");
        assert!(page.contains("→ bluetoothctl power on") && page.ends_with("1 thing must be put right.\n"), "{page}");
        assert!(!findings.are_good());
        assert!(Findings(findings.0[..2].into()).are_good(), "what is odd does not keep the agent from working");
    }
}
