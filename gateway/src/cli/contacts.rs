//! `hempuls-gateway contact …`: where the members of the team are reached.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Answer, Desk, named};
use crate::config::Config;
use crate::delivery::Channel;
use crate::store::access_log::Action;
use crate::store::accounts;
use crate::store::contacts::{self, Contact};
use crate::wording::Lang;
use crate::{clock, run};

#[derive(Subcommand, Debug)]
pub(super) enum ContactCommand {
    /// Says where a member is reached over a channel, in place of what was said before.
    Set(SetArgs),
    /// Takes an address away: over this channel the member is not reached any more.
    Remove(RemoveArgs),
    /// Lists where members are reached, and when something last got through there.
    List {
        /// Only this member.
        #[arg(long)]
        member: Option<String>,
    },
}

#[derive(Args, Debug)]
pub(super) struct SetArgs {
    /// Who: the name she signs in with.
    member: String,
    /// email, sms, webhook or scaip.
    #[arg(long)]
    channel: Channel,
    /// An e-mail address, a number as +46700000000, a URL, or a number at the alarm centre.
    #[arg(long)]
    address: String,
    /// sv or en.
    #[arg(long, default_value = "sv")]
    language: Lang,
    /// Who says so.
    #[arg(long)]
    by: String,
}

#[derive(Args, Debug)]
pub(super) struct RemoveArgs {
    /// Who.
    member: String,
    /// email, sms, webhook or scaip.
    #[arg(long)]
    channel: Channel,
    /// Who says so.
    #[arg(long)]
    by: String,
}

pub(super) async fn execute(config: &Config, command: &ContactCommand) -> anyhow::Result<Answer> {
    match command {
        ContactCommand::Set(wish) => set(config, wish).await,
        ContactCommand::Remove(wish) => remove(config, wish).await,
        ContactCommand::List { member } => list(config, member.as_deref()).await,
    }
}

async fn set(config: &Config, wish: &SetArgs) -> anyhow::Result<Answer> {
    let SetArgs { member, channel, address, language, by } = wish;
    let by = named(by)?;
    channel.check(address).map_err(|why| anyhow::anyhow!("{why}; nothing was changed"))?;
    let mut desk = Desk::open(config).await?;
    accounts::find(&mut *desk.work, member)
        .await?
        .with_context(|| format!("nobody signs in as {member}; nothing was changed"))?;
    let contact = Contact {
        member: member.clone(),
        channel: *channel,
        address: address.clone(),
        lang: *language,
        proven_ms: None,
    };
    contacts::set(&mut desk.work, &contact, by, clock::now_ms()).await?;
    done(desk, member, *channel, by, "is reached").await
}

async fn remove(config: &Config, wish: &RemoveArgs) -> anyhow::Result<Answer> {
    let RemoveArgs { member, channel, by } = wish;
    let by = named(by)?;
    let mut desk = Desk::open(config).await?;
    if !contacts::remove(&mut desk.work, member, *channel).await? {
        bail!("{member} is not reached by {channel}; nothing was changed");
    }
    done(desk, member, *channel, by, "is not reached any more").await
}

/// The log says whose address it was, and never which.
async fn done(mut desk: Desk, member: &str, channel: Channel, by: &str, what: &str) -> anyhow::Result<Answer> {
    desk.note(Action::ChangedContact, format!("{member} {what} by {channel}"), by).await?;
    desk.done().await?;
    Ok(Answer {
        said: format!("{member} {what} by {channel}"),
        json: json!({"member": member, "channel": channel.as_str()}),
    })
}

async fn list(config: &Config, member: Option<&str>) -> anyhow::Result<Answer> {
    run::open_data(config)?;
    let store = run::open_store(config).await?;
    let listed = contacts::list(store.reader(), member).await?;
    store.close().await;
    let proven = |contact: &Contact| {
        let at = contact.proven_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.map_or("nothing got through yet".to_owned(), |at| format!("last got through {at}"))
    };
    let said = listed.iter().map(|contact| {
        let Contact { member, channel, address, lang, .. } = contact;
        format!("{member}  {channel}  {address}  {lang}  {}", proven(contact))
    });
    let json = listed.iter().map(|contact| {
        let Contact { member, channel, address, lang, proven_ms } = contact;
        json!({"member": member, "channel": channel.as_str(), "address": address, "language": lang,
               "proven_ms": proven_ms})
    });
    Ok(Answer { said: said.collect::<Vec<_>>().join("\n"), json: json!({"contacts": json.collect::<Vec<_>>()}) })
}
