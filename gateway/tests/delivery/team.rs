//! A store with a home in it, workers for all channels, and an HTTP peer whose answers are written beforehand.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use hempuls_gateway::alerts::rules::alarm_pressed::{self, Press};
use hempuls_gateway::alerts::{self, About, Act, Concern, Severity};
use hempuls_gateway::changes::{Change, Changes};
use hempuls_gateway::clock;
use hempuls_gateway::delivery::channels::scaip::supervise;
use hempuls_gateway::delivery::channels::{Channel, Peers};
use hempuls_gateway::delivery::{self, Config, Notification, Recipient, workers};
use hempuls_gateway::proof::schedule::{self, Schedule};
use hempuls_gateway::store::contacts::{self, Contact};
use hempuls_gateway::store::escalations;
use hempuls_gateway::store::outbox::{self, Shown};
use hempuls_gateway::store::{Store, homes};
use hempuls_gateway::wording::Lang;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ward::place::Place;

const PATIENCE: Duration = Duration::from_secs(30);

/// A care team's gateway, as far as it tells people something.
pub(crate) struct Team {
    _folder: Place,
    pub(crate) store: Store,
    pub(crate) changes: Changes,
    pub(crate) home: String,
    config: Config,
    gateways: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Team {
    /// One gateway with this `[delivery]`. Files that it names are in `folder`.
    pub(crate) async fn with(folder: Place, settings: &str) -> Self {
        let mut config: Config = toml::from_str(settings).expect("a configuration");
        config.check().expect("a configuration that can be used");
        config.folder = folder.path().to_owned();
        let store = folder.open().await;
        let mut work = store.work().await.expect("it can be written");
        let (home, _) = homes::add(&mut work, "Ada's kitchen", clock::now_ms()).await.expect("a home");
        outbox::set_always_told(&mut work, &config.always).await.expect("it can be written");
        escalations::set_open_channels(&mut work, &config.open()).await.expect("it can be written");
        work.commit().await.expect("it can be written");
        let (changes, gateways, stop) = (Changes::new(), JoinSet::new(), watch::channel(false).0);
        let mut team = Self { _folder: folder, store, changes, home, config, gateways, stop };
        team.one_more_gateway();
        team
    }

    pub(crate) fn one_more_gateway(&mut self) {
        let peers = Arc::new(Peers::open(&self.config).expect("its files can be read"));
        for channel in Channel::ALL {
            let desk =
                workers::Desk { store: self.store.clone(), peers: Arc::clone(&peers), changes: self.changes.clone() };
            self.gateways.spawn(workers::run(desk, channel, self.stop.subscribe()));
        }
    }

    /// The alarm centre is sent signs of life until the test ends.
    pub(crate) fn supervise(&self) {
        let peers = Peers::open(&self.config).expect("its files can be read");
        let centre = peers.scaip.expect("there is a centre");
        tokio::spawn(supervise(centre, self.store.clone(), self.changes.clone()));
    }

    /// What has each address prove itself, as it is set up.
    pub(crate) fn schedule(&self) -> Schedule {
        Schedule {
            store: self.store.clone(),
            settings: schedule::Settings::of(&self.config, Duration::from_secs(24 * 60 * 60)),
            changes: self.changes.clone(),
            since_ms: clock::now_ms(),
        }
    }

    /// All gateways stop in good order.
    pub(crate) async fn stop(&mut self) {
        let _ = self.stop.send(true);
        while self.gateways.join_next().await.is_some() {}
    }

    /// Somebody in this home presses her button. Returns the alert.
    pub(crate) async fn press(&self, device: &str) -> String {
        let now_ms = clock::now_ms();
        let about = About::Device { home: self.home.clone(), device: device.to_owned() };
        let concern = Concern {
            finding: alarm_pressed::finding(Press::at(now_ms, now_ms)),
            about: about.clone(),
            person: None,
            home: self.home.clone(),
            record: None,
        };
        let mut work = self.store.work().await.expect("it can be written");
        alerts::raise(&mut work, &concern, now_ms).await.expect("it is raised");
        let (id, _) = hempuls_gateway::store::alerts::open_case(&mut work, alarm_pressed::NAME, &about)
            .await
            .expect("it can be read")
            .expect("it is open");
        work.commit().await.expect("it can be written");
        self.changes.tell([Change::WorkList]);
        id
    }

    pub(crate) async fn claim(&self, alert: &str) {
        let mut work = self.store.work().await.expect("it can be written");
        alerts::act(&mut work, alert, &Act::Claim, "Anna", clock::now_ms()).await.expect("it can be claimed");
        work.commit().await.expect("it can be written");
    }

    /// A member is to be told of this alert by a program of hers.
    pub(crate) async fn notify(&self, alert: &str, member: &str) {
        let notification = Notification {
            alert: alert.to_owned(),
            to: Recipient::Member(member.to_owned()),
            channel: Channel::Webhook,
            urgency: Severity::High,
            lang: Lang::Sv,
            key: format!("{alert}/{member}"),
        };
        let mut work = self.store.work().await.expect("it can be written");
        delivery::enqueue(&mut work, &notification, clock::now_ms()).await.expect("it can be written");
        work.commit().await.expect("it can be written");
    }

    pub(crate) async fn reach(&self, contact: &Contact) {
        let mut work = self.store.work().await.expect("it can be written");
        contacts::set(&mut work, contact, "Lena", clock::now_ms()).await.expect("it can be written");
        work.commit().await.expect("it can be written");
    }

    pub(crate) async fn told(&self, alert: &str) -> Vec<Shown> {
        let told = outbox::of_alerts(self.store.reader(), &[alert]).await.expect("it can be read");
        told.into_iter().map(|(_, shown)| shown).collect()
    }

    /// Waits until what is told of this alert is so.
    pub(crate) async fn until(&self, alert: &str, is_so: impl Fn(&[Shown]) -> bool) -> Vec<Shown> {
        eventually(async || {
            let told = self.told(alert).await;
            is_so(&told).then_some(told)
        })
        .await
    }
}

/// Waits for something.
pub(crate) async fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("it happens in time")
}

/// Writes a file beside the store; returns its name.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    std::fs::write(folder.join(name), text).expect("there is room for a file");
    name.into()
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What the peer does next.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    Answer(u16, &'static str),
    Redirect(String),
    /// Says 200 after a second.
    Hesitate,
    Nothing,
}

/// An HTTP server that keeps what it is asked, and answers as told; with 200 when nothing is left to do.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    told: Arc<Mutex<(Vec<Request>, VecDeque<Does>)>>,
}

impl Peer {
    pub(crate) async fn that(does: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let told = Arc::new(Mutex::new((Vec::new(), does.iter().cloned().collect())));
        let peer = Self { address: listener.local_addr().expect("it is bound"), told };
        let router = Router::new().fallback(answer).with_state(peer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        peer
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.told.lock().expect("nobody panics here").0.clone()
    }
}

async fn answer(State(peer): State<Peer>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let does = {
        let mut told = peer.told.lock().expect("nobody panics here");
        told.0.push(Request { path: uri.path().to_owned(), headers, body });
        told.1.pop_front().unwrap_or(Does::Answer(200, ""))
    };
    match does {
        Does::Answer(status, body) => (StatusCode::from_u16(status).expect("a status"), body).into_response(),
        Does::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Does::Hesitate => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            StatusCode::OK.into_response()
        }
        Does::Nothing => std::future::pending().await,
    }
}
