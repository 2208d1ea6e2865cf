//! `hempuls-agent bundle`: everything about the agent, and nothing about the person.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hempuls_agent::buffer::{self, Buffer};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Kind, Signal};

use crate::house::House;

/// A blood pressure that nobody else has.
const READING: [u8; 18] = [0x1E, 137, 0, 91, 0, 107, 0, 0xEA, 7, 11, 24, 10, 30, 0, 71, 0, 1, 0];
const KEY: &str = "5ac31d39c1d7cc1ab1aee224cd096db9";
/// What an installer may have written into a comment, and given to a command.
const NAME: &str = "Ada Lovelace";
const NUMBER: &str = "+46701740605";

#[test]
fn a_bundle_says_how_the_agent_does_and_holds_no_reading_no_key_and_no_name() {
    let mut house = House::installed(&format!(
        "# the home of {NAME}\n[feedback.hook]\ncommand = [\"/bin/true\", \"{NUMBER}\"]\n\
         [[device]] # {NAME}'s button\naddress = \"38:39:8F:70:B2:4E\"\nkind = \"alarm_button\"\nkey_file = \"key\"\n"
    ))
    .with("RUST_LOG", "trace");
    std::fs::write(house.folder().join("key"), KEY).unwrap();
    take_a_reading(&house.folder().join("state"));
    house.start();
    let files = bundle(&house);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = ["README.txt", "about.txt", "config.txt", "doctor.txt", "files.txt", "log.txt", "status.json"];
    assert_eq!(names, expected.map(|name| format!("hempuls-agent/{name}")));
    for (name, what) in [
        ("about.txt", env!("CARGO_PKG_VERSION")),
        ("config.txt", "38:39:8F:70:B2:4E alarm_button, with a key"),
        ("doctor.txt", "Agent          version"),
        ("files.txt", "bytes"),
        ("log.txt", "the agent runs"),
        ("status.json", "\"waiting\": 2"),
    ] {
        let content = String::from_utf8_lossy(&files[&format!("hempuls-agent/{name}")]).into_owned();
        assert!(content.contains(what), "{name}: {content}");
    }
    let reading_hex = hex(&READING);
    let reading_list = READING[1..6].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let key_bytes: Vec<u8> = (0..16).map(|n| u8::from_str_radix(&KEY[2 * n..2 * n + 2], 16).unwrap()).collect();
    for secret in [
        &READING[..],
        reading_hex.as_bytes(),
        reading_hex.to_uppercase().as_bytes(),
        reading_list.as_bytes(),
        &key_bytes,
        KEY.as_bytes(),
        NAME.as_bytes(),
        NUMBER.as_bytes(),
    ] {
        for (name, content) in &files {
            let is_in = content.windows(secret.len()).any(|window| window == secret);
            assert!(!is_in, "{:?} is in {name}", String::from_utf8_lossy(secret));
        }
    }
    house.stop();
}

#[test]
fn a_bundle_can_be_made_without_a_running_agent_and_takes_nobodys_place() {
    let house = House::installed("");
    let out = house.folder().join("bundle.tar");
    let made = house.command(&["bundle", "--out", out.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    assert!(String::from_utf8_lossy(&made.stderr).contains("not in it: status.json: no agent runs here"), "{made:?}");
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let again = house.command(&["bundle", "--out", out.to_str().unwrap()]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("there already"), "{again:?}");
}

fn take_a_reading(state: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (buffer, writer) = Buffer::open(state, &buffer::Config::default()).unwrap();
        let device = "F0:F1:F2:F3:F4:F5".parse().unwrap();
        let signal = Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, READING.to_vec());
        buffer.take(Kind::Signal(signal)).await.unwrap();
        writer.close();
    });
}

fn bundle(house: &House) -> BTreeMap<String, Vec<u8>> {
    let (out, log) = (house.folder().join("bundle.tar"), house.folder().join("log"));
    let made = house.command(&["bundle", "--out", out.to_str().unwrap(), "--log", log.to_str().unwrap()]);
    assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
    let mut archive = tar::Archive::new(std::fs::File::open(out).unwrap());
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(entry.path().unwrap().to_str().unwrap().to_owned(), content);
    }
    files
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
