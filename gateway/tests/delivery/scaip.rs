//! An alarm receiving centre, as sipp, an independent SIP program, plays it.

use std::collections::HashSet;
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hempuls_gateway::alerts::health::{self, Found};
use hempuls_gateway::alerts::{About, Line, Severity};
use hempuls_gateway::clock;
use hempuls_gateway::delivery::course::{Outcome, State};
use hempuls_gateway::store::centre::{self as numbers, Number};
use hempuls_gateway::store::outbox::Shown;
use hempuls_gateway::store::ways;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::team::{Team, eventually, file};
use crate::ward::place;

const OK: &str = "0";
const HOLD: &str = "4";
const NOT_TREATED: &str = "5";
const BUSY: &str = "6";

#[tokio::test]
async fn a_press_is_delivered_when_the_centre_says_so_in_the_response_or_in_a_message_of_its_own() {
    for (transport, way) in [("u1", ""), ("t1", ";transport=tcp")] {
        for place in [Place::Response, Place::Message] {
            let centre = Centre::that(transport, &place.scenario(), &[OK]);
            let team = team(&[format!("sip:arc@127.0.0.1:{}{way}", centre.port)], "").await;
            let mut work = team.store.work().await.unwrap();
            let number = Number { person: None, home: Some(team.home.clone()), number: "4600012345".into() };
            numbers::set(&mut work, &number, "Lena", clock::now_ms()).await.unwrap();
            work.commit().await.unwrap();

            let alert = team.press("button").await;

            let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
            let (_, Outcome::Delivered { proof }) = told[0].attempts[0].ended.clone().unwrap() else { panic!() };
            assert!(proof.starts_with("the first receiver: mrs 0 to message "), "{proof}");
            let wire = centre.wire();
            let reference = proof.rsplit(' ').next().unwrap();
            let said = format!(
                "<mrq><ref>{reference}</ref><mty>ME</mty><cid>4600012345</cid><dty>0003</dty><stc>0010</stc>\
                 <crd>no-voice:</crd></mrq>"
            );
            assert!(wire.contains(&said), "{transport}: {wire}");
            assert!(wire.contains("Content-Type: application/scaip+xml"), "{wire}");
            assert!(!wire.contains("Ada") && !wire.contains("kitchen") && !wire.contains(&alert), "{wire}");
        }
    }
}

#[tokio::test]
async fn a_press_reaches_the_centre_over_tls_and_nobody_who_cannot_prove_its_name() {
    let centre = Centre::that("t1", &Place::Message.scenario(), &[OK]);
    let known = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let port = behind_tls(&known, centre.port).await;
    let receivers = [format!("sips:arc@localhost:{port}")];
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (trusted, is_delivered) in [(&stranger, false), (&known, true)] {
        let folder = place::Place::new().await;
        file(folder.path(), "ca.pem", &trusted.cert.pem());
        let team = team_in(folder, &receivers, "ca_file = \"ca.pem\"\n").await;

        let alert = team.press("button").await;

        let told = team.until(&alert, has_ended).await;
        let said = first(&told);
        assert_eq!(matches!(said, Outcome::Delivered { .. }), is_delivered, "{said:?}");
        if !is_delivered {
            assert!(said.because().contains("certificate is not for its name, not trusted"), "{said:?}");
            assert_eq!(centre.wire(), "");
        }
    }
}

#[tokio::test]
async fn a_centre_that_is_busy_or_does_not_treat_it_sends_the_press_to_the_second_receiver_at_once() {
    for (answer, said) in [(BUSY, "is busy (mrs 6)"), (NOT_TREATED, "does not treat it (mrs 5)")] {
        let busy = Centre::that("u1", &Place::Response.scenario(), &[answer]);
        let next = Centre::that("u1", &Place::Response.scenario(), &[OK]);
        let team = team(&[busy.udp(), next.udp()], "").await;

        let alert = team.press("button").await;

        let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
        assert_eq!(told[0].attempts.len(), 1, "within the same attempt");
        assert!(first(&told).because().starts_with("the second receiver: mrs 0"), "{told:?}");
        assert_eq!(busy.references(), next.references(), "under the same reference");

        let (one, two) = (Centre::that("u1", &Place::Response.scenario(), &[answer]), Centre::dead());
        let team = self::team(&[one.udp(), format!("sip:arc@127.0.0.1:{two};transport=tcp")], "").await;
        let alert = team.press("button").await;
        let told = team.until(&alert, has_ended).await;
        let nobody = format!("the first receiver {said}; the second receiver takes no connection: connection refused");
        assert_eq!(first(&told), Outcome::TryAgain { after: None, because: nobody });
        assert_eq!(told[0].course.state, State::Waiting);
    }
}

#[tokio::test]
async fn a_centre_that_takes_the_message_and_answers_nothing_is_sent_it_again_and_then_the_second_is_asked() {
    let mute = Centre::that("u1", MUTE, &[OK]);
    let next = Centre::that("u1", &Place::Message.scenario(), &[OK]);
    let team = team(&[mute.udp(), next.udp()], "").await;

    let alert = team.press("button").await;

    let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    assert_eq!(told[0].attempts.len(), 1);
    assert_eq!((mute.references().len(), next.references().len()), (2, 1), "it was sent once more: {}", mute.wire());
    assert_eq!(mute.references()[0], next.references()[0]);

    let alert = team.press("another").await;
    team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    assert_eq!(mute.references().len(), 2, "whoever did not answer is not waited for again");
}

#[tokio::test]
async fn a_centre_that_says_hold_is_asked_again_under_the_same_reference_and_it_alone() {
    let holds = Centre::that("u1", &Place::Message.scenario(), &[HOLD, OK]);
    let next = Centre::that("u1", &Place::Message.scenario(), &[OK]);
    let team = team(&[holds.udp(), next.udp()], "").await;

    let alert = team.press("button").await;

    let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    let said: Vec<String> =
        told[0].attempts.iter().map(|attempt| attempt.ended.clone().unwrap().1.because().to_owned()).collect();
    assert_eq!(said[0], "the first receiver says hold (mrs 4)");
    assert!(said.len() == 2 && said[1].starts_with("the first receiver: mrs 0"), "{said:?}");
    let references = holds.references();
    assert!(references.len() == 2 && references[0] == references[1], "{references:?}");
    assert_eq!(next.references(), [""; 0]);
}

#[tokio::test]
async fn a_centre_that_asks_who_is_there_is_shown_and_believes_only_the_right_password() {
    for (password, is_delivered) in [("correct horse", true), ("wrong", false)] {
        let centre = Centre::that("u1", ASKS, &[OK]);
        let folder = place::Place::new().await;
        file(folder.path(), "password", password);
        let team = team_in(folder, &[centre.udp()], "password_file = \"password\"\n").await;

        let alert = team.press("button").await;

        let told = team.until(&alert, has_ended).await;
        assert_eq!(matches!(first(&told), Outcome::Delivered { .. }), is_delivered, "{told:?} {}", centre.wire());
        assert!(!centre.wire().contains(password));
    }
}

#[tokio::test]
async fn a_centre_that_falls_silent_is_an_alert_and_so_is_its_return() {
    let (port, team) = {
        let centre = Centre::that("u1", &Place::Response.scenario(), &[OK]);
        let team = team(&[centre.udp()], "heartbeat = \"1s\"\n").await;
        team.supervise();
        eventually(async || numbers::receivers(team.store.reader()).await.unwrap().pop()).await;
        assert!(centre.wire().contains("<mty>PI</mty><cid>4711</cid>"), "{}", centre.wire());
        assert_eq!(trouble(&team).await, None);
        let mut known = HashSet::new();
        team.schedule().look(&mut known, clock::now_ms()).await.unwrap();
        let whole = eventually(async || {
            ways::all(team.store.reader()).await.unwrap().pop().filter(|way| way.proven_ms.is_some())
        })
        .await;
        assert_eq!((whole.channel.as_str(), whole.address.as_str(), whole.asked_ms), ("scaip", "", None));
        (centre.port, team)
    };

    let (severity, line) = eventually(async || trouble(&team).await).await;
    let Line::Health(Found::ReceiverSilent { receiver: 1, is_last: true, because }) = &line else { panic!("{line:?}") };
    assert_eq!((severity, because.as_str()), (Severity::High, "gave no answer in time"));

    let _again = Centre::at(port, "u1", &Place::Response.scenario(), &[OK]);
    let over = Line::Health(Found::ReceiverAnswers { receiver: 1 });
    eventually(async || trouble(&team).await.filter(|(_, line)| *line == over)).await;
}

async fn trouble(team: &Team) -> Option<(Severity, Line)> {
    let mut work = team.store.work().await.unwrap();
    let about = About::Channel("scaip/1".into());
    let (id, case) = hempuls_gateway::store::alerts::open_case(&mut work, health::CHANNEL, &about).await.unwrap()?;
    let lines = hempuls_gateway::store::alerts::lines(&mut work, &id).await.unwrap();
    Some((case.severity, lines.last().expect("a story").clone()))
}

fn has_ended(told: &[Shown]) -> bool {
    told[0].attempts.iter().any(|attempt| attempt.ended.is_some())
}

fn first(told: &[Shown]) -> Outcome {
    told[0].attempts[0].ended.clone().expect("it has ended").1
}

async fn team(receivers: &[String], more: &str) -> Team {
    team_in(place::Place::new().await, receivers, more).await
}

async fn team_in(folder: place::Place, receivers: &[String], more: &str) -> Team {
    let settings = format!(
        "console = \"https://console.example\"\n[[always]]\nname = \"centre\"\nchannel = \"scaip\"\nto = \"4711\"\n\
         about = \"alarms\"\n[scaip]\nreceivers = {receivers:?}\nidentity = \"sip:hempuls@care.example\"\n\
         number = \"4711\"\n{more}"
    );
    Team::with(folder, &settings).await
}

/// TLS with this certificate before a port. Debian's sipp has no TLS.
async fn behind_tls(own: &rcgen::CertifiedKey<rcgen::KeyPair>, port: u16) -> u16 {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outer = acceptor.accept(stream).await?;
                let mut inner = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    });
    local
}

/// Where the centre's own answer stands.
enum Place {
    Response,
    Message,
}

impl Place {
    fn scenario(&self) -> String {
        match self {
            Self::Response => format!("{HEARD}{RESPONSE}"),
            Self::Message => format!("{HEARD}{TAKEN}{MESSAGE}"),
        }
    }
}

/// A centre that answers its messages one after the other with these numbers, and again from the first.
struct Centre {
    folder: tempfile::TempDir,
    sipp: Child,
    port: u16,
}

impl Centre {
    fn that(transport: &str, scenario: &str, answers: &[&str]) -> Self {
        Self::at(Self::dead(), transport, scenario, answers)
    }

    fn at(port: u16, transport: &str, scenario: &str, answers: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenario = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"an alarm centre\">{scenario}</scenario>"
        );
        std::fs::write(folder.path().join("centre.xml"), scenario).unwrap();
        std::fs::write(folder.path().join("answers.csv"), format!("SEQUENTIAL\n{}\n", answers.join(";\n"))).unwrap();
        let said = std::fs::File::create(folder.path().join("said.log")).unwrap();
        let sipp = Command::new("sipp")
            .current_dir(folder.path())
            .args(["-sf", "centre.xml", "-inf", "answers.csv", "-t", transport, "-i", "127.0.0.1"])
            .args(["-p", &port.to_string(), "-trace_msg", "-message_file", "wire.log", "-nostdin"])
            .args(["-au", "hempuls", "-ap", "correct horse"])
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .expect("sipp runs: it is in Debian's package sip-tester");
        let centre = Self { folder, sipp, port };
        let is_up = || match transport {
            "u1" => UdpSocket::bind(("127.0.0.1", port)).is_err(),
            _ => TcpListener::bind(("127.0.0.1", port)).is_err(),
        };
        for _ in 0..200 {
            if is_up() {
                return centre;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("sipp does not listen: {}", std::fs::read_to_string(centre.folder.path().join("said.log")).unwrap());
    }

    /// A port on which nobody listens.
    fn dead() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn udp(&self) -> String {
        format!("sip:arc@127.0.0.1:{}", self.port)
    }

    /// All that went over the wire.
    fn wire(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("wire.log")).unwrap_or_default()
    }

    /// The reference of each message that came.
    fn references(&self) -> Vec<String> {
        let wire = self.wire();
        let messages = wire.split("<mrq><ref>").skip(1);
        messages.map(|rest| rest.split('<').next().expect("a reference").to_owned()).collect()
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.sipp.kill();
        let _ = self.sipp.wait();
    }
}

/// A message comes, of which the reference is kept.
const HEARD: &str = r#"
  <recv request="MESSAGE"><action>
    <ereg regexp="&lt;ref&gt;([0-9a-zA-Z]+)&lt;" search_in="msg" check_it="true" assign_to="all,ref"/>
  </action></recv>
  <Reference variables="all"/>
"#;

const RESPONSE: &str = r"
  <send><![CDATA[

    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]centre[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Type: application/scaip+xml
    Content-Length: [len]

    <mrs><ref>[$ref]</ref><snu>[field0]</snu></mrs>]]></send>
";

const TAKEN: &str = r"
  <send><![CDATA[

    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]centre[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
";

const MESSAGE: &str = r#"
  <send retrans="500"><![CDATA[

    MESSAGE sip:hempuls@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: <sip:arc@[local_ip]:[local_port]>;tag=[pid]centre[call_number]
    To: <sip:hempuls@care.example>
    Call-ID: [call_id]
    CSeq: 9 MESSAGE
    Content-Type: application/scaip+xml
    Content-Length: [len]

    <mrs><ref>[$ref]</ref><snu>[field0]</snu><mre>00</mre></mrs>]]></send>
  <recv response="200"/>
"#;

/// A centre whose server takes messages, and nobody behind it answers.
const MUTE: &str = r#"
  <recv request="MESSAGE"/>
  <send><![CDATA[

    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]centre[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
  <recv request="MESSAGE"/>
  <send><![CDATA[

    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]centre[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
"#;

/// A centre that wants to see who is there.
const ASKS: &str = r#"
  <recv request="MESSAGE"/>
  <send><![CDATA[

    SIP/2.0 401 Unauthorized
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]centre[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    WWW-Authenticate: Digest realm="centre", nonce="47364c23432d2e131a5fb210812c", qop="auth", algorithm=MD5
    Content-Length: 0

  ]]></send>
  <recv request="MESSAGE"><action>
    <ereg regexp="&lt;ref&gt;([0-9a-zA-Z]+)&lt;" search_in="msg" check_it="true" assign_to="all,ref"/>
    <verifyauth assign_to="is_right" username="hempuls" password="correct horse"/>
  </action></recv>
  <Reference variables="all"/>
  <nop next="right" test="is_right"/>
  <send next="end"><![CDATA[

    SIP/2.0 403 Forbidden
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]centre[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
  <label id="right"/>
  <send><![CDATA[

    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]centre[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Type: application/scaip+xml
    Content-Length: [len]

    <mrs><ref>[$ref]</ref><snu>0</snu></mrs>]]></send>
  <label id="end"/>
"#;
