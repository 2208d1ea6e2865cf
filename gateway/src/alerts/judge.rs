//! What follows from a stored record: the rules' verdicts, turned into what has to be written.
//!
//! Promised: an alarm opens its alert whatever becomes of the rules and plans; a rule that fails leads to an alert that says
//! so.

use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;

use super::line::NOT_JUDGED;
use super::rules::{self, Doubt, Facts, Lookback, PLAN_MISSING, Rule, Rules, Verdict, Waiting, What, alarm_pressed};
use super::{About, Concern, Finding, Line, Severity, Weight, ease, flood, remind};
use crate::plan::{self, AtMoment};
use crate::store::alerts::{self as cases, Waits};
use crate::store::records::NewRecord;
use crate::store::{Connection, StoreError, rule_memory, timers};

/// Something that has to be written because of a verdict.
#[derive(Clone, PartialEq, Debug)]
pub enum Consequence {
    /// Someone must act.
    Raise(Concern),
    /// Someone must act, unless she has closed the very same lately: its box says it again and again.
    Remind(Concern),
    /// Something goes on, as each heartbeat says: as [`Consequence::Remind`], and not counted when it is kept quiet.
    GoesOn(Concern),
    /// Something that someone had to act on is over by itself.
    Ease(Concern),
    /// What a rule's open case is about is over: a line in it, without a ring.
    Over {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
        /// What is said.
        line: Line,
        /// The record that shows it.
        record: Option<String>,
    },
    /// A rule waits, until its timer.
    Wait(Waits),
    /// It waits no longer.
    StopWaiting {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
    },
    /// A rule remembers something.
    Remember {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
        /// What, in its own form.
        memory: String,
    },
    /// It kept quiet although it had noticed something.
    KeptQuiet {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
        /// Because of which record.
        record: Option<String>,
        /// Why.
        why: &'static str,
    },
}

/// A rule's name and a person's id.
pub type RuleAndPerson = (String, String);

/// What is known of the people of a batch.
#[derive(Default)]
pub struct Known {
    /// What rules wait for.
    pub waiting: HashMap<RuleAndPerson, Waiting>,
    /// What rules remember.
    pub memory: HashMap<RuleAndPerson, String>,
    /// Which rules have a confirmed case that is open.
    pub confirmed: HashSet<RuleAndPerson>,
    /// The versions of people's plans.
    pub plans: HashMap<String, Vec<plan::Version>>,
}

/// What follows from one record. `known` is brought up to date, so that the next record of the batch finds it so.
#[must_use]
pub fn consequences(
    rules: &Rules,
    record: &NewRecord,
    known: &mut Known,
    zone: &TimeZone,
    now_ms: i64,
) -> Vec<Consequence> {
    let at_ms = record.measured.map_or(now_ms, |measured| measured.at_ms);
    let versions = record.person.as_ref().and_then(|person| known.plans.get(person));
    let plan = versions.map(|versions| plan::in_force(versions, at_ms)).unwrap_or_default();
    let plan = plan.at(at_ms, zone);
    if let (true, None, Some(person)) = (plan.is_paused, record.press, &record.person) {
        let (person, record) = (person.clone(), Some(record.id.clone()));
        return vec![Consequence::KeptQuiet { rule: "pause", person, record, why: "her plan is paused" }];
    }
    let mut follows = Vec::new();
    let mut is_heard = false;
    for rule in rules {
        let judging = Judging { rule: rule.as_ref(), record, plan, now_ms };
        is_heard |= judging.follow(known, &mut follows);
    }
    if let (Some(press), false) = (alarm_pressed::Press::of(record, now_ms), is_heard) {
        follows.push(Consequence::Raise(about(record, alarm_pressed::finding(press))));
    }
    follows
}

/// One rule before one record.
struct Judging<'a> {
    rule: &'a dyn Rule,
    record: &'a NewRecord,
    plan: AtMoment<'a>,
    now_ms: i64,
}

impl Judging<'_> {
    /// Adds what follows. Says whether it is the alert of a press.
    fn follow(&self, known: &mut Known, follows: &mut Vec<Consequence>) -> bool {
        let (name, record) = (self.rule.name(), self.record);
        let key = record.person.clone().map(|person| (name.to_owned(), person));
        let waiting = self.still_waiting(key.as_ref(), known, follows);
        let facts = Facts {
            what: alarm_pressed::Press::of(record, self.now_ms)
                .map_or(What::Reading(&record.observations), What::Alarm),
            has_person: record.person.is_some(),
            measured_ms: record.measured.map(|measured| measured.at_ms),
            plan: self.plan,
            waiting: waiting.as_ref(),
            memory: key.as_ref().and_then(|key| known.memory.get(key)).map(String::as_str),
            has_confirmed_case: key.as_ref().is_some_and(|key| known.confirmed.contains(key)),
            now_ms: self.now_ms,
        };
        let Ok((verdict, remembers)) = rules::judge(self.rule, &facts) else {
            tracing::error!(record.id, rule = name, "a rule panicked at a record; it is stored, and an alert says so");
            follows.push(Consequence::Raise(about(record, not_judged(name))));
            return false;
        };
        if let (Some(memory), Some(key)) = (remembers, &key)
            && known.memory.insert(key.clone(), memory.clone()).as_ref() != Some(&memory)
        {
            follows.push(Consequence::Remember { rule: name, person: key.1.clone(), memory });
        }
        let is_settled = match &verdict {
            Verdict::Fine | Verdict::Over(_) => true,
            Verdict::Concern(finding) => finding.case == name,
            Verdict::Unsure(_) => false,
        };
        if let (true, Some(_), Some(key)) = (is_settled, &waiting, &key) {
            follows.push(Consequence::StopWaiting { rule: name, person: key.1.clone() });
            known.waiting.remove(key);
        }
        let is_press = matches!(&verdict, Verdict::Concern(finding) if finding.case == alarm_pressed::NAME);
        self.write_down(verdict, waiting.is_some(), key, known, follows);
        is_press
    }

    /// What the rule waits for, if this record can still be it.
    fn still_waiting(
        &self,
        key: Option<&RuleAndPerson>,
        known: &mut Known,
        follows: &mut Vec<Consequence>,
    ) -> Option<Waiting> {
        let key = key?;
        let waiting = known.waiting.get(key)?.clone();
        if self.record.measured.is_some_and(|measured| self.rule.is_over(&waiting, measured.at_ms)) {
            follows.extend(when_overdue(self.rule, &waiting, &key.1, &self.record.home));
            known.waiting.remove(key);
            return None;
        }
        Some(waiting)
    }

    fn write_down(
        &self,
        verdict: Verdict,
        was_waiting: bool,
        key: Option<RuleAndPerson>,
        known: &mut Known,
        follows: &mut Vec<Consequence>,
    ) {
        let record = self.record;
        match (verdict, key) {
            (Verdict::Concern(finding), key) => {
                if let (Some(key), true) = (key, finding.confirmed && finding.case == self.rule.name()) {
                    known.confirmed.insert(key);
                }
                follows.push(Consequence::Raise(about(record, finding)));
            }
            (Verdict::Unsure(Doubt::Waiting(waiting)), Some(key)) => {
                let (rule, person) = key.clone();
                follows.push(Consequence::Wait(Waits {
                    rule,
                    person,
                    home: record.home.clone(),
                    waiting: waiting.clone(),
                }));
                known.waiting.insert(key, waiting);
            }
            (verdict, Some((_, person))) => {
                // Each rule says it that limits are missing for a child.
                if let Some(new) = quiet(self.rule, verdict, was_waiting, &person, &record.home, Some(&record.id))
                    && !follows.contains(&new)
                {
                    follows.push(new);
                }
            }
            (_, None) => {}
        }
    }
}

/// What follows from a verdict that is no alert and no wait.
fn quiet(
    rule: &dyn Rule,
    verdict: Verdict,
    was_waiting: bool,
    person: &str,
    home: &str,
    record: Option<&str>,
) -> Option<Consequence> {
    let (rule, person, record) = (rule.name(), person.to_owned(), record.map(str::to_owned));
    let kept = |why, person| Some(Consequence::KeptQuiet { rule, person, record: record.clone(), why });
    match verdict {
        Verdict::Fine if was_waiting => kept("the repeats are within the limit", person),
        Verdict::Over(line) => Some(Consequence::Over { rule, person, line, record }),
        Verdict::Unsure(Doubt::NoLimitsForChild) => {
            let (severity, weight, line) = (Severity::Low, Weight::More, Line::PlanMissing);
            let finding = Finding { case: PLAN_MISSING, severity, confirmed: true, weight, line };
            Some(Consequence::Remind(about_person(finding, &person, home)))
        }
        Verdict::Unsure(Doubt::HomeSilent) => kept("her home has not been heard since", person),
        Verdict::Unsure(Doubt::Reminded) => kept("one is missing: the person is reminded first", person),
        Verdict::Fine | Verdict::Concern(_) | Verdict::Unsure(Doubt::NotMine | Doubt::Waiting(_)) => None,
    }
}

/// What follows from what one rule makes of what came before.
#[must_use]
pub fn when_reviewed(rule: &dyn Rule, facts: &Lookback<'_>, person: &str, home: &str) -> Vec<Consequence> {
    let (verdict, memory) =
        rules::review(rule, facts).unwrap_or_else(|rules::Failed| (Verdict::Concern(not_judged(rule.name())), None));
    let remember = memory.filter(|memory| facts.memory != Some(memory.as_str())).map(|memory| Consequence::Remember {
        rule: rule.name(),
        person: person.to_owned(),
        memory,
    });
    let follows = match verdict {
        Verdict::Concern(finding) => {
            let concern = about_person(finding, person, home);
            let is_repeated = concern.finding.weight == Weight::Summary;
            Some(if is_repeated { Consequence::Remind(concern) } else { Consequence::Raise(concern) })
        }
        Verdict::Fine | Verdict::Over(_) | Verdict::Unsure(_) => quiet(rule, verdict, false, person, home, None),
    };
    remember.into_iter().chain(follows).collect()
}

/// What follows from that what a rule waited for did not come in time.
#[must_use]
pub fn when_overdue(rule: &dyn Rule, waiting: &Waiting, person: &str, home: &str) -> Vec<Consequence> {
    let stop = Consequence::StopWaiting { rule: rule.name(), person: person.to_owned() };
    let then = match rules::overdue(rule, waiting) {
        Ok(Some(finding)) => Consequence::Raise(about_person(finding, person, home)),
        Ok(None) => Consequence::KeptQuiet {
            rule: rule.name(),
            person: person.to_owned(),
            record: None,
            why: "the device doubted the value, and no repeat came",
        },
        Err(rules::Failed) => Consequence::Raise(about_person(not_judged(rule.name()), person, home)),
    };
    vec![stop, then]
}

/// Writes what follows.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn carry_out(work: &mut Connection, follows: &[Consequence], now_ms: i64) -> Result<(), StoreError> {
    for consequence in follows {
        match consequence {
            Consequence::Raise(concern) => flood::raise(work, concern, now_ms).await?,
            Consequence::Remind(concern) => {
                if remind(work, concern, now_ms).await? {
                    let (case, about) = (concern.finding.case, concern.about.to_string());
                    let why = "somebody has closed this very trouble within a day";
                    cases::note_suppression(work, case, &about, concern.record.as_deref(), why, now_ms).await?;
                }
            }
            Consequence::GoesOn(concern) => drop(remind(work, concern, now_ms).await?),
            Consequence::Ease(concern) => ease(work, concern, now_ms).await?,
            Consequence::Over { rule, person, line, record } => {
                if let Some((id, _)) = cases::open_case(work, rule, &About::Person(person.clone())).await? {
                    cases::add_line(work, &id, line, record.as_deref(), now_ms).await?;
                }
            }
            Consequence::Wait(waits) => {
                cases::wait(work, waits).await?;
                timers::set(work, &waits.rule, &waits.person, waits.waiting.due_ms).await?;
            }
            Consequence::StopWaiting { rule, person } => {
                cases::stop_waiting(work, rule, person).await?;
                timers::clear(work, rule, person).await?;
            }
            Consequence::Remember { rule, person, memory } => {
                rule_memory::write(work, rule, person, memory, now_ms).await?;
            }
            Consequence::KeptQuiet { rule, person, record, why } => {
                let about = About::Person(person.clone()).to_string();
                cases::note_suppression(work, rule, &about, record.as_deref(), why, now_ms).await?;
            }
        }
    }
    Ok(())
}

fn about_person(finding: Finding, person: &str, home: &str) -> Concern {
    Concern {
        finding,
        about: About::Person(person.to_owned()),
        person: Some(person.to_owned()),
        home: home.to_owned(),
        record: None,
    }
}

/// A finding about a record: about its person, or, where none is known, about its device, so that it is before
/// somebody.
fn about(record: &NewRecord, finding: Finding) -> Concern {
    Concern {
        finding,
        about: match &record.person {
            Some(person) => About::Person(person.clone()),
            None => About::Device { home: record.home.clone(), device: record.device.clone() },
        },
        person: record.person.clone(),
        home: record.home.clone(),
        record: Some(record.id.clone()),
    }
}

fn not_judged(rule: &str) -> Finding {
    Finding {
        case: NOT_JUDGED,
        severity: Severity::Medium,
        confirmed: true,
        weight: Weight::More,
        line: Line::NotJudged { rule: rule.to_owned() },
    }
}
