//! A flash that takes no more: nothing that was acknowledged is lost, and the agent goes on.

use std::path::Path;
use std::process::{Command, Stdio};

use hempuls_agent::buffer::{Buffer, Place, Room};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Alarm, Kind, Signal};
use hempuls_protocol::ids::{Lane, Sequence};

const STATE: &str = "HEMPULS_FULL_TEST_STATE";

#[test]
fn a_flash_that_takes_no_more_loses_nothing_that_was_acknowledged() {
    let state = tempfile::tempdir().unwrap();
    // No file may grow beyond 256 KiB: 512 blocks of 512 bytes.
    let limited = "trap '' XFSZ; ulimit -f 512; exec \"$0\" --exact child --nocapture --test-threads=1";
    let child = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .env(STATE, state.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{said}");
    let taken: u64 = said.lines().find_map(|line| line.strip_prefix("readings ")).unwrap().parse().unwrap();
    assert!(taken > 100, "{said}");

    let (buffer, writer) = Buffer::open(state.path()).unwrap();
    let held = buffer.state();
    assert_eq!(held.reading.last, Sequence(taken + 1), "the beginning, and every reading that was acknowledged");
    let mut first = Sequence(1);
    while first <= held.reading.last {
        let at = Place { epoch: held.epoch, lane: Lane::Reading, first };
        let events = buffer.read(at, held.reading.last, Room { events: 100, bytes: 1 << 20 }).unwrap();
        first = Sequence(first.0 + events.len() as u64);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(buffer.take(reading())).is_ok(), "with room again, readings are taken again");
    writer.close();
}

/// Runs as the child: fills the flash, and says how much of each was taken.
#[test]
fn child() {
    let Some(state) = std::env::var_os(STATE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (buffer, writer) = Buffer::open(Path::new(&state)).unwrap();
        let mut readings = 0;
        while buffer.take(reading()).await.is_ok() {
            readings += 1;
        }
        let mut alarms = 0;
        for counter in 0..100 {
            alarms += u32::from(buffer.take(press(counter)).await.is_ok());
            readings += u32::from(buffer.take(reading()).await.is_ok());
        }
        println!("\nreadings {readings}\nalarms {alarms}\nrefused {}", buffer.heard_and_refused().1);
        writer.close();
    });
}

fn reading() -> Kind {
    Kind::Signal(Signal::heard(
        "F0:F1:F2:F3:F4:F5".parse().unwrap(),
        Characteristic::BLOOD_PRESSURE_MEASUREMENT,
        rand::random::<[u8; 32]>().repeat(16),
    ))
}

fn press(counter: u32) -> Kind {
    Kind::Alarm(Alarm {
        counter: Some(counter),
        authentic: true,
        ..Alarm::pressed("38:39:8F:70:B2:4E".parse().unwrap(), vec![0; 15])
    })
}
