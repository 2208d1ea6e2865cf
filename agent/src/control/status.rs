//! `hempuls-agent status`: the books and how everything does, for people and, as JSON, for programs.

use std::fmt;

use hempuls_protocol::event::{Refusal, Trouble};
use hempuls_protocol::times::Trust;
use hempuls_protocol::wire::heartbeat::{self, Hearing, Heartbeat, LaneState, Takes};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Daemon;

/// How an agent does. Where a value is not known it is left out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Its name, once it is enrolled.
    pub agent: Option<String>,
    /// Whether it is retired: it hears nothing more, and sends what it has.
    pub retired: bool,
    /// Whether it has a connection to its gateway.
    pub connected: bool,
    /// Which of its ways to the gateway it uses, from 1, and how many there are.
    pub uplink: Option<(u32, u32)>,
    /// `synchronised`, `estimated` or `unknown`.
    pub clock_trust: String,
    /// What its clock shows, RFC 3339.
    pub clock: Option<String>,
    /// The radio.
    pub radio: Radio,
    /// What the flash takes: `all`, `alarms_only` or `nothing`.
    pub flash_takes: Option<String>,
    /// Whether what lies on flash is encrypted.
    pub flash_encrypted: Option<bool>,
    /// Bytes free on flash.
    pub flash_free: Option<u64>,
    /// Alarms that are sent from memory, as flash refused them.
    pub alarms_in_memory: u64,
    /// When its certificate expires, RFC 3339.
    pub certificate_expires: Option<String>,
    /// The revision of the gateway's configuration that is used; 0 where there is none.
    pub config_revision: u64,
    /// The revision that was refused, and why.
    pub config_refused: Option<(u64, String)>,
    /// Its side of the books: one line for each lane.
    pub books: Vec<Line>,
    /// Signals and presses heard since the start of the program.
    pub heard: u64,
    /// Of them, not taken.
    pub refused: u64,
    /// Of them, by reason.
    pub refusals: Vec<(String, u64)>,
    /// The devices it serves.
    pub devices: Vec<Device>,
    /// Panics inside libraries since the start of the program, caught.
    pub panics: u32,
}

/// The radio.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Radio {
    /// `alive`, `unproven` or `dead`.
    pub hearing: Option<String>,
    /// Seconds since anything was heard.
    pub heard_s: Option<u64>,
    /// How often something had to be done to make it hear again, since the start of the program.
    pub cures: Option<u32>,
    /// Devices of strangers that are left alone.
    pub strangers: Option<u32>,
    /// Whether devices of the home that want to pair are answered.
    pub pairs: bool,
}

/// One lane of the books, for the present epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// `alarm` or `reading`.
    pub lane: String,
    /// The life of the buffer that the numbers belong to.
    pub epoch: String,
    /// Numbers given out.
    pub taken: u64,
    /// Of them, receipted by the gateway.
    pub receipted: u64,
    /// Of them, not.
    pub waiting: u64,
    /// Of those receipted, still on flash.
    pub kept: u64,
    /// How long the oldest of those that wait has waited.
    pub oldest_waiting_s: Option<u64>,
}

/// A device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// Which.
    pub device: String,
    /// What it is.
    pub kind: String,
    /// Who named it first.
    pub named_by: String,
    /// In percent.
    pub battery: Option<u8>,
    /// Seconds since it was last heard.
    pub heard_s: Option<u64>,
    /// Model and firmware.
    pub model: Option<String>,
    /// By how many seconds its clock is ahead.
    pub clock_ahead_s: Option<i64>,
    /// The sign of life that it should send has not come.
    pub is_missing: bool,
    /// What was last wrong with it, if it has not worked since: what that means, and what to do.
    pub trouble: Option<String>,
}

/// The agent as it is at this moment.
pub(super) fn of(daemon: &Daemon) -> Status {
    let identity = daemon.identity.load().ok().flatten();
    let heartbeat = daemon.reporter.heartbeat(identity.as_ref().map_or(0, |identity| identity.life.until));
    let certificate_expires = identity.as_ref().map(|identity| rfc3339(identity.life.until * 1_000));
    let named = daemon.desk.named();
    let devices = heartbeat.devices.iter().map(|state| {
        let named = named.iter().find(|named| named.device.id() == state.device);
        let kind = named.map_or("", |named| named.device.kind.as_str()).to_owned();
        let named_by = named.map_or("", |named| named.by).to_owned();
        let trouble = daemon.reporter.vitals.trouble(&state.device).map(|trouble| in_words(trouble).to_owned());
        device(state, kind, named_by, trouble)
    });
    Status {
        version: heartbeat.version.clone(),
        agent: identity.map(|identity| identity.agent.to_string()),
        retired: daemon.desk.home().borrow().retired,
        connected: heartbeat.uplink.is_some(),
        uplink: heartbeat.uplink.map(|uplink| (uplink.place + 1, uplink.of)),
        clock_trust: trust(heartbeat.clock.trust).into(),
        clock: heartbeat.clock.wall_ms.map(rfc3339),
        radio: Radio {
            hearing: heartbeat.radio.map(|radio| hearing(radio.hearing).into()),
            heard_s: heartbeat.heard_s,
            cures: heartbeat.radio.map(|radio| radio.cures),
            strangers: heartbeat.radio.map(|radio| radio.strangers),
            pairs: daemon.reporter.vitals.pairs(),
        },
        flash_takes: heartbeat.flash.map(|flash| takes(flash.takes).into()),
        flash_encrypted: heartbeat.flash.map(|flash| flash.encrypted),
        flash_free: heartbeat.disk_free,
        alarms_in_memory: heartbeat.flash.map_or(0, |flash| flash.in_memory),
        certificate_expires,
        config_revision: heartbeat.config.as_ref().map_or(0, |config| config.revision),
        config_refused: config_refused(&heartbeat),
        books: heartbeat.lanes.iter().map(line).collect(),
        heard: heartbeat.heard,
        refused: heartbeat.refused,
        refusals: heartbeat.refusals.iter().map(|(why, count)| (refusal(*why).to_owned(), *count)).collect(),
        devices: devices.collect(),
        panics: heartbeat.panics,
    }
}

fn config_refused(heartbeat: &Heartbeat) -> Option<(u64, String)> {
    let refused = heartbeat.config.as_ref()?.refused.clone()?;
    Some((refused.revision, refused.why))
}

fn device(state: &heartbeat::DeviceState, kind: String, named_by: String, trouble: Option<String>) -> Device {
    Device {
        device: state.device.to_string(),
        kind,
        named_by,
        battery: state.battery,
        heard_s: state.heard_s,
        model: state.model.clone(),
        clock_ahead_s: state.clock_ahead_s,
        is_missing: state.is_missing,
        trouble,
    }
}

fn line(lane: &LaneState) -> Line {
    Line {
        lane: lane.lane.to_string(),
        epoch: lane.epoch.to_string(),
        taken: lane.last.0,
        receipted: lane.receipted_through.0,
        waiting: lane.last.0 - lane.receipted_through.0,
        kept: lane.receipted_through.next().0.saturating_sub(lane.oldest_kept.0),
        oldest_waiting_s: lane.oldest_waiting_s,
    }
}

fn rfc3339(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .map_or_else(|_| String::new(), |moment| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Unknown => "unknown",
        Trust::Estimated => "estimated",
        Trust::Synchronised => "synchronised",
    }
}

fn hearing(hearing: Hearing) -> &'static str {
    match hearing {
        Hearing::Unproven => "unproven",
        Hearing::Alive => "alive",
        Hearing::Dead => "dead",
    }
}

fn takes(takes: Takes) -> &'static str {
    match takes {
        Takes::All => "all",
        Takes::AlarmsOnly => "alarms_only",
        Takes::Nothing => "nothing",
    }
}

fn refusal(why: Refusal) -> &'static str {
    match why {
        Refusal::Flash => "the flash could not take it",
        Refusal::Full => "as much waits as may wait",
        Refusal::NotAuthentic => "forged, damaged or unencrypted",
        Refusal::Replayed => "a button's counter went back again",
        Refusal::Stuck => "a button that does not stop",
    }
}

/// What is wrong with a device, and what to do.
pub(super) fn in_words(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Unreadable => "it said something that could not be read; it was kept as it came",
        Trouble::Pairing => "it refuses to be paired: bring it into pairing mode, and adopt it again",
        Trouble::NoService => "it lacks the service it should have: is it what it was adopted as?",
        Trouble::LostBond => {
            "it and this box have lost their keys: forget it, bring it into pairing mode, adopt it again"
        }
        Trouble::PairedElsewhere => {
            "it was paired with something else, such as a phone: take it out there, and adopt it again"
        }
        Trouble::Unreachable => {
            "it is heard but takes no connection: bring it nearer, and look for a phone that has it"
        }
        Trouble::NeedsPasskey => "it shows a number and nobody typed it: adopt it again with the device in hand",
        Trouble::StuckButton => "its button is pressed over and over: look whether it is stuck",
        Trouble::Silent => "its sign of life has not come: look at its battery, and whether it is in the home",
        Trouble::ClockWrong => "its clock is wrong and cannot be set from here: set it on the device",
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.agent {
            Some(agent) => writeln!(f, "hempuls-agent {}, enrolled as {agent}", self.version)?,
            None => writeln!(f, "hempuls-agent {}, not enrolled: everything is kept, nothing is sent", self.version)?,
        }
        if self.retired {
            writeln!(f, "RETIRED: nothing more is heard, and what is left is sent. The care team can take that back")?;
        }
        writeln!(f)?;
        let way = self.uplink.filter(|(_, of)| *of > 1).map(|(place, of)| format!(", way {place} of {of}"));
        let connected = if self.connected { "connected" } else { "no connection; what is heard waits on flash" };
        writeln!(f, "Gateway        {connected}{}", way.unwrap_or_default())?;
        writeln!(f, "Clock          {}", self.clock_in_words())?;
        writeln!(f, "Radio          {}", self.radio)?;
        writeln!(f, "Flash          {}", self.flash_in_words())?;
        let expires = self.certificate_expires.as_deref().unwrap_or("none yet");
        writeln!(
            f,
            "Certificate    {expires}{}",
            if self.certificate_expires.is_some() { ", until then" } else { "" }
        )?;
        match self.config_revision {
            0 => writeln!(f, "Configuration  agent.toml and what was adopted here; the gateway has sent none")?,
            revision => writeln!(f, "Configuration  revision {revision} of the gateway's")?,
        }
        if let Some((revision, why)) = &self.config_refused {
            writeln!(f, "               revision {revision} was refused: {why}")?;
        }
        writeln!(
            f,
            "\nBooks          {:>9}  {:>9}  {:>9}  {:>9}  oldest waiting",
            "taken", "receipted", "waiting", "kept"
        )?;
        for line in &self.books {
            let oldest = line.oldest_waiting_s.map_or_else(|| "-".to_owned(), ago);
            let Line { lane, taken, receipted, waiting, kept, .. } = line;
            writeln!(f, "  {:<11}  {taken:>9}  {receipted:>9}  {waiting:>9}  {kept:>9}  {oldest}", format!("{lane}s"))?;
        }
        let mut epochs: Vec<&str> = self.books.iter().map(|line| &*line.epoch).collect();
        epochs.dedup();
        writeln!(f, "  epoch        {}", epochs.join(", "))?;
        writeln!(f, "  heard {} since the start, {} of them not taken", self.heard, self.refused)?;
        for (why, count) in &self.refusals {
            writeln!(f, "    {count}: {why}")?;
        }
        if self.alarms_in_memory > 0 {
            writeln!(f, "  {} alarms are sent from memory, as the flash took them not", self.alarms_in_memory)?;
        }
        writeln!(
            f,
            "\nDevices        {}",
            if self.devices.is_empty() { "none; `hempuls-agent adopt` takes one in" } else { "" }
        )?;
        for device in &self.devices {
            writeln!(f, "  {device}")?;
        }
        Ok(())
    }
}

impl Status {
    fn clock_in_words(&self) -> String {
        let shows = self.clock.as_deref().unwrap_or("shows nothing");
        match self.clock_trust.as_str() {
            "synchronised" => format!("{shows}, kept by a time server"),
            "estimated" => format!("{shows}, which nobody vouches for"),
            _ => format!("{shows}, which is not the time; readings are dated when it is known"),
        }
    }

    fn flash_in_words(&self) -> String {
        let takes = match self.flash_takes.as_deref() {
            Some("alarms_only") => "full: takes alarms only",
            Some("nothing") => "takes nothing: full, read-only or broken",
            _ => "takes everything",
        };
        let free = self.flash_free.map_or_else(String::new, |bytes| format!(", {} MiB free", bytes >> 20));
        let encrypted = if self.flash_encrypted == Some(true) { ", encrypted" } else { "" };
        format!("{takes}{free}{encrypted}")
    }
}

impl fmt::Display for Radio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard =
            self.heard_s.map_or_else(|| "nothing since the start".to_owned(), |s| format!("last {} ago", ago(s)));
        match self.hearing.as_deref() {
            Some("alive") | None => write!(f, "heard {heard}")?,
            Some("dead") => write!(f, "does not hear ({heard}); `hempuls-agent doctor` looks for the reason")?,
            Some(_) => write!(f, "may or may not hear ({heard})")?,
        }
        match self.strangers {
            Some(strangers) if strangers > 0 => write!(f, "; {strangers} devices of strangers are left alone"),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let battery = self.battery.map_or_else(String::new, |percent| format!(", battery {percent} %"));
        let heard = self.heard_s.map_or_else(|| "not heard yet".to_owned(), |s| format!("heard {} ago", ago(s)));
        let model = self.model.as_ref().map_or_else(String::new, |model| format!(", {}", printable(model)));
        write!(f, "{}  {:<14}  {heard}{battery}{model}  (by {})", self.device, self.kind, self.named_by)?;
        if let Some(ahead) = self.clock_ahead_s.filter(|ahead| ahead.abs() > 60) {
            let which = if ahead > 0 { "ahead" } else { "behind" };
            write!(f, "\n      its clock was {} {which}", ago(ahead.unsigned_abs()))?;
        }
        if self.is_missing {
            write!(f, "\n      {}", in_words(Trouble::Silent))?;
        }
        match &self.trouble {
            Some(trouble) => write!(f, "\n      {trouble}"),
            None => Ok(()),
        }
    }
}

/// A duration as people say it: `3 s`, `12 min`, `5 h`, `3 days`.
pub(super) fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What a device says of itself, fit for a terminal: no control characters, whoever sent them.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            version: "0.1.0".into(),
            agent: Some("aaaaaaaaaaaaaaaa".into()),
            retired: false,
            connected: true,
            uplink: Some((2, 3)),
            clock_trust: "unknown".into(),
            clock: Some("1970-01-01T00:10:00Z".into()),
            radio: Radio {
                hearing: Some("alive".into()),
                heard_s: Some(2),
                cures: Some(0),
                strangers: Some(3),
                pairs: true,
            },
            flash_takes: Some("alarms_only".into()),
            flash_encrypted: Some(true),
            flash_free: Some(5 << 20),
            alarms_in_memory: 0,
            certificate_expires: Some(rfc3339(1_800_014_400_000)),
            config_revision: 7,
            config_refused: Some((8, "it names the device F0:F1:F2:F3:F4:F5 twice".into())),
            books: vec![Line {
                lane: "reading".into(),
                epoch: "0123456789abcdef".into(),
                taken: 1_204,
                receipted: 1_200,
                waiting: 4,
                kept: 812,
                oldest_waiting_s: Some(750),
            }],
            heard: 1_208,
            refused: 4,
            refusals: vec![(refusal(Refusal::NotAuthentic).into(), 4)],
            devices: vec![Device {
                device: "F0:F1:F2:F3:F4:F5".into(),
                kind: "blood_pressure".into(),
                named_by: "agent.toml".into(),
                battery: Some(83),
                heard_s: Some(200),
                model: Some("BPM\x1b[2J 59".into()),
                clock_ahead_s: Some(-3_600),
                is_missing: false,
                trouble: Some(in_words(Trouble::PairedElsewhere).into()),
            }],
            panics: 0,
        }
    }

    #[test]
    fn everything_an_installer_asks_about_is_on_one_page() {
        let page = status().to_string();
        for named in [
            "enrolled as aaaaaaaaaaaaaaaa",
            "connected, way 2 of 3",
            "not the time",
            "heard last 2 s ago; 3 devices of strangers",
            "takes alarms only, 5 MiB free, encrypted",
            "2027-01-15T12:00:00Z, until then",
            "revision 7",
            "revision 8 was refused: it names",
            "1204       1200          4        812  12 min",
            "0123456789abcdef",
            "heard 1208 since the start, 4 of them not taken",
            "4: forged",
            "blood_pressure  heard 3 min ago, battery 83 %",
            "60 min behind",
            "paired with something else",
        ] {
            assert!(page.contains(named), "{named:?} is not in\n{page}");
        }
        assert!(!page.contains('\x1b'), "what a device says does not move the cursor");
    }

    #[test]
    fn as_json_it_is_read_as_it_is_written() {
        let written = serde_json::to_string(&status()).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&written).unwrap(), status());
    }
}
