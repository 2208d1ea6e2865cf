//! `hempuls-agent doctor`, where nearly everything is missing.

use serde_json::Value;

use crate::house::House;

#[test]
fn without_a_running_agent_it_says_what_is_missing_and_what_to_do() {
    let house = House::installed("");
    let (good, findings) = examine(&house);
    assert!(!good);
    for (about, verdict, said, advice) in [
        ("Configuration", "good", "is right", ""),
        ("Agent", "bad", "does not run", "systemctl start hempuls-agent"),
        ("Bluetooth", "bad", "message bus does not answer", "systemctl start dbus"),
        ("Flash", "unknown", "no folder", ""),
    ] {
        let finding = find(&findings, about);
        assert_eq!(finding["verdict"], verdict, "{finding}");
        assert!(finding["said"].as_str().unwrap().contains(said), "{finding}");
        assert!(finding["advice"].as_str().unwrap_or("").contains(advice), "{finding}");
    }
    let page = house.command(&["doctor"]);
    assert_eq!(page.status.code(), Some(1));
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("BAD   Agent") && page.contains("things must be put right"), "{page}");
}

#[test]
fn it_asks_the_running_agent_and_disturbs_nothing() {
    let house = House::running("");
    let before = house.status();
    let (_, findings) = examine(&house);
    assert_eq!(find(&findings, "Agent")["verdict"], "good");
    let flash = find(&findings, "Flash");
    assert!(flash["said"].as_str().unwrap().contains("MiB free"), "{flash}");
    let pairing = find(&findings, "Pairing");
    assert_eq!(pairing["verdict"], "bad", "there is no Bluetooth service to register with: {pairing}");
    assert_eq!(house.status()["books"], before["books"]);
}

#[test]
fn a_configuration_that_is_wrong_is_said_to_be_so_and_the_rest_is_looked_at_all_the_same() {
    let house = House::installed("hartbeat = \"60s\"\n");
    let (good, findings) = examine(&house);
    assert!(!good);
    let configuration = find(&findings, "Configuration");
    assert!(configuration["said"].as_str().unwrap().contains("hartbeat"), "{configuration}");
    assert_eq!(find(&findings, "Bluetooth")["verdict"], "bad");
    assert!(find(&findings, "Clock")["said"].as_str().unwrap().contains("UTC"));
}

fn examine(house: &House) -> (bool, Vec<Value>) {
    let said = house.command(&["doctor", "--json"]);
    let findings = serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    (said.status.success(), findings)
}

fn find<'a>(findings: &'a [Value], about: &str) -> &'a Value {
    findings.iter().find(|finding| finding["about"] == about).unwrap_or_else(|| panic!("{about}: {findings:?}"))
}
