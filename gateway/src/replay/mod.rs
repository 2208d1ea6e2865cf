//! What would these limits have done? A person's stored history is judged once more, from the first reading to the last, by
//! the very functions that judge as readings come: [`judge::consequences`], [`judge::when_overdue`] and what
//! [`reviews`] makes of the days before. Pure: nothing is read or written here, least of all an alert.
//!
//! What history does not say is assumed, and always so:
//! - Readings are whose they are now, measured when they are known now to have been, and came when they were stored.
//! - Her age, schedule and pauses are those of the plan of that time; only limits are tried.
//! - A case that was really open is closed when it really was. One that only these limits open is closed
//!   [`CLOSED_AFTER_MS`] after it last rang.
//! - A box is heard all the time but in the silences that were noticed.
//! - Presses are left out: no limit changes them.

#[cfg(test)]
mod histories;
pub mod report;

use std::collections::{BTreeMap, HashSet};

use hempuls_protocol::observation::Observation;

use crate::alerts::alert::Alert;
use crate::alerts::judge::{self, Consequence, Judged, Known, Settings};
use crate::alerts::line::NOT_JUDGED;
use crate::alerts::reviews::{self, Before, MOST_READINGS};
use crate::alerts::rules::late::REVIEW;
use crate::alerts::rules::missed_reading::next_look_ms;
use crate::alerts::rules::vital::Values;
use crate::alerts::rules::{PLAN_MISSING, What};
use crate::alerts::{Concern, Line, REST_MS, Severity, Weight, flood, patience};
use crate::plan::{Limit, Plan, Standard, Tenths, Version, in_force};
use crate::trends::Past;

/// A case that only the tried limits open is taken to be closed so long after it last rang.
pub const CLOSED_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

/// So long before a period judging begins, so that the rules know what they would have known: four weeks that the longest of
/// them looks back, and a fortnight in which it says nothing again.
pub const WARM_UP_MS: i64 = 42 * 24 * 60 * 60 * 1000;

/// A case that really was open is known by its opening to so much: a timer rings a moment after it is due.
const SAME_MOMENT_MS: i64 = 2 * 60 * 1000;

/// What is stored of one person.
#[derive(Clone, Debug)]
pub struct History {
    /// Her id.
    pub person: String,
    /// Her home.
    pub home: String,
    /// Since when she is known, by her entry or her first reading.
    pub since_ms: i64,
    /// Her readings, in the order in which they were stored.
    pub readings: Vec<Reading>,
    /// The versions of her plan, the newest first.
    pub plans: Vec<Version>,
    /// The boxes of her home.
    pub boxes: Vec<HomeBox>,
    /// The cases about her that really were, the oldest first, presses left out.
    pub cases: Vec<Case>,
}

/// One stored reading.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its id.
    pub id: String,
    /// In which home.
    pub home: String,
    /// Which device.
    pub device: String,
    /// When it was stored.
    pub stored_ms: i64,
    /// When it was measured, where that is known.
    pub measured_ms: Option<i64>,
    /// Its values.
    pub observations: Vec<Observation>,
    /// Whether the device felt an irregular pulse.
    pub is_irregular: bool,
}

/// When a box was heard.
#[derive(Clone, Debug, Default)]
pub struct HomeBox {
    /// When it was last heard; never, where there is none.
    pub last_heard_ms: Option<i64>,
    /// Its silences: since when nothing was heard, and when that was known to be over.
    pub silences: Vec<(i64, Option<i64>)>,
}

impl HomeBox {
    fn heard_ms(&self, now_ms: i64) -> Option<i64> {
        let is_silent = |(from, over): &&(i64, Option<i64>)| *from < now_ms && over.is_none_or(|over| now_ms < over);
        let silent_since = self.silences.iter().filter(is_silent).map(|(from, _)| *from).min();
        Some(silent_since.unwrap_or(now_ms).min(self.last_heard_ms?))
    }
}

/// A case that was, or would have been.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Its rule.
    pub rule: String,
    /// When it opened.
    pub opened_ms: i64,
    /// How urgent it became.
    pub severity: Severity,
    /// Whether it was confirmed.
    pub confirmed: bool,
    /// When it was closed, or is taken to be.
    pub closed_ms: Option<i64>,
}

/// Which limits are tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tried {
    /// Those that held at each time.
    AsTheyWere,
    /// These, and nothing of those that held.
    Instead {
        /// The set that holds where there is no limit of her own.
        standard: Standard,
        /// Limits of her own.
        limits: BTreeMap<Limit, Tenths>,
    },
    /// Those that held at each time, but for these.
    But {
        /// Another set.
        standard: Option<Standard>,
        /// Limits of her own; none: taken away.
        limits: BTreeMap<Limit, Option<Tenths>>,
    },
}

impl Tried {
    /// All limits of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self::Instead { standard: plan.standard, limits: plan.limits.clone() }
    }

    /// A plan with these limits; all else of it stays.
    #[must_use]
    pub fn on(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        match self {
            Self::AsTheyWere => {}
            Self::Instead { standard, limits } => (plan.standard, plan.limits) = (*standard, limits.clone()),
            Self::But { standard, limits } => {
                plan.standard = standard.unwrap_or(plan.standard);
                for (limit, value) in limits {
                    match value {
                        Some(value) => plan.limits.insert(*limit, *value),
                        None => plan.limits.remove(limit),
                    };
                }
            }
        }
        plan
    }

    /// A person's plans with these limits, the newest first. They hold from the beginning, also before her first plan.
    fn on_all(&self, newest_first: &[Version]) -> Vec<Version> {
        let mut versions: Vec<Version> =
            newest_first.iter().map(|version| Version { plan: self.on(&version.plan), ..version.clone() }).collect();
        if *self != Self::AsTheyWere {
            let first = newest_first.last();
            versions.push(Version {
                version: 0,
                from_ms: i64::MIN,
                until_ms: first.map(|first| first.from_ms),
                author: String::new(),
                reason: String::new(),
                plan: self.on(&in_force(newest_first, i64::MIN)),
            });
        }
        versions
    }
}

/// A case that would have been, and when it would have rung.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The case.
    pub case: Case,
    /// When it rang, its opening first.
    pub rang_ms: Vec<i64>,
}

/// The cases that these limits would have opened from `from_ms` until before `to_ms`, the oldest first.
#[must_use]
pub fn replay(history: &History, tried: &Tried, settings: &Settings, from_ms: i64, to_ms: i64) -> Vec<Case> {
    let told = replay_with_rings(history, tried, settings, (from_ms, to_ms), CLOSED_AFTER_MS);
    told.into_iter().map(|told| told.case).collect()
}

/// As [`replay`], with when each case rang, where a case that only these limits open is closed `closed_after_ms` after it
/// last rang.
#[must_use]
pub fn replay_with_rings(
    history: &History,
    tried: &Tried,
    settings: &Settings,
    (from_ms, to_ms): (i64, i64),
    closed_after_ms: i64,
) -> Vec<Told> {
    let begins_ms = from_ms.saturating_sub(WARM_UP_MS);
    let mut course = Course::new(history, tried.on_all(&history.plans), settings, begins_ms, closed_after_ms);
    course.run(to_ms);
    let told = course.cases.into_iter().map(|open| Told { case: open.case, rang_ms: open.rang_ms });
    told.filter(|told| (from_ms..to_ms).contains(&told.case.opened_ms)).collect()
}

/// Whether a rule judges by a plan, so that a replay tells of its cases.
#[must_use]
pub fn tells_of(rule: &str, settings: &Settings) -> bool {
    [REVIEW, PLAN_MISSING, flood::REVIEW_PLAN, NOT_JUDGED].contains(&rule)
        || settings.rules.iter().any(|known| known.name() == rule && rule != crate::alerts::rules::alarm_pressed::NAME)
}

/// One case on its way.
struct Open {
    case: Case,
    alert: Alert,
    /// What its story says of the matter.
    lines: Vec<Line>,
    /// When it rang.
    rang_ms: Vec<i64>,
    /// When it really was closed, where it really was open.
    really: Option<Option<i64>>,
}

/// One history being judged.
struct Course<'a> {
    history: &'a History,
    settings: &'a Settings,
    closed_after_ms: i64,
    plans: Vec<Version>,
    /// How many of the plans, from the oldest, are written already.
    written: usize,
    next: usize,
    known: Known,
    past: Vec<Past>,
    timers: BTreeMap<String, i64>,
    cases: Vec<Open>,
}

impl<'a> Course<'a> {
    fn new(
        history: &'a History,
        plans: Vec<Version>,
        settings: &'a Settings,
        begins_ms: i64,
        closed_after_ms: i64,
    ) -> Self {
        let mut course = Self {
            history,
            settings,
            closed_after_ms,
            plans,
            written: 0,
            next: 0,
            known: Known::default(),
            past: Vec::new(),
            timers: BTreeMap::new(),
            cases: Vec::new(),
        };
        while course.next_plan_ms().is_some_and(|from_ms| from_ms <= begins_ms) {
            course.write_plan();
        }
        course.look_later(&in_force(course.versions(), begins_ms), begins_ms);
        course
    }

    fn run(&mut self, to_ms: i64) {
        loop {
            let reading_ms = self.history.readings.get(self.next).map(|reading| reading.stored_ms);
            let plan_ms = self.next_plan_ms();
            let timer = self.next_timer();
            let nexts = [reading_ms, plan_ms, timer.as_ref().map(|(due_ms, _)| *due_ms)];
            let Some(now_ms) = nexts.into_iter().flatten().min().filter(|now_ms| *now_ms < to_ms) else { return };
            self.close_until(now_ms);
            if plan_ms == Some(now_ms) {
                self.write_plan();
                self.look_later(&in_force(self.versions(), now_ms), now_ms);
            } else if let Some((_, kind)) = timer.filter(|(due_ms, _)| *due_ms == now_ms) {
                self.ring(&kind, now_ms);
            } else {
                self.store(now_ms);
            }
        }
    }

    fn next_plan_ms(&self) -> Option<i64> {
        let next = self.plans.len().checked_sub(self.written + 1)?;
        Some(self.plans[next].from_ms)
    }

    /// The plans that are written by now, the newest first.
    fn versions(&self) -> &[Version] {
        &self.plans[self.plans.len() - self.written..]
    }

    fn write_plan(&mut self) {
        self.written += 1;
        let versions = self.versions().to_vec();
        self.known.plans.insert(self.history.person.clone(), versions);
    }

    /// What rules wait for goes first, as in the store.
    fn next_timer(&self) -> Option<(i64, String)> {
        let first = self.timers.iter().min_by_key(|(kind, due_ms)| (**due_ms, *kind == reviews::TIMER));
        first.map(|(kind, due_ms)| (*due_ms, kind.clone()))
    }

    fn look_later(&mut self, plan: &Plan, now_ms: i64) {
        if let Some(due_ms) = next_look_ms(plan, now_ms, &self.settings.zone) {
            self.review_at_the_latest(due_ms);
        }
    }

    fn review_at_the_latest(&mut self, due_ms: i64) {
        let due = self.timers.entry(reviews::TIMER.to_owned()).or_insert(due_ms);
        *due = (*due).min(due_ms);
    }

    /// All that was stored in one moment was one batch.
    fn store(&mut self, now_ms: i64) {
        let history = self.history;
        let rest = &history.readings[self.next..];
        let batch = &rest[..rest.iter().take_while(|reading| reading.stored_ms == now_ms).count()];
        self.next += batch.len();
        let confirmed = self.cases.iter().filter(|open| open.is_open() && open.alert.confirmed);
        self.known.confirmed =
            confirmed.map(|open| (open.case.rule.clone(), history.person.clone())).collect::<HashSet<_>>();
        let mut follows = Vec::new();
        for reading in batch {
            let judged = Judged {
                id: &reading.id,
                person: Some(&history.person),
                home: &reading.home,
                device: &reading.device,
                measured_ms: reading.measured_ms,
                what: What::Reading(&reading.observations),
            };
            let Settings { rules, zone, .. } = self.settings;
            follows.extend(judge::consequences(rules, &judged, &mut self.known, zone, now_ms));
            if self.settings.is_for_review(&judged, now_ms).is_some() {
                self.review_at_the_latest(self.settings.review_due_ms(now_ms));
            }
        }
        for reading in batch {
            self.remember(reading);
        }
        self.carry_out(follows, now_ms);
    }

    /// Keeps a reading for the rules that look back, by when it was measured.
    fn remember(&mut self, reading: &Reading) {
        let Some(at_ms) = reading.measured_ms else { return };
        let values = Values::of(&reading.observations, false);
        let past = Past { at_ms, device: reading.device.clone(), values, is_irregular: reading.is_irregular };
        let place = self.past.partition_point(|earlier| earlier.at_ms <= at_ms);
        self.past.insert(place, past);
    }

    fn ring(&mut self, kind: &str, now_ms: i64) {
        self.timers.remove(kind);
        let (history, settings) = (self.history, self.settings);
        if kind != reviews::TIMER {
            let key = (kind.to_owned(), history.person.clone());
            let waits = self.known.waiting.get(&key).cloned();
            let rule = settings.rules.iter().find(|rule| rule.name() == kind);
            if let (Some(waiting), Some(rule)) = (waits, rule) {
                let follows = judge::when_overdue(rule.as_ref(), &waiting, &history.person, &history.home);
                self.carry_out(follows, now_ms);
            }
            return;
        }
        let plan = in_force(self.versions(), now_ms);
        if !plan.at(now_ms, &settings.zone).is_paused {
            let from_ms = reviews::looks_back_to_ms(&settings.rules, now_ms);
            let place = |at_ms| self.past.partition_point(|past| past.at_ms < at_ms);
            let window = &self.past[place(from_ms)..place(now_ms + 1)];
            let before = Before {
                person: &history.person,
                home: &history.home,
                versions: self.versions(),
                history: &window[window.len().saturating_sub(MOST_READINGS as usize)..],
                heard_ms: history.boxes.iter().filter_map(|one| one.heard_ms(now_ms)).max(),
                zone: &settings.zone,
                now_ms,
            };
            let remembered = |rule: &str| {
                let key = (rule.to_owned(), history.person.clone());
                self.known.memory.get(&key).map(String::as_str)
            };
            let follows = before.follows(&settings.rules, remembered);
            self.carry_out(follows, now_ms);
        }
        self.look_later(&plan, now_ms);
    }

    fn carry_out(&mut self, follows: Vec<Consequence>, now_ms: i64) {
        let key = |rule: &str, person: String| (rule.to_owned(), person);
        for consequence in follows {
            match consequence {
                Consequence::Raise(concern) => self.raise_unless_too_many(&concern, now_ms),
                Consequence::Remind(concern) | Consequence::GoesOn(concern) => self.remind(&concern, now_ms),
                Consequence::Wait(waits) => {
                    self.timers.insert(waits.rule.clone(), waits.waiting.due_ms);
                    self.known.waiting.insert((waits.rule, waits.person), waits.waiting);
                }
                Consequence::StopWaiting { rule, person } => {
                    self.timers.remove(rule);
                    self.known.waiting.remove(&key(rule, person));
                }
                Consequence::Remember { rule, person, memory } => {
                    self.known.memory.insert(key(rule, person), memory);
                }
                Consequence::Ease(_) | Consequence::Over { .. } | Consequence::KeptQuiet { .. } => {}
            }
        }
    }

    /// As [`flood::raise`].
    fn raise_unless_too_many(&mut self, concern: &Concern, now_ms: i64) {
        let counts = |open: &&Open| {
            open.case.opened_ms >= now_ms - flood::WITHIN_MS && !flood::BESIDES.contains(&open.case.rule.as_str())
        };
        let opened = self.cases.iter().rev().take_while(|open| open.case.opened_ms >= now_ms - flood::WITHIN_MS);
        let is_one_too_many = flood::may_be_held_back(concern)
            && self.open_case(concern.finding.case).is_none()
            && opened.filter(counts).count() >= usize::try_from(flood::MOST).unwrap_or(usize::MAX);
        if is_one_too_many {
            self.raise(&flood::task_for(concern), now_ms);
        } else {
            self.raise(concern, now_ms);
        }
    }

    /// As [`crate::alerts::remind`].
    fn remind(&mut self, concern: &Concern, now_ms: i64) {
        let case = concern.finding.case;
        let is_closed_lately = |open: &&Open| {
            open.case.rule == case && open.case.closed_ms.is_some_and(|closed_ms| closed_ms > now_ms - REST_MS)
        };
        let says_so = |open: &Open| open.lines.iter().any(|line| line.is_of_one_trouble_with(&concern.finding.line));
        if self.open_case(case).is_none() && self.cases.iter().filter(is_closed_lately).any(says_so) {
            return;
        }
        self.raise(concern, now_ms);
    }

    /// As [`crate::alerts::raise`].
    fn raise(&mut self, concern: &Concern, now_ms: i64) {
        let finding = &concern.finding;
        if let Some(place) = self.open_case(finding.case) {
            let open = &mut self.cases[place];
            let before_ms = open.alert.rung_ms;
            open.alert.take_up(finding, &patience::Config::default(), now_ms);
            (open.case.severity, open.case.confirmed) = (open.alert.severity, open.alert.confirmed);
            if open.alert.rung_ms != before_ms {
                open.rang_ms.push(open.alert.rung_ms);
            }
            let summary = match (finding.weight, open.lines.last_mut()) {
                (Weight::Summary | Weight::More, Some(latest)) => finding.line.with(latest).map(|sum| *latest = sum),
                (Weight::Summary | Weight::More | Weight::AskedAgain, _) => None,
            };
            if summary.is_none() {
                open.lines.push(finding.line.clone());
            }
            return;
        }
        let was_open = |case: &&Case| {
            case.rule == finding.case
                && case.opened_ms <= now_ms + SAME_MOMENT_MS
                && case.closed_ms.is_none_or(|closed_ms| now_ms < closed_ms)
        };
        self.cases.push(Open {
            case: Case {
                rule: finding.case.to_owned(),
                opened_ms: now_ms,
                severity: finding.severity,
                confirmed: finding.confirmed,
                closed_ms: None,
            },
            alert: Alert::new(finding, now_ms),
            lines: vec![finding.line.clone()],
            rang_ms: vec![now_ms],
            really: self.history.cases.iter().find(was_open).map(|case| case.closed_ms),
        });
    }

    fn open_case(&self, rule: &str) -> Option<usize> {
        self.cases.iter().rposition(|open| open.is_open() && open.case.rule == rule)
    }

    /// Closes what is closed by now.
    fn close_until(&mut self, now_ms: i64) {
        let after_ms = self.closed_after_ms;
        for open in self.cases.iter_mut().filter(|open| open.is_open()) {
            open.case.closed_ms = open.closes_ms(after_ms).filter(|closes_ms| *closes_ms <= now_ms);
        }
    }
}

impl Open {
    fn is_open(&self) -> bool {
        self.case.closed_ms.is_none()
    }

    fn closes_ms(&self, after_ms: i64) -> Option<i64> {
        self.really.unwrap_or(Some(self.alert.rung_ms + after_ms))
    }
}
