//! `hempuls-gateway backup`, `restore` and `verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::Answer;
use crate::config::Config;
use crate::keeping::backup::{self, List};
use crate::keeping::restore::{self, Restored, Wish};
use crate::store::verify::Report;
use crate::{clock, run, store};

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// The backup: a folder that `backup` made.
    backup: PathBuf,
    /// A new folder, on the same disk as the data, for the store and the authority that are there.
    #[arg(long)]
    set_aside: Option<PathBuf>,
    /// Who decides this.
    #[arg(long)]
    by: String,
    /// Why. It stands in the access log.
    #[arg(long)]
    why: String,
}

/// So much is copied before anything is said of it.
const WORTH_SAYING: u64 = 100_000_000;

pub(super) async fn back_up(config: &Config, to: &Path) -> anyhow::Result<Answer> {
    of_a_file(config)?;
    run::open_data(config)?;
    let mut progress = |done: u64, of: u64| {
        if of >= WORTH_SAYING {
            eprintln!("{} of about {} MB are copied", done / 1_000_000, of / 1_000_000);
        }
    };
    let list = backup::make(config, to, clock::now_ms(), &mut progress)
        .await
        .with_context(|| format!("there is no backup {}", to.display()))?;
    let place = to.display();
    Ok(Answer {
        said: format!(
            "{place} is a backup, and was looked at: {} files, {} looks in the access log\n\
             It holds people's data and the keys that all boxes trust, unencrypted, for its owner alone: keep it as such, and \
             on another machine. The configuration file, and the secrets that it names, are not in it.",
            list.files.len(),
            list.looks,
        ),
        json: json!({"backup": to, "list": list}),
    })
}

/// Backups are copies of a file; a server has its own.
fn of_a_file(config: &Config) -> anyhow::Result<()> {
    let Some(place) = &config.store.postgres else { return Ok(()) };
    bail!(
        "the store is the database {}, which this command neither copies nor replaces. Nothing was done. Back it up as that \
         server's other databases are, for example with pg_dump, together with {}, where the authority is that all boxes trust; \
         put a backup back while no gateway runs. Boxes then send again by themselves what they have kept. `hempuls-gateway \
         verify` says whether it holds together",
        place.place(),
        config.data.display()
    );
}

pub(super) async fn restore(config: &Config, wish: &RestoreArgs) -> anyhow::Result<Answer> {
    of_a_file(config)?;
    let RestoreArgs { backup, set_aside, by, why } = wish;
    let (by, why) = (by.trim(), why.trim());
    if by.is_empty() || why.is_empty() {
        bail!("--by must name a person, and --why a reason; nothing was changed");
    }
    let wish = Wish { backup, set_aside: set_aside.as_deref(), by, why };
    let restored = restore::restore(&config.data, &wish, clock::now_ms()).await?;
    let Restored { list, report, set_aside, written_since, revoked } = &restored;
    let mut said = vec![format!(
        "The backup of {} is in place: {} records, {} alerts, {} books that balance.",
        moment(list.made_ms),
        report.records,
        report.alerts,
        report.books
    )];
    if let Some(set_aside) = set_aside {
        said.push(format!(
            "What was there lies in {}. Keep it until you know that you lack nothing.",
            set_aside.display()
        ));
    }
    said.push(
        "Start the gateway now. Boxes send again by themselves what they have kept since: 14 days, or 2 MiB. Who was signed in \
         signs in anew; codes for installers that were not used must be made anew."
            .to_owned(),
    );
    match written_since {
        Some(written) if written.is_empty() => said.push("Nobody had written anything since then.".to_owned()),
        Some(written) => {
            let written: Vec<String> = written.iter().map(|(what, count)| format!("  {count} {what}")).collect();
            said.push(format!(
                "Written since then, and in no box: enter it again, devices and alarm buttons first, as boxes are told to \
                 forget those that the store does not have.\n{}",
                written.join("\n")
            ));
        }
        None => said.push(
            "What people wrote since then (homes, boxes, devices, people, plans, accounts, what was done about alerts) is in no \
             box and must be entered again, devices and alarm buttons first. Revoke again each box that was revoked since, and disable \
             each account that was disabled."
                .to_owned(),
        ),
    }
    if *revoked > 0 {
        said.push(format!("{revoked} boxes and accounts that were cut off since are cut off here, too."));
    }
    Ok(Answer {
        said: said.join("\n"),
        json: json!({"made_ms": list.made_ms, "set_aside": set_aside, "written_since": written_since, "revoked": revoked,
                     "report": report}),
    })
}

/// Looks at a backup, at a store's file, or at the store of this configuration.
pub(super) async fn verify(config: Option<&Config>, what: Option<&Path>) -> anyhow::Result<Answer> {
    let (name, list, report) = match (what, config) {
        (Some(folder), _) if folder.is_dir() => {
            let (list, report) = backup::verify_backup(folder).await?;
            (folder.to_owned(), Some(list), report)
        }
        (Some(file), _) => (file.to_owned(), None, backup::verify_store(file).await?),
        (None, Some(Config { store: store::Config { postgres: Some(place) }, .. })) => {
            let reader = store::backup::connect_to_read(place).await?;
            let report = store::verify::verify(&reader).await?;
            reader.close().await;
            (PathBuf::from(place.place()), None, report)
        }
        (None, Some(config)) => {
            let file = run::store_file(config);
            let report = backup::verify_store(&file).await?;
            (file, None, report)
        }
        (None, None) => bail!("there is neither a configuration nor the name of a backup"),
    };
    let said = words(&name, list.as_ref(), &report);
    if report.faults.is_empty() {
        return Ok(Answer { said, json: json!({"ok": true, "what": name, "report": report}) });
    }
    bail!("{said}")
}

fn words(name: &Path, list: Option<&List>, report: &Report) -> String {
    let name = name.display();
    let mut said = match list {
        Some(list) => format!("{name}, a backup of {}", moment(list.made_ms)),
        None => name.to_string(),
    };
    if !report.faults.is_empty() {
        said.push_str(" does not hold together:\n  ");
        said.push_str(&report.faults.join("\n  "));
        said.push_str(
            "\nNothing was changed. Put a backup that holds together in its place, or ask for help before you do.",
        );
        return said;
    }
    let Report { form, looks, newest_look, books, numbers, records, alerts, .. } = report;
    if report.is_of_earlier_version {
        said.push_str(&format!(
            " holds together, as far as can be told: an earlier version made it (form {form}), and the rest can be looked at \
             once the gateway has started with it."
        ));
        return said;
    }
    said.push_str(&format!(
        " holds together: {records} records, {numbers} numbers in {books} books that balance, {alerts} alerts with their \
         stories, form {form}.\nThe access log is whole: {looks} looks, the newest {newest_look}"
    ));
    said
}

fn moment(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}
