//! `hempuls-gateway unassigned …`: the way out for readings that no assignment gives to anybody.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Answer, COMMAND_LINE, Desk, moment, refused, sees_readings};
use crate::alerts::attribution;
use crate::alerts::judge::Settings;
use crate::clock;
use crate::config::Config;
use crate::http::now;
use crate::run;
use crate::store::access_log::{self, Action, Look, Looker};
use crate::store::attributions::{self, Which};
use crate::store::{Connection, history, work_list};

/// So many readings are decided about at once at most.
const MOST: u32 = 50_000;

#[derive(Subcommand, Debug)]
pub(super) enum UnassignedCommand {
    /// Lists devices with readings that wait for a person.
    List,
    /// Says whose a device's waiting readings are. They are judged as late ones: one item for review, and no alarm.
    Assign {
        /// The person's id.
        #[arg(long)]
        person: String,
        #[command(flatten)]
        readings: Readings,
        #[command(flatten)]
        who: Who,
    },
    /// Says that they are nobody's: a visitor's, or a trial. They stay stored, and wait no longer.
    Nobody {
        #[command(flatten)]
        readings: Readings,
        #[command(flatten)]
        who: Who,
    },
    /// Prints what was decided about a device's readings.
    Decisions {
        /// The device.
        device: String,
        /// The id of the home.
        #[arg(long)]
        home: String,
    },
    /// Takes a decision back: its readings wait for a person again.
    Undo {
        /// Which, as `unassigned decisions` prints it.
        decision: String,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Args, Debug)]
pub(super) struct Readings {
    /// The device, as `unassigned list` prints it.
    device: String,
    /// The id of the home.
    #[arg(long)]
    home: String,
    /// Measured at this time or later, as 2026-11-22T14:00; since ever, if it is left out.
    #[arg(long)]
    from: Option<String>,
    /// Measured before this time; until now, if it is left out.
    #[arg(long)]
    until: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Who {
    /// Who decides this.
    #[arg(long)]
    by: String,
    /// Why.
    #[arg(long)]
    why: String,
}

impl Who {
    fn check(&self) -> anyhow::Result<(&str, &str)> {
        let (by, why) = (self.by.trim(), self.why.trim());
        if by.is_empty() || why.is_empty() {
            bail!("--by must name a person, and --why a reason; nothing was changed");
        }
        Ok((by, why))
    }
}

pub(super) async fn execute(
    config: &Config,
    command: &UnassignedCommand,
    settings: &Settings,
) -> anyhow::Result<Answer> {
    match command {
        UnassignedCommand::List => list(config).await,
        UnassignedCommand::Assign { person, readings, who } => {
            decide(config, readings, Some(person), who.check()?, settings).await
        }
        UnassignedCommand::Nobody { readings, who } => decide(config, readings, None, who.check()?, settings).await,
        UnassignedCommand::Decisions { device, home } => decisions(config, home, device).await,
        UnassignedCommand::Undo { decision, who } => undo(config, decision, who.check()?).await,
    }
}

async fn list(config: &Config) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let queues = work_list::unassigned(store.reader()).await?;
    store.close().await;
    let said = queues.iter().map(|queue| {
        let kind = queue.kind.as_deref().unwrap_or("unknown");
        format!("{}  {kind}  {} ({})  {} readings", queue.device, queue.home, queue.home_name, queue.count)
    });
    let said: Vec<String> = said.collect();
    let said = if said.is_empty() { "no reading waits for a person".to_owned() } else { said.join("\n") };
    let json = queues
        .iter()
        .map(|queue| json!({"device": queue.device, "kind": queue.kind, "home": queue.home, "count": queue.count}));
    Ok(Answer { said, json: json!({"waiting": json.collect::<Vec<_>>()}) })
}

async fn decide(
    config: &Config,
    readings: &Readings,
    person: Option<&String>,
    (by, why): (&str, &str),
    settings: &Settings,
) -> anyhow::Result<Answer> {
    let person = person.map(String::as_str);
    let zone = &settings.zone;
    let Readings { device, home, from, until } = readings;
    let from_ms = from.as_deref().map_or(Ok(i64::MIN), |from| moment(from, zone))?;
    let before_ms = until.as_deref().map_or(Ok(i64::MAX), |until| moment(until, zone))?;
    let mut desk = Desk::open(config).await?;
    if let Some(person) = person
        && !history::is_known(desk.store.reader(), person).await?
    {
        bail!("there is no person {person}; nothing was changed");
    }
    if let Some(person) = person {
        sees_readings(&desk.store, by, &[person]).await?;
    }
    let which = Which { home, device, from_ms, before_ms };
    let records = attributions::waiting(desk.store.reader(), which, MOST).await?;
    if records.is_empty() {
        bail!("no reading of {device} in the home {home} waits for a person then; nothing was changed");
    }
    let now_ms = clock::now_ms();
    let matter = (home.as_str(), device.as_str());
    let (decision, count) = attribution::decide(&mut desk.work, matter, &records, person, (by, why), settings, now_ms)
        .await
        .map_err(|error| refused(error, format!("there is no home {home}")))?;
    let action = if person.is_some() { Action::AssignedReadings } else { Action::SetReadingsAside };
    note(&mut desk.work, action, person, &format!("device {device}, home {home}, decision {decision}"), (by, why))
        .await?;
    desk.done().await?;
    let whose = person.map_or_else(|| "nobody's".to_owned(), |person| format!("{person}'s"));
    Ok(Answer {
        said: format!("{count} readings are {whose}; decision {decision}"),
        json: json!({"decision": decision, "readings": count, "person": person}),
    })
}

async fn decisions(config: &Config, home: &str, device: &str) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let decisions = attributions::of_device(store.reader(), home, device).await?;
    store.close().await;
    let said = decisions.iter().map(|decision| {
        let whose = decision.person.as_deref().unwrap_or("nobody");
        let back = decision.withdrawn.as_ref().map(|(_, by, why)| format!("  (taken back by {by}: {why})"));
        let (id, records, author, reason) = (&decision.id, decision.records, &decision.author, &decision.reason);
        format!("{id}  {records} readings  {whose}  by {author}: {reason}{}", back.unwrap_or_default())
    });
    let json = decisions.iter().map(|decision| {
        json!({"decision": decision.id, "person": decision.person, "readings": decision.records,
               "by": decision.author, "why": decision.reason, "at_ms": decision.at_ms,
               "withdrawn_ms": decision.withdrawn.as_ref().map(|(at_ms, ..)| at_ms)})
    });
    let json: Vec<_> = json.collect();
    Ok(Answer { said: said.collect::<Vec<_>>().join("\n"), json: json!({"decisions": json}) })
}

async fn undo(config: &Config, decision: &str, (by, why): (&str, &str)) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let undone = attributions::withdraw(&mut desk.work, decision, (by, why), clock::now_ms())
        .await?
        .with_context(|| format!("there is no decision {decision} that holds; nothing was changed"))?;
    let what = format!("device {}, home {}, decision {decision}", undone.device, undone.home);
    note(&mut desk.work, Action::TookReadingsBack, undone.person.as_deref(), &what, (by, why)).await?;
    desk.done().await?;
    Ok(Answer {
        said: format!("{} readings wait for a person again", undone.records),
        json: json!({"decision": decision, "readings": undone.records}),
    })
}

async fn note(
    work: &mut Connection,
    action: Action,
    person: Option<&str>,
    what: &str,
    (by, why): (&str, &str),
) -> anyhow::Result<()> {
    let looker = Looker { who: by.to_owned(), unit: COMMAND_LINE.to_owned() };
    Ok(access_log::write(work, &looker, &[Look { action, person, what: what.to_owned(), why }], now()).await?)
}
