//! The server, the broker, the gateways and whom they tell, each a program of its own, and homes with papers.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hempuls_gateway::clock;
use hempuls_gateway::pki::Ca;
use hempuls_gateway::store::{Postgres, Row, Store, agents, homes, query, query_scalar};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::fault::{Gateway, Wire};
use crate::home::{Homes, Papers};
use crate::place::database;
use crate::port;

/// How long whoever is told takes to answer.
const TAKES: Duration = Duration::from_millis(400);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(crate) struct Street {
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) store: Store,
    place: Postgres,
    papers: Mutex<Vec<Papers>>,
    came: Came,
    _mosquitto: Process,
    _server: Process,
    _folder: TempDir,
}

/// What is written of a notification.
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) is_delivered: bool,
    pub(crate) attempts: i64,
    /// Attempts whose end was not written, or that failed.
    pub(crate) unknown: i64,
}

/// How often each notification came, by its id.
type Came = Arc<Mutex<HashMap<String, i64>>>;

impl Street {
    pub(crate) async fn open(gateways: usize, homes: usize) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let (server, socket) = server();
        let place = database(socket.to_str().expect("a plain path")).await;
        let ca_folder = folder.path().join("ca");
        std::fs::create_dir(&ca_folder).expect("there is room for a folder");
        let ca = Ca::open(&ca_folder, clock::now_ms()).expect("an authority");
        ca.server(&["localhost"], clock::now_ms()).expect("the broker's certificate");
        let (mosquitto, broker) = mosquitto(folder.path(), &ca_folder, gateways).await;
        let (came, peer) = peer().await;

        let mut all = Vec::new();
        for n in 1..=gateways {
            let own = folder.path().join(format!("gateway-{n}"));
            let (to_server, to_broker) = (Wire::default(), Wire::default());
            std::fs::create_dir_all(own.join("data/ca")).expect("there is room for a folder");
            std::fs::create_dir(own.join("server")).expect("there is room for a folder");
            for file in std::fs::read_dir(&ca_folder).expect("it is there").flatten() {
                std::fs::copy(file.path(), own.join("data/ca").join(file.file_name())).expect("there is room");
            }
            to_server.to_server(&own.join("server"), socket.clone());
            let port = to_broker.to_broker(broker).await;
            let text = format!(
                "data = \"data\"\n[broker]\nexternal = \"localhost:{port}\"\nname = \"hempuls-gateway-{n}\"\n\
                 advertise = \"localhost:{broker}\"\n[enrolment]\nlisten = \"127.0.0.1:0\"\n\
                 [console]\nlisten = \"127.0.0.1:0\"\n[store.postgres]\nhost = \"{}\"\ndatabase = \"{}\"\n\
                 [delivery]\nconsole = \"https://console.example\"\n\
                 [delivery.webhook]\nsecret_file = \"secret\"\nallow = [\"127.0.0.1\"]\n\
                 [[delivery.always]]\nname = \"ward\"\nchannel = \"webhook\"\nto = \"http://{peer}/\"\n",
                own.join("server").display(),
                place.database,
            );
            std::fs::write(own.join("gateway.toml"), text).expect("there is room");
            std::fs::write(own.join("secret"), format!("whsec_{}", STANDARD.encode([7; 32]))).expect("there is room");
            let mut gateway = Gateway::new(own, to_server, to_broker);
            gateway.start();
            gateway.recover().await;
            all.push(gateway);
        }

        let store = Store::connect(&place).await.expect("it opens");
        let mut papers = Vec::new();
        for n in 1..=homes {
            papers.push(enrol(&store, &ca, &format!("Storgatan {n}"), broker).await);
        }
        Self {
            gateways: all,
            store,
            place,
            papers: Mutex::new(papers),
            came,
            _mosquitto: mosquitto,
            _server: server,
            _folder: folder,
        }
    }

    /// Lets the homes live.
    pub(crate) fn live(&self, seed: u64) -> Homes {
        Homes::live(std::mem::take(&mut *self.papers.lock().expect("nobody panics here")), seed)
    }

    pub(crate) async fn another_store(&self) -> Store {
        Store::connect(&self.place).await.expect("it opens")
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        query_scalar(sql).fetch_one(self.store.reader()).await.expect("it fits the schema")
    }

    /// Waits until nothing waits to be told.
    pub(crate) async fn everything_is_told(&self, patience: Duration) {
        let told = async {
            while self.count("SELECT count(*) FROM outbox WHERE state = 'waiting' AND test IS NULL").await > 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(patience, told).await.expect("everything is told");
    }

    /// Waits until so many gateways take in what homes say.
    pub(crate) async fn every_gateway_listens(&self, gateways: usize, patience: Duration) {
        let listens = "SELECT count(*) FROM listening
                       WHERE until_ms > CAST(unixepoch('subsec') * 1000 AS BIGINT) - 5000";
        let all = async {
            while self.count(listens).await < i64::try_from(gateways).expect("few") {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(patience, all).await.expect("every gateway works again");
    }

    /// Each notification that anybody tried.
    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        let sql = "SELECT id, CASE state WHEN 'delivered' THEN 1 ELSE 0 END AS is_delivered, attempts,
                       (SELECT count(*) FROM delivery_attempt
                        WHERE delivery = outbox.id AND (outcome IS NULL OR outcome <> 'delivered')) AS unknown
                   FROM outbox WHERE attempts > 0 AND channel = 'webhook' AND test IS NULL";
        let rows = query(sql).fetch_all(self.store.reader()).await.expect("it can be read");
        let of = |row: &Row| {
            Ok::<_, sqlx::Error>(Delivery {
                id: row.try_get("id")?,
                is_delivered: row.try_get("is_delivered")?,
                attempts: row.try_get("attempts")?,
                unknown: row.try_get("unknown")?,
            })
        };
        rows.iter().map(|row| of(row).expect("it fits the schema")).collect()
    }

    /// How often this notification came.
    pub(crate) fn came(&self, delivery: &str) -> i64 {
        self.came.lock().expect("nobody panics here").get(delivery).copied().unwrap_or(0)
    }

    pub(crate) async fn stop(self) {
        drop(self.gateways);
        self.store.close().await;
    }
}

/// A program that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Its standard input ends, or it is told to.
        drop(self.0.stdin.take());
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// A server of its own, and the folder of its socket.
fn server() -> (Process, PathBuf) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/postgres");
    let mut child = Command::new(script)
        .args(["sh", "-c", "echo \"$HEMPULS_TEST_POSTGRES\"; cat >/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/postgres starts");
    let mut socket = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut socket).expect("it says where it is");
    assert!(!socket.trim().is_empty(), "PostgreSQL does not start");
    (Process(child), PathBuf::from(socket.trim()))
}

/// A Mosquitto, configured as `packaging/mosquitto` tells operators to, and its port.
async fn mosquitto(folder: &Path, ca: &Path, gateways: usize) -> (Process, u16) {
    const CONFIGURATION: &str = include_str!("../../../packaging/mosquitto/hempuls.conf");
    const RULES: &str = include_str!("../../../packaging/mosquitto/hempuls.acl");
    let own = folder.join("mosquitto");
    std::fs::create_dir(&own).expect("there is room for a folder");
    for name in ["ca.pem", "server.pem", "server-key.pem"] {
        std::fs::copy(ca.join(name), own.join(name)).expect("the authority made it");
    }
    let (rules, agents) = RULES.split_once("\n# An agent speaks").expect("its rules");
    let (_, gateway) = rules.split_once("\nuser hempuls-gateway\n").expect("the gateway's rules");
    let each = (1..=gateways).map(|n| format!("user hempuls-gateway-{n}\n{gateway}\n"));
    std::fs::write(own.join("hempuls.acl"), format!("{}# An agent speaks{agents}", each.collect::<String>())).unwrap();
    let port = port::free();
    let mut text = CONFIGURATION
        .replace("/etc/mosquitto/hempuls", own.to_str().expect("a plain path"))
        .replace("listener 8883", &format!("listener {port} 127.0.0.1"));
    // As root it would become a user who may not read this folder.
    text += "user root\n";
    std::fs::write(own.join("mosquitto.conf"), text).expect("there is room");
    let path = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"];
    let path = path.into_iter().find(|path| Path::new(path).is_file());
    let log = std::fs::File::create(own.join("log")).expect("there is room");
    let child = Command::new(path.expect("Mosquitto is not installed: sudo apt-get install mosquitto"))
        .args(["-c", "mosquitto.conf"])
        .current_dir(&own)
        .stdout(log.try_clone().expect("the log"))
        .stderr(log)
        .spawn()
        .expect("Mosquitto starts");
    let process = Process(child);
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return (process, port);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Mosquitto does not start: {}", std::fs::read_to_string(own.join("log")).unwrap_or_default());
}

/// Whoever is told, and counts.
async fn peer() -> (Came, SocketAddr) {
    async fn count(State(came): State<Came>, headers: HeaderMap) {
        let id = headers["webhook-id"].to_str().expect("an id").to_owned();
        *came.lock().expect("nobody panics here").entry(id).or_default() += 1;
        // Gateways die while they wait for the answer.
        tokio::time::sleep(TAKES).await;
    }
    let came = Came::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let router = Router::new().fallback(count).with_state(Arc::clone(&came));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (came, address)
}

/// Adds a home, with a box that has its certificate.
async fn enrol(store: &Store, ca: &Ca, name: &str, broker: u16) -> Papers {
    let now_ms = clock::now_ms();
    let mut work = store.work().await.expect("it can be written");
    let (_, agent) = homes::add(&mut work, name, now_ms).await.expect("a home");
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default().serialize_request(&key).expect("a request");
    let issued = ca.certify_agent(&agent, &request.pem().expect("a text"), YEAR, now_ms).expect("a certificate");
    agents::enrol(&mut work, &agent, &issued.serial, issued.expires_ms, now_ms).await.expect("it can be written");
    work.commit().await.expect("it can be written");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.certificate_der()).expect("an authority");
    let chain = vec![CertificateDer::from_pem_slice(issued.pem.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key");
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .expect("papers");
    Papers { agent: agent.to_string(), tls, broker }
}
