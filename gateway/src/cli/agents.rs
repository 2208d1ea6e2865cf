//! `hempuls-gateway agent …`: what people decide about boxes, each time with a name and a reason.

use anyhow::bail;
use clap::{Args, Subcommand};
use hempuls_protocol::ids::AgentId;
use jiff::Timestamp;
use serde_json::json;

use super::{Answer, Desk};
use crate::alerts::health::identity::Happened;
use crate::alerts::health::{self, Found};
use crate::config::Config;
use crate::store::access_log::Action;
use crate::store::agents::{self, Act, Decision, Listed};
use crate::store::devices;
use crate::{alerts, clock, run};

#[derive(Subcommand, Debug)]
pub(super) enum AgentCommand {
    /// Lists the boxes: who is in service, retired or revoked, by whom and why, and what still waits in each.
    List,
    /// Lets a box hear nothing more and send what it still has: it is to be taken away or replaced.
    Retire(Reason),
    /// Takes that back: the box hears its home again, within a minute.
    Unretire(Reason),
    /// Cuts a box off at once: it was stolen, or nobody knows where it is. This is final.
    Revoke(Reason),
    /// Books what waits in a revoked box as lost.
    WriteOff(Reason),
}

#[derive(Args, Debug)]
pub(super) struct Reason {
    /// The box, as `agent list` prints it.
    agent: AgentId,
    /// Who decides this.
    #[arg(long)]
    by: String,
    /// Why. It stands in the log and on the home's page, so name nobody who lives there.
    #[arg(long)]
    why: String,
}

pub(super) async fn execute(config: &Config, command: &AgentCommand) -> anyhow::Result<Answer> {
    match command {
        AgentCommand::List => list(config).await,
        AgentCommand::Retire(reason) => decide(config, Act::Retire, reason).await,
        AgentCommand::Unretire(reason) => decide(config, Act::Unretire, reason).await,
        AgentCommand::Revoke(reason) => decide(config, Act::Revoke, reason).await,
        AgentCommand::WriteOff(reason) => decide(config, Act::WriteOff, reason).await,
    }
}

async fn list(config: &Config) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let listed = agents::list(store.reader()).await?;
    store.close().await;
    Ok(Answer { said: listed.iter().map(line).collect::<Vec<_>>().join("\n"), json: json!({"agents": listed}) })
}

fn line(listed: &Listed) -> String {
    let Listed { agent, home, home_name, state, alarms_waiting, readings_waiting, .. } = listed;
    let state = match *state {
        "in_service" => "in service",
        "new" => "not enrolled",
        state => state,
    };
    let time =
        |ms: i64| Timestamp::from_millisecond(ms).map_or(String::new(), |at| at.strftime("%Y-%m-%d").to_string());
    let mut said = format!("{agent}  {state:12}  {home} ({home_name})");
    if let (Some(by), Some(why)) = (&listed.by, &listed.why) {
        said.push_str(&format!("  by {by}: {why}"));
    }
    if alarms_waiting + readings_waiting > 0 {
        said.push_str(&format!("  waiting: {alarms_waiting} alarms, {readings_waiting} readings"));
    } else if state == "retired" {
        said.push_str("  empty: it can be taken away");
    }
    if let Some(expires) = listed.certificate_expires_ms {
        said.push_str(&format!("  certificate until {}", time(expires)));
    }
    said
}

async fn decide(config: &Config, act: Act, reason: &Reason) -> anyhow::Result<Answer> {
    let Reason { agent, by, why } = reason;
    let (by, why) = (by.trim(), why.trim());
    if by.is_empty() || why.is_empty() {
        bail!("--by must name a person, and --why a reason; nothing was changed");
    }
    let mut desk = Desk::open(config).await?;
    let now_ms = clock::now_ms();
    let decided = match agents::decide(&mut desk.work, agent, &Decision { act, by, why }, now_ms).await {
        Ok(decided) => decided,
        Err(error) => bail!("{error}; nothing was changed"),
    };
    let agents::Decided { home, alarms, readings } = decided;
    let (by_owned, why_owned) = (by.to_owned(), why.to_owned());
    let happened = match act {
        Act::Revoke if alarms + readings > 0 => {
            Some(Happened::CutOff { by: by_owned, why: why_owned, alarms, readings })
        }
        Act::WriteOff => Some(Happened::WrittenOff { by: by_owned, why: why_owned, alarms, readings }),
        Act::Retire | Act::Unretire | Act::Revoke => None,
    };
    if let Some(happened) = happened {
        let has_button = devices::has_button(&mut desk.work, &home).await?;
        let concern = health::concern(agent.as_str(), &home, has_button, Found::Identity(happened));
        alerts::raise(&mut desk.work, &concern, now_ms).await?;
    }
    let action = match act {
        Act::Retire => Action::RetiredBox,
        Act::Unretire => Action::UnretiredBox,
        Act::Revoke => Action::RevokedBox,
        Act::WriteOff => Action::WroteOff,
    };
    desk.note(action, format!("box {agent}, home {home}, because: {why}"), by).await?;
    desk.done().await?;
    let waits = format!("{alarms} alarms and {readings} readings");
    let said = match act {
        Act::Retire if alarms + readings == 0 => format!("{agent} is retired, and nothing waits in it"),
        Act::Retire => format!("{agent} is retired; {waits} wait in it and are taken as they come"),
        Act::Unretire => format!("{agent} is in service again; it is told within a minute"),
        Act::Revoke if alarms + readings == 0 => format!("{agent} is cut off; nothing waits in it"),
        Act::Revoke => format!(
            "{agent} is cut off; {waits} wait in it. They stay listed until you write them off: \
             hempuls-gateway agent write-off {agent} --by … --why …"
        ),
        Act::WriteOff => format!("{waits} that were in {agent} are booked as lost"),
    };
    Ok(Answer { said, json: json!({"agent": agent.to_string(), "home": home, "alarms": alarms, "readings": readings}) })
}
