//! `hempuls-gateway person …`: who lives in the homes, and by which number the registers know them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use hempuls_protocol::personnummer::{IdentityNumber, Written};
use jiff::Timestamp;
use serde_json::json;

use super::{Answer, COMMAND_LINE, Desk, refused, sight_of};
use crate::clock;
use crate::config::Config;
use crate::store::access_log::{self, Action, Look, Looker};
use crate::store::assignments;
use crate::store::person_numbers::{self, Became};

#[derive(Subcommand, Debug)]
pub(super) enum PersonCommand {
    /// Adds a person.
    Add {
        /// What she is called.
        name: String,
        /// The id of her home.
        #[arg(long)]
        home: String,
    },
    /// Lists people with their ids, homes and masked numbers. Each of them can see on her page that she was listed. The owner
    /// of an account gets the people whom she sees in the console.
    List {
        /// The id of a home; all homes, if it is left out.
        #[arg(long)]
        home: Option<String>,
        /// Who asks.
        #[arg(long)]
        by: String,
    },
    /// Says by which number the registers know a person. It is read from a file or from standard input, and never an
    /// argument, which other users of the machine could see.
    Number(NumberArgs),
}

#[derive(Args, Debug)]
pub(super) struct NumberArgs {
    /// The person's id.
    person: String,
    /// Taken, so that a number given here is not repeated in an error message.
    #[arg(hide = true)]
    misplaced: Option<String>,
    /// A file with the number: a personnummer or samordningsnummer of 10 or 12 digits. Standard input, if it is left out.
    #[arg(long)]
    file: Option<PathBuf>,
    /// It is a reserve number. Without a value, the nation's; else whose, by the URI that FHIR has for it.
    #[arg(long, num_args = 0..=1, default_missing_value = IdentityNumber::NATIONAL_RESERVE)]
    reserve: Option<String>,
    /// She is known by no number any more: the one she has is not hers. Nothing is read then.
    #[arg(long, conflicts_with_all = ["file", "reserve"])]
    none: bool,
    /// Who says so.
    #[arg(long)]
    by: String,
}

pub(super) async fn execute(config: &Config, command: &PersonCommand) -> anyhow::Result<Answer> {
    match command {
        PersonCommand::Add { name, home } => add(config, name, home).await,
        PersonCommand::List { home, by } => list(config, home.as_deref(), by).await,
        PersonCommand::Number(wish) => number(config, wish).await,
    }
}

async fn add(config: &Config, name: &str, home: &str) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let person = assignments::add_person(&mut desk.work, name, home, clock::now_ms())
        .await
        .map_err(|error| refused(error, format!("there is no home {home}; `hempuls-gateway home add` makes one")))?;
    desk.done().await?;
    Ok(Answer { said: format!("person  {person}"), json: json!({"person": person}) })
}

async fn list(config: &Config, home: Option<&str>, by: &str) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let mut people = assignments::people(desk.store.reader(), home).await?;
    let sight = sight_of(&desk.store, by).await?;
    if !sight.operates() {
        let ids: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
        let hers = sight.people(desk.store.reader(), &ids, None).await?;
        people.retain(|person| hers.contains(&person.id));
    }
    let ids: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
    let numbers = person_numbers::of_people(desk.store.reader(), &ids).await?;
    note(&mut desk, by, Action::Listed, &ids).await?;
    desk.done().await?;
    let masked = |id: &str| numbers.get(id).map(ToString::to_string);
    let said = people.iter().map(|person| {
        let number = masked(&person.id).unwrap_or_else(|| "no number".to_owned());
        format!("{}  {}  {number}  {} ({})", person.id, person.name, person.home, person.home_name)
    });
    let listed = people.iter().map(
        |person| json!({"person": person.id, "name": person.name, "home": person.home, "number": masked(&person.id)}),
    );
    Ok(Answer { said: said.collect::<Vec<_>>().join("\n"), json: json!({"people": listed.collect::<Vec<_>>()}) })
}

async fn number(config: &Config, wish: &NumberArgs) -> anyhow::Result<Answer> {
    if wish.misplaced.is_some() {
        bail!(
            "the number is read from --file or from standard input, and never an argument, which other users of this \
             machine can see; nothing was changed. Forget it in this shell's history, too"
        );
    }
    let number = if wish.none { None } else { Some(read(wish, config)?) };
    let mut desk = Desk::open(config).await?;
    let (person, now_ms) = (wish.person.as_str(), clock::now_ms());
    let said = match &number {
        Some(number) => match person_numbers::set(&mut desk.work, person, number, now_ms).await? {
            Became::Hers { before: false } => format!("{person} is known by {number}"),
            Became::Hers { before: true } => {
                format!("{person} is known by {number}; the number before is hers no more")
            }
            Became::Same => format!("{person} was known by {number} already"),
            Became::Others(other) => {
                bail!(
                    "it is the number of {other}; nothing was changed. Find out who has it, and say --none for the other"
                )
            }
            Became::NoPerson => bail!("there is no person {person}; `hempuls-gateway person list` prints them"),
        },
        None if person_numbers::end(&mut desk.work, person, now_ms).await? => {
            format!("{person} is known by no number")
        }
        None => bail!("{person} is known by no number; nothing was changed"),
    };
    note(&mut desk, &wish.by, Action::SetNumber, &[person]).await?;
    desk.done().await?;
    let masked = number.as_ref().map(ToString::to_string);
    let system = number.as_ref().map(IdentityNumber::system);
    Ok(Answer { said, json: json!({"person": person, "number": masked, "system": system}) })
}

/// Reads the number from where it may be.
fn read(wish: &NumberArgs, config: &Config) -> anyhow::Result<IdentityNumber> {
    let text = match &wish.file {
        Some(file) => from_file(file)?,
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read the number from standard input")?;
            text
        }
    };
    if let Some(system) = &wish.reserve {
        return IdentityNumber::reserve(system, text.trim()).context("that cannot be it; nothing was changed");
    }
    let today = Timestamp::from_millisecond(clock::now_ms())?.to_zoned(config.console.zone()?).date();
    let written: Result<Written, _> = text.trim().parse();
    let number = written.and_then(|written| written.on(today)).context(
        "that cannot be a personnummer or samordningsnummer; nothing was changed. If it is a reserve number, say --reserve",
    )?;
    Ok(IdentityNumber::Register(number))
}

fn from_file(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read the file {}", file.display()))
}

/// Writes who looked at, or changed, what is known of these people.
async fn note(desk: &mut Desk, by: &str, action: Action, people: &[&str]) -> anyhow::Result<()> {
    if by.trim().is_empty() {
        bail!("--by must name the person who does this; nothing was changed");
    }
    let looker = Looker { who: by.trim().to_owned(), unit: COMMAND_LINE.to_owned() };
    let look = |person| Look { action, person: Some(person), what: String::new(), why: "operation" };
    let looks: Vec<Look<'_>> = people.iter().copied().map(look).collect();
    let now = Timestamp::from_millisecond(clock::now_ms())?;
    Ok(access_log::write(&mut desk.work, &looker, &looks, now).await?)
}
