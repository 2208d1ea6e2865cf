//! A bare Bluetooth client: the real btleplug in a process of its own (it finds its bus through the environment), told
//! line by line what to do. It has none of the agent's cures.

mod watcher;

use std::{
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use btleplug::{
    api::{Central, CentralEvent, Characteristic, Manager as _, Peripheral as _, ScanFilter, WriteType},
    platform::{Adapter, Manager, Peripheral},
};
use futures::StreamExt;
use hempuls_simulators::bus::Bus;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};
use uuid::Uuid;

pub(crate) use self::watcher::Watcher;

const MARK: &str = "answer: ";
/// Tells a process that it is the client.
const ROLE: &str = "HEMPULS_TEST_ROLE";

/// Whether this process was started as the client.
pub(crate) fn is_the_client() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// The remote control of a client.
pub(crate) struct Client {
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Client {
    pub(crate) async fn start(bus: &Bus) -> Self {
        let this_test = std::env::current_exe().expect("the path of this test");
        let mut process = Command::new(this_test)
            .args(["--exact", "client_process", "--nocapture"])
            .env(ROLE, "client")
            .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this test can be run again");
        let orders = process.stdin.take().expect("stdin is piped");
        let stdout = process.stdout.take().expect("stdout is piped");
        Self { process, orders, answers: BufReader::new(stdout).lines() }
    }

    /// Gives an order and returns the answer.
    pub(crate) async fn told(&mut self, order: &str) -> String {
        let line = format!("{order}\n");
        self.orders.write_all(line.as_bytes()).await.expect("the client lives");
        let answer = async {
            loop {
                let line = self.answers.next_line().await.expect("stdout is text");
                let line = line.unwrap_or_else(|| panic!("the client died of {order:?}"));
                if let Some((_, answer)) = line.split_once(MARK) {
                    return answer.to_owned();
                }
            }
        };
        let answer = timeout(Duration::from_secs(40), answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer to {order:?}"));
        println!("{order} -> {answer}");
        answer
    }

    /// Gives orders that must all succeed.
    pub(crate) async fn does(&mut self, orders: &[&str]) {
        for order in orders {
            assert_eq!(self.told(order).await, "ok", "{order}");
        }
    }

    /// Gives an order whose answer is a number.
    pub(crate) async fn number(&mut self, order: &str) -> u64 {
        self.told(order).await.parse().expect("a number")
    }

    /// Leaves the bus without a word.
    pub(crate) async fn dies(mut self) {
        self.process.kill().await.expect("the client lives");
    }
}

/// What the client process does: takes orders until standard input closes.
pub(crate) async fn obey() {
    let panics = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    }));

    let manager = Manager::new().await.expect("a bus");
    let adapter = manager.adapters().await.expect("adapters").remove(0);
    let mut hands = Hands {
        adapter,
        peripheral: None,
        heard: Log::default(),
        values: Log::default(),
        listeners: Vec::new(),
        agent: None,
        panics,
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.expect("orders are text") {
        let answer = hands.follow(&line).await;
        println!("\n{MARK}{}", answer.unwrap_or_else(|error| format!("{error:#}")));
    }
    std::process::exit(0);
}

type Log<T> = Arc<Mutex<Vec<T>>>;

struct Hands {
    adapter: Adapter,
    peripheral: Option<Peripheral>,
    heard: Log<String>,
    values: Log<(Uuid, Vec<u8>)>,
    listeners: Vec<JoinHandle<()>>,
    agent: Option<zbus::Connection>,
    panics: Arc<AtomicUsize>,
}

impl Hands {
    async fn follow(&mut self, line: &str) -> anyhow::Result<String> {
        let mut words = line.split(' ');
        let order = words.next().unwrap_or_default();
        let word = words.next().unwrap_or_default();
        match order {
            "scan" => self.scan(word).await?,
            "stop-scan" => self.adapter.stop_scan().await?,
            "hear" => return self.hear(word).await,
            "heard" => return Ok(self.heard.lock().expect("no panics here").len().to_string()),
            "known" => return Ok(self.adapter.peripherals().await?.len().to_string()),
            "connect" => {
                let answer = self.within(word, self.peripheral()?.connect()).await;
                self.heard.lock().expect("no panics here").clear();
                return answer;
            }
            "disconnect" => self.peripheral()?.disconnect().await?,
            "discover" => self.peripheral()?.discover_services().await?,
            "services" => return self.services(),
            "listen" => self.listen().await?,
            "go-deaf" => self.go_deaf().await,
            "values" => return Ok(self.values()),
            "subscribe" => {
                let it = self.characteristic(word)?;
                let limit = words.next().unwrap_or_default();
                return self.within(limit, self.peripheral()?.subscribe(&it)).await;
            }
            "unsubscribe" => {
                let it = self.characteristic(word)?;
                self.peripheral()?.unsubscribe(&it).await?;
            }
            "read" => {
                let it = self.characteristic(word)?;
                return Ok(hex::encode(self.peripheral()?.read(&it).await?));
            }
            "write" => {
                let it = self.characteristic(word)?;
                let value = hex::decode(words.next().unwrap_or_default())?;
                let peripheral = self.peripheral()?;
                peripheral.write(&it, &value, WriteType::WithResponse).await?;
            }
            "register-agent" => self.register_agent(true).await?,
            "register-refusing-agent" => self.register_agent(false).await?,
            "pair" => self.call_device("Pair").await?,
            "forget" => self.forget().await?,
            "drop-streams" => return self.drop_streams(word.parse()?).await,
            other => anyhow::bail!("no such order: {other}"),
        }
        Ok("ok".into())
    }

    /// Opens the event stream, then scans, as the agent must: what was replayed before is not heard.
    async fn scan(&mut self, service: &str) -> anyhow::Result<()> {
        let mut events = self.adapter.events().await?;
        let heard = Arc::clone(&self.heard);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    CentralEvent::DeviceDiscovered(id)
                    | CentralEvent::ManufacturerDataAdvertisement { id, .. }
                    | CentralEvent::ServiceDataAdvertisement { id, .. }
                    | CentralEvent::RssiUpdate { id, .. } => {
                        heard.lock().expect("no panics here").push(id.to_string());
                    }
                    _ => {}
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.heard.lock().expect("no panics here").clear();
        let services = match service {
            "" => Vec::new(),
            service => vec![short_uuid(service)?],
        };
        self.adapter.start_scan(ScanFilter { services }).await?;
        Ok(())
    }

    /// Waits for a device to be heard afresh, and takes it in hand.
    async fn hear(&mut self, id: &str) -> anyhow::Result<String> {
        let heard = Arc::clone(&self.heard);
        let is_heard = async {
            while !heard.lock().expect("no panics here").iter().any(|it| it == id) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(Duration::from_secs(2), is_heard).await.is_err() {
            return Ok("nothing".into());
        }
        heard.lock().expect("no panics here").clear();
        let peripherals = self.adapter.peripherals().await?;
        let found = peripherals.into_iter().find(|it| it.id().to_string() == id);
        // A known one is kept, with its service table.
        let known = self.peripheral.take().filter(|it| it.id().to_string() == id);
        self.peripheral = known.or(found);
        Ok("ok".into())
    }

    async fn listen(&mut self) -> anyhow::Result<()> {
        let mut notifications = self.peripheral()?.notifications().await?;
        let values = Arc::clone(&self.values);
        self.listeners.push(tokio::spawn(async move {
            while let Some(it) = notifications.next().await {
                let mut values = values.lock().expect("no panics here");
                values.push((it.uuid, it.value));
            }
        }));
        Ok(())
    }

    async fn go_deaf(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.abort();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.values.lock().expect("no panics here").clear();
    }

    /// Everything heard on the notification stream since the last time it was asked, as `uuid:hex`.
    fn values(&self) -> String {
        let mut values = self.values.lock().expect("no panics here");
        let text = |(uuid, value): (Uuid, Vec<u8>)| format!("{}:{}", short(uuid), hex::encode(value));
        values.drain(..).map(text).collect::<Vec<_>>().join(" ")
    }

    fn services(&self) -> anyhow::Result<String> {
        let services = self.peripheral()?.services();
        let text = services.into_iter().map(|it| short(it.uuid));
        Ok(text.collect::<Vec<_>>().join(" "))
    }

    fn peripheral(&self) -> anyhow::Result<&Peripheral> {
        let peripheral = self.peripheral.as_ref();
        peripheral.ok_or_else(|| anyhow::anyhow!("no device was heard"))
    }

    fn characteristic(&self, name: &str) -> anyhow::Result<Characteristic> {
        let wanted = short_uuid(name)?;
        let mut all = self.peripheral()?.characteristics().into_iter();
        let found = all.find(|it| it.uuid == wanted);
        found.ok_or_else(|| anyhow::anyhow!("no characteristic {name}"))
    }

    /// Waits for a step, at most this long (in milliseconds, if given).
    async fn within(&self, limit: &str, step: impl Future<Output = btleplug::Result<()>>) -> anyhow::Result<String> {
        let limit = match limit {
            "" => Duration::from_secs(35),
            limit => Duration::from_millis(limit.parse()?),
        };
        match timeout(limit, step).await {
            Ok(result) => Ok(result.map(|()| "ok".into())?),
            Err(_) => Ok("no answer".into()),
        }
    }

    async fn register_agent(&mut self, says_yes: bool) -> anyhow::Result<()> {
        let connection = zbus::Connection::system().await?;
        connection.object_server().at("/agent", Agent { says_yes }).await?;
        let agent = zbus::ObjectPath::try_from("/agent")?;
        let manager = Some("org.bluez.AgentManager1");
        for (method, with_capability) in [("RegisterAgent", true), ("RequestDefaultAgent", false)] {
            let bluez = Some("org.bluez");
            if with_capability {
                let body = (&agent, "NoInputNoOutput");
                connection.call_method(bluez, "/org/bluez", manager, method, &body).await?;
            } else {
                connection.call_method(bluez, "/org/bluez", manager, method, &agent).await?;
            }
        }
        self.agent = Some(connection);
        Ok(())
    }

    async fn call_device(&mut self, method: &str) -> anyhow::Result<()> {
        let connection = zbus::Connection::system().await?;
        let path = format!("/org/bluez/{}", self.peripheral()?.id());
        let interface = Some("org.bluez.Device1");
        connection.call_method(Some("org.bluez"), path, interface, method, &()).await?;
        Ok(())
    }

    async fn forget(&mut self) -> anyhow::Result<()> {
        let connection = zbus::Connection::system().await?;
        let path = format!("/org/bluez/{}", self.peripheral()?.id());
        let path = zbus::ObjectPath::try_from(path)?;
        let interface = Some("org.bluez.Adapter1");
        let bluez = Some("org.bluez");
        connection.call_method(bluez, "/org/bluez/hci0", interface, "RemoveDevice", &path).await?;
        self.peripheral = None;
        self.heard.lock().expect("no panics here").clear();
        Ok(())
    }

    /// Opens and drops event streams until something has panicked, at most so many.
    ///
    /// The program is busy for a moment, as any may be; when it looks up, signals are waiting, and the library hears
    /// them after the stream is gone but before it has cleaned up.
    async fn drop_streams(&mut self, most: usize) -> anyhow::Result<String> {
        for _ in 0..most {
            let stream = self.adapter.events().await?;
            std::thread::sleep(Duration::from_millis(10));
            tokio::task::yield_now().await;
            drop(stream);
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.panics.load(Ordering::SeqCst) > 0 {
                return Ok("panicked".into());
            }
        }
        Ok("fine".into())
    }
}

/// Says the same to every device.
struct Agent {
    says_yes: bool,
}

#[zbus::interface(name = "org.bluez.Agent1")]
impl Agent {
    fn request_authorization(&self, _device: zbus::ObjectPath<'_>) -> zbus::fdo::Result<()> {
        let refusal = || zbus::fdo::Error::AccessDenied("not one of ours".into());
        self.says_yes.then_some(()).ok_or_else(refusal)
    }
}

fn short_uuid(hex: &str) -> anyhow::Result<Uuid> {
    Ok(btleplug::api::bleuuid::uuid_from_u16(u16::from_str_radix(hex, 16)?))
}

fn short(uuid: Uuid) -> String {
    uuid.to_string()[4..8].to_owned()
}
