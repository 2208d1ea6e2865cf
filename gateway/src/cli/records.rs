//! `hempuls-gateway records …`: what a server of health records has, and what it refuses.

use clap::Subcommand;
use serde_json::json;

use super::{Answer, Desk};
use crate::config::Config;
use crate::run;
use crate::store::fhir::{self, Standing};

#[derive(Subcommand, Debug)]
pub(super) enum RecordsCommand {
    /// Says for each server how far the sending is, since when nothing gets through, and which readings it refuses.
    List,
    /// Sends once more what was refused, as after something was put right at the server.
    Retry,
}

pub(super) async fn execute(config: &Config, command: &RecordsCommand) -> anyhow::Result<Answer> {
    match command {
        RecordsCommand::List => list(config).await,
        RecordsCommand::Retry => retry(config).await,
    }
}

async fn list(config: &Config) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let all = fhir::standings(store.reader()).await?;
    store.close().await;
    let said: Vec<String> = all.iter().map(|(server, standing)| say(server, standing)).collect();
    let json: Vec<_> = all.iter().map(|(server, standing)| json!({"server": server, "standing": standing})).collect();
    Ok(Answer { said: said.join("\n"), json: json!({"servers": json}) })
}

fn say(server: &str, standing: &Standing) -> String {
    let Standing { waiting, unassigned, refused, attempts, failing_ms, said, .. } = standing;
    let mut text = format!("{server}  {waiting} wait  {unassigned} are nobody's yet or changed  {attempts} attempts");
    if let Some(since) = failing_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
        text.push_str(&format!("  takes nothing since {since} ({})", said.as_deref().unwrap_or_default()));
    }
    for (record, said) in refused {
        text.push_str(&format!("\n  refused  {record}  {said}"));
    }
    text
}

async fn retry(config: &Config) -> anyhow::Result<Answer> {
    let mut desk = Desk::open(config).await?;
    let count = fhir::retry(&mut desk.work).await?;
    desk.done().await?;
    Ok(Answer { said: format!("{count} readings are sent again"), json: json!({"again": count}) })
}
