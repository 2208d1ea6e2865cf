//! The command line. Its commands work while the gateway runs.

mod accounts;
mod agents;
mod centre;
mod contacts;
mod escalations;
mod keeping;
mod people;
mod plans;
mod records;
mod replay;
mod rosters;
mod teams;
mod unassigned;
mod units;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use hempuls_protocol::devices::alarm_button::BindKey;
use hempuls_protocol::devices::{DeviceKind, Dialect};
use hempuls_protocol::enrolment::EnrolmentCode;
use hempuls_protocol::ids::{AgentId, DeviceId};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rand::Rng as _;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use self::accounts::AccountCommand;
use self::agents::AgentCommand;
use self::centre::CentreCommand;
use self::contacts::ContactCommand;
use self::escalations::EscalationCommand;
use self::keeping::RestoreArgs;
use self::people::PersonCommand;
use self::plans::PlanCommand;
use self::records::RecordsCommand;
use self::teams::TeamCommand;
use self::unassigned::UnassignedCommand;
use self::units::UnitCommand;
use crate::alerts::judge::Settings;
use crate::alerts::rules::Rules;
use crate::clock;
use crate::config::{Config, duration};
use crate::duty::Area;
use crate::duty::sight::lookout::Sight;
use crate::ingest::clocks::date_anew;
use crate::store::access_log::{self, Action, Look, Looker};
use crate::store::accounts as accounts_of_console;
use crate::store::assignments::{self, Assignment};
use crate::store::clocks::{self, Correction};
use crate::store::devices::{self, NewDevice};
use crate::store::{Connection, StoreError, enrolment_codes, homes};
use crate::{run, store};

/// The gateway of Hempuls.
#[derive(Parser, Debug)]
#[command(name = "hempuls-gateway", version, about)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, default_value = "gateway.toml")]
    config: PathBuf,
    /// Prints one JSON object instead of sentences.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs the gateway.
    Run,
    /// Says whether the configuration can be used, and starts nothing.
    CheckConfig,
    /// Makes a backup, while the gateway runs or not: a folder with the store, the authority's keys and all else that a
    /// restore needs.
    Backup {
        /// The folder to make.
        folder: PathBuf,
    },
    /// Puts a backup in the place of what is in the data folder, while no gateway runs.
    Restore(RestoreArgs),
    /// Looks whether a store, or a backup, holds together. Reads only; fails where it does not.
    Verify {
        /// A backup's folder, or a store's file; the store of this configuration, if it is left out.
        what: Option<PathBuf>,
    },
    /// Homes and their boxes.
    #[command(subcommand)]
    Home(HomeCommand),
    /// Boxes: retired, revoked, and what waits in them.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Who can sign in to the console.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Care teams: who works for them, and whom they are responsible for.
    #[command(subcommand)]
    Team(TeamCommand),
    /// What teams do, rung by rung, while nobody takes an alert.
    #[command(subcommand)]
    Escalation(EscalationCommand),
    /// Where the members of the team are reached.
    #[command(subcommand)]
    Contact(ContactCommand),
    /// The alarm receiving centre: by which numbers it knows people and homes, and when its receivers last answered.
    #[command(subcommand)]
    Centre(CentreCommand),
    /// People, and by which numbers the registers know them.
    #[command(subcommand)]
    Person(PersonCommand),
    /// People's plans: limits, times to measure, pauses.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// What a server of health records has, and what it refuses.
    #[command(subcommand)]
    Records(RecordsCommand),
    /// Says what other limits would have done: judges people's stored readings once more, and writes no alert.
    Replay(replay::Wish),
    /// Devices.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Alarm units of other makes, which report over SCAIP.
    #[command(subcommand)]
    Unit(UnitCommand),
    /// Says whose a device's readings are.
    Assign(AssignArgs),
    /// Readings that wait for a person.
    #[command(subcommand)]
    Unassigned(UnassignedCommand),
    /// When the clock of a home's box was set, and what was dated by that.
    #[command(subcommand)]
    Clock(ClockCommand),
}

#[derive(Subcommand, Debug)]
enum ClockCommand {
    /// Lists every time that a box's clock was set.
    List {
        /// The box.
        agent: AgentId,
    },
    /// Takes one of them back: what was dated by it is dated anew, by what else is known.
    Withdraw(CorrectionArgs),
    /// Counts one again that was taken back.
    Restore(CorrectionArgs),
}

#[derive(Args, Debug)]
struct CorrectionArgs {
    /// The box.
    agent: AgentId,
    /// Which correction, as `clock list` prints it.
    correction: String,
    /// Who decides so.
    #[arg(long)]
    by: String,
}

#[derive(Subcommand, Debug)]
enum HomeCommand {
    /// Adds a home and its box, and prints the code that the installer types.
    Add {
        /// What the home is called.
        name: String,
    },
    /// Makes a fresh code for a home's box. Codes made before are worth nothing any more.
    Code {
        /// The home's id.
        home: String,
    },
    /// Gives a home another box, in the place of the one it has, and prints the code that the installer types. Retire the
    /// old one, or revoke it where it cannot send what it still has.
    AddBox {
        /// The home's id.
        home: String,
    },
}

#[derive(Subcommand, Debug)]
enum DeviceCommand {
    /// Adds a device.
    Add {
        /// Its address (F0:F1:F2:F3:F4:F5), or model/serial.
        device: DeviceId,
        /// What it is: blood_pressure, pulse_oximeter, thermometer, weight_scale, heart_rate or alarm_button.
        #[arg(long)]
        kind: DeviceKind,
        /// The id of its home.
        #[arg(long)]
        home: String,
        /// How its model departs from the standard: standard, beurer, nonin, yonker, microlife or berrymed. Left out, its
        /// box tells by the model it reads.
        #[arg(long)]
        dialect: Option<Dialect>,
        /// A file with a button's key: 32 hexadecimal digits.
        #[arg(long)]
        key_file: Option<PathBuf>,
        /// How often it sends a sign of life, as 15m, where it does: its silence is then noticed.
        #[arg(long, value_parser = duration::parse)]
        beacon: Option<Duration>,
    },
    /// Lists devices, those that have left their home last.
    List {
        /// The id of a home; all homes, if it is left out.
        #[arg(long)]
        home: Option<String>,
    },
    /// Takes a device out of its home. From now on its readings are nobody's; what was stored stays.
    Remove {
        /// Which.
        device: DeviceId,
    },
    /// Says that a button's battery was changed, so that its counter rightly began anew.
    BatteryChanged {
        /// Which button.
        device: DeviceId,
        /// Who says so: the name of whoever changed it or has it from them.
        #[arg(long)]
        by: String,
    },
}

#[derive(Args, Debug)]
struct AssignArgs {
    /// The device.
    device: DeviceId,
    /// The person's id.
    person: String,
    /// Only the readings of this one of the device's users.
    #[arg(long)]
    slot: Option<u8>,
    /// From when, as 2026-11-22T14:00 in the configured time zone, or with an offset. Now, if it is left out.
    #[arg(long)]
    from: Option<String>,
    /// Until before when.
    #[arg(long)]
    until: Option<String>,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What happened, what it means and what to do.
    pub async fn run(self) -> anyhow::Result<()> {
        self.run_with(Rules::new()).await
    }

    /// As [`Cli::run`], with more rules than are shipped.
    ///
    /// # Errors
    /// As there.
    pub async fn run_with(self, more: Rules) -> anyhow::Result<()> {
        if let Command::Verify { what: Some(what) } = &self.command {
            return self.say(&keeping::verify(None, Some(what)).await?);
        }
        let config = Config::read(&self.config)?;
        let answer = match &self.command {
            Command::Run => return run_gateway(&config, more).await,
            Command::CheckConfig => {
                Answer { said: format!("{} can be used", self.config.display()), json: json!({"ok": true}) }
            }
            Command::Backup { folder } => keeping::back_up(&config, folder).await?,
            Command::Restore(wish) => keeping::restore(&config, wish).await?,
            Command::Verify { what } => keeping::verify(Some(&config), what.as_deref()).await?,
            Command::Home(HomeCommand::Add { name }) => add_home(&config, name).await?,
            Command::Home(HomeCommand::Code { home }) => fresh_code(&config, home).await?,
            Command::Home(HomeCommand::AddBox { home }) => add_box(&config, home).await?,
            Command::Agent(command) => agents::execute(&config, command).await?,
            Command::Account(command) => accounts::execute(&config, command).await?,
            Command::Team(command) => teams::execute(&config, command).await?,
            Command::Escalation(command) => escalations::execute(&config, command).await?,
            Command::Contact(command) => contacts::execute(&config, command).await?,
            Command::Records(command) => records::execute(&config, command).await?,
            Command::Centre(command) => centre::execute(&config, command).await?,
            Command::Plan(command) => plans::execute(&config, command).await?,
            Command::Replay(wish) => replay::execute(&config, wish, &settings(&config, more)?).await?,
            Command::Person(command) => people::execute(&config, command).await?,
            Command::Unassigned(command) => unassigned::execute(&config, command, &settings(&config, more)?).await?,
            Command::Device(DeviceCommand::Add { device, kind, home, dialect, key_file, beacon }) => {
                let device = NewDevice {
                    id: device.clone(),
                    kind: *kind,
                    dialect: *dialect,
                    key: key_file.as_deref().map(read_key).transpose()?,
                    beacon_s: beacon.map(|beacon| u32::try_from(beacon.as_secs())).transpose()?,
                };
                add_device(&config, &device, home).await?
            }
            Command::Device(DeviceCommand::List { home }) => list_devices(&config, home.as_deref()).await?,
            Command::Device(DeviceCommand::Remove { device }) => remove_device(&config, device).await?,
            Command::Device(DeviceCommand::BatteryChanged { device, by }) => {
                change_battery(&config, device, by).await?
            }
            Command::Unit(command) => units::execute(&config, command).await?,
            Command::Assign(wish) => assign(&config, wish).await?,
            Command::Clock(ClockCommand::List { agent }) => list_corrections(&config, agent).await?,
            Command::Clock(ClockCommand::Withdraw(which)) => {
                decide_correction(&config, which, Some((&which.by, clock::now_ms()))).await?
            }
            Command::Clock(ClockCommand::Restore(which)) => decide_correction(&config, which, None).await?,
        };
        self.say(&answer)
    }

    fn say(&self, answer: &Answer) -> anyhow::Result<()> {
        if self.json {
            println!("{}", answer.json)
        } else {
            println!("{}", answer.said)
        }
        Ok(())
    }
}

/// By what everything is judged.
fn settings(config: &Config, more: Rules) -> anyhow::Result<Settings> {
    let rules = config.rules.rules().into_iter().chain(more).collect();
    Ok(Settings::new(rules, &config.rules, config.enrolment.certificate_life, config.console.zone()?))
}

/// What a command says: to people, and to programs.
struct Answer {
    said: String,
    json: Value,
}

async fn run_gateway(config: &Config, more: Rules) -> anyhow::Result<()> {
    let rules = config.rules.rules().into_iter().chain(more).collect();
    let mut running = run::start(config, rules).await?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tracing::info!(
        broker = running.broker.map(tracing::field::display),
        enrolment = %running.enrolment,
        console = %format_args!("http://{}/", running.console),
        "ready"
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = running.failed() => {
            running.stop().await;
            bail!("a part of the gateway has failed, so it has stopped; agents keep what they have until it runs again");
        }
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

async fn add_home(config: &Config, name: &str) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let now_ms = clock::now_ms();
    let (home, agent) = homes::add(&mut desk.work, name, now_ms).await?;
    let code = desk.code_for(&agent, now_ms).await?;
    desk.done().await?;
    Ok(Answer {
        said: format!("home   {home}\nagent  {agent}\ncode   {code}   (works once, for 24 hours)"),
        json: json!({"home": home, "agent": agent.to_string(), "code": code.to_string()}),
    })
}

async fn fresh_code(config: &Config, home: &str) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let agent = homes::agent_of(&mut desk.work, home).await?.with_context(|| {
        format!(
            "there is no home {home} with a box in service; `hempuls-gateway agent list` prints them, and \
                     `home add-box` gives a home another"
        )
    })?;
    desk.answer_with_code(home, &agent).await
}

async fn add_box(config: &Config, home: &str) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let agent = store::agents::add(&mut desk.work, home, clock::now_ms())
        .await?
        .with_context(|| format!("there is no home {home}; `hempuls-gateway home add` makes one"))?;
    desk.answer_with_code(home, &agent).await
}

async fn add_device(config: &Config, device: &NewDevice, home: &str) -> anyhow::Result<Answer> {
    device.check()?;
    let (id, kind) = (device.id.to_string(), device.kind.as_str());
    let mut desk = Desk::open(config).await?;
    devices::add(&mut desk.work, home, device, clock::now_ms())
        .await
        .map_err(|error| refused(error, format!("there is no home {home}")))?
        .with_context(|| format!("{id} was not added"))?;
    desk.note(Action::AdoptedDevice, format!("device {id}, home {home}"), COMMAND_LINE).await?;
    desk.done().await?;
    Ok(Answer { said: format!("device  {id}  {kind}"), json: json!({"device": id, "kind": kind}) })
}

async fn list_devices(config: &Config, home: Option<&str>) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let listed = devices::list(store.reader(), home).await?;
    store.close().await;
    let said = listed.iter().map(|device| {
        let yes = |what: &str, is_so: bool| if is_so { format!("  {what}") } else { String::new() };
        let dialect = device.dialect.as_ref().map(|dialect| format!("  {dialect}")).unwrap_or_default();
        let beacon = device.beacon_s.map(|seconds| format!("  every {seconds} s")).unwrap_or_default();
        let (key, ended) = (yes("key", device.has_key), yes("ended", device.ended_ms.is_some()));
        format!("{}  {}  {} ({}){dialect}{key}{beacon}{ended}", device.id, device.kind, device.home, device.home_name)
    });
    Ok(Answer { said: said.collect::<Vec<_>>().join("\n"), json: json!({"devices": listed}) })
}

async fn remove_device(config: &Config, device: &DeviceId) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let home = devices::remove(&mut desk.work, device, clock::now_ms())
        .await?
        .with_context(|| format!("{device} is in no home; nothing was changed"))?;
    desk.note(Action::RemovedDevice, format!("device {device}, home {home}"), COMMAND_LINE).await?;
    desk.done().await?;
    Ok(Answer {
        said: format!("{device} has left the home {home}"),
        json: json!({"device": device.to_string(), "home": home}),
    })
}

async fn change_battery(config: &Config, device: &DeviceId, by: &str) -> anyhow::Result<Answer> {
    if by.trim().is_empty() {
        bail!("--by must name the person who says so; nothing was changed");
    }
    let mut desk = Desk::open(config).await?;
    let home = devices::change_battery(&mut desk.work, device, clock::now_ms())
        .await?
        .with_context(|| format!("there is no alarm_button {device} in any home; nothing was changed"))?;
    desk.note(Action::ChangedBattery, format!("device {device}, home {home}"), by.trim()).await?;
    desk.done().await?;
    Ok(Answer {
        said: format!("{device} counts anew; its box is told within a minute"),
        json: json!({"device": device.to_string(), "home": home}),
    })
}

/// Who the log says did something that the command line does not ask a name for.
const COMMAND_LINE: &str = "command line";

/// Reads a button's key from its file.
fn read_key(file: &Path) -> anyhow::Result<BindKey> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the key file {}", file.display()))?;
    text.trim().parse().with_context(|| format!("{} holds no key; nothing was changed", file.display()))
}

async fn assign(config: &Config, wish: &AssignArgs) -> anyhow::Result<Answer> {
    let zone = config.console.zone()?;
    let now_ms = clock::now_ms();
    let assignment = Assignment {
        device: wish.device.to_string(),
        slot: wish.slot,
        person: wish.person.clone(),
        from_ms: wish.from.as_deref().map_or(Ok(now_ms), |time| moment(time, &zone))?,
        until_ms: wish.until.as_deref().map(|time| moment(time, &zone)).transpose()?,
    };
    let mut desk = Desk::open(config).await?;
    assignments::assign(&mut desk.work, &assignment, now_ms).await.map_err(|error| {
        refused(
            error,
            format!("there is no device {}, no person {}, or --until is not after --from", wish.device, wish.person),
        )
    })?;
    desk.done().await?;
    Ok(Answer {
        said: format!("{} is {}'s", assignment.device, assignment.person),
        json: json!({"device": assignment.device, "slot": assignment.slot, "person": assignment.person,
                     "from_ms": assignment.from_ms, "until_ms": assignment.until_ms}),
    })
}

async fn list_corrections(config: &Config, agent: &AgentId) -> anyhow::Result<Answer> {
    let zone = config.console.zone()?;
    let mut desk = Desk::open(config).await?;
    let corrections = clocks::corrections(&mut desk.work, agent).await?;
    desk.done().await?;
    let shown = |at_ms| Timestamp::from_millisecond(at_ms).map(|at| at.to_zoned(zone.clone()).datetime().to_string());
    let mut said = vec![format!("{} corrections of the clock of {agent}, newest first", corrections.len())];
    for correction in &corrections {
        said.push(format!(
            "{}  {} -> {}  by {}{}",
            name_of(correction),
            shown(correction.before_ms)?,
            shown(correction.after_ms)?,
            correction.source,
            if correction.withdrawn_ms.is_some() { "  (taken back)" } else { "" },
        ));
    }
    let json = corrections.iter().map(|correction| {
        json!({"correction": name_of(correction), "before_ms": correction.before_ms, "after_ms": correction.after_ms,
               "source": correction.source, "withdrawn_ms": correction.withdrawn_ms})
    });
    Ok(Answer { said: said.join("\n"), json: json.collect() })
}

/// Takes a correction back, or counts it again.
async fn decide_correction(
    config: &Config,
    which: &CorrectionArgs,
    withdrawn: Option<(&str, i64)>,
) -> anyhow::Result<Answer> {
    let zone = config.console.zone()?;
    let mut desk = Desk::open(config).await?;
    let corrections = clocks::corrections(&mut desk.work, &which.agent).await?;
    let correction =
        corrections.iter().find(|correction| name_of(correction) == which.correction).with_context(|| {
            format!(
                "there is no correction {}; `hempuls-gateway clock list {}` prints them",
                which.correction, which.agent
            )
        })?;
    let boot = (which.agent.clone(), correction.boot);
    if !clocks::withdraw(&mut desk.work, &boot, correction.since_boot_ms, withdrawn).await? {
        bail!("that is so already; nothing was changed");
    }
    let records = clocks::records_of_boot(&mut desk.work, &boot).await?;
    date_anew(&mut desk.work, &records, &zone).await?;
    desk.done().await?;
    tracing::info!(agent.id = %which.agent, by = which.by, "a correction of a clock was decided on");
    Ok(Answer {
        said: format!("{} records of that time were looked at again", records.len()),
        json: json!({"correction": which.correction, "counts": withdrawn.is_none(), "records": records.len()}),
    })
}

fn name_of(correction: &Correction) -> String {
    format!("{}-{}", &hex::encode(correction.boot.0)[..8], correction.since_boot_ms)
}

/// The store and the authority, for one piece of work.
struct Desk {
    store: crate::store::Store,
    work: crate::store::Work<'static>,
    ca: crate::pki::Ca,
}

impl Desk {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        run::open_data(config)?;
        let store = run::open_store(config).await?;
        let ca = run::open_ca(config)?;
        let work = store.work().await?;
        Ok(Self { store, work, ca })
    }

    /// Makes a code; another, should its beginning be taken.
    async fn code_for(&mut self, agent: &AgentId, now_ms: i64) -> anyhow::Result<EnrolmentCode> {
        let work: &mut Connection = &mut self.work;
        loop {
            let code = EnrolmentCode::new(rand::rng().random(), self.ca.public_key());
            match enrolment_codes::add(work, agent, &code, now_ms).await {
                Ok(()) => return Ok(code),
                Err(error) if error.is_refused() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends with a code for this box.
    async fn answer_with_code(mut self, home: &str, agent: &AgentId) -> anyhow::Result<Answer> {
        let code = self.code_for(agent, clock::now_ms()).await?;
        self.done().await?;
        Ok(Answer {
            said: format!("agent  {agent}\ncode   {code}   (works once, for 24 hours)"),
            json: json!({"home": home, "agent": agent.to_string(), "code": code.to_string()}),
        })
    }

    /// Writes who did something, and to what, into the access log.
    async fn note(&mut self, action: Action, what: String, who: &str) -> anyhow::Result<()> {
        let looker = Looker { who: who.to_owned(), unit: COMMAND_LINE.to_owned() };
        let look = Look { action, person: None, what, why: "operation" };
        let now = Timestamp::from_millisecond(clock::now_ms())?;
        Ok(access_log::write(&mut self.work, &looker, &[look], now).await?)
    }

    async fn done(self) -> anyhow::Result<()> {
        self.work.commit().await.context("cannot write to the store; nothing was changed. Look for a full or failing disk under the data folder, then try again")?;
        self.store.close().await;
        Ok(())
    }
}

/// What whoever is named sees: the owner of an account is held to what she sees in the console. Who has none is of operations,
/// and has the store itself.
async fn sight_of(store: &store::Store, by: &str) -> anyhow::Result<Sight> {
    Ok(match accounts_of_console::find(store.reader(), by.trim()).await? {
        Some(account) => Sight::of_member(store.reader(), &account.name, clock::now_ms()).await?,
        None => Sight::of_program(clock::now_ms()),
    })
}

/// Refuses where the owner of an account does not see these people's readings in the console either.
async fn sees_readings(store: &store::Store, by: &str, people: &[&str]) -> anyhow::Result<()> {
    let seen = sight_of(store, by).await?.people(store.reader(), people, Some(Area::HealthCare)).await?;
    if let Some(other) = people.iter().find(|person| !seen.contains(**person)) {
        bail!("no team of {by}'s is responsible for {other}; nothing was shown, and nothing was changed");
    }
    Ok(())
}

/// Who says so.
fn named(by: &str) -> anyhow::Result<&str> {
    let by = by.trim();
    if by.is_empty() {
        bail!("--by must name the person who says so; nothing was changed");
    }
    Ok(by)
}

fn refused(error: StoreError, why: String) -> anyhow::Error {
    if error.is_refused() { anyhow::anyhow!("{why}; nothing was changed") } else { error.into() }
}

/// Reads a moment as people write it.
fn moment(text: &str, zone: &TimeZone) -> anyhow::Result<i64> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_millisecond());
    }
    let local: DateTime = text
        .parse()
        .or_else(|_| text.parse::<Date>().map(|date| date.to_datetime(jiff::civil::Time::midnight())))
        .with_context(|| format!("\"{text}\" is no moment such as 2026-11-22T14:00"))?;
    Ok(local.to_zoned(zone.clone())?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn moments_are_read_in_the_configured_zone_unless_they_say_otherwise() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        let noon_utc = 1_800_014_400_000; // 2027-01-15T12:00:00Z
        assert_eq!(moment("2027-01-15T13:00", &zone).unwrap(), noon_utc);
        assert_eq!(moment("2027-01-15T12:00:00Z", &zone).unwrap(), noon_utc);
        assert_eq!(moment("2027-01-15", &zone).unwrap(), noon_utc - 13 * 3_600_000);
        assert!(moment("tomorrow", &zone).is_err());
    }
}
