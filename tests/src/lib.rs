//! The vocabulary of the scenarios: a world with a gateway and homes in it, everything run as it is shipped.

pub mod backlog;
pub mod cohort;
pub mod damage;
pub mod intruder;
pub mod power_cut;
pub mod process;
pub mod real_bluez;
pub mod small_disk;
pub mod throng;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hempuls_simulators::bluez::{Bluez, Options};
use hempuls_simulators::bus::Bus;
use hempuls_simulators::devices::BloodPressure;
use hempuls_simulators::system::{Agent, Alert, Api, Books, Cable, Gateway, Home, Mosquitto, Programs, Served, until};
use tempfile::TempDir;

pub use hempuls_simulators::system::Settings;

/// How long an effect may take before a scenario calls it missing. Long, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway, the air over one neighbourhood, and homes.
pub struct World {
    /// Where the shipped programs are.
    pub programs: Programs,
    /// The gateway.
    pub gateway: Gateway,
    /// The radio of the neighbourhood: every device and every agent hears the same air.
    pub bluez: Arc<Bluez>,
    bus: Bus,
    folder: TempDir,
}

/// One home: its agent, its cable to the gateway, and the person who lives there.
pub struct House {
    /// As the gateway knows it.
    pub home: Home,
    /// Who lives there.
    pub person: String,
    /// Its agent.
    pub agent: Agent,
    /// Its network.
    pub cable: Cable,
}

impl World {
    /// A world with a running gateway and no home.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn new() -> anyhow::Result<Self> {
        Self::with(Settings::default()).await
    }

    /// A world whose gateway has these settings.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn with(settings: Settings) -> anyhow::Result<Self> {
        Self::with_programs(Programs::beside_this_one()?, settings).await
    }

    /// A world of other programs.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn with_programs(programs: Programs, settings: Settings) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hempuls-world-").tempdir()?;
        let broker = hempuls_simulators::system::free_port()?;
        let mut gateway = Gateway::install(&programs, &folder.path().join("gateway"), broker, &settings)?;
        gateway.start().await?;
        Self::around(programs, gateway, folder).await
    }

    /// A world whose gateway stands behind a Mosquitto.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn behind_mosquitto() -> anyhow::Result<(Self, Mosquitto)> {
        Self::behind_mosquitto_with(Settings::default()).await
    }

    /// As [`World::behind_mosquitto`], with these settings.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn behind_mosquitto_with(settings: Settings) -> anyhow::Result<(Self, Mosquitto)> {
        let folder = tempfile::Builder::new().prefix("hempuls-world-").tempdir()?;
        let programs = Programs::beside_this_one()?;
        let port = hempuls_simulators::system::free_port()?;
        let settings = Settings { external: Some(port), ..settings };
        let mut gateway = Gateway::install(&programs, &folder.path().join("gateway"), port, &settings)?;
        gateway.program().start()?;
        let mosquitto = Mosquitto::start(&folder.path().join("mosquitto"), port, &gateway).await?;
        gateway.start().await?;
        Ok((Self::around(programs, gateway, folder).await?, mosquitto))
    }

    async fn around(programs: Programs, gateway: Gateway, folder: TempDir) -> anyhow::Result<Self> {
        let bus = Bus::start().await?;
        let bluez = Arc::new(Bluez::start(&bus, Options::default()).await?);
        Ok(Self { programs, gateway, bluez, bus, folder })
    }

    /// Adds a home with these devices, assigned to the person who lives there, and starts its agent.
    ///
    /// # Errors
    /// When a command fails or the agent does not get connected.
    pub async fn home(&self, name: &str, devices: &[Served]) -> anyhow::Result<House> {
        let mut house = self.home_without_agent(name, devices).await?;
        house.agent.start()?;
        self.is_up(&mut house).await?;
        Ok(house)
    }

    /// As [`World::home`], with the agent enrolled but not started.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn home_without_agent(&self, name: &str, devices: &[Served]) -> anyhow::Result<House> {
        self.home_with_radio(name, devices, &self.bus).await
    }

    /// As [`World::home_without_agent`], with a BlueZ of its own on this bus.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn home_with_radio(&self, name: &str, devices: &[Served], bus: &Bus) -> anyhow::Result<House> {
        let cable = Cable::lay(self.gateway.broker_port()).await?;
        let home = self.gateway.add_home(name).await?;
        let person = self.gateway.add_person(name, &home).await?;
        for device in devices {
            // Where two agents hear one device it is the first home's.
            if self.gateway.add_device(&device.address, device.kind, &home).await.is_ok() {
                self.gateway.assign(&device.address, &person, None).await?;
            }
        }
        let folder = self.folder.path().join(&home.agent);
        let agent = Agent::install(&self.programs, &folder, bus.address(), Duration::from_millis(500), devices)?;
        agent.enrol(&self.gateway, &home).await?;
        route_through(&agent, &cable)?;
        Ok(House { home, person, agent, cable })
    }

    /// Waits until the agent is connected and hears the air.
    ///
    /// # Errors
    /// When it does not, with its last words.
    pub async fn is_up(&self, house: &mut House) -> anyhow::Result<()> {
        let up = async {
            self.somebody_scans().await?;
            self.broker_says(house, true).await
        };
        up.await.with_context(|| house.agent.program().last_words())
    }

    /// Waits until an agent hears the air.
    ///
    /// # Errors
    /// When none does.
    pub async fn somebody_scans(&self) -> anyhow::Result<()> {
        until(PATIENCE, "the agent hears the air", || async {
            if self.bluez.scanning_clients() > 0 { Ok(()) } else { Err("it does not scan".into()) }
        })
        .await
    }

    /// Waits until the broker has the agent, or has lost it.
    ///
    /// # Errors
    /// When it does not come to pass.
    pub async fn broker_says(&self, house: &House, connected: bool) -> anyhow::Result<()> {
        let api = self.api();
        let agent = &house.home.agent;
        until(PATIENCE, &format!("the agent is connected: {connected}"), || {
            let api = api.clone();
            async move {
                let books = api.books().await.map_err(|error| format!("{error:#}"))?;
                let now = books.lines.iter().any(|line| line.agent == *agent && line.connected);
                if now == connected { Ok(()) } else { Err("not yet".into()) }
            }
        })
        .await
    }

    /// Ends the agent without a warning, and starts it again once the broker has noticed: what is asked of it from here on is
    /// not answered from the life before.
    ///
    /// # Errors
    /// When the broker does not notice, or it cannot be started.
    pub async fn kill_and_restart(&self, house: &mut House) -> anyhow::Result<()> {
        house.agent.program().kill().await;
        self.broker_says(house, false).await?;
        house.agent.start()
    }

    /// The gateway's API.
    #[must_use]
    pub fn api(&self) -> Api {
        self.gateway.api()
    }

    /// Where the message bus of the neighbourhood is, for an agent of one's own.
    #[must_use]
    pub fn bus_address(&self) -> &str {
        self.bus.address()
    }

    /// The message bus of the neighbourhood crashes and is started anew, and BlueZ with it.
    ///
    /// # Errors
    /// When they do not come back.
    pub async fn message_bus_crashes(&mut self) -> anyhow::Result<()> {
        self.bus.restart().await?;
        Ok(self.bluez.restart().await?)
    }

    /// A folder for a scenario's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The gateway's database file.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.gateway.data().join("store.sqlite")
    }

    /// A connection of our own to the gateway's database.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open_the_store(&self) -> anyhow::Result<sqlx::SqliteConnection> {
        use sqlx::ConnectOptions as _;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.store()).busy_timeout(PATIENCE);
        Ok(options.connect().await?)
    }

    /// How every scenario ends: nothing waits, the books balance, there is one record for each measurement, and each
    /// press is one alarm that is a line in an open alert. Gives the books for more.
    ///
    /// # Errors
    /// When it does not come to that within [`PATIENCE`], or more arrives than was made.
    pub async fn ends_with(&self, measured: usize, pressed: usize) -> anyhow::Result<Books> {
        let api = self.api();
        let settled = until(PATIENCE, &format!("{measured} records, {pressed} alarms, nothing waits"), || {
            let api = api.clone();
            async move {
                let books = api.books().await.map_err(|error| format!("{error:#}"))?;
                let waiting: u64 = books.lines.iter().map(|line| line.waiting).sum();
                if waiting == 0 && books.records >= measured as u64 && books.alarms >= pressed as u64 {
                    Ok(books)
                } else {
                    Err(format!("{} records, {} alarms, {waiting} wait", books.records, books.alarms))
                }
            }
        })
        .await?;
        ensure!(settled.records == measured as u64, "{} records for {measured} measurements", settled.records);
        ensure!(settled.alarms == pressed as u64, "{} alarms for {pressed} presses", settled.alarms);
        for line in &settled.lines {
            ensure!(line.balanced, "the books do not balance: {line:?}");
        }
        let alerts = self.api().alerts().await?;
        ensure!(pressed_lines(&alerts) == pressed, "{} lines for {pressed} presses", pressed_lines(&alerts));
        Ok(settled)
    }

    /// As [`World::ends_with`], and nothing was lost.
    ///
    /// # Errors
    /// As there.
    pub async fn ends_well_with(&self, measured: usize, pressed: usize) -> anyhow::Result<Books> {
        let books = self.ends_with(measured, pressed).await?;
        let lost: u64 = books.lines.iter().map(|line| line.lost).sum();
        ensure!(lost == 0, "{lost} events are lost: {:?}", books.lines);
        Ok(books)
    }
}

/// The presses that are lines in open alerts.
#[must_use]
pub fn pressed_lines(alerts: &[Alert]) -> usize {
    let open = alerts.iter().filter(|alert| alert.rule == "alarm_pressed" && alert.state != "closed");
    let records: std::collections::BTreeSet<_> =
        open.flat_map(|alert| &alert.lines).filter_map(|line| line.record.as_ref()).collect();
    records.len()
}

/// The alerts of one rule that are not closed.
#[must_use]
pub fn open_of<'a>(alerts: &'a [Alert], rule: &str) -> Vec<&'a Alert> {
    alerts.iter().filter(|alert| alert.rule == rule && alert.state != "closed").collect()
}

/// A cuff to be served.
#[must_use]
pub fn cuff(address: &str) -> Served {
    Served { address: address.into(), kind: "blood_pressure", key: None }
}

/// A device of this kind to be served.
#[must_use]
pub fn served(address: &str, kind: &'static str) -> Served {
    Served { address: address.into(), kind, key: None }
}

/// A button to be served, with its key.
#[must_use]
pub fn button(address: &str, key: [u8; 16]) -> Served {
    Served { address: address.into(), kind: "alarm_button", key: Some(hex::encode(key)) }
}

/// A button without a key.
#[must_use]
pub fn plain_button(address: &str) -> Served {
    Served { address: address.into(), kind: "alarm_button", key: None }
}

/// An ordinary blood pressure; each number gives another one.
#[must_use]
pub fn pressure(number: u16) -> BloodPressure {
    BloodPressure {
        systolic: 120 + number % 40,
        diastolic: 70 + number / 40 % 30,
        mean: Some(90),
        pulse: Some(60 + number / 1200 % 40),
        user: None,
        status: 0,
    }
}

/// A copy of a folder, as a card image is copied.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Leads the agent's connection through the cable: rewrites where the broker is, as it was told at enrolment.
fn route_through(agent: &Agent, cable: &Cable) -> anyhow::Result<()> {
    for name in ["identity.toml", "identity-copy.toml"] {
        let file = agent.state().join("identity").join(name);
        let mut identity: toml::Table =
            std::fs::read_to_string(&file).context("reading the agent's identity")?.parse()?;
        identity.insert("brokers".into(), vec![format!("127.0.0.1:{}", cable.port())].into());
        std::fs::write(&file, identity.to_string())?;
    }
    Ok(())
}
