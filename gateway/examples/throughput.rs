//! Measures a whole gateway on this machine: readings per second through TLS, broker and ingest to the receipt, and how
//! long a press takes from its publish to its receipt, alone and while readings come as fast as they are taken.
//!
//! `cargo run --release -p hempuls-gateway --example throughput`

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

#[allow(dead_code, reason = "the benchmark needs only a part of it")]
#[path = "../tests/ward/mod.rs"]
mod ward;

use std::time::{Duration, Instant};

use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::wire::envelope::Envelope;
use ward::{Client, Ward, began, events, press, reading, taken};

const READINGS: u64 = 100_000;
const PRESSES: u32 = 200;
const IN_AN_ENVELOPE: [u64; 2] = [200, 1];
const UNRECEIPTED: u64 = 8;

#[tokio::main]
async fn main() {
    let ward = Ward::open().await;
    let idle = presses(&ward, "alone").await;
    for size in IN_AN_ENVELOPE {
        let count = if size == 1 { READINGS / 10 } else { READINGS };
        let (rate, cpu) = drain(&ward, count, size).await;
        println!(
            "{count} readings, {size} to a message: {rate:.0} readings/s, {cpu:.2} CPU s per 10,000 (publisher included)"
        );
    }
    println!("press to receipt, alone: {idle}");
    let papers = ward.enrol("backlog").await;
    let mut agent = Client::connect(&ward, &papers).await;
    let busy = async {
        let mut first = 1;
        loop {
            first = send_window(&mut agent, first, u64::MAX, 200).await;
        }
    };
    tokio::select! {
        latency = presses(&ward, "busy") => println!("press to receipt, while a backlog drains: {latency}"),
        () = busy => {}
    }
    let odd = ward.count("SELECT count(*) FROM event WHERE disposition <> 'stored'").await;
    assert_eq!(odd, 0, "everything was stored");
    ward.close().await;
}

/// Sends readings of an agent of its own and waits for the last receipt.
async fn drain(ward: &Ward, count: u64, size: u64) -> (f64, f64) {
    let papers = ward.enrol("drain").await;
    let mut agent = Client::connect(ward, &papers).await;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut first = 1;
    while first <= count {
        first = send_window(&mut agent, first, count, size).await;
    }
    (count as f64 / start.elapsed().as_secs_f64(), (cpu_seconds() - cpu) / (count as f64 / 10_000.0))
}

/// Sends a window of envelopes and waits until all of it is receipted. Returns the next number.
async fn send_window(agent: &mut Client, first: u64, count: u64, size: u64) -> u64 {
    let topic = format!("hempuls/v1/{}/up/reading", agent.agent);
    let mut next = first;
    for _ in 0..UNRECEIPTED {
        if next > count {
            break;
        }
        let last = (next + size - 1).min(count);
        let contents: Vec<_> =
            (next..=last).map(|n| if n == 1 { began() } else { reading(100 + (n % 60) as u8, 80, n) }).collect();
        let envelope = Envelope::pack(Epoch(1), Sequence(next), taken(count), events(next, &contents));
        agent.queue(&topic, envelope.to_bytes());
        next = last + 1;
    }
    while agent.receipt().await.through < Sequence(next - 1) {}
    next
}

async fn presses(ward: &Ward, name: &str) -> String {
    let papers = ward.enrol(name).await;
    let mut agent = Client::connect(ward, &papers).await;
    let mut took = Vec::new();
    for n in 1..=PRESSES {
        let start = Instant::now();
        let pressed =
            press(n + papers.home.len() as u32 * if name == "busy" { 1000 } else { 1 }, u64::from(n) * 700_000);
        agent.send(Lane::Alarm, Epoch(1), u64::from(n), &[pressed]).await;
        while agent.receipt().await.through < Sequence(u64::from(n)) {}
        took.push(start.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    took.sort();
    let at = |share: usize| took[took.len() * share / 100].as_secs_f64() * 1000.0;
    let max = took.last().map_or(0.0, Duration::as_secs_f64) * 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {max:.1} ms", at(50), at(99))
}

/// Processor time of this process, from `/proc/self/stat`, in seconds (100 ticks each).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |place: usize| {
        after_name.split_whitespace().nth(place).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}
