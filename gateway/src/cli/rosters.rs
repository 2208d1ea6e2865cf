//! `hempuls-gateway team roster …`: who of a team is on duty when, each version with a name and a reason.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::teams::no_team;
use super::{Answer, Desk, moment, named};
use crate::clock;
use crate::config::Config;
use crate::duty::roster::Roster;
use crate::duty::{self, ical};
use crate::store::access_log::Action;
use crate::store::rosters;
use crate::store::teams::{self, Team};

/// So far ahead a roster is written out, where nobody says until when.
const AHEAD_MS: i64 = 90 * 24 * 60 * 60 * 1000;

#[derive(Subcommand, Debug)]
pub(super) enum RosterCommand {
    /// Prints all versions of a team's roster, the newest first, who is on duty now, and when nobody is.
    Show {
        /// The team's id.
        team: String,
    },
    /// Writes a new version from a file in JSON, in place of the whole roster. `{}` is none: the whole team is on duty.
    Set(Wish),
    /// Writes a new version from an iCalendar file, in place of the whole roster. Each event's SUMMARY names who is on duty.
    Import(Wish),
    /// Writes who is on duty as an iCalendar file.
    Export {
        /// The team's id.
        team: String,
        /// From when; now, if it is left out.
        #[arg(long)]
        from: Option<String>,
        /// Until before when; 90 days after, if it is left out.
        #[arg(long)]
        until: Option<String>,
        /// Into which file.
        #[arg(long)]
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(super) struct Wish {
    /// The team's id.
    team: String,
    /// From which file.
    #[arg(long)]
    file: PathBuf,
    /// Who decides this.
    #[arg(long)]
    by: String,
    /// Why.
    #[arg(long)]
    why: String,
}

pub(super) async fn execute(config: &Config, command: &RosterCommand) -> anyhow::Result<Answer> {
    match command {
        RosterCommand::Show { team } => show(config, team).await,
        RosterCommand::Set(wish) => {
            let roster = serde_json::from_slice(&read(&wish.file)?)
                .with_context(|| format!("{} is no roster; nothing was changed", wish.file.display()))?;
            let mut desk = Desk::open(config).await?;
            let team = find(&mut desk, &wish.team).await?;
            set(desk, &team, &roster, wish).await
        }
        RosterCommand::Import(wish) => {
            let file = read(&wish.file)?;
            let mut desk = Desk::open(config).await?;
            let team = find(&mut desk, &wish.team).await?;
            let members = teams::may_be_on_duty(&mut *desk.work, &team.id, clock::now_ms()).await?;
            let is_member = |name: &str| members.iter().any(|member| member == name);
            let shifts = ical::read(&file, &team.time_zone, &team.zone(), &is_member)
                .with_context(|| format!("{} was not read; nothing was changed", wish.file.display()))?;
            set(desk, &team, &Roster { shifts, changes: Vec::new() }, wish).await
        }
        RosterCommand::Export { team, from, until, file } => {
            export(config, team, from.as_deref(), until.as_deref(), file).await
        }
    }
}

async fn show(config: &Config, team: &str) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let team = find(&mut desk, team).await?;
    let versions = rosters::versions(&mut *desk.work, &team.id).await?;
    let now_ms = clock::now_ms();
    let on_duty = teams::on_duty(&mut desk.work, &team.id, now_ms).await?;
    let roster = rosters::at(&mut *desk.work, &team.id, now_ms).await?;
    desk.done().await?;
    let gaps = roster.map(|roster| roster.gaps(now_ms, now_ms + AHEAD_MS, &team.zone())).unwrap_or_default();
    let zone = team.zone();
    let mut said = match on_duty.is_empty() {
        true => vec!["nobody is on duty now".to_owned()],
        false => vec![format!("on duty now: {}", on_duty.join(", "))],
    };
    for (from_ms, until_ms) in &gaps {
        said.push(format!("nobody is on duty from {} until {}", time(*from_ms, &zone)?, time(*until_ms, &zone)?));
    }
    for version in &versions {
        let from = time(version.from_ms, &zone)?;
        said.push(format!("{}  {from}  by {}: {}", version.version, version.author, version.reason));
        said.push(format!("   {}", json!(version.roster)));
    }
    if versions.is_empty() {
        said.push("nobody has written a roster; the whole team is on duty".to_owned());
    }
    let listed = versions.iter().map(|version| {
        json!({"version": version.version, "from_ms": version.from_ms, "until_ms": version.until_ms,
               "author": version.author, "reason": version.reason, "roster": version.roster})
    });
    let json = json!({"team": team.id, "on_duty": on_duty, "gaps_ms": gaps, "versions": listed.collect::<Vec<_>>()});
    Ok(Answer { said: said.join("\n"), json })
}

async fn set(mut desk: Desk, team: &Team, roster: &Roster, wish: &Wish) -> anyhow::Result<Answer> {
    let by = named(&wish.by)?;
    duty::desk::write(&mut desk.work, team, roster, None, (by, &wish.why), clock::now_ms())
        .await
        .context("nothing was changed")?;
    desk.note(Action::ChangedRoster, format!("roster of {}", team.id), by).await?;
    desk.done().await?;
    Ok(Answer {
        said: format!("the new roster of {} holds from now on: {} shifts", team.name, roster.shifts.len()),
        json: json!({"team": team.id, "shifts": roster.shifts.len()}),
    })
}

async fn export(
    config: &Config,
    team: &str,
    from: Option<&str>,
    until: Option<&str>,
    file: &Path,
) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let team = find(&mut desk, team).await?;
    let now_ms = clock::now_ms();
    let roster = rosters::at(&mut *desk.work, &team.id, now_ms).await?;
    desk.done().await?;
    let (roster, zone) = (roster.with_context(|| format!("{} has no roster", team.name))?, team.zone());
    let from_ms = from.map_or(Ok(now_ms), |from| moment(from, &zone))?;
    let until_ms = until.map_or(Ok(from_ms + AHEAD_MS), |until| moment(until, &zone))?;
    if until_ms <= from_ms {
        bail!("--until is not after --from; nothing was written");
    }
    let text = ical::write(&team.name, &roster, &zone, (from_ms, until_ms), now_ms);
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(Answer {
        said: format!("{} says who is on duty until {}", file.display(), time(until_ms, &zone)?),
        json: json!({"team": team.id, "file": file, "from_ms": from_ms, "until_ms": until_ms}),
    })
}

async fn find(desk: &mut Desk, team: &str) -> anyhow::Result<Team> {
    teams::find(&mut *desk.work, team).await?.with_context(|| no_team(team))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}; nothing was changed", file.display()))
}

fn time(ms: i64, zone: &TimeZone) -> anyhow::Result<String> {
    Ok(Timestamp::from_millisecond(ms)?.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string())
}
