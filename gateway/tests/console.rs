//! The console as a browser and a program meet it: over HTTP, on a real store.

mod fixture;
mod place;

use hempuls_gateway::store::{query, query_as, query_scalar};
use std::net::SocketAddr;

use fixture::{Console, Ward};
use hempuls_gateway::alerts::{Severity, rules, timers};
use hempuls_gateway::changes::Change;
use hempuls_gateway::clock;
use hempuls_gateway::delivery::course::Outcome;
use hempuls_gateway::delivery::{self, Channel, Notification, Recipient};
use hempuls_gateway::duty::roster::{Day, Holidays, Roster, Shift, Weekly, When};
use hempuls_gateway::duty::{Area, Purpose};
use hempuls_gateway::http;
use hempuls_gateway::letters::Occasion;
use hempuls_gateway::store::access_log::{self, Verified};
use hempuls_gateway::store::contacts::{self, Contact};
use hempuls_gateway::store::person_numbers;
use hempuls_gateway::store::teams::{Commission, Responsibility};
use hempuls_gateway::store::{Store, accounts, escalations, outbox, rosters, teams, ways};
use hempuls_gateway::wording::Lang;
use hempuls_protocol::personnummer::{IdentityNumber, Written};
use jiff::civil::{date, time};
use jiff::tz::TimeZone;
use place::Place;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PAGES_FOR_PEOPLE: [&str; 14] = [
    "/",
    "/persons/{ada}",
    "/persons/{ada}/plan",
    "/alerts/{press}",
    "/homes",
    "/gateway",
    "/homes/{ada_home}",
    "/homes/{bo_home}",
    "/homes/{ada_home}/devices/{new_cuff}",
    "/homes/{ada_home}/devices/{button}",
    "/homes/{bo_home}/unassigned/{scale}",
    "/teams",
    "/teams/{team}",
    "/emergency",
];
const STREAMS: [&str; 6] = [
    "/stream",
    "/persons/{ada}/stream",
    "/alerts/{press}/stream",
    "/homes/stream",
    "/homes/{bo_home}/stream",
    "/gateway/stream",
];
const ACTS: [&str; 21] = [
    "/persons/{ada}/plan",
    "/persons/{ada}/number",
    "/alerts/{press}/claim",
    "/alerts/{press}/on-the-way",
    "/alerts/{press}/shown/0",
    "/alerts/{press}/battery-changed",
    "/alerts/{press}/hand-over",
    "/alerts/{press}/give-back",
    "/alerts/{press}/note",
    "/alerts/{press}/close",
    "/alerts/{press}/reopen",
    "/hand-over",
    "/homes/{ada_home}/devices/{new_cuff}/add",
    "/homes/{ada_home}/devices/{button}/remove",
    "/homes/{ada_home}/devices/{button}/battery-changed",
    "/homes/{bo_home}/unassigned/{scale}",
    "/homes/{bo_home}/unassigned/{scale}/undo",
    "/teams/{team}/changes",
    "/teams/{team}/changes/remove",
    "/emergency",
    "/emergency/{opened}/reviewed",
];
/// What leads to one of the pages, and shows nothing itself.
const WAYS: [&str; 2] = ["/persons/{ada}/number", "/homes/{ada_home}/devices?address=F0:F1:F2:F3:F5:22"];
const FOR_PROGRAMS: [&str; 10] = [
    "/api/v1/books",
    "/api/v1/homes",
    "/api/v1/readings",
    "/api/v1/alerts",
    "/api/v1/persons/{ada}/plan",
    "/api/v1/teams",
    "/api/v1/teams/{team}/roster",
    "/api/v1/teams/{team}/roster.ics",
    "/api/v1/persons/{ada}/teams",
    "/api/v1/teams/{team}/escalation",
];
const ACTS_OF_PROGRAMS: [(&str, &str); 7] = [
    ("/api/v1/alerts/hand-over", r#"{"by":"Doris Dal","to":"Anna Ström"}"#),
    ("/api/v1/alerts/{press}", r#"{"by":"Doris Dal","act":"claim"}"#),
    ("/api/v1/persons/{ada}/plan", r#"{"reason":"x","plan":{"standard":"adult"}}"#),
    ("/api/v1/persons/{ada}/teams", r#"{"by":"Doris Dal","team":"{team}"}"#),
    ("/api/v1/teams/{team}/roster", r#"{"reason":"x","roster":{"shifts":[]}}"#),
    ("/api/v1/teams/{team}/escalation", r#"{"by":"Doris Dal","plan":{"rungs":[]}}"#),
    ("/api/v1/replay", r#"{"people":["{ada}"],"from":"2026-01-01T00:00:00Z","why":"x"}"#),
];
/// Routes that are about nobody.
const ABOUT_NOBODY: [&str; 3] = ["/login", "/logout", "/language/{lang}"];

#[tokio::test]
async fn nobody_sees_anything_without_signing_in() {
    let night = Night::begin().await;
    let stranger = night.browser();
    for page in PAGES_FOR_PEOPLE {
        let answer = stranger.get(&night.path(page)).await;
        assert_eq!(answer.status, 303, "{page}");
        assert!(answer.header("location").starts_with("/login?to="), "{page}");
        night.assert_tells_nothing(&answer);
    }
    for address in STREAMS.into_iter().chain(FOR_PROGRAMS) {
        let answer = stranger.get(&night.path(address)).await;
        assert_eq!(answer.status, 401, "{address}");
        night.assert_tells_nothing(&answer);
        let guess = stranger
            .get_with(&night.path(address), &[("authorization", "Bearer 0123456789abcdef0123456789abcdef")])
            .await;
        assert_eq!(guess.status, 401, "{address}");
    }
    let by_address = stranger.get(&night.path("/homes/{ada_home}/devices?address=F0:F1:F2:F3:F5:22")).await;
    assert!(by_address.header("location").starts_with("/login?to="));
    for act in ACTS {
        let answer = stranger.post(&night.path(act), "note=x&kind=blood_pressure").await;
        assert_eq!((answer.status, answer.header("location").starts_with("/login")), (303, true), "{act}");
    }
    assert_eq!(night.log().await, Vec::<Row>::new());
    assert_eq!(night.state_of(&night.ward.press).await, "open");
}

#[test]
fn the_walks_below_leave_no_route_out() {
    let shape = |path: &str| {
        let path = path.split('?').next().unwrap_or_default();
        let parts = path.split('/').map(|part| if part.starts_with('{') || part == "0" { "{}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let walked = PAGES_FOR_PEOPLE.into_iter().chain(STREAMS).chain(ACTS).chain(WAYS).chain(FOR_PROGRAMS);
    let walked = walked.chain(ACTS_OF_PROGRAMS.map(|(path, _)| path)).chain(ABOUT_NOBODY);
    let walked: Vec<String> = walked.map(shape).collect();
    let sources =
        [("", include_str!("../src/http/console/mod.rs")), ("/api/v1", include_str!("../src/http/api/mod.rs"))];
    for (root, source) in sources {
        let routes: Vec<&str> = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(routes.len() > 10, "{routes:?}");
        for route in routes {
            assert!(walked.contains(&shape(&format!("{root}{route}"))), "{root}{route} is walked by nobody");
        }
    }
}

#[tokio::test]
async fn a_member_of_another_team_sees_nobody_on_any_route() {
    let night = Night::begin().await;
    let doris = night.sign_in_as("Doris Dal").await;
    assert!(doris.get("/").await.expect(200).contains("Ada Lindgren"), "there is one team alone");
    night.commission("Doris Dal", "South", Area::HealthCare, Purpose::Care).await;
    night.new_rows().await;

    for page in PAGES_FOR_PEOPLE.into_iter().chain(STREAMS).chain(WAYS).chain(FOR_PROGRAMS) {
        let answer = doris.first(&night.path(page)).await;
        night.assert_tells_nothing(&answer);
        let is_about_somebody = ["{ada}", "{press}", "{ada_home}", "{bo_home}"].iter().any(|id| page.contains(id));
        let is_refused = answer.status == 403 || answer.header("location") == night.path("/emergency?person={ada}");
        assert_eq!(is_refused, is_about_somebody, "{page} answers {}", answer.status);
    }
    let listed = doris.json("/api/v1/readings").await;
    assert_eq!(listed["readings"].as_array().map(Vec::len), Some(0));
    let alerts = doris.json("/api/v1/alerts").await;
    assert_eq!(
        (alerts["alerts"].as_array().map(Vec::len), alerts["waiting"].as_array().map(Vec::len)),
        (Some(0), Some(0))
    );
    assert_eq!(doris.json("/api/v1/homes").await["homes"].as_array().map(Vec::len), Some(0));
    assert_eq!(doris.json("/api/v1/books").await["lines"].as_array().map(Vec::len), Some(0));

    let before = night.count("SELECT count(*) FROM alert_line").await;
    for act in ACTS.into_iter().filter(|act| act.matches('{').count() > 0) {
        let answer =
            doris.post(&night.path(act), "note=x&kind=blood_pressure&reason=x&standard=adult&to=Anna+Str%C3%B6m").await;
        night.assert_tells_nothing(&answer);
        if !act.contains("team") && !act.contains("opened") {
            assert_eq!(answer.status, 403, "{act}");
        }
    }
    for (act, wish) in ACTS_OF_PROGRAMS {
        let answer = doris.post_json(&night.path(act), &night.path(wish)).await;
        night.assert_tells_nothing(&answer);
        let is_about_ada = act.contains("{ada}") || wish.contains("{ada}");
        assert!(!is_about_ada || answer.status == 403, "{act} answers {}", answer.status);
    }
    let for_doris = night.program().post_json(&night.path("/api/v1/alerts/{press}"), ACTS_OF_PROGRAMS[1].1).await;
    assert_eq!(for_doris.status, 403, "a program does for her what she may do");
    assert_eq!(night.count("SELECT count(*) FROM alert_line").await, before);
    assert_eq!(night.state_of(&night.ward.press).await, "open");
    assert_eq!(night.count("SELECT count(*) FROM plan").await, 0);
    let rows = night.log().await.into_iter().filter(|row| row.who == "Doris Dal" && row.person.is_some());
    assert_eq!(rows.count(), 3, "the three whom she saw while there was one team");
    assert!(night.sign_in().await.get("/").await.expect(200).contains("Ada Lindgren"), "the fallback team still does");
}

#[tokio::test]
async fn whoever_sees_to_homes_and_boxes_sees_them_and_no_value_and_no_persons_page() {
    let night = Night::begin().await;
    let eva = night.sign_in_as("Eva Drift").await;
    night.commission("Eva Drift", "South", Area::HealthCare, Purpose::Administration).await;

    let list = eva.get("/").await.expect(200);
    assert!(list.contains("inget vårduppdrag") && !list.contains("Lindgren") && list.contains("Norra Hamngatan 7"));
    assert!(!list.contains("Mätningar utan person"));
    let home = eva.get(&night.path("/homes/{ada_home}")).await.expect(200);
    assert!(home.contains("12 % lågt") && !home.contains("Lindgren"));
    for closed in ["/persons/{ada}", "/alerts/{press}", "/homes/{bo_home}/unassigned/{scale}", "/persons/{ada}/plan"] {
        let answer = eva.get(&night.path(closed)).await;
        assert!([303, 403].contains(&answer.status), "{closed}");
        for secret in ["Lindgren", "mmHg", "71,2"] {
            assert!(!answer.body.contains(secret), "{closed}");
        }
    }
    assert!(eva.get("/emergency").await.expect(403).contains("Bara den som har ett vårduppdrag"));
    assert_eq!(eva.post("/emergency", "whom=Ada+Lindgren&reason=x").await.status, 403);
    assert_eq!(night.count("SELECT count(*) FROM emergency").await, 0);
    assert!(eva.get(&night.path("/homes/{ada_home}/devices/{new_cuff}")).await.expect(200).contains("Ada Lindgren"));
    assert!(night.new_rows().await.contains(&"saw_in_home by Eva Drift".to_owned()), "she has to say whose it is");
}

#[tokio::test]
async fn a_nurse_sees_readings_and_the_night_patrol_sees_presses() {
    let night = Night::begin().await;
    let nurse = night.sign_in_as("Nina Sköld").await;
    let patrol = night.sign_in_as("Per Patrull").await;
    for (name, team, area) in
        [("Nina Sköld", "Nurses", Area::HealthCare), ("Per Patrull", "Patrol", Area::SocialServices)]
    {
        let team = night.commission(name, team, area, Purpose::Care).await;
        night.make_responsible(&team, &night.ward.ada).await;
    }
    let page = night.path("/persons/{ada}");

    let seen = nurse.get(&page).await.expect(200);
    assert!(
        seen.contains("141") && seen.contains("Trygghetslarm hör till socialtjänsten") && !seen.contains("Larmknapp")
    );
    assert_eq!(nurse.get(&night.path("/alerts/{press}")).await.status, 403);
    assert!(!nurse.get("/").await.expect(200).contains("Ada Lindgren"));
    nurse.get(&format!("{page}/plan")).await.expect(200);

    let seen = patrol.get(&page).await.expect(200);
    assert!(seen.contains(&night.path("/alerts/{press}")) && seen.contains("hör till hälso- och sjukvården"), "{seen}");
    for reading in ["mmHg", "id=\"readings\"", "Senaste mätning"] {
        assert!(!seen.contains(reading), "{reading}");
    }
    patrol.get(&night.path("/alerts/{press}")).await.expect(200);
    assert!(patrol.get("/").await.expect(200).contains("Ada Lindgren"));
    assert_eq!(patrol.get(&format!("{page}/plan")).await.header("location"), night.path("/emergency?person={ada}"));

    let anna = night.sign_in().await;
    assert!(
        !anna.get("/").await.expect(200).contains("Ada Lindgren"),
        "she is theirs now, and not the fallback team's"
    );
    assert!(anna.get("/").await.expect(200).contains("Bo Öberg"));
}

#[tokio::test]
async fn whoever_an_alert_is_brought_before_sees_it_and_whoever_takes_it_sees_the_person() {
    let night = Night::begin().await;
    let doris = night.sign_in_as("Doris Dal").await;
    let south = night.commission("Doris Dal", "South", Area::SocialServices, Purpose::Care).await;
    let (alert, person) = (night.path("/alerts/{press}"), night.path("/persons/{ada}"));
    let mut stream = doris.follow("/stream").await;
    assert!(!stream.next("region").await.contains("Ada Lindgren"));
    let plan = format!(r#"{{"rungs":[{{"whom":["on_duty"]}},{{"whom":[{{"team_of":"{south}"}}]}}]}}"#);
    let address = format!("/api/v1/teams/{}/escalation", night.team);
    night.program().post_json(&address, &format!(r#"{{"by":"Lena","plan":{plan}}}"#)).await.expect(204);
    night.timers_fire().await;
    night.console.changes.tell([Change::WorkList]);

    assert!(stream.next("region").await.contains("Ada Lindgren"));
    doris.get(&alert).await.expect(200);
    assert!(doris.get("/").await.expect(200).contains("Ada Lindgren"));
    assert_eq!(doris.get(&person).await.status, 303, "she is told of the alert, and no more");

    doris.post(&format!("{alert}/claim"), "").await.expect(303);
    assert!(doris.get(&person).await.expect(200).contains("Ada Lindgren"), "she takes care of her now");
    doris.get(&night.path("/homes/{ada_home}")).await.expect(200);
    doris.post(&format!("{alert}/close"), "outcome=helped_on_site&note=x").await.expect(303);
    doris.get(&alert).await.expect(200);
    assert_eq!(doris.get(&person).await.status, 303, "it is over");

    let bo = night.path("/persons/{bo}");
    assert_eq!(doris.get(&bo).await.status, 303);
    night.sql("UPDATE alert SET claimed_by = 'Anna Ström' WHERE claimed_by = 'Lena Holm' AND state = 'claimed'").await;
    let anna = night.sign_in().await;
    anna.post("/hand-over", "to=Doris+Dal").await.expect(303);
    doris.get(&bo).await.expect(200);
    let high: String = query_scalar("SELECT id FROM alert WHERE claimed_by = 'Doris Dal' AND state = 'claimed'")
        .fetch_one(night.ward.store.reader())
        .await
        .expect("it is hers");
    let given = doris.post(&format!("/alerts/{high}/give-back"), "note=x").await;
    assert_eq!((given.status, given.header("location")), (303, "/"), "it is not hers to see any more");
    assert_eq!(doris.get(&bo).await.status, 303);
}

#[tokio::test]
async fn in_an_emergency_a_member_opens_a_person_for_an_hour_and_the_person_and_her_team_see_why() {
    let night = Night::begin().await;
    let (ada, person) = (night.ward.ada.clone(), night.path("/persons/{ada}"));
    let anna = night.sign_in().await;
    let doris = night.sign_in_as("Doris Dal").await;
    let south = night.commission("Doris Dal", "South", Area::HealthCare, Purpose::Care).await;
    let door = doris.get(&person).await;
    assert_eq!(door.header("location"), format!("/emergency?person={ada}"));
    let door = doris.get(door.header("location")).await.expect(200);
    assert!(door.contains("ett annat team ansvarar för") && !door.contains("Lindgren"), "{door}");

    let reason = "reason=Dottern+ringer+och+n%C3%A5r+henne+inte";
    let wishes = [
        format!("person={ada}&team={south}&reason=+"),
        format!("person={ada}&team={}&{reason}", night.team),
        format!("whom=Ada&team={south}&{reason}"),
        format!("whom=Ada+Lindgren&home=Storgatan+4&team={south}&{reason}"),
    ];
    for wish in wishes {
        let answer = doris.post("/emergency", &wish).await;
        assert_eq!(answer.status, 422, "{wish}");
        assert!(!answer.body.contains(&ada) || wish.contains(&ada));
    }
    assert_eq!(night.count("SELECT count(*) FROM emergency").await, 0);
    assert_eq!(doris.get(&person).await.status, 303);

    let opened = doris.post("/emergency", &format!("whom=ada+lindgren&team={south}&{reason}")).await;
    assert_eq!((opened.status, opened.header("location")), (303, person.as_str()));
    night.new_rows().await;
    let seen = doris.get(&person).await.expect(200);
    assert!(seen.contains("141") && seen.contains("id=\"in-emergency\"") && seen.contains("Larm"), "{seen}");
    assert_eq!(night.new_rows().await, ["opened_person by Doris Dal"]);
    assert_eq!(night.count("SELECT count(*) FROM access_log WHERE why = 'emergency'").await, 1);
    doris.get(&night.path("/alerts/{press}")).await.expect(200);
    assert!(!doris.get("/").await.expect(200).contains("Ada Lindgren"), "no list shows what was opened");
    assert_eq!(doris.get(&night.path("/persons/{bo}")).await.status, 303, "nobody else was opened");

    let hers = anna.get_with(&person, &[("accept-language", "en")]).await.expect(200);
    let said = "Doris Dal (Trygghetslarm)</strong> opened the data in an emergency, without being responsible: ”Dottern ringer";
    assert!(hers.contains(said) && hers.contains("opened this page in an emergency"), "{hers}");
    let list = anna.get("/").await.expect(200);
    assert!(
        list.contains("Öppnat i en nödsituation") && list.contains("”Dottern ringer och når henne inte”"),
        "{list}"
    );
    let id: String =
        query_scalar("SELECT id FROM emergency").fetch_one(night.ward.store.reader()).await.expect("there is one");
    doris.post(&format!("/emergency/{id}/reviewed"), "").await.expect(303);
    assert!(anna.get("/").await.expect(200).contains("Öppnat i en nödsituation"), "she does not review herself");
    anna.post(&format!("/emergency/{id}/reviewed"), "").await.expect(303);
    assert!(!anna.get("/").await.expect(200).contains("Öppnat i en nödsituation"));
    assert!(night.new_rows().await.contains(&"reviewed_emergency by Anna Ström".to_owned()));

    let mut stream = doris.follow(&format!("{person}/stream")).await;
    assert!(stream.next("region").await.contains("141"));
    night.sql(&format!("UPDATE emergency SET until_ms = {}", clock::now_ms())).await;
    night.console.changes.tell([Change::Person(ada)]);
    assert_eq!(stream.next("ended").await, "/", "the hour is over");
    assert_eq!(doris.get(&person).await.status, 303);
}

#[tokio::test]
async fn every_look_leaves_its_row_before_the_answer() {
    let night = Night::begin().await;
    let (ada, bo, karin) = (night.ward.ada.clone(), night.ward.bo.clone(), night.ward.karin.clone());
    let anna = night.sign_in().await;

    anna.get("/").await.expect(200);
    assert_eq!(
        night.new_rows().await,
        ["saw_on_work_list by Anna Ström", "saw_on_work_list by Anna Ström", "saw_on_work_list by Anna Ström"]
    );
    let mut seen: Vec<Option<String>> = night.log().await.into_iter().map(|row| row.person).collect();
    seen.sort();
    let mut expected = vec![Some(ada.clone()), Some(bo), Some(karin)];
    expected.sort();
    assert_eq!(seen, expected, "one row for each person on the list, and none for Edith");

    anna.get(&format!("/persons/{ada}")).await.expect(200);
    assert_eq!(night.new_rows().await, ["opened_person by Anna Ström"]);
    anna.get(&format!("/persons/{ada}/plan")).await.expect(200);
    assert_eq!(night.new_rows().await, ["opened_plan by Anna Ström"]);
    anna.get(&night.path("/alerts/{press}")).await.expect(200);
    assert_eq!(night.new_rows().await, ["opened_alert by Anna Ström"]);
    for page in ["/homes", "/homes/{ada_home}", "/homes/{ada_home}/devices/{button}"] {
        anna.get(&night.path(page)).await.expect(200);
    }
    assert_eq!(night.new_rows().await, Vec::<String>::new(), "homes show nobody's data");
    anna.get(&night.path("/homes/{ada_home}/devices/{new_cuff}")).await.expect(200);
    assert_eq!(night.new_rows().await, Vec::<String>::new(), "Ada's name was on the work list");
    anna.get(&night.path("/homes/{bo_home}/devices/{new_cuff}")).await.expect(200);
    assert_eq!(night.new_rows().await, ["saw_in_home by Anna Ström"], "and Edith's was not");

    let program = night.program();
    program.get("/api/v1/readings").await.expect(200);
    assert_eq!(
        night.new_rows().await,
        ["fetched_readings by program", "fetched_readings by program"],
        "Ada's, and the queue's"
    );
    program.get("/api/v1/alerts").await.expect(200);
    assert_eq!(night.new_rows().await.len(), 3);
    program.get("/api/v1/books").await.expect(200);
    program.get("/api/v1/homes").await.expect(200);
    assert_eq!(night.new_rows().await, Vec::<String>::new(), "the books and homes say nothing about a person");
}

#[tokio::test]
async fn the_work_list_writes_one_row_for_each_person_and_session() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    for _ in 0..3 {
        anna.get("/").await.expect(200);
    }
    anna.follow("/stream").await.next("region").await;
    assert_eq!(night.new_rows().await.len(), 3);

    let again = night.sign_in().await;
    again.get("/").await.expect(200);
    assert_eq!(night.new_rows().await.len(), 3, "another session is another look");
}

#[tokio::test]
async fn where_the_look_cannot_be_noted_nothing_is_shown() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    night.forbid("filled", "INSERT ON access_log").await;
    for page in ["/", "/persons/{ada}", "/alerts/{press}"] {
        let answer = anna.get(&night.path(page)).await;
        assert_eq!(answer.status, 503, "{page}");
        assert!(answer.body.contains("kan inte visas just nu"), "{page}");
        night.assert_tells_nothing(&answer);
    }
    for address in ["/api/v1/readings", "/api/v1/alerts"] {
        let answer = night.program().get(address).await;
        assert_eq!(answer.status, 503, "{address}");
        night.assert_tells_nothing(&answer);
    }
    let claim = anna.post(&night.path("/alerts/{press}/claim"), "").await;
    assert_eq!(claim.status, 503);
    assert_eq!(night.state_of(&night.ward.press).await, "open", "no claim without its trace");
}

#[tokio::test]
async fn a_persons_number_is_whole_only_for_a_member_who_asks_and_that_is_noted() {
    let night = Night::begin().await;
    let ada = night.ward.ada.clone();
    let written: Written = "20000229-2399".parse().expect("a test number of Skatteverket's");
    let number = IdentityNumber::Register(written.on(date(2026, 11, 24)).expect("of somebody born"));
    let mut work = night.ward.store.work().await.unwrap();
    person_numbers::set(&mut work, &ada, &number, 0).await.unwrap();
    work.commit().await.unwrap();
    let whole = ["200002292399", "20000229-2399", "000229-2399", "0002292399"];
    let assert_masked = |text: &str, where_: &str| {
        assert!(whole.iter().all(|whole| !text.contains(whole)), "{where_} shows the whole number");
    };

    let anna = night.sign_in().await;
    for page in PAGES_FOR_PEOPLE {
        assert_masked(&anna.get(&night.path(page)).await.expect(200), page);
    }
    for stream in STREAMS {
        assert_masked(&anna.follow(&night.path(stream)).await.next("region").await, stream);
    }
    for address in FOR_PROGRAMS {
        assert_masked(&night.program().get(&night.path(address)).await.expect(200), address);
    }
    let page = anna.get(&format!("/persons/{ada}")).await.expect(200);
    assert!(page.contains("20000229-••••") && page.contains("Visa hela numret"), "{page}");

    night.new_rows().await;
    let asked = format!("/persons/{ada}/number");
    let program = night.program().post(&asked, "").await;
    assert!(program.header("location").starts_with("/login"), "a program is no member: {}", program.status);
    assert_masked(&program.body, "what a program gets");
    let fetched = anna.get(&asked).await;
    assert_eq!(
        (fetched.status, fetched.header("location")),
        (303, format!("/persons/{ada}").as_str()),
        "it is not fetched"
    );
    let bo = night.path("/persons/{bo}/number");
    assert_eq!(anna.post(&bo, "").await.status, 404, "Bo has none");
    assert_eq!(night.new_rows().await, Vec::<String>::new());
    for (lang, words) in [("sv", "Det är noterat"), ("en", "It is noted")] {
        let origin = format!("http://{}", anna.address);
        let shown = anna.send("POST", &asked, &[("origin", &origin), ("accept-language", lang)], "").await;
        assert_eq!(shown.header("cache-control"), "no-store");
        let shown = shown.expect(200);
        assert!(shown.contains("20000229-2399") && shown.contains(words), "{shown}");
    }
    assert_eq!(night.new_rows().await, ["saw_number by Anna Ström", "saw_number by Anna Ström"]);
    let page = anna.get_with(&format!("/persons/{ada}"), &[("accept-language", "en")]).await.expect(200);
    assert_masked(&page, "the page after it");
    assert!(page.contains("asked to see the whole identity number"), "{page}");

    night.forbid("filled", "INSERT ON access_log").await;
    let unnoted = anna.post(&asked, "").await;
    assert_eq!(unnoted.status, 503);
    assert_masked(&unnoted.body, "an answer without its trace");
}

#[tokio::test]
async fn a_changed_row_of_the_log_is_found() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    anna.get("/").await.expect(200);
    anna.get(&night.path("/persons/{ada}")).await.expect(200);
    let reader = night.ward.store.reader();
    assert!(matches!(access_log::verify(reader).await, Ok(Verified::Whole { rows: 4, .. })));

    let mut work = night.ward.store.work().await.unwrap();
    assert!(query("UPDATE access_log SET who = 'nobody'").execute(&mut *work).await.is_err(), "the store refuses it");
    drop(work);
    night.allow("access_log_is_never_changed", "access_log").await;
    night.allow("access_log_is_never_shortened", "access_log").await;
    night.sql("UPDATE access_log SET who = 'nobody' WHERE n = 2").await;
    assert_eq!(access_log::verify(reader).await.unwrap(), Verified::Broken { at: 2 });
    night.sql("UPDATE access_log SET who = 'Anna Ström' WHERE n = 2").await;
    night.sql("DELETE FROM access_log WHERE n = 3").await;
    assert_eq!(access_log::verify(reader).await.unwrap(), Verified::Broken { at: 3 });
}

#[tokio::test]
async fn of_two_nurses_one_takes_the_alarm_and_the_other_is_told_who() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let bengt = night.sign_in_as("Bengt Ek").await;
    let claim = night.path("/alerts/{press}/claim");

    let (first, second) = tokio::join!(anna.post(&claim, ""), bengt.post(&claim, ""));

    let told: Vec<&str> = [&first, &second].map(|answer| answer.header("location")).to_vec();
    assert_eq!(told.iter().filter(|location| location.ends_with("said=taken")).count(), 1, "{told:?}");
    let (winner, loser, location) =
        if told[0].ends_with("said=taken") { ("Bengt Ek", &anna, told[0]) } else { ("Anna Ström", &bengt, told[1]) };
    assert!(loser.get(location).await.expect(200).contains(&format!("{winner} hann före")));
    let claims = night.count("SELECT count(*) FROM alert_line WHERE kind = 'claimed' AND alert = '{press}'").await;
    assert_eq!(claims, 1);
}

#[tokio::test]
async fn doing_the_same_twice_changes_nothing() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let lines = "SELECT count(*) FROM alert_line WHERE alert = '{press}'";
    let close = night.path("/alerts/{press}/close");

    let too_early = anna.post(&close, "outcome=test&note=klart").await;
    assert!(too_early.header("location").ends_with("said=unclaimed"));
    for _ in 0..2 {
        anna.post(&night.path("/alerts/{press}/claim"), "").await.expect(303);
    }
    assert_eq!(night.count(lines).await, 2);
    assert!(anna.post(&close, "note=klart").await.header("location").ends_with("said=outcome"));
    let not_reached = anna.post(&close, "outcome=could_not_be_reached&note=+++").await;
    assert!(not_reached.header("location").ends_with("said=words"));
    for _ in 0..2 {
        anna.post(&close, "outcome=phoned_and_well&note=Hon+m%C3%A5r+bra").await.expect(303);
    }
    for _ in 0..2 {
        anna.post(&night.path("/alerts/{press}/note"), "note=Dottern+vet").await.expect(303);
    }
    assert_eq!(night.count(lines).await, 4);
    let page = anna.get(&night.path("/alerts/{press}")).await.expect(200);
    assert!(
        page.contains("ringde upp, personen mår bra. Hon mår bra") && page.contains("Anna Ström skrev: Dottern vet")
    );
}

#[tokio::test]
async fn a_press_that_rings_again_is_loud_until_its_claimer_has_it_before_her_eyes() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let bengt = night.sign_in_as("Bengt Ek").await;
    anna.post(&night.path("/alerts/{press}/claim"), "").await.expect(303);
    let rung = clock::now_ms() + 1;
    night.sql(&night.path(&format!("UPDATE alert SET rung_ms = {rung} WHERE id = '{{press}}'"))).await;
    let loud = "inte sett av Anna Ström";

    assert!(bengt.get("/").await.expect(200).contains(loud));
    bengt.get(&night.path("/alerts/{press}")).await.expect(200);
    assert!(bengt.get("/").await.expect(200).contains(loud), "somebody else has seen it");
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    anna.get(&night.path("/alerts/{press}")).await.expect(200);
    assert!(!bengt.get("/").await.expect(200).contains(loud));
}

#[tokio::test]
async fn who_took_an_alarm_says_that_someone_is_on_the_way_and_the_home_is_told() {
    let mut night = Night::begin().await;
    let anna = night.sign_in().await;
    let bengt = night.sign_in_as("Bengt Ek").await;
    let (alert, way) = (night.path("/alerts/{press}"), night.path("/alerts/{press}/on-the-way"));

    assert!(anna.post(&way, "").await.header("location").ends_with("said=unclaimed"));
    anna.post(&format!("{alert}/claim"), "").await.expect(303);
    assert!(bengt.post(&way, "").await.header("location").ends_with("said=taken"), "it is for Anna to say");
    assert!(!bengt.get(&alert).await.expect(200).contains("id=\"on-the-way\""));
    assert!(anna.get(&alert).await.expect(200).contains("id=\"on-the-way\""));
    for _ in 0..2 {
        anna.post(&way, "").await.expect(303);
    }

    let page = bengt.get_with(&alert, &[("accept-language", "sv")]).await.expect(200);
    assert!(
        page.contains("Någon är på väg, säger Anna Ström.") && page.contains("<strong>Någon är på väg</strong> sedan")
    );
    assert_eq!(night.count("SELECT count(*) FROM alert_line WHERE kind = 'on_the_way' AND alert = '{press}'").await, 1);
    let listed = night.program().json("/api/v1/alerts").await;
    let press = listed["alerts"].as_array().expect("a list").iter().find(|alert| alert["id"] == night.ward.press);
    assert!(press.expect("it is there")["on_the_way_at"].is_string());
    assert!(night.new_rows().await.contains(&"said_on_the_way by Anna Ström".to_owned()));
    let told = Occasion::Act { alert: night.ward.press.clone() };
    assert_eq!([night.occasion(), night.occasion(), night.occasion()], [Some(told.clone()), Some(told), None]);
}

#[tokio::test]
async fn at_the_end_of_her_shift_a_nurse_hands_over_all_that_is_hers_in_one_step() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let bengt = night.sign_in_as("Bengt Ek").await;
    let alert = night.path("/alerts/{press}");
    anna.post(&format!("{alert}/claim"), "").await.expect(303);
    assert!(anna.get("/").await.expect(200).contains("Lämna över alla mina (1)"));
    assert!(!bengt.get("/").await.expect(200).contains("Lämna över alla mina"));
    assert!(anna.post("/hand-over", "to=Nobody").await.header("location").ends_with("said=member"));
    assert!(anna.get("/?said=member").await.expect(200).contains("Dina ärenden är fortfarande dina"));
    night.new_rows().await;

    anna.post("/hand-over", "to=Bengt+Ek").await.expect(303);

    assert_eq!(night.new_rows().await, ["handed_over_alert by Anna Ström"]);
    let list = bengt.get("/").await.expect(200);
    assert!(list.contains("inte sett av Bengt Ek") && list.contains("Lämna över alla mina (1)"), "{list}");
    assert!(!anna.get("/").await.expect(200).contains("Lämna över alla mina"));
    let page = bengt.get(&alert).await.expect(200);
    assert!(page.contains("Anna Ström lämnade över till Bengt Ek.") && page.contains("Går tillbaka till teamet"));
    assert!(!bengt.get("/").await.expect(200).contains("inte sett av"));
}

#[tokio::test]
async fn what_is_given_back_or_opened_again_is_before_the_whole_team() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let bengt = night.sign_in_as("Bengt Ek").await;
    let alert = night.path("/alerts/{press}");
    let press = night.ward.press.clone();
    anna.post(&format!("{alert}/claim"), "").await.expect(303);
    assert!(bengt.post(&format!("{alert}/give-back"), "note=x").await.header("location").ends_with("said=taken"));
    assert!(anna.post(&format!("{alert}/give-back"), "note=").await.header("location").ends_with("said=words"));
    anna.post(&format!("{alert}/give-back"), "note=Ett+annat+larm").await.expect(303);
    assert_eq!(night.state_of(&press).await, "open");
    assert!(bengt.get(&alert).await.expect(200).contains("Anna Ström lämnade tillbaka det. Ett annat larm"));

    bengt.post(&format!("{alert}/claim"), "").await.expect(303);
    bengt.post(&format!("{alert}/close"), "outcome=no_action_needed").await.expect(303);
    for _ in 0..2 {
        anna.post(&format!("{alert}/reopen"), "note=Hon+har+ramlat+igen").await.expect(303);
    }
    assert_eq!(night.state_of(&press).await, "open");
    assert_eq!(night.count("SELECT count(*) FROM alert_line WHERE kind = 'opened_again'").await, 1);
    assert!(anna.get(&alert).await.expect(200).contains("Öppnat igen av Anna Ström: Hon har ramlat igen"));
}

#[tokio::test]
async fn a_closed_alert_stays_closed_where_a_newer_one_about_the_same_is_open() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let old: String =
        query_scalar("SELECT id FROM alert WHERE state = 'closed'").fetch_one(night.ward.store.reader()).await.unwrap();
    let reopen = format!("/alerts/{old}/reopen");
    assert!(anna.post(&reopen, "note=x").await.header("location").ends_with("said=late"), "nine days ago");
    night.sql(&format!("UPDATE alert SET closed_ms = {} WHERE id = '{old}'", clock::now_ms())).await;
    assert!(anna.post(&reopen, "note=x").await.header("location").ends_with("said=another"));
    assert!(anna.get(&format!("/alerts/{old}?said=another")).await.expect(200).contains("nyare ärende"));
    assert_eq!(night.state_of(&old).await, "closed");
}

#[tokio::test]
async fn an_owner_is_warned_before_her_alert_goes_back_to_the_team() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let warning = "om du inte hörs av";
    anna.post(&night.path("/alerts/{press}/claim"), "").await.expect(303);
    assert!(!anna.get("/").await.expect(200).contains(warning));
    let soon = clock::now_ms() + 60_000;
    night
        .sql(&night.path(&format!(
            "UPDATE alert SET goes_back_ms = {soon}, said_ms = {soon} - 1800000 WHERE id = '{{press}}'"
        )))
        .await;

    assert!(anna.get("/").await.expect(200).contains(warning));
    assert!(!night.sign_in_as("Bengt Ek").await.get("/").await.expect(200).contains(warning));
    anna.get(&night.path("/alerts/{press}")).await.expect(200);
    assert!(!anna.get("/").await.expect(200).contains(warning), "she has it before her eyes");
}

#[tokio::test]
async fn a_program_does_what_a_named_member_does_about_an_alert_and_nothing_in_its_own_name() {
    let night = Night::begin().await;
    night.sign_in_as("Bengt Ek").await;
    let program = night.program();
    let alert = night.path("/api/v1/alerts/{press}");
    let wish = |by: &str, rest: &str| format!(r#"{{"by":"{by}","act":{rest}}}"#);
    assert_eq!(program.post_json(&alert, &wish("program", r#""claim""#)).await.status, 422);
    assert!(program.post(&night.path("/alerts/{press}/claim"), "").await.header("location").starts_with("/login"));
    assert_eq!(night.state_of(&night.ward.press).await, "open");

    program.post_json(&alert, &wish("Anna Ström", r#""claim""#)).await.expect(204);
    let taken = program.post_json(&alert, &wish("Bengt Ek", r#""give_back","why":"x""#)).await;
    assert_eq!((taken.status, taken.body.contains("Anna Ström has claimed it")), (409, true));
    for rest in [r#""on_the_way""#, r#""note","note":"at the door""#, r#""hand_over","to":"Bengt Ek""#] {
        program.post_json(&alert, &wish("Anna Ström", rest)).await.expect(204);
    }
    let all = program.post_json("/api/v1/alerts/hand-over", r#"{"by":"Bengt Ek","to":"Anna Ström"}"#).await.expect(200);
    assert_eq!(all, r#"{"handed_over":1}"#);
    let shown = async || {
        let listed = program.json("/api/v1/alerts").await;
        let alerts = listed["alerts"].as_array().expect("a list").clone();
        alerts.into_iter().find(|alert| alert["id"] == night.ward.press).expect("it is there")
    };
    let press = shown().await;
    assert_eq!((&press["claimed_by"], press["seen"].as_bool()), (&Value::from("Anna Ström"), Some(false)));
    assert!(press["goes_back_at"].is_string() && press["last_word_at"].is_string() && press["claimed_at"].is_string());
    program.post_json(&alert, &wish("Anna Ström", r#""close","outcome":"helped_on_site""#)).await.expect(204);
    let press = shown().await;
    assert_eq!((&press["outcome"], press["closed_at"].is_string()), (&Value::from("helped_on_site"), true));
    program.post_json(&alert, &wish("Bengt Ek", r#""reopen","why":"not over""#)).await.expect(204);
    assert_eq!(night.state_of(&night.ward.press).await, "open");
}

#[tokio::test]
async fn an_alert_that_nobody_takes_shows_who_is_told_next_and_loudly_that_nobody_has_answered() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let alert = night.path("/alerts/{press}");
    // Without a roster she is on duty whenever this runs.
    night.sql("DELETE FROM roster").await;
    let mut work = night.ward.store.work().await.unwrap();
    escalations::set_open_channels(&mut work, &[Channel::Sms]).await.unwrap();
    let address = "+46700000000".to_owned();
    let contact =
        Contact { member: "Anna Ström".into(), channel: Channel::Sms, address, lang: Lang::Sv, proven_ms: None };
    contacts::set(&mut work, &contact, "Lena", clock::now_ms()).await.unwrap();
    work.commit().await.unwrap();
    let page = anna.get(&alert).await.expect(200);
    assert!(page.contains("Vem som får veta härnäst") && page.contains("<strong>Anna Ström</strong>"), "{page}");

    night.timers_fire().await;
    let page = anna.get(&alert).await.expect(200);
    assert!(page.contains("Steg 1: Anna Ström får veta.") && page.contains("Anna Ström, sms: väntar på att skickas."));
    assert!(!anna.get("/").await.expect(200).contains("INGEN HAR SVARAT"));
    for _ in 0..2 {
        night.sql("UPDATE timer SET due_ms = due_ms - 60000 WHERE kind = 'escalation'").await;
        night.sql("UPDATE escalation SET due_ms = due_ms - 60000").await;
        night.timers_fire().await;
    }

    let list = anna.get("/").await.expect(200);
    assert!(list.contains("INGEN HAR SVARAT, alla steg är prövade sedan"), "{list}");
    let page = anna.get(&alert).await.expect(200);
    assert!(page.contains("Ingen har svarat.") && page.contains("Nästa upprepning"), "{page}");
    let listed = night.program().json("/api/v1/alerts").await;
    assert_eq!(
        (&listed["alerts"][0]["id"], listed["alerts"][0]["unanswered_since"].is_string()),
        (&night.ward.press.as_str().into(), true)
    );
    let told = night.count("SELECT count(*) FROM outbox WHERE member = 'Anna Ström'").await;
    assert_eq!(told, 1, "who waits to be told already is told once");

    anna.post(&format!("{alert}/claim"), "").await.expect(303);
    assert!(!anna.get("/").await.expect(200).contains("INGEN HAR SVARAT"));
    assert!(!anna.get(&alert).await.expect(200).contains("Vem som får veta härnäst"));
    assert_eq!(night.count("SELECT count(*) FROM outbox WHERE state = 'waiting'").await, 0);
}

#[tokio::test]
async fn where_nobody_could_be_told_no_page_says_that_everybody_was() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    night.timers_fire().await;

    let list = anna.get("/").await.expect(200);
    assert!(list.contains("INGEN KUNDE NÅS: den syns bara här sedan"), "{list}");
    let page = anna.get(&night.path("/alerts/{press}")).await.expect(200);
    assert!(page.contains("Ingen kunde nås.") && page.contains("Nästa försök"), "{page}");
    for said in [list, page] {
        assert!(!said.contains("INGEN HAR SVARAT") && !said.contains("Ingen har svarat"), "{said}");
        assert!(!said.contains("upprep"), "nothing is repeated that was never told: {said}");
    }
}

#[tokio::test]
async fn a_team_s_escalation_plan_is_read_and_changed_by_programs_and_refused_where_it_would_tell_nobody() {
    let night = Night::begin().await;
    let program = night.program();
    let team: String = query_scalar("SELECT id FROM team").fetch_one(night.ward.store.reader()).await.unwrap();
    let address = format!("/api/v1/teams/{team}/escalation");
    assert_eq!(night.browser().get(&address).await.status, 401);
    let usual = program.json(&address).await;
    assert_eq!((&usual["plan"]["rungs"][0]["whom"][0], &usual["set_by"]), (&"on_duty".into(), &Value::Null));

    for (plan, complaint) in [
        (r#"{"rungs":[]}"#, "between 1 and 20 rungs"),
        (r#"{"rungs":[{"whom":[{"member":"Nobody"}]}]}"#, "nobody signs in as Nobody"),
        (r#"{"rungs":[{"whom":[{"team_of":"none"}]}]}"#, "there is no team none"),
    ] {
        let refused = program.post_json(&address, &format!(r#"{{"by":"Lena","plan":{plan}}}"#)).await;
        assert_eq!((refused.status, refused.body.contains(complaint)), (422, true), "{}", refused.body);
    }
    let plan = r#"{"rungs":[{"whom":[{"member":"Anna Ström"}],"waits":{"alarm":"90s"}},{"whom":["team"]}]}"#;
    program.post_json(&address, &format!(r#"{{"by":"Lena","plan":{plan}}}"#)).await.expect(204);
    let shown = program.json(&address).await;
    assert_eq!((&shown["set_by"], &shown["plan"]["rungs"][0]["waits"]["alarm"]), (&"Lena".into(), &"1m 30s".into()));
    assert!(night.new_rows().await.contains(&"changed_team by program".to_owned()));
}

#[tokio::test]
async fn a_named_person_says_that_a_buttons_battery_was_changed() {
    let mut night = Night::begin().await;
    let anna = night.sign_in().await;
    let (alert, changed) = (night.path("/alerts/{press}"), night.path("/alerts/{press}/battery-changed"));
    assert!(!anna.get(&alert).await.expect(200).contains("id=\"battery-changed\""));
    anna.post(&changed, "").await.expect(303);
    assert_eq!(night.count("SELECT CAST(sum(battery) AS BIGINT) FROM device").await, 0, "no counter began anew");

    night.press_with_a_counter_that_went_back(17).await;
    assert!(anna.get(&alert).await.expect(200).contains("id=\"battery-changed\""));
    for _ in 0..2 {
        anna.post(&changed, "").await.expect(303);
    }

    assert_eq!(night.count("SELECT battery * 100 + counter FROM device WHERE kind = 'alarm_button'").await, 117);
    let page = anna.get(&alert).await.expect(200);
    assert!(page.contains("är bytt, säger Anna Ström") && !page.contains("id=\"battery-changed\""));
    let asked = night.log().await.into_iter().find(|row| row.action == "changed_battery").expect("its row");
    assert_eq!((asked.who.as_str(), asked.person), ("Anna Ström", Some(night.ward.ada.clone())));
    assert!(matches!(night.occasion(), Some(Occasion::Devices { .. })));
    assert_eq!(night.occasion(), None);
}

#[tokio::test]
async fn the_stream_shows_a_change_at_once_and_ends_with_the_session() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let mut stream = anna.follow("/stream").await;
    assert!(stream.next("region").await.contains("Ingen har tagit hand om det än"));
    stream.next("beat").await;

    night.sign_in_as("Bengt Ek").await.post(&night.path("/alerts/{press}/claim"), "").await.expect(303);
    assert!(stream.next("region").await.contains("Bengt Ek"));

    anna.post("/logout", "").await.expect(303);
    night.console.changes.tell([Change::WorkList]);
    assert_eq!(stream.next("ended").await, "/login");
    assert_eq!(anna.get("/").await.status, 303);
}

#[tokio::test]
async fn a_console_that_is_stopped_ends_its_streams() {
    let night = Night::begin().await;
    let mut stream = night.sign_in().await.follow("/stream").await;
    stream.next("beat").await;
    tokio::time::timeout(std::time::Duration::from_secs(5), night.console.stop())
        .await
        .expect("it does not wait for them");
}

#[tokio::test]
async fn another_sites_page_can_do_nothing() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let claim = night.path("/alerts/{press}/claim");
    for origin in [vec![], vec![("origin", "https://evil.example")], vec![("sec-fetch-site", "cross-site")]] {
        let answer = anna.send("POST", &claim, &origin, "").await;
        assert_eq!(answer.status, 403, "{origin:?}");
        assert!(answer.body.contains("Stoppat för säkerhets skull"));
    }
    assert_eq!(night.state_of(&night.ward.press).await, "open");
}

#[tokio::test]
async fn guessing_passwords_becomes_slow_and_tells_nothing() {
    let night = Night::begin().await;
    let thief = night.browser();
    let mut answers = Vec::new();
    // Looking at a password may itself take seconds on a busy machine; the waits soon become longer than that.
    while answers.len() < 9 && !answers.contains(&429) {
        answers.push(thief.post("/login", "name=Anna+Str%C3%B6m&password=guess").await.status);
    }
    assert_eq!(answers[..4], [401; 4], "the first mistakes are free");
    assert_eq!(answers.last(), Some(&429), "{answers:?}");
    let wrong_name = night.browser().post("/login", "name=Nobody&password=guess").await;
    assert!(wrong_name.body.contains("Namnet eller lösenordet stämmer inte"));
}

#[tokio::test]
async fn names_are_text_and_never_markup() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    for page in ["/", "/persons/{karin}"] {
        let body = anna.get(&night.path(page)).await.expect(200);
        assert!(body.contains("Karin &lt;script&gt;alert(1)&lt;/script&gt; Ek"), "{page}");
        assert!(!body.contains("<script>alert"), "{page}");
    }
}

#[tokio::test]
async fn every_page_speaks_swedish_and_english_and_keeps_others_out() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let said = [("sv", "Uppgifter från kl."), ("en", "Data from")];
    for page in PAGES_FOR_PEOPLE {
        for (lang, words) in said {
            let answer = anna.get_with(&night.path(page), &[("accept-language", lang)]).await;
            assert!(answer.body.contains(&format!("<html lang=\"{lang}\">")), "{page} in {lang}");
            assert!(answer.body.contains(words), "{page} in {lang}");
            assert_eq!(answer.header("cache-control"), "no-store", "{page}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{page}");
            assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{page}");
            assert!(!answer.body.contains(" style="), "{page}");
        }
    }
    let missing = anna.get_with("/no-such-page", &[("accept-language", "en")]).await;
    assert_eq!((missing.status, missing.body.contains("There is no such page")), (404, true));
    let chosen = night.browser().get("/language/en?to=//evil.example").await;
    assert_eq!(chosen.header("location"), "/");
    assert!(chosen.header("set-cookie").starts_with("hempuls_language=en"));
}

#[tokio::test]
async fn english_pages_are_english_throughout_and_swedish_ones_swedish() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let names = [
        "På svenska",
        "Anna Ström",
        "Hemsjukvården natt",
        "Bo Öberg",
        "Ängsvägen",
        "Edith Sjö",
        "Kom åt knappen när hon diskade",
    ];
    for page in PAGES_FOR_PEOPLE.into_iter().chain(["/login", "/no-such-page"]) {
        let anna = if page == "/login" { &night.browser() } else { &anna };
        let english = anna.get_with(&night.path(page), &[("accept-language", "en")]).await.body;
        let english = names.iter().fold(english, |text, name| text.replace(name, ""));
        assert!(!english.contains(['å', 'ä', 'ö', 'Å', 'Ä', 'Ö']), "{page} has Swedish words");
        let swedish = anna.get_with(&night.path(page), &[("accept-language", "sv")]).await.body;
        let swedish = swedish.replace("payload ends in systolic: 2 bytes needed, 1 left", "");
        let swedish = swedish.replace(fixture::REFUSED_BECAUSE, "");
        for word in [" the ", " is ", " of ", "The ", " reading", "Open<"] {
            assert!(!swedish.contains(word), "{page} has the English word {word:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_opened_without_its_page_leaves_its_row_too() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    anna.get("/").await.expect(200);
    night.new_rows().await;
    let (person, alert) = (night.path("/persons/{ada}"), night.path("/alerts/{press}"));
    anna.follow(&format!("{person}/stream")).await.next("region").await;
    assert_eq!(night.new_rows().await, ["opened_person by Anna Ström"]);
    anna.follow(&format!("{alert}/stream")).await.next("region").await;
    assert_eq!(night.new_rows().await, ["opened_alert by Anna Ström"]);

    anna.get(&person).await.expect(200);
    assert_eq!(night.new_rows().await.len(), 1);
    anna.follow(&format!("{person}/stream")).await.next("region").await;
    assert_eq!(night.new_rows().await, Vec::<String>::new(), "its page has noted it");
}

#[tokio::test]
async fn an_empty_list_is_never_all_well() {
    let folder = Place::new().await;
    let ward = fixture::ward(folder.open().await).await;
    for table in ["alert_line", "escalation", "alert", "waiting", "observation", "record"] {
        let mut work = ward.store.work().await.unwrap();
        query(sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&mut *work).await.unwrap();
        work.commit().await.unwrap();
    }
    let night = Night::with(ward, folder).await;
    let body = night.sign_in().await.get("/").await.expect(200);
    assert!(body.contains("Inget väntar på någon just nu"));
    assert!(body.contains("Senaste livstecknet från ett hem kom"));
    assert!(body.contains("2 av 3 hem har hörts av"));
    assert!(body.contains("Norra Hamngatan 7, hördes senast"));
}

#[tokio::test]
async fn a_person_with_one_reading_and_one_with_a_thousand_have_a_page() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let edith = night.path("/persons/{edith}");
    assert!(anna.get(&edith).await.expect(200).contains("Det betyder inte att allt är bra"));

    night.copy_readings(1).await;
    let one = anna.get(&edith).await.expect(200);
    assert!(one.contains("<svg class=\"chart\" role=\"img\"") && one.contains("1 under perioden"));

    night.copy_readings(999).await;
    let many = anna.get(&edith).await.expect(200);
    assert!(many.contains("1000 under perioden"));
    assert!(many.len() < 120 * 1024, "{} bytes leave too little for style and script", many.len());
    let (_, before) = many.split_once("&amp;before=").expect("there is an older page");
    let before: String = before.chars().take_while(char::is_ascii_digit).collect();
    let older = anna.get(&format!("{edith}?days=30&before={before}")).await.expect(200);
    assert!(older.contains("Nyaste mätningarna") && older != many);
}

#[tokio::test]
async fn what_could_not_be_read_is_shown_as_it_came() {
    let night = Night::begin().await;
    let body = night.sign_in().await.get(&night.path("/persons/{ada}")).await.expect(200);
    assert!(body.contains("Kunde inte tolkas") && body.contains("<code>1e80</code>"));
    assert!(body.contains("rörde sig, fel armställning"));
    assert!(body.contains("class=\"point s1 hollow\""), "what is not usable is drawn hollow");
    assert!(body.contains("Gräns övertryck (systoliskt) 180") && body.contains("Gräns undertryck (diastoliskt) 110"));
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_in_words() {
    let night = Night::begin().await;
    let page = night.sign_in().await.get(&night.path("/persons/{ada}?days=eleven")).await;
    assert_eq!((page.status, page.body.contains("Frågan gick inte att förstå")), (400, true));
    let answer = night.program().get("/api/v1/readings?limit=many").await;
    assert_eq!((answer.status, answer.body.as_str()), (400, r#"{"error":"the request could not be understood"}"#));
    assert_eq!(night.new_rows().await, Vec::<String>::new());
}

#[tokio::test]
async fn programs_read_readings_alerts_and_books() {
    let night = Night::begin().await;
    let program = night.program();
    let all = program.json("/api/v1/readings?limit=5000").await;
    let all = all["readings"].as_array().expect("a list").clone();
    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let page = program.json(&format!("/api/v1/readings?limit=40&after={after}")).await;
        paged.extend(page["readings"].as_array().expect("a list").iter().cloned());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let pressure =
        all.iter().find(|reading| reading["characteristic"] == "2a35" && reading["usable"] == true).expect("one");
    assert_eq!(pressure["observations"][0]["quantity"], "systolic");
    assert_eq!(pressure["observations"][0]["unit"], "mm[Hg]");
    assert!(pressure["observations"][0]["value"].is_i64());
    assert_eq!(pressure["raw"], "1e80");

    let alerts = program.json("/api/v1/alerts").await;
    assert_eq!(alerts["alerts"][0]["rule"], "alarm_pressed");
    assert_eq!(alerts["alerts"][0]["state"], "open");
    assert_eq!(alerts["alerts"][0]["lines"][0]["kind"], "alarm_pressed");
    assert_eq!(alerts["waiting"][0]["wanted"], 2);

    let books = program.json("/api/v1/books").await;
    assert_eq!(books["records"], all.len());
    let lines = books["lines"].as_array().expect("a list");
    assert_eq!(lines.len(), 6);
    assert!(lines.iter().all(|line| line["balanced"] == true));
    assert_eq!(lines.iter().filter(|line| line["connected"] == true).count(), 4);
}

#[tokio::test]
async fn a_home_says_what_ails_its_box_and_never_that_all_is_well_where_nothing_is_known() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let well = anna.get(&night.path("/homes/{ada_home}")).await.expect(200);
    for words in [
        "hör</span>",
        "tar emot allt",
        "den första av 2",
        "de senaste</span>",
        "Krypterad.",
        "3 min efter",
        "12 % lågt",
    ] {
        assert!(well.contains(words), "{words}");
    }
    let ill = anna.get(&night.path("/homes/{bo_home}")).await.expect(200);
    for words in [
        "Boxens radio hör ingenting",
        "full: bara larm",
        "Larm bara i arbetsminnet: 1",
        "nr 2 av 2",
        fixture::REFUSED_BECAUSE,
        "lagringen full: 3",
        "livstecken saknas",
        "har inte tagit emot den än",
        "Boxens klocka ställdes 1 min framåt",
    ] {
        assert!(ill.contains(words), "{words}");
    }
    let homes = anna.get("/homes").await.expect(200);
    let (_, unheard) = homes.split_once("Norra Hamngatan 7").expect("it is listed");
    let unheard = unheard.split("</section>").next().expect("its card");
    assert!(unheard.contains("okänd") && !unheard.contains("hör</span>"), "{unheard}");
}

#[tokio::test]
async fn a_device_that_was_just_used_is_added_from_afar_with_its_key_and_never_shows_it() {
    let mut night = Night::begin().await;
    let anna = night.sign_in().await;
    let home = anna.get(&night.path("/homes/{ada_home}")).await.expect(200);
    let (_, list) = home.split_once("id=\"nearby\"").expect("the list");
    assert!(list.find("BM 54").expect("it is there") < list.find("UA-651BLE").expect("it is there"));
    assert!(list.contains("Nyss använd") && list.contains("mycket stark signal"));

    let button = night.path("/homes/{ada_home}/devices/") + &hex::encode("F0:F1:F2:F3:F5:23");
    let form = anna.get(&button).await.expect(200);
    assert!(form.contains("<option value=\"alarm_button\" selected>") && form.contains("Ada Lindgren"));
    let key = "231d39c1d7cc1ab1aee224cd096db932";
    let typed = |key: &str| night.path(&format!("kind=alarm_button&key={key}&beacon=900&person={{ada}}"));
    let wrong = anna.post(&format!("{button}/add"), &typed("231d39c1")).await;
    assert_eq!(
        (wrong.status, wrong.body.contains("inte 32 tecken"), wrong.body.contains("231d39c1")),
        (422, true, false)
    );
    let of_no_button = format!("kind=blood_pressure&key={key}");
    assert_eq!(anna.post(&format!("{button}/add"), &of_no_button).await.status, 422);
    assert_eq!(night.count("SELECT count(*) FROM device WHERE key IS NOT NULL").await, 0);

    let added = anna.post(&format!("{button}/add"), &typed(&key.to_uppercase())).await;
    assert!(added.header("location").ends_with("said=added"), "{}", added.body);
    assert!(anna.get(added.header("location")).await.expect(200).contains("Apparaten är tillagd"));
    let again = anna.post(&format!("{button}/add"), &typed(key)).await;
    assert_eq!((again.status, again.body.contains("Knappens nyckel")), (422, true));
    assert_eq!(
        night
            .count(
                "SELECT count(*) FROM device WHERE key = unhex('231d39c1d7cc1ab1aee224cd096db932') AND beacon_s = 900"
            )
            .await,
        1
    );
    assert_eq!(night.count("SELECT count(*) FROM assignment WHERE person = '{ada}'").await, 1);
    assert!(matches!(night.occasion(), Some(Occasion::Devices { .. })));
    let row = night.log().await.into_iter().find(|row| row.action == "adopted_device").expect("its row");
    assert_eq!((row.who.as_str(), row.person.as_ref()), ("Anna Ström", Some(&night.ward.ada)));
    for page in [&button, &night.path("/homes/{ada_home}"), &night.path("/persons/{ada}")] {
        let body = anna.get(page).await.expect(200).to_lowercase();
        assert!(!body.contains(&key[..8]), "{page}");
    }
    let listed = night.program().get("/api/v1/homes").await.expect(200);
    assert!(listed.contains("\"has_key\":true") && !listed.to_lowercase().contains(&key[..8]));

    let by_address = anna.get(&night.path("/homes/{ada_home}/devices?address=f0:f1:f2:f3:f5:99+")).await;
    assert_eq!(
        by_address.header("location"),
        night.path("/homes/{ada_home}/devices/") + &hex::encode("F0:F1:F2:F3:F5:99")
    );
    let no_address = anna.get(&night.path("/homes/{ada_home}/devices?address=//evil.example")).await;
    assert!(anna.get(no_address.header("location")).await.expect(200).contains("Det är ingen adress"));

    let elsewhere = night.path("/homes/{bo_home}/devices/") + &hex::encode("F0:F1:F2:F3:F5:23");
    assert!(anna.get(&elsewhere).await.expect(200).contains("tillhör redan ett hem"));
    anna.post(&format!("{elsewhere}/remove"), "").await.expect(303);
    assert_eq!(night.count("SELECT count(*) FROM device WHERE ended_ms IS NOT NULL").await, 0, "it is not that home's");
    for _ in 0..2 {
        anna.post(&format!("{button}/remove"), "").await.expect(303);
    }
    assert_eq!(night.count("SELECT count(*) FROM device WHERE ended_ms IS NOT NULL").await, 1);
    assert_eq!(night.log().await.iter().filter(|row| row.action == "removed_device").count(), 1);
}

#[tokio::test]
async fn a_member_changes_a_plan_with_a_reason_and_every_version_stays() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let (person, plan) = (night.path("/persons/{ada}"), night.path("/persons/{ada}/plan"));
    assert!(anna.get(&person).await.expect(200).contains("Ingen har skrivit en plan"));

    let wish = "standard=adult&born=1938&limit_systolic_above=160&measure_blood_pressure_morning=yes";
    for (wrong, said) in [
        (wish.to_owned(), "Skriv varför planen ändras"),
        (format!("{wish}&reason=ok&limit_pulse_above=fast"), "skriv ett tal"),
        (format!("{wish}&reason=ok&limit_systolic_below=170"), "Gränserna korsar varandra"),
        (format!("{wish}&reason=ok&away=holiday"), "Pausen behöver ett slutdatum"),
    ] {
        let answer = anna.post(&plan, &wrong).await;
        assert!(answer.status == 422 && answer.body.contains(said), "{wrong}");
        assert!(answer.body.contains("value=\"160\""), "what was typed is not lost");
    }
    assert_eq!(night.count("SELECT count(*) FROM plan").await, 0);
    assert_eq!(anna.post(&plan, &format!("{wish}&reason=Efter+samtal")).await.status, 303);
    let shown = anna.get(&person).await.expect(200);
    assert!(shown.contains("Efter samtal") && shown.contains("Gräns övertryck (systoliskt) 160"));

    anna.post(&plan, "standard=adult&child=yes&reason=Ett+barn").await;
    let shown = anna.get(&person).await.expect(200);
    assert!(shown.contains("vuxnas gränser används inte") && !shown.contains("Gräns övertryck"));
    let versions = night.program().json(&night.path("/api/v1/persons/{ada}/plan")).await;
    assert_eq!(versions["versions"][1]["plan"]["limits"]["systolic_above"], 160);
    assert_eq!(versions["versions"][1]["author"], "Anna Ström");
    assert!(versions["versions"][1]["until"].is_string() && versions["versions"][0]["until"].is_null());
    assert_eq!(night.count("SELECT count(*) FROM access_log WHERE action = 'changed_plan'").await, 2);
}

#[tokio::test]
async fn a_program_makes_a_team_responsible_and_a_member_cannot_make_herself() {
    let night = Night::begin().await;
    let ada = night.ward.ada.clone();
    let mut work = night.ward.store.work().await.unwrap();
    let team = teams::add(&mut work, "Night patrol", Area::SocialServices, "Europe/Stockholm", 0).await.unwrap();
    work.commit().await.unwrap();
    let address = format!("/api/v1/persons/{ada}/teams");
    let wish = format!(r#"{{"by":"Eva Lund","team":"{team}"}}"#);
    let anna = night.sign_in().await;
    assert_eq!(anna.post_json(&address, &wish).await.status, 403);
    let program = night.program();
    assert_eq!(program.json(&address).await["teams"].as_array().map(Vec::len), Some(0));
    assert_eq!(night.new_rows().await, ["fetched_teams by program"]);

    assert_eq!(program.post_json(&address, &wish).await.status, 204);

    assert_eq!(night.new_rows().await, ["changed_team by program"]);
    assert_eq!(program.json(&address).await["teams"][0]["area"], "social_services");
    let listed = program.json("/api/v1/teams").await;
    let listed = listed["teams"].as_array().unwrap().iter().find(|one| one["id"] == team.as_str()).unwrap().clone();
    assert_eq!((listed["people"].as_i64(), listed["on_duty"].as_array().map(Vec::len)), (Some(1), Some(0)));
    let nowhere = r#"{"by":"Eva Lund","team":"nowhere"}"#;
    let refused = program.post_json(&address, nowhere).await;
    assert_eq!((refused.status, refused.body.contains("no such team")), (422, true));
}

#[tokio::test]
async fn a_gap_is_said_in_words_and_a_member_fills_it_with_a_reason_that_stays() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let page = night.path("/teams/{team}?day=2027-03-10");
    let english = [("accept-language", "en")];
    let shown = anna.get_with(&page, &english).await.expect(200);
    assert!(shown.contains("Gap: nobody on duty") && shown.contains("07:00–19:00"), "{shown}");
    assert!(shown.contains("no address, hears of alerts only in the console") || shown.contains("Nobody on duty"));
    let act = night.path("/teams/{team}/changes");
    let extra = "what=extra&by=Anna+Str%C3%B6m&from=2027-03-08T00%3A00&until=2027-03-15T00%3A00&reason=flu";
    assert_eq!(anna.post(&act, extra).await.status, 303);
    assert_eq!(night.new_rows().await, ["changed_roster by Anna Ström"]);
    let shown = anna.get_with(&page, &english).await.expect(200);
    assert!(!shown.contains("Gap: nobody on duty"), "{shown}");
    assert!(shown.contains("Anna Ström as an extra hand") && shown.contains(": flu"), "{shown}");

    for (typed, words) in [
        (extra.replace("flu", ""), "Write why the roster is changed"),
        (extra.replace("2027-03-15", "2027-03-01"), "a later end"),
        (extra.replace("Anna+Str%C3%B6m", "Somebody"), "Choose somebody with a commission"),
    ] {
        let origin = format!("http://{}", anna.address);
        let headers = [("origin", origin.as_str()), ("accept-language", "en")];
        let refused = anna.send("POST", &act, &headers, &typed).await;
        assert!(refused.status == 422 && refused.body.contains(words), "{typed}: {}", refused.body);
    }
    let remove = night.path("/teams/{team}/changes/remove");
    assert_eq!(anna.post(&remove, "version=1&place=0").await.status, 422, "somebody has written another since");
    assert_eq!(anna.post(&remove, "version=2&place=0").await.status, 303);
    assert!(anna.get_with(&page, &english).await.expect(200).contains("Gap: nobody on duty"));
    let bengt = night.sign_in_as("Bengt").await;
    let refused = bengt.post(&act, extra).await;
    assert!(refused.status == 422 && refused.body.contains("den som har ett uppdrag"), "{}", refused.body);
}

#[tokio::test]
async fn a_program_sends_a_roster_as_a_calendar_and_half_of_one_changes_nothing() {
    let night = Night::begin().await;
    let program = night.program();
    let address = night.path("/api/v1/teams/{team}/roster");
    let calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY:Anna Ström\r\nDTSTART:20270310T210000Z\r\n\
                    DTEND:20270311T050000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let wish =
        |calendar: &str| serde_json::json!({"author": "Eva Lund", "reason": "March", "calendar": calendar}).to_string();
    let refused = program.post_json(&address, &wish(&calendar.replace("Anna Ström", "Nobody"))).await;
    assert!(refused.status == 422 && refused.body.contains("line 4"), "{}", refused.body);
    assert_eq!(program.json(&address).await["versions"].as_array().map(Vec::len), Some(1));

    assert_eq!(program.post_json(&address, &wish(calendar)).await.status, 204);

    let shown = program.json(&address).await;
    assert_eq!(
        (shown["versions"][0]["author"].as_str(), shown["versions"][0]["version"].as_i64()),
        (Some("Eva Lund"), Some(2))
    );
    let written =
        program.get(&format!("{address}.ics?from=2027-03-01T00:00:00Z&until=2027-04-01T00:00:00Z")).await.expect(200);
    assert!(written.contains("DTSTART:20270310T210000Z") && written.contains("SUMMARY:Anna Ström"), "{written}");
    assert_eq!(program.get(&format!("{address}.ics?from=soon")).await.status, 400);
}

#[tokio::test]
async fn a_disabled_account_is_signed_out_at_once_and_signs_in_no_more() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    anna.get("/").await.expect(200);
    let mut work = night.ward.store.work().await.unwrap();
    assert!(accounts::disable(&mut work, "Anna Ström", clock::now_ms()).await.unwrap());
    work.commit().await.unwrap();

    assert_eq!(anna.get("/").await.status, 303);
    let typed = format!("name=Anna+Str%C3%B6m&password={}", night.console.login.password);
    assert_eq!(night.browser().post("/login", &typed).await.status, 401);
}

#[tokio::test]
async fn a_program_tries_other_limits_on_stored_readings_and_each_person_can_see_who_did_and_no_alert_comes_of_it() {
    let night = Night::begin().await;
    let (program, ada) = (night.program(), night.ward.ada.clone());
    let alerts = night.count("SELECT count(*) FROM alert").await;
    night.new_rows().await;
    let ask = async |body: serde_json::Value| {
        program.send("POST", "/api/v1/replay", &[("content-type", "application/json")], &body.to_string()).await
    };
    let from = "2020-01-01T00:00:00Z";
    let limits = serde_json::json!({"systolic_above": 130, "diastolic_above": null});
    let wish = serde_json::json!({"people": [ada], "from": from, "limits": limits, "why": "a review of the limits"});

    let answer = ask(wish.clone()).await;
    let report: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((answer.status, report["people"].as_u64()), (200, Some(1)), "{report}");
    assert!(report["readings"].as_u64() > Some(60) && report["weeks"].as_array().is_some_and(|weeks| weeks.len() > 4));
    assert!(report["tried"]["by_rule"]["above_limit"].as_u64() > report["today"]["by_rule"]["above_limit"].as_u64());
    assert!(["Ada", "Lindgren", "Storgatan"].iter().all(|name| !answer.body.contains(name)), "{report}");
    assert_eq!(night.new_rows().await, ["replayed by program"]);
    assert_eq!(night.count("SELECT count(*) FROM access_log WHERE why = 'a review of the limits'").await, 1);
    assert_eq!(night.count("SELECT count(*) FROM alert").await, alerts, "no alert comes of it");
    let shown = night.sign_in().await.get(&night.path("/persons/{ada}")).await.expect(200);
    assert!(shown.contains("prövade andra gränser"));
    night.new_rows().await;

    for (key, wrong, status) in [
        ("why", " ".into(), 422),
        ("people", serde_json::json!([]), 422),
        ("from", "yesterday".into(), 422),
        ("from", "2999-01-01T00:00:00Z".into(), 422),
        ("plan", serde_json::json!({}), 422),
        ("people", serde_json::json!([ada, "nobody"]), 404),
        ("people", serde_json::json!(vec![ada.clone(); 4_000]), 422),
    ] {
        let mut wish = wish.clone();
        wish[key] = wrong;
        assert_eq!(ask(wish).await.status, status, "{key}");
    }
    assert_eq!(night.new_rows().await, Vec::<String>::new(), "nothing was looked at");
    let stranger = night.browser().post("/api/v1/replay", &wish.to_string()).await;
    assert_eq!(stranger.status, 401);
}

#[tokio::test]
async fn readings_without_a_person_are_given_to_one_or_set_aside_with_a_reason_and_that_can_be_taken_back() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let edith = night.ward.edith.clone();
    let page = format!("/homes/{}/unassigned/{}", night.ward.bo_home, hex::encode("F0:F1:F2:F3:F4:05"));
    assert!(anna.get("/").await.expect(200).contains(&page), "the work list leads there");
    let shown = anna.get(&page).await.expect(200);
    assert!(shown.contains("Edith Sjö") && shown.contains("71,2"), "{shown}");
    let waiting = "SELECT count(*) FROM record WHERE person IS NULL AND attribution IS NULL AND kind = 'signal'";
    assert_eq!(night.count(waiting).await, 2);
    let ids: Vec<String> = query_scalar("SELECT id FROM record WHERE person IS NULL ORDER BY measured_ms")
        .fetch_all(night.ward.store.reader())
        .await
        .expect("it fits the schema");
    let [old, fresh] = &ids[..] else { panic!("{ids:?}") };
    night.new_rows().await;

    for (wish, said) in [
        (format!("person={edith}&reading={old}&reason="), "Skriv varför"),
        (format!("person=somebody&reading={old}&reason=x"), "Välj vem"),
        (format!("person={edith}&reading=none&reason=x"), "Ingen av de valda"),
    ] {
        let answer = anna.post(&page, &wish).await;
        assert!(answer.status == 422 && answer.body.contains(said), "{wish}");
    }
    assert_eq!(night.count(waiting).await, 2, "nothing was changed");
    night.new_rows().await;

    assert_eq!(anna.post(&page, &format!("person={edith}&reading={old}&reason=Hennes+v%C3%A5g")).await.status, 303);
    assert_eq!(anna.post(&page, &format!("person=nobody&reading={fresh}&reason=Hemtj%C3%A4nsten")).await.status, 303);
    assert_eq!(night.count(waiting).await, 0);
    assert_eq!(night.new_rows().await, ["assigned_readings by Anna Ström", "set_readings_aside by Anna Ström"]);
    let hers = "SELECT count(*) FROM record WHERE person IS NOT NULL AND attribution IS NOT NULL";
    assert_eq!(night.count(hers).await, 1);
    assert!(!anna.get("/").await.expect(200).contains(&page));
    let shown = anna.get(&page).await.expect(200);
    assert!(shown.contains("1 mätningar hör till Edith Sjö.") && shown.contains("Hemtjänsten"), "{shown}");

    let decision: String = query_scalar("SELECT id FROM attribution WHERE person IS NOT NULL")
        .fetch_one(night.ward.store.reader())
        .await
        .expect("it fits the schema");
    let undo = format!("{page}/undo");
    assert_eq!(anna.post(&undo, &format!("decision={decision}&reason=")).await.status, 422);
    assert_eq!(anna.post(&undo, &format!("decision={decision}&reason=Fel+person")).await.status, 303);
    assert_eq!(anna.post(&undo, &format!("decision={decision}&reason=Fel+person")).await.status, 422);
    assert_eq!((night.count(waiting).await, night.count(hers).await), (1, 0));
    assert_eq!(night.count("SELECT count(*) FROM attribution").await, 2, "nothing is deleted");
    let shown = anna.get(&page).await.expect(200);
    assert!(shown.contains("Taget tillbaka av Anna Ström") && shown.contains("Fel person"), "{shown}");
    let stranger = night.browser().post(&page, &format!("person={edith}&reading={old}&reason=x")).await;
    assert_ne!(stranger.status, 200);
    assert_eq!(night.count(waiting).await, 1);
}

#[tokio::test]
async fn programs_read_the_homes_page_by_page() {
    let night = Night::begin().await;
    let program = night.program();
    let mut homes = Vec::new();
    let mut after = String::new();
    loop {
        let page = program.json(&format!("/api/v1/homes?limit=2&after={after}")).await;
        homes.extend(page["homes"].as_array().expect("a list").iter().cloned());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    let home = |id: &str| homes.iter().find(|home| home["id"] == id).expect("it is listed");
    assert_eq!(homes.len(), 3);
    let (well, ill) = (home(&night.ward.ada_home), home(&night.ward.bo_home));
    let beat = &well["agents"][0]["heartbeat"];
    assert_eq!(beat["radio"]["hearing"], "alive");
    assert_eq!((beat["config"]["in_step"].as_bool(), beat["flash"]["encrypted"].as_bool()), (Some(true), Some(true)));
    assert_eq!(well["nearby"][0]["name"], "BM 54");
    assert_eq!(well["devices"].as_array().map(Vec::len), Some(3));
    assert_eq!(ill["agents"][0]["heartbeat"]["refusals"]["full"], 3);
    assert_eq!(ill["agents"][0]["heartbeat"]["config"]["refused"], fixture::REFUSED_BECAUSE);
    assert_eq!(ill["agents"][0]["troubles"].as_array().map(Vec::len), Some(7));

    let books = program.json("/api/v1/books").await;
    let kinds: Vec<&str> =
        books["events"].as_array().expect("a list").iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "time_correction").count(), 2, "{kinds:?}");
}

#[tokio::test]
async fn whoever_watches_the_gateway_is_told_why_it_is_not_ready() {
    let night = Night::begin().await;
    let watcher = night.browser();
    assert_eq!(watcher.get("/healthz").await.expect(200), "alive\n");
    assert_eq!(watcher.json("/readyz").await["ready"], true);
    night.console.health.broker_is_up(false);
    let not_ready = watcher.get("/readyz").await;
    assert_eq!(not_ready.status, 503);
    assert!(not_ready.body.contains("the broker does not take connections"));
}

#[tokio::test]
async fn the_gateways_page_says_when_each_way_to_people_was_last_proven_and_shows_no_address() {
    let night = Night::begin().await;
    let anna = night.sign_in().await;
    let page = anna.get("/gateway").await.expect(200);
    assert!(page.contains("Ingen har någon adress"), "{page}");
    let (address, channel) = ("lena@example.org".to_owned(), Channel::Email);
    let contact = Contact { member: "Lena Holm".into(), channel, address, lang: Lang::Sv, proven_ms: None };
    let mut work = night.ward.store.work().await.unwrap();
    contacts::set(&mut work, &contact, "Anna", 0).await.unwrap();
    ways::add(&mut work, "email", &contact.address, 0).await.unwrap();
    ways::fail(&mut work, "email", &contact.address, "550 unknown", 0).await.unwrap();
    work.commit().await.unwrap();

    let page = anna.get("/gateway").await.expect(200);

    assert!(page.contains("Lena Holm") && page.contains("Aldrig") && page.contains("550 unknown"), "{page}");
    assert!(!page.contains("lena@example.org"), "{page}");
}

#[tokio::test]
async fn an_alert_says_who_was_told_of_it_and_calls_nothing_delivered_before_it_is() {
    let night = Night::begin().await;
    let (anna, press) = (night.sign_in().await, night.ward.press.clone());
    let page = night.path("/alerts/{press}");
    assert!(!anna.get(&page).await.expect(200).contains("id=\"told\""), "nobody was to be told");
    let (store, now_ms) = (&night.ward.store, clock::now_ms());
    let mut work = store.work().await.unwrap();
    let told = Notification {
        alert: press.clone(),
        to: Recipient::Member("Lena Holm".to_owned()),
        channel: Channel::Email,
        urgency: Severity::High,
        lang: Lang::Sv,
        key: "1".to_owned(),
    };
    delivery::enqueue(&mut work, &told, now_ms).await.unwrap();
    let ward = Recipient::Address("ward@example.org".to_owned());
    let key = format!("{press}/1/always/ward");
    delivery::enqueue(&mut work, &Notification { to: ward, key, ..told }, now_ms).await.unwrap();
    work.commit().await.unwrap();
    assert!(anna.get(&page).await.expect(200).contains("<strong>Lena Holm</strong>, e-post: väntar på att skickas."));

    let no = Outcome::TryAgain { after: None, because: "451 come again".to_owned() };
    let yes = Outcome::Delivered { proof: "250 queued".to_owned() };
    let due = outbox::due(store.reader(), Channel::Email, true, now_ms).await.unwrap();
    for (flight, outcome) in due.iter().zip([&no, &yes]) {
        let mut work = store.work().await.unwrap();
        let taken = outbox::take(&mut work, &flight.delivery, true, now_ms).await.unwrap().unwrap();
        outbox::end(&mut work, &taken, outcome, 0.5, now_ms).await.unwrap();
        work.commit().await.unwrap();
    }
    let shown = anna.get(&page).await.expect(200);
    assert!(shown.contains("data-state=\"waiting\"") && shown.contains("misslyckades (451 come again)"), "{shown}");
    assert!(shown.contains("<strong>ward</strong>, e-post: mottaget av e-postservern"), "{shown}");
    assert!(!shown.contains("ward@example.org"), "addresses are shown to nobody");

    anna.post(&night.path("/alerts/{press}/claim"), "").await.expect(303);
    let shown = anna.get(&page).await.expect(200);
    assert!(shown.contains("inte bekräftat. Skickas inte längre") && !shown.contains("data-state=\"waiting\""));
    let listed = night.program().json("/api/v1/alerts").await;
    let listed = listed["alerts"].as_array().unwrap().iter().find(|alert| alert["id"] == press).unwrap();
    let states: Vec<_> =
        listed["told"].as_array().unwrap().iter().map(|told| told["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["withdrawn", "delivered"]);
    assert_eq!(listed["told"][0]["attempts"][0]["said"], "451 come again");
    assert_eq!(listed["told"][1]["attempts"][0]["delivered"], true);
}

/// A night shift: a ward, and its console being served.
struct Night {
    ward: Ward,
    console: Console,
    team: String,
    rows_seen: std::sync::atomic::AtomicUsize,
    place: Place,
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    who: String,
    action: String,
    person: Option<String>,
}

hempuls_gateway::from_row!(Row { who, action, person });

impl Night {
    async fn begin() -> Self {
        let folder = Place::new().await;
        let ward = fixture::ward(folder.open().await).await;
        Self::with(ward, folder).await
    }

    async fn with(ward: Ward, folder: Place) -> Self {
        let console = fixture::serve(&ward.store, folder.path(), SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let team = Self::team(&ward.store).await;
        Self { ward, console, team, rows_seen: 0.into(), place: folder }
    }

    /// The fallback team of all accounts, with a roster: Anna has the days.
    async fn team(store: &Store) -> String {
        let mut work = store.work().await.expect("it can be written");
        let team = teams::fallback(&mut work, 0).await.expect("it can be written").id;
        let days = Weekly {
            days: Day::ALL.into(),
            from: time(7, 0, 0, 0),
            to: time(19, 0, 0, 0),
            days_later: None,
            holidays: Holidays::AsAlways,
            first: date(2026, 1, 1),
            last: None,
            every_weeks: 1,
            except: Default::default(),
        };
        let shift = Shift { name: "D".into(), members: ["Anna Ström".into()].into(), when: When::Weekly(days) };
        let roster = Roster { shifts: vec![shift], changes: Vec::new() };
        let by = ("Anna Ström", "D");
        assert!(rosters::write(&mut work, &team, &roster, None, by, 0).await.expect("it can be written"));
        work.commit().await.expect("it can be written");
        team
    }

    fn path(&self, path: &str) -> String {
        let ward = &self.ward;
        let (new_cuff, button) = (hex::encode("F0:F1:F2:F3:F5:22"), hex::encode("F0:F1:F2:F3:F4:03"));
        let scale = hex::encode("F0:F1:F2:F3:F4:05");
        let ids = [
            ("{ada}", &ward.ada),
            ("{bo}", &ward.bo),
            ("{karin}", &ward.karin),
            ("{edith}", &ward.edith),
            ("{press}", &ward.press),
            ("{ada_home}", &ward.ada_home),
            ("{bo_home}", &ward.bo_home),
            ("{new_cuff}", &new_cuff),
            ("{button}", &button),
            ("{scale}", &scale),
            ("{team}", &self.team),
            ("{opened}", &self.team),
        ];
        ids.into_iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    }

    fn browser(&self) -> Client {
        Client { address: self.console.address, headers: Vec::new() }
    }

    fn program(&self) -> Client {
        let bearer = format!("Bearer {}", self.console.token);
        Client { address: self.console.address, headers: vec![("authorization".into(), bearer)] }
    }

    async fn sign_in(&self) -> Client {
        self.sign_in_with(&self.console.login.name, &self.console.login.password).await
    }

    /// A colleague with an account of her own.
    async fn sign_in_as(&self, name: &str) -> Client {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let elsewhere =
            hempuls_gateway::store::Store::open(&folder.path().join("other.sqlite")).await.expect("it opens");
        let login =
            http::ensure_account(&elsewhere, name, "Trygghetslarm").await.expect("it can be written").expect("new");
        let hash: String =
            query_scalar("SELECT password_hash FROM account").fetch_one(elsewhere.reader()).await.expect("one account");
        let mut work = self.ward.store.work().await.expect("it can be written");
        query("INSERT INTO account (name, unit, password_hash, created_ms) VALUES ($1, 'Trygghetslarm', $2, 0)")
            .bind(name)
            .bind(hash)
            .execute(&mut *work)
            .await
            .expect("nobody has this name");
        work.commit().await.expect("it can be written");
        self.sign_in_with(&login.name, &login.password).await
    }

    async fn sign_in_with(&self, name: &str, password: &str) -> Client {
        let browser = self.browser();
        let name: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = browser.post("/login", &format!("name={name}&password={password}")).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"));
        let cookie = answer.header("set-cookie");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().expect("a cookie").to_owned();
        Client { headers: vec![("cookie".into(), cookie)], ..browser }
    }

    /// A team of this name, and her commission for it. Returns its id.
    async fn commission(&self, member: &str, team: &str, area: Area, purpose: Purpose) -> String {
        let mut work = self.ward.store.work().await.expect("it can be written");
        let team = teams::add(&mut work, team, area, "Europe/Stockholm", 0).await.expect("it is new");
        let commission = Commission { member: member.into(), team: team.clone(), purpose, from_ms: 0, until_ms: None };
        teams::commission_member(&mut work, &commission, "Lena", 0).await.expect("she has an account");
        work.commit().await.expect("it can be written");
        team
    }

    async fn make_responsible(&self, team: &str, person: &str) {
        let mut work = self.ward.store.work().await.expect("it can be written");
        let responsibility = Responsibility { person: person.into(), team: team.into(), from_ms: 0, until_ms: None };
        teams::make_responsible(&mut work, &responsibility, "Lena", 0).await.expect("they are there");
        work.commit().await.expect("it can be written");
    }

    fn assert_tells_nothing(&self, answer: &Answer) {
        for secret in
            ["Ada", "Lindgren", "Öberg", "Karin", "Edith", "Storgatan", "Ängsvägen", "Hamngatan", "mmHg", "141"]
        {
            // A number within a longer one, or within an id, is another one.
            let is_told = answer.body.match_indices(secret).any(|(at, found)| {
                let before = answer.body[..at].chars().next_back();
                let after = answer.body[at + found.len()..].chars().next();
                ![before, after].into_iter().flatten().any(char::is_alphanumeric)
            });
            assert!(!is_told, "{secret} in {}", answer.body);
        }
    }

    async fn log(&self) -> Vec<Row> {
        query_as("SELECT who, action, person FROM access_log ORDER BY n")
            .fetch_all(self.ward.store.reader())
            .await
            .expect("it can be read")
    }

    /// The rows since this was last asked.
    async fn new_rows(&self) -> Vec<String> {
        let log = self.log().await;
        let seen = self.rows_seen.swap(log.len(), std::sync::atomic::Ordering::Relaxed);
        log[seen..].iter().map(|row| format!("{} by {}", row.action, row.who)).collect()
    }

    async fn sql(&self, sql: &str) {
        let mut work = self.ward.store.work().await.expect("it can be written");
        query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *work).await.expect("it fits the schema");
        work.commit().await.expect("it can be written");
    }

    async fn forbid(&self, name: &str, what: &str) {
        let mut work = self.ward.store.work().await.expect("it can be written");
        self.place.forbid(&mut work, name, what).await;
        work.commit().await.expect("it can be written");
    }

    async fn allow(&self, name: &str, table: &str) {
        let mut work = self.ward.store.work().await.expect("it can be written");
        self.place.allow(&mut work, name, table).await;
        work.commit().await.expect("it can be written");
    }

    async fn count(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(self.path(sql));
        query_scalar(sql).fetch_one(self.ward.store.reader()).await.expect("it fits the schema")
    }

    /// The next thing that the homes may have to be told of.
    fn occasion(&mut self) -> Option<Occasion> {
        self.console.occasions.try_recv().ok()
    }

    async fn press_with_a_counter_that_went_back(&self, counter: u32) {
        let columns =
            "identity_class, raw, dialect, taken_boot, taken_since_boot_ms, taken_trust, agent, home, stored_ms";
        self.sql(&format!(
            "INSERT INTO record (id, kind, identity, device, characteristic, counter, button, authentic, counter_went_back, {columns})
             SELECT 'anew', 'alarm', 'anew', 'F0:F1:F2:F3:F4:03', 'fcd2', {counter}, 1, 1, 1, {columns}
             FROM record WHERE device = 'F0:F1:F2:F3:F4:01' LIMIT 1"
        ))
        .await;
        self.sql(&self.path("UPDATE alert_line SET record = 'anew' WHERE alert = '{press}'")).await;
    }

    /// All timers fire that are due.
    async fn timers_fire(&self) {
        let rules = rules::Config::default().rules();
        while !timers::fire(&self.ward.store, &rules, &TimeZone::UTC).await.expect("they can fire").is_empty() {}
    }

    async fn state_of(&self, alert: &str) -> String {
        query_scalar("SELECT state FROM alert WHERE id = $1")
            .bind(alert)
            .fetch_one(self.ward.store.reader())
            .await
            .expect("it is there")
    }

    /// Gives Edith copies of one of Ada's blood pressures, a minute apart.
    async fn copy_readings(&self, count: u32) {
        let columns = "kind, identity_class, device, characteristic, raw, dialect, marks, measured_by, taken_boot, \
            taken_since_boot_ms, taken_trust, agent, home, stored_ms";
        self.sql(&self.path(&format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}),
                  model AS (SELECT * FROM record WHERE characteristic = '2a35' AND unreadable IS NULL ORDER BY id DESC LIMIT 1)
             INSERT INTO record (id, identity, measured_ms, person, {columns})
             SELECT 'copy{count}-' || n, unhex(CAST(10000000 + {count} * 10000 + n AS TEXT)), measured_ms - n * 60000 - {count}, '{{edith}}', {columns} FROM model, n"
        )))
        .await;
        self.sql(&format!(
            "INSERT INTO observation (record, place, quantity, mantissa, exponent, unit, usable)
             SELECT id, place, quantity, mantissa, exponent, unit, usable FROM record CROSS JOIN
                 (SELECT * FROM observation WHERE record = (SELECT record FROM observation
                      WHERE quantity = 'systolic' AND usable = 1 ORDER BY record DESC LIMIT 1)) AS model
             WHERE id LIKE 'copy{count}-%'"
        ))
        .await;
    }
}

/// A small client: one connection for each request.
struct Client {
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

impl Client {
    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// What comes first: the whole answer, or the first page of a stream.
    async fn first(&self, path: &str) -> Answer {
        let is_stream = path.split('?').next().is_some_and(|path| path.ends_with("/stream"));
        if !is_stream {
            return self.get(path).await;
        }
        let mut wire = self.ask("GET", path, &[], "").await;
        let mut text = String::new();
        let first = async {
            while !text.contains("event: beat") {
                let mut bytes = vec![0; 65_536];
                let count = wire.read(&mut bytes).await.expect("an answer");
                text.push_str(&String::from_utf8_lossy(&bytes[..count]));
                if count == 0 {
                    break;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), first).await.expect("it comes within ten seconds");
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, headers: Vec::new(), body: text }
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, "").await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        self.send("POST", path, &[("origin", &origin)], form).await
    }

    async fn post_json(&self, path: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        self.send("POST", path, &[("origin", &origin), ("content-type", "application/json")], body).await
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.expect(200)).expect("JSON")
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut wire = self.ask(method, path, headers, body).await;
        let mut bytes = Vec::new();
        let whole = tokio::time::timeout(std::time::Duration::from_secs(30), wire.read_to_end(&mut bytes));
        whole.await.expect("the answer ends").expect("an answer");
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Answer { status, headers, body: body.to_owned() }
    }

    async fn follow(&self, path: &str) -> Stream {
        Stream { wire: self.ask("GET", path, &[], "").await, read: String::new() }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut wire = TcpStream::connect(self.address).await.expect("it listens");
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
            if headers.iter().all(|(name, _)| *name != "content-type") {
                request.push_str("content-type: application/x-www-form-urlencoded\r\n");
            }
        }
        request.push_str(&format!("\r\n{body}"));
        wire.write_all(request.as_bytes()).await.expect("it listens");
        wire
    }
}

struct Stream {
    wire: TcpStream,
    read: String,
}

impl Stream {
    /// Waits for the next event of this kind; its data.
    async fn next(&mut self, kind: &str) -> String {
        let event = async {
            loop {
                if let Some(end) = self.read.find("\n\n") {
                    let event: String = self.read.drain(..end + 2).collect();
                    if event.contains(&format!("event: {kind}\n")) {
                        return event
                            .lines()
                            .filter_map(|line| line.strip_prefix("data: "))
                            .collect::<Vec<_>>()
                            .join("\n");
                    }
                    continue;
                }
                let mut bytes = vec![0; 65_536];
                let count = self.wire.read(&mut bytes).await.expect("the stream holds");
                assert!(count > 0, "the stream ended before {kind}");
                self.read.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), event).await.expect("it comes within ten seconds")
    }
}
