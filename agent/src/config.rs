//! `agent.toml`: parsed completely before anything starts; a key that nobody knows is an error.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hempuls_protocol::devices::alarm_button::BindKey;
use hempuls_protocol::devices::{DeviceKind, Dialect};
use hempuls_protocol::ids::DeviceId;
use hempuls_protocol::wire::home_config::Counted;
use serde::Deserialize;

use crate::{buffer, feedback, heartbeat, radio, uplink};

/// Everything the agent is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that holds everything the agent must not forget.
    pub state: PathBuf,
    /// Where the log goes.
    pub log: Log,
    /// How what was heard is kept.
    pub buffer: buffer::Config,
    /// How often the agent says that it is alive.
    pub heartbeat: heartbeat::Config,
    /// The ways to the gateway, in the order in which they are to be tried; empty for the one that enrolment granted.
    pub uplinks: Vec<uplink::Line>,
    /// How to hear the devices of the home.
    pub radio: radio::Config,
    /// Where the commands of `hempuls-agent` find the one that runs.
    pub socket: PathBuf,
    /// How a person in the home is told what becomes of an alarm.
    pub feedback: feedback::Config,
    /// The devices of the home that this file names.
    pub devices: Vec<Device>,
}

/// Where the log goes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// Standard error.
    Stderr,
    /// The system's journal.
    Journald,
}

/// A device of the home.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its identity or public address.
    pub address: [u8; 6],
    /// What it is.
    pub kind: DeviceKind,
    /// How its model departs from the standard; none where the model it names decides.
    pub dialect: Option<Dialect>,
    /// A button's key; without one it is believed as it is.
    pub key: Option<BindKey>,
    /// How often a button sends a sign of life, where it does and is to be missed.
    pub beacon: Option<Duration>,
    /// How far a button has counted, as the gateway knows: a replaced agent knows nothing of it.
    pub counted: Option<Counted>,
}

impl Device {
    /// Its name in events.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId::Address(self.address)
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {error}. The agent needs it; `--config` says where it is")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is not as it should be.
    #[error("{path}: {why}")]
    Wrong {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
}

impl Config {
    /// Reads the file and every file that it names. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`], which says what to change.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let wrong = |why: String| ConfigError::Wrong { path: path.to_owned(), why };
        let raw: Raw = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut addresses = BTreeSet::new();
        let mut devices = Vec::new();
        let socket = folder.join(raw.socket());
        for raw in raw.device {
            let device = raw.check(folder)?.map_err(wrong)?;
            if !addresses.insert(device.address) {
                return Err(wrong(format!("the device {} is there twice", device.id())));
            }
            devices.push(device);
        }
        let default = if std::env::var_os("JOURNAL_STREAM").is_some() { Log::Journald } else { Log::Stderr };
        Ok(Self {
            state: folder.join(&raw.state),
            log: raw.log.unwrap_or(default),
            buffer: buffer::Config {
                key_file: raw.buffer.key_file.map(|path| folder.join(path)),
                ..buffer::Config::default()
            },
            heartbeat: heartbeat::Config {
                interval: raw.heartbeat.map_or(heartbeat::Config::default().interval, |Span(interval)| interval),
            },
            uplinks: raw.uplink.into_iter().map(RawUplink::check).collect::<Result<_, _>>().map_err(wrong)?,
            radio: radio::Config { adapter: raw.adapter },
            socket,
            feedback: raw.feedback.within(folder).map_err(wrong)?,
            devices,
        })
    }
}

/// Where the configuration says that the running agent listens. Needs no key files, which only the agent may read.
///
/// # Errors
/// [`ConfigError`].
pub fn socket(path: &Path) -> Result<PathBuf, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    let raw: Raw =
        toml::from_str(&text).map_err(|error| ConfigError::Wrong { path: path.to_owned(), why: error.to_string() })?;
    Ok(path.parent().unwrap_or(Path::new(".")).join(raw.socket()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    state: PathBuf,
    adapter: Option<String>,
    heartbeat: Option<Span>,
    log: Option<Log>,
    socket: Option<PathBuf>,
    #[serde(default)]
    feedback: feedback::Config,
    #[serde(default)]
    buffer: RawBuffer,
    #[serde(default)]
    uplink: Vec<RawUplink>,
    #[serde(default)]
    device: Vec<RawDevice>,
}

impl Raw {
    fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.state.join("agent.sock"))
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBuffer {
    key_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUplink {
    broker: Option<String>,
    interface: Option<String>,
}

impl RawUplink {
    fn check(self) -> Result<uplink::Line, String> {
        let Self { broker, interface } = self;
        let broker = broker.map(|text| text.parse().map_err(|error| format!("the broker {text:?} {error}")));
        let is_name =
            |name: &String| (1..16).contains(&name.len()) && !name.contains(|c: char| c == '/' || c.is_whitespace());
        match interface {
            Some(interface) if !is_name(&interface) => {
                Err(format!("{interface:?} is no network interface; `ip link` shows them"))
            }
            interface => Ok(uplink::Line { broker: broker.transpose()?, interface }),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDevice {
    address: String,
    kind: DeviceKind,
    dialect: Option<Dialect>,
    key_file: Option<PathBuf>,
    beacon: Option<Span>,
}

impl RawDevice {
    fn check(self, folder: &Path) -> Result<Result<Device, String>, ConfigError> {
        let Self { address, kind, dialect, key_file, beacon } = self;
        let Ok(DeviceId::Address(parsed)) = address.parse() else {
            return Ok(Err(format!("{address:?} is not an address (F0:F1:F2:F3:F4:F5)")));
        };
        let is_button = kind == DeviceKind::AlarmButton;
        if key_file.is_some() && !is_button {
            return Ok(Err(format!("{address} has a key_file, which only an alarm_button can have")));
        }
        if beacon.is_some() && !is_button {
            return Ok(Err(format!("{address} has a beacon, which only an alarm_button can have")));
        }
        if let Some(dialect) = dialect.filter(|dialect| !dialect.suits(kind)) {
            return Ok(Err(format!("{address} has the dialect {dialect}, which no {} speaks", kind.as_str())));
        }
        let key = key_file.map(|path| read_key(&folder.join(path))).transpose()?;
        let beacon = beacon.map(|Span(beacon)| beacon);
        Ok(Ok(Device { address: parsed, kind, dialect, key, beacon, counted: None }))
    }
}

/// A button's key, from a file with 32 hexadecimal digits.
fn read_key(path: &Path) -> Result<BindKey, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    text.trim().parse().map_err(|error| ConfigError::Wrong { path: path.to_owned(), why: format!("{error}") })
}

/// A duration as people write it: `"500ms"`, `"30s"`, `"5m"`, `"2h"`.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Span(Duration);

/// Reads a duration as people write it: `500ms`, `30s`, `5m`, `2h`.
///
/// # Errors
/// [`NotASpan`].
pub fn duration(text: &str) -> Result<Duration, NotASpan> {
    text.parse().map(|Span(duration)| duration)
}

/// A text that is no duration.
#[derive(Debug, PartialEq, Eq)]
pub struct NotASpan;

impl std::error::Error for NotASpan {}

impl fmt::Display for NotASpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a duration such as \"500ms\", \"30s\", \"5m\" or \"2h\", above zero")
    }
}

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or(NotASpan)?;
        let (digits, unit) = text.split_at(unit);
        let number: u64 = digits.parse().map_err(|_| NotASpan)?;
        let milliseconds = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        milliseconds.filter(|ms| *ms > 0).map(|ms| Self(Duration::from_millis(ms))).ok_or(NotASpan)
    }
}

impl TryFrom<String> for Span {
    type Error = NotASpan;

    fn try_from(text: String) -> Result<Self, NotASpan> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/etc/hempuls/agent.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/agent.example.toml");
        let path = folder.path().join("agent.toml");
        std::fs::copy(example, &path).unwrap();
        std::fs::write(folder.path().join("button.key"), "231d39c1d7cc1ab1aee224cd096db932\n").unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(config.state, folder.path().join("state"));
        assert_eq!(config.heartbeat.interval, Duration::from_secs(60));
        assert_eq!(config.devices.len(), 3);
        assert!(config.devices[2].key.is_some());
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let config = parse("state = 'state'").unwrap();
        assert_eq!(config.state, Path::new("/etc/hempuls/state"));
        assert_eq!(config.buffer.key_file, None);
        assert_eq!(config.heartbeat, heartbeat::Config::default());
        assert_eq!((config.radio.adapter, config.devices.len()), (None, 0));
        assert_eq!(config.socket, Path::new("/etc/hempuls/state/agent.sock"));
        assert_eq!(config.feedback, feedback::Config::default());
    }

    #[test]
    fn uplinks_are_tried_in_the_order_they_are_listed_in() {
        let config = parse("state = 'state'\n[[uplink]]\n[[uplink]]\nbroker = 'a:1'\ninterface = 'wwan0'").unwrap();
        let second = uplink::Line { broker: Some("a:1".parse().unwrap()), interface: Some("wwan0".into()) };
        assert_eq!(config.uplinks, [uplink::Line::default(), second]);
    }

    #[test]
    fn every_mistake_is_named() {
        let device = |rest: &str| format!("state = 'state'\n[[device]]\naddress = 'F0:F1:F2:F3:F4:F5'\n{rest}");
        for (text, named) in [
            ("state = 'state'\nhartbeat = '60s'".to_owned(), "hartbeat"),
            ("".into(), "state"),
            ("state = 'state'\nheartbeat = '60'".into(), "duration"),
            ("state = 'state'\nheartbeat = '0s'".into(), "above zero"),
            ("state = 'state'\n[buffer]\nkey = 'x'".into(), "key"),
            (device("kind = 'toaster'"), "toaster"),
            ("state = 'state'\n[feedback.hook]\ncommand = []".into(), "feedback.hook.command"),
            ("state = 'state'\n[feedback.sound]\nplayer = []\nfolder = 'sounds'".into(), "feedback.sound.player"),
            ("state = 'state'\n[feedback.lamp]".into(), "lamp"),
            (device("kind = 'blood_pressure'\nkey_file = 'x'"), "key_file"),
            (device("kind = 'alarm_button'\nkey_file = 'x'"), "/etc/hempuls/x"),
            (device("kind = 'blood_pressure'\nbeacon = '1h'"), "beacon"),
            (device("kind = 'alarm_button'\ndialect = 'standard'"), "dialect"),
            (device("kind = 'thermometer'\ndialect = 'nonin'"), "which no thermometer speaks"),
            (
                device("kind = 'blood_pressure'\n[[device]]\naddress = 'f0:f1:f2:f3:f4:f5'\nkind = 'thermometer'"),
                "twice",
            ),
            ("state = 'state'\n[[uplink]]\nbroker = 'localhost'".into(), "host:port"),
            ("state = 'state'\n[[uplink]]\ninterface = 'not an interface'".into(), "ip link"),
            ("state = 'state'\n[[device]]\naddress = 'model/serial'\nkind = 'thermometer'".into(), "not an address"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_duration_is_read_as_people_write_it() {
        let spans = ["500ms", "30s", "5m", "2h"].map(|text| text.parse::<Span>().unwrap().0.as_millis());
        assert_eq!(spans, [500, 30_000, 300_000, 7_200_000]);
        for text in ["", "30", "s", "-1s", "1.5s", "1d", "99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(text.parse::<Span>(), Err(NotASpan), "{text}");
        }
    }
}
