//! `hempuls-gateway centre …`: by which numbers the alarm receiving centre knows people and homes.

use anyhow::bail;
use clap::{Args, Subcommand};
use hempuls_protocol::scaip::ControllerId;
use serde_json::json;

use super::{Answer, Desk, refused};
use crate::config::Config;
use crate::store::access_log::Action;
use crate::store::centre::{self, Number};
use crate::{clock, run};

#[derive(Subcommand, Debug)]
pub(super) enum CentreCommand {
    /// Says by which number the centre knows a person or a home, in place of what was said before. Alerts of a person
    /// without a number go by her home's, and those of a home without one by the number of `delivery.always`.
    Set {
        /// The number: up to 16 digits.
        number: ControllerId,
        #[command(flatten)]
        whose: Whose,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Takes a number away.
    Remove {
        #[command(flatten)]
        whose: Whose,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Lists the numbers, and when each receiver last answered a sign of life.
    List,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Whose {
    /// The id of the person.
    #[arg(long)]
    person: Option<String>,
    /// The id of the home.
    #[arg(long)]
    home: Option<String>,
}

impl Whose {
    fn name(&self) -> String {
        match (&self.person, &self.home) {
            (Some(person), _) => format!("person {person}"),
            (None, Some(home)) => format!("home {home}"),
            (None, None) => String::new(),
        }
    }
}

pub(super) async fn execute(config: &Config, command: &CentreCommand) -> anyhow::Result<Answer> {
    match command {
        CentreCommand::Set { number, whose, by } => set(config, number, whose, by).await,
        CentreCommand::Remove { whose, by } => remove(config, whose, by).await,
        CentreCommand::List => list(config).await,
    }
}

async fn set(config: &Config, number: &ControllerId, whose: &Whose, by: &str) -> anyhow::Result<Answer> {
    let name = whose.name();
    let known = Number { person: whose.person.clone(), home: whose.home.clone(), number: number.to_string() };
    let mut desk = Desk::open(config).await?;
    centre::set(&mut desk.work, &known, by, clock::now_ms())
        .await
        .map_err(|error| refused(error, format!("there is no {name}")))?;
    desk.note(Action::ChangedContact, format!("the alarm centre's number of {name}"), by).await?;
    desk.done().await?;
    Ok(Answer { said: format!("the alarm centre knows {name} by {number}"), json: json!({"number": known}) })
}

async fn remove(config: &Config, whose: &Whose, by: &str) -> anyhow::Result<Answer> {
    let name = whose.name();
    let mut desk = Desk::open(config).await?;
    if !centre::remove(&mut desk.work, whose.person.as_deref(), whose.home.as_deref()).await? {
        bail!("{name} has no number of its own; nothing was changed");
    }
    desk.note(Action::ChangedContact, format!("the alarm centre's number of {name} is taken away"), by).await?;
    desk.done().await?;
    Ok(Answer { said: format!("{name} has no number of its own any more"), json: json!({}) })
}

async fn list(config: &Config) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let (numbers, receivers) = (centre::numbers(store.reader()).await?, centre::receivers(store.reader()).await?);
    store.close().await;
    let places = config.delivery.scaip.as_ref().map_or(0, |scaip| scaip.receivers.len());
    let mut said: Vec<String> = (1..)
        .take(places)
        .map(|place: i64| {
            let answered = receivers.iter().find(|receiver| receiver.place == place);
            let at = answered.and_then(|receiver| jiff::Timestamp::from_millisecond(receiver.answered_ms).ok());
            match at {
                Some(at) => format!("receiver {place}  last answered {at}"),
                None => format!("receiver {place}  has never answered"),
            }
        })
        .collect();
    said.extend(numbers.iter().map(|known| {
        let whose = Whose { person: known.person.clone(), home: known.home.clone() };
        format!("{}  {}", known.number, whose.name())
    }));
    Ok(Answer { said: said.join("\n"), json: json!({"numbers": numbers, "receivers": receivers}) })
}
