//! `hempuls-gateway account …`: who can sign in to the console.

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;

use super::{Answer, Desk, named};
use crate::config::Config;
use crate::store::access_log::Action;
use crate::store::accounts;
use crate::{clock, http, run};

/// The longest name that the console's page to sign in takes.
const LONGEST_NAME: usize = 64;

#[derive(Subcommand, Debug)]
pub(super) enum AccountCommand {
    /// Adds an account, and prints its password: it is made now, shown this once, and kept nowhere.
    Add {
        /// What its owner types to sign in, and what the access log says of her.
        name: String,
        /// The care unit she acts for.
        #[arg(long)]
        unit: String,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
    /// Lists accounts.
    List,
    /// Disables an account: whoever is signed in with it is signed out, and it is in no team any more. What it did stays.
    Disable {
        /// Which.
        name: String,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
}

pub(super) async fn execute(config: &Config, command: &AccountCommand) -> anyhow::Result<Answer> {
    match command {
        AccountCommand::Add { name, unit, by } => add(config, name.trim(), unit.trim(), named(by)?).await,
        AccountCommand::List => list(config).await,
        AccountCommand::Disable { name, by } => disable(config, name, named(by)?).await,
    }
}

async fn add(config: &Config, name: &str, unit: &str, by: &str) -> anyhow::Result<Answer> {
    let is_name = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    if !is_name(name) || name.chars().count() > LONGEST_NAME || !is_name(unit) {
        bail!("an account needs a name of 1 to {LONGEST_NAME} characters and a unit; nothing was changed");
    }
    let (account, login) = http::generate(name, unit);
    let mut desk = Desk::open(config).await?;
    if !accounts::add(&mut desk.work, &account, Timestamp::from_millisecond(clock::now_ms())?).await? {
        bail!("there is or was an account {name}, and the access log names it; nothing was changed. Take another name");
    }
    desk.note(Action::ChangedAccount, format!("account {name} was added"), by).await?;
    desk.done().await?;
    Ok(Answer {
        said: format!(
            "account   {name}\npassword  {}   (shown this once)\n\
             {name} is in no team yet: `hempuls-gateway team commission`. Where there is more than one team, {name} sees \
             nobody before that",
            login.password
        ),
        json: json!({"account": name, "unit": unit, "password": login.password}),
    })
}

async fn list(config: &Config) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let listed = accounts::list(store.reader()).await?;
    store.close().await;
    let said = listed.iter().map(|account| {
        let disabled = if account.disabled_ms.is_some() { "  disabled" } else { "" };
        format!("{}  {}{disabled}", account.name, account.unit)
    });
    let json = listed.iter().map(|account| {
        json!({"account": account.name, "unit": account.unit, "created_ms": account.created_ms,
               "disabled_ms": account.disabled_ms})
    });
    Ok(Answer { said: said.collect::<Vec<_>>().join("\n"), json: json!({"accounts": json.collect::<Vec<_>>()}) })
}

async fn disable(config: &Config, name: &str, by: &str) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    if !accounts::disable(&mut desk.work, name, clock::now_ms()).await? {
        bail!(
            "there is no account {name} that could be disabled; nothing was changed. \
               `hempuls-gateway account list` prints them"
        );
    }
    desk.note(Action::ChangedAccount, format!("account {name} was disabled"), by).await?;
    desk.done().await?;
    Ok(Answer {
        said: format!("{name} is signed out, and signs in no more. What {name} has claimed is still claimed"),
        json: json!({"account": name}),
    })
}
