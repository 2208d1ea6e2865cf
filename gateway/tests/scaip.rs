//! Alarm units report to the shipped gateway, as sipp, an independent SIP program, plays them.

mod place;
mod port;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use place::Place;
use serde_json::Value;

const UNIT: &str = "4600012345";

#[test]
fn a_press_at_an_alarm_unit_is_a_case_once_and_its_unit_is_told() {
    for transport in ["u1", "t1"] {
        let mut house = House::begin("", "60s");
        let press = message("A1", "<mty>ME</mty><dty>0003</dty><stc>0010</stc><lco>011</lco>");
        let told = house.unit_says(transport, &press, None);
        assert!(told.contains("<mrs><ref>A1</ref><snu>0</snu></mrs>"), "{transport}: {told}");
        let told_again = house.unit_says(transport, &press, None);
        assert!(told_again.contains("<mrs><ref>A1</ref><snu>0</snu></mrs>"), "{transport}: {told_again}");

        let alerts = house.alerts();
        assert_eq!(alerts.len(), 1, "the same message twice is one case: {alerts:?}");
        let alert = &alerts[0];
        assert_eq!((&alert["rule"], &alert["severity"]), (&"alarm_pressed".into(), &"high".into()));
        assert_eq!(alert["person"], house.ada.as_str());
        assert_eq!(
            texts(alert),
            [format!("Larm från trygghetslarmet {UNIT}: bärbar larmknapp, någon tryckte, i badrummet.")]
        );

        house.unit_says(transport, &message("A2", "<mty>RE</mty><dty>0003</dty>"), None);
        let alerts = house.alerts();
        assert_eq!((alerts.len(), &alerts[0]["state"]), (1, &"open".into()), "taking it back closes nothing");
        assert!(texts(&alerts[0])[1].contains("tar tillbaka larmet"), "{alerts:?}");

        house.unit_says(transport, &message("A3", "<dty>0777</dty><stc>0888</stc>"), None);
        assert!(
            texts(&house.alerts()[0])[2].contains("apparat av slag 777, händelse 888"),
            "unknown codes are an alarm"
        );
        let log = house.stop();
        assert!(!log.contains("did not receive its answer"), "{log}");
    }
}

#[test]
fn what_cannot_be_read_opens_a_case_for_whose_unit_it_names_and_strangers_are_sent_on() {
    let mut house = House::begin("", "60s");
    let cut = format!("<mrq><ref>B1</ref><cid>{UNIT}</cid><dty>0003</dty><crd>tel:0701740605");
    assert!(house.unit_says("u1", &cut, None).contains("<snu>2</snu>"));
    let letters = format!("<mrq><ref>B2</ref><cid>{UNIT}</cid><dty>3</dty><stc>x</stc></mrq>");
    assert!(house.unit_says("u1", &letters, None).contains("<mrs><ref>B2</ref><snu>3</snu>"));
    let alerts = house.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!((&alerts[0]["rule"], &alerts[0]["severity"]), (&"alarm_unreadable".into(), &"high".into()));
    assert_eq!((&alerts[0]["home"], texts(&alerts[0]).len()), (&house.home.as_str().into(), 2));

    let stranger = message("B3", "<dty>3</dty><stc>10</stc>").replace(UNIT, "999");
    assert!(house.unit_says("u1", &stranger, None).contains("<mrs><ref>B3</ref><snu>5</snu></mrs>"));
    assert_eq!(house.alerts().len(), 1);
    let log = house.stop();
    assert!(log.contains("no home has") && log.contains("cannot be read"), "{log}");
    assert!(!log.contains("0701740605"), "{log}");
}

#[test]
fn a_unit_that_waits_for_the_answer_in_the_response_gets_it_there() {
    let house = House::begin("answer_in_response = true\n", "60s");
    let press = message("C1", "<dty>3</dty><stc>10</stc>");
    let told = house.unit_says("u1", &press, Some("<mrs><ref>C1</ref><snu>0</snu></mrs>"));
    assert_eq!(told.matches("MESSAGE sip:").count(), 1, "nothing but the unit's own message: {told}");
    assert_eq!(house.alerts().len(), 1);
}

#[test]
fn a_unit_that_misses_three_signs_of_life_is_told_of_and_so_is_its_return() {
    let house = House::begin("", "1s");
    let alert = house.wait_for("the silence", |alerts| alerts.first().cloned());
    assert_eq!((&alert["rule"], &alert["severity"]), (&"device_trouble".into(), &"high".into()));
    assert_eq!(
        texts(&alert),
        [format!("Trygghetslarmet {UNIT} har aldrig hörts. Larm därifrån kommer kanske inte fram.")]
    );
    assert!(house.unit_says("u1", &message("D1", "<mty>PI</mty><dty>2</dty>"), None).contains("<snu>0</snu>"));
    house.wait_for("its return", |alerts| {
        texts(alerts.first()?).iter().any(|text| text.contains("hörs igen")).then_some(())
    });
    house.wait_for("the next silence", |alerts| {
        texts(alerts.first()?).iter().any(|text| text.contains("har inte hörts sedan")).then_some(())
    });
}

#[test]
fn a_peer_that_asks_and_does_not_read_keeps_no_unit_waiting() {
    let house = House::begin("", "60s");
    let mut deaf = TcpStream::connect(("127.0.0.1", house.scaip)).unwrap();
    deaf.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let body = message("E0", "<dty>3</dty>").replace(UNIT, "999");
    // More answers than fit between the two: some 400 bytes each.
    for number in 0..40_000 {
        let asked = format!(
            "MESSAGE sip:arc@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{number}\r\n\
             From: <sip:deaf@127.0.0.1>;tag=1\r\nTo: <sip:arc@127.0.0.1>\r\nCall-ID: {number}\r\nCSeq: 1 MESSAGE\r\n\
             Content-Type: application/scaip+xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if deaf.write_all(asked.as_bytes()).is_err() {
            break;
        }
    }

    let told = house.unit_says("u1", &message("E1", "<dty>3</dty><stc>10</stc>"), None);
    assert!(told.contains("<mrs><ref>E1</ref><snu>0</snu></mrs>"), "{told}");
    assert_eq!(house.alerts().len(), 1);
}

fn message(reference: &str, rest: &str) -> String {
    format!("<mrq><ref>{reference}</ref><cid>{UNIT}</cid>{rest}</mrq>")
}

/// What the story says of the matter itself: nobody works here who could be told.
fn texts(alert: &Value) -> Vec<String> {
    let lines = alert["lines"].as_array().expect("a story");
    let is_climbing = |line: &&Value| ["rung_passed", "nobody_answered"].iter().any(|kind| line["kind"] == *kind);
    lines
        .iter()
        .filter(|line| !is_climbing(line))
        .map(|line| line["text"].as_str().expect("words").to_owned())
        .collect()
}

/// A gateway that listens to one unit, in Ada's home.
struct House {
    folder: Place,
    gateway: Child,
    log: Option<std::thread::JoinHandle<String>>,
    home: String,
    ada: String,
    console: u16,
    scaip: u16,
}

impl House {
    fn begin(setting: &str, heartbeat: &str) -> Self {
        let folder = Place::new_and_wait();
        let [broker, enrolment, console, scaip] = [(); 4].map(|()| port::free());
        let text = format!(
            "data = \"data\"\n[broker]\nlisten = \"127.0.0.1:{broker}\"\n[enrolment]\nlisten = \"127.0.0.1:{enrolment}\"\n\
             [console]\nlisten = \"127.0.0.1:{console}\"\n[scaip]\nlisten = \"127.0.0.1:{scaip}\"\n{setting}{}",
            folder.settings()
        );
        std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
        let ask = |arguments: &[&str]| -> Value {
            let output = program(folder.path()).arg("--json").args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let home = ask(&["home", "add", "Storgatan 1"])["home"].as_str().unwrap().to_owned();
        let ada = ask(&["person", "add", "Ada", "--home", &home])["person"].as_str().unwrap().to_owned();
        ask(&["unit", "add", UNIT, "--home", &home, "--person", &ada, "--heartbeat", heartbeat]);
        let mut gateway = program(folder.path()).arg("run").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(gateway.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = String::new();
        for line in lines.by_ref() {
            said.push_str(&line);
            if line.contains(" ready ") {
                break;
            }
        }
        assert!(said.contains(" ready "), "{said}");
        let log = std::thread::spawn(move || said + &lines.collect::<Vec<_>>().join("\n"));
        Self { folder, gateway, log: Some(log), home, ada, console, scaip }
    }

    /// A unit sends this and hears what it is answered. `expected`: what the response itself must hold. Returns all that
    /// went over the wire.
    fn unit_says(&self, transport: &str, body: &str, expected: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let check = expected.map_or(String::new(), |text| {
            let text = text.replace('<', "&lt;").replace('>', "&gt;");
            format!("<action><ereg regexp=\"{text}\" search_in=\"msg\" check_it=\"true\" assign_to=\"1\"/></action>")
        });
        let used = expected.map_or("", |_| "<Reference variables=\"1\"/>");
        std::fs::write(
            folder.path().join("unit.xml"),
            UNIT_XML.replace("BODY", body).replace("CHECK", &check).replace("USED", used),
        )
        .unwrap();
        std::fs::write(folder.path().join("answered.xml"), ANSWERED_XML).unwrap();
        let port = port::free().to_string();
        let sipp: Output = Command::new("sipp")
            .current_dir(folder.path())
            .args([
                "-sf",
                "unit.xml",
                "-oocsf",
                "answered.xml",
                "-t",
                transport,
                "-m",
                "1",
                "-i",
                "127.0.0.1",
                "-p",
                &port,
            ])
            .args(["-trace_msg", "-message_file", "wire.log", "-nostdin", "-timeout", "30s", "-timeout_error"])
            .arg(format!("127.0.0.1:{}", self.scaip))
            .env("TERM", "dumb")
            .output()
            .expect("sipp runs: it is in Debian's package sip-tester");
        let wire = std::fs::read_to_string(folder.path().join("wire.log")).unwrap_or_default();
        assert!(
            sipp.status.success(),
            "{}\n{}\n{wire}",
            String::from_utf8_lossy(&sipp.stdout),
            String::from_utf8_lossy(&sipp.stderr)
        );
        wire
    }

    fn alerts(&self) -> Vec<Value> {
        let token = std::fs::read_to_string(self.folder.path().join("data/api-token")).unwrap();
        let mut wire = TcpStream::connect(("127.0.0.1", self.console)).unwrap();
        let head = format!(
            "GET /api/v1/alerts HTTP/1.0\r\nhost: localhost\r\naccept-language: sv\r\nauthorization: Bearer {}\r\n\r\n",
            token.trim()
        );
        wire.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        wire.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        body["alerts"].as_array().expect("a list").clone()
    }

    #[track_caller]
    fn wait_for<T>(&self, what: &str, seen: impl Fn(&[Value]) -> Option<T>) -> T {
        const PATIENCE: u32 = 300;
        for _ in 0..PATIENCE {
            if let Some(found) = seen(&self.alerts()) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("{what} did not come: {:?}", self.alerts());
    }

    fn stop(&mut self) -> String {
        let id = self.gateway.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.gateway.wait().unwrap().success());
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

const UNIT_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<scenario name="an alarm unit">
  <send retrans="500"><![CDATA[

    MESSAGE sip:arc@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: "Unit" <sip:unit@[local_ip]:[local_port]>;tag=[pid]unit[call_number]
    To: <sip:arc@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: 1 MESSAGE
    Contact: <sip:unit@[local_ip]:[local_port];transport=[transport]>
    Content-Type: application/scaip+xml
    Content-Length: [len]

    BODY]]></send>
  <recv response="200">CHECK</recv>
  <pause milliseconds="1500"/>
  USED
</scenario>
"#;

const ANSWERED_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<scenario name="its answer">
  <recv request="MESSAGE"/>
  <send><![CDATA[

    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]answer[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
</scenario>
"#;

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hempuls-gateway"));
    command.current_dir(folder).env_remove("RUST_LOG").stdout(Stdio::piped());
    command
}
