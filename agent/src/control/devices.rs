//! `hempuls-agent devices`: which of the eighty devices nearby is the cuff in the installer's hand.

use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::ids::DeviceId;
use hempuls_protocol::wire::heartbeat::Nearby;
use serde::{Deserialize, Serialize};

use super::Daemon;
use super::status::{ago, printable};

/// A device that may be the one that is looked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// Its address.
    pub device: String,
    /// What it looks like, or what it was adopted as.
    pub kind: Option<DeviceKind>,
    /// The name it says.
    pub name: Option<String>,
    /// How strongly it is heard, in dBm.
    pub signal_dbm: Option<i8>,
    /// Seconds since it was last heard; none for a device of this home that is not nearby.
    pub heard_s: Option<u64>,
    /// It began to advertise a moment ago, as a device does that was just used.
    pub just_used: bool,
    /// Who named it as one of this home's.
    pub named_by: Option<String>,
    /// It shows a number, and waits for somebody to type it.
    pub shows_a_number: bool,
}

/// What is nearby, the likeliest first, and after it those of this home that are not.
pub(super) fn of(daemon: &Daemon) -> Vec<Candidate> {
    let named = daemon.desk.named();
    let asking = daemon.passkeys.asked_for();
    let by = |device: &DeviceId| named.iter().find(|named| named.device.id() == *device);
    let is_asking = |device: &DeviceId| matches!(device, DeviceId::Address(address) if asking.contains(address));
    let nearby = daemon.reporter.vitals.nearby();
    let here = nearby.iter().map(|seen| {
        let Nearby { device, name, signal_dbm, kind, heard_s, just_used, adopted: _ } = seen;
        Candidate {
            device: device.to_string(),
            kind: by(device).map(|named| named.device.kind).or(*kind),
            name: name.clone(),
            signal_dbm: *signal_dbm,
            heard_s: Some(*heard_s),
            just_used: *just_used,
            named_by: by(device).map(|named| named.by.to_owned()),
            shows_a_number: is_asking(device),
        }
    });
    let is_away = |device: &DeviceId| !nearby.iter().any(|seen| seen.device == *device);
    let away = named.iter().filter(|named| is_away(&named.device.id())).map(|named| Candidate {
        device: named.device.id().to_string(),
        kind: Some(named.device.kind),
        name: None,
        signal_dbm: None,
        heard_s: None,
        just_used: false,
        named_by: Some(named.by.to_owned()),
        shows_a_number: is_asking(&named.device.id()),
    });
    here.chain(away).collect()
}

/// The table an installer reads, standing in the kitchen. Unless `all`, without what says nothing about health or help.
#[must_use]
pub fn table(candidates: &[Candidate], all: bool) -> String {
    let is_shown = |each: &&Candidate| all || each.kind.is_some();
    let shown: Vec<&Candidate> = candidates.iter().filter(is_shown).collect();
    let mut lines = vec![format!("{:<17}  {:<14}  {:<20}  {:<22}  ", "ADDRESS", "WHAT", "NAME", "SIGNAL")];
    lines.extend(shown.iter().map(|candidate| candidate.line()));
    if shown.is_empty() {
        lines.push(
            "Nothing that measures or calls for help is heard. Take a measurement, or press the button, now.".into(),
        );
    }
    let hidden = candidates.len() - shown.len();
    if hidden > 0 {
        lines.push(format!("{hidden} others say nothing about health or help; --all shows them."));
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

impl Candidate {
    fn line(&self) -> String {
        let kind = self.kind.map_or("-", DeviceKind::as_str);
        let name: String = printable(self.name.as_deref().unwrap_or("-")).chars().take(20).collect();
        let signal = self.signal_dbm.map_or_else(|| "-".to_owned(), |dbm| format!("{} ({dbm} dBm)", in_words(dbm)));
        let heard = match self.heard_s {
            _ if self.shows_a_number => "SHOWS A NUMBER: adopt it to type it in".to_owned(),
            Some(_) if self.just_used => "USED JUST NOW".to_owned(),
            Some(seconds) => format!("heard {} ago", ago(seconds)),
            None => "not nearby".to_owned(),
        };
        let named = self.named_by.as_ref().map_or_else(String::new, |by| format!(", adopted by {by}"));
        format!("{:<17}  {kind:<14}  {name:<20}  {signal:<22}  {heard}{named}", self.device)
    }
}

/// What a signal means in a home. Walls and bodies take 10 dB or more each.
fn in_words(dbm: i8) -> &'static str {
    match dbm {
        -50.. => "within reach",
        -65..=-51 => "in this room",
        -80..=-66 => "in the next room",
        ..=-81 => "far away",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(device: &str, kind: Option<DeviceKind>) -> Candidate {
        Candidate {
            device: device.into(),
            kind,
            name: None,
            signal_dbm: Some(-70),
            heard_s: Some(4),
            just_used: false,
            named_by: None,
            shows_a_number: false,
        }
    }

    #[test]
    fn the_cuff_in_her_hand_stands_out() {
        let cuff = Candidate {
            name: Some("BPM 59\u{7}".into()),
            signal_dbm: Some(-48),
            just_used: true,
            ..heard("F0:F1:F2:F3:F4:F5", Some(DeviceKind::BloodPressure))
        };
        let own = Candidate {
            named_by: Some("agent.toml".into()),
            ..heard("38:39:8F:70:B2:4E", Some(DeviceKind::AlarmButton))
        };
        let mut candidates = vec![cuff, own];
        candidates.extend((0..78).map(|n| heard(&format!("40:00:00:00:00:{n:02X}"), None)));
        let table = table(&candidates, false);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines[1].starts_with("F0:F1:F2:F3:F4:F5  blood_pressure  BPM 59\u{fffd}"), "{table}");
        assert!(lines[1].ends_with("within reach (-48 dBm)  USED JUST NOW"), "{table}");
        assert!(lines[2].ends_with("heard 4 s ago, adopted by agent.toml"), "{table}");
        assert!(lines[3].starts_with("78 others"), "{table}");
        assert_eq!(super::table(&candidates, true).lines().count(), 81);
    }

    #[test]
    fn where_nothing_is_heard_it_says_what_to_do() {
        assert!(table(&[], false).contains("Take a measurement"));
    }
}
