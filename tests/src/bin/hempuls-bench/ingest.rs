//! What a gateway takes in, end to end over mutual TLS through its own broker, with receipts, dedupe and rules on: against raw inserts
//! into the same tables in the same run, while it is killed, and with presses among it.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_gateway::config::Config;
use hempuls_gateway::ingest::accept::LaneKey;
use hempuls_gateway::run;
use hempuls_gateway::store::ledger::{self, Disposition, EventRow};
use hempuls_gateway::store::records::{self, Clock, Measured, NewRecord};
use hempuls_gateway::store::{Store, new_id, query_as};
use hempuls_protocol::identity::Identity;
use hempuls_protocol::ids::{AgentId, Epoch, Lane, Sequence};
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};
use hempuls_protocol::times::{BootId, Taken, Trust};
use hempuls_simulators::clock::Moment;
use hempuls_simulators::system::{Gateway, Programs, Settings, free_port};
use hempuls_tests::process::scheduled_ns;
use hempuls_tests::throng::{Sender, config_file, settle};

use super::now;

/// What is asked.
pub(crate) struct Options {
    /// How many boxes send readings.
    pub(crate) boxes: usize,
    /// How many readings one to a message, and how many in envelopes.
    pub(crate) readings: [u64; 2],
    /// How many presses, alone and among readings.
    pub(crate) presses: usize,
    /// Where the store is, if not in a file.
    pub(crate) postgres: Option<Postgres>,
}

/// In an envelope of a box that has waited.
const IN_AN_ENVELOPE: u64 = 200;

/// How many readings one raw transaction writes.
const IN_A_TRANSACTION: usize = 200;

/// A database on a PostgreSQL server, as `postgres://user@host:port/database`. It is to be empty.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    user: String,
    host: String,
    port: u16,
    database: String,
}

impl FromStr for Postgres {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let parts = || {
            let rest = url.strip_prefix("postgres://")?;
            let (user, rest) = rest.split_once('@')?;
            let (place, database) = rest.rsplit_once('/')?;
            let (host, port) = place.rsplit_once(':')?;
            let port = port.parse().ok()?;
            Some(Self { user: user.to_owned(), host: host.to_owned(), port, database: database.to_owned() })
        };
        parts()
            .ok_or_else(|| "write it as postgres://user@host:port/database; a host may be a socket's folder".to_owned())
    }
}

impl Postgres {
    pub(crate) fn settings(&self) -> String {
        let Self { user, host, port, database } = self;
        format!("[store.postgres]\nhost = \"{host}\"\nport = {port}\ndatabase = \"{database}\"\nuser = \"{user}\"\n")
    }
}

pub(crate) async fn run(programs: Programs, options: Options) -> Result<()> {
    // Not in /tmp, which may be memory: the figures are about a disk.
    let folder = tempfile::Builder::new().prefix("hempuls-bench-").tempdir_in(".")?;
    let mut gateway = Gateway::install(&programs, folder.path(), free_port()?, &Settings::default())?;
    if let Some(postgres) = &options.postgres {
        gateway.configure(&postgres.settings())?;
    }
    let mut members = settle(&gateway, options.boxes + 1).await?;
    gateway.start().await?;
    let port = gateway.broker_port();
    let mut nurse = Sender::new(members.pop().context("one who presses")?, port);
    let mut senders: Vec<Sender> = members.into_iter().map(|member| Sender::new(member, port)).collect();
    for sender in &mut senders {
        sender.connect().await?;
    }
    println!("| load before, of 2 cores | {} |", load()?);
    println!("| press to receipt, alone | {} |", Spans::of(presses(&mut nurse, options.presses).await?));
    let mut sent = 0;
    for (readings, size) in options.readings.into_iter().zip([1, IN_AN_ENVELOPE]) {
        sent += readings / options.boxes as u64;
        let before = scheduled_ns(id(&mut gateway)?)?;
        let started = now();
        pour(&mut senders, sent, size).await?;
        let took = started.elapsed();
        let cpu = (scheduled_ns(id(&mut gateway)?)? - before) as f64 / 1e9;
        let each = readings / options.boxes as u64 * options.boxes as u64;
        println!(
            "| ingest, {size} to a message, {} boxes | {:.0} readings/s, {:.2} CPU s per 10,000 in gateway and broker |",
            options.boxes,
            each as f64 / took.as_secs_f64(),
            cpu * 1e4 / each as f64
        );
        sent += readings / 2 / options.boxes as u64;
        let (spans, ()) = tokio::try_join!(presses(&mut nurse, options.presses), pour(&mut senders, sent, size))?;
        println!("| press to receipt, among readings, {size} to a message | {} |", Spans::of(spans));
    }

    let more = options.readings[1] / options.boxes as u64;
    sent += more;
    let (pressed, ()) =
        tokio::try_join!(press_through_a_kill(&mut nurse, &mut gateway), pour(&mut senders, sent, IN_AN_ENVELOPE))?;
    let (late, away) = pressed;
    println!(
        "| gateway killed among it | away for {:.1} s; the press of that time {:.2} s after it was ready; other presses {} |",
        away.as_secs_f64(),
        late.0.as_secs_f64(),
        Spans::of(late.1)
    );
    println!("| load after | {} |", load()?);
    gateway.program().stop().await?;

    let config = Config::read(&config_file(&gateway))?;
    let store = run::open_store(&config).await?;
    are_all_stored(&store, &senders, sent).await?;
    println!("| lost, doubled or out of order | 0 of {} readings |", (sent - 1) * senders.len() as u64);
    for kinds in [1, IN_A_TRANSACTION] {
        println!("| raw insert, {kinds} readings to a transaction | {:.0} readings/s |", raw(&store, kinds).await?);
    }
    store.close().await;
    Ok(())
}

async fn pour(senders: &mut [Sender], last: u64, size: u64) -> Result<()> {
    futures::future::try_join_all(senders.iter_mut().map(|sender| sender.pour(last, size))).await.map(drop)
}

async fn presses(nurse: &mut Sender, count: usize) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for _ in 0..count {
        took.push(nurse.press().await?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(took)
}

/// Presses before, while and after the gateway is killed.
async fn press_through_a_kill(
    nurse: &mut Sender,
    gateway: &mut Gateway,
) -> Result<((Duration, Vec<Duration>), Duration)> {
    let mut others = presses(nurse, 20).await?;
    gateway.program().kill().await;
    let killed = now();
    let again = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        gateway.start().await?;
        Ok::<_, anyhow::Error>(killed.elapsed())
    };
    let (pressed, away) = tokio::try_join!(nurse.press(), again)?;
    others.extend(presses(nurse, 20).await?);
    Ok(((pressed.saturating_sub(away), others), away))
}

/// Every number of every box is there once, and every reading is a record.
async fn are_all_stored(store: &Store, senders: &[Sender], last: u64) -> Result<()> {
    let lanes: Vec<(String, i64, i64, i64)> = query_as(
        "SELECT agent, count(*), max(seq), count(DISTINCT record) FROM event
         WHERE lane = 'reading' AND disposition = 'stored' GROUP BY agent",
    )
    .fetch_all(store.reader())
    .await?;
    let last = i64::try_from(last)?;
    let lanes: BTreeMap<String, [i64; 3]> = lanes.into_iter().map(|(agent, a, b, c)| (agent, [a, b, c])).collect();
    for sender in senders {
        let found = lanes.get(sender.agent().as_str()).copied();
        ensure!(found == Some([last, last, last - 1]), "{last} were sent, and stored are {found:?}");
    }
    let odd: (i64,) =
        query_as("SELECT count(*) FROM event WHERE disposition <> 'stored' AND disposition <> 'repeated'")
            .fetch_one(store.reader())
            .await?;
    ensure!(odd.0 == 0, "{} events are in quarantine", odd.0);
    Ok(())
}

/// Writes readings into the same tables without looking at anything.
async fn raw(store: &Store, together: usize) -> Result<f64> {
    let (home, agent): (String, String) =
        query_as("SELECT home, id FROM agent ORDER BY id LIMIT 1").fetch_one(store.reader()).await?;
    let agent: AgentId = agent.parse().map_err(|_| anyhow::anyhow!("an agent's id"))?;
    let key = LaneKey { agent, lane: Lane::Reading, epoch: Epoch(1_000 + together as u64) };
    let transactions = if together == 1 { 500 } else { 250 };
    let now_ms = Moment::now().utc.as_millisecond();
    let mut number = 0;
    let batches: Vec<(Vec<NewRecord>, Vec<EventRow>)> = (0..transactions)
        .map(|_| {
            let records: Vec<NewRecord> = (0..together).map(|_| raw_record(&home, &key, now_ms)).collect();
            let events = records.iter().map(|record| {
                number += 1;
                EventRow {
                    key: key.clone(),
                    sequence: Sequence(number),
                    disposition: Disposition::Stored,
                    kind: "signal",
                    digest: Some(*record.identity.digest()),
                    record: Some(record.id.clone()),
                    content: None,
                }
            });
            let events = events.collect();
            (records, events)
        })
        .collect();
    let started = now();
    for (records, events) in &batches {
        let mut work = store.work().await?;
        records::write(&mut work, records, now_ms).await?;
        ledger::write_events(&mut work, events, now_ms).await?;
        work.commit().await?;
    }
    Ok((transactions * together) as f64 / started.elapsed().as_secs_f64())
}

fn raw_record(home: &str, key: &LaneKey, now_ms: i64) -> NewRecord {
    let pressure = |quantity, value| Observation::new(quantity, Decimal::whole(value), Unit::MillimetreOfMercury, true);
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(&rand::random::<[u8; 16]>());
    NewRecord {
        id: new_id(now_ms),
        identity: Identity::ByNumber { digest },
        possibly_same_as: None,
        taken_again: false,
        device: "C0:00:00:00:00:01".into(),
        slot: None,
        characteristic: "2a35".into(),
        raw: vec![0x00, 120, 0, 80, 0, 95, 0],
        dialect: "standard".into(),
        marks: None,
        unreadable: None,
        device_time: None,
        counter: None,
        span_ms: None,
        session: None,
        press: None,
        measured: Some(Measured { at_ms: now_ms, by: Clock::Reception, is_ambiguous: false }),
        taken: Taken { boot: BootId([1; 16]), since_boot_ms: 1, wall_ms: Some(now_ms), trust: Trust::Synchronised },
        agent: key.agent.to_string(),
        home: home.to_owned(),
        person: None,
        observations: vec![
            pressure(Quantity::Systolic, 120),
            pressure(Quantity::Diastolic, 80),
            pressure(Quantity::MeanArterialPressure, 95),
        ],
    }
}

/// Counts the statements that the gateway asks its store for, by what they begin with, for each reading.
pub(crate) async fn statements(programs: Programs, boxes: usize, readings: u64) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("hempuls-bench-").tempdir_in(".")?;
    let gateway = Gateway::install(&programs, folder.path(), free_port()?, &Settings::default())?;
    let mut gateway = gateway.with_env("RUST_LOG", "info,sqlx::query=debug");
    let log = folder.path().join("gateway.log");
    let members = settle(&gateway, boxes).await?;
    gateway.start().await?;
    let port = gateway.broker_port();
    let mut senders: Vec<Sender> = members.into_iter().map(|member| Sender::new(member, port)).collect();
    let mut sent = 1;
    pour(&mut senders, sent, 1).await?;
    for size in [1, IN_AN_ENVELOPE] {
        let before = counted(&log)?;
        sent += readings / boxes as u64;
        pour(&mut senders, sent, size).await?;
        let after = counted(&log)?;
        let mut counts: Vec<(u64, String)> = after
            .into_iter()
            .map(|(statement, count)| (count - before.get(&statement).copied().unwrap_or(0), statement))
            .collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        let of_all: u64 = counts.iter().map(|(count, _)| count).sum();
        // Each is one part of a work that ends with it.
        let batches = counts.iter().find(|(_, statement)| statement == "RELEASE part_1").map_or(0, |(count, _)| *count);
        println!(
            "| statements, {size} to a message, {boxes} boxes | {:.2} for each reading; {batches} batches |",
            of_all as f64 / readings as f64
        );
        for (count, statement) in counts.iter().take(25) {
            println!("  {:8.4} for each reading  {statement}", *count as f64 / readings as f64);
        }
    }
    gateway.program().stop().await
}

fn counted(log: &Path) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for line in String::from_utf8_lossy(&std::fs::read(log)?).lines().filter(|line| line.contains("sqlx::query")) {
        let summary = line.split_once("summary=").map_or(line, |(_, rest)| rest);
        let summary = summary.split(" db.statement").next().unwrap_or(summary).trim_matches('"');
        *counts.entry(summary.to_owned()).or_default() += 1;
    }
    Ok(counts)
}

fn id(gateway: &mut Gateway) -> Result<u32> {
    gateway.program().id().context("the gateway runs")
}

pub(crate) fn load() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
}

/// Durations, for people.
pub(crate) struct Spans(Vec<Duration>);

impl Spans {
    pub(crate) fn of(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        Self(spans)
    }
}

impl std::fmt::Display for Spans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |mille: usize| {
            let place = (self.0.len() * mille).div_ceil(1_000).max(1) - 1;
            self.0.get(place).map_or(f64::NAN, |span| span.as_secs_f64() * 1e3)
        };
        write!(f, "p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms (of {})", ms(500), ms(990), ms(1_000), self.0.len())
    }
}
