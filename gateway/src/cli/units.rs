//! `hempuls-gateway unit …`: alarm units of other makes that report over SCAIP, and whose they are.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use hempuls_protocol::scaip::ControllerId;
use serde_json::json;

use super::{Answer, COMMAND_LINE, Desk, refused};
use crate::config::{Config, duration};
use crate::store::access_log::Action;
use crate::store::units::{self, Unit};
use crate::{clock, run};

#[derive(Subcommand, Debug)]
pub(super) enum UnitCommand {
    /// Adds an alarm unit. Until it is added, it is answered that nobody here treats its alarms.
    Add {
        /// The number by which its messages name it (cid): up to 16 digits.
        unit: ControllerId,
        /// The id of its home.
        #[arg(long)]
        home: String,
        /// The id of the person whose alarms its alarms are; left out, they are the home's.
        #[arg(long)]
        person: Option<String>,
        /// How often it says that it is there, as 60s. After three that did not come its silence is an alert.
        #[arg(long, default_value = "60s", value_parser = duration::parse)]
        heartbeat: Duration,
    },
    /// Lists alarm units, those that have left their home last.
    List,
    /// Takes an alarm unit out of its home.
    Remove {
        /// Which.
        unit: ControllerId,
    },
}

pub(super) async fn execute(config: &Config, command: &UnitCommand) -> anyhow::Result<Answer> {
    match command {
        UnitCommand::Add { unit, home, person, heartbeat } => {
            add(config, unit, home, person.as_deref(), *heartbeat).await
        }
        UnitCommand::List => list(config).await,
        UnitCommand::Remove { unit } => remove(config, unit).await,
    }
}

async fn add(
    config: &Config,
    id: &ControllerId,
    home: &str,
    person: Option<&str>,
    heartbeat: Duration,
) -> anyhow::Result<Answer> {
    let heartbeat_s = i64::try_from(heartbeat.as_secs())?;
    if heartbeat_s == 0 {
        bail!("--heartbeat must be a second or more; nothing was changed");
    }
    let unit = Unit {
        id: id.to_string(),
        home: home.to_owned(),
        person: person.map(str::to_owned),
        heartbeat_s,
        created_ms: clock::now_ms(),
        last_heard_ms: None,
        silent_ms: None,
        ended_ms: None,
    };
    let mut desk = Desk::open(config).await?;
    let is_added = units::add(&mut desk.work, &unit)
        .await
        .map_err(|error| refused(error, format!("there is no home {home}, or no such person")))?;
    if !is_added {
        bail!("{id} is in a home already; `hempuls-gateway unit remove` takes it out. Nothing was changed");
    }
    desk.note(Action::AdoptedDevice, format!("alarm unit {id}, home {home}"), COMMAND_LINE).await?;
    desk.done().await?;
    Ok(Answer { said: format!("alarm unit  {id}  every {heartbeat_s} s"), json: json!({"unit": unit}) })
}

async fn list(config: &Config) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let listed = units::list(store.reader()).await?;
    store.close().await;
    let said = listed.iter().map(|unit| {
        let ended = if unit.ended_ms.is_some() { "  ended" } else { "" };
        let silent = if unit.silent_ms.is_some() { "  silent" } else { "" };
        format!("{}  {}  every {} s{silent}{ended}", unit.id, unit.home, unit.heartbeat_s)
    });
    Ok(Answer { said: said.collect::<Vec<_>>().join("\n"), json: json!({"units": listed}) })
}

async fn remove(config: &Config, id: &ControllerId) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    if !units::remove(&mut desk.work, id, clock::now_ms()).await.context("reading the store")? {
        bail!("{id} is in no home; nothing was changed");
    }
    desk.note(Action::RemovedDevice, format!("alarm unit {id}"), COMMAND_LINE).await?;
    desk.done().await?;
    Ok(Answer { said: format!("{id} has left its home"), json: json!({"unit": id.to_string()}) })
}
