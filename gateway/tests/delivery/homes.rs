//! Silent tests from homes: whom a press would tell, that nobody is told, and homes whose last proof is too old.

use std::collections::HashSet;
use std::time::Duration;

use hempuls_gateway::alerts::judge::Settings;
use hempuls_gateway::alerts::rules::alarm_pressed::{self, Press};
use hempuls_gateway::alerts::rules::silent_home;
use hempuls_gateway::alerts::{self, About, Act, Concern, line, rules};
use hempuls_gateway::clock;
use hempuls_gateway::delivery::{Channel, Recipient};
use hempuls_gateway::escalation::plan::{Plan, Step, Waits, Whom};
use hempuls_gateway::proof::homes::watch::Watch;
use hempuls_gateway::proof::homes::{self, Config, Stop, rehearsal};
use hempuls_gateway::store::assignments::{self, Assignment};
use hempuls_gateway::store::devices::{self, NewDevice};
use hempuls_gateway::store::homes_page::{self, Agent};
use hempuls_gateway::store::{
    alerts as cases, escalations, home_proofs, homes as stored, outbox, query, query_scalar, silence, silent_tests,
    teams,
};
use hempuls_gateway::wording::Lang;
use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::event::{Content, Kind};
use hempuls_protocol::ids::{Epoch, Lane};
use jiff::tz::TimeZone;

use crate::climb::Night;
use crate::team::{Peer, eventually};
use crate::ward::place::Place;
use crate::ward::{BUTTON, Client, Ward, began, press, taken};

const EPOCH: Epoch = Epoch(0xA1);
const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;

/// What a test must leave as it was.
const OF_PEOPLE: [&str; 7] = [
    "SELECT count(*) FROM alert",
    "SELECT count(*) FROM alert_line",
    "SELECT count(*) FROM record",
    "SELECT count(*) FROM suppression",
    "SELECT count(*) FROM escalation",
    "SELECT count(*) FROM timer WHERE kind IN ('escalation', 'claim')",
    "SELECT count(*) FROM outbox WHERE alert IS NOT NULL",
];

#[tokio::test]
async fn a_homes_silent_test_finds_who_would_be_told_of_a_press_and_tells_nobody_of_anything() {
    let home = Home::with_a_button(&["Anna", "Berit"]).await;
    assert_eq!(home.agent().await.proof, None);
    home.a_test_comes().await;

    let proof = eventually(async || home.agent().await.proof.filter(|proof| proof.proven_ms.is_some())).await;
    assert_eq!((proof.told, proof.stopped), (Some(1), None), "the first rung");
    for nothing in OF_PEOPLE {
        let left: i64 = query_scalar(nothing).fetch_one(home.night.team.store.reader()).await.unwrap();
        assert_eq!(left, 0, "{nothing}");
    }
    assert!(home.night.peers.iter().all(tells_nobody));
    assert!(silent_tests::latest(home.night.team.store.reader(), None, 9).await.unwrap().is_empty(), "none of its own");
}

#[tokio::test]
async fn a_press_that_somebody_takes_care_of_is_left_alone_and_hides_nobody_else() {
    let home = Home::with_a_button(&["Anna", "Berit"]).await;
    let mut work = home.night.team.store.work().await.unwrap();
    let (about, at_ms) = (About::Person(home.person.clone()), clock::now_ms());
    let pressed = Concern {
        finding: alarm_pressed::finding(Press::at(at_ms, at_ms)),
        about: about.clone(),
        person: Some(home.person.clone()),
        home: home.night.team.home.clone(),
        record: None,
    };
    alerts::raise(&mut work, &pressed, at_ms).await.unwrap();
    let (alert, _) = cases::open_case(&mut work, alarm_pressed::NAME, &about).await.unwrap().unwrap();
    // Nothing reaches her but the console.
    alerts::act(&mut work, &alert, &Act::Claim, "Lena", at_ms).await.unwrap();
    work.commit().await.unwrap();
    home.a_test_comes().await;
    let proof = eventually(async || home.agent().await.proof.filter(|proof| proof.proven_ms.is_some())).await;
    assert_eq!(proof.told, Some(1));
    let mut work = home.night.team.store.work().await.unwrap();
    let (still, case) = cases::open_case(&mut work, alarm_pressed::NAME, &about).await.unwrap().unwrap();
    assert!(still == alert && format!("{:?}", case.state).contains("Lena"), "{case:?}");
}

#[tokio::test]
async fn where_nobody_can_be_reached_the_home_is_not_proven_and_says_so_until_somebody_can() {
    let home = Home::with_a_button(&["Anna"]).await;
    home.execute("UPDATE contact SET channel = 'sms'").await;
    home.a_test_comes().await;
    let proof = home.agent().await.proof.unwrap();
    assert_eq!((proof.proven_ms, proof.told, proof.stopped), (None, Some(0), Some(Stop::Nobody)));

    home.execute("UPDATE contact SET channel = 'webhook'").await;
    assert!(!home.looks(clock::now_ms()).await, "it is left in peace for an hour");
    home.execute("UPDATE home_proof SET due_ms = due_ms - 3600000").await;
    assert!(home.looks(clock::now_ms()).await);
    eventually(async || home.agent().await.proof.filter(|proof| proof.stopped.is_none())).await;
}

#[tokio::test]
async fn when_one_way_fails_the_next_is_asked_and_the_first_again_after_an_hour() {
    let mut home = Home::with_a_button(&["Anna", "Berit"]).await;
    home.both_are_on_the_first_rung().await;
    home.night.team.stop().await;
    home.a_test_comes().await;
    let no = || Some(Stop::Way { channel: "webhook".into(), because: "HTTP 500".into() });

    let first = home.waits_for().await.unwrap();
    home.ended(&first, no()).await;
    let proof = home.agent().await.proof.unwrap();
    assert_eq!((proof.proven_ms, proof.told, proof.stopped), (None, Some(2), no()));
    assert!(home.looks(clock::now_ms()).await, "the other at once");
    let second = home.waits_for().await.unwrap();
    assert_ne!(first, second);
    home.ended(&second, no()).await;
    assert!(!home.looks(clock::now_ms()).await, "all have failed");
    assert!(home.looks(clock::now_ms() + HOUR).await);

    // The test of the way itself takes the place of the one that waits.
    let mut work = home.night.team.store.work().await.unwrap();
    silent_tests::add_of_ways(&mut work, "other", 0).await.unwrap();
    let to = Recipient::Member("Anna".into());
    assert_eq!(home.waits_for().await, outbox::waiting_test(&mut work, Channel::Webhook, &to).await.unwrap());
    outbox::add_test(&mut work, "other", Channel::Webhook, &to, 0).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(home.waits_for().await.as_deref(), Some("other"));
    home.ended("other", None).await;
    assert!(home.agent().await.proof.unwrap().proven_ms.is_some());
}

#[tokio::test]
async fn ten_homes_whose_tests_come_at_once_ask_one_person_once_and_are_all_proven() {
    let mut home = Home::with_a_button(&["Anna"]).await;
    home.night.team.stop().await;
    let mut work = home.night.team.store.work().await.unwrap();
    for n in 0..9 {
        let (_, agent) = stored::add(&mut work, &format!("home {n}"), 0).await.unwrap();
        home_proofs::came(&mut work, agent.as_str(), clock::now_ms()).await.unwrap();
    }
    work.commit().await.unwrap();
    home.a_test_comes().await;
    while home.looks(clock::now_ms()).await {}
    let reader = home.night.team.store.reader();
    let count = async |sql: &'static str| query_scalar::<i64>(sql).fetch_one(reader).await.unwrap();
    assert_eq!(count("SELECT count(*) FROM outbox WHERE test IS NOT NULL").await, 1);
    assert_eq!(count("SELECT count(*) FROM home_proof WHERE test IS NOT NULL").await, 10);
    home.ended(&home.waits_for().await.unwrap(), None).await;
    assert_eq!(count("SELECT count(*) FROM home_proof WHERE proven_ms IS NOT NULL").await, 10);
}

#[tokio::test]
async fn a_home_whose_proof_is_too_old_is_one_alert_that_ends_by_itself_and_a_silent_one_is_not_accused_twice() {
    let home = Home::with_a_button(&["Anna"]).await;
    let (store, start_ms) = (&home.night.team.store, clock::now_ms());
    let agent = home.agent().await.id;
    let change = async |sql: &'static str, at_ms: i64| {
        let mut work = store.work().await.unwrap();
        query(sql).bind(&agent).bind(at_ms).execute(&mut *work).await.unwrap();
        work.commit().await.unwrap();
    };
    let mut work = store.work().await.unwrap();
    home_proofs::came(&mut work, &agent, start_ms).await.unwrap();
    home_proofs::proven(&mut work, &agent, 1, start_ms).await.unwrap();
    silence::begin_to_listen(&mut work, "one", start_ms).await.unwrap();
    silence::listened(&mut work, "one", start_ms + 30 * DAY).await.unwrap();
    work.commit().await.unwrap();
    let watch = watch(&home);
    let mut known = HashSet::new();
    let mut look = async |at_ms: i64| watch.look(&mut known, at_ms).await.unwrap();

    assert!(!look(start_ms + 3 * DAY - 1).await);
    for minute in 0..3 {
        assert!(look(start_ms + 3 * DAY + minute * 60_000).await);
    }
    let told = home.told().await;
    assert_eq!(told.len(), 1, "once, however often it is looked: {told:?}");
    assert!(told[0].contains("have not come all the way since") && told[0].contains("limit is 3 d"), "{told:?}");

    let silence =
        "INSERT INTO silence (agent, heard_ms, noticed_ms, has_alarm, in_storm, said_ms) VALUES ($1, $2, $2, 1, 0, $2)";
    change(silence, start_ms + 3 * DAY + HOUR).await;
    look(start_ms + 4 * DAY).await;
    let told = home.told().await;
    assert!(told.last().unwrap().contains("a case of its own"), "{told:?}");
    let open: i64 =
        query_scalar("SELECT count(*) FROM alert WHERE state <> 'closed'").fetch_one(store.reader()).await.unwrap();
    assert_eq!(open, 0);

    change("UPDATE silence SET over_ms = $2 WHERE agent = $1", start_ms + 5 * DAY).await;
    assert!(look(start_ms + 5 * DAY).await, "heard again, and still not proven");
    let mut work = store.work().await.unwrap();
    home_proofs::came(&mut work, &agent, start_ms + 5 * DAY + HOUR).await.unwrap();
    home_proofs::proven(&mut work, &agent, 1, start_ms + 5 * DAY + HOUR).await.unwrap();
    work.commit().await.unwrap();
    look(start_ms + 5 * DAY + HOUR).await;
    assert!(home.told().await.last().unwrap().contains("came all the way"), "{:?}", home.told().await);
    assert!(!look(start_ms + 5 * DAY + HOUR).await, "nothing is open");
}

#[tokio::test]
async fn many_homes_that_are_not_proven_are_one_case_which_takes_theirs_and_ends_when_they_are() {
    let home = Home::with_a_button(&["Anna"]).await;
    let (store, start_ms) = (&home.night.team.store, clock::now_ms());
    let mut work = store.work().await.unwrap();
    silence::begin_to_listen(&mut work, "one", start_ms).await.unwrap();
    silence::listened(&mut work, "one", start_ms + 30 * DAY).await.unwrap();
    let mut agents = vec![home.agent().await.id];
    for n in 0..11 {
        agents.push(stored::add(&mut work, &format!("home {n}"), 0).await.unwrap().1.to_string());
    }
    for (n, agent) in agents.iter().enumerate() {
        home_proofs::came(&mut work, agent, start_ms + i64::try_from(n).unwrap() / 3 * HOUR).await.unwrap();
    }
    work.commit().await.unwrap();
    let watch = watch(&home);
    let mut known = HashSet::new();
    let mut look = async |at_ms: i64| watch.look(&mut known, at_ms).await.unwrap();
    let open = async || -> Vec<String> {
        query_scalar("SELECT rule FROM alert WHERE state <> 'closed' ORDER BY rule")
            .fetch_all(store.reader())
            .await
            .unwrap()
    };

    look(start_ms + 3 * DAY).await;
    assert_eq!(open().await, [homes::HOME; 3]);
    look(start_ms + 3 * DAY + 3 * HOUR).await;
    assert_eq!(open().await, [homes::HOMES]);
    let told = home.told().await;
    assert_eq!(told.iter().filter(|told| told.contains("the case that they share")).count(), 3, "{told:?}");
    assert!(told.last().unwrap().contains("from 12 homes") && told.last().unwrap().contains("1 of them"), "{told:?}");
    assert_eq!(told.iter().filter(|told| told.contains("have not come all the way for")).count(), 1);

    let mut work = store.work().await.unwrap();
    for agent in &agents[..10] {
        home_proofs::proven(&mut work, agent, 1, start_ms + 3 * DAY + 3 * HOUR).await.unwrap();
    }
    work.commit().await.unwrap();
    look(start_ms + 3 * DAY + 4 * HOUR).await;
    assert_eq!(open().await, [homes::HOME; 2], "what is left has cases of its own");
}

#[tokio::test]
async fn a_silent_test_from_a_box_is_an_event_with_a_number_and_nothing_else_and_the_home_is_told_of_when_none_comes() {
    let settings = "[silent_tests]\nevery = \"1s\"\ntoo_old = \"2s\"\n";
    let ward = Ward::open_in(Place::new().await, settings, rules::Config::default().rules()).await;
    ward.execute("INSERT INTO account (name, unit, password_hash, created_ms) VALUES ('Anna', 'care-team', '', 0)")
        .await;
    let papers = ward.enrol("Ada's").await;
    let mut agent = Client::connect(&ward, &papers).await;
    agent.beat(Lane::Reading, EPOCH, 0, 0).await;
    assert_eq!(agent.config().await.prove_every_s, Some(1));
    agent.send(Lane::Reading, EPOCH, 1, &[began(), test()]).await;
    while agent.receipt().await.through.0 < 2 {}

    ward.eventually("SELECT count(*) FROM home_proof WHERE proven_ms IS NOT NULL AND told = 0", 1).await;
    assert_eq!(ward.count("SELECT count(*) FROM event WHERE kind = 'test' AND disposition = 'stored'").await, 1);
    for nothing in OF_PEOPLE {
        assert_eq!(ward.count(nothing).await, 0, "{nothing}");
    }

    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'home_unproven' AND state = 'open'", 1).await;
    agent.send(Lane::Reading, EPOCH, 3, &[test()]).await;
    agent.receipt().await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'home_unproven' AND state = 'closed'", 1).await;
    agent.send(Lane::Alarm, EPOCH, 1, &[began(), press(1, 59_000)]).await;
    agent.receipt().await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'alarm_pressed'", 1).await;
    ward.close().await;
}

fn watch(home: &Home) -> Watch {
    Watch {
        store: home.night.team.store.clone(),
        config: Config::default(),
        storms: silent_home::Config::default(),
        changes: home.night.team.changes.clone(),
    }
}

/// A program is at most asked whether it is there.
fn tells_nobody(peer: &Peer) -> bool {
    peer.asked().iter().all(|asked| asked.body.contains("\"type\":\"test\""))
}

fn test() -> Content {
    Content { taken: taken(50_000), kind: Kind::Test }
}

/// A home with a button of Ada's, and members who are told one after another.
struct Home {
    night: Night,
    person: String,
}

impl Home {
    async fn with_a_button(members: &[&str]) -> Self {
        let night = Night::begin(members).await;
        let mut work = night.team.store.work().await.unwrap();
        let home = &night.team.home;
        let person = assignments::add_person(&mut work, "Ada", home, 0).await.unwrap();
        devices::add(&mut work, home, &NewDevice::plain(BUTTON, DeviceKind::AlarmButton), 0).await.unwrap().unwrap();
        let whole =
            Assignment { device: BUTTON.to_string(), slot: None, person: person.clone(), from_ms: 0, until_ms: None };
        assignments::assign(&mut work, &whole, 0).await.unwrap();
        work.commit().await.unwrap();
        Self { night, person }
    }

    async fn agent(&self) -> Agent {
        let home = self.night.team.home.as_str();
        homes_page::read(self.night.team.store.reader(), &[home]).await.unwrap().remove(0).agents.remove(0)
    }

    /// A test is stored, and looked at.
    async fn a_test_comes(&self) {
        let agent = self.agent().await.id;
        let mut work = self.night.team.store.work().await.unwrap();
        home_proofs::came(&mut work, &agent, clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();
        assert!(self.looks(clock::now_ms()).await);
    }

    /// It is looked who would be told, if that is due.
    async fn looks(&self, now_ms: i64) -> bool {
        let config = rules::Config::default();
        let judging = Settings::new(config.rules(), &config, Duration::from_secs(9_999_999), TimeZone::UTC);
        rehearsal::next(&self.night.team.store, &judging, now_ms).await.unwrap()
    }

    /// The silent test of a way that it waits for.
    async fn waits_for(&self) -> Option<String> {
        let agent = self.agent().await.id;
        query_scalar("SELECT test FROM home_proof WHERE agent = $1")
            .bind(&agent)
            .fetch_one(self.night.team.store.reader())
            .await
            .unwrap()
    }

    async fn ended(&self, test: &str, failed: Option<Stop>) {
        let mut work = self.night.team.store.work().await.unwrap();
        rehearsal::ended(&mut work, test, failed, clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();
    }

    async fn both_are_on_the_first_rung(&self) {
        let mut work = self.night.team.store.work().await.unwrap();
        let fallback = teams::fallback(&mut work, clock::now_ms()).await.unwrap();
        let whom = ["Anna", "Berit"].map(|member| Whom::Member(member.to_owned())).into();
        let plan = Plan { rungs: vec![Step { whom, waits: Waits::default() }] };
        escalations::set_plan(&mut work, &fallback.id, &plan, "Lena", clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();
    }

    async fn execute(&self, sql: &'static str) {
        let mut work = self.night.team.store.work().await.unwrap();
        query(sql).execute(&mut *work).await.unwrap();
        work.commit().await.unwrap();
    }

    /// What the cases of unproven homes say.
    async fn told(&self) -> Vec<String> {
        let store = &self.night.team.store;
        let alerts: Vec<String> = query_scalar("SELECT id FROM alert WHERE rule IN ($1, $2) ORDER BY id")
            .bind(homes::HOME)
            .bind(homes::HOMES)
            .fetch_all(store.reader())
            .await
            .unwrap();
        let reader = line::Reader { lang: Lang::En, zone: TimeZone::UTC };
        let mut told = Vec::new();
        for alert in alerts {
            let story = cases::story(store.reader(), &alert).await.unwrap();
            let matter = story.iter().filter(|told| told.line.is_about_the_matter());
            told.extend(matter.map(|told| told.line.say(&reader)));
        }
        told
    }
}
