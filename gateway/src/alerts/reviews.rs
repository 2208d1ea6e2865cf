//! When rules look back: a while after a reading, when its session is over, and after each part of the day in which a
//! person was to measure. One timer for each person, a row in the store, so that it survives a restart.

use jiff::tz::TimeZone;

use super::judge::{Consequence, carry_out, when_reviewed};
use super::rules::missed_reading::next_look_ms;
use super::rules::vital::Values;
use super::rules::{Lookback, Rules};
use crate::plan::{Plan, Version, in_force};
use crate::store::records::Record;
use crate::store::{Connection, Reader, StoreError, person_page, plans, readings, rule_memory, timers};
use crate::trends::{self, Past};

/// The kind of such a timer; its key is the person.
pub const TIMER: &str = "review";

/// So many readings are looked at at most, the newest: two a minute for a day and a half, or fifty a day for three months.
pub(crate) const MOST_READINGS: u32 = 5_000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Writes a person's new plan, which holds from now on, and sees to it that it is looked at in time.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such person.
pub async fn change_plan(
    work: &mut Connection,
    person: &str,
    plan: &Plan,
    (author, reason): (&str, &str),
    zone: &TimeZone,
    now_ms: i64,
) -> Result<(), StoreError> {
    plans::write(work, person, plan, (author, reason), now_ms).await?;
    match next_look_ms(plan, now_ms, zone) {
        Some(due_ms) => timers::set_at_the_latest(work, TIMER, &[person], due_ms).await,
        None => Ok(()),
    }
}

/// Lets the rules that look back judge one person. Says whether she is known.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn review(
    work: &mut Connection,
    reader: &Reader,
    rules: &Rules,
    person: &str,
    zone: &TimeZone,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let Some(known) = person_page::find(reader, person).await? else { return Ok(false) };
    let versions = plans::versions(reader, person).await?;
    let plan = in_force(&versions, now_ms);
    if !plan.at(now_ms, zone).is_paused {
        let history = history(reader, person, looks_back_to_ms(rules, now_ms), now_ms).await?;
        let memory = rule_memory::of_people(work, &[person]).await?;
        let before = Before {
            person,
            home: &known.home,
            versions: &versions,
            history: &history,
            heard_ms: known.home_heard_ms,
            zone,
            now_ms,
        };
        let remembered = |rule: &str| memory.iter().find(|known| known.rule == rule).map(|known| known.memory.as_str());
        carry_out(work, &before.follows(rules, remembered), now_ms).await?;
    }
    if let Some(due_ms) = next_look_ms(&plan, now_ms, zone) {
        timers::set_at_the_latest(work, TIMER, &[person], due_ms).await?;
    }
    Ok(true)
}

/// How far the rules look back.
pub(crate) fn looks_back_to_ms(rules: &Rules, now_ms: i64) -> i64 {
    now_ms - rules.iter().filter_map(|rule| rule.looks_back_days()).max().unwrap_or(0) * DAY_MS
}

/// What came before, of one person.
pub(crate) struct Before<'a> {
    pub(crate) person: &'a str,
    pub(crate) home: &'a str,
    /// The versions of her plan, the newest first.
    pub(crate) versions: &'a [Version],
    /// As [`Lookback::history`]; the newest [`MOST_READINGS`] at most.
    pub(crate) history: &'a [Past],
    pub(crate) heard_ms: Option<i64>,
    pub(crate) zone: &'a TimeZone,
    pub(crate) now_ms: i64,
}

impl Before<'_> {
    /// What follows from it, by what each rule remembers.
    pub(crate) fn follows<'m>(&self, rules: &Rules, remembered: impl Fn(&str) -> Option<&'m str>) -> Vec<Consequence> {
        let plan = in_force(self.versions, self.now_ms);
        let sessions = trends::sessions(self.history, self.zone);
        let looking = rules.iter().filter(|rule| rule.looks_back_days().is_some());
        let follows = looking.flat_map(|rule| {
            let facts = Lookback {
                plan: plan.at(self.now_ms, self.zone),
                plan_from_ms: asked_since_ms(self.versions, &plan),
                history: self.history,
                sessions: &sessions,
                memory: remembered(rule.name()),
                heard_ms: self.heard_ms,
                zone: self.zone,
                now_ms: self.now_ms,
            };
            when_reviewed(rule.as_ref(), &facts, self.person, self.home)
        });
        follows.collect()
    }
}

/// Since when she is asked to measure as she is.
fn asked_since_ms(newest_first: &[Version], plan: &Plan) -> i64 {
    let same = newest_first.iter().take_while(|version| version.plan.schedule == plan.schedule);
    same.last().map_or(i64::MIN, |version| version.from_ms)
}

async fn history(reader: &Reader, person: &str, from_ms: i64, now_ms: i64) -> Result<Vec<Past>, StoreError> {
    let records = readings::of_person(reader, person, from_ms, now_ms + 1, MOST_READINGS).await?;
    let mut history: Vec<Past> = records.iter().filter_map(past).collect();
    history.reverse();
    Ok(history)
}

/// A reading whose time is known, as rules look back at it.
fn past(record: &Record) -> Option<Past> {
    Some(Past {
        at_ms: record.measured_ms?,
        device: record.device.clone(),
        values: Values::of(&record.observations, false),
        is_irregular: record.marks.iter().any(|mark| mark == "irregular_pulse"),
    })
}
