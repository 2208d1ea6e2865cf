//! What gateways that share a store tell each other: that something has changed. On a server this goes through it; a file has
//! one gateway. Only hints: what is so is read from the store.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use sqlx::{PgPool, Postgres};
use tokio::sync::broadcast::{self, error::RecvError};

use super::engine::Pool;
use super::{Store, new_id};
use crate::changes::{Change, Changes};

/// What the notifications are called.
const CHANNEL: &str = "hempuls_changes";

/// The most changes in one notification: the server takes 8,000 bytes.
const AT_ONCE: usize = 64;

/// After it has told the others, a gateway collects for so long what it tells them next.
const TOGETHER: Duration = Duration::from_millis(20);

/// How long a gateway that cannot hear the others waits before it tries again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Said {
    by: String,
    changes: Vec<Change>,
}

/// Passes on what this gateway told, and tells here what others did, for ever.
pub async fn share(store: Store, changes: Changes) {
    let Pool::Postgres(pool) = store.reader() else { return std::future::pending().await };
    let own = new_id(crate::clock::now_ms());
    tokio::join!(pass_on(pool, &own, changes.listen_for_others()), hear(pool, &own, &changes));
}

async fn pass_on(pool: &PgPool, own: &str, mut told: broadcast::Receiver<Change>) {
    loop {
        let mut changes = HashSet::new();
        match told.recv().await {
            Ok(change) => drop(changes.insert(change)),
            Err(RecvError::Lagged(_)) => drop(changes.insert(Change::WorkList)),
            Err(RecvError::Closed) => return,
        }
        while changes.len() < AT_ONCE {
            let Ok(change) = told.try_recv() else { break };
            changes.insert(change);
        }
        let said = Said { by: own.to_owned(), changes: changes.into_iter().collect() };
        let said = serde_json::json!(said).to_string();
        let passed = sqlx::query::<Postgres>("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(said).execute(pool).await;
        if let Err(error) = passed {
            tracing::debug!(%error, "other gateways are not told what changed");
        }
        tokio::time::sleep(TOGETHER).await;
    }
}

async fn hear(pool: &PgPool, own: &str, changes: &Changes) {
    loop {
        if let Err(error) = listen(pool, own, changes).await {
            tracing::warn!(%error, "what other gateways change is not shown at once");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(pool: &PgPool, own: &str, changes: &Changes) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // Something may have changed while nobody listened.
    changes.tell_here([Change::WorkList]);
    loop {
        let Some(heard) = listener.try_recv().await? else {
            changes.tell_here([Change::WorkList]);
            continue;
        };
        match serde_json::from_str::<Said>(heard.payload()) {
            Ok(said) if said.by == own => {}
            Ok(said) => changes.tell_here(said.changes),
            // A gateway of another version says it in its own words.
            Err(_) => changes.tell_here([Change::WorkList]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    #[tokio::test]
    async fn what_one_gateway_changes_another_shows_and_none_hears_itself() {
        let (place, store) = fresh().await;
        if !place.is_on_a_server() {
            return;
        }
        let (one, other) = (Changes::new(), Changes::new());
        let (mut here, mut there) = (one.listen(), other.listen());
        let _tasks = [(&store, &one), (&store, &other)]
            .map(|(store, changes)| tokio::spawn(share(store.clone(), changes.clone())));
        // Both listen once they say that something may have changed.
        for heard in [&mut here, &mut there] {
            assert_eq!(heard.recv().await, Ok(Change::WorkList));
        }
        one.tell([Change::Person("Ada".into())]);
        assert_eq!(there.recv().await, Ok(Change::Person("Ada".into())));
        assert_eq!(here.recv().await, Ok(Change::Person("Ada".into())), "its own, at once");
        other.tell([Change::Home("h".into())]);
        assert_eq!(here.recv().await, Ok(Change::Home("h".into())), "and not its own again");
    }
}
