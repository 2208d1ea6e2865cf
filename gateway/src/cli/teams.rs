//! `hempuls-gateway team …`: care teams, who works for them, and whom they are responsible for.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::rosters::{self, RosterCommand};
use super::{Answer, COMMAND_LINE, Desk, moment, named, refused};
use crate::config::Config;
use crate::duty::{Area, Purpose};
use crate::store::access_log::{self, Action, Look, Looker};
use crate::store::teams::{self, Commission, Responsibility, Team};
use crate::{clock, run};

#[derive(Subcommand, Debug)]
pub(super) enum TeamCommand {
    /// Adds a team.
    Add {
        /// What it is called.
        name: String,
        /// health_care or social_services.
        #[arg(long)]
        area: Area,
        /// The zone its shifts are written in; the console's, if it is left out.
        #[arg(long)]
        time_zone: Option<String>,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Lists teams.
    List,
    /// Prints a team, who works for it, and who is on duty now.
    Show {
        /// The team's id.
        team: String,
    },
    /// Makes a team the fallback: what nobody else is responsible for is its, and the one before is the fallback no more.
    Fallback {
        /// The team's id.
        team: String,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Says that a member works for a team.
    Commission {
        /// The team's id.
        team: String,
        /// Who: the name she signs in with.
        member: String,
        /// What for: care, and she sees whom the team is responsible for; or administration, and she sees homes and boxes.
        #[arg(long, default_value = "care")]
        purpose: Purpose,
        #[command(flatten)]
        period: Period,
    },
    /// Ends a member's commissions for a team now.
    Release {
        /// The team's id.
        team: String,
        /// Who.
        member: String,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Makes a team responsible for a person, in the team's area.
    Responsible {
        /// The team's id.
        team: String,
        /// The person's id.
        person: String,
        #[command(flatten)]
        period: Period,
    },
    /// Ends a team's responsibility for a person now.
    NotResponsible {
        /// The team's id.
        team: String,
        /// The person's id.
        person: String,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Who of a team is on duty when.
    #[command(subcommand)]
    Roster(RosterCommand),
    /// Prints which teams are or were responsible for a person.
    Of {
        /// The person's id.
        person: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct Period {
    /// From when, as 2026-12-01 or 2026-12-01T12:00 in the configured time zone; now, if it is left out.
    #[arg(long)]
    from: Option<String>,
    /// Until before when.
    #[arg(long)]
    until: Option<String>,
    /// Who says so.
    #[arg(long)]
    by: String,
}

impl Period {
    fn read(&self, config: &Config, now_ms: i64) -> anyhow::Result<(i64, Option<i64>)> {
        let zone = config.console.zone()?;
        let from_ms = self.from.as_deref().map_or(Ok(now_ms), |from| moment(from, &zone))?;
        let until_ms = self.until.as_deref().map(|until| moment(until, &zone)).transpose()?;
        if until_ms.is_some_and(|until_ms| until_ms <= from_ms) {
            bail!("--until is not after --from; nothing was changed");
        }
        Ok((from_ms, until_ms))
    }
}

pub(super) async fn execute(config: &Config, command: &TeamCommand) -> anyhow::Result<Answer> {
    let now_ms = clock::now_ms();
    match command {
        TeamCommand::Add { name, area, time_zone, by } => {
            let time_zone = time_zone.as_deref().unwrap_or(&config.console.time_zone);
            add(config, (name.trim(), *area, time_zone), named(by)?, now_ms).await
        }
        TeamCommand::List => list(config, now_ms).await,
        TeamCommand::Show { team } => show(config, team, now_ms).await,
        TeamCommand::Fallback { team, by } => {
            let mut desk = Desk::open(config).await?;
            if !teams::make_fallback(&mut desk.work, team).await? {
                bail!("{}", no_team(team));
            }
            changed(desk, team, None, named(by)?, format!("{team} is the fallback team")).await
        }
        TeamCommand::Commission { team, member, purpose, period } => {
            let (from_ms, until_ms) = period.read(config, now_ms)?;
            let by = named(&period.by)?;
            let commission =
                Commission { member: member.clone(), team: team.clone(), purpose: *purpose, from_ms, until_ms };
            let mut desk = Desk::open(config).await?;
            teams::commission_member(&mut desk.work, &commission, by, now_ms)
                .await
                .map_err(|error| refused(error, format!("there is no team {team}, or nobody signs in as {member}")))?;
            changed(desk, team, None, by, format!("{member} works for {team}")).await
        }
        TeamCommand::Release { team, member, by } => {
            let by = named(by)?;
            let mut desk = Desk::open(config).await?;
            if !teams::release(&mut desk.work, team, member, by, now_ms).await? {
                bail!("{member} does not work for {team}; nothing was changed");
            }
            changed(desk, team, None, by, format!("{member} works for {team} no more")).await
        }
        TeamCommand::Responsible { team, person, period } => {
            let (from_ms, until_ms) = period.read(config, now_ms)?;
            let by = named(&period.by)?;
            let responsibility = Responsibility { person: person.clone(), team: team.clone(), from_ms, until_ms };
            let mut desk = Desk::open(config).await?;
            teams::make_responsible(&mut desk.work, &responsibility, by, now_ms)
                .await
                .map_err(|error| refused(error, format!("there is no team {team}, or no person {person}")))?;
            changed(desk, team, Some(person), by, format!("{team} is responsible for {person}")).await
        }
        TeamCommand::NotResponsible { team, person, by } => {
            let by = named(by)?;
            let mut desk = Desk::open(config).await?;
            if !teams::end_responsibility(&mut desk.work, team, person, by, now_ms).await? {
                bail!("{team} is not responsible for {person}; nothing was changed");
            }
            changed(desk, team, Some(person), by, format!("{team} is responsible for {person} no more")).await
        }
        TeamCommand::Roster(command) => rosters::execute(config, command).await,
        TeamCommand::Of { person } => of(config, person).await,
    }
}

async fn add(
    config: &Config,
    (name, area, time_zone): (&str, Area, &str),
    by: &str,
    now_ms: i64,
) -> anyhow::Result<Answer> {
    if name.is_empty() || name.chars().any(char::is_control) {
        bail!("a team needs a name; nothing was changed");
    }
    TimeZone::get(time_zone).with_context(|| format!("there is no time zone {time_zone}; nothing was changed"))?;
    let mut desk = Desk::open(config).await?;
    let team = teams::add(&mut desk.work, name, area, time_zone, now_ms)
        .await
        .map_err(|error| refused(error, format!("there is a team {name} already")))?;
    let teamless = teams::without_commission(&mut *desk.work).await?;
    let mut answer = changed(desk, &team, None, by, format!("team  {team}")).await?;
    if !teamless.is_empty() {
        answer.said.push_str(&format!(
            "\nwho has an account and no commission sees nobody from now on: {}. `hempuls-gateway team commission` gives one",
            teamless.join(", ")
        ));
    }
    Ok(answer)
}

async fn list(config: &Config, now_ms: i64) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let listed = teams::all(store.reader()).await?;
    let people = teams::people(store.reader(), now_ms).await?;
    store.close().await;
    let count = |team: &Team| people.iter().find(|(id, _)| *id == team.id).map_or(0, |(_, count)| *count);
    let said = listed.iter().map(|team| {
        let fallback = if team.is_fallback { "  fallback" } else { "" };
        format!("{}  {}  {}  {}  {} people{fallback}", team.id, team.name, team.area, team.time_zone, count(team))
    });
    let json = listed.iter().map(|team| {
        json!({"team": team.id, "name": team.name, "area": team.area, "time_zone": team.time_zone,
               "fallback": team.is_fallback, "people": count(team)})
    });
    Ok(Answer { said: said.collect::<Vec<_>>().join("\n"), json: json!({"teams": json.collect::<Vec<_>>()}) })
}

async fn show(config: &Config, team: &str, now_ms: i64) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let found = teams::find(&mut *desk.work, team).await?.with_context(|| no_team(team))?;
    let commissions = teams::commissions(&mut *desk.work, team).await?;
    let on_duty = teams::on_duty(&mut desk.work, team, now_ms).await?;
    desk.done().await?;
    let zone = found.zone();
    let time = |ms| Timestamp::from_millisecond(ms).map(|at| at.to_zoned(zone.clone()).datetime().to_string());
    let mut said = vec![format!("{}  {}  {}", found.id, found.name, found.area)];
    for Commission { member, purpose, from_ms, until_ms, .. } in &commissions {
        let until = until_ms.map(|ms| time(ms).map(|at| format!(" until {at}"))).transpose()?.unwrap_or_default();
        said.push(format!("{member}  {}  from {}{until}", purpose.as_str(), time(*from_ms)?));
    }
    said.push(match on_duty.is_empty() {
        true => "nobody is on duty now".to_owned(),
        false => format!("on duty now: {}", on_duty.join(", ")),
    });
    let json = commissions.iter().map(
        |one| json!({"member": one.member, "purpose": one.purpose, "from_ms": one.from_ms, "until_ms": one.until_ms}),
    );
    let json = json!({"team": found.id, "name": found.name, "area": found.area, "time_zone": found.time_zone,
                      "fallback": found.is_fallback, "commissions": json.collect::<Vec<_>>(), "on_duty": on_duty});
    Ok(Answer { said: said.join("\n"), json })
}

async fn of(config: &Config, person: &str) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let teams = teams::of_person(&mut *desk.work, person).await?;
    note(&mut desk, Action::FetchedTeams, Some(person), COMMAND_LINE, "teams".to_owned()).await?;
    desk.done().await?;
    let zone = config.console.zone()?;
    let time = |ms| Timestamp::from_millisecond(ms).map(|at| at.to_zoned(zone.clone()).datetime().to_string());
    let mut said = Vec::new();
    for (team, period) in &teams {
        let until =
            period.until_ms.map(|ms| time(ms).map(|at| format!(" until {at}"))).transpose()?.unwrap_or_default();
        said.push(format!("{}  {}  {}  from {}{until}", team.id, team.name, team.area, time(period.from_ms)?));
    }
    if said.is_empty() {
        said.push("no team is responsible: what concerns her is the fallback team's".to_owned());
    }
    let json = teams.iter().map(|(team, period)| {
        json!({"team": team.id, "name": team.name, "area": team.area, "from_ms": period.from_ms,
               "until_ms": period.until_ms})
    });
    Ok(Answer { said: said.join("\n"), json: json!({"person": person, "teams": json.collect::<Vec<_>>()}) })
}

/// Writes into the log what was changed, and ends.
async fn changed(mut desk: Desk, team: &str, person: Option<&str>, by: &str, said: String) -> anyhow::Result<Answer> {
    note(&mut desk, Action::ChangedTeam, person, by, said.clone()).await?;
    desk.done().await?;
    Ok(Answer { said, json: json!({"team": team, "person": person}) })
}

async fn note(desk: &mut Desk, action: Action, person: Option<&str>, who: &str, what: String) -> anyhow::Result<()> {
    let looker = Looker { who: who.to_owned(), unit: COMMAND_LINE.to_owned() };
    let look = Look { action, person, what, why: "operation" };
    let now = Timestamp::from_millisecond(clock::now_ms())?;
    Ok(access_log::write(&mut desk.work, &looker, &[look], now).await?)
}

pub(super) fn no_team(team: &str) -> String {
    format!("there is no team {team}; nothing was changed. `hempuls-gateway team list` prints them")
}
