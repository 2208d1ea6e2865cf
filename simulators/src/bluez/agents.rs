//! The pairing agents that programs have registered. Without one, BlueZ pairs with nobody.

use super::Client;

/// One registered agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) client: Client,
    /// Its object path on that program's connection.
    pub(crate) path: String,
    /// Whether there is somebody who can type a number.
    pub(crate) can_type: bool,
}

/// All registered agents.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    registered: Vec<Agent>,
    /// The latest is asked; when it leaves, the one before it.
    defaults: Vec<Client>,
}

impl Agents {
    /// `false` when that program has one already.
    pub(crate) fn register(&mut self, agent: Agent) -> bool {
        let is_new = self.of(&agent.client).is_none();
        if is_new {
            self.registered.push(agent);
        }
        is_new
    }

    /// `false` when that program has none.
    pub(crate) fn make_default(&mut self, client: &Client) -> bool {
        let is_known = self.of(client).is_some();
        if is_known {
            self.defaults.retain(|other| other != client);
            self.defaults.push(client.clone());
        }
        is_known
    }

    /// `false` when that program has none.
    pub(crate) fn leave(&mut self, client: &Client) -> bool {
        let before = self.registered.len();
        self.registered.retain(|agent| agent.client != *client);
        self.defaults.retain(|other| other != client);
        self.registered.len() < before
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.registered.is_empty()
    }

    pub(crate) fn of(&self, client: &Client) -> Option<&Agent> {
        self.registered.iter().find(|agent| agent.client == *client)
    }

    /// The one that is asked when a device, or nobody in particular, wants to pair.
    pub(crate) fn default_agent(&self) -> Option<&Agent> {
        self.defaults.last().and_then(|client| self.of(client))
    }
}
