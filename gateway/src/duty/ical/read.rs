//! Reads a file into shifts, or refuses all of it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Refused;
use super::lines::{Property, properties};
use super::rule;
use crate::duty::roster::{Period, Shift, When, moment};

/// So much of an event's summary names its shift.
const LONGEST_NAME: usize = 64;

/// Reads the shifts of a file, for a team whose zone is called `zone_name`. `is_member` says whether somebody of this name may be
/// on duty for it. Times without a zone are the team's.
///
/// # Errors
/// [`Refused`], with the line. Nothing of the file is to be used then.
pub fn read(
    file: &[u8],
    zone_name: &str,
    zone: &TimeZone,
    is_member: &dyn Fn(&str) -> bool,
) -> Result<Vec<Shift>, Refused> {
    let properties = properties(file)?;
    let mut shifts = Vec::new();
    let mut within: Vec<String> = Vec::new();
    let mut event: Option<Event> = None;
    let mut last = 1;
    for property in properties {
        last = property.line;
        match property.name.as_str() {
            "BEGIN" => {
                let part = property.value.trim().to_uppercase();
                match (within.last().map(String::as_str), part.as_str()) {
                    (None, "VCALENDAR") => {}
                    (Some("VCALENDAR"), "VEVENT") => event = Some(Event::begun(property.line)),
                    // A zone is known by its name, and an alarm is nobody's duty.
                    (Some("VCALENDAR"), "VTIMEZONE") | (Some("VEVENT"), "VALARM") => {}
                    (Some("VTIMEZONE"), "STANDARD" | "DAYLIGHT") => {}
                    _ => {
                        return Err(property.refuse(format!("a {part} is no shift; take it out of the file")));
                    }
                }
                within.push(part);
            }
            "END" => {
                let part = property.value.trim().to_uppercase();
                if within.pop().is_none_or(|begun| begun != part) {
                    return Err(property.refuse(format!("{part} ends here and did not begin; the file is damaged")));
                }
                if part == "VEVENT"
                    && let Some(event) = event.take()
                {
                    shifts.extend(event.shift(zone_name, zone, is_member)?);
                }
            }
            _ if within.is_empty() => {
                return Err(property.refuse("an iCalendar file begins with BEGIN:VCALENDAR; this is none"));
            }
            "VERSION" if within.len() == 1 && property.value.trim() != "2.0" => {
                return Err(property.refuse("only iCalendar 2.0 is understood; save the file in that version"));
            }
            _ => {
                if let (Some("VEVENT"), Some(event)) = (within.last().map(String::as_str), &mut event) {
                    event.take(property)?;
                }
            }
        }
    }
    match within.last() {
        Some(part) => Err(Refused::at(last, format!("the file ends within a {part}; a part of it is missing"))),
        None => Ok(shifts),
    }
}

/// What is needed of one event.
struct Event {
    line: usize,
    summary: Option<Property>,
    start: Option<Property>,
    end: Option<Property>,
    rule: Option<Property>,
    except: Vec<Property>,
    is_cancelled: bool,
}

/// A time as it stands there.
pub(super) enum Time {
    /// In UTC.
    Moment(Timestamp),
    /// In a zone that is named elsewhere, or in the team's.
    Local(DateTime),
}

impl Event {
    fn begun(line: usize) -> Self {
        Self { line, summary: None, start: None, end: None, rule: None, except: Vec::new(), is_cancelled: false }
    }

    fn take(&mut self, property: Property) -> Result<(), Refused> {
        let once = |slot: &mut Option<Property>, property: Property| match slot {
            Some(_) => Err(property.refuse(format!("a second {} in one event", property.name))),
            None => {
                *slot = Some(property);
                Ok(())
            }
        };
        match property.name.as_str() {
            "SUMMARY" => once(&mut self.summary, property),
            "DTSTART" => once(&mut self.start, property),
            "DTEND" => once(&mut self.end, property),
            "RRULE" => once(&mut self.rule, property),
            "EXDATE" => {
                self.except.push(property);
                Ok(())
            }
            "STATUS" => {
                self.is_cancelled = property.value.trim().eq_ignore_ascii_case("CANCELLED");
                Ok(())
            }
            "DURATION" => Err(property.refuse("say with DTEND when the shift ends")),
            "RECURRENCE-ID" | "RDATE" | "EXRULE" => Err(property.refuse(format!(
                "{} is not understood; take the time out with EXDATE, and write what is there instead as an event of its own",
                property.name
            ))),
            // What else an event says is about something other than who is on duty when.
            _ => Ok(()),
        }
    }

    fn shift(
        self,
        zone_name: &str,
        zone: &TimeZone,
        is_member: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Shift>, Refused> {
        if self.is_cancelled {
            return Ok(None);
        }
        let missing = |what: &str| Refused::at(self.line, format!("the event that begins here has no {what}"));
        let summary = self.summary.ok_or_else(|| missing("SUMMARY that names who is on duty"))?;
        let start = self.start.ok_or_else(|| missing("DTSTART"))?;
        let end = self.end.ok_or_else(|| missing("DTEND"))?;
        let members = members(&summary, is_member)?;
        let name: String = summary.text().chars().take(LONGEST_NAME).collect();
        let when = match &self.rule {
            None => {
                if let Some(except) = self.except.first() {
                    return Err(except.refuse("EXDATE takes a time out of a rule, and this event has no RRULE"));
                }
                let [from, until] = [once(&start, zone)?, once(&end, zone)?];
                When::Once(Period { from, until })
            }
            Some(rule) => {
                let local = |property: &Property| local(property, zone_name);
                let (begins, ends) = (local(&start)?, local(&end)?);
                if ends <= begins {
                    return Err(end.refuse("DTEND must be after DTSTART"));
                }
                let mut weekly = rule::weekly(rule, begins, ends, zone)?;
                for property in &self.except {
                    for value in property.value.split(',') {
                        let at = match time(property, value)? {
                            Time::Moment(at) => at.to_zoned(zone.clone()).datetime(),
                            Time::Local(at) => {
                                check_zone(property, zone_name)?;
                                at
                            }
                        };
                        if at.time() != begins.time() {
                            return Err(property.refuse("EXDATE names a time at which the event does not begin"));
                        }
                        weekly.except.insert(at.date());
                    }
                }
                When::Weekly(weekly)
            }
        };
        when.check(&name)
            .map_err(|_| end.refuse("DTEND must be after DTSTART, and where it repeats within a week of it"))?;
        Ok(Some(Shift { name, members, when }))
    }
}

/// Who is on duty: one member, or several with commas between.
fn members(summary: &Property, is_member: &dyn Fn(&str) -> bool) -> Result<BTreeSet<String>, Refused> {
    let text = summary.text();
    if is_member(&text) {
        return Ok([text].into());
    }
    let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().all(|name| is_member(name)) {
        return Ok(names);
    }
    Err(summary.refuse(
        "SUMMARY must name members of the team as they sign in, with commas between; somebody here is none. Give her a \
         commission first, or correct the name",
    ))
}

/// A moment, in whatever zone it is given.
fn once(property: &Property, team: &TimeZone) -> Result<Timestamp, Refused> {
    match time(property, &property.value)? {
        Time::Moment(at) => Ok(at),
        Time::Local(local) => {
            let zone = match property.parameter("TZID") {
                Some(name) => TimeZone::get(name).map_err(|_| no_zone(property))?,
                None => team.clone(),
            };
            let at = moment(local, &zone).and_then(|ms| Timestamp::from_millisecond(ms).ok());
            at.ok_or_else(|| property.refuse("this time does not exist"))
        }
    }
}

/// A local time of the team's: what repeats is in its zone.
fn local(property: &Property, zone_name: &str) -> Result<DateTime, Refused> {
    match time(property, &property.value)? {
        Time::Local(local) => {
            check_zone(property, zone_name)?;
            Ok(local)
        }
        Time::Moment(_) => Err(other_zone(property, zone_name)),
    }
}

fn check_zone(property: &Property, zone_name: &str) -> Result<(), Refused> {
    match property.parameter("TZID") {
        Some(name) if !name.eq_ignore_ascii_case(zone_name) => Err(other_zone(property, zone_name)),
        Some(_) | None => Ok(()),
    }
}

fn other_zone(property: &Property, zone_name: &str) -> Refused {
    property.refuse(format!("what repeats must be in the team's time zone (TZID={zone_name})"))
}

fn no_zone(property: &Property) -> Refused {
    property
        .refuse("there is no time zone of this name; use one of the IANA database, as TZID=Europe/Stockholm, or UTC")
}

/// Reads `20261201T070000`, or `20261201T060000Z`.
pub(super) fn time(property: &Property, value: &str) -> Result<Time, Refused> {
    let value = value.trim();
    let digits = value.strip_suffix('Z').unwrap_or(value);
    let is_long = digits.len() == 15 && digits.as_bytes()[8] == b'T';
    let local: Option<DateTime> = is_long.then(|| digits.parse().ok()).flatten();
    let local = local.ok_or_else(|| {
        property.refuse("a time must be as 20261201T070000, or 20261201T060000Z; whole days are none")
    })?;
    if digits.len() == value.len() {
        return Ok(Time::Local(local));
    }
    let at = TimeZone::UTC.to_timestamp(local);
    at.map(Time::Moment).map_err(|_| property.refuse("this time does not exist"))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::duty::roster::Roster;

    const NIGHTS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Other//Planner//SV\r\n\
        BEGIN:VTIMEZONE\r\nTZID:Europe/Stockholm\r\nBEGIN:STANDARD\r\nDTSTART:19961027T030000\r\n\
        TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
        BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Anna\\, Bo\r\n\
        DTSTART;TZID=Europe/Stockholm:20261201T220000\r\nDTEND;TZID=Europe/Stockholm:20261202T060000\r\n\
        RRULE:FREQ=WEEKLY;BYDAY=TU,FR;COUNT=5\r\nEXDATE;TZID=Europe/Stockholm:20261204T220000\r\n\
        BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nACTION:DISPLAY\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[test]
    fn a_planners_file_is_read_as_weekly_shifts() {
        let shifts = try_to(NIGHTS).unwrap();
        let [Shift { members, when: When::Weekly(weekly), .. }] = &shifts[..] else { panic!("{shifts:?}") };
        assert_eq!(members.iter().map(String::as_str).collect::<Vec<_>>(), ["Anna", "Bo"]);
        let days: Vec<i8> = (1..=31).filter(|day| weekly.begins_on(date(2026, 12, *day))).collect();
        assert_eq!(days, [1, 8, 11, 15], "five times, of which one is taken out");
        let roster = Roster { shifts: shifts.clone(), changes: Vec::new() };
        assert_eq!(roster.check(), Ok(()));
        let at = moment(date(2026, 12, 2).at(5, 59, 0, 0), &zone()).unwrap();
        assert_eq!(roster.on_duty(at, &zone()).len(), 2);
    }

    #[test]
    fn a_rule_ends_where_its_last_moment_or_day_says() {
        let ends = |until: &str| {
            let shifts = try_to(&NIGHTS.replace("COUNT=5", until)).unwrap();
            let When::Weekly(weekly) = &shifts[0].when else { panic!("{shifts:?}") };
            (7..=18).rev().find(|day| weekly.begins_on(date(2026, 12, *day)))
        };
        assert_eq!(ends("UNTIL=20261211"), Some(11));
        assert_eq!(ends("UNTIL=20261211T210000Z"), Some(11));
        assert_eq!(ends("UNTIL=20261211T205959Z"), Some(8));
        assert_eq!(ends("INTERVAL=2"), Some(18));
    }

    #[test]
    fn single_shifts_may_be_in_any_zone_and_cancelled_ones_are_none() {
        let once = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Anna\nDTSTART:20261201T210000Z\n\
                    DTEND;TZID=Europe/Helsinki:20261202T070000\nEND:VEVENT\nEND:VCALENDAR\n";
        let shifts = try_to(once).unwrap();
        let When::Once(period) = &shifts[0].when else { panic!("{shifts:?}") };
        assert_eq!(
            (period.from.to_string().as_str(), period.until.to_string().as_str()),
            ("2026-12-01T21:00:00Z", "2026-12-02T05:00:00Z")
        );
        assert!(try_to(&once.replace("END:VEVENT", "STATUS:CANCELLED\nEND:VEVENT")).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line_and_what_to_do() {
        for (from, to, line, words) in [
            ("SUMMARY:Anna\\, Bo", "SUMMARY:Anna\\, Cecilia", 16, "commission"),
            ("FREQ=WEEKLY", "FREQ=MONTHLY", 19, "FREQ=WEEKLY"),
            ("COUNT=5", "BYSETPOS=1", 19, "BYSETPOS"),
            ("COUNT=5", "COUNT=0", 19, "COUNT"),
            ("COUNT=5", "COUNT=5;UNTIL=20270101", 19, "not both"),
            ("COUNT=5", "INTERVAL=2;WKST=SU", 19, "Mondays"),
            ("BYDAY=TU,FR", "BYDAY=MO", 19, "DTSTART must be on"),
            ("BYDAY=TU,FR", "BYDAY=1TU", 19, "BYDAY"),
            ("DTSTART;TZID=Europe/Stockholm:20261201T220000", "DTSTART:20261201T210000Z", 17, "TZID=Europe/Stockholm"),
            ("DTSTART;TZID=Europe/Stockholm:20261201T220000", "DTSTART;VALUE=DATE:20261201", 17, "whole days"),
            (
                "DTEND;TZID=Europe/Stockholm:20261202T060000",
                "DTEND;TZID=Europe/Stockholm:20261130T230000",
                18,
                "after DTSTART",
            ),
            ("DTEND;TZID=Europe/Stockholm:20261202T060000", "DURATION:PT8H", 18, "DTEND"),
            (
                "EXDATE;TZID=Europe/Stockholm:20261204T220000",
                "EXDATE;TZID=Europe/Stockholm:20261204T210000",
                20,
                "EXDATE",
            ),
            ("EXDATE;TZID=Europe/Stockholm:20261204T220000", "RDATE:20261205T210000Z", 20, "EXDATE"),
            ("UID:1", "RECURRENCE-ID:20261205T210000Z", 14, "event of its own"),
            ("COUNT=5", "UNTIL=20261101", 19, "before DTSTART"),
            ("VERSION:2.0", "VERSION:1.0", 2, "2.0"),
            ("BEGIN:VEVENT", "BEGIN:VTODO", 13, "take it out"),
            ("END:VEVENT\r\n", "", 25, "damaged"),
            ("END:VCALENDAR\r\n", "", 25, "missing"),
            ("BEGIN:VCALENDAR\r\n", "", 1, "none"),
        ] {
            assert!(NIGHTS.contains(from), "{from}");
            let refused = try_to(&NIGHTS.replacen(from, to, 1)).unwrap_err();
            assert_eq!(refused.line, line, "{to}: {refused}");
            assert!(refused.why.contains(words), "{to}: {refused}");
        }
    }

    fn try_to(file: &str) -> Result<Vec<Shift>, Refused> {
        read(file.as_bytes(), "Europe/Stockholm", &zone(), &|name| ["Anna", "Bo"].contains(&name))
    }

    fn zone() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }
}
