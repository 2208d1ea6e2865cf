//! What a replay is told as: counts and rates, week by week, and what the tried limits would have missed.
//!
//! An *event* is a case that really was opened about a person, or that the limits that hold for her today would have opened
//! over the same readings; cases of one rule within [`ONE_EVENT_MS`] of each other are one event. It is *missed* where the
//! tried limits have no case of that rule open then, and open none within [`ONE_EVENT_MS`]. What goes on in a case that is open
//! already is that event, however long it stays open. A value whose repeats were back
//! inside is no event: it is none as readings come either.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Case, History, Tried, replay, tells_of};
use crate::alerts::Severity;
use crate::alerts::flood::REVIEW_PLAN;
use crate::alerts::judge::Settings;
use crate::alerts::line::NOT_JUDGED;
use crate::alerts::rules::PLAN_MISSING;
use crate::plan::{in_force, local};

/// More of the same within this is the same event, as it is the same case when readings come.
///
/// Source: clinical-rules §9.3.
pub const ONE_EVENT_MS: i64 = 12 * 60 * 60 * 1000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Whose cases are counted.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Count {
    /// How many cases were opened.
    pub alerts: u32,
    /// How many in a week, over all people.
    pub per_week: f64,
    /// How many for each day of each person.
    pub per_patient_day: f64,
    /// How many of each rule.
    pub by_rule: BTreeMap<String, u32>,
    /// How many of each severity.
    pub by_severity: BTreeMap<&'static str, u32>,
}

/// One week, from its Monday on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Week {
    /// Its Monday.
    #[serde(serialize_with = "as_text")]
    pub monday: Date,
    /// How many cases really were opened.
    pub really: u32,
    /// How many the limits of today would have opened.
    pub today: u32,
    /// How many the tried limits would have.
    pub tried: u32,
}

/// An event that the tried limits would have missed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Missed {
    /// Whose.
    pub person: String,
    /// Of which rule.
    pub rule: String,
    /// When its case was opened.
    #[serde(serialize_with = "as_time")]
    pub at_ms: i64,
    /// How urgent it became.
    pub severity: Severity,
    /// Whether it was confirmed.
    pub confirmed: bool,
    /// Whether a case really was opened; else only the limits of today would have.
    pub really: bool,
}

fn as_text<S: serde::Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

fn as_time<S: serde::Serializer>(at_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&jiff::Timestamp::from_millisecond(*at_ms).unwrap_or_default())
}

/// What a replay says.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Of how many people.
    pub people: u32,
    /// Of how many readings.
    pub readings: u64,
    /// How many days of people it covers.
    pub patient_days: f64,
    /// What really was.
    pub really: Count,
    /// What today's limits would have done.
    pub today: Count,
    /// What the tried limits would have done.
    pub tried: Count,
    /// Week by week.
    pub weeks: Vec<Week>,
    /// The events that the tried limits would have missed.
    pub missed: Vec<Missed>,
}

/// What is told of, and by what.
pub struct Question<'a> {
    /// Which limits are tried.
    pub tried: &'a Tried,
    /// From when.
    pub from_ms: i64,
    /// Until before when.
    pub to_ms: i64,
    /// The rules, and the zone that people live by.
    pub settings: &'a Settings,
}

impl Question<'_> {
    /// A report about nobody yet.
    #[must_use]
    pub fn nobody(&self) -> Report {
        let day = |at_ms| local(at_ms, &self.settings.zone).date();
        let last = day(self.to_ms - 1);
        let mondays =
            std::iter::successors(Some(monday(day(self.from_ms))), |monday| monday.checked_add(7.days()).ok());
        let week = |monday| Week { monday, really: 0, today: 0, tried: 0 };
        Report {
            people: 0,
            readings: 0,
            patient_days: 0.0,
            really: Count::default(),
            today: Count::default(),
            tried: Count::default(),
            weeks: mondays.take_while(|monday| *monday <= last).map(week).collect(),
            missed: Vec::new(),
        }
    }

    /// Judges one person's history once more, and adds what comes of it.
    pub fn add(&self, report: &mut Report, history: &History) {
        let Self { tried, from_ms, to_ms, settings } = self;
        let limits_of_today = Tried::of(&in_force(&history.plans, i64::MAX - 1));
        let today = replay(history, &limits_of_today, settings, *from_ms, *to_ms);
        let tried = replay(history, tried, settings, *from_ms, *to_ms);
        let in_period = |at_ms: i64| (*from_ms..*to_ms).contains(&at_ms);
        let really = history.cases.iter().filter(|case| in_period(case.opened_ms) && tells_of(&case.rule, settings));
        let really: Vec<Case> = really.cloned().collect();
        report.people += 1;
        report.readings += history.readings.iter().filter(|reading| in_period(reading.stored_ms)).count() as u64;
        report.patient_days += (*to_ms - history.since_ms.max(*from_ms)).max(0) as f64 / DAY_MS as f64;
        for (count, cases) in [(&mut report.really, &really), (&mut report.today, &today), (&mut report.tried, &tried)]
        {
            count.add(cases);
        }
        for week in &mut report.weeks {
            let is_in = |case: &&Case| monday(local(case.opened_ms, &settings.zone).date()) == week.monday;
            let count = |cases: &[Case]| u32::try_from(cases.iter().filter(is_in).count()).unwrap_or(u32::MAX);
            week.really += count(&really);
            week.today += count(&today);
            week.tried += count(&tried);
        }
        report.missed.extend(missed(&history.person, &really, &today, &tried));
        let weeks = (*to_ms - *from_ms) as f64 / (7 * DAY_MS) as f64;
        for count in [&mut report.really, &mut report.today, &mut report.tried] {
            count.per_week = f64::from(count.alerts) / weeks;
            count.per_patient_day =
                if report.patient_days > 0.0 { f64::from(count.alerts) / report.patient_days } else { 0.0 };
        }
    }
}

impl Count {
    fn add(&mut self, cases: &[Case]) {
        for case in cases {
            self.alerts += 1;
            *self.by_rule.entry(case.rule.clone()).or_default() += 1;
            *self.by_severity.entry(case.severity.as_str()).or_default() += 1;
        }
    }
}

/// The events that these cases leave out, the oldest first.
fn missed(person: &str, really: &[Case], today: &[Case], tried: &[Case]) -> Vec<Missed> {
    let is_event = |case: &&Case| ![PLAN_MISSING, REVIEW_PLAN, NOT_JUDGED].contains(&case.rule.as_str());
    let is_near = |case: &Case, other: &Case| {
        let open = other.opened_ms..other.closed_ms.unwrap_or(i64::MAX);
        case.rule == other.rule
            && (open.contains(&case.opened_ms) || (other.opened_ms - case.opened_ms).abs() <= ONE_EVENT_MS)
    };
    let only_today = today.iter().filter(|case| !really.iter().any(|other| is_near(case, other)));
    let events = really.iter().map(|case| (case, true)).chain(only_today.map(|case| (case, false)));
    let missed = events.filter(|(case, _)| is_event(case) && !tried.iter().any(|other| is_near(case, other)));
    let mut missed: Vec<Missed> = missed
        .map(|(case, really)| Missed {
            person: person.to_owned(),
            rule: case.rule.clone(),
            at_ms: case.opened_ms,
            severity: case.severity,
            confirmed: case.confirmed,
            really,
        })
        .collect();
    missed.sort_by_key(|missed| missed.at_ms);
    missed
}

fn monday(day: Date) -> Date {
    day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days())
}

impl Report {
    /// The report as a table and bars, for people at a terminal. Moments are told by the clocks of `zone`.
    #[must_use]
    pub fn say(&self, zone: &TimeZone) -> String {
        let mut said = vec![
            format!("{} people, {:.0} patient-days, {} readings", self.people, self.patient_days, self.readings),
            String::new(),
            row("", ["really", "today's limits", "these limits"]),
        ];
        let counts = [&self.really, &self.today, &self.tried];
        said.push(row("alerts", counts.map(|count| count.alerts.to_string())));
        said.push(row("per week", counts.map(|count| format!("{:.1}", count.per_week))));
        said.push(row("per patient-day", counts.map(|count| format!("{:.3}", count.per_patient_day))));
        for severity in [Severity::High, Severity::Medium, Severity::Low] {
            let word = severity.as_str();
            let of = |count: &Count| count.by_severity.get(word).copied().unwrap_or(0).to_string();
            said.push(row(&format!("  {word}"), counts.map(of)));
        }
        let mut rules: Vec<&String> = counts.into_iter().flat_map(|count| count.by_rule.keys()).collect();
        rules.sort_unstable();
        rules.dedup();
        for rule in rules {
            let of = |count: &Count| count.by_rule.get(rule).copied().unwrap_or(0).to_string();
            said.push(row(&format!("  {rule}"), counts.map(of)));
        }
        said.extend([String::new(), "alerts of these limits, by the week's Monday (really):".to_owned()]);
        let most = self.weeks.iter().map(|week| week.tried).max().unwrap_or(0).max(1);
        for week in &self.weeks {
            let length = (u64::from(week.tried) * BAR).div_ceil(u64::from(most));
            let bar = "#".repeat(usize::try_from(length).unwrap_or(0));
            said.push(
                format!("  {}  {:>5}  ({:>5})  {bar}", week.monday, week.tried, week.really).trim_end().to_owned(),
            );
        }
        said.extend([String::new(), format!("events that these limits would have missed: {}", self.missed.len())]);
        for missed in &self.missed {
            let Missed { person, rule, severity, .. } = missed;
            let at = local(missed.at_ms, zone).strftime("%Y-%m-%d %H:%M");
            let by = if missed.really { "really told of" } else { "today's limits would have" };
            let sure = if missed.confirmed { "" } else { ", unconfirmed" };
            said.push(format!("  {at}  {person}  {rule}, {}{sure}  ({by})", severity.as_str()));
        }
        said.join("\n")
    }
}

/// How many signs the longest bar has.
const BAR: u64 = 50;

fn row<T: std::fmt::Display>(name: &str, cells: [T; 3]) -> String {
    let [really, today, tried] = cells;
    format!("{name:<28}{really:>10}{today:>16}{tried:>14}").trim_end().to_owned()
}
