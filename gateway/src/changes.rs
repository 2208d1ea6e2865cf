//! What has changed in the store, told after the commit to whoever shows it, in every gateway that shares the store.

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// Something that is shown somewhere has changed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Change {
    /// The work list: an alert, or something that waits.
    WorkList,
    /// A person's readings or alerts.
    Person(String),
    /// A home's boxes, devices or books.
    Home(String),
}

/// Where changes are told. Clones share the listeners. A listener that falls behind reads everything anew.
#[derive(Clone, Debug)]
pub struct Changes {
    here: broadcast::Sender<Change>,
    elsewhere: broadcast::Sender<Change>,
}

impl Changes {
    /// Nobody listens yet.
    #[must_use]
    pub fn new() -> Self {
        Self { here: broadcast::Sender::new(1024), elsewhere: broadcast::Sender::new(1024) }
    }

    /// Tells all who listen.
    pub fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            // An error means that nobody listens.
            let _ = self.elsewhere.send(change.clone());
            let _ = self.here.send(change);
        }
    }

    /// Tells those who listen here what another gateway told.
    pub fn tell_here(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            let _ = self.here.send(change);
        }
    }

    /// Listens from here on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.here.subscribe()
    }

    /// Listens from here on to what this gateway told.
    #[must_use]
    pub fn listen_for_others(&self) -> broadcast::Receiver<Change> {
        self.elsewhere.subscribe()
    }
}

/// Returns when an alert may have something to be told.
pub async fn of_work_list(changes: &mut broadcast::Receiver<Change>) {
    loop {
        match changes.recv().await {
            Ok(Change::WorkList) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(Change::Person(_) | Change::Home(_)) => {}
            // Nobody is left who could tell; the naps go on.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}
