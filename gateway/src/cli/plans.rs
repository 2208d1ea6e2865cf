//! `hempuls-gateway plan …`: people's plans, each version with a name and a reason.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Answer, COMMAND_LINE, Desk, moment, sees_readings};
use crate::alerts::reviews;
use crate::config::Config;
use crate::http::now;
use crate::plan::{Away, Limit, Measurement, Pause, Plan, Slot, Standard, Tenths, Version, in_force};
use crate::store::access_log::{self, Action, Look, Looker};
use crate::store::{Connection, person_page, plans};
use crate::{clock, run};

#[derive(Subcommand, Debug)]
pub(super) enum PlanCommand {
    /// Prints all versions of a person's plan, the newest first.
    Show {
        /// The person's id.
        person: String,
    },
    /// Writes a new version. What is not named stays as it is.
    Set(Wish),
    /// Pauses: nothing is asked of her, and values are kept and not judged. A press of the alarm button always alerts.
    Pause {
        /// Until before when, as 2026-12-01 or 2026-12-01T12:00 in the configured time zone.
        #[arg(long)]
        until: String,
        /// From when; now, if it is left out.
        #[arg(long)]
        from: Option<String>,
        /// Where she is: hospital, holiday or other.
        #[arg(long)]
        away: Away,
        #[command(flatten)]
        who: Who,
    },
    /// Ends a pause now.
    Resume(Who),
}

#[derive(Args, Debug)]
pub(super) struct Who {
    /// The person's id.
    person: String,
    /// Who decides this.
    #[arg(long)]
    by: String,
    /// Why.
    #[arg(long)]
    why: String,
}

#[derive(Args, Debug)]
pub(super) struct Wish {
    #[command(flatten)]
    who: Who,
    /// The set whose limits hold where she has none of her own: adult, heart_failure, low_oxygen or own_only.
    #[arg(long)]
    standard: Option<Standard>,
    /// Her year of birth.
    #[arg(long)]
    born: Option<i16>,
    /// Whether she is a child: true or false. No limit of adults is ever used for a child.
    #[arg(long)]
    child: Option<bool>,
    /// A limit of her own, as systolic_above=160; without a value, as systolic_above=, it is taken away again.
    #[arg(long = "limit", value_parser = own_limit)]
    limits: Vec<(Limit, Option<Tenths>)>,
    /// What she is to measure and when, as blood_pressure=morning,evening; without a value, no longer.
    #[arg(long = "measure", value_parser = measure)]
    schedule: Vec<(Measurement, Vec<Slot>)>,
}

pub(super) async fn execute(config: &Config, command: &PlanCommand) -> anyhow::Result<Answer> {
    match command {
        PlanCommand::Show { person } => show(config, person).await,
        PlanCommand::Set(wish) => change(config, &wish.who, |plan| wish.apply(plan)).await,
        PlanCommand::Pause { until, from, away, who } => {
            let zone = config.console.zone()?;
            let from_ms = from.as_deref().map_or(Ok(clock::now_ms()), |from| moment(from, &zone))?;
            let pause = Pause { from_ms, until_ms: moment(until, &zone)?, why: *away };
            change(config, who, |plan| plan.pause = Some(pause)).await
        }
        PlanCommand::Resume(who) => change(config, who, |plan| plan.pause = None).await,
    }
}

impl Wish {
    fn apply(&self, plan: &mut Plan) {
        plan.standard = self.standard.unwrap_or(plan.standard);
        plan.born = self.born.or(plan.born);
        plan.is_child = self.child.unwrap_or(plan.is_child);
        for (limit, value) in &self.limits {
            match value {
                Some(value) => plan.limits.insert(*limit, *value),
                None => plan.limits.remove(limit),
            };
        }
        for (measurement, slots) in &self.schedule {
            if slots.is_empty() {
                plan.schedule.remove(measurement);
            } else {
                plan.schedule.insert(*measurement, slots.iter().copied().collect());
            }
        }
    }
}

async fn show(config: &Config, person: &str) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let known = person_page::find(store.reader(), person).await?;
    let versions = plans::versions(store.reader(), person).await?;
    let mut work = store.work().await?;
    note(&mut work, Action::FetchedPlan, person, COMMAND_LINE).await?;
    work.commit().await?;
    store.close().await;
    known.with_context(|| format!("there is no person {person}"))?;
    let said = versions.iter().map(|version| {
        let Version { version, author, reason, plan, .. } = version;
        format!("{version}  by {author}: {reason}\n   {}", json!(plan))
    });
    let said: Vec<String> = said.collect();
    let said =
        if said.is_empty() { "nobody has written a plan; the limits of adults hold".into() } else { said.join("\n") };
    let listed = versions.iter().map(|version| {
        json!({"version": version.version, "from_ms": version.from_ms, "until_ms": version.until_ms,
               "author": version.author, "reason": version.reason, "plan": version.plan})
    });
    Ok(Answer { said, json: json!({"versions": listed.collect::<Vec<_>>()}) })
}

async fn change(config: &Config, who: &Who, alter: impl FnOnce(&mut Plan)) -> anyhow::Result<Answer> {
    let Who { person, by, why } = who;
    let (by, why) = (by.trim(), why.trim());
    if by.is_empty() || why.is_empty() {
        bail!("--by must name a person, and --why a reason; nothing was changed");
    }
    let mut desk = Desk::open(config).await?;
    person_page::find(desk.store.reader(), person)
        .await?
        .with_context(|| format!("there is no person {person}; nothing was changed"))?;
    sees_readings(&desk.store, by, &[person]).await?;
    let now_ms = clock::now_ms();
    let mut plan = in_force(&plans::versions(desk.store.reader(), person).await?, now_ms);
    plan.pause = plan.pause.filter(|pause| pause.until_ms > now_ms);
    alter(&mut plan);
    let zone = config.console.zone()?;
    if let Err(wrong) = plan.check(now_ms, &zone) {
        bail!("{wrong}; nothing was changed");
    }
    reviews::change_plan(&mut desk.work, person, &plan, (by, why), &zone, now_ms).await?;
    note(&mut desk.work, Action::ChangedPlan, person, by).await?;
    desk.done().await?;
    Ok(Answer { said: "the new plan holds from now on".into(), json: json!({"person": person, "plan": plan}) })
}

async fn note(work: &mut Connection, action: Action, person: &str, who: &str) -> anyhow::Result<()> {
    let looker = Looker { who: who.to_owned(), unit: COMMAND_LINE.to_owned() };
    let look = Look { action, person: Some(person), what: "plan".to_owned(), why: "operation" };
    Ok(access_log::write(work, &looker, &[look], now()).await?)
}

pub(super) fn own_limit(text: &str) -> Result<(Limit, Option<Tenths>), String> {
    let (limit, value) = text.split_once('=').ok_or("write it as systolic_above=160")?;
    let value = Some(value).filter(|value| !value.is_empty()).map(str::parse).transpose();
    let words = |error: &dyn std::fmt::Display| error.to_string();
    Ok((
        limit.parse().map_err(|error| words(&error))?,
        value.map_err(|error: crate::plan::limits::NotTenths| words(&error))?,
    ))
}

fn measure(text: &str) -> Result<(Measurement, Vec<Slot>), String> {
    let (measurement, slots) = text.split_once('=').ok_or("write it as blood_pressure=morning,evening")?;
    let slots = slots.split(',').filter(|slot| !slot.is_empty()).map(str::parse).collect::<Result<_, _>>();
    let measurement = measurement.parse().map_err(|error: crate::plan::NoSuchMeasurement| error.to_string())?;
    Ok((measurement, slots.map_err(|error: crate::plan::NoSuchSlot| error.to_string())?))
}
