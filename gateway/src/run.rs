//! The gateway as a whole: everything is opened and bound before anything starts, and each thing that can be wrong then
//! has a message that says what it means and what to do.

use std::fs::{DirBuilder, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::alerts::judge::Settings;
use crate::alerts::rules::silent_home::watch::Watch;
use crate::alerts::rules::{Rules, books_do_not_balance};
use crate::alerts::timers;
use crate::broker::external::{self, External};
use crate::broker::{Broker, room};
use crate::changes::Changes;
use crate::clock;
use crate::config::Config;
use crate::delivery::channels::dead_man::DeadMan;
use crate::delivery::channels::fhir::Fhir;
use crate::delivery::channels::scaip::supervise;
use crate::delivery::channels::{Channel, Peers};
use crate::delivery::course::ATTEMPT;
use crate::delivery::workers;
use crate::duty::cover;
use crate::enrolment;
use crate::http::{self, Health};
use crate::ingest::{Intake, Writer};
use crate::keeping::restore::{self, InUse, RestoreError};
use crate::keeping::{clocks, disk, retention, schedule as backups};
use crate::letters::{self, Courier};
use crate::pki::{Ca, PkiError, ServerFiles};
use crate::proof::homes::{rehearsal, watch as homes_proven};
use crate::proof::pulse::Pulse;
use crate::proof::schedule::{self, Schedule};
use crate::scaip;
use crate::store::{Store, StoreError, escalations, hearsay, homes, outbox, patience, teams};

/// The name and the unit of the account that the first start makes.
const FIRST_ACCOUNT: (&str, &str) = ("nurse", "care-team");

/// How often the server's certificate is looked at.
const LOOK_AT_CERTIFICATE: Duration = Duration::from_secs(6 * 60 * 60);

/// Why the gateway does not start: what happened, what it means, what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made or used.
    #[error(
        "cannot use the data folder {folder}: {source}. The gateway keeps everything there; make it writable for the \
         gateway's user"
    )]
    Data {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(
        "cannot open the store {file}: {source}. Nothing was changed. Check that the disk is not full and the file is the \
         gateway's own; if it is damaged, put a backup in its place: the agents send again what it lacks"
    )]
    Store {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The store's server cannot be used.
    #[error(
        "cannot use the store {place}: {source}. Nothing was changed. Check that the server runs, and store.postgres in the \
         configuration; agents keep what they have until then"
    )]
    Server {
        /// Which database on which server.
        place: String,
        /// Why.
        source: StoreError,
    },
    /// The certificate authority cannot be used.
    #[error(
        "cannot use the certificate authority in {folder}: {source}. Without it no agent can connect; put it back from a \
         backup, and do not remove the rest: a new one would lock all agents out"
    )]
    Pki {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: PkiError,
    },
    /// The console's files cannot be made.
    #[error(
        "cannot use {file}: {source}. It holds a secret of the console; make it readable for the gateway's user alone"
    )]
    Secret {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {address} ({setting}): {why}. Another program uses it, perhaps another gateway; stop that, or \
         change {setting}"
    )]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What sets it.
        setting: &'static str,
        /// Why.
        why: String,
    },
    /// Somebody puts a backup in place, or has begun to and it cannot be finished.
    #[error("cannot use the data folder: {0}")]
    Restoring(#[from] RestoreError),
    /// A setting that was checked before.
    #[error("the configuration cannot be used: {0}")]
    Setting(String),
}

/// The files of the console's secrets, and others that a person may look for.
#[must_use]
pub fn store_file(config: &Config) -> PathBuf {
    config.data.join("store.sqlite")
}

/// Opens the data folder; makes it, for its owner alone.
///
/// # Errors
/// [`StartError::Data`].
pub fn open_data(config: &Config) -> Result<(), StartError> {
    let folder = &config.data;
    let make = || -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))
    };
    make().map_err(|source| StartError::Data { folder: folder.clone(), source })?;
    Ok(restore::finish(folder)?)
}

/// Opens the store of this configuration.
///
/// # Errors
/// [`StartError::Store`] or [`StartError::Server`].
pub async fn open_store(config: &Config) -> Result<Store, StartError> {
    let cannot = |source| no_store(config, source);
    if let Some(place) = &config.store.postgres {
        let store = Store::connect(place).await.map_err(cannot)?;
        clocks::follow(&store).await.map_err(cannot)?;
        return Ok(store);
    }
    let store = Store::open(&store_file(config)).await.map_err(cannot)?;
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let file = config.data.join(name);
        if file.exists() {
            std::fs::set_permissions(&file, Permissions::from_mode(0o600))
                .map_err(|source| StartError::Data { folder: file, source })?;
        }
    }
    Ok(store)
}

fn no_store(config: &Config, source: StoreError) -> StartError {
    match &config.store.postgres {
        Some(postgres) => StartError::Server { place: postgres.place(), source },
        None => StartError::Store { file: store_file(config), source },
    }
}

/// Opens the authority of this configuration.
///
/// # Errors
/// [`StartError::Pki`].
pub fn open_ca(config: &Config) -> Result<Ca, StartError> {
    let folder = config.data.join("ca");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|source| StartError::Data { folder: folder.clone(), source })?;
    Ca::open(&folder, clock::now_ms()).map_err(|source| StartError::Pki { folder, source })
}

/// A gateway that runs.
pub struct Running {
    /// Its store.
    pub store: Store,
    /// Where it listens for agents; nowhere where another broker does.
    pub broker: Option<SocketAddr>,
    /// Where agents enrol.
    pub enrolment: SocketAddr,
    /// Where the console is.
    pub console: SocketAddr,
    tasks: JoinSet<()>,
    tellers: JoinSet<()>,
    stop_tellers: watch::Sender<bool>,
    stop_broker: oneshot::Sender<()>,
    stop_console: oneshot::Sender<()>,
    console_task: JoinHandle<()>,
    /// Until it is gone nobody puts a backup in place here.
    _in_use: InUse,
}

/// Starts a gateway with these rules.
///
/// # Errors
/// [`StartError`], with what to do. Nothing runs then.
pub async fn start(config: &Config, rules: Rules) -> Result<Running, StartError> {
    let setting = |why: String| StartError::Setting(why);
    let zone = config.console.zone().map_err(|error| setting(error.to_string()))?;
    open_data(config)?;
    let data_in_use = restore::use_data(&config.data).map_err(|_| RestoreError::InUse(config.data.clone()))?;
    let store = open_store(config).await?;
    let ca = Arc::new(open_ca(config)?);
    let (files, is_fresh) = server_files(&ca, config)?;
    if is_fresh {
        tracing::info!(file = %files.chain.display(), "made the server's certificate");
    }
    let api_token = console_secrets(config, &store).await?;
    let (changes, health, intake) = (Changes::new(), Arc::new(Health::default()), Intake::default());

    let enrolment_listener = bind(config.enrolment.listen, "enrolment.listen").await?;
    let console_listener = bind(config.console.listen, "console.listen").await?;
    let units = listen_to_units(config).await?;
    let in_use = |why: String| StartError::Listen { address: config.broker.listen, setting: "broker.listen", why };
    let embedded = match config.broker.external {
        Some(_) => None,
        None => {
            room::take(&store).await.map_err(|source| no_store(config, source))?;
            let broker = Broker::new(config.broker.listen, store.clone(), intake.clone(), changes.clone()).await;
            let listener = broker.listen(&files).map_err(|error| in_use(error.to_string()))?;
            Some((Arc::new(broker), listener))
        }
    };
    let unknown = |error: std::io::Error| setting(error.to_string());
    let (enrolment, console) =
        (enrolment_listener.local_addr().map_err(unknown)?, console_listener.local_addr().map_err(unknown)?);
    let address = embedded.as_ref().map(|(_, listener)| listener.local_addr());
    let broker_address = address.transpose().map_err(|error| setting(error.to_string()))?;

    let dead_man = DeadMan::open(&config.dead_man, &config.delivery.folder).map_err(setting)?;
    let peers = Arc::new(Peers { dead_man, ..Peers::open(&config.delivery).map_err(setting)? });
    let folder = &config.delivery.folder;
    let records = config.delivery.fhir.as_ref().map(|records| Fhir::open(records, folder, zone.clone()));
    let records = records.transpose().map_err(setting)?;
    settle(&store, config).await.map_err(|source| no_store(config, source))?;
    is_over(&store, embedded.is_some()).await.map_err(|source| no_store(config, source))?;
    let (courier, occasions) = Courier::new();
    let told = http::Told { changes: changes.clone(), courier: courier.clone() };
    let settings = Settings::new(rules, &config.rules, config.enrolment.certificate_life, zone.clone());
    let rules = Arc::clone(&settings.rules);
    let health_shown = Arc::clone(&health);
    let state = http::State::new(
        store.clone(),
        told,
        health_shown,
        api_token,
        settings.clone(),
        &config.silent_tests,
        &config.console,
    )
    .map_err(|error| setting(error.to_string()))?;
    let (letters, letters_out) = mpsc::channel(1024);
    let (renewed, files) = watch::channel(files);
    let (stop_broker, broker_stops) = oneshot::channel();
    let (stop_console, console_stops) = oneshot::channel();
    let (stop_tellers, tellers_stop) = watch::channel(false);
    let (mut tasks, mut tellers) = (JoinSet::new(), JoinSet::new());
    let told =
        letters::Settings { time_zone: config.console.time_zone.clone(), prove_every_s: config.silent_tests.every_s() };
    tasks.spawn(letters::carry(store.clone(), told, occasions, letters.clone()));
    tasks.spawn(rehearsal::run(store.clone(), settings.clone()));
    let writer =
        Writer::new(store.clone(), intake.clone(), settings, letters, courier, changes.clone(), Arc::clone(&health));
    tasks.spawn(writer.run());
    tasks.spawn(hearsay::share(store.clone(), changes.clone()));
    tasks.spawn(clocks::run(store.clone(), changes.clone()));
    tasks.spawn(timers::run(store.clone(), rules, zone, changes.clone()));
    for channel in Channel::ALL {
        let desk = workers::Desk { store: store.clone(), peers: Arc::clone(&peers), changes: changes.clone() };
        tellers.spawn(workers::run(desk, channel, tellers_stop.clone()));
    }
    if let Some(records) = records {
        tasks.spawn(records.run(store.clone(), changes.clone()));
    }
    if let Some(centre) = &peers.scaip {
        tasks.spawn(supervise(Arc::clone(centre), store.clone(), changes.clone()));
    }
    let pulse = Arc::new(Pulse::new(config.dead_man.every, clock::now_ms()));
    health.rests_on(Arc::clone(&pulse));
    let proven = intake.clone();
    tasks.spawn(async move { pulse.beat(proven).await });
    let watch = Watch {
        store: store.clone(),
        config: config.rules.silent_home.clone(),
        health: Arc::clone(&health),
        changes: changes.clone(),
    };
    tasks.spawn(watch.run());
    let proofs = homes_proven::Watch {
        store: store.clone(),
        config: config.silent_tests.clone(),
        storms: config.rules.silent_home.clone(),
        changes: changes.clone(),
    };
    tasks.spawn(proofs.run());
    let books = books_do_not_balance::watch::Watch {
        store: store.clone(),
        config: config.rules.books_do_not_balance.clone(),
        changes: changes.clone(),
    };
    tasks.spawn(books.run());
    let cover = cover::watch::Watch {
        store: store.clone(),
        config: config.duty.clone(),
        channels: config.delivery.open(),
        changes: changes.clone(),
    };
    tasks.spawn(cover.run());
    let ways = Schedule {
        store: store.clone(),
        settings: schedule::Settings::of(&config.delivery, config.duty.proven_within),
        changes: changes.clone(),
        since_ms: clock::now_ms(),
    };
    tasks.spawn(ways.run());
    let brokers = config.broker.advertise.clone();
    let life = config.enrolment.certificate_life;
    let desk = enrolment::Desk::new(store.clone(), Arc::clone(&ca), brokers, life, changes.clone());
    tasks.spawn(enrolment::serve(enrolment_listener, desk, files.clone()));
    tasks.spawn(backups::run(config.clone(), store.clone(), changes.clone()));
    tasks.spawn(retention::run(store.clone(), config.retention.clone(), Arc::clone(&health)));
    let room = (store.clone(), intake.clone(), Arc::clone(&health), changes.clone());
    tasks.spawn(disk::Keeper::new(&config.data, &config.disk, room.0, room.1, room.2, room.3).run());
    tasks.spawn(renew(Arc::clone(&ca), config.clone(), renewed));
    if let Some(doors) = units {
        tasks.spawn(scaip::Receiver::new(store.clone(), changes.clone(), &config.scaip).run(doors));
    }
    if let Some((broker, listener)) = embedded {
        let (sender, porter, known) = (Arc::clone(&broker), Arc::clone(&broker), store.clone());
        tasks.spawn(async move { sender.deliver(letters_out).await });
        tasks.spawn(async move { porter.throw_out(known).await });
        tasks.spawn(async move { broker.serve(listener, files, health, async { drop(broker_stops.await) }).await });
    } else if let Some(place) = config.broker.external.clone() {
        let name = config.broker.name.clone();
        let broker = External { place, name, ca, intake, store: store.clone(), changes, health };
        tasks.spawn(broker.serve(letters_out));
    }
    let console_task = tokio::spawn(async move {
        if let Err(error) = http::serve(console_listener, state, async { drop(console_stops.await) }).await {
            tracing::error!(%error, "the console has stopped");
        }
    });
    Ok(Running {
        store,
        broker: broker_address,
        enrolment,
        console,
        tasks,
        tellers,
        stop_tellers,
        stop_broker,
        stop_console,
        console_task,
        _in_use: data_in_use,
    })
}

impl Running {
    /// Stops: takes no connections any more, lets the console's answers and what is being told to people finish, and closes
    /// the store. What was not receipted, the agents still have.
    pub async fn stop(mut self) {
        const LAST_ANSWERS: Duration = Duration::from_secs(5);
        // Errors mean that the task has ended already.
        let _ = self.stop_broker.send(());
        let _ = self.stop_console.send(());
        let _ = self.stop_tellers.send(true);
        let _ = tokio::time::timeout(LAST_ANSWERS, self.console_task).await;
        let told = async { while self.tellers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(ATTEMPT, told).await;
        self.tellers.shutdown().await;
        self.tasks.shutdown().await;
        self.store.close().await;
    }

    /// Waits until a part of the gateway ends by itself, which none should.
    pub async fn failed(&mut self) {
        let ended = tokio::select! {
            ended = self.tasks.join_next() => ended,
            ended = self.tellers.join_next() => ended,
        };
        if let Some(Err(error)) = ended {
            tracing::error!(%error, "a part of the gateway has failed");
        }
    }
}

fn server_files(ca: &Ca, config: &Config) -> Result<(ServerFiles, bool), StartError> {
    ca.server(&config.broker.names(), clock::now_ms())
        .map_err(|source| StartError::Pki { folder: config.data.join("ca"), source })
}

/// Makes the first account, the fallback team and the API token where there are none. The log says which file, never the secret.
async fn console_secrets(config: &Config, store: &Store) -> Result<http::ApiToken, StartError> {
    let (name, unit) = FIRST_ACCOUNT;
    let made = http::ensure_account(store, name, unit).await.map_err(|source| no_store(config, source))?;
    if let Some(login) = made {
        let file = config.data.join("console-login");
        let secret = format!("{}\n{}\n", login.name, login.password);
        write_secret(&file, &secret).map_err(|source| StartError::Secret { file: file.clone(), source })?;
        tracing::info!(file = %file.display(), "made the first account; its name and password are in the file");
    }
    let made = ensure_team(store, config).await;
    if made.map_err(|source| StartError::Store { file: store_file(config), source })? {
        tracing::info!("made the fallback team, of all accounts; `hempuls-gateway team list` shows it");
    }
    let file = config.data.join("api-token");
    let is_new = !file.exists();
    let token = http::ensure_api_token(&file).map_err(|source| StartError::Secret { file: file.clone(), source })?;
    if is_new {
        tracing::info!(file = %file.display(), "made the token for programs; it is in the file");
    }
    Ok(token)
}

async fn ensure_team(store: &Store, config: &Config) -> Result<bool, StoreError> {
    let mut work = store.work().await?;
    let made = teams::ensure_fallback(&mut work, &config.console.time_zone, clock::now_ms()).await?;
    work.commit().await?;
    Ok(made)
}

fn write_secret(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut open = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    open.set_permissions(Permissions::from_mode(0o600))?;
    open.write_all(text.as_bytes())?;
    open.sync_all()
}

async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, setting, why: error.to_string() })
}

async fn listen_to_units(config: &Config) -> Result<Option<scaip::Doors>, StartError> {
    let Some(address) = config.scaip.listen else { return Ok(None) };
    let in_use =
        |error: std::io::Error| StartError::Listen { address, setting: "scaip.listen", why: error.to_string() };
    let doors = scaip::Doors::open(address).await.map_err(in_use)?;
    tracing::info!(address = %doors.address().map_err(in_use)?, "listening to alarm units");
    Ok(Some(doors))
}

/// Writes that what was so while the process before this one ran is over.
///
/// An embedded broker has nobody yet. At another, agents stay connected while gateways come and go. A store in a file has one
/// gateway, so that nobody is at what that process was telling somebody when it died.
async fn is_over(store: &Store, is_embedded: bool) -> Result<(), StoreError> {
    if !store.is_on_a_server() {
        let mut work = store.work().await?;
        outbox::nobody_is_at_it(&mut work).await?;
        work.commit().await?;
    }
    if !is_embedded {
        return external::nobody_is_connected(store).await;
    }
    let mut work = store.work().await?;
    homes::none_is_connected(&mut work, clock::now_ms()).await?;
    Ok(work.commit().await?)
}

/// Whom the configuration tells of every alert, and how long claims hold, counts from now on, for all that write to the store.
async fn settle(store: &Store, config: &Config) -> Result<(), StoreError> {
    let mut work = store.work().await?;
    outbox::set_always_told(&mut work, &config.delivery.always).await?;
    patience::set(&mut work, &config.alerts).await?;
    escalations::set_open_channels(&mut work, &config.delivery.open()).await?;
    Ok(work.commit().await?)
}

/// Renews the server's certificate in time, for ever.
async fn renew(ca: Arc<Ca>, config: Config, renewed: watch::Sender<ServerFiles>) {
    loop {
        tokio::time::sleep(LOOK_AT_CERTIFICATE).await;
        match server_files(&ca, &config) {
            Ok((files, true)) => drop(renewed.send_replace(files)),
            Ok((_, false)) => {}
            Err(error) => tracing::error!(%error, "the server's certificate cannot be renewed"),
        }
    }
}
