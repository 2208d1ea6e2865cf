//! Whether somebody is there, on a real store: one alert for each team, which ends by itself.

mod place;

use hempuls_gateway::alerts::outcome::Outcome;
use hempuls_gateway::alerts::{Act, Severity, act, alert, line};
use hempuls_gateway::changes::Changes;
use hempuls_gateway::delivery::Channel;
use hempuls_gateway::duty::cover::watch::{Known, Watch};
use hempuls_gateway::duty::cover::{Config, NEXT, NOW};
use hempuls_gateway::duty::roster::{Period, Roster, Shift, When};
use hempuls_gateway::duty::{Area, Purpose};
use hempuls_gateway::plan::Plan;
use hempuls_gateway::store::accounts::{self, Account};
use hempuls_gateway::store::alerts::{Which, read, story};
use hempuls_gateway::store::contacts::{self, Contact};
use hempuls_gateway::store::teams::{self, Commission, Responsibility};
use hempuls_gateway::store::{alerts as cases, assignments, cover, devices, homes, plans, rosters};
use hempuls_gateway::wording::Lang;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use place::Place;

const HOUR_MS: i64 = 60 * 60 * 1000;

#[tokio::test]
async fn one_alert_tells_of_all_people_of_a_team_and_ends_when_somebody_is_there() {
    let ward = Ward::new().await;
    let mut known = Known::new();
    assert!(ward.watch.look(&mut known, HOUR_MS).await.unwrap());
    assert!(ward.watch.look(&mut known, HOUR_MS + 60_000).await.unwrap());
    let open = ward.open().await;
    assert_eq!(open, [(NOW.to_owned(), Severity::Medium, "open")]);
    let words = ward.words().await;
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].contains("3 people") && words[0].contains("no roster"), "{words:?}");

    ward.reach("Anna", Some(HOUR_MS)).await;
    assert!(ward.watch.look(&mut known, HOUR_MS + 120_000).await.unwrap());

    assert_eq!(ward.open().await, []);
    assert!(!ward.watch.look(&mut known, HOUR_MS + 180_000).await.unwrap(), "nothing is to be done");
    assert!(ward.watch.look(&mut known, 26 * HOUR_MS).await.unwrap(), "her channel was not proven again");
    assert_eq!(ward.open().await.len(), 1, "and that is news");
}

#[tokio::test]
async fn who_has_taken_it_keeps_it_and_what_she_closed_is_not_said_again_while_it_goes_on() {
    let ward = Ward::new().await;
    let mut known = Known::new();
    ward.watch.look(&mut known, HOUR_MS).await.unwrap();
    ward.act(&Act::Claim, HOUR_MS + 1).await;
    ward.reach("Anna", Some(HOUR_MS)).await;
    ward.watch.look(&mut known, HOUR_MS + 60_000).await.unwrap();
    ward.watch.look(&mut known, HOUR_MS + 120_000).await.unwrap();
    assert_eq!(ward.open().await, [(NOW.to_owned(), Severity::Medium, "claimed")]);
    assert_eq!(ward.words().await.iter().filter(|words| words.contains("again")).count(), 1);
    ward.watch.look(&mut known, 26 * HOUR_MS).await.unwrap();
    ward.act(&Act::Claim, 26 * HOUR_MS + 1).await;
    ward.act(&Act::Close { outcome: Outcome::TechnicalFault, note: "a relief comes".into() }, 26 * HOUR_MS + 1).await;

    ward.watch.look(&mut known, 26 * HOUR_MS + 60_000).await.unwrap();

    assert_eq!(ward.open().await, [], "it goes on, and a named person has closed it");
}

#[tokio::test]
async fn a_press_and_a_finding_depend_on_the_team_of_their_area_and_the_rest_on_the_fallback() {
    let ward = Ward::new().await;
    let mut work = ward.watch.store.work().await.unwrap();
    let patrol = teams::add(&mut work, "Patrol", Area::SocialServices, "Europe/Stockholm", 0).await.unwrap();
    let person = ward.people[0].clone();
    let responsibility = Responsibility { person, team: patrol.clone(), from_ms: 0, until_ms: None };
    teams::make_responsible(&mut work, &responsibility, "Eva", 0).await.unwrap();
    let mut depends = cover::depends(&mut *work, HOUR_MS).await.unwrap();
    depends.sort_by(|one, other| one.team.cmp(&other.team));
    let counted: Vec<_> = depends.iter().map(|one| (one.team.as_deref(), one.people)).collect();
    // Of three with a plan and two with a button, one's press is the patrol's.
    assert_eq!(counted, [(None, 3), (Some(patrol.as_str()), 1)]);
}

#[tokio::test]
async fn a_next_shift_without_anybody_is_said_before_it_begins_and_then_the_shift_itself() {
    let ward = Ward::new().await;
    ward.reach("Anna", Some(HOUR_MS)).await;
    let at = |hours: i64| Timestamp::from_millisecond(hours * HOUR_MS).unwrap();
    let day = Shift {
        name: "D".into(),
        members: ["Anna".into()].into(),
        when: When::Once(Period { from: at(1), until: at(5) }),
    };
    let mut work = ward.watch.store.work().await.unwrap();
    let team = teams::fallback(&mut work, 0).await.unwrap().id;
    let roster = Roster { shifts: vec![day], changes: Vec::new() };
    assert!(rosters::write(&mut work, &team, &roster, None, ("Eva", "why"), 0).await.unwrap());
    work.commit().await.unwrap();
    let mut known = Known::new();

    ward.watch.look(&mut known, 2 * HOUR_MS).await.unwrap();
    assert_eq!(ward.open().await, [(NEXT.to_owned(), Severity::Low, "open")]);
    let words = ward.words().await;
    assert!(words[0].contains("in the shift from 1970-01-01 05:00") && !words[0].contains("no roster"), "{words:?}");
    ward.watch.look(&mut known, 5 * HOUR_MS).await.unwrap();
    assert_eq!(ward.open().await, [(NOW.to_owned(), Severity::Medium, "open")]);
}

struct Ward {
    _folder: Place,
    watch: Watch,
    people: Vec<String>,
}

impl Ward {
    async fn new() -> Self {
        let folder = Place::new().await;
        let store = folder.open().await;
        let mut work = store.work().await.unwrap();
        let account = Account { name: "Anna".into(), unit: "u".into(), password_hash: "-".into() };
        assert!(accounts::add(&mut work, &account, Timestamp::UNIX_EPOCH).await.unwrap());
        let (home, _) = homes::add(&mut work, "h", 0).await.unwrap();
        let mut people = Vec::new();
        for (name, button) in [("Ada", Some("F0:F1:F2:F3:F4:01")), ("Bo", Some("F0:F1:F2:F3:F4:02")), ("Cia", None)] {
            let person = assignments::add_person(&mut work, name, &home, 0).await.unwrap();
            plans::write(&mut work, &person, &Plan::default(), ("Anna", "first"), 0).await.unwrap();
            if let Some(button) = button {
                let device = devices::NewDevice::plain(button.parse().unwrap(), "alarm_button".parse().unwrap());
                devices::add(&mut work, &home, &device, 0).await.unwrap().unwrap();
                let assignment = assignments::Assignment {
                    device: button.into(),
                    slot: None,
                    person: person.clone(),
                    from_ms: 0,
                    until_ms: None,
                };
                assignments::assign(&mut work, &assignment, 0).await.unwrap();
            }
            people.push(person);
        }
        teams::ensure_fallback(&mut work, "Europe/Stockholm", 0).await.unwrap();
        let team = teams::add(&mut work, "Empty", Area::HealthCare, "Europe/Stockholm", 0).await.unwrap();
        let commission = Commission { member: "Anna".into(), team, purpose: Purpose::Care, from_ms: 0, until_ms: None };
        teams::commission_member(&mut work, &commission, "Eva", 0).await.unwrap();
        work.commit().await.unwrap();
        let (config, channels) = (Config::default(), vec![Channel::Email]);
        Self { _folder: folder, watch: Watch { store, config, channels, changes: Changes::new() }, people }
    }

    async fn reach(&self, member: &str, proven_ms: Option<i64>) {
        let contact = Contact {
            member: member.into(),
            channel: Channel::Email,
            address: "a@example.org".into(),
            lang: Lang::Sv,
            proven_ms,
        };
        let mut work = self.watch.store.work().await.unwrap();
        contacts::set(&mut work, &contact, "Eva", 0).await.unwrap();
        work.commit().await.unwrap();
    }

    async fn open(&self) -> Vec<(String, Severity, &'static str)> {
        let cases = read(self.watch.store.reader(), Which::NotClosed, 10).await.unwrap();
        let state = |case: &cases::Case| match case.alert.state {
            alert::State::Open => "open",
            _ => "claimed",
        };
        cases.iter().map(|case| (case.rule.clone(), case.alert.severity, state(case))).collect()
    }

    async fn words(&self) -> Vec<String> {
        let cases = read(self.watch.store.reader(), Which::NotClosed, 10).await.unwrap();
        let reader = line::Reader { lang: Lang::En, zone: TimeZone::UTC };
        let story = story(self.watch.store.reader(), &cases[0].id).await.unwrap();
        story.iter().map(|told| told.line.say(&reader)).collect()
    }

    async fn act(&self, what: &Act, at_ms: i64) {
        let cases = read(self.watch.store.reader(), Which::NotClosed, 10).await.unwrap();
        let mut work = self.watch.store.work().await.unwrap();
        act(&mut work, &cases[0].id, what, "Eva", at_ms).await.unwrap();
        work.commit().await.unwrap();
    }
}
