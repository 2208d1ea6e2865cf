//! What people and programs see of the gateway: the care team's console, and the interface for programs.
//!
//! Every answer that shows a person's data needs somebody who is known ([`entry`]), and its row in the access log is on
//! the disk before the answer goes out ([`looks`]). Every page tells the time of its data, and its stream ([`live`])
//! tells within seconds when something changed or when nothing comes any more.

mod acts;
mod api;
mod assets;
mod console;
mod entry;
mod guard;
mod health;
mod language;
mod live;
mod looks;
mod refusal;
mod shield;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::routing::get;
use axum::{Router, middleware};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::alerts::judge::Settings;
use crate::changes::Changes;
use crate::clock;
use crate::letters::Courier;
use crate::proof::homes;
use crate::store::Store;

pub use console::login::account::{GeneratedLogin, ensure_account, generate};
pub(crate) use console::values::mark;
pub use entry::{ApiToken, ensure_api_token};
pub use health::Health;

/// Where the console is found, and how it speaks of times.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the console listens. Put a TLS proxy in front of it wherever it can be reached from other machines.
    pub listen: SocketAddr,
    /// Browsers reach the console by `https://`, through such a proxy: cookies then travel by that alone.
    pub behind_tls: bool,
    /// The care team's time zone, by its name in the IANA database.
    pub time_zone: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            behind_tls: false,
            time_zone: "Europe/Stockholm".to_owned(),
        }
    }
}

impl Config {
    /// The zone of that name.
    ///
    /// # Errors
    /// When no zone has this name.
    pub fn zone(&self) -> Result<TimeZone, jiff::Error> {
        TimeZone::get(&self.time_zone)
    }
}

/// What every page is made from. Clones share it.
#[derive(Clone)]
pub struct State(Arc<Shared>);

/// Who is told, after the commit, of what is done here.
#[derive(Clone, Debug)]
pub struct Told {
    /// Whoever looks at a screen.
    pub changes: Changes,
    /// Who writes to the homes.
    pub courier: Courier,
}

struct Shared {
    store: Store,
    changes: Changes,
    courier: Courier,
    health: Arc<Health>,
    api_token: ApiToken,
    judging: Settings,
    silent_tests: homes::Config,
    zone: TimeZone,
    time_zone: String,
    behind_tls: bool,
    door: console::login::Door,
    stopping: watch::Sender<bool>,
}

impl State {
    /// Puts together what the pages are made from.
    ///
    /// # Errors
    /// When the configured time zone does not exist.
    pub fn new(
        store: Store,
        told: Told,
        health: Arc<Health>,
        api_token: ApiToken,
        judging: Settings,
        silent_tests: &homes::Config,
        config: &Config,
    ) -> Result<Self, jiff::Error> {
        Ok(Self(Arc::new(Shared {
            store,
            changes: told.changes,
            courier: told.courier,
            health,
            api_token,
            judging,
            silent_tests: silent_tests.clone(),
            zone: config.zone()?,
            time_zone: config.time_zone.clone(),
            behind_tls: config.behind_tls,
            door: console::login::Door::default(),
            stopping: watch::Sender::new(false),
        })))
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn moment(&self, lang: crate::wording::Lang) -> console::moments::Moment {
        console::moments::Moment {
            now: now(),
            zone: self.0.zone.clone(),
            lang,
            refuses_readings: self.0.health.refuses_readings(),
        }
    }
}

/// Serves the console and the interface for programs until `stop`, then ends the streams and lets answers finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    state: State,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let shared = state.clone();
    let ended = async move {
        stop.await;
        shared.0.stopping.send_replace(true);
    };
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(ended).await
}

fn router(state: State) -> Router {
    Router::new()
        .merge(console::routes())
        .nest("/api/v1", api::routes())
        .nest("/assets", assets::routes())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(refusal::no_such_page)
        .method_not_allowed_fallback(refusal::no_such_page)
        .layer(middleware::from_fn(shield::only_from_our_own_pages))
        .layer(middleware::from_fn_with_state(state.clone(), refusal::explain))
        .layer(middleware::from_fn_with_state(state.clone(), shield::headers))
        .with_state(state)
}

/// Now, by the gateway's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(clock::now_ms()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Creates a file that only its owner can read, or leaves the one that is there.
fn keep_secret(file: &Path, secret: &str) -> std::io::Result<bool> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match made {
        Ok(mut made) => {
            made.write_all(secret.as_bytes())?;
            made.sync_all()?;
            Ok(true)
        }
        Err(wrong) if wrong.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(wrong) => Err(wrong),
    }
}
