//! systemd and the shipped agent: this test plays systemd, on a socket of its own.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::house::House;

/// How long the agent may say nothing.
const LIMIT: Duration = Duration::from_secs(3);
/// What the agent promises for its stop.
const STOP: Duration = Duration::from_secs(2);

#[test]
fn ready_is_said_once_the_buffer_is_open_and_all_parts_come_round_and_then_that_the_agent_lives() {
    let (mut house, systemd) = House::installed("").watched();
    house.launch();
    let said = systemd.hears("READY=1");
    assert!(house.folder().join("state/buffer").exists(), "the buffer was open before that");
    assert!(
        said.iter().any(|line| line == "STATUS=no connection to the gateway; 2 events wait; 0 devices"),
        "{said:?}"
    );
    assert!(house.command(&["status"]).status.success(), "and the socket");
    for _ in 0..4 {
        systemd.hears("WATCHDOG=1");
    }
    house.stop();
    systemd.hears("STOPPING=1");
}

#[test]
fn an_agent_whose_flash_does_not_return_says_no_more_that_it_lives_and_stops_in_time_all_the_same() {
    let (mut house, systemd) = House::installed("").watched();
    house.launch();
    systemd.hears("READY=1");
    // A file that is written with every event, and whose opening does not return before somebody reads it.
    let last = house.folder().join("state/last");
    std::fs::remove_file(&last).unwrap();
    mknodat(CWD, &last, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut alarm = house.spawn(&["alarm"]);
    systemd.hears("STATUS=waits for the flash");
    let began = now();
    while began.elapsed() < LIMIT * 2 {
        let said = systemd.next(Duration::from_millis(200));
        assert_ne!(said.as_deref(), Some("WATCHDOG=1"), "while the thread that writes hangs");
    }
    let began = now();
    house.stop();
    assert!(began.elapsed() < STOP, "{:?}", began.elapsed());
    alarm.wait().unwrap();
}

#[test]
fn an_agent_whose_flash_returns_says_again_that_it_lives() {
    let (mut house, systemd) = House::installed("").watched();
    house.launch();
    systemd.hears("READY=1");
    let last = house.folder().join("state/last");
    std::fs::remove_file(&last).unwrap();
    mknodat(CWD, &last, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut alarm = house.spawn(&["alarm"]);
    systemd.hears("STATUS=waits for the flash");
    let reader = std::thread::spawn(move || std::fs::read(last));
    systemd.hears("WATCHDOG=1");
    house.stop();
    reader.join().unwrap().unwrap();
    alarm.wait().unwrap();
}

/// What systemd hears.
struct Systemd(UnixDatagram);

impl House {
    fn watched(self) -> (Self, Systemd) {
        let socket = self.folder().join("notify");
        let heard = UnixDatagram::bind(&socket).unwrap();
        let limit = LIMIT.as_micros().to_string();
        let house = self.with("NOTIFY_SOCKET", socket.to_str().unwrap()).with("WATCHDOG_USEC", limit);
        (house, Systemd(heard))
    }
}

impl Systemd {
    /// The next thing that is said within some time.
    fn next(&self, within: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut message = [0; 4096];
        match self.0.recv(&mut message) {
            Ok(length) => Some(std::str::from_utf8(&message[..length]).unwrap().trim().to_owned()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until something is said, and gives all that was said.
    fn hears(&self, awaited: &str) -> Vec<String> {
        let began = now();
        let mut said = Vec::new();
        while began.elapsed() < Duration::from_secs(60) {
            for line in self.next(Duration::from_secs(1)).iter().flat_map(|message| message.lines()) {
                said.push(line.to_owned());
            }
            if said.iter().any(|line| line == awaited) {
                return said;
            }
        }
        panic!("never {awaited}: {said:?}");
    }
}

#[allow(clippy::disallowed_methods, reason = "a test measures how long the agent takes")]
fn now() -> Instant {
    Instant::now()
}
