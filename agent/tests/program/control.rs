//! The commands of `hempuls-agent` against the one that runs, over its socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::process::Signal;

use crate::house::{House, stop};

#[test]
fn status_shows_the_books_to_people_and_to_programs() {
    let house = House::running("");
    let page = house.command(&["status"]);
    assert!(page.status.success(), "{page:?}");
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("not enrolled") && page.contains("alarms") && page.contains("Devices        none"), "{page}");

    let status = house.status();
    let books = status["books"].as_array().unwrap();
    assert_eq!(books.len(), 2, "{status}");
    // What began is the first event of each lane, and nobody has it yet.
    for line in books {
        assert_eq!((&line["taken"], &line["receipted"], &line["waiting"]), (&1.into(), &0.into(), &1.into()));
    }
    assert_eq!(status["connected"], false);
}

#[test]
fn an_alarm_is_on_flash_before_its_number_is_said_and_has_no_contact_after_half_a_minute() {
    let house = House::running("");
    let mut alarm = house.spawn(&["alarm", "--name", "kitchen"]);
    let mut lines = BufReader::new(alarm.stdout.take().unwrap()).lines().map(Result::unwrap);
    let taken = lines.next().unwrap();
    assert!(taken.starts_with("alarm 2 of epoch ") && taken.ends_with("on flash"), "{taken}");
    assert_eq!(house.status()["books"][0]["waiting"], 2);
    let said = lines.next().unwrap();
    assert!(said.starts_with("no contact"), "{said}");
    stop(&alarm, Signal::INT);
    assert_eq!(alarm.wait().unwrap().code(), Some(3), "taken, and not received");
}

#[test]
fn an_alarm_says_where_it_comes_from_and_not_whose_it_is() {
    let house = House::running("");
    for name in ["", "a/b", "../x", "kitchen\n", &"x".repeat(33)] {
        let refused = house.command(&["alarm", "--name", name]);
        assert_eq!(refused.status.code(), Some(1), "{name:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("NOT taken") && said.contains("is no name"), "{said}");
    }
    assert_eq!(house.status()["books"][0]["taken"], 1);
}

#[test]
fn a_contact_that_is_stuck_is_heard_at_first_and_then_counted_and_does_not_keep_another_out() {
    let house = House::running("");
    let raise = |name: &str| {
        let mut alarm = house.spawn(&["alarm", "--name", name]);
        let mut line = String::new();
        BufReader::new(alarm.stdout.take().unwrap()).read_line(&mut line).unwrap();
        drop(alarm.kill());
        alarm.wait().unwrap();
        !line.is_empty()
    };
    let taken = (0..30).filter(|_| raise("cellar")).count();
    assert!((12..30).contains(&taken), "{taken}");
    assert!(raise("kitchen"));
    let status = house.status();
    assert_eq!(status["refused"], 30 - taken, "{status}");
    assert_eq!(status["books"][0]["taken"], taken + 2, "what began, the kitchen, and the cellar's first: {status}");
}

#[test]
fn what_cannot_be_adopted_is_refused_in_words_and_nothing_is_changed() {
    let house = House::running("[[device]]\naddress = \"F0:F1:F2:F3:F4:01\"\nkind = \"blood_pressure\"\n");
    std::fs::write(house.folder().join("short.key"), "5ac3").unwrap();
    let key = house.folder().join("short.key");
    for (arguments, said) in [
        (&["adopt", "F0:F1:F2:F3:F4:02"][..], "does not say what it is"),
        (&["adopt", "RIG-BP/SN1", "--kind", "thermometer"], "is not an address"),
        (&["adopt", "F0:F1:F2:F3:F4:01", "--kind", "thermometer"], "is a blood_pressure by agent.toml"),
        (&["adopt", "F0:F1:F2:F3:F4:02", "--kind", "thermometer", "--beacon", "1h"], "only an alarm_button"),
        (
            &["adopt", "F0:F1:F2:F3:F4:02", "--kind", "alarm_button", "--key-file", key.to_str().unwrap()],
            "is not a key of 32",
        ),
        (&["forget", "F0:F1:F2:F3:F4:01"], "agent.toml"),
        (&["forget", "F0:F1:F2:F3:F4:02"], "is not adopted"),
    ] {
        let refused = house.command(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    assert_eq!(house.status()["devices"].as_array().unwrap().len(), 1);
}

#[test]
fn devices_are_listed_with_who_adopted_them_also_while_nothing_is_heard() {
    let house = House::running("[[device]]\naddress = \"F0:F1:F2:F3:F4:01\"\nkind = \"blood_pressure\"\n");
    let table = String::from_utf8(house.command(&["devices"]).stdout).unwrap();
    assert!(table.contains("F0:F1:F2:F3:F4:01  blood_pressure"), "{table}");
    assert!(table.contains("not nearby, adopted by agent.toml"), "{table}");
}

#[test]
fn without_an_agent_a_command_says_so_and_what_to_do() {
    let house = House::installed("");
    for arguments in [&["status"][..], &["alarm"][..]] {
        let refused = house.command(arguments);
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("no agent runs here") && said.contains("systemctl start hempuls-agent"), "{said}");
    }
    // A file that an agent left which is no more.
    std::fs::create_dir(house.folder().join("state")).unwrap();
    drop(UnixListener::bind(house.socket()).unwrap());
    let said = String::from_utf8(house.command(&["status"]).stderr).unwrap();
    assert!(said.contains("no agent runs here"), "{said}");
}

#[test]
fn a_socket_left_by_a_killed_agent_is_no_obstacle_and_only_its_owner_and_group_may_speak() {
    let mut house = House::running("");
    house.kill();
    assert!(house.socket().exists(), "a killed agent takes nothing with it");
    house.start();
    let file = std::fs::metadata(house.socket()).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    house.stop();
    assert!(!house.socket().exists(), "one that stops takes its socket away");
}

#[test]
fn a_socket_may_be_where_the_configuration_says() {
    let house = House::running("socket = \"elsewhere.sock\"\n");
    assert!(house.folder().join("elsewhere.sock").exists());
    assert!(house.status()["version"].is_string());
}

#[test]
fn what_is_no_question_is_answered_in_words_and_harms_nobody() {
    let house = House::running("");
    for (said, answered) in [
        ("{\"version\":99,\"ask\":{\"future\":{}}}\n", "restart it"),
        ("{\"version\":1,\"ask\":\"toast\"}\n", "no question"),
        ("GET / HTTP/1.1\n", "no question"),
        (&"x".repeat(100_000), "no question"),
        ("", "nothing was asked"),
    ] {
        let mut stream = UnixStream::connect(house.socket()).unwrap();
        // The agent may have heard enough before everything is said.
        drop(stream.write_all(said.as_bytes()));
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(answer.contains("refused") && answer.contains(answered), "{said:.40}: {answer}");
    }
    assert!(house.status()["version"].is_string());
}

#[test]
fn many_who_say_nothing_do_not_keep_an_alarm_out() {
    let house = House::running("");
    let silent: Vec<UnixStream> = (0..200).filter_map(|_| UnixStream::connect(house.socket()).ok()).collect();
    assert_eq!(silent.len(), 200);
    let mut followers = Vec::new();
    // As a script leaves them behind that does not wait for them.
    for n in 2..80 {
        let mut alarm = house.spawn(&["alarm", "--name", &format!("wire-{n}")]);
        let mut line = String::new();
        BufReader::new(alarm.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with(&format!("alarm {n} ")), "{line}");
        followers.push(alarm);
    }
    assert!(house.status()["version"].is_string());
    for mut alarm in followers {
        alarm.kill().unwrap();
        alarm.wait().unwrap();
    }
}
