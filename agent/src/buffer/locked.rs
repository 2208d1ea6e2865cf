//! A buffer whose key is changed, lost and found again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{BufferDamaged, Content, Damage, Event, Kind, Origin, Signal};
use hempuls_protocol::ids::{Lane, Sequence};
use tempfile::TempDir;

use super::{Buffer, Config, Held, Limits, Place, Room, Writer};

const OLD: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const NEW: &str = "0202020202020202020202020202020202020202020202020202020202020202";

#[tokio::test]
async fn nothing_that_was_heard_can_be_read_on_flash() {
    let home = Home::with_key(OLD);
    let (buffer, writer) = home.open();
    buffer.take(reading("measured at home")).await.unwrap();
    buffer.take_press(press(), "38:39:8F:70:B2:4E".parse().unwrap(), 7).await.unwrap();
    close(buffer, writer);
    for secret in ["measured at home", "F0:F1:F2:F3:F4:F5", "38:39:8F:70:B2:4E"] {
        assert!(!holds(&home.state(), secret.as_bytes()), "{secret:?} lies on flash as it is");
    }
    let (buffer, writer) = home.open();
    assert!(buffer.flash().encrypted);
    assert_eq!(buffer.counters().values().collect::<Vec<_>>(), [&7]);
    close(buffer, writer);
}

#[tokio::test]
async fn a_key_in_the_state_folder_is_not_said_to_protect_anything() {
    let home = Home(tempfile::tempdir().unwrap());
    let (buffer, writer) = home.open();
    assert!(!buffer.flash().encrypted);
    close(buffer, writer);
}

#[tokio::test]
async fn a_new_key_is_used_for_everything_and_the_old_one_can_go() {
    let home = Home::with_key(OLD);
    let (buffer, writer) = home.open();
    let first = buffer.take(reading("first")).await.unwrap();
    close(buffer, writer);

    home.write_keys(&[NEW, OLD]);
    let (buffer, writer) = home.open();
    home.until_written_anew(&buffer).await;
    assert_eq!(buffer.take(reading("second")).await.unwrap().epoch, first.epoch, "the same life goes on");
    close(buffer, writer);

    home.write_keys(&[NEW]);
    let (buffer, writer) = home.open();
    assert_eq!(said(&buffer), [(None, "first".into()), (None, "second".into())]);
    assert_eq!(held(&buffer).epoch, first.epoch);
    close(buffer, writer);
}

#[tokio::test]
async fn a_lost_key_is_reported_and_what_it_locked_is_taken_again_when_it_is_found() {
    let home = Home::with_key(OLD);
    let (buffer, writer) = home.open();
    let receipted = buffer.take(reading("receipted")).await.unwrap();
    let waiting = buffer.take(reading("waiting")).await.unwrap();
    buffer.receipted(receipted.epoch, Lane::Reading, receipted.sequence);
    close(buffer, writer);

    fs::remove_file(home.keys()).unwrap();
    let (buffer, writer) = home.open();
    let second = buffer.take(reading("without the key")).await.unwrap();
    assert_ne!(second.epoch, receipted.epoch);
    assert_eq!((second.sequence, buffer.flash().encrypted), (Sequence(3), false));
    let damaged = Kind::BufferDamaged(BufferDamaged { damage: Damage::KeyLost, taken_again: 0 });
    assert_eq!(kind(&buffer, Sequence(2)), damaged);
    let Kind::Began(began) = kind(&buffer, Sequence(1)) else { panic!("a lane begins") };
    let previous = began.previous.unwrap();
    assert_eq!((previous.epoch, previous.last_taken), (receipted.epoch, Some(waiting.sequence)));
    close(buffer, writer);

    home.write_keys(&[OLD]);
    let (buffer, writer) = home.open();
    while held(&buffer).reading.last == second.sequence {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(said(&buffer), [(None, "without the key".into()), (Some(waiting), "waiting".into())]);
    assert_eq!(held(&buffer).epoch, second.epoch);
    assert!(buffer.flash().encrypted);
    assert!(!home.state().join("buffer.locked-1").exists());
    close(buffer, writer);
}

/// A state folder, and a file with keys beside it.
struct Home(TempDir);

impl Home {
    fn with_key(key: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write_keys(&[key]);
        home
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("keys")
    }

    fn write_keys(&self, keys: &[&str]) {
        fs::write(self.keys(), keys.join("\n")).unwrap();
    }

    fn open(&self) -> (Buffer, Writer) {
        let limits = Limits { quiet: Duration::from_millis(20), ..Limits::default() };
        let key_file = Some(self.keys()).filter(|keys| keys.exists());
        Buffer::open(&self.state(), &Config { key_file, limits }).unwrap()
    }

    /// Written anew: the files of the present buffer are others than before.
    async fn until_written_anew(&self, buffer: &Buffer) {
        let present = || fs::metadata(self.state().join("buffer/db")).map(|file| file.created().unwrap());
        let before = present().unwrap();
        while present().map_or(true, |now| now == before) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Whoever reads waits until the new one is in place.
        while buffer.read(place(held(buffer), Sequence(1)), Sequence(1), ONE).is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

const ONE: Room = Room { events: 1, bytes: 0 };

/// A buffer that is still held somewhere else keeps its files.
fn close(buffer: Buffer, writer: Writer) {
    drop(buffer);
    writer.close();
}

fn held(buffer: &Buffer) -> Held {
    buffer.state().flash.unwrap()
}

fn place(held: Held, first: Sequence) -> Place {
    Place { epoch: held.epoch, lane: Lane::Reading, first }
}

fn event(buffer: &Buffer, number: Sequence) -> Event {
    let bytes = buffer.read(place(held(buffer), number), number, ONE).unwrap();
    Event::from_bytes(&bytes[0], number).unwrap()
}

fn kind(buffer: &Buffer, number: Sequence) -> Kind {
    Content::from_bytes(&event(buffer, number).content).unwrap().kind
}

/// Origin and payload of every reading.
fn said(buffer: &Buffer) -> Vec<(Option<Origin>, String)> {
    (1..=held(buffer).reading.last.0)
        .map(Sequence)
        .filter_map(|number| match kind(buffer, number) {
            Kind::Signal(signal) => {
                Some((event(buffer, number).origin, String::from_utf8(signal.raw.to_vec()).unwrap()))
            }
            _ => None,
        })
        .collect()
}

fn reading(payload: &str) -> Kind {
    let device = "F0:F1:F2:F3:F4:F5".parse().unwrap();
    Kind::Signal(Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, payload.as_bytes().to_vec()))
}

fn press() -> Kind {
    let device = "38:39:8F:70:B2:4E".parse().unwrap();
    Kind::Alarm(hempuls_protocol::event::Alarm::pressed(device, vec![1]))
}

fn holds(folder: &Path, secret: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, secret);
        }
        fs::read(path).unwrap().windows(secret.len()).any(|bytes| bytes == secret)
    })
}
