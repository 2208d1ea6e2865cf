//! Times that repeat: `RRULE`, as far as shifts need it.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::Refused;
use super::lines::Property;
use super::read::{Time, time};
use crate::duty::roster::{Day, Holidays, Weekly};

/// So many times at most a rule with a count is followed.
const MOST_TIMES: u32 = 10_000;

/// Reads a weekly rule of an event that first is from `start` to `end`, both in the team's local time.
pub(super) fn weekly(rule: &Property, start: DateTime, end: DateTime, zone: &TimeZone) -> Result<Weekly, Refused> {
    let mut days = BTreeSet::new();
    let (mut every_weeks, mut count, mut until) = (1, None, None);
    let (mut is_weekly, mut begins_on_monday) = (false, true);
    for part in rule.value.split(';') {
        let (name, value) = part.split_once('=').ok_or_else(|| rule.refuse("a rule is as FREQ=WEEKLY;BYDAY=MO"))?;
        match name.to_uppercase().as_str() {
            "FREQ" => is_weekly = value.eq_ignore_ascii_case("WEEKLY"),
            "BYDAY" => {
                for word in value.split(',') {
                    let refuse = || rule.refuse("BYDAY is a list of MO, TU, WE, TH, FR, SA and SU");
                    days.insert(day(word).ok_or_else(refuse)?);
                }
            }
            "INTERVAL" => {
                let weeks = value.parse().ok().filter(|weeks| (1..=52).contains(weeks));
                every_weeks = weeks.ok_or_else(|| rule.refuse("INTERVAL is from 1 to 52"))?;
            }
            "COUNT" => {
                let times = value.parse().ok().filter(|times| (1..=MOST_TIMES).contains(times));
                count = Some(times.ok_or_else(|| rule.refuse("COUNT is from 1 to 10000"))?);
            }
            "UNTIL" => until = Some(last_day(rule, value, start, zone)?),
            "WKST" => begins_on_monday = value.eq_ignore_ascii_case("MO"),
            other => {
                return Err(rule.refuse(format!(
                    "{other} is not understood in a rule; write these shifts one by one, or as weekly ones"
                )));
            }
        }
    }
    if !is_weekly {
        return Err(
            rule.refuse("only FREQ=WEEKLY is understood; write daily shifts as weekly ones with all days in BYDAY")
        );
    }
    if every_weeks > 1 && !begins_on_monday {
        return Err(rule.refuse("weeks must begin on Mondays (WKST=MO) where INTERVAL is more than 1"));
    }
    let first = Day::of(start.date().weekday());
    if days.is_empty() {
        days.insert(first);
    }
    if !days.contains(&first) {
        return Err(rule.refuse("DTSTART must be on one of the days in BYDAY"));
    }
    if let Some(last) = until
        && last < start.date()
    {
        return Err(rule.refuse("UNTIL is before DTSTART"));
    }
    let days_later = start.date().until(end.date()).map_or(0, |span| span.get_days());
    let mut weekly = Weekly {
        days,
        from: start.time(),
        to: end.time(),
        days_later: u8::try_from(days_later).ok(),
        holidays: Holidays::AsAlways,
        first: start.date(),
        last: None,
        every_weeks,
        except: BTreeSet::new(),
    };
    weekly.last = match (until, count) {
        (Some(_), Some(_)) => return Err(rule.refuse("a rule has UNTIL or COUNT, and not both")),
        (Some(last), None) => Some(last),
        (None, Some(times)) => nth(&weekly, times),
        (None, None) => None,
    };
    Ok(weekly)
}

/// The last day on which a shift may begin.
fn last_day(rule: &Property, value: &str, start: DateTime, zone: &TimeZone) -> Result<Date, Refused> {
    if let Ok(day) = value.parse::<Date>() {
        return Ok(day);
    }
    let local = match time(rule, value)? {
        Time::Moment(at) => at.to_zoned(zone.clone()).datetime(),
        Time::Local(local) => local,
    };
    let is_included = start.time() <= local.time();
    let day = if is_included { Ok(local.date()) } else { local.date().yesterday() };
    day.map_err(|_| rule.refuse("UNTIL is too early"))
}

/// The day of the last of so many times.
fn nth(weekly: &Weekly, times: u32) -> Option<Date> {
    let days = std::iter::successors(Some(weekly.first), |day| day.tomorrow().ok());
    days.filter(|day| weekly.repeats_on(*day)).nth(usize::try_from(times).ok()? - 1)
}

fn day(word: &str) -> Option<Day> {
    let words = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let place = words.into_iter().position(|known| known.eq_ignore_ascii_case(word.trim()))?;
    Some(Day::ALL[place])
}
