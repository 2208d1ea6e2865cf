//! For how many boxes there is room: one that is connected is an open file, and a process may have only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::store::{Store, StoreError, query_scalar};

/// What a gateway keeps open besides: its store, pages that are looked at, what it sends.
const OTHERS: u64 = 500;

/// Takes all the open files that this process may have, and says at start for how many boxes that is. More boxes than there is
/// room for are told of as long as somebody can still do something about it.
///
/// # Errors
/// [`StoreError`], where the boxes cannot be counted.
pub async fn take(store: &Store) -> Result<(), StoreError> {
    let allowed = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, maximum: allowed.maximum }) {
        tracing::warn!(%error, "the limit of open files cannot be raised to what is allowed");
    }
    let Some(room) = boxes(getrlimit(Resource::Nofile).current) else { return Ok(()) };
    let known: i64 =
        query_scalar("SELECT count(*) FROM agent WHERE revoked_ms IS NULL").fetch_one(store.reader()).await?;
    let known = u64::try_from(known).unwrap_or(0);
    if known > room {
        tracing::warn!(
            room,
            known,
            "more boxes are known than can be connected: those that come last will be kept out. Allow more open files \
             (LimitNOFILE in a systemd unit, ulimit -n in a shell)"
        );
    } else {
        tracing::info!(room, known, "this many boxes can be connected");
    }
    Ok(())
}

/// How many boxes this many open files are enough for; no limit is enough for all.
fn boxes(files: Option<u64>) -> Option<u64> {
    files.map(|files| files.saturating_sub(OTHERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_for_boxes_is_what_the_gateway_itself_does_not_need() {
        assert_eq!((boxes(Some(20_000)), boxes(Some(100)), boxes(None)), (Some(19_500), Some(0), None));
    }

    #[tokio::test]
    async fn a_gateway_takes_all_the_open_files_it_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        take(&store).await.unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
