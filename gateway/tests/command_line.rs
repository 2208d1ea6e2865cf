//! The shipped program: its commands beside a running gateway, and what it says when something is wrong.

mod place;
mod port;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use place::Place;
use serde_json::Value;

#[test]
fn homes_people_and_devices_are_added_while_the_gateway_runs() {
    let gateway = Gateway::start();
    let home = gateway.ask(&["home", "add", "Ada's kitchen"]);
    assert_eq!(home["agent"].as_str().map(str::len), Some(16));
    assert_eq!(home["code"].as_str().map(str::len), Some(27));
    let home = home["home"].as_str().unwrap();
    let person = gateway.ask(&["person", "add", "Ada", "--home", home]);
    let device = gateway.ask(&["device", "add", "c0:00:00:00:00:01", "--kind", "blood_pressure", "--home", home]);
    assert_eq!(device["device"], "C0:00:00:00:00:01");
    let person = person["person"].as_str().unwrap();
    let assigned = gateway.ask(&[
        "assign",
        "C0:00:00:00:00:01",
        person,
        "--slot",
        "2",
        "--from",
        "2026-11-22T14:00",
        "--until",
        "2026-11-23",
    ]);
    assert_eq!((assigned["slot"].as_i64(), assigned["from_ms"].as_i64()), (Some(2), Some(1_795_352_400_000)));
    let fresh = gateway.ask(&["home", "code", home]);
    assert_ne!(fresh["code"], Value::Null);
    let agent = fresh["agent"].as_str().unwrap();
    assert_eq!(gateway.ask(&["clock", "list", agent]), Value::Array(Vec::new()));
    let withdraw = gateway.run(&["clock", "withdraw", agent, "01010101-65000", "--by", "Anna"]);
    assert_says(&withdraw, &["no correction 01010101-65000", "clock list"]);

    assert_says(
        &gateway.run(&["person", "add", "Bea", "--home", "nowhere"]),
        &["no home nowhere", "nothing was changed"],
    );
    assert_says(&gateway.run(&["home", "code", "nowhere"]), &["no home nowhere"]);
    let backwards = ["assign", "C0:00:00:00:00:01", person, "--from", "2026-11-23", "--until", "2026-11-22"];
    assert_says(&gateway.run(&backwards), &["--until is not after --from", "nothing was changed"]);
}

#[test]
fn a_plan_has_an_author_a_reason_and_all_its_versions() {
    let gateway = Gateway::start();
    let home = gateway.ask(&["home", "add", "Ada's kitchen"]);
    let person = gateway.ask(&["person", "add", "Ada", "--home", home["home"].as_str().unwrap()]);
    let person = person["person"].as_str().unwrap();
    let by = ["--by", "Anna", "--why", "after her stroke"];
    let set = [&["plan", "set", person, "--born", "1938", "--limit", "systolic_above=160"][..], &by].concat();
    assert_eq!(gateway.ask(&set)["plan"]["limits"]["systolic_above"], 160);
    let pause = [&["plan", "pause", person, "--until", "2999-01-01", "--away", "hospital"][..], &by].concat();
    assert_says(&gateway.run(&pause), &["within a year", "nothing was changed"]);
    let wrong = [&["plan", "set", person, "--limit", "systolic_above=18"][..], &by].concat();
    assert_says(&gateway.run(&wrong), &["systolic_above must be from 60 to 250 mmHg", "nothing was changed"]);
    let measure = [&["plan", "set", person, "--measure", "weight=morning"][..], &by].concat();
    gateway.ask(&measure);
    let shown = gateway.ask(&["plan", "show", person]);
    assert_eq!(shown["versions"][0]["plan"]["schedule"]["weight"][0], "morning");
    assert_eq!(shown["versions"][0]["plan"]["born"], 1938);
    assert_eq!(shown["versions"][1]["until_ms"], shown["versions"][0]["from_ms"]);
}

#[test]
fn an_account_signs_in_with_the_password_it_was_shown_once_until_it_is_disabled() {
    let mut gateway = Gateway::start();
    let added = gateway.ask(&["account", "add", "Bo Ek", "--unit", "Night patrol", "--by", "Eva"]);
    let password = added["password"].as_str().unwrap();
    let sign_in = || gateway.http("POST", "/login", "", &format!("name=Bo+Ek&password={password}&to=/"));
    assert!(sign_in().starts_with("HTTP/1.1 303"));
    let taken = gateway.run(&["account", "add", "Bo Ek", "--unit", "u", "--by", "Eva"]);
    assert_says(&taken, &["is or was an account Bo Ek", "nothing was changed"]);
    assert_says(&gateway.run(&["account", "add", " ", "--unit", "u", "--by", "Eva"]), &["needs a name"]);
    assert_says(&gateway.run(&["account", "add", "Cia", "--unit", "u", "--by", " "]), &["--by must name"]);
    let listed = gateway.run(&["account", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("Bo Ek  Night patrol"));
    assert!(!String::from_utf8_lossy(&listed.stdout).contains(password));

    gateway.ask(&["account", "disable", "Bo Ek", "--by", "Eva"]);

    assert!(sign_in().starts_with("HTTP/1.1 401"));
    assert_says(&gateway.run(&["account", "disable", "Bo Ek", "--by", "Eva"]), &["no account Bo Ek"]);
    assert!(!gateway.stop().contains(password));
}

#[test]
fn teams_are_made_of_members_and_are_responsible_for_people() {
    let gateway = Gateway::start();
    let teams = gateway.ask(&["team", "list"]);
    let fallback = &teams["teams"][0];
    assert_eq!((teams["teams"].as_array().map(Vec::len), fallback["fallback"].as_bool()), (Some(1), Some(true)));
    let of_all = gateway.ask(&["team", "show", fallback["team"].as_str().unwrap()]);
    assert_eq!(of_all["on_duty"][0], "nurse", "the account of the first start");
    let add = ["team", "add", "Night patrol", "--area", "social_services", "--by", "Eva"];
    let team = gateway.ask(&add)["team"].as_str().unwrap().to_owned();
    assert_says(&gateway.run(&add), &["a team Night patrol already", "nothing was changed"]);
    let zone = ["team", "add", "X", "--area", "health_care", "--time-zone", "Mars", "--by", "Eva"];
    assert_says(&gateway.run(&zone), &["no time zone Mars", "nothing was changed"]);
    gateway.ask(&["account", "add", "Bo Ek", "--unit", "Night patrol", "--by", "Eva"]);
    gateway.ask(&["team", "commission", &team, "Bo Ek", "--by", "Eva"]);
    assert_eq!(gateway.ask(&["team", "show", &team])["on_duty"][0], "Bo Ek");
    let nobody = gateway.run(&["team", "commission", &team, "nobody", "--by", "Eva"]);
    assert_says(&nobody, &["nobody signs in as nobody", "nothing was changed"]);
    let backwards =
        ["team", "commission", &team, "Bo Ek", "--from", "2026-11-23", "--until", "2026-11-22", "--by", "E"];
    assert_says(&gateway.run(&backwards), &["--until is not after --from"]);
    let home = gateway.ask(&["home", "add", "Ada's kitchen"]);
    let person = gateway.ask(&["person", "add", "Ada", "--home", home["home"].as_str().unwrap()]);
    let person = person["person"].as_str().unwrap();

    gateway.ask(&["team", "responsible", &team, person, "--by", "Eva"]);

    assert_eq!(gateway.ask(&["team", "of", person])["teams"][0]["name"], "Night patrol");
    assert_says(&gateway.run(&["team", "responsible", &team, "nobody", "--by", "Eva"]), &["no person nobody"]);
    gateway.ask(&["team", "not-responsible", &team, person, "--by", "Eva"]);
    assert!(gateway.ask(&["team", "of", person])["teams"][0]["until_ms"].is_i64());
    gateway.ask(&["team", "release", &team, "Bo Ek", "--by", "Eva"]);
    assert_eq!(gateway.ask(&["team", "show", &team])["on_duty"].as_array().map(Vec::len), Some(0));
    gateway.ask(&["team", "fallback", &team, "--by", "Eva"]);
    let teams = gateway.ask(&["team", "list"]);
    let fallbacks = teams["teams"].as_array().unwrap().iter().filter(|one| one["fallback"] == true);
    assert_eq!(fallbacks.map(|one| one["team"].as_str().unwrap()).collect::<Vec<_>>(), [team.as_str()]);
    assert_says(&gateway.run(&["team", "fallback", "nowhere", "--by", "Eva"]), &["no team nowhere", "team list"]);
}

#[test]
fn on_the_command_line_too_the_owner_of_an_account_sees_only_whom_her_teams_are_responsible_for() {
    let gateway = Gateway::start();
    let home = gateway.ask(&["home", "add", "Ada's kitchen"]);
    let person = gateway.ask(&["person", "add", "Ada", "--home", home["home"].as_str().unwrap()]);
    let person = person["person"].as_str().unwrap();
    gateway.ask(&["account", "add", "Bo Ek", "--unit", "South", "--by", "Eva"]);
    let people = |by: &str| gateway.ask(&["person", "list", "--by", by])["people"].as_array().map(Vec::len);
    assert_eq!(people("Bo Ek"), Some(1), "there is one team alone");
    let add = ["team", "add", "South", "--area", "health_care", "--by", "Eva"];
    let added = gateway.run(&add);
    let said = String::from_utf8_lossy(&added.stdout).into_owned();
    assert!(said.contains("sees nobody from now on: Bo Ek"), "{said}");
    assert_eq!(people("Bo Ek"), Some(0));
    let teams = gateway.ask(&["team", "list"]);
    let south = teams["teams"].as_array().unwrap().iter().find(|team| team["name"] == "South").unwrap();
    let south = south["team"].as_str().unwrap();
    gateway.ask(&["team", "commission", south, "Bo Ek", "--by", "Eva"]);

    assert_eq!((people("Bo Ek"), people("nurse"), people("Eva")), (Some(0), Some(1), Some(1)));
    let set = ["plan", "set", person, "--born", "1938", "--by", "Bo Ek", "--why", "x"];
    assert_says(&gateway.run(&set), &["no team of Bo Ek's is responsible", "nothing was changed"]);
    let replay = ["replay", person, "--from", "2026-01-01", "--by", "Bo Ek", "--why", "x"];
    assert_says(&gateway.run(&replay), &["no team of Bo Ek's is responsible", "nothing was shown"]);

    gateway.ask(&["team", "responsible", south, person, "--by", "Eva"]);
    assert_eq!(people("Bo Ek"), Some(1));
    gateway.ask(&set);
}

#[test]
fn other_limits_are_tried_by_a_named_person_with_a_reason_and_no_name_is_told() {
    let gateway = Gateway::start();
    let home = gateway.ask(&["home", "add", "Ada's kitchen"]);
    let person = gateway.ask(&["person", "add", "Ada", "--home", home["home"].as_str().unwrap()]);
    let person = person["person"].as_str().unwrap();
    let by = ["--from", "2026-01-01", "--by", "Anna", "--why", "a review"];
    let report = gateway.ask(&[&["replay", person, "--limit", "systolic_above=160"][..], &by].concat());
    assert_eq!((report["people"].as_i64(), report["tried"]["alerts"].as_i64()), (Some(1), Some(0)));
    assert_eq!(gateway.ask(&[&["replay", "--all"][..], &by].concat())["people"], 1);
    let plan = gateway.folder.path().join("plan.json");
    std::fs::write(&plan, r#"{"standard": "own_only", "limits": {"systolic_above": 150}}"#).unwrap();
    let said = gateway.run(&[&["replay", person, "--plan", plan.to_str().unwrap()][..], &by].concat());
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("would have missed: 0") && said.contains("per patient-day"), "{said}");
    assert!(!said.contains("Ada"), "{said}");
    let shown = gateway.http("GET", &format!("/persons/{person}"), &gateway.sign_in(), "");
    assert!(shown.contains("prövade andra gränser") && shown.contains("Anna (command line)"), "{shown}");

    std::fs::write(&plan, "{}x").unwrap();
    let wrong = gateway.run(&[&["replay", person, "--plan", plan.to_str().unwrap()][..], &by].concat());
    assert_says(&wrong, &["is no plan", "nothing was looked at"]);
    assert_says(&gateway.run(&[&["replay", "nobody"][..], &by].concat()), &["there is no person nobody"]);
    let silent = ["replay", person, "--from", "2026-01-01", "--by", "Anna", "--why", " "];
    assert_says(&gateway.run(&silent), &["--why", "nothing was looked at"]);
}

#[test]
fn a_roster_goes_in_as_a_file_and_comes_out_as_one() {
    let gateway = Gateway::start();
    let team = gateway.ask(&["team", "list"])["teams"][0]["team"].as_str().unwrap().to_owned();
    let file = |name: &str, text: &str| {
        let file = gateway.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let by = ["--by", "Eva", "--why", "spring"];
    let weekly = |who: &str| {
        format!(
            r#"{{"shifts":[{{"name":"Day","members":["{who}"],"when":{{"weekly":
               {{"days":["monday"],"from":"07:00","to":"16:00","first":"2026-01-01"}}}}}}]}}"#
        )
    };
    let set = |file: &str| gateway.run(&[&["team", "roster", "set", &team, "--file", file][..], &by].concat());
    assert_says(&set(&file("r.json", &weekly("nobody"))), &["nobody has no commission", "nothing was changed"]);
    assert_says(&set(&file("r.json", "{\"shift\":[]}")), &["no roster", "nothing was changed"]);
    assert!(set(&file("r.json", &weekly("nurse"))).status.success());
    let shown = gateway.ask(&["team", "roster", "show", &team]);
    assert_eq!(shown["versions"][0]["roster"]["shifts"][0]["members"][0], "nurse");
    assert!(shown["gaps_ms"].as_array().is_some_and(|gaps| gaps.len() > 10));
    let out = gateway.folder.path().join("out.ics");
    let out = out.to_str().unwrap();
    let export = ["team", "roster", "export", &team, "--from", "2027-01-01", "--until", "2027-02-01", "--file", out];
    gateway.ask(&export);
    assert_eq!(std::fs::read_to_string(out).unwrap().matches("SUMMARY:nurse").count(), 4);
    gateway.ask(&[&["team", "roster", "import", &team, "--file", out][..], &by].concat());
    assert_eq!(
        gateway.ask(&["team", "roster", "show", &team])["versions"][0]["roster"]["shifts"].as_array().map(Vec::len),
        Some(4)
    );
    let broken = file("b.ics", "BEGIN:VCALENDAR\r\nnonsense\r\n");
    let broken = gateway.run(&[&["team", "roster", "import", &team, "--file", &broken][..], &by].concat());
    assert_says(&broken, &["line 2", "nothing was changed"]);
}

#[test]
fn a_buttons_key_goes_in_and_never_comes_out_again() {
    let mut gateway = Gateway::start();
    let home = gateway.ask(&["home", "add", "Ada's kitchen"]);
    let home = home["home"].as_str().unwrap();
    let key = "231d39c1d7cc1ab1aee224cd096db932";
    let key_file = gateway.folder.path().join("button.key");
    std::fs::write(&key_file, format!("{key}\n")).unwrap();
    let key_file = key_file.to_str().unwrap();
    let button = ["device", "add", "38:39:8f:70:b2:4e", "--kind", "alarm_button", "--home", home];
    let with_key = [&button[..], &["--key-file", key_file, "--beacon", "15m"]].concat();
    let mut said = vec![gateway.run(&with_key)];
    let listed = gateway.ask(&["device", "list", "--home", home]);
    let listed = &listed["devices"][0];
    assert_eq!((listed["id"].as_str(), listed["has_key"].as_bool()), (Some("38:39:8F:70:B2:4E"), Some(true)));
    assert_eq!((listed["beacon_s"].as_i64(), listed["battery"].as_i64()), (Some(900), Some(0)));
    said.push(gateway.run(&["device", "list"]));

    gateway.ask(&["device", "battery-changed", "38:39:8F:70:B2:4E", "--by", "Anna Holm"]);
    assert_eq!(gateway.ask(&["device", "list"])["devices"][0]["battery"], 1);
    assert_says(&gateway.run(&with_key), &["in a home already", "device remove"]);
    gateway.ask(&["device", "remove", "38:39:8F:70:B2:4E"]);
    assert!(gateway.ask(&["device", "list"])["devices"][0]["ended_ms"].is_i64());
    said.push(gateway.run(&with_key));

    assert_says(&gateway.run(&["device", "remove", "C0:00:00:00:00:01"]), &["in no home"]);
    assert_says(
        &gateway.run(&["device", "battery-changed", "C0:00:00:00:00:01", "--by", "Anna"]),
        &["no alarm_button"],
    );
    let cuff = ["device", "add", "C0:00:00:00:00:01", "--kind", "blood_pressure", "--home", home];
    assert_says(&gateway.run(&[&cuff[..], &["--key-file", key_file]].concat()), &["only an alarm_button", "key"]);
    assert_says(&gateway.run(&[&cuff[..], &["--beacon", "15m"]].concat()), &["only an alarm_button", "sign of life"]);
    assert_says(&gateway.run(&[&cuff[..], &["--dialect", "nonin"]].concat()), &["dialect"]);
    assert_says(
        &gateway.run(&["device", "add", "hempuls-agent/kitchen", "--kind", "alarm_button", "--home", home]),
        &["own home"],
    );
    std::fs::write(key_file, "231d39c1").unwrap();
    let wrong = gateway.run(&with_key);
    assert_says(&wrong, &["holds no key", "32 hexadecimal"]);
    said.push(wrong);

    let log = gateway.stop();
    for output in said {
        let all = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&all).to_lowercase().contains(&key[..8]));
    }
    assert!(!log.to_lowercase().contains(&key[..8]), "{log}");
}

#[test]
fn a_persons_number_goes_in_by_file_or_pipe_and_is_in_no_log_list_or_error() {
    let mut gateway = Gateway::start_telling(Some("trace"));
    let home = gateway.ask(&["home", "add", "Ada's kitchen"]);
    let home = home["home"].as_str().unwrap();
    let add = |name: &str| gateway.ask(&["person", "add", name, "--home", home])["person"].as_str().unwrap().to_owned();
    let (ada, bo) = (add("Ada"), add("Bo"));
    let file = gateway.folder.path().join("number");
    std::fs::write(&file, "000229-2399\n").unwrap();
    let from_file = |person: &str| {
        gateway.run(&["person", "number", person, "--file", file.to_str().unwrap(), "--by", "Anna Holm"])
    };
    let piped = |person: &str, text: &str, more: &[&str]| {
        gateway.run_with(&[&["person", "number", person, "--by", "Anna Holm"], more].concat(), text)
    };
    let mut said = vec![from_file(&ada)];
    assert!(said[0].status.success() && String::from_utf8_lossy(&said[0].stdout).contains("20000229-••••"));
    let again = piped(&ada, "20000229-2399", &[]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("already"), "{again:?}");
    let others = from_file(&bo);
    assert_says(&others, &[&ada, "nothing was changed"]);
    let mistyped = piped(&bo, "20000229-2398", &[]);
    assert_says(&mistyped, &["the last digit does not fit", "nothing was changed"]);
    let argument = gateway.run(&["person", "number", &bo, "200002292399", "--by", "Anna Holm"]);
    assert_says(&argument, &["standard input", "never"]);
    assert_says(&piped("nobody", "20000229-2399", &[]), &["no person nobody"]);
    assert_says(&gateway.run(&["person", "number", &bo, "--none", "--by", " "]), &["nothing was changed"]);
    let reserve = piped(&bo, "990229A2399", &["--reserve"]);
    assert!(String::from_utf8_lossy(&reserve.stdout).contains("••••"), "{reserve:?}");
    said.extend([again, others, mistyped, argument, reserve]);
    said.push(gateway.run(&["person", "list", "--by", "Anna Holm"]));
    let listed = gateway.ask(&["person", "list", "--home", home, "--by", "Anna Holm"]);
    assert_eq!(listed["people"][0]["number"], "20000229-••••");
    assert_eq!(listed["people"][1]["number"], "••••");
    said.push(gateway.run(&["person", "number", &bo, "--none", "--by", "Anna Holm"]));
    assert!(said.last().unwrap().status.success());

    let cookie = gateway.sign_in();
    let asked = gateway.http("POST", &format!("/persons/{ada}/number"), &cookie, "");
    assert!(asked.contains("20000229-2399"), "{asked}");
    let page = gateway.http("GET", &format!("/persons/{ada}"), &cookie, "");
    for words in ["20000229-••••", "Anna Holm (command line)", "angav personnumret", "såg namnet i en lista"] {
        assert!(page.contains(words), "{words:?} is not in {page}");
    }
    let mut texts = vec![page, gateway.http("GET", &format!("/persons/{ada}/number"), &cookie, "")];
    for path in ["/", "/homes", &format!("/homes/{home}"), "/healthz", "/readyz"] {
        texts.push(gateway.http("GET", path, &cookie, ""));
    }
    texts.extend(
        said.iter().map(|output| String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into()),
    );
    texts.push(gateway.stop());
    for text in texts {
        for whole in ["0002292399", "000229-2399", "990229A2399"] {
            assert!(!text.contains(whole), "{whole} is in {text}");
        }
    }
}

#[test]
fn where_a_member_is_reached_is_said_by_a_named_person_and_its_address_is_in_no_log() {
    let mut gateway = Gateway::start();
    let set = |address: &str, by: &str| {
        gateway.run(&["contact", "set", "nurse", "--channel", "sms", "--address", address, "--by", by])
    };
    assert!(set("+46700000001", "Lena Holm").status.success());
    let contact = &gateway.ask(&["contact", "list"])["contacts"][0];
    assert_eq!((contact["member"].as_str(), contact["channel"].as_str()), (Some("nurse"), Some("sms")));
    assert_eq!((contact["address"].as_str(), contact["proven_ms"].is_null()), (Some("+46700000001"), true));

    assert_says(&set("0700000001", "Lena Holm"), &["+46700000000", "nothing was changed"]);
    assert_says(&set("+46700000001", " "), &["--by", "nothing was changed"]);
    let nobody = ["contact", "set", "Eve", "--channel", "email", "--address", "eve@example.org", "--by", "Lena Holm"];
    assert_says(&gateway.run(&nobody), &["nobody signs in as Eve"]);
    gateway.ask(&["contact", "remove", "nurse", "--channel", "sms", "--by", "Lena Holm"]);
    assert_says(
        &gateway.run(&["contact", "remove", "nurse", "--channel", "sms", "--by", "Lena Holm"]),
        &["is not reached by sms"],
    );
    let log = gateway.stop();
    assert!(!log.contains("0700000001") && !log.contains("46700000001"), "{log}");
}

#[test]
fn the_first_start_writes_secrets_into_files_and_never_into_the_log() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut gateway = Gateway::start();
    let mode = |file: &str| std::fs::metadata(gateway.data().join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("."), 0o700);
    let store = (!gateway.folder.is_on_a_server()).then_some("store.sqlite");
    for file in store.into_iter().chain(["console-login", "api-token", "ca/ca-key.pem", "ca/server-key.pem"]) {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    let text = |file: &str| std::fs::read_to_string(gateway.data().join(file)).unwrap();
    let secret = |file: &str| text(file).trim().lines().last().unwrap().to_owned();
    let secrets = [secret("console-login"), secret("api-token")];
    let log = gateway.stop();
    assert!(log.contains("console-login") && log.contains("api-token"), "{log}");
    for secret in secrets {
        assert!(secret.len() > 16 && !log.contains(&secret), "{log}");
    }
}

#[test]
fn what_is_wrong_at_the_start_is_said_with_what_to_do() {
    let gateway = Gateway::start();
    let elsewhere = tempfile::tempdir().unwrap();

    assert_says(&run(elsewhere.path(), &["run"]), &["cannot read the configuration", "--config"]);

    configure(elsewhere.path(), gateway.broker, port::free(), "");
    assert_says(&run(elsewhere.path(), &["run"]), &["cannot listen on", "broker.listen", "Another program"]);

    configure(elsewhere.path(), port::free(), gateway.console, "");
    assert_says(&run(elsewhere.path(), &["run"]), &["cannot listen on", "console.listen"]);

    configure(elsewhere.path(), port::free(), port::free(), "");
    std::fs::remove_dir_all(elsewhere.path().join("data")).unwrap();
    std::fs::create_dir(elsewhere.path().join("data")).unwrap();
    std::fs::write(elsewhere.path().join("data/store.sqlite"), vec![7; 8192]).unwrap();
    assert_says(&run(elsewhere.path(), &["run"]), &["cannot open the store", "backup"]);

    std::fs::remove_dir_all(elsewhere.path().join("data")).unwrap();
    std::fs::write(elsewhere.path().join("data"), "a file").unwrap();
    assert_says(&run(elsewhere.path(), &["run"]), &["cannot use the data folder", "writable"]);

    std::fs::write(elsewhere.path().join("gateway.toml"), "data = \"data\"\ncolour = 1").unwrap();
    assert_says(&run(elsewhere.path(), &["check-config"]), &["cannot be used", "colour"]);
}

#[test]
fn a_stranger_at_the_brokers_door_is_in_the_log_with_the_reason() {
    let mut gateway = Gateway::start();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", gateway.broker)).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let no_certificate = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots(&gateway.data().join("ca/ca.pem")))
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut connection = rustls::ClientConnection::new(std::sync::Arc::new(no_certificate), name).unwrap();
    let answer = rustls::Stream::new(&mut connection, &mut stream).read(&mut [0; 1]);
    assert!(!answer.is_ok_and(|bytes| bytes > 0));

    let log = gateway.stop();
    assert!(log.contains("peer sent no certificates"), "{log}");
}

#[test]
fn a_store_on_a_server_is_looked_at_and_its_backups_are_the_servers() {
    let gateway = Gateway::start();
    if !gateway.folder.is_on_a_server() {
        return;
    }
    let verified = gateway.ask(&["verify"]);
    assert_eq!((verified["ok"].as_bool(), verified["report"]["looks"].as_i64()), (Some(true), Some(0)), "{verified}");
    let words = ["the store is the database test_", "Nothing was done", "pg_dump"];
    assert_says(&gateway.run(&["backup", "somewhere"]), &words);
    assert_says(&gateway.run(&["restore", "somewhere", "--by", "Anna", "--why", "a test"]), &words);
}

/// The program, running in a folder of its own.
struct Gateway {
    folder: Place,
    child: Child,
    log: Option<std::thread::JoinHandle<String>>,
    broker: u16,
    console: u16,
}

impl Gateway {
    fn start() -> Self {
        Self::start_telling(None)
    }

    /// With all that is to be told of this level.
    fn start_telling(level: Option<&str>) -> Self {
        let folder = Place::new_and_wait();
        loop {
            let (broker, console) = (port::free(), port::free());
            configure(folder.path(), broker, console, &folder.settings());
            let mut program = program(folder.path(), &["run"]);
            program.envs(level.map(|level| ("RUST_LOG", level)));
            let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
            let mut said = String::new();
            for line in lines.by_ref() {
                said.push_str(&line);
                said.push('\n');
                // At level trace others are "ready", too, before the console is.
                if line.contains("ready") && line.contains("http://") {
                    break;
                }
            }
            // Somebody else on this machine was given the port after it was found to be free.
            if said.contains("Address already in use") {
                child.wait().unwrap();
                continue;
            }
            assert!(said.contains("http://"), "{said}");
            let log = std::thread::spawn(move || said + &lines.collect::<Vec<_>>().join("\n"));
            return Self { folder, child, log: Some(log), broker, console };
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(self.folder.path(), arguments)
    }

    /// Runs a command that reads this from its standard input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut program = program(self.folder.path(), arguments);
        let mut child = program.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Signs in at the console; the cookie.
    fn sign_in(&self) -> String {
        let login = std::fs::read_to_string(self.data().join("console-login")).unwrap();
        let (name, password) = login.trim().split_once('\n').unwrap();
        let answer = self.http("POST", "/login", "", &format!("name={}&password={password}", name.replace(' ', "+")));
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// What the console answers, with its head.
    fn http(&self, method: &str, path: &str, cookie: &str, form: &str) -> String {
        let mut wire = std::net::TcpStream::connect(("127.0.0.1", self.console)).unwrap();
        let host = format!("127.0.0.1:{}", self.console);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncookie: {cookie}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        wire.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        wire.read_to_string(&mut answer).unwrap();
        answer
    }

    fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Stops it as systemd does, and returns all it said.
    fn stop(&mut self) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configure(folder: &Path, broker: u16, console: u16, store: &str) {
    let text = format!(
        "data = \"data\"\n[broker]\nlisten = \"127.0.0.1:{broker}\"\n[enrolment]\nlisten = \"127.0.0.1:{}\"\n\
         [console]\nlisten = \"127.0.0.1:{console}\"\n{store}",
        port::free()
    );
    std::fs::write(folder.join("gateway.toml"), text).unwrap();
}

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hempuls-gateway"));
    command.current_dir(folder).args(arguments).env_remove("RUST_LOG").stdout(Stdio::piped());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().unwrap()
}

fn assert_says(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it succeeded: {said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

fn roots(ca: &Path) -> rustls::RootCertStore {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    roots
}
