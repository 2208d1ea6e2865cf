//! Whose a reading is, in a whole gateway: devices and people that move, two users of one cuff, readings older than the
//! assignment, and the way out of the queue for those that are nobody's yet.

#[allow(dead_code, reason = "these tests need only a part of it")]
mod ward;

use hempuls_gateway::alerts::attribution;
use hempuls_gateway::alerts::judge::Settings;
use hempuls_gateway::alerts::rules;
use hempuls_gateway::store::assignments::{self, Assignment};
use hempuls_gateway::store::attributions::{self, Which};
use hempuls_gateway::store::devices::{self, NewDevice};
use hempuls_gateway::store::{query_scalar, records::Record};
use hempuls_gateway::{clock, enrolment};
use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::event::{Content, Kind};
use hempuls_protocol::ids::{Epoch, Lane, UserSlot};
use hempuls_protocol::times::DeviceTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use ward::{CUFF, Client, Papers, Ward, reading};

#[tokio::test]
async fn a_cuff_that_moves_to_another_home_gives_the_new_ones_readings_to_nobody_until_somebody_says_whose_it_is() {
    let (ward, ada) = (Ward::open().await, "Ada");
    let (first, second) = (ward.enrol(ada).await, ward.enrol("Bea").await);
    ward.assign_cuff(&first).await;
    let mut there = Client::connect(&ward, &first).await;
    there.send(Lane::Reading, Epoch(1), 1, &[reading(130, 80, 60_000)]).await;
    there.receipt().await;
    assert_eq!(whose(&ward).await, ["Ada"]);

    let mut work = ward.work().await;
    devices::remove(&mut work, &CUFF, clock::now_ms()).await.unwrap().expect("it was there");
    work.commit().await.unwrap();
    let mut here = Client::connect(&ward, &second).await;
    here.send(Lane::Reading, Epoch(1), 1, &[reading(190, 120, 60_000)]).await;
    here.receipt().await;
    assert_eq!(whose(&ward).await, ["Ada", "nobody"], "what was measured before stays Ada's");
    assert_eq!(ward.count("SELECT count(*) FROM waiting").await, 0, "no stranger's value is judged as hers");

    let bea = person(&ward, "Bea", &second).await;
    let mut work = ward.work().await;
    devices::add(&mut work, &second.home, &NewDevice::plain(CUFF, DeviceKind::BloodPressure), 0)
        .await
        .unwrap()
        .unwrap();
    work.commit().await.unwrap();
    // Two messages of one boot are dated by the first.
    assign(&ward, None, &bea, clock::now_ms() - 60_000, None).await;
    here.send(Lane::Reading, Epoch(1), 2, &[reading(131, 80, 60_000)]).await;
    here.receipt().await;
    assert_eq!(whose(&ward).await, ["Ada", "nobody", "Bea"]);
    ward.close().await;
}

#[tokio::test]
async fn a_person_who_has_moved_or_died_gets_no_readings_after_that_and_keeps_those_before() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada").await;
    let mut work = ward.work().await;
    devices::add(&mut work, &papers.home, &NewDevice::plain(CUFF, DeviceKind::BloodPressure), 0)
        .await
        .unwrap()
        .unwrap();
    work.commit().await.unwrap();
    let ada = person(&ward, "Ada", &papers).await;
    let ended_ms = clock::now_ms() - 30_000;
    assign(&ward, None, &ada, 0, Some(ended_ms)).await;
    let mut agent = Client::connect(&ward, &papers).await;

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(130, 80, 1_000), reading(195, 120, 59_000)]).await;
    agent.receipt().await;

    assert_eq!(whose(&ward).await, ["Ada", "nobody"]);
    assert_eq!(ward.count("SELECT count(*) FROM waiting").await, 0);
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 0, "nobody is called for somebody else's value");
    ward.close().await;
}

#[tokio::test]
async fn two_users_of_one_cuff_get_their_own_readings_and_a_guest_neithers() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada and Bea").await;
    let mut work = ward.work().await;
    devices::add(&mut work, &papers.home, &NewDevice::plain(CUFF, DeviceKind::BloodPressure), 0)
        .await
        .unwrap()
        .unwrap();
    work.commit().await.unwrap();
    for (slot, name) in [(1, "Ada"), (2, "Bea")] {
        let who = person(&ward, name, &papers).await;
        assign(&ward, Some(slot), &who, 0, None).await;
    }
    let mut agent = Client::connect(&ward, &papers).await;

    let of_users: Vec<Content> =
        [1, 2, 0xFF].into_iter().zip([10, 20, 30]).map(|(user, at)| of_user(user, at)).collect();
    agent.send(Lane::Reading, Epoch(1), 1, &of_users).await;
    agent.receipt().await;

    assert_eq!(whose(&ward).await, ["Ada", "Bea", "nobody"]);
    ward.close().await;
}

#[tokio::test]
async fn readings_older_than_the_assignment_wait_and_given_to_her_they_are_one_item_for_review_and_no_alarm() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada").await;
    let mut work = ward.work().await;
    devices::add(&mut work, &papers.home, &NewDevice::plain(CUFF, DeviceKind::BloodPressure), 0)
        .await
        .unwrap()
        .unwrap();
    work.commit().await.unwrap();
    let ada = person(&ward, "Ada", &papers).await;
    assign(&ward, None, &ada, clock::now_ms(), None).await;
    let mut agent = Client::connect(&ward, &papers).await;
    let old: Vec<Content> = (1..=5).map(|days| days_ago(days, 190)).chain([days_ago(6, 130)]).collect();
    agent.send(Lane::Reading, Epoch(1), 1, &old).await;
    agent.receipt().await;
    assert_eq!(whose(&ward).await, ["nobody"; 6]);
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 0);

    let waiting = waiting(&ward, &papers).await;
    assert_eq!(decide(&ward, &papers, &waiting, Some(&ada)).await, 6);

    assert_eq!(whose(&ward).await, ["Ada"; 6]);
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'late_review' AND severity = 'low'").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM alert_line WHERE line LIKE '%\"count\":5%'").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM waiting").await, 0);
    assert_eq!(decide(&ward, &papers, &waiting, None).await, 0, "who comes second changes nothing");
    ward.close().await;
}

#[tokio::test]
async fn nobodys_readings_wait_no_longer_and_do_again_once_that_is_taken_back() {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &papers).await;
    agent.send(Lane::Reading, Epoch(1), 1, &[days_ago(1, 190)]).await;
    agent.receipt().await;
    let visitors = waiting(&ward, &papers).await;
    assert_eq!(decide(&ward, &papers, &visitors, None).await, 1);
    assert!(waiting(&ward, &papers).await.is_empty());
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 0);

    let decision: String =
        query_scalar("SELECT id FROM attribution WHERE records = 1").fetch_one(ward.reader()).await.unwrap();
    let mut work = ward.work().await;
    let undone = attributions::withdraw(&mut work, &decision, ("Anna", "a mistake"), clock::now_ms()).await.unwrap();
    assert_eq!(undone.map(|undone| undone.records), Some(1));
    assert_eq!(attributions::withdraw(&mut work, &decision, ("Anna", "again"), 0).await.unwrap(), None);
    work.commit().await.unwrap();
    assert_eq!(waiting(&ward, &papers).await.len(), 1);
    ward.close().await;
}

/// Whose each reading is, in the order in which they were stored.
async fn whose(ward: &Ward) -> Vec<String> {
    query_scalar(
        "SELECT coalesce(person.name, 'nobody') FROM record LEFT JOIN person ON person.id = record.person
         WHERE kind = 'signal' ORDER BY record.id",
    )
    .fetch_all(ward.reader())
    .await
    .unwrap()
}

async fn person(ward: &Ward, name: &str, papers: &Papers) -> String {
    let mut work = ward.work().await;
    let id = assignments::add_person(&mut work, name, &papers.home, 0).await.unwrap();
    work.commit().await.unwrap();
    id
}

async fn assign(ward: &Ward, slot: Option<u8>, person: &str, from_ms: i64, until_ms: Option<i64>) {
    let mut work = ward.work().await;
    let assignment = Assignment { device: CUFF.to_string(), slot, person: person.to_owned(), from_ms, until_ms };
    assignments::assign(&mut work, &assignment, clock::now_ms()).await.unwrap();
    work.commit().await.unwrap();
}

async fn waiting(ward: &Ward, papers: &Papers) -> Vec<Record> {
    let which = Which { home: &papers.home, device: &CUFF.to_string(), from_ms: i64::MIN, before_ms: i64::MAX };
    attributions::waiting(ward.reader(), which, 100).await.unwrap()
}

async fn decide(ward: &Ward, papers: &Papers, records: &[Record], person: Option<&str>) -> usize {
    let usual = rules::Config::default();
    let life = enrolment::Config::default().certificate_life;
    let settings = Settings::new(usual.rules(), &usual, life, TimeZone::get("Europe/Stockholm").unwrap());
    let mut work = ward.work().await;
    let (device, now_ms) = (CUFF.to_string(), clock::now_ms());
    let matter = (papers.home.as_str(), device.as_str());
    let by = ("Anna", "her cuff");
    let decided = attribution::decide(&mut work, matter, records, person, by, &settings, now_ms).await.unwrap();
    work.commit().await.unwrap();
    decided.1
}

/// A blood pressure from a cuff that says which of its users measured.
fn of_user(user: u8, at_ms: u64) -> Content {
    let mut content = reading(130, 80, at_ms);
    if let Kind::Signal(signal) = &mut content.kind {
        signal.raw = vec![0x08, 130, 0, 80, 0, 100, 0, user].into();
        signal.slot = (user != 0xFF).then_some(UserSlot(user));
    }
    content
}

/// A blood pressure out of a cuff's memory.
fn days_ago(days: i64, systolic: u8) -> Content {
    let mut content = reading(systolic, 80, 59_000);
    let zone = TimeZone::get("Europe/Stockholm").unwrap();
    let at = Timestamp::from_second(clock::now_ms() / 1_000).unwrap().to_zoned(zone).datetime() - days.days();
    if let Kind::Signal(signal) = &mut content.kind {
        let (year, parts) = (at.year().to_le_bytes(), [at.month(), at.day(), at.hour(), at.minute(), at.second()]);
        let time = year.into_iter().chain(parts.into_iter().map(|part| part.unsigned_abs()));
        signal.raw = [0x02, systolic, 0, 80, 0, 100, 0].into_iter().chain(time).collect::<Vec<u8>>().into();
        signal.device_time = Some(DeviceTime(at));
    }
    content
}
