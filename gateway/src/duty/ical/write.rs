//! Writes who is on duty as a file.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::duty::roster::Roster;

/// The longest line, in bytes.
const LONGEST_LINE: usize = 75;

/// Writes who is on duty between two moments: one event for each member and time, in UTC.
#[must_use]
pub fn write(team: &str, roster: &Roster, zone: &TimeZone, (from_ms, until_ms): (i64, i64), now_ms: i64) -> String {
    let mut file = String::new();
    for line in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Hempuls//Roster//EN", "CALSCALE:GREGORIAN"] {
        push(&mut file, line);
    }
    push(&mut file, &format!("X-WR-CALNAME:{}", escaped(team)));
    for (member, from_ms, until_ms) in duties(roster, zone, from_ms, until_ms) {
        let uid = Sha256::digest(format!("{team}\n{member}\n{from_ms}"));
        push(&mut file, "BEGIN:VEVENT");
        push(&mut file, &format!("UID:{}@hempuls", hex::encode(&uid[..16])));
        push(&mut file, &format!("DTSTAMP:{}", utc(now_ms)));
        push(&mut file, &format!("DTSTART:{}", utc(from_ms)));
        push(&mut file, &format!("DTEND:{}", utc(until_ms)));
        push(&mut file, &format!("SUMMARY:{}", escaped(&member)));
        push(&mut file, "END:VEVENT");
    }
    push(&mut file, "END:VCALENDAR");
    file
}

/// Each member's times on duty, in the order in which they begin.
fn duties(roster: &Roster, zone: &TimeZone, from_ms: i64, until_ms: i64) -> Vec<(String, i64, i64)> {
    let spells = roster.spells(from_ms, until_ms, zone);
    let everybody: BTreeSet<&String> = spells.iter().flat_map(|spell| &spell.members).collect();
    let mut duties: Vec<(String, i64, i64)> = Vec::new();
    for member in everybody {
        let mut latest: Option<(i64, i64)> = None;
        for spell in spells.iter().filter(|spell| spell.members.contains(member)) {
            match &mut latest {
                Some((_, until_ms)) if *until_ms == spell.from_ms => *until_ms = spell.until_ms,
                latest => {
                    let before = latest.replace((spell.from_ms, spell.until_ms));
                    duties.extend(before.map(|(from_ms, until_ms)| (member.clone(), from_ms, until_ms)));
                }
            }
        }
        duties.extend(latest.map(|(from_ms, until_ms)| (member.clone(), from_ms, until_ms)));
    }
    duties.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
    duties
}

fn utc(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,").replace('\n', "\\n")
}

/// Adds a line, folded where it is too long, and never within a letter.
fn push(file: &mut String, line: &str) {
    let mut left = LONGEST_LINE;
    for sign in line.chars() {
        if sign.len_utf8() > left {
            file.push_str("\r\n ");
            left = LONGEST_LINE - 1;
        }
        left -= sign.len_utf8();
        file.push(sign);
    }
    file.push_str("\r\n");
}
