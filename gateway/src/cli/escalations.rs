//! `hempuls-gateway escalation …`: what a team does, rung by rung, while nobody takes an alert.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;

use super::{Answer, Desk, named};
use crate::clock;
use crate::config::Config;
use crate::escalation::{self, plan::Plan};
use crate::store::access_log::Action;
use crate::store::teams::Team;
use crate::store::{escalations, teams};

#[derive(Subcommand, Debug)]
pub(super) enum EscalationCommand {
    /// Prints a team's plan as JSON, as `set` reads it: what is usual, where it has none of its own.
    Show {
        /// The team's id.
        team: String,
    },
    /// Writes a team's plan, in place of the one before.
    Set {
        /// The team's id.
        team: String,
        /// A file with the plan as JSON.
        #[arg(long)]
        file: PathBuf,
        /// Who decides this.
        #[arg(long)]
        by: String,
    },
    /// Takes a team's plan back: what is usual is done.
    Usual {
        /// The team's id.
        team: String,
        /// Who decides this.
        #[arg(long)]
        by: String,
    },
}

pub(super) async fn execute(config: &Config, command: &EscalationCommand) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    match command {
        EscalationCommand::Show { team } => show(desk, team).await,
        EscalationCommand::Set { team, file, by } => set(desk, team, file, named(by)?).await,
        EscalationCommand::Usual { team, by } => {
            let by = named(by)?;
            found(&mut desk, team).await?;
            if !escalations::remove_plan(&mut desk.work, team).await? {
                bail!("{team} does what is usual already; nothing was changed");
            }
            changed(desk, team, by, format!("{team} does what is usual while nobody takes an alert")).await
        }
    }
}

async fn show(mut desk: Desk, team: &str) -> anyhow::Result<Answer> {
    let team = found(&mut desk, team).await?;
    let written = escalations::plan(&mut *desk.work, &team.id).await?;
    desk.done().await?;
    let by = written.as_ref().map(|(_, by, _)| by.clone());
    let plan = written.map_or_else(|| Plan::usual(team.is_fallback), |(plan, _, _)| plan);
    Ok(Answer {
        said: serde_json::to_string_pretty(&plan)?,
        json: json!({"team": team.id, "plan": plan, "set_by": by}),
    })
}

async fn set(mut desk: Desk, team: &str, file: &Path, by: &str) -> anyhow::Result<Answer> {
    found(&mut desk, team).await?;
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read {}; nothing was changed", file.display()))?;
    let plan: Plan = serde_json::from_str(&text)
        .with_context(|| format!("{} is no escalation plan; nothing was changed", file.display()))?;
    if let Err(wrong) = plan.check() {
        bail!("{wrong}; nothing was changed");
    }
    if let Some(unknown) = escalation::unknown(&mut desk.work, &plan).await? {
        bail!("{unknown}; nothing was changed");
    }
    escalations::set_plan(&mut desk.work, team, &plan, by, clock::now_ms()).await?;
    changed(desk, team, by, format!("{team} has a new escalation plan, which holds from now on")).await
}

async fn found(desk: &mut Desk, team: &str) -> anyhow::Result<Team> {
    teams::find(&mut *desk.work, team).await?.with_context(|| {
        format!("there is no team {team}; nothing was changed. `hempuls-gateway team list` prints them")
    })
}

async fn changed(mut desk: Desk, team: &str, by: &str, said: String) -> anyhow::Result<Answer> {
    desk.note(Action::ChangedTeam, said.clone(), by).await?;
    desk.done().await?;
    Ok(Answer { said, json: json!({"team": team}) })
}
