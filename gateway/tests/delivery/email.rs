//! People who are told by e-mail, through a mail server that others wrote (aiosmtpd).

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use hempuls_gateway::delivery::course::{Outcome, State};
use serde_json::Value;

use crate::team::{Team, file};
use crate::ward::place::Place;

#[tokio::test]
async fn a_press_reaches_a_mailbox_over_tls_and_says_nothing_about_the_person() {
    let folder = Place::new().await;
    let server = MailServer::start(folder.path());
    let team = team(folder, &server, "anna@example.org", "correct horse").await;

    let alert = team.press("button").await;

    let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    let proof = Outcome::Delivered { proof: "250 2.0.0 queued as 4Xy1".into() };
    assert_eq!(told[0].attempts[0].ended.clone().unwrap().1, proof);
    let taken = &server.taken()[0];
    assert_eq!((taken["to"][0].as_str(), taken["tls"].as_bool()), (Some("anna@example.org"), Some(true)));
    let message = taken["message"].as_str().unwrap();
    for part in [
        "Subject: Hempuls: someone must act now\r\n",
        "Importance: high\r\n",
        "Auto-Submitted: auto-generated\r\n",
        &format!("Message-ID: <{}@example.org>\r\n", told[0].delivery),
        &format!("https://console.example/alerts/{alert}\r\n"),
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert!(!message.contains("Ada") && !message.contains("kitchen"), "{message}");
}

#[tokio::test]
async fn a_server_that_asks_to_come_again_is_asked_again() {
    let folder = Place::new().await;
    let server = MailServer::start(folder.path());
    let team = team(folder, &server, "later@example.org", "correct horse").await;

    let alert = team.press("button").await;

    let told = team.until(&alert, |told| told[0].course.state == State::Delivered).await;
    assert_eq!((told[0].attempts.len(), server.taken().len()), (2, 1));
    let (_, first) = told[0].attempts[0].ended.clone().unwrap();
    assert!(matches!(&first, Outcome::TryAgain { because, .. } if because.contains("come again")), "{first:?}");
}

#[tokio::test]
async fn a_no_a_wrong_password_and_an_unknown_authority_are_shown_without_an_address_and_nothing_is_sent() {
    for (to, password, trusts, said) in [
        ("nobody@example.org", "correct horse", true, "has no mailbox here"),
        ("anna@example.org", "wrong", true, "535"),
        ("anna@example.org", "correct horse", false, "invalid peer certificate"),
    ] {
        let folder = Place::new().await;
        let server = MailServer::start(folder.path());
        if !trusts {
            let (other, _) = certificate();
            file(folder.path(), "chain.pem", &other);
        }
        let team = team(folder, &server, to, password).await;

        let alert = team.press("button").await;

        let told = team.until(&alert, |told| told[0].attempts.iter().any(|attempt| attempt.ended.is_some())).await;
        let (_, outcome) = told[0].attempts[0].ended.clone().unwrap();
        assert!(outcome.because().contains(said) && !outcome.because().contains('@'), "{said}: {outcome:?}");
        assert_eq!((told[0].course.state, server.taken().len()), (State::Waiting, 0), "a press is never given up");
    }
}

/// A team that tells this mailbox.
pub(crate) async fn team(folder: Place, server: &MailServer, to: &str, password: &str) -> Team {
    file(folder.path(), "password", &format!("{password}\n"));
    let settings = format!(
        "console = \"https://console.example\"\n\
         email = {{ host = \"localhost\", port = {}, from = \"hempuls@example.org\", user = \"gateway\", \
                    password_file = \"password\", ca_file = \"chain.pem\" }}\n\
         [[always]]\nname = \"ward\"\nchannel = \"email\"\nto = \"{to}\"\nlanguage = \"en\"\n",
        server.port
    );
    Team::with(folder, &settings).await
}

/// A mail server on a port of its own, with a certificate for `localhost`.
pub(crate) struct MailServer {
    port: u16,
    taken: Arc<Mutex<Vec<Value>>>,
    process: Child,
}

impl MailServer {
    pub(crate) fn start(folder: &Path) -> Self {
        let (chain, key) = certificate();
        file(folder, "chain.pem", &chain);
        file(folder, "key.pem", &key);
        let mut process = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/delivery/mail.py"))
            .args([folder.join("chain.pem"), folder.join("key.pem")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's python3 is there");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let port = lines.next().expect("Debian's python3-aiosmtpd is there").unwrap().parse().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let inbox = Arc::clone(&taken);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                inbox.lock().expect("nobody panics here").push(serde_json::from_str(&line).expect("a JSON line"));
            }
        });
        Self { port, taken, process }
    }

    pub(crate) fn taken(&self) -> Vec<Value> {
        self.taken.lock().expect("nobody panics here").clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A certificate that is its own authority, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
