//! The configuration: one TOML file, read completely before anything starts. A key nobody knows is refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::alerts::{patience, rules};
use crate::duty::cover;
use crate::keeping::{disk, retention, schedule as backup};
use crate::{broker, delivery, enrolment, http, proof, scaip, store};

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder for all that is kept. Relative to the configuration file.
    pub data: PathBuf,
    /// Where the store is.
    #[serde(default)]
    pub store: store::Config,
    /// The embedded broker.
    #[serde(default)]
    pub broker: broker::Config,
    /// Where agents enrol.
    #[serde(default)]
    pub enrolment: enrolment::Config,
    /// The care team's pages.
    #[serde(default)]
    pub console: http::Config,
    /// How long claims and closed alerts hold.
    #[serde(default)]
    pub alerts: patience::Config,
    /// The rules' settings.
    #[serde(default)]
    pub rules: rules::Config,
    /// Alarm units of other makes.
    #[serde(default)]
    pub scaip: scaip::Config,
    /// For how long things are kept.
    #[serde(default)]
    pub retention: retention::Config,
    /// What is kept free for alarms.
    #[serde(default)]
    pub disk: disk::Config,
    /// Backups that the gateway makes itself.
    #[serde(default)]
    pub backup: backup::Config,
    /// When a member on duty counts as reachable.
    #[serde(default)]
    pub duty: cover::Config,
    /// Whom to tell of alerts, and over which channels.
    #[serde(default)]
    pub delivery: delivery::Config,
    /// Who would notice if the gateway fell silent.
    #[serde(default)]
    pub dead_man: proof::Config,
    /// How often homes prove the way from there to people.
    #[serde(default)]
    pub silent_tests: proof::homes::Config,
}

/// What is wrong with a configuration, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {file}: {source}. Without it the gateway does not know where its data is; give its \
         path with --config"
    )]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not say what it should.
    #[error("the configuration {file} cannot be used: {source}")]
    Text {
        /// Which.
        file: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A setting that can be read and must not be used.
    #[error("the configuration {file} cannot be used: {why}")]
    Setting {
        /// Which.
        file: PathBuf,
        /// Why, and what to do.
        why: String,
    },
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`ConfigError`], with what is wrong.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(file).map_err(|source| ConfigError::File { file: file.to_owned(), source })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Text { file: file.to_owned(), source: Box::new(source) })?;
        config.check().map_err(|why| ConfigError::Setting { file: file.to_owned(), why })?;
        if let Some(folder) = file.parent() {
            config.data = folder.join(&config.data);
            config.delivery.folder = folder.to_owned();
            config.backup.folder = config.backup.folder.map(|backups| folder.join(backups));
            config.store.within(folder);
        }
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if !is_loopback(self.console.listen) {
            return Err(format!(
                "console.listen = \"{}\" would show people's data unencrypted to the network. Listen on 127.0.0.1 and put a \
                 proxy that does TLS before it",
                self.console.listen
            ));
        }
        self.store.check()?;
        self.broker.check()?;
        self.enrolment.check()?;
        self.delivery.check()?;
        self.check_proof()?;
        self.alerts.check()?;
        self.backup.check()?;
        if self.backup.folder.is_some() && self.store.postgres.is_some() {
            return Err(
                "backup.folder is for a store that is a file; the database of store.postgres is backed up as its \
                        server's others are. Leave it out"
                    .to_owned(),
            );
        }
        self.disk.check()?;
        self.dead_man.check()?;
        self.silent_tests.check()?;
        self.rules.silent_home.check()?;
        self.console
            .zone()
            .map(|_| ())
            .map_err(|error| format!("console.time_zone = \"{}\": {error}", self.console.time_zone))
    }
}

impl Config {
    /// A way that fails once and is put right must not make whoever is on duty count as out of reach in between.
    fn check_proof(&self) -> Result<(), String> {
        let within = self.duty.proven_within;
        for channel in self.delivery.open() {
            if self.delivery.prove_every(channel).is_some_and(|every| every * 2 > within) {
                return Err(format!(
                    "delivery.{channel}.prove_every must be half of duty.proven_within at most: otherwise members on duty count as \
                     out of reach between two proofs"
                ));
            }
        }
        Ok(())
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}

/// Durations as people write them: `"20s"`, `"15m"`, `"1h 30m"`.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _, ser::Error as _};

    /// Reads one; it is never negative.
    ///
    /// # Errors
    /// When it is none.
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// Writes one as people do.
    ///
    /// # Errors
    /// When the format refuses it.
    pub fn write<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let span = jiff::SignedDuration::try_from(*duration).map_err(S::Error::custom)?;
        serializer.collect_str(&format_args!("{span:#}"))
    }

    /// As [`read`], from a text.
    ///
    /// # Errors
    /// When it is none, in words.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let wrong = || format!("\"{text}\" is no duration such as \"20s\" or \"15m\"");
        let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
        Duration::try_from(span).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_configuration_and_says_what_holds_without_it() {
        let example: Config = toml::from_str(include_str!("../../packaging/gateway.example.toml")).unwrap();
        assert_eq!(example.check(), Ok(()));
        let bare: Config = toml::from_str("data = \"data\"").unwrap();
        assert_eq!(format!("{:?}", example.rules), format!("{:?}", bare.rules));
        assert_eq!((example.broker, example.console.listen), (bare.broker, bare.console.listen));
        assert_eq!((example.enrolment, example.scaip, example.alerts), (bare.enrolment, bare.scaip, bare.alerts));
        assert_eq!((example.backup, example.disk, example.retention), (bare.backup, bare.disk, bare.retention));
        assert_eq!((example.dead_man, example.silent_tests), (bare.dead_man, bare.silent_tests));
    }

    #[test]
    fn what_the_example_leaves_out_about_delivery_is_a_configuration_too() {
        let example = include_str!("../../packaging/gateway.example.toml");
        let lines = example.lines().filter_map(|line| line.strip_prefix("# "));
        let settings = lines.skip_while(|line| *line != "[delivery]").filter(|line| {
            line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', '"']))
        });
        let text = format!("data = \"data\"\n{}", settings.collect::<Vec<_>>().join("\n"));
        let config: Config = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(config.check(), Ok(()));
        let delivery = config.delivery;
        assert!(
            delivery.email.is_some()
                && delivery.webhook.is_some()
                && delivery.scaip.is_some()
                && delivery.fhir.is_some()
                && delivery.always.len() == 1
        );
        let plain = "user = \"u0123456789\"\npassword_file = \"sms-password\"\nfrom = \"Hempuls\"";
        assert_eq!(delivery.sms, toml::from_str(plain).unwrap(), "what stands there is what holds without it");
    }

    #[test]
    fn what_the_example_leaves_out_about_the_dead_man_is_a_configuration_too() {
        let example = include_str!("../../packaging/gateway.example.toml");
        let lines = example.lines().skip_while(|line| *line != "[dead_man]").take_while(|line| !line.is_empty());
        let text = lines.map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join("\n");
        let config: Config = toml::from_str(&format!("data = \"data\"\n{text}")).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert!(config.dead_man.address.is_some() && config.dead_man.ca_file.is_some());
        assert_eq!(config.dead_man.allow.len(), 1);
    }

    #[test]
    fn what_the_example_leaves_out_about_the_store_is_a_configuration_too() {
        let example = include_str!("../../packaging/gateway.example.toml");
        let lines =
            example.lines().skip_while(|line| *line != "# [store.postgres]").take_while(|line| !line.is_empty());
        let settings = lines.filter_map(|line| line.strip_prefix("# "));
        let settings: Vec<&str> = settings.filter(|line| line.starts_with('[') || line.contains(" = ")).collect();
        let config: Config = toml::from_str(&format!("data = \"data\"\n{}", settings.join("\n"))).unwrap();
        assert_eq!(config.check(), Ok(()));
        let postgres = config.store.postgres.unwrap();
        let plain = "host = \"db.example.org\"\npassword_file = \"postgres-password\"\nca_file = \"postgres-ca.pem\"";
        assert_eq!(postgres, toml::from_str(plain).unwrap(), "what stands there is what holds without it");
    }

    #[test]
    fn unknown_keys_and_dangerous_settings_are_refused() {
        for (text, complaint) in [
            ("data = \"d\"\ncolour = 1", "colour"),
            ("data = \"d\"\n[rules.above_limit]\nrepeat_within = \"soon\"", "no duration"),
            ("data = \"d\"\n[rules.silent_home]\nwith_alarm = \"0s\"", "more than no time"),
            ("data = \"d\"\n[rules.above_limit]\nsistolic = 180", "sistolic"),
            ("data = \"d\"\n[alerts]\nclaim_silence_after = { high = \"5s\" }", "a minute or more"),
            ("data = \"d\"\n[dead_man]\nevery = \"0s\"", "a second at least"),
            ("data = \"d\"\n[dead_man]\naddress = \"watch.example.org\"", "https://"),
            ("data = \"d\"\n[[delivery.always]]\nname = \"w\"\nchannel = \"dead_man\"\nto = \"1\"", "dead_man"),
            ("data = \"d\"\n[console]\nlisten = \"0.0.0.0:8080\"", "unencrypted"),
            ("data = \"d\"\n[console]\ntime_zone = \"Europe/Atlantis\"", "Atlantis"),
            ("data = \"d\"\n[broker]\nadvertise = \"localhost\"", "host:port"),
            ("data = \"d\"\n[store.postgres]\nhost = \"h\"\npassword = \"p\"", "password"),
            ("data = \"d\"\n[store.postgres]\nhost = \"postgres://h/d\"", "settings of their own"),
            ("data = \"d\"\n[broker]\nadvertise = [\"localhost:1\", \"localhost\"]", "host:port"),
            ("data = \"d\"\n[broker]\nadvertise = []", "at least one"),
            ("data = \"d\"\n[backup]\nkeep = 0", "at least 1"),
            ("data = \"d\"\n[backup]\nfolder = \"b\"\n[store.postgres]\nhost = \"h\"", "as its server's others are"),
            (
                "data = \"d\"\n[delivery]\nconsole = \"https://c\"\n[delivery.webhook]\nsecret_file = \"s\"\nprove_every = \"13h\"",
                "half of duty.proven_within",
            ),
            ("data = \"d\"\n[disk]\nreserve_mib = 1", "from 4"),
            ("data = \"d\"\n[broker]\nname = \"gateway-2\"", "begins with hempuls-gateway"),
            ("data = \"d\"\n[enrolment]\ncertificate_life = \"9s\"", "too short"),
            ("data = \"d\"\n[delivery.webhook]\nsecret_file = \"s\"", "delivery.console"),
            ("data = \"d\"\n[[delivery.always]]\nname = \"w\"\nchannel = \"fax\"\nto = \"1\"", "fax"),
            (
                "data = \"d\"\n[[delivery.always]]\nname = \"w\"\nchannel = \"email\"\nto = \"a@b.se\"",
                "no [delivery.email]",
            ),
            ("data = \"d\"\n[[delivery.always]]\nname = \"w\"\nchannel = \"sms\"\nto = \"070\"", "+46700000000"),
            ("", "data"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("gateway.toml");
            std::fs::write(&file, text).unwrap();
            let said = Config::read(&file).unwrap_err().to_string();
            assert!(said.contains(complaint), "{text:?} gives {said:?}");
        }
    }

    #[test]
    fn a_missing_file_says_what_to_do() {
        let said = Config::read(Path::new("/nowhere/gateway.toml")).unwrap_err().to_string();
        assert!(said.contains("/nowhere/gateway.toml") && said.contains("--config"), "{said}");
    }
}
