//! The shipped gateway: installed in a folder of its own, asked through its command line and its API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use super::program::run;
use super::{Api, Nurse, Program, Programs, free_port, until};

/// What a scenario may want otherwise than the default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the repeats of a high reading may take.
    pub repeat_within: Duration,
    /// The port agents are told to connect to; the broker's own when none is given.
    pub advertised_port: Option<u16>,
    /// The port of another broker on this machine that the gateway connects to, instead of listening itself.
    pub external: Option<u16>,
    /// How long agents' certificates live.
    pub certificate_life: Duration,
    /// How long any home may be silent; as shipped when none is given.
    pub silent_after: Option<Duration>,
    /// So many homes that fall silent at once are one case.
    pub storm_homes: u32,
    /// How often homes make silent tests, and how old the last that came all the way may be; none do otherwise.
    pub silent_tests: Option<(Duration, Duration)>,
}

impl Default for Settings {
    fn default() -> Self {
        let certificate_life = Duration::from_secs(365 * 24 * 60 * 60);
        Self {
            repeat_within: Duration::from_secs(15 * 60),
            advertised_port: None,
            external: None,
            certificate_life,
            silent_after: None,
            storm_homes: 10,
            silent_tests: None,
        }
    }
}

/// A home that was added.
#[derive(Clone, Debug, Deserialize)]
pub struct Home {
    /// Its id.
    pub home: String,
    /// Its agent's id.
    pub agent: String,
    /// The code the installer types.
    pub code: String,
}

/// A gateway in a folder of its own.
#[derive(Debug)]
pub struct Gateway {
    binary: PathBuf,
    config: PathBuf,
    data: PathBuf,
    broker_port: u16,
    enrolment_port: u16,
    api: Api,
    program: Program,
}

impl Gateway {
    /// Writes its configuration. It is not started yet.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn install(programs: &Programs, folder: &Path, broker_port: u16, settings: &Settings) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (enrolment_port, console_port) = (free_port()?, free_port()?);
        let advertised = settings.advertised_port.unwrap_or(broker_port);
        let external = settings.external.map(|port| format!("external = \"127.0.0.1:{port}\""));
        let silent = settings.silent_after.map(|after| {
            let ms = after.as_millis();
            format!("with_alarm = \"{ms}ms\"\nothers = \"{ms}ms\"")
        });
        let (every, too_old) = settings.silent_tests.unwrap_or_default();
        let data = folder.join("data");
        let config = folder.join("gateway.toml");
        let text = format!(
            r#"data = "data"
[broker]
listen = "127.0.0.1:{broker_port}"
advertise = "127.0.0.1:{advertised}"
{}
[enrolment]
listen = "127.0.0.1:{enrolment_port}"
certificate_life = "{}s"
[console]
listen = "127.0.0.1:{console_port}"
[silent_tests]
every = "{}s"
too_old = "{}s"
[rules.above_limit]
repeat_within = "{}ms"
[rules.silent_home]
storm_homes = {}
{}
"#,
            external.unwrap_or_default(),
            settings.certificate_life.as_secs(),
            every.as_secs(),
            too_old.as_secs(),
            settings.repeat_within.as_millis(),
            settings.storm_homes,
            silent.unwrap_or_default()
        );
        std::fs::write(&config, text)?;
        let arguments = ["run", "--config", path_text(&config)?];
        let program = Program::new(&programs.gateway, &arguments, folder.join("gateway.log"));
        let api = Api::new(format!("http://127.0.0.1:{console_port}"), data.join("api-token"));
        Ok(Self { binary: programs.gateway.clone(), config, data, broker_port, enrolment_port, api, program })
    }

    /// With one more environment variable.
    #[must_use]
    pub fn with_env(self, name: &str, value: &str) -> Self {
        Self { program: self.program.with_env(name, value), ..self }
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready within 20 s, with its last words.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        self.program.start()?;
        let api = self.api.clone();
        let ready = until(Duration::from_secs(20), "the gateway is ready", || {
            let api = api.clone();
            async move { if api.is_ready().await { Ok(()) } else { Err("it does not answer".into()) } }
        });
        ready.await.with_context(|| self.program.last_words())
    }

    /// Writes more at the end of its configuration, for its next start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, text: &str) -> std::io::Result<()> {
        std::fs::write(&self.config, std::fs::read_to_string(&self.config)? + text)
    }

    /// The program, to stop or kill it.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Its API.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The port of its broker.
    #[must_use]
    pub fn broker_port(&self) -> u16 {
        self.broker_port
    }

    /// Where agents enrol: host and port.
    #[must_use]
    pub fn enrolment(&self) -> String {
        format!("127.0.0.1:{}", self.enrolment_port)
    }

    /// A nurse who is signed in to the console.
    ///
    /// # Errors
    /// When she is not let in.
    pub async fn nurse(&self) -> anyhow::Result<Nurse> {
        Nurse::sign_in(self.api.base(), self.data.join("console-login")).await
    }

    /// The console's account and password, as the gateway made them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn login(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.data.join("console-login")).context("reading the generated login")
    }

    /// `home add`.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn add_home(&self, name: &str) -> anyhow::Result<Home> {
        let said = self.command(&["home", "add", name, "--json"]).await?;
        serde_json::from_str(&said).with_context(|| format!("reading {said}"))
    }

    /// `person add`; gives her id.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn add_person(&self, name: &str, home: &Home) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Added {
            person: String,
        }
        let said = self.command(&["person", "add", name, "--home", &home.home, "--json"]).await?;
        Ok(serde_json::from_str::<Added>(&said).with_context(|| format!("reading {said}"))?.person)
    }

    /// `device add`.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn add_device(&self, device: &str, kind: &str, home: &Home) -> anyhow::Result<()> {
        self.command(&["device", "add", device, "--kind", kind, "--home", &home.home]).await.map(drop)
    }

    /// `device add`, of a device that speaks this dialect.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn add_device_speaking(
        &self,
        dialect: &str,
        device: &str,
        kind: &str,
        home: &Home,
    ) -> anyhow::Result<()> {
        let arguments = ["device", "add", device, "--kind", kind, "--home", &home.home, "--dialect", dialect];
        self.command(&arguments).await.map(drop)
    }

    /// `home code`: a fresh code for the home's box.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn fresh_code(&self, home: &Home) -> anyhow::Result<Home> {
        #[derive(Deserialize)]
        struct Code {
            code: String,
        }
        let said = self.command(&["home", "code", &home.home, "--json"]).await?;
        let Code { code } = serde_json::from_str(&said).with_context(|| format!("reading {said}"))?;
        Ok(Home { code, ..home.clone() })
    }

    /// `home add-box`: another box for a home.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn add_box(&self, home: &Home) -> anyhow::Result<Home> {
        let said = self.command(&["home", "add-box", &home.home, "--json"]).await?;
        serde_json::from_str(&said).with_context(|| format!("reading {said}"))
    }

    /// `agent retire`, `unretire`, `revoke` or `write-off`, in somebody's name. Says how many alarms and readings that is
    /// about.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn decide(&self, what: &str, agent: &str, by: &str) -> anyhow::Result<(u64, u64)> {
        #[derive(Deserialize)]
        struct Decided {
            alarms: u64,
            readings: u64,
        }
        let said = self.command(&["agent", what, agent, "--by", by, "--why", "a scenario", "--json"]).await?;
        let decided: Decided = serde_json::from_str(&said).with_context(|| format!("reading {said}"))?;
        Ok((decided.alarms, decided.readings))
    }

    /// `assign`, from the day before yesterday on.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn assign(&self, device: &str, person: &str, slot: Option<u8>) -> anyhow::Result<()> {
        let from = crate::clock::Moment::now().utc.checked_sub(jiff::SignedDuration::from_hours(48))?.to_string();
        let mut arguments = vec!["assign", device, person, "--from", &from];
        let slot = slot.map(|slot| slot.to_string());
        if let Some(slot) = &slot {
            arguments.extend(["--slot", slot]);
        }
        self.command(&arguments).await.map(drop)
    }

    /// `clock list`: how often the agent's clock was set.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn corrections(&self, agent: &str) -> anyhow::Result<usize> {
        let said = self.command(&["clock", "list", agent, "--json"]).await?;
        Ok(serde_json::from_str::<Vec<serde_json::Value>>(&said).with_context(|| format!("reading {said}"))?.len())
    }

    /// `backup`: a folder with all that a restore needs.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn back_up(&self, to: &Path) -> anyhow::Result<()> {
        self.command(&["backup", path_text(to)?]).await.map(drop)
    }

    /// `restore`, in somebody's name; what is there goes into this new folder. Gives what was said.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn restore(&self, backup: &Path, set_aside: &Path) -> anyhow::Result<String> {
        let (backup, set_aside) = (path_text(backup)?, path_text(set_aside)?);
        self.command(&["restore", backup, "--set-aside", set_aside, "--by", "Lena Holm", "--why", "a scenario"]).await
    }

    /// `verify`, of the store. Gives what was said.
    ///
    /// # Errors
    /// When it does not hold together.
    pub async fn verify(&self) -> anyhow::Result<String> {
        self.command(&["verify"]).await
    }

    /// Gives a person a plan, as in `plan set PERSON …`.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn set_plan(&self, person: &str, plan: &[&str]) -> anyhow::Result<()> {
        let mut arguments = vec!["plan", "set", person, "--by", "Anna", "--why", "agreed with her"];
        arguments.extend(plan);
        self.command(&arguments).await.map(drop)
    }

    async fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut all = arguments.to_vec();
        all.extend(["--config", path_text(&self.config)?]);
        run(&self.binary, &all).await
    }
}

pub(super) fn path_text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the folder's name is not UTF-8")
}
