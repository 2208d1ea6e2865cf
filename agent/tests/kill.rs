//! kill -9 at any moment: what was acknowledged is there, once, in order (P1).

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hempuls_agent::buffer::{Buffer, Config, Place, Room};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Content, Event, Kind, Origin, Signal};
use hempuls_protocol::ids::{Lane, Sequence};
use rand::{Rng as _, SeedableRng as _};

const STATE: &str = "HEMPULS_KILL_TEST_STATE";
const KILLS: u64 = 25;

#[test]
fn nothing_acknowledged_is_missing_or_there_twice_after_kills() {
    let state = tempfile::tempdir().unwrap();
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut acknowledged: BTreeSet<(u64, u64)> = BTreeSet::new();
    for _ in 0..KILLS {
        let mut child = appending_child(state.path());
        let patience = Duration::from_millis(random.random_range(60..400));
        std::thread::sleep(patience);
        child.kill().unwrap();
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            let Some((sequence, mark)) = line.strip_prefix("taken ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            assert!(acknowledged.insert((sequence.parse().unwrap(), mark.parse().unwrap())), "{line} twice");
        }
        child.wait().unwrap();
        let found = marks(state.path());
        let numbers: Vec<u64> = found.iter().map(|(sequence, _)| *sequence).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "a gap in {numbers:?}");
        let found: BTreeSet<_> = found.into_iter().collect();
        let missing: Vec<_> = acknowledged.difference(&found).collect();
        assert!(missing.is_empty(), "acknowledged and gone: {missing:?}");
    }
    assert!(acknowledged.len() > 100, "the children hardly got to write: {}", acknowledged.len());
}

/// Runs as the child: takes events for ever, many at a time, and says which were taken.
#[test]
fn child() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (buffer, _writer) = Buffer::open(Path::new(&state), &Config::default()).unwrap();
        loop {
            let takes = (0..7).map(|_| async {
                let mark: u64 = rand::random();
                let Origin { sequence, .. } = buffer.take(marked(mark)).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "taken {sequence} {mark}").unwrap();
                out.flush().unwrap();
            });
            futures::future::join_all(takes).await;
        }
    });
}

fn appending_child(state: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(STATE, state)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn marked(mark: u64) -> Kind {
    Kind::Signal(Signal::heard(
        "F0:F1:F2:F3:F4:F5".parse().unwrap(),
        Characteristic::BLOOD_PRESSURE_MEASUREMENT,
        mark.to_be_bytes().to_vec(),
    ))
}

/// Number and mark of every signal on flash.
fn marks(state: &Path) -> Vec<(u64, u64)> {
    let (buffer, writer) = Buffer::open(state, &Config::default()).unwrap();
    let held = buffer.state().flash.unwrap();
    let mut marks = Vec::new();
    let mut first = held.reading.oldest_kept;
    while first <= held.reading.last {
        let at = Place { epoch: held.epoch, lane: Lane::Reading, first };
        let events = buffer.read(at, held.reading.last, Room { events: 500, bytes: 1 << 20 }).unwrap();
        for bytes in events {
            let event = Event::from_bytes(&bytes, first).unwrap();
            if let Kind::Signal(signal) = Content::from_bytes(&event.content).unwrap().kind {
                marks.push((first.0, u64::from_be_bytes(signal.raw.as_slice().try_into().unwrap())));
            }
            first = Sequence(first.0 + 1);
        }
    }
    writer.close();
    marks
}
