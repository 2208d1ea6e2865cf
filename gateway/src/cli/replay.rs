//! `hempuls-gateway replay …`: what other limits would have done. It reads, and writes nothing but who has looked, and why.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::plans::own_limit;
use super::{Answer, COMMAND_LINE, moment, sees_readings};
use crate::alerts::judge::Settings;
use crate::clock;
use crate::config::Config;
use crate::http::now;
use crate::plan::{Limit, Plan, Standard, Tenths};
use crate::replay::report::{Question, Report};
use crate::replay::{Tried, WARM_UP_MS};
use crate::run;
use crate::store::access_log::{self, Action, Look, Looker};
use crate::store::{Store, history};

/// How often it says how far it has come.
const TELL_EVERY_MS: i64 = 2_000;

#[derive(Args, Debug)]
pub(super) struct Wish {
    /// The ids of people, as `person list` prints them.
    #[arg(required_unless_present_any = ["home", "all"], conflicts_with_all = ["home", "all"])]
    people: Vec<String>,
    /// Everybody in this home.
    #[arg(long, conflicts_with = "all")]
    home: Option<String>,
    /// Everybody.
    #[arg(long)]
    all: bool,
    /// From when, as 2026-05-01 in the configured time zone.
    #[arg(long)]
    from: String,
    /// Until before when; now, if it is left out.
    #[arg(long)]
    to: Option<String>,
    /// A file with a plan as `plan show --json` has it: its limits are tried, and no others.
    #[arg(long, conflicts_with_all = ["standard", "limits"])]
    plan: Option<PathBuf>,
    /// Another set where she has no limit of her own: adult, heart_failure, low_oxygen or own_only.
    #[arg(long)]
    standard: Option<Standard>,
    /// A limit that is tried, as systolic_above=160; without a value, as systolic_above=, none. What is not named is as it
    /// was.
    #[arg(long = "limit", value_parser = own_limit)]
    limits: Vec<(Limit, Option<Tenths>)>,
    /// Who asks.
    #[arg(long)]
    by: String,
    /// Why: each of these people can see it.
    #[arg(long)]
    why: String,
}

pub(super) async fn execute(config: &Config, wish: &Wish, settings: &Settings) -> anyhow::Result<Answer> {
    let (by, why) = (wish.by.trim(), wish.why.trim());
    if by.is_empty() || why.is_empty() {
        bail!("--by must name a person, and --why a reason; nothing was looked at");
    }
    let tried = match &wish.plan {
        Some(file) => Tried::of(&read_plan(file)?),
        None if wish.standard.is_none() && wish.limits.is_empty() => Tried::AsTheyWere,
        None => Tried::But { standard: wish.standard, limits: wish.limits.iter().copied().collect() },
    };
    let zone = &settings.zone;
    let from_ms = moment(&wish.from, zone)?;
    let to_ms = wish.to.as_deref().map_or(Ok(clock::now_ms()), |to| moment(to, zone))?.min(clock::now_ms());
    if from_ms >= to_ms {
        bail!("--from must be before --to, and before now; nothing was looked at");
    }
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let people = match &wish.people[..] {
        [] => history::everybody(store.reader(), wish.home.as_deref()).await?,
        named => named.to_vec(),
    };
    for person in &people {
        if !history::is_known(store.reader(), person).await? {
            bail!("there is no person {person}; nothing was looked at");
        }
    }
    sees_readings(&store, by, &people.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let question = Question { tried: &tried, from_ms, to_ms, settings };
    note(&store, &people, &wish.period(), (by, why)).await?;
    let report = judge_all(&store, &people, &question).await;
    store.close().await;
    let report = report?;
    Ok(Answer { said: report.say(zone), json: json!(report) })
}

impl Wish {
    /// Which data, for the access log.
    fn period(&self) -> String {
        format!("readings from {} to {}", self.from, self.to.as_deref().unwrap_or("now"))
    }
}

fn read_plan(file: &Path) -> anyhow::Result<Plan> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the plan {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no plan; nothing was looked at", file.display()))
}

/// Says who looks at whose data before anything is read.
async fn note(store: &Store, people: &[String], what: &str, (by, why): (&str, &str)) -> anyhow::Result<()> {
    let looker = Looker { who: by.to_owned(), unit: COMMAND_LINE.to_owned() };
    let look = |person| Look { action: Action::Replayed, person: Some(person), what: what.to_owned(), why };
    let looks: Vec<Look<'_>> = people.iter().map(|person| look(person.as_str())).collect();
    let mut work = store.work().await?;
    access_log::write(&mut work, &looker, &looks, now()).await?;
    Ok(work.commit().await?)
}

async fn judge_all(store: &Store, people: &[String], question: &Question<'_>) -> anyhow::Result<Report> {
    let mut report = question.nobody();
    let mut told_ms = clock::now_ms();
    for (person, done) in people.iter().zip(1..) {
        let history =
            history::of_person(store.reader(), person, question.from_ms.saturating_sub(WARM_UP_MS), question.to_ms)
                .await?
                .with_context(|| format!("there is no person {person}; nothing is told"))?;
        question.add(&mut report, &history);
        if clock::now_ms() - told_ms >= TELL_EVERY_MS && (std::io::stderr().is_terminal() || done < people.len()) {
            told_ms = clock::now_ms();
            eprintln!("{done} of {} people, {:.0} patient-days", people.len(), report.patient_days);
        }
    }
    Ok(report)
}
