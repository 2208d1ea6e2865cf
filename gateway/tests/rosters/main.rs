//! Rosters as files, with a program on the other side that others wrote (Python's icalendar).

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use hempuls_gateway::duty::ical;
use hempuls_gateway::duty::roster::{Day, Holidays, Roster, Shift, Weekly, When, moment};
use jiff::civil::{date, time};
use jiff::tz::TimeZone;

const HOUR_MS: i64 = 60 * 60 * 1000;

#[test]
fn another_program_reads_from_our_file_who_is_on_duty_when() {
    let shift = |name: &str, from: i8, to: i8| Shift {
        name: "any".to_owned(),
        members: [name.to_owned()].into(),
        when: When::Weekly(Weekly {
            days: Day::ALL.into(),
            from: time(from, 0, 0, 0),
            to: time(to, 0, 0, 0),
            days_later: None,
            holidays: Holidays::Not,
            first: date(2026, 1, 1),
            last: None,
            every_weeks: 1,
            except: BTreeSet::new(),
        }),
    };
    let names = ["Anna Ström", "Ek, Cia; en som har ett långt namn som inte får plats på en enda rad\\"];
    let roster = Roster { shifts: vec![shift(names[0], 7, 22), shift(names[1], 22, 7)], changes: Vec::new() };
    let ends = [date(2026, 3, 1), date(2026, 11, 1)].map(|day| moment(day.at(0, 0, 0, 0), &stockholm()).unwrap());
    let file = ical::write("Night patrol", &roster, &stockholm(), (ends[0], ends[1]), ends[0]);

    let read: Vec<(String, i64, i64)> = serde_json::from_slice(&planner("read", file.as_bytes())).unwrap();

    for name in names {
        let spells = roster.spells(ends[0], ends[1], &stockholm()).into_iter();
        let ours: Vec<_> =
            spells.filter(|spell| spell.members.contains(name)).map(|one| (one.from_ms, one.until_ms)).collect();
        let theirs: Vec<_> =
            read.iter().filter(|(who, _, _)| who == name).map(|(_, from_ms, until_ms)| (*from_ms, *until_ms)).collect();
        assert_eq!(theirs, ours, "{name}");
    }
    let hours: BTreeSet<i64> = read.iter().map(|(_, from_ms, until_ms)| (until_ms - from_ms) / HOUR_MS).collect();
    assert!(hours.contains(&8) && hours.contains(&10), "both changes of the clock are among the nights: {hours:?}");
}

#[test]
fn what_another_program_writes_is_read_as_it_means_it() {
    let file = planner("write", b"");
    let shifts =
        ical::read(&file, "Europe/Stockholm", &stockholm(), &|name| ["Anna Ström", "Bo"].contains(&name)).unwrap();
    let roster = Roster { shifts, changes: Vec::new() };
    let at = |day: i8, month: i8, hour: i8| moment(date(2026, month, day).at(hour, 0, 0, 0), &stockholm()).unwrap();
    let spells = roster.spells(at(27, 3, 0), at(20, 4, 0), &stockholm()).into_iter();
    let on: Vec<_> = spells
        .filter(|spell| !spell.members.is_empty())
        .map(|spell| (spell.from_ms, (spell.until_ms - spell.from_ms) / HOUR_MS, spell.members.len()))
        .collect();
    let expected = [(at(27, 3, 22), 8, 2), (at(28, 3, 22), 7, 2), (at(3, 4, 22), 8, 1), (at(4, 4, 22), 8, 2)];
    assert_eq!(on, expected, "four times, of which one is taken out and Bo comes alone");
}

fn planner(does: &str, input: &[u8]) -> Vec<u8> {
    let mut planner = Command::new("/usr/bin/python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rosters/planner.py"))
        .arg(does)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Debian's python3 is there");
    planner.stdin.take().expect("it is piped").write_all(input).expect("it reads");
    let output = planner.wait_with_output().expect("it ends");
    assert!(output.status.success(), "Debian's python3-icalendar is there, and reads it");
    output.stdout
}

fn stockholm() -> TimeZone {
    TimeZone::get("Europe/Stockholm").expect("there is such a zone")
}
