//! Pairing without anybody at the box: BlueZ asks this agent, which says yes to the devices of the home and to nobody
//! else. BlueZ forgets it, and pairs no more, when its connection closes; so the connection stays open for life.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dbus::channel::MatchingReceiver as _;
use dbus::message::MatchRule;
use dbus::nonblock::{MsgMatch, Proxy, SyncConnection};
use dbus::{MethodErr, Path};
use dbus_crossroads::Crossroads;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::address_in;
use crate::sessions::Address;

/// The agent on the bus.
pub(super) struct PairingAgent {
    connection: Arc<SyncConnection>,
    driver: JoinHandle<()>,
    _owner_match: MsgMatch,
}

/// What becomes of BlueZ itself.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Notice {
    /// It has gone.
    Gone,
    /// It has come back, and knows nothing of us.
    Back,
    /// The bus has gone.
    BusLost,
}

const BLUEZ: &str = "org.bluez";
const PATH: &str = "/org/hempuls/agent";
const CALL_LIMIT: Duration = Duration::from_secs(10);

impl PairingAgent {
    /// Connects to the system bus and offers the agent to BlueZ.
    pub(super) async fn start(
        devices: BTreeSet<Address>,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Result<Self, dbus::Error> {
        let (resource, connection) = dbus_tokio::connection::new_system_sync()?;
        let lost = notices.clone();
        let driver = tokio::spawn(async move {
            let error = resource.await;
            tracing::warn!(%error, "the message bus is gone");
            // Nobody listens any more when everything is being built anew already.
            let _ = lost.send(Notice::BusLost);
        });
        let rule = MatchRule::new_signal("org.freedesktop.DBus", "NameOwnerChanged");
        let owner_match = connection.add_match(rule).await?.cb(move |_, (name, _, new): (String, String, String)| {
            if name == BLUEZ {
                let notice = if new.is_empty() { Notice::Gone } else { Notice::Back };
                let _ = notices.send(notice);
            }
            true
        });
        let mut objects = agent(devices);
        connection.start_receive(
            MatchRule::new_method_call(),
            Box::new(move |message, connection| {
                // A call that is not understood has been answered with an error.
                let _ = objects.handle_message(message, connection);
                true
            }),
        );
        let agent = Self { connection, driver, _owner_match: owner_match };
        agent.register().await?;
        Ok(agent)
    }

    /// Makes BlueZ ask this agent; again whenever BlueZ was started anew.
    pub(super) async fn register(&self) -> Result<(), dbus::Error> {
        let manager = Proxy::new(BLUEZ, "/org/bluez", CALL_LIMIT, self.connection.as_ref());
        let path = Path::from(PATH);
        let registered: Result<(), _> =
            manager.method_call("org.bluez.AgentManager1", "RegisterAgent", (path.clone(), "NoInputNoOutput")).await;
        match registered {
            Err(error) if error.name() != Some("org.bluez.Error.AlreadyExists") => return Err(error),
            _ => {}
        }
        manager.method_call("org.bluez.AgentManager1", "RequestDefaultAgent", (path,)).await
    }
}

impl Drop for PairingAgent {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// `org.bluez.Agent1`: an empty answer means yes.
fn agent(devices: BTreeSet<Address>) -> Crossroads {
    let mut objects = Crossroads::new();
    let interface = objects.register("org.bluez.Agent1", |agent| {
        agent.method("Release", (), (), |_, _: &mut BTreeSet<Address>, ()| Ok(()));
        agent.method("Cancel", (), (), |_, _: &mut BTreeSet<Address>, ()| Ok(()));
        agent.method("RequestConfirmation", ("device", "passkey"), (), |_, home, (device, _): (Path<'static>, u32)| {
            authorise(home, &device)
        });
        agent.method("RequestAuthorization", ("device",), (), |_, home, (device,): (Path<'static>,)| {
            authorise(home, &device)
        });
        agent.method("AuthorizeService", ("device", "uuid"), (), |_, home, (device, _): (Path<'static>, String)| {
            authorise(home, &device)
        });
    });
    objects.insert(PATH, &[interface], devices);
    objects
}

fn authorise(home: &mut BTreeSet<Address>, device: &str) -> Result<(), MethodErr> {
    if address_in(device).is_some_and(|address| home.contains(&address)) {
        tracing::info!(device, "pairing");
        Ok(())
    } else {
        tracing::warn!(device, "pairing refused: not a device of this home");
        Err(MethodErr::from(("org.bluez.Error.Rejected", "not a device of this home")))
    }
}
