//! What has changed in the store, told after the commit to whoever shows it.

use tokio::sync::broadcast;

/// Something that is shown somewhere has changed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
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
pub struct Changes(broadcast::Sender<Change>);

impl Changes {
    /// Nobody listens yet.
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::Sender::new(1024))
    }

    /// Tells all who listen.
    pub fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            // An error means that nobody listens.
            let _ = self.0.send(change);
        }
    }

    /// Listens from here on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}
